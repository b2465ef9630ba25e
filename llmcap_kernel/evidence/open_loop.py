"""Open loops: a client sends so many requests a second, whether others are answered or not.

Until the deployment saturates, it answers what it is asked, and the requests in flight follow from
how long it takes (Little's law, on the estimate). Beyond, it answers what it can and the others
wait. The law of `serving` is that of a closed loop, in which users wait for their answers: as many
users as ask for the rate together have the same number of requests in flight.
"""

from bisect import bisect_left
from dataclasses import replace
from functools import lru_cache
from math import sqrt

from .. import calibration
from ..explain import counted
from ..serving import load_work, most_running
from ..spec import Deployment, Workload

SHORT_RUN = 100  # requests, where a source does not say how many it sent
FOUR_IN_FIVE = 1.28  # standard deviations that hold four arrivals in five


@lru_cache(maxsize=4096)
def users(
    deployment: Deployment, workload: Workload, family: str, request_rate: float, most: int
) -> int:
    """Compute the requests in flight of an open loop.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    family : str
        Family of the engine.
    request_rate : float
        Requests sent each second [requests/s].
    most : int
        The most that can be in flight.

    Returns
    -------
    int
        The fewest users of a closed loop that ask for as much; one more than `most` where even
        those do not.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> few, many = (users(one, Workload(1000, 100, 1), "vllm", r, 256) for r in (1.0, 8.0))
    >>> 1 <= few < many < 256
    True
    """

    def rate_rps(concurrency: int) -> float:
        return _rate_rps(deployment, workload, family, concurrency)

    return bisect_left(range(1, most + 1), request_rate, key=rate_rps) + 1


def _rate_rps(deployment: Deployment, workload: Workload, family: str, concurrency: int) -> float:
    load = replace(workload, concurrency=concurrency)
    work = load_work(deployment, load)
    made = calibration.estimates(deployment, load, family=family, work=work)
    return made.of("output_tok_s", bounded=False).value / workload.output_tokens


def most_rps(deployment: Deployment, workload: Workload) -> float:
    """Estimate the most requests that a deployment answers each second.

    Parameters
    ----------
    deployment : Deployment
        What answers the requests.
    workload : Workload
        Prompt and answer; its concurrency is not used.

    Returns
    -------
    float
        With as many in flight as run at once [requests/s]; 0 where the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> most_rps(one, Workload(1000, 100)) > most_rps(one, Workload(1000, 1000)) > 0
    True
    """
    most = most_running(deployment, workload)
    return _rate_rps(deployment, workload, deployment.engine.family, most) if most else 0.0


def rate(
    most: calibration.Estimate, asked: float, in_flight: int, requests: int | None
) -> calibration.Estimate:
    """Estimate the output rate of an open loop.

    Parameters
    ----------
    most : Estimate
        What the deployment serves at most.
    asked : float
        Request rate times answer, in the same unit.
    in_flight : int
        Requests in flight.
    requests : int or None
        How many are sent.

    Returns
    -------
    Estimate
        The lesser of the two. What is asked varies with the arrivals, and the last answers
        come when nothing is sent any more.

    Examples
    --------
    >>> most = calibration.Estimate(5000.0, 4000.0, 6000.0, 9000.0, "")
    >>> rate(most, 1000.0, 8, 400).value, rate(most, 8000.0, 400, 400).value
    (1000.0, 5000.0)
    """
    sent = requests or SHORT_RUN
    fewest, highest = asked / (1 + in_flight / sent), asked * (1 + FOUR_IN_FIVE / sqrt(sent))
    reason = most.reason
    if asked < most.value:
        reason = "an open loop below saturation: requests a second times answer"
    return calibration.Estimate(
        min(most.value, asked),
        min(most.low, fewest),
        min(most.high, highest),
        most.ceiling,
        reason,
    )


def taken(deployment: Deployment, workload: Workload, request_rate: float) -> tuple[int, str]:
    """Take the users that stand for a rate, and say which.

    Parameters
    ----------
    deployment : Deployment
        What answers the requests.
    workload : Workload
        Prompt and answer; its concurrency is not used.
    request_rate : float
        Requests sent each second [requests/s].

    Returns
    -------
    tuple of (int, str)
        Requests in flight, as many as have room where more are sent than are answered; 0 and ""
        where the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> taken(one, Workload(1000, 100, 1), 1000.0)[1][:80]
    '1,000 requests a second of 1,000 tokens in and 100 out are more than it answers,'
    """
    most = most_running(deployment, workload)
    if not most:
        return 0, ""
    found = users(deployment, workload, deployment.engine.family, request_rate, most)
    lengths = f"{workload.input_tokens:,} tokens in and {workload.output_tokens:,} out"
    rate_words = f"{request_rate:,.4g} requests a second of {lengths}"
    if found > most:
        why = f"{rate_words} are more than it answers, so a queue grows without end"
        return most, f"{why}: {counted(most, 'user')} taken, as many as run at once"
    return found, f"{rate_words} keep {counted(found, 'user')} at once by the estimate: so taken"
