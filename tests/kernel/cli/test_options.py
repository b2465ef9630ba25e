"""Numbers and columns as people type them."""

import pytest

from llmcap_kernel.cli.options import read_column, read_number
from llmcap_kernel.spec import BadInput

from .plain import COLUMN


@pytest.mark.parametrize("separator", [" ", ",", "&", " , "])
def test_pairs_of_a_column_may_be_parted_in_several_ways(separator):
    label, d = read_column("X:" + COLUMN.replace(" ", separator))
    assert (label, d) == ("X", read_column(COLUMN)[1])


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "8000": 8000,
        "8k": 8000,
        "8K": 8000,
        "1.5k": 1500,
        "128_000": 128_000,
        "128,000": 128_000,
        "1M": 1_000_000,
        " 16 ": 16,
        "0.001M": 1000,
    }.items(),
)
def test_counts_as_people_type_them(text, value):
    assert read_number("context", text, int) == value


@pytest.mark.parametrize("text", ["", "k", "8kk", "eight", "nan", "inf", "1e999", "0x10", "1.5"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(BadInput, match=r"context is .*: it takes a whole number"):
        read_number("context", text, int)
