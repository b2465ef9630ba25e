"""Percentiles, goodput and saturation: what a run says, with its interval."""

from statistics import fmean

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import calibration, catalog
from llmcap_kernel.simulation import (
    PERCENTS,
    QUANTITIES,
    Arrivals,
    Completed,
    Lengths,
    Load,
    Request,
    Room,
    Run,
    Steps,
    along,
    estimated,
    goodput_rps,
    most_rps,
    requests,
    room_of,
    saturates_rps,
    saturation,
    simulate,
    weighted,
)
from llmcap_kernel.spec import Slo

from .synthetic import Plain, drawn, room

D = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
LOAD = Load(Lengths(1000, 0.5, "lognormal"), Lengths(200, 0.5, "lognormal"), count=300)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1),
    st.floats(0.1, 99.9),
)
def test_a_percentile_is_numpys_of_all_values(values, percent):
    every = [value for value, many in values for _ in range(many)]
    wanted = numpy.percentile(every, percent, method="inverted_cdf")
    assert weighted(values, (percent,)) == (wanted,)


def test_every_percentile_lies_in_its_interval_and_they_rise():
    found = estimated(D, requests(LOAD.at(3.0)))
    for quantity in QUANTITIES:
        bands = [found.percentile(quantity, percent) for percent in (*PERCENTS, 99.5)]
        for band in bands:
            assert band.low < band.value < band.high
        for end in range(3):
            assert [band[end] for band in bands] == sorted(band[end] for band in bands)


def test_no_interval_is_narrower_than_the_mean_of_serves():
    found = estimated(D, requests(LOAD.at(3.0)))
    low, high = found.factors["ttft"]
    assert low < 1 < high
    for percent in PERCENTS:
        band = found.percentile("ttft", percent)
        assert band.low <= band.value * low and band.value * high <= band.high


def test_no_bound_of_a_run_runs_backwards_along_the_percent():
    found = estimated(D, requests(LOAD.at(3.0)))
    for name in QUANTITIES:
        bands = [found.percentile(name, percent) for percent in (10, 50, 75, 76, 90, 95, 99)]
        for ends in zip(*bands, strict=True):
            assert list(ends) == sorted(ends), name


def test_a_good_request_meets_every_limit():
    run = Run((Completed(0, 0, 0, 2, 4, 9, 5), Completed(0, 0, 0, 1, 8, 9, 5), None), ())
    assert goodput_rps(run, Slo()) == 2 / 8
    assert goodput_rps(run, Slo(ttft_s=2.0)) == 2 / 8
    assert goodput_rps(run, Slo(itl_s=0.5)) == 1 / 8
    assert goodput_rps(run, Slo(itl_s=0.5, ttft_s=1.0)) == 0


@pytest.mark.parametrize("prompt", [1, 1000])
@pytest.mark.parametrize("answer", [20, 400])
def test_it_saturates_where_a_queue_that_never_ends_is_served(prompt, answer):
    times = Plain(0.010, 0.0002, 1e-5)
    limits = room(sequences=50, batched_tokens=2048)
    load = drawn(
        count=2_000,
        arrivals=Arrivals("once"),
        prompt=Lengths(prompt, 0.3, "uniform"),
        answer=Lengths(answer, 0.3, "uniform"),
    )
    ends = sorted(one.last_s for one in simulate(load, times, limits).served)
    rate = 1_000 / (ends[1_499] - ends[499])
    # where prompts take many steps, fewer places decode: a sixteenth where answers are short
    assert saturates_rps(load, times, limits) == pytest.approx(
        rate, rel=0.02 if prompt == 1 else 0.07
    )


class Shared(Plain):
    """A pass reads the weights in 50 ms, which decoding could hide, and takes 10 ms a prompt."""

    def pass_s(self, pieces):
        return 0.050 + 0.010 * len(pieces)

    def prompt_s(self, start, stop, first, last):
        return 0.060

    def together_s(self, decode_s, prompts_s, sequences, tokens):
        return decode_s + prompts_s - 0.050


@pytest.mark.parametrize(
    ("sequences", "batched_tokens", "rate"),
    [
        # 98 decode, a step of 10 ms frees two places, and their pass takes 70 ms: 2 in 80 ms
        (100, 2048, 25.0),
        # a pass has tokens for one prompt: 60 ms each, and half a step
        (100, 100, 1 / 0.065),
        # 10 places are free every fifth step: one prompt a pass
        (10, 2048, 1 / (0.060 + 49 * 0.010 / 10)),
    ],
)
def test_a_pass_of_prompts_alone_hides_nothing_behind_decoding(sequences, batched_tokens, rate):
    limits = Room(sequences, batched_tokens, 16, 10**9, mixes=False)
    load = [Request(0.0, 100, 50)]
    assert saturates_rps(load, Shared(0.010), limits) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("place", [{"tp": 8}, {"tp": 8, "dp_attention": True}])
def test_an_engine_with_passes_of_their_own_saturates_where_its_queue_grows(place):
    """A mixture of experts reads most of its weights in a pass: shared, they were a third more."""
    d = catalog.deployment(model="deepseek-v3", gpu="h200", engine="sglang", **place)
    lengths = (Lengths(2000, 0.3, "uniform"), Lengths(500, 0.3, "uniform"))
    load = Load(*lengths, count=3_000)
    most = saturation(d, requests(load.at(1.0)))
    run = estimated(d, requests(load.at(1.25 * most))).run
    ends = sorted(one.last_s for one in run.completed)
    answered = 1_200 / (ends[2_200] - ends[1_000])
    assert most == pytest.approx(answered, rel=0.08)


# The cache counts whole sequences here, and the loop lets in whoever's prompt has room.
@pytest.mark.parametrize(("prompt", "answer"), [(1000, 500), (7000, 1000), (2000, 100)])
def test_a_deployment_saturates_about_where_its_loop_does(prompt, answer):
    load = drawn(
        count=1_000,
        arrivals=Arrivals("once"),
        prompt=Lengths(prompt, 0.3, "uniform"),
        answer=Lengths(answer, 0.3, "uniform"),
    )
    steps, limits = Steps(D, calibration.efficiency_for(D)), room_of(D, load)
    ends = sorted(one.last_s for one in simulate(load, steps, limits).served)
    rate = 500 / (ends[749] - ends[249])
    assert saturates_rps(load, steps, limits) == pytest.approx(rate, rel=0.2)


def test_percentiles_rise_along_the_rate():
    found = along(D, LOAD, (0.5, 2.0, 6.0))
    for name in ("ttft p95", "itl p50", "e2e p99"):
        values = [found[rate][name][0] for rate in (0.5, 2.0, 6.0)]
        assert values == sorted(values), name


def test_the_largest_rate_has_the_room_of_its_own_requests():
    """Under vLLM windows hold back room for the longest: short requests leave twice as much."""
    d = catalog.deployment(model="gemma-3-27b", gpu="h100-sxm")
    assert most_rps(d, LOAD, ()) == saturation(d, requests(LOAD.at(1.0)))


def test_the_largest_rate_meets_its_limits_and_the_next_does_not():
    steps, limits = Steps(D, calibration.efficiency_for(D)), room_of(D, requests(LOAD))
    rate = most_rps(D, LOAD, [("itl", 95, 0.050), ("ttft", 95, 0.5)])

    def met(rate_rps):
        run = simulate(requests(LOAD.at(rate_rps)), steps, limits)
        first = weighted([(one.ttft_s, 1) for one in run.completed], (95,))[0]
        return weighted(run.gaps, (95,))[0] <= 0.050 and first <= 0.5

    assert met(rate) and not met(rate * 1.03)
    assert most_rps(D, LOAD, []) == saturates_rps(requests(LOAD.at(1.0)), steps, limits)


def test_a_run_that_is_stopped_says_what_it_has():
    shares = []

    def progress(share):
        shares.append(share)
        return len(shares) < 2

    found = estimated(D, requests(LOAD.at(3.0)), progress=progress)
    assert found.run.stopped and 0 < len(found.run.completed) < 300
    assert fmean(one.ttft_s for one in found.run.completed) > 0
