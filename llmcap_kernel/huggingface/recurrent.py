"""Layers with a state of fixed size alone or mostly: Mamba, RWKV, xLSTM, delta attention."""

from ..refuse import BadInput
from .assemble import Draft, assemble, layer_count, max_context
from .config import Fields
from .parts import (
    Part,
    gqa,
    linear_state,
    mamba1,
    mamba2,
    matrix,
    mla,
    mlp,
    moe,
    shape,
    vector,
)
from .registry import (
    deepseek_moe,
    family,
    first_dense,
    kinds_of,
    one_or_list,
)


@family("mamba", "falcon_mamba")
def mamba(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    expand = c.whole("expand", default=2, limit="head")
    inner = c.whole("intermediate_size", "d_inner", default=expand * hidden, limit="ffn")
    rank = c.data.get("time_step_rank", "auto")
    rank = -(-hidden // 16) if rank == "auto" else c.whole("time_step_rank", limit="width")
    part = mamba1(
        c,
        hidden=hidden,
        inner=inner,
        state=c.whole("state_size", default=16, limit="head"),
        kernel=c.whole("conv_kernel", default=4, limit="head"),
        dt_rank=rank,
        conv_bias=c.flag("use_conv_bias", True),
        bias=c.flag("use_bias"),
    )
    return assemble(
        c,
        part,
        norm=1,
        tied=True,
        context=max_context(c, NO_WINDOW),
        notes=("its state has no window; the context limit is ours",),
    )


# A state-space model has no limit on context; this keeps sweeps finite.
NO_WINDOW = 1_048_576


@family("mamba2")
def mamba2_model(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    inner = c.whole("expand", default=2, limit="head") * hidden
    head = c.whole("head_dim", "headdim", default=64, limit="head")
    part = mamba2(
        c,
        heads=c.whole("num_heads", default=max(1, inner // head), limit="heads"),
        head=head,
        groups=c.whole("n_groups", "ngroups", default=8, limit="head"),
        state=c.whole("state_size", "d_state", default=128, limit="head"),
        kernel=c.whole("conv_kernel", "d_conv", default=4, limit="head"),
        conv_bias=c.flag("use_conv_bias", True),
        bias=c.flag("use_bias"),
        hidden=hidden,
    )
    return assemble(
        c,
        part,
        norm=1,
        tied=True,
        context=max_context(c, NO_WINDOW),
        notes=("its state has no window; the context limit is ours",),
    )


@family("minimax", "minimax_m1", "minimax_text_01", "MiniMaxText01")
def minimax(c: Fields) -> Draft:
    """Count MiniMax Text-01 and M1: lightning attention, softmax in every eighth layer."""
    layers = layer_count(c)
    hidden, heads, _kv, head = shape(c)
    if c.has("attn_type_list"):
        kinds = c.per_layer("attn_type_list", layers, {0: "linear", 1: "full"})
    else:
        kinds = kinds_of(c, ["full" if i % 2 else "linear" for i in range(layers)])
    wide = heads * head
    rows = (
        matrix("self_attn.qkv_proj", "attention", hidden, 3 * wide),
        matrix("self_attn.output_gate", "attention", hidden, wide),
        matrix("self_attn.out_proj", "attention", wide, hidden),
        vector("self_attn.norm", wide),
    )
    cells = wide * head
    # vLLM keeps it in the model's own 16 bit: linear_attention_state_dtype
    linear = Part(rows, (linear_state(cells, 2, 0, 2, 5 * cells),))
    full = gqa(c)
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        shared=one_or_list(c, "shared_intermediate_size", 0, "ffn"),
    )
    return assemble(c, [full if k == "full" else linear for k in kinds], sparse)


@family("kimi_linear")
def kimi_linear(c: Fields) -> Draft:
    """Count Kimi Linear: delta attention, latent attention in every fourth layer."""
    config = c.sub("linear_attn_config")
    if config is None:
        raise BadInput(
            "linear_attn_config",
            "linear_attn_config is missing: kimi_linear cannot be counted without it.",
        )
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = config.whole("num_heads", limit="heads")
    head = config.whole("head_dim", limit="head")
    kernel = config.whole("short_conv_kernel_size", default=4, limit="head")
    wide = heads * head
    rows = (
        matrix("self_attn.qkv_proj", "attention", hidden, 3 * wide),
        matrix("self_attn.f_a_g_a_proj", "attention", hidden, 2 * head, "none"),
        matrix("self_attn.f_b_g_b_proj", "attention", head, 2 * wide),
        matrix("self_attn.b_proj", "attention", hidden, heads),
        matrix("self_attn.o_proj", "attention", wide, hidden),
        vector("self_attn.conv1d", 3 * wide * kernel, "tp"),
        vector("self_attn.A_log_dt_bias_norm", heads + wide + head),
    )
    cells = wide * head
    linear = Part(
        rows, (linear_state(cells, 4, 3 * wide * (kernel - 1), 2, 7 * cells + 6 * wide * kernel),)
    )
    full_at = set(config.wholes("full_attn_layers"))
    full = mla(c)
    mixers = [full if i + 1 in full_at else linear for i in range(layers)]
    sparse = deepseek_moe(c, correction=True)
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c), 1))
