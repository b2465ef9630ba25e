"""Building blocks of decoder layers: attention, state-space mixers, feed-forwards.

A `Part` lists the tensors of one layer and, for a token mixer, its cache.
Biases and other vectors have the role "norm": no format quantises them and no
matrix product reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .config import Fields


@dataclass(frozen=True)
class Part:
    """The tensors and caches of one layer, or of a block in it.

    Parameters
    ----------
    tensors : tuple of Tensor
        The weights.
    attention : tuple of Attention
        The caches, each for one layer.
    experts, experts_per_token : int
        Routed experts, and how many of them a token is routed to; 0 for none.
    """

    tensors: tuple[Tensor, ...] = ()
    attention: tuple[Attention, ...] = ()
    experts: int = 0
    experts_per_token: int = 0

    def __add__(self, other: "Part") -> "Part":
        return Part(
            self.tensors + other.tensors,
            self.attention + other.attention,
            max(self.experts, other.experts),
            max(self.experts_per_token, other.experts_per_token),
        )


NOTHING = Part()


def matrix(name: str, role: str, rows: int, columns: int, split: str = "tp", **more: Any) -> Tensor:
    """Describe a weight matrix, `rows` of what it takes in by `columns` of what it gives."""
    return Tensor(name, role, rows * columns, split=split, width=rows, **more)


def vector(name: str, elements: int, split: str = "none", **more: Any) -> Tensor:
    """Describe a norm, a bias or another vector."""
    return Tensor(name, "norm", elements, split=split, **more)


def norms(width: int, count: int = 1, bias: bool = False, name: str = "layernorm") -> Part:
    """List the norms over the residual stream of a layer."""
    if not count:
        return NOTHING
    return Part((vector(name, width * (2 if bias else 1), copies=count),))


def shape(c: Fields) -> tuple[int, int, int, int]:
    """Read hidden size, query heads, KV heads and head width from their usual fields."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_key_value_heads", default=heads, limit="heads")
    head = c.whole("head_dim", default=max(1, hidden // heads), limit="head")
    if heads % kv:
        raise BadInput(
            c.path("num_key_value_heads"),
            f"{c.path('num_key_value_heads')} is {kv}: it must divide the {heads} query heads.",
        )
    return hidden, heads, kv, head


def gqa(
    c: Fields,
    *,
    sizes: tuple[int, int, int, int] | None = None,
    v_head: int | None = None,
    qkv_bias: bool = False,
    o_bias: bool = False,
    qk_norm: str = "",
    norm_bias: bool = False,
    gate: bool = False,
    sinks: bool = False,
    window: int = 0,
    has_v: bool = True,
    extra: Sequence[Tensor] = (),
    prefix: str = "self_attn",
    cached: bool = True,
) -> Part:
    """List grouped-query attention, of which MHA and MQA are special cases.

    Parameters
    ----------
    c : Fields
        The config.
    sizes : tuple of int, optional
        Hidden size, query heads, KV heads and head width; read from the config by default.
    v_head : int, optional
        Width of a value; that of a key by default [elements].
    qkv_bias, o_bias : bool
        Whether the query, key and value projections have a bias, and whether the
        output projection has one.
    qk_norm : str
        Norm over queries and keys: "head" for one as wide as a head, shared by the
        heads; "heads" for one per head; "full" for one as wide as all heads; "" for none.
    norm_bias : bool
        Whether that norm has a bias.
    gate : bool
        Whether the query projection also computes an output gate, and is twice as wide.
    sinks : bool
        Whether each head has a learned attention sink.
    window : int
        Length of the sliding window; 0 for full attention [tokens].
    has_v : bool
        False when keys serve as values.
    extra : sequence of Tensor
        Further weights of the layer.
    prefix : str
        What tensor names begin with.
    cached : bool
        False when the layer reads the cache of another one and has no K and V.

    Returns
    -------
    Part
        One layer's tensors and cache.
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
        q_width, k_width = (head, head) if qk_norm == "head" else (heads * head, kv * head)
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


def mla(
    c: Fields,
    *,
    indexer: str | None = None,
    bias: bool = False,
    window: int = 0,
    rope: int | None = None,
    gated_query: bool = False,
    extra: Sequence[Tensor] = (),
) -> Part:
    """List multi-head latent attention, dense or sparse with an indexer.

    Parameters
    ----------
    c : Fields
        The config.
    indexer : str, optional
        "full" for a layer with its own indexer, "shared" for one that reuses the
        selection of the previous layer, None for dense attention.
    bias : bool
        Whether the projections have a bias.
    window : int
        Length of the sliding window; 0 for full attention [tokens].
    rope : int, optional
        Width of the rotary part of a key; read from the config by default [elements].
    gated_query : bool
        Whether one projection, of the query's latent before and after its norm, gives
        queries and an output gate.
    extra : sequence of Tensor
        Further weights of the layer.

    Returns
    -------
    Part
        One layer's tensors and cache.
    """
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    q_rank = c.width("q_lora_rank", default=0)
    latent = c.width("kv_lora_rank")
    nope = c.whole("qk_nope_head_dim", limit="head")
    if rope is None:
        rope = c.whole("qk_rope_head_dim", low=0, limit="head")
    value = c.whole("v_head_dim", limit="head")
    rows = _mla_query(hidden, heads, q_rank, nope + rope, value if gated_query else 0)
    query = heads * (nope + rope)
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
    rows += extra
    cache = Attention(
        kind="window" if window else "mla",
        layers=1,
        heads=heads,
        kv_heads=1,
        head_dim=nope + rope,
        v_head_dim=value,
        latent_dim=latent,
        rope_dim=rope,
        window_tokens=window,
    )
    part = Part(tuple(rows), (cache,))
    if window or indexer is None:
        return part
    return _sparse(c, part, q_rank or hidden, own=indexer == "full")


def _sparse(c: Fields, part: Part, query: int, own: bool) -> Part:
    """Let an indexer select the keys of latent attention: its `own`, or the layer's before."""
    topk = c.whole("index_topk", limit="tokens")
    heads = c.whole("index_n_heads", limit="heads")
    width = c.whole("index_head_dim", limit="head")
    (cache,) = part.attention
    far = replace(
        cache,
        kind="sparse",
        topk_tokens=topk,
        index_heads=heads,
        index_dim=width if own else 0,
        # The index cache is FP8 with one four-byte scale for each key of 128.
        index_bytes=(width + 4) / width,
    )
    rows = _indexer(c.width("hidden_size"), query, heads, width) if own else ()
    return replace(part, tensors=(*part.tensors, *rows), attention=(far,))


def _indexer(hidden: int, query: int, heads: int, width: int) -> list[Tensor]:
    """List the indexer that selects the keys of sparse latent attention."""
    prefix = "self_attn.indexer"
    return [
        matrix(f"{prefix}.wq_b", "attention", query, heads * width, "none"),
        matrix(f"{prefix}.wk", "attention", hidden, width, "none"),
        # never converted: vLLM, deepseek_v2.py, class Indexer
        matrix(f"{prefix}.weights_proj", "attention", hidden, heads, "none", least_bits=16.0),
        vector(f"{prefix}.k_norm", 2 * width),
    ]


def _mla_query(hidden: int, heads: int, rank: int, query: int, gate: int) -> list[Tensor]:
    """List what makes the queries of latent attention, by heads of `query` and a gate of `gate`."""
    if not rank:
        return [matrix("self_attn.q_proj", "attention", hidden, heads * query)]
    inputs = 2 * rank if gate else rank
    return [
        matrix("self_attn.q_a_proj", "attention", hidden, rank, "none"),
        matrix("self_attn.q_b_proj", "attention", inputs, heads * (query + gate)),
        vector("self_attn.q_a_layernorm", rank),
    ]


def mlp(
    c: Fields,
    size: int | None = None,
    *,
    gated: bool = True,
    bias: bool = False,
    role: str = "mlp",
    prefix: str = "mlp",
    hidden: int | None = None,
    **more: Any,
) -> Part:
    """List a feed-forward block: gate (if any), up and down projections."""
    hidden = hidden or c.width("hidden_size")
    size = size or c.whole("intermediate_size", limit="ffn")
    names = ["gate_proj", "up_proj"] if gated else ["up_proj"]
    rows = [matrix(f"{prefix}.{n}", role, hidden, size, **more) for n in names]
    rows.append(matrix(f"{prefix}.down_proj", role, size, hidden, **more))
    if bias:
        rows += [vector(f"{prefix}.{n}.bias", size, "tp", **_counts(more)) for n in names]
        rows.append(vector(f"{prefix}.down_proj.bias", hidden, **_counts(more)))
    return Part(tuple(rows))


def _counts(more: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in more.items() if k in ("copies", "active")}


def moe(
    c: Fields,
    experts: int,
    per_token: int,
    size: int,
    *,
    shared: int = 0,
    shared_gate: bool = False,
    router_bias: bool = False,
    correction: bool = False,
    gated: bool = True,
    bias: bool = False,
    hidden: int | None = None,
    latent: int = 0,
    prefix: str = "mlp",
    router: str | None = None,
) -> Part:
    """List a mixture of experts: router, routed experts, shared expert.

    Parameters
    ----------
    c : Fields
        The config.
    experts, per_token : int
        Routed experts, and how many of them a token is routed to.
    size : int
        Intermediate width of a routed expert [elements].
    shared : int
        Total intermediate width of the shared experts; 0 for none [elements].
    shared_gate : bool
        Whether a one-column gate weights the shared expert.
    router_bias, correction : bool
        Whether the router's projection has a bias, and whether a correction bias is
        added for the selection of experts only.
    gated : bool
        Whether experts have a gate projection.
    bias : bool
        Whether the projections of the experts have a bias.
    hidden : int, optional
        Width of the residual stream; read from the config by default [elements].
    latent : int
        Width the experts work in, when tokens are projected down to it and back;
        0 when that is the hidden size [elements].
    prefix : str
        What tensor names begin with.
    router : str, optional
        Name of the router's matrix.

    Returns
    -------
    Part
        One layer's tensors.
    """
    _check_routed(c, experts, per_token)
    hidden = hidden or c.width("hidden_size")
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
        name = f"{prefix}.shared_experts"
        part += mlp(c, shared, gated=gated, role="shared_expert", prefix=name, hidden=hidden)
    if shared_gate:
        part += Part((matrix(f"{prefix}.shared_expert_gate", "router", hidden, 1, "none"),))
    return part


def _check_routed(c: Fields, experts: int, per_token: int) -> None:
    if not 1 <= per_token <= experts:
        raise BadInput(
            c.path("num_experts_per_tok"),
            f"{c.path('num_experts_per_tok')} is {per_token}: it takes 1 to {experts}, the"
            " number of experts.",
        )


def linear_state(state: int, state_bytes: int, conv: int, conv_bytes: int, flops: int) -> Attention:
    """Describe the cache of a mixer with a state of fixed size."""
    return Attention(
        kind="linear",
        layers=1,
        state_bytes=state * state_bytes + conv * conv_bytes,
        state_elements=state,
        conv_elements=conv,
        state_flops=flops,
    )


DTYPE_BYTES = {"float32": 4, "fp32": 4, "bfloat16": 2, "float16": 2, "fp16": 2, "bf16": 2}


def state_bytes(c: Fields, *names: str, default: int = 2) -> int:
    """Read the size of one element of a recurrent state [bytes]."""
    for name in names:
        kind = c.text(name)
        if kind:
            if kind not in DTYPE_BYTES:
                raise BadInput(
                    c.path(name), f"{c.path(name)} is {kind!r:.40}: it takes float32 or bfloat16."
                )
            return DTYPE_BYTES[kind]
    return default


def delta_net(c: Fields) -> Part:
    """List a gated delta-net layer, as in Qwen3-Next and Qwen3.5."""
    hidden = c.width("hidden_size")
    k_heads = c.whole("linear_num_key_heads", limit="heads")
    v_heads = c.whole("linear_num_value_heads", limit="heads")
    k_head = c.whole("linear_key_head_dim", limit="head")
    v_head = c.whole("linear_value_head_dim", limit="head")
    kernel = c.whole("linear_conv_kernel_dim", default=4, limit="head")
    keys, values = k_heads * k_head, v_heads * v_head
    channels = 2 * keys + values
    # Checkpoints of four bits leave these in 8 (nvidia/Qwen3.6-27B-NVFP4) or 16, of eight the small
    # one in 16; the count takes the fewest.
    eight: dict[str, Any] = {"least_bits": 8.0}
    rows = (
        matrix("linear_attn.in_proj_qkv", "attention", hidden, channels, **eight),
        matrix("linear_attn.in_proj_z", "attention", hidden, values, **eight),
        matrix("linear_attn.in_proj_ba", "attention", hidden, 2 * v_heads, least_bits=16.0),
        matrix("linear_attn.out_proj", "attention", values, hidden, **eight),
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


def kimi_delta(
    hidden: int,
    heads: int,
    head: int,
    kernel: int,
    low_rank: bool = True,
    extra: Sequence[Tensor] = (),
) -> Part:
    """List Kimi's delta attention, whose decay and output gate are of low or of full rank."""
    wide = heads * head
    rows = [matrix("self_attn.qkv_proj", "attention", hidden, 3 * wide)]
    if low_rank:
        rows += [
            matrix("self_attn.f_a_g_a_proj", "attention", hidden, 2 * head, "none"),
            matrix("self_attn.f_b_g_b_proj", "attention", head, 2 * wide),
        ]
    else:
        rows.append(matrix("self_attn.f_g_proj", "attention", hidden, 2 * wide))
    rows += [
        matrix("self_attn.b_proj", "attention", hidden, heads),
        matrix("self_attn.o_proj", "attention", wide, hidden),
        vector("self_attn.conv1d", 3 * wide * kernel, "tp"),
        vector("self_attn.A_log_dt_bias_norm", heads + wide + head),
        *extra,
    ]
    cells = wide * head
    flops = 7 * cells + 6 * wide * kernel
    return Part(tuple(rows), (linear_state(cells, 4, 3 * wide * (kernel - 1), 2, flops),))


def repeated(part: Part, times: int) -> Part:
    """Let a token pass a part several times, each with a cache of its own."""
    return replace(
        part,
        tensors=tuple(replace(t, active=t.active * times) for t in part.tensors),
        attention=tuple(replace(a, layers=a.layers * times) for a in part.attention),
    )


def mamba2(
    c: Fields,
    *,
    heads: int,
    head: int,
    groups: int,
    state: int,
    kernel: int,
    hidden: int | None = None,
    conv_bias: bool = True,
    bias: bool = False,
    norm: bool = True,
    dtype: int = 2,
    prefix: str = "mixer",
) -> Part:
    """List a Mamba-2 layer: input projection, short convolution, state, output projection."""
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
    *,
    hidden: int,
    inner: int,
    state: int,
    kernel: int,
    dt_rank: int,
    conv_bias: bool = True,
    bias: bool = False,
    inner_norms: int = 0,
    prefix: str = "mixer",
) -> Part:
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
    cache = linear_state(cells, 2, inner * (kernel - 1), 2, 7 * cells + 2 * inner * kernel)
    return Part(tuple(rows), (cache,))


def as_role(part: Part, role: str, copies: int = 1) -> tuple[Tensor, ...]:
    """Copy the tensors of a part under another role, such as multi-token prediction."""
    return tuple(
        replace(t, name=f"{role}.{t.name}", role=role, copies=t.copies * copies)
        for t in part.tensors
    )
