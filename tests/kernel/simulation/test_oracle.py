"""Another library's simulation of the same arrivals: every wait is the same, to one step."""

from itertools import pairwise
from statistics import NormalDist

import pytest

from llmcap_kernel.simulation import simulate

from .synthetic import Plain, poisson_load, room

SERVERS, STEP_S = 4, 1e-3


def test_places_in_the_batch_are_the_servers_of_a_queue():
    ciw = pytest.importorskip("ciw")
    lognormal = NormalDist(6.9 - 0.32, 0.8)
    load = poisson_load(
        2_000, 3.2, lambda p: 1, lambda p: 2.718281828 ** lognormal.inv_cdf(p), seed=3
    )
    times = [0.0, *(one.arrival_s for one in load)]
    gaps = [after - before for before, after in pairwise(times)]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps, 1e9])],
        service_distributions=[ciw.dists.Sequential([one.output_tokens * STEP_S for one in load])],
        number_of_servers=[SERVERS],
    )
    queue = ciw.Simulation(network)
    queue.simulate_until_max_customers(len(load))
    theirs = sorted(queue.get_all_records(), key=lambda record: record.arrival_date)
    ours = simulate(load, Plain(alpha_s=STEP_S), room(sequences=SERVERS)).served
    for record, one in zip(theirs, ours, strict=True):
        waited_s = one.scheduled_s - one.queued_s
        assert waited_s == pytest.approx(record.waiting_time, abs=1.01 * STEP_S)
    assert sum(record.waiting_time for record in theirs) / len(theirs) > 0.5
