"""Search: the deployments that meet every limit, and why the others do not."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from .. import catalog
from ..explain import quantity, wrapped
from ..spec import BadInput, Deployment, Model, Slo, Workload
from .cards import Card, card, price


@dataclass(frozen=True)
class Search:
    """Result of a search: the deployments that meet every limit, and the others.

    Attributes
    ----------
    found : tuple of Card
        Those that meet every limit, cheapest per token first.
    passed_over : tuple of Card
        The others, nearest miss first.
    """

    found: tuple[Card, ...]
    passed_over: tuple[Card, ...]

    @property
    def by_hardware(self) -> tuple[Card, ...]:
        """The best card for each kind and number of GPUs, in the order of the search."""
        best: dict[tuple[str, int], Card] = {}
        for c in (*self.found, *self.passed_over):
            best.setdefault((c.deployment.gpu.name, c.deployment.num_gpus), c)
        return tuple(best.values())

    def text(self, rows: int = 5) -> str:
        """Format the best deployments and the nearest misses, by hardware.

        Parameters
        ----------
        rows : int
            Number of each to print.

        Returns
        -------
        str
            Two lines for each kind and number of GPUs: the best formats, and the
            binding constraint.
        """
        good = [c for c in self.by_hardware if c.meets_all]
        bad = [c for c in self.by_hardware if not c.meets_all]
        out = ["meets every limit, cheapest per token first:"] if good else []
        for c in good[:rows]:
            output = quantity(c.usd_mtok.value, "USD/Mtok") if c.usd_mtok else "unpriced"
            out += [
                f"  {_short_title(c.deployment)}: {output}",
                *wrapped(c.binding, " " * 6, " " * 6),
            ]
        out.append("why not:" if good else "nothing meets every limit, nearest miss first:")
        for c in bad[:rows]:
            out += [f"  {_short_title(c.deployment)}", *wrapped(c.binding, " " * 6, " " * 6)]
        return "\n".join(out if bad or not good else out[:-1])


def _short_title(deployment: Deployment) -> str:
    """Title without the model, which is the same for the whole search."""
    cards = deployment.title.split(" / ")[1]
    return f"{cards}, {deployment.weights.name} weights, {deployment.kv.name} KV"


def search(
    model: str | Model,
    workload: Workload,
    slo: Slo,
    *,
    gpus: Iterable[str],
    weights: Iterable[str] = ("bf16", "fp8"),
    kv: Iterable[str] = ("bf16", "fp8"),
    tps: Iterable[int] = (1, 2, 4, 8),
    dp_attention: Iterable[bool] = (False,),
) -> Search:
    """Find the deployments of a model that meet every limit.

    Parameters
    ----------
    model : str or Model
        The model.
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo
        Limits to meet.
    gpus : iterable of str
        Cards to try.
    weights, kv : iterable of str
        Formats to try.
    tps : iterable of int
        Numbers of cards to try.
    dp_attention : iterable of bool
        Whether attention is data-parallel; both values try each in turn.

    Returns
    -------
    Search
        Deployments that meet every limit, cheapest first, and the others.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> answer = search(
    ...     "llama-3.1-70b", WORKED_WORKLOAD, WORKED_SLO, gpus=["h100-sxm", "h200-sxm"]
    ... )
    >>> answer.found[0].meets_all
    True
    """
    found: list[Card] = []
    passed: list[Card] = []
    for gpu, tp, w, k, dp in itertools.product(gpus, tps, weights, kv, dp_attention):
        try:
            trial = catalog.deployment(
                model=model, gpu=gpu, tp=tp, weights=w, kv=k, dp_attention=dp
            )
        except BadInput as problem:
            if problem.field in ("tp", "dp_attention"):
                continue  # this card or model does not allow the topology
            raise
        column = card(trial, workload, slo)
        (found if column.meets_all else passed).append(column)
    found.sort(key=lambda c: (price(c), c.deployment.num_gpus))
    passed.sort(key=_nearness)
    return Search(tuple(found), tuple(passed))


def _nearness(column: Card) -> tuple[float, float]:
    """Sort key: nearest miss first, then the one that lacks the least memory."""
    return -column.limits[0].headroom, column.ledger.needed_bytes / column.ledger.budget_bytes
