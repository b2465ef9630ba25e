"""Fitting the efficiencies of `calibration` to measured rows: the `llmcap calibrate` command.

Every prediction is the kernel's own: what a row asks of its cards is counted once, rows are
stacked into arrays, and the law times them all at once. The fit is robust (a few wrong labels
do not move it) and partly pooled: each mode has a set of its own, and an engine, a chip family
and the two together may shift it, each held to changing nothing. Intervals come from predictions
of rows whose model, card or source had been left out.
"""

import csv
import math
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from . import calibration, results, validate
from .failures import doubts
from .refuse import BadInput
from .serving import LoadWork, Served, load_work
from .spec import Deployment

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
# how hard a set is held: one of programs to START; its engines, its chips and the two together to
# changing nothing
HOLD = {calibration.SERVER: (0.05, 0.25, 1.0, 4.0), calibration.LOOP: (0.02, 0.15, 0.25, 0.7)}
STIFF = {"expert_compute": 10.0, "attention_compute": 10.0}  # held harder: few rows tell them apart
MOST_ALIKE = 6  # rows of one source, model, card and metric weigh as much as this many
# The weight of a row by the doubt about it; 1 where there is none that touches its value.
DOUBTED = {"token-position": 0.1, "prompt-at-decode-rate": 0.1}
TAILS = (0.6, 0.3, 0.15)  # relative error beyond which a row pulls less, narrowed in turn
FOLDS = 16
LOW, HIGH = 0.1, 0.9
FEWEST = 30  # rows that an interval of their own takes


class Sample(NamedTuple):
    """A measured row, ready to be predicted again and again.

    Attributes
    ----------
    id, source, regime, metric : str
        Which row it is.
    deployment : Deployment
        What was measured.
    family : str
        The engine's family.
    quantity : str
        The quantity of `serving.Served` that it is.
    value : float
        What was measured, in the quantity's SI unit.
    work : LoadWork
        What it asks of the cards.
    trust : float
        1, or less where its source leaves a doubt.
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
    def path(self):
        """The sets it belongs to, from the widest to the most specific."""
        return calibration.keys(self.family, self.deployment.gpu.family)

    @property
    def kinds(self):
        """What its interval may be shared with, from the most alike to the widest."""
        sparse = bool(self.deployment.model.experts)
        return calibration.kinds(self.path[0], self.regime, self.quantity, sparse)


def samples(path):
    """Read the rows a fit can use.

    Parameters
    ----------
    path : str or Path
        A file in the columns of `benchmarks/measured.csv`.

    Returns
    -------
    list of Sample
        The rows that map to a deployment; memory rows are the ledger's.
    """
    out = []
    for line in results.read(path):
        try:
            sample = _sample(line)
        except BadInput:
            continue
        if sample is not None:
            out.append(sample)
    return out


def _sample(line):
    row = validate.measurement(line)
    meant = validate.spellings.meaning(row.spelled)
    if meant.deployment is None or row.load.metric not in calibration.METRICS or row.value <= 0:
        return None
    d = meant.deployment
    load = row.load._replace(regime=validate.regime_of(row.load, bool(d.model.experts)))
    asked = validate.asked(meant, load)
    return Sample(
        row.id,
        line.fields.get("source_id", ""),
        load.regime,
        load.metric,
        d,
        asked.family,
        asked.quantity,
        row.value / asked.scale,
        load_work(d, asked.workload, server=asked.server),
        weight(doubts(line.fields)),
    )


def weight(doubts):
    """Say how much a row counts.

    Parameters
    ----------
    doubts : iterable of str
        The doubts about it.

    Returns
    -------
    float
        1, or less where a doubt touches its value.

    Examples
    --------
    >>> weight(()), weight(("token-position", "mlperf-setup"))
    (1.0, 0.1)
    """
    return min((DOUBTED.get(name, 1.0) for name in doubts), default=1.0)


class Sets(NamedTuple):
    """What a fit found, as `catalog/calibration.toml` keeps it.

    Attributes
    ----------
    fits : dict
        Efficiencies of servers and of loops.
    shifts : dict
        Factors on them by key, as `calibration.shifted` applies them.
    rows : dict
        Rows that were fitted by key.
    """

    fits: dict
    shifts: dict
    rows: dict


def _stack(items):
    """Turn a list of like records of numbers into one record of arrays."""
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
    """Rows as arrays: all of one quantity are predicted in one pass of the law.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    """

    def __init__(self, rows):
        import numpy

        self.rows = rows
        groups: dict = {}
        for i, row in enumerate(rows):
            groups.setdefault((row.quantity, row.work.decode.draft is None), []).append(i)
        self.groups = [
            (quantity, ids, _stack([rows[i].work for i in ids]))
            for (quantity, _), ids in groups.items()
        ]
        self.measured = numpy.log([row.value for row in rows])
        slower = [calibration.METRICS[row.metric].less for row in rows]
        self.sign = numpy.where(slower, 1.0, -1.0)

    def errors(self, values):
        """Log of predicted over measured, by efficiencies of rows x START."""
        import numpy

        out = numpy.empty(len(self.rows))
        for quantity, ids, work in self.groups:
            columns = {name: values[ids, j] for j, name in enumerate(START)}
            efficiency: Any = SimpleNamespace(**columns)
            out[ids] = getattr(Served(work, efficiency), quantity)
        return numpy.log(out) - self.measured


def _free(name, value):
    """An efficiency where factors add: the log of a time, the log odds of a share."""
    return math.log(value) if name.endswith("_s") else math.log(value / (1 - value))


def _values(free):
    """Efficiencies of rows x START from where factors add."""
    import numpy

    times = numpy.array([name.endswith("_s") for name in START])
    free = numpy.clip(free, -16, numpy.where(times, 1.0, 8.0))
    return numpy.where(times, numpy.exp(free), 1 / (1 + numpy.exp(-free)))


def _weights(rows):
    """Rows that are alike share a weight, so that no source outvotes the others."""
    import numpy

    names = [
        (r.source, r.deployment.model.name, r.deployment.gpu.name, r.metric, r.deployment.num_gpus)
        for r in rows
    ]  # fmt: skip
    count: dict = {}
    for name in names:
        count[name] = count.get(name, 0) + 1
    alike = numpy.array([min(1.0, MOST_ALIKE / count[name]) for name in names])
    return alike * numpy.array([row.trust for row in rows])


class _Problem:
    """Least squares over all sets at once: residuals of rows, then of what holds each set."""

    def __init__(self, rows):
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

    def free(self, x):
        """Where factors add, row by row."""
        return self.start + self.member @ x.reshape(len(self.keys), len(START))

    def errors(self, free):
        return self.stack.errors(_values(free)) * self.stack.sign

    def residuals(self, x, tail):
        import numpy

        e = self.errors(self.free(x))
        pulled = numpy.sign(e) * tail * numpy.sqrt(2 * numpy.log1p((e / tail) ** 2 / 2))
        return numpy.concatenate([self.weight * pulled, self.hold * x])

    def slopes(self, x, tail):
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
        # the slope of the pulled residual: 1 where the error is small
        pull = numpy.sqrt(square / numpy.maximum(numpy.log1p(square), 1e-300)) / (1 + square)
        each *= (self.weight * numpy.where(square < 1e-9, 1.0, pull))[:, None]
        spread = each[self.lines[:: len(START)]].ravel()
        shape = (len(e), len(x))
        top = sparse.csr_matrix((spread, (self.lines, self.columns)), shape=shape)
        return sparse.vstack([top, sparse.diags(self.hold)]).tocsr()


def solve(rows, start=None):
    """Fit all sets at once.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    start : Sets, optional
        Where to start, which saves time when rows are left out.

    Returns
    -------
    Sets
        What was found.
    """
    import numpy
    from scipy.optimize import least_squares

    problem = _Problem(rows)
    x = numpy.zeros(len(problem.keys) * len(START))
    if start:
        x = numpy.array([_moved(start, key, name) for key in problem.keys for name in START])
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


def _moved(sets, key, name):
    """How far a set moved a name from where the fit started."""
    if key in sets.fits:
        return _free(name, sets.fits[key][name]) - _free(name, START[name])
    return math.log(sets.shifts.get(key, {}).get(name, 1.0))


def _sets(problem, moved):
    fits, shifts = {}, {}
    for key, by in zip(problem.keys, moved, strict=True):
        if key in HOLD:
            values = map(float, _values(problem.start + by))
            fits[key] = dict(zip(START, values, strict=True))
        else:
            shifts[key] = {name: math.exp(b) for name, b in zip(START, by, strict=True)}
    count = [int(n) for n in problem.member.sum(axis=0).A1]
    return Sets(fits, shifts, dict(zip(problem.keys, count, strict=True)))


def efficiency(sets, path):
    """Put together the efficiencies of a row's path; sets it lacks change nothing.

    Parameters
    ----------
    sets : Sets
        What a fit found.
    path : tuple of str
        As `calibration.keys` names them.

    Returns
    -------
    Efficiency
        The efficiencies.
    """
    return calibration.composed(sets.fits, sets.shifts, path)


def errors(rows, sets):
    """Predict rows with fitted sets.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    sets : Sets
        What a fit found.

    Returns
    -------
    list of float
        Log of measured over predicted, in the metric's own unit.
    """
    import numpy

    made = {path: efficiency(sets, path) for path in {row.path for row in rows}}
    values = numpy.array([[getattr(made[row.path], n) for n in START] for row in rows])
    return [-float(e) for e in Stack(rows).errors(values)]


def label(row, by):
    """Name the group of a row that is left out together.

    Parameters
    ----------
    row : Sample
        A measured row.
    by : str
        "model" (close relatives together), "card", "source" or "engine".

    Returns
    -------
    str
        The group.
    """
    if by == "model":
        return row.deployment.model.name.split("-r1")[0].split("-v3")[0]
    return {"card": row.deployment.gpu.name, "source": row.source, "engine": row.family}[by]


def folds(rows, by):
    """Deal the groups of a label out, so that large ones are left out alone.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    by : str
        As `label` takes it.

    Returns
    -------
    list of set
        Names of the groups that each fold leaves out, `FOLDS` at most.
    """
    count = Counter(label(row, by) for row in rows)
    dealt: list = [[0, set()] for _ in range(FOLDS)]
    for name, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0])):
        least = min(dealt, key=lambda fold: fold[0])
        least[0] += n
        least[1].add(name)
    return [names for n, names in dealt if n]


def _fold(task):
    rows, by, names, start = task
    inside = [r for r in rows if label(r, by) not in names]
    programs = {r.path[0] for r in inside}
    outside = [r for r in rows if label(r, by) in names and r.path[0] in programs]
    return list(zip([r.id for r in outside], errors(outside, solve(inside, start)), strict=True))


def left_out(rows, sets, labels=("model", "card", "source"), workers=2):
    """Predict each row from fits that never saw its group.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    sets : Sets
        The fit to everything, where the others start.
    labels : tuple of str
        What is left out in turn: "model", "card", "source", "engine".
    workers : int
        Processes.

    Returns
    -------
    dict
        For each label, log of measured over predicted by row id.
    """
    tasks = [(rows, by, names, sets) for by in labels for names in folds(rows, by)]
    with ProcessPoolExecutor(workers) as pool:
        made = list(pool.map(_fold, tasks))
    out: dict = {by: {} for by in labels}
    for (_, by, _, _), pairs in zip(tasks, made, strict=True):
        out[by].update(pairs)
    return out


def intervals(rows, missed):
    """Find the factors that hold four of five left-out rows, kind by kind.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    missed : dict
        What `left_out` gave.

    Returns
    -------
    dict
        low, high, rows and unknown (the further widening where even the engine
        was never measured) by kind.
    """
    by_id = {row.id: row for row in rows}
    groups: dict = {}
    for by, pairs in missed.items():
        for name, error in pairs.items():
            # a doubted row may be right: an interval leans on it more than the fit does
            pair = (error, math.sqrt(by_id[name].trust))
            for key in by_id[name].kinds:
                groups.setdefault(key, {}).setdefault(by, []).append(pair)
    out = {}
    for key, labelled in sorted(groups.items()):
        count = max(map(len, labelled.values()))
        if count < FEWEST and "." in key:
            continue
        low, high = _ends([pair for some in labelled.values() for pair in some])
        strange = _ends(labelled.get("source", next(iter(labelled.values()))))
        out[key] = {
            "low": math.exp(min(low, -0.02)),
            "high": math.exp(max(high, 0.02)),
            "rows": count,
            "unknown": math.exp(max((strange[1] - strange[0] - (high - low)) / 2, 0.1)),
        }
    return out


def _ends(pairs):
    """Where the middle four fifths of weighted errors begin and end."""
    pairs = sorted(pairs)
    whole, passed = sum(weight for _, weight in pairs), 0.0
    ends: list = []
    for error, weight in pairs:
        passed += weight
        if passed >= (LOW, HIGH)[len(ends)] * whole:
            ends.append(error)
        if len(ends) == 2:
            return tuple(ends)
    return ends[0], pairs[-1][0]


def _moving(sets):
    """The shifts worth writing."""
    kept = {}
    for key, values in sets.shifts.items():
        moved = {n: v for n, v in values.items() if abs(v - 1) >= 0.01}
        if moved:
            kept[key] = moved
    return kept


def write(path, sets, widths, source):
    """Write the fitted numbers as the file that `calibration` reads.

    Parameters
    ----------
    path : str or Path
        Where to.
    sets : Sets
        What `solve` found.
    widths : dict
        What `intervals` gave.
    source : str
        Which rows they come from.

    Returns
    -------
    Path
        The file.
    """
    lines = [
        "# Written by `llmcap calibrate`; the meaning of each number is in spec.Efficiency.",
        "# A shift multiplies a time, and the odds of a share; one within 1% of 1 is left out.",
        "",
        "[provenance]",
        f'rows = "{source}"',
        'method = "robust least squares on log errors; intervals by leaving groups out"',
    ]
    for key, values in sets.fits.items():
        lines += ["", f'[fits."{key}"]'] + [f"{n} = {v:.4g}" for n, v in values.items()]
    for title, tables in (("shifts", _moving(sets)), ("intervals", widths)):
        lines += ["", f"[{title}]"]
        for key, values in tables.items():
            inside = ", ".join(f"{n} = {v:.3g}" for n, v in values.items())
            lines.append(f'"{key}" = {{ {inside} }}')
    lines += ["", "[rows]"] + [f'"{key}" = {n}' for key, n in sets.rows.items()]
    path = Path(path)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shipped():
    """Give the sets that `calibration` reads.

    Returns
    -------
    Sets
        The sets in force.
    """
    table = calibration.table()
    return Sets(table["fits"], table["shifts"], table["rows"])


def keep_predictions(path, missed, out):
    """Write what is predicted of every measured row, for whoever wants to look at all of them.

    Parameters
    ----------
    path : str or Path
        Rows in the columns of `benchmarks/measured.csv`.
    missed : dict
        What `left_out` gave.
    out : str or Path
        The CSV to write; columns as `validate.kept` reads them.

    Returns
    -------
    Path
        The file.
    """
    out = Path(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "predicted", "low", "high", "ceiling", *validate.LEFT_OUT])
        for row in validate.run(path).compared:
            # memory is the ledger's: no fit is in it
            apart = [
                row.measured / math.exp(by[row.id]) if row.id in by else row.predicted
                for by in missed.values()
            ]
            numbers = (row.predicted, row.low, row.high, row.ceiling, *apart)
            table.writerow([row.id, *("" if n is None else f"{n:.4g}" for n in numbers)])
    return out


def calibrate(path, out, say=print):
    """Fit to a file of measured rows and write what was found.

    Parameters
    ----------
    path : str or Path
        Rows in the columns of `benchmarks/measured.csv`.
    out : str or Path
        The data file to write; beside the rows, `predicted.csv` follows it when it
        is the one that `calibration` reads.
    say : callable
        Takes each line of progress.

    Returns
    -------
    tuple of (Sets, dict)
        The fitted sets, and the left-out errors they were judged by.

    Raises
    ------
    BadInput
        When no row of a kind of program can be predicted: the file would lack it.
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
