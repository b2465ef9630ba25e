"""GuideLLM's `benchmarks.json`: one benchmark for each rate that was tried.

Names: `guidellm/benchmark/schemas/generative/metrics.py` and `benchmark.py`,
`guidellm/scheduler/strategies.py`; in versions before 0.4 `guidellm/benchmark/benchmark.py`.
"""

from .line import (
    Fields,
    Line,
    Reader,
    dig,
    lost,
    metrics,
    none_completed,
    number,
    rate_of,
    table,
    tails,
    whole,
)

MODEL = ("backend_model", "model", "model_name")
TAILS = {  # the gap is a request's mean
    "time_to_first_token_ms": "ttft_percentile_ms",
    "inter_token_latency_ms": "tpot_percentile_ms",
}
MISSING = "time_to_first_token_ms, inter_token_latency_ms and output_tokens_per_second"
NO_SETTINGS = ("benchmarks", "metrics", "requests", "request_samples")  # large, and no settings


def _recognises(data: Fields) -> bool:
    return isinstance(data.get("benchmarks"), list)


def _lines(data: Fields, where: str) -> list[Line]:
    model = dig(_settings(data), MODEL)
    out: list[Line] = []
    for number_, one in enumerate(data["benchmarks"], 1):
        place = f"{where} benchmark {number_}"
        if isinstance(one, dict) and table(one, "metrics"):
            out += _benchmark(one, model, place)
        else:
            out.append(Line(place, {}, "a benchmark without metrics"))
    return out or [Line(where, {}, "benchmarks is empty")]


def _settings(data: Fields) -> Fields:
    return {name: value for name, value in data.items() if name not in NO_SETTINGS}


def _benchmark(one: Fields, model: object, where: str) -> list[Line]:
    made, settings = table(one, "metrics"), _settings(one)
    totals = table(made, "request_totals") or table(one, "request_totals")
    done, failed = totals.get("successful"), totals.get("errored")
    problem = none_completed(done, failed, "request_totals.successful")
    if problem:
        return [Line(where, {}, problem)]
    common = {
        "from_client": True,
        "served": True,
        "model": dig(settings, MODEL) or model,
        "any_server": True,
        "client_of": "vLLM",
        "input_tokens": whole(_successful(made, "prompt_token_count")),
        "output_tokens": whole(_successful(made, "output_token_count")),
        "lost": lost(failed, done),
        **_load(settings, made, totals),
    }
    typical = "mean" if common["request_rate"] else "median"  # what is predicted of a rate
    values = {
        "ttft_ms": _successful(made, "time_to_first_token_ms", typical),
        "itl_ms": _successful(made, "inter_token_latency_ms", typical),
        "output_tok_s_total": _successful(made, "output_tokens_per_second", "mean"),
    }
    ends = {
        metric: (table(table(table(made, name), "successful"), "percentiles"), 1.0)
        for name, metric in TAILS.items()
    }
    return metrics(common, values, where, MISSING) + tails(common, ends, where)


def _load(settings: Fields, made: Fields, totals: Fields) -> Fields:
    """Users by the strategy of the benchmark; where it has none, those that were counted."""
    strategy = table(table(settings, "config"), "strategy") or table(
        table(settings, "args"), "strategy"
    )
    kind = strategy.get("type_") or strategy.get("kind")
    rate = rate_of(strategy.get("rate")) if kind in ("constant", "poisson") else ""
    counted = whole(_successful(made, "request_concurrency", "mean"))
    limit = {"synchronous": 1, "concurrent": whole(strategy.get("streams"))}.get(str(kind), "")
    return {
        "concurrency": "" if rate else limit or counted,
        "request_rate": rate,
        "requests": whole(totals.get("successful")) if rate else "",
    }


def _successful(made: Fields, name: str, first: str = "median") -> float | None:
    """A statistic of the successful requests."""
    found = table(table(made, name), "successful")
    return number(found.get(first)) or number(found.get("median")) or number(found.get("mean"))


READERS = (Reader(_recognises, _lines),)
