"""Requests at a rate: Little's law, the exact batch, and what more of them do."""

import math
from dataclasses import replace

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.calibration import Estimate, efficiency_for
from llmcap_kernel.evidence import open_loop
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import serve
from llmcap_kernel.simulation import rates
from llmcap_kernel.simulation.percentiles import spread_of
from llmcap_kernel.simulation.queues import Batch
from llmcap_kernel.simulation.rates import at_rate, copies, rate_within
from llmcap_kernel.spec import TAILED, Slo, Tail, Workload

ONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(1000, 200)
BATCH = catalog.deployment(
    model="llama-3.1-8b", gpu="h100-sxm", max_num_seqs=256, max_num_batched_tokens=8192
)


def at(rate, deployment=ONE, load=LOAD):
    return at_rate(deployment, load, rate)


@pytest.mark.parametrize("rate", [0.5, 4.0, 12.0])
def test_requests_in_flight_are_the_rate_times_their_time(rate):
    """Little's law holds between two answers that are computed apart."""
    made = at(rate)
    assert made.in_flight.value == pytest.approx(rate * made.mean("e2e").value, rel=0.05)


@pytest.mark.parametrize("rate", [1.0, 6.0, 12.0])
def test_users_of_a_closed_loop_that_asks_for_as_much_are_as_many(rate):
    users = open_loop.users(ONE, LOAD, "vllm", rate, 1024)
    assert at(rate).in_flight.value == pytest.approx(users, rel=0.2, abs=1)


@pytest.mark.parametrize("rate", [5.0, 20.0])
@pytest.mark.parametrize("percent", [20, 50])
def test_short_prompts_leave_the_exact_batch(rate, percent):
    """A step is a + b n; of a prompt of one token nine gaps in ten know nothing."""
    load = Workload(1, 200)
    one_s, many_s = (
        serve(BATCH, replace(load, concurrency=n), efficiency_for(BATCH)).itl_decode_s
        for n in (1, 129)
    )
    sequence_s = (many_s - one_s) / 128
    exact = Batch(rate, 200, one_s - sequence_s, sequence_s)
    assert at(rate, BATCH, load).percentile("itl", percent).value == pytest.approx(
        exact.gap_s(percent), rel=0.05
    )


@pytest.mark.parametrize("quantity", TAILED)
def test_more_requests_never_help_and_intervals_hold_their_value(quantity):
    last = 0.0
    for rate in (0.1, 1.0, 5.0, 10.0, 15.0):
        median, rare = (at(rate).percentile(quantity, p) for p in (50, 99))
        assert last <= median.value * 1.02 and median.value <= rare.value
        for e in (median, rare):
            assert e.ceiling <= e.low <= e.value <= e.high
        last = median.value


def test_a_quiet_deployment_answers_as_one_user_is_answered():
    made, alone = at(0.01), rates._states(ONE, LOAD, "vllm")[0].served
    assert made.percentile("ttft", 50).value == pytest.approx(
        spread_of(alone).first_s(50), rel=0.01
    )
    assert made.percentile("itl", 50).value == pytest.approx(alone.itl_decode_s, rel=0.01)


def test_a_rate_beyond_saturation_is_refused_in_a_sentence():
    most = at(1.0).most_answered_rps
    assert most.low < most.value < most.high <= most.ceiling
    assert at(most.value * 0.99).percentile("ttft", 99).high == math.inf
    with pytest.raises(BadInput, match="its queue would grow without end") as refused:
        at(most.value * 1.01).percentile("itl", 50)
    assert refused.value.field == "rate_rps"


def test_near_saturation_requests_wait_for_room():
    few = replace(ONE, max_num_seqs=8)
    most = at(1.0, few).most_answered_rps.value
    calm, busy = (at(most * share, few).percentile("ttft", 95).value for share in (0.3, 0.97))
    assert busy > 20 * calm


@pytest.mark.parametrize(
    "slo",
    [Slo(tails=(Tail("itl", 95, 0.02),)), Slo(tails=(Tail("ttft", 99, 1.0),)), Slo(itl_s=0.012)],
    ids=("itl", "ttft", "mean"),
)
def test_the_rate_within_limits_is_the_last_that_keeps_them(slo):
    within = rate_within(ONE, LOAD, slo)
    assert 0 <= within.low <= within.value > 0
    assert within.value <= within.high <= within.ceiling
    assert within.value < at(1.0).most_answered_rps.value

    def kept(rate):
        if slo.tails:
            tail = slo.tails[0]
            return at(rate).percentile(tail.quantity, tail.percent).value <= tail.bound_s
        return at(rate).mean("itl").value <= slo.itl_s

    assert kept(within.value * 0.98) and not kept(within.value * 1.02)


def test_limits_that_no_rate_keeps_leave_nothing():
    assert rate_within(ONE, LOAD, Slo(tails=(Tail("itl", 50, 1e-4),))).value == 0.0


def test_copies_share_a_rate():
    assert copies(10.0, Estimate(3.0, 2.0, 4.0, 6.0, "")).value == 4
    assert copies(10.0, Estimate(0.0, 0.0, 4.0, 6.0, "")).value == math.inf


@pytest.mark.parametrize("rate", [0, -1, math.nan, "2", None])
def test_a_rate_is_a_number_above_nothing(rate):
    with pytest.raises(BadInput, match="rate_rps is"):
        at(rate)
