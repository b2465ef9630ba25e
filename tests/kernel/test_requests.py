"""Requests a second within limits: between the ends of its interval, and where a limit is met."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import design, simulation, sweep
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, requests_within, worked_spec
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail
from tests.kernel.strategies import deployments, workloads

SMALL, B, C = worked_spec()
LIMITS = (
    Slo(itl_s=0.03),
    Slo(ttft_s=2.0),
    Slo(tails=(Tail("itl", 95, 0.050),)),
    Slo(tails=(Tail("ttft", 99, 3.0), Tail("e2e", 90, 60.0))),
)


@pytest.mark.parametrize("d", [B, C], ids=lambda d: d.gpu.name)
def test_without_a_limit_it_is_where_the_step_loop_saturates(d):
    """The loop counts steps and blocks one by one, and knows nothing of this closed form."""
    load = simulation.Load(
        count=400,
        arrivals=simulation.Arrivals("poisson", 1.0),
        prompt=simulation.Lengths(7000, 0.0, "lognormal"),
        answer=simulation.Lengths(1000, 0.0, "lognormal"),
    )
    loop_rps = simulation.saturation(d, simulation.requests(load))
    assert requests_within(d, WORKED_WORKLOAD).value == pytest.approx(loop_rps, rel=0.1)


@pytest.mark.parametrize("slo", LIMITS, ids=str)
@pytest.mark.parametrize("d", [B, C], ids=lambda d: d.gpu.name)
def test_a_card_at_the_most_meets_every_limit_and_misses_one_a_little_above(d, slo):
    most = requests_within(d, WORKED_WORKLOAD, slo)
    assert most.low <= most.value <= most.high <= most.ceiling
    below, above = (
        design.card_at_rate(d, WORKED_WORKLOAD, slo, share * most.value) for share in (0.99, 1.02)
    )
    assert below.meets_all and not above.meets_all


def test_the_unfavourable_ends_of_the_intervals_meet_the_limit_up_to_its_own():
    slo = Slo(tails=(Tail("itl", 95, 0.050),))
    low_rps = requests_within(B, WORKED_WORKLOAD, slo).low

    def slow_s(rate_rps):
        return design.card_at_rate(B, WORKED_WORKLOAD, slo, rate_rps).percentile("itl", 95).high

    assert slow_s(0.98 * low_rps) <= 0.050 < slow_s(1.02 * low_rps)


def test_what_does_not_start_answers_nothing():
    assert requests_within(SMALL, WORKED_WORKLOAD, WORKED_SLO).high == 0


@settings(max_examples=25, deadline=None)
@given(deployments(), workloads, st.floats(0.005, 0.5), st.floats(1.0, 4.0))
def test_a_stricter_limit_never_lets_more_in(d, load, bound_s, laxer):
    strict, lax, none = (
        requests_within(d, load, slo)
        for slo in (Slo(itl_s=bound_s), Slo(itl_s=laxer * bound_s), Slo())
    )
    for made in (strict, lax, none):
        assert 0 <= made.low <= made.value <= made.high <= made.ceiling
    assert strict.value <= lax.value <= none.value and strict.ceiling <= none.ceiling


def test_the_rent_does_not_depend_on_the_rate():
    cheap = replace(WORKED_SLO, usd_h=1.0)
    assert requests_within(B, WORKED_WORKLOAD, cheap) == requests_within(
        B, WORKED_WORKLOAD, WORKED_SLO
    )


def test_a_scorecard_at_a_rate_has_the_cards_of_that_rate_and_no_winner_that_saturates():
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, Slo(), rate_rps=1.0)
    for one, d in zip(made.cards, worked_spec(), strict=True):
        alone = design.card_at_rate(d, WORKED_WORKLOAD, Slo(), 1.0)
        assert (one.deployment, one.saturated) == (d, alone.saturated)
        assert one.estimates is None or one.estimates.itl_s == alone.estimates.itl_s
    b, c = made.cards[1:]
    assert b.saturated and b.verdict == "missed" and made.winner is c
    assert "B does not answer all: it answers at most 0.8" in made.verdict


@pytest.mark.parametrize("rate_rps", [-1, 0, float("nan"), float("inf"), "3", True])
@pytest.mark.parametrize(
    "ask",
    [
        lambda rate: design.card(B, WORKED_WORKLOAD, rate_rps=rate),
        lambda rate: design.card_at_rate(B, WORKED_WORKLOAD, Slo(), rate),
        lambda rate: design.scorecard(worked_spec(), WORKED_WORKLOAD, rate_rps=rate),
        lambda rate: sweep.obstacle(B, WORKED_WORKLOAD, rate),
        lambda rate: sweep.measure(B, WORKED_WORKLOAD, "itl_s", rate_rps=rate),
    ],
)
def test_what_is_no_rate_is_refused_wherever_it_is_asked(ask, rate_rps):
    """A rate below 0 had a winner, and one that is no number was said to queue without end."""
    with pytest.raises(BadInput, match=r"rate_rps is .*: it takes a number from"):
        ask(rate_rps)


def test_at_a_rate_room_is_of_requests_and_nobody_wants_the_number_in_flight():
    at_rate = design.card_at_rate(B, WORKED_WORKLOAD, Slo(), 0.5)
    room = next(limit for limit in at_rate.limits if limit.name == "capacity").sentence
    assert re.fullmatch(rf"room for {at_rate.max_concurrent} requests, \d+ in flight", room)
    assert "wanted" in design.card(B, WORKED_WORKLOAD).memory_words
    for rate_rps in (0.5, 50.0):
        said = design.card_at_rate(B, WORKED_WORKLOAD, Slo(), rate_rps).memory_words
        assert "fit" in said and "wanted" not in said
