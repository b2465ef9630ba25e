"""Queues: golden numbers of the literature, and an event-by-event count of each."""

import heapq
import math
import random
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import queues
from llmcap_kernel.simulation.queues import Batch

LOGNORMAL = math.sqrt(math.exp(0.8**2) - 1)  # deviation over mean where sigma is 0.8
loads = st.floats(0.01, 0.95)


@pytest.mark.parametrize("servers, offered, waits", [(8, 6.4, 0.457645), (4, 3.0, 0.509434)])
def test_who_waits_for_one_of_several_servers(servers, offered, waits):
    assert queues.erlang_c(servers=servers, offered=offered) == pytest.approx(waits, rel=1e-5)


def test_the_wait_for_one_of_several_servers():
    wait_s = queues.erlang_c_wait_s(servers=8, rate_rps=6.4, service_s=1.0)
    assert wait_s == pytest.approx(0.286028, rel=1e-5)


@pytest.mark.parametrize("variation, wait_s", [(0.0, 2.0), (1.0, 4.0), (LOGNORMAL, 3.792962)])
def test_the_wait_for_one_server(variation, wait_s):
    made = queues.mg1_wait_s(rate_rps=0.8, service_s=1.0, variation=variation)
    assert made == pytest.approx(wait_s, rel=1e-6)


@given(loads)
def test_one_of_one_server_is_one_server(load):
    one = queues.erlang_c_wait_s(servers=1, rate_rps=load, service_s=1.0)
    assert one == pytest.approx(queues.mg1_wait_s(rate_rps=load, service_s=1.0, variation=1.0))


@given(loads, st.floats(0.1, 99.9))
def test_percentiles_of_a_wait_share_it_out(load, percent):
    """Of exponential services the wait exceeds t for load x exp(-(1 - load) t)."""
    at = queues.mm1_wait_percentile_s(rate_rps=load, service_s=1.0, percent=percent)
    longer = load * math.exp(-(1 - load) * at)
    assert longer == pytest.approx(1 - percent / 100) if at else longer <= 1 - percent / 100 + 1e-9


@pytest.mark.parametrize("rate, users, time_s", [(2.0, 9.7143, 4.85714), (8.0, 90.6667, 11.33333)])
def test_a_batch_of_the_literature(rate, users, time_s):
    batch = Batch(rate, 400, 0.010, 0.0002)
    assert batch.mean == pytest.approx(users, rel=1e-5)
    assert batch.time_s == pytest.approx(time_s, rel=1e-5)


def counted(batch, seed=1, requests=20_000):
    """The batch token by token: requests come, each step gives each of them a token."""
    draw = random.Random(seed)
    comes_s, arrivals = 0.0, []
    for _ in range(requests):
        comes_s += draw.expovariate(batch.rate_rps)
        arrivals.append(comes_s)
    left, now_s, at, spent_s, gaps, inside = [], 0.0, 0, 0.0, {}, []
    steps = 0
    while at < len(arrivals) or left:
        if not left and arrivals[at] > now_s:
            now_s = arrivals[at]
        while at < len(arrivals) and arrivals[at] <= now_s:
            heapq.heappush(left, steps + batch.output_tokens)
            inside.append(arrivals[at])
            at += 1
        n = len(left)
        gaps[n] = gaps.get(n, 0) + n
        spent_s += n * (batch.step_s + batch.sequence_s * n)
        now_s += batch.step_s + batch.sequence_s * n
        steps += 1
        while left and left[0] <= steps:
            heapq.heappop(left)
    return spent_s / requests, gaps


@pytest.mark.parametrize("rate, percent", [(2.0, 50), (2.0, 95), (6.0, 50), (6.0, 99)])
def test_gaps_of_a_batch_are_those_that_are_counted(rate, percent):
    batch = Batch(rate, 100, 0.010, 0.0008)
    time_s, gaps = counted(batch)
    assert time_s == pytest.approx(batch.time_s, rel=0.02)
    tokens, below = sum(gaps.values()) * percent / 100, 0
    for n in sorted(gaps):
        below += gaps[n]
        if below >= tokens:
            break
    assert batch.gap_s(percent) == pytest.approx(batch.step_s + batch.sequence_s * n, rel=0.03)


@given(loads, st.floats(1e-4, 0.1), st.floats(0, 0.01), st.floats(1, 99))
@example(0.5, 0.1, 5e-324, 50.0)
def test_the_mean_of_a_batch_is_that_of_its_shares(busy, step_s, sequence_s, percent):
    rate = busy / (100 * max(sequence_s, 1e-4))
    batch = Batch(rate, 100, step_s, sequence_s)
    assert batch.percentile(percent) <= batch.percentile(min(percent + 1, 99.5))
    # a median and a mean of such a law are within a deviation
    spread = math.sqrt(batch.mean / (1 - batch.busy))
    assert abs(batch.percentile(50) - batch.mean) <= spread + 1


def test_a_shared_server_does_not_look_at_others_sizes():
    assert queues.shared_time_s(rate_rps=0.8, service_s=1.0, own_s=2.0) == pytest.approx(10.0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: queues.mg1_wait_s(rate_rps=1.0, service_s=1.0),
        lambda: queues.erlang_c(servers=2, offered=2.5),
        lambda: queues.shared_time_s(rate_rps=2.0, service_s=1.0, own_s=1.0),
        lambda: Batch(20.0, 400, 0.01, 0.0002).time_s,
    ],
)
def test_what_a_queue_cannot_keep_up_with_is_refused_in_a_sentence(ask):
    with pytest.raises(BadInput, match="the queue would grow without end") as refused:
        ask()
    assert refused.value.field == "rate_rps"


@pytest.mark.parametrize("percent", [0, 100, -1, "95", None, math.nan])
def test_a_percent_lies_between_none_and_all(percent):
    with pytest.raises(BadInput, match="percent is"):
        queues.check_percent(percent)


def test_formulas_take_arrays():
    rates = np.array([0.2, 0.8, 2.0])
    waits = queues.mg1_wait_s(rate_rps=rates, service_s=1.0)
    assert waits[1] == pytest.approx(2.0) and np.isnan(waits[2])
    assert Batch(np.array([2.0, 8.0]), 400, 0.01, 0.0002).mean[1] == pytest.approx(90.6667)


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
    wanted = queues.mg1_wait_s(rate_rps=busy / 2.0, service_s=2.0)
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
