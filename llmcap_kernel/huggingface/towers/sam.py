"""SAM, which reads an image at high resolution, and the OCR models that stand on it."""

import itertools
from dataclasses import replace

from .pieces import Fields, Part, chain, matrix, norms, sizes, table, times, vector
from .vit import CLIP, vit

# Sizes that files leave out: `build_sam_vit_b` of DeepSeek-OCR, SamVisionConfig.
SAM_B = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 1024,
    "patch_size": 16,
    "window_size": 14,
    "output_channels": 256,
    "global_attn_indexes": [2, 5, 8, 11],
}


def sam(v: Fields) -> Part:
    """List SAM's encoder, with tables of relative positions and a neck."""
    v = v.under(SAM_B)
    hidden, depth, size, patch, channels = sizes(v)
    heads = v.whole("num_attention_heads", limit="heads")
    head = max(1, hidden // heads)
    side = v.whole("image_size", limit="tokens") // max(1, patch)
    window = v.whole("window_size", limit="head")
    out = v.width("output_channels")
    full = min(len(v.wholes("global_attn_indexes")), depth)
    relative = full * (2 * side - 1) + (depth - full) * (2 * window - 1)
    layer = Part(
        (
            matrix("visual.sam.attn", "vision", hidden, 4 * hidden),
            matrix("visual.sam.mlp", "vision", hidden, 2 * size),
            vector("visual.sam.bias", 5 * hidden + size),
        )
    ) + norms(hidden, 2, True, "visual.norm")
    part = times(layer, depth) + table("visual.sam.pos_embed", side**2, hidden)
    part += table("visual.sam.rel_pos", max(1, 2 * relative), head)
    part += Part((matrix("visual.sam.patch_embed", "vision", hidden, channels * patch**2 + 1),))
    return part + neck(hidden, out)


def neck(hidden: int, out: int) -> Part:
    """List the two convolutions that narrow SAM's output."""
    rows = (
        matrix("visual.sam.neck.0", "vision", hidden, out),
        matrix("visual.sam.neck.1", "vision", 9 * out, out),
    )
    return Part(rows) + norms(out, 2, True, "visual.sam.neck.norm")


def convolutions(*widths: int) -> Part:
    """List convolutions of 3 x 3 one after the other, without biases."""
    return Part(
        tuple(
            matrix(f"visual.conv.{i}", "vision", 9 * a, b)
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
    )


def got_ocr(v: Fields, c: Fields, text: int) -> Part:
    """GOT-OCR2: SAM, two convolutions up to the text's width, one matrix."""
    out = v.width("output_channels", default=256)
    part = sam(v) + convolutions(out, 2 * out, 4 * out)
    return part + chain("visual.projector", 4 * out, text)


def unlimited_ocr(v: Fields, c: Fields, text: int) -> Part:
    """Unlimited-OCR: SAM's output into CLIP, both side by side into one matrix."""
    high, low = v.need("sam_config"), v.need("encoder_config")
    return _sam_in_clip(high, low, text)


def deepseek_ocr(v: Fields, c: Fields, text: int) -> Part:
    """DeepSeek-OCR, whose file names its two towers under `width`."""
    towers = v.need("width")
    low, high = towers.need("clip-l-14-224"), towers.need("sam_vit_b")
    return _sam_in_clip(high, low, text)


def _sam_in_clip(high: Fields, low: Fields, text: int) -> Part:
    out = high.width("output_channels", default=256)
    steps = high.wholes("downsample_channels", [512, 1024], low=1, limit="width")
    hidden = low.width("hidden_size", "width")
    # CLIP takes SAM's output in place of patches.
    encoder = vit(low, replace(CLIP, around=1)).tensors
    encoded = Part(tuple(t for t in encoder if t.name != "visual.patch_embed"))
    last = steps[-1] if steps else out
    return (
        encoded
        + sam(high)
        + convolutions(out, *steps)
        + chain("visual.projector", hidden + last, text)
        + Part((vector("visual.separators", 2 * text),))
    )


def deepseek_hybrid(c: Fields, hidden: int, text: int) -> Part:
    """DeepSeek-VL's pair: SAM with a second neck beside SigLIP, both halves into one matrix."""
    high = c.need("high_res_vision_config").under(SAM_B)
    out = high.width("output_channels")
    half = max(1, text // 2)
    return (
        sam(high)
        + neck(high.width("hidden_size"), out)
        + convolutions(out, 2 * out, 4 * out)
        + chain("visual.aligner.low", hidden, half)
        + chain("visual.aligner.high", 4 * out, half)
        + chain("visual.aligner.proj", text, text)
        + Part((vector("visual.alpha", 1),))
    )
