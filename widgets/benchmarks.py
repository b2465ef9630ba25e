"""The files of what was measured, read for pictures and calculators.

A checkout keeps them in `benchmarks/`, as a page's Python does; a wheel brings them in `measured/`.
"""

import csv
import io
import re
from functools import cache
from itertools import dropwhile
from pathlib import Path

_BROUGHT = Path(__file__).parent / "measured"
BENCHMARKS = _BROUGHT if _BROUGHT.is_dir() else Path(__file__).parents[1] / "benchmarks"
# What pages and wheels bring of them.
FILES = (
    *("measured.csv", "newer.csv", "memory.csv", "pairs.csv", "predicted.csv", "sources.csv"),
    *("kernels_drawn.csv", "formats_drawn.csv", "reduces_drawn.csv"),
    *("timed_models.csv", "timed_serving.csv", "understood.json"),
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


_GITHUB = re.compile(r"([\w.-]+/[\w.-]+?)\)?@([0-9a-f]{7,40})\)?:([^\s()]+)")


def address(text):
    """Find the page that a row was read from.

    Parameters
    ----------
    text : str
        A row's `source`: an address, or a file in a repository as "owner/name@commit:path".

    Returns
    -------
    str
        Its address, at that commit; "" for a row that has none.

    Examples
    --------
    >>> address("ggml-org/llama.cpp@4c7e9893c4ca:benches/dgx-spark.md")
    'https://github.com/ggml-org/llama.cpp/blob/4c7e9893c4ca/benches/dgx-spark.md'
    >>> address("vllm-project/recipes@8959cf6:DeepSeek/DeepSeek-V3_2.md:113")
    'https://github.com/vllm-project/recipes/blob/8959cf6/DeepSeek/DeepSeek-V3_2.md#L113'
    >>> address("stored public file id 69850903800 (vLLM args, measured)")
    ''
    """
    if text.startswith("https://"):
        return text.split()[0].rstrip(";,")
    found = _GITHUB.search(text)
    if not found:
        return ""
    path, _, line = found[3].partition(":")
    return f"https://github.com/{found[1]}/blob/{found[2]}/{path}" + (f"#L{line}" if line else "")


def file_of(source):
    """Write what a source measured as a file of its own.

    Parameters
    ----------
    source : str
        Its id.

    Returns
    -------
    bytes
        CSV with the columns of `measured.csv`.
    """
    kept = []
    for name in ("measured.csv", "newer.csv"):
        with (BENCHMARKS / name).open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(dropwhile(lambda line: line.startswith("#"), lines))
            kept += [row for row in table if row["source_id"] == source]
    text = io.StringIO()
    out = csv.DictWriter(text, list(kept[0]))
    out.writeheader()
    out.writerows(kept)
    return text.getvalue().encode()


@cache
def sources():
    """Read who measured the rows.

    Returns
    -------
    dict of str to dict
        The columns of each source by its id, and `url`: its address; "" where none is known.
    """
    return {row["source_id"]: row | {"url": _of_source(row)} for row in rows("sources.csv")}


def _of_source(row):
    told = row["url_or_repo_path"]
    if told.startswith("https://"):
        return told.split()[0]
    found = re.match(r"github:([\w.-]+/[\w.-]+)", told)
    commit = re.search(r"\b[0-9a-f]{7,40}\b", row["commit_or_date"])
    if not found:
        return ""
    return f"https://github.com/{found[1]}" + (f"/tree/{commit[0]}" if commit else "")
