"""How many requests are in flight where they come at random moments: a birth-death process.

A request is born as it comes, and dies as it is answered. With n in flight, n are answered in the
time of a round, which is interpolated linearly between the numbers at which it is known. Written
once, for a float and for an array.
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

STATES = 14  # numbers of requests in flight at which `serve` is evaluated
NODES = 24  # evenly spaced numbers of requests in flight that represent all numbers
BELOW, ABOVE = 4.0, 6.0  # standard deviations around the likeliest number that nodes cover
LEAST = 1e-300  # avoids a division by zero


def knots(most: Number) -> tuple[Number, ...]:
    """Choose the numbers of requests in flight at which `serve` is evaluated.

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


class InFlight(NamedTuple):
    """Distribution of the number of requests in flight at one rate.

    Attributes
    ----------
    nodes : tuple of float or array
        Evenly spaced numbers of requests.
    spacing : float or array
        Distance between two nodes.
    cumulative : tuple of float or array
        Share of the time with at most as many requests as each node.
    most : float or array
        As many as are in progress at once.
    waiting, mean : float or array
        Share of the requests that find `most` in progress, and the mean number of requests.
    """

    nodes: tuple[Number, ...]
    spacing: Number
    cumulative: tuple[Number, ...]
    most: Number
    waiting: Number
    mean: Number

    def percentile(self, percent: float) -> Number:
        """Compute a percentile of the requests in progress, as seen by an arriving request.

        Parameters
        ----------
        percent : float
            Percent of the requests that find no more.

        Returns
        -------
        float or array
            The others, and itself.
        """
        rank, last_below, users = percent / 100, 0.0, self.most
        undecided = True
        for node, below in zip(self.nodes, self.cumulative, strict=True):
            in_node = undecided & (below >= rank)
            # a node represents the numbers around it, as many as the spacing
            rest = (below - rank) / maximum(below - last_below, 1e-300)
            users = where(in_node, node + (self.spacing - 1) * (0.5 - rest), users)
            undecided, last_below = undecided & (below < rank), below
        return minimum(users + 1, self.most)


def in_flight_of(users: Any, rounds_s: Any, rate_rps: Number) -> InFlight:
    """Compute the distribution of the number of requests in flight.

    Parameters
    ----------
    users, rounds_s : tuple of float, or array
        Numbers of requests, and the time from a request to its answer with as many in flight; as
        `numeric.some` keeps them [s].
    rate_rps : float or array
        Requests a second, fewer than are answered at most [requests/s].

    Returns
    -------
    InFlight
        Its distribution.

    References
    ----------
    Kleinrock 1975, Queueing Systems, volume 1, section 3.1, of births and deaths.

    Examples
    --------
    >>> users = in_flight_of((1, 2, 100), (1.0, 1.0, 1.0), 3.0)  # as many servers as requests
    >>> round(users.mean, 2), users.percentile(50), users.percentile(99)
    (3.0, 4.0, 9.0)
    """
    most, most_rps = users[-1], users[-1] / rounds_s[-1]
    likeliest, deviation = _middle(users, rounds_s, rate_rps)
    nodes, apart = _nodes(likeliest, deviation, most)
    born, died = log(rate_rps), _answered_logs(users, rounds_s, nodes)
    logs = [0.0 * born]
    for before, after in itertools.pairwise(died):
        logs.append(logs[-1] + _step(born, before, after, apart))
    max_log, last_log, last_node, last_died = logs[0], logs[0], nodes[0], died[0]
    for node, log_share, node_died in zip(nodes, logs, died, strict=True):
        within = node <= most
        max_log = where(within, maximum(max_log, log_share), max_log)
        last_log, last_node, last_died = (
            where(within, new, old)
            for new, old in ((log_share, last_log), (node, last_node), (node_died, last_died))
        )
    weights = [
        where(node <= most, exp(minimum(log_share - max_log, 0.0)), 0.0)
        for log_share, node in zip(logs, nodes, strict=True)
    ]
    at_most = (
        last_log + _step(born, last_died, log(most_rps), maximum(most - last_node, 0)) - max_log
    )
    return _normalised(nodes, apart, weights, most, exp(minimum(at_most, 0.0)), rate_rps / most_rps)


def _normalised(
    nodes: Sequence[Number],
    apart: Number,
    weights: Sequence[Number],
    most: Number,
    at_most: Number,
    busy: Number,
) -> InFlight:
    """Normalise weights to a distribution, with the queue of requests that wait for room."""
    waiting = at_most * busy / (1 - busy)
    total = apart * sum(weights) + waiting
    below = tuple(itertools.accumulate(apart * weight / total for weight in weights))
    in_progress = apart * sum(weight * n for weight, n in zip(weights, nodes, strict=True))
    mean = (in_progress + waiting * (most + 1 / (1 - busy))) / total
    # a request waits if it finds `most` in progress, with or without others waiting
    return InFlight(tuple(nodes), apart, below, most, at_most / (1 - busy) / total, mean)


def _middle(users: Any, rounds_s: Any, rate_rps: Number) -> tuple[Number, Number]:
    """Find the likeliest number, where answers balance arrivals, and the standard deviation."""
    rates_rps = some([n / s for n, s in zip(users, rounds_s, strict=True)])
    low, _ = interval(rates_rps, rate_rps)
    # between two knots, a round grows linearly with the requests in flight
    first_s, last_s = (between(rounds_s, low, end) for end in (0.0, 1.0))
    first_users, last_users = (between(users, low, end) for end in (0.0, 1.0))
    per_user_s = (last_s - first_s) / maximum(last_users - first_users, 1)
    spare_share = maximum(1 - rate_rps * per_user_s, 1e-9)
    base_s = maximum(first_s - first_users * per_user_s, 0.0)
    likeliest = minimum(rate_rps * base_s / spare_share, users[-1])
    # births have a constant rate, and deaths a rising one whose slope gives the variance
    variance = maximum(likeliest / spare_share, likeliest)
    return likeliest, minimum(variance, users[-1] * users[-1]) ** 0.5


def _nodes(likeliest: Number, deviation: Number, most: Number) -> tuple[list[Number], Number]:
    """Choose evenly spaced nodes around the likeliest number, and their spacing."""
    span = minimum((BELOW + ABOVE) * deviation, most)
    spacing = maximum(1.0 * ceil(span / (NODES - 1)), 1.0)
    lowest = where(spacing > 1, 1.0, 0.0)
    start = maximum(1.0 * floor(likeliest - BELOW * deviation), lowest)
    start = maximum(minimum(start, most - spacing * (NODES - 1)), lowest)
    return [start + spacing * i for i in range(NODES)], spacing


def _answered_logs(users: Any, rounds_s: Any, nodes: Sequence[Number]) -> list[Number]:
    """Compute the logarithm of the rate of answers at each node."""

    def answered_log(n: Number) -> Number:
        n = maximum(n, 1.0)
        return log(n / between(rounds_s, *interval(users, n)))

    stacked = some(nodes)
    return list(
        answered_log(stacked) if hasattr(stacked, "__array__") else map(answered_log, nodes)
    )


def _step(born: Number, before: Number, after: Number, spacing: Number) -> Number:
    """Compute the logarithm of the ratio of two nodes' shares: births over deaths, multiplied.

    The sum of logarithms between the nodes is the Euler-Maclaurin formula; for neighbours it is
    exact.
    """
    return spacing * born - (after * (spacing + 1) + before * (spacing - 1)) / 2
