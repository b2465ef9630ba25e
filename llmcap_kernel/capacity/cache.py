"""The cache as engines lay it out: blocks, groups of layers, and what a sequence reserves.

A model whose layers all keep every token has one kind of block. Where layers differ, vLLM
gives all kinds blocks of one size in bytes, so that they draw from one pool: layers go into
groups of equal length, and a recurrent state takes a whole block (v1/core/kv_cache_utils.py,
v1/kv_cache_interface.py). A sequence is admitted when there is room for a window and a batch in
flight in each window's layers. After each step the tokens behind the window go back to the pool,
so that a running sequence holds its window only (v1/core/kv_cache_manager.py, `allocate_slots`).
DeepSeek V4's layers keep pages of several sizes; they share blocks as large as all pages of
the layers that keep every token.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from .. import bandwidth, law
from ..numeric import Number, ceil, floor, maximum, minimum
from ..spec import Attention, Deployment, Model

ALIGNMENT_TOKENS = 16  # attention blocks grow in these steps where a model also has states
CONV_TOKENS = 3  # tokens that a state's short convolution looks back on
CONV_BYTES = 2
# DeepSeek V4 in vLLM (models/deepseek_v4/attention.py, compressor.py; mla/sparse_swa.py)
COMPRESSED_BLOCK_TOKENS = 256
WINDOW_BLOCK_TOKENS = 64
OVERLAPPING_STRIDE = 4  # compressed from twice as many tokens, so that neighbours overlap
SIZED_WITH_DRAFT = ("vllm", "trtllm")  # SGLang's draft has a pool outside the share
SUM_BYTES = 4  # bytes of a partial sum over tokens that are not compressed yet
PAGE_STEP_BYTES = 576  # pages are rounded up to a multiple of it


def paged_tokens(*, context_tokens: Number, block_tokens: Number) -> Number:
    """Round a sequence up to whole cache pages.

    Parameters
    ----------
    context_tokens : float or array
        Tokens of the sequence [tokens].
    block_tokens : float or array
        Tokens in a page [tokens].

    Returns
    -------
    float or array
        Tokens the cache allocates [tokens].

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 4.

    Examples
    --------
    >>> paged_tokens(context_tokens=8001, block_tokens=16)
    8016
    """
    return ceil(context_tokens / block_tokens) * block_tokens


def max_sequences(*, kv_pool_bytes: Number, kv_bytes_per_sequence: Number) -> Number:
    """Count the whole sequences a cache holds.

    Parameters
    ----------
    kv_pool_bytes : float or array
        Memory left for the cache on a card [bytes].
    kv_bytes_per_sequence : float or array
        Cache of one sequence on that card [bytes].

    Returns
    -------
    int or array
        `floor(pool / sequence)`, never below 0.

    Examples
    --------
    >>> max_sequences(kv_pool_bytes=5.05e9, kv_bytes_per_sequence=1.31072e9)
    3
    """
    return floor(maximum(kv_pool_bytes, 0.0) / kv_bytes_per_sequence)


@dataclass(frozen=True)
class Kind:
    """Layers of a card that store their cache in the same way.

    Attributes
    ----------
    name : str
        "all" keeps every token, "window" the last ones, "state" a state of fixed size.
    layers : int
        How many there are on the card that holds the most.
    bytes : float
        Per token and layer, or per state and layer [bytes].
    window_tokens : int
        Tokens that a "window" keeps [tokens].
    groups : int
        Groups of layers that they fill.
    block_tokens : int
        Tokens of one of its blocks [tokens].
    """

    name: str
    layers: int
    bytes: float
    window_tokens: int = 0
    groups: int = 1
    block_tokens: int = 16


@dataclass(frozen=True)
class Layout:
    """How the cache of a card is divided into blocks.

    Attributes
    ----------
    kinds : tuple of Kind
        Its kinds of layers.
    block_bytes : float
        A block of all layers of a group [bytes].
    in_flight_tokens : int
        Tokens of the batches in flight, for which a window needs room when a sequence is
        admitted [tokens].
    state_blocks : int
        Blocks that a sequence takes for its states.
    """

    kinds: tuple[Kind, ...]
    block_bytes: float
    in_flight_tokens: int = 0
    state_blocks: int = 1

    @property
    def groups(self) -> int:
        """Number of layer groups that draw from the pool."""
        return sum(kind.groups for kind in self.kinds)

    def blocks(self, context_tokens: Number, *, running: bool = False) -> Number:
        """Count the blocks that a sequence takes.

        Parameters
        ----------
        context_tokens : float or array
            Its length [tokens].
        running : bool
            Whether its prompt is computed; else what it needs to be taken in.

        Returns
        -------
        float or array
            Blocks of all groups.
        """
        total: Number = 0
        for kind in self.kinds:
            total = total + kind.groups * self._blocks(kind, context_tokens, running)
        return total

    def shared_blocks(self, prefix_tokens: Number, context_tokens: Number) -> Number:
        """Count the blocks that sequences with a common prefix share.

        Parameters
        ----------
        prefix_tokens : float or array
            Length of the prefix, of which whole blocks are shared [tokens].
        context_tokens : float or array
            Length of a whole sequence: a window keeps the last of it [tokens].

        Returns
        -------
        float or array
            Blocks of all groups; a state is shared by none.
        """
        total: Number = 0
        for kind in self.kinds:
            if kind.name == "state":
                continue
            visible_tokens = kind.window_tokens if kind.name == "window" else context_tokens
            first = floor(maximum(context_tokens - visible_tokens, 0) / kind.block_tokens)
            last = floor(prefix_tokens / kind.block_tokens)
            total = total + kind.groups * maximum(last - first, 0)
        return total

    def _blocks(self, kind: Kind, context_tokens: Number, running: bool) -> Number:
        if kind.name == "state":
            return self.state_blocks
        if kind.name == "all":
            return ceil(context_tokens / kind.block_tokens)
        in_flight = 1 if running else self.in_flight_tokens
        window_tokens = minimum(kind.window_tokens - 1 + in_flight, context_tokens)
        return ceil(window_tokens / kind.block_tokens) + 1


@lru_cache(maxsize=4096)
def layout(deployment: Deployment) -> Layout:
    """Lay out the cache of a card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    Layout
        In groups of layers for vLLM; one layer at a time for other engines.

    References
    ----------
    vLLM, v1/core/kv_cache_utils.py, `get_kv_cache_groups`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="gemma-3-27b", gpu="h100-sxm", engine="vllm-0.19")
    >>> [(kind.name, kind.layers, kind.groups) for kind in layout(d).kinds]
    [('window', 52, 6), ('all', 10, 1)]
    """
    if is_compressed(deployment):
        return _compressed(deployment)
    kinds = _kinds(deployment)
    if len({kind.name for kind in kinds}) == 1:
        return Layout(kinds[:1], sum(k.layers * k.bytes for k in kinds) * kinds[0].block_tokens)
    return _grouped(deployment, _paged_alike(kinds))


def guessing_model(deployment: Deployment) -> Model:
    """Add the cache of the multi-token-prediction layers to a model, where they draft tokens.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    Model
        With one more layer of its last kind of attention for each of them, of DeepSeek V4 of
        its windows; as it is where nothing drafts, or another model does.

    References
    ----------
    vLLM, v1/worker/gpu_model_runner.py, `get_kv_cache_spec`: they register like any layer.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Speculation
    >>> d = catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8,
    ...     speculation=Speculation(1, 0.8))
    >>> guessing_model(d).attention[0].layers
    62
    """
    d, model = deployment, deployment.model
    speculates_itself = d.speculation is not None and d.speculation.draft is None
    if not speculates_itself or d.engine.family not in SIZED_WITH_DRAFT:
        return model
    layers = sum(t.copies for t in model.tensors if t.name == "mtp.eh_proj")
    if not layers:
        return model
    kinds = list(model.attention)
    drafting = next((a for a in kinds if is_compressed(d) and a.kind == "window"), kinds[-1])
    index = kinds.index(drafting)
    kinds[index] = replace(drafting, layers=drafting.layers + layers)
    return replace(model, attention=tuple(kinds))


def is_grouped(deployment: Deployment) -> bool:
    """Tell whether an engine keeps layers of several kinds in blocks of one size.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    bool
        For vLLM and a model whose layers keep their cache in more than one way.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> is_grouped(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"))
    False
    """
    attention = deployment.model.attention
    if deployment.engine.family != "vllm" or len(attention) == 1:
        return False
    return len({_name(a) for a in attention}) > 1


def is_compressed(deployment: Deployment) -> bool:
    """Tell whether an engine keeps a cache that is compressed along the sequence.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    bool
        For vLLM and a model such as DeepSeek V4.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> is_compressed(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"))
    False
    """
    strides = (a.stride_tokens for a in deployment.model.attention)
    return deployment.engine.family == "vllm" and max(strides, default=1) > 1


def _compressed(d: Deployment) -> Layout:
    """Lay out a cache that is compressed along the sequence.

    A block holds all pages of the layers that keep every token. Windows, and a compressor's
    sums, which are stored as windows, are divided into groups that fit in it.
    """
    block_bytes, sizes, min_length, windows = 0.0, set[float](), 1, list[Kind]()
    for a in guessing_model(d).attention:
        layers, record = -(-a.layers // d.pp), law.kv_record_bytes(a, d.kv)
        if a.kind == "window":
            page = _page(WINDOW_BLOCK_TOKENS * record)
            windows.append(_windows(layers, page, WINDOW_BLOCK_TOKENS, a.window_tokens))
            continue
        entries = COMPRESSED_BLOCK_TOKENS // a.stride_tokens
        pages = [_page(entries * size) for size in (record, a.index_dim * a.index_bytes) if size]
        sizes.update(pages)
        block_bytes += layers * sum(pages)
        if len(pages) > 1:  # a layer's page and its indexer's stay in one group
            min_length = max(min_length, layers)
        windows.append(_sums(a, layers))
    length = _length([kind.layers for kind in windows], min_length)
    if d.engine.release < (0, 24):  # a page of each size for each layer of a group
        block_bytes = length * sum(sizes)
    kinds = [replace(kind, groups=-(-kind.layers // length)) for kind in windows]
    widest = (-(-k.layers // k.groups) * k.bytes * k.block_tokens for k in kinds)
    block_bytes = max(block_bytes, *widest)
    full = Kind("all", 1, block_bytes / COMPRESSED_BLOCK_TOKENS, 0, 1, COMPRESSED_BLOCK_TOKENS)
    return Layout((full, *kinds), block_bytes, _batches(d) * d.batch_limit_tokens)


def _page(size: float) -> float:
    return math.ceil(size / PAGE_STEP_BYTES) * PAGE_STEP_BYTES


def _windows(layers: int, page_bytes: float, block_tokens: int, window_tokens: int) -> Kind:
    return Kind("window", layers, page_bytes / block_tokens, window_tokens, 1, block_tokens)


def _sums(a: Attention, layers: int) -> Kind:
    """Size the partial sums of a compressor and of its indexer, which are stored as a window."""
    overlap, block_tokens = (2, 4) if a.stride_tokens <= OVERLAPPING_STRIDE else (1, 8)
    element_widths = (2 * overlap * elements for elements in (a.head_dim, a.index_dim) if elements)
    page = sum(_page(block_tokens * elements * SUM_BYTES) for elements in element_widths)
    return _windows(layers, page, block_tokens, overlap * a.stride_tokens)


def _length(layers: list[int], min_length: int) -> int:
    """Choose the group length that leaves the fewest slots empty (vLLM, `_approximate_gcd`)."""
    lengths = range(min_length, max(*layers, min_length) + 1)
    return min(lengths, key=lambda length: (sum(-n % length for n in layers), -length))


def _batches(d: Deployment) -> int:
    """Count the batches that a window reserves: from 0.26 on, one is prepared while one runs."""
    return 2 if d.engine.release >= (0, 26) else 1


def _name(attention: Attention) -> str:
    return {"window": "window", "linear": "state"}.get(attention.kind, "all")


def _kinds(d: Deployment) -> tuple[Kind, ...]:
    """List the kinds of layers of the fullest card, with the bytes of a token or a state."""
    kinds = []
    for a in guessing_model(d).attention:
        layer_bytes = law.kv_layer_bytes(
            a, d.kv, tp=d.tp, dp_attention=d.dp_attention, dcp=d.dcp, engine=d.engine.family
        )
        if a.kind == "linear":  # the convolution keeps drafted tokens until they are verified
            steps = _drafted(d) / CONV_TOKENS
            layer_bytes *= 1 + steps * CONV_BYTES * a.conv_elements / max(a.state_bytes, 1)
        layers = -(-a.layers // d.pp)
        kinds.append(Kind(_name(a), layers, layer_bytes, a.window_tokens, 1, d.block_tokens))
    return tuple(kinds)


def _paged_alike(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """Give all kinds blocks of the same bytes, in which smaller entries hold more tokens."""
    state = max((k.bytes for k in kinds if k.name == "state"), default=0.0)
    token = max(k.bytes for k in kinds if k.name != "state")
    page = token * max(k.block_tokens for k in kinds)
    if state > page:
        page = token * paged_tokens(context_tokens=state / token, block_tokens=ALIGNMENT_TOKENS)
    return tuple(replace(k, block_tokens=max(round(page / k.bytes), 1)) for k in kinds)


def _grouped(d: Deployment, kinds: tuple[Kind, ...]) -> Layout:
    """Group layers by the count of the rarest kind, or of the commonest where that pads little."""
    rarest, commonest = min(k.layers for k in kinds), max(k.layers for k in kinds)
    release = d.engine.release
    padding = 1.5 if release >= (0, 18) else 1.25 if release >= (0, 12) else 1.0
    length = commonest if commonest < padding * rarest else rarest
    page = max(k.bytes * (k.block_tokens if k.name != "state" else 1) for k in kinds)
    return Layout(
        tuple(replace(k, groups=-(-k.layers // length)) for k in kinds),
        length * page,
        _batches(d) * d.batch_limit_tokens,
        # from 0.26 hybrids have a prefix cache, which keeps a state at a block's end beside the
        # running one; each drafted token keeps one more, for when it is rejected
        (2 if release >= (0, 26) else 1) + _drafted(d),
    )


def _drafted(d: Deployment) -> int:
    return d.speculation.tokens if d.speculation else 0


def kv_sequence_bytes(
    deployment: Deployment, context_tokens: Number, *, running: bool = False
) -> Number:
    """Compute the cache that one sequence needs on the card that holds the most.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens of the sequence [tokens].
    running : bool
        Whether its prompt is computed; else what the engine asks for to take it in, which is more
        where layers keep windows.

    Returns
    -------
    float or array
        Whole pages and states, with those of a draft model [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, kv="fp8")
    >>> kv_sequence_bytes(b, 8000) / 1e9
    0.65536
    """
    d = deployment
    if is_grouped(d):
        cache_layout = layout(d)
        total = cache_layout.blocks(context_tokens, running=running) * cache_layout.block_bytes
    else:
        paged = paged_tokens(context_tokens=context_tokens, block_tokens=d.block_tokens)
        total = kept_bytes(d, paged)
    if d.speculation and d.speculation.draft is not None:
        draft = bandwidth.draft_deployment(d)
        total = total + kv_sequence_bytes(draft, context_tokens, running=running)
    return total


def admission_bytes(deployment: Deployment, context_tokens: Number) -> Number:
    """Compute the cache that a sequence needs at admission beyond what it holds while it runs.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens of the sequence [tokens].

    Returns
    -------
    float or array
        On the card that holds the most. For windows in vLLM, the batches in flight, which all
        sequences share; 0 for other models and engines [bytes].

    References
    ----------
    vLLM 0.33, v1/core/kv_cache_manager.py, `allocate_slots`; single_type_kv_cache_manager.py,
    `remove_skipped_blocks`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> dense, windows = (
    ...     catalog.deployment(model=name, gpu="h100-sxm", tp=2)
    ...     for name in ("llama-3.1-70b", "gemma-3-27b")
    ... )
    >>> admission_bytes(dense, 8000)
    0.0
    >>> admission_bytes(windows, 8000) > kv_sequence_bytes(windows, 8000) / 2
    True
    """
    d, total = deployment, 0.0
    if d.speculation and d.speculation.draft is not None:
        total = admission_bytes(bandwidth.draft_deployment(d), context_tokens)
    if not is_grouped(d):
        return total
    cache_layout = layout(d)
    extra_blocks = cache_layout.blocks(context_tokens) - cache_layout.blocks(
        context_tokens, running=True
    )
    return total + extra_blocks * cache_layout.block_bytes


def kept_bytes(deployment: Deployment, context_tokens: Number) -> Number:
    """Compute the cache of one sequence on the fullest card, without rounding to pages.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens of the sequence [tokens].

    Returns
    -------
    float or array
        Without pages, reserves or a draft model [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, kv="fp8")
    >>> kept_bytes(b, 1)
    81920.0
    """
    d = deployment
    return law.kv_bytes_per_sequence(
        guessing_model(d),
        d.kv,
        context_tokens,
        tp=d.tp,
        pp=d.pp,
        dp_attention=d.dp_attention,
        dcp=d.dcp,
        engine=d.engine.family,
    )


def prefix_bytes(
    deployment: Deployment, shared_prefix_tokens: Number, context_tokens: Number
) -> float:
    """Compute the cache of a prefix that all sequences share, on the card that holds the most.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    shared_prefix_tokens : int
        Tokens of the prefix, of which whole pages are shared [tokens].
    context_tokens : int
        Tokens of a whole sequence: a window keeps the last of them [tokens].

    Returns
    -------
    float
        Cache stored once on a card for all sequences that use it [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8", kv="fp8")
    >>> prefix_bytes(a, 6000, 8000) / 1e9
    0.98304
    """
    d = deployment
    if is_grouped(d):
        cache_layout = layout(d)
        return float(
            cache_layout.shared_blocks(shared_prefix_tokens, context_tokens)
            * cache_layout.block_bytes
        )
    pages = floor(shared_prefix_tokens / d.block_tokens) * d.block_tokens
    if not pages:
        return 0.0
    return law.kv_shared_bytes(
        guessing_model(d),
        d.kv,
        pages,
        context_tokens,
        tp=d.tp,
        pp=d.pp,
        dp_attention=d.dp_attention,
        dcp=d.dcp,
        engine=d.engine.family,
    )
