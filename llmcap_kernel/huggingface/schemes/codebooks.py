"""Vectors from code books: AQLM, HIGGS, SpQR, VPTQ, and the mean bits of ExLlama."""

import math
from collections.abc import Callable

from ...refuse import BadInput, number
from ..config import Fields
from .record import HALF, HIGGS_GROUP, Scheme, averaged, bits_of, group_of

MAX_MODULES = 100_000


def aqlm(quant: Fields) -> Scheme:
    """AQLM: sums of vectors from books, and what the books take."""
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
    found = averaged("aqlm", books * held / vector)
    return found._replace(codebook_bits=books * 2.0**index * vector * HALF)


def higgs(quant: Fields) -> Scheme:
    """HIGGS: points of a grid, with a scale for each group."""
    bits, group = bits_of(quant), group_of(quant, HIGGS_GROUP, channel=False)
    suffix = f"-g{group}" if group != HIGGS_GROUP else ""
    return Scheme(f"higgs-{bits}bit{suffix}", bits + HALF / group)


def spqr(quant: Fields) -> Scheme:
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
        return averaged("spqr", 4.0)
    total = sum(items[part] * bits for part, bits in held.items())
    return averaged("spqr", total / (16 * items["dense_weights"]))


def vptq(quant: Fields) -> Scheme:
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
    return averaged("vptq", bits / weights)


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


def exl(method: str) -> Callable[[Fields], Scheme]:
    """Make the reader of a version of ExLlama, which states mean bits."""

    def read(quant: Fields) -> Scheme:
        bits = number(quant.path("bits"), quant.data.get("bits"), 1, 8)
        return Scheme(f"{method}-{bits:g}bpw", bits)

    return read
