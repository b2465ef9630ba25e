"""Lines that TensorRT-LLM prints, 0.8 to 1.3."""

from typing import Any

from ...explain import GIB
from .log import MIB, Log, M, N

PROFILED = rf"in memory usage profiling: {N} GiB"


def read(log: Log) -> dict[str, Any]:
    """Read a log of TensorRT-LLM.

    Parameters
    ----------
    log : Log
        One start.

    Returns
    -------
    dict
        Fields of a `StartUp`; None or "" for what is not said.
    """
    share = log.number("free_gpu_memory_fraction", "kv_cache_free_gpu_memory_fraction")
    pool = log.last(  # a run that profiles allocates a small one before
        rf"Allocated {N} GiB for max tokens in paged KV cache",
        rf"Estimated max memory in KV cache : {N} GiB",
        scale=GIB,
    )
    return {
        "version": next(iter(log.words(r"TensorRT[- ]LLM version: ([\w.+-]{1,60})")), ""),
        "model": log.repository("model", "model_path"),
        "gpu": log.card,
        "weights": log.argument("quant_algo") or log.dtype,
        "kv": log.argument("kv_cache_quant_algo", "kv_cache_dtype"),
        "tp": log.count("tensor_parallel_size", "tp_size") or 0,
        "pp": log.count("pipeline_parallel_size", "pp_size") or 0,
        "ep": log.count("moe_expert_parallel_size", "ep_size") or 0,
        "memory_fraction": share
        or log.number("kv_cache_free_gpu_mem_fraction")
        or next(iter(log.numbers(rf"fraction is set {N}")), None),
        "max_model_len": _limit(log, "max_seq_len", "maxSequenceLen"),
        "max_num_seqs": _limit(log, "max_batch_size", "maxBatchSize"),
        "max_num_batched_tokens": _limit(log, "max_num_tokens", "maxNumTokens"),
        "block_tokens": log.last_count(rf"[Tt]okens per block: {M}"),
        "starts": log.started,
        "gpu_memory_bytes": log.most(
            rf"paged kv cache: total: {N} GiB", rf"device total memory {N} GiB", scale=GIB
        ),
        "weights_bytes": log.most(rf"weights \(inside torch\) {PROFILED}", scale=GIB)
        or log.most(rf"Loaded engine size: {N} MiB", scale=MIB),
        "kv_bytes": pool,
        "kv_tokens": log.last_count(rf"max tokens in paged KV cache \({M}\)"),
        "activation_bytes": log.most(rf"inference \(inside torch\) {PROFILED}", scale=GIB),
        "non_torch_bytes": log.most(rf"CUDA graphs\) {PROFILED}", scale=GIB),
        "compute_buffer_bytes": log.most(rf"Allocated {N} MiB for execution context", scale=MIB),
        "free_before_bytes": log.most(
            rf"paged kv cache: [^\n]{{0,60}}?available: {N} GiB", scale=GIB
        ),
        "doubts": [],
    }


def _limit(log: Log, name: str, older: str) -> int | None:
    printed = log.last_count(rf"(?<!\w){name}={M}", rf"TRTGptModel {older}: {M}")
    return printed or log.count(name)
