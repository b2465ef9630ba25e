"""Small pictures without words: what a chapter is about, at a glance, for the first page."""

import math
from functools import cache

from llmcap_kernel import bandwidth, calibration, capacity, catalog, design, toolbox
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Deployment, Workload

from ..calculators import published
from ..figures.curves import short
from ..figures.drawing import Drawing, Scale, ticks
from .bandwidth_served import gap_terms
from .roofline import timed

HEIGHT = 84  # pixels
LOAD = design.WORKED_WORKLOAD
SPEEDS = (0.7, 1000.0)  # tok/s of one user, the ends of the scatter
MOST = 900  # dots of the scatter
STILL = 0.03  # a smaller change is drawn as none


def _worked():
    return design.worked_spec()[1]


def law():
    """Draw the roofline of an H100 with the products timed on one.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    gpu = catalog.gpu("h100-sxm")
    rate = bandwidth.compute_dtype(gpu, catalog.format("fp8"))[1]
    ridge = rate / gpu.bandwidth_bytes_s
    across = Scale(1, 8000, 2, 98, log=True)
    down = Scale(2e12, 1.2 * rate, HEIGHT - 4, 8, log=True)
    drawing = Drawing(HEIGHT)
    dots = [(across(x), down(y)) for x, y in timed()["fp8"] if x > 1 and y > 2e12]
    drawing.dots(dots[:: max(1, len(dots) // 150)], "other", size=3.5, dim=0.7)
    roof = [(x, min(x * gpu.bandwidth_bytes_s, rate)) for x in (1, ridge, 8000)]
    drawing.path([(across(x), down(y)) for x, y in roof], "weights", width=3)
    said = f"The roofline of an H100, flat from {ridge:.0f} FLOP a byte on, and timed products."
    return drawing, said


def bandwidth_parts():
    """Draw the parts of the gap between two tokens of the worked spec: promised, and expected.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    both = calibration.estimates(_worked(), LOAD)
    across = Scale(0, both.itl_s.value, 1, 99)
    drawing = Drawing(HEIGHT)
    for top, served in ((14, both.ceiling), (48, both.served)):
        at = 0.0
        for _, ink, took in gap_terms(served):
            drawing.rect(across(at), top, across(at + took) - across(at), 22, ink)
            at += took
    gap = both.itl_s
    said = (
        f"{quantity(gap.ceiling, 's')} between tokens by the spec sheet, "
        f"{quantity(gap.value, 's')} expected, part by part."
    )
    return drawing, said


def users_that_fit():
    """Draw how many users of the worked spec fit as their context grows.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    contexts = [4000 * 2**n for n in range(6)]
    fit = [
        capacity.ledger(_worked(), context_tokens=n, concurrency=1).max_concurrent for n in contexts
    ]
    down = Scale(0, max(fit), 0, HEIGHT - 12)
    drawing = Drawing(HEIGHT)
    wide = 96 / len(fit)
    for i, users in enumerate(fit):
        tall = max(down(users), 2)
        drawing.rect(2 + i * wide, HEIGHT - 4 - tall, 0.68 * wide, tall, "cache")
    return drawing, f"{fit[0]:,} users fit at 4K of context each, {fit[-1]:,} at 128K."


def levers():
    """Draw what four levers do to the four numbers of the worked spec: better, worse, nothing.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    d = _worked()
    tried: dict[str, Deployment | Workload] = {
        "another card": toolbox.change_gpu(d, "h200-sxm"),
        "twice the cards": toolbox.split_tensors(d, 4),
        "twice the users": toolbox.change_batch(LOAD, 32),
        "half the prompt": toolbox.shorten_context(LOAD, LOAD.input_tokens // 2),
    }
    drawing = Drawing(HEIGHT)
    tall, found = (HEIGHT - 8) / 4, []
    for row, one in enumerate(toolbox.effects(d, LOAD, tried)):
        for column, name in enumerate(("max_concurrent", "itl_s", "ttft_s", "usd_mtok")):
            ratio = getattr(one.after, name) / getattr(one.before, name)
            gain = math.log(ratio if name == "max_concurrent" else 1 / ratio)
            ink = "rule" if abs(gain) < STILL else "cache" if gain > 0 else "prompt"
            found.append(ink)
            drawing.rect(1 + 25 * column, 4 + tall * row, 22, tall - 4, ink)
    said = (
        f"{len(tried)} levers and four numbers: {found.count('cache')} get better, "
        f"{found.count('prompt')} worse."
    )
    return drawing, said


def candidates():
    """Draw output against the speed that 95 of 100 tokens come at, as users grow, and its limit.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    first = design.card(_worked(), LOAD, design.WORKED_SLO)
    cards = [first.at(n) for n in (2, 4, 8, 16, 32, 48, 64)]
    gaps = [made for one in cards for _, made in one.percentiles() if made]
    rates = [one.expected.output_tok_s.value for one in cards]
    points = [(rate, 1 / gap.value) for rate, gap in zip(rates, gaps, strict=True)]
    across = Scale(0, 1.06 * points[-1][0], 3, 97)
    down = Scale(0, 1.15 * points[0][1], HEIGHT - 4, 4)
    bound = 1 / design.WORKED_SLO.tails[0].bound_s
    drawing = Drawing(HEIGHT)
    drawing.line(0, down(bound), 100, down(bound), "bad", width=1.5, dash="5 4")
    drawing.path([(across(x), down(y)) for x, y in points], "edge", width=1.5)
    for one, (x, y) in zip(cards, points, strict=True):
        drawing.dot(across(x), down(y), "good" if one.meets_all else "bad", radius=5)
    kept = [one.workload.concurrency for one in cards if one.meets_all]
    said = f"More users, less speed for each: up to {max(kept)} of those drawn keep every limit."
    return drawing, said


@cache
def _speeds():
    """Published speeds of one user beside predictions without their source, as Validate opens.

    A row that gives the gap between tokens is drawn as the speed that it means.
    """
    shown = published.points_left((published.ANY,) * len(published.FILTERS), "speed", "source")
    rows = [(1e3 / p.predicted, 1e3 / p.measured) if p.row.metric == "itl_ms"
            else (p.predicted, p.measured) for p in shown]  # fmt: skip
    return rows, published.median(shown), published.p80(shown)


def scatter():
    """Draw every published speed of one user beside its prediction.

    Returns
    -------
    tuple
        A `Drawing`, and what it shows in a sentence.
    """
    rows, half, most = _speeds()
    across, down = Scale(*SPEEDS, 7, 99, log=True), Scale(*SPEEDS, 270, 8, log=True)
    drawing = Drawing(300)
    for value in ticks(*SPEEDS, True, most=5):
        drawing.line(across(value), 8, across(value), 270, "rule")
        drawing.line(7, down(value), 99, down(value), "rule")
        drawing.text(across(value), 286, short(value), "quiet", small=True, anchor="middle")
        drawing.text(6, down(value) + 4, short(value), "quiet", small=True, anchor="end")
    places = dict.fromkeys((round(across(x), 1), round(down(y))) for x, y in rows)
    drawing.dots(list(places)[:: -(-len(places) // MOST)], "text", size=4, dim=0.4)
    drawing.line(7, 270, 99, 8, "weights", width=2)
    drawing.text(8.5, 22, "measured, tok/s", "quiet", small=True, halo=True)
    drawing.text(98, 262, "predicted, tok/s", "quiet", small=True, anchor="end", halo=True)
    said = (
        f"{len(rows):,} published speeds of one user, each predicted by a fit that has not seen "
        f"its source. Half are within {half:.0%} of the measurement, four of five within "
        f"{most:.0%}."
    )
    return drawing, said


SMALL = {
    "law": law,
    "bandwidth": bandwidth_parts,
    "capacity": users_that_fit,
    "toolbox": levers,
    "design": candidates,
    "scatter": scatter,
}
