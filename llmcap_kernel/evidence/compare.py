"""Rows of a benchmark: the measurement, the prediction, and the error.

Each row becomes a deployment and a load. `calibration` predicts it (the ledger of `capacity`
predicts memory rows), and the prediction is compared with the measured value. A row that cannot
be read or mapped is skipped with a reason; the other rows are still compared.
"""

import contextlib
import csv
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from .. import calibration, capacity, catalog, huggingface
from ..catalog import names
from ..explain import digits
from ..refuse import BadInput, number, one_of, shown
from ..serving import load_work, most_running
from ..spec import MAX_TOKENS, SERVERS, Deployment, Gpu, Model, Workload
from . import open_loop, results, stated
from .results import Fields, Line
from .weak_spots import LONG_CONTEXT_TOKENS, MOE_SMALL_BATCH, doubts, failure_modes

WEIGHTS_OFF = 0.01  # 80% of the weights that start-ups print lie within this share
GIB = 2**30
REASON_CHARS = 240
REASONS = 3  # told of a file that has no row to compare
MAX_VALUE = 1e15
BEYOND = 3.0  # times the ceiling: no wrong label makes a measurement so fast
HOSTS = ("x86",)  # families of the catalogue's CPUs
DEFAULT_TOKENS = 128  # a source that names no lengths ran a short benchmark
# Where a loop's output is timed apart from its prompts.
DECODE_REGIMES = ("batch1_decode", "batched_decode", "moe_small_batch")
# Rates that deployments side by side add up to.
ADDED_UP = ("output_tok_s_total", "total_tok_s")
Progress = Callable[[int, int], object]  # takes the rows done and the rows in total

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
# The columns that an option replaces, whatever a file states; the name of each option.
OPTIONS = {
    **{"model": "model", "gpu": "gpu", "engine": "engine", "engine_version": "engine-version"},
    **{"tp": "tp", "pp": "pp", "ep": "ep", "dp_attention": "dp-attention"},
    **{"weight_dtype": "weights", "kv_dtype": "kv", "memory_fraction": "memory-fraction"},
    **{"max_model_len": "context", "input_tokens": "input", "output_tokens": "output"},
    "concurrency": "concurrency",
}
# Rates that a source may give as a maximum, at a concurrency that it does not state.
GREATEST = ("output_tok_s_total", "output_tok_s_per_gpu", "total_tok_s")
LEFT_OPEN = 8  # items of the column `assumed` that are reported for one row
YES, NO = ("yes", "true", "y", "on"), ("no", "false", "n", "off")
CARDS = ("num_gpus", "tp", "pp", "ep", "dp_attention", "copies")
# The columns that describe the deployment.
SPELLED = (
    *("model", "model_type", "model_n_params", "layers_on_card", "gpu", "engine"),
    *("engine_version", "weight_dtype", "kv_dtype", "memory_fraction", *CARDS),
    *("max_num_seqs", "max_num_batched_tokens"),
)


class Load(NamedTuple):
    """The quantity measured on a deployment, and the load.

    Attributes
    ----------
    metric, regime : str
        The quantity and the regime of the measurement.
    input_tokens, output_tokens : int or None
        Tokens of a request; None where they are not stated [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows.
    context_tokens : int or None
        The longest sequence that the engine was started for [tokens].
    cached_tokens : int
        Leading tokens of a prompt that are in the cache already [tokens].
    request_rate : float or None
        Requests sent each second whether others are answered or not; None for users who wait
        for their answer [requests/s].
    requests : int or None
        Requests of such a run; None where they are not stated.
    limit : int or None
        Requests that such a run lets in flight at most; None for no limit.
    """

    metric: str
    regime: str
    input_tokens: int | None
    output_tokens: int | None
    concurrency: int | None
    context_tokens: int | None
    cached_tokens: int = 0
    request_rate: float | None = None
    requests: int | None = None
    limit: int | None = None


class Measurement(NamedTuple):
    """One row of a benchmark, parsed.

    Attributes
    ----------
    id : str
        Its identifier in the file.
    value : float
        The measured value, in the metric's own unit.
    spelled : Spelled
        The deployment in the source's spelling.
    load : Load
        The quantity and the load.
    """

    id: str
    value: float
    spelled: stated.Spelled
    load: Load


class Predicted(NamedTuple):
    """The prediction of a row.

    Attributes
    ----------
    value, low, high : float or None
        The prediction and its interval, in the metric's unit; None without one.
    ceiling : float or None
        The limit of the spec sheet; None for memory.
    failure_modes : tuple of str
        The failure modes that apply.
    reason : str
        Why there is no prediction; "" when there is one.
    regime : str or None
        The regime of the row; None when its deployment is unknown.
    assumed : tuple of str
        All assumptions, those of little effect included.
    interval : str
        The reason for the width of the interval.
    model, gpu, engine : str
        The catalogue's names, and the engine's family; "" when unknown.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple[str, ...] = ()
    reason: str = ""
    regime: str | None = None
    assumed: tuple[str, ...] = ()
    interval: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""


class Row(NamedTuple):
    """A measurement and its prediction.

    Attributes
    ----------
    id, metric, regime : str
        The row's identifier, quantity and regime.
    measured, predicted, low, high, ceiling : float or None
        In the metric's own unit.
    failure_modes : tuple of str
        The failure modes that apply.
    skipped : str or None
        Why it was not predicted; None when it was.
    reason : str
        The reason for the width of the interval.
    model, gpu, engine, source : str
        The catalogue's names, and the source; "" when unknown.
    doubts : tuple of str
        The doubts about the row itself, names of `failures.DOUBTS`.
    left_out : tuple of float or None
        The predictions of fits that left out its model, its card, its source.
    """

    id: str
    metric: str | None
    regime: str | None
    measured: float | None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple[str, ...] = ()
    skipped: str | None = None
    reason: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""
    source: str = ""
    doubts: tuple[str, ...] = ()
    left_out: tuple[float | None, ...] = (None, None, None)

    @property
    def error(self) -> float | None:
        """Relative error of the prediction; None without one."""
        if self.predicted is None or self.measured is None:
            return None
        return abs(self.predicted / self.measured - 1)

    @property
    def inside(self) -> bool:
        """Whether the measurement lies in the interval."""
        if self.low is None or self.high is None or self.measured is None:
            return False
        return self.low <= self.measured <= self.high


# reading a row


def options_of(config: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Check the options that replace what a file states.

    Parameters
    ----------
    config : str or Path, optional
        A config.json, the model of all rows.
    **options : str or float or record
        Values by the names in `OPTIONS`; None and "" are left out.

    Returns
    -------
    dict
        The options that have a value, by column.

    Raises
    ------
    BadInput
        When a name is not in the catalogue, or the config cannot be read.

    Examples
    --------
    >>> options_of(gpu="H100 SXM", tp=2, model=None)
    {'gpu': 'H100 SXM', 'tp': 2}
    """
    given = {name: value for name, value in options.items() if not _blank(value)}
    unknown = set(given) - set(OPTIONS)
    if unknown:
        raise BadInput("option", f"option {shown(min(unknown))} replaces no column.")
    if config is not None and not _blank(config):
        if "model" in given:
            raise BadInput("model", "model is given twice: give --model NAME or --config FILE.")
        given["model"] = huggingface.load(config)
    model, gpu = given.get("model"), given.get("gpu")
    # an unknown name is refused at once, with the nearest one, and not row by row
    if isinstance(model, str) and not names.model_name(model):
        catalog.model(model)
    if isinstance(gpu, str) and not names.card(gpu).name:
        catalog.gpu(gpu)
    for column, kind in (("weight_dtype", "weights"), ("kv_dtype", "kv")):
        text, kv = str(given.get(column, "auto")), kind == "kv"
        if catalog.key(text) != "auto" and not names.read_format(text, kv=kv).name:
            one_of(kind, text, catalog.formats(kv=kv))
    return given


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if _blank(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadInput(name, f"{name} is {shown(value)}: it takes text")
    text = str(value) if isinstance(value, str) or abs(value) < MAX_VALUE else "huge"
    if len(text) > results.MAX_CELL:
        raise BadInput(name, f"{name} has {len(text):,} characters: it takes a name")
    return text


def _number(fields: Fields, name: str, low: float, high: float, unit: str = "") -> float | None:
    """A number of a row; None when the row does not state it."""
    value = fields.get(name)
    if _blank(value):
        return None
    if isinstance(value, str) and len(value) <= results.MAX_CELL:
        return _read_number(name, value, low, high, unit)
    return number(name, value, low, high, unit)


@lru_cache(maxsize=65_536)
def _read_number(name: str, text: str, low: float, high: float, unit: str) -> float:
    """Read a cell; the same few lengths and batches stand in most rows of a file."""
    value: Any = text
    with contextlib.suppress(ValueError):  # text that is not a number is refused below
        value = float(text)
    return number(name, value, low, high, unit)


def _count(fields: Fields, name: str, low: float, high: float, unit: str = "") -> int | None:
    value = _number(fields, name, low, high, unit)
    return None if value is None else round(value)


def measurement(line: Line, given: Mapping[str, Any] | None = None) -> Measurement:
    """Parse one line of a benchmark.

    Parameters
    ----------
    line : Line
        A line that `results.read` returns.
    given : mapping, optional
        Values that replace those of the line, as `options_of` returns them.

    Returns
    -------
    Measurement
        The value, the deployment and the load.

    Raises
    ------
    BadInput
        When a value is missing, no number or out of range.

    Examples
    --------
    >>> line = results.Line("a", {"metric": "itl_ms", "value": "9.5", "concurrency": "1"})
    >>> parsed = measurement(line, {"model": "llama-3.1-8b", "gpu": "l4"})
    >>> parsed.value, parsed.load.concurrency
    (9.5, 1)
    """
    if line.problem:
        raise BadInput("row", line.problem)
    fields = _replaced(line.fields, given or {})
    metric = _text(fields, "metric").strip()
    if metric not in METRICS:
        raise BadInput("metric", f"metric {shown(metric)} is not one that is predicted")
    value = _value(fields, metric)
    _check_place(fields)
    _check_stated(fields)
    spelled = _spelled_of(fields)
    users = _count(fields, "concurrency", 0, 1e7, "requests") or None
    rate = _number(fields, "request_rate", 1e-6, 1e9, "requests/s")
    record = users is None and rate is None and metric in GREATEST
    if record and not fields.get("from_client"):
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
        request_rate=rate,
        requests=_count(fields, "requests", 1, 1e9, "requests"),
    )
    return Measurement(line.where, value, spelled, load)


def _replaced(stated_fields: Fields, given: Mapping[str, Any]) -> Fields:
    """The fields of a row, with those that an option replaces."""
    fields = dict(stated_fields)
    if _is_plain_name_of(given.get("model"), fields.get("model")):
        given = {name: value for name, value in given.items() if name != "model"}
    if "concurrency" in given:
        fields["request_rate"] = ""
    if "engine" in given and names.family(str(fields.get("engine"))) != names.family(
        str(given["engine"])
    ):
        fields["engine_version"] = ""
    if given.keys() & {"tp", "pp", "ep", "dp_attention"}:
        fields["num_gpus"] = ""  # how many there are follows from how they split the work
    if "tp" in given and fields.get("from_client"):
        fields["pp"] = ""
    fields |= given
    if _blank(fields.get("engine")):
        fields["engine"] = fields.get("client_of", "")
        if fields.get("any_server"):
            taken = f"engine not stated: {fields['engine']} taken"
            fields["assumed"] = "; ".join(filter(None, (fields.get("assumed"), taken)))
    return fields


def _is_plain_name_of(option: Any, spelled: Any) -> bool:
    """Whether an option names the model that a row names too: its spelling may tell the format."""
    if not isinstance(option, str) or not isinstance(spelled, str):
        return False
    known = names.model_name(option)
    return known == option and names.model_name(spelled[: results.MAX_CELL]) == known


def _check_place(fields: Fields) -> None:
    """Refuse to predict on a card what a CPU computed, and on a CPU what a card did."""
    on_cpu = fields.get("on_cpu")
    if not isinstance(on_cpu, bool):
        return
    said = fields.get("gpu")
    if isinstance(said, str):
        name = names.card(said[: results.MAX_CELL]).name
        said = catalog.gpu(name) if name else None
    is_host = isinstance(said, Gpu) and said.family in HOSTS
    if on_cpu and not is_host:
        problem = "backend is CPU: no card computed this (give --gpu with a CPU of the catalogue)"
        raise BadInput("backend", problem)
    if is_host and not on_cpu:
        raise BadInput("backend", "backend is a card's: no CPU computed this")


def _check_stated(fields: Fields) -> None:
    needs = fields.get("needs")
    for name in needs if isinstance(needs, tuple) else ():
        if _blank(fields.get(name)):
            raise BadInput(name, f"{name} is not stated (give --{OPTIONS[name]})")


def _lengths(fields: Fields) -> tuple[int | None, int | None]:
    """Prompt and answer of a request; a client may state only their sum."""
    prompt = _count(fields, "input_tokens", 0, MAX_TOKENS, "tokens")
    answer = _count(fields, "output_tokens", 0, MAX_TOKENS, "tokens") or None
    both = _count(fields, "request_tokens", 1, MAX_TOKENS, "tokens")
    if both and prompt is None and answer is None:
        problem = f"input_tokens is not stated: the file has {both:,} tokens a request, prompt and"
        raise BadInput("input", f"{problem} answer together (give --input)")
    if both and prompt is None:
        prompt = max(both - (answer or 0), 1)
    elif both and answer is None and prompt is not None:
        answer = max(both - prompt, 1)
    return 1 if prompt == 0 else prompt, answer  # generation from an empty context reads one


def _value(fields: Fields, metric: str) -> float:
    value, unit = _number(fields, "value", 1e-9, MAX_VALUE), _text(fields, "unit").strip().lower()
    if value is None:
        raise BadInput("value", "value is missing")
    wanted = "ms" if metric.endswith("_ms") else "s" if metric.endswith("_latency_s") else ""
    if wanted and unit in results.SECONDS and results.SECONDS[unit] != results.SECONDS[wanted]:
        raise BadInput("unit", f"unit is {shown(unit)}: {metric} takes {wanted}")
    return value


def _left_open(fields: Fields) -> tuple[str, ...]:
    """The items of the column `assumed`: values filled in that the source does not state."""
    text = fields.get("assumed")
    items = text[:4000].split(";") if isinstance(text, str) else []
    return tuple(printable(item.strip(), 80) for item in items if item.strip())[:LEFT_OPEN]


def _spelled_of(fields: Fields) -> stated.Spelled:
    """The deployment in the row's spelling; rows of one deployment share the work."""
    cells = tuple((c, fields[c]) for c in SPELLED if fields.get(c) not in (None, ""))
    try:
        spelled = _spelled(cells)
    except TypeError:  # a list or a table where a name should stand
        spelled = _spelled.__wrapped__(cells)
    left_open = _left_open(fields)
    server = names.family(_text(fields, "client_of")) not in ("", "llama.cpp")
    counted = any((spelled.num_gpus, spelled.tp, spelled.pp, spelled.ep, spelled.dp_attention))
    if (
        server
        and not counted
        and isinstance(spelled.gpu, str)
        and not names.card(spelled.gpu).count
    ):
        spelled = spelled._replace(taken=("cards not stated: 1 taken (give --tp)",))
    return spelled._replace(left_open=left_open) if left_open else spelled


@lru_cache(maxsize=16_384)
def _spelled(cells: tuple[tuple[str, Any], ...]) -> stated.Spelled:
    fields = dict(cells)
    gpu, steps = fields.get("gpu"), ("max_num_seqs", "max_num_batched_tokens")
    split = _cards(fields)
    split |= {name: _count(fields, name, 1, 1e7) or 0 for name in steps}
    return stated.Spelled(
        model=_model(fields),
        gpu=gpu if isinstance(gpu, Gpu) else _text(fields, "gpu"),
        engine=_text(fields, "engine"),
        version=_text(fields, "engine_version"),
        weights=_text(fields, "weight_dtype"),
        kv=_text(fields, "kv_dtype"),
        memory_fraction=_number(fields, "memory_fraction", 0.05, 1) or 0.0,
        **split,
    )


def _cards(fields: Fields) -> dict[str, Any]:
    """Cards and how they split the work; "yes" to a way of splitting means all cards of tp."""
    said = {n: str(fields.get(n)).strip().lower() for n in ("ep", "dp_attention")}
    plain = {n: 0 if said.get(n) in NO else v for n, v in fields.items() if said.get(n) not in YES}
    split = {name: _count(plain, name, 0, 4096) or 0 for name in CARDS}
    cards = split["num_gpus"]
    if isinstance(fields.get("gpu"), str):
        cards = cards or names.card(_text(fields, "gpu")).count
    whole = split["tp"] or max(cards // (split["pp"] or 1), 1)
    return split | {name: whole for name, answer in said.items() if answer in YES}


def _model(fields: Fields) -> str | Model:
    """The model's spelling; llama-bench may state only a type and a size."""
    said = fields.get("model")
    if isinstance(said, Model):
        _check_layers(fields, said)
        return said
    text, kind = _text(fields, "model"), _text(fields, "model_type")
    name = names.model_name(text)
    params = _number(fields, "model_n_params", 1, 1e15) if kind else None
    if params and (not name or text == kind):  # the type's "llama 7B" may be a Mistral
        text = stated.model_of_size(kind, params) or text
        name = names.model_name(text)
    if name:
        _check_layers(fields, catalog.model(name))
    return text


def _check_layers(fields: Fields, model: Model) -> None:
    """Reject a row of a model that is on the card only in part."""
    if _blank(fields.get("layers_on_card")):
        return
    loaded = _count(fields, "layers_on_card", -1, 1e6)
    if loaded is not None and 0 <= loaded < model.layers:
        raise BadInput("ngl", f"only {loaded} of {model.layers} layers are on the card")


def regime_of(load: Load, moe: bool = False) -> str:
    """Say which regime a measurement belongs to where its source does not.

    Parameters
    ----------
    load : Load
        What was measured; its own regime stands when it is a known one.
    moe : bool
        Whether the model has experts.

    Returns
    -------
    str
        One of `REGIMES`.

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


def _context(load: Load) -> int:
    return (load.input_tokens or 0) + (load.output_tokens or 0)


# predicting a row


def memory_value(deployment: Deployment, metric: str, context_tokens: int) -> float:
    """Compute what an engine's start-up log would print.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    metric : str
        One of `MEMORY`.
    context_tokens : int
        The longest sequence the engine is started for [tokens].

    Returns
    -------
    float
        In the metric's own unit: GiB, tokens or sequences.

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


@partial(calibration.cache_until_reload, size=65_536)
def predicted(spelled: stated.Spelled, load: Load) -> Predicted:
    """Predict one row, or say why not.

    Parameters
    ----------
    spelled : Spelled
        The deployment in the source's spelling.
    load : Load
        What was measured and how.

    Returns
    -------
    Predicted
        Value, interval, ceiling and known weaknesses.
    """
    return estimated(stated.meaning(spelled), load)


def estimated(meant: stated.Meant, load: Load) -> Predicted:
    """Predict a load on the deployment that a row means, or say why not.

    Parameters
    ----------
    meant : Meant
        The deployment, or the reason why there is none.
    load : Load
        What was measured and how.

    Returns
    -------
    Predicted
        Value, interval, ceiling and known weaknesses.

    Examples
    --------
    >>> meant = stated.meaning(stated.Spelled("llama-3.1-8b", "l4", "vllm"))
    >>> estimated(meant, Load("itl_ms", "", 1000, 100, 1, None)).regime
    'batch1_decode'
    """
    if meant.deployment is None:
        return Predicted(reason=meant.reason)
    try:
        load = _settled(meant, load)
    except BadInput as problem:
        return Predicted(reason=str(problem))
    load, known = _known(meant, load)
    try:
        made = _memory(meant, load) if load.metric in MEMORY else _timed(meant, load)
    except BadInput as problem:
        made = Predicted(reason=str(problem))
    except (ArithmeticError, TypeError, ValueError) as problem:
        told = f"the law gives no number here ({type(problem).__name__})"
        made = Predicted(reason=told)
    return made._replace(**known)


def _deployment(meant: stated.Meant) -> Deployment:
    if meant.deployment is None:
        raise BadInput("row", meant.reason)
    return meant.deployment


def _known(meant: stated.Meant, load: Load) -> tuple[Load, dict[str, Any]]:
    """The load with its regime, and the fields of `Predicted` that need no prediction."""
    d = _deployment(meant)
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


def _memory(meant: stated.Meant, load: Load) -> Predicted:
    d = _deployment(meant)
    longest = d.model.max_context_tokens
    context = load.context_tokens or longest
    value = memory_value(d, load.metric, context)
    books = capacity.ledger(d, context_tokens=context)
    if load.metric == "weights_gib_per_gpu":
        half = WEIGHTS_OFF * value
    else:
        doubt, in_gib = books.doubt_bytes, load.metric.endswith("_per_gpu")
        # what is counted in the room is off by the same share as the room
        half = doubt / GIB if in_gib else value * doubt / max(books.kv_pool_bytes, doubt)
    return _finite(value, max(value - half, 0), value + half, None, "")


class Asked(NamedTuple):
    """The quantity of a load that a row of a benchmark is.

    Attributes
    ----------
    workload : Workload
        The load.
    family : str
        The program: an engine's family, or the loop of a library that serves too.
    loop : bool
        Whether a library's own loop was measured, and not a server.
    quantity : str
        Of `serving.Served`.
    scale : float
        How many of the quantity's units the row's value counts.
    """

    workload: Workload
    family: str
    loop: bool
    quantity: str
    scale: float


def asked(meant: stated.Meant, load: Load) -> Asked:
    """Say which quantity of which load a row of a benchmark is.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.

    Returns
    -------
    Asked
        The load, the program and the quantity.

    Raises
    ------
    BadInput
        When as many users as memory allows are none.
    """
    deployment = _deployment(meant)
    metric = calibration.METRICS[load.metric]
    loop = calibration.in_a_loop(meant.family, load.metric, load.regime)
    prompt = DEFAULT_TOKENS if load.input_tokens is None else max(load.input_tokens, 1)
    answer = DEFAULT_TOKENS if load.output_tokens is None else max(load.output_tokens, 1)
    workload = Workload(prompt, answer, 1, min(load.cached_tokens, prompt - 1))
    users = load.concurrency or _most(deployment, workload)
    scale = metric.scale * (meant.copies if load.metric in ADDED_UP else 1)
    # a library's own loop is another program than the server that is built on it
    family = f"{meant.family} loop" if loop and meant.family in SERVERS else meant.family
    quantity = metric.loop if loop else metric.server
    if quantity == "batch_output_tok_s" and load.regime in DECODE_REGIMES:
        quantity = "decode_tok_s"
    return Asked(replace(workload, concurrency=users), family, loop, quantity, scale)


def _most(deployment: Deployment, workload: Workload) -> int:
    """Requests in flight where a source lets memory, or the engine, set them."""
    users = most_running(deployment, workload)
    if not users:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache")
    return users


def _timed(meant: stated.Meant, load: Load) -> Predicted:
    row, d = asked(meant, load), _deployment(meant)
    open_rate = load.request_rate if load.metric in RATES else None
    if open_rate:  # what the deployment serves at most, whatever it was asked for
        row = row._replace(workload=replace(row.workload, concurrency=_at_most(meant, load)))
    work = load_work(d, row.workload, batch=row.loop)
    estimates = calibration.estimates(d, row.workload, family=row.family, work=work)
    e = estimates.of(row.quantity, bounded=False).scaled(row.scale)
    if open_rate:
        asked_for = open_rate * RATES[load.metric](row.workload, d.num_gpus)
        e = open_loop.rate(e, asked_for, load.concurrency or 1, load.requests)
    return _finite(e.value, e.low, e.high, e.ceiling, e.reason)


# Tokens of a request that a rate counts, for each request a second.
RATES: dict[str, Callable[[Workload, int], float]] = {
    "output_tok_s_total": lambda load, cards: load.output_tokens,
    "output_tok_s_per_gpu": lambda load, cards: load.output_tokens / cards,
    "total_tok_s": lambda load, cards: load.context_tokens,
}


def _at_most(meant: stated.Meant, load: Load) -> int:
    """The most requests in flight of an open loop: the client's limit, or all it sends."""
    limit = min(filter(None, (load.limit, load.requests)), default=0)
    workload = asked(meant, load._replace(concurrency=1)).workload
    return limit or _most(_deployment(meant), workload)


def _settled(meant: stated.Meant, load: Load) -> Load:
    """The load of an open loop with the requests in flight that its rate leads to."""
    rate = load.request_rate
    if rate is None or load.metric in MEMORY:
        return load
    load = load._replace(limit=load.concurrency, concurrency=1)
    row, most = asked(meant, load), _at_most(meant, load)
    each = rate / meant.copies
    users = open_loop.users(_deployment(meant), row.workload, meant.family, each, most)
    if users > most and not load.limit and not load.requests and load.metric not in RATES:
        problem = f"request_rate is {rate:g}: more than the deployment serves, so"
        raise BadInput("request_rate", f"{problem} that its queue grows as long as the run lasts")
    return load._replace(concurrency=min(users, most))


def _finite(value: Any, low: Any, high: Any, ceiling: Any, reason: str) -> Predicted:
    """Strict JSON has no NaN: without finite numbers a row has no prediction."""
    good = [_plain_number(x) for x in (value, low, high)]
    if any(x is None for x in good):
        return Predicted(reason=reason or "no prediction")
    return Predicted(good[0], good[1], good[2], _plain_number(ceiling), interval=reason)


def _plain_number(value: Any) -> float | None:
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def row(line: Line, given: Mapping[str, Any] | None = None) -> Row:
    """Compare one line of a benchmark with its prediction.

    Parameters
    ----------
    line : Line
        A line that `results.read` returns.
    given : mapping, optional
        Values that replace those of the line.

    Returns
    -------
    Row
        The measurement and its prediction, or the reason why it was skipped.
    """
    return _row(line, given)[0]


def _row(line: Line, given: Mapping[str, Any] | None) -> tuple[Row, tuple[str, ...]]:
    """The row, and the assumptions of its prediction."""
    name = printable(line.where, 80)
    try:
        parsed = measurement(line, given)
    except BadInput as problem:
        metric = line.fields.get("metric")
        known = metric if isinstance(metric, str) and metric in METRICS else None
        reason = printable(str(problem), REASON_CHARS).rstrip(".")
        return Row(name, known, None, _measured(line), skipped=reason), ()
    answer = predicted(parsed.spelled, parsed.load)
    source = printable(str(line.fields.get("source_id") or ""), 80)
    reason = answer.reason
    if answer.value is not None:  # a published row stays: the page of evidence shows what is odd
        reason = "" if source else _impossible(parsed, answer.ceiling)
    skipped = printable(reason, REASON_CHARS).rstrip(".") or None
    if skipped:
        answer = answer._replace(value=None, low=None, high=None)
    out = Row(
        id=name,
        metric=parsed.load.metric,
        regime=answer.regime,
        measured=parsed.value,
        predicted=answer.value,
        low=answer.low,
        high=answer.high,
        ceiling=answer.ceiling,
        failure_modes=answer.failure_modes,
        skipped=skipped,
        reason=answer.interval,
        model=answer.model,
        gpu=answer.gpu,
        engine=answer.engine,
        source=source,
        doubts=doubts(line.fields),
    )
    return out, answer.assumed


def _impossible(parsed: Measurement, ceiling: float | None) -> str:
    """Why no such deployment can have measured this; "" where one can."""
    metric = calibration.METRICS.get(parsed.load.metric)
    if metric is None or not ceiling:
        return ""
    times = ceiling / parsed.value if metric.less else parsed.value / ceiling
    if times <= BEYOND:
        return ""
    said = f"impossible: {parsed.load.metric} is {digits(parsed.value)}"
    more = ", unless its prompts were cached" if parsed.load.metric == "ttft_ms" else ""
    return f"{said}, {digits(times, 2)} times better than the spec sheet allows{more}"


def _measured(line: Line) -> float | None:
    try:
        return _number(line.fields, "value", 1e-9, MAX_VALUE)
    except BadInput:
        return None


def printable(text: str, longest: int) -> str:
    """Make untrusted text safe for a terminal, and shorten it.

    Parameters
    ----------
    text : str
        The text.
    longest : int
        The most characters.

    Returns
    -------
    str
        The text with a question mark for each character that is not printable ASCII.

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


def quantile(values: Iterable[float], share: float) -> float:
    """Compute a quantile, with linear interpolation between two values.

    Parameters
    ----------
    values : iterable of float
        The values, not empty.
    share : float
        From 0 to 1.

    Returns
    -------
    float
        The quantile.

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
    """A benchmark and its predictions.

    Attributes
    ----------
    rows : tuple of Row
        In the order of the file.
    assumptions : dict of str to int
        The assumptions made, and the number of rows of each.
    """

    rows: tuple[Row, ...]
    assumptions: dict[str, int] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[Any, ...]:
        """The rows that have a prediction."""
        # Any, for rows: in these no number is None, which the type of a row cannot say
        return tuple(r for r in self.rows if r.skipped is None)

    @property
    def refusal(self) -> str:
        """Why no row could be compared, the commonest reasons first; "" where one could."""
        if self.compared:
            return ""
        reasons = Counter(r.skipped for r in self.rows if r.skipped is not None)
        told = "; ".join(text for text, _ in reasons.most_common(REASONS))
        many = len(self.rows)
        none = f"none of its {many:,} rows can" if many > 1 else "its only row cannot"
        return f"{none} be compared: {told}"

    @property
    def summary(self) -> dict[str, Any]:
        """Counts, errors over all rows and by regime, and the assumptions."""
        done = self.compared
        by_regime: dict[str, list[Row]] = {}
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
            "refusal": self.refusal,
            "assumptions": dict(self.assumptions),
        }

    def as_dict(self) -> dict[str, Any]:
        """Convert the report to plain data for strict JSON.

        Returns
        -------
        dict
            Rows and summary.
        """
        first = ("id", "metric", "measured", "predicted", "low", "high", "ceiling")
        last = ("skipped", "reason")
        rows = [
            {name: getattr(r, name) for name in first}
            | {"failure_modes": list(r.failure_modes)}
            | {name: getattr(r, name) for name in last}
            for r in self.rows
        ]
        return {"rows": rows, "summary": self.summary}


def _errors(rows: Iterable[Row]) -> dict[str, float | None]:
    rows = list(rows)
    if not rows:
        nothing = ("median_abs_rel_error", "p80_abs_rel_error", "inside_interval")
        return dict.fromkeys(nothing)
    errors = [r.error for r in rows if r.error is not None]
    return {
        "median_abs_rel_error": statistics.median(errors),
        "p80_abs_rel_error": quantile(errors, 0.8),
        "inside_interval": sum(r.inside for r in rows) / len(rows),
    }


def report(
    lines: list[Line],
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare the lines of a benchmark with their predictions.

    Parameters
    ----------
    lines : list of Line
        The lines that `results.read` returns.
    given : mapping, optional
        Values that replace those of the lines.
    progress : callable, optional
        Called with the rows done and the rows in total.

    Returns
    -------
    Report
        Rows in the order of the file.
    """
    rows: list[Row] = []
    assumptions: Counter[str] = Counter()
    for done, line in enumerate(lines, 1):
        one, assumed = _row(line, given)
        rows.append(one)
        assumptions.update(assumed)
        if progress is not None:
            progress(done, len(lines))
    return Report(tuple(rows), dict(assumptions.most_common()))


def run(
    path: str | Path,
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare a benchmark file with its predictions.

    Parameters
    ----------
    path : str or Path
        The file, in any of the formats that `results.read` knows.
    given : mapping, optional
        Values that replace those of the file.
    progress : callable, optional
        Called with the rows done and the rows in total.

    Returns
    -------
    Report
        Rows in the order of the file.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    return report(results.read(path), given, progress)


# predictions from a file


PREDICTIONS = ("predicted", "low", "high", "ceiling")
LEFT_OUT = ("left_out_model", "left_out_card", "left_out_source")


def understood(path: str | Path) -> tuple[Row, ...]:
    """Read measured rows without predicting them.

    Parameters
    ----------
    path : str or Path
        A file in the columns of `benchmarks/measured.csv`.

    Returns
    -------
    tuple of Row
        The rows whose deployment is known, in the order of the file.

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


def _understood(line: Line) -> Row:
    parsed = measurement(line)
    load, known = _known(stated.meaning(parsed.spelled), parsed.load)
    return Row(
        line.where,
        load.metric,
        load.regime,
        parsed.value,
        failure_modes=known["failure_modes"],
        model=known["model"],
        gpu=known["gpu"],
        engine=known["engine"],
        source=line.fields.get("source_id", ""),
        doubts=doubts(line.fields),
    )


def read_predictions(measured: str | Path, predicted: str | Path) -> tuple[Row, ...]:
    """Read a file of measured rows and join it with a file of predictions.

    Parameters
    ----------
    measured, predicted : str or Path
        Files that `understood` and `join_predictions` read.

    Returns
    -------
    tuple of Row
        The measured rows that have a prediction, in the order of the first file.

    Raises
    ------
    BadInput
        When a file cannot be read.
    """
    return join_predictions(understood(measured), predicted)


def join_predictions(rows: Iterable[Row], predicted: str | Path) -> tuple[Row, ...]:
    """Join measured rows with the predictions of a file, without computing any.

    Parameters
    ----------
    rows : iterable of Row
        The rows that `understood` returns.
    predicted : str or Path
        A CSV that `llmcap calibrate` writes: the columns id, predicted, low, high, ceiling,
        left_out_model, left_out_card and left_out_source, empty where there is no number.

    Returns
    -------
    tuple of Row
        The rows that have a prediction, in the same order.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    by_id = _predictions(predicted)
    return tuple(row._replace(**by_id[row.id]) for row in rows if row.id in by_id)


def _predictions(path: str | Path) -> dict[str, dict[str, Any]]:
    """The predictions by id; a cell that is not a number makes the whole file unreadable."""
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
        message = f"file {shown(str(path))} cannot be read: {type(problem).__name__}."
        raise BadInput("file", message) from None
    return out
