"""Percentiles for users at once: what can never happen, and what an engine does in a round."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, capacity, catalog
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import Served, load_work, most_running, serve
from llmcap_kernel.simulation import percentiles, rates
from llmcap_kernel.simulation.percentiles import percentile, quantile_s, spread_of
from llmcap_kernel.spec import TAILED, Efficiency, Speculation, Workload

from ..strategies import deployments, workloads

ONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(3000, 400, 32)
RANKS = np.linspace(0.1, 99.9, 500)

percents = st.floats(1, 99.5)
quantities = st.sampled_from(TAILED)


def estimated(deployment=ONE, load=LOAD):
    return calibration.estimates(deployment, load)


def starts(deployment, load):
    return capacity.max_concurrent(deployment, load.context_tokens) > 0


def mean_of(spread, quantity):
    return np.mean([quantile_s(spread, quantity, p) for p in RANKS])


def plain(served):
    """Without what steps and requests vary by themselves."""
    return spread_of(served)._replace(step_spread=0.0, request_spread=0.0)


# what can never happen


@settings(max_examples=60, deadline=None)
@given(deployments(), workloads, quantities, percents, percents)
def test_a_percentile_lies_in_its_interval_and_grows_with_its_percent(d, load, name, p, q):
    assume(starts(d, load))
    here = estimated(d, load)
    few, many = (percentile(here, name, x) for x in sorted((p, q)))
    for one in (few, many):
        assert one.ceiling * (1 - 1e-9) <= one.low <= one.value <= one.high
    assert few.value <= many.value * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(deployments(), workloads, st.sampled_from(("itl", "ttft", "e2e")), st.data())
def test_more_users_or_longer_prompts_never_help(d, load, name, data):
    # below the ridge point a token more costs prefill nothing, and slows who decode: in a closed
    # loop fewer then wait for their first
    load = replace(
        load, input_tokens=load.input_tokens + 600, output_tokens=load.output_tokens + 50
    )
    if data.draw(st.booleans()):
        more = replace(load, concurrency=load.concurrency + data.draw(st.integers(1, 200)))
    else:
        more = replace(load, input_tokens=load.input_tokens + data.draw(st.integers(1, 30_000)))
        assume(most_running(d, more) >= load.concurrency)  # or fewer run, and the others wait
    assume(starts(d, more))
    p = data.draw(st.floats(50, 99.5))
    here, there = (percentile(estimated(d, x), name, p).value for x in (load, more))
    assert here <= there * (1 + 1e-6)


@pytest.mark.parametrize("quantity", TAILED)
@pytest.mark.parametrize("load", [Workload(3000, 400, 32), Workload(200, 900, 4)], ids=str)
def test_percentiles_add_up_to_the_mean(quantity, load):
    here = estimated(load=load).served
    mean = getattr(here, percentiles.MEANS[quantity])
    # of gaps the steps are counted; of first tokens two waits are put together
    close = {"itl": 0.25, "ttft": 0.2}.get(quantity, 0.03)
    assert mean_of(spread_of(here), quantity) == pytest.approx(mean, rel=close)


# what an engine does in a round


def test_as_many_gaps_are_long_as_carry_a_chunk():
    """Of 400 gaps with 31 other prompts of one chunk each, 31 are long."""
    d = replace(ONE, max_num_batched_tokens=4096)
    here = serve(d, LOAD, Efficiency(prefill_share=1.0))
    spread = plain(here)
    gaps = np.array([spread.gap_s(p) for p in RANKS])
    long = np.mean(gaps > 2 * here.itl_decode_s)
    assert long == pytest.approx(31 / 400, abs=0.005)
    assert spread.gap_s(99) == pytest.approx(here.itl_decode_s + here.prompt.share_s, rel=0.05)


def test_smaller_chunks_make_more_gaps_long_and_each_shorter():
    large, small = (
        plain(serve(replace(ONE, max_num_batched_tokens=n), LOAD, Efficiency(prefill_share=1)))
        for n in (4096, 512)
    )
    assert small.full + small.last > 4 * (large.full + large.last)
    assert small.gap_s(99.5) < large.gap_s(99.5) / 3


def test_prompts_that_come_in_one_step_are_computed_in_it_up_to_a_chunk():
    """Of 16 users with 40 tokens each, a step carries a third of a prompt: sometimes two."""
    load = Workload(500, 40, 16)
    spread = plain(serve(ONE, load, Efficiency(prefill_share=1.0)))
    one = percentiles.chunks_of(serve(ONE, load))
    longest = [(spread.gap_s(p) - spread.gap_s(50)) / one.last_s for p in (80, 97)]
    assert [round(x) for x in longest] == [1, 2]
    crowd = plain(serve(ONE, Workload(500, 40, 500), Efficiency(prefill_share=1.0)))
    assert crowd.gap_s(99) - crowd.step_s == pytest.approx(one.full_s, rel=0.1)


def test_an_engine_that_computes_prompts_first_stops_decoding_for_a_whole_one():
    load = Workload(30_000, 1000, 16)
    chunked = percentiles.chunks_of(serve(ONE, load))
    whole = percentiles.chunks_of(
        serve(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang"), load)
    )
    assert chunked.full == 3 and chunked.last == 1
    assert 3 * chunked.full_s + chunked.last_s == pytest.approx(serve(ONE, load).prompt.share_s)
    assert whole == (0, 1, np.inf, serve(ONE, load).prompt.share_s)


def test_an_answer_of_one_user_slows_down_as_its_context_grows():
    here = serve(ONE, Workload(1000, 60_000))
    spread = plain(here)
    first, last = (serve(ONE, Workload(1000, 60_000), context_tokens=n) for n in (1000, 61_000))
    assert spread.gap_s(0.1) == pytest.approx(first.itl_decode_s, rel=0.01)
    assert spread.gap_s(99.9) == pytest.approx(last.itl_decode_s, rel=0.01)


def test_tokens_that_are_drafted_come_together_or_alone():
    """With two in three steps of four accepted, gaps are a step, or a half, a third, ... of it."""
    d = replace(ONE, speculation=Speculation(tokens=3, accept=0.7))
    here = serve(d, Workload(1000, 400))
    spread = plain(here)
    step_s = here.itl_decode_s * sum(0.7**n for n in range(4))
    assert spread.gap_s(99) == pytest.approx(step_s, rel=0.01)
    assert spread.gap_s(1) == pytest.approx(step_s / 4, rel=0.01)
    assert mean_of(spread, "itl") == pytest.approx(here.itl_s, rel=0.01)


def test_users_who_ask_at_once_are_served_one_after_another():
    here = serve(ONE, LOAD, Efficiency(burst_share=1.0))
    spread = plain(here)
    assert spread.wait_s(0.1) == pytest.approx(here.prompt.share_s, rel=0.05)
    assert spread.wait_s(99.9) == pytest.approx(here.prompt.share_s + here.others_s, rel=0.05)


def test_a_late_first_token_is_followed_by_a_fast_answer():
    apart = replace(ONE, engine=replace(ONE.engine, mixes_prompts=False))
    spread = plain(serve(apart, LOAD, Efficiency(prefill_share=1.0, burst_share=0.5)))
    assert spread.first_s(99) > 2 * spread.first_s(10)
    # decoding waits for all the rest of the prompts, so whoever waits loses nothing in the end
    assert spread.whole_s(99) == pytest.approx(spread.whole_s(10), rel=0.01)


def test_a_stack_of_loads_has_the_percentiles_of_each():
    loads = [Workload(2000, 400, n) for n in (4, 32)]
    works = [load_work(ONE, load) for load in loads]
    efficiency = calibration.efficiency_for(ONE)
    each = [Served(w, efficiency, ONE, load) for w, load in zip(works, loads, strict=True)]
    spreads = [plain(one) for one in each]
    stack = percentiles.Spread(
        *(
            x[0] if isinstance(x[0], tuple | str) else np.array(x)
            for x in map(list, zip(*spreads, strict=True))
        )
    )
    for quantity in TAILED:
        for p in (50, 95, 99):
            together = quantile_s(stack, quantity, p)
            assert list(together) == pytest.approx([quantile_s(s, quantity, p) for s in spreads])


@pytest.mark.parametrize(
    "name, percent, told",
    [
        ("itll", 50, "Did you mean itl"),
        ("itl", 100, "percent is 100"),
        ("itl", "p95", "percent is"),
    ],
)
def test_what_is_no_percentile_is_refused_in_a_sentence(name, percent, told):
    with pytest.raises(BadInput, match=told):
        percentile(estimated(), name, percent)


@settings(max_examples=60)
@given(deployments(), workloads, quantities)
def test_no_bound_of_a_percentile_runs_backwards(deployment, load, quantity):
    """A 50th percentile is never longer than a 90th, whatever is known of either."""
    assume(starts(deployment, load))
    made = estimated(deployment, load)
    _in_order([percentile(made, quantity, p) for p in (1, 10, 25, 50, 75, 76, 90, 95, 99, 99.9)])


@pytest.mark.parametrize("quantity", TAILED)
def test_no_bound_runs_backwards_where_requests_come_at_a_rate(quantity):
    d = catalog.deployment(model="llama-3.1-8b", gpu="l4", weights="fp8")
    for share in (0.1, 0.5, 0.9):
        at = rates.at_rate(d, Workload(1000, 200), 1.0)
        at = replace(at, rate_rps=share * at.flights.most_rps)
        found = [at.percentile(quantity, p) for p in (5, 50, 75, 76, 90, 99)]
        _in_order(found)


def _in_order(found):
    for part in ("value", "low", "high", "ceiling"):
        along = [getattr(one, part) for one in found]
        assert all(a <= b * (1 + 1e-12) for a, b in pairwise(along)), part


def test_the_users_at_which_a_twentieth_of_the_gaps_meets_a_prompt_by_hand():
    """An answer of n tokens meets each other user's prompt once, the tenth that ask with it half.

    So of its steps 1 - exp(-m) carry one, with m = others (1 - burst / 2) / n: for 0.05, m is
    0.0513, and 1,000 tokens without a burst have 51.3 others.
    """
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    burst = estimated(d, Workload(1000, 1000, 2)).served.burst_share
    for tokens in (100, 1000):
        by_hand = 1 + 0.0512933 * tokens / (1 - burst)  # of short prompts, a burst fills chunks
        edge = percentiles.users_in_prompts(d, Workload(1000, tokens), 0.05)
        assert edge < by_hand < 1.2 * edge
    # a prompt of ten whole steps, and no rest: each other user's are in 10 of 1,000
    whole = replace(d, max_num_batched_tokens=1024)
    edge = percentiles.users_in_prompts(whole, Workload(10_240, 1000), 0.05)
    assert edge == pytest.approx(1 + 0.05 * 1000 / 10 / (1 - burst / 2), rel=1e-6)


@settings(max_examples=40)
@given(deployments(), workloads, st.floats(0.01, 0.5))
def test_the_share_of_steps_with_prompts_passes_there(deployment, load, share):
    assume(starts(deployment, load))
    edge = percentiles.users_in_prompts(deployment, load, share)
    assume(2 < edge < 500)
    for users, beyond in ((math.floor(edge), False), (math.ceil(edge) + 1, True)):
        here = replace(load, concurrency=users)
        assume(most_running(deployment, here) >= users)
        assert (spread_of(estimated(deployment, here).served).stalled > share) is beyond
