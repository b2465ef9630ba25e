"""A question typed in a line, read as the inputs of whichever calculator it is typed into."""

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput
from widgets.calculators import calculate, cliff, compare, design, scorecard, vram
from widgets.form import asked
from widgets.session import CALCULATORS, Calculator

ASKING = (calculate, cliff, compare, design, scorecard, vram)


def answer(name, text, query=""):
    """The inputs after a question, and what is said of it."""
    one = Calculator(name, query)
    view = one.set({"state": {"values": {"ask": text}, "seq": 1}})["view"]
    return CALCULATORS[name].FORM.parse(view["query"])[0], view["messages"]


@pytest.mark.parametrize(
    ("name", "text", "state"),
    [
        (
            "vram",
            "users at 32K context on two H200 with Qwen3-32B",
            {"model": "qwen3-32b", "gpu": "h200-sxm", "tp": 2, "ctx": 32_000, "weights": "bf16"},
        ),
        (
            "calculate",
            "price per million tokens of Llama-3.3-70B in FP8 on 2x H100, 7k in, 1k out, cache fp8",
            {"model": "llama-3.3-70b", "tp": 2, "weights": "fp8", "kv": "fp8", "in": 7000},
        ),
        (
            "compare",
            "H100 or H200 or MI300X for gpt-oss-120b over context",
            {
                **{"columns": 3, "sweep": "ctx", "a.gpu": "h100-sxm", "b.gpu": "h200-sxm"},
                **{"c.gpu": "mi300x", "a.tp": 1, "b.tp": 1, "c.tp": 1, "c.kv": "bf16"},
                **{f"{x}.model": "gpt-oss-120b" for x in "abc"},
                **{f"{x}.weights": "mxfp4" for x in "abc"},
            },
        ),
        (
            "design",
            "llama-3.1-70b, 7000 in, 1000 out, 24 users, p99 itl 40 ms, ttft 2 s, 25 $/h",
            {"in": 7000, "users": 24, "itl": 40, "itlp": "p99", "ttft": 2, "budget": 25},
        ),
        (
            "scorecard",
            "Qwen3-8B or Llama-3.1-8B on L40S: 30 ms a token, $2 an hour",
            {
                **{"columns": 2, "a.model": "qwen3-8b", "b.model": "llama-3.1-8b", "itl": 30},
                **{"a.gpu": "l40s", "b.gpu": "l40s", "budget": 2},
            },
        ),
        ("calculate", "DeepSeek-V3 on eight H200, 64 users", {"tp": 8, "users": 64}),
        ("calculate", "mixtral on A100 80GB sglang", {"engine": "sglang-0.5", "tp": 1}),
        ("calculate", "8K context, 99th percentile first token 3 s", {"in": 7000, "ttftp": "p99"}),
        ("calculate", "mean gap under 40 ms, 12 users", {"itlp": "mean", "itl": 40, "users": 12}),
        ("calculate", "Qwen3-32B-AWQ on L40S", {"weights": "int4-awq"}),
        ("vram", "at 32Ki on RTX 4090", {"ctx": 32_768, "gpu": "rtx-4090"}),
        ("design", "2 requests/s of qwen3-8b", {"rate": 2, "model": "qwen3-8b"}),
        ("design", "gpt-oss-120b 50 rps, ttft 1 s", {"rate": 50, "model": "gpt-oss-120b"}),
        ("design", "5 qps qwen3-8b on AMD", {"rate": 5, "vendor": "amd"}),
        ("design", "llama 70b, 20 users", {"model": "llama-3.3-70b"}),
        ("vram", "llama-8B on an L4", {"model": "llama-3.1-8b", "gpu": "l4"}),
    ],
)  # fmt: skip
def test_a_question_is_read_as_people_write_it(name, text, state):
    read, messages = answer(name, text)
    assert {key: read[key] for key in state} == state
    assert not [one for one in messages if one["level"] == "error"]
    assert any(one["text"].startswith("Read: ") for one in messages)


@pytest.mark.parametrize("module", ASKING, ids=lambda module: module.FORM.name)
def test_each_calculator_s_own_example_is_understood_whole(module):
    _, messages = answer(module.FORM.name, module.ASKS)
    texts = [one["text"] for one in messages if one["text"].startswith(("Read", "Not", "Which"))]
    assert len(texts) == 1 and texts[0].startswith("Read: ")


def test_what_is_named_begins_as_an_engine_has_it_and_the_rest_stays():
    was = "v=5&tp=4&pp=2&kv=fp8&fraction=0.8&users=7&itl=20"
    state, _ = answer("calculate", "gpt-oss-120b on H200", was)
    same = catalog.deployment(model="gpt-oss-120b", gpu="h200-sxm")
    assert (state["tp"], state["pp"], state["kv"], state["fraction"]) == (1, 1, "bf16", None)
    assert state["weights"] == same.weights.name
    assert (state["users"], state["itl"]) == (7, 20)


def test_what_is_not_understood_is_said_and_the_rest_is_taken():
    state, messages = answer("vram", "asdfgh on H200")
    assert state["gpu"] == "h200-sxm"
    assert any(one["text"] == "Not understood: asdfgh." for one in messages)
    _, messages = answer("design", "qwen3-8b on H100")
    assert any("those named are left out" in one["text"] for one in messages)


@pytest.mark.parametrize("text", ["", "   ", "hello there", "?!", "x" * 5000, 7, None, ["a"], {}])
def test_a_question_that_says_nothing_changes_nothing(text):
    form = vram.FORM
    state, messages = form.check({"ask": text}, form.defaults())
    assert state == form.defaults()
    assert text is None or messages[0]["level"] == "error"
    with pytest.raises(BadInput, match=r"names no|Type"):
        asked.inputs(form, text, state)


def test_another_question_of_a_search_picks_none_of_the_former_candidates():
    state, _ = answer("design", "qwen3-8b, 8 users", "v=5&pick=3")
    assert state["pick"] is None


def test_what_is_no_question_is_given_up_on_soon():
    """Each word that means nothing is held against the whole catalogue."""
    said = asked.read(" ".join(f"x{i}" for i in range(100)))
    assert len(said.lost) == asked.MOST_LOST and not said.models


@pytest.mark.parametrize(
    ("text", "model", "lost"),
    [
        # once a dense model of 120B with 50 as a part of its name
        ("gpt-oss-120b fifty rps", "gpt-oss-120b", ["fifty", "rps"]),
        ("qwen3-32b batch 64 on H200", "qwen3-32b", ["batch", "64"]),
        ("somebody/Qwen3-32B-abliterated on H200", "qwen3-32b", []),
        ("Llama 3.1 70B Instruct FP8 on H200", "llama-3.1-70b", []),
    ],
)
def test_words_after_a_model_are_no_part_of_its_name(text, model, lost):
    said = asked.read(text)
    assert (said.models, said.lost) == ([model], lost)


def test_a_vendor_is_said_to_be_lost_where_nothing_asks_for_it():
    _, messages = answer("calculate", "qwen3-8b on NVIDIA")
    assert "Not understood: NVIDIA." in [one["text"] for one in messages]
