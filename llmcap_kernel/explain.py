"""A result, and the line of arithmetic that made it.

Every result of the kernel can print its own derivation: the formula, the same
line with the numbers in it, and the value with its unit. GB and GiB appear
here and nowhere deeper, because this is where people read.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 60  # characters of a printed line
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"), (1.0, ""))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_WORDS = {"bytes": "B", "bytes/s": "B/s", "FLOP": "FLOP", "FLOP/s": "FLOP/s"}
_SCALES = {"params": _COUNTS, "s": _TIMES} | {
    unit: tuple((scale, prefix + word) for scale, prefix in _PREFIXES)
    for unit, word in _WORDS.items()
}


def digits(value: float, figures: int = 3) -> str:
    """Write a number with a few significant figures and no exponent.

    Parameters
    ----------
    value : float
        The number.
    figures : int
        How many significant figures to keep.

    Returns
    -------
    str
        Such as "1,171" or "0.0137".

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


def quantity(value: float, unit: str, figures: int = 3) -> str:
    """Write a value of the kernel the way a person reads it.

    Parameters
    ----------
    value : float
        The value in SI.
    unit : str
        Its unit: "bytes", "GiB" (for bytes shown in binary), "bytes/s", "FLOP",
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
        return f"{digits(value / 2**30, figures)} GiB"
    if unit in _SCALES:
        value, word = _scaled(value, _SCALES[unit], figures)
        return f"{digits(value, figures)} {word}".strip()
    if unit in ("USD/Mtok", "USD/h"):
        return f"${value:,.2f}{'/M' if unit == 'USD/Mtok' else '/h'}"
    return f"{digits(value, figures)} {unit}".strip()


def _scaled(value: float, scales: Sequence[tuple[float, str]], figures: int) -> tuple[float, str]:
    """Bring a value to the largest unit it fills once it is rounded: 999.9 M is 1 B."""
    if not math.isfinite(value):
        return value, next(word for scale, word in scales if scale == 1.0)
    # integer digits are never rounded away, so fewer than three figures round as three
    rounded = abs(float(f"{value:.{max(figures, 3) - 1}e}"))
    scale, word = next((row for row in scales if rounded >= row[0]), scales[-1])
    return value / scale, word


def wrapped(text: str, first: str = "", later: str = "   ") -> list[str]:
    """Break a sentence into lines that a narrow page holds.

    Parameters
    ----------
    text : str
        The sentence.
    first, later : str
        What the first line and the others begin with.

    Returns
    -------
    list of str
        Lines of 60 characters at most.

    Examples
    --------
    >>> wrapped("The weights alone are larger than the memory of the one card there is.", "A: ")
    ['A: The weights alone are larger than the memory of the one', '   card there is.']
    """
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later)


@dataclass(frozen=True)
class Line:
    """One line of arithmetic.

    Parameters
    ----------
    name : str
        What is computed.
    formula : str
        The formula in names.
    numbers : str
        The same formula with the numbers in it.
    value : str
        The value and its unit, as a person reads it.
    source : str
        Where the formula or the figure stands.

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
        kept = [p for i, p in enumerate(parts) if p and p not in parts[:i]]
        return f"{self.name} = " + pad.join(kept)


class Explained:
    """What every result has: lines of arithmetic, as text and as a table."""

    def lines(self) -> tuple[Line, ...]:
        """Give the lines of arithmetic, first things first.

        Returns
        -------
        tuple of Line
            The derivation.
        """
        return ()

    def explain(self) -> str:
        """Write the derivation.

        Returns
        -------
        str
            Formula, numbers and value of each line.
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
