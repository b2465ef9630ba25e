"""How many requests come in a time, and how long they wait for one server.

They come at random moments at a mean rate (Poisson), or in clumps.
"""

import math

from ..numeric import Number, log, maximum, minimum, somewhere, where
from ..refuse import number

MANY = 30  # beyond so many on average their law is the normal one
LOGISTIC = 1.702  # deviations of the logistic law that is nearest to the normal one


def md1_wait_percentile_s(*, busy: Number, service_s: Number, percent: float) -> Number:
    """Estimate a percentile of the wait for one server whose services are alike, M/D/1.

    Parameters
    ----------
    busy : float or array
        Share of the time in which the server works: who comes then waits.
    service_s : float or array
        A service [s].
    percent : float
        Percent of the requests that wait no longer.

    Returns
    -------
    float or array
        The wait of an exponential law with the exact mean; 0 for those who find the server idle
        [s].

    References
    ----------
    Kleinrock 1975, volume 1, section 5.6, of the mean; Kingman 1962, doi
    10.1017/S0305004100036653, of the exponential law, exact near saturation.

    Examples
    --------
    >>> round(md1_wait_percentile_s(busy=0.8, service_s=1.0, percent=95), 2)
    6.93
    """
    waits = maximum(busy / (1 - percent / 100), 1.0)
    return service_s / (2 * (1 - busy)) * log(waits)


def poisson(mean: Number, rank: float, clump: Number = 1.0) -> Number:
    """Compute a quantile of how many requests come, at random moments or in clumps.

    Parameters
    ----------
    mean : float or array
        How many come on average.
    rank : float or array
        Share of the times with no more, 0 to 1.
    clump : float or array
        Their variance over their mean: 1 at random moments; above it the law is the negative
        binomial one.

    Returns
    -------
    float or array
        A whole number; of a mean above 30 the normal law's, which is not whole.

    References
    ----------
    Panjer 1981, doi 10.1017/S0515036100006796: one recursion for both laws.

    Examples
    --------
    >>> poisson(0.2, 0.5), poisson(0.2, 0.95), poisson(0.2, 0.99)
    (0.0, 1.0, 2.0)
    >>> poisson(0.2, 0.84, clump=2.0), poisson(0.2, 0.99, clump=2.0)
    (0.0, 3.0)
    """
    few = minimum(mean, MANY)
    beyond = clump - 1
    share, below, found = none_come(few, clump), 0.0, 0.0
    for n in range(1, 3 * MANY):
        below = below + share
        if not somewhere(below < rank):
            break
        found = found + where(below < rank, 1.0, 0.0)
        share = share * (few + beyond * (n - 1)) / (n * (1 + beyond))
    more = maximum(mean, MANY)
    normal = more + _deviations(rank) * (more * (1 + beyond)) ** 0.5
    return where(mean < MANY, found, maximum(normal, found))


def none_come(mean: Number, clump: Number = 1.0) -> Number:
    """Compute the share of the times at which no request comes.

    Parameters
    ----------
    mean : float or array
        How many come on average.
    clump : float or array
        Their variance over their mean, 1 or more.

    Returns
    -------
    float or array
        The share.

    Examples
    --------
    >>> round(none_come(1.0), 3), round(none_come(1.0, clump=2.0), 3)
    (0.368, 0.5)
    """
    beyond = clump - 1
    # which is 1 where they come at random
    fewer = where(beyond > 1e-9, log(clump) / maximum(beyond, 1e-9), 1.0)
    return math.e ** (-mean * fewer)


def _deviations(rank: Number) -> Number:
    """The normal law's quantile, within a fiftieth: the logistic law's with its spread."""
    inside = minimum(maximum(rank, 1e-9), 1 - 1e-9)
    return log(inside / (1 - inside)) / LOGISTIC


def check_percent(percent: float) -> float:
    """Return a percent if a percentile can be taken at it, otherwise raise.

    Parameters
    ----------
    percent : float
        Above 0 and below 100.

    Returns
    -------
    float
        The same.

    Raises
    ------
    BadInput
        When it is not.

    Examples
    --------
    >>> check_percent(99.9)
    99.9
    """
    return number("percent", percent, 0.001, 99.999)
