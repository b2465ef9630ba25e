"""Stage 1 against published figures, and against its own algebra."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import catalog, law
from llmcap_kernel.spec import Attention

from .strategies import MODELS, deployments

BF16, FP8 = catalog.format("bf16"), catalog.format("fp8")

KV_BYTES_PER_TOKEN = [
    # model, bytes a token in BF16, where it stands
    ("llama-3.1-70b", 327_680, "80 layers x 8 KV heads x 128 x 2 x 2 B: arXiv 2407.21783 table 3"),
    ("llama-3.1-8b", 131_072, "32 x 8 x 128 x 2 x 2 B: arXiv 2407.21783 table 3"),
    ("deepseek-v3", 70_272, "61 x (512 + 64) x 2 B: arXiv 2412.19437 section 4.2; 70 KB a token"),
    ("mixtral-8x7b", 131_072, "32 x 8 x 128 x 2 x 2 B: arXiv 2401.04088 table 1"),
    ("qwen3-32b", 262_144, "64 x 8 x 128 x 2 x 2 B: arXiv 2505.09388 table 1"),
]


@pytest.mark.parametrize(("name", "published", "source"), KV_BYTES_PER_TOKEN)
def test_kv_bytes_per_token(name, published, source):
    assert law.kv_bytes_per_sequence(catalog.model(name), BF16, 1) == published, source


def test_fp8_checkpoint_keeps_embeddings_and_head_in_16_bit():
    llama = catalog.model("llama-3.1-70b")
    weights = law.weight_bytes(llama, FP8)
    tables = 2 * llama.vocab_size * llama.hidden_size
    assert weights.by_role["embedding"] + weights.by_role["head"] == 2 * tables
    norms = weights.by_role["norm"]
    rotary = weights.by_role["tables"]
    assert rotary == 131_072 * 128 * 2
    assert weights.stored_bytes == pytest.approx(llama.params + tables + norms / 2 + rotary)


def test_scales_of_block_formats_are_counted():
    nvfp4 = catalog.format("nvfp4")
    assert nvfp4.bytes_per_element == pytest.approx((4 + 8 / 16) / 8)
    assert catalog.format("mxfp4").bytes_per_element == pytest.approx((4 + 8 / 32) / 8)


@given(deployments())
def test_more_cards_never_hold_more_each(d):
    held = [
        law.weight_bytes(d.model, d.weights, tp=tp, dp_attention=d.dp_attention).stored_bytes
        for tp in (1, 2, 4, 8)
    ]
    assert held == sorted(held, reverse=True)


@given(st.sampled_from(MODELS), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
def test_cards_together_hold_everything_and_copies(name, tp):
    model = catalog.model(name)
    whole = 2 * model.params
    assert tp * law.weight_bytes(model, BF16, tp=tp).stored_bytes >= whole * (1 - 1e-12)


def test_kv_heads_are_split_then_copied():
    llama = catalog.model("llama-3.1-70b")  # 8 KV heads
    per_card = [law.kv_bytes_per_sequence(llama, BF16, 1000, tp=tp) for tp in (1, 2, 8, 16)]
    assert per_card[0] == 2 * per_card[1] == 8 * per_card[2]
    assert per_card[2] == per_card[3]


def test_a_latent_cache_is_not_split():
    deepseek = catalog.model("deepseek-v3")
    alone, eight = (law.kv_bytes_per_sequence(deepseek, BF16, 1000, tp=tp) for tp in (1, 8))
    assert alone == eight


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_cache_is_linear_in_tokens_without_a_window(a, b):
    llama = catalog.model("llama-3.1-8b")
    kv = [law.kv_bytes_per_sequence(llama, BF16, n) for n in (a, b, a + b)]
    assert kv[0] + kv[1] == pytest.approx(kv[2])


@given(st.integers(1, 100_000))
def test_a_window_stops_growing(context):
    layer = Attention("window", layers=1, heads=8, kv_heads=8, head_dim=64, window_tokens=128)
    assert law.tokens_stored(layer, context) == min(context, 128)


@given(st.integers(2, 512), st.data())
def test_experts_touched_lies_between_k_and_all(experts, data):
    k = data.draw(st.integers(1, experts))
    tokens = data.draw(st.integers(1, 4096))
    touched = law.experts_touched(experts=experts, experts_per_token=k, tokens=tokens)
    assert k * (1 - 1e-9) <= touched <= min(experts, k * tokens) * (1 + 1e-9)


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 6000))
def test_causal_pairs_against_a_plain_loop(tokens, cached, cap):
    tokens = min(tokens, 300)
    slow = sum(min(cached + i, cap) for i in range(1, tokens + 1))
    fast = law._causal_pairs(tokens, cached, cap)
    assert fast == pytest.approx(slow, rel=0.02, abs=tokens)
    assert law._causal_pairs(tokens, cached, 0) == sum(cached + i for i in range(1, tokens + 1))


def test_ridge_of_an_h100_is_near_300():
    h100 = catalog.gpu("h100-sxm")
    ridge = law.ridge_point(flop_s=h100.flop_s["bf16"], bandwidth_bytes_s=h100.bandwidth_bytes_s)
    assert ridge == pytest.approx(295, abs=1)
