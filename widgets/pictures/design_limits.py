"""Pictures of chapter 5: limits, how far each is met, and by which deployment."""

import math
from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, law
from llmcap_kernel.calibration import cache_until_reload
from llmcap_kernel.explain import counted, digits, quantity

from ..figures import show
from ..figures.drawing import Drawing, Scale
from ..figures.plots import (
    PLOT_BOTTOM,
    PLOT_TOP,
    Axis,
    Bar,
    Line,
    Part,
    bars,
    chart,
)
from .record import Control, Drawn, Picture
from .scenario import CARDS
from .worked_spec import (
    ALLOWED,
    GAP,
    GAP_LABEL,
    GAPS_MS,
    KEPT,
    OWN,
    SLO,
    SPEC,
    USERS,
    deployments,
    limits_of,
    load_of,
    named,
)

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
            drawing.whisker(across(low), across(high), y + 26)
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
        asked = "asked" if limit.unit == "users" else "in flight"
        return f"{limit.estimate.value:,.0f} fit, {limit.bound:,.0f} {asked}"
    have, allowed = (quantity(x, limit.unit) for x in (limit.estimate.value, limit.bound))
    return f"{have} of {allowed}"


def _limit_row(limit, more):
    name = f"{named(limit)} {more}".rstrip()
    return (name, f"{_beside(limit)}: {limit.words}", limit.headroom, *_ends(limit))


def _binding(candidate, users, gap):
    card = design.card(deployments()[candidate[0]], load_of(users), limits_of(gap))
    order = {"capacity": 0, "latency": 1, "budget": 2}
    least = card.limits[0]
    rows = [
        _limit_row(one, "binds" if one is least else "")
        for one in sorted(card.limits, key=lambda one: order[named(one)])
    ]
    how = "binds with" if least.holds else "is not met:"
    said = (
        f"With {counted(users, 'user')} and {gap} ms allowed, {named(least)} {how} "
        f"{digits(least.headroom)} times what is required: {least.sentence}."
    )
    table = show.table(
        ("limit", "required", "available", "headroom", "verdict"),
        [
            (
                named(one),
                digits(one.required),
                digits(one.available),
                f"{one.headroom:.2f}x",
                one.words,
            )
            for one in card.limits
        ],
        f"{candidate}, {counted(users, 'user')}; a gap is compared as tokens a second",
    )
    return Drawn(_headroom_bars(rows), said, table)


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
            yield CARDS[name], n, memory, rate, n * rent["usd_h"]


def _cuts(weights, users, gap):
    hold, read = _asked(weights, users, gap)
    offers = list(_offers())
    drawing = chart(
        [
            Line("", [(m / 1e9, r / 1e12) for c, _, m, r, _ in offers if c == name], "rule")
            for name in map(CARDS.get, CUT_CARDS)
        ],
        Axis("memory of all cards, GB", *GB, log=True),
        Axis("bandwidth of all cards, TB/s", *TB_S, log=True),
        height=CUTS_HIGH,
    )
    _draw_asked(drawing, hold, read)
    rows, good = [], []
    for name, n, memory, rate, rent in offers:
        holds, reads, affords = memory >= hold, rate >= read, rent <= SLO.usd_h
        ink = "good" if holds and reads and affords else "other"
        _draw_offer(drawing, (name, n, memory, rate, rent), ink, hollow=not affords)
        holds_it, in_time, paid = ("yes" if one else "no" for one in (holds, reads, affords))
        rows.append((f"{n}x {name}", holds_it, in_time, f"{quantity(rent, 'USD/h')}: {paid}"))
        good += [(rent, f"{n}x {name}")] if ink == "good" else []
    said = f"{counted(users, 'user')}, {gap} ms: nothing here passes all three cuts."
    if good:
        rent, cheapest = min(good, key=lambda one: one[0])
        said = (
            f"{counted(users, 'user')}, {gap} ms: {len(good)} of {len(offers)} pass all three "
            f"cuts, the cheapest by the hour being {cheapest}, {quantity(rent, 'USD/h')}."
        )
    said += f" Rings cost more than ${SLO.usd_h:g} an hour."
    columns = ("cards", "holds it", "reads it in time", "rent")
    caption = f"{weights} weights and cache, {counted(users, 'user')}, {gap} ms at the ceiling"
    return Drawn(drawing, said, show.table(columns, rows, caption))


def _draw_asked(drawing, hold, read):
    """Draw the two cuts, and the corner that passes both."""
    x, y, foot = drawing.across(hold / 1e9), drawing.down(read / 1e12), CUTS_HIGH - PLOT_BOTTOM
    drawing.line(x, PLOT_TOP, x, foot, "cache", dash="3 3")
    drawing.line(0, y, 100, y, "weights", dash="3 3")
    drawing.rect(x, PLOT_TOP, 100 - x, max(y - PLOT_TOP, 0), "good", dim=0.1)
    words = {"small": True, "halo": True}
    below = y + 15 if y + 19 < foot else y - 5
    drawing.text(100, below, f"read {quantity(read, 'bytes/s')}", "weights", anchor="end", **words)
    beside, anchor = (-1.5, "end") if x > 60 else (1.5, "start")
    drawing.text(x + beside, foot - 8, f"hold {quantity(hold, 'bytes')}", "cache", anchor=anchor,
                 **words)  # fmt: skip


# Where the name of a card stands: beside its first or its last mark.
NAMED_AT = {
    **dict.fromkeys([("A100", 1), ("H100", 1)], (-2, "end")),
    **dict.fromkeys([("H200", 8), ("B200", 8)], (2, "start")),
}


def _draw_offer(drawing, offer, ink, hollow):
    name, n, memory, rate, rent = offer
    x, y = drawing.across(memory / 1e9), drawing.down(rate / 1e12)
    drawing.dot(x, y, ink, radius=6, hollow=hollow, hover=f"{n}x {name}, {quantity(rent, 'USD/h')}")
    drawing.text(x, y - 9, f"{n}", ink, small=True, anchor="middle", halo=True)
    if (name, n) in NAMED_AT:
        beside, anchor = NAMED_AT[name, n]
        drawing.text(x + beside, y + 4, name, bold=True, small=True, anchor=anchor, halo=True)


AS_GIVEN, BEST = "as specified", "best case"


@cache_until_reload
def _columns(setting, users):
    a, b, c = design.worked_spec()
    if setting == BEST:
        a, c = deployments()["A"], deployments()["C, DP"]
    prefix = KEPT if setting == BEST else OWN
    return design.scorecard({"A": a, "B": b, "C": c}, load_of(users, prefix), SLO)


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
    table.append(("What binds", *(f"{named(one)}, {one.words}" for one in binds)))
    said = f"{counted(users, 'user')}, {setting}: {_verdict(found)}"
    columns = ("", *(c.label for c in found.cards))
    caption = f"{counted(users, 'user')}, {setting}"
    return Drawn(drawings, said, show.table(columns, table, caption))


def _verdict(found):
    best = found.winner
    others = [_why(c, best) for c in found.cards if c is not best]
    return ". ".join([f"run {best.label}" if best else "none meets every limit", *others]) + "."


def _why(card, best):
    least = card.limits[0]
    if card.meets_all:
        times = card.usd_mtok.value / best.usd_mtok.value
        return f"{card.label} costs {digits(times, 2)} times as much"
    return f"{card.label} {least.misses} {named(least)}: {_beside(least)}"


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


SEARCHED = ("l40s", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm")


def _why_not(users, gap):
    found = design.search(
        load_of(users),
        limits_of(gap),
        models=("llama-3.1-70b",),
        rank="usd_mtok",
        gpus=SEARCHED,
        weights=("fp8",),
        kv=("fp8",),
        tps=(1, 2),
    )
    rows, table = [], []
    for card in found.by_hardware:
        d, least = card.deployment, card.limits[0]
        name = f"{d.num_gpus}x {CARDS[d.gpu.name]}"
        price = quantity(card.usd_mtok.value, "USD/Mtok") if card.usd_mtok else "no price"
        label = f"{name}: {price}" if card.starts else f"{name}: does not start"
        words = f"{named(least)} {least.headroom:.2f}x, {least.words}"
        rows.append((label, words, least.headroom, *_ends(least)))
        table.append((name, price, named(least), _beside(least), least.words))
    good = [c for c in found.by_hardware if c.meets_all]
    asked = f"{counted(users, 'user')}, {gap} ms allowed"
    said = (
        f"{asked}: {len(good)} of {len(rows)} meet every limit; by the token {table[0][0]} is the "
        "cheapest."
        if good
        else f"{asked}: nothing on this list meets every limit."
    )
    columns = ("cards", "output", "binds", "has", "verdict")
    caption = (
        f"FP8 weights and cache, {counted(users, 'user')}, {gap} ms; what meets every limit first"
    )
    return Drawn(_headroom_bars(rows), said, show.table(columns, table, caption))


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
    "candidates": Picture(
        "Three candidates, the same users, the same limits",
        _scorecard,
        (
            Control("setting", "Settings", (AS_GIVEN, BEST), AS_GIVEN),
            Control("users", "Users", USERS, 16, "users"),
        ),
    ),
    "why-not": Picture(
        "Ten ways to run it, and the limit that binds each",
        _why_not,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("gap", "Gap allowed", GAPS_MS, 50, "ms"),
        ),
    ),
}
