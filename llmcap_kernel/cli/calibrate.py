"""`llmcap calibrate`: fit the efficiencies to measured rows."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from .. import calibration
from ..evidence import results
from ..refuse import BadInput, shown
from .options import add_output
from .tables import Answer, Column, Table


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "rows", metavar="FILE", nargs="+", help="rows in the columns of measured.csv"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="where to write (default: the package's own table)"
    )
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
    from ..evidence import fit  # needs scipy, which nothing else here does

    if find_spec("scipy") is None:
        raise BadInput("calibrate", "calibrate needs scipy: install llmcap[fit].")
    out = Path(args.out or calibration.FILE)
    for path in args.rows:
        _check_rows(path)
    if out.is_dir() or not os.access(out.parent, os.W_OK):  # before minutes of work are lost
        raise BadInput("out", f"out {shown(str(out))} cannot be written.")
    sets, _ = fit.calibrate(args.rows, out, lambda line: print(f"llmcap: {line}", file=sys.stderr))
    data = {"file": str(out), "sets": sets._asdict()}
    records = tuple({"set": name, "rows": count} for name, count in sets.rows.items())
    table = Table(
        (Column("set", left=True), Column("rows")),
        tuple((name, f"{count:,}") for name, count in sets.rows.items()),
    )
    told = f"{sum(map(len, sets.sets.values()))} numbers in {out}"
    return Answer(data, records, table, lambda screen: told)


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
