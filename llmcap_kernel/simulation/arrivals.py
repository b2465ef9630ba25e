"""Requests of a load: when they come, their lengths, and the prefixes they share.

Everything is drawn from `random.Random` with a seed. The gaps between arrivals have a random
stream of their own, so that another rate has the same prompts.
"""

import math
import random
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..refuse import BadInput, number, one_of, shown
from ..spec import MAX_TOKENS

KINDS = ("poisson", "bursty", "once", "users")
SHAPES = ("fixed", "uniform", "lognormal")
MOST_REQUESTS = 1_000_000
MOST_TURNS = 1_000


class Request(NamedTuple):
    """One request of a load.

    Attributes
    ----------
    arrival_s : float
        Time it is sent; for a request that follows another, the pause after that one [s].
    input_tokens, output_tokens : int
        Tokens of its prompt and of its answer [tokens].
    prefix : tuple of (key, int)
        Leading pieces of the prompt that others may have too, and their lengths [tokens].
    keeps : key or None
        Name under which the rest of the prompt and the answer stay in the prefix cache.
    after : int
        Index of the request that it follows; -1 for none.
    """

    arrival_s: float
    input_tokens: int
    output_tokens: int
    prefix: tuple[tuple[Hashable, int], ...] = ()
    keeps: Hashable = None
    after: int = -1


@dataclass(frozen=True)
class Lengths:
    """Distribution of the lengths of prompts or answers.

    Parameters
    ----------
    mean : float
        Their mean [tokens].
    spread : float
        Of "uniform", how far the ends are from the mean, as a share of it; of "lognormal",
        the standard deviation as a share of the mean.
    shape : str
        One of `SHAPES`.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Lengths(500).draw(random.Random(0))
    500
    >>> Lengths(500, 0.8, "lognormal").draw(random.Random(0))
    757
    """

    mean: float
    spread: float = 0.0
    shape: str = "fixed"

    def __post_init__(self) -> None:
        one_of("shape", self.shape, SHAPES)
        number("mean", self.mean, 1, MAX_TOKENS, "tokens")
        number("spread", self.spread, 0, 1 if self.shape == "uniform" else 100)

    def draw(self, rng: random.Random) -> int:
        """Draw one length.

        Parameters
        ----------
        rng : Random
            Source of random numbers.

        Returns
        -------
        int
            A length of one token at least [tokens].
        """
        if self.shape == "fixed" or not self.spread:
            drawn = self.mean
        elif self.shape == "uniform":
            drawn = self.mean * (1 + self.spread * (2 * rng.random() - 1))
        else:
            variance = math.log1p(self.spread**2)
            drawn = self.mean * math.exp(rng.gauss(0.0, 1.0) * variance**0.5 - variance / 2)
        return min(max(round(drawn), 1), MAX_TOKENS)


@dataclass(frozen=True)
class Arrivals:
    """Distribution of the times at which requests come.

    Parameters
    ----------
    kind : str
        One of `KINDS`: at random, in bursts, all at once, or each user sends the next request
        when the last one is answered.
    rate_rps : float
        Mean rate of requests, of the first two [requests/s].
    burstiness : float
        Standard deviation of the gaps in a burst as a share of their mean: 1 is Poisson.
    users : int
        Users of "users".

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Arrivals("poisson", rate_rps=2.5).rate_rps
    2.5
    """

    kind: str = "poisson"
    rate_rps: float = 1.0
    burstiness: float = 1.0
    users: int = 1

    def __post_init__(self) -> None:
        one_of("arrivals", self.kind, KINDS)
        number("rate", self.rate_rps, 1e-6, 1e6, "requests/s")
        number("burstiness", self.burstiness, 0, 100)
        number("users", self.users, 1, MOST_REQUESTS, "users", whole=True)

    def gap_s(self, rng: random.Random, rate_rps: float) -> float:
        """Draw the time to the next arrival.

        Parameters
        ----------
        rng : Random
            Source of random numbers.
        rate_rps : float
            Arrivals a second [1/s].

        Returns
        -------
        float
            Exponential, or gamma with the stated coefficient of variation; 0 where all come
            at once [s].
        """
        if self.kind in ("once", "users"):
            return 0.0
        variance = self.burstiness**2 if self.kind == "bursty" else 1.0
        if variance < 1e-6:
            return 1 / rate_rps
        return rng.gammavariate(1 / variance, variance / rate_rps)


@dataclass(frozen=True)
class Load:
    """Requests to be drawn.

    Parameters
    ----------
    prompt, answer : Lengths
        Tokens that a turn adds, and tokens of its answer.
    arrivals : Arrivals
        When they come. Sessions come at the rate divided by their turns.
    count : int
        How many; of sessions, rounded up to whole ones.
    turns : int
        Requests of a session. Each holds all that was said before, and its own.
    think_s : float
        Mean time between an answer and the next turn, exponential [s].
    shared_prefix_tokens : int
        Leading tokens that all prompts share; they count in the first prompt [tokens].
    seed : int
        The same seed draws the same requests.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Load(Lengths(1000), Lengths(500)).at(2.5).arrivals.rate_rps
    2.5
    """

    prompt: Lengths
    answer: Lengths
    arrivals: Arrivals = field(default_factory=Arrivals)
    count: int = 1000
    turns: int = 1
    think_s: float = 0.0
    shared_prefix_tokens: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        number("requests", self.count, 1, MOST_REQUESTS, "requests", whole=True)
        number("turns", self.turns, 1, MOST_TURNS, whole=True)
        number("think_s", self.think_s, 0, 86_400, "s")
        prefix = self.shared_prefix_tokens
        number("shared_prefix", prefix, 0, MAX_TOKENS, "tokens", whole=True)

    def at(self, rate_rps: float) -> "Load":
        """Change the rate; the prompts and answers stay the same.

        Parameters
        ----------
        rate_rps : float
            The rate [requests/s].

        Returns
        -------
        Load
            The load at it.
        """
        return replace(self, arrivals=replace(self.arrivals, rate_rps=rate_rps))


def requests(load: Load) -> tuple[Request, ...]:
    """Draw the requests of a load.

    Parameters
    ----------
    load : Load
        The load.

    Returns
    -------
    tuple of Request
        By index; a turn follows its predecessor.

    Examples
    --------
    >>> load = Load(Lengths(100), Lengths(10), count=4, turns=2)
    >>> [(one.input_tokens, one.after) for one in requests(load)]
    [(100, -1), (210, 0), (100, -1), (210, 2)]
    """
    gaps_rng, lengths_rng = (
        random.Random(f"{load.seed} gaps"),
        random.Random(f"{load.seed} lengths"),
    )
    arrivals, now_s = load.arrivals, 0.0
    drawn: list[Request] = []
    last_of_session: list[int] = []  # the last request of each session
    for session in range(-(-load.count // load.turns)):
        now_s += arrivals.gap_s(gaps_rng, arrivals.rate_rps / load.turns)
        first, *follow_ups = _session(load, session, len(drawn), lengths_rng)
        if arrivals.kind == "users" and session >= arrivals.users:
            pause_s = _pause_s(gaps_rng, load.think_s)
            first = first._replace(arrival_s=pause_s, after=last_of_session[-arrivals.users])
        else:
            first = first._replace(arrival_s=now_s)
        drawn += [
            first,
            *(
                request._replace(arrival_s=_pause_s(gaps_rng, load.think_s))
                for request in follow_ups
            ),
        ]
        last_of_session.append(len(drawn) - 1)
    return tuple(drawn)


def _pause_s(rng: random.Random, mean_s: float) -> float:
    return rng.expovariate(1 / mean_s) if mean_s else 0.0


def _session(load: Load, session: int, start: int, rng: random.Random) -> Iterator[Request]:
    """Draw the turns of one session, each after the one before."""
    prefix: tuple[tuple[Hashable, int], ...] = ()
    context_tokens = 0
    for turn in range(load.turns):
        new_tokens, answer_tokens = load.prompt.draw(rng), load.answer.draw(rng)
        if turn == 0 and load.shared_prefix_tokens:
            context_tokens = min(load.shared_prefix_tokens, new_tokens)
            prefix, new_tokens = (
                ((("shared", context_tokens), context_tokens),),
                new_tokens - context_tokens,
            )
        keeps = (session, turn) if turn + 1 < load.turns else None
        total = context_tokens + new_tokens
        yield Request(0.0, total, answer_tokens, prefix, keeps, start + turn - 1 if turn else -1)
        prefix, context_tokens = (
            (*prefix, (keeps, new_tokens + answer_tokens)),
            total + answer_tokens,
        )


def of_trace(rows: Iterable[Request], *, rate_rps: float | None = None) -> tuple[Request, ...]:
    """Convert the rows of a trace to requests, with times from the first arrival.

    Parameters
    ----------
    rows : iterable of Request
        As a reader of `evidence.traces` gives them.
    rate_rps : float, optional
        Mean rate to stretch or squeeze its arrivals to; its own if omitted [requests/s].

    Returns
    -------
    tuple of Request
        In the order of arrival.

    Raises
    ------
    BadInput
        When there is none, or all come at once and a rate is wanted.

    Examples
    --------
    >>> [one.arrival_s for one in of_trace([Request(7.0, 9, 9), Request(5.0, 9, 9)])]
    [0.0, 2.0]
    """
    ordered = sorted(rows, key=lambda request: request.arrival_s)
    if not ordered:
        raise BadInput("trace", "trace has no request.")
    start_s = ordered[0].arrival_s
    scale = 1.0
    if rate_rps is not None:
        number("rate", rate_rps, 1e-6, 1e6, "requests/s")
        span_s = ordered[-1].arrival_s - start_s
        if not span_s:
            raise BadInput("rate", f"rate is {shown(rate_rps)}: the trace's requests come at once.")
        scale = (len(ordered) - 1) / span_s / rate_rps
    return tuple(
        request._replace(arrival_s=(request.arrival_s - start_s) * scale) for request in ordered
    )
