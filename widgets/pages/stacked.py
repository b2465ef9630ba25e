"""Tables of a text that become cards on a phone: each cell told what its column is.

Markdown has no place for it, so it is written when the book is built. The looks are in `book.css`,
and like those of the calculators' tables.
"""

import html
import re

FEWEST = 4  # columns, from which a table is too wide for a phone
BRIEF = 20  # characters of a cell and its column's name together that share a line with another

TABLE = re.compile(r'<table class="table">.*?</table>', re.S)
HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.S)
ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.S)
CELL = re.compile(r"<td\b([^>]*)>(.*?)</td>", re.S)
TAG = re.compile(r"<[^>]+>")


def stacked(page: str) -> str:
    """Name the column in every cell of a page's wide tables.

    Parameters
    ----------
    page : str
        The page, as Jupyter Book wrote it.

    Returns
    -------
    str
        The same with `lt-stack` on these tables, and `data-label` on their cells.

    Examples
    --------
    >>> heads = "".join(f"<th>{name}</th>" for name in "abcd")
    >>> cells = "".join(f"<td>{n}</td>" for n in range(4))
    >>> rows = f"<thead><tr>{heads}</tr></thead><tbody><tr>{cells}</tr></tbody>"
    >>> stacked(f'<table class="table">{rows}</table>')[105:172]
    '<td data-label="a">0</td><td class="lt-brief" data-label="b">1</td>'
    """
    return TABLE.sub(lambda found: _table(found[0]), page)


def _table(text: str) -> str:
    names = [_plain(name) for name in HEAD.findall(text)]
    if len(names) < FEWEST:
        return text
    text = text.replace('class="table"', 'class="table lt-stack"', 1)
    return ROW.sub(lambda row: _row(row[0], names), text)


def _row(text: str, names: list[str]) -> str:
    short = _pairs(
        [
            "class=" not in cell[1] and len(_plain(cell[2])) + len(name) <= BRIEF
            for cell, name in zip(CELL.finditer(text), names, strict=False)
        ]
    )
    left = iter(zip(names, short, strict=False))

    def cell(found: re.Match) -> str:
        name, is_brief = next(left, ("", False))
        brief = ' class="lt-brief"' if is_brief else ""
        return f'<td{found[1]}{brief} data-label="{html.escape(name)}">{found[2]}</td>'

    return CELL.sub(cell, text)


def _pairs(short: list[bool]) -> list[bool]:
    """Of short cells, those that share a line with the next: one alone would end half way."""
    paired = [False] * len(short)
    for at in range(2, len(short)):  # the first is the head of its card
        paired[at] = short[at] and short[at - 1] and not paired[at - 1]
    return [at or after for at, after in zip(paired, [*paired, False][1:], strict=True)]


def _plain(text: str) -> str:
    return html.unescape(TAG.sub("", text)).strip()
