"""How latencies spread around the means of `serve`, and the percentiles that follow.

The spread follows from what an engine does in a round:

- A gap between two tokens is a plain decode step, whose context grows over an answer, or one that
  carries a chunk of another user's prompt. The share of these follows from the users, the chunks
  of a prompt and the steps of an answer.
- A first token waits for the prompts ahead of it. Each other user is in the queue with the
  probability that the mean assumes; prompts that come at the same moment are computed in turn.
- A request that waited long for its first token is delayed less while decoding, since the prompts
  it waited for are done. So the slowest first tokens have the fastest gaps, and answers vary
  little.

Means of waits, gaps and whole answers are those of `serve`, for a float and for an array.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple, Self

from .. import catalog
from ..bandwidth import Step, Work, decode_work, prefill_work
from ..numeric import Number, floor, maximum, minimum, somewhere, where
from ..serving import Served
from ..spec import Deployment
from .queues import LOGISTIC, busy_period, poisson, share_without_arrivals

NORMAL = NormalDist()
# Quantiles of the length of an answer, relative to its mean.
ANSWERS = {
    "alike": lambda rank: 1.0,
    "uniform": lambda rank: 2 * rank,
    "exponential": lambda rank: -math.log(1 - rank),
}
DOUBTED = 2.0  # factor of uncertainty in the number of steps that carry prompts
HALVINGS = 30  # steps of a bisection, for an accuracy of a billionth


class Spread(NamedTuple):
    """The parts that the latencies of a load are computed from.

    Attributes
    ----------
    step_s, last_step_s : float or array
        Mean gap of decoding alone in the middle of an answer, and at its end [s].
    tokens_per_step : tuple of float
        Shares of the tokens that come in steps of 1, 2, ... tokens; (1,) without speculation.
    full, last : float or array
        Share of the steps that carry a whole chunk of others' prompts, and the prompts, or
        the ends of prompts, that each other step carries on average.
    full_s, last_s : float or array
        What each takes alone; together the last ones take no more than a full one [s].
    prompt_s, others_s, queue_s : float or array
        Prefill of a prompt and of those computed with it, of all others', and the mean wait [s].
    others : float or array
        Other users in progress.
    delayed : float or array
        Share of the others' prefill that decoding waits for.
    burst_share : float or array
        Share of the users who ask at the same moment.
    request_s, unqueued_s, room_s : float or array
        Time before the first token outside the cards, that on them outside the queue (of a step
        begun before, and of a prompt in a pipeline's later stages), and the wait for room [s].
    output_tokens : float or array
        Tokens of an answer [tokens].
    step_spread, request_spread : float
        Standard deviation of the logarithm of a step's time, and of the time outside the cards.
    answers : str
        Law of the lengths of answers, a key of `ANSWERS`.
    own_full, own_last : float or array
        Whole chunks of a prompt, and 1 where a smaller one is left.
    waited_s : float or array
        Time that decoding waits for one prompt [s].
    clump : float or array
        Variance of the prompts that a step carries beside decoding, over their mean: 1 where they
        meet at random.
    service_s : float or array
        How long prompts behind one another wait for each [s].
    least_s : float or array
        Where prompts come at a rate, the same of as many as are computed together at most [s].
    busy : float or array
        Where prompts come at a rate, the share of the time in which one is computed.
    added_share : float or array
        Share of the time of a chunk by which its step is longer: both read the weights once.
    """

    step_s: Number
    last_step_s: Number
    tokens_per_step: tuple[float, ...]
    full: Number
    last: Number
    full_s: Number
    last_s: Number
    prompt_s: Number
    others_s: Number
    queue_s: Number
    others: Number
    delayed: Number
    burst_share: Number
    request_s: Number
    unqueued_s: Number
    room_s: Number
    output_tokens: Number
    step_spread: float = 0.0
    request_spread: float = 0.0
    answers: str = "alike"
    own_full: Number = 0.0
    own_last: Number = 0.0
    waited_s: Number = 0.0
    clump: Number = 1.0
    service_s: Number = 0.0
    least_s: Number = 0.0
    busy: Number = 0.0
    added_share: Number = 1.0

    def gap_s(self, percent: float, carried: float | None = None) -> Number:
        """Compute a percentile of all gaps between two tokens.

        Parameters
        ----------
        percent : float
            Percent of the gaps that are no longer.
        carried : float, optional
            Percent of the steps that carry no more of prompts; the same if omitted.

        Returns
        -------
        float or array
            The gap [s].
        """
        rank = percent / 100
        # the context of a step grows over an answer, evenly
        step_s = self.step_s + (2 * rank - 1) * (self.last_step_s - self.step_s)
        stall_s = self._stall_s(rank if carried is None else carried / 100)
        step_s = step_s * self._alone(1 - rank) + stall_s / self.mean_tokens
        return step_s * math.e ** (self.step_spread * NORMAL.inv_cdf(rank))

    def _stall_s(self, rank: float) -> Number:
        """Compute what prompts add to a step, at a rank of all steps."""
        plain_rank = minimum(rank / maximum(1 - self.full, 1e-9), 1 - 1e-9)
        chunks = self.prompts(self.last, plain_rank)
        last_s = where(chunks > 0, minimum(chunks * self.last_s, self.full_s), 0.0)
        return self.added_share * where(1 - rank < self.full, self.full_s, last_s)

    def doubted(self) -> "tuple[Spread, Spread, Spread]":
        """Give the spread with fewer steps that carry prompts, as estimated, and with more.

        Returns
        -------
        tuple of Spread
            Half of them, all, and twice as many: at a percentile that lies between plain
            steps and those with prompts, the interval reaches over both.
        """
        return self.carrying(1 / DOUBTED), self, self.carrying(DOUBTED)

    def carrying(self, times: float) -> Self:
        """Give the spread with more steps that carry prompts, or fewer.

        Parameters
        ----------
        times : float
            As many times as there are.

        Returns
        -------
        Spread
            Every step carries a whole chunk at most; all else is as it was.
        """
        return self._replace(full=minimum(self.full * times, 1.0), last=self.last * times)

    @property
    def pauses(self) -> bool:
        """Whether decoding pauses for prompts, which holds for a whole stack of loads or none."""
        # a float where it is the same for all
        return not hasattr(self.full_s, "__array__") and self.full_s == math.inf

    def prompts(self, mean: Number, rank: Number) -> Number:
        """Compute a quantile of the prompts that come in a step, or in several.

        Parameters
        ----------
        mean : float or array
            How many come on average.
        rank : float or array
            Share of the steps with no more.

        Returns
        -------
        float or array
            Where decoding pauses for them, those that come during a pause too.
        """
        if self.pauses:
            return busy_period(mean, rank, self.busy)
        return poisson(mean, rank, self.clump)

    @property
    def stalled(self) -> Number:
        """Share of the steps that carry a part of another user's prompt."""
        if self.pauses:
            return 1 - share_without_arrivals(self.last * (1 - self.busy))
        return 1 - (1 - self.full) * share_without_arrivals(self.last, self.clump)

    @property
    def mean_tokens(self) -> float:
        """Tokens of a step, on average [tokens]."""
        return 1 / sum(share / tokens for tokens, share in enumerate(self.tokens_per_step, 1))

    def _alone(self, longer: float) -> float:
        """Compute a token's gap relative to the mean: the fewer tokens a step has, the longer."""
        for tokens, share in enumerate(self.tokens_per_step, 1):
            longer -= share
            if longer < 0:
                return self.mean_tokens / tokens
        return self.mean_tokens / len(self.tokens_per_step)

    def wait_s(self, percent: float) -> Number:
        """Compute a percentile of the wait for the prefill of a prompt, including that prefill.

        Parameters
        ----------
        percent : float
            Percent of the requests that wait no longer.

        Returns
        -------
        float or array
            The wait, with `queue_s` as its mean [s].
        """
        rank = percent / 100
        ahead = (self.queue_s - self.prompt_s) / maximum(self.others_s, 1e-12)
        ahead = minimum(maximum(ahead, 0.0), 1.0)
        # `serving.closed_loop_wait_s` raises the share of a burst's users to a half
        burst = self.burst_share
        typical = maximum(ahead - burst / 2, 0.0) / maximum(1 - burst, 1e-9)
        typical = where(ahead < 0.5, typical, ahead)
        width = maximum(typical * (1 - typical) / maximum(self.others, 1), 1e-12) ** 0.5
        if not somewhere(burst > 0):
            deviation = math.log(rank / (1 - rank)) / LOGISTIC
            return self.prompt_s + self.others_s * minimum(
                maximum(typical + width * deviation, 0.0), 1.0
            )
        burst_start = 2 * maximum(ahead, 0.5) - 1  # waits in a burst are uniform from here to 1
        low, high = 0.0 * ahead, 0.0 * ahead + 1
        for _ in range(HALVINGS):
            share = (low + high) / 2
            deviation = minimum(maximum((share - typical) / width, -30.0), 30.0)
            cumulative = (1 - burst) / (1 + math.e ** (-LOGISTIC * deviation))
            cumulative = cumulative + burst * minimum(
                maximum((share - burst_start) / (1 - burst_start), 0.0), 1.0
            )
            low, high = where(cumulative < rank, share, low), where(cumulative < rank, high, share)
        return self.prompt_s + self.others_s * high

    def first_s(self, percent: float) -> Number:
        """Compute a percentile of the time to the first token.

        Parameters
        ----------
        percent : float
            Percent of the requests that wait no longer.

        Returns
        -------
        float or array
            The time [s].
        """
        away_s, median_away_s = self.away_s(percent), self.away_s(50)
        wait_s, median_s = self.wait_s(percent), self.wait_s(50)
        # two independent parts: one is at its percentile while the other is at its median
        combine = maximum if percent >= 50 else minimum
        return self.room_s + combine(wait_s + median_away_s, median_s + away_s)

    def away_s(self, percent: float) -> Number:
        """Compute a percentile of the time before the first token outside the queue.

        Parameters
        ----------
        percent : float
            Percent of the requests with no longer one.

        Returns
        -------
        float or array
            The time, `request_s` on average: its logarithm is normal [s].
        """
        deviation = NORMAL.inv_cdf(percent / 100) - self.request_spread / 2
        return self.unqueued_s + self.request_s * math.e ** (self.request_spread * deviation)

    def request_gap_s(self, percent: float) -> Number:
        """Compute a percentile of the mean gap of a request.

        Parameters
        ----------
        percent : float
            Percent of the requests whose mean gap is no longer.

        Returns
        -------
        float or array
            The gap [s].
        """
        return self._gap_after_s(self.wait_s(100 - percent))

    def whole_s(self, percent: float) -> Number:
        """Compute a percentile of the time to the last token.

        Parameters
        ----------
        percent : float
            Percent of the requests that take no longer.

        Returns
        -------
        float or array
            The time [s].
        """
        wait_s, median_s = self.wait_s(percent), self.wait_s(50)
        tokens = self.output_tokens * ANSWERS[self.answers](percent / 100)
        median_tokens = self.output_tokens * ANSWERS[self.answers](0.5)
        late_s = wait_s + median_tokens * self._gap_after_s(wait_s)
        long_s = median_s + tokens * self._gap_after_s(median_s)
        combine = maximum if percent >= 50 else minimum
        return self.room_s + self.unqueued_s + self.request_s + combine(late_s, long_s)

    def _gap_after_s(self, wait_s: Number) -> Number:
        """Compute the mean gap of a request by its wait, as prompts it waited for are done."""
        delaying_s = self.prompt_s + self.others_s - wait_s
        return self.step_s + self.delayed * delaying_s / self.output_tokens


class Chunks(NamedTuple):
    """The chunks of a prompt and their times.

    Attributes
    ----------
    full, last : float or array
        Whole chunks, and 1 where a smaller one is left, 0 where not.
    full_s, last_s : float or array
        Time of a whole chunk on the cards, and of the last [s].
    """

    full: Number
    last: Number
    full_s: Number
    last_s: Number


def chunks_of(served: Served, most_tokens: Number | None = None) -> Chunks:
    """Split the prompts of a load into the chunks that an engine computes per step.

    Parameters
    ----------
    served : Served
        A deployment under a load.
    most_tokens : float or array, optional
        Prompt tokens of a step; the engine's limit if omitted [tokens].

    Returns
    -------
    Chunks
        Of an engine that computes prompts to their end before it decodes on, the prompt
        is one, and there is no end to what waits in a step. Arrays, for a stack of loads.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> chunks_of(serve(one, Workload(20_000, 500))).full
    2
    """
    d, tokens, prompt_s = served.deployment, served.work.prefill_tokens, served.prompt.share_s
    if d is None or not d.mixes_prompts:
        return Chunks(0, 1, math.inf, prompt_s)
    max_tokens = d.batch_limit_tokens if most_tokens is None else most_tokens
    whole = served.work.input_tokens
    full = floor(tokens / max_tokens)
    last = tokens - full * max_tokens

    def prefill_s(input_tokens: Number, cached_tokens: Number) -> Number:
        tokens = {"input_tokens": input_tokens, "cached_tokens": cached_tokens}
        work = _cached_work(prefill_work, d, **tokens)
        return Step(work, served.efficiency, d, "prefill").share_s

    step_s = full_chunks_s = prompt_s
    if somewhere(full == 0):  # a step may also hold a whole chunk of several short prompts
        step_s = maximum(prompt_s, prefill_s(max_tokens, 0))
    if somewhere((full > 0) & (last > 0)):
        before_last_s = prefill_s(maximum(whole - last, 1), whole - tokens)
        full_chunks_s = where(last > 0, minimum(before_last_s, prompt_s), prompt_s)
    return Chunks(
        full,
        where(last > 0, 1, 0),
        where(full > 0, full_chunks_s / maximum(full, 1), step_s),
        where(full > 0, prompt_s - full_chunks_s, prompt_s),
    )


_CACHED = {make: lru_cache(maxsize=4096)(make) for make in (decode_work, prefill_work)}


def _cached_work(make: Callable[..., Work], deployment: Deployment, **numbers: Number) -> Work:
    """Compute the work of a pass, cached, since estimate, ceiling and all users need the same.

    Arrays are not hashable, so their work is not cached.
    """
    scalar = not any(hasattr(number, "__array__") for number in numbers.values())
    return (_CACHED[make] if scalar else make)(deployment, **numbers)


def spread_of(
    served: Served, *, gaps_alone: bool = False, most_tokens: Number | None = None
) -> Spread:
    """Compute the parts of the latencies of a load.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of loads.
    gaps_alone : bool
        Whether nothing but gaps between tokens is asked of it: without waits, which need the
        queue and with it the steps that decode and prefill.
    most_tokens : float or array, optional
        Prompt tokens of a step; the engine's limit if omitted [tokens].

    Returns
    -------
    Spread
        Numbers, or arrays of them.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> alone = spread_of(serve(one, Workload(1000, 500)))
    >>> round(alone.gap_s(50) / alone.step_s, 2), alone.gap_s(99) / alone.step_s < 1.2
    (1.0, True)
    """
    work, e, tails = served.work, served.efficiency, catalog.table("tails")
    if work.batch is not None:
        return _batch(served, tails["step_spread"])
    prompt_s = served.prompt.share_s
    others, burst = work.users - 1, served.burst_share
    # at the ceiling prefill hides behind decoding
    delays = where(e.prefill_share > 0, 1.0, 0.0)
    hidden = gaps_alone and not somewhere(delays > 0)
    chunks = Chunks(0, 0, prompt_s, 0.0) if hidden else chunks_of(served, most_tokens)
    full, last = _chunks_met(chunks, delays * others, burst)
    shares = _tokens_per_step(served.deployment)
    steps = work.output_tokens * sum(share / tokens for tokens, share in enumerate(shares, 1))
    return Spread(
        step_s=served.itl_decode_s,
        last_step_s=_last_step_s(served),
        tokens_per_step=shares,
        full=minimum(full / steps, 1.0),
        last=last / steps,
        full_s=chunks.full_s,
        last_s=chunks.last_s,
        prompt_s=served.pass_s,
        others_s=served.others_s,
        queue_s=served.pass_s if gaps_alone else served.queue_s,
        others=others,
        delayed=0.0 if gaps_alone else _delayed(served),
        burst_share=burst,
        request_s=served.request_s,
        unqueued_s=served.begun_s + served.prompt.total_s - prompt_s,
        room_s=0.0 if gaps_alone else served.room_wait_s,
        output_tokens=work.output_tokens,
        step_spread=tails["step_spread"],
        request_spread=tails["request_spread"],
        own_full=chunks.full,
        own_last=chunks.last,
        waited_s=0.0 if gaps_alone else served.waited_s,
        service_s=0.0 if gaps_alone else _service_s(served, chunks),
        added_share=_added_share(served, chunks),
    )


def _added_share(served: Served, chunks: Chunks) -> Number:
    """Compute the share of the time of a prompt's chunks by which its steps are longer."""
    own_s = chunks.full * chunks.full_s + chunks.last * chunks.last_s
    return where(served.work.mixed > 0, served.added_s / own_s, 1.0)


def _chunks_met(chunks: Chunks, others: Number, burst: Number) -> tuple[Number, Number]:
    """Count the full and last chunks of others' prompts during an answer; half of a burst's."""
    prompts = others * (1 - burst / 2)
    # short prompts of a burst share full chunks
    burst_full = burst / 2 * others * chunks.last_s / chunks.full_s
    fits_chunk = (chunks.full < 1) * (chunks.full_s < math.inf)
    full = where(fits_chunk, burst_full, prompts * chunks.full)
    return full, where(fits_chunk, others * (1 - burst), prompts) * chunks.last


def spread_at_rate(served: Served) -> Spread:
    """Compute the parts of the latencies where prompts come at a rate.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of them.

    Returns
    -------
    Spread
        That of users at once, with what a prompt takes of the fullest pass, and prompts in the
        tokens that decoding leaves of a step.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang")
    >>> made = spread_at_rate(serve(one, Workload(500, 500)))
    >>> made.least_s < made.last_s  # many prompts read the weights once
    True
    """
    return spread_of(served, most_tokens=served.room_tokens)._replace(least_s=_least_s(served))


def _least_s(served: Served) -> Number:
    """Compute the time per prompt of a pass that is full of prompts."""
    d, work = served.deployment, served.work
    if d is None or d.mixes_prompts:
        return served.occupied_s
    max_prompts = maximum(d.batch_limit_tokens / work.prefill_tokens, 1.0)
    cached = work.input_tokens - work.prefill_tokens
    tokens = {"input_tokens": work.input_tokens, "cached_tokens": cached}
    work_pass = _cached_work(prefill_work, d, **tokens, prompts=max_prompts)
    return Step(work_pass, served.efficiency, d, "prefill").share_s / max_prompts


def _service_s(served: Served, chunks: Chunks) -> Number:
    """Compute how long a prompt delays the next: its steps with decoding, or its part of a pass."""
    steps_s = (chunks.full + chunks.last) * served.step_s + served.added_s
    return where(served.work.mixed > 0, steps_s, served.other_s)


def _delayed(served: Served) -> Number:
    """Compute the share of others' prefill that delays decoding, from the mean gap."""
    waits_s = (served.itl_s - served.itl_decode_s) * served.work.output_tokens
    meanwhile_s = served.pass_s + served.others_s - served.queue_s
    return where(served.others_s > 0, waits_s / maximum(meanwhile_s, 1e-12), 0.0)


def _batch(served: Served, step_spread: float) -> Spread:
    """Compute the parts for a batch that starts together, with no prompt after its start."""
    first_s = served.batch_ttft_s
    spread = without_prompts(served)
    return spread._replace(prompt_s=first_s, queue_s=first_s, step_spread=step_spread)


def without_prompts(served: Served) -> Spread:
    """Compute the parts for decode steps alone, which differ only by their context.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of loads.

    Returns
    -------
    Spread
        Without prompts, waits and host time: what the spec sheet allows of gaps.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> without_prompts(serve(one, Workload(1000, 500, 8))).stalled
    0.0
    """
    batch = served.work.batch is not None
    return Spread(
        step_s=served.itl_decode_s,
        last_step_s=_last_step_s(served),
        tokens_per_step=(1.0,) if batch else _tokens_per_step(served.deployment),
        full=0.0,
        last=0.0,
        full_s=0.0,
        last_s=0.0,
        prompt_s=0.0,
        others_s=0.0,
        queue_s=0.0,
        others=0,
        delayed=0.0,
        burst_share=0.0,
        request_s=0.0,
        unqueued_s=0.0,
        room_s=0.0,
        output_tokens=served.work.output_tokens,
    )


def _last_step_s(served: Served) -> Number:
    """Time a decode step at the end of every answer; for a stack, the mean step."""
    d, load = served.deployment, served.workload
    if d is None or load is None:
        return served.itl_decode_s
    numbers = {"context_tokens": load.context_tokens, "concurrency": served.users}
    work = _cached_work(decode_work, d, **numbers)
    return Step(work, served.efficiency, d).itl_s


def _tokens_per_step(deployment: Deployment | None) -> tuple[float, ...]:
    """Compute the shares of the tokens that come in steps of 1, 2, ... tokens."""
    speculation = deployment.speculation if deployment else None
    if speculation is None:
        return (1.0,)
    steps = [speculation.accept**n * (1 - speculation.accept) for n in range(speculation.tokens)]
    steps.append(speculation.accept**speculation.tokens)
    tokens = [n * share for n, share in enumerate(steps, 1)]
    return tuple(share / sum(tokens) for share in tokens)


def quantile_s(spread: Spread, quantity: str, percent: float) -> Number:
    """Compute a percentile of one of the latencies.

    Parameters
    ----------
    spread : Spread
        What they are made of.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    float or array
        The latency [s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> alone = spread_of(serve(one, Workload(1000, 500)))
    >>> quantile_s(alone, "ttft", 50) == quantile_s(alone, "ttft", 99)
    True
    """
    percentile_of = {
        "itl": spread.gap_s,
        "tpot": spread.request_gap_s,
        "ttft": spread.first_s,
        "e2e": spread.whole_s,
    }
    return percentile_of[quantity](percent)
