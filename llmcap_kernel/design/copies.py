"""One candidate of a search, in the fewest copies that hold the load.

The estimates of its card (`cards.card`) are compared with the limits. `many_copies` does the same
for many candidates at once.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import NamedTuple

from ..explain import quantity
from ..once import cached_property
from ..serving import most_running
from ..simulation.open_loop import OpenLoop
from ..simulation.rates import check_rate
from ..spec import Deployment, Slo, Workload
from .cards import Card, card
from .limits import LatencyLimit, Limit, latency_limits
from .limits import meets as met
from .space import sequences

MOST_COPIES = 10_000
DESK_CARDS = 8  # most workstation cards in a search that does not name its cards
MOST_DESK = 80_000
ROUNDED = 1 + 1e-12  # a fifth of five times a rent may be a bit less than it
SPARE = 3  # standard deviations of a Poisson number, above its mean


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
        """The limits of one copy, and that on the rent of all copies."""
        copy_limits = super().limits
        if self.copies == 1:
            return copy_limits
        return tuple(x.of_copies(self.copies) if x.name == "budget" else x for x in copy_limits)

    @property
    def pace(self) -> str:
        """The latencies in a sentence where no latency is limited; else ""."""
        estimates, slo = self.estimates, self.slo
        if estimates is None or latency_limits(slo):
            return ""
        wait, speed = (
            quantity(estimates.ttft_s.value, "s"),
            quantity(estimates.tok_s_user.value, "tok/s"),
        )
        return f" No latency is limited: a user waits {wait}, then gets {speed}."

    @property
    def chosen_steps(self) -> str:
        """What a title ends in where the tokens of a step were chosen; else ""."""
        tokens = self.deployment.max_num_batched_tokens
        return f", {tokens:,} tokens a step" if tokens else ""

    @property
    def title(self) -> str:
        """The deployment's title, with its tokens a step if chosen and the number of copies."""
        title = f"{self.deployment.title}{self.chosen_steps}"
        return f"{self.copies:,} copies of {title}" if self.copies > 1 else title

    @property
    def short_title(self) -> str:
        """The title without the model."""
        d = self.deployment
        cards = d.title.split(" / ")[1]
        copies = f"{self.copies:,} x (" if self.copies > 1 else ""
        engine = "" if d.engine.family == "vllm" else f", {d.engine.family}"
        closing = ")" if copies else ""
        return f"{copies}{cards}, {d.weights.name} weights, {d.kv.name} KV{engine}{closing}"


class Requirements(NamedTuple):
    """The requirements that every candidate of a search has to meet.

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
        """Count the most copies that a deployment may have.

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


def judge(deployment: Deployment, asked: Requirements, number: int = 0) -> Choice:
    """Judge one candidate, in the fewest copies that hold the load.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
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
    >>> many = Requirements(WORKED_WORKLOAD, WORKED_SLO, most_copies=4)
    >>> [judge(d, many).copies for d in worked_spec()[1:]]
    [1, 1]
    """

    card_at = cards_of(deployment, asked, number)
    return card_at(*_copies(card_at, asked, most_copies_of(deployment, asked)))


def card_at_rate(deployment: Deployment, workload: Workload, slo: Slo, rate_rps: float) -> Choice:
    """Predict one deployment for requests at a rate, as a search judges its one copy.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer and shared prefix; its concurrency is not used.
    slo : Slo
        Limits to meet.
    rate_rps : float
        Requests that come to it each second [requests/s].

    Returns
    -------
    Choice
        Its card with the fewest requests in flight that answer the rate, and the engine's own
        limit on sequences; where it answers less, with as many as run at once.

    Raises
    ------
    BadInput
        When the rate is no number above 0.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> made = card_at_rate(worked_spec()[1], WORKED_WORKLOAD, WORKED_SLO, 0.5)
    >>> made.rate_rps, made.saturated
    (0.5, '')
    """
    own_limit = replace(deployment, max_num_seqs=deployment.seqs_limit)
    asked = Requirements(workload, slo, rate=check_rate(rate_rps))
    made = judge(own_limit, asked)
    if not made.saturated:
        return made
    return cards_of(own_limit, asked)(1, most_running(own_limit, workload))


def within_rent(deployment: Deployment, asked: Requirements, number: int = 0) -> Choice | None:
    """Judge one candidate in as many copies as the rent allows, if they answer the rate.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
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
    >>> asked = Requirements(WORKED_WORKLOAD, WORKED_SLO, most_copies=8, rate=2.0)
    >>> found = within_rent(worked_spec()[1], asked)
    >>> found.copies * found.usd_h <= WORKED_SLO.usd_h < (found.copies + 1) * found.usd_h
    True
    """
    card_at, copies = cards_of(deployment, asked, number), _affordable(deployment, asked)
    if asked.rate is None or not copies or not card_at(1, 1).starts:
        return None
    max_users = card_at(1, 1).max_concurrent
    users = _in_flight(card_at, asked.rate / copies, max_users)
    return card_at(copies, users) if users <= max_users else None


def most_answered_rps(deployment: Deployment, asked: Requirements, least_rps: float = 0.0) -> float:
    """Find the highest rate that one copy answers within the limits.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
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
    >>> asked = Requirements(WORKED_WORKLOAD, WORKED_SLO, rate=1000.0)
    >>> [round(most_answered_rps(d, asked), 1) > 0.5 for d in worked_spec()]
    [False, True, True]
    """
    card_at, limits = cards_of(deployment, asked, 0), latency_limits(asked.slo)
    if not _meets(card_at, 1):
        return 0.0
    # whether max_num_seqs does not depend on the users
    fixed_slots = card_at(1, 1).deployment == deployment
    if fixed_slots and least_rps and not _within(card_at(1, 1).open_loop, limits, least_rps):
        return 0.0
    users = range(1, card_at(1, 1).max_concurrent + 1)
    last_card = card_at(1, bisect_left(users, True, key=lambda n: not _meets(card_at, n)))
    max_rps = answered_rps(last_card)
    return min(max_rps, last_card.open_loop.within_rps(limits)) if limits else max_rps


def holds_one(deployment: Deployment, asked: Requirements) -> bool:
    """Say whether one request in flight meets every limit but rent and price.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
        The load and the limits.

    Returns
    -------
    bool
        Whether it does; where it does not, no rate is within the limits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> [holds_one(d, Requirements(WORKED_WORKLOAD, WORKED_SLO, rate=1.0)) for d in worked_spec()]
    [False, True, True]
    """
    return _meets(cards_of(deployment, asked), 1)


def could_hold(deployment: Deployment, asked: Requirements) -> bool:
    """Say whether some number of copies meets every limit, without looking for the fewest.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
        The load, of users, and the limits.

    Returns
    -------
    bool
        Whether as many copies as the rent allows do: fewer users never make a latency longer.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> [could_hold(d, Requirements(WORKED_WORKLOAD, WORKED_SLO)) for d in worked_spec()]
    [False, True, False]
    """
    copies = _affordable(deployment, asked)
    if not copies:
        return False
    if asked.slo.usd_mtok is not None:  # fewer users make a token dearer
        return judge(deployment, asked).meets_all
    choice = cards_of(deployment, asked, 0)(1, -(-asked.workload.concurrency // copies))
    return met(choice.ledger, choice.estimates, choice.slo)


def answered_rps(choice: Choice) -> float:
    """Compute the requests a second that one copy answers with its users.

    Parameters
    ----------
    choice : Choice
        The card of a candidate, at the users of one copy.

    Returns
    -------
    float
        As `Served.steady_rps` has it [requests/s].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> one = judge(worked_spec()[1], Requirements(WORKED_WORKLOAD, WORKED_SLO))
    >>> 0.8 < answered_rps(one) * 1000 / one.expected.output_tok_s.value <= 1
    True
    """
    return float(choice.expected.served.steady_rps)


def most_copies_of(deployment: Deployment, asked: Requirements) -> int:
    """Count the most copies that a deployment may have.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
        What every candidate is asked.

    Returns
    -------
    int
        As `Requirements.most_of` has it for its cards.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
    >>> from llmcap_kernel.spec import Slo
    >>> most_copies_of(worked_spec()[1], Requirements(WORKED_WORKLOAD, Slo(), 20, desk_cards=8))
    20
    """
    return asked.most_of(deployment.gpu.place, deployment.num_gpus)


def _affordable(deployment: Deployment, asked: Requirements) -> int:
    """Count the most copies that the rent allows."""
    rent, copy_usd_h = asked.slo.usd_h, deployment.usd_h_all
    max_copies = most_copies_of(deployment, asked)
    if rent is None or not copy_usd_h:
        return max_copies
    return min(max_copies, math.floor(rent / copy_usd_h * (1 + 1e-9)))


def cards_of(
    deployment: Deployment, asked: Requirements, number: int = 0
) -> Callable[[int, int], Choice]:
    """Give a function from copies, and users per copy, to the card of a candidate.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Requirements
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
    >>> at = cards_of(worked_spec()[1], Requirements(WORKED_WORKLOAD, WORKED_SLO))
    >>> at(2, 8).copies, at(2, 8).workload.concurrency
    (2, 8)
    """

    @cache  # limits and rates need the same card
    def card_at(copies: int, users: int) -> Choice:
        slo = asked.slo
        if slo.usd_h is not None and copies > 1:
            slo = replace(slo, usd_h=slo.usd_h / copies * ROUNDED)
        max_running = users if asked.rate is None else _slots(users)
        seqs = sequences(deployment.engine, deployment.max_num_seqs, max_running)
        unchanged = seqs == deployment.max_num_seqs
        d = deployment if unchanged else replace(deployment, max_num_seqs=seqs)
        load = replace(asked.workload, concurrency=users)
        one = card(d, load, slo, rate_rps=asked.rate and asked.rate / copies)
        return Choice(d, load, slo, one.room, one.estimates, "", one.rate_rps, copies, number)

    return card_at


def _slots(users: int) -> int:
    """Choose max_num_seqs with room for more requests in flight than the mean."""
    return users + math.ceil(SPARE * users**0.5)


def _meets(card_at: Callable[[int, int], Choice], users: int) -> bool:
    """Say whether a copy with so many requests in flight meets every limit but the rent.

    At a rate, the number in flight varies, so latencies of a fixed number are compared only for
    one request: if that one is too late, so is every rate.
    """
    choice = card_at(1, users)
    slo = _deciding(choice.slo, choice.rate_rps is None or users == 1)
    return met(choice.ledger, choice.estimates, slo)


@lru_cache(maxsize=256)
def _deciding(slo: Slo, latencies: bool) -> Slo:
    """Take the limits that another number of copies can meet, with or without latencies."""
    # fewer copies make no token dearer, so a price never asks for more of them
    return replace(slo, usd_mtok=None) if latencies else Slo()


def _in_flight(card_at: Callable[[int, int], Choice], rate: float, max_users: int) -> int:
    """Find the fewest requests in flight that answer a rate; above `max_users` where none do.

    A closed loop with that many users has the same rate (Little's law).
    """
    return 1 + bisect_left(range(1, max_users + 1), rate, key=lambda n: answered_rps(card_at(1, n)))


def _copies(
    card_at: Callable[[int, int], Choice], asked: Requirements, max_copies: int
) -> tuple[int, int]:
    """Find the fewest copies that meet all limits but the rent, and the users of each."""
    users, meets = asked.workload.concurrency, partial(_meets, card_at)
    if asked.rate is not None:
        return _copies_for_rate(card_at, latency_limits(asked.slo), asked.rate, max_copies)
    if max_copies == 1:
        return 1, users
    # bisect for the most users per copy: more users never shorten a latency, and the most copies
    # have the fewest users each
    max_users, fewest_users = card_at(1, 1).max_concurrent, -(-users // max_copies)
    if fewest_users > max_users or (users <= max_users and meets(users)) or not meets(fewest_users):
        return 1, users
    copies = -(-users // _last(fewest_users, min(users, max_users + 1), meets))
    return copies, -(-users // copies)


def _copies_for_rate(
    card_at: Callable[[int, int], Choice],
    limits: Sequence[LatencyLimit],
    rate: float,
    max_copies: int,
) -> tuple[int, int]:
    """Find the copies that answer a rate of requests, and the requests in flight of each."""
    meets = partial(_meets, card_at)
    if not card_at(1, 1).starts:
        return 1, 1
    meets_one = meets(1)
    if meets_one:
        low = 1
        while meets(2 * low) and answered_rps(card_at(1, low)) < rate:
            low *= 2
        low = _last(low, 2 * low, meets)
    else:  # no number of copies meets the limits, so take the fewest that answer the rate
        low = card_at(1, 1).max_concurrent
    copies = max(1, math.ceil(rate / answered_rps(card_at(1, low))))
    if copies > max_copies:
        # more users than the limits allow or than fit
        return max_copies, low + 1 if meets_one else low
    if meets_one and limits:
        copies = _copies_within(card_at, limits, rate, (copies, max_copies), low)
    return copies, _in_flight(card_at, rate / copies, low)


def _within(open_loop: OpenLoop, limits: Sequence[LatencyLimit], rate_rps: float) -> bool:
    """Say whether a rate is answered with latencies within their limits."""
    if rate_rps >= open_loop.most_rps:
        return False
    steady = open_loop.at(rate_rps)
    # compared in the same way as a headroom, so that rounding agrees
    return all(bound_s / steady.latency_s(what, p) >= 1 for what, p, bound_s in limits)


def _copies_within(
    card_at: Callable[[int, int], Choice],
    limits: Sequence[LatencyLimit],
    rate: float,
    bounds: tuple[int, int],
    max_users: int,
) -> int:
    """Find the fewest copies with latencies within their limits; the most where none have."""

    def within(copies: int) -> bool:
        copy_rps, single = rate / copies, card_at(1, 1)
        # where max_num_seqs depends on the users
        if single.deployment.max_num_seqs != card_at(1, 2).deployment.max_num_seqs:
            single = card_at(copies, _in_flight(card_at, copy_rps, max_users))
        return _within(single.open_loop, limits, copy_rps)

    low, max_copies = bounds
    if within(low):
        return low
    high = min(2 * low, max_copies)
    while not within(high):
        if high == max_copies:
            return max_copies
        low, high = high, min(2 * high, max_copies)
    return 1 + _last(low, high, lambda copies: not within(copies))


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Find the largest number that holds by bisection: `low` holds, `high` does not."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
