"""The memory ledger of a card, and how many users it leaves room for.

An engine takes a fraction of the memory the driver reports, allocates weights,
activations and communication buffers in it, and uses the rest for the paged KV
cache. Users are counted as whole sequences in that cache.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from .. import bandwidth, catalog, law
from ..explain import Explained, Line, counted, digits, quantity
from ..numeric import floor
from ..once import cached_property
from ..refuse import BadInput, number
from ..spec import Deployment, Workload
from . import overhead
from .cache import (
    is_compressed,
    is_grouped,
    kept_bytes,
    kv_sequence_bytes,
    layout,
    max_sequences,
    prefix_bytes,
)

SHORTER_CACHE = ("sglang", "trtllm")  # they start with a cache shorter than their longest request
MOST_KEPT = 4096  # deployments of which the parts of a ledger are kept
SHARE_AND_RENT = ("memory_fraction", "usd_h")
STARTS = YES, LIKELY, DOUBTFUL, NO = ("yes", "likely", "doubtful", "no")
START_WORDS = {
    YES: "it starts",
    LIKELY: "it likely starts",
    DOUBTFUL: "it is doubtful whether it starts",
    NO: "it does not start",
}


def room_doubt_bytes(deployment: Deployment, weights_bytes: float) -> float:
    """Give how far off the room for the cache may be.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    weights_bytes : float
        Weights on a card [bytes].

    Returns
    -------
    float
        Half of the interval that holds 80% of start-ups, averaged over sources of logs
        that were left out; wider for engines and cards that no log is of [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> known, unknown = (catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine=name)
    ...     for name in ("vllm", "trtllm"))
    >>> room_doubt_bytes(known, 16e9) < room_doubt_bytes(unknown, 16e9)
    True
    """
    one = catalog.table("memory")["room"][kind_of_card(deployment)]
    card_bytes = overhead.usable_bytes(deployment.gpu)
    of_both = one["of_card"] * card_bytes + one["of_weights"] * weights_bytes
    return float(one["bytes"] + of_both)


def kind_of_card(deployment: Deployment) -> str:
    """Name the kind of start-ups that tell how far off the room is.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    str
        "unified" where card and host share the memory, a vendor for vLLM on its cards, and
        "other" for what few logs are of.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> kind_of_card(catalog.deployment(model="llama-3.1-8b", gpu="mi300x"))
    'amd'
    """
    gpu = deployment.gpu
    if gpu.unified_memory:
        return "unified"
    known = deployment.engine.family == "vllm" and gpu.vendor in ("nvidia", "amd")
    return gpu.vendor if known else "other"


@dataclass(frozen=True)
class Ledger(Explained):
    """Memory of the card that holds the most, term by term.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    visible_bytes : float
        Memory an engine can allocate, as `usable_bytes` gives it [bytes].
    budget_bytes : float
        Part of it the engine uses [bytes].
    weights_bytes, activation_bytes, runtime_bytes, graph_bytes : float
        Weights, activation peak, communication and runtime buffers, CUDA
        graphs [bytes].
    extra_bytes : float
        A draft model, multi-token-prediction layers in use, and adapters [bytes].
    prefix_bytes : float
        Cache of a prefix that all sequences share, stored once [bytes].
    hit_share : float
        Share of the sequences that find it in the cache.
    longest_bytes : float
        Cache of one sequence as long as the engine must have room for to start [bytes].
    state_blocks : int
        Blocks of the cache where recurrent states take one each; 0 without states.
    kv_pool_bytes : float
        Memory left for the cache; negative when the other terms exceed the budget [bytes].
    kv_bytes_per_sequence : float
        Cache of a sequence in whole pages without the shared prefix [bytes].
    starts : bool
        Whether the engine is expected to start: room for one sequence of the longest.
    max_concurrent : int
        Sequences of this length the deployment holds.
    context_tokens : int
        Length of a sequence [tokens].
    concurrency : int
        Sequences wanted at once.
    """

    deployment: Deployment
    visible_bytes: float
    budget_bytes: float
    weights_bytes: float
    activation_bytes: float
    runtime_bytes: float
    graph_bytes: float
    kv_pool_bytes: float
    kv_bytes_per_sequence: float
    starts: bool
    max_concurrent: int
    context_tokens: int
    concurrency: int
    extra_bytes: float = 0.0
    prefix_bytes: float = 0.0
    hit_share: float = 1.0
    longest_bytes: float = 0.0
    state_blocks: int = 0

    @property
    def by_role(self) -> Mapping[str, float]:
        """Weights by role of their tensors [bytes]."""
        return _weights(self.deployment)

    @cached_property
    def kv_bytes_per_token(self) -> float:
        """Cache of one more token at this length [bytes]."""
        return _token_bytes(self.deployment, self.context_tokens)

    @cached_property
    def kv_pool_tokens(self) -> int:
        """Tokens the cache holds over all sequences of this length [tokens]."""
        d = self.deployment
        return _pool_tokens(d, self.kv_pool_bytes, self.context_tokens) * d.attention_replicas

    @property
    def shared_bytes(self) -> float:
        """Part of a sequence's cache that is shared, on average [bytes]."""
        return self.prefix_bytes * self.hit_share

    @property
    def overhead_bytes(self) -> float:
        """Everything in the budget that is neither weights nor cache [bytes]."""
        inside = self.graph_bytes if self.deployment.engine.graphs_in_fraction else 0.0
        return self.activation_bytes + self.runtime_bytes + self.extra_bytes + inside

    @property
    def kv_used_bytes(self) -> float:
        """Cache of the sequences wanted, on the card that holds the most [bytes]."""
        d = self.deployment
        sequences = -(-self.concurrency // d.tp) if d.dp_attention else self.concurrency
        return self.prefix_bytes + sequences * self.kv_bytes_per_sequence

    @property
    def ceiling_concurrent(self) -> int:
        """Sequences there would be room for if all memory but the weights were cache."""
        room_bytes = self.visible_bytes - self.weights_bytes - self.prefix_bytes
        return _sequences(self.deployment, room_bytes, self.kv_bytes_per_sequence)

    @property
    def needed_bytes(self) -> float:
        """Budget that would hold weights, overhead and the sequences wanted [bytes]."""
        return self.weights_bytes + self.overhead_bytes + self.kv_used_bytes

    @property
    def kv_pool_interval_bytes(self) -> tuple[float, float]:
        """Room for the cache as left-out start-up logs show it, 80% of the time [bytes]."""
        room, doubt = self.kv_pool_bytes, self.doubt_bytes
        return room - doubt, room + self.spared_bytes + doubt

    @property
    def doubt_bytes(self) -> float:
        """How far the room may be off to either side [bytes]."""
        return room_doubt_bytes(self.deployment, self.weights_bytes)

    @property
    def spared_bytes(self) -> float:
        """What the room gains in the builds of the engine that sample with the least [bytes]."""
        engine = self.deployment.engine
        per_logit = engine.least_bytes_per_logit
        if not engine.profiled or per_logit in (0, engine.sampling_bytes_per_logit):
            return 0.0
        least = replace(engine, sampling_bytes_per_logit=per_logit)
        sampled = overhead.activation_bytes(replace(self.deployment, engine=least))
        return max(self.activation_bytes - sampled, 0.0)

    @property
    def concurrent_interval(self) -> tuple[int, int]:
        """Sequences that have room at either end of that interval."""
        low, high = (
            _sequences(self.deployment, room - self.prefix_bytes, self.kv_bytes_per_sequence)
            if room >= self.least_room_bytes and not self.refused
            else 0
            for room in self.kv_pool_interval_bytes
        )
        return low, high

    @property
    def least_room_bytes(self) -> float:
        """Room for the cache without which the engine does not start [bytes]."""
        return max(self.prefix_bytes + self.kv_bytes_per_sequence, self.longest_bytes)

    @property
    def start(self) -> str:
        """One of `STARTS`: whether the engine starts, with the interval of the room in mind."""
        if self.refused:
            return NO
        low, high = self.kv_pool_interval_bytes
        if self.starts:
            return YES if low >= self.least_room_bytes else LIKELY
        return DOUBTFUL if high >= self.least_room_bytes else NO

    @property
    def refused(self) -> bool:
        """Whether more sequences are asked for than the cache has blocks for their states."""
        return _refused(self.deployment, self.state_blocks)

    @property
    def beyond(self) -> str:
        """Why every request is refused: it is longer than engine or model takes; "" where not."""
        d, asked = self.deployment, f"a request has {self.context_tokens:,} tokens"
        if d.max_model_len and self.context_tokens > d.max_model_len:
            return (
                f"The engine refuses every request: {asked}, max_model_len is {d.max_model_len:,}."
            )
        if self.context_tokens > d.model.max_context_tokens:
            window = f"{d.model.max_context_tokens:,} tokens"
            return f"The window of {d.model.name} is exceeded: {asked}, it takes {window}."
        return ""

    @property
    def fits(self) -> bool:
        """Whether all the sequences wanted have room."""
        return self.max_concurrent >= self.concurrency

    @property
    def terms(self) -> tuple[tuple[str, float], ...]:
        """Name and bytes of each term, largest first [bytes]."""
        terms = [("weights", self.weights_bytes), ("activations", self.activation_bytes)]
        terms += [("runtime and communication buffers", self.runtime_bytes)]
        terms += [
            ("CUDA graphs", self.graph_bytes),
            (f"KV cache of {counted(self.concurrency, 'user')}", self.kv_used_bytes),
        ]
        if self.extra_bytes:
            terms.append(("draft model and adapters", self.extra_bytes))
        return tuple(sorted(terms, key=lambda term: -term[1]))

    @property
    def verdict(self) -> str:
        """Whether it fits, the memory needed and available, the largest term."""
        return f"{self.beyond} {self._memory_verdict}".strip()

    @property
    def _memory_verdict(self) -> str:
        if self.refused:
            return (
                f"Does not start: max_num_seqs is {self.deployment.max_num_seqs:,}, and the cache "
                f"has {self.state_blocks:,} blocks for their states."
            )
        if not self.starts:
            return self._why_not
        likely = "" if self.start == YES else f" ({self._doubt_words})"
        if not self.fits:
            return (
                f"{'Likely starts' if likely else 'Starts'}{likely}, but holds "
                f"{self.max_concurrent:,} of {self.concurrency:,} users at "
                f"{self.context_tokens:,} tokens, {self._format_words}: all need "
                f"{_gib(self.needed_bytes)} a card, the engine has {_gib(self.budget_bytes)}."
                f"{self.must_be_told}"
            )
        fit = "fits" if self.max_concurrent == 1 else "fit"
        wanted = f"; {self.concurrency:,} wanted" if self.concurrency > 1 else ""
        return (
            f"{counted(self.max_concurrent, 'user')} at {self.context_tokens:,} tokens "
            f"{f'likely {fit}{likely}' if likely else fit}, {self._format_words}{wanted}."
            f"{self.must_be_told}"
        )

    @property
    def _why_not(self) -> str:
        """Why the engine does not start, or may not."""
        d = self.deployment
        if self.weights_exceed_card:
            return (
                f"Does not start: the weights alone take {_gib(self.weights_bytes)} a card in "
                f"{d.weights.short_title}, and a card has {_gib(self.visible_bytes)}."
            )
        least = self.weights_bytes + self.overhead_bytes + self.least_room_bytes
        longest = (d.max_model_len if self.longest_bytes else 0) or 0
        doubtful = self.start == DOUBTFUL
        opening = f"Doubtful ({self._doubt_words}): it" if doubtful else "Does not start"
        return (
            f"{opening}{' does not start' * doubtful} at memory fraction {d.fraction:g}: with one "
            f"user at {max(self.context_tokens, longest):,} tokens it needs {_gib(least)} a card, "
            f"the engine has {_gib(self.budget_bytes)}; {self.largest}."
        )

    @property
    def _doubt_words(self) -> str:
        return f"the ledger may be off by {_gib(self.doubt_bytes)}"

    @property
    def _format_words(self) -> str:
        d = self.deployment
        return f"with {d.weights.short_title} weights and {d.kv.short_title} KV cache"

    @property
    def weights_exceed_card(self) -> bool:
        """Whether the weights alone are more than a card has, so that loading them fails."""
        return self.weights_bytes > self.visible_bytes

    @property
    def largest(self) -> str:
        """The largest part of what is needed, as a clause."""
        name, size = self.terms[0]
        return f"the largest part is {name}, {_gib(size)}"

    @property
    def must_be_told(self) -> str:
        """What an engine must be told to start, since it refuses its own default; or nothing."""
        d = self.deployment
        if not self.state_blocks or d.eager or d.max_num_seqs or d.seqs_limit <= self.state_blocks:
            return ""
        return (
            f" Start it with max_num_seqs of {self.state_blocks:,} at most: it refuses its default "
            f"of {d.seqs_limit:,}, more than the cache has blocks for states."
        )

    def _sequence_line(self) -> Line:
        per_token = f"{digits(self.kv_bytes_per_token, 6)} B"
        formula = "kv_per_token x context, in whole pages"
        numbers = f"{per_token} x {self.context_tokens:,}"
        whole = self.kv_bytes_per_sequence + self.shared_bytes
        fixed = whole - self.kv_bytes_per_token * self.context_tokens
        if fixed > 0.02 * whole:  # windows that are full and states no longer grow
            formula += f" + {_fixed_words(self.deployment, self.context_tokens)}"
            numbers += f" + {quantity(fixed, 'GiB')}"
        if self.shared_bytes:
            formula += " - shared prefix"
            numbers += f" - {quantity(self.shared_bytes, 'GiB')}"
        return Line(
            "kv_per_sequence", formula, numbers, quantity(self.kv_bytes_per_sequence, "GiB")
        )

    def lines(self) -> tuple[Line, ...]:
        """List the budget, the cache in it and the sequences that fit.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        d, of_total = self.deployment, self.deployment.engine.fraction_of == "total"
        names, sizes = self._terms_in_budget()
        budget = Line(
            "budget",
            "visible x memory_fraction" if of_total else "visible; the fraction is of what is left",
            f"{_gib(self.visible_bytes)} x {d.fraction:g}",
            _gib(self.budget_bytes),
        )
        pool = Line(
            "kv_pool",
            names if of_total else f"({names}) x memory_fraction",
            " - ".join(_gib(size) for size in (self.budget_bytes, *sizes)),
            _gib(self.kv_pool_bytes),
        )
        return (budget, pool, self._sequence_line(), self._concurrency_line())

    def _terms_in_budget(self) -> tuple[str, list[float]]:
        """What is subtracted from the budget: in words, and the size of each term."""
        names = "budget - weights - activations - runtime"
        sizes = [self.weights_bytes, self.activation_bytes, self.runtime_bytes]
        if self.deployment.engine.graphs_in_fraction:
            names, sizes = names + " - graphs", [*sizes, self.graph_bytes]
        if self.extra_bytes:
            names, sizes = names + " - draft and adapters", [*sizes, self.extra_bytes]
        return names, sizes

    def _concurrency_line(self) -> Line:
        d = self.deployment
        pool, name = _gib(self.kv_pool_bytes), "kv_pool"
        if self.prefix_bytes:
            pool, name = f"({pool} - {_gib(self.prefix_bytes)})", "(kv_pool - shared prefix)"
        return Line(
            "max_concurrent",
            f"floor({name} / kv_per_sequence)" + (" x cards" if d.dp_attention else ""),
            f"floor({pool} / {_gib(self.kv_bytes_per_sequence)})"
            + (f" x {d.tp}" if d.dp_attention else ""),
            f"{self.max_concurrent:,}",
        )


def _gib(size: float) -> str:
    return quantity(size, "GiB")


def extra_bytes(deployment: Deployment) -> float:
    """Add up the memory of speculation and adapters on a card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        A draft model's weights, or the model's own multi-token-prediction
        layers, and all adapters in 16 bits [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> extra_bytes(catalog.deployment(model="llama-3.1-8b", gpu="l4"))
    0.0
    """
    d, total = deployment, 0.0
    if d.speculation and d.speculation.draft is not None:
        total += law.weights_of(bandwidth.draft_deployment(d)).stored_bytes
    elif d.speculation:
        total += d.model.mtp_params * d.weights.bytes_per_element / d.tp
    if d.lora:
        params = law.lora_params(d.model, d.lora.rank)
        total += d.lora.adapters * params * bandwidth.ACTIVATION_BYTES / d.tp
    return total


def ledger(
    deployment: Deployment,
    *,
    context_tokens: int,
    concurrency: int = 1,
    shared_prefix_tokens: int = 0,
    hit_share: float = 1.0,
) -> Ledger:
    """Compute the memory ledger of the card that holds the most.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every sequence may reach [tokens].
    concurrency : int
        Sequences wanted at once.
    shared_prefix_tokens : int
        Leading tokens all sequences share: a prefix cache stores their whole
        pages once [tokens].
    hit_share : float
        Share of the sequences that find them in the cache; the others store a copy.

    Returns
    -------
    Ledger
        Every term, and the number of sequences that fit.

    Raises
    ------
    BadInput
        When a count is out of range.

    References
    ----------
    The order of the terms is vLLM's own start-up report; Kwon et al. 2023,
    arXiv 2309.06180, for the paged cache.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", weights="fp8", kv="fp8", memory_fraction=0.90
    ... )
    >>> ledger(a, context_tokens=8000, concurrency=16).starts
    False
    """
    number("context_tokens", context_tokens, 1, 1e8, "tokens", whole=True)
    number("concurrency", concurrency, 1, 1e7, "sequences", whole=True)
    most = context_tokens - 1
    number("shared_prefix_tokens", shared_prefix_tokens, 0, most, "tokens", whole=True)
    number("hit_share", hit_share, 0, 1)
    return _ledger(deployment, context_tokens, concurrency, shared_prefix_tokens, hit_share)


def _ledger(
    deployment: Deployment,
    context_tokens: int,
    concurrency: int,
    shared_prefix_tokens: int,
    hit_share: float,
) -> Ledger:
    room = _room(deployment, context_tokens, shared_prefix_tokens, hit_share)
    memory = room.memory
    return Ledger(
        deployment=deployment,
        visible_bytes=memory.visible_bytes,
        budget_bytes=memory.budget_bytes,
        kv_pool_bytes=memory.pool_bytes,
        kv_bytes_per_sequence=room.sequence_bytes,
        starts=room.starts,
        max_concurrent=room.sequences,
        context_tokens=context_tokens,
        concurrency=concurrency,
        prefix_bytes=room.prefix_bytes,
        hit_share=hit_share,
        longest_bytes=room.longest_bytes,
        state_blocks=room.state_blocks,
        **memory.terms,
    )


class _Memory(NamedTuple):
    """A card's memory, however long sequences are: what is left of the budget is the pool's."""

    visible_bytes: float
    budget_bytes: float
    pool_bytes: float
    terms: Mapping[str, float]  # fields of a ledger, for everything but the cache


@lru_cache(maxsize=MOST_KEPT)  # a curve along the context asks again at every point
def _memory(deployment: Deployment) -> _Memory:
    d, visible, terms = deployment, overhead.usable_bytes(deployment.gpu), _terms(deployment)
    taken = sum(terms.values())
    taken -= 0.0 if d.engine.graphs_in_fraction else terms["graph_bytes"]
    if d.engine.fraction_of == "total":
        budget = visible * d.fraction
        return _Memory(visible, budget, budget - taken, terms)
    left = visible - taken
    return _Memory(visible, visible, left * d.fraction if left > 0 else left, terms)


# What decides the terms: all of a deployment but the share of the memory and the rent.
_DECIDING = attrgetter(*(f.name for f in fields(Deployment) if f.name not in SHARE_AND_RENT))
_kept_terms: dict[tuple[Any, ...], dict[str, float]] = {}


def _terms(deployment: Deployment) -> dict[str, float]:
    """Fields of a ledger for everything in memory but the cache.

    They are kept by what decides them, so that another share of the memory asks for none again.
    """
    d, key = deployment, _DECIDING(deployment)
    if key not in _kept_terms:
        if len(_kept_terms) >= MOST_KEPT:
            _kept_terms.clear()
        _kept_terms[key] = {
            "weights_bytes": sum(_weights(d).values()) * (1 - d.offload_share),
            "activation_bytes": overhead.activation_bytes(d),
            "runtime_bytes": overhead.runtime_bytes(d),
            "extra_bytes": extra_bytes(d),
            "graph_bytes": overhead.graph_bytes(d),
        }
    return _kept_terms[key]


class Room(NamedTuple):
    """What sequences of one length take of the cache, and how many it holds.

    Attributes
    ----------
    memory : _Memory
        A card's memory, however long sequences are.
    prefix_bytes, sequence_bytes, longest_bytes : float
        As a `Ledger` has them; a sequence's cache is `kv_bytes_per_sequence` there [bytes].
    state_blocks : int
        Blocks of the cache where recurrent states take one each; 0 without states.
    starts : bool
        Whether the engine is expected to start.
    sequences : int
        Sequences that fit; 0 when the engine does not start.
    """

    memory: _Memory
    prefix_bytes: float
    sequence_bytes: float
    longest_bytes: float
    state_blocks: int
    starts: bool
    sequences: int


@lru_cache(maxsize=MOST_KEPT)  # a prediction asks for its ledger, and for its users in progress
def _room(
    deployment: Deployment, context_tokens: int, shared_prefix_tokens: int, hit_share: float
) -> Room:
    d, memory = deployment, _memory(deployment)
    pool = memory.pool_bytes
    prefix = prefix_bytes(d, shared_prefix_tokens, context_tokens) if shared_prefix_tokens else 0.0
    sequence = kv_sequence_bytes(d, context_tokens) - prefix * hit_share
    longest, blocks = _longest_bytes(d), _state_blocks(d, pool)
    starts = pool >= max(prefix + sequence, longest) and not _refused(d, blocks)
    most = _sequences(d, pool - prefix, sequence) if starts else 0
    return Room(memory, prefix, sequence, longest, blocks, starts, most)


def fixed_bytes(deployment: Deployment) -> float:
    """Add up what no limit of the engine changes: weights, runtime, a draft and adapters.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        On the card that holds the most [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> round(fixed_bytes(one) / 1e9)
    16
    """
    d = deployment
    weights = sum(_weights(d).values()) * (1 - d.offload_share)
    return weights + overhead.runtime_bytes(d) + extra_bytes(d)


def _weights(d: Deployment) -> Mapping[str, float]:
    """Weights by role, with what an allocator adds where the engine measures free memory.

    SGLang, model_runner.py; vLLM, platforms/rocm.py, get_current_memory_usage, until 0.21.
    """
    by_role, engine = law.weights_of(d).by_role, d.engine
    early = engine.family == "vllm" and d.gpu.vendor == "amd" and engine.release < (0, 22)
    if engine.family != "sglang" and not early:
        return by_role
    return by_role | {"rounding": law.rounding_bytes(d)}


def _fixed_words(deployment: Deployment, context_tokens: int) -> str:
    """What of a sequence does not grow with every token; of windows what is reserved for each.

    vLLM, v1/kv_cache_interface.py, `SlidingWindowSpec.max_memory_usage_bytes`.
    """
    cut = layout(deployment) if is_grouped(deployment) or is_compressed(deployment) else None
    window = max((kind.window_tokens for kind in cut.kinds), default=0) if cut else 0
    if not cut or not window:
        return "full windows and states"
    reserved = min(window - 1 + cut.in_flight_tokens, context_tokens)
    whose = "its own and those in flight, at most the context"
    return f"windows and states (a window has {reserved:,} tokens reserved: {whose})"


def _token_bytes(deployment: Deployment, context_tokens: int) -> float:
    """Cache of one more token at this length, with that of a draft model."""
    d, total = deployment, 0.0
    if d.speculation and d.speculation.draft is not None:
        total = _token_bytes(bandwidth.draft_deployment(d), context_tokens)
    return total + kept_bytes(d, context_tokens + 1) - kept_bytes(d, context_tokens)


def _pool_tokens(deployment: Deployment, pool_bytes: float, context_tokens: int) -> int:
    """Tokens that an engine says its cache holds."""
    d, pool = deployment, max(pool_bytes, 0)
    length = d.max_model_len or context_tokens
    if is_grouped(d) and d.engine.release < (0, 21):
        cut = layout(d)
        shortest = min(kind.block_tokens for kind in cut.kinds if kind.name != "state")
        return floor(pool / cut.block_bytes) // cut.groups * shortest
    return floor(pool / kv_sequence_bytes(d, length) * length)


def _longest_bytes(deployment: Deployment) -> float:
    """Cache of the longest request, where the engine must have room for one to start."""
    d = deployment
    if not d.max_model_len or d.engine.family in SHORTER_CACHE:
        return 0.0
    return float(kv_sequence_bytes(d, d.max_model_len))


def _refused(deployment: Deployment, state_blocks: int) -> bool:
    asked = deployment.max_num_seqs or 0
    return bool(state_blocks) and not deployment.eager and asked > state_blocks


def _state_blocks(deployment: Deployment, pool_bytes: float) -> int:
    """Blocks of a cache in which each sequence's states take one; 0 where none are kept."""
    block_bytes = state_block_bytes(deployment)
    return max(floor(max(pool_bytes, 0) / block_bytes), 1) if block_bytes else 0


def state_block_bytes(deployment: Deployment) -> float:
    """Give the size of a block where the states of each sequence take one.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        The size; 0 without such states, or where an engine does not refuse more sequences
        than it has blocks for them [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> state_block_bytes(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"))
    0.0
    """
    d = deployment
    if not is_grouped(d) or d.engine.release < (0, 20):
        return 0.0  # earlier ones capture fewer graphs instead of refusing
    cut = layout(d)
    return cut.block_bytes if any(kind.name == "state" for kind in cut.kinds) else 0.0


def workload_room(deployment: Deployment, workload: Workload) -> Room:
    """Count the users of a load that have room, without the ledger that says why.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer and shared prefix; its concurrency is not used.

    Returns
    -------
    Room
        What each takes of the cache, and how many it holds.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> load = Workload(7000, 1000, 16)
    >>> workload_room(b, load).sequences == workload_ledger(b, load).max_concurrent
    True
    """
    load = workload
    return _room(deployment, load.context_tokens, load.shared_prefix_tokens, load.hit_share)


def workload_ledger(deployment: Deployment, workload: Workload) -> Ledger:
    """Compute the memory ledger of a load: its users, their context and shared prefix.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.

    Returns
    -------
    Ledger
        Every term, and the number of users that fit.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> workload_ledger(b, Workload(7000, 1000, 16)).fits
    True
    """
    load = workload
    prefix, share = load.shared_prefix_tokens, load.hit_share
    return _ledger(deployment, load.context_tokens, load.concurrency, prefix, share)


def max_concurrent(
    deployment: Deployment,
    context_tokens: int,
    *,
    shared_prefix_tokens: int = 0,
    hit_share: float = 1.0,
) -> int:
    """Count the whole sequences of a length that fit in the cache of a deployment.

    In a paged cache all sequences use the same pages for the tokens they share, so
    the pool holds one prefix and the rest of each sequence. Windows and states
    change with each sequence and are not shared, and requests that miss the cache
    store a copy of their own.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every sequence may reach [tokens].
    shared_prefix_tokens : int
        Leading tokens all sequences share [tokens].
    hit_share : float
        Share of the sequences that find them in the cache.

    Returns
    -------
    int
        Sequences at once; 0 when the engine does not start.

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 4.4, on sharing pages.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> alone = max_concurrent(b, 8000)
    >>> max_concurrent(b, 8000, shared_prefix_tokens=6000) > 3 * alone > 3 * 16
    True
    """
    number("context_tokens", context_tokens, 1, 1e8, "tokens", whole=True)
    return _room(deployment, context_tokens, shared_prefix_tokens, hit_share).sequences


def _sequences(deployment: Deployment, pool_bytes: float, sequence_bytes: float) -> int:
    """Whole sequences in the caches of all replicas of attention."""
    each = max_sequences(kv_pool_bytes=pool_bytes, kv_bytes_per_sequence=sequence_bytes)
    return each * deployment.attention_replicas


def cliff(deployment: Deployment, contexts: Iterable[int]) -> tuple[tuple[int, int, float], ...]:
    """Count the sequences that fit at each of several lengths.

    The curve is a hyperbola, `pool / (kv_per_token x context)`, rounded down to
    whole sequences.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    contexts : iterable of int
        Lengths of a sequence [tokens].

    Returns
    -------
    tuple of (int, int, float)
        Length [tokens], whole sequences, and the hyperbola before rounding.

    Raises
    ------
    BadInput
        When there is no length, or one is out of range.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> [n for _, n, _ in cliff(b, (8000, 16000))][0] > 0
    True
    """
    contexts = tuple(contexts)
    if not contexts:
        raise BadInput("contexts", "contexts is empty: it takes at least one length in tokens.")
    rows = []
    for context_tokens in contexts:
        memory = ledger(deployment, context_tokens=context_tokens)
        smooth = max(memory.kv_pool_bytes, 0) / memory.kv_bytes_per_sequence
        smooth *= deployment.attention_replicas
        rows.append((context_tokens, memory.max_concurrent, smooth))
    return tuple(rows)


def longest_context(deployment: Deployment, users: int) -> int:
    """Find the longest context at which a number of users fit.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    users : int
        Sequences at once.

    Returns
    -------
    int
        The length, at most the model's window; 0 when they fit at none [tokens].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> longest = longest_context(b, 16)
    >>> max_concurrent(b, longest) >= 16 > max_concurrent(b, longest + 1)
    True
    """
    lengths = range(1, deployment.model.max_context_tokens + 1)
    return bisect_left(lengths, True, key=lambda length: max_concurrent(deployment, length) < users)
