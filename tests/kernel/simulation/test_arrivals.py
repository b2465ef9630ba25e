"""Arrivals and lengths: their means and spreads, and what a seed keeps."""

import statistics
from itertools import pairwise

import pytest

from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import Arrivals, Lengths, Load, Request, of_trace

from .synthetic import drawn

ONE = {"prompt": Lengths(1), "answer": Lengths(1)}


def gaps(**arrivals):
    times = [one.arrival_s for one in drawn(**ONE, count=20_000, arrivals=Arrivals(**arrivals))]
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize(
    ("kind", "burstiness", "cv"),
    [("poisson", 3, 1), ("bursty", 1, 1), ("bursty", 3, 3), ("bursty", 0.3, 0.3), ("bursty", 0, 0)],
)
def test_gaps_have_the_rate_and_the_spread_they_are_asked_for(kind, burstiness, cv):
    found = gaps(kind=kind, rate_rps=4.0, burstiness=burstiness)
    mean_s = statistics.fmean(found)
    assert mean_s == pytest.approx(0.25, rel=0.02 + 0.02 * cv)
    assert statistics.stdev(found) / mean_s == pytest.approx(cv, rel=0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("shape", "spread", "sd"),
    [("fixed", 0.5, 0), ("uniform", 0.5, 0.5 / 3**0.5), ("lognormal", 0.8, 0.8)],
)
def test_lengths_have_the_mean_and_the_spread_they_are_asked_for(shape, spread, sd):
    prompt = Lengths(1000, spread, shape)
    found = [one.input_tokens for one in drawn(prompt=prompt, answer=Lengths(1), count=20_000)]
    assert statistics.fmean(found) == pytest.approx(1000, rel=0.02)
    assert statistics.stdev(found) / 1000 == pytest.approx(sd, rel=0.05)
    assert shape != "uniform" or (min(found) >= 500 and max(found) <= 1500)


def test_a_seed_keeps_the_lengths_at_every_rate():
    load = Load(Lengths(100, 1, "lognormal"), Lengths(9, 1, "lognormal"), count=50, seed=3)
    slow, fast = (drawn(**vars(load.at(rate))) for rate in (1.0, 5.0))
    assert [one[1:3] for one in slow] == [one[1:3] for one in fast]
    assert slow[-1].arrival_s == pytest.approx(5 * fast[-1].arrival_s)
    other = drawn(**{**vars(load), "seed": 4})
    assert drawn(**vars(load)) != other == drawn(**{**vars(load), "seed": 4})


def test_a_turn_holds_all_before_it():
    first, second, third = drawn(
        prompt=Lengths(100), answer=Lengths(10), count=3, turns=3, shared_prefix_tokens=40
    )
    assert (first.input_tokens, second.input_tokens, third.input_tokens) == (100, 210, 320)
    assert [sum(n for _, n in one.prefix) for one in (first, second, third)] == [40, 110, 220]
    assert [one.after for one in (first, second, third)] == [-1, 0, 1]
    assert third.keeps is None and second.keeps == third.prefix[-1][0]


def test_a_trace_begins_at_0_and_takes_another_rate():
    rows = [Request(10.0, 5, 5), Request(12.0, 6, 6), Request(14.0, 7, 7)]
    assert [one.arrival_s for one in of_trace(rows)] == [0, 2, 4]
    assert [one.arrival_s for one in of_trace(rows, rate_rps=1.0)] == [0, 1, 2]
    with pytest.raises(BadInput, match="requests come at once"):
        of_trace([Request(1, 1, 1), Request(1, 1, 1)], rate_rps=1.0)
    with pytest.raises(BadInput, match="trace has no request"):
        of_trace([])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Lengths(0), "mean is 0"),
        (lambda: Lengths(9, 2, "uniform"), "spread is 2: it takes a number from 0 to 1"),
        (lambda: Lengths(9, 1, "normal"), "Did you mean lognormal"),
        (lambda: Arrivals("poisson", 0), "rate is 0"),
        (lambda: Arrivals("burst"), "Did you mean bursty"),
        (lambda: Load(Lengths(1), Lengths(1), turns=0), "turns is 0"),
        (lambda: Load(Lengths(1), Lengths(1), count=10**7), "requests is 10000000"),
    ],
)
def test_bad_input_costs_one_sentence(make, told):
    with pytest.raises(BadInput, match=told):
        make()
