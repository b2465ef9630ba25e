"""Stage 2: each term of the step is there, and moves the way physics does."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, catalog, design, law
from llmcap_kernel.spec import CEILING, BadInput, Efficiency, Workload

from .strategies import deployments, efficiencies, nonsense, workloads

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


@given(deployments(), workloads)
def test_no_estimate_beats_the_ceiling(d, load):
    real = Efficiency(0.8, 0.5, 0.5, 0.6, 5e-5, 1e-3, 2e-5)
    ceiling, estimate = (bandwidth.serve(d, load, efficiency=e) for e in (CEILING, real))
    assert estimate.itl_decode_s > ceiling.itl_decode_s
    assert estimate.itl_served_s > ceiling.itl_served_s
    assert estimate.ttft_idle_s > ceiling.ttft_idle_s
    assert estimate.output_tok_s < ceiling.output_tok_s


@given(deployments(), workloads, efficiencies)
def test_every_share_and_latency_only_slows_down(d, load, efficiency):
    ceiling, estimate = (bandwidth.serve(d, load, efficiency=e) for e in (CEILING, efficiency))
    assert estimate.itl_served_s >= ceiling.itl_served_s * (1 - 1e-12)


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


@given(workloads)
def test_served_latency_is_decode_alone_for_one_user(load):
    one = bandwidth.serve(B, load, concurrency=1)
    assert one.itl_served_s == one.itl_decode_s
    assert one.ttft_burst_s == one.ttft_idle_s


@given(deployments(), workloads)
def test_throughput_lies_below_decode_alone(d, load):
    s = bandwidth.serve(d, load)
    assert s.output_tok_s < load.concurrency / s.itl_decode_s


def test_collectives():
    ring = bandwidth.all_reduce_s
    assert ring(message_bytes=1e9, cards=1, link_bandwidth_bytes_s=1e9) == 0
    assert ring(message_bytes=1e9, cards=8, link_bandwidth_bytes_s=1e9) == pytest.approx(1.75)
    moved = bandwidth.all_to_all_s(message_bytes=1e9, cards=8, link_bandwidth_bytes_s=1e9)
    assert moved == pytest.approx(0.875)


def test_expert_parallelism_trades_all_reduces_for_exchanges():
    spread = replace(C, ep=4)
    tokens = 16
    assert bandwidth.communication_s(spread, tokens) != bandwidth.communication_s(C, tokens)


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
    serving = bandwidth.serve(B, Workload(7000, 1000, 16))
    assert "itl_served" in serving.explain() and "15 x" in serving.explain()
