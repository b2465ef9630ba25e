"""Your own measurements of an engine: by how much it differs from strangers', and how sure that is.

Whoever asks is a source of which nothing is known, and the interval is as wide as sources differ.
A few rows of one's own say which source it is. By the model of random effects the log of a miss is
a source's own part, of spread `between`, and a row's, of spread `within`; both are known of the
sources of the fit. How far the mean of some deployments is believed, and what is still not known
of the next one, follows: `believed`.

One factor moves all times of an engine, so that gap, first token and rate go on adding up. What is
believed of each kind asks for another one; a kind counts by the inverse of what is still not known
of it, so that first tokens, which differ most between sources, do not move the gaps. What the
factor leaves of a kind moves its interval.
"""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import calibration, files
from ..calibration import Own
from ..refuse import BadInput
from ..serving import Served
from .fit.rows import Sample

FACTORS = (0.1, 10.0)  # nothing of one's own makes an engine faster or slower than this
FARTHEST = 100  # times that an interval moves, as `calibration.own_of` takes it
PRECISE = 1e-4  # of the log of the factor


class Move(NamedTuple):
    """What one's own rows of a kind say, as factors on the time that strangers' rows predict.

    Attributes
    ----------
    measured : float
        What was measured, the mean of the deployments.
    believed : float
        Share of it that is believed, 0 to 1.
    expected : float
        What is believed; an interval lies around it.
    estimated : float
        What one factor for all times of the engine makes of these rows.
    """

    measured: float
    believed: float
    expected: float
    estimated: float


HEAD = """\
# Written by `llmcap calibrate --with`: what your own measurements say of your engine.
# `factor` makes its times longer, and the odds of its shares smaller. An interval is [faster,
# slower], factors on a time. `llmcap predict --own THIS_FILE` estimates with it.
"""


def believed(spread: Mapping[str, float], deployments: int) -> tuple[float, float]:
    """Compute how far to trust the mean of one's own deployments, and what is still not known.

    Of `n` deployments the share `between² / (between² + within² / n)` is believed. The variance of
    the next one's miss shrinks from `between² + within²` to `(1 - share) between² + within²`.

    Parameters
    ----------
    spread : mapping
        "between" and "within", as `calibration.table` has them by kind.
    deployments : int
        How many were measured.

    Returns
    -------
    tuple of (float, float)
        The share of their mean that is believed, and the width of an interval over that of
        strangers, both 0 to 1.

    References
    ----------
    Robinson 1991, "That BLUP is a good thing", doi 10.1214/ss/1177011926.

    Examples
    --------
    >>> share, width = believed({"between": 0.4, "within": 0.3}, 4)
    >>> round(share, 3), round(width, 3)
    (0.877, 0.662)
    """
    between, within = spread["between"] ** 2, spread["within"] ** 2
    if math.isinf(between):
        return 1.0, 1.0
    share = between / (between + within / deployments) if between else 0.0
    return share, (_unknown(spread, share) / (between + within)) ** 0.5


def _unknown(spread: Mapping[str, float], share: float) -> float:
    """The variance of the next deployment's miss, where such a share of the mean is believed."""
    between = 0.0 if share == 1 else spread["between"] ** 2  # which may be infinite
    return between * (1 - share) + spread["within"] ** 2


def fitted(rows: Iterable[Sample]) -> dict[str, Own]:
    """Learn from one's own rows what they say of each engine.

    Latencies of users who wait for room in the cache are left out.

    Parameters
    ----------
    rows : iterable of Sample
        Measured rows, as `fit.samples` reads them.

    Returns
    -------
    dict of str to Own
        By family of the engine, in the order of the rows.

    Raises
    ------
    BadInput
        When there is no row, or only such latencies.
    """
    rows = list(rows)
    by_family = _by_family(rows)
    if rows and not by_family:
        full = "with has only latencies of more users than the cache holds"
        raise BadInput("with", f"{full}: they measure its room and not the engine's speed.")
    if not by_family:
        raise BadInput("with", "with has no row that can be predicted: llmcap validate says why.")
    return {family: _readable(_engine(some)) for family, some in by_family.items()}


def moves(rows: Iterable[Sample], found: Mapping[str, Own]) -> dict[str, dict[str, Move]]:
    """Say what own rows moved, kind by kind, beside what was measured.

    Parameters
    ----------
    rows : iterable of Sample
        As `fitted` had them.
    found : mapping of str to Own
        What it made of them.

    Returns
    -------
    dict of str to dict of str to Move
        By family of the engine, and by kind.
    """
    return {
        family: _moves(some, found[family].factor)[0] for family, some in _by_family(rows).items()
    }


def _moves(rows: Sequence[Sample], factor: float) -> tuple[dict[str, Move], dict[str, float]]:
    """What a factor makes of each kind, and the width of its interval over that of strangers."""
    spreads = calibration.table()["spreads"]
    before, after = (_missed(rows, x) for x in (1.0, factor))
    moved, widths = {}, {}
    for kind in (kind for kind in spreads if kind in before):
        first, left = statistics.mean(before[kind]), statistics.mean(after[kind])
        share, widths[kind] = believed(spreads[kind], len(before[kind]))
        moved[kind] = Move(math.exp(first), share, math.exp(share * first), math.exp(first - left))
    return moved, widths


def _by_family(rows: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The rows that measure an engine's speed, by its family."""
    by_family: dict[str, list[Sample]] = defaultdict(list)
    for row in rows:
        if not _waits_for_room(row):
            by_family[row.family].append(row)
    return by_family


def _waits_for_room(row: Sample) -> bool:
    """Say whether a latency is mostly the wait for room, which a few users more or less decide."""
    return row.work.turns > 1 and row.quantity in ("ttft_mean_s", "e2e_s")


def _readable(found: Own) -> Own:
    """Refuse what no file and no link would hold: rows so far off measure something else."""
    try:
        return calibration.own_of({"": found._asdict()})[""]
    except BadInput:
        far = f"with has rows that are more than {FARTHEST:g} times off: are their labels right?"
        raise BadInput("with", f"{far} llmcap validate shows them.") from None


def _engine(rows: Sequence[Sample]) -> Own:
    known = calibration.table()
    wanted, _ = _moves(rows, 1.0)
    if not wanted:
        raise BadInput("with", "with has no row of a kind that sources were compared by.")
    factor = _factor(rows, wanted)
    moved, widths = _moves(rows, factor)
    intervals = {}
    for kind, move in moved.items():
        more = math.log(move.expected / move.estimated)
        ends = known["intervals"][kind]
        faster, slower = (
            math.exp(more + widths[kind] * math.log(ends[x])) for x in ("faster", "slower")
        )
        intervals[kind] = (min(faster, 1.0), max(slower, 1.0))  # around the estimate, too
    chips = tuple(dict.fromkeys(row.deployment.gpu.family for row in rows))
    deployments = len({deployment_key(row) for row in rows})
    return Own(factor, len(rows), deployments, chips, intervals)


def deployment_key(row: Sample) -> tuple[object, ...]:
    """Tell deployments apart: loads of the same one are off alike, and count once.

    Parameters
    ----------
    row : Sample
        A measured row.

    Returns
    -------
    tuple
        Model, cards and formats.
    """
    d = row.deployment
    return (d.model.name, d.gpu.name, d.num_gpus, d.tp, d.weights.name, d.kv.name)


def _misses(rows: Sequence[Sample], factor: float) -> list[float]:
    """Logs of how much slower each row was measured than it is predicted with a factor."""
    out = []
    for row in rows:
        d = row.deployment
        strangers = calibration.published_efficiency(row.family, d.gpu, d.weights, d.kv)
        plain, served = (
            getattr(Served(row.work, efficiency, d), row.quantity)
            for efficiency in (strangers, calibration.slowed(strangers, factor))
        )
        # requests at a rate are as much slower than users at once as without the factor
        predicted = served * (row.at_rate or plain) / plain
        less = calibration.METRICS[row.metric].less
        out.append((1 if less else -1) * math.log(row.value / predicted))
    return out


def _missed(rows: Sequence[Sample], factor: float) -> dict[str, list[float]]:
    """The mean miss of each deployment with a factor, by kind."""
    found: dict[str, dict[tuple[object, ...], list[float]]] = defaultdict(dict)
    for row, miss in zip(rows, _misses(rows, factor), strict=True):
        found[row.kind].setdefault(deployment_key(row), []).append(miss)
    return {kind: [statistics.mean(x) for x in each.values()] for kind, each in found.items()}


def _factor(rows: Sequence[Sample], wanted: Mapping[str, Move]) -> float:
    """The factor that moves kinds as far as is believed, each by how well it is known."""
    spreads = calibration.table()["spreads"]
    weights = {kind: 1 / _unknown(spreads[kind], move.believed) for kind, move in wanted.items()}
    asked = sum(weights[kind] * math.log(move.expected) for kind, move in wanted.items())
    low, high = map(math.log, FACTORS)
    while high - low > PRECISE:
        middle = (low + high) / 2
        left = _missed(rows, math.exp(middle))
        moved = {
            kind: math.log(wanted[kind].measured) - statistics.mean(left[kind]) for kind in wanted
        }
        made = sum(weights[kind] * by for kind, by in moved.items())
        low, high = (middle, high) if made < asked else (low, middle)
    return math.exp((low + high) / 2)


def write(path: str | Path, found: Mapping[str, Own], source: str) -> Path:
    """Write what was learnt as the file that `calibration.use` reads.

    Parameters
    ----------
    path : str or Path
        The file to write.
    found : mapping of str to Own
        By family of the engine.
    source : str
        Name of the file of rows.

    Returns
    -------
    Path
        The file written.
    """
    lines = [HEAD, f"source = {_quoted(source)}"]
    for family, own in found.items():
        lines += ["", f"[engines.{_quoted(family)}]", f"factor = {own.factor:.4g}"]
        lines += [f"rows = {own.rows}", f"deployments = {own.deployments}"]
        lines += [f"chips = [{', '.join(map(_quoted, own.chips))}]"]
        lines += ["", f"[engines.{_quoted(family)}.intervals]"]
        lines += [f'"{k}" = [{low:.4g}, {high:.4g}]' for k, (low, high) in own.intervals.items()]
    path = Path(path)
    files.write("out", path, "\n".join(lines) + "\n")
    return path


def _quoted(text: str) -> str:
    """Text as TOML has it; JSON spells plain text alike."""
    return json.dumps(text)
