"""Percentiles where requests come at a rate, whether others are answered or not.

Requests come at random moments (Poisson). With n of them in flight a deployment answers as many a
second as a closed loop of n users does: `serve` gives that rate. So the requests in flight are a
birth and death process, whose states have their exact shares, and each state has the latencies of
its closed loop. With steps `a + b n` and no prefill this is the batch of `queues`, exactly.
"""

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

from .. import calibration, catalog
from ..calibration import Estimate
from ..refuse import BadInput, number, one_of
from ..serving import Served, most_running
from ..spec import TAILED, Deployment, Slo, Workload
from .percentiles import MEANS, Spread, ceiling_s, in_order, quantile_s, spread_of
from .queues import check_percent

STATES = 24  # numbers of requests in flight at which the law is asked; between them it is straight
# Percentiles of a state that stand for all its latencies, each for those nearest to it.
PERCENTS = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9)
_EDGES = (0, *((a + b) / 2 for a, b in itertools.pairwise(PERCENTS)), 100)
SHARES = tuple((b - a) / 100 for a, b in itertools.pairwise(_EDGES))
CLOSE = 1e-4  # of a rate: two rates that near are one
LEAST = 1e-9  # of the states: those that are rarer are left out


@dataclass(frozen=True)
class State:
    """A number of requests in flight, all in progress.

    Attributes
    ----------
    users : int
        How many.
    served, ceiling : Served
        The closed loop of as many users, none of whom ask at the same moment.
    """

    users: int
    served: Served
    ceiling: Served

    @cached_property
    def _spread(self) -> Spread:
        return spread_of(self.served)

    @cached_property
    def _known(self) -> dict[str, tuple[float, ...]]:
        return {}

    def latencies_s(self, quantity: str) -> tuple[float, ...]:
        """List the percentiles of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.

        Returns
        -------
        tuple of float
            One for each of `PERCENTS` [s].
        """
        if quantity not in self._known:
            found = tuple(quantile_s(self._spread, quantity, p) for p in PERCENTS)
            self._known[quantity] = found
        return self._known[quantity]

    @cached_property
    def _ceilings(self) -> dict[str, float]:
        return {name: ceiling_s(self.ceiling, name, 50) for name in TAILED}

    def ceiling_s(self, quantity: str) -> float:
        """Compute what the spec sheet allows of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.

        Returns
        -------
        float
            The least [s].
        """
        return self._ceilings[quantity]

    @cached_property
    def rate_rps(self) -> float:
        """Requests it answers a second [requests/s]."""
        return self.served.output_tok_s / self.served.work.output_tokens


@dataclass(frozen=True)
class AtRate:
    """A deployment to which requests come at a rate.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    rate_rps : float
        Requests a second [requests/s].
    family : str
        Family of the engine.
    """

    deployment: Deployment
    workload: Workload
    rate_rps: float
    family: str

    @property
    def states(self) -> tuple[State, ...]:
        """Some numbers of requests in flight, from one to as many as have room."""
        return _states(self.deployment, replace(self.workload, concurrency=1), self.family)

    @property
    def _factors(self) -> dict[str, tuple[float, float, str]]:
        """The interval of each mean over the mean, and its reason."""
        return _intervals(self.deployment, self.states[-1].users, self.workload, self.family)

    @cached_property
    def most_answered_rps(self) -> Estimate:
        """Most requests answered a second, whatever is in flight [requests/s].

        Beyond it the queue of this closed form grows without end. `tails.saturates_rps` is where
        that of the step loop does, which counts a batch's steps one by one: 10% apart, or so.
        """
        low, high, reason = self._factors["output_tok_s"]
        most = max(state.rate_rps for state in self.states)
        ceiling = max(s.ceiling.output_tok_s / s.served.work.output_tokens for s in self.states)
        return Estimate(most, most * low, min(most * high, ceiling), ceiling, reason)

    @cached_property
    def in_flight(self) -> Estimate:
        """Mean requests in flight, those that wait for room included."""
        low, high, reason = self._factors["e2e_s"]
        values = [_Flight(self.states, self.rate_rps * time).mean for time in (1, low, high)]
        best = _Flight(self.states, self.rate_rps, at_ceiling=True).mean
        value = max(values[0], best)
        return Estimate(value, max(min(values[1], value), best), values[2], best, reason)

    def percentile(self, quantity: str, percent: float) -> Estimate:
        """Estimate a percentile of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        Estimate
            Value, interval and ceiling [s]; the end is infinite where the rate may be
            more than is served.

        Raises
        ------
        BadInput
            When the quantity is not known, the percent is not between 0 and 100, or
            the rate is more than is served.
        """
        quantity = one_of("quantity", quantity, TAILED)
        check_percent(percent)
        self._check()
        return self._estimate(quantity, percent)

    def mean(self, quantity: str) -> Estimate:
        """Estimate the mean of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.

        Returns
        -------
        Estimate
            Value, interval and ceiling [s].

        Raises
        ------
        BadInput
            When the quantity is not known, or the rate is more than is served.
        """
        quantity = one_of("quantity", quantity, TAILED)
        self._check()
        return self._estimate(quantity, None)

    def _check(self) -> None:
        most = self.most_answered_rps.value
        if self.rate_rps >= most:
            message = f"rate_rps is {self.rate_rps:g}: this deployment serves at most {most:.3g}"
            raise BadInput(
                "rate_rps", f"{message} requests/s, so its queue would grow without end."
            )

    def _estimate(self, quantity: str, percent: float | None) -> Estimate:
        ends = (self.end_s(quantity, percent, end) for end in ("value", "low", "high", "ceiling"))
        value, low, high, ceiling = ends
        return Estimate(value, low, high, ceiling, self._factors[MEANS[quantity]][2])

    def end_s(self, quantity: str, percent: float | None, end: str) -> float:
        """Compute one end of an estimate.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float or None
            Percent of them that are no longer; None for the mean.
        end : str
            "value", "low", "high" or "ceiling".

        Returns
        -------
        float
            The latency; infinite where the rate is more than is served [s].
        """
        ceiling = _Flight(self.states, self.rate_rps, at_ceiling=True).latency_s(quantity, percent)
        if end == "ceiling":
            return ceiling
        low, high, _ = self._factors[MEANS[quantity]]

        def taken_s(time: float, at: float | None = percent) -> float:
            # where every time is so much longer, as many more come in the time of a step
            return time * _Flight(self.states, self.rate_rps * time).latency_s(quantity, at)

        def end_s(which: str, at: float, name: str) -> float:
            faster, slower = catalog.table("tails")["widths"][name]
            time = min(low / faster, 1.0) if which == "low" else max(high * slower, 1.0)
            return taken_s(time, at)

        if end == "value":
            found = taken_s(1.0)
        elif percent is None:
            found = taken_s(low if end == "low" else high)
        else:
            found = in_order(end_s, quantity, percent)[end == "high"]
        return max(found, ceiling)


class _Flight:
    """Shares of the numbers of requests in flight at one rate."""

    def __init__(self, states: tuple[State, ...], rate_rps: float, at_ceiling: bool = False):
        self.states, self.ceiling = states, at_ceiling
        work = states[0].served.work
        rates = [
            s.ceiling.output_tok_s / work.output_tokens if at_ceiling else s.rate_rps
            for s in states
        ]
        self.most_rps = max(rates)
        self.busy = rate_rps / self.most_rps
        users = [s.users for s in states]
        self.shares = _shares(rate_rps, users, rates) if self.busy < 1 else []
        self.users = users

    @property
    def waiting(self) -> float:
        """Share of the requests that find as many in flight as have room."""
        return self.shares[-1] / (1 - self.busy)

    @property
    def mean(self) -> float:
        """Mean requests in flight."""
        if self.busy >= 1:
            return math.inf
        within = sum(n * share for n, share in enumerate(self.shares[:-1]))
        last = len(self.shares) - 1
        return within + self.waiting * (last + self.busy / (1 - self.busy))

    def latency_s(self, quantity: str, percent: float | None) -> float:
        """A percentile over all states, or the mean."""
        if self.busy >= 1:
            return math.inf
        parts = sorted(self._parts(quantity))
        if percent is None:
            return sum(x * share for x, share in parts) / sum(share for _, share in parts)
        return _weighted(parts, percent / 100)

    def _parts(self, quantity: str) -> Iterator[tuple[float, float]]:
        """Latencies with the share of the requests, or of the tokens, that have them."""
        for state, share in zip(self.states, self._arrival_shares(), strict=True):
            if share < LEAST:
                continue
            if self.ceiling:
                yield state.ceiling_s(quantity), share
                continue
            for value, part in zip(state.latencies_s(quantity), SHARES, strict=True):
                yield value, share * part
        if self.waiting >= LEAST:
            yield from self._waits(quantity)

    def _waits(self, quantity: str) -> Iterator[tuple[float, float]]:
        """Latencies of those who wait for room: each place in the line takes an answer's time."""
        state = self.states[-1]
        values = state.latencies_s(quantity)
        if self.ceiling:
            values = (state.ceiling_s(quantity),) * len(PERCENTS)
        for value, percent, part in zip(values, PERCENTS, SHARES, strict=True):
            if quantity in ("ttft", "e2e"):
                place = 1 + math.log(1 - percent / 100) / math.log(self.busy)
                value += place / self.most_rps
            yield value, self.waiting * part

    def _arrival_shares(self) -> list[float]:
        """Shares of the states, its own request counted, as an arrival finds them with room."""
        out = [0.0] * len(self.states)
        for others, share in enumerate(self.shares[:-1]):
            at = bisect_right(self.users, others + 1) - 1
            if at == len(out) - 1:
                out[at] += share
                continue
            low, high = self.users[at], self.users[at + 1]
            beyond = (others + 1 - low) / (high - low)
            out[at] += share * (1 - beyond)
            out[at + 1] += share * beyond
        return out


def _shares(rate_rps: float, users: list[int], rates: list[float]) -> list[float]:
    """Shares of 0, 1, 2, ... requests in flight, up to as many as have room."""
    logs, at = [0.0], 0
    for n in range(1, users[-1] + 1):
        while users[at + 1 if at + 1 < len(users) else at] < n:
            at += 1
        if at + 1 < len(users):
            low, high = users[at], users[at + 1]
            answered_rps = rates[at] + (rates[at + 1] - rates[at]) * max(n - low, 0) / (high - low)
        else:
            answered_rps = rates[at]
        logs.append(logs[-1] + math.log(rate_rps / answered_rps))
    top = max(logs)
    weights = [math.exp(x - top) for x in logs]
    busy = rate_rps / max(rates)
    whole = sum(weights) + weights[-1] * busy / (1 - busy)
    return [x / whole for x in weights]


def _weighted(parts: list[tuple[float, float]], rank: float) -> float:
    """A quantile of values with shares, straight between the middles of two."""
    whole = sum(share for _, share in parts)
    below, last = 0.0, (parts[0][0], 0.0)
    for value, share in parts:
        middle = (below + share / 2) / whole
        if middle >= rank:
            before, at = last
            return before + (value - before) * (rank - at) / (middle - at) if middle > at else value
        below, last = below + share, (value, middle)
    return parts[-1][0]


@partial(calibration.cache_until_reload, size=64)
def _states(deployment: Deployment, workload: Workload, family: str) -> tuple[State, ...]:
    most = most_running(deployment, workload)
    if not most:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache.")
    steps = (most ** (i / (STATES - 1)) for i in range(STATES))
    found = []
    for users in sorted({round(x) for x in steps}):
        load = replace(workload, concurrency=users)
        made = calibration.estimates(deployment, load, family=family).apart()
        found.append(State(users, made.served, made.ceiling))
    return tuple(found)


@partial(calibration.cache_until_reload, size=64)
def _intervals(
    deployment: Deployment, users: int, workload: Workload, family: str
) -> dict[str, tuple[float, float, str]]:
    load = replace(workload, concurrency=users)
    made = calibration.estimates(deployment, load, family=family)
    out = {}
    for mean in ("output_tok_s", *MEANS.values()):
        e = made.of(mean, bounded=False)
        out[mean] = (e.low / e.value, e.high / e.value, e.reason)
    return out


def at_rate(
    deployment: Deployment, workload: Workload, rate_rps: float, *, family: str | None = None
) -> AtRate:
    """Predict a deployment to which requests come at a rate.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    rate_rps : float
        Requests a second, at random moments [requests/s].
    family : str, optional
        Family of the engine; that of the deployment if omitted.

    Returns
    -------
    AtRate
        Requests in flight, percentiles of latencies, and the rate at which it breaks.

    Raises
    ------
    BadInput
        When the rate is no number above 0, or the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> calm, busy = (at_rate(one, Workload(1000, 200), rate) for rate in (1.0, 10.0))
    >>> calm.percentile("ttft", 95).value < busy.percentile("ttft", 95).value
    True
    """
    number("rate_rps", rate_rps, 1e-9, 1e9, "requests/s")
    made = AtRate(deployment, workload, rate_rps, family or deployment.engine.family)
    _ = made.states
    return made


def rate_within(deployment: Deployment, workload: Workload, slo: Slo) -> Estimate:
    """Compute the most requests a second within limits on latencies.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    slo : Slo
        Limits to meet: of means and percentiles. Rent and price are not looked at.

    Returns
    -------
    Estimate
        Rate at which the estimates meet every limit; `low` and `high` are those at which
        the unfavourable and the favourable ends of the intervals do, the ceiling what
        the spec sheet allows. 0 where no rate does [requests/s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Tail
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> within = rate_within(one, Workload(1000, 200), Slo(tails=(Tail("itl", 95, 0.030),)))
    >>> within.low < within.value < within.high <= within.ceiling
    True
    """
    widest = at_rate(deployment, workload, 1.0)
    answered = widest.most_answered_rps

    def most(end: str, top: float) -> float:
        low, high = 0.0, top
        while high - low > CLOSE * top:
            middle = (low + high) / 2
            if _holds(replace(widest, rate_rps=middle), slo, end):
                low = middle
            else:
                high = middle
        return low

    ends = {end: most(end, getattr(answered, by)) for end, by in _ENDS.items()}
    value, ceiling = ends["value"], max(ends.values())
    low, high = min(ends["high"], value), max(ends["low"], value)
    return Estimate(value, low, high, ceiling, answered.reason)


# The end of a latency's interval, and that of the rate at which it is reached.
_ENDS = {"value": "value", "high": "low", "low": "high", "ceiling": "ceiling"}


def _holds(load: AtRate, slo: Slo, end: str) -> bool:
    asked = [(t.quantity, t.percent, t.bound_s) for t in slo.tails]
    means = (("itl", slo.itl_s), ("ttft", slo.ttft_s))
    every = [*asked, *((name, None, bound_s) for name, bound_s in means if bound_s is not None)]
    return all(load.end_s(name, percent, end) <= bound_s for name, percent, bound_s in every)


def copies(rate_rps: float, each: Estimate) -> Estimate:
    """Count the copies of a deployment that serve a rate.

    Parameters
    ----------
    rate_rps : float
        Requests a second of all [requests/s].
    each : Estimate
        Rate that one serves, as `rate_within` gives it [requests/s].

    Returns
    -------
    Estimate
        Copies; infinite where one serves nothing within the limits.

    Examples
    --------
    >>> copies(10.0, Estimate(3.0, 2.0, 4.0, 6.0, ""))
    Estimate(value=4, low=3, high=5, ceiling=2, reason='')
    """

    def count(one: float) -> float:
        return math.ceil(rate_rps / one) if one > 0 else math.inf

    return Estimate(
        count(each.value), count(each.high), count(each.low), count(each.ceiling), each.reason
    )
