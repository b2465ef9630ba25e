"""k6 and Locust, which send requests and know nothing of tokens: whole answers, and how many a s.

Names: k6's `internal/js/summary-wrapper.js` (`--summary-export`, `handleSummary`) and
`internal/lib/summary/machine_readable.go`; Locust's `stats.py`, `..._stats.csv`. Times of both are
in milliseconds. A trend of k6 or a row of Locust that a script named as a client of models would,
such as `ttft`, is read as that. Users are those in flight, by the rate and the time of a request.
"""

import re
from typing import Any

from ...refuse import shown
from .line import Fields, Line, Reader, first_number, in_flight, lost, number, table, tails, whole
from .wide import quantity

WHOLE, SENT, VUS = "http_req_duration", "http_reqs", "vus"
PERCENT = re.compile(r"p\((\d{1,2}(?:\.\d{1,3})?)\)|p(\d{2})|(\d{2}(?:\.\d{1,3})?)%")
NEEDS = ("input_tokens", "output_tokens")
COMMON = {"from_client": True, "served": True, "any_server": True, "client_of": "vLLM"}
COMMON |= {"needs": NEEDS}


def _percentiles(entry: Fields) -> Fields:
    """Percentiles by their name in the files of models' clients, "p95"."""
    found = ((PERCENT.fullmatch(str(name)), value) for name, value in entry.items())
    return {f"p{m[1] or m[2] or m[3]}": value for m, value in found if m}


def _timed(name: str, entry: Fields, middle: object, common: Fields, where: str) -> list[Line]:
    """The middle and the percentiles of a time in milliseconds that is named `name`."""
    measures = quantity(f"{name} ms") or quantity(name)
    if measures is None or measures.percent is not None or "tok" in measures.name:
        return []
    metric, tail = measures.name, f"{measures.name.split('_')[0]}_percentile_ms"
    tail = {"itl_percentile_ms": "tpot_percentile_ms"}.get(tail, tail)
    value = number(middle)
    if value is None:
        return []
    scale = 1e-3 if metric.endswith("_s") else 1.0
    fields = {"metric": metric, "value": value * scale}
    return [
        Line(f"{where} {name}", common | fields),
        *tails(common, {tail: (_percentiles(entry), 1.0)}, where),
    ]


# k6


def _is_k6(data: Fields) -> bool:
    return WHOLE in _of_k6(data)


def _of_k6(data: Fields) -> dict[str, Fields]:
    """Values by metric, of each of its three forms."""
    made: Any = data.get("metrics")
    results = table(data, "results").get("metrics")
    if isinstance(results, list):
        made = {str(one.get("name")): one for one in results if isinstance(one, dict)}
    if not isinstance(made, dict):
        return {}
    parts = {name: one for name, one in made.items() if isinstance(one, dict)}
    return {name: table(one, "values") or one for name, one in parts.items()}


def _k6(data: Fields, where: str) -> list[Line]:
    made = _of_k6(data)
    failed = first_number(table(made, "http_req_failed"), "rate", "value") or 0.0
    if failed >= 1:
        return [Line(where, {}, "http_req_failed is 1: no request came through")]
    whole_ms, sent = made[WHOLE], table(made, SENT)
    seconds = number(table(data, "config").get("duration"))
    count = number(sent.get("count"))
    rate = number(sent.get("rate")) or (count / seconds if count and seconds else None)
    mean = number(whole_ms.get("avg"))
    users = in_flight(rate, mean and mean / 1e3) or whole(table(made, VUS).get("max"))
    common = COMMON | {"concurrency": users} | _failed(failed * (count or 0), count)
    out = _timed("e2e", whole_ms, whole_ms.get("med") or whole_ms.get("avg"), common, where)
    for name, entry in made.items():
        if "med" in entry and not name.startswith(("http_", "iteration")):
            out += _timed(name, entry, entry["med"], common, where)
    return out or [Line(where, {}, f"{WHOLE}: no number above zero")]


def _failed(failed: float | None, sent: float | None) -> Fields:
    """What a load tester leaves open: it times the requests that failed as well."""
    part = lost(failed, (sent or 0) - (failed or 0))
    return {"assumed": f"{part} requests failed and are among the times"} if part else {}


# Locust


def _is_locust(data: Fields) -> bool:
    return "request count" in data and "median response time" in data


def _locust(data: Fields, where: str) -> list[Line]:
    """One kind of request; the sum of all kinds says nothing that they do not."""
    kind, name = str(data.get("type") or ""), str(data.get("name") or "")
    if name == "Aggregated" or not number(data.get("request count")):
        return []
    of = name if quantity(name) else "e2e" if kind.upper() == "POST" else ""
    if not of:
        return [Line(where, {}, f"{shown(f'{kind} {name}'.strip())} is no request to a model")]
    mean, many = number(data.get("average response time")), number(data.get("request count")) or 0
    users = in_flight(data.get("requests/s"), mean and mean / 1e3)
    # an event of the script's own is a part of a request, and tells of no users
    own = {"needs": (*NEEDS, "concurrency")} if of == name else {"concurrency": users}
    own |= _failed(number(data.get("failure count")), many)
    # of 500 requests no percentile above the 99.8th was measured
    rare = {n: v for n, v in data.items() if not (p := PERCENT.fullmatch(n)) or _seen(p, many)}
    return _timed(of, rare, data.get("median response time"), COMMON | own, where)


def _seen(percentile: re.Match[str], requests: float) -> bool:
    return requests * (100 - float(percentile[3])) >= 99.9


def _is_locust_history(data: Fields) -> bool:
    return "user count" in data and "total request count" in data


def _history(data: Fields, where: str) -> list[Line]:
    return [Line(where, {}, "Locust's history over time: take its file that ends in _stats.csv")]


READERS = (
    Reader(_is_k6, _k6),
    Reader(_is_locust_history, _history),
    Reader(_is_locust, _locust),
)
