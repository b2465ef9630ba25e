"""Why a candidate of a search is not its answer, in words."""

from dataclasses import dataclass

from ..explain import quantity
from ..spec import Deployment
from .copies import Choice, Requirements, answered_rps, cards_of
from .limits import MISSED, UNLIKELY, Limit

FAR = 3.0  # from here on a limit is missed by a factor, and not by a share


@dataclass(frozen=True)
class Reason:
    """Why a candidate is not the answer.

    Attributes
    ----------
    choice : Choice
        The candidate.
    misses : tuple of Limit
        Limits it misses, worst first; empty where it meets all of them.
    dearer_usd_h : float or None
        Rent above the winner's; None without a winner or a price [USD/h].
    sentence : str
        The same in words.
    """

    choice: Choice
    misses: tuple[Limit, ...]
    dearer_usd_h: float | None
    sentence: str


def reason_for(
    choice: Choice,
    best: Choice | None,
    asked: Requirements | None = None,
    deployment: Deployment | None = None,
) -> Reason:
    """Say why a candidate is not the answer, or why it is.

    Parameters
    ----------
    choice : Choice
        A candidate.
    best : Choice or None
        The answer; None where nothing meets every limit.
    asked : Requirements, optional
        What every candidate is asked: a rate is then part of the reason.
    deployment : Deployment, optional
        The candidate's place in the space, before its limit on sequences is that of its users.

    Returns
    -------
    Reason
        Limits that it misses and by how much, or how much dearer it is.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> from llmcap_kernel.design.copies import Requirements, judge
    >>> asked = Requirements(WORKED_WORKLOAD, WORKED_SLO)
    >>> small, best = (judge(d, asked) for d in worked_spec()[:2])
    >>> reason_for(small, best).sentence
    'impossible: room for 0 of 16 users'
    """
    misses = tuple(limit for limit in choice.limits if not limit.holds)
    comparable = best is not None and best.usd_h_all and choice.usd_h_all
    extra_usd_h = choice.usd_h_all - best.usd_h_all if best is not None and comparable else None
    if misses:
        why = "; ".join(map(missed_by, misses))
        if asked is not None and asked.rate is not None:
            why = _under_the_rate(choice, asked, deployment or choice.deployment, why)
    elif best is None or choice.number == best.number:
        why = f"the answer; {choice.binding}"
    else:
        why = _beside(choice, best)
    return Reason(choice, misses, extra_usd_h, why)


def missed_by(limit: Limit) -> str:
    """Say by how much a limit is missed.

    Parameters
    ----------
    limit : Limit
        A limit that is not met.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> missed_by(card(worked_spec()[0], WORKED_WORKLOAD, WORKED_SLO).limits[0])
    'impossible: room for 0 of 16 users'
    """
    over = ""
    if limit.verdict in (UNLIKELY, MISSED) and limit.headroom and limit.name != "capacity":
        factor = 1 / limit.headroom
        over = f" by {factor - 1:.0%}" if factor < FAR else f" by a factor of {factor:,.3g}"
    return f"{limit.words}{over}: {limit.sentence}"


def _under_the_rate(
    choice: Choice, asked: Requirements, deployment: Deployment, missed: str
) -> str:
    """Say what a candidate misses at a rate, and the rate at which it saturates."""
    rate, copies, users = asked.rate or 0.0, choice.copies, choice.workload.concurrency
    if not choice.starts:
        return "does not start: no request has room"
    copy_rps = answered_rps(cards_of(deployment, asked, choice.number)(1, choice.max_concurrent))
    if copies * copy_rps < rate:
        saturation = f"{copies:,} copies saturate" if copies > 1 else "saturates"
        answers = f"{saturation} at {copies * copy_rps:.3g} requests/s of the {rate:g} asked"
    elif copies > 1:
        answers = f"one saturates at {copy_rps:.3g} requests/s of the {rate:g} asked; {copies:,}"
        answers += f" answer them with {users:,} in flight each"
    else:
        answers = f"answers {rate:g} requests/s with {users:,} in flight"
    return f"{answers}: {missed}"


def _beside(choice: Choice, best: Choice) -> str:
    """Compare a candidate that meets every limit with the answer."""
    if not (choice.usd_h_all and best.usd_h_all and choice.usd_mtok and best.usd_mtok):
        return f"meets every limit too: {choice.binding}"
    extra_usd_h = choice.usd_h_all - best.usd_h_all
    price = quantity(choice.usd_mtok.value, "USD/Mtok")
    rent = quantity(choice.usd_h_all, "USD/h")
    if abs(extra_usd_h) < 0.005:
        best_price = quantity(best.usd_mtok.value, "USD/Mtok")
        return f"meets every limit at the same rent, {price} against {best_price}"
    direction = "more" if extra_usd_h > 0 else "less"
    share = abs(extra_usd_h) / best.usd_h_all
    return (
        f"meets every limit at {rent}, {quantity(abs(extra_usd_h), 'USD/h')} or {share:.0%} "
        f"{direction}; {price} of output"
    )
