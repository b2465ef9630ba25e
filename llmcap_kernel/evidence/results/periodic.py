"""What a server's own log says every few seconds: its rate, and the requests that run and wait.

Lines: vLLM's `vllm/v1/metrics/loggers.py` (`LoggingStatLogger.log`; before, `engine/metrics.py`)
and SGLang's `managers/scheduler_metrics_mixin.py` (`log_decode_stats`). A rate is the mean since
the line before, and the requests are those of its own moment. So a line counts where the one before
had as many, and lines in a row that do are one run. No line has the length of a request.
"""

import re
from collections.abc import Iterator
from statistics import fmean
from typing import NamedTuple

from ..logs.printed import printed
from .line import Document, Fields, Form, Line, Problem, Reader, metrics, number, whole
from .tables import lines_of

RATE = r"(?P<rate>[\d.]{1,20})"
LINES = {
    "vLLM": re.compile(
        rf"Avg prompt throughput: (?P<prompt>[\d.]{{1,20}}) tokens/s, Avg generation throughput: "
        rf"{RATE} tokens/s, Running: (?P<running>\d{{1,6}}) reqs, "
        r"(?:Swapped: \d{1,6} reqs, )?(?:Waiting|Pending): (?P<waiting>\d{1,6}) reqs"
    ),
    "SGLang": re.compile(
        r"Decode batch[^\n#]{0,20}#running-req: (?P<running>\d{1,6})\b[^\n]{0,400}?"
        rf"gen throughput \(token/s\): {RATE}, #queue-req: (?P<waiting>\d{{1,6}})"
    ),
}
REPLICA = re.compile(r"\b(?:Engine |DP)(\d{1,4})\b")
GUESSED = re.compile(r"SpecDecoding metrics:|\baccept (?:len|rate): \d")
CACHED = re.compile(r"Prefix cache hit rate: (\d{1,3}(?:\.\d)?)%")
CACHED_FROM = 5.0  # percent
# A client's own result, which may stand in the same log.
OF_A_CLIENT = re.compile(r'"(?:request_throughput|output_throughput|mean_ttft_ms|benchmarks)":')
ALIKE = 0.05  # requests come and go between two lines
UNSTEADY = (
    "no two lines in a row have as many requests running and none waiting: a rate over such a time "
    "belongs to no number of users"
)


class Said(NamedTuple):
    """One line: where it stands, and what it says."""

    at: int
    engine: str
    replica: str
    prompt: float | None  # tokens a second; None where it is not printed
    rate: float
    running: int
    waiting: int
    cached: float | None  # percent of prompts' tokens; None where it is not printed


def _prints(text: str) -> bool:
    return any(pattern.search(text) for pattern in LINES.values()) and not OF_A_CLIENT.search(text)


def _collected(text: str) -> bool:
    """Whether a collector wrote each line as JSON."""
    return text.lstrip().startswith('{"') and _prints(text)


def _said(text: str) -> Iterator[Said]:
    for at, line in enumerate(lines_of(printed(text)), 1):
        for engine, pattern in LINES.items():
            found = pattern.search(line[:2000])
            if found:
                cells = found.groupdict()
                prompt = number(cells["prompt"]) or 0.0 if "prompt" in cells else None
                of = REPLICA.search(line[: found.start()])
                counts = int(cells["running"]), int(cells["waiting"])
                hits = CACHED.search(line[found.end() :])
                cached = float(hits[1]) if hits else None
                rate, replica = number(cells["rate"]) or 0.0, of[1] if of else ""
                yield Said(at, engine, replica, prompt, rate, *counts, cached)


def _runs(lines: list[Said]) -> Iterator[list[Said]]:
    """Lines in a row with as many requests, none of which waits; the first only begins them."""
    run: list[Said] = []
    for line in lines:
        if run and (line.waiting or abs(line.running - run[0].running) > ALIKE * run[0].running):
            yield run[1:]
            run = []
        if not line.waiting and line.running:
            run.append(line)
    yield run[1:]


def _documents(text: str) -> Iterator[Document]:
    lines = list(_said(text))
    replicas = sorted({line.replica for line in lines})
    if len(replicas) > 1:
        many = f"{len(replicas)} replicas, {replicas[0]} to {replicas[-1]}"
        yield "file", Problem(f"lines of {many}: give those of one, whose requests it serves alone")
        return
    runs = [run for run in _runs(lines) if run]
    if not runs:
        yield "file", Problem(UNSTEADY)
    guessed = GUESSED.search(text) is not None
    for run in runs:
        yield f"line {run[0].at}", {"periodic": run, "guessed": guessed}


def _recognises(data: Fields) -> bool:
    return "periodic" in data


def _lines(data: Fields, where: str) -> list[Line]:
    run: list[Said] = data["periodic"]
    users, rate = fmean(one.running for one in run), fmean(one.rate for one in run)
    common = {
        "engine": run[0].engine,
        "served": True,
        "concurrency": whole(users),
        "needs": ("input_tokens", "output_tokens"),
        "assumed": "; ".join(_not_taken(run, data["guessed"])),
    }
    # Without a prompt in all that time nothing but decoding was measured.
    decoded = all(one.prompt == 0 for one in run)
    values = {
        "output_tok_s_total": None if decoded else number(rate),
        "decode_tok_s_per_user": number(rate / users) if decoded else None,
    }
    return metrics(common, values, where, "a rate above zero")


def _not_taken(run: list[Said], guessed: bool) -> Iterator[str]:
    """What made such a run faster than is predicted."""
    if guessed:
        yield "tokens were guessed ahead: predicted without"
    cached = fmean(one.cached or 0.0 for one in run)
    if cached > CACHED_FROM:
        yield f"{cached:.0f}% of prompts' tokens were in the prefix cache: predicted without"


READERS = (Reader(_recognises, _lines),)
PRINTED = Form(_prints, _documents)
COLLECTED = Form(_collected, _documents)
