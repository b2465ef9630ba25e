"""Mooncake's traces: one request a line, with the hashes of its prompt's blocks.

`{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}`: the time
in milliseconds, and an id for every 512 tokens; equal ids are equal tokens after equal ones
(kvcache-ai/Mooncake, FAST25-release). Others write such files with shorter blocks. Alibaba's
traces of Qwen have the same names, times in seconds and an id for every 16 tokens
(alibaba-edu/qwen-bailian-usagetraces-anon); `chat_id` tells them.
"""

from collections.abc import Hashable, Iterator, Mapping
from itertools import chain
from typing import Any

from ...simulation import Request
from .line import Line, document, refused, seconds, tokens

BLOCK_TOKENS = (512, 256, 128, 64, 32, 16)  # the longest with as many ids as a prompt has
BAILIAN = "chat_id"
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
    block = BLOCK_TOKENS[0]
    for line in chain((first,), rest):
        data = document(line)
        for name in FIELDS:
            if name not in data:
                refused(line.at, name, None, "a number")
        own = BAILIAN in data
        sent_s = seconds(line.at, "timestamp", data["timestamp"], 1.0 if own else 1e3)
        prompt, answer = (tokens(line.at, name, data[name]) for name in FIELDS[1:])
        ids = data.get("hash_ids") or []
        if not isinstance(ids, list) or not all(type(one) in (int, str) for one in ids):
            refused(line.at, "hash_ids", ids, "a list of numbers")
        block = BLOCK_TOKENS[-1] if own else _block(line.at, len(ids), prompt, block)
        yield Request(sent_s, prompt, answer, _pieces(ids, prompt, block))


def _block(at: int, many: int, prompt: int, block: int) -> int:
    """Tokens of an id: those of the lines before, unless a prompt has more ids than that gives.

    Prompts that so far had no more ids are of one block, however long a block is.
    """
    if many <= -(-prompt // block):
        return block
    found = next((one for one in BLOCK_TOKENS if -(-prompt // one) == many), 0)
    if not found or found > block:
        takes = f"one for each {' or '.join(map(str, BLOCK_TOKENS))} tokens of the prompt"
        refused(at, "hash_ids", f"{many} ids of {prompt} tokens", takes)
    return found


def _pieces(ids: list[Hashable], left: int, block: int) -> tuple[tuple[Hashable, int], ...]:
    """The blocks of a prompt; what is behind its last token is left out."""
    out = []
    for one in ids:
        if left <= 0:
            break
        out.append((one, min(block, left)))
        left -= block
    return tuple(out)
