"""Vision transformers, told apart by a handful of traits."""

from dataclasses import dataclass

from .pieces import Fields, Part, cells, matrix, norms, sizes, table, times, vector


@dataclass(frozen=True)
class Vit:
    """What one vision transformer has and another has not.

    Parameters
    ----------
    gated : bool
        Whether feed-forwards have a gate projection.
    qkv_bias, out_bias, mlp_bias, patch_bias, norm_bias : bool
        Which of its matrices have a bias, and whether its norms are LayerNorms with one.
    frames : int
        Frames of a video that make one patch.
    positions : str
        Learned positions: "grid" for one a patch, "class" for one more and the vector of a
        class token, "none", or the field that says how many there are.
    around : int
        Norms before the first layer and after the last.
    head_norms : bool
        Whether queries and keys have a norm as wide as a head.
    scales : int
        Vectors by which a layer scales what it adds.
    pooled : bool
        Whether a head of attention over patches follows, unless the file says otherwise.
    """

    gated: bool = False
    qkv_bias: bool = True
    out_bias: bool = True
    mlp_bias: bool = True
    patch_bias: bool = True
    norm_bias: bool = True
    frames: int = 1
    positions: str = "grid"
    around: int = 1
    head_norms: bool = False
    scales: int = 0
    pooled: bool = False


CLIP = Vit(patch_bias=False, positions="class", around=2)
SIGLIP = Vit()
QWEN = Vit(patch_bias=False, frames=2, positions="none", around=0)
QWEN25 = Vit(gated=True, patch_bias=False, norm_bias=False, frames=2, positions="none", around=0)
QWEN3 = Vit(frames=2, positions="num_position_embeddings", around=0)
INTERN = Vit(positions="class", around=0, scales=2)
PIXTRAL = Vit(
    gated=True,
    qkv_bias=False,
    out_bias=False,
    mlp_bias=False,
    patch_bias=False,
    norm_bias=False,
    positions="none",
)
GLM = Vit(gated=True, qkv_bias=False, out_bias=False, mlp_bias=False, norm_bias=False, frames=2)
GLM_OCR = Vit(gated=True, norm_bias=False, frames=2, positions="none", head_norms=True)
MUSE = Vit(patch_bias=False, frames=2, positions="max_position_embeddings", around=2)

# By the model_type of the vision config, or of the whole config.
ENCODERS = {
    "clip_vision_model": CLIP,
    "siglip_vision_model": Vit(pooled=True),
    "phi4_multimodal_vision": Vit(pooled=True),
    "siglip2_vision_model": Vit(positions="num_patches", pooled=True),
    "cosmos3_edge_vision": Vit(positions="num_patches"),
    "lfm2_vl": Vit(positions="num_patches", pooled=True),
    "idefics2_vision": SIGLIP,
    "idefics3_vision": SIGLIP,
    "smolvlm_vision": SIGLIP,
    "granite_docling_vision": SIGLIP,
    "janus_vision_model": SIGLIP,
    "minicpm_ocr_vision": SIGLIP,
    "minicpmv4_6_vision": SIGLIP,
    "minicpmv4_7_vision": SIGLIP,
    "molmo2_vision": Vit(positions="num_position_embeddings", around=0),
    "paddleocr_vl_vision": SIGLIP,
    "video_llama_3_vision": Vit(positions="none"),
    "internvl_vision": INTERN,
    "qianfan_ocr_vision": INTERN,
    "pixtral": PIXTRAL,
    "qwen2_vl": QWEN,
    "qwen2_5_vl": QWEN25,
    "qwen2_5_vl_vision": QWEN25,
    "exaone4_5_vision": QWEN25,
    "qwen2_5_omni_vision_encoder": QWEN25,
    "qwen3_vl": QWEN3,
    "qwen3_vl_moe": QWEN3,
    "qwen3_vl_vision": QWEN3,
    "qwen3_5": QWEN3,
    "qwen3_5_moe": QWEN3,
    "qwen3_omni_moe_vision_encoder": QWEN3,
    "cohere_compass_vision": QWEN3,
    "ernie4_5_vl_moe_vision": Vit(patch_bias=False, positions="none"),
    "glm4v_vision": GLM,
    "glm4v_moe_vision": GLM,
    "glm_ocr_vision": GLM_OCR,
    "glm5_next_vision": GLM_OCR,
    "hy_v4_vl_vision": Vit(positions="max_image_size", around=0),
    "hunyuan_vl_vision": Vit(positions="max_image_size", around=0),
    "inkling2_vision": Vit(patch_bias=False, positions="posemb_grid_size", scales=2),
    "step3p5_vision": Vit(patch_bias=False, positions="max_position_embeddings", scales=2),
    "muse_glimmer_vision": MUSE,
    "muse_spark_vision": MUSE,
    "ovis2_vision": Vit(
        gated=True, qkv_bias=False, out_bias=False, mlp_bias=False, norm_bias=False, around=2
    ),
}


def vit(v: Fields, traits: Vit) -> Part:
    """List the weights of a vision transformer.

    Parameters
    ----------
    v : Fields
        Its config.
    traits : Vit
        What it has.

    Returns
    -------
    Part
        Patches, positions, layers, norms and pooling.
    """
    hidden, depth, size, patch, channels = sizes(v)
    frames = traits.frames
    if frames > 1:
        frames = v.whole("temporal_patch_size", "patch_temporal", default=frames, limit="head")
    part = times(_layer(v, traits, hidden, size), depth)
    part += Part((matrix("visual.patch_embed", "vision", hidden, channels * frames * patch**2),))
    if traits.patch_bias:
        part += Part((vector("visual.patch_embed.bias", hidden),))
    part += table("visual.position", _positions(v, traits, patch), hidden)
    part += norms(hidden, traits.around, traits.norm_bias, "visual.norm")
    return part + (_pool(hidden, size) if v.flag("vision_use_head", traits.pooled) else Part())


def _positions(v: Fields, traits: Vit, patch: int) -> int:
    """Count the rows of learned positions, a class token's two among them."""
    kind = traits.positions
    if kind == "none":
        return 0
    if kind == "grid":
        return cells(v, patch)
    if kind == "class":
        return cells(v, patch) + 2
    rows = v.whole(kind, default=0, low=0, limit="tokens")
    if kind == "posemb_grid_size":
        return rows**2 + 2
    if kind == "max_image_size":
        return (rows // max(1, patch)) ** 2 + 1
    return rows


def _layer(v: Fields, traits: Vit, hidden: int, size: int) -> Part:
    heads = v.whole("num_attention_heads", "num_heads", "heads", default=1, limit="heads")
    kv = v.whole("num_key_value_heads", default=heads, limit="heads")
    head = v.whole("head_dim", default=max(1, hidden // heads), limit="head")
    qkv = (heads + 2 * min(kv, heads)) * head
    ups = 2 if traits.gated else 1
    rows = [
        matrix("visual.attn.qkv", "vision", hidden, qkv),
        matrix("visual.attn.proj", "vision", heads * head, hidden),
        matrix("visual.mlp", "vision", hidden, (ups + 1) * size),
    ]
    bias = qkv if v.flag("attention_bias", traits.qkv_bias) else 0
    bias += hidden if traits.out_bias else 0
    bias += ups * size + hidden if traits.mlp_bias else 0
    bias += traits.scales * hidden + (2 * head if traits.head_norms else 0)
    if bias:
        rows.append(vector("visual.bias", bias))
    return Part(tuple(rows)) + norms(hidden, 2, traits.norm_bias, "visual.norm")


def _pool(hidden: int, size: int) -> Part:
    """List SigLIP's head: one query's attention over patches, and a feed-forward."""
    return Part(
        (
            matrix("visual.head", "vision", hidden, 4 * hidden + 2 * size),
            vector("visual.head.bias", 8 * hidden + size),
        )
    )
