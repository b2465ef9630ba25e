"""Formats that have no record of their own: a method's, of any number of bits, and their names.

A name says all that such a format is: exl3-5.5bpw, int4-g64-asym, fp8-2of4, k-fp8-v-fp16.
"""

import re
from functools import cache
from typing import Any

from ..tables import table

GROUPS = ("16", "32", "64", "128", "256", "512", "1024")


BUILT = re.compile(
    r"(?P<method>[a-z]+\d?)-(?P<bits>\d+(?:\.\d+)?)(?P<unit>bit|bpw)(?:-g(?P<group>\d+))?"
    r"|(?P<int>int)(?P<whole>\d)-(?:g(?P<by>\d+)(?P<asym>-asym)?|channel)"
)


SPARSE = "-2of4"  # two of four weights are stored
MATRICES = ("attention", "mlp", "expert", "shared_expert")
COMPUTE = {"-a16": ("bf16", "fp16"), "-afp8": ("fp8", "bf16", "fp16"), "-a8": ("int8", "bf16")}


def of_method(method: str, bits: str, group: str) -> str:
    """Name a format of a method, as `built` reads it.

    Parameters
    ----------
    method : str
        One of `methods` in formats.toml.
    bits : str
        Bits of a weight.
    group : str
        Weights that share a scale; "" for the method's usual.

    Returns
    -------
    str
        The name; "" for bits or a group that the method does not have.

    Examples
    --------
    >>> of_method("mlx", "4", ""), of_method("mlx", "4.5", "")
    ('mlx-4bit', '')
    """
    rule = table("formats")["methods"][method]
    usual = str(rule.get("group", ""))
    whole = method in ("mlx", "kv")
    if not 1 <= float(bits) <= 8 or (whole and "." in bits) or (group and group not in GROUPS):
        return ""
    unit = "bpw" if "." in bits and rule["unit"] == "bit" and not rule.get("kv") else rule["unit"]
    return f"{method}-{bits}{unit}" + (f"-g{group}" if group and group != usual else "")


@cache
def offered(kv: bool) -> tuple[str, ...]:
    """List the formats of `methods` that a form offers.

    Parameters
    ----------
    kv : bool
        True for formats of the KV cache, false for formats of weights.

    Returns
    -------
    tuple of str
        Names.

    Examples
    --------
    >>> offered(kv=True)
    ('turboquant-3.5bit',)
    """
    rules = table("formats")["methods"].items()
    return tuple(
        f"{method}-{bits:g}{rule['unit']}"
        for method, rule in rules
        if bool(rule.get("kv")) == kv
        for bits in rule["offered"]
    )


def built(name: str) -> dict[str, Any] | None:
    """Give the fields of a format that has no record of its own.

    Parameters
    ----------
    name : str
        A name as `read_format` gives it.

    Returns
    -------
    dict or None
        Fields of `spec.Format`; None for another name.

    Examples
    --------
    >>> built("int4-g64-asym")["scale_bits"], built("exl3-5.5bpw")["element_bits"]
    (20.0, 5.5)
    """
    if name.endswith(SPARSE):
        return _sparse(record_of(name.removesuffix(SPARSE)))
    for suffix, compute in COMPUTE.items():
        bare = name.removesuffix(suffix)
        if bare != name:
            fields = record_of(bare)
            width = {"-a16": "16 bits", "-a8": "INT8"}.get(suffix, "FP8")
            title = f"{fields['title']}, activations in {width}" if fields else ""
            return fields and {**fields, "title": title, "compute": compute, "kv": False}
    pair = re.fullmatch(r"k-(.+)-v-(.+)", name)
    if pair:
        return _pair(*pair.groups())
    match = BUILT.fullmatch(name)
    rule = table("formats")["methods"].get((match["method"] or match["int"]) if match else "")
    if not match or not rule:
        return None
    bits = float(match["bits"] or match["whole"])
    group = int(match["group"] or match["by"] or rule.get("group", 0))
    scale = rule.get("scale_bits", 0) + (bits if match["asym"] else 0)
    channel = name.endswith("-channel")
    title = rule["title"].format(bits=f"{bits:g}", group=group)
    if match["unit"] == "bpw" and rule["unit"] == "bit":  # scales among the bits
        scale, title = 0, f"{match['method'].upper()} {bits:g} bpw"
    return {
        "title": f"INT{bits:g}, a scale a channel" if channel else title,
        "element_bits": bits,
        "scale_bits": 0 if channel else scale,
        "group": 0 if channel or not scale else group,
        **{
            field: rule[field]
            for field in ("covers", "compute", "kv", "timed", "source")
            if field in rule
        },
    }


def _sparse(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """Half the weights, a bit for each that says which, and the scales of all."""
    if not fields or not fields.get("covers"):
        return None
    return {
        **fields,
        "title": f"{fields['title']}, 2:4 sparse",
        "element_bits": fields["element_bits"] / 2 + 1,
        "covers": [role for role in fields["covers"] if role in MATRICES],
        "kv": False,
    }


def record_of(name: str) -> dict[str, Any] | None:
    """Give the fields of a format.

    Parameters
    ----------
    name : str
        A name as `read_format` gives it.

    Returns
    -------
    dict or None
        Those of its record, else of `built`; None for another name.

    Examples
    --------
    >>> record_of("fp8")["element_bits"], record_of("exl3-5.5bpw")["element_bits"]
    (8, 5.5)
    """
    return table("formats")["formats"].get(name) or built(name)


def _pair(keys: str, values: str) -> dict[str, Any] | None:
    """Keys in one format and values in another: an element is their mean."""
    halves = [record_of(keys), record_of(values)]
    if not all(half and half.get("kv") for half in halves):
        return None
    sizes = [
        half["element_bits"] + half.get("scale_bits", 0) / half.get("group", 1)
        for half in halves
        if half
    ]
    title = " keys, ".join(half["title"] for half in halves if half)
    return {
        "title": f"{title} values",
        "element_bits": sum(sizes) / 2,
        "compute": ("bf16", "fp16"),
        "kv": True,
    }
