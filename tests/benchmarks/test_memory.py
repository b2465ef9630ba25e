"""The table of the memory ledger: what it counts, and that it counts it right."""

import pytest

from benchmarks import memory
from llmcap_kernel.evidence import startup
from llmcap_kernel.explain import GIB

GOOD = {
    "id": "a",
    "source_id": "one",
    "model": "Qwen3-8B",
    "engine": "vLLM",
    "engine_version": "0.19.0",
    "gpu": "RTX 5090",
    "memory_fraction": "0.9",
    "max_model_len": "8192",
    "starts": "yes",
}


def log(**cells):
    return memory.Log(startup.beside(startup.row(GOOD | cells)))


def test_errors_are_of_what_was_logged():
    books = log().books
    logged = {
        "weights_gib": str(books.weights_bytes / GIB / 1.25),
        "kv_gib": str((books.kv_pool_bytes + 0.05 * books.visible_bytes) / GIB),
        "kv_tokens": "60000",
    }
    errors = log(**logged).errors
    assert errors["weights"] == pytest.approx(0.25)
    assert errors["room"] == pytest.approx(0.05)
    per_gib = 60_000 / 8192 / float(logged["kv_gib"])
    wanted = abs(GIB / books.kv_bytes_per_sequence / per_gib - 1)
    assert errors["dense"] == pytest.approx(wanted) and "hybrid" not in errors
    assert log().errors == {}


@pytest.mark.parametrize(
    ("cells", "lacking"),
    [
        ({}, ""),
        ({"memory_fraction": ""}, "no fraction"),
        ({"engine_version": ""}, "no version"),
        ({"engine_version": "", "engine": "SGLang"}, ""),
        ({"doubt": "one-stage"}, "one-stage"),
    ],
)
def test_only_logs_that_state_enough_count(cells, lacking):
    assert log(**cells).lacking == lacking


def test_what_ran_and_is_denied_is_named():
    denied = log(gpu="RTX 3060", kv_gib="1")
    text = "\n".join(memory.table([log(kv_gib="1"), denied]))
    assert "50.0%" in text and "without a doubt, and ran: 1: a" in text


def off_by(gib, **cells):
    """A log whose room is that much more than the ledger's."""
    return log(kv_gib=str(log(**cells).books.kv_pool_bytes / GIB + gib), **cells)


def test_a_source_is_judged_with_the_interval_of_the_others():
    """Some logs are off by little, some by much: the little is held, the much is not."""
    little = [off_by(gib, source_id="one") for gib in (0.5, 0.6, 0.6)]
    first, *each = memory.coverage([*little, *(off_by(3, source_id="two") for _ in range(3))])
    assert "50%" in first
    assert [line.split()[-1] for line in each] == ["100%", "0%"]


def beyond(gib):
    """What is left of that once the weights have their share [bytes]."""
    return gib * GIB - memory.OF_WEIGHTS * log().books.weights_bytes


def test_a_quantile_lies_between_logs_and_every_source_counts_alike_in_it():
    """Fifty logs of one source fill the lower half, the one of another the upper half."""
    logs = [*(off_by(0.5, source_id="many") for _ in range(50)), off_by(3, source_id="few")]
    at = [memory.quantile(logs, level) for level in (0.1, 0.45, 0.6225, 0.75, 1)]
    low, high = beyond(0.5), beyond(3)
    assert at == pytest.approx([low, low, (low + high) / 2, high, high])


def test_what_few_logs_are_of_has_twice_the_interval_of_nvidia():
    """Whatever the few show; three are enough to speak for themselves."""
    many = [off_by(1, source_id=name) for name in ("one", "two", "three")]
    few = [off_by(9, gpu="MI300X", source_id=name) for name in ("one", "two")]
    off = memory.doubts(many + few, 0.9)
    assert off["nvidia"].bytes == pytest.approx(beyond(1))
    assert off["amd"] == off["unified"] == off["other"] == (2 * off["nvidia"].bytes, 0)
    three = [*few, off_by(9, gpu="MI300X", source_id="three")]
    assert memory.doubts(many + three, 0.9)["amd"].bytes > 8 * off["nvidia"].bytes


def test_of_a_shared_memory_all_that_its_logs_show_is_in_doubt():
    many = [off_by(1, source_id=name) for name in ("one", "two", "three")]
    shared = off_by(9, gpu="Ryzen AI Max+ 395", source_id="four")
    off = memory.doubts([*many, shared], 0.9)
    assert off["unified"].holds(shared) and not off["other"].holds(shared)
    assert memory.doubts(many, 0.9)["unified"] == off["other"]


def test_the_level_is_the_least_that_holds_four_of_five_sources_that_it_has_not_seen():
    logs = [off_by(gib, source_id=f"of {gib}") for gib in (0.5, 0.6, 0.7, 0.8, 9)]

    def outside(level):
        split = memory.by_source(logs)
        return sum(not memory.held(mine, memory.doubts(rest, level)) for _, mine, rest in split)

    level = memory.earned(logs)
    assert outside(level) == 1 < outside(level - 0.01)
    assert memory.earned(logs[:2]) == memory.LEVELS[-1]  # too few to earn any


def test_the_command_prints_every_part(capsys):
    assert memory.main(["--engine", "vllm", "--by", "source"]) == 0
    out = capsys.readouterr().out
    for part in ("weights", "by source", "worst", "do not count", "without a ledger"):
        assert part in out
