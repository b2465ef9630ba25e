"""`llmcap check`: whether a row of the catalogue is as it takes them."""

import argparse
from pathlib import Path

from .. import catalog, huggingface
from ..catalog import check
from ..explain import gib, quantity
from ..files import read_text
from ..spec import Gpu, Model
from .options import add_output
from .tables import Answer, Column, Screen, of_records

OWN = ("gpus.toml", "models.toml")
COLUMNS = {name: (Column(name, left=True), str) for name in ("kind", "name", "is")}
SHOWN = 12  # rows that are listed; of more, the count is said


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    about = "TOML with [gpus.NAME] or [models.NAME], or a config.json (default: the catalogue)"
    parser.add_argument("file", metavar="FILE", nargs="?", help=about)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Check the rows of a file.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        What each row is read as.

    Raises
    ------
    BadInput
        At the first row that lacks something.
    """
    if args.file and args.file.endswith(".json"):
        found: list[Gpu | Model] = [huggingface.load(args.file)]
    else:
        paths = [Path(args.file)] if args.file else [catalog.FOLDER / name for name in OWN]
        found = [one for path in paths for one in check.rows(read_text("file", path))]
    records = tuple(map(_record, found))

    def text(screen: Screen) -> str:
        listed = [f"{one['name']}: {one['is']}" for one in records[:SHOWN]]
        more = [f"and {len(records) - SHOWN:,} more"] if len(records) > SHOWN else []
        lines = [
            *listed,
            *more,
            "",
            f"Rows that are as the catalogue takes them: {len(records):,}.",
        ]
        return "\n".join(screen.prose(line) for line in lines)

    return Answer(list(records), records, of_records(records, COLUMNS), text)


def _record(one: Gpu | Model) -> dict[str, str]:
    """A row in a few words, so that a slip of a thousand shows."""
    if isinstance(one, Model):
        words = f"{_count(one.params)} parameters, {_count(one.active_params)} of them for a token"
        return {"kind": "model", "name": one.name, "is": words}
    rate = next((dtype for dtype in ("bf16", "fp16") if dtype in one.flop_s), min(one.flop_s))
    words = ", ".join(
        (
            gib(one.memory_visible_bytes),
            quantity(one.bandwidth_bytes_s, "bytes/s"),
            f"{quantity(one.flop_s[rate], 'FLOP/s')} in {rate}",
        )
    )
    return {"kind": "card", "name": one.name, "is": words}


def _count(parameters: float) -> str:
    return quantity(parameters, "params")
