"""The figure of a card's memory, and the tables of its terms."""

import itertools

from llmcap_kernel import capacity
from llmcap_kernel.explain import GIB, capitalised, digits

from . import GROUND, TEXT, axis, figure, note
from .drawing import style

PALE = ("free", "other")  # on these text has the colour of text
# Shares of the longest bar below which a part is named below, and that beside the whisker.
NARROW, WIDE = 0.3, 0.34
LABEL = ("textposition", "insidetextanchor", "textangle", "insidetextfont")  # how it stands
OUTSIDE = "Outside the engine's share"
# As they stand below a bar.
SHORT = {
    OUTSIDE: "Outside",
    "KV without room": "No room",
    "CUDA graphs": "Graphs",
    "Draft and adapters": "Draft",
}
COLUMNS = (0.02, 0.555)  # of names below a bar, in shares of the longest: a phone has room for two


def stacked_bars(rows, limit, limit_text, alt, whisker=None):
    """Draw what a card has above what is asked of it, term by term.

    Parameters
    ----------
    rows : list of tuple
        Each (label, parts), a part being (name, GiB, meaning in `drawing`, hatched).
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
    named: set[str] = set()  # what is too short to be labelled on the bar is named below it, once
    lines: list[str] = []  # from top to bottom: bars, and lines of names below them
    below = []
    for label, parts in rows:
        starts = itertools.accumulate((part[1] for part in parts), initial=0.0)
        found: list[tuple] = []
        for begin, (name, gib, ink, hatched) in zip(starts, parts, strict=False):
            marked = _covered(whisker, label, begin, longest)
            short = gib < (WIDE if marked else NARROW) * longest or hatched
            if short and name not in named:
                found.append((f"{SHORT.get(name, name)} {digits(gib, 3)}", ink))
            named |= {name} if short else set()
            text = {} if short else _inside(f"{name} {digits(gib, 3)}", ink, marked)
            data.append(_bar(label, name, gib, ink, hatched) | text)
        lines.append(label)
        for first in range(0, len(found), len(COLUMNS)):
            lines.append(" " * len(lines))
            names = found[first : first + len(COLUMNS)]
            below.append(_names_below(lines[-1], names, longest))
    data = _joined(data) + below
    data += _whisker(*whisker) if whisker else []
    return _stacked(data, lines, alt, (limit, limit_text, limit > 0.5 * longest))


def _covered(whisker, label, begin, longest):
    """Whether words at the start of a part would stand under the whisker."""
    if not whisker or whisker[0] != label:
        return False
    _, end, off = whisker
    return begin < end + off and end - off < begin + NARROW * longest


def _stacked(data, lines, alt, limited):
    """The figure of bars and of the lines of names below them."""
    limit, limit_text, right = limited
    line = {"type": "line", "line": {"color": TEXT, "width": 2, "dash": "dot"}}
    bars = [at for at, name in enumerate(lines) if name.strip()]  # a line through names hides them
    ends = [{"x0": limit, "x1": limit, "y0": at - 0.5, "y1": at + 0.5} for at in bars]
    label = note(limit_text, limit, 1, yref="paper", yanchor="bottom")
    return figure(
        data,
        alt,
        height=90 + 38 * len(lines),
        barmode="stack",
        uniformtext={"mode": "hide", "minsize": 11},
        margin={"l": 8, "r": 12, "t": 28, "b": 8},
        shapes=[line | end for end in ends],
        annotations=[label | {"xanchor": "right" if right else "left"}],
        xaxis=axis("GiB on one card", rangemode="tozero"),
        yaxis=axis(
            categoryorder="array",
            categoryarray=lines,
            range=[len(lines) - 0.5, -0.5],
            showgrid=False,
            ticks="",
            tickfont={"size": 13},
        ),
    )


def _names_below(line, names, longest):
    """One line of names below a bar, each after a square of its part's colour."""
    texts, inks = zip(*names, strict=True)
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [share * longest for share in COLUMNS[: len(names)]],
        "y": [line] * len(names),
        "text": [f" {text}" for text in texts],
        "textposition": "middle right",
        "textfont": {"size": 11, "color": TEXT},
        "marker": {"symbol": "square", "size": 10, "color": [_paint(ink) for ink in inks]},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _paint(ink):
    return f"var({style(ink)})"


def _bar(label, name, gib, ink, hatched):
    """One part of a bar."""
    marker = {"color": _paint(ink), "line": {"color": GROUND, "width": 1.5}}
    if hatched:
        pattern = {"shape": "/", "size": 8, "solidity": 0.25, "fgcolor": GROUND}
        marker["pattern"] = pattern | {"bgcolor": _paint(ink)}
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [gib],
        "y": [label],
        "width": 0.85,
        "marker": marker,
        "hovertemplate": [f"{name}: {gib:,.2f} GiB<extra></extra>"],
    }


def _joined(parts):
    """Draw a part of every bar as one trace: half as many traces are drawn in less time."""
    traces: list[dict] = []
    for part in parts:
        same = next((t for t in traces if t["name"] == part["name"] and _fit(t, part)), None)
        if same is None:
            traces.append(part)
            continue
        if "text" in same or "text" in part:
            none = [""] * len(same["x"])
            same["text"] = same.get("text", none) + part.get("text", [""])
        same |= {key: same[key] + part[key] for key in ("x", "y", "hovertemplate")}
        same |= {key: part[key] for key in LABEL if key in part}
    return traces


def _fit(trace, part):
    """Whether the labels of both stand at the same end, or one has none."""
    ends = {one["insidetextanchor"] for one in (trace, part) if "text" in one}
    return len(ends) < 2


def _inside(text, ink, marked):
    """Label a bar on the bar, at its far end where the whisker stands at its near one."""
    colour = TEXT if ink in PALE else GROUND
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
            "x": [end],
            "y": [label],
            "marker": {"color": colour, "size": size},
            "error_x": reach | {"color": colour, "thickness": thickness, "width": width},
            "hovertemplate": f"{said}<extra></extra>",
        }
        for colour, thickness, width, size in looks
    ]


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
    shared = books.once_bytes if whole else 0.0
    return min(books.kv_used_bytes, shared + whole * books.kv_bytes_per_sequence)


def overhead_parts(books):
    """List the terms inside the engine's share that are neither the model's weights nor cache.

    Parameters
    ----------
    books : Ledger
        Where a card's memory goes [bytes].

    Returns
    -------
    list of tuple
        Name, bytes and the meaning in `drawing` of each that takes any.
    """
    inside = books.deployment.engine.graphs_in_fraction
    parts = [
        ("draft and adapters", books.extra_bytes, "weights"),
        ("activations", books.activation_bytes, "activations"),
        ("runtime", books.runtime_bytes, "host"),
        ("CUDA graphs", books.graph_bytes if inside else 0.0, "link"),
    ]
    return [part for part in parts if part[1] > 0]


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
    fixed = [("Weights", books.weights_bytes / GIB, "weights", False)]
    for name, size, ink in overhead_parts(books):
        fixed.append((capitalised(name), size / GIB, ink, False))
    held, usable = _held_bytes(books), usable_bytes(books)
    outside = books.visible_bytes - usable
    if books.kv_pool_bytes >= 0:
        free = books.kv_pool_bytes - held
        card = [*fixed, ("KV in use", held / GIB, "cache", False)]
        card.append(("KV free", free / GIB, "free", False))
    else:
        card = [("The engine's share", usable / GIB, "other", False)]
    card.append((OUTSIDE, outside / GIB, "other", True))
    missing = books.kv_used_bytes - held
    asked = [
        *fixed,
        ("KV in use", held / GIB, "cache", False),
        ("KV without room", missing / GIB, "bad", True),
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
    rows = [("Weights", books.weights_bytes, "weights")]
    rows += [(f"Overhead: {name}", size, ink) for name, size, ink in overhead_parts(books)]
    rows.append(("KV in use", held, "cache"))
    rows.append(("KV free", max(books.kv_pool_bytes - held, 0), "free"))
    if books.kv_used_bytes > held:
        rows.append(("KV without room", books.kv_used_bytes - held, "bad"))
    graphs = books.deployment.engine.graphs_in_fraction
    beside = OUTSIDE + ("" if graphs else ", CUDA graphs among it")
    rows.append((beside, max(visible - usable_bytes(books), 0), "other"))
    return {
        "caption": f"Memory of one card, {digits(visible / GIB)} GiB visible to the driver",
        "columns": ["Term", "GiB", "Share of card"],
        "rows": [[n, f"{size / GIB:,.2f}", f"{size / visible:.1%}"] for n, size, _ in rows],
        "swatches": [style(ink) for _, _, ink in rows],
        "highlight": [],
    }
