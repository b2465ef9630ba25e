"""The scorecard's figure: bars to scale from nothing, and words where there is no bar."""

import math

import pytest

from llmcap_kernel import address, design
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from widgets.calculators import compare, scorecard
from widgets.calculators.columns import AS_SPECIFIED
from widgets.figures.limits import DRAWN, limits_used


def test_bars_of_limits_are_to_scale_and_one_that_goes_on_says_so():
    rows = [("A", [("budget", 0.13), ("99th percentile gap", 0.52)]),
            ("B", [("capacity", math.inf), ("budget", 12.84)])]  # fmt: skip
    drawn = limits_used(rows, "")
    (bars,) = drawn["data"]
    assert bars["x"] == [0.13, 0.52, 0, DRAWN]
    assert bars["text"] == ["13%", "52%", "does not start", "12.8 times the limit \u2192"]
    axis = drawn["layout"]["xaxis"]
    assert axis.get("type", "linear") == "linear" and axis["range"][0] == 0


def test_the_axis_of_limits_ends_where_its_bars_do():
    ends = [
        limits_used([("A", [("budget", share)])], "")["layout"]["xaxis"]["range"][1]
        for share in (0.4, 0.99, 1.6, 30, math.inf)
    ]
    assert ends == pytest.approx([1.1, 1.1, 1.76, 1.1 * DRAWN, 1.1])


def test_what_does_not_start_is_said_so_in_the_figure():
    drawn = scorecard.view(scorecard.FORM.defaults() | AS_SPECIFIED)["figure"]["data"][0]
    names = [label for label, text in zip(drawn["y"][0], drawn["text"], strict=True)
             if text == "does not start"]  # fmt: skip
    assert names == ["1x H100"]


def test_what_opens_is_one_model_on_cards_that_all_hold_it_within_every_limit():
    for one in (scorecard, compare):
        view = one.view(one.FORM.defaults())
        models = {item["label"].partition(": ")[2] for item in view["headline"]}
        assert len(models) == 1 and len(view["headline"]) == 3
        assert not any("does not" in item["value"] for item in view["headline"])
    table = scorecard.view(scorecard.FORM.defaults())["tables"][0]
    verdicts = {cell for levels in table["levels"] for cell in levels if cell}
    assert "bad" not in verdicts


def test_a_percentile_below_the_mean_is_explained_where_it_stands_beside_it():
    view = scorecard.view(scorecard.FORM.defaults())
    assert sum("below their mean" in one for one in view["sentences"]) == 1
    alone = scorecard.view(scorecard.FORM.defaults() | {"users": 1})
    assert not any("below their mean" in one for one in alone["sentences"])


def test_at_a_rate_the_columns_are_the_kernels_and_the_link_of_a_file_opens_them():
    state = scorecard.FORM.defaults() | {"rate": 0.5}
    view = scorecard.view(state)
    assert "users" not in {one["name"] for one in view["controls"]}
    assert any("come 0.5 requests a second" in one for one in view["sentences"])
    link = address.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO, rate_rps=0.5)
    opened, _ = scorecard.FORM.parse(link.partition("?")[2])
    told = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO, rate_rps=0.5).verdict
    said = scorecard.view(opened)["status"]["text"].replace("2x H100", "B")
    assert opened["rate"] == 0.5 and told.partition(". ")[0] == said.partition(". ")[0]


def test_a_rate_that_is_not_answered_is_drawn_beyond_the_limit():
    view = scorecard.view(scorecard.FORM.defaults() | {"rate": 1.0})
    bars = view["figure"]["data"][0]
    shares = [text for name, text in zip(bars["y"][1], bars["text"], strict=True)
              if name == "most requests/s"]  # fmt: skip
    assert len(shares) == 3 and all(int(text.rstrip("%")) > 100 for text in shares if "%" in text)
    assert all("of 1 requests/s, and the queue" in item["note"] for item in view["headline"])
