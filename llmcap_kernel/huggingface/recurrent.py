"""Layers with a state of fixed size alone or mostly: Mamba, RWKV, xLSTM, delta attention."""

from dataclasses import replace

from ..refuse import BadInput
from ..spec import Attention
from .assemble import Draft, assemble, layer_count, max_context, mtp_layer
from .config import Fields
from .latent import latent_model, streams_of
from .parts import (
    Part,
    gqa,
    kimi_delta,
    linear_state,
    mamba1,
    mamba2,
    matrix,
    mla,
    mlp,
    moe,
    norms,
    shape,
    state_bytes,
    vector,
)
from .registry import (
    deepseek_moe,
    every,
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
        notes=(UNLIMITED,),
    )


# A state-space model has no limit on context; this keeps sweeps finite.
NO_WINDOW = 1_048_576
UNLIMITED = "its state has no window; the context limit is ours"


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
        notes=(UNLIMITED,),
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
    """Count Kimi Linear, and K3's text model: delta attention, latent attention in some layers.

    K3's gates are of full rank, its experts work in a latent width, and each part of a layer
    chooses among the sums of earlier ones: vLLM 0.33, models/kimi_k3.
    """
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    old = c.sub("linear_attn_config")
    if old is not None:
        sizes = (
            old.whole("num_heads", limit="heads"),
            old.whole("head_dim", limit="head"),
            old.whole("short_conv_kernel_size", default=4, limit="head"),
        )
        full_at = set(old.wholes("full_attn_layers"))
        kinds = ["full" if i + 1 in full_at else "linear" for i in range(layers)]
    else:
        sizes = delta_sizes(c)
        kinds = kinds_of(c, None)
    wide = c.whole("num_attention_heads", limit="heads") * c.whole("v_head_dim", limit="head")
    gate = (matrix("self_attn.g_proj", "attention", hidden, wide),)
    pieces = {
        "full": mla(c, extra=gate if c.flag("mla_use_output_gate") else ()),
        "linear": kimi_delta(hidden, *sizes),
    }
    if old is not None and old.flag("use_full_rank_gate"):
        pieces["linear"] = _full_rank_gate(pieces["linear"], hidden, sizes[0] * sizes[1], sizes[1])
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    latent = c.whole("routed_expert_hidden_size", default=0, low=0, limit="width")
    sparse = deepseek_moe(c, correction=True, latent=latent)
    # a norm and a column before both parts of each layer, and before the head
    chosen = vector("attention_residual", (2 * layers + 1) * 2 * hidden)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    extra = [chosen] if c.has("attn_res_block_size") else []
    if latent and c.flag("latent_moe_use_norm"):
        extra.append(vector("routed_expert_norm", latent, copies=layers))
    return assemble(
        c,
        mixers,
        first_dense(c, sparse, lambda: mlp(c), 0 if c.has("attn_res_block_size") else 1),
        extra=extra,
        mtp=mtp_layer(hidden, pieces["full"] + sparse, copies),
    )


def _full_rank_gate(part: Part, hidden: int, wide: int, head: int) -> Part:
    """Delta attention whose output gate is of full rank, and its decay of low rank."""
    rows = [t for t in part.tensors if "_a_g_a_" not in t.name and "_b_g_b_" not in t.name]
    rows += [
        matrix("self_attn.g_proj", "attention", hidden, wide),
        matrix("self_attn.f_a_proj", "attention", hidden, head, "none"),
        matrix("self_attn.f_b_proj", "attention", head, wide),
    ]
    return replace(part, tensors=tuple(rows))


def delta_sizes(c: Fields) -> tuple[int, int, int]:
    """Read heads, head width and convolution width of Kimi's delta attention."""
    return (
        c.whole("linear_num_heads", limit="heads"),
        c.whole("linear_head_dim", limit="head"),
        c.whole("linear_conv_kernel_dim", "short_conv_kernel_size", default=4, limit="head"),
    )


def grouped_kinds(c: Fields, default: int) -> list[str]:
    """List Ling's layers: the last of each group is full, and so are those after the last group."""
    layers = layer_count(c)
    if isinstance(c.data.get("layer_group_size"), list):  # 1 marks a linear layer
        return c.per_layer("layer_group_size", layers, {0: "full", 1: "linear"})
    size = c.whole("layer_group_size", default=default, limit="layers")
    kinds = every(layers, size, "full", "linear")
    whole = layers // size * size
    return kinds[:whole] + ["full"] * (layers - whole)


@family("bailing_hybrid", "bailing_moe_v3")
def bailing_hybrid(c: Fields) -> Draft:
    """Count Ling 3: delta attention of full rank, gated latent attention between.

    Files of Ling 2.5 name the same model_type; theirs have no short convolution, and their layers
    are those of Ring: SGLang 0.5.23, configs/bailing_hybrid.py.
    """
    if not (c.has("short_conv_kernel_size") or c.has("linear_conv_kernel_dim")):
        return bailing_linear(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    gate = (matrix("self_attn.g_proj", "attention", hidden, heads, "none"),)
    sizes = (
        c.whole("linear_num_heads", default=heads, limit="heads"),
        c.whole("linear_head_dim", "head_dim", limit="head"),
        c.whole("linear_conv_kernel_dim", "short_conv_kernel_size", default=4, limit="head"),
    )
    kinds = kinds_of(c, grouped_kinds(c, 6))
    pieces = {
        "full": mla(c, extra=gate),
        "linear": kimi_delta(hidden, *sizes, low_rank=not c.flag("no_kda_lora", True)),
    }
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixers,
        first_dense(c, sparse, lambda: mlp(c)),
        mtp=mtp_layer(hidden, pieces["full"] + sparse, copies),
    )


@family("bailing_moe_linear", "bailing_moe_v2_5")
def bailing_linear(c: Fields) -> Draft:
    """Count Ring's linear attention, softmax at the end of each group: vLLM, bailing_moe_linear."""
    hidden, heads, _kv, head = shape(c)
    bias = c.flag("use_bias")
    qkv = c.flag("use_qkv_bias", bias)
    norm = c.flag("use_qk_norm", True)
    wide = heads * head
    rows = [
        matrix("attention.query_key_value", "attention", hidden, 3 * wide),
        matrix("attention.g_proj", "attention", hidden, wide),
        matrix("attention.dense", "attention", wide, hidden),
        vector("attention.vectors", wide + (2 * head if norm else 0)),
    ]
    if qkv:
        rows.append(vector("attention.query_key_value.bias", 3 * wide, "tp"))
    cells = wide * head
    linear = Part(tuple(rows), (linear_state(cells, 2, 0, 2, 5 * cells),))
    full = gqa(c, qkv_bias=qkv, o_bias=bias, qk_norm="head" if norm else "")
    if c.has("kv_lora_rank"):
        full = mla(c)
    kinds = grouped_kinds(c, 1)
    size = c.whole("moe_shared_expert_intermediate_size", "moe_intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts") * size
    sparse = deepseek_moe(c, shared=shared, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        [full if k == "full" else linear for k in kinds],
        first_dense(c, sparse, lambda: mlp(c)),
        mtp=mtp_layer(hidden, full + sparse, copies),
    )


@family("glm5_next_text")
def glm5_next(c: Fields) -> Draft:
    """Count GLM-5 Next: delta attention, selected latent attention between, in four streams."""
    hidden = c.width("hidden_size")
    streams = c.whole("hc_mult", default=4, limit="head")
    hyper = (streams_of(hidden, streams, (streams + 2) * streams, 3),)
    kinds = kinds_of(c, every(layer_count(c), 4, "full", "linear"))
    width = c.whole("index_head_dim", limit="head")
    pool = c.whole("index_kpool", default=1, limit="head")
    pooling = (
        matrix("self_attn.indexer.compress_gate", "attention", hidden, width, "none"),
        vector("self_attn.indexer.compress_ape", pool * width),
    )
    pieces = {
        "full": mla(c, indexer="full", extra=(*pooling, *hyper)),
        "linear": kimi_delta(hidden, *delta_sizes(c), extra=hyper),
    }
    draft = latent_model(c, [pieces.get(k, pieces["full"]) for k in kinds])
    draft.notes = ("the indexer's keys are counted as they are before pooling",)
    return draft


@family("rwkv")
def rwkv(c: Fields) -> Draft:
    """Count RWKV-4, whose state is five vectors a layer."""
    hidden = c.width("hidden_size")
    wide = c.width("attention_hidden_size", default=hidden)
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    rows = (
        matrix("attention.key_value_receptance", "attention", hidden, 3 * wide),
        matrix("attention.output", "attention", wide, hidden),
        vector("attention.time", 2 * wide + 3 * hidden),
    )
    # The sums of the numerator and denominator and their maximum; the last inputs of both blocks.
    state = linear_state(3 * wide, 4, 2 * hidden, 2, 12 * wide)
    feed = Part(
        (
            matrix("feed_forward.key", "mlp", hidden, size),
            matrix("feed_forward.value", "mlp", size, hidden),
            matrix("feed_forward.receptance", "mlp", hidden, hidden),
            vector("feed_forward.time_mix", 2 * hidden),
        )
    )
    extra = norms(hidden, 1, True, "pre_ln").tensors
    return assemble(c, Part(rows, (state,)), feed, norm_bias=True, extra=extra)


def _rwkv_state(hidden: int, head: int) -> Attention:
    """A matrix of each head, and the last inputs of both blocks."""
    cells = hidden * head
    return linear_state(cells, 4, 2 * hidden, 2, 7 * cells)


@family("rwkv5", "rwkv6")
def rwkv6(c: Fields) -> Draft:
    """Count RWKV-5 and 6, whose state is a matrix for each head.

    Tensors: the code beside RWKV/rwkv-6-world's weights; 2404.05892.
    """
    hidden = c.width("hidden_size")
    wide = c.width("attention_hidden_size", default=hidden)
    head = c.whole("head_size", "head_dim", default=64, limit="head")
    size = c.whole("intermediate_size", default=int(hidden * 3.5) // 32 * 32, limit="ffn")
    rows = [
        matrix("attention.key_value_receptance_gate", "attention", hidden, 4 * wide),
        matrix("attention.output", "attention", wide, hidden),
        vector("attention.time", 6 * hidden + 4 * wide),
    ]
    if c.family == "rwkv6":  # five mixes and a decay, each through a narrow matrix
        narrow, decay = (32, 64) if hidden < 4096 else (64, 128)
        rows += [
            matrix("attention.time_maa", "attention", hidden, 10 * narrow, "none"),
            matrix("attention.time_decay", "attention", hidden, 2 * decay, "none"),
        ]
    feed = Part(
        (
            matrix("feed_forward.key", "mlp", hidden, size),
            matrix("feed_forward.value", "mlp", size, hidden),
            matrix("feed_forward.receptance", "mlp", hidden, hidden),
            vector("feed_forward.time_mix", 2 * hidden),
        )
    )
    return _rwkv_model(c, Part(tuple(rows), (_rwkv_state(wide, head),)), feed, hidden)


@family("rwkv7")
def rwkv7(c: Fields) -> Draft:
    """Count RWKV-7: a delta rule whose decay, rate and gate come through narrow matrices.

    Tensors: flash-linear-attention's layers/rwkv7.py; 2503.14456.
    """
    hidden = c.width("hidden_size")
    values = c.width("value_dim", default=hidden)
    head = c.whole("head_dim", default=64, limit="head")
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    usual = {"decay": 2.5, "a": 2.5, "v": 1.7, "gate": 5.0}
    narrow = sum(
        c.width(f"{name}_low_rank_dim", default=max(32, round(factor * hidden**0.5 / 32) * 32))
        for name, factor in usual.items()
    )
    rows = (
        matrix("attn.r_k_v_proj", "attention", hidden, 2 * hidden + values),
        matrix("attn.o_proj", "attention", values, hidden),
        matrix("attn.lora", "attention", hidden, 2 * narrow, "none"),
        vector("attn.vectors", 14 * hidden),
    )
    feed = Part(
        (
            matrix("ffn.key", "mlp", hidden, size),
            matrix("ffn.value", "mlp", size, hidden),
            vector("ffn.x_k", hidden),
        )
    )
    return _rwkv_model(c, Part(rows, (_rwkv_state(values, head),)), feed, hidden)


def _rwkv_model(c: Fields, mixer: Part, feed: Part, hidden: int) -> Draft:
    return assemble(
        c,
        mixer,
        feed,
        norm_bias=True,
        extra=norms(hidden, 1, True, "pre_ln").tensors,
        context=max_context(c, NO_WINDOW),
        notes=(UNLIMITED,),
    )


@family("xlstm")
def xlstm(c: Fields) -> Draft:
    """Count xLSTM: a matrix for a memory, and gates by head."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    keys = share_of(c, "qk_dim_factor", 0.5, hidden)
    values = share_of(c, "v_dim_factor", 1.0, hidden)
    unit = c.whole("ffn_round_up_to_multiple_of", default=64)
    size = -(-share_of(c, "ffn_proj_factor", 2.667, hidden) // unit) * unit
    bias = c.flag("use_bias")
    rows = [
        matrix("mlstm_layer.qk", "attention", hidden, 2 * keys),
        matrix("mlstm_layer.v_ogate", "attention", hidden, 2 * values),
        matrix("mlstm_layer.if_gate", "attention", hidden, 2 * heads),
        matrix("mlstm_layer.out_proj", "attention", values, hidden),
        vector("mlstm_layer.multihead_norm", values + 2 * heads),
    ]
    if bias:
        rows.append(vector("mlstm_layer.bias", 2 * keys + 2 * values + hidden))
    cells = keys * values // heads
    memory = cells + keys + heads
    dtype = state_bytes(c, "inference_state_dtype", default=4)
    state = linear_state(memory, dtype, 0, 2, 5 * cells)
    return assemble(
        c,
        Part(tuple(rows), (state,)),
        mlp(c, size, bias=bias),
        final_norm=c.flag("add_out_norm", True),
        context=max_context(c, NO_WINDOW),
        notes=(UNLIMITED,),
    )


def share_of(c: Fields, name: str, default: float, width: int, most: int = 64) -> int:
    """Read a width given as a factor on another one [elements]."""
    factor = c.real(name, default)
    if not 0 < factor <= most:
        told = f"{c.path(name)} is {factor:g}: it takes a number above 0, at most {most}."
        raise BadInput(c.path(name), told)
    return max(1, int(factor * width))


@family("recurrent_gemma")
def recurrent_gemma(c: Fields) -> Draft:
    """Count RecurrentGemma: gated linear recurrences, a window in every third layer."""
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    width = c.width("lru_width", default=hidden)
    taps = c.whole("conv1d_width", default=4, limit="head")
    rows = (
        matrix("temporal_block.linear_xy", "attention", hidden, 2 * width),
        matrix("temporal_block.linear_out", "attention", width, hidden),
        matrix("temporal_block.rg_lru.gates", "attention", max(1, width // heads), 2 * width),
        vector("temporal_block.bias", 2 * width + hidden + width * (taps + 1) + 3 * width, "tp"),
    )
    state = linear_state(width, 4, width * (taps - 1), 2, 8 * width + 2 * width * taps)
    window = c.whole("sliding_window", default=2048, limit="tokens")
    pieces = {
        "recurrent": Part(rows, (state,)),
        "attention": gqa(c, o_bias=True, qkv_bias=c.flag("attention_bias"), window=window),
    }
    pattern = c.items("block_types", ["recurrent", "recurrent", "attention"], most=100)
    kinds = [pattern[i % len(pattern)] if pattern else "" for i in range(layers)]
    if any(not isinstance(k, str) or k not in pieces for k in kinds):
        raise BadInput(
            c.path("block_types"),
            f"{c.path('block_types')} takes a list of recurrent and attention.",
        )
    size = max(1, c.whole("intermediate_size", limit="ffn") // 2)
    return assemble(
        c,
        [pieces[k] for k in kinds],
        mlp(c, size, bias=True),
        tied=True,
        context=max_context(c, NO_WINDOW),
        notes=(UNLIMITED,),
    )
