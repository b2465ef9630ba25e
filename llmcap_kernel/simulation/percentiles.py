"""Percentiles of latencies for users at once, in closed form, with the intervals of estimates."""

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
from ..spec import TAILED, Deployment, Workload
from .queues import check_percent
from .spread import HALVINGS, quantile_s, spread_of, without_prompts

MIDDLE = 75.0  # percent up to which a percentile has the width of the middle, and above of the tail
# What a percentile of the others is made of.
MADE_OF = {
    "tpot": "decode steps, and the prompts computed meanwhile for who waited least before",
    "ttft": "others' prompts ahead and its own, or a slow start outside the cards",
    "e2e": "a late first token, or a long answer, and the gaps of its tokens",
}
# The mean that each is a percentile of, as `Served` names it.
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
    gaps = quantity == "itl"
    spread = spread_of(estimates.served, gaps_alone=gaps)
    spreads = spread.doubted() if gaps else (spread,)  # prompts in steps are in gaps alone
    ceiling = ceiling_s(estimates.ceiling, quantity, percent)
    mean_faster, mean_slower, reason = estimates.interval_factors(MEANS[quantity])
    value = max(quantile_s(spread, quantity, percent), ceiling)

    def end_s(end: str, at: float, name: str) -> float:
        faster, slower = catalog.table("tails")["widths"][name]
        if end == "low":
            return quantile_s(spreads[0], quantity, at) * mean_faster / faster
        return quantile_s(spreads[-1], quantity, at) * mean_slower * slower

    low, high = in_order(end_s, quantity, percent)
    return Estimate(value, min(max(low, ceiling), value), max(high, value), ceiling, reason)


def in_order(
    end_s: Callable[[str, float, str], float], quantity: str, percent: float
) -> tuple[float, float]:
    """Bound a percentile by its own width, so that bounds never run backwards along the percent.

    Widths differ below and above the `MIDDLE`, as other measurements stand behind each, and both
    may be taken there. A 50th percentile is never longer than a 75th, so what bounds this from
    above bounds the 50th as surely: a wider bound of its own, from few sources, is cut. From below
    a bound of the 75th says nothing of the 50th; where the middle's own lies above it, the two
    disagree, and the lower is taken for both. Measured percentiles of sources left out lie inside
    as often with the cut as without it, and those of first tokens oftener with the lower bound
    (`benchmarks/percentiles.py`); bounds of tails raised to the middle's held fewer.

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
    own, tail = kind(quantity, percent), kind(quantity, 100)
    low, high = end_s("low", percent, own), end_s("high", percent, own)
    if own == tail:
        return low, high
    return min(low, end_s("low", MIDDLE, tail)), min(high, end_s("high", MIDDLE, tail))


def users_in_prompts(deployment: Deployment, workload: Workload, share: float) -> float:
    """Compute the users at which a share of all gaps has another user's prompt in it.

    There a percentile of the gaps jumps from a plain step to one that carries a prompt: the 95th
    at 0.05. An answer of `n` steps meets the prompts of all others once, so where one fits in a
    step `1 - exp(-others / n)` of its steps carry one.

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
    made = calibration_estimates(deployment, replace(workload, concurrency=2))
    of_one = spread_of(made.served, gaps_alone=True)
    full, last = float(of_one.full), float(of_one.last)  # of each other user
    if not full and not last:
        return math.inf
    if not full:
        return 1 - math.log(1 - share) / last
    low, high = 0.0, share / full
    for _ in range(HALVINGS):
        others = (low + high) / 2
        carried = 1 - (1 - full * others) * math.exp(-last * others)
        low, high = (others, high) if carried < share else (low, others)
    return 1 + low


def expected_s(served: Served, quantity: str, percent: float) -> Number:
    """Compute a percentile of a load by itself, without interval or ceiling.

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


def derived(estimates: Estimates, quantity: str, percent: float) -> tuple[Line, ...]:
    """List how a percentile comes about.

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
    name = f"{quantity} p{percent:g}"
    if quantity != "itl":
        return (Line(name, MADE_OF[quantity], "", explain.quantity(value, "s")),)
    spread = spread_of(estimates.served)
    share = Line(
        "steps with a prompt", "of another user, of all steps", "", f"{spread.stalled:.1%}"
    )
    kind_of = "with" if spread.stalled > 1 - percent / 100 else "without"
    step = f"a decode step {kind_of} prompts, at its p{percent:g}"
    return (share, Line(name, step, "", explain.quantity(value, "s")))


def kind(quantity: str, percent: float) -> str:
    """Name the interval of a percentile.

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
    """Compute what the spec sheet allows of a percentile.

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
        return without_prompts(ceiling).gap_s(percent)  # they hide behind decoding
    # a prompt that waits for no other, and gaps that no prompt delays
    return {
        "tpot": ceiling.itl_decode_s,
        "ttft": ceiling.ttft_idle_s,
        "e2e": ceiling.ttft_idle_s + ceiling.work.output_tokens * ceiling.itl_decode_s,
    }[quantity]
