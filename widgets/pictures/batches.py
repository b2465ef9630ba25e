"""Pictures of chapter 4 about a load: a cached prefix, and how many users share a step."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, calibration, capacity, sweep, toolbox
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, tail_label, worked_spec
from llmcap_kernel.explain import counted, digits, gib, quantity
from llmcap_kernel.serving import serve, usd_per_mtok
from llmcap_kernel.spec import CEILING, Efficiency

from ..benchmarks import measured
from ..figures import show
from ..figures.drawing import Drawing
from ..figures.plots import Axis, Bar, Drawable, Line, Mark, Part, bars, chart
from .levers import load_of, read
from .record import Control, Drawn, Picture

SHARED = 6000  # tokens of the system prompt
GAP = WORKED_SLO.tails[0]  # which gap the spec limits
USERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48)
TURNS = {mfu: Efficiency(compute=mfu, prefill_share=1.0) for mfu in (0.4, 0.6)}


def _b():
    return worked_spec()[1]


# ---- a prefix cached ------------------------------------------------------------------


def _gain(users, efficiency=None):
    """Output with the prefix cached over the output without."""
    load = load_of(users)
    was, now = (
        read(_b(), one, efficiency).output_tok_s_card
        for one in (load, toolbox.cache_prefix(load, SHARED))
    )
    return now / was


def _round(users, mfu):
    e = Efficiency(compute=float(mfu), prefill_share=1.0)
    times = []
    for shared in (0, SHARED):
        load = toolbox.cache_prefix(load_of(users), shared)
        served = serve(_b(), load, e)
        times.append((users * served.prompt.total_s, load.output_tokens * served.decode.total_s))
    totals = [sum(t) for t in times]
    rows = [
        Bar(
            f"{label}: {quantity(total, 's')}",
            [
                Part(f"{counted(users, 'prompt')}", prompts, "prompt"),
                Part("1,000 steps", steps, "weights"),
            ],
        )
        for label, (prompts, steps), total in zip(
            ("Nothing cached", f"{SHARED:,} tokens cached"), times, totals, strict=True
        )
    ]
    (was, steps), (now, _) = times
    said = (
        f"Prefill takes {digits(was / now, 2)} times less time, and a round of "
        f"{counted(users, 'answer')} {digits(totals[0] / totals[1], 3)} times less: with nothing "
        f"cached, {steps / totals[0]:.0%} of it are decode steps, which no prefix cache shortens."
    )
    table = show.table(
        ("part", "nothing cached", "prefix cached"),
        [
            ("prompts", *(quantity(t[0], "s") for t in times)),
            ("steps", *(quantity(t[1], "s") for t in times)),
            ("round", *(quantity(t, "s") for t in totals)),
        ],
        f"Candidate B, {counted(users, 'user')}, prompts and steps taking turns, MFU {mfu}",
    )
    longest = totals[0]
    return Drawn(bars(rows, "s", thick=30, longest=longest, axis=True), said, table)


@cache
def _gains():
    kinds = {"estimate": None, "MFU 0.6": TURNS[0.6], "MFU 0.4": TURNS[0.4]}
    return {name: [(n, _gain(n, e)) for n in USERS] for name, e in kinds.items()}


def _prefix(users):
    inks = {"estimate": "weights", "MFU 0.6": "activations", "MFU 0.4": "host"}
    here = dict(_gains()["estimate"])[users]
    marks: list[Drawable] = [
        Line(
            "the belief: 2 to 3 times", [(1, 2), (48, 2)], "other", dash="3 3", where=1, width=1.5
        ),
        *(Line(name, points, inks[name]) for name, points in _gains().items()),
        Mark(f"{counted(users, 'user')}: {here:.2f}x", users, here, "weights", below=True),
    ]
    drawing = chart(
        marks,
        Axis("users", -4, USERS[-1]),
        Axis("output, as a multiple of nothing cached", 1, 2.4),
        drag="users",
    )
    load = load_of(users)
    first = [read(_b(), one).ttft_s for one in (load, toolbox.cache_prefix(load, SHARED))]
    said = (
        f"With {counted(users, 'user')} caching {SHARED:,} of 7,000 prompt tokens gives "
        f"{digits(here)} times the output, by the estimate. The first token comes after "
        f"{quantity(first[1], 's')} and not {quantity(first[0], 's')}."
    )
    rows = [
        (f"{n:,}", *(f"{dict(points)[n]:.2f}x" for points in _gains().values()))
        for n in (1, 3, 8, 16, 32, 48)
    ]
    caption = "Output of candidate B with the prefix cached, as a multiple"
    return Drawn(drawing, said, show.table(("users", *_gains()), rows, caption))


ROOM = {"A at 0.98": 0, "B at 0.90": 1}


def _room(shared, candidate):
    d = worked_spec()[ROOM[candidate]]
    d = toolbox.set_memory_fraction(d, 0.98) if candidate.startswith("A") else d
    loads = [load_of(16), toolbox.cache_prefix(load_of(16), shared)]
    ledgers = [capacity.workload_ledger(d, one) for one in loads]
    pool = ledgers[0].kv_pool_bytes
    each = ledgers[0].kv_bytes_per_sequence
    prefix = capacity.prefix_bytes(d, shared, loads[0].context_tokens)
    users = [one.max_concurrent for one in ledgers]
    # what is kept once, and of each user the copy and its own
    rows = [
        (f"A copy for each: {counted(users[0], 'user')}", 0.0, prefix, users[0]),
        (f"Kept once: {counted(users[1], 'user')}", prefix, 0.0, users[1]),
    ]
    drawing = Drawing(2 * 66 + 22)
    for i, (label, first, copy, count) in enumerate(rows):
        sizes = [100 * size / pool for size in (first, copy, each - prefix)]
        _pool(drawing, 66 * i, label, count, *sizes)
    for left, ink, words in ((0, "prompt", "the shared prompt"), (150, "cache", "a user's own")):
        drawing.swatch(left, 138, ink)
        drawing.words(left + 14, 147, words)
    said = (
        f"{candidate} has room for {counted(users[0], 'user')} with a copy of the prompt for "
        f"each, and for {users[1]} when {shared:,} tokens are kept once "
        f"({gib(prefix)} a card)."
    )
    table = show.table(
        ("a card of", "pool", "one user", "shared", "users", "shared once"),
        [
            (
                candidate,
                gib(pool),
                gib(each),
                gib(prefix),
                *users,
            )
        ],
        "Room for keys and values",
    )
    return Drawn(drawing, said, table)


def _pool(drawing, y, label, count, first, copy, own):
    """The pool to scale: what is kept once, then each user, with a copy of the prompt if any."""
    drawing.text(0, y + 14, label, bold=True)
    drawing.rect(0, y + 22, 100, 30, "", edge="edge", dashed=True)
    if first:
        drawing.rect(0, y + 22, first, 30, "prompt", hover="the shared prompt, once")
    starts = [first + n * (copy + own) for n in range(count)]
    if copy:
        drawing.cells([(x, y + 22, copy, 30) for x in starts], "prompt")
    drawing.cells([(x + copy, y + 22, own, 30) for x in starts], "cache")


# ---- the batch ------------------------------------------------------------------------


@cache
def _curve(shared=0):
    """Gap and price of candidate B by users."""
    load = WORKED_WORKLOAD
    points = []
    for n in USERS:
        r = read(_b(), replace(load, concurrency=n, shared_prefix_tokens=shared))
        points.append((n, 1e3 * r.itl_s, r.usd_mtok))
    return points


@cache
def _judged(shared=0):
    """The percentile of candidate B's gaps that the spec limits, by users [s]."""
    load = toolbox.cache_prefix(WORKED_WORKLOAD, shared)
    found = sweep.curve(_b(), load, "concurrency", USERS, GAP.name)
    return {n: made.value for n, made in zip(USERS, found, strict=True) if made}


@cache
def floor(shared=0):
    """Find the price that no batch of candidate B gets below, and where both times are equal.

    Parameters
    ----------
    shared : int
        Tokens of the prompt that are cached [tokens].

    Returns
    -------
    tuple of float
        The price of a user's own time [USD/Mtok]; users at which it is as long as what all
        share.
    """
    fitted = calibration.efficiency_for(_b())
    load = toolbox.cache_prefix(WORKED_WORKLOAD, shared)
    served = serve(_b(), load, fitted)
    own = served.decode.attention_s / load.concurrency + served.waited_s / load.output_tokens
    price = usd_per_mtok(usd_h=_b().num_gpus * _b().gpu_usd_h, tok_s=1 / own)
    return price, (served.decode.total_s - served.decode.attention_s) / own


def _batch(users, prefix):
    shared = SHARED if prefix == "cached" else 0
    by_users = {n: (gap, price) for n, gap, price in _curve(shared)}
    gap, price = by_users[users]
    least, even = floor(shared)
    other = _curve(SHARED - shared)
    label = {0: "nothing cached", SHARED: "prefix cached"}
    gaps: list[Drawable] = [
        Line(label[SHARED - shared], [p[:2] for p in other], "other", dash="4 3"),
        Line(label[shared], [(n, g) for n, (g, _) in by_users.items()], "weights"),
        Mark(f"{digits(gap)} ms", users, gap, "prompt", below=True),
    ]
    lowest = f"never below {quantity(least, 'USD/Mtok')}"
    prices: list[Drawable] = [
        Line(lowest, [(n, least) for n in USERS], "host", dash="3 3", where=9),
        Line("", [(n, p) for n, _, p in other], "other", dash="4 3"),
        Line("", [(n, p) for n, (_, p) in by_users.items()], "weights"),
        Mark(quantity(price, "USD/Mtok"), users, price, "prompt"),
    ]
    x = Axis("users", -4, USERS[-1])
    drawing = {
        "Mean gap between two tokens of a user": chart(gaps, x, Axis("ms", 0, 60), 240, "users"),
        "Price of a million output tokens": chart(
            prices, x, Axis("dollars", 0.5, 50, log=True), 240, "users"
        ),
    }
    said = (
        f"{counted(users, 'user')}: a gap of {digits(gap)} ms and "
        f"{quantity(price, 'USD/Mtok')}. From about {even:.0f} users on, their own caches and "
        "prompts take longer than what all share: the price falls slowly, and the gap still grows."
    )
    return Drawn(drawing, said, _batch_table(shared, f"Candidate B, {label[shared]}"))


def _batch_table(shared, caption):
    within = _judged(shared)
    rows = [
        (
            f"{n:,}",
            *(quantity(s, "s") for s in (g / 1e3, within[n])),
            quantity(p, "USD/Mtok"),
            kv_share(_b(), n),
        )
        for n, g, p in _curve(shared)
        if n in (1, 2, 4, 8, 16, 32, 48)
    ]
    heads = ("users", "mean gap", tail_label(GAP), "price", "cache in reading")
    return show.table(heads, rows, caption)


def kv_share(d, users, context=8000):
    """Write what share of a decode step's reading is caches.

    Parameters
    ----------
    d : Deployment
        What runs.
    users : int
        In the step.
    context : int
        Of each [tokens].

    Returns
    -------
    str
        A whole percentage.
    """
    step = bandwidth.decode_step(d, context_tokens=context, concurrency=users)
    return f"{step.kv_bytes / (step.kv_bytes + step.weight_bytes):.0%}"


# ---- a published load test ------------------------------------------------------------

FIRST_ROWS = (7973, 7976, 7979, 7982)  # of each number of users: the gap, then the rate
SEEN = {"gap between tokens": ("itl_s", 1e3, "ms"), "output": ("output_tok_s_card", 2, "tok/s")}


@cache
def _test():
    """Users, gap [ms] and output [tok/s] of the test, on two cards."""
    rows = measured()
    return [
        (
            int(rows[f"m0{n}"]["concurrency"]),
            float(rows[f"m0{n}"]["value"]),
            float(rows[f"m0{n + 1}"]["value"]),
        )
        for n in FIRST_ROWS
    ]


def _measured(what):
    name, scale, unit = SEEN[what]
    pair = toolbox.change_engine(_b(), "trtllm-1.0")
    load = replace(WORKED_WORKLOAD, input_tokens=5000, output_tokens=500)

    def line(efficiency):
        return [
            (n, scale * getattr(read(pair, replace(load, concurrency=n), efficiency), name))
            for n in (1, 5, 10, 15, 20, 25, 30, 40, 50)
        ]

    best, real = line(CEILING), line(None)
    seen = [(row[0], row[1] if name == "itl_s" else row[2]) for row in _test()]
    marks: list[Drawable] = [
        Line("ceiling", best, "other", dash="5 4", where=34),
        Line("estimate", real, "weights", where=40),
        *(Mark(digits(y), x, y, "prompt", hollow=True, below=name == "itl_s") for x, y in seen),
    ]
    drawing = chart(marks, Axis("users", -4, 52), Axis(unit, 0))
    worst = max(abs(dict(real)[n] / value - 1) for n, value in seen)
    said = (
        f"Rings are the test, on the same model and cards. The estimate is within "
        f"{worst:.0%} of every one; the ceiling is up to "
        f"{max(max(dict(best)[n] / v, v / dict(best)[n]) for n, v in seen):.1f} times off."
    )
    rows = [(f"{n}", digits(dict(best)[n]), digits(v), digits(dict(real)[n])) for n, v in seen]
    caption = f"Llama-3.1-70B on 2x H100, 5,000 tokens in, 500 out: {what}, {unit}"
    return Drawn(drawing, said, show.table(("users", "ceiling", "test", "estimate"), rows, caption))


# ---- drafted tokens --------------------------------------------------------------------

STEPS = (1, 2, 4, 8, 16, 24, 32, 48)
DRAFT = "llama-3.1-8b"


@cache
def drafted(users, tokens, accept, is_ceiling=False):
    """Compute how many times as fast the decode step of candidate B gets with drafted tokens.

    Parameters
    ----------
    users : int
        In the step, with 8,000 tokens each.
    tokens : int
        Drafted for a pass [tokens].
    accept : float
        Chance that a drafted token is right.
    is_ceiling : bool
        Whether at full speed.

    Returns
    -------
    float
        Time for a token of a user without, over the time with.
    """
    with_draft = toolbox.speculate(_b(), tokens=tokens, accept=accept, draft=DRAFT)
    e = CEILING if is_ceiling else calibration.efficiency_for(_b())
    alone, guessed = (
        bandwidth.decode_step(d, context_tokens=8000, concurrency=users, efficiency=e).itl_s
        for d in (_b(), with_draft)
    )
    return alone / guessed


def _speculation(users, tokens, accept):
    given = tokens, int(accept.rstrip("%")) / 100
    average = bandwidth.tokens_per_step(accept=given[1], tokens=tokens)
    here = drafted(users, *given)
    marks: list[Drawable] = [
        Line(f"tokens a pass: {average:.2f}", [(1, average), (48, average)], "host", dash="3 3"),
        Line("ceiling", [(n, drafted(n, *given, True)) for n in STEPS], "other", dash="5 4"),
        Line("estimate", [(n, drafted(n, *given)) for n in STEPS], "weights"),
        Line("", [(1, 1.0), (48, 1.0)], "edge", width=1.0),
        Mark(f"{here:.2f}x", users, here, "prompt", below=True),
    ]
    drawing = chart(
        marks,
        Axis("users in the step", -4, STEPS[-1]),
        Axis("times as fast as without a draft", 0, 4.5),
        drag="users",
    )
    said = (
        f"A pass that checks {counted(tokens, 'drafted token')} gives {average:.2f} tokens on "
        f"average. With {counted(users, 'user')} a token comes {here:.2f} times as fast: the "
        "draft takes its own time, and more tokens in the pass take more arithmetic and launches."
    )
    rows = [
        (
            f"{n}",
            *(f"{drafted(n, tokens, p):.2f}x" for p in (0.5, 0.7, 0.9)),
            f"{drafted(n, *given, True):.2f}x",
        )
        for n in (1, 4, 16, 48)
    ]
    caption = f"Candidate B, Llama-3.1-8B drafts {counted(tokens, 'token')}: decode step"
    columns = ("users", "50% right", "70%", "90%", f"{accept}, ceiling")
    return Drawn(drawing, said, show.table(columns, rows, caption))


PICTURES = {
    "prefix-round": Picture(
        "A round of answers, with the prefix computed and with it cached",
        _round,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("mfu", "MFU", ("1.0", "0.6", "0.4"), "0.6"),
        ),
    ),
    "prefix-gain": Picture(
        "What a cached prefix gives, by the number of users",
        _prefix,
        (Control("users", "Users", USERS, 16, "users"),),
    ),
    "prefix-room": Picture(
        "The same pool, with the prompt kept for each user and kept once",
        _room,
        (
            Control("shared", "Shared", tuple(range(1000, 7000, 1000)), 6000, "tokens"),
            Control("candidate", "Candidate", tuple(ROOM), "A at 0.98"),
        ),
    ),
    "batch-price": Picture(
        "More users: a cheaper token, and a longer gap",
        _batch,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("prefix", "Prefix", ("computed", "cached"), "computed"),
        ),
    ),
    "batch-measured": Picture(
        "The same shape, in a published load test",
        _measured,
        (Control("what", "Show", tuple(SEEN), "gap between tokens"),),
    ),
    "speculation": Picture(
        "What drafted tokens give, by the number of users",
        _speculation,
        (
            Control("users", "Users", STEPS, 16, "users"),
            Control("tokens", "Drafted", (1, 2, 3, 4, 6), 3, "tokens"),
            Control("accept", "Right", ("50%", "70%", "90%"), "70%"),
        ),
    ),
}
