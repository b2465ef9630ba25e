"""Names found as people remember them: any order, parts of words, near misses, ranked."""

import difflib
import re
from collections.abc import Iterable, Mapping

EXACT, PREFIX, WORDS, PARTS, NEAR = range(5)
CUTOFF = 0.75  # of difflib's ratio: a letter or two off
SHORTEST = 3  # letters below which a near miss is any word


def ranked(words: Iterable[str], names: Mapping[str, Iterable[str]]) -> list[str]:
    """Find the names that words mean, best first.

    Parameters
    ----------
    words : iterable of str
        As typed; none finds every name.
    names : mapping of str to iterable of str
        By name, what else it is known by.

    Returns
    -------
    list of str
        A name that is the words exactly stands alone. Otherwise those that begin with
        the words, then those that hold all of them; where there are none, those that
        hold their parts, and last the near misses.

    Examples
    --------
    >>> cards = {"h100-sxm": ["NVIDIA H100"], "gh200-96gb": [], "h200-nvl": [], "h200-sxm": []}
    >>> ranked(["h200"], cards)
    ['h200-nvl', 'h200-sxm', 'gh200-96gb']
    >>> ranked(["sxm", "nvida"], cards), ranked(["H200_SXM"], cards)
    (['h100-sxm'], ['h200-sxm'])
    """
    asked = _words(" ".join(words))
    if not asked:
        return list(names)
    found = {name: _rank(asked, name, also) for name, also in names.items()}
    best = min((rank for rank in found.values() if rank is not None), default=None)
    if best is None:
        return []
    wanted = (PREFIX, WORDS) if best in (PREFIX, WORDS) else (best,)
    nearest = [name for name, rank in found.items() if rank in wanted]
    return sorted(nearest, key=lambda name: found[name] or 0)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s_/,()-]+", text.lower())


def _rank(asked: list[str], name: str, also: Iterable[str]) -> int | None:
    """How well the words fit a record; None where they do not."""
    plain = "-".join(asked)
    spellings = ["-".join(_words(spelling)) for spelling in (name, *also)]
    if plain == spellings[0]:
        return EXACT
    if any(spelling.startswith(plain) for spelling in spellings):
        return PREFIX
    all_of_it = " ".join(spellings)
    if all(word in all_of_it for word in asked):
        return WORDS
    parts = [part for word in asked for part in re.findall(r"[a-z]+|[\d.]+", word)]
    if parts and all(part in all_of_it for part in parts):
        return PARTS
    known = set(all_of_it.replace("-", " ").split())
    return NEAR if all(_near(word, known, all_of_it) for word in asked) else None


def _near(word: str, known: set[str], all_of_it: str) -> bool:
    if word in all_of_it:
        return True
    if len(word) < SHORTEST:
        return False
    # v3.2 is no v3.1 misspelt: numbers are right or they are others
    alike = [other for other in known if _digits(other) == _digits(word)]
    swapped = any(sorted(word) == sorted(other) for other in alike)
    return swapped or bool(difflib.get_close_matches(word, alike, 1, CUTOFF))


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)
