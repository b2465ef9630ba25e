"""Efficiencies: of timed kernels, moved by what is fitted to whole programs."""

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
# Share of a family's rate that is left to kernels which multiply with `mma.sync`, as llama.cpp's of
# packed weights do (ggml/src/ggml-cuda/mma.cuh): Hopper has `wgmma` for all of it. Luo et al. 2024,
# arXiv 2402.13499.
OLDER_UNITS = {"hopper": 0.629}
LAUNCHED = "launched_layer_s"  # what a layer takes in a loop whose kernels the host launches


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
    how = (EAGER,) if launches(family) else ()
    return (program, _stand_in(family), *how, *dict.fromkeys((gpu.vendor, gpu.family)))


def _stand_in(family: str) -> str:
    """The family itself where it was measured, else the one it is timed as."""
    return family if family in table()["rows"] else timed_as(family)


# The format that decides what a kernel reaches: of the weights, of the cache, or the link.
KERNELS = {
    **dict.fromkeys(("bandwidth", "compute", "expert_bandwidth", "expert_compute"), "weights"),
    **dict.fromkeys(("kv_bandwidth", "attention_compute"), "cache"),
    **dict.fromkeys(("link_bandwidth", "all_reduce_s"), "link"),
}
ANY = "any"  # a family that was never timed
MOST = 0.97  # of a rate: a fit may raise a share, and nothing lies beyond 1


def nearest_format(name: str, timed: Mapping[str, Any], gpu: Gpu) -> str:
    """Find the timed format that a card computes alike and that takes about as many bytes.

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
    own = catalog.format(name)
    computed = _wide(compute_dtype(gpu, own)[0])

    def distance(other: str) -> tuple[bool, bool, float, str]:
        that = catalog.format(other)
        alike = _wide(next(iter(that.compute), "bf16")) == computed
        far = abs(that.bytes_per_element - own.bytes_per_element)
        return not alike, other != name, far, other

    return min(timed, key=distance)


def _wide(dtype: str) -> str:
    """A dtype, with those of 16 bits and more taken as one."""
    return "bf16" if dtype.startswith(("bf16", "fp16", "fp32")) else dtype


@cache_until_reload
def kernel_shares(gpu: Gpu, weights: Format, kv: Format) -> dict[str, float]:
    """Look up what kernels reach on a card.

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
    found = {}
    for name, of in KERNELS.items():
        timed = reach[name]
        if of == "link":
            by_family = timed["link" if gpu.direct_link else "pcie"]
        else:
            by_family = timed[nearest_format(formats[of], timed, gpu)]
        found[name] = by_family.get(gpu.family, by_family[ANY])[0]
    # the law has the last two beside those of dense products
    found["expert_bandwidth"] /= found["bandwidth"]
    found["expert_compute"] /= found["compute"]
    found["attention_compute"] /= found["compute"]
    return {name: x if name.endswith("_s") else min(x, MOST) for name, x in found.items()}


def before_fit(family: str, gpu: Gpu, weights: Format, kv: Format) -> dict[str, float]:
    """Say what is known of an efficiency before any benchmark is fitted.

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
    found = dict(kernel_shares(gpu, weights, kv))
    if launches(family):
        found["layer_s"] = launches(family) / LAUNCHES
    if has_matvec(weights):
        found["compute"] *= OLDER_UNITS.get(gpu.family, 1.0)
    return found


def efficiency_for(deployment: Deployment, family: str | None = None) -> Efficiency:
    """Compute the efficiency of an engine on a card from its sets.

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
    strangers, own = strangers_efficiency(family, gpu, weights, kv), IN_USE.get(family)
    return slowed(strangers, own.factor) if own else strangers


@cache_until_reload
def strangers_efficiency(family: str, gpu: Gpu, weights: Format, kv: Format) -> Efficiency:
    """Compute the same whatever somebody has measured of an engine of their own.

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
    >>> 0.5 < strangers_efficiency("vllm", catalog.gpu("h100-sxm"), fp8, fp8).bandwidth < 1
    True
    """
    known, sets = before_fit(family, gpu, weights, kv), table()["sets"]
    layers = (sets.get(key, {}).get("layer_s") for key in _launched_keys(gpu))
    launched_s = math.prod(number for number, *_ in filter(None, layers))
    return replace(composed(sets, keys(family, gpu), known), launched_layer_s=launched_s)


def _launched_keys(gpu: Gpu) -> tuple[str, ...]:
    """Keys of the sets whose `layer_s` is of a layer that the host launches kernel by kernel.

    It is the host's time, whatever program runs there: loops that have no graph tell it.
    """
    return (LOOP, EAGER, *dict.fromkeys((gpu.vendor, gpu.family)))


class Step(NamedTuple):
    """One efficiency, with the constants that made it.

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


def steps(deployment: Deployment) -> tuple[Step, ...]:
    """List the efficiencies of a deployment, each with the constants that made it.

    Parameters
    ----------
    deployment : Deployment
        The deployment, of which the engine, the card and the formats are used.

    Returns
    -------
    tuple of Step
        In the order of the fields of `Efficiency`; those that nothing is known of are left out.

    Examples
    --------
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> next(step.fitted[1][0] for step in steps(b) if step.name == "layer_s")
    'hopper.layer_s'
    """
    d, sets = deployment, table()["sets"]
    path = keys(d.engine.family, d.gpu)
    timed, found = kernel_shares(d.gpu, d.weights, d.kv), efficiency_for(d)
    own = IN_USE.get(d.engine.family)
    out = []
    for name in (field.name for field in fields(Efficiency)):
        its, of = (_launched_keys(d.gpu), "layer_s") if name == LAUNCHED else (path, name)
        having = (key for key in its if of in sets.get(key, {}))
        fitted = [(f"{key}.{of}", sets[key][of][0]) for key in having]
        if own and (name in LATENCIES or name in SHARES):
            fitted.append(("your own rows", own.factor if name in LATENCIES else 1 / own.factor))
        if fitted or name in timed:
            out.append(Step(name, timed.get(name), tuple(fitted), getattr(found, name)))
    return tuple(out)


def composed(
    sets: Mapping[str, Mapping[str, Any]],
    path: tuple[str, ...],
    known: Mapping[str, float],
) -> Efficiency:
    """Apply the numbers of several sets to what is known before the fit.

    Parameters
    ----------
    sets : dict
        Numbers by key and name, each with its spread behind it. The first set that has a name
        gives its value, unless `known` does; all others are factors, as `shifted` applies them.
    path : tuple of str
        Keys as `keys` lists them; those without a set change nothing.
    known : dict
        What is known before the fit, as `before_fit` says it.

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
    values = dict(known)
    for key in path:
        for name, (fitted, *_) in sets.get(key, {}).items():
            values[name] = shifted(name, values[name], fitted) if name in values else fitted
    return Efficiency(**values)


def shifted(name: str, value: float, factor: float) -> float:
    """Apply a factor to an efficiency: to a time itself, to the odds of a share.

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
