"""Number of users that one deployment serves within limits."""

from collections.abc import Callable
from dataclasses import replace

from .. import calibration, capacity, serving
from ..calibration import Estimate
from ..explain import counted, ordinal, quantity
from ..simulation.percentiles import percentile, users_in_prompts
from ..spec import Deployment, Slo, Tail, Workload
from .cards import Card
from .limits import Limit, estimated

NEAR_A_JUMP = 0.01  # of a rate: within it a percentile goes from one side of a jump to the other


def users_within(deployment: Deployment, workload: Workload, slo: Slo | None = None) -> Estimate:
    """Count the users that one deployment serves at once before a limit is missed.

    Their number is limited by memory, by the engine's limit on concurrent sequences,
    and by the latencies that are set.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo, optional
        Limits to meet; the rent does not depend on the users.

    Returns
    -------
    Estimate
        Most users for whom the estimates meet every limit. `low` and `high` are the
        most for whom the unfavourable and the favourable ends of the intervals do, and
        the ceiling the most that the spec sheet allows.

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
    return _users_within(deployment, replace(workload, concurrency=1), slo or Slo())


@calibration.cache_until_reload
def _users_within(deployment: Deployment, workload: Workload, slo: Slo) -> Estimate:
    ledger = capacity.workload_ledger(deployment, workload)
    if not ledger.starts:
        return Estimate(0, 0, 0, 0, "memory: the engine does not start")
    top = serving.most_running(deployment, workload)
    compared: dict[int, list[Limit]] = {}

    def used(users: int, end: str) -> float:
        """Largest share of a limit that is used, at one end of its interval."""
        if not users:
            return 0.0
        if users not in compared:
            load = replace(workload, concurrency=users)
            found = estimated(calibration.estimates(deployment, load), slo)
            latencies = (limit for limit in found if limit.unit == "s")
            compared[users] = sorted(latencies, key=lambda limit: limit.headroom)
        return max((getattr(x.estimate, end) / x.bound for x in compared[users]), default=0.0)

    def most(end: str, low: int, high: int) -> int:
        """Find the last number within the limits, between the nearest that were compared."""
        low = max((n for n in compared if low < n <= high and used(n, end) <= 1), default=low)
        high = min((n for n in compared if low < n < high and used(n, end) > 1), default=high)
        return _last(lambda n: used(n, end), low, high)

    value = most("value", 0, top)
    few = most("high", 0, value)
    if few == top:
        what = "memory" if top == ledger.max_concurrent else "the engine's limit on sequences"
        return Estimate(top, top, top, top, f"{what} alone: every latency holds at all who fit")
    many = most("low", value, top)
    ceiling = most("ceiling", many, top)
    used(max(value, 1), "value")
    reason = compared[max(value, 1)][0].estimate.reason
    return Estimate(value, few, many, ceiling, reason)


def why_no_more(deployment: Deployment, workload: Workload, slo: Slo, most: Estimate) -> str:
    """Say that a percentile of the gaps jumps at the next user, where that is what binds.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo
        Limits to meet.
    most : Estimate
        Users within them, as `users_within` gives it.

    Returns
    -------
    str
        One sentence; empty where something else binds.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Tail
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="fp8")
    >>> load, slo = Workload(7000, 1000), Slo(tails=(Tail("itl", 95, 0.050),))
    >>> why_no_more(d, load, slo, users_within(d, load, slo))[:62]
    'With more than 55 users, over 5% of the gaps have another user'
    """
    for tail in slo.tails:
        longer = 1 - tail.percent / 100
        if tail.quantity != "itl" or not most.value:
            continue
        edge = users_in_prompts(deployment, workload, longer)
        if not edge - 1 <= most.value <= edge:
            continue
        now_s, then_s = (
            percentile(
                calibration.estimates(deployment, replace(workload, concurrency=users)),
                "itl",
                tail.percent,
            ).value
            for users in (int(most.value), int(most.value) + 1)
        )
        if then_s <= tail.bound_s:
            continue
        return _jump(f"With more than {counted(int(most.value), 'user')}", tail, now_s, then_s)
    return ""


def _jump(beyond: str, tail: Tail, now_s: float, then_s: float) -> str:
    """Say where a percentile of the gaps jumps, and what lifts it."""
    return (
        f"{beyond}, over {100 - tail.percent:g}% of the gaps have another user's prompt in them, "
        f"and the {ordinal(tail.percent)} percentile goes from {quantity(now_s, 's')} to "
        f"{quantity(then_s, 's')}: longer answers, or a limit above that, lift this."
    )


def why_no_faster(card: Card) -> str:
    """Say that a percentile of the gaps jumps at a higher rate, where that is what binds.

    Parameters
    ----------
    card : Card
        A deployment under a rate.

    Returns
    -------
    str
        One sentence; empty where something else binds, or there is no rate that it answers.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.design import card
    >>> from llmcap_kernel.spec import Tail
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="fp8")
    >>> load, slo = Workload(7000, 1000, 16), Slo(tails=(Tail("itl", 95, 0.050),))
    >>> why_no_faster(card(d, load, slo, rate_rps=1.0))[:64]
    'Beyond 1.8 requests/s of a copy, over 5% of the gaps have anothe'
    """
    if card.at_rate is None:
        return ""
    for tail in card.slo.tails:
        if tail.quantity != "itl":
            continue
        most = card.flights.within_rps([(tail.quantity, tail.percent, tail.bound_s)])
        below, above = (
            card.flights.at(most * share) for share in (1 - NEAR_A_JUMP, 1 + NEAR_A_JUMP)
        )
        carried, then = (
            one.spread(min(1 + one.law.mean, one.law.most)).stalled for one in (below, above)
        )
        if most and carried <= 1 - tail.percent / 100 < then:
            now_s, then_s = (one.percentile_s("itl", tail.percent) for one in (below, above))
            return _jump(f"Beyond {most:.3g} requests/s of a copy", tail, now_s, then_s)
    return ""


def most_users_load(deployment: Deployment, workload: Workload, slo: Slo | None = None) -> Workload:
    """Choose a load where no number of users is given: the most within the limits.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo, optional
        Limits to meet.

    Returns
    -------
    Workload
        The load with the most users for whom the limits are met, or who have room
        where none is set; with one user where there are none.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> most_users_load(b, WORKED_WORKLOAD, WORKED_SLO).concurrency > 16
    True
    """
    users = users_within(deployment, workload, slo).value
    return replace(workload, concurrency=max(int(users), 1))


def most_words(card: Card) -> str:
    """Say what the users of `most_users_load` are the most of.

    Parameters
    ----------
    card : Card
        The deployment under that load.

    Returns
    -------
    str
        What they do: "have room", "meet the limits", or what the engine does with them.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> b = worked_spec()[1]
    >>> most_words(card(b, most_users_load(b, WORKED_WORKLOAD)))
    'have room'
    """
    d, users, slo = card.deployment, card.workload.concurrency, card.slo
    if users == d.seqs_limit * d.attention_replicas < card.max_concurrent:
        return "the engine runs at once"
    return "meet the limits" if slo.itl_s or slo.ttft_s or slo.tails else "have room"


def _last(used: Callable[[int], float], low: int, high: int) -> int:
    """Find the last whole number at which `used`, which increases, is at most 1.

    `used` is at most 1 at `low`. This is the Illinois variant of regula falsi: the
    value at the end that stays is halved, so that both ends move.
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
