"""`llmcap calibrate`: fit the efficiencies to measured rows, or learn from your own."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import calibration, catalog
from ..evidence import own, results
from ..explain import percent
from ..refuse import BadInput, shown
from .fills import add_fills, given_fills, read_fills
from .options import add_output
from .tables import Answer, Column, Screen, Table

OWN = "own.toml"  # what your own rows say, where no other place is named


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "rows", metavar="FILE", nargs="*", help="rows in the columns of measured.csv: fit anew"
    )
    parser.add_argument(
        "--with", dest="with_own", metavar="FILE", help=f"your own instead: {results.KNOWN}"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"where to write (default: the package's own table; {OWN} for your own rows)",
    )
    add_fills(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Fit, and write the sets of efficiencies.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        The sets, and the file they are in.

    Raises
    ------
    BadInput
        When rows cannot be read, the file cannot be written, or scipy is absent.
    """
    if args.with_own is not None:
        return _with_own(args)
    if not args.rows:
        raise BadInput("rows", "rows are missing: give files of rows, or your own by --with FILE.")
    for option in given_fills(args):
        why = "fills in a file of your own, given by --with: a fit reads all from its rows."
        raise BadInput(option.lstrip("-"), f"{option} {why}")
    from ..evidence import fit  # needs scipy, which nothing else here does

    if find_spec("scipy") is None:
        raise BadInput("calibrate", "calibrate needs scipy: install llmcap[fit].")
    out = Path(args.out or calibration.FILE)
    for path in args.rows:
        _check_rows(path)
    _check_out(out)
    sets, _ = fit.calibrate(args.rows, out, lambda line: print(f"llmcap: {line}", file=sys.stderr))
    data = {"file": str(out), "sets": sets._asdict()}
    records = tuple({"set": name, "rows": count} for name, count in sets.rows.items())
    table = Table(
        (Column("set", left=True), Column("rows")),
        tuple((name, f"{count:,}") for name, count in sets.rows.items()),
    )
    summary = f"{sum(map(len, sets.sets.values()))} numbers in {out}"
    return Answer(data, records, table, lambda screen: summary)


def _check_out(out: Path) -> None:
    """Reject a place where nothing can be written, before minutes of work are lost."""
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise BadInput("out", f"out {shown(str(out))} cannot be written.")


def _with_own(args: argparse.Namespace) -> Answer:
    """Learn from rows of one's own, and write the file that `--own` reads."""
    from ..evidence.fit.rows import samples

    if args.rows:
        raise BadInput("rows", "rows are given twice: --with takes your own, and no others.")
    out = Path(args.out or OWN)
    _check_out(out)
    rows = samples(args.with_own, given=read_fills(args))
    found = own.fitted(rows)
    moves = own.moves(rows, found)
    own.write(out, found, Path(args.with_own).name)
    records = tuple(_record(name, one, moves[name]) for name, one in found.items())
    table = Table(HEADS, tuple(map(_cells, records)))

    def text(screen: Screen) -> str:
        use = f"Estimate with it: llmcap predict ... --own {out}"
        moved = Table(MOVED, tuple(row for record in records for row in _moved(record)))
        told = "\n".join(map(screen.prose, [MEANING, *_unused(found)]))
        wrote = f"{screen.prose(f'Wrote {out}.')}\n{use}"
        return "\n\n".join([table.text(screen), moved.text(screen), told, wrote])

    return Answer({"file": str(out), "engines": list(records)}, records, table, text)


HEADS = (
    Column("engine", left=True),
    Column("rows"),
    Column("deployments", 1),
    Column("times"),
    *(Column(name, 2) for name in ("gap", "first token", "answer")),
)
MOVED = (
    Column("engine", left=True),
    Column("time of", left=True),
    *map(Column, ("measured", "believed", "expected", "estimated")),
)
MEANING = (
    "Times are over those predicted without your rows; gap, first token and answer are high over "
    "low of the intervals, before and after. What is believed of a measurement is expected of the "
    "next deployment, and the interval lies around it. One factor moves all times of an engine, so "
    "an estimate may move further than its own kind was measured."
)


def _record(family: str, one: calibration.Own, moved: Mapping[str, own.Move]) -> dict[str, Any]:
    """What is said of an engine: its factor, what moved, and each interval before and after."""
    known = calibration.table()["intervals"]
    kinds = {
        kind: {
            "high_over_low": high / low,
            "of_strangers": known[kind]["slower"] / known[kind]["faster"],
            "measured_over_predicted": moved[kind].measured,
            "believed_share": moved[kind].believed,
            "expected_over_predicted": moved[kind].expected,
            "estimated_over_predicted": moved[kind].estimated,
        }
        for kind, (low, high) in one.intervals.items()
    }
    learnt = {"rows": one.rows, "deployments": one.deployments, "factor": one.factor}
    return {"engine": family, **learnt, "intervals": kinds}


def _moved(record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for kind, one in record["intervals"].items():
        name = kind.partition(".")[2].replace("_", " ")
        measured, expected, estimated = (
            f"{one[f'{what}_over_predicted']:.2f}x"
            for what in ("measured", "expected", "estimated")
        )
        share = percent(one["believed_share"])
        yield record["engine"], name, measured, share, expected, estimated


def _unused(found: Mapping[str, calibration.Own]) -> Iterator[str]:
    """Programs that are no engine of the catalogue: no prediction reads what they say."""
    engines = {catalog.engine(name).family for name in catalog.engines()}
    for family in found:
        if family not in engines:
            yield f"{family} is a library's own loop: predict estimates servers, and skips it."


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    kinds = {kind.partition(".")[2]: both for kind, both in record["intervals"].items()}
    widths = (
        f"{kinds[name]['of_strangers']:.2f} to {kinds[name]['high_over_low']:.2f}"
        if name in kinds
        else "-"
        for name in ("gap", "first_token", "answer")
    )
    first = (record["engine"], f"{record['rows']:,}", f"{record['deployments']:,}")
    return (*first, f"{record['factor']:.2f}x", *widths)


def _check_rows(path: str) -> None:
    """Reject a file that is no table of measurements, or lacks their sources."""
    lines = results.read(path)
    wanted = ("id", "source_id")
    lacking = [name for name in wanted if not any(line.fields.get(name) for line in lines)]
    if lacking:
        raise BadInput(
            "rows",
            f"rows {shown(path)} have no column {' and no '.join(lacking)}: "
            "it takes the columns of measured.csv.",
        )
