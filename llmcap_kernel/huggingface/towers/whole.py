"""Towers that are of no common kind, each with its projector."""

import itertools
import math

from ...refuse import BadInput, shown
from ..registry import layer_fields
from .pieces import Fields, Part, chain, gated, matrix, norms, sizes, table, times, vector
from .sam import deepseek_ocr, got_ocr, unlimited_ocr


def block(hidden: int, size: int, *, gate: bool = False, bias: bool = True) -> Part:
    """List one transformer block of a tower."""
    rows = [
        matrix("visual.attn.qkv", "vision", hidden, 3 * hidden),
        matrix("visual.attn.proj", "vision", hidden, hidden),
        matrix("visual.mlp", "vision", hidden, (3 if gate else 2) * size),
    ]
    if bias:
        rows.append(vector("visual.bias", 5 * hidden + size * (2 if gate else 1)))
    return Part(tuple(rows)) + norms(hidden, 2, bias, "visual.norm")


def gemma4(v: Fields, c: Fields, text: int) -> Part:
    """Gemma 4's tower: gated, norms before and after and of heads, two-dimensional positions."""
    hidden, depth, size, patch, _channels = sizes(v)
    heads = v.whole("num_attention_heads", default=1, limit="heads")
    head = v.whole("head_dim", default=max(1, hidden // heads), limit="head")
    layer = block(hidden, size, gate=True, bias=False) + norms(hidden, 2) + norms(head, 2)
    part = times(layer, depth)
    rows = v.whole("position_embedding_size", default=10_240, limit="tokens")
    return part + Part(
        (
            matrix("visual.patch_embed", "vision", hidden, 3 * patch**2),
            matrix("visual.position", "vision", 2 * rows, hidden),
            matrix("visual.projector", "vision", hidden, text),
        )
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
    return part + chain("visual.projector", merge, merge, text)


def kimi_k3(v: Fields, c: Fields, text: int) -> Part:
    """Kimi K3's MoonViT: without biases, attention wider than the stream, a norm at the end."""
    hidden, depth, size, patch, channels = sizes(v)
    wide = v.width("qkv_hidden_size", default=hidden)
    attention = chain("visual.attn", hidden, 3 * wide, bias=False)
    attention += chain("visual.attn.proj", wide, hidden, bias=False)
    feed = chain("visual.mlp", hidden, size, hidden, bias=False)
    part = times(attention + feed + norms(hidden, 2), depth) + norms(hidden, 1)
    side = v.whole("init_pos_emb_height", default=64, limit="head")
    part += table("visual.pos_emb", side * side, hidden)
    part += chain("visual.patch_embed", channels * patch**2, hidden, bias=False)
    return part + chain("visual.projector", 4 * hidden, 4 * hidden, text, bias=False) + norms(text)


def dots_ocr(v: Fields, c: Fields, text: int) -> Part:
    """dots.ocr's tower: gated layers without biases, four patches side by side are one token."""
    v = v.under(
        {
            **{"embed_dim": 1536, "intermediate_size": 4224, "num_hidden_layers": 42},
            **{"num_attention_heads": 12, "patch_size": 14, "num_channels": 3},
        }
    )
    hidden = v.width("embed_dim")
    depth, patch = v.whole("num_hidden_layers", limit="layers"), v.whole("patch_size", limit="head")
    size = v.whole("intermediate_size", limit="ffn")
    part = times(block(hidden, size, gate=True, bias=False), depth)
    channels = v.whole("num_channels", limit="small")
    part += chain("visual.patch_embed", channels * patch**2, hidden) + norms(hidden, 2)
    wide = hidden * v.whole("spatial_merge_size", default=2, limit="head") ** 2
    return part + norms(hidden, 1, True) + chain("visual.merger", wide, wide, text)


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
    width = v.width("projector_output_dim", default=4096)
    image = v.whole("image_size", limit="tokens")
    cells = min((image // max(1, patch)) ** 2, 1_000_000) + 1
    part = times(block(hidden, size), depth) + norms(hidden, 2, True)
    part += Part(
        (
            matrix("visual.patch_embed", "vision", hidden, channels * patch**2),
            matrix("visual.position", "vision", cells + 1, hidden),
        )
    )
    part += chain("visual.adapter", size, middle, width, bias=False)
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
    part += chain("visual.projector", hidden, middle, text)
    return part + chain("visual.merge", 4 * text, middle, text)


def fuyu(v: Fields, c: Fields, text: int) -> Part:
    """Fuyu: patches straight into the text model."""
    patch = c.whole("patch_size", default=30, limit="head")
    channels = c.whole("num_channels", default=3, limit="head")
    return chain("visual.patch_embed", channels * patch**2, text)


def radio(v: Fields, c: Fields, text: int) -> Part:
    """Nemotron Omni's RADIO: patches of images and of video, class and register tokens."""
    hidden, depth, size, patch, channels = sizes(v)
    side = v.whole("max_img_size", default=2048, limit="tokens") // max(1, patch)
    tokens = v.whole("num_cls_tokens", default=1) + v.whole("num_registers", default=0, low=0)
    frames = v.whole("video_temporal_patch_size", default=2, limit="head")
    layer = block(hidden, size) + Part((vector("visual.layer_scale", 2 * hidden),))
    part = times(layer, depth) + table("visual.position", side**2 + tokens, hidden)
    patches = channels * patch**2 * (1 + frames)
    return part + Part((matrix("visual.patch_embed", "vision", hidden, patches),))


def lfm3(v: Fields, c: Fields, text: int) -> Part:
    """LFM3's tower: convolutions over the image, attention between, gated feed-forwards."""
    hidden, depth, size, patch, channels = sizes(v)
    heads = v.whole("num_attention_heads", limit="heads")
    kv = v.whole("num_key_value_heads", default=heads, limit="heads")
    head = max(1, hidden // heads)
    taps = v.whole("conv_kernel_size", default=3, limit="head")
    full = v.per_layer("layer_types", depth, {"conv": 0, "full_attention": 1})
    conv = chain("visual.conv", hidden, 3 * hidden, bias=False)
    conv += chain("visual.conv.out", hidden, hidden, bias=False)
    conv += Part((vector("visual.conv.taps", hidden * taps**2),))
    attention = chain("visual.attn", hidden, 2 * (heads + kv) * head, bias=False) + norms(head, 2)
    part = times(gated("visual.mlp", hidden, size, hidden) + norms(hidden, 2), depth)
    part += times(conv, full.count(0)) if 0 in full else Part()
    part += times(attention, full.count(1)) if 1 in full else Part()
    frames = v.whole("temporal_patch_size", default=2, limit="head")
    part += Part((matrix("visual.patch_embed", "vision", hidden, channels * frames * patch**2),))
    return part + norms(hidden)


def dots3(v: Fields, c: Fields, text: int) -> Part:
    """dots3's tower: gated layers, the later ones with experts, more of them layer by layer."""
    hidden, depth, size, patch, channels = sizes(v)
    head = max(1, hidden // v.whole("num_attention_heads", limit="heads"))
    kinds = v.per_layer("mlp_layer_types", depth, {"dense": 0, "sparse": 1}, [0] * depth)
    attention = chain("visual.attn", hidden, 3 * hidden, bias=False)
    attention += chain("visual.attn.proj", hidden, hidden, bias=False)
    part = times(attention + norms(hidden, 2) + norms(head, 2), depth)
    small = v.whole("moe_intermediate_size", default=size, limit="ffn")
    dense = gated("visual.mlp", hidden, size, hidden)
    part += times(dense, kinds.count(0)) if 0 in kinds else Part()
    experts = sum(
        f.whole("num_local_experts", limit="experts")
        for i, f in enumerate(layer_fields(v, depth))
        if kinds[i]
    )
    if experts:
        part += times(gated("visual.mlp.experts", hidden, small, hidden), experts)
        part += chain("visual.mlp.gate", hidden, experts, bias=False)
    wide = hidden * v.whole("adapter_merge_size", default=2, limit="head") ** 2
    out = v.width("adapter_out_dim", default=text)
    part += chain("visual.patch_embed", channels * patch**2, hidden) + norms(hidden, 2)
    return part + norms(hidden, 1, True) + chain("visual.merger", wide, wide, out)


def inkling(v: Fields, c: Fields, text: int) -> Part:
    """Inkling's tower, planned as `plan_out_scales` does: patches folded prime by prime."""
    patch = v.whole("patch_size", default=40, limit="head")
    frames = v.whole("temporal_patch_size", default=2, limit="head")
    channels = v.whole("num_channels", default=3, limit="head")
    layers = v.whole("n_layers", "num_hidden_layers", default=24, limit="layers")
    out = v.width("text_hidden_size", default=text)
    scales = _scales(patch, frames, channels)
    if layers < len(scales):
        raise BadInput(
            v.path("n_layers"),
            f"{v.path('n_layers')} is {layers}: the importer counts this tower from "
            f"{len(scales)} layers on.",
        )
    total = math.log(patch**2 * frames * channels)
    logs = [math.log(t * h * h) for t, h, _c in scales]
    picked = []
    for i in range(layers + 1):
        ideal = total * i / layers
        picked.append(min(range(len(scales)), key=lambda s: abs(ideal - logs[s])))
    picked[0], picked[-1] = 0, len(scales) - 1
    part = norms(out)
    for i, (a, b) in enumerate(itertools.pairwise(picked)):
        (t0, h0, c0), (t1, h1, c1) = scales[a], scales[b]
        folded = c0 * max(1, t1 // t0) * max(1, h1 // h0) ** 2
        last = i == layers - 1
        part += chain("visual.fold", folded, out if last else c1, bias=False)
        part += Part() if last else norms(c1)
    return part


def _scales(patch: int, frames: int, channels: int) -> list[tuple[int, int, int]]:
    """List the steps of a patch: frames, side and channels."""
    scales, side, frame = [(1, 1, channels)], 1, 1
    for p in reversed(_primes(patch)):
        side *= p
        scales.append((1, side, -(-(side**2) * channels // 64) * 64))
    for p in reversed(_primes(frames)):
        frame *= p
        scales.append((frame, side, side**2 * channels * frame * 64))
    return scales


def _primes(number: int) -> list[int]:
    found, p = [], 2
    while number > 1:
        while number % p == 0:
            found.append(p)
            number //= p
        p += 1
    return found


# Encoders of fixed shape, by their name in timm: what timm 1.0.31 counts of them without a head.
TIMM = {"mobilenetv5_300m_enc": 294_126_912, "fastvit_mci3": 122_875_584}


def named(v: Fields, default: str) -> Part:
    """List an encoder that a file gives by its name alone."""
    name = v.text("architecture", default)
    if name not in TIMM:
        raise BadInput(
            v.path("architecture"),
            f"{v.path('architecture')} is {shown(name)}: it takes {' or '.join(TIMM)}.",
        )
    return Part((vector("visual.encoder", TIMM[name]),))


def fast_vlm(v: Fields, c: Fields, text: int) -> Part:
    """FastVLM: FastViT, and a projector of two matrices."""
    hidden = v.width("hidden_size", default=3072)
    return named(v, "fastvit_mci3") + chain("visual.projector", hidden, text, text)


def gemma3n(v: Fields, c: Fields, text: int) -> Part:
    """Gemma 3n: a MobileNet, which its file names, and a projector."""
    hidden = v.width("hidden_size", default=2048)
    rows = v.whole("vocab_size", default=128, limit="vocab")
    part = named(v, "mobilenetv5_300m_enc") + norms(hidden, 2)
    return (
        part
        + table("visual.embedding", rows, hidden)
        + chain("visual.projector", hidden, text, bias=False)
    )


# A tower and its projector, by family or by the model_type of the vision config.
WHOLE = {
    "fast_vlm": fast_vlm,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "dots_ocr": dots_ocr,
    "dots_vit": dots_ocr,
    "kimi_k25": moonvit,
    "kimi_k3": kimi_k3,
    "kimi_k3_vision": kimi_k3,
    "kimi_vl": moonvit,
    "moonvit": moonvit,
    "llama4": llama4,
    "mllama": mllama,
    "minimax_m3_vl": minimax_m3,
    "fuyu": fuyu,
    "inkling_vision": inkling,
    "got_ocr2": got_ocr,
    "got_ocr2_vision": got_ocr,
    "unlimited_ocr_vision": unlimited_ocr,
    "dots3_note_vision_encoder": dots3,
    "deepseek_ocr": deepseek_ocr,
}
# Towers whose projector is in `projectors`.
ALONE = {"lfm3_vl_vision": lfm3, "radio": radio}
