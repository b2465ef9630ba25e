"""`llmcap validate`: measured rows, a start-up log or kernel timings, beside the prediction."""

import argparse
import math
from collections import Counter
from typing import Any

from ..evidence import compare, kernels, logs, startup
from ..evidence.compare import Report
from ..evidence.weak_spots import mode
from ..explain import counted, digits, percent
from ..refuse import BadInput, number
from .fills import add_fills, read_fills
from .options import add_output, add_own, read_number
from .progress import Bar
from .tables import Answer, Column, Screen, Table, prose_table

WORST = 40  # rows of text, the largest errors first
FAR, MOST_OFF = 3, 1e6  # the status where a row is farther off than asked, and the most to ask
COUNTED = 10  # lines of each kind of remark
KNOWN = f"{compare.results.KNOWN}; {logs.KNOWN}; {kernels.KNOWN}"

ROW_HEADS = (
    Column("id", left=True),
    Column("metric", left=True),
    Column("measured"),
    Column("predicted"),
    Column("interval", 1),
    Column("error"),
    Column("failure modes", 2, left=True),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    parser.add_argument("file", metavar="FILE", help=f"{KNOWN}; - for a pipe")
    about = f"leave with status {FAR} where a row is farther off than this share (default: never)"
    parser.add_argument("--within", metavar="SHARE", help=about)
    add_fills(parser)
    add_own(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Put what a file says beside the prediction.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Status 1 where no row of it can be predicted, `FAR` where one is farther off than asked.
    """
    options = read_fills(args)
    within = math.inf if args.within is None else read_number("within", args.within, float)
    number("within", min(within, MOST_OFF), 0, MOST_OFF)
    text = compare.results.text(args.file)
    is_log, is_timings = logs.recognises(text), kernels.recognises(text)
    if args.within is not None and (is_log or is_timings):
        raise BadInput("within", "within is for results of a benchmark, and this file has none.")
    if is_log:
        if args.config is not None:
            raise BadInput("config", "config is for results: a start-up log takes --model NAME.")
        return _start_up(startup.beside(logs.read(text, args.file, **_of_start_up(options))))
    if is_timings:
        return _timings(text, options)
    compare.results.form_of(text, KNOWN)
    with Bar("comparing") as bar:
        report = compare.run(args.file, options, bar.count)
    return _rows(report, within)


def _of_start_up(options: dict[str, Any]) -> dict[str, Any]:
    """The same options by the names that a start-up has for them."""
    named = {"engine_version": "version", "weight_dtype": "weights", "kv_dtype": "kv"}
    named |= {"dp_attention": "dp"}
    return {named.get(column, column): value for column, value in options.items()}


# a start-up log


def _start_up(both: startup.Beside) -> Answer:
    data = both.as_dict()
    heads = (Column("logged"), Column("computed"), Column("difference"), Column("of the card", 1))
    rows = tuple((term.name, *term.cells()) for term in both.terms)
    table = Table((Column("", left=True), *heads), rows)

    def text(screen: Screen) -> str:
        d, s = both.deployment, both.startup
        version = f"{s.engine} {s.version}".strip()
        same = d.engine.title.split()[-1] == ".".join(s.version.split(".")[:2])
        ledger_of = "" if same else f" (the ledger of {d.engine.title})"
        head = f"{version}{ledger_of}, memory fraction {d.fraction:g}, "
        head += f"{both.books.context_tokens:,} tokens"
        notes = prose_table([("note:", note) for note in both.notes], screen)
        title = screen.paint(screen.prose(d.title), "bold")
        parts = [f"{title}\n{screen.prose(head)}", screen.prose(both.verdict), table.text(screen)]
        return "\n\n".join([*parts, notes] if notes else parts)

    return Answer(data, tuple(data["terms"]), table, text)


# timings of kernels


def _timings(text: str, options: dict[str, Any]) -> Answer:
    given = {name: options.pop(name, "") for name in ("gpu", "engine")}
    if options:
        name = min(options)
        raise BadInput(name, f"{name} is for results: timings of kernels take --gpu and --engine.")
    report = kernels.report(text, **given)
    data = report.as_dict()
    heads = (Column("rows"), Column("median error"), Column("80% below", 1))
    groups = [*report.groups, report.whole] if report.sure else []
    rows = (
        (", ".join(g.name), f"{g.rows:,}", percent(g.median, 1), percent(g.p80, 1), f"{g.bias:.2f}")
        for g in groups
    )
    table = Table((Column("", left=True), *heads, Column("ratio", 1)), tuple(rows))

    def shown(screen: Screen) -> str:
        doubts = [(f"in doubt {n:,}x:", kernels.DOUBTS[d]) for d, n in report.doubted.most_common()]
        unread = [(f"skipped {n:,}x:", why) for why, n in report.skipped.most_common(COUNTED)]
        worst = [("farthest off:", one.line()) for one in report.worst]
        remarks = prose_table([*doubts, *unread, *worst], screen)
        parts = [screen.prose(report.sentence), table.text(screen) if groups else "", remarks]
        return "\n\n".join(filter(None, parts))

    return Answer(data, tuple(data["rows"]), table, shown)


# rows of measurements


def _rows(report: Report, within: float) -> Answer:
    data = report.as_dict()
    worst = sorted(report.compared, key=lambda r: -r.error)
    table = Table(ROW_HEADS, tuple(map(_cells, worst)))

    def text(screen: Screen) -> str:
        shown = Table(ROW_HEADS, table.rows[:WORST])
        rows = [shown.text(screen)] if worst else []
        more = len(worst) - WORST
        rows += [f"and {counted(more, 'closer row')}"] if more > 0 else []
        parts = [_summary(report, screen), "\n".join(rows), _remarks(report, screen)]
        return "\n\n".join(filter(None, parts))

    status = 1 if not worst else FAR if worst[0].error > within else 0
    return Answer(data, tuple(data["rows"]), table, text, status)


def _cells(row: Any) -> tuple[str, ...]:  # a row that is compared: no number is None
    return (
        row.id[:40],
        row.metric,
        digits(row.measured),
        digits(row.predicted),
        f"{digits(row.low)} to {digits(row.high)}",
        percent(row.error, 0),
        ", ".join(row.failure_modes),
    )


def _summary(report: Report, screen: Screen) -> str:
    """How right the predictions are, over all rows and by regime."""
    s = report.summary
    counts = f"{counted(s['rows'], 'row')}, {s['predicted']:,} predicted, {s['skipped']:,} skipped"
    if not s["predicted"]:
        return screen.prose(f"{counts}: {report.refusal}.")
    heads = (Column("rows"), Column("median error"), Column("80% below", 1), Column("in interval"))
    groups = {"all": {**s, "rows": s["predicted"]}, **s["by_regime"]}
    keys = ("median_abs_rel_error", "p80_abs_rel_error", "inside_interval")
    rows = (
        (name, f"{one['rows']:,}", *(percent(one[key], 1) for key in keys))
        for name, one in groups.items()
    )
    table = Table((Column("", left=True), *heads), tuple(rows))
    return f"{screen.paint(counts, 'bold')}\n\n{table.text(screen)}"


def _remarks(report: Report, screen: Screen) -> str:
    """Failure modes and assumptions with their rows, and once what intervals stand on."""
    s = report.summary
    modes = Counter(m for r in report.compared for m in r.failure_modes)
    skipped = s["skipped_reasons"]
    remarks = (
        ("failure mode", {f"{m}, {mode(m).title}": n for m, n in modes.most_common()}),
        ("skipped", {} if report.refusal and len(skipped) == 1 else skipped),  # it is said above
        ("assumed", s["assumptions"]),
    )
    lines = [
        (f"{title} {count:,}x:", text)
        for title, counts in remarks
        for text, count in list(counts.items())[:COUNTED]
    ]
    return "\n\n".join(filter(None, [prose_table(lines, screen), _intervals(report, screen)]))


def _intervals(report: Report, screen: Screen) -> str:
    reasons = Counter(r.reason for r in report.compared if r.reason)
    if not reasons:
        return ""
    (most, count), *others = reasons.most_common()
    rest = f" Of the other rows --json has {counted(len(others), 'more reason')}." if others else ""
    return screen.prose(f"Interval of {counted(count, 'row')}: {most}.{rest}")
