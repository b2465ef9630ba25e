"""Fitting the efficiencies of `calibration` to measured rows: the `llmcap calibrate` command.

Every prediction is the kernel's own; nothing of the law is written twice. The fit is robust
(a few wrong labels do not move it) and hierarchical: servers and offline loops, then engines,
then chip families, each held near the set above it. Intervals come from predictions of rows
whose model, card family or source had been left out.
"""

import csv
import math
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import calibration, results, validate
from .refuse import BadInput
from .spec import Deployment, Efficiency

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
    "weight_only_compute": 0.7,
    "pcie_exchange_s": 2e-5,
    "burst_share": 0.4,
}
BOUNDS = {
    "bandwidth": (0.1, 1),
    "kv_bandwidth": (0.05, 1),
    "compute": (0.02, 1),
    "link_bandwidth": (0.05, 1),
    "expert_bandwidth": (0.1, 1),
    "prefill_share": (0.2, 1),
    "layer_s": (1e-7, 2e-3),
    "step_s": (1e-6, 5e-2),
    "all_reduce_s": (5e-7, 3e-4),
    "moe_layer_s": (1e-7, 2e-3),
    "sequence_s": (1e-8, 1e-3),
    "first_token_s": (1e-5, 1.0),
    "weight_only_compute": (0.1, 1),
    "pcie_exchange_s": (1e-7, 1e-2),
    "burst_share": (1e-3, 1),
}
LEVELS = {"served": 1, "offline": 2}  # servers share a set by engine; loops also by chip family
MOST_ALIKE = 6  # rows of one source, model, card and metric that the fit listens to
FEWEST = 12  # rows an engine or a chip family needs for a set of its own
NEAR = 0.7  # how hard a set is held to the one above it
TAIL = 0.15  # relative error beyond which a row pulls less
FOLDS = 5
LOW, HIGH = 0.1, 0.9


class Sample(NamedTuple):
    """A measured row, ready to be predicted again and again.

    Attributes
    ----------
    id, source, regime : str
        Which row it is [-].
    deployment : Deployment
        What was measured [-].
    family : str
        The engine's family [-].
    load : dict
        The arguments of `calibration.predict` [-].
    value : float
        What was measured, in the metric's own unit [-].
    """

    id: str
    source: str
    regime: str
    deployment: Deployment
    family: str
    load: dict
    value: float

    @property
    def path(self):
        """The sets it belongs to, from the widest to the most specific [-]."""
        mode = "served" if self.load["served"] else "offline"
        engine = f"{mode}.{self.family}"
        return (mode, engine, f"{engine}.{self.deployment.gpu.family}")

    @property
    def kind(self):
        """What its interval is shared with [-]."""
        return f"{self.path[0]}.{self.regime}.{self.load['metric']}"


def samples(path):
    """Read the rows a fit can use.

    Parameters
    ----------
    path : str or Path
        A file in the columns of `benchmarks/measured.csv` [-].

    Returns
    -------
    list of Sample
        The rows that map to a deployment; memory rows are the ledger's [-].
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        sources = {row["id"]: row["source_id"] for row in csv.DictReader(file)}
    out = []
    for line in results.read(path):
        try:
            row = validate.measurement(line)
            made = _sample(row, sources.get(row.id, ""))
        except BadInput:
            continue
        if made is not None:
            out.append(made)
    return out


def _sample(row, source):
    meant = validate.spellings.meaning(row.spelled)
    if meant.deployment is None or row.load.metric not in calibration.METRICS:
        return None
    regime = validate.regime_of(row.load, bool(meant.deployment.model.experts))
    load = {
        "metric": row.load.metric,
        "input_tokens": row.load.input_tokens,
        "output_tokens": row.load.output_tokens,
        "concurrency": row.load.concurrency,
        "served": calibration.is_served(
            meant.family, row.load.metric, regime, row.load.concurrency
        ),
        "regime": regime,
    }
    made = Sample(row.id, source, regime, meant.deployment, meant.family, load, row.value)
    return made if _error(made, Efficiency()) is not None else None


def _error(sample, efficiency):
    """Log of predicted over measured time or rate, positive where the prediction is too slow."""
    try:
        value = calibration.predict(sample.deployment, **sample.load, efficiency=efficiency)
    except (BadInput, ArithmeticError):
        return None
    if value <= 0 or sample.value <= 0:
        return None
    ratio = math.log(value / sample.value)
    return -ratio if sample.load["metric"] in calibration.PER_SECOND else ratio


def _thin(rows):
    """Keep a few of each group of rows that are alike, the same ones every time."""
    kept = []
    seen: dict = {}
    for row in sorted(rows, key=lambda r: zlib.crc32(r.id.encode())):
        d = row.deployment
        group = (row.source, d.model.name, d.gpu.name, row.load["metric"], d.num_gpus)
        seen[group] = seen.get(group, 0) + 1
        if seen[group] <= MOST_ALIKE:
            kept.append(row)
    return kept


def _solve(rows, start, names, hold):
    """Fit some efficiencies to rows, held near where they start."""
    import numpy
    from scipy.optimize import least_squares

    low, high = (numpy.log([BOUNDS[n][i] for n in names]) for i in (0, 1))
    first = numpy.clip(numpy.log([start[n] for n in names]), low + 1e-9, high - 1e-9)

    def residuals(x):
        made = Efficiency(**{**start, **dict(zip(names, map(float, numpy.exp(x)), strict=True))})
        errors = numpy.array([_error(row, made) for row in rows])
        pulled = numpy.sign(errors) * TAIL * numpy.sqrt(2 * numpy.log1p((errors / TAIL) ** 2 / 2))
        return numpy.concatenate([pulled, hold * (x - first)])

    found = least_squares(residuals, first, bounds=(low, high), max_nfev=12, x_scale=0.3)
    return {**start, **dict(zip(names, map(float, numpy.exp(found.x)), strict=True))}


def solve(rows, start=None):
    """Fit every set that has rows enough.

    Parameters
    ----------
    rows : list of Sample
        Measured rows [-].
    start : dict, optional
        Sets to start from, which saves time when rows are left out [-].

    Returns
    -------
    dict
        Efficiencies by key: "served", "offline", an engine's, a family's [-].
    """
    sets = {}
    for mode, depth in LEVELS.items():
        mine = _thin([row for row in rows if row.path[0] == mode])
        if not mine:
            continue
        base = dict(start.get(mode, START)) if start else dict(START)
        sets[mode] = _solve(mine, base, tuple(START), 0.3)
        for level in range(1, depth + 1):
            for key in sorted({row.path[level] for row in mine}):
                members = [row for row in mine if row.path[level] == key]
                if len(members) >= FEWEST:
                    above = members[0].path[level - 1]
                    parent = sets.get(above, sets[mode])
                    sets[key] = _solve(members, parent, tuple(START), NEAR)
    return sets


def errors(rows, sets):
    """Predict rows with fitted sets.

    Parameters
    ----------
    rows : list of Sample
        Measured rows [-].
    sets : dict
        Efficiencies by key [-].

    Returns
    -------
    list of float
        Log of measured over predicted, in the metric's own unit [-].
    """
    made = {key: Efficiency(**values) for key, values in sets.items()}
    out = []
    for row in rows:
        key = next(k for k in reversed(row.path) if k in made)
        value = calibration.predict(row.deployment, **row.load, efficiency=made[key])
        out.append(math.log(row.value / value))
    return out


def label(row, by):
    """Name the group of a row that is left out together.

    Parameters
    ----------
    row : Sample
        A measured row [-].
    by : str
        "model" (close relatives together), "card", "source" or "engine" [-].

    Returns
    -------
    str
        The group [-].
    """
    if by == "model":
        return row.deployment.model.name.split("-r1")[0].split("-v3")[0]
    return {"card": row.deployment.gpu.name, "source": row.source, "engine": row.family}[by]


def _fold(task):
    rows, by, fold, start = task
    inside = [r for r in rows if zlib.crc32(label(r, by).encode()) % FOLDS != fold]
    outside = [r for r in rows if zlib.crc32(label(r, by).encode()) % FOLDS == fold]
    if not outside:
        return []
    missing = {r.path[0] for r in outside} - {r.path[0] for r in inside}
    outside = [r for r in outside if r.path[0] not in missing]
    return list(zip([r.id for r in outside], errors(outside, solve(inside, start)), strict=True))


def left_out(rows, sets, labels=("model", "card", "source"), workers=2):
    """Predict each row from fits that never saw its group.

    Parameters
    ----------
    rows : list of Sample
        Measured rows [-].
    sets : dict
        The fit to everything, where the others start [-].
    labels : tuple of str
        What is left out in turn: "model", "card", "source", "engine" [-].
    workers : int
        Processes [-].

    Returns
    -------
    dict
        For each label, log of measured over predicted by row id [-].
    """
    tasks = [(rows, by, fold, sets) for by in labels for fold in range(FOLDS)]
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
        Measured rows [-].
    missed : dict
        What `left_out` gave [-].

    Returns
    -------
    dict
        low, high, rows and unknown (the further widening where even the engine
        was never measured) by kind [-].
    """
    by_id = {row.id: row for row in rows}
    groups: dict = {}
    for by, pairs in missed.items():
        for name, error in pairs.items():
            row = by_id[name]
            mode, metric = row.path[0], row.load["metric"]
            for key in (mode, f"{mode}.{metric}", row.kind):
                groups.setdefault(key, {}).setdefault(by, []).append(error)
    out = {}
    for key, labelled in sorted(groups.items()):
        pooled = [e for some in labelled.values() for e in some]
        count = max(map(len, labelled.values()))
        if count < 20 and key.count("."):
            continue
        low, high = (validate.quantile(pooled, share) for share in (LOW, HIGH))
        strange = labelled.get("source", pooled)
        spread = validate.quantile(strange, HIGH) - validate.quantile(strange, LOW)
        out[key] = {
            "low": math.exp(min(low, -0.02)),
            "high": math.exp(max(high, 0.02)),
            "rows": count,
            "unknown": math.exp(max((spread - (high - low)) / 2, 0.1)),
        }
    return out


def write(path, sets, widths, source):
    """Write the fitted numbers as the file that `calibration` reads.

    Parameters
    ----------
    path : str or Path
        Where to [-].
    sets, widths : dict
        What `solve` and `intervals` gave [-].
    source : str
        Which rows they come from [-].

    Returns
    -------
    Path
        The file [-].
    """
    lines = [
        "# Written by `llmcap calibrate`; the meaning of each number is in spec.Efficiency.",
        "",
        "[provenance]",
        f'rows = "{source}"',
        'method = "robust least squares on log errors; intervals by leaving groups out"',
    ]
    for title, tables in (("fits", sets), ("intervals", widths)):
        for key, values in tables.items():
            lines += ["", f'[{title}."{key}"]']
            lines += [f"{name} = {value:.4g}" for name, value in values.items()]
    path = Path(path)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def calibrate(path, out, say=print):
    """Fit to a file of measured rows and write what was found.

    Parameters
    ----------
    path : str or Path
        Rows in the columns of `benchmarks/measured.csv` [-].
    out : str or Path
        The data file to write [-].
    say : callable
        Takes each line of progress [-].

    Returns
    -------
    tuple of (dict, dict)
        The fitted sets, and the left-out errors they were judged by [-].
    """
    rows = samples(path)
    say(f"{len(rows):,} rows of {path} can be predicted")
    sets = solve(rows)
    say(f"fitted {len(sets)} sets; leaving groups out")
    missed = left_out(rows, sets)
    write(out, sets, intervals(rows, missed), Path(path).name)
    say(f"wrote {out}")
    return sets, missed
