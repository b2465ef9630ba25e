"""Hybrid and state-space models, whose layers have a state of fixed size."""

from ..refuse import BadInput, shown
from ..spec import Tensor
from .assemble import Draft, assemble, layer_count, mtp_layer
from .config import MAX_LAYERS, Fields
from .parts import (
    NOTHING,
    Part,
    delta_net,
    gqa,
    linear_state,
    mamba1,
    mamba2,
    matrix,
    mlp,
    moe,
    shape,
    state_bytes,
    vector,
)
from .registry import (
    LAYER_KINDS,
    deepseek_moe,
    every,
    family,
    kinds_of,
    qwen_moe,
    qwen_sparse,
    window_of,
)


@family("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "lara_mini")
def qwen3_next(c: Fields) -> Draft:
    layers = layer_count(c)
    default = every(layers, c.whole("full_attention_interval", default=4), "full", "linear")
    kinds = kinds_of(c, default)
    bias = c.flag("attention_bias")
    gate = c.flag("attn_output_gate", c.family != "lara_mini")

    def attention(window: int = 0) -> Part:
        return gqa(c, qk_norm="head", gate=gate, qkv_bias=bias, o_bias=bias, window=window)

    full = attention()
    pieces = {"full": full, "linear": delta_net(c), "window": attention(window_of(c))}
    if c.has("num_experts"):
        ffns: Part | list[Part] = qwen_sparse(
            c, qwen_moe(c, shared_gate=c.family != "lara_mini"), lambda: mlp(c)
        )
    else:
        ffns = mlp(c)
    last = ffns[-1] if isinstance(ffns, list) else ffns
    copies = c.whole(
        "mtp_num_hidden_layers", "num_nextn_predict_layers", default=0, low=0, limit="layers"
    )
    return assemble(
        c,
        [pieces[k] for k in kinds if k in pieces],
        ffns,
        mtp=mtp_layer(c.width("hidden_size"), full + last, copies),
    )


# What Nemotron-H's configs call a kind of layer.
NEMOTRON_KINDS = {
    "M": "mamba",
    "*": "attention",
    "-": "mlp",
    "E": "moe",
    "mamba": "mamba",
    "mamba2": "mamba",
    "attention": "attention",
    "mlp": "mlp",
    "moe": "moe",
    "full_attention": "attention",
    "sparse": "moe",
    "linear_attention": "mamba",
}


@family("nemotron_h", "nemotron_h_v2", "nemotron_h_puzzle")
def nemotron_h(c: Fields) -> Draft:
    """Count Nemotron-H, whose layers are Mamba-2, attention, MLP or MoE.

    Puzzle's layers are of unlike sizes, which `block_configs` states one by one.
    """
    if c.has("block_configs"):
        return _puzzle(c)
    kinds = _nemotron_kinds(c)
    pieces = {kind: _nemotron_piece(c, kind) for kind in dict.fromkeys(kinds)}
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    drafting = c.data.get("mtp_layers_block_type", c.data.get("mtp_hybrid_override_pattern"))
    mtp: tuple[Tensor, ...] = ()
    if copies and isinstance(drafting, (str, list)) and len(drafting) <= MAX_LAYERS:
        block = NOTHING
        for name in drafting:
            kind = NEMOTRON_KINDS.get(name) if isinstance(name, str) else None
            block += pieces.get(kind or "", NOTHING)
        mtp = mtp_layer(c.width("hidden_size"), block, copies)
    return assemble(c, [pieces[k] for k in kinds], layers=len(kinds), norm=1, mtp=mtp)


def _puzzle(c: Fields) -> Draft:
    """Count the layers that a search has left, equal ones once: SGLang, configs/nemotron_h.py."""
    layers = []
    built: dict[str, Part] = {}
    for own in c.items("block_configs"):
        kind = NEMOTRON_KINDS.get(own.get("block_type", "")) if isinstance(own, dict) else None
        if kind is None:
            where = c.path("block_configs")
            raise BadInput(
                where, f"{where} has {shown(own)}: it takes a block_type for each layer."
            )
        key = repr(sorted(own.items(), key=str))
        if key not in built:
            built[key] = _nemotron_piece(Fields({**c.data, **own}, c.where, c.family), kind)
        layers.append(built[key])
    note = ("what guesses is left out",) if c.has("mtp_block_configs") else ()
    return assemble(c, layers, layers=len(layers), norm=1, notes=note)


def _nemotron_kinds(c: Fields) -> list[str]:
    """Read the kind of each layer, under the name that the config has for the list."""
    name = "layers_block_type" if c.has("layers_block_type") else "hybrid_override_pattern"
    if c.has("layer_types") and not c.has(name):
        name = "layer_types"
    listed = c.data.get(name)
    if not isinstance(listed, (str, list)) or not 0 < len(listed) <= MAX_LAYERS:
        raise BadInput(
            c.path(name),
            f"{c.path(name)} is {shown(listed)}: it takes one letter or "
            f"name for each layer, at most {MAX_LAYERS:,}.",
        )
    layers = c.whole("num_hidden_layers", default=len(listed), limit="layers")
    return c.per_layer(name, layers, NEMOTRON_KINDS)


def _nemotron_piece(c: Fields, kind: str) -> Part:
    """List a layer of one kind."""
    if kind == "mamba":
        return mamba2(
            c,
            heads=c.whole("mamba_num_heads", limit="heads"),
            head=c.whole("mamba_head_dim", limit="head"),
            groups=c.whole("n_groups", default=8, limit="head"),
            state=c.whole("ssm_state_size", limit="head"),
            kernel=c.whole("conv_kernel", default=4, limit="head"),
            conv_bias=c.flag("use_conv_bias", True),
            bias=c.flag("mamba_proj_bias"),
            dtype=state_bytes(c, "mamba_ssm_cache_dtype", default=4),  # vLLM takes float32
        )
    if kind == "attention":
        bias = c.flag("attention_bias")
        return gqa(c, prefix="mixer", qkv_bias=bias, o_bias=bias)
    if kind == "mlp":
        return mlp(c, gated=False, bias=c.flag("mlp_bias"), prefix="mixer")
    return deepseek_moe(
        c,
        gated=False,
        correction=True,
        prefix="mixer",
        latent=c.whole("moe_latent_size", default=0, low=0, limit="width"),
        shared=c.whole("n_shared_experts", default=1, low=0, limit="experts")
        * c.whole("moe_shared_expert_intermediate_size", default=0, low=0, limit="ffn"),
    )


@family("granitemoehybrid", "bamba")
def granite_hybrid(c: Fields) -> Draft:
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    if c.family == "bamba":
        at = set(c.wholes("attn_layer_indices"))
        kinds = kinds_of(c, ["full" if i in at else "mamba" for i in range(layers)])
        feed, tied = mlp(c), False
    else:
        name = "layers_block_type" if c.has("layers_block_type") else "layer_types"
        kinds = c.per_layer(name, layers, LAYER_KINDS, ["mamba"] * layers)
        shared = c.whole("shared_intermediate_size", default=0, low=0, limit="ffn")
        experts = c.whole("num_local_experts", default=0, low=0, limit="experts")
        feed, tied = mlp(c, shared, prefix="shared_mlp") if shared else NOTHING, True
        if experts:
            feed = moe(
                c,
                experts,
                c.whole("num_experts_per_tok"),
                c.whole("intermediate_size", limit="ffn"),
                shared=shared,
            )
    bias = c.flag("attention_bias")
    mixers = hybrid_mixers(c, kinds, hidden, gqa(c, qkv_bias=bias, o_bias=bias))
    return assemble(c, mixers, feed, tied=tied)


def mamba2_of(c: Fields, hidden: int, norm: bool = True) -> Part:
    """Build a Mamba-2 layer from the fields that begin with `mamba_`."""
    heads = c.whole("mamba_n_heads", limit="heads")
    head = c.data.get("mamba_d_head")
    if head in (None, "auto"):
        inner = c.whole("mamba_d_ssm", default=None, limit="ffn")
        inner = inner or c.whole("mamba_expand", default=2, limit="head") * hidden
        head = max(1, inner // heads)
    else:
        head = c.whole("mamba_d_head", limit="head")
    return mamba2(
        c,
        heads=heads,
        head=head,
        groups=c.whole("mamba_n_groups", default=1, limit="head"),
        state=c.whole("mamba_d_state", limit="head"),
        kernel=c.whole("mamba_d_conv", default=4, limit="head"),
        conv_bias=c.flag("mamba_conv_bias", True),
        bias=c.flag("mamba_proj_bias"),
        norm=norm,
        prefix="mamba",
    )


def mamba1_of(c: Fields, hidden: int, *, normed: bool = False, prefix: str = "mamba") -> Part:
    """Build a Mamba-1 layer from the fields that begin with `mamba_`."""
    rank = c.data.get("mamba_dt_rank", "auto")
    rank = -(-hidden // 16) if rank == "auto" else c.whole("mamba_dt_rank", limit="width")
    state = c.whole("mamba_d_state", default=16, limit="head")
    return mamba1(
        hidden=hidden,
        inner=c.whole("mamba_expand", default=2, limit="head") * hidden,
        state=state,
        kernel=c.whole("mamba_d_conv", default=4, limit="head"),
        dt_rank=rank,
        conv_bias=c.flag("mamba_conv_bias", True),
        bias=c.flag("mamba_proj_bias"),
        inner_norms=rank + 2 * state if normed else 0,
        prefix=prefix,
    )


def hybrid_mixers(c: Fields, kinds: list[str], hidden: int, attention: Part) -> list[Part]:
    """Choose attention for "full" layers and Mamba-2 for the others."""
    mamba = mamba2_of(c, hidden) if set(kinds) - {"full"} else NOTHING
    return [attention if k == "full" else mamba for k in kinds]


@family("falcon_h1")
def falcon_h1(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    bias = c.flag("attention_bias")
    both = gqa(c, qkv_bias=bias, o_bias=bias) + mamba2_of(c, hidden, c.flag("mamba_rms_norm"))
    return assemble(c, both, mlp(c, bias=c.flag("mlp_bias")))


@family("jamba")
def jamba(c: Fields) -> Draft:
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    period = c.whole("attn_layer_period", default=8)
    offset = c.whole("attn_layer_offset", default=4, low=0)
    mamba = mamba1_of(c, hidden, normed=True)
    attention = gqa(c)
    experts = c.whole("num_experts", default=16, limit="experts")
    dense = mlp(c)
    sparse = dense
    if experts > 1:
        sparse = moe(
            c,
            experts,
            c.whole("num_experts_per_tok", default=2),
            c.whole("intermediate_size", limit="ffn"),
        )
    every_n = c.whole("expert_layer_period", default=2)
    start = c.whole("expert_layer_offset", default=1, low=0)
    mixers = [attention if i % period == offset else mamba for i in range(layers)]
    ffns = [sparse if i % every_n == start else dense for i in range(layers)]
    return assemble(c, mixers, ffns)


@family("olmo_hybrid")
def olmo_hybrid(c: Fields) -> Draft:
    """Count OLMo Hybrid: a gated delta-net, full attention in every fourth layer."""
    kinds = kinds_of(c, every(layer_count(c), 4, "full", "linear"))
    bias = c.flag("attention_bias")
    full = gqa(c, qk_norm="full", qkv_bias=bias, o_bias=bias)
    pieces = {"full": full, "linear": delta_net(c)}
    return assemble(c, [pieces.get(k, full) for k in kinds], mlp(c))


@family("lfm3")
def lfm3(c: Fields) -> Draft:
    """Count LFM3: short convolutions, gated attention between, with norms around both."""
    hidden, heads, _kv, _head = shape(c)
    bias = c.flag("attention_bias")
    gate: tuple[Tensor, ...] = ()
    if c.flag("use_attention_gate", True):
        gate = (matrix("self_attn.g_proj", "attention", hidden, heads, "none"),)

    def attention(window: int) -> Part:
        return gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, extra=gate, window=window)

    pieces = {"full": attention(0), "window": attention(window_of(c)), "conv": short_conv(c)}
    kinds = kinds_of(c, None)
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    norm = 4 if c.flag("use_sandwich_norm", True) else 2
    return assemble(c, mixers, mlp(c), norm=norm, tied=True)


def short_conv(c: Fields) -> Part:
    """List LFM's gated short convolution, which looks back on a few inputs alone."""
    hidden = c.width("hidden_size", "block_dim")
    taps = c.whole("conv_L_cache", default=3, limit="head")
    bias = c.flag("conv_bias")
    rows = [
        matrix("conv.in_proj", "attention", hidden, 3 * hidden),
        matrix("conv.out_proj", "attention", hidden, hidden),
        vector("conv.conv", hidden * (taps + bias), "tp"),
    ]
    if bias:
        rows.append(vector("conv.bias", 4 * hidden))
    state = linear_state(0, 2, hidden * (taps - 1), 2, 2 * hidden * taps)
    return Part(tuple(rows), (state,))


@family("lfm2", "lfm2_moe")
def lfm2(c: Fields) -> Draft:
    layers = layer_count(c)
    at = c.wholes("full_attn_idxs") if c.has("full_attn_idxs") else range(layers)
    kinds = kinds_of(c, ["full" if i in at else "conv" for i in range(layers)])
    conv = short_conv(c)
    full = gqa(c, qk_norm="head")
    mixers = [full if k == "full" else conv for k in kinds]
    size = c.whole("intermediate_size", "block_ff_dim", limit="ffn")
    if c.family == "lfm2_moe":
        dense = c.whole("num_dense_layers", default=2, low=0, limit="layers")
        sparse = moe(
            c,
            c.whole("num_experts", limit="experts"),
            c.whole("num_experts_per_tok"),
            c.whole("moe_intermediate_size", limit="ffn"),
            correction=c.flag("use_expert_bias", True),
        )
        feed = mlp(c, size)
        ffns = [feed if i < dense else sparse for i in range(layers)]
        return assemble(c, mixers, ffns, tied=True)
    if c.flag("block_auto_adjust_ff_dim", True):
        size = int(2 * size / 3)
        times = c.real("block_ffn_dim_multiplier", 1.0)
        if not 0 < times <= 16:
            raise BadInput(
                c.path("block_ffn_dim_multiplier"),
                f"block_ffn_dim_multiplier is {times:g}: it takes a number above 0 and at most 16.",
            )
        unit = c.whole("block_multiple_of", default=256)
        size = -(-int(times * size) // unit) * unit
    return assemble(c, mixers, mlp(c, size), tied=c.flag("tie_embedding", True))
