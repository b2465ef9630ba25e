"""What an engine's start depends on, what would make it start, and the lines it prints.

The numbers are those of start-up logs, rows of benchmarks/memory.csv by their id.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog, law
from llmcap_kernel.capacity import DOUBTFUL, LIKELY, NO, YES
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Speculation, Tensor

from . import plain
from .strategies import deployments

GIB = 2**30
R9700 = "radeon-ai-pro-r9700"


def started(model, gpu, engine, **settings):
    return catalog.deployment(model=model, gpu=gpu, engine=engine, **settings)


# ---- the room, on every card ----------------------------------------------------


@pytest.mark.parametrize(
    ("row", "model", "gpu", "version", "settings", "room_gib", "within"),
    [
        ("K29", "llama-3.1-8b", "rtx-3090", "0.12", {"memory_fraction": 0.95}, 6.95, 0.15),
        ("K33", "llama-3.1-8b", "rtx-4090", "0.12", {"memory_fraction": 0.95}, 6.93, 0.15),
        ("K37", "llama-3.1-8b", "rtx-5090", "0.12", {"memory_fraction": 0.95}, 14.31, 0.15),
        ("K41", "llama-3.1-8b", "a100-sxm-40gb", "0.12", {"memory_fraction": 0.95}, 21.99, 0.2),
        ("K45", "llama-3.1-8b", "rtx-5000-ada", "0.12", {"memory_fraction": 0.95}, 14.46, 0.2),
        ("K09", "llama-3.1-8b", R9700, "0.13", {"memory_fraction": 0.98}, 15.33, 0.3),
    ],
)  # fmt: skip
def test_the_room_follows_the_limits_that_the_engine_is_given(
    row, model, gpu, version, settings, room_gib, within
):
    limits = {"max_num_seqs": 64, "max_num_batched_tokens": 2048, "max_model_len": 31_800}
    d = started(model, gpu, f"vllm-{version}", **limits, **settings)
    books = capacity.ledger(d, context_tokens=31_800)
    assert books.kv_pool_bytes / GIB == pytest.approx(room_gib, abs=within), row
    assert books.starts


def test_sampling_is_what_a_version_and_a_batch_make_it():
    """Logs m07902, k00132 and k00110: 5.56, 2.23 and 2.21 GiB at 1,024 sequences."""
    for model, version, peak in (
        ("qwen3-0.6b", "0.11", 5.56),
        ("qwen3-14b", "0.17", 2.23),
        ("qwen2.5-7b", "0.19", 2.21),
    ):
        d = started(model, "h100-sxm", f"vllm-{version}")
        assert capacity.activation_bytes(d) / GIB == pytest.approx(peak, abs=0.05), version
    few = started("qwen2.5-7b", "h100-sxm", "vllm-0.19", max_num_seqs=64)
    assert capacity.sampling_bytes(few) < capacity.forward_bytes(few)


def test_counts_of_said_tokens_are_taken_from_the_room_since_0_29():
    """Four bytes and a bit for each sequence and word: 0.58 GiB at 1,024 x 151,936, by hand."""
    old, new = (started("qwen3-8b", "h100-sxm", f"vllm-{v}") for v in ("0.28", "0.33"))
    more = capacity.activation_bytes(new) - capacity.activation_bytes(old)
    assert more == 1024 * 151_936 * (4 + 1 / 8)


@pytest.mark.parametrize(
    ("gpu", "tokens", "seqs"),
    [
        ("h100-sxm", 8192, 1024),
        ("b200-sxm", 16_384, 1024),
        ("a100-sxm-80gb", 2048, 256),  # by its name
        ("gb10", 2048, 256),
        ("rtx-3090", 2048, 256),
        ("mi300x", 16_384, 1024),
    ],
)
def test_defaults_of_a_batch_follow_the_card(gpu, tokens, seqs):
    """vLLM 0.33, engine/arg_utils.py."""
    d = catalog.deployment(model="llama-3.1-8b", gpu=gpu, engine="vllm-0.33")
    assert (d.batch_limit_tokens, d.seqs_limit) == (tokens, seqs)


@pytest.mark.parametrize(
    ("gpu", "engine", "most"),
    [
        ("b200-sxm", "vllm-0.33", 1024),
        ("gb200", "vllm-0.33", 1024),
        ("h200-sxm", "vllm-0.33", 512),
        ("mi300x", "vllm-0.33", 512),
        ("rtx-5090", "vllm-0.33", 512),  # capability 12.0, 256 sequences
        ("gb10", "vllm-0.33", 512),
        ("b200-sxm", "vllm-0.28", 512),
        ("b200-sxm", "sglang", 512),
        ("b200-sxm", "trtllm", 128),  # llmapi/llm_args.py, CudaGraphConfig: max_batch_size or 128
    ],
)
def test_graphs_are_wider_on_data_centre_blackwell(gpu, engine, most):
    """vLLM 0.33.0, config/vllm.py, _set_cudagraph_sizes: is_device_capability_family(100)."""
    d = catalog.deployment(model="llama-3.1-8b", gpu=gpu, engine=engine)
    assert d.graph_seqs_limit == most
    few = replace(d, max_num_seqs=64)
    assert few.graph_seqs_limit == (64 if engine == "sglang" else 128)


def test_the_largest_tier_came_with_0_28():
    old = catalog.deployment(model="llama-3.1-8b", gpu="b200-sxm", engine="vllm-0.19")
    assert old.batch_limit_tokens == 8192


# ---- windows and states ---------------------------------------------------------


def test_a_window_reserves_itself_and_a_batch_and_a_block():
    """vLLM's own test of `get_max_concurrency_for_kv_cache_config`: 129 blocks."""
    window = capacity.Kind("window", 32, 4096.0, window_tokens=1024)
    assert capacity.Layout((window,), 1.0, in_flight_tokens=1024).blocks(16_384) == 129


@pytest.mark.parametrize(
    ("row", "model", "tp", "weights", "length", "room_gib", "times", "tokens"),
    [
        ("k00134", "gemma-3-27b", 1, "bf16", 8192, 19.53, 4.46, 36_560),
        ("m07641", "gemma-3-4b", 1, "bf16", 8192, 62.51, 57.05, 468_144),
        ("m07626", "gemma-2-9b", 1, "bf16", 8192, 54.12, 20.60, 168_880),
        ("k00139", "gpt-oss-20b", 2, "mxfp4", 8192, 59.32, 316.07, 2_591_776),
    ],
)
def test_users_of_a_model_with_windows(row, model, tp, weights, length, room_gib, times, tokens):
    d = started(model, "h100-sxm", "vllm-0.19", tp=tp, weights=weights, max_model_len=length)
    assert room_gib * GIB / capacity.kv_sequence_bytes(d, length) == pytest.approx(times, rel=3e-3)
    cut = capacity.layout(d)
    blocks = room_gib * GIB // cut.block_bytes
    assert blocks // cut.groups * 16 == pytest.approx(tokens, rel=3e-3), row


def test_a_state_takes_a_block_as_large_as_attentions():
    """Log k00320: Qwen3.5-35B-A3B in 28.34 GiB holds 201 sequences of 4 096, 370 656 tokens."""
    d = started("qwen3.5-35b-a3b", "h100-sxm", "vllm-0.19", max_model_len=4096)
    assert 28.34 * GIB / capacity.kv_sequence_bytes(d, 4096) == pytest.approx(201, rel=0.01)
    cut = capacity.layout(d)
    assert {kind.name: kind.groups for kind in cut.kinds} == {"state": 3, "all": 1}
    (attention,) = (kind for kind in cut.kinds if kind.name == "all")
    blocks = 28.34 * GIB // cut.block_bytes
    assert blocks // cut.groups * attention.block_tokens == pytest.approx(370_656, rel=0.01)


def test_tokens_of_a_draft_take_states_and_layers_of_their_own():
    """Log K53: Nemotron 3 Super in 36.25 GiB holds 1 399 712 tokens, 27.81 of 131 072.

    By hand from vLLM 0.20, mamba_utils.py and kv_cache_utils.py: three drafted tokens lengthen a
    convolution over 10 240 channels, attention's block grows to the state, in steps of 16 tokens,
    40 states and 9 layers of attention make six groups, and a sequence keeps four states of each.
    """
    drafting = {"weights": "nvfp4", "kv": "fp8", "speculation": Speculation(3, 0.8)}
    name = "nemotron-3-super-120b-a12b"
    d = started(name, "gb10", "vllm-0.20", max_model_len=131_072, **drafting)
    cut = capacity.layout(d)
    state = 128 * 64 * 128 * 4 + (3 + 3) * 10_240 * 2
    assert {kind.name: (kind.layers, kind.groups) for kind in cut.kinds} == {
        "state": (40, 5),
        "all": (9, 1),
    }
    assert max(kind.bytes for kind in cut.kinds) == state and cut.block_bytes == 9 * 8432 * 512
    blocks = 36.25 * GIB // cut.block_bytes
    assert blocks // cut.groups * 8432 == 1_399_712
    assert cut.blocks(131_072) == 16 + 5 * (1 + 3)
    assert round(blocks / cut.blocks(131_072), 2) == 27.81
    latent = started("deepseek-v3", "h200-sxm", "vllm-0.20", tp=8, speculation=Speculation(1, 0.8))
    assert capacity.kv_sequence_bytes(latent, 16_000) == 16_000 * 62 * 1152
    near, *far = (
        kind.layers
        for kind in capacity.guessing_model(
            started("deepseek-v4-flash", "h200-sxm", "vllm", tp=8, speculation=Speculation(1, 0.8))
        ).attention
    )
    assert (near, far) == (44, [21, 20]), "its draft layer keeps a window alone"
    elsewhere = replace(latent, engine=catalog.engine("sglang"))
    assert capacity.kv_sequence_bytes(elsewhere, 16_000) == 16_000 * 61 * 1152


def test_compressed_caches_share_blocks_as_large_as_what_every_token_keeps():
    """Log k00150: DeepSeek-V4-Flash in 47.43 GiB, 1 728 531 tokens at sequences of 262 144.

    By hand from vLLM 0.31, v1/core/kv_cache_utils.py (_get_packed_kv_cache_groups) and
    models/deepseek_v4: 256 tokens are 64 entries or 2 of 584 bytes, an indexer's 64 of 132, all
    rounded up to 576; 22 layers to a group leave the fewest places empty of 43, 21 and 20.
    """
    limits = {"max_model_len": 262_144, "max_num_batched_tokens": 8192}
    d = started("deepseek-v4-flash", "h100-sxm", "vllm-0.33", tp=8, **limits)
    cut = capacity.layout(d)
    assert cut.block_bytes == 21 * (65 + 15) * 576 + 20 * 3 * 576
    assert [kind.groups for kind in cut.kinds] == [1, 2, 1, 1]
    # two batches in flight: windows of 128, of 8 and of 128 tokens in blocks of 64, 4 and 8
    assert cut.blocks(262_144) == 1024 + 2 * (258 + 1) + (4098 + 1) + (2064 + 1)
    times = 47.43 * GIB / capacity.kv_sequence_bytes(d, 262_144)
    assert times * 262_144 == pytest.approx(1_728_531, rel=1e-3)
    # 0.20 to 0.23 give each of a group's layers a page of every size
    early = replace(d, engine=catalog.engine("vllm-0.20"))
    assert capacity.layout(early).block_bytes == 22 * (65 + 15 + 3) * 576


@pytest.mark.parametrize(
    ("row", "model", "gpu", "engine", "settings", "logged_gib"),
    [
        ("K01", "qwen3-14b", "radeon-ai-pro-r9700", "vllm-0.16", {"weights": "fp8"}, 15.42),
        (
            "K05",
            "gemma-3-27b",
            "radeon-ai-pro-r9700",
            "vllm-0.16",
            {"weights": "fp8", "tp": 2},
            14.28,
        ),
        ("K09", "llama-3.1-8b", "radeon-ai-pro-r9700", "vllm-0.16", {}, 15.06),
        ("L4", "qwq-32b", "a10g", "sglang", {"tp": 4}, 15.54),
    ],
)
def test_weights_as_engines_see_them_that_measure_free_memory(
    row, model, gpu, engine, settings, logged_gib
):
    """What is left is the same for all of them: 0.05 to 0.09 GiB of kernels."""
    d = started(model, gpu, engine, **settings)
    books = capacity.ledger(d, context_tokens=4096)
    assert 0.04 < logged_gib - books.weights_bytes / GIB < 0.1
    allocated = law.weights_of(d).stored_bytes
    assert books.weights_bytes == allocated + law.rounding_bytes(d)
    other = replace(d, engine=catalog.engine("vllm-0.25"))
    assert capacity.ledger(other, context_tokens=4096).weights_bytes == allocated


def test_the_allocator_rounds_up_each_tensor_of_10_mib_by_hand():
    """Gemma 3 27B in FP8 on two cards: 2 x 21 504 x 5 376 elements are 110.25 MiB of 112, 55.125
    of 56 come down, 64 x 128 x 5 376 are 21 MiB of 22 and 32 x 128 x 5 376 are 10.5 of 12, in
    62 layers; the table's 262 208 rows are 1 344.3 MiB of 1 346."""
    d = started("gemma-3-27b", "radeon-ai-pro-r9700", "vllm-0.16", weights="fp8", tp=2)
    text = 62 * (1.75 + 0.875 + 1 + 1.5) * 2**20
    table = -(262_208 * 5376 * 2 // 2) % 2**21
    assert law.rounding_bytes(d) == pytest.approx(text + table, rel=0.02)


@pytest.mark.parametrize(
    ("gpu", "inner", "per_layer_mib"),
    [("h100-sxm", 2880, 0.5 + 0.25), ("l40s", 2944, 1 + 1.5)],  # Triton's sides, and Marlin's
)
def test_whole_experts_are_padded_and_rounded_up_by_hand(gpu, inner, per_layer_mib):
    """gpt-oss-20b over four cards, 8 of 32 experts each: 2 x 2 880 x 2 880 and 2 880 x 2 880.

    Half a byte an element after padding is 67.5 MiB of 68 and 33.75 of 34 on an H100, 69 of 70 and
    34.5 of 36 on an L40S, in 24 layers; scales are under 10 MiB. Quarters of all 32 experts are
    768 x 3 072 on both, 72 and 36 MiB, which are whole steps.
    """
    mib = 2**20
    up = 8 * 2 * inner * 3072 / 2
    assert (-up % (2 * mib) + -up / 2 % (2 * mib)) / mib == per_layer_mib
    whole = started("gpt-oss-20b", gpu, "vllm-0.16", tp=4, ep=4)
    quarters = started("gpt-oss-20b", gpu, "vllm-0.16", tp=4)
    more = law.rounding_bytes(whole) - law.rounding_bytes(quarters)
    assert more / mib == pytest.approx(24 * per_layer_mib)


def test_what_is_rounded_up_does_not_hang_on_the_order_of_tensors():
    d = started("deepseek-v3", "h200-sxm", "vllm-0.16", tp=8)
    first = replace(d, model=replace(d.model, tensors=d.model.tensors[::-1]))
    assert d.model.tensors[-1].role == "mtp"
    assert law.rounding_bytes(first) == pytest.approx(law.rounding_bytes(d))
    assert law.weights_of(first).stored_bytes == pytest.approx(law.weights_of(d).stored_bytes)


def test_an_engine_with_an_allocator_of_its_own_rounds_nothing():
    assert law.rounding_bytes(started("qwen3-14b", "h100-sxm", "trtllm")) == 0


def test_the_peak_of_an_indexer_by_hand():
    """vLLM 0.31, deepseek_v4/attention.py: 8 192 tokens while an indexer scores."""
    limits = {"max_model_len": 262_144, "max_num_batched_tokens": 8192, "max_num_seqs": 64}
    d = started("deepseek-v4-flash", "h100-sxm", "vllm-0.33", tp=8, ep=8, **limits)
    streams = (4 + 1) * 4096 * 2
    padded = 2 * 64 * 512 * 2  # queries and output, 8 heads padded to 64
    projected = 2 * (1024 + 512) * 2
    sums, queries = 4 * (512 + 128) * 4, 64 * 128
    width = streams + padded + projected + sums + queries
    assert capacity.forward_bytes(d) == 8192 * width + 512 * 2**20
    assert capacity.gathered_bytes(d) == 40 * 262_144 // 4 * 132
    short = replace(d, max_model_len=8192)  # prefill unpacks more than an indexer gathers
    assert capacity.gathered_bytes(short) == 4 * (2048 + 128 + 8192) * 512 * 2
    before = started("deepseek-v3.2", "h200-sxm", "vllm-0.11", tp=8)
    assert capacity.gathered_bytes(before) == 0


@pytest.mark.parametrize(
    ("model", "weights", "gpu", "tp", "share", "length", "held"),
    [
        ("qwen3-32b", "fp8-block", "h100-sxm", 2, 0.8, 5096, 75),
        ("qwen3-32b", "fp8-block", "h100-sxm", 4, 0.8, 9192, 93),
        ("qwen3-32b", "fp8-block", "gb300", 1, 0.9, 7144, 123),
        ("llama-3.1-8b", "bf16", "h100-sxm", 1, 0.8, 7144, 56),
        ("llama-3.1-8b", "bf16", "h100-sxm", 4, 0.8, 9192, 201),
        ("llama-3.1-8b", "bf16", "gb300", 4, 0.9, 9192, 856),
    ],
)
def test_sequences_that_tensorrt_llm_held(model, weights, gpu, tp, share, length, held):
    """aiconfigurator@095f58a measured them, and allows 5%: test_trtllm_kv_cache_capacity.py."""
    d = started(model, gpu, "trtllm", tp=tp, weights=weights, memory_fraction=share)
    assert capacity.max_concurrent(d, length) == pytest.approx(held, rel=0.05)


def test_tensorrt_engines_keep_three_copies_of_all_logits():
    """Log k00178, TensorRT-LLM 0.19: 2 048 sequences of 128 256 words in 32 bits, thrice."""
    asked = {"weights": "fp8", "kv": "fp8", "max_num_seqs": 2048, "max_num_batched_tokens": 1024}
    now = started("llama-3.1-8b", "rtx-5090", "trtllm", **asked)
    before = replace(now, engine=catalog.engine("trtllm-0.19"))
    more = capacity.activation_bytes(before) - capacity.activation_bytes(now)
    assert more == 3 * 4 * 2048 * 128_256
    room = capacity.ledger(before, context_tokens=2048).kv_pool_bytes
    assert room == pytest.approx(16.05 * GIB, rel=0.06)


def test_more_sequences_than_blocks_for_their_states_is_a_refusal():
    """vLLM from 0.20: max_num_seqs exceeds the available Mamba cache blocks."""
    asked = {"tp": 2, "memory_fraction": 0.6, "max_num_seqs": 1024}
    d = started("qwen3.5-35b-a3b", "h100-sxm", "vllm-0.20", **asked)
    books = capacity.ledger(d, context_tokens=8000)
    few = replace(d, max_num_seqs=16)
    if books.state_blocks >= 1024:
        d = replace(d, max_num_seqs=books.state_blocks + 1)
        books = capacity.ledger(d, context_tokens=8000)
    assert books.refused and not books.starts and books.start == NO
    assert f"{books.state_blocks:,} blocks" in books.verdict
    assert capacity.ledger(few, context_tokens=8000).starts
    assert capacity.ledger(replace(d, eager=True), context_tokens=8000).starts
    assert "max_num_seqs" in {one.setting for one in capacity.remedies(d, 8000)}


def test_a_default_that_the_engine_would_refuse_is_said():
    """Qwen3.5-27B on one H100: 1,024 sequences by default, and fewer blocks for their states."""
    d = started("qwen3.5-27b", "h100-sxm", "vllm-0.33")
    books = capacity.ledger(d, context_tokens=8000)
    assert books.state_blocks < 1024 and books.starts
    assert f"max_num_seqs of {books.state_blocks:,} at most" in books.verdict
    told = capacity.ledger(replace(d, max_num_seqs=64), context_tokens=8000)
    assert "at most: it refuses" not in told.verdict
    assert capacity.ledger(replace(d, max_num_seqs=1024), context_tokens=8000).refused


# ---- properties -----------------------------------------------------------------


@settings(max_examples=60)
@given(deployment=deployments(), more=st.sampled_from((1.5, 2, 4)))
def test_larger_limits_never_give_more_room(deployment, more):
    def room(d, length=8000):
        return capacity.ledger(d, context_tokens=length).kv_pool_bytes

    told = replace(
        deployment,
        max_num_seqs=deployment.seqs_limit,
        max_num_batched_tokens=deployment.batch_limit_tokens,
    )
    base = room(told)
    batched = replace(told, max_num_batched_tokens=int(told.batch_limit_tokens * more))
    assert room(batched) <= base
    assert room(replace(batched, max_num_seqs=int(told.seqs_limit * more))) <= base
    assert room(replace(told, eager=True)) >= base
    heavy = replace(told.engine, runtime_bytes=told.engine.runtime_bytes + 1e9)
    heavy = replace(heavy, runtime_tp_bytes=heavy.runtime_tp_bytes + 1e9)
    assert room(replace(told, engine=heavy)) < base
    longer = [capacity.max_concurrent(told, int(8000 * x)) for x in (1, more)]
    assert longer[0] >= longer[1]


@settings(max_examples=60)
@given(deployment=deployments(tps=(1, 2, 4)))
def test_more_cards_never_hold_more_weights_each(deployment):
    alike = replace(deployment, dp_attention=False)
    one, two = (law.weights_of(replace(alike, tp=alike.tp * n)).stored_bytes for n in (1, 2))
    assert two <= one


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_num_seqs", 0), ("max_num_batched_tokens", 1.5), ("block_size", -1), ("eager", "no")],
)
def test_a_limit_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(BadInput, match=field):
        replace(plain.deployment(), **{field: value})
    with pytest.raises(BadInput, match="at least max_num_seqs"):
        replace(plain.deployment(), max_num_seqs=64, max_num_batched_tokens=32)


# ---- yes, likely, doubtful, no --------------------------------------------------


def test_near_the_edge_a_start_is_likely_or_doubtful():
    """100 GB of weights and 1.6 kB a token; the interval is that of cards nobody measured."""
    served = plain.model(tensors=(Tensor("mlp", "mlp", 10_000_000_000, copies=10),))
    d = plain.deployment(served, engine=plain.engine(memory_fraction=1.0))
    off = capacity.room_doubt_bytes(d, 100e9)
    for spare, start in ((1.5 * off, YES), (0.5 * off, LIKELY), (-0.5 * off, DOUBTFUL)):
        card = plain.card(memory_visible_bytes=100e9 + 1.6e6 + spare)
        books = capacity.ledger(replace(d, gpu=card), context_tokens=1000)
        assert books.start == start
        assert books.starts is (start in (YES, LIKELY))
        low, high = books.concurrent_interval
        assert low <= books.max_concurrent <= high
    none = replace(d, gpu=plain.card(memory_visible_bytes=100e9 - 1.5 * off))
    assert capacity.ledger(none, context_tokens=1000).start == NO


def test_a_larger_card_is_not_more_in_doubt_but_a_larger_shared_memory_is():
    def off(unified, size):
        card = plain.card(memory_visible_bytes=size, unified_memory=unified)
        return capacity.room_doubt_bytes(plain.deployment(gpu=card), 10e9)

    assert off(False, 24e9) == off(False, 80e9) > 0.01 * 10e9
    assert off(True, 128e9) > off(True, 24e9) > off(False, 24e9)


def test_an_engine_needs_room_for_the_longest_sequence_it_allows():
    d = plain.deployment(gpu=plain.card(memory_visible_bytes=12e9), max_model_len=1_000_000)
    d = replace(d, engine=plain.engine(memory_fraction=1.0))
    # 2 GB are left, and a million tokens take 1.6
    assert capacity.ledger(d, context_tokens=1000).starts
    assert not capacity.ledger(replace(d, max_model_len=1_500_000), context_tokens=1000).starts


# ---- what would make it start ---------------------------------------------------


def test_each_remedy_alone_makes_it_start_with_the_least_change():
    d = started("llama-3.1-8b", "rtx-4090", "vllm", memory_fraction=0.72)
    found = {one.setting: one for one in capacity.remedies(d, 16_000)}
    assert next(iter(found)) == "memory_fraction", "what costs nothing comes first"
    share = found["memory_fraction"].value
    for percent, starts in ((share, True), (share - 0.01, False)):
        changed = replace(d, memory_fraction=round(percent, 2))
        assert capacity.ledger(changed, context_tokens=16_000).starts is starts
    assert found["tp"].flag == "--tensor-parallel-size 2"
    for one in found.values():
        assert one.books.starts and "starts and holds up to " in one.text
    assert capacity.remedies(replace(d, memory_fraction=share), 16_000) == ()


def test_weights_that_exceed_the_card_are_offered_in_four_bits_with_the_users_they_leave_room_for():
    """30.5 billion in 16 bits are 57 GiB, in four with a scale each 128 about 16."""
    d = started("qwen3-30b-a3b", "rtx-4090", "vllm", weights="bf16", kv="bf16")
    first = capacity.remedies(d, 8000, concurrency=16)[0]
    assert (first.setting, first.flag) == ("weights", "INT4 AWQ weights")
    four = replace(d, weights=catalog.format("int4-awq"))
    held = capacity.max_concurrent(four, 8000)
    assert 0 < held < 16 and f"holds {held} of 16 users" in first.text
    other = started("qwen3-30b-a3b", "rtx-4090", "llama.cpp", weights="bf16", kv="f16")
    assert capacity.remedies(other, 8000)[0].flag == "GGUF Q4_K_M weights"


def test_a_full_node_is_offered_another_and_larger_cards_that_are_slower_in_nothing():
    """671 billion in 8 bits are 625 GiB: 78 on each of 8 cards, 39 on each of 16, and 141 GB of
    an H200 hold the 78."""
    d = started("deepseek-v3", "h100-sxm", "vllm", tp=8)
    found = {one.setting: one for one in capacity.remedies(d, 8000)}
    assert found["pp"].flag == "--pipeline-parallel-size 2"
    assert found["pp"].cost == "2 nodes, twice the rent"
    assert found["gpu"].value == "h200-sxm" and "tp" not in found
    rents = [8 * catalog.gpu(name).usd_h for name in ("h200-sxm", "h100-sxm")]
    assert found["gpu"].cost == "${:.2f}/h in place of ${:.2f}/h".format(*rents)
    # H200 NVL is cheaper, of four to a node; H20 has a seventh of the arithmetic
    desk = started("qwen3-32b", "rtx-4090", "vllm", weights="bf16", kv="bf16")
    (other,) = [one for one in capacity.remedies(desk, 8000) if one.setting == "gpu"]
    assert other.value == "rtx-pro-6000"  # 61 GiB of weights; an RTX 6000 Ada has 48 GB


def test_fewer_sequences_than_the_default_cost_nothing_while_all_users_are_among_them():
    d = started("llama-3.1-70b", "h100-sxm", "vllm", weights="fp8", kv="bf16")

    def cost(users):
        found = capacity.remedies(d, 8000, concurrency=users)
        return next(one for one in found if one.setting == "max_num_seqs").cost

    assert cost(16) == "costs nothing for 16 users" and cost(500) == "fewer users at once"


def test_where_nothing_helps_nothing_is_offered():
    d = started("deepseek-v3", "rtx-4090", "vllm")
    assert capacity.remedies(d, 1000) == ()


# ---- the lines ------------------------------------------------------------------


def test_vllm_will_print_what_log_k00109_says():
    d = started("llama-3.1-8b", "h100-sxm", "vllm-0.19", memory_fraction=0.95, max_model_len=8192)
    lines = [one.text for one in capacity.printed(capacity.ledger(d, context_tokens=8192))]
    assert lines[0] == "Model loading took 14.99 GiB"  # as logged
    said = float(lines[1].removeprefix("Available KV cache memory: ").removesuffix(" GiB"))
    assert said == pytest.approx(58.11, abs=0.1)
    tokens = int(lines[2].split()[4].replace(",", ""))
    assert tokens == pytest.approx(said * GIB / 131_072, abs=200)
    assert lines[3].startswith("Maximum concurrency for 8,192 tokens per request: 58.")


def test_weights_that_exceed_the_card_end_the_log_while_they_are_loaded():
    """vLLM, SGLang and TensorRT-LLM allocate by PyTorch; llama.cpp by llama_model_load."""
    for engine, words in (
        ("vllm", "torch.OutOfMemoryError: CUDA out of memory."),
        ("sglang", "torch.OutOfMemoryError: CUDA out of memory."),
        ("llama.cpp", "error loading model: unable to allocate"),
    ):
        d = started("llama-3.1-70b", "rtx-4090", engine, weights="bf16")
        (only,) = capacity.printed(capacity.ledger(d, context_tokens=1000))
        assert only.text == words
    # 15.0 of 23.5 GiB are weights, which the card holds; a batch of 100,000 it does not
    d = started("llama-3.1-8b", "rtx-4090", "vllm", max_num_batched_tokens=400_000)
    lines = [one.text for one in capacity.printed(capacity.ledger(d, context_tokens=1000))]
    assert lines == ["Model loading took 14.99 GiB", "torch.OutOfMemoryError: CUDA out of memory."]


def test_an_engine_without_room_says_so_in_its_own_words():
    d = started("llama-3.1-8b", "rtx-4090", "vllm-0.19", memory_fraction=0.75)
    long = capacity.ledger(d, context_tokens=100_000)
    assert any("To serve at least one request" in one.text for one in capacity.printed(long))
    none = capacity.ledger(replace(d, memory_fraction=0.5), context_tokens=1000)
    assert capacity.printed(none)[-1].text == "No available memory for the cache blocks"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("sglang", "max_total_num_tokens="),
        ("trtllm", "for max tokens in paged KV cache ("),
        ("llama.cpp", "llama_kv_cache: size = "),
    ],
)
def test_other_engines_print_their_own_lines(engine, words):
    books = capacity.ledger(started("llama-3.1-8b", "h100-sxm", engine), context_tokens=8192)
    assert any(words in one.text for one in capacity.printed(books))


def test_llama_cpp_prints_the_cache_of_all_its_slots():
    def line(**slots):
        d = started("llama-3.1-8b", "h100-sxm", "llama.cpp", kv="f16", **slots)
        return capacity.printed(capacity.ledger(d, context_tokens=8192))[-1].text

    # 32 layers x 8 heads x 128 x keys and values x 2 bytes are 131,072 bytes a token: 1 GiB a slot
    assert line(max_num_seqs=1) == "llama_kv_cache: size = 1024.00 MiB"
    assert line() == "llama_kv_cache: size = 4096.00 MiB"  # four slots by default
    # --ctx-size, of which each slot has its part, is allocated whatever the requests are
    assert line(max_model_len=32_768, max_num_seqs=1) == "llama_kv_cache: size = 4096.00 MiB"
    assert line(max_model_len=32_768, max_num_seqs=2) == "llama_kv_cache: size = 8192.00 MiB"


def test_llama_cpp_starts_with_room_for_the_context_of_all_its_slots():
    """128 KiB a token: 4 x 131,072 tokens are 64 GiB, and one is 16, of some 18 on this card."""

    def books(slots):
        more = {"weights": "gguf-q4-k-m", "kv": "f16", "max_model_len": 131_072}
        d = started("llama-3.1-8b", "rtx-4090", "llama.cpp", max_num_seqs=slots, **more)
        return capacity.ledger(d, context_tokens=8000)

    assert books(1).starts and not books(4).starts
    assert "with 4 users at 131,072 tokens it needs 68" in books(4).verdict


def test_each_replica_of_attention_prints_its_own_tokens():
    d = started("deepseek-v3", "h200-sxm", "sglang", tp=8, ep=8, dp_attention=True)
    books = capacity.ledger(d, context_tokens=8192)
    (line,) = [x.text for x in capacity.printed(books) if x.text.startswith("max_total")]
    assert int(line.partition("=")[2]) * 8 == pytest.approx(books.kv_pool_tokens, abs=8)


def test_a_shorter_length_is_offered_in_whole_pages_and_no_shorter_than_it_must_be():
    d = started("llama-3.1-8b", "rtx-4090", "vllm", memory_fraction=0.72)
    (shorter,) = [x for x in capacity.remedies(d, 16_000) if x.setting == "max_model_len"]
    assert shorter.value % 16 == 0
    assert capacity.ledger(d, context_tokens=shorter.value).starts
    assert not capacity.ledger(d, context_tokens=int(shorter.value / 0.93) + 16).starts


def test_a_memory_that_is_the_host_s_too_is_not_advised_away():
    """macOS gives the graphics chip three quarters of a large memory (Metal's recommended set)."""
    gpu = "apple-m3-max-64gb"
    large = catalog.deployment(model="llama-3.1-70b", gpu=gpu, weights="gguf-q5-k-m", engine="vllm")
    assert large.fraction == 0.75 and not capacity.ledger(large, context_tokens=8000).starts
    settings = {one.setting for one in capacity.remedies(large, 8000)}
    assert "memory_fraction" not in settings
    small = catalog.deployment(model="llama-3.1-8b", gpu=gpu, weights="bf16", engine="vllm")
    raised = capacity.remedies(replace(small, memory_fraction=0.25), 8000)[0]
    assert raised.setting == "memory_fraction" and 0.25 < raised.value <= 0.75
    assert "the system and its programs" in raised.cost
