"""Links of other days: they keep reading to the same state, and say what has moved on."""

import json
from pathlib import Path

import pytest

from widgets.form import versions
from widgets.session import CALCULATORS

LINKS = [
    line.split("\t")
    for line in (Path(__file__).parent / "old_links.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("name", "query", "state"), LINKS)
def test_an_old_link_reads_to_the_same_state(name, query, state):
    read, messages = CALCULATORS[name].FORM.parse(query)
    kept = json.loads(state)
    assert {key: read[key] for key in kept} == kept
    assert [m["level"] for m in messages] in ([], ["info"])


@pytest.mark.parametrize("name", CALCULATORS)
def test_an_own_link_says_nothing_and_one_of_version_1_neither(name):
    form = CALCULATORS[name].FORM
    assert form.parse(form.query(form.defaults())) == (form.defaults(), [])
    assert form.parse("v=1")[1] == []


@pytest.mark.parametrize("name", CALCULATORS)
def test_no_input_has_the_name_of_a_stamp(name):
    names = {field.name for field in CALCULATORS[name].FORM.fields}
    assert not names & {"v", *versions.TITLES}


def test_a_link_of_another_day_says_once_what_has_moved():
    form = CALCULATORS["vram"].FORM
    now = versions.stamps()
    state, (message,) = form.parse(f"v=2&users=4&k=0.0.1&d={now['d']}&p=2025-01-01-abcd")
    assert state["users"] == 4 and message["level"] == "info"
    assert f"formulas 0.0.1 -> {now['k']}" in message["text"]
    assert f"prices 2025-01-01-abcd -> {now['p']}" in message["text"]
    assert "catalogue" not in message["text"]


def test_a_hostile_stamp_stays_short():
    _, (message,) = CALCULATORS["vram"].FORM.parse("k=" + "<x>" * 300)
    assert len(message["text"]) < 250
