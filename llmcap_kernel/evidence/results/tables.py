"""Tables of any client: CSV, and the rows of markdown."""

import csv
import re
from collections.abc import Callable, Iterator

from ...explain import counted
from ...refuse import BadInput, shown
from .line import Document, Fields, Form, Problem

MAX_COLUMNS = 200
MAX_LINES = 500_000
MAX_JOINED_LINES = 50  # lines a quoted cell may run over
HEADER_WITHIN = 2000  # lines of a log above a table
DELIMITERS = ",;\t"
# Spreadsheets part cells by semicolons where the comma is the decimal point.
DECIMAL_COMMA = re.compile(r"^\s*(-?\d+|-?[1-9]\d{0,2}(?:\.\d{3})+),(\d+)\s*$")
A_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")  # is in a row, and in no header
DOTS_BETWEEN = re.compile(r"^\s*-?[1-9]\d{0,2}(?:\.\d{3})+\s*$")


def lines_of(text: str) -> list[str]:
    """Split a text, whatever ends its lines.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    list of str
        Its lines.

    Raises
    ------
    BadInput
        When there are absurdly many.

    Examples
    --------
    >>> lines_of("a\\r\\nb\\rc")
    ['a', 'b', 'c']
    """
    check_lines(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")


def check_lines(text: str) -> None:
    """Refuse a text of absurdly many lines before anything is done with each of them.

    Parameters
    ----------
    text : str
        The text.

    Raises
    ------
    BadInput
        When it has more than `MAX_LINES`.

    Examples
    --------
    >>> check_lines("a\\nb")
    """
    many = 1 + text.count("\n") + text.count("\r") - text.count("\r\n")
    if many > MAX_LINES:
        raise BadInput("file", f"file has {many:,} lines: it takes up to {MAX_LINES:,}.")


def csv_form(known: Callable[[Fields], bool]) -> Form:
    """Make the form of a CSV, whose header tells who wrote it.

    Parameters
    ----------
    known : callable
        Takes a header as a document, says whether a client is known by it.

    Returns
    -------
    Form
        Of CSV with commas, semicolons or tabs, below a log or not.

    Examples
    --------
    >>> form = csv_form(lambda header: "metric" in header)
    >>> list(form.documents("metric,value\\nitl_ms,9.5"))
    [('line 2', {'metric': 'itl_ms', 'value': '9.5'})]
    """

    def recognises(text: str) -> bool:
        return _header_at(lines_of(text), known) is not None

    def documents(text: str) -> Iterator[Document]:
        lines = lines_of(text)
        found = _header_at(lines, known)
        if found is None:
            return
        at, delimiter, header = found
        records = list(_records(lines, at + 1, delimiter, len(header)))
        comma = delimiter == ";" and any(
            DECIMAL_COMMA.match(cell) for _, cells in records for cell in cells or ()
        )
        for number, cells in records:
            if cells and [cell.strip().lower() for cell in cells] == header:
                continue  # files put behind one another
            if comma and cells:
                cells = [_with_a_point(cell) for cell in cells]
            yield f"line {number}", _document(header, cells)

    return Form(recognises, documents)


def _with_a_point(cell: str) -> str:
    """A number whose decimal sign is the comma, and whose thousands a dot parts."""
    found = DECIMAL_COMMA.match(cell)
    if found:
        return f"{found[1].replace('.', '')}.{found[2]}"
    return cell.replace(".", "") if DOTS_BETWEEN.match(cell) else cell


def _document(header: list[str], cells: list[str] | None) -> Fields | Problem:
    if cells is None:
        return Problem("a quote is not closed")
    if len(cells) != len(header):
        return Problem(_miscounted(cells, header))
    if len(set(header)) < len(header) and (twice := _contradicted(header, cells)):
        return Problem(twice)
    return dict(zip(header, cells, strict=True))


def _contradicted(header: list[str], cells: list[str]) -> str:
    """Say of which column two cells of a row differ; "" for none."""
    first: dict[str, str] = {}
    for name, cell in zip(header, cells, strict=True):
        if name and first.setdefault(name, cell) != cell:
            return f"{name} stands twice, as {shown(first[name])} and {shown(cell)}"
    return ""


def _miscounted(cells: list[str], header: list[str]) -> str:
    return f"{counted(len(cells), 'cell')} where the header has {len(header)}"


def _header_at(
    lines: list[str], known: Callable[[Fields], bool]
) -> tuple[int, str, list[str]] | None:
    """Where the header stands, what parts its cells, and the cells."""
    begun = False
    for at, line in enumerate(lines[:HEADER_WITHIN]):
        if not line.strip():
            continue
        delimiter = max(DELIMITERS, key=line.count)
        many = line.count(delimiter) + 1
        if many > MAX_COLUMNS and not begun:
            raise BadInput("file", f"file has {many:,} columns: it takes up to {MAX_COLUMNS}.")
        begun = True
        if 1 < many <= MAX_COLUMNS:
            header = [name.strip().lower() for name in _cells(line, delimiter) or []]
            if known(dict.fromkeys(header)) and not any(map(A_NUMBER.fullmatch, header)):
                return at, delimiter, header
    return None


def _cells(line: str, delimiter: str) -> list[str] | None:
    """Split one line into cells; None when it is not CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=False), [])
    except csv.Error:
        return None


def _records(
    lines: list[str], start: int, delimiter: str, width: int
) -> Iterator[tuple[int, list[str] | None]]:
    """Yield line number and cells; an unclosed quote loses its own line, not the rest."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        at = start
        while at < len(lines):
            used, cells = 1, None
            if lines[at].count('"') % 2 == 0:
                cells = _bounded(lines[at], delimiter)
            else:
                used, cells = _joined(lines, at, delimiter, width)
            if lines[at].strip():
                yield at + 1, _without_blank_tail(cells, width)
            at += used
    finally:
        csv.field_size_limit(limit)


def _bounded(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line; of absurdly many only the first, which are too many all the same."""
    if '"' not in line and line.count(delimiter) > 2 * MAX_COLUMNS:
        return line.split(delimiter, 2 * MAX_COLUMNS)
    return _cells(line, delimiter)


def _joined(lines: list[str], at: int, delimiter: str, width: int) -> tuple[int, list[str] | None]:
    """Join a line with the following ones that its quoted cell spans."""
    for used in range(2, min(MAX_JOINED_LINES, len(lines) - at) + 1):
        if lines[at + used - 1].count('"') % 2:
            parts = lines[at : at + used]
            try:
                found = list(csv.reader([p + "\n" for p in parts], delimiter=delimiter))
            except csv.Error:
                break
            if len(found) == 1 and len(found[0]) == width:
                return used, found[0]
            break
    return 1, None


def _without_blank_tail(cells: list[str] | None, width: int) -> list[str] | None:
    while cells and len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def markdown(text: str, is_header: Callable[[list[str]], bool]) -> Iterator[Document]:
    """Read the tables of a text that have a certain header, each row as a document.

    Parameters
    ----------
    text : str
        Tables, with a log around them or not.
    is_header : callable
        Takes the cells of a row, says whether such a table begins with it.

    Returns
    -------
    iterator of Document
        The rows by the header's names; the other tables are passed over.

    Examples
    --------
    >>> list(markdown("| model | t/s |\\n| --- | --: |\\n| a | 9 |", lambda row: "t/s" in row))
    [('line 3', {'model': 'a', 't/s': '9'})]
    """
    header: list[str] = []
    lines = lines_of(text)
    for number, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True), 1):
        if not line.lstrip().startswith("|"):
            continue  # a log may print between two rows
        cells = [cell.strip() for cell in line.strip().strip("|").split("|", MAX_COLUMNS)]
        if is_header(cells):
            header = cells
        elif _is_rule(after):
            header = []  # of another table
        elif header and not _is_rule(line):
            yield f"line {number}", _document(header, cells)


def _is_rule(line: str) -> bool:
    """Whether a line parts the head of a table from its rows."""
    plain = line.strip()
    return plain.startswith("|") and not plain.strip("|-: \t")


def labelled(lines: list[str]) -> dict[str, str]:
    """Read lines of a label, a colon and a value.

    Parameters
    ----------
    lines : list of str
        Of a report for people.

    Returns
    -------
    dict of str to str
        Values by label in small letters; of equal labels the first.

    Examples
    --------
    >>> labelled(["Mean TTFT (ms):        190.20   ", "# Backend: sglang", "====="])
    {'mean ttft (ms)': '190.20', 'backend': 'sglang'}
    """
    out: dict[str, str] = {}
    for line in lines:
        match = re.match(r"[#>|\s]{0,40}([^:]{1,80}?)\s{0,20}:\s+(\S.{0,300})", line)
        if match:
            out.setdefault(match.group(1).strip().lower(), match.group(2).strip())
    return out


def begins_with(text: str) -> str:
    """Quote the first line of a file that is of no known kind.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    str
        The line, short and printable.

    Examples
    --------
    >>> begins_with("\\n hello\\nworld")
    "'hello'"
    """
    return shown(text.lstrip()[:1000].partition("\n")[0])
