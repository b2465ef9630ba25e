"""A guess beside the answer, to scale, as SVG that any width of page can show.

Places are percentages and text keeps its size, so nothing shrinks on a phone. Colours
come from the style sheet by class; marks differ in shape and label too.
"""

import math
from html import escape

from llmcap_kernel.explain import digits, quantity

FAR = 10.0  # times apart; beyond it a bar to scale shows nothing, and the axis is logarithmic
CLOSE = 0.05  # of the answer
ROW = 42  # pixels of a label and its bar
TICKS = 5


def worded(value, unit):
    """Write a value as the book does: quantities with their prefix, a percent sign without space.

    Parameters
    ----------
    value : float
        The value.
    unit : str
        Its unit, as `explain.quantity` knows it, or "%".

    Returns
    -------
    str
        Number and unit.

    Examples
    --------
    >>> worded(0.377, "%"), worded(0.4, "s")
    ('0.377%', '400 ms')
    """
    return f"{digits(value)}%" if unit == "%" else quantity(value, unit)


def times_off(guess, right):
    """Say how far a guess is from the answer.

    Parameters
    ----------
    guess, right : float
        Both in the same unit.

    Returns
    -------
    str
        Words for a sentence of their own.

    Examples
    --------
    >>> times_off(40, 0.38), times_off(13, 12.6), times_off(7, 0)
    ('105 times too high', 'as good as exact', 'too high')
    """
    if abs(guess - right) <= CLOSE * abs(right):
        return "as good as exact"
    way = "too high" if guess > right else "too low"
    if guess <= 0 or right <= 0:
        return way
    return f"{digits(max(guess / right, right / guess), 2)} times {way}"


def beside(guess, right, unit):
    """Draw a guess beside the answer: two bars, or two marks where they are far apart.

    Parameters
    ----------
    guess, right : float
        Both in the unit.
    unit : str
        Unit, as `explain.quantity` knows it.

    Returns
    -------
    str
        SVG with its text form as label.
    """
    rows = [("Answer", right, "right"), ("Your guess", guess, "guess")]
    far = guess > 0 and right > 0 and max(guess / right, right / guess) > FAR
    return marks(rows, unit) if far else bars(rows, unit)


def bars(rows, unit):
    """Draw values as bars to scale.

    Parameters
    ----------
    rows : list of tuple
        A label, a value and a class: "right", "guess" or "other".
    unit : str
        Unit of the values.

    Returns
    -------
    str
        SVG.
    """
    longest = max(*(value for _, value, _ in rows), 0.0) or 1.0
    parts = []
    for i, (label, value, name) in enumerate(rows):
        top, width = i * ROW, 100 * max(value, 0) / longest
        parts.append(
            f'<text x="0" y="{top + 14}">{escape(label)}: {worded(value, unit)}</text>'
            f'<rect class="lc-{name}" x="0" y="{top + 20}" width="{width:.2f}%" height="14"/>'
            f'<line x1="0.5" x2="0.5" y1="{top + 17}" y2="{top + 37}"/>'
        )
    return _svg(rows, unit, "to scale", len(rows) * ROW, parts)


def marks(rows, unit):
    """Draw an answer and a guess as marks on a logarithmic axis.

    Parameters
    ----------
    rows : list of tuple
        Two of a label, a positive value and a class.
    unit : str
        Unit of the values.

    Returns
    -------
    str
        SVG.
    """
    logs = [math.log10(value) for _, value, _ in rows]
    low, high = math.floor(min(logs)), math.ceil(max(logs))

    def place(log):
        return 3 + 94 * (log - low) / (high - low)

    step = math.ceil((high - low) / TICKS)
    parts = ['<line x1="3%" x2="97%" y1="45" y2="45"/>']
    for power in range(low, high + 1, step):
        x = place(power)
        parts.append(
            f'<line x1="{x:.2f}%" x2="{x:.2f}%" y1="41" y2="49"/>'
            f'<text class="lc-tick" x="{x:.2f}%" y="66" text-anchor="{_anchor(x)}">'
            f"{worded(10.0**power, unit)}</text>"
        )
    for (label, value, name), log, y in zip(rows, logs, (32, 84), strict=True):
        x = place(log)
        shape = (
            f'<circle class="lc-{name}" cx="{x:.2f}%" cy="45" r="6"/>'
            if name == "right"
            else f'<svg class="lc-mark" x="{x:.2f}%" y="45"><path class="lc-{name}" '
            'd="M0-7 7 0 0 7-7 0Z"/></svg>'
        )
        parts.append(
            f'{shape}<text x="{x:.2f}%" y="{y}" text-anchor="{_anchor(x)}">'
            f"{escape(label)}: {worded(value, unit)}</text>"
        )
    return _svg(rows, unit, "on a logarithmic axis", 92, parts)


def _anchor(x):
    return "start" if x < 30 else "end" if x > 70 else "middle"


def _svg(rows, unit, how, height, parts):
    said = ", ".join(f"{label.lower()} {worded(value, unit)}" for label, value, _ in rows)
    return (
        f'<svg class="lc-beside" role="img" aria-label="{escape(said)}, {how}" '
        f'width="100%" height="{height}">{"".join(parts)}</svg>'
    )
