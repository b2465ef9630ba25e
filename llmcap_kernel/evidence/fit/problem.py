"""The least squares behind the numbers of `catalog/calibration.toml`."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import calibration
from ...serving import Served
from ...spec import Efficiency
from .rows import Sample

if TYPE_CHECKING:
    from numpy import ndarray

# No measured row has a layer that is launched beside a graph: its time is a loop's `layer_s`.
NAMES = tuple(field.name for field in fields(Efficiency) if field.name != calibration.LAUNCHED)
# What is expected of a program before any row is seen. What kernels reach is not listed: the
# numbers of those names are factors on it.
EXPECTED = {
    "prefill_share": 0.7,
    "layer_s": 4e-5,
    "step_s": 4e-4,
    "moe_layer_s": 2e-5,
    "sequence_s": 5e-6,
    "first_token_s": 5e-2,
    "prompt_layer_s": 1e-3,
    "prompt_token_s": 2e-6,
    "weight_only_compute": 0.7,
    "matvec_compute": 0.15,
    "pcie_exchange_s": 2e-5,
    "rank_s": 5e-7,
    "burst_share": 0.3,
    # no number moves these
    "one_path_share": 1.0,
    "rounded_share": 1.0,  # as timed kernels are
    "begun_share": 1.0,
}
_OF_A_PASS = ("bandwidth", "compute", "kv_bandwidth", "link_bandwidth", "weight_only_compute")
_OF_A_HOST = ("layer_s", "step_s", "sequence_s", "moe_layer_s", "rank_s")
# The numbers that are fitted, by key: what a program reaches and what its host takes, and what an
# engine, a vendor or a family of chips has apart from that, where leaving groups out shows it.
FREE = {
    calibration.SERVER: (
        *(*_OF_A_PASS, *_OF_A_HOST),
        *("pcie_exchange_s", "prefill_share", "first_token_s", "burst_share", "prompt_token_s"),
        "prompt_layer_s",
    ),
    calibration.LOOP: (*_OF_A_PASS, *_OF_A_HOST, "matvec_compute", "prompt_token_s"),
    "vllm": ("first_token_s", "burst_share"),
    "sglang": ("first_token_s", "burst_share"),
    "trtllm loop": ("compute", "link_bandwidth"),
    "vllm loop": ("sequence_s",),
    "vllm-static": ("compute",),
    "llama.cpp": ("compute", "link_bandwidth", "attention_compute", "layer_s"),
    calibration.EAGER: ("layer_s",),
    "gpt-fast": ("layer_s",),
    "neuron": ("link_bandwidth",),
    "amd": ("compute", "layer_s"),
    "apple": ("compute", "layer_s"),
    "ampere": ("layer_s",),
    "ada": ("layer_s",),
    "hopper": ("link_bandwidth", "layer_s"),
    "trainium1": ("layer_s",),
    "blackwell-graphics": ("compute",),
}
# Strength with which a number is held at what is expected: few rows move it little.
HOLD = {calibration.SERVER: 0.1, calibration.LOOP: 0.05}
HOLD_FACTOR = 0.2
MOST_ALIKE = 6  # rows of one source, model, card and metric weigh as much as this many
TAILS = (0.6, 0.3, 0.15)  # relative error beyond which a row counts less, reduced in turn


class Sets(NamedTuple):
    """Result of a fit.

    Attributes
    ----------
    sets : dict
        Numbers by key and name, as `calibration.composed` takes them: a list that starts with
        the number.
    rows : dict
        Number of fitted rows by program, engine, vendor, chip family, and engine on chip family.
    """

    sets: dict[str, dict[str, list[float]]]
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
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, row in enumerate(rows):
            # servers and loops share some quantities, and what one of them lacks does not stack
            decode = row.work.decode
            has = tuple(x.kind for x in decode.exchanges), decode.draft is None
            groups.setdefault((row.quantity, has, row.work.batch is None), []).append(i)
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
            Efficiencies, with a row for each sample and a column for each name of `NAMES`.

        Returns
        -------
        array
            Error of each row.
        """
        import numpy

        out = numpy.empty(len(self.rows))
        for quantity, ids, work in self.groups:
            columns = {name: values[ids, j] for j, name in enumerate(NAMES)}
            efficiency: Any = SimpleNamespace(**columns, **{calibration.LAUNCHED: 0.0})
            out[ids] = getattr(Served(work, efficiency), quantity)
        return numpy.log(out) - self.measured


def _free(name: str, value: float) -> float:
    """Transform an efficiency so that factors add: log of a time, log odds of a share."""
    if name.endswith("_s"):
        return math.log(value)
    return math.log(value / (1 - value)) if value < 1 else math.inf


def _values(free: "ndarray") -> "ndarray":
    """Invert `_free` for rows x NAMES."""
    import numpy

    times = numpy.array([name.endswith("_s") for name in NAMES])
    free = numpy.clip(free, -16, numpy.where(times, 1.0, 8.0))
    return numpy.where(times, numpy.exp(free), 1 / (1 + numpy.exp(-free)))


def _weights(rows: Sequence[Sample]) -> "ndarray":
    """Weights of rows, where many of one source, model, card and metric share a limited weight."""
    import numpy

    names = [
        (r.source, r.deployment.model.name, r.deployment.gpu.name, r.metric, r.deployment.num_gpus)
        for r in rows
    ]  # fmt: skip
    count = Counter(names)
    alike = numpy.array([min(1.0, MOST_ALIKE / count[name]) for name in names])
    return alike * numpy.array([row.trust for row in rows])


def _expected(rows: Iterable[Sample], *, timed: bool = True) -> "ndarray":
    """Transformed efficiencies of rows before the fit, as of cards never timed if not `timed`."""
    import numpy

    sets = {"expected": {name: [value] for name, value in EXPECTED.items()}}
    found: dict[tuple[object, ...], list[float]] = {}
    out = []
    for row in rows:
        d = row.deployment
        of = (row.family, d.gpu.name, d.weights.name, d.kv.name)
        if of not in found:
            gpu = d.gpu if timed else replace(d.gpu, family=calibration.ANY)
            known = calibration.before_fit(row.family, gpu, d.weights, d.kv)
            expected = calibration.composed(sets, ("expected",), known)
            found[of] = [_free(name, getattr(expected, name)) for name in NAMES]
        out.append(found[of])
    return numpy.array(out)


class Problem:
    """Least squares over all numbers: residuals of the rows, then of what is expected.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    """

    def __init__(self, rows: list[Sample]) -> None:
        import numpy

        self.stack = Stack(rows)
        self.rows = rows
        self.base = _expected(rows)
        self.weight = numpy.sqrt(_weights(rows))
        found = {key for row in rows for key in row.path}
        free = [(key, name) for key, names in FREE.items() if key in found for name in names]
        self.numbers = free
        self.columns = [NAMES.index(name) for _, name in free]
        self.member = numpy.array([[key in row.path for key, _ in free] for row in rows], float)
        hold = [HOLD.get(key, HOLD_FACTOR) for key, _ in free]
        self.hold = numpy.sqrt(numpy.array(hold))

    @cached_property
    def untimed(self) -> "ndarray":
        """As `base`, of cards of which no kernel was ever timed."""
        return _expected(self.rows, timed=False)

    def free(self, x: "ndarray", *, timed: bool = True) -> "ndarray":
        """Transformed efficiencies of rows x NAMES from the numbers."""
        out = (self.base if timed else self.untimed).copy()
        for k, j in enumerate(self.columns):
            out[:, j] += self.member[:, k] * x[k]
        return out

    def errors(self, free: "ndarray") -> "ndarray":
        """Log error of each row, positive where it was predicted slower than measured."""
        return self.stack.errors(_values(free)) * self.stack.sign

    def residuals(self, x: "ndarray", tail: float, weight: "ndarray") -> "ndarray":
        """Weighted errors, reduced beyond `tail`, and numbers times their hold."""
        import numpy

        e = self.errors(self.free(x))
        reduced = numpy.sign(e) * tail * numpy.sqrt(2 * numpy.log1p((e / tail) ** 2 / 2))
        return numpy.concatenate([weight * reduced, self.hold * x])

    def slopes(self, x: "ndarray", tail: float, weight: "ndarray") -> "ndarray":
        """Jacobian of `residuals`, by finite differences."""
        import numpy

        free, step = self.free(x), 1e-4
        e = self.errors(free)
        square = (e / tail) ** 2 / 2
        # the slope of the reduced error: 1 where the error is small
        slope = numpy.sqrt(square / numpy.maximum(numpy.log1p(square), 1e-300)) / (1 + square)
        slope = weight * numpy.where(square < 1e-9, 1.0, slope)
        each = {}
        for j in set(self.columns):
            moved = free.copy()
            moved[:, j] += step
            each[j] = (self.errors(moved) - e) / step * slope
        top = numpy.stack([each[j] for j in self.columns], axis=1) * self.member
        return numpy.vstack([top, numpy.diag(self.hold)])

    def solve(self, start: "ndarray | None" = None, seen: "ndarray | None" = None) -> "ndarray":
        """Fit all numbers at once.

        Parameters
        ----------
        start : array, optional
            Starting point, which saves time when rows are left out; what is expected if omitted.
        seen : array of bool, optional
            Rows that count; all if omitted.

        Returns
        -------
        array
            The numbers, transformed.
        """
        import numpy
        from scipy.optimize import least_squares

        x = numpy.zeros(len(self.numbers)) if start is None else start
        weight = self.weight if seen is None else self.weight * seen
        for tail in TAILS if start is None else TAILS[-1:]:
            x = least_squares(
                self.residuals,
                x,
                jac=self.slopes,
                args=(tail, weight),
                max_nfev=20 if start is None else 8,
                ftol=1e-4 if start is None else 3e-4,
            ).x
        return x

    def sets(self, x: "ndarray") -> "Sets":
        """Store numbers as `calibration` takes them.

        Parameters
        ----------
        x : array
            The numbers, transformed.

        Returns
        -------
        Sets
            The same, and how many rows told about what.
        """
        out: dict[str, dict[str, list[float]]] = {}
        for (key, name), moved in zip(self.numbers, map(float, x), strict=True):
            number = math.exp(moved)
            if _is_value(key, name):
                number = calibration.shifted(name, EXPECTED[name], number)
            out.setdefault(key, {})[name] = [number]
        for key in HOLD:  # what no row has told keeps what is expected
            for name, value in EXPECTED.items():
                out.setdefault(key, {}).setdefault(name, [value])
        return Sets(out, counted(self.rows))


def solve(rows: list[Sample]) -> Sets:
    """Fit all numbers at once.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.

    Returns
    -------
    Sets
        The fitted numbers.
    """
    problem = Problem(rows)
    return problem.sets(problem.solve())


def _is_value(key: str, name: str) -> bool:
    """Whether a number is a value itself, and no factor on another."""
    return key in HOLD and name not in calibration.KERNELS


def counted(rows: Iterable[Sample]) -> dict[str, int]:
    """Count rows by what they tell about.

    Parameters
    ----------
    rows : iterable of Sample
        Measured rows.

    Returns
    -------
    dict
        Rows by program, engine, vendor, chip family, and engine on chip family.
    """
    count: Counter[str] = Counter()
    for row in rows:
        count.update(row.about)
    return dict(sorted(count.items()))


def errors(rows: Sequence[Sample], sets: Sets) -> list[float]:
    """Compute the errors of predictions with fitted numbers.

    Parameters
    ----------
    rows : list of Sample
        Measured rows.
    sets : Sets
        Fitted numbers.

    Returns
    -------
    list of float
        Log of measured over predicted of each row, in the metric's own unit.
    """
    import numpy

    made = [efficiency(row, sets) for row in rows]
    values = numpy.array([[getattr(e, name) for name in NAMES] for e in made])
    return [-float(e) for e in Stack(list(rows)).errors(values)]


def efficiency(row: Sample, sets: Sets) -> Efficiency:
    """Compose the efficiency that predicts a row.

    Parameters
    ----------
    row : Sample
        A measured row.
    sets : Sets
        Fitted numbers.

    Returns
    -------
    Efficiency
        As `calibration.efficiency_for` composes it from the shipped ones.
    """
    d = row.deployment
    known = calibration.before_fit(row.family, d.gpu, d.weights, d.kv)
    return calibration.composed(sets.sets, row.path, known)


def shipped() -> Sets:
    """Read the numbers that are in force in `calibration`.

    Returns
    -------
    Sets
        The numbers in force.
    """
    table = calibration.table()
    return Sets(table["sets"], table["rows"])
