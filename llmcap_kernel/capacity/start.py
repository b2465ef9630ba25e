"""Whether an engine starts, which setting would make it start, and the lines it will print."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .. import catalog
from ..explain import GIB, counted, quantity
from ..spec import Deployment, Format, Gpu
from . import overhead
from .ledger import START_WORDS, Ledger, ledger

# Each engine's argument for a setting. A setting without one cannot be changed in that engine.
FLAGS = {
    "vllm": {
        "memory_fraction": "--gpu-memory-utilization",
        "max_num_seqs": "--max-num-seqs",
        "max_num_batched_tokens": "--max-num-batched-tokens",
        "max_model_len": "--max-model-len",
        "eager": "--enforce-eager",
        "kv": "--kv-cache-dtype",
        "weights": "--quantization",
        "tp": "--tensor-parallel-size",
        "pp": "--pipeline-parallel-size",
    },
    "sglang": {
        "memory_fraction": "--mem-fraction-static",
        "max_model_len": "--context-length",
        "kv": "--kv-cache-dtype",
        "weights": "--quantization",
        "tp": "--tp-size",
        "pp": "--pp-size",
    },
    "trtllm": {
        "memory_fraction": "--kv_cache_free_gpu_memory_fraction",
        "max_num_seqs": "--max_batch_size",
        "max_num_batched_tokens": "--max_num_tokens",
        "max_model_len": "--max_seq_len",
        "tp": "--tp_size",
        "pp": "--pp_size",
    },
    "llama.cpp": {
        "max_num_seqs": "--parallel",
        "max_model_len": "--ctx-size",
        "kv": "--cache-type-k",
    },
}
COSTS = {
    "memory_fraction": "costs nothing while nothing else runs on the card",
    "max_num_seqs": "fewer users at once",
    "max_num_batched_tokens": "long prompts take more steps",
    "eager": "slower steps for few users",
    "kv": "check the answers' quality",
    "weights": "check the answers' quality",
    "max_model_len": "longer requests are refused",
}
SHARED = "the system and its programs have only the rest of that memory"  # on unified memory
IN_FULL = ("bf16", "fp16")
HIGHEST_PERCENT = 97  # the rest is for the driver, NCCL and what the profile does not measure
FEWEST_SEQS = 8
LEAST_BATCH_TOKENS = 512
EIGHT_BITS_BYTES = 0.8  # bytes a parameter: four bits halve any format above this
NO_SLOWER = 0.9  # share of each rate that a larger card must reach to be suggested
FOUR_BITS = {"llama.cpp": "gguf-q4-k-m"}  # four-bit format per engine; AWQ for the others


@dataclass(frozen=True)
class Remedy:
    """A setting that makes an engine start.

    Attributes
    ----------
    setting : str
        Field of a deployment, or "max_model_len".
    value : float, int, bool or str
        What to set it to.
    flag : str
        The engine's own argument; for weights to download, their format; for other cards, their
        number and name.
    cost : str
        What it costs, in words.
    books : Ledger
        The ledger with it, for as many users as are wanted.
    """

    setting: str
    value: float | int | bool | str
    flag: str
    cost: str
    books: Ledger

    @property
    def text(self) -> str:
        """The remedy as a sentence: argument, verdict, users that fit, and cost."""
        fitting, users = self.books.max_concurrent, self.books.concurrency
        holds = f"{fitting:,} of {counted(users, 'user')}"
        if fitting >= users:
            holds = f"up to {counted(fitting, 'user')}" if users == 1 else f"all {users:,} users"
        return f"{self.flag}: {START_WORDS[self.books.start]} and holds {holds}; {self.cost}."


@lru_cache(maxsize=256)
def remedies(
    deployment: Deployment,
    context_tokens: int,
    *,
    concurrency: int = 1,
    shared_prefix_tokens: int = 0,
    hit_share: float = 1.0,
) -> tuple[Remedy, ...]:
    """Find the settings that would make an engine start, those on the same cards first.

    Parameters
    ----------
    deployment : Deployment
        One that does not start.
    context_tokens : int
        Tokens that a sequence may reach [tokens].
    concurrency : int
        Sequences wanted at once.
    shared_prefix_tokens : int
        Leading tokens all sequences share [tokens].
    hit_share : float
        Share of the sequences that find them in the cache.

    Returns
    -------
    tuple of Remedy
        Each alone makes it start, with the least change that does. None where it starts
        as it is, or where no setting is enough.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> tight = catalog.deployment(model="llama-3.1-8b", gpu="rtx-4090", memory_fraction=0.7)
    >>> [one.flag for one in remedies(tight, 8000)][:1]
    ['--gpu-memory-utilization 0.75']
    """

    def books_of(changed: Deployment, length: int) -> Ledger:
        return ledger(
            changed,
            context_tokens=length,
            concurrency=concurrency,
            shared_prefix_tokens=min(shared_prefix_tokens, length - 1),
            hit_share=hit_share,
        )

    if books_of(deployment, context_tokens).starts:
        return ()
    working = []
    for setting, options in _tries(deployment, context_tokens):
        for value, changed, length in options:
            flag = _flag(deployment, setting, value)
            if not flag:
                break
            books = books_of(changed, length)
            if books.starts:
                cost = _cost(deployment, setting, value, concurrency)
                working.append(Remedy(setting, value, flag, cost, books))
                break
    return tuple(working)


def _flag(d: Deployment, setting: str, value: float | int | bool | str) -> str:
    """Write a setting as the engine's argument, or a format to download; "" where none exists."""
    if setting == "weights" and value == four_bits(d).name:
        return f"{four_bits(d).short_title} weights"
    if setting == "gpu":
        return f"{d.num_gpus}x {catalog.gpu(str(value)).title}"
    flag = FLAGS.get(d.engine.family, {}).get(setting, "")
    return f"{flag} {value}" if flag and value is not True else flag


def _cost(d: Deployment, setting: str, value: Any, concurrency: int) -> str:
    """Say what a setting costs."""
    if setting in ("tp", "pp"):
        factor = value // getattr(d, setting)
        nodes = f"{factor} nodes, " if setting == "pp" else ""
        return f"{nodes}{'twice' if factor == 2 else f'{factor} times'} the rent"
    if setting == "gpu":
        rents = (catalog.gpu(value).usd_h * d.num_gpus, d.usd_h_all)
        price, current = (quantity(rent, "USD/h") for rent in rents)
        return f"{price} in place of {current}" if all(rents) else "another machine"
    if setting == "max_num_seqs" and value >= concurrency > 1:
        return f"costs nothing for {concurrency:,} users"
    if setting == "memory_fraction" and d.gpu.unified_memory:
        return SHARED
    return COSTS[setting]


def four_bits(deployment: Deployment) -> Format:
    """Find the four-bit format in which models are published for an engine.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    Format
        AWQ's, or llama.cpp's own.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> four_bits(catalog.deployment(model="llama-3.1-8b", gpu="rtx-4090")).short_title
    'INT4 AWQ'
    """
    return catalog.format(FOUR_BITS.get(deployment.engine.family, "int4-awq"))


Tries = Iterator[tuple[float | int | bool | str, Deployment, int]]


def _tries(d: Deployment, context_tokens: int) -> Iterator[tuple[str, Tries]]:
    """List each setting with values to try, the smallest change first."""

    def changed(setting: str, values: Iterable[Any]) -> Tries:
        return ((v, replace(d, **{setting: v}), context_tokens) for v in values)

    max_percent = HIGHEST_PERCENT
    if d.gpu.unified_memory:  # the system caps the graphics chip's share
        max_percent = min(max_percent, int(100 * d.gpu.memory_usable_share))
    shares = [n / 100 for n in range(round(d.fraction * 100) + 1, max_percent + 1)]
    yield "memory_fraction", changed("memory_fraction", shares)
    yield "max_num_seqs", changed("max_num_seqs", _halves(d.seqs_limit, FEWEST_SEQS))
    min_tokens = max(LEAST_BATCH_TOKENS, d.max_num_seqs or 0)
    yield (
        "max_num_batched_tokens",
        changed("max_num_batched_tokens", _halves(d.batch_limit_tokens, min_tokens)),
    )
    if d.engine.graphs_in_fraction and overhead.graph_bytes(d):
        yield "eager", iter([(True, replace(d, eager=True), context_tokens)])
    if d.kv.bytes_per_element > 1.1:
        yield "kv", iter([("fp8", _with_fp8_cache(d), context_tokens)])
    if d.weights.name in IN_FULL:  # engines quantise these to FP8 while loading
        in_fp8 = replace(d, weights=catalog.format("fp8"))
        yield "weights", iter([("fp8", in_fp8, context_tokens)])
    if d.weights.bytes_per_element > EIGHT_BITS_BYTES:
        in_four_bits = replace(d, weights=four_bits(d))
        yield "weights", iter([(in_four_bits.weights.name, in_four_bits, context_tokens)])
    longest = max(d.max_model_len or 0, context_tokens)
    unlimited = replace(d, max_model_len=None)
    yield "max_model_len", ((n, unlimited, n) for n in _lengths(longest))
    if d.gpu.link_bandwidth_bytes_s:
        degrees = [d.tp * times for times in (2, 4, 8) if d.tp * times * d.pp <= d.gpu.max_per_node]
        yield "tp", changed("tp", [tp for tp in degrees if d.model.heads % tp == 0])
    if d.tp == d.gpu.max_per_node and d.gpu.place == "server":
        yield "pp", changed("pp", [d.pp * times for times in (2, 4)])
    yield "gpu", ((gpu.name, replace(d, gpu=gpu), context_tokens) for gpu in _larger(d))


def _larger(d: Deployment) -> list[Gpu]:
    """List cards of the same vendor and place with more memory, and rates within `NO_SLOWER`.

    The lowest rent comes first. Cards without one come last, by their memory.
    """

    def rates(gpu: Gpu) -> tuple[float, ...]:
        compute = gpu.computes(d.weights)
        link = gpu.link_bandwidth_bytes_s if d.num_gpus > 1 else 0.0
        return gpu.bandwidth_bytes_s, link, compute[1] if compute else 0.0

    def is_larger(gpu: Gpu) -> bool:
        return (
            (gpu.vendor, gpu.place) == (d.gpu.vendor, d.gpu.place)
            and gpu.memory_visible_bytes > d.gpu.memory_visible_bytes
            and gpu.max_per_node >= min(d.num_gpus, d.gpu.max_per_node)
            and all(a >= NO_SLOWER * b for a, b in zip(rates(gpu), rates(d.gpu), strict=True))
        )

    larger = filter(is_larger, map(catalog.gpu, catalog.gpus()))
    return sorted(larger, key=lambda gpu: (gpu.usd_h or math.inf, gpu.memory_visible_bytes))


def _with_fp8_cache(d: Deployment) -> Deployment:
    return replace(d, kv=catalog.format("q8_0" if d.engine.family == "llama.cpp" else "fp8"))


def _halves(start: int, minimum: int) -> Iterator[int]:
    while start // 2 >= minimum:
        start //= 2
        yield start


def _lengths(context_tokens: int) -> Iterator[int]:
    """Yield shorter lengths in steps of a fourteenth, in whole pages."""
    length = float(context_tokens)
    while (length := length * 0.93) >= 512:
        yield int(length) // 16 * 16


@dataclass(frozen=True)
class Printed:
    """A line of an engine's log, and how far off it may be.

    Attributes
    ----------
    text : str
        The part of the line that holds the number, as the engine writes it.
    within : str
        How far off 80% of such lines are, in the line's own unit.
    """

    text: str
    within: str


def printed(books: Ledger) -> tuple[Printed, ...]:
    """Write the lines about memory that an engine will print when it starts.

    Parameters
    ----------
    books : Ledger
        The ledger of the deployment, at the length it is started with.

    Returns
    -------
    tuple of Printed
        In the engine's own words, so that anybody can look for them.

    References
    ----------
    vLLM, v1/core/kv_cache_utils.py and v1/worker/gpu_worker.py; SGLang,
    srt/mem_cache/memory_pool.py; llama.cpp, src/llama-kv-cache.cpp.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm-0.19",
    ...     memory_fraction=0.95)
    >>> printed(ledger(d, context_tokens=8192))[0].text
    'Model loading took 14.99 GiB'
    """
    lines: Callable[[Ledger], Iterator[tuple[str, str]]]
    lines = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}.get(
        books.deployment.engine.family, _llamacpp
    )
    if books.weights_exceed_card:  # it fails while loading, and prints nothing after
        return (Printed(_not_loaded(books), ""),)
    return tuple(Printed(text, within) for text, within in lines(books))


def _not_loaded(books: Ledger) -> str:
    """Write the error of an engine that has no room for its weights."""
    if books.deployment.engine.family == "llama.cpp":
        return "error loading model: unable to allocate"
    return _no_memory(books)


def _no_memory(books: Ledger) -> str:
    """Write the error of PyTorch when a card is out of memory."""
    program = {"amd": "HIP", "intel": "XPU"}.get(books.deployment.gpu.vendor, "CUDA")
    return f"torch.OutOfMemoryError: {program} out of memory."


def _vllm(books: Ledger) -> Iterator[tuple[str, str]]:
    d = books.deployment
    length = d.max_model_len or books.context_tokens
    sequence = books.longest_bytes or books.admitted_bytes
    room, within = books.kv_pool_bytes, _within(books)
    yield f"Model loading took {books.weights_bytes / GIB:.2f} GiB", "1%"
    if books.weights_bytes + books.activation_bytes + books.runtime_bytes > books.visible_bytes:
        yield _no_memory(books), ""  # while it measures a batch of the largest size
        return
    yield f"Available KV cache memory: {room / GIB:.2f} GiB", within
    if room <= 0:
        yield "No available memory for the cache blocks", ""
        return
    if not books.starts:
        yield (
            f"To serve at least one request with the models's max seq len ({length}), "
            f"({sequence / GIB:.2f} GiB KV cache is needed",
            "1%",
        )
        return
    tokens, concurrency = _tokens(books), room / sequence
    doubt_share = _share_off(books)
    yield f"GPU KV cache size: {tokens:,} tokens", f"{tokens * doubt_share:,.0f} tokens"
    text = f"Maximum concurrency for {length:,} tokens per request: {concurrency:.2f}x"
    yield text, f"{concurrency * doubt_share:.2f}x"
    if books.graph_bytes:
        yield f"Graph capturing finished, took {books.graph_bytes / GIB:.2f} GiB", "a third"


def _sglang(books: Ledger) -> Iterator[tuple[str, str]]:
    yield f"Load weight end, mem usage={books.weights_bytes / GIB:.2f} GB", "1%"
    if books.kv_pool_bytes <= 0:
        yield "Not enough memory. Please try to increase --mem-fraction-static.", ""
        return
    tokens, within = _tokens(books), f"{_tokens(books) * _share_off(books):,.0f} tokens"
    yield f"KV Cache is allocated. #tokens: {tokens}", within
    yield f"max_total_num_tokens={tokens}", within


def _trtllm(books: Ledger) -> Iterator[tuple[str, str]]:
    room = max(books.kv_pool_bytes, 0) / GIB
    text = f"Allocated {room:.2f} GiB for max tokens in paged KV cache ({books.kv_pool_tokens})."
    yield text, _within(books)


def _llamacpp(books: Ledger) -> Iterator[tuple[str, str]]:
    yield f"model buffer size = {books.weights_bytes / 2**20:.2f} MiB", "3%"
    # llama.cpp allocates every slot's cache at start, and shares no prefix
    slot_bytes = books.kv_bytes_per_sequence + books.shared_bytes
    cache_bytes = books.longest_bytes or books.deployment.seqs_limit * slot_bytes
    yield f"llama_kv_cache: size = {cache_bytes / 2**20:.2f} MiB", "1%"


def _tokens(books: Ledger) -> int:
    """Count the cache tokens that one replica prints."""
    return books.kv_pool_tokens // books.deployment.attention_replicas


def _within(books: Ledger) -> str:
    return f"{books.doubt_bytes / GIB:.1f} GiB"


def _share_off(books: Ledger) -> float:
    """Give the doubt as a share of the room, by which token and user counts may be off."""
    return min(books.doubt_bytes / books.kv_pool_bytes, 1.0) if books.kv_pool_bytes > 0 else 0.0
