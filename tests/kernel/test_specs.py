"""Ten specifications, each with an answer that was worked out by hand beside it."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from llmcap_kernel import design
from llmcap_kernel.spec import Slo, Tail, Workload

FOLDER = Path(__file__).parents[1] / "specs"
SPECS = {path.stem: tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))}
BY_HAND = 0.1  # how near a gap, a first token or a price comes to the arithmetic in a head


def found(spec):
    return design.search(Workload(**spec["load"]), Slo(**spec["slo"]), **spec["search"])


def test_there_are_ten():
    assert len(SPECS) == 10


@pytest.mark.parametrize("name", [name for name in SPECS if name != "nothing_fits"])
def test_the_answer_is_the_one_that_was_signed(name):
    answer = SPECS[name]["answer"]
    search = found(SPECS[name])
    best, made = search.winner, search.winner.expected
    assert best.title == answer["deployment"]
    assert best.deployment.engine.name == answer.get("engine", "vllm-0.33")
    assert best.usd_h_all == pytest.approx(answer.get("usd_h", 0.0))
    assert best.limits[0].name == answer["binding"]
    for key, value in (
        ("itl_ms", made.itl_s.value * 1e3),
        ("ttft_s", made.ttft_s.value),
        ("usd_mtok", best.usd_mtok.value if best.usd_mtok else None),
    ):
        if key in answer:
            assert value == pytest.approx(answer[key], rel=BY_HAND), key
    told = {r.choice.deployment.gpu.name: r.misses for r in search.why_not if r.misses}
    for gpu, limit in answer.get("misses", {}).items():
        missed = told.get(gpu) or _nearest(search, gpu)
        assert limit in [x.name for x in missed], gpu


def _nearest(search, gpu):
    """Limits that the nearest miss on a card misses."""
    return next(search.reason(c).misses for c in search.passed_over if c.deployment.gpu.name == gpu)


def test_where_nothing_fits_what_has_to_give_is_said():
    spec = SPECS["nothing_fits"]
    search = found(spec)
    assert search.winner is None and search.why_not
    least = design.relaxations(search)[0]
    assert {c.what: c.after for c in least.changes} == pytest.approx(
        spec["answer"]["relaxed"], rel=BY_HAND
    )
    assert least.choice.title == spec["answer"]["relaxed_to"]


def test_the_worked_spec_gets_b_or_better_with_reasons():
    b = design.worked_spec()[1]
    slo = Slo(usd_h=30.0, tails=(Tail("itl", 95, 0.050),))  # as its page asks it
    search = design.search(design.WORKED_WORKLOAD, slo, models=["llama-3.1-70b", "deepseek-v3"])
    of_b = design.card(b, design.WORKED_WORKLOAD, slo)
    assert search.winner.usd_h_all <= of_b.usd_h
    assert search.winner.meets_all and search.why_not
    of_b_or_better = [c for c in search.found if c.usd_h_all <= of_b.usd_h]
    assert of_b.meets_all and b in [c.deployment for c in _at_its_fraction(of_b_or_better)]


def _at_its_fraction(choices):
    """Candidates at the memory fraction of the worked spec, which the engine's default exceeds."""
    return [replace(c, deployment=replace(c.deployment, memory_fraction=0.90)) for c in choices]
