"""genai-bench's file of one run: `aggregated_metrics`, and each request beside it.

Names: `genai_bench/metrics/metrics.py` and `aggregated_metrics_collector.py`. Times are in the
unit that the file states. The model is in another file, `experiment_metadata.json`.
"""

from .line import (
    SECONDS,
    Fields,
    Line,
    Reader,
    first_number,
    lost,
    metrics,
    none_completed,
    number,
    table,
    tails,
    whole,
    word,
)

TAILS = {
    "ttft": "ttft_percentile_ms",
    "tpot": "tpot_percentile_ms",
    "e2e_latency": "e2e_percentile_ms",
}
MISSING = "stats.ttft, stats.tpot and mean_output_throughput_tokens_per_s"


def _recognises(data: Fields) -> bool:
    return isinstance(data.get("aggregated_metrics"), dict)


def _lines(data: Fields, where: str) -> list[Line]:
    made = table(data, "aggregated_metrics")
    stats = table(made, "stats")
    done, failed = made.get("num_completed_requests"), made.get("num_error_requests")
    problem = none_completed(done, failed, "num_completed_requests")
    if problem:
        return [Line(where, {}, problem)]
    unit_ms = 1e3 * SECONDS.get(word(data.get("_time_unit")) or "s", 1.0)
    common = {
        "from_client": True,
        "served": True,
        "any_server": True,
        "client_of": "SGLang",
        "model": word(data.get("model")),
        "input_tokens": whole(_middle(stats, "num_input_tokens")),
        "output_tokens": whole(_middle(stats, "num_output_tokens")),
        "concurrency": whole(made.get("num_concurrency")),
        "lost": lost(failed, done),
    }
    ttft, gap = _middle(stats, "ttft"), _middle(stats, "tpot")
    values = {
        "ttft_ms": ttft and ttft * unit_ms,
        "itl_ms": gap and gap * unit_ms,
        "output_tok_s_total": number(made.get("mean_output_throughput_tokens_per_s")),
    }
    ends = {metric: (table(stats, name), unit_ms) for name, metric in TAILS.items()}
    return metrics(common, values, where, MISSING) + tails(common, ends, where)


def _middle(stats: Fields, name: str) -> float | None:
    return first_number(table(stats, name), "p50", "mean")


READERS = (Reader(_recognises, _lines),)
