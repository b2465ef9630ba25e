"""Other values of max_num_batched_tokens that cost less within the limits.

More prompt tokens in a step compute prompts sooner, but make the steps that carry them longer. So
a limit on first tokens and one on gaps pull in opposite directions. Where a percentile of the gaps
jumps to steps with prompts, shorter steps also need fewer copies.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from .copies import Choice, judge
from .rows import cost, row_of
from .search import Search
from .space import HOME

STEPS = (512, 1024, 2048, 4096, 8192, 16_384)  # values of max_num_batched_tokens to try
TRIED = 48  # candidates that miss a latency: the nearest on each hardware
COPIED = 4  # candidates in several copies: the cheapest on each hardware


def with_other_steps(result: Search) -> Choice | None:
    """Find the cheapest candidate that meets every limit with another number of tokens a step.

    Parameters
    ----------
    result : Search
        A search.

    Returns
    -------
    Choice or None
        Cheaper than the answer, with its `max_num_batched_tokens`: of one that misses a limit the
        nearest to the engine's own, of one in several copies the number with the fewest. None
        where there is none, or the tokens of a step were chosen.

    References
    ----------
    Agrawal et al. 2024, arXiv 2403.02310, section 4.3, on choosing the token budget by the limits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, search
    >>> on = {"models": ["llama-3.1-70b"], "gpus": ["a100-sxm-80gb"], "weights": ["fp8"]}
    >>> one = with_other_steps(search(WORKED_WORKLOAD, WORKED_SLO, tps=[2], **on))
    >>> one.meets_all, one.deployment.max_num_batched_tokens
    (True, 4096)
    """
    late_numbers, copied_numbers = islice(_late(result), TRIED), islice(_in_copies(result), COPIED)
    choices = [next(_other_steps(result, number), None) for number in late_numbers]
    choices += chain.from_iterable(_other_steps(result, number) for number in copied_numbers)
    priced = (
        (cost(row_of(choice), result.rank), choice) for choice in choices if choice is not None
    )
    least_cost, cheapest = min(priced, key=lambda pair: pair[0], default=((math.inf,), None))
    return cheapest if least_cost < _answer_cost(result) else None


def _answer_cost(result: Search) -> tuple[float, ...]:
    """Give the cost of the answer; infinite where there is none."""
    return cost(result.rows[result.order[0]], result.rank) if result.order else (math.inf,)


def _other_steps(result: Search, number: int) -> Iterator[Choice]:
    """Yield a candidate with other values that meet every limit, nearest to its own first."""
    deployment = result.space[number]
    engine_tokens = deployment.batch_limit_tokens
    others = (tokens for tokens in STEPS if tokens != engine_tokens)
    for tokens in sorted(others, key=lambda n: max(n / engine_tokens, engine_tokens / n)):
        choice = judge(replace(deployment, max_num_batched_tokens=tokens), result.asked, number)
        if choice.meets_all:
            yield choice


def _latencies(result: Search) -> set[str]:
    """Name the limits that the tokens of a step change."""
    return {"latency", "prefill", *(tail.name for tail in result.asked.slo.tails)}


def _is_open(result: Search, number: int) -> bool:
    """Say whether the tokens of a step can be changed and nobody chose them."""
    block = result.space.block(number)
    chosen = any(limits.max_num_batched_tokens for limits in block.limits)
    return not chosen and block.engine.family != HOME


def _late(result: Search) -> Iterable[int]:
    """List cheaper candidates that miss latencies only, nearest miss first."""
    answer_cost, latencies = _answer_cost(result), _latencies(result)

    def late(number: int) -> bool:
        row = result.rows[number]
        if not _is_open(result, number) or cost(row, result.rank)[0] >= answer_cost[0]:
            return False
        missed = row.missed()
        return bool(missed) and latencies.issuperset(missed)

    return result.first_of_each(filter(late, result.misses))


def _in_copies(result: Search) -> Iterable[int]:
    """List candidates that meet limits on latencies in several copies, cheapest first."""
    limited = (
        _latencies(result) & result.rows[result.order[0]].headrooms.keys() if result.order else ()
    )
    in_copies = (n for n in result.order if result.rows[n].copies > 1 and _is_open(result, n))
    return result.first_of_each(in_copies) if limited else ()
