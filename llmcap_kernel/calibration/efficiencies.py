"""Efficiencies: shares that timed kernels reach, corrected by a fit to whole programs."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from .. import catalog
from ..bandwidth import LAUNCHES, compute_dtype
from ..catalog.names import launches, timed_as
from ..law import has_matvec
from ..spec import LATENCIES, SERVERS, SHARES, Deployment, Efficiency, Format, Gpu
from .fitted import cache_until_reload, table
from .own import IN_USE

SERVER, LOOP, EAGER = "servers", "loops", "eager"
# Share of a family's rate that kernels reach with `mma.sync`, which llama.cpp uses for packed
# weights (ggml/src/ggml-cuda/mma.cuh). Hopper reaches the full rate only with `wgmma`. Luo et al.
# 2024, arXiv 2402.13499.
OLDER_UNITS = {"hopper": 0.629}
LAUNCHED = "launched_layer_s"  # time of a layer whose kernels the host launches


def keys(family: str, gpu: Gpu) -> tuple[str, ...]:
    """List the keys of the sets that determine an efficiency, most general first.

    Parameters
    ----------
    family : str
        Family of the engine.
    gpu : Gpu
        The card.

    Returns
    -------
    tuple of str
        Servers or loops, then the engine, "eager" where its host launches kernels one by one,
        the card's vendor and its chips.

    Examples
    --------
    >>> keys("vllm", catalog.gpu("h100-sxm"))
    ('servers', 'vllm', 'nvidia', 'hopper')
    """
    program = SERVER if timed_as(family) in SERVERS else LOOP
    eager_keys = (EAGER,) if launches(family) else ()
    return (program, _stand_in(family), *eager_keys, *dict.fromkeys((gpu.vendor, gpu.family)))


def _stand_in(family: str) -> str:
    """Give the family itself where it was measured, else the one it is timed as."""
    return family if family in table()["rows"] else timed_as(family)


# What decides the share that a kernel reaches: the format of the weights or cache, or the link.
KERNELS = {
    **dict.fromkeys(("bandwidth", "compute", "expert_bandwidth", "expert_compute"), "weights"),
    **dict.fromkeys(("kv_bandwidth", "attention_compute"), "cache"),
    **dict.fromkeys(("link_bandwidth", "all_reduce_s"), "link"),
}
ANY = "any"  # key of families that were never timed
MOST = 0.97  # largest share of a rate, so that a fit that raises it stays below 1


def nearest_format(name: str, timed: Mapping[str, Any], gpu: Gpu) -> str:
    """Find the timed format that a card computes in the same dtype, nearest in bytes.

    Parameters
    ----------
    name : str
        A format of the catalogue.
    timed : mapping
        Names of the formats that were timed.
    gpu : Gpu
        The card.

    Returns
    -------
    str
        One of `timed`.

    Examples
    --------
    >>> nearest_format("fp8", {"bf16": 0, "fp8": 0}, catalog.gpu("a100-sxm-80gb"))
    'bf16'
    """
    wanted = catalog.format(name)
    wanted_dtype = _wide(compute_dtype(gpu, wanted)[0])

    def distance(other: str) -> tuple[bool, bool, float, str]:
        candidate = catalog.format(other)
        same_dtype = _wide(next(iter(candidate.compute), "bf16")) == wanted_dtype
        distance_bytes = abs(candidate.bytes_per_element - wanted.bytes_per_element)
        return not same_dtype, other != name, distance_bytes, other

    return min(timed, key=distance)


def _wide(dtype: str) -> str:
    """Map all dtypes of 16 bits and more to one."""
    return "bf16" if dtype.startswith(("bf16", "fp16", "fp32")) else dtype


@cache_until_reload
def kernel_shares(gpu: Gpu, weights: Format, kv: Format) -> dict[str, float]:
    """Look up the shares of its rates that kernels reach on a card.

    Parameters
    ----------
    gpu : Gpu
        The card.
    weights, kv : Format
        Formats of the weights and of the cache.

    Returns
    -------
    dict
        Fields of `Efficiency`, those of `KERNELS`: of the card's family, or of all families
        where it was never timed.

    Examples
    --------
    >>> bf16 = catalog.format("bf16")
    >>> 0.6 < kernel_shares(catalog.gpu("h100-sxm"), bf16, bf16)["compute"] < 0.9
    True
    """
    formats = {"weights": weights.name, "cache": kv.name}
    reach = catalog.table("reach")
    shares = {}
    for name, source in KERNELS.items():
        by_format = reach[name]
        if source == "link":
            by_family = by_format["link" if gpu.direct_link else "pcie"]
        else:
            by_family = by_format[nearest_format(formats[source], by_format, gpu)]
        shares[name] = by_family.get(gpu.family, by_family[ANY])[0]
    # the law takes these relative to those of dense products
    shares["expert_bandwidth"] /= shares["bandwidth"]
    shares["expert_compute"] /= shares["compute"]
    shares["attention_compute"] /= shares["compute"]
    return {name: x if name.endswith("_s") else min(x, MOST) for name, x in shares.items()}


def before_fit(family: str, gpu: Gpu, weights: Format, kv: Format) -> dict[str, float]:
    """Give the efficiencies that timed kernels alone determine, before the fit.

    Parameters
    ----------
    family : str
        Family of the engine.
    gpu : Gpu
        The card.
    weights, kv : Format
        Formats of the weights and of the cache.

    Returns
    -------
    dict
        What kernels reach, by field of `Efficiency`, and llama.cpp's of packed weights where the
        chips have an instruction that they do not use; of an engine whose host launches kernels
        one by one the factor on `layer_s`, as many launches as it needs over `LAUNCHES`.

    Examples
    --------
    >>> bf16, a100 = catalog.format("bf16"), catalog.gpu("a100-sxm-80gb")
    >>> round(before_fit("transformers", a100, bf16, bf16)["layer_s"], 2)
    3.33
    """
    values = dict(kernel_shares(gpu, weights, kv))
    if launches(family):
        values["layer_s"] = launches(family) / LAUNCHES
    if has_matvec(weights):
        values["compute"] *= OLDER_UNITS.get(gpu.family, 1.0)
    return values


def efficiency_for(deployment: Deployment, family: str | None = None) -> Efficiency:
    """Compute the efficiency of a deployment's engine on its card.

    Parameters
    ----------
    deployment : Deployment
        The deployment, of which the card and the formats are used.
    family : str, optional
        Family of the engine; that of the deployment if omitted.

    Returns
    -------
    Efficiency
        Efficiencies fitted to measurements.

    Examples
    --------
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> 0.5 < efficiency_for(b).bandwidth < 1
    True
    """
    d = deployment
    return efficiency_of(family or d.engine.family, d.gpu, d.weights, d.kv)


@cache_until_reload
def efficiency_of(family: str, gpu: Gpu, weights: Format, kv: Format) -> Efficiency:
    """Compute the efficiency of an engine on a card, as `efficiency_for` does.

    Parameters
    ----------
    family : str
        Family of the engine.
    gpu : Gpu
        The card.
    weights, kv : Format
        Formats of the weights and of the cache.

    Returns
    -------
    Efficiency
        Efficiencies fitted to measurements.

    Examples
    --------
    >>> fp8 = catalog.format("fp8")
    >>> 0.5 < efficiency_of("vllm", catalog.gpu("h100-sxm"), fp8, fp8).bandwidth < 1
    True
    """
    default, measured = published_efficiency(family, gpu, weights, kv), IN_USE.get(family)
    return slowed(default, measured.factor) if measured else default


@cache_until_reload
def published_efficiency(family: str, gpu: Gpu, weights: Format, kv: Format) -> Efficiency:
    """Compute the efficiency of an engine from published benchmarks alone, without `use`.

    Parameters
    ----------
    family : str
        Family of the engine.
    gpu : Gpu
        The card.
    weights, kv : Format
        Formats of the weights and of the cache.

    Returns
    -------
    Efficiency
        Efficiencies fitted to published measurements.

    Examples
    --------
    >>> fp8 = catalog.format("fp8")
    >>> 0.5 < published_efficiency("vllm", catalog.gpu("h100-sxm"), fp8, fp8).bandwidth < 1
    True
    """
    base, sets = before_fit(family, gpu, weights, kv), table()["sets"]
    launched_factors = (sets.get(key, {}).get("layer_s") for key in _launched_keys(gpu))
    launched_layer_s = math.prod(number for number, *_ in filter(None, launched_factors))
    return replace(composed(sets, keys(family, gpu), base), launched_layer_s=launched_layer_s)


def _launched_keys(gpu: Gpu) -> tuple[str, ...]:
    """List the keys of the sets whose `layer_s` is for kernels that the host launches.

    It is the host's time whatever program runs, so it is fitted on loops without a graph.
    """
    return (LOOP, EAGER, *dict.fromkeys((gpu.vendor, gpu.family)))


class Composition(NamedTuple):
    """One efficiency and the constants that it is composed of.

    Attributes
    ----------
    name : str
        A field of `Efficiency`.
    timed : float or None
        What timed kernels reach; None where they say nothing of it.
    fitted : tuple of (str, float)
        Constants by name, the set and the field: "servers.layer_s". In order; the first is a value
        where no kernel was timed, and all others are factors, as `shifted` applies them.
    value : float
        The efficiency [s for a time].
    """

    name: str
    timed: float | None
    fitted: tuple[tuple[str, float], ...]
    value: float


def compositions(deployment: Deployment) -> tuple[Composition, ...]:
    """List the efficiencies of a deployment, each with the constants it is composed of.

    Parameters
    ----------
    deployment : Deployment
        The deployment, of which the engine, the card and the formats are used.

    Returns
    -------
    tuple of Composition
        In the order of the fields of `Efficiency`; those that nothing is known of are left out.

    Examples
    --------
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> next(one.fitted[1][0] for one in compositions(b) if one.name == "layer_s")
    'hopper.layer_s'
    """
    d, sets = deployment, table()["sets"]
    path = keys(d.engine.family, d.gpu)
    timed, efficiency = kernel_shares(d.gpu, d.weights, d.kv), efficiency_for(d)
    measured = IN_USE.get(d.engine.family)
    listed = []
    for name in (field.name for field in fields(Efficiency)):
        set_keys, constant = path, name
        if name == LAUNCHED:
            set_keys, constant = _launched_keys(d.gpu), "layer_s"
        containing = (key for key in set_keys if constant in sets.get(key, {}))
        fitted = [(f"{key}.{constant}", sets[key][constant][0]) for key in containing]
        if measured and (name in LATENCIES or name in SHARES):
            factor = measured.factor if name in LATENCIES else 1 / measured.factor
            fitted.append(("your own rows", factor))
        if fitted or name in timed:
            value = getattr(efficiency, name)
            listed.append(Composition(name, timed.get(name), tuple(fitted), value))
    return tuple(listed)


def composed(
    sets: Mapping[str, Mapping[str, Any]],
    path: tuple[str, ...],
    base: Mapping[str, float],
) -> Efficiency:
    """Apply the numbers of several sets to the efficiencies before the fit.

    Parameters
    ----------
    sets : dict
        Numbers by key and name, each with its spread behind it. The first set that has a name
        gives its value, unless `base` does; all others are factors, as `shifted` applies them.
    path : tuple of str
        Keys as `keys` lists them; those without a set change nothing.
    base : dict
        Efficiencies before the fit, as `before_fit` gives them.

    Returns
    -------
    Efficiency
        The efficiencies.

    Examples
    --------
    >>> sets = {"servers": {"step_s": [0.001]}, "vllm": {"step_s": [2.0]}}
    >>> composed(sets, ("servers", "vllm"), {"bandwidth": 0.8}).step_s
    0.002
    """
    values = dict(base)
    for key in path:
        for name, (fitted, *_) in sets.get(key, {}).items():
            values[name] = shifted(name, values[name], fitted) if name in values else fitted
    return Efficiency(**values)


def shifted(name: str, value: float, factor: float) -> float:
    """Multiply a time by a factor, or the odds of a share.

    Parameters
    ----------
    name : str
        A field of `Efficiency`.
    value, factor : float
        The efficiency, and the factor on it or on its odds.

    Returns
    -------
    float
        The new efficiency; a share stays between 0 and 1.

    Examples
    --------
    >>> shifted("step_s", 0.001, 2.0), shifted("bandwidth", 0.5, 3.0)
    (0.002, 0.75)
    """
    if name.endswith("_s"):
        return value * factor
    return value * factor / (1 - value + value * factor)


def slowed(efficiency: Efficiency, factor: float) -> Efficiency:
    """Make every time longer, and the odds of every share smaller.

    Parameters
    ----------
    efficiency : Efficiency
        The efficiencies.
    factor : float
        By how much.

    Returns
    -------
    Efficiency
        Others, which never lie beyond the ceiling.

    Examples
    --------
    >>> slower = slowed(Efficiency(bandwidth=0.75, step_s=0.001), 3.0)
    >>> slower.bandwidth, slower.step_s
    (0.5, 0.003)
    """
    times = {name: shifted(name, getattr(efficiency, name), factor) for name in LATENCIES}
    shares = {name: shifted(name, getattr(efficiency, name), 1 / factor) for name in SHARES}
    return replace(efficiency, **times, **shares)
