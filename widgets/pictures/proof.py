"""The pictures of the page *How good is it?*: what `benchmarks/proof.json` holds, to scale."""

import json
from dataclasses import dataclass
from functools import cache, partial

from llmcap_kernel.explain import digits

from ..benchmarks import BENCHMARKS
from ..figures.drawing import Drawing, Scale, ticks

FILE = BENCHMARKS / "proof.json"
OURS, ROOFLINE = "llmcap", "the spec sheet"
FEWEST = 10  # rows, before a median says anything
MEDIAN_80 = "● median  ○ 80th percentile"
GLUED = ("%", "x")  # units that stand right behind their number
ROW, HEAD, FOOT = 42, 4, 28  # pixels: of a row, above the first, below the last


@dataclass(frozen=True)
class Spot:
    """A value on a row.

    Parameters
    ----------
    value : float
        In the picture's unit.
    ink : str
        Its colour by meaning.
    said : str
        What the pointer is told.
    hollow : bool
        Whether it is a ring.
    """

    value: float
    ink: str
    said: str
    hollow: bool = False


@cache
def held():
    """Read what was measured.

    Returns
    -------
    dict
        Each part with its day, machine, command and figures; empty where nothing was.
    """
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}


def strip(rows, unit, *, at=None, word="", log=True, key=""):
    """Draw values along an axis, a row for each name.

    Parameters
    ----------
    rows : sequence of tuple
        Name, and its `Spot`s.
    unit : str
        Of the axis.
    at : float, optional
        Where a line stands.
    word : str
        What that line is called.
    log : bool
        Whether equal steps are equal factors.
    key : str
        What a dot and a ring are.

    Returns
    -------
    Drawing
        The picture.
    """
    values = [spot.value for _, spots in rows for spot in spots] + ([at] if at else [])
    low, high = (min(values) / 1.3, max(values) * 1.3) if log else (0.0, max(values) * 1.08)
    across = Scale(low, high, 2, 98, log=log)
    top = HEAD + (14 if word or key else 0)
    drawing = Drawing(top + ROW * len(rows) + FOOT)
    if key:
        drawing.text(2, 12, key, "quiet", small=True, anchor="start")
    bottom = drawing.height - FOOT
    for value in ticks(low, high, log, 5):
        place = across(value)
        drawing.line(place, top, place, bottom, "rule")
        named = f"{digits(value)}{'' if unit in GLUED else ' '}{unit}".rstrip()
        anchor = "start" if place < 6 else "end" if place > 94 else "middle"  # below its own line
        drawing.text(place, bottom + 17, named, "quiet", small=True, anchor=anchor)
    if at:
        drawing.line(across(at), 16 if word else HEAD, across(at), bottom, "bad", dash="3 3")
        drawing.text(across(at), 12, word, "bad", small=True)
    for name, spots in rows:
        drawing.text(2, top + 15, name, bold=True, small=True, anchor="start", halo=True)
        drawing.line(2, top + 28, 98, top + 28, "edge")
        for spot in spots:
            drawing.dot(across(spot.value), top + 28, spot.ink, hover=spot.said, hollow=spot.hollow)
        top += ROW
    return drawing


def seconds(value):
    """Say a time in the unit that it is read in.

    Parameters
    ----------
    value : float
        A time [s].

    Returns
    -------
    str
        The time with its unit.

    Examples
    --------
    >>> seconds(0.000258), seconds(0.0123), seconds(3.1)
    ('258 µs', '12.3 ms', '3.1 s')
    """
    units = ((1, "s"), (1e3, "ms"), (1e6, "µs"))
    scale, unit = next((one for one in units if value * one[0] >= 1), units[-1])
    return f"{digits(value * scale)} {unit}"


def _ink(name):
    return "weights" if name == OURS else "prompt"


def tools_that_answer(part):
    """The tools that gave an answer, of a part with one entry a tool.

    Parameters
    ----------
    part : dict
        What was measured, by tool.

    Returns
    -------
    dict
        Those without a reason why not.
    """
    return {name: got for name, got in part.items() if "failed" not in got}


def each():
    """Draw how long a prediction takes, tool by tool."""
    times = tools_that_answer(held()["peers"]["measured"])
    rows = [
        (f"{name}: {seconds(got['each_s'])}", [Spot(1e3 * got["each_s"], _ink(name), name)])
        for name, got in sorted(times.items(), key=lambda one: one[1]["each_s"])
    ]
    return strip(rows, "ms"), "Time of one prediction, on an axis of factors: " + _list(rows)


def starts():
    """Draw how long an import takes, and a command."""
    times = tools_that_answer(held()["peers"]["measured"])
    rows = []
    for name, got in sorted(times.items(), key=lambda one: one[1]["import_s"]):
        spots = [Spot(got["import_s"], _ink(name), f"import {seconds(got['import_s'])}")]
        told = f"{name}: import {seconds(got['import_s'])}"
        if got.get("cli_s"):
            spots.append(Spot(got["cli_s"], _ink(name), f"command {seconds(got['cli_s'])}", True))
            told += f", command {seconds(got['cli_s'])}"
        rows.append((told, spots))
    return strip(
        rows, "s", key="● import  ○ command"
    ), "Import, and a command's help as a ring: " + _list(rows)


def ratios():
    """Draw the error of each tool over ours on the same rows: a dot for each kind of question."""
    rows = []
    for name, got in tools_that_answer(held()["accuracy"]["measured"]["peers"]).items():
        spots = []
        for group, n in got["groups"].items():
            if n["rows"] >= FEWEST:
                ratio = n["median"] / n["our_median"]
                ink = "good" if ratio > 1 else "bad"
                spots.append(Spot(ratio, ink, f"{group}: {ratio:.1f} times ours"))
        if spots:
            rows.append((name, spots))
    said = "Median error of each tool over ours on the same rows, a dot for each kind of question."
    return strip(rows, "x", at=1.0, word="as wrong as ours"), said


def regimes():
    """Draw the errors of ours by kind of question: median, and the 80th percentile as a ring."""
    rows = []
    for name, n in held()["accuracy"]["measured"]["ours"]["groups"].items():
        spots = [
            Spot(100 * n["median"], "weights", f"median {n['median']:.0%}"),
            Spot(100 * n["p80"], "weights", f"four in five {n['p80']:.0%}", True),
        ]
        if "undoubted" not in name:
            rows.append((f"{name}: {n['rows']:,} predictions", spots))
    return strip(
        rows, "%", key=MEDIAN_80
    ), "Errors by kind of question, on groups left out of the fit."


def timed():
    """Draw the errors of what was predicted first and timed afterwards."""
    part = held()["timed"]["measured"]
    rows = [
        (
            f"{name}: {n['rows']} rows",
            [
                Spot(100 * n["median"], ink, f"median {n['median']:.1%}"),
                Spot(100 * n["p80"], ink, f"four in five {n['p80']:.1%}", True),
            ],
        )
        for ink, which in (("weights", "models"), ("activations", "kernels"), ("prompt", "serving"))
        for name, n in part[which].items()
    ]
    return strip(
        rows, "%", key=MEDIAN_80
    ), "Errors of predictions made before the cards were timed."


def memory():
    """Draw the errors of the memory ledger: median, and the 80th percentile as a ring."""
    rows = []
    for n in held()["memory"]["measured"]["parts"].values():
        spots = [
            Spot(100 * n["median"], "cache", f"median {n['median']:.2%}"),
            Spot(100 * n["p80"], "cache", f"four in five {n['p80']:.2%}", True),
        ]
        rows.append((f"{n['title']}: {n['rows']} logs", spots))
    return strip(
        rows, "%", log=False, key=MEDIAN_80
    ), "Errors of the memory ledger on start-up logs."


def page():
    """Draw each figure of the page as a share of its target."""
    part = held()["page"]["measured"]
    rows = []
    for name, aim in part["aims"].items():
        got = part["seen"][name]
        ink = "good" if got <= aim else "bad"
        rows.append((f"{name}: {digits(got)}", [Spot(got / aim, ink, f"target {aim:g}")]))
    return strip(rows, "x", at=1.0, word="target", log=False), "Each figure over its target."


def sweep():
    """Draw what a sweep takes over its numpy calls alone."""
    rows = []
    for name, one in held()["speed"]["measured"]["bare"].items():
        ratio = one["s"] / one["bare_s"]
        rows.append((f"{name}: {ratio:.2f} times", [Spot(ratio, "weights", f"{ratio:.2f}")]))
    said = "Time of a sweep over the time of the numpy calls that it makes."
    return strip(rows, "x", at=3.0, word="target", log=False), said


def sessions():
    """Draw how long readers wait."""
    part, rows = held()["sessions"]["measured"], []
    words = {
        "answer": "input to answer",
        "chart": "input to redrawn page",
        "first": "first numbers",
    }
    for name, word in words.items():
        if name in part:
            n = part[name]
            spots = [
                Spot(1e3 * n["p50_s"], "prompt", f"half within {seconds(n['p50_s'])}"),
                Spot(1e3 * n["p95_s"], "prompt", f"19 of 20 within {seconds(n['p95_s'])}", True),
            ]
            rows.append((f"{word}: {seconds(n['p50_s'])}, {seconds(n['p95_s'])}", spots))
    return strip(
        rows, "ms", key="● half  ○ 19 of 20"
    ), "Half of the waits, and 19 of 20 as a ring: " + _list(rows)


def build():
    """Draw how long the book takes to build."""
    part = held()["build"]["measured"]
    words = {"cold_s": "from nothing", "cached_s": "nothing changed"}
    rows = [
        (f"{word}: {seconds(part[name])}", [Spot(part[name], "other", word)])
        for name, word in words.items()
    ]
    return strip(rows, "s"), "Time to build the book: " + _list(rows)


def _list(rows):
    return "; ".join(name for name, _ in rows) + "."


def drawn(make):
    """Draw one, or nothing where its part was not measured.

    Parameters
    ----------
    make : callable
        One of this file.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    try:
        return make()
    except KeyError:
        return Drawing(1), "Not measured yet."


PROOF = {
    f"proof-{make.__name__}": partial(drawn, make)
    for make in (each, starts, ratios, regimes, timed, memory, page, sweep, sessions, build)
}
