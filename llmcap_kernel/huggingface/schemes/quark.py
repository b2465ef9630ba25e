"""The formats of Quark."""

from collections.abc import Mapping
from typing import Any

from ..config import Fields
from .record import Scheme, beside, fixed, grouped

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


def quark(quant: Fields) -> Scheme:
    """Quark, by its config of all modules."""
    top = quant.data.get("global_quant_config")
    found = of_quark(top) if isinstance(top, dict) else None
    return found or fixed("mxfp4" if "fp4" in str(quant.data)[:4000] else "fp8")
