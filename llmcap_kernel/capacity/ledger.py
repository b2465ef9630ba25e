"""The memory ledger of a card: its terms, its verdict and its derivation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..explain import Explained, Line, counted, digits, gib
from ..once import cached_property
from ..refuse import number
from ..spec import Deployment, Workload
from . import overhead
from .cache import is_compressed, is_grouped, layout
from .pool import room_doubt_bytes, weights_by_role
from .room import longest_at_once, pool_tokens, refuses, room_for, sequences_in, token_bytes

STARTS = YES, LIKELY, DOUBTFUL, NO = ("yes", "likely", "doubtful", "no")
START_WORDS = {
    YES: "it starts",
    LIKELY: "it likely starts",
    DOUBTFUL: "it is doubtful whether it starts",
    NO: "it does not start",
}
# Engines that refuse a max_model_len beyond the model's window, and the variable that allows it
# (vLLM 0.33, config/model.py; SGLang 0.5.23, srt/configs/model_config.py). Others warn and start.
ALLOW_LONGER = {
    "vllm": "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
    "sglang": "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN",
}


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
        Share of the sequences that find the prefix in the cache.
    admission_bytes : float
        Room for the batches in flight, which vLLM requires in windows when it admits a sequence,
        and which all sequences share [bytes].
    longest_bytes : float
        Cache of the longest sequence that the engine must have room for to start [bytes].
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
    admission_bytes: float = 0.0
    hit_share: float = 1.0
    longest_bytes: float = 0.0
    state_blocks: int = 0

    @property
    def by_role(self) -> Mapping[str, float]:
        """Weights by role of their tensors [bytes]."""
        return weights_by_role(self.deployment)

    @cached_property
    def kv_bytes_per_token(self) -> float:
        """Cache of one more token at this length [bytes]."""
        return token_bytes(self.deployment, self.context_tokens)

    @cached_property
    def kv_pool_tokens(self) -> int:
        """Tokens the cache holds over all sequences of this length [tokens]."""
        d = self.deployment
        return pool_tokens(d, self.kv_pool_bytes, self.context_tokens) * d.attention_replicas

    @property
    def shared_bytes(self) -> float:
        """Part of a sequence's cache that is shared, on average [bytes]."""
        return self.prefix_bytes * self.hit_share

    @property
    def once_bytes(self) -> float:
        """Cache that does not depend on the number of sequences [bytes]."""
        return self.prefix_bytes + self.admission_bytes

    @property
    def admitted_bytes(self) -> float:
        """Cache that the engine counts for one sequence at start, sharing nothing [bytes]."""
        return self.kv_bytes_per_sequence + self.shared_bytes + self.admission_bytes

    @property
    def overhead_bytes(self) -> float:
        """All memory in the budget that is neither weights nor cache [bytes]."""
        inside = self.graph_bytes if self.deployment.engine.graphs_in_fraction else 0.0
        return self.activation_bytes + self.runtime_bytes + self.extra_bytes + inside

    @property
    def kv_used_bytes(self) -> float:
        """Cache of the requested sequences, on the card that holds the most [bytes]."""
        d = self.deployment
        sequences = -(-self.concurrency // d.tp) if d.dp_attention else self.concurrency
        return self.once_bytes + sequences * self.kv_bytes_per_sequence

    @property
    def ceiling_concurrent(self) -> int:
        """Sequences that would fit if all memory but the weights were cache."""
        room_bytes = self.visible_bytes - self.weights_bytes - self.once_bytes
        return sequences_in(self.deployment, room_bytes, self.kv_bytes_per_sequence)

    @property
    def needed_bytes(self) -> float:
        """Budget that weights, overhead and the requested sequences need [bytes]."""
        return self.weights_bytes + self.overhead_bytes + self.kv_used_bytes

    @property
    def kv_pool_interval_bytes(self) -> tuple[float, float]:
        """80% interval of the room for the cache, from left-out start-up logs [bytes]."""
        room, doubt = self.kv_pool_bytes, self.doubt_bytes
        return room - doubt, room + self.spared_bytes + doubt

    @property
    def doubt_bytes(self) -> float:
        """Error of the room to either side, which 80% of start-ups stay within [bytes]."""
        return room_doubt_bytes(self.deployment, self.weights_bytes)

    @property
    def spared_bytes(self) -> float:
        """Extra room in engine builds whose sampling takes the least memory [bytes]."""
        engine = self.deployment.engine
        per_logit = engine.least_bytes_per_logit
        if not engine.profiled or per_logit in (0, engine.sampling_bytes_per_logit):
            return 0.0
        least_engine = replace(engine, sampling_bytes_per_logit=per_logit)
        least_activations = overhead.activation_bytes(replace(self.deployment, engine=least_engine))
        return max(self.activation_bytes - least_activations, 0.0)

    @property
    def concurrent_interval(self) -> tuple[int, int]:
        """Sequences that fit at either end of `kv_pool_interval_bytes`."""
        low, high = (
            sequences_in(self.deployment, pool_bytes - self.once_bytes, self.kv_bytes_per_sequence)
            if pool_bytes >= self.least_room_bytes and not self.refused
            else 0
            for pool_bytes in self.kv_pool_interval_bytes
        )
        return low, high

    @property
    def least_room_bytes(self) -> float:
        """Smallest room for the cache with which the engine starts [bytes]."""
        return max(self.once_bytes + self.kv_bytes_per_sequence, self.longest_bytes)

    @property
    def start(self) -> str:
        """One of `STARTS`: whether the engine starts, given the interval of the room."""
        if self.refused:
            return NO
        low, high = self.kv_pool_interval_bytes
        if self.starts:
            return YES if low >= self.least_room_bytes else LIKELY
        return DOUBTFUL if high >= self.least_room_bytes else NO

    @property
    def refused(self) -> bool:
        """Whether max_num_seqs is more than the cache has blocks for states."""
        return refuses(self.deployment, self.state_blocks)

    @property
    def beyond(self) -> str:
        """Why the engine refuses every request as too long; "" where it does not."""
        d, request = self.deployment, f"a request has {self.context_tokens:,} tokens"
        if d.max_model_len and self.context_tokens > d.max_model_len:
            return (
                f"The engine refuses every request: {request}, "
                f"max_model_len is {d.max_model_len:,}."
            )
        if self.context_tokens > d.model.max_context_tokens:
            window = f"{d.model.max_context_tokens:,} tokens"
            return f"The window of {d.model.name} is exceeded: {request}, it takes {window}."
        return ""

    @property
    def overlong(self) -> str:
        """Why the engine refuses its max_model_len at start; "" where it does not."""
        d, window = self.deployment, self.deployment.model.max_context_tokens
        allowed = ALLOW_LONGER.get(d.engine.family)
        if not allowed or not d.max_model_len or d.max_model_len <= window:
            return ""
        return (
            f"{d.engine.title} refuses to start: max_model_len is {d.max_model_len:,}, "
            f"{d.model.name} takes {window:,} tokens (unless {allowed}=1 is set)."
        )

    @property
    def fits(self) -> bool:
        """Whether all requested sequences fit."""
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
    def likely(self) -> str:
        """What stands before a verb where the start is not certain: "likely ", else ""."""
        return "likely " if self.starts and self.start != YES else ""

    def fit_words(self, users: int) -> str:
        """Write that so many users have room, as every page and command says it.

        Parameters
        ----------
        users : int
            Users who have room.

        Returns
        -------
        str
            The verb, with "likely" where the start is not certain.

        Examples
        --------
        >>> from llmcap_kernel import catalog
        >>> sure = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
        >>> ledger(sure, context_tokens=8000).fit_words(1)
        'fits'
        >>> tight = catalog.deployment(model="llama-3.1-8b", gpu="rtx-4090", memory_fraction=0.75)
        >>> ledger(tight, context_tokens=8000).fit_words(2)
        'likely fit'
        """
        return f"{self.likely}{'fits' if users == 1 else 'fit'}"

    @property
    def verdict(self) -> str:
        """Whether it fits, with the memory needed and available, and lengths that are refused."""
        return " ".join(filter(None, (self.overlong, self.beyond, self.memory_verdict)))

    @property
    def memory_verdict(self) -> str:
        """The verdict on memory alone."""
        if self.refused:
            return (
                f"Does not start: max_num_seqs is {self.deployment.max_num_seqs:,}, and the cache "
                f"has {self.state_blocks:,} blocks for their states."
            )
        if not self.starts:
            return self._why_not
        doubt = f" ({self._doubt_words})" if self.likely else ""
        if not self.fits:
            return (
                f"{f'{self.likely}starts'.capitalize()}{doubt}, but holds "
                f"{self.max_concurrent:,} of {self.concurrency:,} users at "
                f"{self.context_tokens:,} tokens, {self._format_words}: all need "
                f"{gib(self.needed_bytes)} a card, the engine has {gib(self.budget_bytes)}."
                f"{self.advised_max_num_seqs}"
            )
        wanted = f"; {self.concurrency:,} wanted" if self.concurrency > 1 else ""
        return (
            f"{counted(self.max_concurrent, 'user')} at {self.context_tokens:,} tokens "
            f"{self.fit_words(self.max_concurrent)}{doubt}, {self._format_words}{wanted}."
            f"{self.advised_max_num_seqs}"
        )

    @property
    def _why_not(self) -> str:
        """Why the engine does not start, or may not."""
        d = self.deployment
        if self.weights_exceed_card:
            return (
                f"Does not start: the weights alone take {gib(self.weights_bytes)} a card in "
                f"{d.weights.short_title}, and a card has {gib(self.visible_bytes)}."
            )
        needed_bytes = self.weights_bytes + self.overhead_bytes + self.least_room_bytes
        longest = (d.max_model_len if self.longest_bytes else 0) or 0
        at_once = longest_at_once(d) if longest else 1
        doubtful = self.start == DOUBTFUL
        opening = f"Doubtful ({self._doubt_words}): it" if doubtful else "Does not start"
        users = "one user" if at_once == 1 else counted(at_once, "user")
        return (
            f"{opening}{' does not start' * doubtful} at memory fraction {d.fraction:g}: with "
            f"{users} at {max(self.context_tokens, longest):,} tokens it needs "
            f"{gib(needed_bytes)} a card, the engine has {gib(self.budget_bytes)}; {self.largest}."
        )

    @property
    def _doubt_words(self) -> str:
        return f"the ledger may be off by {gib(self.doubt_bytes)}"

    @property
    def _format_words(self) -> str:
        d = self.deployment
        return f"with {d.weights.short_title} weights and {d.kv.short_title} KV cache"

    @property
    def weights_exceed_card(self) -> bool:
        """Whether the weights alone exceed a card's memory, so that loading them fails."""
        return self.weights_bytes > self.visible_bytes

    @property
    def largest(self) -> str:
        """The largest term, as a clause."""
        name, size = self.terms[0]
        return f"the largest part is {name}, {gib(size)}"

    @property
    def advised_max_num_seqs(self) -> str:
        """The max_num_seqs to set where the engine refuses its own default; "" where none is."""
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
        sequence_bytes = self.kv_bytes_per_sequence + self.shared_bytes
        fixed_bytes = sequence_bytes - self.kv_bytes_per_token * self.context_tokens
        if fixed_bytes > 0.02 * sequence_bytes:  # windows that are full and states no longer grow
            formula += f" + {_fixed_words(self.deployment, self.context_tokens)}"
            numbers += f" + {gib(fixed_bytes)}"
        if self.shared_bytes:
            formula += " - shared prefix"
            numbers += f" - {gib(self.shared_bytes)}"
        return Line("kv_per_sequence", formula, numbers, gib(self.kv_bytes_per_sequence))

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
            f"{gib(self.visible_bytes)} x {d.fraction:g}",
            gib(self.budget_bytes),
        )
        pool = Line(
            "kv_pool",
            names if of_total else f"({names}) x memory_fraction",
            " - ".join(gib(size) for size in (self.budget_bytes, *sizes)),
            gib(self.kv_pool_bytes),
        )
        return (budget, pool, self._sequence_line(), self._concurrency_line())

    def _terms_in_budget(self) -> tuple[str, list[float]]:
        """List what is subtracted from the budget: in words, and the size of each term."""
        names = "budget - weights - activations - runtime"
        sizes = [self.weights_bytes, self.activation_bytes, self.runtime_bytes]
        if self.deployment.engine.graphs_in_fraction:
            names, sizes = names + " - graphs", [*sizes, self.graph_bytes]
        if self.extra_bytes:
            names, sizes = names + " - draft and adapters", [*sizes, self.extra_bytes]
        return names, sizes

    def _concurrency_line(self) -> Line:
        d = self.deployment
        pool, name = gib(self.kv_pool_bytes), "kv_pool"
        once = (("shared prefix", self.prefix_bytes), ("batches in flight", self.admission_bytes))
        nonzero = [(words, size) for words, size in once if size]
        if nonzero:
            name = f"({' - '.join([name, *(words for words, _ in nonzero)])})"
            pool = f"({' - '.join([pool, *(gib(size) for _, size in nonzero)])})"
        return Line(
            "max_concurrent",
            f"floor({name} / kv_per_sequence)" + (" x cards" if d.dp_attention else ""),
            f"floor({pool} / {gib(self.kv_bytes_per_sequence)})"
            + (f" x {d.tp}" if d.dp_attention else ""),
            f"{self.max_concurrent:,}",
        )


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
    max_prefix = context_tokens - 1
    number("shared_prefix_tokens", shared_prefix_tokens, 0, max_prefix, "tokens", whole=True)
    number("hit_share", hit_share, 0, 1)
    return _ledger(deployment, context_tokens, concurrency, shared_prefix_tokens, hit_share)


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


def _ledger(
    deployment: Deployment,
    context_tokens: int,
    concurrency: int,
    shared_prefix_tokens: int,
    hit_share: float,
) -> Ledger:
    room = room_for(deployment, context_tokens, shared_prefix_tokens, hit_share)
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
        admission_bytes=room.admission_bytes,
        hit_share=hit_share,
        longest_bytes=room.longest_bytes,
        state_blocks=room.state_blocks,
        **memory.terms,
    )


def _fixed_words(deployment: Deployment, context_tokens: int) -> str:
    """Name the cache of a sequence that does not grow with every token."""
    has_blocks = is_grouped(deployment) or is_compressed(deployment)
    kinds = layout(deployment).kinds if has_blocks else ()
    window = max((kind.window_tokens for kind in kinds), default=0)
    if not window:
        return "full windows and states"
    return f"windows and states (a window holds {min(window, context_tokens):,} tokens)"
