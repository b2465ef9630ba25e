"""Lines that SGLang prints, 0.4 to 0.5."""

import re
from collections import Counter
from typing import Any

from ...explain import GIB
from .log import Log, M, N, most

SIZES = {
    "weights_bytes": rf"Load weight end\..*?mem usage={N} GB",
    "free_before_bytes": rf"Load weight begin\. avail mem={N} GB",
    "graph_bytes": rf"Capture (?:piecewise )?cuda graph end\..*?mem usage={N} GB",
    "kv_bytes": rf"\b(?:K|V|KV) size: {N} GB",
    "state_bytes": rf"(?:conv|ssm)_state size: {N}GB",
}


def read(log: Log) -> dict[str, Any]:
    """Read a log of SGLang.

    Parameters
    ----------
    log : Log
        One start.

    Returns
    -------
    dict
        Fields of a `StartUp`; None or "" for what is not said.
    """
    split = log.count("dp_size", "data_parallel_size", "dp") or 0
    attention = log.truth("enable_dp_attention")
    return {
        **_memory(log),
        "model": log.repository("model_path", "model"),
        "gpu": log.card,
        "weights": log.argument("quantization") or _weights(log),
        "kv": log.argument("kv_cache_dtype"),
        "tp": log.count("tp_size", "tensor_parallel_size", "tp") or 0,
        "pp": log.count("pp_size", "pipeline_parallel_size", "pp") or 0,
        "ep": log.count("ep_size", "expert_parallel_size", "ep") or 0,
        "dp": split if attention else 0,
        "memory_fraction": log.number("mem_fraction_static"),
        "max_model_len": log.count("context_length") or log.last_count(rf"context_len={M}"),
        "max_num_seqs": log.last_count(rf"max_running_requests={M}, context_len")
        or log.count("max_running_requests"),
        "max_num_batched_tokens": log.last_count(rf"\bchunked_prefill_size={M}, max_prefill")
        or log.count("chunked_prefill_size"),
        "block_tokens": log.count("page_size"),
        "eager": log.truth("disable_cuda_graph"),
        "speculation": _draft(log),
        "starts": log.started,
        "kv_tokens": log.last_count(rf"max_total_num_tokens={M}"),
        "doubts": ["cache-pinned"] if log.argument("max_total_tokens") else [],
    }


def _weights(log: Log) -> str:
    printed = log.words(r"Load weight end\.[^\n]{0,200}?dtype=torch\.(\w+)")
    return printed[0] if printed else log.dtype


def _draft(log: Log) -> str:
    method = log.argument("speculative_algorithm")
    count = log.argument("speculative_num_steps")
    return f"{method} {count}".strip() if method else ""


def _memory(log: Log) -> dict[str, Any]:
    """What each rank says, up to where it loads a draft model; pools of a rank add up."""
    ranks: dict[str, dict[str, float]] = {}
    loads: Counter[str] = Counter()
    for line in filter(lambda line: "GB" in line and len(line) < 5_000, log.text.split("\n")):
        rank = "".join(re.findall(r"(?:DP|TP|PP|EP)\d+", line.partition("]")[0]))
        loads[rank] += "Load weight begin" in line
        sizes = ranks.setdefault(rank, dict.fromkeys(SIZES, 0.0))
        for name, pattern in SIZES.items() if loads[rank] < 2 else ():
            sizes[name] += sum(map(float, re.findall(pattern, line, re.I | re.A)))
    out: dict[str, Any] = {
        name: most((sizes[name] for sizes in ranks.values()), GIB) for name in SIZES
    }
    pools = [sizes["kv_bytes"] for sizes in ranks.values() if sizes["kv_bytes"] > 0]
    out["kv_bytes"] = min(pools) * GIB if pools else None
    out["free_after_bytes"] = log.last(rf"available_gpu_mem={N} GB", scale=GIB)
    return out
