"""The block type of every tensor in a GGUF file, as llama.cpp's quantiser chooses it.

A file type such as Q4_K_M is a mixture: `llama-quantize` gives more bits to some kinds of tensor,
in some layers, and another type where a row does not fill whole blocks. So bits per weight follow
the shape of the model. Files named UD or XL have choices of their own on top, which are not here.
"""

from collections.abc import Callable
from typing import NamedTuple

from .refuse import one_of
from .spec import Model, Tensor

# Elements and bytes of a block, ggml/src/ggml-common.h; the last five lines are ik_llama.cpp's own,
# in its file of that name. Most types that end in R4 there are the same bytes in another order.
BLOCKS = {
    **{"F32": (1, 4), "F16": (1, 2)},
    **{"Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34)},
    **{"IQ4_NL": (32, 18), "MXFP4": (32, 17)},
    **{"Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176)},
    **{"Q6_K": (256, 210), "IQ1_S": (256, 50), "IQ1_M": (256, 56), "IQ2_XXS": (256, 66)},
    **{"IQ2_XS": (256, 74), "IQ2_S": (256, 82), "IQ3_XXS": (256, 98), "IQ3_S": (256, 110)},
    **{"IQ4_XS": (256, 136), "TQ1_0": (256, 54), "TQ2_0": (256, 66)},
    **{"IQ2_KS": (256, 70), "IQ2_K": (256, 76), "IQ2_KL": (256, 86), "IQ3_KS": (256, 102)},
    **{"IQ3_K": (256, 110), "IQ4_KSS": (256, 128), "IQ4_KS": (256, 136), "IQ4_K": (256, 144)},
    **{"IQ5_KS": (256, 168), "IQ5_K": (256, 176), "IQ6_K": (256, 212), "Q6_0": (32, 26)},
    **{"IQ1_KT": (256, 56), "IQ2_KT": (256, 68), "IQ3_KT": (256, 100), "IQ4_KT": (256, 128)},
    **{"IQ1_S_R4": (32, 6)},
}
# What a type of 256 gives way to where a row is no multiple of it.
NARROWER = {
    **dict.fromkeys(
        (name for name in BLOCKS if name.startswith("IQ") and name != "IQ4_NL"), "IQ4_NL"
    ),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    **{"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"},
    **{"IQ4_K": "Q5_0", "IQ5_KS": "Q5_0", "IQ5_K": "Q6_0", "IQ6_K": "Q8_0"},
}


class Place(NamedTuple):
    """The position of a tensor among those of its kind, their number, and the model."""

    at: int
    of: int
    model: Model


def _use_more_bits(place: Place) -> bool:
    eighth = place.of // 8
    return place.at < eighth or place.at >= 7 * place.of // 8 or (place.at - eighth) % 3 == 2


def _grouped(place: Place) -> bool:
    return place.model.kv_heads > 0 and place.model.heads // place.model.kv_heads >= 4


WHEN: dict[str, Callable[[Place], bool]] = {
    "always": lambda place: True,
    "more": _use_more_bits,
    "first two": lambda place: place.at < 2,
    "first four": lambda place: place.at < 4,
    "all but the eighths": lambda place: place.of // 8 <= place.at < 7 * place.of // 8,
    "first eighth": lambda place: place.at < place.of // 8,
    "first sixteenth": lambda place: place.at < place.of // 16,
    "grouped": _grouped,
    "paired": lambda place: 0 < 2 * place.model.kv_heads <= place.model.heads,
    "grouped or experts": lambda place: _grouped(place) or place.model.experts >= 4,
}

# By file type and class of tensor: the types, each with when it is chosen, the first that holds.
# "rest" is every class without a line; "output" is the head, or the embedding that is also one.
Choices = tuple[tuple[str, str], ...]


def _always(name: str) -> Choices:
    return ((name, "always"),)


def _tiny(default: str, better: str, output: str, embedding: str) -> dict[str, Choices]:
    """Build the recipe of the types around two bits and below."""
    return {
        "rest": _always(default),
        "output": _always(output),
        "embedding": _always(embedding),
        "v": (("Q4_K", "grouped or experts"), (better, "always")),
        "down": ((better, "first eighth"),),
    }


_THREE_BITS: dict[str, Choices] = {"rest": _always("IQ3_S"), "v": (("Q4_K", "grouped"),)}
_FOUR_BITS: dict[str, Choices] = {"v": (("Q5_K", "grouped"),), "down": (("Q5_K", "first eighth"),)}
RECIPES: dict[str, dict[str, Choices]] = {
    **{name: {"rest": _always(name), "output": _always(name)} for name in ("F16", "Q8_0")},
    **{name: {"rest": _always(name)} for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q6_0", "Q6_K")},
    **{name: {"rest": _always(name), "embedding": _always("Q4_K")} for name in ("TQ1_0", "TQ2_0")},
    "Q2_K": {
        "rest": _always("Q2_K"),
        "v": (("Q4_K", "grouped"), ("Q3_K", "always")),
        **dict.fromkeys(("down", "o"), _always("Q3_K")),
    },
    "Q2_K_S": {
        "rest": _always("Q2_K"),
        "v": (("Q4_K", "grouped"),),
        "down": (("Q4_K", "first eighth"),),
    },
    "Q3_K_S": {"rest": _always("Q3_K")},
    "Q3_K_M": {
        "rest": _always("Q3_K"),
        "v": (("Q5_K", "first two"), ("Q4_K", "always")),
        "down": (("Q5_K", "first sixteenth"), ("Q4_K", "always")),
        "o": _always("Q4_K"),
    },
    "Q3_K_L": {"rest": _always("Q3_K"), **dict.fromkeys(("v", "down", "o"), _always("Q5_K"))},
    "Q4_K_S": {
        "rest": _always("Q4_K"),
        "v": (("Q5_K", "first four"),),
        "down": (("Q5_K", "first eighth"),),
    },
    "Q4_K_M": {"rest": _always("Q4_K"), **dict.fromkeys(("v", "down"), (("Q6_K", "more"),))},
    "Q5_K_S": {"rest": _always("Q5_K")},
    "Q5_K_M": {"rest": _always("Q5_K"), **dict.fromkeys(("v", "down"), (("Q6_K", "more"),))},
    "IQ4_NL": {"rest": _always("IQ4_NL"), **_FOUR_BITS},
    "IQ4_XS": {"rest": _always("IQ4_XS"), **_FOUR_BITS},
    "IQ3_M": {
        "rest": _always("IQ3_S"),
        **dict.fromkeys(("v", "o"), _always("Q4_K")),
        "down": (("Q4_K", "first eighth"),),
    },
    "IQ3_S": _THREE_BITS,
    "IQ3_XS": {
        **_THREE_BITS,
        **dict.fromkeys(("q", "k"), _always("IQ3_XXS")),
        **dict.fromkeys(("gate", "up"), (("IQ3_XXS", "all but the eighths"),)),
    },
    "IQ3_XXS": {
        "rest": _always("IQ3_XXS"),
        "output": _always("Q5_K"),
        "embedding": _always("IQ3_S"),
        "v": (("Q4_K", "grouped"),),
        **dict.fromkeys(("q", "k"), _always("IQ2_S")),
        "o": _always("IQ3_S"),
    },
    **{
        name: {**_tiny(default, "IQ3_S", "Q5_K", "IQ3_S"), "o": _always("IQ3_S")}
        for name, default in (("IQ2_M", "IQ2_S"), ("IQ2_S", "IQ2_XS"))
    },
    **{name: _tiny(name, "Q2_K", "Q5_K", "Q2_K") for name in ("IQ2_XS", "IQ2_XXS")},
    **{
        name: {**_tiny(name, "Q2_K", "Q5_K", "Q2_K"), "o": _always("IQ2_XXS")}
        for name in ("IQ1_S", "IQ1_M")
    },
    # ik_llama.cpp, src/llama-quantize.cpp; makers of files mostly choose tensor by tensor on top.
    **{
        name: {"rest": _always(name), "output": _always("Q5_K"), "v": ((better, "paired"),)}
        for better, names in (
            ("IQ4_K", ("IQ2_K", "IQ3_K", "IQ1_KT", "IQ2_KT", "IQ3_KT", "IQ2_KS", "IQ1_S_R4")),
            ("IQ4_KS", ("IQ2_KL", "IQ3_KS")),
        )
        for name in names
    },
    **{
        name: {"rest": _always(name), "v": (("IQ5_K", "paired"),)}
        for name in ("IQ4_K", "IQ4_KS", "IQ4_KSS", "IQ4_KT")
    },
    **{name: {"rest": _always(name)} for name in ("IQ5_K", "IQ5_KS")},
    "IQ6_K": {"rest": _always("IQ6_K"), "output": _always("IQ6_K")},
    # As shipped: gpt-oss is converted, not quantised, and keeps all but its experts in 16 bits.
    "MXFP4": {
        **dict.fromkeys(("rest", "output"), _always("F16")),
        "expert": _always("MXFP4"),
    },
    # Unsloth's files by the sizes that llama.cpp printed of three mixtures, rows k00293, k00294 and
    # k00305 of benchmarks/memory.csv: within 2%. Their choices are published nowhere.
    "UD-Q4_K_M": {
        "rest": _always("Q8_0"),
        "expert": _always("Q4_K"),
        "down": (("Q6_K", "more"), ("Q4_K", "always")),
    },
    "UD-Q4_K_XL": {
        "rest": _always("Q8_0"),
        **dict.fromkeys(("embedding", "expert"), _always("Q4_K")),
    },
}
# Families whose experts ship in MXFP4: a file of any type keeps them so, since `llama-quantize`
# quantises no tensor twice. What is left for the type of the file is attention and the ends.
SHIPPED = ("gpt_oss",)
DENSE = {"UD-Q4_K_M": "Q4_K_M", "UD-Q4_K_XL": "Q4_K_M"}  # what stands for these in a dense model
# Families whose queries, keys and values are one tensor in the file, of the class of values.
FUSED = ("bloom", "chatglm", "dbrx", "falcon", "gpt2", "gpt_neox", "mpt", "phi3")
# Classes that have a line above, by the end of a tensor's name.
CLASSES = {f"{name}_proj": name for name in ("q", "k", "v", "o", "down", "gate", "up")} | {
    "in_proj_qkv": "v"
}
# Mixtures of eight experts, Mixtral's kind, spend more on the small matrices of attention.
EIGHT = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M")


def element_bytes(model: Model, file_type: str) -> tuple[float, ...]:
    """Find the mean size of an element of each tensor of a model in a GGUF file.

    Vectors and routers stay in 32 bits, and norms, biases and short convolutions are vectors.

    Parameters
    ----------
    model : Model
        The model.
    file_type : str
        One of `RECIPES`, such as "Q4_K_M".

    Returns
    -------
    tuple of float
        One for each of the model's tensors, over its layers [bytes].

    Raises
    ------
    BadInput
        When the file type is unknown.

    References
    ----------
    ggml-org/llama.cpp, src/llama-quant.cpp, llama_tensor_get_type_impl and tensor_type_fallback.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> llama = catalog.model("llama-3.1-8b")
    >>> sizes = element_bytes(llama, "Q4_K_M")
    >>> stored = sum(t.params * size for t, size in zip(llama.tensors, sizes))
    >>> round(8 * stored / llama.params, 3)
    4.894
    """
    file_type = one_of("gguf", file_type, tuple(RECIPES))
    kinds = [_class(t, model) for t in model.tensors]
    pairs = list(zip(model.tensors, kinds, strict=True))
    values = sorted({layer for t, kind in pairs if kind == "v" for layer in _layers(t)})
    return tuple(_mean(t, kind, file_type, values, model) for t, kind in pairs)


def _layers(tensor: Tensor) -> tuple[int, ...]:
    """List the layers of a tensor; where these are not known, count its copies."""
    return tensor.layers or tuple(range(tensor.copies))


def _class(tensor: Tensor, model: Model) -> str:
    """Find the class of a tensor in the quantiser's table; "" for one that stays in 32 bits."""
    if tensor.name == "embed_tokens_per_layer":
        return "output" if model.tied_embeddings else "embedding"
    if tensor.role in ("norm", "router"):
        return ""
    if tensor.role == "head" or (tensor.role == "embedding" and model.tied_embeddings):
        return "output"
    kind = CLASSES.get(tensor.name.rpartition(".")[2], tensor.role)
    return "v" if model.family in FUSED and kind in ("q", "k") else kind


def _mean(tensor: Tensor, kind: str, file_type: str, values: list[int], model: Model) -> float:
    if not kind:
        return 4.0
    layers, total = _layers(tensor), 0.0
    for order, layer in enumerate(layers):
        if kind == "v":
            place = Place(values.index(layer), len(values), model)
        else:  # feed-forwards of a mixture go by the number of the layer, of others by their order
            place = Place(layer if model.experts else order, model.layers, model)
        elements, size = BLOCKS[_type(tensor, kind, file_type, place)]
        total += size / elements
    return total / len(layers)


def _type(tensor: Tensor, kind: str, file_type: str, place: Place) -> str:
    """Choose the block type of one tensor."""
    if tensor.role == "expert" and place.model.family in SHIPPED:
        return "MXFP4"
    if not place.model.experts:
        file_type = DENSE.get(file_type, file_type)
    recipe = RECIPES[file_type]
    ((default, _),) = recipe["rest"]
    choices = recipe.get(kind) or recipe.get(tensor.role, ())
    if place.model.family == "mixtral" and tensor.role == "expert":
        choices = ()  # files of before experts were one tensor: no down projection was known
    if kind == "output" and not choices:
        return "Q6_K" if tensor.width % BLOCKS[default][0] == 0 else "Q8_0"
    chosen = next((name for name, when in choices if WHEN[when](place)), default)
    chosen = _with_exceptions(chosen, kind, file_type, place.model)
    for _ in range(2):  # a row that fills no block of 256 may fill none of 32 either
        if tensor.width % BLOCKS[chosen][0]:
            chosen = NARROWER.get(chosen, "F16")
    return chosen


def _with_exceptions(chosen: str, kind: str, file_type: str, model: Model) -> str:
    """Apply the exceptions for models of 80 layers and mixtures of eight experts."""
    if file_type in ("F16", "MXFP4"):
        return chosen
    low_bits = file_type.startswith(("IQ1", "IQ2"))
    if kind == "v" and not low_bits and model.layers == 80 and model.heads != model.kv_heads:
        chosen = "Q5_K" if chosen in ("Q3_K", "Q4_K") else chosen
    if model.experts != 8:
        return chosen
    if kind == "o" and (file_type in EIGHT or file_type.startswith("IQ")):
        return "Q5_K"
    if kind == "k" or (kind == "v" and not low_bits):
        return "Q4_K" if low_bits else "Q8_0"
    return chosen
