"""The evidence behind each engine that a search has tried."""

from dataclasses import dataclass

from .. import catalog
from .copies import Choice
from .search import Search


@dataclass(frozen=True)
class Evidence:
    """The evidence behind an engine's numbers.

    Attributes
    ----------
    engine : str
        The engine, with its version.
    speed : str
        The measurements behind its speed and the width of its interval.
    memory : str
        Where its memory settings were read.
    date : str
        The day they were read, or their source is of.
    prefix : str
        What its prefix cache saves of this load; "" where prompts share nothing.
    """

    engine: str
    speed: str
    memory: str
    date: str
    prefix: str = ""


def evidence(choice: Choice) -> Evidence:
    """Describe the evidence behind the numbers of a candidate's engine.

    Parameters
    ----------
    choice : Choice
        A candidate.

    Returns
    -------
    Evidence
        Measurements, sources and their day.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> from llmcap_kernel.design.copies import Requirements, judge
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> evidence(judge(b, Requirements(WORKED_WORKLOAD, WORKED_SLO))).engine
    'vllm-0.33'
    """
    engine, load = choice.deployment.engine, choice.workload
    source = catalog.provenance("engines", engine.name, "memory_fraction")
    speed = choice.estimates.itl_s.reason if choice.estimates else "it does not start"
    prefix = ""
    if load.shared_prefix_tokens:
        computed = load.computed_input_tokens
        prefix = f"{computed:,} of {load.input_tokens:,} prompt tokens are computed"
    return Evidence(engine.name, speed, source["title"], str(source["date"]), prefix)


def by_engine(result: Search) -> tuple[Choice, ...]:
    """List the best candidate of every engine that was tried, cheapest first.

    Parameters
    ----------
    result : Search
        A search.

    Returns
    -------
    tuple of Choice
        One for each engine: the cheapest that meets every limit, or its nearest miss.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, search
    >>> found = search(
    ...     WORKED_WORKLOAD,
    ...     WORKED_SLO,
    ...     models=["llama-3.1-70b"],
    ...     gpus=["h100-sxm"],
    ...     engines=["vllm", "sglang"],
    ... )
    >>> sorted(c.deployment.engine.family for c in by_engine(found))
    ['sglang', 'vllm']
    """
    engines = {block.engine.name for block in result.space.blocks}
    first: dict[str, int] = {}
    for i in (*result.order, *result.misses):
        first.setdefault(result.space.block(i).engine.name, i)
        if len(first) == len(engines):
            break
    return tuple(result.choice(i) for i in first.values())
