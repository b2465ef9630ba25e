"""Traces as CSV: Azure's LLM inference traces, BurstGPT, those of simulators, and one's own.

Azure: `TIMESTAMP, ContextTokens, GeneratedTokens` (AzurePublicDataset, 2023 and 2024).
BurstGPT: `Timestamp` in seconds, `Request tokens`, `Response tokens` and others (HPMLL/BurstGPT).
Vidur and SplitWise: `arrived_at, num_prefill_tokens, num_decode_tokens` and `arrival_timestamp,
prompt_size, token_size`, in seconds (microsoft/vidur, Mutinifni/splitwise-sim). One's own: a column
of `OWN` for each of the three. Rows without prompt or answer are requests that failed.
"""

import csv
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...refuse import BadInput
from ...simulation import Request
from .line import Line, moment, seconds, tokens


class Columns(NamedTuple):
    """What a table is known by, and how it is read.

    Attributes
    ----------
    time, prompt, answer : str
        Its columns, in small letters.
    read_time : callable
        Takes a line's number, the field and its text, gives seconds.
    """

    time: str
    prompt: str
    answer: str
    read_time: Callable[[int, str, str], float]


TABLES = (
    Columns("timestamp", "contexttokens", "generatedtokens", moment),
    Columns("timestamp", "request tokens", "response tokens", seconds),
    Columns("arrived_at", "num_prefill_tokens", "num_decode_tokens", seconds),
    Columns("arrival_timestamp", "prompt_size", "token_size", seconds),
)
# What people call the three, with _ for spaces: the time in seconds, or a date and time.
OWN = (
    (
        *("timestamp", "time", "arrival_time", "start_time", "arrival_s", "timestamp_s", "time_s"),
        *("arrival", "created_at", "timestamp_ms", "arrival_ms", "time_ms"),
    ),
    ("input_tokens", "prompt_tokens", "input_length", "input_len", "prompt_len", "context_tokens"),
    (
        *("output_tokens", "completion_tokens", "output_length", "output_len"),
        *("generated_tokens", "response_tokens"),
    ),
)


def columns_of(header: str) -> Columns | None:
    """Recognise a table by its header.

    Parameters
    ----------
    header : str
        Its first line.

    Returns
    -------
    Columns or None
        Which table it is; None for another.

    Examples
    --------
    >>> columns_of("TIMESTAMP,ContextTokens,GeneratedTokens").answer
    'generatedtokens'
    """
    names = _cells(header.lower())
    known = next((one for one in TABLES if {one.time, one.prompt, one.answer} <= {*names}), None)
    return known or _own(names)


def _own(names: list[str]) -> Columns | None:
    """The columns of a table of one's own, where one of them, and no more, is each of the three."""
    found = [[name for name in names if name.replace(" ", "_") in kind] for kind in OWN]
    if any(len(one) != 1 for one in found):
        return None
    (time,), (prompt,), (answer,) = found
    return Columns(time, prompt, answer, _milliseconds if time.endswith("ms") else _either)


def _milliseconds(at: int, field: str, text: str) -> float:
    return seconds(at, field, text, 1e3)


def _either(at: int, field: str, text: str) -> float:
    """Seconds, or a date and time."""
    return moment(at, field, text) if "-" in text[1:] and ":" in text else seconds(at, field, text)


def requests(header: Line, rest: Iterator[Line]) -> Iterator[Request]:
    """Read the rows of a table.

    Parameters
    ----------
    header : Line
        A header that `columns_of` knows.
    rest : iterator of Line
        The rows.

    Returns
    -------
    iterator of Request
        One a row, without a prefix.

    Raises
    ------
    BadInput
        When a row lacks a cell, or one is no number.
    """
    columns = columns_of(header)
    assert columns is not None
    names = _cells(header.lower())
    at = [names.index(name) for name in (columns.time, columns.prompt, columns.answer)]
    titles = [_cells(header)[i] for i in at]
    for line in rest:
        cells = _cells(line)
        if len(cells) <= max(at):
            many = f"{len(cells)} cell{'s' if len(cells) != 1 else ''}"
            message = f"trace line {line.at:,} has {many} where the header has {len(names)}."
            raise BadInput("trace", message)
        time, prompt, answer = (cells[i] for i in at)
        sent_s = columns.read_time(line.at, titles[0], time)
        lengths = tokens(line.at, titles[1], prompt), tokens(line.at, titles[2], answer)
        yield Request(sent_s, *lengths)


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return line.split(",")
