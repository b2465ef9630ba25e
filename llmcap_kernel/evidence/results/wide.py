"""A table of one's own: a run a row, a quantity a column.

The names of quantities are those that the clients' JSON has (`vllm/benchmarks/serve.py`,
`sglang/bench_serving.py`), in any order of their words: `p99_itl_ms`, `ttft_ms_p90`. Those of the
deployment are the options of vLLM's and SGLang's commands, the columns of `benchmarks/measured.csv`
and what people call them. A column that is neither is named with each row.
"""

import re
from typing import NamedTuple

from .line import SECONDS, Fields, Line, Reader, number

# Columns of `benchmarks/measured.csv`, and what people call each.
COLUMNS = {
    "model": ("model_id", "model_name", "model_path"),
    "gpu": ("gpu_name", "gpu_type", "card", "accelerator", "hardware", "device"),
    "num_gpus": ("gpus", "gpu_count", "n_gpus", "cards"),
    "tp": ("tp_size", "tensor_parallel", "tensor_parallel_size"),
    "pp": ("pp_size", "pipeline_parallel", "pipeline_parallel_size"),
    "ep": ("ep_size", "expert_parallel_size"),
    "dp_attention": (),
    "engine": ("backend", "framework", "server"),
    "engine_version": ("version", "vllm_version", "sglang_version"),
    "weight_dtype": ("weights", "precision", "dtype", "quantization", "quant"),
    "kv_dtype": ("kv_cache_dtype", "kv_cache", "kv"),
    "memory_fraction": ("gpu_memory_utilization", "mem_fraction_static"),
    "max_model_len": ("context_length", "max_seq_len"),
    "max_num_seqs": ("max_running_requests",),
    "max_num_batched_tokens": ("chunked_prefill_size",),
    "input_tokens": ("input_len", "input_length", "random_input_len", "isl", "prompt_tokens"),
    "output_tokens": ("output_len", "output_length", "random_output_len", "osl"),
    "cached_tokens": (),
    "concurrency": ("max_concurrency", "batch_size", "users", "num_users"),
    "request_rate": ("qps", "rps"),
    "requests": ("num_prompts", "num_requests"),
}
COLUMN_OF = {name: column for column, names in COLUMNS.items() for name in (column, *names)}
RATES = {
    "output_throughput": "output_tok_s_total",
    "output_token_throughput": "output_tok_s_total",
    "output_tokens_per_second": "output_tok_s_total",
    "output_token_throughput_per_user": "decode_tok_s_per_user",
    "total_token_throughput": "total_tok_s",
    "total_throughput": "total_tok_s",
}
RATES |= {name: name for name in ("output_tok_s_total", "total_tok_s", "decode_tok_s_per_user")}
RATES |= {name: name for name in ("output_tok_s_per_gpu", "prefill_tok_s")}
LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e", "e2e": "e2e"}
# What a latency's column is read as, its middle and a percentile of it; the units of both.
READ_AS = {
    "ttft": ("ttft_ms", "ttft_percentile_ms"),
    "tpot": ("itl_ms", "tpot_percentile_ms"),
    "itl": ("itl_ms", "itl_percentile_ms"),
    "e2e": ("e2e_latency_s", "e2e_percentile_ms"),
}
# Of two columns that are read as one quantity the first, as in a client's JSON.
MIDDLES = ("median", "p50", "mean", "avg", "")
PERCENT = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
FILLERS = ("latency", "id")  # words that say nothing more
WORDS = re.compile(r"[^a-z0-9.µ]{1,40}")
QUIET = ("id", "run", "name", "source_id", "note", "notes", "date", "comment")


class Quantity(NamedTuple):
    """What a column measures.

    Attributes
    ----------
    name : str
        A metric of `benchmarks/measured.csv`.
    scale : float
        Factor from the column's unit to the metric's own.
    rank : int
        Of the columns of one metric the lowest is read.
    percent : float or None
        Percent of a percentile.
    """

    name: str
    scale: float = 1.0
    rank: int = 0
    percent: float | None = None


def quantity(column: str) -> Quantity | None:
    """Say what a column measures.

    Parameters
    ----------
    column : str
        Its name.

    Returns
    -------
    Quantity or None
        None where it names no quantity, or a time without a unit.

    Examples
    --------
    >>> quantity("p99_itl_ms").name, quantity("p99_itl_ms").percent
    ('itl_percentile_ms', 99.0)
    >>> quantity("Mean TTFT (s)").name, quantity("Mean TTFT (s)").scale, quantity("ttft")
    ('ttft_ms', 1000.0, None)
    """
    words = _words(column)
    rate = RATES.get(re.sub("_tok_s$|_tps$", "", "_".join(words)), RATES.get("_".join(words)))
    if rate:
        return Quantity(rate)
    what = [LATENCIES[word] for word in words if word in LATENCIES]
    units = [SECONDS[word] for word in words if word in SECONDS]
    of = [word for word in words if word in MIDDLES or PERCENT.fullmatch(word)]
    if len(what) != 1 or len(units) != 1 or len(of) > 1:
        return None
    if len(words) - sum(word in FILLERS for word in words) != len(what) + len(units) + len(of):
        return None
    middle, tail = READ_AS[what[0]]
    statistic = of[0] if of else ""
    percent = None if statistic in MIDDLES else float(statistic[1:])
    name = middle if percent is None else tail
    scale = units[0] if name.endswith("_s") else units[0] * 1e3
    scale = round(scale, 12)
    if percent is None:  # the gap of a request before that of a token, as the clients' readers
        return Quantity(name, scale, MIDDLES.index(statistic) + len(MIDDLES) * (what[0] == "itl"))
    return Quantity(name, scale, 0, percent) if 0 < percent < 100 else None


def _words(column: str) -> list[str]:
    return [word for word in WORDS.split(column.lower()) if word]


def column_of(name: str) -> str:
    """Say which column of `benchmarks/measured.csv` a name means.

    Parameters
    ----------
    name : str
        A column's name.

    Returns
    -------
    str
        The column; "" for none.

    Examples
    --------
    >>> column_of("Tensor-Parallel size"), column_of("isl"), column_of("colour")
    ('tp', 'input_tokens', '')
    """
    return COLUMN_OF.get("_".join(_words(name)), "")


def _recognises(data: Fields) -> bool:
    others = "completed" in data or {"metric", "value"} <= data.keys()
    flat = not any(isinstance(cell, (dict, list)) for cell in data.values())
    return flat and not others and any(quantity(str(name)) for name in data)


def _lines(data: Fields, where: str) -> list[Line]:
    """A measurement for each quantity of a run; of those that are one and the same, one."""
    common: Fields = {"from_client": True, "client_of": "vLLM", "any_server": True}
    strange: list[str] = []
    found: dict[tuple[str, float | None], tuple[Quantity, str, float]] = {}
    for name, cell in data.items():
        measures, column = quantity(name), column_of(name)
        if measures:
            value = number(cell)
            kind = (measures.name, measures.percent)
            if value and (kind not in found or measures.rank < found[kind][0].rank):
                found[kind] = (measures, name, value)
        elif column:
            common.setdefault(column, cell)
        elif name and "_".join(_words(name)) not in QUIET:
            strange.append(name)
    common["not_read"] = tuple(strange)
    out = []
    for measures, name, value in found.values():
        fields = {"metric": measures.name, "value": value * measures.scale}
        out.append(Line(f"{where} {name}", common | fields | {"percentile": measures.percent}))
    names = ", ".join(name for name in data if quantity(name))
    return out or [Line(where, {}, f"{names}: no number above zero")]


READERS = (Reader(_recognises, _lines),)
