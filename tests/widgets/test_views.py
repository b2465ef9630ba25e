"""The views as pure functions: what a person reads, without a browser."""

import json
import re

import pytest
from hypothesis import given, settings

from llmcap_kernel import capacity, catalog, design
from tests.widgets.inputs import CONFIGS, states
from tests.widgets.reading import control, errors
from widgets.calculators import calculate, cliff, columns, compare, scorecard, vram
from widgets.calculators import design as design_calculator
from widgets.form import meaning
from widgets.form.presets import AS_SPECIFIED
from widgets.session import CALCULATORS, safe_view, with_company

MODULES = list(CALCULATORS.values())
FEW = 6  # tries of what takes long
PARTS = {
    "name", "title", "lead", "controls", "headline", "status", "tables", "sentences",
    "messages", "figure", "query",
}  # fmt: skip


def shown(module, **changed):
    """A view of the defaults with some inputs changed."""
    return module.view(module.FORM.defaults() | changed)


def sound(view):
    """Hold a view to its contract."""
    assert view.keys() >= PARTS
    text = json.dumps(view, allow_nan=False)
    assert not re.search(r"\b(nan|inf)\b", text, re.I)
    assert view["status"]["level"] in ("good", "warn", "bad") and view["status"]["text"]
    for table in view["tables"]:
        assert {len(row) for row in table["rows"]} <= {len(table["columns"])}
        assert all(isinstance(cell, str) for row in table["rows"] for cell in row)
    for item in view["headline"]:
        assert item["label"] and item["value"]
    if view["figure"]:
        assert view["figure"]["alt"] and view["tables"]


def extremes(control):
    """The first and last choice of a control, and both ends of its range."""
    if control["kind"] in ("select", "search"):
        return [option["value"] for option in control["options"]]
    if control["kind"] == "toggle":
        return [True, False]
    if control["kind"] == "text":
        return CONFIGS
    stops = control.get("stops", [])
    ends = [control["min"] or 0.05, control["max"], *stops[:1], *stops[-1:]]
    whole = isinstance(control["value"], int)
    return [int(end) if whole else end for end in ends]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.FORM.name)
def test_the_default_is_sound(module):
    view = shown(module)
    sound(view)
    assert view["figure"] and view["headline"]
    assert not errors(view)
    assert module.FORM.parse(view["query"]) == (module.FORM.defaults(), [])


PRESETS = [
    pytest.param(module, preset, id=f"{module.FORM.name}-{preset['label']}")
    for module in MODULES
    for preset in getattr(module, "PRESETS", ())
]


@pytest.mark.parametrize(("module", "preset"), PRESETS)
def test_a_preset_is_read_whole_and_gives_a_sensible_answer(module, preset):
    state, messages = module.FORM.check(preset["values"])
    assert messages == []
    view = module.view(state)
    sound(view)
    assert not errors(view)
    assert view["headline"] and view["figure"]
    # The worked spec is there to fail; the others are there to be served.
    if preset["label"] != "The worked spec":
        assert view["status"]["level"] != "bad", view["status"]["text"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.FORM.name)
def test_a_view_is_pure(module):
    assert shown(module) == shown(module)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.FORM.name)
def test_every_choice_and_every_end_is_sound(module):
    for one in shown(module)["controls"]:
        values = extremes(one)
        if one["name"].startswith(("b.", "c.", "d.")):  # what was tried of A holds for them
            values = [values[0], values[-1]]
        if module is design_calculator:  # each is a search of its own
            values = values[-1:]
        if module in (compare, scorecard):  # Calculate tries all of them
            values = values[:: max(1, len(values) // FEW)]
        for value in values:
            sound(shown(module, **{one["name"]: value}))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.FORM.name)
def test_every_control_says_what_it_is(module):
    fields = {field.name for field in module.FORM.fields}
    for one in shown(module)["controls"]:
        assert one["name"] in fields and one["label"] and one["text"]
        if one["kind"] == "slider":
            assert one["stops"] == sorted(set(one["stops"]))
            assert len(one["stops"]) == len(one["stop_texts"])
            assert one["stops"][one["at"]] <= one["max"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.FORM.name)
def test_any_state_gives_a_sound_view(module):
    @settings(max_examples=FEW if module is design_calculator else 60, deadline=None)
    @given(states(module.FORM))
    def holds(state):
        sound(module.view(state))

    holds()


def test_vram_agrees_with_the_kernel():
    books = capacity.ledger(design.worked_spec()[0], context_tokens=8000, concurrency=16)
    view = shown(vram, **AS_SPECIFIED)
    assert view["headline"][0]["value"] == f"{books.max_concurrent:,}"
    assert view["status"]["text"].startswith(books.verdict)
    two = shown(vram, **AS_SPECIFIED, tp=2)
    assert two["status"]["level"] == "good"


def test_vram_adds_up_to_the_card():
    for state in ({}, {"tp": 2}, {"gpu": "h200-sxm"}, {"fraction": 0.98}):
        view = shown(vram, **state)
        rows = {row[0]: float(row[1].replace(",", "")) for row in view["tables"][0]["rows"]}
        rows.pop("KV without room", None)
        d = meaning.deployment(vram.FORM.defaults() | state)
        books = capacity.ledger(d, context_tokens=8000, concurrency=16)
        if books.kv_pool_bytes >= 0:
            assert sum(rows.values()) == pytest.approx(books.visible_bytes / 2**30, abs=0.05)


def test_vram_names_ways_out_that_hold():
    table = shown(vram)["tables"][1]
    assert any(row[2] == "holds all" for row in table["rows"])


def test_inputs_that_clash_are_named_beside_their_control():
    view = shown(vram, tp=5)
    assert view["status"]["level"] == "bad"
    assert view["messages"][0]["field"] == "tp"
    assert view["messages"][0]["text"].startswith(
        "Cards (TP) is 5: it must divide the 64 attention"
    )


@pytest.mark.parametrize("module", [calculate, scorecard, compare])
def test_a_prefix_longer_than_its_prompt_is_refused_by_the_name_beside_the_input(module):
    (message, *_) = shown(module, prefix=9000)["messages"]
    assert message["field"] == "prefix" and message["text"].startswith("Shared by all is 9000")


@pytest.mark.parametrize("name", ["scorecard", "compare"])
def test_a_load_and_its_limits_go_along_a_link_and_0_is_no_limit(name):
    state = {"itl": 0, "ttft": 0, "budget": 0, "in": 2000, "users": 3, "prefix": 100, "tp": 4}
    view = with_company(calculate, calculate.FORM.defaults() | state, shown(calculate, **state))
    query = next(link["query"] for link in view["links"] if link["name"] == name)
    there, messages = CALCULATORS[name].FORM.parse(query)
    assert messages == []
    assert {key: there[key] for key in state if key != "tp"} | {"tp": there["a.tp"]} == state
    text = json.dumps(CALCULATORS[name].view(there)["tables"])
    assert "USD/h" not in text and "budget" not in CALCULATORS[name].view(there)["status"]["text"]


def test_users_left_empty_go_along_a_link_without_an_error():
    state = calculate.FORM.defaults() | {"users": None}
    for link in with_company(calculate, state, calculate.view(state))["links"]:
        there, messages = CALCULATORS[link["name"]].FORM.parse(link["query"])
        assert messages == [] and there["users"], link["name"]


def test_where_the_engine_s_own_choice_is_another_the_input_says_so():
    said = {one["name"]: one["help"] for one in shown(vram, **AS_SPECIFIED)["controls"]}
    assert "vLLM 0.33 takes 0.92" in said["fraction"] and "16 bits" in said["kv"]
    for same in ({}, {"fraction": 0.92, "kv": "bf16"}):
        own = {one["name"]: one["help"] for one in shown(vram, **same)["controls"]}
        assert own["fraction"] == own["kv"] == ""


@pytest.mark.parametrize("engine", catalog.engines())
@pytest.mark.parametrize("module", [vram, calculate, cliff], ids=lambda module: module.FORM.name)
def test_untouched_the_memory_fraction_is_the_engine_s_own_and_the_cache_has_16_bits(
    module, engine
):
    """As `llmcap predict` has it, whatever the engine; SGLang takes its fraction from the card."""
    state = module.FORM.defaults() | {"engine": engine}
    own = catalog.deployment(
        model=state["model"], gpu=state["gpu"], tp=state["tp"], weights="fp8", engine=engine
    )
    built = meaning.deployment(state)
    assert (built.fraction, built.kv) == (own.fraction, own.kv)
    fraction = control(module.view(state), "fraction")
    assert float(fraction["entry"]) == pytest.approx(own.fraction, abs=1e-4)


def test_the_cliff_is_a_hyperbola_cut_to_whole_users():
    rows = shown(cliff)["tables"][0]["rows"]
    for _, _, before, whole in rows:
        assert int(whole.replace(",", "")) == int(float(before.replace(",", "")))
    first, last = rows[0], rows[-1]
    grows = int(last[0].replace(",", "")) / int(first[0].replace(",", ""))
    falls = float(first[2].replace(",", "")) / float(last[2].replace(",", ""))
    assert falls == pytest.approx(grows, rel=0.05)


def test_the_scorecard_is_the_worked_spec():
    named = dict(zip(("1x H100", "2x H100", "8x H200"), design.worked_spec(), strict=True))
    card = design.scorecard(named, design.WORKED_WORKLOAD, design.WORKED_SLO)
    view = shown(scorecard, **columns.AS_SPECIFIED)
    assert view["status"]["text"] == card.verdict
    for i, one in enumerate(card.cards):
        cells = {row[0]: row[i + 1] for row in view["tables"][0]["rows"]}
        assert cells["Binding constraint"] == one.binding
        assert cells["Users that fit"] == f"{one.max_concurrent:,}"
        sure = {row[0]: row[i + 1] for row in view["tables"][1]["rows"]}
        for name, said in one.rows():
            if not said.partition("; ceiling ")[2]:
                assert cells[name] == said
                continue
            low, high = (sure[f"{name}, {end}"] for end in ("from", "to"))
            held = f"{low} to {high}" if high != "-" else low
            assert said == f"{cells[name]} ({held}); ceiling {sure[f'{name}, ceiling']}"


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_the_scorecard_has_as_many_columns_as_asked(columns):
    view = shown(scorecard, columns=columns)
    assert len(view["groups"]) == len(view["headline"]) == columns
    assert len(view["tables"][0]["columns"]) == columns + 1


def test_a_column_that_cannot_be_leaves_the_others():
    view = shown(scorecard, **{"a.tp": 5})
    assert [item["label"].partition(":")[0] for item in view["headline"]] == [
        *("2x H100", "1x MI300X")
    ]
    assert view["messages"][0]["field"] == "a.tp"


def test_a_failing_view_becomes_a_message_and_a_log_line(monkeypatch, caplog):
    real, calls = vram.view, []

    def fails_once(state):
        calls.append(state)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return real(state)

    monkeypatch.setattr(vram, "view", fails_once)
    view = safe_view(vram, vram.FORM.defaults() | {"users": 3})
    assert "fault of ours" in view["messages"][0]["text"]
    assert "broken" in caplog.text
    assert "Traceback" not in json.dumps(view)
