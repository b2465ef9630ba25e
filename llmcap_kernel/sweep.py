"""Sweeps: one quantity along one variable, and where an answer changes along it.

The variables of a load are whole numbers of users, of tokens and of requests an hour. So
one deployment overtakes another, misses a limit or runs out of room at a whole number,
which bisection finds exactly.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from . import calibration, capacity, design, many, serving
from .calibration import Estimate
from .refuse import number, one_of
from .simulation.percentiles import percentile
from .simulation.rates import at_rate
from .spec import MAX_TOKENS, TAILED, Deployment, Slo, Workload

if TYPE_CHECKING:
    from concurrent.futures import Executor

VARIABLES = (
    "concurrency",
    "context_tokens",
    "input_tokens",
    "output_tokens",
    "shared_prefix_tokens",
    "requests_h",
)
HOUR_S = 3600


@dataclass(frozen=True)
class Quantity:
    """A quantity to compare deployments by.

    Parameters
    ----------
    unit : str
        Its unit, as `explain.quantity` accepts it.
    less : bool
        Whether less of it is better.
    estimated : bool
        Whether it is an estimate; the others are counts from the ledger.

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


LEVEL = 1.02  # values within this ratio count as equal: no interval is so narrow
LIMITED = {"itl_s": "itl", "ttft_s": "ttft"}  # means whose limit may be on a percentile


def quantity_of(name: str) -> Quantity:
    """Look up a quantity by its name.

    Parameters
    ----------
    name : str
        One of `QUANTITIES`, or a percentile of a latency as `Tail.name` has it.

    Returns
    -------
    Quantity
        Its unit, and which end of it is better.

    Raises
    ------
    BadInput
        When it is neither.

    Examples
    --------
    >>> quantity_of("itl p95") == quantity_of("itl_s")
    True
    """
    if name not in QUANTITIES and _percentile(name):
        return QUANTITIES["itl_s"]
    return QUANTITIES[one_of("quantity", name, QUANTITIES)]


def _percentile(name: str) -> tuple[str, float] | None:
    """Split a `Tail.name` into latency and percent; None for another name."""
    latency, _, percent = name.partition(" p")
    is_percentile = latency in TAILED and percent.replace(".", "", 1).isdigit()
    return (latency, float(percent)) if is_percentile else None


def limit_on(slo: Slo, quantity: str) -> tuple[str, float | None]:
    """Find the limit on a quantity: on its mean, or on a percentile.

    Parameters
    ----------
    slo : Slo
        The limits.
    quantity : str
        One of `QUANTITIES`.

    Returns
    -------
    tuple of (str, float or None)
        The quantity, or the percentile that is asked in place of this mean, as `measure` takes
        it; and the limit on it, None where there is none.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO
    >>> limit_on(WORKED_SLO, "itl_s"), limit_on(WORKED_SLO, "ttft_s")
    (('itl p95', 0.05), ('ttft_s', None))
    """
    if quantity not in LIMITED:
        return quantity, None
    tail = slo.tail(LIMITED[quantity])
    return (tail.name, tail.bound_s) if tail else (quantity, getattr(slo, quantity))


def load_at(workload: Workload, variable: str, value: int) -> Workload:
    """Change one variable of a load.

    Parameters
    ----------
    workload : Workload
        The load before the change.
    variable : str
        One of `VARIABLES`. A context changes prompt and answer in proportion; the
        shared prefix is cut to the length of the prompt. Requests an hour leave the
        load as it is: `rate_at`.
    value : int
        New value of the variable.

    Returns
    -------
    Workload
        The load after the change.

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
    if variable == "requests_h":
        return workload
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


def rate_at(variable: str, value: int, rate_rps: float | None = None) -> float | None:
    """Say at which rate requests come, where one variable of a load has a value.

    Parameters
    ----------
    variable : str
        One of `VARIABLES`.
    value : int
        Its value.
    rate_rps : float, optional
        The rate while something else is changed [requests/s].

    Returns
    -------
    float or None
        The rate; None for users at once [requests/s].

    Examples
    --------
    >>> rate_at("requests_h", 1800), rate_at("input_tokens", 1000, 2.0), rate_at("concurrency", 4)
    (0.5, 2.0, None)
    """
    return value / HOUR_S if variable == "requests_h" else rate_rps


def usual_range(
    workload: Workload, variable: str, deployments: Iterable[Deployment]
) -> tuple[int, int]:
    """Choose the default range of a sweep.

    Parameters
    ----------
    workload : Workload
        The load, which lies within.
    variable : str
        One of `VARIABLES`.
    deployments : iterable of Deployment
        What is swept: users and requests go beyond what any of them serves, tokens to the
        longest window.

    Returns
    -------
    tuple of int
        First and last value.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
    >>> usual_range(WORKED_WORKLOAD, "context_tokens", worked_spec())
    (1000, 163840)
    """
    prompt, answer = workload.input_tokens, workload.output_tokens
    context, columns = workload.context_tokens, tuple(deployments)
    window = max(d.model.max_context_tokens for d in columns)
    if variable == "concurrency":
        max_running = max(serving.most_running(d, workload) for d in columns)
        highest = max(2 * workload.concurrency, min(1.2 * max_running, 1024), 8)
        return 1, 2 ** math.ceil(math.log2(highest))
    if variable == "requests_h":
        highest = HOUR_S * max(design.requests_within(d, workload).value for d in columns)
        return max(math.floor(highest / 100), 1), max(math.ceil(1.2 * highest), 2)
    if variable == "shared_prefix_tokens":
        return 0, prompt
    if variable == "context_tokens":
        return min(1000, context), max(window, context)
    if variable == "input_tokens":
        return min(100, prompt), max(window - answer, prompt, 2)
    highest = min(max(window - prompt, answer), max(16 * answer, 16_000))
    return min(100, answer), max(highest, 2)


# The results of `obstacle` in words; with "", a price is missing since no rent is known.
OBSTACLES = {
    "length": "takes no request so long",
    "start": "does not start",
    "room": "not all fit",
    "rate": "not all answered",
    "": "no rent known",
}


def obstacle(deployment: Deployment, workload: Workload, rate_rps: float | None = None) -> str:
    """Name the reason why a deployment cannot serve a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        The load.
    rate_rps : float, optional
        Requests that come every second, in place of users [requests/s].

    Returns
    -------
    str
        "length" where requests are longer than engine or model takes, "start" where
        no user has room, "room" where not all have, "rate" where more requests come than
        are answered, "" where all are served.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> a, b, c = design.worked_spec()
    >>> obstacle(a, design.WORKED_WORKLOAD), obstacle(b, design.WORKED_WORKLOAD)
    ('start', '')
    """
    if workload.context_tokens > deployment.request_limit_tokens:
        return "length"
    ledger = capacity.workload_ledger(deployment, workload)
    if rate_rps is not None and ledger.starts:
        most_rps = design.requests_within(deployment, workload).value
        return "" if rate_rps < most_rps else "rate"
    if ledger.fits:
        return ""
    return "room" if ledger.starts else "start"


def measure(
    deployment: Deployment,
    workload: Workload,
    quantity: str,
    reason: str | None = None,
    *,
    rate_rps: float | None = None,
) -> Estimate | None:
    """Estimate one quantity of one deployment under one load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        The load.
    quantity : str
        One of `QUANTITIES`, or a percentile of a latency, as "itl p95".
    reason : str, optional
        What `obstacle` says of them, where it was asked already.
    rate_rps : float, optional
        Requests that come every second, in place of users [requests/s].

    Returns
    -------
    Estimate or None
        Value, interval and ceiling in the quantity's unit. None where not all users
        have room, or not all requests are answered (unless the quantity is the number that
        have room), and for the price of cards whose rent is not known.

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
    quantity_info = quantity_of(quantity)
    reason = obstacle(deployment, workload, rate_rps) if reason is None else reason
    if not quantity_info.estimated:
        if reason in ("length", "start"):
            return None
        return design.room(capacity.workload_ledger(deployment, workload))
    if reason:
        return None
    tail = None if quantity in QUANTITIES else _percentile(quantity)
    if rate_rps is not None:
        answered = at_rate(deployment, workload, rate_rps)
        return answered.percentile(*tail) if tail else getattr(answered, quantity)
    estimates = calibration.estimates(deployment, workload)
    return percentile(estimates, *tail) if tail else getattr(estimates, quantity)


def curve(
    deployment: Deployment,
    workload: Workload,
    variable: str,
    stops: Iterable[int],
    quantity: str,
    *,
    executor: "Executor | None" = None,
) -> tuple[Estimate | None, ...]:
    """Estimate a quantity at many values of a variable.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        The load before the change.
    variable : str
        One of `VARIABLES`.
    stops : iterable of int
        Its values.
    quantity : str
        As `measure` takes it.
    executor : Executor, optional
        Where it is computed; in this process if omitted.

    Returns
    -------
    tuple of Estimate or None
        As `measure` gives them, one a stop.

    Raises
    ------
    BadInput
        When a name is not known, or a value out of its range.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> a, b, c = design.worked_spec()
    >>> slow, fast = curve(b, design.WORKED_WORKLOAD, "concurrency", (16, 1), "itl_s")
    >>> slow.value > fast.value
    True
    """
    stops = tuple(stops)
    function = partial(_at, deployment, workload, variable, quantity)
    estimates = many.each(function, stops, executor=executor)
    return tuple(estimates[stop] for stop in stops)


def _at(
    deployment: Deployment, workload: Workload, variable: str, quantity: str, value: int
) -> Estimate | None:
    load, rate_rps = load_at(workload, variable, value), rate_at(variable, value)
    return measure(deployment, load, quantity, rate_rps=rate_rps)


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
