"""MLPerf's `mlperf_log_summary.txt`, of the scenarios Offline and Server.

Names: LoadGen's `loadgen/results.cc`. Times are in nanoseconds. The summary states neither the
system nor the length of a prompt; that of an answer is its tokens over its samples.
"""

import re
from collections.abc import Iterator

from .line import (
    Document,
    Fields,
    Form,
    Line,
    Reader,
    metrics,
    number,
    rate_of,
    ratio,
    tails,
    whole,
)
from .tables import labelled, lines_of

TITLE = re.compile(r"^[#>|\s]{0,40}MLPerf Results Summary[ \t]*$", re.M)
MISSING = "Tokens per second, or Completed tokens per second"
NS = 1e-6  # milliseconds of a nanosecond
PERCENTILES = {
    "first token latency": "ttft_percentile_ms",
    "time to output token": "tpot_percentile_ms",
    "latency": "e2e_percentile_ms",
}
PERCENTILE = re.compile(r"(\d{1,2}\.\d{1,3}) percentile (.{1,40}?) \(ns\)")


def _recognises(data: Fields) -> bool:
    return "sut name" in data and "scenario" in data


def _lines(data: Fields, where: str) -> list[Line]:
    scenario, mode = (str(data.get(name, "")).lower() for name in ("scenario", "mode"))
    if scenario not in ("offline", "server", "interactive") or mode.startswith("accuracy"):
        named = f"scenario {data.get('scenario')} in mode {data.get('mode')}"
        return [Line(where, {}, f"{named} is not read: Offline and Server of PerformanceOnly are")]
    begins = "" if scenario == "offline" else "completed "
    tokens = number(data.get(f"{begins}tokens per second"))
    samples = data.get(f"{begins}samples per second")
    asked = data.get("scheduled samples per second") or data.get("target_qps")
    common = {
        "from_client": True,
        "any_server": True,
        "client_of": "vLLM",
        "output_tokens": whole(ratio(tokens, samples)),
        "request_rate": "" if scenario == "offline" else rate_of(asked),
        "needs": ("input_tokens",),
    }
    if str(data.get("result is", "VALID")).upper() != "VALID":
        common["assumed"] = "the run calls itself INVALID"
    ends = _percentiles(data)
    values = {
        "ttft_ms": _middle(ends, "ttft_percentile_ms"),
        "itl_ms": _middle(ends, "tpot_percentile_ms"),
        "output_tok_s_total": tokens,
    }
    found = {name: (entry, NS) for name, entry in ends.items()}
    out = metrics(common, values, where, MISSING)
    return out if out[0].problem or scenario == "offline" else out + tails(common, found, where)


def _percentiles(data: Fields) -> dict[str, Fields]:
    """Nanoseconds by metric and percentile, "p99"."""
    out: dict[str, Fields] = {}
    for label, value in data.items():
        found = PERCENTILE.fullmatch(str(label))
        if found and found[2] in PERCENTILES:
            out.setdefault(PERCENTILES[found[2]], {})[f"p{float(found[1]):g}"] = value
    return out


def _middle(ends: dict[str, Fields], name: str) -> float | None:
    nanoseconds = number(ends.get(name, {}).get("p50"))
    return nanoseconds and nanoseconds * NS


def _prints(text: str) -> bool:
    return TITLE.search(text) is not None


def _summaries(text: str) -> Iterator[Document]:
    every = lines_of(text)
    begins = [at for at, line in enumerate(every) if TITLE.match(line)]
    for at, end in zip(begins, [*begins[1:], len(every)], strict=True):
        yield f"line {at + 1}", labelled(every[at + 1 : end])


READERS = (Reader(_recognises, _lines),)
PRINTED = Form(_prints, _summaries)
