"""Corrections to an engine's estimates from somebody's own measurements."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..files import read_text
from ..refuse import BadInput, number, shown
from .fitted import reload


class Own(NamedTuple):
    """A correction of an engine's estimates from somebody's own measurements.

    Attributes
    ----------
    factor : float
        By how much all its times are longer; the odds of all shares are smaller by as much.
    rows, deployments : int
        How many measurements say so, of how many deployments.
    chips : tuple of str
        Families of the cards that were measured.
    intervals : dict of str to tuple of (float, float)
        Factors on a time within which a measurement lies, by kind; kinds without one have the
        width of published ones.
    """

    factor: float
    rows: int
    deployments: int
    chips: tuple[str, ...]
    intervals: Mapping[str, tuple[float, float]]


IN_USE: dict[str, Own] = {}


def use(path: str | Path | None) -> None:
    """Estimate with measurements of one's own, from now on.

    Parameters
    ----------
    path : str or Path or None
        A file that `llmcap calibrate --with` wrote; None for published measurements alone.

    Raises
    ------
    BadInput
        When it cannot be read, or is another file.

    Examples
    --------
    >>> use(None)
    """
    _use({} if path is None else _read_own(path))


@contextmanager
def using(measured: Mapping[str, Own]) -> Iterator[None]:
    """Estimate with measurements of one's own for a while, and then as before.

    Parameters
    ----------
    measured : mapping of str to Own
        By family of the engine; empty for published measurements alone.

    Returns
    -------
    context manager
        What is estimated inside it rests on them.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.calibration import efficiency_of
    >>> asked = ("vllm", catalog.gpu("l4"), catalog.format("bf16"), catalog.format("bf16"))
    >>> with using({"vllm": Own(1.5, 12, 3, ("hopper",), {})}):
    ...     slow = efficiency_of(*asked)
    >>> slow.bandwidth < efficiency_of(*asked).bandwidth
    True
    """
    previous = dict(IN_USE)
    _use(measured)
    try:
        yield
    finally:
        _use(previous)


def _use(measured: Mapping[str, Own]) -> None:
    if measured != IN_USE:
        IN_USE.clear()
        IN_USE.update(measured)
        reload()


def _read_own(path: str | Path) -> dict[str, Own]:
    import tomllib

    text = read_text("own", path)
    try:
        parsed = tomllib.loads(text)
    except ValueError as problem:
        message = f"own {shown(str(path))} is no TOML: {str(problem)[:80]}."
        raise BadInput("own", message) from None
    try:
        return own_of(parsed["engines"])
    except BadInput as problem:
        raise BadInput("own", f"own {shown(str(path))}: {problem}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        message = f"own {shown(str(path))} is no file that llmcap calibrate --with wrote."
        raise BadInput("own", message) from None


def own_of(engines: Mapping[str, Mapping[str, Any]]) -> dict[str, Own]:
    """Read corrections from plain data.

    Parameters
    ----------
    engines : mapping
        The fields of `Own` by family of the engine.

    Returns
    -------
    dict of str to Own
        The same, checked.

    Raises
    ------
    BadInput
        When a number is out of range; `KeyError`, `TypeError` or `ValueError` where it is other
        data.

    Examples
    --------
    >>> one = Own(1.5, 12, 3, ("hopper",), {})
    >>> own_of({"vllm": one._asdict()}) == {"vllm": one}
    True
    """
    return {str(name): _own_of(values) for name, values in engines.items()}


def _own_of(values: Mapping[str, Any]) -> Own:
    intervals = {}
    for name, (faster, slower) in values["intervals"].items():
        low = number("faster", faster, 1e-2, 1e2)
        intervals[name] = (float(low), float(number("slower", slower, low, 1e2)))
    rows, deployments = (number(n, values[n], 1, 1e7, whole=True) for n in ("rows", "deployments"))
    factor = float(number("factor", values["factor"], 0.01, 100))
    return Own(factor, int(rows), int(deployments), tuple(map(str, values["chips"])), intervals)
