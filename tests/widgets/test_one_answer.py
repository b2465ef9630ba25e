"""One question has one answer, wherever it is asked: in Python, on the command line, on a page.

Each state is a deployment, a load and limits. What a person reads of it on every surface is
compared with what the kernel says, as text, to the digit that is shown.
"""

import json
import os
import random
import re
from unittest import mock
from urllib.parse import urlencode

import pytest

from llmcap_kernel import catalog, design, sweep
from llmcap_kernel.address import LIMITS, MEAN, WHICH
from llmcap_kernel.cli import main
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload
from llmcap_kernel.sweep import OBSTACLES
from tests.widgets.inputs import CONFIGS
from tests.widgets.reading import errors, headline
from tests.widgets.test_state import HOSTILE
from widgets.calculators import answers, calculate, cliff, compare, scorecard, vram
from widgets.calculators import design as designer
from widgets.calculators.columns import LETTERS
from widgets.calculators.question import SHOWS
from widgets.form import inputs, meaning
from widgets.form.question import inputs as from_question
from widgets.session import Calculator

STATES = 200
FORM, FORM_OF_DESIGN = calculate.FORM, designer.FORM
# A quantity of a card: its row, its unit, its key in JSON, and that key's scale.
ESTIMATED = {
    "gap": ("Gap between tokens", "itl_s", "s", "itl_ms", 1e-3),
    "rate": ("Speed of one user", "tok_s_user", "tok/s", "tok_s_per_user", 1),
    "ttft": ("First token, mean", "ttft_s", "s", "ttft_ms", 1e-3),
    "total": ("Output of all users", "output_tok_s", "tok/s", "output_tok_s_total", 1),
    "price": ("$/M output", "usd_mtok", "USD/Mtok", "usd_per_mtok_output", 1),
}
STILL_MET = ("met", "likely", "open")  # what no surface says is missed
LIMIT_OF = {"gap": "latency", "ttft": "prefill", "fit": "capacity"}
# A percentile that is limited: its row, and the latency that it is of.
WITHIN = re.compile(r"(Gap|First token), (\d+)% within")
LATENCY = {"Gap": "itl", "First token": "ttft"}
LOAD = ("in", "out", "users", "prefix", "itl", "itlp", "ttft", "ttftp", "budget")
DEPLOYMENT = [
    field.name.removeprefix("a.") for field in scorecard.FORM.fields if field.name.startswith("a.")
]
DOES_NOT_START = dict.fromkeys(ESTIMATED, "-")


# The states


def _preset_states():
    """Every deployment that a calculator starts from, as a state of Calculate."""
    for module in (calculate, scorecard, compare, vram, cliff):
        for preset in module.PRESETS:
            state, messages = module.FORM.check(preset["values"])
            assert messages == []
            load = {name: state[name] for name in LOAD if name in state}
            if "ctx" in state:
                load |= {"in": state["ctx"] - state["ctx"] // 8, "out": state["ctx"] // 8}
            if "columns" not in state:
                own = {name: state[name] for name in DEPLOYMENT if name in state}
                yield FORM.defaults() | load | own
                continue
            for letter in LETTERS[: state["columns"]]:
                own = {name: state[f"{letter}.{name}"] for name in DEPLOYMENT}
                yield FORM.defaults() | load | own


def _hostile_states():
    """What is left of addresses that spell nonsense, and both ends of every number."""
    for query in HOSTILE:
        yield FORM.parse(query)[0]
    for field in FORM.fields:
        apart = ("api", "api_in", "rate")  # of a rate there is a test of its own
        if field.kind in ("tokens", "whole", "number") and field.name not in apart:
            ends = [field.high, field.low or (0.002 if field.name == "itl" else field.low)]
            for end in ends:
                end = float(end) if field.kind == "number" else int(end)
                yield FORM.defaults() | {field.name: end}
    for config in CONFIGS:
        for users in (None, 64):
            yield FORM.defaults() | {"config": config, "weights": "bf16", "users": users}
    yield FORM.defaults() | {"users": None}
    yield FORM.defaults() | {"users": None, "itl": 0.001}
    yield FORM.defaults() | {"users": None, "tp": 1}
    yield FORM.defaults() | {"tp": 5}
    yield FORM.defaults() | {"prefix": 7001}
    yield FORM.defaults() | {"prefix": 7000, "users": 100_000, "in": 7000}


def _random_states():
    """Any model on any card, in formats and loads that people run, and in others."""
    draw = random.Random(20251)
    models, gpus = catalog.models(), catalog.gpus()
    while True:
        model, gpu = draw.choice(models), draw.choice((*gpus, "h100-sxm", "h200-sxm", "b200-sxm"))
        known, odd = meaning.known_model(model), draw.random() < 0.1
        linked = odd or catalog.gpu(gpu).link_bandwidth_bytes_s
        kind = draw.choice((*catalog.formats(), known.native_format, known.native_format, "fp8"))
        prompt = round(10 ** draw.uniform(0, 5.2))
        yield FORM.defaults() | {
            "model": model,
            "gpu": gpu,
            "tp": draw.choice((1, 2, 4, 8, 8, 16) if linked else (1,)),
            "pp": draw.choice((1, 1, 1, 2) if linked else (1,)),
            "ep": odd or (known.experts > 0 and draw.random() < 0.3),
            "weights": kind,
            "kv": draw.choice((*catalog.formats(kv=True), "bf16", "fp8")),
            "engine": draw.choice(catalog.engines()),
            "fraction": round(draw.uniform(0.8, 0.98), 2),
            "dp": draw.random() < 0.1,
            "in": prompt,
            "out": round(10 ** draw.uniform(0, 4)),
            "users": draw.choice((None, 1, 4, round(10 ** draw.uniform(0, 3.7)))),
            "prefix": draw.choice((0, 0, prompt // 2, prompt)),
            "itl": draw.choice((0, round(10 ** draw.uniform(0.5, 2.5), 1), 50.0)),
            "ttft": draw.choice((0, round(10 ** draw.uniform(-1, 2), 2))),
            "itlp": draw.choice(WHICH),
            "ttftp": draw.choice((MEAN, *WHICH)),
            "budget": draw.choice((0, 30.0, 500.0)),
            "usd": draw.choice((None, None, 0.0, round(draw.uniform(0.2, 9), 2))),
            "seqs": draw.choice((None, None, 32, 256)),
            "batched": draw.choice((None, None, 2048, 16_384)),
            "maxlen": draw.choice((None, None, None, prompt + 20_000)),
            "eager": draw.random() < 0.2,
        }


def _states():
    found = {}
    for source, states in (
        ("preset", _preset_states()),
        ("hostile", _hostile_states()),
        ("random", _random_states()),
    ):
        for state in states:
            if len(found) == STATES:
                break
            found.setdefault(tuple(state.values()), (f"{source}-{len(found)}", state))
    return [pytest.param(state, id=name) for name, state in found.values()]


# What the kernel says


def _interval(low, high, doubt, unit):
    if doubt or low == high:
        return doubt
    return f"{quantity(low, unit)} to {quantity(high, unit)}"


def _estimated(name, value, low, high, ceiling, doubt, unit):
    return {
        name: quantity(value, unit),
        f"{name}, interval": _interval(low, high, doubt, unit),
        f"{name}, ceiling": quantity(ceiling, unit),
    }


def of_python(state):
    """The card, and what is read of it; or why there is none."""
    try:
        load, slo = meaning.load(state), meaning.limits(state)
        deployment = meaning.deployment(state)
    except BadInput as problem:
        return None, {"refused": str(problem).removeprefix(problem.field)}
    if state["users"] is None:
        load = design.most_users_load(deployment, load, slo)
    card = design.card(deployment, load, slo)
    said = dict(DOES_NOT_START)
    for name, (_, attribute, unit, *_) in ESTIMATED.items():
        e = getattr(card.estimates, attribute) if card.starts else None
        if e:
            said |= _estimated(name, e.value, e.low, e.high, e.ceiling, e.doubt, unit)
            said[f"{name}, one unit"] = _one_unit(name, e.value)
    for tail, (_, e) in zip(slo.tails, card.percentiles(), strict=True):
        said[tail.name] = "-"
        if e:
            said |= _estimated(tail.name, e.value, e.low, e.high, e.ceiling, e.doubt, "s")
            show = "gap" if tail.quantity == "itl" else "ttft"
            said[f"{tail.name}, one unit"] = _one_unit(show, e.value)
    return card, said | {
        "room": f"{card.max_concurrent:,}",
        "within": f"{design.users_within(deployment, load, slo).value:,}",
        "users": f"{load.concurrency:,}",
        "binding": card.binding,
        "verdicts": {limit.name: limit.verdict for limit in card.limits},
        "sentences": {limit.name: limit.sentence for limit in card.limits},
    }


def _named_percentiles(labels):
    """The rows of percentiles, and the name that the kernel has for each."""
    for label in labels:
        if found := WITHIN.fullmatch(label):
            yield label, f"{LATENCY[found[1]]} p{found[2]}"


def _one_unit(name, value):
    """A value as Compare writes it, in one unit from end to end of an axis."""
    if name == "price":
        return f"${value:,.2f}"
    return f"{digits(value * SHOWS[name].scale)} {SHOWS[name].unit}"


# What a person reads


def _held(low, high):
    """An interval of two cells; the reason in the first where there is none."""
    return f"{low} to {high}" if high != "-" else "" if low == "-" else low


def _rows(cells, sure):
    """The rows of a card, from label to text, and those of its intervals and ceilings."""
    said = {"room": cells["Users that fit"], "binding": cells["Binding constraint"]}
    rows = [(label, name) for name, (label, *_) in ESTIMATED.items()]
    for label, name in (*rows, *_named_percentiles(cells)):
        said[name] = cells[label]
        if cells[label] != "-":
            said[f"{name}, interval"] = _held(sure[f"{label}, from"], sure[f"{label}, to"])
            said[f"{name}, ceiling"] = sure[f"{label}, ceiling"]
    return said


def _printed(text):
    """What `llmcap predict` says: value, interval and ceiling of each row, and what binds."""
    said = {"binding": re.search(r"^Binding constraint: (.*)\.$", text, re.M)[1]}
    cells = {line[0]: line[1:] for line in _cells(text)}
    if "Gap between tokens" not in cells:
        assert "What would make it start" in text
        return said | dict.fromkeys(ESTIMATED, "-")
    said["room"] = cells["Users that fit"][0]
    rows = [(label, name) for name, (label, *_) in ESTIMATED.items()]
    for label, name in (*rows, *_named_percentiles(cells)):
        value, *interval, ceiling = cells[label]
        said |= {name: value}
        if value != "-":
            said |= {f"{name}, interval": "".join(interval), f"{name}, ceiling": ceiling}
    return said


def _cells(text):
    return [re.split(r" {2,}", line) for line in text.splitlines()]


def _ask(capsys, *words):
    with mock.patch.dict(os.environ, COLUMNS="1000"):  # no line is wrapped
        code = main(list(words))
    told = capsys.readouterr()
    if code == 2:
        return None, told.err.removeprefix("llmcap: ").strip()
    assert code == 0 and told.err == ""
    return told.out, ""


def _load_options(state, users):
    options = ["--input", str(state["in"]), "--output", str(state["out"])]
    options += ["--users", str(users)] if users else []
    options += ["--shared-prefix", str(state["prefix"])] if state["prefix"] else []
    for name in ("itl", "ttft"):
        if state[name]:
            which = state[f"{name}p"]
            option = f"--{name}-ms" if which == MEAN else f"--{name}-{which}-ms"
            options += [option, repr(state[name] * (1e3 if name == "ttft" else 1))]
    return options + (["--budget-usd-h", repr(state["budget"])] if state["budget"] else [])


def _deployment_parts(state):
    names = ("gpu", "tp", "pp", "weights", "kv", "engine")
    parts = {name: str(state[name]) for name in names}
    if state["fraction"] is not None:  # else the engine's own, here as there
        parts["memory_fraction"] = repr(state["fraction"])
    limits = {attribute: state[name] for name, attribute in LIMITS.items()}
    parts |= {name: str(value) for name, value in limits.items() if value and name != "eager"}
    if state["ep"]:
        parts["ep"] = str(state["tp"])
    if state["usd"] is not None:
        parts["usd_h"] = repr(state["usd"])
    return parts


def of_predict(state, capsys, folder):
    """The command for one deployment, as text and as JSON."""
    words = ["predict", *_load_options(state, state["users"])]
    if state["config"]:
        path = folder / "config.json"
        path.write_text(state["config"], encoding="utf-8")
        words += ["--config", str(path)]
    else:
        words += ["--model", state["model"]]
    for name, value in _deployment_parts(state).items():
        words += [f"--{name.replace('_', '-')}", value]
    words += ["--dp-attention"] if state["dp"] else []
    words += ["--eager"] if state["eager"] else []
    text, refusal = _ask(capsys, *words)
    packed, refusal_too = _ask(capsys, *words, "--json")
    assert refusal == refusal_too
    if refusal:
        return {"predict": {"refused": refusal}}
    users = re.search(
        r"^[\d,]+ tokens in(?: \([\d,]+ shared\))? \+ [\d,]+ out, ([\d,]+) user", text, re.M
    )[1]
    said = _printed(text) | {"users": users}
    if state["users"] is None:
        limited = state["itl"] or state["ttft"]
        words = "meet the limits" if limited else "have room"
        assert re.search(rf"\(the most that ({words}|the engine runs at once)\)\.\n", text)
    return {"predict": said, "predict --json": _of_json(json.loads(packed))}


def _of_json(data):
    said = dict(DOES_NOT_START)
    for name, (_, _, unit, key, scale) in ESTIMATED.items():
        e = (data["estimate"] or {}).get(key)
        if e:
            numbers = (e[end] * scale for end in ("value", "low", "high", "ceiling"))
            said |= _estimated(name, *numbers, e["doubt"], unit)
    for key, e in (data["estimate"] or {}).items():
        latency, _, percent = key.removesuffix("_ms").partition("_p")
        if latency in LATENCY.values() and percent:
            numbers = (e[end] * 1e-3 for end in ("value", "low", "high", "ceiling"))
            said |= _estimated(f"{latency} p{percent}", *numbers, e["doubt"], "s")
    return said | {
        "room": f"{data['max_concurrent']:,}",
        "within": f"{data['users_within_limits']['value']:,}",
        "users": f"{data['concurrency']:,}",
        "binding": data["binding_constraint"],
        "verdicts": {limit["name"]: limit["verdict"] for limit in data["limits"]},
        "sentences": {limit["name"]: limit["sentence"] for limit in data["limits"]},
    }


def of_scorecard_command(state, users, capsys):
    """The command for several deployments, with what the calculator opens its B with beside it."""
    if state["config"] or not (state["itl"] and state["budget"]):
        return {}  # a column names a model, and a limit that is left out is the worked spec's
    parts = {"model": state["model"]} | _deployment_parts(state)
    switches = {"dp_attention": state["dp"], "eager": state["eager"]}
    parts |= {name: "true" for name, on in switches.items() if on}
    column = "A: " + " ".join(f"{key}={value}" for key, value in parts.items())
    beside = "B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8"
    words = ["scorecard", "--column", column, "--column", beside, *_load_options(state, users)]
    text, refusal = _ask(capsys, *words)
    packed, refusal_too = _ask(capsys, *words, "--json")
    assert refusal == refusal_too
    if refusal:
        return {"scorecard command": {"refused": refusal}}
    cells = {line[0]: line[1] for line in _cells(text) if len(line) == 3 and line[0]}
    told = json.loads(packed)
    said = {"room": cells["Users that fit"]}
    said |= {name: cells[label] for name, (label, *_) in ESTIMATED.items() if label in cells}
    said |= {name: cells[label] for label, name in _named_percentiles(cells)}
    binds = text.partition("What binds")[2].split("\n")[1]
    assert binds.startswith(f"A: {told['cards'][0]['binding_constraint']}")
    assert told["verdict"] in text
    return {
        "scorecard command": said,
        "scorecard --json": _of_json(told["cards"][0]) | {"verdict": told["verdict"]},
    }


def _refusal(view):
    """What a calculator refuses, without the name of the input."""
    return next(({"refused": one["text"]} for one in errors(view)), None)


def of_calculate(state):
    """Calculate: headline, status and the table of all numbers."""
    view = calculate.view(state)
    refused = _refusal(view)
    if refused:
        return {"Calculate": refused}
    head = headline(view)
    most, status = head["Users within the limits"], view["status"]["text"]
    room = re.search(r"([\d,]+) (?:likely )?fits? in memory", most["note"])[1]
    wanted = re.search(r"; ([\d,]+) wanted", most["note"])[1]
    said = {"within": most["value"], "room": room, "users": wanted}
    if len(head) == 1:
        return {"Calculate": said | DOES_NOT_START}
    rate, first, price = (
        head[label] for label in ("Speed of one user", "First token, mean", "$/M output")
    )
    said |= {
        "rate": f"{rate['value']} {rate['unit']}",
        "gap": rate["note"].partition(" between")[0],
        "ttft": f"{first['value']} {first['unit']}",
        "price": "-" if price["value"] == "no price" else f"{price['value']}/M",
        "status": status,
    }
    for label, name in _named_percentiles(head):
        said[name] = f"{head[label]['value']} {head[label]['unit']}"
    numbers = view["tables"][0]
    rows = {row[0].removesuffix(", always busy"): row[1:] for row in numbers["rows"]}
    of_table = {"users": re.search(r"at ([\d,]+) users?$", numbers["caption"])[1], "price": "-"}
    labels = [(label, name) for name, (label, *_) in ESTIMATED.items()]
    for label, name in (*labels, *_named_percentiles(rows)):
        if label in rows:
            ceiling, value, low, high = rows[label]
            of_table |= {name: value, f"{name}, ceiling": ceiling}
            of_table[f"{name}, interval"] = _held(low, high)
    crowds = view["tables"][1]
    (at,) = crowds["highlight"]
    _, rate, first, price, _ = crowds["rows"][at]
    of_crowds = {"rate": rate, "price": price}
    if crowds["rows"][at][0] == said["users"]:  # the others wait, which is in the first token
        of_crowds["ttft"] = first
    return {
        "Calculate": said,
        "Calculate, all numbers": of_table,
        "Calculate, more or fewer": of_crowds,
    }


def _columns_state(form, state, users):
    shared = {name: state[name] for name in LOAD} | {"users": users, "columns": 2}
    own = {f"a.{name}": state[name] for name in DEPLOYMENT}
    return form.defaults() | shared | own


def of_scorecard(state, users):
    """Scorecard: the column of the deployment, and the verdict over it and the B it opens with."""
    view = scorecard.view(_columns_state(scorecard.FORM, state, users))
    refused = _refusal(view)
    if refused:
        return {"Scorecard": refused}
    table, head = view["tables"][0], view["headline"][0]
    said = _rows(*({row[0]: row[1] for row in one["rows"]} for one in view["tables"][:2]))
    price = f"{head['value']}/M" if head["unit"] else "-"
    return {
        "Scorecard": said | {"verdict": _lettered(view["status"]["text"], table["columns"][1:])},
        "Scorecard, headline": {"price": price, "note": head["note"]},
    }


def _lettered(text, names):
    """A verdict with the command line's letters in place of what tells the columns apart."""
    for letter, name in zip("AB", names, strict=False):
        text = text.replace(name, letter)
    return text


def of_compare(state, users, card):
    """Compare: the headline of each quantity, and the row of the table at the same users."""
    found = {}
    for show in SHOWS:
        asked = {"show": show, "sweep": "users", "from": users, "to": users + 1}
        view = compare.view(_columns_state(compare.FORM, state, users) | asked)
        refused = _refusal(view)
        if refused:
            return {"Compare": refused}
        head, table = view["headline"][0], view["tables"][0]
        value = f"{head['value']} {head['unit']}".strip()
        cell = next(row[1] for row in table["rows"] if row[0] == f"{users:,}")
        if value in OBSTACLES.values():
            assert cell == value and value == _kept(card, show), (show, cell, value)
            continue
        assert _kept(card, show) is None
        tail = card.slo.tail({"gap": "itl"}.get(show, show))
        what = tail.name if tail else show
        name = f"{what}, one unit" if show in ESTIMATED else "room"
        if show == "price":
            value = value.partition(" ")[0]
        if show == "fit":
            value, cell = head["value"], cell.replace(" user ", " users ")
        found[f"Compare, {show}"] = {name: value}
        assert re.match(rf"{re.escape(value)}\b", cell), (show, cell, value)
        if show in LIMIT_OF:
            verdicts = {limit.name: limit for limit in card.limits}
            limit = verdicts.get(tail.name if tail else LIMIT_OF[show])
            missed = limit is not None and not limit.holds
            assert head["note"].startswith("misses ") is missed, (show, head["note"])
    return found


def _kept(card, show):
    """Why Compare has no number; None where it has one."""
    obstacle = sweep.obstacle(card.deployment, card.workload)
    if obstacle and (show != "fit" or obstacle != "room"):
        return OBSTACLES[obstacle]
    return OBSTACLES[""] if show == "price" and card.usd_mtok is None else None


def of_vram(state, users):
    """VRAM: the users that have room, which knows no shared prefix."""
    own = {name: state[name] for name in DEPLOYMENT if name != "usd"}
    context = state["in"] + state["out"]
    if state["prefix"] or context > inputs.MOST_TOKENS:
        return {}
    view = vram.view(vram.FORM.defaults() | own | {"ctx": context, "users": users})
    return {"VRAM": _refusal(view) or {"room": view["headline"][0]["value"]}}


def _without_bound(text):
    """A refusal without the name of what bounds it: the command has options for names."""
    return re.sub(r" \((?:--)?[\w-]+\)", "", text)


@pytest.mark.parametrize("state", _states())
def test_a_state_has_one_answer_on_every_surface(state, capsys, tmp_path):
    assert FORM.check(state) == (state, [])
    card, truth = of_python(state)
    users = card.workload.concurrency if card else state["users"] or 1
    answers = of_predict(state, capsys, tmp_path) | of_calculate(state)
    answers |= of_scorecard(state, users) | of_scorecard_command(state, users, capsys)
    answers |= of_compare(state, users, card) | of_vram(state, users)
    if card is None:
        for surface, said in answers.items():
            refused, why = (_without_bound(one["refused"]) for one in (said, truth))
            assert refused.endswith(why), (surface, said)
        return
    truth |= _in_words(card)
    differ = [
        (surface, name, text, truth.get(name, "nothing"))
        for surface, said in answers.items()
        for name, text in said.items()
        if name != "status" and text != truth.get(name)
    ]
    assert not differ, "\n".join(
        f"{surface}: {name} is {text!r}, Python says {true!r}"
        for surface, name, text, true in differ
    )
    if card.starts:
        _status_tells(answers["Calculate"]["status"], card)


def _in_words(card):
    """The verdict over the card and the worked spec's B, and the note under its price."""
    columns = {"A": card.deployment, "B": meaning.deployment(calculate.FORM.defaults())}
    verdict = design.scorecard(columns, card.workload, card.slo).verdict
    limit = card.limits[0]
    return {"verdict": verdict, "note": f"{limit.words}: {limit.sentence}"}


def _plain(name):
    """A limit as Calculate says it."""
    of, _, percent = name.partition(" p")
    if not percent:
        return answers.LIMITS[name]
    return f"the {percent}th percentile {'gap' if of == 'itl' else 'first token'}"


def _status_tells(status, card):
    """Calculate's status names what is missed, else what is only likely met, and what binds."""
    tightest = card.limits[0]
    if card.ledger.beyond:
        assert status.startswith(card.ledger.beyond)
        return
    sure = "likely " * (card.ledger.start == "likely")
    fits = f"It {sure}fits: " if card.fits else f"It {sure}starts, but not all fit: "
    assert status.startswith(fits)
    pattern = r"It (?:likely )?misses (.*?)(?:, impossible on these cards)?(?:: |\.$)"
    missed = re.search(pattern, status)
    others = [x for x in card.limits if x.name != "capacity"]
    either = [x for x in others if x.verdict == "open"]
    doubtful = either or [x for x in others if x.verdict == "likely"]
    if not missed and doubtful:  # the numbers are of what may be missed, whatever binds
        tightest = doubtful[0]
    if tightest.name != "capacity":
        assert status.endswith(f" {tightest.compared}.")
    met = "It likely meets every limit" if card.fits else "The other limits are likely met"
    likely = re.search(rf"{met}; (.*?) may still miss(?:: |\.$)", status)
    if either and not missed:
        likely = re.search(r"\. ([^.]*?) could go either way: ", status)
    verdicts = {_plain(limit.name): limit for limit in card.limits}
    named = re.split(r", | and ", missed[1] if missed else "")
    lost = {w for w, x in verdicts.items() if x in others and x.verdict not in STILL_MET}
    assert set(filter(None, named)) == lost
    if not missed:
        said = likely[1][0].lower() + likely[1][1:] if likely else ""
        assert set(filter(None, re.split(r", | and ", said))) == {
            w for w, x in verdicts.items() if x in doubtful
        }


def test_a_situation_asks_the_same_of_every_calculator():
    """Whoever starts from "A chat service" in one of them finds its load and limits in the next."""
    for stories in zip(
        *(module.PRESETS for module in (calculate, scorecard, designer, vram)), strict=True
    ):
        whole, *others, memory = (
            module.FORM.check(story["values"])[0]
            for module, story in zip((calculate, scorecard, designer, vram), stories, strict=True)
        )
        for other in others:
            assert {k: whole[k] for k in LOAD} == {k: other[k] for k in LOAD}, stories[0]["label"]
        assert memory["ctx"] == whole["in"] + whole["out"]
        assert memory["users"] == whole["users"]


def test_a_limit_that_is_likely_met_colours_the_answer_and_is_named_though_another_binds():
    """With a cache of 16 bits the room of an H200 binds, and the gap may still be missed."""
    state = scorecard.FORM.defaults() | {"columns": 2}
    side = scorecard.view(state)["status"]
    alone = calculate.view(FORM.defaults() | {"users": state["users"]})["status"]
    assert side["level"] == alone["level"] == "warn"
    assert "capacity met with" in side["text"]
    assert "95th percentile gap likely met" in side["text"]
    assert "; the 95th percentile gap may still miss: " in alone["text"]


def test_what_may_be_missed_is_what_the_sentence_is_about():
    """On four H100 the budget has the least headroom and is met; a gap of 34 ms may be missed."""
    asked = FORM.defaults() | {"tp": 4, "itl": 34}
    card = design.card(meaning.deployment(asked), meaning.load(asked), meaning.limits(asked))
    assert (card.limits[0].name, card.limits[0].verdict) == ("budget", "met")
    said = calculate.view(asked)["status"]["text"]
    assert "; the 95th percentile gap may still miss: " in said and "/h of $" not in said


COMMANDS = {
    "predict": ("predict", "--model", "{}", "--gpu", "h100-sxm"),
    "design": ("design", "--model", "{}", "--gpu", "h100-sxm"),
    "scorecard": ("scorecard", "--column", "model={} gpu=h100-sxm"),
    "compare": (
        *("compare", "--column", "model={} gpu=h100-sxm"),
        *("--column", "model={} gpu=h200-sxm"),
    ),
}


@pytest.mark.parametrize(
    ("model", "lengths"), [("qwen3-8b", (7000, 1000)), ("opt-66b", (1792, 256))]
)
def test_where_nobody_says_a_load_every_surface_takes_the_same_and_says_so(model, lengths, capsys):
    """7,000 in and 1,000 out; of a model whose window is 2,048 tokens that, with an eighth out."""
    prompt, answer = lengths
    for name, words in COMMANDS.items():
        said = " ".join(_ask(capsys, *(word.format(model) for word in words))[0].split())
        assert f"{prompt:,} tokens in + {answer:,} out" in said, name
        assert "by default: --input, --output" in said, name
    said = _ask(capsys, "launch", "--model", model, "--gpu", "h100-sxm", "--tp", "2")[0]
    assert f"{prompt:,} tokens in + {answer:,} out" in said and "(by default: --input" in said
    for module in (calculate, scorecard, compare, designer, vram):
        state = module.FORM.defaults()
        values, notes, _, _ = from_question(module.FORM, f"{model} on H100", state)
        state = module.FORM.check(values, state)[0]
        told = f"context {sum(lengths):,}" if module is vram else f"prompt {prompt:,}"
        assert told in " ".join(notes), module.TITLE
        length = state["ctx"] if module is vram else state["in"] + state["out"]
        assert length == sum(lengths), module.TITLE


TAGS = {
    "qwen3:30b-a3b": ("gguf-q4-k-m", "llama.cpp"),
    "gemma3:27b-it-qat": ("gguf-q4-0", "llama.cpp"),
    "llama3.1:8b-instruct-q8_0": ("gguf-q8-0", "llama.cpp"),
    "gpt-oss:20b": ("gguf-mxfp4", "llama.cpp"),
    "qwen3-30b-a3b": ("bf16", "vllm-0.33"),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_of_ollama_is_its_file_on_every_surface(name, capsys):
    """ollama.com/library/qwen3:30b-a3b is Q4_K_M, gemma3:27b-it-qat Q4_0; Ollama runs llama.cpp."""
    told = json.loads(_ask(capsys, "predict", "--model", name, "--gpu", "h200-sxm", "--json")[0])
    column = f"model={name} gpu=h200-sxm"
    beside = json.loads(_ask(capsys, "scorecard", "--column", column, "--json")[0])["cards"][0]
    found = [(one["weights"], one["engine"]) for one in (told, beside)]
    for module in (calculate, vram, cliff):
        values, *_ = from_question(module.FORM, f"{name} on H200", module.FORM.defaults())
        state = module.FORM.check(values)[0]
        found.append((state["weights"], state["engine"]))
    state = calculate.FORM.parse(f"model={name}&gpu=h200-sxm")[0]
    assert {*found, (state["weights"], state["engine"])} == {TAGS[name]}


@pytest.mark.parametrize("engine", ["vllm", "vllm-0.11", "sglang", "trtllm", "llama.cpp"])
def test_the_memory_fraction_is_the_engines_own_on_every_surface(engine, capsys):
    """vLLM takes 0.92 since version 0.20, and 0.90 before; the inputs show what commands take."""
    ask = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--engine", engine)
    told = json.loads(_ask(capsys, "predict", *ask, "--json")[0])["memory_fraction"]
    assert told == {"vllm": 0.92, "vllm-0.11": 0.9}.get(engine, told)
    for module in (calculate, vram, cliff):
        state = module.FORM.check({"model": "llama-3.1-8b", "engine": engine, "tp": 1})[0]
        state |= {"weights": "bf16"}
        shown = next(one for one in module.view(state)["controls"] if one["name"] == "fraction")
        assert float(shown["entry"]) == pytest.approx(told, abs=1e-4), module.TITLE


def test_the_worked_specs_own_fraction_is_said_where_nobody_named_a_deployment(capsys):
    for command in ("scorecard", "compare"):
        said = " ".join(_ask(capsys, command)[0].split())
        assert "memory fraction of 0.9, as specified; unless told, vLLM 0.33 takes 0.92" in said
        named = ("--column", "model=qwen3-8b gpu=l4", "--column", "model=qwen3-8b gpu=h100-sxm")
        assert "as specified" not in _ask(capsys, command, *named)[0]


def _asked_of_design(question):
    return Calculator("design", urlencode({"ask": question})).view


def test_a_question_and_the_command_hold_a_candidate_to_no_limit_that_nobody_asked_for(capsys):
    """But for a pace that people read, 20 tokens a second, where some candidate keeps it: the 123
    GB of Mistral Large in 8 bits are read by eight L4s of 300 GB/s in 51 ms."""
    question = "mistral-large-2407 on L4 for 2 users"
    state = _state_of(question)
    assert [state[name] for name in ("ttft", "budget")] == [0, 0]
    words = ("design", "--users", "2", "--model")
    told = " ".join(_ask(capsys, *words, "mistral-large-2407", "--gpu", "l4")[0].split())
    told_pace = re.search(r"No latency is limited: a user waits [^,]+, then gets .+? tok/s", told)[
        0
    ]
    status = _asked_of_design(question)["status"]
    assert "Run 8x L4" in status["text"] and told_pace in status["text"]
    assert "this page's default p95 gap 50 ms" in status["beside"]
    fast = json.loads(_ask(capsys, *words, "llama-3.1-70b", "--gpu", "h100-sxm", "--json")[0])
    assert fast["by_default"][-1] == "--itl-p95-ms 50"
    rent = quantity(fast["winner"]["usd_h"], "USD/h")
    assert f"at {rent}: " in _asked_of_design("llama-3.1-70b on H100 for 2 users")["status"]["text"]
    state = _state_of(f"{question}, p95 gap 40 ms")
    assert (state["itl"], state["itlp"], state["budget"]) == (40, "p95", 0)


def _state_of(question):
    values = from_question(FORM_OF_DESIGN, question, FORM_OF_DESIGN.defaults())[0]
    return FORM_OF_DESIGN.check(values)[0]


def test_a_question_of_how_many_cards_is_answered_with_one_deployment_in_copies(capsys):
    """Cards, copies and format first, then the rent of all; the command says the same."""
    view = _asked_of_design("how many H100 for 200 users with llama-3.1-70b, p95 gap 50 ms")
    words = ("design", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--users", "200")
    found = json.loads(_ask(capsys, *words, "--itl-p95-ms", "50", "--copies", "10k", "--json")[0])
    best = found["winner"]
    rent = quantity(best["usd_h"], "USD/h")
    begins = f"Run {best['copies']} x ({best['num_gpus']}x H100 SXM5 80GB TP-2, FP8 weights"
    assert view["status"]["text"].startswith(begins)
    assert f") at {rent}: " in view["status"]["text"].partition(". ")[0]
    assert view["status"]["text"].count("H100") == 1


@pytest.mark.parametrize("rate", [1e-6, 0.1, 0.55, 3.0, 1e5])
def test_at_a_rate_the_command_and_the_calculator_say_the_same(rate, capsys):
    words = ("--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8")
    words += ("--input", "7000", "--output", "1000", "--itl-p95-ms", "50", "--rate", str(rate))
    told = json.loads(_ask(capsys, "predict", *words, "--budget-usd-h", "30", "--json")[0])
    view = calculate.view(FORM.defaults() | {"rate": rate})
    items = {item["label"]: item["value"] for item in view["headline"]}
    made = told["estimate"]
    assert items["Speed of one user"] == digits(made["tok_s_per_user"]["value"])
    assert items["95th percentile gap"] == digits(made["itl_p95_ms"]["value"])
    assert items["Most within limits"] == digits(told["rps_within_limits"]["value"])
    assert items["$/M output"] == f"${made['usd_per_mtok_output']['value']:,.2f}"
    beyond = f"It answers at most {told['saturates_rps']:.3g} of {rate:.4g} requests/s"
    assert view["status"]["text"].startswith(beyond) is (told["saturates_rps"] < rate)
    assert (view["status"]["level"] == "bad") is (told["saturates_rps"] < rate)


def test_where_one_copy_is_too_few_both_say_how_many_are_not(capsys):
    words = ("design", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--users", "2000")
    told = " ".join(_ask(capsys, *words)[0].split())
    many = json.loads(_ask(capsys, *words, "--json")[0])["in_copies"]
    rent = quantity(many["usd_h"], "USD/h")
    assert f"One copy is taken unless told: with --copies {many['copies']}, " in told
    again = json.loads(_ask(capsys, *words, "--copies", str(many["copies"]), "--json")[0])
    assert again["winner"]["usd_h"] == many["usd_h"] and again["in_copies"] is None
    view = _asked_of_design("llama-3.1-70b on H100 for 2000 users")
    assert f"Run {many['copies']} x (" in view["status"]["text"]
    assert f"at {rent}: in one copy nothing" in view["status"]["text"]
    assert not any(one["label"].endswith("(a miss)") for one in view["headline"])
    assert f"{view['headline'][0]['value']}{view['headline'][0]['unit']}" == rent
    assert view["headline"][0]["note"].startswith(f"{many['copies']} x ")
    assert "The nearest misses, in numbers of each" in told


def test_a_limit_on_the_rent_is_of_all_copies_wherever_it_is_said(capsys):
    words = ("design", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--users", "2000")
    limits = ("--itl-p95-ms", "50", "--budget-usd-h", "40", "--copies", "100")
    told = " ".join(_ask(capsys, *words, *limits)[0].split())
    # 38 copies of two H100 at $3.99 each
    assert "38 x (2x h100-sxm" in told and "rent $303.24/h, limit $40.00/h" in told
    assert "$1.05/h" not in told


def test_a_refusal_names_the_option_the_label_or_the_argument(capsys):
    """A shared prefix that is longer than its prompt, in each surface's own words."""
    words = ("predict", "--model", "qwen3-8b", "--gpu", "l4", "--input", "100")
    said = _ask(capsys, *words, "--shared-prefix", "200")[1]
    end = " is 200: it takes a whole number from 0 to 100 tokens"
    assert f"--shared-prefix{end} (--input)" in said
    (form,) = errors(calculate.view(FORM.defaults() | {"in": 100, "prefix": 200}))
    assert form["text"] == f"Shared by all{end} (Prompt)."
    with pytest.raises(BadInput, match=r"^shared_prefix_tokens is 200: .*\(input_tokens\)\.$"):
        Workload(100, 1000, 1, 200)


def test_nobody_wins_what_is_too_close_to_call(capsys):
    """An H200 and an MI300X stand on other rows, and each lies in the other's interval."""
    asked = {"model": "gpt-oss-120b", "weights": "mxfp4", "kv": "fp8"}
    words = ["compare", "--along", "context", "--show", "rate", "--from", "4k", "--to", "16k"]
    for gpu in ("h200-sxm", "mi300x"):
        parts = " ".join(f"{key}={value}" for key, value in asked.items())
        words += ["--column", f"{gpu}: {parts} gpu={gpu}"]
    told = " ".join(_ask(capsys, *words)[0].split())
    sides = {f"{x}.gpu": gpu for x, gpu in zip("ab", ("h200-sxm", "mi300x"), strict=True)}
    state = {f"{x}.{key}": value for x in "ab" for key, value in asked.items()} | sides
    state |= {"columns": 2, "a.tp": 1, "b.tp": 1, "show": "rate"}
    along = compare.FORM.check(state | {"sweep": "ctx", "from": 4000, "to": 16000})[0]
    choices = compare.FORM.check(state | {"sweep": "tp"})[0]
    for said in (told, *(compare.view(one)["status"]["text"] for one in (along, choices))):
        assert "oo close to call" in said and "stimates favour" in said, said
        assert "has the fastest answers" not in said, said


@pytest.mark.parametrize(
    ("model", "cards", "held"),
    [
        ("qwen3-30b-a3b", "rtx-4090", "int4-awq"),  # 61 GB in BF16, 24 on the card
        ("llama-3.3-70b", "2x h100-sxm", "fp8"),  # 141 GB of 160
        ("qwen3-8b", "h100-sxm", "bf16"),
    ],
)
def test_where_a_question_takes_a_copy_that_fits_the_command_names_it(model, cards, held, capsys):
    values, *_ = from_question(FORM, f"{model} on {cards}", FORM.defaults())
    assert values["weights"] == held
    said = " ".join(_ask(capsys, "predict", "--model", model, "--gpu", cards)[0].split())
    assert (f"takes a copy that fits, --weights {held}." in said) is (held != "bf16")
