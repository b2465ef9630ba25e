"""Pieces of towers and of what stands between a tower and the text model."""

import itertools
from dataclasses import replace

from ..config import Fields
from ..parts import Part, matrix, norms, vector

MOST_CELLS = 1_000_000


def times(part: Part, n: int) -> Part:
    """Repeat a part for n layers."""
    return Part(tuple(replace(t, copies=t.copies * n) for t in part.tensors))


def chain(name: str, *widths: int, bias: bool = True) -> Part:
    """List matrices one after the other, from the first width to the last."""
    rows = []
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        rows.append(matrix(f"{name}.{i}", "vision", a, b))
        if bias:
            rows.append(vector(f"{name}.{i}.bias", b))
    return Part(tuple(rows))


def gated(name: str, hidden: int, size: int, out: int) -> Part:
    """List a gated feed-forward without biases."""
    return Part(
        (
            matrix(f"{name}.gate_up", "vision", hidden, 2 * size),
            matrix(f"{name}.down", "vision", size, out),
        )
    )


def table(name: str, rows: int, width: int) -> Part:
    """List a table of learned vectors; nothing where it has no rows."""
    return Part((matrix(name, "vision", rows, width),)) if rows else Part()


def first_of(v: Fields, name: str, default: int, limit: str = "tokens") -> int:
    """Read a number that some files give as a list, of which the first counts."""
    value = v.data.get(name)
    if isinstance(value, list) and value:
        return v.wholes(name, low=1, limit=limit)[0]
    return v.whole(name, default=default, limit=limit)


def sizes(v: Fields) -> tuple[int, int, int, int, int]:
    """Read width, depth, feed-forward width, patch size and input channels of a tower."""
    hidden = v.width("hidden_size", "embed_dim", "vt_hidden_size", "width")
    depth = v.whole("num_hidden_layers", "depth", "vt_num_hidden_layers", "layers", limit="layers")
    ratio = min(max(v.real("mlp_ratio", 4.0), 0.01), 64.0)
    size = v.whole(
        *("intermediate_size", "vt_intermediate_size", "mlp_dim"),
        default=max(1, int(hidden * ratio)),
        limit="ffn",
    )
    patch = first_of(v, "patch_size", 14, "head")
    channels = v.whole("in_channels", "num_channels", "in_chans", default=3, limit="head")
    return hidden, depth, size, patch, channels


def cells(v: Fields, patch: int, default: int = 336) -> int:
    """Count the patches of an image, which learned positions tell apart."""
    image = first_of(v, "image_size", default)
    return min(max(1, (image // max(1, patch)) ** 2), MOST_CELLS)


__all__ = [
    "Fields", "Part", "cells", "chain", "first_of", "gated", "matrix", "norms", "sizes", "table",
    "times", "vector",
]  # fmt: skip
