"""Memory of a card beside weights and cache: the driver's, the engine's and its CUDA graphs.

vLLM measures this when it starts: it runs its largest batch once and takes the peak out of
its share of the card (v1/worker/gpu_worker.py, determine_available_memory). The terms below
are that batch, tensor by tensor, so they follow the limits that the engine is started with.
"""

import math

from .. import law
from ..bandwidth import ACTIVATION_BYTES
from ..numeric import Number, maximum, minimum
from ..spec import Attention, Deployment, Gpu, Model
from .cache import OVERLAPPING_STRIDE, SUM_BYTES

# Memory that the driver of an NVIDIA card keeps. An H100 is reported as 81 559 MiB and leaves
# 79.19 GiB to CUDA (the llmd rows of benchmarks/measured.csv). Cards of 24 GB keep as much, and
# larger ones more.
DRIVER_BYTES = 81_559 * 2**20 - 79.19 * 2**30
DRIVER_SHARE = DRIVER_BYTES / (81_559 * 2**20)
# Links whose switch reduces in the network, for which NCCL allocates large buffers.
REDUCING_LINKS = ("nvlink4", "nvlink5")
MOST_GRAPH_SEQS = 512  # largest captured batch where Engine.graph_bytes was measured
MLA_ROWS = 65_536  # most rows that MLA's prefill expands in the profile
# An indexer in vLLM gathers 40 contexts' entries (mla/indexer.py, get_max_prefill_buffer_size) and
# scores them in 512 MiB (envs.py, VLLM_SPARSE_INDEXER_MAX_LOGITS_MB).
GATHERED_CONTEXTS = 40
SCORES_BYTES = 512 * 2**20
# DeepSeek V4 (deepseek_v4/nvidia/flashmla.py): queries are padded to 64 heads or 128, and four
# prompts' caches are unpacked at once.
PADDED_HEADS = 64
UNPACKED_PROMPTS = 4


def usable_bytes(gpu: Gpu) -> float:
    """Compute the memory of a card that an engine can see.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    float
        The memory the driver reports, less what an NVIDIA driver keeps of a card of its
        own; all of a memory that is shared with the host [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> round(usable_bytes(catalog.gpu("h100-sxm")) / 2**30, 2)
    79.19
    """
    if gpu.parts:  # the mean of unequal cards: each has a driver of its own
        return sum(usable_bytes(card) for card in gpu.parts) / len(gpu.parts)
    if gpu.vendor != "nvidia" or gpu.unified_memory:
        return gpu.memory_visible_bytes
    driver_bytes = max(DRIVER_BYTES, DRIVER_SHARE * gpu.memory_visible_bytes)
    return gpu.memory_visible_bytes - driver_bytes


def sampling_bytes(deployment: Deployment) -> float:
    """Compute the peak of sampling a full batch over the vocabulary.

    Tensor parallelism does not divide it: every card gathers all logits.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        `seqs x vocabulary` logits in all their copies, beside the states of the batch's
        tokens [bytes].

    References
    ----------
    vLLM, v1/worker/gpu_model_runner.py, `_dummy_sampler_run`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> few = catalog.deployment(model="llama-3.1-8b", gpu="rtx-3090", max_num_seqs=64)
    >>> sampling_bytes(few) / 2**30 < 0.2
    True
    """
    d, model = deployment, deployment.model
    logits = d.seqs_limit * model.vocab_size * d.engine.sampling_bytes_per_logit
    rows = d.batch_limit_tokens + d.seqs_limit
    return logits + rows * model.hidden_size * ACTIVATION_BYTES


def forward_bytes(deployment: Deployment) -> float:
    """Compute the peak of one layer's pass over the largest batch.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        The residual stream, the widest dense layer's intermediate states, its output and,
        for latent attention, the expanded keys and values; where an indexer picks what to
        attend to, its scores, and in DeepSeek V4 all that lies beside them [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> 0.6 < forward_bytes(d) / 2**30 < 0.9
    True
    """
    d, model = deployment, deployment.model
    width, gated = _width(model, ("mlp", "shared_expert"))
    mlp_elements = width * (3 if gated else 2) / d.tp
    dense_bytes = d.batch_limit_tokens * (2 * model.hidden_size + mlp_elements) * ACTIVATION_BYTES
    indexed = _profiled_indexer(d)
    if indexed is None:
        return dense_bytes + _latent_bytes(d)
    if indexed.stride_tokens > 1:
        dense_bytes = maximum(dense_bytes, d.batch_limit_tokens * _compressed_width(d, indexed))
    return dense_bytes + (SCORES_BYTES if d.engine.release >= (0, 19) else 0)


def _profiled_indexer(d: Deployment) -> Attention | None:
    """Find the sparse attention over latents whose indexer vLLM profiles."""
    if d.engine.family != "vllm" or "sparse" not in d.model.kinds:
        return None
    return next((a for a in d.model.attention if a.kind == "sparse" and a.latent_dim), None)


def _compressed_width(d: Deployment, a: Attention) -> float:
    """Count the bytes of a token in DeepSeek V4 while its indexer scores (its attention.py)."""
    model = d.model
    heads = -(-a.heads // d.attention_shards // PADDED_HEADS) * PADDED_HEADS
    queries_and_output = 2 * heads * a.head_dim
    projection_widths = {t.name: t.elements / model.hidden_size for t in model.tensors}
    projected = 2 * (projection_widths["attn.wq_a"] + a.head_dim)  # with a copy for their norms
    overlap = 2 if a.stride_tokens <= OVERLAPPING_STRIDE else 1
    sums = 2 * overlap * (a.head_dim + a.index_dim) * SUM_BYTES
    streams = math.isqrt(int(projection_widths["hc_head"])) + 1  # and the layer's own input
    states = streams * model.hidden_size + queries_and_output + projected
    return states * ACTIVATION_BYTES + sums + a.index_heads * a.index_dim


def gathered_bytes(deployment: Deployment) -> float:
    """Compute the cache entries that an indexer gathers for the longest prompts.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Entries of the indexer, or of DeepSeek V4 the vectors that prefill unpacks where they
        take more; 0 without an indexer, and before vLLM 0.13 [bytes].

    References
    ----------
    vLLM, model_executor/layers/sparse_attn_indexer.py; deepseek_v4/nvidia/flashmla.py.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="deepseek-v3.2", gpu="h200-sxm", tp=8)
    >>> gathered_bytes(d) / 1e6  # as its comment says: 825 MiB
    865.0752
    """
    d, a = deployment, _profiled_indexer(deployment)
    if a is None or d.engine.release < (0, 13):
        return 0.0
    length = d.max_model_len or d.model.max_context_tokens
    entries = GATHERED_CONTEXTS * length // a.stride_tokens * a.index_dim * a.index_bytes
    if a.stride_tokens == 1:
        return entries
    window = max(layer.window_tokens for layer in d.model.attention)
    rows = -(-length // a.stride_tokens) + window + d.batch_limit_tokens
    return maximum(entries, UNPACKED_PROMPTS * rows * a.head_dim * ACTIVATION_BYTES)


def _latent_bytes(d: Deployment) -> float:
    """Size the keys and values that MLA expands in the profile (vLLM, mla_attention.py)."""
    if "mla" not in d.model.kinds:
        return 0.0
    latent = next((a for a in d.model.attention if a.kind == "mla" and a.stride_tokens == 1), None)
    if latent is None:
        return 0.0
    length = d.max_model_len or d.model.max_context_tokens
    rows = minimum(maximum(8 * length, 4 * d.seqs_limit * d.block_tokens), MLA_ROWS)
    rows = maximum(rows, d.seqs_limit * d.block_tokens)
    head_elements = latent.head_dim - latent.rope_dim + latent.v_head_dim
    return rows * latent.heads / d.attention_shards * head_elements * ACTIVATION_BYTES


def _width(model: Model, roles: tuple[str, ...]) -> tuple[float, bool]:
    """Find the widest intermediate state of layers of some roles, and whether a gate doubles it."""
    if roles not in model.memo:
        model.memo[roles] = _widest(model, roles)
    return model.memo[roles]


def _widest(model: Model, roles: tuple[str, ...]) -> tuple[float, bool]:
    tensors = [t for t in model.tensors if t.role in roles and t.elements > model.hidden_size]
    if not tensors:
        return 0.0, False
    width = max(t.elements for t in tensors) / model.hidden_size
    return width, any("gate" in t.name for t in tensors)


def expert_bytes(deployment: Deployment) -> float:
    """Compute the workspace of the expert kernels for the largest batch.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Two buffers of a row for each token and expert: what goes in or comes out of the
        first product, and of the second; 0 without experts [bytes].

    References
    ----------
    vLLM, model_executor/layers/fused_moe/fused_moe.py, `workspace_shapes`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="qwen3-30b-a3b", gpu="h100-sxm")
    >>> expert_bytes(d) / 2**30
    0.5
    """
    d, model = deployment, deployment.model
    if not model.experts:
        return 0.0
    width, gated = _width(model, ("expert",))
    width = width * (2 if gated else 1) * d.ep / d.tp
    rows = d.batch_limit_tokens * model.experts_per_token
    inner = width / 2 if gated else width
    if d.weights.name.startswith("mxfp4"):  # its kernels keep only the state between both products
        return rows * inner * ACTIVATION_BYTES
    return rows * (max(inner, model.hidden_size) + max(width, model.hidden_size)) * ACTIVATION_BYTES


def activation_bytes(deployment: Deployment) -> float:
    """Compute the activation peak that an engine takes out of its share of the card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        The larger of a pass over the largest batch and of sampling it, with the counts that
        sampling keeps, the workspace of the experts and the output of a vision tower; on each
        card [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", engine="vllm-0.19", tp=2)
    >>> round(activation_bytes(d) / 2**30, 1)  # the log says 1.96
    2.0
    """
    d = deployment
    if not d.engine.profiled:
        return 0.0
    return sum(activation_parts(d).values()) + maximum(sampling_bytes(d), forward_bytes(d))


def activation_parts(deployment: Deployment) -> dict[str, float]:
    """List the activations that an engine keeps beside the larger of a pass and of sampling.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    dict of str to float
        What is the same for all models, the counts that sampling keeps, the workspace of
        the experts, what an indexer gathers beyond it, for both share one buffer
        (v1/worker/workspace.py), and the output of a vision tower, each by its name [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="qwen3-30b-a3b", gpu="h100-sxm")
    >>> activation_parts(d)["experts"] / 2**30
    0.5
    """
    d, model = deployment, deployment.model
    experts = expert_bytes(d)
    return {
        "fixed": d.engine.activation_bytes,
        "token counts for penalties": (
            d.seqs_limit * model.vocab_size * d.engine.counted_bytes_per_logit
        ),
        "experts": experts,
        "gathered cache": maximum(gathered_bytes(d) - experts, 0.0),
        "vision": d.batch_limit_tokens * model.hidden_size * ACTIVATION_BYTES
        if model.sees
        else 0.0,
    }


def runtime_bytes(deployment: Deployment) -> float:
    """Compute the memory outside the framework's allocator.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Kernels that are loaded late and buffers of communication; these are large only
        where the link's switch reduces, as on H100 with NVLink [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> plain = {"model": "llama-3.1-8b", "gpu": "rtx-3090", "engine": "vllm-0.19"}
    >>> runtime_bytes(catalog.deployment(**plain)) == runtime_bytes(
    ...     catalog.deployment(**plain, tp=2))
    True
    """
    return sum(runtime_parts(deployment).values())


def runtime_parts(deployment: Deployment) -> dict[str, float]:
    """List the parts of the memory outside the framework's allocator.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    dict of str to float
        Kernels with the buffers of the link, what AMD's cards take more, and for vLLM from
        0.29, which measures free memory, what weights are rounded up by, each by its name
        [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> list(runtime_parts(catalog.deployment(model="llama-3.1-8b", gpu="mi300x")))[1:]
    ["AMD's"]
    """
    d = deployment
    if d.tp > 1 and d.gpu.link in REDUCING_LINKS:
        parts = {"kernels and buffers of a link that reduces": d.engine.runtime_tp_bytes}
    else:
        parts = {"kernels and buffers, the same for all models": d.engine.runtime_bytes}
    if d.gpu.vendor == "amd":
        parts["AMD's"] = d.engine.runtime_amd_bytes
    rounded = d.engine.family == "vllm" and d.engine.release >= (0, 29) and law.rounding_bytes(d)
    if rounded:
        parts["weights rounded up"] = rounded
    return parts


def graph_bytes(deployment: Deployment) -> float:
    """Compute the memory of the CUDA graphs that an engine captures.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Graphs of the engine's list of batch sizes, for steps with and without prefill;
        0 where it runs without them [bytes].

    References
    ----------
    vLLM, config/vllm.py, `_set_cudagraph_sizes`: 1, 2, 4, each 8 below 256, each 16 above.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", eager=True)
    >>> graph_bytes(d)
    0.0
    """
    d = deployment
    if d.eager:
        return 0.0
    max_seqs = d.graph_seqs_limit
    layers = -(-d.model.layers // d.pp)
    share = (_graphs(max_seqs) + _graphs(minimum(max_seqs, d.seqs_limit))) / (2 * MOST_GRAPHS)
    return (d.engine.graph_bytes + d.engine.graph_bytes_per_layer * layers) * share


def _graphs(max_seqs: Number) -> Number:
    """Count the batch sizes that are captured up to the largest."""
    return minimum(max_seqs, 3) + minimum(max_seqs, 248) // 8 + maximum(0, (max_seqs - 240) // 16)


MOST_GRAPHS = _graphs(MOST_GRAPH_SEQS)
