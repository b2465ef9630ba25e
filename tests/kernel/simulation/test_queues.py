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
