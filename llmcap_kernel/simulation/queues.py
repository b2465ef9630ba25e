"""How many requests come in a time, and how long they wait for one server.

They come at random moments with a mean rate (Poisson), or in clumps.
"""

import math
from collections.abc import Callable

from ..numeric import Number, exp, log, maximum, minimum, somewhere, where
from ..refuse import number

MANY = 30  # mean above which the normal distribution is used
LONGEST = 200  # requests of a busy period beyond which they are not counted
DECAY_STEPS = 6  # steps of Newton's method, for an accuracy of a billionth
LOGISTIC = 1.702  # scale of the logistic distribution nearest to the normal one


def md1_wait_percentile_s(*, busy: Number, service_s: Number, percent: float) -> Number:
    """Compute a percentile of the wait for one server with a constant service time, M/D/1.

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
    short_wait = log(maximum(percent / 100 / (1 - busy), 1.0)) / busy  # in services
    # the tail's decay solves e^decay = 1 + decay / busy; Newton's method converges from above
    decay = 2 * (1 - busy) / busy
    for _ in range(DECAY_STEPS):
        growth = 1 + decay / busy
        decay = decay - (decay - log(growth)) / (1 - 1 / (busy * growth))
    excess = (1 - busy) / (busy + decay - 1) / (1 - percent / 100)
    long_wait = log(maximum(excess, 1.0)) / decay
    return service_s * where(short_wait < 1, short_wait, maximum(long_wait, 1.0))


def prompts_per_pass(*, rate_rps: Number, pass_s: Number, step_s: Number) -> Number:
    """Compute the mean prompts of a pass, where all that come during one go into the next.

    The next pass follows at once if a prompt has come; else decode steps run until one does.

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
    >>> round(prompts_per_pass(rate_rps=10.0, pass_s=0.06, step_s=0.001), 2)
    1.15
    >>> round(prompts_per_pass(rate_rps=10.0, pass_s=1.0, step_s=0.001), 2)
    10.0
    """
    arrivals, per_step = rate_rps * pass_s, maximum(rate_rps * step_s, 1e-9)
    return arrivals + exp(-arrivals) * per_step / (1 - exp(-per_step))


def poisson(mean: Number, rank: float, clump: Number = 1.0) -> Number:
    """Compute a quantile of the number of requests that come, at random moments or in clumps.

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
    small_mean = minimum(mean, MANY)
    excess = clump - 1

    def following(share: Number, n: int) -> Number:
        return share * (small_mean + excess * (n - 1)) / (n * (1 + excess))

    count = _counted(share_without_arrivals(small_mean, clump), following, rank, 3 * MANY)
    return _normal_if_many(mean, count, rank, 1 + excess)


def busy_period(mean: Number, rank: float, busy: Number) -> Number:
    """Compute a quantile of the requests that are served before a server is idle again.

    Those that come in a time at random moments, those that come while these are served, and so on.

    Parameters
    ----------
    mean : float or array
        How many are served on average; 0 or more begin it.
    rank : float or array
        Share of the times with no more, 0 to 1.
    busy : float or array
        Share of the time in which the server works, below 1.

    Returns
    -------
    float or array
        A whole number; of a mean above 30 the normal law's, which is not whole.

    References
    ----------
    Tanner 1953, "A problem of interference between two queues", Biometrika 40, of the requests that
    begin it; where these come at random, the generalised Poisson law of Consul and Jain 1973.

    Examples
    --------
    >>> busy_period(0.4, 0.9, 0.8), busy_period(0.4, 0.99, 0.8), poisson(0.4, 0.99)
    (0.0, 9.0, 2.0)
    """
    begun = minimum(mean, MANY) * (1 - busy)

    def following(share: Number, n: int) -> Number:
        # the ratio of two terms, in which no power grows large
        grown = (begun + n * busy) / maximum(begun + (n - 1) * busy, 1e-12)
        return share * (begun + (n - 1) * busy) / n * math.e**-busy * grown ** (n - 1)

    count = _counted(math.e**-begun, following, rank, LONGEST)
    return _normal_if_many(mean, count, rank, 1 / (1 - busy) ** 2)


def _counted(
    share: Number, following: Callable[[Number, int], Number], rank: Number, most: int
) -> Number:
    """Compute a quantile from the share of none, and each further share from the one before."""
    cumulative, count = 0.0, 0.0
    for n in range(1, most):
        cumulative = cumulative + share
        if not somewhere(cumulative < rank):
            break
        count = count + where(cumulative < rank, 1.0, 0.0)
        share = following(share, n)
    return count


def _normal_if_many(mean: Number, count: Number, rank: Number, variance: Number) -> Number:
    """Replace a count by the normal law's where the mean is large; the variance is over it."""
    large_mean = maximum(mean, MANY)
    normal = large_mean + _deviations(rank) * (large_mean * variance) ** 0.5
    return where(mean < MANY, count, maximum(normal, count))


def share_without_arrivals(mean: Number, clump: Number = 1.0) -> Number:
    """Compute the probability that no request comes.

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
    >>> round(share_without_arrivals(1.0), 3), round(share_without_arrivals(1.0, clump=2.0), 3)
    (0.368, 0.5)
    """
    excess = clump - 1
    # the limit for random arrivals is 1
    exponent = where(excess > 1e-9, log(clump) / maximum(excess, 1e-9), 1.0)
    return math.e ** (-mean * exponent)


def _deviations(rank: Number) -> Number:
    """Approximate a quantile of the normal distribution by the logistic one, within 2%."""
    rank_inside = minimum(maximum(rank, 1e-9), 1 - 1e-9)
    return log(rank_inside / (1 - rank_inside)) / LOGISTIC


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
