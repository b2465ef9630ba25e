"""The picture of requests that came to a card at random moments, beside what was predicted."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from llmcap_kernel import calibration, catalog, explain
from llmcap_kernel.explain import digits
from llmcap_kernel.serving import most_running, serve
from llmcap_kernel.simulation import rates
from llmcap_kernel.simulation.in_flight import knots
from llmcap_kernel.spec import Deployment, Efficiency, Workload

from ..benchmarks import rows
from ..figures import show
from ..figures.plots import Axis, Chart, Dots, Drawable, Line, chart
from .record import Control, Drawn, Picture

FILE = "timed_serving.csv"
PERCENTS = (50, 90, 95, 99)
DRAWN = {50: "activations", 95: "prompt", 99: "cache"}
QUANTITIES = {
    "first token": "ttft",
    "gap between tokens": "itl",
    "mean gap of an answer": "tpot",
    "whole answer": "e2e",
}
# the loads of the file, which is not read before a picture is drawn
LOADS = (
    "Llama-3.1-8B BF16, 1,024 + 128 tokens",
    "Llama-3.1-8B FP8, 512 + 256 tokens",
    "Qwen3-14B BF16, 2,048 + 128 tokens",
)
FAR = 1.5  # times that a dot is from its line before words say so
POINTS, LEAST, MOST = 40, 0.06, 0.97  # of a curve, as shares of the rate that is answered at most


class Asked(NamedTuple):
    """What came to the server.

    Attributes
    ----------
    gpu, model, weights : str
        The card, the model and the format of its weights, as the file has them.
    input_tokens, output_tokens : int
        Of a prompt and an answer [tokens].
    users : int
        Most requests in progress.
    """

    gpu: str
    model: str
    weights: str
    input_tokens: int
    output_tokens: int
    users: int

    @property
    def title(self) -> str:
        """Name of the load."""
        lengths = f"{self.input_tokens:,} + {self.output_tokens:,} tokens"
        return f"{self.model} {self.weights.upper()}, {lengths}"


def asked(fields: dict[str, str]) -> Asked:
    """Read the load of a row.

    Parameters
    ----------
    fields : dict of str to str
        Its columns.

    Returns
    -------
    Asked
        The load.

    Examples
    --------
    >>> sorted({asked(fields).gpu for fields in rows(FILE)})
    ['H200']
    """
    lengths = (int(fields[name]) for name in ("input_tokens", "output_tokens", "max_num_seqs"))
    return Asked(fields["gpu"], fields["model"], fields["weight_dtype"], *lengths)


def server(load: Asked) -> tuple[Deployment, Efficiency]:
    """Describe the server of `benchmarks/time_serving.py`.

    Parameters
    ----------
    load : Asked
        What came to it.

    Returns
    -------
    tuple of Deployment and Efficiency
        Prompts have steps of their own, one each, and graphs; its cards work as compiled PyTorch
        does, and no text and no network stand before them.
    """
    one = catalog.deployment(
        model=load.model,
        gpu=load.gpu,
        weights=load.weights,
        max_num_seqs=load.users,
        max_num_batched_tokens=load.input_tokens,
        max_model_len=load.input_tokens + load.output_tokens,
    )
    engine = replace(one.engine, mixes_prompts=False, launches_prompts=False, profiled=False)
    cards = calibration.efficiency_for(one, family="gpt-fast")
    bare = replace(cards, first_token_s=0.0, prompt_token_s=0.0, burst_share=0.0)
    return replace(one, engine=engine), bare


@cache
def open_loop_of(load: Asked) -> rates.OpenLoop:
    """Predict the server by the requests in flight.

    Parameters
    ----------
    load : Asked
        What came to it.

    Returns
    -------
    OpenLoop
        Its percentiles at any rate.
    """
    deployment, efficiency = server(load)
    one = Workload(load.input_tokens, load.output_tokens)
    users = knots(most_running(deployment, one))
    served = [serve(deployment, replace(one, concurrency=n), efficiency) for n in users]
    return rates.of_served(users, served)


@cache
def loads() -> dict[str, Asked]:
    """Read the loads of the file.

    Returns
    -------
    dict of str to Asked
        By their titles, in the order of `LOADS`.

    Examples
    --------
    >>> tuple(loads()) == LOADS
    True
    """
    return {load.title: load for load in map(asked, rows(FILE))}


def _points(load: Asked, quantity: str) -> list[tuple[float, dict[int, float]]]:
    """Rates, and the percentiles that were timed at each."""
    return [
        (float(fields["rate_rps"]), {p: float(fields[f"p{p}_s"]) for p in PERCENTS})
        for fields in rows(FILE)
        if asked(fields) == load and fields["quantity"] == quantity
    ]


def _times_apart(point: tuple[float, float, float]) -> float:
    """How many times the longer of predicted and timed is as long as the other."""
    _, predicted, timed = point
    return max(predicted / timed, timed / predicted)


def name_far(drawing: Chart, points: Sequence[tuple[float, float, float]]) -> None:
    """Say beside the dots that are far from their lines how far they are.

    Parameters
    ----------
    drawing : Chart
        The picture, in whose units the points are.
    points : sequence of tuple
        Each x, predicted and timed.
    """
    _, predicted, timed = max(points, key=_times_apart)
    high = predicted > timed
    far = [one for one in points if _times_apart(one) > FAR and (one[1] > one[2]) == high]
    if not far:
        return
    x, _, y = (min if high else max)(far, key=lambda point: point[2])  # on the side without lines
    ends = sorted(map(_times_apart, far))
    times = " to ".join(dict.fromkeys(f"{digits(one, 2)}x" for one in (ends[0], ends[-1])))
    words = f"line {times} too {'high' if high else 'low'}"
    place, is_left = drawing.across(x), drawing.across(x) < 50
    look = {"anchor": "start" if is_left else "end", "small": True, "halo": True}
    drawing.text(place + (3 if is_left else -3), drawing.down(y) + 4, words, **look)


def _served(load_title: str, latency: str) -> Drawn:
    load, quantity = loads()[load_title], QUANTITIES[latency]
    predicted, timed = open_loop_of(load), _points(load, quantity)
    along = [LEAST + (MOST - LEAST) * i / (POINTS - 1) for i in range(POINTS)]
    at = [share * predicted.most_rps for share in along]
    marks: list[Drawable] = []
    table = []
    for percent, ink in DRAWN.items():
        curve = [(x, 1e3 * predicted.at(x).percentile_s(quantity, percent)) for x in at]
        dots = [(x, 1e3 * found[percent]) for x, found in timed]
        marks += [Line(f"p{percent}", curve, ink), Dots("", dots, ink, size=9, dim=1.0)]
    for rate, found in timed:
        for percent in DRAWN:
            value = predicted.at(rate).percentile_s(quantity, percent)
            wrong = abs(value / found[percent] - 1)
            table.append((f"{rate:g}", f"p{percent}", 1e3 * value, 1e3 * found[percent], wrong))
    x = Axis("requests a second", 0, predicted.most_rps)
    drawing = chart(marks, x, Axis(f"{latency} [ms]", log=True), height=340)
    drawing.text(100, 13, "line: predicted, dot: timed", small=True, anchor="end")
    name_far(drawing, [(float(rate), value, found) for rate, _, value, found, _ in table])
    rate, found = timed[1]
    value = predicted.at(rate).percentile_s(quantity, 95)
    said = (
        f"{load.title} on one {load.gpu}: at {rate:g} requests a second, {95} of 100 times are "
        f"{explain.quantity(value, 's')} or less by the law; {explain.quantity(found[95], 's')} "
        f"were timed. {_farthest(table)} It answers {predicted.most_rps:.3g} a second at most."
    )
    columns = ("requests a second", "percentile", "predicted", "timed", "off by")
    units = ("", "", "ms", "ms", "%")
    return Drawn(drawing, said, show.table(columns, table, f"{load.title}: {latency}", units))


def _farthest(table: list[tuple[str, str, float, float, float]]) -> str:
    """Say which of the points is predicted worst."""
    rate, percent, value, found, _ = max(table, key=lambda row: row[-1])
    law, clock = (explain.quantity(ms / 1e3, "s") for ms in (value, found))
    return f"Farthest off is {percent} at {rate} a second: {law} by the law, {clock} timed."


PICTURES = {
    "timed_serving": Picture(
        "Requests at random moments, predicted and timed",
        _served,
        (
            Control("load_title", "Load", LOADS, LOADS[0]),
            Control("latency", "Latency", tuple(QUANTITIES), "first token"),
        ),
    )
}
