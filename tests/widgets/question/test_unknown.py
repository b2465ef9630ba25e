"""A machine that no card is known for: no other card answers in its place."""

import pytest

from llmcap_kernel import catalog
from tests.widgets.asking import answer
from widgets.form.question import unknown
from widgets.session import CALCULATORS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("qwen3-8b on a rpi 5", "rpi 5"),
        ("rpi 5 llama 3.2 3b", "rpi 5"),
        ("llama 3.1 8b on a raspberry pi 5 8gb", "raspberry pi 5"),  # no card of 8 GB
        ("can a Steam Deck run llama 8b", "Steam Deck"),
        ("is a steam deck good enough for qwen3-4b?", "steam deck"),
        ("qwen3-8b on my toaster", "toaster"),
        ("qwen3-8b on my wombat 3000", "wombat 3000"),  # in no table
        ("llama 8b on my old gaming pc", "gaming"),
        ("llama 8b on pixel 9", "pixel 9"),
        ("qwen3-8b on an Intel N100", "Intel N100"),
        ("deepseek r1 on a threadripper with 512GB ram", "threadripper"),
        ("llama 8b on M5 Ultra", "M5 Ultra"),  # no M5
        ("llama-3.1-8b on 3 RTX 7090s", "RTX 7090"),
        ("which models run on a raspberry pi 5", "raspberry pi 5"),
        ("how many users on cerebras, llama 70b", "cerebras"),
    ],
)
@pytest.mark.parametrize("calculator", ["calculate", "vram", "compare", "design"])
def test_an_unknown_card_is_said_first_and_no_other_is_predicted(calculator, text, name):
    state, messages = answer(calculator, text)
    assert state == CALCULATORS[calculator].FORM.defaults()
    assert messages[0]["text"].startswith(f"'{name}' is no card known here")
    assert "--gpu-file" in messages[0]["text"]


def test_an_unknown_card_is_told_the_nearest_where_it_is_written_as_cards_are():
    nearest = {"MI500X": "mi300x", "RTX 6090": "rtx-3090-ti", "M5 Ultra": "apple-m3-ultra"}
    for name, near in nearest.items():
        said = answer("calculate", f"qwen3-8b on {name}")[1][0]["text"]
        assert near in said.partition("Did you mean")[2]
    for name in ("rpi 5", "iPhone 15 Pro", "toaster"):
        assert "Did you mean" not in answer("calculate", f"qwen3-8b on my {name}")[1][0]["text"]
    assert "Name its chip" in answer("calculate", "qwen3-8b on my MacBook Air")[1][0]["text"]


@pytest.mark.parametrize(
    "text",
    [
        *("qwen3-8b on our documents", "llama 70b on a budget", "qwen3-32b on demand"),
        *("llama 70b on the weekend", "qwen3-8b on my 3060", "can two L4 run llama 8b"),
        *("qwen3-8b on my desktop", "llama 3 70b on one box", "llama 8b on our new pc"),
        *("llama 8b on M4 Max 64GB", "qwen3-8b on a laptop with 16 GB", "gpt-oss-120b fifty rps"),
    ],
)
def test_what_stands_behind_on_and_is_no_machine_stops_nothing(text):
    state, messages = answer("calculate", text)
    assert not [one for one in messages if one["level"] == "error"]
    assert state["model"] != CALCULATORS["calculate"].FORM.defaults()["model"]


def test_an_unknown_card_beside_a_known_one_is_said_to_be_left_out():
    state, messages = answer("compare", "qwen3-8b on H100 vs rpi 5")
    assert state["a.gpu"] == "h100-sxm"
    texts = [one["text"] for one in messages]
    assert "rpi 5 is no card known here, so nothing is said of it." in texts
    assert not any(text.startswith("Not understood") for text in texts)


@pytest.mark.parametrize("text", ["gpt-4o on H100", "llama 8b on CPU only"])
def test_what_nobody_can_run_or_predict_leaves_no_other_answer(text):
    state, messages = answer("calculate", text)
    assert state == CALCULATORS["calculate"].FORM.defaults()
    assert messages[0]["level"] == "error"


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("kimi k9 on 8xH200", "kimi k9", "Did you mean kimi-k2"),
        ("how fast is qwen on a 4090", "qwen", "It could be qwen1.5-7b, "),
        ("granite 5 small on L4", "granite 5", "Did you mean granite-3.3-8b"),
        ("xyzv3 on 8xB200", "xyzv3", "Name a model of the catalogue"),
    ],
)
@pytest.mark.parametrize("calculator", ["calculate", "compare", "design"])
def test_an_unknown_model_is_said_first_and_no_other_is_predicted(calculator, text, name, hint):
    state, messages = answer(calculator, text)
    assert state == CALCULATORS[calculator].FORM.defaults()
    assert messages[0]["text"].startswith(f"'{name}' is no model known here")
    assert hint in messages[0]["text"]


def test_dsv3_is_deepseek():
    assert answer("calculate", "dsv3 on 8xB200 nvfp4")[0]["model"] == "deepseek-v3"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("qwen3-8b on Mac Studio", "Mac Studio M4 Max 64GB"),
        ("Mac Studio", "Mac Studio M4 Max 64GB"),
        ("llama 8b macbook pro", "MacBook Pro M4 Max 64GB"),
        ("Mac mini llama 8b", "Mac mini M4 16GB"),
        ("gpt-oss-20b jetson", "Jetson Orin Nano 8GB"),
        ("llama-70b on gaudi", "Gaudi 3"),
        ("qwen3-8b on tpu", "TPU v6e"),
    ],
)
def test_a_machine_without_its_chip_is_asked_for_it(text, near):
    state, messages = answer("calculate", text)
    assert state == CALCULATORS["calculate"].FORM.defaults()
    assert near in messages[0]["text"]


def test_the_machines_that_are_told_as_examples_are_known():
    for machines in unknown.CHIPS.values():
        for one in machines.split(" or "):
            state, messages = answer("calculate", f"llama-3.2-3b on {one}")
            assert state["gpu"].startswith("apple-m"), one
            assert not [said for said in messages if said["level"] == "error"], one
    for begins in unknown.FAMILIES.values():
        assert [one for one in catalog.gpus() if one.startswith(begins)], begins
