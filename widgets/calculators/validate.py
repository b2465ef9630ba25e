"""A reader's own results beside their predictions; until there are any, every published row.

The rows themselves are `published.py`, the reader's `own_rows.py`, the chart `scatter.py`. A
start-up log and timings of kernels have views of their own.
"""

import math
from functools import cache, lru_cache, partial
from types import SimpleNamespace

from llmcap_kernel import calibration, catalog
from llmcap_kernel.evidence import kernels, logs, measurements, results, weak_spots
from llmcap_kernel.explain import capitalised
from llmcap_kernel.spec import LEAST_FRACTION

from .. import benchmarks
from ..form import controls as c
from ..form import from_name, inputs, learnt, lists
from ..form.state import Field, Form
from . import answers, example, kernel_times, own_rows, published, scatter, start_up
from .published import (
    AGAINST,
    ANY,
    FILTERS,
    GROUPS,
    NONE,
    inside,
    measured_rows,
    median,
    names_of,
    p80,
    percent,
)
from .published_tables import by_group, evidence_tables, farthest, lower

TITLE = "Validate"
LEAD = "How near are the predictions to your measurements, and to everybody's?"
YOURS, EXAMPLE, AS_FILE = "yours", "example", "file"
RATES = {"user": "each user", "all": "all users", "total": "all users, prompts too"}
ENGINES = ("vllm", "sglang", "trtllm", "llama.cpp", "transformers")
READS = (
    "Drop what vllm bench, SGLang, TensorRT-LLM, AIPerf, GenAI-Perf, GuideLLM, LLMPerf, "
    "inference-perf, genai-bench, EvalScope, k6, Locust or llama.cpp wrote, a CSV, kernel timings "
    "or a start-up log: read in this page, kept nowhere."
)


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
        _filter("engine", "Only engine", lambda: (ANY, *names_of("engine"))),
        _filter("gpu", "Only card", lambda: (ANY, *names_of("gpu")), reads=from_name.card),
        _filter("model", "Only model", lambda: (ANY, *names_of("model")), reads=from_name.model),
        _filter("source", "Only source", lambda: (ANY, *names_of("source"))),
        Field(
            "file",
            "name",
            YOURS,
            "Your results or log",
            names=lambda: (YOURS, EXAMPLE, *benchmarks.sources()),
            help=READS,
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
        _replace("tp", "whole", "Cards", low=1, high=inputs.MOST_CARDS),
        _replace(
            "weights",
            "name",
            "Weights",
            names=lambda: (AS_FILE, *catalog.formats()),
            reads=from_name.weights,
        ),
        _replace("engine", "name", "Engine", names=lambda: (AS_FILE, *ENGINES)),
        _replace("in", "tokens", "Prompt", low=1, high=inputs.MOST_TOKENS, unit="tokens"),
        _replace("out", "tokens", "Answer", low=1, high=inputs.MOST_TOKENS, unit="tokens"),
        _replace("users", "whole", "Users at once", low=1, high=inputs.MOST_USERS),
        _replace(
            "kv",
            "name",
            "KV cache",
            names=lambda: (AS_FILE, *catalog.formats(kv=True)),
            reads=from_name.kv,
        ),
        _replace("fraction", "number", "Memory fraction", low=LEAST_FRACTION, high=1),
        _replace("maxlen", "tokens", "Longest request", low=1, high=inputs.MOST_TOKENS),
        _replace("seqs", "whole", "Sequences at once", low=1, high=inputs.MOST_USERS),
        _replace("batched", "tokens", "Tokens a step", low=1, high=inputs.MOST_TOKENS),
        _replace("rate", "name", "Tokens a second of", names=lambda: (AS_FILE, *RATES)),
    ),
)
FAR = math.log(2)  # a factor that few engines of one family differ by
ODD = (
    "That is so far off that a label may be wrong: look at the cards, the formats, the lengths and "
    "the users before you estimate with these rows."
)
ACCEPT = ".csv,.json,.jsonl,.yaml,.yml,.md,.sql,.txt,.log,.out"
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


# the view


def view(state, own=None):
    """Show a reader's rows, or the published ones, against their predictions.

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
    shown = own or _public(state["file"])
    controls, filters = _controls(state, own, shown), tuple(state[f"only.{n}"] for n in FILTERS)
    if shown is None:
        parts = _of_published(state, filters)
    elif isinstance(shown, own_rows.Own):
        parts = shown.parts(_given(state, own_rows.FIELD_OF), state, filters)
        if shown is own and (code := own.learnt(_given(state, own_rows.FIELD_OF))):
            parts["hands_on"] = {learnt.NAME: code}
            parts["linked"] = "Estimate with your rows in"
            said = f"Calculators opened below estimate with {learnt.words(code)}."
            far = any(abs(math.log(one.factor)) > FAR for one in learnt.read(code).values())
            parts["sentences"] = [said, *[ODD] * far, *parts["sentences"]]
    else:
        parts = shown.parts(_given(state, PARTS[type(shown)].FIELD_OF))
    if shown and shown is not own:
        said = example.SAID if state["file"] == EXAMPLE else _published_by(state["file"])
        parts["sentences"] = [said, *parts["sentences"]]
    return answers.frame(FORM, state, TITLE, LEAD, controls, **parts)


# files with a view of their own, in which no published row is drawn
PARTS = {start_up.Log: start_up, kernel_times.Timings: kernel_times}


@lru_cache(maxsize=2)
def _public(name):
    """The file that an address names: the example, or the rows of a source."""
    if name == EXAMPLE:
        return own_rows.Own(example.NAME, example.raw())
    if name not in benchmarks.sources():
        return None
    apart = name in calibration.table()["provenance"]["test"]
    voice = own_rows.APART if apart else own_rows.SEEN
    return own_rows.Own(f"{name}.csv", benchmarks.file_of(name), voice=voice)


def _published_by(name):
    source = benchmarks.sources()[name]
    return f"The rows were published: {source['title']}, as of {source['commit_or_date']}."


def _of_published(state, filters):
    group, against = state["metric"], state["against"]
    shown = published.points_left(filters, group, against)
    return {
        "messages": _gone(state),
        "headline": _headline(published.medians(filters, group), shown, state),
        "status": _status(shown, state),
        "figure": scatter.of_published(filters, group, against),
        "tables": [
            by_group(filters, state),
            *(farthest(shown, state) if shown else []),
            *evidence_tables(),
        ],
        "sentences": _sentences(state),
    }


def _gone(state):
    """Say that a file is not in an address, where what stood beside it is."""
    if not _given(state, own_rows.FIELD_OF):
        return []
    text = "Your file is not in the address, only what you set for it. Choose the file again."
    return [{"level": "info", "field": "file", "text": text}]


# the inputs


def _controls(state, own, shown):
    fields = FORM.by_name
    beside = _beside(fields, state, shown) if shown else []
    band = [
        one | {"band": True} for one in (_file_control(fields["file"], state, own, shown), *beside)
    ]
    if type(shown) in PARTS:
        return band
    return band + _choices(fields, state, shown)


def _choices(fields, state, own):
    """What is drawn, and which of the published rows."""
    every = {n: published.points_left((ANY,) * len(FILTERS), n, "source") for n in GROUPS}
    counts = {
        name: f"{len(some):,} rows"
        for name, some in every.items()
        if some or name in ("speed", state["metric"])  # percentiles are a reader's own alone
    }
    given = _given(state, own_rows.FIELD_OF)
    held = own.held(given) if own else {}
    if held:  # a file is asked for what it has
        counts = {name: f"{held[name]:,} of yours" for name in GROUPS if name in held}
        state = state | {"metric": own.group(given, state["metric"])}
    modes = [(ANY, "any", ""), (NONE, "none fires", "")]
    modes += [(one.name, one.title, "") for one in weak_spots.MODES]
    regimes = [(ANY, "any", ""), *((r, r.replace("_", " "), "") for r in measurements.REGIMES)]
    metrics = [(name, f"{GROUPS[name].title} ({said})", "") for name, said in counts.items()]
    out = [
        c.select(fields["metric"], state, metrics),
        c.select(fields["against"], state, [(n, text, "") for n, text in AGAINST.items()]),
        c.select(fields["only.mode"], state, modes),
        c.select(fields["only.regime"], state, regimes),
        *(
            c.search(fields[f"only.{name}"], state, [(ANY, "any", ""), *_listed(name)])
            for name in ("engine", "gpu", "model", "source")
        ),
    ]
    return c.fold(out, {"Only some of the published rows": [f"only.{name}" for name in FILTERS]})


@cache
def _listed(attribute):
    counts: dict[str, int] = {}
    for row in measured_rows():
        name = getattr(row, attribute)
        counts[name] = counts.get(name, 0) + 1
    return [(name, f"{name} ({counts[name]:,})", "") for name in names_of(attribute)]


def _file_control(field, state, own, shown):
    said = f"{shown.name}, {shown.summary}" if shown else "none"
    tried = shown is not None and shown is not own
    return {
        **{"name": field.name, "label": field.label, "kind": "file", "value": state["file"]},
        **{"group": "", "unit": "", "help": "" if shown else field.help, "min": 0, "max": 1},
        **{"accept": ACCEPT, "text": said, "loaded": shown is not None},
        # an example is in the address, and taken away with it
        "example": "" if shown else FORM.query(without_file(state) | {"file": EXAMPLE}),
        "sample": "" if shown else results.SAMPLE,
        "leave": FORM.query(without_file(state)) if tried else "",
    }


def _beside(fields, state, own):
    """Inputs that complete a file: those that it needs stand open, the others are folded."""
    part = PARTS.get(type(own))
    names = (part or own_rows).FIELD_OF
    asks = own.asks(_given(state, names))
    said = part.placeholders(own) if part else {}
    reasons: list = []
    out = []
    for name in names:
        field = fields[f"file.{name}"]
        box = _choice(field, state) if field.kind == "name" else c.entry(field, state)
        if part and field.kind != "name":
            box |= {"placeholder": said[name]}
        reason = asks.get(name, "")
        again = reason and reason in reasons
        reasons.append(reason)
        out.append(box | {"help": "Or this." if again else _sentence(reason)})
    settled = [
        name for name in names if name not in asks and state[f"file.{name}"] in (None, AS_FILE)
    ]
    return c.fold(out, {"Other than the file says": [f"file.{name}" for name in settled]})


def _choice(field, state):
    """A list beside a file, whose first entry leaves the file its say."""
    silent = (AS_FILE, "as the file says", "")
    kind = field.name.removeprefix("file.")
    if kind in LISTS:
        return c.search(field, state, [silent, *LISTS[kind]()])
    offered = [n for n in field.names() if n != AS_FILE]
    return c.select(field, state, [silent, *((n, RATES.get(n, n), "") for n in offered)])


LISTS = {"model": lists.model_options, "gpu": lists.gpu_options, "weights": lists.format_options}


def _sentence(text):
    return f"{capitalised(text)}." if text else ""


def _given(state, names):
    given = ((column, state[f"file.{name}"]) for name, column in names.items())
    return tuple((column, value) for column, value in given if value not in (None, AS_FILE))


# the published rows


def _headline(medians, shown, state):
    said = AGAINST[state["against"]]
    choice = "Half are within" if state["against"] != "ceiling" else "Spec sheet: half are within"
    out = [
        {
            "label": choice,
            "short": choice,
            "value": percent(median(shown)),
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
            "short": title.lower(),
            "value": percent(medians[name]),
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
                "short": "in the 80% interval",
                "value": percent(inside(shown)),
                "unit": "",
                "note": f"four of five are within {percent(p80(shown))}" if shown else "",
                "explain": "",
            }
        )
    return out


def _definition(shown):
    if not shown:
        return ""
    middle = median(shown)
    return own_rows.definition(min(shown, key=lambda p: abs(p.error - middle)))


def _status(shown, state):
    if not measured_rows():
        text = "The measured rows are not part of this installation."
        return {"level": "warn", "text": text}
    if not shown:
        text = "No measured row matches these filters."
        if state["against"] == "ceiling":
            text = "No measured row with a ceiling matches these filters: memory has none."
        return {"level": "warn", "text": text}
    middle, far, held = median(shown), p80(shown), inside(shown)
    counted = f"{len(shown):,} published rows of {lower(state['metric'])}"
    text = f"Half of {counted} are predicted within {percent(middle)} of the measurement, "
    text += f"four of five within {percent(far)}"
    text += f"; {percent(held)} lie in the 80% interval." if held is not None else "."
    level = "good" if held is not None and held >= 0.75 else "warn"
    return {"level": level, "text": text}


def _sentences(state):
    out = [
        published.INTERVAL,
        "A fit that has seen a row knows it. What a source of its own, such as yours, can expect "
        "is what is predicted with the source left out.",
        "Rows that would lie on one another are one mark, the larger the more they are.",
    ]
    if state["metric"] == "speed":
        out.append("Times between tokens are drawn as the rate they make, 1 / time.")
        out.append("Every published row of that speed counts, on the first page too.")
    out.append(published.DISTANCE)
    return out


# a file of the reader's own


def without_file(state):
    """Let go of a file, and of what was set for it: the next one is another.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The state, with the file and the inputs beside it as they start.
    """
    start = FORM.defaults()
    return {name: start[name] if name.startswith("file") else x for name, x in state.items()}


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
    return own_rows.Own(name, raw, progress)


if __name__ == "__main__":
    published.keep_understood()
