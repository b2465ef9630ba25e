"""The figure of limits: how much of each is used."""

import math
import re

from . import BAD, BAD_GROUND, GROUND, TEXT, axis, broken, figure, mark, note

DRAWN = 2.0  # times a limit: a bar that is longer ends here, with an arrow and its number
INSIDE = 0.6  # share of a limit from which a bar holds its own label, which else crosses the limit


def _short(name):
    """A limit in few letters, which leaves a phone more of its width for the bars."""
    return re.sub(r"(\d+)th percentile", r"p\1", name)


def _missed():
    """The ground beyond the limit, and its edge."""
    beyond = {"type": "rect", "x0": 1, "x1": 2 * DRAWN, "y0": 0, "y1": 1, "yref": "paper"}
    beyond |= {"fillcolor": BAD_GROUND, "line": {"width": 0}, "layer": "below"}
    edge = {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper"}
    edge |= {"line": {"color": BAD, "width": 2, "dash": "dot"}}
    return [beyond, edge]


def _said(share):
    """A share in words: where the bar is cut, that it goes on."""
    if math.isinf(share):
        return "does not start"
    return (
        f"{share:.0%}" if share <= DRAWN else f"{share:,.1f} times the limit \N{RIGHTWARDS ARROW}"
    )


def limits_used(rows, alt):
    """Draw how much of each limit every deployment uses, from nothing and to scale.

    Parameters
    ----------
    rows : list of tuple
        Each (deployment, limits), a limit being (name, share used); infinite where the deployment
        does not start.
    alt : str
        What the figure shows.

    Returns
    -------
    dict
        The figure.
    """
    bars = [(label, _short(name), share) for label, limits in rows for name, share in limits]
    missed = [share > 1 for *_, share in bars]
    data = {
        "type": "bar",
        "orientation": "h",
        "x": [0 if math.isinf(share) else min(share, DRAWN) for *_, share in bars],
        "y": [["<br>".join(broken(label)) for label, *_ in bars], [name for _, name, _ in bars]],
        "marker": {"color": [BAD if beyond else mark(1) for beyond in missed]},
        "text": [_said(share) for *_, share in bars],
        # on the bar where it is long enough for that on a phone
        "textposition": [
            "inside" if INSIDE <= share < math.inf else "outside" for *_, share in bars
        ],
        "insidetextfont": {"color": GROUND},
        "outsidetextfont": {"color": TEXT},
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    # as far as the longest bar and its label go, and the limit
    end = max([1.0, *(min(share, DRAWN) for *_, share in bars if share < math.inf)])
    ticks = [0, 0.25, 0.5, 0.75, 1] if end == 1 else [0, 0.5, 1, 1.5, DRAWN]
    return figure(
        [data],
        alt,
        height=90 + 24 * len(bars),
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        shapes=_missed(),
        annotations=[note("the limit", 1, 1, yref="paper", yanchor="bottom", xanchor="right")],
        bargap=0.25,
        xaxis=axis(
            "share of the limit",
            range=[0, 1.1 * end],
            tickvals=[x for x in ticks if x <= end],
            ticktext=[f"{x:.0%}" for x in ticks if x <= end],
        ),
        yaxis=axis(
            autorange="reversed", type="multicategory", tickfont={"size": 13, "color": TEXT}
        ),
    )
