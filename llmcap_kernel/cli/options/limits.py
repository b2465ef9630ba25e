"""The limits that an answer is held to: on means, on percentiles, on the rent."""

import argparse
import itertools
from dataclasses import replace
from typing import Any

from ...refuse import number
from ...spec import Slo, Tail
from .values import read_number

# Limits on percentiles: --itl-p95-ms and its like; the help shows one of each latency.
TAIL_WORDS = {
    "itl": "longest gap between two tokens",
    "tpot": "longest mean gap of a request, TPOT",
    "ttft": "longest wait for the first token",
    "e2e": "longest wait for the last token",
}
PERCENTS, UNITS = (95, 50, 90, 99), {"ms": 1e3, "s": 1.0}
NO_LIMIT = "none"  # takes off a limit that holds where nothing is given


class _Each(argparse.Action):
    """Keeps the values of several spellings, each with its own."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        earlier = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*earlier, (option, values)])


def add_limits(
    parser: argparse.ArgumentParser, slo: Slo, *, where_met: tuple[Tail, ...] = ()
) -> None:
    """Add the limits that an answer is held to.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    slo : Slo
        Those that hold where nothing is given.
    where_met : tuple of Tail
        Those that the command takes besides, where something meets them.
    """
    about = "what is asked of a deployment; none takes a default off"
    add = parser.add_argument_group("limits", about).add_argument

    def usual(value: float | None, per: float) -> str:
        return "(default none)" if value is None else f"(default {value * per:g})"

    add(
        "--itl-ms",
        metavar="MS",
        help=f"longest mean gap between tokens, TPOT or ITL {usual(slo.itl_s, 1e3)}",
    )
    add(
        "--ttft-ms",
        metavar="MS",
        help=f"longest mean wait for the first token, TTFT {usual(slo.ttft_s, 1e3)}",
    )
    for latency, what in TAIL_WORDS.items():
        tails = [t for t in (*slo.tails, *where_met) if t.quantity == latency]
        already = ", ".join(f"p{t.percent:g} {1e3 * t.bound_s:g} ms" for t in tails) or "none"
        already += ", where something meets it" * any(t in where_met for t in tails)
        first, *others = (f"--{latency}-p{p}-{u}" for p, u in itertools.product(PERCENTS, UNITS))
        about = f"{what}, for 95 in a hundred (default {already}); also {', '.join(others)}"
        add(first, *others, dest=f"{latency}_tails", action=_Each, metavar="MS", help=about)
    add(
        "--budget-usd-h",
        metavar="USD",
        help=f"largest rent of a deployment, USD an hour {usual(slo.usd_h, 1)}",
    )
    parser.set_defaults(base_slo=slo)


def read_limits(args: argparse.Namespace) -> Slo:
    """Read the limits; one that is given on a gap or a first token stands for the usual ones on it.

    Parameters
    ----------
    args : Namespace
        With the options of `add_limits`.

    Returns
    -------
    Slo
        Those that are set.

    Raises
    ------
    BadInput
        When one of them is out of range.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import Parser
    >>> parser = Parser()
    >>> add_limits(parser, Slo())
    >>> read_limits(parser.parse_args(["--itl-ms", "50"])).itl_s
    0.05
    >>> read_limits(parser.parse_args(["--itl-p95-ms", "50", "--ttft-p99-s", "2"])).tails
    (Tail(quantity='itl', percent=95, bound_s=0.05), Tail(quantity='ttft', percent=99, bound_s=2.0))
    """
    slo = _not_replaced(args)

    def limit(name: str, text: str | None, per: float, default: float | None) -> float | None:
        if text is None or _is_none(text):
            return default if text is None else None
        return number(name, read_number(name, text), 1e-3, 1e8) / per

    return Slo(
        itl_s=limit("itl_ms", args.itl_ms, 1e3, slo.itl_s),
        ttft_s=limit("ttft_ms", args.ttft_ms, 1e3, slo.ttft_s),
        usd_h=limit("budget_usd_h", args.budget_usd_h, 1, slo.usd_h),
        tails=(*_tails(args), *slo.tails),
    )


def no_pace(args: argparse.Namespace) -> bool:
    """Say whether a limit on gaps or whole answers is taken off.

    Parameters
    ----------
    args : Namespace
        With the options of `add_limits`.

    Returns
    -------
    bool
        Whether one of them is "none", so that none is to be taken in its place.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import Parser
    >>> parser = Parser()
    >>> add_limits(parser, Slo())
    >>> no_pace(parser.parse_args(["--itl-p95-ms", "none"]))
    True
    """
    given = [args.itl_ms or ""]
    given += [x for name in ("itl", "tpot", "e2e") for _, x in getattr(args, f"{name}_tails") or ()]
    return any(map(_is_none, given))


def _is_none(text: str) -> bool:
    return text.strip().lower() == NO_LIMIT


def _not_replaced(args: argparse.Namespace) -> Slo:
    """The usual limits, without those on a latency that is limited anew."""
    means = [name for name in ("itl", "ttft") if getattr(args, f"{name}_ms") is not None]
    given = {*means, *(name for name in TAIL_WORDS if getattr(args, f"{name}_tails"))}
    if given & {"itl", "tpot"}:  # both are gaps between tokens
        given |= {"itl", "tpot"}
    slo = args.base_slo
    return replace(
        slo,
        itl_s=None if "itl" in given else slo.itl_s,
        ttft_s=None if "ttft" in given else slo.ttft_s,
        tails=tuple(tail for tail in slo.tails if tail.quantity not in given),
    )


def _tails(args: argparse.Namespace) -> list[Tail]:
    """Limits on percentiles that are given."""
    found = []
    for latency in TAIL_WORDS:
        for option, text in getattr(args, f"{latency}_tails") or ():
            if _is_none(text):
                continue
            name = option.lstrip("-").replace("-", "_")
            _, percent, unit = name.split("_")
            bound = number(name, read_number(name, text), 1e-3, 1e8, unit)
            found.append(Tail(latency, int(percent[1:]), bound / UNITS[unit]))
    return found
