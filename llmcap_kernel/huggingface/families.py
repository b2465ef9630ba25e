"""Which architecture a model_type names, each in a few lines.

A family is a function from the config's fields to a draft. What they leave to
defaults is what the class in Hugging Face transformers (or the code shipped
beside the checkpoint) says when the file is silent.
"""

import difflib

from ..refuse import BadInput, shown
from ..spec import Attention, Tensor
from . import towers
from .assemble import assemble, layer_count, max_context, mtp_layer
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
    mla,
    mlp,
    moe,
    norms,
    shape,
    state_bytes,
    vector,
)

FAMILIES = {}


def family(*names):
    """Register a builder under the model_types it reads."""

    def register(build):
        for name in names:
            FAMILIES[name] = build
        return build

    return register


def window_of(c, name="sliding_window"):
    """Read a sliding window; 0 when there is none or it is as wide as the context."""
    window = c.whole(name, default=0, low=0, limit="tokens")
    return 0 if window >= max_context(c, default=window + 1) else window


LAYER_KINDS = {
    "full_attention": "full",
    "attention": "full",
    "global": "full",
    "global_attention": "full",
    "sliding_attention": "window",
    "local": "window",
    "sliding": "window",
    "swa": "window",
    "chunked_attention": "window",
    "linear_attention": "linear",
    "mamba": "mamba",
    "conv": "conv",
    "deepseek_sparse_attention": "full",
}


def kinds_of(c, default):
    """Read layer_types, or take what the family says when it is missing."""
    return c.per_layer("layer_types", layer_count(c), LAYER_KINDS, default)


def every(layers, period, full, local="window"):
    """List kinds in which each `period`-th layer differs."""
    return [full if (i + 1) % period == 0 else local for i in range(layers)]


def alternating(c, default, build):
    """Build full and windowed layers by layer_types, or by the family's default."""
    kinds = kinds_of(c, default)
    window = window_of(c)
    pieces = {"full": build(0), "window": build(window) if window else build(0)}
    bad = next((k for k in kinds if k not in pieces), None)
    if bad:
        raise BadInput(
            c.path("layer_types"),
            f"{c.path('layer_types')} has {bad!r} layers, which {c.family} does not have.",
        )
    return [pieces[k] for k in kinds]


# --- dense decoders -------------------------------------------------------


@family("llama", "aquila", "yi", "xverse", "open_llama", "smollm3", "arcee", "helium", "minicpm",
        "internlm", "internlm3", "granite", "ernie4_5", "seed_oss", "cwm", "code_llama",
        "hunyuan_v1_dense", "apertus", "nanochat", "youtu", "iquestcoder", "jais2", "hyperclovax",
        "granite_swa", "ministral", "ministral3", "mistral", "vaultgemma", "baichuan", "orion",
        "minicpm4")
def llama(c):
    """Count Llama and the families that change only a bias, a norm or the tying in it."""
    if c.has("kv_lora_rank"):
        return deepseek_v3(c)
    biased = {"internlm": True, "seed_oss": True}.get(c.family, False)
    qkv = c.flag("attention_bias", c.flag("qkv_bias", c.flag("bias", c.flag("use_bias", biased))))
    out = c.flag("attention_out_bias", c.family != "seed_oss" and qkv)
    traits = {
        "qkv_bias": qkv,
        "o_bias": c.flag("bias", out) if c.family == "internlm3" else out,
        "qk_norm": "head" if c.family in ("hunyuan_v1_dense", "apertus") else "",
    }
    feed = mlp(
        c,
        gated=c.family not in ("arcee", "apertus", "nanochat", "jais2"),
        bias=c.flag("mlp_bias", c.flag("use_bias")),
    )
    window = c.has("sliding_window") and c.flag("use_sliding_window", True)
    default = ["window" if window else "full"] * layer_count(c)
    mixers = alternating(c, default, lambda w: gqa(c, window=w, **traits))
    return assemble(
        c,
        mixers,
        feed,
        tied=c.family in ("smollm3", "granite", "minicpm", "ernie4_5"),
        norm_bias=c.family == "orion",
    )


@family("qwen2", "qwen", "qwen2_vl_text", "qwen2_5_vl_text")
def qwen2(c):
    if c.family == "qwen":
        hidden, heads, kv, head = shape(c)
        size = c.whole("intermediate_size", limit="ffn") // 2
        return assemble(c, gqa(c, qkv_bias=True), mlp(c, size), context=max_context(c, 8192))
    return assemble(c, qwen_window(c, lambda w: gqa(c, qkv_bias=True, window=w)), mlp(c))


def qwen_window(c, build):
    """Build Qwen's attention: windowed from layer max_window_layers on, when switched on."""
    layers = layer_count(c)
    if not c.flag("use_sliding_window"):
        return build(0)
    first = c.whole("max_window_layers", default=layers, low=0, limit="layers")
    return alternating(c, ["full" if i < first else "window" for i in range(layers)], build)


@family("qwen3", "qwen3_vl_text")
def qwen3(c):
    bias = c.flag("attention_bias")
    mixer = qwen_window(c, lambda w: gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixer, mlp(c))


def qwen_sparse(c, sparse, dense):
    """Place Qwen's MoE layers: all, but for mlp_only_layers and decoder_sparse_step."""
    step = c.whole("decoder_sparse_step", default=1)
    only = set(c.wholes("mlp_only_layers"))
    layers = layer_count(c)
    moe_at = [i not in only and (i + 1) % step == 0 for i in range(layers)]
    feed = None if all(moe_at) else dense()
    return [sparse if at else feed for at in moe_at]


def qwen_moe(c, **more):
    return moe(
        c,
        c.whole("num_experts", "num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
        shared=c.whole("shared_expert_intermediate_size", default=0, low=0, limit="ffn"),
        **more,
    )


@family("qwen2_moe")
def qwen2_moe(c):
    sparse = qwen_moe(c, shared_gate=True)
    ffns = qwen_sparse(c, sparse, lambda: mlp(c))
    bias = c.flag("qkv_bias", True)
    return assemble(c, qwen_window(c, lambda w: gqa(c, qkv_bias=bias, window=w)), ffns)


@family("qwen3_moe", "qwen3_vl_moe_text")
def qwen3_moe(c):
    bias = c.flag("attention_bias")
    mixer = qwen_window(c, lambda w: gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixer, qwen_sparse(c, qwen_moe(c), lambda: mlp(c)))


@family("mixtral")
def mixtral(c):
    window = window_of(c)
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    return assemble(c, gqa(c, window=window), sparse)


# --- DeepSeek and what follows it -----------------------------------------


def first_dense(c, sparse, dense, default=0):
    """Place MoE layers after the first dense ones, at moe_layer_freq or mlp_layer_types."""
    layers = layer_count(c)
    if c.has("mlp_layer_types"):
        kinds = c.per_layer("mlp_layer_types", layers, {"dense": 0, "sparse": 1, "moe": 1})
    elif isinstance(c.data.get("moe_layer_freq"), list):
        kinds = c.per_layer("moe_layer_freq", layers, {0: 0, 1: 1})
    else:
        first = c.whole("first_k_dense_replace", default=default, low=0, limit="layers")
        step = c.whole("moe_layer_freq", default=1)
        kinds = [int(i >= first and i % step == 0) for i in range(layers)]
    feed = None if all(kinds) else dense()
    return [sparse if k else feed for k in kinds]


def deepseek_moe(c, **more):
    size = c.whole("moe_intermediate_size", limit="ffn")
    shared = c.whole("n_shared_experts", "num_shared_experts", default=0, low=0, limit="experts")
    more.setdefault("shared", shared * size)
    return moe(
        c,
        c.whole("n_routed_experts", "num_experts", "num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", "moe_top_k"),
        size,
        **more,
    )


@family("deepseek")
def deepseek(c):
    return assemble(c, gqa(c), first_dense(c, deepseek_moe(c), lambda: mlp(c)))


@family("deepseek_v2", "deepseek_v3", "kimi_k2", "deepseek_v32", "glm_moe_dsa",
        "deepseek_vl_v2", "glm4_moe_lite", "minicpm3", "joyai_llm_flash")
def deepseek_v3(c):
    layers = layer_count(c)
    bias = c.flag("attention_bias")
    if c.has("index_topk"):
        kinds = c.per_layer(
            "indexer_types", layers, {"full": "full", "shared": "shared"}, ["full"] * layers
        )
        pieces = {k: mla(c, indexer=k, bias=bias) for k in set(kinds)}
        mixers = [pieces[k] for k in kinds]
    else:
        mixers = mla(c, bias=bias) if c.has("kv_lora_rank") else gqa(c)
    tied = c.family == "minicpm3"
    if not c.has("n_routed_experts"):
        return assemble(c, mixers, mlp(c), tied=tied)
    correction = c.text("topk_method", "noaux_tc") == "noaux_tc" and c.family != "deepseek_v2"
    sparse = deepseek_moe(c, correction=correction)
    ffns = first_dense(c, sparse, lambda: mlp(c))
    last = mixers[-1] if isinstance(mixers, list) else mixers
    if c.has("index_topk"):
        last = mla(c, indexer="full", bias=bias)
    extra_layers = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    hidden = c.width("hidden_size")
    return assemble(c, mixers, ffns, mtp=mtp_layer(hidden, last + sparse, extra_layers))


# --- more dense decoders --------------------------------------------------


@family("gemma", "gemma2")
def gemma(c):
    four = c.family == "gemma2"
    layers = layer_count(c)
    if not four:
        return assemble(c, gqa(c), mlp(c), tied=True)
    default = every(layers, 2, "full")
    return assemble(c, alternating(c, default, lambda w: gqa(c, window=w)), mlp(c), norm=4,
                    tied=True)


# What transformers' Gemma3TextConfig says where a published file is silent.
GEMMA3 = {
    "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216,
    "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
    "head_dim": 256, "sliding_window": 4096, "max_position_embeddings": 131_072,
}


@family("gemma3_text")
def gemma3(c):
    c = c.under(GEMMA3)
    period = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    default = every(layer_count(c), period, "full")
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    return assemble(c, mixers, mlp(c), norm=4, tied=True)


@family("gemma4_text", "gemma4_unified_text")
def gemma4(c):
    """Count Gemma 4: wider heads in global layers, whose keys may serve as values."""
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    wide = c.whole("global_head_dim", default=512, limit="head")
    same = c.flag("attention_k_eq_v")
    wide_kv = kv
    if same:
        wide_kv = c.whole("num_global_key_value_heads", default=kv, limit="heads")
    window = window_of(c)
    shared = c.whole("num_kv_shared_layers", default=0, low=0, limit="layers")
    per_layer = c.whole("hidden_size_per_layer_input", default=0, low=0, limit="width")
    kinds = kinds_of(c, every(layers, 6, "full"))
    side = ()
    if per_layer:
        side = (
            matrix("per_layer_input_gate", "mlp", hidden, per_layer),
            matrix("per_layer_projection", "mlp", per_layer, hidden),
        )

    def build(kind, cached):
        sizes = (hidden, heads, kv, head) if kind == "window" else (hidden, heads, wide_kv, wide)
        return gqa(
            c,
            sizes=sizes,
            qk_norm="head",
            window=window if kind == "window" else 0,
            has_v=kind == "window" or not same,
            extra=side,
            cached=cached,
        )

    pieces = {}
    mixers = []
    for i, kind in enumerate(kinds):
        key = (kind if kind == "window" else "full", i < layers - shared)
        if key not in pieces:
            pieces[key] = build(*key)
        mixers.append(pieces[key])
    norm = 4 + (1 if per_layer else 0)
    extra = per_layer_embedding(c, layers, hidden, per_layer) if per_layer else ()
    size = c.whole("intermediate_size", limit="ffn")
    dense = mlp(c, size)
    if c.flag("enable_moe_block"):
        sparse = moe(
            c,
            c.whole("num_experts", limit="experts"),
            c.whole("top_k_experts", "num_experts_per_tok"),
            c.whole("moe_intermediate_size", "expert_intermediate_size", limit="ffn"),
            prefix="moe",
            router="router.proj",
        )
        dense = dense + sparse + norms(hidden, 4, name="moe_layernorm")
    ffns = [dense] * layers
    if c.flag("use_double_wide_mlp") and shared:
        double = mlp(c, 2 * size)
        ffns = [dense if i < layers - shared else double for i in range(layers)]
    return assemble(c, mixers, ffns, norm=norm, tied=True, extra=extra)


def per_layer_embedding(c, layers, hidden, per_layer):
    """List Gemma's table of an embedding for every layer, looked up and never multiplied.

    Its role is "norm" so that a tied head does not count it as read.
    """
    vocab = c.whole("vocab_size_per_layer_input", default=262_144, limit="vocab")
    return (
        Tensor("embed_tokens_per_layer", "norm", vocab * per_layer, copies=layers, active=0.0),
        matrix("per_layer_model_projection", "mlp", hidden, layers * per_layer, "none"),
        vector("per_layer_projection_norm", per_layer),
    )


@family("gemma3n_text")
def gemma3n(c):
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    sizes = c.data.get("intermediate_size")
    sizes = c.wholes("intermediate_size", limit="ffn") if isinstance(sizes, list) else [
        c.whole("intermediate_size", limit="ffn")] * layers
    per_layer = c.whole("hidden_size_per_layer_input", default=256, limit="width")
    inputs = c.whole("altup_num_inputs", default=4, limit="head")
    rank = c.whole("laurel_rank", default=64, limit="width")
    shared = c.whole("num_kv_shared_layers", default=15, low=0, limit="layers")
    window = window_of(c)
    side = (
        matrix("per_layer_input_gate", "mlp", hidden, per_layer),
        matrix("per_layer_projection", "mlp", per_layer, hidden),
        matrix("laurel.linear_left", "mlp", hidden, rank),
        matrix("laurel.linear_right", "mlp", rank, hidden),
        vector("altup", 2 * hidden + inputs * (inputs + inputs**2 + hidden)),
    )
    kinds = kinds_of(c, every(layers, 5, "full"))
    pieces, mixers = {}, []
    for i, kind in enumerate(kinds):
        key = (kind, i < layers - shared)
        if key not in pieces:
            pieces[key] = gqa(c, qk_norm="head", window=window if kind == "window" else 0,
                              extra=side, cached=key[1])
        mixers.append(pieces[key])
    built = {s: mlp(c, s) for s in set(sizes[:layers])}
    extra = per_layer_embedding(c, layers, hidden, per_layer) + (
        Tensor("altup_projections", "mlp", hidden * hidden, copies=2 * max(1, inputs - 1)),
    )
    return assemble(c, mixers, [built[s] for s in sizes[:layers]], norm=6, tied=True, extra=extra)


@family("phi3")
def phi3(c):
    return assemble(c, gqa(c, window=window_of(c)), mlp(c))


@family("phi")
def phi(c):
    bias, norm = True, "head" if c.flag("qk_layernorm") else ""
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, norm_bias=True)
    feed = mlp(c, gated=False, bias=True)
    return assemble(c, mixer, feed, norm=1, norm_bias=True, head_bias=True)


@family("phimoe")
def phimoe(c):
    bias = c.flag("attention_bias")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, window=window_of(c))
    return assemble(c, mixer, sparse, norm_bias=True, head_bias=c.flag("lm_head_bias"))


@family("starcoder2")
def starcoder2(c):
    bias = c.flag("use_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, window=window_of(c))
    return assemble(c, mixer, mlp(c, gated=False, bias=bias), norm_bias=True, tied=True)


@family("stablelm", "stablelm_epoch")
def stablelm(c):
    norm = "heads" if c.flag("qk_layernorm") else ""
    mixer = gqa(c, qkv_bias=c.flag("use_qkv_bias"), qk_norm=norm)
    count = 1 if c.flag("use_parallel_residual") else 2
    return assemble(c, mixer, mlp(c), norm=count, norm_bias=True)


@family("nemotron")
def nemotron(c):
    bias = c.flag("attention_bias")
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    return assemble(c, mixer, mlp(c, gated=False, bias=c.flag("mlp_bias")), norm_bias=True)


@family("persimmon")
def persimmon(c):
    norm = "head" if c.flag("qk_layernorm", True) else ""
    mixer = gqa(c, qkv_bias=True, o_bias=True, qk_norm=norm, norm_bias=True)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt2", "gpt_bigcode")
def gpt2(c):
    hidden, heads, kv, head = shape(c)
    if c.family == "gpt_bigcode":
        kv = 1 if c.flag("multi_query", True) else heads
    size = c.whole("n_inner", "intermediate_size", default=4 * hidden, limit="ffn")
    mixer = gqa(c, sizes=(hidden, heads, kv, head), qkv_bias=True, o_bias=True)
    feed = mlp(c, size, gated=False, bias=True)
    return assemble(c, mixer, feed, norm_bias=True, tied=True, positions=max_context(c))


@family("gptj", "codegen")
def gptj(c):
    hidden = c.width("n_embd", "hidden_size")
    size = c.whole("n_inner", default=4 * hidden, limit="ffn")
    return assemble(c, gqa(c), mlp(c, size, gated=False, bias=True), norm=1, norm_bias=True,
                    head_bias=True)


@family("gpt_neox")
def gpt_neox(c):
    bias = c.flag("attention_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt_neo")
def gpt_neo(c):
    hidden, heads, kv, head = shape(c)
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    window = c.whole("window_size", default=256, limit="tokens")
    default = ["window" if i % 2 else "full" for i in range(layers)]
    kinds = c.per_layer("attention_layers", layers, LAYER_KINDS, default)
    pieces = {"full": gqa(c, o_bias=True), "window": gqa(c, o_bias=True, window=window)}
    return assemble(c, [pieces[k] for k in kinds], mlp(c, size, gated=False, bias=True),
                    layers=layers, norm_bias=True, tied=True, positions=max_context(c))


@family("opt")
def opt(c):
    hidden = c.width("hidden_size")
    word = c.width("word_embed_proj_dim", default=hidden)
    bias = c.flag("enable_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    feed = mlp(c, c.whole("ffn_dim", limit="ffn"), gated=False, bias=bias)
    draft = assemble(c, mixer, feed, norm_bias=True, tied=True, positions=max_context(c) + 2,
                     final_norm=c.flag("do_layer_norm_before", True))
    if word != hidden:
        vocab = c.whole("vocab_size", limit="vocab")
        draft.pieces = [
            (Tensor("embed_tokens", "embedding", vocab * word, active=0.0), None)
            if t.name == "embed_tokens" else (t, where) for t, where in draft.pieces
        ] + [(Tensor("project_in_out", "mlp", word * hidden, copies=2), None)]
    return draft


@family("bloom")
def bloom(c):
    hidden, heads, kv, head = shape(c)
    mixer = gqa(c, qkv_bias=True, o_bias=True)
    feed = mlp(c, 4 * hidden, gated=False, bias=True, hidden=hidden)
    extra = norms(hidden, 1, True, "word_embeddings_layernorm").tensors
    return assemble(c, mixer, feed, norm_bias=True, tied=True, extra=extra,
                    context=max_context(c, 2048))


@family("falcon", "RefinedWeb", "RefinedWebModel")
def falcon(c):
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", "n_head", limit="heads")
    new = c.flag("new_decoder_architecture", c.family == "RefinedWeb")
    kv = heads
    if new:
        kv = c.whole("num_kv_heads", "n_head_kv", default=heads, limit="heads")
    elif c.flag("multi_query", True):
        kv = 1
    bias = c.flag("bias")
    size = c.whole("ffn_hidden_size", default=4 * hidden, limit="ffn")
    mixer = gqa(c, sizes=(hidden, heads, kv, max(1, hidden // heads)), qkv_bias=bias, o_bias=bias)
    two = c.whole("num_ln_in_parallel_attn", default=2 if new else 1, limit="head")
    count = two if c.flag("parallel_attn", True) else 2
    return assemble(c, mixer, mlp(c, size, gated=False, bias=bias), norm=count, norm_bias=True,
                    tied=True, context=max_context(c, 2048))


@family("mpt")
def mpt(c):
    hidden = c.width("d_model")
    heads = c.whole("n_heads", limit="heads")
    attention = c.sub("attn_config")
    kv = heads
    if attention:
        kv = attention.whole("kv_n_heads", default=heads, limit="heads")
        if attention.text("attn_type") == "multiquery_attention":
            kv = 1
    ratio = c.whole("expansion_ratio", default=4, limit="head")
    bias = not c.flag("no_bias", True)
    sizes = (hidden, heads, kv, max(1, hidden // heads))
    mixer = gqa(c, sizes=sizes, qkv_bias=bias, o_bias=bias)
    learned = not (attention and attention.flag("alibi", True)) if attention else False
    return assemble(c, mixer, mlp(c, ratio * hidden, gated=False, bias=bias), norm_bias=bias,
                    tied=True, positions=max_context(c) if learned else 0)


@family("internlm2")
def internlm2(c):
    bias = c.flag("bias")
    return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias), mlp(c))


@family("cohere", "cohere2")
def cohere(c):
    bias = c.flag("attention_bias")
    norm = "heads" if c.flag("use_qk_norm") else ""
    layers = layer_count(c)
    default = ["full"] * layers
    if c.family == "cohere2":
        default = every(layers, c.whole("sliding_window_pattern", default=4), "full")
    mixers = alternating(
        c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, window=w)
    )
    return assemble(c, mixers, mlp(c), norm=1, tied=True)


@family("olmo", "olmo2", "olmo3", "olmoe", "flex_olmo")
def olmo(c):
    bias = c.flag("attention_bias")
    layers = layer_count(c)
    norm = "" if c.family == "olmo" else "full"
    default = every(layers, 4, "full") if c.family == "olmo3" else ["full"] * layers
    mixers = alternating(
        c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, window=w)
    )
    if c.family == "olmo":
        # Its LayerNorm has no weights.
        return assemble(c, mixers, mlp(c), norm=0, final_norm=False)
    if c.has("num_experts"):
        sparse = moe(c, c.whole("num_experts", limit="experts"), c.whole("num_experts_per_tok"),
                     c.whole("intermediate_size", limit="ffn"))
        return assemble(c, mixers, sparse)
    return assemble(c, mixers, mlp(c))


@family("exaone")
def exaone(c):
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    return assemble(c, gqa(c), mlp(c), layers=layers)


@family("exaone4", "exaone_moe")
def exaone4(c):
    layers = layer_count(c)
    pattern = c.data.get("sliding_window_pattern")
    if isinstance(pattern, str) and 0 < len(pattern) <= 100:
        default = ["full" if pattern[i % len(pattern)] == "G" else "window" for i in range(layers)]
    else:
        period = c.whole("sliding_window_pattern", default=4, limit="layers")
        default = every(layers, period, "full") if c.has("sliding_window") else ["full"] * layers
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    if c.family == "exaone4":
        return assemble(c, mixers, mlp(c))
    sparse = deepseek_moe(c, correction=True)
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c)))


@family("glm", "glm4", "glm4v_text", "chatglm")
def glm(c):
    if c.family == "chatglm":
        return chatglm(c)
    bias = c.flag("attention_bias")
    return assemble(c, gqa(c, qkv_bias=bias), mlp(c), norm=2 if c.family == "glm" else 4)


def chatglm(c):
    hidden = c.width("hidden_size")
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = heads
    if c.flag("multi_query_attention"):
        kv = c.whole("multi_query_group_num", limit="heads")
    head = c.whole("kv_channels", default=max(1, hidden // heads), limit="head")
    bias = c.flag("add_qkv_bias", c.flag("add_bias_linear"))
    mixer = gqa(c, sizes=(hidden, heads, kv, head), qkv_bias=bias)
    feed = mlp(c, c.whole("ffn_hidden_size", limit="ffn"))
    vocab = c.whole("padded_vocab_size", "vocab_size", limit="vocab")
    return assemble(c, mixer, feed, layers=layers, vocab=vocab)


@family("dbrx")
def dbrx(c):
    attention, feed = c.sub("attn_config"), c.sub("ffn_config")
    if attention is None or feed is None:
        name = "attn_config" if attention is None else "ffn_config"
        raise BadInput(name, f"{name} is missing: dbrx cannot be counted without it.")
    hidden = c.width("d_model")
    heads = c.whole("n_heads", limit="heads")
    kv = attention.whole("kv_n_heads", limit="heads")
    sparse = moe(c, feed.whole("moe_num_experts", limit="experts"), feed.whole("moe_top_k"),
                 feed.whole("ffn_hidden_size", limit="ffn"), hidden=hidden)
    return assemble(c, gqa(c, sizes=(hidden, heads, kv, max(1, hidden // heads))), sparse)


@family("grok-1", "grok", "grok1")
def grok(c):
    sparse = moe(c, c.whole("num_experts", "num_local_experts", limit="experts"),
                 c.whole("num_experts_per_tok", "num_selected_experts", default=2),
                 c.whole("intermediate_size", limit="ffn"))
    return assemble(c, gqa(c), sparse, norm=4, tied=True)


@family("nemotron-nas", "deci", "decilm")
def nemotron_nas(c):
    """Count a searched Llama, whose layers differ in attention and feed-forward."""
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", default=max(1, hidden // heads), limit="head")
    if not c.has("block_configs"):
        counts = c.wholes("num_key_value_heads_per_layer", low=1, limit="heads")
        if len(counts) != layers:
            raise BadInput("block_configs", f"block_configs is missing: {c.family} cannot be "
                           "counted without it (or num_key_value_heads_per_layer).")
        built = {n: gqa(c, sizes=(hidden, heads, n, head)) for n in set(counts)}
        return assemble(c, [built[n] for n in counts], mlp(c))
    mixers, ffns, layer_norms, pieces = [], [], [], {}
    for i, block in enumerate(c.items("block_configs")):
        block = Fields(block, f"block_configs[{i}]", c.family)
        attention, feed = block.sub("attention"), block.sub("ffn")
        for name, value in (("attention", attention), ("ffn", feed)):
            if value is None:
                raise BadInput(block.path(name), f"{block.path(name)} is missing: {c.family} "
                               "cannot be counted without it.")
        plain = attention.flag("replace_with_linear")
        gone = attention.flag("no_op") or plain
        group = 0 if gone else attention.whole("n_heads_in_group", limit="heads")
        fgone, flinear = feed.flag("no_op"), feed.flag("replace_with_linear")
        mult = 0.0 if fgone or flinear else feed.real("ffn_mult", 0.0)
        size = c.whole("intermediate_size", default=0, low=0, limit="ffn")
        if mult:
            if not 0 < mult <= 16:
                raise BadInput(feed.path("ffn_mult"), f"{feed.path('ffn_mult')} is {mult:g}: it "
                               "takes a number above 0 and at most 16.")
            size = int(2 * mult * hidden / 3)
            size = (size + 255) // 256 * 256
        key = (group, plain, size, fgone, flinear)
        if key not in pieces:
            mixer = NOTHING
            if group:
                mixer = gqa(c, sizes=(hidden, heads, max(1, heads // group), head))
            elif plain:
                mixer = Part((matrix("self_attn.linear_attn", "attention", hidden, hidden),))
            part = NOTHING
            if flinear:
                part = Part((matrix("mlp.linear_mlp", "mlp", hidden, hidden),))
            elif not fgone:
                part = mlp(c, size or None)
            count = (mixer is not NOTHING) + (part is not NOTHING)
            pieces[key] = mixer, part, norms(hidden, count)
        for target, piece in zip((mixers, ffns, layer_norms), pieces[key]):
            target.append(piece)
    return assemble(c, mixers, ffns, layer_norms=layer_norms)


# --- more mixtures of experts ---------------------------------------------


@family("gpt_oss")
def gpt_oss(c):
    layers = layer_count(c)
    default = ["full" if i % 2 else "window" for i in range(layers)]
    bias = c.flag("attention_bias", True)
    mixers = alternating(
        c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, sinks=True, window=w)
    )
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok", "experts_per_token"),
        c.whole("intermediate_size", limit="ffn"),
        router_bias=True,
        bias=True,
        router="mlp.router",
    )
    return assemble(c, mixers, sparse)


@family("minimax_m2")
def minimax_m2(c):
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
def minimax_m3(c):
    """Count MiniMax M3: sparse layers read blocks that a small indexer chooses."""
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    sparse_at = [0] * layers
    config = c.sub("sparse_attention_config")
    full = gqa(c, qk_norm="head")
    mixer = full
    if config is not None and config.flag("use_sparse_attention", True):
        sparse_at = config.per_layer("sparse_attention_freq", layers, {0: 0, 1: 1}, [1] * layers)
        width = config.whole("sparse_index_dim", limit="head")
        index_heads = config.whole("sparse_num_index_heads", limit="heads")
        blocks = config.whole("sparse_topk_blocks") + config.whole("sparse_local_block", default=1)
        block = config.whole("sparse_block_size")
        extra = (
            matrix("self_attn.index_q_proj", "attention", hidden, index_heads * width, "none"),
            matrix("self_attn.index_k_proj", "attention", hidden, width, "none"),
            vector("self_attn.index_norm", 2 * width),
        )
        cache = Attention("sparse", layers=1, heads=heads, kv_heads=kv, head_dim=head,
                          topk_tokens=blocks * block, index_dim=width, index_bytes=2.0)
        mixer = Part(full.tensors + extra, (cache,))
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
    ffns = first_dense(c, experts, lambda: mlp(c, dense))
    copies = c.whole("num_mtp_modules", default=0, low=0, limit="layers")
    return assemble(c, [mixer if s else full for s in sparse_at], ffns,
                    mtp=mtp_layer(hidden, full + experts, copies))


@family("glm4_moe", "glm4v_moe_text")
def glm4_moe(c):
    bias = c.flag("attention_bias")
    mixer = gqa(c, qkv_bias=bias, qk_norm="head" if c.flag("use_qk_norm") else "")
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(c, mixer, first_dense(c, sparse, lambda: mlp(c), 1),
                    mtp=mtp_layer(c.width("hidden_size"), mixer + sparse, copies))


@family("dots1", "solar_open", "afmoe", "hy_v3")
def dots1(c):
    bias = c.flag("attention_bias")
    layers = layer_count(c)
    dense = c.whole("num_dense_layers", default=0, low=0, limit="layers")
    default = ["full"] * layers
    if c.family == "afmoe":
        default = every(layers, c.whole("global_attn_every_n_layers", default=4), "full")
    extra = ()
    if c.family == "afmoe":
        hidden, heads, kv, head = shape(c)
        extra = (matrix("self_attn.gate_proj", "attention", hidden, heads * head),)
    norm = "" if c.family == "solar_open" and not c.flag("use_qk_norm") else "head"
    mixers = alternating(c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm,
                                                   window=w, extra=extra))
    sparse = deepseek_moe(c, correction=True)
    ffns = first_dense(c, sparse, lambda: mlp(c), dense)
    return assemble(c, mixers, ffns, norm=4 if c.family == "afmoe" else 2)


@family("mellum")
def mellum(c):
    if not c.has("num_local_experts") and not c.has("num_experts"):
        return llama(c)
    default = every(layer_count(c), 4, "full")
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    return assemble(c, mixers, qwen_moe(c))


@family("cohere2_moe")
def cohere2_moe(c):
    layers = layer_count(c)
    default = every(layers, c.whole("sliding_window_pattern", default=4), "full")
    mixers = alternating(c, default, lambda w: gqa(c, window=w))
    size = c.whole("intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts")
    sparse = moe(c, c.whole("num_experts", limit="experts"), c.whole("num_experts_per_tok"), size,
                 shared=shared * size)
    dense = c.whole("prefix_dense_intermediate_size", default=size, limit="ffn")
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c, dense)), norm=1, tied=True)


@family("laguna")
def laguna(c):
    """Count Laguna: a gate a head, and more query heads in some layers."""
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    counts = c.wholes("num_attention_heads_per_layer", [heads] * layers, 1, "heads")
    kinds = kinds_of(c, ["full"] * layers)
    if len(counts) < layers:
        raise BadInput("num_attention_heads_per_layer", "num_attention_heads_per_layer has "
                       f"{len(counts)} items: it takes one for each of the {layers} layers.")
    window, pieces, mixers = window_of(c), {}, []
    for kind, n in zip(kinds, counts):
        if (kind, n) not in pieces:
            gate = (matrix("self_attn.g_proj", "attention", hidden, n),)
            pieces[kind, n] = gqa(c, sizes=(hidden, n, kv, head), qk_norm="head", extra=gate,
                                  window=window if kind == "window" else 0)
        mixers.append(pieces[kind, n])
    sparse = qwen_moe(c, correction=True)
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c), 1))


@family("mimo")
def mimo(c):
    bias = c.flag("attention_bias", True)
    mixer = qwen_window(c, lambda w: gqa(c, qkv_bias=bias, window=w))
    feed = mlp(c)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(c, mixer, feed, mtp=mtp_layer(c.width("hidden_size"), mixer + feed, copies))


@family("mimo_v2_flash", "mimo_v2")
def mimo_v2(c):
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
    value = c.whole("v_head_dim", default=head, limit="head")
    window = c.whole("sliding_window", "sliding_window_size", limit="tokens")
    bias = c.flag("attention_bias")
    local = (
        hidden,
        c.whole("swa_num_attention_heads", default=heads, limit="heads"),
        c.whole("swa_num_key_value_heads", default=kv, limit="heads"),
        c.whole("swa_head_dim", default=head, limit="head"),
    )
    swa_value = c.whole("swa_v_head_dim", default=value, limit="head")
    pieces = {
        "full": gqa(c, v_head=value, qkv_bias=bias, sinks=c.flag("add_full_attention_sink_bias")),
        "window": gqa(c, sizes=local, v_head=swa_value, qkv_bias=bias, window=window,
                      sinks=c.flag("add_swa_attention_sink_bias", True)),
    }
    if c.has("hybrid_layer_pattern"):
        kinds = c.per_layer("hybrid_layer_pattern", layers, {0: "full", 1: "window"})
    else:
        kinds = kinds_of(c, None)
    mixers = [pieces.get(k, pieces["full"]) for k in kinds]
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c)),
                    mtp=mtp_layer(hidden, pieces["window"] + mlp(c), copies))


@family("step3p5", "step3p7")
def step(c):
    """Count Step 3.5 and 3.7: a gate a head, more query heads in windowed layers."""
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_key_value_heads", "num_attention_groups", limit="heads")
    head = c.whole("head_dim", limit="head")
    other = c.sub("attention_other_setting")
    local, notes = heads, ()
    if c.has("num_sliding_attention_heads"):
        local = c.whole("num_sliding_attention_heads", limit="heads")
    elif other is not None:
        local = other.whole("num_attention_heads", limit="heads")
    elif heads == 64 and hidden == 4096:
        # Copies of this config that lack attention_other_setting: the published
        # checkpoint's sliding layers have 96 query heads.
        local, notes = 96, ("sliding layers taken to have 96 query heads, as published",)
    window = window_of(c)

    def build(n, span):
        gate = (matrix("self_attn.g_proj", "attention", hidden, n),)
        return gqa(c, sizes=(hidden, n, kv, head), qk_norm="head", window=span, extra=gate)

    pieces = {"full": build(heads, 0), "window": build(local, window)}
    default = ["window" if i % 4 else "full" for i in range(layers)]
    kinds = kinds_of(c, default)
    sparse = moe(
        c,
        c.whole("n_routed_experts", "num_experts", "moe_num_experts", limit="experts"),
        c.whole("num_experts_per_tok", "moe_top_k"),
        c.whole("moe_intermediate_size", limit="ffn"),
        shared=c.whole("share_expert_dim", default=0, low=0, limit="ffn"),
        correction=c.flag("use_moe_router_bias", True),
    )
    ffns = first_dense(c, sparse, lambda: mlp(c), 3)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(c, [pieces.get(k, pieces["full"]) for k in kinds], ffns, notes=notes,
                    mtp=mtp_layer(hidden, pieces["window"] + mlp(c), copies))


@family("llama4_text")
def llama4(c):
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
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
    pieces = {"full": gqa(c, qkv_bias=bias, o_bias=bias),
              "window": gqa(c, qkv_bias=bias, o_bias=bias, window=chunk)}
    at = [(i + 1) % step == 0 for i in range(layers)]
    if c.has("moe_layers"):
        chosen = set(c.wholes("moe_layers"))
        at = [i in chosen for i in range(layers)]
    dense = None if all(at) else mlp(c, c.whole("intermediate_size_mlp", limit="ffn"))
    return assemble(c, [pieces[k] for k in kinds], [sparse if a else dense for a in at])


@family("granitemoe", "granitemoeshared", "granitemoe_swa")
def granitemoe(c):
    bias = c.flag("attention_bias")
    sparse = moe(
        c,
        c.whole("num_local_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
        shared=c.whole("shared_intermediate_size", default=0, low=0, limit="ffn"),
    )
    default = ["full"] * layer_count(c)
    mixers = alternating(c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixers, sparse, tied=True)


@family("ernie4_5_moe")
def ernie_moe(c):
    layers = layer_count(c)
    bias = c.flag("use_bias")
    size = c.whole("moe_intermediate_size", limit="ffn")
    sparse = moe(
        c,
        c.whole("moe_num_experts", "num_experts", limit="experts"),
        c.whole("moe_k", "num_experts_per_tok"),
        size,
        shared=size * c.whole("moe_num_shared_experts", default=0, low=0, limit="experts"),
        correction=True,
    )
    first = c.whole("moe_layer_start_index", default=1, low=0, limit="layers")
    last = c.whole("moe_layer_end_index", default=layers - 1, low=-1, limit="layers")
    last = layers - 1 if last < 0 else last
    step = c.whole("moe_layer_interval", default=1)
    dense = mlp(c, bias=bias)
    ffns = [sparse if first <= i <= last and (i - first) % step == 0 else dense
            for i in range(layers)]
    if c.has("mlp_layer_types"):
        ffns = first_dense(c, sparse, lambda: dense)
    return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias), ffns, tied=True)


def one_or_list(c, name, default=None, limit="small"):
    """Read a number that some files give once and some for each layer."""
    if isinstance(c.data.get(name), list):
        values = c.wholes(name, limit=limit)
        if not values:
            raise BadInput(c.path(name), f"{c.path(name)} is empty: it takes a number.")
        return max(values)
    return c.whole(name, limit=limit) if default is None else c.whole(
        name, default=default, low=0, limit=limit)


@family("hunyuan_v1_moe", "hunyuan")
def hunyuan_moe(c):
    layers = layer_count(c)
    bias = c.flag("attention_bias")
    size = one_or_list(c, "moe_intermediate_size", c.whole("intermediate_size", limit="ffn"), "ffn")
    dense_size = c.whole("intermediate_size", limit="ffn")
    shared = one_or_list(c, "num_shared_expert", 1)
    norm = "head" if c.flag("use_qk_norm", True) else ""
    experts = c.whole("num_experts", limit="experts")
    if experts == 1:
        return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm), mlp(c), tied=True)
    sparse = moe(c, experts, one_or_list(c, "moe_topk", 1) or 1, size,
                 shared=shared * (size if c.has("moe_intermediate_size") else dense_size))
    first = c.whole("moe_layer_num_skipped", default=0, low=0, limit="layers")
    dense = mlp(c, dense_size)
    factor = c.whole("cla_share_factor", default=1) if c.flag("use_cla") else 1
    own = gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm)
    borrowed = own if factor < 2 else gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, cached=False)
    mixers = [borrowed if i % factor else own for i in range(layers)]
    ffns = [sparse if i >= first else dense for i in range(layers)]
    return assemble(c, mixers, ffns, tied=True)


@family("longcat_flash")
def longcat(c):
    """Count LongCat Flash: two attentions and two dense MLPs beside one MoE in a layer.

    Zero-computation experts are chosen like others and cost nothing, so a token
    visits fewer real experts than the router picks; the mean is taken.
    """
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    if not c.has("num_layers") and c.has("num_hidden_layers"):
        layers = max(1, layers // 2)
    hidden = c.width("hidden_size")
    attention = mla(c)
    dense = mlp(c, c.whole("ffn_hidden_size", "intermediate_size", limit="ffn"))
    real = c.whole("n_routed_experts", limit="experts")
    zero = c.whole("zero_expert_num", default=0, low=0, limit="experts")
    picked = c.whole("moe_topk", "num_experts_per_tok")
    visits = max(1, round(picked * real / (real + zero)))
    size = c.whole("expert_ffn_hidden_size", "moe_intermediate_size", limit="ffn")
    sparse = moe(c, real, visits, size)
    sparse += Part((matrix("mlp.router.zero", "router", hidden, zero or 1, "none"),
                    vector("mlp.router.e_score_correction_bias", real + zero)))
    return assemble(c, attention + attention, dense + dense + sparse, layers=layers, norm=4)


@family("bailing_moe", "bailing_moe_v2", "bailing_moe_linear")
def bailing(c):
    bias = c.flag("use_bias")
    qkv = c.flag("use_qkv_bias", bias)
    norm = "head" if c.flag("use_qk_norm", c.family != "bailing_moe") else ""
    size = c.whole("moe_intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts") * c.whole(
        "moe_shared_expert_intermediate_size", default=size, limit="ffn")
    sparse = deepseek_moe(c, shared=shared,
                          correction=c.flag("moe_router_enable_expert_bias", True))
    mixer = gqa(c, qkv_bias=qkv, o_bias=bias, qk_norm=norm)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(c, mixer, first_dense(c, sparse, lambda: mlp(c)),
                    mtp=mtp_layer(c.width("hidden_size"), mixer + sparse, copies))


@family("arctic")
def arctic(c):
    hidden = c.width("hidden_size")
    sparse = moe(c, c.whole("num_local_experts", limit="experts"),
                 c.whole("num_experts_per_tok", default=2),
                 c.whole("intermediate_size", limit="ffn"))
    residual = mlp(c, hidden, prefix="residual_mlp") if c.flag("use_residual", True) else NOTHING
    step = c.whole("moe_layer_frequency", default=1)
    layers = layer_count(c)
    dense = mlp(c)
    both = sparse + residual + norms(hidden, 1)
    ffns = [both if (i + 1) % step == 0 else dense for i in range(layers)]
    return assemble(c, gqa(c), ffns)


# --- hybrids and state-space models ---------------------------------------


@family("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")
def qwen3_next(c):
    layers = layer_count(c)
    default = every(layers, c.whole("full_attention_interval", default=4), "full", "linear")
    kinds = kinds_of(c, default)
    bias = c.flag("attention_bias")
    gate = c.flag("attn_output_gate", True)
    full = gqa(c, qk_norm="head", gate=gate, qkv_bias=bias, o_bias=bias)
    pieces = {"full": full, "linear": delta_net(c)}
    if c.has("num_experts"):
        ffns = qwen_sparse(c, qwen_moe(c, shared_gate=True), lambda: mlp(c))
    else:
        ffns = mlp(c)
    last = ffns[-1] if isinstance(ffns, list) else ffns
    copies = c.whole("mtp_num_hidden_layers", "num_nextn_predict_layers", default=0, low=0,
                     limit="layers")
    return assemble(c, [pieces[k] for k in kinds if k in pieces], ffns,
                    mtp=mtp_layer(c.width("hidden_size"), full + last, copies))


@family("deepseek_v4", "deepseek_ref")
def deepseek_v4(c):
    """Count DeepSeek V4: one shared key-value vector a token, compressed along the sequence.

    Every layer keeps a window of `sliding_window` plain vectors; a layer of
    ratio r keeps one vector for r tokens beside it, and at ratio 4 an indexer
    chooses `index_topk` of them. Keys serve as values, so a vector is stored once.
    """
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", limit="head")
    rank = c.width("q_lora_rank")
    rope = c.whole("qk_rope_head_dim", default=64, limit="head")
    groups = c.whole("o_groups", limit="heads")
    out = c.width("o_lora_rank")
    window = c.whole("sliding_window", default=128, limit="tokens")
    streams = c.whole("hc_mult", default=4, limit="head")
    rows = (
        matrix("attn.wq_a", "attention", hidden, rank, "none"),
        matrix("attn.wq_b", "attention", rank, heads * head),
        matrix("attn.wkv", "attention", hidden, head, "none"),
        matrix("attn.wo_a", "attention", heads * head, out),
        matrix("attn.wo_b", "attention", groups * out, hidden),
        vector("attn.norms", rank + head + heads),
    )
    mixing = (streams + 2) * streams
    hyper = vector("hc", 2 * (mixing * streams * hidden + mixing + 3))
    near = Attention("window", layers=1, heads=heads, kv_heads=1, head_dim=head,
                     window_tokens=window, latent_dim=head - rope, rope_dim=rope)

    def compressor(ratio, width, twice, name):
        columns = width * (2 if twice else 1)
        return (
            matrix(f"attn.{name}.wkv_wgate", "attention", hidden, 2 * columns, "none"),
            vector(f"attn.{name}.ape_norm", ratio * columns + width),
        )

    def build(ratio):
        if ratio <= 1:
            return Part(rows + (hyper,), (near,))
        extra = compressor(ratio, head, ratio == 4, "compressor")
        shared = {"layers": 1, "heads": heads, "kv_heads": 1, "head_dim": head,
                  "latent_dim": head - rope, "rope_dim": rope, "stride_tokens": ratio}
        if ratio != 4:
            far = Attention("mla", **shared)
        else:
            width = c.whole("index_head_dim", limit="head")
            count = c.whole("index_n_heads", limit="heads")
            extra += compressor(ratio, width, True, "indexer.compressor")
            extra += (
                matrix("attn.indexer.wq_b", "attention", rank, count * width, "none"),
                matrix("attn.indexer.weights_proj", "attention", hidden, count, "none"),
            )
            far = Attention("sparse", topk_tokens=c.whole("index_topk", limit="tokens"),
                            index_dim=width, index_bytes=(width + 4) / width, **shared)
        return Part(rows + extra + (hyper,), (near, far))

    if c.has("compress_ratios"):
        ratios = c.wholes("compress_ratios", limit="tokens")
    else:
        ratios = [128, 128] + [4 if i % 2 else 128 for i in range(max(layers - 2, 0))]
    if len(ratios) < layers:
        raise BadInput("compress_ratios", f"compress_ratios has {len(ratios)} items: it takes one "
                       f"for each of the {layers} layers.")
    built = {r: build(r) for r in set(ratios)}
    hashed = c.whole("num_hash_layers", default=0, low=0, limit="layers")
    plain, steered = deepseek_moe(c), deepseek_moe(c, correction=True)
    ffns = [plain if i < hashed else steered for i in range(layers)]
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    extra = (vector("hc_head", streams * streams * hidden + streams + 1),)
    block = built[ratios[layers]] if len(ratios) > layers else built[ratios[-1]]
    return assemble(c, [built[r] for r in ratios[:layers]], ffns, extra=extra,
                    mtp=mtp_layer(hidden, block + steered, copies))


@family("nemotron_h", "nemotron_h_v2")
def nemotron_h(c):
    """Count Nemotron-H: every layer is one of Mamba-2, attention, MLP or MoE."""
    letters = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe", "mamba": "mamba",
               "mamba2": "mamba", "attention": "attention", "mlp": "mlp", "moe": "moe",
               "full_attention": "attention", "sparse": "moe", "linear_attention": "mamba"}
    name = "layers_block_type" if c.has("layers_block_type") else "hybrid_override_pattern"
    if c.has("layer_types") and not c.has(name):
        name = "layer_types"
    listed = c.data.get(name)
    if not isinstance(listed, (str, list)) or not 0 < len(listed) <= MAX_LAYERS:
        raise BadInput(c.path(name), f"{c.path(name)} is {shown(listed)}: it takes one letter or "
                       f"name for each layer, at most {MAX_LAYERS:,}.")
    layers = c.whole("num_hidden_layers", default=len(listed), limit="layers")
    kinds = c.per_layer(name, layers, letters)
    hidden = c.width("hidden_size")
    bias = c.flag("mlp_bias")
    build = {
        "mamba": lambda: mamba2(
            c,
            heads=c.whole("mamba_num_heads", limit="heads"),
            head=c.whole("mamba_head_dim", limit="head"),
            groups=c.whole("n_groups", default=8, limit="head"),
            state=c.whole("ssm_state_size", limit="head"),
            kernel=c.whole("conv_kernel", default=4, limit="head"),
            conv_bias=c.flag("use_conv_bias", True),
            bias=c.flag("mamba_proj_bias"),
            dtype=state_bytes(c, "mamba_ssm_cache_dtype"),
        ),
        "attention": lambda: gqa(c, prefix="mixer", qkv_bias=c.flag("attention_bias"),
                                 o_bias=c.flag("attention_bias")),
        "mlp": lambda: mlp(c, gated=False, bias=bias, prefix="mixer"),
        "moe": lambda: deepseek_moe(
            c,
            gated=False,
            correction=True,
            prefix="mixer",
            latent=c.whole("moe_latent_size", default=0, low=0, limit="width"),
            shared=c.whole("n_shared_experts", default=1, low=0, limit="experts")
            * c.whole("moe_shared_expert_intermediate_size", default=0, low=0, limit="ffn"),
        ),
    }
    pieces = {k: build[k]() for k in dict.fromkeys(kinds)}
    mtp_kinds = c.data.get("mtp_layers_block_type", c.data.get("mtp_hybrid_override_pattern"))
    mtp = ()
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    if copies and isinstance(mtp_kinds, (str, list)) and len(mtp_kinds) <= MAX_LAYERS:
        block = NOTHING
        for item in mtp_kinds:
            kind = letters.get(item) if isinstance(item, str) else None
            if kind is not None:
                block = block + pieces.get(kind, NOTHING)
        mtp = mtp_layer(hidden, block, copies)
    return assemble(c, [pieces[k] for k in kinds], layers=layers, norm=1, mtp=mtp)


@family("granitemoehybrid", "bamba")
def granite_hybrid(c):
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
            feed = moe(c, experts, c.whole("num_experts_per_tok"),
                       c.whole("intermediate_size", limit="ffn"), shared=shared)
    bias = c.flag("attention_bias")
    mixers = hybrid_mixers(c, kinds, hidden, gqa(c, qkv_bias=bias, o_bias=bias))
    return assemble(c, mixers, feed, tied=tied)


def mamba2_of(c, hidden, norm=True):
    """Read Mamba-2's sizes from the fields with a `mamba_` in front."""
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


def hybrid_mixers(c, kinds, hidden, attention):
    mamba = mamba2_of(c, hidden) if set(kinds) - {"full"} else NOTHING
    return [attention if k == "full" else mamba for k in kinds]


@family("falcon_h1")
def falcon_h1(c):
    hidden = c.width("hidden_size")
    bias = c.flag("attention_bias")
    both = gqa(c, qkv_bias=bias, o_bias=bias) + mamba2_of(c, hidden, c.flag("mamba_rms_norm"))
    return assemble(c, both, mlp(c, bias=c.flag("mlp_bias")))


@family("jamba")
def jamba(c):
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    period = c.whole("attn_layer_period", default=8)
    offset = c.whole("attn_layer_offset", default=4, low=0)
    rank = c.data.get("mamba_dt_rank", "auto")
    rank = -(-hidden // 16) if rank == "auto" else c.whole("mamba_dt_rank", limit="width")
    state = c.whole("mamba_d_state", default=16, limit="head")
    mamba = mamba1(
        c,
        hidden=hidden,
        inner=c.whole("mamba_expand", default=2, limit="head") * hidden,
        state=state,
        kernel=c.whole("mamba_d_conv", default=4, limit="head"),
        dt_rank=rank,
        conv_bias=c.flag("mamba_conv_bias", True),
        bias=c.flag("mamba_proj_bias"),
        inner_norms=rank + 2 * state,
        prefix="mamba",
    )
    attention = gqa(c)
    experts = c.whole("num_experts", default=16, limit="experts")
    dense = mlp(c)
    sparse = dense
    if experts > 1:
        sparse = moe(c, experts, c.whole("num_experts_per_tok", default=2),
                     c.whole("intermediate_size", limit="ffn"))
    every_n = c.whole("expert_layer_period", default=2)
    start = c.whole("expert_layer_offset", default=1, low=0)
    mixers = [attention if i % period == offset else mamba for i in range(layers)]
    ffns = [sparse if i % every_n == start else dense for i in range(layers)]
    return assemble(c, mixers, ffns)


@family("mamba", "falcon_mamba")
def mamba(c):
    hidden = c.width("hidden_size", "d_model")
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
    return assemble(c, part, norm=1, tied=True, context=max_context(c, NO_WINDOW),
                    notes=("its state has no window; the context limit is ours",))


# A state-space model has no window of its own; this keeps sweeps finite.
NO_WINDOW = 1_048_576


@family("mamba2")
def mamba2_model(c):
    hidden = c.width("hidden_size", "d_model")
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
    return assemble(c, part, norm=1, tied=True, context=max_context(c, NO_WINDOW),
                    notes=("its state has no window; the context limit is ours",))


@family("lfm2", "lfm2_moe")
def lfm2(c):
    layers = layer_count(c)
    hidden = c.width("hidden_size", "block_dim")
    at = c.wholes("full_attn_idxs") if c.has("full_attn_idxs") else range(layers)
    kinds = kinds_of(c, ["full" if i in at else "conv" for i in range(layers)])
    taps = c.whole("conv_L_cache", default=3, limit="head")
    bias = c.flag("conv_bias")
    rows = [
        matrix("conv.in_proj", "attention", hidden, 3 * hidden),
        matrix("conv.out_proj", "attention", hidden, hidden),
        vector("conv.conv", hidden * (taps + bias), "tp"),
    ]
    if bias:
        rows.append(vector("conv.bias", 4 * hidden))
    state = linear_state(0, 2, hidden * taps, 2, 2 * hidden * taps)
    conv = Part(tuple(rows), (state,))
    full = gqa(c, qk_norm="head")
    mixers = [full if k == "full" else conv for k in kinds]
    size = c.whole("intermediate_size", "block_ff_dim", limit="ffn")
    if c.family == "lfm2_moe":
        dense = c.whole("num_dense_layers", default=2, low=0, limit="layers")
        sparse = moe(c, c.whole("num_experts", limit="experts"), c.whole("num_experts_per_tok"),
                     c.whole("moe_intermediate_size", limit="ffn"),
                     correction=c.flag("use_expert_bias", True))
        feed = mlp(c, size)
        ffns = [feed if i < dense else sparse for i in range(layers)]
        return assemble(c, mixers, ffns, tied=True)
    if c.flag("block_auto_adjust_ff_dim", True):
        size = int(2 * size / 3)
        times = c.real("block_ffn_dim_multiplier", 1.0)
        if not 0 < times <= 16:
            raise BadInput(c.path("block_ffn_dim_multiplier"), "block_ffn_dim_multiplier is "
                           f"{times:g}: it takes a number above 0 and at most 16.")
        unit = c.whole("block_multiple_of", default=256)
        size = -(-int(times * size) // unit) * unit
    return assemble(c, mixers, mlp(c, size), tied=c.flag("tie_embedding", True))


@family("minimax", "minimax_m1", "minimax_text_01", "MiniMaxText01")
def minimax(c):
    """Count MiniMax Text-01 and M1: lightning attention, softmax in each eighth layer."""
    layers = layer_count(c)
    hidden, heads, kv, head = shape(c)
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
    linear = Part(rows, (linear_state(cells, 4, 0, 2, 5 * cells),))
    full = gqa(c)
    sparse = moe(c, c.whole("num_local_experts", limit="experts"), c.whole("num_experts_per_tok"),
                 c.whole("intermediate_size", limit="ffn"),
                 shared=one_or_list(c, "shared_intermediate_size", 0, "ffn"))
    return assemble(c, [full if k == "full" else linear for k in kinds], sparse)


@family("kimi_linear")
def kimi_linear(c):
    """Count Kimi Linear: Kimi delta attention, latent attention in every fourth layer."""
    config = c.sub("linear_attn_config")
    if config is None:
        raise BadInput("linear_attn_config", "linear_attn_config is missing: kimi_linear cannot "
                       "be counted without it.")
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
    linear = Part(rows, (linear_state(cells, 4, 3 * wide * (kernel - 1), 2,
                                      7 * cells + 6 * wide * kernel),))
    full_at = set(config.wholes("full_attn_layers"))
    full = mla(c)
    mixers = [full if i + 1 in full_at else linear for i in range(layers)]
    sparse = deepseek_moe(c, correction=True)
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c), 1))


# --- wrappers -------------------------------------------------------------

# A config of a text model inside another: where it stands, and the family
# taken when the inner object names none.
WRAPPERS = {
    "qwen2_vl": ("text_config", "qwen2"),
    "qwen2_5_vl": ("text_config", "qwen2"),
    "qwen3_vl": ("text_config", "qwen3_vl_text"),
    "qwen3_vl_moe": ("text_config", "qwen3_vl_moe_text"),
    "qwen3_5": ("text_config", "qwen3_5_text"),
    "qwen3_5_moe": ("text_config", "qwen3_5_moe_text"),
    "gemma3": ("text_config", "gemma3_text"),
    "gemma3n": ("text_config", "gemma3n_text"),
    "gemma4": ("text_config", "gemma4_text"),
    "gemma4_unified": ("text_config", "gemma4_unified_text"),
    "llama4": ("text_config", "llama4_text"),
    "kimi_k25": ("text_config", "deepseek_v3"),
    "kimi_vl": ("text_config", "deepseek_v3"),
    "minimax_m3_vl": ("text_config", "minimax_m3_vl_text"),
    "mistral3": ("text_config", "mistral"),
    "llava": ("text_config", "llama"),
    "llava_next": ("text_config", "llama"),
    "llava_onevision": ("text_config", "qwen2"),
    "glm4v": ("text_config", "glm4v_text"),
    "glm4v_moe": ("text_config", "glm4v_moe_text"),
    "internvl": ("text_config", "qwen2"),
    "internvl_chat": ("llm_config", "internlm2"),
    "idefics3": ("text_config", "llama"),
    "smolvlm": ("text_config", "llama"),
    "aya_vision": ("text_config", "cohere2"),
    "cohere2_vision": ("text_config", "cohere2"),
    "paligemma": ("text_config", "gemma"),
    "deepseek_vl": ("language_config", "llama"),
    "deepseek_vl_v2": ("language_config", "deepseek_v2"),
    "mllama": ("text_config", "mllama_text_model"),
    "step3p7": ("text_config", "step3p5"),
    "lfm2_vl": ("text_config", "lfm2"),
    "exaone4_5": ("text_config", "exaone4"),
    "granite4_vision": ("text_config", "granitemoehybrid"),
}


@family("mllama_text_model")
def mllama_text(c):
    """Count Llama 3.2 Vision's text side; its cross-attention layers cache the image only."""
    layers = layer_count(c)
    crossed = set(c.wholes("cross_attention_layers"))
    own = gqa(c)
    cross = gqa(c, qk_norm="head", cached=True, extra=(vector("cross_attn_gate", 2),))
    cross = Part(cross.tensors)
    mixers = [cross if i in crossed else own for i in range(layers)]
    # Eight rows of the embedding stand for image tokens and have no row in the head.
    hidden = c.width("hidden_size")
    extra = (vector("embed_tokens.special", 8 * hidden),)
    return assemble(c, mixers, mlp(c), extra=extra)


def wrapped(c):
    """Count a model that wraps a text model, vision tower included."""
    where, default = WRAPPERS[c.family]
    inner = next((n for n in (where, "text_config", "llm_config", "language_config") if c.has(n)),
                 None)
    if inner is None:
        if not c.has("hidden_size"):
            raise BadInput(where, f"{where} is missing: {c.family} keeps its text model there.")
        text = Fields({**c.data}, "", default)
    else:
        data = c.sub(inner).data
        # Some files give the tying outside only; outside wins where both speak.
        outer = c.data.get("tie_word_embeddings")
        data = data if outer is None else {**data, "tie_word_embeddings": outer}
        text = Fields(data, inner, default)
        kind = text.text("model_type")
        if kind in FAMILIES and kind not in WRAPPERS:
            text.family = kind
        elif kind and kind not in FAMILIES:
            raise BadInput(f"{inner}.model_type", f"{inner}.model_type {shown(kind)} is not an "
                           "architecture the importer knows: its tensors cannot be counted.")
    if text.family in WRAPPERS:
        raise BadInput(f"{where}.model_type", f"{where}.model_type is {text.family}: it takes a "
                       "text model.")
    draft = FAMILIES[text.family](text)
    rows, notes = towers.tower(c, draft.hidden)
    draft.pieces = draft.pieces + [(t, None) for t in rows]
    draft.notes = (*draft.notes, *notes)
    return draft


def _register_wrappers():
    for name in WRAPPERS:
        plain = FAMILIES.get(name)

        def build(c, plain=plain):
            if plain is not None and not any(
                c.has(n) for n in ("text_config", "llm_config", "language_config")
            ):
                return plain(c)
            return wrapped(c)

        FAMILIES[name] = build


_register_wrappers()



def family_of(c):
    """Name the family of a config: its model_type, or what its architectures say.

    Parameters
    ----------
    c : Fields
        The whole config [-].

    Returns
    -------
    str
        A key of `FAMILIES` [-].

    Raises
    ------
    BadInput
        When the config names no architecture, or one that is not known.
    """
    kind = c.text("model_type")
    if kind in FAMILIES:
        return kind
    for item in c.items("architectures", most=100):
        if isinstance(item, str) and item in ARCHITECTURES:
            return ARCHITECTURES[item]
    if not kind:
        raise BadInput("model_type", "model_type is missing, and architectures names no family "
                       "that is known: is this a Hugging Face config.json?")
    near = difflib.get_close_matches(kind[:60], FAMILIES, n=3, cutoff=0.75)
    hint = f" Near to it: {', '.join(near)}." if near else ""
    raise BadInput("model_type", f"model_type {shown(kind)} is not an architecture the importer "
                   f"knows ({len(FAMILIES)} are): its tensors cannot be counted.{hint}")


ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "DeepseekV3ForCausalLM": "deepseek_v3",
}
