"""EvalScope's `benchmark_summary.json`, and the same of its older versions.

Names: `evalscope/perf/utils/perf_constants.py` (1.9) and `benchmark_util.py` before it. All are
means. A second file, `benchmark_percentile.json`, states neither users nor lengths.
"""

from .line import Fields, Line, Reader, lost, metrics, none_completed, number, rate_of, whole, word

# Names of the first version in which each was written so, the newest first.
NAMES = {
    "users": ("Concurrency", "Number of concurrency"),
    "rate": ("Request Rate (req/s)", "Request rate (req/s)"),
    "done": ("Success Requests", "Succeed requests"),
    "failed": ("Failed Requests", "Failed requests"),
    "input": ("Avg Input Tokens", "Average input tokens per request"),
    "output": ("Avg Output Tokens", "Average output tokens per request"),
    "output_rate": ("Output Throughput (tok/s)", "Output token throughput (tok/s)"),
}
# Times, and the milliseconds of their unit.
TIMES = {
    "ttft_ms": (("Avg TTFT (ms)", 1.0), ("Average time to first token (s)", 1e3)),
    "itl_ms": (("Avg TPOT (ms)", 1.0), ("Average time per output token (s)", 1e3)),
}
MISSING = "Avg TTFT (ms), Avg TPOT (ms) and Output Throughput (tok/s)"


def _recognises(data: Fields) -> bool:
    return any(name in data for name in NAMES["users"]) and any(
        name in data for name in NAMES["done"]
    )


def _first(data: Fields, what: str) -> object:
    return next((data[name] for name in NAMES[what] if name in data), None)


def _lines(data: Fields, where: str) -> list[Line]:
    done, failed = _first(data, "done"), _first(data, "failed")
    problem = none_completed(done, failed, "Success Requests")
    if problem:
        return [Line(where, {}, problem)]
    rate = rate_of(_first(data, "rate"))  # -1 where all are sent at once
    common = {
        "from_client": True,
        "served": True,
        "any_server": True,
        "client_of": "vLLM",
        "model": word(data.get("model") or data.get("Model")),
        "input_tokens": whole(_first(data, "input")),
        "output_tokens": whole(_first(data, "output")),
        "concurrency": whole(_first(data, "users")),
        "request_rate": rate,
        "requests": whole(done) if rate else "",
        "lost": lost(failed, done),
    }
    values: dict[str, float | None] = {
        metric: next((v * ms for name, ms in names if (v := number(data.get(name)))), None)
        for metric, names in TIMES.items()
    }
    values["output_tok_s_total"] = number(_first(data, "output_rate"))
    return metrics(common, values, where, MISSING)


READERS = (Reader(_recognises, _lines),)
