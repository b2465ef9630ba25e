"""MLPerf's `mlperf_log_summary.txt`, and the `summary.csv` of a submission, Offline and Server.

Names: LoadGen's `loadgen/results.cc`. Times are in nanoseconds. The summary states neither the
system nor the length of a prompt; that of an answer is its tokens over its samples. The table is
that of `tools/submission/submission_checker.py`: a system's cards and its tokens a second, and
neither how they split a model nor how many requests are in flight.
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
    word,
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


# the table of a submission

AIMS = re.compile(r"-99(?:\.9)?$")  # the accuracy that a model's name ends with
ENGINES = {"tensorrt": "TensorRT-LLM", "trt": "TensorRT-LLM", "vllm": "vLLM", "sglang": "SGLang"}


def _is_submission(data: Fields) -> bool:
    return all(name in data for name in ("mlperfmodel", "scenario", "result", "units"))


def _submission(data: Fields, where: str) -> list[Line]:
    """The rate of one card: copies of a model may share the system."""
    unit, scenario = word(data["units"]).lower(), word(data["scenario"])
    if unit != "tokens/s" or scenario.lower() not in ("offline", "server", "interactive"):
        named = f"{scenario} in {word(data['units']) or 'no unit'}"
        return [Line(where, {}, f"{named} is not read: Offline and Server in Tokens/s are")]
    made_with = word(data.get("framework")).lower()
    nodes, each = (number(data.get(n)) for n in ("number_of_nodes", "accelerators_per_node"))
    common = {
        "from_client": True,
        "model": AIMS.sub("", word(data["mlperfmodel"])),
        "gpu": word(data.get("accelerator_model_name")),
        "engine": next((name for mark, name in ENGINES.items() if mark in made_with), ""),
        "weight_dtype": word(data.get("weight_data_types")),
        "needs": ("input_tokens", "output_tokens", "concurrency", "tp"),
    }
    rate = ratio(data["result"], nodes * each if nodes and each else None)
    missing = "result, number_of_nodes and accelerators_per_node"
    return metrics(common, {"output_tok_s_per_gpu": rate}, where, missing)


READERS = (Reader(_recognises, _lines), Reader(_is_submission, _submission))
PRINTED = Form(_prints, _summaries)
