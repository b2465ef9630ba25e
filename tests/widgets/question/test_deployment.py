"""The model, the cards, the split, the format and the engine of a question."""

import re
from urllib.parse import urlencode

import pytest

from llmcap_kernel import catalog
from tests.widgets.asking import all_text, answer
from widgets.calculators import calculate, vram
from widgets.session import Calculator

SETTINGS = """backend: pytorch
tensor_parallel_size: 4
max_batch_size: 64
max_num_tokens: 8192
kv_cache_config:
  free_gpu_memory_fraction: 0.85
  dtype: fp8
"""


FALLS_BACK = "As released the weights leave few users any room, or none: a copy in FP8 is taken."


@pytest.mark.parametrize(
    "text", ["Qwen3-30B-A3B Q4_K_M on M3 Max 64GB, 1 user", "qwen3-8b q4_k_m on L4"]
)
def test_a_mac_and_a_gguf_file_are_run_by_llama_cpp(text):
    state, messages = answer("calculate", text)
    assert (state["engine"], state["kv"]) == ("llama.cpp", "fp16")
    assert any("is taken as the engine" in one["text"] for one in messages)
    state, _ = answer("calculate", f"{text} vllm")
    assert state["engine"].startswith("vllm")  # who names one has it


@pytest.mark.parametrize(
    ("text", "split"),
    [
        # vLLM, docs/serving/parallelism_scaling.md: tensors within a node, layers across
        ("DeepSeek-R1 on 16 H100, two nodes", (8, 2, False)),
        ("DeepSeek-R1 on two nodes of 8x H100", (8, 2, False)),
        ("DeepSeek-R1 on 2 nodes with 8 H100 each", (8, 2, False)),
        ("DeepSeek-R1 on 2x8 H100", (8, 2, False)),
        ("DeepSeek-R1 on 16x H100", (8, 2, False)),
        ("DeepSeek-R1 on 4 H100 nodes", (8, 4, False)),
        ("DeepSeek-R1 on two H200 servers", (8, 2, False)),
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
    smaller = any(one["text"].startswith("As released the weights") for one in messages)
    assert smaller == (read["weights"] != "bf16" and "fp8" not in text)


def test_a_memory_beside_a_model_is_that_of_a_card_for_a_desk():
    state, messages = answer("calculate", "13B model on 24GB GPU")
    assert catalog.gpu(state["gpu"]).memory_sold_bytes == 24e9
    assert any("Which card of 24 GB is meant is not said" in one["text"] for one in messages)


def test_of_cards_that_a_name_leaves_open_the_slowest_is_taken():
    state, messages = answer("calculate", "qwen3-8b on M3 36GB")  # a Pro of 150 GB/s, a Max of 300
    assert state["gpu"] == "apple-m3-pro"
    assert any("Several cards are M3 36GB: M3 Pro" in one["text"] for one in messages)


@pytest.mark.parametrize("name", ["calculate", "vram"])
def test_a_model_that_is_scaled_from_another_is_a_guess_in_the_first_line(name):
    view = Calculator(name, urlencode({"ask": "qwen4-900b on h100"})).view
    assert view["status"]["text"].startswith("A guess: no config of qwen4-900b")
    assert not any("no config" in one["text"] for one in view["messages"])
    known = Calculator(name, urlencode({"ask": "qwen3-8b on h100"})).view
    assert "guess" not in known["status"]["text"]


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


@pytest.mark.parametrize("kv", ["FP8 KV cache", "kv fp8", "BF16 KV cache"])
def test_a_cache_s_format_alone_leaves_the_weights_as_they_are_without_it(kv):
    """By hand: 160 GB hold 141 GB of 16 bits and hardly a user, or 71 GB and many."""
    state, messages = answer("calculate", f"Llama-3.3-70B with {kv} on 2 H100, price?")
    assert state["weights"] == "fp8" and state["kv"] == kv.split()["kv" in kv].lower()
    assert FALLS_BACK in all_text(messages)
    state, _ = answer("calculate", f"Llama-3.3-70B with {kv} on 4 H100")
    assert state["weights"] == "bf16"


def test_llama_cpp_splits_a_model_by_layers_unless_it_is_told():
    """As `llama-server` does without --split-mode, on a number of cards that divides no heads."""
    state, messages = answer("calculate", "llama 70b q4_k_m on 3x 3090")
    assert (state["engine"], state["tp"], state["pp"]) == ("llama.cpp", 1, 3)
    assert any("by layers" in one["text"] for one in messages)
    assert not [one for one in messages if one["level"] == "error"]
    state, _ = answer("calculate", "llama 70b awq on 2x 3090")
    assert (state["tp"], state["pp"]) == (2, 1)


@pytest.mark.parametrize("text", [SETTINGS, " ".join(SETTINGS.split())])
def test_a_file_of_tensorrt_llm_is_read_and_what_it_lacks_is_asked_for(text):
    """The names are those of its llmapi/llm_args.py."""
    wanted = {"engine": "trtllm-1.0", "tp": 4, "seqs": 64, "batched": 8192, "fraction": 0.85}
    state, messages = answer("calculate", text)
    assert {name: state[name] for name in wanted} == wanted and state["kv"] == "fp8"
    assert "neither model nor card" in all_text(messages)
    assert "not in the answer: backend." in all_text(messages)
    pasted, said = vram.FORM.check({"config": text}, vram.FORM.defaults())
    assert pasted["engine"] == "trtllm-1.0" and "settings of TensorRT-LLM" in all_text(said)
    state, _ = answer("compare", text)
    assert (state["a.tp"], state["a.seqs"]) == (4, 64)
    _, messages = answer("design", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["calculate"]


def test_a_setting_that_takes_no_such_value_is_refused():
    text = SETTINGS.replace("0.85", "7")
    state, messages = answer("calculate", text)
    assert state == calculate.FORM.defaults()
    assert "free_gpu_memory_fraction is '7'" in all_text(messages)
    assert "is known here" in all_text(answer("calculate", "serve_x: y some_thing: 3")[1])


@pytest.mark.parametrize(
    ("text", "weights", "room"),
    [
        # GB by hand: 70 of weights in FP8 and 20 x 8,000 x 328 kB of cache are 123, of 160
        ("70b on 2xH100, 20 users", "fp8", 20),
        ("qwen3-32b on H100, 100 users", "fp8", 15),  # 33 and 15 x 8,000 x 262 kB: 64 of 80
        ("70b on 4xH100, 20 users", "bf16", 20),  # 141 and 52: 193 of 320
        ("70b on 2xH100, 1 user", "bf16", 1),  # one has room
    ],
)
def test_a_format_is_taken_that_leaves_users_room(text, weights, room):
    state, messages = answer("calculate", text)
    assert state["weights"] == weights
    assert (FALLS_BACK in all_text(messages)) == (weights == "fp8")
    said = Calculator("calculate", urlencode({"ask": text})).view["status"]["text"]
    assert int(re.search(r"room for (\d+)", said)[1]) >= room


@pytest.mark.parametrize(
    ("text", "weights", "cards"),
    [
        ("llama 70b, 20 users, which gpus", "fp8", 2),  # by hand as above
        ("70b for 20 users", "fp8", 2),
        ("price of llama 3.3 70b per million tokens", "fp8", 2),
        ("llama 3.1 405b price", "fp8", 8),  # 405 GB, of 80 a card
        ("how fast is deepseek v3", "fp8-block", 16),  # 671 GB: more than a node's 640
        ("llama 3.3 70b on 8 gpus", "bf16", 8),
    ],
)
def test_where_no_card_is_named_cards_and_format_fit_and_are_said(text, weights, cards):
    state, messages = answer("calculate", text)
    assert (state["weights"], state["gpu"]) == (weights, "h100-sxm")
    assert state["tp"] * state["pp"] == cards
    assert f"No card is named, so this is of {cards}x H100 SXM5 80GB" in all_text(messages)
    said = Calculator("calculate", urlencode({"ask": text})).view["status"]["text"]
    assert "start" not in said and "It fits" in said


def test_cards_that_a_reader_chose_stay_under_another_model():
    state, messages = answer("calculate", "llama 3.1 405b, 4 users", "v=5&gpu=l4&tp=2")
    assert (state["gpu"], state["tp"]) == ("l4", 2)
    assert "this is of 2x L4, which stood here" in all_text(messages)


@pytest.mark.parametrize(
    ("text", "gpu", "count"),
    [
        ("qwen3-32b on 2 of our 8 H100", "h100-sxm", 2),
        ("qwen3-32b on two of the eight H200", "h200-sxm", 2),
        ("4 out of 8 H100 for llama-3.3-70b", "h100-sxm", 4),
        ("half of our 8 H100, qwen3-32b", "h100-sxm", 4),
        ("we have 8 h100, use 2 of them for qwen3-32b", "h100-sxm", 2),
        ("qwen3-8b on 1 of our 4 4090", "rtx-4090", 1),
        ("llama-3.1-405b on 2 nodes of 8 H100", "h100-sxm", 16),  # no part
    ],
)
def test_of_a_part_of_the_cards_the_part_counts(text, gpu, count):
    state, messages = answer("calculate", text)
    assert (state["gpu"], state["tp"] * state["pp"]) == (gpu, count)
    assert "Not understood" not in " ".join(one["text"] for one in messages)


def test_a_name_of_old_and_new_cards_is_one_of_the_new():
    """RTX 6000 was a Quadro of 2018; since then an Ada, and three of Blackwell."""
    state, messages = answer("calculate", "qwen3-32b on RTX 6000")
    assert state["gpu"] == "rtx-6000-ada"
    assert any("rtx-pro-6000" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("a100 40 vs 80 for qwen3-32b awq", [("a100-sxm-40gb", 1), ("a100-sxm-80gb", 1)]),
        ("qwen3-32b awq on 2 a100 40gb or 80gb", [("a100-sxm-40gb", 2), ("a100-sxm-80gb", 2)]),
        ("tensor parallel 4 or 8 for qwen3-235b on H100", [("h100-sxm", 4), ("h100-sxm", 8)]),
        ("llama-3.3-70b, 16 users: 4 or 8 H100?", [("h100-sxm", 4), ("h100-sxm", 8)]),
        ("replace 2 A100 with 4 L40S for qwen3-32b", [("a100-sxm-80gb", 2), ("l40s", 4)]),
        ("upgrade from 2 A100 to 4 L40S for qwen3-32b", [("a100-sxm-80gb", 2), ("l40s", 4)]),
    ],
)
def test_cards_that_are_named_in_few_words_stand_side_by_side(text, gpus):
    state, messages = answer("compare", text)
    assert [(state[f"{x}.gpu"], state[f"{x}.tp"]) for x in "ab"] == gpus
    assert "Not understood" not in " ".join(one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "gpu", "count"),
    [
        ("H100 SXM 8x llama3.1-405b fp8", "h100-sxm", 8),
        ("gemma 3 27b qat on a 5090 tokens/sec", "rtx-5090", 1),  # no speed
        ("qwen3-8b on my own 4090", "rtx-4090", 1),
        # once a word of a fine-tune's name
        ("qwen3-32b 4090", "rtx-4090", 1),
        ("qwen3-8b 3090 24gb", "rtx-3090", 1),
        ("gemma 3 27b 7900 xtx", "rx-7900-xtx", 1),
        ("H20 deepseek-r1 8x", "h20", 8),
        ("qwen3-32b ascend 910b x8", "ascend-910b2", 8),
    ],
)
def test_a_card_is_known_and_counted_beside_other_words(text, gpu, count):
    state, messages = answer("calculate", text)
    assert (state["gpu"], state["tp"] * state["pp"]) == (gpu, count)
    assert "Not understood" not in " ".join(one["text"] for one in messages)


def test_the_cache_of_a_quant_has_it_and_the_weights_their_own():
    state, _ = answer("calculate", "kv quant q8_0 llama.cpp qwen3-8b 3090 32k ctx")
    assert (state["kv"], state["weights"]) == ("gguf-q8-0", "gguf-q4-k-m")


def test_people_by_the_thousand_are_no_card():
    state, _ = answer("calculate", "5000 employes, 10 requests a day each, llama-3.3-70b, H100")
    assert state["gpu"] == "h100-sxm"


def test_both_kinds_of_a_card_are_counted():
    state, _ = answer("compare", "llama-3.3-70b on 4 H100 PCIe vs SXM")
    assert [(state[f"{x}.gpu"], state[f"{x}.tp"]) for x in "ab"] == [
        ("h100-pcie", 4),
        ("h100-sxm", 4),
    ]
