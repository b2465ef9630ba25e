"""The catalogue's files as they are parsed, and how a name is compared with them."""

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ..refuse import one_of

MAX_SPELLED = 120  # characters of a name that is worth reading
FOLDER = Path(__file__).parent
# Cards of the reader's own, by name; `catalog.add_gpu` puts them there.
OWN_CARDS: dict[str, Any] = {}


@cache
def table(kind: str) -> dict[str, Any]:
    """Read a table of the catalogue as parsed TOML.

    Parameters
    ----------
    kind : str
        "models", "gpus", "formats", "engines", "prices", "clouds" or another file.

    Returns
    -------
    dict
        The parsed file, including its sources.

    Examples
    --------
    >>> "h100-sxm" in table("gpus")["gpus"]
    True
    """
    return tomllib.loads((FOLDER / f"{kind}.toml").read_text(encoding="utf-8"))


@cache
def known(kind: str) -> dict[str, str]:
    """List every name and alias of a kind of record.

    Parameters
    ----------
    kind : str
        "models", "gpus", "formats" or "engines".

    Returns
    -------
    dict
        The name that each stands for, by its spelling as `key` writes it.

    Examples
    --------
    >>> known("models")["meta-llama/llama-3.1-8b"]
    'llama-3.1-8b'
    """
    records = table(kind)[kind]
    aliases = {key(a): n for n, r in records.items() for a in r.get("aliases", ())}
    return aliases | {key(n): n for n in records}


def named(kind: str, field: str, name: object) -> str:
    """Give the name of a record by any of its names.

    Parameters
    ----------
    kind : str
        "models", "gpus", "formats" or "engines".
    field : str
        Name of the input, for the message.
    name : str
        Name or alias, in any spelling.

    Returns
    -------
    str
        The name of the record.

    Raises
    ------
    BadInput
        When the name is unknown: the message has the nearest one.

    Examples
    --------
    >>> named("gpus", "gpu", "H100 SXM")
    'h100-sxm'
    """
    return one_of(field, name, table(kind)[kind], known(kind))


@lru_cache(maxsize=4096)
def key(text: str) -> str:
    """Normalise a name for a look-up in the tables.

    Parameters
    ----------
    text : str
        A name in any spelling.

    Returns
    -------
    str
        Lower case, with "-" for runs of blanks, "_" and "-".

    Examples
    --------
    >>> key(" H100  80GB_HBM3 ")
    'h100-80gb-hbm3'
    """
    return re.sub(r"[\s_-]+", "-", text.strip().lower()).strip("-")
