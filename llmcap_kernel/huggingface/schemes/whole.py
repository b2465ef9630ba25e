"""Whole numbers with scales: GPTQ, AWQ, AutoRound, MLX, HQQ, Quanto, bitsandbytes, BitNet."""

import math

from ...refuse import number, one_of
from ..config import Fields
from .floats import float_of
from .record import (
    AS_IT_WAS,
    FIXED,
    HALF,
    HQQ_GROUP,
    MLX_GROUP,
    USUAL_GROUP,
    Scheme,
    averaged,
    beside,
    bits_of,
    fixed,
    group_of,
    grouped,
    two_halves,
)


def gptq(quant: Fields) -> Scheme:
    """GPTQ: whole numbers with a scale and a zero point for each group."""
    # its files have room for zero points, symmetric or not
    return grouped(bits_of(quant), group_of(quant, USUAL_GROUP), zeros=True)


def awq(quant: Fields) -> Scheme:
    """AWQ, in the fields of AutoAWQ or of its authors."""
    name = "w_bit" if quant.has("w_bit") else "bits"
    group = "q_group_size" if quant.has("q_group_size") else "group_size"
    found = grouped(bits_of(quant, name), group_of(quant, USUAL_GROUP, group), zeros=True)
    return fixed("int4-awq") if found.name == "int4-gptq" else found


def auto_round(quant: Fields) -> Scheme:
    """AutoRound, which writes whole numbers and floats."""
    kind = quant.text("data_type").lower()
    bits = bits_of(quant)
    if bits == 8 and kind.startswith("fp"):
        return fixed("fp8-block" if quant.has("weight_block_size") else "fp8")
    # what is not written of activations is the tool's own default, 16 bits
    act = str(number(quant.path("act_bits"), quant.data.get("act_bits") or 16, 1, 16, whole=True))
    if "fp" in kind:
        group = group_of(quant, 16 if kind.startswith("nv") else 32)
        return beside(float_of(bits, group, ""), "fp8" if act == "8" else act)
    if (bits, act) == (8, "8"):
        return fixed("int8")
    return beside(gptq(quant), act)


def qqq(quant: Fields) -> Scheme:
    """QQQ: four bits beside activations of eight."""
    return beside(gptq(quant), "8")


def mlx(quant: Fields) -> Scheme:
    """MLX, by mode or by bits and group."""
    mode = quant.text("mode").lower()
    if mode in FIXED:
        return fixed(mode)
    bits, group = bits_of(quant), group_of(quant, MLX_GROUP, channel=False)
    suffix = f"-g{group}" if group != MLX_GROUP else ""
    return Scheme(f"mlx-{bits}bit{suffix}", bits + 2 * HALF / group)


# hqq packs ten weights of three bits into 32 along the first axis of its groups, and pads that.
def _hqq_stored(bits: int, group: int, axis: int) -> float:
    if bits != 3:
        return bits
    return 32 * math.ceil(group / 10) / group if axis == 0 and group > 0 else 32 / 10


def hqq(quant: Fields) -> Scheme:
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
    bits, group = bits_of(weights, "nbits"), group_of(weights, HQQ_GROUP)
    axis = number(weights.path("axis"), weights.data.get("axis", 1) or 0, 0, 1, whole=True)
    stored = _hqq_stored(bits, group, axis)
    beside = 0.0
    for name in ("scale_quant_params", "zero_quant_params"):
        inner = config.sub(name)
        # a meta-scale and zero point of 16 bits for each group of scales
        beside += (
            bits_of(inner, "nbits", 8) + 2 * HALF / (group_of(inner, 128) or 128) if inner else HALF
        )
    if group > 0 and stored == bits and beside == 2 * HALF:
        return two_halves("hqq", bits, group, HQQ_GROUP)
    return averaged("hqq", stored + (beside / group if group > 0 else 0))


def quanto(quant: Fields) -> Scheme:
    """Quanto, of floats or of whole numbers."""
    weights = quant.text("weights", "int8").lower().removeprefix("q").replace("uint", "int")
    one_of(quant.path("weights"), weights, ("float8", "int8", "int4", "int2"))
    narrow = quant.text("activations").lower()
    if weights == "float8":
        return fixed("fp8" if narrow == "float8" else "fp8-a16")
    if weights == "int8":
        return fixed("int8" if narrow == "int8" else "int8-channel")
    return two_halves("quanto", int(weights[-1]), USUAL_GROUP, USUAL_GROUP)


def bitsandbytes(quant: Fields) -> Scheme:
    """bitsandbytes: eight bits, or the four of NF4."""
    if quant.data.get("load_in_8bit") is True or quant.data.get("_load_in_8bit") is True:
        return fixed("int8")
    return fixed("nf4" if quant.flag("bnb_4bit_use_double_quant") else "nf4-single")


def bitnet(quant: Fields) -> Scheme:
    """BitNet: three values, packed in two bits."""
    # weights of "online" are those in training, packed by nobody
    return AS_IT_WAS if quant.text("quantization_mode") == "online" else fixed("ternary")
