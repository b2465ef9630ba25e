"""Halves of characters: what a stranger types, pastes or links to always gets an answer."""

import json

import pytest

from widgets.session import CALCULATORS, Calculator

HALF = "\ud800"
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8,
    "vocab_size": 32000, "intermediate_size": 1024, "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def sent(made):
    """As Jupyter sends it."""
    return json.dumps(made, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("name", CALCULATORS)
def test_half_a_character_gets_an_answer(name):
    query = f"model={HALF}&{HALF}=1&a.model=%ED%A0%80"
    calculator = Calculator(name, query)
    sent(calculator.traits())
    for field in calculator._calculator.FORM.fields:
        values = {field.name: HALF + "x", HALF: HALF}
        changed = calculator.set({"state": {"values": values, "client": HALF}})
        sent(changed)
        assert "a fault of ours" not in str(changed["view"]["messages"])


@pytest.mark.parametrize("window", [1, 20, 512, 999])
@pytest.mark.parametrize("name", ["cliff", "vram", "calculate"])
def test_a_config_with_half_a_character_and_a_short_window(name, window):
    config = CONFIG | {"_name_or_path": HALF, "max_position_embeddings": window}
    calculator = Calculator(name)
    changed = calculator.set({"state": {"values": {"config": json.dumps(config)}}})
    sent(changed)
    assert "a fault of ours" not in str(changed["view"]["messages"])
    assert "config=" in changed["view"]["query"]
    assert changed["view"]["headline"], "a short window has numbers too"
