"""Pictures of chapter 5."""

from dataclasses import replace

from llmcap_kernel import bandwidth, catalog, design, law
from llmcap_kernel.calibration import cache_until_reload
from llmcap_kernel.explain import counted, digits, quantity

from ..figures import show
from ..figures.plots import Axis, Bar, Limit, Line, Mark, Part, bars, chart
from . import design_evidence, design_gaps, design_limits, design_prices
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
    named,
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
            Bar(f"{label} stores {sizes[0]}", [Part("", stored / 1e9, "weights")], names=False),
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
        f"{counted(users, 'user')}, system prompt {prefix}: the first three lie within "
        f"{apart - 1:.0%} of each other, and the interval of each spans a factor of "
        f"{digits(wide, 2)}."
    )
    if users == 1 and prefix == KEPT:
        said += " One user shares its prompt with nobody."
    table = show.table(
        ("engine", "estimate", "from", "to"),
        [(t, *(written(x, unit) for x in values)) for t, *values in ends],
        f"{what} on B, {counted(users, 'user')}, system prompt {prefix}",
    )
    return Drawn(drawing, said, table)


PROMPTS = (3000, 5000, 7000, 9000, 11_000, 15_000, 19_000, 23_000, 27_000, 31_000)


@cache_until_reload
def _limits_of_prompts(prompt):
    """Limits of B by name, where the agent's prompts have so many tokens."""
    card = design.card(deployments()["B"], replace(SPEC, input_tokens=prompt), SLO)
    return {named(limit): limit for limit in card.limits}


def _longer_prompts(prompt):
    inks = {"capacity": ("cache", 5000), "latency": ("weights", 23_000)}  # and where it is named
    found = {n: _limits_of_prompts(n) for n in PROMPTS}
    lines = [
        Line(name, [(n, found[n][name].headroom) for n in PROMPTS], ink, where=place)
        for name, (ink, place) in inks.items()
    ]
    marks = [Mark("", prompt, found[prompt][name].headroom, ink) for name, (ink, _) in inks.items()]
    drawing = chart(
        [Limit("just met", y=1), *lines, *marks],
        Axis("tokens of a prompt", PROMPTS[0], PROMPTS[-1], log=True,
             at={n: f"{n // 1000}K" for n in (3000, 7000, 15_000, 31_000)}),
        Axis("available over required", 0.5, 8, log=True),
        height=260,
        drag="prompt",
    )  # fmt: skip
    room, gap = (found[prompt][name] for name in inks)
    said = (
        f"With prompts of {prompt:,} tokens B has room for {room.available:.0f} users of "
        f"{room.required:.0f}, and 95% of the gaps are within "
        f"{quantity(gap.estimate.value, 's')}."
    )
    rows = [
        (
            f"{n:,}",
            f"{each['capacity'].available:.0f}",
            f"{each['capacity'].headroom:.2f}x",
            quantity(each["latency"].estimate.value, "s"),
            f"{each['latency'].headroom:.2f}x",
        )
        for n, each in found.items()
    ]
    columns = ("prompt", "users", "capacity", "95th percentile gap", "latency")
    caption = "B, 16 users, answers of 1,000 tokens; what there is over what is asked"
    return Drawn(drawing, said, show.table(columns, rows, caption))


PICTURES = {
    "two-models": Picture(
        "What is stored, and what a step reads",
        _two_models,
        (Control("users", "Users in the step", MANY[:13], 16, "users"),),
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
    "longer-prompts": Picture(
        "What gives way as prompts grow",
        _longer_prompts,
        (Control("prompt", "Prompt", PROMPTS, 31_000, "tokens"),),
    ),
    **design_limits.PICTURES,
    **design_prices.PICTURES,
    **design_evidence.PICTURES,
    **design_gaps.PICTURES,
}
