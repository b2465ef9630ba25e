"""A start-up log pasted where a config.json goes."""

import pytest

from tests.kernel.test_startup import K00139, K00149, K00306, K29
from tests.widgets.reading import errors, said
from widgets.form import from_log
from widgets.form.meaning import deployment
from widgets.session import CALCULATORS, Calculator

ON_3090 = "gpu=rtx-3090&tp=1&model=llama-3.1-8b&weights=fp8"


def pasted(name, text, query=ON_3090, field="config"):
    calculator = Calculator(name, query)
    values = {one["name"]: one["value"] for one in calculator.whole()["controls"]}
    calculator.set({"state": {"values": values | {field: text}}})
    return calculator.view, CALCULATORS[name].FORM.parse(calculator.view["query"])[0]


@pytest.mark.parametrize("name", ["calculate", "vram", "cliff"])
def test_a_log_fills_model_engine_and_limits_and_leaves_the_rest(name):
    view, state = pasted(name, K29)
    d = deployment(state)
    assert d.title == "llama-3.1-8b bf16 / 1x rtx-3090 / bf16 KV" and state["config"] is None
    assert (d.max_num_seqs, d.max_num_batched_tokens, d.max_model_len) == (64, 2048, 31_800)
    assert d.engine.name == "vllm-0.13" and d.fraction == 0.95
    told = said(view)
    assert "KV cache 6.95 GiB and " in told[0]
    assert told[0].endswith("It started, and the ledger says so.")
    assert "does not name the card: rtx-3090 is taken" in told[1]


def test_a_log_that_names_its_card_moves_the_card_too():
    view, state = pasted("calculate", K00139)
    d = deployment(state)
    assert (d.gpu.name, d.tp, d.model.name) == ("h100-sxm", 2, "gpt-oss-20b")
    assert any("max_num_seqs, max_num_batched" in m["text"] for m in view["messages"])


def test_a_log_of_llama_cpp_brings_its_slots():
    d = deployment(pasted("calculate", K00306)[1])
    assert (d.engine.family, d.max_num_seqs, d.max_model_len) == ("llama.cpp", 16, 4096)


def test_a_format_that_the_log_states_is_not_the_model_s_own_again():
    """The weights did not change, and the model did: they follow it unless the log names them."""
    log = K29.replace("quantization=None", "quantization=fp8")
    _, state = pasted("calculate", log, ON_3090.replace("llama-3.1-8b", "qwen3-8b"))
    assert (state["model"], state["weights"]) == ("llama-3.1-8b", "fp8")


def test_a_log_without_its_model_is_of_the_one_that_is_chosen():
    """A part of a log, as people paste it: the model, the format and the card are the inputs'."""
    lines = [line for line in K29.splitlines() if "model=" not in line and "KV cache" in line]
    view, state = pasted("vram", "\n".join(["INFO Available KV cache memory: 6.95 GiB", *lines]))
    d = deployment(state)
    assert (d.model.name, d.weights.name, d.gpu.name) == ("llama-3.1-8b", "fp8", "rtx-3090")
    told = said(view)
    assert any("does not name the model: llama-3.1-8b is taken" in text for text in told)
    assert not errors(view)


def test_one_of_several_deployments_takes_a_log_of_its_own():
    _, state = pasted("compare", K29, "b.gpu=rtx-3090&b.tp=1", "b.config")
    assert deployment(state, "b.").max_num_seqs == 64
    assert deployment(state, "a.").max_num_seqs is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            K00149.replace("Qwen/Qwen3.5-9B", "acme/wombat"),
            "The start-up log is of no use here: model 'acme/wombat' is not in",
        ),
        (K29 + "x" * from_log.MOST_CHARS, "characters, and at most 2,000,000 are read"),
    ],
)
def test_a_log_that_means_no_deployment_is_one_sentence_and_changes_nothing(text, words):
    before = CALCULATORS["calculate"].FORM.parse(ON_3090)[0]
    view, state = pasted("calculate", text)
    (message,) = errors(view)
    assert state == before and words in message["text"] and "\n" not in message["text"]
    assert "(llmcap" not in message["text"]


@pytest.mark.parametrize("text", ["", None, 3, '{"model_type": "llama"}', "eNqrVkrLL8pNLFGyUlBKy"])
def test_what_is_no_log_is_left_to_the_config(text):
    assert not from_log.is_log(text)
