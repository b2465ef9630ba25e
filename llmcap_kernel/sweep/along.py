"""One quantity of a deployment along one variable of its load, and what is in the way."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from .. import calibration, capacity, design, many, serving
from ..calibration import Estimate
from ..refuse import BadInput, number, one_of, shown
from ..simulation.percentiles import percentile
from ..simulation.rates import at_rate, check_rate
from ..spec import MAX_TOKENS, TAILED, Deployment, Slo, Workload

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

    Raises
    ------
    BadInput
        When the rate is no number above 0.

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
    if rate_rps is not None and check_rate(rate_rps) and ledger.starts:
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
    rate_rps: float | None = None,
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
    rate_rps : float, optional
        Requests that come every second, in place of users; along requests they move [requests/s].
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
    if rate_rps is not None and variable == "concurrency":
        raise BadInput("rate_rps", f"rate_rps is {shown(rate_rps)}: users, who move, take none.")
    stops = tuple(stops)
    function = partial(_at, deployment, workload, variable, quantity, rate_rps)
    estimates = many.each(function, stops, executor=executor)
    return tuple(estimates[stop] for stop in stops)


def _at(
    deployment: Deployment,
    workload: Workload,
    variable: str,
    quantity: str,
    rate_rps: float | None,
    value: int,
) -> Estimate | None:
    load, rate_rps = load_at(workload, variable, value), rate_at(variable, value, rate_rps)
    return measure(deployment, load, quantity, rate_rps=rate_rps)
