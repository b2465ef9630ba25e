"""Kernel timings beside what the formulas predict: the answer of `llmcap validate`."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ...catalog.tables import table
from ...explain import digits
from ...refuse import BadInput
from ...spec import Gpu
from .constants import predicted_s
from .kinds import KINDS
from .rows import DOUBTS, Timing, read

WORST = 12
HIDDEN = ("element_bytes", "operation", "power", "matrices")  # read from words, not from numbers


class Scored(NamedTuple):
    """A timing with its prediction.

    Attributes
    ----------
    row : Timing
        The row.
    predicted_s : float
        What the formula says [s].
    """

    row: Timing
    predicted_s: float

    @property
    def error(self) -> float:
        """Distance of the prediction, as a share of what was measured."""
        return abs(self.predicted_s / self.row.latency_s - 1)

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted_s / self.row.latency_s

    def line(self) -> str:
        """Write it in one line.

        Returns
        -------
        str
            Where it stands, the kernel, measured and predicted.
        """
        row = self.row
        shape = " ".join(f"{n}={v:.10g}" for n, v in row.shape.items() if n not in HIDDEN)
        times = f"{digits(row.latency_s * 1e6)} µs, predicted {digits(self.predicted_s * 1e6)}"
        head = f"line {row.line}: {KINDS[row.kind].title}, {row.gpu.name}, {row.engine}"
        doubt = f" ({row.doubt})" if row.doubt else ""
        return f"{head}, {row.format}, {shape}: {times}{doubt}"


class Group(NamedTuple):
    """How far off a group of rows is.

    Attributes
    ----------
    name : tuple of str
        Kind, format and engine.
    rows : int
        How many.
    median, p80 : float
        Of the errors, as shares of the measurement.
    bias : float
        Median of predicted over measured.
    """

    name: tuple[str, ...]
    rows: int
    median: float
    p80: float
    bias: float


class Report:
    """A file of kernel timings beside the predictions.

    Parameters
    ----------
    rows : sequence of Scored
        What was compared.
    skipped : Counter
        How many rows were not, by the reason.
    """

    def __init__(self, rows: Sequence[Scored], skipped: Counter[str]) -> None:
        self.rows, self.skipped = rows, skipped

    @cached_property
    def sure(self) -> list[Scored]:
        """Rows without a doubt, which the numbers are of."""
        return [one for one in self.rows if not one.row.doubt]

    @property
    def sentence(self) -> str:
        """What is compared with what."""
        kept = table("kernels")["provenance"]
        return (
            "Measured is the time of one kernel. Predicted is the formula of its kind, with the "
            "card's rates and the constants of its chip family and format "
            f"(catalog/kernels.toml), fitted to {kept['rows']:,} kernels of {kept['source']}. "
            "Host time, launches outside a graph and scheduling are in neither."
        )

    def by(self, name: Callable[[Timing], tuple[str, ...]]) -> list[Group]:
        """Score the rows without a doubt in groups.

        Parameters
        ----------
        name : callable
            Takes a row, returns the name of its group.

        Returns
        -------
        list of Group
            In the order of the kinds.
        """
        parts: dict[tuple[str, ...], list[Scored]] = {}
        for one in self.sure:
            parts.setdefault(name(one.row), []).append(one)
        return [score(key, parts[key]) for key in sorted(parts)]

    @cached_property
    def groups(self) -> list[Group]:
        """The rows by kind, format and engine."""
        return self.by(lambda row: (KINDS[row.kind].title, row.format, row.engine))

    @cached_property
    def whole(self) -> Group:
        """All rows without a doubt."""
        return score(("all",), self.sure)

    @cached_property
    def worst(self) -> list[Scored]:
        """The rows without a doubt that are farthest off."""
        return sorted(self.sure, key=lambda one: -abs(math.log(one.ratio)))[:WORST]

    @property
    def doubted(self) -> Counter[str]:
        """How many rows are in doubt, by the doubt."""
        return Counter(one.row.doubt for one in self.rows if one.row.doubt)

    def as_dict(self) -> dict[str, Any]:
        """Write the report as plain values.

        Returns
        -------
        dict
            For JSON.
        """
        return {
            "compares": self.sentence,
            "all": _plain(self.whole),
            "groups": [_plain(group) for group in self.groups],
            "in_doubt": {DOUBTS[name]: n for name, n in self.doubted.items()},
            "not_compared": dict(self.skipped),
            "rows": [
                {
                    **{"line": one.row.line, "kind": one.row.kind, "card": one.row.gpu.name},
                    **{"engine": one.row.engine, "format": one.row.format, **one.row.shape},
                    "measured_us": one.row.latency_s * 1e6,
                    "predicted_us": one.predicted_s * 1e6,
                    "doubt": one.row.doubt,
                }
                for one in self.rows
            ],
        }


def report(text: str, gpu: str | Gpu = "", engine: str = "") -> Report:
    """Predict every kernel of a file and put it beside what was measured.

    Parameters
    ----------
    text : str
        A file that `rows.recognises`.
    gpu : str or Gpu
        Card of all rows, whatever the file says; "" for the file's.
    engine : str
        Engine of all rows, in the same way.

    Returns
    -------
    Report
        Predicted beside measured.

    Raises
    ------
    BadInput
        When no row can be compared; the message says why.

    Examples
    --------
    >>> text = "card,engine,gemm_dtype,m,n,k,latency_us\\nh100-sxm,vllm,bfloat16,16,4096,4096,15\\n"
    >>> report(text).whole.rows
    1
    """
    found = read(text, gpu, engine)
    scored = []
    for row in found.timings:
        try:
            scored.append(Scored(row, predicted_s(row)))
        except BadInput as problem:
            found.skipped[str(problem)] += 1
    if not scored:
        why = found.skipped.most_common(1)
        raise BadInput("file", why[0][0] if why else "file has no rows below its header.")
    return Report(scored, found.skipped)


def score(name: tuple[str, ...], rows: Iterable[Scored]) -> Group:
    """Score some rows.

    Parameters
    ----------
    name : tuple of str
        What they are.
    rows : iterable of Scored
        The rows.

    Returns
    -------
    Group
        Their errors; NaN where there are none.
    """
    rows = list(rows)
    if not rows:
        return Group(name, 0, math.nan, math.nan, math.nan)
    errors = sorted(one.error for one in rows)
    p80 = errors[math.ceil(0.8 * len(errors)) - 1]
    bias = statistics.median(one.ratio for one in rows)
    return Group(name, len(rows), statistics.median(errors), p80, bias)


def _plain(group: Group) -> dict[str, Any]:
    known = {n: v for n, v in group._asdict().items() if n != "name" and not math.isnan(v)}
    return {"name": list(group.name), **known}
