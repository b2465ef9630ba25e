"""GGUF files: block types by tensor, against sizes that llama.cpp and its makers state."""

import pytest

from llmcap_kernel import catalog, gguf, law
from llmcap_kernel.spec import Tensor

from . import plain

GIB = 2**30
# Bits a weight of Llama 3.1 8B, llama.cpp's tools/quantize/README.md.
README = {
    **{"IQ1_S": 2.0042, "IQ1_M": 2.1460, "IQ2_XXS": 2.3824, "IQ2_XS": 2.5882, "IQ2_S": 2.7403},
    **{"IQ2_M": 2.9294, "IQ3_XXS": 3.2548, "IQ3_XS": 3.4977, "IQ3_S": 3.6606, "IQ3_M": 3.7628},
    **{"IQ4_XS": 4.4597, "IQ4_NL": 4.6818, "Q2_K_S": 2.9697, "Q2_K": 3.1593},
    **{"Q3_K_S": 3.6429, "Q3_K_M": 3.9960, "Q3_K_L": 4.2979},
    **{"Q4_K_S": 4.6672, "Q4_K_M": 4.8944, "Q5_K_S": 5.5704, "Q5_K_M": 5.7036},
    **{"Q6_K": 6.5633, "Q8_0": 8.5008, "F16": 16.0005},
}


def sized(model, file_type):
    pairs = zip(model.tensors, gguf.element_bytes(model, file_type), strict=True)
    return {(t.name, t.role): (t.params, size) for t, size in pairs}


@pytest.mark.parametrize("file_type, bits", README.items())
def test_bits_of_llama_8b(file_type, bits):
    model = catalog.model("llama-3.1-8b")
    stored = sum(params * size for params, size in sized(model, file_type).values())
    assert 8 * stored / model.params == pytest.approx(bits, abs=1e-4)


# On the card, and with the table in host memory: the README's 70B and 405B [bytes]; file sizes of
# cases A22 and A16b and of issue 12; buffers that llama.cpp printed, case A15 and the rows named.
SIZES = [
    ("llama-3.1-70b", "gguf-q4-k-m", 43.1e9, True, 0.015),
    ("llama-3.1-405b", "gguf-q4-k-m", 249.1e9, True, 0.025),
    ("mixtral-8x7b", "gguf-q4-k-m", 24.62 * GIB, True, 0.005),
    ("tinyllama-1.1b", "gguf-q4-k-m", 636.2 * 2**20, True, 0.001),  # case A18
    ("gemma-3-27b", "gguf-q4-k-m", 15.41 * GIB, False, 0.001),
    ("gemma-3-4b", "gguf-q4-k-m", 2.31 * GIB, False, 0.002),
    ("gpt-oss-120b", "gguf-mxfp4", 61223 * 2**20, False, 0.0001),
    ("gpt-oss-120b", "gguf-q8-0", 63.4e9, True, 0.001),  # AlexsJones/llmfit, pull request 1059
    ("qwen3-next-80b-a3b", "gguf-ud-q4-k-xl", 42.7348 * GIB, False, 0.01),  # k00293
    ("qwen3-coder-30b-a3b", "gguf-ud-q4-k-xl", 16.2836 * GIB, False, 0.01),  # k00305
    ("qwen3.5-35b-a3b", "gguf-ud-q4-k-m", 20.1009 * GIB, False, 0.01),  # k00294
]


@pytest.mark.parametrize("name, weights, stated, whole, within", SIZES)
def test_files_of_other_shapes(name, weights, stated, whole, within):
    books = law.weight_bytes(catalog.model(name), catalog.format(weights), engine="llama.cpp")
    assert books.stored_bytes + whole * books.host_bytes == pytest.approx(stated, rel=within)


def test_the_table_of_a_tied_model_is_as_large_as_its_head():
    """Row k00293's kind: of an untied one the host's table is Q4_K, 0.1630 GiB in k00305."""
    untied = law.weight_bytes(
        catalog.model("qwen3-coder-30b-a3b"), catalog.format("gguf-q4-k-m"), engine="llama.cpp"
    )
    assert untied.host_bytes / GIB == pytest.approx(0.1630, abs=1e-4)
    tied = law.weight_bytes(
        catalog.model("gemma-3-4b"), catalog.format("gguf-q4-k-m"), engine="llama.cpp"
    )
    assert tied.by_role["head"] == tied.host_bytes


def test_a_row_that_fills_no_block_falls_back():
    """tensor_type_fallback: Q4_K to Q5_0 where 256 does not divide a row, F16 where 32 does not."""
    rows = (
        Tensor("mlp.up_proj", "mlp", 512 * 512, copies=10, width=512),
        Tensor("mlp.gate_proj", "mlp", 480 * 512, copies=10, width=480),
        Tensor("self_attn.q_proj", "attention", 500 * 512, copies=10, width=500),
    )
    sizes = gguf.element_bytes(plain.model(tensors=rows), "Q4_K_S")
    assert sizes == pytest.approx((144 / 256, 22 / 32, 2.0))


def test_a_mixture_gives_bits_by_layer_number_and_vectors_stay_whole():
    """Layers 3 to 9 of 10 have the experts: 3 and 6, every third, and 8 and 9, the last eighth."""
    experts = tuple(range(3, 10))
    rows = (
        Tensor("mlp.experts.down_proj", "expert", 256 * 256, 28, width=256, layers=experts),
        Tensor("mlp.gate", "router", 256 * 4, 7, width=256, layers=experts),
        Tensor("layernorm", "norm", 256, 10),
    )
    model = plain.model(tensors=rows, experts=4, experts_per_token=1, moe_layers=7)
    sizes = gguf.element_bytes(model, "Q4_K_M")
    assert sizes == pytest.approx(((4 * 210 + 3 * 144) / 7 / 256, 4.0, 4.0))


def test_the_catalogue_has_every_file_type():
    kept = [catalog.format(name).gguf for name in catalog.formats()]
    assert {name for name in kept if name} == set(gguf.RECIPES)
