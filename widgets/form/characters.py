"""Texts that a message can carry, whatever a stranger or a file wrote."""

from collections.abc import Mapping


def whole_text(value):
    """Replace halves of characters, which no message can carry, by question marks.

    Parameters
    ----------
    value : object
        Texts in lists and mappings; anything else stays as it is.

    Returns
    -------
    object
        The same with whole characters, and lists for tuples.

    Examples
    --------
    >>> whole_text({"model": ["a\\ud800", 3]})
    {'model': ['a?', 3]}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {whole_text(key): whole_text(one) for key, one in value.items()}
    return [*map(whole_text, value)] if isinstance(value, list | tuple) else value
