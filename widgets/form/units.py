"""An answer with its unit, read: "8.39 GB", "400 ms", or a number in the unit asked for."""

import re
from dataclasses import dataclass

from llmcap_kernel.refuse import BadInput, number, shown

MAX_TEXT = 60
_MINUS = str.maketrans({"\u2212": "-", "\u00d7": "x", "\u00b5": "u", "\u03bc": "u", "_": ""})
_NUMBER = re.compile(
    r"(?P<digits>[-+]?(?:\d{1,3}(?:[ ,]\d{3})+(?!\d)|\d+)?(?:\.\d*)?)"
    r"(?:(?:e|\s*[x*]\s*10\s*(?:\^|\*\*))(?P<power>[-+]?\d+))?"
)
_PER = re.compile(r"\s*(?:\bper\b|\ban?\b|/)\s*")
_GREEK = ("kilo", "mega", "giga", "tera")


def _memory():
    names = {"b": 1.0, "byte": 1.0, "bytes": 1.0}
    for power, word in enumerate(_GREEK, 1):
        decimal, binary, letter = 1000.0**power, 1024.0**power, word[0]
        names |= dict.fromkeys((letter, letter + "b", word + "bytes", word + "byte"), decimal)
        binary_word = word[:2] + "bi"
        names |= dict.fromkeys(
            (letter + "i", letter + "ib", binary_word + "bytes", binary_word + "byte"), binary
        )
    return names


def _count(*names):
    return dict.fromkeys(names, 1.0) | {"k": 1e3, "m": 1e6} | {"k" + n: 1e3 for n in names}


def _per(tops, bottoms):
    return {
        f"{top}/{bottom}": scale * many
        for top, scale in tops.items()
        for bottom, many in bottoms.items()
    }


_SECONDS = dict.fromkeys(("s", "sec", "second", "seconds"), 1.0)
_HOURS = dict.fromkeys(("h", "hr", "hour", "hours"), 1.0)
_TOKENS = dict.fromkeys(("tok", "token", "tokens", "t"), 1.0) | {"ktok": 1e3, "k": 1e3}
_DOLLARS = dict.fromkeys(("$", "usd", "dollar", "dollars"), 1.0)
_MILLION = dict.fromkeys(
    ("mtok", "m", "million", "milliontokens", "mtokens", "1mtokens", "milliontok"), 1.0
)

# What an answer may be, in words, and the size of each unit in one of them.
KINDS = {
    "memory": ("an amount of memory", _memory()),
    "time": (
        "a time",
        _SECONDS
        | dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3)
        | dict.fromkeys(("us", "microsecond", "microseconds"), 1e-6)
        | {"ns": 1e-9, "min": 60.0, "minute": 60.0, "minutes": 60.0}
        | dict.fromkeys(_HOURS, 3600.0),
    ),
    "rate": ("a number of tokens a second", _per(_TOKENS, _SECONDS) | {"tps": 1.0}),
    "price": (
        "a price of a million tokens",
        _DOLLARS | _per(_DOLLARS, _MILLION | {"ktok": 1e3, "token": 1e6, "tok": 1e6}),
    ),
    "rent": ("a rent by the hour", _DOLLARS | _per(_DOLLARS, _HOURS)),
    "ratio": (
        "a factor or a share",
        dict.fromkeys(("times", "time", "x", "fold"), 1.0) | {"%": 0.01, "percent": 0.01},
    ),
    "users": ("a number of users", _count("user", "users", "sequences", "requests")),
    "tokens": ("a number of tokens", _count("token", "tokens", "tok")),
    "cards": ("a number of cards", _count("card", "cards", "gpu", "gpus", "h100", "h100s")),
}


@dataclass(frozen=True)
class Answer:
    """An answer as it was read.

    Attributes
    ----------
    value : float
        The number in the unit asked for.
    number : float
        The number as it was written.
    unit : str
        The unit that was written, empty where there was none.
    """

    value: float
    number: float
    unit: str = ""


def read(text, unit):
    """Read an answer.

    Parameters
    ----------
    text : str or float
        What a person wrote; a number, or text without a unit, is in the unit asked for.
    unit : str
        Unit asked for, one that `KINDS` knows.

    Returns
    -------
    Answer
        The number in the unit asked for, and as it was written.

    Raises
    ------
    BadInput
        When it is no number, or its unit measures something else.

    Examples
    --------
    >>> read("8.39e9 B", "GB").value, read("400 ms", "s").value, read("$2.57", "USD/Mtok").value
    (8.39, 0.4, 2.57)
    >>> read("7.8125 GiB", "GB").value
    8.388608
    """
    if not isinstance(text, str):
        value = number("answer", text, -1e30, 1e30, unit)
        return Answer(value, value)
    plain = text.strip().translate(_MINUS).lower()
    sign = re.match(r"(\$|usd)\s*", plain)
    plain = plain[sign.end() :] if sign else plain
    written, rest = _split(plain, text, unit)
    spelled = ("$" if sign else "") + _PER.sub("/", rest.strip(" .")).replace(" ", "")
    if not spelled:
        return Answer(written, written)
    kind = _kind(unit)
    scales = KINDS[kind][1]
    if spelled not in scales:
        raise BadInput("answer", _other(text, spelled, rest or "$", kind, unit))
    return Answer(written * scales[spelled] / scales[_plain(unit)], written, spelled)


def _split(plain, text, unit):
    """Part the number from what follows it."""
    found = _NUMBER.match(plain)
    if not found or not any(map(str.isdigit, found["digits"])) or len(text) > MAX_TEXT:
        said = f"{shown(text.strip())} is no number: type one" if text.strip() else "Type a number"
        raise BadInput("answer", f"{said}, in {unit} or with its own unit.")
    rest = plain[found.end() :]
    if re.match(r"[,.]?\d|,", rest):
        raise BadInput("answer", f"{text.strip()!r} reads two ways: write decimals with a point.")
    value = float(re.sub("[ ,]", "", found["digits"])) * 10.0 ** min(int(found["power"] or 0), 300)
    return number("answer", value, -1e30, 1e30, unit), rest


# A bare number that far from what latencies are is likely of the other unit: 2000 in a box of
# seconds, .05 in one of milliseconds.
SLIPS = {"s": ("ms", lambda value: value >= 100), "ms": ("s", lambda value: 0 < value < 1)}


def slip(value, unit):
    """Find what a bare number more likely means than its box says.

    Parameters
    ----------
    value : float
        The number, in the unit of the box.
    unit : str
        One of `SLIPS`.

    Returns
    -------
    str
        The number with the unit that is likely meant; empty where there is no doubt.

    Examples
    --------
    >>> slip(2000, "s"), slip(0.05, "ms"), slip(2, "s")
    ('2000 ms', '0.05 s', '')
    """
    other, unlikely = SLIPS[unit]
    return f"{value:g} {other}" if unlikely(value) else ""


def is_known(unit):
    """Say whether answers may be asked for in a unit.

    Parameters
    ----------
    unit : str
        The unit.

    Returns
    -------
    bool
        Whether `read` takes it.

    Examples
    --------
    >>> is_known("ms"), is_known("% of hours")
    (True, False)
    """
    return any(_plain(unit) in scales for _, scales in KINDS.values())


def _plain(unit):
    return unit.lower().replace(" ", "")


def _kind(unit):
    return next(kind for kind, (_, scales) in KINDS.items() if _plain(unit) in scales)


def _other(text, spelled, rest, kind, unit):
    """Say what is wrong with a unit: it measures something else, or nobody knows it."""
    wanted = KINDS[kind][0]
    for words, scales in KINDS.values():
        if spelled in scales:
            return f"{text.strip()!r} is {words}. The answer is {wanted}: give it in {unit}."
    return f"{rest.strip()!r} is no unit known here: give the answer in {unit}."
