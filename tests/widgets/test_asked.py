"""A question typed in a line, read as the inputs of whichever calculator it is typed into."""

import re
from urllib.parse import parse_qs, urlencode

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput
from widgets import page
from widgets.calculators import calculate, cliff, compare, design, scorecard, vram
from widgets.form.question import inputs, patterns, reading
from widgets.session import CALCULATORS, Calculator

ASKING = (calculate, cliff, compare, design, scorecard, vram)


def answer(name, text, query=""):
    """The inputs after a question, and what is said of it."""
    one = Calculator(name, query)
    view = one.set({"state": {"values": {"ask": text}, "seq": 1}})["view"]
    state = CALCULATORS[name].FORM.parse(view["query"])[0]
    return state, [*view["receipt"], *view["messages"]]


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


BEGINNING = "Llama-3.3-70B in FP8 on two H100, 7000 in / 1000 out, 16 users, "


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("p95 ITL < 50 ms, p99 TTFT < 2 s", ("p95", 50, "p99", 2)),
        ("ITL p95 50 ms and TTFT p99 2 s", ("p95", 50, "p99", 2)),
        ("p99 of the first token 2 s, p90 gap 40 ms", ("p90", 40, "p99", 2)),
        ("50 ms gap at p95, TTFT 2 s p99", ("p95", 50, "p99", 2)),
        ("median ttft 1 s, average gap 30 ms", ("mean", 30, "p50", 1)),
        ("99th percentile ttft 3 s, mean gap 40 ms", ("mean", 40, "p99", 3)),
    ],
)
@pytest.mark.parametrize("name", ["calculate", "design", "scorecard"])
def test_each_latency_has_its_own_percentile(name, text, state):
    read, messages = answer(name, f"Llama 3.1 70B, 16 users, {text}")
    assert (read["itlp"], read["itl"], read["ttftp"], read["ttft"]) == state
    assert not [one for one in messages if one["level"] == "warning" and one["field"] == "ask"]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("$/M tokens at $2.50/h each", "usd", 2.5),
        ("$2.50/h a card", "usd", 2.5),
        ("rent $2.50", "usd", 2.5),
        ("rented at 2.50 $/h", "usd", 2.5),
        ("$2.50 per GPU hour", "usd", 2.5),
        ("at 2.5 $/GPU-h", "usd", 2.5),
        ("$2.50/GPU/h", "usd", 2.5),
        ("@ $2.50/h", "usd", 2.5),  # beside the cards that it is of
        ("price at $5/h in total", "usd", 2.5),
        ("price for $2.50/h", "usd", 2.5),
        ("for $9/h", "budget", 9),
        ("budget 25 $/h", "budget", 25),
        ("budget $25", "budget", 25),
        ("under $9/h", "budget", 9),
        ("max $9/h", "budget", 9),
        ("at most 9 dollars an hour", "budget", 9),
        ("$9 an hour", "budget", 9),
    ],
)
def test_a_rent_is_of_one_card_and_a_budget_of_all(text, name, value):
    read, messages = answer("calculate", BEGINNING + text)
    before = calculate.FORM.defaults()
    other = "budget" if name == "usd" else "usd"
    assert (read[name], read[other]) == (value, before[other])
    said = next(one["text"] for one in messages if one["text"].startswith("Read: "))
    digits = f"{value:.2f}" if f"{value:.2f}" in text else f"{value:g}"
    assert (f"rent ${digits}/h a card" if name == "usd" else f"budget ${digits}/h") in said
    assert not [one for one in messages if one["text"].startswith("Not")]


def test_what_is_left_out_of_a_question_is_said_at_the_verdict_too():
    view = Calculator("design").set(
        {"state": {"values": {"ask": "qwen3-8b, 8 users, p95 end to end 10 s"}, "seq": 1}}
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


def test_no_card_or_rent_of_several_is_lost_without_a_word():
    _, messages = answer("calculate", "H100 vs H200 llama 3.1 8b")
    assert any("not in the answer: 1x H200" in one["text"] for one in messages)
    state, messages = answer("compare", "qwen3-32b on H100 at $2.5/h vs H200 at $3.5/h")
    assert (state["a.gpu"], state["b.gpu"]) == ("h100-sxm", "h200-sxm")
    assert any("$3.5/h" in one["text"] and "Not" in one["text"] for one in messages)


def test_a_percentile_without_a_limit_is_not_said_to_be_read():
    _, messages = answer("design", "qwen3-8b, 8 users, p99 ttft")
    assert any("not in the answer: p99 of the first token" in one["text"] for one in messages)


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


@pytest.mark.parametrize(
    "text", ["Qwen3-30B-A3B Q4_K_M on M3 Max 64GB, 1 user", "qwen3-8b q4_k_m on L4"]
)
def test_a_mac_and_a_gguf_file_are_run_by_llama_cpp(text):
    state, messages = answer("calculate", text)
    assert (state["engine"], state["kv"]) == ("llama.cpp", "fp16")
    assert any("is taken as the engine" in one["text"] for one in messages)
    state, _ = answer("calculate", f"{text} vllm")
    assert state["engine"].startswith("vllm")  # who names one has it


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


def test_another_question_of_a_search_picks_none_of_the_former_candidates():
    state, _ = answer("design", "qwen3-8b, 8 users", "v=5&pick=3")
    assert state["pick"] is None


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
    ("text", "rate"),
    [("120 requests/min", 2), ("7200 requests per hour", 2), ("86400 requests a day", 1)],
)
def test_requests_of_a_longer_time_are_those_of_a_second(text, rate):
    state, _ = answer("design", f"qwen3-8b on H100, {text}")
    assert state["rate"] == rate
    state, messages = answer("calculate", f"qwen3-8b on 4x H100, {text}, 1000 in, 100 out")
    assert any("1,000 tokens in and 100 out keep" in one["text"] for one in messages)
    assert state["users"] < 16  # Little's law: some 100 tokens of less than 10 ms each
    state, messages = answer("calculate", "qwen3-8b on L4, 400 requests/s, 1000 in, 100 out")
    assert any("more than it answers" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("86.4 million output tokens a day", 1),
        ("86.4M output tokens daily", 1),
        ("8.64M input tokens per hour", 0.3429),  # 2,400 a second of prompts of 7,000
        ("691.2M tokens/day", 1),
        ("60 rpm", 1),
        ("20.736 billion tokens per month", 1),  # of thirty days
    ],
)
def test_tokens_a_day_are_a_mean_rate_of_requests(text, rate):
    state, messages = answer("design", f"qwen3-8b on H100, 7000 in, 1000 out, {text}")
    assert state["rate"] == pytest.approx(rate, rel=1e-3)
    said = any("A busy hour has more than the average" in one["text"] for one in messages)
    assert said == ("token" in text)
    assert not [one for one in messages if one["level"] == "warning" and one["field"] == "ask"]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        # vLLM, docs/serving/parallelism_scaling.md: tensors within a node, layers across
        ("DeepSeek-R1 on 16 H100, two nodes", (8, 2, False)),
        ("DeepSeek-R1 on two nodes of 8x H100", (8, 2, False)),
        ("DeepSeek-R1 on 2 nodes with 8 H100 each", (8, 2, False)),
        ("DeepSeek-R1 on 2x8 H100", (8, 2, False)),
        ("DeepSeek-R1 on 16x H100", (8, 2, False)),
        ("llama 405b on 4 nodes of H200", (8, 4, False)),
        ("llama 8b on 3x L40S", (1, 3, False)),  # of 32 heads
        ("DeepSeek-R1 on GB200 NVL72", (72, 1, True)),  # one node, of 128 heads
    ],
)
def test_cards_of_several_nodes_split_a_model_as_vllm_advises(text, split):
    state, messages = answer("calculate", text)
    assert (state["tp"], state["pp"], state["dp"]) == split
    assert not [one for one in messages if one["level"] == "error"]
    assert not [one for one in messages if one["text"].startswith("Not understood")]


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
    ("text", "state"),
    [
        # 141 GB in 16 bits: neither holds them
        ("llama 70b on 2x3090", {"weights": "int4-awq", "tp": 2}),
        ("llama 70b on M4 Max 128GB", {"weights": "gguf-q4-k-m", "engine": "llama.cpp"}),
        ("llama 8b on a 3090", {"weights": "bf16"}),
        ("llama 70b on 2x H100", {"weights": "fp8"}),  # no desk: eight bits
        ("llama 70b fp8 on 2x3090", {"weights": "fp8"}),
    ],
)
def test_a_desk_holds_a_model_in_the_four_bits_that_people_run_there(text, state):
    read, messages = answer("calculate", text)
    assert {name: read[name] for name in state} == state
    smaller = any("As released the weights do not fit" in one["text"] for one in messages)
    assert smaller == (read["weights"] != "bf16" and "fp8" not in text)


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
        ("70b on 2xH100 --kv-cache-dtype fp8", {"kv": "fp8", "weights": "bf16"}),
        ("70b on 2xH100 --gpu-memory-utilization 0.95", {"fraction": 0.95}),
        ("qwen3-8b on H100, 8 GPU node", {"tp": 8}),
        ("qwen3-8b on L4, 2k system prompt, 10 users", {"prefix": 2000, "users": 10}),
        ("qwen3-8b on L4, single user", {"users": 1}),
        ("qwen3-8b on 4090, --max-num-seqs 32", {"seqs": 32}),
        ("70b iq3 on 7900xtx x2", {"weights": "gguf-iq3-xxs"}),
        ("qwen3-next 80b iq4_xs on M4 Max 64GB", {"weights": "gguf-iq4-xs"}),
        ("gpt-oss 20b on M4 Air 24GB", {"gpu": "apple-m4-24gb"}),
        ("deepseek v3 on 8xH200, cost per 1M tokens", {"tp": 8}),
    ],
)
def test_words_of_benchmarks_and_of_commands_are_read(text, values):
    state, messages = answer("calculate", text)
    assert {name: state[name] for name in values} == values
    assert not [one for one in messages if one["text"].startswith(("Not", "Several side"))]


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


def test_a_memory_beside_a_model_is_that_of_a_card_for_a_desk():
    state, messages = answer("calculate", "13B model on 24GB GPU")
    assert catalog.gpu(state["gpu"]).memory_sold_bytes == 24e9
    assert any("Which card of 24 GB is meant is not said" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt-4o on H100", "The weights of gpt-4o are not published"),
        ("llama 8b on CPU only", "A processor without a card (on CPU only) is not predicted."),
        ("llama 70b with 8b draft on 2xH100", "Tokens guessed ahead (8b draft) are not counted"),
        ("GLM-4.6, budget $100k", "A price to buy at (budget $100k) is no input"),
    ],
)
def test_what_is_no_input_is_said_by_what_it_is(text, said):
    state, messages = answer("calculate", text)
    assert any(one["text"].startswith(said) for one in messages)
    assert state["budget"] == calculate.FORM.defaults()["budget"]
    assert not [one for one in messages if one["text"].startswith("Not")]


def test_of_cards_that_a_name_leaves_open_the_slowest_is_taken():
    state, messages = answer("calculate", "qwen3-8b on M3 36GB")  # a Pro of 150 GB/s, a Max of 300
    assert state["gpu"] == "apple-m3-pro"
    assert any("Several cards are M3 36GB: M3 Pro" in one["text"] for one in messages)


COMMAND = "vllm serve deepseek-ai/DeepSeek-V3 --tensor-parallel-size 8 --pipeline-parallel-size 2"


@pytest.mark.parametrize(
    "values",
    [
        {"ask": "16 H100 two nodes deepseek v3"},
        {"ask": "kimi k2 on 8 b200"},
        {"config": COMMAND},
    ],
    ids=str,
)
def test_where_only_a_default_limit_fails_the_answer_begins_with_the_numbers(values):
    one = Calculator("calculate").set({"state": {"values": values, "seq": 1}})["view"]
    said, speed = one["status"], one["headline"][0]["value"]
    assert said["text"].startswith(f"{speed} tok/s for one user of 16, at $")
    assert " for all cards. It fits: room for " in said["text"]
    whole = f"{said['text']} {said['beside']}"
    assert whole.count("$30/h") == whole.count("default") == whole.count("It fits") == 1
    assert "It misses" not in whole and said["level"] == "warn"


def test_a_limit_that_was_asked_for_is_a_no():
    text = "DeepSeek-R1 on 16 H100"
    one = Calculator("calculate").set({"state": {"values": {"ask": text}, "seq": 1}})["view"]
    assert Calculator("calculate", urlencode({"ask": text})).view["status"] == one["status"]
    asked_for = Calculator("calculate", urlencode({"ask": f"{text}, budget $30/h"})).view
    assert asked_for["status"]["text"].startswith("It fits: ")
    assert asked_for["status"]["level"] == "bad"
    other = Calculator("calculate", urlencode({"ask": f"{text}, ttft 3 s"})).view["status"]
    assert "It meets every limit" in other["text"] and "$30/h" in other["beside"]


def test_a_rate_that_is_too_high_is_a_no_in_the_first_words():
    view = Calculator("calculate", urlencode({"ask": "10 requests per second qwen3-8b l40s"})).view
    said = re.match(r"No: one L40S.* answers ([\d.]+) of 10 requests/s\.", view["status"]["text"])
    # 16 GB of weights leave room for some 20 users, who wait longer than 864 GB/s take to read
    # 16 GB and 20 caches of 1.2 GB, a thousand times each
    assert said and 0.1 < float(said[1]) < 20 / (1000 * (16 + 20 * 1.1) / 864)
    assert view["status"]["level"] == "bad"
    assert any(one.get("link", {}).get("name") == "design" for one in view["receipt"])
    view = Calculator("calculate", urlencode({"ask": "6 requests/hour qwen3-8b l40s"})).view
    assert not view["status"]["text"].startswith("No: ")
    assert not any("link" in one for one in view["receipt"])


def test_tokens_a_day_are_led_to_the_search_that_finds_the_cards():
    text = "5M tokens a day with llama 3.3 70b on H100"
    _, messages = answer("calculate", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    view = Calculator("design", urlencode({"ask": text})).view
    assert view["status"]["text"].startswith("Run 2x H100 SXM5 80GB TP-2, FP8 weights")


@pytest.mark.parametrize("name", ["calculate", "vram"])
def test_a_model_that_is_scaled_from_another_is_a_guess_in_the_first_line(name):
    view = Calculator(name, urlencode({"ask": "qwen4-900b on h100"})).view
    assert view["status"]["text"].startswith("A guess: no config of qwen4-900b")
    assert not any("no config" in one["text"] for one in view["messages"])
    known = Calculator(name, urlencode({"ask": "qwen3-8b on h100"})).view
    assert "guess" not in known["status"]["text"]


def test_a_card_without_a_rent_has_no_budget():
    _, messages = answer("calculate", "M4 Max 128GB gpt-oss-120b")
    assert not any("budget" in one["text"] for one in messages)
    _, messages = answer("calculate", "RTX 4090 gpt-oss-20b")
    assert "budget $30/h" in messages[0]["text"]


@pytest.mark.parametrize(
    ("text", "gpu", "weights", "said"),
    [
        # Apple's slowest of 16 GB, 68 GB/s; 16 GB of weights need four bits
        ("llama 3.1 8b on a laptop with 16GB", "apple-m1", "gguf-q4-k-m", "laptop of 16 GB"),
        # 118 GB in four bits: more than 128 GB leave a GPU, less than 192
        ("can I run qwen3 235b at home", "apple-m2-ultra", "gguf-q4-k-m", "Which card is meant"),
        # of 48 GB and 672 GB/s; those after it have 768
        ("which quantization for 70b on 48GB", "quadro-rtx-8000", "int4-awq", "card of 48 GB"),
        ("which quantization for 70b on 48 GB", "quadro-rtx-8000", "int4-awq", "card of 48 GB"),
        ("gpt-oss-20b in 36 GB", "apple-m3-pro", "mxfp4", "card of 36 GB"),  # only Macs have it
    ],
)
def test_a_memory_or_a_place_alone_is_the_least_machine_that_it_means(text, gpu, weights, said):
    state, messages = answer("calculate", text)
    assert (state["gpu"], state["tp"], state["weights"], state["users"]) == (gpu, 1, weights, 1)
    assert any(said in one["text"] and " is taken, the " in one["text"] for one in messages)
    assert not [one for one in messages if one["text"].startswith("Not")]


def test_what_no_machine_at_home_holds_is_said_first():
    view = Calculator("calculate", urlencode({"ask": "kimi k2 at home"})).view
    assert view["status"]["text"].endswith("holds the model in four bits alone: name the cards.")
    _, messages = answer("calculate", "llama 3.1 8b on A100 80GB at home")
    assert not any("is meant is not said" in one["text"] for one in messages)


FALLS_BACK = "As released the weights do not fit: a copy in FP8 is taken."


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("price of Llama-3.3-70B on two H100", "fp8"),
        ("Llama-3.3-70B in bf16 on two H100", "bf16"),  # told
        ("Llama-3.3-70B on two H200", "bf16"),  # 141 GB of 282
        ("Llama-3.3-70B on one A100 80GB", "bf16"),  # computes no FP8
        ("Llama-3.3-70B on one L40S", "bf16"),  # 71 GB in 48, in FP8 too
    ],
)
def test_a_data_centre_s_card_takes_fp8_where_16_bits_do_not_fit(text, weights):
    state, messages = answer("calculate", text)
    assert state["weights"] == weights
    assert any(one["text"].startswith(FALLS_BACK) for one in messages) == (weights == "fp8")


def test_side_by_side_a_model_has_one_format_where_one_of_the_cards_takes_fp8():
    state, _ = answer("compare", "Llama-3.3-70B on two H100 or two H200")
    assert (state["a.weights"], state["b.weights"]) == ("fp8", "fp8")
    state, _ = answer("compare", "Llama-3.3-70B FP8 vs BF16 on two H100")
    assert (state["a.weights"], state["b.weights"]) == ("fp8", "bf16")


def test_a_number_of_tokens_alone_is_the_context():
    state, messages = answer("vram", "dgx spark gpt-oss 120b 128k")
    assert state["ctx"] == 128_000
    assert not [one for one in messages if one["level"] == "warning" and one["field"] == "ask"]


def test_what_an_api_asks_is_no_length_of_a_prompt():
    text = "DeepSeek R1 on 8xH200 vs API at $0.55 in and $2.19 out"
    state, messages = answer("calculate", text)
    assert (state["api_in"], state["api"], state["in"]) == (0.55, 2.19, 7000)
    assert not [one for one in messages if one["level"] == "error"]


def test_how_many_users_is_answered_with_the_most():
    state, _ = answer("calculate", "How many users at 32K on two H200 with Qwen3-32B")
    assert state["users"] is None and state["in"] == 31_000
    state, _ = answer("calculate", "Qwen3-32B on two H200 for 8 users, how many users at most")
    assert state["users"] == 8


def test_a_card_for_a_desk_serves_one_person_unless_more_is_said():
    state, messages = answer("calculate", "llama 3.3 70b q4 on M4 Max 128GB")
    assert (state["users"], state["in"], state["out"], state["itl"]) == (1, 2000, 500, 100)
    assert any("for one person unless said: 1 user" in one["text"] for one in messages)
    state, _ = answer("calculate", "qwen3-8b on 4090, 8 users")  # a service
    assert (state["users"], state["in"], state["itl"]) == (8, 7000, 50)
    state, _ = answer("calculate", "qwen3-8b on 4090", "v=5&users=7")  # a reader chose
    assert state["users"] == 7
    state, _ = answer("calculate", "qwen3-8b on L40S")
    assert state["users"] == 16


def test_the_load_and_the_limits_that_nobody_spoke_of_are_said():
    _, messages = answer("calculate", "qwen3-8b on H100, 4k in, ttft 2 s")
    assert messages[0]["text"].endswith(
        "as it was: 16 users, answer 1,000 tokens, p95 gap 50 ms, budget $30/h for all cards."
    )
    _, messages = answer("design", "gpt-oss-120b, 4 users", "v=5&gpus=rtx-3090")
    assert "as it was: only GeForce RTX 3090, " in messages[0]["text"]
    _, messages = answer("vram", "on H200, 4k context")
    assert "as it was: Llama 3.1 70B, 16 users." in messages[0]["text"]
    _, messages = answer("vram", "qwen3-8b on H100, 4k context")
    assert messages[0]["text"].endswith("as it was: 16 users.")


def test_a_memory_alone_is_answered_with_cards_that_have_it():
    _, messages = answer("design", "best model for a 24GB card")
    (said,) = (one["text"] for one in messages if one["field"] == "ask")
    named = re.search(r"name one, such as (.+) or (.+)\.$", said)
    assert named and all(catalog.gpu(name).memory_sold_bytes == 24e9 for name in named.groups())


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("vLLM vs SGLang for Llama 3.1 70B on 4xH100", "engine", ["vllm-0.33", "sglang-0.5"]),
        ("Llama 3.1 8B FP8 vs BF16 on L4", "weights", ["fp8", "bf16"]),
        ("Qwen3-32B in int4 awq or fp8 on H100", "weights", ["int4-awq", "fp8"]),
        ("Qwen3-32B on H100, kv cache fp8 or bf16", "kv", ["fp8", "bf16"]),
    ],
)
def test_engines_and_formats_stand_side_by_side(text, name, values):
    state, messages = answer("compare", text)
    assert state["columns"] == 2
    assert [state[f"{x}.{name}"] for x in "ab"] == values
    assert state["a.model"] == state["b.model"] and state["a.gpu"] == state["b.gpu"]
    assert not [one for one in messages if one["text"].startswith("Not")]
    _, messages = answer("calculate", text)
    (there,) = (one["link"] for one in messages if "link" in one)
    assert there["name"] == "compare"
    assert answer("compare", parse_qs(there["query"])["ask"][0])[0] == state


def test_a_question_for_another_calculator_has_a_link_to_it_there():
    view = Calculator("calculate", "ask=H100+or+H200+for+gpt-oss-120b").whole()
    html = page.static_html(view, apps="../")
    assert '<a data-name="compare" href="../compare?ask=H100+or+H200+for+gpt-oss-120b">' in html


def test_a_search_says_which_formats_it_takes_and_where_to_ask_for_another():
    _, messages = answer("design", "what can I run on 2x3090")
    assert any("on a desk in four bits" in one["text"] for one in messages)
    _, messages = answer("design", "what can I run on my M3 Max 64 GB")  # llama.cpp's are of 4 bits
    assert not any("on a desk in four bits" in one["text"] for one in messages)
    view = Calculator("design", "ask=what+fits+on+2x3090").view
    assert "70B with INT4 AWQ" in view["status"]["text"]  # 35 GB of 48, where FP8's 70 are too many
    _, messages = answer("design", "llama 3.3 70b awq on 2x3090")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["calculate"]


def test_llama_cpp_splits_a_model_by_layers_unless_it_is_told():
    """As `llama-server` does without --split-mode, on a number of cards that divides no heads."""
    state, messages = answer("calculate", "llama 70b q4_k_m on 3x 3090")
    assert (state["engine"], state["tp"], state["pp"]) == ("llama.cpp", 1, 3)
    assert any("by layers" in one["text"] for one in messages)
    assert not [one for one in messages if one["level"] == "error"]
    state, _ = answer("calculate", "llama 70b awq on 2x 3090")
    assert (state["tp"], state["pp"]) == (2, 1)


def test_a_shared_prefix_is_no_context():
    state, messages = answer("calculate", "qwen3-14b on L40S, 6k shared, 7k in 200 out")
    assert (state["prefix"], state["in"], state["out"]) == (6000, 7000, 200)
    assert "context" not in messages[0]["text"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("qwen3-32b on 1, 2 or 4 H100", [1, 2, 4]),
        ("qwen3-32b on 2x H100 or 4x", [2, 4]),
        ("2 or 4 H100 for qwen3-32b", [2, 4]),
    ],
)
def test_several_numbers_of_one_card_stand_side_by_side(text, counts):
    state, messages = answer("compare", text)
    assert [state[f"{x}.tp"] for x in "abcd"[: state["columns"]]] == counts
    assert not [one for one in messages if one["text"].startswith("Not")]
    assert reading.read("qwen3-8b, 5 or 6").lost == ["5", "6"]


def test_a_question_of_power_is_led_to_the_search_that_says_it():
    text = "power draw of 8x H100 running Llama 405B fp8"
    _, messages = answer("calculate", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    assert not [one for one in messages if one["text"].startswith("Not")]
    view = Calculator("design", urlencode({"ask": text})).view
    assert any("The cards draw about" in one for one in view["sentences"])


def test_one_deployment_in_compare_is_said_to_be_the_first():
    _, messages = answer("compare", "qwen3-32b on H200")
    assert any(one["text"].startswith("That is A; the others stay") for one in messages)
    _, messages = answer("compare", "qwen3-32b on H200 or H100")
    assert not any(one["text"].startswith("That is A") for one in messages)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10k tok/s output of gpt-oss-120b on H100", 10),  # 10,000 / 1,000 tokens of an answer
        ("gpt-oss-120b on H100, 2,000 output tokens per second", 2),
        ("gpt-oss-120b on H100, 16k tok/s in total", 2),  # 16,000 / 8,000 tokens of a request
    ],
)
def test_what_all_users_get_in_a_second_is_a_rate_and_no_context(text, rate):
    state, messages = answer("design", text)
    assert (state["rate"], state["in"], state["out"]) == (rate, 7000, 1000)
    assert any("are taken as of" in one["text"] for one in messages)


def test_a_rate_whose_nobody_says_is_no_context():
    state, messages = answer("design", "10k tok/s gpt-oss-120b on H100")
    assert (state["rate"], state["in"]) == (None, 7000)
    assert "Not understood: 10k tok/s." in [one["text"] for one in messages]


@pytest.mark.parametrize(
    ("text", "limit", "beaten"),
    [
        ("gap under 50 ms and 40 tok/s per user", (25, "mean"), "50 ms"),  # 1,000 ms / 40
        ("10 tok/s per user, p95 gap 50 ms", (50, "p95"), "10 tok/s"),  # 100 ms on average
        ("20 tok/s per user, mean gap 50 ms", (50, "mean"), ""),  # the same
    ],
)
def test_of_a_speed_and_a_gap_the_shorter_holds_and_the_other_is_named(text, limit, beaten):
    state, messages = answer("design", f"qwen3-32b on H100, 8 users, {text}")
    assert (state["itl"], state["itlp"]) == limit
    said = " ".join(one["text"] for one in messages if "Of two limits" in one["text"])
    assert said.endswith(f"{beaten} is not in the answer.") if beaten else not said


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


def test_people_and_agents_are_users_and_people_are_said_to_ask_at_once():
    assert answer("calculate", "qwen3-32b on 2 H100, 10 agents")[0]["users"] == 10
    state, messages = answer("design", "RAG chatbot for 200 employees, qwen3-32b")
    assert state["users"] == 200
    assert any("asking at once" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        # 141 GB of weights and 32 x 8,000 x 327,680 B: 225 GB, of 192 or 80 GB a card
        ("is MI300X cheaper than H100 for 70B at 32 users", (2, 4)),
        # 235 GB and 64 x 16,000 x 192,512 B: 432 GB, of 141 or 180 GB a card
        ("H200 vs B200 for qwen3 235b a22b fp8, 64 users, 16k context", (4, 4)),
        ("H100 or H200 for gpt-oss-120b", (1, 1)),  # 65 GB
        ("1x H100 or 1x MI300X for llama-3.3-70b, 32 users", (1, 1)),  # as it is said
        ("H100 or MI300X for llama-3.3-70b, TP 2, 32 users", (2, 2)),
    ],
)
def test_cards_side_by_side_are_as_many_as_hold_the_users_where_nobody_counts_them(text, cards):
    state, messages = answer("compare", text)
    assert tuple(state[f"{x}.tp"] * (state[f"{x}.pp"] or 1) for x in "ab") == cards
    told = any("How many cards is not said" in one["text"] for one in messages)
    assert told == (max(cards) > 1 and "TP" not in text)


def test_cards_that_hold_a_part_of_the_users_are_not_said_to_hold_all():
    """405 GB and 100 x 8,000 x 516,096 B are 818 GB: eight H100 have 640, eight MI300X 1,536."""
    _, messages = answer("scorecard", "llama 3.1 405b fp8 on H100 or MI300X, 100 users")
    told = next(one["text"] for one in messages if "How many cards" in one["text"])
    assert "hold 100 users, or the most of them, are taken: 8x H100" in told


@pytest.mark.parametrize("words", ["experts on CPU", "cpu offload", "experts in ram", "offloading"])
def test_weights_on_the_host_are_led_to_the_command_that_counts_them(words):
    """A card is named, so it is no question of a processor alone."""
    _, messages = answer("calculate", f"deepseek v3.1 q4 on one rtx 4090, {words}")
    said = " ".join(one["text"] for one in messages)
    assert f"({words}) are not counted here: `llmcap predict --offload-share" in said
    assert "without a card" not in said


def told(messages):
    """All that is said of a question, in one text."""
    return " ".join(one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "state", "said"),
    [
        ("20 RPS with bursts to 60", {"rate": 60}, "of 60 requests/s, not for the steady 20"),
        ("120 rpm, peaks of 300", {"rate": 5, "copies": None}, "not for the steady 2:"),
        ("20 rps, spikes of 3x", {"rate": 60}, "not for the steady 20:"),
        ("5 rps, 3x burst", {"rate": 15}, "not for the steady 5:"),
        ("50 users, peak 120", {"users": 120}, "bursts of 120 users, not for the steady 50"),
        # 1e6 / (8 x 3600 s)
        ("1M documents of 2,000 tokens overnight (8 h)", {"rate": 34.72, "in": 2000}, "8 hours"),
        ("1M documents of 2,000 tokens overnight", {"rate": 34.72}, "a night of 8 hours"),
        ("86400 docs of 500 tokens per day", {"rate": 1, "in": 500, "ttft": 0}, "length was not"),
        ("86400 docs of 500 tokens in a day, 50 ms itl", {"itl": 50, "rate": 1}, "24 hours are"),
        # 1,000 x 36 / 3600 s
        ("1000 users, 36 requests per user per hour", {"rate": 10}, "1,000 users together send 10"),
        ("3600 employees, each 24 requests a day", {"rate": 1}, "together send 1 requests/s"),
        ("8640 daily active users, 10 messages per user per day", {"rate": 1}, "together send 1"),
        ("60M tokens/min input", {"rate": 142.9}, "taken as of prompts:"),  # of 7,000
        ("200 employees, 10% at once", {"users": 20}, "10% of 200 are 20 users at once"),
        # of a month of 720 hours
        ("50 users, budget 7200$/month", {"budget": 10}, "$7200 a month are $10 an hour"),
        ("50 users, under $72k a year", {"budget": 8.219}, "8,760 hours"),
        # 7.5 tokens of a prompt for each of an answer
        ("1.5M input tokens and 200k output tokens per hour", {"in": 7500, "rate": 0.05556}, ""),
    ],
)  # fmt: skip
def test_work_in_words_becomes_a_load_and_is_said(text, state, said):
    read, messages = answer("design", f"qwen3-8b on H100, {text}")
    assert {name: read[name] for name in state} == state
    assert said in told(messages)
    assert "Not understood" not in told(messages)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("60% prefix hits", 4200),
        ("80% of the prompt is shared", 5600),
        ("cache hit rate 0.7", 4900),
        ("95% cache hits", 6650),  # no percentile
        ("prefix cache hit rate of 50%, 2k in", 1000),
        ("system prompt of 3,000 tokens shared by all", 3000),
    ],
)
def test_what_requests_share_is_a_prefix(text, prefix):
    state, messages = answer("calculate", f"qwen3-8b on L40S, {text}")
    assert (state["prefix"], state["itlp"]) == (prefix, "p95")
    assert "Not" not in told(messages) and "for Design" not in told(messages)


@pytest.mark.parametrize(
    ("text", "state", "said"),
    [
        ("mean ITL 20 ms but p95 under 10 ms", ("p95", 10), "contradict each other"),
        ("p95 gap 50 ms, p99 40 ms", ("p99", 40), "the p99 of 40 ms is below the p95 of 50 ms"),
        ("p95 gap 50 ms, p99 100 ms", ("p99", 100), "p95 50 ms is not"),
        ("p95 50 ms", ("p95", 50), ""),
    ],
)
def test_two_limits_on_one_latency_are_named(text, state, said):
    read, messages = answer("calculate", f"qwen3-8b on H100, {text}")
    assert (read["itlp"], read["itl"]) == state
    assert said in told(messages) and "Not" not in told(messages)
    assert bool(said) == ("wo limits" in told(messages) or "has one limit" in told(messages))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("7.000 Token Prompt, 1.000 tokens out", {"in": 7000, "out": 1000}),
        ("2×H100, 1 000 users", {"users": 1000, "tp": 2}),
        ("ttft under 1,5 s", {"ttft": 1.5}),
        ("24/7, 16 users", {"in": 7000, "out": 1000}),  # no pair of lengths
        ("2 L4s", {"gpu": "l4", "tp": 2}),
        ("30 tok/s single user", {"itl": pytest.approx(33.33), "users": 1}),
        ("32768 tokens", {"in": 31_768}),
        ("20 chunks of 512 tokens, 300 token answer", {"in": 10_240, "out": 300}),
        ("64 seqs on A100 80GB", {"seqs": 64}),
        ("maximum concurrency 64", {"users": 64}),  # no line of a log
        ("cost per 1M output tokens on H100", {"tp": 1}),
    ],
)
def test_numbers_as_other_people_write_them(text, state):
    read, messages = answer("calculate", f"qwen3-8b, {text}")
    assert {name: read[name] for name in state} == state
    assert "Not" not in told(messages)


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


def test_the_memory_that_is_asked_for_is_of_one_user_and_is_said():
    """32,000 x 327,680 B are 9.77 GiB, beside the weights."""
    state, messages = answer("vram", "how much VRAM for llama 3.3 70b q4 with 32k context?")
    assert state["users"] == 1
    found = re.search(r"needs ([\d.]+) GiB a card: ([\d.]+) GiB of weights", told(messages))
    assert 9.77 < float(found[1]) - float(found[2]) < 9.77 + 2
    assert answer("vram", "how much VRAM for llama 3.3 70b, 8 users")[0]["users"] == 8
    _, messages = answer("calculate", "llama 70b on my 4090 + 64gb ram")
    assert "The host's 64 GB are not counted here" in told(messages)


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
    found = re.search(r"room for ([\d.]+) requests .* left ([\d.]+) GiB", told(messages))
    assert float(found[1]) == pytest.approx(float(found[2]) / 5, rel=0.01)
    assert "Paste the whole log into Validate" in told(messages)
    assert "Not understood" not in told(messages)


def test_people_who_ask_at_once_are_counted_and_how_to_change_it_is_said():
    _, messages = answer("calculate", "5,000 students use qwen3-8b on L40S")
    assert "All 5,000 people are taken as 5,000 users asking at once" in told(messages)
    assert "(10% at once)" in told(messages)


def test_a_batch_without_a_time_is_told_how_long_it_takes():
    _, messages = answer("calculate", "50k pdfs of 5k tokens each on 4x L40S with qwen3 14b")
    found = re.search(r"take about ([\d.]+) hours, at ([\d.]+) requests/s", told(messages))
    assert float(found[1]) == pytest.approx(50_000 / float(found[2]) / 3600, rel=0.05)
    _, messages = answer("design", "50k pdfs of 5k tokens each with qwen3 14b")
    assert "Say how long it may take" in told(messages)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("what would FP8 KV buy me on llama 3.1 70b on 2x H100", "BF16 cache", "FP8 cache"),
        ("what would fp8 weights buy on llama 3.1 70b, 4x H100", "BF16 weights", "FP8 weights"),
        ("what would tp 4 buy me over tp 2, qwen3-32b on H100", "2x H100 SXM5 80GB", "4x H100"),
        ("does tp 4 help qwen3-32b on 2x H100", "2x H100 SXM5 80GB", "4x H100 SXM5 80GB"),
        ("what changes going from H100 to H200 with llama 3.3 70b", "2x H100 SXM5", "2x H200"),
        ("upgrading from 2x A100 80GB to 2x H100, qwen3-32b", "2x A100 SXM4 80GB", "2x H100"),
        ("moving from vLLM to SGLang, llama 3.1 8b on H100", "vLLM", "SGLang"),
        ("is fp8 kv worth it for qwen3-32b on H200", "BF16 cache", "FP8 cache"),
        ("is H200 worth the extra over H100 for llama 3.3 70b", "2x H100 SXM5", "2x H200"),
        ("what does prefix caching buy on qwen3-8b on L40S, 2k shared", "Without", "With it"),
        ("does speculative decoding help llama 3.3 70b on 4x H100", "Without", "With drafts"),
    ],
)  # fmt: skip
def test_what_a_change_buys_is_said_of_both_sides(text, before, after):
    state, messages = answer("calculate", text)
    side = r"([^:.]*[^:]*): room for ([\d,]+) users, ([\d.]+) tok/s for one of 16, \$([\d.]+)/M"
    (said,) = [one["text"] for one in messages if "room for" in one["text"]]
    found = re.findall(side, said)
    assert found[0][0].startswith(before)
    assert after in found[1][0]
    assert "Not" not in told(messages) and "not counted" not in told(messages)
    # the inputs are those of one of the sides
    view = Calculator("calculate", calculate.FORM.query(state)).view
    rooms = {int(one[1].replace(",", "")) for one in found}
    assert any(f"room for {room} users" in view["status"]["text"] for room in rooms)


def test_an_eight_bit_cache_holds_twice_the_users():
    """By hand: half the bytes of each token."""
    _, messages = answer("calculate", "is fp8 kv worth it for qwen3-32b on H200")
    wide, narrow = map(int, re.findall(r"room for (\d+) users", told(messages)))
    assert narrow == pytest.approx(2 * wide, abs=2)


def test_compare_sets_both_sides_of_a_change_beside_each_other():
    state, messages = answer("compare", "what would FP8 KV buy me on llama 3.1 70b on 2x H100")
    assert [state[f"{x}.kv"] for x in "ab"] == ["fp8", "bf16"]
    assert state["columns"] == 2 and state["a.weights"] == state["b.weights"] == "fp8"
    state, _ = answer("compare", "what would tp 4 buy me over tp 2, qwen3-32b on H100")
    assert [state[f"{x}.tp"] for x in "ab"] == [4, 2]
    state, _ = answer("compare", "qwen3-32b on H100, TP 2 vs TP 4")
    assert [state[f"{x}.tp"] for x in "ab"] == [2, 4]
    _, messages = answer("vram", "what would FP8 KV buy me on llama 3.1 70b on 2x H100")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["compare"]
    assert "Not" not in told(messages)


def test_a_prefix_cache_without_a_shared_length_asks_for_it():
    _, messages = answer("calculate", "what does prefix caching buy on qwen3-8b on L40S")
    assert "how much that is was not said" in told(messages)


SETTINGS = """backend: pytorch
tensor_parallel_size: 4
max_batch_size: 64
max_num_tokens: 8192
kv_cache_config:
  free_gpu_memory_fraction: 0.85
  dtype: fp8
"""


@pytest.mark.parametrize("text", [SETTINGS, " ".join(SETTINGS.split())])
def test_a_file_of_tensorrt_llm_is_read_and_what_it_lacks_is_asked_for(text):
    """The names are those of its llmapi/llm_args.py."""
    wanted = {"engine": "trtllm-1.0", "tp": 4, "seqs": 64, "batched": 8192, "fraction": 0.85}
    state, messages = answer("calculate", text)
    assert {name: state[name] for name in wanted} == wanted and state["kv"] == "fp8"
    assert "neither model nor card" in told(messages)
    assert "not in the answer: backend." in told(messages)
    pasted, said = vram.FORM.check({"config": text}, vram.FORM.defaults())
    assert pasted["engine"] == "trtllm-1.0" and "settings of TensorRT-LLM" in told(said)
    state, _ = answer("compare", text)
    assert (state["a.tp"], state["a.seqs"]) == (4, 64)
    _, messages = answer("design", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["calculate"]


def test_a_setting_that_takes_no_such_value_is_refused():
    text = SETTINGS.replace("0.85", "7")
    state, messages = answer("calculate", text)
    assert state == calculate.FORM.defaults()
    assert "free_gpu_memory_fraction is '7'" in told(messages)
    assert "is known here" in told(answer("calculate", "serve_x: y some_thing: 3")[1])
