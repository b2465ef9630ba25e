"""Rows in the columns of `benchmarks/measured.csv`: a metric and its value."""

from .line import MAX_CELL, Fields, Line, Reader


def _recognises(data: Fields) -> bool:
    return "metric" in data and "value" in data


def _lines(data: Fields, where: str) -> list[Line]:
    name = data.get("id")
    known = isinstance(name, (str, int)) and name != ""
    return [Line(str(name)[:MAX_CELL] if known else where, data)]


READERS = (Reader(_recognises, _lines),)
