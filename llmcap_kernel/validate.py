"""Predicted beside measured: rows of a benchmark, the model's answer, and how far apart they are.

Each row becomes a deployment and a load, is predicted by `calibration` (memory rows by the
ledger of `capacity`), and is set beside what was measured. A row that cannot be read or mapped
is skipped with its reason; the rest goes on.
"""

import contextlib
import csv
import json
import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from . import calibration, capacity, results, spellings
from .explain import digits
from .failures import LONG_CONTEXT_TOKENS, MOE_SMALL_BATCH, doubts, failure_modes, mode
from .refuse import BadInput, number, shown
from .spec import MAX_TOKENS

GIB = 2**30
TEXT_ROWS = 40
REASON_CHARS = 240
MAX_VALUE = 1e15

TIMED = (
    "decode_tok_s_per_user",
    "itl_ms",
    "ttft_ms",
    "prefill_tok_s",
    "output_tok_s_total",
    "output_tok_s_per_gpu",
    "total_tok_s",
    "e2e_latency_s",
)
MEMORY = (
    "kv_cache_tokens",
    "kv_cache_gib_available_per_gpu",
    "weights_gib_per_gpu",
    "non_kv_gib_per_gpu",
    "max_concurrency_at_max_model_len",
)
METRICS = TIMED + MEMORY
REGIMES = (
    "batch1_decode",
    "batch1_mixed",
    "batched_decode",
    "moe_small_batch",
    "prefill",
    "prefill_serving",
    "throughput_max",
    "long_context",
    "serving_slo",
    "capacity",
)
# The columns that the command line may fill where a file is silent.
FILLABLE = (
    *("model", "gpu", "engine", "engine_version", "tp", "pp", "ep", "dp_attention"),
    *("weight_dtype", "kv_dtype", "memory_fraction", "max_model_len"),
    *("input_tokens", "output_tokens", "concurrency"),
)
# Rates that a source may give as the most of all, at a concurrency it does not say.
GREATEST = ("output_tok_s_total", "output_tok_s_per_gpu", "total_tok_s")
LEFT_OPEN = 8  # things filled in that are reported of one row
CARDS = ("num_gpus", "tp", "pp", "ep", "dp_attention", "copies")
# The columns that say which deployment it is.
SPELLED = (
    *("model", "model_type", "model_n_params", "layers_on_card", "gpu", "engine"),
    *("engine_version", "weight_dtype", "kv_dtype", "memory_fraction", *CARDS),
)


class Load(NamedTuple):
    """What was measured on a deployment, and under which load.

    Attributes
    ----------
    metric, regime : str
        The quantity and the regime it was measured in [-].
    input_tokens, output_tokens : int or None
        Tokens of a request; None where the source is silent [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows [-].
    context_tokens : int or None
        The longest sequence the engine was started for [tokens].
    cached_tokens : int
        Leading tokens of a prompt that are in the cache already [tokens].
    """

    metric: str
    regime: str
    input_tokens: int | None
    output_tokens: int | None
    concurrency: int | None
    context_tokens: int | None
    cached_tokens: int = 0


class Measurement(NamedTuple):
    """One row of a benchmark, understood.

    Attributes
    ----------
    id : str
        Its name in the file [-].
    value : float
        What was measured, in the metric's own unit [-].
    spelled : Spelled
        The deployment in the source's spelling [-].
    load : Load
        What was measured and how [-].
    """

    id: str
    value: float
    spelled: spellings.Spelled
    load: Load


class Predicted(NamedTuple):
    """What the model says of a row before it is measured.

    Attributes
    ----------
    value, low, high : float or None
        The prediction and its interval, in the metric's unit; None without one [-].
    ceiling : float or None
        What the spec sheet allows; None for memory [-].
    failure_modes : tuple of str
        Where the model is known to be weak [-].
    reason : str
        Why there is no prediction; "" when there is one [-].
    regime : str or None
        The regime the row belongs to; None when its deployment is unknown [-].
    assumed : tuple of str
        All that the source left open [-].
    interval : str
        Why the interval is as wide as it is [-].
    model, gpu, engine : str
        The catalogue's names, and the engine's family; "" when unknown [-].
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple = ()
    reason: str = ""
    regime: str | None = None
    assumed: tuple = ()
    interval: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""


class Row(NamedTuple):
    """Predicted beside measured.

    Attributes
    ----------
    id, metric, regime : str
        Which row it is [-].
    measured, predicted, low, high, ceiling : float or None
        In the metric's own unit [-].
    failure_modes : tuple of str
        Where the model is known to be weak [-].
    skipped : str or None
        Why it was not predicted; None when it was [-].
    reason : str
        Why the interval is as wide as it is [-].
    model, gpu, engine, source : str
        What was measured, by the catalogue's names, and by whom; "" when unknown [-].
    doubts : tuple of str
        What is doubtful about the row itself, of `failures.DOUBTS` [-].
    left_out : tuple of float or None
        The predictions of fits that never saw its model, its card, its source [-].
    """

    id: str
    metric: str | None
    regime: str | None
    measured: float | None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple = ()
    skipped: str | None = None
    reason: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""
    source: str = ""
    doubts: tuple = ()
    left_out: tuple = (None, None, None)

    @property
    def error(self):
        """Distance of the prediction from the measurement, as a share of it [-]."""
        if self.predicted is None or self.measured is None:
            return None
        return abs(self.predicted / self.measured - 1)

    @property
    def inside(self):
        """Whether the measurement lies in the interval [-]."""
        if self.low is None or self.high is None or self.measured is None:
            return False
        return self.low <= self.measured <= self.high


# reading a row


def fill_of(**options):
    """Check the options that fill what a file does not say.

    Parameters
    ----------
    **options : str or float
        Values by the names in `FILLABLE`; None and "" are left out [-].

    Returns
    -------
    dict
        What was given [-].

    Raises
    ------
    BadInput
        When a name is not in the catalogue.

    Examples
    --------
    >>> fill_of(gpu="H100 SXM", tp=2, model=None)
    {'gpu': 'H100 SXM', 'tp': 2}
    """
    given = {name: value for name, value in options.items() if not _blank(value)}
    catalog, unknown = spellings.catalog, set(given) - set(FILLABLE)
    if unknown:
        raise BadInput("option", f"option {shown(min(unknown))} fills no column.")
    # a name nobody knows is told at once, with the nearest, and not row by row
    if "model" in given and not spellings.model_name(given["model"]):
        catalog.model(given["model"])
    if "gpu" in given and not spellings.card(given["gpu"]).name:
        catalog.gpu(given["gpu"])
    if (
        "weight_dtype" in given
        and not spellings.weight_format(given["weight_dtype"], "", "bf16").name
    ):
        catalog.one_of("weights", given["weight_dtype"], catalog.formats())
    if "kv_dtype" in given and not spellings.kv_format(given["kv_dtype"], "bf16").name:
        catalog.one_of("kv", given["kv_dtype"], catalog.formats(kv=True))
    return given


def _blank(value):
    return value is None or (isinstance(value, str) and not value.strip())


def _text(fields, name):
    value = fields.get(name)
    if _blank(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadInput(name, f"{name} is {shown(value)}: it takes text")
    text = str(value) if isinstance(value, str) or abs(value) < MAX_VALUE else "huge"
    if len(text) > results.MAX_CELL:
        raise BadInput(name, f"{name} has {len(text):,} characters: it takes a name")
    return text


def _number(fields, name, low, high, unit=""):
    """A number of a row; None when the row is silent."""
    value = fields.get(name)
    if _blank(value):
        return None
    if isinstance(value, str) and len(value) <= results.MAX_CELL:
        return _read_number(name, value, low, high, unit)
    return number(name, value, low, high, unit)


@lru_cache(maxsize=65_536)
def _read_number(name, text, low, high, unit):
    """Read a cell; the same few lengths and batches stand in most rows of a file."""
    value = text
    with contextlib.suppress(ValueError):  # what is no number is refused below, in words
        value = float(text)
    return number(name, value, low, high, unit)


def _count(fields, name, low, high, unit=""):
    value = _number(fields, name, low, high, unit)
    return None if value is None else round(value)


def measurement(line, fill=None):
    """Understand one line of a benchmark.

    Parameters
    ----------
    line : Line
        As `results.read` gives it [-].
    fill : mapping, optional
        Values for columns where the line is silent, by the names in `FILLABLE` [-].

    Returns
    -------
    Measurement
        What was measured, on what [-].

    Raises
    ------
    BadInput
        When a value is missing, no number or out of range.

    Examples
    --------
    >>> line = results.Line("a", {"metric": "itl_ms", "value": "9.5", "concurrency": "1"})
    >>> made = measurement(line, {"model": "llama-3.1-8b", "gpu": "l4"})
    >>> made.value, made.load.concurrency
    (9.5, 1)
    """
    if line.problem:
        raise BadInput("row", line.problem)
    fields = dict(line.fields)
    for name, value in (fill or {}).items():
        if _blank(fields.get(name)) or (name == "model" and _is_served_name(fields)):
            fields[name] = value
    if _blank(fields.get("engine")):
        fields["engine"] = fields.get("client_of", "")
    metric = _text(fields, "metric").strip()
    if metric not in METRICS:
        raise BadInput("metric", f"metric {shown(metric)} is not one that is predicted")
    value = _value(fields, metric)
    spelled = _spelled_of(fields)
    users = _count(fields, "concurrency", 0, 1e7, "requests") or None
    if users is None and metric in GREATEST:
        spelled = spelled._replace(greatest=True)
    prompt, answer = _lengths(fields)
    load = Load(
        metric=metric,
        regime=_text(fields, "regime").strip(),
        input_tokens=prompt,
        output_tokens=answer,
        concurrency=users,
        context_tokens=_count(fields, "max_model_len", 1, MAX_TOKENS, "tokens"),
        cached_tokens=_count(fields, "cached_tokens", 0, MAX_TOKENS, "tokens") or 0,
    )
    return Measurement(line.where, value, spelled, load)


def _lengths(fields):
    """Prompt and answer of a request; a client may know no more than their sum."""
    prompt = _count(fields, "input_tokens", 0, MAX_TOKENS, "tokens")
    answer = _count(fields, "output_tokens", 0, MAX_TOKENS, "tokens") or None
    both = _count(fields, "request_tokens", 1, MAX_TOKENS, "tokens")
    if both and prompt is None and answer is None:
        told = f"input_tokens is not stated: the file has {both:,} tokens a request, prompt and"
        raise BadInput("input", f"{told} answer together (give --input)")
    if both and prompt is None:
        prompt = max(both - answer, 1)
    if both and answer is None:
        answer = max(both - prompt, 1)
    return 1 if prompt == 0 else prompt, answer  # generation from an empty context reads one


def _is_served_name(fields):
    """Whether a client's model name is one its server made up."""
    name = fields.get("model")
    return bool(fields.get("from_client")) and not (
        isinstance(name, str) and spellings.model_name(name[: results.MAX_CELL])
    )


def _value(fields, metric):
    value, unit = _number(fields, "value", 1e-9, MAX_VALUE), _text(fields, "unit").strip().lower()
    if value is None:
        raise BadInput("value", "value is missing")
    wanted = "ms" if metric.endswith("_ms") else "s" if metric.endswith("_latency_s") else ""
    if wanted and unit in results.SECONDS and results.SECONDS[unit] != results.SECONDS[wanted]:
        raise BadInput("unit", f"unit is {shown(unit)}: {metric} takes {wanted}")
    return value


def _left_open(fields):
    """What a row's own column says was filled in where its source is silent."""
    text = fields.get("assumed")
    items = text[:4000].split(";") if isinstance(text, str) else ()
    return tuple(printable(item.strip(), 80) for item in items if item.strip())[:LEFT_OPEN]


def _spelled_of(fields):
    """The deployment in the row's spelling; rows of one deployment share the work."""
    cells = tuple((c, fields[c]) for c in SPELLED if fields.get(c) not in (None, ""))
    try:
        spelled = _spelled(cells)
    except TypeError:  # a list or a table where a name should stand
        spelled = _spelled.__wrapped__(cells)
    left_open = _left_open(fields)
    return spelled._replace(left_open=left_open) if left_open else spelled


@lru_cache(maxsize=16_384)
def _spelled(cells):
    fields = dict(cells)
    split: dict = {name: _count(fields, name, 0, 4096) or 0 for name in CARDS}
    return spellings.Spelled(
        model=_model(fields),
        gpu=_text(fields, "gpu"),
        engine=_text(fields, "engine"),
        version=_text(fields, "engine_version"),
        weights=_text(fields, "weight_dtype"),
        kv=_text(fields, "kv_dtype"),
        memory_fraction=_number(fields, "memory_fraction", 0.05, 1) or 0.0,
        **split,
    )


def _model(fields):
    """The model's spelling; llama-bench may know no more than a type and a size."""
    text, kind = _text(fields, "model"), _text(fields, "model_type")
    name = spellings.model_name(text)
    params = _number(fields, "model_n_params", 1, 1e15) if kind else None
    if params and (not name or text == kind):  # the type's "llama 7B" may be a Mistral
        text = spellings.model_of_size(kind, params) or text
        name = spellings.model_name(text)
    on_card = fields.get("layers_on_card")
    if name and not _blank(on_card):
        layers = spellings.catalog.model(name).layers
        held = _count(fields, "layers_on_card", -1, 1e6)
        if 0 <= held < layers:
            raise BadInput("ngl", f"only {held} of {layers} layers are on the card")
    return text


def regime_of(load, moe=False):
    """Say which regime a measurement belongs to where its source does not.

    Parameters
    ----------
    load : Load
        What was measured; its own regime stands when it is a known one [-].
    moe : bool
        Whether the model has experts [-].

    Returns
    -------
    str
        One of `REGIMES` [-].

    Examples
    --------
    >>> regime_of(Load("ttft_ms", "", 1000, 100, 32, None))
    'prefill_serving'
    """
    one = load.concurrency == 1
    if load.regime in REGIMES:
        return load.regime
    if load.metric in MEMORY:
        return "capacity"
    if load.metric == "prefill_tok_s":
        return "prefill"
    if load.metric == "ttft_ms":
        return "prefill" if one else "prefill_serving"
    if _context(load) > LONG_CONTEXT_TOKENS:
        return "long_context"
    if load.metric == "output_tok_s_per_gpu":
        return "throughput_max"  # nobody states a rate by the card but at its peak
    if load.concurrency is None:
        return "throughput_max" if "tok_s" in load.metric else "batched_decode"
    if one:
        mixed = load.metric in ("output_tok_s_total", "total_tok_s")
        return "batch1_mixed" if mixed else "batch1_decode"
    return "moe_small_batch" if moe and load.concurrency <= MOE_SMALL_BATCH else "batched_decode"


def _context(load):
    return (load.input_tokens or 0) + (load.output_tokens or 0)


# predicting a row


def memory_value(deployment, metric, context_tokens):
    """Compute what an engine's start-up log would print.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    metric : str
        One of `MEMORY` [-].
    context_tokens : int
        The longest sequence the engine is started for [tokens].

    Returns
    -------
    float
        In the metric's own unit: GiB, tokens or sequences [-].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> round(memory_value(one, "weights_gib_per_gpu", 8192), 1)
    15.0
    """
    books = capacity.ledger(deployment, context_tokens=context_tokens)
    pool = max(books.kv_pool_bytes, 0.0)
    fits = pool / books.kv_bytes_per_sequence * deployment.attention_replicas
    return {
        "weights_gib_per_gpu": books.weights_bytes / GIB,
        "non_kv_gib_per_gpu": (books.weights_bytes + books.overhead_bytes) / GIB,
        "kv_cache_gib_available_per_gpu": pool / GIB,
        "kv_cache_tokens": float(books.kv_pool_tokens),
        "max_concurrency_at_max_model_len": fits,
    }[metric]


@lru_cache(maxsize=65_536)
def predicted(spelled, load):
    """Predict one row, or say why not.

    Parameters
    ----------
    spelled : Spelled
        The deployment in the source's spelling [-].
    load : Load
        What was measured and how [-].

    Returns
    -------
    Predicted
        Value, interval, ceiling and known weaknesses [-].
    """
    meant = spellings.meaning(spelled)
    if meant.deployment is None:
        return Predicted(reason=meant.reason)
    load, known = _known(meant, load)
    try:
        made = _memory(meant, load) if load.metric in MEMORY else _timed(meant, load)
    except BadInput as problem:
        made = Predicted(reason=str(problem))
    except (ArithmeticError, TypeError, ValueError) as problem:
        told = f"the law gives no number here ({type(problem).__name__})"
        made = Predicted(reason=told)
    return made._replace(**known)


def _known(meant, load):
    """The load with its regime, and what is known of a row before it is predicted."""
    d = meant.deployment
    load = load._replace(regime=regime_of(load, bool(d.model.experts)))
    sizes = (load.input_tokens, load.output_tokens, load.concurrency, load.regime)
    return load, {
        "failure_modes": failure_modes(
            d, meant.family, *sizes, metric=load.metric, assumed=meant.assumed
        ),
        "regime": load.regime,
        "assumed": meant.assumed + meant.taken,
        "model": d.model.name,
        "gpu": d.gpu.name,
        "engine": meant.family,
    }


def _memory(meant, load):
    longest = meant.deployment.model.max_context_tokens
    value = memory_value(meant.deployment, load.metric, load.context_tokens or longest)
    half = value * calibration.CAPACITY_SHARE.get(load.metric, 0.05)
    return _finite(value, value - half, value + half, None, "")


def _timed(meant, load):
    made = calibration.estimate(
        meant.deployment,
        metric=load.metric,
        family=meant.family,
        input_tokens=load.input_tokens,
        output_tokens=load.output_tokens,
        concurrency=load.concurrency,
        regime=load.regime,
        cached_tokens=load.cached_tokens,
        copies=meant.copies,
    )
    return _finite(made.value, made.low, made.high, made.ceiling, made.reason)


def _finite(value, low, high, ceiling, reason):
    """Strict JSON has no NaN: what is no number is a row without a prediction."""
    good = [_plain_number(x) for x in (value, low, high)]
    if any(x is None for x in good):
        return Predicted(reason=reason or "no prediction")
    return Predicted(good[0], good[1], good[2], _plain_number(ceiling), interval=reason)


def _plain_number(value):
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def row(line, fill=None):
    """Set one line of a benchmark beside its prediction.

    Parameters
    ----------
    line : Line
        As `results.read` gives it [-].
    fill : mapping, optional
        Values for columns where the line is silent [-].

    Returns
    -------
    Row
        Predicted beside measured, or the reason it was skipped [-].
    """
    return _row(line, fill)[0]


def _row(line, fill):
    """The row, and what was assumed to predict it."""
    name = printable(line.where, 80)
    try:
        made = measurement(line, fill)
    except BadInput as problem:
        metric = line.fields.get("metric")
        known = metric if isinstance(metric, str) and metric in METRICS else None
        said = printable(str(problem), REASON_CHARS).rstrip(".")
        return Row(name, known, None, _measured(line), skipped=said), ()
    answer = predicted(made.spelled, made.load)
    skipped = None
    if answer.value is None:
        skipped = printable(answer.reason, REASON_CHARS).rstrip(".")
    out = Row(
        name,
        made.load.metric,
        answer.regime,
        made.value,
        answer.value,
        answer.low,
        answer.high,
        answer.ceiling,
        answer.failure_modes,
        skipped,
        answer.interval,
        answer.model,
        answer.gpu,
        answer.engine,
        printable(str(line.fields.get("source_id") or ""), 80),
        doubts(line.fields),
    )
    return out, answer.assumed


def _measured(line):
    try:
        return _number(line.fields, "value", 1e-9, MAX_VALUE)
    except BadInput:
        return None


def printable(text, longest):
    """Keep a stranger's text from steering a terminal, and short.

    Parameters
    ----------
    text : str
        The text [-].
    longest : int
        Characters to keep [-].

    Returns
    -------
    str
        The text with a question mark for whatever is not plain [-].

    Examples
    --------
    >>> printable("a" + chr(27) + "b", 20), printable("abcdefgh", 6)
    ('a?b', 'abc...')
    """
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


# a whole file


def quantile(values, share):
    """Give the value below which a share of some values lies, between two by a straight line.

    Parameters
    ----------
    values : iterable of float
        The values, not empty [-].
    share : float
        From 0 to 1 [-].

    Returns
    -------
    float
        The quantile [-].

    Examples
    --------
    >>> quantile([1, 2, 3, 4, 5], 0.8)
    4.2
    """
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True)
class Report:
    """A benchmark beside its predictions.

    Attributes
    ----------
    rows : tuple of Row
        In the order of the file [-].
    assumptions : dict of str to int
        What sources left open, and in how many rows [-].
    """

    rows: tuple
    assumptions: dict = field(default_factory=dict)

    @property
    def compared(self):
        """The rows that were predicted [-]."""
        return tuple(r for r in self.rows if r.skipped is None)

    @property
    def summary(self):
        """Counts, errors over all rows and by regime, and what was assumed [-]."""
        done = self.compared
        by_regime: dict[str, list] = {}
        for one in done:
            by_regime.setdefault(one.regime, []).append(one)
        reasons = Counter(r.skipped for r in self.rows if r.skipped is not None)
        return {
            "rows": len(self.rows),
            "predicted": len(done),
            "skipped": len(self.rows) - len(done),
            **_errors(done),
            "by_regime": {n: {"rows": len(r), **_errors(r)} for n, r in sorted(by_regime.items())},
            "failure_modes": dict(Counter(m for r in done for m in r.failure_modes)),
            "skipped_reasons": dict(reasons.most_common(20)),
            "assumptions": dict(self.assumptions),
        }

    def as_dict(self):
        """Turn the report into plain data for strict JSON.

        Returns
        -------
        dict
            Rows and summary [-].
        """
        keep = ("id", "metric", "measured", "predicted", "low", "high", "ceiling")
        last = ("skipped", "reason")
        rows = [
            {name: getattr(r, name) for name in keep}
            | {"failure_modes": list(r.failure_modes)}
            | {name: getattr(r, name) for name in last}
            for r in self.rows
        ]
        return {"rows": rows, "summary": self.summary}

    def json(self):
        """Write the report as strict JSON, a row to the line.

        Returns
        -------
        str
            What `as_dict` holds [-].
        """
        told = self.as_dict()
        rows = ",\n ".join(json.dumps(one, allow_nan=False) for one in told["rows"])
        summary = json.dumps(told["summary"], indent=1, allow_nan=False)
        return f'{{"rows": [\n {rows}\n],\n"summary": {summary}}}'

    def text(self):
        """Write the report for a terminal: the worst rows first, then the summary.

        Returns
        -------
        str
            An aligned table and the summary [-].
        """
        return "\n".join([*self._table(), *self._summary_lines()])

    def _table(self):
        worst = sorted(self.compared, key=lambda r: -r.error)[:TEXT_ROWS]
        if not worst:
            return ["no row could be predicted"]
        table = [("id", "metric", "measured", "predicted", "interval", "error", "failure modes")]
        table += [
            (
                r.id[:40],
                r.metric,
                digits(r.measured),
                digits(r.predicted),
                f"{digits(r.low)} to {digits(r.high)}",
                f"{r.error:.0%}",
                ", ".join(r.failure_modes),
            )
            for r in worst
        ]
        widths = [max(len(cells[i]) for cells in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True)).rstrip()
            for cells in table
        ]
        more = len(self.compared) - len(worst)
        return [*lines, f"and {more:,} rows that are closer"] if more else lines

    def _summary_lines(self):
        told = self.summary
        out = ["", f"{told['rows']:,} rows, {told['predicted']:,} predicted"]
        out[-1] += f", {told['skipped']:,} skipped"
        if told["predicted"]:
            out.append(
                f"{'':18}{'rows':>8}{'median error':>14}{'80% below':>11}{'in interval':>13}"
            )
            groups = {"all": {"rows": told["predicted"], **told}, **told["by_regime"]}
            groups["all"]["rows"] = told["predicted"]
            for name, one in groups.items():
                out.append(
                    f"{name:18}{one['rows']:>8,}{one['median_abs_rel_error']:>14.1%}"
                    f"{one['p80_abs_rel_error']:>11.1%}{one['inside_interval']:>13.1%}"
                )
        widths = Counter(r.reason for r in self.compared if r.reason)
        for title, counts in (
            ("interval", dict(widths.most_common(5))),
            ("failure mode", self._modes()),
            ("skipped", told["skipped_reasons"]),
            ("assumed", told["assumptions"]),
        ):
            out += [f"{title} {count:,}x: {text}" for text, count in list(counts.items())[:10]]
        return out

    def _modes(self):
        counts = Counter(m for r in self.compared for m in r.failure_modes)
        return {f"{m}, {mode(m).title}": count for m, count in counts.most_common()}


def _errors(rows):
    if not rows:
        nothing = ("median_abs_rel_error", "p80_abs_rel_error", "inside_interval")
        return dict.fromkeys(nothing)
    errors = [r.error for r in rows]
    return {
        "median_abs_rel_error": statistics.median(errors),
        "p80_abs_rel_error": quantile(errors, 0.8),
        "inside_interval": sum(r.inside for r in rows) / len(rows),
    }


def report(lines, fill=None, progress=None):
    """Set the lines of a benchmark beside their predictions.

    Parameters
    ----------
    lines : list of Line
        As `results.read` gives them [-].
    fill : mapping, optional
        Values for columns where a line is silent [-].
    progress : callable, optional
        Called with rows done and rows in all [-].

    Returns
    -------
    Report
        Rows in the order of the file [-].
    """
    rows: list[Row] = []
    assumptions: Counter[str] = Counter()
    for done, line in enumerate(lines, 1):
        made, assumed = _row(line, fill)
        rows.append(made)
        assumptions.update(assumed)
        if progress is not None:
            progress(done, len(lines))
    return Report(tuple(rows), dict(assumptions.most_common()))


def bar(stream, width=30):
    """Make a progress bar for a terminal; nothing is drawn elsewhere.

    Parameters
    ----------
    stream : file
        Where to draw, the standard error [-].
    width : int
        Characters of the bar [-].

    Returns
    -------
    callable or None
        To be called with rows done and rows in all; None when the stream is no
        terminal [-].
    """
    if not stream.isatty():
        return None

    def draw(done, total):
        step = max(total // 100, 1)
        if total < 2000 or (done % step and done != total):
            return
        full = width * done // total
        stream.write(f"\r[{'#' * full}{'.' * (width - full)}] {done:,} of {total:,} rows")
        stream.write("\r\033[K" if done == total else "")
        stream.flush()

    return draw


def run(path, fill=None, progress=None):
    """Set a benchmark file beside its predictions.

    Parameters
    ----------
    path : str or Path
        The file, in any of the forms `results.read` knows [-].
    fill : mapping, optional
        Values for columns where the file is silent [-].
    progress : callable, optional
        Called with rows done and rows in all [-].

    Returns
    -------
    Report
        Rows in the order of the file [-].

    Raises
    ------
    BadInput
        When the file cannot be read at all.
    """
    return report(results.read(path), fill, progress)


# predictions that were kept


PREDICTIONS = ("predicted", "low", "high", "ceiling")
LEFT_OUT = ("left_out_model", "left_out_card", "left_out_source")


def understood(path):
    """Read measured rows without predicting them.

    Parameters
    ----------
    path : str or Path
        A file in the columns of `benchmarks/measured.csv` [-].

    Returns
    -------
    tuple of Row
        The rows whose deployment is known, in the order of the file [-].

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    rows = []
    for line in results.read(path):
        with contextlib.suppress(BadInput):
            rows.append(_understood(line))
    return tuple(rows)


def _understood(line):
    made = measurement(line)
    meant = spellings.meaning(made.spelled)
    if meant.deployment is None:
        raise BadInput("row", meant.reason)
    load, known = _known(meant, made.load)
    return Row(
        line.where,
        load.metric,
        load.regime,
        made.value,
        failure_modes=known["failure_modes"],
        model=known["model"],
        gpu=known["gpu"],
        engine=known["engine"],
        source=line.fields.get("source_id", ""),
        doubts=doubts(line.fields),
    )


def kept(measured, predicted):
    """Join a file of measured rows with predictions that `llmcap calibrate` wrote.

    Parameters
    ----------
    measured, predicted : str or Path
        Files as `understood` and `answered` read them [-].

    Returns
    -------
    tuple of Row
        The measured rows that were predicted, in the order of the first file [-].

    Raises
    ------
    BadInput
        When a file cannot be read.
    """
    return answered(understood(measured), predicted)


def answered(rows, predicted):
    """Join measured rows with predictions that `llmcap calibrate` wrote, computing none.

    Parameters
    ----------
    rows : iterable of Row
        As `understood` gives them [-].
    predicted : str or Path
        A CSV with the columns id, predicted, low, high, ceiling, left_out_model,
        left_out_card and left_out_source, empty where there is no number [-].

    Returns
    -------
    tuple of Row
        The rows that were predicted, in the same order [-].

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    answers = _answers(predicted)
    return tuple(row._replace(**answers[row.id]) for row in rows if row.id in answers)


def _answers(path):
    """Predictions by row; our own file, so a cell that is no number is the file's fault."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        at = [header.index(name) for name in ("id", *PREDICTIONS, *LEFT_OUT)]
        out = {}
        for line in lines:
            name, *cells = [line[i] for i in at]
            value, low, high, ceiling, *left_out = [float(x) if x else None for x in cells]
            if value is not None:
                numbers = dict(zip(PREDICTIONS, (value, low, high, ceiling), strict=True))
                out[name] = {**numbers, "left_out": tuple(left_out)}
    except (OSError, IndexError, ValueError) as problem:
        told = f"file {shown(str(path))} cannot be read: {type(problem).__name__}."
        raise BadInput("file", told) from None
    return out
