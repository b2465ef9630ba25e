"""A name as it was typed or copied, without what only a page or a keyboard put into it."""

import re
import unicodedata

# Letters of a name that other scripts have too are left alone: a look-alike is no known name.
_QUOTES = str.maketrans("", "", "\"'`\u00b4\u2018\u2019\u201c\u201d\u00ab\u00bb*\u2020\u2021")
_SIGNS = str.maketrans({"\u00d7": "x", "\u2212": "-"})


def cleaned(text: str, most: int = 500) -> str:
    """Take out of a name what is no part of it: quotes, footnotes, other dashes, control signs.

    Parameters
    ----------
    text : str
        A name in any spelling.
    most : int
        Characters that are read; longer names are no names.

    Returns
    -------
    str
        The name with plain hyphens and blanks; "" for one that is too long.

    Examples
    --------
    >>> cleaned("\u201cQwen3\u20118B\u201d"), cleaned("\uff26\uff30\uff18*"), cleaned("x" * 501)
    ('Qwen3-8B', 'FP8', '')
    """
    if len(text) > most:
        return ""
    plain = unicodedata.normalize("NFKC", text).translate(_SIGNS).translate(_QUOTES)
    return re.sub(r"\s+", " ", "".join(map(_character, plain))).strip()


def _character(one: str) -> str:
    """A character, or what stands for it: a hyphen, a blank, nothing."""
    kind = unicodedata.category(one)
    if kind == "Pd":
        return "-"
    if kind == "Cf":  # marks of the direction of writing, joiners
        return ""
    return " " if kind[0] in "CZ" else one
