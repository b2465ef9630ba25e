"""The formats of torchao."""

from typing import Any

from ...refuse import BadInput, shown
from ..config import Fields
from .record import (
    AS_IT_WAS,
    HQQ_GROUP,
    USUAL_GROUP,
    Scheme,
    beside,
    fixed,
    group_of,
    grouped,
    two_halves,
)

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
        return two_halves("quanto", 4, group_of(data, USUAL_GROUP), USUAL_GROUP)
    if plain in ("float8dynamicactivationint4weight", "int8dynamicactivationint4weight"):
        found = grouped(4, group_of(data, 128 if plain[0] == "f" else 32), zeros=False)
        return found._replace(name=f"{found.name}-a{'fp8' if plain[0] == 'f' else '8'}")
    if plain in ("uintxweightonly", "gemliteuintxweightonly"):
        return two_halves("hqq", int(digits[-1]), group_of(data, HQQ_GROUP), HQQ_GROUP)
    if plain in ("intxweightonly", "int8dynamicactivationintxweight"):
        per = data.sub("granularity") or data.sub("weight_granularity") or Fields({})
        by = per.sub("_data") or Fields({})
        found = grouped(int(digits[-1]), group_of(by, -1), zeros=False)
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


def torchao(quant: Fields) -> Scheme:
    """torchao, of one config for all modules or of one by module."""
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
