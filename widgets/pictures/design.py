"""Pictures of chapter 5."""

from dataclasses import replace

from llmcap_kernel import bandwidth, capacity, catalog, design, law
from llmcap_kernel.calibration import cache_until_reload
from llmcap_kernel.explain import GIB, counted, digits, quantity

from ..figures import show
from ..figures.plots import PLOT_TOP, Axis, Bar, Line, Mark, Part, bars, chart
from . import design_evidence, design_limits, design_prices
from .record import Control, Drawn, Picture
from .worked_spec import (
    ALLOWED,
    GAP,
    GAP_LABEL,
    KEPT,
    MANY,
    PREFIX,
    SLO,
    SPEC,
    USERS,
    deployments,
    load_of,
    written,
)


def _two_models(users):
    fp8, rows, table = catalog.format("fp8"), [], []
    room = 8 * catalog.gpu("h100-sxm").memory_sold_bytes
    for name, label in (("B", "Llama-3.1-70B"), ("C", "DeepSeek-V3")):
        one = replace(deployments()[name], tp=1)
        step = bandwidth.decode_step(one, context_tokens=SPEC.context_tokens, concurrency=users)
        stored = law.weight_bytes(one.model, fp8).stored_bytes
        active, token = one.model.matmul_params, law.kv_bytes_per_sequence(one.model, fp8, 1)
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
        f"A step of {counted(users, 'user')} reads {table[0][3]} of weights in Llama and "
        f"{table[1][3]} in DeepSeek-V3, where a single token is multiplied with "
        f"{table[1][1]} parameters."
    )
    columns = ("model", "active", "stored", "read", "caches", "a token")
    return Drawn(drawing, said, show.table(columns, table, f"FP8, {counted(users, 'user')}"))


def _second_card(fraction, weights):
    rows, table = [], []
    for n in (1, 2, 4):
        d = replace(
            deployments()["B"], tp=n, weights=catalog.format(weights), memory_fraction=fraction
        )
        books = capacity.ledger(d, context_tokens=SPEC.context_tokens)
        held, room = books.weights_bytes * n, books.kv_pool_bytes * n
        rest = (books.budget_bytes - books.weights_bytes - books.kv_pool_bytes) * n
        users = books.max_concurrent
        label = counted(n, "card") + (
            f": {counted(users, 'user')}" if books.starts else ": does not start"
        )
        parts = [
            Part("weights", held / GIB, "weights"),
            Part("the engine's own", rest / GIB, "other"),
            Part("room", max(room, 0) / GIB, "cache"),
            Part("lacking", max(-room, 0) / GIB, "", missing=True),
        ]
        rows.append(Bar(label, [p for p in parts if p.size]))
        table.append((counted(n, "card"), held / GIB, rest / GIB, room / GIB, users))
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


ENGINES = ("vllm", "sglang", "trtllm", "llama.cpp")
QUANTITIES = {
    "mean gap": ("itl_s", "s"),
    "95th percentile gap": (GAP.name, "s"),
    "first token": ("ttft_s", "s"),
    "price": ("usd_mtok", "USD/Mtok"),
    "users that fit": ("", "users"),
}


@cache_until_reload
def _engine_cards(prefix, users):
    base = deployments()["B"]
    found = []
    for name in ENGINES:
        engine = catalog.engine(name)
        d, title = replace(base, engine=engine, memory_fraction=None), engine.title
        if engine.family == "llama.cpp":
            # it loads no FP8, and its own four slots would keep the others waiting
            eight = catalog.format("gguf-q8-0")
            d = replace(d, weights=eight, kv=eight, max_num_seqs=users)
            title = "llama.cpp, Q8_0"
        found.append((title, design.card(d, load_of(users, prefix), SLO)))
    return found


def _engine_values(card, quantity_name):
    name, unit = QUANTITIES[quantity_name]
    if unit == "users":
        return float(card.max_concurrent), *map(float, card.ledger.concurrent_interval)
    one = dict(card.percentiles())[GAP_LABEL] if name == GAP.name else getattr(card.estimates, name)
    return one.value, one.low, one.high


def _engines(what, prefix, users):
    _, unit = QUANTITIES[what]
    gap = what in ("mean gap", "95th percentile gap")
    scale = 1e3 if gap else 1
    shown = "ms" if gap else {"first token": "s", "price": "$/M"}.get(what, "users")
    rows, ends = [], []
    for title, card in _engine_cards(prefix, users):
        value, low, high = _engine_values(card, what)
        ends.append((title, value, low, high))
        label = f"{title}: {written(value, unit)}"
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
        "95th percentile gap": ALLOWED,
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
        [(t, *(written(x, unit) for x in values)) for t, *values in ends],
        f"{what} on B, {counted(users, 'user')}, system prompt {prefix}",
    )
    return Drawn(drawing, said, table)


CONTEXTS = (2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)


def _times_of(context):
    """Seconds of a step and of its attention, and FLOP of a prompt's attention."""
    one = deployments()["B"]
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
        drawing.text(6, PLOT_TOP + 14 + 16 * i, f"{name}: {digits(times)} times",
                     ink, bold=True, small=True, anchor="start", halo=True)  # fmt: skip
    longer = context / CONTEXTS[0]
    said = (
        f"{digits(longer)} times the context: a prompt's attention is {digits(here[2] / first[2])} "
        f"times the work, a decode step's attention {digits(here[1] / first[1])} times, and the "
        f"whole step takes {digits(here[0] / first[0])} times as long."
    )
    rows = [
        (f"{n:,}", *(quantity(*one) for one in zip(_times_of(n), ("s", "s", "FLOP"), strict=True)))
        for n in CONTEXTS
    ]
    columns = ("tokens", "decode step", "its attention", "a prompt's attention")
    caption = "Llama-3.1-70B on B, one user, at the ceiling"
    return Drawn(drawing, said, show.table(columns, rows, caption))


PICTURES = {
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
    "engines-compared": Picture(
        "Four engines on the worked spec, with their intervals",
        _engines,
        (
            Control("what", "Show", tuple(QUANTITIES), "mean gap"),
            replace(PREFIX, start=KEPT),
            Control("users", "Users", USERS[:9], 16, "users"),
        ),
    ),
    "square-myth": Picture(
        "What a longer context multiplies",
        _square,
        (Control("context", "Context", CONTEXTS, 32_000, "tokens"),),
    ),
    **design_limits.PICTURES,
    **design_prices.PICTURES,
    **design_evidence.PICTURES,
}
