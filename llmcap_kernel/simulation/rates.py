"""Percentiles where requests come at a rate, whether others are answered or not.

Requests come at random moments (Poisson). With n of them in flight a deployment answers as many a
second as a closed loop of n users does: `serve` gives that rate. So the requests in flight are a
birth and death process, whose states have their exact shares, and each state has the latencies of
its closed loop. With steps `a + b n` and no prefill their number is negative binomial, exactly.

Prompts come at the rate, however many are in flight: while a step lasts, `rate x step` of them on
average. Those that come while others' are computed are computed next, so they come in clumps: each
prompt brings `rate x waited` more, and these theirs, as in a branching process with immigration.
Where prompts have steps of their own, as many go into one as come while another is computed: more
than of users who ask again when they are answered, since nobody is answered meanwhile.

How many are in flight varies apart from what a step carries and how long a start takes: both are
added as the sides of a right angle. All of it is written once, for a float and for an array.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from .. import calibration, catalog, explain
from ..calibration import Estimate, Estimates
from ..explain import Line
from ..numeric import Number, between, exp, interval, log, maximum, minimum, some, somewhere, where
from ..once import cached_property
from ..refuse import BadInput, number, one_of
from ..serving import Served, most_running
from ..spec import TAILED, Deployment, Workload
from .in_flight import Law, knots, law_of
from .percentiles import MEANS, ceiling_s, in_order
from .queues import check_percent, md1_wait_percentile_s, met_in_a_pass, poisson
from .spread import DOUBTED, Spread, quantile_s, spread_at_rate

FULL = 0.99  # of the rate that is answered, and of the time that prompts take, at most
BREAKS = 0.95  # of the rate that is answered, where the end of an interval lies beyond all of it
HALVINGS = 30  # of a rate, to a billionth
PASSES = 3  # turns from the prompts of a pass to its time and back
MOST_MET = 16  # prompts beyond which a pass takes as long as they together
CLOSE = 1e-4  # of a rate: two rates that near are one
NUMBERS = [name for name in Spread._fields if name not in ("tokens_per_step", "answers")]


class Arriving(Spread):
    """What latencies are made of while so many are in flight, and prompts come at a rate."""

    @property
    def added_s(self) -> Number:
        """What a prompt adds to the steps that compute it; all of it where decoding pauses [s]."""
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
        alone = self.full_s == math.inf
        passes_s = maximum(minimum(queue_s, self.prompt_s), full_s)
        return self.prompt_s + where(alone, passes_s, queue_s)

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
        waits = minimum(self.added_s * self.busy / self.service_s, FULL)
        met = poisson(prompts, percent / 100, 1 / (1 - waits) ** 2)
        return self.step_s + met * self.added_s / self.output_tokens

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
        return self.pass_s + self.request_s + worse(sum(waits_s), sum(gaps_s))


class Flights:
    """A deployment, or a stack of them, by the requests in flight.

    Parameters
    ----------
    users : sequence of int or array
        Numbers of requests in flight, as `knots` has them.
    rates_rps : sequence of float or array
        Requests that are answered a second with as many [requests/s].
    fields : dict of str to float, or sequence of float or array
        What their latencies are made of, by the names of `Spread`; one number where all are alike.
    like : Spread
        What is no number.
    """

    def __init__(
        self,
        users: Sequence[Number],
        rates_rps: Sequence[Number],
        fields: dict[str, Any],
        like: Spread,
    ) -> None:
        rising = list(rates_rps)
        for i in range(1, len(rising)):  # more in flight never answer fewer
            rising[i] = maximum(rising[i], rising[i - 1] * (1 + 1e-9))
        self.users: Any = some(users)
        self.loops_s: Any = some([n / rate for n, rate in zip(users, rising, strict=True)])
        self.fields: dict[str, Any] = {
            n: x if isinstance(x, float) else some(x) for n, x in fields.items()
        }
        self.like = like

    def only(self, at: Any) -> "Flights":
        """Keep some deployments of a stack.

        Parameters
        ----------
        at : array of int
            Their places.

        Returns
        -------
        Flights
            Of these.
        """
        kept = object.__new__(Flights)
        kept.like = self.like
        kept.users, kept.loops_s = self.users[:, at], self.loops_s[:, at]
        kept.fields = {
            n: column[:, at] if hasattr(column, "__array__") else column
            for n, column in self.fields.items()
        }
        kept.most_rps = self.most_rps[at]
        return kept

    @cached_property
    def most_rps(self) -> Number:
        """Most requests answered a second, whatever is in flight [requests/s]."""
        users = self.users[-1]
        if not self.apart:
            return users / self.loops_s[-1]
        low, high = 0.0 * users, 1 / self._column("least_s")[-1] + 0.0 * users
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            fewer = middle * self._round_s(-1, middle) < users
            low, high = where(fewer, middle, low), where(fewer, high, middle)
        return low

    @property
    def apart(self) -> bool:
        """Whether prompts have steps of their own: of all, or of none."""
        longest_s = self.like.full_s  # a number where all are alike
        return not hasattr(longest_s, "__array__") and longest_s == math.inf

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
        names = ("request_s", "pass_s", "queue_s", "output_tokens", "step_s", "last_s", "least_s")
        request_s, pass_s, queue_s, tokens, step_s, prompt_s, least_s = (
            self._column(name)[i] for name in names
        )
        each_s = prompt_each_s(rate_rps, prompt_s, step_s, least_s)
        paused = minimum(rate_rps * each_s, FULL)
        return request_s + pass_s + queue_s + tokens * step_s / (1 - paused)

    def _column(self, name: str) -> Any:
        column = self.fields[name]
        return [column] * len(self.users) if isinstance(column, float) else column

    def at(self, rate_rps: Number) -> "Flying":
        """Let requests come at a rate.

        Parameters
        ----------
        rate_rps : float or array
            Requests a second, below what is answered at most [requests/s].

        Returns
        -------
        Flying
            Who is in flight then, and for how long.
        """
        return Flying(self, rate_rps)

    def within_rps(self, limits: Sequence[tuple[str, float, float]]) -> float:
        """Find the largest rate at which percentiles stay within their limits.

        Parameters
        ----------
        limits : sequence of (str, float, float)
            A quantity, a percent, and the longest time [s].

        Returns
        -------
        float
            Of one deployment; 0 where no rate does [requests/s].
        """
        low, high = 0.0, FULL * self.most_rps
        while high - low > CLOSE * self.most_rps:
            middle = (low + high) / 2
            there = self.at(middle)
            if all(there.percentile_s(what, at) <= bound_s for what, at, bound_s in limits):
                low = middle
            else:
                high = middle
        return low


def prompt_each_s(rate_rps: Number, prompt_s: Number, step_s: Number, least_s: Number) -> Number:
    """Compute what each prompt takes of the passes that prompts have for themselves.

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
    pass_s, met = prompt_s, 1.0
    for _ in range(PASSES):
        met = met_in_a_pass(rate_rps=rate_rps, pass_s=pass_s, step_s=step_s)
        # beside the first, as many as chance has it; a pass over one is the shortest
        pass_s, share = met * least_s, exp(1 - met)
        for n in range(1, MOST_MET):
            shorter_s = prompt_s - n * least_s
            if not somewhere(shorter_s > 0):
                break
            pass_s = pass_s + share * maximum(shorter_s, 0.0)
            share = share * (met - 1) / n
    return maximum(pass_s / met, least_s)


@dataclass(frozen=True)
class Flying:
    """Requests in flight where they come at a rate.

    Attributes
    ----------
    flights : Flights
        A deployment, or a stack of them.
    rate_rps : float or array
        Requests a second, below what is answered at most [requests/s].
    """

    flights: Flights
    rate_rps: Number

    @cached_property
    def law(self) -> Law:
        """Shares of the numbers of requests in flight."""
        return law_of(self.flights.users, self.flights.rounds_s(self.rate_rps), self.rate_rps)

    def spread(self, users: Number) -> Arriving:
        """List what latencies are made of while so many are in flight.

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
        low, share = interval(self.flights.users, users)
        held: dict[str, Any] = {
            name: column if isinstance(column, float) else between(column, low, share)
            for name, column in self.flights.fields.items()
        }
        found = Arriving(*self.flights.like)._replace(**held)
        if self.flights.apart:
            taken_s = (found.last_s, found.step_s, found.least_s)
            found = found._replace(service_s=prompt_each_s(rate_rps, *taken_s))
        busy = minimum(rate_rps * found.service_s, FULL)
        # of the time, what prompts add to steps; those who come meanwhile are computed next, and
        # where decoding pauses until none is left, before the next token
        mixed, waits = found.full_s < math.inf, minimum(rate_rps * found.added_s, FULL)
        own_s = found.service_s / found.output_tokens  # who come while its prompt is computed, too
        met = rate_rps * found.mean_tokens * (found.step_s + own_s) / (1 - waits)
        met = where(found.waited_s > 0, met, 0.0)
        clump = where(mixed, 1 - waits * waits, (1 - waits) ** 2)
        return found._replace(
            full=minimum(met * found.own_full, 1.0),
            last=met * found.own_last,
            clump=where(found.own_full < 1, 1 / clump, 1.0),
            busy=busy,
        )

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
        law = self.law
        usual, rare = self.spread(minimum(1 + law.mean, law.most)), self.spread(law.found(percent))
        if quantity == "itl":
            usual, rare = (
                one._replace(full=minimum(one.full * times, 1.0), last=one.last * times)
                for one in (usual, rare)
            )
        within_s, beside_s = quantile_s(usual, quantity, percent), quantile_s(rare, quantity, 50)
        if percent < 50:
            return minimum(within_s, beside_s)
        # what varies apart is off as the sides of a right angle are long
        middle_s = quantile_s(usual, quantity, 50)
        off_s = [maximum(one - middle_s, 0.0) for one in (within_s, beside_s)]
        found = middle_s + (off_s[0] * off_s[0] + off_s[1] * off_s[1]) ** 0.5
        if quantity in ("itl", "tpot"):
            return found
        # who waits for room does so while each place in the line takes an answer's time
        spare_rps = self.flights.most_rps - self.rate_rps
        room_s = log(maximum(law.waiting / (1 - percent / 100), 1.0)) / spare_rps
        late_s = room_s + quantile_s(self.spread(law.most), quantity, 50)
        return where(room_s > 0, maximum(found, late_s), found)


@partial(calibration.cache_until_reload, size=2048)
def flights(deployment: Deployment, workload: Workload, family: str | None = None) -> Flights:
    """Ask the law of a deployment at some numbers of requests in flight.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    family : str, optional
        Family of the engine; that of the deployment if omitted.

    Returns
    -------
    Flights
        From one request to as many as are in progress at once.

    Raises
    ------
    BadInput
        When the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> 10 < flights(one, Workload(1000, 200)).most_rps < 100
    True
    """
    most = most_running(deployment, workload)
    if not most:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache.")
    users = knots(most)
    served = [_apart(deployment, workload, n, family).served for n in users]
    return of_served(users, served)


def of_served(users: Sequence[Number], served: Sequence[Served]) -> Flights:
    """Take the closed loops of as many users as are in flight.

    Parameters
    ----------
    users : sequence of int
        Numbers of requests in flight.
    served : sequence of Served
        The loop of each, none of whose users ask at the same moment.

    Returns
    -------
    Flights
        Of one deployment.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> loops = [serve(one, Workload(1000, 200, users)) for users in (1, 8)]
    >>> of_served((1, 8), loops).most_rps == loops[1].output_tok_s / 200
    True
    """
    rates = [one.output_tok_s / one.work.output_tokens for one in served]
    spreads = [spread_at_rate(one) for one in served]
    columns = {name: [float(getattr(one, name)) for one in spreads] for name in NUMBERS}
    alike = {name: column[0] for name, column in columns.items() if len(set(column)) == 1}
    return Flights(users, rates, columns | alike, spreads[0])


def _apart(deployment: Deployment, workload: Workload, users: int, family: str | None) -> Estimates:
    load = replace(workload, concurrency=users)
    return calibration.estimates(deployment, load, family=family).at_random_times()


@dataclass(frozen=True)
class AtRate:
    """A deployment to which requests come at a rate.

    Attributes
    ----------
    estimates : Estimates
        Users at once, about as many as the rate keeps in flight, none of whom ask at the same
        moment: their ceiling bounds percentiles from below.
    rate_rps : float
        Requests a second [requests/s].
    """

    estimates: Estimates
    rate_rps: float

    @cached_property
    def flights(self) -> Flights:
        """The deployment by the requests in flight."""
        load = self.estimates.served.workload or Workload(1, 1)
        alone = replace(load, concurrency=1)
        return flights(self.estimates.deployment, alone, self.estimates.family)

    @property
    def answered(self) -> bool:
        """Whether the rate is below what is answered at most."""
        return self.rate_rps < self.flights.most_rps

    @cached_property
    def in_flight(self) -> float:
        """Mean requests in flight, those that wait for room included."""
        return float(self.flights.at(self.rate_rps).law.mean) if self.answered else math.inf

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
            Value, interval and ceiling [s]. An end follows from steps that are as much faster or
            slower as the interval of the mean gap has it, queues included, and is no nearer than
            that of its own mean; where such steps no longer answer the rate, it is that at 95%
            of what they answer.

        Raises
        ------
        BadInput
            When the quantity is not known, the percent is not between 0 and 100, or
            the rate is more than is served.
        """
        quantity = one_of("quantity", quantity, TAILED)
        check_percent(percent)
        most = self.flights.most_rps
        if not self.answered:
            message = f"rate_rps is {self.rate_rps:g}: this deployment serves at most {most:.3g}"
            raise BadInput(
                "rate_rps", f"{message} requests/s, so its queue would grow without end."
            )
        ceiling = ceiling_s(self.estimates.ceiling, quantity, percent)
        steps, means = (self.estimates.interval_factors(MEANS[name]) for name in ("itl", quantity))

        def end_s(end: str, at: float, name: str) -> float:
            faster, slower = catalog.table("tails")["widths"][name]
            low = end == "low"
            time, mean = (cast("float", one[not low]) for one in (steps, means))
            # where every time is so much longer, as many more come in the time of a step
            rate = min(self.rate_rps * time, max(BREAKS * most, self.rate_rps))
            loads = ((self.rate_rps, mean), (rate, time))
            times = 1 / DOUBTED if low else DOUBTED
            found = (
                factor * self.flights.at(there).percentile_s(quantity, at, times=times)
                for there, factor in loads
            )
            return min(found) / faster if low else max(found) * slower

        low, high = in_order(end_s, quantity, percent)
        value = max(self.flights.at(self.rate_rps).percentile_s(quantity, percent), ceiling)
        return Estimate(value, min(max(low, ceiling), value), max(high, value), ceiling, means[2])

    def derived(self, quantity: str, percent: float) -> tuple[Line, ...]:
        """List how a percentile comes about.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        tuple of Line
            The requests in flight, the steps with prompts, and the percentile.
        """
        there = self.flights.at(self.rate_rps)
        middle, rare = (there.law.found(p) for p in (50, percent))
        usual = there.spread(middle)
        flight = f"{middle:,.3g} at p50, {rare:,.3g} at p{percent:g}"
        value = self.percentile(quantity, percent).value
        made = "requests in flight and what a step carries, each at its percentile"
        return (
            Line("in flight", f"births at {self.rate_rps:.3g}/s, deaths as answered", "", flight),
            Line("steps with a prompt", "of another, of all steps", "", f"{usual.stalled:.1%}"),
            Line(f"{quantity} p{percent:g}", made, "", explain.quantity(value, "s")),
        )


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
        Requests a second [requests/s].
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
    found = flights(deployment, replace(workload, concurrency=1), family)
    usual = found.at(min(rate_rps, FULL * found.most_rps)).law.found(50)
    return AtRate(_apart(deployment, workload, max(round(usual), 1), family), rate_rps)
