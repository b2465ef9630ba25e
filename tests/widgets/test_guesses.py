"""Guesses: the answer is the kernel's, and the picture is to scale."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel.refuse import BadInput
from widgets.figures.beside import bars, beside, marks, times_off
from widgets.guesses import GUESSES
from widgets.pages import build
from widgets.question_host import guess
from widgets.questions import GuessSession

NAMES = list(GUESSES)
CHOICES = [name for name in NAMES if GUESSES[name].options]
NUMBERS = [name for name in NAMES if not GUESSES[name].options]


def asked(name, text, until=""):
    return GuessSession(name, until).set({"answer": {"text": text, "seq": 5}})["verdict"]


def widths(svg):
    return [
        float(rect.get("width").rstrip("%")) for rect in ElementTree.fromstring(svg).iter("rect")
    ]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_drawn_beside_the_answer(name):
    right = GUESSES[name].expected()
    verdict = asked(name, f"{3 * right + 1:.6g} {GUESSES[name].unit}")
    assert (verdict["kind"], verdict["seq"]) == ("shown", 5)
    assert "too high" in verdict["text"].lower()
    assert 'class="lc-right"' in verdict["html"]
    assert 'class="lc-guess"' in verdict["html"]
    assert asked(name, f"{right:.8g}")["text"].startswith("As good as exact")


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_answered(name):
    options = GUESSES[name].options
    right = GUESSES[name].expected()
    assert 2 <= len(options) <= 5
    assert right in options
    for option in options:
        verdict = asked(name, option)
        assert verdict["text"] == f"{'Right' if option == right else 'Wrong'}: {right}."
        assert GUESSES[name].says.split("'")[0] in verdict["html"]
    assert asked(name, "")["kind"] == asked(name, "something else")["kind"] == "unread"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_holds_the_answer_folded_and_one_sentence(name):
    html = GuessSession(name).traits()["html"]
    assert "<details" in html
    assert GUESSES[name].says.count(".") >= 1
    assert GUESSES[name].says.split("'")[0] in html


@pytest.mark.parametrize("name", NAMES)
def test_a_guess_for_later_holds_no_answer(name):
    session = GuessSession(name, "section 4")
    assert "<details" not in session.traits()["html"]
    assert "Section 4 has the answer" in session.traits()["html"]
    verdict = asked(name, GUESSES[name].options[0] if name in CHOICES else "5", "section 4")
    assert verdict == {
        "kind": "kept",
        "text": "Kept. Section 4 draws it beside the answer.",
        "seq": 5,
    }


def test_a_window_reserves_itself_and_two_batches():
    """1,023 + 2 x 8,192 tokens fill 1,088 blocks of 16; and one block more."""
    assert GUESSES["3.3"].expected() == 1089 * 16
    assert asked("3.3", "1,024 tokens")["text"] == "17 times too low: it is 17,424 tokens."


def test_another_unit_is_converted_and_another_quantity_refused():
    assert asked("2.1", "0.2544 s")["text"].startswith("As good as exact")
    assert asked("2.1", "3 users")["kind"] == "unread"
    assert asked("1.1", "<b>")["kind"] == "unread"


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_bars_are_to_scale_and_marks_take_over_beyond_ten_times(guess, right):
    svg = beside(guess, right, "times")
    if max(guess / right, right / guess) > 10:
        places = [float(x) for x in re.findall(r'c?x="([\d.]+)%" (?:cy|y)="45"', svg)]
        assert len(places) == 2
        assert all(0 <= x <= 100 for x in places)
        assert (places[0] < places[1]) == (right < guess)  # the answer's comes first
    else:
        one, other = widths(svg)
        assert max(one, other) == 100
        assert one / other == pytest.approx(right / guess, rel=1e-2)


@given(st.floats(-1e3, 1e9), st.sampled_from([0.0, 1.0, 3.9]))
def test_any_guess_can_be_drawn(guess, right):
    ElementTree.fromstring(beside(guess, right, "users"))
    assert times_off(guess, right)


def test_the_picture_has_a_text_form():
    assert 'aria-label="answer 2 s, your guess 3 s, to scale"' in beside(3, 2, "s")
    assert "logarithmic" in marks([("Answer", 1, "right"), ("Your guess", 1e4, "guess")], "s")
    assert "&lt;b&gt;" in bars([("<b>", 1, "other"), ("x", 2, "right")], "s")


def test_a_cell_has_a_live_a_static_and_a_plain_form():
    widget = guess("1.5")
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == (
        "Guess 1.5: Whose token takes more cache?\n(DeepSeek-V3 / Llama-3.1-8B)"
    )
    assert data["text/html"] == guess("1.5").html
    widget.answer = {"text": "DeepSeek-V3", "seq": 1}
    assert widget.verdict["kind"] == "shown"
    with pytest.raises(BadInput, match=r"1\.5"):
        guess("1.55")


def cells():
    """Guess cells of the chapters in order: chapter, name, and the beat that has the answer."""
    for path in sorted((build.ROOT / "book").glob("[1-5]-*.ipynb")):
        beat = 0
        for cell in nbformat.read(path, as_version=4).cells:
            heading = re.match(r"## (\d+)\.", cell.source)
            beat = int(heading[1]) if heading else beat
            for name, until in re.findall(
                r'^guess\("([\d.]+)"(?:, until="section (\d+)")?\)$', cell.source, re.M
            ):
                yield path.stem[0], name, int(until or 0), beat


def test_every_guess_is_answered_in_the_beat_that_its_head_names():
    found = list(cells())
    answered = {name: beat for _, name, until, beat in found if not until}
    assert sorted(answered) == NAMES == sorted(GUESSES)
    assert len([1 for _, _, until, _ in found if not until]) == len(NAMES)
    kept = {name: until for _, name, until, _ in found if until}
    assert kept == {name: answered[name] for name in kept}
    assert {name[0] for name in kept} == set("12345")  # "Predict first", in each chapter
    assert all(name.startswith(chapter + ".") for chapter, name, _, _ in found)


def test_every_prediction_asked_for_in_words_can_be_answered():
    for path in sorted((build.ROOT / "book").glob("[1-5]-*.ipynb")):
        book = nbformat.read(path, as_version=4).cells
        for cell, following in pairwise(book):
            if re.search(r"\*\*Predict( first)?[:.]?\*\*|## Predict first", cell.source):
                assert following.source.startswith("guess("), cell.source[-200:]
