"""vLLM's `bench serve`, `bench sweep`, `bench throughput` and `bench latency`.

Names: `vllm/benchmarks/serve.py`, `sweep/serve.py`, `throughput.py` and `latency.py`
(0.8 to 0.33). A sweep writes the results of `serve` as a list, each with the arguments that it
varied beside it; `summary.csv` holds the same.
"""

import re
from collections.abc import Iterator

from . import serving
from .line import (
    Document,
    Fields,
    Form,
    Line,
    Reader,
    length_contradicts,
    metrics,
    number,
    ratio,
    table,
    whole,
    word,
)
from .tables import labelled, lines_of

# Arguments of the server that a sweep writes beside each result, and their columns.
SWEPT = {
    "tensor_parallel_size": "tp",
    "pipeline_parallel_size": "pp",
    "quantization": "weight_dtype",
    "kv_cache_dtype": "kv_dtype",
    "gpu_memory_utilization": "memory_fraction",
    "max_model_len": "max_model_len",
    "max_num_seqs": "max_num_seqs",
    "max_num_batched_tokens": "max_num_batched_tokens",
}
PRINTED_RATE = re.compile(
    r"^[^\n]{0,60}\bThroughput: ([\d.]{1,20}) requests/s, ([\d.]{1,20}) total tokens/s"
    r"(?:, ([\d.]{1,20}) output tokens/s)?",
    re.M,
)
PRINTED_LATENCY = re.compile(r"^Avg latency: ([\d.]{1,25}) seconds", re.M)
PRINTED_MIDDLE = re.compile(r"^50% percentile latency: ([\d.]{1,25}) seconds", re.M)
ARGUMENTS = re.compile(
    r"\b(model|input_len|output_len|batch_size|tensor_parallel_size|pipeline_parallel_size|"
    r"quantization|kv_cache_dtype|gpu_memory_utilization|max_model_len)="
    r"(?:'([^']{1,300})'|([\d.]{1,20}))"
)


def _serve(data: Fields, where: str) -> list[Line]:
    backend = word(data.get("backend") or data.get("endpoint_type"))
    common = {
        "from_client": True,
        "model": data.get("model_id") or data.get("model") or "",
        # "openai" is only the protocol: the client's own engine is more likely
        "engine": "" if backend.startswith("openai") else backend,
        "client_of": "vLLM",
        **_swept(data),
    }
    if (number(data.get("spec_decode_acceptance_length")) or 1) > 1:
        common["assumed"] = "tokens were guessed ahead: predicted without"
    return serving.lines(data, where, common)


def _swept(data: Fields) -> Fields:
    out = {}
    for name, column in SWEPT.items():
        value = data.get(name, data.get(name.replace("_", "-")))
        if value not in (None, "", "None", "auto"):
            out[column] = value
    return out


def _is_throughput(data: Fields) -> bool:
    return "tokens_per_second" in data and "requests_per_second" in data


def _throughput(data: Fields, where: str) -> list[Line]:
    """All prompts at once; the file states the tokens of prompt and answer together."""
    many = data.get("num_requests")
    prompt = ratio(data.get("total_num_prompt_tokens"), many)
    common = {
        "from_client": True,
        "client_of": "vLLM",
        "model": data.get("model_id") or data.get("model") or "",
        "request_tokens": whole(ratio(data.get("total_num_tokens"), many)),
        "input_tokens": whole(prompt),
        **_swept(data),
    }
    for name, mean in (("input_len", prompt), ("random_input_len", prompt)):
        problem = length_contradicts(
            name, data.get(name), "total_num_prompt_tokens / num_requests", mean
        )
        if problem:
            return [Line(where, {}, problem)]
    values = {"total_tok_s": number(data.get("tokens_per_second"))}
    return metrics(common, values, where, "tokens_per_second")


def _is_latency(data: Fields) -> bool:
    return "avg_latency" in data


def _latency(data: Fields, where: str) -> list[Line]:
    """One batch that starts together; its size and lengths are in the command, not in the file."""
    common = {
        "from_client": True,
        "client_of": "vLLM",
        "model": data.get("model_id") or data.get("model") or "",
        "input_tokens": whole(data.get("input_len")),
        "output_tokens": whole(data.get("output_len")),
        "concurrency": whole(data.get("batch_size")),
        "needs": ("input_tokens", "output_tokens", "concurrency"),
        **_swept(data),
    }
    middle = number(table(data, "percentiles").get("50"))
    values = {"e2e_latency_s": middle or number(data.get("avg_latency"))}
    return metrics(common, values, where, "avg_latency")


# what the two print


def _prints(text: str) -> bool:
    return bool(PRINTED_RATE.search(text) or PRINTED_LATENCY.search(text))


def _printed(text: str) -> Iterator[Document]:
    every = lines_of(text)
    said: Fields = {}
    for number_, line in enumerate(every, 1):
        for name, quoted, digits in ARGUMENTS.findall(line[:20_000]):
            said[name] = quoted or digits
        rate, latency = PRINTED_RATE.match(line), PRINTED_LATENCY.match(line)
        if rate:
            below = labelled(every[number_ : number_ + 4])
            yield f"line {number_}", said | _rate_printed(rate, below)
        elif latency:
            middle = PRINTED_MIDDLE.search("\n".join(every[number_ : number_ + 8]))
            percentiles = {"50": middle.group(1)} if middle else {}
            times = {"avg_latency": latency.group(1), "percentiles": percentiles}
            yield f"line {number_}", said | times


def _rate_printed(rate: re.Match[str], below: dict[str, str]) -> Fields:
    """The names of the JSON; the number of requests follows from the rates."""
    requests, total, output = rate.groups()
    prompt, answer = (below.get(f"total num {side} tokens") for side in ("prompt", "output"))
    seconds = ratio(answer, output)
    many = (number(requests) or 0) * seconds if seconds else None
    tokens = (number(prompt) or 0) + (number(answer) or 0)
    return {
        "requests_per_second": requests,
        "tokens_per_second": total,
        "num_requests": many or 1.0,
        "total_num_tokens": tokens if many else ratio(total, requests),
        "total_num_prompt_tokens": prompt if many else "",
    }


READERS = (
    Reader(serving.recognises, _serve),
    Reader(_is_throughput, _throughput),
    Reader(_is_latency, _latency),
)
PRINTED = Form(_prints, _printed)
