"""What a question says that no input takes, and what is answered beside the view."""

import re

import pytest

from tests.widgets.asking import all_text, answer
from widgets.calculators import calculate


def test_what_no_calculator_counts_is_said_in_a_sentence():
    _, messages = answer("calculate", "llama 8b on L40S with 4 LoRA adapters")
    assert any(one["text"].startswith("4 LoRA adapters are not counted") for one in messages)
    for text in ("cold start of llama 8b on L4", "how long does llama 8b on L4 take to load"):
        _, messages = answer("calculate", text)
        assert "How long it takes to load and start is not predicted." in [
            one["text"] for one in messages
        ]
        assert not [one for one in messages if one["text"].startswith("Not understood")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt-4o on H100", "The weights of gpt-4o are not published"),
        ("llama 8b on CPU only", "A processor without a card (on CPU only) is not predicted."),
        ("llama 70b with 8b draft on 2xH100", "Tokens guessed ahead (8b draft) are not counted"),
        ("goodput of llama 8b on L4", "Requests that meet the limits (goodput) are not counted"),
        ("llama 8b on L4 vs the OpenAI API", "What OpenAI API asks was not said: write it as"),
        ("GLM-4.6, budget $100k", "A price to buy at (budget $100k) is no input"),
    ],
)
def test_what_is_no_input_is_said_by_what_it_is(text, said):
    state, messages = answer("calculate", text)
    assert any(one["text"].startswith(said) for one in messages)
    assert state["budget"] == calculate.FORM.defaults()["budget"]
    assert not [one for one in messages if one["text"].startswith("Not")]


@pytest.mark.parametrize("words", ["experts on CPU", "cpu offload", "experts in ram", "offloading"])
def test_weights_on_the_host_are_led_to_the_command_that_counts_them(words):
    """A card is named, so it is no question of a processor alone."""
    _, messages = answer("calculate", f"deepseek v3.1 q4 on one rtx 4090, {words}")
    said = " ".join(one["text"] for one in messages)
    assert f"({words}) are not counted here: llmcap predict --offload-share" in said
    assert "without a card" not in said


def test_the_memory_that_is_asked_for_is_of_one_user_and_is_said():
    """32,000 x 327,680 B are 9.77 GiB, beside the weights."""
    state, messages = answer("vram", "how much VRAM for llama 3.3 70b q4 with 32k context?")
    assert state["users"] == 1
    found = re.search(r"needs ([\d.]+) GiB a card: ([\d.]+) GiB of weights", all_text(messages))
    assert 9.77 < float(found[1]) - float(found[2]) < 9.77 + 2
    assert answer("vram", "how much VRAM for llama 3.3 70b, 8 users")[0]["users"] == 8
    _, messages = answer("calculate", "llama 70b on my 4090 + 64gb ram")
    assert "The host's 64 GB are not counted here" in all_text(messages)


@pytest.mark.parametrize(
    "text",
    [
        "my log says maximum concurrency 5.3x for 32,768 tokens on 2 H100 with llama 70b, why?",
        "Maximum concurrency for 32,768 tokens per request: 5.30x on 2 H100, llama 70b",
    ],
)
def test_the_concurrency_of_a_log_is_set_beside_the_ledger_s(text):
    """A request takes 32,768 x 327,680 / 2 B of each card: 5 GiB."""
    state, messages = answer("vram", text)
    assert (state["ctx"], state["tp"], state["users"]) == (32_768, 2, 16)
    found = re.search(r"room for ([\d.]+) requests .* left ([\d.]+) GiB", all_text(messages))
    assert float(found[1]) == pytest.approx(float(found[2]) / 5, rel=0.01)
    assert "Paste the whole log into Validate" in all_text(messages)
    assert "Not understood" not in all_text(messages)


@pytest.mark.parametrize(
    "text",
    [
        "monthly cost of running llama 70b on 8xH100 at $2/h each",
        "how much per month for llama 70b on 8xH100 at $2/h each",
    ],
)
def test_a_month_of_rent_is_said(text):
    """8 x 2 x 720 h."""
    _, messages = answer("calculate", text)
    assert "$16.00 an hour are $11,520 a month of 720 hours" in all_text(messages)
    assert "Not" not in all_text(messages)


def test_a_speed_of_nobody_is_told_how_to_say_whose_it_is():
    _, messages = answer("calculate", "qwen3-32b on 2x H100, 2500 tok/s")
    assert "Say whose a speed is: 25 tok/s per user" in all_text(messages)


@pytest.mark.parametrize(
    "text", ["llama 70b, 20 users, which gpus", "70b for 20 users", "qwen3-32b under $5/h"]
)
def test_which_cards_to_take_is_led_to_the_search(text):
    _, messages = answer("calculate", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    _, messages = answer("calculate", "how fast is llama 70b for 20 users")
    assert not [one for one in messages if "link" in one]


def test_which_cards_opens_them_all_in_a_search():
    state, _ = answer("design", "llama 70b, 20 users, which gpus", "v=5&gpus=rtx-3090")
    assert state["gpus"] is None


def test_models_in_one_memory_are_said_to_be_predicted_alone():
    said = "Models that share a card are predicted alone"
    for text in ("can I run llama-3.1-8b and qwen3-8b on one H100", "both models on H100: {}"):
        _, messages = answer("calculate", text.format("llama-3.1-8b, qwen3-8b"))
        assert any(one["text"].startswith(said) for one in messages), text
    _, messages = answer("compare", "llama-3.1-8b vs qwen3-8b on H100")
    assert not any(one["text"].startswith(said) for one in messages)


def test_cards_of_their_own_for_prompts_are_said_to_be_in_no_answer():
    _, messages = answer("calculate", "disaggregated prefill llama-3.3-70b on 4 H100")
    assert any("on cards of their own (disaggregated prefill)" in one["text"] for one in messages)
