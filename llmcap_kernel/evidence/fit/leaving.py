"""Predictions of rows by fits that never saw their group."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .problem import Problem, Sets
from .rows import Sample, label

if TYPE_CHECKING:
    from numpy import ndarray

FOLDS = 12
# Whoever asks is a new source, so each is left out alone, as are the few engines, families of
# chips and vendors; of models and cards there are too many.
ALONE = ("source", "engine", "chips", "vendor")


class LeftOut(NamedTuple):
    """What fits without a group predicted.

    Attributes
    ----------
    errors : dict
        For each kind of group, log of measured over predicted by row id.
    fits : dict
        For each kind of group, the fits without one.
    """

    errors: dict[str, dict[str, float]]
    fits: dict[str, list[Sets]]


def folds(rows: Sequence[Sample], by: str) -> list[set[str]]:
    """Distribute groups over the fits that leave them out.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    by : str
        Kind of group, as in `label`.

    Returns
    -------
    list of set
        Groups that each fit leaves out: one, or of models and cards as many as make `FOLDS` of
        similar size, so that large ones are left out alone.
    """
    count = Counter(label(row, by) for row in rows)
    number = len(count) if by in ALONE else FOLDS
    sizes, names = [0] * number, [set[str]() for _ in range(number)]
    for name, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += n
        names[smallest].add(name)
    return [group for n, group in zip(sizes, names, strict=True) if n]


_shared: list[tuple[Problem, "ndarray"]] = []  # of a process: the problem and where to start


def _share(problem: Problem, start: "ndarray") -> None:
    _shared[:] = [(problem, start)]


def _fold(task: tuple[str, set[str]]) -> tuple[list[tuple[str, float]], Sets]:
    """Errors of the rows that one fit leaves out, by their id, and that fit."""
    import numpy

    problem, start = _shared[0]
    by, names = task
    out = numpy.array([label(row, by) in names for row in problem.rows])
    x = problem.solve(start, ~out)
    # whose chips are left out, their kernels were never timed either
    free = problem.free(x, timed=by not in ("chips", "vendor"))
    wrong = -problem.errors(free) * problem.stack.sign
    pairs = [(r.id, float(e)) for r, e, o in zip(problem.rows, wrong, out, strict=True) if o]
    return pairs, problem.sets(x)


def left_out(
    rows: list[Sample],
    labels: tuple[str, ...] = ("model", "card", "source"),
    workers: int = 2,
) -> tuple[Sets, LeftOut]:
    """Fit all rows, and predict each from fits without its group.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    labels : tuple of str
        Kinds of group to leave out in turn, as `label` names them.
    workers : int
        Number of processes.

    Returns
    -------
    tuple of (Sets, LeftOut)
        The fit to all rows, and errors and fits without groups.
    """
    # Not above: Validate imports this package in a page, where no process can start.
    from concurrent.futures import ProcessPoolExecutor

    problem = Problem(rows)
    start = problem.solve()
    tasks = [(by, names) for by in labels for names in folds(rows, by)]
    with ProcessPoolExecutor(workers, initializer=_share, initargs=(problem, start)) as pool:
        found = list(pool.map(_fold, tasks))
    out = LeftOut({by: {} for by in labels}, {by: [] for by in labels})
    for (by, _), (pairs, fit) in zip(tasks, found, strict=True):
        out.errors[by].update(pairs)
        out.fits[by].append(fit)
    return problem.sets(start), out
