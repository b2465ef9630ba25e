"""How an answer is printed."""

import argparse

HOW = ("json", "csv", "markdown")


def add_output(
    parser: argparse.ArgumentParser, *, explain: bool = False, rows: int | None = None
) -> None:
    """Add the options that say how an answer is printed.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    explain : bool
        Whether the answer has arithmetic to print.
    rows : int, optional
        Most rows of text, where a table may be long.
    """
    group = parser.add_argument_group("output", "text for people by default")
    if explain:
        group.add_argument("--explain", action="store_true", help="print the arithmetic as well")
    if rows:
        about = f"most rows of text, of each kind (default {rows})"
        group.add_argument("--rows", metavar="N", default=str(rows), help=about)
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--json", dest="how", action="store_const", const="json", help="print JSON, units in keys"
    )
    one.add_argument(
        "--csv",
        dest="how",
        action="store_const",
        const="csv",
        help="print rows of the same values; dots part nested keys",
    )
    one.add_argument(
        "--markdown", dest="how", action="store_const", const="markdown", help="print a table"
    )
