"""A question of a search: which cards, models and formats it may take."""

from urllib.parse import urlencode

import pytest

from tests.widgets.asking import answer
from widgets.calculators import design
from widgets.session import Calculator


def test_a_search_takes_the_cards_that_are_named():
    state, messages = answer("design", "Llama-3.1-8B on H100, 5 requests/s")
    assert (state["gpus"], state["tp"]) == ("h100-sxm", None)
    view = Calculator("design", design.FORM.query(state)).view
    assert "H100" in view["status"]["text"] and "GH200" not in view["status"]["text"]
    state, _ = answer("design", "qwen3-32b on H200 or MI300X")
    assert state["gpus"] == "h200-sxm,mi300x"
    state, _ = answer("design", "qwen3-32b on two H200")
    assert (state["gpus"], state["tp"]) == ("h200-sxm", 2)
    assert not any("left out" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("what can I run on my M3 Max 64 GB", "apple-m3-max-64gb"),
        ("what fits on a 4090", "rtx-4090"),
        ("which models run on one RTX 3090?", "rtx-3090"),
    ],
)
def test_which_models_a_card_runs(text, card):
    state, messages = answer("design", text)
    assert (state["model"], state["gpus"], state["tp"]) == ("any", card, 1)
    assert (state["users"], state["in"], state["budget"]) == (1, 2000, 0)
    assert not [one for one in messages if one["level"] in ("warning", "error")]
    view = Calculator("design", design.FORM.query(state)).view
    assert "the largest: " in view["status"]["text"]
    large, small = (one for one in view["tables"] if "every limit" in one["caption"])
    assert len(large["rows"]) + len(small["rows"]) > 20
    # the page is the answer and not the catalogue: the rest is one line until it is asked for
    assert len(large["rows"]) == 12 and "fold" not in large and small["fold"]
    assert small["caption"] == f"Also within every limit: {len(small['rows'])} smaller models"
    _, messages = answer("calculate", text)
    assert any("a question for Design" in one["text"] for one in messages)


def test_another_question_of_a_search_picks_none_of_the_former_candidates():
    state, _ = answer("design", "qwen3-8b, 8 users", "v=5&pick=3")
    assert state["pick"] is None


def test_how_many_cards_is_asked_of_a_search():
    for text in ("how many H100s for llama 405b", "llama 405b minimum number of H200"):
        _, messages = answer("calculate", text)
        assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    state, _ = answer("design", "Should I buy 4x3090 or 1x A6000 for 70B?")
    assert (state["model"], state["gpus"]) == ("dense-70b", "rtx-3090,rtx-a6000")
    state, _ = answer("compare", "MI300X vs H100 for llama 405b fp8, 8 cards each")
    assert (state["a.tp"], state["b.tp"]) == (8, 8)
    _, messages = answer("vram", "max context for llama 3.1 8b on a 3060 12GB")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["cliff"]


def test_a_search_says_which_formats_it_takes_and_where_to_ask_for_another():
    _, messages = answer("design", "what can I run on 2x3090")
    assert any("on a desk in four bits" in one["text"] for one in messages)
    _, messages = answer("design", "what can I run on my M3 Max 64 GB")  # llama.cpp's are of 4 bits
    assert not any("on a desk in four bits" in one["text"] for one in messages)
    view = Calculator("design", "ask=what+fits+on+2x3090").view
    assert "70B with INT4 AWQ" in view["status"]["text"]  # 35 GB of 48, where FP8's 70 are too many
    _, messages = answer("design", "llama 3.3 70b awq on 2x3090")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["calculate"]


def test_a_question_of_power_is_led_to_the_search_that_says_it():
    text = "power draw of 8x H100 running Llama 405B fp8"
    _, messages = answer("calculate", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    assert not [one for one in messages if one["text"].startswith("Not")]
    view = Calculator("design", urlencode({"ask": text})).view
    assert any("The cards draw about" in one for one in view["sentences"])
