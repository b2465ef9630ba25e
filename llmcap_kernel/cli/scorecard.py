"""`llmcap scorecard`: deployments side by side."""

import argparse
import shlex

from .. import __version__, address, design, files
from ..design import Card, handover
from ..design.limits import WORDS
from ..explain import quantity
from ..refuse import BadInput
from . import cards, sheet
from .options import (
    LOAD,
    add_columns,
    add_limits,
    add_load,
    add_output,
    add_own,
    add_rate,
    by_default,
    read_columns,
    read_limits,
    read_load,
    read_rate,
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
    add_load(parser)
    add_rate(parser)
    add_limits(parser, design.WORKED_SLO)
    add_own(parser)
    add_output(parser, explain=True)
    about = f"write it to a file, by its ending {', '.join(sheet.FORMS)} (default: print it)"
    parser.add_argument("--out", metavar="FILE", help=about)


def run(args: argparse.Namespace) -> Answer:
    """Predict deployments for the same users, or the same rate of requests.

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
    form = sheet.form_of(args.out) if args.out is not None else None
    load = read_load(args, *(d.request_limit_tokens for d in columns.values()))
    rate_rps = read_rate(args)
    usual = by_default(args, *(LOAD if rate_rps is None else ()))
    own = "" if args.column else cards.as_specified(columns.values())
    result = design.scorecard(columns, load, read_limits(args), rate_rps=rate_rps)
    winner = result.winner.label if result.winner else None
    rows = tuple(cards.as_dict(c) | cards.at_rate(c) for c in result.cards)
    data = {"cards": rows, "winner": winner, "verdict": result.verdict, "by_default": usual}

    if form:
        files.write("out", args.out, form(_sheet(result, args.typed)))

    def text(screen: Screen) -> str:
        if form:
            return f"Wrote {args.out}."
        parts = _parts(result, usual, own, screen)
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


def _parts(result: design.Scorecard, usual: list[str], own: str, screen: Screen) -> list[str]:
    level = "good" if result.winner else "bad"
    verdict = (screen.paint(line, level) for line in screen.prose(result.verdict).splitlines())
    first, binds, notes = result.cards[0], [], []
    for c in result.cards:
        why = c.binding if c.starts else f"{c.binding}; {c.fits_text}"
        binds.append((f"{c.label}:", f"{why}."))
        notes += [(f"note, {c.label}:", note.text) for note in c.warnings]
    return [
        screen.prose(f"{cards.load_words(first.workload, usual, rate_rps=first.rate_rps)}."),
        "\n".join(verdict),
        prose_table([(f"{c.label} =", c.deployment.title) for c in result.cards], screen),
        table_of(result).text(screen),
        f"{screen.paint('What binds', 'bold')}\n{prose_table(binds, screen)}",
        *([prose_table(notes, screen)] if notes else []),
        *([screen.prose(own)] if own else []),
        screen.prose(cards.provenance(result.cards)),
    ]


# as a file

NUMBERS = {
    "Gap between tokens": ("itl_s", "s"),
    "First token, mean": ("ttft_s", "s"),
    "$/M output": ("usd_mtok", "USD/Mtok"),
}
NUMBER_HEADS = (Column("", left=True), Column("estimate"), Column("four times in five"))
LIMIT_HEADS = (Column("limit", left=True), Column("verdict", left=True), Column("", left=True))


def _sheet(result: design.Scorecard, words: list[str]) -> sheet.Sheet:
    """The same answer as a file: what it is, what it stands on, and how to ask again."""
    best, first = result.winner, result.cards[0]
    notes = tuple(f"{c.label}: {note.text}" for c in result.cards for note in c.warnings)
    return sheet.Sheet(
        f"Scorecard: {cards.load_words(first.workload, rate_rps=first.rate_rps)}",
        result.verdict,
        cards.LEVELS[best.verdict] if best else "bad",
        (
            *map(_column, result.cards),
            *([sheet.Part("What to know", notes)] if notes else []),
            *([sheet.Part(f"Run {best.label}", code=_launch(best))] if best else []),
            sheet.Part("Where the numbers come from", (cards.provenance(result.cards),)),
            _again(result, words),
        ),
        tuple((text, cards.LEVELS[verdict]) for verdict, text in WORDS.items()),
    )


def _column(card: Card) -> sheet.Part:
    rows = [
        (name, *cards.interval(getattr(card.estimates, field), unit)[:2])
        for name, (field, unit) in NUMBERS.items()
        if card.estimates
    ]
    rows.append(("Rent", quantity(card.usd_h, "USD/h") if card.usd_h else "unknown", ""))
    limits = tuple((limit.name, limit.words, limit.sentence) for limit in card.limits)
    return sheet.Part(
        f"{card.label}: {card.deployment.title}",
        () if card.fits else (f"It {card.fits_text}." if not card.starts else card.fits_text,),
        (sheet.Table(NUMBER_HEADS, tuple(rows)), sheet.Table(LIMIT_HEADS, limits)),
        beside=True,
    )


def _launch(card: Card) -> str:
    try:
        return handover.launch(card.deployment, card.workload).text
    except BadInput as problem:
        return f"# no command: {problem}"


def _again(result: design.Scorecard, words: list[str]) -> sheet.Part:
    """The command and the link that give the same card."""
    stamps = (f"{address.TITLES[name]} {stamp}" for name, stamp in address.stamps().items())
    said, link = [f"llmcap {__version__}, with {', '.join(stamps)}."], ""
    try:
        columns, first = [c.deployment for c in result.cards], result.cards[0]
        link = address.scorecard(columns, first.workload, first.slo, rate_rps=first.rate_rps)
    except BadInput as problem:
        said.append(f"The Scorecard calculator has no link to it: {problem}")
    command = f"llmcap {shlex.join(_unwritten(words))}"
    return sheet.Part("The same again", tuple(said), code=command, address=link)


def _unwritten(words: list[str]) -> list[str]:
    """The words of the command without the file that it writes."""
    others = [word for word in words if not word.startswith("--out=")]
    if "--out" in others:
        at = others.index("--out")
        del others[at : at + 2]
    return others
