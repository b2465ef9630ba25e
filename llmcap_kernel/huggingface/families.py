"""Map model_type to the builder of an architecture.

A builder turns the fields of a config into a draft. Its defaults are those of the
class in Hugging Face transformers, or of the code published with the checkpoint.
"""

from . import (
    dense,
    gemma,
    gpt,
    hybrids,
    inkling,
    latent,
    loops,
    mixtures,
    multimodal,
    published,
    recurrent,
    served,
    shared,
    traits,
)
from .config import Fields
from .multimodal import UNKNOWN_WRAPPER
from .refused import (
    REFUSED,
    SHARING,
    WRITES,
    both_ways,
    classes,
    of_a_draft,
    of_a_judge,
    of_another_file,
    of_diffusers,
    refusal,
    stem,
    unnamed,
)
from .registry import FAMILIES

# Importing these modules registers their builders.
BUILDERS = (
    *(traits, dense, gpt, gemma, mixtures, latent, hybrids, recurrent, shared, loops, inkling),
    *(published, served),
)
multimodal.register()


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
    if c.data.get("use_bidirectional_attention") is True or c.data.get("is_causal") is False:
        raise both_ways(c, kind)
    if other := of_a_draft(c) or of_a_judge(c):
        raise other
    if kind in FAMILIES:
        return kind
    found = _by_architectures(c)
    # a class of pictures and text may be called as that of the text alone
    inside = not c.tells("hidden_size") and _holds_a_text_model(c)
    if found and (found in multimodal.WRAPPERS or not inside):
        return found
    if kind.lower() not in (*REFUSED, *SHARING) and _holds_a_text_model(c):
        return UNKNOWN_WRAPPER
    if not kind:
        raise of_diffusers(c) or of_another_file(c) or unnamed(c)
    raise refusal(c, kind)


# Classes whose name is not the one of their model_type.
ARCHITECTURES = {
    "Grok1ForCausalLM": "grok-1",  # Grok 2's file says that its model_type is "git"
    "Grok1ModelForCausalLM": "grok-1",
    "BaiChuanForCausalLM": "baichuan",
    "ChatGLMModel": "chatglm",
    "DeepseekVLV2ForCausalLM": "deepseek_vl_v2",
    "HunYuanDenseV1ForCausalLM": "hunyuan_v1_dense",
    "HunYuanMoEV1ForCausalLM": "hunyuan_v1_moe",
    "HCXVisionV2ForCausalLM": "hyperclovax_vision_v2",
    "IQuestLoopCoderForCausalLM": "iquest_loopcoder",
    "KimiK3LinearForCausalLM": "kimi_linear",
    "MistralLarge3ForCausalLM": "deepseek_v3",
    "NemotronHPuzzleForCausalLM": "nemotron_h",
    "Rnj1ForCausalLM": "gemma3_text",
    "RWForCausalLM": "falcon",
    "StableLMEpochForCausalLM": "stablelm",
    "TeleChat2ForCausalLM": "telechat",
    "TeleChat3ForCausalLM": "llama",
}


def _by_architectures(c: Fields) -> str:
    """The family whose class the config names, which is what engines go by; "" for none."""
    plain = {stem(name): name for name in reversed(FAMILIES)}
    for item in classes(c):
        if item in ARCHITECTURES:
            return ARCHITECTURES[item]
        if item.endswith(WRITES) and stem(item) in plain:
            return plain[stem(item)]
    return ""


def _holds_a_text_model(c: Fields) -> bool:
    """Whether an unknown model keeps a text model of a known family."""
    held = (c.data.get(name) for name in multimodal.INNER)
    kind = next((one.get("model_type") for one in held if isinstance(one, dict)), None)
    return isinstance(kind, str) and kind in FAMILIES and kind not in multimodal.WRAPPERS
