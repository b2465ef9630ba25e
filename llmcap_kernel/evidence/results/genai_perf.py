"""AIPerf's `profile_export_aiperf`, and GenAI-Perf's `profile_export_genai_perf` before it.

Names: `aiperf/exporters/metrics_json_exporter.py` and `metrics_csv_exporter.py`;
`genai_perf/export_data/json_exporter.py` and `csv_exporter.py`. The CSV has two tables, one with
a column for each statistic and one of single values; it names neither the model nor the users.
What both print is one table of box characters, by rich (`console_metrics_exporter.py`,
`console_exporter.py`), in which a name may run over lines.
"""

import csv
import re
from collections.abc import Iterator

from .line import (
    SECONDS,
    Document,
    Fields,
    Form,
    Line,
    Reader,
    dig,
    first_number,
    in_flight,
    in_step,
    lost,
    metrics,
    none_completed,
    rate_of,
    table,
    tails,
    whole,
)
from .tables import lines_of

LATENCIES = ("time_to_first_token", "request_latency", "inter_token_latency")
# The gap is a request's mean.
TAILS = {
    "time_to_first_token": "ttft_percentile_ms",
    "inter_token_latency": "tpot_percentile_ms",
    "request_latency": "e2e_percentile_ms",
}
MISSING = "time_to_first_token, inter_token_latency and output_token_throughput"
HEADER = re.compile(r'^\ufeff?"?Metric"?,\s*"?(?:avg|Value)\b', re.M)
NAMED = re.compile(r"(.{1,100}?)\s*(?:\(([^()]{0,40})\))?\s*$")


def _recognises(data: Fields) -> bool:
    if any(isinstance(data.get(name), dict) for name in LATENCIES):
        return True
    return isinstance(data.get("input_config"), dict) and "request_count" in data


def _lines(data: Fields, where: str) -> list[Line]:
    done, failed = (
        table(data, name).get("avg") for name in ("request_count", "error_request_count")
    )
    problem = none_completed(done, failed, "request_count")
    if problem:
        return [Line(where, {}, problem)]
    config = table(data, "input_config") or data
    answered = _statistic(data, "request_throughput", first="avg")
    latency = _statistic(data, "request_latency", 1.0, "avg")
    users, rate = whole(dig(config, ("concurrency",))), rate_of(dig(config, ("request_rate",)))
    lengths = table(data, "output_sequence_length")
    common = {
        "from_client": True,
        "served": True,
        "model": dig(config, ("model_names", "model", "model_name", "models"))
        or dig(table(config, "models"), ("name",)),
        "engine": dig(config, ("backend", "service_backend")),
        "any_server": True,
        "client_of": "vLLM",
        "input_tokens": whole(_statistic(data, "input_sequence_length")),
        "output_tokens": whole(_statistic(data, "output_sequence_length")),
        "concurrency": users if users or rate else in_flight(answered, latency),
        "request_rate": rate,
        "lost": lost(failed, done),
        "requests": whole(_statistic(data, "request_count", first="avg")) if rate else "",
        **({} if rate else in_step(lengths.get("min"), lengths.get("max"))),
    }
    typical = "avg" if rate else "p50"  # what is predicted of a rate is its mean
    values = {
        "ttft_ms": _statistic(data, "time_to_first_token", 1e-3, typical),
        "itl_ms": _statistic(data, "inter_token_latency", 1e-3, typical),
        "output_tok_s_total": _statistic(data, "output_token_throughput", first="avg"),
    }
    ends = {
        metric: (table(data, name), _milliseconds(data, name)) for name, metric in TAILS.items()
    }
    return metrics(common, values, where, MISSING) + tails(common, ends, where)


def _milliseconds(data: Fields, name: str) -> float:
    """Milliseconds of a metric's unit; 0 where it is none of time."""
    unit = table(data, name).get("unit", "ms")
    return 1e3 * SECONDS.get(unit.strip().lower(), 0.0) if isinstance(unit, str) else 0.0


def _statistic(
    data: Fields, name: str, scale: float | None = None, first: str = "p50"
) -> float | None:
    """The median of a metric, or its mean, in units of `scale`."""
    entry = table(data, name)
    value = first_number(entry, first, "avg")
    if value is None or scale is None:
        return value
    unit = entry.get("unit", "ms")
    seconds = SECONDS.get(unit.strip().lower()) if isinstance(unit, str) else None
    return None if seconds is None else value * seconds / scale


# CSV


def _is_csv(text: str) -> bool:
    return HEADER.search(text[:20_000]) is not None


def _document(text: str) -> Iterator[Document]:
    """Both tables as one document, in the names of the JSON."""
    out: Fields = {}
    header: list[str] = []
    for line in lines_of(text.lstrip("\ufeff")):
        cells = next(csv.reader([line[:20_000]]), [])
        if len(cells) < 2:
            header = []
        elif HEADER.match(line):
            header = [cell.strip() for cell in cells]
        elif header and len(cells) == len(header):
            name, unit = _name(cells[0])
            entry = dict(zip(header[1:], cells[1:], strict=True))
            out.setdefault(name, {"avg": entry.get("Value"), "unit": unit} | entry)
    yield "file", out


def _name(cell: str) -> tuple[str, str]:
    """A metric's name in the JSON, and its unit."""
    match = NAMED.fullmatch(cell.strip()[:200])
    title, unit = match.groups() if match else (cell, None)
    return title.strip().lower().replace(" ", "_"), unit or ""


# what they print

TITLES = re.compile(r"^[ \t]{0,200}[┃|]\s{0,80}(?:Statistic|Metric)\s{0,80}[┃|]\s{0,40}avg\s", re.M)
EDGES = "┃│|"


def _is_printed(text: str) -> bool:
    return TITLES.search(text) is not None


def _printed(text: str) -> Iterator[Document]:
    """Each table in the names of the JSON, with the place of its titles."""
    begun: list[tuple[int, list[list[str]]]] = []
    for number, line in enumerate(lines_of(text), 1):
        plain = line.strip()
        if TITLES.match(line):
            begun.append((number, []))
        if begun and plain[:1] and plain[0] in EDGES:
            cells = [cell.strip() for cell in re.split(f"[{EDGES}]", plain[1:2000])]
            begun[-1][1].append(cells)
    for number, rows in begun:
        yield f"line {number}", _of_rows(rows)


def _of_rows(rows: list[list[str]]) -> Fields:
    """Rows by name; one with nothing but a name goes on with the name above it."""
    titles, *rest = rows
    joined: list[list[str]] = []
    for cells in rest:
        if joined and not any(cells[1:]):
            joined[-1][0] += f" {cells[0]}"
        else:
            joined.append(cells)
    out: Fields = {}
    for cells in joined:
        name, unit = _name(cells[0])
        pairs = zip(titles[1:], cells[1:], strict=False)
        out[name] = {"unit": unit} | {k: v.replace(",", "") for k, v in pairs if k and v != "N/A"}
    return out


READERS = (Reader(_recognises, _lines),)
CSV = Form(_is_csv, _document)
PRINTED = Form(_is_printed, _printed)
