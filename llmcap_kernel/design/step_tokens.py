"""The tokens of a step: where another number than the engine's own meets limits that it misses.

More prompt tokens in a step compute prompts sooner, and every step that carries them is longer:
the two pull a limit on first tokens and one on gaps in opposite directions.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from .copies import Choice, judged
from .rows import cost, row_of
from .search import Search
from .space import HOME

STEPS = (512, 1024, 2048, 4096, 8192, 16_384)  # tokens that are tried
TRIED = 48  # candidates: the nearest miss on each hardware


def with_other_steps(found: Search) -> Choice | None:
    """Find the cheapest candidate that another number of tokens a step lets meet every limit.

    Parameters
    ----------
    found : Search
        A search.

    Returns
    -------
    Choice or None
        Cheaper than the answer, with its `max_num_batched_tokens`: of several the nearest to the
        engine's own. None where there is none, or the tokens of a step were chosen.

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
    made = (_other_steps(found, number) for number in islice(_late(found), TRIED))
    good = [one for one in made if one is not None]
    return min(good, key=lambda one: cost(row_of(one), found.rank), default=None)


def _other_steps(found: Search, number: int) -> Choice | None:
    """One candidate with the tokens nearest to the engine's own that meet every limit."""
    deployment = found.space[number]
    own = deployment.batch_limit_tokens
    others = (tokens for tokens in STEPS if tokens != own)  # with its own it is late
    for tokens in sorted(others, key=lambda n: max(n / own, own / n)):
        one = judged(replace(deployment, max_num_batched_tokens=tokens), found.asked, number)
        if one.meets_all:
            return one
    return None


def _late(found: Search) -> Iterable[int]:
    """Candidates that miss latencies alone and cost less than the answer, nearest miss first."""
    most = cost(found.rows[found.order[0]], found.rank) if found.order else (float("inf"),)
    slo = found.asked.slo
    latencies = {"latency", "prefill", *(tail.name for tail in slo.tails)}

    def late(number: int) -> bool:
        row, block = found.rows[number], found.space.block(number)
        missed = row.missed()
        chosen = any(limits.max_num_batched_tokens for limits in block.limits)
        if chosen or block.engine.family == HOME or cost(row, found.rank)[0] >= most[0]:
            return False
        return bool(missed) and latencies.issuperset(missed)

    return found.first_of_each(filter(late, found.misses))
