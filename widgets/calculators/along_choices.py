"""Compare along choices: a part of the deployment exchanged for each other one."""

import math
import re
from dataclasses import dataclass

from llmcap_kernel import catalog, sweep
from llmcap_kernel.explain import digits
from llmcap_kernel.refuse import BadInput

from ..figures.curves import points_with_whiskers
from ..form import lists, meaning
from . import columns
from .question import tables, times_ahead

GGML = ("gguf", "ternary")  # what llama.cpp alone reads
ROWS = 14  # choices, at most, in a figure and its table


@dataclass(frozen=True)
class Reading:
    """One deployment with one choice made: its estimate and rent, or why there is none."""

    made: object
    why: str
    usd_h: float = 0.0


def parts(question):
    """Make the parts of a view that draw points with whiskers.

    Parameters
    ----------
    question : Question
        What is asked, with a part of the deployment to exchange.

    Returns
    -------
    dict
        status, figure, tables, sentences and messages.
    """
    letters, messages = _distinct(question)
    choices = _choices(question, letters)
    labels = columns.names({x: question.columns[x.upper()] for x in letters}, question.name)
    readings = {
        (label, value): _reading_of(question, letter, value)
        for label, letter in zip(labels, letters, strict=True)
        for value, _ in choices
    }
    own = {_own(question, letter) for letter in letters}
    choices, more = _worth_showing(question, choices, labels, readings, own)
    return {
        "status": _status(question, choices, labels, readings),
        "figure": _figure(question, choices, labels, readings),
        "tables": _tables(question, choices, labels, readings, own),
        "sentences": [
            *_sentences(question, choices, labels, readings),
            *more,
            question.words(),
        ],
        "messages": messages,
    }


def _own(question, letter):
    return question.state[f"{letter}.{question.name}"]


def _moved(question, letter, value):
    """The state with one choice made; what belonged to the old choice goes with it."""
    state = question.state | {f"{letter}.{question.name}": value}
    if question.name == "gpu" and value != _own(question, letter):
        state[f"{letter}.usd"] = None
    if question.name == "model":
        state[f"{letter}.config"] = None
    return state


def _distinct(question):
    """Leave out a column that is another one as soon as the choice is swept."""
    seen: dict = {}
    letters, messages = [], []
    title = dict(zip(question.columns, columns.names(question.columns), strict=True))
    for label in question.columns:
        letter = label.lower()
        state = _moved(question, letter, None) | {f"{letter}.usd": None}
        own = tuple(v for name, v in state.items() if name.startswith(f"{letter}."))
        if own in seen:
            what = question.variable.word
            same = f"{title[label]} is the same as {title[seen[own]]}"
            text = f"Over all {what} {same}: it is drawn once."
            messages.append({"level": "info", "field": "", "text": text})
        else:
            seen[own] = label
            letters.append(letter)
    return letters, messages


def _choices(question, letters):
    """List what the part can be, as (value, label), in an order a reader knows."""
    name, own = question.name, {_own(question, letter) for letter in letters}
    if name == "tp":
        return [(n, "1 card" if n == 1 else f"{n} cards") for n in sorted({1, 2, 4, 8} | own)]
    if name == "gpu":
        return [(n, lists.card_title(catalog.gpu(n))) for n in catalog.gpus()]
    if name == "model":
        return _models_near(question)
    formats = catalog.formats(kv=name == "kv")
    ggml = {d.engine.family == "llama.cpp" for d in question.columns.values()}
    listed = catalog.table("formats")["formats"]  # not those that a rule makes of other bits
    kinds = [n for n in formats if n in own or (n in listed and n.startswith(GGML) in ggml)]
    kinds.sort(key=lambda n: -catalog.format(n).bytes_per_element)
    return [(n, catalog.format(n).title) for n in kinds]


def _models_near(question):
    """The models nearest in size to the ones compared that take the context, smallest first."""
    rows = catalog.table("models")["models"]
    sizes = [d.model.params for d in question.columns.values()]
    known = {name: meaning.known_model(name) for name in catalog.models()}
    far = {
        name: min(abs(math.log(model.params / size)) for size in sizes)
        for name, model in known.items()
        if model and model.max_context_tokens >= question.load.context_tokens
    }
    near = sorted(far, key=far.__getitem__)[:ROWS]
    near.sort(key=lambda name: known[name].params)
    return [(name, rows[name].get("title", name)) for name in near]


def _reading_of(question, letter, value):
    try:
        d = meaning.deployment(_moved(question, letter, value), prefix=f"{letter}.")
    except BadInput:
        return Reading(None, "cannot be")
    obstacle = sweep.obstacle(d, question.load, question.rate_rps)
    made = question.measure(d, question.load, question.rate_rps, obstacle)
    why = "" if made else sweep.OBSTACLES[obstacle]
    return Reading(made, why, d.gpu_usd_h * d.num_gpus)


def _worth_showing(question, choices, labels, readings, own):
    """Keep the best of many choices, and those that the columns have; count all of them."""
    if len(choices) <= ROWS:
        return choices, []
    values = {}
    for value, _ in choices:
        known = [readings[label, value].made for label in labels]
        known = [made.value for made in known if made]
        if known:
            values[value] = (min if question.what.less else max)(known)
    ranked = sorted(values, key=values.__getitem__, reverse=not question.what.less)
    ranked.sort(key=lambda value: value not in own)  # theirs first, both in order
    best = ranked[:ROWS]
    names = dict(choices)
    best.sort(key=values.__getitem__, reverse=not question.what.less)
    best += [value for value in sorted(own) if value not in values]
    word = question.variable.word
    more = f"Of {len(choices):,} {word}, {len(values):,} {question.serve_all}; "
    more += f"the best are shown, and those of the columns, {len(best):,} in all."
    return [(value, names[value]) for value in best], [more]


def _known(choices, labels, readings):
    """Every reading that has a value: (label, value of the choice) to estimate."""
    pairs = [(label, value) for label in labels for value, _ in choices]
    return {pair: readings[pair].made for pair in pairs if readings[pair].made}


def _status(question, choices, labels, readings):
    known = _known(choices, labels, readings)
    names = dict(choices)
    if not known:
        return {"level": "bad", "text": f"None of these {question.variable.word} holds the load."}
    best = (min if question.what.less else max)(known, key=lambda pair: known[pair].value)
    times = times_ahead([made.value for made in known.values()], question.what.less)
    label, value = best
    lead = f"{label} with {names[value]}" if len(labels) > 1 else names[value]
    rivals = [pair for pair, made in known.items() if sweep.unsettled(known[best], made)]
    rivals = [pair for pair in rivals if pair != best]
    text = f"{lead} has the {question.show.noun}, {question.with_unit(known[best].value)}"
    if rivals:
        others = _listed([value for _, value in rivals], names)
        if len(labels) > 1:
            others = ", ".join(f"{label} with {names[value]}" for label, value in rivals)
        text = f"For the {question.show.noun}, too close to call between {lead} and {others}: the"
        text += f" estimates favour {lead}, {question.with_unit(known[best].value)}"
    if times is not None:
        much = digits(times)
        text += ", hardly" if much == "1" else f", {much} times"
        text += " ahead of the next"
    missed = question.misses(known[best].value, question.load)
    text += f"; that misses {question.with_unit(question.limit(question.load))}" if missed else ""
    dear = question.over_budget(readings[best].usd_h)
    text += f"; its rent is over the budget of {question.budget()}" if dear else ""
    return {"level": "warn" if missed or dear or rivals else "good", "text": text + "."}


def _sentences(question, choices, labels, readings):
    names, out = dict(choices), []
    for label in labels:
        known = _known(choices, [label], readings)
        if len(known) < 2:
            continue
        ranked = sorted(known, key=lambda pair: known[pair].value, reverse=not question.what.less)
        best, worst = ranked[0], ranked[-1]
        apart = known[best].value, known[worst].value
        times = max(apart) / max(min(apart), 1e-12)
        out.append(
            f"{label} goes from {question.with_unit(apart[0])} with {names[best[1]]} to "
            f"{question.with_unit(apart[1])} with {names[worst[1]]}, {digits(times)} times."
        )
        values = [value for _, value in known]
        missed = [v for v in values if question.misses(known[label, v].value, question.load)]
        if missed:
            limit = question.with_unit(question.limit(question.load))
            out.append(f"{label} misses {limit} with {_listed(missed, names)}.")
        dear = [v for v in values if question.over_budget(readings[label, v].usd_h)]
        if dear:
            over = f"{label} is over the budget of {question.budget()}"
            out.append(f"{over} with {_listed(dear, names)}.")
    return out


def _listed(values, names, most=6):
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(names[value] for value in values[:most]) + more


def _figure(question, choices, labels, readings):
    names = [name for _, name in choices]
    heads = _brief(names)
    for i, (value, _) in enumerate(choices):
        whys = {readings[label, value].why for label in labels}
        if len(whys) == 1 and "" not in whys:
            heads[i] += f": {whys.pop()}"
    drawn = {}
    for label in labels:
        made = [(i, name, readings[label, value].made) for i, (value, name) in enumerate(choices)]
        drawn[label] = [question.point(i, one, f"{label}, {name}") for i, name, one in made if one]
    if not any(drawn.values()):
        return None
    limit = question.limit(question.load)
    listed = ", ".join(names)
    return points_with_whiskers(
        heads,
        drawn,
        f"{question.show.label} as points with whiskers for {listed}. The table has every value.",
        x_title=question.show.axis,
        limit=None if limit is None else limit * question.show.scale,
        limit_text=question.limit_text(),
    )


def _brief(names):
    """Cut what explains a name, where the names stay apart without it."""
    cut = [re.split(r", | \(", name)[0] for name in names]
    return [
        short if cut.count(short) == 1 else name for short, name in zip(cut, names, strict=True)
    ]


def _tables(question, choices, labels, readings, own):
    rows = []
    for value, name in choices:
        row = [readings[label, value] for label in labels]
        cells = [(r.made, r.why) for r in row]
        rows.append((name, cells, [question.level(r.made, question.load) for r in row]))
    high = [i for i, (value, _) in enumerate(choices) if value in own]
    return tables(question, question.variable.label, labels, rows, high)
