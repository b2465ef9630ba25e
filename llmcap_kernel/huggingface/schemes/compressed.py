"""The formats of compressed-tensors, and of modelopt where it writes the same groups."""

from collections.abc import Mapping
from typing import Any

from ..config import Fields
from .floats import float_of, fp8
from .record import AS_IT_WAS, USUAL_GROUP, Scheme, beside, fixed, grouped


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
            return fp8(Fields({"weight_block_size": sides}, "weights"))
        return float_of(bits, group if isinstance(group, int) else 0, str(strategy))
    packed = packing in ("", "pack-quantized")
    if strategy in ("channel", "tensor") or not isinstance(group, int):
        group = -1 if strategy in ("channel", "tensor") else USUAL_GROUP
    zeros = weights.get("symmetric") is False
    return grouped(bits, group, zeros, packed=packed)


def compressed(quant: Fields) -> Scheme | None:
    """compressed-tensors or modelopt: the groups that they state."""
    weights, inputs = weights_of(quant)
    if not weights and (quant.data.get("config_groups") == {} or quant.has("sparsity_config")):
        return AS_IT_WAS  # a cache's format alone, or sparsity
    return of_weights(weights, inputs, quant.text("format"))
