"""Pictures of chapter 5."""

import math
import statistics
from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, calibration, capacity, catalog, design, law
from llmcap_kernel.calibration import cache_until_reload
from llmcap_kernel.evidence import weak_spots
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.spec import Tail

from ..calculators import published
from ..figures import show
from ..figures.drawing import Drawing, Scale
from ..figures.plots import (
    PLOT_BOTTOM,
    PLOT_TOP,
    Axis,
    Bar,
    Dots,
    Drawable,
    Line,
    Mark,
    Part,
    bars,
    chart,
)
from .record import Control, Drawn, Picture, counted

SPEC, SLO = design.WORKED_WORKLOAD, design.WORKED_SLO
SHARED = 6000  # tokens of the prompt that all users have in common
GAP = SLO.tails[0]  # which gap the spec limits
GAP_LABEL = design.tail_label(GAP)
ALLOWED = (1e3 * GAP.bound_s, f"{1e3 * GAP.bound_s:g} ms allowed")
GIB = 2**30
USERS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128)
MANY = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
GAPS_MS = (15, 20, 25, 30, 35, 40, 45, 50, 60, 80, 100)
CARD_NAMES = {
    "l40s": "L40S",
    "a100-sxm-80gb": "A100",
    "h100-sxm": "H100",
    "h200-sxm": "H200",
    "b200-sxm": "B200",
}
OWN, KEPT = "each user's own", "kept once"
PREFIX = Control("prefix", "System prompt", (OWN, KEPT), OWN)


def _load(users, prefix=OWN):
    kept = SHARED if prefix == KEPT else 0
    return replace(SPEC, concurrency=users, shared_prefix_tokens=kept)


def _limits_of(gap):
    """The spec with another gap [ms]."""
    return replace(SLO, tails=(Tail(GAP.quantity, GAP.percent, gap / 1e3),))


def _named(limit):
    """A limit by what runs out."""
    return "latency" if limit.name == GAP.name else limit.name


@cache
def _deployments():
    """A with nearly all of its card, as it does not start with less; B; and C, split two ways."""
    a, b, c = design.worked_spec()
    return {
        "A": replace(a, memory_fraction=design.MAX_FRACTION),
        "B": b,
        "C": c,
        "C, DP": replace(c, dp_attention=True),
    }


# ---- headroom: available over required -------------------------------------------------

ROW = 40  # pixels of a limit: its words, its bar
LEAST, MOST = 0.1, 10.0


def _headroom_bars(rows):
    """Draw how far each of several limits is met, from the line where it is just met.

    Rows are name, words, headroom and the ends of its interval.
    """
    across = Scale(LEAST, MOST, 1, 99, log=True)
    drawing = Drawing(len(rows) * ROW + 26)
    one, foot = across(1), len(rows) * ROW
    for at, (name, words, value, low, high) in enumerate(rows):
        y = at * ROW
        drawing.text(0, y + 14, name, bold=True)
        drawing.text(100, y + 14, words, "quiet", small=True, anchor="end")
        drawing.rect(0, y + 20, 100, 12, "panel", edge="rule")
        end = across(value)
        ink = "good" if value >= 1 else "bad"
        drawing.rect(min(one, end), y + 20, abs(end - one), 12, ink, hover=f"{name}: {words}")
        if low != high:
            left, right = across(low), across(high)
            drawing.line(left, y + 26, right, y + 26, "ground", width=4)
            drawing.line(left, y + 26, right, y + 26, "text", width=1.5)
            for end in (left, right):
                drawing.line(end, y + 21, end, y + 31, "text", width=1.5)
        drawing.line(one, y + 17, one, y + 35, "text", width=2)
    drawing.line(0, foot, 100, foot, "edge")
    for value in (0.1, 0.3, 1.0, 3.0, 10.0):
        words = "just met" if value == 1 else f"{value:g}x"
        anchor = {0.1: "start", 10.0: "end"}.get(value, "middle")
        drawing.text(across(value), foot + 17, words, "quiet", small=True, anchor=anchor)
    return drawing


def _ends(limit):
    """The unfavourable and the favourable end of a limit's headroom."""
    e = limit.estimate
    if limit.name == "capacity":
        return e.low / limit.bound, e.high / limit.bound
    return limit.bound / e.high, limit.bound / e.low


def _beside(limit):
    """What there is, of what is allowed or wanted."""
    if limit.name == "capacity":
        return f"{limit.estimate.value:,.0f} of {limit.bound:,.0f} users"
    have, allowed = (quantity(x, limit.unit) for x in (limit.estimate.value, limit.bound))
    return f"{have} of {allowed}"


def _limit_row(limit, more):
    name = f"{_named(limit)} {more}".rstrip()
    return (name, f"{_beside(limit)}: {limit.words}", limit.headroom, *_ends(limit))


def _binding(candidate, users, gap):
    card = design.card(_deployments()[candidate[0]], _load(users), _limits_of(gap))
    order = {"capacity": 0, "latency": 1, "budget": 2}
    least = card.limits[0]
    rows = [
        _limit_row(one, "binds" if one is least else "")
        for one in sorted(card.limits, key=lambda one: order[_named(one)])
    ]
    how = "binds with" if least.holds else "is not met:"
    said = (
        f"{_named(least).capitalize()} {how} {digits(least.headroom)} times what is required: "
        f"{least.sentence}."
    )
    table = show.table(
        ("limit", "required", "available", "headroom", "verdict"),
        [
            (
                _named(one),
                digits(one.required),
                digits(one.available),
                f"{one.headroom:.2f}x",
                one.words,
            )
            for one in card.limits
        ],
        f"{candidate}, {counted(users, 'users')}; a gap is compared as tokens a second",
    )
    return Drawn(_headroom_bars(rows), said, table)


# ---- three cuts in one picture ----------------------------------------------------------

CUT_CARDS = ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm")
COUNTS = (1, 2, 4, 8)
CUTS_HIGH = 290  # pixels
GB, TB_S = (50.0, 2500.0), (1.0, 100.0)  # ends of the axes


def _asked(weights, users, gap):
    """Bytes to hold, and bytes a second to read."""
    model, number_format = catalog.model("llama-3.1-70b"), catalog.format(weights)
    sizes = law.weight_bytes(model, number_format)
    caches = users * law.kv_bytes_per_sequence(model, number_format, SPEC.context_tokens)
    return sizes.stored_bytes + caches, (sizes.dense_read_bytes + caches) / (gap / 1e3)


def _offers():
    """Card, how many, memory, bandwidth and rent of each."""
    for name in CUT_CARDS:
        gpu, rent = catalog.gpu(name), catalog.reference_price(name) or {"usd_h": math.inf}
        for n in COUNTS:
            memory, rate = n * capacity.usable_bytes(gpu), n * gpu.bandwidth_bytes_s
            yield CARD_NAMES[name], n, memory, rate, n * rent["usd_h"]


def _cuts(weights, users, gap):
    hold, read = _asked(weights, users, gap)
    offers = list(_offers())
    drawing = chart(
        [
            *(
                Line("", [(m / 1e9, r / 1e12) for c, _, m, r, _ in offers if c == name], "rule")
                for name in map(CARD_NAMES.get, CUT_CARDS)
            ),
        ],
        Axis("memory of all cards, GB", *GB, log=True),
        Axis("bandwidth of all cards, TB/s", *TB_S, log=True),
        height=CUTS_HIGH,
    )
    across, down = drawing.across, drawing.down
    edge = across(hold / 1e9), down(read / 1e12)
    drawing.line(edge[0], PLOT_TOP, edge[0], CUTS_HIGH - PLOT_BOTTOM, "cache", dash="3 3")
    drawing.line(0, edge[1], 100, edge[1], "weights", dash="3 3")
    drawing.rect(edge[0], PLOT_TOP, 100 - edge[0], max(edge[1] - PLOT_TOP, 0), "good", dim=0.1)
    drawing.text(100, edge[1] + 15, f"read {quantity(read, 'bytes/s')}", "weights", small=True,
                 anchor="end", halo=True)  # fmt: skip
    side = "end" if edge[0] > 60 else "start"
    drawing.text(edge[0] + (-1.5 if side == "end" else 1.5), CUTS_HIGH - PLOT_BOTTOM - 8,
                 f"hold {quantity(hold, 'bytes')}", "cache", small=True, anchor=side,
                 halo=True)  # fmt: skip
    rows, good = [], []
    for name, n, memory, rate, rent in offers:
        passed = memory >= hold, rate >= read, rent <= SLO.usd_h
        ink = "good" if all(passed) else "other"
        at = across(memory / 1e9), down(rate / 1e12)
        what = f"{n}x {name}, {quantity(rent, 'USD/h')}"
        drawing.dot(*at, ink, radius=6, hollow=not passed[2], hover=what)
        drawing.text(at[0], at[1] - 9, f"{n}", ink, small=True, anchor="middle", halo=True)
        if (name in ("A100", "H100"), n) in ((True, 1), (False, 8)):
            beside = (-2, "end") if n == 1 else (2, "start")
            drawing.text(at[0] + beside[0], at[1] + 4, name, bold=True, small=True,
                         anchor=beside[1], halo=True)  # fmt: skip
        words = ["yes" if one else "no" for one in passed]
        rows.append((f"{n}x {name}", words[0], words[1], f"{quantity(rent, 'USD/h')}: {words[2]}"))
        good += [what] if all(passed) else []
    said = (
        f"{len(good)} of {len(offers)} pass all three cuts, the cheapest by the hour being "
        f"{min(good, key=lambda w: float(w.split('$')[1].removesuffix('/h')))}."
        if good
        else "Nothing here passes all three cuts."
    ) + " Rings cost more than $30 an hour."
    columns = ("cards", "holds it", "reads it in time", "rent")
    caption = f"{weights} weights and cache, {counted(users, 'users')}, {gap} ms at the ceiling"
    return Drawn(drawing, said, show.table(columns, rows, caption))


# ---- two models: what is stored, and what a step reads -----------------------------------


def _two_models(users):
    fp8, rows, table = catalog.format("fp8"), [], []
    room = 8 * catalog.gpu("h100-sxm").memory_sold_bytes
    for name, label in (("B", "Llama-3.1-70B"), ("C", "DeepSeek-V3")):
        one = replace(_deployments()[name], tp=1)
        step = bandwidth.decode_step(one, context_tokens=SPEC.context_tokens, concurrency=users)
        stored = law.weight_bytes(one.model, fp8).stored_bytes
        active, token = one.model.active_params, law.kv_bytes_per_sequence(one.model, fp8, 1)
        sizes = [quantity(x, "bytes") for x in (stored, step.weight_bytes, step.kv_bytes)]
        rows += [
            Bar(f"{label} stores {sizes[0]}", [Part("", stored / 1e9, "other")], names=False),
            Bar(
                f"and reads in a step of {users}:",
                [
                    Part("weights", step.weight_bytes / 1e9, "weights", said=sizes[1]),
                    Part("caches", step.kv_bytes / 1e9, "cache", said=sizes[2]),
                ],
            ),
        ]
        table.append((label, quantity(active, "params"), *sizes, quantity(token, "bytes")))
    drawing = bars(
        rows, "GB", thick=14, longest=780, limit=(room / 1e9, f"8 H100: {quantity(room, 'bytes')}")
    )
    said = (
        f"A step of {counted(users, 'users')} reads {table[0][3]} of weights in Llama and "
        f"{table[1][3]} in DeepSeek-V3, where a single token passes through "
        f"{table[1][1]} parameters."
    )
    columns = ("model", "active", "stored", "read", "caches", "a token")
    return Drawn(drawing, said, show.table(columns, table, f"FP8, {counted(users, 'users')}"))


# ---- the first card pays for the weights ---------------------------------------------------


def _second_card(fraction, weights):
    rows, table = [], []
    for n in (1, 2, 4):
        d = replace(
            _deployments()["B"], tp=n, weights=catalog.format(weights), memory_fraction=fraction
        )
        books = capacity.ledger(d, context_tokens=SPEC.context_tokens)
        held, room = books.weights_bytes * n, books.kv_pool_bytes * n
        rest = (books.budget_bytes - books.weights_bytes - books.kv_pool_bytes) * n
        users = books.max_concurrent
        label = counted(n, "cards") + (
            f": {counted(users, 'users')}" if books.starts else ": does not start"
        )
        parts = [
            Part("weights", held / GIB, "weights"),
            Part("the engine's own", rest / GIB, "other"),
            Part("room", max(room, 0) / GIB, "cache"),
            Part("lacking", max(-room, 0) / GIB, "", missing=True),
        ]
        rows.append(Bar(label, [p for p in parts if p.size]))
        table.append((counted(n, "cards"), held / GIB, rest / GIB, room / GIB, users))
    one, two = table[0][3], table[1][3]
    said = f"The weights take {digits(table[0][1])} GiB, whatever the number of cards. " + (
        f"One card leaves {digits(one)} GiB for users, two leave {digits(two)}: "
        f"{digits(two / one, 2)} times as much."
        if one > 0
        else f"One card lacks {digits(-one)} GiB; two leave {digits(two)} for users."
        if two > 0
        else f"Two cards lack {digits(-two)} GiB; four leave {digits(table[2][3])} for users."
    )
    rows = [replace(r, parts=[_inked(p) for p in r.parts]) for r in rows]
    columns = ("", "weights", "engine", "room", "users")
    caption = f"GiB of all cards, {weights} weights, memory fraction {fraction:g}"
    return Drawn(bars(rows, "GiB", thick=18), said, show.table(columns, table, caption))


def _inked(part):
    return replace(part, ink="bad") if part.missing else part


# ---- what a prefix cache buys --------------------------------------------------------------


@cache_until_reload
def _served(name, users, kept):
    load = replace(SPEC, concurrency=users, shared_prefix_tokens=kept)
    return calibration.estimates(_deployments()[name], load)


def _room(name, kept):
    load = replace(SPEC, shared_prefix_tokens=kept)
    return capacity.workload_ledger(_deployments()[name], load)


def _prefix_buys(users, kept):
    both = [_served("B", users, n) for n in (0, kept)]
    rooms = [_room("B", n) for n in (0, kept)]
    found: dict[str, tuple[str, list[tuple[float, float, float]]]] = {
        "First token, mean": ("s", [(e.ttft_s.value, e.ttft_s.low, e.ttft_s.high) for e in both]),
        "Output of all users": (
            "tok/s",
            [(e.output_tok_s.value, e.output_tok_s.low, e.output_tok_s.high) for e in both],
        ),
        "Users that fit": (
            "users",
            [
                (
                    float(r.max_concurrent),
                    float(r.concurrent_interval[0]),
                    float(r.concurrent_interval[1]),
                )
                for r in rooms
            ],
        ),
    }
    drawings, table = {}, []
    for name, (unit, ends) in found.items():
        (before, *_), (after, *_) = ends
        times = before / after if unit == "s" else after / before
        what = {"s": "sooner", "tok/s": "as much", "users": "as many"}[unit]
        rows = [
            Bar(
                f"{label}: {_written(value, unit)}",
                [Part("", value, ink)],
                low=low,
                high=high,
                names=False,
            )
            for label, ink, (value, low, high) in (
                ("own prompts", "other", ends[0]),
                (f"{kept:,} tokens kept", "prompt", ends[1]),
            )
        ]
        drawings[f"{name}: {digits(times, 2)} times {what}"] = bars(rows, unit, thick=12)
        table.append((name, *(_written(v, unit) for v, *_ in ends), f"{times:.2f}x"))
    drawings["Output, as users grow"] = _gain_curve(users, kept)
    said = (
        f"With {counted(users, 'users')} and {kept:,} shared tokens, output is "
        f"{table[1][3][:-1]} times as much, a first token comes {table[0][3][:-1]} times sooner, "
        f"and {table[2][3][:-1]} times the users fit."
    )
    columns = ("", "own prompts", "kept once", "times")
    return Drawn(drawings, said, show.table(columns, table, f"B, {counted(users, 'users')}"))


def _written(value, unit):
    return f"{value:,.0f} users" if unit == "users" else quantity(value, unit)


GAIN_USERS = (1, 2, *range(4, 49, 4))


@cache_until_reload
def _gain(users, kept):
    with_cache, without = (_served("B", users, n).output_tok_s.value for n in (kept, 0))
    return with_cache / without


def _gain_curve(users, kept):
    points, here = [(n, _gain(n, kept)) for n in GAIN_USERS], _gain(users, kept)
    drawing = chart(
        [
            Line("", [(1, 2), (48, 2)], "bad", low=[2, 2], high=[3, 3], width=0.5),
            Line("", points, "prompt"),
            Mark(f"{here:.2f} times", users, here, below=True),
        ],
        Axis("users", 1, 48),
        Axis("times the output without", 0.8, 3.1),
        height=200,
        drag="users",
    )
    words = "the slogan: 2 to 3 times"
    drawing.text(50, PLOT_TOP + 26, words, "bad", bold=True, anchor="middle")
    return drawing


# ---- engines on one workload ---------------------------------------------------------------

ENGINES = ("vllm", "sglang", "trtllm", "llama.cpp")
QUANTITIES = {
    "mean gap": ("itl_s", "s"),
    "95 of 100 gaps": (GAP.name, "s"),
    "first token": ("ttft_s", "s"),
    "price": ("usd_mtok", "USD/Mtok"),
    "users that fit": ("", "users"),
}


@cache_until_reload
def _engine_cards(prefix, users):
    base = _deployments()["B"]
    found = []
    for name in ENGINES:
        engine = catalog.engine(name)
        # llama.cpp has a slot for each user: its own four would keep the others waiting
        seqs = users if engine.family == "llama.cpp" else None
        d = replace(base, engine=engine, memory_fraction=None, max_num_seqs=seqs)
        title = engine.title.replace(" server 2026-11", "")
        found.append((title, design.card(d, _load(users, prefix), SLO)))
    return found


def _engine_values(card, quantity_name):
    name, unit = QUANTITIES[quantity_name]
    if unit == "users":
        return float(card.max_concurrent), *map(float, card.ledger.concurrent_interval)
    one = dict(card.percentiles())[GAP_LABEL] if name == GAP.name else getattr(card.estimates, name)
    return one.value, one.low, one.high


def _engines(what, prefix, users):
    _, unit = QUANTITIES[what]
    gap = what in ("mean gap", "95 of 100 gaps")
    scale = 1e3 if gap else 1
    shown = "ms" if gap else {"first token": "s", "price": "$/M"}.get(what, "users")
    rows, ends = [], []
    for title, card in _engine_cards(prefix, users):
        value, low, high = _engine_values(card, what)
        ends.append((title, value, low, high))
        label = f"{title}: {_written(value, unit)}"
        rows.append(
            Bar(
                label,
                [Part("", value * scale, "weights" if what != "users that fit" else "cache")],
                low=low * scale,
                high=high * scale,
                names=False,
            )
        )
    limit = {
        "95 of 100 gaps": ALLOWED,
        "users that fit": (users, f"{users} wanted"),
    }.get(what)
    drawing = bars(rows, shown, thick=14, limit=limit, axis=True)
    three = [one for one in ends if "llama.cpp" not in one[0]]
    apart = max(v for _, v, *_ in three) / min(v for _, v, *_ in three)
    wide = max(high / low for *_, low, high in three if low)
    said = (
        f"The first three lie within {apart - 1:.0%} of each other, and the interval of each "
        f"spans a factor of {digits(wide, 2)}."
    )
    table = show.table(
        ("engine", "estimate", "from", "to"),
        [(t, *(_written(x, unit) for x in values)) for t, *values in ends],
        f"{what} on B, {counted(users, 'users')}, system prompt {prefix}",
    )
    return Drawn(drawing, said, table)


# ---- the scorecard ---------------------------------------------------------------------------

AS_GIVEN, BEST = "as specified", "best case"


@cache_until_reload
def _columns(setting, users):
    a, b, c = design.worked_spec()
    if setting == BEST:
        a, c = _deployments()["A"], _deployments()["C, DP"]
    prefix = KEPT if setting == BEST else OWN
    return design.scorecard({"A": a, "B": b, "C": c}, _load(users, prefix), SLO)


def _scorecard(setting, users):
    found = _columns(setting, users)
    kinds = {
        GAP_LABEL: (GAP.name, "ms", 1e3, ALLOWED, "weights"),
        "Users that fit": ("", "users", 1, (users, f"{users} wanted"), "cache"),
        "Rent": ("rent", "$/h", 1, (30.0, "$30/h allowed"), "other"),
        "Price of output": ("usd_mtok", "$/M", 1, None, "link"),
    }
    drawings, table = {}, []
    for heading, (name, unit, scale, limit, ink) in kinds.items():
        rows, cells = [], []
        for card in found.cards:
            value, low, high, words = _cell(card, name)
            cells.append(words)
            rows.append(
                Bar(
                    f"{card.label}: {words}",
                    [Part("", value * scale, ink)] if value else (),
                    low=low and low * scale,
                    high=high and high * scale,
                    names=False,
                )
            )
        full = max(users * 3.5, 60) if unit == "users" else None
        rows = [_cut(row, full) for row in rows] if full else rows
        drawings[heading] = bars(rows, unit, thick=12, limit=limit, longest=full)
        table.append((heading, *cells))
    binds = [c.limits[0] for c in found.cards]
    table.append(("What binds", *(f"{_named(one)}, {one.words}" for one in binds)))
    said = _verdict(found)
    columns = ("", *(c.label for c in found.cards))
    caption = f"{counted(users, 'users')}, {setting}"
    return Drawn(drawings, said, show.table(columns, table, caption))


def _verdict(found):
    best = found.winner
    others = [_why(c, best) for c in found.cards if c is not best]
    return ". ".join([f"Run {best.label}" if best else "None meets every limit", *others]) + "."


def _why(card, best):
    least = card.limits[0]
    if card.meets_all:
        times = card.usd_mtok.value / best.usd_mtok.value
        return f"{card.label} costs {digits(times, 2)} times as much"
    how = "cannot meet" if least.verdict == "impossible" else "misses"
    return f"{card.label} {how} {_named(least)}: {_beside(least)}"


def _cut(row, full):
    """A bar no longer than the picture: what lies beyond is in its words."""
    parts = [replace(p, size=min(p.size, full)) for p in row.parts]
    return replace(
        row,
        parts=parts,
        low=row.low and min(row.low, full),
        high=row.high and min(row.high, full),
    )


def _cell(card, name):
    """Value, ends of its interval and words of a cell; nothing where the engine does not start."""
    if name == "rent":
        return card.usd_h, None, None, quantity(card.usd_h, "USD/h")
    if not name:
        low, high = card.ledger.concurrent_interval
        ends = (float(low), float(high)) if card.starts else (None, None)
        return card.max_concurrent, *ends, f"{card.max_concurrent:,} users"
    known = dict(card.percentiles())
    one = known[GAP_LABEL] if name == GAP.name else getattr(card.estimates, name, None)
    if one is None:
        return 0.0, None, None, "does not start"
    unit = "s" if name == GAP.name else "USD/Mtok"
    return one.value, one.low, one.high, quantity(one.value, unit)


# ---- the price of a token depends on the load ------------------------------------------------


@cache_until_reload
def _price(name, prefix, users):
    """Price of copies for all users, and the ends of its interval; the copies."""
    d = _deployments()[name]
    fleet = design.fleet(d, _load(1, prefix), SLO, users=users)
    if not fleet.copies:
        return None
    share = max(users // fleet.copies, 1)
    rate = calibration.estimates(d, _load(share, prefix)).output_tok_s
    price = fleet.usd_mtok or 0.0  # no rent known
    return price, price * rate.value / rate.high, price * rate.value / rate.low, fleet.copies


def _price_line(label, name, prefix, stops, ink, where=None, band=True):
    found = [(n, _price(name, prefix, n)) for n in stops]
    found = [(n, p) for n, p in found if p]
    return Line(
        label,
        [(n, p[0]) for n, p in found],
        ink,
        low=[p[1] for _, p in found] if band else (),
        high=[p[2] for _, p in found] if band else (),
        where=where,
    )


def _price_of_load(users, prefix):
    names = {"B": "weights", "C": "link", "C, DP": "prompt"}
    words = {"B": "B", "C": "C, TP-8", "C, DP": "C, DP attention"}
    here = {name: _price(name, prefix, users) for name in names}
    marks: list[Drawable] = [
        _price_line("", n, prefix, MANY, ink, band=n != "C") for n, ink in names.items()
    ]
    marks += [Mark("", users, here[name][0], ink) for name, ink in names.items()]
    ticks_at = {0.5: "$0.50", 1.0: "$1", 3.0: "$3", 10.0: "$10", 30.0: "$30", 100.0: "$100"}
    x = Axis("users, all copies together", 1, MANY[-1], log=True)
    y = Axis("$ for a million output tokens", 0.5, 600, log=True, at=ticks_at)
    drawing = chart(marks, x, y, height=270, drag="users")
    for i, (name, ink) in enumerate(names.items()):
        price, _, _, copies = here[name]
        label = f"{words[name]}: {quantity(price, 'USD/Mtok')}, {_copies(copies)}"
        drawing.text(100, PLOT_TOP + 12 + 16 * i, label, ink, bold=True, small=True,
                     anchor="end", halo=True)  # fmt: skip
    times = [here[name][0] / here["B"][0] for name in ("C", "C, DP")]
    said = (
        f"For {counted(users, 'users')} a token on C costs {digits(times[0], 2)} times as much as "
        f"on B, and {digits(times[1], 2)} times with data-parallel attention."
    )
    rows = [
        (
            f"{n:,}",
            *(
                f"{quantity(p[0], 'USD/Mtok')}, {p[3]}"
                for p in (_price(k, prefix, n) for k in names)
            ),
        )
        for n in (1, 16, 64, 256, 1024)
    ]
    columns = ("users", *words.values())
    return Drawn(drawing, said, show.table(columns, rows, "Price of output, and copies rented"))


def _copies(n):
    return "1 copy" if n == 1 else f"{n} copies"


HOUR_USERS = tuple(range(1, 65))


def _cheap_hour(users, prefix):
    a, b = (_price(name, prefix, users) for name in "AB")
    marks: list[Drawable] = [
        _price_line("", "A", prefix, HOUR_USERS, "link"),
        _price_line("", "B", prefix, HOUR_USERS, "weights"),
        Mark("", users, a[0], "link"),
        Mark("", users, b[0], "weights"),
    ]
    ticks_at = {1.0: "$1", 3.0: "$3", 10.0: "$10", 30.0: "$30"}
    drawing = chart(
        marks,
        Axis("users", 1, 64),
        Axis("$ for a million output tokens", 0.8, 90, log=True, at=ticks_at),
        height=240,
        drag="users",
    )
    for i, (name, ink, (price, _, _, copies)) in enumerate((("A", "link", a), ("B", "weights", b))):
        d = _deployments()[name]
        label = (
            f"{name}, {_copies(copies)}: {quantity(copies * d.usd_h_all, 'USD/h')}, "
            f"{quantity(price, 'USD/Mtok')}"
        )
        drawing.text(100, PLOT_TOP + 12 + 16 * i, label, ink, bold=True, small=True,
                     anchor="end", halo=True)  # fmt: skip
    said = (
        f"{counted(users, 'users').capitalize()} take {_copies(a[3])} of A, and a token then costs "
        f"{digits(a[0] / b[0], 2)} times what it costs on {_copies(b[3])} of B, though one A is "
        "half the rent of one B."
    )
    rows = []
    for n in (1, 4, 8, 16, 32, 64):
        pair = [_price(name, prefix, n) for name in "AB"]
        cells = [f"{quantity(p[0], 'USD/Mtok')}, {p[3]}" for p in pair]
        rows.append((f"{n}", *cells, f"{pair[0][0] / pair[1][0]:.2f}x"))
    columns = ("users", "A, copies", "B, copies", "A / B")
    return Drawn(drawing, said, show.table(columns, rows, f"Price of output, prompt {prefix}"))


# ---- why not the next one --------------------------------------------------------------------


def _why_not(users, gap):
    found = design.search(
        _load(users),
        _limits_of(gap),
        models=("llama-3.1-70b",),
        rank="usd_mtok",
        gpus=CARD_NAMES,
        weights=("fp8",),
        kv=("fp8",),
        tps=(1, 2),
    )
    rows, table = [], []
    for card in found.by_hardware:
        d, least = card.deployment, card.limits[0]
        name = f"{d.num_gpus}x {CARD_NAMES[d.gpu.name]}"
        price = quantity(card.usd_mtok.value, "USD/Mtok") if card.usd_mtok else "no price"
        label = f"{name}: {price}" if card.starts else f"{name}: does not start"
        words = f"{_named(least)} {least.headroom:.2f}x, {least.words}"
        rows.append((label, words, least.headroom, *_ends(least)))
        table.append((name, price, _named(least), _beside(least), least.words))
    good = [c for c in found.by_hardware if c.meets_all]
    said = (
        f"{len(good)} of {len(rows)} meet every limit; by the token {table[0][0]} is the cheapest."
        if good
        else "Nothing on this list meets every limit."
    )
    columns = ("cards", "output", "binds", "has", "verdict")
    caption = f"FP8 weights and cache, {counted(users, 'users')}, {gap} ms; the cheapest first"
    return Drawn(_headroom_bars(rows), said, show.table(columns, table, caption))


# ---- a square that is not there ----------------------------------------------------------------

CONTEXTS = (2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)


def _times_of(context):
    """Seconds of a step and of its attention, and FLOP of a prompt's attention."""
    one = _deployments()["B"]
    step = bandwidth.decode_step(one, context_tokens=context, concurrency=1)
    return step.total_s, step.attention_s, law.prefill_attention_flops(one.model, context)


def _square(context):
    first, here = _times_of(CONTEXTS[0]), _times_of(context)
    names = {
        "whole decode step": "other",
        "attention of a decode step": "cache",
        "attention of a prompt": "prompt",
    }
    lines = [
        Line("", [(n, _times_of(n)[i] / first[i]) for n in CONTEXTS], ink)
        for i, ink in enumerate(names.values())
    ]
    marks = [Mark("", context, here[i] / first[i], ink) for i, ink in enumerate(names.values())]
    drawing = chart(
        [*lines, *marks],
        Axis("context, tokens", CONTEXTS[0], CONTEXTS[-1], log=True,
             at={2000: "2K", 8000: "8K", 32_000: "32K", 128_000: "128K"}),
        Axis("as a multiple of 2,000 tokens", 0.7, 6000, log=True),
        height=240,
        drag="context",
    )  # fmt: skip
    for i, (name, ink) in enumerate(reversed(names.items())):
        times = here[2 - i] / first[2 - i]
        drawing.text(6 if i < 3 else 0, PLOT_TOP + 14 + 16 * i, f"{name}: {digits(times)} times",
                     ink, bold=True, small=True, anchor="start", halo=True)  # fmt: skip
    longer = context / CONTEXTS[0]
    said = (
        f"{digits(longer)} times the context: a prompt's attention is {digits(here[2] / first[2])} "
        f"times the work, a decode step's attention {digits(here[1] / first[1])} times, and the "
        f"whole step takes {digits(here[0] / first[0])} times as long."
    )
    rows = [
        (
            f"{n:,}",
            quantity(t[0], "s"),
            quantity(t[1], "s"),
            quantity(t[2], "FLOP"),
        )
        for n, t in ((n, _times_of(n)) for n in CONTEXTS)
    ]
    columns = ("tokens", "decode step", "its attention", "a prompt's attention")
    caption = "Llama-3.1-70B on B, one user, at the ceiling"
    return Drawn(drawing, said, show.table(columns, rows, caption))


# ---- when the prediction lies --------------------------------------------------------------------


@cache
def _runs():
    """Served runs of this model: measured gap, ceiling and estimate [ms], inside its interval."""
    return [
        row
        for row in published.measured_rows()
        if (row.source, row.model, row.metric) == ("aic", "llama-3.1-70b", "itl_ms")
    ]


def _served_runs():
    runs = _runs()
    middles = [
        statistics.median(getattr(r, name) / r.measured for r in runs)
        for name in ("ceiling", "predicted")
    ]
    inside = statistics.mean(r.inside for r in runs)
    ends = [(4, 4), (80, 80)]
    drawing = chart(
        [
            Line("", ends, "edge", dash="3 3"),
            Dots("", [(r.measured, r.ceiling) for r in runs], "other", size=5),
            Dots("", [(r.measured, r.predicted) for r in runs], "weights", size=5),
        ],
        Axis("gap measured, ms", 4, 80, log=True),
        Axis("gap predicted, ms", 0.7, 80, log=True),
        height=250,
    )
    foot = drawing.height - PLOT_BOTTOM
    for y, words, ink in (
        (foot - 30, "blue: the estimate", "weights"),
        (foot - 12, "grey: the ceiling, from spec sheets", "other"),
    ):
        drawing.text(98, y, words, ink, bold=True, small=True, anchor="end", halo=True)
    drawing.text(90, PLOT_TOP + 18, "as measured", "quiet", small=True, anchor="end", halo=True)
    said = (
        f"Of {len(runs)} runs, the ceiling is {middles[0]:.2f} of the measured gap at the median "
        f"and the estimate {middles[1]:.2f}; {inside:.0%} of the runs lie in its interval."
    )
    groups: dict[str, list] = {}
    for r in runs:
        groups.setdefault(f"{r.gpu}, {r.engine}", []).append(r)
    rows = [
        (
            label,
            f"{len(some)}",
            *(
                f"{statistics.median(getattr(r, name) / r.measured for r in some):.2f}"
                for name in ("ceiling", "predicted")
            ),
        )
        for label, some in sorted(groups.items())
    ]
    columns = ("", "runs", "ceiling", "estimate")
    return Drawn(drawing, said, show.table(columns, rows, "Predicted over measured gap, median"))


FIVE = {
    "moe-small-batch": "MoE, few requests",
    "underspecified": "left unspecified",
    "long-context": "over 32,000 tokens",
    "apple-silicon": "Apple Silicon",
    "gguf-data-centre": "GGUF, data centre",
}
PREDICTIONS = {
    "fitted to all": lambda row: row.predicted,
    "source left out": lambda row: row.left_out[-1],
    "spec sheet alone": lambda row: row.ceiling,
}
SHOWN = 90  # dots of a strip; of more, every so many
STRIP = 58


@cache
def _crowds(prediction):
    """Speed predicted over measured, and the error, of each mode's rows and of their like."""
    value = PREDICTIONS[prediction]
    known = [r for r in published.measured_rows() if r.measured and value(r)]
    found = {}
    for name in FIVE:
        hits = [r for r in known if name in r.failure_modes]
        regimes = {r.regime for r in hits}
        like = [r for r in known if r.regime in regimes and name not in r.failure_modes]
        found[name] = tuple(
            sorted(_ratio_and_error(r, value(r)) for r in some) for some in (hits, like)
        )
    return found


def _ratio_and_error(row, value):
    ratio = weak_spots.speed_ratio(row.metric, value, row.measured)
    return ratio, abs(value / row.measured - 1)


def _off(crowd):
    """How far the middle row of a crowd is from its measurement."""
    return statistics.median(error for _, error in crowd)


def _modes(prediction):
    across = Scale(0.1, 10, 1, 99, log=True)
    drawing = Drawing(len(FIVE) * STRIP + 30)
    foot, one = len(FIVE) * STRIP, across(1)
    rows = []
    for i, (name, label) in enumerate(FIVE.items()):
        hits, like = _crowds(prediction)[name]
        y = i * STRIP
        drawing.text(0, y + 15, label, bold=True)
        drawing.text(100, y + 15, f"half within {_off(hits):.0%}; others {_off(like):.0%}",
                     "quiet", small=True, anchor="end")  # fmt: skip
        for at, crowd, ink in ((y + 28, hits, "prompt"), (y + 44, like, "other")):
            ratios = [ratio for ratio, _ in crowd]
            some = ratios[:: max(len(ratios) // SHOWN, 1)]
            drawing.dots([(across(r), at + 3 * (j % 3 - 1)) for j, r in enumerate(some)], ink,
                         size=4, dim=0.5)  # fmt: skip
            middle = across(statistics.median(ratios))
            drawing.line(middle, at - 8, middle, at + 8, ink, width=3)
        rows.append(
            (label, f"{len(hits):,}", f"{_off(hits):.0%}", f"{_off(like):.0%}",
             f"{statistics.median(ratio for ratio, _ in hits):.2f}")
        )  # fmt: skip
        drawing.line(one, y + 20, one, y + 52, "text", dash="3 3")
    drawing.line(0, foot, 100, foot, "edge")
    for value, words, anchor in (
        (0.1, "too slow", "start"),
        (1, "right", "middle"),
        (10, "10x too fast", "end"),
    ):
        drawing.text(across(value), foot + 17, words, "quiet", small=True, anchor=anchor)
    worst = max(rows, key=lambda row: int(row[2].rstrip("%")))
    said = (
        "Each dot is a measurement: above, in colour, where the case applies; below, in grey, "
        f"others of the same kind of test. Farthest off: {worst[0]}, half within {worst[2]}."
    )
    columns = ("mode", "rows", "half within", "their like", "middle")
    caption = f"Speed predicted over measured, {prediction}"
    return Drawn(drawing, said, show.table(columns, rows, caption))


KEPT_TOKENS = Control(
    "kept", "Tokens shared", (1000, 2000, 3000, 4000, 5000, 6000), SHARED, "tokens"
)
PICTURES = {
    "binding": Picture(
        "Required against available, limit by limit",
        _binding,
        (
            Control(
                "candidate",
                "Candidate",
                ("A, one H100", "B, two H100", "C, eight H200"),
                "B, two H100",
            ),
            Control("users", "Users", USERS, 16, "users"),
            Control("gap", "Gap allowed", GAPS_MS, 50, "ms"),
        ),
    ),
    "three-cuts": Picture(
        "Three cuts: hold it, read it in time, afford it",
        _cuts,
        (
            Control("weights", "Weights and cache", ("bf16", "fp8"), "bf16"),
            Control("users", "Users", USERS, 16, "users"),
            Control("gap", "Gap allowed", GAPS_MS, 50, "ms"),
        ),
    ),
    "two-models": Picture(
        "What is stored, and what a step reads",
        _two_models,
        (Control("users", "Users in the step", MANY[:13], 16, "users"),),
    ),
    "weights-once": Picture(
        "The first card pays for the weights, the second for the users",
        _second_card,
        (
            Control("fraction", "Memory fraction", (0.90, 0.92, 0.94, 0.96, 0.98), 0.98),
            Control("weights", "Weights", ("bf16", "fp8"), "fp8"),
        ),
    ),
    "prefix-buys": Picture(
        "What a prefix cache buys on B",
        _prefix_buys,
        (Control("users", "Users", USERS[:11], 16, "users"), KEPT_TOKENS),
    ),
    "engines-compared": Picture(
        "Four engines on the worked spec, with their intervals",
        _engines,
        (
            Control("what", "Show", tuple(QUANTITIES), "mean gap"),
            replace(PREFIX, start=KEPT),
            Control("users", "Users", USERS[:9], 16, "users"),
        ),
    ),
    "candidates": Picture(
        "Three candidates, the same users, the same limits",
        _scorecard,
        (
            Control("setting", "Settings", (AS_GIVEN, BEST), AS_GIVEN),
            Control("users", "Users", USERS, 16, "users"),
        ),
    ),
    "price-of-load": Picture(
        "The price of a token falls as a deployment fills",
        _price_of_load,
        (Control("users", "Users", MANY, 16, "users"), PREFIX),
    ),
    "why-not": Picture(
        "Ten ways to run it, and the limit that binds each",
        _why_not,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("gap", "Gap allowed", GAPS_MS, 50, "ms"),
        ),
    ),
    "cheap-hour": Picture(
        "Half the rent is not half the price",
        _cheap_hour,
        (Control("users", "Users", HOUR_USERS, 16, "users"), PREFIX),
    ),
    "square-myth": Picture(
        "What a longer context multiplies",
        _square,
        (Control("context", "Context", CONTEXTS, 32_000, "tokens"),),
    ),
    "served-runs": Picture("Ninety served runs of this model", _served_runs),
    "weak-modes": Picture(
        "Five named modes: predicted beside measured",
        _modes,
        (Control("prediction", "Prediction", tuple(PREDICTIONS), "fitted to all"),),
    ),
}
