"""Pictures of chapter 5: how near the predictions are to what was measured."""

import statistics
from functools import cache

from llmcap_kernel.evidence import weak_spots

from ..calculators import published
from ..figures import show
from ..figures.drawing import Drawing, Scale
from ..figures.plots import Axis, Dots, Line, chart
from .record import Control, Drawn, Picture


@cache
def _runs():
    """Served runs of this model: measured gap, ceiling and estimate [ms], inside its interval."""
    return [
        row
        for row in published.measured_rows()
        if (row.source, row.model, row.metric) == ("aic", "llama-3.1-70b", "itl_ms")
    ]


def _middles(runs):
    """Ceiling and estimate over what was measured, at the median."""
    return [
        statistics.median(getattr(r, name) / r.measured for r in runs)
        for name in ("ceiling", "predicted")
    ]


def _served_runs():
    runs = _runs()
    middles = _middles(runs)
    inside = statistics.mean(r.inside for r in runs)
    drawings = {
        f"{title}: {middle:.2f} of the measured gap": chart(
            [
                Line("as measured", [(5, 5), (60, 60)], "quiet", dash="3 3", where=5),
                Dots("", [(getattr(r, name), r.measured) for r in runs], ink, size=5),
            ],
            Axis("gap predicted, ms", 0.7, 60, log=True),
            Axis("gap measured, ms", 5, 60, log=True),
            height=265,  # where a decade is as long up as across
        )
        for title, name, middle, ink in (
            ("Spec sheets alone", "ceiling", middles[0], "other"),
            ("The estimate", "predicted", middles[1], "weights"),
        )
    }
    said = (
        f"Of {len(runs)} runs, the ceiling is {middles[0]:.2f} of the measured gap at the median "
        f"and the estimate {middles[1]:.2f}; {inside:.0%} of the runs lie in its interval."
    )
    groups: dict[str, list] = {}
    for r in runs:
        groups.setdefault(f"{r.gpu}, {r.engine}", []).append(r)
    rows = [
        (label, f"{len(some)}", *(f"{middle:.2f}" for middle in _middles(some)))
        for label, some in sorted(groups.items())
    ]
    columns = ("", "runs", "ceiling", "estimate")
    return Drawn(drawings, said, show.table(columns, rows, "Predicted over measured gap, median"))


FIVE = {
    "moe-small-batch": "MoE, few requests",
    "underspecified": "left unspecified",
    "long-context": "over 32,000 tokens",
    "apple-silicon": "Apple Silicon",
    "gguf-data-centre": "GGUF, data centre",
}
PREDICTIONS = {
    "fitted to all": lambda row: row.predicted,
    "source left out": lambda row: row.left_out[-1],
    "spec sheet alone": lambda row: row.ceiling,
}
SHOWN = 90  # dots of a strip; of more, every so many
STRIP = 58


@cache
def _crowds(prediction):
    """Speed predicted over measured, and the error, of each mode's rows and of their like."""
    value = PREDICTIONS[prediction]
    known = [r for r in published.measured_rows() if r.measured and value(r)]
    found = {}
    for name in FIVE:
        hits = [r for r in known if name in r.failure_modes]
        regimes = {r.regime for r in hits}
        like = [r for r in known if r.regime in regimes and name not in r.failure_modes]
        found[name] = tuple(
            sorted(_ratio_and_error(r, value(r)) for r in some) for some in (hits, like)
        )
    return found


def _ratio_and_error(row, value):
    ratio = weak_spots.speed_ratio(row.metric, value, row.measured)
    return ratio, abs(value / row.measured - 1)


def _off(crowd):
    """How far the middle row of a crowd is from its measurement."""
    return statistics.median(error for _, error in crowd)


def _modes(prediction):
    across = Scale(0.1, 10, 1, 99, log=True)
    drawing = Drawing(len(FIVE) * STRIP + 30)
    foot, crowds = len(FIVE) * STRIP, _crowds(prediction)
    for i, (name, label) in enumerate(FIVE.items()):
        _draw_mode(drawing, across, i * STRIP, label, *crowds[name])
    drawing.line(0, foot, 100, foot, "edge")
    for value, words, anchor in (
        (0.1, "too slow", "start"),
        (1, "right", "middle"),
        (10, "10x too fast", "end"),
    ):
        drawing.text(across(value), foot + 17, words, "quiet", small=True, anchor=anchor)
    worst = max(FIVE, key=lambda name: _off(crowds[name][0]))
    said = (
        "Each dot is a measurement: above, in colour, where the case applies; below, in grey, "
        f"others of the same kind of test. Farthest off: {FIVE[worst]}, half within "
        f"{_off(crowds[worst][0]):.0%}."
    )
    rows = []
    for name, label in FIVE.items():
        hits, like = crowds[name]
        middle = statistics.median(ratio for ratio, _ in hits)
        cells = f"{len(hits):,}", f"{_off(hits):.0%}", f"{_off(like):.0%}", f"{middle:.2f}"
        rows.append((label, *cells))
    columns = ("mode", "rows", "half within", "their like", "middle")
    caption = f"Speed predicted over measured, {prediction}"
    return Drawn(drawing, said, show.table(columns, rows, caption))


def _draw_mode(drawing, across, y, label, hits, like):
    """Draw a mode's rows above those of the same kind of test, each crowd with its middle."""
    drawing.text(0, y + 15, label, bold=True)
    drawing.text(100, y + 15, f"half within {_off(hits):.0%}; others {_off(like):.0%}",
                 "quiet", small=True, anchor="end")  # fmt: skip
    for at, crowd, ink in ((y + 28, hits, "prompt"), (y + 44, like, "other")):
        ratios = [ratio for ratio, _ in crowd]
        some = ratios[:: max(len(ratios) // SHOWN, 1)]
        dots = [(across(ratio), at + 3 * (j % 3 - 1)) for j, ratio in enumerate(some)]
        drawing.dots(dots, ink, size=4, dim=0.5)
        middle = across(statistics.median(ratios))
        drawing.line(middle, at - 8, middle, at + 8, ink, width=3)
    drawing.line(across(1), y + 20, across(1), y + 52, "text", dash="3 3")


PICTURES = {
    "served-runs": Picture("Ninety served runs of this model", _served_runs),
    "weak-modes": Picture(
        "Five named modes: predicted beside measured",
        _modes,
        (Control("prediction", "Prediction", tuple(PREDICTIONS), "fitted to all"),),
    ),
}
