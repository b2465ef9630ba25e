"""The figure of limits: how much of each is used."""

import math
import re

from . import BAD, BAD_GROUND, GROUND, TEXT, axis, figure, mark, note

FARTHEST = 10.0  # times a limit; what lies beyond is drawn here
INSIDE = 0.4  # share of a limit from which a bar holds its own label, which else crosses the limit


def _short(name):
    """A limit in few letters, which leaves a phone more of its width for the bars."""
    return re.sub(r"(\d+)th percentile", r"p\1", name)


def _missed():
    """The ground beyond the limit, and its edge."""
    beyond = {"type": "rect", "x0": 1, "x1": 2 * FARTHEST, "y0": 0, "y1": 1, "yref": "paper"}
    beyond |= {"fillcolor": BAD_GROUND, "line": {"width": 0}, "layer": "below"}
    edge = {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper"}
    edge |= {"line": {"color": BAD, "width": 2, "dash": "dot"}}
    return [beyond, edge]


def limits_used(rows, alt):
    """Draw how much of each limit every deployment uses, on a logarithmic axis.

    Parameters
    ----------
    rows : list of tuple
        Each (deployment, limits), a limit being (name, share used).
    alt : str
        What the figure shows.

    Returns
    -------
    dict
        The figure.
    """
    bars = [(label, _short(name), share) for label, limits in rows for name, share in limits]
    low = min([share for *_, share in bars if share] + [0.1]) / 1.6
    ends = [max(min(share, FARTHEST), low) for *_, share in bars]
    missed = [share > 1 for *_, share in bars]
    said = [f"{share:.0%}" if share < FARTHEST else "10x or more" for *_, share in bars]
    data = {
        "type": "bar",
        "orientation": "h",
        "x": ends,
        "y": [[label for label, *_ in bars], [name for _, name, _ in bars]],
        "marker": {"color": [BAD if beyond else mark(1) for beyond in missed]},
        "text": said,
        # on the bar where it is long enough for that on a phone
        "textposition": ["inside" if share >= INSIDE else "outside" for *_, share in bars],
        "insidetextfont": {"color": GROUND},
        "outsidetextfont": {"color": TEXT},
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text} of the limit<extra></extra>",
    }
    ticks = {0.01: "1%", 0.03: "3%", 0.1: "10%", 0.3: "30%", 1: "100%", 3: "300%", FARTHEST: "10x+"}
    return figure(
        [data],
        alt,
        height=90 + 24 * len(bars),
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        shapes=_missed(),
        annotations=[note("the limit", 0, 1, yref="paper", yanchor="bottom")],
        bargap=0.25,
        xaxis=axis(
            "share of the limit used",
            type="log",
            range=[math.log10(low), math.log10(1.1 * FARTHEST)],
            tickvals=list(ticks),
            ticktext=list(ticks.values()),
        ),
        yaxis=axis(
            autorange="reversed", type="multicategory", tickfont={"size": 13, "color": TEXT}
        ),
    )
