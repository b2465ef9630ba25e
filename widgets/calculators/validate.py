"""Predicted against measured: every published row, and a file of the reader's own.

The page computes no prediction of the published rows: `llmcap calibrate` wrote them beside the
measurements, with what fits predict that never saw the row's model, card or source. Reading what
was measured on what takes half a second, so `python -m widgets.calculators.validate` keeps that.
"""

import json
import math
import re
import statistics
from collections import Counter
from functools import cache, lru_cache, partial
from html import escape
from types import SimpleNamespace
from typing import NamedTuple
from zlib import crc32

from llmcap_kernel import catalog
from llmcap_kernel.evidence import (
    compare,
    fit,
    kernels,
    logs,
    measurements,
    results,
    weak_spots,
)
from llmcap_kernel.explain import digits
from llmcap_kernel.refuse import printable

from ..benchmarks import BENCHMARKS
from ..figures import QUIET, RULE, TEXT, figure, mark
from ..figures.curves import log_axis
from ..form import controls as c
from ..form import from_name
from ..form.state import Field, Form
from . import kernel_times, start_up

TITLE = "Validate"
LEAD = "How far are the predictions from published measurements, where do they fail, and how near are they to yours?"  # noqa: E501
MEASURED, PREDICTED = BENCHMARKS / "measured.csv", BENCHMARKS / "predicted.csv"
UNDERSTOOD = BENCHMARKS / "understood.json"
ANY, NONE, AS_FILE = "any", "none", "file"
FARTHEST_ROWS = 8
OWN_ROWS = 20
OWN_MOST = 20_000  # rows of a reader's file; predicting one takes a millisecond
CELLS = 40  # places along an axis, a mark or two wide; of the rows on one place one is drawn


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
LEFT_OUT = ("model", "card", "source")  # in the order of `Row.left_out`
FILTERS = ("mode", "regime", "engine", "gpu", "model", "source")
ENGINES = ("vllm", "sglang", "trtllm", "llama.cpp", "transformers")


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
def _names(attribute):
    return sorted({getattr(row, attribute) for row in measured_rows()} - {""})


def _filter(name, label, names, **more):
    return Field(f"only.{name}", "name", ANY, label, names=names, **more)


def _replace(name, kind, label, **more):
    start = AS_FILE if kind == "name" else None
    return Field(f"file.{name}", kind, start, label, beyond=kind == "name", **more)


FORM = Form(
    "validate",
    (
        Field("metric", "name", "speed", "Measured", names=lambda: tuple(GROUPS)),
        Field("against", "name", "source", "Prediction", names=lambda: tuple(AGAINST)),
        _filter("mode", "Failure mode", lambda: (ANY, NONE, *weak_spots.FAILURE_MODES)),
        _filter("regime", "Regime", lambda: (ANY, *measurements.REGIMES)),
        _filter("engine", "Engine", lambda: (ANY, *_names("engine"))),
        _filter("gpu", "Card", lambda: (ANY, *_names("gpu")), reads=from_name.card),
        _filter("model", "Model", lambda: (ANY, *_names("model")), reads=from_name.model),
        _filter("source", "Source", lambda: (ANY, *_names("source"))),
        Field(
            "file",
            "yes",
            True,
            "Your own results or log",
            help="A client's result file, a CSV, timings of kernels, or an engine's start-up log: choose it, drop it here or paste it. It is read by this page's Python and kept nowhere.",  # noqa: E501
        ),
        _replace(
            "model",
            "name",
            "Model",
            names=lambda: (AS_FILE, *catalog.models()),
            reads=from_name.model,
        ),
        _replace(
            "gpu", "name", "Card", names=lambda: (AS_FILE, *catalog.gpus()), reads=from_name.card
        ),
        _replace("tp", "whole", "Cards", low=1, high=c.MOST_CARDS),
        _replace(
            "weights",
            "name",
            "Weights",
            names=lambda: (AS_FILE, *catalog.formats()),
            reads=from_name.weights,
        ),
        _replace("engine", "name", "Engine", names=lambda: (AS_FILE, *ENGINES)),
        _replace("in", "tokens", "Prompt", low=1, high=c.MOST_TOKENS, unit="tokens"),
        _replace("out", "tokens", "Answer", low=1, high=c.MOST_TOKENS, unit="tokens"),
        _replace("users", "whole", "Users at once", low=1, high=c.MOST_USERS),
        _replace(
            "kv",
            "name",
            "KV cache",
            names=lambda: (AS_FILE, *catalog.formats(kv=True)),
            reads=from_name.kv,
        ),
        _replace("fraction", "number", "Memory fraction", low=0.05, high=1),
        _replace("maxlen", "tokens", "Longest request", low=1, high=c.MOST_TOKENS),
        _replace("seqs", "whole", "Sequences at once", low=1, high=c.MOST_USERS),
        _replace("batched", "tokens", "Tokens a step", low=1, high=c.MOST_TOKENS),
    ),
)
COLUMN_OF = {
    **{"model": "model", "gpu": "gpu", "tp": "tp", "weights": "weight_dtype", "engine": "engine"},
    **{"in": "input_tokens", "out": "output_tokens", "users": "concurrency"},
    **{"kv": "kv_dtype", "fraction": "memory_fraction", "maxlen": "max_model_len"},
    **{"seqs": "max_num_seqs", "batched": "max_num_batched_tokens"},
}
ACCEPT = ".csv,.json,.jsonl,.md,.sql,.txt,.log,.out"
PRESETS = (
    {
        "label": "A model never seen",
        "note": "Each row predicted by a fit without its model.",
        "values": {"against": "model"},
    },
    {
        "label": "Rows the fit has seen",
        "note": "The estimates that the other calculators show.",
        "values": {"against": "fitted"},
    },
    {
        "label": "The spec sheet alone",
        "note": "What a ceiling says where nothing was fitted.",
        "values": {"against": "ceiling"},
    },
    {
        "label": "First token under load",
        "note": "The hardest number to predict.",
        "values": {"metric": "first-token", "only.mode": "first-token-under-load"},
    },
    {
        "label": "No failure mode",
        "note": "Rows on which no rule fires.",
        "values": {"only.mode": NONE},
    },
)


# a row under a choice of prediction


class Point(NamedTuple):
    """A row under one choice of prediction, in the row's own unit.

    Attributes
    ----------
    row : Row
        The row.
    measured, predicted : float
        What was measured, and its prediction by the choice in force.
    low, high : float or None
        The row's interval, moved to that prediction; None for a ceiling.
    """

    row: compare.Row
    measured: float
    predicted: float
    low: float | None
    high: float | None

    @property
    def error(self):
        """Distance from the measurement, as a share of it."""
        return abs(self.predicted / self.measured - 1)

    @property
    def ratio(self):
        """Predicted over measured, speed over speed."""
        return weak_spots.speed_ratio(self.row.metric, self.predicted, self.measured)

    @property
    def inside(self):
        """Whether the measurement lies in the interval; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.measured <= self.high


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
        value = _prediction(row, against)
        if not value or not row.predicted:
            continue
        low, high = row.low, row.high
        if against == "ceiling":
            low = high = None
        elif value != row.predicted and low is not None:
            low, high = value * low / row.predicted, value * high / row.predicted
        out.append(Point(row, row.measured, value, low, high))
    return out


def _prediction(row, against):
    if against == "fitted":
        return row.predicted
    return row.ceiling if against == "ceiling" else row.left_out[LEFT_OUT.index(against)]


@lru_cache(maxsize=16)
def _left_in(filters):
    """The published rows that the filters leave in, by group."""
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
def _told(filters, group, against):
    """The points of a group under a choice of prediction."""
    return points(_left_in(filters)[group], against)


@lru_cache(maxsize=64)
def _medians(filters, group):
    """How far half of a group's rows are off, by choice of prediction."""
    out = {}
    for against in AGAINST:
        pairs = ((_prediction(row, against), row) for row in _left_in(filters)[group])
        errors = [abs(value / row.measured - 1) for value, row in pairs if value]
        out[against] = statistics.median(errors) if errors else None
    return out


# the view


def view(state, own=None):
    """Show predicted against measured, and where the predictions fail.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.
    own : Own, start_up.Log or kernel_times.Timings, optional
        A file of the reader's own.

    Returns
    -------
    dict
        The view.
    """
    own = own if state["file"] else None
    if type(own) in PARTS:
        return _of_its_own(state, own)
    controls = _controls(state, own)
    filters = tuple(state[f"only.{name}"] for name in FILTERS)
    mine = own.rows(_given(state)) if own else ()
    group = state["metric"]
    shown = _told(filters, group, state["against"])
    ours = "ceiling" if state["against"] == "ceiling" else "fitted"  # no fit ever saw these
    drawn = points([r for r in mine if GROUP_OF.get(r.metric) == group], ours)
    return c.frame(
        FORM,
        state,
        TITLE,
        LEAD,
        controls,
        headline=_headline(_medians(filters, group), shown, state, mine),
        status=_status(shown, state),
        figure=_figure(shown, drawn, group, state["against"])
        if drawn
        else _published(filters, group, state["against"]),
        tables=[
            *(_own_tables(own, mine) if own else ()),
            _by_group(filters, state),
            *([_farthest(shown, state)] if shown else []),
            *_evidence_tables(),
        ],
        sentences=_sentences(state),
        messages=_messages(own, mine, drawn),
    )


# files with a view of their own; the published rows come back when one is taken away
PARTS = {start_up.Log: start_up, kernel_times.Timings: kernel_times}


def _of_its_own(state, own):
    """A start-up log beside the ledger, or timings of kernels beside their formulas."""
    fields = {field.name: field for field in FORM.fields}
    controls = [_file_control(fields["file"], own), *_replace_controls(fields, state, own)]
    given = _given(state, PARTS[type(own)].FIELD_OF)
    return c.frame(FORM, state, TITLE, LEAD, controls, **own.parts(given))


def _controls(state, own):
    fields = {field.name: field for field in FORM.fields}
    every = _left_in((ANY,) * len(FILTERS))
    metrics = [(n, f"{g.title} ({len(every[n]):,} rows)", "") for n, g in GROUPS.items()]
    modes = [(ANY, "any or none", ""), (NONE, "none fires", "")]
    modes += [(one.name, one.title, "") for one in weak_spots.MODES]
    regimes = [(ANY, "any", ""), *((r, r.replace("_", " "), "") for r in measurements.REGIMES)]
    out = [
        c.select(fields["metric"], state, metrics),
        c.select(fields["against"], state, [(n, text, "") for n, text in AGAINST.items()]),
        c.select(fields["only.mode"], state, modes),
        c.select(fields["only.regime"], state, regimes),
        *(
            c.search(fields[f"only.{name}"], state, [(ANY, "any", ""), *_listed(name)])
            for name in ("engine", "gpu", "model", "source")
        ),
        _file_control(fields["file"], own),
    ]
    return out + (_replace_controls(fields, state, own) if own else [])


@cache
def _listed(attribute):
    counts: dict[str, int] = {}
    for row in measured_rows():
        name = getattr(row, attribute)
        counts[name] = counts.get(name, 0) + 1
    return [(name, f"{name} ({counts[name]:,})", "") for name in _names(attribute)]


def _file_control(field, own):
    said = f"{own.name}, {own.said}" if own else "none"
    return {
        **{"name": field.name, "label": field.label, "kind": "file", "value": True},
        **{"group": "", "unit": "", "help": field.help, "min": 0, "max": 1},
        **{"accept": ACCEPT, "text": said, "loaded": own is not None},
    }


def _replace_controls(fields, state, own):
    """Inputs that replace what a file says: few files name the card."""
    part = PARTS.get(type(own))
    said = part.placeholders(own) if part else {}
    silent = (AS_FILE, "as the file says", "")
    names = {
        "model": c.search,
        "gpu": c.search,
        "weights": c.select,
        "engine": c.select,
        "kv": c.select,
    }
    out = []
    for name in part.FIELD_OF if part else COLUMN_OF:
        field = fields[f"file.{name}"]
        if name in names:
            listed = [(n, n, "") for n in field.names() if n != AS_FILE]
            out.append(names[name](field, state, [silent, *listed]))
        else:
            box = c.entry(field, state)
            out.append(box | ({"placeholder": said[name]} if part else {}))
    return [one | {"label": f"File: {_lower_first(one['label'])}"} for one in out]


def _lower_first(label):
    return label if label[:2].isupper() else label[0].lower() + label[1:]


def _percent(share):
    return "none" if share is None else f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def _median(some):
    return statistics.median(p.error for p in some) if some else None


def _p80(some):
    return compare.quantile([p.error for p in some], 0.8) if some else None


def _inside(some):
    told = [p.inside for p in some if p.inside is not None]
    return sum(told) / len(told) if told else None


def _headline(medians, shown, state, mine):
    said = AGAINST[state["against"]]
    choice = "Half are within" if state["against"] != "ceiling" else "Spec sheet: half are within"
    out = [
        {
            "label": choice,
            "value": _percent(_median(shown)),
            "unit": "of the measurement" if shown else "",
            "note": f"{len(shown):,} rows; prediction: {said}",
            "explain": _definition(shown),
        }
    ]
    others = {
        "fitted": ("Fitted to all rows", "the fit has seen them; the other calculators show it"),
        "ceiling": ("The spec sheet alone", "no fit; the gap is what measuring adds"),
    }
    out += [
        {
            "label": f"{title}: half are within",
            "value": _percent(medians[name]),
            "unit": "of the measurement" if medians[name] is not None else "",
            "note": note if medians[name] is not None else "memory has no ceiling to compare with",
            "explain": "",
        }
        for name, (title, note) in others.items()
        if shown and state["against"] not in (name, "ceiling")
    ]
    if state["against"] != "ceiling":
        out.append(
            {
                "label": "Measurements in the 80% interval",
                "value": _percent(_inside(shown)),
                "unit": "",
                "note": f"four of five are within {_percent(_p80(shown))}" if shown else "",
                "explain": "",
            }
        )
    if mine:
        told = points(mine, "fitted")
        out.append(
            {
                "label": "Your file: half are within",
                "value": _percent(_median(told)),
                "unit": "of the measurement" if told else "",
                "note": f"{len(told):,} rows compared, {_percent(_inside(told))} in the interval",
                "explain": "",
            }
        )
    return out


def _definition(shown):
    if not shown:
        return ""
    middle = _median(shown)
    typical = min(shown, key=lambda p: abs(p.error - middle))
    row = typical.row
    return (
        "distance = |predicted / measured - 1|\n"
        f"row {row.id}, {row.metric}: |{digits(typical.predicted)} / {digits(row.measured)} - 1| "
        f"= {_percent(typical.error)}"
    )


def _status(shown, state):
    if not measured_rows():
        text = "The measured rows are not part of this installation."
        return {"level": "warn", "text": text}
    if not shown:
        text = "No measured row matches these filters."
        if state["against"] == "ceiling":
            text = "No measured row with a ceiling matches these filters: memory has none."
        return {"level": "warn", "text": text}
    median, far, held = _median(shown), _p80(shown), _inside(shown)
    text = f"Half of {len(shown):,} measurements are within {_percent(median)} of the prediction, "
    text += f"four of five within {_percent(far)}"
    text += f"; {_percent(held)} lie in the 80% interval." if held is not None else "."
    level = "good" if held is not None and held >= 0.75 else "warn"
    return {"level": level, "text": text}


# the figure


def _on_axes(metric, value):
    """A value as the axes show it: a time between tokens as the rate it makes."""
    return 1e3 / value if metric == "itl_ms" else value


@lru_cache(maxsize=32)
def _published(filters, group, against):
    """The figure without a reader's file; a choice taken back is drawn at once."""
    return _figure(_told(filters, group, against), (), group, against)


def _figure(shown, drawn, group, against):
    if not shown and not drawn:
        return None
    kept = [p for p in shown if p.inside is not False]
    missed = [p for p in shown if p.inside is False]
    name = "in its interval" if against != "ceiling" else "published rows"
    both = [_on_axes(p.row.metric, v) for p in (*shown, *drawn) for v in (p.predicted, p.measured)]
    low, high = _short(min(both) / 1.5), _short(max(both) * 1.5)
    circle = {"color": mark(4), "symbol": "circle", "size": 6, "opacity": 0.55}
    cross = {"color": mark(7), "symbol": "x", "size": 7, "opacity": 0.8}
    traces = [
        _marks(kept, name, circle, low, high),
        _marks(missed, "outside it", cross, low, high),
    ]
    if drawn:
        look = {"color": mark(8), "symbol": "star", "size": 13 if len(drawn) < 100 else 7}
        look["line"] = {"color": TEXT, "width": 1 if len(drawn) < 100 else 0}
        traces.append(_marks(drawn, "your file", look, low, high))
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure(
        [*_band(shown, low, high), _identity(low, high), *(t for t in traces if t["x"])],
        _alt(shown, group, against),
        height=470,
        # Room for any tick: where a margin has to grow or shrink, Plotly draws everything twice.
        margin={"l": 68, "r": 20, "t": 40, "b": 8},
        showlegend=True,
        legend=legend | {"font": {"size": 12, "color": TEXT}},
        xaxis=log_axis(f"measured, {GROUPS[group].unit}", low, high),
        yaxis=log_axis(f"predicted, {GROUPS[group].unit}", low, high),
    )


def _alt(shown, group, against):
    text = (
        f"{GROUPS[group].title}: {len(shown):,} measured values on one axis and their predictions "
        f"on the other, both logarithmic. Prediction: {AGAINST[against]}."
    )
    if not shown:
        return text
    return f"{text} Half lie within {_percent(_median(shown))} of the line where both are equal."


def _marks(some, name, look, low, high):
    """Marks for rows: those at one place make one larger mark, where the farthest off stands."""
    scale = CELLS / math.log(high / low)
    places: dict = {}
    for p in some:
        at = [_on_axes(p.row.metric, v) for v in (p.measured, p.predicted)]
        place = tuple(int(scale * math.log(v / low)) for v in at)
        places.setdefault(place, []).append((p, at))
    top = [max(here, key=lambda one: abs(math.log(one[0].ratio))) for here in places.values()]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name} ({len(some):,})",
        "x": [_short(x) for _, (x, _) in top],
        "y": [_short(y) for _, (_, y) in top],
        "marker": look | {"size": [_size(look["size"], len(here)) for here in places.values()]},
        "text": [_hover(p, len(here)) for (p, _), here in zip(top, places.values(), strict=True)],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _size(least, rows):
    """Width of a mark: a step wider each time the rows at its place double."""
    return round(least + min(1.5 * math.log2(rows), 9), 1)


def _short(value):
    return float(f"{value:.4g}")


def _hover(p, many):
    row, unit = p.row, UNITS[p.row.metric]
    ends = f" ({digits(p.low)} to {digits(p.high)})" if p.low is not None else ""
    more = f"<br>and {many - 1:,} more here" if many > 1 else ""
    return (
        f"{escape(row.id)}: {row.model}<br>{row.gpu}, {row.engine}<br>"
        f"{digits(row.measured)} {unit}, predicted {digits(p.predicted)}{ends}{more}"
    )


def _identity(low, high):
    line = {"color": TEXT, "width": 1.5, "dash": "dot"}
    out = {"type": "scatter", "mode": "lines", "name": "equal", "x": [low, high], "y": [low, high]}
    return out | {"line": line, "hoverinfo": "skip"}


def _band(shown, low, high):
    """Where predictions stand whose interval, of the middle width, holds the measurement."""
    if not shown or shown[0].low is None:
        return []
    ends = [
        sorted(_on_axes(p.row.metric, v) / _on_axes(p.row.metric, p.predicted)
               for v in (p.low, p.high))
        for p in shown
    ]  # fmt: skip
    narrow, wide = (statistics.median(e[i] for e in ends) for i in (0, 1))
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "80% interval, middle width",
            "x": [low, high, high, low],
            "y": [low / wide, high / wide, high / narrow, low / narrow],
            "fill": "toself",
            "fillcolor": RULE,
            "opacity": 0.6,
            "line": {"width": 0, "color": QUIET},
            "hoverinfo": "skip",
        }
    ]


# the tables


SIDE_BY_SIDE = {
    "source": "Source left out",
    "card": "Card left out",
    "model": "Model left out",
    "fitted": "Fitted to all",
    "ceiling": "Spec sheet",
}


def _by_group(filters, state):
    """Every choice of prediction beside the others, so that none can be picked to look well."""
    rows = []
    for name, group in GROUPS.items():
        medians = _medians(filters, name)
        told = _told(filters, name, state["against"])
        rows.append(
            [
                group.title,
                f"{len(told):,}",
                *(_percent(medians[against]) for against in SIDE_BY_SIDE),
                _percent(_inside(told)),
            ]
        )
    return {
        "caption": "Half of the rows are within",
        "columns": ["Measured", "Rows", *SIDE_BY_SIDE.values(), "Chosen: in interval"],
        "rows": rows,
        "highlight": [list(GROUPS).index(state["metric"])],
    }


ROW_COLUMNS = ["Row", "What", "Measured", "Predicted", "Off", "Why"]


def _row(p):
    row, unit = p.row, UNITS[p.row.metric]
    return [
        row.id,
        f"{row.model}, {row.gpu}, {row.engine}",
        f"{digits(p.measured)} {unit}",
        f"{digits(p.predicted)} {unit}",
        way(p.ratio),
        _why(row),
    ]


UNITS = {
    **dict.fromkeys(("itl_ms", "ttft_ms"), "ms"),
    **dict.fromkeys(GROUPS["output"].metrics, "tok/s"),
    **dict.fromkeys(GROUPS["memory"].metrics, "GiB"),
    **{"decode_tok_s_per_user": "tok/s", "prefill_tok_s": "tok/s", "e2e_latency_s": "s"},
    **{"kv_cache_tokens": "tokens", "max_concurrency_at_max_model_len": "users"},
}


def _why(row):
    doubted = {one.name: one.title for one in weak_spots.DOUBTS}
    titles = [weak_spots.mode(name).title for name in row.failure_modes]
    titles += [f"row in doubt: {doubted[name]}" for name in row.doubts]
    return "; ".join(titles) or "no rule fires"


def _farthest(shown, state):
    far: dict = {}
    for p in sorted(shown, key=lambda p: -abs(math.log(p.ratio))):
        far.setdefault((p.row.model, p.row.gpu, p.row.engine), p)
    far_rows = list(far.values())[:FARTHEST_ROWS]
    return {
        "caption": f"Farthest off, one for each model, card and engine: {_lower(state['metric'])}",
        "columns": ROW_COLUMNS,
        "rows": [_row(p) for p in far_rows],
        "highlight": [],
        "stack": True,
    }


def _lower(metric):
    return GROUPS[metric].title.lower()


@cache
def _evidence_tables():
    rows = measured_rows()
    if not rows:
        return ()
    modes = weak_spots.evidence(rows)
    of_source = weak_spots.evidence(rows, tuple(_names("source")), lambda row: (row.source,))
    doubted = tuple(one.name for one in weak_spots.DOUBTS)
    doubts = weak_spots.evidence(rows, doubted, lambda row: row.doubts)
    return (
        {
            "caption": "Failure modes: rules that fire before anything is measured",
            "columns": ["Failure mode", *EVIDENCE_COLUMNS, "Verdict"],
            "rows": [
                [one.title, *_numbers(e), _verdict(e)]
                for one, e in zip(weak_spots.MODES, modes, strict=True)
            ],
            "levels": [
                [*[None] * len(EVIDENCE_COLUMNS), "good" if e.is_small else "warn"] for e in modes
            ],
            "highlight": [],
        },
        {
            "caption": "What goes wrong, which rows show it, what to do",
            "columns": ["Failure mode", "What goes wrong", "Rows that show it", "What to do"],
            "rows": [
                [one.title, one.wrong, SMALL * e.is_small + shown_by(e), one.advice]
                for one, e in zip(weak_spots.MODES, modes, strict=True)
            ],
            "highlight": [],
            "stack": True,
        },
        {
            "caption": "Rows that may be wrong themselves",
            "columns": ["Which", "The doubt", "Rows", "Half within", "Their like", "Middle one"],
            "rows": [
                [one.title, one.why, *_counted(e, e.alike)]
                for one, e in zip(weak_spots.DOUBTS, doubts, strict=True)
            ],
            "highlight": [],
            "stack": True,
        },
        {
            "caption": "Source by source",
            "columns": [
                *("Source", "Rows", "Half within", "Source left out", "Middle one"),
                *("Weight of a row", "What its rows say"),
            ],
            "rows": [
                [
                    e.name,
                    *_counted(e, e.unseen),
                    _weight(row for row in rows if row.source == e.name),
                    _measures(e.name),
                ]
                for e in sorted(of_source, key=lambda e: -e.rows)
            ],
            "highlight": [],
        },
    )


def _weight(rows):
    """What rows count in the fit, and where some count less."""
    return " or ".join(f"{weight:g}" for weight in sorted({fit.weight(r.doubts) for r in rows}))


EVIDENCE_COLUMNS = (
    *("Rows", "Half within", "Their like", "Source left out", "Like, left out"),
    "Middle one",
)
SMALL = "Turned out small. "


def _measures(source):
    """What a source measured, the most rows first."""
    count = Counter(GROUP_OF[row.metric] for row in measured_rows() if row.source == source)
    return ", ".join(_lower(name) for name, _ in count.most_common())


def _numbers(e):
    """How many rows, how far off they and their like are, seen and unseen, and which way."""
    return _counted(e, e.alike, e.unseen, e.unseen_alike)


def _counted(e, *others):
    middle = way(e.ratio) if e.rows else "none"
    return [f"{e.rows:,}", *map(_percent, (e.error, *others)), middle]


def _verdict(e):
    if not e.rows:
        return "not measured"
    return "small" if e.is_small else "matters"


def shown_by(evidence):
    """Name the sources and rows that show a failure mode.

    Parameters
    ----------
    evidence : Evidence
        As `failures.evidence` gives it.

    Returns
    -------
    str
        The sources farthest off, and the rows farthest off.

    Examples
    --------
    >>> shown_by(weak_spots.Evidence("a", 4, sources=(("prem", 4, 2.0),), worst=("m1",)))
    'prem, 4 rows: 2 times too hopeful. Farthest: m1.'
    >>> shown_by(weak_spots.Evidence("a", 0))
    'No row can be compared.'
    """
    if not evidence.rows:
        return "No row can be compared."
    by = [f"{s or 'no source'}, {n:,} rows: {way(ratio)}" for s, n, ratio in evidence.sources[:3]]
    return f"{'; '.join(by)}. Farthest: {', '.join(evidence.worst)}."


def way(ratio):
    """Say which way a prediction is off.

    Parameters
    ----------
    ratio : float
        Predicted over measured, speed over speed.

    Returns
    -------
    str
        Such as "12% too hopeful".

    Examples
    --------
    >>> way(1.12), way(0.8), way(1.001), way(3), way(0.25)
    ('12% too hopeful', '20% too careful', 'right', '3 times too hopeful', '4 times too careful')
    """
    if abs(ratio - 1) < 0.005:
        return "right"
    times = max(ratio, 1 / ratio)
    far = f"{digits(times, 2)} times" if times >= 2 else f"{abs(ratio - 1):.0%}"
    return f"{far} too {'hopeful' if ratio > 1 else 'careful'}"


def _sentences(state):
    out = [
        "An 80% interval holds four of five measurements of a source that neither the fit nor the "
        "width has seen. A row far outside it is a wrong label, a failure mode, or news.",
        "A fit that has seen a row knows it. What a source of its own, such as yours, can expect "
        "is what is predicted with the source left out.",
        "Rows that would lie on one another are one mark, the larger the more they are.",
    ]
    if state["metric"] == "speed":
        out.append("Times between tokens are drawn as the rate they make, 1 / time.")
    out.append(
        "Too hopeful: the prediction is faster, or has more room, than what was measured. "
        "Too careful: the other way."
    )
    return out


# a file of the reader's own


class Own:
    """A reader's results: in this process alone, and gone with it.

    Parameters
    ----------
    name : str
        What the file is called.
    lines : list of Line
        As `results.parse` gives them.
    progress : callable, optional
        Called with rows done and rows in all.
    """

    def __init__(self, name, lines, progress=None):
        self.name = printable(name, 60)
        self.lines = lines
        self._progress = progress
        self._told = lru_cache(maxsize=4)(self._rows)

    @property
    def said(self):
        """How much it is, in words."""
        many = len(self.lines)
        return f"{many:,} row{'s' if many > 1 else ''}"

    def rows(self, given):
        """Set the file's rows beside their predictions.

        Parameters
        ----------
        given : tuple of tuple
            Columns and the values that replace the file's.

        Returns
        -------
        tuple of Row
            Those that were skipped included.
        """
        return self._told(given)

    def _rows(self, given):
        return compare.report(self.lines, dict(given), self._progress).rows


def _given(state, names=None):
    given = ((column, state[f"file.{name}"]) for name, column in (names or COLUMN_OF).items())
    return tuple((column, value) for column, value in given if value not in (None, AS_FILE))


def with_file(name="", raw=b"", progress=None):
    """Make this calculator show a file of the reader's own.

    Parameters
    ----------
    name : str
        What the file is called.
    raw : bytes
        What it holds; nothing for the published rows alone.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    SimpleNamespace
        The calculator as before, its view with the file's rows in it.

    Raises
    ------
    BadInput
        When the file is of no kind that is read here.
    """
    own = _own(name, raw, progress) if name else None
    return SimpleNamespace(**globals() | {"view": partial(view, own=own)})


def _own(name, raw, progress):
    text = results.decoded(raw, name)
    if logs.recognises(text):
        return start_up.Log(name, text)
    if kernels.recognises(text):
        return kernel_times.Timings(name, text)
    return Own(name, results.parse(raw, name, OWN_MOST), progress)


def _messages(own, mine, drawn):
    if not own:
        return []
    out = []
    if mine and not drawn:
        held = {GROUPS[GROUP_OF[row.metric]].title for row in mine if row.predicted}
        if held:
            out.append(f"Your file has no row to draw here; it has: {', '.join(sorted(held))}.")
    if any("not stated" in (row.skipped or "") for row in mine):
        out.append("Your file does not say all that a prediction needs: say it beside the file.")
    return [{"level": "info", "field": "", "text": text} for text in out]


OWN_COLUMNS = ["Row", "What", "Measured", "Predicted", "Interval", "Off", "Why"]


def _own_tables(own, mine):
    told_of = sorted(points(mine, "fitted"), key=lambda p: -abs(math.log(p.ratio)))
    skipped = [row for row in mine if row.skipped is not None]
    tables = []
    if told_of:
        far = told_of[:OWN_ROWS]
        said = f"{len(told_of):,} rows compared, {_percent(_inside(told_of))} in their interval"
        tables.append(
            {
                "caption": f"Your file, {own.name}: {said}; the {len(far)} farthest off",
                "columns": OWN_COLUMNS,
                "rows": [_own_row(p) for p in far],
                "levels": [[*[None] * 3, "good" if p.inside else "warn", None, None] for p in far],
                "highlight": [],
                "stack": True,
            }
        )
    if skipped:
        tables.append(
            {
                "caption": f"Rows of your file that could not be compared: {len(skipped):,}",
                "columns": ["Row", "Why not"],
                "rows": [[row.id, _plain(row.skipped)] for row in skipped[:OWN_ROWS]],
                "highlight": [],
                "stack": True,
            }
        )
    return tables


def _plain(reason):
    """A refusal names options of the command line; here they are inputs beside the file."""
    return re.sub(r"\(give --[\w-]+([^)]*)\)", r"(say it beside the file\1)", reason)


def _own_row(p):
    row_id, what, measured, guess, off, why = _row(p)
    what = f"{GROUPS[GROUP_OF[p.row.metric]].title}: {what}"
    return [row_id, what, measured, guess, f"{digits(p.low)} to {digits(p.high)}", off, why]


if __name__ == "__main__":
    keep_understood()
