"""Where an answer changes along whole numbers: turns, crossings, and who leads between them."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..calibration import Estimate
from ..refuse import number

LEVEL = 1.02  # values within this ratio count as equal: no interval is so narrow


def whole_stops(low: int, high: int, count: int, *, even: bool = False) -> tuple[int, ...]:
    """Choose whole numbers in a range.

    Parameters
    ----------
    low, high : int
        First and last of them.
    count : int
        Most numbers to return; those that round to the same number count once.
    even : bool
        Whether the steps are equal; otherwise the ratios are.

    Returns
    -------
    tuple of int
        Increasing numbers, including both ends.

    Raises
    ------
    BadInput
        When the range is empty, or starts below 1 and the ratios are equal.

    Examples
    --------
    >>> whole_stops(1, 64, 7), whole_stops(0, 6000, 4, even=True)
    ((1, 2, 4, 8, 16, 32, 64), (0, 2000, 4000, 6000))
    """
    number("low", low, 0 if even else 1, 1e9, whole=True)
    number("high", high, low, 1e9, whole=True)
    number("count", count, 2, 100_000, whole=True)
    shares = [i / (count - 1) for i in range(count)]
    if even:
        numbers = {round(low + (high - low) * share) for share in shares}
    else:
        numbers = {round(low * (high / low) ** share) for share in shares}
    return tuple(sorted(numbers | {low, high}))


@dataclass(frozen=True)
class Turn:
    """A whole number at which an answer changes.

    Attributes
    ----------
    at : int
        The first number with the new answer.
    before, after : object
        The answer just below it, and the one at it.
    """

    at: int
    before: object
    after: object


def turns(answer: Callable[[int], Any], stops: Iterable[int]) -> tuple[Turn, ...]:
    """Find where an answer changes along a variable.

    Between two stops with different answers the change is found by bisection. A
    change that is reversed between two neighbouring stops is not found.

    Parameters
    ----------
    answer : callable
        Function of a whole number, with results that can be compared.
    stops : iterable of int
        Increasing numbers to evaluate it at.

    Returns
    -------
    tuple of Turn
        The changes, in order.

    Examples
    --------
    >>> turns(lambda users: users > 37, (1, 10, 100))
    (Turn(at=38, before=False, after=True),)
    """
    changes: list[Turn] = []
    for low, high in pairwise(stops):
        before, high_answer = answer(low), answer(high)
        while before != high_answer:
            first_changed = _first_other(answer, low, high)
            after = answer(first_changed)
            changes.append(Turn(first_changed, before, after))
            low, before = first_changed, after
    return tuple(changes)


def _first_other(answer: Callable[[int], Any], low: int, high: int) -> int:
    """Find the first number above `low` whose answer differs from that of `low`."""
    first, between = answer(low), range(low + 1, high)
    return low + 1 + bisect_left(between, True, key=lambda x: answer(x) != first)


def leaders(values: Mapping[str, float | None], *, less: bool) -> str | None:
    """Name the best of some values, and those that are practically equal to it.

    Parameters
    ----------
    values : mapping of str to float
        By label; None where there is none.
    less : bool
        Whether less is better.

    Returns
    -------
    str or None
        Labels of the best and of those within 2% of it, which nobody plans by; None where no
        label has a value.

    Examples
    --------
    >>> leaders({"A": 30.0, "B": 30.5, "C": 40.0}, less=True)
    'A and B'
    """
    available = {label: value for label, value in values.items() if value is not None}
    if not available:
        return None
    best = (min if less else max)(available.values())
    near_best = (x for x in available if max(available[x], best) <= LEVEL * min(available[x], best))
    return " and ".join(near_best)


def unsettled(first: Estimate, second: Estimate) -> bool:
    """Say whether measurements could reverse the order of two estimates.

    Parameters
    ----------
    first, second : Estimate
        Of one quantity of two deployments.

    Returns
    -------
    bool
        True where each lies in the other's interval, and they stand on different rows. An
        error of the same rows moves both.

    Examples
    --------
    >>> one, two = Estimate(50.0, 30.0, 75.0, 0.0, "a"), Estimate(56.0, 35.0, 84.0, 0.0, "b")
    >>> unsettled(one, two), unsettled(one, Estimate(90.0, 60.0, 120.0, 0.0, "b"))
    (True, False)
    """
    return (
        first.reason != second.reason
        and first.low <= second.value <= first.high
        and second.low <= first.value <= second.high
    )


@dataclass(frozen=True)
class Lead:
    """The label that leads on a part of a range, and whether that is certain.

    Attributes
    ----------
    start, end : int
        First and last number of it.
    leader : str
        As `leaders` names it.
    rivals : tuple of str
        Labels behind it that could be ahead when measured: `unsettled`.
    """

    start: int
    end: int
    leader: str
    rivals: tuple[str, ...] = ()

    @property
    def close(self) -> str:
        """Leader and rivals, where the order is not certain; "" where it is."""
        return " and ".join((self.leader, *self.rivals)) if self.rivals else ""


def leads(
    estimates_at: Callable[[int], Mapping[str, Estimate | None]],
    stops: Iterable[int],
    *,
    less: bool,
) -> tuple[Lead, ...]:
    """Split a range by the label that leads.

    Parameters
    ----------
    estimates_at : callable
        Takes a number of the range, gives the estimates by label; None where there is none.
    stops : iterable of int
        Increasing numbers to look at; a change between two of them is found to the number.
    less : bool
        Whether less is better.

    Returns
    -------
    tuple of Lead
        In order; nobody leads where no label has a value.

    Examples
    --------
    >>> five = Estimate(5.0, 4.0, 6.0, 0.0, "b")
    >>> def at_users(users):
    ...     return {"A": Estimate(users, users, users, 0.0, "a"), "B": five}
    >>> [(one.start, one.end, one.leader) for one in leads(at_users, (1, 9), less=False)]
    [(1, 4, 'B'), (5, 5, 'A and B'), (6, 9, 'A')]
    """

    def answer(x: int) -> tuple[str | None, tuple[str, ...]]:
        available = {
            label: estimate for label, estimate in estimates_at(x).items() if estimate is not None
        }
        leader = leaders(
            {label: estimate.value for label, estimate in available.items()}, less=less
        )
        if leader is None:
            return None, ()
        ahead = leader.split(" and ")
        best = available[ahead[0]]
        return leader, tuple(
            label
            for label, estimate in available.items()
            if label not in ahead and unsettled(best, estimate)
        )

    stops = tuple(stops)
    begins = [(stops[0], answer(stops[0]))]
    begins += [(turn.at, turn.after) for turn in turns(answer, stops)]  # type: ignore[misc]
    ends = [at - 1 for at, _ in begins[1:]] + [stops[-1]]
    return tuple(
        Lead(at, end, leader, rivals)
        for (at, (leader, rivals)), end in zip(begins, ends, strict=True)
        if leader is not None
    )


def too_close(leads_found: Iterable[Lead]) -> str:
    """Write between which labels the order is not certain.

    Parameters
    ----------
    leads_found : iterable of Lead
        As `leads` gives them.

    Returns
    -------
    str
        Without its stop; "" where every order is known.

    Examples
    --------
    >>> too_close([Lead(1, 8, "A", ("B",)), Lead(9, 16, "C")])
    'Too close to call between A and B up to 8'
    >>> too_close([Lead(1, 16, "A", ("B",))])
    'Too close to call between A and B'
    """
    leads_found = tuple(leads_found)
    merged: list[Lead] = []
    for lead in leads_found:  # join adjacent parts with the same labels
        continues = (
            merged and {*_names(merged[-1])} == {*_names(lead)} and merged[-1].end + 1 == lead.start
        )
        if continues:
            merged[-1] = Lead(merged[-1].start, lead.end, merged[-1].leader, merged[-1].rivals)
        elif lead.rivals:
            merged.append(lead)
    phrases = [f"between {lead.close}{_where(lead, leads_found)}" for lead in merged]
    return f"Too close to call {', and '.join(phrases)}" if phrases else ""


def _names(lead: Lead) -> tuple[str, ...]:
    return (*lead.leader.split(" and "), *lead.rivals)


def _where(lead: Lead, leads_found: tuple[Lead, ...]) -> str:
    if lead.start == leads_found[0].start:
        return "" if lead.end == leads_found[-1].end else f" up to {lead.end:,}"
    return f" from {lead.start:,}" + (
        "" if lead.end == leads_found[-1].end else f" to {lead.end:,}"
    )


def crossings(
    first: Callable[[int], float | None],
    second: Callable[[int], float | None],
    stops: Iterable[int],
) -> tuple[Turn, ...]:
    """Find where two curves cross.

    Parameters
    ----------
    first, second : callable
        Function of a whole number; None where the curve has no value.
    stops : iterable of int
        Increasing numbers to evaluate them at.

    Returns
    -------
    tuple of Turn
        The numbers at which the order changes: it is 1 where `first` is larger and
        -1 where `second` is. Curves that only touch do not cross.

    Examples
    --------
    >>> crossings(lambda x: x, lambda x: 10, (1, 100))
    (Turn(at=11, before=-1, after=1),)
    """

    def order(x: int) -> int | None:
        a, b = first(x), second(x)
        return None if a is None or b is None else (a > b) - (a < b)

    stops = tuple(stops)
    crossings_found: list[Turn] = []
    last_order = None
    for turn in (Turn(stops[0], None, order(stops[0])), *turns(order, stops)):
        if turn.after and last_order and turn.after != last_order:
            crossings_found.append(Turn(turn.at, last_order, turn.after))
        # equal curves keep the order before them; a gap resets it
        last_order = last_order if turn.after == 0 else turn.after
    return tuple(crossings_found)
