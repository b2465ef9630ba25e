"""The loop against the exact results of queueing theory, and what it may never do."""

import math
import statistics
from dataclasses import replace
from statistics import NormalDist, fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import Arrivals, Lengths, Request, Room, simulate
from llmcap_kernel.simulation.loop import _Loop

from .synthetic import Plain, drawn, poisson_load, room


def one(value):
    return lambda p: value


def lognormal(mean, sigma):
    return lambda p: mean * math.exp(sigma * NormalDist().inv_cdf(p) - sigma * sigma / 2)


def waited_s(load, served):
    """Mean wait, less what chance has put into it.

    A wait knows nothing of the service and the gap that follow it: what the sample has of such
    a covariance is chance, and moves the mean by it over the mean idle time a request.
    """
    waits = [r.scheduled_s - r.queued_s for r in served[:-1]]
    steps = [
        r.last_s - r.scheduled_s - (after.arrival_s - before.arrival_s)
        for r, before, after in zip(served, load, load[1:], strict=False)
    ]
    return fmean(waits) - statistics.covariance(waits, steps) / -fmean(steps)


# One server at a time: Pollaczek and Khinchine, with a load of 0.8 and a mean service of 1 s.
@pytest.mark.parametrize(("prompt", "wait_s"), [(one(1000), 2.0), (lognormal(1000, 0.8), 3.792962)])
def test_one_at_a_time_waits_as_pollaczek_and_khinchine_say(prompt, wait_s):
    load = poisson_load(40_000, 0.8, prompt, one(1))
    run = simulate(load, Plain(token_s=1e-3), room(sequences=1))
    assert waited_s(load, run.served) == pytest.approx(wait_s, rel=0.01)


# lam O (alpha + beta) / (1 - lam O beta) in the batch; O = 400, alpha = 10 ms, beta = 0.2 ms.
@pytest.mark.parametrize("answer", [one(400), lambda p: -400 * math.log1p(-p)])
@pytest.mark.parametrize(("rate_rps", "time_s"), [(2, 4.85714), (8, 11.33333)])
def test_a_batch_takes_as_long_as_its_product_form_says(answer, rate_rps, time_s):
    run = simulate(poisson_load(20_000, rate_rps, one(1), answer, 1), Plain(0.010, 0.0002), room())
    assert fmean(r.e2e_s for r in run.served) == pytest.approx(time_s, rel=0.01)


def test_shared_cards_slow_every_answer_alike():
    """M/G/1-PS: an answer takes its own time over what the load leaves, whatever the others'."""
    lengths = (100, 1000)
    load = poisson_load(20_000, 0.7 / (550 * 0.001), one(1), lambda p: lengths[p > 0.5], 1)
    run = simulate(load, Plain(0.0, 0.001), room())
    for tokens in lengths:
        mean_s = fmean(r.e2e_s for r in run.served if r.output_tokens == tokens)
        assert mean_s == pytest.approx(tokens * 0.001 / 0.3, rel=0.02)


def test_gaps_are_the_steps_between():
    run = simulate([Request(0, 10, 5), Request(0, 10, 3)], Plain(0.010, 0.001, 0.001), room())
    assert [(round(s, 6), n) for s, n in run.gaps] == [(0.012, 4), (0.011, 2)]
    assert [round(r.last_s, 6) for r in run.served] == [0.066, 0.044]


def test_a_prompt_is_cut_where_the_step_is_full():
    steps = room(batched_tokens=100)
    run = simulate([Request(0, 10, 50), Request(0.02, 250, 2)], Plain(0.01, 0.0, 0.001), steps)
    assert [g.prompt_tokens for g in run.groups if g.prompt_tokens] == [10, 99, 99, 52]
    assert max(g.step_s for g in run.groups) == pytest.approx(0.109)


def test_a_prompt_waits_for_room_of_its_own():
    tight = room(block_tokens=10, size=10)  # 100 tokens
    run = simulate([Request(0, 60, 10), Request(0, 50, 10)], Plain(0.01), tight)
    first, second = run.served
    assert second.scheduled_s == pytest.approx(first.last_s) and not second.preempted


def test_the_last_comer_leaves_when_a_token_finds_no_block():
    tight = room(block_tokens=10, size=11)
    load = [Request(0, 50, 30), Request(0, 50, 30)]
    first, second = simulate(load, Plain(0.01, 0.0, 0.001), tight).served
    assert (first.preempted, second.preempted) == (0, 1)
    assert second.first_s < first.last_s < second.last_s
    # the 50 tokens of its prompt and the one it had are computed again, which gives the next one
    assert second.last_s == pytest.approx(first.last_s + 0.051 + 28 * 0.010)


def test_who_lost_the_cache_is_served_before_who_came_later():
    tight = room(block_tokens=10, size=11)
    load = [Request(0, 50, 30), Request(0, 50, 30), Request(0.01, 50, 5)]
    first, second, third = simulate(load, Plain(0.01, 0.0, 0.001), tight).served
    # the third would have had room at once
    assert second.preempted == 1 and third.scheduled_s == pytest.approx(first.last_s)


def test_a_prefix_that_was_computed_is_not_again():
    prefix = (("system", 64),)
    load = [Request(0, 100, 5, prefix), Request(1, 100, 5, prefix), Request(2, 100, 5)]
    run = simulate(load, Plain(0.01, 0.0, 0.001), room())
    assert [r.cached_tokens for r in run.served] == [0, 64, 0]
    assert run.served[1].ttft_s == pytest.approx(0.036)


def test_a_turn_finds_what_was_said_before():
    load = drawn(
        count=3, arrivals=Arrivals(), prompt=Lengths(100), answer=Lengths(60), turns=3, think_s=1
    )
    run = simulate(load, Plain(0.01), room())
    assert [r.cached_tokens for r in run.served] == [0, 160, 320]
    assert [r.input_tokens for r in run.served] == [100, 260, 420]
    assert run.served[1].sent_s > run.served[0].last_s


def test_a_prompt_that_is_all_in_the_cache_still_computes_a_token():
    load = [Request(0, 64, 2, (("all", 64),)), Request(1, 64, 2, (("all", 64),))]
    assert simulate(load, Plain(0.01), room()).served[1].cached_tokens == 63


def test_the_least_recently_used_piece_leaves_first():
    tight = room(block_tokens=10, size=14)
    load = [
        Request(at, 60, 2, ((key, 50),)) for at, key in enumerate(["a", "b", "a", "c", "a", "b"])
    ]
    run = simulate(load, Plain(0.01), tight)
    assert [r.cached_tokens for r in run.served] == [0, 0, 50, 0, 50, 0]


def test_users_ask_again_when_they_are_answered():
    load = drawn(
        count=40, arrivals=Arrivals("users", users=4), prompt=Lengths(10), answer=Lengths(50)
    )
    run = simulate(load, Plain(0.01), room())
    assert max(group.decoding for group in run.groups) == 4
    for at, r in enumerate(run.served[4:], 4):
        assert r.sent_s == run.served[at - 4].last_s


def test_it_is_told_how_far_it_is_and_stops():
    load, told = poisson_load(5_000, 1, one(10), one(10)), []

    def progress(share):
        told.append(share)
        return share < 0.5

    run = simulate(load, Plain(0.01), room(), progress)
    assert run.stopped and told == sorted(told) and 0.5 <= told[-1] < 0.7
    assert 0.5 <= len(run.completed) / len(load) < 0.7


def test_a_request_longer_than_the_cache_is_refused():
    with pytest.raises(BadInput, match="request 2 has 170 tokens"):
        simulate([Request(0, 10, 1), Request(0, 160, 10)], Plain(0.01), room(size=10))


def test_the_same_requests_give_the_same_run():
    load = poisson_load(500, 20, lognormal(300, 1), lognormal(100, 1))
    runs = [simulate(load, Plain(0.01, 0.001, 0.0001), room(size=1200)) for _ in range(2)]
    assert runs[0] == runs[1] and any(r.preempted for r in runs[0].served)


KINDS = st.sampled_from(["poisson", "bursty", "once", "users"])


@settings(max_examples=150, deadline=None)
@given(
    kind=KINDS,
    rate_rps=st.sampled_from([0.1, 1, 10, 100]),
    users=st.integers(1, 9),
    lengths=st.tuples(st.integers(1, 200), st.integers(1, 100)),
    turns=st.integers(1, 5),
    shared=st.sampled_from([0, 50]),
    block=st.sampled_from([1, 16, 64]),
    spare=st.sampled_from([1, 1.2, 3, 100]),
    sequences=st.integers(1, 20),
    batched=st.sampled_from([16, 256, 2048]),
    seed=st.integers(0, 10**6),
)
def test_no_token_and_no_block_is_lost(
    kind, rate_rps, users, lengths, turns, shared, block, spare, sequences, batched, seed
):
    load = drawn(
        count=40,
        arrivals=Arrivals(kind, rate_rps, 2.0, users),
        prompt=Lengths(lengths[0], 1, "lognormal"),
        answer=Lengths(lengths[1], 1, "lognormal"),
        turns=turns,
        shared_prefix_tokens=shared,
        seed=seed,
    )
    longest = max(-(-(one.input_tokens + one.output_tokens) // block) for one in load)
    loop = _Loop(
        load, Plain(0.01, 1e-4, 1e-5), Room(sequences, batched, block, int(longest * spare))
    )
    while loop.left:
        loop.run_group()
    assert loop.free + loop.spare == loop.room.bytes
    assert (loop.decoding, loop.context, any(loop.growth), len(loop.running)) == (0, 0, False, 0)
    gained = sum(g.steps * g.decoding for g in loop.groups) + len(loop.late)
    assert gained == sum(one.output_tokens - 1 for one in load)
    computed = sum(g.prompt_tokens for g in loop.groups)
    wanted = sum(r.input_tokens - r.cached_tokens for r in loop.served)
    assert computed >= wanted and (computed == wanted or any(r.preempted for r in loop.served))
    for r in loop.served:
        assert r.sent_s <= r.queued_s <= r.scheduled_s < r.first_s <= r.last_s
    ends = [g.start_s + g.steps * g.step_s for g in loop.groups]
    starts = [g.start_s for g in loop.groups[1:]]
    assert all(end <= start + 1e-9 for end, start in zip(ends, starts, strict=False))


def test_more_load_waits_longer():
    """In expectation: over ten draws of the same prompts at four rates."""

    def p95_s(rate_rps):
        means = []
        for seed in range(10):
            load = drawn(
                count=400,
                arrivals=Arrivals("poisson", rate_rps),
                prompt=Lengths(1000, 0.5, "lognormal"),
                answer=Lengths(200, 0.5, "lognormal"),
                seed=seed,
            )
            run = simulate(load, Plain(0.01, 0.001, 1e-4), room(batched_tokens=2048))
            means.append(sorted(r.ttft_s for r in run.served)[380])
        return fmean(means)

    found = [p95_s(rate) for rate in (0.5, 1, 1.5, 2)]
    assert found == sorted(found)


# prompts in steps of their own


def gaps_ms(run):
    return sorted(round(1e3 * gap) for gap, many in run.gaps for _ in range(many))


def test_decoding_pauses_while_prompts_are_computed():
    """SGLang's scheduler by hand: steps of 10 ms, prompts of a millisecond a token. The second
    request comes after 25 ms, is computed from 30 to 50, and both have a token at 60."""
    load = [Request(0.0, 10, 5), Request(0.025, 20, 2)]
    times = Plain(alpha_s=0.010, token_s=0.001)
    apart, mixed = (simulate(load, times, replace(room(), mixes=m)) for m in (False, True))
    first, second = apart.served
    assert (first.first_s, first.last_s) == pytest.approx((0.010, 0.070))
    assert (second.first_s, second.last_s) == pytest.approx((0.050, 0.060))
    assert gaps_ms(apart) == [10, 10, 10, 10, 30]
    assert mixed.served[1].first_s == pytest.approx(0.060)  # at the end of a step of 30 ms
    assert gaps_ms(mixed) == [10, 10, 10, 10, 30]


def test_prompts_that_wait_are_computed_one_step_after_another():
    """A prompt of 30 ms in pieces of ten tokens, and one of 10: the user who decodes waits for all
    of them, and who came first has its next token after the others'."""
    load = [Request(0.0, 10, 4), Request(0.015, 30, 2), Request(0.016, 10, 2)]
    run = simulate(load, Plain(0.010, token_s=0.001), replace(room(batched_tokens=10), mixes=False))
    assert [one.first_s for one in run.served] == pytest.approx([0.010, 0.050, 0.060])
    # at 70 ms all have a token: after 50, 20 and 10 ms
    assert gaps_ms(run) == [10, 10, 10, 20, 50]


@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_no_token_is_lost_in_a_pause(users, prompt, answer, seed):
    load = poisson_load(users, 20, one(prompt), one(answer), seed)
    tight = Room(users, 16, 4, 4 * (prompt + answer), mixes=False)
    run = simulate(load, Plain(0.01, 1e-3, 1e-3), tight)
    assert sum(many for _, many in run.gaps) == users * (answer - 1)
    whole_s = sum(r.last_s - r.first_s for r in run.served)
    assert sum(gap * many for gap, many in run.gaps) == pytest.approx(whole_s)
