"""Requests a second that one deployment answers within limits."""

from collections.abc import Callable
from dataclasses import replace

from .. import calibration
from ..calibration import Estimate
from ..serving import most_running
from ..simulation.open_loop import FULL
from ..simulation.rates import at_rate, ceiling_loop
from ..spec import Deployment, Slo, Workload
from .limits import estimated, latency_limits

CLOSE = 1 / 128  # of a rate: no interval is known more closely


def requests_within(deployment: Deployment, workload: Workload, slo: Slo | None = None) -> Estimate:
    """Find the most requests a second that one deployment answers within limits.

    Without a limit on a latency it is the rate beyond which they queue without end.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer and shared prefix; its concurrency is not used.
    slo : Slo, optional
        Limits to meet; the rent does not depend on the rate.

    Returns
    -------
    Estimate
        The highest rate at which the estimates meet every limit on a latency. `low` and `high` are
        those at which the unfavourable and the favourable ends of the intervals do, and the
        ceiling is the rate that the spec sheet allows [requests/s].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> requests_within(a, WORKED_WORKLOAD, WORKED_SLO).value
    0.0
    >>> any_wait, short = (requests_within(b, WORKED_WORKLOAD, x) for x in (None, WORKED_SLO))
    >>> short.low <= short.value <= any_wait.value <= any_wait.high <= any_wait.ceiling
    True
    """
    limits = replace(slo or Slo(), usd_h=None, usd_mtok=None)
    return _requests_within(deployment, replace(workload, concurrency=1), limits)


@calibration.cache_until_reload
def _requests_within(deployment: Deployment, workload: Workload, slo: Slo) -> Estimate:
    if not most_running(deployment, workload):
        return Estimate(0.0, 0.0, 0.0, 0.0, "memory: the engine does not start")
    idle, best = at_rate(deployment, workload, CLOSE), ceiling_loop(deployment, workload)
    loop, limits = idle.open_loop, latency_limits(slo)
    faster, slower, reason = idle.interval_factors("output_tok_s")
    most_rps, high_rps = loop.most_rps, loop.most_rps / faster
    ceiling_rps = max(best.most_rps, most_rps)
    if not limits:
        high_rps = min(high_rps, ceiling_rps)
        return Estimate(most_rps, most_rps / slower, high_rps, ceiling_rps, reason)

    def used(rate_rps: float, end: str) -> float:
        """Compute the largest share of a limit that is used, at one end of its interval."""
        made = at_rate(deployment, workload, rate_rps)
        found = estimated(made, slo, made.percentile)
        return max(getattr(limit.estimate, end) / limit.bound for limit in found)

    value_rps = loop.within_rps(limits)
    low_rps = _last(lambda rate: used(rate, "high"), 0.0, value_rps)
    within_rps = _last(lambda rate: used(rate, "low"), value_rps, FULL * most_rps)
    if within_rps < FULL * most_rps:
        high_rps = within_rps  # else nothing but the queue binds there
    ceiling_rps = max(best.within_rps(limits), value_rps)
    return Estimate(value_rps, low_rps, min(high_rps, ceiling_rps), ceiling_rps, reason)


def _last(used: Callable[[float], float], low: float, high: float) -> float:
    """Find the last rate at which `used`, which increases, is at most 1, from one where it is."""
    if high <= low or used(high) <= 1:
        return high
    least = CLOSE * high
    while high - low > CLOSE * max(high, least):
        middle = (low + high) / 2
        low, high = (middle, high) if used(middle) <= 1 else (low, middle)
    return low
