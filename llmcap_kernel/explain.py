"""Derivations of results, formatted for reading.

Every result of the kernel can print its derivation: the formula, the formula with
numbers substituted, and the value with its unit. The rest of the kernel computes in
SI units; prefixes such as GB and GiB are applied only here.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

GIB = 2**30
WIDTH = 60  # characters of a printed line
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"), (1.0, ""))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_WORDS = {"bytes": "B", "bytes/s": "B/s", "FLOP": "FLOP", "FLOP/s": "FLOP/s"}
_SCALES = {"params": _COUNTS, "s": _TIMES} | {
    unit: tuple((scale, prefix + word) for scale, prefix in _PREFIXES)
    for unit, word in _WORDS.items()
}


def digits(value: float, figures: int = 3) -> str:
    """Format a number with a few significant figures and no exponent.

    Parameters
    ----------
    value : float
        Number to format.
    figures : int
        Significant figures.

    Returns
    -------
    str
        Text such as "1,171" or "0.0137".

    Examples
    --------
    >>> digits(1171.4), digits(13.66), digits(0.013664), digits(100)
    ('1,171', '13.7', '0.0137', '100')
    """
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        return "-" if value != value else ("unlimited" if value > 0 else "-unlimited")
    size = abs(value)
    if size == 0:
        return "0"
    decimals = figures - 1
    while size < 1 and decimals < 12:
        size, decimals = size * 10, decimals + 1
    while size >= 10:
        size, decimals = size / 10, decimals - 1
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float, fine: float = 0.0995) -> str:
    """Write a share, or how far off a prediction is.

    Parameters
    ----------
    share : float
        Of 1.
    fine : float
        Below which share a decimal is written too.

    Returns
    -------
    str
        A percentage; from 200% on how many times as large it was predicted, which says more.

    Examples
    --------
    >>> percent(0.094), percent(0.214), percent(0.214, fine=1), percent(1.78), percent(14.24)
    ('9.4%', '21%', '21.4%', '178%', '15x')
    """
    if share >= 2:
        return f"{digits(1 + share, 2 if share < 99 else 3)}x"
    return f"{share:.1%}" if share < fine else f"{share:.0%}"


def rounded(value: float) -> float:
    """Round a number that is sent or kept to four significant figures.

    Parameters
    ----------
    value : float
        Any.

    Returns
    -------
    float
        Rounded.

    Examples
    --------
    >>> rounded(0.0123456), rounded(123456.0)
    (0.01235, 123500.0)
    """
    return float(f"{value:.4g}")


def quantity(value: float, unit: str, figures: int = 3) -> str:
    """Format a value with a suitable prefix and its unit.

    Parameters
    ----------
    value : float
        Value in SI units.
    unit : str
        Its unit: "bytes", "GiB" (for bytes with a binary prefix), "bytes/s", "FLOP",
        "FLOP/s", "params", "s", "USD/Mtok", "USD/h", "tok/s", "tokens" or any
        other word.
    figures : int
        Significant figures.

    Returns
    -------
    str
        Number and unit.

    Examples
    --------
    >>> quantity(3.35e12, "bytes/s"), quantity(0.013664, "s"), quantity(85_520_809_984, "GiB")
    ('3.35 TB/s', '13.7 ms', '79.6 GiB')
    """
    if unit == "GiB":
        return f"{digits(value / GIB, figures)} GiB"
    if unit in _SCALES:
        value, word = _scaled(value, _SCALES[unit], figures)
        return f"{digits(value, figures)} {word}".strip()
    if unit in ("USD/Mtok", "USD/h"):
        return f"${value:,.2f}{'/M' if unit == 'USD/Mtok' else '/h'}"
    return f"{digits(value, figures)} {unit}".strip()


def gib(size_bytes: float) -> str:
    """Format a size of memory.

    Parameters
    ----------
    size_bytes : float
        Any amount of memory [bytes].

    Returns
    -------
    str
        Number and unit.

    Examples
    --------
    >>> gib(85_520_809_984)
    '79.6 GiB'
    """
    return quantity(size_bytes, "GiB")


def counted(number: int, noun: str) -> str:
    """Count things in words.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        One of them.

    Returns
    -------
    str
        The number and the word, with an s unless it is one.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def capitalised(text: str) -> str:
    """Begin a text with a capital letter, and leave the rest as it is.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    str
        The text, as a sentence begins.

    Examples
    --------
    >>> capitalised("gap within the limit of B")
    'Gap within the limit of B'
    """
    return text[:1].upper() + text[1:]


def ordinal(number: float) -> str:
    """Write which one of a row a number means.

    Parameters
    ----------
    number : float
        Which; not below 0.

    Returns
    -------
    str
        With its ending.

    Examples
    --------
    >>> [ordinal(n) for n in (1, 52, 95, 11, 99.9)]
    ['1st', '52nd', '95th', '11th', '99.9th']
    """
    last = 0.0 if number % 100 // 10 == 1 else number % 10  # 11th to 13th
    return f"{number:g}" + {1.0: "st", 2.0: "nd", 3.0: "rd"}.get(last, "th")


def _scaled(value: float, scales: Sequence[tuple[float, str]], figures: int) -> tuple[float, str]:
    """Scale a value to the largest unit in which it rounds to 1 or more: 999.9 M is 1 B."""
    if not math.isfinite(value):
        return value, next(word for scale, word in scales if scale == 1.0)
    # integer digits are never rounded away, so fewer than three figures round as three
    rounded = abs(float(f"{value:.{max(figures, 3) - 1}e}"))
    scale, word = next((row for row in scales if rounded >= row[0]), scales[-1])
    return value / scale, word


def wrapped(text: str, first: str = "", later: str = "   ") -> list[str]:
    """Wrap text to lines of at most 60 characters.

    Parameters
    ----------
    text : str
        Text to wrap.
    first, later : str
        Indentation of the first line and of the others.

    Returns
    -------
    list of str
        The lines.

    Examples
    --------
    >>> wrapped("The weights alone are larger than the memory of the one card there is.", "A: ")
    ['A: The weights alone are larger than the memory of the one', '   card there is.']
    """
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later)


@dataclass(frozen=True)
class Line:
    """One step of a derivation.

    Parameters
    ----------
    name : str
        Name of the quantity computed.
    formula : str
        Formula in symbols.
    numbers : str
        Formula with numbers substituted.
    value : str
        Value with its unit, formatted.
    source : str
        Where the formula or the figure is published.

    Examples
    --------
    >>> print(Line("step", "bytes / bandwidth", "72.7 GB / 3.35 TB/s", "21.7 ms"))
    step = bytes / bandwidth
         = 72.7 GB / 3.35 TB/s
         = 21.7 ms
    """

    name: str
    formula: str
    numbers: str
    value: str
    source: str = ""

    def __str__(self) -> str:
        pad = "\n" + " " * len(self.name) + " = "
        parts = [self.formula, self.numbers, self.value]
        different = [p for i, p in enumerate(parts) if p and p not in parts[:i]]
        return f"{self.name} = " + pad.join(different)


class Explained:
    """Base class of results: a derivation as text and as an HTML table."""

    def lines(self) -> tuple[Line, ...]:
        """List the steps of the derivation in order.

        Returns
        -------
        tuple of Line
            The steps.
        """
        return ()

    def explain(self) -> str:
        """Format the derivation as text.

        Returns
        -------
        str
            Formula, numbers and value of each step.
        """
        return "\n".join(str(line) for line in self.lines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(line.name)}</th><td>{escape(line.formula)}</td>"
            f"<td>{escape(line.numbers)}</td><td>{escape(line.value)}</td></tr>"
            for line in self.lines()
        )
        head = "<tr><th>what</th><th>formula</th><th>with the numbers</th><th>value</th></tr>"
        return f"<table class='llmcap-explain'>{head}{rows}</table>"
