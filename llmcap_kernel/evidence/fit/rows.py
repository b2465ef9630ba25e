"""The rows that a fit can use: measured, meant, and with their work on the cards."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ... import calibration
from ...refuse import BadInput
from ...serving import LoadWork, load_work
from ...spec import Deployment
from .. import compare, measurements, predictions, results
from ..weak_spots import doubts

# The weight of a row by the doubt about it; 1 for all doubts that do not affect its value, and 0
# where something else was measured than the law is asked: such a row is left out.
DOUBTED = {
    **{"token-position": 0.1, "prompt-at-decode-rate": 0.1, "unclear-label": 0.1},
    **{"odd-lengths": 0.1, "first-requests": 0.1, "prefix-cache": 0.1, "others-beside": 0.1},
    **{"speculation": 0.0, "several-nodes": 0.0},
}
# One source of each regime that no choice has seen: no form of the law, no number, no width.
TEST = (
    "lhlstrix",  # one user and single prompts
    "strixguide",  # a few users of a model with experts
    "l40s_gemma",  # batches in a library's loop
    "dennislee",  # gaps between tokens and most throughput of a server
    "vllmrecipes",  # first tokens of a server
    "mlperf50",  # throughput within limits
)
EVERY_LABEL = ("model", "card", "source", "engine", "chips", "vendor")


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
    at_rate : float or None
        Of one's own row of requests at a rate, what is predicted of them, in the unit of `value`.
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
    at_rate: float | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """Keys of the sets it belongs to, most general first."""
        program, _, *card = calibration.keys(self.family, self.deployment.gpu)
        return (program, self.family, *card)

    @property
    def about(self) -> tuple[str, ...]:
        """What it tells about: the keys of its path, and the engine on the chip family."""
        return (*self.path, f"{self.family} on {self.deployment.gpu.family}")

    @property
    def kind(self) -> str:
        """Kind of quantity whose interval it has."""
        return calibration.kind(self.path[0], self.quantity, queued=self.work.turns > 1)


def samples(*paths: str | Path, given: Mapping[str, Any] | None = None) -> list[Sample]:
    """Read the rows a fit can use.

    Parameters
    ----------
    *paths : str or Path
        Files with the columns of `benchmarks/measured.csv`, or any that `results.read` knows.
    given : mapping, optional
        Values that replace those of the files, as `measurements.options_of` has them.

    Returns
    -------
    list of Sample
        The rows that name a deployment and measure its speed, not memory or something else.
    """
    return samples_of((line for path in paths for line in results.read(path)), given)


def samples_of(
    lines: Iterable[results.Line], given: Mapping[str, Any] | None = None
) -> list[Sample]:
    """Keep the rows of files that were read which a fit can use.

    Parameters
    ----------
    lines : iterable of Line
        As `results.parse` reads them.
    given : mapping, optional
        Values that replace theirs, as `measurements.options_of` has them.

    Returns
    -------
    list of Sample
        The rows that name a deployment and measure its speed, not memory or something else.
    """
    out = []
    for line in lines:
        try:
            sample = _sample(line, given)
        except BadInput:
            continue
        if sample is not None and sample.trust > 0:
            out.append(sample)
    return out


def _sample(line: results.Line, given: Mapping[str, Any] | None) -> Sample | None:
    """A row with its work; None where it does not measure the speed of a known deployment."""
    row = measurements.measurement(line, given)
    meant = compare.stated.meaning(row.spelled)
    if meant.deployment is None or row.load.metric not in calibration.METRICS or row.value <= 0:
        return None
    d = meant.deployment
    own = not line.fields.get("source_id")
    if own and compare.row(line, given).skipped:
        return None  # something else was measured, or the row is impossible
    if row.load.request_rate is not None and row.load.metric != "itl_ms":
        return None  # requests at a rate: tokens are what was sent, and waits what came together
    load = predictions.settled(meant, row.load)
    load = load._replace(regime=measurements.regime_of(load, bool(d.model.experts)))
    asked = predictions.asked(meant, load)
    at_rate = None
    if own and row.load.request_rate is not None:
        with calibration.using({}):  # as strangers' rows predict it
            at_rate = predictions.at_random_moments(meant, row.load, asked)
    return Sample(
        row.id,
        line.fields.get("source_id", ""),
        load.regime,
        load.metric,
        d,
        asked.family,
        asked.quantity,
        row.value / asked.scale,
        load_work(d, asked.workload, batch=asked.loop, in_step=load.in_step),
        weight(doubts(line.fields)),
        at_rate.value / asked.scale if at_rate else None,
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


def label(row: Sample, by: str) -> str:
    """Name the group of rows that a row is left out with.

    Parameters
    ----------
    row : Sample
        A measured row.
    by : str
        "model" (with its close relatives), "card", "source", "engine", "chips" or "vendor".

    Returns
    -------
    str
        Name of the group.
    """
    if by == "model":
        return row.deployment.model.name.split("-r1")[0].split("-v3")[0]
    gpu = row.deployment.gpu
    return {
        "card": gpu.name,
        "source": row.source,
        "engine": row.family,
        "chips": gpu.family,
        "vendor": gpu.vendor,
    }[by]
