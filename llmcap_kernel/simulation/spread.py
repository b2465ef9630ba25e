"""What spreads around the means of `serve`, and the percentiles of latencies that follow from it.

What spreads follows from what an engine does in a round:

- A gap between two tokens is a plain decode step, whose context grows over an answer, or one that
  carries a chunk of another user's prompt. How many do follows from the users, the chunks of a
  prompt and the steps of an answer.
- A first token waits for the prompts ahead of it. Each other user is in the queue with the
  probability that the mean has; those who ask at the same moment are served one after another.
- Who waited long for the first token is delayed the less while decoding: the prompts it waited for
  are computed. So the slowest first tokens belong to the fastest gaps, and answers vary little.

Waits, mean gaps and whole answers add up to the means of `serve`, for a float and for an array.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

from .. import catalog
from ..bandwidth import Step, Work, decode_work, prefill_work
from ..numeric import Number, floor, maximum, minimum, somewhere, where
from ..serving import Served
from ..spec import Deployment
from .queues import LOGISTIC, none_come, poisson

NORMAL = NormalDist()
# Quantiles of the length of an answer, over its mean.
ANSWERS = {
    "alike": lambda rank: 1.0,
    "uniform": lambda rank: 2 * rank,
    "exponential": lambda rank: -math.log(1 - rank),
}
DOUBTED = 2.0  # times the steps that carry prompts: how unsure their number is
HALVINGS = 30  # of a share of the others, to a billionth


class Spread(NamedTuple):
    """What the latencies of a load are made of.

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
        What each adds to its step; together the last ones add no more than a full one [s].
    prompt_s, others_s, queue_s : float or array
        Prefill of one prompt, of all others', and the mean wait for it [s].
    others : float or array
        Other users in progress.
    delayed : float or array
        Share of the others' prefill that decoding waits for.
    burst_share : float or array
        Share of the users who ask at the same moment.
    request_s, pass_s, room_s : float or array
        Time outside the cards before the first token, that of a step begun before and of a prompt
        in a pipeline's later stages, and the wait for room [s].
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
        Variance of the prompts that a step carries, over their mean: 1 where they meet at random.
    service_s : float or array
        How long prompts behind one another wait for each [s].
    least_s : float or array
        Where prompts come at a rate, the same of as many as are computed together at most [s].
    busy : float or array
        Where prompts come at a rate, the share of the time in which one is computed.
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
    pass_s: Number
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
        """What prompts add to a step, at a rank of all steps."""
        whole = minimum(rank / maximum(1 - self.full, 1e-9), 1 - 1e-9)
        carried = poisson(self.last, whole, self.clump)
        last_s = where(carried > 0, minimum(carried * self.last_s, self.full_s), 0.0)
        return where(1 - rank < self.full, self.full_s, last_s)

    def doubted(self) -> "tuple[Spread, Spread, Spread]":
        """List it with fewer steps that carry prompts, as it is, and with more.

        Returns
        -------
        tuple of Spread
            Half of them, all, and twice as many: at a percentile that lies between plain
            steps and those with prompts, the interval reaches over both.
        """
        few, many = (
            self._replace(full=minimum(self.full * times, 1.0), last=self.last * times)
            for times in (1 / DOUBTED, DOUBTED)
        )
        return few, self, many

    @property
    def stalled(self) -> Number:
        """Share of the steps that carry a part of another user's prompt."""
        return 1 - (1 - self.full) * none_come(self.last, self.clump)

    @property
    def mean_tokens(self) -> float:
        """Tokens of a step, on average [tokens]."""
        return 1 / sum(share / tokens for tokens, share in enumerate(self.tokens_per_step, 1))

    def _alone(self, longer: float) -> float:
        """Gap of a token over the mean gap: the fewer come in a step, the longer is each."""
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
        # `serving.closed_loop_wait_s` adds to the share ahead what a burst lacks of a half
        burst = self.burst_share
        usual = maximum(ahead - burst / 2, 0.0) / maximum(1 - burst, 1e-9)
        usual = where(ahead < 0.5, usual, ahead)
        spread = maximum(usual * (1 - usual) / maximum(self.others, 1), 1e-12) ** 0.5
        if not somewhere(burst > 0):
            off = math.log(rank / (1 - rank)) / LOGISTIC
            return self.prompt_s + self.others_s * minimum(maximum(usual + spread * off, 0.0), 1.0)
        least = 2 * maximum(ahead, 0.5) - 1  # of a burst: waits lie evenly from here to all
        low, high = 0.0 * ahead, 0.0 * ahead + 1
        for _ in range(HALVINGS):
            share = (low + high) / 2
            off = minimum(maximum((share - usual) / spread, -30.0), 30.0)
            below = (1 - burst) / (1 + math.e ** (-LOGISTIC * off))
            below = below + burst * minimum(maximum((share - least) / (1 - least), 0.0), 1.0)
            low, high = where(below < rank, share, low), where(below < rank, high, share)
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
        away_s, usual_s = self.away_s(percent), self.away_s(50)
        wait_s, median_s = self.wait_s(percent), self.wait_s(50)
        # two that vary apart: whichever is the rarer, the other is as usual
        worse = maximum if percent >= 50 else minimum
        return self.room_s + worse(wait_s + usual_s, median_s + away_s)

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
        off = NORMAL.inv_cdf(percent / 100) - self.request_spread / 2
        return self.pass_s + self.request_s * math.e ** (self.request_spread * off)

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
        usual = self.output_tokens * ANSWERS[self.answers](0.5)
        late_s = wait_s + usual * self._gap_after_s(wait_s)
        long_s = median_s + tokens * self._gap_after_s(median_s)
        worse = maximum if percent >= 50 else minimum
        return self.room_s + self.pass_s + self.request_s + worse(late_s, long_s)

    def _gap_after_s(self, wait_s: Number) -> Number:
        """Mean gap of a request that waited so long: the prompts it waited for are computed."""
        meanwhile_s = self.prompt_s + self.others_s - wait_s
        return self.step_s + self.delayed * meanwhile_s / self.output_tokens


class Chunks(NamedTuple):
    """How a prompt is cut into steps.

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


def chunks_of(served: Served) -> Chunks:
    """Cut the prompts of a load into the chunks that its engine computes at a time.

    Parameters
    ----------
    served : Served
        A deployment under a load.

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
    most, whole = d.batch_limit_tokens, served.work.input_tokens
    full = floor(tokens / most)
    last = tokens - full * most

    def prefill_s(input_tokens: Number, cached_tokens: Number) -> Number:
        tokens = {"input_tokens": input_tokens, "cached_tokens": cached_tokens}
        work = _kept(prefill_work, d, **tokens)
        return Step(work, served.efficiency, d, "prefill").share_s

    step_s = whole_s = prompt_s
    if somewhere(full == 0):  # a step may hold a whole chunk of others' prompts, too
        step_s = maximum(prompt_s, prefill_s(most, 0))
    if somewhere((full > 0) & (last > 0)):
        but_last_s = prefill_s(maximum(whole - last, 1), whole - tokens)
        whole_s = where(last > 0, minimum(but_last_s, prompt_s), prompt_s)
    return Chunks(
        full,
        where(last > 0, 1, 0),
        where(full > 0, whole_s / maximum(full, 1), step_s),
        where(full > 0, prompt_s - whole_s, prompt_s),
    )


_KEPT = {make: lru_cache(maxsize=4096)(make) for make in (decode_work, prefill_work)}


def _kept(make: Callable[..., Work], deployment: Deployment, **numbers: Number) -> Work:
    """Work of a pass: the ceiling asks for that of the estimate again, and all users for a chunk's.

    Arrays cannot be looked up, so their work is made anew.
    """
    plain = not any(hasattr(number, "__array__") for number in numbers.values())
    return (_KEPT[make] if plain else make)(deployment, **numbers)


def spread_of(served: Served, *, gaps_alone: bool = False) -> Spread:
    """List what the latencies of a load are made of.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of loads.
    gaps_alone : bool
        Whether nothing but gaps between tokens is asked of it: without waits, which need the
        queue and with it the steps that decode and prefill.

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
    work, e, tail = served.work, served.efficiency, catalog.table("tails")
    if work.batch is not None:
        return _batch(served, tail["step_spread"])
    prompt_s = served.prompt.share_s
    others, burst = work.users - 1, served.burst_share
    # at the ceiling prefill hides behind decoding; of a burst, half comes before a first token
    beside = where(e.prefill_share > 0, 1.0, 0.0)
    hidden = gaps_alone and not somewhere(beside > 0)
    cut = Chunks(0, 0, prompt_s, 0.0) if hidden else chunks_of(served)
    full, last = _met(cut, beside * others, burst)
    shares = _tokens_per_step(served.deployment)
    steps = work.output_tokens * sum(share / tokens for tokens, share in enumerate(shares, 1))
    return Spread(
        step_s=served.itl_decode_s,
        last_step_s=_last_step_s(served),
        tokens_per_step=shares,
        full=minimum(full / steps, 1.0),
        last=last / steps,
        full_s=cut.full_s,
        last_s=cut.last_s,
        prompt_s=served.pass_s,
        others_s=served.others_s,
        queue_s=served.pass_s if gaps_alone else served.queue_s,
        others=others,
        delayed=0.0 if gaps_alone else _delayed(served),
        burst_share=burst,
        request_s=served.request_s,
        pass_s=served.begun_s + served.prompt.total_s - prompt_s,
        room_s=0.0 if gaps_alone else served.room_wait_s,
        output_tokens=work.output_tokens,
        step_spread=tail["step_spread"],
        request_spread=tail["request_spread"],
        own_full=cut.full,
        own_last=cut.last,
        waited_s=0.0 if gaps_alone else served.waited_s,
        service_s=0.0 if gaps_alone else _service_s(served, cut),
    )


def _met(cut: Chunks, others: Number, burst: Number) -> tuple[Number, Number]:
    """Whole and last chunks of others' prompts that an answer meets; half of a burst's."""
    met = others * (1 - burst / 2)
    # short prompts that come at once fill whole chunks
    filled = burst / 2 * others * cut.last_s / cut.full_s
    short = (cut.full < 1) * (cut.full_s < math.inf)
    full = where(short, filled, met * cut.full)
    return full, where(short, others * (1 - burst), met) * cut.last


def spread_at_rate(served: Served) -> Spread:
    """List what latencies are made of where prompts come at a rate.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of them.

    Returns
    -------
    Spread
        That of users at once, with what a prompt takes of the fullest pass.

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
    return spread_of(served)._replace(least_s=_least_s(served))


def _least_s(served: Served) -> Number:
    """Time for which a prompt counts of as many as a pass of their own has tokens for."""
    d, work = served.deployment, served.work
    if d is None or d.mixes_prompts:
        return served.own_s
    most = maximum(d.batch_limit_tokens / work.prefill_tokens, 1.0)
    cached = work.input_tokens - work.prefill_tokens
    tokens = {"input_tokens": work.input_tokens, "cached_tokens": cached}
    whole = _kept(prefill_work, d, **tokens, prompts=most)
    return Step(whole, served.efficiency, d, "prefill").share_s / most


def _service_s(served: Served, cut: Chunks) -> Number:
    """How long others wait for a prompt: its steps, decoding included; alone its part of a pass."""
    steps_s = (cut.full + cut.last) * served.step_s + served.waited_s
    return where(served.work.mixed > 0, maximum(served.pass_s, steps_s), served.other_s)


def _delayed(served: Served) -> Number:
    """Share of the prompts computed meanwhile that decoding waits for, as the mean gap has it."""
    waits_s = (served.itl_s - served.itl_decode_s) * served.work.output_tokens
    meanwhile_s = served.pass_s + served.others_s - served.queue_s
    return where(served.others_s > 0, waits_s / maximum(meanwhile_s, 1e-12), 0.0)


def _batch(served: Served, step_spread: float) -> Spread:
    """A batch that starts together: its first tokens come at once, and no prompt comes later."""
    first_s = served.batch_ttft_s
    steps = without_prompts(served)
    return steps._replace(prompt_s=first_s, queue_s=first_s, step_spread=step_spread)


def without_prompts(served: Served) -> Spread:
    """List what latencies are made of decode steps alone, each like the others but for its context.

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
        pass_s=0.0,
        room_s=0.0,
        output_tokens=served.work.output_tokens,
    )


def _last_step_s(served: Served) -> Number:
    """A decode step when every answer is complete; the mean one of a stack."""
    d, load = served.deployment, served.workload
    if d is None or load is None:
        return served.itl_decode_s
    numbers = {"context_tokens": load.context_tokens, "concurrency": served.users}
    work = _kept(decode_work, d, **numbers)
    return Step(work, served.efficiency, d).itl_s


def _tokens_per_step(deployment: Deployment | None) -> tuple[float, ...]:
    """Shares of the tokens that come in steps of 1, 2, ... tokens."""
    guess = deployment.speculation if deployment else None
    if guess is None:
        return (1.0,)
    steps = [guess.accept**n * (1 - guess.accept) for n in range(guess.tokens)]
    steps.append(guess.accept**guess.tokens)
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
    of = {
        "itl": spread.gap_s,
        "tpot": spread.request_gap_s,
        "ttft": spread.first_s,
        "e2e": spread.whole_s,
    }
    return of[quantity](percent)
