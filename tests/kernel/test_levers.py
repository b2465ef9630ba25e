"""Pairs of runs: each read as two deployments, and the ratio of two predictions."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.evidence import compare, levers
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Speculation, Workload

FILE = Path(__file__).parents[2] / "benchmarks" / "pairs.csv"
PAIRS = {one.id: one for one in levers.read(FILE)}
RATIOS = levers.ratios(FILE)
SHARED = {"metric": "itl_ms", "model": "llama-3.1-8b", "gpu": "h100-sxm", "engine": "vllm"}
SHARED |= {"concurrency": "16", "input_tokens": "1000", "output_tokens": "200", "value_a": "10"}

# By the pair's id: what a person reads in its source's words, and the ratio of its two values.
READ = {
    # "awq-int4 tp* kv auto conc 1 in/out 512/256 220 W spec none", 1 to 2: 53.0 and 86.0 tok/s
    "x00300": (("tp",), 86.0 / 53.0, {"weight_dtype": "awq-int4", "concurrency": "1"}),
    # "llama-bench pp512 @ depth 4096", f16 to turbo4: 791.76 and 786.41 tok/s
    "x00220": (
        ("kv_dtype",),
        786.41 / 791.76,
        {"input_tokens": "4608", "cached_tokens": "4096", "engine": "llama.cpp"},
    ),
    # ".../vllm_AWQ-4bit_tp1x4_...", conc 128: four servers, 32 users on each
    "x00655": (
        ("weight_dtype",),
        3063.7 / 3424.9,
        {"copies": "4", "concurrency": "32", "num_gpus": "4", "tp": "1"},
    ),
    # "in 4096 c1 p50", 0% to 95% cached: 492 and 70 ms
    "x01100": (("cached_tokens",), 70 / 492, {"input_tokens": "4096", "concurrency": "1"}),
    # "none" to "mtp-2", acceptance 0.7907: 59.4 and 74.6 tok/s
    "x00143": (("draft", "draft_tokens", "draft_accepted"), 74.6 / 59.4, {"output_tokens": "192"}),
}


@pytest.mark.parametrize("name", READ)
def test_a_pair_of_each_kind_is_read_as_its_source_has_it(name):
    changed, measured, first = READ[name]
    one = PAIRS[name]
    assert one.changed == changed
    assert one.measured == pytest.approx(measured)
    assert {column: one.runs[0].get(column) for column in first} == first


def ratio(a, b, **cells):
    """A pair of `SHARED` whose runs have the settings `a` and `b`."""
    row = SHARED | {"lever": "one", "a": a, "b": b, "value_b": "9"} | cells
    return levers.ratio(levers.pair(row))


def estimated(deployment, load):
    """The gap between tokens, straight from the law."""
    return calibration.estimates(deployment, load).of("itl_s", bounded=False).value


def test_a_ratio_is_the_quotient_of_two_estimates():
    load = Workload(1000, 200, 16)
    wide, narrow = (
        catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm", weights=name)
        for name in ("bf16", "fp8")
    )
    made = ratio("weight_dtype=bf16", "weight_dtype=fp8")
    assert made.predicted == pytest.approx(estimated(narrow, load) / estimated(wide, load))
    drafted = replace(wide, speculation=Speculation(2, 0.8, catalog.model("llama-3.2-1b")))
    said = "draft=Llama-3.2-1B; draft_tokens=2; draft_accepted=0.72"  # (0.8 + 0.64) / 2
    made = ratio("", said, weight_dtype="bf16")
    wanted = estimated(drafted, load) / estimated(wide, load)
    assert made.predicted == pytest.approx(wanted, rel=1e-6)


def test_a_ratio_of_a_second_card_is_that_of_its_two_rows():
    """What `compare` predicts of each run as a row of its own."""
    one = PAIRS["x00345"]
    rows = [compare.row(levers.results.Line("", run)) for run in one.runs]
    wanted = rows[1].predicted / rows[0].predicted
    assert levers.ratio(one).predicted == pytest.approx(wanted)


def test_two_equal_runs_give_one():
    equal = [one for one in PAIRS.values() if "?" not in one.runs[0].values()]
    made = [levers.ratio(one._replace(runs=(one.runs[0],) * 2)) for one in equal]
    told = [r.predicted for r in made if r.predicted is not None]
    assert len(told) > 500
    assert set(told) == {1.0}


def test_a_pair_turned_round_gives_the_reciprocal():
    for one in RATIOS[::7]:
        first, second = one.pair.runs
        back = levers.ratio(one.pair._replace(runs=(second, first)))
        if one.predicted is not None:
            assert back.predicted == pytest.approx(1 / one.predicted)


UNTOLD = {
    "chunks": ("chunked_prefill=on", "chunked_prefill=off", {}, levers.NO_TERM, "chunked_prefill"),
    "version": ("engine_version=0.19", "engine_version=0.20", {}, levers.NO_TERM, "engine_version"),
    "tail": ("tp=1", "tp=2", {"statistic": "p99"}, levers.NO_TERM, "p99"),
    "two": ("tp=1", "tp=2; chunked_prefill=on", {}, levers.TWO, "chunked_prefill beside tp"),
    "accepted": (
        "",
        "draft=mtp; draft_tokens=2; draft_accepted=?",
        {},
        levers.UNSTATED,
        "accepted",
    ),
    "card": ("tp=1", "tp=2", {"gpu": ""}, levers.UNSTATED, "gpu"),
    "prompt": (
        *("cached_tokens=10", "", {"metric": "ttft_ms", "input_tokens": ""}),
        *(levers.UNSTATED, "input_tokens"),
    ),
    "name": ("model=abacus", "model=llama-3.1-8b", {}, levers.UNKNOWN, "abacus"),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_cannot_be_predicted_says_why(name):
    a, b, cells, kind, word = UNTOLD[name]
    made = ratio(a, b, **cells)
    assert (made.predicted, made.kind) == (None, kind)
    assert word in made.reason


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(BadInput, match="value_b"):
        ratio("tp=1", "tp=2", value_b="fast")
    with pytest.raises(BadInput, match="file"):
        levers.read("no such file.csv")


def test_the_table_counts_every_pair_once():
    made = levers.by_lever(RATIOS)
    assert len(PAIRS) == len(RATIOS) == sum(one.pairs for one in made) == 1006
    for one in made:
        assert one.pairs == one.predicted + sum(one.left.values())
        assert one.wrong_way + one.unmoved <= one.noticed <= one.predicted
    by_name = {one.name: one for one in made}
    # of the collection's own levers: 345 and 1 of weights, 54 and 40 of caches, 81 of power
    assert by_name["weight format"].pairs == 346
    assert by_name["cache format"].pairs == 94
    assert by_name["power limit"].pairs == 81
    assert by_name["engine version"].left == {levers.NO_TERM: 54}


def test_a_power_cap_slows_a_card_that_multiplies_all_the_time():
    """Of pairs at 220 and 250 to 300 W, 18 moved beyond 5%: all serve 32 users on each card."""
    caps = [r for r in RATIOS if r.pair.lever == "power limit"]
    moved = [r for r in caps if r.noticed]
    assert len(moved) == 18
    assert {r.pair.runs[0]["concurrency"] for r in moved if r.predicted != 1} == {"32"}
    for one in caps:  # one user, and stages that work in turn, leave a card below its cap
        alone = one.pair.runs[0]["concurrency"] == "1" or "pp" in one.pair.runs[0]
        assert (one.predicted == pytest.approx(1, abs=1e-9)) == alone
        assert not one.wrong_way


def test_signs_and_errors_of_a_summary():
    def told(measured, predicted):
        return levers.Ratio(levers.Pair("", "x", "", ({}, {}), measured), predicted)

    some = [told(2.0, 1.5), told(2.0, 0.5), told(0.5, 1.0), told(1.02, 0.9)]
    made = levers.summary("x", some)
    # errors 25%, 75%, 100% and 12%; three moved, one of them the other way and one not at all
    assert (made.noticed, made.wrong_way, made.unmoved) == (3, 1, 1)
    assert made.median == pytest.approx(0.5)
