"""One measurement as a file states it, and what the readers of all clients share."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...refuse import shown, ungrouped

MAX_CELL = 400  # characters of a cell that is looked up or converted
DIG_DEPTH = 6  # levels of a client's settings that are searched
SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
SECONDS |= {"us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9}
# How far a stated length may be from the file's own totals: a chat template adds some tokens.
LENGTH_SHARE, TEMPLATE_TOKENS = 0.25, 100
RATE_SHARE = 0.5  # and a rate from its tokens over its time
ALIKE = 1.02  # of the shortest answer: a client counts a few tokens more or less of the same
PERCENTILE, MEDIAN = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)"), 50

Fields = dict[str, Any]  # values by column; whatever a file holds, so of any type


class Line(NamedTuple):
    """One measurement as it stands in a file.

    Attributes
    ----------
    where : str
        Its id in the file, or its position.
    fields : dict
        Values by the column names of `benchmarks/measured.csv`, and by a few more of clients:
        `request_rate` and `requests` of an open loop; `client_of`, the engine where none is
        stated, and `any_server` where that is a guess; `served`, where a server answered each
        request of a client, and no loop ran a batch; `on_cpu`; `needs`, columns without which the
        row means nothing; `percentile`, the percent of one; `lost`, the requests without an
        answer; `not_read`, columns that are not understood.
    problem : str
        Why it could not be read; "" when it could.
    """

    where: str
    fields: Fields
    problem: str = ""


class Problem(str):
    """Why a part of a file is no document."""


Document = tuple[str, Any]  # where it stands, and a mapping, or a `Problem`


class Reader(NamedTuple):
    """What one kind of a client's results is known by, and how it is read.

    Attributes
    ----------
    recognises : callable
        Takes a document, says whether the client wrote it. Of a table it is asked with the
        header alone, so it looks at names and at what is nested, not at values.
    lines : callable
        Takes a document and its place, gives its measurements.
    """

    recognises: Callable[[Fields], bool]
    lines: Callable[[Fields, str], list[Line]]


class Form(NamedTuple):
    """A way to write documents down as text.

    Attributes
    ----------
    recognises : callable
        Takes a text, says whether it is written so.
    documents : callable
        Takes the text, gives its documents.
    """

    recognises: Callable[[str], bool]
    documents: Callable[[str], Iterator[Document]]


# What parts thousands beside the comma, which may be decimal: blanks, as wide as they may be, and
# marks above the line.
GROUPED = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’_](?=\d{3}(?!\d))")


def plain(text: str) -> str:
    """Write a number of a cell without what parts its thousands.

    Parameters
    ----------
    text : str
        The cell.

    Returns
    -------
    str
        The same as a program writes it, where it is a number.

    Examples
    --------
    >>> plain(" 1,024 "), plain("1 146.31"), plain("12'500"), plain("22,1")
    ('1024', '1146.31', '12500', '22,1')
    """
    return ungrouped(GROUPED.sub("", text.strip()))


def number(value: Any) -> float | None:
    """Read a number above zero.

    Parameters
    ----------
    value : object
        A number, or text such as "1,146.31".

    Returns
    -------
    float or None
        The number; None for anything else.

    Examples
    --------
    >>> number("1,146.31"), number(0), number("inf")
    (1146.31, None, None)
    """
    if isinstance(value, str):
        try:
            value = float(plain(value[:MAX_CELL]))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 < value < 1e300 else None


def first_number(entry: Fields, *names: str) -> float | None:
    """Read the first of several fields that is a number above zero.

    Parameters
    ----------
    entry : dict
        Statistics of a quantity.
    *names : str
        Fields, the preferred one first.

    Returns
    -------
    float or None
        The number; None where none of them has one.

    Examples
    --------
    >>> first_number({"p50": "-", "mean": 12.5}, "p50", "mean")
    12.5
    """
    return next((value for name in names if (value := number(entry.get(name)))), None)


def in_step(least: object, most: object) -> Fields:
    """Note that all answers have one length, so that users who begin together may stay in step.

    Parameters
    ----------
    least, most : object
        The shortest and the longest answer, as they are in the file [tokens].

    Returns
    -------
    dict
        The field that says so; empty where they differ, or are not known.

    Examples
    --------
    >>> in_step(500, 500), in_step(100, 500)
    ({'doubt': 'in-step'}, {})
    """
    shortest, longest = number(least), number(most)
    alike = shortest and longest and longest <= ALIKE * shortest
    return {"doubt": "in-step"} if alike else {}


def whole(value: Any, least: int = 1) -> int | str:
    """Round a number, as a cell.

    Parameters
    ----------
    value : object
        Whatever a file holds.
    least : int
        The smallest it becomes.

    Returns
    -------
    int or str
        The number; "" where there is none.

    Examples
    --------
    >>> whole(150.83), whole(None)
    (151, '')
    """
    found = number(value)
    return "" if found is None else max(round(found), least)


def ratio(top: Any, bottom: Any) -> float | None:
    """Divide two numbers of a file.

    Parameters
    ----------
    top, bottom : object
        Whatever a file holds.

    Returns
    -------
    float or None
        Their ratio; None where one of them is no number above zero.

    Examples
    --------
    >>> ratio("127000", 1000), ratio(1, 0)
    (127.0, None)
    """
    top, bottom = number(top), number(bottom)
    return top / bottom if top and bottom else None


def word(value: Any) -> str:
    """Take a text, cut to a safe length.

    Parameters
    ----------
    value : object
        Whatever a file holds.

    Returns
    -------
    str
        The text; "" for any other type.

    Examples
    --------
    >>> word(" vllm "), word(None)
    ('vllm', '')
    """
    return value[:MAX_CELL].strip() if isinstance(value, str) else ""


def table(data: Any, name: str) -> Fields:
    """Take a part of a document.

    Parameters
    ----------
    data : object
        Whatever a file holds.
    name : str
        The part.

    Returns
    -------
    dict
        The part; empty where there is none.

    Examples
    --------
    >>> table({"successes": {"count": 5}}, "successes"), table({}, "failures")
    ({'count': 5}, {})
    """
    part = data.get(name) if isinstance(data, dict) else None
    return part if isinstance(part, dict) else {}


def dig(data: Any, names: tuple[str, ...], depth: int = DIG_DEPTH) -> Any:
    """Find the first of some settings in nested tables.

    Parameters
    ----------
    data : object
        A document, or a part of it.
    names : tuple of str
        The setting's names.
    depth : int
        The most levels.

    Returns
    -------
    str, int or float
        Its value; "" where there is none.

    Examples
    --------
    >>> dig({"endpoint": {"model_names": ["Qwen/Qwen3-8B"]}}, ("model_names",))
    'Qwen/Qwen3-8B'
    """
    if depth and isinstance(data, dict):
        for name in names:
            value = data.get(name)
            if isinstance(value, list) and value:
                value = value[0]
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return value
        for value in data.values():
            found = dig(value, names, depth - 1)
            if found != "":
                return found
    return ""


def metrics(
    common: Fields, values: dict[str, float | None], where: str, missing: str
) -> list[Line]:
    """Make one line of each metric that a client wrote.

    Parameters
    ----------
    common : dict
        The columns that all of them have.
    values : dict
        Metrics and values; None where the client wrote none.
    where : str
        The document's place.
    missing : str
        The client's fields that hold them, for when there is none.

    Returns
    -------
    list of Line
        The lines, or one that says what is missing.

    Examples
    --------
    >>> metrics({}, {"itl_ms": 9.5, "ttft_ms": None}, "file", "itl")[0].fields["value"]
    9.5
    >>> metrics({}, {"itl_ms": None}, "file", "median_itl_ms").pop().problem
    'median_itl_ms is missing'
    """
    lines = [
        Line(f"{where} {metric}", {**common, "metric": metric, "value": value})
        for metric, value in values.items()
        if value is not None
    ]
    many = "are" if " " in missing else "is"
    return lines or [Line(where, {}, f"{missing} {many} missing")]


def tails(common: Fields, found: dict[str, tuple[Any, float]], where: str) -> list[Line]:
    """Make one line of each percentile above the median that a client wrote.

    Parameters
    ----------
    common : dict
        The columns that all of them have.
    found : dict
        Of each metric a table of latencies by name, "p95", and the milliseconds of their unit.
    where : str
        The document's place.

    Returns
    -------
    list of Line
        The lines; none where there are no such names.

    Examples
    --------
    >>> made = tails({}, {"ttft_percentile_ms": ({"p95": 0.3, "p5": 0.1, "max": 9}, 1e3)}, "file")
    >>> [(one.where, one.fields["percentile"], one.fields["value"]) for one in made]
    [('file ttft_percentile_ms p95', 95.0, 300.0)]
    """
    out = []
    for metric, (entry, scale) in found.items():
        for name, cell in (entry if isinstance(entry, dict) else {}).items():
            of, value = PERCENTILE.fullmatch(str(name)), number(cell)
            if of and value and float(of[1]) > MEDIAN:
                fields = {"metric": metric, "value": value * scale, "percentile": float(of[1])}
                out.append(Line(f"{where} {metric} {name}", common | fields))
    return out


def rate_of(value: Any) -> float | str:
    """Take the request rate of an open loop.

    Parameters
    ----------
    value : object
        What a client was asked for [requests/s].

    Returns
    -------
    float or str
        The rate; "" where all prompts are sent at once.

    Examples
    --------
    >>> rate_of(8.3), rate_of("inf"), rate_of(float("inf"))
    (8.3, '', '')
    """
    rate = number(value)
    return rate if rate and rate < 1e9 else ""


def evenness(burstiness: float | None) -> str:
    """Say what is taken of a burstiness, the shape of the gamma law of gaps in vLLM's client.

    Parameters
    ----------
    burstiness : float or None
        As its option and its file have it: 1 for random moments.

    Returns
    -------
    str
        One phrase; "" for random moments, which are what is predicted.

    Examples
    --------
    >>> evenness(1.0), evenness(0.5)
    ('', 'a burstiness of 0.5 is burstier than at random: random moments are taken')
    """
    if not burstiness or burstiness == 1:
        return ""
    how = "burstier" if burstiness < 1 else "steadier"
    return f"a burstiness of {burstiness:g} is {how} than at random: random moments are taken"


def in_flight(request_rate: Any, latency_s: Any) -> int | str:
    """Count the requests in flight of a run that states neither a limit nor a rate.

    Parameters
    ----------
    request_rate : object
        Requests answered each second [requests/s].
    latency_s : object
        Mean time of a request [s].

    Returns
    -------
    int or str
        Rate times latency, Little's law; "" where one is not stated.

    Examples
    --------
    >>> in_flight(1.5, 6.4062)
    10
    """
    rate, latency = number(request_rate), number(latency_s)
    return whole(rate * latency) if rate and latency else ""


def none_completed(completed: Any, failed: Any, name: str = "completed") -> str:
    """Say that no request of a run was answered.

    Parameters
    ----------
    completed, failed : object
        How many were, and how many were not; None where that is not stated.
    name : str
        The client's field.

    Returns
    -------
    str
        The problem; "" where some were answered or nothing is stated.

    Examples
    --------
    >>> none_completed(0, 8)
    'completed is 0: no request came through, 8 failed'
    """
    if completed is None or number(completed):
        return ""
    lost = whole(failed)
    more = f", {lost:,} failed" if isinstance(lost, int) else ""
    return f"{name} is {shown(completed)}: no request came through{more}"


def lost(failed: Any, done: Any) -> str:
    """Say which part of the requests has no answer.

    Parameters
    ----------
    failed, done : object
        How many failed, and how many were answered.

    Returns
    -------
    str
        The part; "" where none failed or nothing is stated.

    Examples
    --------
    >>> lost(80, "120"), lost(0, 200), lost(None, 200)
    ('80 of 200', '', '')
    """
    without, answered = whole(failed), whole(done)
    if not without or not isinstance(without, int) or not isinstance(answered, int):
        return ""
    return f"{without:,} of {without + answered:,}"


def length_contradicts(
    name: str, stated: Any, totals: str, mean: float | None, at_most: bool = False
) -> str:
    """Say that a stated length is not that of the file's own totals.

    Parameters
    ----------
    name : str
        The field that states it.
    stated : object
        The tokens of a request [tokens].
    totals : str
        The fields of the totals.
    mean : float or None
        Tokens of a request by the totals [tokens].
    at_most : bool
        Whether it is a limit, below which requests may stay.

    Returns
    -------
    str
        The problem; "" for none.

    Examples
    --------
    >>> length_contradicts("input_len", 1024, "total_input_tokens / completed", 127.0)
    'impossible: input_len is 1,024, and total_input_tokens / completed is 127'
    >>> length_contradicts("output_len", 512, "total_output_tokens / completed", 300.0, True)
    ''
    """
    tokens = number(stated)
    if not tokens or not mean:
        return ""
    room = LENGTH_SHARE * tokens + TEMPLATE_TOKENS
    if mean <= tokens + room and (at_most or mean >= tokens * (1 - LENGTH_SHARE)):
        return ""
    return f"impossible: {name} is {tokens:,.6g}, and {totals} is {mean:,.6g}"


def rate_contradicts(name: str, rate: Any, tokens: Any, seconds: Any) -> str:
    """Say that a rate is not that of the file's own tokens and time.

    Parameters
    ----------
    name : str
        The field that states the rate.
    rate, tokens, seconds : object
        The rate [tok/s], and the tokens and the time that it was made of.

    Returns
    -------
    str
        The problem; "" for none.

    Examples
    --------
    >>> rate_contradicts("output_throughput", 900.0, 25600, 100.0)
    'impossible: output_throughput is 900, and its tokens over its time are 256'
    """
    said, made = number(rate), ratio(tokens, seconds)
    if not said or not made or abs(math.log(said / made)) <= math.log(1 + RATE_SHARE):
        return ""
    return f"impossible: {name} is {said:,.6g}, and its tokens over its time are {made:,.6g}"
