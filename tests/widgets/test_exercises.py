"""Exercises: the right value in any unit of its kind, and a sentence for everything else."""

import re

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel.refuse import BadInput
from widgets.exercises import EXERCISES, check, judge
from widgets.exercises.capacity import small_card
from widgets.form import units
from widgets.pages import build
from widgets.question_host import exercise
from widgets.questions import ExerciseSession

NAMES = list(EXERCISES)
# How each unit asked for may also be written, as (factor on the number, unit).
ALSO = {
    "bytes": ((1e-9, "GB"), (2**-30, "GiB"), (1e-6, "MB"), (1, "B")),
    "GB": ((1, "GB"), (1e9, "B"), (1e9 / 2**30, "GiB"), (1e-3, "TB")),
    "s": ((1, "s"), (1e3, "ms"), (1e6, "us"), (1e6, "\u00b5s")),
    "tok/s": ((1, "tok/s"), (1, "tokens a second"), (1, "tokens per second")),
    "times": ((1, "x"), (1, "times"), (1, "\u00d7"), (100, "%")),
    "USD/Mtok": ((1, "USD/Mtok"), (1, "$/M"), (1, "USD"), (1, "dollars per million tokens")),
    "users": ((1, "users"), (1, "requests")),
    "tokens": ((1, "tokens"), (1e-3, "k"), (1e-3, "k tokens")),
    "cards": ((1, "cards"), (1, "GPUs")),
}
numbers = st.floats(1e-6, 1e12, allow_nan=False)


def other_quantity(unit):
    """An answer that measures something else."""
    return "12 users" if unit in ("bytes", "GB", "s", "cards", "times") else "3 GB"


@pytest.mark.parametrize("name", NAMES)
def test_the_right_value_is_right_in_every_unit_of_its_kind(name):
    exercise = EXERCISES[name]
    right = exercise.expected()
    assert judge(exercise, right).kind == "right"
    assert judge(exercise, f"{right:.6g}").kind == "right"
    for factor, unit in ALSO[exercise.unit]:
        assert judge(exercise, f"{right * factor:.6g} {unit}").kind == "right", unit


@pytest.mark.parametrize("name", NAMES)
def test_every_slip_is_named(name):
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 3
    for reason, slip in exercise.mistakes.items():
        verdict = judge(exercise, f"{slip():.8g}")
        assert (verdict.kind, verdict.text) == ("slip", f"not yet. {reason}")


@pytest.mark.parametrize("name", NAMES)
def test_another_quantity_or_no_number_gets_one_sentence(name):
    exercise = EXERCISES[name]
    for given_text in (other_quantity(exercise.unit), "3 blorp", "many", ""):
        verdict = judge(exercise, given_text)
        assert verdict.kind == "unread"
        assert f" in {exercise.unit}" in verdict.text
        assert verdict.text.count("\n") == 0
        assert len(verdict.text) < 160


@pytest.mark.parametrize("chapter", "12345")
def test_a_chapter_has_eight_exercises_or_more(chapter):
    assert sum(name.startswith(f"{chapter}.") for name in NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_three_hints_go_from_a_nudge_to_the_numbers(name):
    told = EXERCISES[name].hint_texts
    assert len(told) == len(set(told)) == 3
    assert all(hint.endswith((".", "?")) for hint in told)
    html = ExerciseSession(name).traits()["html"]
    places = [html.index(hint.split("'")[0].replace("<", "&lt;")) for hint in told]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_no_hint_gives_the_answer_away(name):
    exercise = EXERCISES[name]
    session = ExerciseSession(name)
    said = judge(exercise, exercise.expected()).text.removeprefix("right, ").rstrip(".")
    shown = session.traits()["html"] + session.text
    if exercise.unit not in ("cards", "users"):  # small whole numbers are everywhere
        assert said not in shown


def test_a_setting_that_does_not_start_is_not_the_largest_that_does():
    """A logit takes 38 bytes x 128,256: eight sequences more are 39 MB that nobody has left."""
    most = EXERCISES["3.8"].expected()
    assert not small_card(most + 8).starts
    assert judge(EXERCISES["3.8"], most + 8).kind == "wrong"
    assert judge(EXERCISES["3.8"], most + 1).kind == "right"  # hint 3 in rounded numbers


def test_gb_and_gib_are_kept_apart():
    exercise = EXERCISES["3.1"]
    assert judge(exercise, "7.8125 GiB").kind == "right"
    assert "in GiB" in judge(exercise, "7.8125").text
    assert judge(exercise, "8.39 GiB").text == (
        "not yet. The number is right in GB, the unit is not."
    )


@given(numbers)
def test_a_unit_is_its_size(x):
    assert units.read(f"{x} GB", "GB").value == pytest.approx(
        units.read(f"{x * 1e9} B", "GB").value
    )
    assert units.read(f"{x} GiB", "bytes").value == pytest.approx(x * 2**30)
    assert units.read(f"{x} ms", "s").value == pytest.approx(x / 1e3)
    assert units.read(f"{x}", "GB").value == pytest.approx(x)


@given(st.text(max_size=80), st.sampled_from(sorted(ALSO)))
def test_any_text_is_read_or_refused(text, unit):
    try:
        assert isinstance(units.read(text, unit).value, float)
    except BadInput as problem:
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [("262,144", 262_144), ("262 144 B", 262_144), ("2.62144 x 10^5", 262_144),
     ("2.62144e5", 262_144), ("256 KiB", 262_144), ("0.262144 MB", 262_144),
     ("-3 kB", -3000), ("\u22123 kB", -3000)],
)  # fmt: skip
def test_numbers_as_people_write_them(text, value):
    assert units.read(text, "bytes").value == pytest.approx(value)


def test_a_decimal_comma_is_not_guessed_at():
    with pytest.raises(BadInput, match="decimals with a point"):
        units.read("8,39 GB", "GB")


@pytest.mark.parametrize(
    "hostile",
    [None, 3, {}, {"text": {}}, {"text": [1]}, {"text": True}, {"text": "\ud800"},
     {"text": "9" * 5000}, {"seq": {}}],
)  # fmt: skip
def test_a_hostile_answer_gets_a_sentence(hostile):
    verdict = ExerciseSession("3.1").set({"answer": hostile})["verdict"]
    assert verdict["kind"] == "unread"
    assert len(verdict["text"]) < 200


def test_a_verdict_echoes_its_number():
    session = ExerciseSession("3.1")
    assert session.set({"answer": {"text": "8.39", "seq": 7}})["verdict"] == {
        "kind": "right",
        "text": "Right, 8.39 GB.",
        "seq": 7,
    }
    wrong = session.set({"answer": {"text": "1", "seq": 8}})["verdict"]
    assert (wrong["kind"], wrong["seq"]) == ("wrong", 8)


def test_check_prints_in_a_cell(capsys):
    check("3.1", "8.39 GB")
    check("3.1", 1.0)
    assert capsys.readouterr().out.splitlines() == [
        "Exercise 3.1: right, 8.39 GB.",
        "Exercise 3.1: not yet, and none of the usual",
        "slips. Begin with one token, as section 6 does.",
        "Which heads count?",
    ]
    with pytest.raises(BadInput, match=r"3\.1"):
        check("3.11", 1)


def test_a_cell_has_a_live_a_static_and_a_plain_form():
    widget = exercise("3.1")
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == "Exercise 3.1: answer in GB"
    assert data["text/html"] == widget.html == exercise("3.1").html
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    widget.answer = {"text": "8.39 GB", "seq": 1}
    assert widget.verdict["kind"] == "right"


def test_every_exercise_is_asked_once_and_has_a_worked_solution():
    asked, solved = [], []
    for path in sorted((build.ROOT / "book").glob("[1-5]-*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            found = re.findall(r'^exercise\("([\d.]+)"\)$', cell.source, re.M)
            asked += found if cell.cell_type == "code" else []
            if "hide-cell" in cell.metadata.get("tags", ()):
                solved += re.findall(r'^check\("([\d.]+)", ', cell.source, re.M)
    assert asked == solved == NAMES
