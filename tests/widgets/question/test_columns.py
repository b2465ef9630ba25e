"""Deployments of a question side by side, and what one change buys."""

import re
from urllib.parse import parse_qs

import pytest

from llmcap_kernel import catalog
from tests.widgets.asking import all_text, answer
from widgets.calculators import calculate
from widgets.form.question import reading
from widgets.session import Calculator


def test_side_by_side_a_model_has_one_format_where_one_of_the_cards_takes_fp8():
    state, _ = answer("compare", "Llama-3.3-70B on two H100 or two H200")
    assert (state["a.weights"], state["b.weights"]) == ("fp8", "fp8")
    state, _ = answer("compare", "Llama-3.3-70B FP8 vs BF16 on two H100")
    assert (state["a.weights"], state["b.weights"]) == ("fp8", "bf16")


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("vLLM vs SGLang for Llama 3.1 70B on 4xH100", "engine", ["vllm-0.33", "sglang-0.5"]),
        ("Llama 3.1 8B FP8 vs BF16 on L4", "weights", ["fp8", "bf16"]),
        ("Qwen3-32B in int4 awq or fp8 on H100", "weights", ["int4-awq", "fp8"]),
        ("is AWQ faster than FP8 on L40S for qwen 32b", "weights", ["int4-awq", "fp8"]),
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


def test_kinds_of_one_card_stand_side_by_side():
    state, messages = answer("compare", "H100 PCIe vs SXM for llama 8b")
    assert (state["a.gpu"], state["b.gpu"]) == ("h100-pcie", "h100-sxm")
    assert "Not" not in all_text(messages)


def test_one_deployment_in_compare_is_said_to_be_the_first():
    _, messages = answer("compare", "qwen3-32b on H200")
    assert any(one["text"].startswith("That is A; the others stay") for one in messages)
    _, messages = answer("compare", "qwen3-32b on H200 or H100")
    assert not any(one["text"].startswith("That is A") for one in messages)


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
        ("FP8 instead of BF16 for llama 3.1 70b on 4x H100", "BF16 weights", "FP8 weights"),
        ("H200 instead of H100 for llama 3.3 70b", "2x H100 SXM5", "2x H200"),
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
    assert "Not" not in all_text(messages) and "not counted" not in all_text(messages)
    assert not any("link" in one for one in messages)  # nothing is left to ask elsewhere
    times = int(found[1][1].replace(",", "")) / int(found[0][1].replace(",", ""))
    gained = re.search(r"has ([\d.]+)x the room", said)
    assert float(gained[1]) == pytest.approx(times, rel=0.01)
    # the inputs are those of one of the sides
    view = Calculator("calculate", calculate.FORM.query(state)).view
    rooms = {int(one[1].replace(",", "")) for one in found}
    assert any(f"room for {room} users" in view["status"]["text"] for room in rooms)


def test_an_eight_bit_cache_holds_twice_the_users():
    """By hand: half the bytes of each token."""
    _, messages = answer("calculate", "is fp8 kv worth it for qwen3-32b on H200")
    wide, narrow = map(int, re.findall(r"room for (\d+) users", all_text(messages)))
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
    assert "Not" not in all_text(messages)


def test_a_prefix_cache_without_a_shared_length_asks_for_it():
    _, messages = answer("calculate", "what does prefix caching buy on qwen3-8b on L40S")
    assert "how much that is was not said" in all_text(messages)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        (
            "is llama-3.3-70b awq on 2 L40S cheaper than fp8 on 1 H100",
            ("l40s", "awq", "h100-sxm", "fp8"),
        ),
        (
            "llama-3.3-70b fp8 1 H100 or llama-3.3-70b awq 2 L40S",
            ("h100-sxm", "fp8", "l40s", "awq"),
        ),
        (
            "llama-3.3-70b, int8 on 2 A100 vs fp8 on 2 H100",
            ("a100-sxm-80gb", "int8", "h100-sxm", "fp8"),
        ),
    ],
)
def test_each_of_two_cards_keeps_the_format_that_is_named_with_it(text, sides):
    state, messages = answer("compare", text)
    said = " ".join(one["text"] for one in messages)
    for x, (card, weights) in zip("ab", (sides[:2], sides[2:]), strict=True):
        assert state[f"{x}.gpu"] == card
        assert catalog.format(state[f"{x}.weights"]) == catalog.format(weights)
    assert state["columns"] == 2 and "Not understood" not in said
    _, messages = answer("calculate", text)
    assert "Not among these inputs" in all_text(messages)


def test_a_format_in_a_second_models_name_is_told_where_it_is_not_taken():
    _, messages = answer("calculate", "llama-3.3-70b fp8 on 2 H100, qwen3-8b awq")
    assert any("Not understood: int4-awq" in one["text"] for one in messages)
