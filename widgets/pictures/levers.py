"""Pictures of chapter 4 about all levers at once: what each does here, and which to pull."""

from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from llmcap_kernel import catalog, toolbox
from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
from llmcap_kernel.evidence import levers as evidence
from llmcap_kernel.explain import capitalised, counted, digits, quantity
from llmcap_kernel.spec import CEILING, Deployment, Workload

from ..benchmarks import BENCHMARKS
from ..figures import show
from ..figures.drawing import Drawing, Scale, ticks
from ..figures.plots import Axis, Dots, Drawable, Line, chart
from .record import Control, Drawn, Picture

PAIRS = BENCHMARKS / "pairs.csv"
OUTPUT_TOKENS = WORKED_WORKLOAD.output_tokens
STILL = 0.05  # a smaller change is drawn as none
USERS = (1, 2, 4, 8, 16, 32, 64, 128)
CONTEXTS = (2000, 4000, 8000, 16_000, 32_000)
# A model as it ships: weights, cache, a draft if it has one, and a mixture in its place.
MODELS = {
    "Llama-3.1-8B, BF16": ("llama-3.1-8b", "bf16", "bf16", None, "gpt-oss-20b"),
    "Llama-3.1-70B, BF16": ("llama-3.1-70b", "bf16", "bf16", "llama-3.1-8b", "gpt-oss-120b"),
    "Llama-3.1-70B, FP8": ("llama-3.1-70b", "fp8", "fp8", "llama-3.1-8b", "gpt-oss-120b"),
    "gpt-oss-120b": ("gpt-oss-120b", "mxfp4", "bf16", "gpt-oss-20b", None),
    "DeepSeek-V3, FP8": ("deepseek-v3", "fp8", "fp8", None, None),
}
CARDS = {
    "1x L40S": ("l40s", 1),
    "1x H100": ("h100-sxm", 1),
    "2x H100": ("h100-sxm", 2),
    "4x H100": ("h100-sxm", 4),
    "4x A100 80GB": ("a100-sxm-80gb", 4),
    "1x H200": ("h200-sxm", 1),
    "2x H200": ("h200-sxm", 2),
    "8x H200": ("h200-sxm", 8),
    "8x B200": ("b200-sxm", 8),
}
BIGGER = {
    "l40s": "h100-sxm",
    "a100-sxm-80gb": "h200-sxm",
    "h100-sxm": "h200-sxm",
    "h200-sxm": "b200-sxm",
}
FEWER_BITS = {"bf16": ("fp8", "FP8"), "fp8": ("int4-awq", "INT4")}


class Try(NamedTuple):
    """A lever as it would be pulled here.

    Attributes
    ----------
    name : str
        What would be changed.
    lever : toolbox.Lever
        The lever.
    deployment, workload : optional
        What it leads to; one of them, or neither where it does nothing.
    idle : str
        Why it does nothing.
    """

    name: str
    lever: toolbox.Lever
    deployment: Deployment | None = None
    workload: Workload | None = None
    idle: str = ""


def deployed(model, cards):
    """Build a deployment of the pictures' controls.

    Parameters
    ----------
    model : str
        One of `MODELS`.
    cards : str
        One of `CARDS`.

    Returns
    -------
    Deployment
        At the memory fraction of the worked spec.
    """
    name, weights, kv, *_ = MODELS[model]
    gpu, tp = CARDS[cards]
    return catalog.deployment(
        model=name, gpu=gpu, tp=tp, weights=weights, kv=kv, memory_fraction=0.90
    )


def load_of(users, context=8000):
    """Build the load of users with a context: its last 1,000 tokens are the answer.

    Parameters
    ----------
    users : int
        How many at once.
    context : int
        Prompt and answer [tokens].

    Returns
    -------
    Workload
        The load.
    """
    return Workload(context - OUTPUT_TOKENS, OUTPUT_TOKENS, users)


@cache
def read(deployment, workload, efficiency=None):
    """Predict the four limits, once for each question.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Its load.
    efficiency : Efficiency, optional
        The fitted one if omitted.

    Returns
    -------
    toolbox.Reading
        The prediction.
    """
    return toolbox.reading(deployment, workload, efficiency=efficiency)


def tries(deployment, workload, model=""):
    """List every lever as it would be pulled on a deployment, or why it would do nothing.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    workload : Workload
        Its load.
    model : str
        One of `MODELS`: what drafts for it, and which mixture could take its place.

    Returns
    -------
    tuple of Try
        In the order of `toolbox.LEVERS`.
    """
    by_name = {lever.name: lever for lever in toolbox.LEVERS}
    found = {t[0]: t[1:] for t in (*_settings(deployment, workload), *_rent(deployment, model))}
    return tuple(Try(found[name][0], by_name[name], *found[name][1:]) for name in by_name)


def _settings(d, load):
    """Levers of the settings, the load and the formats: lever, words, deployment, load, why not."""
    shared = load.input_tokens * 6 // 7
    half = load.input_tokens // 2
    users = 2 * load.concurrency
    top = 0.98
    yield (
        ("memory fraction", f"memory fraction {top}", toolbox.set_memory_fraction(d, top))
        if d.fraction < top
        else ("memory fraction", "memory fraction", None, None, f"it is {d.fraction:g} already")
    )
    yield (
        (
            "prefix caching",
            f"{shared:,} shared tokens cached",
            None,
            toolbox.cache_prefix(load, shared),
        )
        if not load.shared_prefix_tokens
        else ("prefix caching", "prefix caching", None, None, "it is on already")
    )
    yield "larger batch", f"{users:,} users at once", None, toolbox.change_batch(load, users)
    fewer = FEWER_BITS.get(d.weights.name)
    yield (
        ("weight quantisation", f"{fewer[1]} weights", toolbox.quantise_weights(d, fewer[0]))
        if fewer
        else ("weight quantisation", "weight format", None, None, "four bits already")
    )
    yield (
        ("KV quantisation", "FP8 cache", toolbox.quantise_kv(d, "fp8"))
        if d.kv.name == "bf16"
        else ("KV quantisation", "cache format", None, None, "FP8 already")
    )
    yield "another engine", "SGLang 0.5", toolbox.change_engine(d, "sglang-0.5")
    yield (
        "shorter context",
        f"prompts of {half:,} tokens",
        None,
        toolbox.shorten_context(load, half),
    )


def _rent(d, model):
    """Levers of the cards and the model."""
    *_, draft, mixture = MODELS.get(model, (None, None))
    if d.tp == 1:
        yield "data-parallel attention", "users split", None, None, "one card: nothing to split"
    elif d.dp_attention:
        yield "data-parallel attention", "users split", None, None, "on already"
    else:
        yield "data-parallel attention", "users split", toolbox.split_sequences(d)
    own = any(t.role == "mtp" for t in d.model.tensors)
    if d.speculation:
        yield "speculative decoding", "drafted tokens", None, None, "on already"
    elif draft or own:
        guessed = toolbox.speculate(d, tokens=3, accept=0.7, draft=draft)
        yield "speculative decoding", "3 drafted tokens, 70% right", guessed
    else:
        yield "speculative decoding", "drafted tokens", None, None, "no smaller sibling here"
    if d.tp < d.gpu.max_per_node and d.tp < 8:
        more = toolbox.split_tensors(d, 2 * d.tp)
        yield "tensor parallelism", f"{2 * d.tp} cards", more
    else:
        yield "tensor parallelism", "more cards", None, None, "the machine is full"
    bigger = BIGGER.get(d.gpu.name)
    if bigger:
        moved = toolbox.change_gpu(d, bigger)
        yield "bigger card", f"{d.tp}x {bigger.split('-')[0].upper()}", moved
    else:
        yield "bigger card", "bigger card", None, None, "none bigger listed here"
    if mixture:
        name = catalog.model(mixture).name
        swapped = replace(toolbox.change_model(d, mixture), weights=catalog.format("mxfp4"))
        yield "mixture of experts", f"{name} instead", swapped
    else:
        yield "mixture of experts", "a mixture of experts", None, None, "it is one"


# ---- the four numbers -----------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """One of the four numbers that a lever moves.

    Parameters
    ----------
    constraint, name, head, unit : str
        The limit; the number in words, in short, and its unit.
    field : str
        Where a `toolbox.Reading` has it.
    more_is_better : bool
        Whether it should grow.
    """

    constraint: str
    name: str
    head: str
    unit: str
    field: str
    more_is_better: bool = False

    def of(self, reading):
        """Read it; None where nothing is served."""
        return getattr(reading, self.field)

    def written(self, reading):
        """Write it with its unit."""
        value = self.of(reading)
        if value is None:
            return "-"
        return quantity(value, self.unit) if self.unit else f"{value:,}"

    def gain(self, was, now):
        """By what factor it got better; None where one side has none."""
        old, new = self.of(was), self.of(now)
        if not old or not new:
            return None
        return new / old if self.more_is_better else old / new


NUMBERS = (
    Number("capacity", "users that fit", "users", "", "max_concurrent", True),
    Number("latency", "gap between tokens", "gap", "s", "itl_s"),
    Number("prefill", "wait for the first token", "first token", "s", "ttft_s"),
    Number("budget", "price of output", "price", "USD/Mtok", "usd_mtok"),
)


def _gain_words(gain):
    """Write a gain: never below one, with the way it goes."""
    if gain is None:
        return "-"
    if abs(gain - 1) < STILL:
        return "same"
    return f"▲ {digits(gain, 2)}x" if gain > 1 else f"▼ {digits(1 / gain, 2)}x"


# ---- one lever ------------------------------------------------------------------------


def _lever(lever, users):
    b, load = worked_spec()[1], load_of(users)
    made = {t.lever.name: t for t in tries(b, load, "Llama-3.1-70B, FP8")}[lever]
    after = (made.deployment or b, made.workload or load)
    was, now = read(b, load), read(*after)
    best = read(b, load, CEILING), read(*after, CEILING)
    gains = [(n, n.gain(was, now), n.gain(*best)) for n in NUMBERS]
    widest = max([2.0, *(max(g, 1 / g) for _, *both in gains for g in both if g)])
    across = Scale(1 / widest, widest, 2, 98, log=True)
    drawing = Drawing(46 + 62 * len(NUMBERS))
    drawing.text(0, 13, "worse", "bad", small=True)
    drawing.text(50, 13, "as it is", "quiet", small=True)
    drawing.text(100, 13, "better", "good", small=True)
    drawing.line(50, 20, 50, drawing.height - 22, "edge")
    for i, (number, gain, ceiling) in enumerate(gains):
        _one_gain(drawing, 28 + 62 * i, across, number, (was, now), gain, ceiling)
    _factor_axis(drawing, across, widest)
    moved = [f"{n.head} {_gain_words(g)}" for n, g, _ in gains]
    said = (
        f"{capitalised(made.name)}, with {counted(users, 'user')}: "
        f"{', '.join(moved)}. ▲ is better, ▼ is worse. Outlines are the same lever at the ceiling."
    )
    table = show.table(
        ("number", "before", "after", "gain", "ceiling"),
        [(n.head, n.written(was), n.written(now), _plain(g), _plain(c)) for n, g, c in gains],
        f"Candidate B: {made.name}",
    )
    return Drawn(drawing, said, table)


def _plain(gain):
    return "-" if gain is None else f"{gain:.2f}x"


def _one_gain(drawing, y, across, number, readings, gain, ceiling):
    """A number before and after, and a bar from the middle: to the right where it got better."""
    words = f"{number.name}: {number.written(readings[0])} to {number.written(readings[1])}"
    drawing.text(0, y + 12, words, bold=True, halo=True)
    for value, top, tall, look in ((gain, 18, 16, "full"), (ceiling, 38, 8, "outline")):
        if not value:
            continue
        left, right = sorted((50.0, across(value)))
        ink = "good" if value > 1 else "bad"
        if look == "full":
            drawing.rect(left, y + top, right - left, tall, ink, hover=_gain_words(value))
        else:
            drawing.rect(left, y + top, right - left, tall, "", edge=ink, hover="at the ceiling")


def _factor_axis(drawing, across, widest):
    y = drawing.height - 22
    drawing.line(0, y, 100, y, "edge")
    for factor in ticks(1, widest, True, 3)[1:] or [widest]:
        for value in (factor, 1 / factor):
            drawing.line(across(value), y, across(value), y + 4, "edge")
            drawing.text(
                across(value), y + 17, f"{digits(factor)}x", "quiet", small=True, anchor="middle"
            ) if 5 < across(value) < 95 else None


# ---- the matrix -----------------------------------------------------------------------

CELL, NAME = 36, 20  # heights of a row's cells, and of the words above them [px]


def _matrix(model, cards, users, context):
    d, load = deployed(model, cards), load_of(users, context)
    was = read(d, load)
    made = tries(d, load, model)
    drawing = Drawing(74 + (NAME + 4 + CELL + 6) * len(made))
    drawing.rect(0, 0, 100, 66, "panel", edge="rule")
    for i, number in enumerate(NUMBERS):
        drawing.text(25 * i + 12.5, 17, number.head, "quiet", small=True, anchor="middle")
        written = number.written(was)
        drawing.text(25 * i + 12.5, 37, written, anchor="middle", bold=True)
    state = "as it is" if was.max_concurrent else "does not start"
    key = f"{state}; below, ▲ better or ▼ worse"
    drawing.text(50, 57, key, "quiet", small=True, anchor="middle")
    y, rows = 74.0, []
    best: dict[str, tuple[str, float]] = {}
    for one in made:
        drawing.text(0, y + 15, one.name, "quiet" if one.idle else "text", bold=not one.idle)
        y += NAME + 4
        if one.idle:
            drawing.rect(0.4, y, 99.2, CELL, "", edge="rule", dashed=True)
            drawing.text(50, y + 22, one.idle, "quiet", anchor="middle", small=True)
            rows.append((one.name, *("-",) * 4))
            y += CELL + 6
            continue
        now = read(one.deployment or d, one.workload or load)
        rows.append((one.name, *(n.written(now) for n in NUMBERS)))
        for i, number in enumerate(NUMBERS):
            gain = number.gain(was, now)
            _cell(drawing, 25 * i, y, number, was, now)
            if gain and gain > best.get(number.constraint, ("", 1.0))[1]:
                best[number.constraint] = (one.name, gain)
        y += CELL + 6
    table = show.table(
        ("lever", "users", "gap", "first", "$/M"),
        [("as it is", *(n.written(was) for n in NUMBERS)), *rows],
        f"{model} on {cards}, {counted(users, 'user')} with {context:,} tokens",
    )
    said = f"{counted(users, 'user')} with {context:,} tokens. "
    said += _strongest(model, cards, was, made, best, (d, load))
    return Drawn(drawing, said, table)


def _strongest(model, cards, was, made, best, asked):
    if not was.max_concurrent:
        start = [
            t.name
            for t in made
            if not t.idle and read(t.deployment or asked[0], t.workload or asked[1]).max_concurrent
        ]
        one = " or ".join(start) if start else "none of them alone"
        return f"{model} does not start on {cards}. What makes it start: {one}."
    strongest = [
        f"{name} for {what} ({digits(gain, 2)} times)" for what, (name, gain) in best.items()
    ]
    return f"The strongest lever for each limit: {'; '.join(strongest)}."


def _cell(drawing, x, y, number, was, now):
    gain = number.gain(was, now)
    fresh = gain is None and number.of(now)
    moved = fresh or (gain is not None and abs(gain - 1) >= STILL)
    better = fresh or (gain is not None and gain > 1)
    ink = ("good" if better else "bad") if moved else "panel"
    drawing.rect(x + 0.4, y, 24.2, CELL, ink, edge=ink if moved else "rule", dim=0.16)
    words = "▲ at all" if fresh else _gain_words(gain)
    drawing.text(x + 12.5, y + 15, words, ink if moved else "quiet", anchor="middle", bold=moved)
    drawing.text(x + 12.5, y + 30, number.written(now), anchor="middle", small=True)


# ---- the tree -------------------------------------------------------------------------

# What is asked for: gap [s], first token [s], price [USD/Mtok].
WANTED = {
    "50 ms between tokens": (0.050, 5.0, 10.0),
    "20 ms between tokens": (0.020, 5.0, 10.0),
    "first token in 0.5 s": (0.050, 0.5, 10.0),
    "$3 a million tokens": (0.050, 5.0, 3.0),
}


class Asked(NamedTuple):
    """One question of the tree, its answer, and what was tried where it is no.

    Attributes
    ----------
    number : Number
        What is compared.
    words, answer : str
        The question, and the number that answers it.
    holds : bool
        Whether the limit is met as things stand.
    tried : tuple of tuple
        Each lever that was tried, the reading after it, and whether it is enough.
    """

    number: Number
    words: str
    answer: str
    holds: bool
    tried: tuple


def walk(deployment, workload, bounds, model=""):
    """Walk the decision tree: ask the four questions in turn, pull the first lever that is enough.

    Parameters
    ----------
    deployment : Deployment
        Where to begin.
    workload : Workload
        Its load.
    bounds : tuple of float
        Largest gap [s], wait for a first token [s] and price [USD/Mtok].
    model : str
        One of `MODELS`.

    Yields
    ------
    Asked
        Each question that is reached; the last one that cannot be met ends the walk.
    """
    d, load = deployment, workload
    met: list[Number] = []
    for number in NUMBERS:
        now = read(d, load)
        holds = _meets(number, now, load, bounds)
        tried: list[tuple] = []
        if not holds:
            for one in _for(number, tries(d, load, model)):
                after = (one.deployment or d, one.workload or load)
                seen = None if one.idle else read(*after)
                enough = seen is not None and all(
                    _meets(n, seen, after[1], bounds) for n in (*met, number)
                )
                tried.append((one, seen, enough))
                if enough:
                    d, load = after
                    break
        words = _question(number, load if holds else workload, bounds)
        yield Asked(number, words, number.written(now), holds, tuple(tried))
        if not holds and not tried[-1][2]:
            return
        met.append(number)


def _for(number, made):
    wanted = [lever.name for lever in toolbox.levers_for(number.constraint)]
    return sorted(
        (t for t in made if t.lever.name in wanted), key=lambda t: wanted.index(t.lever.name)
    )


def _meets(number, reading, load, bounds):
    value = number.of(reading)
    if number.constraint == "capacity":
        return value >= load.concurrency
    bound = bounds[NUMBERS.index(number) - 1]
    return value is not None and value <= bound


def _question(number, load, bounds):
    if number.constraint == "capacity":
        return f"Room for {counted(load.concurrency, 'user')}?"
    bound = quantity(bounds[NUMBERS.index(number) - 1], number.unit)
    return {
        "latency": f"Gap within {bound}?",
        "prefill": f"First token within {bound}?",
        "budget": f"Price within {bound}?",
    }[number.constraint]


STEM, TWIG, ROW, SLOT = 3.0, 8.0, 44, 24  # places of the branches [%]; heights of rows [px]
TREE_HIGH = 366  # pixels at least: few answers move the page no more than six levers
TREE = 520  # pixels: beyond that the numbers are far from their words


def _tree(model, cards, users, wanted):
    d, load, bounds = deployed(model, cards), load_of(users), WANTED[wanted]
    asked = list(walk(d, load, bounds, model))
    left = NUMBERS[len(asked) :]
    twigs = SLOT * sum(len(a.tried) for a in asked)
    row = max(ROW, (TREE_HIGH - 46 - twigs) / len(NUMBERS))
    height = 46 + row * len(NUMBERS) + twigs
    drawing = Drawing(height, widest=TREE)
    y, pulled = 6.0, []
    for one in asked:
        y = _branch(drawing, y, one, row)
        pulled += [t.name for t, _, enough in one.tried if enough]
    for number in left:
        drawing.line(STEM, y, STEM, y + row, "rule", width=2)
        drawing.dot(STEM, y + 14, "edge", radius=7, hollow=True)
        drawing.text(TWIG, y + 19, _question(number, load, bounds), "quiet")
        y += row
    done = not left and (asked[-1].holds or asked[-1].tried[-1][2])
    _end(drawing, y, done, pulled)
    rows = [
        (one.words, one.answer, "yes" if one.holds else "no", _pulled(one) or "-") for one in asked
    ]
    caption = f"{model} on {cards}, {counted(users, 'user')}, {wanted}"
    table = show.table(("question", "answer", "holds", "lever pulled"), rows, caption)
    said = f"{model} on {cards}, {counted(users, 'user')}, {wanted}: "
    return Drawn(drawing, said + _tree_said(asked, done, pulled), table)


def _pulled(one):
    return next((t.name for t, _, enough in one.tried if enough), "")


def _branch(drawing, y, one, row):
    """A question on the stem, and the levers tried where its answer is no."""
    tall = row + SLOT * len(one.tried)
    passed = one.holds or one.tried[-1][2]
    ink = "good" if one.holds else "bad"
    drawing.line(STEM, y, STEM, y + 14, "good", width=3)
    drawing.line(STEM, y + 14, STEM, y + tall, "good" if passed else "rule", width=3)
    drawing.dot(STEM, y + 14, ink, radius=8)
    drawing.text(TWIG, y + 19, one.words, bold=True)
    answer = f"{one.answer}: {'yes' if one.holds else 'no'}"
    drawing.text(100, y + 19, answer, ink, bold=True, anchor="end")
    for i, (made, seen, enough) in enumerate(one.tried):
        place = y + ROW + SLOT * i - 6
        drawing.line(STEM, place, TWIG - 1, place, "good" if enough else "rule", width=2)
        if made.idle:
            words, ink, value = f"{made.name}: {made.idle}", "quiet", ""
        else:
            words, ink = made.name, "good" if enough else "text"
            value = f"{one.number.written(seen)} {'✓' if enough else '✗'}"
        drawing.text(TWIG, place + 4, words, ink, bold=enough, small=True, anchor="start")
        if value:
            drawing.text(100, place + 4, value, ink, bold=enough, small=True, anchor="end")
    return y + tall


def _end(drawing, y, done, pulled):
    if done:
        drawing.line(STEM, y, STEM, y + 14, "good", width=3)
        drawing.dot(STEM, y + 14, "good", radius=8)
        words = "All four hold" if pulled else "All four hold as it is"
        drawing.text(TWIG, y + 19, words, "good", bold=True)
    else:
        drawing.text(TWIG, y + 19, "No single lever is enough: pull two", "bad", bold=True)


def _tree_said(asked, done, pulled):
    first = next((a for a in asked if not a.holds), None)
    if first is None:
        return "all four limits are met, and no lever is needed."
    missed = f"the first limit missed is {first.number.constraint}"
    if done:
        return f"{missed}. Enough is: {', then '.join(pulled)}."
    last = asked[-1].number.constraint
    got = f" after {', '.join(pulled)}" if pulled else ""
    return f"{missed}. No single lever is enough for {last}{got}: pull two, or change the limit."


# ---- measured pairs -------------------------------------------------------------------

SHOWN = ("weight format", "speculative decoding", "cache format", "tensor parallelism")
SPAN = 0.2, 5.0  # of the ratios drawn; one beyond stands at the edge


@cache
def _ratios():
    return evidence.ratios(PAIRS)


def _pairs():
    by_lever = {one.name: one for one in evidence.by_lever(_ratios())}
    drawings = {}
    for lever in SHOWN:
        one = by_lever[lever]
        points = [
            (r.pair.measured, r.predicted)
            for r in _ratios()
            if r.pair.lever == lever and r.predicted is not None
        ]
        title = f"{lever}: {one.predicted}, off by {one.median:.0%}"
        drawings[title] = _scatter(points)
    every = evidence.summary("all", _ratios())
    said = (
        "A dot is a pair of runs that differ in one lever: across the ratio measured, upwards the "
        f"ratio predicted. On the line both agree. Of {every.pairs:,} pairs {every.predicted} have "
        f"a prediction, and half of those are off by {every.median:.0%} or less."
    )
    return Drawn(drawings, said, show.levers(by_lever.values()))


def _scatter(points):
    low, high = SPAN
    edge = Scale(low, high, low, high)  # one beyond an end stands there
    inside = [(edge(across), edge(up)) for across, up in points]
    at = {low: "0.2x", 0.5: "0.5x", 1.0: "1x", 2.0: "2x", high: "5x"}
    marks: list[Drawable] = [
        Line("", [(low, 1), (1, 1)], "bad", low=[1, 1], high=[high, high], width=0),
        Line("", [(1, 1), (high, 1)], "bad", low=[low, low], high=[1, 1], width=0),
        Line("", [(low, low), (high, high)], "edge", width=1.5),
        Dots("", inside, "weights", size=5, dim=0.5),
    ]
    drawing = chart(
        marks,
        Axis("measured", low, high, log=True, at=at),
        Axis("predicted", low, high, log=True, at={v: at[v] for v in (0.5, 1.0, 2.0)}),
        height=260,
    )
    drawing.text(12, 44, "wrong way", "bad", small=True, halo=True)
    drawing.text(98, 212, "wrong way", "bad", small=True, halo=True)
    return drawing


# Those that candidate B can pull: its cache is FP8 already.
PULLED = tuple(one.name for one in toolbox.LEVERS if one.name != "KV quantisation")

PICTURES = {
    "lever": Picture(
        "What one lever does to the four numbers of candidate B",
        _lever,
        (
            Control("lever", "Lever", PULLED, "tensor parallelism"),
            Control("users", "Users", USERS[:6], 16, "users"),
        ),
    ),
    "lever-matrix": Picture(
        "Every lever against every limit, for your deployment",
        _matrix,
        (
            Control("model", "Model", tuple(MODELS), "Llama-3.1-70B, FP8"),
            Control("cards", "Cards", tuple(CARDS), "2x H100"),
            Control("users", "Users", USERS, 16, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "decision-tree": Picture(
        "Four questions, and the levers of the first no",
        _tree,
        (
            Control("model", "Model", tuple(MODELS), "Llama-3.1-70B, FP8"),
            Control("cards", "Cards", tuple(CARDS), "2x H100"),
            Control("users", "Users", USERS, 16, "users"),
            Control("wanted", "Wanted", tuple(WANTED), "20 ms between tokens"),
        ),
    ),
    "lever-pairs": Picture("Ratios predicted beside ratios measured", _pairs),
}
