"""One candidate of a search, in the fewest copies that hold the load.

It is judged by the limits of its card (`cards.card`), on the estimate. `many_copies` takes the same
steps for many candidates at once.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import NamedTuple

from ..spec import Deployment, Slo, Workload
from .cards import Card, card
from .limits import meets as met
from .space import sequences

MOST_COPIES = 10_000


@dataclass(frozen=True)
class Choice(Card):
    """The card of one candidate of a search, and how many copies of it hold the load.

    Attributes
    ----------
    copies : int
        Copies; each has its share of the users, and `card`'s numbers are those of one copy.
    number : int
        Its place in the space.
    """

    copies: int = 1
    number: int = 0

    @property
    def usd_h_all(self) -> float:
        """Rent of all copies [USD/h]."""
        return self.copies * self.usd_h

    @property
    def title(self) -> str:
        """The deployment, and how many copies of it there are."""
        title = self.deployment.title
        return f"{self.copies:,} copies of {title}" if self.copies > 1 else title

    @property
    def short_title(self) -> str:
        """The same without the model."""
        d = self.deployment
        cards = d.title.split(" / ")[1]
        copies = f"{self.copies:,} x (" if self.copies > 1 else ""
        engine = "" if d.engine.family == "vllm" else f", {d.engine.family}"
        end = ")" if copies else ""
        return f"{copies}{cards}, {d.weights.name} weights, {d.kv.name} KV{engine}{end}"


class Asked(NamedTuple):
    """What every candidate is asked.

    Attributes
    ----------
    workload : Workload
        Prompt, answer, shared prefix, and the users of all copies.
    slo : Slo
        Limits to meet; its rent is that of all copies.
    most_copies : int
        Most copies of a deployment.
    rate : float or None
        Requests that arrive each second, in place of users [requests/s].
    """

    workload: Workload
    slo: Slo
    most_copies: int = 1
    rate: float | None = None


def judged(deployment: Deployment, asked: Asked, number: int = 0) -> Choice:
    """Judge one candidate, in the fewest copies that hold the load.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load and the limits.
    number : int
        Its place in the space.

    Returns
    -------
    Choice
        Its card; where no number of copies meets the limits, that of one copy.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> many = Asked(WORKED_WORKLOAD, WORKED_SLO, most_copies=4)
    >>> [judged(d, many).copies for d in worked_spec()[1:]]
    [1, 1]
    """

    at = _cards_of(deployment, asked, number)
    copies, users = _copies(at, asked)
    return at(copies, users)


def within_rent(deployment: Deployment, asked: Asked, number: int = 0) -> Choice | None:
    """Judge one candidate in as many copies as the rent allows, where they answer a rate.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load with its rate, and the limits.
    number : int
        Its place in the space.

    Returns
    -------
    Choice or None
        Its card with the fewest requests in flight that answer the rate, whatever latencies they
        have: no fewer copies have shorter ones. None where they answer less, or without a rate.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> asked = Asked(WORKED_WORKLOAD, WORKED_SLO, most_copies=8, rate=2.0)
    >>> found = within_rent(worked_spec()[1], asked)
    >>> found.copies * found.usd_h <= WORKED_SLO.usd_h < (found.copies + 1) * found.usd_h
    True
    """
    at, copies = _cards_of(deployment, asked, number), _affordable(deployment, asked)
    if asked.rate is None or not copies or not at(1, 1).starts:
        return None
    most, needed = at(1, 1).max_concurrent, asked.rate / copies
    users = 1 + bisect_left(range(1, most + 1), needed, key=lambda n: answered_rps(at(1, n)))
    return at(copies, users) if users <= most else None


def could_hold(deployment: Deployment, asked: Asked) -> bool:
    """Say whether some number of copies meets every limit, without looking for the fewest.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load, of users, and the limits.

    Returns
    -------
    bool
        Whether as many copies as the rent allows do: fewer users never make a latency longer.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> [could_hold(d, Asked(WORKED_WORKLOAD, WORKED_SLO)) for d in worked_spec()]
    [False, True, False]
    """
    copies = _affordable(deployment, asked)
    if not copies:
        return False
    one = _cards_of(deployment, asked, 0)(1, -(-asked.workload.concurrency // copies))
    return met(one.ledger, one.estimates, one.slo)


def answered_rps(one: Choice) -> float:
    """Give the requests that one copy answers.

    Parameters
    ----------
    one : Choice
        The card of a candidate, at the users of one copy.

    Returns
    -------
    float
        Its output over the tokens of an answer [requests/s].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> one = judged(worked_spec()[1], Asked(WORKED_WORKLOAD, WORKED_SLO))
    >>> round(answered_rps(one) * 1000 / one.expected.output_tok_s.value)
    1
    """
    return one.expected.output_tok_s.value / one.workload.output_tokens


def _affordable(deployment: Deployment, asked: Asked) -> int:
    """The most copies that the rent allows."""
    rent, each = asked.slo.usd_h, deployment.usd_h_all
    if rent is None or not each:
        return asked.most_copies
    return min(asked.most_copies, math.floor(rent / each * (1 + 1e-9)))


def _cards_of(deployment: Deployment, asked: Asked, number: int) -> Callable[[int, int], Choice]:
    """The cards of a candidate, by its copies and the users of one."""

    @cache  # limits and rates are asked of the same card
    def at(copies: int, users: int) -> Choice:
        slo = asked.slo
        if slo.usd_h is not None and copies > 1:
            slo = replace(slo, usd_h=slo.usd_h / copies)
        seqs = sequences(deployment.engine, deployment.max_num_seqs, users)
        own = seqs == deployment.max_num_seqs
        d = deployment if own else replace(deployment, max_num_seqs=seqs)
        one = card(d, replace(asked.workload, concurrency=users), slo)
        values = {f.name: getattr(one, f.name) for f in fields(Card)}
        return Choice(**values, copies=copies, number=number)

    return at


def _copies(at: Callable[[int, int], Choice], asked: Asked) -> tuple[int, int]:
    """Fewest copies that meet all limits but the rent, and the users of each."""
    users, most = asked.workload.concurrency, asked.most_copies

    def meets(share: int) -> bool:
        one = at(1, share)
        return met(one.ledger, one.estimates, one.slo)

    if asked.rate is not None:
        return _copies_for_rate(at, meets, asked.rate, most)
    if most == 1:
        return 1, users
    # the largest share that is met, by bisection: more users never make a latency shorter, and
    # those of the most copies are the fewest that one may have
    room, low = at(1, 1).max_concurrent, -(-users // most)
    if low > room or (users <= room and meets(users)) or not meets(low):
        return 1, users
    high = min(users, room + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if meets(middle) else (low, middle)
    copies = -(-users // low)
    return copies, -(-users // copies)


def _copies_for_rate(
    at: Callable[[int, int], Choice], meets: Callable[[int], bool], rate: float, most: int
) -> tuple[int, int]:
    """Copies that answer a rate of requests, and the requests in flight of each.

    Users who ask again at once keep as many requests in flight as a rate does (Little's law).
    """

    def rate_of(users: int) -> float:
        return answered_rps(at(1, users))

    if not meets(1):
        return 1, 1
    users = 1
    while meets(2 * users) and rate_of(users) < rate:
        users *= 2
    low, high = users, 2 * users
    while high - low > max(1, low // 16):  # within a sixteenth: estimates are no closer
        middle = (low + high) // 2
        low, high = (middle, high) if meets(middle) else (low, middle)
    copies = max(1, math.ceil(rate / rate_of(low)))
    if copies > most:
        return most, high  # more are in flight than the limits allow
    fewest, most_users = 0, low
    while most_users - fewest > 1:
        middle = (fewest + most_users) // 2
        enough = rate_of(middle) >= rate / copies
        fewest, most_users = (fewest, middle) if enough else (middle, most_users)
    return copies, most_users
