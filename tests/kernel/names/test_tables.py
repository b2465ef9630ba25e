"""The tables of spellings hold every name that a published row or log brings."""

import csv
from pathlib import Path

import pytest

HERE, ROWS = Path(__file__).parent, Path(__file__).parents[3] / "benchmarks"


def column(path, name):
    with path.open(encoding="utf-8", newline="") as file:
        return {row[name].strip() for row in csv.DictReader(file)} - {""}


@pytest.mark.parametrize("file", ["measured", "newer"])
@pytest.mark.parametrize(
    ("table", "spelled", "cells"),
    [
        ("models", "spelling", ("model",)),
        ("cards", "spelled", ("gpu",)),
        ("formats", "spelled", ("weight_dtype", "kv_dtype")),
        ("engines", "spelled", ("engine",)),
    ],
)
def test_every_spelling_of_the_rows_is_read_in_a_table(file, table, spelled, cells):
    held = column(HERE / f"{table}.csv", spelled)
    for cell in cells:
        assert column(ROWS / f"{file}.csv", cell) <= held
