"""One sentence that says which field, what it got and what it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel.refuse import BadInput, number, one_of, shown, yes_or_no


@given(st.floats(1, 10))
def test_numbers_in_range_pass(value):
    assert number("x", value, 1, 10) == value


def test_whole_numbers_come_back_as_int():
    assert number("tp", 2.0, 1, 8, whole=True) == 2
    assert isinstance(number("tp", 2.0, 1, 8, whole=True), int)


@given(st.one_of(st.floats(allow_nan=True).filter(lambda x: not 1 <= x <= 10), st.text()))
def test_anything_else_is_refused(value):
    with pytest.raises(BadInput) as caught:
        number("x", value, 1, 10, "tokens")
    assert caught.value.field == "x"
    assert str(caught.value).startswith("x is ") and "1 to 10 tokens" in str(caught.value)


@pytest.mark.parametrize("typed", ["H100-SXM", "h100_sxm", " h100 sxm "])
def test_names_forgive_case_and_spacing(typed):
    assert one_of("gpu", typed, ["h100-sxm"]) == "h100-sxm"


def test_unknown_names_are_offered_the_nearest():
    with pytest.raises(BadInput, match="Did you mean h100-sxm"):
        one_of("gpu", "h100-sxn", ["h100-sxm", "l4"])


@given(st.text())
def test_a_name_is_known_or_refused_never_worse(text):
    try:
        assert one_of("gpu", text, ["a", "b"]) in ("a", "b")
    except BadInput as problem:
        assert len(str(problem)) < 200


class Hostile:
    def __repr__(self):
        raise RuntimeError


def test_hostile_values_are_shown_short():
    assert shown(Hostile()) == "a Hostile"
    assert len(shown("x" * 10_000)) == 60


def test_truth_is_not_a_number():
    assert yes_or_no("dp_attention", True) is True
    with pytest.raises(BadInput, match="takes true or false"):
        yes_or_no("dp_attention", 1)


MANY = [*(f"qwen{n}-8b" for n in range(20)), "minimax-m3", "cwm-32b", "rtx-4090", "rx-7900-xtx"]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        # difflib's ratio of "wombat" and "cwm-32b" is 2 * 3 / 13, of "gemini" and "minimax-m3" 0.5
        ("wombat", "It takes one of 24: `llmcap models` lists them."),
        ("gemini", "It takes one of 24: `llmcap models` lists them."),
        ("", "It takes one of 24: `llmcap models` lists them."),
        ("rtx 9999 turbo edition", "Did you mean rtx-4090?"),
        ("qwen3-8bb", "Did you mean qwen3-8b or "),
        ("minimax3", "Did you mean minimax-m3?"),
    ],
)
def test_only_a_name_that_is_near_is_suggested(typed, hint):
    with pytest.raises(BadInput) as caught:
        one_of("model", typed, MANY)
    assert f"is not known. {hint}" in str(caught.value)


def test_of_a_field_without_a_list_some_names_are_given():
    with pytest.raises(BadInput, match=r"It takes one of 24, such as qwen0-8b, qwen1-8b, qwen2"):
        one_of("kind", "wombat", MANY)
