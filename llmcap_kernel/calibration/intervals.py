"""Estimates: `serve` with fitted efficiencies, and the interval of each number."""

import math
from dataclasses import dataclass, replace

from ..explain import counted
from ..once import cached_property
from ..serving import LoadWork, Served, load_work, usd_per_mtok
from ..spec import CEILING, Deployment, Format, Gpu, Model, Workload
from .efficiencies import LOOP, SERVER, efficiency_for, keys
from .fitted import cache_until_reload, table
from .metrics import CEILING_OF, kind
from .own import IN_USE

CLOSE_TO_AN_END = 0.05  # share of the value: an end this close to it bounds nothing on its side
WIDE = 6.0  # ratio of high to low above which an interval is too wide to use


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
            return "bounded on one side only"
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
        values = {name: getattr(self, name) * scale for name in ("value", "low", "high", "ceiling")}
        return replace(self, **values)

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

    def at_most(self, limit: float) -> "Estimate":
        """Cap the estimate at a limit.

        Parameters
        ----------
        limit : float
            In the same unit.

        Returns
        -------
        Estimate
            Value, interval and ceiling, each no greater.

        Examples
        --------
        >>> Estimate(20.0, 15.0, 30.0, 40.0, "").at_most(25.0).high
        25.0
        """
        values = {n: min(getattr(self, n), limit) for n in ("value", "low", "high", "ceiling")}
        return Capped(**values, reason=self.reason)


@dataclass(frozen=True)
class Capped(Estimate):
    """An estimate that ends where no more is asked for, such as the output at a rate.

    Examples
    --------
    >>> Estimate(20.0, 15.0, 30.0, 40.0, "").at_most(16.0).doubt
    ''
    """

    @property
    def doubt(self) -> str:
        """Why the interval cannot be relied on; an end at what is asked for is known."""
        return "" if self.low > 0 and self.high / self.low <= WIDE else super().doubt


# What was not measured, from little to much: engine and chips were, but never together ("apart");
# only one of them was ("one"); neither was ("neither").
IGNORANCE = ("apart", "one", "neither")


def ignorance(engine: bool, chips: bool, together: bool) -> str:
    """Name what was not measured.

    Parameters
    ----------
    engine, chips, together : bool
        Whether the engine was measured, the chips were, and this engine on these chips.

    Returns
    -------
    str
        A name of `IGNORANCE`, "" where all was measured.

    Examples
    --------
    >>> ignorance(True, True, True), ignorance(True, False, False)
    ('', 'one')
    """
    if together:
        return ""
    return IGNORANCE[2 - engine - chips]


def rows_behind(deployment: Deployment) -> tuple[int, int]:
    """Count the measurements of a deployment's engine on its chips, and of its chips at all.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    tuple of int
        Rows of both together, and rows of the chips under any engine.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> of_both, of_chips = rows_behind(catalog.deployment(model="llama-3.1-8b", gpu="mi300x"))
    >>> 0 < of_both < of_chips
    True
    """
    rows, chips = table()["rows"], deployment.gpu.family
    _, engine, *_ = keys(deployment.engine.family, deployment.gpu)
    return rows.get(f"{engine} on {chips}", 0), rows.get(chips, 0)


# Factor within which an assumed shape leaves a time, for eight of ten models of the catalogue.
ASSUMED_SHAPE = 1.25


@cache_until_reload
def _interval(gpu: Gpu, family: str, quantity: str, queued: bool) -> tuple[float, float, str]:
    """Find the factors on a time that bound its interval, and the evidence for them."""
    constants, rows = table(), table()["rows"]
    program, engine, *_ = keys(family, gpu)
    engine_on_chips = f"{engine} on {gpu.family}"
    own = IN_USE.get(family)
    interval_kind = kind(program, quantity, queued=queued)
    own_interval = own.intervals.get(interval_kind) if own and gpu.family in own.chips else None
    if own and own_interval:
        faster, slower = own_interval
        evidence = f"{own.rows:,} rows of your own, of {counted(own.deployments, 'deployment')}"
        return faster, slower, f"{family}: {evidence}"
    unknown = ignorance(engine in rows, gpu.family in rows, engine_on_chips in rows)
    # nor is it known whether an engine that nobody measured behaves as a server or a loop
    programs = (program,) if engine in rows else (SERVER, LOOP)
    candidates = [constants["intervals"][kind(name, quantity, queued=queued)] for name in programs]
    widest = max(candidates, key=lambda w: w["slower"] / w["faster"])
    faster, slower = widest["faster"], widest["slower"]
    evidence = f"width from {widest['rows']:,} rows, each predicted without its source"
    if not unknown:
        return faster, slower, f"{engine_on_chips}: {rows[engine_on_chips]:,} rows; {evidence}"
    factor = constants["ignorance"][unknown]
    missing = _unmeasured(engine, gpu.family)
    evidence = f"{missing}: interval {factor:.2g}x wider each way; {evidence}"
    return faster / factor, slower * factor, evidence


def _assumed(model: Model, faster: float, slower: float, reason: str) -> tuple[float, float, str]:
    """Widen the factors where the model's shape is assumed."""
    if not model.assumed_shape:
        return faster, slower, reason
    widened = f"{model.source}: interval {ASSUMED_SHAPE:g}x wider each way"
    return faster / ASSUMED_SHAPE, slower * ASSUMED_SHAPE, f"{widened}; {reason}"


def _untimed(
    weights: Format, faster: float, slower: float, reason: str
) -> tuple[float, float, str]:
    """Widen the factors where no kernel of the weights' format was timed.

    No format was left out of a fit to see what that costs, so they widen by the most that anything
    unmeasured does: as for an engine and chips that are both unknown.
    """
    if weights.timed:
        return faster, slower, reason
    factor = table()["ignorance"][IGNORANCE[-1]]
    widened = f"no kernel of {weights.title} was timed: interval {factor:.2g}x wider each way"
    return faster / factor, slower * factor, f"{widened}; {reason}"


def _unmeasured(engine: str, chips: str) -> str:
    """Say what was not measured, in words."""
    measured = table()["rows"]
    unmeasured = [f"engine {engine}"] * (engine not in measured)
    unmeasured += [f"{chips} chips"] * (chips not in measured)
    if unmeasured:
        return f"no measurement of {' nor '.join(unmeasured)}"
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

    @property
    def offered_tok_s(self) -> float:
        """Output tokens that are asked for: without end, where users ask again at once [tok/s]."""
        return math.inf

    def at_random_times(self) -> "Estimates":
        """Estimate the same load for requests that come at random times, without bursts.

        `burst_share` is measured on users who ask again at once, so that their prompts coincide.

        Returns
        -------
        Estimates
            The estimates with as many requests in flight.

        Examples
        --------
        >>> from llmcap_kernel import catalog
        >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
        >>> users = estimates(d, Workload(1000, 200, 16))
        >>> users.at_random_times().ttft_s.value < users.ttft_s.value
        True
        """
        work, efficiency = self.served.work, self.served.efficiency.one_by_one
        served = Served(work, efficiency, self.deployment, self.served.workload)
        return Estimates(self.deployment, served, self.family)

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
        value = self.value_of(quantity)
        ceiling = getattr(self.ceiling, CEILING_OF.get(quantity, quantity))
        low, high, reason = self.ends_of(quantity, value)
        if bounded and ceiling <= value:
            low = max(low, ceiling)
        elif bounded:
            high = min(high, ceiling)
        return Estimate(value, low, high, ceiling, reason)

    def value_of(self, quantity: str) -> float:
        """Compute the value of one quantity, without its interval.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.

        Returns
        -------
        float
            That of `of`, in the quantity's own unit.
        """
        value: float = getattr(self.served, quantity)
        return value

    def ends_of(self, quantity: str, value: float) -> tuple[float, float, str]:
        """Compute the ends of an interval that no ceiling bounds.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.
        value : float
            Its value, in its own unit.

        Returns
        -------
        tuple of (float, float, str)
            Low and high end in the quantity's own unit, and the evidence for them.
        """
        faster, slower, reason = self.interval_factors(quantity)
        if "tok_s" in quantity:
            faster, slower = 1 / slower, 1 / faster
        return value * faster, value * slower, reason

    def interval_factors(self, quantity: str) -> tuple[float, float, str]:
        """Give the factors from an estimate to the ends of its interval.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.

        Returns
        -------
        tuple of (float, float, str)
            Factors on a time for the faster and the slower end, and the evidence for them.
        """
        d, queued = self.deployment, self.served.work.turns > 1
        factors = _untimed(d.weights, *_interval(d.gpu, self.family, quantity, queued))
        return _assumed(d.model, *factors)

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
        """Output tokens of all users; at a rate, at most `offered_tok_s` [tok/s]."""
        output = self.of("output_tok_s")
        return output if math.isinf(self.offered_tok_s) else output.at_most(self.offered_tok_s)

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
