"""The table of the memory ledger: what it counts, and that it counts it right."""

import pytest

from benchmarks import memory
from llmcap_kernel.evidence import startup
from llmcap_kernel.evidence.startup import GIB

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
    denied = log(gpu="RTX 3080 Ti", kv_gib="1")
    text = "\n".join(memory.table([log(kv_gib="1"), denied]))
    assert "50.0%" in text and "said not to start, and ran: 1: a" in text


def test_the_interval_counts_by_source():
    some = [log(kv_gib="1", source_id=name) for name in ("one", "one", "two")]
    for one, low in zip(some, (0, 0, 2 * GIB), strict=True):
        one.books = type("Books", (), {"kv_pool_interval_bytes": (low, 9e12)})()
    assert "50%" in memory.coverage(some)
    assert "no interval yet" in memory.coverage([log()])


def test_the_command_prints_every_part(capsys):
    assert memory.main(["--engine", "vllm", "--by", "source"]) == 0
    out = capsys.readouterr().out
    for part in ("weights", "by source", "worst", "do not count", "without a ledger"):
        assert part in out
