"""Lines that vLLM prints, 0.6 to 0.33."""

import re
from typing import Any

from ...explain import GIB
from .log import Log, M, N, setting, whole


def read(log: Log) -> dict[str, Any]:
    """Read a log of vLLM.

    Parameters
    ----------
    log : Log
        One start.

    Returns
    -------
    dict
        Fields of a `StartUp`; None or "" for what is not said.
    """
    blocks, block = _blocks(log)
    longest = log.last_count(
        rf"Maximum concurrency for {M} tokens per request", rf"Using max model len {M}"
    )
    tp, pp = log.count("tensor_parallel_size", "tp"), log.count("pipeline_parallel_size", "pp")
    tokens = whole(log.most(rf"KV cache size: {M} tokens"))
    return {
        **_memory(log),
        "version": _version(log),
        "model": log.repository("model", "model_tag"),
        "gpu": log.card,
        "weights": log.argument("quantization", "q") or log.dtype,
        "kv": log.argument("kv_cache_dtype"),
        "tp": tp or 0,
        "pp": pp or 0,
        "ep": (tp or 1) if log.truth("enable_expert_parallel") else 0,
        "dp": log.count("data_parallel_size", "dp") or 0,
        "memory_fraction": _fraction(log),
        "max_model_len": log.count("max_seq_len", "max_model_len") or longest,
        "max_num_seqs": log.count("max_num_seqs"),
        "max_num_batched_tokens": log.count("max_num_batched_tokens")
        or log.last_count(rf"max_num_batched_tokens={M}"),
        "block_tokens": log.count("block_size"),
        "eager": log.truth("enforce_eager"),
        "speculation": _draft(log),
        "starts": log.started,
        "kv_tokens": tokens or (blocks and blocks * block),
        "max_concurrency": log.last(rf"tokens per request: {N}x"),
        "doubts": _doubts(log),
    }


def _version(log: Log) -> str:
    found = log.words(r"LLM engine \(v([\w.+-]{1,60})\)")
    found += log.words(r"server version v?([\w.+-]{1,60})")
    found += log.words(r"█[^\n]{0,60}?version {1,9}v?([\w.+-]{1,60})")
    return found[0].rstrip(".") if found else ""


def _blocks(log: Log) -> tuple[int | None, int]:
    """Pages of the first engine, which prints no tokens, and their size."""
    blocks = log.last_count(rf"# (?:GPU|cuda|CUDA|rocm) blocks: {M}")
    return blocks, log.count("block_size") or 16


def _memory(log: Log) -> dict[str, Any]:
    """What it says of memory: of several workers the least cache, and the most of the rest."""
    room = log.numbers(
        rf"Available KV cache memory: {N} GiB",
        rf"available KV cache memory \({N} GiB\)",
        rf"reserved for KV Cache is {N}GiB",
        rf"kv_cache_size={N}GiB",
    )
    actual = "GiB for (?:weight|consumed)[^\n]{0,80}?"
    outside = log.most(
        rf"non-torch forward increase memory: {N}GiB",
        rf"for peak activation, {N} GiB for non-torch",
        rf"non_torch_memory(?: takes |=){N}GiB",
        scale=GIB,
    )
    peak = log.most(
        rf"torch peak memory increase: {N}GiB",
        rf"{actual}{N} GiB for peak activation",
        rf"activation peak memory takes {N}GiB",
        scale=GIB,
    )
    total = log.most(
        rf"Free memory on device[^(\n]{{0,40}}\([\d.]+/{N} GiB\) on startup",
        rf"total_gpu_memory[ =(]+{N}GiB",
        scale=GIB,
    )
    free = log.most(
        rf"Initial free memory:? {N} GiB",
        rf"Free memory on device[^(\n]{{0,40}}\({N}/",
        scale=GIB,
    )
    weights = log.most(
        rf"Model loading took {N} Gi?B",
        rf"Loading model weights took {N} GB",
        rf"model weights take {N}GiB",
        scale=GIB,
    )
    return {
        "gpu_memory_bytes": total,
        "weights_bytes": weights,
        "kv_bytes": min(room) * GIB if room else None,
        "graph_bytes": log.most(
            rf"Graph capturing finished in [\d.]+ secs, took {N} GiB", scale=GIB
        ),
        "graph_estimate_bytes": log.most(rf"Estimated CUDA graph memory: {N} GiB", scale=GIB),
        "activation_bytes": peak,
        "non_torch_bytes": outside,
        "free_before_bytes": free,
    }


def _fraction(log: Log) -> float | None:
    given = log.number("gpu_memory_utilization")
    printed = log.numbers(
        rf"gpu_memory_utilization \({N}\)",
        rf"kv_cache_size=[^\n]{{0,99}}gpu_memory_utilization={N}",
        rf"--gpu-memory-utilization={N} is",
        rf"Requested memory: {N} \(util\)",
        rf"Desired GPU memory utilization is \({N},",
        rf"desired GPU memory utilization \({N},",
    )
    return given or next(iter(printed), None)


def _draft(log: Log) -> str:
    text = log.said + " " + log.command.get("speculative-config", "")
    at = text.find("speculative_config", 0)
    part = text[at:] if at >= 0 else log.command.get("speculative-config", "")
    if re.match(r"""speculative_config['"]?\s*[=:]\s*None""", part):
        return ""
    method = setting(part, "method")
    if not method:
        return ""
    count = setting(part, "num_speculative_tokens") or setting(part, "num_spec_tokens")
    method = "mtp" if method.endswith("mtp") else method
    return f"{method} {count}".strip()


def _doubts(log: Log) -> list[str]:
    doubts = []
    if log.argument("kv_cache_memory_bytes", "kv_cache_memory", "num_gpu_blocks_override"):
        doubts.append("cache-pinned")
    if log.argument("kv_transfer_config"):
        doubts.append("connector")
    if (log.number("cpu_offload_gb") or 0) > 0:
        doubts.append("host-weights")
    if (log.count("decode_context_parallel_size") or 1) > 1:
        doubts.append("context-parallel")
    if (log.count("pipeline_parallel_size") or 1) > 1:
        doubts.append("one-stage")
    if _blocks(log)[0]:
        doubts.append("engine-v0")
    return doubts
