"""Documents of any client as JSON: one, a list, one a line, and among the lines of a log."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ...refuse import BadInput
from .line import Document, Form, Problem
from .tables import lines_of

MAX_VALUES = 5_000_000  # parts of a JSON file, each of which takes memory of its own: 40 bytes,
MAX_TABLES = 500_000  # and a table 200
MAX_LOST_SEARCHES = 20  # for the end of a document that is cut off
NESTED_LISTS = 3
NEXT = re.compile(r"[ \t]*,?[ \t]*(?=[{\[])")  # another document on the same line
BEGINS = re.compile(r"\s*+(?:\{|\[(?!\d{4}[-/]\d\d|[A-Za-z]))")  # no log's time or source
AT_A_LINE = re.compile(r'^[ \t]{0,100}(?:\{[ \t]{0,100}(?:"|$)|\[[ \t]{0,100}(?:\{|$))', re.M)


def _begins_as_json(text: str) -> bool:
    return BEGINS.match(text) is not None


def _whole(text: str) -> Iterator[Document]:
    """A file that begins as JSON; every line that is none is a fault of the file."""
    _check_size(text)
    try:
        data = json.loads(text)
    except RecursionError:
        raise BadInput("file", "file is JSON nested too deep.") from None
    except ValueError as problem:
        found = list(_by_line(text, strict=True))
        if all(isinstance(data, Problem) for _, data in found):
            raise BadInput("file", f"file is no JSON: {str(problem)[:120]}.") from None
        yield from found
    else:
        yield from each(data, "")


def _check_size(text: str) -> None:
    values, tables = text.count(","), text.count("{") + text.count("[")
    if values > MAX_VALUES:
        raise BadInput("file", f"file has {values:,} values: it takes up to {MAX_VALUES:,}.")
    if tables > MAX_TABLES:
        raise BadInput("file", f"file has {tables:,} tables: it takes up to {MAX_TABLES:,}.")


def each(data: Any, where: str, depth: int = NESTED_LISTS) -> Iterator[Document]:
    """Take a list apart.

    Parameters
    ----------
    data : object
        A document, or a list of them.
    where : str
        Its place.
    depth : int
        How many lists may stand in one another.

    Returns
    -------
    iterator of Document
        One for each document, with its place.

    Examples
    --------
    >>> list(each([{"a": 1}, {"a": 2}], ""))
    [('entry 1', {'a': 1}), ('entry 2', {'a': 2})]
    """
    if isinstance(data, list) and data and depth:
        for number, one in enumerate(data, 1):
            yield from each(one, f"{where} entry {number}".strip(), depth - 1)
    elif data != []:
        yield where or "file", data
    elif where:
        yield where, Problem("an empty list")


def _in_a_log(text: str) -> Iterator[Document]:
    _check_size(text)
    return _by_line(text, strict=False)


def _by_line(text: str, strict: bool) -> Iterator[Document]:
    """A document on each line, or over several; other lines are a log's, or faults."""
    offset = past = lost = 0
    text = "\n".join(lines_of(text))
    for number, line in enumerate(lines_of(text), 1):
        start, offset = offset, offset + len(line) + 1
        plain, where = line.strip().rstrip(","), f"line {number}"
        if not plain or start < past:
            continue
        found: list[Any] = []
        try:
            found = [json.loads(plain)]
        except (ValueError, RecursionError):
            if plain[0] in "{[" and lost < MAX_LOST_SEARCHES:
                found, past = _spanning(text, start, line)
                lost += not past
        for data in found:
            if isinstance(data, Problem):
                yield where, data
            elif strict or _holds_tables(data):
                yield from each(data, where)
        if not found and plain not in ("[", "]", "{", "}") and (strict or plain.startswith('{"')):
            yield where, Problem("no JSON")


def _holds_tables(data: Any) -> bool:
    """Whether it is more than a bracket of a log, such as its time."""
    return isinstance(data, dict) or (isinstance(data, list) and isinstance((data or [0])[0], dict))


def _spanning(text: str, start: int, line: str) -> tuple[list[Any], int]:
    """Documents that begin on a line and may end on a later one, and where the last ends.

    Others may begin on the line on which one ends: {...}{...}.
    """
    found: list[Any] = []
    past, at = 0, start + len(line) - len(line.lstrip())
    while True:
        try:
            data, past = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):
            return ([*found, Problem("no JSON")] if found else []), past
        found.append(data)
        behind = NEXT.match(text, past)
        if not behind:
            return found, past
        at = behind.end()


def _holds_json(text: str) -> bool:
    return AT_A_LINE.search(text) is not None


JSON = Form(_begins_as_json, _whole)
JSON_IN_A_LOG = Form(_holds_json, _in_a_log)
