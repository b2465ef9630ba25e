"""A pass timed part by part: the decode step, prefill, and both in one."""

from dataclasses import dataclass

from ..explain import Explained, Line, quantity
from ..numeric import Number
from ..once import cached_property
from ..refuse import BadInput
from ..spec import CEILING, Deployment, Efficiency
from .work import Work, compute_dtype, decode_work, mixed_work, prefill_work


@dataclass(frozen=True)
class Step(Explained):
    """One pass through the model, timed part by part.

    Attributes
    ----------
    work : Work
        Work of the pass on each card.
    efficiency : Efficiency
        Shares and latencies it was timed with.
    deployment : Deployment or None
        Deployment it runs on; None for a stack of passes.
    what : str
        "decode step", "prefill" or "mixed step".
    """

    work: Work
    efficiency: Efficiency
    deployment: Deployment | None = None
    what: str = "decode step"

    @cached_property
    def total_s(self) -> Number:
        """Time of the pass: the sum of its parts [s]."""
        return self.work.total_s(self.efficiency)

    @cached_property
    def parts(self) -> dict[str, Number]:
        """Time of each part, by the name of its property [s]."""
        return self.work.parts(self.efficiency)

    @property
    def dense_s(self) -> Number:
        """Time of the dense weights [s]."""
        return self.parts["dense_s"]

    @property
    def expert_s(self) -> Number:
        """Time of the routed experts [s]."""
        return self.parts["expert_s"]

    @property
    def attention_s(self) -> Number:
        """Time of attention over the cache, and among the tokens of a prompt [s]."""
        return self.parts["attention_s"]

    @property
    def communication_s(self) -> Number:
        """Time of the collectives between cards [s]."""
        return self.parts["communication_s"]

    @property
    def fixed_s(self) -> Number:
        """Time of kernel launches and of the host [s]."""
        return self.parts["fixed_s"]

    @property
    def draft_s(self) -> Number:
        """Time to draft tokens for speculation [s]."""
        return self.parts["draft_s"]

    @property
    def adapter_s(self) -> Number:
        """Time to read and apply low-rank adapters [s]."""
        return self.parts["adapter_s"]

    @property
    def host_s(self) -> Number:
        """Wait for weights from host memory [s]."""
        return self.parts["host_s"]

    @property
    def launch_s(self) -> Number:
        """Wait for the host to launch the kernels of a prompt [s]."""
        return self.parts["launch_s"]

    @property
    def share_s(self) -> Number:
        """Time the pass occupies the cards, while others fill a pipeline's other stages [s]."""
        return self.total_s * self.work.share

    @property
    def itl_s(self) -> Number:
        """Time from one token of a user to the next when nothing else runs [s]."""
        return self.total_s / self.work.tokens_per_step

    @property
    def tok_s_user(self) -> Number:
        """Tokens one user sees in a second when nothing else runs [tok/s]."""
        return self.work.tokens_per_step / self.total_s

    @property
    def weight_bytes(self) -> Number:
        """Weights that one card reads in the pass [bytes]."""
        return self.work.weight_bytes

    @property
    def kv_bytes(self) -> Number:
        """Cache that one card reads in the pass [bytes]."""
        return self.work.kv_bytes

    @property
    def flops(self) -> Number:
        """Arithmetic of one card in the pass [FLOP]."""
        return self.work.flops

    def lines(self) -> tuple[Line, ...]:
        """List reading, computing, collectives and the sum of the parts.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        if self.deployment is None:
            raise BadInput("deployment", "deployment is missing: a stack of passes has no lines.")
        parts = self._named_parts()
        return (
            *self._roofline_lines(self.deployment),
            *self._exchange_lines(),
            Line(
                self.what,
                " + ".join(name for name, _ in parts),
                " + ".join(quantity(s, "s") for _, s in parts),
                quantity(self.total_s, "s"),
            ),
            *self._speculation_lines(self.deployment),
        )

    def _named_parts(self) -> list[tuple[str, float]]:
        """List the parts that take time, named in words."""
        parts = (
            ("dense weights", self.dense_s),
            ("experts", self.expert_s),
            ("attention", self.attention_s),
            ("communication", self.communication_s),
            ("draft", self.draft_s),
            ("adapters", self.adapter_s),
            ("waiting for the host", self.host_s),
            ("waiting for launches", self.launch_s),
            ("fixed", self.fixed_s),
        )
        return [(name, part_s) for name, part_s in parts if part_s]

    def _roofline_lines(self, deployment: Deployment) -> tuple[Line, ...]:
        """Derive the reading and computing of one card at its peak rates."""
        e, bandwidth = self.efficiency, deployment.gpu.bandwidth_bytes_s
        dtype, rate = compute_dtype(deployment.gpu, deployment.weights)
        read = f"weights {quantity(self.weight_bytes, 'bytes')}"
        if self.kv_bytes:
            read += f" + KV {quantity(self.kv_bytes, 'bytes')}"
        efficiency_text = "" if e == CEILING else f" x {e.bandwidth:.2f} and {e.kv_bandwidth:.2f}"
        read_bytes = self.weight_bytes + self.kv_bytes
        return (
            Line(
                "read",
                "(weight_bytes + kv_bytes) / bandwidth",
                f"({read}) / {quantity(bandwidth, 'bytes/s')}{efficiency_text} a card",
                quantity(read_bytes / bandwidth, "s")
                + (" at full bandwidth" if efficiency_text else ""),
            ),
            Line(
                "compute",
                "flops / flop_s",
                f"{quantity(self.flops, 'FLOP')} / {quantity(rate, 'FLOP/s')} ({dtype}) a card",
                quantity(self.flops / rate, "s"),
            ),
        )

    def _exchange_lines(self) -> list[Line]:
        latency_s = self.work.latency_s(self.efficiency)
        lines = []
        for exchange in self.work.exchanges:
            each_s = exchange.each_s(self.efficiency, latency_s)
            message = quantity(exchange.message_bytes, "bytes")
            numbers = f"{exchange.count:,g} of {message}, {quantity(each_s, 's')} each"
            value = quantity(exchange.count * each_s, "s")
            lines.append(Line(exchange.kind, "count x time of one", numbers, value))
        return lines

    def _speculation_lines(self, deployment: Deployment) -> tuple[Line, ...]:
        speculation = deployment.speculation
        if speculation is None or self.what != "decode step":
            return ()
        k, accept = speculation.tokens, speculation.accept
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


def decode_step(
    deployment: Deployment,
    *,
    context_tokens: Number,
    concurrency: Number = 1,
    efficiency: Efficiency = CEILING,
) -> Step:
    """Time one decode step, in which every sequence gets one token.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : float or array
        Tokens each sequence holds [tokens].
    concurrency : float or array
        Sequences in flight; a pipeline divides them into `pp` micro-batches that
        fill its stages, so one pass has `concurrency / pp`.
    efficiency : Efficiency
        Shares and latencies; the ceiling if omitted.

    Returns
    -------
    Step
        The step with the time of every part.

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
    return Step(work, efficiency, deployment)


def prefill(
    deployment: Deployment,
    *,
    input_tokens: Number,
    cached_tokens: Number = 0,
    efficiency: Efficiency = CEILING,
) -> Step:
    """Time the prefill of one prompt on an idle deployment.

    The prompt is computed in chunks of the engine's `max_num_batched_tokens`; each
    chunk reads the weights once, so long prompts are bound by compute.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    input_tokens : float or array
        Tokens of the prompt [tokens].
    cached_tokens : float or array
        Leading tokens that a prefix cache already holds [tokens].
    efficiency : Efficiency
        Shares and latencies; the ceiling if omitted.

    Returns
    -------
    Step
        All chunks together, with the time of every part.

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
    return Step(work, efficiency, deployment, "prefill")


def mixed_step(
    deployment: Deployment,
    *,
    context_tokens: Number,
    concurrency: Number,
    prefill_tokens: Number,
    efficiency: Efficiency = CEILING,
) -> Step:
    """Time a step that decodes all sequences and prefills a chunk of one prompt.

    With chunked prefill a prompt shares steps with the sequences being decoded: the
    weights are read once for both, and all sequences wait for the chunk. The chunk
    is what the engine's `max_num_batched_tokens` leaves beside the decoded tokens.

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
        Shares and latencies; the ceiling if omitted.

    Returns
    -------
    Step
        The step with the time of every part, for a chunk that starts its prompt.

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
    work = mixed_work(
        deployment,
        context_tokens=context_tokens,
        concurrency=concurrency,
        prefill_tokens=prefill_tokens,
    )
    return Step(work, efficiency, deployment, "mixed step")
