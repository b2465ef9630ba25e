"""`trtllm-bench`: its JSON report, and the same report as it is printed.

Names: `tensorrt_llm/bench/dataclasses/reporting.py`, `get_statistics_dict` and
`report_statistics`. The printed report is read into the names of the JSON.
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
    none_completed,
    number,
    table,
    tails,
    whole,
    word,
)
from .tables import labelled, lines_of

MISSING = "system_output_throughput_tok_s, avg_ttft_ms and avg_tpot_ms"
TITLE = re.compile(r"^[#> \t]{0,40}= PERFORMANCE OVERVIEW[ \t]*$", re.M)
BEGIN = re.compile(r"^[#>\s]{0,40}= (?:ENGINE DETAILS|PYTORCH BACKEND|\S{1,20} BACKEND)\s*$")
MACHINE = re.compile(r"^[#>\s]{0,40}= MACHINE DETAILS\s*$")
NOT_STATED = ("", "none", "n/a", "null")
# Labels of the printed report, in small letters, and where the JSON has them.
LABELS = {
    "model": ("engine", "model"),
    "tensorrt llm version": ("engine", "version"),
    "tensorrt-llm version": ("engine", "version"),
    "dtype": ("engine", "dtype"),
    "kv cache dtype": ("engine", "kv_cache_dtype"),
    "quantization": ("engine", "quantization"),
    "max sequence length": ("engine", "max_sequence_length"),
    "tp size": ("world_info", "tp_size"),
    "pp size": ("world_info", "pp_size"),
    "ep size": ("world_info", "ep_size"),
    "max runtime batch size": ("world_info", "max_batch_size"),
    "max runtime tokens": ("world_info", "max_num_tokens"),
    "kv memory percentage": ("world_info", "kv_cache_percentage"),
    "number of requests": ("request_info", "num_requests"),
    "number of concurrent requests": ("request_info", "avg_num_concurrent_requests"),
    "average input length (tokens)": ("request_info", "avg_input_length"),
    "average output length (tokens)": ("request_info", "avg_output_length"),
    "total output throughput (tokens/sec)": ("performance", "system_output_throughput_tok_s"),
    "average time-to-first-token [ttft] (ms)": ("streaming_metrics", "avg_ttft_ms"),
    "average time-per-output-token [tpot] (ms)": ("streaming_metrics", "avg_tpot_ms"),
    "[ttft] p50": ("streaming_metrics", "ttft_p50"),
    "[tpot] p50": ("streaming_metrics", "tpot_p50"),
}


def _recognises(data: Fields) -> bool:
    return isinstance(data.get("performance"), dict) and isinstance(data.get("request_info"), dict)


def _lines(data: Fields, where: str) -> list[Line]:
    engine, world = table(data, "engine"), table(data, "world_info")
    asked, streamed = table(data, "request_info"), table(data, "streaming_metrics")
    problem = none_completed(asked.get("num_requests"), None, "num_requests")
    if problem:
        return [Line(where, {}, problem)]
    common = {
        "from_client": True,
        "model": engine.get("model") or "",
        "engine": "TensorRT-LLM",
        "engine_version": engine.get("version") or "",
        "gpu": word(table(data, "machine").get("name")),
        "tp": whole(world.get("tp_size")),
        "pp": whole(world.get("pp_size")),
        "ep": whole(world.get("ep_size")),
        "weight_dtype": _stated(engine.get("quantization")) or _stated(engine.get("dtype")),
        "kv_dtype": _stated(engine.get("kv_cache_dtype")),
        "memory_fraction": _share(world.get("kv_cache_percentage")),
        "max_num_seqs": whole(world.get("max_batch_size")),
        "max_num_batched_tokens": whole(world.get("max_num_tokens")),
        "input_tokens": whole(asked.get("avg_input_length")),
        "output_tokens": whole(asked.get("avg_output_length")),
        "concurrency": whole(asked.get("avg_num_concurrent_requests")),
    }
    rate = table(data, "performance").get("system_output_throughput_tok_s")
    values = {
        "ttft_ms": _middle(streamed, "ttft"),
        "itl_ms": _middle(streamed, "tpot"),
        "output_tok_s_total": number(rate),
    }
    ends = {
        f"{name}_percentile_ms": (table(streamed, f"{name}_percentiles"), 1.0)
        for name in ("ttft", "tpot")
    }
    return metrics(common, values, where, MISSING) + tails(common, ends, where)


def _stated(value: object) -> str:
    text = word(value)
    return "" if text.lower() in NOT_STATED else text


def _share(value: object) -> float | str:
    """A share of the memory, printed as "90.00%" or kept as 0.9."""
    share = number(value.rstrip("%") if isinstance(value, str) else value)
    return "" if share is None else share / 100 if share > 1 else share


def _middle(streamed: Fields, name: str) -> float | None:
    middle = table(streamed, f"{name}_percentiles").get("p50") or streamed.get(f"{name}_p50")
    return number(middle) or number(streamed.get(f"avg_{name}_ms"))


# the printed report


def _prints(text: str) -> bool:
    return TITLE.search(text) is not None


def _reports(text: str) -> Iterator[Document]:
    """One document for each report; a report ends where the next begins."""
    every = lines_of(text)
    begin, title = 0, None
    for at, line in enumerate([*every, "= END BACKEND"]):
        if BEGIN.match(line):
            if title is not None:
                yield f"line {title + 1}", _report(every[begin:at])
            begin, title = at, None
        elif TITLE.match(line):
            title = at


def _report(lines: list[str]) -> Fields:
    out: Fields = {part: {} for part in ("engine", "request_info", "performance")}
    for label, value in labelled(lines).items():
        if label in LABELS:
            part, name = LABELS[label]
            out.setdefault(part, {})[name] = value
    for at, line in enumerate(lines):
        if MACHINE.match(line):  # "NVIDIA H100 80GB HBM3, memory 79.19 GB, 2.62 GHz"
            after = next((text for text in lines[at + 2 : at + 4] if "memory" in text), "")
            out["machine"] = {"name": after.partition(", memory")[0].strip()}
    return out


READERS = (Reader(_recognises, _lines),)
PRINTED = Form(_prints, _reports)
