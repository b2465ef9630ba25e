"""Percentiles for users at once: what can never happen, and where they jump."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, capacity, catalog
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import most_running
from llmcap_kernel.simulation import percentiles, rates
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.simulation.spread import spread_of
from llmcap_kernel.spec import TAILED, Workload

from ..strategies import deployments, workloads

ONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(3000, 400, 32)

percents = st.floats(1, 99.5)
quantities = st.sampled_from(TAILED)


def estimated(deployment=ONE, load=LOAD):
    return calibration.estimates(deployment, load)


def starts(deployment, load):
    return capacity.max_concurrent(deployment, load.context_tokens) > 0


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
        at = replace(at, rate_rps=share * at.open_loop.most_rps)
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
