"""The constants of the formulas, and what a kernel takes with them: `catalog/kernels.toml`."""

import math
import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...calibration import ANY, nearest_format
from ...catalog.tables import table
from ...refuse import BadInput, one_of, shown
from ...spec import Gpu
from .kinds import KINDS, RATES
from .rows import Timing


class Constants(NamedTuple):
    """Constants of one kind of kernel.

    Attributes
    ----------
    values : dict of str to float
        By the names of the formula's arguments; shares, and times [s].
    format, family : str
        The format and chip family they were fitted to; "any" for all families.
    """

    values: dict[str, float]
    format: str
    family: str


def constants_of(kind: str, *, format: str, gpu: Gpu, engine: str = "") -> Constants:
    """Look up the constants of a kernel.

    Parameters
    ----------
    kind : str
        A name of `kinds.KINDS`.
    format : str
        A format of the catalogue, of weights or cache; of a collective "link" or "pcie".
    gpu : Gpu
        The card.
    engine : str
        Family of the engine; the middle of all where it was not timed.

    Returns
    -------
    Constants
        Those of the chip family, or of all where it was never timed.

    Raises
    ------
    BadInput
        When the kind is not known.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> found = constants_of("product", format="bf16", gpu=catalog.gpu("h100-sxm"), engine="vllm")
    >>> found.family, 0.7 < found.values["bandwidth"] < 1
    ('hopper', True)
    """
    timed = table("kernels")[one_of("kind", kind, KINDS)]
    near = format if format in timed else _nearest(format, timed, gpu)
    family = gpu.family if gpu.family in timed[near] else ANY
    entry = timed[near][family]
    values = {n: _of_engine(entry[n], engine) for n in KINDS[kind].start if n in entry}
    return Constants(values, near, family)


def _of_engine(held: Any, engine: str) -> float:
    """A constant, or of one by engine that of the engine or the middle of all."""
    if isinstance(held, list):
        return float(held[0])
    known = {name: triple[0] for name, triple in held.items()}
    return float(known.get(engine, statistics.median(known.values())))


def _nearest(name: str, timed: Mapping[str, Any], gpu: Gpu) -> str:
    """The timed format that is computed alike and takes about as many bytes."""
    return next(iter(timed)) if name in ("link", "pcie") else nearest_format(name, timed, gpu)


def kernel_s(
    kind: str, shape: Mapping[str, float], *, gpu: Gpu, format: str, engine: str = ""
) -> float:
    """Predict how long a kernel takes.

    Parameters
    ----------
    kind : str
        A name of `kinds.KINDS`.
    shape : mapping of str to float
        The numbers of its columns, without those that may be left out.
    gpu : Gpu
        The card.
    format, engine : str
        As `constants_of` takes them.

    Returns
    -------
    float
        Its time [s].

    Raises
    ------
    BadInput
        When kind or format is not known, or a number of the shape is missing.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> h100 = catalog.gpu("h100-sxm")
    >>> shape = {"m": 4096, "n": 4096, "k": 4096}
    >>> 1.4e-4 < kernel_s("product", shape, gpu=h100, format="bf16") < 3e-4
    True
    """
    found = constants_of(kind, format=format, gpu=gpu, engine=engine)
    known = KINDS[kind]
    missing = [column for column in known.columns if column != "op_name" and column not in shape]
    if missing:
        raise BadInput("shape", f"shape has no {shown(missing[0])}: {known.title} takes it.")
    extra = {"experts": {"power": 0.0, "matrices": 3.0}}.get(kind, {})
    if known.of == "link":
        extra = {"element_bytes": 2.0, "operation": 0.0}
    work = known.work({**known.optional, **extra, **shape}, gpu, format)
    seconds: float = known.time(**work, **found.values)
    return seconds


def predicted_s(row: Timing) -> float:
    """Predict a measured kernel.

    Parameters
    ----------
    row : Timing
        The row.

    Returns
    -------
    float
        What it takes by the shipped constants [s].
    """
    return kernel_s(row.kind, row.shape, gpu=row.gpu, format=row.format, engine=row.engine)


def ceiling_s(row: Timing) -> float:
    """Compute what the card's rates alone allow.

    Parameters
    ----------
    row : Timing
        The row.

    Returns
    -------
    float
        The formula with every share 1, no fixed cost, and activations that stay in a cache [s].
    """
    kind = KINDS[row.kind]
    full = {name: 0.0 if name.endswith("_s") else 1.0 for name in kind.start}
    full |= {name: math.inf for name in full if name in RATES}
    seconds: float = kind.time(**kind.work(row.shape, row.gpu, row.format), **full)
    return seconds
