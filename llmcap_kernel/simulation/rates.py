"""What a deployment is predicted to do with requests at a rate: means, percentiles, intervals.

Its closed loops, from one request in flight to as many as it runs at once, are timed by `serve` and
tabulated (`open_loop`). An interval's end follows from the same table with faster or slower steps,
queues included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from .. import calibration, catalog, explain
from ..calibration import Estimate, Estimates
from ..explain import Line
from ..numeric import Number
from ..once import cached_property
from ..refuse import BadInput, number, one_of
from ..serving import Served, most_running, serve
from ..spec import TAILED, Deployment, Workload, tail_name
from .in_flight import knots
from .open_loop import FULL, NUMBERS, OpenLoop, SteadyState
from .percentiles import MEANS, ceiling_s, in_order
from .queues import check_percent
from .spread import DOUBTED, spread_at_rate

BREAKS = 0.95  # share of the highest rate, used for an interval's end that lies beyond it


def open_loop_of(deployment: Deployment, workload: Workload, family: str | None = None) -> OpenLoop:
    """Tabulate a deployment at some numbers of requests in flight.

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
    OpenLoop
        From one request to as many as are in progress at once.

    Raises
    ------
    BadInput
        When the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> 10 < open_loop_of(one, Workload(1000, 200)).most_rps < 100
    True
    """
    return _open_loop(deployment, replace(workload, concurrency=1), family)


@partial(calibration.cache_until_reload, size=2048)
def _open_loop(deployment: Deployment, workload: Workload, family: str | None) -> OpenLoop:
    max_users = most_running(deployment, workload)
    if not max_users:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache.")
    users = knots(max_users)
    served = [_loop_estimates(deployment, workload, n, family).served for n in users]
    return of_served(users, served)


def ceiling_loop(deployment: Deployment, workload: Workload) -> OpenLoop:
    """Tabulate a deployment as `open_loop_of` does, at what the spec sheet allows.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.

    Returns
    -------
    OpenLoop
        With every efficiency 1.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one, load = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), Workload(1000, 200)
    >>> open_loop_of(one, load).most_rps < ceiling_loop(one, load).most_rps
    True
    """
    users = knots(most_running(deployment, workload))
    return of_served(users, [serve(deployment, replace(workload, concurrency=n)) for n in users])


def of_served(users: Sequence[Number], served: Sequence[Served]) -> OpenLoop:
    """Tabulate a deployment from its closed loops.

    Parameters
    ----------
    users : sequence of int
        Numbers of requests in flight.
    served : sequence of Served
        The loop of each, none of whose users ask at the same moment.

    Returns
    -------
    OpenLoop
        Of one deployment.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> loops = [serve(one, Workload(1000, 200, users)) for users in (1, 8)]
    >>> of_served((1, 8), loops).most_rps <= loops[1].output_tok_s / 200
    True
    """
    spreads = [spread_at_rate(loop) for loop in served]
    rates = [loop.steady_rps for loop in served]
    columns = {name: [float(getattr(loop, name)) for loop in spreads] for name in NUMBERS}
    constant = {name: column[0] for name, column in columns.items() if len(set(column)) == 1}
    in_flight = [1.0 * n for n in users]  # two floats are compared without a look for an array
    return OpenLoop(in_flight, rates, columns | constant, spreads[0])


def _loop_estimates(
    deployment: Deployment, workload: Workload, users: int, family: str | None
) -> Estimates:
    load = replace(workload, concurrency=users)
    return calibration.estimates(deployment, load, family=family).at_random_times()


# The mean latencies of users at once, and what each is of requests at a rate.
MEAN_OF = {MEANS[name]: name for name in ("itl", "ttft", "e2e")}


@dataclass(frozen=True)
class AtRate(Estimates):
    """The prediction of a deployment for requests at a rate.

    `served` has users at once, about as many as the rate keeps in flight, none of whom ask at the
    same moment. Their ceiling bounds latencies from below, and their means hold where the rate is
    more than is answered.

    Attributes
    ----------
    rate_rps : float
        Requests a second [requests/s].
    """

    rate_rps: float = math.inf

    @property
    def offered_tok_s(self) -> float:
        """Output tokens that the rate asks for [tok/s]."""
        return self.rate_rps * self.served.work.output_tokens

    @cached_property
    def open_loop(self) -> OpenLoop:
        """The deployment, tabulated by the number of requests in flight."""
        return open_loop_of(self.deployment, self.served.workload or Workload(1, 1), self.family)

    @property
    def answered(self) -> bool:
        """Whether the rate is below the highest that is answered."""
        return self.rate_rps < self.open_loop.most_rps

    @cached_property
    def in_flight(self) -> float:
        """Mean requests in flight, those that wait for room included."""
        return float(self.steady.in_flight.mean) if self.answered else math.inf

    @cached_property
    def steady(self) -> SteadyState:
        """Who is in flight at the rate, where it is answered."""
        return self.open_loop.at(self.rate_rps)

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
        value = self.percentile_s(quantity, percent)
        ceiling = ceiling_s(self.ceiling, quantity, percent)
        loads, reason = self._moved(MEANS[quantity])

        def end_s(end: str, at: float, name: str) -> float:
            faster, slower = catalog.table("tails")["widths"][name]
            low = end == "low"
            times = 1 / DOUBTED if low else DOUBTED
            ends_s = (
                factor * steady.percentile_s(quantity, at, times=times)
                for steady, factor in loads[end]
            )
            return min(ends_s) / faster if low else max(ends_s) * slower

        low, high = in_order(end_s, quantity, percent)
        return Estimate(value, min(max(low, ceiling), value), max(high, value), ceiling, reason)

    def _moved(self, mean: str) -> tuple[dict[str, tuple[tuple[SteadyState, float], ...]], str]:
        """List the steady states that each end follows from, with a factor on their times.

        Their steps are those of the estimate, with the factor of the mean itself, and steps as
        much faster or slower as the interval of the mean gap has it. With them comes the evidence.
        """
        fast, slow, _ = self.interval_factors("itl_s")
        faster, slower, reason = self.interval_factors(mean)
        most_rps = max(BREAKS * self.open_loop.most_rps, self.rate_rps)
        loads: dict[str, tuple[tuple[SteadyState, float], ...]] = {}
        for end, time, factor in (("low", fast, faster), ("high", slow, slower)):
            # slower steps by a factor are like a rate higher by that factor
            moved = self.open_loop.at(min(self.rate_rps * time, most_rps))
            loads[end] = (self.steady, factor), (moved, time)
        return loads, reason

    def value_of(self, quantity: str) -> float:
        """Compute the value of one quantity, without its interval.

        Parameters
        ----------
        quantity : str
            A quantity of `Served`.

        Returns
        -------
        float
            Of a mean latency and of the output that of requests at the rate, where it is answered;
            of all else that of users at once, in the quantity's own unit.
        """
        if quantity == "tok_s_user":
            return 1 / self.value_of("itl_s")
        if quantity == "output_tok_s" and self.answered:
            return self.offered_tok_s
        if quantity in MEAN_OF and self.answered:
            return float(self.steady.mean_s(MEAN_OF[quantity]))
        return super().value_of(quantity)

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
            Low and high end in the quantity's own unit, queues of slower steps included, and the
            evidence for them.
        """
        if quantity == "tok_s_user":
            low_s, high_s, reason = self.ends_of("itl_s", 1 / value)
            return 1 / high_s, 1 / low_s, reason
        if quantity == "output_tok_s" and self.answered:
            # slower steps keep more requests in flight, and answer as many until they saturate
            _, slower, reason = self.interval_factors(quantity)
            most_tok_s = self.open_loop.most_rps * self.served.work.output_tokens
            return min(most_tok_s / slower, value), value, reason
        if quantity not in MEAN_OF or not self.answered:
            return super().ends_of(quantity, value)
        loads, reason = self._moved(quantity)
        low, high = (
            [factor * float(one.mean_s(MEAN_OF[quantity])) for one, factor in loads[end]]
            for end in ("low", "high")
        )
        return min(low), max(high), reason

    def percentile_s(self, quantity: str, percent: float) -> float:
        """Compute the value of a percentile of a latency, without its interval.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        float
            That of `percentile`, at a fifth of its work [s].

        Raises
        ------
        BadInput
            As `percentile` raises it.
        """
        quantity = one_of("quantity", quantity, TAILED)
        check_percent(percent)
        if not self.answered:
            most_rps = self.open_loop.most_rps
            message = (
                f"rate_rps is {self.rate_rps:g}: this deployment serves at most {most_rps:.3g}"
            )
            raise BadInput(
                "rate_rps", f"{message} requests/s, so its queue would grow without end."
            )
        ceiling = ceiling_s(self.ceiling, quantity, percent)
        return float(max(self.steady.percentile_s(quantity, percent), ceiling))

    def derived_means(self) -> tuple[Line, ...]:
        """Derive the mean latencies in lines.

        Returns
        -------
        tuple of Line
            The requests in flight, and by Little's law the whole answer, the first token and the
            gap; none where the rate is not answered.
        """
        if not self.answered:
            return ()
        whole_s, first_s, gap_s = (
            explain.quantity(self.value_of(name), "s") for name in ("e2e_s", "ttft_mean_s", "itl_s")
        )
        rate, tokens = f"{self.rate_rps:.3g}/s", self.served.work.output_tokens
        in_flight = f"{self.in_flight:,.3g}"
        return (
            Line("in flight", f"births at {rate}, deaths as answered", "", in_flight),
            Line("answer", "in flight / rate", f"{in_flight} / {rate}", whole_s),
            Line("ttft at the rate", "room + request + others' prompts + own prompt", "", first_s),
            Line(
                "itl at the rate",
                "(answer - ttft) / output_tokens",
                f"({whole_s} - {first_s}) / {tokens:,}",
                gap_s,
            ),
        )

    def derived(self, quantity: str, percent: float) -> tuple[Line, ...]:
        """Derive a percentile in lines.

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
        steady = self.steady
        median_users, tail_users = (steady.in_flight.percentile(p) for p in (50, percent))
        typical = steady.spread(median_users)
        in_flight = f"{median_users:,.3g} at p50, {tail_users:,.3g} at p{percent:g}"
        value = self.percentile(quantity, percent).value
        words = "requests in flight and what a step carries, each at its percentile"
        return (
            Line(
                "in flight", f"births at {self.rate_rps:.3g}/s, deaths as answered", "", in_flight
            ),
            Line("steps with a prompt", "of another, of all steps", "", f"{typical.stalled:.1%}"),
            Line(tail_name(quantity, percent), words, "", explain.quantity(value, "s")),
        )


def at_rate(
    deployment: Deployment, workload: Workload, rate_rps: float, *, family: str | None = None
) -> AtRate:
    """Predict a deployment for requests at a rate.

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
    check_rate(rate_rps)
    open_loop = open_loop_of(deployment, workload, family)
    typical_users = open_loop.at(min(rate_rps, FULL * open_loop.most_rps)).in_flight.percentile(50)
    users = max(round(typical_users), 1)
    return with_rate(_loop_estimates(deployment, workload, users, family), rate_rps)


def with_rate(estimates: Estimates, rate_rps: float) -> AtRate:
    """Predict a deployment for requests at a rate, where those in flight are known.

    Parameters
    ----------
    estimates : Estimates
        Of as many users as the rate keeps in flight.
    rate_rps : float
        Requests a second [requests/s].

    Returns
    -------
    AtRate
        The prediction.

    Raises
    ------
    BadInput
        When the rate is no number above 0.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> at_once = calibration.estimates(one, Workload(1000, 200, 4))
    >>> with_rate(at_once, 2.0).ttft_s.value < at_once.ttft_s.value
    True
    """
    check_rate(rate_rps)
    steady = estimates.at_random_times()
    return AtRate(steady.deployment, steady.served, steady.family, rate_rps)


def check_rate(rate_rps: float) -> float:
    """Refuse what is no rate of requests.

    Parameters
    ----------
    rate_rps : float
        Requests a second [requests/s].

    Returns
    -------
    float
        The rate.

    Raises
    ------
    BadInput
        When it is no number above 0.

    Examples
    --------
    >>> check_rate(0.5)
    0.5
    """
    return number("rate_rps", rate_rps, 1e-9, 1e9, "requests/s")
