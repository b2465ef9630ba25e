"""Input validation: errors name the field, the value given and the values accepted."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

FEW = 12  # names that are listed, where none is near
NEAR = 0.6  # of difflib's ratio, from which two spellings are alike
FAMILY = re.compile(r"[a-z]{2,20}(?![a-z])")  # the letters that a name begins with
# The command that lists what a field takes.
LISTED = {"model": "models", "gpu": "gpus", "engine": "engines"} | dict.fromkeys(
    ("format", "weights", "kv"), "formats"
)
WHOLE = 10**15  # a whole number above is written with a power of ten


class BadInput(ValueError):
    """An invalid input, with a one-sentence message that says how to correct it.

    Parameters
    ----------
    field : str
        Name of the invalid input.
    message : str
        The message, including the field and the accepted range.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def shown(value: object) -> str:
    """Format a rejected value so that a hostile one stays short and printable.

    Parameters
    ----------
    value : object
        The value given.

    Returns
    -------
    str
        At most 60 characters.

    Examples
    --------
    >>> shown("h100")
    "'h100'"
    >>> shown(10**99)
    '1e+99'
    >>> shown("h" * 80)[-5:]
    "h...'"
    """
    try:
        if isinstance(value, int) and abs(value) >= WHOLE:
            return f"{float(value):.6g}"
        text = repr(value)
    except Exception:  # the repr of an arbitrary object may raise anything
        text = f"a {type(value).__name__}"
    if len(text) <= 60:
        return text
    closed = text[-1] if text[-1] in "'\"" else ""  # a quote that is cut is closed all the same
    return f"{text[: 57 - len(closed)]}...{closed}"


def either(choices: Sequence[str], most: int = 8) -> str:
    """List what an unclear name could mean.

    Parameters
    ----------
    choices : sequence of str
        The names, nearest first.
    most : int
        How many are listed.

    Returns
    -------
    str
        The names in a sentence, and how many more there are.

    Examples
    --------
    >>> either(("gemma-3-4b", "gemma-3-12b")), either("abcd", most=2)
    ('gemma-3-4b or gemma-3-12b', 'a, b or 2 more')
    """
    rest = len(choices) - most
    listed = [*choices[:most], f"{rest} more"] if rest > 0 else list(choices)
    return " or ".join((", ".join(listed[:-1]), listed[-1])) if len(listed) > 1 else listed[0]


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
    """Return a number if it is within its range, otherwise raise.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    value : object
        The value given.
    low, high : float
        Smallest and largest accepted value, inclusive.
    unit : str
        Unit of the range, for the message.
    whole : bool
        Whether only whole numbers are accepted.

    Returns
    -------
    float or int
        The value, an `int` when `whole`.

    Raises
    ------
    BadInput
        When the value is not a number, not finite, not whole or out of range.

    Examples
    --------
    >>> number("tp", 2, 1, 64, whole=True)
    2
    """
    kind = type(value)
    if (kind is int or (kind is float and not whole)) and low <= value <= high:
        return value  # nearly all are, and a prediction asks some twenty times
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if good and isinstance(value, float) and not math.isfinite(value):
        good = False
    if good and whole and value != int(value):
        good = False
    if not good or not low <= value <= high:
        what = "a whole number" if whole else "a number"
        wanted = f"{what} from {low:,.15g} to {high:,.15g}{' ' + unit if unit else ''}"
        raise BadInput(field, f"{field} is {shown(value)}: it takes {wanted}.")
    return int(value) if whole else value


def one_of(
    field: str, value: object, names: Iterable[str], aliases: Mapping[str, str] | None = None
) -> str:
    """Return the known name a value stands for, otherwise raise and suggest the nearest.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    value : object
        The value given; case is ignored, and spaces and underscores count as hyphens.
    names : iterable of str
        Known names.
    aliases : mapping of str to str, optional
        Alternative spellings and the name each stands for.

    Returns
    -------
    str
        The name as spelled in `names`.

    Raises
    ------
    BadInput
        When no name matches; the message suggests the nearest.

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
        near = _nearest(plain, names, aliases)
    else:
        plain, near = "", []
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif len(names) <= FEW:
        hint = f"It takes {', '.join(names)}."
    else:
        listed = LISTED.get(field)
        where = f": `llmcap {listed}` lists them" if listed else f", such as {', '.join(names[:3])}"
        hint = f"It takes one of {len(names)}{where}."
    raise BadInput(field, f"{field} {shown(value)} is not known. {hint}")


def _nearest(plain: str, names: list[str], aliases: Mapping[str, str]) -> list[str]:
    """Three names whose spelling, or that of an alias, is near; else of the same first letters.

    A name that is merely the least far from a word without a sense is no help, and none is given.
    """
    spelled = [*names, *aliases]
    many = difflib.get_close_matches(plain[:80], spelled, n=30, cutoff=NEAR)
    family = FAMILY.match(plain)
    if not many and family:
        alike = [one for one in spelled if re.match(rf"{family.group()}(?![a-z])", one)]
        many = difflib.get_close_matches(plain[:80], alike, n=30, cutoff=0.0)
    return list(dict.fromkeys(aliases.get(name, name) for name in many))[:3]


_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")


def ungrouped(text: str) -> str:
    """Take out the commas that part thousands.

    Any other comma stays, and makes the text no number: "22,1" is 22.1 to many, and 221 to none.

    Parameters
    ----------
    text : str
        A number as written.

    Returns
    -------
    str
        The text, with its commas or without.

    Examples
    --------
    >>> ungrouped("1,146.31"), ungrouped("22,1")
    ('1146.31', '22,1')
    """
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


MULTIPLES = {"k": 1_000, "m": 1_000_000, "b": 10**9, "ki": 1 << 10, "mi": 1 << 20}


def scaled(text: str) -> tuple[str, int]:
    """Part a number as people type it into its digits and what they count.

    Parameters
    ----------
    text : str
        As typed; k and K stand for 1 000, Ki for 1 024, M and Mi for a million and 2**20, and B
        for a billion. vLLM reads its own K as 1 024: whoever means that here writes Ki.

    Returns
    -------
    tuple of str and int
        The digits, without blanks and the commas of thousands, and the multiple.

    Examples
    --------
    >>> scaled("32K"), scaled("32 Ki"), scaled("8,000")
    (('32', 1000), ('32', 1024), ('8000', 1))
    """
    plain = re.sub(r"[\s_]", "", text).lower()
    ending = next((one for one in (plain[-2:], plain[-1:]) if one in MULTIPLES), "")
    return ungrouped(plain.removesuffix(ending)), MULTIPLES.get(ending, 1)


def typed_number(text: str) -> float | None:
    """Read a number as people type it, as `scaled` parts it.

    Parameters
    ----------
    text : str
        As typed.

    Returns
    -------
    float or int or None
        The number, an `int` where a multiple makes it whole; None where it is none, or not finite.

    Examples
    --------
    >>> typed_number("8.2k"), typed_number("0.9"), typed_number("1e999")
    (8200, 0.9, None)
    """
    plain, scale = scaled(text)
    try:
        value = float(plain) * scale
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    if scale > 1 and abs(value) < 1e15 and abs(value - round(value)) < 1e-6:
        return round(value)  # 8.2k is 8199.999999999999 in binary
    return value


def yes_or_no(field: str, value: object) -> bool:
    """Return a boolean, otherwise raise.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    value : object
        The value given.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    BadInput
        When the value is not a bool.

    Examples
    --------
    >>> yes_or_no("dp_attention", True)
    True
    """
    if isinstance(value, bool):
        return value
    raise BadInput(field, f"{field} is {shown(value)}: it takes true or false.")


def a_name(owner: str, **fields: object) -> None:
    """Refuse a text that is empty or none.

    Parameters
    ----------
    owner : str
        What is built, for the message.
    **fields : str
        The texts, by the field they are for.

    Raises
    ------
    BadInput
        If one of them is no text, or blank.

    Examples
    --------
    >>> a_name("Gpu", name="h100")
    >>> a_name("Gpu", name=" ")
    Traceback (most recent call last):
        ...
    llmcap_kernel.refuse.BadInput: Gpu name is ' ': it takes a name.
    """
    for name, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise BadInput(name, f"{owner} {name} is {shown(value)}: it takes a name.")


def printable(text: str, longest: int) -> str:
    """Make untrusted text safe for a terminal, and shorten it.

    Parameters
    ----------
    text : str
        The text.
    longest : int
        The most characters.

    Returns
    -------
    str
        The text with a question mark for each character that is not printable ASCII.

    Examples
    --------
    >>> printable("a" + chr(27) + "b", 20), printable("abcdefgh", 6)
    ('a?b', 'abc...')
    """
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
