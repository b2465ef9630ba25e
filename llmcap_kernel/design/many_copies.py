"""How many copies of each candidate hold a load, for many candidates at once with numpy.

The steps are those that `copies` takes for one candidate. Here all candidates take them at once,
each with its own numbers, until the last is done.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

Array = Any  # a numpy array
LEVELS = 4  # steps of a bisection that are evaluated at once
NEAR = 1e-9  # relative distance to a bound within which rounding may decide


class Tried(NamedTuple):
    """Results of candidates with some users on one copy.

    Attributes
    ----------
    meets : array of bool
        Whether every limit but the rent is met.
    rps : array
        Requests that a copy answers each second [requests/s].
    near : array of bool
        Whether rounding may decide what `meets` says.
    """

    meets: Array
    rps: Array
    near: Array


class Copies(NamedTuple):
    """Number of copies of each candidate.

    Attributes
    ----------
    copies, users : array of int
        Copies, and the users of one.
    near : array of bool
        Whether rounding may have decided either.
    alone : array of bool or None
        At a rate, whether one request in flight meets every limit but rent and price.
    """

    copies: Array
    users: Array
    near: Array
    alone: Array | None = None


class Candidates:
    """Candidates that can be tried with any number of users.

    Parameters
    ----------
    attempt : callable
        Takes the users of a copy of some candidates, and their places; gives `Tried`.
    count : int
        How many there are.
    """

    def __init__(self, attempt: Callable[[Array, Array], Tried], count: int) -> None:
        self.attempt = attempt
        self.near = np.zeros(count, bool)

    def of(self, users: Array, at: Array) -> Tried:
        """Try some of the candidates.

        Parameters
        ----------
        users : array of int
            Users of a copy of each.
        at : array of int
            Their places; one may come several times.

        Returns
        -------
        Tried
            What each does.
        """
        tried = self.attempt(users, at)
        self.near[at[tried.near]] = True
        return tried

    def meets(self, users: Array, at: Array) -> Array:
        """Say which of some candidates meet every limit but the rent.

        Parameters
        ----------
        users, at : array of int
            As `of` takes them.

        Returns
        -------
        array of bool
            One for each.
        """
        return self.of(users, at).meets


def bisect(
    low: Array,
    high: Array,
    at: Array,
    holds: Callable[[Array, Array], Array],
    levels: int = LEVELS,
) -> None:
    """Bisect for the largest number that holds, for each candidate.

    Each call evaluates all points that the next `levels` steps of the bisection may need, so that
    four steps take one call.

    Parameters
    ----------
    low, high : array of int
        Numbers of each candidate of which it holds and of which it does not; moved towards each
        other in place.
    at : array of int
        Places of the candidates that are looked at.
    holds : callable
        Takes numbers and places; says of which it holds.
    levels : int
        Steps that are looked ahead: 1 where a point costs more than a call.

    Examples
    --------
    >>> low, high = np.array([1, 1]), np.array([1000, 50])
    >>> bisect(low, high, np.array([0, 1]), lambda users, at: users < 333)
    >>> low.tolist(), high.tolist()
    ([332, 49], [333, 50])
    """
    while True:
        at = at[high[at] - low[at] > 1]
        if not len(at):
            return
        lows, highs, middles = [low[at]] * 2, [high[at]] * 2, [low[at]]
        for node in range(1, 2**levels):  # a tree, with the lower half to the left
            middle = (lows[node] + highs[node]) // 2
            middles.append(middle)
            lows += [lows[node], middle]
            highs += [middle, highs[node]]
        points = np.concatenate(middles[1:])
        held = holds(points, np.tile(at, len(middles) - 1)).reshape(-1, len(at))
        nodes, each = np.ones(len(at), int), np.arange(len(at))
        lower, upper = np.array(lows), np.array(highs)
        for _ in range(levels):
            splits = upper[nodes, each] - lower[nodes, each] > 1
            right = held[np.minimum(nodes, len(held)) - 1, each]
            nodes = np.where(splits, 2 * nodes + right, nodes)
        low[at], high[at] = lower[nodes, each], upper[nodes, each]


def for_users(tried: Candidates, room: Array, users: int, max_copies: Array) -> Copies:
    """Find the fewest copies that hold some users.

    Parameters
    ----------
    tried : Candidates
        The candidates.
    room : array of int
        Users that a copy of each has room for.
    users : int
        Users of all copies.
    max_copies : array of int
        Most copies of each.

    Returns
    -------
    Copies
        One of those that meet the limits with no number of copies.

    Examples
    --------
    >>> ten = lambda users, at: Tried(users <= 10, users / 5, users < 0)
    >>> found = for_users(Candidates(ten, 2), np.array([100, 4]), 32, np.array([8, 8]))
    >>> found.copies.tolist(), found.users.tolist()
    ([4, 8], [8, 4])
    """
    fewest_users = -(-users // max_copies)
    pending = np.flatnonzero(room >= fewest_users)
    one_copy = pending[room[pending] >= users]
    pending = np.setdiff1d(pending, one_copy[tried.meets(np.full(len(one_copy), users), one_copy)])
    pending = pending[tried.meets(fewest_users[pending], pending)]
    low, high = fewest_users.copy(), np.minimum(users, room + 1)
    bisect(low, high, pending, tried.meets)
    copies = np.ones(len(room), int)
    copies[pending] = -(-users // low[pending])
    return Copies(copies, -(-users // copies), tried.near)


def for_rate(
    tried: Candidates,
    room: Array,
    rate: float,
    max_copies: Array,
    keep: Callable[[Array, Array], tuple[Array, Array]] | None = None,
) -> Copies:
    """Find the copies that answer a rate of requests, and the requests in flight of each.

    Parameters
    ----------
    tried : Candidates
        The candidates.
    room : array of int
        Requests that a copy of each has room for.
    rate : float
        Requests that arrive each second [requests/s].
    max_copies : array of int
        Most copies of each.
    keep : callable, optional
        Takes the rate of a copy and the places of candidates; says which keep the limits on
        latencies, and where rounding may decide that.

    Returns
    -------
    Copies
        Of those that meet the limits with no number of copies, the fewest that answer the rate
        all the same, full where even the most do not; `most`, with more requests than the limits
        allow, of those that answer the rate with none.

    Examples
    --------
    >>> ten = lambda users, at: Tried(users <= 10, users / 5, users < 0)
    >>> found = for_rate(Candidates(ten, 1), np.array([100]), 7.0, np.array([8]))
    >>> found.copies.tolist(), found.users.tolist()
    ([4], [9])
    """
    count = len(tried.near)
    copies, users, below = np.ones(count, int), np.ones(count, int), np.zeros(count, int)
    alone = tried.of(users, np.arange(count))
    meets_one = alone.meets
    pending, failing = np.flatnonzero(meets_one), np.flatnonzero(~meets_one & (room > 0))
    low = _double_users(tried, pending, rate, alone.rps)
    high = 2 * low
    bisect(low, high, pending, tried.meets)
    low[failing] = room[failing]
    answering = np.concatenate([pending, failing])
    exact = rate / tried.of(low[answering], answering).rps
    tried.near[answering] |= _close(exact, np.round(exact))
    copies[answering] = np.maximum(np.ceil(exact), 1)
    beyond = copies > max_copies
    copies[beyond], users[beyond] = max_copies[beyond], np.where(meets_one, high, room)[beyond]
    enough = answering[~beyond[answering]]
    users[enough] = low[enough]
    if keep is not None:
        _more_copies(
            copies,
            enough[meets_one[enough]],
            rate,
            max_copies,
            partial(_meets_latencies, tried, keep),
        )

    def too_few(some: Array, at: Array) -> Array:
        rps, share = tried.of(some, at).rps, rate / copies[at]
        tried.near[at[_close(rps, share)]] = True
        return rps < share

    bisect(below, users, enough, too_few)
    return Copies(copies, users, tried.near, meets_one)


def _meets_latencies(
    tried: Candidates,
    keep: Callable[[Array, Array], tuple[Array, Array]],
    rate_rps: Array,
    at: Array,
) -> Array:
    """Say which meet the limits on latencies, and note where rounding may decide."""
    within, near = keep(rate_rps, at)
    tried.near[at[near]] = True
    return within


def _more_copies(
    copies: Array, at: Array, rate: float, max_copies: Array, keep: Callable[[Array, Array], Array]
) -> None:
    """Set the fewest copies that meet the limits on latencies; the most where none do.

    Copies are doubled until they do, then bisected, as in `copies`.
    """
    at = at[~keep(rate / copies[at], at)] if len(at) else at
    low, high = copies.copy(), np.minimum(2 * copies, max_copies)
    pending = at
    while len(pending):
        within = keep(rate / high[pending], pending)
        exhausted = ~within & (high[pending] == max_copies[pending])
        copies[pending[exhausted]] = max_copies[pending[exhausted]]
        at = np.setdiff1d(at, pending[exhausted])
        pending = pending[~within & ~exhausted]
        low[pending], high[pending] = (
            high[pending],
            np.minimum(2 * high[pending], max_copies[pending]),
        )
    bisect(low, high, at, lambda copies, some: ~keep(rate / copies, some), levels=1)
    copies[at] = high[at]


def _double_users(tried: Candidates, pending: Array, rate: float, one_rps: Array) -> Array:
    """Double the users from one while the limits are met and the rate is not answered."""
    low, answered = np.ones(len(tried.near), int), one_rps.copy()
    while len(pending):
        steps = np.outer(2 ** np.arange(1, LEVELS + 1), low[pending])
        trial = tried.of(steps.ravel(), np.tile(pending, LEVELS))
        rps = np.vstack([answered[pending], trial.rps.reshape(steps.shape)])
        tried.near[pending] |= _close(rps, rate).any(axis=0)
        continuing = np.logical_and.accumulate((rps[:-1] < rate) & trial.meets.reshape(steps.shape))
        low[pending] <<= continuing.sum(axis=0)
        answered[pending] = rps[-1]
        pending = pending[continuing[-1]]
    return low


def _close(a: Array, b: Array) -> Array:
    return np.abs(a - b) <= NEAR * np.abs(b)
