"""The numbers in flight, of queues whose shares are known."""

import math

import pytest

from llmcap_kernel.simulation.in_flight import in_flight_of, knots

from .exact import Batch, erlang_c


def flying(round_s, most, rate_rps):
    """Requests in flight of a queue that answers in so long with n of them."""
    users = knots(most)
    return in_flight_of(users, tuple(round_s(n) for n in users), rate_rps)


@pytest.mark.parametrize("offered", [0.2, 3.0, 40.0])
def test_servers_without_end_have_a_poisson_number_at_work(offered):
    """M/M/infinity: the number is Poisson with the load as its mean."""
    law = flying(lambda n: 1.0, 200, offered)
    assert law.mean == pytest.approx(offered, rel=0.002)
    assert law.percentile(50) == pytest.approx(1 + _poisson(offered, 0.5), abs=0.02 * offered + 0.5)
    assert law.percentile(99) == pytest.approx(1 + _poisson(offered, 0.99), rel=0.02)


def _poisson(mean, rank):
    share = below = math.exp(-mean)
    n = 0
    while below < rank:
        n += 1
        share *= mean / n
        below += share
    return n


@pytest.mark.parametrize(("servers", "offered"), [(8, 6.4), (4, 3.0)])
def test_a_queue_of_servers_waits_as_erlang_has_it(servers, offered):
    law = flying(lambda n: 1.0, servers, offered)
    assert law.waiting == pytest.approx(erlang_c(servers, offered), rel=1e-6)
    queue = law.waiting * offered / (servers - offered)
    assert law.mean == pytest.approx(offered + queue, rel=1e-6)


@pytest.mark.parametrize(("rate", "mean"), [(2.0, 9.7143), (8.0, 90.6667)])
def test_a_batch_is_negative_binomial(rate, mean):
    """Golden: answers of 400 tokens, steps of 10 ms and 0.2 ms for each in the batch."""
    exact = Batch(rate, 400, 0.010, 0.0002)
    law = flying(lambda n: 400 * (0.010 + 0.0002 * n), 2000, rate)
    assert law.mean == pytest.approx(mean, rel=0.01)
    for percent in (20, 50, 95, 99):  # between two nodes it is not rounded up to a whole one
        assert law.percentile(percent) == pytest.approx(
            1 + exact.percentile(percent), rel=0.02, abs=1
        )
