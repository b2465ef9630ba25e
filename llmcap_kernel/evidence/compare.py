"""Rows of a benchmark: the measurement, the prediction, and the error.

`measurements` reads a row, `predictions` predicts it. A row that cannot be read or mapped is
skipped with a reason; the other rows are still compared.
"""

import contextlib
import csv
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import calibration
from ..explain import digits
from ..refuse import BadInput, printable, shown
from . import results, stated
from .measurements import METRICS, Measurement, measured_value, measurement
from .predictions import known, predicted, stuck
from .results import Line
from .row import Row
from .weak_spots import doubts

REASON_CHARS = 240
REASONS = 3  # told of a file that has no row to compare
BEYOND = 3.0  # times the ceiling: no wrong label makes a measurement so fast
Progress = Callable[[int, int], object]  # takes the rows done and the rows in total


def row(line: Line, given: Mapping[str, Any] | None = None) -> Row:
    """Compare one line of a benchmark with its prediction.

    Parameters
    ----------
    line : Line
        A line that `results.read` returns.
    given : mapping, optional
        Values that replace those of the line.

    Returns
    -------
    Row
        The measurement and its prediction, or the reason why it was skipped.
    """
    return _row(line, given)[0]


def _row(line: Line, given: Mapping[str, Any] | None) -> tuple[Row, tuple[str, ...]]:
    """The row, and the assumptions of its prediction."""
    name = printable(line.where, 80)
    try:
        parsed = measurement(line, given)
    except BadInput as problem:
        metric = line.fields.get("metric")
        named = metric if isinstance(metric, str) and metric in METRICS else None
        reason = printable(str(problem), REASON_CHARS).rstrip(".")
        return Row(name, named, None, measured_value(line), skipped=reason), ()
    answer = predicted(parsed.spelled, parsed.load)
    source = printable(str(line.fields.get("source_id") or ""), 80)
    reason = answer.reason
    if answer.value is not None:  # a published row stays: the page of evidence shows what is odd
        reason = "" if source else _stuck(parsed) or _impossible(parsed, answer.ceiling)
    skipped = printable(reason, REASON_CHARS).rstrip(".") or None
    if skipped:
        answer = answer._replace(value=None, low=None, high=None)
    out = Row(
        id=name,
        metric=parsed.load.metric,
        regime=answer.regime,
        measured=parsed.value,
        predicted=answer.value,
        low=answer.low,
        high=answer.high,
        ceiling=answer.ceiling,
        failure_modes=answer.failure_modes,
        skipped=skipped,
        reason=answer.interval,
        model=answer.model,
        gpu=answer.gpu,
        engine=answer.engine,
        source=source,
        doubts=doubts(line.fields),
    )
    return out, answer.assumed


def _stuck(parsed: Measurement) -> str:
    try:
        return stuck(stated.meaning(parsed.spelled), parsed.load)
    except BadInput:
        return ""  # the ledger has nothing to say of such a deployment


def _impossible(parsed: Measurement, ceiling: float | None) -> str:
    """Why no such deployment can have measured this; "" where one can."""
    metric = calibration.METRICS.get(parsed.load.metric)
    if metric is None or not ceiling:
        return ""
    times = ceiling / parsed.value if metric.less else parsed.value / ceiling
    if times <= BEYOND:
        return ""
    message = f"impossible: {parsed.load.metric} is {digits(parsed.value)}"
    more = ", unless its prompts were cached" if parsed.load.metric == "ttft_ms" else ""
    return f"{message}, {digits(times, 2)} times better than the spec sheet allows{more}"


# a whole file


def quantile(values: Iterable[float], share: float) -> float:
    """Compute a quantile, with linear interpolation between two values.

    Parameters
    ----------
    values : iterable of float
        The values, not empty.
    share : float
        From 0 to 1.

    Returns
    -------
    float
        The quantile.

    Examples
    --------
    >>> quantile([1, 2, 3, 4, 5], 0.8)
    4.2
    """
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True)
class Report:
    """A benchmark and its predictions.

    Attributes
    ----------
    rows : tuple of Row
        In the order of the file.
    assumptions : dict of str to int
        The assumptions made, and the number of rows of each.
    """

    rows: tuple[Row, ...]
    assumptions: dict[str, int] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[Any, ...]:
        """The rows that have a prediction."""
        # Any, for rows: in these no number is None, which the type of a row cannot say
        return tuple(r for r in self.rows if r.skipped is None)

    @property
    def refusal(self) -> str:
        """Why no row could be compared, the commonest reasons first; "" where one could."""
        if self.compared:
            return ""
        reasons = Counter(r.skipped for r in self.rows if r.skipped is not None)
        reasons_text = "; ".join(text for text, _ in reasons.most_common(REASONS))
        many = len(self.rows)
        none = f"none of its {many:,} rows can" if many > 1 else "its only row cannot"
        return f"{none} be compared: {reasons_text}"

    @property
    def summary(self) -> dict[str, Any]:
        """Counts, errors over all rows and by regime, and the assumptions."""
        done = self.compared
        by_regime: dict[str, list[Row]] = {}
        for one in done:
            by_regime.setdefault(one.regime, []).append(one)
        reasons = Counter(r.skipped for r in self.rows if r.skipped is not None)
        return {
            "rows": len(self.rows),
            "predicted": len(done),
            "skipped": len(self.rows) - len(done),
            **_errors(done),
            "by_regime": {n: {"rows": len(r), **_errors(r)} for n, r in sorted(by_regime.items())},
            "failure_modes": dict(Counter(m for r in done for m in r.failure_modes)),
            "skipped_reasons": dict(reasons.most_common(20)),
            "refusal": self.refusal,
            "assumptions": dict(self.assumptions),
        }

    def as_dict(self) -> dict[str, Any]:
        """Convert the report to plain data for strict JSON.

        Returns
        -------
        dict
            Rows and summary.
        """
        first = ("id", "metric", "measured", "predicted", "low", "high", "ceiling")
        last = ("skipped", "reason")
        rows = [
            {name: getattr(r, name) for name in first}
            | {"failure_modes": list(r.failure_modes)}
            | {name: getattr(r, name) for name in last}
            for r in self.rows
        ]
        return {"rows": rows, "summary": self.summary}


def _errors(rows: Iterable[Row]) -> dict[str, float | None]:
    rows = list(rows)
    if not rows:
        nothing = ("median_abs_rel_error", "p80_abs_rel_error", "inside_interval")
        return dict.fromkeys(nothing)
    errors = [r.error for r in rows if r.error is not None]
    return {
        "median_abs_rel_error": statistics.median(errors),
        "p80_abs_rel_error": quantile(errors, 0.8),
        "inside_interval": sum(r.inside for r in rows) / len(rows),
    }


def report(
    lines: list[Line],
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare the lines of a benchmark with their predictions.

    Parameters
    ----------
    lines : list of Line
        The lines that `results.read` returns.
    given : mapping, optional
        Values that replace those of the lines.
    progress : callable, optional
        Called with the rows done and the rows in total.

    Returns
    -------
    Report
        Rows in the order of the file.
    """
    rows: list[Row] = []
    assumptions: Counter[str] = Counter()
    for done, line in enumerate(lines, 1):
        one, assumed = _row(line, given)
        rows.append(one)
        assumptions.update(assumed)
        if progress is not None:
            progress(done, len(lines))
    return Report(tuple(rows), dict(assumptions.most_common()))


def run(
    path: str | Path,
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare a benchmark file with its predictions.

    Parameters
    ----------
    path : str or Path
        The file, in any of the formats that `results.read` knows.
    given : mapping, optional
        Values that replace those of the file.
    progress : callable, optional
        Called with the rows done and the rows in total.

    Returns
    -------
    Report
        Rows in the order of the file.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    return report(results.read(path), given, progress)


# predictions from a file


PREDICTIONS = ("predicted", "low", "high", "ceiling")
LEFT_OUT = ("left_out_model", "left_out_card", "left_out_source")


def understood(path: str | Path) -> tuple[Row, ...]:
    """Read measured rows without predicting them.

    Parameters
    ----------
    path : str or Path
        A file in the columns of `benchmarks/measured.csv`.

    Returns
    -------
    tuple of Row
        The rows whose deployment is known, in the order of the file.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    rows = []
    for line in results.read(path):
        with contextlib.suppress(BadInput):
            rows.append(_understood(line))
    return tuple(rows)


def _understood(line: Line) -> Row:
    parsed = measurement(line)
    load, described = known(stated.meaning(parsed.spelled), parsed.load)
    return Row(
        line.where,
        load.metric,
        load.regime,
        parsed.value,
        failure_modes=described["failure_modes"],
        model=described["model"],
        gpu=described["gpu"],
        engine=described["engine"],
        source=line.fields.get("source_id", ""),
        doubts=doubts(line.fields),
    )


def join_predictions(rows: Iterable[Row], predicted: str | Path) -> tuple[Row, ...]:
    """Join measured rows with the predictions of a file, without computing any.

    Parameters
    ----------
    rows : iterable of Row
        The rows that `understood` returns.
    predicted : str or Path
        A CSV that `llmcap calibrate` writes: the columns id, predicted, low, high, ceiling,
        left_out_model, left_out_card and left_out_source, empty where there is no number.

    Returns
    -------
    tuple of Row
        The rows that have a prediction, in the same order.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    by_id = _predictions(predicted)
    return tuple(row._replace(**by_id[row.id]) for row in rows if row.id in by_id)


def _predictions(path: str | Path) -> dict[str, dict[str, Any]]:
    """The predictions by id; a cell that is not a number makes the whole file unreadable."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        at = [header.index(name) for name in ("id", *PREDICTIONS, *LEFT_OUT)]
        out = {}
        for line in lines:
            name, *cells = [line[i] for i in at]
            value, low, high, ceiling, *left_out = [float(x) if x else None for x in cells]
            if value is not None:
                numbers = dict(zip(PREDICTIONS, (value, low, high, ceiling), strict=True))
                out[name] = {**numbers, "left_out": tuple(left_out)}
    except (OSError, IndexError, ValueError) as problem:
        message = f"file {shown(str(path))} cannot be read: {type(problem).__name__}."
        raise BadInput("file", message) from None
    return out
