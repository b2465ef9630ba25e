"""Map model_type to the builder of an architecture.

A builder turns the fields of a config into a draft. Its defaults are those of the
class in Hugging Face transformers, or of the code published with the checkpoint.
"""

import difflib

from ..refuse import BadInput, shown
from . import (
    dense,
    gemma,
    gpt,
    hybrids,
    inkling,
    latent,
    loops,
    mixtures,
    recurrent,
    shared,
    towers,
    traits,
)
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .parts import (
    Part,
    gqa,
    mlp,
    vector,
)
from .registry import (
    FAMILIES,
    Builder,
    family,
)

# Importing these modules registers their builders.
BUILDERS = (traits, dense, gpt, gemma, mixtures, latent, hybrids, recurrent, shared, loops, inkling)

# Multimodal configs: the field that holds the config of the text model, and its
# family when it has no model_type.
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
def mllama_text(c: Fields) -> Draft:
    """Count the text model of Llama 3.2 Vision; cross-attention layers cache only the image."""
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


def wrapped(c: Fields) -> Draft:
    """Count a multimodal model: its text model and its vision tower."""
    where, default = WRAPPERS[c.family]
    inner = next(
        (n for n in (where, "text_config", "llm_config", "language_config") if c.has(n)), None
    )
    found = None if inner is None else c.sub(inner)
    if found is None:
        if not c.has("hidden_size"):
            raise BadInput(where, f"{where} is missing: {c.family} keeps its text model there.")
        text = Fields({**c.data}, "", default)
    else:
        data = found.data
        # Some files have tie_word_embeddings only at the top level; it takes precedence.
        outer = c.data.get("tie_word_embeddings")
        data = data if outer is None else {**data, "tie_word_embeddings": outer}
        text = Fields(data, found.where, default)
        kind = text.text("model_type")
        if kind in FAMILIES and kind not in WRAPPERS:
            text.family = kind
        elif kind and kind not in FAMILIES:
            raise BadInput(
                found.path("model_type"),
                f"{found.path('model_type')} {shown(kind)} is not an "
                "architecture the importer knows: its tensors cannot be counted.",
            )
    if text.family in WRAPPERS:
        raise BadInput(
            f"{where}.model_type", f"{where}.model_type is {text.family}: it takes a text model."
        )
    draft = FAMILIES[text.family](text)
    rows, notes = towers.tower(c, draft.hidden)
    draft.pieces = draft.pieces + [(t, None) for t in rows]
    draft.notes = (*draft.notes, *notes)
    return draft


def _register_wrappers() -> None:
    for name in WRAPPERS:
        plain = FAMILIES.get(name)

        def build(c: Fields, plain: Builder | None = plain) -> Draft:
            if plain is not None and not any(
                c.has(n) for n in ("text_config", "llm_config", "language_config")
            ):
                return plain(c)
            return wrapped(c)

        FAMILIES[name] = build


_register_wrappers()


def family_of(c: Fields) -> str:
    """Find the family of a config from its model_type or its architectures.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    str
        A key of `FAMILIES`.

    Raises
    ------
    BadInput
        When the config names no architecture or an unknown one.
    """
    kind = c.text("model_type")
    if kind in FAMILIES:
        return kind
    for item in c.items("architectures", most=100):
        if isinstance(item, str) and item in ARCHITECTURES:
            return ARCHITECTURES[item]
    if not kind:
        raise BadInput(
            "model_type",
            "model_type is missing, and architectures names no family "
            "that is known: is this a Hugging Face config.json?",
        )
    near = difflib.get_close_matches(kind[:60], FAMILIES, n=3, cutoff=0.75)
    hint = f" Near to it: {', '.join(near)}." if near else ""
    raise BadInput(
        "model_type",
        f"model_type {shown(kind)} is not an architecture the importer "
        f"knows ({len(FAMILIES)} are): its tensors cannot be counted.{hint}",
    )


ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "DeepseekV3ForCausalLM": "deepseek_v3",
}
