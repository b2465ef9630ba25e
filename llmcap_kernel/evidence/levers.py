"""Pairs of runs that differ in one lever: the measured ratio beside the predicted one.

A ratio is a harder question than a speed and an easier one: an error that both runs share cancels,
and what is left is what the lever does. Each run of a pair becomes a deployment and a load, as any
row of a benchmark does; `calibration` predicts both, and the quotient is compared.

What cannot be predicted is counted with its reason. A lever that the law has no term for, such as
a build of an engine, is no lever that does nothing.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from .. import catalog
from ..catalog import names
from ..files import read_table
from ..refuse import BadInput, number, shown
from ..spec import Speculation
from . import compare, measurements, predictions, results, stated

NOTICED = 0.05  # of the value: a smaller change is within what a run repeats to
STILL = 0.001  # and a smaller one of a prediction is none
MEANS = ("", "mean", "p50")  # of a latency's statistics, what the law gives
OPEN = "?"
BETWEEN = "; "
# The columns whose change the law has a term for.
TERMS = (
    *("model", "gpu", "num_gpus", "engine", "tp", "pp", "ep", "dp_attention", "copies"),
    *("weight_dtype", "kv_dtype", "max_num_seqs", "max_num_batched_tokens", "concurrency"),
    *("input_tokens", "output_tokens", "cached_tokens"),
    *("draft", "draft_tokens", "draft_accepted", "power_limit_w"),
)
NO_MODEL = ("mtp", "ngram")  # what drafts without a model of its own
# Why a pair is not predicted.
NO_TERM, TWO, UNSTATED, UNKNOWN = (
    "not in the law",
    "two changes at once",
    "not stated",
    "not understood",
)


class Pair(NamedTuple):
    """Two runs that differ in one lever.

    Attributes
    ----------
    id, lever, source : str
        Its identifier, the lever and the source.
    runs : tuple of dict
        The two runs, in the columns of `benchmarks/measured.csv` and those of `TERMS`.
    measured : float
        The second run's value over the first's.
    statistic : str
        Of many requests the values are this one: "p50"; "" for one request or a rate.
    doubt : str
        Why a run may not be what it says: a name of `weak_spots.DOUBTS`; "" where nothing is.
    """

    id: str
    lever: str
    source: str
    runs: tuple[dict[str, str], dict[str, str]]
    measured: float
    statistic: str = ""
    doubt: str = ""

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns in which the runs differ."""
        first, second = self.runs
        both = dict.fromkeys([*first, *second])
        return tuple(n for n in both if n != "value" and first.get(n, "") != second.get(n, ""))


class Ratio(NamedTuple):
    """A pair and its prediction.

    Attributes
    ----------
    pair : Pair
        The pair.
    predicted : float or None
        The second run's value over the first's; None without a prediction.
    kind, reason : str
        Why there is none: one of `NO_TERM`, `TWO`, `UNSTATED` and `UNKNOWN`, and in words.
    """

    pair: Pair
    predicted: float | None = None
    kind: str = ""
    reason: str = ""

    @property
    def error(self) -> float | None:
        """Relative error of the ratio; None without a prediction."""
        return None if self.predicted is None else abs(self.predicted / self.pair.measured - 1)

    @property
    def noticed(self) -> bool:
        """Whether the measured change is beyond what a run repeats to."""
        return abs(self.pair.measured - 1) > NOTICED

    @property
    def unmoved(self) -> bool:
        """Whether no change is predicted where one is noticed."""
        return self.predicted is not None and self.noticed and abs(self.predicted - 1) < STILL

    @property
    def wrong_way(self) -> bool:
        """Whether the prediction moves the other way where a change is noticed."""
        if self.predicted is None or not self.noticed or self.unmoved:
            return False
        return (self.predicted - 1) * (self.pair.measured - 1) < 0


class Summary(NamedTuple):
    """How right the law is about some pairs.

    Attributes
    ----------
    name : str
        What they have in common, such as a lever.
    pairs, predicted : int
        How many there are, and how many have a prediction.
    median, p80 : float or None
        Of the relative errors of the ratio; None without a prediction.
    noticed, wrong_way, unmoved : int
        Of the predicted: how many changed by more than `NOTICED`, and how many of these are
        predicted to move the other way, or not at all.
    left : dict of str to int
        Of the others: how many, by why they are not predicted.
    """

    name: str
    pairs: int
    predicted: int
    median: float | None
    p80: float | None
    noticed: int
    wrong_way: int
    unmoved: int
    left: dict[str, int]


# reading


def _settings(text: str) -> dict[str, str]:
    """Read "name=value; name=value"."""
    items = (item.partition("=") for item in text.split(BETWEEN) if item)
    return {name: value for name, _, value in items}


def pair(cells: dict[str, str]) -> Pair:
    """Read one row of a file of pairs.

    Parameters
    ----------
    cells : dict
        The columns of `benchmarks/pairs.csv`: those of `measured.csv` where both runs have the
        same; `a` and `b` for what one has alone, as "name=value; name=value".

    Returns
    -------
    Pair
        The two runs.

    Raises
    ------
    BadInput
        When a value is no positive number.

    Examples
    --------
    >>> row = {"lever": "weight format", "metric": "itl_ms", "model": "llama-3.1-8b", "gpu": "l4"}
    >>> row |= {"a": "weight_dtype=bf16", "b": "weight_dtype=fp8", "value_a": "60", "value_b": "33"}
    >>> one = pair(row)
    >>> one.changed, one.measured
    (('weight_dtype',), 0.55)
    """
    shared = {n: v for n, v in cells.items() if v and n in (*TERMS, "engine_version", "metric")}
    values = [_positive(cells, name) for name in ("value_a", "value_b")]
    first, second = (
        shared | _settings(cells.get(side, "")) | {"value": cells[f"value_{side}"]}
        for side in ("a", "b")
    )
    name, lever, source, statistic, doubt = (
        cells.get(column, "") for column in ("id", "lever", "source_id", "statistic", "doubt")
    )
    return Pair(name, lever, source, (first, second), values[1] / values[0], statistic, doubt)


def _positive(cells: dict[str, str], name: str) -> float:
    try:
        value = float(cells.get(name, ""))
    except ValueError:
        raise BadInput(name, f"{name} is {shown(cells.get(name))}: it takes a number.") from None
    return number(name, value, 1e-9, measurements.MAX_VALUE)


def read(path: str | Path) -> tuple[Pair, ...]:
    """Read a file of pairs.

    Parameters
    ----------
    path : str or Path
        A CSV in the columns of `benchmarks/pairs.csv`.

    Returns
    -------
    tuple of Pair
        In the order of the file.

    Raises
    ------
    BadInput
        When the file cannot be read, or a value is no positive number.
    """
    return tuple(map(pair, read_table(path)))


# predicting


def accepted_each(share: float, tokens: int) -> float:
    """Find the chance of each drafted token behind the share of them that was accepted.

    Engines count the accepted tokens over the drafted ones. The law takes the chance that a token
    is accepted given that those before it were: of `k` drafted, `p + p^2 + ... + p^k` are.

    Parameters
    ----------
    share : float
        Accepted over drafted tokens.
    tokens : int
        Tokens drafted for a pass [tokens].

    Returns
    -------
    float
        The chance, at most the 0.999 that `Speculation` takes.

    Examples
    --------
    >>> round(accepted_each((0.8 + 0.64) / 2, 2), 6)
    0.8
    """
    low, high = 0.0, 0.999
    for _ in range(50):  # the sum grows with the chance: halving finds it
        middle = (low + high) / 2
        if sum(middle**i for i in range(1, tokens + 1)) < share * tokens:
            low = middle
        else:
            high = middle
    return high


def _speculation(run: dict[str, str]) -> Speculation | None:
    """What drafts for a run; the model's own layers or an n-gram table are no model."""
    draft = run.get("draft", "")
    if not draft:
        return None
    model = None
    if draft not in NO_MODEL:
        name = names.model_name(draft)
        if not name:
            raise BadInput("draft", f"draft {shown(draft)} is not in the catalogue (llmcap models)")
        model = catalog.model(name)
    tokens = int(run["draft_tokens"])
    return Speculation(tokens, accepted_each(float(run["draft_accepted"]), tokens), model)


@lru_cache(maxsize=4096)
def _value(cells: tuple[tuple[str, str], ...]) -> predictions.Predicted:
    """What is predicted of one run; many pairs have a run in common."""
    run = dict(cells)
    parsed = measurements.measurement(results.Line("", run))
    meant = stated.meaning(parsed.spelled)
    guess = _speculation(run)
    if guess and meant.deployment:
        meant = meant._replace(deployment=replace(meant.deployment, speculation=guess))
    return predictions.estimated(meant, parsed.load)


def _left(one: Pair) -> tuple[str, str]:
    """Why a pair cannot be predicted whatever the law says of its runs; "" when it can."""
    terms = [name for name in one.changed if name in TERMS]
    others = [name for name in one.changed if name not in TERMS]
    if others and not terms:
        return NO_TERM, others[0]
    if others:
        return TWO, f"{others[0]} beside {terms[0]}"
    if one.statistic not in MEANS:
        return NO_TERM, f"the {one.statistic} of a latency"
    for run in one.runs:
        lacking = [name for name, value in run.items() if value == OPEN]
        if run.get("metric") == "ttft_ms" and "input_tokens" not in run:
            lacking.append("input_tokens")
        if lacking:
            return UNSTATED, lacking[0]
        if not run.get("gpu"):
            return UNSTATED, "gpu"
    return "", ""


def ratio(one: Pair) -> Ratio:
    """Predict the ratio of a pair, or say why not.

    Parameters
    ----------
    one : Pair
        The pair.

    Returns
    -------
    Ratio
        The prediction, or the reason why there is none.

    Examples
    --------
    >>> run = {"metric": "itl_ms", "model": "llama-3.1-8b", "gpu": "l4", "concurrency": "1"}
    >>> both = (run | {"value": "60", "chunked_prefill": "on"}, run | {"value": "66"})
    >>> ratio(Pair("1", "chunked prefill", "", both, 1.1)).reason
    'chunked_prefill'
    """
    kind, reason = _left(one)
    if kind:
        return Ratio(one, kind=kind, reason=reason)
    values = []
    for run in one.runs:
        try:
            made = _value(tuple(run.items()))
        except BadInput as problem:
            return Ratio(one, kind=UNKNOWN, reason=str(problem).rstrip("."))
        if made.value is None:
            return Ratio(one, kind=UNKNOWN, reason=made.reason.rstrip("."))
        values.append(made.value)
    return Ratio(one, values[1] / values[0])


def ratios(path: str | Path) -> tuple[Ratio, ...]:
    """Read a file of pairs and predict each.

    Parameters
    ----------
    path : str or Path
        A CSV in the columns of `benchmarks/pairs.csv`.

    Returns
    -------
    tuple of Ratio
        In the order of the file.
    """
    return tuple(map(ratio, read(path)))


# summing up


def summary(name: str, some: Iterable[Ratio]) -> Summary:
    """Sum up how right the law is about some pairs.

    Parameters
    ----------
    name : str
        What they have in common, such as a lever.
    some : iterable of Ratio
        The pairs.

    Returns
    -------
    Summary
        Counts and errors.
    """
    some = tuple(some)
    errors = [one.error for one in some if one.error is not None]
    noticed = [one for one in some if one.predicted is not None and one.noticed]
    return Summary(
        name=name,
        pairs=len(some),
        predicted=len(errors),
        median=statistics.median(errors) if errors else None,
        p80=compare.quantile(errors, 0.8) if errors else None,
        noticed=len(noticed),
        wrong_way=sum(one.wrong_way for one in noticed),
        unmoved=sum(one.unmoved for one in noticed),
        left=dict(Counter(one.kind for one in some if one.kind).most_common()),
    )


def by(some: Iterable[Ratio], group: Callable[[Pair], str]) -> tuple[Summary, ...]:
    """Sum up groups of pairs, those with the most predictions first.

    Parameters
    ----------
    some : iterable of Ratio
        Pairs and their predictions.
    group : callable
        Takes a pair, and names its group.

    Returns
    -------
    tuple of Summary
        One a group.
    """
    groups: dict[str, list[Ratio]] = {}
    for one in some:
        groups.setdefault(group(one.pair), []).append(one)
    made = [summary(name, rows) for name, rows in groups.items()]
    return tuple(sorted(made, key=lambda s: (-s.predicted, -s.pairs, s.name)))


def by_lever(some: Iterable[Ratio]) -> tuple[Summary, ...]:
    """Sum up each lever, those with the most predictions first.

    Parameters
    ----------
    some : iterable of Ratio
        Pairs of any levers.

    Returns
    -------
    tuple of Summary
        One a lever.
    """
    return by(some, lambda one: one.lever)
