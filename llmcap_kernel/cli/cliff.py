"""`llmcap cliff`: how many users are left as the context grows."""

import argparse
import math

from .. import capacity
from ..explain import gib
from ..refuse import number
from ..spec import Deployment
from .options import (
    add_cards,
    add_engine,
    add_model,
    add_output,
    add_price,
    given,
    read_deployment,
    read_number,
)
from .tables import Answer, Column, Screen, Table, of_records

SHORTEST = 1000  # tokens
MOST_USERS = 100_000
BAR = 20
COLUMNS = {
    "context_tokens": (Column("context"), "{:,}".format),
    "bytes_per_user": (Column("of cache a user", 1), gib),
    "users_before_the_cut": (Column("before the cut", 2), "{:,.2f}".format),
    "users": (Column("users"), "{:,}".format),
}


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
    parser.add_argument_group("load").add_argument(
        "--users",
        "--concurrency",
        dest="concurrency",
        metavar="N",
        help="requests in flight that are wanted (default 1)",
    )
    add_price(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Count users by context length.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Where they end, and a row a length.
    """
    wanted = read_number("users", given(args.concurrency, 1), int)
    users = number("users", wanted, 1, MOST_USERS, whole=True)
    d = read_deployment(args)
    rows = tuple(
        {
            "context_tokens": length,
            "bytes_per_user": capacity.kv_sequence_bytes(d, length, running=True),
            "users_before_the_cut": smooth,
            "users": whole,
        }
        for length, whole, smooth in capacity.cliff(d, _lengths(d.model.max_context_tokens))
    )
    longest = capacity.longest_context(d, users)
    verdict = _verdict(d, users, longest)
    data = {
        **{"deployment": d.title, "users_wanted": users, "longest_context_tokens": longest},
        **{"window_tokens": d.model.max_context_tokens, "verdict": verdict, "rows": rows},
    }
    table = of_records(rows, COLUMNS)

    def text(screen: Screen) -> str:
        level = "good" if longest else "bad"
        lines = (screen.paint(line, level) for line in screen.prose(verdict).splitlines())
        head = screen.paint(screen.prose(d.title), "bold")
        drawn = _with_bars(table, [row["users_before_the_cut"] for row in rows], screen)
        return "\n\n".join(["\n".join([head, *lines]), drawn.text(screen)])

    return Answer(data, rows, table, text)


def _lengths(window: int) -> tuple[int, ...]:
    """Double from the shortest length up to the model's window."""
    doublings = max(math.ceil(math.log2(max(window / SHORTEST, 1))), 1)
    return tuple(dict.fromkeys(min(SHORTEST * 2**n, window) for n in range(doublings + 1)))


def _verdict(d: Deployment, users: int, longest: int) -> str:
    many = f"{users:,} users fit" if users > 1 else "One user fits"
    window = d.model.max_context_tokens
    if longest >= window:
        return f"{many} at every length that the model takes, up to {window:,} tokens."
    if not longest:
        books = capacity.ledger(d, context_tokens=min(SHORTEST, window), concurrency=users)
        return f"{many} at no length. {books.verdict}"
    return f"{many} up to {longest:,} tokens each; the model takes {window:,}."


def _with_bars(table: Table, counts: list[float], screen: Screen) -> Table:
    if not screen.bars or not max(counts):
        return table
    rows = (
        (*row, screen.bar(count / max(counts), BAR))
        for row, count in zip(table.rows, counts, strict=True)
    )
    return Table((*table.columns, Column("", 3, left=True)), tuple(rows))
