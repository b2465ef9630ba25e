"""Stage 1, the law: bytes moved and FLOP computed for one token.

A decode step reads the weights once for the whole batch and the KV cache of
every sequence, and multiplies each token with every active weight. The roofline
takes the longer of the two. Formulas take plain numbers or arrays; further down
are functions that read the numbers from a `Model` or a `Deployment`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import gguf
from .numeric import Number, maximum, minimum, where
from .spec import Attention, Deployment, Format, Gpu, Model, Tensor


def matmul_flops(*, params: Number, tokens: Number) -> Number:
    """Count the FLOP of multiplying tokens with weights.

    One multiply and one add per parameter and token.

    Parameters
    ----------
    params : float or array
        Parameters each token is multiplied with.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        FLOP count [FLOP].

    References
    ----------
    Kaplan et al. 2020, arXiv 2001.08361, section 2.1.

    Examples
    --------
    >>> matmul_flops(params=70.6e9, tokens=6000) / 1e14
    8.472
    """
    return 2 * params * tokens


def attention_flops(*, heads: Number, qk_dim: Number, v_dim: Number, tokens_read: Number) -> Number:
    """Count the FLOP of one query token attending to cached tokens in one layer.

    Per cached token, the scores take `2 heads qk_dim` and the weighted sum of values
    `2 heads v_dim`.

    Parameters
    ----------
    heads : float or array
        Query heads.
    qk_dim, v_dim : float or array
        Width of a key and of a value [elements].
    tokens_read : float or array
        Cached tokens attended to [tokens].

    Returns
    -------
    float or array
        FLOP of one layer for one query token [FLOP].

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135, section 2.2.

    Examples
    --------
    >>> attention_flops(heads=64, qk_dim=128, v_dim=128, tokens_read=8000)
    262144000
    """
    return 2 * heads * (qk_dim + v_dim) * tokens_read


def gqa_elements_per_token(
    *, kv_heads: Number, head_dim: Number, v_head_dim: Number | None = None
) -> Number:
    """Count the elements grouped-query attention caches per token in one layer.

    Parameters
    ----------
    kv_heads : float or array
        Key-value heads.
    head_dim : float or array
        Width of a key [elements].
    v_head_dim : float or array, optional
        Width of a value; that of a key by default [elements].

    Returns
    -------
    float or array
        Keys and values [elements].

    References
    ----------
    Ainslie et al. 2023, arXiv 2305.13245.

    Examples
    --------
    >>> gqa_elements_per_token(kv_heads=8, head_dim=128)
    2048
    """
    return kv_heads * (head_dim + (head_dim if v_head_dim is None else v_head_dim))


def mla_elements_per_token(*, latent_dim: Number, rope_dim: Number) -> Number:
    """Count the elements multi-head latent attention caches per token in one layer.

    Parameters
    ----------
    latent_dim : float or array
        Width of the compressed key-value vector [elements].
    rope_dim : float or array
        Width of the rotary key stored with it [elements].

    Returns
    -------
    float or array
        Latent and rotary key, stored once for all heads [elements].

    References
    ----------
    DeepSeek-AI 2024, arXiv 2405.04434, section 2.1.

    Examples
    --------
    >>> mla_elements_per_token(latent_dim=512, rope_dim=64)
    576
    """
    return latent_dim + rope_dim


MATVEC_TOKENS = 8  # MMVQ_MAX_BATCH_SIZE, ggml/src/ggml-cuda/mmvq.cuh


def has_matvec(weights: Format) -> bool:
    """Say whether a few tokens are multiplied by a kernel for vectors, as packed GGUF types are.

    Parameters
    ----------
    weights : Format
        Format of the weights.

    Returns
    -------
    bool
        Whether it is one of llama.cpp's types of fewer than 16 bits.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> has_matvec(catalog.format("gguf-q4-k-m")), has_matvec(catalog.format("fp8"))
    (True, False)
    """
    return bool(weights.gguf) and weights.element_bits < 16


def matvec_columns(weights: Format, tokens: Number) -> Number:
    """Count the tokens beside the first that a kernel for vectors multiplies.

    llama.cpp multiplies packed weights with up to 8 tokens in the kernel it has for one: each
    block is read once, and unpacked and multiplied for every token on the cores' integer units.
    The first token hides behind the reading, the others do not. More than 8 go to the tensor
    cores, in tiles that take no less time.

    Parameters
    ----------
    weights : Format
        Format of the weights.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        From 0 to 7; 0 for a format without such kernels [tokens].

    References
    ----------
    ggml-org/llama.cpp, ggml/src/ggml-cuda/mmvq.cu, mul_mat_vec_q.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> [matvec_columns(catalog.format("gguf-q4-k-m"), n) for n in (1, 4, 64)]
    [0, 3, 7]
    """
    if not has_matvec(weights):
        return 0
    return maximum(minimum(tokens, MATVEC_TOKENS), 1) - 1


def experts_touched_at_random(
    *, experts: Number, experts_per_token: Number, tokens: Number
) -> Number:
    """Count the distinct experts of a layer that a batch reads if all are equally popular.

    One token misses an expert with probability `1 - k/E`, and all tokens of the batch miss it
    with that to the power of their number.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Expected distinct experts, `E (1 - (1 - k/E)^tokens)`.

    Examples
    --------
    >>> round(experts_touched_at_random(experts=256, experts_per_token=8, tokens=16), 1)
    102.0
    """
    return experts * (1 - (1 - experts_per_token / experts) ** tokens)


def experts_touched(*, experts: Number, experts_per_token: Number, tokens: Number) -> Number:
    """Estimate how many distinct experts of a layer a batch reads.

    Some experts are asked more often than others, so tokens meet at the same ones more often than
    at random. With popularities spread as an exponential distribution of mean `k / (E - k)`, an
    expert is missed by `b` tokens with probability `1 / (1 + b k / (E - k))`: by one token with
    `1 - k/E`, as it must be. Of the spreads of popularity that were tried, from none to twice as
    wide, this is the simplest that predicts groups left out of the fit as well as any.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Expected distinct experts, `E k tokens / (E - k + k tokens)`.

    Examples
    --------
    >>> round(experts_touched(experts=256, experts_per_token=8, tokens=16), 1)
    87.1
    >>> experts_touched(experts=256, experts_per_token=8, tokens=1)
    8.0
    """
    chosen = experts_per_token * tokens
    return experts * chosen / (experts - experts_per_token + chosen)


def routing_load(*, experts: Number, experts_per_token: Number) -> Number:
    """Scale the routing overhead of a layer relative to 256 experts with 8 active.

    Scoring, sorting and gathering take longer with more experts and with more of
    them active. The exponents were chosen by leave-one-model-out error: a constant
    overhead and one proportional to the number of experts both predicted worse.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.

    Returns
    -------
    float or array
        Factor `sqrt(E / 256) k / 8`.

    Examples
    --------
    >>> routing_load(experts=256, experts_per_token=8)
    1.0
    >>> routing_load(experts=64, experts_per_token=4)
    0.25
    """
    return (experts / 256) ** 0.5 * experts_per_token / 8


def arithmetic_intensity(*, flops: Number, bytes_moved: Number) -> Number:
    """Divide FLOP by bytes moved.

    Parameters
    ----------
    flops : float or array
        FLOP count [FLOP].
    bytes_moved : float or array
        Traffic between memory and compute [bytes].

    Returns
    -------
    float or array
        Arithmetic intensity [FLOP/byte].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> arithmetic_intensity(flops=141e9, bytes_moved=70.5e9)
    2.0
    """
    return flops / bytes_moved


def ridge_point(*, flop_s: Number, bandwidth_bytes_s: Number) -> Number:
    """Find the intensity above which a card is compute bound, not memory bound.

    Parameters
    ----------
    flop_s : float or array
        Peak dense rate [FLOP/s].
    bandwidth_bytes_s : float or array
        Peak memory bandwidth [bytes/s].

    Returns
    -------
    float or array
        Ridge point [FLOP/byte].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> round(ridge_point(flop_s=989.4e12, bandwidth_bytes_s=3.35e12))
    295
    """
    return flop_s / bandwidth_bytes_s


def roofline_s(
    *, flops: Number, bytes_moved: Number, flop_s: Number, bandwidth_bytes_s: Number
) -> Number:
    """Take the longer of compute time and memory time.

    Parameters
    ----------
    flops : float or array
        FLOP count [FLOP].
    bytes_moved : float or array
        Traffic [bytes].
    flop_s : float or array
        Compute rate [FLOP/s].
    bandwidth_bytes_s : float or array
        Memory bandwidth [bytes/s].

    Returns
    -------
    float or array
        Time, if both overlap perfectly [s].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> roofline_s(flops=1e12, bytes_moved=1e9, flop_s=1e15, bandwidth_bytes_s=2e12)
    0.001
    """
    return maximum(flops / flop_s, bytes_moved / bandwidth_bytes_s)


class Weights(NamedTuple):
    """Weight bytes stored on one card and read by one step.

    Attributes
    ----------
    stored_bytes : float
        Stored on the card of the deployment that holds the most [bytes].
    dense_read_bytes : float
        Read by every step, summed over pipeline stages, without routed experts [bytes].
    expert_read_bytes : float
        Read when a batch touches every routed expert, summed over stages [bytes].
    by_role : dict
        Stored bytes per tensor role [bytes].
    host_bytes : float
        Kept in host memory instead: the embedding of llama.cpp [bytes].
    """

    stored_bytes: float
    dense_read_bytes: float
    expert_read_bytes: float
    by_role: dict[str, float]
    host_bytes: float = 0.0


def _shards(tensor: Tensor, tp: int, kv_heads: int, dp_attention: bool) -> int:
    attends = tensor.role == "attention"
    if tensor.split == "none" or (attends and dp_attention):
        return 1
    if tensor.split == "kv":
        return min(tp, kv_heads) if kv_heads else tp
    return tp


def _base_bytes(weights: Format) -> float:
    """Bytes per element of tensors the weight format does not cover."""
    return 4.0 if weights.name == "fp32" else 2.0


# Multiples of an expert's inner side on a card and of its hidden side, to which vLLM's MXFP4
# kernels pad: layers/quantization/mxfp4.py of 0.11, Marlin's for most of NVIDIA's cards. Triton's
# on a Hopper leave the inner side of a whole expert alone, as start-up logs show. They are a
# package of their own that vLLM 0.10 does not ask for, and Marlin's stand in (has_triton_kernels).
MXFP4_SIDES = {"blackwell": (256, 256), "amd": (256, 256)}
MARLIN_SIDES, TRITON_SIDES = (128, 256), (64, 256)
TRITON_SINCE = (0, 11)
TORCH = ("vllm", "sglang")  # engines that hold weights and caches as vLLM does
# Up-projections of a latent that is quantised are kept in 16 bits as well, to be multiplied into
# queries and outputs: mla_attention.py, process_weights_after_loading; SGLang's w_kc and w_vc.
ABSORBED = "self_attn.kv_b_proj"
# PyTorch's allocator asks the driver for whole multiples of 2 MiB, from 10 MiB on for each tensor
# alone (c10/cuda/CUDACachingAllocator.cpp, get_allocation_size); engines fuse these projections.
ALLOCATED_STEP_BYTES, ALLOCATED_ALONE_BYTES = 2 * 2**20, 10 * 2**20
FUSED = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "gate_proj": "gate_up"}
FUSED |= {"up_proj": "gate_up"}
ROWS_PADDED = 64  # DEFAULT_VOCAB_PADDING_SIZE, layers/vocab_parallel_embedding.py


def _sides(
    weights: Format, gpu: Gpu | None, split: int, engine: str, release: tuple[int, ...]
) -> tuple[int, int]:
    if weights.name != "mxfp4" or gpu is None:
        return 1, 1
    early = engine == "vllm" and () < release < TRITON_SINCE
    if gpu.family == "hopper" and split == 1 and not early:
        return TRITON_SIDES
    return MXFP4_SIDES.get(gpu.family) or MXFP4_SIDES.get(gpu.vendor.lower()) or MARLIN_SIDES


def _padding(
    tensor: Tensor, model: Model, sides: tuple[int, int], split: int, engine: str
) -> float:
    """Factor by which an engine's padding enlarges a tensor, an expert's after a split."""
    if tensor.role in ("embedding", "head") and engine in TORCH:
        return -(-model.vocab_size // ROWS_PADDED) * ROWS_PADDED / model.vocab_size
    if tensor.role != "expert":
        return 1.0
    (inner_to, hidden_to), hidden = sides, model.hidden_size
    inner = tensor.elements / hidden / split
    return -(-inner // inner_to) * inner_to / inner * -(-hidden // hidden_to) * hidden_to / hidden


def _element_bytes(model: Model, weights: Format) -> tuple[float, ...]:
    """Size of an element of each tensor [bytes]."""
    if weights.gguf:
        return gguf.element_bytes(model, weights.gguf)
    base, per = _base_bytes(weights), weights.bytes_per_element
    covers = (weights.covers_mixture if model.experts else ()) or weights.covers
    sizes = []
    for t in model.tensors:
        least = t.least_bits / 8
        covered = t.role in covers or 0 < least < base
        sizes.append(max(per, least) if covered else base)
    return tuple(sizes)


def weight_bytes(
    model: Model,
    weights: Format,
    *,
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    engine: str = "vllm",
    release: tuple[int, ...] = (),
    gpu: Gpu | None = None,
) -> Weights:
    """Add up a model's weights on one card, tensor by tensor.

    A format converts the roles it covers and leaves the others in 16 bit: an
    FP8 checkpoint keeps its embeddings and its head in BF16. Key and value
    projections are replicated when there are more cards than KV heads; norms,
    routers and latent down-projections are replicated on every card.

    llama.cpp looks tokens up in host memory, has a table that is also the head once more on
    the card, and keeps vision towers and rotary angles out of it.

    Parameters
    ----------
    model : Model
        The model.
    weights : Format
        Storage format of the weights.
    tp, pp, ep : int
        Tensor-parallel, pipeline-parallel and expert-parallel degree; experts are split over
        all `tp` cards either way, whole ones over `ep` of them.
    dp_attention : bool
        Whether attention is data-parallel, so every card holds all its weights.
    engine : str
        The engine's family.
    release : tuple of int
        Its version; empty for the newest.
    gpu : Gpu, optional
        The card, whose kernels may pad; without one, nothing is padded for them.

    Returns
    -------
    Weights
        Stored and read bytes of the card that holds the most [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> w = weight_bytes(catalog.model("llama-3.1-70b"), catalog.format("fp8"))
    >>> round(w.stored_bytes / 2**30, 1)
    67.7
    """
    split, on_host = max(tp // ep, 1), engine == "llama.cpp"
    sides = _sides(weights, None if on_host else gpu, split, engine, release)
    key = (weights.name, tp, pp, ep, dp_attention, engine, sides)
    if key in model.memo:
        return model.memo[key]
    stage = -(-model.layers // pp) / model.layers
    by_role: dict[str, float] = {}
    dense, expert, ends = 0.0, 0.0, {"embedding": 0.0, "head": 0.0}
    for t, element in zip(model.tensors, _element_bytes(model, weights), strict=True):
        if t.role == "mtp" or (on_host and t.role == "vision"):
            continue  # engines load the first only when they speculate
        if t.name == ABSORBED and element < 2 and engine in TORCH:
            copies = t.params * 2 / _shards(t, tp, model.kv_heads, dp_attention)
            by_role["absorbed"] = by_role.get("absorbed", 0.0) + copies * stage
        element *= _padding(t, model, sides, split, engine)
        on_card = t.params * element / _shards(t, tp, model.kv_heads, dp_attention)
        if t.role in ends:
            ends[t.role] += on_card
        else:
            by_role[t.role] = by_role.get(t.role, 0.0) + on_card * stage
        if t.role == "expert":
            expert += on_card
        elif t.role not in ("embedding", "vision") and t.active:  # else a table to look up in
            dense += on_card * max(t.active, 1.0)  # layers passed again are read again
    if model.tied_embeddings:
        dense += ends["embedding"]
    if model.table_bytes and not on_host:
        by_role["tables"] = model.table_bytes * _base_bytes(weights) / 2
    host = ends["embedding"] if on_host else 0.0
    if on_host:
        ends = {"head": ends["embedding"] if model.tied_embeddings else ends["head"]}
    by_role.update(_ends(ends, pp))
    result = Weights(sum(by_role.values()), dense, expert, by_role, host)
    model.memo[key] = result
    return result


def _ends(ends: dict[str, float], pp: int) -> dict[str, float]:
    """The embedding and the head, of several stages the larger."""
    if pp > 1:
        ends = dict([max(ends.items(), key=lambda end: end[1])])
    return {role: size for role, size in ends.items() if size}


def weights_of(deployment: Deployment) -> Weights:
    """Add up the weights on the card of a deployment that holds the most.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    Weights
        Stored and read bytes [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> round(weights_of(two).stored_bytes / 2**30, 1)
    33.9
    """
    d = deployment
    return weight_bytes(
        d.model,
        d.weights,
        tp=d.tp,
        pp=d.pp,
        ep=d.ep,
        dp_attention=d.dp_attention,
        engine=d.engine.family,
        release=d.engine.release,
        gpu=d.gpu,
    )


def rounding_bytes(deployment: Deployment) -> float:
    """Compute by how much PyTorch's allocator rounds up the weights on a card.

    It is seen by engines that measure the free memory, and not what is allocated.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Over all tensors that have a block of memory to themselves [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="qwen3-14b", gpu="radeon-ai-pro-r9700", weights="fp8")
    >>> rounding_bytes(one) / 2**20  # 1 MiB each for 40 of qkv, o and down; 0.5 for both ends
    120.5
    """
    d, model, weights = deployment, deployment.model, deployment.weights
    if d.engine.family not in TORCH or weights.gguf:
        return 0.0
    split = d.tp // d.ep
    sides = _sides(weights, d.gpu, split, d.engine.family, d.engine.release)
    layout = (d.tp, d.pp, d.dp_attention, d.engine.family)
    key = ("rounding", weights.name, *layout, split, sides)
    if key not in model.memo:
        model.memo[key] = _rounded(d, split, sides)
    return model.memo[key]


def _rounded(d: Deployment, split: int, sides: tuple[int, int]) -> float:
    model, weights = d.model, d.weights
    scales = 1 - weights.element_bits / 8 / weights.bytes_per_element
    fused: dict[tuple[Any, ...], float] = {}
    for t, element in zip(model.tensors, _element_bytes(model, weights), strict=True):
        if t.role == "mtp":
            continue
        element *= _padding(t, model, sides, split, d.engine.family)
        on_card = t.params * element / _shards(t, d.tp, model.kv_heads, d.dp_attention)
        prefix, _, last = t.name.rpartition(".")
        times = len(t.layers) or t.copies
        apart = scales if element < _base_bytes(weights) else 0.0  # a tensor of their own
        for name, share in (("elements", 1 - apart), ("scales", apart)):
            key = (prefix, FUSED.get(last, last), t.layers, times, name)
            fused[key] = fused.get(key, 0.0) + on_card * share / times
    return sum(
        key[3] / d.pp * (-round(size) % ALLOCATED_STEP_BYTES)
        for key, size in fused.items()
        if size >= ALLOCATED_ALONE_BYTES
    )


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
    """Size an entry of one layer's cache as an engine stores it, without an indexer's.

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
    """Size the recurrent state of one layer and sequence as an engine keeps it.

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
    kept = context_tokens
    if attention.kind == "window":
        kept = minimum(context_tokens, attention.window_tokens)
    return kept / attention.stride_tokens if attention.stride_tokens > 1 else kept


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
    kept = tokens_stored(attention, context_tokens)
    return minimum(kept, attention.topk_tokens) if attention.kind == "sparse" else kept


def _kv_shards(attention: Attention, tp: int, dp_attention: bool) -> int:
    if dp_attention or attention.latent_dim:
        return 1  # one latent serves all heads, so every card needs all of it
    return min(tp, attention.kv_heads) if attention.kv_heads else tp


def kv_bytes_per_sequence(
    model: Model,
    kv: Format,
    context_tokens: Number,
    *,
    tp: int = 1,
    pp: int = 1,
    dp_attention: bool = False,
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
    return _cache_bytes(model, kv, context_tokens, tokens_stored, 1, tp, pp, dp_attention, engine)


def kv_read_bytes_per_sequence(
    model: Model,
    kv: Format,
    context_tokens: Number,
    *,
    tp: int = 1,
    dp_attention: bool = False,
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
    return _cache_bytes(model, kv, context_tokens, tokens_read, 2, tp, 1, dp_attention, engine)


def kv_layer_bytes(
    attention: Attention,
    kv: Format,
    *,
    tp: int = 1,
    dp_attention: bool = False,
    engine: str = "vllm",
) -> float:
    """Give what one layer stores of a token on a card, or the size of its state.

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
    shards = _kv_shards(attention, tp, dp_attention)
    if attention.kind == "linear":
        return state_bytes(attention, engine=engine) / shards
    # the indexer scores every stored token, and its cache is replicated on every card
    entry = kv_record_bytes(attention, kv, engine=engine) / shards
    return entry + attention.index_dim * attention.index_bytes


def _cache_bytes(
    model: Model,
    kv: Format,
    context_tokens: Number,
    entries: Callable[[Attention, Number], Number],
    state_passes: int,
    tp: int,
    pp: int,
    dp_attention: bool,
    engine: str,
) -> Number:
    total: Number = 0.0
    for a in model.attention:
        shards = _kv_shards(a, tp, dp_attention)
        layers = -(-a.layers // pp)
        if a.kind == "linear":
            total = total + layers * state_bytes(a, engine=engine) * state_passes / shards
            continue
        per_entry = kv_record_bytes(a, kv, engine=engine) / shards
        total = total + layers * per_entry * entries(a, context_tokens)
        if a.index_dim:
            # the indexer scores every stored token, and its cache is replicated on every card
            kept = tokens_stored(a, context_tokens)
            total = total + layers * a.index_dim * a.index_bytes * kept
    return total


def kv_shared_bytes(
    model: Model,
    kv: Format,
    prefix_tokens: Number,
    *,
    tp: int = 1,
    pp: int = 1,
    dp_attention: bool = False,
    engine: str = "vllm",
) -> Number:
    """Add up the cache that sequences with a common prefix share.

    Sliding windows and recurrent states depend on the end of each sequence, so only
    layers that store every token share their cache.

    Parameters
    ----------
    model : Model
        The model.
    kv : Format
        Storage format of keys and values.
    prefix_tokens : float or array
        Length of the common prefix [tokens].
    tp, pp : int
        Tensor-parallel and pipeline-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel: cards split the sequences, not the heads.
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
    >>> kv_shared_bytes(llama, fp8, 6000) / 1e9
    0.98304
    """

    def whole(attention: Attention, context_tokens: Number) -> Number:
        keeps_all = attention.kind in ("full", "mla", "sparse")
        return tokens_stored(attention, context_tokens) if keeps_all else 0 * context_tokens

    return _cache_bytes(model, kv, prefix_tokens, whole, 0, tp, pp, dp_attention, engine)


def lora_params(model: Model, rank: Number) -> Number:
    """Count the parameters of one low-rank adapter on every linear layer.

    A matrix of `in x out` gets two of rank `r`, with `r (in + out)` parameters. One
    side of nearly every matrix in a decoder is the hidden size, so `in + out` is
    approximated by `hidden + elements / hidden`.

    Parameters
    ----------
    model : Model
        The base model.
    rank : float or array
        Rank of the adapter.

    Returns
    -------
    float or array
        Parameters of the adapter; routed experts and embeddings get none.

    References
    ----------
    Hu et al. 2021, arXiv 2106.09685, section 4.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> round(lora_params(catalog.model("llama-3.1-8b"), 16) / 1e6)
    42
    """
    if "lora" not in model.memo:
        hidden, sides = model.hidden_size, 0.0
        for t in model.tensors:
            if t.role in ("attention", "mlp", "shared_expert") and t.elements > 4 * hidden:
                sides += t.copies * (hidden + t.elements / hidden)
        model.memo["lora"] = sides
    return rank * model.memo["lora"]


def attention_flops_per_token(model: Model, context_tokens: Number) -> Number:
    """Count the attention FLOP of one decoded token over all layers.

    MLA is counted in the form used for decode, with the up-projections absorbed into
    the queries: every head attends in the latent space.

    Parameters
    ----------
    model : Model
        The model.
    context_tokens : float or array
        Length of the sequence so far [tokens].

    Returns
    -------
    float or array
        FLOP over all layers [FLOP].

    References
    ----------
    DeepSeek-AI 2024, arXiv 2405.04434, appendix C, for the absorption.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> attention_flops_per_token(catalog.model("llama-3.1-70b"), 8000) / 1e9
    20.97152
    """
    total = 0.0
    for a in model.attention:
        if a.kind == "linear":
            total = total + a.layers * a.state_flops
            continue
        if a.latent_dim:
            qk_dim, v_dim = a.latent_dim + a.rope_dim, a.latent_dim
            if a.head_dim and not a.v_head_dim:
                v_dim = qk_dim  # keys serve as values, whole
        else:
            qk_dim, v_dim = a.head_dim, a.v_head_dim or a.head_dim
        read = tokens_read(a, context_tokens)
        work = attention_flops(heads=a.heads, qk_dim=qk_dim, v_dim=v_dim, tokens_read=read)
        total = total + a.layers * work
        if a.index_dim:
            index_work = 2 * a.index_heads * a.index_dim * tokens_stored(a, context_tokens)
            total = total + a.layers * index_work
    return total


def prefill_attention_flops(model: Model, tokens: Number, cached_tokens: Number = 0) -> Number:
    """Count the attention FLOP of prefilling a prompt.

    The n-th token attends to n tokens, so the sum is quadratic for full attention
    and linear beyond the window for windowed layers. MLA prefill expands keys and
    values for each head instead of attending in the latent space.

    Parameters
    ----------
    model : Model
        The model.
    tokens : float or array
        Prompt tokens to prefill [tokens].
    cached_tokens : float or array
        Preceding tokens served from a prefix cache [tokens].

    Returns
    -------
    float or array
        FLOP over all layers [FLOP].

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> prefill_attention_flops(catalog.model("llama-3.1-70b"), 7000) / 1e12
    64.234...
    """
    total = 0.0
    for a in model.attention:
        if a.kind == "linear":
            total = total + a.layers * a.state_flops * tokens
            continue
        pairs = _attended_pairs(a, tokens, cached_tokens)
        qk, v = a.head_dim or a.latent_dim + a.rope_dim, a.v_head_dim or a.head_dim or a.latent_dim
        work = attention_flops(heads=a.heads, qk_dim=qk, v_dim=v, tokens_read=pairs)
        total = total + a.layers * work
        if a.index_dim:
            index_pairs = _causal_pairs(tokens, cached_tokens, 0) / a.stride_tokens
            total = total + a.layers * 2 * a.index_heads * a.index_dim * index_pairs
    return total


def prefill_scores(model: Model, tokens: Number, cached_tokens: Number = 0) -> Number:
    """Count the scores of attention when a prompt is prefilled: one a head and pair of tokens.

    Parameters
    ----------
    model : Model
        The model.
    tokens : float or array
        Prompt tokens to prefill [tokens].
    cached_tokens : float or array
        Preceding tokens served from a prefix cache [tokens].

    Returns
    -------
    float or array
        Scores over all layers and heads.

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135, section 2.2: standard attention writes them to memory.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> prefill_scores(catalog.model("llama-3.1-8b"), 3)  # 32 layers of 32 heads, 6 pairs
    6144.0
    """
    some = (a for a in model.attention if a.kind != "linear")
    return sum(a.layers * a.heads * _attended_pairs(a, tokens, cached_tokens) for a in some)


def _attended_pairs(a: Attention, tokens: Number, cached: Number) -> Number:
    """Pairs of a new token and an entry of the cache that it attends to, in one layer."""
    # the best entries are as many wherever an entry stands for several tokens
    best = a.topk_tokens * a.stride_tokens
    cap = {"window": a.window_tokens, "sparse": best}.get(a.kind, 0)
    return _causal_pairs(tokens, cached, cap) / a.stride_tokens


def _causal_pairs(tokens: Number, cached: Number, cap: int) -> Number:
    """Sum the tokens each new token attends to, at most `cap` each unless that is 0."""
    full = tokens * cached + tokens * (tokens + 1) / 2
    if not cap:
        return full
    ramp = maximum(minimum(cap - cached, tokens), 0)  # tokens that attend to fewer than the cap
    early = ramp * cached + ramp * (ramp + 1) / 2
    return where(ramp > 0, early + (tokens - ramp) * cap, tokens * cap)
