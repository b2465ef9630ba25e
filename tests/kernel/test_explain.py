"""What people read: numbers, units, lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel.explain import Explained, Line, digits, quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (72.7e9, "bytes", "72.7 GB"),
        (85_520_809_984, "GiB", "79.6 GiB"),
        (3.35e12, "bytes/s", "3.35 TB/s"),
        (989.4e12, "FLOP/s", "989 TFLOP/s"),
        (70.6e9, "params", "70.6 B"),
        (0.0137, "s", "13.7 ms"),
        (2.5e-5, "s", "25 us"),
        (1171.2, "tok/s", "1,171 tok/s"),
        (1.418, "USD/Mtok", "$1.42/M"),
        (0, "bytes", "0 B"),
        (-1.44 * 2**30, "GiB", "-1.44 GiB"),
        (float("inf"), "tokens", "unlimited tokens"),
    ],
)
def test_quantities(value, unit, text):
    assert quantity(value, unit) == text


@given(st.floats(1e-9, 1e15))
def test_three_figures_are_kept(value):
    read = float(digits(value).replace(",", ""))
    assert read == pytest.approx(value, rel=0.006)


def test_a_line_prints_formula_numbers_and_value():
    line = Line("x", "a / b", "6 / 3", "2")
    assert str(line) == "x = a / b\n  = 6 / 3\n  = 2"
    assert str(Line("x", "a", "", "2")) == "x = a\n  = 2"


class Two(Explained):
    def lines(self):
        return (Line("x", "a < b", "1 < 2", "yes"),)


def test_notebooks_get_a_table_and_nothing_unescaped():
    html = Two()._repr_html_()
    assert "<th scope='row'>x</th>" in html and "a &lt; b" in html
    assert Two().explain().startswith("x = a < b")
