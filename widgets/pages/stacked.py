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
    >>> stacked(f'<table class="table">{rows}</table>')[105:147]
    '<td class="lt-brief" data-label="a">0</td>'
    """
    return TABLE.sub(lambda found: _table(found[0]), page)


def _table(text: str) -> str:
    names = [_plain(name) for name in HEAD.findall(text)]
    if len(names) < FEWEST:
        return text
    text = text.replace('class="table"', 'class="table lt-stack"', 1)
    return ROW.sub(lambda row: _row(row[0], names), text)


def _row(text: str, names: list[str]) -> str:
    left = iter(names)

    def cell(found: re.Match) -> str:
        name, inner = next(left, ""), found[2]
        is_brief = len(_plain(inner)) + len(name) <= BRIEF
        brief = ' class="lt-brief"' if is_brief and "class=" not in found[1] else ""
        return f'<td{found[1]}{brief} data-label="{html.escape(name)}">{inner}</td>'

    return CELL.sub(cell, text)


def _plain(text: str) -> str:
    return html.unescape(TAG.sub("", text)).strip()
