"""Weights of vision towers and projectors."""

from dataclasses import replace

from ..spec import Tensor
from .config import Fields
from .parts import Part, matrix, norms, vector


def tower(c: Fields, text_hidden: int) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """List the weights of a vision tower and its projector.

    Parameters
    ----------
    c : Fields
        The top-level config.
    text_hidden : int
        Width of the text model, which the projector outputs [elements].

    Returns
    -------
    tuple of tuple of Tensor and tuple of str
        The weights, and assumptions made about them.
    """
    vision = c.sub("vision_config")
    if vision is None and c.family == "llama4":
        # Some copies of its config omit the tower that every checkpoint has.
        vision = Fields({}, "vision_config", c.family)
    if vision is None:
        return (), ()
    kind = vision.text("model_type", c.family) or c.family
    build = TOWERS.get(c.family) or TOWERS.get(kind)
    notes: tuple[str, ...] = ()
    if build is None:
        build, notes = plain, ("vision tower counted as a plain ViT",)
    part = build(vision, c, text_hidden)
    # start-up logs show the layers of a tower split like the decoder's, MoonViT's MLP apart
    whole = build is moonvit
    rows = tuple(
        replace(t, role="vision", split="none" if whole and "mlp" in t.name else "tp", active=1.0)
        for t in part.tensors
    )
    return rows, notes


def block(
    hidden: int, size: int, *, gated: bool = False, bias: bool = True, norm_bias: bool = True
) -> Part:
    """List one transformer block of a tower."""
    rows = [
        matrix("visual.attn.qkv", "vision", hidden, 3 * hidden),
        matrix("visual.attn.proj", "vision", hidden, hidden),
        matrix("visual.mlp", "vision", hidden, (3 if gated else 2) * size),
    ]
    if bias:
        rows.append(vector("visual.bias", 5 * hidden + size * (2 if gated else 1)))
    return Part(tuple(rows)) + norms(hidden, 2, norm_bias, "visual.norm")


def times(part: Part, n: int) -> Part:
    """Repeat a part for n layers."""
    return Part(tuple(replace(t, copies=t.copies * n) for t in part.tensors))


def sizes(v: Fields) -> tuple[int, int, int, int, int]:
    """Read width, depth, feed-forward width, patch size and input channels of a tower."""
    hidden = v.width("hidden_size", "embed_dim", "vt_hidden_size", "width")
    depth = v.whole("num_hidden_layers", "depth", "vt_num_hidden_layers", "layers", limit="layers")
    ratio = v.real("mlp_ratio", 4.0)
    ratio = min(max(ratio, 0.01), 64.0)
    size = v.whole(
        "intermediate_size",
        "vt_intermediate_size",
        default=max(1, int(hidden * ratio)),
        limit="ffn",
    )
    patch = v.data.get("patch_size")
    if isinstance(patch, list) and patch:
        patch = v.wholes("patch_size", low=1, limit="head")[0]
    else:
        patch = v.whole("patch_size", default=14, limit="head")
    channels = v.whole("in_channels", "num_channels", "in_chans", default=3, limit="head")
    return hidden, depth, size, patch, channels


def mlp2(name: str, rows: int, middle: int, out: int, bias: bool = True) -> Part:
    """List a projector with two matrices."""
    extra = (vector(f"{name}.bias", middle + out),) if bias else ()
    return Part(
        (
            matrix(f"{name}.0", "vision", rows, middle),
            matrix(f"{name}.2", "vision", middle, out),
            *extra,
        )
    )


def plain(v: Fields, c: Fields, text: int) -> Part:
    """A ViT with learned positions (SigLIP, CLIP) and a two-matrix projector."""
    hidden, depth, size, patch, channels = sizes(v)
    image = v.data.get("image_size")
    if isinstance(image, list) and image:
        image = v.wholes("image_size", low=1, limit="tokens")[0]
    else:
        image = v.whole("image_size", default=336, limit="tokens")
    cells = min((image // max(1, patch)) ** 2, 1_000_000) + 1
    part = times(block(hidden, size), depth)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2),
            matrix("visual.position", "vision", max(1, cells), hidden),
        )
    )
    part += norms(hidden, 1, True, "visual.post_norm")
    return part + mlp2("visual.projector", hidden, text, text)


def qwen_vl(v: Fields, c: Fields, text: int) -> Part:
    """Qwen2-VL to Qwen3.5: a ViT, a merger of 2 x 2 patches, deepstack mergers."""
    if c.family == "qwen2_vl" and v.has("embed_dim"):
        # Its hidden_size is the width of the text model.
        v = Fields({**v.data, "hidden_size": v.data["embed_dim"]}, v.where, v.family)
    hidden, depth, size, patch, channels = sizes(v)
    frames = v.whole("temporal_patch_size", default=2, limit="head")
    gated = c.family == "qwen2_5_vl"
    part = times(block(hidden, size, gated=gated, norm_bias=not gated), depth)
    merge = hidden * v.whole("spatial_merge_size", default=2, limit="head") ** 2
    out = v.whole("out_hidden_size", default=text, limit="width")
    if c.family == "qwen2_vl":
        out = text
    part += Part((matrix("visual.patch_embed", "vision", hidden, channels * frames * patch**2),))
    positions = v.whole("num_position_embeddings", default=0, low=0, limit="tokens")
    if positions:
        part += Part((matrix("visual.pos_embed", "vision", positions, hidden),))
    merger = mlp2("visual.merger", merge, merge, out) + norms(hidden, 1, not gated, "visual.ln_q")
    stack = len(v.items("deepstack_visual_indexes", most=64))
    if stack:
        deep = mlp2("visual.deepstack", merge, merge, out) + norms(merge, 1, True)
        part += times(deep, stack)
    return part + merger


def gemma3(v: Fields, c: Fields, text: int) -> Part:
    """SigLIP and one projection, without a pooled head."""
    v = v.under(
        {
            "hidden_size": 1152,
            "num_hidden_layers": 27,
            "intermediate_size": 4304,
            "patch_size": 14,
            "image_size": 896,
        }
    )
    hidden, depth, size, patch, channels = sizes(v)
    image = v.whole("image_size", limit="tokens")
    cells = min((image // max(1, patch)) ** 2, 1_000_000)
    part = times(block(hidden, size), depth) + norms(hidden, 1, True)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2 + 1),
            matrix("visual.position", "vision", max(1, cells), hidden),
            matrix("visual.projector", "vision", hidden, text),
        )
    )
    return part + norms(hidden)


def gemma4(v: Fields, c: Fields, text: int) -> Part:
    """Gemma 4's tower: gated, four norms, two-dimensional positions."""
    hidden, depth, size, patch, _channels = sizes(v)
    part = times(block(hidden, size, gated=True, bias=False) + norms(hidden, 2), depth)
    rows = v.whole("position_embedding_size", default=10_240, limit="tokens")
    return part + Part(
        (
            matrix("visual.patch_embed", "vision", hidden, 3 * patch**2),
            matrix("visual.position", "vision", 2 * rows, hidden),
            matrix("visual.projector", "vision", hidden, text),
        )
    )


def pixtral(v: Fields, c: Fields, text: int) -> Part:
    """Pixtral, a merger of 2 x 2 patches and a projector without biases."""
    hidden, depth, size, patch, channels = sizes(v)
    part = times(block(hidden, size, gated=True, bias=False, norm_bias=False), depth)
    part += Part((matrix("visual.patch_conv", "vision", hidden, channels * patch**2),))
    part += norms(hidden, 2)
    merge = c.whole("spatial_merge_size", default=2, limit="head")
    if c.family == "mistral3":
        part += Part((matrix("visual.patch_merger", "vision", hidden * merge**2, hidden),))
    return part + mlp2(
        "visual.projector",
        hidden,
        text,
        text,
        c.flag("multimodal_projector_bias", c.family != "mistral3"),
    )


def moonvit(v: Fields, c: Fields, text: int) -> Part:
    """Kimi's MoonViT: learned positions of 64 x 64, a merger of 2 x 2 patches."""
    hidden, depth, size, patch, channels = sizes(v)
    side = v.whole("init_pos_emb_height", default=64, limit="head")
    merge = hidden * 4
    part = times(block(hidden, size), depth)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2 + 1),
            matrix("visual.pos_emb", "vision", side * side, hidden),
        )
    )
    part += norms(hidden, 2, True)
    return part + mlp2("visual.projector", merge, merge, text)


def llama4(v: Fields, c: Fields, text: int) -> Part:
    """Llama 4's tower and its pixel-shuffle adapter."""
    v = v.under(
        {
            "hidden_size": 1408,
            "num_hidden_layers": 34,
            "intermediate_size": 5632,
            "patch_size": 14,
            "image_size": 336,
        }
    )
    hidden, depth, size, patch, channels = sizes(v)
    out = v.width("vision_output_dim", default=4096)
    middle = v.width("projector_input_dim", default=4096)
    image = v.whole("image_size", limit="tokens")
    cells = min((image // max(1, patch)) ** 2, 1_000_000) + 1
    part = times(block(hidden, size), depth) + norms(hidden, 2, True)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2),
            matrix("visual.position", "vision", cells + 1, hidden),
        )
    )
    part += mlp2("visual.adapter", size, middle, out, False)
    return part + Part((matrix("visual.projector", "vision", out, text),))


def mllama(v: Fields, c: Fields, text: int) -> Part:
    """Llama 3.2 Vision: local and gated global layers, eight outputs side by side."""
    hidden, depth, size, patch, channels = sizes(v)
    extra = v.whole("num_global_layers", default=8, low=0, limit="layers")
    out = v.whole("vision_output_dim", default=7680, limit="width")
    image = v.whole("image_size", default=448, limit="tokens")
    cells = min((image // max(1, patch)) ** 2, 1_000_000) + 1
    tiles = v.whole("max_num_tiles", default=4, limit="head")
    ratios = 9
    one = Part(
        (
            matrix("visual.attn", "vision", hidden, 4 * hidden),
            matrix("visual.mlp", "vision", hidden, 2 * size),
            vector("visual.bias", size + hidden),
        )
    ) + norms(hidden, 2, True)
    part = times(one, depth + extra) + norms(hidden, 2, True)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2),
            matrix("visual.position", "vision", cells * (1 + ratios * tiles), hidden),
            matrix("visual.tiles", "vision", ratios * tiles * 2, hidden),
            matrix("visual.projector", "vision", out, text),
        )
    )
    return part


def minimax_m3(v: Fields, c: Fields, text: int) -> Part:
    """MiniMax M3's tower with rotary positions and a two-step projector."""
    hidden, depth, size, patch, channels = sizes(v)
    middle = c.width("projector_hidden_size", default=text)
    part = times(block(hidden, size), depth) + norms(hidden, 1, True)
    part += Part((matrix("visual.patch_embed", "vision", hidden, 2 * channels * patch**2),))
    return (
        part
        + mlp2("visual.projector", hidden, middle, text)
        + mlp2("visual.merge", 4 * text, middle, text)
    )


TOWERS = {
    "qwen2_vl": qwen_vl,
    "qwen2_5_vl": qwen_vl,
    "qwen3_vl": qwen_vl,
    "qwen3_vl_moe": qwen_vl,
    "qwen3_5": qwen_vl,
    "qwen3_5_moe": qwen_vl,
    "gemma3": gemma3,
    "gemma4": gemma4,
    "mistral3": pixtral,
    "pixtral": pixtral,
    "kimi_k25": moonvit,
    "kimi_vl": moonvit,
    "moonvit": moonvit,
    "llama4": llama4,
    "mllama": mllama,
    "minimax_m3_vl": minimax_m3,
}

__all__ = ["Fields", "tower"]
