"""`llmcap compare`: one quantity along one number of the load, for a few deployments."""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any

from .. import design, sweep
from ..calibration import Estimate
from ..design.limits import expected
from ..explain import capitalised, quantity
from ..refuse import BadInput, number, one_of, shown
from ..spec import MAX_TOKENS, Deployment, Slo, Workload
from . import cards
from .options import (
    LENGTHS,
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
    read_number,
    read_rate,
)
from .tables import Answer, Column, Screen, Table, prose_table

FEWEST, MOST = 2, 4  # deployments
MOST_USERS = 100_000
SAMPLES = 24  # places asked for a turn, besides the rows
# what moves: the load's field, and how its numbers are called
ALONG = {
    "users": ("concurrency", "users"),
    "context": ("context_tokens", "tokens of context"),
    "input": ("input_tokens", "tokens of prompt"),
    "output": ("output_tokens", "tokens of answer"),
    "prefix": ("shared_prefix_tokens", "tokens of shared prefix"),
    "requests": ("requests_h", "requests an hour"),
}
# what is looked at: the quantity, how it is called, and what its leader has
SHOW = {
    "gap": ("itl_s", "gap between tokens", "the shortest gap"),
    "rate": ("tok_s_user", "speed of one user", "the fastest answers"),
    "ttft": ("ttft_s", "first token, mean", "the shortest wait"),
    "fit": ("max_concurrent", "users that fit", "the most room"),
    "price": ("usd_mtok", "$/M output tokens", "the lowest price"),
    "total": ("output_tok_s", "output of all users", "the most output"),
}
ENDS = {
    "length": "takes no request so long",
    "start": "does not start",
    "room": "does not hold all users",
    "rate": "does not answer all requests",
    "": "serves",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add_columns(parser)
    add = parser.add_argument_group("question").add_argument
    add("--along", metavar="WHAT", default="users", help=f"{', '.join(ALONG)} (default users)")
    add("--show", metavar="WHAT", default="gap", help=f"{', '.join(SHOW)} (default gap)")
    add("--from", dest="low", metavar="N", help="where it begins (default: around the load)")
    add("--to", dest="high", metavar="N", help="where it ends (default: around the load)")
    add_load(parser)
    add_rate(parser)
    add_limits(parser, design.WORKED_SLO)
    add_own(parser)
    add_output(parser)


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    along, show : str
        Keys of `ALONG` and `SHOW`.
    workload : Workload
        The load that is moved.
    slo : Slo
        Limits; the one on what is shown is reported.
    columns : dict of str to Deployment
        By heading.
    rate_rps : float or None
        Requests that come every second, in place of users [requests/s].
    """

    along: str
    show: str
    workload: Workload
    slo: Slo
    columns: dict[str, Deployment]
    rate_rps: float | None = None

    @property
    def quantity(self) -> str:
        """What is looked at, as `sweep.measure` takes it: a percentile where one is limited."""
        return sweep.limit_on(self.slo, SHOW[self.show][0])[0]

    @property
    def title(self) -> str:
        """How it is called."""
        tail = next((t for t in self.slo.tails if t.name == self.quantity), None)
        return design.tail_label(tail) if tail else SHOW[self.show][1]

    @property
    def what(self) -> sweep.Quantity:
        """The kernel's quantity."""
        return sweep.quantity_of(self.quantity)

    @property
    def bound(self) -> float | None:
        """The limit on what is shown, in its unit; None where none is set."""
        return sweep.limit_on(self.slo, SHOW[self.show][0])[1]

    def load_at(self, x: int) -> Workload:
        """Move the load.

        Parameters
        ----------
        x : int
            The number that moves.

        Returns
        -------
        Workload
            The load there.
        """
        return sweep.load_at(self.workload, ALONG[self.along][0], x)

    def rate_at(self, x: int) -> float | None:
        """Say at which rate requests come.

        Parameters
        ----------
        x : int
            The number that moves.

        Returns
        -------
        float or None
            The rate there; None for users at once [requests/s].
        """
        return sweep.rate_at(ALONG[self.along][0], x, self.rate_rps)

    @property
    def now(self) -> int | None:
        """Where the load stands that is asked for; None where it says no rate."""
        if self.along == "requests":
            return None if self.rate_rps is None else round(self.rate_rps * sweep.HOUR_S)
        return int(getattr(self.workload, ALONG[self.along][0]))

    def curve(self, label: str) -> Callable[[int], Estimate | None]:
        """Estimate what is shown, for one deployment.

        Parameters
        ----------
        label : str
            Its heading.

        Returns
        -------
        callable
            The estimate by the number that moves; None where it cannot be served.
        """
        deployment, of = self.columns[label], self.quantity
        return cache(
            lambda x: sweep.measure(deployment, self.load_at(x), of, rate_rps=self.rate_at(x))
        )

    def obstacle(self, label: str, x: int) -> str:
        """Say what is in the way of a deployment.

        Parameters
        ----------
        label : str
            Its heading.
        x : int
            The number that moves.

        Returns
        -------
        str
            As `sweep.obstacle` has it.
        """
        name = sweep.obstacle(self.columns[label], self.load_at(x), self.rate_at(x))
        return "" if name in ("room", "rate") and not self.what.estimated else name


def run(args: argparse.Namespace) -> Answer:
    """Compare deployments along a load.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Who leads where, where curves cross and end, and a row a stop.
    """
    columns = read_columns(args.column, design.worked_spec)
    if not FEWEST <= len(columns) <= MOST:
        message = f"columns are {len(columns)}: it takes {FEWEST} to {MOST} deployments."
        raise BadInput("column", message)
    along, show = one_of("along", args.along, ALONG), one_of("show", args.show, SHOW)
    load = read_load(args, *(d.request_limit_tokens for d in columns.values()))
    rate_rps = read_rate(args)
    if rate_rps is not None and along == "users":
        others = ", ".join(name for name in ALONG if name != "users")
        raise BadInput("rate", f"rate is given, from which users follow: along takes {others}.")
    if along == "requests" and args.concurrency is not None:
        told = f"users is {shown(args.concurrency)}: along requests they follow from the rate."
        raise BadInput("users", f"{told} Leave it out, or give along users.")
    q = Question(along, show, load, read_limits(args), columns, rate_rps)
    moved = {"users": "concurrency"}.get(along, along)
    of_rate = rate_rps is not None or along == "requests"
    usual = by_default(args, *(x for x in (LENGTHS if of_rate else LOAD) if x != moved))
    rows = _stops(q, *_range(q, args.low, args.high))
    curves = {label: q.curve(label) for label in columns}
    spread = sweep.whole_stops(rows[0], rows[-1], SAMPLES, even=rows[0] == 0)
    stops = sorted({*rows, *spread})
    found = {
        "leads": _leads(q, curves, stops),
        "crossings": _crossings(q, curves, stops),
        "misses": _misses(q, curves, stops),
        "ends": _ends(q, stops),
    }
    records = tuple(_record(q, curves, x) for x in rows)
    head = {
        **{"along": along, "show": show, "quantity": q.quantity, "unit": q.what.unit},
        "deployments": {label: d.title for label, d in columns.items()},
        "by_default": usual,
    }
    table = _table(q, curves, rows)
    own = "" if args.column else cards.as_specified(columns.values())
    return Answer(
        head | found | {"rows": records},
        records,
        table,
        lambda screen: "\n\n".join(
            filter(None, (_text(q, table, found, usual, screen), screen.prose(own)))
        ),
    )


# the range and its stops


def _range(q: Question, low: str | None, high: str | None) -> tuple[int, int]:
    """Choose where it begins and ends, around the load unless it is given."""
    least = {"prefix": 0, "context": 2}.get(q.along, 1)
    most = {"users": MOST_USERS, "prefix": q.workload.input_tokens}.get(q.along, MAX_TOKENS)
    usual = sweep.usual_range(q.workload, ALONG[q.along][0], q.columns.values())

    def end(name: str, text: str | None, default: int) -> int:
        value = default if text is None else read_number(name, text, int)
        return number(name, value, least, most, ALONG[q.along][1], whole=True)

    first = end("from", low, min(usual[0], most))
    last = end("to", high, min(max(usual[1], first + 1), most))
    if low is None and first >= last:
        first = max(last // 2, least)
    if first >= last:
        raise BadInput("to", f"to is {last:,} and from is {first:,}: it takes more than from.")
    return first, last


def _stops(q: Question, low: int, high: int) -> list[int]:
    """The rows: powers of two of users, 1-2-5 of tokens, eighths where it begins at none."""
    if low == 0:
        inner = [round(high * part / 8) for part in range(9)]
    elif q.along == "users":
        inner = [2**n for n in range(18)]
    else:
        inner = [step * 10**n for n in range(8) for step in (1, 2, 5)]
    inner += [] if q.now is None else [q.now]
    return sorted({low, high, *(x for x in inner if low < x < high)})


# what is found on the way

Curves = dict[str, Callable[[int], Estimate | None]]


def _value(curve: Callable[[int], Estimate | None]) -> Callable[[int], float | None]:
    def value(x: int) -> float | None:
        made = curve(x)
        return None if made is None else made.value

    return value


def _leads(q: Question, curves: Curves, stops: list[int]) -> list[dict[str, Any]]:
    """Who has the best value from where to where; nobody where none can serve."""
    found = sweep.leads(lambda x: {label: curve(x) for label, curve in curves.items()}, stops,
                        less=q.what.less)  # fmt: skip
    return [
        {"from": one.start, "to": one.end, "leader": one.leader, "rivals": list(one.rivals)}
        for one in found
    ]


def _crossings(q: Question, curves: Curves, stops: list[int]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for one, two in combinations(curves, 2):
        for turn in sweep.crossings(_value(curves[one]), _value(curves[two]), stops):
            first = (turn.after == 1) != q.what.less
            ahead, behind = (one, two) if first else (two, one)
            out.append({"at": turn.at, "overtakes": ahead, "overtaken": behind})
    return sorted(out, key=lambda one: one["at"])


def _misses(q: Question, curves: Curves, stops: list[int]) -> list[dict[str, Any]]:
    """Where each deployment begins to miss the limit, or to meet it."""
    bound = q.bound
    if bound is None:
        return []

    def misses(label: str) -> Callable[[int], bool | None]:
        return lambda x: None if (made := curves[label](x)) is None else made.value > bound

    return [
        {"at": turn.at, "deployment": label, "misses": turn.after}
        for label in curves
        for turn in sweep.turns(misses(label), stops)
        if None not in (turn.before, turn.after)
    ]


def _ends(q: Question, stops: list[int]) -> list[dict[str, Any]]:
    """Where each deployment begins or ends to serve, and what is in the way."""
    out = []
    for label in q.columns:
        first = q.obstacle(label, stops[0])
        if first:
            out.append({"at": stops[0], "deployment": label, "why": first, "first": True})
        for turn in sweep.turns(partial(q.obstacle, label), stops):
            entry = {"at": turn.at, "deployment": label, "why": turn.after, "first": False}
            out.append(entry)
    return out


# how it is written


def _record(q: Question, curves: Curves, x: int) -> dict[str, Any]:
    made = {label: curve(x) for label, curve in curves.items()}
    by_label = {label: e and asdict(e) | {"doubt": e.doubt} for label, e in made.items()}
    return {q.along: x, "estimates": by_label}


def _table(q: Question, curves: Curves, rows: list[int]) -> Table:
    def cell(label: str, x: int) -> str:
        made = curves[label](x)
        if made is None:
            return sweep.OBSTACLES[q.obstacle(label, x)]
        if not q.what.estimated:
            return f"{made.value:,.0f} ({made.low:,.0f} to {made.high:,.0f})"
        return expected(made, q.what.unit)

    heads = (Column(q.along), *(Column(label, left=True) for label in curves))
    return Table(heads, tuple((f"{x:,}", *(cell(label, x) for label in curves)) for x in rows))


def _text(
    q: Question, table: Table, found: dict[str, Any], usual: list[str], screen: Screen
) -> str:
    word = ALONG[q.along][1]
    titles = prose_table([(f"{label} =", d.title) for label, d in q.columns.items()], screen)
    about = f"{capitalised(q.title)}, along {word}; otherwise "
    level = "good" if found["leads"] else "bad"
    led = (screen.paint(x, level) for x in screen.prose(_led(q, found["leads"])).splitlines())
    sentences = [screen.prose(text) for text in _sentences(q, found)]
    columns = [design.card(d, q.workload, label=label) for label, d in q.columns.items()]
    load = cards.load_words(q.workload, usual, rate_rps=q.rate_rps)
    if q.along == "requests":
        load = cards.lengths_words(q.workload, usual)
    parts = [
        screen.prose(f"{about}{load}."),
        "\n".join(led),
        titles,
        table.text(screen),
        "\n".join(sentences),
        screen.prose(cards.provenance(columns) if q.what.estimated else ""),
    ]
    return "\n\n".join(filter(None, parts))


def _led(q: Question, leads: list[dict[str, Any]]) -> str:
    if not leads:
        return "None has a number anywhere on this range."
    word, what = ALONG[q.along][1], SHOW[q.show][2]
    found = [sweep.Lead(one["from"], one["to"], one["leader"], tuple(one["rivals"]))
             for one in leads]  # fmt: skip
    # nobody is said to have what is too close to call
    known, close = [x for x in found if not x.rivals], [x for x in found if x.rivals]
    out = []
    if close:
        favoured = [_from_to(one) for one in close]
        out.append(f"{sweep.too_close(found)} for {what}.")
        out.append(f"The estimates favour {'; '.join(favoured)} {word}.")
    if known:
        verb = "have" if " and " in known[0].leader else "has"
        first = _from_to(known[0]).removeprefix(known[0].leader)
        led = [f"{known[0].leader} {verb} {what}{first} {word}", *map(_from_to, known[1:])]
        out.append(f"{'; '.join(led)}.")
    return " ".join(out)


def _from_to(one: sweep.Lead) -> str:
    return f"{one.leader} from {one.start:,} to {one.end:,}"


def _sentences(q: Question, found: dict[str, Any]) -> list[str]:
    """Crossings, limits and ends, a sentence each."""
    word = ALONG[q.along][1]
    out = [
        f"{one['overtakes']} overtakes {one['overtaken']} at {one['at']:,} {word}."
        for one in found["crossings"]
    ]
    for one in found["misses"]:
        how = "misses" if one["misses"] else "meets"
        asked = quantity(q.bound or 0.0, q.what.unit)
        out.append(f"{one['deployment']} {how} {asked} from {one['at']:,} {word} on.")
    for one in found["ends"]:
        where = "" if one["first"] else f" from {one['at']:,} {word} on"
        out.append(f"{one['deployment']} {ENDS[one['why']]}{where}.")
    return out
