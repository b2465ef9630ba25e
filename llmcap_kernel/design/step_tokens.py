"""The tokens of a step: where another number than the engine's own costs less within the limits.

More prompt tokens in a step compute prompts sooner, and every step that carries them is longer:
the two pull a limit on first tokens and one on gaps in opposite directions. So does the number of
copies: where a percentile of the gaps jumps to steps with prompts, shorter ones spare copies.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from .copies import Choice, judged
from .rows import cost, row_of
from .search import Search
from .space import HOME

STEPS = (512, 1024, 2048, 4096, 8192, 16_384)  # tokens that are tried
TRIED = 48  # candidates: the nearest miss on each hardware
COPIED = 4  # candidates in several copies: the cheapest on each hardware


def with_other_steps(found: Search) -> Choice | None:
    """Find the cheapest candidate that meets every limit with another number of tokens a step.

    Parameters
    ----------
    found : Search
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
    late, copied = islice(_late(found), TRIED), islice(_in_copies(found), COPIED)
    made = [next(_other_steps(found, number), None) for number in late]
    made += chain.from_iterable(_other_steps(found, number) for number in copied)
    costs = ((cost(row_of(one), found.rank), one) for one in made if one is not None)
    least, cheapest = min(costs, key=lambda each: each[0], default=((math.inf,), None))
    return cheapest if least < _most(found) else None


def _most(found: Search) -> tuple[float, ...]:
    """What the answer costs; infinite where there is none."""
    return cost(found.rows[found.order[0]], found.rank) if found.order else (math.inf,)


def _other_steps(found: Search, number: int) -> Iterator[Choice]:
    """One candidate with other tokens that meet every limit, the nearest to the engine's first."""
    deployment = found.space[number]
    own = deployment.batch_limit_tokens
    others = (tokens for tokens in STEPS if tokens != own)
    for tokens in sorted(others, key=lambda n: max(n / own, own / n)):
        one = judged(replace(deployment, max_num_batched_tokens=tokens), found.asked, number)
        if one.meets_all:
            yield one


def _latencies(found: Search) -> set[str]:
    """Names of the limits that the tokens of a step move."""
    return {"latency", "prefill", *(tail.name for tail in found.asked.slo.tails)}


def _is_open(found: Search, number: int) -> bool:
    """Whether an engine has steps of prompts and nobody chose how long."""
    block = found.space.block(number)
    chosen = any(limits.max_num_batched_tokens for limits in block.limits)
    return not chosen and block.engine.family != HOME


def _late(found: Search) -> Iterable[int]:
    """Candidates that miss latencies alone and cost less than the answer, nearest miss first."""
    most, latencies = _most(found), _latencies(found)

    def late(number: int) -> bool:
        row = found.rows[number]
        if not _is_open(found, number) or cost(row, found.rank)[0] >= most[0]:
            return False
        missed = row.missed()
        return bool(missed) and latencies.issuperset(missed)

    return found.first_of_each(filter(late, found.misses))


def _in_copies(found: Search) -> Iterable[int]:
    """Candidates that meet limits on latencies in several copies, cheapest first."""
    limited = _latencies(found) & found.rows[found.order[0]].headrooms.keys() if found.order else ()
    several = (n for n in found.order if found.rows[n].copies > 1 and _is_open(found, n))
    return found.first_of_each(several) if limited else ()
