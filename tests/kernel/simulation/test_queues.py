"""How many requests come, and their wait for one server, beside the laws of scipy and of books."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import queues

from .exact import md1_wait_s


@pytest.mark.parametrize("percent", [0, 100, -1, "95", None, math.nan])
def test_a_percent_lies_between_none_and_all(percent):
    with pytest.raises(BadInput, match="percent is"):
        queues.check_percent(percent)


@pytest.mark.parametrize(("mean", "clump"), [(0.2, 2.0), (3.0, 1.5), (12.0, 4.0)])
@pytest.mark.parametrize("rank", [0.3, 0.9, 0.99])
def test_requests_in_clumps_are_negative_binomial(mean, clump, rank):
    """Of `r` and `p` with the mean `r (1 - p) / p` and the variance over it `1 / p`."""
    stats = pytest.importorskip("scipy").stats
    law = stats.nbinom(mean / (clump - 1), 1 / clump)
    assert queues.poisson(mean, rank, clump) == law.ppf(rank)
    assert queues.share_without_arrivals(mean, clump) == pytest.approx(law.pmf(0))


def _busy_periods(mean, busy, count=20_000):
    """Requests served before the server is idle, one after the other, from a Poisson beginning."""
    dice = np.random.default_rng(7)
    served = []
    for begun in dice.poisson(mean * (1 - busy), count):
        total = waiting = begun
        while waiting:
            waiting = dice.poisson(busy * waiting)
            total += waiting
        served.append(total)
    return np.array(served)


@pytest.mark.parametrize(("mean", "busy"), [(0.2, 0.5), (0.4, 0.82), (5.0, 0.7), (25.0, 0.3)])
def test_a_busy_period_serves_as_many_as_one_that_is_played(mean, busy):
    served = _busy_periods(mean, busy)
    assert served.mean() == pytest.approx(mean, abs=4 * (served.var() / len(served)) ** 0.5)
    for rank in (0.3, 0.8, 0.95, 0.99):
        most = queues.busy_period(mean, rank, busy)
        assert np.mean(served <= most) >= rank - 0.01
        assert most == 0 or np.mean(served <= most - 1) < rank + 0.01


def test_a_busy_period_of_a_large_mean_is_normal_and_arrays_are_numbers_one_by_one():
    means, busy = np.array([0.0, 0.4, 12.0, 300.0]), np.array([0.5, 0.82, 0.6, 0.5])
    found = queues.busy_period(means, 0.9, busy)
    alone = [queues.busy_period(m, 0.9, b) for m, b in zip(means.tolist(), busy, strict=True)]
    np.testing.assert_allclose(found, alone)
    assert found[-1] == pytest.approx(300 + 1.2816 * 300**0.5 / 0.5, rel=0.01)


def test_without_clumps_they_are_poisson():
    stats = pytest.importorskip("scipy").stats
    for rank in (0.3, 0.9, 0.99):
        assert queues.poisson(3.0, rank, 1.0 + 1e-12) == stats.poisson(3.0).ppf(rank)


@pytest.mark.parametrize("busy", [0.2, 0.6, 0.9])
def test_the_wait_behind_services_alike_has_the_mean_of_pollaczek_and_khinchine(busy):
    ranks = (np.arange(20_000) + 0.5) / 20_000
    waits = [queues.md1_wait_percentile_s(busy=busy, service_s=2.0, percent=100 * r) for r in ranks]
    wanted = md1_wait_s(busy, service_s=2.0)
    assert np.mean(waits) == pytest.approx(wanted, rel=5e-3)
    assert waits[int(20_000 * (1 - busy)) - 2] == 0.0 < waits[int(20_000 * (1 - busy)) + 2]


def erlang_1909(wait, busy):
    """Share of the requests that wait no longer, in services: his sum, which needs many digits."""
    wait, busy, found = Decimal(wait), Decimal(busy), Decimal(0)
    for k in range(int(wait) + 1):
        x = busy * (wait - k)
        found += ((-x) ** k if k else 1) * x.exp() / math.factorial(k)
    return float((1 - busy) * found)


@pytest.mark.parametrize("busy", [0.05, 0.2, 0.33, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("percent", [75, 90, 95, 99])
def test_the_wait_behind_services_alike_has_the_percentiles_of_erlang(busy, percent):
    wait = queues.md1_wait_percentile_s(busy=busy, service_s=1.0, percent=percent)
    with localcontext(prec=80):
        shorter, longer = erlang_1909(0.98 * wait, busy), erlang_1909(1.02 * wait, busy)
    assert wait == 0.0 or shorter <= percent / 100 <= longer
    assert (wait == 0.0) == (1 - busy >= percent / 100)
