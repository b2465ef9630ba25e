"""`llmcap predict`: one deployment under one load."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import capacity, catalog, design
from ..catalog import names
from ..design import Card
from ..design.cards import GAPS, WAITS
from ..explain import Line, capitalised, gib, quantity
from ..refuse import BadInput, shown
from ..spec import Deployment, Slo, Workload
from . import cards
from .options import (
    add_cards,
    add_engine,
    add_limits,
    add_load,
    add_model,
    add_output,
    add_own,
    add_price,
    add_rate,
    by_default,
    read_chosen,
    read_deployment,
    read_limits,
    read_load,
    read_model,
    read_rate,
)
from .tables import Answer, Column, Screen, Table, prose_table

if TYPE_CHECKING:
    from ..evidence.launch import Launch
    from ..evidence.launch.bench import Load

# The three that decide first.
ROWS = (
    ("Gap between tokens", "itl_s", "s"),
    ("First token, mean", "ttft_s", "s"),
    ("$/M output", "usd_mtok", "USD/Mtok"),
    ("Speed of one user", "tok_s_user", "tok/s"),
    ("Output of all users", "output_tok_s", "tok/s"),
)
# Percentiles that are limited stand below their mean.
PERCENTILES = {"itl_s": GAPS, "ttft_s": WAITS}
HEADS = (Column("", left=True), Column("estimate"), Column("four of five", left=True))
LAUNCH = (
    "Behind -- stands the command that launches the engine (vllm serve, sglang serve, "
    "trtllm-serve, llama-server, docker run), that of a benchmark, which brings its load, or the "
    "file of a manifest; options before it go first."
)
BAR, WIDE = 16, 100  # characters of a bar, on a screen as wide as this


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add_model(parser)
    add_cards(parser)
    add_engine(parser)
    most = "as many as meet the limits, or have room where none is set"
    add_load(parser, users=most, context=True)
    add_rate(parser)
    add_limits(parser, Slo())
    add_price(parser)
    add_own(parser)
    add_output(parser, explain=True)
    parser.epilog = LAUNCH


def run(args: argparse.Namespace) -> Answer:
    """Predict a deployment.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Verdict, numbers, memory and provenance.
    """
    launched, deployment, taken = _launched(args)
    if launched and launched.load:
        taken += _fill_load(args, launched.load, launched.copies)
    column, most = _predicted(args, deployment)
    data = cards.as_dict(column) | cards.at_rate(column)
    usual = data["by_default"] = by_default(args)
    if launched:
        data |= {"launch": launched.as_dict(), "taken": taken}
    notes = [*taken, *_notes(args, column, launched)]

    def text(screen: Screen) -> str:
        parts = [
            *([screen.prose(launched.summary)] if launched else []),
            _answer(column, usual, most, screen),
            _memory(column, screen),
            *_closing(column, notes, screen),
        ]
        return "\n\n".join([*parts, screen.fitted(column.explain())] if args.explain else parts)

    data |= cards.derivation(args, column)
    return Answer(data, (data,), _whole(column), text)


def _predicted(args: argparse.Namespace, deployment: Deployment) -> tuple[Card, str]:
    """The card under the load or the rate, and how its users came about where nobody said."""
    workload, slo = read_load(args, deployment.request_limit_tokens), read_limits(args)
    if (rate_rps := read_rate(args)) is not None:
        return design.card_at_rate(deployment, workload, slo, rate_rps), ""
    if args.concurrency is not None:
        return design.card(deployment, workload, slo), ""
    column = design.card(deployment, design.most_users_load(deployment, workload, slo), slo)
    return column, f"the most that {design.most_words(column)}"


def _launched(args: argparse.Namespace) -> tuple["Launch | None", Deployment, list[str]]:
    """The deployment of the options, and of the command behind `--` where there is one."""
    if args.launch is None:
        return None, read_deployment(args), []
    from ..evidence import launch, logs

    command = _command(args.launch)
    if isinstance(command, str) and logs.recognises(command) and not launch.recognises(command):
        told = f"{shown(args.launch[0])} is a start-up log"
        raise BadInput("command line", f"{told}, which stands beside its ledger in llmcap validate")
    one = launch.read(command, _named_files(command))
    model = None if args.model is None and args.config is None else read_model(args)
    chosen: dict[str, Any] = read_chosen(args)
    deployment, copies, notes = launch.meant(one, gpu=args.gpu or "", model=model, **chosen)
    taken = [f"{capitalised(text)}." for text in notes]
    if copies > 1:
        taken.append(f"The command starts {copies} copies: the numbers are of one.")
    return one, deployment, taken


def _fill_load(args: argparse.Namespace, load: "Load", copies: int) -> list[str]:
    """Take the load of the command's benchmark, where the options do not say another.

    Copies share a rate alike; what is said of it is returned.
    """
    lengths = args.input is None and args.output is None and args.context is None
    stated = {"concurrency": load.concurrency}
    if lengths:
        stated |= {"input": load.input_tokens, "output": load.output_tokens}
        stated |= {"shared_prefix": load.prefix_tokens}
    for name, value in stated.items():
        if value and getattr(args, name) is None:
            setattr(args, name, str(value))
    if args.concurrency is not None or args.rate is not None or not load.request_rate:
        return []
    args.rate = load.request_rate / copies
    each = f"{load.request_rate:.4g} requests a second are {args.rate:.4g} for each copy."
    return [each] if copies > 1 else []


SETTINGS = {".yaml", ".yml", ".json"}  # files that take no options
FILES = {*SETTINGS, ".sh", ".txt", ".py"}  # a name that is no command


def _command(words: list[str]) -> str | list[str]:
    """The words of a command, or the text of the one file that is named."""
    file, *behind = words or [""]
    option = next((word for word in behind if word.startswith("-")), "")
    if option and Path(file).suffix.lower() in SETTINGS:
        told = f"{shown(option)} stands behind the file, where no option is read"
        raise BadInput("command line", f"{told}: llmcap predict {option} ... -- {shown(file)}")
    named = len(words) == 1 and Path(words[0])
    if named and (named.is_file() or named.suffix.lower() in FILES):
        from ..evidence import results

        return results.text(words[0])
    return words


NAMED = re.compile(r"[^\s=\"']{1,255}\.(?:ya?ml|json)(?![^\s\"';&|])", re.I)
MOST_NAMED = 8  # files beside a command


def _named_files(command: str | list[str]) -> dict[str, str]:
    """The files of settings that a command names and that are here, by name."""
    from ..evidence import results

    text = command if isinstance(command, str) else " ".join(command)
    paths = (Path(name).expanduser() for name in NAMED.findall(text)[:MOST_NAMED])
    return {path.name: results.text(path) for path in paths if path.is_file()}


def _answer(column: Card, usual: list[str], chosen: str, screen: Screen) -> str:
    """The verdict, and the numbers behind it."""
    impossible = column.ledger.overlong or column.saturated
    level = "bad" if impossible else cards.LEVELS[column.verdict]
    head = [
        screen.paint(screen.prose(column.deployment.title), "bold"),
        screen.prose(cards.load_words(column.workload, usual, chosen, column.rate_rps) + "."),
        *(screen.paint(line, level) for line in screen.prose(column.memory_words).splitlines()),
    ]
    head.append(screen.prose(f"Binding constraint: {column.binding}."))
    if column.starts:
        return "\n".join([*head, "", _table(column).text(screen)])
    found = [screen.prose(one.text, "  ", "    ") for one in cards.remedies(column)]
    return "\n".join([*head, "", "What would make it start", *(found or ["  no single setting"])])


def _table(column: Card) -> Table:
    rows = []
    for name, of, unit in ROWS:
        rows.append((name, *cards.interval(getattr(column.estimates, of, None), unit)))
        beside = column.percentiles(*PERCENTILES[of]) if of in PERCENTILES else ()
        rows += [(label, *cards.interval(made, "s")) for label, made in beside]
    rows += [(name, *cards.interval(made, unit)) for name, made, unit in cards.rate_rows(column)]
    rent = quantity(column.usd_h, "USD/h") if column.usd_h else "unknown"
    rows += [("Users that fit", *_room(column)), ("Rent", rent, "", "")]
    return Table((*HEADS, Column("ceiling")), tuple(rows))


def _room(column: Card) -> tuple[str, str, str]:
    made = design.room(column.ledger)
    span = "" if made.low == made.high else f"{made.low:,} to {made.high:,}"
    return f"{column.max_concurrent:,}", span, ""


def _whole(column: Card) -> Table:
    """The table of a page, which has the verdict as well."""
    table = _table(column)
    words = (
        ("Deployment", column.deployment.title),
        ("Fits", column.fits_text),
        ("Binding constraint", column.binding),
    )
    rows = ((name, text, "", "") for name, text in words)
    return Table(table.columns, (*rows, *table.rows))


def _memory(column: Card, screen: Screen) -> str:
    """The ledger, and the lines the engine will print."""
    ledger, sizes = column.ledger, cards.memory(column)
    low, high = (gib(end) for end in ledger.kv_pool_interval_bytes)
    room = Line(
        "room for cache",
        f"{low} to {high}, four times in five",
        "",
        gib(ledger.kv_pool_bytes),
    )
    parts = [screen.paint(f"Memory of a card: {capacity.START_WORDS[ledger.start]}", "bold")]
    for line in (*capacity.term_lines(ledger), room):
        size = sizes.get("kv_pool" if line is room else line.name, 0.0)
        parts += _term_rows(line, size / ledger.visible_bytes, screen)
    printed = capacity.printed(ledger)
    engine = column.deployment.engine.title.partition(",")[0]
    title = f"What {engine} will print, four times in five"
    return "\n".join([*parts, "", screen.prose(title), *_printed(printed, screen)])


def _term_rows(line: Line, share: float, screen: Screen) -> list[str]:
    width = BAR if screen.width >= WIDE else BAR // 2
    bar = f"{screen.bar(share, width):{width}}  " if screen.bars else ""
    head = f"  {line.name:14} {line.value:>10}  {bar}"
    rows = [screen.prose(line.formula, head, " " * len(head))]
    if line.numbers not in ("", line.value):
        rows.append(screen.prose(line.numbers, f"{'= ':>{len(head)}}", " " * len(head)))
    return rows


def _printed(lines: tuple[capacity.Printed, ...], screen: Screen) -> list[str]:
    """The lines of the log; how far off each may be stands beside it where that fits."""
    pairs = [(line.text, line.within and f"within {line.within}") for line in lines]
    fits = [len(text) for text, off in pairs if len(text) + len(off) + 4 <= screen.width]
    width = min(max(fits, default=0), screen.width - 4 - max(len(off) for _, off in pairs))
    out = []
    for text, off in pairs:
        if len(text) <= width:
            out.append(f"  {text:{width}}  {off}".rstrip())
        else:
            out += (
                [screen.prose(text, "  ", "    "), f"    {off}"]
                if off
                else [screen.prose(text, "  ", "    ")]
            )
    return out


def _notes(args: argparse.Namespace, column: Card, launched: "Launch | None") -> list[str]:
    # what a command leaves open is among its own notes
    texts = [] if launched else _understood(args, column.deployment)
    already = " ".join([*texts, column.memory_words])
    texts += [note.text for note in column.warnings if note.text not in already]
    if args.weights is None and not (launched and launched.weights):
        texts.insert(0, _own_weights(args.model or "", column.deployment, column.workload))
    return texts + cards.engine_notes(args.engine, column.deployment)


def _own_weights(name: str, d: Deployment, load: Workload) -> str:
    """The format that was taken since nobody says one."""
    title = d.weights.title
    if not names.is_tag(name):
        said = f"Weights are in the checkpoint's own format, {title}"
        held = design.held_format(d, load.context_tokens, load.concurrency)
        if held == d.weights.name or d.weights.name != d.model.native_format:
            return f"{said}."
        return f"{said}: a question in words takes a copy that fits, --weights {held}."
    told = f"{name} is a tag of Ollama's library, whose file is {title}"
    return f"{told}: --weights takes another."


def _understood(args: argparse.Namespace, deployment: Deployment) -> list[str]:
    """What was taken for a name that says too little."""
    texts = []
    for asked, found, known in (
        (args.model, names.read_model(args.model or ""), deployment.model.name),
        (args.gpu, names.card(args.gpu or ""), deployment.gpu.name),
    ):
        if asked and catalog.key(asked) != known:
            assumed = f": {found.assumed}" if found.assumed else ""
            texts.append(f"{asked} is read as {known}{assumed}.")
    return texts


def _closing(column: Card, notes: list[str], screen: Screen) -> list[str]:
    """Notes, and once where the numbers come from."""
    remarks = prose_table([("note:", text) for text in notes], screen)
    return [part for part in (remarks, screen.prose(cards.provenance([column]))) if part]
