"""Stage 1 against published figures, and against its own algebra."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import catalog, law
from llmcap_kernel.law import attention
from llmcap_kernel.spec import Attention, Format, Tensor

from . import plain
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
    routing = {"experts": experts, "experts_per_token": k, "tokens": tokens}
    touched = law.experts_touched(**routing)
    assert k * (1 - 1e-9) <= touched <= min(experts, k * tokens) * (1 + 1e-9)
    assert touched <= law.experts_touched_at_random(**routing) * (1 + 1e-9)


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 6000))
def test_causal_pairs_against_a_plain_loop(tokens, cached, cap):
    tokens = min(tokens, 300)
    slow = sum(min(cached + i, cap) for i in range(1, tokens + 1))
    fast = attention._causal_pairs(tokens, cached, cap)
    assert fast == slow
    assert attention._causal_pairs(tokens, cached, 0) == sum(
        cached + i for i in range(1, tokens + 1)
    )


def test_ridge_of_an_h100_is_near_300():
    h100 = catalog.gpu("h100-sxm")
    ridge = law.ridge_point(flop_s=h100.flop_s["bf16"], bandwidth_bytes_s=h100.bandwidth_bytes_s)
    assert ridge == pytest.approx(295, abs=1)


def test_a_card_keeps_one_key_value_head_when_there_are_more_cards_than_heads():
    """vLLM: `max(1, total_num_kv_heads // tensor_parallel_size)`, ModelConfig.get_num_kv_heads."""
    llama = catalog.model("llama-3.1-70b")
    one_head = 80 * 128 * 2 * 2  # layers, width, a key and a value, 16 bit: 40 960 bytes
    assert law.kv_bytes_per_sequence(llama, BF16, 1, tp=8) == one_head
    assert law.kv_bytes_per_sequence(llama, BF16, 1, tp=16) == one_head
    assert law.kv_read_bytes_per_sequence(llama, BF16, 1, tp=16) == one_head


def test_weights_of_copied_key_value_heads_by_hand():
    """Llama 3.1 70B at 16 cards: queries, outputs and MLPs in 16 parts, keys and values in 8."""
    hidden, inner, vocab = 8192, 28_672, 128_256  # arXiv 2407.21783, table 3
    split = 2 * hidden * hidden + 3 * hidden * inner
    copied = 2 * hidden * 1024
    layers = 80 * (split / 16 + copied / 8)
    norms = 80 * 2 * hidden + hidden
    angles = 131_072 * 128
    by_hand = 2 * (layers + 2 * vocab * hidden / 16 + norms + angles)
    llama = catalog.model("llama-3.1-70b")
    assert law.weight_bytes(llama, BF16, tp=16).stored_bytes == pytest.approx(by_hand, rel=1e-9)


def test_data_parallel_attention_keeps_whole_sequences_and_whole_projections():
    llama = catalog.model("llama-3.1-70b")
    for tp in (2, 8, 16):
        whole = law.kv_bytes_per_sequence(llama, BF16, 1, tp=tp, dp_attention=True)
        assert whole == 80 * 8 * 128 * 2 * 2
        by_role = law.weight_bytes(llama, BF16, tp=tp, dp_attention=True).by_role
        assert by_role["attention"] == 2 * 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024)
        assert by_role["mlp"] == 2 * 80 * 3 * 8192 * 28_672 / tp


def test_a_latent_is_attended_to_by_every_head_in_decode():
    """DeepSeek-V3: 128 heads, latent 512 and rope 64 as key, latent 512 as value, 61 layers.

    Appendix C of arXiv 2405.04434 absorbs the up-projections, so a decode step
    works in the latent space.
    """
    deepseek = catalog.model("deepseek-v3")
    by_hand = 61 * 2 * 128 * ((512 + 64) + 512) * 5000
    assert law.attention_flops_per_token(deepseek, 5000) == by_hand


def test_a_latent_is_unfolded_into_heads_in_prefill():
    """DeepSeek-V3: keys of 128 + 64, values of 128, 128 heads, 61 layers: arXiv 2412.19437."""
    deepseek = catalog.model("deepseek-v3")
    pairs = 1000 * 1001 / 2  # the n-th token attends to n
    by_hand = 61 * 2 * 128 * ((128 + 64) + 128) * pairs
    assert law.prefill_attention_flops(deepseek, 1000) == by_hand
    behind = 1000 * 500 + pairs  # each of them to the 500 a prefix cache holds, too
    assert law.prefill_attention_flops(deepseek, 1000, 500) == by_hand * behind / pairs


def test_a_key_that_serves_as_value_does_so_whole():
    """DeepSeek-V4-Pro: 128 heads attend to vectors of 512 and weigh all 512 of them.

    Its own model.py turns the last 64 of what `sparse_attn` gives back by the
    inverse rotation (arXiv 2606.19348, section 2.3.3), so no part is left out.
    """
    near, *_ = (a for a in catalog.model("deepseek-v4-pro").attention if a.kind == "window")
    served = plain.model(attention=(near,))
    by_hand = near.layers * 2 * 128 * (512 + 512) * 128  # at most 128 tokens back
    assert law.attention_flops_per_token(served, 1000) == by_hand
    ramp = 128 * 129 / 2 + (1000 - 128) * 128
    assert law.prefill_attention_flops(served, 1000) == by_hand / 128 * ramp


def one_layer(kind, **facts):
    """A model of one layer: 2 heads, keys of 3, values of 5: 2 x 2 x 8 = 32 FLOP a pair."""
    facts = {"heads": 2, "kv_heads": 2, "head_dim": 3, "v_head_dim": 5, **facts}
    return plain.model(attention=(Attention(kind, layers=1, **facts),))


WINDOW = one_layer("window", window_tokens=4)
BEST_THREE = one_layer("sparse", topk_tokens=3)
STRIDED = one_layer("mla", latent_dim=7, rope_dim=1, stride_tokens=4)
STRIDED_BEST_TWO = one_layer("sparse", topk_tokens=2, stride_tokens=4)


@pytest.mark.parametrize(
    ("served", "tokens", "cached", "pairs"),
    [
        (one_layer("full"), 4, 0, 1 + 2 + 3 + 4),
        (one_layer("full"), 4, 10, 11 + 12 + 13 + 14),
        (WINDOW, 6, 0, 1 + 2 + 3 + 4 + 4 + 4),
        (WINDOW, 6, 2, 3 + 4 + 4 + 4 + 4 + 4),
        (WINDOW, 6, 9, 6 * 4),
        (BEST_THREE, 5, 0, 1 + 2 + 3 + 3 + 3),
        (BEST_THREE, 5, 1, 2 + 3 + 3 + 3 + 3),
        (BEST_THREE, 5, 7, 5 * 3),
        # four tokens share an entry, so the n-th token attends to n / 4 entries
        (STRIDED, 8, 0, (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8) / 4),
        (STRIDED, 4, 8, (9 + 10 + 11 + 12) / 4),
        # and a sparse layer chooses among the entries: two of them stand for eight tokens
        (STRIDED_BEST_TWO, 10, 0, (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8) / 4 + 2 + 2),
    ],
)
def test_prefill_attention_pair_by_pair(served, tokens, cached, pairs):
    assert law.prefill_attention_flops(served, tokens, cached) == 32 * pairs


@pytest.mark.parametrize(
    ("served", "context", "entries"),
    [
        (WINDOW, 3, 3),
        (WINDOW, 9, 4),
        (BEST_THREE, 2, 2),
        (BEST_THREE, 9, 3),
        (STRIDED_BEST_TWO, 6, 6 / 4),
        (STRIDED_BEST_TWO, 100, 2),
    ],
)
def test_decode_attention_entry_by_entry(served, context, entries):
    assert law.attention_flops_per_token(served, context) == 32 * entries
    per_entry = 2 * (3 + 5)  # two heads, a key of 3 and a value of 5, a byte each
    assert law.kv_read_bytes_per_sequence(served, plain.BYTE, context) == per_entry * entries


INDEXED = one_layer("sparse", topk_tokens=3, index_dim=6, index_bytes=1.5, index_heads=7)


def test_every_head_of_an_indexer_scores_every_token():
    """I = sum over the heads of w ReLU(q k): arXiv 2512.02556, section 2.1, equation 1."""
    assert law.attention_flops_per_token(INDEXED, 100) == 32 * 3 + 2 * 7 * 6 * 100
    best = 1 + 2 + 3 + 3 + 3
    assert law.prefill_attention_flops(INDEXED, 5) == 32 * best + 2 * 7 * 6 * (1 + 2 + 3 + 4 + 5)
    four = one_layer("sparse", topk_tokens=3, index_dim=6, index_heads=7, stride_tokens=4)
    assert law.attention_flops_per_token(four, 100) == 32 * 3 + 2 * 7 * 6 * 25
    pairs = 36 / 4  # eight tokens, four to an entry; none has three entries yet
    assert law.prefill_attention_flops(four, 8) == 32 * pairs + 2 * 7 * 6 * pairs


def test_deepseek_v4_needs_the_share_of_v3_2_that_its_report_says():
    """arXiv 2606.19348, abstract: a million tokens in, 27 % of the FLOP of a token.

    Nearly all of V3.2's are its indexer's, whose cost a token does not fall with top-k.
    """
    flops = [
        2 * model.matmul_params + law.attention_flops_per_token(model, 1_000_000)
        for model in map(catalog.model, ("deepseek-v4-pro", "deepseek-v3.2"))
    ]
    assert flops[0] / flops[1] == pytest.approx(0.27, abs=0.01)


def test_an_index_is_read_whole_and_copied_on_every_card():
    """vLLM gives the indexer's cache one head: DeepseekV32IndexerCache.get_kv_cache_spec."""
    entry, index = 2 * (3 + 5), 6 * 1.5
    for tp in (1, 2):
        stored = law.kv_bytes_per_sequence(INDEXED, plain.BYTE, 100, tp=tp)
        assert stored == 100 * entry / tp + 100 * index
        read = law.kv_read_bytes_per_sequence(INDEXED, plain.BYTE, 100, tp=tp)
        assert read == 3 * entry / tp + 100 * index
        shared = law.kv_shared_bytes(INDEXED, plain.BYTE, 100, 100, tp=tp)
        assert shared == stored


def test_the_index_of_deepseek_v3_2_takes_132_bytes_a_token_on_every_card():
    """128 values in FP8 and one 4-byte scale: vLLM, Indexer.k_cache."""
    deepseek = catalog.model("deepseek-v3.2")
    for tp in (1, 8):
        held = law.kv_bytes_per_sequence(deepseek, BF16, 1000, tp=tp)
        assert held == pytest.approx(1000 * 61 * ((512 + 64) * 2 + 128 + 4))
    read = law.kv_read_bytes_per_sequence(deepseek, BF16, 10_000, tp=8)
    assert read == pytest.approx(61 * (2048 * (512 + 64) * 2 + 10_000 * (128 + 4)))


def test_a_state_is_read_and_written_and_no_format_shrinks_it():
    """Three layers that keep 1 000 bytes each, beside one that keeps keys and values."""
    full = Attention("full", layers=1, heads=2, kv_heads=2, head_dim=3)
    states = Attention("linear", layers=3, state_bytes=1000, state_flops=70)
    hybrid = plain.model(attention=(full, states))
    for number_format, byte in ((BF16, 2), (FP8, 1)):
        token = 2 * (3 + 3) * byte
        stored, read = 50 * token + 3 * 1000, 50 * token + 2 * 3 * 1000
        assert law.kv_bytes_per_sequence(hybrid, number_format, 50) == stored
        assert law.kv_read_bytes_per_sequence(hybrid, number_format, 50) == read
        # a prefix's state has moved on with each sequence
        assert law.kv_shared_bytes(hybrid, number_format, 50, 50) == 50 * token
    assert law.kv_bytes_per_sequence(hybrid, FP8, 50, tp=2) == 50 * 6 + 1500
    per_token = 2 * 2 * (3 + 3) * 50 + 3 * 70
    assert law.attention_flops_per_token(hybrid, 50) == per_token
    assert law.prefill_attention_flops(hybrid, 50) == 2 * 2 * 6 * (50 * 51 / 2) + 50 * 3 * 70


def test_a_window_shares_what_it_still_sees_of_a_prefix():
    """Of sequences of 102 tokens a window of four sees the last two of a prefix of 100."""
    for kept in (one_layer("full"), BEST_THREE):
        assert law.kv_shared_bytes(kept, plain.BYTE, 100, 102) == 100 * 2 * (3 + 5)
    assert law.kv_shared_bytes(STRIDED, plain.BYTE, 100, 102) == 100 / 4 * (7 + 1)
    for context, seen in ((104, 0), (102, 2), (100, 4), (1000, 0)):
        assert law.kv_shared_bytes(WINDOW, plain.BYTE, 100, context) == seen * 2 * (3 + 5)


def test_a_state_is_no_cache_of_tokens():
    state = Attention("linear", layers=1, state_bytes=10)
    assert (law.kv_elements(state), law.tokens_stored(state, 100)) == (0, 0)


def test_a_stage_keeps_whole_layers():
    """Ten layers in four stages: the fullest keeps three, vLLM's get_pp_indices."""
    assert law.kv_bytes_per_sequence(plain.model(), plain.BYTE, 1, pp=4) == 3 * 8 * (10 + 10)
    assert law.weight_bytes(plain.model(), plain.BYTE, pp=4).stored_bytes == 3e9


def test_a_score_stands_for_each_head_and_pair_of_tokens_that_attend():
    """By hand: of 4 tokens the n-th attends to n, and in a window of 2 to two at most."""
    whole, window = (
        Attention(kind, layers=3, heads=5, kv_heads=1, head_dim=2, window_tokens=wide)
        for kind, wide in (("full", 0), ("window", 2))
    )
    model = plain.model(attention=(whole, window))
    assert law.prefill_scores(model, 4) == 3 * 5 * (1 + 2 + 3 + 4) + 3 * 5 * (1 + 2 + 2 + 2)
    assert law.prefill_scores(model, 2, 2) == 3 * 5 * (3 + 4) + 3 * 5 * (2 + 2)


def test_experts_touched_by_listing_every_way_to_choose():
    # two tokens choose one of three: 3 of the 9 ways meet, 6 touch two
    one = {"experts": 3, "experts_per_token": 1, "tokens": 2}
    assert law.experts_touched_at_random(**one) == pytest.approx(15 / 9)
    # two of three: 3 of the 9 ways are alike, 6 touch all
    two = {"experts": 3, "experts_per_token": 2, "tokens": 2}
    assert law.experts_touched_at_random(**two) == pytest.approx(24 / 9)


def test_sixteen_tokens_of_deepseek_v3_touch_102_experts_at_random():
    missed = 1.0
    for _ in range(16):
        missed *= 248 / 256  # 8 of 256 answer, arXiv 2412.19437 section 4.2
    touched = law.experts_touched_at_random(experts=256, experts_per_token=8, tokens=16)
    assert touched == pytest.approx(256 * (1 - missed))
    assert touched == pytest.approx(101.96, abs=0.01)


def test_sixteen_tokens_of_deepseek_v3_touch_87_experts_as_popularities_are_spread():
    def missed(popularity):  # by 16 tokens, where a token visits 8 and misses 248 of 256
        return math.exp(-16 * popularity * 8 / 248)

    step = 0.001  # popularities up to 40 times the mean; of one there are exp(-popularity)
    popularities = [(i + 0.5) * step for i in range(40_000)]
    share = sum(missed(x) * math.exp(-x) for x in popularities) * step
    touched = law.experts_touched(experts=256, experts_per_token=8, tokens=16)
    assert touched == pytest.approx(256 * (1 - share), rel=1e-6)
    assert touched == pytest.approx(256 * 128 / 376)  # 87.1


def test_routing_is_weighed_by_both_counts():
    assert law.routing_load(experts=1024, experts_per_token=8) == 2.0  # twice the root
    assert law.routing_load(experts=256, experts_per_token=4) == 0.5
    assert law.routing_load(experts=64, experts_per_token=16) == 1.0


# Tables of a million elements, ten layers of three million, and what only some passes read.
EVERYTHING = (
    Tensor("embed", "embedding", 1_000_000, active=0.0),
    Tensor("lm_head", "head", 1_200_000),
    Tensor("q", "attention", 400_000, copies=10),
    Tensor("k", "attention", 200_000, copies=10, split="kv"),
    Tensor("down", "attention", 100_000, copies=10, split="none"),
    Tensor("up", "mlp", 2_000_000, copies=10),
    Tensor("norm", "norm", 1000, copies=10, split="none"),
    Tensor("kept", "mlp", 300_000, copies=10, least_bits=16),
    Tensor("eye", "vision", 5_000_000),
    Tensor("mtp", "mtp", 7_000_000),
)
WITHOUT_HEAD = (EVERYTHING[0], *EVERYTHING[2:])
HALF = Format("half", "half a byte for matrices", 4, covers=("attention", "mlp"), kv=True)
LAYER = 400_000 / 2 + 200_000 / 2 + 100_000 / 2 + 2_000_000 / 2 + 1000 * 2 + 300_000 * 2


def test_each_tensor_is_stored_and_read_where_its_role_says():
    """Half a byte where the format covers a role, 2 bytes elsewhere and where it was kept."""
    got = law.weight_bytes(plain.model(vocab_size=1024, tensors=EVERYTHING, table_bytes=5000), HALF)
    ends = 2 * (1_000_000 + 1_200_000)
    assert got.stored_bytes == 10 * LAYER + ends + 2 * 5_000_000 + 5000
    assert got.dense_read_bytes == 10 * LAYER + 2 * 1_200_000  # a table is looked up
    assert got.expert_read_bytes == 0
    tied = plain.model(vocab_size=1024, tensors=WITHOUT_HEAD, tied_embeddings=True)
    assert law.weight_bytes(tied, HALF).dense_read_bytes == 10 * LAYER + 2 * 1_000_000
    # nothing is 16 bit where the weights are in 32, tables least of all
    whole = law.weight_bytes(
        plain.model(vocab_size=1024, tensors=EVERYTHING, table_bytes=5000), catalog.format("fp32")
    )
    elements = 10 * (400_000 + 200_000 + 100_000 + 2_000_000 + 1000 + 300_000)
    assert whole.stored_bytes == 4 * (elements + 2_200_000 + 5_000_000) + 2 * 5000


def test_a_table_of_every_layer_is_looked_up_and_a_layer_passed_thrice_is_read_thrice():
    """Gemma's per-layer embeddings: 8 of 8.5 GB are held and not read. A loop passes 0.5 thrice."""
    model = plain.model(
        tensors=(
            Tensor("embed_tokens_per_layer", "norm", 4_000_000_000, active=0.0),
            Tensor("mlp", "mlp", 1_000_000_000, active=3.0),
        )
    )
    got = law.weight_bytes(model, HALF)
    assert got.stored_bytes == 8.5e9 and got.dense_read_bytes == 1.5e9


def test_rows_of_the_vocabulary_are_padded_to_64():
    """vLLM, vocab_parallel_embedding.py, DEFAULT_VOCAB_PADDING_SIZE: 1 000 rows become 1 024."""
    ends = plain.model(vocab_size=1000, tensors=EVERYTHING[:2])
    assert law.weight_bytes(ends, HALF).stored_bytes == pytest.approx(1.024 * 2 * 2_200_000)
    assert law.weight_bytes(ends, HALF, engine="trtllm").stored_bytes == 2 * 2_200_000


def test_a_split_and_a_stage_by_hand():
    """Sixteen cards and four stages: queries in 16, keys in 8, latents whole, 3 of 10 layers."""
    served = plain.model(vocab_size=1024, tensors=EVERYTHING)
    got = law.weight_bytes(served, HALF, tp=16, pp=4)
    layer = 400_000 / 2 / 16 + 200_000 / 2 / 8 + 100_000 / 2 + 2_000_000 / 2 / 16
    layer += 1000 * 2 + 300_000 * 2 / 16
    # the first stage has the table, the last the head: the fuller one of them is counted
    eyes = 3 / 10 * 2 * 5_000_000 / 16
    assert got.stored_bytes == pytest.approx(3 * layer + 2 * 1_200_000 / 16 + eyes)
    assert "embedding" not in got.by_role
    assert got.dense_read_bytes == pytest.approx(10 * layer + 2 * 1_200_000 / 16)


# gpt-oss's experts, 2 880 on both sides: vLLM, GiB a card by start-up logs, rows m07899, m07898,
# k00139, A3, k00003, K11 of benchmarks/memory.csv; ROCm counts what else it takes in loading.
PADDED = [
    ("gpt-oss-120b", "h100-sxm", 1, "vllm-0.11", 64.38, 0.005),
    ("gpt-oss-20b", "h100-sxm", 1, "vllm-0.11", 13.47, 0.005),
    ("gpt-oss-20b", "h100-sxm", 2, "vllm-0.19", 7.01, 0.01),
    ("gpt-oss-120b", "h100-sxm", 1, "vllm-0.10", 65.97, 0.005),
    ("gpt-oss-120b", "a100-sxm-80gb", 4, "vllm-0.10", 17.2217, 0.005),
    ("gpt-oss-20b", "radeon-ai-pro-r9700", 1, "vllm-0.16", 14.31, 0.015),
]


@pytest.mark.parametrize("name, gpu, tp, engine, logged, within", PADDED)
def test_kernels_of_mxfp4_pad_experts_as_their_cards_need(name, gpu, tp, engine, logged, within):
    d = catalog.deployment(model=name, gpu=gpu, tp=tp, engine=engine)
    assert law.weights_of(d).stored_bytes / 2**30 == pytest.approx(logged, rel=within)


def test_whole_experts_are_padded_as_on_one_card():
    """Experts over eight cards by number, not by width: 2 880 to 2 944 each, where 360 is 384."""
    oss, gpu = catalog.model("gpt-oss-20b"), catalog.gpu("a100-sxm-80gb")
    mxfp4 = catalog.format("mxfp4")
    each = [law.weight_bytes(oss, mxfp4, tp=8, ep=ep, gpu=gpu).by_role["expert"] for ep in (8, 1)]
    assert each[0] / each[1] == pytest.approx(2944 / 2880 / (384 / 360))


def test_up_projections_of_a_quantised_latent_are_kept_twice():
    """vLLM, mla_attention.py: W_UK_T and W_UV in 16 bits, 61 x 128 x (128 + 128) x 512 of V3."""
    v3 = catalog.model("deepseek-v3")
    books = law.weight_bytes(v3, catalog.format("fp8-block"), tp=8)
    assert books.by_role["absorbed"] == 2 * 61 * 128 * 256 * 512 / 8
    assert "absorbed" not in law.weight_bytes(v3, catalog.format("bf16"), tp=8).by_role
    # row L42 of benchmarks/memory.csv: eight H200, GiB a card
    d = catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8, weights="fp8-block")
    assert law.weights_of(d).stored_bytes / 2**30 == pytest.approx(79.74, rel=0.003)


# GiB a card as logged: rows k00150 and K53 of benchmarks/memory.csv.
MIXED = [
    ("deepseek-v4-flash", "h100-sxm", 8, "mxfp4", 19.79, 0.01),
    ("nemotron-3-super-120b-a12b", "gb10", 1, "nvfp4", 75.03, 0.02),
]


@pytest.mark.parametrize("name, gpu, tp, weights, logged, within", MIXED)
def test_checkpoints_that_convert_experts_more_than_the_rest(
    name, gpu, tp, weights, logged, within
):
    d = catalog.deployment(model=name, gpu=gpu, tp=tp, weights=weights)
    assert law.weights_of(d).stored_bytes / 2**30 == pytest.approx(logged, rel=within)


def test_llama_cpp_keeps_the_table_on_the_host_and_its_copy_on_the_card():
    """Its embedding's device is always the CPU, src/llama-model.cpp: dev_input."""
    both = plain.model(vocab_size=1024, tensors=EVERYTHING, table_bytes=5000)
    got = law.weight_bytes(both, HALF, engine="llama.cpp")
    assert got.stored_bytes == 10 * LAYER + 2 * 1_200_000  # no eyes, no angles
    assert got.host_bytes == 2 * 1_000_000
    tied = plain.model(vocab_size=1024, tensors=WITHOUT_HEAD, tied_embeddings=True)
    got = law.weight_bytes(tied, HALF, engine="llama.cpp")
    assert got.stored_bytes == 10 * LAYER + 2 * 1_000_000
    assert got.host_bytes == 2 * 1_000_000


def test_an_adapter_has_two_thin_matrices_beside_each_linear_layer():
    """r (in + out) each, arXiv 2106.09685 section 4, for a model 1 000 wide."""
    served = plain.model(
        tensors=(
            Tensor("q", "attention", 1000 * 3000, copies=10),
            Tensor("norm", "attention", 1000, copies=10),  # a vector has no sides
            Tensor("gate", "attention", 4000, copies=10),  # nor has so thin a matrix
            Tensor("five", "attention", 1000 * 5, copies=10),
            Tensor("up", "mlp", 1000 * 5000, copies=10),
            Tensor("shared", "shared_expert", 1000 * 2000, copies=4),
            Tensor("experts", "expert", 1000 * 500, copies=80, active=0.25, split="expert"),
            Tensor("head", "head", 1000 * 1000),
        ),
        experts=8,
        experts_per_token=2,
        moe_layers=10,
    )
    assert law.lora_params(served, 16) == 16 * (10 * 4000 + 10 * 1005 + 10 * 6000 + 4 * 3000)


def test_the_roofline_and_its_ridge_in_round_numbers():
    both = {"flop_s": 10.0, "bandwidth_bytes_s": 2.0}
    assert law.ridge_point(**both) == 5
    assert law.arithmetic_intensity(flops=12.0, bytes_moved=3.0) == 4
    assert law.roofline_s(flops=100.0, bytes_moved=4.0, **both) == 10  # beyond the ridge
    assert law.roofline_s(flops=10.0, bytes_moved=4.0, **both) == 2  # short of it


# Bytes an entry of one layer: vLLM 0.33, mla_attention.py and deepseek_v4/attention.py, and
# deepseek_v2.py for the indexer; SGLang 0.5.23, deepseek_v4_memory_pool.py.
RECORDS = [
    ("deepseek-v3", "bf16", "vllm", {1152}),
    ("deepseek-v3", "fp8", "vllm", {576}),
    ("glm-5.2", "bf16", "vllm", {1152}),
    ("glm-5.2", "fp8", "vllm", {656}),
    ("glm-5.2", "fp8", "trtllm", {576}),
    ("deepseek-v4-flash", "fp8", "sglang", {584}),
    ("deepseek-v4-flash", "bf16", "vllm", {584}),
    ("llama-3.1-8b", "fp8", "vllm", {2 * 8 * 128}),
]


@pytest.mark.parametrize("name, kv, engine, stored", RECORDS)
def test_entries_of_a_cache_as_stored(name, kv, engine, stored):
    kinds = catalog.model(name).attention
    assert {law.kv_record_bytes(a, catalog.format(kv), engine=engine) for a in kinds} == stored


def test_indexers_store_keys_of_128_with_a_scale():
    for name in ("glm-5.2", "deepseek-v4-flash"):
        own = [a for a in catalog.model(name).attention if a.index_dim]
        assert {a.index_dim * a.index_bytes for a in own} == {132}


def test_a_token_of_deepseek_v4_in_the_mean():
    """vLLM 0.33, deepseek_v41/common/ops/cache_utils.py:50, case P220 of the peers."""
    flash, fp8 = catalog.model("deepseek-v4-flash"), catalog.format("fp8")
    assert law.kv_bytes_per_sequence(flash, fp8, 32_768) / 32_768 == 3948.34375


# GiB over all layers and one sequence: llama.cpp's logs, rows k00293 and k00294 of
# benchmarks/memory.csv; vLLM's and SGLang's by their sources: 32 heads of 128 x 128, 36 layers.
CELLS, CONV = 36 * 32 * 128 * 128, 36 * 3 * (2 * 16 * 128 + 32 * 128)
STATES = [
    ("qwen3-next-80b-a3b", "llama.cpp", 0.0736),
    ("qwen3.5-35b-a3b", "llama.cpp", 0.0613),
    ("qwen3-next-80b-a3b", "vllm", (2 * CELLS + 2 * CONV) / 2**30),
    ("qwen3-next-80b-a3b", "sglang", (4 * CELLS + 2 * CONV) / 2**30),
]


@pytest.mark.parametrize("name, engine, gib", STATES)
def test_recurrent_states_as_engines_keep_them(name, engine, gib):
    linear = [a for a in catalog.model(name).attention if a.kind == "linear"]
    kept = sum(a.layers * law.state_bytes(a, engine=engine) for a in linear)
    assert kept / 2**30 == pytest.approx(gib, abs=5e-5)


def test_a_state_without_parts_is_what_it_says():
    plain_state = Attention("linear", layers=1, state_bytes=1000)
    assert {law.state_bytes(plain_state, engine=e) for e in ("vllm", "sglang", "llama.cpp")} == {
        1000
    }


@pytest.mark.parametrize(
    ("model", "roles", "gb"),
    [
        # exclude_modules of its hf_quant_config.json: every mlp.gate and lm_head. 48 layers of
        # 128 experts and of attention in 4.5 bits, embedding and head in 16
        ("qwen3-30b-a3b", {"attention", "expert"}, 18.1),
        # every self_attn*, mlp.gate, the head and layer 61, which guesses; shared experts convert
        ("deepseek-v3", {"mlp", "expert", "shared_expert"}, 396.7),
        ("deepseek-r1", {"mlp", "expert", "shared_expert"}, 396.7),
        ("qwen3-235b-a22b", {"expert"}, None),  # 2507's list has its attention
        ("qwen3-32b", {"attention", "mlp"}, None),  # dense: lm_head alone is left
    ],
)
def test_nvidia_s_own_lists_say_what_nvfp4_converts(model, roles, gb):
    """Their hf_quant_config.json; of DeepSeek-R1 Model Optimizer's examples/deepseek/ptq.py."""
    m, nvfp4 = catalog.model(model), catalog.format("nvfp4")
    params = {t.role: sum(x.params for x in m.tensors if x.role == t.role) for t in m.tensors}
    got = law.weight_bytes(m, nvfp4)
    narrow = {r for r, size in got.by_role.items() if size < 0.6 * params.get(r, 0)}
    assert narrow == roles
    assert gb is None or got.stored_bytes == pytest.approx(gb * 1e9, rel=0.01)


def test_what_a_format_covers_of_a_mixture_is_its_own():
    """NVIDIA's NVFP4 and gpt-oss's MXFP4 are of experts, those of dense models of every matrix."""
    dense = (Tensor("q", "attention", 1_000_000, copies=10), Tensor("up", "mlp", 1_000_000))
    experts = Tensor("e", "expert", 1_000_000, copies=8, active=0.25, split="expert")
    facts = {"experts": 8, "experts_per_token": 2, "moe_layers": 10}
    for name, bits, mlp in (("mxfp4", 4.25, 16), ("nvfp4", 4.5, 4.5)):
        weights = catalog.format(name)
        got = law.weight_bytes(plain.model(tensors=dense), weights)
        assert got.stored_bytes == pytest.approx(11_000_000 * bits / 8)
        got = law.weight_bytes(plain.model(tensors=(*dense, experts), **facts), weights)
        own = {"attention": 10 * 16, "mlp": mlp, "expert": 8 * bits}
        assert got.by_role == {k: pytest.approx(1e6 * v / 8) for k, v in own.items()}
