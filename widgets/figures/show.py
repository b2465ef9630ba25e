"""Tables and pictures of a chapter's cell: HTML on a page, lines of text in a kept notebook.

A bar's place and length are percentages and its text keeps its size, so nothing shrinks on a phone.
Colours mean what they mean in the calculators' figures; a part's name and size stand beside it too.
"""

from dataclasses import replace
from html import escape

from llmcap_kernel import capacity
from llmcap_kernel.explain import digits, quantity

# Part of a bar -> mark of the style sheet, and its light colour where no style sheet is loaded.
COLOURS = {
    "weights": (1, "#1f5f99"),
    "largest batch": (2, "#8a5fa8"),
    "runtime": (3, "#8f6b00"),
    "CUDA graphs": (8, "#b23a77"),
    "room": (4, "#0e8577"),
    "too little room": (7, "#c2570c"),
    "window": (4, "#0e8577"),
    "in flight": (7, "#c2570c"),
    "every token": (1, "#1f5f99"),
    "state": (2, "#8a5fa8"),
}
OTHER = (6, "#87919c")
GIB = 2**30
ROW = 42  # pixels of a label and its bar


class Shown:
    """What a cell shows.

    Parameters
    ----------
    text : str
        Its plain form, the same at every run.
    html : str
        The same on a page.
    """

    def __init__(self, text, html):
        self._text, self._html = text, html

    def __repr__(self):
        return self._text

    def _repr_html_(self):
        return self._html


def table(columns, rows, caption, units=(), decimals=None):
    """Show a table.

    Parameters
    ----------
    columns : sequence of str
        Their heads.
    rows : iterable of sequence
        Text, or numbers that are written as the book writes them; the first names the row.
    caption : str
        What the table holds, with its unit.
    units : sequence of str
        Unit of each column as `explain.quantity` knows it, "%" for a share, "x" for a factor,
        "" for numbers as they are; empty for all of those.
    decimals : int, optional
        Of numbers that are not whole; as many as the book writes elsewhere if omitted.

    Returns
    -------
    Shown
        The table.

    Examples
    --------
    >>> table(("card", "GiB"), [("h100-sxm", 79.19), ("l4", 22.03)], "Memory")
    Memory
    card       GiB
    h100-sxm  79.2
    l4          22
    >>> table(("card", "speed"), [("h100-sxm", 3.35e12)], "Memory", units=("", "bytes/s"))
    Memory
    card          speed
    h100-sxm  3.35 TB/s
    """
    units = units or ("",) * len(columns)
    cells = [
        [_written(one, unit, decimals) for one, unit in zip(row, units, strict=True)]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [caption, *(_line(row, widths) for row in (columns, *cells))]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in cells
    )
    html = (
        f'<div class="lc-table" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
    return Shown("\n".join(lines), _framed(html))


def arithmetic(*results):
    """Show the lines of arithmetic that made results.

    Parameters
    ----------
    *results : Explained
        What the law gave: a step, a ledger, a served load.

    Returns
    -------
    Shown
        A line a quantity: its formula, the numbers in it, its value.
    """
    text = "\n".join(one.explain() for one in results)
    return Shown(text, _framed(f'<pre class="lc-sums">{escape(text)}</pre>'))


def bars(rows, unit, caption):
    """Show values as bars to scale, each the sum of its parts.

    Parameters
    ----------
    rows : mapping of str to mapping
        The parts of each bar by what stands above it: sizes by name, `COLOURS` has the names.
    unit : str
        Unit of the sizes.
    caption : str
        What the picture shows.

    Returns
    -------
    Shown
        The picture.

    Examples
    --------
    >>> bars({"one card": {"weights": 15.0, "room": 7.5}}, "GiB", "Memory of a card")
    Memory of a card, GiB
    one card
      weights 15, room 7.5
    """
    said = {label: _said(parts) for label, parts in rows.items()}
    text = "\n".join([f"{caption}, {unit}", *(f"{label}\n  {s}" for label, s in said.items())])
    longest = max(sum(parts.values()) for parts in rows.values()) or 1.0
    drawn = "".join(
        _bar(i, label, parts, unit, 100 / longest) for i, (label, parts) in enumerate(rows.items())
    )
    spoken = "; ".join(f"{label}: {s}" for label, s in said.items())
    html = (
        f"<p><strong>{escape(caption)}, {escape(unit)}</strong></p><p>{_key(rows)}</p>"
        f'<svg class="lc-beside" role="img" aria-label="{escape(spoken)}" width="100%" '
        f'height="{len(rows) * ROW}">{drawn}</svg>'
    )
    return Shown(text, _framed(html))


def memory(books):
    """Show where the engine's share of a card goes, for several settings to scale.

    Parameters
    ----------
    books : mapping of str to Ledger
        Ledgers of one card, by what is different in each.

    Returns
    -------
    Shown
        The picture, with the word for whether the engine starts.
    """
    rows = {}
    for label, one in books.items():
        room = quantity(max(one.kv_pool_bytes, 0.0), "GiB")
        rows[f"{label}: room {room}, starts: {one.start}"] = _shares(one)
    return bars(rows, "GiB", "The engine's share of a card")


def cache_groups(deployment, context_tokens):
    """Show the blocks that one sequence reserves in each group of layers.

    Parameters
    ----------
    deployment : Deployment
        One whose layers keep their cache in more than one way.
    context_tokens : int
        Length of the sequence [tokens].

    Returns
    -------
    Shown
        The picture, a bar a group.
    """
    cut = capacity.layout(deployment)
    length = max(kind.layers for kind in cut.kinds if kind.groups == 1)
    rows = {}
    for kind in cut.kinds:
        parts = _reserved(cut, kind, context_tokens)
        total = digits(sum(parts.values()))
        for first in range(0, kind.layers, length):
            last = min(first + length, kind.layers)
            empty = first + length - last
            padded = f" and {empty} empty" if empty else ""
            layers = {"all": "full"}.get(kind.name, kind.name)
            rows[f"{layers} layers {first + 1} to {last}{padded}: {total} blocks"] = parts
    size = quantity(cut.block_bytes, "bytes")
    return bars(rows, f"blocks of {size}", f"One sequence of {context_tokens:,} tokens")


def levers(summaries):
    """Show how right the law is about levers, on pairs of runs that differ in one.

    Parameters
    ----------
    summaries : iterable of evidence.levers.Summary
        One a lever.

    Returns
    -------
    Shown
        The table.

    Examples
    --------
    >>> from llmcap_kernel.evidence.levers import Summary
    >>> told = Summary("tp", 12, 9, 0.08, 0.2, 7, 1, 0, {})
    >>> levers([told, Summary("watts", 5, 0, None, None, 0, 0, 0, {})])
    Measured pairs, and the ratio predicted
    lever  pairs  predicted  off by  wrong way
    tp        12          9      8%     1 of 7
    watts      5          0       -          -
    """
    rows = [
        (
            one.name,
            one.pairs,
            one.predicted,
            f"{one.median:.0%}",
            f"{one.wrong_way} of {one.noticed}",
        )
        if one.predicted
        else (one.name, one.pairs, 0, "-", "-")
        for one in summaries
    ]
    heads = ("lever", "pairs", "predicted", "off by", "wrong way")
    return table(heads, rows, "Measured pairs, and the ratio predicted")


def _shares(books):
    room = "room" if books.kv_pool_bytes >= books.least_room_bytes else "too little room"
    inside = books.deployment.engine.graphs_in_fraction
    sizes = {
        "weights": books.weights_bytes,
        "largest batch": books.activation_bytes,
        "runtime": books.runtime_bytes,
        "CUDA graphs": books.graph_bytes if inside else 0.0,
        room: max(books.kv_pool_bytes, 0.0),
    }
    return {name: size / GIB for name, size in sizes.items()}


def _reserved(cut, kind, context_tokens):
    blocks = replace(cut, kinds=(replace(kind, groups=1),)).blocks(context_tokens)
    if kind.name != "window":
        return {{"all": "every token"}.get(kind.name, kind.name): blocks}
    window = min(-(-kind.window_tokens // kind.block_tokens), blocks)
    return {"window": window, "in flight": blocks - window}


def _written(one, unit, decimals):
    if isinstance(one, str):
        return one
    if one is None:
        return "-"
    if unit == "%":
        return f"{one:.{decimals or 0}%}"
    if unit:
        return f"{digits(one)}x" if unit == "x" else quantity(one, unit)
    if isinstance(one, float):
        return digits(one) if decimals is None else f"{one:,.{decimals}f}"
    return f"{one:,}"


def _line(row, widths):
    first, *rest = (
        text.ljust(width) if i == 0 else text.rjust(width)
        for i, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _said(parts):
    return ", ".join(f"{name} {digits(size)}" for name, size in parts.items() if size)


def _framed(html):
    return f'<section class="lc">{html}</section>'


def _fill(name):
    number, plain = COLOURS.get(name, OTHER)
    return f"var(--lc-mark-{number}, {plain})"


def _key(rows):
    """Name every part beside its colour, in the order in which they are drawn."""
    names = dict.fromkeys(name for parts in rows.values() for name, size in parts.items() if size)
    look = "display:inline-block;width:.75rem;height:.75rem;border-radius:2px;background:"
    return "\u2003".join(
        f'<span style="white-space:nowrap"><i style="{look}{_fill(name)}"></i> '
        f"{escape(name)}</span>"
        for name in names
    )


def _bar(i, label, parts, unit, scale):
    top, at, out = i * ROW, 0.0, []
    for name, size in parts.items():
        hover = f"<title>{escape(name)}: {digits(size)} {escape(unit)}</title>"
        out.append(
            f'<rect style="fill:{_fill(name)};stroke:var(--lc-ground, #fff)" x="{at * scale:.2f}%" '
            f'y="{top + 20}" width="{size * scale:.2f}%" height="14">{hover}</rect>'
        )
        at += size
    return f'<text x="0" y="{top + 14}">{escape(label)}</text>{"".join(out)}'
