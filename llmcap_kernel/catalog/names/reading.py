"""What the words of a number format's spelling say: its method, its bits, its group."""

import difflib
import re
from functools import cache, lru_cache
from typing import NamedTuple

from ...refuse import shown
from ..tables import key, table
from .found import Found
from .text import cleaned

# A word that nothing explains may still state bits: where its number is small enough, and its
# letters are nearly those of a number format.
MOST_BITS = 32
NEAR = 0.6
LETTERS = (
    *(
        "int",
        "uint",
        "fp",
        "f",
        "bf",
        "nf",
        "q",
        "iq",
        "tq",
        "qk",
        "iqk",
        "kv",
        "bit",
        "bits",
        "bpw",
    ),
    *("w", "a", "wa", "g", "float", "bfloat", "nvfp", "mxfp", "exl", "mlx", "turbo"),
)
_END = r"(?=$|[-/+,;:=()\[\]\"'&|]|\.(?!\d))"
_BETWEEN = re.compile(r"[-/+,;:=()\[\]\"'&|.]+")
_WORD = re.compile(r"(?:[^-/+,;:=()\[\]\"'&|.]|\.(?=\d))+")
# llama-bench writes an architecture and a size before the type: "qwen3moe 30B.A3B Q4_K - Medium".
_BENCH = re.compile(
    r"\s*[\w.-]+\s+(?:a?\d+[\d.]*|\?)b(?:\.a[\d.]+b|x\d+e)?\s+(?=\S)", re.IGNORECASE
)
_BRACKETS = re.compile(r"\([^()]*\)?")


class Reading(NamedTuple):
    """What the words of a spelling say of a format.

    Attributes
    ----------
    says : dict of str to tuple of str
        Values by field, in the order of the words.
    unread : tuple of str
        Words that say nothing here.
    remarks : tuple of str
        What stands in brackets.
    """

    says: dict[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def one(self, field: str) -> str:
        """The value of a field; "" for none, and for several that differ."""
        values = set(self.says.get(field, ()))
        return values.pop() if len(values) == 1 else ""

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Unread words that may state bits: a small number beside letters of a format's."""
        named = any(re.search("[a-z]", word) for word in self.unread)
        return tuple(w for w in self.unread if _may_state_bits(w, named))


def _may_state_bits(word: str, beside_words: bool) -> bool:
    found, letters = re.search(r"\d+(?:\.\d+)?", word), re.sub(r"[^a-z]", "", word)
    if not found or float(found.group()) == 0:
        return False
    if letters in LETTERS and (letters == "q" or len(letters) > 1):
        return True
    if float(found.group()) > MOST_BITS:
        return False
    if not letters:
        return not beside_words
    if re.fullmatch(r"a?\d+(?:\.\d+)?[bmkt](?:\.?a\d.*)?|\d+(?:\.\d+)?[gmk]i?b", word):
        return False  # a size: 17gb, 30b.a3b
    return bool(difflib.get_close_matches(letters, LETTERS, 1, NEAR))


@cache
def _vocabulary() -> tuple[tuple[re.Pattern[str], dict[str, str]], ...]:
    words = table("formats")["words"].items()
    return tuple((re.compile(f"(?:{word}){_END}"), says) for word, says in words)


_NUMERALS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
# "Q4KM", "Q6K" and "Q8.0": the types of llama.cpp without their signs between.
_GLUED_TYPE = re.compile(r"(?i)\b(i?q[1-8])(k)([sml])?\b|\b(q[1-8])\.([01])\b")


def _spelled_out(text: str) -> str:
    """The same format with the signs and digits that people leave out."""
    for bits, word in enumerate(_NUMERALS, 1):
        text = re.sub(rf"(?i)\b{word}(?=[- ]bits?\b)", str(bits), text)
    return _GLUED_TYPE.sub(lambda m: "_".join(filter(None, m.groups())), text)


@lru_cache(maxsize=4096)
def read_words(text: str) -> Reading:
    """Read the words of a spelling.

    Parameters
    ----------
    text : str
        A format as a source, an engine or a person spells it.

    Returns
    -------
    Reading
        What its words say, by field, and the words that say nothing.

    Examples
    --------
    >>> read_words("compressed-tensors-w4a16-g32-asym-rtn").one("group")
    '32'
    >>> read_words("qwen3moe 30B.A3B Q4_K - Medium").one("gguf")
    'q4-k-medium'
    """
    text = _spelled_out(_BENCH.sub("", cleaned(text).replace("torch.", "")))
    remarks = tuple(r.strip("() ") for r in _BRACKETS.findall(text))
    outside = key(_BRACKETS.sub(" ", text))
    if not re.search(r"\w", outside):
        outside, remarks = key(text), ()
    says: dict[str, list[str]] = {}
    unread: list[str] = []
    at = 0
    while at < len(outside):
        gap = _BETWEEN.match(outside, at)
        if gap:
            at = gap.end()
            continue
        match, more = _longest(outside, at)
        if match:
            for field, value in {**more, **_named(match)}.items():
                says.setdefault(field, []).append(value)
            at = match.end()
        elif word := _WORD.match(outside, at):
            unread.append(word.group())
            at = word.end()
        else:
            at += 1
    return Reading({f: tuple(v) for f, v in says.items()}, tuple(unread), remarks)


def _longest(text: str, at: int) -> tuple[re.Match[str] | None, dict[str, str]]:
    """The longest word of the vocabulary that stands at a place."""
    found = [(m, says) for word, says in _vocabulary() if (m := word.match(text, at))]
    return max(found, key=lambda pair: pair[0].end(), default=(None, {}))


def _named(match: re.Match[str]) -> dict[str, str]:
    return {field: value for field, value in match.groupdict().items() if value}


def passed_over(found: Found, words: Reading, beside: str) -> Found:
    """Keep the words that say nothing as a remark.

    Parameters
    ----------
    found : Found
        What the others mean.
    words : Reading
        All of them.
    beside : str
        What the others say, in words.

    Returns
    -------
    Found
        The same, with the remark among what is assumed.

    Examples
    --------
    >>> passed_over(Found("fp8"), Reading({}, unread=("nice",)), "the format").assumed
    "'nice' beside the format is passed over"
    """
    if not words.unread or not found.name:
        return found
    note = f"{shown(' '.join(words.unread))} beside {beside} is passed over"
    return found._replace(assumed="; ".join(filter(None, (found.assumed, note))))
