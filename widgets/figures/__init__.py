"""Plotly figures as plain dicts; no plotting library is imported to make them.

A colour is written as the style sheet names it, `var(--lc-mark-1)`, and turned
into a colour by the page, so one figure follows light and dark themes. Hue is
never the only carrier of meaning: marks differ in place, symbol, pattern or
label too, and a table with the same numbers stands beside every figure.
"""

import itertools
import math

from llmcap_kernel import capacity
from llmcap_kernel.explain import digits

GIB = 2**30
TEXT = "var(--lc-text)"
QUIET = "var(--lc-quiet)"
RULE = "var(--lc-rule)"
GROUND = "var(--lc-ground)"
BAD = "var(--lc-bad)"
BAD_GROUND = "var(--lc-bad-ground)"
PALE = (5, 6)  # marks on which text has the colour of text
FARTHEST = 10.0  # times a limit; what lies beyond is drawn here
INSIDE = 2  # share of a limit from which a bar holds its own label
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'


def mark(number):
    """Name a colour for data.

    Parameters
    ----------
    number : int
        1 to 8, as the style sheet counts them.

    Returns
    -------
    str
        The colour's name.

    Examples
    --------
    >>> mark(1)
    'var(--lc-mark-1)'
    """
    return f"var(--lc-mark-{number})"


def axis(title="", **more):
    """Describe an axis without clutter.

    Parameters
    ----------
    title : str
        What it measures, with the unit.
    **more : object
        Further Plotly axis settings.

    Returns
    -------
    dict
        Plotly axis.

    Examples
    --------
    >>> axis("GiB")["fixedrange"]
    True
    """
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13, "color": QUIET}},
        "fixedrange": True,
        "automargin": True,
        "zeroline": False,
        "gridcolor": RULE,
        "linecolor": RULE,
        "tickfont": {"size": 12, "color": QUIET},
    } | more


def note(text, x, y, **more):
    """Describe a label inside a figure, placed in the axes' own units.

    Parameters
    ----------
    text : str
        What it says.
    x, y : float
        Where.
    **more : object
        Further Plotly annotation settings.

    Returns
    -------
    dict
        Plotly annotation.

    Examples
    --------
    >>> note("16 users", 1, 2)["text"]
    '16 users'
    """
    font = {"size": 12, "color": TEXT}
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": font} | more


def figure(data, alt, *, height, **layout):
    """Put traces and a layout together.

    Parameters
    ----------
    data : list of dict
        Plotly traces.
    alt : str
        What the figure shows, for whoever cannot see it.
    height : int
        Height on the page [px].
    **layout : object
        Further Plotly layout settings.

    Returns
    -------
    dict
        data, layout and alt.

    Examples
    --------
    >>> figure([], "Nothing.", height=100)["alt"]
    'Nothing.'
    """
    base = {
        "height": height,
        "autosize": True,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": TEXT},
        "dragmode": False,
        "showlegend": False,
        "hoverlabel": {"bgcolor": GROUND, "bordercolor": QUIET, "font": {"color": TEXT}},
        "hovermode": "closest",
    }
    return {"data": data, "layout": base | layout, "alt": alt}


def stacked_bars(rows, limit, limit_text, alt, whisker=None):
    """Draw what a card has above what is asked of it, term by term.

    Parameters
    ----------
    rows : list of tuple
        Each (label, parts), a part being (name, GiB, mark number, hatched).
    limit : float
        Where the asked-for bar must end [GiB].
    limit_text : str
        What stands at that line.
    alt : str
        What the figure shows.
    whisker : tuple, optional
        How far off the end of a part may be: (label of its bar, where it ends, by how much
        either way) [GiB].

    Returns
    -------
    dict
        The figure.
    """
    data, longest = [], max(sum(part[1] for part in parts) for _, parts in rows)
    beside: set = set()  # what is too short to be labelled on the bar is named below it, once
    for label, parts in rows:
        starts = itertools.accumulate((part[1] for part in parts), initial=0.0)
        for begin, (name, gib, number, hatched) in zip(starts, parts, strict=False):
            marked = bool(whisker) and whisker[0] == label and abs(begin - whisker[1]) < 1e-6
            short = gib < (WIDE if marked else NARROW) * longest or hatched
            named = short and name not in beside
            beside |= {name} if short else set()
            pattern = {"shape": "/", "size": 8, "solidity": 0.25, "fgcolor": GROUND}
            pattern["bgcolor"] = mark(number)
            marker = {"color": mark(number), "line": {"color": GROUND, "width": 1.5}}
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": name,
                    "showlegend": named,
                    "x": [gib],
                    "y": [label],
                    "width": [0.62],
                    "marker": marker | ({"pattern": pattern} if hatched else {}),
                    "hovertemplate": f"{name}: {gib:,.2f} GiB<extra></extra>",
                }
                | ({} if short else _inside(f"{name} {digits(gib, 3)}", number, marked))
            )
    data += _whisker(*whisker) if whisker else []
    line = {"color": TEXT, "width": 2, "dash": "dot"}
    ends = {"y0": 0, "y1": 1, "yref": "paper", "x0": limit, "x1": limit}
    right = limit > 0.5 * longest
    label = note(limit_text, limit, 1, yref="paper", yanchor="bottom")
    return figure(
        data,
        alt,
        height=280,
        barmode="stack",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": -0.45, "yanchor": "top", "font": {"size": 12}},
        uniformtext={"mode": "hide", "minsize": 11},
        margin={"l": 8, "r": 12, "t": 28, "b": 8},
        shapes=[{"type": "line", "line": line} | ends],
        annotations=[label | {"xanchor": "right" if right else "left"}],
        xaxis=axis("GiB on one card", rangemode="tozero"),
        yaxis=axis(autorange="reversed", showgrid=False, ticks="", tickfont={"size": 13}),
    )


# Shares of the longest bar below which a part is named below, and that beside the whisker.
NARROW, WIDE = 0.2, 0.3


def _inside(text, number, marked):
    """Label a bar on the bar, at its far end where the whisker stands at its near one."""
    colour = TEXT if number in PALE else GROUND
    return {
        "text": [text],
        "textposition": "inside",
        "insidetextanchor": "end" if marked else "start",
        "textangle": 0,
        "insidetextfont": {"size": 12, "color": colour},
    }


def _whisker(label, end, off):
    """A part's end with its interval, four times in five, on a ground that parts it from bars."""
    said = f"weights and overhead end at {end:,.2f} GiB, {off:,.2f} more or less"
    reach = {"type": "data", "symmetric": False, "array": [off], "arrayminus": [min(off, end)]}
    looks = ((GROUND, 6, 11, 9), (TEXT, 2, 9, 5))
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "weights and overhead end here",
            "showlegend": False,
            "x": [end],
            "y": [label],
            "marker": {"color": colour, "size": size},
            "error_x": reach | {"color": colour, "thickness": thickness, "width": width},
            "hovertemplate": f"{said}<extra></extra>",
        }
        for colour, thickness, width, size in looks
    ]


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
    place = {"xref": "paper", "xanchor": "right", "yanchor": "bottom"}
    labels = [note(f"{wanted:,} wanted", 1, wanted, **place)]
    # On a ground of their own, since the curve runs through the top of every bar.
    look = {"yshift": 14, "bgcolor": GROUND, "borderpad": 1, "font": {"size": 14, "color": TEXT}}
    labels += [note(f"{users:,}", x, users, **look) for x, _, users in bars]
    return figure(
        data,
        alt,
        height=320,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        shapes=[across | {"line": line}],
        annotations=[*labels, *_curve_label(curve, top)],
        xaxis=axis(
            "context of every user, tokens",
            tickvals=[x for x, _, _ in bars],
            ticktext=[label for _, label, _ in bars],
            showgrid=False,
        ),
        yaxis=axis("users at once", range=[0, top]),
    )


def _curve_label(curve, top):
    """Name the curve beside the first bar, where it is steep enough to leave room."""
    x, users = next(((x, users) for x, users in curve if x >= 0.45), curve[-1])
    if not 0.3 * top < users < 0.95 * top:
        return []
    font = {"size": 12, "color": mark(7)}
    text = "room / context, before the cut"
    return [note(text, x, users, xanchor="left", xshift=8, yshift=8, font=font)]


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
    bars = [(label, name, share) for label, limits in rows for name, share in limits]
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
    beyond = {"type": "rect", "x0": 1, "x1": 2 * FARTHEST, "y0": 0, "y1": 1, "yref": "paper"}
    beyond |= {"fillcolor": BAD_GROUND, "line": {"width": 0}, "layer": "below"}
    edge = {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper"}
    edge |= {"line": {"color": BAD, "width": 2, "dash": "dot"}}
    return figure(
        [data],
        alt,
        height=90 + 24 * len(bars),
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        shapes=[beyond, edge],
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


def usable_bytes(books):
    """Add up the memory that weights, overhead and cache may take together.

    Parameters
    ----------
    books : Ledger
        Where a card's memory goes [bytes].

    Returns
    -------
    float
        The engine's share [bytes].
    """
    return books.weights_bytes + books.overhead_bytes + books.kv_pool_bytes


def _held_bytes(books):
    """Cache of the users who find room, on the fullest card [bytes]."""
    d = books.deployment
    whole = books.max_concurrent // d.tp if d.dp_attention else books.max_concurrent
    shared = books.prefix_bytes if whole else 0.0
    return min(books.kv_used_bytes, shared + whole * books.kv_bytes_per_sequence)


def _memory_parts(books):
    """List the terms inside the engine's share that are no cache: name, bytes, mark."""
    parts = [
        ("Weights", books.weights_bytes, 1),
        ("Activations", books.activation_bytes, 2),
        ("Runtime and communication buffers", books.runtime_bytes, 3),
    ]
    if books.deployment.engine.graphs_in_fraction:
        parts.append(("CUDA graphs", books.graph_bytes, 8))
    return parts


def memory_bars(books):
    """Draw what a card has above what its users ask of it.

    Parameters
    ----------
    books : Ledger
        Where a card's memory goes [bytes].

    Returns
    -------
    dict
        The figure.
    """
    fixed = [(name, size / GIB, number, False) for name, size, number in _memory_parts(books)]
    held, usable = _held_bytes(books), usable_bytes(books)
    outside = books.visible_bytes - usable
    if books.kv_pool_bytes >= 0:
        free = books.kv_pool_bytes - held
        card = [*fixed, ("KV in use", held / GIB, 4, False), ("KV free", free / GIB, 5, False)]
    else:
        card = [("The engine's share", usable / GIB, 6, False)]
    card.append(("Outside the engine's share", outside / GIB, 6, True))
    missing = books.kv_used_bytes - held
    asked = [
        *fixed,
        (f"KV of {books.concurrency:,} users", held / GIB, 4, False),
        ("KV without room", missing / GIB, 7, True),
    ]
    rows = [
        (label, [part for part in parts if part[1] > 0])
        for label, parts in (("Available", card), ("Needed", asked))
    ]
    end, (low, high) = usable - books.kv_pool_bytes, books.kv_pool_interval_bytes
    whisker = ("Available" if books.kv_pool_bytes >= 0 else "Needed", end / GIB)
    alt = (
        f"Two stacked bars in GiB. One card has {digits(books.visible_bytes / GIB)}, of which "
        f"the engine may use {digits(usable / GIB)}; {digits(books.needed_bytes / GIB)} are asked "
        f"for. The room for the cache is {digits(max(low, 0) / GIB)} to "
        f"{digits(max(high, 0) / GIB)}, four times in five: the whisker where weights and overhead "
        "end. The table below has every term."
    )
    return stacked_bars(
        rows,
        usable / GIB,
        f"engine's share {digits(usable / GIB)} GiB",
        alt,
        (*whisker, books.doubt_bytes / GIB),
    )


def term_table(books):
    """List how each term of the bars that is no cache comes about.

    Parameters
    ----------
    books : Ledger
        Where a card's memory goes [bytes].

    Returns
    -------
    dict
        Table of a view.
    """
    return {
        "caption": "How each term comes about",
        "columns": ["Term", "Formula", "With the numbers", "Size"],
        "rows": [
            [line.name, line.formula, line.numbers or "-", line.value.replace(" ", "\u00a0")]
            for line in capacity.term_lines(books)
        ],
        "highlight": [],
        "stack": True,
        "fold": True,
    }


def memory_table(books):
    """List every term of the bars, with the mark it is drawn in.

    Parameters
    ----------
    books : Ledger
        Where a card's memory goes [bytes].

    Returns
    -------
    dict
        Table of a view.
    """
    held, visible = _held_bytes(books), books.visible_bytes
    rows = list(_memory_parts(books))
    rows.append(("KV in use", held, 4))
    rows.append(("KV free", max(books.kv_pool_bytes - held, 0), 5))
    if books.kv_used_bytes > held:
        rows.append(("KV without room", books.kv_used_bytes - held, 7))
    graphs = books.deployment.engine.graphs_in_fraction
    beside = "Outside the engine's share" + ("" if graphs else ", CUDA graphs among it")
    rows.append((beside, max(visible - usable_bytes(books), 0), 6))
    return {
        "caption": f"Memory of one card, {digits(visible / GIB)} GiB visible to the driver",
        "columns": ["Term", "GiB", "Share of card"],
        "rows": [[n, f"{size / GIB:,.2f}", f"{size / visible:.1%}"] for n, size, _ in rows],
        "swatches": [f"--lc-mark-{number}" for _, _, number in rows],
        "highlight": [],
    }
