"""How many requests come in a time, and how long they wait for one server.

They come at random moments at a mean rate (Poisson), or in clumps.
"""

import math

from ..numeric import Number, exp, log, maximum, minimum, somewhere, where
from ..refuse import number

MANY = 30  # beyond so many on average their law is the normal one
DECAY_STEPS = 6  # of Newton, to a billionth
LOGISTIC = 1.702  # deviations of the logistic law that is nearest to the normal one


def md1_wait_percentile_s(*, busy: Number, service_s: Number, percent: float) -> Number:
    """Compute a percentile of the wait for one server whose services are alike, M/D/1.

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
        The wait: exact up to one service, and beyond it on the tail that the exact law nears;
        0 for those who find the server idle [s].

    References
    ----------
    Erlang 1909, of the law; Asmussen 2003, Applied Probability and Queues, section XIII.5, of its
    tail.

    Examples
    --------
    >>> round(md1_wait_percentile_s(busy=0.8, service_s=1.0, percent=95), 2)
    6.62
    """
    busy = minimum(maximum(busy, 1e-6), 1 - 1e-9)
    soon = log(maximum(percent / 100 / (1 - busy), 1.0)) / busy  # in services
    # the tail's decay solves e^decay = 1 + decay / busy: Newton's steps come from above
    decay = 2 * (1 - busy) / busy
    for _ in range(DECAY_STEPS):
        grown = 1 + decay / busy
        decay = decay - (decay - log(grown)) / (1 - 1 / (busy * grown))
    longer = (1 - busy) / (busy + decay - 1) / (1 - percent / 100)
    late = log(maximum(longer, 1.0)) / decay
    return service_s * where(soon < 1, soon, maximum(late, 1.0))


def met_in_a_pass(*, rate_rps: Number, pass_s: Number, step_s: Number) -> Number:
    """Count the prompts of a pass where all who come meanwhile go into the next one.

    After a pass another follows at once where any has come, and steps of decoding until one comes
    where none has.

    Parameters
    ----------
    rate_rps : float or array
        Prompts that come a second, at random moments [1/s].
    pass_s, step_s : float or array
        Time of a pass, however many are in it, and of a step between passes [s].

    Returns
    -------
    float or array
        On average, at least one.

    Examples
    --------
    >>> round(met_in_a_pass(rate_rps=10.0, pass_s=0.06, step_s=0.001), 2)
    1.15
    >>> round(met_in_a_pass(rate_rps=10.0, pass_s=1.0, step_s=0.001), 2)
    10.0
    """
    came, between = rate_rps * pass_s, maximum(rate_rps * step_s, 1e-9)
    return came + exp(-came) * between / (1 - exp(-between))


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
