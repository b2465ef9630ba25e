"""GuideLLM's `benchmarks.csv` and `benchmarks.yaml`, and what it prints, as documents of its JSON.

Names: `guidellm/benchmark/outputs/csv.py` (0.4 to 0.7), whose header has three lines: a group, a
field, a statistic; `guidellm/benchmark/output.py` before, of one line. The YAML has the names of
the JSON. Tables on the screen: `guidellm/benchmark/outputs/console.py`, and `output.py` before.
"""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

from ...refuse import BadInput
from .line import Document, Fields, Form, Problem, word
from .tables import lines_of

MAX_WIDE = 2_000  # columns; each statistic of each state of a request is one
# Groups and fields of the three lines, and the names of the JSON.
GROUPS = {
    ("time to first token", "ms"): "time_to_first_token_ms",
    ("inter token latency", "ms"): "inter_token_latency_ms",
    ("request latency", "sec"): "request_latency",
    ("server throughput", "concurrency"): "request_concurrency",
    ("token metrics", "input tokens"): "prompt_token_count",
    ("token metrics", "output tokens"): "output_token_count",
    ("token throughput", "output tokens/sec"): "output_tokens_per_second",
}
TOTALS = ("successful", "errored")
ENDS = ("min", "p001", "p01", "p05", "p10", "p25", "p75", "p90", "p95", "p99", "max")
OLD = re.compile(r"(successful) ([a-z0-9 ]{3,60}?) (mean|median|\[min.{1,80}\])")
SAMPLES = re.compile(r"(\s*)(?:- )?(?:requests|request_samples|samples):\s*$")
YAML = re.compile(r"^benchmarks:[ \t]*\n", re.M)


def _rows(text: str) -> list[list[str]]:
    limit = csv.field_size_limit(2**31 - 1)
    try:
        return [row for row in csv.reader(lines_of(text.lstrip("\ufeff \t\n"))) if row]
    except csv.Error:
        return []
    finally:
        csv.field_size_limit(limit)


def _is_csv(text: str) -> bool:
    head = text[:4000].lstrip("\ufeff \t\n")[:400].lower()
    return head.startswith("run info,") or (head.startswith("type,run id,id,name,"))


def _of_csv(text: str) -> Iterator[Document]:
    rows = _rows(text)
    deep = rows and rows[0][0].lower() == "run info"
    heads, body = (rows[:3], rows[3:]) if deep else (rows[:1], rows[1:])
    if not body or len(heads[0]) > MAX_WIDE:
        yield "file", Problem("a table of GuideLLM without rows")
        return
    names = [tuple(cell.strip().lower() for cell in column) for column in zip(*heads, strict=False)]
    above = text[: len(text) - len(text.lstrip("\ufeff \t\n"))].count("\n")
    for number, cells in enumerate(body, above + len(heads) + 1):
        made = _deep(names, cells) if deep else _old(names, cells)
        yield f"line {number}", {"benchmarks": [made]}


def _put(made: Fields, name: str, statistic: str, cell: str) -> None:
    part = made["metrics"].setdefault(name, {}).setdefault("successful", {})
    if statistic in ("mean", "median"):
        part[statistic] = cell
        return
    values = [value.strip() for value in cell.strip("[] ").split(",")]
    if len(values) == len(ENDS):
        part["percentiles"] = dict(zip(ENDS, values, strict=True))


def _deep(names: list[tuple[str, ...]], cells: list[str]) -> Fields:
    made: Fields = {"metrics": {"request_totals": {}}, "config": {"strategy": {}}}
    for (group, field, statistic), cell in zip(names, cells, strict=False):
        status, _, what = field.partition(" ")
        known = GROUPS.get((group, what)) if status == "successful" else None
        if known and (statistic in ("mean", "median") or statistic.startswith("percentiles")):
            _put(made, known, statistic, cell)
        elif group == "request counts" and field in TOTALS:
            made["metrics"]["request_totals"][field] = cell
        elif (group, field) == ("benchmark", "strategy"):
            made["config"]["strategy"]["type_"] = cell
        elif (group, field) == ("run info", "backend"):
            made["config"]["backend"] = _object(cell)
    return made


def _old(names: list[tuple[str, ...]], cells: list[str]) -> Fields:
    made: Fields = {"metrics": {"request_totals": {}}, "config": {"strategy": {}}}
    for (name,), cell in zip(names, cells, strict=False):
        found = OLD.fullmatch(name)
        if found:
            _put(made, found[2].replace(" ", "_"), found[3], cell)
        elif name in ("successful requests", "errored requests"):
            made["metrics"]["request_totals"][name.partition(" ")[0]] = cell
        elif name == "name":
            made["config"]["strategy"] = _strategy(cell)
    return made


def _strategy(cell: str) -> Fields:
    kind, _, streams = word(cell).lower().partition("@")
    return {"type_": kind, "streams": streams, "rate": streams}


def _object(cell: str) -> Any:
    try:
        return json.loads(cell[:20_000])
    except (ValueError, RecursionError):
        return {}


def _is_yaml(text: str) -> bool:
    return YAML.search(text) is not None and "inter_token_latency_ms:" in text


def _of_yaml(text: str) -> Iterator[Document]:
    from ..launch import manifest  # its reader of YAML

    try:
        yield from (("file", one) for one in manifest.documents(_without_samples(text)))
    except BadInput as problem:
        yield "file", Problem(str(problem).replace("command", "file", 1).rstrip("."))


def _without_samples(text: str) -> str:
    """The text without its requests one by one, which are most of it."""
    kept, inside = [], -1
    for line in lines_of(text):
        indent = len(line) - len(line.lstrip())
        listed = indent == inside and line.lstrip().startswith("- ")
        if inside >= 0 and (not line.strip() or indent > inside or listed):
            continue
        found = SAMPLES.fullmatch(line)
        inside = len(found[1]) + 2 * line.lstrip().startswith("- ") if found else -1
        if not found:
            kept.append(line)
    return "\n".join(kept)


# what it prints

# The lines of a header joined, of both versions, and the statistic that stands below.
COLUMNS = {
    "input tok per req mdn": ("prompt_token_count", "median"),
    "output tok per req mdn": ("output_token_count", "median"),
    "ttft ms mdn": ("time_to_first_token_ms", "median"),
    "ttft ms p95": ("time_to_first_token_ms", "p95"),
    "itl ms mdn": ("inter_token_latency_ms", "median"),
    "itl ms p95": ("inter_token_latency_ms", "p95"),
    "requests concurrency mean": ("request_concurrency", "mean"),
    "output tokens per sec mean": ("output_tokens_per_second", "mean"),
    "prompt tok/req comp": ("prompt_token_count", "mean"),
    "output tok/req comp": ("output_token_count", "mean"),
    "ttft (ms) median": ("time_to_first_token_ms", "median"),
    "ttft (ms) p99": ("time_to_first_token_ms", "p99"),
    "itl (ms) median": ("inter_token_latency_ms", "median"),
    "itl (ms) p99": ("inter_token_latency_ms", "p99"),
    "request stats concurrency": ("request_concurrency", "mean"),
    "out tok/sec mean": ("output_tokens_per_second", "mean"),
}
COUNTS = {"requests made comp": "successful", "requests made err": "errored"}
PRINTED_HEAD = re.compile(
    r"^[ \t]{0,20}(?:\|\s{0,20}Benchmark\s{1,80}\|[^\n]{0,400}(?:TTFT|Tok\b|Requests)|"
    r"Metadata\s{0,80}\|[^\n]{0,400}Request)",
    re.M,
)
RULE = re.compile(r"[ \t]{0,20}\|?(?:=[=|]{5,}|-[-|]{5,})\s*")


def _is_printed(text: str) -> bool:
    return PRINTED_HEAD.search(text) is not None


def _printed(text: str) -> Iterator[Document]:
    """The n-th rows of all tables are one benchmark; a column that comes again is another run."""
    made: list[Fields] = []
    begun = 0
    for at, columns, rows in _tables(text):
        known = [name for name in columns if name in COLUMNS]
        if made and any(name in made[0]["columns"] for name in known):
            yield f"line {begun}", _of_rows(made)
            made = []
        begun = begun if made else at
        for number, cells in enumerate(rows):
            if number == len(made):
                made.append({"strategy": cells[0], "columns": {}})
            made[number]["columns"] |= dict(zip(columns, cells, strict=False))
    if made:
        yield f"line {begun}", _of_rows(made)


def _of_rows(made: list[Fields]) -> Fields:
    """Rows of the screen, in the names of the JSON."""
    out = []
    for one in made:
        metrics: Fields = {"request_totals": {}}
        for name, cell in one["columns"].items():
            if name in COUNTS:
                metrics["request_totals"][COUNTS[name]] = cell
            if name in COLUMNS:
                metric, statistic = COLUMNS[name]
                part = metrics.setdefault(metric, {}).setdefault("successful", {})
                of = part if statistic in ("mean", "median") else part.setdefault("percentiles", {})
                of[statistic] = cell
        out.append({"metrics": metrics, "config": {"strategy": _strategy(one["strategy"])}})
    return {"benchmarks": out}


def _tables(text: str) -> Iterator[tuple[int, list[str], list[list[str]]]]:
    """Where each table begins, its columns and its rows."""
    part, begun = "", 0
    head: list[list[str]] = []
    rows: list[list[str]] = []
    for number, line in enumerate(lines_of(text), 1):
        if RULE.fullmatch(line[:2000]):
            ends = "=" in line and part == "body"
            if ends:
                yield begun, _joined(head), rows
            part = "" if ends else "head" if "=" in line else "body"
            begun, head, rows = (begun, head, rows) if part == "body" else (number, [], [])
        elif part and "|" in line:
            plain = line.strip()
            cells = [cell.strip() for cell in plain.removeprefix("|").split("|", MAX_WIDE)]
            (head if part == "head" else rows).append(cells)


def _joined(head: list[list[str]]) -> list[str]:
    """The lines of a header as one; a cell over several columns is printed in the first."""
    lines = []
    for cells in head:
        filled, last = [], ""
        for cell in cells:
            last = cell or last
            filled.append(last.lower())
        lines.append(filled)
    return [" ".join(column).strip() for column in zip(*lines, strict=False)]


CSV = Form(_is_csv, _of_csv)
DUMPED = Form(_is_yaml, _of_yaml)
PRINTED = Form(_is_printed, _printed)
