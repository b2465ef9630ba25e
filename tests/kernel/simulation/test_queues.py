"""How many requests come, and their wait for one server, beside the laws of scipy and of books."""

import math

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
    assert queues.none_come(mean, clump) == pytest.approx(law.pmf(0))


def test_without_clumps_they_are_poisson():
    stats = pytest.importorskip("scipy").stats
    for rank in (0.3, 0.9, 0.99):
        assert queues.poisson(3.0, rank, 1.0 + 1e-12) == stats.poisson(3.0).ppf(rank)


@pytest.mark.parametrize("busy", [0.2, 0.6, 0.9])
def test_the_wait_behind_services_alike_has_the_mean_of_pollaczek_and_khinchine(busy):
    ranks = (np.arange(20_000) + 0.5) / 20_000
    waits = [queues.md1_wait_percentile_s(busy=busy, service_s=2.0, percent=100 * r) for r in ranks]
    wanted = md1_wait_s(busy, service_s=2.0)
    assert np.mean(waits) == pytest.approx(wanted, rel=1e-3)
    assert waits[int(20_000 * (1 - busy)) - 2] == 0.0 < waits[int(20_000 * (1 - busy)) + 2]
