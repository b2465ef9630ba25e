"""The load: prompt, answer, users and what their prompts share."""

import argparse
import re

from ...refuse import BadInput, number, one_of
from ...spec import MAX_TOKENS, Workload, lengths_of, usual_load
from .values import given, read_number

LENGTHS = ("input", "output")
LOAD = (*LENGTHS, "concurrency")
PER = {"s": 1, "min": 60, "h": 3600, "day": 86_400}  # seconds of what a rate may be over
LONGER = {"sec": "s", "second": "s", "minute": "min", "hr": "h", "hour": "h", "d": "day"}
REQUESTS = r"\s*(?:rps|qps|req|reqs|request|requests)"
RATE = re.compile(rf"(.*?)(?:{REQUESTS})?\s*(?:(?:/|\bper\b)\s*(\w*))?", re.IGNORECASE)


def add_load(parser: argparse.ArgumentParser, *, users: str = "", context: bool = False) -> None:
    """Add the options of a load.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    users : str
        What the number of users is where it is not given, in words.
    context : bool
        Whether prompt and answer may be given together.
    """
    workload = usual_load()
    add = parser.add_argument_group("load", "k is 1 000, M is 1 000 000").add_argument
    add(
        "--input",
        metavar="TOKENS",
        help=f"prompt tokens of a request (default {workload.input_tokens:,})",
    )
    add(
        "--output",
        metavar="TOKENS",
        help=f"answer tokens of a request (default {workload.output_tokens:,})",
    )
    if context:
        add(
            "--context",
            metavar="TOKENS",
            help="prompt and answer together; alone, an eighth of it is the answer",
        )
    add(
        "--users",
        "--concurrency",
        dest="concurrency",
        metavar="N",
        help=f"requests in flight (default {users or workload.concurrency})",
    )
    add(
        "--shared-prefix",
        metavar="TOKENS",
        help="leading prompt tokens that a prefix cache holds for all (default 0)",
    )


def read_load(args: argparse.Namespace, *longest_tokens: float) -> Workload:
    """Read the load.

    Parameters
    ----------
    args : Namespace
        With the options of `add_load`.
    *longest_tokens : float
        The most tokens that a request may have, of each deployment [tokens].

    Returns
    -------
    Workload
        Prompt, answer, users and shared prefix.

    Raises
    ------
    BadInput
        When one of them is out of range.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import Parser
    >>> parser = Parser()
    >>> add_load(parser)
    >>> read_load(parser.parse_args(["--input", "7k", "--users", "16"]))
    Workload(input_tokens=7000, output_tokens=1000, concurrency=16, ...)
    """
    usual = usual_load(*longest_tokens)
    tokens_in, out = _lengths(args, usual)
    users = usual.concurrency
    if args.concurrency is not None:
        users = read_number("concurrency", args.concurrency, int)
    prefix = read_number("shared_prefix", given(args.shared_prefix, 0), int)
    return Workload(tokens_in, out, users, prefix)


def add_rate(parser: argparse.ArgumentParser) -> None:
    """Add the rate of requests that may stand in place of users.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command that has the options of `add_load`.
    """
    parser.add_argument(
        "--rate",
        metavar="RPS",
        help="requests that arrive a second, not users; also N/min, N/h or N/day (default none)",
    )


def read_rate(args: argparse.Namespace) -> float | None:
    """Read the rate of requests.

    Parameters
    ----------
    args : Namespace
        With the options of `add_load` and `add_rate`.

    Returns
    -------
    float or None
        Requests a second; None where no rate is given [requests/s].

    Raises
    ------
    BadInput
        When it is no such number, or users are given as well.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import Parser
    >>> parser = Parser()
    >>> add_load(parser)
    >>> add_rate(parser)
    >>> read_rate(parser.parse_args(["--rate", "90/min"]))
    1.5
    """
    if args.rate is None:
        return None
    if args.concurrency is not None:
        raise BadInput("rate", "rate and users both say how much is asked: give one of them.")
    return rate_of(args.rate)


def rate_of(text: object) -> float:
    """Read requests over a time, as people write them.

    Parameters
    ----------
    text : object
        As typed, or a number.

    Returns
    -------
    float
        Requests a second [requests/s].

    Raises
    ------
    BadInput
        When it is no such number.

    Examples
    --------
    >>> rate_of("3"), rate_of("3 rps"), rate_of("90 requests/min"), rate_of("36k per hour")
    (3.0, 3.0, 1.5, 10.0)
    """
    found = RATE.fullmatch(str(text).strip())
    many, per = (found[1] or text, found[2] or "s") if found else (text, "s")
    per = LONGER.get(per.lower(), per.lower())
    rate_rps: float = read_number("rate", str(many)) / PER[one_of("rate", per, PER)]
    return number("rate", rate_rps, 1e-6, 1e6, "requests/s")


def by_default(args: argparse.Namespace, *names: str) -> list[str]:
    """Name the options of a load that nobody gave, so that the usual ones were taken.

    Parameters
    ----------
    args : Namespace
        As read.
    *names : str
        Of `args`, of those that the answer is of; the lengths where none is named.

    Returns
    -------
    list of str
        Options; none where all were given.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import Parser
    >>> parser = Parser()
    >>> add_load(parser)
    >>> by_default(parser.parse_args(["--input", "7k"]))
    ['--output']
    """
    told = getattr(args, "context", None) is not None
    asked = [name for name in names or LENGTHS if not (told and name in LENGTHS)]
    usual = [name for name in asked if getattr(args, name) is None]
    return ["--users" if name == "concurrency" else f"--{name}" for name in usual]


def _lengths(args: argparse.Namespace, base: Workload) -> tuple[int, int]:
    """Tokens of prompt and answer; a context determines the one that is not given."""
    tokens_in = read_number("input", given(args.input, base.input_tokens), int)
    out = read_number("output", given(args.output, base.output_tokens), int)
    text = getattr(args, "context", None)
    if text is None:
        return tokens_in, out
    context = int(number("context", read_number("context", text, int), 2, MAX_TOKENS, "tokens"))
    if args.input is None and args.output is None:
        return lengths_of(context)
    for name, tokens in (("input", tokens_in), ("output", out)):
        if getattr(args, name) is not None and tokens >= context:
            why = f"it takes more than the {tokens:,} of {name}, for it counts prompt and answer."
            raise BadInput("context", f"context is {context:,}: {why}")
    if args.input is None:
        return context - out, out
    if args.output is None:
        return tokens_in, context - tokens_in
    if tokens_in + out != context:
        raise BadInput(
            "context",
            f"context is {context:,} and input and output make {tokens_in + out:,}: "
            "give two of the three.",
        )
    return tokens_in, out
