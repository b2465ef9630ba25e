"""Pictures of chapter 2: one user's speed, formats, batches and context."""

import statistics
from functools import cache
from itertools import pairwise

from llmcap_kernel import bandwidth, calibration, catalog, law
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import Workload

from .. import benchmarks
from ..figures import show
from ..figures.drawing import Drawing
from ..figures.plots import (
    HEIGHTS,
    PLOT_BOTTOM,
    PLOT_TOP,
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
from . import bandwidth_links, bandwidth_served, minute, timed, timed_serving
from .record import Control, Drawn, Picture
from .scenario import CARDS, llama_on

SHOWN = ("gb10", "l40s", "h100-pcie", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "mi300x", "b200-sxm")
USERS = (1, 2, 4, 8, 16, 32, 64)
CONTEXTS = (500, 2000, 8000, 16_000, 32_000, 64_000, 96_000, 128_000)
FLOOR = 20  # tokens a second of the scenario's limit, 50 ms a token


# ---- a second, cut into tokens --------------------------------------------------------


def _second(card, weights, context):
    name = next(key for key, words in CARDS.items() if words == card)
    d = llama_on(name, weights=weights, kv=weights)
    step = bandwidth.decode_step(d, context_tokens=context)
    read, rate = step.weight_bytes + step.kv_bytes, d.gpu.bandwidth_bytes_s
    drawing = Drawing(168)
    drawing.text(0, 13, f"One token reads {quantity(read, 'bytes')}", bold=True)
    share = 100 * step.weight_bytes / read
    drawing.rect(0, 20, share, 30, "weights", hover="weights")
    drawing.rect(share, 20, 100 - share, 30, "cache", hover="cache")
    drawing.text(1.2, 40, f"weights {quantity(step.weight_bytes, 'bytes')}", "ground", small=True)
    words = f"cache {quantity(step.kv_bytes, 'bytes')}"
    drawing.text(100, 66, words, "cache", small=True, anchor="end")
    piece = 100 * read / rate
    drawing.path([(0, 50), (100, 50), (piece, 112), (0, 112)], "weights", fill=True, dim=0.12)
    many = digits(step.tok_s_user)
    drawing.text(0, 104, f"One second moves {quantity(rate, 'bytes')}", bold=True, halo=True)
    places = [i * piece for i in range(int(100 / piece))]
    drawing.cells([(x, 112, piece, 34) for x in places], "weights")
    left = 100 - len(places) * piece
    drawing.rect(100 - left, 112, left, 34, "weights", dim=0.35)
    drawing.text(0, 163, "0 s", "quiet", small=True)
    drawing.text(50, 163, f"{many} tokens", "weights", bold=True, anchor="middle")
    drawing.text(100, 163, "1 s", "quiet", small=True)
    said = (
        f"{quantity(rate, 'bytes/s')} divided by {quantity(read, 'bytes')} a token: at most "
        f"{many} tokens a second for one user."
    )
    rows = [
        (CARDS[one], llama_on(one).gpu.bandwidth_bytes_s, read, _speed(one, weights, context))
        for one in SHOWN
    ]
    table = show.table(
        ("card", "bandwidth", "one token reads", "at most"),
        rows,
        f"One user of Llama-3.1-70B in {weights}, {context:,} tokens of context",
        units=("", "bytes/s", "bytes", "tok/s"),
    )
    return Drawn(drawing, said, table)


def _speed(gpu, weights, context=8000, tp=1):
    d = llama_on(gpu, tp, weights, weights)
    return bandwidth.decode_step(d, context_tokens=context).tok_s_user


# ---- two columns of a spec sheet ------------------------------------------------------

SIDES = {"h200-sxm": "end", "gb10": "end"}  # where a name stands
DOT = 6  # px: dots as near as this look like one


def _fit_and_fast(weights, cards):
    tp = int(cards.split()[0])
    stored = law.weight_bytes(llama_on().model, catalog.format(weights)).stored_bytes
    found = {
        one: (tp * llama_on(one).gpu.memory_visible_bytes, _speed(one, weights, tp=tp))
        for one in SHOWN
    }
    drawing = chart(
        [],
        Axis("GB of memory", 35 * tp, 320 * tp, log=True),
        Axis("tokens a second, one user", 1, 800, log=True),
        height=330,
    )
    _corner(drawing, stored)
    good = {one: room > stored and speed >= FLOOR for one, (room, speed) in found.items()}
    does_both = [CARDS[one] for one in found if good[one]]
    places = {
        one: (drawing.across(room / 1e9), drawing.down(speed))
        for one, (room, speed) in found.items()
    }
    for one, *others in _in_one_place(places):
        ink, hollow = "good" if good[one] else "quiet", found[one][0] <= stored
        _named_dot(drawing, (one, *others), places[one], ink, hollow)
    said = (
        f"Right of the upright line the {weights.upper()} model fits (filled), above the other "
        f"line it writes {FLOOR} tokens a second or more. Both, with {cards} of a kind: "
        f"{', '.join(does_both) or 'none of these'}."
    )
    rows = [
        (CARDS[one], room, speed, _yes(room > stored), _yes(speed >= FLOOR))
        for one, (room, speed) in found.items()
    ]
    table = show.table(
        ("card", "memory", "at most", "fits", "fast"),
        rows,
        f"Llama-3.1-70B in {weights}, {cards} of each kind, one user with 8,000 tokens",
        units=("", "bytes", "tok/s", "", ""),
    )
    return Drawn(drawing, said, table)


def _corner(drawing, stored):
    """The corner of the cards that hold the weights and are fast enough, and its two edges."""
    at, floor = drawing.across(stored / 1e9), drawing.down(FLOOR)
    drawing.rect(at, PLOT_TOP, 100 - at, floor - PLOT_TOP, "good", dim=0.1)
    drawing.line(at, PLOT_TOP, at, drawing.height - PLOT_BOTTOM, "quiet", dash="3 3")
    drawing.line(0, floor, 100, floor, "quiet", dash="3 3")
    words = f"{FLOOR} tokens a second"
    left = HEIGHTS if at > 50 else 100  # where cards leave more room
    drawing.text(left, floor + 14, words, "quiet", small=True, halo=True)
    words = f"weights {quantity(stored, 'bytes')}"
    drawing.text(at, PLOT_TOP + 12, words, "quiet", small=True, halo=True)


def _in_one_place(places):
    """Cards whose dots would hide one another, together: they have one dot and both names."""
    groups: list[list[str]] = []
    for card, (x, y) in places.items():
        ends = [places[group[0]] for group in groups]
        near = [abs(x - x2) < 1 and abs(y - y2) < DOT for x2, y2 in ends]
        if any(near):
            groups[near.index(True)].append(card)
        else:
            groups.append([card])
    return groups


def _named_dot(drawing, cards, place, ink, hollow):
    name = " and ".join(CARDS[one] for one in cards)
    drawing.dot(*place, ink, hover=name, hollow=hollow)
    side = SIDES.get(cards[0], "start")
    x = place[0] + (3.2 if side == "start" else -3.2)
    drawing.text(x, place[1] + 4, name, ink, anchor=side, small=True, halo=True)


def _yes(is_so):
    return "yes" if is_so else "no"


# ---- what a format buys ---------------------------------------------------------------

THREE = {
    "BF16": ("bf16", "bf16"),
    "FP8, caches BF16": ("fp8", "bf16"),
    "FP8": ("fp8", "fp8"),
}


def _format_gain(users, context):
    steps = {
        name: bandwidth.decode_step(
            llama_on(tp=2, weights=w, kv=kv), context_tokens=context, concurrency=users
        )
        for name, (w, kv) in THREE.items()
    }
    slow = steps["BF16"].total_s
    drawn, rows = [], []
    for name, step in steps.items():
        gain = slow / step.total_s
        faster = f", {gain:.2f} times as fast" if gain > 1 else ""
        label = f"{name}: {quantity(step.total_s, 's')}{faster}"
        parts = (
            Part("weights", 1e3 * step.dense_s, "weights"),
            Part("caches", 1e3 * step.attention_s, "cache"),
            Part("", 1e3 * step.communication_s, "link"),  # a hair at these loads
        )
        drawn.append(Bar(label, parts))
        rows.append((name, step.dense_s, step.attention_s, step.total_s, step.tok_s_user, gain))
    mixed = slow / steps["FP8, caches BF16"].total_s
    whole = slow / steps["FP8"].total_s
    said = (
        f"With {counted(users, 'user')} of {context:,} tokens, FP8 weights alone make the step "
        f"{mixed:.2f} times as fast; with the cache in FP8 too, {whole:.2f} times."
    )
    columns = ("formats", "weights", "caches", "step", "one user", "gain")
    units = ("", "s", "s", "s", "tok/s", "x")
    caption = f"Two H100s at the ceiling, {counted(users, 'user')} with {context:,} tokens"
    return Drawn(bars(drawn, "ms"), said, show.table(columns, rows, caption, units))


# ---- what timed kernels reached -------------------------------------------------------

PROMISED = {"FP8 on H100": ("h100-sxm", "fp8"), "FP8 on B200": ("b200-sxm", "fp8"),
            "NVFP4 on B200": ("b200-sxm", "nvfp4")}  # fmt: skip
ROWS_OF = {"decode": range(1, 129), "prompt": range(1024, 1_000_000)}
SIZES = (1e3, 1e6, 10e6, 50e6, 1e9)  # weights of a matrix, where a bin begins
LARGE = (57_344, 8192)  # gate and up projection of Llama-3.1-70B


@cache
def _pairs():
    """Products timed in two formats: card, format, rows, weights, times as fast as in BF16."""
    return [
        (
            row["card"],
            row["gemm_dtype"],
            int(row["m"]),
            int(row["n"]) * int(row["k"]),
            float(row["bf16_us"]) / float(row["latency_us"]),
        )
        for row in benchmarks.rows("formats_drawn.csv")
    ]


def _kernel_gain(what, rows):
    card, name = PROMISED[what]
    some = [(n, gain) for c, f, m, n, gain in _pairs() if (c, f) == (card, name)
            and m in ROWS_OF[rows]]  # fmt: skip
    promise = 2 / catalog.format(name).bytes_per_element
    gpu = catalog.gpu(card)
    if rows == "prompt":
        promise = gpu.flop_s[next(iter(catalog.format(name).compute))] / gpu.flop_s["bf16"]
    bins = [
        (low, high, [gain for n, gain in some if low <= n < high]) for low, high in pairwise(SIZES)
    ]
    middles = [
        ((low * high) ** 0.5, statistics.median(gains)) for low, high, gains in bins if gains
    ]
    drawing = chart(
        [
            Dots(f"{len(some)} products", some, "other", size=5.0, dim=0.9),
            Limit(f"promised: {digits(promise)} times", y=promise, ink="weights"),
            Limit("as fast as BF16", y=1.0, ink="quiet"),
            Limit("an MLP matrix of Llama-70B", x=LARGE[0] * LARGE[1], ink="quiet"),
            Line("median", middles, "prompt"),
        ],
        Axis("weights in the matrix", 1e3, 3e9, log=True, at=_counts()),
        Axis("times as fast as in BF16", 0, 4.2, at={0: "0", 1: "1", 2: "2", 3: "3", 4: "4"}),
        height=320,
    )
    large = next(iter(reversed(middles)))[1]
    slower = sum(gain < 1 for _, gain in some) / len(some)
    said = (
        f"{what}, products of {'a decode step' if rows == 'decode' else 'a prompt'}: the "
        f"promise is {digits(promise)} times the speed of BF16. The median large matrix reaches "
        f"{large:.1f} times, and {slower:.0%} of all products are slower than in BF16."
    )
    lines = [
        (f"{quantity(low, 'params')} to {quantity(high, 'params')}", len(gains),
         statistics.median(gains), min(gains), max(gains))
        for low, high, gains in bins if gains
    ]  # fmt: skip
    columns = ("weights in the matrix", "products", "median", "least", "most")
    table = show.table(columns, lines, f"{what}: times as fast as in BF16", ("", "", "x", "x", "x"))
    return Drawn(drawing, said, table)


def _counts():
    return {1e3: "1,000", 1e5: "100,000", 1e7: "10 million", 1e9: "1 billion"}


# ---- one reading for all --------------------------------------------------------------

LOADS = {"1,024 in, 1,024 out": (1024, 1024), "8,192 in, 1,024 out": (8192, 1024)}


@cache
def _batch(load, tp):
    """Users, those with room, and the gap at the ceiling and by estimate [s]."""
    d = llama_on(tp=tp, kv="bf16")
    found = [calibration.estimates(d, Workload(*LOADS[load], n)) for n in USERS]
    return [
        (n, one.served.users, one.itl_s.ceiling, one.itl_s.value)
        for n, one in zip(USERS, found, strict=True)
    ]


def _rates(rows, timed, here, counts):
    """Tokens a second of as many as `counts` says of those with room."""
    least = [(n, counts(held) / top) for n, held, top, _ in rows]
    return chart(
        [
            Line("ceiling", least, "other", dash="2 4", where=8),
            Line("estimate", [(n, counts(held) / got) for n, held, _, got in rows]),
            *(Mark("", n, counts(n) / got, "other", hollow=True) for n, got in timed.items()),
            here,
        ],
        Axis("users", 1, USERS[-1], log=True, at={n: str(n) for n in USERS}),
        Axis("tokens a second", 0),
        height=250,
        drag="users",
    )


def _batching(users, load, cards):
    tp = int(cards.split()[0])
    rows, timed = _batch(load, tp), bandwidth_served.sweep(tp, *LOADS[load])
    _, room, _, gap = next(row for row in rows if row[0] == users)
    here = Mark("", users, 1 / gap), Mark("", users, room / gap)
    drawings = {
        "One user sees": _rates(rows, timed, here[0], lambda n: 1),
        "All together get": _rates(rows, timed, here[1], lambda n: n),
    }
    alone = rows[0][3]
    waits = f" Only {room} have room at a time, the others wait." if room < users else ""
    said = (
        f"{counted(users, 'user')}: each sees {digits(1 / gap)} tokens a second, "
        f"{alone / gap:.0%} of what a user alone sees, and all together get "
        f"{digits(room * alone / gap, 2)} times as many.{waits} Rings were measured."
    )
    table = show.table(
        ("users", "with room", "one, ceiling", "one, estimate", "all, estimate", "one, measured"),
        [
            (n, held, 1 / top, 1 / got, held / got, 1 / timed[n] if n in timed else None)
            for n, held, top, got in rows
        ],
        f"Llama-3.1-70B in FP8 on {tp} H100s, {load}, tok/s",
    )
    return Drawn(drawings, said, table)


# ---- context is a straight line -------------------------------------------------------


def _context(context, users):
    b, most = llama_on(tp=2), CONTEXTS[-1]

    def step_at(tokens):
        return bandwidth.decode_step(b, context_tokens=tokens, concurrency=users)

    step = step_at(context)
    level, full = 1e3 * (step.total_s - step.attention_s), 1e3 * step_at(most).attention_s
    top = 1.05 * (level + full)
    bent = full / most / 32_000  # crosses the straight line at 32K
    squared = [(n, level + bent * n**2) for n in range(0, most + 1, 4000)]
    squared = [point for point in squared if point[1] <= top]
    ends = [(0, level), (most, level + full)]
    drawing = chart(
        [
            Line("", [(0, level), (most, level)], "weights", low=[0, 0], high=[level, level]),
            Line("", ends, "cache", low=[level, level], high=[level, level + full]),
            Line("the belief", squared, "bad", dash="4 4"),
            Mark(quantity(step.total_s, "s"), context, 1e3 * step.total_s, below=True),
        ],
        Axis("tokens of context of each user", 0, most),
        Axis("ms a step", 0, top),
        drag="context",
    )
    drawing.text(98, drawing.height - 50, "weights", "weights", bold=True, halo=True)
    drawing.text(HEIGHTS, PLOT_TOP + 36, "on top, the caches", "cache", bold=True, halo=True)
    said = (
        f"{counted(users, 'user')} with {context:,} tokens each: caches take "
        f"{quantity(step.attention_s, 's')} of {quantity(step.total_s, 's')}. Twice the context "
        "is twice the caches, and never four times."
    )
    steps = {n: step_at(n) for n in (2000, 8000, 32_000, 64_000, 128_000)}
    rows = [(f"{n:,}", s.attention_s, s.total_s, s.tok_s_user) for n, s in steps.items()]
    table = show.table(
        ("context", "caches", "step", "one user"),
        rows,
        f"Two H100s at the ceiling, FP8, {counted(users, 'user')}",
        units=("", "s", "s", "tok/s"),
    )
    return Drawn(drawing, said, table)


RUNS = ("m00461", "m00462", "m00463")  # llama.cpp writes N tokens from nothing


@cache
def _runs():
    """Mean context, and the time of a token [s], of three runs that differ in length alone."""
    rows = [benchmarks.measured()[name] for name in RUNS]
    return [(int(r["output_tokens"]) / 2, 1 / float(r["value"])) for r in rows]


def _straight():
    (n0, t0), (n1, t1), (n2, t2) = _runs()
    d = llama_on("a100-sxm-80gb", model="llama-3-8b", weights="bf16", kv="bf16")
    each = law.kv_bytes_per_sequence(d.model, d.kv, 1) / d.gpu.bandwidth_bytes_s
    squared, straight, ceiling = (
        lambda n: (t1 - t0) * (n**2 - n0**2) / (n1**2 - n0**2),
        lambda n: (t1 - t0) * (n - n0) / (n1 - n0),
        lambda n: each * (n - n0),
    )
    span = [n0 + (n2 - n0) * i / 24 for i in range(25)]
    curved, even, least = ([(n, 1e6 * of(n)) for n in span] for of in (squared, straight, ceiling))
    drawing = chart(
        [
            Line("ceiling", least, "other", "2 4", where=n1),
            Line("if it were quadratic", curved, "bad", "4 4", where=span[19]),
            Line("a straight line", even, "cache", where=span[13]),
            Mark("", n0, 0, hollow=True),
            Mark("", n1, 1e6 * (t1 - t0), hollow=True),
            Mark("measured", n2, 1e6 * (t2 - t0), hollow=True, below=True),
        ],
        Axis("mean tokens of context"),
        Axis("µs more for a token than at 512 tokens", 0),
    )
    said = (
        f"From {n1:,.0f} to {n2:,.0f} tokens of context a token took {quantity(t2 - t1, 's')} "
        f"longer. A straight line through the first two rings says "
        f"{quantity(straight(n2) - straight(n1), 's')}, a quadratic one "
        f"{quantity(squared(n2) - squared(n1), 's')}."
    )
    rows = [(f"{n:,.0f}", t, t - t0, straight(n), squared(n), ceiling(n)) for n, t in _runs()]
    table = show.table(
        ("context", "a token", "more", "straight", "quadratic", "ceiling"),
        rows,
        "Llama-3-8B in 16 bits, llama.cpp on an A100",
        units=("", *("s",) * 5),
    )
    return Drawn(drawing, said, table)


# ---- experts --------------------------------------------------------------------------

MIXTURES = {"DeepSeek-V3": "deepseek-v3", "gpt-oss-120b": "gpt-oss-120b",
            "Mixtral 8x7B": "mixtral-8x7b", "Llama-3.1-70B": "llama-3.1-70b"}  # fmt: skip


def _moe(model, context):
    d = llama_on("h200-sxm", 8, model=MIXTURES[model])
    some = (1, 4, 16, 64)
    steps = {n: bandwidth.decode_step(d, context_tokens=context, concurrency=n) for n in some}
    first, drawn, rows = steps[1].total_s, [], []
    for n, step in steps.items():
        times = step.total_s / first
        beside = f", {digits(times, 2)} times as long" if n > 1 else ""
        parts = (
            Part("dense weights", 1e3 * step.dense_s, "weights"),
            Part("experts", 1e3 * step.expert_s, "weights", dim=0.55),
            Part("caches", 1e3 * step.attention_s, "cache"),
            Part("link", 1e3 * step.communication_s, "link"),
        )
        label = f"{counted(n, 'user')}: {quantity(step.total_s, 's')}{beside}"
        drawn.append(Bar(label, parts, names=n in (1, 64)))
        read = step.weight_bytes * d.tp
        rows.append((f"{n}", read, step.expert_s, step.total_s, step.tok_s_user, times))
    grows = steps[16].weight_bytes / steps[1].weight_bytes
    said = (
        f"{model}, {context:,} tokens each: a step with 16 users reads {digits(grows, 2)} times "
        f"the weights of a step with one and takes {digits(steps[16].total_s / first, 2)} times "
        "as long."
    )
    table = show.table(
        ("users", "weights read", "experts", "step", "one user", "times"),
        rows,
        f"{model} in FP8 on eight H200s at the ceiling, {context:,} tokens each",
        units=("", "bytes", "s", "s", "tok/s", "x"),
    )
    return Drawn(bars(drawn, "ms", thick=16), said, table)


PICTURES = {
    "token-second": Picture(
        "One second of a card, cut into tokens",
        _second,
        (
            Control("card", "Card", ("GB10", "A100", "H100", "H200", "B200"), "H100"),
            Control("weights", "Format", ("bf16", "fp8"), "fp8"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "fit-and-fast": Picture(
        "Does it fit, and is it fast? Llama-3.1-70B on eight kinds of cards",
        _fit_and_fast,
        (
            Control("weights", "Format", ("bf16", "fp8"), "fp8"),
            Control("cards", "Cards", ("1 card", "2 cards", "4 cards"), "1 card"),
        ),
    ),
    "format-gain": Picture(
        "A decode step in three formats",
        _format_gain,
        (
            Control("users", "Users", (1, 2, 4, 8, 16, 32, 60), 60, "users"),
            Control("context", "Context of each", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "kernel-gain": Picture(
        "What a smaller format really buys: matrix products, timed alone",
        _kernel_gain,
        (
            Control("what", "Format", tuple(PROMISED), "FP8 on H100"),
            Control("rows", "Products of", tuple(ROWS_OF), "decode"),
        ),
    ),
    "batching": Picture(
        "One reading for all: what one user sees, what all get",
        _batching,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("load", "Load", tuple(LOADS), "1,024 in, 1,024 out"),
            Control("cards", "H100s", ("2 cards", "8 cards"), "2 cards"),
        ),
    ),
    "context-line": Picture(
        "A decode step as the context grows",
        _context,
        (
            Control("context", "Context", CONTEXTS, 32_000, "tokens"),
            Control("users", "Users", USERS, 16, "users"),
        ),
    ),
    "straight": Picture("What 3,584 more tokens of context cost, measured", _straight),
    "moe-step": Picture(
        "A step of a mixture of experts as users join",
        _moe,
        (
            Control("model", "Model", tuple(MIXTURES), "DeepSeek-V3"),
            Control("context", "Context of each", CONTEXTS, 8000, "tokens"),
        ),
    ),
    **bandwidth_links.PICTURES,
    **bandwidth_served.PICTURES,
    **minute.PICTURES,
    **timed.PICTURES,
    **timed_serving.PICTURES,
}
