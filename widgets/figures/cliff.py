"""The figure of users by context length."""

from . import GROUND, TEXT, axis, figure, mark, note

HEIGHT = 320  # of the figure [px]
PLOT_HEIGHT = 262  # of the part with bars, without its axis [px]
LIFT = 14  # of a number above its bar [px]
CLEAR = 12  # between the middle of a number and a line that it does not touch [px]


def curve_over_bars(bars, curve, wanted, alt):
    """Draw whole users as bars on doubling lengths, and the uncut curve over them.

    The lengths stand on a logarithmic axis; positions are computed here, since
    bars on a logarithmic axis of Plotly change their width.

    Parameters
    ----------
    bars : list of tuple
        Each (position, text below, users).
    curve : list of tuple
        Each (position, users) of the uncut curve.
    wanted : int
        Users asked for, drawn as a line across.
    alt : str
        What the figure shows.

    Returns
    -------
    dict
        The figure.
    """
    top = max([wanted, *(users for _, _, users in bars)]) * 1.16 + 0.5
    enough = [users >= wanted for _, _, users in bars]
    data = [
        {
            "type": "bar",
            "name": "whole users",
            "x": [x for x, _, _ in bars],
            "y": [users for _, _, users in bars],
            "width": 0.72,
            "marker": {"color": [mark(4) if ok else mark(5) for ok in enough]},
            "customdata": [label for _, label, _ in bars],
            "hovertemplate": "%{customdata} tokens: %{y:,} users<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "pool / (KV per token x context)",
            "x": [x for x, _ in curve],
            "y": [min(users, top * 2) for _, users in curve],
            "line": {"color": mark(7), "width": 2.5},
            "hoverinfo": "skip",
        },
    ]
    line = {"color": TEXT, "width": 1.5, "dash": "dot"}
    across = {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": wanted, "y1": wanted}
    return figure(
        data,
        alt,
        height=HEIGHT,
        margin={"l": 8, "r": 56, "t": 12, "b": 8},
        shapes=[across | {"line": line}],
        annotations=[*_labels(bars, wanted, top), *_curve_label(curve, top)],
        xaxis=axis(
            "context of every user, tokens",
            tickvals=[x for x, _, _ in bars],
            ticktext=[label for _, label, _ in bars],
            showgrid=False,
        ),
        yaxis=axis("users at once", range=[0, top]),
    )


def _labels(bars, wanted, top):
    """The users of every bar, and those asked for."""
    # Beside the plot, since over it stand the numbers of the last bars.
    place = {"xref": "paper", "xanchor": "left", "xshift": 4, "yanchor": "middle", "align": "left"}
    yield note(f"{wanted:,}<br>wanted", 1, wanted, **place)
    # On a ground of their own, since the curve runs through the top of every bar.
    look = {"bgcolor": GROUND, "borderpad": 1, "font": {"size": 14, "color": TEXT}}
    for x, _, users in bars:
        line = (wanted - users) / top * PLOT_HEIGHT  # above the bar's end [px]
        lift = line + CLEAR if abs(line - LIFT) < CLEAR else LIFT
        yield note(f"{users:,}", x, users, yshift=round(lift), **look)


def _curve_label(curve, top):
    """Name the curve beside the first bar, where it is steep enough to leave room."""
    x, users = next(((x, users) for x, users in curve if x >= 0.45), curve[-1])
    if not 0.3 * top < users < 0.95 * top:
        return []
    font = {"size": 12, "color": mark(7)}
    text = "room / context, before the cut"
    return [note(text, x, users, xanchor="left", xshift=8, yshift=8, font=font)]
