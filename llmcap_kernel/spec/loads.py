"""What is asked of a deployment: the load, and the limits it has to meet."""

from dataclasses import dataclass, replace
from itertools import pairwise

from ..refuse import BadInput, number, one_of, shown
from .models import MAX_TOKENS

TAILED = ("itl", "tpot", "ttft", "e2e")


@dataclass(frozen=True)
class Workload:
    """The load: request lengths and concurrency.

    Parameters
    ----------
    input_tokens : int
        Prompt length of a request [tokens].
    output_tokens : int
        Answer length of a request [tokens].
    concurrency : int
        Requests in flight.
    shared_prefix_tokens : int
        Length of the common prefix of all prompts, which a prefix cache avoids
        recomputing [tokens].
    hit_share : float
        Share of requests whose prefix is in the cache.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Workload(7000, 1000, 16).context_tokens
    8000
    """

    input_tokens: int
    output_tokens: int
    concurrency: int = 1
    shared_prefix_tokens: int = 0
    hit_share: float = 1.0

    def __post_init__(self) -> None:
        number("input_tokens", self.input_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("output_tokens", self.output_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("concurrency", self.concurrency, 1, 10_000_000, "requests", whole=True)
        number(
            "shared_prefix_tokens",
            self.shared_prefix_tokens,
            0,
            self.input_tokens,
            "tokens (input_tokens)",
            whole=True,
        )
        number("hit_share", self.hit_share, 0, 1)

    @property
    def context_tokens(self) -> int:
        """Length of a sequence when its answer is complete [tokens]."""
        return self.input_tokens + self.output_tokens

    @property
    def mean_context_tokens(self) -> float:
        """Tokens a sequence holds on average while its answer is decoded [tokens]."""
        return self.input_tokens + self.output_tokens / 2

    @property
    def computed_input_tokens(self) -> int:
        """Prompt tokens that prefill must compute, on average [tokens]."""
        return self.input_tokens - round(self.shared_prefix_tokens * self.hit_share)


# What every command and calculator takes where nobody says another: the worked spec's load.
USUAL_LOAD = Workload(input_tokens=7000, output_tokens=1000, concurrency=16)


def usual_load(*longest_tokens: float) -> Workload:
    """Take the load of every command and calculator where nobody says another.

    Parameters
    ----------
    *longest_tokens : float
        The most tokens that a request may have, of each deployment it is asked of [tokens].

    Returns
    -------
    Workload
        `USUAL_LOAD`; where a request may not be as long, one that is, parted like it.

    Examples
    --------
    >>> usual_load() == USUAL_LOAD, usual_load(4096, 131_072).input_tokens
    (True, 3584)
    """
    context = int(min((USUAL_LOAD.context_tokens, *longest_tokens)))
    prompt, answer = lengths_of(max(context, 2))
    return replace(USUAL_LOAD, input_tokens=prompt, output_tokens=answer)


def lengths_of(context_tokens: int) -> tuple[int, int]:
    """Part a context into prompt and answer where nobody says how.

    Parameters
    ----------
    context_tokens : int
        Both together [tokens].

    Returns
    -------
    tuple of int
        Prompt and answer [tokens]: an eighth is the answer.

    Examples
    --------
    >>> lengths_of(8000)
    (7000, 1000)
    """
    answer = max(context_tokens // 8, 1)
    return context_tokens - answer, answer


def tail_name(quantity: str, percent: float) -> str:
    """Name a percentile of a latency as people write it.

    Parameters
    ----------
    quantity : str
        One of `TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> tail_name("itl", 95)
    'itl p95'
    """
    return f"{quantity} p{percent:g}"


@dataclass(frozen=True)
class Tail:
    """A limit on a percentile of a latency.

    Parameters
    ----------
    quantity : str
        One of `TAILED`: "itl" is every gap between two tokens, "tpot" the mean gap of
        a request, "ttft" its time to the first token, "e2e" to the last.
    percent : float
        Percent of them that must be within the limit, above 0 and below 100.
    bound_s : float
        The limit [s].

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Tail("itl", 95, 0.050).name
    'itl p95'
    """

    quantity: str
    percent: float
    bound_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", one_of("tail", self.quantity, TAILED))
        number("percent", self.percent, 0.001, 99.999)
        number(self.name, self.bound_s, 1e-6, 86_400, "s")

    @property
    def name(self) -> str:
        """Quantity and percentile, as people write them: "itl p95"."""
        return tail_name(self.quantity, self.percent)


@dataclass(frozen=True)
class Slo:
    """Service-level objectives; a limit of None is not checked.

    Parameters
    ----------
    itl_s : float, optional
        Longest inter-token latency [s].
    ttft_s : float, optional
        Longest time to first token [s].
    usd_h : float, optional
        Highest rent of the whole deployment [USD/h].
    usd_mtok : float, optional
        Highest price per million output tokens [USD/Mtok].
    tails : tuple of Tail
        Limits on percentiles; those above are on means.

    Raises
    ------
    BadInput
        When a limit is out of range, or two of them contradict each other.

    Examples
    --------
    >>> Slo(itl_s=0.05, usd_h=30.0).itl_s
    0.05
    >>> Slo(tails=(Tail("itl", 95, 0.05),)).tails[0].name
    'itl p95'
    """

    itl_s: float | None = None
    ttft_s: float | None = None
    usd_h: float | None = None
    usd_mtok: float | None = None
    tails: tuple[Tail, ...] = ()

    def __post_init__(self) -> None:
        self._check_tails()
        for name, low, high, unit in (
            ("itl_s", 1e-6, 3600, "s"),
            ("ttft_s", 1e-6, 86_400, "s"),
            ("usd_h", 1e-6, 1e7, "USD/h"),
            ("usd_mtok", 1e-9, 1e7, "USD/Mtok"),
        ):
            value = getattr(self, name)
            if value is not None:
                number(name, value, low, high, unit)

    def tail(self, latency: str) -> Tail | None:
        """Find the percentile that is asked of a latency in place of its mean.

        Parameters
        ----------
        latency : str
            One of `TAILED`.

        Returns
        -------
        Tail or None
            The first limit on a percentile of it; None where its mean is limited, or nothing is.

        Examples
        --------
        >>> p95 = Tail("itl", 95, 0.05)
        >>> Slo(tails=(p95,)).tail("itl").percent, Slo(itl_s=0.04, tails=(p95,)).tail("itl")
        (95, None)
        """
        if {"itl": self.itl_s, "ttft": self.ttft_s}.get(latency) is not None:
            return None
        return next((tail for tail in self.tails if tail.quantity == latency), None)

    def _check_tails(self) -> None:
        """Refuse what is no `Tail`, and a rarer latency that must be shorter than a common one."""
        if not isinstance(self.tails, tuple) or not all(isinstance(t, Tail) for t in self.tails):
            raise BadInput("tails", f"tails is {shown(self.tails)}: it takes a tuple of Tail.")
        ordered = sorted(self.tails, key=lambda t: (t.quantity, t.percent))
        for common, rare in pairwise(ordered):
            if common.name == rare.name:
                raise BadInput(rare.name, f"{rare.name} is given twice: it takes one limit.")
            if common.quantity == rare.quantity and rare.bound_s < common.bound_s:
                message = (
                    f"{rare.name} is {rare.bound_s:g} s and {common.name} {common.bound_s:g} s"
                )
                raise BadInput(rare.name, f"{message}: a higher percentile takes no smaller limit.")
