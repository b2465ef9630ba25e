"""`llmcap scorecard`: deployments side by side."""

import argparse

from .. import design
from . import cards
from .options import (
    add_columns,
    add_limits,
    add_load,
    add_output,
    add_own,
    read_columns,
    read_limits,
    read_load,
)
from .tables import Answer, Column, Screen, Table, prose_table


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add_columns(parser)
    add_load(parser, design.WORKED_WORKLOAD)
    add_limits(parser, design.WORKED_SLO)
    add_own(parser)
    add_output(parser, explain=True)


def run(args: argparse.Namespace) -> Answer:
    """Predict deployments for the same users.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Which to run, the numbers of each, and what binds it.
    """
    columns = read_columns(args.column, design.worked_spec)
    result = design.scorecard(columns, read_load(args), read_limits(args))
    winner = result.winner.label if result.winner else None
    rows = tuple(cards.as_dict(c) for c in result.cards)
    data = {"cards": rows, "winner": winner, "verdict": result.verdict}

    def text(screen: Screen) -> str:
        parts = _parts(result, screen)
        return "\n\n".join([*parts, screen.fitted(result.explain())] if args.explain else parts)

    return Answer(data | cards.derivation(args, result), rows, table_of(result), text)


def table_of(result: design.Scorecard) -> Table:
    """Lay out a scorecard, a quantity a row.

    Parameters
    ----------
    result : Scorecard
        The columns.

    Returns
    -------
    Table
        A column for each deployment.
    """
    heads = (Column("", left=True), *(Column(c.label) for c in result.cards))
    rows = [
        (cells[0][0], *(text for _, text in cells))
        for cells in zip(*(c.brief() for c in result.cards), strict=True)
    ]
    return Table(heads, tuple(rows))


def _parts(result: design.Scorecard, screen: Screen) -> list[str]:
    level = "good" if result.winner else "bad"
    verdict = (screen.paint(line, level) for line in screen.prose(result.verdict).splitlines())
    binds, notes = [], []
    for c in result.cards:
        why = c.binding if c.starts else f"{c.binding}; {c.fits_text}"
        binds.append((f"{c.label}:", f"{why}."))
        notes += [(f"note, {c.label}:", note.text) for note in c.warnings]
    return [
        screen.prose(f"{cards.load_words(result.cards[0].workload)}."),
        "\n".join(verdict),
        prose_table([(f"{c.label} =", c.deployment.title) for c in result.cards], screen),
        table_of(result).text(screen),
        f"{screen.paint('What binds', 'bold')}\n{prose_table(binds, screen)}",
        *([prose_table(notes, screen)] if notes else []),
        screen.prose(cards.provenance(result.cards)),
    ]
