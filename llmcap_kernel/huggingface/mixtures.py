"""Mixture-of-experts models, and DeepSeek's multi-head latent attention."""

import math
from typing import Any

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .assemble import Draft, assemble, layer_count, mtp_layer
from .config import Fields
from .parts import (
    NOTHING,
    Part,
    gqa,
    linear_state,
    matrix,
    mlp,
    moe,
    norms,
    shape,
    vector,
)
from .registry import (
    FAMILIES,
    alternating,
    deepseek_moe,
    every,
    family,
    first_dense,
    kinds_of,
    one_or_list,
    qwen_moe,
    qwen_sparse,
    qwen_window,
    window_of,
)


@family("qwen2_moe")
def qwen2_moe(c: Fields) -> Draft:
    sparse = qwen_moe(c, shared_gate=True)
    ffns = qwen_sparse(c, sparse, lambda: mlp(c))
    bias = c.flag("qkv_bias", True)
    return assemble(c, qwen_window(c, lambda w: gqa(c, qkv_bias=bias, window=w)), ffns)


@family("qwen3_moe", "qwen3_vl_moe_text", "qwen3_omni_moe_text", "interns1_pro_text")
def qwen3_moe(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    mixer = qwen_window(c, lambda w: gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixer, qwen_sparse(c, qwen_moe(c), lambda: mlp(c)))


@family("mixtral")
def mixtral(c: Fields) -> Draft:
    window = window_of(c)
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    return assemble(c, gqa(c, window=window), sparse)


@family("deepseek", "unlimited_ocr_text", "deepseek_ocr2_text")
def deepseek(c: Fields) -> Draft:
    """Count DeepSeek's first mixture, which OCR models kept."""
    notes: tuple[str, ...] = ()
    if c.family == "unlimited_ocr_text":
        notes = ("keeps the prompt and a window of the answer; counted as keeping all of both",)
    return assemble(c, gqa(c), first_dense(c, deepseek_moe(c), lambda: mlp(c)), notes=notes)


@family("phimoe")
def phimoe(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, window=window_of(c))
    return assemble(c, mixer, sparse, norm_bias=True, head_bias=c.flag("lm_head_bias"))


@family("dbrx")
def dbrx(c: Fields) -> Draft:
    attention, feed = c.sub("attn_config"), c.sub("ffn_config")
    if attention is None or feed is None:
        name = "attn_config" if attention is None else "ffn_config"
        raise BadInput(name, f"{name} is missing: dbrx cannot be counted without it.")
    hidden = c.width("hidden_size")
    heads = c.whole("n_heads", limit="heads")
    kv = attention.whole("kv_n_heads", limit="heads")
    sparse = moe(
        c,
        feed.whole("moe_num_experts", limit="experts"),
        feed.whole("moe_top_k"),
        feed.whole("ffn_hidden_size", limit="ffn"),
        hidden=hidden,
    )
    return assemble(c, gqa(c, sizes=(hidden, heads, kv, max(1, hidden // heads))), sparse)


@family("grok-1", "grok", "grok1")
def grok(c: Fields) -> Draft:
    """Count Grok; in Grok 2 a dense feed-forward stands beside the experts of each layer."""
    size = c.whole("intermediate_size", limit="ffn")
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("moe_intermediate_size", default=size, limit="ffn"),
    )
    beside = c.flag("residual_moe")
    if beside:
        sparse += mlp(c, size)
    return assemble(c, gqa(c), sparse, norm=4, tied=not beside)


@family("gpt_oss")
def gpt_oss(c: Fields) -> Draft:
    layers = layer_count(c)
    default = ["full" if i % 2 else "window" for i in range(layers)]
    bias = c.flag("attention_bias", True)
    mixers = alternating(
        c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, sinks=True, window=w)
    )
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        router_bias=True,
        bias=True,
        router="mlp.router",
    )
    return assemble(c, mixers, sparse)


@family("minimax_m2")
def minimax_m2(c: Fields) -> Draft:
    norm = "full" if c.flag("use_qk_norm", True) else ""
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        correction=c.flag("use_routing_bias", True),
    )
    return assemble(c, gqa(c, qk_norm=norm), sparse)


@family("minimax_m3_vl_text", "minimax_m3")
def minimax_m3(c: Fields) -> Draft:
    """Count MiniMax M3, whose sparse layers read blocks selected by a small indexer."""
    layers = layer_count(c)
    sparse_at = [0] * layers
    config = c.sub("sparse_attention_config")
    full = gqa(c, qk_norm="head")
    mixer = full
    if config is not None and config.flag("use_sparse_attention", True):
        sparse_at = config.per_layer("sparse_attention_freq", layers, {0: 0, 1: 1}, [1] * layers)
        mixer = _block_sparse(c, config, full)
    experts = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        shared=c.whole("shared_intermediate_size", default=0, low=0, limit="ffn")
        * c.whole("n_shared_experts", default=1),
        correction=c.flag("use_routing_bias", True),
    )
    dense = c.whole("dense_intermediate_size", "intermediate_size", limit="ffn")
    copies = c.whole("num_mtp_modules", default=0, low=0, limit="layers")
    return assemble(
        c,
        [mixer if s else full for s in sparse_at],
        first_dense(c, experts, lambda: mlp(c, dense)),
        mtp=mtp_layer(c.width("hidden_size"), full + experts, copies),
    )


def _block_sparse(c: Fields, config: Fields, full: Part) -> Part:
    """List attention with the indexer that selects the blocks which it reads."""
    hidden, heads, kv, head = shape(c)
    width = config.whole("sparse_index_dim", limit="head")
    index_heads = config.whole("sparse_num_index_heads", limit="heads")
    blocks = config.whole("sparse_topk_blocks") + config.whole("sparse_local_block", default=1)
    indexer = (
        matrix("self_attn.index_q_proj", "attention", hidden, index_heads * width, "none"),
        matrix("self_attn.index_k_proj", "attention", hidden, width, "none"),
        vector("self_attn.index_norm", 2 * width),
    )
    cache = Attention(
        "sparse",
        layers=1,
        heads=heads,
        kv_heads=kv,
        head_dim=head,
        topk_tokens=blocks * config.whole("sparse_block_size"),
        index_dim=width,
        index_heads=index_heads,
        index_bytes=2.0,
    )
    return Part(full.tensors + indexer, (cache,))


@family("glm4_moe", "glm4v_moe_text", "sarvam_moe")
def glm4_moe(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    mixer = gqa(c, qkv_bias=bias, qk_norm="head" if c.flag("use_qk_norm") else "")
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixer,
        first_dense(c, sparse, lambda: mlp(c), 1),
        mtp=mtp_layer(c.width("hidden_size"), mixer + sparse, copies),
    )


@family("dots1", "solar_open", "afmoe", "hy_v3")
def dots1(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    layers = layer_count(c)
    dense = c.whole("num_dense_layers", default=0, low=0, limit="layers")
    default = ["full"] * layers
    if c.family == "afmoe":
        default = every(layers, c.whole("global_attn_every_n_layers", default=4), "full")
    extra: tuple[Tensor, ...] = ()
    if c.family == "afmoe":
        hidden, heads, _kv, head = shape(c)
        extra = (matrix("self_attn.gate_proj", "attention", hidden, heads * head),)
    norm = "" if c.family == "solar_open" and not c.flag("use_qk_norm") else "head"
    mixers = alternating(
        c,
        default,
        lambda w: gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, window=w, extra=extra),
    )
    sparse = deepseek_moe(c, correction=True)
    ffns = first_dense(c, sparse, lambda: mlp(c), dense)
    return assemble(c, mixers, ffns, norm=4 if c.family == "afmoe" else 2)


@family("mellum")
def mellum(c: Fields) -> Draft:
    if not c.has("num_local_experts") and not c.has("num_experts"):
        return FAMILIES["llama"](c)
    default = ["full"] * layer_count(c)
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    return assemble(c, mixers, qwen_moe(c))


@family("jetmoe")
def jetmoe(c: Fields) -> Draft:
    """Count JetMoE, whose attention has experts for queries and outputs, and one cache."""
    hidden, _heads, kv, head = shape(c)
    count = c.whole("num_experts", limit="experts")
    chosen = c.whole("num_experts_per_tok")
    sparse = moe(c, count, chosen, c.whole("intermediate_size", limit="ffn"))
    share: dict[str, Any] = {"copies": count, "active": min(1.0, chosen / count)}
    rows = (
        matrix("self_attention.experts.input", "attention", hidden, kv * head, **share),
        matrix("self_attention.experts.output", "attention", kv * head, hidden, **share),
        matrix("self_attention.router", "router", hidden, count, "none"),
        matrix("self_attention.kv_proj", "attention", hidden, 2 * kv * head, "kv"),
        vector("bias", 2 * hidden),
    )
    cache = Attention("full", layers=1, heads=chosen * kv, kv_heads=kv, head_dim=head)
    return assemble(c, Part(rows, (cache,)), sparse, tied=True)


@family("doge")
def doge(c: Fields) -> Draft:
    """Count Doge: every token stored, some of them masked out by a gate of their values."""
    hidden, _heads, kv, head = shape(c)
    extra = (
        matrix("self_attn.dt_proj", "attention", kv * head, kv, "none"),
        vector("residual", 2 * hidden + kv),
    )
    feed = mlp(c)
    if c.flag("is_moe"):
        count = c.whole("num_experts", limit="small")
        share = min(1.0, c.whole("num_experts_per_tok") / count)
        feed += Part(
            (
                matrix("mlp.router_gate", "router", hidden, 2 * math.isqrt(count), "none"),
                matrix("mlp.embed", "expert", hidden, 2, copies=count, active=share),
            )
        )
    bias = c.flag("attention_bias")
    mixer = gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, extra=extra)
    return assemble(c, mixer, feed)


@family("zaya")
def zaya(c: Fields) -> Draft:
    """Count Zaya: keys and queries mixed by a short convolution, a router of three layers.

    One of the router's outputs stands for no expert at all.
    """
    hidden, heads, kv, head = shape(c)
    taps = c.whole("cca_time0", default=2, limit="head"), c.whole("cca_time1", default=2)
    channels = (heads + kv) * head
    count = c.whole("num_experts", limit="experts")
    narrow = c.width("router_hidden_size", default=256)
    extra = (
        vector("qkv_proj.conv_depthwise", channels * (taps[0] + 1), "tp"),
        vector("qkv_proj.conv_grouped", channels * (head * taps[1] + 1), "tp"),
        vector("qk_norm.temp", kv),
        vector("residual_scale", 8 * hidden),
    )
    state = linear_state(0, 2, channels * (sum(taps) - 2) + kv * head // 2, 2, 4 * channels * head)
    window = window_of(c)
    pieces = {
        kind: gqa(c, extra=extra, window=window if kind == "window" else 0) + Part((), (state,))
        for kind in ("full", "window")
    }
    sparse = moe(
        c,
        count,
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
        router="mlp.gate.unused",
    )
    router = Part(
        (
            matrix("mlp.gate.down_proj", "router", hidden, narrow, "none"),
            matrix("mlp.gate.router_mlp", "router", narrow, 2 * narrow + count + 1, "none"),
            vector("mlp.gate.vectors", 5 * narrow),
        )
    )
    sparse = Part(sparse.tensors[1:], (), sparse.experts, sparse.experts_per_token) + router
    kinds = kinds_of(c, ["full"] * layer_count(c))
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    return assemble(c, mixers, sparse, tied=True, head_bias=c.flag("lm_head_bias"))


@family("cohere2_moe")
def cohere2_moe(c: Fields) -> Draft:
    layers = layer_count(c)
    default = every(layers, c.whole("sliding_window_pattern", default=4), "full")
    mixers = alternating(c, default, lambda w: gqa(c, window=w))
    size = c.whole("intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts")
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        size,
        shared=shared * size,
    )
    dense = c.whole("prefix_dense_intermediate_size", default=size, limit="ffn")
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c, dense)), norm=1, tied=True)


@family("laguna")
def laguna(c: Fields) -> Draft:
    """Count Laguna: one gate per head, and more query heads in some layers."""
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    same = [heads] * layers
    counts = c.wholes_per_layer("num_attention_heads_per_layer", layers, same, 1, "heads")
    kinds = kinds_of(c, ["full"] * layers)
    window, pieces, mixers = window_of(c), {}, []
    for kind, n in zip(kinds, counts, strict=False):
        if (kind, n) not in pieces:
            gate = (matrix("self_attn.g_proj", "attention", hidden, n),)
            pieces[kind, n] = gqa(
                c,
                sizes=(hidden, n, kv, head),
                qk_norm="head",
                extra=gate,
                window=window if kind == "window" else 0,
            )
        mixers.append(pieces[kind, n])
    sparse = qwen_moe(c, correction=True)
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c), 1))


@family("mimo_v2_flash", "mimo_v2")
def mimo_v2(c: Fields) -> Draft:
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    value = c.whole("v_head_dim", default=head, limit="head")
    window = c.whole("sliding_window", limit="tokens")
    bias = c.flag("attention_bias")
    twice = 2 if c.family == "mimo_v2_flash" else 1
    local = (
        hidden,
        c.whole("swa_num_attention_heads", default=heads, limit="heads"),
        # Where the field is missing, transformers doubles the heads of the full layers.
        c.whole("swa_num_key_value_heads", default=twice * kv, limit="heads"),
        c.whole("swa_head_dim", default=head, limit="head"),
    )
    swa_value = c.whole("swa_v_head_dim", default=value, limit="head")
    pieces = {
        "full": gqa(c, v_head=value, qkv_bias=bias, sinks=c.flag("add_full_attention_sink_bias")),
        "window": gqa(
            c,
            sizes=local,
            v_head=swa_value,
            qkv_bias=bias,
            window=window,
            sinks=c.flag("add_swa_attention_sink_bias", True),
        ),
    }
    if c.has("hybrid_layer_pattern"):
        kinds = c.per_layer("hybrid_layer_pattern", layers, {0: "full", 1: "window"})
    else:
        kinds = kinds_of(c, None)
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixers,
        first_dense(c, sparse, lambda: mlp(c)),
        mtp=mtp_layer(hidden, pieces["window"] + mlp(c), copies),
    )


@family("step3p5", "step3p7")
def step(c: Fields) -> Draft:
    """Count Step 3.5 and 3.7: one gate per head, more query heads in windowed layers."""
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_key_value_heads", limit="heads")
    head = c.whole("head_dim", limit="head")
    local, notes = _sliding_heads(c, hidden, heads)
    window = window_of(c)

    def build(n: int, span: int) -> Part:
        gate = (matrix("self_attn.g_proj", "attention", hidden, n),)
        return gqa(c, sizes=(hidden, n, kv, head), qk_norm="head", window=span, extra=gate)

    pieces = {"full": build(heads, 0), "window": build(local, window)}
    default = ["window" if i % 4 else "full" for i in range(layers)]
    kinds = kinds_of(c, default)
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
        shared=c.whole("share_expert_dim", default=0, low=0, limit="ffn"),
        correction=c.flag("use_moe_router_bias", True),
    )
    ffns = first_dense(c, sparse, lambda: mlp(c), 3)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        [pieces.get(k, pieces["full"]) for k in kinds],
        ffns,
        notes=notes,
        mtp=mtp_layer(hidden, pieces["window"] + mlp(c), copies),
    )


def _sliding_heads(c: Fields, hidden: int, heads: int) -> tuple[int, tuple[str, ...]]:
    """Query heads of Step's windowed layers, and what was taken for them."""
    if c.has("num_sliding_attention_heads"):
        return c.whole("num_sliding_attention_heads", limit="heads"), ()
    if other := c.sub("attention_other_setting"):
        return other.whole("num_attention_heads", limit="heads"), ()
    if heads == 64 and hidden == 4096:
        # Copies of this config that lack attention_other_setting: the published
        # checkpoint's sliding layers have 96 query heads.
        return 96, ("sliding layers taken to have 96 query heads, as published",)
    return heads, ()


@family("llama4_text")
def llama4(c: Fields) -> Draft:
    layers = layer_count(c)
    _hidden, _heads, _kv, _head = shape(c)
    step = c.whole("interleave_moe_layer_step", default=1)
    size = c.whole("intermediate_size", limit="ffn")
    bias = c.flag("attention_bias")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=1),
        size,
        shared=size,
    )
    # Three layers of four look back within a chunk of the sequence.
    chunk = c.whole("attention_chunk_size", default=0, low=0, limit="tokens")
    kinds = every(layers, c.whole("no_rope_layer_interval", default=4), "full")
    kinds = kinds_of(c, kinds)
    pieces = {
        "full": gqa(c, qkv_bias=bias, o_bias=bias),
        "window": gqa(c, qkv_bias=bias, o_bias=bias, window=chunk),
    }
    at = [(i + 1) % step == 0 for i in range(layers)]
    if c.has("moe_layers"):
        chosen = set(c.wholes("moe_layers"))
        at = [i in chosen for i in range(layers)]
    dense = sparse if all(at) else mlp(c, c.whole("intermediate_size_mlp", limit="ffn"))
    return assemble(c, [pieces[k] for k in kinds], [sparse if a else dense for a in at])


@family("granitemoe", "granitemoeshared", "granitemoe_swa")
def granitemoe(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        shared=c.whole("shared_intermediate_size", default=0, low=0, limit="ffn"),
    )
    default = every(layer_count(c), 4 if c.family == "granitemoe_swa" else 1, "full")
    mixers = alternating(c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixers, sparse, tied=True)


@family("ernie4_5_moe", "ernie4_5_vl_moe_text")
def ernie_moe(c: Fields) -> Draft:
    layers = layer_count(c)
    bias = c.flag("use_bias")
    sparse = _ernie_experts(c)
    first = c.whole("moe_layer_start_index", default=1, low=0, limit="layers")
    last = c.whole("moe_layer_end_index", default=layers - 1, low=-1, limit="layers")
    last = layers - 1 if last < 0 else last
    step = c.whole("moe_layer_interval", default=1)
    dense = mlp(c, bias=bias)
    ffns = [
        sparse if first <= i <= last and (i - first) % step == 0 else dense for i in range(layers)
    ]
    if c.has("mlp_layer_types"):
        ffns = first_dense(c, sparse, lambda: dense)
    return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias), ffns, tied=True)


def _ernie_experts(c: Fields) -> Part:
    """List Ernie's experts; of the model that sees, those for images beside those for text."""
    sizes = _listed(c, "moe_intermediate_size", "ffn")
    counts = _listed(c, "moe_num_experts" if c.has("moe_num_experts") else "num_experts", "experts")
    part = moe(
        c,
        counts[0],
        c.whole("num_experts_per_tok"),
        sizes[0],
        shared=sizes[0] * c.whole("num_shared_experts", default=0, low=0, limit="experts"),
        correction=True,
    )
    if len(sizes) < 2:
        return part
    hidden, count = c.width("hidden_size"), counts[-1]
    rows = (
        matrix("mlp.vision_moe.experts", "vision", hidden, 3 * sizes[1], copies=count),
        matrix("mlp.vision_moe.gate", "vision", hidden, count, "none"),
        vector("mlp.vision_moe.correction", count),
    )
    return part + Part(rows)


def _listed(c: Fields, name: str, limit: str) -> list[int]:
    """Read a number, or one for text and one for images."""
    if isinstance(c.data.get(name), list):
        found = c.wholes(name, low=1, limit=limit)
        if found:
            return found
    return [c.whole(name, limit=limit)]


@family("hunyuan_v1_moe", "hunyuan")
def hunyuan_moe(c: Fields) -> Draft:
    layers = layer_count(c)
    bias = c.flag("attention_bias")
    size = one_or_list(c, "moe_intermediate_size", c.whole("intermediate_size", limit="ffn"), "ffn")
    dense_size = c.whole("intermediate_size", limit="ffn")
    shared = one_or_list(c, "num_shared_expert", 1)
    norm = "head" if c.flag("use_qk_norm", True) else ""
    experts = c.whole("num_experts", limit="experts")
    if experts == 1:
        return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm), mlp(c), tied=True)
    sparse = moe(
        c,
        experts,
        one_or_list(c, "moe_topk", 1) or 1,
        size,
        shared=shared * (size if c.has("moe_intermediate_size") else dense_size),
    )
    first = c.whole("moe_layer_num_skipped", default=0, low=0, limit="layers")
    dense = mlp(c, dense_size)
    factor = c.whole("cla_share_factor", default=1) if c.flag("use_cla") else 1
    own = gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm)
    borrowed = own if factor < 2 else gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, cached=False)
    mixers = [borrowed if i % factor else own for i in range(layers)]
    ffns = [sparse if i >= first else dense for i in range(layers)]
    return assemble(c, mixers, ffns, tied=True)


@family("bailing_moe", "bailing_moe_v2")
def bailing(c: Fields) -> Draft:
    bias = c.flag("use_bias")
    qkv = c.flag("use_qkv_bias", bias)
    norm = "head" if c.flag("use_qk_norm", c.family != "bailing_moe") else ""
    size = c.whole("moe_intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts") * c.whole(
        "moe_shared_expert_intermediate_size", default=size, limit="ffn"
    )
    sparse = deepseek_moe(
        c, shared=shared, correction=c.flag("moe_router_enable_expert_bias", True)
    )
    mixer = gqa(c, qkv_bias=qkv, o_bias=bias, qk_norm=norm)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixer,
        first_dense(c, sparse, lambda: mlp(c)),
        mtp=mtp_layer(c.width("hidden_size"), mixer + sparse, copies),
    )


@family("arctic")
def arctic(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    residual = mlp(c, hidden, prefix="residual_mlp") if c.flag("use_residual", True) else NOTHING
    step = c.whole("moe_layer_frequency", default=1)
    layers = layer_count(c)
    dense = mlp(c)
    both = sparse + residual + norms(hidden, 1)
    ffns = [both if (i + 1) % step == 0 else dense for i in range(layers)]
    return assemble(c, gqa(c), ffns)
