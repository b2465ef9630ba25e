"""How many copies of each candidate hold a load: many candidates at once, as arrays of numpy.

The steps are those that `search` takes for one candidate; here every candidate takes them at
once, each on its own numbers, until the last has its answer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any  # of numpy
NEAR = 1e-9  # of a comparison: what the order of additions may move


class Tried(NamedTuple):
    """What candidates do with some users on a copy of each.

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
    """Copies of each candidate.

    Attributes
    ----------
    copies, users : array of int
        Copies, and the users of one.
    near : array of bool
        Whether rounding may have decided either.
    """

    copies: Array
    users: Array
    near: Array


class Candidates:
    """Candidates that are tried with more and fewer users.

    Parameters
    ----------
    attempt : callable
        Takes the users of a copy of some candidates, and their places; gives `Tried`.
    count : int
        How many there are.
    """

    def __init__(self, attempt: Callable[[Array, Array], Tried], count: int) -> None:
        self.attempt = attempt
        self.rps = np.zeros(count)  # of the users each was last tried with
        self.near = np.zeros(count, bool)

    def meets(self, users: Array, at: Array) -> Array:
        """Try some of the candidates.

        Parameters
        ----------
        users : array of int
            Users of a copy of every candidate.
        at : array of int
            Places of those to try.

        Returns
        -------
        array of bool
            Whether each of those meets every limit but the rent.
        """
        if not len(at):
            return np.zeros(0, bool)
        tried = self.attempt(users[at], at)
        self.rps[at] = tried.rps
        self.near[at] |= tried.near
        return tried.meets

    def bisect(self, low: Array, high: Array, at: Array, holds: Any, step: Any = 1) -> None:
        """Close in on the most users for whom something holds.

        Parameters
        ----------
        low, high : array of int
            Users for whom it holds and for whom it does not; moved towards each other in place.
        at : array of int
            Places of the candidates.
        holds : callable
            Takes users of every candidate and places; says for which of those it holds.
        step : int or callable
            Difference at which to stop; of `low`, where it is callable.
        """
        while True:
            apart = step(low[at]) if callable(step) else step
            at = at[high[at] - low[at] > apart]
            if not len(at):
                return
            middle = (low + high) // 2
            good = holds(middle, at)
            low[at[good]], high[at[~good]] = middle[at[good]], middle[at[~good]]


def for_users(tried: Candidates, room: Array, users: int, most: int) -> Copies:
    """Find the fewest copies that hold some users.

    Parameters
    ----------
    tried : Candidates
        The candidates.
    room : array of int
        Users that a copy of each has room for.
    users : int
        Users of all copies.
    most : int
        Most copies.

    Returns
    -------
    Copies
        One of those that meet the limits with no number of copies.

    Examples
    --------
    >>> ten = lambda users, at: Tried(users <= 10, users / 5, users < 0)
    >>> found = for_users(Candidates(ten, 2), np.array([100, 4]), users=32, most=8)
    >>> found.copies.tolist(), found.users.tolist()
    ([4, 8], [8, 4])
    """
    least, every = -(-users // most), np.full(len(room), users)
    left = np.flatnonzero(room >= least)
    whole = left[room[left] >= users]
    left = np.setdiff1d(left, whole[tried.meets(every, whole)])
    low, high = np.full(len(room), least), np.minimum(users, room + 1)
    left = left[tried.meets(low, left)]
    tried.bisect(low, high, left, tried.meets)
    copies = np.ones(len(room), int)
    copies[left] = -(-users // low[left])
    return Copies(copies, -(-users // copies), tried.near)


def for_rate(tried: Candidates, rate: float, most: int) -> Copies:
    """Find the copies that answer a rate of requests, and the requests in flight of each.

    Parameters
    ----------
    tried : Candidates
        The candidates.
    rate : float
        Requests that arrive each second [requests/s].
    most : int
        Most copies.

    Returns
    -------
    Copies
        One, with one request in flight, of those that meet the limits with none; `most`, with
        more requests than the limits allow, of those that answer the rate with none.

    Examples
    --------
    >>> ten = lambda users, at: Tried(users <= 10, users / 5, users < 0)
    >>> found = for_rate(Candidates(ten, 1), rate=7.0, most=8)
    >>> found.copies.tolist(), found.users.tolist()
    ([4], [9])
    """
    one = np.ones(len(tried.near), int)
    low, left = one.copy(), np.flatnonzero(tried.meets(one, np.arange(len(one))))
    growing = left
    while len(growing := growing[tried.rps[growing] < rate]):
        tried.near[growing] |= _close(tried.rps[growing], rate)
        growing = growing[tried.meets(2 * low, growing)]
        low[growing] *= 2
    high = 2 * low
    tried.bisect(low, high, left, tried.meets, lambda low: np.maximum(1, low // 16))
    tried.meets(low, left)
    exact = np.ones(len(one))
    exact[left] = rate / tried.rps[left]
    tried.near |= _close(exact, np.round(exact))
    copies = np.maximum(np.ceil(exact).astype(int), 1)
    beyond, enough = left[copies[left] > most], left[copies[left] <= most]
    copies[beyond], users = most, low.copy()
    users[beyond] = high[beyond]

    def too_few(some: Array, at: Array) -> Array:
        tried.meets(some, at)
        share = rate / copies[at]
        tried.near[at] |= _close(tried.rps[at], share)
        return tried.rps[at] < share

    tried.bisect(np.zeros(len(one), int), users, enough, too_few)
    return Copies(copies, users, tried.near)


def _close(a: Array, b: Array) -> Array:
    return np.abs(a - b) <= NEAR * np.abs(b)
