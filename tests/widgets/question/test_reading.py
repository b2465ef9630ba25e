"""What the words of a question mean, in whichever calculator it is typed."""

import random
import re

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput
from tests.widgets.asking import all_text, answer
from widgets import page
from widgets.calculators import calculate, cliff, compare, design, scorecard, vram
from widgets.form.question import inputs, patterns, reading
from widgets.session import Calculator

ASKING = (calculate, cliff, compare, design, scorecard, vram)


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
        ("design", "2 requests/s of qwen3-8b on H100", {"rate": 2, "model": "qwen3-8b"}),
        ("design", "gpt-oss-120b 5 rps on H100, ttft 1 s", {"rate": 5, "model": "gpt-oss-120b"}),
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


def test_what_is_left_out_of_a_question_is_said_at_the_verdict_too():
    view = Calculator("design").set(
        {"state": {"values": {"ask": "qwen3-8b, 8 users, p95 frobnication 10 s"}, "seq": 1}}
    )["view"]
    assert view["status"]["beside"].startswith("Not understood: ")
    assert "10 s" in view["status"]["beside"] and "p95" in view["status"]["beside"]
    assert [one["level"] for one in view["receipt"]] == ["info", "info", "warning"]
    assert not [one for one in view["messages"] if one["field"] == "ask"]


def test_a_pair_of_lengths_and_the_speed_of_one_user_are_read():
    state, messages = answer("calculate", "qwen3-32b on 2x H100, 8k/1k, 25 tok/s per user")
    assert (state["in"], state["out"], state["itl"], state["itlp"]) == (8000, 1000, 40, "mean")
    assert not [one for one in messages if one["text"].startswith("Not")]
    _, messages = answer("calculate", "qwen3-32b on 2x H100, 2500 tok/s")  # whose, is not said
    assert "Not understood: 2500 tok/s." in [one["text"] for one in messages]


def test_an_unknown_name_is_answered_with_the_nearest():
    _, messages = answer("vram", "lama-3.1-7ob")
    assert "Did you mean llama-3.1-70b" in messages[0]["text"]


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


@pytest.mark.parametrize("text", ["", "   ", "hello there", "?!", "x" * 5000, 7, None, ["a"], {}])
def test_a_question_that_says_nothing_changes_nothing(text):
    form = vram.FORM
    state, messages = form.check({"ask": text}, form.defaults())
    assert state == form.defaults()
    assert text is None or messages[0]["level"] == "error"
    with pytest.raises(BadInput, match=r"names no|Type"):
        inputs(form, text, state)


SALAD = """
from 32 to 64 users 8k context tp 2 pp copies of x on my gpu 1, between and double the number per
dollar rpi 5 at batch -> vs one kv cache fp8 h100 llama 8b , % 1,1,1,1,1,1,1,1,1,1,1,1 $2 /h ms
max-num-seqs 64 ep8 tp8 rps at night by day now next year of our 8 them replace A100 40 vllm 0.6
p95 ttft under req/s million tokens a day in out mac studio can run it than gguf q4_k_m
""".split()  # noqa: SIM905 - a list has a line a word


def test_words_in_any_order_are_read():
    """Whatever stands beside what, a question has numbers and words that are lost."""
    dice = random.Random(11)
    for _ in range(40):
        words = " ".join(dice.choices(SALAD, k=dice.choice((5, 9, 14))))
        assert isinstance(reading.read(words).lost, list), words
    assert reading.read("from 8k to 8k").lost  # no two values
    assert reading.read("1," * 200).lost  # each comma parts two numbers, or belongs to one


def test_what_is_no_question_is_given_up_on_soon():
    """Each word that means nothing is held against the whole catalogue."""
    said = reading.read(" ".join(f"x{i}" for i in range(100)))
    assert len(said.lost) == patterns.MOST_LOST and not said.models


@pytest.mark.parametrize(
    ("text", "model", "lost"),
    [
        # once a dense model of 120B with 50 as a part of its name
        ("gpt-oss-120b fifty rps", "gpt-oss-120b", ["fifty", "rps"]),
        ("qwen3-32b foobar 64 on H200", "qwen3-32b", ["foobar", "64"]),
        ("granite 5 small on L4", None, ["granite", "5", "small"]),  # no Mistral Small
        ("somebody/Qwen3-32B-abliterated on H200", "qwen3-32b", []),
        ("Llama 3.1 70B Instruct FP8 on H200", "llama-3.1-70b", []),
    ],
)
def test_words_after_a_model_are_no_part_of_its_name(text, model, lost):
    said = reading.read(text)
    assert (said.models, said.lost) == ([model] if model else [], lost)


def test_a_vendor_is_said_to_be_lost_where_nothing_asks_for_it():
    _, messages = answer("calculate", "qwen3-8b on NVIDIA")
    said = "Not among these inputs, so not in the answer: cards of NVIDIA."
    assert said in [one["text"] for one in messages]


@pytest.mark.parametrize(
    ("text", "models", "cards", "lost"),
    [
        # the unit of what is asked was a model of the family "S"
        ("how many tok/s llama 3.3 70b q4 on H100", ["llama-3.3-70b"], [("h100-sxm", 1)], []),
        # the card was a word of a fine-tune's name
        (
            "noise of 8x H100 running Llama 405B",
            ["llama-3.1-405b"],
            [("h100-sxm", 8)],
            ["noise"],
        ),
        ("mistral small on L40S", ["mistral-small-3.2-24b"], [("l40s", 1)], []),
        ("llama 8b on 2xL4 (cold start)", ["llama-3.1-8b"], [("l4", 2)], []),
        (
            "a Mac Studio M3 Ultra 512GB for DeepSeek R1 671B",
            ["deepseek-r1"],
            [("apple-m3-ultra", 1)],
            [],
        ),
        ("two 3090s with llama 3.1 8b", ["llama-3.1-8b"], [("rtx-3090", 2)], []),
        ("llama 3.1 8b on 4 3090", ["llama-3.1-8b"], [("rtx-3090", 4)], []),
        # the number was a model of one billion
        ("qwen3-32b on H100 1B tokens a month", ["qwen3-32b"], [("h100-sxm", 1)], []),
        ("RTX 4060 Ti qwen3-8b", ["qwen3-8b"], [("rtx-4060-ti-8gb", 1)], []),
        ("512GB Mac Studio deepseek r1", ["deepseek-r1"], [("apple-m3-ultra", 1)], []),
        ("mac studio with 512 GB", [], [("apple-m3-ultra", 1)], []),
        ("nemotron super 49b on H100", ["nemotron-super-49b"], [("h100-sxm", 1)], []),
        ("Ascend 910C x8 qwen2.5 72b", ["qwen2.5-72b"], [("ascend-910c", 8)], []),
        ("a 70b model on an L40S", ["dense-70b"], [("l40s", 1)], []),
        (
            "DeepSeek R1 Q4 on 4x RTX 6000 Pro Blackwell",
            ["deepseek-r1"],
            [("rtx-pro-6000", 4)],
            [],
        ),
        ("Mixtral 8x7B on 2x8 H100", ["mixtral-8x7b"], [("h100-sxm", 8)], []),
    ],
)  # fmt: skip
def test_no_word_of_a_question_hides_a_card_or_makes_another_model(text, models, cards, lost):
    said = reading.read(text)
    assert (said.models, said.cards, said.lost) == (models, cards, lost)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("8xH100 405b w8a8 isl 1024 osl 512 conc 64", {"in": 1024, "out": 512, "users": 64}),
        ("70b on 4xL40S ISL/OSL 2000/500, 128 conc", {"in": 2000, "out": 500, "users": 128}),
        ("70b on 4xA100, batch size 32, tp4", {"users": 32, "tp": 4, "pp": 1}),
        ("70b on 8xA100 100 concurrent requests TP-4", {"users": 100, "tp": 4, "pp": 2}),
        ("qwen3-32b on H100 with --tensor-parallel-size 2", {"tp": 2, "gpu": "h100-sxm"}),
        ("qwen3-14b on T4, --max-model-len 8192", {"maxlen": 8192}),
        ("70b at 4bit on 2x A6000", {"weights": "int4-gptq"}),
        ("70b 4-bit on M4 Max 128GB", {"weights": "gguf-q4-k-m"}),
        ("70b GPTQ 4 bit on H100", {"weights": "int4-gptq"}),
        ("ollama run llama3.3:70b on dual 3090", {"engine": "llama.cpp", "weights": "gguf-q4-k-m"}),
        ("13B model on a 24GB card, 4k context", {"tp": 1}),
        ("70b on H100, batch 16, 4096 in, 512 out", {"users": 16, "in": 4096, "out": 512}),
        ("gpt-oss-120b on B300, 512 concurrency 1k/8k", {"users": 512, "in": 1000, "out": 8000}),
        ("8b on A10, avg prompt 3000 tokens, completion 300", {"in": 3000, "out": 300}),
        ("70b on 2xH100 --kv-cache-dtype fp8", {"kv": "fp8", "weights": "fp8"}),
        ("70b on 2xH100 --gpu-memory-utilization 0.95", {"fraction": 0.95}),
        ("qwen3-8b on H100, 8 GPU node", {"tp": 8}),
        ("qwen3-8b on L4, 2k system prompt, 10 users", {"prefix": 2000, "users": 10}),
        ("qwen3-8b on L4, single user", {"users": 1}),
        ("qwen3-8b on 4090, --max-num-seqs 32", {"seqs": 32}),
        ("70b iq3 on 7900xtx x2", {"weights": "gguf-iq3-xxs"}),
        ("qwen3-next 80b iq4_xs on M4 Max 64GB", {"weights": "gguf-iq4-xs"}),
        ("vllm 4xH100 gpt-oss-120b", {"tp": 4, "engine": "vllm-0.33"}),  # no version 4
        ("sglang 8 H200 deepseek r1", {"tp": 8, "engine": "sglang-0.5"}),
        ("gpt-oss 20b on M4 Air 24GB", {"gpu": "apple-m4-24gb"}),
        ("deepseek v3 on 8xH200, cost per 1M tokens", {"tp": 8}),
    ],
)
def test_words_of_benchmarks_and_of_commands_are_read(text, values):
    state, messages = answer("calculate", text)
    assert {name: state[name] for name in values} == values
    assert not [one for one in messages if one["text"].startswith(("Not", "Several side"))]


def test_a_number_of_tokens_alone_is_the_context():
    state, messages = answer("vram", "dgx spark gpt-oss 120b 128k")
    assert state["ctx"] == 128_000
    assert not [one for one in messages if one["level"] == "warning" and one["field"] == "ask"]


def test_what_an_api_asks_is_no_length_of_a_prompt():
    text = "DeepSeek R1 on 8xH200 vs API at $0.55 in and $2.19 out"
    state, messages = answer("calculate", text)
    assert (state["api_in"], state["api"], state["in"]) == (0.55, 2.19, 7000)
    assert not [one for one in messages if one["level"] == "error"]


def test_a_memory_alone_is_answered_with_cards_that_have_it():
    _, messages = answer("design", "best model for a 24GB card")
    (said,) = (one["text"] for one in messages if one["field"] == "ask")
    named = re.search(r"name one, such as (.+) or (.+)\.$", said)
    assert named and all(catalog.gpu(name).memory_sold_bytes == 24e9 for name in named.groups())


def test_a_question_for_another_calculator_has_a_link_to_it_there():
    view = Calculator("calculate", "ask=H100+or+H200+for+gpt-oss-120b").whole()
    html = page.static_html(view, apps="../")
    assert '<a data-name="compare" href="../compare?ask=H100+or+H200+for+gpt-oss-120b">' in html


def test_slips_of_common_words_are_read_and_said():
    state, messages = answer("design", "lama 3.3 70b, 64 usres")  # codespell:ignore usres
    assert (state["model"], state["users"]) == ("llama-3.3-70b", 64)
    texts = {one["text"] for one in messages}
    slips = {"'lama' is read as llama.", "'usres' is read as users."}  # codespell:ignore usres
    assert slips <= texts


@pytest.mark.parametrize("word", ["uses", "ollama", "content", "answered", "contexts", "llava"])
def test_a_word_near_one_of_a_load_keeps_its_own_meaning(word):
    assert "slips" not in reading.read(f"qwen3-8b on H100 {word} 8k").numbers


@pytest.mark.parametrize("money", ["5 €", "€5", "5 euros", "5 EUR"])
def test_money_that_is_no_dollar_is_said_to_be_taken_as_dollars(money):
    state, messages = answer("design", f"qwen3-30b-a3b, budget {money} per hour, 20 users")
    assert state["budget"] == 5
    assert any("is taken as US dollars" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("7.000 Token Prompt, 1.000 tokens out", {"in": 7000, "out": 1000}),
        ("2×H100, 1 000 users", {"users": 1000, "tp": 2}),
        ("ttft under 1,5 s", {"ttft": 1.5}),
        ("24/7, 16 users", {"in": 7000, "out": 1000}),  # no pair of lengths
        ("2 L4s", {"gpu": "l4", "tp": 2}),
        ("30 tok/s single user", {"itl": pytest.approx(33.33), "users": 1}),
        ("32768 tokens", {"in": 28_672}),  # an eighth is the answer
        ("20 chunks of 512 tokens, 300 token answer", {"in": 10_240, "out": 300}),
        ("64 seqs on A100 80GB", {"seqs": 64}),
        ("maximum concurrency 64", {"users": 64}),  # no line of a log
        ("cost per 1M output tokens on H100", {"tp": 1}),
    ],
)
def test_numbers_as_other_people_write_them(text, state):
    read, messages = answer("calculate", f"qwen3-8b, {text}")
    assert {name: read[name] for name in state} == state
    assert "Not" not in all_text(messages)


@pytest.mark.parametrize(
    "text",
    [
        *("qwen3-8b, -5 users", "qwen3-8b on 0 H100", "qwen3-8b on 0 gpus", "qwen3-8b, ITL 0 ms"),
        *("whisper large v3 on T4", "500 req/s embeddings with bge-m3 on L4"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(text):
    state, messages = answer("calculate", text)
    assert state == calculate.FORM.defaults()
    (error,) = [one["text"] for one in messages if one["level"] == "error"]
    assert "above zero, or leave it out" in error or "Only language models" in error
