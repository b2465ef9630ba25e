"""How many requests are in flight where they come at random moments: a birth and death process.

One is born at the rate, and one dies as it is answered. With n of them in flight, n are answered in
the time of a round; between two numbers at which that time is known it is straight. Written once,
for a float and for an array.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..numeric import (
    Number,
    between,
    ceil,
    exp,
    floor,
    interval,
    log,
    maximum,
    minimum,
    some,
    where,
)

STATES = 14  # numbers of requests in flight at which a deployment is asked
NODES = 24  # numbers of requests in flight that stand for all, evenly apart
BELOW, ABOVE = 4.0, 6.0  # deviations from the likeliest that they reach
LEAST = 1e-300  # in place of a division by nothing


def knots(most: Number) -> tuple[Number, ...]:
    """Choose the numbers of requests in flight at which the law is asked.

    Parameters
    ----------
    most : int or array
        As many as are in progress at once.

    Returns
    -------
    tuple of int or array
        From one to the most, each a multiple of the last.

    Examples
    --------
    >>> knots(100)
    (1, 2, 3, 4, 5, 6, 8, 12, 17, 24, 35, 49, 70, 100)
    """
    steps = (floor(most ** (i / (STATES - 1)) + 0.5) for i in range(STATES))
    return tuple(minimum(maximum(step, i), most) for i, step in enumerate(steps, 1))


class Law(NamedTuple):
    """Shares of the numbers of requests in flight at one rate.

    Attributes
    ----------
    nodes : tuple of float or array
        Numbers of requests, evenly apart.
    apart : float or array
        From one to the next.
    below : tuple of float or array
        Share of the time with no more than each.
    most : float or array
        As many as are in progress at once.
    waiting, mean : float or array
        Share of the requests that find so many, and the mean number of requests.
    """

    nodes: tuple[Number, ...]
    apart: Number
    below: tuple[Number, ...]
    most: Number
    waiting: Number
    mean: Number

    def found(self, percent: float) -> Number:
        """Compute a percentile of the requests in progress as one of them finds them.

        Parameters
        ----------
        percent : float
            Percent of the requests that find no more.

        Returns
        -------
        float or array
            The others, and itself.
        """
        rank, last, out = percent / 100, 0.0, self.most
        open_ = True
        for node, below in zip(self.nodes, self.below, strict=True):
            here = open_ & (below >= rank)
            # a node stands for those around it, as many as it is apart from the next
            beyond = (below - rank) / maximum(below - last, 1e-300)
            out = where(here, node + (self.apart - 1) * (0.5 - beyond), out)
            open_, last = open_ & (below < rank), below
        return minimum(out + 1, self.most)


def law_of(users: Any, rounds_s: Any, rate_rps: Number) -> Law:
    """Share out the time among the numbers of requests in flight.

    Parameters
    ----------
    users, rounds_s : tuple of float, or array
        Numbers of requests, and the time from a request to its answer with as many in flight; as
        `numeric.some` keeps them [s].
    rate_rps : float or array
        Requests a second, fewer than are answered at most [requests/s].

    Returns
    -------
    Law
        The shares.

    References
    ----------
    Kleinrock 1975, Queueing Systems, volume 1, section 3.1, of births and deaths.

    Examples
    --------
    >>> law = law_of((1, 2, 100), (1.0, 1.0, 1.0), 3.0)  # as many servers as requests
    >>> round(law.mean, 2), law.found(50), law.found(99)
    (3.0, 4.0, 9.0)
    """
    most, most_rps = users[-1], users[-1] / rounds_s[-1]
    likeliest, deviation = _middle(users, rounds_s, rate_rps)
    nodes, apart = _nodes(likeliest, deviation, most)
    born, died = log(rate_rps), _answered_logs(users, rounds_s, nodes)
    logs = [0.0 * born]
    for before, after in itertools.pairwise(died):
        logs.append(logs[-1] + _step(born, before, after, apart))
    top, last, at, there = logs[0], logs[0], nodes[0], died[0]
    for node, one, its in zip(nodes, logs, died, strict=True):
        within = node <= most
        top = where(within, maximum(top, one), top)
        last, at, there = (
            where(within, new, old) for new, old in ((one, last), (node, at), (its, there))
        )
    weights = [
        where(node <= most, exp(minimum(one - top, 0.0)), 0.0)
        for one, node in zip(logs, nodes, strict=True)
    ]
    at_most = last + _step(born, there, log(most_rps), maximum(most - at, 0)) - top
    return _law(nodes, apart, weights, most, exp(minimum(at_most, 0.0)), rate_rps / most_rps)


def _law(
    nodes: Sequence[Number],
    apart: Number,
    weights: Sequence[Number],
    most: Number,
    at_most: Number,
    busy: Number,
) -> Law:
    """The shares, of weights: those in progress, and the queue of those who wait for room."""
    queue = at_most * busy / (1 - busy)
    whole = apart * sum(weights) + queue
    below = tuple(itertools.accumulate(apart * weight / whole for weight in weights))
    within = apart * sum(weight * n for weight, n in zip(weights, nodes, strict=True))
    mean = (within + queue * (most + 1 / (1 - busy))) / whole
    # who finds as many as are in progress waits: then, or while others wait already
    return Law(tuple(nodes), apart, below, most, at_most / (1 - busy) / whole, mean)


def _middle(users: Any, rounds_s: Any, rate_rps: Number) -> tuple[Number, Number]:
    """The likeliest number, where as many are answered as come, and the deviation around it."""
    rates_rps = some([n / s for n, s in zip(users, rounds_s, strict=True)])
    low, _ = interval(rates_rps, rate_rps)
    # between two knots a round is longer by as much for each that is in flight
    first_s, last_s = (between(rounds_s, low, end) for end in (0.0, 1.0))
    first, last = (between(users, low, end) for end in (0.0, 1.0))
    more_s = (last_s - first_s) / maximum(last - first, 1)
    spare = maximum(1 - rate_rps * more_s, 1e-9)
    alone_s = maximum(first_s - first * more_s, 0.0)
    likeliest = minimum(rate_rps * alone_s / spare, users[-1])
    # births come at one rate and deaths at a rising one: of that its rise is the variance
    variance = maximum(likeliest / spare, likeliest)
    return likeliest, minimum(variance, users[-1] * users[-1]) ** 0.5


def _nodes(likeliest: Number, deviation: Number, most: Number) -> tuple[list[Number], Number]:
    """Numbers that stand for all, around the likeliest, and how far they are apart."""
    reach = minimum((BELOW + ABOVE) * deviation, most)
    apart = maximum(ceil(reach / (NODES - 1)), 1)
    least = where(apart > 1, 1, 0)
    start = maximum(floor(likeliest - BELOW * deviation), least)
    start = maximum(minimum(start, most - apart * (NODES - 1)), least)
    return [start + apart * i for i in range(NODES)], apart


def _answered_logs(users: Any, rounds_s: Any, nodes: Sequence[Number]) -> list[Number]:
    """Logarithms of the requests answered a second with so many in flight, of arrays at once."""

    def answered_log(n: Number) -> Number:
        n = maximum(n, 1)
        return log(n / between(rounds_s, *interval(users, n)))

    stacked = some(nodes)
    return list(
        answered_log(stacked) if hasattr(stacked, "__array__") else map(answered_log, nodes)
    )


def _step(born: Number, before: Number, after: Number, apart: Number) -> Number:
    """Logarithm of a share over that of a number so many below: births over deaths, multiplied.

    The sum of the logarithms between two numbers, as Euler and Maclaurin have it; of neighbours
    it is the upper one's, exactly.
    """
    return apart * born - (after * (apart + 1) + before * (apart - 1)) / 2
