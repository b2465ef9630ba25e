"""Two to four cards side by side, and the worked spec of the book."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import catalog
from ..explain import Explained, Line, quantity, wrapped
from ..refuse import BadInput
from ..spec import USUAL_LOAD, Deployment, Slo, Tail, Workload
from .cards import Card, card, price
from .copies import card_at_rate
from .limits import LIKELY, MET, Limit

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the cells of a table: the first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{name:{widths[0]}}", *map(str.rjust, cells, widths[1:])]).rstrip()
        for name, *cells in rows
    ]


@dataclass(frozen=True)
class Scorecard(Explained):
    """Deployments side by side for the same users, or the same rate of requests.

    Attributes
    ----------
    cards : tuple of Card
        The columns.
    """

    cards: tuple[Card, ...]

    @property
    def winner(self) -> Card | None:
        """The column that meets every limit at the lowest expected price; None if none does."""
        feasible = [c for c in self.cards if c.meets_all]
        return min(feasible, key=price, default=None)

    @property
    def verdict(self) -> str:
        """Which column to run and why not the others, in words."""
        best = self.winner
        if best is None:
            reasons = "; ".join(f"{c.label}: {c.binding}" for c in self.cards)
            return f"None meets every limit. {reasons}."
        others = [_beside(c, best) for c in self.cards if c is not best]
        output = quantity(best.usd_mtok.value, "USD/Mtok") if best.usd_mtok else "unpriced"
        room = _room(best.limits[0])
        summary = ", ".join([f"Run {best.label}", f"at {output} output", room, *best.doubted])
        return ". ".join([summary, *others]) + "."

    def text(self) -> str:
        """Format the scorecard as a table for a terminal or a narrow page.

        Returns
        -------
        str
            Columns, rows, binding constraints, verdict and warnings.
        """
        lines = [f"{c.label} = {c.deployment.title}" for c in self.cards if c.label]
        table: list[tuple[str, ...]] = [("", *(c.label for c in self.cards))]
        for cells in zip(*(c.brief() for c in self.cards), strict=True):
            table.append((cells[0][0], *(text for _, text in cells)))
        lines += ["", *_aligned(table), "", "What binds"]
        for c in self.cards:
            lines += wrapped(c.binding, f"{c.label}: ")
            if not c.starts:
                lines += wrapped(c.fits_text, "   ")
        lines += ["", *wrapped(self.verdict, later="")]
        for c in self.cards:
            for note in c.warnings:
                lines += ["", *wrapped(note.text, f"note, {c.label}: ")]
        return "\n".join(lines)

    def lines(self) -> tuple[Line, ...]:
        """List the derivations of all columns.

        Returns
        -------
        tuple of Line
            The steps, each column under its label.
        """
        derivation = []
        for c in self.cards:
            derivation.append(Line(c.label, c.deployment.title, "", c.fits_text))
            derivation += c.lines()
        return tuple(derivation)


def _room(limit: Limit) -> str:
    """Write a limit with its headroom."""
    joint = " with" if limit.verdict in (MET, LIKELY) else ", though the estimate has"
    return f"{limit.title} {limit.words}{joint} {limit.headroom:.2f}x headroom"


def _beside(card: Card, best: Card) -> str:
    """Compare a column with the best one, in words."""
    if card.saturated:
        return f"{card.label} does not answer all: {card.saturated}"
    if not card.meets_all:
        limit = card.limits[0]
        return f"{card.label} {limit.misses} the {limit.title}: {limit.compared}"
    meets = "meets" if card.verdict in (MET, LIKELY) else "may meet"
    if card.usd_mtok is not None and best.usd_mtok is not None:
        price_ratio = card.usd_mtok.value / best.usd_mtok.value
        return f"{card.label} {meets} the limits at {price_ratio:.2f}x the price per token"
    return f"{card.label} {meets} the limits too"


def scorecard(
    columns: Mapping[str, Deployment] | Iterable[Deployment],
    workload: Workload,
    slo: Slo | None = None,
    *,
    rate_rps: float | None = None,
) -> Scorecard:
    """Predict several deployments for the same users, or for the same rate of requests.

    Parameters
    ----------
    columns : mapping of str to Deployment, or iterable of Deployment
        One or more deployments, with their headings; A, B, C ... if omitted.
    workload : Workload
        Prompt, answer, users and shared prefix, the same for all.
    slo : Slo, optional
        Limits to meet.
    rate_rps : float, optional
        Requests that come to each of them every second, in place of users [requests/s].

    Returns
    -------
    Scorecard
        The columns and their verdict.

    Raises
    ------
    BadInput
        When there is no column, or more than 26 without a heading.

    Examples
    --------
    >>> scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO).winner.label
    'B'
    >>> scorecard(worked_spec(), WORKED_WORKLOAD, rate_rps=1.2).winner.label
    'C'
    """
    named = columns if isinstance(columns, Mapping) else _lettered(tuple(columns))
    if not named:
        raise BadInput("columns", "columns is empty: it takes at least one deployment.")
    if rate_rps is None:
        return Scorecard(tuple(card(d, workload, slo, label=n) for n, d in named.items()))
    at_rate = {n: card_at_rate(d, workload, slo or Slo(), rate_rps) for n, d in named.items()}
    return Scorecard(
        tuple(replace(made, heading=n, deployment=named[n]) for n, made in at_rate.items())
    )


def _lettered(columns: tuple[Deployment, ...]) -> dict[str, Deployment]:
    if len(columns) > len(LABELS):
        raise BadInput("columns", f"columns are {len(columns)}: it takes 1 to {len(LABELS)}.")
    return dict(zip(LABELS, columns, strict=False))


WORKED_WORKLOAD = USUAL_LOAD
WORKED_SLO = Slo(tails=(Tail("itl", 95, 0.050),), usd_h=30.0)


def worked_spec() -> tuple[Deployment, ...]:
    """Build the three deployments of the worked spec, a coding agent.

    The engine is the newest vLLM, at the memory fraction of 0.90 that was its
    default until version 0.20 raised it to 0.92.

    Returns
    -------
    tuple of Deployment
        A: Llama 3.1 70B in FP8 on one H100. B: the same on two. C: DeepSeek-V3
        on eight H200.

    Examples
    --------
    >>> [d.num_gpus for d in worked_spec()]
    [1, 2, 8]
    """
    common: dict[str, Any] = {"weights": "fp8", "kv": "fp8", "memory_fraction": 0.90}
    llama: dict[str, Any] = {"model": "llama-3.1-70b", "gpu": "h100-sxm", **common}
    return (
        catalog.deployment(**llama),
        catalog.deployment(**llama, tp=2),
        catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8, **common),
    )
