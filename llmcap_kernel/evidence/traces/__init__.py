"""Traces of requests, read for a simulation: when each came, and how long it was.

A file is recognised by its first line, of a log by the first line about a request. It is read line
by line and never held whole, except for the result of a benchmark client, which is one document.
No file is trusted: what is malformed costs one sentence that names the line and the field.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from ...explain import counted
from ...refuse import BadInput, number, shown
from ...simulation import Request
from . import clients, logs, mooncake, tables
from .line import MAX_LINE, Line, document, lines

MAX_REQUESTS = 1_000_000
MAX_VALUES = 10_000_000  # of a client's result, each of which takes memory
MAX_RESULT = 200_000_000  # characters of a client's result
LOG_WITHIN = 100_000  # lines of a log above its first request
KNOWN = (
    "a CSV of Azure LLM inference or of BurstGPT, or with the columns timestamp (seconds, or a "
    "date and time), input_tokens and output_tokens, a Mooncake JSONL, a result with the lists "
    "input_lens and output_lens, or a log of requests of vLLM or SGLang"
)


class Trace(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    requests : tuple of Request
        In the order of the file; their times as it has them [s].
    without_prompt, without_answer : int
        Requests among them that state no token of a prompt, or else none of an answer: they
        failed, or were not over, and are left out.
    """

    requests: tuple[Request, ...]
    without_prompt: int = 0
    without_answer: int = 0

    @property
    def left_out(self) -> str:
        """What is not among the requests, in a sentence.

        Returns
        -------
        str
            How many of how many, and why; "" where nothing is left out.

        Examples
        --------
        >>> Trace((Request(0, 472, 18), Request(1, 417, 276)), without_answer=1).left_out
        'Left out of 3 requests of the trace: 1 without an answer.'
        """
        why = {"a prompt": self.without_prompt, "an answer": self.without_answer}
        told = [f"{many:,} without {what}" for what, many in why.items() if many]
        every = len(self.requests) + sum(why.values())
        of = f"Left out of {counted(every, 'request')} of the trace"
        return f"{of}: {' and '.join(told)}." if told else ""


def read(path: str | Path, most: int | None = None) -> Trace:
    """Read the requests of a trace.

    Parameters
    ----------
    path : str or Path
        The file.
    most : int, optional
        How many are taken, from the first on; all if omitted.

    Returns
    -------
    Trace
        Those with a prompt and an answer, and how many have none.

    Raises
    ------
    BadInput
        When it cannot be read, is of no known kind, malformed or too long, or has no request.
    """
    if most is not None:
        number("requests", most, 1, MAX_REQUESTS, "requests", whole=True)
    found: list[Request] = []
    left_out = {"without_prompt": 0, "without_answer": 0}
    for one in _requests(path):
        if one.input_tokens and one.output_tokens:
            found.append(one)
        else:
            left_out["without_answer" if one.input_tokens else "without_prompt"] += 1
        if len(found) == (most or MAX_REQUESTS + 1):
            break
    if len(found) > MAX_REQUESTS:
        message = f"trace has over {MAX_REQUESTS:,} requests: take fewer of it with --requests."
        raise BadInput("trace", message)
    if not found:
        raise BadInput("trace", f"trace {shown(str(path))} has no request with an answer.")
    return Trace(tuple(found), **left_out)


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
