"""Weights: the bytes that a card stores, and the bytes that a step reads."""

from typing import Any, NamedTuple

from .. import gguf
from ..numeric import Number, maximum, minimum
from ..spec import Deployment, Format, Gpu, Model, Tensor

MATVEC_TOKENS = 8  # MMVQ_MAX_BATCH_SIZE, ggml/src/ggml-cuda/mmvq.cuh


def has_matvec(weights: Format) -> bool:
    """Say whether a matrix-vector kernel multiplies small batches, as for packed GGUF types.

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
    """Count the tokens after the first that a matrix-vector kernel multiplies.

    llama.cpp multiplies packed weights with up to 8 tokens in its kernel for one token: it reads
    each block once, and unpacks and multiplies it for every token on the cores' integer units.
    The arithmetic of the first token hides behind the reading, that of the others does not. More
    than 8 tokens go to the tensor cores, in tiles that take no less time.

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
    """Give the bytes per element of tensors the weight format does not cover."""
    return 4.0 if weights.name == "fp32" else 2.0


# vLLM's MXFP4 kernels pad an expert's inner side on a card, and its hidden side, to multiples of
# these (layers/quantization/mxfp4.py of 0.11). Most NVIDIA cards use Marlin. On Hopper, Triton's
# kernels do not pad the inner side of an unsplit expert, as start-up logs show. vLLM 0.10 does not
# install the Triton package, and falls back to Marlin (has_triton_kernels).
MXFP4_SIDES = {"blackwell": (256, 256), "amd": (256, 256)}
MARLIN_SIDES, TRITON_SIDES = (128, 256), (64, 256)
TRITON_SINCE = (0, 11)
TORCH = ("vllm", "sglang")  # engines that hold weights and caches as vLLM does
# Engines keep a second copy of MLA's quantised up-projection in 16 bits, to absorb it into queries
# and outputs: mla_attention.py, process_weights_after_loading; SGLang's w_kc and w_vc.
ABSORBED = "self_attn.kv_b_proj"
# PyTorch's allocator asks the driver for whole multiples of 2 MiB, from 10 MiB on for each tensor
# alone (c10/cuda/CUDACachingAllocator.cpp, get_allocation_size); engines fuse these projections.
ALLOCATED_STEP_BYTES, ALLOCATED_ALONE_BYTES = 2 * 2**20, 10 * 2**20
FUSED = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "gate_proj": "gate_up"}
FUSED |= {"up_proj": "gate_up"}
ROWS_PADDED = 64  # DEFAULT_VOCAB_PADDING_SIZE, layers/vocab_parallel_embedding.py


def _padding_sides(
    weights: Format, gpu: Gpu | None, split: int, engine: str, release: tuple[int, ...]
) -> tuple[int, int]:
    if weights.name != "mxfp4" or gpu is None:
        return 1, 1
    before_triton = engine == "vllm" and () < release < TRITON_SINCE
    if gpu.family == "hopper" and split == 1 and not before_triton:
        return TRITON_SIDES
    return MXFP4_SIDES.get(gpu.family) or MXFP4_SIDES.get(gpu.vendor.lower()) or MARLIN_SIDES


def _padding(
    tensor: Tensor, model: Model, sides: tuple[int, int], split: int, engine: str
) -> float:
    """Compute by what factor padding enlarges a tensor, an expert's after its split."""
    if tensor.role in ("embedding", "head") and engine in TORCH:
        return -(-model.vocab_size // ROWS_PADDED) * ROWS_PADDED / model.vocab_size
    if tensor.role != "expert":
        return 1.0
    (inner_to, hidden_to), hidden = sides, model.hidden_size
    inner = tensor.elements / hidden / split
    return -(-inner // inner_to) * inner_to / inner * -(-hidden // hidden_to) * hidden_to / hidden


def _element_bytes(model: Model, weights: Format) -> tuple[float, ...]:
    """List the size of an element of each tensor [bytes]."""
    if weights.gguf:
        return gguf.element_bytes(model, weights.gguf)
    base_bytes, format_bytes = _base_bytes(weights), weights.bytes_per_element
    nvfp4_roles = model.nvfp4_roles if weights.name.startswith("nvfp4") else ()
    covered_roles = (
        nvfp4_roles or (weights.covers_mixture if model.experts else ()) or weights.covers
    )
    sizes = []
    for t in model.tensors:
        min_bytes = t.least_bits / 8
        covered = t.role in covered_roles or 0 < min_bytes < base_bytes
        sizes.append(max(format_bytes, min_bytes) if covered else base_bytes)
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

    llama.cpp keeps the embedding in host memory. Where it is also the head, a second copy is on
    the card. Vision towers and rotary angles are not.

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
    split, in_llama_cpp = max(tp // ep, 1), engine == "llama.cpp"
    sides = _padding_sides(weights, None if in_llama_cpp else gpu, split, engine, release)
    key = (weights.name, tp, pp, ep, dp_attention, engine, sides)
    kept: Weights | None = model.memo.get(key)
    if kept is not None:
        return kept
    stage = -(-model.layers // pp) / model.layers
    by_role: dict[str, float] = {}
    dense, expert, ends = 0.0, 0.0, {"embedding": 0.0, "head": 0.0}
    for t, element in zip(model.tensors, _element_bytes(model, weights), strict=True):
        if t.role == "mtp" or (in_llama_cpp and t.role == "vision"):
            continue  # engines load MTP layers only when they speculate
        if t.name == ABSORBED and element < 2 and engine in TORCH:
            copies = t.params * 2 / _shards(t, tp, model.kv_heads, dp_attention)
            by_role["absorbed"] = by_role.get("absorbed", 0.0) + copies * stage
        element *= _padding(t, model, sides, split, engine)
        card_bytes = t.params * element / _shards(t, tp, model.kv_heads, dp_attention)
        if t.role in ends:
            ends[t.role] += card_bytes
        else:
            by_role[t.role] = by_role.get(t.role, 0.0) + card_bytes * stage
        if t.role == "expert":
            expert += card_bytes
        elif t.role not in ("embedding", "vision") and t.active:  # others are lookup tables
            dense += card_bytes * max(t.active, 1.0)  # layers passed again are read again
    if model.tied_embeddings:
        dense += ends["embedding"]
    if model.table_bytes and not in_llama_cpp:
        by_role["tables"] = model.table_bytes * _base_bytes(weights) / 2
    host = ends["embedding"] if in_llama_cpp else 0.0
    if in_llama_cpp:
        ends = {"head": ends["embedding"] if model.tied_embeddings else ends["head"]}
    by_role.update(_on_fullest_stage(ends, pp))
    result = Weights(sum(by_role.values()), dense, expert, by_role, host)
    model.memo[key] = result
    return result


def _on_fullest_stage(by_role: dict[str, float], pp: int) -> dict[str, float]:
    """Keep the embedding and the head, or the larger of them where stages part them."""
    if pp > 1:
        by_role = dict([max(by_role.items(), key=lambda end: end[1])])
    return {role: size for role, size in by_role.items() if size}


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

    Only engines that measure free memory, and not allocated memory, count it.

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
    sides = _padding_sides(weights, d.gpu, split, d.engine.family, d.engine.release)
    layout = (d.tp, d.pp, d.dp_attention, d.engine.family)
    key = ("rounding", weights.name, *layout, split, sides)
    if key not in model.memo:
        model.memo[key] = _fused_rounding_bytes(d, split, sides)
    return model.memo[key]


def _fused_rounding_bytes(d: Deployment, split: int, sides: tuple[int, int]) -> float:
    model, weights = d.model, d.weights
    scale_share = 1 - weights.element_bits / 8 / weights.bytes_per_element
    fused: dict[tuple[Any, ...], float] = {}
    for t, element in zip(model.tensors, _element_bytes(model, weights), strict=True):
        if t.role == "mtp":
            continue
        element *= _padding(t, model, sides, split, d.engine.family)
        card_bytes = t.params * element / _shards(t, d.tp, model.kv_heads, d.dp_attention)
        prefix, _, projection = t.name.rpartition(".")
        copies = len(t.layers) or t.copies
        # scales are tensors of their own
        separate_share = scale_share if element < _base_bytes(weights) else 0.0
        for name, share in (("elements", 1 - separate_share), ("scales", separate_share)):
            key = (prefix, FUSED.get(projection, projection), t.layers, copies, name)
            fused[key] = fused.get(key, 0.0) + card_bytes * share / copies
    return sum(
        key[3] / d.pp * (-round(size) % ALLOCATED_STEP_BYTES)
        for key, size in fused.items()
        if size >= ALLOCATED_ALONE_BYTES
    )


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
        hidden, sides_sum = model.hidden_size, 0.0
        for t in model.tensors:
            if t.role in ("attention", "mlp", "shared_expert") and t.elements > 4 * hidden:
                sides_sum += t.copies * (hidden + t.elements / hidden)
        model.memo["lora"] = sides_sum
    return rank * model.memo["lora"]
