"""Values as they are typed."""

import re
from typing import Any

from ...refuse import BadInput, shown, typed_number


def read_number(field: str, text: object, kind: type = float) -> Any:
    """Read a number as people type it: 8000, 8k, 128K, 0.9.

    Parameters
    ----------
    field : str
        Name of the input, for the error message.
    text : str
        Text as typed, as `refuse.scaled` reads it: 32k is 32 000, 32Ki is 32 768.
    kind : type
        `int` or `float`.

    Returns
    -------
    int or float
        The number.

    Raises
    ------
    BadInput
        When the text is not such a number.

    Examples
    --------
    >>> read_number("context", "128k", int)
    128000
    """
    value = typed_number(str(text))
    if value is None or (kind is int and value != int(value)):
        wanted = "a whole number" if kind is int else "a number"
        hint = _written(str(text)) if kind is float else ""
        raise BadInput(field, f"{field} is {shown(text)}: it takes {wanted}{hint}.")
    return kind(value)


def _written(text: str) -> str:
    """How a share in percent, or with a decimal comma, is written; "" for anything else."""
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s?%", text.strip())
    if percent:
        return f", and {percent[1]}% is {float(percent[1]) / 100:g}"
    comma = re.fullmatch(r"(\d{0,6}),(\d{1,6})", text.strip())
    return f", with a point: {comma[1] or 0}.{comma[2]}" if comma else ""


def given(text: Any, default: Any) -> Any:
    """Take what was given, or the default where nothing was.

    Parameters
    ----------
    text, default : object
        Both.

    Returns
    -------
    object
        The first that is not None.

    Examples
    --------
    >>> given(None, 1), given("0", 1)
    (1, '0')
    """
    return default if text is None else text
