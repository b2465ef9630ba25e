"""Figures of a sweep: curves with their intervals, and points with whiskers.

A deployment has one look in every figure: its name stands beside the curve,
and its colour, dash and symbol go together. Bands are intervals, thin dotted
lines and open symbols are ceilings.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from . import BAD, GROUND, QUIET, axis, broken, figure, mark, note

LOOKS = (
    (1, "solid", "circle"),
    (7, "dash", "square"),
    (4, "dashdot", "diamond"),
    (8, "longdash", "triangle-up"),
)
LOG_BEYOND = 12  # times: values that lie further apart are drawn on a logarithmic axis
BAND_BEYOND = 2  # times the highest curve or limit, where a band is cut: it would press them flat
LABEL_GAP = 0.08  # of the axis, between two names at the ends of curves
NAME_SPAN = 0.15  # of the axis, about the length of a name
NEAR_EDGE = 0.08  # of the axis: a curve that ends so near the right edge is named beside it
CROWDED = 0.3  # the same for more than three curves, whose names would meet on a phone
LETTER = 8  # px, a letter of a name
HEIGHT = 320
WIDEST = 1200  # px, about what a figure is given


@dataclass(frozen=True)
class Point:
    """One reading of a curve, in the units of the axes.

    Parameters
    ----------
    x : float
        Where it stands; the row, in a figure of whiskers.
    value, low, high : float
        The estimate and its interval.
    ceiling : float or None
        What the spec sheet allows; None where there is no such thing.
    text : str
        All of it in words, for the pointer.
    at_stop : bool
        Whether the table has a row for it.
    """

    x: float
    value: float
    low: float
    high: float
    ceiling: float | None
    text: str
    at_stop: bool = True


def _range(curves, limit):
    """Choose the y axis: its type, its ends and where its ticks stand."""
    points = [p for curve in curves.values() for p in curve]
    values = [p.value for p in points]
    reach = [x for p in points for x in (p.low, p.high, p.ceiling) if x]
    lines = [y for _, y in limit if min(reach) / 3 <= y <= 3 * max(reach)]
    firm = max(values + lines + [p.ceiling for p in points if p.ceiling])
    low, farthest = min(reach + lines), max(reach + lines)
    high = min(farthest, BAND_BEYOND * firm)
    if farthest > LOG_BEYOND * min(values):  # a band counts where it is cut as well
        return "log", low / 1.15, high * 1.15
    return "linear", 0, high * 1.05


def _ticks(low, high):
    """Place ticks on a logarithmic axis: 1, 2 and 5 while they are few, else 1 alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        at = [s * 10.0**n for n in range(first, last + 1) for s in steps]
        at = [x for x in at if low <= x <= high]
        if len(at) <= 7:
            break
    return at


def short(value):
    """Write a tick.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        Thousands as k, millions as M, and so on.

    Examples
    --------
    >>> short(500), short(20_000), short(0.2), short(3e9)
    ('500', '20k', '0.2', '3G')
    """
    for scale, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:,.6g}{letter}"
    return f"{value:,.6g}"


def _scaled(title, kind, low, high, **more):
    if kind == "log":
        return log_axis(title, low, high, **more)
    return axis(title, range=[low, high], tickformat=",~r", **more)


def log_axis(title, low, high, **more):
    """Describe a logarithmic axis whose ticks are few and short.

    Parameters
    ----------
    title : str
        What it measures, with the unit.
    low, high : float
        Its ends, in the unit of the title.
    **more : object
        Further Plotly axis settings.

    Returns
    -------
    dict
        Plotly axis.

    Examples
    --------
    >>> log_axis("tok/s", 900, 30_000)["ticktext"]
    ['1k', '2k', '5k', '10k', '20k']
    """
    at = _ticks(low, high)
    ends = [math.log10(low), math.log10(high)]
    return axis(title, type="log", range=ends, tickvals=at, ticktext=list(map(short, at)), **more)


def _looks(curves):
    """The look of each deployment, by its place among all of them."""
    return dict(zip(curves, LOOKS, strict=False))


def _band(look, curve):
    """Fill the interval between its low and its high end."""
    x = [p.x for p in curve]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x + x[::-1],
        "y": [p.high for p in curve] + [p.low for p in curve][::-1],
        "fill": "toself",
        "fillcolor": mark(look[0]),
        "opacity": 0.13,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _ceiling(look, curve):
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [p.x for p in curve],
        "y": [p.ceiling for p in curve],
        "line": {"color": mark(look[0]), "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _curve(label, look, curve, last):
    texts = [p.text for p in curve]
    if curve[-1].x < last:  # the pointer may find it from a little farther on
        texts[-1] += f", its end at {curve[-1].x:,}"
    number, dash, symbol = look
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label,
        "x": [p.x for p in curve],
        "y": [p.value for p in curve],
        "line": {"color": mark(number), "width": 2.5, "dash": dash},
        "marker": {
            "color": mark(number),
            "symbol": symbol,
            "size": [8 if p.at_stop else 0 for p in curve],
            "opacity": 1,
        },
        "customdata": texts,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _words(texts, xs, ys, colours, place="middle right"):
    return {
        "type": "scatter",
        "mode": "text",
        "x": xs,
        "y": ys,
        "text": texts,
        "textposition": place,
        "textfont": {"color": colours, "size": 14},
        "cliponaxis": False,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _reaching(curves, x_log):
    """The curves that end at the right edge, or so near it that their names stand beside it."""
    across = math.log10 if x_log else float
    first, last = min(c[0].x for c in curves.values()), max(c[-1].x for c in curves.values())
    near = (NEAR_EDGE if len(curves) <= 3 else CROWDED) * (across(last) - across(first))
    return {n: c for n, c in curves.items() if across(last) - across(c[-1].x) <= near}


def _names(curves, looks, kind, low, high, right):
    """Put the names beside the axes, at the heights of the ends and apart: on no line."""
    place = math.log10 if kind == "log" else float
    back = (lambda y: 10**y) if kind == "log" else float
    bottom = place(low) if kind == "log" else low
    gap = LABEL_GAP * (place(high) - bottom)
    ends = sorted((place(c[-1].value), name) for name, c in curves.items())
    heights: list = []
    before = 0
    for y, name in ends:
        lines = len(broken(name))
        heights.append(max([y, *(last + gap * (before + lines) / 2 for last in heights[-1:])]))
        before = lines
    return _words(
        [_beside_axes(name) for _, name in ends],
        [right] * len(ends),
        [back(y) for y in heights],
        [mark(looks[name][0]) for _, name in ends],
    )


def _beside_axes(name):
    return f"<b> {'<br> '.join(broken(name))}</b>"


def _led(names, curves, looks):
    """Lead the eye from a curve that ends a little early to its name beside the axes."""
    by_name = {_beside_axes(name): name for name in curves}
    for text, x, y in zip(names["text"], names["x"], names["y"], strict=True):
        name = by_name[text]
        end = curves[name][-1]
        if end.x < x:
            line = _rule([end.x, x], [end.value, y], mark(looks[name][0]), 1)
            yield line | {"opacity": 0.6}


def _names_at_ends(curves, looks, across, up):
    """Put the names of curves that end early above their ends: over the line, where it rises.

    The lower of two that end close together has its name below. `across` and `up` give a place as
    a share of its axis.
    """
    ends = {name: (across(c[-1].x), up(c[-1].value)) for name, c in curves.items()}
    for name, curve in curves.items():
        is_rising = len(curve) > 1 and curve[-1].value >= curve[0].value
        x, y = ends[name]
        is_lower = any(
            # a name above it would stand on the other's line, which falls to the left
            (y, name) < (y2, other) and y2 - y < 2 * LABEL_GAP and abs(x - x2) < NAME_SPAN
            for other, (x2, y2) in ends.items()
        )
        # to the left of an end near the axis a name would stand on the axis' own numbers
        is_over = is_rising and x > 2 * NAME_SPAN
        place = "bottom right" if is_lower else "top left" if is_over else "top right"
        yield _words(
            [f"<b>{name}</b>"],
            [curve[-1].x],
            [curve[-1].value],
            [mark(looks[name][0])],
            place,
        )


def _share(low, high, log):
    """A function that gives a place as a share of an axis."""
    place = math.log10 if log else float
    span = place(high) - place(low)
    return lambda value: (place(value) - place(low)) / span if span else 0.0


def _clear(curves, limit, kind):
    """Choose where along a limit its name is farthest from every curve, and on which side."""
    up = math.log10 if kind == "log" else float
    best = (-1.0, limit[0], "top right")
    for i, (x, y) in enumerate(limit):
        near = [
            [up(p.value) - up(y) for p in curve if _beside(limit, i, p.x)]
            for curve in curves.values()
        ]
        align = "right" if i < len(limit) / 2 else "left"
        for side, above in (("top", 1), ("bottom", -1)):
            room = min((_room([above * one for one in off]) for off in near if off), default=0)
            if room > best[0]:
                best = (room, (x, y), f"{side} {align}")
    return best[1:]


def _room(off):
    """How far a curve stays off one side of a line; without end on the other, 0 across it."""
    if min(off) > 0:
        return min(off)
    return math.inf if max(off) < 0 else 0.0


def _beside(limit, i, x):
    """Whether a place on the axis is within a name's length of a point of the limit."""
    reach = max(round(NAME_SPAN * len(limit)), 1)
    if i < len(limit) / 2:
        first, last = i, min(i + reach, len(limit) - 1)
    else:
        first, last = max(i - reach, 0), i
    return limit[first][0] <= x <= limit[last][0]


def curves_with_bands(curves, alt, *, x_title, x_word, x_log, y_title, now, limit, limit_text):
    """Draw one quantity along one variable for several deployments.

    Parameters
    ----------
    curves : mapping of str to list of Point
        Points in order by deployment; one without points is not drawn.
    alt : str
        What the figure shows.
    x_title, y_title : str
        What the axes measure.
    x_word : str
        What the pointer calls the variable.
    x_log : bool
        Whether the variable stands on a logarithmic axis.
    now : float
        Where the inputs stand.
    limit : list of tuple
        The limit as (x, y) pairs; empty where none is set.
    limit_text : str
        What the limit is called.

    Returns
    -------
    dict
        The figure.
    """
    looks = _looks(curves)
    curves = {label: curve for label, curve in curves.items() if curve}
    kind, low, high = _range(curves, limit)
    xs = [p.x for curve in curves.values() for p in curve]
    ends = [min(xs), max(xs)]
    limit = [(x, y) for x, y in limit if ends[0] <= x <= ends[1] and y <= high]
    data = [_band(looks[n], curve) for n, curve in curves.items()]
    data += [_ceiling(looks[n], c) for n, c in curves.items() if c[0].ceiling is not None]
    if now is not None and ends[0] <= now <= ends[1]:
        data.append(_rule([now, now], [low or high * 1e-3, high], QUIET, 1))
        data.append(_words([f"set to {now:,}"], [now], [high], [QUIET], "top center"))
    if limit:
        data.append(_rule([x for x, _ in limit], [y for _, y in limit], BAD, 2))
    data += [_curve(n, looks[n], curve, ends[1]) for n, curve in curves.items()]
    reaching = _reaching(curves, x_log)
    names = _names(reaching, looks, kind, low, high, ends[1])
    reach = _padded(ends[0], ends[1], x_log)
    shares = _share(reach[0], reach[1], x_log), _share(low, high, kind == "log")
    early = {name: curve for name, curve in curves.items() if name not in reaching}
    data += [*_led(names, reaching, looks), names, *_names_at_ends(early, looks, *shares)]
    if limit:
        (x, y), place = _clear(curves, limit, kind)
        data.append(_words([limit_text], [x], [y], [BAD], place))
    longest = max(len(line) for name in curves for line in broken(name))
    hover = {"unifiedhovertitle": {"text": f"%{{x:,}} {x_word}"}, "showspikes": False}
    return figure(
        data,
        alt,
        height=HEIGHT,
        margin={"l": 8, "r": 12 + LETTER * longest, "t": 22, "b": 8},
        hovermode="x unified",
        hoverdistance=_reach(xs, x_log),
        xaxis=_scaled(x_title, "log" if x_log else "linear", *reach, **hover),
        yaxis=_scaled(y_title, kind, low, high),
    )


def _reach(xs, log):
    """Half the widest gap between two stops, so that the pointer reads one everywhere [px]."""
    places = sorted({math.log10(x) if log else x for x in xs})
    widest = max((b - a for a, b in pairwise(places)), default=0)
    share = widest / (places[-1] - places[0]) if widest else 0
    return max(round(WIDEST / 2 * share) + 2, 20)


def _padded(low, high, log):
    """Leave room at both ends of an axis."""
    if log:
        pad = max(high / low, 1.1) ** 0.03
        return low / pad, high * pad
    pad = 0.03 * max(high - low, 1)
    return low - pad, high + pad


def _rule(xs, ys, colour, width):
    return {
        "type": "scatter",
        "mode": "lines",
        "x": xs,
        "y": ys,
        "line": {"color": colour, "width": width, "dash": "dot"},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def points_with_whiskers(names, curves, alt, *, x_title, limit, limit_text):
    """Draw one quantity for each choice and deployment, choices below each other.

    Parameters
    ----------
    names : list of str
        The choices, from the top.
    curves : mapping of str to list of Point
        Points by deployment; their x counts the choices from 0.
    alt : str
        What the figure shows.
    x_title : str
        What the axis measures.
    limit : float or None
        The limit, where one is set.
    limit_text : str
        What the limit is called.

    Returns
    -------
    dict
        The figure.
    """
    looks = _looks(curves)
    curves = {label: curve for label, curve in curves.items() if curve}
    kind, low, high = _range(curves, [(0, limit)] if limit else [])
    apart = 0.62 / len(curves)  # a row has its name on top, and its marks below
    data: list = []
    marks: list = []
    for i, (label, curve) in enumerate(curves.items()):
        rows = [p.x + (i - (len(curves) - 1) / 2) * apart + 0.16 for p in curve]
        marks += [(row, label) for row in rows]
        data += _whiskers(label, looks[label], curve, rows)
    last = len(names) - 0.5
    if limit and low < limit <= high:
        data.append(_rule([limit, limit], [-0.5, last], BAD, 2))
        # one that stands near the right edge would be cut there
        side = "top left" if _share(low, high, kind == "log")(limit) > 0.6 else "top center"
        data.append(_words([limit_text], [limit], [-0.5], [BAD], side))
    place = {"xref": "paper", "xanchor": "left", "yanchor": "top", "bgcolor": GROUND}
    heads = [note(name, 0, i - 0.48, **place) for i, name in enumerate(names)]
    return figure(
        data,
        alt,
        height=110 + len(names) * (24 + 17 * len(curves)),
        margin={"l": 8, "r": 16, "t": 24, "b": 8},
        annotations=heads,
        xaxis=_scaled(x_title, kind, low, high),
        yaxis=axis(
            range=[last, -0.5],
            showgrid=False,
            tickvals=[row for row, _ in marks],
            ticktext=[label for _, label in marks],
        ),
    )


def _whiskers(label, look, curve, rows):
    number, _, symbol = look
    colour = mark(number)
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "x": [p.value for p in curve],
        "y": rows,
        "marker": {"color": colour, "symbol": symbol, "size": 11},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [p.high - p.value for p in curve],
            "arrayminus": [p.value - p.low for p in curve],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "customdata": [p.text for p in curve],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    if curve[0].ceiling is not None:
        yield {
            "type": "scatter",
            "mode": "markers",
            "x": [p.ceiling for p in curve],
            "y": rows,
            "marker": {"color": colour, "symbol": f"{symbol}-open", "size": 9},
            "showlegend": False,
            "hoverinfo": "skip",
        }
