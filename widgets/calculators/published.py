"""The published rows and what was predicted of them: a part of Validate.

No prediction of them is computed here: `llmcap calibrate` wrote them beside the measurements, with
what fits predict that never saw the row's model, card or source. Reading what was measured on what
takes half a second, so `python -m widgets.calculators.validate` keeps that.
"""

import json
import statistics
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple
from zlib import crc32

from llmcap_kernel import calibration, explain
from llmcap_kernel.evidence import compare, weak_spots

from ..benchmarks import BENCHMARKS

MEASURED, PREDICTED = BENCHMARKS / "measured.csv", BENCHMARKS / "predicted.csv"
UNDERSTOOD = BENCHMARKS / "understood.json"
ANY, NONE = "any", "none"


class Group(NamedTuple):
    """Metrics that one pair of axes can show.

    Attributes
    ----------
    title, unit : str
        What they are, and their unit on the axes.
    metrics : tuple of str
        Their names in the rows.
    """

    title: str
    unit: str
    metrics: tuple


GROUPS = {
    "speed": Group("Speed of one user", "tok/s", ("itl_ms", "decode_tok_s_per_user")),
    "first-token": Group("First token", "ms", ("ttft_ms",)),
    "prompt": Group("Reading prompts", "tok/s", ("prefill_tok_s",)),
    "output": Group(
        "Output of all users",
        "tok/s",
        ("output_tok_s_total", "output_tok_s_per_gpu", "total_tok_s"),
    ),
    "request": Group("Whole request", "s", ("e2e_latency_s",)),
    "percentile": Group(
        "Percentiles of waits",
        "ms",
        (*("itl_percentile_ms", "tpot_percentile_ms"), "ttft_percentile_ms", "e2e_percentile_ms"),
    ),
    "memory": Group(
        "Memory",
        "GiB",
        ("kv_cache_gib_available_per_gpu", "weights_gib_per_gpu", "non_kv_gib_per_gpu"),
    ),
    "room": Group(
        "Room for users", "tokens or users", ("kv_cache_tokens", "max_concurrency_at_max_model_len")
    ),
}
GROUP_OF = {metric: name for name, group in GROUPS.items() for metric in group.metrics}
AGAINST = {
    "source": "its source left out of the fit",
    "card": "its card left out of the fit",
    "model": "its model left out of the fit",
    "fitted": "fitted to all rows",
    "ceiling": "the spec sheet alone, no fit",
}
# The same in the head of a column.
SIDE_BY_SIDE = {
    "source": "Source left out",
    "card": "Card left out",
    "model": "Model left out",
    "fitted": "Fitted to all",
    "ceiling": "Spec sheet",
}
LEFT_OUT = ("model", "card", "source")  # in the order of `Row.left_out`
FILTERS = ("mode", "regime", "engine", "gpu", "model", "source")
UNITS = {
    **dict.fromkeys(("itl_ms", "ttft_ms", *GROUPS["percentile"].metrics), "ms"),
    **dict.fromkeys(GROUPS["output"].metrics, "tok/s"),
    **dict.fromkeys(GROUPS["memory"].metrics, "GiB"),
    **{"decode_tok_s_per_user": "tok/s", "prefill_tok_s": "tok/s", "e2e_latency_s": "s"},
    **{"kv_cache_tokens": "tokens", "max_concurrency_at_max_model_len": "users"},
}


@cache
def measured_rows():
    """Read the published rows and their predictions, once.

    Returns
    -------
    tuple of Row
        Predicted beside measured; empty where the files are not installed.
    """
    if not PREDICTED.exists():
        return ()
    held = json.loads(UNDERSTOOD.read_text("utf-8")) if UNDERSTOOD.exists() else {}
    rows = _unpacked(held) if held.get("of") == _stamp() else compare.understood(MEASURED)
    return compare.join_predictions(rows, PREDICTED)


def _stamp():
    return crc32(MEASURED.read_bytes())


# What many rows have in common is written once.
COMMON = ("metric", "regime", "failure_modes", "model", "gpu", "engine", "source", "doubts")


def _unpacked(held):
    tuples = [[tuple(x) if isinstance(x, list) else x for x in one] for one in held["common"]]
    common = [dict(zip(COMMON, one, strict=True)) for one in tuples]
    return [
        compare.Row(id=name, measured=measured, **common[which])
        for which, name, measured in held["rows"]
    ]


def keep_understood():
    """Write the published rows as the page understands them, for it to open sooner.

    Returns
    -------
    Path
        The file; once the measurements have changed it is not used.
    """
    common: dict = {}
    rows = []
    for row in compare.understood(MEASURED):
        which = common.setdefault(tuple(getattr(row, name) for name in COMMON), len(common))
        rows.append([which, row.id, row.measured])
    lines = [",\n".join(map(json.dumps, some)) for some in (common, rows)]
    text = f'{{"of": {_stamp()}, "common": [\n{lines[0]}\n], "rows": [\n{lines[1]}\n]}}\n'
    UNDERSTOOD.write_text(text, "utf-8")
    return UNDERSTOOD


@cache
def names_of(attribute):
    """List what rows have of an attribute.

    Parameters
    ----------
    attribute : str
        Of `Row`, such as "gpu".

    Returns
    -------
    list of str
        Each name once, in order.
    """
    return sorted({getattr(row, attribute) for row in measured_rows()} - {""})


INTERVAL = (
    "An 80% interval holds four of five measurements of a source that neither the fit nor the "
    "width has seen. A row far outside it is a wrong label, a failure mode, or news."
)
# The one distance of every number and table of Validate, as those of accuracy have it.
DISTANCE = (
    "How far off a row is, everywhere here: |predicted / measured - 1|, in the unit that was "
    "measured. Too hopeful: the prediction is faster, or has more room. Too careful: the other way."
)


# a row under a choice of prediction


@dataclass(frozen=True)
class Point(weak_spots.Compared):
    """A row beside its prediction by the choice in force.

    Attributes
    ----------
    low, high : float or None
        The row's interval, moved to that prediction; None for a ceiling.
    """

    low: float | None
    high: float | None

    @property
    def inside(self):
        """Whether the measurement lies in the interval; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.measured <= self.high

    @property
    def held(self):
        """The same where the interval is one to rely on; None also where it is too wide to use."""
        if self.low is None or self.high is None or self.high > calibration.WIDE * self.low:
            return None
        return self.inside


def points(rows, against):
    """Take one of a row's predictions.

    Parameters
    ----------
    rows : iterable of Row
        Predicted beside measured.
    against : str
        One of `AGAINST`.

    Returns
    -------
    list of Point
        The rows that have this prediction.
    """
    out = []
    for row in rows:
        value = prediction(row, against)
        if not value or not row.predicted:
            continue
        low, high = row.low, row.high
        if against == "ceiling":
            low = high = None
        elif value != row.predicted and low is not None:
            low, high = value * low / row.predicted, value * high / row.predicted
        out.append(Point(row, row.measured, value, low, high))
    return out


def prediction(row, against):
    """Take one prediction of a row.

    Parameters
    ----------
    row : Row
        Predicted beside measured.
    against : str
        One of `AGAINST`.

    Returns
    -------
    float or None
        In the row's own unit; None where there is none.
    """
    if against == "fitted":
        return row.predicted
    return row.ceiling if against == "ceiling" else row.left_out[LEFT_OUT.index(against)]


@lru_cache(maxsize=16)
def left_in(filters):
    """Find the published rows that the filters leave in.

    Parameters
    ----------
    filters : tuple of str
        A value for each of `FILTERS`; `ANY` leaves all in.

    Returns
    -------
    dict
        Lists of rows by group.
    """
    mode, *others = filters
    wanted = [(n, v) for n, v in zip(FILTERS[1:], others, strict=True) if v != ANY]
    out: dict = {name: [] for name in GROUPS}
    for row in measured_rows():
        if (mode == NONE and row.failure_modes) or mode not in (ANY, NONE, *row.failure_modes):
            continue
        if all(getattr(row, name) == value for name, value in wanted):
            out[GROUP_OF[row.metric]].append(row)
    return out


@lru_cache(maxsize=64)
def points_left(filters, group, against):
    """Take the points of a group under a choice of prediction.

    Parameters
    ----------
    filters : tuple of str
        A value for each of `FILTERS`.
    group, against : str
        One of `GROUPS` and one of `AGAINST`.

    Returns
    -------
    list of Point
        The published rows that the filters leave in.
    """
    return points(left_in(filters)[group], against)


@lru_cache(maxsize=64)
def medians(filters, group):
    """Find how far half of a group's rows are off.

    Parameters
    ----------
    filters : tuple of str
        A value for each of `FILTERS`.
    group : str
        One of `GROUPS`.

    Returns
    -------
    dict
        The middle distance by choice of prediction, as a share; None where no row has it.
    """
    out = {}
    for against in AGAINST:
        pairs = ((prediction(row, against), row) for row in left_in(filters)[group])
        errors = [abs(value / row.measured - 1) for value, row in pairs if value]
        out[against] = statistics.median(errors) if errors else None
    return out


# in words


def percent(share):
    """Write a share as a reader sees it.

    Parameters
    ----------
    share : float or None
        Of 1.

    Returns
    -------
    str
        As `explain.percent` does; "none" for None.
    """
    return "none" if share is None else explain.percent(share)


def median(some):
    """Find the distance from the measurement that half of the points are within.

    Parameters
    ----------
    some : sequence of Point
        The points.

    Returns
    -------
    float or None
        As a share of the measurement; None for no points.
    """
    return statistics.median(p.error for p in some) if some else None


def p80(some):
    """Find the distance from the measurement that four of five points are within.

    Parameters
    ----------
    some : sequence of Point
        The points.

    Returns
    -------
    float or None
        As a share of the measurement; None for no points.
    """
    return compare.quantile([p.error for p in some], 0.8) if some else None


def inside(some):
    """Find which share of measurements lies in its interval.

    Parameters
    ----------
    some : sequence of Point
        The points.

    Returns
    -------
    float or None
        Of those with an interval; None where none has one.
    """
    lie = [p.inside for p in some if p.inside is not None]
    return sum(lie) / len(lie) if lie else None


def way(off):
    """Say how far a prediction is from the measurement, and which way.

    Parameters
    ----------
    off : float
        The distance as a share of the measurement, above 0 where it is too hopeful.

    Returns
    -------
    str
        Such as "12% too hopeful".

    Examples
    --------
    >>> way(0.12), way(-0.2), way(0.001), way(2)
    ('12% too hopeful', '20% too careful', 'right', '3x too hopeful')
    """
    if abs(off) < 0.005:
        return "right"
    return f"{percent(abs(off))} too {'hopeful' if off > 0 else 'careful'}"
