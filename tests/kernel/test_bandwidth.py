"""Stage 2: each term of the step is there, and moves the way physics does."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, catalog, design, law
from llmcap_kernel.spec import CEILING, BadInput, Lora, Speculation

from .strategies import deployments, nonsense, workloads

A, B, C = design.worked_spec()


def step(d, context=8000, users=16, efficiency=CEILING):
    return bandwidth.decode_step(
        d, context_tokens=context, concurrency=users, efficiency=efficiency
    )


def faster(d, times):
    gpu = d.gpu
    return replace(
        d,
        gpu=replace(gpu, bandwidth_bytes_s=gpu.bandwidth_bytes_s * times),
    )


def test_a_dense_step_by_hand():
    """B: (70.6 GB in FP8 and BF16 tables + 16 x 1.31 GB) over two cards at 3.35 TB/s."""
    llama, by_hand = B.model, 0.0
    table = 2 * llama.vocab_size * llama.hidden_size  # the head, in BF16
    layers = llama.params - 2 * llama.vocab_size * llama.hidden_size
    by_hand += (layers + table) / 2 / 3.35e12
    by_hand += 16 * 163_840 * 8000 / 2 / 3.35e12
    got = step(B)
    assert got.dense_s + got.attention_s == pytest.approx(by_hand, rel=1e-3)
    message = 16 * 8192 * 2
    assert got.communication_s == pytest.approx(160 * message / 450e9)
    assert got.total_s == got.dense_s + got.attention_s + got.communication_s


def test_an_moe_step_reads_the_experts_it_touches():
    got = step(C)
    weights = law.weight_bytes(C.model, C.weights, tp=8)
    share = law.experts_touched(experts=256, experts_per_token=8, tokens=16) / 256
    assert got.expert_s == pytest.approx(weights.expert_read_bytes * share / 4.8e12)


@given(deployments(), workloads, st.floats(1.01, 10))
def test_more_bandwidth_is_never_slower(d, load, times):
    slow = step(d, load.context_tokens, load.concurrency)
    fast = step(faster(d, times), load.context_tokens, load.concurrency)
    assert fast.total_s <= slow.total_s
    assert fast.attention_s >= slow.attention_s / times * (1 - 1e-9)


@given(deployments(), workloads)
def test_longer_and_fuller_is_never_faster(d, load):
    base = step(d, load.context_tokens, load.concurrency).total_s
    assert step(d, load.context_tokens + 1000, load.concurrency).total_s >= base
    assert step(d, load.context_tokens, load.concurrency + 8).total_s >= base


@given(deployments(), workloads)
def test_a_step_takes_at_least_both_roofs(d, load):
    got = step(d, load.context_tokens, load.concurrency)
    bytes_moved = got.weight_bytes + got.kv_bytes
    rate = max(d.gpu.flop_s.values())
    assert got.total_s >= bytes_moved / d.gpu.bandwidth_bytes_s * (1 - 1e-9)
    assert got.total_s >= got.flops / rate * (1 - 1e-9)


@given(deployments(), st.integers(100, 20_000), st.integers(0, 90))
def test_a_cached_prefix_never_slows_prefill(d, tokens, percent):
    full = bandwidth.prefill(d, input_tokens=tokens).total_s
    cached = bandwidth.prefill(d, input_tokens=tokens, cached_tokens=tokens * percent // 100)
    assert cached.total_s <= full * (1 + 1e-9)


def test_collectives():
    ring = bandwidth.all_reduce_s
    assert ring(message_bytes=1e9, cards=1, link_bandwidth_bytes_s=1e9) == 0
    assert ring(message_bytes=1e9, cards=8, link_bandwidth_bytes_s=1e9) == pytest.approx(1.75)
    moved = bandwidth.all_to_all_s(message_bytes=1e9, cards=8, link_bandwidth_bytes_s=1e9)
    assert moved == pytest.approx(0.875)


def test_spread_experts_exchange_tokens_only_where_attention_split_them():
    kinds = [
        [x.kind for x in bandwidth.exchanges(replace(C, **change), 64) if x.count]
        for change in ({"ep": 8}, {"dp_attention": True}, {"ep": 8, "dp_attention": True})
    ]
    assert kinds == [["all-reduce"], ["all-reduce"], ["all-reduce", "all-to-all"]]
    split, spread = (
        sum(x.count * x.each_s(CEILING, 0.0) for x in bandwidth.exchanges(cards, 4096))
        for cards in (replace(C, ep=ep, dp_attention=True) for ep in (1, 4))
    )
    assert spread != split


def test_a_pipeline_adds_stages_not_speed():
    two = replace(A, pp=2)
    assert step(two, users=1).total_s >= step(A, users=1).total_s
    assert step(two, users=64).total_s < step(A, users=64).total_s  # half the batch at a time


def test_leaving_the_node_costs_bandwidth():
    sixteen = replace(C, tp=16)
    assert bandwidth.link_bandwidth_bytes_s(sixteen) < bandwidth.link_bandwidth_bytes_s(C)


def test_a_card_without_the_dtype_computes_in_a_wider_one():
    dtype, rate = bandwidth.compute_dtype(catalog.gpu("a100-sxm-80gb"), catalog.format("fp8"))
    assert dtype in ("bf16", "fp16") and rate == pytest.approx(312e12)


@settings(max_examples=50)
@given(nonsense)
def test_counts_that_are_none_are_refused(value):
    if isinstance(value, bool) or value == 1:
        return
    with pytest.raises(BadInput):
        bandwidth.decode_step(B, context_tokens=value)
    with pytest.raises(BadInput):
        bandwidth.prefill(B, input_tokens=value)


def test_the_explanation_adds_up():
    text = step(B).explain()
    assert "decode step = dense weights + attention + communication" in text
    assert "3.35 TB/s" in text


def speculating(d, **kwargs):
    return replace(d, speculation=Speculation(**kwargs))


@given(st.floats(0, 0.999), st.integers(1, 16))
def test_a_speculative_step_yields_between_one_and_all(accept, k):
    got = bandwidth.tokens_per_step(accept=accept, tokens=k)
    assert 1 <= got <= k + 1
    assert got == pytest.approx(sum(accept**i for i in range(k + 1)))


def test_speculation_pays_at_small_batch_and_costs_when_nothing_is_accepted():
    draft = catalog.model("llama-3.1-8b")
    good = speculating(B, tokens=4, accept=0.8, draft=draft)
    bad = speculating(B, tokens=4, accept=0.0, draft=draft)
    assert step(good, users=1).itl_s < step(B, users=1).itl_s < step(bad, users=1).itl_s
    gain = [step(B, users=n).itl_s / step(good, users=n).itl_s for n in (1, 256)]
    assert gain[1] < gain[0]  # checking four tokens a user costs compute in a large batch
    assert "accept^(k+1)" in step(good).explain()


def test_a_draft_model_reads_the_prompt_too():
    draft = catalog.model("llama-3.1-8b")
    alone, both = (
        bandwidth.prefill(d, input_tokens=7000).total_s
        for d in (B, speculating(B, tokens=4, accept=0.8, draft=draft))
    )
    assert 1.05 * alone < both < 1.3 * alone


def test_a_model_drafts_with_its_own_layers_where_it_has_them():
    own = speculating(C, tokens=1, accept=0.85)
    assert C.model.mtp_params and step(own).draft_s > 0
    assert step(own).itl_s < step(C).itl_s
    assert step(speculating(B, tokens=4, accept=0.5)).draft_s == 0  # an n-gram table is free


def test_weights_in_the_hosts_memory_wait_for_the_host():
    shares = [step(replace(A, offload_share=s)).total_s for s in (0, 0.1, 0.5, 1.0)]
    assert shares == sorted(shares) and shares[-1] > 10 * shares[0]
    whole = step(replace(A, offload_share=1.0))
    streamed = whole.weight_bytes / A.gpu.host_bandwidth_bytes_s
    assert whole.dense_s + whole.host_s == pytest.approx(streamed)
    assert "waiting for the host" in whole.explain()


def test_adapters_are_read_once_for_each_in_the_batch():
    one, many = (step(replace(B, lora=Lora(rank=16, adapters=n))) for n in (1, 64))
    assert 0 < one.adapter_s < many.adapter_s
    assert many.adapter_s == pytest.approx(16 * one.adapter_s, rel=0.05)  # 16 users at most
    assert "adapters" in many.explain()


@given(st.integers(1, 10), st.floats(1e3, 1e9))
def test_an_all_reduce_takes_the_better_way_for_its_size(log_cards, size):
    cards = 1 + log_cards
    kwargs = {"cards": cards, "link_bandwidth_bytes_s": 450e9, "latency_s": 5e-6}
    got = bandwidth.all_reduce_s(message_bytes=size, **kwargs)
    one_shot = (cards - 1) * size / 450e9 + 5e-6
    two_shot = 2 * (cards - 1) / cards * size / 450e9 + 1e-5
    assert got == pytest.approx(min(one_shot, two_shot))
