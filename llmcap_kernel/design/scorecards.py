"""Two to four cards side by side, and the worked spec of the book."""

from dataclasses import dataclass

from .. import catalog
from ..explain import Explained, Line, quantity, wrapped
from ..spec import BadInput, Slo, Workload
from .cards import card
from .limits import IMPOSSIBLE

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _aligned(rows):
    """Line up a table's cells: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{name:{widths[0]}}", *map(str.rjust, cells, widths[1:])]).rstrip()
        for name, *cells in rows
    ]


@dataclass(frozen=True)
class Scorecard(Explained):
    """Deployments side by side for the same users.

    Attributes
    ----------
    cards : tuple of Card
        The columns.
    """

    cards: tuple

    @property
    def winner(self):
        """The column that meets every limit at the least expected price; None if none does."""
        good = [c for c in self.cards if c.meets_all]
        priced = [c for c in good if c.usd_mtok is not None]
        if priced:
            return min(priced, key=lambda c: c.usd_mtok.value)
        return good[0] if good else None

    @property
    def verdict(self):
        """Which column to run and why not the others, in words."""
        best = self.winner
        if best is None:
            reasons = "; ".join(f"{c.label}: {c.binding}" for c in self.cards)
            return f"None meets every limit. {reasons}."
        others = []
        for c in self.cards:
            if c is best:
                continue
            if not c.meets_all:
                limit = c.limits[0]
                how = "cannot meet" if limit.verdict == IMPOSSIBLE else "misses"
                others.append(f"{c.label} {how} {limit.name}: {limit.sentence}")
            elif c.usd_mtok is not None and best.usd_mtok is not None:
                times = c.usd_mtok.value / best.usd_mtok.value
                others.append(f"{c.label} meets the limits at {times:.2f}x the price per token")
            else:
                others.append(f"{c.label} meets the limits too")
        price = quantity(best.usd_mtok.value, "USD/Mtok") if best.usd_mtok else "unpriced"
        least = best.limits[0]
        room = f"{least.name} {least.words} with {least.headroom:.2f}x headroom"
        return ". ".join([f"Run {best.label}, at {price} output, {room}", *others]) + "."

    def text(self):
        """Write the scorecard as a table for a terminal or a narrow page.

        Returns
        -------
        str
            Columns, rows, what binds each, verdict and warnings.
        """
        out = [f"{c.label} = {c.deployment.title}" for c in self.cards if c.label]
        table = [("", *(c.label for c in self.cards))]
        for cells in zip(*(c.brief() for c in self.cards), strict=True):
            table.append((cells[0][0], *(text for _, text in cells)))
        out += ["", *_aligned(table), "", "What binds"]
        for c in self.cards:
            out += wrapped(c.binding, f"{c.label}: ")
            if not c.starts:
                out += wrapped(c.fits_text, "   ")
        out += ["", *wrapped(self.verdict, later="")]
        for c in self.cards:
            for note in c.warnings:
                out += ["", *wrapped(note.text, f"note, {c.label}: ")]
        return "\n".join(out)

    def lines(self):
        out = []
        for c in self.cards:
            out.append(Line(c.label, c.deployment.title, "", c.fits_text))
            out += c.lines()
        return tuple(out)


def scorecard(columns, workload, slo=None) -> Scorecard:
    """Put deployments side by side.

    Parameters
    ----------
    columns : mapping of str to Deployment, or iterable of Deployment
        One or more, with their headings; A, B, C ... when left out.
    workload : Workload
        What the users do, the same for all.
    slo : Slo, optional
        What must hold.

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
    """
    if not hasattr(columns, "items"):
        columns = tuple(columns)
        if len(columns) > len(LABELS):
            raise BadInput("columns", f"columns are {len(columns)}: it takes 1 to {len(LABELS)}.")
        columns = dict(zip(LABELS, columns, strict=False))
    if not columns:
        raise BadInput("columns", "columns is empty: it takes at least one deployment.")
    return Scorecard(tuple(card(d, workload, slo, label=n) for n, d in columns.items()))


WORKED_WORKLOAD = Workload(input_tokens=7000, output_tokens=1000, concurrency=16)
WORKED_SLO = Slo(itl_s=0.050, usd_h=30.0)


def worked_spec():
    """Give the three deployments of the worked spec, a coding agent.

    The engine is the newest vLLM, held to the memory fraction of 0.90 that was
    its default until version 0.20 raised it to 0.92.

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
    same = {"weights": "fp8", "kv": "fp8", "memory_fraction": 0.90}
    llama = {"model": "llama-3.1-70b", "gpu": "h100-sxm", **same}
    return (
        catalog.deployment(**llama),
        catalog.deployment(**llama, tp=2),
        catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8, **same),
    )
