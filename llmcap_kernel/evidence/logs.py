"""Start-up logs of engines, read as `startup.StartUp`: vLLM, SGLang, TensorRT-LLM, llama.cpp.

A log is whatever was pasted: with timestamps, colours, the prefixes of workers and containers, the
command above it, cut off at either end. The lines read here are those that the engines' sources
print: vLLM 0.6 to 0.33, SGLang 0.4 to 0.5, TensorRT-LLM 0.8 to 1.3, llama.cpp and ik_llama.cpp.
Their GB are GiB where the source divides by 2**30. Of several workers the fullest card counts.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..catalog import names
from ..explain import GIB
from ..refuse import BadInput, shown
from . import stated
from .startup import StartUp

MIB = 2**20
MAX_CHARS = 50_000_000
LONGEST_LINE = 30_000
KNOWN = (
    "the log of vLLM, SGLang, TensorRT-LLM or llama.cpp, from the command or the first line to "
    "where it serves"
)
N = r"(-?\d{1,15}(?:\.\d{1,9})?)"  # a number
M = r"(\d{1,3}(?:,\d{3}){1,5}|\d{1,15})"  # a count, with or without commas
ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\r")

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
        r"print_info: |llm_load_print_meta: "
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
# Where another start begins, and what one has to have said before.
STARTS = re.compile(
    r"vLLM (?:API )?server version|non-default args:|with config: model=|"
    r"server_args=ServerArgs\(|TensorRT[- ]LLM version:|loaded meta data with"
)
SAID = re.compile(
    r"Available KV cache memory:|KV cache size: |reserved for KV Cache is|No available memory|"
    r"KV Cache is allocated|Not enough memory\. Please|max tokens in paged KV cache|"
    r"kv_cache_size=|compute buffer size|OutOfMemoryError|out of memory"
)
REFUSED = re.compile(
    r"No available memory for the cache blocks|larger than the available KV cache memory|"
    r"larger than the maximum number of tokens that can be|"
    r"exceeds available Mamba cache blocks|less than desired GPU memory|"
    r"Not enough memory\. Please try|(?:CUDA|HIP|XPU|failed:) out of memory|OutOfMemoryError|"
    r"ErrorOutOfDeviceMemory|failed to load model|(?:failed|unable) to allocate \S{1,30} buffer"
)
SERVES = re.compile(
    r"Application startup complete|Starting vLLM API server|The server is fired up|"
    r"server is listening|Graph capturing finished|Capture cuda graph end|"
    r"KV cache size: [\d,]+ tokens|max_total_num_tokens=\d|max tokens in paged KV cache|"
    r"compute buffer size"
)
ARGUMENTS = re.compile(
    r"non-default args:|with config: |Namespace\(|ServerArgs\(|LLM Args:?|TorchLlmArgs\("
)
NEXT_LINE = re.compile(
    r"\n[^\n]{0,80}?\b(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\b|\n[^\n]{0,40}?\[?20\d\d[-/]\d\d|\n\["
)


@dataclass(frozen=True)
class _Log:
    """A log of one start.

    Attributes
    ----------
    text : str
        All of it.
    said : str
        The lines in which the engine repeats its arguments.
    command : dict
        Options of the command line above it, by their names without dashes.
    """

    text: str
    said: str
    command: dict[str, str]

    def numbers(self, *patterns: str) -> list[float]:
        """The numbers of the first pattern that is found."""
        for pattern in patterns:
            found = re.findall(pattern, self.text, re.A)
            if found:
                return [float(n.replace(",", "")) for n in found]
        return []

    def words(self, pattern: str) -> list[str]:
        """The texts that a pattern finds."""
        return [m.group(1).strip() for m in re.finditer(pattern, self.text)]

    def argument(self, *options: str) -> str:
        """The value of the first of some arguments; "" where none is given."""
        for name in options:
            value = _setting(self.said, name) or self.command.get(name.replace("_", "-"), "")
            if value not in ("", "None", "null", "none"):
                return value
        return ""

    def number(self, *options: str) -> float | None:
        """The same as a number."""
        return _human(self.argument(*options))

    def count(self, *options: str) -> int | None:
        """The same as a whole number."""
        value = self.number(*options)
        return None if value is None or value < 1 else int(value)


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
    plain = _plain(text)
    return not (RESULTS.match(plain) or BENCH.search(plain)) and bool(_engine(plain))


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
    plain = _plain(text)
    engine = _engine(plain)
    if not engine:
        raise BadInput("file", f"file {shown(name)} is no start-up log: it takes {KNOWN}.")
    parts = _split(plain)
    found = [READERS[engine](_log(part, plain)) for part in parts]
    best = max(reversed(found), key=lambda one: one.get("weights_bytes") or 0.0)
    doubts = tuple(best.pop("doubts", ())) + (("two-logs",) if len(found) > 1 else ())
    known = {f.name for f in fields(StartUp)}
    best |= {k: v for k, v in given.items() if k in known and v not in (None, "")}
    return StartUp(**({"engine": engine, "source": name} | best), doubts=doubts)


# What systemd's journal writes before a line: its date, the host and the unit.
JOURNAL = re.compile(
    r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,80} [\w.@/-]{1,80}(?:\[\d{1,9}\])?: ", re.M
)
# What collectors call the line that a container printed, and how pages write its quotes.
HELD = ("log", "message", "msg", "textPayload", "line")
ENTITY = re.compile(r"&(?:quot|apos|#x?[0-9a-fA-F]{2,4}|gt|lt|amp);")
OF_A_PAGE = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "}
)


def _plain(text: str) -> str:
    """A log as it was printed: without colours, what a collector put around it and a page made."""
    plain = JOURNAL.sub("", ESCAPES.sub("", text))
    if plain.lstrip().startswith('{"'):
        plain = _unwrapped(plain)
    if ENTITY.search(plain):
        plain = html.unescape(plain)
    return _joined(plain if plain.isascii() else plain.translate(OF_A_PAGE))


WIDTHS, FULL = (60, 300), 3  # columns of a terminal, and how many of its lines are at least full
BEGINS = re.compile(
    r"[^\n]{0,80}?\b(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\b|[^\n]{0,40}?20\d\d[-/]\d\d|[\[({$]|$"
)


def _joined(text: str) -> str:
    """The lines of a log that a terminal of so many columns has cut; the last may be a blank."""
    lines = text.split("\n")
    wide = max(map(len, lines))
    if not WIDTHS[0] <= wide <= WIDTHS[1]:
        return text
    goes_on = [not BEGINS.match(line) for line in (*lines[1:], "")]
    full = sum(len(one) == wide and more for one, more in zip(lines, goes_on, strict=True))
    if full < FULL:
        return text
    ends = {wide: "", wide - 1: " "}
    return "".join(
        one + (ends.get(len(one), "\n") if more else "\n")
        for one, more in zip(lines, goes_on, strict=True)
    )


def _unwrapped(text: str) -> str:
    """The lines within a collector's JSON, as Docker writes it; the same text for other JSON."""
    out = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return text
        held = (found.get(name) for name in HELD) if isinstance(found, dict) else ()
        printed = next((one for one in held if isinstance(one, str)), None)
        if printed is None:
            return text
        out.append(printed.rstrip("\n"))
    return "\n".join(out)


def _engine(text: str) -> str:
    hits = {name: len(re.findall(pattern, text, re.A)) for name, pattern in MARKS.items()}
    best = max(hits, key=lambda name: hits[name])
    return best if hits[best] else ""


def _split(text: str) -> list[str]:
    """Cut a log where another start begins, after one has said what memory it has."""
    starts = [(m.start(), True) for m in STARTS.finditer(text)]
    lines = [(m.start(), False) for m in SAID.finditer(text)]
    cuts, said = [0], False
    for at, begins in sorted(starts + lines):
        if begins and said:
            cuts.append(text.rfind("\n", 0, at) + 1)
        said = not begins
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _log(part: str, whole: str) -> _Log:
    from . import launch  # a page opens without the readers of commands

    # what was resolved goes before what was asked for
    spoken = sorted(ARGUMENTS.finditer(part), key=lambda m: "with config" not in m.group())
    said = "\n".join(_until_next_line(part, m.end()) for m in spoken)
    return _Log(part, said, launch.arguments(part) or launch.arguments(whole))


def _until_next_line(text: str, begin: int) -> str:
    """The rest of a line of a log, also where a terminal has wrapped it."""
    rest = text[begin : begin + LONGEST_LINE]
    after = NEXT_LINE.search(rest)
    return rest[: after.start()] if after else rest


def _setting(said: str, name: str) -> str:
    """The first value of an argument as Python prints it: name='x', 'name': 8, name=True."""
    value = r"""\s{0,4}[=:]\s{0,4}(?:'([^'\n]{0,400})'|"([^"\n]{0,400})"|([^\s,)}\]]{1,400}))"""
    found = re.search(rf"""(?<![\w.-])['"]?{name}['"]?{value}""", said)
    return next(filter(None, found.groups()), "") if found else ""


def _human(text: str) -> float | None:
    """A number as engines take it; None where it is none."""
    from .launch import options

    try:
        return float(options.whole("", text, -options.MOST))
    except BadInput:
        return float(text) if re.fullmatch(r"-?\d{1,15}\.\d{1,9}", text.strip()) else None


def _most(values: Iterable[float], scale: float = 1.0) -> float | None:
    """The largest that is above 0."""
    top = max((v for v in values if v > 0), default=None)
    return None if top is None else top * scale


def _first(values: Iterable[float]) -> float | None:
    return next(iter(values), None)


def _last(values: list[float], scale: float = 1.0) -> float | None:
    return values[-1] * scale if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None or value < 1 else int(value)


def _truth(text: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())


def _started(log: _Log) -> bool | None:
    if REFUSED.search(log.text):
        return False
    return True if SERVES.search(log.text) else None


def _card(log: _Log) -> str:
    """The card, where a driver, a kernel's table or llama.cpp names it; "2x A; 1x B" of several."""
    indexed = (
        r"Device (\d{1,2}): ([^,\n]{3,80}), compute capability",
        r"using device \w+?(\d{1,2}) \(([^\n]{3,80}?)\) (?:\(|- )",
        # nvidia-smi
        r"\| {1,9}(\d{1,2}) {1,9}((?:NVIDIA|Tesla|Quadro) [^|\n]{2,60}?) {1,40}(?:On|Off|N/A)\s",
    )
    for pattern in indexed:
        cards = dict(re.findall(pattern, log.text))
        kinds = Counter(name.strip() for name in cards.values())
        if len(kinds) > 1:
            return "; ".join(f"{count}x {name}" for name, count in kinds.items())
        if kinds:
            return next(iter(kinds))
    for pattern in (r"GPU name:\s+([^\n]{3,60})", r"device_name=([\w.+-]{3,60}?)(?:,|\.json)"):
        found = log.words(pattern)
        if found:
            return found[0]
    return ""


def _hub(name: str) -> str:
    """A repository's name, also where the path of the cache of a hub is given."""
    cached = re.search(r"models--([^/\s]+?)--([^/\s]+)", name)
    return f"{cached.group(1)}/{cached.group(2)}" if cached else name.rstrip("/")


# vLLM


def _vllm(log: _Log) -> dict[str, Any]:
    blocks, block = _vllm_blocks(log)
    lengths = log.numbers(
        rf"Maximum concurrency for {M} tokens per request", rf"Using max model len {M}"
    )
    tp, pp = log.count("tensor_parallel_size", "tp"), log.count("pipeline_parallel_size", "pp")
    tokens = _whole(_most(log.numbers(rf"KV cache size: {M} tokens")))
    return {
        **_vllm_memory(log),
        "version": _vllm_version(log),
        "model": _hub(log.argument("model", "model_tag")),
        "gpu": _card(log),
        "weights": log.argument("quantization", "q") or _dtype(log),
        "kv": log.argument("kv_cache_dtype"),
        "tp": tp or 0,
        "pp": pp or 0,
        "ep": (tp or 1) if _truth(log.argument("enable_expert_parallel")) else 0,
        "dp": log.count("data_parallel_size", "dp") or 0,
        "memory_fraction": _fraction(log),
        "max_model_len": log.count("max_seq_len", "max_model_len") or _whole(_last(lengths)),
        "max_num_seqs": log.count("max_num_seqs"),
        "max_num_batched_tokens": log.count("max_num_batched_tokens")
        or _whole(_last(log.numbers(rf"max_num_batched_tokens={M}"))),
        "block_tokens": log.count("block_size"),
        "eager": _truth(log.argument("enforce_eager")),
        "speculation": _vllm_draft(log),
        "starts": _started(log),
        "kv_tokens": tokens or (blocks and blocks * block),
        "max_concurrency": _last(log.numbers(rf"tokens per request: {N}x")),
        "doubts": _vllm_doubts(log),
    }


def _vllm_version(log: _Log) -> str:
    found = log.words(r"LLM engine \(v([\w.+-]{1,60})\)")
    found += log.words(r"server version v?([\w.+-]{1,60})")
    found += log.words(r"█[^\n]{0,60}?version {1,9}v?([\w.+-]{1,60})")
    return found[0].rstrip(".") if found else ""


def _vllm_blocks(log: _Log) -> tuple[int | None, int]:
    """Pages of the first engine, which prints no tokens, and their size."""
    blocks = _whole(_last(log.numbers(rf"# (?:GPU|cuda|CUDA|rocm) blocks: {M}")))
    return blocks, log.count("block_size") or 16


def _vllm_memory(log: _Log) -> dict[str, Any]:
    """What it says of memory: of several workers the least cache, and the most of the rest."""
    room = log.numbers(
        rf"Available KV cache memory: {N} GiB",
        rf"available KV cache memory \({N} GiB\)",
        rf"reserved for KV Cache is {N}GiB",
        rf"kv_cache_size={N}GiB",
    )
    actual = "GiB for (?:weight|consumed)[^\n]{0,80}?"
    outside = log.numbers(
        rf"non-torch forward increase memory: {N}GiB",
        rf"for peak activation, {N} GiB for non-torch",
        rf"non_torch_memory(?: takes |=){N}GiB",
    )
    peak = log.numbers(
        rf"torch peak memory increase: {N}GiB",
        rf"{actual}{N} GiB for peak activation",
        rf"activation peak memory takes {N}GiB",
    )
    total = log.numbers(
        rf"Free memory on device[^(\n]{{0,40}}\([\d.]+/{N} GiB\) on startup",
        rf"total_gpu_memory[ =(]+{N}GiB",
    )
    free = log.numbers(
        rf"Initial free memory:? {N} GiB", rf"Free memory on device[^(\n]{{0,40}}\({N}/"
    )
    weights = log.numbers(
        rf"Model loading took {N} Gi?B", rf"Loading model weights took {N} GB"
    ) or log.numbers(rf"model weights take {N}GiB")
    return {
        "gpu_memory_bytes": _most(total, GIB),
        "weights_bytes": _most(weights, GIB),
        "kv_bytes": min(room) * GIB if room else None,
        "graph_bytes": _most(
            log.numbers(rf"Graph capturing finished in [\d.]+ secs, took {N} GiB"), GIB
        ),
        "graph_estimate_bytes": _most(log.numbers(rf"Estimated CUDA graph memory: {N} GiB"), GIB),
        "activation_bytes": _most(peak, GIB),
        "non_torch_bytes": _most(outside, GIB),
        "free_before_bytes": _most(free, GIB),
    }


def _fraction(log: _Log) -> float | None:
    given = log.number("gpu_memory_utilization")
    printed = log.numbers(
        rf"gpu_memory_utilization \({N}\)",
        rf"kv_cache_size=[^\n]{{0,99}}gpu_memory_utilization={N}",
        rf"--gpu-memory-utilization={N} is",
        rf"Requested memory: {N} \(util\)",
        rf"Desired GPU memory utilization is \({N},",
        rf"desired GPU memory utilization \({N},",
    )
    return given or _first(printed)


def _dtype(log: _Log) -> str:
    name = log.argument("dtype").removeprefix("torch.")
    return "" if name == "auto" else name


def _vllm_draft(log: _Log) -> str:
    text = log.said + " " + log.command.get("speculative-config", "")
    at = text.find("speculative_config", 0)
    part = text[at:] if at >= 0 else log.command.get("speculative-config", "")
    if re.match(r"""speculative_config['"]?\s*[=:]\s*None""", part):
        return ""
    method = _setting(part, "method")
    if not method:
        return ""
    count = _setting(part, "num_speculative_tokens") or _setting(part, "num_spec_tokens")
    method = "mtp" if method.endswith("mtp") else method
    return f"{method} {count}".strip()


def _vllm_doubts(log: _Log) -> list[str]:
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
    if _vllm_blocks(log)[0]:
        doubts.append("engine-v0")
    return doubts


# SGLang


def _sglang(log: _Log) -> dict[str, Any]:
    split = log.count("dp_size", "data_parallel_size", "dp") or 0
    attention = _truth(log.argument("enable_dp_attention"))
    return {
        **_sglang_memory(log),
        "model": _hub(log.argument("model_path", "model")),
        "gpu": _card(log),
        "weights": log.argument("quantization") or _sglang_dtype(log),
        "kv": log.argument("kv_cache_dtype"),
        "tp": log.count("tp_size", "tensor_parallel_size", "tp") or 0,
        "pp": log.count("pp_size", "pipeline_parallel_size", "pp") or 0,
        "ep": log.count("ep_size", "expert_parallel_size", "ep") or 0,
        "dp": split if attention else 0,
        "memory_fraction": log.number("mem_fraction_static"),
        "max_model_len": log.count("context_length")
        or _whole(_last(log.numbers(rf"context_len={M}"))),
        "max_num_seqs": _whole(_last(log.numbers(rf"max_running_requests={M}, context_len")))
        or log.count("max_running_requests"),
        "max_num_batched_tokens": log.count("chunked_prefill_size"),
        "block_tokens": log.count("page_size"),
        "eager": _truth(log.argument("disable_cuda_graph")),
        "speculation": _sglang_draft(log),
        "starts": _started(log),
        "kv_tokens": _whole(_last(log.numbers(rf"max_total_num_tokens={M}"))),
        "doubts": ["cache-pinned"] if log.argument("max_total_tokens") else [],
    }


def _sglang_dtype(log: _Log) -> str:
    printed = log.words(r"Load weight end\.[^\n]{0,200}?dtype=torch\.(\w+)")
    return printed[0] if printed else _dtype(log)


def _sglang_draft(log: _Log) -> str:
    method = log.argument("speculative_algorithm")
    count = log.argument("speculative_num_steps")
    return f"{method} {count}".strip() if method else ""


SGLANG = {
    "weights_bytes": rf"Load weight end\..*?mem usage={N} GB",
    "free_before_bytes": rf"Load weight begin\. avail mem={N} GB",
    "graph_bytes": rf"Capture (?:piecewise )?cuda graph end\..*?mem usage={N} GB",
    "kv_bytes": rf"\b(?:K|V|KV) size: {N} GB",
    "state_bytes": rf"(?:conv|ssm)_state size: {N}GB",
}


def _sglang_memory(log: _Log) -> dict[str, Any]:
    """What each rank says, up to where it loads a draft model; pools of a rank add up."""
    ranks: dict[str, dict[str, float]] = {}
    loads: Counter[str] = Counter()
    for line in filter(lambda line: "GB" in line and len(line) < 5_000, log.text.split("\n")):
        rank = "".join(re.findall(r"(?:DP|TP|PP|EP)\d+", line.partition("]")[0]))
        loads[rank] += "Load weight begin" in line
        sizes = ranks.setdefault(rank, dict.fromkeys(SGLANG, 0.0))
        for name, pattern in SGLANG.items() if loads[rank] < 2 else ():
            sizes[name] += sum(map(float, re.findall(pattern, line, re.I | re.A)))
    out: dict[str, Any] = {
        name: _most((sizes[name] for sizes in ranks.values()), GIB) for name in SGLANG
    }
    pools = [sizes["kv_bytes"] for sizes in ranks.values() if sizes["kv_bytes"] > 0]
    out["kv_bytes"] = min(pools) * GIB if pools else None
    out["free_after_bytes"] = _last(log.numbers(rf"available_gpu_mem={N} GB"), GIB)
    return out


# TensorRT-LLM

PROFILED = rf"in memory usage profiling: {N} GiB"


def _trtllm(log: _Log) -> dict[str, Any]:
    inside = log.numbers(rf"weights \(inside torch\) {PROFILED}")
    engine = log.numbers(rf"Loaded engine size: {N} MiB")
    share = log.number("free_gpu_memory_fraction", "kv_cache_free_gpu_memory_fraction")
    pool = log.numbers(
        rf"Allocated {N} GiB for max tokens in paged KV cache",
        rf"Estimated max memory in KV cache : {N} GiB",
    )
    return {
        "version": next(iter(log.words(r"TensorRT[- ]LLM version: ([\w.+-]{1,60})")), ""),
        "model": _hub(log.argument("model", "model_path")),
        "gpu": _card(log),
        "weights": log.argument("quant_algo") or _dtype(log),
        "kv": log.argument("kv_cache_quant_algo", "kv_cache_dtype"),
        "tp": log.count("tensor_parallel_size", "tp_size") or 0,
        "pp": log.count("pipeline_parallel_size", "pp_size") or 0,
        "ep": log.count("moe_expert_parallel_size", "ep_size") or 0,
        "memory_fraction": share
        or log.number("kv_cache_free_gpu_mem_fraction")
        or _first(log.numbers(rf"fraction is set {N}")),
        "max_model_len": _trt_limit(log, "max_seq_len", "maxSequenceLen"),
        "max_num_seqs": _trt_limit(log, "max_batch_size", "maxBatchSize"),
        "max_num_batched_tokens": _trt_limit(log, "max_num_tokens", "maxNumTokens"),
        "block_tokens": _whole(_last(log.numbers(rf"[Tt]okens per block: {M}"))),
        "starts": _started(log),
        "gpu_memory_bytes": _most(
            log.numbers(rf"paged kv cache: total: {N} GiB", rf"device total memory {N} GiB"), GIB
        ),
        "weights_bytes": _most(inside, GIB) or _most(engine, MIB),
        "kv_bytes": _last(pool, GIB),  # a run that profiles allocates a small one before
        "kv_tokens": _whole(_last(log.numbers(rf"max tokens in paged KV cache \({M}\)"))),
        "activation_bytes": _most(log.numbers(rf"inference \(inside torch\) {PROFILED}"), GIB),
        "non_torch_bytes": _most(log.numbers(rf"CUDA graphs\) {PROFILED}"), GIB),
        "compute_buffer_bytes": _most(
            log.numbers(rf"Allocated {N} MiB for execution context"), MIB
        ),
        "free_before_bytes": _most(
            log.numbers(rf"paged kv cache: [^\n]{{0,60}}?available: {N} GiB"), GIB
        ),
        "doubts": [],
    }


def _trt_limit(log: _Log, name: str, older: str) -> int | None:
    printed = log.numbers(rf"(?<!\w){name}={M}", rf"TRTGptModel {older}: {M}")
    return _whole(_last(printed)) or log.count(name)


# llama.cpp


def _llamacpp(log: _Log) -> dict[str, Any]:
    name = "ik_llama.cpp" if re.search(r"ik_llama|fused_moe|mla_attn", log.text) else "llama.cpp"
    return {
        **_llama_memory(log),
        **_llama_limits(log),
        "engine": name,
        "version": _llama_build(log),
        "model": _llama_model(log),
        "gpu": _card(log),
        "weights": _llama_file_type(log),
        "kv": _llama_kv(log),
        "layers_on_cards": next(iter(log.words(r"offloaded (\d{1,4}/\d{1,4}) layers")), ""),
        "starts": _started(log),
    }


def _llama_memory(log: _Log) -> dict[str, Any]:
    """Buffers of the fullest card; rows split over the cards are shared out evenly."""
    buffers = _buffers(log)
    split = sum(size for (device, _), size in buffers.items() if device.endswith("_Split"))
    cards = {d for d, _ in buffers if not _is_host(d) and not d.endswith("_Split")}
    used = [d for d in cards if buffers.get((d, "model"))]
    rows = len(set(re.findall(r"Device (\d{1,2}): ", log.text))) or 1 if split else 0
    totals = {d: sum(size for (of, _), size in buffers.items() if of == d) for d in cards}
    full = max(sorted(cards), key=lambda d: totals[d], default="")

    def here(what: str) -> float:
        return buffers.get((full, what), 0.0) * MIB

    host = sum(size for (d, what), size in buffers.items() if _is_host(d) and what == "model")
    return {
        "num_gpus": max(len(used), rows, 1),
        "tp": rows,
        "pp": len(used) if len(used) > 1 and not rows else 0,
        "weights_bytes": here("model") + (split * MIB / rows if rows else 0) or None,
        "host_weights_bytes": host * MIB or None,
        "kv_bytes": here("KV") or None,
        "state_bytes": here("RS") or None,
        "compute_buffer_bytes": here("compute") or None,
    }


def _is_host(device: str) -> bool:
    return device.startswith(("CPU", "BLAS", "AMX")) or device.endswith("_Host")


def _buffers(log: _Log) -> dict[tuple[str, str], float]:
    """MiB by device and by what they hold: model, KV, RS, compute."""
    line = rf"\s(\S{{1,30}})(?: {{1,9}}(model|KV|RS|compute))? buffer size = {{0,9}}{N} MiB"
    out: dict[tuple[str, str], float] = {}
    for device, what, size in re.findall(line, log.text, re.A):
        plain = re.sub(r"_(?:Mapped|Private|REPACK|AARCH64)$", "", device)
        if plain not in ("output", "LoRA") and float(size) > 0:
            where = (plain, what or "model")
            out[where] = out.get(where, 0.0) + float(size)
    return out


def _llama_limits(log: _Log) -> dict[str, Any]:
    def last(name: str) -> int | None:
        return _whole(_last(log.numbers(rf"{name}\s+= +{M}")))

    length, each = last("n_ctx"), last("n_ctx_seq") or last("n_ctx_per_seq")
    slots = last("n_seq_max") or _whole(_last(log.numbers(rf"n_slots = {M}"))) or 1
    if re.search(r"kv_unified\s+= +true", log.text):
        slots, each = 1, length  # the slots share one cache
    whole = length and each and length // each
    return {
        "max_model_len": each or (length and length // slots),
        "max_num_seqs": whole or slots,
        "max_num_batched_tokens": last("n_ubatch"),
        "kv_tokens": length,
    }


def _llama_build(log: _Log) -> str:
    found = re.search(r"build(?:: | = |=)(\d{1,6})[^\n]{0,12}?([0-9a-f]{7,12})\b", log.text)
    return f"b{found.group(1)}-{found.group(2)}" if found else ""


def _llama_model(log: _Log) -> str:
    """The first of its names that the catalogue knows; its type and size, or the first one."""
    found = log.words(r"general\.name\s+(?:str )?= +([^\n]{1,120})")
    found += log.words(r"\(version GGUF[^\n]{0,60}?from ([^\n]{1,300}?\.gguf)")
    found += log.words(r"from ([^\s']{1,300}\.gguf)")
    found += [log.command[k] for k in ("model", "hf-repo") if k in log.command]
    known = next((name for name in found if names.model_name(name)), "")
    return known or _llama_sized(log) or next(iter(found), "")


def _llama_sized(log: _Log) -> str:
    arch = log.words(r"(?:print_info|print_meta): arch\s+= (\S+)")
    size = re.search(rf"model params\s+= {N} ([BMT])", log.text)
    if not arch or not size:
        return ""
    scale = {"M": 1e6, "B": 1e9, "T": 1e12}[size.group(2)]
    return stated.model_of_size(arch[0], float(size.group(1)) * scale)


def _llama_file_type(log: _Log) -> str:
    found = log.words(r"(?:file type|model ftype)\s+= ([^\n]{1,60})")
    return re.sub(r"\(guessed\) | - [\d.]+ bpw.*|all ", "", found[0]) if found else ""


def _llama_kv(log: _Log) -> str:
    latent = log.words(r"c\^KV \((\w{1,12})\)")
    keys, values = log.words(r"\bK \((\w{1,12})\): "), log.words(r"\bV \((\w{1,12})\): ")
    if latent:
        return latent[0]
    if not keys or not values:
        return log.command.get("cache-type-k", "")
    return keys[0] if keys[0] == values[0] else f"{keys[0]}/{values[0]}"


READERS = {
    "vLLM": _vllm,
    "SGLang": _sglang,
    "TensorRT-LLM": _trtllm,
    "llama.cpp": _llamacpp,
}
