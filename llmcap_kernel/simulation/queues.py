"""Queues whose averages are known exactly, and the batch of an engine as one of them.

Requests come at random moments, at a mean rate (Poisson). A rate that a queue cannot keep up with
is refused; in arrays it gives nan.
"""

import math
from typing import NamedTuple

from ..numeric import Number, exp, log, maximum, minimum, somewhere, where
from ..refuse import BadInput, number

MANY = 30  # beyond so many on average their law is the normal one
DECAY_STEPS = 6  # of Newton, to a billionth
LOGISTIC = 1.702  # deviations of the logistic law that is nearest to the normal one


def erlang_c(*, servers: int, offered: float) -> float:
    """Compute the probability that a request waits for one of several servers, M/M/c.

    Parameters
    ----------
    servers : int
        Servers, each of which works on one request.
    offered : float
        Arrival rate times mean service: servers that are busy on average.

    Returns
    -------
    float
        Share of the requests that find every server busy.

    Raises
    ------
    BadInput
        When as much is offered as there are servers, or more.

    References
    ----------
    Erlang 1917; Kleinrock 1975, Queueing Systems, volume 1, section 3.5.

    Examples
    --------
    >>> round(erlang_c(servers=8, offered=6.4), 6)
    0.457645
    """
    servers = number("servers", servers, 1, 1_000_000, whole=True)
    number("offered", offered, 0, 1e12)
    _spare(offered / servers)
    blocked = 1.0  # Erlang B, by its recursion on the servers
    for busy in range(1, servers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def erlang_c_wait_s(*, servers: int, rate_rps: float, service_s: float) -> float:
    """Compute the mean wait for one of several servers, M/M/c.

    Parameters
    ----------
    servers : int
        Servers.
    rate_rps : float
        Requests a second [requests/s].
    service_s : float
        Mean service of a request [s].

    Returns
    -------
    float
        Mean wait before the service [s].

    References
    ----------
    Kleinrock 1975, Queueing Systems, volume 1, section 3.5.

    Examples
    --------
    >>> round(erlang_c_wait_s(servers=8, rate_rps=6.4, service_s=1.0), 6)
    0.286028
    """
    offered = rate_rps * service_s
    return erlang_c(servers=servers, offered=offered) * service_s / (servers - offered)


def mg1_wait_s(*, rate_rps: Number, service_s: Number, variation: Number = 0.0) -> Number:
    """Compute the mean wait for one server that takes requests in turn, M/G/1.

    With a variation of 0 every service takes as long: M/D/1. With 1 they may be
    exponential: M/M/1.

    Parameters
    ----------
    rate_rps : float or array
        Requests a second [requests/s].
    service_s : float or array
        Mean service of a request [s].
    variation : float or array
        Standard deviation of the service over its mean.

    Returns
    -------
    float or array
        Mean wait before the service [s].

    Raises
    ------
    BadInput
        When the server cannot keep up with the rate.

    References
    ----------
    Pollaczek 1930, Khinchine 1932; Kleinrock 1975, volume 1, section 5.6.

    Examples
    --------
    >>> round(mg1_wait_s(rate_rps=0.8, service_s=1.0), 6)  # M/D/1
    2.0
    >>> round(mg1_wait_s(rate_rps=0.8, service_s=1.0, variation=1.0), 6)  # M/M/1
    4.0
    """
    load = rate_rps * service_s
    return load * service_s * (1 + variation * variation) / (2 * _spare(load))


def mm1_wait_percentile_s(*, rate_rps: float, service_s: float, percent: float) -> float:
    """Compute a percentile of the wait for one server with exponential services, M/M/1.

    Parameters
    ----------
    rate_rps : float
        Requests a second [requests/s].
    service_s : float
        Mean service of a request [s].
    percent : float
        Percent of the requests that wait no longer.

    Returns
    -------
    float
        The wait; 0 for those who find the server idle [s].

    References
    ----------
    Kleinrock 1975, volume 1, section 3.2: the wait exceeds t for a share
    `load x exp(-(1 - load) t / service)`.

    Examples
    --------
    >>> round(mm1_wait_percentile_s(rate_rps=0.8, service_s=1.0, percent=99), 2)
    21.91
    """
    load, longer = rate_rps * service_s, 1 - check_percent(percent) / 100
    spare = _spare(load)
    return service_s / spare * math.log(load / longer) if load > longer else 0.0


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


def shared_time_s(*, rate_rps: Number, service_s: Number, own_s: Number) -> Number:
    """Compute the time of a request where all in progress share one server, M/G/1-PS.

    Parameters
    ----------
    rate_rps : float or array
        Requests a second [requests/s].
    service_s : float or array
        Mean service of a request on the whole server [s].
    own_s : float or array
        Service of the request itself [s].

    Returns
    -------
    float or array
        Mean time of such a request, whatever the law of the others' services [s].

    Raises
    ------
    BadInput
        When the server cannot keep up with the rate.

    References
    ----------
    Kleinrock 1976, Queueing Systems, volume 2, section 4.4.

    Examples
    --------
    >>> round(shared_time_s(rate_rps=0.8, service_s=1.0, own_s=2.0), 6)
    10.0
    """
    return own_s / _spare(rate_rps * service_s)


class Batch(NamedTuple):
    """A batch whose steps last longer with each of its requests: batch-dependent sharing.

    A step with n sequences lasts `step_s + sequence_s n` and gives each a token. This
    is continuous batching without prefill, and with room for all. Over time the requests
    are negative binomial, `r = step_s / sequence_s + 1` and
    `p = rate_rps x output_tokens x sequence_s`; Poisson where a sequence adds nothing.

    Attributes
    ----------
    rate_rps : float or array
        Requests a second [requests/s].
    output_tokens : float or array
        Mean tokens of an answer; their law does not matter [tokens].
    step_s : float or array
        The part of a step that does not depend on the sequences [s].
    sequence_s : float or array
        What each sequence adds to a step [s].

    References
    ----------
    Baskett, Chandy, Muntz and Palacios 1975, doi 10.1145/321879.321887: processor
    sharing with a capacity that depends on the requests.

    Examples
    --------
    >>> calm, busy = (Batch(rate, 400, 0.010, 0.0002) for rate in (2.0, 8.0))
    >>> round(calm.mean, 4), round(busy.mean, 4)
    (9.7143, 90.6667)
    >>> round(calm.time_s, 5), round(busy.time_s, 5)
    (4.85714, 11.33333)
    >>> round(busy.gap_s(95) * 1e3, 1)
    33.8
    """

    rate_rps: Number
    output_tokens: Number
    step_s: Number
    sequence_s: Number

    @property
    def busy(self) -> Number:
        """Share of the most that a batch without end would serve."""
        return self.rate_rps * self.output_tokens * self.sequence_s

    @property
    def mean(self) -> Number:
        """Mean requests in progress; refused, or nan, where no batch keeps up."""
        return self.rate_rps * self.time_s

    @property
    def time_s(self) -> Number:
        """Mean time of an answer; refused, or nan, where no batch keeps up [s]."""
        return self.output_tokens * (self.step_s + self.sequence_s) / _spare(self.busy)

    def percentile(self, percent: float) -> int:
        """Compute a percentile of the requests in progress, over time.

        Parameters
        ----------
        percent : float
            Percent of the time with no more requests.

        Returns
        -------
        int
            Requests in progress.

        Raises
        ------
        BadInput
            When no batch keeps up with the rate.
        """
        wanted = check_percent(percent) / 100
        alone = self.rate_rps * self.output_tokens * self.step_s
        _spare(self.busy)
        empty, steps = -alone, self.step_s / self.sequence_s if self.sequence_s else math.inf
        if steps < math.inf:  # else a sequence adds nothing that a float can hold
            empty = (steps + 1) * math.log1p(-self.busy)
        # in logarithms: the share of an empty batch may be too small for a float
        share, below, n = empty, math.exp(empty), 0
        while below < wanted:
            n += 1
            share += math.log((alone + self.busy * n) / n)
            below += math.exp(share)
        return n

    def gap_s(self, percent: float) -> float:
        """Compute a percentile of the gap between two tokens.

        Large batches make more tokens, and longer gaps: the batch that a token sees is
        one more than the requests over time, its own.

        Parameters
        ----------
        percent : float
            Percent of the gaps that are no longer.

        Returns
        -------
        float
            The gap [s].

        Raises
        ------
        BadInput
            When no batch keeps up with the rate.
        """
        return self.step_s + self.sequence_s * (1 + self.percentile(percent))


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


def _spare(load: Number) -> Number:
    """Share of a server that is free; nan in arrays where it cannot keep up."""
    if hasattr(load, "__array__"):
        return where(load < 1, 1 - load, math.nan)
    if not load < 1:
        message = f"rate_rps asks for {load:.3g} times what can be served"
        raise BadInput("rate_rps", f"{message}: the queue would grow without end.")
    return 1 - load
