"""Sweeps: one quantity along one variable, and where the answer changes on the way.

The variables of a load are counted in whole users and whole tokens. So the
place where one deployment overtakes another, misses a limit or runs out of room
is a whole number, and bisection finds it exactly: the answer is one thing just
below it and another at it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from . import calibration, capacity, design
from .refuse import BadInput, number, one_of
from .spec import MAX_TOKENS

VARIABLES = (
    "concurrency",
    "context_tokens",
    "input_tokens",
    "output_tokens",
    "shared_prefix_tokens",
)


@dataclass(frozen=True)
class Quantity:
    """Something to compare deployments by.

    Parameters
    ----------
    unit : str
        Its unit, as `explain.quantity` knows it.
    less : bool
        Whether less of it is better.
    estimated : bool
        Whether it is an estimate; the ledger counts the others.

    Examples
    --------
    >>> QUANTITIES["itl_s"].less
    True
    """

    unit: str
    less: bool
    estimated: bool = True


QUANTITIES = {
    "itl_s": Quantity("s", True),
    "tok_s_user": Quantity("tok/s", False),
    "ttft_s": Quantity("s", True),
    "max_concurrent": Quantity("users", False, False),
    "usd_mtok": Quantity("USD/Mtok", True),
    "output_tok_s": Quantity("tok/s", False),
}


def load_at(workload, variable, value):
    """Give a load with one of its variables moved.

    Parameters
    ----------
    workload : Workload
        The load it starts from.
    variable : str
        One of `VARIABLES`. A context moves prompt and answer together, in
        their proportion; a prompt too short for the shared prefix cuts it.
    value : int
        What the variable becomes.

    Returns
    -------
    Workload
        The load.

    Raises
    ------
    BadInput
        When the variable is unknown or the value out of its range.

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> load_at(Workload(7000, 1000, 16), "context_tokens", 32_000).output_tokens
    4000
    """
    one_of("variable", variable, VARIABLES)
    if variable not in ("context_tokens", "input_tokens"):
        return replace(workload, **{variable: value})
    if variable == "context_tokens":
        number("context_tokens", value, 2, 2 * MAX_TOKENS, "tokens", whole=True)
        share = workload.input_tokens / workload.context_tokens
        prompt = min(max(round(value * share), 1), value - 1)
        answer = value - prompt
    else:
        prompt, answer = value, workload.output_tokens
    shared = min(workload.shared_prefix_tokens, prompt)
    return replace(workload, input_tokens=prompt, output_tokens=answer, shared_prefix_tokens=shared)


def obstacle(deployment, workload):
    """Name what keeps a deployment from serving a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        The load.

    Returns
    -------
    str
        "window" where the context is longer than the model takes, "start" where
        not one user has room, "room" where not all have, "" where all do.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> a, b, c = design.worked_spec()
    >>> obstacle(a, design.WORKED_WORKLOAD), obstacle(b, design.WORKED_WORKLOAD)
    ('start', '')
    """
    if workload.context_tokens > deployment.model.max_context_tokens:
        return "window"
    books = capacity.workload_ledger(deployment, workload)
    if books.fits:
        return ""
    return "room" if books.starts else "start"


def measure(deployment, workload, quantity):
    """Estimate one quantity of one deployment under one load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        The load.
    quantity : str
        One of `QUANTITIES`.

    Returns
    -------
    Estimate or None
        Value, interval and ceiling in the quantity's unit. None where not all
        users have room, or where a price is asked of cards without a rent. The
        users that have room are counted for any number wanted.

    Raises
    ------
    BadInput
        When the quantity is unknown.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> a, b, c = design.worked_spec()
    >>> gap = measure(b, design.WORKED_WORKLOAD, "itl_s")
    >>> gap.ceiling <= gap.low < gap.value < gap.high
    True
    >>> measure(a, design.WORKED_WORKLOAD, "itl_s") is None
    True
    """
    one_of("quantity", quantity, QUANTITIES)
    in_the_way = obstacle(deployment, workload)
    if not QUANTITIES[quantity].estimated:
        if in_the_way in ("window", "start"):
            return None
        return design.room(capacity.workload_ledger(deployment, workload))
    if in_the_way:
        return None
    return getattr(calibration.estimates(deployment, workload), quantity)


def whole_stops(low, high, count, *, even=False):
    """Spread whole numbers over a range.

    Parameters
    ----------
    low, high : int
        First and last of them.
    count : int
        How many at most; those that round to the same are one.
    even : bool
        Spread by equal steps; by equal ratios when left out.

    Returns
    -------
    tuple of int
        In order, both ends included.

    Raises
    ------
    BadInput
        When the range is empty, or starts below 1 and is spread by ratios.

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
        spread = {round(low + (high - low) * share) for share in shares}
    else:
        spread = {round(low * (high / low) ** share) for share in shares}
    return tuple(sorted(spread | {low, high}))


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


def turns(answer, stops):
    """Find where an answer changes along a variable.

    Between two stops with different answers the change is found by bisection.
    What changes and changes back between two neighbouring stops is not seen.

    Parameters
    ----------
    answer : callable
        From a whole number to anything that can be compared.
    stops : iterable of int
        Where to look, in order.

    Returns
    -------
    tuple of Turn
        The changes, in order.

    Examples
    --------
    >>> turns(lambda users: users > 37, (1, 10, 100))
    (Turn(at=38, before=False, after=True),)
    """
    found = []
    for low, high in pairwise(stops):
        before, last = answer(low), answer(high)
        while before != last:
            at = _first_other(answer, low, high)
            after = answer(at)
            found.append(Turn(at, before, after))
            low, before = at, after
    return tuple(found)


def _first_other(answer, low, high):
    """Bisect: the answer at `low` differs from the one at `high`."""
    first = answer(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if answer(middle) == first else (low, middle)
    return high


def crossings(first, second, stops):
    """Find where two curves change places.

    Parameters
    ----------
    first, second : callable
        From a whole number to the curve's value, or None where it has none.
    stops : iterable of int
        Where to look, in order.

    Returns
    -------
    tuple of Turn
        From which number on the order is the other one: 1 where `first` is the
        larger, -1 where `second` is. Curves that only touch do not cross.

    Examples
    --------
    >>> crossings(lambda x: x, lambda x: 10, (1, 100))
    (Turn(at=11, before=-1, after=1),)
    """

    def order(x):
        a, b = first(x), second(x)
        return None if a is None or b is None else (a > b) - (a < b)

    found, last = [], None
    start, *_ = stops = tuple(stops)
    for turn in (Turn(start, None, order(start)), *turns(order, stops)):
        if turn.after and last and turn.after != last:
            found.append(Turn(turn.at, last, turn.after))
        # an equal stretch keeps the order before it; a gap forgets it
        last = last if turn.after == 0 else turn.after
    return tuple(found)


__all__ = [
    "QUANTITIES",
    "VARIABLES",
    "BadInput",
    "Quantity",
    "Turn",
    "crossings",
    "load_at",
    "measure",
    "obstacle",
    "turns",
    "whole_stops",
]
