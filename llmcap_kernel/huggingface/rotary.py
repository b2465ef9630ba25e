"""Size of the tables of rotary angles that engines keep on every card.

They are not parameters but take memory: 32 MiB for Llama 3.1, 2.5 GiB for the ten
million positions of Llama 4 Scout.
"""

from typing import Any

from ..spec import Attention
from .assemble import Draft, rope_scaling

ENTRY_BYTES = 2
# DeepSeek's kind of scaling keeps 32 bits where FlashInfer applies it: vLLM 0.19,
# rotary_embedding/deepseek_scaling_rope.py; of V4 wherever it runs.
YARN_ENTRY_BYTES = 4
NAMES = ("rope_theta", "rope_scaling", "rope_parameters")


def table_bytes(data: dict[str, Any], draft: Draft) -> int:
    """Add up the rotary tables of a model.

    Parameters
    ----------
    data : dict
        The parsed config.
    draft : Draft
        The model, for its caches and longest context.

    Returns
    -------
    int
        A sine and a cosine for half the rotated width at every position, for each
        kind of rotation [bytes].
    """
    text = data.get("text_config")
    text = text if isinstance(text, dict) else data
    if not any(text.get(name) is not None for name in NAMES) or text.get("mla_use_nope") is True:
        return 0
    width = max((_rotated(a, text) for a in draft.attention), default=0)
    rows = draft.context * _linear_factor(text)
    if (
        text.get("rope_local_base_freq") is not None
    ):  # windowed layers have a base frequency of their own
        rows += draft.context
    if text.get("compress_rope_theta") is not None:  # so have DeepSeek V4's compressed layers
        rows += draft.context
    latent = any(a.latent_dim for a in draft.attention)
    entry = YARN_ENTRY_BYTES if latent and rope_scaling(text).get("kind") == "yarn" else ENTRY_BYTES
    return round(min(rows * width * entry, 1e12))


def _rotated(attention: Attention, text: dict[str, Any]) -> int:
    if attention.kind == "linear":
        return 0
    if attention.latent_dim:
        return attention.rope_dim
    share = text.get("partial_rotary_factor")
    if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 < share <= 1:
        return round(attention.head_dim * share)
    return attention.head_dim


def _linear_factor(text: dict[str, Any]) -> float:
    """Factor on the table's length: linear scaling extends it, other kinds change its angles."""
    scaling = rope_scaling(text)
    factor = scaling.get("factor")
    if scaling.get("kind") != "linear":
        return 1
    if not isinstance(factor, (int, float)) or isinstance(factor, bool):
        return 1
    return factor if 1 <= factor <= 1024 else 1
