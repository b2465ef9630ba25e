"""Percentiles, limits and money of a question."""

import re
from urllib.parse import urlencode

import pytest

from tests.widgets.asking import all_text, answer
from widgets.calculators import calculate
from widgets.session import Calculator

COMMAND = "vllm serve deepseek-ai/DeepSeek-V3 --tensor-parallel-size 8 --pipeline-parallel-size 2"


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


def test_no_card_or_rent_of_several_is_lost_without_a_word():
    _, messages = answer("calculate", "H100 vs H200 llama 3.1 8b")
    assert any("not in the answer: 1x H200" in one["text"] for one in messages)
    state, messages = answer("compare", "qwen3-32b on H100 at $2.5/h vs H200 at $3.5/h")
    assert (state["a.gpu"], state["b.gpu"]) == ("h100-sxm", "h200-sxm")
    assert (state["a.usd"], state["b.usd"]) == (2.5, 3.5)
    assert "Not" not in all_text(messages)
    _, messages = answer("calculate", "qwen3-32b on H100 at $2.5/h vs H200 at $3.5/h")
    assert any("rent $3.5/h" in one["text"] and "Not" in one["text"] for one in messages)


def test_a_percentile_without_a_limit_is_not_said_to_be_read():
    _, messages = answer("design", "qwen3-8b, 8 users, p99 ttft")
    assert any("not in the answer: p99 of the first token" in one["text"] for one in messages)


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
    said = re.match(r"It answers at most ([\d.]+) of 10 requests/s", view["status"]["text"])
    # 16 GB of weights leave room for some 20 users, who wait longer than 864 GB/s take to read
    # 16 GB and 20 caches of 1.2 GB, a thousand times each
    assert said and 0.1 < float(said[1]) < 20 / (1000 * (16 + 20 * 1.1) / 864)
    assert view["status"]["level"] == "bad"
    assert any(one.get("link", {}).get("name") == "design" for one in view["receipt"])
    view = Calculator("calculate", urlencode({"ask": "6 requests/hour qwen3-8b l40s"})).view
    assert view["status"]["text"].startswith("It answers 0.00167 requests/s: about 0.0")
    assert not any("link" in one for one in view["receipt"])


def test_a_card_without_a_rent_has_no_budget():
    _, messages = answer("calculate", "M4 Max 128GB gpt-oss-120b")
    assert not any("budget" in one["text"] for one in messages)
    _, messages = answer("calculate", "RTX 4090 gpt-oss-20b")
    assert "budget $30/h" in messages[0]["text"]


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
    assert said in all_text(messages) and "Not" not in all_text(messages)
    assert bool(said) == (
        "wo limits" in all_text(messages) or "has one limit" in all_text(messages)
    )


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        ("p50 ttft 2 s, p99 ttft 500 ms", {"ttft": 0.5, "ttftp": "p99", "itl": 50}, "contradict"),
        ("ttft p50 2 s, ttft p99 5 s, 30 ms itl", {"ttft": 5, "ttftp": "p99", "itl": 30}, "one"),
        ("p50 itl 20 ms, p99 itl 60 ms", {"itl": 60, "itlp": "p99"}, "p50 20 ms is not"),
        ("p95 ttft 2 s, p99 gap 40 ms", {"ttft": 2, "ttftp": "p95", "itl": 40, "itlp": "p99"}, ""),
    ],
)
def test_two_limits_that_both_name_their_latency_are_of_it(text, limits, said):
    read, messages = answer("calculate", f"qwen3-8b on H100, {text}")
    assert {name: read[name] for name in limits} == limits
    assert said in all_text(messages) and "Not" not in all_text(messages)


@pytest.mark.parametrize(
    ("text", "which", "level"),
    [
        ("p95 end to end under 20 s", "95th", "warning"),  # some 16 s, of an interval to 39 s
        ("end-to-end p99 below 900 s", "99th", "info"),
        ("E2E latency < 2 s", "95th", "warning"),  # 1,000 tokens take longer than 2 ms each
        ("90th percentile response time 2000 ms", "90th", "warning"),
    ],
)
def test_a_limit_on_the_whole_answer_is_set_beside_its_prediction(text, which, level):
    """As `llmcap predict --e2e-p95-s` does."""
    state, messages = answer("calculate", f"qwen3-8b on H100, {text}")
    (said,) = [one for one in messages if "percentile whole answer" in one["text"]]
    assert said["text"].startswith(which) and said["level"] == level
    assert (state["itl"], state["ttft"]) == (50, calculate.FORM.defaults()["ttft"])
    assert "Not" not in all_text(messages)
    _, messages = answer("design", f"qwen3-8b on H100, {text}")
    assert "llmcap design --e2e-p" in all_text(messages)


def test_a_percentile_without_a_limit_is_predicted_at_its_rate():
    """By hand: 8.19 GB of weights at 3.35 TB/s are a gap of 2.4 ms at least."""
    _, messages = answer("calculate", "p95 itl of qwen3-8b on H100, 8 users")
    found = re.search(r"95% of the gaps between tokens are within ([\d.]+) ms", all_text(messages))
    assert 2.4 < float(found[1]) < 50
    text = "p99 ttft for qwen2.5 72b on 4xH100 at {} rps, 3k in 400 out"
    first_s = []
    for rate in (1, 3):
        _, messages = answer("calculate", text.format(rate))
        found = re.search(r"99% of the first tokens are within ([\d.]+) (m?)s", all_text(messages))
        first_s.append(float(found[1]) / (1000 if found[2] else 1))
        assert "Not among" not in all_text(messages)
    # 2 x 72.7e9 x 3,000 FLOP of four cards with 989e12 each
    assert 0.11 < first_s[0] < first_s[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # 2 x 2 x 720 h, and 8,760 h
        ("what would 2 H100 at $2/h each cost per year", "$4.00 an hour are $35,040 a year"),
        ("cost per user per month, 2 H100 at $2/h each, 30 users", "$96.00 for each of 30 users"),
    ],
)
def test_the_rent_of_a_longer_time_is_said(text, said):
    _, messages = answer("calculate", text)
    assert said in all_text(messages) and "Not" not in all_text(messages)


@pytest.mark.parametrize(
    "text", ["cheaper than $0.60 per million tokens", "under $0.60/M tokens", "vs $0.60/Mtok"]
)
def test_money_of_a_million_tokens_is_an_api_s_and_no_rent(text):
    state, _ = answer("calculate", f"llama 8b on L4, {text}")
    assert (state["api"], state["budget"], state["usd"]) == (0.6, 30, None)


def test_a_search_for_a_model_without_cards_says_to_name_them():
    _, messages = answer("design", "$2000 a month, best model for 30 users")
    assert "for cards that are named" in all_text(messages)
    _, messages = answer("design", "best model for an L4")
    assert "for cards that are named" not in all_text(messages)


@pytest.mark.parametrize("which", ["p99", "99th percentile", "p95", "median"])
def test_a_percentile_of_nothing_that_is_named_is_said_of_both_latencies(which):
    text = f"what {which} do I get with llama-3.1-70b on 4 h100 at 20 users"
    _, messages = answer("calculate", text)
    said = " ".join(one["text"] for one in messages)
    percent = {"p95": 95, "median": 50}.get(which, 99)
    assert re.search(rf"{percent}% of the gaps between tokens are within [\d.]+ ms", said)
    assert re.search(rf"{percent}% of the first tokens are within [\d.]+ m?s", said)
    assert "Not understood" not in said
    _, messages = answer("vram", text)
    assert "calculate" in [one["link"]["name"] for one in messages if "link" in one]


def test_two_percentiles_of_one_latency_are_both_said():
    _, messages = answer("calculate", "p50 and p99 ttft, qwen3-32b, H200, 30 users")
    said = " ".join(one["text"] for one in messages)
    assert "50% of the first tokens" in said and "99% of the first tokens" in said
    assert "of the gaps" not in said and "Not understood" not in said


def test_money_that_nobody_says_the_meaning_of_is_asked_about():
    _, messages = answer("calculate", "llama 70b on 4xH100 spot price $1.2")
    assert any(one["text"].startswith("Say what money is of") for one in messages)


def test_a_part_of_a_hundred_is_no_percentile_of_a_latency():
    for text in ("offload 50% of llama-3.3-70b to cpu on 4090", "99% cheaper qwen3-8b on L4"):
        state, messages = answer("calculate", text)
        assert state["itlp"] == "p95", text
        assert "Not understood: " in " ".join(one["text"] for one in messages)
    state, _ = answer("calculate", "99% of tokens under 50 ms, qwen3-8b on L4")
    assert (state["itlp"], state["itl"]) == ("p99", 50)


def test_a_percentile_of_a_word_that_is_not_known_is_lost_with_its_limit():
    for text in ("qwen3-8b on H100, p95 frobnication 10 s", "qwen3-8b on H100, 99% uptime"):
        _, messages = answer("calculate", text)
        said = " ".join(one["text"] for one in messages)
        assert "Not understood" in said and "are within" not in said
