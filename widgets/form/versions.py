"""What a link's numbers rest on: the query form, the formulas, the catalogue and the prices.

Nothing here is typed twice: a stamp is the latest date that the files name, or the
package's version, and four letters of a hash over their content.
"""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

import llmcap_kernel
from llmcap_kernel.catalog import FOLDER
from llmcap_kernel.refuse import shown

FORM = "4"  # how an address spells a state
EARLIER = ("1", "2", "3")  # what else is read; version 1 had no stamps
READ = (*EARLIER, FORM)
NOTHING_FOLLOWED = ("1", "2")  # a weight format not given was the default, whatever the model
TITLES = {"k": "formulas", "d": "catalogue", "p": "prices"}
STAMP = re.compile(r"[\w.-]{1,24}")
DATE = re.compile(rb"\b20\d\d-[01]\d-[0-3]\d\b")


@cache
def stamps():
    """Give the stamps of today's link.

    Returns
    -------
    dict
        k, d and p: formulas, catalogue and prices.
    """
    kernel = Path(llmcap_kernel.__file__).parent
    formulas = [*sorted(kernel.rglob("*.py")), FOLDER / "calibration.toml"]
    names = ("models", "gpus", "formats", "engines")
    tables = [FOLDER / f"{name}.toml" for name in names]
    catalogue = [*tables, *sorted((FOLDER / "configs").glob("*.json"))]
    prices = [FOLDER / "prices.toml"]
    return {
        "k": f"{llmcap_kernel.__version__}-{_hash(formulas)}",
        "d": f"{_latest(tables)}-{_hash(catalogue)}",
        "p": f"{_latest(prices)}-{_hash(prices)}",
    }


def _hash(paths):
    return sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:4]


def _latest(paths):
    """The last day that the files name; it tells people how old they are."""
    return max(day for path in paths for day in DATE.findall(path.read_bytes())).decode()


def moved(given):
    """Say what has moved on since a link was made.

    Parameters
    ----------
    given : dict
        Its stamps, as a stranger wrote them.

    Returns
    -------
    str
        One sentence; empty when nothing has.

    Examples
    --------
    >>> moved(stamps())
    ''
    >>> moved({"p": "2026-05-01-12ab"}).startswith("prices 2026-05-01-12ab -> ")
    True
    """
    now = stamps()
    parts = [
        f"{title} {_printed(given[key])} -> {now[key]}"
        for key, title in TITLES.items()
        if key in given and given[key] != now[key]
    ]
    return "; ".join(parts)


def _printed(stamp):
    return stamp if STAMP.fullmatch(stamp) else shown(stamp)
