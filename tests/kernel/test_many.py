"""Many points on any executor, and again after an interruption."""

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from time import sleep

import pytest

from llmcap_kernel import catalog, design, many, sweep
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import Lengths, Load, along

D = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
RATES = (1.0, 2.0, 4.0)
LOAD = Load(Lengths(1000, 0.5, "lognormal"), Lengths(50), count=40)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_threads_and_processes_give_what_one_gives(pool):
    with pool(2) as executor:
        assert along(D, LOAD, RATES, executor=executor) == along(D, LOAD, RATES)
        asked = (D, design.WORKED_WORKLOAD, "concurrency", (1, 8, 64), "itl_s")
        assert sweep.curve(*asked, executor=executor) == sweep.curve(*asked)


def test_a_cluster_gives_what_one_gives():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert along(D, LOAD, RATES, executor=client.get_executor()) == along(D, LOAD, RATES)


def test_a_sweep_that_was_interrupted_resumes(tmp_path):
    kept, asked = tmp_path / "kept.jsonl", []

    def square(point):
        asked.append(point)
        if point == 3:
            raise KeyboardInterrupt
        return point * point

    with pytest.raises(KeyboardInterrupt):
        many.each(square, [1, 2, 3, 4], kept=kept)
    kept.write_text(kept.read_text() + '["4", 1')  # and the last line was cut off
    square_of = {1: 1, 2: 4, 3: 9, 4: 16}
    assert many.each(square_of.get, [1, 2, 3, 4], kept=kept) == square_of
    assert asked == [1, 2, 3]
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        [str(point), result] for point, result in square_of.items()
    ]


def test_it_is_told_how_far_it_is_and_stops():
    told = []

    def progress(share):
        told.append(share)
        return len(told) < 2

    assert many.each(abs, [-1, -2, -3, -4], progress=progress) == {-1: 1, -2: 2}
    assert told == [0.25, 0.5]


def test_what_nobody_waits_for_is_not_computed():
    asked = []

    def slow(point):
        asked.append(point)
        sleep(0.005)
        return point

    with ThreadPoolExecutor(1) as executor:
        done = many.each(slow, range(200), executor=executor, progress=lambda share: False)
    assert done == {0: 0} and len(asked) < 20


def test_a_file_that_is_another_costs_a_sentence(tmp_path):
    kept = tmp_path / "kept.jsonl"
    kept.write_text("hello\nworld\n")
    with pytest.raises(BadInput, match="line 1 is 'hello': it takes a point and a result"):
        many.each(abs, [1], kept=kept)
    with pytest.raises(BadInput, match="cannot be read"):
        many.each(abs, [1], kept=tmp_path)
    with pytest.raises(BadInput, match="cannot be written"):
        many.each(abs, [1], kept=tmp_path / "none" / "kept")
