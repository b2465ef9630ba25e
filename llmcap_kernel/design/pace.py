"""The pace that an answer is held to where no limit speaks of one, and where it is lifted."""

from collections.abc import Callable
from dataclasses import replace

from ..refuse import BadInput
from ..spec import Slo
from .scorecards import WORKED_SLO
from .search import Search

PACE = WORKED_SLO.tails  # what people read: without any the cheapest writes a few tokens a second


def paced(search: Callable[[Slo], Search], limits: Slo) -> Search:
    """Search at a pace that people read, where no limit speaks of one and something keeps it.

    Parameters
    ----------
    search : callable
        Takes limits, and gives the search within them.
    limits : Slo
        What is asked.

    Returns
    -------
    Search
        Its `asked.slo` has the pace where it was taken.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, search
    >>> def on_h100(slo):
    ...     return search(WORKED_WORKLOAD, slo, models=["llama-3.1-70b"], gpus=["h100-sxm"])
    >>> [paced(on_h100, asked).asked.slo.tails == PACE for asked in (Slo(), Slo(itl_s=0.2))]
    [True, False]
    """
    if limits.itl_s or any(tail.quantity != "ttft" for tail in limits.tails):
        return search(limits)
    try:
        found = search(replace(limits, tails=(*limits.tails, *PACE)))
    except BadInput:  # a rate beyond what any answers so, if not beyond all
        return search(limits)
    return found if found.order or found.in_copies else search(limits)
