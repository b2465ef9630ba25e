"""`bench_serving`, from which the clients of vLLM, SGLang and TensorRT-LLM have grown.

Each of them writes its results as JSON and prints them as a block between two rules, with the
same names for the same numbers: vLLM's in `vllm/benchmarks/serve.py`, SGLang's in
`sglang/bench_serving.py`, later `sglang/benchmark/serving.py`. A block is read into the names of
the JSON, so that one reader serves both.
"""

import re
from collections.abc import Iterator

from .line import (
    Document,
    Fields,
    Form,
    Line,
    evenness,
    in_step,
    length_contradicts,
    lost,
    none_completed,
    number,
    rate_contradicts,
    rate_of,
    ratio,
    table,
    whole,
    word,
)
from .tables import labelled, lines_of
from .wide import quantity

MISSING = "median_ttft_ms, median_tpot_ms and output_throughput"
# Of the names of one quantity the first that has a number. A run at a rate has its means first,
# which are what is predicted of it: waits of a queue lie far above their median.
READ = {
    "ttft_ms": ("median_ttft_ms", "mean_ttft_ms"),
    "itl_ms": ("median_tpot_ms", "mean_tpot_ms", "median_itl_ms", "mean_itl_ms"),
    "output_tok_s_total": ("output_throughput",),
}
READ_AT_RATE = READ | {
    "ttft_ms": ("mean_ttft_ms", "median_ttft_ms"),
    "itl_ms": ("mean_tpot_ms", "median_tpot_ms", "mean_itl_ms", "median_itl_ms"),
}
TITLE = re.compile(r"^[#>|\s]{0,40}=+ Serving Benchmark Result =+\s*$")
RULE = re.compile(r"^[#>|\s]{0,40}={20,}\s*$")
ABOVE = 200  # lines above a block in which the client prints its arguments
# The labels of a block, in small letters, and the names of the JSON.
LABELS = {
    "backend": "backend",
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency",
    "request rate configured (rps)": "request_rate",
    "traffic request rate": "request_rate",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "total token throughput (tok/s)": "total_token_throughput",
    "accept length": "accept_length",
    "acceptance length": "spec_decode_acceptance_length",
}
LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2el", "e2e latency": "e2el"}
LATENCY = re.compile(rf"(mean|median|p\d{{1,2}}(?:\.\d{{1,3}})?) ({'|'.join(LATENCIES)}) \(ms\)")
# Arguments as Python prints them above a block.
ARGUMENT = re.compile(
    r"\b(model|num_prompts|request_rate|max_concurrency|tensor_parallel_size)="
    r"(?:'([^']{1,300})'|([\d.]{1,20}))"
)
SERVER = "SGLang"


def recognises(data: Fields) -> bool:
    """Say whether a document is a result of this script.

    Parameters
    ----------
    data : dict
        A document.

    Returns
    -------
    bool
        Whether it has the script's names.

    Examples
    --------
    >>> recognises({"completed": 200, "output_throughput": 1062.2})
    True
    """
    made = ("output_throughput", "request_throughput", "median_ttft_ms", "mean_ttft_ms")
    return "completed" in data and any(name in data for name in made)


def lines(data: Fields, where: str, common: Fields) -> list[Line]:
    """Read a result of this script.

    Parameters
    ----------
    data : dict
        The result.
    where : str
        Its place.
    common : dict
        The columns that tell of the deployment, which each client states its own way.

    Returns
    -------
    list of Line
        First token, gap, output rate and percentiles; or why it cannot be read.
    """
    problem = _problem(data)
    if problem:
        return [Line(where, {}, problem)]
    done = data.get("completed")
    common |= {"served": True} | _load(data, done)
    bursts = evenness(number(data.get("burstiness"))) if common["request_rate"] else ""
    if bursts:
        common["assumed"] = "; ".join(filter(None, (common.get("assumed"), bursts)))
    read = READ_AT_RATE if common["request_rate"] else READ
    found = [
        Line(f"{where} {name}", common | {"metric": metric, "value": number(data[name])})
        for metric, names in read.items()
        if (name := next((name for name in names if number(data.get(name))), None))
    ]
    found += _tails(data, where, common)
    return found or [Line(where, {}, f"{MISSING} are missing")]


def _tails(data: Fields, where: str, common: Fields) -> Iterator[Line]:
    """Percentiles by their names, `p95_ttft_ms`; the 50th is the median, which was read."""
    for name, cell in data.items():
        measures, value = quantity(name), number(cell)
        if measures and measures.percent is not None and value:
            of = {"metric": measures.name, "value": value * measures.scale}
            yield Line(f"{where} {name}", common | of | {"percentile": measures.percent})


def _load(data: Fields, done: object) -> Fields:
    rate, limit = _rate(data), whole(data.get("max_concurrency"))
    prompts = whole(data.get("num_prompts")) or whole(done)
    if not rate:  # all prompts are sent at once, as far as the limit lets them
        limit = min((x for x in (limit, prompts) if isinstance(x, int)), default="")
    return {
        "input_tokens": whole(
            ratio(data.get("total_input_tokens"), done) or data.get("random_input_len")
        ),
        "output_tokens": whole(
            ratio(data.get("total_output_tokens"), done) or data.get("random_output_len")
        ),
        "concurrency": limit,
        "request_rate": rate,
        "requests": prompts if rate else "",
        "lost": lost(data.get("failed"), done) or lost(_short_of(prompts, whole(done)), done),
        **({} if rate else in_step(*_answers(data))),
    }


def _short_of(prompts: object, done: object) -> int:
    """How many of the prompts have no answer."""
    return prompts - done if isinstance(prompts, int) and isinstance(done, int) else 0


def _answers(data: Fields) -> tuple[object, object]:
    """The shortest answer and the longest, where the file tells."""
    lengths = data.get("output_lens")
    if isinstance(lengths, list) and lengths:
        told = [length for length in map(number, lengths) if length]
        return (min(told), max(told)) if told else (None, None)
    most, share = number(data.get("random_output_len")), _least_share(data)
    drawn = word(data.get("dataset_name")).startswith("random")
    return (share * most, most) if drawn and most and share is not None else (None, None)


def _least_share(data: Fields) -> float | None:
    """SGLang draws a length from this share of what is stated to the whole; None for others."""
    share = data.get("random_range_ratio")
    return share if "server_info" in data and isinstance(share, int | float) else None


def _rate(data: Fields) -> float | str:
    ends = number(data.get("ramp_up_start_rps")), number(data.get("ramp_up_end_rps"))
    if data.get("ramp_up_strategy") and ends[0] and ends[1]:
        return (ends[0] + ends[1]) / 2
    return rate_of(data.get("request_rate"))


def _problem(data: Fields) -> str:
    """What is wrong with a result as a whole; "" for nothing."""
    done = data.get("completed")
    problem = none_completed(done, data.get("failed"))
    if not problem and not number(done):
        problem = "completed is missing"
    return problem or _contradiction(data, done)


def _contradiction(data: Fields, done: object) -> str:
    """Where the file contradicts itself; "" for nowhere."""
    means = {
        "input": ratio(data.get("total_input_tokens"), done),
        "output": ratio(data.get("total_output_tokens"), done),
    }
    for side, mean in means.items():
        totals = f"total_{side}_tokens / completed"
        for name in (f"{side}_len", f"random_{side}_len"):
            stated = _stated_length(data, name)
            problem = length_contradicts(name, stated, totals, mean, at_most=side == "output")
            if problem:
                return problem
    tokens, seconds = data.get("total_output_tokens"), data.get("duration")
    return rate_contradicts("output_throughput", data.get("output_throughput"), tokens, seconds)


def _stated_length(data: Fields, name: str) -> float | None:
    """The mean of a stated length, where the requests were drawn around it."""
    stated = number(data.get(name))
    drawn = word(data.get("dataset_name")) or "random"
    if not stated or (name.startswith("random") and not drawn.startswith("random")):
        return None  # the script writes its default whatever it sent
    share = _least_share(data)
    return stated if share is None or not name.startswith("random") else stated * (1 + share) / 2


# a block on the screen


def _has_block(text: str) -> bool:
    return "Serving Benchmark Result" in text and any(map(TITLE.match, lines_of(text)))


def _blocks(text: str) -> Iterator[Document]:
    every = lines_of(text)
    begins = [at for at, line in enumerate(every) if TITLE.match(line)]
    past = 0
    for at, following in zip(begins, [*begins[1:], len(every)], strict=True):
        rules = (n for n in range(at + 1, following) if RULE.match(every[n]))
        end = next(rules, following)
        above = every[max(past, at - ABOVE) : at]
        yield f"line {at + 1}", _of_block(above, every[at + 1 : end])
        past = end


def _of_block(above: list[str], block: list[str]) -> Fields:
    """The names of the JSON, from a block and from the arguments printed above it."""
    out: Fields = {}
    for line in above:
        for name, text, digits in ARGUMENT.findall(line[:20_000]):
            out[name] = text or digits
    out |= _named(labelled(above), ("request_rate", "max_concurrency"))
    return out | _named(labelled(block))


def _named(labels: dict[str, str], only: tuple[str, ...] = ()) -> Fields:
    out: Fields = {}
    for label, value in labels.items():
        latency = LATENCY.fullmatch(label)
        if latency:
            name = f"{latency.group(1)}_{LATENCIES[latency.group(2)]}_ms"
        else:
            name = LABELS.get(label, "")
        if name and (not only or name in only):
            out[name] = value if name == "backend" else value.split()[0]
    return out


BLOCK = Form(_has_block, _blocks)


def server_of(data: Fields) -> Fields:
    """Take what SGLang's server says of itself.

    Parameters
    ----------
    data : dict
        A result.

    Returns
    -------
    dict
        Its arguments; of prefill and decode apart those of decode.

    Examples
    --------
    >>> server_of({"server_info": {"decode": [{"tp_size": 8}]}})
    {'tp_size': 8}
    """
    server = table(data, "server_info")
    parts = server.get("decode")
    if isinstance(parts, list) and parts and isinstance(parts[0], dict):
        return parts[0]
    return server
