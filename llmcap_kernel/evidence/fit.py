"""Fitting the efficiencies of `calibration` to measured rows: the `llmcap calibrate` command.

Every prediction is the kernel's own: the work of each row is computed once, rows are stacked
into arrays, and the law times them all at once. The fit is robust (a few wrong labels do not
change it) and partly pooled: servers and loops have a set each, with factors for an engine, a
chip family and the two together that are regularised towards 1. Intervals come from predictions
of rows whose model, card or source had been left out.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import calibration
from ..refuse import BadInput
from ..serving import LoadWork, Served, load_work
from ..spec import Deployment
from . import compare, results
from .weak_spots import doubts

if TYPE_CHECKING:
    from numpy import ndarray

START = {
    "bandwidth": 0.85,
    "kv_bandwidth": 0.5,
    "compute": 0.6,
    "link_bandwidth": 0.5,
    "expert_bandwidth": 0.9,
    "prefill_share": 0.8,
    "layer_s": 4e-5,
    "step_s": 4e-4,
    "all_reduce_s": 8e-6,
    "moe_layer_s": 2e-5,
    "sequence_s": 5e-6,
    "first_token_s": 1e-2,
    "expert_compute": 0.7,
    "attention_compute": 0.6,
    "weight_only_compute": 0.7,
    "pcie_exchange_s": 2e-5,
    "burst_share": 0.4,
}
# strength of regularisation: of servers or loops towards START, and of the factors for an engine,
# a chip family and the two together towards 1
HOLD = {calibration.SERVER: (0.05, 0.25, 1.0, 4.0), calibration.LOOP: (0.02, 0.15, 0.25, 0.7)}
STIFF = {
    "expert_compute": 10.0,
    "attention_compute": 10.0,
}  # regularised more: few rows tell them apart
MOST_ALIKE = 6  # rows of one source, model, card and metric weigh as much as this many
# The weight of a row by the doubt about it; 1 for all doubts that do not affect its value, and 0
# where something else was measured than the law is asked: such a row is left out.
DOUBTED = {
    **{"token-position": 0.1, "prompt-at-decode-rate": 0.1, "unclear-label": 0.1},
    **{"first-requests": 0.1, "prefix-cache": 0.1, "speculation": 0.0, "several-nodes": 0.0},
}
TAILS = (0.6, 0.3, 0.15)  # relative error beyond which a row counts less, reduced in turn
FOLDS = 16
LOW, HIGH = 0.1, 0.9
FEWEST = 30  # rows needed for an interval of their own


class Sample(NamedTuple):
    """A measured row with its work, so that it can be predicted many times.

    Attributes
    ----------
    id, source, regime, metric : str
        Identifier, source, regime and metric of the row.
    deployment : Deployment
        The deployment measured.
    family : str
        Family of the engine.
    quantity : str
        The quantity of `serving.Served` that was measured.
    value : float
        The measurement, in the quantity's SI unit.
    work : LoadWork
        Work of the load on the cards.
    trust : float
        Weight: 1, or less where there is a doubt about the row.
    """

    id: str
    source: str
    regime: str
    metric: str
    deployment: Deployment
    family: str
    quantity: str
    value: float
    work: LoadWork
    trust: float

    @property
    def path(self) -> tuple[str, ...]:
        """Keys of the sets it belongs to, most general first."""
        return calibration.keys(self.family, self.deployment.gpu.family)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of measurement its interval may come from, most specific first."""
        sparse = bool(self.deployment.model.experts)
        return calibration.kinds(self.path[0], self.regime, self.quantity, sparse)


def samples(path: str | Path) -> list[Sample]:
    """Read the rows a fit can use.

    Parameters
    ----------
    path : str or Path
        A file with the columns of `benchmarks/measured.csv`.

    Returns
    -------
    list of Sample
        The rows that name a deployment and measure its speed, not memory or something else.
    """
    out = []
    for line in results.read(path):
        try:
            sample = _sample(line)
        except BadInput:
            continue
        if sample is not None and sample.trust > 0:
            out.append(sample)
    return out


def _sample(line: results.Line) -> Sample | None:
    """A row with its work; None where it does not measure the speed of a known deployment."""
    row = compare.measurement(line)
    meant = compare.stated.meaning(row.spelled)
    if meant.deployment is None or row.load.metric not in calibration.METRICS or row.value <= 0:
        return None
    d = meant.deployment
    load = row.load._replace(regime=compare.regime_of(row.load, bool(d.model.experts)))
    asked = compare.asked(meant, load)
    return Sample(
        row.id,
        line.fields.get("source_id", ""),
        load.regime,
        load.metric,
        d,
        asked.family,
        asked.quantity,
        row.value / asked.scale,
        load_work(d, asked.workload, batch=asked.loop),
        weight(doubts(line.fields)),
    )


def weight(doubts: Iterable[str]) -> float:
    """Compute the weight of a row in the fit.

    Parameters
    ----------
    doubts : iterable of str
        The doubts about the row.

    Returns
    -------
    float
        Weight: 1, or less where a doubt affects the value of the row.

    Examples
    --------
    >>> weight(()), weight(("token-position", "mlperf-setup"))
    (1.0, 0.1)
    """
    return min((DOUBTED.get(name, 1.0) for name in doubts), default=1.0)


class Sets(NamedTuple):
    """Result of a fit, as it is stored in `catalog/calibration.toml`.

    Attributes
    ----------
    fits : dict
        Efficiencies of servers and of loops, by key and name.
    shifts : dict
        Factors on them by key and name, as `calibration.shifted` applies them.
    rows : dict
        Number of fitted rows by key.
    """

    fits: dict[str, dict[str, float]]
    shifts: dict[str, dict[str, float]]
    rows: dict[str, int]


def _stack(items: Sequence[Any]) -> Any:
    """Turn records of numbers of the same type into one record of arrays."""
    import numpy

    first: Any = items[0]
    if first is None or isinstance(first, str):
        return first
    if is_dataclass(first):
        named = {f.name: _stack([getattr(i, f.name) for i in items]) for f in fields(first)}
        return first.__class__(**named)
    if isinstance(first, tuple):
        columns = [_stack(list(column)) for column in zip(*items, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else tuple(columns)
    return numpy.array(items, dtype=float)


class Stack:
    """Rows as arrays, so that all of one quantity are predicted at once.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    """

    def __init__(self, rows: list[Sample]) -> None:
        import numpy

        self.rows = rows
        groups: dict[tuple[str, bool, bool], list[int]] = {}
        for i, row in enumerate(rows):
            # servers and loops share some quantities, and what one of them lacks does not stack
            lacks = row.work.decode.draft is None, row.work.batch is None
            groups.setdefault((row.quantity, *lacks), []).append(i)
        self.groups = [
            (quantity, ids, _stack([rows[i].work for i in ids]))
            for (quantity, *_), ids in groups.items()
        ]
        self.measured = numpy.log([row.value for row in rows])
        slower = [calibration.METRICS[row.metric].less for row in rows]
        self.sign = numpy.where(slower, 1.0, -1.0)

    def errors(self, values: "ndarray") -> "ndarray":
        """Compute the log of predicted over measured.

        Parameters
        ----------
        values : array
            Efficiencies, with a row for each sample and a column for each name in `START`.

        Returns
        -------
        array
            Error of each row.
        """
        import numpy

        out = numpy.empty(len(self.rows))
        for quantity, ids, work in self.groups:
            columns = {name: values[ids, j] for j, name in enumerate(START)}
            efficiency: Any = SimpleNamespace(**columns)
            out[ids] = getattr(Served(work, efficiency), quantity)
        return numpy.log(out) - self.measured


def _free(name: str, value: float) -> float:
    """Transform an efficiency so that factors add: log of a time, log odds of a share."""
    return math.log(value) if name.endswith("_s") else math.log(value / (1 - value))


def _values(free: "ndarray") -> "ndarray":
    """Invert `_free` for rows x START."""
    import numpy

    times = numpy.array([name.endswith("_s") for name in START])
    free = numpy.clip(free, -16, numpy.where(times, 1.0, 8.0))
    return numpy.where(times, numpy.exp(free), 1 / (1 + numpy.exp(-free)))


def _weights(rows: list[Sample]) -> "ndarray":
    """Weights of rows, where many of one source, model, card and metric share a limited weight."""
    import numpy

    names = [
        (r.source, r.deployment.model.name, r.deployment.gpu.name, r.metric, r.deployment.num_gpus)
        for r in rows
    ]  # fmt: skip
    count = Counter(names)
    alike = numpy.array([min(1.0, MOST_ALIKE / count[name]) for name in names])
    return alike * numpy.array([row.trust for row in rows])


class _Problem:
    """Least squares over all sets: residuals of the rows, then of the regularisation."""

    def __init__(self, rows: list[Sample]) -> None:
        import numpy
        from scipy import sparse

        self.stack = Stack(rows)
        self.keys = sorted({key for row in rows for key in row.path})
        at = {key: i for i, key in enumerate(self.keys)}
        paths = numpy.array([[at[key] for key in row.path] for row in rows])
        line = numpy.repeat(numpy.arange(len(rows)), paths.shape[1])
        shape = (len(rows), len(self.keys))
        self.member = sparse.csr_matrix((numpy.ones(paths.size), (line, paths.ravel())), shape)
        self.lines = numpy.repeat(line, len(START))
        self.columns = (paths[:, :, None] * len(START) + numpy.arange(len(START))).ravel()
        level = {key: HOLD[row.path[0]][n] for row in rows for n, key in enumerate(row.path)}
        stiff = [STIFF.get(name, 1.0) for name in START]
        self.hold = numpy.sqrt(numpy.outer([level[key] for key in self.keys], stiff)).ravel()
        self.start = numpy.array([_free(name, value) for name, value in START.items()])
        self.weight = numpy.sqrt(_weights(rows))

    def free(self, x: "ndarray") -> "ndarray":
        """Transformed efficiencies of rows x START from the shifts of all sets."""
        return self.start + self.member @ x.reshape(len(self.keys), len(START))

    def errors(self, free: "ndarray") -> "ndarray":
        """Log error of each row, positive where it was predicted slower than measured."""
        return self.stack.errors(_values(free)) * self.stack.sign

    def residuals(self, x: "ndarray", tail: float) -> "ndarray":
        """Weighted errors, reduced beyond `tail`, and shifts times their regularisation."""
        import numpy

        e = self.errors(self.free(x))
        reduced = numpy.sign(e) * tail * numpy.sqrt(2 * numpy.log1p((e / tail) ** 2 / 2))
        return numpy.concatenate([self.weight * reduced, self.hold * x])

    def slopes(self, x: "ndarray", tail: float) -> Any:
        """Sparse Jacobian of `residuals`, by finite differences."""
        import numpy
        from scipy import sparse

        free, step = self.free(x), 1e-4
        e = self.errors(free)
        each = numpy.empty((len(e), len(START)))
        for j in range(len(START)):
            moved = free.copy()
            moved[:, j] += step
            each[:, j] = (self.errors(moved) - e) / step
        square = (e / tail) ** 2 / 2
        # the slope of the reduced error: 1 where the error is small
        slope = numpy.sqrt(square / numpy.maximum(numpy.log1p(square), 1e-300)) / (1 + square)
        each *= (self.weight * numpy.where(square < 1e-9, 1.0, slope))[:, None]
        spread = each[self.lines[:: len(START)]].ravel()
        shape = (len(e), len(x))
        top = sparse.csr_matrix((spread, (self.lines, self.columns)), shape=shape)
        return sparse.vstack([top, sparse.diags(self.hold)]).tocsr()


def solve(rows: list[Sample], start: Sets | None = None) -> Sets:
    """Fit all sets at once.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    start : Sets, optional
        Starting point, which saves time when rows are left out; `START` if omitted.

    Returns
    -------
    Sets
        The fitted sets.
    """
    import numpy
    from scipy.optimize import least_squares

    problem = _Problem(rows)
    x = numpy.zeros(len(problem.keys) * len(START))
    if start:
        x = numpy.array([_shift(start, key, name) for key in problem.keys for name in START])
    for tail in TAILS[1:] if start else TAILS:
        found = least_squares(
            problem.residuals,
            x,
            jac=problem.slopes,
            args=(tail,),
            tr_solver="lsmr",
            max_nfev=10 if start else 20,
            ftol=3e-4 if start else 1e-4,
        )
        x = found.x
    return _sets(problem, x.reshape(len(problem.keys), len(START)))


def _shift(sets: Sets, key: str, name: str) -> float:
    """Difference of a transformed efficiency of one set to its value in START."""
    if key in sets.fits:
        return _free(name, sets.fits[key][name]) - _free(name, START[name])
    return math.log(sets.shifts.get(key, {}).get(name, 1.0))


def _sets(problem: _Problem, moved: "ndarray") -> Sets:
    """Sets from the solution, a row for each key."""
    fits: dict[str, dict[str, float]] = {}
    shifts: dict[str, dict[str, float]] = {}
    for key, by in zip(problem.keys, moved, strict=True):
        if key in HOLD:
            values = map(float, _values(problem.start + by))
            fits[key] = dict(zip(START, values, strict=True))
        else:
            shifts[key] = {name: math.exp(b) for name, b in zip(START, by, strict=True)}
    count = [int(n) for n in problem.member.sum(axis=0).A1]
    return Sets(fits, shifts, dict(zip(problem.keys, count, strict=True)))


def errors(rows: list[Sample], sets: Sets) -> list[float]:
    """Compute the errors of predictions with fitted sets.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    sets : Sets
        Fitted sets.

    Returns
    -------
    list of float
        Log of measured over predicted of each row, in the metric's own unit.
    """
    import numpy

    paths = {row.path for row in rows}
    fitted = {path: calibration.composed(sets.fits, sets.shifts, path) for path in paths}
    values = numpy.array([[getattr(fitted[row.path], n) for n in START] for row in rows])
    return [-float(e) for e in Stack(rows).errors(values)]


def label(row: Sample, by: str) -> str:
    """Name the group of rows that a row is left out with.

    Parameters
    ----------
    row : Sample
        A measured row.
    by : str
        "model" (with its close relatives), "card", "source" or "engine".

    Returns
    -------
    str
        Name of the group.
    """
    if by == "model":
        return row.deployment.model.name.split("-r1")[0].split("-v3")[0]
    return {"card": row.deployment.gpu.name, "source": row.source, "engine": row.family}[by]


def folds(rows: list[Sample], by: str) -> list[set[str]]:
    """Distribute groups over folds of similar size, so that large ones are left out alone.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    by : str
        Kind of group, as in `label`.

    Returns
    -------
    list of set
        Groups that each fold leaves out; at most `FOLDS` of them.
    """
    count = Counter(label(row, by) for row in rows)
    sizes, names = [0] * FOLDS, [set[str]() for _ in range(FOLDS)]
    for name, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += n
        names[smallest].add(name)
    return [group for n, group in zip(sizes, names, strict=True) if n]


def _fold(task: tuple[list[Sample], str, set[str], Sets]) -> list[tuple[str, float]]:
    """Errors of the rows that one fold leaves out, by their id."""
    rows, by, names, start = task
    inside = [r for r in rows if label(r, by) not in names]
    programs = {r.path[0] for r in inside}
    outside = [r for r in rows if label(r, by) in names and r.path[0] in programs]
    return list(zip([r.id for r in outside], errors(outside, solve(inside, start)), strict=True))


def left_out(
    rows: list[Sample],
    sets: Sets,
    labels: tuple[str, ...] = ("model", "card", "source"),
    workers: int = 2,
) -> dict[str, dict[str, float]]:
    """Predict each row from fits without its group.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    sets : Sets
        The fit to all rows, from which the others start.
    labels : tuple of str
        Kinds of group to leave out in turn: "model", "card", "source", "engine".
    workers : int
        Number of processes.

    Returns
    -------
    dict
        For each label, log of measured over predicted by row id.
    """
    # Not above: Validate imports this module in a page, where no process can start.
    from concurrent.futures import ProcessPoolExecutor

    tasks = [(rows, by, names, sets) for by in labels for names in folds(rows, by)]
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(_fold, tasks))
    out: dict[str, dict[str, float]] = {by: {} for by in labels}
    for (_, by, _, _), pairs in zip(tasks, found, strict=True):
        out[by].update(pairs)
    return out


def intervals(
    rows: list[Sample], missed: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Find the factors that contain four of five left-out rows, kind by kind.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    missed : mapping
        Errors of left-out rows, as `left_out` returns them.

    Returns
    -------
    dict
        low, high, rows and unknown (the further widening for an engine without
        measurements) by kind.
    """
    out = {}
    for kind, by_label in sorted(_errors_by_kind(rows, missed).items()):
        count = max(map(len, by_label.values()))
        if count < FEWEST and "." in kind:
            continue
        low, high = _ends([pair for some in by_label.values() for pair in some])
        strange = _ends(by_label.get("source", next(iter(by_label.values()))))
        out[kind] = {
            "low": math.exp(min(low, -0.02)),
            "high": math.exp(max(high, 0.02)),
            "rows": count,
            "unknown": math.exp(max((strange[1] - strange[0] - (high - low)) / 2, 0.1)),
        }
    return out


def _errors_by_kind(
    rows: list[Sample], missed: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Errors and weights of left-out rows, by kind and by what was left out."""
    by_id = {row.id: row for row in rows}
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for by, pairs in missed.items():
        for name, error in pairs.items():
            # a doubted row may be right: it counts more for an interval than for the fit
            pair = (error, math.sqrt(by_id[name].trust))
            for kind in by_id[name].kinds:
                groups.setdefault(kind, {}).setdefault(by, []).append(pair)
    return groups


def _ends(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """First and last of the middle four fifths of weighted errors."""
    pairs = sorted(pairs)
    whole, passed = sum(weight for _, weight in pairs), 0.0
    ends: list[float] = []
    for error, weight in pairs:
        passed += weight
        if passed >= (LOW, HIGH)[len(ends)] * whole:
            ends.append(error)
        if len(ends) == 2:
            return ends[0], ends[1]
    return ends[0], pairs[-1][0]


def _large_shifts(sets: Sets) -> dict[str, dict[str, float]]:
    """Factors that differ from 1 by 1% or more."""
    shifts = {}
    for key, values in sets.shifts.items():
        large = {n: v for n, v in values.items() if abs(v - 1) >= 0.01}
        if large:
            shifts[key] = large
    return shifts


def write(
    path: str | Path, sets: Sets, widths: Mapping[str, Mapping[str, float]], source: str
) -> Path:
    """Write the fitted numbers as the file that `calibration` reads.

    Parameters
    ----------
    path : str or Path
        The file to write.
    sets : Sets
        Fitted sets.
    widths : mapping
        Intervals, as `intervals` returns them.
    source : str
        Name of the file of measured rows.

    Returns
    -------
    Path
        The file written.
    """
    lines = [
        "# Written by `llmcap calibrate`; the meaning of each number is in spec.Efficiency.",
        "# A shift multiplies a time, and the odds of a share; one within 1% of 1 is left out.",
        "",
        "[provenance]",
        f'rows = "{source}"',
        'method = "robust least squares on log errors; intervals by leaving groups out"',
    ]
    for key, fit in sets.fits.items():
        lines += ["", f'[fits."{key}"]'] + [f"{n} = {v:.4g}" for n, v in fit.items()]
    tables: dict[str, Mapping[str, Mapping[str, float]]]
    tables = {"shifts": _large_shifts(sets), "intervals": widths}
    for title, rows in tables.items():
        lines += ["", f"[{title}]"]
        for key, values in rows.items():
            inside = ", ".join(
                f"{n} = {v}" if n == "rows" else f"{n} = {v:.3g}" for n, v in values.items()
            )
            lines.append(f'"{key}" = {{ {inside} }}')
    lines += ["", "[rows]"] + [f'"{key}" = {n}' for key, n in sets.rows.items()]
    path = Path(path)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shipped() -> Sets:
    """Read the sets that are in force in `calibration`.

    Returns
    -------
    Sets
        The sets in force.
    """
    table = calibration.table()
    return Sets(table["fits"], table["shifts"], table["rows"])


def keep_predictions(
    path: str | Path, missed: Mapping[str, Mapping[str, float]], out: str | Path
) -> Path:
    """Write the predictions of all measured rows to a file.

    Parameters
    ----------
    path : str or Path
        Rows with the columns of `benchmarks/measured.csv`.
    missed : mapping
        Errors of left-out rows, as `left_out` returns them.
    out : str or Path
        The CSV to write, with the columns that `validate.read_predictions` reads.

    Returns
    -------
    Path
        The file written.
    """
    out = Path(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "predicted", "low", "high", "ceiling", *compare.LEFT_OUT])
        for row in compare.run(path).compared:
            # no fit saw a row that none leaves out: memory, and what the law is not asked
            unseen = [
                row.measured / math.exp(by[row.id]) if row.id in by else row.predicted
                for by in missed.values()
            ]
            numbers = (row.predicted, row.low, row.high, row.ceiling, *unseen)
            table.writerow([row.id, *("" if n is None else f"{n:.4g}" for n in numbers)])
    return out


def calibrate(
    path: str | Path, out: str | Path, say: Callable[[str], object] = print
) -> tuple[Sets, dict[str, dict[str, float]]]:
    """Fit the efficiencies to a file of measured rows and write the result.

    Parameters
    ----------
    path : str or Path
        Rows with the columns of `benchmarks/measured.csv`.
    out : str or Path
        The data file to write. When it is the one that `calibration` reads,
        `predicted.csv` is written too, beside the rows.
    say : callable
        Called with each line of progress.

    Returns
    -------
    tuple of (Sets, dict)
        The fitted sets, and the errors of left-out rows.

    Raises
    ------
    BadInput
        When no row of servers, or none of loops, can be predicted.
    """
    rows = samples(path)
    say(f"{len(rows):,} rows of {path} can be predicted")
    lacking = set(HOLD) - {row.path[0] for row in rows}
    if lacking:
        raise BadInput("file", f"file has no rows of {' and none of '.join(sorted(lacking))}.")
    sets = solve(rows)
    say(f"fitted {len(sets.rows)} sets; leaving groups out")
    missed = left_out(rows, sets)
    write(out, sets, intervals(rows, missed), Path(path).name)
    say(f"wrote {out}")
    if Path(out).resolve() == calibration.FILE.resolve():
        calibration.reload()
        say(f"wrote {keep_predictions(path, missed, Path(path).with_name('predicted.csv'))}")
    return sets, missed
