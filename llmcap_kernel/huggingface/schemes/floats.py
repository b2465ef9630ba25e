"""Floating point: FP8 by tensor or block, and microscaled formats of 4, 6 and 8 bits."""

from ...refuse import BadInput, number, one_of
from ..config import LIMITS, Fields
from .record import AS_IT_WAS, FIXED, Scheme, fixed


def fp8(quant: Fields) -> Scheme:
    """FP8 by tensor, or by blocks with a scale each."""
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


def float_of(bits: int, group: int, strategy: str) -> Scheme:
    """Name a float by its bits and the weights that share a scale."""
    if bits == 4:
        return fixed("mxfp4" if group == 32 else "nvfp4")
    if bits == 6:
        return fixed("mxfp6")
    if group == 32:
        return fixed("mxfp8")
    return fixed("fp8-block" if strategy == "block" else "fp8")


def fp_quant(quant: Fields) -> Scheme:
    """FP-Quant: MXFP4 or NVFP4, unless the weights stay as they were."""
    if quant.flag("store_master_weights"):
        return AS_IT_WAS
    dtype = quant.text("forward_dtype", "nvfp4").lower()
    return fixed(one_of(quant.path("forward_dtype"), dtype, ("mxfp4", "nvfp4")))


def deepspeed(quant: Fields) -> Scheme:
    """DeepSpeed's floats of six and eight bits."""
    bits = number(quant.path("bits"), quant.data.get("bits", 8), 6, 12, whole=True)
    return fixed({6: "fp6"}.get(bits, "fp8"))
