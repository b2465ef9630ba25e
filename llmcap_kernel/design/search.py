"""Search: the deployments that meet every limit, and why the others do not.

Each candidate is judged by the limits of its card (`cards.card`), on the estimate; the vectorised
pass of `arrays` asks the same of thousands at once. What is kept of a candidate is a row of
numbers, and its card is made again when it is looked at.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from itertools import chain
from typing import Any, NamedTuple, Protocol

from ..explain import quantity
from ..numeric import Number
from ..refuse import BadInput, number, one_of
from ..spec import Deployment, Model, Slo, Workload
from .cards import Card, card
from .limits import MET, MISSED, UNLIKELY, Limit
from .limits import meets as met
from .space import Block, Quality, Space, sequences, space

RANKS = ("usd_h", "usd_mtok")
MOST_COPIES = 10_000
DESK_CARDS = 8  # of a workstation, where nobody named the cards
MOST_DESK = 80_000
MOST_SURE = 500  # candidates whose intervals are looked at
# What is judged between two reports of progress, in candidates; as arrays, a block takes the time
# of some more, however few it has.
PART, PART_OF_ARRAYS, BLOCK_OF_ARRAYS = 256, 65_536, 2_000
Progress = Callable[[int, int], object]


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


class Row(NamedTuple):
    """What a search keeps of a candidate.

    Attributes
    ----------
    copies, users : int
        Copies, and the users of one.
    usd_h : float
        Rent of all copies; infinite where unknown, as the others are [USD/h].
    usd_mtok : float
        Price of a million output tokens [USD/Mtok].
    itl_s, ttft_s : float
        Gap between tokens, and time to the first [s].
    num_gpus : int
        Cards of all copies.
    lack : float
        Memory that is needed over what the engine has.
    headrooms : dict of str to float
        Of every limit by its name; below 1 it is missed.
    """

    copies: int
    users: int
    usd_h: float
    usd_mtok: float
    itl_s: float
    ttft_s: float
    num_gpus: int
    lack: float
    headrooms: dict[str, float]

    @property
    def headroom(self) -> float:
        """The least of all limits."""
        return min(self.headrooms.values())

    @property
    def holds(self) -> bool:
        """Whether every limit is met on the estimate."""
        return self.headroom >= 1

    def missed(self) -> tuple[str, ...]:
        """Name the limits that it misses.

        Returns
        -------
        tuple of str
            Their names.
        """
        return tuple(name for name, x in self.headrooms.items() if not x >= 1)


class Rows(Protocol):
    """Rows of all candidates: a list of them, or `arrays.Columns`."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int, /) -> Row: ...

    def __iter__(self) -> Iterator[Row]: ...

    def order(self, rank: str) -> tuple[int, ...]:
        """Number those that meet every limit, cheapest first."""

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first."""

    def front(self, order: tuple[int, ...]) -> list[int]:
        """Number those of an order that no other beats in everything."""


class RowList(list[Row]):
    """Rows in a list."""

    def order(self, rank: str) -> tuple[int, ...]:
        """Number those that meet every limit, cheapest first.

        Parameters
        ----------
        rank : str
            One of `RANKS`.

        Returns
        -------
        tuple of int
            As `cost` orders them.
        """
        good = [i for i, row in enumerate(self) if row.holds]
        return tuple(sorted(good, key=lambda i: (*cost(self[i], rank), i)))

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first, then what lacks the least memory.

        Returns
        -------
        tuple of int
            Their numbers.
        """
        bad = [i for i, row in enumerate(self) if not row.holds]
        return tuple(
            sorted(bad, key=lambda i: (coarse(-self[i].headroom), coarse(self[i].lack), i))
        )

    def front(self, order: tuple[int, ...]) -> list[int]:
        """Number those of an order that no other beats in everything.

        Parameters
        ----------
        order : tuple of int
            Candidates that meet every limit.

        Returns
        -------
        list of int
            Their front, in the same order.
        """
        return [order[at] for at in undominated([self[i] for i in order])]


def row_of(choice: Choice) -> Row:
    """Keep the numbers of a candidate.

    Parameters
    ----------
    choice : Choice
        Its card.

    Returns
    -------
    Row
        What ranks it.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> row = row_of(judged(worked_spec()[1], Asked(WORKED_WORKLOAD, WORKED_SLO)))
    >>> row.holds, row.missed()
    (True, ())
    """
    made, ledger = choice.estimates, choice.ledger
    price = choice.usd_mtok
    return Row(
        choice.copies,
        choice.workload.concurrency,
        choice.usd_h_all or math.inf,
        price.value if price else math.inf,
        made.itl_s.value if made else math.inf,
        made.ttft_s.value if made else math.inf,
        choice.copies * choice.deployment.num_gpus,
        ledger.needed_bytes / ledger.budget_bytes,
        {limit.name: limit.headroom for limit in choice.limits},
    )


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

    at = _cards_of(deployment, asked, number)
    return at(*_copies(at, asked, _most(deployment, asked)))


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
    most = at(1, 1).max_concurrent
    users = _in_flight(at, asked.rate / copies, most)
    return at(copies, users) if users <= most else None


def most_answered_rps(deployment: Deployment, asked: Asked) -> float:
    """Count the requests a second that one copy answers within the limits.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    asked : Asked
        The load with its rate, and the limits.

    Returns
    -------
    float
        With as many in flight as meet every limit but rent and price [requests/s].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> asked = Asked(WORKED_WORKLOAD, WORKED_SLO, rate=1000.0)
    >>> [round(most_answered_rps(d, asked), 1) > 0.5 for d in worked_spec()]
    [False, True, True]
    """
    at = _cards_of(deployment, asked, 0)
    users = range(1, at(1, 1).max_concurrent + 1)
    slo = replace(asked.slo, usd_mtok=None)
    late = bisect_left(users, True, key=lambda n: not met(at(1, n).ledger, at(1, n).estimates, slo))
    return _answered_rps(at(1, late)) if late else 0.0


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
    one = _cards_of(deployment, asked, 0)(1, -(-asked.workload.concurrency // copies))
    return met(one.ledger, one.estimates, one.slo)


def _most(deployment: Deployment, asked: Asked) -> int:
    """The most copies that may be asked of a deployment."""
    return asked.most_of(deployment.gpu.place, deployment.num_gpus)


def _affordable(deployment: Deployment, asked: Asked) -> int:
    """The most copies that the rent allows."""
    rent, each = asked.slo.usd_h, deployment.usd_h_all
    most = _most(deployment, asked)
    if rent is None or not each:
        return most
    return min(most, math.floor(rent / each * (1 + 1e-9)))


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
        load = replace(asked.workload, concurrency=users)
        one = card(d, load, slo, apart=asked.rate is not None)
        values = {f.name: getattr(one, f.name) for f in fields(Card)}
        return Choice(**values, copies=copies, number=number)

    return at


def _answered_rps(one: Choice) -> float:
    """Requests that one copy answers each second."""
    return one.expected.output_tok_s.value / one.workload.output_tokens


def _in_flight(at: Callable[[int, int], Choice], rate: float, most: int) -> int:
    """Fewest requests in flight of a copy that answers a rate; one above the most where none do.

    Users who ask again at once keep as many in flight as a rate does (Little's law).
    """
    return 1 + bisect_left(range(1, most + 1), rate, key=lambda n: _answered_rps(at(1, n)))


def _copies(at: Callable[[int, int], Choice], asked: Asked, most: int) -> tuple[int, int]:
    """Fewest copies that meet all limits but the rent, and the users of each."""
    users = asked.workload.concurrency

    def meets(share: int) -> bool:
        one = at(1, share)
        # fewer copies make no token dearer, so a price never asks for more of them
        return met(one.ledger, one.estimates, replace(one.slo, usd_mtok=None))

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
    """Copies that answer a rate of requests, and the requests in flight of each."""
    if not at(1, 1).starts:
        return 1, 1
    if meets(1):
        low = 1
        while meets(2 * low) and _answered_rps(at(1, low)) < rate:
            low *= 2
        high = 2 * low
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if meets(middle) else (low, middle)
    else:  # no number of copies meets the limits: the fewest that answer all the same
        low = high = at(1, 1).max_concurrent
    copies = max(1, math.ceil(rate / _answered_rps(at(1, low))))
    if copies > most:
        return most, high  # more are in flight than the limits allow, or have room
    return copies, _in_flight(at, rate / copies, low)


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


@dataclass(frozen=True)
class Search:
    """Result of a search: the deployments that meet every limit, and the others.

    Attributes
    ----------
    space : Space
        The candidates, numbered.
    asked : Asked
        The load and the limits.
    rows : Rows
        Numbers of each candidate.
    rank : str
        One of `RANKS`: what is cheapest.
    complete : bool
        Whether all candidates were judged; those that were not are in neither list.
    choices : mapping of str to object
        What the space was made from, as `search` takes it.
    """

    space: Space
    asked: Asked
    rows: "Rows"
    rank: str = "usd_h"
    complete: bool = True
    choices: Mapping[str, Any] = field(default_factory=dict)
    _made: dict[int, Choice] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Numbers of the candidates that meet every limit, cheapest first."""
        return self.rows.order(self.rank)

    @cached_property
    def misses(self) -> tuple[int, ...]:
        """Numbers of the others, nearest miss first, then what lacks the least memory."""
        return self.rows.misses()

    @property
    def found(self) -> "Choices":
        """Those that meet every limit, cheapest first."""
        return Choices(self, self.order)

    @property
    def passed_over(self) -> "Choices":
        """The others, nearest miss first."""
        return Choices(self, self.misses)

    @property
    def winner(self) -> Choice | None:
        """The cheapest that meets every limit; None where none does."""
        return self.choice(self.order[0]) if self.order else None

    @cached_property
    def surest(self) -> Choice | None:
        """The cheapest that meets every limit at the unfavourable end of its interval, too."""
        known = map(self.choice, self.order[:MOST_SURE])
        return next((c for c in known if all(x.verdict == MET for x in c.limits)), None)

    @cached_property
    def front(self) -> tuple[Choice, ...]:
        """Those that no other beats in everything: rent, price, gap, first token and headroom."""
        return tuple(map(self.choice, self.rows.front(self.order)))

    @property
    def by_hardware(self) -> tuple[Choice, ...]:
        """The best for each model, card and number of cards, in the order of the search."""
        return tuple(self.choice(i) for i in self.first_of_each(chain(self.order, self.misses)))

    @cached_property
    def why_not(self) -> tuple[Reason, ...]:
        """Neighbours of the winner: cheaper ones that miss a limit, then the next that meet all."""
        if not self.order:
            return tuple(map(self.reason, map(self.choice, _first(self.misses, self))))
        best = self.rows[self.order[0]]
        cheaper = (i for i in self.misses if cost(self.rows[i], self.rank) < cost(best, self.rank))
        listed = [*_first(cheaper, self), *_first(self.order, self, but=self.order[0])]
        return tuple(map(self.reason, map(self.choice, listed)))

    def choice(self, number: int) -> Choice:
        """Make the card of a candidate.

        Parameters
        ----------
        number : int
            Its place in the space.

        Returns
        -------
        Choice
            Its card.
        """
        if number not in self._made:
            row = self.rows[number]
            # how many copies hold the load is in the row: it is not looked for again
            at = _cards_of(self.space[number], self.asked, number)
            self._made[number] = at(row.copies, row.users)
        return self._made[number]

    def first_of_each(self, numbers: Iterable[int]) -> Iterator[int]:
        """Keep the first candidate of each model, card and number of cards.

        Parameters
        ----------
        numbers : iterable of int
            Candidates.

        Yields
        ------
        int
            Candidates on hardware that was not there before.
        """
        seen = set()
        for i in numbers:
            key = (*self.space.hardware(i), self.rows[i].copies)
            if key not in seen:
                seen.add(key)
                yield i

    def reason(self, choice: Choice) -> Reason:
        """Say why a candidate is not the answer, or why it is.

        Parameters
        ----------
        choice : Choice
            A candidate, as this search made it.

        Returns
        -------
        Reason
            Limits that it misses and by how much, or how much dearer it is.
        """
        misses = tuple(limit for limit in choice.limits if not limit.holds)
        best = self.winner
        known = best is not None and best.usd_h_all and choice.usd_h_all
        dearer = choice.usd_h_all - best.usd_h_all if best is not None and known else None
        if misses:
            why = self._under_the_rate(choice, "; ".join(map(missed_by, misses)))
        elif best is None or choice.number == best.number:
            why = f"the answer; {choice.binding}"
        else:
            why = _beside(choice, best)
        return Reason(choice, misses, dearer, why)

    def _under_the_rate(self, choice: Choice, missed: str) -> str:
        """What a candidate misses, where a rate is asked with the requests that come of it."""
        rate, copies, users = self.asked.rate, choice.copies, choice.workload.concurrency
        if rate is None:
            return missed
        if not choice.starts:
            return "does not start: no request has room"
        full = _cards_of(self.space[choice.number], self.asked, choice.number)
        one = _answered_rps(full(1, choice.max_concurrent))
        if copies * one < rate:
            many = f"{copies:,} copies saturate" if copies > 1 else "saturates"
            answers = f"{many} at {copies * one:.3g} requests/s of the {rate:g} asked"
        elif copies > 1:
            answers = f"one saturates at {one:.3g} requests/s of the {rate:g} asked; {copies:,}"
            answers += f" answer them with {users:,} in flight each"
        else:
            answers = f"answers {rate:g} requests/s with {users:,} in flight"
        return f"{answers}: {missed}"


MOST_REASONS = 5  # of each kind that are told unasked


def _first(numbers: Iterable[int], found: Search, but: int | None = None) -> Iterator[int]:
    each = (i for i in found.first_of_each(numbers) if i != but)
    return (i for i, _ in zip(each, range(MOST_REASONS), strict=False))


@dataclass(frozen=True)
class Choices(Sequence[Choice]):
    """Candidates of a search, whose cards are made when they are looked at."""

    search: Search
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        if isinstance(at, slice):
            return Choices(self.search, self.numbers[at])
        return self.search.choice(self.numbers[at])


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
        over = f" by {1 / limit.headroom - 1:.0%}"
    return f"{limit.words}{over}: {limit.sentence}"


def _beside(choice: Choice, best: Choice) -> str:
    """Compare a candidate that meets every limit with the answer."""
    if not (choice.usd_h_all and best.usd_h_all and choice.usd_mtok and best.usd_mtok):
        return f"meets every limit too: {choice.binding}"
    more = choice.usd_h_all - best.usd_h_all
    by_token = quantity(choice.usd_mtok.value, "USD/Mtok")
    rent = quantity(choice.usd_h_all, "USD/h")
    if abs(more) < 0.005:
        own = quantity(best.usd_mtok.value, "USD/Mtok")
        return f"meets every limit at the same rent, {by_token} against {own}"
    how = "more" if more > 0 else "less"
    share = abs(more) / best.usd_h_all
    return (
        f"meets every limit at {rent}, {quantity(abs(more), 'USD/h')} or {share:.0%} {how}; "
        f"{by_token} of output"
    )


def cost(row: Row, rank: str) -> tuple[float, float, float, float]:
    """Order candidates by what they cost, with unknown prices last.

    Parameters
    ----------
    row : Row
        A candidate.
    rank : str
        One of `RANKS`.

    Returns
    -------
    tuple of float
        Rent and price, or the other way round; then cards and the gap.

    Examples
    --------
    >>> row = Row(1, 16, 8.0, 1.2, 0.02, 1.0, 2, 0.5, {})
    >>> [round(x, 6) for x in cost(row, "usd_mtok")]
    [1.2, 8.0, 2, 0.02]
    """
    prices = (row.usd_mtok, row.usd_h) if rank == "usd_mtok" else (row.usd_h, row.usd_mtok)
    first, second = map(coarse, prices)
    return first, second, row.num_gpus, coarse(row.itl_s)


DIGITS = 2.0**33  # ten digits: what the order of additions leaves


def coarse(value: Number) -> Number:
    """Round to ten digits, so that candidates rank alike however they are computed.

    Parameters
    ----------
    value : float or array
        Any.

    Returns
    -------
    float or array
        Rounded.

    Examples
    --------
    >>> coarse(0.1 + 0.2) == coarse(0.3)
    True
    """
    if hasattr(value, "__array__"):
        import numpy

        part, power = numpy.frexp(value)
        return numpy.ldexp(numpy.round(part * DIGITS) / DIGITS, power)
    if not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * DIGITS) / DIGITS, exponent)


def undominated(rows: Sequence[Row]) -> list[int]:
    """Find the Pareto front of rent, price, gap, first token and headroom.

    Parameters
    ----------
    rows : sequence of Row
        Candidates.

    Returns
    -------
    list of int
        Places of those that no other equals or beats in everything, in order; of equals the
        first.

    Examples
    --------
    >>> fast = Row(1, 16, 8.0, 1.2, 0.02, 1.0, 2, 0.5, {"latency": 2.5})
    >>> undominated([fast, fast._replace(itl_s=0.03), fast._replace(usd_h=6.0, itl_s=0.04)])
    [0, 2]
    """
    points = [
        tuple(map(coarse, (r.usd_h, r.usd_mtok, r.itl_s, r.ttft_s, -r.headroom))) for r in rows
    ]
    front: list[int] = []
    # whatever beats a point comes before it in this order
    for at in sorted(range(len(points)), key=lambda i: (points[i], i)):
        p = points[at]
        if not any(all(a <= b for a, b in zip(points[f], p, strict=True)) for f in front):
            front.append(at)
    return sorted(front)


def search(
    workload: Workload,
    slo: Slo | None = None,
    budget: float | None = None,
    *,
    models: Iterable[str | Model] = (),
    quality: Quality | None = None,
    rank: str = "usd_h",
    most_copies: int | None = None,
    rate: float | None = None,
    desk_cards: int | None = DESK_CARDS,
    prefix_cache: bool = True,
    arrays: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **choices: Any,
) -> Search:
    """Find the deployments that meet every limit, cheapest first.

    Parameters
    ----------
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo, optional
        Limits to meet.
    budget : float, optional
        Highest rent of all copies, in place of the one in `slo` [USD/h].
    models : iterable of str or Model
        Models to choose from.
    quality : Quality, optional
        The least that is asked of models and formats.
    rank : str
        "usd_h" puts the lowest rent first, "usd_mtok" the lowest price of a million tokens.
    most_copies : int, optional
        Most copies of a deployment that share the users; 1 if omitted, and with `rate` as many
        as it takes.
    rate : float, optional
        Requests that arrive each second, in place of users [requests/s].
    desk_cards : int, optional
        Most cards of a workstation in all copies, where no cards are named: a fleet of them is
        no service that anybody runs. None for as many as it takes.
    prefix_cache : bool
        Whether prompts that begin alike share their cache.
    arrays : bool
        Whether candidates are judged by the thousand, with numpy; the answer is the same.
    executor : Executor, optional
        Any of `concurrent.futures`, or like it, that shares out the work.
    progress : callable, optional
        Called with the candidates judged and all of them; stops the search where it returns
        False.
    **choices : object
        The space: `gpus`, `vendors`, `engines`, `weights`, `kv`, `tps`, `nodes`,
        `expert_parallel`, `dp_attention`, `max_num_seqs` and `max_num_batched_tokens`, as
        `space` takes them. Without `gpus` a card on a spot price is left out; named, it is taken.

    Returns
    -------
    Search
        Deployments that meet every limit, cheapest first, and the others.

    Raises
    ------
    BadInput
        When a name is unknown, a number out of range, or nothing is left to choose from.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> answer = search(
    ...     WORKED_WORKLOAD,
    ...     WORKED_SLO,
    ...     models=["llama-3.1-70b"],
    ...     gpus=["h100-sxm", "h200-sxm"],
    ... )
    >>> answer.winner.meets_all
    True
    """
    asked = _asked(workload, slo, budget, most_copies, rate, prefix_cache)
    if desk_cards is not None and not choices.get("gpus"):
        asked = asked._replace(
            desk_cards=number("desk_cards", desk_cards, 1, MOST_DESK, whole=True)
        )
    one_of("rank", rank, RANKS)
    choices |= {"models": tuple(models), "quality": quality}
    here = space(asked.workload, **choices)
    parts: list[Any] = []
    made: dict[int, Choice] = {}
    done = 0
    for part, cards in _judged_parts(here, asked, arrays, executor):
        made |= {done + i: replace(c, number=done + i) for i, c in enumerate(cards)}
        parts.append(part)
        done += len(part)
        if progress is not None and progress(done, len(here)) is False:
            break
    rows = _joined(parts)
    found = Search(here, asked, rows, rank, done == len(here), choices, made)
    _check_rate(found)
    return found


def _asked(
    workload: Workload,
    slo: Slo | None,
    budget: float | None,
    most_copies: int | None,
    rate: float | None,
    prefix_cache: bool,
) -> Asked:
    slo = slo or Slo()
    if budget is not None:
        slo = replace(slo, usd_h=budget)
    if rate is not None:
        number("rate", rate, 1e-6, 1e6, "requests/s")
    usual = 1 if rate is None else MOST_COPIES
    copies = usual if most_copies is None else most_copies
    number("copies", copies, 1, MOST_COPIES, whole=True)
    if not prefix_cache:
        workload = replace(workload, shared_prefix_tokens=0)
    return Asked(workload, slo, copies, rate)


def _check_rate(found: Search) -> None:
    """Refuse a rate that so many copies cannot serve, where fewer requests meet the limits."""
    rate, most = found.asked.rate, found.asked.most_copies
    if rate is None or found.order or not found.complete:
        return
    beyond = [i for i in found.misses if _at_most(found, i) and _holds_one(found, i)]
    if not beyond or any(row.missed() == ("budget",) for row in found.rows):
        return
    served = max(one.copies * _answered_rps(one) for one in map(found.choice, beyond))
    copies = "one copy" if most == 1 else f"{most:,} copies"
    raise BadInput(
        "rate",
        f"rate is {rate:g} requests/s: within the limits, {copies} of any of them "
        f"{'answers' if most == 1 else 'answer'} fewer than {served:.3g}.",
    )


def _at_most(found: Search, number: int) -> bool:
    """Whether a candidate has as many copies as may be asked."""
    return found.rows[number].copies == _most(found.space[number], found.asked)


def _holds_one(found: Search, number: int) -> bool:
    """Whether a candidate meets every limit but rent and price with one request in flight."""
    one = _cards_of(found.space[number], found.asked, number)(1, 1)
    return met(one.ledger, one.estimates, replace(one.slo, usd_mtok=None))


Judged = tuple[Any, list[Choice]]


def _joined(parts: list[Any]) -> Rows:
    if isinstance(parts[0], RowList):
        return RowList(chain.from_iterable(parts))
    return parts[0].joined(parts)


def _judged_parts(
    here: Space, asked: Asked, arrays: bool, executor: Executor | None
) -> Iterator[Judged]:
    """Rows of the candidates, part by part and in order; their cards where they are at hand."""
    size, block = (PART_OF_ARRAYS, BLOCK_OF_ARRAYS) if arrays else (PART, 0)
    parts = list(_parts(here, size, block))
    judge = _arrays if arrays else _rows
    if executor is not None:
        return ((rows, []) for rows in executor.map(judge, parts, [asked] * len(parts)))
    if arrays:
        return ((judge(part, asked), []) for part in parts)
    return (_scalar(part, asked) for part in parts)


def _parts(here: Space, size: int, each: int) -> Iterator[tuple[Block, ...]]:
    """Blocks in groups of about so many candidates, a block being so many more."""
    group: list[Block] = []
    for block in here.blocks:
        group.append(block)
        if sum(map(len, group)) + each * len(group) >= size:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def _scalar(blocks: tuple[Block, ...], asked: Asked) -> Judged:
    made = [judged(d, asked) for block in blocks for d in block.deployments()]
    return RowList(map(row_of, made)), made


def _rows(blocks: tuple[Block, ...], asked: Asked) -> RowList:
    return _scalar(blocks, asked)[0]


def _arrays(blocks: tuple[Block, ...], asked: Asked) -> Any:
    from . import arrays  # numpy is needed for it alone

    return arrays.rows(blocks, asked)
