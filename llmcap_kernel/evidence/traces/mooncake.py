"""Mooncake's traces: one request a line, with the hashes of its prompt's blocks.

`{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}`: the time
in milliseconds, and an id for every 512 tokens; equal ids are equal tokens after equal ones
(kvcache-ai/Mooncake, FAST25-release).
"""

from collections.abc import Hashable, Iterator, Mapping
from itertools import chain
from typing import Any

from ...simulation import Request
from .line import Line, document, refused, seconds, tokens

BLOCK_TOKENS = 512
FIELDS = ("timestamp", "input_length", "output_length")


def recognises(data: Mapping[str, Any]) -> bool:
    """Say whether a document is a line of such a trace.

    Parameters
    ----------
    data : mapping
        The document.

    Returns
    -------
    bool
        By its names.

    Examples
    --------
    >>> recognises({"timestamp": 0, "input_length": 1, "output_length": 1})
    True
    """
    return all(name in data for name in FIELDS)


def requests(first: Line, rest: Iterator[Line]) -> Iterator[Request]:
    """Read the lines of a trace.

    Parameters
    ----------
    first : Line
        Its first line.
    rest : iterator of Line
        The others.

    Returns
    -------
    iterator of Request
        One a line, with its blocks as pieces of a prefix.

    Raises
    ------
    BadInput
        When a line is no JSON, or lacks a field.
    """
    for line in chain((first,), rest):
        data = document(line)
        for name in FIELDS:
            if name not in data:
                refused(line.at, name, None, "a number")
        sent_s = seconds(line.at, "timestamp", data["timestamp"], 1e3)
        prompt, answer = (tokens(line.at, name, data[name]) for name in FIELDS[1:])
        yield Request(sent_s, prompt, answer, _pieces(line.at, data, prompt))


def _pieces(at: int, data: Mapping[str, Any], left: int) -> tuple[tuple[Hashable, int], ...]:
    """The blocks of a prompt; what is behind its last token is left out."""
    ids = data.get("hash_ids") or []
    if not isinstance(ids, list) or not all(type(one) in (int, str) for one in ids):
        refused(at, "hash_ids", ids, "a list of numbers")
    out = []
    for one in ids:
        if left <= 0:
            break
        out.append((one, min(BLOCK_TOKENS, left)))
        left -= BLOCK_TOKENS
    return tuple(out)
