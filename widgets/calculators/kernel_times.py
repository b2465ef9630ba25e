"""A reader's timings of kernels beside their formulas: a part of Validate."""

import math
from functools import lru_cache
from html import escape

from llmcap_kernel.evidence import kernels
from llmcap_kernel.evidence.kernels.kinds import KINDS
from llmcap_kernel.explain import digits, percent, rounded
from llmcap_kernel.refuse import BadInput, printable

from ..figures import TEXT, figure, mark
from ..figures.curves import log_axis
from . import answers

# What each field of Validate says of timings; the inputs beside the file.
FIELD_OF = {"gpu": "gpu", "engine": "engine"}
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "pentagon")
CELLS = 40  # places along an axis; of the rows on one place one is drawn
REASONS = 12


class Timings:
    """A file of kernel timings: in this process alone, and gone with it.

    Parameters
    ----------
    name : str
        What the file is called.
    text : str
        What it holds.
    """

    summary = "timings of kernels"

    def __init__(self, name, text):
        self.name = printable(name, 60)
        self._text = text
        self.report = lru_cache(maxsize=4)(self._report)

    def _report(self, given=()):
        return kernels.report(self._text, **dict(given))

    def asks(self, given):
        """Say what the file leaves out.

        Parameters
        ----------
        given : tuple of tuple
            Card and engine of all rows, whatever the file says.

        Returns
        -------
        dict
            Inputs beside the file, each with what is lacking.
        """
        try:
            reasons = list(self.report(given).skipped)
        except BadInput as problem:
            reasons = [str(problem)]
        card = next((one for one in reasons if one.startswith("card ")), "")
        return {"gpu": card.partition(":")[0]} if card else {}

    def parts(self, given):
        """Put the formulas beside it.

        Parameters
        ----------
        given : tuple of tuple
            Card and engine of all rows, whatever the file says.

        Returns
        -------
        dict
            The parts of a view.
        """
        try:
            report = self.report(given)
        except BadInput as problem:
            return {"status": {"level": "warn", "text": f"No row can be compared: {problem}"}}
        return {
            "status": _status(report),
            "headline": _headline(report.whole),
            "figure": _figure(report),
            "tables": [
                *_groups(report),
                *(_worst(report) if report.worst else []),
                *_left(report),
            ],
            "sentences": [report.sentence],
        }


def placeholders(own):
    """Say what stands in an empty field beside the file: nothing that it does not show itself.

    Parameters
    ----------
    own : Timings
        The file.

    Returns
    -------
    dict
        Text by the name of the field in the form.
    """
    return dict.fromkeys(FIELD_OF, "as the file says")


def _status(report):
    whole = report.whole
    if not whole.rows:
        return {"level": "warn", "text": "Every row is in doubt, so none is counted."}
    text = f"Half of {whole.rows:,} kernels are within {percent(whole.median, 1)} of their formula."
    return {"level": "good" if whole.median <= 0.2 else "warn", "text": text}


def _headline(whole):
    if not whole.rows:
        return []
    numbers = (
        ("Half of the kernels are within", f"{100 * whole.median:.1f}", "%"),
        ("Four of five are within", f"{100 * whole.p80:.1f}", "%"),
        ("Predicted over measured", f"{whole.bias:.2f}", ""),
    )
    return [
        {"label": label, "value": value, "unit": unit, "note": "", "explain": ""}
        for label, value, unit in numbers
    ]


def _figure(report):
    """Predicted against measured, both logarithmic, a mark for each kind."""
    if not report.sure:
        return None
    both = [1e6 * v for one in report.sure for v in (one.predicted_s, one.row.latency_s)]
    low, high = min(both) / 1.5, max(both) * 1.5
    parts: dict = {}
    for one in report.sure:
        parts.setdefault(one.row.kind, []).append(one)
    line: dict = {
        "type": "scatter",
        "mode": "lines",
        "name": "equal",
        "x": [low, high],
        "y": [low, high],
    }
    line |= {"line": {"color": TEXT, "width": 1.5, "dash": "dot"}, "hoverinfo": "skip"}
    kinds = [kind for kind in KINDS if kind in parts]
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure(
        [
            line,
            *(_marks(KINDS[kind].title, i, parts[kind], low, high) for i, kind in enumerate(kinds)),
        ],
        f"{len(report.sure):,} kernels, measured on one axis and predicted on the other, both "
        f"logarithmic. Half lie within {percent(report.whole.median, 1)} of the line where both "
        "are equal.",
        height=470,
        margin={"l": 68, "r": 20, "t": 40, "b": 8},
        showlegend=True,
        legend=legend | {"font": {"size": 12, "color": TEXT}},
        xaxis=log_axis("measured, µs", low, high),
        yaxis=log_axis("predicted, µs", low, high),
    )


def _marks(title, number, some, low, high):
    """A mark for the rows at one place: of them the farthest off."""
    scale = CELLS / math.log(high / low)
    places: dict = {}
    for one in sorted(some, key=lambda one: abs(math.log(one.ratio))):
        at = (1e6 * one.row.latency_s, 1e6 * one.predicted_s)
        places[tuple(int(scale * math.log(v / low)) for v in at)] = (at, one)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{title} ({len(some):,})",
        "x": [rounded(x) for (x, _), _ in places.values()],
        "y": [rounded(y) for (_, y), _ in places.values()],
        "marker": {"color": mark(number % 8 + 1), "symbol": SYMBOLS[number % 8], "size": 7},
        "text": [escape(one.line()) for _, one in places.values()],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _groups(report):
    whole = [report.whole] if report.whole.rows else []
    table = {
        "caption": "How far off, by kernel, format and engine",
        "columns": ["Kernel", "Rows", "Half within", "Four of five", "Predicted over measured"],
        "rows": [
            [
                ", ".join(g.name),
                f"{g.rows:,}",
                percent(g.median, 1),
                percent(g.p80, 1),
                f"{g.bias:.2f}",
            ]
            for g in (*whole, *sorted(report.groups, key=lambda g: -g.median))
        ],
        "highlight": [0] if whole else [],
    }
    return answers.in_sight(table, "The other {} kernels, the farthest off first", few=8)


def _worst(report):
    table = {
        "caption": f"The {len(report.worst)} farthest off",
        "columns": ["Line", "Kernel", "Measured", "Predicted"],
        "rows": [
            [
                f"{one.row.line}",
                one.line().partition(": ")[2].rpartition(": ")[0],
                f"{digits(1e6 * one.row.latency_s)} µs",
                f"{digits(1e6 * one.predicted_s)} µs",
            ]
            for one in report.worst
        ],
        "highlight": [],
        "stack": True,
    }
    return answers.in_sight(table, "The next {} farthest off")


def _left(report):
    """Rows that are in doubt, and rows that could not be read."""
    doubted = [
        [f"{n:,}", f"in doubt: {kernels.DOUBTS[d]}"] for d, n in report.doubted.most_common()
    ]
    unread = [[f"{n:,}", why] for why, n in report.skipped.most_common(REASONS)]
    if not doubted + unread:
        return []
    table = {"caption": "Rows that are not counted", "columns": ["Rows", "Why"]}
    return [table | {"rows": doubted + unread, "highlight": [], "stack": True}]
