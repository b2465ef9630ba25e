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
        (2.5e-5, "s", "25 µs"),
        (1171.2, "tok/s", "1,171 tok/s"),
        (1.418, "USD/Mtok", "$1.42/M"),
        (0, "bytes", "0 B"),
        (-1.44 * 2**30, "GiB", "-1.44 GiB"),
        (999_885_952, "params", "1 B"),
        (999.6e9, "bytes/s", "1 TB/s"),
        (0.9996e-3, "s", "1 ms"),
        (-999.9e6, "bytes", "-1 GB"),
        (3614, "s", "3,614 s"),
        (float("inf"), "bytes/s", "unlimited B/s"),
        (float("inf"), "tokens", "unlimited tokens"),
    ],
)
def test_quantities(value, unit, text):
    assert quantity(value, unit) == text


@given(st.floats(1e-9, 1e15))
def test_three_figures_are_kept(value):
    read = float(digits(value).replace(",", ""))
    assert read == pytest.approx(value, rel=0.006)


# the largest unit of each has nothing above it to become
LARGEST = {"bytes": 999e18, "bytes/s": 999e18, "FLOP": 999e18, "FLOP/s": 999e18, "params": 999e12}


@pytest.mark.parametrize("unit", [*LARGEST, "s"])
@given(data=st.data())
def test_a_number_before_a_prefix_stays_under_a_thousand(unit, data):
    """However rounding falls: 999.9 M is 1 B, never 1,000 M."""
    exponent = data.draw(st.integers(-9 if unit == "s" else 0, 0 if unit == "s" else 18))
    near = data.draw(st.floats(0.99, 1.01) | st.floats(1, 10))
    figures = data.draw(st.integers(1, 5))
    value = min(near * 10.0**exponent, LARGEST.get(unit, 999))
    shown = quantity(value, unit, figures).split()[0]
    assert float(shown.replace(",", "")) < 1000


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
