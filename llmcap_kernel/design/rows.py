"""The rows of numbers that a search keeps of its candidates, and how they rank."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from ..numeric import Number
from .copies import Choice
from .space import Space

RANKS = ("usd_h", "usd_mtok")
DIGITS = 2.0**33  # ten digits: beyond these, the order of additions changes results


class Row(NamedTuple):
    """The numbers that a search keeps of a candidate.

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
    """Rows of all candidates: a list of them, or `columns.Columns`."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int, /) -> Row: ...

    def __iter__(self) -> Iterator[Row]: ...

    def order(self, rank: str) -> tuple[int, ...]:
        """Number those that meet every limit, cheapest first."""

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first."""

    def front(self, order: tuple[int, ...]) -> list[int]:
        """List the numbers of an order that are on the Pareto front."""

    def missing_only(self, name: str) -> bool:
        """Say whether a candidate misses this limit and no other."""

    def fastest(self) -> list[tuple[float, int]]:
        """List the output rate of all copies of each candidate and its number, highest first."""

    def extended(self, rows: "Iterable[Row]") -> "Rows":
        """Add rows at the end."""


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
        feasible = [i for i, row in enumerate(self) if row.holds]
        return tuple(sorted(feasible, key=lambda i: (*cost(self[i], rank), i)))

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first, then what lacks the least memory.

        Returns
        -------
        tuple of int
            Their numbers.
        """
        infeasible = [i for i, row in enumerate(self) if not row.holds]
        return tuple(
            sorted(infeasible, key=lambda i: (coarse(-self[i].headroom), coarse(self[i].lack), i))
        )

    def front(self, order: tuple[int, ...]) -> list[int]:
        """List the numbers of an order that are on the Pareto front.

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

    def missing_only(self, name: str) -> bool:
        """Say whether a candidate misses this limit and no other.

        Parameters
        ----------
        name : str
            Name of the limit.

        Returns
        -------
        bool
            Whether one does.
        """
        return any(row.missed() == (name,) for row in self)

    def fastest(self) -> list[tuple[float, int]]:
        """List the output rate of all copies of each candidate and its number, highest first.

        Returns
        -------
        list of (float, int)
            A rate, infinite where no rent tells it, and a number [tok/s].
        """
        rates = (row.usd_h / 3600 * 1e6 / row.usd_mtok for row in self)
        known_rates = (math.inf if math.isnan(rate) else rate for rate in rates)
        return sorted(((rate, i) for i, rate in enumerate(known_rates)), key=lambda pair: -pair[0])

    def extended(self, rows: Iterable[Row]) -> "RowList":
        """Add rows at the end.

        Parameters
        ----------
        rows : iterable of Row
            Of candidates that meet every limit.

        Returns
        -------
        RowList
            A new list.
        """
        return RowList([*self, *rows])


def row_of(choice: Choice) -> Row:
    """Take the numbers of a candidate from its card.

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
    >>> from llmcap_kernel.design.copies import Requirements, judge
    >>> row = row_of(judge(worked_spec()[1], Requirements(WORKED_WORKLOAD, WORKED_SLO)))
    >>> row.holds, row.missed()
    (True, ())
    """
    estimates, ledger = choice.estimates, choice.ledger
    price = choice.usd_mtok
    return Row(
        choice.copies,
        choice.workload.concurrency,
        choice.usd_h_all or math.inf,
        price.value if price else math.inf,
        estimates.value_of("itl_s") if estimates else math.inf,
        estimates.value_of("ttft_mean_s") if estimates else math.inf,
        choice.copies * choice.deployment.num_gpus,
        ledger.needed_bytes / ledger.budget_bytes,
        choice.headrooms,
    )


def first_of_each(numbers: Iterable[int], space: Space, rows: Rows) -> Iterator[int]:
    """Keep the first candidate of each model, card, number of cards and number of copies.

    Parameters
    ----------
    numbers : iterable of int
        Candidates.
    space : Space
        Where they stand.
    rows : Rows
        Numbers of each.

    Returns
    -------
    iterator of int
        Candidates on hardware that was not there before.
    """
    seen = set()
    for i in numbers:
        key = (*space.hardware(i), rows[i].copies)
        if key not in seen:
            seen.add(key)
            yield i


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
    for index in sorted(range(len(points)), key=lambda i: (points[i], i)):
        point = points[index]
        if not any(all(a <= b for a, b in zip(points[f], point, strict=True)) for f in front):
            front.append(index)
    return sorted(front)
