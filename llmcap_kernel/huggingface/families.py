"""Map model_type to the builder of an architecture.

A builder turns the fields of a config into a draft. Its defaults are those of the
class in Hugging Face transformers, or of the code published with the checkpoint.
"""

from ..refuse import BadInput
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
    shared,
    traits,
)
from .config import Fields
from .refused import both_ways, of_diffusers, refusal
from .registry import FAMILIES

# Importing these modules registers their builders.
BUILDERS = (
    *(traits, dense, gpt, gemma, mixtures, latent, hybrids, recurrent, shared, loops, inkling),
    published,
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
    if kind in FAMILIES:
        return kind
    for item in c.items("architectures", most=100):
        if isinstance(item, str) and item in ARCHITECTURES:
            return ARCHITECTURES[item]
    if not kind:
        if drawn := of_diffusers(c):
            raise drawn
        raise BadInput(
            "model_type",
            "model_type is missing, and architectures names no family "
            "that is known: is this a Hugging Face config.json?",
        )
    raise refusal(c, kind)


ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "Grok1ForCausalLM": "grok-1",  # Grok 2's file says that its model_type is "git"
}
