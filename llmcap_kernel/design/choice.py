"""What to run, and why not the next one; how many users a deployment may have."""

import itertools
from dataclasses import dataclass, replace

from .. import bandwidth, catalog, toolbox
from ..calibration import Estimate
from ..explain import quantity, wrapped
from ..spec import BadInput, Slo
from .cards import Card, card


@dataclass(frozen=True)
class Search:
    """What a search found: the deployments that hold, and why the rest do not.

    Attributes
    ----------
    found : tuple of Card
        Those that meet every limit, cheapest per token first [-].
    passed_over : tuple of Card
        The others, nearest miss first [-].
    """

    found: tuple
    passed_over: tuple

    @property
    def by_hardware(self):
        """The best card for each kind and number of GPUs, in the order of the search [-]."""
        kept: dict[tuple, Card] = {}
        for c in (*self.found, *self.passed_over):
            kept.setdefault((c.deployment.gpu.name, c.deployment.num_gpus), c)
        return tuple(kept.values())

    def text(self, rows=5):
        """Write the answer, the next best, and the nearest misses, hardware by hardware.

        Parameters
        ----------
        rows : int
            How many of each to print [-].

        Returns
        -------
        str
            Two lines for each kind and number of GPUs: its best formats, and
            what binds there [-].
        """
        good = [c for c in self.by_hardware if c.meets_all]
        bad = [c for c in self.by_hardware if not c.meets_all]
        out = ["meets every limit, cheapest per token first:"] if good else []
        for c in good[:rows]:
            price = quantity(c.usd_mtok, "USD/Mtok") if c.usd_mtok is not None else "unpriced"
            out += [
                f"  {_short_title(c.deployment)}: {price}",
                *wrapped(c.binding, " " * 6, " " * 6),
            ]
        out.append("why not:" if good else "nothing meets every limit, nearest miss first:")
        for c in bad[:rows]:
            out += [f"  {_short_title(c.deployment)}", *wrapped(c.binding, " " * 6, " " * 6)]
        return "\n".join(out if bad or not good else out[:-1])


def _short_title(deployment):
    """Leave the model out, which a search has only one of."""
    cards = deployment.title.split(" / ")[1]
    return f"{cards}, {deployment.weights.name} weights, {deployment.kv.name} KV"


def search(
    model,
    workload,
    slo,
    *,
    gpus,
    weights=("bf16", "fp8"),
    kv=("bf16", "fp8"),
    tps=(1, 2, 4, 8),
    dp_attention=(False,),
):
    """Walk the deployments of a model and keep those that meet every limit.

    Parameters
    ----------
    model : str or Model
        The model [-].
    workload : Workload
        What the users do [-].
    slo : Slo
        What must hold [-].
    gpus : iterable of str
        Cards to try [-].
    weights, kv : iterable of str
        Formats to try [-].
    tps : iterable of int
        Card counts to try [-].
    dp_attention : iterable of bool
        Whether attention is split by head, by user, or each in turn [-].

    Returns
    -------
    Search
        What holds, cheapest first, and why the rest does not [-].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> answer = search(
    ...     "llama-3.1-70b", WORKED_WORKLOAD, WORKED_SLO, gpus=["h100-sxm", "h200-sxm"]
    ... )
    >>> answer.found[0].meets_all
    True
    """
    found: list[Card] = []
    passed: list[Card] = []
    for gpu, tp, w, k, dp in itertools.product(gpus, tps, weights, kv, dp_attention):
        try:
            trial = catalog.deployment(
                model=model, gpu=gpu, tp=tp, weights=w, kv=k, dp_attention=dp
            )
        except BadInput as problem:
            if problem.field in ("tp", "dp_attention"):
                continue  # a topology this card or model cannot have is no candidate
            raise
        made = card(trial, workload, slo)
        (found if made.meets_all else passed).append(made)
    found.sort(key=lambda c: (c.usd_mtok is None, c.usd_mtok or 0.0, c.deployment.num_gpus))
    passed.sort(key=lambda c: (-c.limits[0].headroom, c.books.needed_bytes / c.books.budget_bytes))
    return Search(tuple(found), tuple(passed))


def most_users(deployment, workload, slo=None):
    """Count the users one deployment serves before a limit is missed.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        Prompt and answer of each user; its concurrency is not used [-].
    slo : Slo, optional
        The latencies that must hold; memory alone counts when left out [-].

    Returns
    -------
    int
        Users at once; 0 when one is too many [-].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> most_users(a, WORKED_WORKLOAD, WORKED_SLO)
    0
    >>> most_users(b, WORKED_WORKLOAD, WORKED_SLO) > 16
    True
    """
    slo = slo or Slo()

    def holds(users):
        busy = bandwidth.serve(deployment, workload, concurrency=users)
        in_time = slo.itl_s is None or busy.itl_served_s <= slo.itl_s
        return in_time and (slo.ttft_s is None or busy.ttft_burst_s <= slo.ttft_s)

    low, high = 0, toolbox.max_concurrent(deployment, workload)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def estimated_users(deployment, workload, slo=None):
    """Estimate the users one deployment serves before a latency is missed.

    The first token's wait is the mean of users who come back as soon as they
    are answered. Memory is no estimate: it caps all four numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        Prompt and answer of each user; its concurrency is not used [-].
    slo : Slo, optional
        The latencies that must hold; memory alone counts when left out [-].

    Returns
    -------
    Estimate
        Users up to whom the estimates hold; low and high, up to whom the slow
        and the fast end of their intervals do; the ceiling, up to whom the spec
        sheet allows it [-].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> made = estimated_users(b, WORKED_WORKLOAD, WORKED_SLO)
    >>> made.low <= made.value <= made.high <= made.ceiling == 51
    True
    """
    slo = slo or Slo()
    top = toolbox.max_concurrent(deployment, workload)
    blank = card(deployment, workload)
    seen: dict[int, tuple] = {}

    def used(users, end):
        """The largest share of a limit that is used, by one end of its interval."""
        if not users:
            return 0.0
        if users not in seen:
            trial = replace(blank, workload=replace(workload, concurrency=users))
            seen[users] = trial.checks(slo)
        return max((getattr(x.estimate, end) / x.allowed for x in seen[users]), default=0.0)

    if not top:
        return Estimate(0, 0, 0, 0, "memory: the engine does not start")
    value = _last(lambda n: used(n, "value"), 0, top)
    few = _last(lambda n: used(n, "high"), 0, value)
    many = _last(lambda n: used(n, "low"), value, top)
    ceiling = _last(lambda n: used(n, "ceiling"), many, top)
    if few == top:
        return Estimate(top, top, top, top, "memory alone: every latency holds at all who fit")
    used(max(value, 1), "value")
    return Estimate(value, few, many, ceiling, seen[max(value, 1)][0].estimate.reason)


def _last(used, low, high):
    """Find the last whole number at which `used`, which grows, is 1 at most; `low` is one.

    Guesses lie on the line between the ends; the end that stays counts half
    from guess to guess, so that a bent curve is closed in from both sides.
    """
    if used(high) <= 1:
        return high
    under, over = used(low) - 1, used(high) - 1
    while high - low > 1:
        guess = round(low + (high - low) * under / (under - over))
        guess = min(max(guess, low + 1), high - 1)
        at = used(guess) - 1
        if at <= 0:
            low, under, over = guess, at, over / 2
        else:
            high, over, under = guess, at, under / 2
    return low
