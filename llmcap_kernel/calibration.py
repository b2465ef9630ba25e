"""Estimates: fitted efficiencies, and intervals from measurements left out of the fit.

The law is the same as at the ceiling. Added are shares and latencies in two layers. What a kernel
reaches of its card's rates is measured on timed kernels, by format and chip family:
`catalog/reach.toml`. What a whole program adds to that, some fifty numbers, is fitted to published
benchmarks, `catalog/calibration.toml`: values for programs that serve many users and for those
that run a loop of their own, and factors for some engines, vendors and chip families. An engine is
one or the other, however many users it has.

The interval of an estimate contains four of five measurements of a source that neither the fit nor
the width has seen. An engine or a chip family that nobody measured widens it: `ignorance`. Who has
measured an engine of their own says so with `use`: the estimate of it moves, and is surer.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from . import catalog
from .bandwidth import LAUNCHES, compute_dtype
from .catalog.names import launches, timed_as
from .explain import counted
from .files import read_text
from .law import has_matvec
from .once import cached_property
from .refuse import BadInput, number, shown
from .serving import LoadWork, Served, load_work, usd_per_mtok
from .spec import (
    CEILING,
    LATENCIES,
    SERVERS,
    SHARES,
    Deployment,
    Efficiency,
    Format,
    Gpu,
    Model,
    Workload,
)

FILE = Path(__file__).parent / "catalog" / "calibration.toml"
SERVER, LOOP, EAGER = "servers", "loops", "eager"
# Share of a family's rate that is left to kernels which multiply with `mma.sync`, as llama.cpp's of
# packed weights do (ggml/src/ggml-cuda/mma.cuh): Hopper has `wgmma` for all of it. Luo et al. 2024,
# arXiv 2402.13499.
OLDER_UNITS = {"hopper": 0.629}
LAUNCHED = "launched_layer_s"  # what a layer takes in a loop whose kernels the host launches
# What is measured in a library's loop, whatever engine it is.
LOOP_METRICS = ("e2e_latency_s", "prefill_tok_s", "decode_tok_s_per_user")
LOOP_REGIMES = ("batch1_decode", "batch1_mixed", "prefill")
CLOSE_TO_AN_END = 0.05  # of the value: a bound so near the estimate is no bound on that side
WIDE = 6.0  # high over low beyond which an interval is too wide to use


class Metric(NamedTuple):
    """A metric of benchmarks, as a quantity of `Served`.

    Attributes
    ----------
    server, loop : str
        The quantity where a server was measured, and where a library's loop was.
    scale : float
        Factor from the quantity's SI unit to the metric's own.
    less : bool
        Whether less of it is better.
    """

    server: str
    loop: str
    scale: float = 1.0
    less: bool = False


METRICS = {
    "itl_ms": Metric("itl_s", "itl_decode_s", 1e3, True),
    "ttft_ms": Metric("ttft_mean_s", "batch_ttft_s", 1e3, True),
    "e2e_latency_s": Metric("e2e_s", "batch_e2e_s", 1.0, True),
    "decode_tok_s_per_user": Metric("decode_tok_s_user", "decode_tok_s_user"),
    "prefill_tok_s": Metric("prefill_tok_s", "prefill_tok_s"),
    "output_tok_s_total": Metric("output_tok_s", "batch_output_tok_s"),
    "output_tok_s_per_gpu": Metric("output_tok_s_card", "output_tok_s_card"),
    "total_tok_s": Metric("total_tok_s", "total_tok_s"),
}
# Whatever the queue, no first token comes before its prompt is computed.
CEILING_OF = {"ttft_mean_s": "ttft_idle_s"}


@dataclass(frozen=True)
class Estimate:
    """A prediction with its interval and its ceiling.

    Attributes
    ----------
    value, low, high : float
        The estimate, and the bounds that contain four measurements of five.
    ceiling : float
        What the spec sheet allows, in the same unit.
    reason : str
        Why the interval is as wide as it is.
    """

    value: float
    low: float
    high: float
    ceiling: float
    reason: str

    @property
    def doubt(self) -> str:
        """Why the interval cannot be relied on; "" where it can."""
        if self.low == self.high:
            return ""
        if self.low <= 0 or self.high / self.low > WIDE:
            return f"uncertain by more than {WIDE:g}x"
        if min(self.high - self.value, self.value - self.low) < CLOSE_TO_AN_END * self.value:
            return "not known on one side, where the interval ends at the estimate"
        return ""

    def scaled(self, scale: float) -> "Estimate":
        """Convert the estimate to another unit.

        Parameters
        ----------
        scale : float
            New units per old unit.

        Returns
        -------
        Estimate
            Value, interval and ceiling, each times the scale.

        Examples
        --------
        >>> Estimate(20.0, 15.0, 30.0, 10.0, "").scaled(1e-3).high
        0.03
        """
        ends = {name: getattr(self, name) * scale for name in ("value", "low", "high", "ceiling")}
        return replace(self, **ends)

    def inverse(self, numerator: float = 1.0) -> "Estimate":
        """Estimate the reciprocal, times a numerator.

        Parameters
        ----------
        numerator : float
            Number that is divided by the value, by the bounds and by the ceiling.

        Returns
        -------
        Estimate
            The reciprocals, with the bounds of the interval exchanged.

        Examples
        --------
        >>> Estimate(20.0, 10.0, 40.0, 5.0, "").inverse().high
        0.1
        """
        value, low, high, ceiling = (
            numerator / x for x in (self.value, self.high, self.low, self.ceiling)
        )
        return replace(self, value=value, low=low, high=high, ceiling=ceiling)


@cache
def table() -> dict[str, Any]:
    """Read the fitted numbers.

    Returns
    -------
    dict
        "sets" (values and factors by key), "rows" (number of measurements by key),
        "intervals" by kind, "ignorance" by what is not known, "spreads" (how sources differ, and
        how the rows of one do, by kind), and "provenance".

    Examples
    --------
    >>> sorted(table())
    ['ignorance', 'intervals', 'provenance', 'rows', 'sets', 'spreads']
    """
    import tomllib

    return tomllib.loads(FILE.read_text(encoding="utf-8"))


T = TypeVar("T")
_FOLLOWING: list[Callable[[], None]] = [table.cache_clear]


def cache_until_reload(function: Callable[..., T], size: int = 4096) -> Callable[..., T]:
    """Keep the last results of a function of the fit, until the fit is read again.

    Parameters
    ----------
    function : callable
        Of hashable arguments.
    size : int
        Results that are kept.

    Returns
    -------
    callable
        The same, that computes each result once.

    Examples
    --------
    >>> cache_until_reload(len)("abc")
    3
    """
    cached = lru_cache(maxsize=size)(function)
    _FOLLOWING.append(cached.cache_clear)
    return cached


def reload() -> None:
    """Clear the caches, so that the file is read again after it was written."""
    for clear in _FOLLOWING:
        clear()


class Own(NamedTuple):
    """What somebody's own measurements say of an engine.

    Attributes
    ----------
    factor : float
        By how much all its times are longer; the odds of all shares are smaller by as much.
    rows, deployments : int
        How many measurements say so, of how many deployments.
    chips : tuple of str
        Families of the cards that were measured.
    intervals : dict of str to tuple of (float, float)
        Factors on a time within which a measurement lies, by kind; kinds without one have the
        width of strangers.
    """

    factor: float
    rows: int
    deployments: int
    chips: tuple[str, ...]
    intervals: Mapping[str, tuple[float, float]]


_own: dict[str, Own] = {}


def use(path: str | Path | None) -> None:
    """Estimate with measurements of one's own, from now on.

    Parameters
    ----------
    path : str or Path or None
        A file that `llmcap calibrate --with` wrote; None for strangers' measurements alone.

    Raises
    ------
    BadInput
        When it cannot be read, or is another file.

    Examples
    --------
    >>> use(None)
    """
    _use({} if path is None else _read_own(path))


@contextmanager
def using(found: Mapping[str, Own]) -> Iterator[None]:
    """Estimate with measurements of one's own for a while, and then as before.

    Parameters
    ----------
    found : mapping of str to Own
        By family of the engine; empty for strangers' measurements alone.

    Returns
    -------
    context manager
        What is estimated inside it rests on them.

    Examples
    --------
    >>> asked = ("vllm", catalog.gpu("l4"), catalog.format("bf16"), catalog.format("bf16"))
    >>> with using({"vllm": Own(1.5, 12, 3, ("hopper",), {})}):
    ...     slow = efficiency_of(*asked)
    >>> slow.bandwidth < efficiency_of(*asked).bandwidth
    True
    """
    before = dict(_own)
    _use(found)
    try:
        yield
    finally:
        _use(before)


def _use(found: Mapping[str, Own]) -> None:
    if found != _own:
        _own.clear()
        _own.update(found)
        reload()


def _read_own(path: str | Path) -> dict[str, Own]:
    import tomllib

    text = read_text("own", path)
    try:
        parsed = tomllib.loads(text)
    except ValueError as problem:
        said = f"own {shown(str(path))} is no TOML: {str(problem)[:80]}."
        raise BadInput("own", said) from None
    try:
        return own_of(parsed["engines"])
    except BadInput as problem:
        raise BadInput("own", f"own {shown(str(path))}: {problem}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        said = f"own {shown(str(path))} is no file that llmcap calibrate --with wrote."
        raise BadInput("own", said) from None


def own_of(engines: Mapping[str, Mapping[str, Any]]) -> dict[str, Own]:
    """Read what was learnt from plain data.

    Parameters
    ----------
    engines : mapping
        The fields of `Own` by family of the engine.

    Returns
    -------
    dict of str to Own
        The same, checked.

    Raises
    ------
    BadInput
        When a number is out of range; `KeyError`, `TypeError` or `ValueError` where it is other
        data.

    Examples
    --------
    >>> one = Own(1.5, 12, 3, ("hopper",), {})
    >>> own_of({"vllm": one._asdict()}) == {"vllm": one}
    True
    """
    return {str(name): _own_of(values) for name, values in engines.items()}


def _own_of(values: Mapping[str, Any]) -> Own:
    intervals = {}
    for name, (faster, slower) in values["intervals"].items():
        low = number("faster", faster, 1e-2, 1e2)
        intervals[name] = (float(low), float(number("slower", slower, low, 1e2)))
    rows, deployments = (number(n, values[n], 1, 1e7, whole=True) for n in ("rows", "deployments"))
    factor = float(number("factor", values["factor"], 0.01, 100))
    return Own(factor, int(rows), int(deployments), tuple(map(str, values["chips"])), intervals)


def in_a_loop(family: str, metric: str, regime: str) -> bool:
    """Say whether a benchmark measured a library's own loop, and not a server.

    Parameters
    ----------
    family : str
        The engine's family.
    metric, regime : str
        What is measured, and in which regime.

    Returns
    -------
    bool
        True for an engine that only runs loops, and for what is measured in one
        whatever engine it is.

    Examples
    --------
    >>> in_a_loop("vllm", "itl_ms", "batched_decode"), in_a_loop("vllm", "itl_ms", "prefill")
    (False, True)
    """
    serves = timed_as(family) in SERVERS
    return not serves or metric in LOOP_METRICS or regime in LOOP_REGIMES


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
    strangers, own = strangers_efficiency(family, gpu, weights, kv), _own.get(family)
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
    own = _own.get(d.engine.family)
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


def kind(program: str, quantity: str) -> str:
    """Name the kind of quantity that an interval holds for.

    Parameters
    ----------
    program : str
        "servers" or "loops".
    quantity : str
        A quantity of `Served`.

    Returns
    -------
    str
        A key of `table()["intervals"]`: of the gap between tokens, of the first token, or of
        whole answers, for a program.

    Examples
    --------
    >>> kind("servers", "ttft_mean_s"), kind("loops", "decode_tok_s_user")
    ('servers.first_token', 'loops.gap')
    """
    if "ttft" in quantity or "prefill" in quantity:
        return f"{program}.first_token"
    gap = "itl" in quantity or "decode" in quantity or quantity == "tok_s_user"
    return f"{program}.gap" if gap else f"{program}.answer"


# What may not be known, from little to much: an engine and chips that were measured, but never
# together; one of them that was never measured; and neither.
IGNORANCE = ("apart", "one", "neither")


def ignorance(engine: bool, chips: bool, both: bool) -> str:
    """Name what is not known.

    Parameters
    ----------
    engine, chips, both : bool
        Whether the engine was measured, the chips were, and the one on the other.

    Returns
    -------
    str
        A name of `IGNORANCE`, "" where all is known.

    Examples
    --------
    >>> ignorance(True, True, True), ignorance(True, False, False)
    ('', 'one')
    """
    if both:
        return ""
    return IGNORANCE[2 - engine - chips]


# What a shape taken for a model's own moves a time by, in eight of ten models of the catalogue.
ASSUMED_SHAPE = 1.25


@cache_until_reload
def _interval(gpu: Gpu, family: str, quantity: str) -> tuple[float, float, str]:
    """Factors on a time within which a measurement lies, and why they are that wide."""
    known, rows = table(), table()["rows"]
    program, engine, *_ = keys(family, gpu)
    both = f"{engine} on {gpu.family}"
    own = _own.get(family)
    mine = own.intervals.get(kind(program, quantity)) if own and gpu.family in own.chips else None
    if own and mine:
        faster, slower = mine
        told = f"{own.rows:,} rows of your own, of {counted(own.deployments, 'deployment')}"
        return faster, slower, f"{family}: {told}"
    less = ignorance(engine in rows, gpu.family in rows, both in rows)
    # what kind of program an engine is that nobody measured is not known either
    programs = (program,) if engine in rows else (SERVER, LOOP)
    widths = [known["intervals"][kind(name, quantity)] for name in programs]
    width = max(widths, key=lambda w: w["slower"] / w["faster"])
    faster, slower = width["faster"], width["slower"]
    told = f"width from {width['rows']:,} rows, each predicted without its source"
    if not less:
        return faster, slower, f"{both}: {rows[both]:,} rows; {told}"
    wider = known["ignorance"][less]
    told = f"{_unmeasured(engine, gpu.family)}: interval {wider:.2g}x wider each way; {told}"
    return faster / wider, slower * wider, told


def _assumed(model: Model, faster: float, slower: float, why: str) -> tuple[float, float, str]:
    """The same, wider where the shape of the model is taken for its own."""
    if not model.assumed_shape:
        return faster, slower, why
    told = f"{model.source}: interval {ASSUMED_SHAPE:g}x wider each way; {why}"
    return faster / ASSUMED_SHAPE, slower * ASSUMED_SHAPE, told


def _untimed(weights: Format, faster: float, slower: float, why: str) -> tuple[float, float, str]:
    """The same, wider where no kernel of the weights' format was timed.

    As much wider as for an engine or for chips that nobody measured: a kernel that nobody timed
    is another thing of which alike ones stand in.
    """
    if weights.timed:
        return faster, slower, why
    wider = table()["ignorance"]["one"]
    told = f"no kernel of {weights.title} was timed: interval {wider:.2g}x wider each way; {why}"
    return faster / wider, slower * wider, told


def _unmeasured(engine: str, chips: str) -> str:
    """Say what nobody measured."""
    rows = table()["rows"]
    missing = [f"engine {engine}"] * (engine not in rows) + [f"{chips} chips"] * (chips not in rows)
    if missing:
        return f"no measurement of {' nor '.join(missing)}"
    return f"{engine} and {chips} chips were measured, never together"


@dataclass(frozen=True)
class Estimates:
    """What can be expected of a deployment under a load, and what the spec sheet allows.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    served : Served
        The load, timed with the fitted efficiencies.
    family : str
        Family of the engine.
    """

    deployment: Deployment
    served: Served
    family: str

    @cached_property
    def ceiling(self) -> Served:
        """The same load, timed at the ceiling."""
        return Served(self.served.work, CEILING, self.deployment, self.served.workload)

    def of(self, quantity: str, *, bounded: bool = True) -> Estimate:
        """Estimate one quantity with its interval.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.
        bounded : bool
            Whether the interval ends at the ceiling. A measurement whose source does
            not state its format or its cards can lie beyond the ceiling of those
            assumed; one of a deployment that is stated in full cannot.

        Returns
        -------
        Estimate
            Value, interval and ceiling in the quantity's own unit.
        """
        value = getattr(self.served, quantity)
        ceiling = getattr(self.ceiling, CEILING_OF.get(quantity, quantity))
        faster, slower, reason = self.width(quantity)
        if "tok_s" in quantity:
            faster, slower = 1 / slower, 1 / faster
        low, high = value * faster, value * slower
        if bounded and ceiling <= value:
            low = max(low, ceiling)
        elif bounded:
            high = min(high, ceiling)
        return Estimate(value, low, high, ceiling, reason)

    def width(self, quantity: str) -> tuple[float, float, str]:
        """Say how wide the interval of a quantity is.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.

        Returns
        -------
        tuple of (float, float, str)
            The factors from the estimate to the faster and to the slower end, and why.
        """
        d = self.deployment
        known = _untimed(d.weights, *_interval(d.gpu, self.family, quantity))
        return _assumed(d.model, *known)

    @cached_property
    def itl_s(self) -> Estimate:
        """Mean gap between two tokens of a user, including others' prefill [s]."""
        return self.of("itl_s")

    @property
    def tok_s_user(self) -> Estimate:
        """Tokens of one user per second, including others' prefill [tok/s]."""
        return self.itl_s.inverse()

    @cached_property
    def ttft_s(self) -> Estimate:
        """Mean time to the first token; its ceiling is the prefill of the prompt alone [s]."""
        return self.of("ttft_mean_s")

    @cached_property
    def output_tok_s(self) -> Estimate:
        """Output tokens of all users [tok/s]."""
        return self.of("output_tok_s")

    @cached_property
    def usd_mtok(self) -> Estimate | None:
        """Price of a million output tokens; None where no rent is known [USD/Mtok]."""
        price = usd_per_mtok(usd_h=self.deployment.usd_h_all, tok_s=1.0)
        return None if price is None else self.output_tok_s.inverse(price)


def estimates(
    deployment: Deployment,
    workload: Workload,
    *,
    family: str | None = None,
    work: LoadWork | None = None,
) -> Estimates:
    """Estimate latency, throughput and price of a deployment under a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    family : str, optional
        Family of the engine; that of the deployment if omitted.
    work : LoadWork, optional
        Work of the load on the cards, where it is already known.

    Returns
    -------
    Estimates
        Each quantity with its interval and its ceiling.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> gap = estimates(b, Workload(1000, 500, 16)).itl_s
    >>> gap.ceiling <= gap.low < gap.value < gap.high
    True
    """
    d, load = deployment, workload
    family = family or d.engine.family
    work = load_work(d, load) if work is None else work
    return Estimates(d, Served(work, efficiency_for(d, family), d, load), family)
