"""The files of what was measured, read for pictures and calculators.

A checkout keeps them in `benchmarks/`, as a page's Python does; a wheel brings them in `measured/`.
"""

import csv
from functools import cache
from itertools import dropwhile
from pathlib import Path

_BROUGHT = Path(__file__).parent / "measured"
BENCHMARKS = _BROUGHT if _BROUGHT.is_dir() else Path(__file__).parents[1] / "benchmarks"
# What pages and wheels bring of them.
FILES = (
    *("measured.csv", "memory.csv", "pairs.csv", "predicted.csv", "sources.csv"),
    *("kernels_drawn.csv", "formats_drawn.csv", "reduces_drawn.csv"),
    "understood.json",
)


@cache
def rows(name):
    """Read a table; the comments at its head are left out.

    Parameters
    ----------
    name : str
        A file of `BENCHMARKS`.

    Returns
    -------
    list of dict
        The columns of each row, as text.
    """
    with (BENCHMARKS / name).open(encoding="utf-8", newline="") as lines:
        columns, *found = csv.reader(dropwhile(lambda line: line.startswith("#"), lines))
    return [dict(zip(columns, row, strict=False)) for row in found]


@cache
def by_id(name):
    """Read a table whose rows have names.

    Parameters
    ----------
    name : str
        A file of `BENCHMARKS`.

    Returns
    -------
    dict of str to dict
        The columns of each row by its id.
    """
    return {row["id"]: row for row in rows(name)}


def measured():
    """Read the published rows.

    Returns
    -------
    dict of str to dict
        The columns of each by its id.
    """
    return by_id("measured.csv")
