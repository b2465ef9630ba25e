"""Predicted against measured, as marks on two logarithmic axes: the figure of Validate."""

import math
import statistics
from functools import lru_cache
from html import escape

from llmcap_kernel.explain import digits, rounded

from ..figures import QUIET, RULE, TEXT, figure, mark
from ..figures.curves import log_axis
from . import published
from .published import AGAINST, GROUPS, UNITS

HEIGHT = 296
CELLS = 40  # places along an axis, a mark or two wide; of the rows on one place one is drawn
BARS = 60  # rows of a reader's file whose intervals are drawn one by one
AROUND = 3  # times beyond a reader's own rows that the axes go on
CIRCLE = {"color": mark(4), "symbol": "circle", "size": 6, "opacity": 0.55}
# lighter, and below the circles: few rows, far apart, would hide the many that lie together
CROSS = {"color": mark(7), "symbol": "x", "size": 6, "opacity": 0.5}
CLOUD = {"color": mark(6), "symbol": "circle", "size": 5, "opacity": 0.3, "line": {"width": 0}}


@lru_cache(maxsize=32)
def of_published(filters, group, against):
    """Draw the published rows; a choice taken back is drawn at once.

    Parameters
    ----------
    filters : tuple of str
        A value for each of `published.FILTERS`.
    group, against : str
        One of `published.GROUPS` and one of `published.AGAINST`.

    Returns
    -------
    dict or None
        The figure; None where there is no row.
    """
    shown = published.points_left(filters, group, against)
    if not shown:
        return None
    kept, missed = _parted(shown)
    name = "in its interval" if against != "ceiling" else "published rows"
    low, high = _ends(shown, 1.5)
    marked = [
        marks(missed, "outside it", CROSS, low, high),
        marks(kept, name, CIRCLE, low, high),
    ]
    alt = (
        f"{GROUPS[group].title}: {len(shown):,} predictions across and their measurements "
        f"upwards, both logarithmic. Prediction: {AGAINST[against]}. Half lie within "
        f"{published.percent(published.median(shown))} of the line where both are equal."
    )
    return _on_axes([*_band(shown, low, high), *_drawn(marked, low, high)], alt, group, low, high)


def of_own(mine, cloud, group):
    """Draw a reader's rows, the published ones a grey cloud behind them.

    Parameters
    ----------
    mine : sequence of Point
        The reader's rows of the group.
    cloud : sequence of Point
        The published rows of the group.
    group : str
        One of `published.GROUPS`.

    Returns
    -------
    dict or None
        The figure; None where there is no row of the reader's.
    """
    if not mine:
        return None
    low, high = _ends(mine, AROUND)
    near = [p for p in cloud if all(low < v < high for v in _place(p))]
    kept, missed = _parted(mine)
    large: dict = {"opacity": 1, "size": 11 if len(mine) <= BARS else 7}
    large["line"] = {"color": TEXT, "width": 1 if len(mine) <= BARS else 0}
    yours = [
        (marks(some, name, look | large, low, high), some)
        for some, name, look in (
            (missed, "yours, outside it", CROSS),
            (kept, "yours, in its interval", CIRCLE),
        )
    ]
    few = len(mine) <= BARS
    marked = [
        marks(near, "published rows", CLOUD, low, high),
        *(_with_bars(one, some, low, high) if few else one for one, some in yours),
    ]
    band = [] if few else _band(mine, low, high)
    alt = (
        f"{GROUPS[group].title}: {len(mine):,} predictions of your rows across and their "
        f"measurements upwards, both logarithmic, before {len(near):,} published rows. Half of "
        f"yours lie within {published.percent(published.median(mine))} of the line where both are "
        "equal."
    )
    return _on_axes([*band, *_drawn(marked, low, high)], alt, group, low, high)


def _parted(some):
    """Points in their interval, or without one, and those outside it."""
    return [p for p in some if p.inside is not False], [p for p in some if p.inside is False]


def _value(metric, value):
    """A value as the axes show it: a time between tokens as the rate it makes."""
    return 1e3 / value if metric == "itl_ms" else value


def _place(p):
    return _value(p.row.metric, p.predicted), _value(p.row.metric, p.measured)


def _ends(some, beyond):
    both = [v for p in some for v in _place(p)]
    return rounded(min(both) / beyond), rounded(max(both) * beyond)


def _drawn(marked, low, high):
    return [_identity(low, high), *(one for one in marked if one["x"])]


def _on_axes(traces, alt, group, low, high):
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    legend |= {"traceorder": "reversed"}  # what is on top is named first
    return figure(
        traces,
        alt,
        height=HEIGHT,
        # Room for any tick: where a margin has to grow or shrink, Plotly draws everything twice.
        margin={"l": 68, "r": 20, "t": 40, "b": 8},
        showlegend=True,
        legend=legend | {"font": {"size": 12, "color": TEXT}},
        xaxis=log_axis(f"predicted, {GROUPS[group].unit}", low, high),
        yaxis=log_axis(f"measured, {GROUPS[group].unit}", low, high),
    )


def marks(some, name, look, low, high):
    """Make marks for points: those at one place are one, the farthest off, and larger.

    Parameters
    ----------
    some : sequence of Point
        The points.
    name : str
        What the legend calls them.
    look : dict
        Colour, symbol, size and opacity of a mark.
    low, high : float
        Ends of both axes, in the unit of the axes.

    Returns
    -------
    dict
        A trace.
    """
    top = _farthest_at_each_place(some, low, high)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name} ({len(some):,})",
        "x": [rounded(_place(p)[0]) for p, _ in top],
        "y": [rounded(_place(p)[1]) for p, _ in top],
        "marker": look | {"size": [_size(look["size"], many) for _, many in top]},
        "text": [_hover(p, many) for p, many in top],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _farthest_at_each_place(some, low, high):
    """Of the points that would lie on one another the farthest off, and how many there are."""
    scale = CELLS / math.log(high / low)
    places: dict = {}
    for p in some:
        at = tuple(int(scale * math.log(v / low)) for v in _place(p))
        places.setdefault(at, []).append(p)
    return [
        (max(here, key=lambda p: abs(math.log(p.ratio))), len(here)) for here in places.values()
    ]


def _with_bars(trace, some, low, high):
    """The trace with each point's interval as a bar from its prediction."""
    top = [p for p, _ in _farthest_at_each_place(some, low, high)]
    if not top or top[0].low is None:
        return trace
    spans = [sorted(_value(p.row.metric, v) for v in (p.low, p.high)) for p in top]
    bars = {"type": "data", "symmetric": False, "color": QUIET, "thickness": 1.5, "width": 3}
    bars["array"] = [rounded(end - x) for (_, end), x in zip(spans, trace["x"], strict=True)]
    bars["arrayminus"] = [rounded(x - end) for (end, _), x in zip(spans, trace["x"], strict=True)]
    return trace | {"error_x": bars}


def _size(least, rows):
    """Width of a mark: a step wider each time the rows at its place double."""
    return round(least + min(1.5 * math.log2(rows), 9), 1)


def _hover(p, many):
    row, unit = p.row, UNITS[p.row.metric]
    ends = f" ({digits(p.low)} to {digits(p.high)})" if p.low is not None else ""
    more = f"<br>and {many - 1:,} more here" if many > 1 else ""
    return (
        f"{escape(row.id)}: {row.model}<br>{row.gpu}, {row.engine}<br>"
        f"{digits(row.measured)} {unit}, predicted {digits(p.predicted)}{ends}{more}"
    )


def _identity(low, high):
    line = {"color": TEXT, "width": 1.5, "dash": "dot"}
    out = {"type": "scatter", "mode": "lines", "name": "equal", "x": [low, high], "y": [low, high]}
    return out | {"line": line, "hoverinfo": "skip"}


def _band(shown, low, high):
    """Where predictions stand whose interval, of the middle width, holds the measurement."""
    if not shown or shown[0].low is None:
        return []
    ends = [
        sorted(_value(p.row.metric, v) / _value(p.row.metric, p.predicted) for v in (p.low, p.high))
        for p in shown
    ]
    narrow, wide = (statistics.median(e[i] for e in ends) for i in (0, 1))
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "80% interval, middle width",
            "x": [low / wide, high / wide, high / narrow, low / narrow],
            "y": [low, high, high, low],
            "fill": "toself",
            "fillcolor": RULE,
            "opacity": 0.6,
            "line": {"width": 0, "color": QUIET},
            "hoverinfo": "skip",
        }
    ]
