"""Several cards in one input: those that a search may choose from, by names with commas between."""

import re

from llmcap_kernel.refuse import BadInput

from . import from_name, lists, own_card

MOST = 8
BETWEEN = re.compile(r"\s*(?:,|;|\bor\b|\band\b)\s*", re.I)


def read(raw):
    """Read a list of cards.

    Parameters
    ----------
    raw : str
        Names with commas or "or" between, each as a tool, a shop or a cloud prints it.

    Returns
    -------
    Understood
        Their names with commas between.

    Raises
    ------
    BadInput
        When one is unknown, or could be several.

    Examples
    --------
    >>> read("H200, MI300X or L4").name
    'h200-sxm,mi300x,l4'
    """
    # one that has a comma in its title, as a chip with its memory, is tried whole first
    words = [raw] if own_card.is_own(raw) or _is_one(raw) else BETWEEN.split(raw.strip(" ,;"))
    if len(words) > MOST:
        raise BadInput("gpus", f"gpus has {len(words):,} cards: it takes {MOST} at most.")
    found = [from_name.card(word) for word in words]
    name = ",".join(dict.fromkeys(one.name for one in found))
    said = " ".join(one.said for one in found if one.said)
    return from_name.Understood("gpus", name, {}, said, any(one.guessed for one in found))


def _is_one(raw):
    try:
        return not from_name.card(raw).guessed
    except BadInput:
        return False


def names(value):
    """Part what an input holds into names.

    Parameters
    ----------
    value : str or None
        What `read` gave.

    Returns
    -------
    tuple of str
        Names of cards; none for None.

    Examples
    --------
    >>> names("h200-sxm,l4"), names(None)
    (('h200-sxm', 'l4'), ())
    """
    if not value:
        return ()
    return (value,) if own_card.is_own(value) else tuple(value.split(","))


def cards(value):
    """Look the cards up.

    Parameters
    ----------
    value : str or None
        What `read` gave.

    Returns
    -------
    tuple of Gpu
        The cards.
    """
    return tuple(map(own_card.card, names(value)))


def on_a_desk(value):
    """Say whether all the cards are those of a workstation.

    Parameters
    ----------
    value : str or None
        What `read` gave.

    Returns
    -------
    bool
        False for None.

    Examples
    --------
    >>> on_a_desk("rtx-3090"), on_a_desk("rtx-3090,h200-sxm"), on_a_desk(None)
    (True, False, False)
    """
    some = cards(value)
    return bool(some) and all(card.place == "desk" for card in some)


def title(value):
    """Name the cards as a list does.

    Parameters
    ----------
    value : str or None
        What `read` gave.

    Returns
    -------
    str
        Their titles; empty for None.

    Examples
    --------
    >>> title("h200-sxm,l4")
    'H200 SXM 141GB, L4'
    """
    if own_card.is_own(value):
        return f"{own_card.card(value).title}, your file"
    return ", ".join(map(lists.listed_title, names(value)))
