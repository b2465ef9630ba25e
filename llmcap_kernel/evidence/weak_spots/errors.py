"""How far off the measured rows are on which a mode fires, or about which there is a doubt."""

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..row import Row
from .modes import FAILURE_MODES

TIMES = (
    *("itl_ms", "itl_percentile_ms", "tpot_percentile_ms"),
    *("ttft_ms", "ttft_percentile_ms", "e2e_latency_s", "e2e_percentile_ms"),
)


NO_WORSE = 1.25  # times the median error of its like, up to which a mode is called small
FEWEST = 3  # rows a source needs to be named


def speed_ratio(metric: str | None, predicted: float, measured: float) -> float:
    """Divide predicted by measured as speeds, so that above 1 is always too optimistic.

    Parameters
    ----------
    metric : str or None
        The quantity.
    predicted, measured : float
        In the metric's own unit, above zero.

    Returns
    -------
    float
        Predicted over measured; the inverse for times.

    Examples
    --------
    >>> speed_ratio("itl_ms", 10.0, 20.0), speed_ratio("prefill_tok_s", 10.0, 20.0)
    (2.0, 0.5)
    """
    return measured / predicted if metric in TIMES else predicted / measured


@dataclass(frozen=True)
class Compared:
    """A measured row beside one prediction of it, in the row's own unit.

    Attributes
    ----------
    row : Row
        The row.
    measured, predicted : float
        Both above zero.
    """

    row: Row
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Distance from the measurement, as a share of it."""
        return abs(self.predicted / self.measured - 1)

    @property
    def ratio(self) -> float:
        """Predicted over measured, speed over speed."""
        return speed_ratio(self.row.metric, self.predicted, self.measured)

    @property
    def off(self) -> float:
        """The same distance with its sign: above 0 the prediction is too hopeful."""
        return math.copysign(self.error, self.ratio - 1)

    @property
    def unseen(self) -> float | None:
        """The error of the fit that left out the row's source; None without its prediction."""
        value = self.row.left_out[-1]
        return abs(value / self.measured - 1) if value else None


class Evidence(NamedTuple):
    """The errors of the measured rows that a failure mode or a doubt is about.

    Attributes
    ----------
    name : str
        The failure mode or doubt.
    rows : int
        Rows that it applies to.
    off : float or None
        Median relative error with its sign: above 0 the prediction is too optimistic; None
        without rows.
    error : float or None
        Median relative error, whichever way.
    alike : float or None
        The same for the rows of the same regimes that it does not apply to.
    inside : float or None
        Share of measurements inside the interval.
    unseen, unseen_alike : float or None
        `error` and `alike` of fits that left out the row's source; None where the file of
        predictions has none.
    sources : tuple of tuple
        Source, rows and `off` of them, the largest first.
    worst : tuple of str
        Ids of the rows with the largest errors.
    """

    name: str
    rows: int
    off: float | None = None
    error: float | None = None
    alike: float | None = None
    inside: float | None = None
    unseen: float | None = None
    unseen_alike: float | None = None
    sources: tuple[tuple[str, int, float], ...] = ()
    worst: tuple[str, ...] = ()

    @property
    def is_small(self) -> bool:
        """Whether its rows are predicted about as well as similar ones, in the fit or left out."""
        if self.error is None:
            return False
        unseen = self.unseen is None or _no_worse(self.unseen, self.unseen_alike)
        return unseen and _no_worse(self.error, self.alike)


def _no_worse(error: float, alike: float | None) -> bool:
    return error <= 0.05 or (alike is not None and error <= NO_WORSE * alike)


def _modes_of(row: Row) -> tuple[str, ...]:
    return row.failure_modes


def evidence(
    rows: Iterable[Row],
    names: tuple[str, ...] = FAILURE_MODES,
    fired: Callable[[Row], tuple[str, ...]] = _modes_of,
) -> tuple[Evidence, ...]:
    """Compute the errors of the rows on which each failure mode fires.

    Parameters
    ----------
    rows : iterable of Row
        Predicted beside measured.
    names : tuple of str
        The names to look for.
    fired : callable
        Takes a row and returns the names that apply to it.

    Returns
    -------
    tuple of Evidence
        One for each name, in the same order.
    """
    usable = [Compared(r, r.measured, r.predicted) for r in rows if r.predicted and r.measured]
    marked = [(one, fired(one.row)) for one in usable]
    out = []
    for name in names:
        hits = [one for one, found in marked if name in found]
        regimes = {one.row.regime for one in hits}
        alike = [one for one, found in marked if one.row.regime in regimes and name not in found]
        out.append(_evidence(name, hits, alike))
    return tuple(out)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _evidence(name: str, hits: list[Compared], alike: list[Compared]) -> Evidence:
    if not hits:
        return Evidence(name, 0)
    by_distance = sorted(hits, key=lambda one: -abs(math.log(one.ratio)))
    return Evidence(
        name=name,
        rows=len(hits),
        off=statistics.median(one.off for one in hits),
        error=statistics.median(one.error for one in hits),
        alike=_median(one.error for one in alike),
        inside=sum(one.row.inside for one in hits) / len(hits),
        unseen=_median(one.unseen for one in hits),
        unseen_alike=_median(one.unseen for one in alike),
        sources=_by_source(hits),
        worst=tuple(one.row.id for one in by_distance[:3]),
    )


def _by_source(hits: list[Compared]) -> tuple[tuple[str, int, float], ...]:
    groups: dict[str, list[float]] = {}
    for one in hits:
        groups.setdefault(one.row.source, []).append(one.off)
    found = [(s, len(v), statistics.median(v)) for s, v in groups.items() if len(v) >= FEWEST]
    return tuple(sorted(found, key=lambda entry: -abs(entry[2])))
