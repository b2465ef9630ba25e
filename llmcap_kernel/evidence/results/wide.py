"""A table of one's own: a run a row, a quantity a column.

The names of quantities are those that the clients' JSON has (`vllm/benchmarks/serve.py`,
`sglang/bench_serving.py`), in any order of their words: `p99_itl_ms`, `ttft_ms_p90`. Those of the
deployment are the options of vLLM's and SGLang's commands, the columns of `benchmarks/measured.csv`
and what people call them. A column that is neither is named with each row.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ...refuse import shown
from . import whose
from .line import SECONDS, Document, Fields, Form, Line, Reader, number
from .tables import HEADER_WITHIN, lines_of, markdown

# Limits on an answer, which is then taken to be as long.
LIMITS = ("max_tokens", "max_new_tokens", "max_output_tokens", "max_completion_tokens")
# Columns of `benchmarks/measured.csv`, and what people call each.
COLUMNS = {
    "model": ("model_id", "model_name", "model_path"),
    "gpu": ("gpu_name", "gpu_type", "card", "accelerator", "hardware", "hw", "device"),
    "num_gpus": ("gpus", "gpu_count", "n_gpus", "ngpus", "cards"),
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
    "input_tokens": (
        *("input_len", "input_length", "random_input_len", "isl", "prompt_tokens", "prompt_len"),
        *("prompt_length", "mean_input_tokens", "avg_input_tokens", "input", "prompt"),
        *("in_len", "in_length", "in_tokens", "num_input_tokens", "num_prompt_tokens", "in"),
        *("input_seq_len", "input_sequence_length", "prefill_len", "prefill_tokens"),
    ),
    "output_tokens": (
        *("output_len", "output_length", "random_output_len", "osl", "completion_tokens"),
        *(
            "generated_tokens",
            "gen_len",
            "mean_output_tokens",
            "avg_output_tokens",
            "output",
            "answer",
        ),
        *("out_len", "out_length", "out_tokens", "num_output_tokens", "num_generated_tokens"),
        *("output_seq_len", "output_sequence_length", "decode_len", "decode_tokens", "out"),
        *("response_tokens", "response_len", "new_tokens", "gen_tokens", "gen_length", "gen"),
        *LIMITS,
    ),
    "cached_tokens": (),
    "concurrency": (
        *("max_concurrency", "batch_size", "batch", "users", "num_users", "concurrent_users"),
        *("concurrent_requests", "num_concurrent_requests", "clients", "num_clients", "conc"),
    ),
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
# Words of a rate of tokens, beside those that say whose; any other makes it another thing.
TOKENS, PER = ("tok", "toks", "token", "tokens"), ("s", "sec", "second", "per")
OF_OUTPUT = ("output", "out")
OF_ANSWERS = ("generation", "generated", "gen", "decode", "decoding", "eval", "tg")
OF_PROMPTS = ("prefill", "prompt", "pp")
OF_ONE = {"user": "decode_tok_s_per_user", "gpu": "output_tok_s_per_gpu"}
OF_ONE |= {"users": OF_ONE["user"], "gpus": OF_ONE["gpu"], "card": OF_ONE["gpu"]}
RATED = ("tps", "tput")  # a rate of tokens in one word
BESIDE = (*RATED, "total", "throughput", "mean", "avg", "all", "rate")
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


OTHERS = (  # of other readers
    *({"metric", "value"}, {"tokens_per_second", "requests_per_second"}),
    *({"Success Requests"}, {"Succeed requests"}),
    *({"successful_requests", "total_latency"}, {"batch_size", "overall_throughput"}),
)


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
    unsaid : str
        What its name leaves open: "unit" of a time, whose "tokens" of a rate; "" for nothing.
    """

    name: str
    scale: float = 1.0
    rank: int = 0
    percent: float | None = None
    unsaid: str = ""


def quantity(column: str) -> Quantity | None:
    """Say what a column measures.

    Parameters
    ----------
    column : str
        Its name.

    Returns
    -------
    Quantity or None
        None where it names no quantity.

    Examples
    --------
    >>> quantity("p99_itl_ms").name, quantity("p99_itl_ms").percent
    ('itl_percentile_ms', 99.0)
    >>> quantity("Mean TTFT (s)").name, quantity("Mean TTFT (s)").scale, quantity("ttft").unsaid
    ('ttft_ms', 1000.0, 'unit')
    >>> quantity("output_tps_per_user").name, quantity("tok/s").unsaid, quantity("req/s")
    ('decode_tok_s_per_user', 'tokens', None)
    """
    words = _shortened(_words(column))
    rate = RATES.get(re.sub("_tok_s$|_tps$", "", "_".join(words)), RATES.get("_".join(words)))
    if rate:
        return Quantity(rate)
    if said := _rate(words):
        return said
    if "latency" in words and not LATENCIES.keys() & set(words):  # of what is not said: a request
        words = ["e2e" if word == "latency" else word for word in words]
    what = [LATENCIES[word] for word in words if word in LATENCIES]
    units = [SECONDS[word] for word in words if word in SECONDS]
    of = [word for word in words if word in MIDDLES or PERCENT.fullmatch(word)]
    if len(what) != 1 or len(units) > 1 or len(of) > 1:
        return None
    if len(words) - sum(word in FILLERS for word in words) != len(what) + len(units) + len(of):
        return None
    middle, tail = READ_AS[what[0]]
    statistic = of[0] if of else ""
    percent = None if statistic in MIDDLES else float(statistic[1:])
    name = middle if percent is None else tail
    unsaid, seconds = ("", units[0]) if units else ("unit", SECONDS["ms"])
    scale = round(seconds if name.endswith("_s") else seconds * 1e3, 12)
    if percent is None:  # the gap of a request before that of a token, as the clients' readers
        rank = MIDDLES.index(statistic) + len(MIDDLES) * (what[0] == "itl")
        return Quantity(name, scale, rank, None, unsaid)
    return Quantity(name, scale, 0, percent, unsaid) if 0 < percent < 100 else None


def _rate(words: list[str]) -> Quantity | None:
    """A rate of tokens in somebody's own words."""
    said = set(words)
    counts = said & {*RATED} or (said & {*TOKENS} and (said & {*PER} or "throughput" in said))
    if not counts or said - {*TOKENS, *PER, *OF_OUTPUT, *OF_ANSWERS, *OF_PROMPTS, *OF_ONE, *BESIDE}:
        return None
    if said & {*OF_PROMPTS}:  # prompt after prompt
        alone = not said & {*OF_OUTPUT, *OF_ANSWERS, *OF_ONE, "total"}
        return Quantity("prefill_tok_s", rank=1) if alone else None
    of_one = next((OF_ONE[word] for word in words if word in OF_ONE), "")
    if of_one == OF_ONE["user"] or said & {*OF_OUTPUT}:
        return Quantity(of_one or "output_tok_s_total", rank=1)
    if of_one:
        return Quantity(of_one, rank=2, unsaid="tokens")
    if "total" in said:
        return Quantity("total_tok_s", rank=1)
    return Quantity("output_tok_s_total", rank=2, unsaid="tokens")


def _words(column: str) -> list[str]:
    return [word for word in WORDS.split(column.lower()) if word]


# Latencies in full words.
IN_FULL = {
    **dict.fromkeys(("time_to_first_token", "first_token_latency", "first_token_time"), "ttft"),
    **dict.fromkeys(("time_per_output_token", "time_per_token", "latency_per_token"), "tpot"),
    **dict.fromkeys(("inter_token_latency", "intertoken_latency"), "itl"),
    **dict.fromkeys(("end_to_end_latency", "request_latency", "e2e_latency"), "e2e"),
}
_IN_FULL = re.compile("|".join(rf"(?<![a-z]){words}(?![a-z])" for words in IN_FULL))


def _shortened(words: list[str]) -> list[str]:
    return _IN_FULL.sub(lambda found: IN_FULL[found[0]], "_".join(words)).split("_")


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
    others = "completed" in data or any(names <= data.keys() for names in OTHERS)
    flat = not any(isinstance(cell, (dict, list)) for cell in data.values())
    return flat and not others and any(quantity(str(name)) for name in data)


def _lines(data: Fields, where: str) -> list[Line]:
    if _is_on(data.get(SPLIT)):
        told = f"{SPLIT} is {shown(data[SPLIT])}: prompts on cards of their own are not predicted"
        return [Line(where, {}, told)]
    return _of_run(data, where)


def _of_run(data: Fields, where: str) -> list[Line]:
    """A measurement for each quantity of a run; of those that are one and the same, one."""
    common: Fields = {"from_client": True, "client_of": "vLLM", "any_server": True}
    strange: list[str] = []
    served = ""
    lost: list[Line] = []
    found: dict[tuple[str, float | None], tuple[Quantity, str, float]] = {}
    for name, cell in data.items():
        measures, column = quantity(name), column_of(name)
        if measures:
            value, measures = _cell(cell, measures)
            kind = (measures.name, measures.percent)
            if value and (kind not in found or measures.rank < found[kind][0].rank):
                found[kind] = (measures, name, value)
            if not value and not _is_blank(cell):
                told = f"{name} is {shown(cell)}: it takes a number above zero"
                lost.append(Line(f"{where} {name}", {}, told))
        elif column:
            common.setdefault(column, cell)
            served = name if _is_among(name, OUTCOMES) else served
        elif name and not _is_among(name, QUIET):
            strange.append(name)
    common["not_read"] = tuple(strange)
    outcome = served if number(common.get("concurrency")) else ""
    if outcome:
        del common["request_rate"]
    out, times = [], {}
    common |= _of_runner(common, data)
    in_s = any(_is_gap_in_s(measures, value) for measures, _, value in found.values())
    for measures, name, value in found.values():
        factor, taken = _taken(measures, name, value, in_s)
        fields = {"metric": measures.name, "value": value * measures.scale * factor}
        if measures.percent is None:
            times[measures.name] = fields["value"]
        guessed = (
            "tokens were guessed ahead: predicted without" if _is_on(data.get(GUESSED)) else ""
        )
        taken = "; ".join(filter(None, (taken, guessed, _of_outcome(outcome), _of_limit(data))))
        fields |= {"percentile": measures.percent} | ({"assumed": taken} if taken else {})
        fields |= {"rate_column": name} if measures.unsaid == "tokens" else {}
        fields |= {"needs": _needs(measures.name, common)}
        out.append(Line(f"{where} {name}", common | fields))
    row = whose.stated(common, times)
    out = [_told(line, name, row) for line, (_, name, _) in zip(out, found.values(), strict=True)]
    names = ", ".join(name for name in data if quantity(name))
    return [*out, *lost] or [Line(where, {}, f"{names}: no number above zero")]


# Names of a rate of requests that say what came out, where users at once are stated as well.
OUTCOMES = ("qps", "rps")
BLANK = ("", "-", "--", "\u2014", "\u2013", "na", "n/a", "nan", "none", "null", "0", "0.0")


def _of_guesses(data: Fields) -> str:
    return "tokens were guessed ahead: predicted without" if _is_on(data.get(GUESSED)) else ""


def _of_outcome(name: str) -> str:
    return f"{shown(name)} beside users at once taken as what was served" if name else ""


def _of_limit(data: Fields) -> str:
    """What is said where the first column of answers has a limit on them."""
    name = next((name for name in data if column_of(name) == "output_tokens"), "")
    return f"{shown(name)} taken as how long answers are" if _is_among(name, LIMITS) else ""


def _is_among(name: str, names: tuple[str, ...]) -> bool:
    return "_".join(_words(name)) in names


def _is_blank(cell: object) -> bool:
    """Whether a cell says that there is nothing."""
    return cell is None or cell == 0 or str(cell).strip().lower() in BLANK


# Lengths without which a quantity means nothing.
LENGTHS = {
    **dict.fromkeys(("ttft_ms", "ttft_percentile_ms", "prefill_tok_s"), ("input_tokens",)),
    **dict.fromkeys(("e2e_latency_s", "e2e_percentile_ms"), ("input_tokens", "output_tokens")),
}


def _needs(metric: str, common: Fields) -> tuple[str, ...]:
    """The columns without which a quantity of a table is not predicted."""
    load = () if common.get("request_rate") or metric == "prefill_tok_s" else ("concurrency",)
    return (*load, *LENGTHS.get(metric, ()))


def _told(line: Line, name: str, row: whose.Stated) -> Line:
    """A rate as the other columns of its row tell it, or what they say against it."""
    fields, is_open = line.fields, "rate_column" in line.fields
    counts = whose.COUNTS.get(fields["metric"])
    if counts is None:
        return line
    by_card = fields["metric"] == whose.PER_GPU
    value = fields["value"] * (cards_of(fields) if by_card else 1.0)
    among: tuple[str, ...] = (counts,)
    if is_open:
        among = (whose.ALL, whose.BOTH) if by_card else (whose.USER, whose.ALL, whose.BOTH)
    if not number(fields.get("request_rate")) and (not by_card or cards_of(fields)):
        if problem := whose.contradicts(name, value, row, among):
            return line._replace(problem=problem)
        if is_open and (told := whose.infer(value, row, among)):
            assumed = "; ".join(filter(None, (fields.get("assumed"), whose.taken(line, told))))
            more = {"rate_of": told, "assumed": assumed}
            return line._replace(fields=fields | more)
    return line


def cards_of(fields: Fields) -> float:
    """Count the cards that a row states.

    Parameters
    ----------
    fields : dict
        Of a line.

    Returns
    -------
    float
        Cards; 0 where it states none.

    Examples
    --------
    >>> cards_of({"tp": "4", "pp": 2}), cards_of({})
    (8.0, 0.0)
    """
    split = (number(fields.get(name)) for name in ("tp", "pp"))
    tp, pp = (value or 0.0 for value in split)
    return number(fields.get("num_gpus")) or tp * (pp or 1.0)


WITH_UNIT = re.compile(r"\s*([\d.,' ]{1,30}?)\s*(ms|us|µs|s|sec|seconds|milliseconds)\s*")
WITH_RATE = re.compile(
    r"\s*([\d.,' ]{1,30}?)\s*(k?)\s*(?:tok|toks|tokens|t)\s*(?:/|per\s)\s*(?:s|sec|second)\s*", re.I
)


def _cell(cell: object, measures: Quantity) -> tuple[float | None, Quantity]:
    """The number of a cell, and what it measures in the unit that stands behind the number."""
    is_rate = "tok" in measures.name
    found = (WITH_RATE if is_rate else WITH_UNIT).fullmatch(cell) if isinstance(cell, str) else None
    if not found:
        return number(cell), measures
    if is_rate:
        value = number(found[1])
        return value and value * (1e3 if found[2] else 1.0), measures
    seconds = SECONDS[found[2]] * (1 if measures.name.endswith("_s") else 1e3)
    return number(found[1]), measures._replace(scale=round(seconds, 12), unsaid="")


# Milliseconds below which a time without a unit is in seconds: no engine is as fast.
LEAST_MS = {"itl": 0.5, "tpot": 0.5, "ttft": 5.0, "e2e": 60.0}


def _is_gap_in_s(measures: Quantity, value: float) -> bool:
    """Whether a gap between tokens tells that a row without units is in seconds."""
    what = measures.name.split("_")[0]
    return measures.unsaid == "unit" and what in ("itl", "tpot") and value < LEAST_MS[what]


def _taken(measures: Quantity, name: str, value: float, in_s: bool) -> tuple[float, str]:
    """A factor on a value whose unit is not stated, and what was taken for what is left open."""
    if measures.unsaid == "unit":
        in_s = in_s or value < LEAST_MS[measures.name.split("_")[0]]
        unit = "seconds" if in_s else "milliseconds"
        return 1e3 if in_s else 1.0, f"unit of {shown(name)} not stated: {unit} taken"
    return 1.0, ""


# InferenceMAX's `utils/process_result.py`: `hw` is the machine's label, with the engine behind the
# card where two share one, and `image` the container.
RUNNER = re.compile(r"([\w. ]{2,40})[-_](trt|trtllm|vllm|sglang)")
IMAGE = re.compile(r"[^:\s]*(?:vllm|sglang|tensorrt-llm)[^:\s]*:v?(\d+\.\d+[\w.]*)[^:\s]*")
SPLIT, GUESSED = "disagg", "spec_decoding"


def _of_runner(common: Fields, data: Fields) -> Fields:
    """The card without the engine behind it, and the version that a container's tag has."""
    out: Fields = {}
    label = RUNNER.fullmatch(str(common.get("gpu", "")).strip())
    if label:
        out["gpu"] = label[1]
        out |= {} if common.get("engine") else {"engine": label[2]}
    image = IMAGE.fullmatch(str(data.get("image", "")).strip()[:300])
    if image and not common.get("engine_version"):
        out["engine_version"] = image[1]
    known = {SPLIT, GUESSED} | ({"image"} if image else set())
    out["not_read"] = tuple(name for name in common["not_read"] if name.lower() not in known)
    return out


def _is_on(cell: object) -> bool:
    return not _is_blank(cell) and str(cell).strip().lower() not in ("false", "no", "off")


# a table of markdown


def _is_header(cells: list[str]) -> bool:
    return len(cells) > 1 and _recognises(dict.fromkeys(cells))


def _holds_table(text: str) -> bool:
    heads = (line.strip() for line in lines_of(text)[:HEADER_WITHIN] if line.lstrip()[:1] == "|")
    return any(_is_header([cell.strip() for cell in head.strip("|").split("|")]) for head in heads)


def _rows(text: str) -> Iterator[Document]:
    return markdown(text, _is_header)


READERS = (Reader(_recognises, _lines),)
TABLE = Form(_holds_table, _rows)
