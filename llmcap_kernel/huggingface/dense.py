"""Dense decoders: every token uses every weight."""

from typing import Any

from ..refuse import BadInput
from ..spec import Tensor
from .assemble import Draft, assemble, layer_count, max_context, mtp_layer
from .config import Fields
from .parts import (
    NOTHING,
    Part,
    gqa,
    matrix,
    mlp,
    moe,
    norms,
    shape,
    vector,
)
from .registry import (
    FAMILIES,
    LAYER_KINDS,
    alternating,
    deepseek_moe,
    every,
    family,
    first_dense,
    kinds_of,
    per_layer_embedding,
    qwen_window,
    window_of,
)


@family(
    "llama",
    "aquila",
    "yi",
    "xverse",
    "open_llama",
    "smollm3",
    "arcee",
    "helium",
    "minicpm",
    "internlm",
    "internlm3",
    "granite",
    "ernie4_5",
    "seed_oss",
    "cwm",
    "code_llama",
    "hunyuan_v1_dense",
    "apertus",
    "nanochat",
    "youtu",
    "iquestcoder",
    "jais2",
    "hyperclovax",
    "granite_swa",
    "ministral",
    "ministral3",
    "mistral",
    "vaultgemma",
    "baichuan",
    "orion",
    "minicpm4",
)
def llama(c: Fields) -> Draft:
    """Count Llama and families that differ from it only in biases, norms or tied embeddings."""
    if c.has("kv_lora_rank"):
        return FAMILIES["deepseek_v3"](c)
    biased = {"internlm": True, "seed_oss": True}.get(c.family, False)
    qkv = c.flag("attention_bias", c.flag("qkv_bias", c.flag("bias", c.flag("use_bias", biased))))
    out = c.flag("attention_out_bias", c.family != "seed_oss" and qkv)
    traits: dict[str, Any] = {
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
def qwen2(c: Fields) -> Draft:
    if c.family == "qwen":
        _hidden, _heads, _kv, _head = shape(c)
        size = c.whole("intermediate_size", limit="ffn") // 2
        return assemble(c, gqa(c, qkv_bias=True), mlp(c, size), context=max_context(c, 8192))
    return assemble(c, qwen_window(c, lambda w: gqa(c, qkv_bias=True, window=w)), mlp(c))


@family("qwen3", "qwen3_vl_text")
def qwen3(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    mixer = qwen_window(c, lambda w: gqa(c, qk_norm="head", qkv_bias=bias, o_bias=bias, window=w))
    return assemble(c, mixer, mlp(c))


@family("gemma", "gemma2")
def gemma(c: Fields) -> Draft:
    four = c.family == "gemma2"
    layers = layer_count(c)
    if not four:
        return assemble(c, gqa(c), mlp(c), tied=True)
    default = every(layers, 2, "full")
    return assemble(
        c, alternating(c, default, lambda w: gqa(c, window=w)), mlp(c), norm=4, tied=True
    )


# Defaults of Gemma3TextConfig in transformers, which published files omit.
GEMMA3 = {
    "vocab_size": 262_208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
    "max_position_embeddings": 131_072,
}


@family("gemma3_text")
def gemma3(c: Fields) -> Draft:
    c = c.under(GEMMA3)
    period = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    default = every(layer_count(c), period, "full")
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    return assemble(c, mixers, mlp(c), norm=4, tied=True)


@family("gemma4_text", "gemma4_unified_text")
def gemma4(c: Fields) -> Draft:
    """Count Gemma 4, whose global layers have wider heads and may use keys as values."""
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
    side: tuple[Tensor, ...] = ()
    if per_layer:
        side = (
            matrix("per_layer_input_gate", "mlp", hidden, per_layer),
            matrix("per_layer_projection", "mlp", per_layer, hidden),
        )

    def build(kind: str, cached: bool) -> Part:
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


@family("gemma3n_text")
def gemma3n(c: Fields) -> Draft:
    layers = layer_count(c)
    hidden, _heads, _kv, _head = shape(c)
    sizes = c.data.get("intermediate_size")
    sizes = (
        c.wholes("intermediate_size", limit="ffn")
        if isinstance(sizes, list)
        else [c.whole("intermediate_size", limit="ffn")] * layers
    )
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
            pieces[key] = gqa(
                c,
                qk_norm="head",
                window=window if kind == "window" else 0,
                extra=side,
                cached=key[1],
            )
        mixers.append(pieces[key])
    built = {s: mlp(c, s) for s in set(sizes[:layers])}
    extra = (
        *per_layer_embedding(c, layers, hidden, per_layer),
        Tensor("altup_projections", "mlp", hidden * hidden, copies=2 * max(1, inputs - 1)),
    )
    return assemble(c, mixers, [built[s] for s in sizes[:layers]], norm=6, tied=True, extra=extra)


@family("phi3")
def phi3(c: Fields) -> Draft:
    return assemble(c, gqa(c, window=window_of(c)), mlp(c))


@family("phi")
def phi(c: Fields) -> Draft:
    bias, norm = True, "head" if c.flag("qk_layernorm") else ""
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, norm_bias=True)
    feed = mlp(c, gated=False, bias=True)
    return assemble(c, mixer, feed, norm=1, norm_bias=True, head_bias=True)


@family("starcoder2")
def starcoder2(c: Fields) -> Draft:
    bias = c.flag("use_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias, window=window_of(c))
    return assemble(c, mixer, mlp(c, gated=False, bias=bias), norm_bias=True, tied=True)


@family("stablelm", "stablelm_epoch")
def stablelm(c: Fields) -> Draft:
    norm = "heads" if c.flag("qk_layernorm") else ""
    mixer = gqa(c, qkv_bias=c.flag("use_qkv_bias"), qk_norm=norm)
    count = 1 if c.flag("use_parallel_residual") else 2
    return assemble(c, mixer, mlp(c), norm=count, norm_bias=True)


@family("nemotron")
def nemotron(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    return assemble(c, mixer, mlp(c, gated=False, bias=c.flag("mlp_bias")), norm_bias=True)


@family("persimmon")
def persimmon(c: Fields) -> Draft:
    norm = "head" if c.flag("qk_layernorm", True) else ""
    mixer = gqa(c, qkv_bias=True, o_bias=True, qk_norm=norm, norm_bias=True)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt2", "gpt_bigcode")
def gpt2(c: Fields) -> Draft:
    hidden, heads, kv, head = shape(c)
    if c.family == "gpt_bigcode":
        kv = 1 if c.flag("multi_query", True) else heads
    size = c.whole("n_inner", "intermediate_size", default=4 * hidden, limit="ffn")
    mixer = gqa(c, sizes=(hidden, heads, kv, head), qkv_bias=True, o_bias=True)
    feed = mlp(c, size, gated=False, bias=True)
    return assemble(c, mixer, feed, norm_bias=True, tied=True, positions=max_context(c))


@family("gptj", "codegen")
def gptj(c: Fields) -> Draft:
    hidden = c.width("n_embd", "hidden_size")
    size = c.whole("n_inner", default=4 * hidden, limit="ffn")
    return assemble(
        c, gqa(c), mlp(c, size, gated=False, bias=True), norm=1, norm_bias=True, head_bias=True
    )


@family("gpt_neox")
def gpt_neox(c: Fields) -> Draft:
    bias = c.flag("attention_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt_neo")
def gpt_neo(c: Fields) -> Draft:
    hidden, _heads, _kv, _head = shape(c)
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    window = c.whole("window_size", default=256, limit="tokens")
    default = ["window" if i % 2 else "full" for i in range(layers)]
    kinds = c.per_layer("attention_layers", layers, LAYER_KINDS, default)
    pieces = {"full": gqa(c, o_bias=True), "window": gqa(c, o_bias=True, window=window)}
    return assemble(
        c,
        [pieces[k] for k in kinds],
        mlp(c, size, gated=False, bias=True),
        layers=layers,
        norm_bias=True,
        tied=True,
        positions=max_context(c),
    )


@family("opt")
def opt(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    word = c.width("word_embed_proj_dim", default=hidden)
    bias = c.flag("enable_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    feed = mlp(c, c.whole("ffn_dim", limit="ffn"), gated=False, bias=bias)
    draft = assemble(
        c,
        mixer,
        feed,
        norm_bias=True,
        tied=True,
        positions=max_context(c) + 2,
        final_norm=c.flag("do_layer_norm_before", True),
    )
    if word != hidden:
        vocab = c.whole("vocab_size", limit="vocab")
        draft.pieces = [
            (Tensor("embed_tokens", "embedding", vocab * word, active=0.0), None)
            if t.name == "embed_tokens"
            else (t, where)
            for t, where in draft.pieces
        ] + [(Tensor("project_in_out", "mlp", word * hidden, copies=2), None)]
    return draft


@family("bloom")
def bloom(c: Fields) -> Draft:
    hidden, _heads, _kv, _head = shape(c)
    mixer = gqa(c, qkv_bias=True, o_bias=True)
    feed = mlp(c, 4 * hidden, gated=False, bias=True, hidden=hidden)
    extra = norms(hidden, 1, True, "word_embeddings_layernorm").tensors
    return assemble(
        c, mixer, feed, norm_bias=True, tied=True, extra=extra, context=max_context(c, 2048)
    )


@family("falcon", "RefinedWeb", "RefinedWebModel")
def falcon(c: Fields) -> Draft:
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
    return assemble(
        c,
        mixer,
        mlp(c, size, gated=False, bias=bias),
        norm=count,
        norm_bias=True,
        tied=True,
        context=max_context(c, 2048),
    )


@family("mpt")
def mpt(c: Fields) -> Draft:
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
    return assemble(
        c,
        mixer,
        mlp(c, ratio * hidden, gated=False, bias=bias),
        norm_bias=bias,
        tied=True,
        positions=max_context(c) if learned else 0,
    )


@family("internlm2")
def internlm2(c: Fields) -> Draft:
    bias = c.flag("bias")
    return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias), mlp(c))


@family("cohere", "cohere2")
def cohere(c: Fields) -> Draft:
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
def olmo(c: Fields) -> Draft:
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
        sparse = moe(
            c,
            c.whole("num_experts", limit="experts"),
            c.whole("num_experts_per_tok"),
            c.whole("intermediate_size", limit="ffn"),
        )
        return assemble(c, mixers, sparse)
    return assemble(c, mixers, mlp(c))


@family("exaone")
def exaone(c: Fields) -> Draft:
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    return assemble(c, gqa(c), mlp(c), layers=layers)


@family("exaone4", "exaone_moe")
def exaone4(c: Fields) -> Draft:
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
def glm(c: Fields) -> Draft:
    if c.family == "chatglm":
        return chatglm(c)
    bias = c.flag("attention_bias")
    return assemble(c, gqa(c, qkv_bias=bias), mlp(c), norm=2 if c.family == "glm" else 4)


def chatglm(c: Fields) -> Draft:
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


@family("nemotron-nas", "deci", "decilm")
def nemotron_nas(c: Fields) -> Draft:
    """Count a Llama from architecture search, whose layers differ from each other."""
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", default=max(1, hidden // heads), limit="head")
    if not c.has("block_configs"):
        counts = c.wholes("num_key_value_heads_per_layer", low=1, limit="heads")
        if len(counts) != layers:
            raise BadInput(
                "block_configs",
                f"block_configs is missing: {c.family} cannot be "
                "counted without it (or num_key_value_heads_per_layer).",
            )
        built = {n: gqa(c, sizes=(hidden, heads, n, head)) for n in set(counts)}
        return assemble(c, [built[n] for n in counts], mlp(c))
    mixers: list[Part] = []
    ffns: list[Part] = []
    layer_norms: list[Part] = []
    pieces: dict[tuple, tuple[Part, Part, Part]] = {}
    for i, block in enumerate(c.items("block_configs")):
        block = Fields(block, f"block_configs[{i}]", c.family)
        attention, feed = block.need("attention"), block.need("ffn")
        plain = attention.flag("replace_with_linear")
        gone = attention.flag("no_op") or plain
        group = 0 if gone else attention.whole("n_heads_in_group", limit="heads")
        fgone, flinear = feed.flag("no_op"), feed.flag("replace_with_linear")
        mult = 0.0 if fgone or flinear else feed.real("ffn_mult", 0.0)
        size = c.whole("intermediate_size", default=0, low=0, limit="ffn")
        if mult:
            if not 0 < mult <= 16:
                raise BadInput(
                    feed.path("ffn_mult"),
                    f"{feed.path('ffn_mult')} is {mult:g}: it "
                    "takes a number above 0 and at most 16.",
                )
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
        for target, piece in zip((mixers, ffns, layer_norms), pieces[key], strict=False):
            target.append(piece)
    return assemble(c, mixers, ffns, layer_norms=layer_norms)


@family("mimo")
def mimo(c: Fields) -> Draft:
    bias = c.flag("attention_bias", True)
    mixer = qwen_window(c, lambda w: gqa(c, qkv_bias=bias, window=w))
    feed = mlp(c)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c, mixer, feed, mtp=mtp_layer(c.width("hidden_size"), gqa(c, qkv_bias=bias) + feed, copies)
    )
