"""Results of a simulation: percentiles with intervals, goodput and the saturation rate."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from .. import calibration
from ..refuse import BadInput, number, one_of
from ..spec import Deployment, Slo, Workload
from .arrivals import Request
from .loop import Completed, Run, simulate
from .percentiles import MEANS
from .steps import Room, Steps, Times, room_of

QUANTITIES = ("ttft", "itl", "tpot", "e2e")
PERCENTS = (50.0, 90.0, 95.0, 99.0)


class Band(NamedTuple):
    """A number with the band that the intervals of the means give.

    These hold four measured means of five; the share of percentiles in a band is not known.

    Attributes
    ----------
    value, low, high : float
        The estimate and its bounds.
    """

    value: float
    low: float
    high: float


def weighted(values: Iterable[tuple[float, int]], percents: Sequence[float]) -> tuple[float, ...]:
    """Compute percentiles of values that occur several times.

    Parameters
    ----------
    values : iterable of (float, int)
        A value, and how often it occurs.
    percents : sequence of float
        From 0 to 100.

    Returns
    -------
    tuple of float
        The smallest value that so many percent of all do not exceed; 0 where there is none.

    Examples
    --------
    >>> weighted([(0.02, 98), (0.5, 2)], (50, 99))
    (0.02, 0.5)
    """
    ordered = sorted(values)
    if not ordered:
        return (0.0,) * len(percents)
    ranks = list(accumulate(count for _, count in ordered))
    indices = (bisect_left(ranks, percent / 100 * ranks[-1]) for percent in percents)
    return tuple(ordered[min(index, len(ordered) - 1)][0] for index in indices)


def values(run: Run, quantity: str) -> list[tuple[float, int]]:
    """List the values of a quantity in a run.

    Parameters
    ----------
    run : Run
        The run.
    quantity : str
        "ttft" and "e2e" of every request, "tpot" of every answer of two tokens or more, or
        "itl", every gap between two tokens.

    Returns
    -------
    list of (float, int)
        A value, and how often it occurs [s].

    Raises
    ------
    BadInput
        When the quantity is not known.

    Examples
    --------
    >>> values(Run((Completed(0, 0, 0, 2, 3, 9, 5),), ()), "tpot")
    [(0.25, 1)]
    """
    one_of("quantity", quantity, QUANTITIES)
    if quantity == "itl":
        return run.gaps
    requests = (
        request for request in run.completed if quantity != "tpot" or request.output_tokens > 1
    )
    return [(getattr(request, f"{quantity}_s"), 1) for request in requests]


def duration_s(run: Run) -> float:
    """Compute the time from the first request to the last token.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    float
        As a benchmark's client measures it; 0 where nothing was answered [s].

    Examples
    --------
    >>> duration_s(Run((Completed(1, 1, 1, 2, 3, 9, 5),), ()))
    2
    """
    completed = run.completed
    if not completed:
        return 0.0
    return max(request.last_s for request in completed) - min(
        request.sent_s for request in completed
    )


def offered_rps(requests: Sequence[Request]) -> float:
    """Compute the mean rate at which requests come, where they do not wait for an answer.

    Parameters
    ----------
    requests : sequence of Request
        A load.

    Returns
    -------
    float
        Of all requests, turns included, over the time until the last that follows no other; 0
        where users wait for an answer first, or all come at once [requests/s].

    Examples
    --------
    >>> offered_rps([Request(0, 9, 9), Request(1, 9, 9), Request(4, 9, 9)])
    0.5
    """
    independent = [one.arrival_s for one in requests if one.after < 0]
    span_s = max(independent) - min(independent)
    return len(requests) * (1 - 1 / len(independent)) / span_s if span_s else 0.0


def goodput_rps(run: Run, slo: Slo) -> float:
    """Compute the rate of requests that each meet every limit.

    Parameters
    ----------
    run : Run
        The run.
    slo : Slo
        Limits on the first token and on the mean gap of a request, and on what its percentiles are
        of, which each request is held to; without any, all are good.

    Returns
    -------
    float
        Good requests over `duration_s`, as vLLM's client counts them [requests/s].

    Examples
    --------
    >>> run = Run((Completed(0, 0, 0, 2, 3, 9, 5), Completed(0, 0, 0, 1, 4, 9, 5)), ())
    >>> goodput_rps(run, Slo()), goodput_rps(run, Slo(ttft_s=1.5))
    (0.5, 0.25)
    """
    span_s = duration_s(run)
    return sum(_meets(request, slo) for request in run.completed) / span_s if span_s else 0.0


def _meets(request: Completed, slo: Slo) -> bool:
    latencies = {
        "ttft": request.ttft_s,
        "itl": request.tpot_s,
        "tpot": request.tpot_s,
        "e2e": request.e2e_s,
    }
    bounds = [("ttft", slo.ttft_s), ("itl", slo.itl_s)]
    bounds += [(tail.quantity, tail.bound_s) for tail in slo.tails]
    return all(latencies[name] <= limit for name, limit in bounds if limit)


def saturates_rps(requests: Sequence[Request], times: Times, room: Room) -> float:
    """Compute the highest rate that the cards can answer.

    Parameters
    ----------
    requests : sequence of Request
        A load; only its lengths count.
    times : Times
        Times of steps.
    room : Room
        The cache, and the engine's limits.

    Returns
    -------
    float
        With the batch as large as room and limits allow, the answers that its steps complete
        between the prompts of the next ones [requests/s].

    Examples
    --------
    >>> class Plain:
    ...     decode_s = lambda self, n, context: 0.010 + 0.0002 * n
    ...     prompt_s = lambda self, start, stop, first, last: 0.0
    ...     together_s = lambda self, decode_s, prompts_s, *both: decode_s + prompts_s
    ...     request_s = lambda self, tokens: 0.0
    >>> room = Room(sequences=100, batched_tokens=2048, block_tokens=16, bytes=10**9)
    >>> round(saturates_rps([Request(0, 10, 400)], Plain(), room), 2)
    8.35
    """
    count = len(requests)
    prompt, answer, cached = (
        sum(per(one) for one in requests) / count
        for per in (lambda r: r.input_tokens, lambda r: r.output_tokens, _cached)
    )
    block = room.block_tokens
    context = prompt + answer / 2
    request_bytes = room.held_bytes(math.ceil((prompt + answer) / block))
    own_bytes = max(request_bytes - room.held_bytes(int(cached / block)), 1)
    max_running = min(room.sequences, max(room.bytes // own_bytes, 1))
    last = max(round(prompt), 1)
    first = min(round(cached), last - 1)
    computed = last - first
    # a slot is used by a prompt for one step, and then by its answer; for each answer that a step
    # decodes it also has to compute a part of the next prompt
    taken = room.step_tokens if room.mixes else 0.0
    most = room.batched_tokens / (taken + computed / answer) if room.mixes else max_running
    decoding = max(min(round(max_running * (1 - 1 / answer)), int(most)), 1)
    decode_s = times.decode_s(decoding, decoding * context)
    if room.mixes:
        pieces = math.ceil(computed / max(room.batched_tokens - decoding * taken, 1))
        prompts_s = times.prompt_s(first, last, first, last) / pieces
        tokens = math.ceil(computed / pieces)
        stall_s = (times.together_s(decode_s, prompts_s, decoding, tokens) - decode_s) * pieces
    else:  # nothing is decoded meanwhile, so a pass shares its weights with other prompts alone
        prompts = _prompts_of_a_pass(decoding / answer, room.batched_tokens / computed)
        stall_s = times.pass_s([(first, last, first, last)] * prompts) / prompts
    return 1 / (max(answer - 1, 0) * decode_s / decoding + max(stall_s, 0.0) or math.inf)


def _prompts_of_a_pass(freed: float, most: float) -> int:
    """Count the prompts that one pass computes: those whose places the step before it has freed."""
    return max(round(min(freed, most)), 1)


def _cached(request: Request) -> int:
    """Count the prompt tokens that earlier requests leave in an unlimited prefix cache."""
    return sum(length for key, length in request.prefix if key is not None)


@dataclass(frozen=True)
class Simulated:
    """A load on a deployment, simulated at the estimate and at either end of its interval.

    Attributes
    ----------
    run, fast, slow : Run
        With the times of steps as estimated, at the low end of their interval, at the high end.
    factors : dict
        By quantity: the ends of the interval of its mean, over its value.
    saturates : Band
        The rate that the cards cannot exceed [requests/s].
    reason : str
        Why the interval is as wide as it is.
    """

    run: Run
    fast: Run
    slow: Run
    factors: dict[str, tuple[float, float]]
    saturates: Band
    reason: str

    def percentile(self, quantity: str, percent: float) -> Band:
        """Give a percentile.

        Parameters
        ----------
        quantity : str
            One of `QUANTITIES`.
        percent : float
            From 0 to 100.

        Returns
        -------
        Band
            With its interval: as far as faster or slower steps move it, queues included, and
            no narrower than the interval of the mean [s].
        """
        number("percent", percent, 0, 100)
        value, *ends = (
            percentiles[percent] for percentiles in self._percentiles(quantity, percent)
        )
        return _band(value, *ends, *(value * factor for factor in self.factors[quantity]))

    def mean(self, quantity: str) -> Band:
        """Give the mean, which is what a benchmark reports beside its percentiles.

        Parameters
        ----------
        quantity : str
            One of `QUANTITIES`.

        Returns
        -------
        Band
            With its interval, as that of a percentile [s].
        """
        value, *ends = (_mean(values(run, quantity)) for run in (self.run, self.fast, self.slow))
        return _band(value, *ends, *(value * factor for factor in self.factors[quantity]))

    def goodput(self, slo: Slo) -> Band:
        """Give the rate of requests that meet every limit.

        Parameters
        ----------
        slo : Slo
            The limits.

        Returns
        -------
        Band
            With its interval [requests/s].
        """
        return _band(*(goodput_rps(run, slo) for run in (self.run, self.fast, self.slow)))

    def _percentiles(self, quantity: str, percent: float) -> list[dict[float, float]]:
        """Compute percentiles of the three runs, with all of `PERCENTS` at once."""
        percents = PERCENTS if percent in PERCENTS else (percent,)
        key = quantity, percents
        if key not in self._found:
            self._found[key] = [
                dict(zip(percents, weighted(values(run, quantity), percents), strict=True))
                for run in (self.run, self.fast, self.slow)
            ]
        return self._found[key]

    @cached_property
    def _found(self) -> dict[tuple[str, tuple[float, ...]], list[dict[float, float]]]:
        return {}


def _mean(counted: Sequence[tuple[float, int]]) -> float:
    """The mean of values that occur several times; 0 where there is none."""
    return sum(value * count for value, count in counted) / max(sum(n for _, n in counted), 1)


def _band(value: float, *ends: float) -> Band:
    return Band(value, min(value, *ends), max(value, *ends))


def estimated(
    deployment: Deployment,
    requests: Sequence[Request],
    *,
    progress: Callable[[float], bool | None] | None = None,
) -> Simulated:
    """Simulate a load on a deployment with estimated times.

    Two more runs scale every step to the fast and the slow end of the interval of the mean gap
    between tokens (`calibration.estimates`), and their queues follow.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    requests : sequence of Request
        The load.
    progress : callable, optional
        Is told the share that is done, now and then; False stops it.

    Returns
    -------
    Simulated
        Percentiles and rates, with intervals.

    Raises
    ------
    BadInput
        When the engine does not start, or a request has no room.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> band = estimated(d, [Request(0.0, 1000, 100)]).percentile("ttft", 95)
    >>> band.low < band.value < band.high
    True
    """
    _within_the_window(deployment, requests)
    room = room_of(deployment, requests)
    steps = Steps(deployment, calibration.efficiency_for(deployment))
    runs: list[Run] = []

    def report(share: float) -> bool | None:
        return progress((len(runs) + share) / 3) if progress else None

    runs.append(simulate(requests, steps, room, report))
    factors, reason = _factors(deployment, requests, runs[0])
    scaled_steps = [steps.scaled(factor) for factor in factors["itl"]]
    for scaled_times in scaled_steps:
        stopped = runs[-1].stopped
        runs.append(runs[0] if stopped else simulate(requests, scaled_times, room, report))
    all_times: tuple[Times, ...] = (steps, *scaled_steps)
    rates = _band(*(saturates_rps(requests, times, room) for times in all_times))
    return Simulated(runs[0], runs[1], runs[2], factors, rates, reason)


def _within_the_window(deployment: Deployment, requests: Sequence[Request]) -> None:
    """Reject a request that is longer than the model's window."""
    window = deployment.model.max_context_tokens
    for index, request in enumerate(requests, 1):
        total_tokens = request.input_tokens + request.output_tokens
        if total_tokens > window:
            raise BadInput(
                "requests",
                f"request {index:,} has {total_tokens:,} tokens of prompt and answer: "
                f"{deployment.model.name} takes {window:,}.",
            )


def saturation(deployment: Deployment, requests: Sequence[Request]) -> float:
    """Compute the highest rate that a deployment can answer, as `saturates_rps` does.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    requests : sequence of Request
        A load; only its lengths count.

    Returns
    -------
    float
        At the estimate [requests/s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> saturation(d, [Request(0, 1000, 500)]) > 10
    True
    """
    _within_the_window(deployment, requests)
    steps = Steps(deployment, calibration.efficiency_for(deployment))
    return saturates_rps(requests, steps, room_of(deployment, requests))


def _factors(
    deployment: Deployment, requests: Sequence[Request], run: Run
) -> tuple[dict[str, tuple[float, float]], str]:
    """Compute the ends of the means' intervals relative to their values, and the evidence."""
    count = len(requests)
    load = Workload(
        max(round(sum(estimate.input_tokens for estimate in requests) / count), 1),
        max(round(sum(estimate.output_tokens for estimate in requests) / count), 1),
        max(round(_decoding(run)), 1),
    )
    estimates = calibration.estimates(deployment, load)
    means = {quantity: estimates.of(name) for quantity, name in MEANS.items()}
    factors = {
        name: (estimate.low / estimate.value, estimate.high / estimate.value)
        for name, estimate in means.items()
    }
    return factors, means["itl"].reason


def _decoding(run: Run) -> float:
    """Compute the mean sequences in a batch, over the time in which there is one."""
    busy = [group for group in run.groups if group.decoding]
    busy_s = sum(group.steps * group.step_s for group in busy)
    return sum(g.steps * g.step_s * g.decoding for g in busy) / busy_s if busy else 1.0
