"""The file of fitted numbers, and the caches that depend on it."""

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

FILE = Path(__file__).parents[1] / "catalog" / "calibration.toml"


@cache
def table() -> dict[str, Any]:
    """Read the fitted numbers.

    Returns
    -------
    dict
        "sets" (values and factors by key), "rows" (number of measurements by key),
        "intervals" by kind, "ignorance" by what is not known, "spreads" (how sources differ, and
        how the rows of one do, by kind), and "provenance".

    Examples
    --------
    >>> sorted(table())
    ['ignorance', 'intervals', 'provenance', 'rows', 'sets', 'spreads']
    """
    import tomllib

    return tomllib.loads(FILE.read_text(encoding="utf-8"))


T = TypeVar("T")
_DEPENDENT_CACHES: list[Callable[[], None]] = [table.cache_clear]


def cache_until_reload(function: Callable[..., T], size: int = 4096) -> Callable[..., T]:
    """Cache the last results of a function of the fit, until the fit is read again.

    Parameters
    ----------
    function : callable
        Of hashable arguments.
    size : int
        Results that are kept.

    Returns
    -------
    callable
        The same, that computes each result once.

    Examples
    --------
    >>> cache_until_reload(len)("abc")
    3
    """
    cached = lru_cache(maxsize=size)(function)
    _DEPENDENT_CACHES.append(cached.cache_clear)
    return cached


def reload() -> None:
    """Clear the caches, so that the file is read again after it was written."""
    for clear in _DEPENDENT_CACHES:
        clear()
