"""A name as a stranger wrote it, in the inputs of a calculator."""

import re

import pytest

from llmcap_kernel import catalog
from tests.widgets.reading import control
from widgets.form import own_card
from widgets.session import CALCULATORS

FORM = CALCULATORS["calculate"].FORM
VALIDATE = CALCULATORS["validate"].FORM


def test_a_name_sets_what_it_says_and_says_what_was_understood():
    state, messages = FORM.parse("model=QuantTrio-Qwen3.6-27B-AWQ&gpu=2x+H100+SXM5")
    named = {name: state[name] for name in ("model", "weights", "gpu", "tp")}
    assert named == {"model": "qwen3.6-27b", "weights": "int4-awq", "gpu": "h100-sxm", "tp": 2}
    assert [m["field"] for m in messages] == ["model", "gpu"]
    assert all(m["level"] == "info" and m["text"].count(".") >= 1 for m in messages)


def test_what_is_stated_beside_a_name_goes_before_it():
    state, _ = FORM.parse("model=Qwen3-32B-AWQ&weights=fp8&gpu=8x+H100&tp=4")
    assert (state["model"], state["weights"], state["tp"]) == ("qwen3-32b", "fp8", 4)


def test_a_page_sends_all_inputs_with_the_name_that_was_typed():
    before = FORM.defaults()
    state, _ = FORM.check(before | {"model": "Qwen/Qwen3-32B-AWQ"}, before)
    assert (state["model"], state["weights"]) == ("qwen3-32b", "int4-awq")
    both = before | {"model": "Qwen/Qwen3-32B-AWQ", "weights": "bf16"}
    assert FORM.check(both, before)[0]["weights"] == "bf16"


@pytest.mark.parametrize(
    ("query", "model"),
    [("model=dense+12B", "dense-12b"), ("model=gemma-4-12B-it", "gemma-4-12b")],
)
def test_a_size_without_a_config_is_taken_and_its_link_reads_back(query, model):
    state, messages = FORM.parse(query)
    assert catalog.key(state["model"]) == model and messages
    again, said = FORM.parse(FORM.query(state))
    assert again == state and not said


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("model=Qwen3.5", "model", ("could be qwen3.5-4b", "Kept llama-3.1-70b")),
        ("gpu=RTX+4060+Ti", "gpu", ("rtx-4060-ti-16gb or rtx-4060-ti-8gb", "Kept h100-sxm")),
        ("weights=int9000", "weights", ("'int9000'", "Kept fp8")),
        ("engine=vlm-0.9", "engine", ("Did you mean",)),
    ],
)
def test_what_is_unclear_is_asked_and_changes_nothing(query, field, words):
    state, (message,) = FORM.parse(f"v=5&{query}")
    assert state == FORM.defaults() and message["field"] == field
    assert all(word in message["text"] for word in words)


def test_a_filter_of_rows_takes_the_name_alone():
    state, messages = VALIDATE.parse("only.model=Qwen/Qwen3-32B-FP8")
    assert state["only.model"] == "qwen3-32b"
    assert not [m for m in messages if m["level"] != "info"]


# a card of the reader's own

FILE = catalog.gpu_file("l4").replace('name = "l4"', 'name = "mine"')
FILE = re.sub('title = ".*"', 'title = "My card"', FILE)


def test_a_card_s_file_is_pasted_kept_in_the_link_and_reads_back():
    state, (message,) = FORM.check({"config": FILE}, FORM.defaults())
    assert message["text"] == "The card is My card, of the file." and state["config"] is None
    again, messages = FORM.parse(FORM.query(state))
    assert again == state and not messages
    mine, l4 = own_card.card(state["gpu"]), catalog.gpu("l4")
    assert mine.name == "mine" and mine.bandwidth_bytes_s == l4.bandwidth_bytes_s == 300e9
    view = CALCULATORS["calculate"].view(state)
    assert control(view, "gpu")["text"] == "My card, your file"


def test_a_command_without_a_card_keeps_the_reader_s():
    state, _ = FORM.check({"config": FILE}, FORM.defaults())
    after, _ = FORM.check({"config": "vllm serve Qwen/Qwen3-8B"}, state)
    assert (after["model"], after["gpu"]) == ("qwen3-8b", state["gpu"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE.replace("bandwidth_bytes_s = 300000000000.0", ""), "bandwidth_bytes_s is missing"),
        (FILE.replace("vendor", "vendr"), "Did you mean vendor?"),
        (FILE + "[", "of no use"),
    ],
)
def test_a_file_that_is_no_card_is_one_sentence(text, words):
    state, (message,) = FORM.check({"config": text}, FORM.defaults())
    assert state == FORM.defaults() and message["level"] == "error" and words in message["text"]


def test_a_link_that_was_cut_keeps_the_default():
    state, _ = FORM.check({"config": FILE}, FORM.defaults())
    cut = FORM.query(state).split("gpu=")[1].split("&")[0][:60]
    again, messages = FORM.parse(f"v=5&gpu={cut}")
    assert again == FORM.defaults() and "cut" in messages[0]["text"]
