"""A row of a benchmark, read: the deployment as its source spells it, the load, and the value."""

import contextlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from .. import catalog, huggingface
from ..catalog import names
from ..refuse import BadInput, number, one_of, printable, shown
from ..spec import LEAST_FRACTION, MAX_TOKENS, Gpu, Model
from . import results, stated
from .results import Fields, Line, whose, wide
from .weak_spots import LONG_CONTEXT_TOKENS, MOE_SMALL_BATCH

MAX_VALUE = 1e15
AT_ONCE = ("inf", "infinity")  # the rate of a client that sends as fast as its limit lets it
HOSTS = ("x86",)  # families of the catalogue's CPUs
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
# Percentiles of latencies: which latency, and the metric that it is otherwise.
PERCENTILES = {
    "itl_percentile_ms": ("itl", "itl_ms"),
    "tpot_percentile_ms": ("tpot", "itl_ms"),
    "ttft_percentile_ms": ("ttft", "ttft_ms"),
    "e2e_percentile_ms": ("e2e", "e2e_latency_s"),
}
METRICS = (*TIMED, *PERCENTILES, *MEMORY)
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
    **{"concurrency": "concurrency", "rate_of": "rate-of", "cached_tokens": "shared-prefix"},
    **{"max_num_seqs": "max-num-seqs", "max_num_batched_tokens": "max-num-batched-tokens"},
}
# Rates that a source may give as a maximum, at a concurrency that it does not state.
GREATEST = ("output_tok_s_total", "output_tok_s_per_gpu", "total_tok_s")
DEFAULT_TOKENS = 128  # a source that names no lengths ran a short benchmark
LEFT_OPEN = 8  # items of the column `assumed` that are reported for one row
YES, NO = ("yes", "true", "y", "on"), ("no", "false", "n", "off")
CARDS = ("num_gpus", "tp", "pp", "ep", "dp_attention", "copies")
# The columns that describe the deployment.
SPELLED = (
    *("model", "model_type", "model_n_params", "layers_on_card", "gpu", "engine"),
    *("engine_version", "weight_dtype", "kv_dtype", "memory_fraction", *CARDS),
    *("max_num_seqs", "max_num_batched_tokens", "power_limit_w"),
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
    percentile : float or None
        Percent of a percentile; None for a mean or a median.
    in_step : bool
        Whether all answers have one length, so that users may stay in step.
    served : bool
        Whether a server answered each request of a client, whatever the regime says of a loop.
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
    percentile: float | None = None
    in_step: bool = False
    served: bool = False

    @property
    def metric_alike(self) -> str:
        """The metric, or of a percentile that of its mean."""
        return PERCENTILES.get(self.metric, ("", self.metric))[1]


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
    if "rate_of" in given:
        one_of("rate_of", given["rate_of"], tuple(whose.METRIC_OF))
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
        value = float(results.plain(text))
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
    fields = _whose(_replaced(line.fields, given or {}))
    metric = _text(fields, "metric").strip()
    if metric not in METRICS:
        raise BadInput("metric", f"metric {shown(metric)} is not one that is predicted")
    value = _value(fields, metric)
    _check_place(fields)
    _check_stated(fields)
    spelled = _spelled_of(fields)
    users = _count(fields, "concurrency", 0, 1e7, "requests") or None
    at_once = _text(fields, "request_rate").strip().lower() in AT_ONCE
    rate = None if at_once else _number(fields, "request_rate", 1e-6, 1e9, "requests/s")
    record = users is None and rate is None and metric in GREATEST
    if record and not fields.get("from_client"):
        spelled = spelled._replace(greatest=True)
    prompt, answer = _lengths(fields)
    if fields.get("from_client") and prompt is None and metric not in MEMORY:
        taken = f"prompt not stated: {DEFAULT_TOKENS} tokens taken (give --input)"
        spelled = spelled._replace(left_open=(*spelled.left_open, taken))
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
        percentile=_percentile(fields, metric),
        in_step="in-step" in _text(fields, "doubt"),
        served=bool(fields.get("served")),
    )
    return Measurement(line.where, value, spelled, load)


def _percentile(fields: Fields, metric: str) -> float | None:
    if metric not in PERCENTILES:
        return None
    percent = _number(fields, "percentile", 0.1, 99.999, "percent")
    if percent is None:
        raise BadInput("percentile", f"percentile is missing: {metric} takes 99 or the like")
    return percent


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


def _whose(fields: Fields) -> Fields:
    """The fields with the metric of what a rate counts; a rate that leaves it open is refused."""
    if "rate_column" not in fields:
        return fields
    if whose.is_open(fields):
        asked = f"{shown(fields['rate_column'])} does not say whose tokens (give --rate-of)"
        raise BadInput("rate_of", asked)
    return whose.read_as(fields, wide.cards_of(fields) or 1.0)


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
    stated_gpu = fields.get("gpu")
    if isinstance(stated_gpu, str):
        name = names.card(stated_gpu[: results.MAX_CELL]).name
        stated_gpu = catalog.gpu(name) if name else None
    is_host = isinstance(stated_gpu, Gpu) and stated_gpu.family in HOSTS
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
    version = names.version_on(spelled.engine, spelled.version, str(fields.get("date"))[:10])
    if version != spelled.version:
        spelled = spelled._replace(version=version)
    if spelled.power_limit_w and _count(fields, "concurrency", 1, 1e7) == 1:
        # the cap is on the mean, and one user leaves a card idle or waiting for its memory
        spelled = spelled._replace(power_limit_w=0.0)
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
    if lost := _text(fields, "lost"):
        note = f"{lost} requests failed: those that were answered are compared"
        spelled = spelled._replace(taken=(*spelled.taken, note))
    strange = fields.get("not_read")
    if isinstance(strange, tuple):
        notes = tuple(f"column {shown(name)} is not understood" for name in strange[:LEFT_OPEN])
        spelled = spelled._replace(taken=spelled.taken + notes)
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
        memory_fraction=_number(fields, "memory_fraction", LEAST_FRACTION, 1) or 0.0,
        power_limit_w=_number(fields, "power_limit_w", 1, 1e5) or 0.0,
        **split,
    )


def _cards(fields: Fields) -> dict[str, Any]:
    """Cards and how they split the work; "yes" to a way of splitting means all cards of tp."""
    words = {n: str(fields.get(n)).strip().lower() for n in ("ep", "dp_attention")}
    plain = {
        n: 0 if words.get(n) in NO else v for n, v in fields.items() if words.get(n) not in YES
    }
    split = {name: _count(plain, name, 0, 4096) or 0 for name in CARDS}
    cards = split["num_gpus"]
    if isinstance(fields.get("gpu"), str):
        cards = cards or names.card(_text(fields, "gpu")).count
    whole = split["tp"] or max(cards // (split["pp"] or 1), 1)
    return split | {name: whole for name, answer in words.items() if answer in YES}


def _model(fields: Fields) -> str | Model:
    """The model's spelling; llama-bench may state only a type and a size."""
    named = fields.get("model")
    if isinstance(named, Model):
        _check_layers(fields, named)
        return named
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
    if load.metric_alike == "ttft_ms":
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


def measured_value(line: Line) -> float | None:
    """Read the value of a line alone.

    Parameters
    ----------
    line : Line
        A line that `results.read` returns.

    Returns
    -------
    float or None
        In the metric's own unit; None where there is none.
    """
    try:
        return _number(line.fields, "value", 1e-9, MAX_VALUE)
    except BadInput:
        return None
