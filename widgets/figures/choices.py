"""The figure of a search: what each deployment costs, and how long its users wait for a token."""

from dataclasses import dataclass
from math import log10

from . import BAD, GROUND, QUIET, TEXT, figure, mark, note
from .curves import log_axis

HEIGHT = 290
PICK = "pick"  # the input that a click on a mark sets to its id
NAMED = 4  # points of the front that are named beside the picked one


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


LOOKS = {
    "misses": {"symbol": "x-thin", "size": 8, "line": {"color": QUIET, "width": 1.5}},
    "meets": {"symbol": "circle-open", "size": 9, "color": mark(4), "line": {"width": 1.5}},
    "front": {"symbol": "circle", "size": 11, "color": mark(4)},
}


def cost_and_gap(candidates, picked, alt, *, gap_ms=None, usd_h=None, gap_title="", cost_title=""):
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

    Returns
    -------
    dict
        The figure.
    """
    data = [_marks(kind, [c for c in candidates if c.kind == kind]) for kind in LOOKS]
    here = next((c for c in candidates if c.number == picked), None)
    named = ([here] if here else []) + _apart(
        [c for c in candidates if c.kind == "front" and c is not here], here
    )
    if here:
        ring = {"symbol": "circle-open", "size": 20, "color": TEXT, "line": {"width": 2}}
        data.append(_scatter([here], ring) | {"hoverinfo": "skip"})
    rents = [c.cost for c in candidates] + ([usd_h] if usd_h else [])
    gaps = [c.gap_ms for c in candidates] + ([gap_ms] if gap_ms else [])
    across = (min(rents, default=1) / 1.3, max(rents, default=1) * 1.6)
    up = (min(gaps, default=1) / 1.25, max(gaps, default=1) * 1.25)
    labels = [_name(one, across, picked=one is here) for one in named]
    shapes, said = _limits(gap_ms, usd_h)
    return figure(
        data,
        alt,
        height=HEIGHT,
        margin={"l": 8, "r": 12, "t": 20, "b": 8},
        shapes=shapes,
        annotations=[*labels, *said],
        xaxis=log_axis(cost_title, *across),
        yaxis=log_axis(gap_title, *up),
    )


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


def _name(candidate, across, picked=False):
    """A name beside its mark, towards the middle; Plotly takes places by their logarithm."""
    left = candidate.cost**2 < across[0] * across[1]
    font = {"size": 13 if picked else 12, "color": TEXT if picked else QUIET}
    label = f"<b>{candidate.label}</b>" if picked else candidate.label
    place = {"xanchor": "left", "xshift": 9} if left else {"xanchor": "right", "xshift": -9}
    place |= {"yanchor": "bottom", "yshift": 3, "bgcolor": GROUND}
    return note(label, log10(candidate.cost), log10(candidate.gap_ms), font=font, **place)


def _apart(candidates, here):
    """The few of the front whose names do not run into each other on a phone."""
    kept = [here] if here else []
    for one in candidates:
        near = (_times(one.cost, k.cost) < 4 and _times(one.gap_ms, k.gap_ms) < 1.3 for k in kept)
        if len(kept) <= NAMED and not any(near):
            kept.append(one)
    return kept[1:] if here else kept


def _times(a, b):
    return max(a / b, b / a)


def _limits(gap_ms, usd_h):
    line: dict = {"color": BAD, "width": 2, "dash": "dot"}
    shapes: list[dict] = []
    said: list[dict] = []
    if gap_ms:
        ends: dict = {"x0": 0, "x1": 1, "xref": "paper", "y0": gap_ms, "y1": gap_ms}
        shapes.append({"type": "line", "line": line} | ends)
        font = {"size": 12, "color": BAD}
        place: dict = {"xref": "paper", "xanchor": "right", "yanchor": "bottom", "font": font}
        said.append(note(f"{gap_ms:g} ms allowed", 1, log10(gap_ms), **place))
    if usd_h:
        ends = {"y0": 0, "y1": 1, "yref": "paper", "x0": usd_h, "x1": usd_h}
        shapes.append({"type": "line", "line": line} | ends)
        font = {"size": 12, "color": BAD}
        place = {"yref": "paper", "xanchor": "right", "yanchor": "top", "xshift": -4, "font": font}
        said.append(note(f"${usd_h:g}/h", log10(usd_h), 1, **place))
    return shapes, said
