"""The format that each method of quantisation stores a weight in, and its bits by arithmetic."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..refuse import BadInput, number, one_of, shown
from .config import LIMITS, Fields

# Weights that share a scale where a config does not say, by method.
USUAL_GROUP, MLX_GROUP, HQQ_GROUP, HIGGS_GROUP = 128, 64, 64, 256
HALF = 16  # bits of a scale or zero point that is kept as it is
BLOCK = 128 * 128  # weights that share a scale in DeepSeek's blocks
MAX_MODULES = 100_000


class Scheme(NamedTuple):
    """How a checkpoint stores a weight that it converts.

    Attributes
    ----------
    name : str
        A format of the catalogue.
    bits : float
        Size of a weight with its share of scales, zero points and code books [bits].
    pinned : bool
        Whether that is more than the format's own, so that each tensor has to say it.
    codebook_bits : float
        What each matrix keeps once beside its weights [bits].
    """

    name: str
    bits: float
    pinned: bool = False
    codebook_bits: float = 0.0


AS_IT_WAS = Scheme("bf16", 16.0)
# Formats without a field that moves their size, and the bits of a weight with its share of scales.
FIXED = {
    "fp8": 8.0,
    "fp8-a16": 8.0,
    "fp8-block": 8 + 32 / BLOCK,
    "mxfp4": 4 + 8 / 32,
    "mxfp6": 6 + 8 / 32,
    "mxfp8": 8 + 8 / 32,
    "nvfp4": 4 + 8 / 16,
    "int8": 8.0,
    "int8-channel": 8.0,
    "experts-int8": 8.0,
    "fp6": 6.0,
    "ternary": 2.0,
    "gguf-q8-0": 8.5,
    "nf4": 4 + 8.125 / 64,
    "nf4-single": 4 + 32 / 64,
    "int4-awq": 4 + 20 / 128,
    "int4-gptq": 4 + 20 / 128,
    "int4-g128-afp8": 4 + 16 / 128,
    "int4-channel-a8": 4.0,
}


# What a format multiplies with where nothing is said of activations, and the suffix of its name
# where they are otherwise, as `catalog.names.made.built` reads it. Whole numbers have 16 bits.
OWN_ACTIVATIONS = {
    **dict.fromkeys(("nvfp4", "mxfp4"), "4"),
    **dict.fromkeys(("fp8", "fp8-block", "mxfp6", "mxfp8"), "fp8"),
    "int8": "8",
}
SUFFIXES = {"16": "-a16", "fp8": "-afp8", "8": "-a8"}


def beside(scheme: Scheme, activations: str) -> Scheme:
    """Name a format by what its activations are converted to.

    Parameters
    ----------
    scheme : Scheme
        The format of the weights.
    activations : str
        "16" where they are not converted; "fp8", "8" or "4"; "" where nothing is said of them.

    Returns
    -------
    Scheme
        The same bits, under the name of a format that computes so.

    Examples
    --------
    >>> beside(fixed("nvfp4"), "16").name, beside(fixed("nvfp4"), "4").name
    ('nvfp4-a16', 'nvfp4')
    """
    own = OWN_ACTIVATIONS.get(scheme.name, "16")
    suffix = SUFFIXES.get(activations, "") if activations != own else ""
    return scheme._replace(name=f"{scheme.name}{suffix}")


def fixed(name: str) -> Scheme:
    """Look up a format that has one size.

    Parameters
    ----------
    name : str
        One of `FIXED`, or with one of `SUFFIXES`.

    Returns
    -------
    Scheme
        Its name and bits.

    Examples
    --------
    >>> fixed("nvfp4").bits, fixed("mxfp4-a16").bits
    (4.5, 4.25)
    """
    bare = name if name in FIXED else name.rpartition("-")[0]
    return Scheme(name, FIXED[bare])


def grouped(bits: int, group: int, zeros: bool, *, packed: bool = False) -> Scheme:
    """Name a format of whole numbers with a scale, and maybe a zero point, for each group.

    Parameters
    ----------
    bits : int
        Size of a weight [bits].
    group : int
        Weights that share a scale; 0 or less for all of an output channel.
    zeros : bool
        Whether a group has a zero point, of a weight's bits.
    packed : bool
        Whether as many whole weights as fit are packed into each 32 bits, and no weight over two.

    Returns
    -------
    Scheme
        Its name and bits.

    Examples
    --------
    >>> grouped(3, 128, True).bits, grouped(3, 128, False, packed=True).bits
    (3.1484375, 3.325)
    """
    stored = 32 / (32 // bits) if packed else bits
    if group <= 0:
        return Scheme(f"int{bits}-channel", stored, pinned=stored > bits)
    usual = {
        (8, 128): "int8-weight-only",
        (4, 128): "int4-gptq",
        (4, 32): "int4-gptq-g32",
    }
    name = usual.get((bits, group))
    beside = HALF + bits * (zeros if name is None else name == "int4-gptq")
    name = name or f"int{bits}-g{group}{'-asym' if zeros else ''}"
    return Scheme(name, stored + beside / group, pinned=stored > bits)


def _bits(quant: Fields, name: str = "bits", default: int = 4) -> int:
    given = quant.data.get(name)
    return number(quant.path(name), default if given is None else given, 1, 8, whole=True)


GROUPS = (16, 32, 64, 128, 256, 512, 1024)


def _group(quant: Fields, usual: int, name: str = "group_size", *, channel: bool = True) -> int:
    """Read how many weights share a scale, -1 for a whole channel."""
    given = quant.data.get(name)
    if given is None:
        return usual
    where = quant.path(name)
    group = number(where, given, -1, LIMITS["small"], whole=True)
    if group in GROUPS or (channel and group <= 0):
        return group
    if group > GROUPS[-1] and channel:
        return -1  # as good as none
    listed = ", ".join(map(str, GROUPS))
    raise BadInput(where, f"{where} is {shown(given)}: it takes {listed}{' or -1' * channel}.")


# --- whole numbers with scales ---------------------------------------------------------------


def _gptq(quant: Fields) -> Scheme:
    # its files have room for zero points, symmetric or not
    return grouped(_bits(quant), _group(quant, USUAL_GROUP), zeros=True)


def _awq(quant: Fields) -> Scheme:
    name = "w_bit" if quant.has("w_bit") else "bits"
    group = "q_group_size" if quant.has("q_group_size") else "group_size"
    found = grouped(_bits(quant, name), _group(quant, USUAL_GROUP, group), zeros=True)
    return fixed("int4-awq") if found.name == "int4-gptq" else found


def _auto_round(quant: Fields) -> Scheme:
    kind = quant.text("data_type").lower()
    bits = _bits(quant)
    if bits == 8 and kind.startswith("fp"):
        return fixed("fp8-block" if quant.has("weight_block_size") else "fp8")
    # what is not written of activations is the tool's own default, 16 bits
    act = str(number(quant.path("act_bits"), quant.data.get("act_bits") or 16, 1, 16, whole=True))
    if "fp" in kind:
        group = _group(quant, 16 if kind.startswith("nv") else 32)
        return beside(_float(bits, group, ""), "fp8" if act == "8" else act)
    if (bits, act) == (8, "8"):
        return fixed("int8")
    return beside(_gptq(quant), act)


def _qqq(quant: Fields) -> Scheme:
    return beside(_gptq(quant), "8")


def _mlx(quant: Fields) -> Scheme:
    mode = quant.text("mode").lower()
    if mode in FIXED:
        return fixed(mode)
    bits, group = _bits(quant), _group(quant, MLX_GROUP, channel=False)
    suffix = f"-g{group}" if group != MLX_GROUP else ""
    return Scheme(f"mlx-{bits}bit{suffix}", bits + 2 * HALF / group)


def _two_halves(method: str, bits: int, group: int, usual: int) -> Scheme:
    """A scale and a zero point of 16 bits for each group."""
    if group <= 0:
        return grouped(bits, group, zeros=False)
    suffix = f"-g{group}" if group != usual else ""
    return Scheme(f"{method}-{bits}bit{suffix}", bits + 2 * HALF / group)


def _averaged(method: str, bits: float) -> Scheme:
    """A method by the mean bits of its weights, all scales and books among them."""
    bits = number("quantization_config", round(bits, 2), 1, 8, "bits")
    return Scheme(f"{method}-{bits:g}bpw", bits)


# hqq packs ten weights of three bits into 32 along the first axis of its groups, and pads that.
def _hqq_stored(bits: int, group: int, axis: int) -> float:
    if bits != 3:
        return bits
    return 32 * math.ceil(group / 10) / group if axis == 0 and group > 0 else 32 / 10


def _hqq(quant: Fields) -> Scheme:
    """Half-quadratic quantisation, of one config for all modules or of one by module."""
    config = quant.sub("quant_config") or quant
    by_module = [v for v in config.data.values() if isinstance(v, dict) and _HQQ in v]
    if _HQQ not in config.data and by_module:
        schemes = [_hqq_of(Fields(v, config.where)) for v in by_module]
        return min(schemes, key=lambda scheme: scheme.bits)
    return _hqq_of(config)


_HQQ = "weight_quant_params"


def _hqq_of(config: Fields) -> Scheme:
    weights = config.sub(_HQQ) or config
    bits, group = _bits(weights, "nbits"), _group(weights, HQQ_GROUP)
    axis = number(weights.path("axis"), weights.data.get("axis", 1) or 0, 0, 1, whole=True)
    stored = _hqq_stored(bits, group, axis)
    beside = 0.0
    for name in ("scale_quant_params", "zero_quant_params"):
        inner = config.sub(name)
        # a meta-scale and zero point of 16 bits for each group of scales
        beside += (
            _bits(inner, "nbits", 8) + 2 * HALF / (_group(inner, 128) or 128) if inner else HALF
        )
    if group > 0 and stored == bits and beside == 2 * HALF:
        return _two_halves("hqq", bits, group, HQQ_GROUP)
    return _averaged("hqq", stored + (beside / group if group > 0 else 0))


def _quanto(quant: Fields) -> Scheme:
    weights = quant.text("weights", "int8").lower().removeprefix("q").replace("uint", "int")
    one_of(quant.path("weights"), weights, ("float8", "int8", "int4", "int2"))
    narrow = quant.text("activations").lower()
    if weights == "float8":
        return fixed("fp8" if narrow == "float8" else "fp8-a16")
    if weights == "int8":
        return fixed("int8" if narrow == "int8" else "int8-channel")
    return _two_halves("quanto", int(weights[-1]), USUAL_GROUP, USUAL_GROUP)


def _bitsandbytes(quant: Fields) -> Scheme:
    if quant.data.get("load_in_8bit") is True or quant.data.get("_load_in_8bit") is True:
        return fixed("int8")
    return fixed("nf4" if quant.flag("bnb_4bit_use_double_quant") else "nf4-single")


def _bitnet(quant: Fields) -> Scheme:
    # weights of "online" are those in training, packed by nobody
    return AS_IT_WAS if quant.text("quantization_mode") == "online" else fixed("ternary")


# --- floating point --------------------------------------------------------------------------


def _fp8(quant: Fields) -> Scheme:
    sides = quant.data.get("weight_block_size")
    if not isinstance(sides, list):
        return fixed("fp8")
    where = quant.path("weight_block_size")
    if len(sides) != 2:
        raise BadInput(where, f"{where} has {len(sides)} items: it takes two sides of a block.")
    high, wide = (number(where, side, 1, LIMITS["width"], whole=True) for side in sides)
    if (high, wide) == (1, 32):
        return fixed("mxfp8")
    bits = 8 + 32 / (high * wide)
    return Scheme("fp8-block", bits, pinned=bits > FIXED["fp8-block"])


def _float(bits: int, group: int, strategy: str) -> Scheme:
    if bits == 4:
        return fixed("mxfp4" if group == 32 else "nvfp4")
    if bits == 6:
        return fixed("mxfp6")
    if group == 32:
        return fixed("mxfp8")
    return fixed("fp8-block" if strategy == "block" else "fp8")


def _fp_quant(quant: Fields) -> Scheme:
    if quant.flag("store_master_weights"):
        return AS_IT_WAS
    dtype = quant.text("forward_dtype", "nvfp4").lower()
    return fixed(one_of(quant.path("forward_dtype"), dtype, ("mxfp4", "nvfp4")))


def _deepspeed(quant: Fields) -> Scheme:
    bits = number(quant.path("bits"), quant.data.get("bits", 8), 6, 12, whole=True)
    return fixed({6: "fp6"}.get(bits, "fp8"))


# --- vectors from code books -----------------------------------------------------------------


def _aqlm(quant: Fields) -> Scheme:
    books = quant.whole("num_codebooks", default=1, limit="small")
    index = number(
        quant.path("nbits_per_codebook"),
        quant.data.get("nbits_per_codebook", 16),
        1,
        16,
        whole=True,
    )
    vector = quant.whole("in_group_size", default=8) * quant.whole("out_group_size", default=1)
    held = 8 if index <= 8 else 16  # codes are whole numbers of one or two bytes
    found = _averaged("aqlm", books * held / vector)
    return found._replace(codebook_bits=books * 2.0**index * vector * HALF)


def _higgs(quant: Fields) -> Scheme:
    bits, group = _bits(quant), _group(quant, HIGGS_GROUP, channel=False)
    suffix = f"-g{group}" if group != HIGGS_GROUP else ""
    return Scheme(f"higgs-{bits}bit{suffix}", bits + HALF / group)


def _spqr(quant: Fields) -> Scheme:
    """A tile's sixteen weights, scale and zero point in 64 bits, and outliers of 32 bits each."""
    shapes = quant.sub("shapes")
    held = {"dense_weights": 64, "row_offsets": 32, "col_vals": 32, "in_perm": 16}
    items = dict.fromkeys(held, 0.0)
    for name, value in list(shapes.data.items())[:MAX_MODULES] if shapes else ():
        part = next((p for p in held if f".{p}." in f"{name}."), "")
        size = value[0] if isinstance(value, list) and value else value
        if part:
            items[part] += number(quant.path("shapes"), size, 0, 1e13)
    if not items["dense_weights"]:
        return _averaged("spqr", 4.0)
    total = sum(items[part] * bits for part, bits in held.items())
    return _averaged("spqr", total / (16 * items["dense_weights"]))


def _vptq(quant: Fields) -> Scheme:
    """The mean over the modules of `config_for_layers`, each with its books."""
    layers = quant.sub("config_for_layers")
    modules = [v for v in layers.data.values() if isinstance(v, dict)] if layers else []
    shared = quant.sub("shared_layer_config")
    modules = modules or (
        [v for v in shared.data.values() if isinstance(v, dict)] if shared else []
    )
    if not modules:
        where = quant.path("config_for_layers")
        raise BadInput(where, f"{where} is missing: the bits of VPTQ cannot be counted without it.")
    bits = weights = 0.0
    for module in modules[:MAX_MODULES]:
        each = Fields(module, quant.path("config_for_layers"))
        size = each.width("in_features") * each.width("out_features")
        bits, weights = bits + _vptq_bits(each), weights + size
    return _averaged("vptq", bits / weights)


def _vptq_bits(module: Fields) -> float:
    """Bits of one matrix: indices, books, and 16 bits a column for each of norm, bias and order."""
    columns, rows = module.width("in_features"), module.width("out_features")
    outliers = module.whole("outlier_size", default=0, low=0, limit="width")
    parts = ((0, outliers), (1, max(columns - outliers, 0)))
    lengths = module.wholes("vector_lens", (-1, -1), low=-1, limit="width")
    total = 0.0
    for i, wide in parts:
        for name in ("num_centroids", "num_res_centroids"):
            counts = module.wholes(name, (-1, -1), low=-1, limit="tokens")
            if len(counts) != 2 or len(lengths) != 2 or counts[i] <= 1 or lengths[i] <= 0:
                continue
            index = math.ceil(math.log2(counts[i]))
            books = module.whole("group_num", default=1) if i else 1
            total += math.ceil(rows / lengths[i]) * wide * index
            total += books * counts[i] * lengths[i] * HALF
    norm = 2 * HALF if module.flag("enable_norm", True) else 0
    return total + columns * (norm + (HALF if module.flag("enable_perm", True) else 0))


def _exl(method: str) -> Callable[[Fields], Scheme]:
    def read(quant: Fields) -> Scheme:
        bits = number(quant.path("bits"), quant.data.get("bits"), 1, 8)
        return Scheme(f"{method}-{bits:g}bpw", bits)

    return read


# --- libraries of several formats ------------------------------------------------------------

# torchao's names of a kind, in lower case and without their last words, and the format of each.
TORCHAO = {
    "int8weightonly": "int8-channel",
    "int8dynamicactivationint8weight": "int8",
    "int8staticactivationint8weight": "int8",
    "float8weightonly": "fp8-a16",
    "float8dynamicactivationfloat8weight": "fp8",
    "float8staticactivationfloat8weight": "fp8",
    "fpxweightonly": "fp6",
    "nvfp4dynamicactivationnvfp4weight": "nvfp4",
    "nvfp4weightonly": "nvfp4-a16",
    "int4dynamicactivationint4weight": "int4-channel-a8",
}


def of_torchao(config: Fields) -> Scheme:
    """Name the format of one config of torchao.

    Parameters
    ----------
    config : Fields
        Its fields `_type` and `_data`, as `config_to_dict` writes them.

    Returns
    -------
    Scheme
        Its name and bits.

    Raises
    ------
    BadInput
        When the type is unknown.

    Examples
    --------
    >>> of_torchao(Fields({"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 64}})).bits
    4.5
    """
    data = config.sub("_data") or Fields({})
    base = data.sub("base_config")  # of AWQ and SmoothQuant, which change values and no format
    if base is not None:
        return of_torchao(base)
    return _torchao_of(config, config.text("_type"), data)


def _torchao_of(config: Fields, kind: str, data: Fields) -> Scheme:
    plain = kind.lower().replace("_", "").removesuffix("config")
    if plain in TORCHAO:
        return fixed(TORCHAO[plain])
    dtype = _dtype(data, "weight_dtype") or _dtype(data, "dtype")
    if plain == "nvfp4inference":  # `mm_config` says whether activations are converted
        alone = "weight_only" in str(data.data.get("mm_config")).lower()
        return fixed("nvfp4-a16" if alone else "nvfp4")
    if plain.startswith("mx"):
        narrow = fixed("mxfp4" if "float4" in dtype or "fp4" in dtype else "mxfp8")
        wide = "float8" in _dtype(data, "activation_dtype")
        return beside(narrow, "fp8" if wide else "")
    digits = "".join(c for c in dtype if c.isdigit()) or "4"
    if plain == "int4weightonly":  # a scale and a zero point of 16 bits
        return _two_halves("quanto", 4, _group(data, USUAL_GROUP), USUAL_GROUP)
    if plain in ("float8dynamicactivationint4weight", "int8dynamicactivationint4weight"):
        found = grouped(4, _group(data, 128 if plain[0] == "f" else 32), zeros=False)
        return found._replace(name=f"{found.name}-a{'fp8' if plain[0] == 'f' else '8'}")
    if plain in ("uintxweightonly", "gemliteuintxweightonly"):
        return _two_halves("hqq", int(digits[-1]), _group(data, HQQ_GROUP), HQQ_GROUP)
    if plain in ("intxweightonly", "int8dynamicactivationintxweight"):
        per = data.sub("granularity") or data.sub("weight_granularity") or Fields({})
        by = per.sub("_data") or Fields({})
        found = grouped(int(digits[-1]), _group(by, -1), zeros=False)
        return beside(found, "8" if plain.startswith("int8dynamic") else "16")
    where = config.path("quant_type")
    known = "Int4WeightOnlyConfig, Int8WeightOnlyConfig, Float8WeightOnlyConfig and others"
    raise BadInput(where, f"{where} is {shown(kind)}: it takes {known} of torchao.")


def _dtype(data: Fields, name: str) -> str:
    """A torch dtype, plain or as torchao encodes it."""
    value = data.data.get(name)
    value = value.get("_data") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def torchao_modules(quant: Fields) -> dict[str, Any]:
    """The configs by module that a config of torchao holds; empty for one of all modules."""
    kind = quant.data.get("quant_type")
    config = kind.get("default") if isinstance(kind, dict) else None
    data = config.get("_data") if isinstance(config, dict) else None
    if not isinstance(data, dict):
        return {}
    named = data.get("fqn_to_config") or data.get("module_fqn_to_config")
    return named if isinstance(named, dict) else {}


def _torchao(quant: Fields) -> Scheme:
    kind = quant.data.get("quant_type")
    if isinstance(kind, str):
        return _torchao_of(quant, kind, quant.sub("quant_type_kwargs") or quant)
    named = torchao_modules(quant)
    where = quant.path("quant_type")
    if named:
        configs = [named.get("_default"), *named.values()]
        found = [of_torchao(Fields(c, where)) for c in configs[:64] if isinstance(c, dict)]
        # where configs differ, the one with fewest bits applies to the large matrices
        return min(found, key=lambda s: s.bits) if found else AS_IT_WAS
    default = kind.get("default") if isinstance(kind, dict) else kind
    if not isinstance(default, dict):
        raise BadInput(where, f"{where} is {shown(kind)}: it takes a config of torchao.")
    return of_torchao(Fields(default, where))


def weights_of(quant: Fields) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Find the weight scheme in a compressed-tensors or modelopt object, and that of inputs.

    Parameters
    ----------
    quant : Fields
        The object.

    Returns
    -------
    tuple of (dict, dict or None)
        The fields of the weights, empty where there are none, and those of the activations; None
        where these are not converted.
    """
    groups = quant.data.get("config_groups")
    found: list[tuple[int, dict[str, Any], Mapping[str, Any] | None]] = []
    for group in list(groups.values())[:64] if isinstance(groups, dict) else ():
        if isinstance(group, dict) and isinstance(group.get("weights"), dict):
            bits = group["weights"].get("num_bits")
            bits = bits if isinstance(bits, int) else 99
            found.append((bits, group["weights"], inputs_of(group)))
    if not found:
        return {}, None
    # Where groups differ, the one with fewest bits applies to the large matrices.
    _, weights, inputs = min(found, key=lambda item: item[0])
    return weights, inputs


def inputs_of(group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The activations' fields of a group; None where they are not converted."""
    inputs = group.get("input_activations")
    return inputs if isinstance(inputs, dict) else None


def _activations(inputs: Mapping[str, Any] | None, weights: Mapping[str, Any]) -> str:
    """What activations are converted to, as `beside` takes it."""
    if inputs is None:
        return "16"
    bits = inputs.get("num_bits", 8)
    if bits != 8:
        return str(bits)
    return "fp8" if inputs.get("type", weights.get("type")) == "float" else "8"


def of_weights(
    weights: Mapping[str, Any], inputs: Mapping[str, Any] | None, packing: str = ""
) -> Scheme | None:
    """Name the format of one weight scheme of compressed-tensors.

    Parameters
    ----------
    weights : mapping
        Its fields: num_bits, type, strategy, group_size, symmetric.
    inputs : mapping or None
        The same of activations; None where they are not converted.
    packing : str
        How its file is packed: "pack-quantized", "int-quantized" and others.

    Returns
    -------
    Scheme or None
        Its name and bits; None where they are not known.

    Examples
    --------
    >>> of_weights({"num_bits": 4, "type": "float", "group_size": 16}, {"num_bits": 4}).name
    'nvfp4'
    >>> of_weights({"num_bits": 4, "type": "float", "group_size": 16}, None).name
    'nvfp4-a16'
    """
    act, scheme = _activations(inputs, weights), _of_weights(weights, packing)
    if scheme and act == "8" and weights.get("num_bits") == 8:
        return fixed("int8")
    return beside(scheme, act) if scheme else None


def _of_weights(weights: Mapping[str, Any], packing: str) -> Scheme | None:
    bits, group = weights.get("num_bits"), weights.get("group_size")
    strategy = weights.get("strategy")
    if not isinstance(bits, int) or not 2 <= bits <= 8:
        return None
    if weights.get("type") == "float":
        sides = weights.get("block_structure")
        if strategy == "block" and isinstance(sides, list) and len(sides) == 2:
            return _fp8(Fields({"weight_block_size": sides}, "weights"))
        return _float(bits, group if isinstance(group, int) else 0, str(strategy))
    packed = packing in ("", "pack-quantized")
    if strategy in ("channel", "tensor") or not isinstance(group, int):
        group = -1 if strategy in ("channel", "tensor") else USUAL_GROUP
    zeros = weights.get("symmetric") is False
    return grouped(bits, group, zeros, packed=packed)


def _compressed(quant: Fields) -> Scheme | None:
    weights, inputs = weights_of(quant)
    if not weights and (quant.data.get("config_groups") == {} or quant.has("sparsity_config")):
        return AS_IT_WAS  # a cache's format alone, or sparsity
    return of_weights(weights, inputs, quant.text("format"))


QUARK = {"fp8": "fp8", "fp4": "mxfp4", "fp6": "mxfp6"}


def of_quark(config: Mapping[str, Any]) -> Scheme | None:
    """Name the format of one `QuantizationConfig` of Quark.

    Parameters
    ----------
    config : mapping
        Its field `weight`, one scheme or a list of them.

    Returns
    -------
    Scheme or None
        Its name and bits; None where it converts no weights.

    Examples
    --------
    >>> weight = {"dtype": "fp4", "qscheme": "per_group", "group_size": 32}
    >>> of_quark({"weight": weight, "input_tensors": {"dtype": "fp8_e4m3"}}).name
    'mxfp4-afp8'
    """
    weights = config.get("weight", config)
    found = [
        w for w in (weights if isinstance(weights, list) else [weights]) if isinstance(w, dict)
    ]
    kinds = {str(w.get("dtype", "")).lower(): w for w in found}
    if len(kinds) == 1:
        for dtype, name in QUARK.items():
            if next(iter(kinds)).startswith(dtype):
                return beside(fixed(name), _quark_inputs(config))
    whole = {kind: w for kind, w in kinds.items() if kind.removeprefix("u").startswith("int")}
    for kind, weight in whole.items():
        return _quark_whole(kind[-1], weight, config.get("input_tensors"), len(kinds) > 1)
    return None


def _quark_inputs(config: Mapping[str, Any]) -> str:
    """What activations are converted to, as `beside` takes it."""
    inputs = config.get("input_tensors")
    if isinstance(inputs, list):  # of two steps, the last
        inputs = inputs[-1] if inputs else None
    if not isinstance(inputs, dict):
        return "16" if "weight" in config else ""
    dtype = str(inputs.get("dtype", "")).lower()
    named = {"fp8": "fp8", "fp6": "fp8", "fp4": "4", "int8": "8"}
    return next((act for word, act in named.items() if dtype.startswith(word)), "16")


def _quark_whole(
    digit: str, weight: Mapping[str, Any], inputs: object, both: bool
) -> Scheme | None:
    """Whole numbers, and `both` where they are unpacked to FP8 before the product."""
    if digit not in "2345678":
        return None
    if digit == "8" and isinstance(inputs, dict) and "8" in str(inputs.get("dtype")):
        return fixed("int8")
    group = weight.get("group_size")
    by_group = isinstance(group, int) and weight.get("qscheme") == "per_group"
    zeros = weight.get("symmetric") is False
    scheme = grouped(int(digit), group if by_group and isinstance(group, int) else -1, zeros)
    return scheme._replace(name=f"{scheme.name}-afp8") if both else scheme


def _quark(quant: Fields) -> Scheme:
    top = quant.data.get("global_quant_config")
    found = of_quark(top) if isinstance(top, dict) else None
    return found or fixed("mxfp4" if "fp4" in str(quant.data)[:4000] else "fp8")


# Values of modelopt's quant_algo, and of TensorRT-LLM's.
ALGORITHMS = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8-block",
    "FP8_BLOCK_SCALES": "fp8-block",
    "FP8_PB_REAL": "fp8-block",
    "MXFP8": "mxfp8",
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "W4A16_NVFP4": "nvfp4-a16",
    "W4A8_NVFP4_FP8": "nvfp4-afp8",
    "MXFP4": "mxfp4",
    "W4A16_MXFP4": "mxfp4-a16",
    "W4A8_MXFP4_FP8": "mxfp4-afp8",
    "W4A8_MXFP4_MXFP8": "mxfp4-afp8",
    "W4A16_AWQ": "int4-awq",
    "W4A8_AWQ": "int4-awq-afp8",
    "W4A16_GPTQ": "int4-gptq",
    "W4A16": "int4-gptq",
    "W4A8_QSERVE_PER_GROUP": "int4-gptq-a8",
    "W4A8_QSERVE_PER_CHANNEL": "int4-channel-a8",
    "INT8": "int8",
    "INT8_SQ": "int8",
    "W8A8_SQ_PER_CHANNEL": "int8",
    "W8A16": "int8-channel",
    "W8A16_GPTQ": "int8-channel",
    "INT8_WO": "int8-channel",
}

METHODS: dict[str, Callable[[Fields], Scheme | None]] = {
    "aqlm": _aqlm,
    "auto-round": _auto_round,
    "awq": _awq,
    "bitnet": _bitnet,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "deepspeedfp": _deepspeed,
    "exl2": _exl("exl2"),
    "exl3": _exl("exl3"),
    "fp-quant": _fp_quant,
    "fp8": _fp8,
    "gptq": _gptq,
    "higgs": _higgs,
    "hqq": _hqq,
    "modelopt": _compressed,
    "quanto": _quanto,
    "qqq": _qqq,
    "quark": _quark,
    "spqr": _spqr,
    "torchao": _torchao,
    "vptq": _vptq,
}
# Values of quant_method with one format.
ALIKE = {
    "fbgemm-fp8": "fp8",
    "ptpc-fp8": "fp8",
    "w8a8-fp8": "fp8",
    "deepgemm-fp8": "fp8-block",
    "mxfp4": "mxfp4",
    "mxfp6": "mxfp6",
    "mxfp8": "mxfp8",
    "nvfp4": "nvfp4",
    "modelopt-fp4": "nvfp4",
    "petit-nvfp4": "nvfp4-a16",
    "eetq": "int8-channel",
    "tpu-int8": "int8-channel",
    "w8a8-int8": "int8",
    "experts-int8": "experts-int8",
    "w4afp8": "int4-g128-afp8",
    "gguf": "gguf-q8-0",
}
# Other names of a method: kernels that engines wrote into a config, and older spellings.
SPELLED = {
    **dict.fromkeys(("gptq-marlin", "gptq-marlin-24", "gptq-v2", "gptqmodel", "marlin"), "gptq"),
    **dict.fromkeys(("gptq-bitblas", "bitblas", "optimum-gptq", "moe-wna16"), "gptq"),
    "marlin-24": "gptq",
    **dict.fromkeys(("awq-marlin", "llm-awq", "autoawq"), "awq"),
    **dict.fromkeys(("intel/auto-round", "autoround", "inc"), "auto-round"),
    **dict.fromkeys(("bnb", "bitsandbytes-4bit", "bitsandbytes-8bit"), "bitsandbytes"),
    **dict.fromkeys(("modelopt-mixed", "modelopt-fp8", "modelopt-mxfp8"), "modelopt"),
    **dict.fromkeys(("compressed-tensor", "llm-compressor", "sparseml"), "compressed-tensors"),
    "fpquant": "fp-quant",
    "torch-ao": "torchao",
}


def method_of(quant: Fields) -> str:
    """The method of a config by its own name, in lower case; "" where none is stated."""
    said = quant.text("quant_method").strip().lower().replace("_", "-")
    return SPELLED.get(said, said)


def is_mlx(quant: Fields) -> bool:
    """Say whether a config is MLX's, which names no method and states bits.

    Parameters
    ----------
    quant : Fields
        A `quantization_config`.

    Returns
    -------
    bool
        Whether it is; embedding and head are converted too then.
    """
    return not method_of(quant) and quant.has("bits") and not quant.has("quant_algo")


def of_method(quant: Fields) -> Scheme | None:
    """Name the format that the method of a config makes.

    Parameters
    ----------
    quant : Fields
        A `quantization_config`.

    Returns
    -------
    Scheme or None
        Its name and bits; None for an unknown method.

    Raises
    ------
    BadInput
        When a field is out of its range.

    Examples
    --------
    >>> of_method(Fields({"quant_method": "aqlm", "num_codebooks": 2, "nbits_per_codebook": 8}))
    Scheme(name='aqlm-2bpw', bits=2.0, pinned=False, codebook_bits=65536.0)
    """
    method = method_of(quant)
    if method in ALIKE:
        return fixed(ALIKE[method])
    if is_mlx(quant):
        return _mlx(quant)
    reader = METHODS.get(method, _compressed)
    return reader(quant)
