"""Pictures of chapter 2: a matrix cut in slices, and what the cards say to each other."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, calibration, catalog
from llmcap_kernel.evidence.kernels import kernel_s
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import CEILING

from ..benchmarks import measured, rows
from ..figures import show
from ..figures.drawing import Drawing, Scale
from ..figures.plots import Axis, Bar, Dots, Limit, Line, Mark, Part, bars, chart
from .record import Control, Drawn, Picture
from .scenario import llama_on

CUTS = ("1 card", "2 cards", "4 cards", "8 cards")
DECODE, PROMPT = "a step of 16 users", "a prompt of 7K tokens"
WIDTH = 8192  # of Llama-3.1-70B's residual stream


def _pass(d, which, efficiency=CEILING):
    if which == DECODE:
        return bandwidth.decode_step(d, context_tokens=8000, concurrency=16, efficiency=efficiency)
    return bandwidth.prefill(d, input_tokens=7000, efficiency=efficiency)


# ---- a matrix cut in slices -----------------------------------------------------------


def _crossing(step):
    """All-reduces of a pass, and the bytes that a card sends in all of them."""
    if not step.work.exchanges:
        return 0, 0.0
    (exchange,) = step.work.exchanges
    n = exchange.cards
    return exchange.count, exchange.count * 2 * (n - 1) / n * exchange.message_bytes


def _cut(cards, which):
    tp = int(cards.split()[0])
    step = _pass(llama_on("h100-sxm", tp), which)
    count, sent = _crossing(step)
    drawing = Drawing(330)
    _draw_slices(drawing, tp)
    _draw_sum(drawing, tp, count)
    read = step.weight_bytes + step.kv_bytes
    whole = _pass(llama_on("h100-sxm", 1), which)
    longest = max(whole.weight_bytes + whole.kv_bytes, sent)
    sends = f"each card sends {quantity(sent, 'bytes')}" if tp > 1 else "nothing to send"
    _to_scale(drawing, 254, f"each card reads {quantity(read, 'bytes')}", longest,
              [(step.weight_bytes, "weights"), (step.kv_bytes, "cache")])  # fmt: skip
    _to_scale(drawing, 298, sends, longest, [(sent, "link")])
    said = f"{cards.capitalize()}, {which}: each reads {quantity(read, 'bytes')}" + (
        f", and sends {quantity(sent, 'bytes')} in {count:,.0f} all-reduces."
        if tp > 1
        else " and talks to nobody."
    )
    rows = []
    for n in (1, 2, 4, 8):
        one = _pass(llama_on("h100-sxm", n), which)
        rows.append((f"{n}", one.weight_bytes, one.kv_bytes, *_crossing(one)[::-1]))
    table = show.table(
        ("cards", "weights", "caches", "sent", "all-reduces"),
        rows,
        f"What each card reads and sends in {which}",
        units=("", "bytes", "bytes", "bytes", ""),
        decimals=0,
    )
    return Drawn(drawing, said, table)


def _to_scale(drawing, y, words, longest, parts):
    drawing.text(0, y, words, bold=True)
    drawing.rect(0, y + 6, 100, 16, "panel", edge="rule")
    at = 0.0
    for size, ink in parts:
        drawing.rect(at, y + 6, 100 * size / longest, 16, ink)
        at += 100 * size / longest


def _draw_slices(drawing, tp):
    """Two matrices of a layer above, the cards with a slice of each below."""
    drawing.text(0, 13, "one matrix cut by columns", small=True)
    drawing.text(100, 13, "the next by rows", small=True)
    for i in range(tp):
        dim = 1.0 if i == 0 else 0.4
        drawing.rect(46 * i / tp, 20, 46 / tp, 40, "weights", dim=dim)
        drawing.rect(54, 20 + 40 * i / tp, 46, 40 / tp, "weights", dim=dim)
    drawing.line(23 / tp, 60, 23 / tp, 80, "weights", width=2)
    width, gap = 100 / tp, 1.2 if tp > 1 else 0
    for i in range(tp):
        left, inner, dim = i * width + gap / 2, width - gap, 1.0 if i == 0 else 0.4
        drawing.rect(left, 80, inner, 92, "panel", edge="edge")
        name = f"card {i + 1}" if tp < 8 else f"{i + 1}"
        drawing.text(left + inner / 2, 96, name, anchor="middle", small=True)
        side, wide = 0.15 * inner, 0.7 * inner
        drawing.rect(left + side, 104, max(wide / tp, 1.2), 28, "weights", dim=dim)
        drawing.rect(left + side, 138, wide, max(28 / tp, 5), "weights", dim=dim)


def _draw_sum(drawing, tp, count):
    width = 100 / tp
    if tp == 1:
        drawing.text(50, 200, "one card holds all of it", "quiet", anchor="middle", small=True)
        return
    for i in range(tp):
        middle = (i + 0.5) * width
        drawing.line(middle, 172, middle, 194, "link", width=2)
    drawing.rect(0, 194, 100, 30, "link")
    words = f"all-reduce: all get the sum, {count:,.0f} times"
    drawing.text(50, 214, words, "ground", anchor="middle", bold=True)


# ---- one to eight cards ---------------------------------------------------------------

KINDS = {"H100 SXM, NVLink": "h100-sxm", "H100 PCIe": "h100-pcie"}
LAWS = ("ceiling", "estimate")


def _timed(gpu, tp, which, law_name):
    d = llama_on(gpu, tp)
    at = CEILING if law_name == "ceiling" else calibration.efficiency_for(d)
    return _pass(d, which, at)


def _tp_step(card, which, law_name):
    steps = {n: _timed(KINDS[card], n, which, law_name) for n in (1, 2, 4, 8)}
    first, drawn, rows = steps[1].total_s, [], []
    for n, step in steps.items():
        talk = step.communication_s / step.total_s
        faster = first / step.total_s
        gain = f", {digits(faster, 2)} times as fast" if n > 1 else ""
        parts = (
            Part("matrices", 1e3 * step.dense_s, "weights"),
            Part("attention", 1e3 * step.attention_s, "cache"),
            Part("link", 1e3 * step.communication_s, "link"),
            Part("launches and host", 1e3 * step.fixed_s, "host"),
        )
        drawn.append(Bar(f"{counted(n, 'card')}: {quantity(step.total_s, 's')}{gain}", parts))
        rows.append((f"{n}", step.dense_s, step.communication_s, step.total_s, talk, faster))
    eight = steps[8]
    said = (
        f"Eight cards make {which} {digits(first / eight.total_s, 2)} times as fast as one "
        f"({law_name}); the link takes {eight.communication_s / eight.total_s:.0%} of what is left."
    )
    table = show.table(
        ("cards", "matrices", "link", "whole", "link's share", "faster"),
        rows,
        f"{card}, {law_name}",
        units=("", "s", "s", "s", "%", "x"),
    )
    return Drawn(bars(drawn, "ms", thick=16), said, table)


# ---- what an all-reduce takes ---------------------------------------------------------

TOKENS = (1, 4, 16, 64, 256, 1024, 4096)
BYTES = Scale(200, 6e8, log=True)


@cache
def _reduces():
    """Timed all-reduces of H100s: bytes and microseconds by cards."""
    found: dict[int, list[tuple[float, float]]] = {2: [], 4: [], 8: []}
    for row in rows("reduces_drawn.csv"):
        at = float(row["message_bytes"]), float(row["latency_us"])
        found[int(row["num_gpus"])].append(at)
    return found


def _reduce_us(tokens, cards, kind="all_reduce", engine="vllm"):
    """Time of an all-reduce of so many tokens by the formula fitted to timed kernels [us]."""
    shape = {"num_gpus": cards, "message_size": tokens * WIDTH}
    return 1e6 * kernel_s(kind, shape, engine=engine, gpu=catalog.gpu("h100-sxm"), format="link")


def _wire_us(message_bytes, cards):
    link = catalog.gpu("h100-sxm").link_bandwidth_bytes_s
    return 1e6 * 2 * (cards - 1) / cards * message_bytes / link


def _all_reduce(tokens, cards):
    n = int(cards.split()[0])
    message = tokens * WIDTH * bandwidth.ACTIVATION_BYTES
    took = _reduce_us(tokens, n)
    ends = [(1e4, _wire_us(1e4, n)), (BYTES.high, _wire_us(BYTES.high, n))]
    ends[0] = (max(1e4, 0.25 / _wire_us(1, n)), max(_wire_us(1e4, n), 0.25))
    timed = _reduces()[n]
    drawing = chart(
        [
            Dots("dots: timed, three engines", timed, "other", size=5.0, dim=0.9),
            Line("link alone", ends, "link", dash="2 4", where=ends[0][0]),
            Limit("5 µs", y=5.0, ink="quiet"),
            Mark(f"{counted(tokens, 'token')}: {digits(took)} µs", message, took),
        ],
        Axis("bytes that each card holds", BYTES.low, BYTES.high, log=True, at=_sizes()),
        Axis("µs for one all-reduce", 0.2, 10_000, log=True),
        height=330,
    )
    one = WIDTH * bandwidth.ACTIVATION_BYTES
    drawing.drag = "tokens", replace(drawing.across, low=BYTES.low / one, high=BYTES.high / one)
    alone = _wire_us(message, n)
    said = (
        f"The sum over {n} cards of {counted(tokens, 'token')}, {quantity(message, 'bytes')}, "
        f"takes {digits(took)} µs, and the link alone {digits(alone)} µs. A pass has "
        f"160 of them: {quantity(160e-6 * took, 's')}."
    )
    rows = []
    for some in TOKENS:
        held = some * one
        times = (_wire_us(held, n), _reduce_us(some, n))
        nccl = _reduce_us(some, n, "collective", "nccl")
        rows.append((f"{some:,}", held, *(1e-6 * t for t in (*times, nccl))))
    table = show.table(
        ("tokens", "message", "link alone", "vLLM", "NCCL"),
        rows,
        f"An all-reduce of {n} H100s, timed alone",
        units=("", "bytes", "s", "s", "s"),
    )
    return Drawn(drawing, said, table)


def _sizes():
    return {1e3: "1 kB", 1e5: "100 kB", 1e7: "10 MB"}


# ---- two, four and eight cards, measured ----------------------------------------------

RUNS = {
    "gpt-fast, NVLink": (("m00013", "m00014", "m00015"), "weights", ""),
    "MLC LLM, PCIe": (("m01428", "m01431", "m01434"), "cache", ""),
    "vLLM of 2023, PCIe": (("m01430", "m01433", "m01436"), "prompt", ""),
}


@cache
def _runs():
    """Tokens a second of one user on 2, 4 and 8 cards, by engine."""
    rows = measured()
    return {name: [float(rows[i]["value"]) for i in ids] for name, (ids, *_) in RUNS.items()}


def _tp_measured():
    cards, runs = (2, 4, 8), _runs()
    lines = [Line("the reading divided", [(n, n / 2) for n in cards], "other", dash="2 4")]
    for name, speeds in runs.items():
        points = [(n, v / speeds[0]) for n, v in zip(cards, speeds, strict=True)]
        lines.append(Line(name, points, RUNS[name][1]))
    marks = [Mark("", n, y, line.ink, hollow=True) for line in lines[1:] for n, y in line.points]
    drawing = chart(
        [*lines, *marks],
        Axis("A100 cards", 2, 8.0, log=True, at={2: "2", 4: "4", 8: "8"}),
        Axis("times as fast as on two", 0, 4.2),
        height=320,
    )
    gain = {name: speeds[-1] / speeds[0] for name, speeds in runs.items()}
    said = (
        "Four times the cards gave one user of a 70B model "
        + ", ".join(f"{digits(gain[name], 2)} times the speed with {name}" for name in runs)
        + "."
    )
    rows = [(name, *speeds, speeds[-1] / speeds[0]) for name, speeds in runs.items()]
    table = show.table(
        ("engine", "2 cards", "4 cards", "8 cards", "gain"),
        rows,
        "Tokens a second of one user, Llama-2-70B in 16 bits on A100s, measured",
        units=("", "", "", "", "x"),
    )
    return Drawn(drawing, said, table)


PICTURES = {
    "matrix-cut": Picture(
        "A layer cut over the cards, and what crosses the link",
        _cut,
        (
            Control("cards", "Cut over", CUTS, "2 cards"),
            Control("which", "Pass", (DECODE, PROMPT), DECODE),
        ),
    ),
    "tp-step": Picture(
        "The same pass on one to eight cards",
        _tp_step,
        (
            Control("card", "Cards", tuple(KINDS), "H100 SXM, NVLink"),
            Control("which", "Pass", (DECODE, PROMPT), DECODE),
            Control("law_name", "At the", LAWS, "ceiling"),
        ),
    ),
    "all-reduce": Picture(
        "What one all-reduce takes on H100s",
        _all_reduce,
        (
            Control("tokens", "Tokens in the pass", TOKENS, 16, "tokens"),
            Control("cards", "Over", ("2 cards", "4 cards", "8 cards"), "8 cards"),
        ),
    ),
    "tp-measured": Picture("Two, four and eight cards, measured", _tp_measured),
}
