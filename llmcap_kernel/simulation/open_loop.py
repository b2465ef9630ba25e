"""Requests that come at a rate, whether others are answered or not (open loop): who is in flight.

Requests come at random moments (Poisson). With n of them in flight, a deployment answers as many a
second as a closed loop of n users does, and `serve` gives that rate. So the number in flight is a
birth-death process with an exact distribution, and each state has the latencies of its closed loop.
With steps `a + b n` and no prefill the number is exactly negative binomial.

Prompts come at the rate, however many are in flight: `rate x step` of them during a step, on
average. Those that come while prompts are computed are computed next, so they come in clumps: each
prompt brings `rate x waited` more, as in a branching process with immigration. Where prompts have
steps of their own, a step takes all that came during the last one. These are more than in a closed
loop, where nobody is answered meanwhile and so nobody asks again.

The number in flight varies independently of what a step carries and of how long a start takes, so
their deviations add up as the root of their squares. All of it is written once, for a float and for
an array; `rates` makes the table of a deployment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..numeric import Number, between, exp, interval, log, maximum, minimum, some, somewhere, where
from ..once import cached_property
from .in_flight import InFlight, in_flight_of
from .queues import md1_wait_percentile_s, poisson, prompts_per_pass
from .spread import HALVINGS, Spread, quantile_s

FULL = 0.99  # largest share of the highest rate, and of the time that prompts take
PASSES = 3  # iterations between the prompts of a pass and its time
MOST_MET = 16  # prompts above which the fixed time of a pass no longer counts
CLOSE = 1e-4  # relative accuracy of a rate
NUMBERS = [name for name in Spread._fields if name not in ("tokens_per_step", "answers")]


class Arriving(Spread):
    """The parts of the latencies with a number of requests in flight and prompts at a rate."""

    @property
    def added_s(self) -> Number:
        """Time that a prompt adds to the steps that compute it; all of it in own steps [s]."""
        steps = (self.own_full + self.own_last) * self.mean_tokens
        return self.service_s - where(self.full_s < math.inf, steps * self.step_s, 0.0)

    def wait_s(self, percent: float) -> Number:
        """Compute a percentile of the wait for the prefill of a prompt, including that prefill.

        Parameters
        ----------
        percent : float
            Percent of the requests that wait no longer.

        Returns
        -------
        float or array
            The wait, as in a queue of prompts that are alike. Where prompts have steps of their
            own, all who wait go into the next as far as it has tokens: for the pass that is
            computed, or in a queue of prompts that take what each takes of the fullest pass [s].
        """
        queue_s = md1_wait_percentile_s(percent=percent, busy=self.busy, service_s=self.service_s)
        full_s = md1_wait_percentile_s(
            percent=percent,
            busy=self.busy * self.least_s / self.service_s,
            service_s=self.least_s,
        )
        own_steps = self.full_s == math.inf
        passes_s = maximum(minimum(queue_s, self.prompt_s), full_s)
        return self.prompt_s + where(own_steps, passes_s, queue_s)

    def request_gap_s(self, percent: float) -> Number:
        """Compute a percentile of the mean gap of a request.

        Parameters
        ----------
        percent : float
            Percent of the requests whose mean gap is no longer.

        Returns
        -------
        float or array
            The gap: a step's, and the prompts that come while an answer is decoded [s].
        """
        steps = self.output_tokens / self.mean_tokens
        prompts = steps * (self.full + self.last) / maximum(self.own_full + self.own_last, 1.0)
        if self.pauses:
            arrivals = self.prompts(prompts, percent / 100)
        else:
            stalled_share = minimum(self.added_s * self.busy / self.service_s, FULL)
            arrivals = poisson(prompts, percent / 100, 1 / (1 - stalled_share) ** 2)
        return self.step_s + arrivals * self.added_s / self.output_tokens

    def whole_s(self, percent: float) -> Number:
        """Compute a percentile of the time to the last token.

        Parameters
        ----------
        percent : float
            Percent of the requests that take no longer.

        Returns
        -------
        float or array
            The time: a late first token, or long gaps [s].
        """
        worse = maximum if percent >= 50 else minimum
        waits_s, gaps_s = (
            (self.wait_s(wait), self.output_tokens * self.request_gap_s(gap))
            for wait, gap in ((percent, 50), (50, percent))
        )
        return self.unqueued_s + self.request_s + worse(sum(waits_s), sum(gaps_s))


class OpenLoop:
    """A deployment, or a stack of them, tabulated by the number of requests in flight.

    Parameters
    ----------
    users : sequence of int or array
        Numbers of requests in flight, as `knots` has them.
    rates_rps : sequence of float or array
        Requests that are answered a second with as many [requests/s].
    fields : dict of str to float, or sequence of float or array
        Fields of `Spread` at these numbers; a single number where all are equal.
    like : Spread
        A spread with the fields that are not numbers.
    """

    def __init__(
        self,
        users: Sequence[Number],
        rates_rps: Sequence[Number],
        fields: dict[str, Any],
        like: Spread,
    ) -> None:
        rising_rps = list(rates_rps)
        for i in range(1, len(rising_rps)):  # more in flight never answer fewer requests
            rising_rps[i] = maximum(rising_rps[i], rising_rps[i - 1] * (1 + 1e-9))
        self.users: Any = some(users)
        self.loops_s: Any = some([n / rate for n, rate in zip(users, rising_rps, strict=True)])
        self.fields: dict[str, Any] = {
            n: x if isinstance(x, float) else some(x) for n, x in fields.items()
        }
        self.like = like

    def only(self, at: Any) -> "OpenLoop":
        """Keep some deployments of a stack.

        Parameters
        ----------
        at : array of int
            Their places.

        Returns
        -------
        OpenLoop
            Of these.
        """
        subset = object.__new__(OpenLoop)
        subset.like = self.like
        subset.users, subset.loops_s = self.users[:, at], self.loops_s[:, at]
        subset.fields = {
            n: column[:, at] if hasattr(column, "__array__") else column
            for n, column in self.fields.items()
        }
        subset.most_rps = self.most_rps[at]
        return subset

    @cached_property
    def most_rps(self) -> Number:
        """Highest rate of requests that is answered [requests/s]."""
        users = self.users[-1]
        if not self.apart:
            return users / self.loops_s[-1]
        low, high = 0.0 * users, 1 / self._column("least_s")[-1] + 0.0 * users
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below_capacity = middle * self._round_s(-1, middle) < users
            low, high = where(below_capacity, middle, low), where(below_capacity, high, middle)
        return low

    @property
    def apart(self) -> bool:
        """Whether prompts have steps of their own, which holds for the whole stack or none."""
        return self.like.pauses

    def rounds_s(self, rate_rps: Number) -> Any:
        """Compute the time from a request to its answer, by the requests in flight.

        Parameters
        ----------
        rate_rps : float or array
            Requests a second [requests/s].

        Returns
        -------
        tuple of float, or array
            As `numeric.some` keeps them: of users who ask again, but where decoding pauses for
            prompts, which then come at the rate [s].
        """
        if not self.apart:
            return self.loops_s
        return some([self._round_s(i, rate_rps) for i in range(len(self.users))])

    def _round_s(self, i: int, rate_rps: Number) -> Number:
        def value(name: str) -> Number:
            return self._column(name)[i]

        step_s = value("step_s")
        per_prompt_s = prompt_each_s(rate_rps, value("last_s"), step_s, value("least_s"))
        paused_share = minimum(rate_rps * per_prompt_s, FULL)
        first_s = value("request_s") + value("unqueued_s") + value("queue_s")
        return first_s + value("output_tokens") * step_s / (1 - paused_share)

    def _column(self, name: str) -> Any:
        column = self.fields[name]
        return [column] * len(self.users) if isinstance(column, float) else column

    def at(self, rate_rps: Number) -> "SteadyState":
        """Predict requests at a rate.

        Parameters
        ----------
        rate_rps : float or array
            Requests a second, below what is answered at most [requests/s].

        Returns
        -------
        SteadyState
            Who is in flight then, and for how long.
        """
        return SteadyState(self, rate_rps)

    def within_rps(self, limits: Sequence[tuple[str, float | None, float]]) -> float:
        """Find the largest rate at which latencies stay within their limits.

        Parameters
        ----------
        limits : sequence of (str, float or None, float)
            A quantity, a percent or None for its mean, and the longest time [s].

        Returns
        -------
        float
            Of one deployment; 0 where no rate does [requests/s].
        """
        low, high = 0.0, FULL * self.most_rps
        while high - low > CLOSE * self.most_rps:
            middle = (low + high) / 2
            steady = self.at(middle)
            if all(steady.latency_s(what, percent) <= bound_s for what, percent, bound_s in limits):
                low = middle
            else:
                high = middle
        return low


def prompt_each_s(rate_rps: Number, prompt_s: Number, step_s: Number, least_s: Number) -> Number:
    """Compute the time of a pass per prompt, where prompts have steps of their own.

    Parameters
    ----------
    rate_rps : float or array
        Prompts a second [1/s].
    prompt_s, step_s : float or array
        A pass over one prompt, and a step of decoding [s].
    least_s : float or array
        What one takes of the fullest pass [s].

    Returns
    -------
    float or array
        Its share of a pass [s].

    Examples
    --------
    >>> round(prompt_each_s(10.0, 0.06, 0.01, 0.01), 3), prompt_each_s(10.0, 0.06, 0.01, 0.06)
    (0.051, 0.06)
    """
    pass_s, prompts = prompt_s, 1.0
    for _ in range(PASSES):
        prompts = prompts_per_pass(rate_rps=rate_rps, pass_s=pass_s, step_s=step_s)
        # the prompts after the first are Poisson; no pass is shorter than one over one prompt
        pass_s, share = prompts * least_s, exp(1 - prompts)
        for n in range(1, MOST_MET):
            excess_s = prompt_s - n * least_s
            if not somewhere(excess_s > 0):
                break
            pass_s = pass_s + share * maximum(excess_s, 0.0)
            share = share * (prompts - 1) / n
    return maximum(pass_s / prompts, least_s)


@dataclass(frozen=True)
class SteadyState:
    """A deployment, or a stack of them, with requests at a rate.

    Attributes
    ----------
    open_loop : OpenLoop
        A deployment, or a stack of them.
    rate_rps : float or array
        Requests a second, below what is answered at most [requests/s].
    """

    open_loop: OpenLoop
    rate_rps: Number

    @cached_property
    def in_flight(self) -> InFlight:
        """Distribution of the number of requests in flight."""
        users, rounds_s = self.open_loop.users, self.open_loop.rounds_s(self.rate_rps)
        return in_flight_of(users, rounds_s, self.rate_rps)

    def spread(self, users: Number) -> Arriving:
        """Compute the parts of the latencies with a number of requests in flight.

        Parameters
        ----------
        users : float or array
            Requests in flight.

        Returns
        -------
        Arriving
            That of as many users, with the prompts that come at the rate.
        """
        rate_rps = self.rate_rps
        low, share = interval(self.open_loop.users, users)
        columns: dict[str, Any] = {
            name: column if isinstance(column, float) else between(column, low, share)
            for name, column in self.open_loop.fields.items()
        }
        arriving = Arriving(*self.open_loop.like)._replace(**columns)
        if self.open_loop.apart:
            times_s = (arriving.last_s, arriving.step_s, arriving.least_s)
            arriving = arriving._replace(service_s=prompt_each_s(rate_rps, *times_s))
        busy = minimum(rate_rps * arriving.service_s, FULL)
        # the share of the time that prompts add to steps; prompts that come meanwhile are computed
        # next, and before the next token where decoding pauses for them
        stalled_share = minimum(rate_rps * arriving.added_s, FULL)
        # prompts that come during its own prefill count too
        own_wait_s = arriving.service_s / arriving.output_tokens
        arrivals = (
            rate_rps * arriving.mean_tokens * (arriving.step_s + own_wait_s) / (1 - stalled_share)
        )
        arrivals = where(arriving.waited_s > 0, arrivals, 0.0)
        return arriving._replace(
            full=minimum(arrivals * arriving.own_full, 1.0),
            last=arrivals * arriving.own_last,
            clump=where(arriving.own_full < 1, 1 / (1 - stalled_share * stalled_share), 1.0),
            busy=busy,
        )

    @cached_property
    def typical(self) -> Arriving:
        """The parts of the latencies with the mean number of requests in flight."""
        return self.spread(minimum(1 + self.in_flight.mean, self.in_flight.most))

    def mean_s(self, quantity: str) -> Number:
        """Compute the mean of a latency.

        By Little's law a request is in flight for the mean number of them over their rate. Before
        its first token it waits for room, where all that are in progress leave none, for other
        users' prompts and for its own. The rest is the gaps of its tokens.

        Parameters
        ----------
        quantity : str
            "itl", "ttft" or "e2e".

        Returns
        -------
        float or array
            The mean [s].

        References
        ----------
        Little 1961, doi 10.1287/opre.9.3.383.
        """
        whole_s, typical = self.in_flight.mean / self.rate_rps, self.typical
        if quantity == "e2e":
            return whole_s
        spare_rps = self.open_loop.most_rps - self.rate_rps
        prompts_s = typical.request_s + typical.unqueued_s + typical.queue_s
        first_s = self.in_flight.waiting / spare_rps + prompts_s
        if quantity == "ttft":
            return first_s
        return maximum((whole_s - first_s) / typical.output_tokens, typical.step_s)

    def percentile_s(self, quantity: str, percent: float, *, times: float = 1.0) -> Number:
        """Compute a percentile of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.
        times : float
            On the steps that carry prompts.

        Returns
        -------
        float or array
            The latency [s].
        """
        in_flight, typical = self.in_flight, self.typical
        crowded = self.spread(in_flight.percentile(percent))
        if quantity == "itl":
            typical, crowded = typical.carrying(times), crowded.carrying(times)
        typical_s = quantile_s(typical, quantity, percent)
        crowded_s = quantile_s(crowded, quantity, 50)
        if percent < 50:
            return minimum(typical_s, crowded_s)
        # independent deviations add up as the root of their squares
        middle_s = quantile_s(typical, quantity, 50)
        by_steps_s, by_users_s = (maximum(x - middle_s, 0.0) for x in (typical_s, crowded_s))
        value_s = middle_s + (by_steps_s * by_steps_s + by_users_s * by_users_s) ** 0.5
        if quantity in ("itl", "tpot"):
            return value_s
        # a request that waits for room waits for one answer per place in the queue
        spare_rps = self.open_loop.most_rps - self.rate_rps
        room_s = log(maximum(in_flight.waiting / (1 - percent / 100), 1.0)) / spare_rps
        queued_s = room_s + quantile_s(self.spread(in_flight.most), quantity, 50)
        return where(room_s > 0, maximum(value_s, queued_s), value_s)

    def latency_s(self, quantity: str, percent: float | None) -> Number:
        """Compute a percentile of a latency, or its mean.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float or None
            Percent of them that are no longer; None for the mean.

        Returns
        -------
        float or array
            The latency [s].
        """
        return self.mean_s(quantity) if percent is None else self.percentile_s(quantity, percent)
