"""The figure of a search: what each deployment costs and how long its users wait for a token, and
below it how the picked one's gaps are spread.
"""

from dataclasses import dataclass
from itertools import product
from math import log10

from llmcap_kernel.explain import quantity

from . import BAD, QUIET, TEXT, axis, figure, mark, note
from .curves import log_axis

HEIGHT, SPREAD_HEIGHT = 290, 190
SPREAD = 0.30  # of the figure's height, and the gap above it
BETWEEN = 0.16
PICK = "pick"  # the input that a click on a mark sets to its id
NAMED, NAMED_WIDE = 4, 10  # points of the front that are named, on a phone and in a wide figure


@dataclass(frozen=True)
class Candidate:
    """One deployment of a search.

    Parameters
    ----------
    number : int
        Its place in the search.
    label : str
        What it is called beside its mark.
    cost : float
        Its rent [USD/h], or its cards where no rent is known.
    gap_ms : float
        Gap between tokens [ms].
    kind : str
        "front", "meets" or "misses".
    text : str
        Why it is the answer or not, for the pointer.
    """

    number: int
    label: str
    cost: float
    gap_ms: float
    kind: str
    text: str


@dataclass(frozen=True)
class Spread:
    """The percentiles of the picked candidate's gaps.

    Parameters
    ----------
    percents : tuple of float
        Which.
    bands : tuple of tuple of float
        Least, expected and most of each [ms].
    limited : float or None
        The percent that has a limit; None where the limit is one on the mean.
    """

    percents: tuple[float, ...]
    bands: tuple[tuple[float, float, float], ...]
    limited: float | None = None


LOOKS = {
    "misses": {"symbol": "x-thin", "size": 8, "line": {"color": QUIET, "width": 1.5}},
    "meets": {"symbol": "circle-open", "size": 9, "color": mark(4), "line": {"width": 1.5}},
    "front": {"symbol": "circle", "size": 11, "color": mark(4)},
}


def cost_and_gap(
    candidates, picked, alt, *, gap_ms=None, usd_h=None, gap_title="", cost_title="", spread=None
):
    """Draw candidates by rent and gap; a click on one picks it.

    Parameters
    ----------
    candidates : list of Candidate
        What is drawn.
    picked : int
        Number of the one that is looked at.
    alt : str
        What the figure shows.
    gap_ms, usd_h : float, optional
        The limits, where they are set.
    gap_title, cost_title : str
        What the axes measure.
    spread : Spread, optional
        How the gaps of the picked one are spread, drawn below.

    Returns
    -------
    dict
        The figure.
    """
    data = [_marks(kind, [c for c in candidates if c.kind == kind]) for kind in LOOKS]
    here = next((c for c in candidates if c.number == picked), None)
    if here:
        ring = {"symbol": "circle-open", "size": RING_PX, "color": TEXT, "line": {"width": 2}}
        data.append(_scatter([here], ring) | {"hoverinfo": "skip"})
    rents = [c.cost for c in candidates] + ([usd_h] if usd_h else [])
    gaps = [c.gap_ms for c in candidates] + ([gap_ms] if gap_ms else [])
    across = (min(rents, default=1) / 1.3, max(rents, default=1) * 1.6)
    up = (min(gaps, default=1) / 1.25, max(gaps, default=1) * 1.25)
    panels = _Panel(across, up), _Panel(across, up, WIDE_PANEL_PX)
    said_at = [one.limits(gap_ms, usd_h) for one in panels]
    words = said_at[0]
    shapes, said = _limits(gap_ms, usd_h, at_foot=len(words) == 2 and words[1][1] < LINE_PX)
    rings = [[one.ring(here)] if here else [] for one in panels]
    taken = [[*one, *ring] for one, ring in zip(said_at, rings, strict=True)]
    taken[1] += panels[1].lines(gap_ms, usd_h)
    labels = _names(candidates, here, panels, taken)
    axes = {"xaxis": log_axis(cost_title, *across), "yaxis": log_axis(gap_title, *up)}
    if spread:
        axes["yaxis"]["domain"] = [SPREAD + BETWEEN, 1]
        data += _spread(spread)
        axes |= _spread_axes(spread, gap_ms)
        shapes += _spread_limit(spread, gap_ms)
        said += _spread_names(spread)
    return figure(
        data,
        alt,
        height=HEIGHT + SPREAD_HEIGHT * bool(spread),
        margin={"l": 8, "r": 12, "t": 24, "b": 8},
        shapes=shapes,
        annotations=[*labels, *said, *map(_ringed, [here] if here else [])],
        **axes,
    )


def _spread(spread):
    """The band between least and most, and what is expected."""
    at = list(range(len(spread.percents)))
    low, value, high = zip(*spread.bands, strict=True)
    here = {"type": "scatter", "xaxis": "x2", "yaxis": "y2"}
    band = {
        "mode": "lines",
        "x": at + at[::-1],
        "y": [*high, *low[::-1]],
        "fill": "toself",
        "fillcolor": mark(4),
        "opacity": 0.16,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    line = {
        "mode": "lines+markers",
        "x": at,
        "y": list(value),
        "line": {"color": mark(4), "width": 2},
        "marker": {"size": 7, "color": mark(4)},
        "customdata": [f"{one:g} to {other:g} ms" for one, other in _rounded(low, high)],
        "hovertemplate": "%{x}: %{y:.3g} ms<br>%{customdata}<extra></extra>",
    }
    return [here | band, here | line]


def _rounded(low, high):
    return [(float(f"{a:.3g}"), float(f"{b:.3g}")) for a, b in zip(low, high, strict=True)]


def _spread_axes(spread, gap_ms):
    ends = [x for band in spread.bands for x in band] + ([gap_ms] if gap_ms else [])
    names = [f"p{percent:g}" for percent in spread.percents]
    beyond = len(names) - 1 + 0.6
    across = axis(tickvals=list(range(len(names))), ticktext=names, range=[-0.2, beyond])
    up = log_axis("ms", min(ends) / 1.2, max(ends) * 1.2)
    return {
        "xaxis2": across | {"anchor": "y2", "showgrid": False},
        "yaxis2": up | {"anchor": "x2", "domain": [0, SPREAD]},
    }


def _spread_limit(spread, gap_ms):
    """A mark at the percentile that is limited."""
    if not gap_ms or spread.limited not in spread.percents:
        return []
    at = spread.percents.index(spread.limited)
    place = {"xref": "x2", "yref": "y2", "x0": at - 0.3, "x1": at + 0.3, "y0": gap_ms, "y1": gap_ms}
    return [{"type": "line", "line": {"color": BAD, "width": 2}} | place]


def _spread_names(spread):
    """What the panel shows, and its last value beside it."""
    value = spread.bands[-1][1]
    title = "Gaps of the ringed one, by percentile"
    above = {"xref": "x domain", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    beside = {"xref": "x2", "yref": "y2", "xanchor": "left", "xshift": 8}
    return [
        note(title, 0, SPREAD + 0.01, font={"size": 12, "color": QUIET}, **above),
        note(quantity(value / 1e3, "s"), len(spread.bands) - 1, log10(value), **beside),
    ]


def _scatter(candidates, marker):
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [c.cost for c in candidates],
        "y": [c.gap_ms for c in candidates],
        "marker": marker,
    }


def _marks(kind, candidates):
    return _scatter(candidates, LOOKS[kind]) | {
        "name": kind,
        "meta": PICK,
        "ids": [str(c.number) for c in candidates],
        "customdata": [c.text for c in candidates],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


# What the panel of marks has on a phone, where names have the least room [px].
PANEL_PX = (285, 220)
WIDE_PX, WIDE_PANEL_PX = 640, (560, 220)  # a figure from this width on, and its panel
LETTER_PX, LINE_PX = 7, 16
BESIDE_PX, ABOVE_PX = 12, 3  # from a mark to its name, to which a line leads
DOT_PX = 5  # from the middle of a mark to the end of that line
RING_PX = 20
# Where a name may stand, by its own end that is nearest to the mark.
CORNERS = tuple(product(("left", "right"), ("bottom", "top", "middle")))


@dataclass(frozen=True)
class _Panel:
    """Places in the panel of marks, from its lower left [px]."""

    across: tuple[float, float]
    up: tuple[float, float]
    size: tuple[float, float] = PANEL_PX

    def x(self, cost):
        return self.size[0] * _share(cost, *self.across)

    def y(self, gap_ms):
        return self.size[1] * _share(gap_ms, *self.up)

    def beside(self, candidate, corner):
        """The room between a mark and the end of its name: left, bottom, right, top.

        Where there is more room across than on a phone, marks in it would stand in the name.
        """
        (x, y), (side, level) = (self.x(candidate.cost), self.y(candidate.gap_ms)), corner
        wide = BESIDE_PX + LETTER_PX * len(candidate.label)
        low = {"bottom": y + ABOVE_PX, "middle": y - LINE_PX / 2, "top": y - ABOVE_PX - LINE_PX}[
            level
        ]
        left = x if side == "left" else x - wide
        return left, low, left + wide, low + LINE_PX

    def ring(self, candidate):
        """The room that the ring around a mark takes."""
        x, y, half = self.x(candidate.cost), self.y(candidate.gap_ms), RING_PX / 2
        return x - half, y - half, x + half, y + half

    def limits(self, gap_ms, usd_h):
        """The room that the words of the limits take."""
        (right, top), out = self.size, []
        if gap_ms:
            low, wide = self.y(gap_ms), LETTER_PX * len(GAP.format(gap_ms))
            out.append((right - wide, low, right, low + LINE_PX))
        if usd_h:
            end, wide = self.x(usd_h), LETTER_PX * len(RENT.format(usd_h))
            above, below = ((end - wide, y, end, y + LINE_PX) for y in (top - LINE_PX, 0))
            # where the gap's words stand at the top, the rent's stand at the foot
            out.append(below if out and _overlap(above, out[0]) else above)
        return out

    def lines(self, gap_ms, usd_h):
        """The room of their dotted lines, which a name in a wide figure need not cross."""
        right, top = self.size
        out = []
        if gap_ms:
            out.append((0, self.y(gap_ms) - 1, right, self.y(gap_ms) + 1))
        if usd_h:
            out.append((self.x(usd_h) - 1, 0, self.x(usd_h) + 1, top))
        return out


def _share(value, low, high):
    """How far a value is along a logarithmic axis."""
    return log10(value / low) / log10(high / low)


def _names(candidates, here, panels, words):
    """Name some of the front: a few that have room on a phone, and more in a wide figure.

    The name of a note that needs a wide figure is the least width.
    """
    named = {here.label} if here else set()
    phone, wide = panels
    few = _free(candidates, here, phone, words[0], named)[:NAMED]
    taken = [*words[1], *(wide.beside(*one) for one in few)]
    named |= {one.label for one, _ in few}
    more = _free(candidates, here, wide, taken, named)[: NAMED_WIDE - len(few)]
    notes = [_name(one, *corner) for one, corner in few]
    return notes + [_name(one, *corner) | {"name": str(WIDE_PX)} for one, corner in more]


def _front(candidates, here):
    return [one for one in candidates if one.kind == "front" and one is not here]


def _free(candidates, here, panel, taken, named):
    """Those of the front for whose names there is room, and where."""
    marks = [(panel.x(one.cost), panel.y(one.gap_ms)) for one in candidates]
    taken, named, found = list(taken), set(named), []
    for one in _front(candidates, here):
        places = ((corner, panel.beside(one, corner)) for corner in CORNERS)
        free = ((c, box) for c, box in places if _is_free(box, marks, taken, panel.size))
        corner, box = next(free, (None, None))
        if corner and one.label not in named:
            found.append((one, corner))
            named.add(one.label)
            taken.append(box)
    return found


def _is_free(box, marks, taken, size):
    """Whether a name lies inside the panel, on no mark and on no other words."""
    left, low, right, high = box
    if left < 0 or low < 0 or right > size[0] or high > size[1]:
        return False
    if any(left < x < right and low < y < high for x, y in marks):
        return False
    return not any(_overlap(box, other) for other in taken)


def _overlap(one, other):
    """Whether two boxes have a point in common."""
    apart = one[0] > other[2] or one[2] < other[0] or one[1] > other[3] or one[3] < other[1]
    return not apart


def _name(candidate, side, level):
    """A name beside its mark and a line to it; Plotly takes places by their logarithm."""
    font = {"size": 12, "color": QUIET}
    place = {"xanchor": side, "ax": BESIDE_PX if side == "left" else -BESIDE_PX}
    place |= {"yanchor": level}
    place |= {"ay": {"bottom": -ABOVE_PX, "middle": 0, "top": ABOVE_PX}[level]}
    place |= {"showarrow": True, "arrowhead": 0, "arrowwidth": 1, "arrowcolor": QUIET}
    place |= {"standoff": DOT_PX}
    return note(candidate.label, log10(candidate.cost), log10(candidate.gap_ms), font=font, **place)


def _ringed(candidate):
    """The name of the picked one, above the panel, where it covers nothing."""
    place = {"xref": "x domain", "yref": "y domain", "xanchor": "left", "yanchor": "bottom"}
    return note(f"Ringed: {candidate.label}", 0, 1, **place)


GAP, RENT = "{:g} ms allowed", "${:g}/h"  # the words beside the limits


def _limits(gap_ms, usd_h, at_foot):
    line: dict = {"color": BAD, "width": 2, "dash": "dot"}
    shapes: list[dict] = []
    said: list[dict] = []
    font: dict = {"size": 12, "color": BAD}
    if gap_ms:
        ends: dict = {"x0": 0, "x1": 1, "xref": "x domain", "y0": gap_ms, "y1": gap_ms}
        shapes.append({"type": "line", "line": line} | ends)
        place: dict = {"xref": "x domain", "xanchor": "right", "yanchor": "bottom", "font": font}
        said.append(note(GAP.format(gap_ms), 1, log10(gap_ms), **place))
    if usd_h:
        ends = {"y0": 0, "y1": 1, "yref": "y domain", "x0": usd_h, "x1": usd_h}
        shapes.append({"type": "line", "line": line} | ends)
        place = {"yref": "y domain", "xanchor": "right", "font": font}
        place |= {"yanchor": "bottom" if at_foot else "top"}
        said.append(note(RENT.format(usd_h), log10(usd_h), 1 - at_foot, xshift=-4, **place))
    return shapes, said
