"""Whose tokens a rate counts where its column does not say, by what else the table states.

A user's rate lies between an answer over its whole time and one token over the gap. That of all
users is so many times as high, and that of prompts and answers higher by the share of prompts.
Along the load a user's rate does not rise and that of all users does not fall.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

from ...explain import digits
from ...refuse import shown
from .line import Fields, Line, number

# What a rate may count, and its metric.
USER, ALL, BOTH = "user", "all", "total"
METRIC_OF = {USER: "decode_tok_s_per_user", ALL: "output_tok_s_total", BOTH: "total_tok_s"}
WORDS = {USER: "one user's", ALL: "all users'", BOTH: "all users', with their prompts"}
PER_GPU = "output_tok_s_per_gpu"
COUNTS = {metric: whose for whose, metric in METRIC_OF.items()} | {PER_GPU: ALL}
# A rate as near to a meaning as this is taken for it where every other meaning is as far again, and
# one that far from what it says it is was not measured so. Means beside medians, and users who come
# and go at the ends of a run, make up to a factor of two.
NEAR, FAR = 1.5, 3.0
# Users of two runs, and rates, that tell a rising rate from a falling one.
MORE_USERS, RISES, FALLS = 4.0, 1.5, 0.7
MOST_RUNS = 100  # that are compared with one another
TIMES = {"itl_ms": 1e-3, "ttft_ms": 1e-3, "e2e_latency_s": 1.0}


class Stated(NamedTuple):
    """What a row says beside its rates.

    Attributes
    ----------
    users, prompt, answer : float or None
        Requests in flight, and tokens of a request.
    gap_s, ttft_s, e2e_s : float or None
        Time of a token, of the first one and of a request [s].
    """

    users: float | None
    prompt: float | None
    answer: float | None
    gap_s: float | None
    ttft_s: float | None
    e2e_s: float | None


def stated(columns: Fields, times: Fields) -> Stated:
    """Collect what a row says beside its rates.

    Parameters
    ----------
    columns : dict
        Cells by column.
    times : dict
        Latencies by metric, in its unit.

    Returns
    -------
    Stated
        Numbers, None for what is not there. Users are no more than requests.
    """
    users, requests = number(columns.get("concurrency")), number(columns.get("requests"))
    seconds = [times[name] * unit if name in times else None for name, unit in TIMES.items()]
    lengths = (number(columns.get(f"{which}_tokens")) for which in ("input", "output"))
    return Stated(min(users, requests) if users and requests else users, *lengths, *seconds)


def expected(row: Stated) -> dict[str, tuple[float, float]]:
    """Compute what a rate would be by each meaning [tok/s], lowest and highest.

    Parameters
    ----------
    row : Stated
        What the row says.

    Returns
    -------
    dict of str to (float, float)
        By meaning; only those that the row tells.

    Examples
    --------
    >>> expected(Stated(16, None, 100, 0.02, 1.0, None))["all"]
    (536.9127516778524, 800.0)
    """
    whole_s = row.e2e_s
    if whole_s is None and row.gap_s and row.ttft_s and row.answer:
        whole_s = row.ttft_s + (row.answer - 1) * row.gap_s
    ends = [row.answer / whole_s] if whole_s and row.answer else []
    if row.gap_s:
        ends.append(1 / row.gap_s)
    elif row.e2e_s and row.ttft_s and row.answer and row.e2e_s > row.ttft_s:
        ends.append(row.answer / (row.e2e_s - row.ttft_s))
    if not ends:
        return {}
    low, high = min(ends), max(ends)
    found = {USER: (low, high)}
    if row.users:
        found[ALL] = (row.users * low, row.users * high)
        if row.prompt and row.answer:
            more = row.users * (1 + row.prompt / row.answer)
            found[BOTH] = (more * low, more * high)
    return found


def off(value: float, ends: tuple[float, float]) -> float:
    """How many times a value lies outside a range.

    Parameters
    ----------
    value : float
        The value, in the unit of the range.
    ends : tuple of float
        The range.

    Returns
    -------
    float
        1 inside it.

    Examples
    --------
    >>> off(30.0, (10.0, 20.0)), off(15.0, (10.0, 20.0)), off(5.0, (10.0, 20.0))
    (1.5, 1.0, 2.0)
    """
    return max(value / ends[1], ends[0] / value, 1.0)


def infer(value: float, row: Stated, among: Iterable[str]) -> str:
    """Say which meaning of a rate its row tells.

    Parameters
    ----------
    value : float
        The rate [tok/s].
    row : Stated
        What the row says.
    among : iterable of str
        The meanings that its name leaves open.

    Returns
    -------
    str
        A meaning; "" where the row tells none.

    Examples
    --------
    >>> row = Stated(16, 1000, 100, 0.02, 1.0, None)
    >>> [infer(rate, row, (USER, ALL)) for rate in (40.0, 610.0, 150.0)]
    ['user', 'all', '']
    """
    if row.users is None:  # of one user at once all meanings of output are the same
        return ""
    by = {w: off(value, ends) for w, ends in expected(row).items() if w in among}
    ordered = sorted(by, key=by.__getitem__)
    if not ordered or by[ordered[0]] > NEAR:
        return ""
    apart = len(ordered) == 1 or by[ordered[1]] >= NEAR * by[ordered[0]]
    return ordered[0] if apart else ""


def contradicts(name: str, value: float, row: Stated, among: tuple[str, ...]) -> str:
    """Say that a rate is none that its row allows.

    Parameters
    ----------
    name : str
        Its column.
    value : float
        The rate of all cards [tok/s].
    row : Stated
        What the row says.
    among : tuple of str
        What it may count.

    Returns
    -------
    str
        The problem; "" for none.

    Examples
    --------
    >>> contradicts("output_tps", 33.0, Stated(16, None, None, 0.03, None, None), (ALL,))
    'impossible: output_tps is 33, and its users and times make 533'
    """
    by = expected(row)
    if ALL in by:  # with prompts of a length that is not stated they are more
        by.setdefault(BOTH, (by[ALL][0], math.inf))
    ends = [by[whose] for whose in among if whose in by]
    if len(ends) < len(among):
        return ""
    nearest = min(ends, key=lambda each: off(value, each))
    if off(value, nearest) <= FAR:
        return ""
    made = digits(nearest[0] if value < nearest[0] else nearest[1])
    return f"impossible: {name} is {digits(value)}, and its users and times make {made}"


def settled(lines: list[Line]) -> list[Line]:
    """Read a column as its other rows tell: one column counts one thing.

    Parameters
    ----------
    lines : list of Line
        Of a file. A rate that its name leaves open has the field `rate_column`, and `rate_of`
        where its own row tells whose it is.

    Returns
    -------
    list of Line
        The same, the others settled where rows agree, or where a rate rises or falls with users.
    """
    columns: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if "rate_column" in line.fields:
            columns[line.fields["rate_column"]].append(line)
    found = {name: _of_column(some) for name, some in columns.items()}
    return [_settled(line, found) for line in lines] if any(found.values()) else lines


def _of_column(lines: list[Line]) -> str:
    said = {line.fields["rate_of"] for line in lines if line.fields.get("rate_of")}
    if said or any(line.fields["metric"] == PER_GPU for line in lines):
        return said.pop() if len(said) == 1 else ""
    ways = set()
    runs: dict[tuple[object, ...], list[tuple[float, float]]] = defaultdict(list)
    for line in lines:
        users = number(line.fields.get("concurrency"))
        if users:
            runs[_run(line.fields)].append((users, line.fields["value"]))
    for some in runs.values():
        for (few, low), (many, high) in combinations(sorted(some)[:MOST_RUNS], 2):
            if many >= MORE_USERS * few and low > 0:
                ways.add(ALL if high / low >= RISES else USER if high / low <= FALLS else "")
    ways.discard("")
    return ways.pop() if len(ways) == 1 else ""


def _run(fields: Fields) -> tuple[object, ...]:
    """What two rows of one column share that differ in users alone."""
    apart = ("value", "concurrency", "requests", "request_rate", "not_read", "assumed", "rate_of")
    return tuple(sorted((k, str(v)) for k, v in fields.items() if k not in apart))


def _settled(line: Line, found: dict[str, str]) -> Line:
    whose = found.get(line.fields.get("rate_column", ""), "")
    if not whose or line.fields.get("rate_of"):
        return line
    return line._replace(fields=line.fields | {"rate_of": whose, "assumed": taken(line, whose)})


def taken(line: Line, whose: str) -> str:
    """Say what is assumed of a rate that other columns or rows settled.

    Parameters
    ----------
    line : Line
        With `rate_column`.
    whose : str
        What the rate counts.

    Returns
    -------
    str
        For the column `assumed`.
    """
    return f"{shown(line.fields['rate_column'])} does not say whose tokens: {WORDS[whose]} taken"


def read_as(fields: Fields, cards: float) -> Fields:
    """Give a rate the metric of what it counts.

    Parameters
    ----------
    fields : dict
        Of a line, with `rate_column`, and `rate_of` where it is settled or given.
    cards : float
        Cards that its row states, for a rate by the card.

    Returns
    -------
    dict
        The fields; as they were where it is open.

    Examples
    --------
    >>> made = {"metric": "output_tok_s_total", "value": 30.0, "rate_column": "tok_s"}
    >>> read_as(made | {"rate_of": "user"}, 1)["metric"]
    'decode_tok_s_per_user'
    """
    whose, by_card = fields.get("rate_of"), fields["metric"] == PER_GPU
    if whose not in METRIC_OF or (by_card and whose == ALL):
        return fields
    value = fields["value"] * (cards if by_card and whose == BOTH else 1.0)
    return fields | {"metric": METRIC_OF[whose], "value": value}


def is_open(fields: Fields) -> bool:
    """Say whether a row leaves open whose tokens its rate counts; one user's are all users'.

    Parameters
    ----------
    fields : dict
        Of a line.

    Returns
    -------
    bool
        Whether it has to be asked.
    """
    one = number(fields.get("concurrency")) == 1 and fields["metric"] != PER_GPU
    return bool(fields.get("rate_column")) and not fields.get("rate_of") and not one
