"""SGLang's `bench_serving`: JSONL with the server's own arguments; and its batches without load.

Names: `sglang/bench_serving.py` (0.4 to 0.5), later `sglang/benchmark/serving.py`;
`bench_one_batch.py`, `bench_one_batch_server.py` and `bench_offline_throughput.py`. Of one batch
the times are read and not the rates: whether the prompts' time is in `output_throughput` changed.
"""

from . import serving
from .line import Fields, Line, Reader, metrics, none_completed, number, ratio, whole, word


def _recognises(data: Fields) -> bool:
    mine = ("server_info", "accept_length", "mean_e2e_latency_ms", "total_throughput")
    named = word(data.get("backend")).startswith("sglang")
    return serving.recognises(data) and (named or any(name in data for name in mine))


def _lines(data: Fields, where: str) -> list[Line]:
    server = serving.server_of(data)
    backend = word(data.get("backend"))
    common = {
        "from_client": True,
        "model": server.get("model_path") or data.get("model_id") or data.get("model") or "",
        # "sglang-oai" and the like are the same server by another door
        "engine": "" if backend.startswith(("openai", "sglang")) else backend,
        "client_of": "SGLang",
        "engine_version": server.get("version", ""),
        "tp": server.get("tp_size", ""),
        "pp": server.get("pp_size", ""),
        "ep": server.get("ep_size", ""),
        "dp_attention": server.get("dp_size", "") if server.get("enable_dp_attention") else "",
        "weight_dtype": server.get("quantization") or "",
        "kv_dtype": server.get("kv_cache_dtype") or "",
        "memory_fraction": server.get("mem_fraction_static") or "",
        "max_num_seqs": server.get("max_running_requests") or "",
    }
    if (number(data.get("accept_length")) or 1) > 1:
        common["assumed"] = "tokens were guessed ahead: predicted without"
    return serving.lines(data, where, common)


def _is_batch(data: Fields) -> bool:
    made = ("median_decode_latency", "prefill_latency", "overall_throughput")
    return "batch_size" in data and "input_len" in data and any(name in data for name in made)


def _batch(data: Fields, where: str) -> list[Line]:
    """One batch that starts together, by the model's own loop or by a server."""
    users, prompt, answer = (whole(data.get(n)) for n in ("batch_size", "input_len", "output_len"))
    common = {
        "from_client": True,
        "client_of": "SGLang",
        "model": word(data.get("model_path")),
        "input_tokens": prompt,
        "output_tokens": answer,
        "concurrency": users,
    }
    steps = number(data.get("median_decode_latency"))
    all_s, first_s = number(data.get("latency")), number(data.get("last_ttft") or data.get("ttft"))
    if not steps and all_s and first_s and all_s > first_s and isinstance(answer, int):
        steps = (all_s - first_s) / max(answer - 1, 1)
    values = {
        "decode_tok_s_per_user": 1 / steps if steps else None,
        "e2e_latency_s": all_s or number(data.get("total_latency")),
    }
    read = number(data.get("prefill_throughput"))
    out = []
    if read:  # prompt after prompt
        value = {"concurrency": 1, "metric": "prefill_tok_s", "value": read}
        out.append(Line(f"{where} prefill_tok_s", common | value))
    return out + metrics(common, values, where, "median_decode_latency and latency")


def _is_offline(data: Fields) -> bool:
    return "successful_requests" in data and "total_latency" in data


def _offline(data: Fields, where: str) -> list[Line]:
    """All prompts at once."""
    many = data.get("successful_requests")
    problem = none_completed(many, None, "successful_requests")
    if problem:
        return [Line(where, {}, problem)]
    common = {
        "from_client": True,
        "client_of": "SGLang",
        "model": word(data.get("model_path")),
        "input_tokens": whole(ratio(data.get("total_input_tokens"), many)),
        "output_tokens": whole(ratio(data.get("total_output_tokens"), many)),
    }
    values = {"total_tok_s": number(data.get("total_throughput"))}
    return metrics(common, values, where, "total_throughput")


READERS = (Reader(_recognises, _lines), Reader(_is_batch, _batch), Reader(_is_offline, _offline))
