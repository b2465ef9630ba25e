"""Models of text beside images and sound: a text model, its towers, and their projectors."""

import contextlib
from dataclasses import replace

from ..refuse import BadInput, printable, shown
from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .defaults import CLASSES
from .parts import Part, gqa, mlp, vector
from .registry import FAMILIES, Builder, family
from .towers import tower

# The family of the text model where its config does not name one.
WRAPPERS = {
    "Keye": "qwen3",
    "KeyeVL1_5": "qwen3",
    "apertus1p5": "apertus1p5_text",
    "aria": "aria_text",
    "audioflamingo3": "qwen2",
    "aya_vision": "cohere2",
    "chameleon": "chameleon_text",
    "cohere2_vision": "cohere2",
    "cohere_compass": "cohere2",
    "cosmos3_edge": "cosmos3_edge_text",
    "cosmos3_omni": "qwen3_vl_text",
    "deepseek_ocr2": "deepseek_ocr2_text",
    "deepseek_vl": "llama",
    "deepseek_vl_hybrid": "llama",
    "deepseek_vl_v2": "deepseek_v2",
    "dots3_note": "dots3_note_text",
    "dots_ocr": "qwen2",
    "emu3": "emu3_text_model",
    "ernie4_5_moe_vl": "ernie4_5_vl_moe_text",
    "ernie4_5_vl_moe": "ernie4_5_vl_moe_text",
    "exaone4_5": "exaone4",
    "fast_vlm": "qwen2",
    "fuyu": "persimmon",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
    "glm46v": "glm4v_text",
    "glm4v": "glm4v_text",
    "glm4v_moe": "glm4v_moe_text",
    "glm5_next": "glm5_next_text",
    "glm_ocr": "glm_ocr_text",
    "glmasr": "llama",
    "glmga": "glm4v_text",
    "got_ocr2": "qwen2",
    "granite4_vision": "granite4_vision_text",
    "granite_docling": "granite_docling_text",
    "granite_speech": "granite",
    "granite_speech_plus": "granite",
    "hunyuan_vl": "hunyuan_vl_text",
    "hy_v4_vl": "hy_v4_vl_text",
    "hyperclovax_vision_v2": "hyperclovax",
    "idefics2": "mistral",
    "idefics3": "llama",
    "inkling2": "inkling2_text",
    "inkling2_loop": "inkling2_loop_text",
    "inkling_mm_model": "inkling_text",
    "interns1": "qwen3_moe",
    "interns1_pro": "qwen3_moe",
    "internvl": "qwen2",
    "internvl_chat": "internlm2",
    "janus": "llama",
    "kimi_k25": "deepseek_v3",
    "kimi_k3": "kimi_linear",
    "kimi_vl": "deepseek_v3",
    "lfm2_vl": "lfm2",
    "lfm3_vl": "lfm3",
    "lighton_ocr": "qwen3",
    "llama4": "llama4_text",
    "llava": "llama",
    "llava_next": "llama",
    "llava_next_video": "llama",
    "llava_onevision": "qwen2",
    "minicpm_ocr": "qwen3_5_text",
    "minicpmv4_6": "qwen3_5_text",
    "minicpmv4_7": "qwen3_5_text",
    "minimax_m3_vl": "minimax_m3_vl_text",
    "mistral3": "mistral",
    "mistral_large4": "mistral_large4_text",
    "mllama": "mllama_text_model",
    "molmo2": "molmo2_text",
    "muse_glimmer": "muse_glimmer_text",
    "muse_spark": "muse_spark_text",
    "musicflamingo": "qwen2",
    "nemotron_h_omni": "nemotron_h",
    "ovis2": "qwen2",
    "paddleocr_vl": "paddleocr_vl_text",
    "paligemma": "gemma",
    "phi4_multimodal": "phi3",
    "pp_chart2table": "qwen2",
    "qianfan_ocr": "qwen3",
    "qwen2_5_omni_thinker": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen2_audio": "qwen2",
    "qwen2_vl": "qwen2",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_asr": "qwen3",
    "qwen3_omni_moe_thinker": "qwen3_omni_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "qwen4_exp": "qwen4_exp_text",
    "shieldgemma2": "gemma3_text",
    "smolvlm": "llama",
    "step3_vl": "step3_text",
    "step3p7": "step3p5",
    "step5_vl": "step5",
    "unlimited_ocr": "unlimited_ocr_text",
    "video_llama_3": "qwen2",
    "video_llava": "llama",
    "vipllava": "llama",
    "voxtral": "llama",
    "voxtral_realtime": "voxtral_realtime_text",
}
UNKNOWN_WRAPPER = "text beside towers"  # a model of no known kind around a text model of one
# Objects of a config that are no part of the model.
NO_PARTS = ("quantization_config", "generation_config", "compression_config", "rope_config")
INNER = ("text_config", "llm_config", "language_config")
# Classes that load the text model of a multimodal config alone.
TEXT_ALONE = {
    *("MllamaForCausalLM", "Llama4ForCausalLM", "Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM"),
    *("Dots3NoteForCausalLM", "Emu3ForCausalLM"),
}


def classes_in(c: Fields, family: str) -> tuple[str, dict[str, str]]:
    """Name the class of a config's own fields, and those of its objects that name none."""
    text = WRAPPERS.get(family, "")
    whole = not text or family in CLASSES or any(c.has(n) for n in INNER)
    return family if whole else text, {**dict.fromkeys(INNER, text), "vision_config": family}


def wrapped(c: Fields) -> Draft:
    """Count a multimodal model: its text model, its towers and what projects them."""
    text = _text_model(c)
    draft = FAMILIES[text.family](text)
    named = c.items("architectures", most=100)
    if named and all(isinstance(n, str) and n in TEXT_ALONE for n in named):
        return draft
    rows, notes = tower(c, draft.hidden)
    if not rows:
        notes += ("the file describes no tower: the text model is counted alone",)
    return replace(
        draft,
        pieces=[*draft.pieces, *((t, None) for t in rows)],
        notes=(*draft.notes, *notes),
    )


def _text_model(c: Fields) -> Fields:
    """Find the config of the text model, and its family."""
    default = WRAPPERS.get(c.family, "")
    found = next((c.sub(n) for n in INNER if c.has(n)), None)
    if found is None:
        if not c.tells("hidden_size"):
            raise BadInput(
                INNER[0], f"{INNER[0]} is missing: {c.family} keeps its text model there."
            )
        return Fields({**c.data}, "", default)
    # Some files have tie_word_embeddings only at the top level; it takes precedence.
    outer = c.data.get("tie_word_embeddings")
    data = found.data if outer is None else {**found.data, "tie_word_embeddings": outer}
    kind = found.text("model_type")
    if kind and kind not in FAMILIES:
        raise BadInput(
            found.path("model_type"),
            f"{found.path('model_type')} {shown(kind)} is not an "
            "architecture the importer knows: its tensors cannot be counted.",
        )
    if kind in WRAPPERS and kind != default:
        raise BadInput(
            found.path("model_type"),
            f"{found.path('model_type')} is {kind}: it takes a text model.",
        )
    return Fields(data, found.where, kind or default)


@family(UNKNOWN_WRAPPER)
def unknown_wrapper(c: Fields) -> Draft:
    """Count a text model of a known kind in a model of an unknown one, and a plain tower."""
    text = _text_model(c)
    draft = FAMILIES[text.family](text)
    name = c.text("model_type") or "this model"
    seen = next((n for n in ("vision_config", "vit_config", "vision_tower_config") if c.has(n)), "")
    rows: list[Tensor] = []
    notes = [f"{printable(name, 40)} is counted as its text model, {text.family}"]
    if seen:
        own = {**c.data[seen], "model_type": "siglip"} if isinstance(c.data[seen], dict) else {}
        inside = {**c.data, "vision_config": own, "audio_config": None}
        with contextlib.suppress(BadInput):  # a tower that does not say its sizes
            found, said = tower(Fields(inside, c.where, c.family), draft.hidden)
            rows, notes = list(found), [*notes, *said]
    if seen and not rows:
        notes.append(f"{seen} does not say its sizes: the tower is left out")
    counted = (*INNER, seen, *NO_PARTS)
    left = [n for n, v in c.data.items() if n.endswith("_config") and isinstance(v, dict)]
    notes += [f"{printable(n, 40)} is left out" for n in left if n not in counted][:8]
    pieces = [*draft.pieces, *((t, None) for t in rows)]
    return replace(draft, pieces=pieces, notes=(*draft.notes, *notes))


@family("qwen2_5_omni", "qwen3_omni_moe")
def omni(c: Fields) -> Draft:
    """Count the part of Qwen Omni that reads and writes text; engines serve it alone."""
    thinker = c.need("thinker_config")
    thinker.family = f"{c.family}_thinker"
    draft = wrapped(thinker)
    apart = "the talker and what makes sound of its tokens are left out: the thinker alone"
    towers = [n for n in ("vision_config", "audio_config") if not thinker.has(n)]
    lost = tuple(f"{thinker.path(n)} is not stated: that tower is left out" for n in towers)
    return replace(draft, notes=(*draft.notes, apart, *lost))


@family("mllama_text_model")
def mllama_text(c: Fields) -> Draft:
    """Count the text model of Llama 3.2 Vision; cross-attention layers cache only the image."""
    layers = layer_count(c)
    crossed = set(c.wholes("cross_attention_layers"))
    own = gqa(c)
    cross = gqa(c, qk_norm="head", extra=(vector("cross_attn_gate", 2),))
    cross = Part(cross.tensors)
    mixers = [cross if i in crossed else own for i in range(layers)]
    # Eight rows of the embedding stand for image tokens and have no row in the head.
    extra = (vector("embed_tokens.special", 8 * c.width("hidden_size")),)
    return assemble(c, mixers, mlp(c), extra=extra)


def register() -> None:
    """Register the wrappers, once the families that they stand before are known."""
    for name in WRAPPERS:
        plain = FAMILIES.get(name)

        def build(c: Fields, plain: Builder | None = plain) -> Draft:
            if plain is not None and not any(c.has(n) for n in INNER):
                return plain(c)
            return wrapped(c)

        FAMILIES[name] = build
