"""Shapes for models whose config is not here: a sibling's scaled, or those typical of a size.

How layers and width grow with size is a fit over the catalogue's models of the last two and a
half years; a test holds `GROWTH` to it. The width of the feed-forward layers, and the number of
experts, then make the size come out.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import huggingface
from ..huggingface.multimodal import INNER
from ..refuse import BadInput
from ..spec import Model

HEAD_DIM, KV_HEADS, TOP_K, VOCAB, CONTEXT = 128, 8, 8, 151_936, 131_072
# Mixtures keep less: latents, windows and recurrent layers. Four heads are as much as the middle
# one of the catalogue's mixtures keeps on a card.
SPARSE_KV_HEADS = 4
TIED_BELOW = 4.5e9  # smaller models share the embedding with the head
SIZE_TOLERANCE = 0.02
# Widths of feed-forward layers are multiples of 256 where the size allows: publishers choose them
# so, and a GGUF file keeps a row in 16 bits that does not fill its blocks.
STEPS = (256, 32, 8)
BILLION = 1e9

Config = dict[str, Any]


class Growth(NamedTuple):
    """Layers and width as powers of the parameters that a token uses.

    Attributes
    ----------
    layers, layers_power : float
        Layers at a billion active parameters, and the power they grow with.
    hidden, hidden_power : float
        Width of the residual stream there [elements], and its power.
    """

    layers: float
    layers_power: float
    hidden: float
    hidden_power: float


DENSE = Growth(23.5, 0.26, 1460, 0.42)
SPARSE = Growth(22.4, 0.31, 1470, 0.40)
ACTIVE, ACTIVE_POWER = 0.345, 0.71
WIDTHS = ("moe_intermediate_size", "intermediate_size")
EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")


def size_name(total: float, active: float = 0.0) -> str:
    """Write a size as models' names do.

    Parameters
    ----------
    total, active : float
        Parameters, and those a token uses; 0 for a dense model.

    Returns
    -------
    str
        Such as "12b" or "30b-a3b".

    Examples
    --------
    >>> size_name(30e9, 3.3e9), size_name(0.6e9)
    ('30b-a3.3b', '0.6b')
    """
    whole = f"{total / BILLION:.4g}b"
    return f"{whole}-a{active / BILLION:.3g}b" if active else whole


def usual_active(total: float) -> float:
    """Estimate what a token uses of a mixture of experts that does not say.

    Parameters
    ----------
    total : float
        Parameters.

    Returns
    -------
    float
        Parameters that a token uses: 0.345 N^0.71 billion, the fit over the catalogue's mixtures
        since 2025. Four in five of them lie within a factor of 1.5.

    Examples
    --------
    >>> round(usual_active(400e9) / 1e9)
    24
    """
    return ACTIVE * (total / BILLION) ** ACTIVE_POWER * BILLION


def typical(name: str, total: float, active: float = 0.0, source: str = "") -> Model:
    """Build a model of a size in the shape that is usual for it.

    Heads are 128 wide; 8 of them keep keys and values, 4 in a mixture of experts, which sends a
    token to 8. With N the billions of parameters that a token uses, a dense model has
    23.5 N^0.26 layers of 1,460 N^0.42 elements, a mixture 22.4 N^0.31 of 1,470 N^0.40: the fit
    over the catalogue's models since June 2024. The rest of the size is feed-forward.

    Parameters
    ----------
    name : str
        Name of the model.
    total, active : float
        Parameters, and those a token uses; 0 for a dense model.
    source : str
        What is said of where the shape is from.

    Returns
    -------
    Model
        The model, its size within 2% of that asked.

    Raises
    ------
    BadInput
        When no shape gives that size.

    Examples
    --------
    >>> model = typical("dense-12b", 12e9)
    >>> model.layers, model.hidden_size, round(model.params / 1e9, 1)
    (45, 4096, 12.1)
    """
    growth, n = (SPARSE, active / BILLION) if active else (DENSE, total / BILLION)
    layers = max(round(growth.layers * n**growth.layers_power), 2)
    hidden = growth.hidden * n**growth.hidden_power
    for shrink in (1.0, 0.85, 0.7, 0.55, 0.4, 0.25):  # an embedding takes most of the smallest
        width = max(_multiple(hidden * shrink, 1024 if hidden > 3500 else 512), 512)
        config = _plain(layers, width, total, bool(active))
        try:
            return _fitted(config, config, name, total, active, source)
        except BadInput:
            continue
    raise _no_shape(name, total, active)


def _plain(layers: int, hidden: int, total: float, sparse: bool) -> Config:
    heads = max(_multiple(hidden / HEAD_DIM * (2 if sparse else 1), KV_HEADS), KV_HEADS // 2)
    config = {
        "model_type": "qwen3_moe" if sparse else "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": math.gcd(heads, SPARSE_KV_HEADS if sparse else KV_HEADS),
        "head_dim": HEAD_DIM,
        "intermediate_size": 4 * hidden,
        "vocab_size": VOCAB,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": total < TIED_BELOW,
    }
    moe = {"num_experts": 128, "num_experts_per_tok": TOP_K, "moe_intermediate_size": hidden // 2}
    return config | moe if sparse else config


def scaled(
    config: Config, like: Model, name: str, total: float, active: float = 0.0, source: str = ""
) -> Model:
    """Scale a model's config to another size, as its publisher might have.

    Layers and width grow as in `typical`. Width of heads, vocabulary, pattern of layers, experts
    of a token and vision tower stay, and so do the heads that keep keys and values where each
    serves more than two queries.

    Parameters
    ----------
    config : dict
        The sibling's config.
    like : Model
        The sibling.
    name : str
        Name of the model.
    total, active : float
        Parameters, and those a token uses; 0 for a dense model.
    source : str
        What is said of where the shape is from.

    Returns
    -------
    Model
        The model, its size within 2% of that asked.

    Raises
    ------
    BadInput
        When no such config gives that size.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> config, like = catalog.config("qwen3-8b"), catalog.model("qwen3-8b")
    >>> model = scaled(config, like, "qwen3-6b", 6e9)
    >>> model.layers, model.hidden_size, model.attention[0].kv_heads
    (33, 4096, 8)
    """
    growth = SPARSE if active else DENSE
    ratio = active / like.active_params if active else total / like.params
    config = {k: v for k, v in config.items() if k != "quantization_config"}
    where = next((key for key in INNER if isinstance(config.get(key), dict)), None)
    text = dict(config[where]) if where else config
    text.pop("quantization_config", None)
    if where:
        config[where] = text
    stated = all(isinstance(text.get(k), int) for k in ("hidden_size", "num_hidden_layers"))
    if not stated or _key(text, WIDTHS) is None:
        raise _no_shape(name, total, active)
    _stretch(text, ratio**growth.layers_power, ratio**growth.hidden_power)
    return _fitted(config, text, name, total, active, source)


def _stretch(text: Config, deeper: float, wider: float) -> None:
    """Change layers and width of a config, and whatever is listed per layer or goes with width."""
    old, hidden = text["num_hidden_layers"], text["hidden_size"]
    period = _period(text)
    layers = max(_multiple(old * deeper, period), period)
    text |= {k: _of_length(v, old, layers) for k, v in text.items()}
    heads, kv = text["num_attention_heads"], text.get("num_key_value_heads") or 0
    head_dim = text.get("head_dim") or hidden // heads
    step = head_dim * kv if heads * head_dim == hidden and 0 < kv < heads else 2 * HEAD_DIM
    width = max(_multiple(hidden * wider, step), step)
    text |= {"num_hidden_layers": layers, "hidden_size": width}
    text["num_attention_heads"] = max(_multiple(heads * width / hidden, kv or 1), kv or 1)
    if heads * head_dim == hidden:
        text["num_attention_heads"] = width // head_dim
    if kv and heads <= 2 * kv:  # few queries a key, as in Gemma or without groups
        text["num_key_value_heads"] = max(text["num_attention_heads"] * kv // heads, 1)
    keys = text.get("linear_num_key_heads")
    if keys:
        values = text["linear_num_value_heads"] * width / hidden
        text["linear_num_value_heads"] = max(_multiple(values, keys), keys)


def _of_length(value: Any, old: int, layers: int) -> Any:
    """Make what lists a kind for each layer as long as there are layers: its pattern goes on."""
    if isinstance(value, dict):
        return {k: _of_length(v, old, layers) for k, v in value.items()}
    if isinstance(value, (list, str)) and len(value) == old > 1:
        return (value * (layers // old + 1))[:layers]
    return value


def _period(text: Config) -> int:
    """Layers after which the pattern of layer kinds begins again."""
    for key in ("full_attention_interval", "sliding_window_pattern", "interleave_moe_layer_step"):
        if isinstance(text.get(key), int):
            return max(text[key], 1)
    for kinds in (v for v in text.values() if isinstance(v, list)):
        for n in range(2, 9):
            if len(set(map(str, kinds))) > 1 and kinds == (kinds[:n] * len(kinds))[: len(kinds)]:
                return n
    return 1


def _fitted(
    config: Config, text: Config, name: str, total: float, active: float, source: str
) -> Model:
    """Choose the width of the feed-forward layers, and the experts, that give a size."""
    width, experts = _key(text, WIDTHS), _key(text, EXPERTS)
    if not width or (active and not experts):
        raise _no_shape(name, total, active)

    def sized(params: Callable[[Model], float], key: str, wanted: float, step: int) -> None:
        one, two = text[key], 2 * text[key]
        at_one, at_two = (
            params(_load({**_with(config, text, {key: v})}, name)) for v in (one, two)
        )
        if at_two == at_one:
            raise _no_shape(name, total, active)
        value = one + (wanted - at_one) / (at_two - at_one) * (two - one)
        if value <= 0:
            raise _no_shape(name, total, active)
        text[key] = max(_multiple(value, step), step)

    if active and experts:
        shared = text.get("shared_expert_intermediate_size")
        sized(lambda m: m.active_params, width, active, 32)
        if shared:
            text["shared_expert_intermediate_size"] = text[width]
        sized(lambda m: m.params, experts, total, 1)
    for step in STEPS:
        sized(lambda m: m.params, width, total, step)
        model = _load(_with(config, text, {}), name, source)
        if abs(model.params / total - 1) <= SIZE_TOLERANCE:
            return model
    raise _no_shape(name, total, active)


def _with(config: Config, text: Config, changes: Config) -> Config:
    if text is config:
        return {**config, **changes}
    return {k: {**text, **changes} if v is text else v for k, v in config.items()}


def _load(config: Config, name: str, source: str = "") -> Model:
    return huggingface.load({**config, "_source": source}, name)


def _key(text: Config, keys: tuple[str, ...]) -> str | None:
    return next((k for k in keys if isinstance(text.get(k), int)), None)


def _multiple(value: float, step: int) -> int:
    return round(value / step) * step


def _no_shape(name: str, total: float, active: float) -> BadInput:
    return BadInput(
        "model", f"model {name} is of a size, {size_name(total, active)}, with no shape."
    )
