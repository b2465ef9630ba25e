"""Users who ask again as soon as they are answered: how long they wait, and what they get."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, capacity, design
from llmcap_kernel.serving import Served, closed_loop_wait_s, load_work, serve
from llmcap_kernel.spec import CEILING, Efficiency, Workload

from . import plain
from .strategies import deployments, efficiencies, workloads

A, B, C = design.worked_spec()
LOAD = Workload(7000, 1000, 16)
# Prompts of 7,000 tokens fill a step, and have it for themselves.
APART = replace(B, engine=replace(B.engine, mixes_prompts=False), max_num_batched_tokens=7000)
IN_TURN = Efficiency(prefill_share=1.0)  # the spec sheet, and decoding waits for every prefill
SLOWER = Efficiency(0.8, 0.5, 0.5, 0.6, 5e-5, 1e-3, 2e-5)

prompts = st.floats(1e-3, 10)
aways = st.floats(1e-3, 1000)
shares = st.floats(0, 1)


def wait(users, prompt_s, away_s, **kwargs):
    others_s = (users - 1) * prompt_s
    return closed_loop_wait_s(prompt_s=prompt_s, others_s=others_s, away_s=away_s, **kwargs)


# the wait


@given(st.integers(1, 500), prompts, aways, shares, shares)
def test_a_wait_lies_between_one_prompt_and_all_of_them(users, prompt_s, away_s, share, burst):
    got = wait(users, prompt_s, away_s, prefill_share=share, burst_share=burst)
    assert prompt_s * (1 - 1e-9) <= got <= users * prompt_s * (1 + 1e-9)


@given(st.integers(1, 500), prompts, aways)
def test_a_saturated_queue_is_waited_for_all_but_the_time_away(users, prompt_s, away_s):
    """The queue serves a prompt at a time: no round is shorter than all prompts together."""
    got = wait(users, prompt_s, away_s, prefill_share=0.0)
    assert got >= (users * prompt_s - away_s) * (1 - 1e-6)


def exact_wait(users, prompt_s, away_s):
    """Mean-value analysis, user by user (Reiser and Lavenberg 1980)."""
    queue = 0.0
    for n in range(1, users + 1):
        waited = prompt_s * (1 + queue)
        queue = n * waited / (waited + away_s)
    return waited


@given(st.integers(1, 200), st.floats(0.01, 1), st.floats(0.1, 100))
def test_a_wait_is_near_the_exact_analysis(users, prompt_s, away_s):
    close = wait(users, prompt_s, away_s, prefill_share=0.0)
    assert close == pytest.approx(exact_wait(users, prompt_s, away_s), rel=0.25)


def test_two_waits_by_hand():
    """16 prompts of half a second, ten seconds away.

    Where decoding waits for every prefill a round is 10 + 8 s, and of it W is spent in
    the queue: W = 0.5 + 7.5 W / 18, which is 6/7. Where it waits for none a round is
    10 + W: W = 0.5 + 7.5 W / (10 + W), so that (W + 1)^2 = 6.
    """
    assert wait(16, 0.5, 10.0, prefill_share=1.0) == pytest.approx(6 / 7)
    assert wait(16, 0.5, 10.0, prefill_share=0.0) == pytest.approx(6**0.5 - 1)


@given(st.integers(2, 300), prompts, aways, shares)
def test_a_newcomer_finds_the_others_as_often_as_they_queue(users, prompt_s, away_s, share):
    """The wait solves its own definition, found here by halving an interval."""
    others_s = (users - 1) * prompt_s

    def lacks(waited):
        decoding_s = away_s + share * (prompt_s + others_s - waited)
        return prompt_s + others_s * waited / (waited + decoding_s) - waited

    low, high = 0.0, prompt_s + others_s
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if lacks(middle) > 0 else (low, middle)
    got = wait(users, prompt_s, away_s, prefill_share=share)
    assert got == pytest.approx(low, rel=1e-5)


@given(st.integers(1, 300), prompts)
def test_those_who_ask_at_once_wait_for_half_of_the_others(users, prompt_s):
    """Places 1 to n in a queue that is empty otherwise: (n + 1) / 2 prompts on average."""
    got = wait(users, prompt_s, 1e9 * users * prompt_s, burst_share=1.0)
    assert got == pytest.approx(prompt_s * sum(range(1, users + 1)) / users, rel=1e-6)


@given(st.integers(2, 300), prompts, aways, shares, shares)
def test_bursts_never_shorten_a_wait(users, prompt_s, away_s, share, burst):
    spread, bursts = (
        wait(users, prompt_s, away_s, prefill_share=share, burst_share=b) for b in (0.0, burst)
    )
    assert bursts >= spread


# what users get


@given(deployments(), workloads)
def test_no_slower_deployment_beats_the_ceiling(d, load):
    ceiling, estimate = (serve(d, load, e) for e in (CEILING, SLOWER))
    assert estimate.itl_decode_s > ceiling.itl_decode_s
    assert estimate.itl_s > ceiling.itl_s
    assert estimate.ttft_idle_s > ceiling.ttft_idle_s
    assert estimate.output_tok_s < ceiling.output_tok_s


@given(deployments(), workloads, efficiencies, shares)
def test_every_share_and_latency_only_slows_down(d, load, efficiency, share):
    real = replace(efficiency, prefill_share=share)
    ceiling, estimate = (serve(d, load, e) for e in (CEILING, real))
    assert estimate.itl_s >= ceiling.itl_s * (1 - 1e-12)
    assert estimate.ttft_idle_s >= ceiling.ttft_idle_s * (1 - 1e-12)


@given(workloads)
def test_one_user_waits_for_nobody(load):
    one = serve(B, replace(load, concurrency=1), IN_TURN)
    assert one.itl_s == pytest.approx(one.itl_decode_s)
    assert one.ttft_mean_s == pytest.approx(one.ttft_idle_s)
    assert one.ttft_burst_s == pytest.approx(one.ttft_idle_s)


@given(deployments(), workloads, shares)
def test_throughput_lies_below_decode_alone(d, load, share):
    s = serve(d, load, Efficiency(prefill_share=share))
    assert s.output_tok_s < s.users / s.itl_decode_s


@given(deployments(), workloads, efficiencies, shares)
def test_users_in_the_system_are_rate_times_time(d, load, efficiency, share):
    """Little's law: answers a second, times the seconds each takes, are the users."""
    s = serve(d, load, replace(efficiency, prefill_share=share, first_token_s=0.05))
    answers_s = s.output_tok_s / load.output_tokens
    assert answers_s * s.e2e_s == pytest.approx(load.concurrency)
    assert s.e2e_s == pytest.approx(s.ttft_mean_s + load.output_tokens * s.itl_s)


@given(deployments(), workloads, st.floats(0.05, 1.0))
def test_a_prompt_falls_into_the_queue_or_into_the_answer(d, load, share):
    """In a round each user prefills once: what was not waited for comes while decoding, which
    pauses for all of it, whatever share of a prompt a mixed step would wait for."""
    apart = replace(d, engine=replace(d.engine, mixes_prompts=False))
    s = serve(apart, load, Efficiency(compute=0.5, prefill_share=share))
    in_answer_s = (s.itl_s - s.itl_decode_s) * load.output_tokens
    all_s = s.users * s.other_s  # those that are computed together share a pass
    assert -1e-9 * all_s <= in_answer_s <= (1 + 1e-9) * all_s
    assert in_answer_s + s.queue_s == pytest.approx(all_s, rel=1e-6)


def test_who_decodes_meets_prompts_though_all_others_queue():
    """Prompts of 0.3 s and answers of ten tokens: most users are in the queue, and each step of
    those who decode still computes one of their chunks."""
    load = Workload(7000, 10, 16)
    s = serve(B, load, IN_TURN)
    waits_s = (s.itl_s - s.itl_decode_s) * load.output_tokens
    assert s.users * s.added_s - s.added_s > waits_s > s.users * s.added_s / 5


def test_who_is_long_on_the_way_back_waits_less_in_the_queue():
    """W = s + 15 s W / R by hand; the client's half second lengthens the round R."""
    near, far = (serve(APART, LOAD, replace(IN_TURN, first_token_s=t)) for t in (0.0, 0.5))
    for s, client_s in ((near, 0.0), (far, 0.5)):
        one_s = bandwidth.prefill(APART, input_tokens=7000).total_s
        round_s = 1000 * s.itl_decode_s + client_s + 16 * one_s
        assert s.queue_s == pytest.approx(one_s / (1 - 15 * one_s / round_s))
    assert far.queue_s < near.queue_s
    assert far.ttft_mean_s - far.queue_s == pytest.approx(0.5)


def test_at_the_ceiling_prefill_hides_behind_decoding():
    s = serve(B, LOAD)
    assert s.efficiency.prefill_share == 0.0
    assert s.itl_s == s.itl_decode_s
    assert serve(B, LOAD, IN_TURN).itl_s > s.itl_s


def test_three_first_tokens_in_order():
    for efficiency in (CEILING, IN_TURN, replace(SLOWER, prefill_share=0.7, first_token_s=0.1)):
        s = serve(B, LOAD, efficiency)
        assert s.ttft_idle_s < s.ttft_mean_s < s.ttft_burst_s


@given(st.integers(1, 15), st.integers(1, 20_000))  # all have room in the cache
def test_the_last_of_a_burst_waits_for_all_prompts(users, prompt):
    """Prompts come one by one: at the ceiling the fifth first token takes five prompts."""
    load = Workload(prompt, 100, users)
    s = serve(B, load)
    assert s.users == users
    one_s = bandwidth.prefill(B, input_tokens=prompt).total_s
    assert s.ttft_burst_s == pytest.approx(users * one_s)


def test_a_loop_computes_its_prompts_together_and_a_server_one_by_one():
    """Weights are read once for 16 prompts of 100 tokens, which fit one chunk."""
    load = Workload(100, 50, 16)

    def loop(workload):
        return Served(load_work(B, workload, batch=True), CEILING, B, workload)

    together, one_by_one = loop(load).batch_ttft_s, serve(B, load).ttft_burst_s
    assert together < one_by_one / 2
    alone = replace(load, concurrency=1)
    assert loop(alone).batch_ttft_s == pytest.approx(serve(B, alone).ttft_burst_s)


def test_who_finds_no_room_waits_for_a_whole_round():
    room = capacity.max_concurrent(B, LOAD.context_tokens)
    once, twice, thrice = (
        serve(B, replace(LOAD, concurrency=n * room), IN_TURN) for n in (1, 2, 3)
    )
    assert once.room_wait_s == 0 and twice.room_wait_s == pytest.approx(once.e2e_s)
    assert thrice.ttft_mean_s - twice.ttft_mean_s == pytest.approx(once.e2e_s)
    assert thrice.itl_s == twice.itl_s == once.itl_s
    assert thrice.output_tok_s == pytest.approx(once.output_tok_s)


def test_a_chunk_delays_everyone_and_spares_reading_the_weights_twice():
    s = serve(B, LOAD)
    assert s.itl_decode_s < s.itl_chunk_s < s.itl_decode_s + s.ttft_idle_s
    for prompt in (7000, 50_000):
        load = replace(LOAD, input_tokens=prompt)
        long = serve(B, load)
        mixed = bandwidth.mixed_step(
            B,
            context_tokens=load.mean_context_tokens,
            concurrency=long.users,
            prefill_tokens=prompt,
        )
        # what the engine's batch leaves beside one token of each user
        chunk = min(prompt, B.batch_limit_tokens - long.users)
        assert mixed.work.prefill_tokens == chunk
        assert long.itl_chunk_s == pytest.approx(mixed.total_s)


def test_the_explanation_names_every_wait():
    crowd = replace(LOAD, concurrency=2 * capacity.max_concurrent(B, LOAD.context_tokens))
    alone, waiting = (serve(B, load, IN_TURN).explain() for load in (LOAD, crowd))
    assert "queue = closed-loop wait" in alone and "ttft = queue + client\n" in alone
    assert "output_rate = users x output_tokens" in alone and "room_wait" not in alone
    assert "ttft = queue + client + room_wait" in waiting


@pytest.mark.parametrize(
    ("prompt", "users", "answer", "added_ms"),
    [
        (100, 16, 100, 0.0),  # 2 ms of computing and 0.32 of decoding hide behind 10 ms of reading
        (1000, 16, 100, 10.32),  # 20 + 0.32 beyond the 10 ms that decoding takes anyway
        (100, 400, 100, 1.5),  # four a step: 4 x 2 + 8 beyond the same 10, shared by four
        (3000, 16, 100, 30.96),  # three chunks of a thousand, each 10.32
    ],
)
def test_a_prompt_in_decode_steps_adds_what_reading_the_weights_leaves(
    prompt, users, answer, added_ms
):
    """1e10 weights of a byte, read in 10 ms at 1 TB/s; 0.02 ms a token at 1 PFLOP/s.

    A step takes a thousand tokens of prompts, and the longer of reading and computing."""
    s = serve(plain.deployment(), Workload(prompt, answer, users), IN_TURN)
    assert s.occupied_s * 1e3 == pytest.approx(max(10, 0.02 * prompt), rel=1e-3)
    assert s.added_s * 1e3 == pytest.approx(added_ms, rel=2e-3, abs=1e-3)
    waits_s = s.users * s.added_s - s.waited_queued_s
    assert (s.itl_s - s.itl_decode_s) * answer == pytest.approx(waits_s)


@given(deployments(), workloads, efficiencies)
def test_sharing_a_step_never_costs_more_than_a_step_of_ones_own(d, load, efficiency):
    mixing = replace(d, engine=replace(d.engine, mixes_prompts=True))
    both = serve(mixing, load, replace(efficiency, prefill_share=0.9))
    apart = replace(both, work=both.work._replace(mixed=0.0))  # each in steps of its own
    assert 0 <= both.added_s <= both.occupied_s
    assert both.output_tok_s >= apart.output_tok_s * (1 - 1e-9)
    assert both.itl_s <= apart.itl_s * (1 + 1e-9)


# steps of their own


def first_prompts(prompt, users, answer, **more):
    """1e10 weights of a byte, read in 10 ms; 0.02 ms a token; prompts have steps of their own."""
    d = plain.deployment()
    engine = replace(d.engine, mixes_prompts=False, **more)
    return replace(d, engine=engine), Workload(prompt, answer, users)


@pytest.mark.parametrize(
    ("prompt", "users", "together", "pass_ms"),
    [
        (1000, 16, 1.0, 20.0),  # a step takes a thousand tokens: one prompt and no more
        (500, 16, 1.082, 10.82),  # 0.16 come in a step: 0.16 / (1 - exp(-0.16)) of those not empty
        (100, 400, 4.075, 10.0),  # 4 / (1 - exp(-4)): all of them while the weights are read once
        (100, 1, 1.0, 10.0),
    ],
)
def test_prompts_that_come_together_share_a_pass(prompt, users, together, pass_ms):
    """SGLang's scheduler: prompts first, as many as a step has tokens for; answers of 100 steps."""
    s = serve(*first_prompts(prompt, users, 100), IN_TURN)
    assert s.work.together == pytest.approx(together, rel=1e-3)
    assert s.pass_s * 1e3 == pytest.approx(pass_ms, rel=1e-3)
    assert s.waited_s == pytest.approx(s.pass_s / s.work.together)


def test_users_in_step_wait_for_half_of_all_prompts():
    """By hand: 8 prompts of 500 tokens are four passes of 20 ms. A user waits for its own and half
    of the three others, 50 ms, and after its first token for what is left of 80 ms."""
    d, load = first_prompts(500, 8, 100)
    work = load_work(d, load, in_step=True)
    assert (work.together, work.at_once) == (2.0, 1.0)
    s = Served(work, IN_TURN, d, load)
    assert s.ttft_mean_s * 1e3 == pytest.approx(50, rel=1e-3)
    assert (s.itl_s - s.itl_decode_s) * 100 * 1e3 == pytest.approx(80 - 50, rel=1e-3)
    mixing = replace(d, engine=replace(d.engine, mixes_prompts=True))
    assert load_work(mixing, load, in_step=True).at_once < 0  # they drift apart


def test_the_host_holds_up_the_prompts_that_it_launches():
    """A pass takes what the host needs for its layers, or the 10 ms of the card if that is more."""
    d, load = first_prompts(500, 1, 100, launches_prompts=True)
    layers = d.model.layers
    for layer_s, pass_s in ((2e-3, max(layers * 2e-3, 0.01)), (1e-6, 0.01)):
        s = serve(d, load, replace(IN_TURN, prompt_layer_s=layer_s))
        assert s.pass_s == pytest.approx(pass_s, rel=1e-3)
        assert s.itl_decode_s == serve(d, load, IN_TURN).itl_decode_s  # decoding has graphs
