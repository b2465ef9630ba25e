"""Estimates: fitted efficiencies, and intervals from measurements left out of the fit.

The law is the same as at the ceiling. Added are a dozen physical shares and
latencies, fitted to published measurements and stored in
`catalog/calibration.toml`: one set for programs that serve many users, and one for
those that run a loop of their own. An engine is one or the other, however many users
it has. Factors adjust each set for an engine, a chip family, and the two together. An
engine or a chip family without measurements has no factors, and a wider interval.

The interval of an estimate contains four of five measurements whose model, card or
source had been left out of the fit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .catalog.names import timed_as
from .serving import LoadWork, Served, load_work, usd_per_mtok
from .spec import CEILING, SERVERS, Deployment, Efficiency, Workload

FILE = Path(__file__).parent / "catalog" / "calibration.toml"
SERVER, LOOP = "servers", "loops"
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
            return f"not known within a factor of {WIDE:g}"
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
        "fits" (a set for servers and one for loops), "shifts" (factors by key),
        "rows" (number of measurements by key), "intervals" by kind, and "provenance".

    Examples
    --------
    >>> sorted(table()["fits"])
    ['loops', 'servers']
    """
    import tomllib

    return tomllib.loads(FILE.read_text(encoding="utf-8"))


T = TypeVar("T")
_FOLLOWING: list[Callable[[], None]] = [table.cache_clear]


def cache_until_reload(function: Callable[..., T]) -> Callable[..., T]:
    """Keep the last results of a function of the fit, until the fit is read again.

    Parameters
    ----------
    function : callable
        Of hashable arguments.

    Returns
    -------
    callable
        The same, that computes each result once.

    Examples
    --------
    >>> cache_until_reload(len)("abc")
    3
    """
    cached = lru_cache(maxsize=256)(function)
    _FOLLOWING.append(cached.cache_clear)
    return cached


def reload() -> None:
    """Clear the caches, so that the file is read again after it was written."""
    for clear in _FOLLOWING:
        clear()


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


def keys(family: str, chips: str) -> tuple[str, ...]:
    """List the keys of the sets that determine an efficiency, most general first.

    Parameters
    ----------
    family, chips : str
        Family of the engine, and of the card.

    Returns
    -------
    tuple of str
        Servers or loops, then the engine, the chips, and the two together.

    Examples
    --------
    >>> keys("vllm", "hopper")
    ('servers', 'vllm', 'servers on hopper', 'vllm on hopper')
    """
    program = SERVER if timed_as(family) in SERVERS else LOOP
    return (program, family, f"{program} on {chips}", f"{family} on {chips}")


def measured_keys(family: str, chips: str) -> tuple[str, ...]:
    """List those of `keys` that have measurements, of a family without any its stand-in's.

    Parameters
    ----------
    family, chips : str
        Family of the engine, and of the card.

    Returns
    -------
    tuple of str
        Keys, most general first.

    Examples
    --------
    >>> measured_keys("no such engine", "hopper")
    ('loops', 'loops on hopper')
    """
    rows = table()["rows"]
    stand_in = family if family in rows else timed_as(family)
    return tuple(key for key in keys(stand_in, chips) if key in rows)


def efficiency_for(deployment: Deployment, family: str | None = None) -> Efficiency:
    """Compute the efficiency of an engine on a card from its sets.

    Parameters
    ----------
    deployment : Deployment
        The deployment, of which the family of the card is used.
    family : str, optional
        Family of the engine; that of the deployment if omitted.

    Returns
    -------
    Efficiency
        Efficiencies fitted to measurements.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> 0.5 < efficiency_for(b).bandwidth < 1
    True
    """
    return _composed(measured_keys(family or deployment.engine.family, deployment.gpu.family))


@cache_until_reload
def _composed(path: tuple[str, ...]) -> Efficiency:
    return composed(table()["fits"], table()["shifts"], path)


def composed(
    fits: Mapping[str, Mapping[str, float]],
    shifts: Mapping[str, Mapping[str, float]],
    path: tuple[str, ...],
) -> Efficiency:
    """Apply the factors of several sets to the efficiencies of the first.

    Parameters
    ----------
    fits, shifts : dict
        Efficiencies of servers and of loops, and factors on them by key.
    path : tuple of str
        Keys as `keys` lists them; those without factors change nothing.

    Returns
    -------
    Efficiency
        The efficiencies.

    Examples
    --------
    >>> fits = {"servers": {"step_s": 0.001}}
    >>> composed(fits, {"vllm": {"step_s": 2}}, keys("vllm", "hopper")).step_s
    0.002
    """
    values = dict(fits[path[0]])
    for key in path[1:]:
        for name, factor in shifts.get(key, {}).items():
            values[name] = shifted(name, values[name], factor)
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


def kinds(program: str, regime: str, quantity: str, sparse: bool) -> tuple[str, ...]:
    """List the kinds of measurement an interval may come from.

    Parameters
    ----------
    program : str
        "servers" or "loops".
    regime : str
        Regime it is measured in; "" where that is not known.
    quantity : str
        A quantity of `Served`.
    sparse : bool
        Whether the model has experts.

    Returns
    -------
    tuple of str
        Kinds, most specific first.

    Examples
    --------
    >>> kinds("servers", "", "itl_s", False)
    ('servers.itl_s.dense', 'servers.itl_s', 'servers')
    """
    model = "moe" if sparse else "dense"
    stems = [f"{program}.{regime}.{quantity}"] * bool(regime) + [f"{program}.{quantity}"]
    return (*(f"{stem}{more}" for stem in stems for more in (f".{model}", "")), program)


def _alike(program: str, regime: str, quantity: str, sparse: bool) -> dict[str, float]:
    """Interval of the measurements most like a quantity of a kind of program."""
    if program == LOOP:  # a library's loop is measured as a batch that starts together
        quantity = next((m.loop for m in METRICS.values() if m.server == quantity), quantity)
    intervals: dict[str, dict[str, float]] = table()["intervals"]
    names = kinds(program, regime, quantity, sparse)
    return intervals[next(name for name in names if name in intervals)]


def _interval(
    deployment: Deployment, family: str, quantity: str, regime: str
) -> tuple[float, float, str]:
    """Factors of the bounds on an estimate, and the reason for their width."""
    chips, sparse = deployment.gpu.family, bool(deployment.model.experts)
    known = measured_keys(family, chips)
    program, engine, card, both = keys(family, chips)
    # what kind of program an engine is that nobody measured is not known either
    programs = (program,) if engine in known else (SERVER, LOOP)
    rows = (_alike(name, regime, quantity, sparse) for name in programs)
    row = max(rows, key=lambda row: row["high"] / row["low"])
    measured = f"{row['rows']:,} measurements like it, each predicted with its own group left out"
    if both in known:
        return row["low"], row["high"], f"{both}: {table()['rows'][both]:,} rows; {measured}"
    missing = [f"engine {family}"] * (engine not in known)
    missing += [f"{chips} chips"] * (card not in known)
    if not missing:
        return row["low"], row["high"], f"{engine}, {chips}, never both together; {measured}"
    wider = row["unknown"]
    why = f"no measurement of {' nor '.join(missing)}: interval widened; {measured}"
    return row["low"] / wider, row["high"] * wider, why


@dataclass(frozen=True)
class Estimates:
    """What can be expected of a deployment under a load, and what the spec sheet allows.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    served, ceiling : Served
        The same load, timed with the fitted efficiencies and at the ceiling.
    family : str
        Family of the engine.
    """

    deployment: Deployment
    served: Served
    ceiling: Served
    family: str

    def of(self, quantity: str, regime: str = "", *, bounded: bool = True) -> Estimate:
        """Estimate one quantity with its interval.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.
        regime : str
            Regime it is measured in, where that is known.
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
        low, high, reason = _interval(self.deployment, self.family, quantity, regime)
        low, high = value * low, value * high
        if bounded and ceiling <= value:
            low = max(low, ceiling)
        elif bounded:
            high = min(high, ceiling)
        return Estimate(value, low, high, ceiling, reason)

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
    fitted = Served(work, efficiency_for(d, family), d, load)
    return Estimates(d, fitted, Served(work, CEILING, d, load), family)
