"""Numbers that are typed with their unit."""

import pytest

from llmcap_kernel.refuse import BadInput
from widgets.calculators.design import FORM
from widgets.form import units
from widgets.session import Calculator

FIELDS = FORM.by_name


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("ttft", "2000 ms", 2.0),
        ("ttft", "1.5s", 1.5),
        ("ttft", "0.5 min", 30.0),
        ("itl", "50 ms", 50.0),
        ("itl", "0.05 s", 50.0),
        ("itl", "1,500us", 1.5),
        ("budget", "$15", 15.0),
        ("budget", "15 USD/h", 15.0),
        ("budget", "$1,500 an hour", 1500.0),
        ("in", "7,000 tokens", 7000),
        ("users", "40 users", 40),
    ],
)
def test_a_unit_may_stand_beside_the_number(name, typed, value):
    assert FIELDS[name].read(typed) == pytest.approx(value)


@pytest.mark.parametrize(("typed", "value"), [("$0.01/ktok", 10.0), ("$0.000002/token", 2.0)])
def test_a_price_of_fewer_tokens_is_one_of_a_million(typed, value):
    assert units.read(typed, "USD/Mtok").value == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "typed"),
    [("ttft", "16 users"), ("in", "2 s"), ("budget", "15 ms"), ("users", "$4"), ("ttft", "abc")],
)
def test_another_kind_of_unit_is_refused_as_it_was_typed(name, typed):
    with pytest.raises(BadInput, match=f"^{name} is '{typed.replace('$', '[$]')}': it takes"):
        FIELDS[name].read(typed)


@pytest.mark.parametrize(
    ("name", "typed", "asks"),
    [
        ("ttft", "2000", "Did you mean 2000 ms?"),
        ("ttft", "500", "Did you mean 500 ms?"),
        ("itl", "0.05", "Did you mean 0.05 s?"),
        ("ttft", "2", ""),
        ("ttft", "2000 s", ""),
        ("ttft", "0", ""),
        ("itl", "50", ""),
        ("budget", "2000", ""),
    ],
)
def test_a_bare_number_of_the_other_unit_is_asked_about(name, typed, asks):
    state, messages = FORM.check({name: typed}, FORM.defaults())
    said = [one["text"] for one in messages if one["level"] == "warning"]
    assert [asks] * bool(asks) == [asks for one in said if asks in one] and len(said) == bool(asks)
    assert state[name] == FIELDS[name].read(typed)


def test_the_doubt_about_a_unit_stands_beside_the_verdict():
    one = Calculator("calculate")
    one.set({"state": {"values": {"ttft": "2000"}, "seq": 1}})
    assert "Did you mean 2000 ms?" in one.view["status"]["beside"]
    one.set({"state": {"values": {"ttft": "2000 ms"}, "seq": 2}})
    assert "mean" not in one.view["status"]["beside"]
