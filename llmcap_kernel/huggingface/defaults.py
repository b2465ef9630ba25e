"""Heads and windows where a config.json does not say, by model_type.

Transformers writes of a config within another only what differs from its class, so that files leave
out what the class fills in again, which is not what the other fields would give.
"""

from .config import ALIASES, Fields

# Transformers 5.24, models/*/configuration_*.py: where the class has a number and no formula.
HEADS = {
    64: "gpt_oss",
    128: "ernie4_5 hy_v3 laguna mellum minimax_m2 minimax_m3_vl_text seed_oss solar_open zaya",
    192: "mimo_v2_flash",
    256: """
        gemma gemma2 gemma4_text gemma4_unified_text qwen3_5_moe_text qwen3_next vaultgemma
    """,
}
KV_HEADS = {
    2: "ernie4_5 gemma3n_text glm glm4 internlm3 qwen3_5_moe_text qwen3_next starcoder2 zaya",
    4: """
        ernie4_5_moe gemma2 gemma4_text gemma4_unified_text granite_swa mellum mimo_v2_flash
        minimax_m3_vl_text qwen3_5_text qwen3_moe sarvam_moe smollm3 vaultgemma
    """,
    8: """
        cwm exaone falcon_h1 glm4_moe gpt_oss hy_v3 iquestcoder jamba laguna lfm2 llama4_text
        minimax minimax_m2 ministral3 mistral mixtral nemotron_h phimoe seed_oss solar_open
    """,
}
WINDOWS = {
    128: "gpt_oss granite_swa granitemoe_swa",
    512: "gemma3n_text gemma4_text",
    1024: "afmoe gemma4_unified_text",
    4096: "cohere2 cohere2_moe gemma2 vaultgemma",
    8192: "cwm",
}
FIELDS = {
    field: {family: value for value, names in table.items() for family in names.split()}
    for field, table in (
        ("head_dim", HEADS),
        ("num_key_value_heads", KV_HEADS),
        ("sliding_window", WINDOWS),
    )
}


def of_the_class(c: Fields, field: str, other: int) -> int:
    """Say what the class of a model fills in for a field.

    Parameters
    ----------
    c : Fields
        Of the text model.
    field : str
        One of `FIELDS`.
    other : int
        What is taken where the class has a formula, or where the file says null.

    Returns
    -------
    int
        The class's own number where the file has no such field.

    Examples
    --------
    >>> bare = Fields({"hidden_size": 3584}, family="gemma2")
    >>> of_the_class(bare, "head_dim", 224), of_the_class(bare, "sliding_window", 0)
    (256, 4096)
    >>> of_the_class(Fields({"sliding_window": None}, family="gemma2"), "sliding_window", 0)
    0
    """
    if any(name in c.data for name in (field, *ALIASES.get(field, ()))):
        return other
    return FIELDS[field].get(c.family, other)
