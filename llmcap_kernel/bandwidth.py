"""Stage 2, bandwidth: the decode step, prefill and communication.

A step is a sum of parts that run one after another, layer by layer: the dense
weights, the routed experts, attention over the cache, the collectives between
cards, and fixed costs. Each part takes the longer of its reading and its
computing. With `CEILING` the spec sheet is reached; with fitted efficiencies
the same law is an estimate.
"""

from dataclasses import dataclass, replace

from . import law
from .explain import Explained, Line, quantity
from .numeric import maximum, minimum, where
from .spec import CEILING, BadInput, Deployment, Efficiency, number

ACTIVATION_BYTES = 2  # collectives carry 16-bit activations


def all_reduce_s(*, message_bytes, cards, link_bandwidth_bytes_s, latency_s=0.0):
    """Time one all-reduce, by the better of two ways for its size.

    Small messages go in one shot: each card reads everyone else's copy, one
    latency and `n-1` messages. Large ones are scattered and gathered: two
    latencies, but only `2 (n-1)/n` messages.

    Parameters
    ----------
    message_bytes : float or array
        What each card holds and all shall sum [bytes].
    cards : float or array
        Cards that take part.
    link_bandwidth_bytes_s : float or array
        One way, per card [bytes/s].
    latency_s : float or array
        Fixed cost of one exchange [s].

    Returns
    -------
    float or array
        The shorter time; 0 for a single card [s].

    References
    ----------
    Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002, for the large
    message; the one-shot and two-shot kernels of TensorRT-LLM and vLLM.

    Examples
    --------
    >>> all_reduce_s(message_bytes=9e8, cards=8, link_bandwidth_bytes_s=450e9)
    0.0035
    """
    one_way = message_bytes / link_bandwidth_bytes_s
    one_shot = (cards - 1) * one_way + latency_s
    two_shot = 2 * (cards - 1) / cards * one_way + 2 * latency_s
    return where(cards > 1, minimum(one_shot, two_shot), 0.0)


def all_to_all_s(*, message_bytes, cards, link_bandwidth_bytes_s, latency_s=0.0):
    """Time one all-to-all, as expert parallelism sends tokens to experts.

    Parameters
    ----------
    message_bytes : float or array
        What each card sends in all, its own share included [bytes].
    cards : float or array
        Cards that take part.
    link_bandwidth_bytes_s : float or array
        One way, per card [bytes/s].
    latency_s : float or array
        Fixed cost of the collective [s].

    Returns
    -------
    float or array
        `(n-1)/n message / bandwidth + latency`; 0 for a single card [s].

    References
    ----------
    Rajbhandari et al. 2022, arXiv 2201.05596, section 5.

    Examples
    --------
    >>> all_to_all_s(message_bytes=9e8, cards=2, link_bandwidth_bytes_s=450e9)
    0.001
    """
    moved = (cards - 1) / cards * message_bytes
    return where(cards > 1, moved / link_bandwidth_bytes_s + latency_s, 0.0)


def compute_dtype(gpu, number_format):
    """Find the dtype a card computes a format in, and how fast.

    Parameters
    ----------
    gpu : Gpu
        The card.
    number_format : Format
        The stored format; its `compute` list is tried in order.

    Returns
    -------
    tuple of (str, float)
        The dtype and its dense rate [FLOP/s].

    Raises
    ------
    BadInput
        When the card has none of them.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> compute_dtype(catalog.gpu("a100-sxm-80gb"), catalog.format("fp8"))[0]
    'bf16'
    """
    for dtype in (*number_format.compute, "bf16", "fp16", "fp32"):
        rate = gpu.flop_s.get(dtype)
        if rate:
            return dtype, rate
    raise BadInput(
        "gpu",
        f"{gpu.title} lists no rate for {number_format.name} or a wider dtype: "
        f"it has {', '.join(gpu.flop_s)}.",
    )


def link_bandwidth_bytes_s(deployment):
    """Say how fast the deployment's cards talk, one way.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        The link inside a node, or the network once `tp` leaves it [bytes/s].
    """
    gpu = deployment.gpu
    if deployment.tp > gpu.max_per_node:
        return min(gpu.link_bandwidth_bytes_s, gpu.node_link_bandwidth_bytes_s)
    return gpu.link_bandwidth_bytes_s


@dataclass(frozen=True)
class Exchange:
    """One kind of collective in a pass.

    Attributes
    ----------
    kind : str
        "all-reduce", "all-to-all" or "stage hand-on".
    count : float or array
        How many the pass runs.
    message_bytes : float or array
        What each card sends in one [bytes].
    wire_s : float or array
        One collective's message at the link's full rate [s].
    cards : float or array
        Cards that take part.
    """

    kind: str
    count: float = 0.0
    message_bytes: float = 0.0
    wire_s: float = 0.0
    cards: float = 1.0

    def each_s(self, efficiency, latency_s):
        """Time one of them [s]."""
        how = {
            "message_bytes": self.wire_s,
            "link_bandwidth_bytes_s": efficiency.link_bandwidth,
            "latency_s": latency_s,
        }
        if self.kind == "all-reduce":
            return all_reduce_s(cards=self.cards, **how)
        if self.kind == "all-to-all":
            return all_to_all_s(cards=self.cards, **how)
        return self.wire_s / efficiency.link_bandwidth + latency_s


ALONE = tuple(Exchange(kind) for kind in ("all-reduce", "all-to-all", "stage hand-on"))


def exchanges(deployment, tokens, times=1.0):
    """List the collectives of one pass over all layers.

    Tensor parallelism sums activations twice a layer: after attention and
    after the MLP, whether the experts of a layer are split or spread.
    Data-parallel attention needs only the second, as a gather and a scatter;
    where experts are spread too, tokens are sent to them and back instead.
    Pipeline stages hand activations on.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    tokens : float or array
        Tokens in the pass [tokens].
    times : float or array
        How often the pass runs.

    Returns
    -------
    tuple of Exchange
        All-reduce, all-to-all and hand-on; what does not happen counts 0.

    References
    ----------
    Shoeybi et al. 2019, arXiv 1909.08053, section 3.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> [(e.kind, e.count) for e in exchanges(two, 16) if e.count]
    [('all-reduce', 160.0)]
    """
    d, model = deployment, deployment.model
    message = tokens * model.hidden_size * ACTIVATION_BYTES
    # with tensor-parallel attention every card has all tokens: its experts' share is summed
    spread = model.moe_layers if d.ep > 1 and d.dp_attention else 0
    reduces = ((1 if d.dp_attention else 2) * model.layers - spread) if d.tp > 1 else 0
    link = link_bandwidth_bytes_s(d)
    across = d.gpu.link_bandwidth_bytes_s
    if d.num_gpus > d.gpu.max_per_node:
        across = min(across, d.gpu.node_link_bandwidth_bytes_s)
    sent = message / d.ep * model.experts_per_token
    passed = message / d.tp
    return (
        _exchange("all-reduce", reduces, times, message, link, d.tp),
        _exchange("all-to-all", 2 * spread, times, sent, link, d.ep),
        _exchange("stage hand-on", d.pp - 1, times, passed, across, 2),
    )


def _exchange(kind, count, times, message_bytes, link_bandwidth_bytes_s, cards):
    if not count:  # a lone card may list no link
        return Exchange(kind)
    wire_s = message_bytes / link_bandwidth_bytes_s
    return Exchange(kind, count * times, message_bytes, wire_s, cards)


@dataclass(frozen=True)
class Work:
    """What a pass asks of each card, every part as its time at the full rate.

    No efficiency is in it: the same work is timed for the ceiling and for the
    estimate, and the works of many passes, stacked into arrays, are timed at
    once.

    Attributes
    ----------
    dense_math_s, dense_read_s : float or array
        Multiplying with and reading the dense weights [s].
    expert_math_s, expert_read_s : float or array
        Multiplying with and reading the routed experts that are touched [s].
    kv_math_s, kv_read_s : float or array
        Attention of decoding: its arithmetic, and reading the cache [s].
    prompt_math_s : float or array
        Attention of a prompt's tokens to each other [s].
    adapter_math_s, adapter_read_s : float or array
        Multiplying with and reading low-rank adapters [s].
    host_read_s : float or array
        Bringing weights kept in the host's memory [s].
    exchanges : tuple of Exchange
        Collectives between cards.
    layers, steps, scheduled : float or array
        How often the fixed time of each is spent.
    routed_layers : float or array
        The same for layers with experts, each weighed by its routing.
    unpacked : float or array
        1 where weights are unpacked before they are multiplied.
    without_link : float or array
        1 where the cards have no link of their own.
    draft : Work or None
        One guess of a draft model.
    guesses : float
        How many of them precede a step.
    weight_bytes, kv_bytes : float or array
        What one card reads in the pass [bytes].
    flops : float or array
        What one card computes in the pass [FLOP].
    tokens : float or array
        Tokens in the pass [tokens].
    tokens_per_step : float or array
        Tokens a sequence gains by it, above 1 with speculation [tokens].
    prefill_tokens : float or array
        Prompt tokens that ride along [tokens].
    share : float or array
        Part of its time for which it keeps the cards from others: below 1
        where the stages of a pipeline stay full.
    """

    dense_math_s: float
    dense_read_s: float
    expert_math_s: float = 0.0
    expert_read_s: float = 0.0
    kv_math_s: float = 0.0
    kv_read_s: float = 0.0
    prompt_math_s: float = 0.0
    adapter_math_s: float = 0.0
    adapter_read_s: float = 0.0
    host_read_s: float = 0.0
    exchanges: tuple = ()
    layers: float = 0.0
    routed_layers: float = 0.0
    steps: float = 0.0
    scheduled: float = 0.0
    unpacked: float = 0.0
    without_link: float = 0.0
    draft: "Work | None" = None
    guesses: float = 0.0
    weight_bytes: float = 0.0
    kv_bytes: float = 0.0
    flops: float = 0.0
    tokens: float = 0.0
    tokens_per_step: float = 1.0
    prefill_tokens: float = 0.0
    share: float = 1.0

    def latency_s(self, efficiency):
        """Fixed cost of one exchange [s]."""
        return efficiency.all_reduce_s + self.without_link * efficiency.pcie_exchange_s

    def parts(self, efficiency):
        """Time every part.

        Parameters
        ----------
        efficiency : Efficiency
            Shares and latencies in force.

        Returns
        -------
        dict
            The parts of a `Step` by name [s].
        """
        e = efficiency
        math = e.compute * where(self.unpacked > 0, e.weight_only_compute, 1.0)
        dense_s = maximum(self.dense_math_s / math, self.dense_read_s / e.bandwidth)
        expert_read_s = self.expert_read_s / (e.bandwidth * e.expert_bandwidth)
        expert_s = maximum(self.expert_math_s / (math * e.expert_compute), expert_read_s)
        latency_s = self.latency_s(e)
        return {
            "dense_s": dense_s,
            "expert_s": expert_s,
            "attention_s": maximum(self.kv_math_s / e.compute, self.kv_read_s / e.kv_bandwidth)
            + self.prompt_math_s / (e.compute * e.attention_compute),
            "communication_s": sum(x.count * x.each_s(e, latency_s) for x in self.exchanges),
            "fixed_s": self.layers * e.layer_s
            + self.routed_layers * e.moe_layer_s
            + self.steps * e.step_s
            + self.scheduled * e.sequence_s,
            "draft_s": self.guesses * sum(self.draft.parts(e).values()) if self.draft else 0.0,
            "adapter_s": maximum(
                self.adapter_math_s / e.compute, self.adapter_read_s / e.bandwidth
            ),
            # the stream of weights hides behind the work on those that are here
            "host_s": maximum(self.host_read_s - dense_s - expert_s, 0.0),
        }


@dataclass(frozen=True)
class Step(Explained):
    """One pass through the model, timed part by part.

    Attributes
    ----------
    work : Work
        What the pass asks of each card [s].
    efficiency : Efficiency
        What it was timed with.
    deployment : Deployment
        What it runs on; None of a stack of passes.
    what : str
        "decode step", "prefill" or "mixed step".
    dense_s, expert_s, attention_s : float or array
        Dense weights, routed experts, and attention over the cache [s].
    communication_s : float or array
        Collectives between cards [s].
    fixed_s : float or array
        Launches and host time [s].
    draft_s : float or array
        Guessing tokens ahead [s].
    adapter_s : float or array
        Reading and applying low-rank adapters [s].
    host_s : float or array
        Waiting for weights kept in the host's memory [s].
    """

    work: Work
    efficiency: Efficiency
    deployment: Deployment
    what: str
    dense_s: float
    expert_s: float
    attention_s: float
    communication_s: float
    fixed_s: float
    draft_s: float
    adapter_s: float
    host_s: float

    @classmethod
    def of(cls, work, efficiency, deployment=None, what="decode step"):
        """Time a work [s]."""
        return cls(work, efficiency, deployment, what, **work.parts(efficiency))

    @property
    def total_s(self):
        """All parts, one after another [s]."""
        parts = self.dense_s + self.expert_s + self.attention_s + self.communication_s
        return parts + self.fixed_s + self.draft_s + self.adapter_s + self.host_s

    @property
    def share_s(self):
        """Time the pass keeps the cards from others when a pipeline's stages stay full [s]."""
        return self.total_s * self.work.share

    @property
    def itl_s(self):
        """Time from one token of a user to the next when nothing else runs [s]."""
        return self.total_s / self.work.tokens_per_step

    @property
    def tok_s_user(self):
        """Tokens one user sees in a second when nothing else runs [tok/s]."""
        return self.work.tokens_per_step / self.total_s

    @property
    def weight_bytes(self):
        """Weights that one card reads in the pass [bytes]."""
        return self.work.weight_bytes

    @property
    def kv_bytes(self):
        """Cache that one card reads in the pass [bytes]."""
        return self.work.kv_bytes

    @property
    def flops(self):
        """What one card computes in the pass [FLOP]."""
        return self.work.flops

    def lines(self):
        gpu, eff = self.deployment.gpu, self.efficiency
        dtype, rate = compute_dtype(gpu, self.deployment.weights)
        bandwidth = gpu.bandwidth_bytes_s
        parts = [("dense weights", self.dense_s), ("experts", self.expert_s)]
        parts += [("attention", self.attention_s), ("communication", self.communication_s)]
        parts += [("draft", self.draft_s), ("adapters", self.adapter_s)]
        parts += [("waiting for the host", self.host_s), ("fixed", self.fixed_s)]
        parts = [(n, s) for n, s in parts if s]
        read = f"weights {quantity(self.weight_bytes, 'bytes')}"
        if self.kv_bytes:
            read += f" + KV {quantity(self.kv_bytes, 'bytes')}"
        share = "" if eff == CEILING else f" x {eff.bandwidth:.2f} and {eff.kv_bandwidth:.2f}"
        both = self.weight_bytes + self.kv_bytes
        latency_s = self.work.latency_s(eff)
        sent = [(x, x.each_s(eff, latency_s)) for x in self.work.exchanges if x.count]
        return (
            Line(
                "read",
                "(weight_bytes + kv_bytes) / bandwidth",
                f"({read}) / {quantity(bandwidth, 'bytes/s')}{share} a card",
                quantity(both / bandwidth, "s") + (" at full bandwidth" if share else ""),
            ),
            Line(
                "compute",
                "flops / flop_s",
                f"{quantity(self.flops, 'FLOP')} / {quantity(rate, 'FLOP/s')} ({dtype}) a card",
                quantity(self.flops / rate, "s"),
            ),
            *(
                Line(
                    x.kind,
                    "count x time of one",
                    f"{x.count:,g} of {quantity(x.message_bytes, 'bytes')}, "
                    f"{quantity(each_s, 's')} each",
                    quantity(x.count * each_s, "s"),
                )
                for x, each_s in sent
            ),
            Line(
                self.what,
                " + ".join(name for name, _ in parts),
                " + ".join(quantity(s, "s") for _, s in parts),
                quantity(self.total_s, "s"),
            ),
            *self._speculation_lines(),
        )

    def _speculation_lines(self):
        guess = self.deployment.speculation
        if guess is None or self.what != "decode step":
            return ()
        k, accept = guess.tokens, guess.accept
        return (
            Line(
                "tokens_per_step",
                "(1 - accept^(k+1)) / (1 - accept)",
                f"(1 - {accept:g}^{k + 1}) / (1 - {accept:g})",
                f"{self.work.tokens_per_step:.2f}",
                "arXiv 2211.17192",
            ),
            Line(
                "itl",
                "decode step / tokens_per_step",
                f"{quantity(self.total_s, 's')} / {self.work.tokens_per_step:.2f}",
                quantity(self.itl_s, "s"),
            ),
        )


def _pass_work(
    deployment,
    tokens,
    *,
    sequences,
    head=True,
    times=1.0,
    passes=1.0,
    attention_flops=0.0,
    **attention,
):
    """Put a pass of `tokens` together: `passes` of them, of which `times` follow one another."""
    d, model = deployment, deployment.model
    weights = law.weights_of(d)
    dtype, rate = compute_dtype(d.gpu, d.weights)
    bandwidth = d.gpu.bandwidth_bytes_s
    dense_params = model.dense_matmul_params - (0 if head else model.head_params)
    dense_flops = law.matmul_flops(params=dense_params, tokens=tokens) / d.tp
    touched = expert_flops = routed_layers = 0.0
    if model.experts:
        routing = {"experts": model.experts, "experts_per_token": model.experts_per_token}
        touched = law.experts_touched(**routing, tokens=tokens)
        routed_layers = model.moe_layers * law.routing_load(**routing)
        expert_flops = law.matmul_flops(params=model.expert_matmul_params, tokens=tokens) / d.tp
    expert_bytes = weights.expert_read_bytes * touched / (model.experts or 1)
    weight_bytes = weights.dense_read_bytes + expert_bytes
    adapter_flops, adapter_bytes = _adapters(d, sequences, tokens)
    _, kv_rate = compute_dtype(d.gpu, d.kv)
    host = d.offload_share and weight_bytes * d.offload_share / d.gpu.host_bandwidth_bytes_s
    return Work(
        dense_math_s=dense_flops / rate * times,
        dense_read_s=weights.dense_read_bytes / bandwidth * times,
        expert_math_s=expert_flops / rate * times,
        expert_read_s=expert_bytes / bandwidth * times,
        adapter_math_s=adapter_flops / kv_rate * times,
        adapter_read_s=adapter_bytes / bandwidth * times,
        host_read_s=host * times,
        exchanges=exchanges(d, tokens, times) if d.num_gpus > 1 else ALONE,
        layers=model.layers * times,
        routed_layers=routed_layers * times,
        steps=times,
        unpacked=d.weights.element_bits <= 8 and dtype in ("bf16", "fp16", "fp16-acc16", "fp32"),
        without_link=d.gpu.link.startswith("pcie"),
        share=passes / times / d.pp,
        weight_bytes=weight_bytes * passes,
        flops=(dense_flops + expert_flops) * passes + attention_flops,
        tokens=tokens * passes,
        **attention,
    )


def _adapters(deployment, sequences, tokens):
    """FLOP and bytes of the adapters: each in the batch is read, each token takes its own."""
    d, lora = deployment, deployment.lora
    if lora is None:
        return 0.0, 0.0
    params = law.lora_params(d.model, lora.rank) / d.tp
    read = minimum(lora.adapters, sequences) * params * ACTIVATION_BYTES
    return law.matmul_flops(params=params, tokens=tokens), read


def _guess_work(deployment, context_tokens, concurrency):
    """One guess of the draft model, or of the model's own layers for it."""
    d, model = deployment, deployment.model
    if d.speculation.draft is not None:
        draft = draft_deployment(d)
        return decode_work(draft, context_tokens=context_tokens, concurrency=concurrency)
    params = model.mtp_params + model.head_params if model.mtp_params else 0
    _, rate = compute_dtype(d.gpu, d.weights)
    read_bytes = params * d.weights.bytes_per_element / d.tp
    return Work(
        dense_math_s=law.matmul_flops(params=params, tokens=concurrency) / d.tp / rate,
        dense_read_s=read_bytes / d.gpu.bandwidth_bytes_s,
    )


def draft_deployment(deployment):
    """Put the draft model of a speculating deployment on the same cards.

    Parameters
    ----------
    deployment : Deployment
        A deployment whose speculation names a draft model.

    Returns
    -------
    Deployment
        The draft, split as the target is where its heads allow it, else whole
        on every card.

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
    draft = deployment.speculation.draft
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


def tokens_per_step(*, accept, tokens):
    """Expect how many tokens a speculative step yields.

    Parameters
    ----------
    accept : float or array
        Probability that a guess is accepted.
    tokens : float or array
        Tokens guessed ahead [tokens].

    Returns
    -------
    float or array
        `(1 - accept^(k+1)) / (1 - accept)`, the checked token included [tokens].

    References
    ----------
    Leviathan et al. 2022, arXiv 2211.17192, equation 1.

    Examples
    --------
    >>> round(tokens_per_step(accept=0.8, tokens=4), 2)
    3.36
    """
    return (1 - accept ** (tokens + 1)) / (1 - accept)


def decode_step(deployment, *, context_tokens, concurrency=1, efficiency=CEILING):
    """Time one decode step: every sequence gets one token.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens each sequence holds [tokens].
    concurrency : float or array
        Sequences in flight; a pipeline cuts them into `pp` micro-batches that
        fill its stages, so one pass carries `concurrency / pp`.
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out.

    Returns
    -------
    Step
        The step's parts [s].

    References
    ----------
    Pope et al. 2022, arXiv 2211.05102, section 2; Agrawal et al. 2024, arXiv
    2403.02310, for what shares the step.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> print(f"{decode_step(b, context_tokens=8000, concurrency=16).total_s * 1e3:.1f} ms")
    13.8 ms
    """
    work = decode_work(deployment, context_tokens=context_tokens, concurrency=concurrency)
    return Step.of(work, efficiency, deployment)


def decode_work(deployment, *, context_tokens, concurrency=1):
    """Count what one decode step asks of each card.

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
        Every part at the full rate [s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8")
    >>> round(decode_work(a, context_tokens=8000).dense_read_s * 1e3)
    21
    """
    _positive(context_tokens=context_tokens, concurrency=concurrency)
    d, model = deployment, deployment.model
    sequences = maximum(concurrency / d.pp, 1.0)
    guess = d.speculation
    checked = 1 + guess.tokens if guess else 1
    # requests come and go, so over many steps a replica has its share of them, and one at least
    on_card = maximum(sequences / d.tp, 1.0) if d.dp_attention else sequences
    kv_bytes = on_card * law.kv_read_bytes_per_sequence(
        model, d.kv, context_tokens, tp=d.tp, dp_attention=d.dp_attention
    )
    spread = 1 if d.dp_attention else d.tp
    attention_flops = law.attention_flops_per_token(model, context_tokens) / spread
    attention_flops = attention_flops * on_card * checked
    _, rate = compute_dtype(d.gpu, d.kv)
    return _pass_work(
        d,
        sequences * checked,
        sequences=sequences,
        attention_flops=attention_flops,
        kv_math_s=attention_flops / rate,
        kv_read_s=kv_bytes / d.gpu.bandwidth_bytes_s,
        kv_bytes=kv_bytes,
        # replicas of attention schedule and sample each their own
        scheduled=on_card if d.dp_attention else concurrency,
        draft=_guess_work(d, context_tokens, concurrency) if guess else None,
        guesses=guess.tokens if guess else 0.0,
        tokens_per_step=tokens_per_step(accept=guess.accept, tokens=guess.tokens) if guess else 1.0,
    )


def prefill(deployment, *, input_tokens, cached_tokens=0, efficiency=CEILING):
    """Time the prefill of one prompt on an idle deployment.

    The prompt is computed in chunks of the engine's `max_batched_tokens`; each
    chunk reads the weights once, so long prompts are bound by compute.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    input_tokens : float or array
        Tokens of the prompt [tokens].
    cached_tokens : float or array
        Leading tokens a prefix cache holds already [tokens].
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out.

    Returns
    -------
    Step
        The parts of all chunks together [s].

    References
    ----------
    Agrawal et al. 2024, arXiv 2403.02310, for chunks.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8")
    >>> print(f"{prefill(a, input_tokens=6000).total_s:.2f} s")
    0.46 s
    """
    work = prefill_work(deployment, input_tokens=input_tokens, cached_tokens=cached_tokens)
    return Step.of(work, efficiency, deployment, "prefill")


def prefill_work(deployment, *, input_tokens, cached_tokens=0, prompts=1):
    """Count what the prefill of one prompt, or of several at once, asks of each card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    input_tokens : float or array
        Tokens of the prompt [tokens].
    cached_tokens : float or array
        Leading tokens a prefix cache holds already [tokens].
    prompts : float or array
        Prompts of that length that share the chunks.

    Returns
    -------
    Work
        Every part of all chunks at the full rate [s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> a = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", weights="fp8")
    >>> prefill_work(a, input_tokens=2 * a.engine.max_batched_tokens).steps
    2.0
    """
    _positive(input_tokens=input_tokens)
    d, model = deployment, deployment.model
    tokens = maximum(input_tokens - cached_tokens, 1)
    chunk = minimum(tokens * prompts, d.engine.max_batched_tokens)
    chunks = tokens * prompts / chunk  # the last one is a part of a chunk
    # chunks follow each other through the stages: the first fills them, then all work
    turns = (chunks + d.pp - 1) / d.pp
    # attention is quadratic in each prompt, not in the batch of them
    attention_flops = law.prefill_attention_flops(model, tokens, cached_tokens) * prompts / d.tp
    _, rate = compute_dtype(d.gpu, d.kv)
    guess = d.speculation
    draft = guess and guess.draft and draft_deployment(d)
    return _pass_work(
        d,
        chunk,
        sequences=prompts,
        head=False,  # it works on the last token of a prompt only, the layers on all
        times=turns,
        passes=chunks,
        attention_flops=attention_flops,
        prompt_math_s=attention_flops / rate * turns / chunks,
        # the draft model reads the prompt too
        draft=prefill_work(
            draft, input_tokens=input_tokens, cached_tokens=cached_tokens, prompts=prompts
        )
        if draft
        else None,
        guesses=1.0 if draft else 0.0,
    )


def _positive(**fields):
    """Refuse scalars that are no count; arrays are the caller's to check."""
    for name, value in fields.items():
        if not hasattr(value, "__array__"):
            number(name, value, 1, 1e9)


def mixed_step(deployment, *, context_tokens, concurrency, prefill_tokens, efficiency=CEILING):
    """Time a step that decodes for everyone and prefills a chunk of one prompt.

    Chunked prefill lets a prompt share steps with the users already decoding:
    they read the weights together, and everyone waits for the chunk's work.
    The chunk is what the engine's `max_batched_tokens` leaves beside the users.

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
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out.

    Returns
    -------
    Step
        The step's parts, for prompt tokens that start their sequence [s].

    References
    ----------
    Agrawal et al. 2024, arXiv 2403.02310, section 4.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> both = mixed_step(b, context_tokens=8000, concurrency=16, prefill_tokens=7000)
    >>> alone = decode_step(b, context_tokens=8000, concurrency=16)
    >>> both.total_s > 10 * alone.total_s
    True
    """
    d = deployment
    plain = replace(d, speculation=None) if d.speculation else d
    base = decode_work(plain, context_tokens=context_tokens, concurrency=concurrency)
    room = maximum(d.engine.max_batched_tokens - base.tokens, 1)
    chunk = minimum(prefill_tokens, room)
    chunk_flops = law.prefill_attention_flops(d.model, chunk) / d.tp
    _, rate = compute_dtype(d.gpu, d.kv)
    work = _pass_work(
        plain,
        base.tokens + chunk,
        sequences=base.tokens,
        attention_flops=chunk_flops,
        kv_math_s=base.kv_math_s,
        kv_read_s=base.kv_read_s,
        kv_bytes=base.kv_bytes,
        prompt_math_s=chunk_flops / rate,
        scheduled=base.scheduled,
        prefill_tokens=chunk,
    )
    return Step.of(work, efficiency, deployment, "mixed step")
