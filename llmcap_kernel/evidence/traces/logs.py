"""Logs of servers that note every request: SGLang's `--log-requests`, vLLM's
`--enable-log-requests` with `--enable-log-outputs`.

SGLang notes a request when it is finished, with its tokens and how long it took
(srt/utils/request_logger.py), as text or as JSON. vLLM notes the tokens of a prompt when it comes,
and those of the answer when it is complete, or of a stream piece by piece and none of the whole
(entrypoints/logger.py, openai/chat_completion/serving.py). Their clocks tell seconds.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from ...simulation import Request
from .line import Line, moment, refused, seconds, tokens

STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?)")
VLLM_STAMP = re.compile(r"\b(\d\d-\d\d) (\d\d:\d\d:\d\d)\b")
RECEIVED = re.compile(r"Received request ([^\s:]{1,200}): ")
GENERATED = re.compile(r"Generated response ([^\s:]{1,200})(?: \(([^)]{0,40})\))?: ")
PIECE, NO_IDS = "streaming delta", "output_token_ids: None"
IN_WORDS = re.compile(r"output: ['\"]<streaming_complete: (\d{1,9}) tokens>")
NUMBER = r"['\"]?\b{}['\"]?[:=] ?(-?[\d.e+-]{{1,25}})"
FINISHED = {
    name: re.compile(NUMBER.format(name))
    for name in ("prompt_tokens", "completion_tokens", "e2e_latency", "request_received_ts")
}
MOST_OPEN = 100_000  # prompts whose answer has not come


def recognises(line: str) -> bool:
    """Say whether a line is one that such a log has of every request.

    Parameters
    ----------
    line : str
        The line.

    Returns
    -------
    bool
        By its words.

    Examples
    --------
    >>> recognises("[2026-01-01 10:00:00] Finish: obj=GenerateReqInput(), out={}")
    True
    """
    return (
        "Finish: obj=" in line or '"request.finished"' in line or RECEIVED.search(line) is not None
    )


def requests(first: Line, rest: Iterator[Line]) -> Iterator[Request]:
    """Read the requests of a log; its other lines are passed over.

    Parameters
    ----------
    first : Line
        A line that `recognises` knows.
    rest : iterator of Line
        The others.

    Returns
    -------
    iterator of Request
        One each, in the order of their ends; those that have none in the log have no answer.

    Raises
    ------
    BadInput
        When such a line lacks its tokens or its time.
    """
    open_requests: dict[str, Request] = {}
    for line in chain((first,), rest):
        if "Finish: obj=" in line or '"request.finished"' in line:
            found = _finished(line)
        elif match := RECEIVED.search(line):
            if len(open_requests) >= MOST_OPEN:
                refused(line.at, "request", match[1], f"at most {MOST_OPEN:,} without an answer")
            prompt = _ids(line, "prompt_token_ids")
            open_requests[match[1]] = Request(_vllm_time(line), prompt, 0)
            continue
        elif (match := GENERATED.search(line)) and match[1] in open_requests:
            found = _longer(open_requests.pop(match[1]), line)
            if match[2] == PIECE:
                open_requests[match[1]] = found
                continue
        else:
            continue
        yield found
    yield from open_requests.values()


def _longer(one: Request, line: Line) -> Request:
    """A request with what a line of vLLM has of its answer; the end of a stream has no ids."""
    if NO_IDS not in line:
        more = _ids(line, "output_token_ids")
        return one._replace(output_tokens=one.output_tokens + more)
    whole = IN_WORDS.search(line)
    if whole is None and not one.output_tokens:
        takes = "a list, or pieces of the answer before it, as vLLM notes with --enable-log-deltas"
        refused(line.at, "output_token_ids", None, takes)
    return one._replace(output_tokens=int(whole[1])) if whole else one


def _finished(line: Line) -> Request:
    """A request that SGLang notes; it came as long ago as it took."""
    fields = _fields(line)
    for name in ("prompt_tokens", "completion_tokens"):
        if name not in fields:
            refused(line.at, name, None, "a number (SGLang notes it with --log-requests)")
    prompt, answer = (tokens(line.at, n, fields[n]) for n in ("prompt_tokens", "completion_tokens"))
    if "request_received_ts" in fields:
        came_s = seconds(line.at, "request_received_ts", fields["request_received_ts"])
    else:
        stamp = STAMP.search(line)
        if stamp is None:
            refused(line.at, "time", line[:40], "a date and time at its start")
        took_s = seconds(line.at, "e2e_latency", fields.get("e2e_latency", 0.0))
        came_s = moment(line.at, "time", f"{stamp[1]} {stamp[2]}") - took_s
    return Request(came_s, prompt, answer)


def _fields(line: Line) -> Mapping[str, Any]:
    """What a finished request states, from JSON or from text."""
    start = line.find("{")
    if '"request.finished"' in line and start >= 0:
        try:
            out = json.loads(line[start:]).get("out", {})
        except (ValueError, RecursionError, AttributeError):
            refused(line.at, "request.finished", line[:80], "JSON")
        inner = out.get("meta_info", out) if isinstance(out, dict) else {}
        return inner if isinstance(inner, dict) else {}
    behind = line.rpartition(", out=")[2]
    matches = ((name, pattern.search(behind)) for name, pattern in FINISHED.items())
    return {name: match[1] for name, match in matches if match}


def _vllm_time(line: Line) -> float:
    """The clock of vLLM's log, which has no year."""
    stamp = STAMP.search(line[:200])
    if stamp:
        return moment(line.at, "time", f"{stamp[1]} {stamp[2]}")
    short = VLLM_STAMP.search(line[:200])
    if short is None:
        refused(line.at, "time", line[:40], "a day and time at its start")
    return moment(line.at, "time", f"2000-{short[1]} {short[2]}")


def _ids(line: Line, name: str) -> int:
    """How many token ids a list in a line has."""
    _, found, behind = line.rpartition(f"{name}: [")
    inside, closed, _ = behind.partition("]")
    if not found or not closed:
        refused(line.at, name, None, "a list, as vLLM notes it with --enable-log-outputs")
    return inside.count(",") + 1 if inside.strip() else 0
