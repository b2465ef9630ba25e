"""`llmcap scorecard`: the worked spec, columns of one's own, and the kernel's numbers."""

import json

import pytest

from llmcap_kernel import design
from llmcap_kernel.cli.cards import as_dict
from llmcap_kernel.cli.options import read_column
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo, Workload

from .plain import COLUMN, strict, unwrapped


def test_scorecard_without_options_is_the_worked_spec(run):
    status, out, err = run("scorecard")
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert (status, err) == (0, "")
    told = unwrapped(out)
    assert made.verdict in told and all(c.deployment.title in told for c in made.cards)
    assert all(c.binding in told for c in made.cards)
    assert out.index("Run B") < out.index("A =") < out.index("What binds")


def test_where_the_numbers_come_from_is_said_once(run):
    out = run("scorecard")[1]
    assert out.count("Estimates") == 1 and "eilings" in " ".join(out.splitlines()[-2:])


def test_json_holds_the_kernels_numbers(run):
    status, out, err = run("scorecard", "--json")
    told = strict(out)
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert (status, err) == (0, "")
    assert told["winner"] == made.winner.label and told["verdict"] == made.verdict
    assert told["cards"] == json.loads(json.dumps([as_dict(c) for c in made.cards]))
    for column, card in zip(told["cards"], made.cards, strict=True):
        assert column["binding_constraint"] == card.binding
        price = card.usd_mtok
        assert column["ceiling"]["usd_per_mtok_output"] == (price and pytest.approx(price.ceiling))
        assert column["max_concurrent"] == card.max_concurrent
        for told_limit, limit in zip(column["limits"], card.limits, strict=True):
            for key in ("name", "verdict", "required", "available", "headroom", "sentence"):
                assert told_limit[key] == getattr(limit, key)


def test_what_does_not_start_has_no_speed(run):
    a = strict(run("scorecard", "--json")[1])["cards"][0]
    assert a["starts"] is False and a["fits"] is False
    assert set(a["ceiling"].values()) == {None} and a["estimate"] is None
    (capacity,) = [x for x in a["limits"] if x["name"] == "capacity"]
    assert (capacity["required"], capacity["available"]) == (16, 0)


def test_columns_and_load_are_taken(run):
    _, out, _ = run(
        "scorecard",
        "--column",
        f"B: {COLUMN}",
        "--column",
        "one: " + COLUMN.replace("tp=2", "tp=1").replace("h100", "h200"),
        "--input=3500",
        "--output=500",
        "--concurrency=8",
        "--itl-ms=25",
        "--budget-usd-h=12.5",
        "--json",
    )
    told = strict(out)
    load, slo = Workload(3500, 500, 8), Slo(itl_s=0.025, usd_h=12.5)
    made = design.card(read_column(COLUMN)[1], load, slo, label="B")
    assert [c["label"] for c in told["cards"]] == ["B", "one"]
    assert told["cards"][0] == json.loads(json.dumps(as_dict(made)))


def test_explain_adds_the_arithmetic(run):
    plain, more = run("scorecard")[1], run("scorecard", "--explain")[1]
    assert more.startswith(plain.rstrip("\n"))
    assert "kv_pool = budget - weights" in more


def test_unnamed_columns_are_lettered(run):
    _, out, _ = run("scorecard", "--json", *("--column", COLUMN) * 2)
    assert [c["label"] for c in strict(out)["cards"]] == ["A", "B"]


def test_the_table_of_a_scorecard_holds_the_estimates(run):
    text, told = run("scorecard")[1], strict(run("scorecard", "--json")[1])
    line = next(line for line in text.splitlines() if line.startswith("Gap between tokens"))
    gaps = [c["estimate"] and c["estimate"]["itl_ms"]["value"] for c in told["cards"]]
    cells = ["-" if gap is None else quantity(gap / 1e3, "s") for gap in gaps]
    assert line.split(maxsplit=3)[-1].split() == " ".join(cells).split()


def test_json_takes_the_arithmetic_along(run):
    plain, more = (strict(run("scorecard", "--json", *add)[1]) for add in ((), ("--explain",)))
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert more.pop("explain") == made.explain()
    assert more == plain


def test_no_column_is_lost_to_its_heading(run):
    """An unnamed column must not take a heading that another one has, nor lose it."""
    _, out, err = run(
        "scorecard", "--json", "--column", COLUMN, "--column", f"A: {COLUMN}", "--column", COLUMN
    )
    if not err:
        assert len(strict(out)["cards"]) == 3


def test_twenty_seven_columns_are_an_answer_or_one_line(run):
    status, _, err = run("scorecard", *("--column", COLUMN) * 27)
    assert status == 0 or err.count("\n") == 1


def test_json_counts_a_shared_prefix_as_the_limits_do(run):
    _, out, _ = run("scorecard", "--shared-prefix", "6k", "--json")
    load = Workload(7000, 1000, 16, 6000)
    for column, deployment in zip(strict(out)["cards"], worked_spec(), strict=True):
        made = design.card(deployment, load, WORKED_SLO)
        assert column["max_concurrent"] == made.max_concurrent
        assert column["fits"] == made.fits
