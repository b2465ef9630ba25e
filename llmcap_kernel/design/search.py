"""What to run, and why not the next one."""

import itertools
from dataclasses import dataclass

from .. import catalog
from ..explain import quantity, wrapped
from ..spec import BadInput
from .cards import Card, card


@dataclass(frozen=True)
class Search:
    """What a search found: the deployments that hold, and why the rest do not.

    Attributes
    ----------
    found : tuple of Card
        Those that meet every limit, cheapest per token first.
    passed_over : tuple of Card
        The others, nearest miss first.
    """

    found: tuple
    passed_over: tuple

    @property
    def by_hardware(self):
        """The best card for each kind and number of GPUs, in the order of the search."""
        kept: dict[tuple, Card] = {}
        for c in (*self.found, *self.passed_over):
            kept.setdefault((c.deployment.gpu.name, c.deployment.num_gpus), c)
        return tuple(kept.values())

    def text(self, rows=5):
        """Write the answer, the next best, and the nearest misses, hardware by hardware.

        Parameters
        ----------
        rows : int
            How many of each to print.

        Returns
        -------
        str
            Two lines for each kind and number of GPUs: its best formats, and
            what binds there.
        """
        good = [c for c in self.by_hardware if c.meets_all]
        bad = [c for c in self.by_hardware if not c.meets_all]
        out = ["meets every limit, cheapest per token first:"] if good else []
        for c in good[:rows]:
            price = quantity(c.usd_mtok.value, "USD/Mtok") if c.usd_mtok else "unpriced"
            out += [
                f"  {_short_title(c.deployment)}: {price}",
                *wrapped(c.binding, " " * 6, " " * 6),
            ]
        out.append("why not:" if good else "nothing meets every limit, nearest miss first:")
        for c in bad[:rows]:
            out += [f"  {_short_title(c.deployment)}", *wrapped(c.binding, " " * 6, " " * 6)]
        return "\n".join(out if bad or not good else out[:-1])


def _short_title(deployment):
    """Leave the model out, which a search has only one of."""
    cards = deployment.title.split(" / ")[1]
    return f"{cards}, {deployment.weights.name} weights, {deployment.kv.name} KV"


def search(
    model,
    workload,
    slo,
    *,
    gpus,
    weights=("bf16", "fp8"),
    kv=("bf16", "fp8"),
    tps=(1, 2, 4, 8),
    dp_attention=(False,),
):
    """Walk the deployments of a model and keep those that meet every limit.

    Parameters
    ----------
    model : str or Model
        The model.
    workload : Workload
        What the users do.
    slo : Slo
        What must hold.
    gpus : iterable of str
        Cards to try.
    weights, kv : iterable of str
        Formats to try.
    tps : iterable of int
        Card counts to try.
    dp_attention : iterable of bool
        Whether attention is split by head, by user, or each in turn.

    Returns
    -------
    Search
        What holds, cheapest first, and why the rest does not.

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
                continue  # a topology this card or model cannot have is no candidate
            raise
        column = card(trial, workload, slo)
        (found if column.meets_all else passed).append(column)
    found.sort(key=lambda c: (_price(c), c.deployment.num_gpus))
    passed.sort(
        key=lambda c: (-c.limits[0].headroom, c.ledger.needed_bytes / c.ledger.budget_bytes)
    )
    return Search(tuple(found), tuple(passed))


def _nearness(column):
    """The nearest miss first, and of equal ones the one that lacks least memory."""
    return -column.limits[0].headroom, column.ledger.needed_bytes / column.ledger.budget_bytes


def _price(column):
    return column.usd_mtok.value if column.usd_mtok else float("inf")
