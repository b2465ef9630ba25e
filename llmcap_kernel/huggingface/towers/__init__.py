"""Weights of vision and audio towers, and of what projects them into the text model."""

from dataclasses import replace

from ...refuse import BadInput, shown
from ...spec import Tensor
from .audio import audio
from .pieces import Fields, Part, chain, times
from .projectors import PROJECTORS
from .vit import ENCODERS, SIGLIP, vit
from .vqgan import pictures
from .whole import ALONE, WHOLE

# Towers whose intermediate_size is that of the merger; layers are as wide as what it outputs.
GLM_WIDE = ("glm4v_vision", "glm4v_moe_vision")
# SigLIP's sizes that Gemma 3's files omit.
GEMMA3 = {
    "hidden_size": 1152,
    "num_hidden_layers": 27,
    "intermediate_size": 4304,
    "patch_size": 14,
    "image_size": 896,
}


# SigLIP's tower as timm names its sizes: width, layers and mlp_ratio.
SO400M = {"num_hidden_layers": 27, "patch_size": 14, "image_size": 384}


def tower(c: Fields, text: int) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """List the weights of a model's towers and projectors.

    Parameters
    ----------
    c : Fields
        The top-level config.
    text : int
        Width of the text model, which a projector outputs [elements].

    Returns
    -------
    tuple of tuple of Tensor and tuple of str
        The weights, and assumptions made about them.

    Raises
    ------
    BadInput
        When the config has an audio tower of an unknown kind.
    """
    part, notes = _vision(c, text)
    heard = audio(c, text)
    if heard is None:
        kind = c.need("audio_config").data.get("model_type")
        raise BadInput(
            "audio_config.model_type",
            f"audio_config.model_type {shown(kind)} is not an audio tower the importer knows: "
            "the model cannot be counted.",
        )
    part += heard + pictures(c, text)
    # start-up logs show the layers of a tower split like the decoder's, MoonViT's MLP apart
    whole = c.family in ("kimi_k25", "kimi_vl")
    rows = tuple(
        replace(t, role="vision", split="none" if whole and "mlp" in t.name else "tp", active=1.0)
        for t in part.tensors
    )
    return rows, notes


def _vision(c: Fields, text: int) -> tuple[Part, tuple[str, ...]]:
    """List the vision tower and its projector, and what was assumed of them."""
    v = c.sub("vision_config")
    if v is None and c.family in ("llama4", "fuyu"):
        # Some copies of Llama 4's config omit the tower that every checkpoint has; Fuyu has none.
        v = Fields({}, "vision_config", c.family)
    if v is None or c.family == "apertus1p5":  # its pictures have a tokenizer
        return Part(), ()
    kind = v.text("model_type", c.family) or c.family
    if isinstance(v.data.get("width"), dict):
        kind = "deepseek_ocr"
    build = WHOLE.get(kind) or WHOLE.get(c.family)
    if build is not None:
        return build(v, c, text), ()
    own = _aligned(v, c, kind)
    traits = ENCODERS.get(kind) or ENCODERS.get(c.family)
    notes: tuple[str, ...] = ()
    if traits is None and kind not in ALONE:
        notes = ("vision tower counted as a plain ViT",)
    part = ALONE[kind](own, c, text) if kind in ALONE else vit(own, traits or SIGLIP)
    if c.family == "video_llava":
        part = times(part, 2)  # one for images, one for video
    hidden = own.width("hidden_size", "embed_dim", "vt_hidden_size")
    project = PROJECTORS.get(c.family)
    if project is None:
        notes += ("projector counted as two matrices",)
        return part + chain("visual.projector", hidden, text, text), notes
    return part + project(v, c, hidden, text), notes


def _aligned(v: Fields, c: Fields, kind: str) -> Fields:
    """Give the fields of a tower the meaning they have elsewhere."""
    if c.family == "qwen2_vl" and v.has("embed_dim"):
        # Its hidden_size is the width of the text model.
        return Fields({**v.data, "hidden_size": v.data["embed_dim"]}, v.where, v.family)
    if c.family == "gemma3":
        return v.under(GEMMA3)
    if isinstance(v.data.get("width"), int) and not v.has("hidden_size"):
        wide, times_ = v.width("width"), v.real("mlp_ratio", 4.0)
        layers = v.whole("layers", default=SO400M["num_hidden_layers"], limit="layers")
        own = {"hidden_size": wide, "num_hidden_layers": layers, "num_attention_heads": 16}
        return v.under({**SO400M, **own, "intermediate_size": max(1, round(wide * times_))})
    if kind in GLM_WIDE and v.has("out_hidden_size"):
        return Fields({**v.data, "intermediate_size": v.data["out_hidden_size"]}, v.where, v.family)
    if kind == "qwen3_omni_moe_vision_encoder":
        return v.under({"num_position_embeddings": 2304})
    return v


__all__ = ["tower"]
