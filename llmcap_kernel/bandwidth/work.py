"""Work of a pass: bytes, FLOP and messages as times at full rate, before any efficiency."""

from dataclasses import replace
from typing import NamedTuple

from .. import law
from ..numeric import Number, maximum, minimum, somewhere, where
from ..refuse import BadInput, number
from ..spec import Deployment, Efficiency, Format, Gpu
from .collectives import ACTIVATION_BYTES, Exchange, exchanges

# Engines that pass all decoding sequences through the pipeline in one batch. llama.cpp overlaps
# stages for chunks of a prompt only (ggml-org/llama.cpp, src/llama-context.cpp, n_ubatch).
UNDIVIDED = ("llama.cpp",)
LAUNCHES = 12  # kernels of a Llama layer where all that can be is fused: `catalog/engines.toml`


def compute_dtype(gpu: Gpu, number_format: Format) -> tuple[str, float]:
    """Find the dtype a card computes a format in, and its rate.

    Parameters
    ----------
    gpu : Gpu
        The card.
    number_format : Format
        The stored format; its `compute` list is tried in order.

    Returns
    -------
    tuple of (str, float)
        Dtype, and its dense rate [FLOP/s].

    Raises
    ------
    BadInput
        When the card supports none of them.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> compute_dtype(catalog.gpu("a100-sxm-80gb"), catalog.format("fp8"))[0]
    'bf16'
    """
    supported = gpu.computes(number_format)
    if supported is not None:
        return supported
    raise BadInput(
        "gpu",
        f"{gpu.title} lists no rate for {number_format.name} or a wider dtype: "
        f"it has {', '.join(gpu.flop_s)}.",
    )


class Work(NamedTuple):
    """Work of a pass on each card, every part as its time at the full rate.

    It does not depend on efficiencies: the same work is timed for the ceiling and
    for the estimate, and the works of many passes, stacked into arrays, are timed
    at once.

    Attributes
    ----------
    dense_math_s, dense_read_s : float or array
        Multiplying with and reading the dense weights [s].
    expert_math_s, expert_read_s : float or array
        Multiplying with and reading the routed experts that tokens are sent to [s].
    kv_math_s, kv_read_s : float or array
        Attention of decoding: its arithmetic, and reading the cache [s].
    prompt_math_s : float or array
        Attention among the tokens of a prompt [s].
    score_read_s : float or array
        Writing and reading the scores of that attention, where it is not fused [s].
    matvec_math_s : float or array
        Multiplying the dense weights with one token in a matrix-vector kernel [s].
    matvec_tokens : float or array
        Tokens after the first that this kernel multiplies [tokens].
    adapter_math_s, adapter_read_s : float or array
        Multiplying with and reading low-rank adapters [s].
    host_read_s : float or array
        Streaming weights from host memory [s].
    exchanges : tuple of Exchange
        Collectives between cards.
    layers, steps, scheduled : float or array
        Layers, steps and sequences, each of which takes a fixed time.
    launched_layers : float or array
        Layers whose kernels the host launches one by one; no graph holds them.
    awaited_layers : float or array
        Layers of prompts whose kernels the host launches one by one, while the cards work.
    routed_layers : float or array
        Layers with experts, weighted by `law.routing_load`.
    unpacked : float or array
        1 where weights are unpacked before they are multiplied, 0 elsewhere.
    without_link : float or array
        1 where the cards have no direct link, 0 where they do.
    draft : Work or None
        One forward pass of a draft model.
    guesses : float
        Number of draft passes before a step.
    weight_bytes, kv_bytes : float or array
        Weights and cache that one card reads in the pass [bytes].
    flops : float or array
        Arithmetic of one card in the pass [FLOP].
    tokens : float or array
        Tokens in the pass [tokens].
    tokens_per_step : float or array
        Tokens a sequence gains per pass, above 1 with speculation [tokens].
    prefill_tokens : float or array
        Prompt tokens computed in the same pass [tokens].
    share : float or array
        Share of its time for which it occupies the cards: below 1 where other
        passes fill the stages of a pipeline meanwhile.
    """

    dense_math_s: Number
    dense_read_s: Number
    expert_math_s: Number = 0.0
    expert_read_s: Number = 0.0
    kv_math_s: Number = 0.0
    kv_read_s: Number = 0.0
    prompt_math_s: Number = 0.0
    score_read_s: Number = 0.0
    matvec_math_s: Number = 0.0
    matvec_tokens: Number = 0.0
    adapter_math_s: Number = 0.0
    adapter_read_s: Number = 0.0
    host_read_s: Number = 0.0
    exchanges: tuple[Exchange, ...] = ()
    layers: Number = 0.0
    launched_layers: Number = 0.0
    awaited_layers: Number = 0.0
    routed_layers: Number = 0.0
    steps: Number = 0.0
    scheduled: Number = 0.0
    unpacked: Number = 0.0
    without_link: Number = 0.0
    draft: "Work | None" = None
    guesses: Number = 0.0
    weight_bytes: Number = 0.0
    kv_bytes: Number = 0.0
    flops: Number = 0.0
    tokens: Number = 0.0
    tokens_per_step: Number = 1.0
    prefill_tokens: Number = 0.0
    share: Number = 1.0

    def latency_s(self, efficiency: Efficiency) -> Number:
        """Compute the fixed cost of one exchange.

        Parameters
        ----------
        efficiency : Efficiency
            Shares and latencies.

        Returns
        -------
        float or array
            Latency, with the additional one where there is no direct link [s].
        """
        return efficiency.all_reduce_s + self.without_link * efficiency.pcie_exchange_s

    def parts(self, efficiency: Efficiency) -> dict[str, Number]:
        """Time every part.

        Parameters
        ----------
        efficiency : Efficiency
            Shares and latencies.

        Returns
        -------
        dict
            Time of each part, by its name in `Step` [s].
        """
        e = efficiency
        math = e.compute * where(self.unpacked > 0, e.weight_only_compute, 1.0)
        rounded, dense_s = e.rounded_share, self._dense_s(e, math)
        expert_s: Number = 0.0
        if somewhere(self.expert_read_s > 0):
            expert_read_s = self.expert_read_s / (e.bandwidth * e.expert_bandwidth)
            expert_math_s = self.expert_math_s / (math * e.expert_compute)
            expert_s = overlapped_s(expert_math_s, expert_read_s, rounded)
        kv_math_s, kv_read_s = self.kv_math_s / e.compute, self.kv_read_s / e.kv_bandwidth
        latency_s = self.latency_s(e)
        parts = {
            "dense_s": dense_s,
            "expert_s": expert_s,
            "attention_s": overlapped_s(kv_math_s, kv_read_s, rounded)
            + self.prompt_math_s / (e.compute * e.attention_compute)
            + self.score_read_s / e.bandwidth,
            "communication_s": sum([x.count * x.each_s(e, latency_s) for x in self.exchanges]),
            "fixed_s": self.layers * e.layer_s
            + self.launched_layers * e.launched_layer_s
            + self.routed_layers * e.moe_layer_s
            + self.steps * e.step_s
            + self.scheduled * e.sequence_s,
            "draft_s": self.guesses * self.draft.total_s(e) if self.draft else 0.0,
            "adapter_s": maximum(
                self.adapter_math_s / e.compute, self.adapter_read_s / e.bandwidth
            ),
            # streaming overlaps with work on the weights that the card holds
            "host_s": maximum(self.host_read_s - dense_s - expert_s, 0.0),
        }
        launches_s = self.awaited_layers * e.prompt_layer_s
        if somewhere(launches_s > 0):
            launches_s = maximum(launches_s - sum(parts.values()), 0.0)
        parts["launch_s"] = launches_s
        return parts

    def _dense_s(self, e: Efficiency, math: Number) -> Number:
        """Time the products with the dense weights, in a matrix-vector or a matrix kernel."""
        read_s = self.dense_read_s / e.bandwidth
        dense_s = overlapped_s(self.dense_math_s / math, read_s, e.rounded_share)
        if not somewhere(self.matvec_tokens > 0):
            return dense_s
        one_s = self.matvec_math_s / math
        first_s = overlapped_s(one_s, read_s, e.rounded_share)
        # a further token takes no longer than running the kernel once more
        further_s = minimum(one_s / e.matvec_compute - one_s, first_s)
        return maximum(dense_s, first_s + self.matvec_tokens * further_s)

    def total_s(self, efficiency: Efficiency) -> Number:
        """Time the pass: all parts, one after another.

        Parameters
        ----------
        efficiency : Efficiency
            Shares and latencies.

        Returns
        -------
        float or array
            Their sum, which is `Step.total_s` [s].
        """
        return sum(self.parts(efficiency).values())


AFTER_EXCHANGES = Work._fields.index("exchanges") + 1


def overlapped_s(math_s: Number, read_s: Number, rounded_share: Number) -> Number:
    """Time computing and reading that overlap.

    Parameters
    ----------
    math_s, read_s : float or array
        Computing and reading [s].
    rounded_share : float or array
        How far the roofline is rounded at its ridge: the time is the longer of the two at 0, and
        the root of the sum of their squares at 1.

    Returns
    -------
    float or array
        Between the longer of the two and 1.41 times as long [s].

    References
    ----------
    Williams, Waterman and Patterson 2009, doi 10.1145/1498765.1498785, whose measured rooflines
    are round at the ridge.

    Examples
    --------
    >>> overlapped_s(3.0, 4.0, 0.0), overlapped_s(3.0, 4.0, 1.0)
    (4.0, 5.0)
    """
    longer_s = maximum(math_s, read_s)
    root_s = (math_s * math_s + read_s * read_s) ** 0.5
    return longer_s + rounded_share * (root_s - longer_s)


def joined(decode: Work, prompts: Work, chunks: Number) -> Work:
    """Compute the work of a step that decodes and also prefills chunks of prompts.

    Both are multiplied with the same weights, which are read once. They share kernel launches,
    host time and the latency of every exchange.

    Parameters
    ----------
    decode, prompts : Work
        A decode step, and the prefill of a prompt.
    chunks : float or array
        Number of chunks in the step, each a mean one of `prompts`.

    Returns
    -------
    Work
        The step, but for the draft model's reading of the prompts.

    References
    ----------
    Agrawal et al. 2024, arXiv 2403.02310, section 4.

    Examples
    --------
    >>> both = joined(Work(2.0, 9.0, steps=1.0), Work(6.0, 18.0, steps=2.0), 1.0)
    >>> both.dense_math_s, both.dense_read_s, both.steps
    (5.0, 9.0, 1.0)
    """
    d, p, scale = decode, prompts, chunks / prompts.steps
    exchange_pairs = zip(d.exchanges, p.exchanges, strict=True)
    # positional: keywords here would add a hundredth to the time of a prediction
    return Work._make((
        d.dense_math_s + scale * p.dense_math_s, d.dense_read_s,
        # each chunk reads the experts that its own tokens are sent to
        d.expert_math_s + scale * p.expert_math_s,
        maximum(d.expert_read_s, scale * p.expert_read_s),
        d.kv_math_s, d.kv_read_s, d.prompt_math_s + scale * p.prompt_math_s,
        d.score_read_s + scale * p.score_read_s, d.matvec_math_s, d.matvec_tokens,
        d.adapter_math_s + scale * p.adapter_math_s,
        maximum(d.adapter_read_s, scale * p.adapter_read_s),
        maximum(d.host_read_s, scale * p.host_read_s),
        tuple([own.with_more(added, chunks) for own, added in exchange_pairs]),
        *d[AFTER_EXCHANGES:],
    ))  # fmt: skip


class Drafts(NamedTuple):
    """What a draft model does beside a pass; the fields are those of `Work`."""

    draft: Work | None = None
    guesses: Number = 0.0
    tokens_per_step: Number = 1.0


NO_DRAFTS = Drafts()


def _pass_work(
    deployment: Deployment,
    tokens: Number,
    *,
    sequences: Number,
    decodes: bool = True,
    serial_passes: Number = 1.0,
    passes: Number = 1.0,
    kv_flops: Number = 0.0,
    kv_bytes: Number = 0.0,
    prompt_flops: Number = 0.0,
    score_read_s: Number = 0.0,
    scheduled: Number = 0.0,
    drafts: Drafts = NO_DRAFTS,
) -> Work:
    """Add up the work of `passes` passes of `tokens`, `serial_passes` of them one after another.

    Attention on the cache and among the tokens of prompts is of all passes, `sequences` and
    `scheduled` are of one. A pass that does not decode has nothing but prompts.
    """
    d, model = deployment, deployment.model
    weights = law.weights_of(d)
    _, rate = compute_dtype(d.gpu, d.weights)
    _, kv_rate = compute_dtype(d.gpu, d.kv)
    bandwidth = d.gpu.bandwidth_bytes_s
    # the head computes only the last token of a prompt
    dense_params = model.dense_matmul_params - (0 if decodes else model.head_params)
    dense_flops = law.matmul_flops(params=dense_params, tokens=tokens) / d.tp
    expert_flops, expert_bytes, routed_layers = _experts(d, tokens)
    weight_bytes = weights.dense_read_bytes + expert_bytes
    adapter_math_s, adapter_read_s = _adapters(d, sequences, tokens)
    matvec_math_s, matvec_tokens = _matvec(d, tokens) if decodes else (0.0, 0.0)
    host = d.offload_share and weight_bytes * d.offload_share / d.gpu.host_bandwidth_bytes_s
    layers = model.layers * serial_passes
    awaited_layers = 0.0 if decodes else layers * d.launches_prompts
    flops = (dense_flops + expert_flops) * passes + (kv_flops + prompt_flops)
    # positional: keywords here would add a twentieth to the time of a prediction
    return Work(
        dense_flops / rate * serial_passes, weights.dense_read_bytes / bandwidth * serial_passes,
        expert_flops / rate * serial_passes, expert_bytes / bandwidth * serial_passes,
        kv_flops / kv_rate, kv_bytes / bandwidth,
        prompt_flops / kv_rate * serial_passes / passes, score_read_s * serial_passes / passes,
        matvec_math_s, matvec_tokens,
        adapter_math_s * serial_passes, adapter_read_s * serial_passes, host * serial_passes,
        exchanges(d, tokens, serial_passes, cached=decodes),
        layers, 0.0, awaited_layers, routed_layers * serial_passes, serial_passes, scheduled,
        d.gpu.unpacks(d.weights), 1.0 - d.gpu.direct_link, drafts.draft, drafts.guesses,
        weight_bytes * passes, kv_bytes, flops, tokens * passes, drafts.tokens_per_step, 0.0,
        passes / serial_passes / d.pp,
    )  # fmt: skip


def _experts(deployment: Deployment, tokens: Number) -> tuple[Number, Number, Number]:
    """Compute FLOP and bytes of the routed experts, and their layers weighted by routing load."""
    d, model = deployment, deployment.model
    if not model.experts:
        return 0.0, 0.0, 0.0
    routing = {"experts": model.experts, "experts_per_token": model.experts_per_token}
    touched = law.experts_touched(**routing, tokens=tokens)
    expert_bytes = law.weights_of(d).expert_read_bytes * touched / model.experts
    flops = law.matmul_flops(params=model.expert_matmul_params, tokens=tokens) / d.tp
    return flops, expert_bytes, model.moe_layers * law.routing_load(**routing)


def _adapters(deployment: Deployment, sequences: Number, tokens: Number) -> tuple[Number, Number]:
    """Time adapters at full rate: each one in the batch is read, and each token uses one."""
    d, lora = deployment, deployment.lora
    if lora is None:
        return 0.0, 0.0
    _, rate = compute_dtype(d.gpu, d.kv)
    params = law.lora_params(d.model, lora.rank) / d.tp
    read_bytes = minimum(lora.adapters, sequences) * params * ACTIVATION_BYTES
    flops = law.matmul_flops(params=params, tokens=tokens)
    return flops / rate, read_bytes / d.gpu.bandwidth_bytes_s


def _drafts(deployment: Deployment, context_tokens: Number, concurrency: Number) -> Drafts:
    """What drafts beside a decode step, and how far a sequence gets by it."""
    d, speculation = deployment, deployment.speculation
    if not speculation:
        return NO_DRAFTS
    gained = tokens_per_step(accept=speculation.accept, tokens=speculation.tokens)
    return Drafts(_draft_work(d, context_tokens, concurrency), speculation.tokens, gained)


def _draft_work(deployment: Deployment, context_tokens: Number, concurrency: Number) -> Work:
    """Compute the work of one pass of the draft model, or of the MTP layers."""
    d, model = deployment, deployment.model
    if d.speculation is not None and d.speculation.draft is not None:
        draft = draft_deployment(d)
        draft_pass = decode_work(draft, context_tokens=context_tokens, concurrency=concurrency)
        return draft_pass if d.eager else _with_host_launches(draft_pass, d.engine.draft_launches)
    params = model.mtp_params + model.head_params if model.mtp_params else 0
    _, rate = compute_dtype(d.gpu, d.weights)
    read_bytes = params * d.weights.bytes_per_element / d.tp
    return Work(
        dense_math_s=law.matmul_flops(params=params, tokens=concurrency) / d.tp / rate,
        dense_read_s=read_bytes / d.gpu.bandwidth_bytes_s,
    )


def _with_host_launches(work: Work, launches: int) -> Work:
    """Move the part of each layer that the host launches to `launched_layers`."""
    launched_layers = work.layers * launches / LAUNCHES
    return work._replace(layers=work.layers - launched_layers, launched_layers=launched_layers)


def draft_deployment(deployment: Deployment) -> Deployment:
    """Deploy the draft model of a deployment on the same cards.

    Parameters
    ----------
    deployment : Deployment
        A deployment whose speculation names a draft model.

    Returns
    -------
    Deployment
        The draft model, split as the target is where its heads allow it, else
        replicated on every card.

    Raises
    ------
    BadInput
        When the deployment has no draft model.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Speculation
    >>> big = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> big = replace(big, speculation=Speculation(4, 0.8, catalog.model("llama-3.1-8b")))
    >>> draft_deployment(big).tp
    2
    """
    draft = deployment.speculation and deployment.speculation.draft
    if not draft:
        raise BadInput("draft", "draft is missing: the deployment names no draft model.")
    splits = draft.heads and draft.heads % deployment.tp == 0
    return replace(
        deployment,
        model=draft,
        tp=deployment.tp if splits else 1,
        pp=1,
        ep=1,
        dp_attention=False,
        speculation=None,
        lora=None,
        offload_share=0.0,
    )


def tokens_per_step(*, accept: Number, tokens: Number) -> Number:
    """Compute the expected tokens of a speculative step.

    Parameters
    ----------
    accept : float or array
        Probability that a drafted token is accepted.
    tokens : float or array
        Tokens drafted per step [tokens].

    Returns
    -------
    float or array
        `(1 - accept^(k+1)) / (1 - accept)`, the target's own token included [tokens].

    References
    ----------
    Leviathan et al. 2022, arXiv 2211.17192, equation 1.

    Examples
    --------
    >>> round(tokens_per_step(accept=0.8, tokens=4), 2)
    3.36
    """
    return (1 - accept ** (tokens + 1)) / (1 - accept)


def decode_work(deployment: Deployment, *, context_tokens: Number, concurrency: Number = 1) -> Work:
    """Compute the work of one decode step on each card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens each sequence holds [tokens].
    concurrency : float or array
        Sequences in flight, as `decode_step` takes them.

    Returns
    -------
    Work
        Every part at the full rate.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8")
    >>> round(decode_work(a, context_tokens=8000).dense_read_s * 1e3)
    21
    """
    _positive("context_tokens", context_tokens)
    _positive("concurrency", concurrency)
    d, model = deployment, deployment.model
    batches = 1 if d.engine.family in UNDIVIDED else d.pp
    sequences = maximum(concurrency / batches, 1.0)
    tokens_verified = 1 + d.speculation.tokens if d.speculation else 1
    # over many steps each attention replica has its share of the requests, and at least one
    card_sequences = maximum(sequences / d.tp, 1.0) if d.dp_attention else sequences
    kv_bytes = card_sequences * law.kv_read_bytes_per_sequence(
        model,
        d.kv,
        context_tokens,
        tp=d.tp,
        dp_attention=d.dp_attention,
        dcp=d.dcp,
        engine=d.engine.family,
    )
    head_shards = 1 if d.dp_attention else d.tp
    attention_flops = law.attention_flops_per_token(model, context_tokens) / head_shards
    tokens = sequences * tokens_verified
    work = _pass_work(
        d,
        tokens,
        sequences=sequences,
        kv_flops=attention_flops * card_sequences * tokens_verified,
        kv_bytes=kv_bytes,
        # each attention replica schedules and samples its own sequences
        scheduled=card_sequences if d.dp_attention else concurrency,
        drafts=_drafts(d, context_tokens, concurrency),
    )
    return _with_host_launches(work, LAUNCHES) if d.eager else work


def prefill_work(
    deployment: Deployment,
    *,
    input_tokens: Number,
    cached_tokens: Number = 0,
    prompts: Number = 1,
    alone: bool = False,
) -> Work:
    """Compute the work of prefilling one prompt, or several at once, on each card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    input_tokens : float or array
        Tokens of the prompt [tokens].
    cached_tokens : float or array
        Leading tokens that a prefix cache already holds [tokens].
    prompts : float or array
        Prompts of that length that share the chunks.
    alone : bool
        Whether it is the only prompt: attention groups that share a chunk then leave their parts
        of it empty.

    Returns
    -------
    Work
        Every part of all chunks at the full rate.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8")
    >>> prefill_work(a, input_tokens=2 * a.batch_limit_tokens).steps
    2.0
    """
    _positive("input_tokens", input_tokens)
    d, model = deployment, deployment.model
    tokens = maximum(input_tokens - cached_tokens, 1.0)
    limit = 1.0 * d.batch_limit_tokens  # two floats are compared without a look for an array
    chunk_limit = maximum(limit / d.sharing_groups, 1.0) if alone else limit
    chunk = minimum(tokens * prompts, chunk_limit)
    chunks = tokens * prompts / chunk  # a partial last chunk counts as a fraction
    # chunks are pipelined: the first fills the stages, then all stages work
    serial_chunks = (chunks + d.pp - 1) / d.pp
    # attention is quadratic in each prompt, not in the batch of them
    prompt_flops = law.prefill_attention_flops(model, tokens, cached_tokens) * prompts / d.tp
    drafts = NO_DRAFTS
    if d.speculation and d.speculation.draft:  # the draft model reads the prompt too
        load = {"input_tokens": input_tokens, "cached_tokens": cached_tokens, "prompts": prompts}
        drafts = Drafts(prefill_work(draft_deployment(d), **load), 1.0)
    return _pass_work(
        d,
        chunk,
        sequences=prompts,
        decodes=False,
        serial_passes=serial_chunks,
        passes=chunks,
        prompt_flops=prompt_flops,
        score_read_s=_score_read_s(d, tokens, cached_tokens) * prompts,
        drafts=drafts,
    )


def _score_read_s(deployment: Deployment, tokens: Number, cached_tokens: Number) -> Number:
    """Time writing and reading a prompt's scores at full bandwidth, where they leave the chip."""
    d = deployment
    if not d.engine.score_bytes:
        return 0.0
    scores = law.prefill_scores(d.model, tokens, cached_tokens) / d.tp
    return scores * d.engine.score_bytes / d.gpu.bandwidth_bytes_s


def _matvec(deployment: Deployment, tokens: Number) -> tuple[Number, Number]:
    """Time one token at full rate where a matrix-vector kernel multiplies, and count the others."""
    d = deployment
    if not law.has_matvec(d.weights):
        return 0.0, 0.0
    _, rate = compute_dtype(d.gpu, d.weights)
    one_s = law.matmul_flops(params=d.model.dense_matmul_params, tokens=1) / d.tp / rate
    return one_s, law.matvec_columns(d.weights, tokens)


def _positive(name: str, value: Number) -> None:
    """Reject a scalar below 1; arrays are not checked."""
    if type(value) is float or not hasattr(value, "__array__"):
        number(name, value, 1, 1e9)


def mixed_work(
    deployment: Deployment,
    *,
    context_tokens: Number,
    concurrency: Number,
    prefill_tokens: Number,
) -> Work:
    """Compute the work of a step that decodes all sequences and prefills a chunk.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens each decoding sequence holds [tokens].
    concurrency : float or array
        Sequences decoding.
    prefill_tokens : float or array
        Prompt tokens waiting [tokens].

    Returns
    -------
    Work
        Every part at full rate.
    """
    d = deployment
    undrafted = replace(d, speculation=None) if d.speculation else d
    decode = decode_work(undrafted, context_tokens=context_tokens, concurrency=concurrency)
    room = maximum(d.batch_limit_tokens - decode.tokens, 1)
    chunk = minimum(prefill_tokens, room)
    work = _pass_work(
        undrafted,
        decode.tokens + chunk,
        sequences=decode.tokens,
        prompt_flops=law.prefill_attention_flops(d.model, chunk) / d.tp,
        score_read_s=_score_read_s(d, chunk, 0),
    )
    _, kv_rate = compute_dtype(d.gpu, d.kv)
    return work._replace(
        kv_math_s=decode.kv_math_s,
        kv_read_s=decode.kv_read_s,
        kv_bytes=decode.kv_bytes,
        matvec_math_s=decode.matvec_math_s,
        matvec_tokens=decode.matvec_tokens,
        scheduled=decode.scheduled,
        flops=work.flops + decode.kv_math_s * kv_rate,
        prefill_tokens=chunk,
    )
