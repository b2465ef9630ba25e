"""Limits of a deployment: what is required, beside what can be expected."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from statistics import NormalDist
from typing import NamedTuple

from ..calibration import Estimate, Estimates
from ..capacity import Ledger
from ..explain import Explained, Line, counted, gib, ordinal, quantity
from ..simulation.percentiles import MEANS, percentile, value_s
from ..spec import Slo, Tail, tail_name

# How likely a limit is met, from certain to impossible.
MET, LIKELY, OPEN, UNLIKELY, MISSED, IMPOSSIBLE = VERDICTS = (
    *("met", "likely", "open", "unlikely", "missed", "impossible"),
)
WORDS = {
    MET: "met",
    LIKELY: "likely met",
    OPEN: "could go either way",
    UNLIKELY: "likely missed",
    MISSED: "missed",
    IMPOSSIBLE: "impossible",
}
# Verbs for a deployment that does not certainly meet a limit.
MISSES = {
    OPEN: "may miss",
    UNLIKELY: "likely misses",
    MISSED: "misses",
    IMPOSSIBLE: "cannot meet",
}
SURE = 0.75  # chance from which a limit is likely met; below 1 - SURE it is likely missed
TENTH = NormalDist().inv_cdf(0.9)  # standard deviations from the median to the 90th percentile
AT_LEAST = ("capacity", "length")  # limits where more is better
MEAN_LIMITS = {"itl": "latency", "ttft": "prefill"}  # limits on means, by quantity of `spec.TAILED`
# Limits on percentiles as the name of a row.
TAIL_LABELS = {
    "itl": "{} percentile gap",
    "tpot": "{} percentile mean gap of a user",
    "ttft": "{} percentile first token",
    "e2e": "{} percentile whole answer",
}

# Titles of limits whose name is not one.
TITLES = {"latency": "mean gap", "prefill": "mean first token", "cost": "price of a token"}
VALUED = {"budget": "rent", "cost": "output at"}  # what has the value, where the title does not


class LatencyLimit(NamedTuple):
    """A limit on the mean or on a percentile of a latency.

    Attributes
    ----------
    quantity : str
        One of `spec.TAILED`.
    percent : float or None
        Percent of them that are no longer; None for the mean.
    bound_s : float
        The longest time [s].
    """

    quantity: str
    percent: float | None
    bound_s: float

    @property
    def name(self) -> str:
        """The name of its `Limit`."""
        if self.percent is None:
            return MEAN_LIMITS[self.quantity]
        return tail_name(self.quantity, self.percent)


@lru_cache(maxsize=256)
def latency_limits(slo: Slo) -> tuple[LatencyLimit, ...]:
    """List the limits on latencies.

    Parameters
    ----------
    slo : Slo
        All limits.

    Returns
    -------
    tuple of LatencyLimit
        Those on means, then those on percentiles.

    Examples
    --------
    >>> found = latency_limits(Slo(ttft_s=1.0, tails=(Tail("itl", 95, 0.050),)))
    >>> [(limit.name, limit.bound_s) for limit in found]
    [('prefill', 1.0), ('itl p95', 0.05)]
    """
    means = (("itl", None, slo.itl_s), ("ttft", None, slo.ttft_s))
    tails = ((tail.quantity, tail.percent, tail.bound_s) for tail in slo.tails)
    return tuple(LatencyLimit(what, p, s) for what, p, s in (*means, *tails) if s is not None)


def is_gap(name: str) -> bool:
    """Say whether a limit is on the gap between tokens, of which more a second are better.

    Parameters
    ----------
    name : str
        The name of a `Limit`.

    Returns
    -------
    bool
        Whether it is, on the mean or on a percentile.

    Examples
    --------
    >>> is_gap("latency"), is_gap("tpot p95"), is_gap("ttft p95")
    (True, True, False)
    """
    return name == MEAN_LIMITS["itl"] or name.startswith(("itl", "tpot"))


@dataclass(frozen=True)
class Limit(Explained):
    """One constraint: what is required, and the estimate with its interval.

    Attributes
    ----------
    name : str
        "capacity", "length", "latency", "prefill", "budget", "cost", or the name of a `Tail`:
        "itl p95".
    bound : float
        Users or requests that must have room, tokens that a request has, or the largest value of
        everything else.
    estimate : Estimate
        What can be expected, in the same unit.
    unit : str
        Unit of both, as `explain.quantity` accepts it.
    """

    name: str
    bound: float
    estimate: Estimate
    unit: str

    def of_copies(self, copies: int) -> "Limit":
        """Convert a limit on one copy to the limit on all copies.

        Parameters
        ----------
        copies : int
            How many there are.

        Returns
        -------
        Limit
            With both sides as many times as large.

        Examples
        --------
        >>> Limit("budget", 10.0, _exact(4.0), "USD/h").of_copies(3).sentence
        'rent $12.00/h, limit $30.00/h'
        """
        return replace(
            self, bound=copies * self.bound, estimate=_exact(copies * self.estimate.value)
        )

    @property
    def title(self) -> str:
        """The quantity that is limited, in words."""
        return limit_title(self.name)

    @property
    def sentence(self) -> str:
        """The comparison in words, with the name of what is compared."""
        if self.name in AT_LEAST:
            return self.compared
        if self.name in VALUED:
            return f"{VALUED[self.name]} {self.compared}"
        return f"{self.title} {self.compared}"

    @property
    def compared(self) -> str:
        """The comparison in words, for whoever has just named the quantity."""
        if self.name == "capacity":
            return _room_words(self.estimate.value, self.bound, self.unit)
        if self.name == "length":
            return f"requests have {self.bound:,} tokens, {self.estimate.value:,} are taken"
        bound = quantity(self.bound, self.unit)
        return f"{expected(self.estimate, self.unit)}, limit {bound}"

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`.

        "met" when the unfavourable end of the interval meets it, "missed" when not even the
        favourable one does, and "impossible" when not even the ceiling does. Between the ends it
        goes by the `chance`: "likely" from three in four, "unlikely" up to one in four, and "open"
        between. A rent has no ceiling: above the budget it is missed.
        """
        e = self.estimate
        unfavourable, favourable = (e.low, e.high) if self.name in AT_LEAST else (e.high, e.low)
        if self._headroom(unfavourable) >= 1:
            return MET
        if self.name != "budget" and max(self.headroom, self._headroom(e.ceiling)) < 1:
            return IMPOSSIBLE
        if self._headroom(favourable) < 1:
            return MISSED
        if self.chance >= SURE:
            return LIKELY
        return OPEN if self.chance > 1 - SURE else UNLIKELY

    @property
    def chance(self) -> float:
        """Probability that it is met.

        The interval holds four measurements of five, so a tenth lies beyond either end, and the
        estimate is the median. The logarithm is taken as normal to each side. For capacity and
        length, whose interval is one of memory, the value itself is.
        """
        e, more_is_better = self.estimate, self.name in AT_LEAST
        scale = float if more_is_better else math.log
        near_end = e.low if (self.headroom >= 1) == more_is_better else e.high
        deviation = (
            abs(scale(near_end) - scale(e.value)) / TENTH
            if near_end > 0 or more_is_better
            else math.inf
        )
        distance = abs(scale(self.bound) - scale(e.value))
        likelihood = NormalDist().cdf(distance / deviation) if deviation else 1.0
        return likelihood if self.headroom >= 1 else 1 - likelihood

    @property
    def holds(self) -> bool:
        """Whether the estimate meets it, however sure that is."""
        return self.headroom >= 1

    @property
    def misses(self) -> str:
        """The verb for a deployment that does not certainly meet it."""
        return MISSES[self.verdict]

    @property
    def words(self) -> str:
        """The verdict in words."""
        return WORDS[self.verdict]

    def _headroom(self, value: float) -> float:
        return headroom_of(self.name, self.bound, value)

    @property
    def headroom(self) -> float:
        """Factor by which the estimate meets it; below 1 it is missed."""
        return self._headroom(self.estimate.value)

    @property
    def required(self) -> float:
        """What is required; a time is converted to a rate, so that more is always better."""
        return self._sides()[0]

    @property
    def available(self) -> float:
        """The estimate, in the unit of `required`."""
        return self._sides()[1]

    @property
    def compared_unit(self) -> str:
        """Unit of `required` and `available`: of a gap tokens a second, of other times 1/s."""
        if self.unit != "s":
            return self.unit
        return "tok/s" if is_gap(self.name) else "1/s"

    def _sides(self) -> tuple[float, float]:
        if self.unit == "s":
            return 1 / self.bound, 1 / self.estimate.value
        if self.name in AT_LEAST:
            return self.bound, self.estimate.value
        return self.estimate.value, self.bound

    def lines(self) -> tuple[Line, ...]:
        """List the headroom.

        Returns
        -------
        tuple of Line
            The step of the derivation.
        """
        unit = self.compared_unit
        return (
            Line(
                f"{self.name} headroom",
                "available / required",
                f"{quantity(self.available, unit)} / {quantity(self.required, unit)}",
                f"{self.headroom:.2f}x, {self.words}",
            ),
        )


def expected(estimate: Estimate, unit: str) -> str:
    """Format an estimate with its interval, or with the reason why there is none.

    Parameters
    ----------
    estimate : Estimate
        The estimate.
    unit : str
        Its unit, as `explain.quantity` accepts it.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> expected(Estimate(0.020, 0.015, 0.030, 0.010, ""), "s")
    '20 ms (15 ms to 30 ms)'
    """
    value = quantity(estimate.value, unit)
    if estimate.doubt:
        return f"{value} ({estimate.doubt})"
    if estimate.low == estimate.high:
        return value
    return f"{value} ({quantity(estimate.low, unit)} to {quantity(estimate.high, unit)})"


def room(ledger: Ledger) -> Estimate:
    """Estimate the users that have room in the cache.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.

    Returns
    -------
    Estimate
        The ledger's count, with the interval of measured engines; the ceiling is a
        cache in all memory but the weights.
    """
    users, ceiling = ledger.max_concurrent, ledger.ceiling_concurrent
    low, high = ledger.concurrent_interval
    doubt = gib(ledger.doubt_bytes)
    reason = f"the ledger, which 80% of start-ups follow within {doubt} a card"
    return Estimate(users, low, min(high, max(ceiling, users)), ceiling, reason)


def limits(
    ledger: Ledger,
    estimates: Estimates | None,
    slo: Slo,
    percentile_of: Callable[[str, float], Estimate] | None = None,
) -> tuple[Limit, ...]:
    """Compare every limit that is set with what can be expected.

    Speed and cost are compared where the engine starts.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.
    estimates : Estimates or None
        Estimates under the load; None where the engine does not start.
    slo : Slo
        Limits to meet. Those that are set are compared, room for the users always is, and
        the length of a request where it is more than engine or model takes.
    percentile_of : callable, optional
        As `estimated` takes it.

    Returns
    -------
    tuple of Limit
        Least headroom first: the first one binds.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> a, b, c = worked_spec()
    >>> card(a, WORKED_WORKLOAD, WORKED_SLO).limits[0].verdict
    'impossible'
    """
    rows = [Limit("capacity", ledger.concurrency, room(ledger), "users")]
    if ledger.beyond:
        rows.append(_length(ledger))
    rent = ledger.deployment.usd_h_all
    if slo.usd_h is not None and rent:
        rows.append(Limit("budget", slo.usd_h, _exact(rent), "USD/h"))
    if estimates is not None:
        rows += estimated(estimates, slo, percentile_of)
    return tuple(sorted(rows, key=lambda limit: limit.headroom))


def _length(ledger: Ledger) -> Limit:
    """Compare the tokens of a request with the limits of the engine and of the model."""
    limit_tokens = ledger.deployment.request_limit_tokens
    window = ledger.deployment.model.max_context_tokens  # max_model_len may be set anew
    estimate = Estimate(limit_tokens, limit_tokens, limit_tokens, window, "known")
    return Limit("length", ledger.context_tokens, estimate, "tokens")


def estimated(
    estimates: Estimates,
    slo: Slo,
    percentile_of: Callable[[str, float], Estimate] | None = None,
) -> Iterator[Limit]:
    """Compare the limits on latencies and on the price of a token.

    Parameters
    ----------
    estimates : Estimates
        Estimates under the load.
    slo : Slo
        Limits to meet.
    percentile_of : callable, optional
        Gives a percentile of a latency, by both; of users at once if omitted.

    Returns
    -------
    iterator of Limit
        Of each that is set: means, percentiles, the price.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> made = card(worked_spec()[1], WORKED_WORKLOAD).expected
    >>> [limit.name for limit in estimated(made, WORKED_SLO)]
    ['itl p95']
    """
    percentile_of = percentile_of or partial(percentile, estimates)
    for limit in latency_limits(slo):
        what, percent, bound_s = limit
        if percent is None:
            yield Limit(limit.name, bound_s, getattr(estimates, f"{what}_s"), "s")
        else:
            yield Limit(limit.name, bound_s, percentile_of(what, percent), "s")
    if slo.usd_mtok is not None and estimates.usd_mtok is not None:
        yield Limit("cost", slo.usd_mtok, estimates.usd_mtok, "USD/Mtok")


def headroom_of(name: str, bound: float, value: float) -> float:
    """Compute the factor by which a value meets a limit.

    Parameters
    ----------
    name : str
        The name of a `Limit`.
    bound, value : float
        What is required, and what can be expected, in one unit.

    Returns
    -------
    float
        Below 1 it is missed.

    Examples
    --------
    >>> headroom_of("capacity", 16, 64), headroom_of("latency", 0.050, 0.040)
    (4.0, 1.25)
    """
    if name in AT_LEAST:
        return value / bound
    return bound / value if value else math.inf


def headrooms(
    ledger: Ledger,
    estimates: Estimates | None,
    slo: Slo,
    percentile_s: Callable[[str, float], float] | None = None,
) -> dict[str, float]:
    """Compute the headroom of every limit that is set, without intervals.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.
    estimates : Estimates or None
        Estimates under the load; None where the engine does not start.
    slo : Slo
        Limits to meet.
    percentile_s : callable, optional
        Gives a percentile of a latency, by both; of users at once if omitted [s].

    Returns
    -------
    dict of str to float
        Those of `limits` by name, the least first, at a part of their work.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> b = card(worked_spec()[1], WORKED_WORKLOAD, WORKED_SLO)
    >>> found = headrooms(b.ledger, b.estimates, b.slo)
    >>> list(found.items()) == [(limit.name, limit.headroom) for limit in b.limits]
    True
    """
    values: list[tuple[str, float, float]]
    values = [("capacity", ledger.concurrency, ledger.max_concurrent)]
    if ledger.beyond:
        length_tokens = ledger.deployment.request_limit_tokens
        values.append(("length", ledger.context_tokens, length_tokens))
    rent = ledger.deployment.usd_h_all
    if slo.usd_h is not None and rent:
        values.append(("budget", slo.usd_h, rent))
    if estimates is not None:
        mean_s = estimates.value_of
        values += _bounded(estimates, slo, mean_s, percentile_s or partial(value_s, estimates))
    found = [(name, headroom_of(name, bound, value)) for name, bound, value in values]
    return dict(sorted(found, key=lambda one: one[1]))


def meets(ledger: Ledger, estimates: Estimates | None, slo: Slo) -> bool:
    """Say whether users at once meet every limit but the rent, without intervals.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.
    estimates : Estimates or None
        Estimates under the load; None where the engine does not start.
    slo : Slo
        Limits to meet.

    Returns
    -------
    bool
        Whether `limits` holds, the rent aside, at a part of its work.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> made = (card(d, WORKED_WORKLOAD, WORKED_SLO) for d in worked_spec())
    >>> [meets(one.ledger, one.estimates, one.slo) for one in made]
    [False, True, True]
    """
    if not ledger.fits or ledger.beyond or estimates is None:
        return False
    mean_s = partial(getattr, estimates.served)
    values = _bounded(estimates, slo, mean_s, partial(value_s, estimates))
    return all(headroom_of(*one) >= 1 for one in values)


def _bounded(
    estimates: Estimates,
    slo: Slo,
    mean_s: Callable[[str], float],
    percentile_s: Callable[[str, float], float],
) -> Iterator[tuple[str, float, float]]:
    """Yield each limit that `estimated` compares, and its value, computed lazily."""
    for limit in latency_limits(slo):
        what, percent, bound_s = limit
        value = mean_s(MEANS[what]) if percent is None else percentile_s(what, percent)
        yield limit.name, bound_s, value
    if slo.usd_mtok is not None and estimates.usd_mtok:
        yield "cost", slo.usd_mtok, estimates.usd_mtok.value


def tail_label(tail: Tail) -> str:
    """Name a percentile as the row of a table has it.

    Parameters
    ----------
    tail : Tail
        The limit on it.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> tail_label(Tail("itl", 95, 0.050))
    '95th percentile gap'
    """
    return limit_title(tail.name)


def limit_title(name: str) -> str:
    """Say what a limit is of, in words.

    Parameters
    ----------
    name : str
        The name of a `Limit`.

    Returns
    -------
    str
        The name; of a percentile, which of what.

    Examples
    --------
    >>> limit_title("budget"), limit_title("itl p95")
    ('budget', '95th percentile gap')
    """
    latency, _, percent = name.partition(" p")
    if not percent:
        return TITLES.get(name, name)
    return TAIL_LABELS[latency].format(ordinal(float(percent)))


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, value, "known")


def _room_words(have: float, asked: float, unit: str) -> str:
    """Compare the users or requests that have room with those that are there, in words."""
    one = unit.removesuffix("s")
    if have <= asked:
        return f"room for {have:,.0f} of {counted(int(asked), one)}"
    how = "wanted" if unit == "users" else "in flight"
    return f"room for {counted(int(have), one)}, {asked:,.0f} {how}"
