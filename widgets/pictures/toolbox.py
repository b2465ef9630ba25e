"""Pictures of chapter 4: formats, settings, cards and models; the others are in two more files."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, calibration, capacity, catalog, law, toolbox
from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
from llmcap_kernel.evidence import levers as evidence
from llmcap_kernel.evidence.kernels import kernel_s
from llmcap_kernel.explain import capitalised, counted, digits, gib, quantity
from llmcap_kernel.serving import serve
from llmcap_kernel.spec import CEILING

from ..figures import show
from ..figures.drawing import Drawing, steps
from ..figures.plots import Axis, Bar, Drawable, Limit, Line, Mark, Part, bars, chart
from . import batches, levers
from .levers import NUMBERS, PAIRS, load_of, read
from .record import Control, Drawn, Picture
from .scenario import llama_on

USERS = (1, 2, 4, 8, 16, 24, 32)
USERS_LINED = tuple(range(1, 65))
CONTEXTS = (1000, 2000, 4000, 8000, 16_000, 32_000)
FORMATS = {"BF16": "bf16", "FP8": "fp8", "INT4": "int4-awq"}
CARDS = {
    "2x H200": ("h200-sxm", 2),
    "4x H100": ("h100-sxm", 4),
    "4x A100 80GB": ("a100-sxm-80gb", 4),
}


def _efficiency(deployment, is_ceiling):
    return CEILING if is_ceiling else calibration.efficiency_for(deployment)


# ---- weight formats -------------------------------------------------------------------

# What a gap between tokens is made of, in the order in which it is drawn.
GAP = {
    "weights": "weights",
    "caches": "cache",
    "exchanges": "link",
    "launches": "host",
    "others' prompts": "prompt",
}


def gap_parts(served):
    """Split the gap between tokens into what it is spent on.

    Parameters
    ----------
    served : serving.Served
        A load on a deployment.

    Returns
    -------
    dict of str to float
        Seconds by the names of `GAP`.
    """
    step = served.decode
    return {
        "weights": step.dense_s + step.expert_s,
        "caches": step.attention_s,
        "exchanges": step.communication_s,
        "launches": step.fixed_s + step.host_s,
        "others' prompts": served.itl_s - step.itl_s,
    }


def _formats(users, cards):
    gpu, tp = CARDS[cards]
    rows, lines, gaps = [], [], []
    for label, name in FORMATS.items():
        d = llama_on(gpu, tp, name, "bf16")
        served = serve(d, load_of(users), calibration.efficiency_for(d))
        parts = gap_parts(served)
        gaps.append(served.itl_s)
        rows.append(
            Bar(
                f"{label}: {quantity(served.itl_s, 's')}",
                [Part(what, 1e3 * s, GAP[what]) for what, s in parts.items()],
            )
        )
        lines.append((label, *(quantity(max(s, 0.0), "s") for s in parts.values())))
    units = bandwidth.compute_dtype(catalog.gpu(gpu), catalog.format("fp8"))[0]
    said = (
        f"FP8 shortens the gap {digits(gaps[0] / gaps[1], 2)} times, INT4 "
        f"{digits(gaps[0] / gaps[2], 2)} times. This card multiplies FP8 weights in "
        f"{units.upper()} and INT4 weights in 16 bits: look at others' prompts."
    )
    table = show.table(
        ("format", "weights", "caches", "exchanges", "launches", "prompts"),
        lines,
        f"Gap between tokens of Llama-3.1-70B on {cards}, {counted(users, 'user')}",
    )
    return Drawn(bars(rows, "ms", thick=26), said, table)


@cache
def measured_fp8():
    """Read the measured pairs of BF16 against FP8 weights, and predict them.

    Returns
    -------
    list of evidence.levers.Ratio
        Of gaps between tokens, the pair with fewer users first.
    """
    found = [
        evidence.ratio(p)
        for p in evidence.read(PAIRS)
        if p.lever == "weight format"
        and p.runs[0].get("weight_dtype") == "bf16"
        and p.runs[1].get("weight_dtype") == "fp8-static"
        and p.runs[0]["metric"] == "itl_ms"
    ]
    return sorted(found, key=lambda one: int(one.pair.runs[0]["concurrency"]))


def _belief():
    rows, lines = [], []
    for one in measured_fp8():
        run = one.pair.runs[0]
        users = counted(int(run["concurrency"]), "user")
        shown = {
            "believed": (2.0, "other"),
            "predicted": (1 / one.predicted, "weights"),
            "measured": (1 / one.pair.measured, "prompt"),
        }
        for what, (gain, ink) in shown.items():
            rows.append(Bar(f"{users}, {what}: {gain:.2f}x", [Part("", gain, ink)], names=False))
        lines.append((users, *(f"{gain:.2f}" for gain, _ in shown.values())))
    run = measured_fp8()[0].pair.runs[0]
    said = (
        f"{run['model']} on {run['num_gpus']} cards {run['gpu']}, FP8 weights against BF16: the "
        f"gap got {lines[0][3]} times shorter for {lines[0][0]}, and {lines[-1][3]} for "
        f"{lines[-1][0]}. Predicted were {lines[0][2]} and {lines[-1][2]}."
    )
    table = show.table(
        ("users", "believed", "predicted", "measured"), lines, "How many times shorter the gap is"
    )
    return Drawn(bars(rows, "", thick=12), said, table)


MATRICES = [(10_240, 8192), (8192, 8192), (57_344, 8192), (8192, 28_672)]


@cache
def products_s(name, tokens):
    """Time the products of a layer of Llama-3.1-70B on an A100, by timed kernels.

    Parameters
    ----------
    name : str
        Format of the weights, as the timings name it.
    tokens : int
        Tokens in the step.

    Returns
    -------
    float
        Their time [s].
    """
    given = {"gpu": catalog.gpu("a100-sxm-80gb"), "format": name, "engine": "trtllm"}
    shapes = [{"m": tokens, "n": n, "k": k} for n, k in MATRICES]
    return sum(kernel_s("product", shape, **given) for shape in shapes)


def _eight_bits(tokens):
    kinds = {
        "BF16": ("bf16", "other"),
        "8-bit integers, multiplied in 8 bits": ("int8", "weights"),
        "8-bit integers, widened to 16 first": ("int8-weight-only", "host"),
    }
    seconds = {label: products_s(name, tokens) for label, (name, _) in kinds.items()}
    slow = seconds["BF16"]
    rows = [
        Bar(f"{label}: {quantity(s, 's')}", [Part("", s / slow, kinds[label][1])], names=False)
        for label, s in seconds.items()
    ]
    units, widened = list(seconds.values())[1:]
    said = (
        f"A step with {counted(tokens, 'token')}: multiplied in 8 bits the products of a layer "
        f"are {digits(slow / units, 3)} times as fast, widened first {digits(slow / widened, 3)} "
        "times. An A100 has units for 8-bit integers and none for FP8."
    )
    lines = [
        (label, *(f"{products_s('bf16', m) / products_s(name, m):.2f}x" for m in (64, 512, 4096)))
        for label, (name, _) in kinds.items()
    ]
    columns = ("weights", "64 tokens", "512", "4,096")
    return Drawn(
        bars(rows, "", thick=16),
        said,
        show.table(columns, lines, "Times as fast as BF16, timed on an A100"),
    )


# ---- the cache's format ---------------------------------------------------------------


@cache
def _step_gain(users, context, is_ceiling):
    """By what factor an FP8 cache shortens the decode step."""
    slow, fast = (
        bandwidth.decode_step(
            d,
            context_tokens=context,
            concurrency=users,
            efficiency=_efficiency(d, is_ceiling),
        ).total_s
        for d in (llama_on("h200-sxm", 2, "fp8", kv) for kv in ("bf16", "fp8"))
    )
    return slow / fast


def _along(context, is_ceiling):
    return [(n, _step_gain(n, context, is_ceiling)) for n in (1, *range(4, 65, 4))]


def _cache_format(users, context):
    here = _step_gain(users, context, False)
    wide, thin = (llama_on("h200-sxm", 2, "fp8", kv) for kv in ("bf16", "fp8"))
    room = [capacity.max_concurrent(d, context) for d in (wide, thin)]
    twice = room[1] / room[0]
    # Names away from the number at the mark, and from each other.
    away, at = (8, 44) if users >= 48 else (34 if 8 <= users <= 24 else 24, 64)
    marks: list[Drawable] = [
        Line(f"room: {twice:.2f}x", [(1, twice), (64, twice)], "cache", where=24),
        Line("step, ceiling", _along(context, True), "other", dash="5 4", where=away),
        Line("step, estimate", _along(context, False), "weights", where=at),
        Mark(f"{here:.2f}x", users, here, "prompt", below=here > 1.15),
    ]
    drawing = chart(
        marks,
        Axis("users in the step", -5, 64),
        Axis("times as good as with a BF16 cache", 0.9, 2.2),
        drag="users",
    )
    said = (
        f"On two H200, at {context:,} tokens, an FP8 cache has room for {room[1]:,} users "
        f"where BF16 has {room[0]:,}. The decode step of {counted(users, 'user')} gets "
        f"{here:.2f} times as fast: caches are {batches.kv_share(thin, users, context)} of what "
        "it reads."
    )
    rows = [
        (
            f"{n}",
            f"{twice:.2f}x",
            f"{_step_gain(n, context, True):.2f}x",
            f"{_step_gain(n, context, False):.2f}x",
            batches.kv_share(thin, n, context),
        )
        for n in (1, 16, 48, 64)
    ]
    columns = ("users", "room", "step, ceil.", "step, est.", "cache in reading")
    caption = f"An FP8 cache against BF16, FP8 weights on 2x H200, {context:,} tokens"
    return Drawn(drawing, said, show.table(columns, rows, caption))


# ---- settings and engines -------------------------------------------------------------

FRACTIONS = tuple(n / 100 for n in range(80, 99))


@cache
def _fitting(letter):
    d = dict(zip("AB", worked_spec(), strict=False))[letter]
    return [
        (f, capacity.max_concurrent(toolbox.set_memory_fraction(d, f), 8000)) for f in FRACTIONS
    ]


NAMED = {"A": "A, 1x H100", "B": "B, 2x H100"}


def _fraction(fraction):
    fits = {letter: dict(_fitting(letter))[fraction] for letter in "AB"}
    inks = {"A": "link", "B": "cache"}
    marks: list[Drawable] = [
        Limit("16 asked", y=16, ink="quiet"),
        *(Line(NAMED[x], steps(_fitting(x)), ink) for x, ink in inks.items()),
        *(Mark(counted(n, "user"), fraction, n, inks[x]) for x, n in fits.items()),
    ]
    at = {f: f"{f:.2f}" for f in (0.8, 0.85, 0.9, 0.95)}
    drawing = chart(
        marks,
        Axis("memory fraction", 0.78, 0.98, at=at),
        Axis("users that fit, 8,000 tokens each", 0, 75),
        drag="fraction",
    )
    usable = capacity.usable_bytes(worked_spec()[0].gpu)
    share, left = gib(usable * fraction), gib(usable * (1 - fraction))
    said = (
        f"At {fraction:.2f} the engine has {share} of a card and leaves {left}: "
        f"A has room for {counted(fits['A'], 'user')}, B for {fits['B']}."
    )
    rows = [
        (f"{f:.2f}", gib(usable * f), *(dict(_fitting(x))[f] for x in "AB"))
        for f in (0.80, 0.85, 0.90, 0.95, 0.98)
    ]
    columns = ("fraction", "GiB a card", "A", "B")
    return Drawn(drawing, said, show.table(columns, rows, "Users that fit"))


ENGINES = ("vllm-0.33", "sglang-0.5", "trtllm-1.0")
COMPARED = {
    "gap between tokens": ("itl_s", "s"),
    "output": ("output_tok_s", "tok/s"),
    "users that fit": ("", ""),
}


@cache
def _engine(name, users):
    d = toolbox.change_engine(worked_spec()[1], name)
    return d, calibration.estimates(d, load_of(users)), capacity.max_concurrent(d, 8000)


def _engines(what, users):
    field, unit = COMPARED[what]
    rows, lines = [], []
    for name in ENGINES:
        d, estimates, room = _engine(name, users)
        gap, rate = estimates.itl_s, estimates.output_tok_s
        cells = [_interval(gap, "s"), _interval(rate, "tok/s")]
        share = d.engine.memory_fraction
        page = counted(d.engine.block_tokens, "token")
        lines.append((d.engine.title, *cells, f"{share:g}" if share else "its own", page, room))
        one = getattr(estimates, field) if field else None
        rows.append(
            Bar(
                f"{d.engine.title}: {quantity(one.value, unit) if one else room}",
                [Part("", one.value, "weights") if one else Part("", room, "cache")],
                low=one.low if one else None,
                high=one.high if one else None,
                names=False,
            )
        )
    said = (
        f"{capitalised(what)} with {counted(users, 'user')} of candidate B, three engines. The "
        "lines are intervals: far wider than the differences, so the law does not say which is "
        "faster."
        if field
        else f"{_with_room(lines, users)}. They differ, for a fraction of memory means another "
        f"thing in each engine: {', '.join(f'{line[0]} holds {line[-1]}' for line in lines)}."
    )
    columns = ("engine", "gap", "output, tok/s", "fraction", "page", "users")
    drawing = bars(rows, "", thick=14, limit=None if field else (users, f"{users} asked"))
    return Drawn(drawing, said, show.table(columns, lines, "Candidate B"))


def _with_room(lines, users):
    """Which engines hold so many users."""
    holding = [line[0] for line in lines if line[-1] >= users]
    if len(holding) == len(lines):
        return f"All three have room for {counted(users, 'user')}"
    have = "have" if len(holding) > 1 else "has"
    return f"{' and '.join(holding) or 'None of them'} {have} room for {counted(users, 'user')}"


def _interval(one, unit):
    low, value, high = (
        digits(x * (1e3 if unit == "s" else 1)) for x in (one.low, one.value, one.high)
    )
    return f"{value} ({low}-{high})" + (" ms" if unit == "s" else "")


# ---- rent -----------------------------------------------------------------------------

WAYS = {"1x H200": ("h200-sxm", 1), "2x H100": ("h100-sxm", 2), "4x H100": ("h100-sxm", 4)}


def _ways(users):
    a, load = worked_spec()[0], load_of(users)
    made = {label: replace(toolbox.change_gpu(a, gpu), tp=tp) for label, (gpu, tp) in WAYS.items()}
    seen = {label: read(d, load) for label, d in made.items()}
    drawings = {}
    for number in NUMBERS:
        rows = [
            Bar(
                f"{label}: {number.written(r)}",
                [Part("", number.of(r), "cache" if number.more_is_better else "weights")],
                names=False,
            )
            for label, r in seen.items()
        ]
        drawings[number.name] = bars(rows, "", thick=12)
    cheap = min(seen, key=lambda label: seen[label].usd_mtok)
    fast = min(seen, key=lambda label: seen[label].itl_s)
    said = (
        f"With {counted(users, 'user')} {cheap} makes the cheapest token, and {fast} has the "
        f"shortest gap. They rent at "
        f"{', '.join(quantity(d.num_gpus * d.gpu_usd_h, 'USD/h') for d in made.values())}."
    )
    lines = [(label, *(n.written(r) for n in NUMBERS)) for label, r in seen.items()]
    columns = ("cards", *(n.head for n in NUMBERS))
    return Drawn(drawings, said, show.table(columns, lines, "Ways out for candidate A"))


MORE = {
    "H100, NVLink": "h100-sxm",
    "A100 80GB, NVLink": "a100-sxm-80gb",
    "L40S, PCIe": "l40s",
}


def _cards(users, card):
    rows, lines, totals = [], [], []
    for n in (1, 2, 4, 8):
        d = llama_on(MORE[card], n, "fp8", "fp8")
        step = bandwidth.decode_step(
            d, context_tokens=8000, concurrency=users, efficiency=_efficiency(d, False)
        )
        totals.append(step.total_s)
        parts = {
            "weights": step.dense_s,
            "caches": step.attention_s,
            "exchanges": step.communication_s,
            "launches": step.fixed_s + step.host_s,
        }
        times = f", {digits(totals[0] / step.total_s, 2)} times as fast" if n > 1 else ""
        rows.append(
            Bar(
                f"{counted(n, 'card')}: {quantity(step.total_s, 's')}{times}",
                [Part(what, 1e3 * s, GAP[what]) for what, s in parts.items()],
            )
        )
        lines.append((n, *(quantity(s, "s") for s in parts.values()), quantity(totals[0] / n, "s")))
    table = show.table(
        ("cards", *list(GAP)[:4], "if all were divided"),
        [(f"{n}", *rest) for n, *rest in lines],
        f"Decode step of Llama-3.1-70B in FP8, {counted(users, 'user')} of 8,000 tokens",
    )
    said = (
        f"With {counted(users, 'user')}, eight cards make the step "
        f"{digits(totals[0] / totals[3], 2)} times as fast, not 8. Reading is divided by "
        "the cards; launches are not, and exchanges grow."
    )
    return Drawn(bars(rows, "ms", thick=20), said, table)


# ---- split users ----------------------------------------------------------------------

SPLIT = {"DeepSeek-V3": "deepseek-v3", "Llama-3.1-70B": "llama-3.1-70b"}
KINDS = ("split heads", "split users")


def _split(model, how):
    d = catalog.deployment(
        model=SPLIT[model], gpu="h200-sxm", tp=8, weights="fp8", kv="fp8", memory_fraction=0.90
    )
    both = {KINDS[0]: d, KINDS[1]: toolbox.split_sequences(d)}
    load = WORKED_WORKLOAD
    seen = {name: read(one, load) for name, one in both.items()}
    whole = law.kv_bytes_per_sequence(d.model, d.kv, 8000)
    share = capacity.kv_sequence_bytes(both[how], 8000) / whole
    drawing = Drawing(24 + 8 * 26 + 26)
    drawing.text(0, 13, "eight cards, each a column", "quiet", small=True)
    drawing.text(100, 13, "eight users, each a row", "quiet", small=True)
    for card in range(8):
        drawing.rect(12.5 * card + 0.3, 20, 11.9, 8 * 26 + 4, "panel", edge="edge")
        users = [card] if how == KINDS[1] else range(8)
        boxes = [(12.5 * card + 1.2, 24 + 26 * u, 10.1 * share, 20) for u in users]
        drawing.cells(boxes, "cache")
    copies = 8 * share if how == KINDS[0] else 1.0
    words = "8 copies of every cache" if copies > 1.5 else "one copy of every cache"
    drawing.text(0, 24 + 8 * 26 + 20, words, "bad" if copies > 1.5 else "good", bold=True)
    held = f"{digits(copies, 2)} copies" if copies > 1.5 else "one copy"
    fits = {name: r.max_concurrent for name, r in seen.items()}
    said = (
        f"{model}, {how}: the eight cards hold {held} of each user's cache. "
        f"Room for {fits[KINDS[0]]:,} users with heads split, {fits[KINDS[1]]:,} with users split."
    )
    rows = []
    for label, name in SPLIT.items():
        for kind in KINDS:
            one = replace(d, model=catalog.model(name), dp_attention=kind == KINDS[1])
            rows.append((f"{label}, {kind}", *(n.written(read(one, load)) for n in NUMBERS)))
    columns = ("model", *(n.head for n in NUMBERS))
    return Drawn(drawing, said, show.table(columns, rows, "Eight H200, 16 users"))


# ---- the model ------------------------------------------------------------------------

NAMES = (
    "llama-3.1-70b",
    "qwen3-235b-a22b",
    "gpt-oss-120b",
    "qwen3.5-397b-a17b",
    "deepseek-v3",
)


def _read_of(d, users):
    """What a model stores, multiplies for a token of a prompt, reads in a step, and caches."""
    step = bandwidth.decode_step(d, context_tokens=8000, concurrency=users)
    return (
        law.weight_bytes(d.model, d.weights).stored_bytes,
        d.model.matmul_params,
        8 * step.weight_bytes,
        law.kv_bytes_per_sequence(d.model, d.kv, 8000),
    )


def _models(users):
    c = worked_spec()[2]
    panels = {
        "Stored, which memory must hold": ("weights", "bytes"),
        "Multiplied for each token of a prompt": ("prompt", "params"),
        f"Weights read in a step, {counted(users, 'user')}": ("weights", "bytes"),
        "Cache of one user, 8,000 tokens": ("cache", "bytes"),
    }
    found = {name: _read_of(toolbox.change_model(c, name), users) for name in NAMES}
    drawings = {}
    for i, (title, (ink, unit)) in enumerate(panels.items()):
        rows = [
            Bar(f"{name}: {quantity(v[i], unit)}", [Part("", v[i], ink)], names=False)
            for name, v in found.items()
        ]
        drawings[title] = bars(rows, "", thick=10)
    orders = {tuple(sorted(NAMES, key=lambda name: found[name][i])) for i in range(len(panels))}
    most = found["deepseek-v3"]
    said = (
        f"A step with {counted(users, 'user')} reads {most[2] / most[0]:.0%} of the DeepSeek-V3 "
        f"that is stored. The four panels put the five models in {len(orders)} different orders."
    )
    load = replace(WORKED_WORKLOAD, concurrency=users)
    lines = [
        (name, *(n.written(read(toolbox.change_model(c, name), load)) for n in NUMBERS))
        for name in NAMES
    ]
    columns = ("model", *(n.head for n in NUMBERS))
    caption = f"FP8 on eight H200, TP-8, {counted(users, 'user')}"
    return Drawn(drawings, said, show.table(columns, lines, caption))


PICTURES: dict[str, Picture] = {
    **levers.PICTURES,
    "format-gap": Picture(
        "Where the gap between tokens goes, by weight format",
        _formats,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("cards", "Cards", tuple(CARDS), "2x H200"),
        ),
    ),
    "fp8-belief": Picture("FP8 doubles the speed: believed, predicted, measured", _belief),
    "eight-bits": Picture(
        "Eight bits on an A100, by timed kernels",
        _eight_bits,
        (Control("tokens", "Tokens in the step", (16, 64, 256, 1024, 4096), 64, "tokens"),),
    ),
    "cache-format": Picture(
        "What an FP8 cache does to room and to speed, on two H200",
        _cache_format,
        (
            Control("users", "Users", USERS_LINED, 16, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "memory-fraction": Picture(
        "Users that fit, by the engine's memory fraction",
        _fraction,
        (Control("fraction", "Memory fraction", FRACTIONS, 0.9),),
    ),
    "engines": Picture(
        "Three engines on the same work",
        _engines,
        (
            Control("what", "Show", tuple(COMPARED), "gap between tokens"),
            Control("users", "Users", USERS, 16, "users"),
        ),
    ),
    "ways-out": Picture(
        "Three ways out for candidate A",
        _ways,
        (Control("users", "Users", USERS, 16, "users"),),
    ),
    "more-cards": Picture(
        "A decode step split over more cards",
        _cards,
        (
            Control("users", "Users", USERS, 16, "users"),
            Control("card", "Card", tuple(MORE), "H100, NVLink"),
        ),
    ),
    "split-users": Picture(
        "Who keeps whose cache",
        _split,
        (
            Control("model", "Model", tuple(SPLIT), "DeepSeek-V3"),
            Control("how", "Attention", KINDS, "split heads"),
        ),
    ),
    **batches.PICTURES,
    "models": Picture(
        "Five models, and the four numbers that decide",
        _models,
        (Control("users", "Users", (1, 4, 16, 64, 256), 16, "users"),),
    ),
}
