"""The page *How good is it?*: every claim with its numbers, from `benchmarks/proof.json`.

`make bench` measures and writes both. `python -m widgets.pages.proof_page` writes the page alone.
No number is typed here but the targets.
"""

import re
from statistics import median
from typing import NamedTuple

from llmcap_kernel.explain import digits, percent

from ..pictures import proof
from ..pictures.proof import FEWEST, FILE, OURS, ROOFLINE, seconds, tools_that_answer
from . import generated
from .generated import cells

__all__ = ["FILE", "Claim", "claims", "compared", "text"]

UNDOUBTED = ", undoubted"  # at the end of a group without the rows in doubt
CUT = 115  # characters of a reason; a longer one was cut within a word
TIMES_MLSYSIM, TIMES_AICONFIGURATOR, TIMES_BARE = 8, 5000, 3
HEAD = """# How good is it?

How far predictions are from published measurements comes first, then the same beside other tools,
then memory. How fast it is, and what it takes to build, stands at the end. What we lose stands
beside what we win. One command, `make bench`, measures all of it again and writes this page. Each
table says when it was measured, on what, and how busy that machine was: a load above its cores
makes every time too long, ours and theirs.
"""
REGIMES = """
## How wrong, by kind of question

Each published row is predicted three times, by fits that never saw its model, its card, its
source: so there are three predictions a row. The error is the distance from the measurement as a
share of it. A ring is the 80th percentile. *Inside* is the share of measurements that the
interval holds; it is made to hold four in five. *One user* is a card that serves one user alone.
[Validate](validate.ipynb) and the first page count something else, the speed that each of one or
many users sees, once a row, with its source left out: their rows and errors differ from these. Of
some rows the label itself is in doubt: a split or a draft that is not stated, a spec-sheet figure
beaten. They are counted, and the last column leaves them out.
"""
ERRORS = """
## How wrong, beside other tools

Every tool was asked published rows whose model, card, engine, formats and split it covers, with
its own default settings and no number of the row. Ours beside it are the same rows, left out as
above. *The spec sheet* is our own law with every efficiency at 1.
"""
TIMED = """
## Predicted first, timed afterwards

The rows above were published before the constants were fitted. Here the constants came first. Then
two cards were timed, and nothing was changed. Models are of random weights, in layers of compiled
PyTorch, which no row has on such cards. Kernels are PyTorch's own, where the constants come from
those of three engines. `python benchmarks/time_card.py FOLDER` times your card in a few minutes,
and [Validate](validate.ipynb) scores its files. [Chapter 2](2-bandwidth.ipynb) draws these curves.

`time_serving.py` beside it made a card answer requests that came at random moments, to nine tenths
of what it can. The step loop behind `llmcap simulate` was as it is. The closed form behind Design
was not: it let all prompts that wait share one pass, and these times corrected it.
"""
MEMORY = """
## How right the memory is

The ledger beside what engines printed when they started. Nothing in it is fitted to these logs
but the width of its interval. A ring is the 80th percentile.
"""
TARGETS = """
## The targets

What was wanted before it was measured.

"""
SPEED = """
## How long a prediction takes

One deployment and one load, never asked before, from names to numbers, in fresh processes with
the network shut off. Predictions are timed one by one, and the least counts, ours and theirs.
Where a tool serves one card alone, it was given one of twice the memory and bandwidth.
"""
STARTS = """
## How soon it starts

An import in a fresh process, and `--help` as a whole process where a tool has a command, in seconds
of CPU, which other work on the machine hardly changes. Bytecode is kept, as of an installed
package.
"""
SWEEP = """
## How fast a sweep is

Four numbers for each of 8,192 deployments at once, on one core. Beside it are the same numpy
calls, taken down once and run again as one program with nothing of ours between them: what the
arithmetic alone takes.
"""
PAGE = """
## How soon the page is alive

The static book in a real browser. Cold is a new profile, warm its second page.
"""
SESSIONS = """
## How many readers a machine holds

Readers arrive within a minute and move inputs for two, three of them in a browser.
"""
BUILD = """
## How long the book takes to build
"""
ASKED = """
## How each tool was asked

What a tool does not cover is no fault of it: such a row is left out, for ours as well. The
reasons are the most frequent ones.
"""


class Claim(NamedTuple):
    """A target, and what was measured.

    Attributes
    ----------
    title, text, aim : str
        What is claimed, what was measured, what was wanted.
    met : bool or None
        Whether it is met; None where it was not measured.
    """

    title: str
    text: str
    aim: str
    met: bool | None

    @property
    def verdict(self):
        """The word for it."""
        return "not measured" if self.met is None else "met" if self.met else "**missed**"


def claims(held):
    """Set what was measured against the targets.

    Parameters
    ----------
    held : dict
        What `benchmarks/proof.json` holds.

    Returns
    -------
    list of Claim
        The targets.
    """
    times = tools_that_answer(held.get("peers", {}).get("measured", {}))
    return [
        _nearer(held),  # how wrong comes before how fast
        _times("mlsysim", TIMES_MLSYSIM, times),
        _times("aiconfigurator", TIMES_AICONFIGURATOR, times),
        _bare(held),
    ]


def _times(name, aim, times):
    ours, theirs = times.get(OURS), times.get(name)
    title = f"one prediction, times faster than {name}"
    if not ours or not theirs:
        return Claim(title, "-", f"{aim:,}", None)
    ratio = theirs["each_s"] / ours["each_s"]
    return Claim(title, digits(ratio), f"{aim:,}", ratio >= aim)


def _bare(held):
    title = "a sweep, over its numpy calls alone"
    bare = held.get("speed", {}).get("measured", {}).get("bare")
    if not bare:
        return Claim(title, "-", f"at most {TIMES_BARE}", None)
    worst = max(one["s"] / one["bare_s"] for one in bare.values())
    return Claim(title, digits(worst), f"at most {TIMES_BARE}", worst <= TIMES_BARE)


def compared(held):
    """Every tool on every kind of question it answers, with enough rows to say so.

    Parameters
    ----------
    held : dict
        What `benchmarks/proof.json` holds.

    Returns
    -------
    list of tuple
        Tool, kind of question, and their errors; the largest lead of ours first.
    """
    parts = held.get("accuracy", {}).get("measured", {}).get("peers", {})
    found = [
        (name, group, n)
        for name, got in tools_that_answer(parts).items()
        for group, n in got["groups"].items()
        if n["rows"] >= FEWEST
    ]
    return sorted(found, key=lambda one: one[2]["our_median"] / one[2]["median"])


def _nearer(held):
    title = "tools and questions on which our median error is the lower one"
    rows = compared(held)
    if not rows:
        return Claim(title, "-", "all", None)
    won = sum(n["our_median"] < n["median"] for _, _, n in rows)
    return Claim(title, f"{won} of {len(rows)}", "all", won == len(rows))


def text():
    """Write the page.

    Returns
    -------
    str
        MyST Markdown.

    Examples
    --------
    >>> text().startswith("# How good is it?")
    True
    """
    held = proof.held()
    wrong = (
        ("accuracy", REGIMES, "regimes", _regimes),
        ("accuracy", ERRORS, "ratios", _errors),
        ("timed", TIMED, "timed", _timed),
        ("memory", MEMORY, "memory", _memory),
    )
    fast = (
        ("peers", SPEED, "each", _speed),
        ("speed", SWEEP, "sweep", _sweep),
        ("page", PAGE, "page", _page),
    )
    made = (
        ("peers", STARTS, "starts", _starts),
        ("sessions", SESSIONS, "sessions", _sessions),
        ("build", BUILD, "build", _build),
    )
    out = [HEAD, *_parts(held, wrong), ASKED, "\n", *_asked(held), *_parts(held, fast)]
    return "".join([*out, TARGETS, *_targets(held), *_parts(held, made)])


def _parts(held, parts):
    for name, head, picture, table in parts:
        yield head
        if name not in held:
            yield "\nNot measured yet.\n"
            continue
        yield f"\n```{{front}} proof-{picture}\n```\n\n"
        yield from table(held[name]["measured"])
        yield _when(held[name])


def _when(part):
    m = part["machine"]
    return (
        f"\nMeasured on {part['date']} by `{part['command']}`, on {m['cores']} cores of {m['cpu']} "
        f"with {m['memory_gib']} GiB, load {part['load']:.1f}; Python {m['python']}, "
        f"numpy {m['numpy']}.\n"
    )


def _table(*heads):
    return cells(*heads) + "|" + "---|" * len(heads) + "\n"


def _fold(said, *lines):
    """Long tables stand folded: what is above them says the same in a few lines."""
    return f"\n<details>\n<summary>{said}</summary>\n\n{''.join(lines)}\n</details>\n"


def _targets(held):
    yield _table("claim", "measured", "target", "")
    for one in claims(held):
        yield cells(one.title, one.text, one.aim, one.verdict)


def _errors(part):
    held = {"accuracy": {"measured": part}}
    rows = compared(held)
    yield from _by_tool(rows)
    lost = [f"{name}, {group}" for name, group, n in rows if n["our_median"] >= n["median"]]
    yield f"\nWhere ours is not the lower error: {'; '.join(lost) or 'nowhere'}. "
    few = sum(
        n["rows"] < FEWEST
        for g in tools_that_answer(part["peers"]).values()
        for n in g["groups"].values()
    )
    yield f"Left out are {few} pairs with fewer than {FEWEST} rows.\n"
    yield f"\nAt most {part['most']} rows of a question were asked"
    slow = ", ".join(f"{most} of {name}" for name, most in part["slow"].items())
    yield f", and because a row takes seconds {slow}; all of the spec sheet. The hash of a row's "
    yield "name chooses.\n"
    yield _fold(f"All {len(rows)} pairs of a tool and a question", *_pairs(rows))


def _by_tool(rows):
    """A row a tool: by how much its error is larger, on its questions, and where it is not."""
    yield _table("tool", "over ours, median", "we lose", "least", "most")
    by_tool: dict = {}
    for name, _, n in rows:
        by_tool.setdefault(name, []).append(n["median"] / n["our_median"])
    for name, ratios in sorted(by_tool.items(), key=lambda one: -median(one[1])):
        middle, least, most = (f"{x:.1f}x" for x in (median(ratios), min(ratios), max(ratios)))
        lost = sum(ratio <= 1 for ratio in ratios)
        said = f"{lost}\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}{len(ratios)}"
        yield cells(name, middle, f"**{said}**" if lost else said, least, most)


def _pairs(rows):
    yield _table("tool", "question", "its error over ours", "rows", "its median", "ours")
    for name, group, n in rows:
        ratio = f"{n['median'] / n['our_median']:.1f}x"
        ratio = ratio if n["our_median"] < n["median"] else f"**{ratio}**"
        yield cells(
            name,
            group,
            ratio,
            f"{n['rows']:,}",
            percent(n["median"], 0),
            percent(n["our_median"], 0),
        )


def _regimes(part):
    groups = part["ours"]["groups"]
    short = {
        name.removesuffix(UNDOUBTED): n for name, n in groups.items() if name.endswith(UNDOUBTED)
    }
    every = {name: n for name, n in groups.items() if not name.endswith(UNDOUBTED)}
    columns = ("question", "predictions", "median", "80th percentile", "inside")
    yield _table(*columns, "median of rows in no doubt")
    for name, n in every.items():
        yield cells(
            *_errors_of(name, n), percent(short[name]["median"], 1) if name in short else "-"
        )
    said = "The same without the rows that are themselves in doubt"
    yield _fold(said, _table(*columns), *(cells(*_errors_of(*one)) for one in short.items()))
    yield "\nWhole groups left out, mean share inside the interval: "
    yield ", ".join(f"{by} {share:.0%}" for by, share in part["ours"]["held"].items()) + ".\n"


def _errors_of(name, n):
    errors = (percent(n["median"], 1), percent(n["p80"], 1), f"{n['inside']:.0%}")
    return name, f"{n['rows']:,}", *errors


def _speed(part):
    times = tools_that_answer(part)
    ours = times.get(OURS, {}).get("each_s")
    yield _table("tool", "over ours", "each", "the first", "version")
    for name, got in sorted(times.items(), key=lambda one: one[1]["each_s"]):
        ratio = f"{digits(got['each_s'] / ours)}x" if ours else "-"
        yield cells(name, ratio, seconds(got["each_s"]), seconds(got["first_s"]), _version(got))


def _starts(part):
    times = tools_that_answer(part)
    ours = times.get(OURS, {}).get("import_s")
    yield _table("tool", "import over ours", "import", "command")
    for name, got in sorted(times.items(), key=lambda one: one[1]["import_s"]):
        ratio = f"{digits(got['import_s'] / ours)}x" if ours else "-"
        command = seconds(got["cli_s"]) if got.get("cli_s") else "-"
        yield cells(name, ratio, seconds(got["import_s"]), command)


def _sweep(part):
    yield _table("deployment", "over its numpy calls", "8,192 rows", "calls alone", "calls")
    for name, one in part["bare"].items():
        ratio = f"{one['s'] / one['bare_s']:.2f}x"
        yield cells(name, ratio, seconds(one["s"]), seconds(one["bare_s"]), one["calls"])
    load = part["bare_load"]
    yield f"\nBoth were timed in turn, the least of 60 times counts, at a load of {load}.\n"
    yield _fold("Other times of ours", *_other_times(part))


def _other_times(part):
    search, many = part["search"], part["sweep"]
    yield _table("what", "measured")
    yield cells("deployments a second, one core, a million at once", f"{many['per_s']:,.0f}")
    yield cells("a prediction of ours, never asked before", seconds(part["scalar"]["names_s"]))
    yield cells(f"a file of {part['file']['rows']:,} measurements", seconds(part["file"]["s"]))
    yield cells(
        f"a simulation of {part['simulated']['requests']:,} requests",
        seconds(part["simulated"]["s"]),
    )
    yield cells(f"a search among {search['worked']:,} candidates", seconds(search["worked_s"]))
    yield cells("`llmcap predict --json`, whole process", seconds(part["cold_start"]["median_s"]))


def _memory(part):
    yield _table("what", "logs", "median error", "80th percentile", "aim")
    for n in part["parts"].values():
        aims = " and ".join(f"{aim:.1%}" for aim in n["aim"])
        yield cells(n["title"], n["rows"], f"{n['median']:.2%}", f"{n['p80']:.2%}", aims)
    starts = part["starts"]
    yield cells(
        "starts or does not, said right", starts["logs"], f"{starts['right']} right", "-", "-"
    )
    left = part["logs"] - part["counted"]
    every = part["logs"] + part["without"]
    yield f"\nOf {every} published start-up logs {part['counted']} count. {left} leave "
    yield "open what the ledger needs, such as the engine's version or its memory fraction, or "
    yield f"are in doubt. {part['without']} cannot be set beside it: they do not name their card "
    yield "or the format of the weights, keep weights on the host, or mix cards.\n"


def _timed(part):
    yield _table("whole models", "rows", "median", "80th percentile", "inside")
    for name, n in part["models"].items():
        yield cells(*_errors_of(name, n))
    yield "\nThe host launches the layers of a prompt one by one. A short one waits for that host, "
    yield "and this one is several times slower than those that the constants come from.\n"
    kernels = (
        cells(name, f"{n['rows']:,}", percent(n["median"], 1), percent(n["p80"], 1))
        for name, n in part["kernels"].items()
    )
    heads = _table("kernels alone", "rows", "median", "80th percentile")
    yield _fold("Kernels alone", heads, *kernels)
    served = (
        cells(name, f"{n['rows']:,}", percent(n["median"], 1), percent(n["p80"], 1))
        for name, n in part["serving"].items()
    )
    heads = _table("p50, p90, p95 and p99 at a rate", "rows", "median", "80th percentile")
    yield _fold("Percentiles at a rate", heads, *served)
    told = ", ".join(f"{card} on {day}" for card, day in part["cards"])
    yield f"\nTimed with PyTorch {part['pytorch']}: {told}.\n"


def _page(part):
    yield _table("figure", "over its target", "measured", "target", "")
    for name, aim in part["aims"].items():
        got = part["seen"][name]
        word = "met" if got <= aim else "**missed**"
        yield cells(name, f"{got / aim:.2f}x", digits(got), f"{aim:g}", word)


def _sessions(part):
    yield _table("what", "half within", "19 of 20 within", "times")
    words = {"answer": "input to answer", "chart": "input to redrawn page, in a browser",
             "first": "page asked for to its numbers"}  # fmt: skip
    for name, word in words.items():
        if name in part:
            n = part[name]
            yield cells(word, seconds(n["p50_s"]), seconds(n["p95_s"]), f"{n['n']:,}")
    kernel = part["kernel"]
    yield f"\n{part['readers']} readers at once saw {part['faults']} faults. A reader takes "
    yield f"{kernel['median_mib']:.0f} MiB, {kernel['most_mib']:.0f} MiB at most: "
    yield f"this machine's memory holds {part['seats_by_memory']:,} of them.\n"


def _build(part):
    yield _table("what", "takes")
    yield cells("from nothing, each notebook executed", seconds(part["cold_s"]))
    yield cells("nothing changed", seconds(part["cached_s"]))


def _version(got):
    """A version; one with the digits of a moment in it may break, for it leaves a phone no room."""
    return re.sub(r"\d{8}(?=\d)|dev(?=\d)", r"\g<0><wbr>", got["version"])


def _asked(held):
    times = held.get("peers", {}).get("measured", {})
    missed = held.get("accuracy", {}).get("measured", {}).get("peers", {})
    others = [name for name in times if name not in (OURS, ROOFLINE)]
    yield _table("tool", "version", "what differs")
    for name in others:
        yield cells(name, _version(times[name]), times[name]["says"])
    rows = (cells(name, _refused(times[name], missed.get(name, {}))) for name in others)
    yield _fold("Rows that each did not answer", _table("tool", "rows, and why"), *rows)


def _refused(timed, got):
    reasons = [f"{count:,}: {why}" for why, count in got.get("refused", {}).items()]
    reasons += [one["failed"] for one in (timed, got) if "failed" in one]
    return "<br>".join(map(_plain, reasons))


def _plain(words):
    """Words of a tool as they are, with nothing in them that Markdown reads."""
    for mark in "\\`*_<>[]{}$":
        words = words.replace(mark, " ")
    return words if len(words) < CUT else words.rpartition(" ")[0] + " .."


if __name__ == "__main__":
    generated.write("proof", text())
