"""The KV cache: what it stores per token, and what a step reads of it."""

from collections.abc import Callable

from ..numeric import Number, maximum, minimum
from ..spec import Attention, Format, Model
from .formulas import gqa_elements_per_token, mla_elements_per_token
from .weights import TORCH

# Attention kinds whose cached tokens decode context parallelism spreads over cards; windows and
# states are not split. vLLM 0.33, v1/kv_cache_interface.py: `dcp_sharded`.
SPREAD = ("full", "mla", "sparse")


def kv_elements(attention: Attention) -> int:
    """Count the elements one layer of this kind caches per token.

    Parameters
    ----------
    attention : Attention
        Attention kind.

    Returns
    -------
    int
        Elements stored in the KV format, over all KV heads [elements].

    Examples
    --------
    >>> from llmcap_kernel.spec import Attention
    >>> kv_elements(Attention("mla", layers=61, heads=128, latent_dim=512, rope_dim=64))
    576
    """
    if attention.kind == "linear":
        return 0
    if attention.latent_dim:
        return mla_elements_per_token(latent_dim=attention.latent_dim, rope_dim=attention.rope_dim)
    return gqa_elements_per_token(
        kv_heads=attention.kv_heads,
        head_dim=attention.head_dim,
        v_head_dim=attention.v_head_dim or None,
    )


def kv_record_bytes(attention: Attention, kv: Format, *, engine: str = "vllm") -> float:
    """Compute the bytes of one entry of a layer's cache, without the indexer's.

    vLLM and SGLang pack latents of sparse attention: elements in FP8 with a 32-bit scale for
    each 128, the rotary key in 16 bits. So are DeepSeek V4's vectors, which serve as keys and
    values, with an eight-bit scale for each 64, whatever cache is asked for.

    Parameters
    ----------
    attention : Attention
        Attention kind.
    kv : Format
        Storage format of keys and values.
    engine : str
        The engine's family.

    Returns
    -------
    float
        Over all KV heads; an indexer stores `index_dim * index_bytes` beside it [bytes].

    References
    ----------
    vLLM 0.33, mla_attention.py and deepseek_v4/attention.py (state_content_bytes); SGLang 0.5.23,
    deepseek_v4_memory_pool.py.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> fp8 = catalog.format("fp8")
    >>> [kv_record_bytes(catalog.model(m).attention[0], fp8) for m in ("deepseek-v3", "glm-5.2")]
    [576.0, 656.0]
    """
    a = attention
    if engine in TORCH and a.latent_dim:
        packed = a.latent_dim + 2 * a.rope_dim
        if a.head_dim and not a.v_head_dim:
            return packed + -(-a.latent_dim // 64 // 8) * 8.0
        if a.kind == "sparse" and kv.bytes_per_element == 1:
            return packed + 4.0 * a.latent_dim / 128
    return kv_elements(a) * kv.bytes_per_element


def state_bytes(attention: Attention, *, engine: str = "vllm") -> float:
    """Compute the bytes of one layer's recurrent state for a sequence.

    Parameters
    ----------
    attention : Attention
        A "linear" attention kind.
    engine : str
        The engine's family.

    Returns
    -------
    float
        llama.cpp keeps it in 32 bits, SGLang all but what the short convolution looks back on;
        vLLM as the config says, else in the model's own 16 [bytes].

    References
    ----------
    llama.cpp, llama-memory-recurrent.cpp; SGLang 0.5.9, configs/mamba_utils.py; vLLM 0.19,
    mamba_utils.py.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> linear = [a for a in catalog.model("qwen3-next-80b-a3b").attention if a.kind == "linear"]
    >>> [state_bytes(linear[0], engine=e) for e in ("vllm", "sglang", "llama.cpp")]
    [1097728, 2146304, 2195456]
    """
    a = attention
    if engine == "llama.cpp" and a.state_elements + a.conv_elements:
        return 4 * (a.state_elements + a.conv_elements)
    if engine == "sglang" and a.state_elements:
        return 4 * a.state_elements + 2 * a.conv_elements
    return a.state_bytes


def tokens_stored(attention: Attention, context_tokens: Number) -> Number:
    """Count the cache entries a layer stores for a sequence.

    Parameters
    ----------
    attention : Attention
        Attention kind.
    context_tokens : float or array
        Length of the sequence so far [tokens].

    Returns
    -------
    float or array
        Entries stored; one may cover several tokens.

    Examples
    --------
    >>> from llmcap_kernel.spec import Attention
    >>> a = Attention("window", layers=18, heads=64, kv_heads=8, head_dim=64, window_tokens=128)
    >>> tokens_stored(a, 8000)
    128
    """
    if attention.kind == "linear":
        return 0 * context_tokens
    stored = context_tokens
    if attention.kind == "window":
        stored = minimum(context_tokens, attention.window_tokens)
    return stored / attention.stride_tokens if attention.stride_tokens > 1 else stored


def tokens_read(attention: Attention, context_tokens: Number) -> Number:
    """Count the cache entries of a sequence that a decode step reads.

    Parameters
    ----------
    attention : Attention
        Attention kind.
    context_tokens : float or array
        Length of the sequence so far [tokens].

    Returns
    -------
    float or array
        Entries read; a sparse layer reads at most `topk_tokens`.

    Examples
    --------
    >>> from llmcap_kernel.spec import Attention
    >>> a = Attention("sparse", layers=61, heads=128, latent_dim=512, topk_tokens=2048)
    >>> tokens_read(a, 100_000), tokens_read(a, 1000)
    (2048, 1000)
    """
    stored = tokens_stored(attention, context_tokens)
    return minimum(stored, attention.topk_tokens) if attention.kind == "sparse" else stored


def _kv_shards(attention: Attention, tp: int, dp_attention: bool, dcp: int) -> int:
    """Count the cards that share a sequence's cache of a layer, by KV head and by token."""
    by_token = dcp if attention.kind in SPREAD else 1
    if dp_attention or attention.latent_dim:
        return by_token  # one latent serves all heads, so every card needs all of it
    return (min(tp, attention.kv_heads) if attention.kv_heads else tp) * by_token


def kv_bytes_per_sequence(
    model: Model,
    kv: Format,
    context_tokens: Number,
    *,
    tp: int = 1,
    pp: int = 1,
    dp_attention: bool = False,
    dcp: int = 1,
    engine: str = "vllm",
) -> Number:
    """Add up the cache of one sequence on one card.

    Tensor parallelism splits the cache by KV head and replicates it when there are
    more cards than heads; a latent cache has no heads to split and is replicated on
    every card. Under data-parallel attention a card holds the whole cache of its own
    sequences and nothing of the others.

    Parameters
    ----------
    model : Model
        The model.
    kv : Format
        Storage format of keys and values.
    context_tokens : float or array
        Length of the sequence [tokens].
    tp, pp : int
        Tensor-parallel and pipeline-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel: cards split the sequences, not the heads.
    dcp : int
        Cards over which the tokens of a sequence are spread, of those that hold the same heads.
    engine : str
        The engine's family.

    Returns
    -------
    float or array
        Cache and recurrent states on the card that holds the most [bytes].

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 2; Pope et al. 2022, arXiv
    2211.05102, section 3.3, for the split.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> llama, fp8 = catalog.model("llama-3.1-70b"), catalog.format("fp8")
    >>> kv_bytes_per_sequence(llama, fp8, 1)
    163840.0
    """
    cards = (tp, pp, dp_attention, dcp)
    return _cache_bytes(model, kv, context_tokens, cards, engine, entries=tokens_stored)


def kv_read_bytes_per_sequence(
    model: Model,
    kv: Format,
    context_tokens: Number,
    *,
    tp: int = 1,
    dp_attention: bool = False,
    dcp: int = 1,
    engine: str = "vllm",
) -> Number:
    """Add up the cache bytes of one sequence that a decode step reads on one card.

    Parameters
    ----------
    model : Model
        The model.
    kv : Format
        Storage format of keys and values.
    context_tokens : float or array
        Length of the sequence so far [tokens].
    tp : int
        Tensor-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel: cards split the sequences, not the heads.
    dcp : int
        Cards over which the tokens of a sequence are spread, of those that hold the same heads.
    engine : str
        The engine's family.

    Returns
    -------
    float or array
        Bytes over all layers; a recurrent state counts twice, read and written [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> llama, fp8 = catalog.model("llama-3.1-70b"), catalog.format("fp8")
    >>> kv_read_bytes_per_sequence(llama, fp8, 8000) / 1e9
    1.31072
    """
    cards = (tp, 1, dp_attention, dcp)
    return _cache_bytes(
        model, kv, context_tokens, cards, engine, entries=tokens_read, state_passes=2
    )


def kv_layer_bytes(
    attention: Attention,
    kv: Format,
    *,
    tp: int = 1,
    dp_attention: bool = False,
    dcp: int = 1,
    engine: str = "vllm",
) -> float:
    """Compute what one layer stores per token on a card, or the size of its state.

    Parameters
    ----------
    attention : Attention
        Kind of attention.
    kv : Format
        Storage format of keys and values.
    tp : int
        Tensor-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel: cards split the sequences, not the heads.
    dcp : int
        Cards over which the tokens of a sequence are spread, of those that hold the same heads.
    engine : str
        The engine's family.

    Returns
    -------
    float
        Keys, values and the indexer's entry of a token; of a "linear" layer its state [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> (one,) = catalog.model("llama-3.1-70b").attention
    >>> kv_layer_bytes(one, catalog.format("fp8"), tp=2)
    1024.0
    """
    shards = _kv_shards(attention, tp, dp_attention, dcp)
    if attention.kind == "linear":
        return state_bytes(attention, engine=engine) / shards
    entry = kv_record_bytes(attention, kv, engine=engine) / shards
    return entry + _indexer_bytes(attention, dcp)


def _indexer_bytes(attention: Attention, dcp: int) -> float:
    """Compute what an indexer stores of a token: heads do not split it, `dcp` spreads tokens."""
    return attention.index_dim * attention.index_bytes / dcp


def _cache_bytes(
    model: Model,
    kv: Format,
    context_tokens: Number,
    cards: tuple[int, int, bool, int],
    engine: str,
    *,
    entries: Callable[[Attention, Number], Number],
    state_passes: int = 1,
) -> Number:
    """Add up a sequence's cache on a card: the `entries` of a layer, and how often its states.

    `cards` share it by tp, pp, dp_attention and dcp, as `kv_bytes_per_sequence` takes them.
    """
    tp, pp, dp_attention, dcp = cards
    total: Number = 0.0
    for a in model.attention:
        shards = _kv_shards(a, tp, dp_attention, dcp)
        layers = -(-a.layers // pp)
        if a.kind == "linear":
            total = total + layers * state_bytes(a, engine=engine) * state_passes / shards
            continue
        per_entry = kv_record_bytes(a, kv, engine=engine) / shards
        total = total + layers * per_entry * entries(a, context_tokens)
        if a.index_dim:  # an indexer scores every stored token
            stored = tokens_stored(a, context_tokens)
            total = total + layers * _indexer_bytes(a, dcp) * stored
    return total


def kv_shared_bytes(
    model: Model,
    kv: Format,
    prefix_tokens: Number,
    context_tokens: Number,
    *,
    tp: int = 1,
    pp: int = 1,
    dp_attention: bool = False,
    dcp: int = 1,
    engine: str = "vllm",
) -> Number:
    """Add up the cache that sequences with a common prefix share.

    Layers that store every token share the whole prefix. A sliding window shares the part of it
    that the sequence's last token still attends to. A recurrent state shares nothing.

    Parameters
    ----------
    model : Model
        The model.
    kv : Format
        Storage format of keys and values.
    prefix_tokens : float or array
        Length of the common prefix [tokens].
    context_tokens : float or array
        Length of a whole sequence [tokens].
    tp, pp : int
        Tensor-parallel and pipeline-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel: cards split the sequences, not the heads.
    dcp : int
        Cards over which the tokens of a sequence are spread, of those that hold the same heads.
    engine : str
        The engine's family.

    Returns
    -------
    float or array
        Shared cache on the card that holds the most [bytes].

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 4.4; Zheng et al. 2023, arXiv
    2312.07104, for the prefix tree.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> llama, fp8 = catalog.model("llama-3.1-70b"), catalog.format("fp8")
    >>> kv_shared_bytes(llama, fp8, 6000, 8000) / 1e9
    0.98304
    """

    def shared(attention: Attention, prefix_tokens: Number) -> Number:
        if attention.kind == "window":
            behind_window = maximum(context_tokens - attention.window_tokens, 0)
            prefix_tokens = maximum(prefix_tokens - behind_window, 0)
        return tokens_stored(attention, prefix_tokens)

    cards = (tp, pp, dp_attention, dcp)
    return _cache_bytes(model, kv, prefix_tokens, cards, engine, entries=shared, state_passes=0)
