"""What the law takes from the constants of kernels: `catalog/reach.toml`."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...catalog.tables import table

FILE = Path(__file__).parents[2] / "catalog" / "reach.toml"
# A name of `spec.Efficiency`, and the kind of kernel and the constant that give it.
TAKEN = {
    "bandwidth": ("product", "bandwidth"),
    "compute": ("product", "compute"),
    "expert_bandwidth": ("experts", "bandwidth"),
    "expert_compute": ("experts", "compute"),
    "kv_bandwidth": ("decode_attention", "bandwidth"),
    "attention_compute": ("prefill_attention", "compute"),
    "link_bandwidth": ("all_reduce", "link"),
    "all_reduce_s": ("all_reduce", "launch_s"),
}
HEAD = """\
# What kernels reach of a card's rates, by format and chip family: shares of its bandwidth, of its
# peak and of its link, and what an all-reduce costs before its first byte [s]. "any" is for
# families that were never timed.
# [value, least, greatest]: of several engines the median, and the spread over engines and cards.
# Taken from kernels.toml by `python benchmarks/kernels.py FOLDER --write`; nothing is typed in.
"""


def reached(held: Any) -> list[float]:
    """Reduce a constant to what the law takes.

    Parameters
    ----------
    held : list or dict
        A value with the least and the greatest of single cards, or such lists by engine.

    Returns
    -------
    list of float
        Value, least and greatest: of several engines the median, and the spread of all.

    Examples
    --------
    >>> reached([0.8]), reached({"vllm": [0.6, 0.5, 0.7], "sglang": [0.8]})
    ([0.8, 0.8, 0.8], [0.7, 0.5, 0.8])
    """
    each = [held] if isinstance(held, list) else list(held.values())
    all_of_them = [x for one in each for x in one]
    value = float(f"{statistics.median(one[0] for one in each):.3g}")
    return [value, min(all_of_them), max(all_of_them)]


def lines() -> Iterator[str]:
    """List the lines of the table.

    Returns
    -------
    iterator of str
        A heading for each name and format, and a line for each chip family.
    """
    for name, (kind, constant) in TAKEN.items():
        for fmt, families in table("kernels")[kind].items():
            yield f'\n[{name}."{fmt}"]'
            for family, held in families.items():
                spread = ", ".join(f"{x:.3g}" for x in reached(held[constant]))
                yield f"{family} = [{spread}]"


def write() -> Path:
    """Keep what the law takes.

    Returns
    -------
    Path
        The file written.
    """
    FILE.write_text(HEAD + "\n".join(lines()) + "\n", encoding="utf-8")
    return FILE
