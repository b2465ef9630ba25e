"""How an answer is printed: tables that fit, CSV, Markdown, JSON, and colour on a terminal."""

import csv
import io
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GAP = "  "
NARROWEST = 12  # characters below which a wrapped column is unreadable
BLOCKS = " ▏▎▍▌▋▊▉█"
FORMULA = ("=", "+", "-", "@", "\t", "\n")  # what begins one in a spreadsheet
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?%?|-", re.IGNORECASE)
STYLES = {"bold": "1", "dim": "2", "good": "32", "doubtful": "33", "bad": "31"}


@dataclass(frozen=True)
class Screen:
    """What an answer is printed on.

    Attributes
    ----------
    width : int
        Characters of a line.
    colour : bool
        Whether styles are shown.
    bars : bool
        Whether bars are drawn.
    """

    width: int = 80
    colour: bool = False
    bars: bool = False

    @classmethod
    def here(cls) -> "Screen":
        """Look at the terminal of this process.

        Returns
        -------
        Screen
            Its width, with colour unless NO_COLOR is set; 80 characters and plain text
            where the output goes elsewhere.
        """
        width = max(shutil.get_terminal_size((80, 24)).columns, 20)
        shown = sys.stdout.isatty()
        colour = shown and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(width, colour, shown and "utf" in (sys.stdout.encoding or "").lower())

    def paint(self, text: str, style: str) -> str:
        """Put a text in a style, where the screen shows any.

        Parameters
        ----------
        text : str
            One line.
        style : str
            One of `STYLES`.

        Returns
        -------
        str
            The text, with the codes of a terminal around it.
        """
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and text else text

    def prose(self, text: str, first: str = "", later: str | None = None) -> str:
        """Wrap a text to the screen; an address stays whole.

        Parameters
        ----------
        text : str
            One paragraph.
        first, later : str
            Indentation of the first line and of the others, which is the first's if omitted.

        Returns
        -------
        str
            Its lines.

        Examples
        --------
        >>> print(Screen(24).prose("The weights are 33.9 GiB a card.", "  "))
          The weights are
          33.9 GiB a card.
        """
        # a number and its unit stay on one line
        whole = re.sub(r"(?<=\d) (?=[A-Za-z]{1,5}\b)", "\xa0", text)
        lines = textwrap.wrap(
            whole,
            self.width,
            initial_indent=first,
            subsequent_indent=first if later is None else later,
            break_long_words="://" not in text,
            break_on_hyphens=False,
        )
        return "\n".join(lines).replace("\xa0", " ")

    def fitted(self, text: str) -> str:
        """Wrap those lines of a text that are too long, each at its own indentation.

        Parameters
        ----------
        text : str
            Lines that are laid out.

        Returns
        -------
        str
            The same lines where they fit.
        """
        out = []
        for line in text.splitlines():
            indent = " " * min(len(line) - len(line.lstrip()), self.width // 2)
            out.append(
                self.prose(line.strip(), indent, indent + GAP) if len(line) > self.width else line
            )
        return "\n".join(out)

    def bar(self, share: float, width: int = 24) -> str:
        """Draw a share of a whole in eighths of a character.

        Parameters
        ----------
        share : float
            From 0 to 1.
        width : int
            Characters of the whole.

        Returns
        -------
        str
            The bar; "" where none is shown.

        Examples
        --------
        >>> Screen(bars=True).bar(0.5, 4), Screen().bar(0.5, 4)
        ('██', '')
        """
        if not self.bars:
            return ""
        eighths = round(min(max(share, 0), 1) * width * 8)
        return ("█" * (eighths // 8) + BLOCKS[eighths % 8]).rstrip()


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    head : str
        Heading.
    rank : int
        0 for a column that stays; where the table is too wide the highest rank goes first.
    left : bool
        Whether cells stand to the left; such cells may be wrapped.
    """

    head: str
    rank: int = 0
    left: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as people read them.

    Attributes
    ----------
    columns : tuple of Column
        The columns; the first one names the row.
    rows : tuple of tuple of str
        The cells.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self, screen: Screen) -> str:
        """Align the cells; no line is wider than the screen.

        Columns of a high rank are left out first and named below the table. Then
        cells that stand to the left are wrapped, and at last columns follow below.

        Parameters
        ----------
        screen : Screen
            What it is printed on.

        Returns
        -------
        str
            The table.

        Examples
        --------
        >>> columns = Column("card", left=True), Column("memory"), Column("rent", rank=1)
        >>> print(Table(columns, (("l4", "22.5 GiB", "$0.49/h"),)).text(Screen(20)))
        card    memory
        l4    22.5 GiB
        Not shown at this
        width: rent.
        """
        narrowed, dropped = self, []
        while _width(narrowed._widths()) > screen.width and any(c.rank for c in narrowed.columns):
            last = max(range(len(narrowed.columns)), key=lambda i: (narrowed.columns[i].rank, i))
            dropped.append(narrowed.columns[last].head)
            narrowed = narrowed._without(last)
        out = "\n\n".join(part._aligned(screen) for part in narrowed._folded(screen.width))
        if dropped:
            more = screen.prose(f"Not shown at this width: {', '.join(reversed(dropped))}.")
            out += "\n" + "\n".join(screen.paint(line, "dim") for line in more.splitlines())
        return out

    def markdown(self) -> str:
        """Write the table as Markdown.

        Returns
        -------
        str
            A pipe table with every column.

        Examples
        --------
        >>> print(Table((Column("card", left=True), Column("rent")), (("l4", "$1"),)).markdown())
        | card | rent |
        |---|---:|
        | l4 | $1 |
        """

        def row(cells: Iterable[str]) -> str:
            return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

        heads = row(c.head for c in self.columns)
        rule = "|" + "|".join("---" if c.left else "---:" for c in self.columns) + "|"
        return "\n".join([heads, rule, *map(row, self.rows)])

    def without(self, head: str) -> "Table":
        """Leave out a column.

        Parameters
        ----------
        head : str
            Its heading.

        Returns
        -------
        Table
            The others.
        """
        return self._without([column.head for column in self.columns].index(head))

    def _widths(self) -> list[int]:
        cells = [[c.head for c in self.columns], *self.rows]
        return [max(1, *map(len, column)) for column in zip(*cells, strict=True)]

    def _without(self, at: int) -> "Table":
        cut = [(*row[:at], *row[at + 1 :]) for row in self.rows]
        return Table((*self.columns[:at], *self.columns[at + 1 :]), tuple(cut))

    def _folded(self, width: int) -> list["Table"]:
        """Parts that fit, each led by the first column."""
        least = [
            min(w, max(NARROWEST, len(c.head))) if c.left else w
            for w, c in zip(self._widths(), self.columns, strict=True)
        ]
        parts: list[list[int]] = [[]]
        for i in range(1, len(least)):
            if parts[-1] and _width([least[0], *(least[j] for j in parts[-1]), least[i]]) > width:
                parts.append([])
            parts[-1].append(i)
        return [self._only((0, *part)) for part in parts]

    def _only(self, at: Sequence[int]) -> "Table":
        rows = tuple(tuple(row[i] for i in at) for row in self.rows)
        return Table(tuple(self.columns[i] for i in at), rows)

    def _fitted(self, width: int) -> list[int]:
        """Width of each column: the widest that may be wrapped gives way."""
        widths = self._widths()
        while (over := _width(widths) - width) > 0:
            soft = [i for i, c in enumerate(self.columns) if c.left and widths[i] > NARROWEST]
            soft = soft or [i for i in range(len(widths)) if widths[i] > 1]
            if not soft:
                break
            widest = max(soft, key=widths.__getitem__)
            rest = sorted(widths[i] for i in soft)
            step = widths[widest] - rest[-2] if len(rest) > 1 else over
            widths[widest] -= min(max(step, 1), over, max(widths[widest] - 1, 1))
        return widths

    def _aligned(self, screen: Screen) -> str:
        widths = self._fitted(screen.width)
        lines = []
        for number, row in enumerate([tuple(c.head for c in self.columns), *self.rows]):
            cells = [textwrap.wrap(cell, w) or [""] for cell, w in zip(row, widths, strict=True)]
            for at in range(max(map(len, cells))):
                placed = [
                    (part[at] if at < len(part) else "").ljust(w)
                    if column.left
                    else (part[at] if at < len(part) else "").rjust(w)
                    for part, w, column in zip(cells, widths, self.columns, strict=True)
                ]
                line = GAP.join(placed).rstrip()
                lines.append(screen.paint(line, "bold") if number == 0 else line)
        return "\n".join(lines).strip("\n")


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


@dataclass(frozen=True)
class Answer:
    """What a command has to say, before it is known how it is printed.

    Attributes
    ----------
    data : object
        What JSON holds.
    records : tuple of mapping
        The rows that CSV holds, each a part of `data`; nested values get dotted names.
    table : Table
        The same rows as people read them.
    text : callable
        Writes the answer for a screen.
    status : int
        Exit status.
    """

    data: Any
    records: tuple[Mapping[str, Any], ...]
    table: Table
    text: Callable[[Screen], str]
    status: int = 0

    def printed(self, how: str | None, screen: Screen) -> str:
        """Write the answer.

        Parameters
        ----------
        how : str or None
            "json", "csv" or "markdown"; text for people if None.
        screen : Screen
            What it is printed on.

        Returns
        -------
        str
            The answer.
        """
        if how == "json":
            return json.dumps(self.data, indent=1, allow_nan=False)
        if how == "csv":
            return written(self.records)
        if how == "markdown":
            return self.table.markdown()
        return self.text(screen)


def of_records(
    records: Iterable[Mapping[str, Any]], columns: Mapping[str, tuple[Column, Callable[[Any], str]]]
) -> Table:
    """Make a table of records.

    Parameters
    ----------
    records : iterable of mapping
        The rows.
    columns : mapping of str to (Column, callable)
        By key of the records: the column, and how its values are written.

    Returns
    -------
    Table
        A cell for each key; "-" where the value is None.

    Examples
    --------
    >>> of_records([{"n": 1000}, {"n": None}], {"n": (Column("users"), "{:,}".format)}).rows
    (('1,000',), ('-',))
    """
    rows = tuple(
        tuple("-" if row[key] is None else show(row[key]) for key, (_, show) in columns.items())
        for row in records
    )
    return Table(tuple(column for column, _ in columns.values()), rows)


def flat(record: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Give nested values dotted names.

    Parameters
    ----------
    record : mapping
        Values, mappings and lists.
    above : str
        What the names begin with.

    Returns
    -------
    dict
        Plain values; a list as JSON.

    Examples
    --------
    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    {'a.b': 1, 'c': '[1, 2]'}
    """
    out: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{above}{key}.")
        else:
            out[above + key] = json.dumps(value) if isinstance(value, list | tuple) else value
    return out


def written(records: Iterable[Mapping[str, Any]]) -> str:
    """Write records as CSV.

    Parameters
    ----------
    records : iterable of mapping
        The rows; their columns are the names of all of them.

    Returns
    -------
    str
        A heading and a line a row; nothing in a cell for None, and true and false as
        JSON has them. A text that a spreadsheet would run as a formula begins with an apostrophe.

    Examples
    --------
    >>> print(written([{"a": 1, "b": {"c": None}}, {"a": -0.5, "b": {"c": True}}]))
    a,b.c
    1,
    -0.5,true
    >>> print(written([{"id": "=1+2"}, {"id": "-2"}, {"id": "a-b"}]))
    id
    '=1+2
    -2
    a-b
    """
    rows = [flat(record) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    # nothing where others have more than one value is no value of its own
    names = [name for name in names if not any(n.startswith(name + ".") for n in names)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, names))
    for row in rows:
        writer.writerow(_cell(row.get(name)) for name in names)
    return out.getvalue().removesuffix("\n")


def _cell(value: Any) -> Any:
    """A value as a cell. A name out of a stranger's file must not run where the CSV is opened."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    value = value.replace("\r", "\n")  # a bare one would end the row, unquoted
    return f"'{value}" if value.startswith(FORMULA) and not NUMBER.fullmatch(value) else value


def prose_table(rows: Iterable[tuple[str, str]], screen: Screen) -> str:
    """Write names with a text beside each, the texts wrapped.

    Parameters
    ----------
    rows : iterable of (str, str)
        Name and text.
    screen : Screen
        What it is printed on.

    Returns
    -------
    str
        The lines.

    Examples
    --------
    >>> print(prose_table([("A:", "it does not start"), ("B2:", "it fits")], Screen(16)))
    A:  it does not
        start
    B2: it fits
    """
    rows = [(f"{name} ", text) for name, text in rows]
    width = max((len(name) for name, _ in rows), default=0)
    if width > screen.width // 2:
        return "\n".join(screen.prose(name + text, "", GAP) for name, text in rows)
    return "\n".join(screen.prose(text, f"{name:{width}}", " " * width) for name, text in rows)
