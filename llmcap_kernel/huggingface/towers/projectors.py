"""What stands between a vision tower and the text model, by family."""

from .pieces import Fields, Part, chain, gated, matrix, norms, table, times, vector
from .sam import deepseek_hybrid


def merged(v: Fields, c: Fields, hidden: int) -> int:
    """Read the width of the patches that are merged into one token [elements]."""
    names = ("spatial_merge_size", "downsample_factor", "scale_factor")
    side = next((f.whole(n, limit="head") for n in names for f in (v, c) if f.has(n)), None)
    if side is None:
        ratio = c.real("downsample_ratio", 0.5)
        side = max(1, round(1 / ratio)) if 0.01 < ratio <= 1 else 2
    return hidden * side**2


def llava(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    bias = c.flag("multimodal_projector_bias", True)
    part = chain("visual.projector", hidden, text, text, bias=bias)
    if c.family in ("llava_next", "llava_next_video", "llava_onevision"):
        part += Part((vector("visual.image_newline", text),))
    return part


def vipllava(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = hidden * max(1, len(c.items("vision_feature_layer", [0], most=64)))
    return norms(wide, 1, True) + chain("visual.projector", wide, text, text)


def internvl(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = merged(v, c, hidden)
    return norms(wide, 1, True) + chain("visual.projector", wide, text, text)


def linear(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    return chain("visual.projector", hidden, text)


def idefics3(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    return chain("visual.projector", merged(v, c, hidden), text, bias=False)


def gemma3(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    return chain("visual.projector", hidden, text, bias=False) + norms(hidden)


def cohere2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Cohere's projector: one wide matrix whose halves gate each other."""
    wide = merged(v, c, hidden)
    middle = c.width("alignment_intermediate_size", default=text)
    part = norms(wide, 1, True) if c.family == "aya_vision" else Part()
    part += chain("visual.projector.0", wide, middle)
    return part + chain("visual.projector.1", max(1, middle // 2), text)


def aria(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Aria: learned queries read the patches by cross-attention."""
    queries = c.whole("max_value_projector_patch_to_query_dict", default=256, limit="tokens")
    rows = (
        matrix("visual.projector.cross_attn", "vision", hidden, 8 * hidden),
        vector("visual.projector.bias", 5 * hidden),
        matrix("visual.projector.feed_forward", "vision", text, hidden + text),
    )
    return table("visual.projector.query", queries, hidden) + Part(rows) + norms(hidden, 3, True)


def idefics2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Idefics 2: a gated projection, then latents that read its output."""
    p = c.need("perceiver_config")
    depth = p.whole("resampler_depth", default=3, limit="layers")
    heads = p.whole("resampler_n_heads", default=16, limit="heads")
    kv = p.whole("num_key_value_heads", default=4, limit="heads")
    head = p.whole("resampler_head_dim", default=96, limit="head")
    latents = p.whole("resampler_n_latents", default=64, limit="tokens")
    size = c.need("text_config").whole("intermediate_size", limit="ffn")
    layer = Part((matrix("visual.resampler.attn", "vision", text, 2 * (heads + kv) * head),))
    layer += gated("visual.resampler.mlp", text, 4 * text, text) + norms(text, 3)
    part = gated("visual.projector", hidden, size, text) + times(layer, depth)
    return part + table("visual.resampler.latents", latents, text) + norms(text)


def glm4v(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """GLM's merger: patches folded by a convolution, then a gated feed-forward."""
    out = v.width("out_hidden_size", default=text)
    side = v.whole("spatial_merge_size", default=2, limit="head")
    size = v.whole("intermediate_size", limit="ffn")
    if c.family in ("glm_ocr", "glm5_next"):
        size = v.whole("projection_intermediate_size", default=0, low=0, limit="ffn") or (
            out * v.whole("in_channels", default=3, limit="head")
        )
    # The text's own width is what the merger works in, whatever follows.
    part = chain("visual.downsample", hidden * side**2, out)
    part += chain("visual.merger", out, out, bias=False) + norms(out, 1, True)
    return part + gated("visual.merger", out, size, out)


def qwen(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Qwen's merger, and one more for each layer whose output the text model reads."""
    wide = merged(v, c, hidden)
    # Qwen2-VL's hidden_size is what its tower outputs, where embed_dim is its own width.
    field = "hidden_size" if v.has("embed_dim") else "out_hidden_size"
    out = v.width(field, default=text)
    plain = v.text("model_type", c.family).startswith(("qwen2_5", "exaone4_5"))
    part = chain("visual.merger", wide, wide, out) + norms(hidden, 1, not plain, "visual.ln_q")
    deep = chain("visual.deepstack", wide, wide, out) + norms(wide, 1, True)
    omni = "qwen3_omni" in v.text("model_type")
    stack = len(v.items("deepstack_visual_indexes", [8, 16, 24] if omni else [], most=64))
    part += times(deep, stack) if stack else Part()
    if c.family == "hyperclovax_vision_v2":
        part += chain("visual.projector", out, text)
    return part


def ernie(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Ernie's resampler: space, then time, then one matrix."""
    wide = merged(v, c, hidden)
    frames = v.whole("temporal_merge_size", default=2, limit="head")
    part = chain("visual.spatial", wide, wide, wide) + norms(wide, 2, True)
    part += chain("visual.temporal", wide * frames, wide, wide)
    return part + chain("visual.projector", wide, text) + norms(text)


def cosmos(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    middle = c.width("projector_hidden_size", default=text)
    return norms(hidden, 1, True) + chain("visual.projector", merged(v, c, hidden), middle, text)


def lfm2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = merged(v, c, hidden)
    middle = c.width("projector_hidden_size", default=text)
    normed = hidden if c.family == "lfm3_vl" else wide
    part = norms(normed, 1, True) if c.flag("projector_use_layernorm", True) else Part()
    bias = c.flag("projector_bias", True)
    return part + chain("visual.projector", wide, middle, text, bias=bias)


def mistral(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Mistral's merger of 2 x 2 patches and a projector."""
    bias = c.flag("multimodal_projector_bias")
    part = chain("visual.patch_merger", merged(v, c, hidden), hidden, bias=False)
    return part + norms(hidden) + chain("visual.projector", hidden, text, text, bias=bias)


def docling(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Granite Docling: a coarse and a fine route, each with mergers of earlier layers."""
    side = v.whole("scale_factor", default=4, limit="head")
    out = v.width("out_hidden_size", default=text)
    stack = len(v.items("deepstack_visual_indexes", most=64))
    part = norms(hidden, 1, True) + norms(out, 2, True) + chain("visual.fc2", out, out, bias=False)
    sides = [side, side // 2] if v.flag("use_fine_route", True) else [side]
    for fold in sides:
        wide = hidden * max(1, fold) ** 2
        part += chain("visual.route", wide, out, bias=False)
        deep = chain("visual.deepstack", wide, out, out) + norms(wide, 1, True)
        part += times(deep, stack) if stack else Part()
    return part


def hunyuan4(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    out = v.width("out_hidden_size", default=text)
    part = chain("visual.merger", merged(v, c, hidden), out, out) + norms(hidden)
    return part + Part((vector("visual.image_newline", out),))


def hunyuan(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = merged(v, c, hidden)
    part = chain("visual.merger", wide, 2 * hidden, 4 * hidden, text) + norms(hidden) + norms(text)
    return part + Part((vector("visual.separators", 4 * hidden + 3 * text),))


def inkling2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    middle = v.width("projection_hidden_dim", default=text)
    bias = v.flag("projector_bias")
    return chain("visual.merger", merged(v, c, hidden), middle, text, bias=bias)


def minicpm(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """MiniCPM-V: windows merged amid the layers, and again after them."""
    size = v.whole("intermediate_size", limit="ffn")
    wide = 4 * hidden
    part = chain("visual.vit_merger.attn", hidden, 4 * hidden)
    part += norms(hidden, 1, True) + norms(wide, 1, True)
    part += chain("visual.vit_merger", wide, 4 * size, hidden)
    rounds = c.whole("merger_times", default=1, limit="head")
    again = chain("visual.merger", wide, wide, hidden) + norms(wide, 1, True)
    part += times(again, rounds - 1) if rounds > 1 else Part()
    return part + norms(wide, 1, True) + chain("visual.merger", wide, wide, text)


def molmo2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Molmo 2: attention pools patches of two layers, a gated feed-forward projects."""
    a = c.need("adapter_config")
    width = a.width("hidden_size", default=hidden)
    layers = max(1, len(a.items("vision_feature_layer", [0, 0], most=64)))
    part = chain("visual.pooling.qkv", hidden * layers, 3 * width)
    part += chain("visual.pooling.o", width, width)
    out = a.width("text_hidden_size", default=text)
    return part + gated("visual.projector", width, a.whole("intermediate_size", limit="ffn"), out)


def muse(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide, middle = c.width("out_hidden_size"), c.width("projector_hidden_size")
    return chain("visual.adapter", wide, middle, middle, text, bias=False)


def ovis2(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Ovis 2: a vocabulary of visual tokens, and a table of their embeddings."""
    rows = v.whole("vocab_size", default=16_384, limit="vocab")
    own = rows - v.whole("num_visual_indicator_tokens", default=5, low=0)
    stride = v.whole("hidden_stride", default=1, limit="head")
    part = chain("visual.head", hidden * stride**2, max(1, own), bias=False)
    out = c.width("hidden_size", default=text)
    return part + norms(max(1, own), 1, True) + table("visual.embeddings", rows, out)


def paddle(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = merged(v, c, hidden)
    return norms(hidden, 1, True) + chain("visual.projector", wide, wide, text)


def step3p7(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    """Step 3.7: two convolutions that halve the image, one matrix."""
    part = chain("visual.downsampler", 9 * hidden, 2 * hidden)
    part += chain("visual.downsampler", 18 * hidden, 4 * hidden)
    return part + chain("visual.projector", 4 * hidden, text, bias=c.flag("projector_bias"))


def nemotron(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    wide = merged(v, c, hidden)
    middle = c.width("projector_hidden_size", default=text)
    return norms(wide) + chain("visual.projector", wide, middle, text, bias=False)


def hybrid(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    return deepseek_hybrid(c, hidden, text)


def phi4(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    part = chain("visual.projector", hidden, text, text)
    return part + Part((vector("visual.separators", 2 * hidden),))


def janus(v: Fields, c: Fields, hidden: int, text: int) -> Part:
    out = v.width("projection_dim", default=text)
    again = v.whole("depth", default=2, limit="layers")
    return chain("visual.aligner", hidden, *[out] * again)


PROJECTORS = {
    "janus": janus,
    "phi4_multimodal": phi4,
    **dict.fromkeys(
        ("llava", "llava_next", "llava_next_video", "llava_onevision", "deepseek_vl"), llava
    ),
    "video_llava": llava,
    "video_llama_3": llava,
    "vipllava": vipllava,
    "internvl": internvl,
    "internvl_chat": internvl,
    "qianfan_ocr": internvl,
    "paligemma": linear,
    "idefics2": idefics2,
    "idefics3": idefics3,
    "smolvlm": idefics3,
    "gemma3": gemma3,
    "aya_vision": cohere2,
    "cohere2_vision": cohere2,
    "aria": aria,
    **dict.fromkeys(("glm4v", "glm4v_moe", "glm46v", "glmga", "glm_ocr", "glm5_next"), glm4v),
    **dict.fromkeys(
        ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"), qwen
    ),
    **dict.fromkeys(("cosmos3_omni", "cohere_compass", "exaone4_5", "hyperclovax_vision_v2"), qwen),
    "qwen2_5_omni_thinker": qwen,
    "qwen3_omni_moe_thinker": qwen,
    "ernie4_5_vl_moe": ernie,
    "cosmos3_edge": cosmos,
    "lfm2_vl": lfm2,
    "lfm3_vl": lfm2,
    **dict.fromkeys(("mistral3", "lighton_ocr", "mistral_large4"), mistral),
    "granite_docling": docling,
    "hy_v4_vl": hunyuan4,
    "hunyuan_vl": hunyuan,
    "inkling2": inkling2,
    "inkling2_loop": inkling2,
    **dict.fromkeys(("minicpm_ocr", "minicpmv4_6", "minicpmv4_7"), minicpm),
    "molmo2": molmo2,
    "muse_glimmer": muse,
    "muse_spark": muse,
    "ovis2": ovis2,
    "paddleocr_vl": paddle,
    "step3p7": step3p7,
    "nemotron_h_omni": nemotron,
    "deepseek_vl_hybrid": hybrid,
}
