"""Stage 1, the law: what one token costs in bytes and in FLOP.

A decode step reads the weights once for the whole batch and each sequence's
cache once for itself, and multiplies every token with every active weight.
Which of the two takes longer is the roofline. Formulas take plain numbers, or
arrays; the functions at the end unpack a `Deployment` and call them.
"""

from typing import NamedTuple

from .numeric import maximum, minimum, where


def matmul_flops(*, params, tokens):
    """Count the work of multiplying tokens with weights.

    One multiply and one add for each parameter and token.

    Parameters
    ----------
    params : float or array
        Parameters a token is multiplied with [-].
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Work [FLOP].

    References
    ----------
    Kaplan et al. 2020, arXiv 2001.08361, section 2.1.

    Examples
    --------
    >>> matmul_flops(params=70.6e9, tokens=6000) / 1e14
    8.472
    """
    return 2 * params * tokens


def attention_flops(*, heads, qk_dim, v_dim, tokens_read):
    """Count the work of one query token against the tokens it attends to.

    Scores take `2 heads qk_dim` a token, the weighted sum `2 heads v_dim`.

    Parameters
    ----------
    heads : float or array
        Query heads [-].
    qk_dim, v_dim : float or array
        Width of a key and of a value [elements].
    tokens_read : float or array
        Cached tokens attended to [tokens].

    Returns
    -------
    float or array
        Work of one layer for one query [FLOP].

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135, section 2.2.

    Examples
    --------
    >>> attention_flops(heads=64, qk_dim=128, v_dim=128, tokens_read=8000)
    262144000
    """
    return 2 * heads * (qk_dim + v_dim) * tokens_read


def gqa_elements_per_token(*, kv_heads, head_dim, v_head_dim=None):
    """Count what grouped-query attention keeps for a token in one layer.

    Parameters
    ----------
    kv_heads : float or array
        Key-value heads [-].
    head_dim : float or array
        Width of a key [elements].
    v_head_dim : float or array, optional
        Width of a value; as wide as a key when left out [elements].

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


def mla_elements_per_token(*, latent_dim, rope_dim):
    """Count what multi-head latent attention keeps for a token in one layer.

    Parameters
    ----------
    latent_dim : float or array
        The compressed key-value vector [elements].
    rope_dim : float or array
        The positional key beside it [elements].

    Returns
    -------
    float or array
        The latent, once for all heads [elements].

    References
    ----------
    DeepSeek-AI 2024, arXiv 2405.04434, section 2.1.

    Examples
    --------
    >>> mla_elements_per_token(latent_dim=512, rope_dim=64)
    576
    """
    return latent_dim + rope_dim


def experts_touched(*, experts, experts_per_token, tokens):
    """Expect how many experts of a layer a batch makes the card read.

    With even routing an expert is missed by one token with probability
    `1 - k/E`, by all of them with that to the power of the batch.

    Parameters
    ----------
    experts : float or array
        Routed experts E [-].
    experts_per_token : float or array
        Experts k a token visits [-].
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Expected distinct experts, `E (1 - (1 - k/E)^tokens)` [-].

    Examples
    --------
    >>> round(experts_touched(experts=256, experts_per_token=8, tokens=16), 1)
    102.0
    """
    return experts * (1 - (1 - experts_per_token / experts) ** tokens)


def routing_load(*, experts, experts_per_token):
    """Weigh a layer's routing against one of 256 experts of which 8 answer.

    Scoring, sorting and gathering take longer the more experts there are and
    the more of them answer. How much longer was found by leaving models out of
    the fit: neither alike for all layers nor in proportion to the experts did
    as well.

    Parameters
    ----------
    experts : float or array
        Routed experts E [-].
    experts_per_token : float or array
        Experts k a token visits [-].

    Returns
    -------
    float or array
        `sqrt(E / 256) k / 8` [-].

    Examples
    --------
    >>> routing_load(experts=256, experts_per_token=8)
    1.0
    >>> routing_load(experts=64, experts_per_token=4)
    0.25
    """
    return (experts / 256) ** 0.5 * experts_per_token / 8


def arithmetic_intensity(*, flops, bytes_moved):
    """Divide work by traffic.

    Parameters
    ----------
    flops : float or array
        Work [FLOP].
    bytes_moved : float or array
        Traffic between memory and compute [bytes].

    Returns
    -------
    float or array
        Intensity [FLOP/byte].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> arithmetic_intensity(flops=141e9, bytes_moved=70.5e9)
    2.0
    """
    return flops / bytes_moved


def ridge_point(*, flop_s, bandwidth_bytes_s):
    """Find the intensity at which a card turns from memory to compute bound.

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


def roofline_s(*, flops, bytes_moved, flop_s, bandwidth_bytes_s):
    """Take the longer of computing and reading.

    Parameters
    ----------
    flops : float or array
        Work [FLOP].
    bytes_moved : float or array
        Traffic [bytes].
    flop_s : float or array
        Rate of computing [FLOP/s].
    bandwidth_bytes_s : float or array
        Rate of reading [bytes/s].

    Returns
    -------
    float or array
        Time, when both overlap perfectly [s].

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
    """Weight bytes of one card: what it stores and what a step reads.

    Attributes
    ----------
    stored_bytes : float
        On the fullest card of the deployment [bytes].
    dense_read_bytes : float
        Read by every step over all pipeline stages, experts apart [bytes].
    expert_read_bytes : float
        Read over all stages when every routed expert is touched [bytes].
    by_role : dict
        Stored bytes by role of tensor [bytes].
    """

    stored_bytes: float
    dense_read_bytes: float
    expert_read_bytes: float
    by_role: dict


def _shards(tensor, tp, kv_heads, dp_attention):
    attends = tensor.role == "attention"
    if tensor.split == "none" or (attends and dp_attention):
        return 1
    if tensor.split == "kv":
        return min(tp, kv_heads) if kv_heads else tp
    return tp


def _base_bytes(model, weights):
    """Bytes of an element that the weight format leaves alone."""
    return 4.0 if weights.name == "fp32" else 2.0


def _padding(tensor, weights, model, tp):
    """Growth of an expert's matrix whose sides its kernel pads.

    gpt-oss pads one side (2 880 to 3 072) in the logs of a single card, rows m07898 and
    m07899 of the measured set, and both once it is split, row m07786.
    """
    to = weights.pad_to
    if not to or tensor.role != "expert":
        return 1.0
    hidden, inner = model.hidden_size, tensor.elements / model.hidden_size / tp
    growth = -(-inner // to) * to / inner
    return growth * (-(-hidden // to) * to / hidden) if tp > 1 else growth


def weight_bytes(model, weights, *, tp=1, pp=1, dp_attention=False):
    """Add up a model's weights on one card, tensor by tensor.

    A format converts the roles it covers and leaves the others in 16 bit: an
    FP8 checkpoint keeps its embeddings and its head in BF16. Key and value
    projections are copied once there are more cards than KV heads; norms,
    routers and latent down-projections are copied on every card.

    Parameters
    ----------
    model : Model
        The model [-].
    weights : Format
        How its weights are stored [-].
    tp, pp : int
        Cards that split a layer, and stages that split the layers [-].
    dp_attention : bool
        Whether every card holds all of the attention weights [-].

    Returns
    -------
    Weights
        Stored and read bytes of the fullest card [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> w = weight_bytes(catalog.model("llama-3.1-70b"), catalog.format("fp8"))
    >>> round(w.stored_bytes / 2**30, 1)
    67.7
    """
    key = (weights.name, tp, pp, dp_attention)
    if key in model.memo:
        return model.memo[key]
    base, per = _base_bytes(model, weights), weights.bytes_per_element
    stage = -(-model.layers // pp) / model.layers
    by_role: dict[str, float] = {}
    dense, expert, ends = 0.0, 0.0, {"embedding": 0.0, "head": 0.0}
    for t in model.tensors:
        element = per if t.role in weights.covers and not t.kept else base
        element *= _padding(t, weights, model, tp)
        on_card = t.params * element / _shards(t, tp, model.kv_heads, dp_attention)
        if t.role == "mtp":
            continue  # engines load them only when they speculate
        if t.role in ends:
            ends[t.role] += on_card
        else:
            by_role[t.role] = by_role.get(t.role, 0.0) + on_card * stage
        if t.role == "expert":
            expert += on_card
        elif t.role not in ("embedding", "vision"):
            dense += on_card
    if model.tied_embeddings:
        dense += ends["embedding"]
    if model.table_bytes:
        by_role["tables"] = model.table_bytes * base / 2
    if pp == 1:
        by_role.update({role: b for role, b in ends.items() if b})
    else:
        role = max(ends, key=lambda end: ends[end])
        by_role[role] = ends[role]
    result = Weights(sum(by_role.values()), dense, expert, by_role)
    model.memo[key] = result
    return result


def weights_of(deployment):
    """Add up the weights of a deployment's fullest card.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].

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
    return weight_bytes(d.model, d.weights, tp=d.tp, pp=d.pp, dp_attention=d.dp_attention)


def kv_elements(attention):
    """Count what one layer of an attention kind adds to the cache for a token.

    Parameters
    ----------
    attention : Attention
        The token mixer [-].

    Returns
    -------
    int
        Elements in the KV format, over all KV heads [elements].

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


def tokens_stored(attention, context_tokens):
    """Say how many cache entries a layer keeps for a sequence.

    Parameters
    ----------
    attention : Attention
        The token mixer [-].
    context_tokens : float or array
        Tokens of the sequence so far [tokens].

    Returns
    -------
    float or array
        Entries kept [-].

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


def tokens_read(attention, context_tokens):
    """Say how many cache entries a decode step reads of a sequence.

    Parameters
    ----------
    attention : Attention
        The token mixer [-].
    context_tokens : float or array
        Tokens of the sequence so far [tokens].

    Returns
    -------
    float or array
        Entries read; a sparse layer reads its best `topk_tokens` [-].

    Examples
    --------
    >>> from llmcap_kernel.spec import Attention
    >>> a = Attention("sparse", layers=61, heads=128, latent_dim=512, topk_tokens=2048)
    >>> tokens_read(a, 100_000), tokens_read(a, 1000)
    (2048, 1000)
    """
    kept = tokens_stored(attention, context_tokens)
    return minimum(kept, attention.topk_tokens) if attention.kind == "sparse" else kept


def _kv_shards(attention, tp, dp_attention):
    if dp_attention or attention.latent_dim:
        return 1  # one latent serves all heads, so every card needs all of it
    return min(tp, attention.kv_heads) if attention.kv_heads else tp


def kv_bytes_per_sequence(model, kv, context_tokens, *, tp=1, pp=1, dp_attention=False):
    """Add up the cache of one sequence on one card.

    Tensor parallelism splits the cache by KV head and copies it beyond them; a
    latent cache has no heads to split and is copied on every card. Under
    data-parallel attention a card holds all of a sequence, but only its own.

    Parameters
    ----------
    model : Model
        The model [-].
    kv : Format
        How keys and values are stored [-].
    context_tokens : float or array
        Tokens of the sequence [tokens].
    tp, pp : int
        Cards that split a layer, stages that split the layers [-].
    dp_attention : bool
        Whether sequences are divided over the cards instead of heads [-].

    Returns
    -------
    float or array
        Cache and states of the sequence on the fullest card [bytes].

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
    return _cache_bytes(model, kv, context_tokens, tokens_stored, 1, tp, pp, dp_attention)


def kv_read_bytes_per_sequence(model, kv, context_tokens, *, tp=1, dp_attention=False):
    """Add up what a decode step reads of one sequence's cache on one card.

    Parameters
    ----------
    model : Model
        The model [-].
    kv : Format
        How keys and values are stored [-].
    context_tokens : float or array
        Tokens of the sequence so far [tokens].
    tp : int
        Cards that split a layer [-].
    dp_attention : bool
        Whether sequences are divided over the cards instead of heads [-].

    Returns
    -------
    float or array
        Read over all layers; a state is read and written [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> llama, fp8 = catalog.model("llama-3.1-70b"), catalog.format("fp8")
    >>> kv_read_bytes_per_sequence(llama, fp8, 8000) / 1e9
    1.31072
    """
    return _cache_bytes(model, kv, context_tokens, tokens_read, 2, tp, 1, dp_attention)


def _cache_bytes(model, kv, context_tokens, entries, state_passes, tp, pp, dp_attention):
    total = 0.0
    for a in model.attention:
        shards = _kv_shards(a, tp, dp_attention)
        layers = -(-a.layers // pp)
        if a.kind == "linear":
            total = total + layers * a.state_bytes * state_passes / shards
            continue
        per_entry = kv_elements(a) * kv.bytes_per_element / shards
        total = total + layers * per_entry * entries(a, context_tokens)
        if a.index_dim:
            # the indexer scores every token kept, and every card keeps its own copy
            kept = tokens_stored(a, context_tokens)
            total = total + layers * a.index_dim * a.index_bytes * kept
    return total


def kv_shared_bytes(model, kv, prefix_tokens, *, tp=1, pp=1, dp_attention=False):
    """Add up the part of a cache that sequences with one prefix can share.

    Windows and states move on with each sequence, so only layers that keep
    every token share them.

    Parameters
    ----------
    model : Model
        The model [-].
    kv : Format
        How keys and values are stored [-].
    prefix_tokens : float or array
        Leading tokens the sequences have in common [tokens].
    tp, pp : int
        Cards that split a layer, stages that split the layers [-].
    dp_attention : bool
        Whether sequences are divided over the cards instead of heads [-].

    Returns
    -------
    float or array
        Cache held once for all of them on the fullest card [bytes].

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

    def whole(attention, context_tokens):
        keeps_all = attention.kind in ("full", "mla", "sparse")
        return tokens_stored(attention, context_tokens) if keeps_all else 0 * context_tokens

    return _cache_bytes(model, kv, prefix_tokens, whole, 0, tp, pp, dp_attention)


def lora_params(model, rank):
    """Count the parameters of one low-rank adapter on every linear layer.

    Each matrix of `in x out` gets two of rank `r`: `r (in + out)`. One side of
    nearly every matrix of a decoder is its hidden size, so `in + out` is taken
    as `hidden + elements / hidden`.

    Parameters
    ----------
    model : Model
        The base model [-].
    rank : float or array
        Rank of the adapter [-].

    Returns
    -------
    float or array
        Parameters of the adapter; experts and tables have none [-].

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


def attention_flops_per_token(model, context_tokens):
    """Count the attention work of one new token over all layers.

    MLA is counted as decode runs it, with the up-projections absorbed: every
    head attends in the latent space.

    Parameters
    ----------
    model : Model
        The model [-].
    context_tokens : float or array
        Tokens of the sequence so far [tokens].

    Returns
    -------
    float or array
        Work over all layers [FLOP].

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


def prefill_attention_flops(model, tokens, cached_tokens=0):
    """Count the attention work of prefilling a prompt.

    The n-th token attends to n tokens, so the sum is quadratic for full
    attention and linear beyond the window for windowed layers. MLA prefills
    with its heads unfolded, not in the latent space.

    Parameters
    ----------
    model : Model
        The model [-].
    tokens : float or array
        Prompt tokens to compute [tokens].
    cached_tokens : float or array
        Tokens before them that a prefix cache holds [tokens].

    Returns
    -------
    float or array
        Work over all layers [FLOP].

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
        # the best entries are as many wherever an entry stands for several tokens
        best = a.topk_tokens * a.stride_tokens
        cap = {"window": a.window_tokens, "sparse": best}.get(a.kind, 0)
        pairs = _causal_pairs(tokens, cached_tokens, cap)
        qk, v = a.head_dim or a.latent_dim + a.rope_dim, a.v_head_dim or a.head_dim or a.latent_dim
        work = attention_flops(heads=a.heads, qk_dim=qk, v_dim=v, tokens_read=pairs)
        total = total + a.layers * work / a.stride_tokens
        if a.index_dim:
            index_pairs = _causal_pairs(tokens, cached_tokens, 0) / a.stride_tokens
            total = total + a.layers * 2 * a.index_heads * a.index_dim * index_pairs
    return total


def _causal_pairs(tokens, cached, cap):
    """Sum over new tokens of the tokens each attends to, at most `cap` where set."""
    full = tokens * cached + tokens * (tokens + 1) / 2
    if not cap:
        return full
    ramp = maximum(minimum(cap - cached, tokens), 0)  # tokens that still see less than the cap
    early = ramp * cached + ramp * (ramp + 1) / 2
    return where(ramp > 0, early + (tokens - ramp) * cap, tokens * cap)
