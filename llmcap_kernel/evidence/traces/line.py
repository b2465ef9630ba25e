"""Lines of a file that nobody vouches for, and the fields in them."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from ...refuse import BadInput, number, shown
from ...spec import MAX_TOKENS

MAX_LINE = 1_000_000  # characters
MAX_BYTES = 4_000_000_000
LATEST_S = 1e12  # a clock in microseconds would be later


class Line(str):
    """A line of a trace, with its number from 1."""

    at: int

    def __new__(cls, text: str, at: int) -> "Line":
        made = super().__new__(cls, text)
        made.at = at
        return made


def refused(at: int, field: str, value: object, takes: str) -> NoReturn:
    """Refuse a field of a line.

    Parameters
    ----------
    at : int
        The line, from 1.
    field : str
        The field.
    value : object
        What stands there.
    takes : str
        What should.

    Returns
    -------
    never
        It raises.

    Raises
    ------
    BadInput
        With the three in a sentence.
    """
    raise BadInput("trace", f"trace line {at:,}: {field} is {shown(value)}: it takes {takes}.")


def lines(path: str | Path, longest: int = MAX_LINE) -> Iterator[Line]:
    """Read a file line by line, and hold one at a time.

    Parameters
    ----------
    path : str or Path
        The file.
    longest : int
        Most characters of a line.

    Returns
    -------
    iterator of Line
        Those that are not blank.

    Raises
    ------
    BadInput
        When it cannot be read, or a line or the whole is too long.
    """
    name, total = shown(str(path)), 0
    try:
        if Path(path).is_dir():
            raise BadInput("trace", f"trace {name} is a folder: give one file of it.")
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            at = 0
            while text := file.readline(longest + 1):
                at, total = at + 1, total + len(text)
                if len(text) > longest:
                    message = f"trace line {at:,} is longer than {longest:,} characters."
                    raise BadInput("trace", message)
                if total > MAX_BYTES:
                    raise BadInput("trace", f"trace {name} is longer than {MAX_BYTES:,} bytes.")
                if text.strip():
                    yield Line(text.strip(), at)
    except OSError as problem:
        raise BadInput("trace", f"trace {name} cannot be read: {problem.strerror}.") from None
    except ValueError as problem:  # a name that no file can have
        if isinstance(problem, BadInput):
            raise
        raise BadInput("trace", f"trace {name} cannot be read: no such file.") from None


def document(line: Line) -> Mapping[str, Any]:
    """Read a line as a JSON object.

    Parameters
    ----------
    line : Line
        The line.

    Returns
    -------
    mapping
        Its fields.

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> document(Line('{"timestamp": 0}', 1))
    {'timestamp': 0}
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadInput(
            "trace", f"trace line {line.at:,} is {shown(str(line)[:80])}: it takes JSON."
        )
    return data


def tokens(at: int, field: str, value: object) -> int:
    """Read a number of tokens.

    Parameters
    ----------
    at : int
        The line, from 1.
    field : str
        The field.
    value : object
        What stands there.

    Returns
    -------
    int
        A whole number from 0 on [tokens].

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> tokens(2, "ContextTokens", "374")
    374
    """
    return int(_read(at, field, value, 0, MAX_TOKENS, "tokens", whole=True))


def seconds(at: int, field: str, value: object, per_second: float = 1.0) -> float:
    """Read a time as a number.

    Parameters
    ----------
    at : int
        The line, from 1.
    field : str
        The field.
    value : object
        What stands there.
    per_second : float
        How many of its units are a second.

    Returns
    -------
    float
        The time [s].

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> seconds(1, "timestamp", 27482, 1e3)
    27.482
    """
    return _read(at, field, value, 0, LATEST_S * per_second, whole=False) / per_second


def _read(
    at: int, field: str, value: object, low: float, high: float, unit: str = "", *, whole: bool
) -> float:
    try:
        found = float(value) if isinstance(value, str) else value
        return number(field, found, low, high, unit, whole=whole)  # type: ignore[call-overload]
    except (ValueError, OverflowError):
        kind = "a whole number" if whole else "a number"
        refused(at, field, value, f"{kind} from {low:g} to {high:,.0f}{' ' + unit if unit else ''}")


def moment(at: int, field: str, text: str) -> float:
    """Read a date and time.

    Parameters
    ----------
    at : int
        The line, from 1.
    field : str
        The field.
    text : str
        As ISO 8601 has it; without a zone it is UTC.

    Returns
    -------
    float
        Seconds since 1970 [s].

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> moment(2, "TIMESTAMP", "2023-11-16 18:15:46.6805900")
    1700158546.68059
    """
    try:
        read = datetime.fromisoformat(text.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        refused(at, field, text, "a date and time, such as 2023-11-16 18:15:46.68")
