"""The picture of what was predicted first and timed afterwards, on two cards."""

from functools import cache
from typing import NamedTuple

from llmcap_kernel.evidence import compare, results

from ..benchmarks import BENCHMARKS, rows
from ..figures import show
from ..figures.plots import Axis, Dots, Drawable, Line, chart
from .record import Control, Drawn, Picture
from .timed_serving import name_far

FILE = "timed_models.csv"
DECODED, READ = "decode_tok_s_per_user", "prefill_tok_s"
# a card as its driver calls it, and the format of the weights
TIMED = {
    "H200, BF16": ("H200", "bf16"),
    "H100, BF16": ("H100 80GB HBM3", "bf16"),
    "H100, FP8": ("H100 80GB HBM3", "fp8"),
}


class Along(NamedTuple):
    """What changes along x.

    Attributes
    ----------
    title : str
        Of the axis.
    column : str
        Of the file.
    metric : str
        What was timed.
    shared : dict of str to int
        What all rows have in common.
    low, high : int
        Between which a curve is predicted.
    """

    title: str
    column: str
    metric: str
    shared: dict[str, int]
    low: int
    high: int


ALONG = {
    "context": Along(
        "tokens of context, one user", "input_tokens", DECODED, {"concurrency": 1}, 256, 131_072
    ),
    "users": Along(
        "users at once, each with 512 tokens", "concurrency", DECODED, {"input_tokens": 512}, 8, 128
    ),
    "prompt": Along("tokens of a prompt", "input_tokens", READ, {"concurrency": 1}, 128, 32_768),
}
Y = {DECODED: "tokens a second of each user", READ: "prompt tokens read in a second"}
NAMED_AT = {DECODED: 11, READ: 50}  # where names begin, and how long one is on a phone [% of width]
NAME = 30
INKS = {
    "Llama-3.2-1B": "activations",
    "Llama-3.1-8B": "weights",
    "Qwen3-14B": "cache",
    "Qwen3-32B": "prompt",
}


@cache
def scored():
    """Predict every row that was timed.

    Returns
    -------
    list of tuple
        The columns of a row, and its `compare.Row`.
    """
    report = compare.run(BENCHMARKS / FILE)
    return list(zip(rows(FILE), report.rows, strict=True))


def _chosen(timed, along):
    """Points of each model: x, measured and predicted."""
    card, form = TIMED[timed]
    shared = {name: str(value) for name, value in along.shared.items()}
    wanted = {"gpu": card, "weight_dtype": form, "metric": along.metric, **shared}
    found: dict[str, list[tuple[int, compare.Row]]] = {}
    for fields, row in scored():
        if wanted.items() <= fields.items():
            found.setdefault(fields["model"], []).append((int(fields[along.column]), row))
    return found


def _curve(model, timed, along, most):
    """What is predicted between the rows, a point to each doubling."""
    card, form = TIMED[timed]
    about = {"model": model, "gpu": card, "weight_dtype": form, "engine": "gpt-fast"}
    answer = 16 if along.metric == DECODED else 1
    load = {"concurrency": 1, "output_tokens": answer, **along.shared, "metric": along.metric}
    at = along.low
    while at <= min(along.high, most):
        fields = {**about, **load, along.column: at, "value": 1.0}
        yield at, compare.row(results.Line("", fields)).predicted
        at *= 2


def _name(drawing, model, points, left):
    """Name a model over dots in the flat of its line: at the end a name would hide both."""
    near = [row for x, row in points if left - 4 < drawing.across(x) < left + NAME]
    top = min(drawing.down(y) for row in near for y in (row.measured, row.predicted))
    look = {"anchor": "start", "bold": True, "small": True, "halo": True}
    drawing.text(left, top - 9, model, INKS[model], **look)


def _timed(timed, across):
    along = ALONG[across]
    found = _chosen(timed, along)
    marks: list[Drawable] = []
    table = []
    for model, points in found.items():
        ink = INKS[model]
        marks.append(Line("", list(_curve(model, timed, along, points[-1][0])), ink))
        marks.append(Dots("", [(x, row.measured) for x, row in points], ink, size=9, dim=1.0))
        table += [(model, f"{x:,}", row.predicted, row.measured, row.error) for x, row in points]
    rows_drawn = [row for points in found.values() for _, row in points]
    off = [row.error for row in rows_drawn]
    x = Axis(along.title, along.low / 1.6, along.high * 1.2, log=True)
    ends = [value for row in rows_drawn for value in (row.measured, row.predicted)]
    # room for a name over the highest, and for the whole of the lowest dot
    y = Axis(Y[along.metric], 0.8 * min(ends), 1.7 * max(ends), log=True)
    drawing = chart(marks, x, y, height=340)
    for model, points in found.items():
        _name(drawing, model, points, NAMED_AT[along.metric])
    near = ((x, row) for points in found.values() for x, row in points)
    name_far(drawing, [(x, row.predicted, row.measured) for x, row in near])
    drawing.text(100, 13, "line: predicted, dot: timed", small=True, anchor="end")
    said = (
        f"{timed}, {len(off)} rows: half of the predictions are within "
        f"{compare.quantile(off, 0.5):.1%} of what was timed, four in five within "
        f"{compare.quantile(off, 0.8):.1%}."
    )
    rows_shown = show.table(
        ("model", along.title.partition(",")[0], "predicted", "timed", "off by"),
        table,
        f"{timed}: {Y[along.metric]}",
        ("", "", "tok/s", "tok/s", "%"),
    )
    return Drawn(drawing, said, rows_shown)


PICTURES = {
    "timed": Picture(
        "Predicted first, timed afterwards",
        _timed,
        (
            Control("timed", "Timed", tuple(TIMED), "H200, BF16"),
            Control("across", "Across", tuple(ALONG), "context"),
        ),
    )
}
