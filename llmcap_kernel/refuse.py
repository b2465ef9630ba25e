"""What a wrong input is told: which field, what it got, what it takes."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, overload


class BadInput(ValueError):
    """A value the kernel refuses, with one sentence a reader can act on.

    Parameters
    ----------
    field : str
        The name of the input that is wrong.
    message : str
        The sentence, field and range included.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def shown(value: object) -> str:
    """Write a refused value so that a hostile one stays short and printable.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    str
        At most 60 characters.

    Examples
    --------
    >>> shown("h100")
    "'h100'"
    """
    try:
        text = repr(value)
    except Exception:  # a repr of a stranger's object may do anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


@overload
def number(
    field: str, value: Any, low: float, high: float, unit: str = "", *, whole: Literal[True]
) -> int: ...


@overload
def number(
    field: str, value: Any, low: float, high: float, unit: str = "", whole: bool = False
) -> float: ...


def number(
    field: str, value: Any, low: float, high: float, unit: str = "", whole: bool = False
) -> float:
    """Give back a number inside its range, or refuse it.

    Parameters
    ----------
    field : str
        The name a reader knows the input by.
    value : object
        What was given.
    low, high : float
        The smallest and the largest value taken, both included.
    unit : str
        The unit, for the sentence.
    whole : bool
        Whether only whole numbers are taken.

    Returns
    -------
    float or int
        The value, an `int` when `whole`.

    Raises
    ------
    BadInput
        When the value is no number, not finite, not whole or out of range.

    Examples
    --------
    >>> number("tp", 2, 1, 64, whole=True)
    2
    """
    kind = "a whole number" if whole else "a number"
    wanted = f"{kind} from {low:,.15g} to {high:,.15g}{' ' + unit if unit else ''}"
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if good and isinstance(value, float) and not math.isfinite(value):
        good = False
    if good and whole and value != int(value):
        good = False
    if not good or not low <= value <= high:
        raise BadInput(field, f"{field} is {shown(value)}: it takes {wanted}.")
    return int(value) if whole else value


def one_of(
    field: str, value: object, names: Iterable[str], aliases: Mapping[str, str] | None = None
) -> str:
    """Give back a known name, or refuse it with the nearest one.

    Parameters
    ----------
    field : str
        The name a reader knows the input by.
    value : object
        What was given; case, spaces and underscores are forgiven.
    names : iterable of str
        The names that are known.
    aliases : mapping of str to str, optional
        Other spellings and the name each stands for.

    Returns
    -------
    str
        The name as the catalogue spells it.

    Raises
    ------
    BadInput
        When no name matches; the sentence offers the nearest.

    Examples
    --------
    >>> one_of("gpu", "H100_SXM", ["a100-sxm-80gb", "h100-sxm"])
    'h100-sxm'
    """
    names, aliases = list(names), aliases or {}
    if isinstance(value, str):
        plain = value.strip().lower().replace("_", "-").replace(" ", "-")
        for candidate in (value, plain):
            if candidate in names:
                return candidate
            if candidate in aliases:
                return aliases[candidate]
        near = difflib.get_close_matches(plain[:80], [*names, *aliases], n=3, cutoff=0.5)
    else:
        near = []
    if near:
        hint = f"Did you mean {' or '.join(dict.fromkeys(near))}?"
    elif len(names) <= 12:
        hint = f"It takes {', '.join(names)}."
    else:
        hint = f"Known ones begin with {', '.join(sorted(names)[:5])} ({len(names)} in all)."
    raise BadInput(field, f"{field} {shown(value)} is not known. {hint}")


def yes_or_no(field: str, value: object) -> bool:
    """Give back a truth value, or refuse it.

    Parameters
    ----------
    field : str
        The name a reader knows the input by.
    value : object
        What was given.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    BadInput
        When it is neither true nor false.

    Examples
    --------
    >>> yes_or_no("dp_attention", True)
    True
    """
    if isinstance(value, bool):
        return value
    raise BadInput(field, f"{field} is {shown(value)}: it takes true or false.")
