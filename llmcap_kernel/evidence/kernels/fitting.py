"""Fitting the constants of kernels: by kind, format and chip family, with what left-out rows show.

A fit minimises the error of half the rows, not its square: soft L1 on the log of predicted over
measured. Every card weighs alike. Shares stay below 1 and times above 0, so that no fit is faster
than the card. Only scipy's solver is imported, when it is called.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .constants import ANY
from .kinds import KINDS, QUANTISING, RATES
from .rows import Timing

if TYPE_CHECKING:
    from numpy import ndarray

TAIL = 0.1  # log error beyond which it counts by its size
MOST_TRIES = 40


class Fit(NamedTuple):
    """Constants of rows of one kind.

    Attributes
    ----------
    values : dict of str to float
        Those that all engines share.
    by_engine : dict
        The others, by name and engine.
    """

    values: dict[str, float]
    by_engine: dict[str, dict[str, float]]

    def flat(self) -> dict[str, float]:
        """List the constants by one name each.

        Returns
        -------
        dict of str to float
            With "launch_s.vllm" and the like.
        """
        pairs = ((n, e, v) for n, values in self.by_engine.items() for e, v in values.items())
        return self.values | {f"{name}.{engine}": value for name, engine, value in pairs}


class Stack:
    """Rows of one kind and format as arrays.

    Parameters
    ----------
    rows : sequence of Timing
        The rows.
    """

    def __init__(self, rows: Sequence[Timing]) -> None:
        import numpy

        self.kind = KINDS[rows[0].kind]
        works = [self.kind.work(row.shape, row.gpu, row.format) for row in rows]
        self.work = {n: numpy.array([w[n] for w in works], dtype=float) for n in works[0]}
        self.measured = numpy.log([row.latency_s for row in rows])
        self.cards = numpy.array([row.gpu.name for row in rows])
        self.families = numpy.array([row.gpu.family for row in rows])
        self.engines = numpy.array([row.engine for row in rows])

    def only(self, chosen: "ndarray") -> "Stack":
        """Take some of the rows.

        Parameters
        ----------
        chosen : array of bool
            Which of them.

        Returns
        -------
        Stack
            Those rows.
        """
        part = Stack.__new__(Stack)
        part.kind = self.kind
        part.work = {name: column[chosen] for name, column in self.work.items()}
        for name in ("measured", "cards", "families", "engines"):
            setattr(part, name, getattr(self, name)[chosen])
        return part

    def time(self, constants: "dict[str, Any]") -> "ndarray":
        """Compute the log of predicted over measured.

        Parameters
        ----------
        constants : dict
            Constants of the formula, floats or arrays.

        Returns
        -------
        array
            Error of each row.
        """
        import numpy

        return numpy.log(self.kind.time(**self.work, **constants)) - self.measured

    def errors(self, fit: Fit) -> "ndarray":
        """Compute the log of predicted over measured.

        Parameters
        ----------
        fit : Fit
            Constants; an engine without its own takes the middle of the others.

        Returns
        -------
        array
            Error of each row.
        """
        import numpy

        given: dict[str, Any] = dict(fit.values)
        for name, known in fit.by_engine.items():
            rest = statistics.median(known.values())
            given[name] = numpy.array([known.get(engine, rest) for engine in self.engines])
        return self.time(given)


def fit(stack: Stack) -> Fit:
    """Fit the constants to rows of one kind and format.

    Parameters
    ----------
    stack : Stack
        The rows.

    Returns
    -------
    Fit
        The constants; the same for the same rows, in any order.
    """
    import numpy
    from scipy.optimize import least_squares

    apart = stack.kind.by_engine
    engines, which = numpy.unique(stack.engines, return_inverse=True)
    slots = [
        (name, engine)
        for name in stack.kind.start
        if name not in QUANTISING or stack.work["quantise_s"].any()
        for engine in (range(len(engines)) if name in apart else (None,))
    ]
    _, place, count = numpy.unique(stack.cards, return_inverse=True, return_counts=True)
    weight = numpy.sqrt(len(place) / (len(count) * count[place]))

    def given(free: "ndarray") -> dict[str, Any]:
        out: dict[str, Any] = {}
        for (name, _), value in zip(slots, free, strict=True):
            out.setdefault(name, []).append(_bound(name, value))
        return {n: numpy.array(v)[which] if n in apart else v[0] for n, v in out.items()}

    def residuals(free: "ndarray") -> "ndarray":
        return weight * stack.time(given(free))

    start = [_free(name, stack.kind.start[name]) for name, _ in slots]
    high = [2.0 if name.endswith("_s") else 6.0 for name, _ in slots]
    found = least_squares(
        residuals, start, bounds=(-25.0, high), loss="soft_l1", f_scale=TAIL, max_nfev=MOST_TRIES
    )
    values: dict[str, float] = {}
    by_engine: dict[str, dict[str, float]] = {}
    for (name, engine), value in zip(slots, found.x, strict=True):
        if engine is None:
            values[name] = _bound(name, float(value))
        else:
            by_engine.setdefault(name, {})[str(engines[engine])] = _bound(name, float(value))
    return Fit(values, by_engine)


def _free(name: str, value: float) -> float:
    """Transform a constant to one without bounds: log of a time or rate, log odds of a share."""
    if name.endswith("_s") or name in RATES:
        return math.log(value)
    return math.log(value / (1 - value))


def _bound(name: str, free: float) -> float:
    """Invert `_free`."""
    if name.endswith("_s") or name in RATES:
        return math.exp(free)
    return 1 / (1 + math.exp(-free))


def groups(rows: Iterable[Timing]) -> dict[tuple[str, str], list[Timing]]:
    """Group rows by kind and format.

    Parameters
    ----------
    rows : iterable of Timing
        The rows.

    Returns
    -------
    dict
        Rows by (kind, format), kinds in the order of `KINDS`.
    """
    out: dict[tuple[str, str], list[Timing]] = {}
    for row in rows:
        out.setdefault((row.kind, row.format), []).append(row)
    order = list(KINDS)
    return dict(sorted(out.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


class LeftOut(NamedTuple):
    """Errors of the rows of one kind and format: log of predicted over measured.

    Attributes
    ----------
    own, card, family : array
        By the fit to the card's own rows, to its family's without the card (or to all others, where
        it is the only one), and to all other families. Empty where nothing is left to fit.
    stack : Stack
        The rows, in the order of the errors.
    """

    own: "ndarray"
    card: "ndarray"
    family: "ndarray"
    stack: Stack


def left_out(stack: Stack) -> LeftOut:
    """Predict each card from fits without it, and without its family.

    Parameters
    ----------
    stack : Stack
        Rows of one kind and format.

    Returns
    -------
    LeftOut
        The errors.
    """
    import numpy

    errors = {
        name: numpy.full(len(stack.measured), numpy.nan) for name in ("own", "card", "family")
    }
    fits: dict[bytes, Fit] = {}

    def put(name: str, mine: "ndarray", others: "ndarray") -> None:
        if others.any():
            key = others.tobytes()
            fits.setdefault(key, fit(stack.only(others)) if key not in fits else fits[key])
            errors[name][mine] = stack.only(mine).errors(fits[key])

    for card in sorted(set(stack.cards)):
        mine = stack.cards == card
        kin = stack.families == stack.families[mine][0]
        put("own", mine, mine)
        put("card", mine, kin & ~mine if (kin & ~mine).any() else ~mine)
        put("family", mine, ~kin)
    return LeftOut(errors["own"], errors["card"], errors["family"], stack)


def middle(errors: "ndarray") -> tuple[float, float]:
    """Find median and 80th percentile of relative errors.

    Parameters
    ----------
    errors : array
        Log of predicted over measured; NaN is passed over.

    Returns
    -------
    tuple of (float, float)
        Both, as shares of the measurement; NaN for no errors.
    """
    import numpy

    known = errors[~numpy.isnan(errors)]
    if not len(known):
        return math.nan, math.nan
    size = abs(numpy.exp(known) - 1)
    return float(numpy.median(size)), float(numpy.quantile(size, 0.8))


Spread = dict[str, tuple[float, float, float]]


def _spread(whole: Fit, parts: Sequence[Fit]) -> Spread:
    """Each constant with its least and greatest value in the fits of parts."""
    out: Spread = {}
    for name, value in whole.flat().items():
        held = [value, *(part.flat()[name] for part in parts if name in part.flat())]
        out[name] = (value, min(held), max(held))
    return out


def table(rows: Iterable[Timing], say: Callable[[str], object] = print) -> list[str]:
    """Fit everything and write it as the lines of `catalog/kernels.toml`.

    Parameters
    ----------
    rows : iterable of Timing
        Measured rows; doubted ones are passed over.
    say : callable
        Called with a line of progress.

    Returns
    -------
    list of str
        The tables, and a count of their numbers in the first.
    """
    lines: list[str] = []
    constants = 0
    for (kind, name), some in groups(row for row in rows if not row.doubt).items():
        stack = Stack(some)
        out = left_out(stack)
        by_family = {
            family: fit(stack.only(stack.families == family))
            for family in sorted(set(stack.families))
        }
        cards = {card: fit(stack.only(stack.cards == card)) for card in sorted(set(stack.cards))}
        everything = [(ANY, fit(stack), list(by_family.values()), stack.measured == stack.measured)]
        for family, one in by_family.items():
            mine = stack.families == family
            parts = [cards[c] for c in sorted(set(stack.cards[mine]))]
            everything.append((family, one, parts, mine))
        for family, one, parts, mine in everything:
            missed = middle(out.family if family == ANY else out.card[mine])
            held = ", ".join(f'"{c}"' for c in sorted(set(stack.cards[mine])))
            lines += ["", f'[{kind}."{name}".{family}]', f"rows = {int(mine.sum())}"]
            lines += [f"cards = [{held}]"]
            if not math.isnan(missed[0]):
                lines.append(f"left_out = [{missed[0]:.3f}, {missed[1]:.3f}]")
            spread = _spread(one, parts)
            constants += len(spread)
            lines += _written(spread, len(parts) < 2)
        say(f"{kind} {name}: {len(some):,} rows")
    return [f"constants = {constants}", *lines]


def _written(spread: Spread, alone: bool) -> list[str]:
    def three(triple: tuple[float, float, float]) -> str:
        held = triple[:1] if alone else triple
        return "[" + ", ".join(f"{v:.3g}" for v in held) + "]"

    lines, by_engine = [], dict[str, list[str]]()
    for name, triple in spread.items():
        plain, _, engine = name.partition(".")
        if engine:
            by_engine.setdefault(plain, []).append(f"{engine} = {three(triple)}")
        else:
            lines.append(f"{name} = {three(triple)}")
    return lines + [f"{name} = {{ {', '.join(some)} }}" for name, some in by_engine.items()]


HEAD = """\
# What kernels take: constants of the formulas of llmcap_kernel/evidence/kernels/formulas.py.
# Written by `python benchmarks/kernels.py FOLDER --write`; nothing is typed in.
#
# [kind."format".family] holds each constant as [value, least, greatest]: its value, and the least
# and greatest of fits to each card of the family alone. Of one card there is the value alone.
# "any" is for families that were never timed: fitted to all cards, from least to greatest family.
# bandwidth, compute and link are shares of the card's rates; kept and routed, the rates at which
# vectors of experts are moved, and quantise, of activations, over the bandwidth; times are in
# seconds. Some are by engine.
# left_out is the median and the 80th percentile of errors where the card was left out of the fit
# (of "any": its whole family).
"""


def write(path: str | Path, lines: Iterable[str], source: str, rows: int) -> Path:
    """Keep the constants.

    Parameters
    ----------
    path : str or Path
        The file to write.
    lines : iterable of str
        What `table` returned.
    source : str
        Where the rows are from.
    rows : int
        How many of them were fitted.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    first, *rest = lines
    head = ["[provenance]", f'source = "{source}"', f"rows = {rows}", first]
    path.write_text(HEAD + "\n" + "\n".join([*head, *rest]) + "\n", encoding="utf-8")
    return path
