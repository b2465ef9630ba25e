"""A name as it was typed or copied, without what only a page or a keyboard put into it."""

import unicodedata

# Letters of a name that other scripts have too are left alone: a look-alike is no known name.
_QUOTES = str.maketrans("", "", "\"'`\u00b4\u2018\u2019\u201c\u201d\u00ab\u00bb*\u2020\u2021")
_SIGNS = str.maketrans({"\u00d7": "x", "\u2212": "-"})


MOST = 500  # characters of the longest text that is read as a name


def cleaned(text: str) -> str:
    """Take out of a name what is no part of it: quotes, footnotes, other dashes, control signs.

    Parameters
    ----------
    text : str
        A name in any spelling.

    Returns
    -------
    str
        The name with plain hyphens and blanks; "" for one too long to be a name.

    Examples
    --------
    >>> cleaned("\u201cQwen3\u20118B\u201d"), cleaned("\uff26\uff30\uff18*"), cleaned("x" * 501)
    ('Qwen3-8B', 'FP8', '')
    """
    if len(text) > MOST:
        return ""
    return " ".join(straight(text).translate(_QUOTES).split())


def straight(text: str) -> str:
    """Write a name with the signs of a keyboard, as a page or a data sheet seldom does.

    Parameters
    ----------
    text : str
        A name in any spelling.

    Returns
    -------
    str
        The name with plain hyphens and blanks; one too long to be a name as it is.

    Examples
    --------
    >>> straight("H100\u2011SXM"), straight("2\u00d7\u00a0RTX\u00a04090")
    ('H100-SXM', '2x RTX 4090')
    """
    if len(text) > MOST:
        return text
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
        text = "".join(map(_character, text))
    return " ".join(text.split())


def _character(one: str) -> str:
    """A character, or what stands for it: a hyphen, a blank, nothing."""
    kind = unicodedata.category(one)
    if kind == "Pd":
        return "-"
    if kind == "Cf":  # marks of the direction of writing, joiners
        return ""
    return " " if kind[0] in "CZ" else one


def brief(text: str) -> str:
    """Shorten a name for a sentence about it.

    Parameters
    ----------
    text : str
        A name, as `cleaned` has it.

    Returns
    -------
    str
        At most 80 characters.

    Examples
    --------
    >>> brief("Qwen3-8B"), len(brief("x" * 400))
    ('Qwen3-8B', 80)
    """
    return text if len(text) <= 80 else text[:77] + "..."
