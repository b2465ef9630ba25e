"""Tables and arithmetic of a chapter's cell: HTML on a page, lines of text in a kept notebook."""

from html import escape

from llmcap_kernel.explain import Line, digits, quantity

MOST_OF_A_NUMBER = 20  # characters; what is longer in a cell of text is a phrase


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
    units, rows = units or ("",) * len(columns), [tuple(row) for row in rows]
    cells = [
        [_written(one, unit, decimals) for one, unit in zip(row, units, strict=True)]
        for row in rows
    ]
    looks = [' class="lc-words"' if _is_words(x) else "" for x in zip(*rows, strict=True)]
    looks = looks or [""] * len(columns)
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [caption, *(_line(row, widths) for row in (columns, *cells))]
    head = "".join(
        f'<th scope="col"{look}>{escape(name)}</th>'
        for name, look in zip(columns, looks, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(
            f"<td{look}>{escape(text)}</td>" for text, look in zip(rest, looks[1:], strict=True)
        )
        + "</tr>"
        for first, *rest in cells
    )
    html = (
        f'<div class="lc-table" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
    return Shown("\n".join(lines), _framed(html))


def _is_words(column):
    """Whether a column holds phrases, which begin at one place, and no numbers that end at one."""
    return all(isinstance(x, str) for x in column) and max(map(len, column)) > MOST_OF_A_NUMBER


def arithmetic(*results):
    """Show the lines of arithmetic that made results.

    Parameters
    ----------
    *results : Explained or Line
        What the law gave: a step, a ledger, a served load, or single lines of one.

    Returns
    -------
    Shown
        A line a quantity: its formula, the numbers in it, its value.

    Examples
    --------
    >>> arithmetic(Line("budget", "visible x fraction", "79.2 GiB x 0.9", "71.3 GiB"))
    budget = visible x fraction
           = 79.2 GiB x 0.9
           = 71.3 GiB
    """
    lines = (str(one) if isinstance(one, Line) else one.explain() for one in results)
    text = "\n".join(lines)
    return Shown(text, _framed(f'<pre class="lc-sums">{escape(text)}</pre>'))


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


def effects(seen):
    """Show what levers do to the four numbers of a deployment.

    Parameters
    ----------
    seen : iterable of toolbox.Effect
        The effects; where all have the same predictions before, these are the first row.

    Returns
    -------
    Shown
        The table: users that fit, gap between tokens, wait for the first token, and the price
        of a million output tokens.

    Examples
    --------
    >>> from llmcap_kernel.toolbox import Effect, Reading
    >>> start = Reading(2, 0.1, 0.5)
    >>> effects([Effect("faster link", start, start._replace(itl_s=0.05))])
    What a lever does, as estimated
    lever        users     gap  first token  price
    as it is         2  100 ms       500 ms      -
    faster link      2   50 ms       500 ms      -
    """
    seen = tuple(seen)
    rows = [(one.name, one.after) for one in seen]
    if seen and all(one.before == seen[0].before for one in seen):
        rows.insert(0, ("as it is", seen[0].before))
    return table(
        ("lever", "users", "gap", "first token", "price"),
        [(name, r.max_concurrent, r.itl_s, r.ttft_s, r.usd_mtok) for name, r in rows],
        "What a lever does, as estimated",
        units=("", "", "s", "s", "USD/Mtok"),
    )


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


def _framed(html):
    return f'<section class="lc">{html}</section>'
