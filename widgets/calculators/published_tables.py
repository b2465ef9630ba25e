"""What the published rows say, in tables: a part of Validate."""

import math
from collections import Counter
from functools import cache

from llmcap_kernel.evidence import fit, weak_spots
from llmcap_kernel.explain import digits

from .. import benchmarks
from . import answers, published
from .published import GROUP_OF, GROUPS, SIDE_BY_SIDE, UNITS, measured_rows, names_of, percent, way

FARTHEST_ROWS = 8
IN_SIGHT = 3  # each row fills a quarter of a phone


def by_group(filters, state):
    """Set every choice of prediction beside the others, so that none can be picked to look well.

    Parameters
    ----------
    filters : tuple of str
        A value for each of `published.FILTERS`.
    state : dict
        A complete state of Validate.

    Returns
    -------
    dict
        A table.
    """
    rows = []
    for name, group in GROUPS.items():
        medians = published.medians(filters, name)
        points = published.points_left(filters, name, state["against"])
        if name == "percentile" and not points:
            continue  # nobody's but a reader's own
        rows.append(
            [
                group.title,
                f"{len(points):,}",
                *(percent(medians[against]) for against in SIDE_BY_SIDE),
                percent(published.inside(points)),
            ]
        )
    return {
        "caption": "Half of the rows are within",
        "columns": ["Measured", "Rows", *SIDE_BY_SIDE.values(), "Chosen: in interval"],
        "rows": rows,
        "highlight": [i for i, row in enumerate(rows) if row[0] == GROUPS[state["metric"]].title],
    }


ROW_COLUMNS = ["Row", "What", "Measured", "Predicted", "Off", "Why"]


def row_cells(p):
    """Write a point in the columns of `ROW_COLUMNS`.

    Parameters
    ----------
    p : Point
        The point.

    Returns
    -------
    list of str
        Its cells.
    """
    row, unit = p.row, UNITS[p.row.metric]
    return [
        row.id,
        f"{row.model}, {row.gpu}, {row.engine}",
        f"{digits(p.measured)} {unit}",
        f"{digits(p.predicted)} {unit}",
        way(p.off),
        why(row),
    ]


def why(row):
    """Name what is known to go wrong with such a row.

    Parameters
    ----------
    row : Row
        The row.

    Returns
    -------
    str
        The rules that fire, and the doubts about it.
    """
    doubted = {one.name: one.title for one in weak_spots.DOUBTS}
    titles = [weak_spots.mode(name).title for name in row.failure_modes]
    titles += [f"row in doubt: {doubted[name]}" for name in row.doubts]
    return "; ".join(titles) or "no rule fires"


def farthest(shown, state):
    """List the points that are farthest off.

    Parameters
    ----------
    shown : sequence of Point
        The points.
    state : dict
        A complete state of Validate.

    Returns
    -------
    list of dict
        Tables: of each model, card and engine one row, the rest of them folded.
    """
    far: dict = {}
    for p in sorted(shown, key=lambda p: -abs(math.log(p.ratio))):
        far.setdefault((p.row.model, p.row.gpu, p.row.engine), p)
    far_rows = list(far.values())[:FARTHEST_ROWS]
    table = {
        "caption": f"Farthest off, one for each model, card and engine: {lower(state['metric'])}",
        "columns": ROW_COLUMNS,
        "rows": [row_cells(p) for p in far_rows],
        "links": [benchmarks.address(benchmarks.measured()[p.row.id]["source"]) for p in far_rows],
        "highlight": [],
        "stack": True,
    }
    return answers.in_sight(table, "The next {} farthest off", IN_SIGHT)


def lower(metric):
    """Name a group within a sentence.

    Parameters
    ----------
    metric : str
        One of `GROUPS`.

    Returns
    -------
    str
        Its title without its capital.
    """
    return GROUPS[metric].title.lower()


@cache
def evidence_tables():
    """List failure modes, doubts and sources, each with its rows.

    Returns
    -------
    tuple of dict
        Tables; none where the files are not installed.
    """
    rows = measured_rows()
    if not rows:
        return ()
    found = zip(weak_spots.MODES, weak_spots.evidence(rows), strict=True)
    modes = sorted(found, key=lambda pair: _farthest_first(pair[1]))
    return *_how_far(modes), _what_to_do(modes), _doubted(rows), _by_source(rows)


def _farthest_first(evidence):
    """Sort by the error that a source of one's own can expect; what nobody measured is last."""
    unseen = evidence.error if evidence.unseen is None else evidence.unseen
    return -(unseen or 0.0)


def _how_far(modes):
    quiet = [None] * len(EVIDENCE_COLUMNS)
    table = {
        "caption": "Failure modes: rules that fire before anything is measured",
        "columns": ["Failure mode", *EVIDENCE_COLUMNS, "Verdict"],
        "rows": [[one.title, *_numbers(e), _verdict(e)] for one, e in modes],
        "levels": [[*quiet, "good" if e.is_small else "warn"] for _, e in modes],
        "highlight": [],
    }
    return answers.in_sight(table, "The other {} failure modes", IN_SIGHT)


def _what_to_do(modes):
    return {
        "caption": f"What goes wrong, which rows show it, what to do: {len(modes)} failure modes",
        "columns": ["Failure mode", "What goes wrong", "Rows that show it", "What to do"],
        "rows": [
            [one.title, one.wrong, SMALL * e.is_small + shown_by(e), one.advice] for one, e in modes
        ],
        "highlight": [],
        "stack": True,
        "fold": True,
    }


def _doubted(rows):
    names = tuple(one.name for one in weak_spots.DOUBTS)
    doubts = weak_spots.evidence(rows, names, lambda row: row.doubts)
    return {
        "caption": f"Rows that may be wrong themselves: {len(doubts)} reasons to doubt one",
        "columns": ["Which", "The doubt", "Rows", "Half within", "Their like", "Middle one"],
        "rows": [
            [one.title, one.why, *_counted(e, e.alike)]
            for one, e in zip(weak_spots.DOUBTS, doubts, strict=True)
        ],
        "highlight": [],
        "stack": True,
        "fold": True,
    }


def _by_source(rows):
    found = weak_spots.evidence(rows, tuple(names_of("source")), lambda row: (row.source,))
    sources = sorted(found, key=_farthest_first)
    return {
        "caption": f"Source by source, the farthest off first: {len(sources)} sources",
        "columns": [
            *("Source", "Rows", "Half within", "Source left out", "Middle one"),
            *("Weight of a row", "What its rows say"),
        ],
        "rows": [
            [
                e.name,
                *_counted(e, e.unseen),
                _weight(row for row in rows if row.source == e.name),
                _measures(e.name),
            ]
            for e in sources
        ],
        "links": [benchmarks.sources()[e.name]["url"] for e in sources],
        "highlight": [],
        "fold": True,
    }


def _weight(rows):
    """What rows count in the fit, and where some count less."""
    return " or ".join(f"{weight:g}" for weight in sorted({fit.weight(r.doubts) for r in rows}))


EVIDENCE_COLUMNS = (
    *("Rows", "Half within", "Their like", "Source left out", "Like, left out"),
    "Middle one",
)
SMALL = "Turned out small. "


def _measures(source):
    """What a source measured, the most rows first."""
    count = Counter(GROUP_OF[row.metric] for row in measured_rows() if row.source == source)
    return ", ".join(lower(name) for name, _ in count.most_common())


def _numbers(e):
    """How many rows, how far off they and their like are, seen and unseen, and which way."""
    return _counted(e, e.alike, e.unseen, e.unseen_alike)


def _counted(e, *others):
    middle = way(e.off) if e.rows else "none"
    return [f"{e.rows:,}", *map(percent, (e.error, *others)), middle]


def _verdict(e):
    if not e.rows:
        return "not measured"
    return "small" if e.is_small else "matters"


def shown_by(evidence):
    """Name the sources and rows that show a failure mode.

    Parameters
    ----------
    evidence : Evidence
        As `failures.evidence` gives it.

    Returns
    -------
    str
        The sources farthest off, and the rows farthest off.

    Examples
    --------
    >>> shown_by(weak_spots.Evidence("a", 4, sources=(("prem", 4, 0.5),), worst=("m1",)))
    'prem, 4 rows: 50% too hopeful. Farthest: m1.'
    >>> shown_by(weak_spots.Evidence("a", 0))
    'No row can be compared.'
    """
    if not evidence.rows:
        return "No row can be compared."
    by = [f"{s or 'no source'}, {n:,} rows: {way(off)}" for s, n, off in evidence.sources[:3]]
    return f"{'; '.join(by)}. Farthest: {', '.join(evidence.worst)}."
