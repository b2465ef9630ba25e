"""Traces of requests, read for a simulation: when each came, and how long it was.

A file is recognised by its first line, of a log by the first line about a request. It is read line
by line and never held whole, except for the result of a benchmark client, which is one document.
No file is trusted: what is malformed costs one sentence that names the line and the field.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from ...refuse import BadInput, number, shown
from ...simulation import Request
from . import clients, logs, mooncake, tables
from .line import MAX_LINE, Line, document, lines

MAX_REQUESTS = 1_000_000
MAX_VALUES = 10_000_000  # of a client's result, each of which takes memory
MAX_RESULT = 200_000_000  # characters of a client's result
LOG_WITHIN = 100_000  # lines of a log above its first request
KNOWN = (
    "a CSV of Azure LLM inference or of BurstGPT, a Mooncake JSONL, a result with the lists "
    "input_lens and output_lens, or a log of requests of vLLM or SGLang"
)


def read(path: str | Path, most: int | None = None) -> list[Request]:
    """Read the requests of a trace.

    Parameters
    ----------
    path : str or Path
        The file.
    most : int, optional
        How many are taken, from the first on; all if omitted.

    Returns
    -------
    list of Request
        In the order of the file; their times as it has them [s].

    Raises
    ------
    BadInput
        When it cannot be read, is of no known kind, malformed or too long, or has no request.
    """
    if most is not None:
        number("requests", most, 1, MAX_REQUESTS, "requests", whole=True)
    found = list(islice(_requests(path), most or MAX_REQUESTS + 1))
    if len(found) > MAX_REQUESTS:
        message = f"trace has over {MAX_REQUESTS:,} requests: take fewer of it with --requests."
        raise BadInput("trace", message)
    if not found:
        raise BadInput("trace", f"trace {shown(str(path))} has no request with an answer.")
    return found


def _requests(path: str | Path) -> Iterator[Request]:
    rest = lines(path, MAX_RESULT)
    first = next(rest, None)
    if first is None:
        raise BadInput("trace", f"trace {shown(str(path))} is empty: it takes {KNOWN}.")
    if tables.columns_of(first[:1000]):
        return tables.requests(first, _short(rest))
    if first[:1] == "{" and not logs.recognises(first):
        return _documents(first, rest)
    for line in islice(chain((first,), rest), LOG_WITHIN):
        if logs.recognises(line):
            return logs.requests(line, rest)
    begins = shown(str(first[:60]))
    raise BadInput("trace", f"trace begins with {begins}: it takes {KNOWN}.")


def _short(rest: Iterator[Line]) -> Iterator[Line]:
    """Lines of a table, which are short: a longer one is no row."""
    for line in rest:
        if len(line) > MAX_LINE:
            message = f"trace line {line.at:,} is longer than {MAX_LINE:,} characters."
            raise BadInput("trace", message)
        yield line


def _joined(first: Line, rest: Iterator[Line]) -> Line:
    parts, total = [str(first)], 0
    for line in rest:
        total += len(line)
        if total > MAX_RESULT:
            raise BadInput("trace", f"trace is a document of over {MAX_RESULT:,} characters.")
        parts.append(line)
    return Line("\n".join(parts), first.at)


def _documents(first: Line, rest: Iterator[Line]) -> Iterator[Request]:
    """Mooncake's lines, or a client's result: on one line, a line a run, or over many."""
    if first == "{":  # over many lines
        first, rest = _joined(first, rest), iter(())
    if first.count(",") > MAX_VALUES:
        raise BadInput("trace", f"trace is a document of over {MAX_VALUES:,} values.")
    data = document(first)
    if mooncake.recognises(data):
        return mooncake.requests(first, _short(rest))
    if clients.recognises(data):
        return clients.requests(first.at, data)
    names = shown(sorted(map(str, data))[:5])
    raise BadInput("trace", f"trace line {first.at:,} has the fields {names}: it takes {KNOWN}.")
