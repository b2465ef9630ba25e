"""Pictures of chapter 5: what a token costs, by load and with a prefix cache."""

from dataclasses import replace

from llmcap_kernel import calibration, capacity, design
from llmcap_kernel.calibration import cache_until_reload
from llmcap_kernel.explain import counted, digits, quantity

from ..figures import show
from ..figures.plots import PLOT_TOP, Axis, Bar, Drawable, Line, Mark, Part, bars, chart
from .record import Control, Drawn, Picture
from .worked_spec import (
    MANY,
    PREFIX,
    SHARED,
    SLO,
    SPEC,
    USERS,
    deployments,
    load_of,
    written,
)


@cache_until_reload
def _served(name, users, kept):
    load = replace(SPEC, concurrency=users, shared_prefix_tokens=kept)
    return calibration.estimates(deployments()[name], load)


def _room(name, kept):
    load = replace(SPEC, shared_prefix_tokens=kept)
    return capacity.workload_ledger(deployments()[name], load)


def _ends(estimate):
    return estimate.value, estimate.low, estimate.high


def _without_and_with(users, kept):
    """What a prefix cache moves: its unit, and value and interval without it and with it."""
    both = [_served("B", users, n) for n in (0, kept)]
    rooms = [_room("B", n) for n in (0, kept)]
    return {
        "First token, mean": ("s", [_ends(e.ttft_s) for e in both]),
        "Output of all users": ("tok/s", [_ends(e.output_tok_s) for e in both]),
        "Users that fit": (
            "users",
            [tuple(map(float, (r.max_concurrent, *r.concurrent_interval))) for r in rooms],
        ),
    }


def _prefix_buys(users, kept):
    drawings, table, gains = {}, [], []
    for name, (unit, ends) in _without_and_with(users, kept).items():
        (before, *_), (after, *_) = ends
        times = before / after if unit == "s" else after / before
        what = {"s": "sooner", "tok/s": "as much", "users": "as many"}[unit]
        rows = [
            Bar(
                f"{label}: {written(value, unit)}",
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
        table.append((name, written(before, unit), written(after, unit), f"{times:.2f}x"))
        gains.append(times)
    drawings["Output, as users grow"] = _gain_curve(users, kept)
    sooner, output, fit = gains
    said = (
        f"With {counted(users, 'user')} and {kept:,} shared tokens, output is {output:.2f} times "
        f"as much, a first token comes {sooner:.2f} times sooner, and {fit:.2f} times the users "
        "fit."
    )
    columns = ("", "own prompts", "kept once", "times")
    return Drawn(drawings, said, show.table(columns, table, f"B, {counted(users, 'user')}"))


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


@cache_until_reload
def _price(name, prefix, users):
    """Price of copies for all users, and the ends of its interval; the copies."""
    d = deployments()[name]
    fleet = design.fleet(d, load_of(1, prefix), SLO, users=users)
    if not fleet.copies:
        return None
    share = max(users // fleet.copies, 1)
    rate = calibration.estimates(d, load_of(share, prefix)).output_tok_s
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
        _price_line(words[n], n, prefix, MANY, ink, where=NAMED_AT[n], band=n != "C")
        for n, ink in names.items()
    ]
    marks += [Mark("", users, here[name][0], ink) for name, ink in names.items()]
    ticks_at = {0.5: "$0.50", 1.0: "$1", 3.0: "$3", 10.0: "$10", 30.0: "$30", 100.0: "$100"}
    # from a half on: there is room for the prices at its left
    x = Axis("users, all copies together", 0.5, MANY[-1], log=True)
    y = Axis("$ for a million output tokens", 0.5, 600, log=True, at=ticks_at)
    drawing = chart(marks, x, y, height=270, drag="users")
    for i, (name, ink) in enumerate(names.items()):
        price, _, _, copies = here[name]
        label = f"{words[name]}: {quantity(price, 'USD/Mtok')}, {_copies(copies)}"
        drawing.text(100, PLOT_TOP + 12 + 16 * i, label, ink, bold=True, small=True,
                     anchor="end", halo=True)  # fmt: skip
    times = [here[name][0] / here["B"][0] for name in ("C", "C, DP")]
    said = (
        f"For {counted(users, 'user')} a token on C costs {digits(times[0], 2)} times as much as "
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
# Users at which each line has its name: where it is far from the others.
NAMED_AT = {"A": 30, "B": 4, "C": 400, "C, DP": 2}


def _cheap_hour(users, prefix):
    a, b = (_price(name, prefix, users) for name in "AB")
    marks: list[Drawable] = [
        _price_line("A", "A", prefix, HOUR_USERS, "link", where=NAMED_AT["A"]),
        _price_line("B", "B", prefix, HOUR_USERS, "weights", where=NAMED_AT["A"]),
        Mark("", users, a[0], "link"),
        Mark("", users, b[0], "weights"),
    ]
    ticks_at = {1.0: "$1", 3.0: "$3", 10.0: "$10", 30.0: "$30"}
    drawing = chart(
        marks,
        Axis("users", -6, 64, at={1: "1", 20: "20", 40: "40", 60: "60"}),  # room for the prices
        Axis("$ for a million output tokens", 0.8, 90, log=True, at=ticks_at),
        height=240,
        drag="users",
    )
    for i, (name, ink, (price, _, _, copies)) in enumerate((("A", "link", a), ("B", "weights", b))):
        d = deployments()[name]
        label = (
            f"{name}, {_copies(copies)}: {quantity(copies * d.usd_h_all, 'USD/h')}, "
            f"{quantity(price, 'USD/Mtok')}"
        )
        drawing.text(100, PLOT_TOP + 12 + 16 * i, label, ink, bold=True, small=True,
                     anchor="end", halo=True)  # fmt: skip
    said = (
        f"System prompt {prefix}: {counted(users, 'user')} {'takes' if users == 1 else 'take'} "
        f"{_copies(a[3])} of A, and a token then costs {digits(a[0] / b[0], 2)} times what it "
        f"costs on {_copies(b[3])} of B, though one A is half the rent of one B."
    )
    rows = []
    for n in (1, 4, 8, 16, 32, 64):
        pair = [_price(name, prefix, n) for name in "AB"]
        cells = [f"{quantity(p[0], 'USD/Mtok')}, {p[3]}" for p in pair]
        rows.append((f"{n}", *cells, f"{pair[0][0] / pair[1][0]:.2f}x"))
    columns = ("users", "A, copies", "B, copies", "A / B")
    return Drawn(drawing, said, show.table(columns, rows, f"Price of output, prompt {prefix}"))


KEPT_TOKENS = Control(
    "kept", "Tokens shared", (1000, 2000, 3000, 4000, 5000, 6000), SHARED, "tokens"
)


PICTURES = {
    "prefix-buys": Picture(
        "What a prefix cache buys on B",
        _prefix_buys,
        (Control("users", "Users", USERS[:11], 16, "users"), KEPT_TOKENS),
    ),
    "price-of-load": Picture(
        "The price of a token falls as a deployment fills",
        _price_of_load,
        (Control("users", "Users", MANY, 16, "users"), PREFIX),
    ),
    "cheap-hour": Picture(
        "Half the rent is not half the price",
        _cheap_hour,
        (Control("users", "Users", HOUR_USERS, 16, "users"), PREFIX),
    ),
}
