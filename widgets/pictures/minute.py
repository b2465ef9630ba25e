"""A minute of a server: requests that come at random, served step by step. Chapter 2."""

from functools import cache

from llmcap_kernel import calibration
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.simulation import Lengths, Load, Steps, requests, room_of, simulate
from llmcap_kernel.simulation.tails import values, weighted

from ..figures import show
from ..figures.plots import Axis, Line, chart
from .record import Control, Drawn, Picture
from .scenario import llama_on

RATES = tuple(round(0.1 * n, 1) for n in range(1, 7))  # requests a second
COUNT, SEED = 300, 4
SPREAD = 0.3  # of the lengths, around 7,000 tokens and 1,000
FROM_S, MINUTE_S = 120.0, 60.0  # the minute that is shown: the server has filled by then
PERCENTS = (50, 95, 99)
NAMES = {"itl": "gap between tokens", "ttft": "first token", "e2e": "whole answer"}


@cache
def _run(rate):
    """Serve the same requests, spread over less or more time."""
    b = llama_on(tp=2)
    load = Load(Lengths(7000, SPREAD), Lengths(1000, SPREAD), count=COUNT, seed=SEED).at(rate)
    asked = requests(load)
    return simulate(asked, Steps(b, calibration.efficiency_for(b)), room_of(b, asked))


def _minute(rate):
    run = _run(rate)
    counts, stops = [], []
    for group in run.groups:
        start, end = group.start_s - FROM_S, group.start_s + group.steps * group.step_s - FROM_S
        if end < 0 or start > MINUTE_S:
            continue
        start, end = max(start, 0.0), min(end, MINUTE_S)
        counts += [(start, group.decoding), (end, group.decoding)]
        if group.prompt_tokens:
            stops.append((start, end))
    tails = {name: weighted(values(run, name), PERCENTS) for name in NAMES}
    drawing = chart(
        [Line("", counts, "cache")] if counts else [],
        Axis("seconds", 0, MINUTE_S),
        Axis("answers being written", 0, max(4, *(n for _, n in counts), 0) * 1.15),
        height=250,
    )
    foot = drawing.down(0)
    for start, end in stops:
        left = drawing.across(start)
        drawing.rect(left, foot - 12, max(drawing.across(end) - left, 0.25), 12, "prompt")
    drawing.text(2, foot - 18, "steps with somebody's prompt", "prompt", small=True, halo=True)
    median, most = tails["itl"][0], tails["itl"][2]
    said = (
        f"At {rate:g} requests a second half of the gaps are within {quantity(median, 's')}, and "
        f"one in a hundred takes more than {quantity(most, 's')}, {digits(most / median, 2)} times "
        f"as long. Of the first tokens 95 in 100 come within {quantity(tails['ttft'][1], 's')}."
    )
    rows = [(NAMES[name], *tails[name]) for name in NAMES]
    table = show.table(
        ("latency", "p50", "p95", "p99"),
        rows,
        f"{COUNT} requests at {rate:g} a second, step by step",
        units=("", "s", "s", "s"),
    )
    return Drawn(drawing, said, table)


PICTURES = {
    "minute": Picture(
        "A minute of two H100s: requests come when they like",
        _minute,
        (Control("rate", "Requests a second", RATES, 0.4, "/s"),),
    ),
}
