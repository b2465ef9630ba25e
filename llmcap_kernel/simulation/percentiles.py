"""Percentiles of latencies for a closed loop of users, in closed form, with their intervals."""

import math
from collections.abc import Callable
from dataclasses import replace

from .. import catalog, explain
from ..calibration import Estimate, Estimates
from ..calibration import estimates as calibration_estimates
from ..explain import Line
from ..numeric import Number
from ..refuse import one_of
from ..serving import Served
from ..spec import TAILED, Deployment, Workload, tail_name
from .queues import check_percent
from .spread import HALVINGS, quantile_s, spread_of, without_prompts

MIDDLE = 75.0  # percentiles up to this have the interval of the median, above that of the tail
# How percentiles of requests come about, in words.
MADE_OF = {
    "tpot": "decode steps, and the prompts computed meanwhile for who waited least before",
    "ttft": "others' prompts ahead and its own, or a slow start outside the cards",
    "e2e": "a late first token, or a long answer, and the gaps of its tokens",
}
# The mean of each quantity, as `Served` names it.
MEANS = {"itl": "itl_s", "tpot": "itl_s", "ttft": "ttft_mean_s", "e2e": "e2e_s"}


def percentile(estimates: Estimates, quantity: str, percent: float) -> Estimate:
    """Estimate a percentile of a latency, for users at once.

    Parameters
    ----------
    estimates : Estimates
        What can be expected of a deployment under a load.
    quantity : str
        One of `spec.TAILED`: "itl" is every gap between two tokens, "tpot" the mean gap
        of a request, "ttft" its time to the first token, "e2e" to the last.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    Estimate
        Value, interval and ceiling [s].

    Raises
    ------
    BadInput
        When the quantity is not known, or the percent is not between 0 and 100.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> made = calibration.estimates(b, Workload(7000, 1000, 16))
    >>> half, most = (percentile(made, "itl", p) for p in (50, 99.5))
    >>> half.value < made.itl_s.value < most.value
    True
    """
    quantity = one_of("quantity", quantity, TAILED)
    check_percent(percent)
    is_gap = quantity == "itl"
    spread = spread_of(estimates.served, gaps_alone=is_gap)
    # only gaps depend on the steps with prompts
    bounds_spreads = spread.doubted() if is_gap else (spread,)
    ceiling = ceiling_s(estimates.ceiling, quantity, percent)
    mean_faster, mean_slower, reason = estimates.interval_factors(MEANS[quantity])
    value = max(quantile_s(spread, quantity, percent), ceiling)

    def end_s(end: str, at: float, name: str) -> float:
        faster, slower = catalog.table("tails")["widths"][name]
        if end == "low":
            return quantile_s(bounds_spreads[0], quantity, at) * mean_faster / faster
        return quantile_s(bounds_spreads[-1], quantity, at) * mean_slower * slower

    low, high = in_order(end_s, quantity, percent)
    return Estimate(value, min(max(low, ceiling), value), max(high, value), ceiling, reason)


def in_order(
    end_s: Callable[[str, float, str], float], quantity: str, percent: float
) -> tuple[float, float]:
    """Compute the ends of a percentile's interval, so that they never fall along the percent.

    Widths differ below and above the `MIDDLE`, since they come from different measurements. A 50th
    percentile is never longer than a 75th, so the upper end of the 75th also bounds the 50th, and a
    higher end of its own is cut. The lower end of the 75th does not bound the 50th. Where the
    median's own lower end is above it, the two disagree, and the lower one is used for both.
    Measured percentiles of sources left out lie inside as often with the cut as without it, and
    those of first tokens more often with the lower end (`benchmarks/percentiles.py`). Raising the
    tail's lower end to the median's held fewer.

    Parameters
    ----------
    end_s : callable
        Takes "low" or "high", a percent and a name of `kind`; gives that end [s].
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    tuple of float
        Low and high end [s].

    Examples
    --------
    >>> wide = lambda name: 9 if "p50" in name else 2
    >>> wide_below = lambda end, at, name: at / 2 if end == "low" else at * wide(name)
    >>> in_order(wide_below, "itl", 50), in_order(wide_below, "itl", 95)
    ((25.0, 150.0), (47.5, 190))
    """
    own_kind, tail_kind = kind(quantity, percent), kind(quantity, 100)
    low, high = end_s("low", percent, own_kind), end_s("high", percent, own_kind)
    if own_kind == tail_kind:
        return low, high
    return min(low, end_s("low", MIDDLE, tail_kind)), min(high, end_s("high", MIDDLE, tail_kind))


def users_in_prompts(deployment: Deployment, workload: Workload, share: float) -> float:
    """Compute the number of users at which a share of all gaps contains another user's prompt.

    There a percentile of the gaps jumps from a plain step to one with a prompt: the 95th at 0.05.
    During an answer of `n` steps each other user sends one prompt, so where a prompt fits in a
    step, `1 - exp(-others / n)` of the steps carry one.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.
    share : float
        Share of the gaps, above 0 and below 1.

    Returns
    -------
    float
        Users, with the fraction; infinite where no prompt delays a gap [users].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> [round(users_in_prompts(one, Workload(500, out), 0.05)) for out in (100, 1000)]
    [7, 58]
    """
    estimate = calibration_estimates(deployment, replace(workload, concurrency=2))
    spread = spread_of(estimate.served, gaps_alone=True)
    full_chunks, last_chunks = float(spread.full), float(spread.last)  # of each other user
    if not full_chunks and not last_chunks:
        return math.inf
    if not full_chunks:
        return 1 - math.log(1 - share) / last_chunks
    low, high = 0.0, share / full_chunks
    for _ in range(HALVINGS):
        others = (low + high) / 2
        carrying_share = 1 - (1 - full_chunks * others) * math.exp(-last_chunks * others)
        low, high = (others, high) if carrying_share < share else (low, others)
    return 1 + low


def expected_s(served: Served, quantity: str, percent: float) -> Number:
    """Compute the value of a percentile, without interval or ceiling.

    Parameters
    ----------
    served : Served
        A load as it can be expected, or a stack of loads.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    float or array
        What `percentile` gives as the value, where the spec sheet allows no less [s].

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> made = calibration.estimates(b, Workload(7000, 1000, 16))
    >>> expected_s(made.served, "itl", 95) == percentile(made, "itl", 95).value
    True
    """
    spread = spread_of(served, gaps_alone=quantity == "itl")
    return quantile_s(spread, quantity, percent)


def value_s(estimates: Estimates, quantity: str, percent: float) -> float:
    """Compute the value of a percentile for users at once, without its interval.

    Parameters
    ----------
    estimates : Estimates
        What can be expected of a deployment under a load.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    float
        That of `percentile`, at a third of its work [s].

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> made = calibration.estimates(b, Workload(7000, 1000, 16))
    >>> value_s(made, "ttft", 95) == percentile(made, "ttft", 95).value
    True
    """
    expected = expected_s(estimates.served, quantity, percent)
    return float(max(expected, ceiling_s(estimates.ceiling, quantity, percent)))


def derived(estimates: Estimates, quantity: str, percent: float) -> tuple[Line, ...]:
    """Derive a percentile in lines.

    Parameters
    ----------
    estimates : Estimates
        What can be expected of a deployment under a load.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    tuple of Line
        The steps of the derivation.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> made = calibration.estimates(b, Workload(7000, 1000, 16))
    >>> [line.formula for line in derived(made, "itl", 95)][1]
    'a decode step without prompts, at its p95'
    """
    value = percentile(estimates, quantity, percent).value
    name = tail_name(quantity, percent)
    if quantity != "itl":
        return (Line(name, MADE_OF[quantity], "", explain.quantity(value, "s")),)
    spread = spread_of(estimates.served)
    share = Line(
        "steps with a prompt", "of another user, of all steps", "", f"{spread.stalled:.1%}"
    )
    kind_of = "with" if spread.stalled > 1 - percent / 100 else "without"
    source = f"a decode step {kind_of} prompts, at its p{percent:g}"
    return (share, Line(name, source, "", explain.quantity(value, "s")))


def kind(quantity: str, percent: float) -> str:
    """Name the interval that applies to a percentile.

    Parameters
    ----------
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    str
        A key of `widths` in `catalog/tails.toml`: how much wider than a mean's it is.

    Examples
    --------
    >>> kind("itl", 50), kind("itl", 95)
    ('itl p50', 'itl tail')
    """
    return f"{quantity} {'p50' if percent <= MIDDLE else 'tail'}"


def ceiling_s(ceiling: Served, quantity: str, percent: float) -> Number:
    """Compute the ceiling of a percentile.

    Parameters
    ----------
    ceiling : Served
        The load at full efficiency.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    float or array
        The least latency [s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> best = serve(one, Workload(1000, 500, 8))
    >>> ceiling_s(best, "ttft", 99) == best.ttft_idle_s
    True
    """
    if quantity == "itl":
        # at the ceiling, prompts hide behind decoding
        return without_prompts(ceiling).gap_s(percent)
    # no prompt waits for another, and no prompt delays a gap
    return {
        "tpot": ceiling.itl_decode_s,
        "ttft": ceiling.ttft_idle_s,
        "e2e": ceiling.ttft_idle_s + ceiling.work.output_tokens * ceiling.itl_decode_s,
    }[quantity]
