"""Stage 3, capacity: the memory ledger, and how many users it leaves room for.

An engine takes a fraction of the memory the driver reports, puts weights,
activations and communication buffers in it, and gives what is left to the
paged KV cache. Users are whole sequences in that cache.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from . import bandwidth, law
from .explain import Explained, Line, digits, quantity
from .numeric import ceil, floor, maximum
from .spec import BadInput, Deployment, number

# An H100 is reported as 81 559 MiB and hands CUDA 79.19 GiB (vLLM start-up logs, the
# llmd rows of benchmarks/measured.csv): the driver keeps this share of a discrete card.
DRIVER_SHARE = 1 - 79.19 * 1024 / 81_559


def paged_tokens(*, context_tokens, block_tokens):
    """Round a sequence up to whole cache pages.

    Parameters
    ----------
    context_tokens : float or array
        Tokens of the sequence [tokens].
    block_tokens : float or array
        Tokens in a page [tokens].

    Returns
    -------
    float or array
        Tokens the cache sets aside [tokens].

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 4.

    Examples
    --------
    >>> paged_tokens(context_tokens=8001, block_tokens=16)
    8016
    """
    return ceil(context_tokens / block_tokens) * block_tokens


def max_sequences(*, kv_pool_bytes, kv_bytes_per_sequence):
    """Count the whole sequences a cache holds.

    Parameters
    ----------
    kv_pool_bytes : float or array
        Memory left for the cache on a card [bytes].
    kv_bytes_per_sequence : float or array
        What one sequence takes on that card [bytes].

    Returns
    -------
    int or array
        `floor(pool / sequence)`, never below 0.

    Examples
    --------
    >>> max_sequences(kv_pool_bytes=5.05e9, kv_bytes_per_sequence=1.31072e9)
    3
    """
    return floor(maximum(kv_pool_bytes, 0) / kv_bytes_per_sequence)


def activation_bytes(model, engine):
    """Estimate the activation peak an engine sets aside when it starts.

    The engine runs its largest batch once and keeps what that took. Sampling
    a full batch over the vocabulary is the largest term; the residual stream
    and, for MoE, the expert workspace add to it. The coefficients belong to
    the engine's version.

    Parameters
    ----------
    model : Model
        The model.
    engine : Engine
        The engine with its coefficients.

    Returns
    -------
    float
        Activation peak of a card [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> peak = activation_bytes(catalog.model("llama-3.1-70b"), catalog.engine("vllm-0.19"))
    >>> 1.8 < peak / 2**30 < 2.2
    True
    """
    total = engine.activation_bytes_fixed + engine.activation_bytes_per_vocab * model.vocab_size
    total += engine.activation_bytes_per_hidden * model.hidden_size
    return total + (engine.activation_bytes_moe if model.experts else 0.0)


def usable_bytes(gpu):
    """Say how much of a card an engine can ask for.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    float
        The memory the driver reports, less its own reserve on a discrete card,
        or the usable share where the host owns the memory too [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> round(usable_bytes(catalog.gpu("h100-sxm")) / 2**30, 2)
    79.19
    """
    reserve = 0.0 if gpu.unified_memory else DRIVER_SHARE
    return gpu.memory_visible_bytes * (1 - reserve) * gpu.memory_usable_share


@dataclass(frozen=True)
class Ledger(Explained):
    """Where the memory of the fullest card goes.

    Attributes
    ----------
    visible_bytes : float
        What the driver reports and hands on, times the share a model may have [bytes].
    budget_bytes : float
        What the engine allows itself [bytes].
    weights_bytes, activation_bytes, runtime_bytes, graph_bytes : float
        Weights, activation peak, communication and runtime buffers, CUDA
        graphs [bytes].
    extra_bytes : float
        A draft model, multi-token-prediction layers in use, and adapters [bytes].
    prefix_bytes : float
        Cache of a prefix that all sequences share, held once [bytes].
    hit_share : float
        Share of the sequences that find it.
    kv_pool_bytes : float
        What is left for the cache; negative when nothing is [bytes].
    kv_bytes_per_token, kv_bytes_per_sequence : float
        Cache of one more token at this length, and of a sequence in whole
        pages [bytes].
    kv_pool_tokens : int
        Tokens the cache holds over all sequences of this length [tokens].
    max_concurrent : int
        Sequences of this length the deployment holds.
    context_tokens, concurrency : int
        What was asked for.
    """

    deployment: Deployment
    visible_bytes: float
    budget_bytes: float
    weights_bytes: float
    activation_bytes: float
    runtime_bytes: float
    graph_bytes: float
    kv_pool_bytes: float
    kv_bytes_per_token: float
    kv_bytes_per_sequence: float
    kv_pool_tokens: int
    max_concurrent: int
    context_tokens: int
    concurrency: int
    by_role: dict = field(default_factory=dict)
    extra_bytes: float = 0.0
    prefix_bytes: float = 0.0
    hit_share: float = 1.0

    @property
    def shared_bytes(self):
        """What a sequence need not keep itself, on average [bytes]."""
        return self.prefix_bytes * self.hit_share

    @property
    def overhead_bytes(self):
        """Everything in the budget that is neither weights nor cache [bytes]."""
        inside = self.graph_bytes if self.deployment.engine.graphs_in_fraction else 0.0
        return self.activation_bytes + self.runtime_bytes + self.extra_bytes + inside

    @property
    def kv_used_bytes(self):
        """Cache of the sequences asked for, on the fullest card [bytes]."""
        d = self.deployment
        sequences = -(-self.concurrency // d.tp) if d.dp_attention else self.concurrency
        return self.prefix_bytes + sequences * self.kv_bytes_per_sequence

    @property
    def ceiling_concurrent(self):
        """Sequences there would be room for if all memory but the weights were cache."""
        room_bytes = self.visible_bytes - self.weights_bytes - self.prefix_bytes
        return _sequences(self.deployment, room_bytes, self.kv_bytes_per_sequence)

    @property
    def needed_bytes(self):
        """Budget that would hold weights, overhead and the sequences asked for [bytes]."""
        return self.weights_bytes + self.overhead_bytes + self.kv_used_bytes

    @property
    def starts(self):
        """Whether the engine starts: room for at least one such sequence."""
        return self.max_concurrent >= 1

    @property
    def fits(self):
        """Whether all the sequences asked for have room."""
        return self.max_concurrent >= self.concurrency

    @property
    def terms(self):
        """Name and bytes of each term, largest first [bytes]."""
        terms = [("weights", self.weights_bytes), ("activations", self.activation_bytes)]
        terms += [("runtime and communication buffers", self.runtime_bytes)]
        terms += [("CUDA graphs", self.graph_bytes), ("KV cache asked for", self.kv_used_bytes)]
        if self.extra_bytes:
            terms.append(("draft model and adapters", self.extra_bytes))
        return tuple(sorted(terms, key=lambda term: -term[1]))

    @property
    def verdict(self):
        """One sentence: fits or not, what was needed, what there was, the largest term."""
        fraction = self.deployment.fraction
        if not self.starts:
            least = self.weights_bytes + self.overhead_bytes
            least += self.prefix_bytes + self.kv_bytes_per_sequence
            name, size = self.terms[0]
            return (
                f"Does not start at memory fraction {fraction:g}: one sequence of "
                f"{self.context_tokens:,} tokens needs {quantity(least, 'GiB')} a card, the "
                f"engine has {quantity(self.budget_bytes, 'GiB')}; the largest term is {name} "
                f"with {quantity(size, 'GiB')}."
            )
        if not self.fits:
            return (
                f"Starts, but holds {self.max_concurrent} of {self.concurrency} sequences: all "
                f"need {quantity(self.needed_bytes, 'GiB')} a card, the engine has "
                f"{quantity(self.budget_bytes, 'GiB')}."
            )
        return (
            f"Fits: {self.concurrency} of at most {self.max_concurrent:,} sequences of "
            f"{self.context_tokens:,} tokens."
        )

    def _sequence_line(self):
        per_token = f"{digits(self.kv_bytes_per_token, 6)} B"
        formula = "kv_per_token x context, in whole pages"
        numbers = f"{per_token} x {self.context_tokens:,}"
        whole = self.kv_bytes_per_sequence + self.shared_bytes
        beside = whole - self.kv_bytes_per_token * self.context_tokens
        if beside > 0.02 * whole:  # windows that are full and states no longer grow
            formula += " + full windows and states"
            numbers += f" + {quantity(beside, 'GiB')}"
        if self.shared_bytes:
            formula += " - shared prefix"
            numbers += f" - {quantity(self.shared_bytes, 'GiB')}"
        return Line(
            "kv_per_sequence", formula, numbers, quantity(self.kv_bytes_per_sequence, "GiB")
        )

    def lines(self):
        d, gib = self.deployment, lambda b: quantity(b, "GiB")
        inside = d.engine.graphs_in_fraction
        parts = [self.weights_bytes, self.activation_bytes, self.runtime_bytes]
        names = "budget - weights - activations - runtime"
        if inside:
            parts, names = [*parts, self.graph_bytes], names + " - graphs"
        if self.extra_bytes:
            parts, names = [*parts, self.extra_bytes], names + " - draft and adapters"
        pool, pool_name = gib(self.kv_pool_bytes), "kv_pool"
        if self.prefix_bytes:
            pool, pool_name = f"({pool} - {gib(self.prefix_bytes)})", "(kv_pool - shared prefix)"
        return (
            Line(
                "budget",
                "visible x memory_fraction"
                if d.engine.fraction_of == "total"
                else "visible; the fraction is of what is left",
                f"{gib(self.visible_bytes)} x {d.fraction:g}",
                gib(self.budget_bytes),
            ),
            Line(
                "kv_pool",
                names if d.engine.fraction_of == "total" else f"({names}) x memory_fraction",
                " - ".join([gib(self.budget_bytes), *map(gib, parts)]),
                gib(self.kv_pool_bytes),
            ),
            self._sequence_line(),
            Line(
                "max_concurrent",
                f"floor({pool_name} / kv_per_sequence)" + (" x cards" if d.dp_attention else ""),
                f"floor({pool} / {gib(self.kv_bytes_per_sequence)})"
                + (f" x {d.tp}" if d.dp_attention else ""),
                f"{self.max_concurrent:,}",
            ),
        )


def extra_bytes(deployment):
    """Add up what speculation and adapters store on a card.

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


def ledger(deployment, *, context_tokens, concurrency=1, shared_prefix_tokens=0, hit_share=1.0):
    """Keep the books of the fullest card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every sequence may reach [tokens].
    concurrency : int
        Sequences wanted at once.
    shared_prefix_tokens : int
        Leading tokens all sequences share: a prefix cache holds their whole
        pages once [tokens].
    hit_share : float
        Share of the sequences that find them; the others keep a copy.

    Returns
    -------
    Ledger
        Every term, and how many sequences fit [bytes].

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
    d, engine = deployment, deployment.engine
    weights = law.weights_of(d)
    terms = {
        "weights_bytes": weights.stored_bytes * (1 - d.offload_share),
        "activation_bytes": activation_bytes(d.model, engine),
        "runtime_bytes": engine.runtime_tp_bytes if d.tp > 1 else engine.runtime_bytes,
        "extra_bytes": extra_bytes(d),
        "graph_bytes": engine.graph_bytes
        + engine.graph_bytes_per_layer * -(-d.model.layers // d.pp),
    }
    visible = usable_bytes(d.gpu)
    taken = sum(terms.values())
    taken -= 0.0 if engine.graphs_in_fraction else terms["graph_bytes"]
    budget, pool = _pool(engine, visible, taken, d.fraction)
    prefix = prefix_bytes(d, shared_prefix_tokens)
    whole = kv_sequence_bytes(d, context_tokens)
    sequence = whole - prefix * hit_share
    return Ledger(
        deployment=d,
        visible_bytes=visible,
        budget_bytes=budget,
        kv_pool_bytes=pool,
        kv_bytes_per_token=_kv_bytes(d, context_tokens + 1) - _kv_bytes(d, context_tokens),
        kv_bytes_per_sequence=sequence,
        kv_pool_tokens=floor(max(pool, 0) / whole * context_tokens) * d.attention_replicas,
        max_concurrent=_sequences(d, pool - prefix, sequence),
        context_tokens=context_tokens,
        concurrency=concurrency,
        by_role=weights.by_role,
        prefix_bytes=prefix,
        hit_share=hit_share,
        **terms,
    )


def _pool(engine, visible, taken, fraction):
    """What the engine allows itself, and what of it is left for the cache."""
    if engine.fraction_of == "total":
        budget = visible * fraction
        return budget, budget - taken
    left = visible - taken
    return visible, left * fraction if left > 0 else left


def _kv_bytes(deployment, context_tokens):
    """Cache of one sequence, a draft model's included."""
    d = deployment
    total = law.kv_bytes_per_sequence(
        d.model, d.kv, context_tokens, tp=d.tp, pp=d.pp, dp_attention=d.dp_attention
    )
    if d.speculation and d.speculation.draft is not None:
        total = total + _kv_bytes(bandwidth.draft_deployment(d), context_tokens)
    return total


def prefix_bytes(deployment, shared_prefix_tokens):
    """Give the cache of a prefix that all sequences share, on the fullest card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    shared_prefix_tokens : int
        Tokens shared; only whole pages of them can be [tokens].

    Returns
    -------
    float
        Kept once on a card, however many sequences use it [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8", kv="fp8")
    >>> prefix_bytes(a, 6000) / 1e9
    0.98304
    """
    d = deployment
    pages = floor(shared_prefix_tokens / d.engine.block_tokens) * d.engine.block_tokens
    if not pages:
        return 0.0
    return law.kv_shared_bytes(d.model, d.kv, pages, tp=d.tp, pp=d.pp, dp_attention=d.dp_attention)


def workload_ledger(deployment, workload):
    """Keep the books for a load: its users, their context and what they share.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        What the users do.

    Returns
    -------
    Ledger
        Every term, and how many users fit [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> workload_ledger(b, Workload(7000, 1000, 16)).fits
    True
    """
    return ledger(
        deployment,
        context_tokens=workload.context_tokens,
        concurrency=workload.concurrency,
        shared_prefix_tokens=workload.shared_prefix_tokens,
        hit_share=workload.hit_share,
    )


def kv_sequence_bytes(deployment, context_tokens):
    """Give the paged cache of one sequence on the fullest card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens of the sequence [tokens].

    Returns
    -------
    float or array
        Whole pages and states [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, kv="fp8")
    >>> kv_sequence_bytes(b, 8000) / 1e9
    0.65536
    """
    d = deployment
    paged = paged_tokens(context_tokens=context_tokens, block_tokens=d.engine.block_tokens)
    return _kv_bytes(d, paged)


def max_concurrent(deployment, context_tokens, *, shared_prefix_tokens=0, hit_share=1.0):
    """Count the users a deployment holds: whole sequences of a length in its cache.

    A paged cache points every sequence at the same pages for the tokens they
    share, so the pool holds one prefix and, for each user, what comes after it.
    Windows and states move on with each sequence and are not shared, and the
    requests that miss the cache keep a copy of their own.

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
    whole = kv_sequence_bytes(deployment, context_tokens)
    prefix = prefix_bytes(deployment, shared_prefix_tokens)
    return _sequences(deployment, _pool_bytes(deployment) - prefix, whole - prefix * hit_share)


def _sequences(deployment, pool_bytes, sequence_bytes):
    """Whole sequences in the caches of all replicas of attention."""
    each = max_sequences(kv_pool_bytes=pool_bytes, kv_bytes_per_sequence=sequence_bytes)
    return each * deployment.attention_replicas


@lru_cache(maxsize=4096)
def _pool_bytes(deployment):
    """What the books leave for the cache; it depends on no length."""
    return ledger(deployment, context_tokens=1).kv_pool_bytes


def cliff(deployment, contexts):
    """Count the sequences that fit at each of several lengths.

    The curve is a hyperbola, `pool / (kv_per_token x context)`, cut down to
    whole sequences.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    contexts : iterable of int
        Lengths to try [tokens].

    Returns
    -------
    tuple of (int, int, float)
        Length, whole sequences, and the uncut hyperbola.

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
        books = ledger(deployment, context_tokens=context_tokens)
        smooth = max(books.kv_pool_bytes, 0) / books.kv_bytes_per_sequence
        smooth *= deployment.attention_replicas
        rows.append((context_tokens, books.max_concurrent, smooth))
    return tuple(rows)
