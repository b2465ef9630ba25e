"""The exact laws beside golden numbers of the literature, and an event-by-event count."""

import heapq
import random

import pytest

from .exact import Batch, erlang_c, md1_wait_s


@pytest.mark.parametrize("servers, offered, waits", [(8, 6.4, 0.457645), (4, 3.0, 0.509434)])
def test_who_waits_for_one_of_several_servers(servers, offered, waits):
    assert erlang_c(servers, offered) == pytest.approx(waits, rel=1e-5)


def test_the_wait_for_one_server():
    assert md1_wait_s(0.8, service_s=1.0) == pytest.approx(2.0)


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
