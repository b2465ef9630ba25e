"""Validate on a start-up log: the ledger beside it, and what it asks for."""

import json

import pytest

from llmcap_kernel.evidence import logs, startup
from llmcap_kernel.explain import GIB
from tests.kernel.test_startup import K00139, K00150, K00178, K29
from tests.widgets.test_validate import GOOD, send, table
from widgets import host
from widgets.calculators import validate
from widgets.page import static_html
from widgets.session import Calculator, safe_view


def shown(text, name="vllm.log", **given):
    made = validate.with_file(name, text.encode())
    return safe_view(made, validate.FORM.defaults() | given)


def test_the_terms_stand_logged_beside_computed():
    view = shown(K00139)
    both = startup.beside(logs.read(K00139))
    rows = table(view, "Term by term")["rows"]
    assert [row[0] for row in rows] == [term.name for term in both.terms]
    assert [tuple(row[1:]) for row in rows] == [term.cells() for term in both.terms]
    assert view["status"]["text"].startswith(both.verdict) and view["status"]["level"] == "good"
    json.dumps(view, allow_nan=False)


def test_two_bars_are_to_scale_and_have_the_same_terms():
    data = shown(K00139)["figure"]["data"]
    bars = {
        label: {t["name"]: t["x"][t["y"].index(label)] for t in data if label in t["y"]}
        for label in ("Logged", "Computed")
    }
    both = startup.beside(logs.read(K00139))
    memory = {t.name: t for t in both.terms if t.unit == "bytes"}
    assert set(bars["Logged"]) == set(bars["Computed"]) == set(memory)
    for name, term in memory.items():
        assert bars["Logged"][name] == pytest.approx(term.logged / GIB)
        assert bars["Computed"][name] == pytest.approx(term.computed / GIB)


@pytest.mark.parametrize("text", [K29, K00150, K00178])
def test_a_card_that_is_not_named_is_asked_for_in_one_sentence(text):
    view = shown(text)
    asked = "The log does not name the card: choose it below your file."
    assert view["status"] == {"level": "warn", "text": asked}
    assert "file.gpu" in {one["name"] for one in view["controls"]}
    assert table(view, "What the log says")["rows"][0][0] == "Engine"


def test_all_that_lacks_is_asked_for_at_once():
    assert shown("Available KV cache memory: 6.95 GiB")["status"]["text"] == (
        "The log does not name the model and the card: choose it below your file."
    )


def test_what_is_said_beside_the_file_completes_the_log():
    view = shown(K29, **{"file.gpu": "rtx-3090"})
    assert "It started, and the ledger says so." in view["status"]["text"]
    cells = {row[0]: row[1:] for row in table(view, "Term by term")["rows"]}
    assert cells["KV cache"][0] == "6.95 GiB" and cells["concurrency"][0] == "1.79"
    more = shown(K29, **{"file.gpu": "rtx-3090", "file.fraction": 0.5})
    assert more["status"]["level"] == "bad" and "does not start" in more["status"]["text"]


def test_an_empty_field_shows_what_the_log_says():
    boxes = {one["name"]: one for one in shown(K29)["controls"]}
    assert boxes["file.maxlen"]["placeholder"] == "31,800"
    assert boxes["file.fraction"]["placeholder"] == "0.95"


def test_trtllm_starts_with_fewer_tokens_a_step_than_sequences():
    """Row k00178 ran with 2 048 sequences and 1 024 tokens; only vLLM refuses that."""
    view = shown(K00178, **{"file.gpu": "h100-sxm"})
    assert table(view, "Term by term")["rows"], view["status"]


def test_a_log_of_a_model_that_is_not_known_says_so_without_the_command_line():
    text = K29.replace("Llama-3.1-8B-Instruct", "Abacus")
    said = shown(text, **{"file.gpu": "rtx-3090"})["status"]
    assert said["level"] == "warn" and "is not in the catalogue" in said["text"]
    assert "llmcap" not in said["text"]


def test_a_log_is_sent_in_parts_and_taken_away_like_any_file():
    calculator = Calculator("validate")
    before = calculator.set({"state": {"values": {}}})["view"]
    parts = [K00139[i : i + 700].encode() for i in range(0, len(K00139), 700)]
    for at, part in enumerate(parts):
        content = {"file": {"name": "a.log", "part": at, "parts": len(parts)}}
        calculator.message(content, [part], lambda _: None)
    assert table(calculator.view, "Term by term") and "a.log" in json.dumps(calculator.view)
    assert "a.log" not in calculator.view["query"]
    calculator.message({"file": None}, [], lambda _: None)
    after = calculator.view
    assert {k: after[k] for k in ("tables", "status", "figure", "query")} == {
        k: before[k] for k in ("tables", "status", "figure", "query")
    }


def test_a_result_is_still_a_result():
    calculator = host.Calculator("validate")
    assert send(calculator, GOOD.encode())[-1] == {"done": True}
    assert table(calculator.view, "Your file, mine.csv")


def test_a_hostile_log_is_no_markup():
    text = K00139.replace("openai/gpt-oss-20b", "openai/<img src=x>")
    view = shown(text)
    assert "<img" in json.dumps(view)  # as text, which the page escapes
    assert "<img" not in static_html(view)
