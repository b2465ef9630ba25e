"""A launch command pasted where a config.json goes."""

import pytest

from tests.widgets.reading import errors, said
from tests.widgets.test_from_log import K29, ON_3090, pasted
from widgets.calculators import calculate
from widgets.form import from_launch, from_log
from widgets.form.meaning import deployment
from widgets.session import CALCULATORS

AWQ = (
    "vllm serve Qwen/Qwen3-32B-AWQ --quantization awq_marlin --kv-cache-dtype fp8_e5m2 \\\n"
    "  --gpu-memory-utilization 0.92 -tp 4 -pp 2 --max-num-seqs 64 --port 8000"
)
MANIFEST = """
apiVersion: apps/v1
spec:
  replicas: 2
  template:
    spec:
      nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}
      containers:
        - image: vllm/vllm-openai:v0.19.0
          args: [--model, Qwen/Qwen3-8B, --max-model-len, 32k, --enforce-eager]
          resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize("name", ["calculate", "vram", "cliff"])
def test_a_command_fills_the_inputs_and_leaves_the_card(name):
    view, state = pasted(name, AWQ)
    d = deployment(state)
    assert d.title == "qwen3-32b int4-awq / 8x rtx-3090 TP-4 PP-2 / fp8 KV"
    assert (d.fraction, d.max_num_seqs, d.max_model_len) == (0.92, 64, None)
    assert state["config"] is None
    first, *rest = said(view)
    assert "read: vLLM, model Qwen/Qwen3-32B-AWQ" in first and "64 sequences" in first
    assert "no effect on the prediction: --port" in first
    assert rest[0] == "The command does not name the card: rtx-3090 is taken."


def test_an_unknown_option_is_named_with_the_nearest():
    view, _ = pasted("calculate", "vllm serve Qwen/Qwen3-8B --max-nun-seqs 3")
    assert "unknown to vLLM: --max-nun-seqs (nearest --max-num-seqs)" in said(view)[0]


def test_a_manifest_brings_its_card_its_version_and_its_copies():
    view, state = pasted("calculate", MANIFEST)
    d = deployment(state)
    assert (d.gpu.name, d.engine.name, d.max_model_len) == ("h100-sxm", "vllm-0.19", 32_000)
    assert d.eager and "The command starts 2 copies: the numbers are of one." in said(view)


def test_what_these_inputs_cannot_say_is_said():
    text = "vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 32 --cpu-offload-gb 4"
    told = said(pasted("calculate", text)[0])
    assert "Not among these inputs: adapters." in told
    assert "Not among these inputs: weights on the host." in told


def test_one_of_several_deployments_takes_a_command_of_its_own():
    _, state = pasted("compare", AWQ, "b.gpu=rtx-3090&b.tp=1", "b.config")
    assert deployment(state, "b.").max_num_seqs == 64
    assert deployment(state, "a.").max_num_seqs is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vllm serve nobody/Unheard", "model 'nobody/Unheard' is not in the catalogue"),
        ("vllm serve", "The launch command is of no use here: model is not stated."),
        ("vllm serve Qwen/Qwen3-8B -tp two", "-tp is 'two': it takes a whole number from 1."),
        ("vllm serve Qwen/Qwen3-8B -tp 5", "tp is 5: it must divide the 32 attention heads"),
        ("vllm serve Qwen/Qwen3-8B; vllm serve Qwen/Qwen3-4B", "launches 2 engines"),
    ],
)
def test_a_command_that_means_no_deployment_is_one_sentence_and_changes_nothing(text, words):
    before = CALCULATORS["calculate"].FORM.parse(ON_3090)[0]
    view, state = pasted("calculate", text)
    (message,) = errors(view)
    assert state == before and words in message["text"] and "\n" not in message["text"]
    assert "llmcap list" not in message["text"] and "give --" not in message["text"]


def test_a_log_with_its_command_above_stays_a_log():
    assert from_log.is_log(K29) and "Available KV cache memory" in K29
    assert "start-up log" in said(pasted("calculate", K29)[0])[0]


@pytest.mark.parametrize(
    "text",
    ["", None, 3, '{"model_type": "llama"}', "eNqrVkrLL8pNLFGyUlBKy", "Qwen/Qwen3-8B", "- a"],
)
def test_what_launches_nothing_is_left_to_the_config(text):
    assert not from_launch.is_launch(text)


def test_prompts_beside_decoding_are_said_to_be_no_input():
    """SGLang alone has the choice."""
    text = "python -m sglang.launch_server --model-path Qwen/Qwen3-8B --enable-mixed-chunk"
    told = said(pasted("calculate", text)[0])
    assert "Not among these inputs: prompts beside decoding." in told


BENCH = (
    "vllm bench serve --model Qwen/Qwen3-8B --input-len 3000 --output-len 200 --max-concurrency 12"
)


def test_a_benchmark_fills_the_load_and_says_what_it_leaves_open():
    view, state = pasted("calculate", BENCH)
    assert (state["in"], state["out"], state["users"]) == (3000, 200, 12)
    assert any("measures a server that is launched apart" in told for told in said(view))
    view, state = pasted("calculate", f"vllm serve Qwen/Qwen3-8B -tp 2 &\n{BENCH}")
    assert (state["tp"], state["users"]) == (2, 12)
    assert not any("launched apart" in told for told in said(view))


def test_the_rate_of_a_benchmark_is_taken_or_the_users_it_keeps():
    """Little's law: 8 requests a second of 100 tokens at 10 ms or less are 8 in flight at most."""
    text = "vllm bench serve --model Qwen/Qwen3-8B --random-input-len 100 --random-output-len 100"
    state = calculate.FORM.defaults() | {"gpu": "h100-sxm"}
    assert from_launch.inputs(f"{text} --request-rate 8", state)[0]["rate"] == 8
    limited, _ = from_launch.inputs(f"{text} --request-rate 8 --max-concurrency 3", state)
    assert limited["users"] == 3 and limited["rate"] is None  # one that stands would count first
    copies = f"vllm serve Qwen/Qwen3-8B -dp 4 &\n{text} --request-rate 8"
    values, said = from_launch.inputs(copies, state)
    assert values["rate"] == 2 and "8 requests/s are 2 for each copy" in said
    del state["rate"]  # inputs that take users alone
    values, said = from_launch.inputs(f"{text} --request-rate 8", state)
    assert 1 < values["users"] <= 10
    assert any("8 requests a second of 100 tokens in and 100 out keep" in one for one in said)
    values, said = from_launch.inputs(f"{text} --request-rate 1000", state)
    assert any("a queue grows without end" in one for one in said)


def test_what_a_form_has_no_input_for_is_said():
    told = said(pasted("vram", "vllm serve deepseek-ai/DeepSeek-V3 -tp 8 -dcp 4")[0])
    assert "Not among these inputs: DCP 4." in told


def test_a_changed_config_is_the_one_of_the_form():
    one = "vllm serve Qwen/Qwen3-8B --max-num-seqs 9 --hf-overrides '{\"num_hidden_layers\": 4}'"
    for name in ("vram", "calculate"):
        view, state = pasted(name, one)
        assert (deployment(state).model.layers, state["seqs"]) == (4, 9)
        assert "the config is changed by num_hidden_layers: 2.02B parameters" in " ".join(
            said(view)
        ).replace("The config", "the config")
    plain = pasted("vram", "vllm serve Qwen/Qwen3-8B --hf-overrides '{\"a\": 1}'")[1]
    assert (plain["model"], plain["config"]) == ("qwen3-8b", None)
