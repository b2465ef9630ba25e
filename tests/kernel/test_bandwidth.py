"""Stage 2: each term of the step is there, and moves the way physics does."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, calibration, catalog, design, law
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import CEILING, Attention, Efficiency, Lora, Speculation

from . import plain
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
    d = replace(d, pp=1)  # of a pipeline's next chunk most is hidden behind the stages
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
        [x.kind for x in bandwidth.exchanges(replace(C, **change), 64)]
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


def test_a_sum_across_nodes_leaves_by_every_card_of_a_node():
    """900 MB on two nodes of eight H100: each card's eighth passes a network card of 50 GB/s in
    2.25 ms, twice seven eighths pass NVLink in 3.5 ms, and at best both at once."""
    two = catalog.deployment(model="llama-3.1-405b", gpu="h100-sxm", tp=16, weights="fp8")
    d = two.model.hidden_size * bandwidth.collectives.ACTIVATION_BYTES
    (made,) = bandwidth.exchanges(two, 9e8 / d)
    assert 2.25e-3 < made.each_s(CEILING, 0.0) < 3.5e-3 + 2.25e-3
    # engines are measured at no more than one card's 50 GB/s: as far off stands the estimate
    one = replace(CEILING, one_path_share=1.0)
    assert made.each_s(one, 0.0) == pytest.approx(8 * made.each_s(CEILING, 0.0))
    tokens_away = bandwidth.exchanges(replace(two, tp=8, pp=2), 9e8 / d)[-1]
    assert tokens_away.each_s(CEILING, 0.0) == pytest.approx(9e8 / 8 / 50e9)  # a hand-on has one


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


@pytest.mark.parametrize(
    ("engine", "launches"),
    [
        ("vllm-0.25", 12),  # vLLM 47460: a draft model had no graphs at all
        ("vllm-0.27", 3),  # vLLM 45258: pieces, and attention between them
        ("sglang", 0),
        ("llama.cpp", 0),
    ],
)
def test_the_host_launches_the_kernels_of_a_draft(engine, launches):
    """22 layers of TinyLlama, of whose 12 kernels each some are in no graph."""
    d = catalog.deployment(model="qwen3-4b", gpu="rtx-3090", engine=engine)
    d = replace(d, speculation=Speculation(4, 0.7, catalog.model("tinyllama-1.1b")))
    work = bandwidth.decode_work(d, context_tokens=1000)
    assert work.draft.launched_layers == pytest.approx(22 * launches / 12)
    assert work.draft.layers + work.draft.launched_layers == pytest.approx(22)
    assert (work.layers, work.launched_layers) == (36, 0)
    slow = work.parts(Efficiency(launched_layer_s=1e-4))["draft_s"] - work.parts(CEILING)["draft_s"]
    assert slow == pytest.approx(4 * 22 * launches / 12 * 1e-4)


def test_without_graphs_the_host_launches_every_layer():
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", eager=True)
    work = bandwidth.decode_work(d, context_tokens=1000)
    assert (work.layers, work.launched_layers) == (0, 32)
    plain = calibration.efficiency_for(d)
    assert plain.launched_layer_s > plain.layer_s > 0
    graphs = bandwidth.decode_work(replace(d, eager=False), context_tokens=1000)
    assert work.total_s(CEILING) == graphs.total_s(CEILING)
    more = work.total_s(plain) - graphs.total_s(plain)
    assert more == pytest.approx(32 * (plain.launched_layer_s - plain.layer_s))


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


# --- counts made by hand ----------------------------------------------------


@pytest.mark.parametrize(("pp", "share"), [(1, 1.0), (2, 1 / 2), (4, 1 / 4)])
def test_a_decode_step_keeps_one_of_the_stages_busy(pp, share):
    """Each of `pp` micro-batches is in one stage at a time, for 1 / pp of its pass."""
    d = plain.deployment(pp=pp)
    got = bandwidth.decode_step(d, context_tokens=100, concurrency=8)
    assert got.work.share == share
    assert got.share_s == pytest.approx(got.total_s * share)


def test_the_first_stage_of_a_pipeline_is_free_after_its_part_of_every_chunk():
    """Three chunks of 1 000 tokens through four stages, 20 ms a chunk over all of them.

    10 layers of a thousand million weights: 2e10 FLOP a token, 2e13 a chunk,
    20 ms at 1 PFLOP/s, 5 ms a stage. The last chunk leaves the last stage after
    3 + 4 - 1 = 6 turns of 5 ms; each stage has worked for 3 of them.
    """
    d = plain.deployment(pp=4)
    got = bandwidth.prefill(d, input_tokens=3000)
    assert got.dense_s == pytest.approx(6 * 0.005)
    assert got.dense_s * got.work.share == pytest.approx(3 * 0.005)
    assert got.work.steps == pytest.approx(6 / 4) and got.work.tokens == 3000
    # attention: 10 layers, 8 heads, keys and values of 10, and no more of it in a pipeline
    pairs = 3000 * 3001 / 2
    assert got.attention_s == pytest.approx(10 * 2 * 8 * 20 * pairs / 1e15 * (6 / 4) / 3)
    # both work alike for one card, where nothing waits
    alone = bandwidth.prefill(plain.deployment(), input_tokens=3000)
    assert alone.dense_s == pytest.approx(0.060) and alone.work.share == 1


def counted(d, tokens=64, times=1.0):
    return {x.kind: x for x in bandwidth.exchanges(d, tokens, times)}


def test_each_card_of_a_stage_hands_on_its_slice():
    """vLLM's send_tensor_dict sends one slice a card of `all_gather_group`, the tp group."""
    for tp, pp in ((1, 2), (2, 3), (4, 2)):
        handed = counted(plain.deployment(tp=tp, pp=pp))["stage hand-on"]
        assert handed.count == pp - 1
        assert handed.message_bytes == 64 * 1000 * 2 / tp
        assert handed.wire_s == pytest.approx(64 * 1000 * 2 / tp / 1e11)
    # twelve cards do not fit into a node of eight: the slower network between them
    apart = counted(plain.deployment(tp=4, pp=3))["stage hand-on"]
    assert apart.wire_s == pytest.approx(64 * 1000 * 2 / 4 / 1e10)


@pytest.mark.parametrize(
    ("model", "tp", "dcp", "layers", "queries", "sums", "outputs"),
    [  # of the heads of the cards that share a cache: 8 of 128 wide, and 128 with latents
        ("llama-3.1-70b", 16, 2, 80, 8 * 128 * 2, 8 * 2 * 4, 8 * 128 * 2),
        ("deepseek-v3", 8, 8, 61, 128 * (512 + 64) * 2, 128 * 8 * 4, 128 * 512 * 2),
    ],
)
def test_cards_that_spread_a_cache_exchange_queries_and_outputs(
    model, tp, dcp, layers, queries, sums, outputs
):
    """vLLM 0.33, v1/attention/ops/dcp.py: out [B, H, D] in 16 bits, lse [B, H] in 32."""
    alone = catalog.deployment(model=model, gpu="h200-sxm", engine="vllm", tp=tp)
    d = replace(alone, dcp=dcp)
    found = counted(d)
    sent = {"query gather": queries, "sum gather": sums, "output scatter": outputs}
    assert {k: (found[k].count, found[k].message_bytes) for k in sent} == {
        kind: (layers, pytest.approx(64 * each)) for kind, each in sent.items()
    }
    assert {found[kind].cards for kind in sent} == {dcp}
    assert not set(sent) & set(counted(alone))
    times = [
        sum(x.count * x.each_s(CEILING, 1e-5) for x in bandwidth.exchanges(one, 64))
        for one in (d, alone)
    ]
    wire_s = 64 * (queries + sums + outputs) * (dcp - 1) / dcp / 450e9
    assert times[0] - times[1] == pytest.approx(layers * (3e-5 + wire_s))
    prompt = bandwidth.prefill_work(d, input_tokens=64)
    assert {x.kind: x.count for x in prompt.exchanges if x.kind in sent} == dict.fromkeys(sent, 0)


def test_a_hand_on_pays_its_wire_and_its_latency_once():
    work = bandwidth.decode_work(plain.deployment(tp=2, pp=2), context_tokens=100, concurrency=8)
    slow = Efficiency(link_bandwidth=0.5, all_reduce_s=1e-5)
    _, handed = (x.each_s(slow, work.latency_s(slow)) for x in work.exchanges)
    assert handed == pytest.approx(4 * 1000 * 2 / 2 / 1e11 / 0.5 + 1e-5)  # four of eight users


def test_tensor_parallelism_sums_twice_a_layer_and_shared_attention_once():
    """Shoeybi et al., arXiv 1909.08053, section 3: after attention and after the MLP."""
    summed = counted(plain.deployment(tp=4), times=3.0)["all-reduce"]
    assert (summed.count, summed.message_bytes, summed.cards) == (3 * 2 * 10, 64 * 1000 * 2, 4)
    alone = counted(plain.deployment(tp=4, dp_attention=True))["all-reduce"]
    assert (alone.count, alone.message_bytes) == (10, 64 * 1000 * 2)
    assert bandwidth.exchanges(plain.deployment(), 64) == ()


def test_spread_experts_get_a_copy_of_a_token_for_each_that_answers():
    """Four cards: each has 64 / 4 tokens, sends each to 2 experts and gets it back.

    The dispatch and combine of GShard, arXiv 2006.16668: two exchanges a
    layer with experts, none in the four layers that have none.
    """
    served = replace(plain.experts(layers=6), layers=10)
    d = plain.deployment(served, tp=4, ep=4, dp_attention=True)
    sent = counted(d, times=3.0)["all-to-all"]
    assert (sent.count, sent.cards) == (3 * 2 * 6, 4)
    assert sent.message_bytes == 64 / 4 * 2 * 1000 * 2
    assert sent.each_s(CEILING, 0.0) == pytest.approx(3 / 4 * 64 / 4 * 2 * 2000 / 1e11)
    assert counted(d)["all-reduce"].count == 10 - 6  # dense layers gather and scatter
    # half as many groups, twice the tokens each
    half = counted(replace(d, ep=2))["all-to-all"]
    assert (half.message_bytes, half.cards) == (64 / 2 * 2 * 1000 * 2, 2)


def test_two_shots_pay_from_the_message_on_that_is_worth_a_latency():
    """One shot sends n - 1 messages, two send 2 (n - 1) / n and wait once more.

    They are even at m = latency x bandwidth x n / ((n - 1) (n - 2)): vLLM and
    TensorRT-LLM switch kernels for the same reason. Eight cards, 10 us, 450 GB/s:
    4.5 MB x 8 / 42 = 857 143 bytes.
    """
    kwargs = {"cards": 8, "link_bandwidth_bytes_s": 450e9, "latency_s": 1e-5}
    even = 4.5e6 * 8 / 42
    below = bandwidth.all_reduce_s(message_bytes=even / 2, **kwargs)
    assert below == pytest.approx(7 * even / 2 / 450e9 + 1e-5)
    above = bandwidth.all_reduce_s(message_bytes=even * 2, **kwargs)
    assert above == pytest.approx(2 * 7 / 8 * even * 2 / 450e9 + 2e-5)
    # with two cards one shot moves no more than two, so it always pays
    two = bandwidth.all_reduce_s(
        message_bytes=1e9, cards=2, link_bandwidth_bytes_s=1e9, latency_s=0.1
    )
    assert two == pytest.approx(1.1)


def test_an_all_to_all_pays_one_latency_and_a_lone_card_none():
    kwargs = {"message_bytes": 1e9, "link_bandwidth_bytes_s": 1e9, "latency_s": 0.1}
    assert bandwidth.all_to_all_s(cards=4, **kwargs) == pytest.approx(0.75 + 0.1)
    assert bandwidth.all_to_all_s(cards=1, **kwargs) == 0


def test_streamed_weights_hide_behind_the_work_on_those_that_are_here():
    """10 GB of weights: 10 ms from memory; half of them 50 ms from the host at 0.1 TB/s.

    While the layers work for 10 ms the stream runs on, so 40 ms are waited for.
    """
    half = plain.deployment(offload_share=0.5)
    got = bandwidth.decode_step(half, context_tokens=1)
    assert got.dense_s == pytest.approx(0.010)
    assert got.host_s == pytest.approx(0.050 - 0.010)
    few = replace(half, offload_share=0.05)  # 5 ms, all of it behind the work
    assert bandwidth.decode_step(few, context_tokens=1).host_s == 0
    # a prefill of 1 000 tokens computes for 20 ms meanwhile, or for 40 in two chunks
    assert bandwidth.prefill(half, input_tokens=1000).host_s == pytest.approx(0.050 - 0.020)
    both = bandwidth.prefill(half, input_tokens=2000)
    assert both.host_s == pytest.approx(2 * (0.050 - 0.020))


def test_streamed_experts_hide_behind_the_experts_too():
    """8 experts a layer, 2 answer one token: 10 GB dense, 8 x 0.25 x 1 GB of experts.

    12 GB are read in 12 ms; half of what is read, 6 GB, takes 60 ms from the host.
    """
    d = plain.deployment(plain.experts(), offload_share=0.5)
    got = bandwidth.decode_step(d, context_tokens=1)
    assert (got.dense_s, got.expert_s) == (pytest.approx(0.010), pytest.approx(0.002))
    assert got.host_s == pytest.approx(0.060 - 0.010 - 0.002)


def test_a_step_reads_the_experts_its_batch_touches_and_computes_those_it_visits():
    """DeepSeek-V3 in FP8 on eight H200, 16 tokens: 87 of 256 experts in 58 layers.

    An expert is three matrices of 7 168 x 2 048 (arXiv 2412.19437, section 4.2),
    a byte each, an eighth on each card.
    """
    touched = 256 * 8 * 16 / (256 - 8 + 8 * 16)
    one = 3 * 7168 * 2048
    got = bandwidth.decode_work(C, context_tokens=1000, concurrency=16)
    assert got.expert_read_s == pytest.approx(58 * touched * one / 8 / 4.8e12)
    assert got.expert_math_s == pytest.approx(2 * 16 * 8 * 58 * one / 8 / 1978.9e12)
    assert got.routed_layers == 58  # 256 of which 8 answer is what others are weighed against


def test_a_plain_step_part_by_part():
    """Two cards, 8 users of 100 tokens: every term counted alone."""
    d = plain.deployment(tp=2)
    got = bandwidth.decode_work(d, context_tokens=100, concurrency=8)
    assert got.dense_read_s == pytest.approx(10e9 / 2 / 1e12)
    assert got.dense_math_s == pytest.approx(2 * 10e9 * 8 / 2 / 1e15)
    assert got.kv_bytes == 8 * 100 * 10 * 8 * 20 / 2
    assert got.kv_read_s == pytest.approx(got.kv_bytes / 1e12)
    assert got.kv_math_s == pytest.approx(8 * 10 * 2 * 8 * 20 * 100 / 2 / 1e15)
    assert got.flops == pytest.approx((2 * 10e9 * 8 + 8 * 10 * 2 * 8 * 20 * 100) / 2)
    assert (got.layers, got.steps, got.scheduled, got.tokens) == (10, 1, 8, 8)
    assert (got.routed_layers, got.expert_read_s, got.host_read_s) == (0, 0, 0)


def test_data_parallel_attention_shares_the_sequences_out_and_a_card_has_one_at_least():
    """Nine users on four cards come and go: over many steps a card has nine quarters of them, with
    all of each one's cache. Two users leave two cards idle, and the others have one each."""
    d = plain.deployment(tp=4, dp_attention=True)
    for users, on_card in ((9, 9 / 4), (2, 1)):
        got = bandwidth.decode_work(d, context_tokens=100, concurrency=users)
        assert got.kv_bytes == on_card * 100 * 10 * 8 * 20
        assert got.kv_math_s == pytest.approx(on_card * 10 * 2 * 8 * 20 * 100 / 1e15)
        assert got.scheduled == on_card and got.tokens == users


def test_every_inefficiency_slows_its_own_part():
    """Round numbers through `Work.parts`: each share and latency in one place only."""
    work = bandwidth.Work(
        dense_math_s=1.0,
        dense_read_s=3.0,
        expert_math_s=5.0,
        expert_read_s=2.0,
        kv_math_s=1.0,
        kv_read_s=4.0,
        prompt_math_s=7.0,
        score_read_s=3.0,
        adapter_math_s=2.0,
        adapter_read_s=6.0,
        host_read_s=40.0,
        layers=10,
        routed_layers=4,
        steps=2,
        scheduled=3,
        without_link=1.0,
    )
    e = Efficiency(
        bandwidth=0.5,
        kv_bandwidth=0.8,
        compute=0.25,
        expert_bandwidth=0.5,
        expert_compute=0.5,
        attention_compute=0.5,
        weight_only_compute=0.5,
        layer_s=0.1,
        moe_layer_s=0.2,
        step_s=0.3,
        sequence_s=0.4,
        all_reduce_s=0.01,
        pcie_exchange_s=0.02,
    )
    assert work.parts(e) == {
        "dense_s": pytest.approx(3 / 0.5),
        "expert_s": pytest.approx(5 / (0.25 * 0.5)),
        "attention_s": pytest.approx(4 / 0.8 + 7 / (0.25 * 0.5) + 3 / 0.5),
        "communication_s": 0,
        "fixed_s": pytest.approx(10 * 0.1 + 4 * 0.2 + 2 * 0.3 + 3 * 0.4),
        "draft_s": 0.0,
        "adapter_s": pytest.approx(6 / 0.5),
        "host_s": 0.0,  # 40 s of streaming behind 6 s and 40 s of work
        "launch_s": 0.0,  # no layer is awaited
    }
    unpacked = work._replace(unpacked=1.0, host_read_s=100.0).parts(e)
    assert unpacked["dense_s"] == pytest.approx(1 / (0.25 * 0.5))
    assert unpacked["expert_s"] == pytest.approx(5 / (0.25 * 0.5 * 0.5))
    assert unpacked["host_s"] == pytest.approx(100 - 8 - 80)
    assert work.latency_s(e) == pytest.approx(0.03)
    assert work._replace(without_link=0.0).latency_s(e) == pytest.approx(0.01)
    drafting = work._replace(draft=bandwidth.Work(1.0, 3.0), guesses=4).parts(e)
    assert drafting["draft_s"] == pytest.approx(4 * 3 / 0.5)


def test_only_the_last_token_of_a_prompt_meets_the_head():
    """Llama 3.1 8B: 6.98e9 of its weights work on every token of a prompt, arXiv 2407.21783."""
    hidden, inner, layers = 4096, 14_336, 32
    on_all = layers * (2 * hidden * hidden + 2 * hidden * 1024 + 3 * hidden * inner)
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    got = bandwidth.prefill_work(d, input_tokens=4000)
    assert got.dense_math_s == pytest.approx(2 * on_all * 4000 / 989.4e12)
    decode = bandwidth.decode_work(d, context_tokens=100, concurrency=4)
    assert decode.dense_math_s == pytest.approx(2 * (on_all + 128_256 * hidden) * 4 / 989.4e12)


def test_a_step_with_a_chunk_drafts_nothing():
    asked = {"context_tokens": 4000, "concurrency": 8, "prefill_tokens": 4096}
    drafting = bandwidth.mixed_step(speculating(B, tokens=3, accept=0.8), **asked)
    assert drafting.total_s == bandwidth.mixed_step(B, **asked).total_s


def test_the_tokens_of_a_step_are_written_with_one_power_more_than_it_drafts():
    lines = step(speculating(B, tokens=3, accept=0.8)).lines()
    (line,) = [one for one in lines if one.name == "tokens_per_step"]
    # Leviathan et al. 2022: of three drafted at 0.8, (1 - 0.8^4) / 0.2 = 0.5904 / 0.2
    assert line.numbers == "(1 - 0.8^4) / (1 - 0.8)" and line.value == "2.95"


def test_a_mixed_step_reads_once_for_both():
    """8 users beside a prompt of 5 000: the engine's 1 000 tokens leave 992 of it."""
    got = bandwidth.mixed_step(
        plain.deployment(), context_tokens=100, concurrency=8, prefill_tokens=5000
    ).work
    assert got.prefill_tokens == 992 and got.tokens == 1000 and got.scheduled == 8
    assert got.dense_read_s == pytest.approx(10e9 / 1e12)
    assert got.dense_math_s == pytest.approx(2 * 10e9 * 1000 / 1e15)
    assert got.kv_bytes == 8 * 100 * 10 * 8 * 20
    pairs = 992 * 993 / 2
    assert got.prompt_math_s == pytest.approx(10 * 2 * 8 * 20 * pairs / 1e15)
    pairs += 8 * 100
    assert got.flops == pytest.approx(2 * 10e9 * 1000 + 10 * 2 * 8 * 20 * pairs, rel=1e-9)
    both = bandwidth.mixed_step(
        plain.deployment(tp=2), context_tokens=100, concurrency=8, prefill_tokens=200
    ).work
    assert both.prefill_tokens == 200 and both.tokens == 208
    assert both.prompt_math_s == pytest.approx(10 * 2 * 8 * 20 * 200 * 201 / 2 / 2 / 1e15)


def test_scores_that_leave_the_chip_are_written_and_read_back():
    """By hand: 10 layers of 8 heads; the n-th of 100 tokens has n scores, 16 bytes each."""
    engine = replace(plain.deployment().engine, name="two products", score_bytes=16)
    scores = 10 * 8 * 100 * 101 / 2
    for cards in (1, 2):
        d = replace(plain.deployment(tp=cards), engine=engine)
        alone = bandwidth.prefill_work(d, input_tokens=100)
        assert alone.score_read_s == pytest.approx(scores / cards * 16 / 1e12)
    # the last 100 of 300 tokens have 200 scores more each, and a chunk beside others as many
    behind = bandwidth.prefill_work(d, input_tokens=300, cached_tokens=200)
    assert behind.score_read_s == pytest.approx((scores + 10 * 8 * 100 * 200) / 2 * 16 / 1e12)
    beside = bandwidth.mixed_step(d, context_tokens=9, concurrency=1, prefill_tokens=100).work
    assert beside.score_read_s == alone.score_read_s
    assert bandwidth.prefill_work(plain.deployment(), input_tokens=100).score_read_s == 0


PACKED = replace(plain.BYTE, name="packed", gguf="Q8_0")


@pytest.mark.parametrize(("users", "columns"), [(1, 0), (2, 1), (8, 7), (9, 7), (2000, 7)])
def test_a_kernel_for_vectors_pays_for_each_token_but_the_first(users, columns):
    """llama.cpp's `mul_mat_vec_q` takes MMVQ_MAX_BATCH_SIZE = 8 tokens at most (ggml-cuda). By
    hand: ten thousand million weights are 20 us a token at a PFLOP/s, at a hundredth of it 2 ms."""
    work = bandwidth.decode_work(
        plain.deployment(weights=PACKED), context_tokens=100, concurrency=users
    )
    read_s, token_s = work.dense_read_s, 20e-6
    tensor_s = max(users * token_s, read_s)
    assert work.parts(Efficiency())["dense_s"] == pytest.approx(tensor_s)
    slow = work.parts(Efficiency(matvec_compute=0.01))["dense_s"]
    assert slow == pytest.approx(max(tensor_s, read_s + columns * 99 * token_s))
    # at a ten thousandth, the first token's pass is repeated
    least = work.parts(Efficiency(matvec_compute=1e-4))["dense_s"]
    assert least == pytest.approx(max(tensor_s, read_s * (1 + columns)))
    plainly = bandwidth.decode_work(plain.deployment(), context_tokens=100, concurrency=users)
    assert plainly.parts(Efficiency(matvec_compute=0.01))["dense_s"] == pytest.approx(
        max(users * token_s, plainly.dense_read_s)
    )


def test_llama_cpp_passes_all_users_through_its_stages_in_one_batch():
    """Four stages: vLLM fills them with a quarter of the users each, llama.cpp with all in turn."""
    for family, tokens in (("vllm", 2), ("llama.cpp", 8)):
        d = plain.deployment(pp=4, engine=plain.engine(family=family))
        assert bandwidth.decode_work(d, context_tokens=100, concurrency=8).tokens == tokens


def test_an_exchange_waits_for_the_slowest_of_its_cards():
    """Of n cards n - 1 may be late: with 2 us each, four wait 6 us beside the exchange's own 1."""
    e = Efficiency(rank_s=2e-6)
    for cards, waited in ((2, 2e-6), (4, 6e-6)):
        one = bandwidth.Exchange("all-reduce", 1, 0.0, 0.0, cards)
        assert one.each_s(e, 1e-6) == pytest.approx(1e-6 + waited)
    assert bandwidth.Exchange("all-reduce", 1, 0.0, 0.0, 8).each_s(Efficiency(), 1e-6) == 1e-6


SIX_HEADS = plain.model(attention=(Attention("full", layers=10, heads=6, kv_heads=6, head_dim=10),))


@pytest.mark.parametrize(
    ("draft", "tp"), [(plain.model(), 4), (SIX_HEADS, 1)], ids=["eight heads", "six heads"]
)
def test_a_draft_is_split_where_its_heads_divide_and_else_copied(draft, tp):
    big = plain.deployment(
        plain.experts(), tp=4, pp=2, ep=4, dp_attention=True, lora=Lora(8), offload_share=0.5
    )
    got = bandwidth.draft_deployment(speculating(big, tokens=3, accept=0.5, draft=draft))
    assert (got.model, got.tp, got.pp, got.ep) == (draft, tp, 1, 1)
    assert (got.dp_attention, got.lora, got.offload_share) == (False, None, 0.0)
    # a card reads a quarter of the draft's 10 GB, or all of them, for each of three guesses
    guessing = speculating(plain.deployment(tp=4), tokens=3, accept=0.5, draft=draft)
    step_of = bandwidth.decode_work(guessing, context_tokens=1, concurrency=1)
    assert step_of.draft.dense_read_s == pytest.approx(10e9 / tp / 1e12)
    assert (step_of.guesses, step_of.tokens) == (3, 4)  # three guesses and one more are checked
    assert step_of.kv_math_s == pytest.approx(4 * 10 * 2 * 8 * 20 / 4 / 1e15)
    assert step_of.tokens_per_step == pytest.approx(1 + 0.5 + 0.25 + 0.125)


def test_a_step_with_a_chunk_reads_the_weights_and_waits_for_the_cards_once():
    """Eight sequences and a chunk of 1 000: the weights once, the messages of both in each of 20
    all-reduces, and no launch more than decoding alone."""
    d = plain.deployment(tp=2)
    decode = bandwidth.decode_work(d, context_tokens=100, concurrency=8)
    prompt = bandwidth.prefill_work(d, input_tokens=3000)
    both = bandwidth.joined(decode, prompt, 1.0)
    assert both.dense_read_s == decode.dense_read_s
    assert both.dense_math_s == pytest.approx(1008 * 1e10 / 1e15)
    assert both.prompt_math_s == pytest.approx(prompt.prompt_math_s / 3)
    summed, each = both.exchanges[0], decode.exchanges[0]
    assert summed.count == each.count and summed.message_bytes == 1008 * 1000 * 2
    assert summed.wire_s == pytest.approx(1008 * 1000 * 2 / 1e11)
    assert (both.steps, both.layers, both.scheduled) == (1.0, 10.0, 8)


@pytest.mark.parametrize(("title", "link", "behind"), [
    ("NVIDIA GeForce Plain", "pcie4x16", 3.0),  # four pairs on one path
    ("NVIDIA GeForce Plain", "nvlink4", 0.0),
    ("Plain", "pcie4x16", 0.0),
])  # fmt: skip
def test_cards_that_meet_in_the_hosts_memory_alone_share_its_path(title, link, behind):
    """Eight cards, 2 MB: two shots move 7 / 4 of it at 0.1 TB/s, 35 us, and four times as long
    where four pairs send on one path."""
    gpu = replace(plain.card(link=link), title=title)
    d = plain.deployment(gpu=gpu, tp=8)
    summed = bandwidth.exchanges(d, 1000)[0]
    for share in (0.0, 0.5, 1.0):
        each_s = summed.each_s(Efficiency(one_path_share=share), 0.0)
        assert each_s == pytest.approx(7 / 4 * 2e6 / 1e11 * (1 + share * behind))


@given(st.floats(1e-9, 10), st.floats(1e-9, 10), st.floats(0, 1))
def test_a_rounded_roofline_lies_between_the_longer_and_the_sum(math_s, read_s, share):
    got = bandwidth.work.overlapped_s(math_s, read_s, share)
    assert max(math_s, read_s) * (1 - 1e-12) <= got <= math_s + read_s
    assert bandwidth.work.overlapped_s(math_s, read_s, 0.0) == max(math_s, read_s)


def test_every_part_of_a_step_is_rounded_at_its_ridge():
    """Where computing takes as long as reading, a part takes the root of two times as long."""
    work = bandwidth.Work(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    sharp, round_ = (work.parts(Efficiency(rounded_share=share)) for share in (0.0, 1.0))
    for part in ("dense_s", "expert_s", "attention_s"):
        assert sharp[part] == 1.0 and round_[part] == pytest.approx(2**0.5)
