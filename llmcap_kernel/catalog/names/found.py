"""What a spelling was found to mean, and the tables of spellings."""

from functools import cache
from typing import Any, NamedTuple

from ..tables import known, table


class Found(NamedTuple):
    """A name of the catalogue, and the assumption behind the match.

    Attributes
    ----------
    name : str
        As the catalogue spells it; "" when it is unknown.
    assumed : str
        What the source leaves open and what was assumed; "" for nothing.
    minor : bool
        Whether the assumption has little effect on a prediction.
    """

    name: str
    assumed: str = ""
    minor: bool = False


UNKNOWN = Found("")


@cache
def spellings(kind: str) -> dict[str, Any]:
    """Read the spellings of one kind of name.

    Parameters
    ----------
    kind : str
        "gpus".

    Returns
    -------
    dict
        What each spelling means, as `Found`; rules that need more than the name stay tables.

    Examples
    --------
    >>> spellings("gpus")["h100-80gb-hbm3"].name
    'h100-sxm'
    """
    rows = table("spellings")[kind].items()
    return {name: Found(v) if isinstance(v, str) else v for name, v in rows}


def look_up(text: str, own: dict[str, Any], kind: str) -> Found:
    """Find a name among spellings, then in the catalogue.

    Parameters
    ----------
    text : str
        The name as `key` writes it.
    own : dict
        Spellings that go before the catalogue's names.
    kind : str
        Kind of record, such as "gpus".

    Returns
    -------
    Found
        What it means; `UNKNOWN` for nothing.

    Examples
    --------
    >>> look_up("h100-80gb-hbm3", spellings("gpus"), "gpus").name
    'h100-sxm'
    """
    entry = own.get(text)
    if isinstance(entry, dict):
        return Found(entry["name"], entry.get("assumed", ""), entry.get("minor", False))
    return entry or Found(known(kind).get(text, ""))
