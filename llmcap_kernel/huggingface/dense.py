"""Dense decoders: every token uses every weight."""

from ..refuse import BadInput
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
)
from .registry import (
    alternating,
    deepseek_moe,
    every,
    family,
    first_dense,
    qwen_window,
    window_of,
)


@family("qwen2", "qwen", "qwen2_vl_text", "qwen2_5_vl_text", "qwen2_5_omni_text")
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


@family("internlm2")
def internlm2(c: Fields) -> Draft:
    bias = c.flag("bias")
    return assemble(c, gqa(c, qkv_bias=bias, o_bias=bias), mlp(c))


@family("cohere", "cohere2", "cohere_compass_text")
def cohere(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    norm = "heads" if c.flag("use_qk_norm") else ""
    layers = layer_count(c)
    default = ["full"] * layers
    if c.family != "cohere":
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


@family("glm", "glm4", "glm4v_text", "glm_ocr_text")
def glm(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    return assemble(c, gqa(c, qkv_bias=bias), mlp(c), norm=2 if c.family == "glm" else 4)


@family("nemotron-nas", "deci", "decilm")
def nemotron_nas(c: Fields) -> Draft:
    """Count a Llama from architecture search, whose layers differ from each other."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", default=max(1, hidden // heads), limit="head")
    if not c.has("block_configs"):
        counts = _kv_heads_by_layer(c)
        built = {n: gqa(c, sizes=(hidden, heads, n, head)) for n in set(counts)}
        return assemble(c, [built[n] for n in counts], mlp(c))
    mixers: list[Part] = []
    ffns: list[Part] = []
    layer_norms: list[Part] = []
    for i, listed in enumerate(c.items("block_configs")):
        block = Fields(listed, f"block_configs[{i}]", c.family)
        mixer = _searched_attention(c, block.need("attention"), (hidden, heads, head))
        feed = _searched_ffn(c, block.need("ffn"), hidden)
        mixers.append(mixer)
        ffns.append(feed)
        layer_norms.append(norms(hidden, (mixer is not NOTHING) + (feed is not NOTHING)))
    return assemble(c, mixers, ffns, layer_norms=layer_norms)


def _kv_heads_by_layer(c: Fields) -> list[int]:
    layers = layer_count(c)
    counts = c.wholes("num_key_value_heads_per_layer", low=1, limit="heads")
    if len(counts) != layers:
        raise BadInput(
            "block_configs",
            f"block_configs is missing: {c.family} cannot be "
            "counted without it (or num_key_value_heads_per_layer).",
        )
    return counts


def _searched_attention(c: Fields, chosen: Fields, sizes: tuple[int, int, int]) -> Part:
    """List what the search left of a layer's attention: heads, a matrix in their place, or none."""
    hidden, heads, head = sizes
    if chosen.flag("replace_with_linear"):
        return Part((matrix("self_attn.linear_attn", "attention", hidden, hidden),))
    if chosen.flag("no_op"):
        return NOTHING
    group = chosen.whole("n_heads_in_group", limit="heads")
    return gqa(c, sizes=(hidden, heads, max(1, heads // group), head))


def _searched_ffn(c: Fields, chosen: Fields, hidden: int) -> Part:
    """List what the search left of a layer's feed-forward."""
    if chosen.flag("replace_with_linear"):
        return Part((matrix("mlp.linear_mlp", "mlp", hidden, hidden),))
    if chosen.flag("no_op"):
        return NOTHING
    share = chosen.real("ffn_mult", 0.0)
    if not share:
        return mlp(c)
    if not 0 < share <= 16:
        raise BadInput(
            chosen.path("ffn_mult"),
            f"{chosen.path('ffn_mult')} is {share:g}: it takes a number above 0 and at most 16.",
        )
    return mlp(c, -(-int(2 * share * hidden / 3) // 256) * 256)


@family("mimo")
def mimo(c: Fields) -> Draft:
    bias = c.flag("attention_bias", True)
    mixer = qwen_window(c, lambda w: gqa(c, qkv_bias=bias, window=w))
    feed = mlp(c)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c, mixer, feed, mtp=mtp_layer(c.width("hidden_size"), gqa(c, qkv_bias=bias) + feed, copies)
    )


@family("modernbert-decoder")
def modernbert_decoder(c: Fields) -> Draft:
    """Count ModernBERT's decoder: every third layer full, a transform before the head."""
    hidden = c.width("hidden_size")
    layers = layer_count(c)
    period = c.whole("global_attn_every_n_layers", default=3, limit="layers")
    default = ["window" if i % period else "full" for i in range(layers)]
    bias = c.flag("attention_bias")
    mixers = alternating(c, default, lambda w: gqa(c, qkv_bias=bias, o_bias=bias, window=w))
    # The first layer reads the norm of the embedding.
    first = [norms(hidden, 1), *[norms(hidden, 2)] * (layers - 1)]
    extra = (
        matrix("lm_head.dense", "mlp", hidden, hidden),
        *norms(hidden, 2, name="embeddings.norm").tensors,
    )
    return assemble(
        c,
        mixers,
        mlp(c, bias=c.flag("mlp_bias")),
        layer_norms=first[:1] + first[1:2] * (layers - 1),
        tied=True,
        extra=extra,
        head_bias=c.flag("decoder_bias", True),
    )


@family("voxtral_realtime_text")
def voxtral_realtime(c: Fields) -> Draft:
    """Count Voxtral Realtime's text model, whose norms the delay of the sound steers."""
    hidden = c.width("hidden_size")
    steer = matrix("ada_rms_norm", "mlp", hidden, 2 * 32, "none")
    mixers = alternating(c, ["window"] * layer_count(c), lambda w: gqa(c, window=w, extra=(steer,)))
    return assemble(c, mixers, mlp(c), tied=True)
