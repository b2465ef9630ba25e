"""Measured percentiles beside predicted ones: what is missed, and how wide an interval has to be.

A row of `benchmarks/percentiles.csv` is one latency of one run at several percentiles. Two numbers
of `catalog/tails.toml`, and the factors that widen the interval of a mean to that of a percentile,
are chosen on these rows, each source counting alike; every score leaves out the source it is of.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .. import calibration
from ..files import read_table
from ..refuse import BadInput
from ..serving import load_work, most_running
from ..simulation.percentiles import MEANS, in_order, kind
from ..simulation.spread import Spread, quantile_s, spread_of
from ..spec import Deployment, Speculation, Workload
from . import measurements, open_loop, results, stated
from .levers import accepted_each

STATISTICS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
HELD = 0.8  # of the measurements of a source lie in the interval
FEWEST = 10  # percentiles of a kind that a source needs to count in a width
STEP_SPREADS = tuple(i / 100 for i in range(0, 11))
REQUEST_SPREADS = tuple(i / 10 for i in range(0, 14))
# A latency by the name of one that `compare` reads.
READ_AS = {"itl": "itl_ms", "tpot": "itl_ms", "ttft": "ttft_ms", "e2e": "ttft_ms"}


@dataclass(frozen=True)
class Run:
    """A latency of a run, measured at several percentiles.

    Attributes
    ----------
    id, source, quantity : str
        Its name, where it stands, and which latency it is.
    measured : dict of float to float
        Latencies by percent [s].
    reason : str
        Why it is not predicted; "" where it is.
    estimates : Estimates or None
        What is expected of the means.
    answers : str
        Law of the lengths of its answers.
    """

    id: str
    source: str
    quantity: str
    measured: dict[float, float]
    reason: str
    estimates: calibration.Estimates | None = None
    answers: str = "alike"

    @cached_property
    def spread(self) -> Spread:
        """What its latencies are made of."""
        if self.estimates is None:
            raise BadInput("row", self.reason)
        return spread_of(self.estimates.served)._replace(answers=self.answers)


class Point(NamedTuple):
    """One percentile of a run, and the end of its mean's interval on both sides.

    Attributes
    ----------
    run : Run
        The run.
    percent, measured : float
        The percentile, and its latency as measured; the latency in seconds.
    faster, slower : float
        Ends of the mean's interval over the mean.
    """

    run: Run
    percent: float
    measured: float
    faster: float
    slower: float

    @property
    def kind(self) -> str:
        """Which interval holds for it: "itl p50", "itl tail"."""
        return kind(self.run.quantity, self.percent)

    def predicted(self, step_spread: float, request_spread: float) -> float:
        """Predict it.

        Parameters
        ----------
        step_spread, request_spread : float
            As `Spread` has them.

        Returns
        -------
        float
            The latency, as `measured` is.
        """
        return self.ends(step_spread, request_spread)[1]

    def ends(self, step_spread: float, request_spread: float) -> tuple[float, float, float]:
        """Predict it with fewer steps that carry prompts, as it is, and with more.

        Parameters
        ----------
        step_spread, request_spread : float
            As `Spread` has them.

        Returns
        -------
        tuple of float
            Three latencies, as `measured` is.
        """
        own = self.run.spread._replace(step_spread=step_spread, request_spread=request_spread)
        alike = self.run.quantity != "itl"  # of gaps alone the steps are counted
        parts = (own, own, own) if alike else own.doubted()
        few, value, many = (quantile_s(x, self.run.quantity, self.percent) for x in parts)
        return few, value, many


# reading


def read(path: str | Path) -> tuple[Run, ...]:
    """Read the measured percentiles, and estimate the means of each run.

    Parameters
    ----------
    path : str or Path
        A CSV in the columns of `benchmarks/percentiles.csv`.

    Returns
    -------
    tuple of Run
        In the order of the file.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    return tuple(map(run, read_table(path)))


def run(row: Mapping[str, str]) -> Run:
    """Read one row.

    Parameters
    ----------
    row : mapping
        By the columns of `benchmarks/percentiles.csv`.

    Returns
    -------
    Run
        With its estimates, or the reason why there are none.

    Examples
    --------
    >>> run({"id": "a", "source_id": "s", "quantity": "itl", "p50": "9.5", "lacks": "x"}).reason
    'x is not stated'
    """
    measured = {p: float(row[name]) / 1e3 for name, p in STATISTICS.items() if row.get(name)}
    identity = (row["id"], row["source_id"], row["quantity"], measured)
    if row.get("lacks"):
        return Run(*identity, reason=f"{row['lacks']} is not stated")
    try:
        return Run(*identity, reason="", estimates=_estimates(row), answers=row["answers"])
    except BadInput as problem:
        return Run(*identity, reason=str(problem).rstrip("."))


def _estimates(row: Mapping[str, str]) -> calibration.Estimates:
    cells: dict[str, Any] = {**row, "metric": READ_AS[row["quantity"]], "value": "1"}
    parsed = measurements.measurement(results.Line(row["id"], cells))
    meant = stated.meaning(parsed.spelled)
    if meant.deployment is None:
        raise BadInput("row", meant.reason)
    d, load = _drafting(meant.deployment, row), parsed.load
    prompt, answer = max(load.input_tokens or 1, 1), max(load.output_tokens or 1, 1)
    workload = Workload(prompt, answer, 1, min(load.cached_tokens, prompt - 1))
    if not most_running(d, workload):
        raise BadInput("gpu", "the ledger has no room for one of its requests")
    asked = _users(row, load.concurrency, d, workload, meant.family)
    slots = int(row["max_num_seqs"] or asked)
    workload = replace(workload, concurrency=min(asked, slots))
    work = load_work(d, workload, batch=row["request_rate_s"] == "static batch")
    if asked > slots:
        work = work._replace(turns=asked / work.users)
    made = calibration.estimates(d, workload, family=meant.family, work=work)
    if not row["at_once"]:
        return made
    together = replace(made.served.efficiency, burst_share=float(row["at_once"]))
    return replace(made, served=replace(made.served, efficiency=together))


def _drafting(deployment: Deployment, row: Mapping[str, str]) -> Deployment:
    if not row["draft_tokens"]:
        return deployment
    tokens = int(row["draft_tokens"])
    accepted = accepted_each(float(row["draft_accepted"]), tokens)
    return replace(deployment, speculation=Speculation(tokens, accepted))


def _users(
    row: Mapping[str, str], stated_users: int | None, d: Deployment, load: Workload, family: str
) -> int:
    if stated_users:
        return stated_users
    if row["users"]:
        return int(row["users"])
    if not row["n_requests"]:
        raise BadInput("concurrency", "the number of its users is not stated")
    most = int(row["n_requests"])
    return min(open_loop.users(d, load, family, float(row["request_rate_s"]), most), most)


# scoring


def points(runs: Iterable[Run]) -> list[Point]:
    """List every percentile of the runs that are predicted.

    Parameters
    ----------
    runs : iterable of Run
        The runs.

    Returns
    -------
    list of Point
        One for each percentile.
    """
    out = []
    for one in runs:
        if one.estimates is None:
            continue
        mean = one.estimates.of(_mean(one), bounded=False)
        for percent, measured in one.measured.items():
            ends = (mean.low / mean.value, mean.high / mean.value)
            out.append(Point(one, percent, measured, *ends))
    return out


def _mean(one: Run) -> str:
    batch = one.estimates is not None and one.estimates.served.work.batch is not None
    names = {"ttft": "batch_ttft_s", "e2e": "batch_e2e_s"} if batch else {}
    return names.get(one.quantity, MEANS[one.quantity])


def shares(found: Iterable[Point]) -> list[float]:
    """Give each source the same weight within a kind.

    Parameters
    ----------
    found : iterable of Point
        Of one kind.

    Returns
    -------
    list of float
        Shares that add up to 1.
    """
    found = list(found)
    counts: dict[str, int] = {}
    for one in found:
        counts[one.run.source] = counts.get(one.run.source, 0) + 1
    return [1 / len(counts) / counts[one.run.source] for one in found]


def spreads(found: Iterable[Point]) -> tuple[float, float]:
    """Choose how steps and requests vary, by the least error of tails.

    Parameters
    ----------
    found : iterable of Point
        Percentiles.

    Returns
    -------
    tuple of (float, float)
        `step_spread` from gaps beside their own median, and `request_spread` from first
        tokens.
    """
    gaps = [p for p in found if p.run.quantity == "itl" and 50.0 in p.run.measured]
    firsts = [p for p in found if p.run.quantity == "ttft"]
    step = min(STEP_SPREADS, key=lambda x: _loss(gaps, lambda p: _beside_median(p, x)))
    request = min(REQUEST_SPREADS, key=lambda x: _loss(firsts, lambda p: p.predicted(step, x)))
    return step, request


def _beside_median(point: Point, step_spread: float) -> float:
    """The prediction, moved by what its median is off: what is left is its shape."""
    median = point._replace(percent=50.0).predicted(step_spread, 0.0)
    return point.predicted(step_spread, 0.0) / median * point.run.measured[50.0]


def _loss(found: list[Point], predicted: Any) -> float:
    errors = (abs(math.log(predicted(p) / p.measured)) for p in found)
    return sum(share * error for share, error in zip(shares(found), errors, strict=True))


def widths(found: Iterable[Point], step: float, request: float) -> dict[str, tuple[float, float]]:
    """Compute by how much further than its mean's each interval has to reach, or less far.

    Parameters
    ----------
    found : iterable of Point
        Percentiles.
    step, request : float
        As `spreads` chooses them.

    Returns
    -------
    dict of str to tuple of (float, float)
        By kind: factors by which the ends move apart, or together below 1, so that a tenth
        lies beyond either.
    """
    out = {}
    ordered = sorted(found, key=lambda p: p.kind)
    for name, group in itertools.groupby(ordered, key=lambda p: p.kind):
        some = _of_large_sources(list(group))
        ends = [p.ends(step, request) for p in some]
        below = [few * p.faster / p.measured for (few, _, _), p in zip(ends, some, strict=True)]
        above = [p.measured / (many * p.slower) for (*_, many), p in zip(ends, some, strict=True)]
        weights = shares(some)
        beyond = (1 + HELD) / 2
        out[name] = (_weighted(below, weights, beyond), _weighted(above, weights, beyond))
    return out


def _of_large_sources(some: list[Point]) -> list[Point]:
    """Those of sources that have enough; all where none has."""
    counts = Counter(one.run.source for one in some)
    return [one for one in some if counts[one.run.source] >= FEWEST] or some


def _weighted(values: list[float], weights: list[float], share: float) -> float:
    below = 0.0
    for value, weight in sorted(zip(values, weights, strict=True)):
        below += weight
        if below >= share:
            return value
    return max(values)


class Score(NamedTuple):
    """A percentile as predicted by what was chosen without its source.

    Attributes
    ----------
    point : Point
        What was measured.
    predicted : float
        The latency, as the point's is measured.
    inside : bool
        Whether the interval holds the measurement.
    """

    point: Point
    predicted: float
    inside: bool

    @property
    def error(self) -> float:
        """Relative error."""
        return abs(self.predicted / self.point.measured - 1)


def scores(found: Iterable[Point]) -> list[Score]:
    """Predict each source with what the others choose.

    Parameters
    ----------
    found : iterable of Point
        Percentiles.

    Returns
    -------
    list of Score
        One for each.
    """
    found = list(found)
    out = []
    for source in sorted({p.run.source for p in found}):
        others = [p for p in found if p.run.source != source]
        step, request = spreads(others)
        wide = widths(others, step, request)
        for one in found:
            if one.run.source != source:
                continue
            value = one.predicted(step, request)

            def end_s(end: str, at: float, name: str, one: Point = one) -> float:
                few, _, many = one._replace(percent=at).ends(step, request)  # noqa: B023
                faster, slower = wide.get(name, (1.0, 1.0))  # noqa: B023
                return few * one.faster / faster if end == "low" else many * one.slower * slower

            low, high = in_order(end_s, one.run.quantity, one.percent)
            out.append(Score(one, value, min(low, value) <= one.measured <= max(high, value)))
    return out
