"""inference-perf's `summary_lifecycle_metrics.json` and `stage_N_lifecycle_metrics.json`.

Names: `inference_perf/reportgen/base.py`. Times are in seconds. A stage states the rate that was
asked for, or its users; the summary of all stages states neither.
"""

from .line import (
    Fields,
    Line,
    Reader,
    first_number,
    in_flight,
    lost,
    metrics,
    none_completed,
    number,
    rate_of,
    table,
    tails,
    whole,
)

TAILS = {
    "time_to_first_token": "ttft_percentile_ms",
    "time_per_output_token": "tpot_percentile_ms",
    "request_latency": "e2e_percentile_ms",
}
MISSING = "time_to_first_token, time_per_output_token and output_tokens_per_sec"


def _recognises(data: Fields) -> bool:
    return "load_summary" in data and "successes" in data


def _lines(data: Fields, where: str) -> list[Line]:
    load, done = table(data, "load_summary"), table(data, "successes")
    failed = table(data, "failures").get("count")
    problem = none_completed(done.get("count"), failed, "successes.count")
    if problem:
        return [Line(where, {}, problem)]
    times, rates = table(done, "latency") or done, table(done, "throughput")
    rate, users = rate_of(load.get("requested_rate")), whole(load.get("concurrency"))
    latency = table(times, "request_latency").get("mean")
    if users:
        rate = ""  # the rate of a stage with users is how fast they are let in
    common = {
        "from_client": True,
        "served": True,
        "any_server": True,
        "client_of": "vLLM",
        "input_tokens": _length(done, "prompt_len", "prompt_tokens"),
        "output_tokens": _length(done, "output_len", "output_tokens"),
        "concurrency": users
        if users or rate
        else in_flight(rates.get("requests_per_sec"), latency),
        "request_rate": rate,
        "requests": whole(load.get("count")) if rate else "",
        "lost": lost(failed, done.get("count")),
    }
    values = {
        "ttft_ms": _milliseconds(times, "time_to_first_token", rate),
        # between chunks of a stream is not between tokens: the time per output token counts
        "itl_ms": _milliseconds(times, "time_per_output_token", rate),
        "output_tok_s_total": number(rates.get("output_tokens_per_sec")),
    }
    ends = {metric: (table(times, name), 1e3) for name, metric in TAILS.items()}
    return metrics(common, values, where, MISSING) + tails(common, ends, where)


def _length(done: Fields, *names: str) -> int | str:
    found = (whole(table(done, name).get("mean")) for name in names)
    return next((value for value in found if value), "")


def _milliseconds(times: Fields, name: str, rate: float | str) -> float | None:
    """The median; of a rate the mean, which is what is predicted of it."""
    first = ("mean", "median") if rate else ("median", "mean")
    seconds = first_number(table(times, name), *first)
    return seconds and seconds * 1e3


READERS = (Reader(_recognises, _lines),)
