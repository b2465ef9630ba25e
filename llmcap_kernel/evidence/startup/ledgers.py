"""The ledger beside a start-up, term by term."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ... import capacity
from ...capacity import Ledger
from ...explain import GIB
from ...spec import Deployment
from .meaning import deployment, meant
from .rows import DOUBTS, LIMITS, SIZED_BY_CONTEXT, StartUp


class Term(NamedTuple):
    """One term of a start-up, as logged and as computed.

    Attributes
    ----------
    name : str
        The term, in words.
    unit : str
        "bytes", "tokens" or "sequences".
    logged, computed : float
        Both in that unit.
    card_bytes : float
        Memory of the card [bytes].
    """

    name: str
    unit: str
    logged: float
    computed: float
    card_bytes: float

    @property
    def error(self) -> float | None:
        """Computed over logged, less 1; None where nothing was logged."""
        return self.computed / self.logged - 1 if self.logged > 0 else None

    @property
    def share_of_card(self) -> float | None:
        """The difference as a share of the card's memory; None of what is no memory."""
        return (self.computed - self.logged) / self.card_bytes if self.unit == "bytes" else None

    def cells(self) -> tuple[str, str, str, str]:
        """Write the term for people.

        Returns
        -------
        tuple of str
            Logged, computed, their difference, and its share of the card or of what was logged.

        Examples
        --------
        >>> Term("weights", "bytes", 2**30, 3 * 2**29, 8 * 2**30).cells()
        ('1.00 GiB', '1.50 GiB', '+0.50 GiB', '+6.2%')
        """
        change = self.computed - self.logged
        if self.unit == "bytes":
            off = f"{round(self.share_of_card or 0.0, 3) + 0.0:+.1%}"
            less = round(change / GIB, 2) + 0.0  # no -0.00
            return (_gib(self.logged), _gib(self.computed), f"{less:+.2f} GiB", off)
        off = "" if self.error is None else f"{self.error:+.1%} of it"
        places = 0 if self.unit == "tokens" else 2
        return (
            f"{self.logged:,.{places}f}",
            f"{self.computed:,.{places}f}",
            f"{change:+,.{places}f}",
            off,
        )


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f} GiB"


def context_tokens(startup: StartUp, deployment: Deployment) -> int:
    """Give the longest sequence of a start-up.

    Parameters
    ----------
    startup : StartUp
        What was started.
    deployment : Deployment
        The deployment it means.

    Returns
    -------
    int
        The stated one, or else the model's [tokens].

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090")
    >>> context_tokens(one, deployment(one))
    40960
    """
    return startup.max_model_len or deployment.model.max_context_tokens


def ledger(startup: StartUp, deployment: Deployment) -> Ledger:
    """Compute the ledger of a start-up.

    Parameters
    ----------
    startup : StartUp
        What was started.
    deployment : Deployment
        The deployment it means.

    Returns
    -------
    Ledger
        For sequences of its longest length: one, or of llama.cpp as many as it has slots.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-0.6B", gpu="RTX 4090")
    >>> ledger(one, deployment(one)).starts
    True
    """
    slots = startup.max_num_seqs if startup.family in SIZED_BY_CONTEXT else None
    return capacity.ledger(
        deployment,
        context_tokens=context_tokens(startup, deployment),
        concurrency=slots or 1,
    )


@dataclass(frozen=True)
class Beside:
    """A start-up and the ledger of what it means, side by side.

    Attributes
    ----------
    startup : StartUp
        What was logged.
    deployment : Deployment
        The deployment it means.
    books : Ledger
        Its ledger.
    terms : tuple of Term
        The terms that were logged.
    """

    startup: StartUp
    deployment: Deployment
    books: Ledger
    terms: tuple[Term, ...]

    @property
    def starts(self) -> bool:
        """Whether the ledger says that it starts."""
        # SGLang and TensorRT-LLM start with a cache shorter than their longest sequence
        if self.startup.family in ("sglang", "trtllm"):
            return self.books.kv_pool_bytes > 0
        return self.books.starts

    @property
    def notes(self) -> tuple[str, ...]:
        """What is taken for granted, and why the log may say less than others."""
        s = self.startup
        left = [name for name in LIMITS[:3] if getattr(s, name) is None]
        left += [] if s.memory_fraction or s.family in SIZED_BY_CONTEXT else ["memory_fraction"]
        left += [] if s.version or s.family != "vllm" else ["version"]
        notes = [f"{', '.join(left)} not in the log: defaults are taken"] if left else []
        doubts = (DOUBTS.get(name, name) for name in s.doubts)
        return (*notes, *meant(s)[1], *doubts)

    @property
    def verdict(self) -> str:
        """One sentence: whether it started, and whether the ledger says so."""
        logged = {
            True: "It started",
            False: "It did not start",
            None: "Whether it started is not in the log",
        }[self.startup.starts]
        if self.startup.starts == self.starts:
            return f"{logged}, and the ledger says so."
        return f"{logged}; the ledger says that it {'starts' if self.starts else 'does not start'}."

    def as_dict(self) -> dict[str, Any]:
        """Turn it into plain data.

        Returns
        -------
        dict
            Values that JSON can store: memory in bytes, shares of the card.
        """
        terms = [
            {
                "name": t.name,
                "unit": t.unit,
                "logged": t.logged,
                "computed": t.computed,
                "difference": t.computed - t.logged,
                "share_of_card": t.share_of_card,
            }
            for t in self.terms
        ]
        return {
            "start_up": {
                k: v for k, v in asdict(self.startup).items() if v not in ("", 0, None, ())
            },
            "deployment": self.deployment.title,
            "engine": self.deployment.engine.name,
            "memory_fraction": self.deployment.fraction,
            "context_tokens": self.books.context_tokens,
            "starts": {"logged": self.startup.starts, "computed": self.starts},
            "terms": terms,
            "verdict": self.verdict,
            "notes": list(self.notes),
        }


def beside(startup: StartUp) -> Beside:
    """Put the ledger beside a start-up, term by term.

    Parameters
    ----------
    startup : StartUp
        What was logged.

    Returns
    -------
    Beside
        Both, and the terms that were logged.

    Raises
    ------
    BadInput
        When it means no deployment that the ledger has.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090", weights_bytes=15.27 * 2**30)
    >>> [(t.name, abs(t.error) < 0.01) for t in beside(one).terms]
    [('weights', True)]
    """
    d = deployment(startup)
    books = ledger(startup, d)
    return Beside(startup, d, books, _terms(startup, books))


def _terms(s: StartUp, books: Ledger) -> tuple[Term, ...]:
    sized = s.family in SIZED_BY_CONTEXT
    cache = books.kv_used_bytes if sized else books.kv_pool_bytes
    logged_cache = None if s.kv_bytes is None else s.kv_bytes + (s.state_bytes or 0)
    graphs = s.graph_bytes
    if books.deployment.engine.graphs_in_fraction and s.graph_estimate_bytes is not None:
        graphs = s.graph_estimate_bytes
    found = (
        ("weights", "bytes", s.weights_bytes, books.weights_bytes + books.extra_bytes),
        ("KV cache", "bytes", logged_cache, cache),
        ("tokens", "tokens", None if sized else s.kv_tokens, books.kv_pool_tokens),
        ("concurrency", "sequences", s.max_concurrency, sequences(books)),
        ("CUDA graphs", "bytes", graphs, books.graph_bytes),
        ("activations", "bytes", s.activation_bytes, books.activation_bytes),
        ("outside PyTorch", "bytes", s.non_torch_bytes, books.runtime_bytes),
        ("compute buffer", "bytes", s.compute_buffer_bytes, books.activation_bytes),
    )
    return tuple(
        Term(name, unit, logged, computed, books.visible_bytes)
        for name, unit, logged, computed in found
        if logged is not None
    )


def sequences(books: Ledger) -> float:
    """Count the sequences that the pool of a ledger holds, as vLLM prints them: not whole.

    Parameters
    ----------
    books : Ledger
        The ledger.

    Returns
    -------
    float
        Pool over sequence, over all replicas of attention; 0 without a pool.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-0.6B", gpu="RTX 4090")
    >>> books = ledger(one, deployment(one))
    >>> int(sequences(books)) == books.max_concurrent
    True
    """
    each = max(books.kv_pool_bytes, 0) / books.admitted_bytes
    return each * books.deployment.attention_replicas
