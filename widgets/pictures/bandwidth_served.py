"""Pictures of chapter 2: prompts, the gap between tokens, and what was measured of both."""

import math
import statistics
from bisect import bisect_right
from functools import cache
from itertools import pairwise

from llmcap_kernel import bandwidth, calibration
from llmcap_kernel.catalog.names import engines
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import Efficiency, Workload

from ..benchmarks import by_id, measured
from ..figures import show
from ..figures.drawing import Drawing, Scale, ticks
from ..figures.plots import (
    Axis,
    Bar,
    Dots,
    Limit,
    Line,
    Mark,
    Part,
    bars,
    chart,
)
from .record import Control, Drawn, Picture
from .scenario import llama_on


@cache
def sweep(tp, prompt, answer):
    """Gaps that a public sweep of vLLM measured on H100s with Llama-3.1-70B in FP8.

    Parameters
    ----------
    tp : int
        Cards, 2 or 8.
    prompt, answer : int
        Tokens of each request.

    Returns
    -------
    dict of int to float
        Mean gap between tokens [s] by users.
    """
    fixed = {"source_id": "aic", "model": "meta-llama/Llama-3.1-70B", "gpu": "H100 SXM",
             "engine": "vllm", "metric": "itl_ms", "tp": f"{tp}",
             "input_tokens": f"{prompt}", "output_tokens": f"{answer}"}  # fmt: skip
    rows = (r for r in measured().values() if all(r[k] == v for k, v in fixed.items()))
    return {int(r["concurrency"]): float(r["value"]) / 1e3 for r in rows}


# ---- reading a prompt -----------------------------------------------------------------

PROMPTS = tuple(range(500, 16_001, 500))
USED = (1.0, 0.6, 0.4)  # shares of peak FLOP/s
FIRST = {2: "m07972", 4: "m06938"}  # first tokens of one request, by cards
OFTEN_S = 0.05  # what is often said of 6,000 tokens


def _prompt_s(tp, tokens, used=1.0):
    d = llama_on(tp=tp)
    at = Efficiency(compute=used)
    return bandwidth.prefill(d, input_tokens=tokens, efficiency=at).total_s


def _prompt_time(tokens, cards):
    tp = int(cards.split()[0])
    some = (500, *range(2000, 16_001, 2000))
    half = _prompt_s(tp, tokens, 0.5)
    marks = [
        *(_used_line(tp, some, used, 8000 if tokens > 13_000 else None) for used in USED),
        Limit("50 ms, as often said", y=OFTEN_S),
        *_measured_first(tp),
        Mark("", tokens, half),
    ]
    drawing = chart(
        marks,
        Axis("tokens of the prompt", 0, 16_000),
        Axis("s until it is read", 0),
        drag="tokens",
        height=320,
    )
    across, down = drawing.across, drawing.down
    side, off = ("start", 2.5) if tokens < 10_000 else ("end", -2.5)
    words = f"{quantity(half, 's')} at half"
    y = min(down(half) + 18, down.start - 6)
    drawing.text(across(tokens) + off, y, words, "prompt", anchor=side, halo=True)
    if tp in FIRST:
        drawing.text(100, 13, "ring: measured", small=True)
    said = (
        f"{tokens:,} tokens on {_h100s(cards)}: {quantity(_prompt_s(tp, tokens), 's')} "
        f"at full FLOP/s, "
        f"{quantity(half, 's')} at half of it. 50 ms are enough for "
        f"{_read_in(tp, OFTEN_S):,.0f} tokens at best."
    )
    rows = [(f"{n:,}", *(_prompt_s(tp, n, used) for used in USED)) for n in some]
    table = show.table(
        ("tokens", "100%", "60%", "40%"),
        rows,
        f"Llama-3.1-70B in FP8 on {_h100s(cards)}, by the share of peak FLOP/s",
        units=("", "s", "s", "s"),
    )
    return Drawn(drawing, said, table)


def _used_line(tp, some, used, where):
    points = [(n, _prompt_s(tp, n, used)) for n in some]
    ink, dash = ("other", "2 4") if used == 1.0 else ("prompt", "")
    return Line(f"{used:.0%} of peak", points, ink, dash=dash, where=where)


def _measured_first(tp):
    """The first token that was measured on so many cards, as a ring."""
    if tp in FIRST:
        row = measured()[FIRST[tp]]
        yield Mark("", int(row["input_tokens"]), float(row["value"]) / 1e3, "text", hollow=True)


def _h100s(cards):
    return cards.replace("card", "H100")


@cache
def _read_in(tp, seconds):
    """Most tokens of a prompt that are read in so long at full FLOP/s, in steps of ten."""
    return 10 * (bisect_right(range(10, 20_000, 10), seconds, key=lambda n: _prompt_s(tp, n)))


# ---- a prompt among answers -----------------------------------------------------------

WHOLE = "the whole prompt"
SCHEDULES = {WHOLE: 0, "chunks of 2,048": 2048, "chunks of 512": 512}
WINDOW_S, ARRIVES_S, OTHERS = 0.5, 0.06, 16


def _schedule(tokens, chunk):
    """What the cards run, step after step: start, seconds, share that is the prompt's."""
    alone = bandwidth.decode_step(llama_on(tp=2), context_tokens=7500, concurrency=OTHERS).total_s
    more = bandwidth.decode_step(
        llama_on(tp=2), context_tokens=7500, concurrency=OTHERS + 1
    ).total_s
    at, left, steps = 0.0, tokens, []
    while at < WINDOW_S:
        if at < ARRIVES_S:
            steps.append((at, alone, 0.0))
        elif left > 0 and not chunk:
            steps.append((at, bandwidth.prefill(llama_on(tp=2), input_tokens=tokens).total_s, 1.0))
            left = 0
        elif left > 0:
            size = min(chunk - OTHERS, left)
            both = _mixed_s(size, tokens - left)
            steps.append((at, both, 1 - alone / both))
            left -= size
        else:
            steps.append((at, more, 0.0))
        at += steps[-1][1]
    return steps


def _mixed_s(size, done):
    """A step of all answers with a chunk of a prompt of which some is read already."""
    d = llama_on(tp=2, max_num_batched_tokens=size + OTHERS)
    step = bandwidth.mixed_step(d, context_tokens=7500, concurrency=OTHERS, prefill_tokens=size)
    late, first = (
        bandwidth.prefill(llama_on(tp=2), input_tokens=n + size, cached_tokens=n).attention_s
        for n in (done, 0)
    )
    return step.total_s + late - first


@cache
def _your_tokens(tokens, schedule):
    """Steps of a schedule, the ends of those that bring you a token, the newcomer's first."""
    steps = _schedule(tokens, SCHEDULES[schedule])
    yours = [start + took for start, took, share in steps if share < 1]
    first = max(start + took for start, took, share in steps if share)
    return steps, yours, first - ARRIVES_S


def _longest(yours):
    return max((b - a, a, b) for a, b in pairwise(yours))


def _stops(tokens, schedule):
    steps, yours, first = _your_tokens(tokens, schedule)
    gap, left, right = _longest(yours)
    across = Scale(0, WINDOW_S, 0, 100)
    drawing = Drawing(248)
    drawing.words(0, 12, "the cards:")
    for at, ink, words in ((76, "weights", "all answers"), (180, "prompt", "the prompt")):
        drawing.swatch(at, 3, ink)
        drawing.words(at + 14, 12, words)
    for start, took, share in steps:
        x, width = across(start), across(start + took) - across(start)
        drawing.rect(x, 20, width, 34 * share, "prompt")
        drawing.rect(x, 20 + 34 * share, width, 34 * (1 - share), "weights")
    _draw_yours(drawing, across, yours, (gap, left, right))
    _draw_newcomer(drawing, across, first, steps)
    drawing.line(0, 222, 100, 222, "edge")
    for value in ticks(0, WINDOW_S, False):
        place = across(value)
        words = f"{1e3 * value:.0f} ms" if value == 0 else f"{1e3 * value:.0f}"
        anchor = "start" if place < 4 else "end" if place > 96 else "middle"
        drawing.line(place, 222, place, 226, "edge")
        drawing.text(place, 240, words, "quiet", small=True, anchor=anchor)
    said = (
        f"A prompt of {tokens:,} tokens comes to {OTHERS} users. With {schedule} in a step your "
        f"longest gap is {quantity(gap, 's')}, and the newcomer's first token takes "
        f"{quantity(first, 's')}."
    )
    rows = []
    for name in SCHEDULES:
        _, ends, late = _your_tokens(tokens, name)
        rows.append((name, _longest(ends)[0], ends[1] - ends[0], late))
    table = show.table(
        ("in a step", "longest gap", "other gaps", "newcomer's first token"),
        rows,
        f"Two H100s at full speed, {OTHERS} users, a prompt of {tokens:,} tokens",
        units=("", "s", "s", "s"),
    )
    return Drawn(drawing, said, table)


def _draw_yours(drawing, across, yours, longest):
    gap, left, right = longest
    drawing.text(0, 80, "your tokens", bold=True)
    drawing.line(0, 94, 100, 94, "rule")
    for at in yours:
        if at <= WINDOW_S:
            drawing.dot(across(at), 94, "weights", radius=3.5)
    ends = across(left), across(min(right, WINDOW_S))
    drawing.line(ends[0], 110, ends[1], 110, "bad", width=2)
    for end in ends:
        drawing.line(end, 105, end, 115, "bad", width=2)
    words = f"no token for {quantity(gap, 's')}"
    side = "start" if ends[0] < 50 else "end"
    drawing.text(ends[side == "end"], 132, words, "bad", bold=True, anchor=side)


def _draw_newcomer(drawing, across, first, steps):
    drawing.text(0, 164, "the newcomer", bold=True)
    start, end = across(ARRIVES_S), across(ARRIVES_S + first)
    drawing.rect(start, 172, end - start, 18, "", edge="prompt", dashed=True)
    for at, took, share in steps:
        if share == 0 and ARRIVES_S + first <= at + took <= WINDOW_S:
            drawing.dot(across(at + took), 181, "prompt", radius=3.5)
    drawing.text(start, 207, f"first token after {quantity(first, 's')}", "prompt", anchor="start")


# ---- long prompts or long answers -----------------------------------------------------

SHAPES = {"8,192 in, 1,024 out": (8192, 1024), "1,024 in, 8,192 out": (1024, 8192)}


def _two_loads(users):
    drawn, rows = [], []
    for name, (prompt, answer) in SHAPES.items():
        timed = sweep(2, prompt, answer)[users]
        served = calibration.estimates(
            llama_on(tp=2, kv="bf16"), Workload(prompt, answer, users)
        ).served
        others = served.itl_s - served.itl_decode_s
        drawn.append(
            Bar(f"{name}: measured {quantity(timed, 's')}", [Part("", 1e3 * timed, "other")])
        )
        parts = (
            Part("your step", 1e3 * served.itl_decode_s, "weights"),
            Part("others' prompts", 1e3 * others, "prompt"),
        )
        drawn.append(Bar("expected", parts))
        rows.append((name, timed, served.itl_decode_s, others, served.itl_s))
    (_, long, *_), (_, short, *_) = rows
    said = (
        f"{counted(users, 'user')}, 9,216 tokens a request both times. Where they come as a "
        f"prompt the measured gap is {digits(long / short, 2)} times as long, "
        f"{quantity(long, 's')} against {quantity(short, 's')}."
    )
    table = show.table(
        ("load", "measured", "step", "prompts", "expected"),
        rows,
        f"vLLM on two H100s, {counted(users, 'user')}",
        units=("", "s", "s", "s", "s"),
    )
    return Drawn(bars(drawn, "ms"), said, table)


# ---- a served gap, term by term -------------------------------------------------------

ASKED = {"8,192 in, 1,024 out": (8192, 1024), "1,024 in, 1,024 out": (1024, 1024),
         "1,024 in, 8,192 out": (1024, 8192)}  # fmt: skip


def gap_terms(served):
    """Part the mean gap between two tokens.

    Parameters
    ----------
    served : Served
        A load, served.

    Returns
    -------
    tuple of tuple
        Name, ink and seconds of each part.
    """
    step, at = served.decode, served.efficiency
    launches = step.work.layers * at.layer_s
    return (
        ("reading the weights", "weights", step.dense_s),
        ("reading the caches", "cache", step.attention_s),
        ("all-reduces", "link", step.communication_s),
        ("launches of kernels", "activations", launches),
        ("the host", "host", step.fixed_s - launches),
        ("others' prompts", "prompt", served.itl_s - served.itl_decode_s),
    )


def _waterfall(users, load):
    d, asked = llama_on(tp=2, kv="bf16"), Workload(*ASKED[load], users)
    both = calibration.estimates(d, asked)
    timed, gap = sweep(2, *ASKED[load])[users], both.itl_s
    least, real = gap_terms(both.ceiling), gap_terms(both.served)
    across = Scale(0, 1.02 * max(timed, gap.high), 0, 100)
    drawing = Drawing(36 * (len(real) + 3) + 4)
    # first, so that no name has it through its letters
    drawing.line(across(timed), 18, across(timed), drawing.height, "text", dash="3 3")
    _total(drawing, 0, f"ceiling {quantity(gap.ceiling, 's')}", least, across)
    at = 0.0
    for i, ((name, ink, low), (_, _, took)) in enumerate(zip(least, real, strict=True), 1):
        words = f"{name} {quantity(took, 's')}"
        beyond = f", {quantity(low, 's')} at the ceiling" if low else ", 0 at the ceiling"
        _row(drawing, i, words + beyond, across, at, [(low, ink, 1.0), (took - low, ink, 0.45)])
        at += took
    last = len(real) + 1
    _total(drawing, last, f"expected {quantity(gap.value, 's')}, with its interval", real, across)
    y = 36 * last + 26
    drawing.whisker(across(gap.low), across(gap.high), y)
    _row(drawing, last + 1, f"measured {quantity(timed, 's')}", across, 0, [(timed, "other", 1.0)])
    largest = max(range(len(real)), key=lambda i: real[i][2] - least[i][2])
    said = (
        f"{counted(users, 'user')}, {load}: the spec sheet allows {quantity(gap.ceiling, 's')} a "
        f"token, {quantity(gap.value, 's')} are expected, {quantity(timed, 's')} were measured. "
        f"The largest addition is {real[largest][0]}."
    )
    rows = [(a[0], a[2], b[2], b[2] - a[2]) for a, b in zip(least, real, strict=True)]
    rows.append(("all of it", gap.ceiling, gap.value, gap.value - gap.ceiling))
    table = show.table(
        ("term", "ceiling", "expected", "added"),
        rows,
        f"The gap between two tokens, vLLM on two H100s; measured {quantity(timed, 's')}",
        units=("", "s", "s", "s"),
    )
    return Drawn(drawing, said, table)


def _row(drawing, which, words, across, at, parts):
    top = 36 * which
    drawing.text(0, top + 14, words, small=True, anchor="start", halo=True)
    for took, ink, dim in parts:
        drawing.rect(across(at), top + 19, across(at + took) - across(at), 14, ink, dim=dim)
        at += took


def _total(drawing, which, words, terms, across):
    top, at = 36 * which, 0.0
    drawing.text(0, top + 14, words, bold=True, anchor="start", halo=True)
    for name, ink, took in terms:
        drawing.rect(across(at), top + 19, across(at + took) - across(at), 14, ink, hover=name)
        at += took


# ---- what arrives of a ceiling --------------------------------------------------------

NAMES = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM", "llama.cpp": "llama.cpp",
         "vllm-static": "vLLM, fixed batch", "exllama": "ExLlama", "gpt-fast": "gpt-fast",
         "transformers": "Transformers", "mlc": "MLC LLM", "lmdeploy": "LMDeploy"}  # fmt: skip


@cache
def _rows():
    """Published rows with a prediction, and no doubt about the row itself."""
    predicted = by_id("predicted.csv")
    return [
        row
        | {"family": engines.family(row["engine"]), "measured": float(row["value"])}
        | prediction
        for name, row in measured().items()
        for prediction in (predicted.get(name, {}),)
        if prediction.get("ceiling") and prediction["left_out_source"] and not row["doubt"]
    ]


@cache
def _alone():
    """Steps of one user: ceiling [ms] and the share of its speed that was measured, by engine."""
    found: dict[str, list[tuple[float, float]]] = {}
    for r in _rows():
        if r["metric"] == "decode_tok_s_per_user" and r["regime"] == "batch1_decode":
            top = float(r["ceiling"])
            found.setdefault(r["family"], []).append((1e3 / top, r["measured"] / top))
    return found


ALONE = {"gpt-fast": "gpt-fast", "llama.cpp": "llama.cpp", "ExLlama": "exllama",
         "vLLM": "vllm", "Transformers": "transformers"}  # fmt: skip


def _arrives(engine):
    found = _alone()
    mine = found[ALONE[engine]]
    others = [p for name, points in found.items() if name != ALONE[engine] for p in points]
    middle = statistics.median(share for _, share in mine)
    drawing = chart(
        [
            Dots("", others, "other", dim=0.35),
            Dots(f"{engine}: {len(mine)} rows", mine, "weights", size=5.5, dim=0.9),
            Limit("ceiling", y=1.0, ink="quiet"),
        ],
        Axis("ms of a step at the ceiling", 0.8, 300, log=True),
        Axis("share of the ceiling that arrived", 0, 1.7, at=_percents()),
        height=320,
    )
    short, long = (
        [share for ms, share in mine if (ms < 8) == is_short] for is_short in (True, False)
    )
    parts = [
        f"{digits(100 * statistics.median(some), 2)}% where a step {words}"
        for some, words in ((short, "could take less than 8 ms"), (long, "takes longer"))
        if some
    ]
    said = f"{engine}, one user: the median row reached {middle:.0%} of its ceiling" + (
        f"; {' and '.join(parts)}." if len(parts) > 1 else "."
    )
    rows = []
    for name, key in ALONE.items():
        shares = [share for _, share in found[key]]
        rows.append((name, len(shares), min(shares), statistics.median(shares), max(shares)))
    table = show.table(
        ("engine", "rows", "least", "median", "most"),
        rows,
        "Tokens a second of one user as a share of the ceiling",
        units=("", "", "%", "%", "%"),
    )
    return Drawn(drawing, said, table)


def _percents():
    return {0: "0", 0.5: "50%", 1.0: "100%", 1.5: "150%"}


# ---- predicted beside measured, by engine ---------------------------------------------

QUANTITIES = {
    "gap between tokens": (("itl_ms", "decode_tok_s_per_user"), (1, 500)),
    "first token": (("ttft_ms",), (10, 100_000)),
    "output of all": (("output_tok_s_total",), (10, 50_000)),
}
UNITS = {"gap between tokens": "ms", "first token": "ms", "output of all": "tok/s"}
LEFT_OUT, AT_CEILING = "the estimate", "the ceiling"
PANELS, MOST = 6, 150


@cache
def by_engine(quantity_name):
    """Collect the published rows of a quantity.

    Parameters
    ----------
    quantity_name : str
        One of `QUANTITIES`.

    Returns
    -------
    dict
        Predicted without its source, ceiling and measured of each row, by engine, those with most
        rows first.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    for r in _rows():
        if r["metric"] in QUANTITIES[quantity_name][0] and r["family"] in NAMES:
            values = float(r["left_out_source"]), float(r["ceiling"]), r["measured"]
            if r["metric"] == "decode_tok_s_per_user":
                values = (1e3 / values[0], 1e3 / values[1], 1e3 / values[2])
            found.setdefault(r["family"], []).append(values)
    order = sorted(found, key=lambda engine: -len(found[engine]))
    return {engine: found[engine] for engine in order[:PANELS]}


def _engines(quantity_name, against):
    (low, high), which = QUANTITIES[quantity_name][1], int(against == AT_CEILING)
    drawings, rows = {}, []
    for engine, found in by_engine(quantity_name).items():
        points = [(row[which], row[2]) for row in found]
        off = statistics.median(abs(math.log(y / x)) for x, y in points)
        below = sum(y < x for x, y in points) / len(points)
        drawings[f"{NAMES[engine]}, {len(points)} rows"] = _panel(
            points, low, high, UNITS[quantity_name]
        )
        rows.append((NAMES[engine], len(points), math.exp(off), below))
    middles = [row[2] for row in rows]
    seen = " by a fit that has not seen its source" if against == LEFT_OUT else ""
    said = (
        f"A dot is a published row: {against}{seen} across, the measurement upwards. On the line "
        f"they agree. By engine, the median row is off by {digits(min(middles), 3)} to "
        f"{digits(max(middles), 3)} times."
    )
    table = show.table(
        ("engine", "rows", "median off by", "below the line"),
        rows,
        f"{quantity_name.capitalize()}: measured against {against}{seen}",
        units=("", "", "x", "%"),
    )
    return Drawn(drawings, said, table)


def _panel(points, low, high, unit):
    across = Scale(low, high, 2, 98, log=True)
    down = Scale(low, high, 176, 6, log=True)
    drawing = Drawing(200)
    drawing.rect(0, 0, 100, 182, "", edge="rule")
    drawing.line(2, 176, 98, 6, "edge", width=1.5)
    places = dict.fromkeys((round(across(x)), round(down(y) / 2) * 2) for x, y in points)
    thin = list(places)[:: max(1, -(-len(places) // MOST))]
    drawing.dots(thin, "weights", size=4.5, dim=0.75)
    drawing.text(2, 17, "measured", "quiet", small=True, halo=True)
    drawing.text(98, 172, f"predicted, {unit}", "quiet", small=True, anchor="end", halo=True)
    for value in ticks(low, high, True, most=4):
        drawing.line(across(value), 182, across(value), 185, "edge")
        place = across(value)
        anchor = "start" if place < 6 else "end" if place > 94 else "middle"
        words = f"{value / 1e3:g}K" if value >= 1000 else f"{value:g}"
        drawing.text(place, 197, words, "quiet", small=True, anchor=anchor)
        if low * 1.5 < value < high / 3:
            drawing.text(1.5, down(value) + 4, words, "quiet", small=True, halo=True)
    return drawing


PICTURES = {
    "prompt-time": Picture(
        "How long a prompt takes to read",
        _prompt_time,
        (
            Control("tokens", "Prompt", PROMPTS, 6000, "tokens"),
            Control("cards", "H100s", ("1 card", "2 cards", "4 cards"), "2 cards"),
        ),
    ),
    "prompt-stops": Picture(
        "Half a second: a prompt comes between your tokens",
        _stops,
        (
            Control("tokens", "Prompt", (1000, 2000, 4000, 7000), 7000, "tokens"),
            Control("schedule", "In a step", tuple(SCHEDULES), WHOLE),
        ),
    ),
    "two-loads": Picture(
        "Tokens that come as a prompt, and tokens that are written",
        _two_loads,
        (Control("users", "Users", (4, 8, 16), 16, "users"),),
    ),
    "arrives": Picture(
        "What arrives of the ceiling, one user",
        _arrives,
        (Control("engine", "Engine", tuple(ALONE), "gpt-fast"),),
    ),
    "waterfall": Picture(
        "The gap between two tokens, term by term",
        _waterfall,
        (
            Control("users", "Users", (4, 8, 16), 16, "users"),
            Control("load", "Load", tuple(ASKED), "8,192 in, 1,024 out"),
        ),
    ),
    "by-engine": Picture(
        "Predicted beside measured, engine by engine",
        _engines,
        (
            Control("quantity_name", "What", tuple(QUANTITIES), "gap between tokens"),
            Control("against", "Against", (LEFT_OUT, AT_CEILING), LEFT_OUT),
        ),
    ),
}
