"""Number of users that one deployment serves within limits."""

from collections.abc import Callable
from dataclasses import replace

from .. import calibration, capacity, serving
from ..calibration import Estimate
from ..explain import counted, ordinal, quantity
from ..simulation.percentiles import percentile, users_in_prompts
from ..spec import Deployment, Slo, Tail, Workload
from .cards import Card
from .limits import Limit, estimated, latency_limits

NEAR_A_JUMP = 0.01  # share of a rate within which a percentile crosses its jump


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
    max_running = serving.most_running(deployment, workload)
    shares = _Shares(deployment, workload, slo)
    users_value = shares.most("value", 0, max_running)
    min_users = shares.most("high", 0, users_value)
    if min_users == max_running:
        in_memory = max_running == ledger.max_concurrent
        bound = "memory" if in_memory else "the engine's limit on sequences"
        reason = f"{bound} alone: every latency holds at all who fit"
        return Estimate(max_running, max_running, max_running, max_running, reason)
    max_users = shares.most("low", users_value, max_running)
    ceiling = shares.most("ceiling", max_users, max_running)
    reason = shares.limits(max(users_value, 1))[0].estimate.reason
    return Estimate(users_value, min_users, max_users, ceiling, reason)


class _Shares:
    """The shares of the limits on latencies that numbers of users use, each estimated once."""

    def __init__(self, deployment: Deployment, workload: Workload, slo: Slo) -> None:
        self.deployment, self.workload, self.slo = deployment, workload, slo
        self.kept: dict[int, list[Limit]] = {}

    def limits(self, users: int) -> list[Limit]:
        """List the limits on latencies, least headroom first."""
        if users not in self.kept:
            load = replace(self.workload, concurrency=users)
            limits = estimated(calibration.estimates(self.deployment, load), self.slo)
            latencies = (limit for limit in limits if limit.unit == "s")
            self.kept[users] = sorted(latencies, key=lambda limit: limit.headroom)
        return self.kept[users]

    def used(self, users: int, end: str) -> float:
        """Compute the largest share of a limit that is used, at one end of its interval."""
        if not users:
            return 0.0
        return max((getattr(x.estimate, end) / x.bound for x in self.limits(users)), default=0.0)

    def most(self, end: str, low: int, high: int) -> int:
        """Find the most users within the limits, starting from those compared before."""
        low = max((n for n in self.kept if low < n <= high and self.used(n, end) <= 1), default=low)
        high = min((n for n in self.kept if low < n < high and self.used(n, end) > 1), default=high)
        return _last(lambda n: self.used(n, end), low, high)


def why_no_more(deployment: Deployment, workload: Workload, slo: Slo, max_users: Estimate) -> str:
    """Explain that a percentile of the gaps jumps at the next user, where that binds.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    slo : Slo
        Limits to meet.
    max_users : Estimate
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
        if tail.quantity != "itl" or not max_users.value:
            continue
        jump_users = users_in_prompts(deployment, workload, longer)
        if not jump_users - 1 <= max_users.value <= jump_users:
            continue
        now_s, then_s = (
            percentile(
                calibration.estimates(deployment, replace(workload, concurrency=users)),
                "itl",
                tail.percent,
            ).value
            for users in (int(max_users.value), int(max_users.value) + 1)
        )
        if then_s <= tail.bound_s:
            continue
        return _jump(f"With more than {counted(int(max_users.value), 'user')}", tail, now_s, then_s)
    return ""


def _jump(opening: str, tail: Tail, now_s: float, then_s: float) -> str:
    """Write where a percentile of the gaps jumps, and what avoids it."""
    return (
        f"{opening}, over {100 - tail.percent:g}% of the gaps have another user's prompt in them, "
        f"and the {ordinal(tail.percent)} percentile goes from {quantity(now_s, 's')} to "
        f"{quantity(then_s, 's')}: longer answers, or a limit above that, lift this."
    )


def why_no_faster(card: Card) -> str:
    """Explain that a percentile of the gaps jumps at a higher rate, where that binds.

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
    'Beyond 1.74 requests/s of a copy, over 5% of the gaps have anoth'
    """
    if card.at_rate is None:
        return ""
    most_rps = card.open_loop.within_rps(latency_limits(card.slo))
    for tail in card.slo.tails:
        if tail.quantity != "itl":
            continue
        max_rps = card.open_loop.within_rps([(tail.quantity, tail.percent, tail.bound_s)])
        if not max_rps or most_rps < (1 - NEAR_A_JUMP) * max_rps:
            continue  # no rate is low enough, or another limit ends it before
        below, above = (
            card.open_loop.at(max_rps * share) for share in (1 - NEAR_A_JUMP, 1 + NEAR_A_JUMP)
        )
        stalled_below, stalled_above = (
            steady.spread(min(1 + steady.in_flight.mean, steady.in_flight.most)).stalled
            for steady in (below, above)
        )
        if stalled_below <= 1 - tail.percent / 100 < stalled_above:
            now_s, then_s = (steady.percentile_s("itl", tail.percent) for steady in (below, above))
            return _jump(f"Beyond {max_rps:.3g} requests/s of a copy", tail, now_s, then_s)
    return ""


def most_users_load(deployment: Deployment, workload: Workload, slo: Slo | None = None) -> Workload:
    """Set the users of a load to the most within the limits.

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
    """Say which bound the users of `most_users_load` reach.

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
    value at the end that stays is halved, so that both ends move. Dowell and Jarratt 1971,
    doi 10.1007/BF01934364.
    """
    if low >= high or used(high) <= 1:
        return high
    low_excess, high_excess = used(low) - 1, used(high) - 1
    while high - low > 1:
        guess = (
            round(low + (high - low) * low_excess / (low_excess - high_excess))
            if low_excess < high_excess
            else high
        )
        guess = min(max(guess, low + 1), high - 1)
        excess = used(guess) - 1
        if excess <= 0:
            low, low_excess, high_excess = guess, excess, high_excess / 2
        else:
            high, high_excess, low_excess = guess, excess, low_excess / 2
    return low
