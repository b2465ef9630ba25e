"""Pictures of the page on reading a vendor's number."""

from functools import cache

from llmcap_kernel import calibration, capacity, catalog, design
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import Workload

from ..figures import show
from ..figures.plots import Axis, Bar, Drawable, Line, Mark, Part, bars, chart
from .record import Control, Drawn, Picture

CARDS = ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "rtx-4090")
LOADS = (1, 2, 4, 8, 12, 16, 24, 32, 48)
ANSWERS = (50, 100, 200, 500, 1000, 2000, 4000)


@cache
def _estimates(users, input_tokens=7000, output_tokens=1000):
    load = Workload(input_tokens=input_tokens, output_tokens=output_tokens, concurrency=users)
    return calibration.estimates(design.worked_spec()[1], load)


def _peak(card):
    gpu = catalog.gpu(card)
    dense = gpu.flop_s["bf16"]
    llama = catalog.deployment(model="llama-3.1-8b", gpu=card, weights="bf16", kv="bf16")
    shares = calibration.efficiency_for(llama)
    reached = dense * shares.compute
    rows = [
        Bar("on the slide, with sparsity", [Part("", 2 * dense)]),
        Bar("dense, as the card computes", [Part("", dense, "weights")]),
        Bar("reached by timed kernels", [Part("", reached, "cache")]),
    ]
    sizes = [quantity(sum(p.size for p in row.parts), "FLOP/s") for row in rows]
    rows = [
        Bar(f"{row.label}: {size}", row.parts, names=False)
        for row, size in zip(rows, sizes, strict=True)
    ]
    said = (
        f"Of {sizes[0]} on a vendor's slide of the {card}, a server's prompts reach {sizes[2]}: "
        f"a factor of {digits(2 * dense / reached, 2)}. Decode steps wait for memory and reach "
        "far less."
    )
    table = show.table(
        ("BF16 of " + card, "rate"),
        [("with sparsity", 2 * dense), ("dense", dense), ("reached", reached)],
        "Three rates of one card",
        units=("", "FLOP/s"),
    )
    return Drawn(bars(rows, "FLOP/s", thick=20), said, table)


def _batch(users):
    total = [(n, _estimates(n).output_tok_s) for n in LOADS]
    one = [(n, _estimates(n).tok_s_user) for n in LOADS]
    now_all, now_one = (dict(curve)[users] for curve in (total, one))
    marks: list[Drawable] = [
        _curve("all users together", total, "weights"),
        _curve("one user", one, "cache"),
        Mark(f"{now_all.value:,.0f} tok/s", users, now_all.value, "weights"),
        Mark(f"{now_one.value:,.0f} tok/s", users, now_one.value, "cache", below=True),
    ]
    drawing = chart(
        marks,
        Axis("users at once", log=True, at={n: str(n) for n in LOADS if n in (1, 4, 16, 48)}),
        Axis("tokens a second", 5, 2000, log=True),
        drag="users",
    )
    said = (
        f"With {counted(users, 'user')} the cards write {now_all.value:,.0f} tokens a second and "
        f"each user reads {now_one.value:,.0f}. A number without its batch says neither."
    )
    table = show.table(
        ("users", "all together", "one user"),
        [(n, t.value, dict(one)[n].value) for n, t in total],
        "The worked spec's B: Llama-3.1-70B in FP8 on two H100",
        units=("", "tok/s", "tok/s"),
    )
    return Drawn(drawing, said, table)


def _curve(label, points, ink):
    return Line(
        label,
        [(n, e.value) for n, e in points],
        ink,
        low=[e.low for _, e in points],
        high=[e.high for _, e in points],
    )


def _counted(output_tokens):
    found = _estimates(16, 7000, output_tokens).served
    rows = [
        Bar(
            f"tokens a second, prompts counted: {found.total_tok_s:,.0f}",
            [
                Part("written", found.output_tok_s, "cache"),
                Part("read from prompts", found.total_tok_s - found.output_tok_s, "prompt"),
            ],
        ),
        Bar(
            f"tokens a second, written: {found.output_tok_s:,.0f}",
            [Part("", found.output_tok_s, "cache")],
            names=False,
        ),
    ]
    factor = found.total_tok_s / found.output_tok_s
    said = (
        f"With 7,000 tokens in and {output_tokens:,} out, counting the prompts makes the same run "
        f"{digits(factor, 2)} times as fast. Ask which tokens were counted."
    )
    table = show.table(
        ("answer", "written", "with prompts", "factor"),
        [_counts(n) for n in ANSWERS],
        "16 users of B, 7,000 tokens in",
        units=("tokens", "tok/s", "tok/s", "x"),
    )
    return Drawn(bars(rows, "tok/s", thick=22), said, table)


def _counts(output_tokens):
    found = _estimates(16, 7000, output_tokens).served
    return (
        f"{output_tokens:,}",
        found.output_tok_s,
        found.total_tok_s,
        found.total_tok_s / found.output_tok_s,
    )


def _wait(users):
    found = _estimates(users)
    idle, now = found.served.ttft_idle_s, found.ttft_s
    longest = max(_estimates(LOADS[-1]).ttft_s.high, idle)
    rows = [
        Bar(f"on an idle server: {quantity(idle, 's')}", [Part("", idle, "free")], names=False),
        Bar(
            f"with {counted(users, 'user')}: {quantity(now.value, 's')}",
            [Part("", now.value, "prompt")],
            low=now.low,
            high=now.high,
            names=False,
        ),
    ]
    said = (
        f"The first token of an idle server comes after {quantity(idle, 's')}. With "
        f"{counted(users, 'user')} it takes {quantity(now.value, 's')} on average, four times in "
        f"five {quantity(now.low, 's')} to {quantity(now.high, 's')}."
    )
    table = show.table(
        ("users", "first token", "low", "high"),
        [(n, e.value, e.low, e.high) for n in LOADS for e in [_estimates(n).ttft_s]],
        "Mean time to the first token of B, 7,000 tokens in",
        units=("", "s", "s", "s"),
    )
    return Drawn(bars(rows, "s", thick=20, longest=longest), said, table)


def _price(users):
    most = min(capacity.max_concurrent(design.worked_spec()[1], 8000), LOADS[-1])
    curve = [(n, e) for n in LOADS if n <= most and (e := _estimates(n).usd_mtok)]
    now = dict(curve).get(users, curve[-1][1])
    full = curve[-1][1]
    marks: list[Drawable] = [
        _curve("estimate", curve, "weights"),
        Mark(f"{counted(users, 'user')}: {quantity(now.value, 'USD/Mtok')}", users, now.value),
    ]
    drawing = chart(
        marks,
        Axis("users at once, all day", log=True, at={1: "1", 4: "4", 16: "16", 48: "48"}),
        Axis("dollars a million tokens written", 1, 100, log=True),
        drag="users",
    )
    said = (
        f"{quantity(full.value, 'USD/Mtok')} holds at {curve[-1][0]} users around the clock. With "
        f"{counted(users, 'user')} the same cards cost {quantity(now.value, 'USD/Mtok')}, "
        f"{digits(now.value / full.value, 2)} times as much: an idle card is rented too."
    )
    table = show.table(
        ("users", "price", "low", "high"),
        [(n, e.value, e.low, e.high) for n, e in curve],
        "Price of B's tokens at the catalogue's rent",
        units=("", "USD/Mtok", "USD/Mtok", "USD/Mtok"),
    )
    return Drawn(drawing, said, table)


USERS = Control("users", "Users at once", LOADS, 16, "users")
PICTURES = {
    "peak-on-the-slide": Picture(
        "The peak on a slide, the peak of the card, and what is reached",
        _peak,
        (Control("card", "Card", CARDS, "h100-sxm"),),
    ),
    "whose-tokens": Picture("Tokens a second: whose?", _batch, (USERS,)),
    "which-tokens": Picture(
        "Tokens a second: which ones?",
        _counted,
        (Control("output_tokens", "Answer", ANSWERS, 200, "tokens"),),
    ),
    "idle-or-busy": Picture("The first token of an idle server, and of yours", _wait, (USERS,)),
    "price-at-what-load": Picture("A price holds at one load", _price, (USERS,)),
}
