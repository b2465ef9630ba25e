"""A load at several rates: its percentiles along the rate, and where a limit breaks."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import calibration, many
from ..refuse import number
from ..spec import Deployment, tail_name
from .arrivals import Load, requests
from .loop import simulate
from .steps import Steps, room_of
from .tails import PERCENTS, QUANTITIES, estimated, saturates_rps, values, weighted

if TYPE_CHECKING:
    from concurrent.futures import Executor

CLOSE = 0.02  # relative accuracy of a rate


def along(
    deployment: Deployment,
    load: Load,
    rates_rps: Iterable[float],
    *,
    executor: "Executor | None" = None,
    kept: str | Path | None = None,
    progress: Callable[[float], bool | None] | None = None,
) -> dict[float, dict[str, Any]]:
    """Simulate a load at several rates.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    load : Load
        The load.
    rates_rps : iterable of float
        Rates [requests/s].
    executor : Executor, optional
        Where it runs, as `many.each` takes it.
    kept : str or Path, optional
        A file that keeps what is done, as `many.each` takes it.
    progress : callable, optional
        Is told the share that is done; False stops.

    Returns
    -------
    dict
        By rate: by quantity and percentile, such as "ttft p95", value, low and high [s].

    Raises
    ------
    BadInput
        When the engine does not start, or a request has no room.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.simulation import Lengths, Load
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> found = along(d, Load(Lengths(1000), Lengths(100), count=50), [1.0, 8.0])
    >>> found[1.0]["itl p50"][0] < found[8.0]["itl p50"][0]
    True
    """
    function = partial(_percentiles, deployment, load)
    return many.each(function, rates_rps, executor=executor, kept=kept, progress=progress)


def _percentiles(deployment: Deployment, load: Load, rate_rps: float) -> dict[str, list[float]]:
    simulated = estimated(deployment, requests(load.at(rate_rps)))
    return {
        tail_name(quantity, percent): list(simulated.percentile(quantity, percent))
        for quantity in QUANTITIES
        for percent in PERCENTS
    }


def most_rps(
    deployment: Deployment, load: Load, limits: Iterable[tuple[str, float, float]]
) -> float:
    """Find the largest rate at which percentiles stay within their limits.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    load : Load
        The load.
    limits : iterable of (str, float, float)
        A quantity, a percent, and the longest time [s].

    Returns
    -------
    float
        On the estimate, by bisection to 2%; 0 where an idle deployment misses one already, and
        never above the rate that the cards cannot exceed [requests/s].

    Raises
    ------
    BadInput
        When the engine does not start, or a request has no room.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.simulation import Lengths, Load
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> load = Load(Lengths(1000), Lengths(100), count=100)
    >>> most_rps(d, load, [("ttft", 95, 0.001)])
    0.0
    """
    limits = tuple(limits)
    for quantity, percent, bound_s in limits:
        number(tail_name(quantity, percent), bound_s, 0, 1e6, "s")
    requests_at_1 = requests(load.at(1.0))
    steps = Steps(deployment, calibration.efficiency_for(deployment))
    room = room_of(deployment, requests_at_1)

    def met(rate_rps: float) -> bool:
        run = simulate(requests(load.at(rate_rps)), steps, room)
        return all(
            weighted(values(run, quantity), (percent,))[0] <= bound_s
            for quantity, percent, bound_s in limits
        )

    high_rps = saturates_rps(requests_at_1, steps, room)
    low_rps = high_rps / 1000
    if met(high_rps):
        return high_rps
    if not met(low_rps):
        return 0.0
    while high_rps / low_rps > 1 + CLOSE:
        middle_rps = (low_rps * high_rps) ** 0.5
        low_rps, high_rps = (middle_rps, high_rps) if met(middle_rps) else (low_rps, middle_rps)
    return low_rps
