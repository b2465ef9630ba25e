"""Cards as tools, shops and clouds print them."""

import re
from typing import Any

from ..tables import key, table
from .found import UNKNOWN, Found, look_up, spellings

GIB = 2**30
MEMORY_TOLERANCE = 0.15  # a "24GB" card reports 22.5 GiB; a 16 GB one is another card


def card(text: str) -> Found:
    """Find the card that a spelling means.

    Parameters
    ----------
    text : str
        Such as "NVIDIA H100-SXM-80GB" or "4x RTX 3090".

    Returns
    -------
    Found
        The card; an empty name when it is unknown.

    Examples
    --------
    >>> card("NVIDIA GeForce RTX 4090").name
    'rtx-4090'
    >>> card("H100 (variant not stated)").assumed
    'H100, variant not stated: SXM taken'
    """
    own, plain = spellings("gpus"), key(count_of(text)[1])
    noise = set(table("spellings")["gpu_noise"]["words"])
    bare = "-".join(w for w in plain.split("-") if w not in noise)
    short = key(re.sub(r"\([^)]*\)?", " ", bare))
    short = "-".join(w for w in short.split("-") if w not in noise)
    short = re.sub(r"-\d{2,4}w\b|-\d+-core\b", "", short)
    for attempt in (plain, bare, short):
        found = look_up(attempt, own, "gpus")
        if found.name:
            return found
    return _without_memory(short, own)


def _without_memory(text: str, own: dict[str, Any]) -> Found:
    """Look a name up without its memory size, unless the size is that of another card."""
    size = re.search(r"-(\d{1,4})g(?:i?b)?\b", text)
    if not size:
        return UNKNOWN
    found = look_up(text.replace(size.group(), ""), own, "gpus")
    if not found.name:
        return UNKNOWN
    gpu = table("gpus")["gpus"][found.name]
    off = abs(float(size.group(1)) * GIB / gpu["memory_visible_bytes"]["value"] - 1)
    return found if gpu["unified_memory"] or off <= MEMORY_TOLERANCE else UNKNOWN


def count_of(text: str) -> tuple[int, str]:
    """Split the number of cards from their name.

    Parameters
    ----------
    text : str
        Such as "8x H100", "2 x A100" or "L4".

    Returns
    -------
    tuple of (int, str)
        The number, 0 when there is none, and the remaining text.

    Examples
    --------
    >>> count_of("8x H100 SXM")
    (8, 'H100 SXM')
    """
    match = re.match(r"\s*(\d{1,4})\s*[x×*]\s*(?=\D)(.+)", text, re.S | re.I)
    return (int(match.group(1)), match.group(2)) if match else (0, text)
