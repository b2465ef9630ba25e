"""Other values of max_num_batched_tokens that cost less within the limits.

More prompt tokens in a step compute prompts sooner, but make the steps that carry them longer. So
a limit on first tokens and one on gaps pull in opposite directions. Where a percentile of the gaps
jumps to steps with prompts, shorter steps also need fewer copies.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice

from .copies import Choice, Requirements, cards_of, judge
from .limits import MEAN_LIMITS, latency_limits
from .rows import Rows, cost, first_of_each, row_of
from .space import HOME, Space

STEPS = (512, 1024, 2048, 4096, 8192, 16_384)  # values of max_num_batched_tokens to try
TRIED = 48  # candidates that miss a latency: the nearest on each hardware
WORTH = 0.99  # share of the answer's cost that is worth another step
NEAREST = 1000  # misses among which those are looked for that only cost too much
COPIED = 4  # candidates in several copies: the cheapest on each hardware


def other_steps(space: Space, asked: Requirements, rows: Rows, rank: str) -> tuple[Choice, ...]:
    """Find candidates that are cheaper than the answer with another number of tokens a step.

    A limit on a percentile of the gaps can be met while most gaps are longer than it allows. Such
    steps are left out: the mean gap has to lie within it too.

    Parameters
    ----------
    space : Space
        The candidates, with the engine's own steps.
    asked : Requirements
        The load and the limits.
    rows : Rows
        Numbers of each candidate.
    rank : str
        One of `RANKS`.

    Returns
    -------
    tuple of Choice
        Each meets every limit with its `max_num_batched_tokens` and has the number of the
        candidate that it was made from: of one that misses a latency the tokens nearest to the
        engine's own, of one in several copies those with the lowest cost.

    References
    ----------
    Agrawal et al. 2024, arXiv 2403.02310, section 4.3, on choosing the token budget by the limits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, search
    >>> from llmcap_kernel.spec import Slo
    >>> on = {"models": ["llama-3.1-70b"], "gpus": ["h200-sxm"], "weights": ["fp8"], "tps": [4]}
    >>> own = (None,)  # the engine's own steps alone
    >>> result = search(WORKED_WORKLOAD, Slo(itl_s=0.016), max_num_batched_tokens=own, **on)
    >>> made = other_steps(result.space, result.asked, result.rows, result.rank)
    >>> [(one.meets_all, one.deployment.max_num_batched_tokens) for one in made]
    [(True, 512)]
    """
    order = rows.order(rank)
    answer_cost = cost(rows[order[0]], rank) if order else (math.inf,)

    def price(choice: Choice) -> tuple[float, ...]:
        return cost(row_of(choice), rank)

    def cost_at(number: int) -> tuple[float, ...]:
        return cost(rows[number], rank)

    cheaper = (i for i in rows.misses() if cost(rows[i], rank)[0] < answer_cost[0])
    late = (i for i in cheaper if _is_late(rows[i].missed(), asked))
    copied = _copied(rows, order, cost_at, asked) if _limits_latency(asked) else ()
    tried = [
        *(islice(_made(space, asked, i), 1) for i in _each(late, space, rows, TRIED)),
        *(_made(space, asked, i) for i in _each(copied, space, rows, COPIED)),
    ]
    best = (min(made, key=price, default=None) for made in tried)
    most = WORTH * answer_cost[0]
    return tuple(one for one in best if one is not None and price(one)[0] < most)


def _copied(
    rows: Rows,
    order: Sequence[int],
    cost_at: Callable[[int], tuple[float, ...]],
    asked: Requirements,
) -> Iterator[int]:
    """Number those in several copies, cheapest first, which other steps may make fewer.

    Copies that the rent does not allow count too.
    """
    over = []
    if asked.slo.usd_h is not None:
        many = (i for i in rows.misses()[:NEAREST] if rows[i].copies > 1)
        over = sorted((i for i in many if rows[i].missed() == ("budget",)), key=cost_at)
    return (i for i in merge(order, over, key=cost_at) if rows[i].copies > 1)


def _each(numbers: Iterable[int], space: Space, rows: Rows, most: int) -> Iterator[int]:
    """Take the first candidate of each hardware whose engine cuts prompts by a limit."""
    in_steps = (i for i in numbers if space.block(i).engine.family != HOME)
    return islice(first_of_each(in_steps, space, rows), most)


def _made(space: Space, asked: Requirements, number: int) -> Iterator[Choice]:
    """Yield a candidate with other steps that meet every limit, nearest to its own first."""
    deployment = space[number]
    own_tokens = deployment.batch_limit_tokens
    least_tokens = deployment.max_num_seqs or 0  # a step has one of each sequence
    others = (tokens for tokens in STEPS if tokens != own_tokens and tokens >= least_tokens)
    for tokens in sorted(others, key=lambda n: max(n / own_tokens, own_tokens / n)):
        candidate = replace(deployment, max_num_batched_tokens=tokens)
        strict = judge(candidate, _with_mean(asked), number)
        if strict.meets_all:
            yield cards_of(candidate, asked, number)(strict.copies, strict.workload.concurrency)


def _with_mean(asked: Requirements) -> Requirements:
    """Limit the mean gap as the percentiles of the gaps are limited."""
    slo = asked.slo
    bounds_s = [tail.bound_s for tail in slo.tails if tail.quantity == "itl"]
    if not bounds_s:
        return asked
    return asked._replace(slo=replace(slo, itl_s=min(slo.itl_s or math.inf, *bounds_s)))


def _latencies(asked: Requirements) -> set[str]:
    """Name the limits that the tokens of a step change."""
    return {*MEAN_LIMITS.values(), *(tail.name for tail in asked.slo.tails)}


def _is_late(missed: tuple[str, ...], asked: Requirements) -> bool:
    return bool(missed) and _latencies(asked).issuperset(missed)


def _limits_latency(asked: Requirements) -> bool:
    return bool(latency_limits(asked.slo))
