"""How long an engine's steps take: the law of `serve`, tabulated for fast look-up.

A step decodes some sequences and computes pieces of prompts. Either alone takes as long as in
`serve`. Together they read the weights once, and decoding waits for all that the prompts add: the
`prefill_share` of `serve` is that of a benchmark, in which the first prompts delay nobody. Each
prompt takes its own passes, as in `serve`, and a piece of a prompt takes its share of them. Where
prompts have steps of their own, the prompts of one step share its pass.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from .. import bandwidth, capacity, law
from ..refuse import BadInput
from ..spec import Deployment, Efficiency
from .arrivals import Request

Piece = tuple[int, int, int, int]  # of a prompt: start, stop, first, last, as `Times` has them
NEAR = 16  # every number of sequences up to this is tabulated
PER_DOUBLING = 8  # numbers of sequences tabulated per doubling above


class Times(Protocol):
    """The times that the simulation loop needs."""

    def decode_s(self, sequences: int, context_tokens: float) -> float:
        """Time of a step that decodes.

        Parameters
        ----------
        sequences : int
            Sequences decoded.
        context_tokens : float
            Tokens that all of them hold together [tokens].

        Returns
        -------
        float
            One token each [s].
        """

    def prompt_s(self, start: int, stop: int, first: int, last: int) -> float:
        """Time of a piece of a prompt.

        Parameters
        ----------
        start, stop : int
            Tokens of the piece.
        first, last : int
            Tokens of the prompt that are computed at all: not those found in a cache.

        Returns
        -------
        float
            What the piece adds to a step with nothing else [s].
        """

    def pass_s(self, pieces: Sequence[Piece]) -> float:
        """Time of a step that computes pieces of prompts and decodes nothing.

        Parameters
        ----------
        pieces : sequence of tuple
            Start, stop, first and last of each, as `prompt_s` takes them.

        Returns
        -------
        float
            The step [s].
        """

    def together_s(self, decode_s: float, prompts_s: float, sequences: int, tokens: int) -> float:
        """Time of a step with both.

        Parameters
        ----------
        decode_s, prompts_s : float
            Times of either alone; 0 for none [s].
        sequences, tokens : int
            Sequences decoded, and tokens of prompts [tokens].

        Returns
        -------
        float
            The step [s].
        """

    def request_s(self, input_tokens: int) -> float:
        """Time of a request outside the cards.

        Parameters
        ----------
        input_tokens : int
            Its prompt [tokens].

        Returns
        -------
        float
            From the client to the queue, and back [s].
        """


class Curve:
    """A function of one number, tabulated lazily.

    Parameters
    ----------
    function : callable
        Of a number above 0.
    per_doubling : int
        Knots between a number and its double; the function is linear between them.

    Examples
    --------
    >>> Curve(lambda x: 3 * x + 1)(10.0)
    31.0
    """

    def __init__(self, function: Callable[[float], float], per_doubling: int = 2) -> None:
        self.function, self.per_doubling = function, per_doubling
        self.cells: dict[int, tuple[float, float]] = {}

    def __call__(self, x: float) -> float:
        """Interpolate, and tabulate a cell on first use.

        Parameters
        ----------
        x : float
            Above 0.

        Returns
        -------
        float
            Interpolated.
        """
        cell_index = math.floor(math.log2(x) * self.per_doubling)
        cell = self.cells.get(cell_index)
        if cell is None:
            cell = self.cells[cell_index] = self._cell(cell_index)
        return cell[0] + cell[1] * x

    def _cell(self, index: int) -> tuple[float, float]:
        """Compute the intercept and slope of the line through two knots."""
        low, high = (max(2 ** (i / self.per_doubling), 1.0) for i in (index, index + 1))
        low_value, high_value = self.function(low), self.function(high)
        slope = (high_value - low_value) / (high - low)
        return low_value - slope * low, slope


class Steps:
    """Times of the steps of a deployment.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    efficiency : Efficiency
        Shares and latencies: fitted ones, or the ceiling.

    Examples
    --------
    >>> from llmcap_kernel import bandwidth, calibration, catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> e = calibration.efficiency_for(d)
    >>> own = bandwidth.decode_step(d, context_tokens=1250, concurrency=16, efficiency=e).itl_s
    >>> abs(Steps(d, e).decode_s(16, 16 * 1250) / own - 1) < 1e-3
    True
    """

    def __init__(self, deployment: Deployment, efficiency: Efficiency) -> None:
        self.deployment, self.efficiency = deployment, efficiency
        self.rows: dict[int, Curve] = {}
        self.places: dict[int, tuple[Curve, Curve, float]] = {}
        # finer, for its kink at the ridge point
        self.passes = Curve(self._passes_s, 2 * PER_DOUBLING)
        self.alone = Curve(self._alone_s)
        self.attention = Curve(lambda tokens: self._attention_s(tokens) / tokens)

    def decode_s(self, sequences: int, context_tokens: float) -> float:
        """Time of a step that decodes; with speculation, of one token a sequence.

        Parameters
        ----------
        sequences : int
            Sequences decoded.
        context_tokens : float
            Tokens that all of them hold together [tokens].

        Returns
        -------
        float
            One token each [s].
        """
        row_pair = self.places.get(sequences)
        if row_pair is None:
            row_pair = self.places[sequences] = self._place(sequences)
        low, high, weight = row_pair
        context = context_tokens / sequences
        time_s = low(context)
        return time_s + weight * (high(context) - time_s) if weight else time_s

    def prompt_s(self, start: int, stop: int, first: int, last: int) -> float:
        """Time of a piece of a prompt on the cards.

        Parameters
        ----------
        start, stop : int
            Tokens of the piece.
        first, last : int
            Tokens of the prompt that are computed at all: not those found in a cache.

        Returns
        -------
        float
            Its share of the passes, and its attention to all before it [s].
        """
        computed = last - first
        passes_s = self._whole_passes_s(computed) * (stop - start) / computed
        launches_s = self._launches_s * (stop - start) / min(computed, self._most)
        return max(passes_s + self._attended_s(start, stop), launches_s)

    def pass_s(self, pieces: Sequence[Piece]) -> float:
        """Time of a step that computes pieces of prompts and decodes nothing.

        Parameters
        ----------
        pieces : sequence of tuple
            Start, stop, first and last of each, as `prompt_s` takes them.

        Returns
        -------
        float
            One pass over all of them, and each piece's attention [s].
        """
        if len(pieces) == 1:
            return self.prompt_s(*pieces[0])
        tokens = sum(stop - start for start, stop, *_ in pieces)
        attended_s = sum(self._attended_s(start, stop) for start, stop, *_ in pieces)
        return max(self._whole_passes_s(tokens) + attended_s, self._launches_s)

    def together_s(self, decode_s: float, prompts_s: float, sequences: int, tokens: int) -> float:
        """Time of a step with both.

        Parameters
        ----------
        decode_s, prompts_s : float
            Times of either alone; 0 for none [s].
        sequences, tokens : int
            Sequences decoded, and tokens of prompts [tokens].

        Returns
        -------
        float
            Both share one reading of the weights and its launches; at the ceiling the prompts hide
            behind decoding [s].
        """
        if self.efficiency.prefill_share == 0:
            return max(decode_s, prompts_s)
        if not sequences:
            return prompts_s
        decoded = sequences * self._verified
        apart_s = self.passes(decoded) + self.passes(tokens)
        return decode_s + max(prompts_s - max(apart_s - self.passes(decoded + tokens), 0.0), 0.0)

    def request_s(self, input_tokens: int) -> float:
        """Time of a request outside the cards.

        Parameters
        ----------
        input_tokens : int
            Its prompt [tokens].

        Returns
        -------
        float
            Client, network and text of a server, and the later stages of a pipeline [s].
        """
        d, e = self.deployment, self.efficiency
        request_s = e.first_token_s + input_tokens * e.prompt_token_s if d.engine.is_server else 0.0
        if d.sharing_groups > 1:  # each attention group computes its part of a pass
            request_s += max(
                self.alone(input_tokens) - self.prompt_s(0, input_tokens, 0, input_tokens), 0
            )
        if d.pp == 1:
            return request_s
        # the cards are free for other prompts while this one is in the later stages
        last_chunk_start = max(input_tokens - d.batch_limit_tokens, 0)
        return request_s + self.prompt_s(last_chunk_start, input_tokens, 0, input_tokens) * (
            d.pp - 1
        )

    def scaled(self, factor: float) -> "Scaled":
        """Make all steps faster or slower.

        Parameters
        ----------
        factor : float
            On every time.

        Returns
        -------
        Scaled
            The same table, read with the factor.
        """
        return Scaled(self, factor)

    def _attended_s(self, start: int, stop: int) -> float:
        """Time the attention of a piece of a prompt to all tokens before it."""
        before_s = start * self.attention(start) if start else 0.0
        return stop * self.attention(stop) - before_s

    def _whole_passes_s(self, tokens: int) -> float:
        """Time all passes over a prompt; beyond one full pass, time is proportional to tokens."""
        return self.passes(min(tokens, self._most)) * max(tokens / self._most, 1.0)

    @cached_property
    def _verified(self) -> int:
        """Tokens of a sequence in a step."""
        speculation = self.deployment.speculation
        return 1 + speculation.tokens if speculation else 1

    @property
    def _most(self) -> int:
        return self.deployment.batch_limit_tokens

    @cached_property
    def _launches_s(self) -> float:
        """Least time of a pass over prompts whose kernels the host launches."""
        d = self.deployment
        layers = d.model.layers / d.pp if d.launches_prompts else 0.0
        return layers * self.efficiency.prompt_layer_s

    def _place(self, sequences: int) -> tuple[Curve, Curve, float]:
        """Find the tabulated numbers of sequences around this one, and the weight of the upper."""
        if sequences <= NEAR:
            row = self._row(sequences)
            return row, row, 0.0
        index = math.floor(math.log2(sequences / NEAR) * PER_DOUBLING)
        low, high = (round(NEAR * 2 ** (i / PER_DOUBLING)) for i in (index, index + 1))
        return self._row(low), self._row(high), (sequences - low) / (high - low)

    def _row(self, sequences: int) -> Curve:
        row = self.rows.get(sequences)
        if row is None:
            row = self.rows[sequences] = Curve(lambda each: self._step_s(sequences, each))
        return row

    def _step_s(self, sequences: int, context_tokens: float) -> float:
        d, e = self.deployment, self.efficiency
        step = bandwidth.decode_step(
            d, context_tokens=context_tokens, concurrency=sequences, efficiency=e
        )
        return float(step.itl_s)

    def _alone_s(self, tokens: float) -> float:
        """Time a prompt while no other attention group has one."""
        work = bandwidth.prefill_work(self.deployment, input_tokens=tokens, alone=True)
        return float(work.total_s(self.efficiency))

    def _passes_s(self, tokens: float) -> float:
        """Time one pass over some tokens, without their attention to each other."""
        cards = replace(self.efficiency, prompt_layer_s=0.0)
        step = bandwidth.prefill(self.deployment, input_tokens=tokens, efficiency=cards)
        return float(step.share_s) - self._attention_s(tokens)

    def _attention_s(self, tokens: float) -> float:
        """Time the causal attention of a whole prompt."""
        flops = law.prefill_attention_flops(self.deployment.model, tokens)
        return float(flops) * self._attention_rate_s

    @cached_property
    def _attention_rate_s(self) -> float:
        d, e = self.deployment, self.efficiency
        _, rate = bandwidth.compute_dtype(d.gpu, d.kv)
        return 1 / (d.tp * d.pp * rate * e.compute * e.attention_compute)


class Scaled:
    """Times of steps, each multiplied by a factor.

    Parameters
    ----------
    times : Times
        The times.
    factor : float
        On each of them.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> steps = Steps(d, calibration.efficiency_for(d))
    >>> steps.scaled(2.0).decode_s(8, 8000) / steps.decode_s(8, 8000)
    2.0
    """

    def __init__(self, times: Times, factor: float) -> None:
        self.times, self.factor = times, factor

    def decode_s(self, sequences: int, context_tokens: float) -> float:
        """Time of a step that decodes.

        Parameters
        ----------
        sequences : int
            Sequences decoded.
        context_tokens : float
            Tokens that all of them hold together [tokens].

        Returns
        -------
        float
            One token each [s].
        """
        return self.factor * self.times.decode_s(sequences, context_tokens)

    def prompt_s(self, start: int, stop: int, first: int, last: int) -> float:
        """Time of a piece of a prompt.

        Parameters
        ----------
        start, stop, first, last : int
            As of `Times`.

        Returns
        -------
        float
            What the piece adds [s].
        """
        return self.factor * self.times.prompt_s(start, stop, first, last)

    def pass_s(self, pieces: Sequence[Piece]) -> float:
        """Time of a step that computes pieces of prompts and decodes nothing.

        Parameters
        ----------
        pieces : sequence of tuple
            As of `Times`.

        Returns
        -------
        float
            The step [s].
        """
        return self.factor * self.times.pass_s(pieces)

    def together_s(self, decode_s: float, prompts_s: float, sequences: int, tokens: int) -> float:
        """Time of a step with both.

        Parameters
        ----------
        decode_s, prompts_s : float
            Times of either alone, with the factor [s].
        sequences, tokens : int
            Sequences decoded, and tokens of prompts [tokens].

        Returns
        -------
        float
            The step [s].
        """
        alone_s = decode_s / self.factor, prompts_s / self.factor
        return self.factor * self.times.together_s(*alone_s, sequences, tokens)

    def request_s(self, input_tokens: int) -> float:
        """Time of a request outside the cards.

        Parameters
        ----------
        input_tokens : int
            Its prompt [tokens].

        Returns
        -------
        float
            From the client to the queue, and back [s].
        """
        return self.factor * self.times.request_s(input_tokens)


@dataclass(frozen=True)
class Room:
    """The cache of a deployment, and the engine's limits on a batch.

    Attributes
    ----------
    sequences : int
        Sequences at once, at most.
    batched_tokens : int
        Most tokens of a step [tokens].
    block_tokens : int
        Tokens of a block of the cache [tokens].
    bytes : int
        Room for the cache, of all replicas of attention [bytes].
    held_bytes : callable
        Of a number of blocks: what a sequence holds; a byte a block if omitted [bytes].
    step_tokens : float
        Tokens that a sequence takes of a step's when it is decoded: its own and its drafts,
        shared out over replicas of attention [tokens].
    mixes : bool
        Whether a step that decodes takes pieces of prompts along; where not, decoding pauses until
        all prompts that have room are computed.

    Examples
    --------
    >>> Room(sequences=8, batched_tokens=2048, block_tokens=16, bytes=1000).held_bytes(3)
    3
    """

    sequences: int
    batched_tokens: int
    block_tokens: int
    bytes: int
    held_bytes: Callable[[int], int] = int
    step_tokens: float = 1.0
    mixes: bool = True


def room_of(deployment: Deployment, requests: Iterable[Request]) -> Room:
    """Read the cache and limits of a deployment from its ledger.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    requests : iterable of Request
        What it serves: of windows in vLLM the longest takes room that all share.

    Returns
    -------
    Room
        Its cache in blocks, and the engine's limits.

    Raises
    ------
    BadInput
        When the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> room_of(d, [Request(0.0, 1000, 100)]).batched_tokens
    8192
    """
    d = deployment
    ledger = capacity.ledger(d, context_tokens=d.block_tokens)
    if not ledger.starts:
        raise BadInput("deployment", ledger.verdict)
    max_tokens = max((one.input_tokens + one.output_tokens for one in requests), default=0)
    pool = ledger.kv_pool_bytes - capacity.admission_bytes(d, max_tokens)
    bytes_by_blocks: dict[int, int] = {}

    def held_bytes(blocks: int) -> int:
        if blocks not in bytes_by_blocks:
            tokens = blocks * d.block_tokens
            size = capacity.kv_sequence_bytes(d, tokens, running=True)
            bytes_by_blocks[blocks] = math.ceil(size) if blocks else 0
        return bytes_by_blocks[blocks]

    return Room(
        sequences=d.seqs_limit * d.attention_replicas,
        batched_tokens=d.batch_limit_tokens,
        block_tokens=d.block_tokens,
        bytes=math.floor(pool) * d.attention_replicas,
        held_bytes=held_bytes,
        step_tokens=(1 + (d.speculation.tokens if d.speculation else 0)) / d.attention_replicas,
        mixes=d.mixes_prompts,
    )
