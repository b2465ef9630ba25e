"""The pieces models are made of: token mixers, feed-forwards, towers.

A piece lists the tensors of one layer and, for a mixer, what it caches.
Biases and other vectors have the role "norm": no format quantises them and no
matrix product reads them.
"""

from dataclasses import dataclass, replace

from ..refuse import BadInput
from ..spec import Attention, Tensor


@dataclass(frozen=True)
class Part:
    """What one layer, or a share of one, is made of.

    Parameters
    ----------
    tensors : tuple of Tensor
        Its weights [-].
    attention : tuple of Attention
        The caches it keeps, one layer each [-].
    experts, experts_per_token : int
        Routed experts and how many a token visits; 0 for none [-].
    """

    tensors: tuple = ()
    attention: tuple = ()
    experts: int = 0
    experts_per_token: int = 0

    def __add__(self, other):
        return Part(
            self.tensors + other.tensors,
            self.attention + other.attention,
            max(self.experts, other.experts),
            max(self.experts_per_token, other.experts_per_token),
        )


NOTHING = Part()


def matrix(name, role, rows, columns, split="tp", **more):
    """Make a weight matrix's record."""
    return Tensor(name, role, rows * columns, split=split, **more)


def vector(name, elements, split="none", **more):
    """Make a norm's, bias's or other vector's record."""
    return Tensor(name, "norm", elements, split=split, **more)


def norms(width, count=1, bias=False, name="layernorm"):
    """List a layer's norms over the residual stream."""
    if not count:
        return NOTHING
    return Part((vector(name, width * (2 if bias else 1), copies=count),))


def shape(c, heads_default=None):
    """Read hidden size, query heads, KV heads and head width, the usual way."""
    hidden = c.width("hidden_size", "n_embd", "d_model", "dim")
    heads = c.whole("num_attention_heads", "n_head", "n_heads", "num_heads", limit="heads")
    kv = c.whole("num_key_value_heads", "num_kv_heads", "n_head_kv", default=heads, limit="heads")
    head = c.whole("head_dim", "attention_head_dim", default=None, limit="head")
    if head is None:
        head = max(1, hidden // heads)
    if heads % kv:
        raise BadInput(
            c.path("num_key_value_heads"),
            f"{c.path('num_key_value_heads')} is {kv}: it must divide the {heads} query heads.",
        )
    return hidden, heads, kv, head


def gqa(
    c,
    *,
    sizes=None,
    v_head=None,
    qkv_bias=False,
    o_bias=False,
    qk_norm="",
    norm_bias=False,
    gate=False,
    sinks=False,
    window=0,
    has_v=True,
    extra=(),
    prefix="self_attn",
    cached=True,
):
    """List grouped-query attention, which MHA and MQA are cases of.

    Parameters
    ----------
    c : Fields
        The config [-].
    sizes : tuple of int, optional
        Hidden size, query heads, KV heads, head width, when not the usual [-].
    v_head : int, optional
        A value's width, when not a key's [elements].
    qkv_bias, o_bias : bool
        Which projections have a bias [-].
    qk_norm : str
        "head" for a norm as wide as one head, "heads" for one a head apart,
        "full" as wide as all heads, "" for none [-].
    gate : bool
        Whether the query projection also makes an output gate, twice as wide [-].
    window : int
        Tokens it looks back; 0 for all [tokens].
    has_v : bool
        False when keys serve as values [-].
    cached : bool
        False when it reads another layer's cache and has no K and V [-].

    Returns
    -------
    Part
        One layer's tensors and cache [-].
    """
    hidden, heads, kv, head = sizes or shape(c)
    value = v_head or head
    q_out = heads * head * (2 if gate else 1)
    rows = [matrix(f"{prefix}.q_proj", "attention", hidden, q_out)]
    biases = [("q", q_out, "tp")]
    if cached:
        rows.append(matrix(f"{prefix}.k_proj", "attention", hidden, kv * head, "kv"))
        biases.append(("k", kv * head, "kv"))
        if has_v:
            rows.append(matrix(f"{prefix}.v_proj", "attention", hidden, kv * value, "kv"))
            biases.append(("v", kv * value, "kv"))
    rows.append(matrix(f"{prefix}.o_proj", "attention", heads * value, hidden))
    if qkv_bias:
        rows += [vector(f"{prefix}.{n}_proj.bias", size, split) for n, size, split in biases]
    if o_bias:
        rows.append(vector(f"{prefix}.o_proj.bias", hidden))
    if qk_norm:
        pairs = {"head": (head, head), "heads": (heads * head, kv * head)}
        q_width, k_width = pairs.get(qk_norm, (heads * head, kv * head))
        twice = 2 if norm_bias else 1
        rows.append(vector(f"{prefix}.q_norm", q_width * twice))
        if cached:
            rows.append(vector(f"{prefix}.k_norm", k_width * twice))
    if sinks:
        rows.append(vector(f"{prefix}.sinks", heads, "tp"))
    rows += extra
    if not cached:
        return Part(tuple(rows))
    kind = {"kind": "window", "window_tokens": window} if window else {"kind": "full"}
    cache = Attention(layers=1, heads=heads, kv_heads=kv, head_dim=head, v_head_dim=value, **kind)
    return Part(tuple(rows), (cache,))


def mla(c, *, indexer=None, bias=False, norm_q=True):
    """List multi-head latent attention, and its sparse form with an indexer.

    Parameters
    ----------
    c : Fields
        The config [-].
    indexer : str, optional
        "full" for a layer with its own indexer, "shared" for one that takes
        the choice of the layer before, None for dense attention [-].

    Returns
    -------
    Part
        One layer's tensors and cache [-].
    """
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    q_rank = c.width("q_lora_rank", default=0)
    latent = c.width("kv_lora_rank")
    nope = c.whole("qk_nope_head_dim", limit="head")
    rope = c.whole("qk_rope_head_dim", limit="head")
    value = c.whole("v_head_dim", limit="head")
    query = heads * (nope + rope)
    if q_rank:
        rows = [
            matrix("self_attn.q_a_proj", "attention", hidden, q_rank, "none"),
            matrix("self_attn.q_b_proj", "attention", q_rank, query),
            vector("self_attn.q_a_layernorm", q_rank),
        ]
    else:
        rows = [matrix("self_attn.q_proj", "attention", hidden, query)]
    rows += [
        matrix("self_attn.kv_a_proj_with_mqa", "attention", hidden, latent + rope, "none"),
        matrix("self_attn.kv_b_proj", "attention", latent, heads * (nope + value)),
        vector("self_attn.kv_a_layernorm", latent),
        matrix("self_attn.o_proj", "attention", heads * value, hidden),
    ]
    if bias:
        rows += [
            vector("self_attn.q_a_proj.bias", q_rank or query),
            vector("self_attn.kv_a_proj_with_mqa.bias", latent + rope),
            vector("self_attn.o_proj.bias", hidden),
        ]
    cache = {
        "layers": 1,
        "heads": heads,
        "kv_heads": 1,
        "head_dim": nope + rope,
        "v_head_dim": value,
        "latent_dim": latent,
        "rope_dim": rope,
    }
    if indexer is None:
        return Part(tuple(rows), (Attention(kind="mla", **cache),))
    index_heads = c.whole("index_n_heads", limit="heads")
    width = c.whole("index_head_dim", limit="head")
    topk = c.whole("index_topk", limit="tokens")
    own = indexer == "full"
    if own:
        rows += [
            matrix(
                "self_attn.indexer.wq_b", "attention", q_rank or hidden, index_heads * width, "none"
            ),
            matrix("self_attn.indexer.wk", "attention", hidden, width, "none"),
            matrix("self_attn.indexer.weights_proj", "attention", hidden, index_heads, "none"),
            vector("self_attn.indexer.k_norm", 2 * width),
        ]
    # The index cache is FP8 with one four-byte scale for each key of 128.
    sparse = {"topk_tokens": topk, "index_dim": width if own else 0, "index_heads": index_heads}
    return Part(
        tuple(rows),
        (Attention(kind="sparse", index_bytes=(width + 4) / width, **sparse, **cache),),
    )


def mlp(c, size=None, *, gated=True, bias=False, role="mlp", prefix="mlp", hidden=None, **more):
    """List a feed-forward: gate, up and down, or up and down alone."""
    hidden = hidden or c.width("hidden_size", "n_embd", "d_model", "dim")
    size = size or c.whole("intermediate_size", limit="ffn")
    names = ["gate_proj", "up_proj"] if gated else ["up_proj"]
    rows = [matrix(f"{prefix}.{n}", role, hidden, size, **more) for n in names]
    rows.append(matrix(f"{prefix}.down_proj", role, size, hidden, **more))
    if bias:
        rows += [vector(f"{prefix}.{n}.bias", size, "tp", **_counts(more)) for n in names]
        rows.append(vector(f"{prefix}.down_proj.bias", hidden, **_counts(more)))
    return Part(tuple(rows))


def _counts(more):
    return {k: v for k, v in more.items() if k in ("copies", "active")}


def moe(
    c,
    experts,
    per_token,
    size,
    *,
    shared=0,
    shared_gate=False,
    router_bias=False,
    correction=False,
    gated=True,
    bias=False,
    hidden=None,
    latent=0,
    prefix="mlp",
    router=None,
):
    """List a mixture of experts: router, routed experts, shared expert.

    Parameters
    ----------
    c : Fields
        The config [-].
    experts, per_token : int
        Routed experts, and how many of them a token visits [-].
    size : int
        A routed expert's width [elements].
    shared : int
        The shared experts' width in all; 0 for none [elements].
    shared_gate : bool
        Whether a one-column gate weighs the shared expert [-].
    router_bias, correction : bool
        A bias in the router's projection; a bias that only steers the choice [-].
    latent : int
        Width the experts work in where a projection goes down to it and
        back; 0 when it is the hidden size [elements].

    Returns
    -------
    Part
        One layer's tensors [-].
    """
    if not 1 <= per_token <= experts:
        raise BadInput(
            c.path("num_experts_per_tok"),
            f"{c.path('num_experts_per_tok')} is {per_token}: it takes 1 to {experts}, the"
            " number of experts.",
        )
    hidden = hidden or c.width("hidden_size", "d_model")
    rows = [matrix(router or f"{prefix}.gate", "router", hidden, experts, "none")]
    for wanted, name in ((router_bias, "bias"), (correction, "e_score_correction_bias")):
        if wanted:
            rows.append(vector(f"{prefix}.gate.{name}", experts))
    if latent:
        rows += [
            matrix(f"{prefix}.fc1_latent_proj", "shared_expert", hidden, latent, "none"),
            matrix(f"{prefix}.fc2_latent_proj", "shared_expert", latent, hidden, "none"),
        ]
    part = Part(tuple(rows), (), experts, per_token)
    part += mlp(
        c,
        size,
        gated=gated,
        bias=bias,
        role="expert",
        prefix=f"{prefix}.experts",
        hidden=latent or hidden,
        copies=experts,
        active=per_token / experts,
        split="expert",
    )
    if shared:
        part += mlp(
            c,
            shared,
            gated=gated,
            role="shared_expert",
            prefix=f"{prefix}.shared_experts",
            hidden=hidden,
        )
    if shared_gate:
        part += Part((matrix(f"{prefix}.shared_expert_gate", "router", hidden, 1, "none"),))
    return part


def linear_state(state, state_bytes, conv, conv_bytes, flops):
    """Record a mixer that keeps a state of fixed size."""
    return Attention(
        kind="linear",
        layers=1,
        state_bytes=int(state * state_bytes + conv * conv_bytes),
        state_flops=int(flops),
    )


DTYPE_BYTES = {"float32": 4, "fp32": 4, "bfloat16": 2, "float16": 2, "fp16": 2, "bf16": 2}


def state_bytes(c, *names, default=2):
    """Read the width of a recurrent state's elements."""
    for name in names:
        kind = c.text(name)
        if kind:
            if kind not in DTYPE_BYTES:
                raise BadInput(
                    c.path(name), f"{c.path(name)} is {kind!r:.40}: it takes float32 or bfloat16."
                )
            return DTYPE_BYTES[kind]
    return default


def delta_net(c, *, split_projections=False):
    """List a gated delta-net layer, as Qwen3-Next and Qwen3.5 have it."""
    hidden = c.width("hidden_size")
    k_heads = c.whole("linear_num_key_heads", limit="heads")
    v_heads = c.whole("linear_num_value_heads", limit="heads")
    k_head = c.whole("linear_key_head_dim", limit="head")
    v_head = c.whole("linear_value_head_dim", limit="head")
    kernel = c.whole("linear_conv_kernel_dim", default=4, limit="head")
    keys, values = k_heads * k_head, v_heads * v_head
    channels = 2 * keys + values
    rows = (
        matrix("linear_attn.in_proj_qkvz", "attention", hidden, channels + values),
        matrix("linear_attn.in_proj_ba", "attention", hidden, 2 * v_heads),
        matrix("linear_attn.out_proj", "attention", values, hidden),
        vector("linear_attn.conv1d", channels * kernel, "tp"),
        vector("linear_attn.A_log_dt_bias", 2 * v_heads, "tp"),
        vector("linear_attn.norm", v_head),
    )
    cells = v_heads * k_head * v_head
    # Decay, read for the error, rank-one update, read for the output.
    flops = 7 * cells + 2 * channels * kernel
    cache = linear_state(
        cells, state_bytes(c, "mamba_ssm_dtype"), channels * (kernel - 1), 2, flops
    )
    return Part(rows, (cache,))


def mamba2(
    c,
    *,
    heads,
    head,
    groups,
    state,
    kernel,
    hidden=None,
    conv_bias=True,
    bias=False,
    norm=True,
    dtype=2,
    prefix="mixer",
):
    """List a Mamba-2 layer: one projection in, a short convolution, a state, one out."""
    hidden = hidden or c.width("hidden_size")
    inner = heads * head
    channels = inner + 2 * groups * state
    rows = [
        matrix(f"{prefix}.in_proj", "attention", hidden, inner + channels + heads),
        matrix(f"{prefix}.out_proj", "attention", inner, hidden),
        vector(f"{prefix}.conv1d", channels * (kernel + (1 if conv_bias else 0)), "tp"),
        vector(f"{prefix}.A_log_D_dt_bias", 3 * heads, "tp"),
    ]
    if norm:
        rows.append(vector(f"{prefix}.norm", inner, "tp"))
    if bias:
        rows.append(vector(f"{prefix}.proj.bias", inner + channels + heads + hidden))
    cells = inner * state
    cache = linear_state(
        cells, dtype, channels * (kernel - 1), 2, 5 * cells + 2 * channels * kernel
    )
    return Part(tuple(rows), (cache,))


def mamba1(
    c,
    *,
    hidden,
    inner,
    state,
    kernel,
    dt_rank,
    conv_bias=True,
    bias=False,
    inner_norms=0,
    dtype=2,
    prefix="mixer",
):
    """List a Mamba-1 layer, whose step size, B and C come from one small projection."""
    rows = [
        matrix(f"{prefix}.in_proj", "attention", hidden, 2 * inner),
        matrix(f"{prefix}.x_proj", "attention", inner, dt_rank + 2 * state),
        matrix(f"{prefix}.dt_proj", "attention", dt_rank, inner),
        matrix(f"{prefix}.out_proj", "attention", inner, hidden),
        vector(f"{prefix}.conv1d", inner * (kernel + (1 if conv_bias else 0)), "tp"),
        vector(f"{prefix}.A_log", inner * state, "tp"),
        vector(f"{prefix}.D_dt_bias", 2 * inner, "tp"),
    ]
    if inner_norms:
        rows.append(vector(f"{prefix}.dt_b_c_layernorm", inner_norms))
    if bias:
        rows.append(vector(f"{prefix}.proj.bias", 2 * inner + hidden))
    cells = inner * state
    cache = linear_state(cells, dtype, inner * (kernel - 1), 2, 7 * cells + 2 * inner * kernel)
    return Part(tuple(rows), (cache,))


def as_role(part, role, copies=1):
    """Give the tensors another role: a layer that serves multi-token prediction."""
    return tuple(
        replace(t, name=f"{role}.{t.name}", role=role, copies=t.copies * copies)
        for t in part.tensors
    )
