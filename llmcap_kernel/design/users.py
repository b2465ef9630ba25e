"""How many users one deployment serves within its limits."""

from dataclasses import replace

from .. import serving
from ..calibration import Estimate
from ..spec import Slo, Workload
from .cards import card


def users_within(deployment, workload, slo=None) -> Estimate:
    """Count the users that one deployment serves at once before a limit is missed.

    Memory caps them, and the number of sequences the engine runs at once; without a
    limit nothing else does.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo, optional
        What must hold; its budget does not depend on the users.

    Returns
    -------
    Estimate
        Users up to whom the estimates hold every limit, `low` and `high` up to whom
        the unfavourable and the favourable ends of their intervals do, and the
        ceiling, up to whom the spec sheet allows it.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> users_within(a, WORKED_WORKLOAD, WORKED_SLO).value
    0
    >>> within = users_within(b, WORKED_WORKLOAD, WORKED_SLO)
    >>> 16 <= within.value <= within.high <= within.ceiling
    True
    """
    blank = card(deployment, workload, slo or Slo())
    if not blank.starts:
        return Estimate(0, 0, 0, 0, "memory: the engine does not start")
    top = serving.most_running(deployment, workload)
    compared: dict = {}

    def used(users, end):
        """The largest share of a limit that is used, by one end of its interval."""
        if not users:
            return 0.0
        if users not in compared:
            named = ("latency", "prefill")
            compared[users] = [x for x in blank.at(users).limits if x.name in named]
        return max((getattr(x.estimate, end) / x.bound for x in compared[users]), default=0.0)

    value = _last(lambda n: used(n, "value"), 0, top)
    few = _last(lambda n: used(n, "high"), 0, value)
    if few == top:
        return Estimate(top, top, top, top, "memory alone: every latency holds at all who fit")
    many = _last(lambda n: used(n, "low"), value, top)
    ceiling = _last(lambda n: used(n, "ceiling"), many, top)
    used(max(value, 1), "value")
    return Estimate(value, few, many, ceiling, compared[max(value, 1)][0].estimate.reason)


def most_users_load(deployment, workload, slo=None) -> Workload:
    """Give the load people ask about when they name no number of users.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo, optional
        What must hold.

    Returns
    -------
    Workload
        The same with the most users that meet the limits, or have room where none is
        set; one where none does.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> most_users_load(b, WORKED_WORKLOAD, WORKED_SLO).concurrency > 16
    True
    """
    users = users_within(deployment, workload, slo).value
    return replace(workload, concurrency=max(users, 1))


def _last(used, low, high):
    """Find the last whole number at which `used`, which grows, is 1 at most; `low` is one.

    Guesses lie on the line between the ends; the end that stays counts half
    from guess to guess, so that a bent curve is closed in from both sides.
    """
    if low >= high or used(high) <= 1:
        return high
    under, over = used(low) - 1, used(high) - 1
    while high - low > 1:
        guess = round(low + (high - low) * under / (under - over)) if under < over else high
        guess = min(max(guess, low + 1), high - 1)
        at = used(guess) - 1
        if at <= 0:
            low, under, over = guess, at, over / 2
        else:
            high, over, under = guess, at, under / 2
    return low
