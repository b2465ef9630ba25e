"""LLMPerf's `..._summary.json`.

Names: `token_benchmark_ray.py` and `src/llmperf/common_metrics.py`. Its inter-token latency is
the sum of all waits over the number of tokens, and the wait for the first token is one of them.
"""

from ...catalog import names
from .line import (
    Fields,
    Line,
    Reader,
    length_contradicts,
    lost,
    metrics,
    none_completed,
    number,
    tails,
    whole,
    word,
)

MISSING = "results_ttft_s, results_inter_token_latency_s and results_mean_output_throughput"
GAP = "LLMPerf's gap counts the first token too"
TAILS = {  # the gap is a request's mean
    "ttft_s": "ttft_percentile_ms",
    "inter_token_latency_s": "tpot_percentile_ms",
    "end_to_end_latency_s": "e2e_percentile_ms",
}


def _recognises(data: Fields) -> bool:
    return "num_concurrent_requests" in data and any(
        str(name).startswith("results_") for name in data
    )


def _lines(data: Fields, where: str) -> list[Line]:
    done, failed = data.get("results_num_completed_requests"), data.get("results_number_errors")
    problem = none_completed(done, failed, "results_num_completed_requests")
    sent = number(data.get("results_number_input_tokens_mean"))
    problem = problem or length_contradicts(
        "mean_input_tokens", data.get("mean_input_tokens"), "results_number_input_tokens", sent
    )
    if problem:
        return [Line(where, {}, problem)]
    server = word(data.get("framework"))
    answered = number(data.get("results_number_output_tokens_mean"))
    common = {
        "from_client": True,
        "served": True,
        "model": data.get("model") or "",
        "engine": server if names.family(server) != "other" else "",
        "any_server": True,
        "client_of": "vLLM",
        "input_tokens": whole(sent or data.get("mean_input_tokens")),
        "output_tokens": whole(answered or data.get("mean_output_tokens")),
        "concurrency": whole(data.get("num_concurrent_requests")),
        "lost": lost(failed, done),
    }
    values = {
        "ttft_ms": _milliseconds(data, "ttft_s"),
        "itl_ms": _milliseconds(data, "inter_token_latency_s"),
        "output_tok_s_total": number(data.get("results_mean_output_throughput_token_per_s")),
    }
    ends = {metric: (_quantiles(data, name), 1e3) for name, metric in TAILS.items()}
    out = metrics(common, values, where, MISSING)
    out += [] if out[0].problem else tails(common, ends, where)
    return [
        line._replace(fields=line.fields | {"assumed": GAP})
        if line.fields.get("metric") in ("itl_ms", "tpot_percentile_ms")
        else line
        for line in out
    ]


def _quantiles(data: Fields, name: str) -> Fields:
    """Seconds by percentile, "p95"."""
    begin = f"results_{name}_quantiles_"
    return {
        str(key).removeprefix(begin): value
        for key, value in data.items()
        if str(key).startswith(begin)
    }


def _milliseconds(data: Fields, name: str) -> float | None:
    """The median of a time, or its mean."""
    found = (number(data.get(f"results_{name}_{part}")) for part in ("quantiles_p50", "mean"))
    seconds = next((value for value in found if value), None)
    return seconds and seconds * 1e3


READERS = (Reader(_recognises, _lines),)
