"""Start-up logs of engines, read as `startup.StartUp`: vLLM, SGLang, TensorRT-LLM, llama.cpp.

A log is whatever was pasted: with timestamps, colours, the prefixes of workers and containers, the
command above it, cut off at either end. The lines read here are those that the engines' sources
print: vLLM 0.6 to 0.33, SGLang 0.4 to 0.5, TensorRT-LLM 0.8 to 1.3, llama.cpp and ik_llama.cpp.
Their GB are GiB where the source divides by 2**30. Of several workers the fullest card counts.
"""

import re
from dataclasses import fields
from typing import Any

from ...refuse import BadInput, shown
from ..startup import StartUp
from . import llamacpp, sglang, trtllm, vllm
from .log import log_of
from .printed import printed

MAX_CHARS = 50_000_000
KNOWN = (
    "the log of vLLM, SGLang, TensorRT-LLM or llama.cpp, from the command or the first line to "
    "where it serves"
)

# Lines that no other program prints; the engine with the most of them wrote the log.
MARKS = {
    "vLLM": (
        r"Available KV cache memory:|KV cache size: [\d,]+ tokens|with config: model=|"
        r"the current vLLM instance can use|Maximum concurrency for|vLLM (?:API )?server version|"
        r"(?:Model loading|Loading model weights) took [\d.]+ G"
    ),
    "SGLang": (
        r"server_args=ServerArgs\(|Load weight end\.|KV Cache is allocated\.|"
        r"max_total_num_tokens=\d|Memory pool end\."
    ),
    "TensorRT-LLM": (
        r"max tokens in paged KV cache|\[MemUsageChange\]|in memory usage profiling:|"
        r"TensorRT[- ]LLM version:"
    ),
    "llama.cpp": (
        r"load_tensors: {1,20}\S{1,30}(?: model)? buffer size| (?:KV|compute) buffer size = |"
        r"print_info: |llm_load_print_meta: |general\.architecture\s+(?:str\s+)?= "
    ),
}
# What begins or holds this is a benchmark's result, whatever log stands beside it.
RESULTS = re.compile(r"\s*+(?:\{|\[\s*\{|[^\n]{0,400}\bmetric\b[^\n]{0,400}\bvalue\b)")
BENCH = re.compile(
    r"^[ \t]*\|[^\n]{0,2000}\bt/s[ \t]*\|| Serving Benchmark Result =|= PERFORMANCE OVERVIEW|"
    r"\bThroughput: [\d.]{1,20} requests/s|^Avg latency: [\d.]{1,25} seconds|"
    r'^[ \t]*\{"(?:build_commit|n_kv_max)":|^[ \t]*INSERT INTO \w{1,40} \(build_commit',
    re.M,
)
# What a server prints every few seconds once it serves.
RATES = re.compile(r"Avg generation throughput: [\d.]|gen throughput \(token/s\): [\d.]")
# Where another start begins, and what one has to have said before.
STARTS = re.compile(
    r"vLLM (?:API )?server version|non-default args:|with config: model=|"
    r"server_args=ServerArgs\(|TensorRT[- ]LLM version:|loaded meta data with"
)
# Where one certainly begins, also after one that ended before it said anything of its memory.
BANNER = re.compile(r"vLLM API server version|server_args=ServerArgs\(")
SAID = re.compile(
    r"(?:Model loading|Loading model weights) took|# (?:GPU|cuda|CUDA|rocm) blocks:|"
    r"Load weight end|Available KV cache memory:|KV cache size: |reserved for KV Cache is|"
    r"No available memory|"
    r"KV Cache is allocated|Not enough memory\. Please|max tokens in paged KV cache|"
    r"kv_cache_size=|compute buffer size|OutOfMemoryError|out of memory"
)
READERS = {
    "vLLM": vllm.read,
    "SGLang": sglang.read,
    "TensorRT-LLM": trtllm.read,
    "llama.cpp": llamacpp.read,
}


def recognises(text: str) -> bool:
    """Say whether a text is a start-up log.

    Parameters
    ----------
    text : str
        Whatever a file holds.

    Returns
    -------
    bool
        Whether an engine's lines are in it.

    Examples
    --------
    >>> recognises("INFO 11-03 [gpu_worker.py:298] Available KV cache memory: 6.95 GiB")
    True
    >>> recognises("metric,value")
    False
    """
    if len(text) > MAX_CHARS:
        return False
    plain = printed(text)
    if RESULTS.match(plain) or BENCH.search(plain):
        return False
    # a server's rates, with no line of its memory
    return bool(_engine(plain)) and bool(SAID.search(plain) or not RATES.search(plain))


def read(text: str, name: str = "the text", **given: Any) -> StartUp:
    """Read a start-up log.

    Parameters
    ----------
    text : str
        The log, with the command above it where it was pasted too.
    name : str
        Its name, for error messages.
    **given : str or float
        Fields of `StartUp` that the log leaves out or says wrongly; None says nothing.

    Returns
    -------
    StartUp
        What it says of the card that holds the most; of several starts the one with the most
        weights, of equals the last.

    Raises
    ------
    BadInput
        When it is no such log.

    Examples
    --------
    >>> one = read('''Initializing a V1 LLM engine (v0.12.0) with config: model='Qwen/Qwen3-8B',
    ... max_seq_len=4096, tensor_parallel_size=1, quantization=None, dtype=torch.bfloat16
    ... Available KV cache memory: 6.95 GiB''', gpu="RTX 4090")
    >>> one.version, one.model, one.max_model_len, round(one.kv_bytes / 2**30, 2)
    ('0.12.0', 'Qwen/Qwen3-8B', 4096, 6.95)
    """
    if len(text) > MAX_CHARS:
        raise BadInput(
            "file", f"file {shown(name)} has {len(text):,} characters: too many to read."
        )
    plain = printed(text)
    engine = _engine(plain)
    if not engine:
        raise BadInput("file", f"file {shown(name)} is no start-up log: it takes {KNOWN}.")
    parts = _split(plain)
    found = [READERS[engine](log_of(part, plain)) for part in parts]
    best = max(reversed(found), key=lambda one: one.get("weights_bytes") or 0.0)
    doubts = tuple(best.pop("doubts", ())) + (("two-logs",) if len(found) > 1 else ())
    known = {f.name for f in fields(StartUp)}
    best |= {k: v for k, v in given.items() if k in known and v not in (None, "")}
    return StartUp(**({"engine": engine, "source": name} | best), doubts=doubts)


def _engine(text: str) -> str:
    hits = {name: len(re.findall(pattern, text, re.A)) for name, pattern in MARKS.items()}
    best = max(hits, key=lambda name: hits[name])
    return best if hits[best] else ""


def _split(text: str) -> list[str]:
    """Cut a log where another start begins: at a second banner, or after the memory of one."""
    starts = [(m.start(), True, bool(BANNER.match(m.group()))) for m in STARTS.finditer(text)]
    lines = [(m.start(), False, False) for m in SAID.finditer(text)]
    cuts, said, banner = [0], False, False
    for at, begins, again in sorted(starts + lines):
        if begins and (said or (again and banner)):
            cuts.append(text.rfind("\n", 0, at) + 1)
            banner = False
        said, banner = not begins, banner or again
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]
