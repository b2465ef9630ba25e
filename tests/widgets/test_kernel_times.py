"""Validate on timings of kernels: the formulas beside them."""

import json
from pathlib import Path

import pytest

from llmcap_kernel.evidence import kernels
from tests.widgets.test_validate import GOOD, send, table
from widgets import host
from widgets.calculators import validate
from widgets.page import static_html
from widgets.session import safe_view

DRAWN = (Path(__file__).parents[2] / "benchmarks" / "kernels_drawn.csv").read_text("utf-8")
ONE = "card,m,n,k,latency_us\n{},64,4096,4096,20\n"


def shown(text, **given):
    made = validate.with_file("gemm.csv", text.encode())
    return safe_view(made, validate.FORM.defaults() | given)


def test_the_errors_are_those_of_the_report():
    view, told = shown(DRAWN), kernels.report(DRAWN)
    rows = table(view, "How far off")["rows"]
    assert rows[0][:3] == ["all", "700", f"{told.whole.median:.1%}"]
    assert len(rows) == len(told.groups) + 1
    assert view["status"]["level"] == "good" and "700 kernels" in view["status"]["text"]
    assert told.sentence in view["sentences"]
    json.dumps(view, allow_nan=False)


def test_every_mark_is_a_kernel_measured_across_and_predicted_upward():
    data = shown(DRAWN)["figure"]["data"]
    [line, marks] = data
    assert line["x"] == line["y"] and marks["name"] == "matrix product (700)"
    pairs = {
        (float(f"{1e6 * one.row.latency_s:.4g}"), float(f"{1e6 * one.predicted_s:.4g}"))
        for one in kernels.report(DRAWN).rows
    }
    assert set(zip(marks["x"], marks["y"], strict=True)) <= pairs
    assert 100 < len(marks["x"]) <= 700


def test_a_card_that_is_not_named_is_said_beside_the_file():
    view = shown(ONE.format(""))
    assert view["status"]["level"] == "warn" and "card is missing" in view["status"]["text"]
    boxes = {one["name"] for one in view["controls"]}
    assert {"file.gpu", "file.engine"} <= boxes and "file.model" not in boxes
    told = shown(ONE.format(""), **{"file.gpu": "h100-sxm", "file.engine": "vllm"})
    assert table(told, "How far off")["rows"][1][0] == "matrix product, bf16, vllm"


def test_rows_in_doubt_and_rows_unread_are_named():
    text = "card,engine,gemm_dtype,m,n,k,latency_us\n"
    text += "h100,vllm,fp8_block,1,64,64,90\nh100,vllm,bf16,1,64,64,4\nh100,vllm,bf16,x,1,1,1\n"
    rows = table(shown(text), "Rows that are not counted")["rows"]
    assert [row[0] for row in rows] == ["1", "1"]
    assert "outside a graph" in rows[0][1] and "m is 'x'" in rows[1][1]


@pytest.mark.parametrize("text", [GOOD, DRAWN])
def test_a_file_is_sent_like_any_other(text):
    calculator = host.Calculator("validate")
    assert send(calculator, text.encode())[-1] == {"done": True}


def test_a_file_that_is_one_endless_cell_is_said_to_be_no_csv():
    view = shown('card,m,n,k,latency_us,"x\n' + "h100-sxm,1,2,3,4.5\n" * 8000)
    assert view["status"]["level"] == "warn" and "is no CSV" in view["status"]["text"]


def test_a_hostile_file_is_no_markup():
    view = shown(ONE.format("h100") + "<img src=x>,1,1,1,1\n")
    assert "<img" not in static_html(view)
