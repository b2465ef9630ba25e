"""Copies beside another split, a load at two values, and what a dollar buys."""

import re

import pytest

from tests.widgets.asking import all_text, answer

SIDE = r"room for ([\d,]+) users, ([\d.]+) tok/s for one of [^,.]+, \$([\d.]+)/M"
GAINED = r"has ([\d.]+)x the room and ([\d.]+)x the speed"


def sides(text, calculator="calculate"):
    """Users, tokens a second and the price of each side; the sentence; and the state."""
    state, messages = answer(calculator, text)
    (said,) = [one["text"] for one in messages if "tok/s for one of " in one["text"]]
    assert "Not understood" not in all_text(messages)
    found = re.findall(SIDE, said)
    return [[float(n.replace(",", "")) for n in one] for one in found], said, state


@pytest.mark.parametrize(
    ("text", "copies"),
    [
        ("2 replicas TP 2 vs one TP 4 of Llama-3.3-70B on H100", [(2, 2), (1, 4)]),
        ("2x TP2 vs 1x TP4 llama 3.3 70b H100", [(2, 2), (1, 4)]),
        ("TP4 vs 2 x TP2, llama 3.3 70b on H100", [(1, 4), (2, 2)]),
        ("two copies of TP-2 or a single TP 4 for llama 3.3 70b on H100", [(2, 2), (1, 4)]),
        ("DP2 TP2 vs TP4, llama 3.3 70b on 4 H100", [(2, 2), (1, 4)]),
        (
            "2 instances with 2 GPUs each or 1 instance with 4 GPUs? llama 3.3 70b, H100",
            [(2, 2), (1, 4)],
        ),
        ("2 replicas on 2 H100 each vs 1 replica on 4 H100, llama 3.3 70b", [(2, 2), (1, 4)]),
        (
            "2 TP-2 replicas against one with tensor parallel 4, llama 3.3 70b on H100",
            [(2, 2), (1, 4)],
        ),
        ("8 H100: 4 x TP2 or 1 x TP8 for llama 3.3 70b", [(4, 2), (1, 8)]),
        ("4 single-GPU replicas vs one TP 4, qwen3-8b on H100", [(4, 1), (1, 4)]),
        ("DP 4 vs TP 4 for qwen3-8b on H100", [(4, 1), (1, 4)]),
    ],
)
@pytest.mark.parametrize("calculator", ["calculate", "compare", "scorecard"])
def test_copies_stand_beside_another_split(calculator, text, copies):
    (first, second), said, state = sides(text, calculator)
    words = ["1 copy" if n == 1 else f"{n} copies" for n, _ in copies]
    for many, (_, cards) in zip(words, copies, strict=True):
        assert f"{many} of {cards}x H100" in said
    if calculator != "calculate":
        assert [state[f"{x}.tp"] for x in "ab"] == [cards for _, cards in copies]
        assert state["columns"] == 2
    # the same cards at the same rent: a token costs less as the total is more
    gained = re.search(rf"{GAINED}.*, at ([\d.]+)x the price", said)
    assert float(gained[1]) == pytest.approx(second[0] / first[0], rel=0.01)
    assert float(gained[3]) == pytest.approx(second[2] / first[2], rel=0.01)


def test_the_cards_of_copies_may_be_said_once():
    (two, _), *_ = (found := sides("2 replicas vs 1 on 4 H100 each, llama-3.3-70b, 128 users"))
    assert two[0] == 2 * found[0][1][0] and "2 copies: room" in found[1]


def test_two_copies_have_twice_the_room_of_one_and_a_half_of_the_users_each():
    text = "llama 3.3 70b on H100, {}, 16 users"
    (two, _), *_ = sides(text.format("2 replicas TP 2 vs TP 4"))
    (one, _), *_ = sides(text.format("does TP 4 help over TP 2"))
    (alone, _), *_ = sides("llama 3.3 70b on H100, does TP 4 help over TP 2, 8 users")
    assert two[0] == 2 * one[0]
    assert two[1:] == alone[1:]  # a copy has eight of the sixteen


def test_copies_are_said_not_to_be_what_a_view_of_one_shows():
    for calculator in ("calculate", "compare", "scorecard"):
        _, messages = answer(calculator, "2 replicas TP 2 vs one TP 4, llama 3.3 70b on H100")
        assert "What follows is of one copy with all the users" in all_text(messages)
    _, messages = answer("vram", "2 replicas TP 2 vs one TP 4, llama 3.3 70b on H100")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["compare"]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("what happens when users go from 32 to 64", "users", (32, 64)),
        ("what happens going from 4 to 8 users", "users", (4, 8)),
        ("4 vs 16 concurrent users", "users", (4, 16)),
        ("between 4 and 16 users", "users", (4, 16)),
        ("4 -> 16 users", "users", (4, 16)),
        ("concurrency grows from 4 to 16", "users", (4, 16)),
        ("from 8k to 32k context", "ctx", (8000, 32_000)),
        ("context from 8k to 32k", "ctx", (8000, 32_000)),
        ("8k vs 32k context", "ctx", (8000, 32_000)),
        ("from 8k to 32k", "ctx", (8000, 32_000)),
        ("prompts of 2k vs 8k tokens", "in", (2000, 8000)),
        ("what if I double the users", "users", (16, 32)),
        ("8 users, what if users triple", "users", (8, 24)),
        ("what if the context doubles", "ctx", (8000, 16_000)),
    ],
)
def test_a_load_that_moves_is_said_at_both_values(text, name, values):
    (first, second), said, state = sides(f"qwen3-32b on 2x H200, {text}")
    words = {"ctx": "tokens of context", "in": "tokens of prompt"}.get(name, "users")
    for value in values:
        assert f"{value:,} {words}: room for" in said
    taken = state["in"] + state["out"] if name == "ctx" else state[name]
    assert taken == values[1]
    if name == "ctx":  # the cache is all that grows, and a sequence's is linear
        assert first[0] / second[0] == pytest.approx(values[1] / values[0], rel=0.1)
    if name == "users":
        assert first[0] == second[0] and first[1] > second[1]
    state, messages = answer("compare", f"qwen3-32b on 2x H200, {text}")
    assert state["sweep"] == name
    assert said in all_text(messages)


def test_three_values_of_a_load_are_all_said():
    found, said, _ = sides("16, 32 or 64 users on 2x H200, qwen3-32b")
    assert len(found) == 3 and "The last has" in said


def test_two_loads_are_led_to_where_they_are_answered():
    for calculator in ("vram", "design"):
        _, messages = answer(calculator, "qwen3-32b on H200 from 8k to 32k context")
        assert "calculate" in [one["link"]["name"] for one in messages if "link" in one]


@pytest.mark.parametrize(
    "text",
    [
        *("qwen3-8b on 2 or 4 H100, 64 users", "qwen3-8b on H100, TP 2 and 64 users"),
        *("qwen3-8b, 8k/1k, 64 users", "qwen3-8b, 5,000 users, 200 active"),
    ],
)
def test_two_numbers_of_other_things_are_no_two_loads(text):
    _, messages = answer("calculate", text)
    assert "The second has" not in all_text(messages)


@pytest.mark.parametrize(
    "text",
    [
        *("chats per dollar of {}", "{}: requests/$", "how many chats does a dollar buy, {}"),
        *("how many messages can I get for a dollar with {}", "conversations per buck, {}"),
    ],
)
def test_a_dollar_buys_what_the_price_says_the_other_way_round(text):
    _, messages = answer("calculate", text.format("qwen3-8b on L4"))
    assert "Not" not in all_text(messages)
    bought = float(re.search(r"A dollar buys ([\d.,]+) \w+ of", all_text(messages))[1])
    _, messages = answer("calculate", "price per chat, qwen3-8b on L4")
    price = float(re.search(r"costs \$([\d.]+)", all_text(messages))[1])
    assert bought * price == pytest.approx(1, rel=0.01)


def test_tokens_of_a_dollar_are_a_million_over_the_price():
    state, messages = answer("compare", "tokens per dollar, qwen3-32b on H100 vs H200")
    assert state["show"] == "price"
    bought = re.findall(r"a dollar buys ([\d,]+) tokens of answers", all_text(messages))
    for card, many in zip(("H100", "H200"), bought, strict=True):
        _, other = answer("calculate", f"qwen3-32b on {card}, does fp8 help")
        price = float(re.search(r"BF16 weights: .*?\$([\d.]+)/M", all_text(other))[1])
        assert float(many.replace(",", "")) * price == pytest.approx(1e6, rel=0.01)
    _, messages = answer("calculate", "what does $10 buy, qwen3-32b on H100")
    ten = re.search(r"\$10 buy ([\d,]+) tokens of answers", all_text(messages))[1]
    assert int(ten.replace(",", "")) == pytest.approx(
        10 * int(bought[0].replace(",", "")), rel=0.01
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "kv cache per user for {}",
            "how much kv cache does one user take, {}",
            "{}, KV per request",
        ),
        *("size of the kv cache of {}", "memory per user {}", "how many GB per user, {}"),
    ],
)
def test_what_one_user_takes_of_the_cache_is_said(text):
    """64 layers x 8 heads x 128 x 2 x 2 B are 262,144 B a token, and 32,000 of them 7.81 GiB."""
    for calculator in ("calculate", "vram", "compare"):
        _, messages = answer(calculator, f"{text.format('Qwen3-32B')} at 32k")
        said = all_text(messages)
        assert "One user at 32,000 tokens takes 7.81 GiB of KV cache in BF16 (3.91 GiB" in said
        assert "262,144 B a token" in said and "Not understood" not in said
    _, messages = answer("calculate", "kv cache per user for Qwen3-32B at 32k on 2x H100")
    assert ": 3.91 GiB on each of 2 cards" in all_text(messages)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("does fp8 double the speed of qwen3-32b on 2x H100?", "BF16 weights", "FP8 weights"),
        ("does fp8 halve the cost of qwen3-32b on 2 H100", "BF16 weights", "FP8 weights"),
        ("is fp8 twice as fast as bf16 for qwen3-32b on 2 H100", "BF16 weights", "FP8 weights"),
        ("how much faster is fp8 for qwen3-32b on 2 H100", "BF16 weights", "FP8 weights"),
        ("is awq cheaper for qwen3-32b on 2 H100?", "BF16 weights", "INT4 AWQ weights"),
        ("would fp8 kv cut the cost of qwen3-32b on 2 H100", "BF16 cache", "FP8 cache"),
        ("will NVFP4 double throughput of llama 3.3 70b on B200", "BF16 weights", "NVFP4 weights"),
        ("does a second H100 double the speed of qwen3-32b", "1x H100", "2x H100"),
        ("does fp8 halve the cost of deepseek-r1 on 16x H200", "BF16 weights", "FP8 weights"),
    ],
)
def test_what_is_asked_to_double_is_said_of_both_sides(text, before, after):
    found, said, _ = sides(text)
    assert said.startswith(before) and f" {after}" in said
    assert len(found) == 2 and re.search(GAINED, said)


def test_a_format_alone_is_asked_of_what_stands_on_the_page():
    _, messages = answer("calculate", "does FP8 double the speed?", "v=5&model=qwen3-32b&tp=2")
    assert "BF16 weights: room for" in all_text(messages)


def test_speeds_are_of_as_many_users_on_both_sides():
    """A side with room for more serves more at once, and each of them slower."""
    (before, after), said, _ = sides("does fp8 double the speed of qwen3-32b on one H100, 16 users")
    assert before[0] < 16 <= after[0]
    room = f"{before[0]:.0f}"
    assert f"x the speed with {room} users on each" in said
    (one, two), alone, _ = sides(
        f"does fp8 double the speed of qwen3-32b on one H100, {room} users"
    )
    assert re.search(GAINED, alone)[2] == re.search(GAINED, said)[2]
    assert two[1] / one[1] == pytest.approx(float(re.search(GAINED, said)[2]), rel=0.01)


def test_without_a_start_on_both_sides_there_is_no_ratio():
    """141 GB of weights leave nothing of two cards of 80 GB."""
    _, messages = answer("calculate", "does fp8 halve the cost of Llama-3.3-70B on 2 H100?")
    assert "BF16 weights: does not start" in all_text(messages)
    assert "Both have to start for a ratio" in all_text(messages)


def test_stages_stand_beside_a_split_by_tensors():
    """Two ways to split over four cards: neither has two of them."""
    text = "tp2 pp2 vs tp4 for llama 3.3 70b on A100"
    state, _ = answer("compare", text)
    assert [(state[f"{x}.tp"], state[f"{x}.pp"]) for x in "ab"] == [(2, 2), (4, 1)]
    (first, second), said, _ = sides(text)
    assert "TP-2 x PP-2: room" in said and "copy" not in said
    assert first[2] / second[2] == pytest.approx(second[1] / first[1], rel=0.05)  # at one rent


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("int8 kv vs fp8 kv", "kv", ["int8", "fp8"]),
        ("int8 kv cache or fp8 kv cache", "kv", ["int8", "fp8"]),
        ("int8 weights vs fp8 weights", "weights", ["int8", "fp8"]),
    ],
)
def test_formats_with_their_noun_each_are_of_that_noun(text, name, values):
    state, messages = answer("compare", f"{text}, qwen3-14b on L40S")
    assert [state[f"{x}.{name}"] for x in "ab"] == values
    other = "weights" if name == "kv" else "kv"
    assert f"fp8 {other}" not in all_text(messages)


def test_a_list_of_loads_is_no_list_of_cards():
    found, _, state = sides("gpt-oss-120b on B200 at batch 1, 16, 64")
    assert len(found) == 3 and (state["users"], state["tp"]) == (64, 1)
    state, _ = answer("calculate", "qwen3-8b on 4090, context 8k, 64 users")  # no context of 4090
    assert (state["gpu"], state["in"] + state["out"], state["users"]) == ("rtx-4090", 8000, 64)


def test_a_batch_is_told_what_it_costs():
    """So many hours of a rent of $0.50: the price over the hours."""
    said = all_text(answer("calculate", "1M pdfs of 5k tokens, qwen3-8b on L4 at $0.50/h")[1])
    hours, usd = re.search(r"about ([\d,.]+) hours, .* for \$([\d,.]+)\.", said).groups()
    assert float(usd.replace(",", "")) == pytest.approx(
        0.5 * float(hours.replace(",", "")), rel=0.01
    )


def test_users_of_a_day_are_said_to_be_taken_at_once():
    said = all_text(answer("calculate", "what would 1000 daily users cost with gpt-oss-120b")[1])
    assert "All 1,000 people are taken as 1,000 users asking at once" in said


def test_a_list_of_splits_is_one_of_cards():
    found, said, _ = sides("tp 1, 2, 4, 8 for llama 3.1 8b on H100 at batch 1")
    assert len(found) == 4 and said.startswith("1x H100") and "8x H100" in said
    state, _ = answer("compare", "tp 1, 2, 4 or 8 for llama 3.1 8b on H100")
    assert [state[f"{x}.tp"] for x in "abcd"] == [1, 2, 4, 8]


def test_a_format_over_another_is_set_beside_it():
    _, said, _ = sides("is int4 worth it over fp8 on L40S for mistral small")
    assert said.startswith("FP8 weights") and " INT4 AWQ weights: room" in said


def test_what_a_card_is_bought_for_is_no_rent():
    for text in ("which card should i buy under $2000 for qwen3-32b", "budget $5,000, qwen3-32b"):
        state, messages = answer("design", text)
        assert state["budget"] != 2000 and state["budget"] != 5000
        assert "A price to buy at" in all_text(messages)
    state, _ = answer("design", "budget $2000/h, qwen3-32b")
    assert state["budget"] == 2000


def test_a_limit_before_its_whole_answer_is_read():
    _, messages = answer(
        "calculate", "99% of requests under 5s e2e, llama 8b, 1k in, 200 out, L40S"
    )
    said = all_text(messages)
    assert "5 s" in said and "5s" not in said.partition("Not understood")[2]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("how many users at 32k vs 128k", "ctx", "32,000 tokens of context"),
        ("how much slower is 32k context than 4k", "ctx", "4,000 tokens of context"),
        ("16 users vs 32", "users", "16 users"),
    ],
)
def test_whose_two_numbers_are_is_said_by_the_word_beside_them(text, name, values):
    _, said, _ = sides(f"{text}, llama 3.1 8b on H100")
    assert f"{values}: room for" in said


def test_counts_in_brief_are_copies_and_no_mixture():
    _, said, state = sides("4x1 vs 2x2 vs 1x4 H100 for qwen3-32b", "compare")
    assert [state[f"{x}.tp"] for x in "abc"] == [1, 2, 4]
    assert "4 copies of 1x" in said and "2 copies of 2x" in said and "1 copy of 4x" in said
    assert answer("calculate", "Mixtral 8x7B on 2x8 H100")[0]["model"] == "mixtral-8x7b"


def test_so_many_tokens_without_a_time_are_requests_and_no_model():
    """8,000 tokens each: 125,000 of them; at its most answers a pair of cards takes hours."""
    text = "1B tokens with qwen3-32b on 2 H100 at $2/h each"
    state, messages = answer("calculate", text)
    assert state["model"] == "qwen3-32b"
    assert "1B tokens are 125,000 requests" in all_text(messages)
    hours, usd = re.search(
        r"about ([\d,.]+) hours, .* for \$([\d,.]+)\.", all_text(messages)
    ).groups()
    assert float(usd.replace(",", "")) == pytest.approx(4 * float(hours.replace(",", "")), rel=0.01)
    state, _ = answer("calculate", "llama 3.1 8b on H100, 1M tokens context")
    assert state["in"] + state["out"] == 1_000_000


def test_the_cache_of_so_many_users_is_said():
    """100 x 8,000 x 262,144 B are 195 GiB."""
    said = all_text(answer("vram", "KV cache for 100 users at 8k, qwen3-32b")[1])
    assert "All 100 take 195 GiB" in said


def test_the_last_of_two_lengths_in_a_pair_is_the_answer():
    state, _ = answer("calculate", "max rps of one L40S with qwen3-8b at 1k/200")
    assert (state["in"], state["out"]) == (1000, 200)


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("max-num-seqs 64 or 256, qwen3-32b on H100", "seqs", [64, 256]),
        ("qwen3-32b on H100, --max-num-seqs=64 vs --max-num-seqs=256", "seqs", [64, 256]),
        ("max_num_seqs 64, 128 or 256 qwen3-8b on H100", "seqs", [64, 128, 256]),
        ("qwen3-32b H100 max running requests 32 vs 64", "seqs", [32, 64]),
        ("gpu-memory-utilization 0.9 vs 0.95 qwen3-32b H100", "fraction", [0.9, 0.95]),
        ("qwen3-32b H100, gpu memory utilization 85% or 95%", "fraction", [0.85, 0.95]),
        ("max-model-len 8192 or 32768 qwen3-32b H100", "maxlen", [8192, 32768]),
        ("max-model-len 8k vs 32k, qwen3-8b on L4", "maxlen", [8000, 32_000]),
        (
            "max-num-batched-tokens 2048 vs 8192 vs 16384, qwen3-8b H100",
            "batched",
            [2048, 8192, 16384],
        ),
    ],
)
def test_settings_of_an_engine_stand_side_by_side(text, name, values):
    state, messages = answer("compare", text)
    assert [state[f"{x}.{name}"] for x in "abcd"[: len(values)]] == values
    assert state["columns"] == len(values) and "Not understood" not in all_text(messages)
    state, messages = answer("calculate", text)
    assert state[name] == values[0]
    assert "Several side by side are a question for Compare." in all_text(messages)


def test_a_setting_of_an_engine_keeps_to_its_own_number():
    """What stands behind a comma, or an "and", is of something else."""
    state, _ = answer("calculate", "max-num-seqs 256, 4 H100 and 32k context, qwen3-32b, 8 users")
    assert (state["seqs"], state["tp"], state["users"]) == (256, 4, 8)
    assert state["in"] + state["out"] == 32_000
    state, _ = answer("calculate", "qwen3-8b on H100, max-num-seqs 64 and 200 users")
    assert (state["seqs"], state["users"]) == (64, 200)


@pytest.mark.parametrize(
    ("text", "spread"),
    [
        ("EP8 or TP8 for deepseek-v3 on 8 H200", [(True, False), (False, False)]),
        ("deepseek-v3 on H200, tp 8 vs ep 8", [(False, False), (True, False)]),
        (
            "expert parallel vs tensor parallel, deepseek-v3 8x H200",
            [(True, False), (False, False)],
        ),
        ("deepseek-v3 8 h200 ep8 + dp attention or tp8", [(True, True), (False, False)]),
    ],
)
def test_ways_to_spread_experts_stand_side_by_side(text, spread):
    """Attention of one latent is whole on each card unless each has its own users."""
    state, messages = answer("compare", text)
    assert [(state[f"{x}.ep"], state[f"{x}.dp"]) for x in "ab"] == spread
    assert [state[f"{x}.tp"] for x in "ab"] == [8, 8] and state["columns"] == 2
    assert "Not understood" not in all_text(messages)


def test_experts_are_spread_where_one_way_is_named():
    for words in ("with expert parallel", "--enable-expert-parallel", "ep 8"):
        state, messages = answer("calculate", f"deepseek-v3 on 8 H200 {words}")
        assert state["ep"] and not state["dp"] and "Not understood" not in all_text(messages)
    _, said, _ = sides("does ep help over tp, deepseek-v3 on 8 h200")
    assert said.startswith("TP-8: room for") and " EP-8: room for" in said


@pytest.mark.parametrize("calculator", ["calculate", "compare"])
def test_two_versions_of_an_engine_are_told_apart_by_memory_alone(calculator):
    text = "is it worth going from vllm 0.11 to 0.20 for llama-3.3-70b on 4 H100"
    state, messages = answer(calculator, text)
    said = all_text(messages)
    assert "what an upgrade gains by faster kernels is not in these numbers" in said
    if calculator == "compare":
        assert [state[f"{x}.engine"] for x in "ab"] == ["vllm-0.11", "vllm-0.20"]
    # 0.20 takes 0.92 of a card where 0.11 took 0.90 (vLLM 38284)
    said = all_text(answer("calculate", text)[1])
    old, new = (float(n) for n in re.findall(r"room for (\d+) users", said))
    assert old != new
    said = all_text(answer(calculator, "vllm 0.6 vs 0.11 for llama-3.1-8b on H100")[1])
    assert "vLLM 0.10, in place of vllm 0.6: the nearest that is known." in said
    said = all_text(answer(calculator, "vllm 0.8 vs 0.9 for llama-3.1-8b on H100")[1])
    assert "vllm 0.8 and vllm 0.9 are both read as vLLM 0.10" in said


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("20 users now, 100 next year", (20, 100)),
        ("100 users by day and 20 at night", (20, 100)),
        ("20 users today and 100 users in december", (20, 100)),
        ("today 20 users, next year 100 users", (20, 100)),
    ],
)
def test_users_of_two_times_are_said_at_both(text, users):
    _, said, state = sides(f"qwen3-32b on 2x H200, {text}")
    assert state["users"] == users[1]
    for many in users:
        assert f"{many} users: room for" in said


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("500 users, 50 concurrent users", 50),
        ("2000 employees, 100 concurrent users", 100),
        ("10 users with 3 sessions each", 10),  # of two things
        ("8 H100 now, 20 users", 20),
    ],
)
def test_users_of_one_time_are_no_two_loads(text, users):
    state, messages = answer("calculate", f"qwen3-32b on H200, {text}")
    assert state["users"] == users and "The second has" not in all_text(messages)
