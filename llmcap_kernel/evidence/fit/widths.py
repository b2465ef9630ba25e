"""Intervals that hold for strangers: widths from sources left out of the fit.

Whoever asks is a new source. So the interval of a kind of quantity is what holds measurements of a
source that neither the fit nor the width has seen, where the engine was measured on the chips by
somebody else. Where it was not, `ignorance` is the factor by which that source needed more.
"""

import math
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ... import calibration
from .rows import Sample, label

SHARE = 0.8  # of the measurements of a new source that an interval is to contain
FEW = 5  # rows with which a source counts half as much as one with many
LEVELS = tuple(0.76 + 0.005 * n for n in range(46))
NARROWEST = 0.05


class Miss(NamedTuple):
    """By how much a row was missed with its source left out.

    Attributes
    ----------
    row : Sample
        The row.
    slower : float
        Log of how much slower it was measured than predicted.
    known : str
        "" where other sources measured the engine on the chips, else a name of
        `calibration.IGNORANCE`.
    """

    row: Sample
    slower: float
    known: str


def misses(rows: Sequence[Sample], errors: Mapping[str, float]) -> list[Miss]:
    """Put errors beside what was known without the row's source.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    errors : mapping
        Log of measured over predicted by row id, with the row's source left out.

    Returns
    -------
    list of Miss
        Those of the rows that have an error.
    """
    sources: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        for what in _groups_of(row):
            sources[what].add(row.source)
    out = []
    for row in rows:
        if row.id in errors:
            known = [bool(sources[what] - {row.source}) for what in _groups_of(row)]
            sign = 1 if calibration.METRICS[row.metric].less else -1
            out.append(Miss(row, sign * errors[row.id], calibration.ignorance(*known)))
    return out


def _groups_of(row: Sample) -> tuple[tuple[str, ...], ...]:
    """What a row tells about: its engine, its chips, and the two together."""
    engine, chips = row.family, row.deployment.gpu.family
    return (("engine", engine), ("chips", chips), (engine, chips))


Groups = dict[str, list[tuple[float, float]]]  # numbers and weights by source


def _grouped(some: Iterable[tuple[Miss, float]]) -> Groups:
    out: Groups = defaultdict(list)
    for miss, number in some:
        out[miss.row.source].append((number, miss.row.trust))
    return out


def quantile(groups: Mapping[str, Sequence[tuple[float, float]]], share: float) -> float:
    """Find a quantile of weighted numbers, in which groups count alike.

    A group of few numbers counts less, as does one of little weight.

    Parameters
    ----------
    groups : mapping
        Numbers with their weights, group by group.
    share : float
        Share of the whole below the quantile.

    Returns
    -------
    float
        The quantile.

    Examples
    --------
    >>> quantile({"many": [(0.0, 1.0)] * 95, "one": [(9.0, 1.0)]}, 0.8)
    0.0
    """
    pairs = sorted(
        (number, weight / (len(group) + FEW))
        for group in groups.values()
        for number, weight in group
    )
    wanted, passed = share * sum(weight for _, weight in pairs), 0.0
    for number, weight in pairs:
        passed += weight
        if passed >= wanted - 1e-12:
            return number
    return pairs[-1][0]


class Widths(NamedTuple):
    """Widths of intervals, as they are stored in `catalog/calibration.toml`.

    Attributes
    ----------
    intervals : dict
        By kind: "faster" and "slower", the factors on a time within which a measurement lies,
        and how many "rows" and "sources" told so.
    ignorance : dict
        Factor by which both are wider, by name of `calibration.IGNORANCE`.
    spreads : dict
        By kind: "between" and "within", how the logs of sources' misses differ from source to
        source, and from row to row of one.
    """

    intervals: dict[str, dict[str, float]]
    ignorance: dict[str, float]
    spreads: dict[str, dict[str, float]]

    def holds(self, miss: Miss) -> bool:
        """Say whether the interval of a row contains its measurement.

        Parameters
        ----------
        miss : Miss
            The row.

        Returns
        -------
        bool
            Whether it does; False of a kind without a width.
        """
        width = self.intervals.get(miss.row.kind)
        if width is None:
            return False
        wider = math.log(self.ignorance[miss.known]) if miss.known else 0.0
        faster, slower = math.log(width["faster"]) - wider, math.log(width["slower"]) + wider
        return faster <= miss.slower <= slower


def shipped_widths() -> Widths:
    """Read the widths that are in force in `calibration`.

    Returns
    -------
    Widths
        The widths in force.
    """
    table = calibration.table()
    return Widths(table["intervals"], table["ignorance"], table["spreads"])


def widths(missed: Sequence[Miss], level: float) -> Widths:
    """Find the widths that contain a share of the rows.

    Parameters
    ----------
    missed : list of Miss
        Rows that were missed.
    level : float
        Share that the widths contain.

    Returns
    -------
    Widths
        Intervals of rows of which all was known, and what the others needed beside.
    """
    kinds: dict[str, list[Miss]] = defaultdict(list)
    for miss in missed:
        if not miss.known:
            kinds[miss.row.kind].append(miss)
    intervals = {}
    for kind, some in sorted(kinds.items()):
        groups = _grouped((miss, miss.slower) for miss in some)
        faster, slower = (quantile(groups, (1 + sign * level) / 2) for sign in (-1, 1))
        intervals[kind] = {
            "faster": math.exp(min(faster, -NARROWEST)),
            "slower": math.exp(max(slower, NARROWEST)),
            "rows": len(some),
            "sources": len(groups),
        }
    spreads = {kind: _spread(_grouped((m, m.slower) for m in some)) for kind, some in kinds.items()}
    found = Widths(intervals, {}, dict(sorted(spreads.items())))
    least = 1.0
    for name in calibration.IGNORANCE:  # who knows less is never surer
        some = [m for m in missed if m.known == name and m.row.kind in intervals]
        if some:
            least = max(least, _needed(some, found, level))
        found.ignorance[name] = least
    return found


def _spread(groups: Groups) -> dict[str, float]:
    """Standard deviations between sources and within one, of those with rows enough."""
    large = [[x for x, _ in group] for group in groups.values() if len(group) >= FEW]
    if len(large) < 2:
        return {"between": math.inf, "within": 0.0}
    within = statistics.mean(map(statistics.variance, large))
    # what the rows of a source alone would make its mean differ by is no difference of sources
    own = statistics.mean(statistics.variance(group) / len(group) for group in large)
    between = max(statistics.variance(map(statistics.mean, large)) - own, 0.0)
    return {"between": between**0.5, "within": within**0.5}


def _needed(some: Sequence[Miss], known: Widths, level: float) -> float:
    """The factor on intervals at which they contain a share of rows."""
    beyond = []
    for miss in some:
        width = known.intervals[miss.row.kind]
        faster, slower = math.log(width["faster"]), math.log(width["slower"])
        beyond.append((miss, max(faster - miss.slower, miss.slower - slower, 0.0)))
    return math.exp(quantile(_grouped(beyond), level))


def coverage(missed: Iterable[Miss], found: Widths, by: str = "source") -> dict[str, float]:
    """Compute the share of undoubted measurements that intervals contain, group by group.

    Parameters
    ----------
    missed : iterable of Miss
        Rows that were missed.
    found : Widths
        The widths.
    by : str
        Kind of group, as `label` names it.

    Returns
    -------
    dict
        Share by group.
    """
    held: dict[str, list[bool]] = defaultdict(list)
    for miss in missed:
        if miss.row.trust == 1:
            held[label(miss.row, by)].append(found.holds(miss))
    return {name: sum(some) / len(some) for name, some in held.items()}


def unseen(missed: Sequence[Miss], level: float) -> dict[str, float]:
    """Compute what widths of a level contain of each source that they have not seen.

    Parameters
    ----------
    missed : list of Miss
        Rows that were missed.
    level : float
        Share of the others that the widths contain.

    Returns
    -------
    dict
        Share by source.
    """
    out: dict[str, float] = {}
    for source in sorted({miss.row.source for miss in missed}):
        mine = [miss for miss in missed if miss.row.source == source]
        others = [miss for miss in missed if miss.row.source != source]
        out |= coverage(mine, widths(others, level))
    return out


def earned(missed: Sequence[Miss]) -> tuple[float, Widths]:
    """Find the widths that contain `SHARE` of a source that they have not seen.

    Parameters
    ----------
    missed : list of Miss
        Rows that were missed.

    Returns
    -------
    tuple of (float, Widths)
        The least of `LEVELS` at which the mean over sources is that share, and its widths.
    """

    def enough(level: float) -> bool:
        held = unseen(missed, level).values()
        return sum(held) / len(held) >= SHARE

    level = LEVELS[min(bisect_left(LEVELS, True, key=enough), len(LEVELS) - 1)]
    return level, widths(missed, level)
