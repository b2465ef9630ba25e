"""Percentiles of latencies for users at once, in closed form, with the intervals of estimates.

`serve` gives means. What spreads around them follows from what an engine does in a round:

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
from statistics import NormalDist
from typing import NamedTuple

from ..bandwidth import Step, decode_work, prefill_work
from ..calibration import Estimate, Estimates
from ..numeric import Number, floor, maximum, minimum, where
from ..refuse import one_of
from ..serving import Served
from ..spec import TAILED, Deployment
from .queues import check_percent

NORMAL = NormalDist()
# Engines that compute waiting prompts to their end before they decode on.
PROMPTS_FIRST = ("sglang",)


class Spread(NamedTuple):
    """What the latencies of a load are made of.

    Attributes
    ----------
    step_s, last_step_s : float or array
        Mean gap of decoding alone in the middle of an answer, and at its end [s].
    tokens_per_step : tuple of float
        Shares of the tokens that come in steps of 1, 2, ... tokens; (1,) without speculation.
    chunks, last_chunks : float or array
        Full chunks of others' prompts in the steps of an answer, and last ones.
    chunk_s, last_chunk_s : float or array
        What each adds to its step [s].
    prompt_s, others_s, queue_s : float or array
        Prefill of one prompt, of all others', and the mean wait for it [s].
    others : float or array
        Other users in progress.
    delayed : float or array
        Share of the others' prefill that decoding waits for.
    burst_share : float or array
        Share of the users who ask at the same moment.
    client_s, room_s : float or array
        Time outside the queue before the first token, and the wait for room [s].
    output_tokens : float or array
        Tokens of an answer [tokens].
    """

    step_s: Number
    last_step_s: Number
    tokens_per_step: tuple[float, ...]
    chunks: Number
    last_chunks: Number
    chunk_s: Number
    last_chunk_s: Number
    prompt_s: Number
    others_s: Number
    queue_s: Number
    others: Number
    delayed: Number
    burst_share: Number
    client_s: Number
    room_s: Number
    output_tokens: Number

    def gap_s(self, percent: float) -> Number:
        """Compute a percentile of all gaps between two tokens.

        Parameters
        ----------
        percent : float
            Percent of the gaps that are no longer.

        Returns
        -------
        float or array
            The gap [s].
        """
        rank = percent / 100
        longer = 1 - rank
        # the context of a step grows over an answer, evenly
        step_s = self.step_s + (2 * rank - 1) * (self.last_step_s - self.step_s)
        steps = self.output_tokens / self.mean_tokens
        full, last = self.chunks / steps, self.last_chunks / steps
        # where there are more last chunks than steps, they share a step, up to a full chunk
        last_s = minimum(self.last_chunk_s * maximum(last, 1.0), self.chunk_s)
        stall_s = where(longer < full, self.chunk_s, where(longer < full + last, last_s, 0.0))
        return step_s * self._alone(longer) + stall_s / self.mean_tokens

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
        usual = where(
            ahead < 0.5, maximum(ahead - burst / 2, 0.0) / maximum(1 - burst, 1e-9), ahead
        )
        spread = (usual * (1 - usual) / maximum(self.others, 1)) ** 0.5
        usual = minimum(maximum(usual + NORMAL.inv_cdf(rank) * spread, 0.0), 1.0)
        middle = maximum(ahead, 0.5)
        at_once = middle + (2 * rank - 1) * (1 - middle)
        return self.prompt_s + self.others_s * ((1 - burst) * usual + burst * at_once)

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
        return self.room_s + self.client_s + self.wait_s(percent)

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
        wait_s = self.wait_s(percent)
        answer_s = self.output_tokens * self._gap_after_s(wait_s)
        return self.room_s + self.client_s + wait_s + answer_s

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
        is one, and there is no end to what waits in a step.

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
    if d is None or d.engine.family in PROMPTS_FIRST:
        return Chunks(0, 1, math.inf, prompt_s)
    most = d.batch_limit_tokens
    full = floor(tokens / most)
    if not full:
        return Chunks(0, 1, maximum(prompt_s, _prefill_s(served, d, most, 0)), prompt_s)
    last = tokens - full * most
    if not last:
        return Chunks(full, 0, prompt_s / full, 0.0)
    whole = served.work.input_tokens
    full_s = minimum(_prefill_s(served, d, whole - last, whole - tokens), prompt_s)
    return Chunks(full, 1, full_s / full, prompt_s - full_s)


def _prefill_s(served: Served, deployment: Deployment, tokens: Number, cached: Number) -> Number:
    """Time that a prompt of another length takes on the cards."""
    work = prefill_work(deployment, input_tokens=tokens, cached_tokens=cached)
    return Step.of(work, served.efficiency, deployment, "prefill").share_s


def spread_of(served: Served, chunks: Chunks | None = None) -> Spread:
    """List what the latencies of a load are made of.

    Parameters
    ----------
    served : Served
        A deployment under a load, or a stack of loads.
    chunks : Chunks, optional
        How the prompts are cut; of a stack it has to be given, or each is one chunk.

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
    >>> round(alone.gap_s(50) / alone.step_s, 2), round(alone.gap_s(99) / alone.step_s, 2)
    (1.0, 1.0)
    """
    work, e = served.work, served.efficiency
    cut = chunks_of(served) if chunks is None else chunks
    prompt_s = served.prompt.share_s
    # of those who ask at the same moment, on average half are before a user and delay no answer
    met = (work.users - 1) * (1 - e.burst_share / 2)
    return Spread(
        step_s=served.itl_decode_s,
        last_step_s=_last_step_s(served),
        tokens_per_step=_tokens_per_step(served.deployment),
        chunks=met * cut.full,
        last_chunks=met * cut.last,
        # a share of 0 of a chunk without end is none
        chunk_s=e.prefill_share * cut.full_s if e.prefill_share else 0.0,
        last_chunk_s=e.prefill_share * cut.last_s,
        prompt_s=prompt_s,
        others_s=served.others_s,
        queue_s=served.queue_s,
        others=work.users - 1,
        delayed=e.prefill_share,
        burst_share=e.burst_share,
        client_s=served.client_s,
        room_s=served.room_wait_s,
        output_tokens=work.output_tokens,
    )


def _last_step_s(served: Served) -> Number:
    """A decode step when every answer is complete; the mean one of a stack."""
    d, load = served.deployment, served.workload
    if d is None or load is None:
        return served.itl_decode_s
    work = decode_work(d, context_tokens=load.context_tokens, concurrency=served.users)
    return Step.of(work, served.efficiency, d).itl_s


def _tokens_per_step(deployment: Deployment | None) -> tuple[float, ...]:
    """Shares of the tokens that come in steps of 1, 2, ... tokens."""
    guess = deployment.speculation if deployment else None
    if guess is None:
        return (1.0,)
    steps = [guess.accept**n * (1 - guess.accept) for n in range(guess.tokens)]
    steps.append(guess.accept**guess.tokens)
    tokens = [n * share for n, share in enumerate(steps, 1)]
    return tuple(share / sum(tokens) for share in tokens)


# The mean that each is a percentile of, as `Served` names it.
MEANS = {"itl": "itl_s", "tpot": "itl_s", "ttft": "ttft_mean_s", "e2e": "e2e_s"}


def percentile(estimates: Estimates, quantity: str, percent: float) -> Estimate:
    """Estimate a percentile of a latency, for users at once.

    Parameters
    ----------
    estimates : Estimates
        What can be expected of a deployment under a load.
    quantity : str
        One of `spec.TAILED`: "itl" is every gap between two tokens, "tpot" the mean gap
        of a request, "ttft" its time to the first token, "e2e" to the last.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    Estimate
        Value, interval and ceiling [s].

    Raises
    ------
    BadInput
        When the quantity is not known, or the percent is not between 0 and 100.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.spec import Workload
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> made = calibration.estimates(b, Workload(7000, 1000, 16))
    >>> half, most = (percentile(made, "itl", p) for p in (50, 99))
    >>> half.value < made.itl_s.value < most.value
    True
    """
    quantity = one_of("quantity", quantity, TAILED)
    check_percent(percent)
    value = quantile_s(spread_of(estimates.served), quantity, percent)
    ceiling = ceiling_s(estimates.ceiling, quantity, percent)
    mean = estimates.of(MEANS[quantity], bounded=False)
    value = max(value, ceiling)
    low, high = value * mean.low / mean.value, value * mean.high / mean.value
    return Estimate(value, max(low, ceiling), high, ceiling, mean.reason)


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


def ceiling_s(ceiling: Served, quantity: str, percent: float) -> Number:
    """Compute what the spec sheet allows of a percentile.

    Parameters
    ----------
    ceiling : Served
        The load at full efficiency.
    quantity : str
        One of `spec.TAILED`.
    percent : float
        Percent of them that are no longer.

    Returns
    -------
    float or array
        The least latency [s].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.serving import serve
    >>> from llmcap_kernel.spec import Workload
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> best = serve(one, Workload(1000, 500, 8))
    >>> ceiling_s(best, "ttft", 99) == best.ttft_idle_s
    True
    """
    if quantity == "itl":
        return spread_of(ceiling).gap_s(percent)
    # a prompt that waits for no other, and gaps that no prompt delays
    return {
        "tpot": ceiling.itl_decode_s,
        "ttft": ceiling.ttft_idle_s,
        "e2e": ceiling.ttft_idle_s + ceiling.work.output_tokens * ceiling.itl_decode_s,
    }[quantity]
