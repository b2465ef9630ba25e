"""The widget without a browser: traits in, traits out."""

import gzip
import json
import re
from pathlib import Path

import pytest

from widgets import session
from widgets.carried import FRONT, script
from widgets.host import Calculator, app
from widgets.page import static_html
from widgets.session import CALCULATORS

APPS = Path(__file__).parents[2] / "book" / "apps"


def untouched(name):
    form = CALCULATORS[name].FORM
    return form.query(form.defaults())


def test_the_widget_opens_on_a_query():
    view = Calculator("vram", "ctx=32k&gpu=nope").view
    assert "ctx=32000" in view["query"]
    assert [m["field"] for m in view["messages"] if m["level"] == "error"] == ["gpu"]


def test_a_script_is_joined_with_what_it_imports_each_once_and_before_it():
    whole, parts = script("calculator.js"), [*FRONT.glob("calculator/*.js")]
    assert "import " not in re.sub(r"//.*", "", whole)
    places = [whole.index(path.read_text().splitlines()[0]) for path in parts]
    assert len(set(places)) == len(parts) > 10
    own = (FRONT / "calculator.js").read_text().splitlines()[0]
    assert whole.index(own) > max(places)
    assert [whole.count(f"{kind} h(") for kind in ("function", "export function")] == [1, 1]


def test_an_unknown_calculator_or_argument_is_refused():
    with pytest.raises(ValueError, match="vram"):
        Calculator("ram")
    with pytest.raises(TypeError):
        Calculator("vram", ctx=8000)


def test_a_state_is_answered_with_its_number():
    calculator = Calculator("vram")
    calculator.state = {"values": {"users": 4}, "seq": 7, "client": "me"}
    assert (calculator.view["seq"], calculator.view["client"]) == (7, "me")
    assert "users=4" in calculator.view["query"]


def test_a_part_of_a_state_keeps_the_rest_and_nothing_resets_it():
    calculator = Calculator("scorecard", "d.tp=4&users=4")
    calculator.state = {"values": {"users": 5}, "seq": 1}
    assert "d.tp=4" in calculator.view["query"]
    calculator.state = {"values": {}, "seq": 2}
    assert calculator.view["query"] == untouched("scorecard")


@pytest.mark.parametrize(
    "hostile",
    [None, 3, "x", [], {"values": 3}, {"values": {"ctx": {}}}, {"values": {"users": 1e308}},
     {"values": {"\x00": "\ud800"}}, {"seq": {}, "client": []}],
)  # fmt: skip
def test_a_hostile_state_is_answered(hostile):
    calculator = Calculator("vram")
    calculator.state = {"values": {"users": 2}, "seq": 1}
    calculator.state = hostile
    assert calculator.view["headline"]


def test_plotly_is_sent_once_it_is_asked_for(monkeypatch):
    calculator, sent = Calculator("vram"), []
    monkeypatch.setattr(calculator, "send", lambda *args, **more: sent.append((args, more)))
    calculator._serve(calculator, {"need": "nothing"}, [])
    calculator._serve(calculator, "noise", [])
    assert sent == []
    calculator._serve(calculator, {"need": "plotly"}, [])
    packed = sent[0][1]["buffers"][0]
    assert len(packed) < 2_000_000
    assert b"Plotly" in gzip.decompress(packed)


@pytest.mark.parametrize("name", CALCULATORS)
def test_one_cell_has_a_live_a_static_and_a_plain_form(name):
    first, second = Calculator(name), Calculator(name)
    data, _ = first._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == first.model_id
    assert data["text/html"] == static_html(session.Calculator(name).whole())
    again, _ = second._repr_mimebundle_()
    for kind in ("text/plain", "text/html"):
        assert data[kind] == again[kind]
        assert first.model_id not in data[kind]


def test_an_app_opens_on_the_address_of_its_page(monkeypatch):
    monkeypatch.setenv("QUERY_STRING", "users=3")
    assert "users=3" in app("vram").view["query"]
    monkeypatch.delenv("QUERY_STRING")
    assert app("vram").view["query"] == untouched("vram")


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_calculator_has_its_app(name):
    notebook = json.loads((APPS / f"{name}.ipynb").read_text())
    assert notebook["metadata"]["title"] == CALCULATORS[name].TITLE
    source = "".join(notebook["cells"][-1]["source"])
    assert f'app("{name}")' in source


@pytest.mark.parametrize("name", ["vram", "calculate", "cliff"])
def test_what_was_not_taken_is_said_at_the_verdict(name):
    here = session.Calculator(name)
    before = here.view["status"]["text"]
    changed = here.set({"state": {"values": {"config": '{"model_type": "llama",}'}}})
    status = changed["view"]["status"]
    assert status["text"].startswith("config.json is not JSON at line 1, column 24")
    assert (status["level"], before in status["beside"]) == ("warn", True)
    again = here.set({"state": {"values": {"users": 3}}})["view"]["status"]
    assert "JSON" not in again["text"]
