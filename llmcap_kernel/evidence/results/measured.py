"""Rows in the columns of `benchmarks/measured.csv`: a metric and its value."""

from .line import MAX_CELL, SECONDS, Fields, Line, Reader, number
from .wide import quantity


def _recognises(data: Fields) -> bool:
    return "metric" in data and "value" in data


def _lines(data: Fields, where: str) -> list[Line]:
    name = data.get("id")
    known = isinstance(name, (str, int)) and name != ""
    return [Line(str(name)[:MAX_CELL] if known else where, data | _in_a_client_s_words(data))]


def _in_a_client_s_words(data: Fields) -> Fields:
    """A metric as the clients name it, `p99_ttft_ms`, in the names of these columns."""
    unit = str(data.get("unit") or "").strip().lower()
    spelled = f"{data.get('metric')} {unit if unit in SECONDS else ''}"[:MAX_CELL]
    measures, value = quantity(spelled), number(data.get("value"))
    if measures is None or value is None or data.get("metric") == measures.name:
        return {}
    if measures.unsaid == "tokens":
        return {"metric": measures.name, "value": value, "rate_column": spelled.strip()}
    if measures.unsaid:
        return {}
    of = {"metric": measures.name, "value": value * measures.scale, "unit": ""}
    return of | ({} if measures.percent is None else {"percentile": measures.percent})


READERS = (Reader(_recognises, _lines),)
