"""The default limit on the pace of an answer, and where it does not apply."""

from collections.abc import Callable
from dataclasses import replace

from ..refuse import BadInput
from ..spec import Slo
from .scorecards import WORKED_SLO
from .search import Search

# Reading speed: without it, the cheapest candidate writes a few tokens a second.
PACE = WORKED_SLO.tails


def paced(search: Callable[[Slo], Search], limits: Slo) -> Search:
    """Search with the default limit on pace, where no limit is on gaps and a candidate meets it.

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
        result = search(replace(limits, tails=(*limits.tails, *PACE)))
    except BadInput:  # the rate may be too high only with this limit
        return search(limits)
    return result if result.order or result.in_copies else search(limits)
