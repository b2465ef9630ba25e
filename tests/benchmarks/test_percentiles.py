"""The measured percentiles: their labels, and how they are scored."""

import csv
from types import SimpleNamespace

import pytest

from benchmarks import label_percentiles
from llmcap_kernel.evidence import tails

with label_percentiles.FILE.open(encoding="utf-8", newline="") as file:
    ROWS = {row["id"]: row for row in csv.DictReader(file)}


def test_the_file_is_labelled_and_a_second_run_changes_nothing():
    assert [label_percentiles.labelled(row) for row in ROWS.values()] == list(ROWS.values())


def test_a_rule_undone_leaves_the_words_of_the_source():
    undone = label_percentiles.original(ROWS["p00276"])
    assert undone["gpu"] == "Gaudi 3 (128 GB HBM2e)" and undone["quantity"] == ""
    cards = {label_percentiles.original(row)["gpu"] for row in ROWS.values()}
    assert "A100 80GB" in cards and "A100 80GB PCIe" not in cards


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("p01691", "at_once", "1"),  # users of one length end and ask together
        ("p03533", "draft_accepted", "0.8267"),  # an accept length of 3.48 of 1 + 3
        ("p03533", "answers", "uniform"),
        ("p00534", "lacks", "the network between its nodes"),
        ("p05562", "lacks", "the length of its prompts"),
    ],
)
def test_what_a_source_says_in_words_stands_in_columns(name, column, value):
    assert ROWS[name][column] == value


def test_a_row_is_a_run_at_several_percentiles():
    run = tails.run(ROWS["p03533"])
    assert run.quantity == "itl" and not run.reason
    assert run.measured == pytest.approx({50.0: 6.81e-3, 95.0: 13.51e-3, 99.0: 26.99e-3})
    assert run.estimates.deployment.speculation.tokens == 3


def test_what_a_row_lacks_is_its_reason():
    assert tails.run(ROWS["p05562"]).reason == "the length of its prompts is not stated"


def test_each_source_counts_alike_and_is_predicted_without_itself():
    points = tails.points([tails.run(ROWS[name]) for name in ("p03533", "p00276", "p00278")])
    assert sum(tails.shares([p for p in points if p.run.quantity == "itl"])) == pytest.approx(1)
    found = tails.scores(points)
    assert {one.point.run.source for one in found} == {"sglcook", "gaudi"}
    few, value, many = points[0].ends(0.0, 0.0)
    assert few <= value <= many


def test_a_width_narrows_a_mean_interval_that_is_too_wide():
    """Twelve runs, all predicted as 1 s: one beyond either end of the interval, and no more."""
    measured = (0.75, 0.80, 0.85, 0.90, 0.95, 1.00, 1.05, 1.10, 1.15, 1.20, 1.25, 1.30)
    points = [
        SimpleNamespace(
            kind="ttft p50",
            run=SimpleNamespace(source="s"),
            measured=m,
            faster=0.25,  # the interval of the mean is 0.25 s to 4 s
            slower=4.0,
            ends=lambda step, request: (1.0, 1.0, 1.0),
        )
        for m in measured
    ]
    ((faster, slower),) = tails.widths(points, 0.0, 0.0).values()
    # a tenth is more than one of twelve, and less than two
    assert 0.25 / faster == pytest.approx(0.80) and 4.0 * slower == pytest.approx(1.25)
