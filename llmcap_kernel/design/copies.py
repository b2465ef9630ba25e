"""One candidate of a search, in the fewest copies that hold the load.

It is judged by the limits of its card (`cards.card`), on the estimate. `many_copies` takes the same
steps for many candidates at once.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import NamedTuple

from ..explain import quantity
from ..once import cached_property
from ..simulation.rates import Flights
from ..spec import Deployment, Slo, Workload
from .cards import Card, card
from .limits import Limit
from .limits import meets as met
from .space import sequences

MOST_COPIES = 10_000
DESK_CARDS = 8  # of a workstation, where nobody named the cards
MOST_DESK = 80_000
SPARE = 3  # deviations of a Poisson number, beside the usual one
Tails = tuple[tuple[str, float, float], ...]  # a latency, a percent, and the longest time


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

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """Those of a copy, and the rent that was asked of all of them."""
        own = super().limits
        if self.copies == 1:
            return own
        return tuple(x.of_copies(self.copies) if x.name == "budget" else x for x in own)

    @property
    def pace(self) -> str:
        """What a user waits and gets where no latency is limited, in a sentence; else ""."""
        made, slo = self.estimates, self.slo
        if made is None or slo.itl_s or slo.ttft_s or slo.tails:
            return ""
        wait, speed = quantity(made.ttft_s.value, "s"), quantity(made.tok_s_user.value, "tok/s")
        return f" No latency is limited: a user waits {wait}, then gets {speed}."

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
    desk_cards : int or None
        Most cards of a workstation in all copies; None for as many as it takes.
    """

    workload: Workload
    slo: Slo
    most_copies: int = 1
    rate: float | None = None
    desk_cards: int | None = None

    def most_of(self, place: str, num_gpus: int) -> int:
        """Most copies of a deployment.

        Parameters
        ----------
        place : str
            Where its cards stand: "desk" or "server".
        num_gpus : int
            Cards of one copy.

        Returns
        -------
        int
            At least one.
        """
        if place != "desk" or self.desk_cards is None:
            return self.most_copies
        return max(min(self.most_copies, self.desk_cards // num_gpus), 1)


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
        Its card; where no number of copies meets the limits, that of one copy, or of the fewest
        that answer a rate all the same.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> many = Asked(WORKED_WORKLOAD, WORKED_SLO, most_copies=4)
    >>> [judged(d, many).copies for d in worked_spec()[1:]]
    [1, 1]
    """

    at = cards_of(deployment, asked, number)
    return at(*_copies(at, asked, most_copies_of(deployment, asked)))


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
    at, copies = cards_of(deployment, asked, number), _affordable(deployment, asked)
    if asked.rate is None or not copies or not at(1, 1).starts:
        return None
    most = at(1, 1).max_concurrent
    users = _in_flight(at, asked.rate / copies, most)
    return at(copies, users) if users <= most else None


def most_answered_rps(deployment: Deployment, asked: Asked, least_rps: float = 0.0) -> float:
    """Count the requests a second that one copy answers within the limits.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load with its rate, and the limits.
    least_rps : float
        A rate below which the answer may be 0 [requests/s].

    Returns
    -------
    float
        With as many in flight as meet every limit but rent and price, percentiles being those of
        requests that come at random moments [requests/s].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> asked = Asked(WORKED_WORKLOAD, WORKED_SLO, rate=1000.0)
    >>> [round(most_answered_rps(d, asked), 1) > 0.5 for d in worked_spec()]
    [False, True, True]
    """
    at, tails = cards_of(deployment, asked, 0), _bounds(asked.slo)
    if not _meets(at, 1):
        return 0.0
    own = at(1, 1).deployment == deployment  # not told how many to run
    if own and least_rps and not _within(at(1, 1).flights, tails, least_rps):
        return 0.0
    users = range(1, at(1, 1).max_concurrent + 1)
    last = at(1, bisect_left(users, True, key=lambda n: not _meets(at, n)))
    most = answered_rps(last)
    return min(most, last.flights.within_rps(tails)) if tails else most


def holds_one(deployment: Deployment, asked: Asked) -> bool:
    """Say whether one request in flight meets every limit but rent and price.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load and the limits.

    Returns
    -------
    bool
        Whether it does; where it does not, no rate is within the limits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> [holds_one(d, Asked(WORKED_WORKLOAD, WORKED_SLO, rate=1.0)) for d in worked_spec()]
    [False, True, True]
    """
    return _meets(cards_of(deployment, asked), 1)


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
    if asked.slo.usd_mtok is not None:  # which fewer users make dearer
        return judged(deployment, asked).meets_all
    one = cards_of(deployment, asked, 0)(1, -(-asked.workload.concurrency // copies))
    return met(one.ledger, one.estimates, one.slo)


def answered_rps(one: Choice) -> float:
    """Give the requests that one copy answers while so many ask.

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
    return float(one.expected.served.output_tok_s) / one.workload.output_tokens


def most_copies_of(deployment: Deployment, asked: Asked) -> int:
    """Count the most copies that may be asked of a deployment.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        What every candidate is asked.

    Returns
    -------
    int
        As `Asked.most_of` has it for its cards.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
    >>> from llmcap_kernel.spec import Slo
    >>> most_copies_of(worked_spec()[1], Asked(WORKED_WORKLOAD, Slo(), 20, desk_cards=8))
    20
    """
    return asked.most_of(deployment.gpu.place, deployment.num_gpus)


def _affordable(deployment: Deployment, asked: Asked) -> int:
    """The most copies that the rent allows."""
    rent, each = asked.slo.usd_h, deployment.usd_h_all
    most = most_copies_of(deployment, asked)
    if rent is None or not each:
        return most
    return min(most, math.floor(rent / each * (1 + 1e-9)))


def cards_of(deployment: Deployment, asked: Asked, number: int = 0) -> Callable[[int, int], Choice]:
    """Give the cards of a candidate, by its copies and the users of one.

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
    callable
        From copies and the users of one to a card, which is kept.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> at = cards_of(worked_spec()[1], Asked(WORKED_WORKLOAD, WORKED_SLO))
    >>> at(2, 8).copies, at(2, 8).workload.concurrency
    (2, 8)
    """

    @cache  # limits and rates are asked of the same card
    def at(copies: int, users: int) -> Choice:
        slo = asked.slo
        if slo.usd_h is not None and copies > 1:
            slo = replace(slo, usd_h=slo.usd_h / copies)
        told = users if asked.rate is None else _slots(users)
        seqs = sequences(deployment.engine, deployment.max_num_seqs, told)
        own = seqs == deployment.max_num_seqs
        d = deployment if own else replace(deployment, max_num_seqs=seqs)
        load = replace(asked.workload, concurrency=users)
        one = card(d, load, slo, rate_rps=asked.rate and asked.rate / copies)
        values = {f.name: getattr(one, f.name) for f in fields(Card)}
        return Choice(**values, copies=copies, number=number)

    return at


def _slots(users: int) -> int:
    """Sequences that leave room where more than usual are in flight."""
    return users + math.ceil(SPARE * users**0.5)


def _meets(at: Callable[[int, int], Choice], users: int) -> bool:
    """Whether a copy with so many in flight meets every limit but the rent.

    Percentiles at a rate are not of so many, but of more and fewer: of one alone they are asked,
    since where that one is late every rate is.
    """
    one = at(1, users)
    # fewer copies make no token dearer, so a price never asks for more of them
    slo = replace(one.slo, usd_mtok=None)
    if one.rate_rps is not None and users > 1:
        slo = replace(slo, tails=())
    return met(one.ledger, one.estimates, slo)


def _bounds(slo: Slo) -> Tails:
    """The limits on percentiles."""
    return tuple((tail.quantity, tail.percent, tail.bound_s) for tail in slo.tails)


def _in_flight(at: Callable[[int, int], Choice], rate: float, most: int) -> int:
    """Fewest requests in flight of a copy that answers a rate; one above the most where none do.

    Users who ask again at once keep as many in flight as a rate does (Little's law).
    """
    return 1 + bisect_left(range(1, most + 1), rate, key=lambda n: answered_rps(at(1, n)))


def _copies(at: Callable[[int, int], Choice], asked: Asked, most: int) -> tuple[int, int]:
    """Fewest copies that meet all limits but the rent, and the users of each."""
    users, meets = asked.workload.concurrency, partial(_meets, at)
    if asked.rate is not None:
        return _copies_for_rate(at, _bounds(asked.slo), asked.rate, most)
    if most == 1:
        return 1, users
    # the largest share that is met, by bisection: more users never make a latency shorter, and
    # those of the most copies are the fewest that one may have
    room, low = at(1, 1).max_concurrent, -(-users // most)
    if low > room or (users <= room and meets(users)) or not meets(low):
        return 1, users
    copies = -(-users // _last(low, min(users, room + 1), meets))
    return copies, -(-users // copies)


def _copies_for_rate(
    at: Callable[[int, int], Choice], tails: Tails, rate: float, most: int
) -> tuple[int, int]:
    """Copies that answer a rate of requests, and the requests in flight of each."""
    meets = partial(_meets, at)
    if not at(1, 1).starts:
        return 1, 1
    good = meets(1)
    if good:
        low = 1
        while meets(2 * low) and answered_rps(at(1, low)) < rate:
            low *= 2
        low = _last(low, 2 * low, meets)
    else:  # no number of copies meets the limits: the fewest that answer all the same
        low = at(1, 1).max_concurrent
    copies = max(1, math.ceil(rate / answered_rps(at(1, low))))
    if copies > most:
        return most, low + 1 if good else low  # more than the limits allow, or have room
    if good and tails:
        copies = _copies_within(at, tails, rate, (copies, most), low)
    return copies, _in_flight(at, rate / copies, low)


def _within(flights: Flights, tails: Tails, rate_rps: float) -> bool:
    """Whether percentiles keep within their limits at a rate, and it is answered."""
    if rate_rps >= flights.most_rps:
        return False
    there = flights.at(rate_rps)
    # as a headroom is compared
    return all(bound_s / there.percentile_s(what, p) >= 1 for what, p, bound_s in tails)


def _copies_within(
    at: Callable[[int, int], Choice], tails: Tails, rate: float, between: tuple[int, int], most: int
) -> int:
    """The fewest copies whose percentiles keep within their limits; the most where none do."""

    def within(copies: int) -> bool:
        share = rate / copies
        alone = at(1, 1)
        if alone.deployment.max_num_seqs != at(1, 2).deployment.max_num_seqs:
            alone = at(copies, _in_flight(at, share, most))  # it is told how many to run
        return _within(alone.flights, tails, share)

    low, top = between
    if within(low):
        return low
    high = min(2 * low, top)
    while not within(high):
        if high == top:
            return top
        low, high = high, min(2 * high, top)
    return 1 + _last(low, high, lambda copies: not within(copies))


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The most of which something holds, by bisection: it does of `low`, and not of `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
