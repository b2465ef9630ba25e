"""SGLang's `bench_serving`: JSONL with the server's own arguments.

Names: `sglang/bench_serving.py` (0.4 to 0.5), later `sglang/benchmark/serving.py`.
"""

from . import serving
from .line import Fields, Line, Reader, number, word


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


READERS = (Reader(_recognises, _lines),)
