"""Pictures of chapter 1."""

import math
from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, catalog, law
from llmcap_kernel.explain import digits, quantity

from .. import benchmarks
from ..figures import show
from ..figures.drawing import Drawing
from ..figures.plots import (
    PLOT_BOTTOM,
    PLOT_TOP,
    Axis,
    Bar,
    Dots,
    Drawable,
    Limit,
    Line,
    Mark,
    Part,
    bars,
    chart,
)
from . import caches
from .record import Control, Drawn, Picture, counted

TIMED = "kernels_drawn.csv"  # products timed on an H100
CONTEXTS = (500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
USERS_LINED = tuple(range(1, 65))
USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
USERS_FEW = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
USERS_FINE = (*USERS_FEW, 96, 128, 192, 256)
USERS_FAR = (*USERS_FINE, 300, 384, 512, 768, 1024)
FORMATS = ("bf16", "fp8", "nvfp4")
# What stands in a step of a decoder, in the order in which a token passes it: its colour, how
# strong, and its name. Matrices are shades of the weights' blue.
ROLES = {
    "attention": ("weights", 0.65, "attention matrices"),
    "mlp": ("weights", 1.0, "MLP matrices"),
    "head": ("weights", 0.35, "output head"),
}


def _llama():
    return catalog.model("llama-3.1-70b")


def _h100():
    return catalog.gpu("h100-sxm")


def _cache_format(weights):
    """The format in which the cache is kept beside weights of a format."""
    return catalog.format("bf16" if weights == "bf16" else "fp8")


# ---- one card ---------------------------------------------------------------------------


@cache
def _reading_and_computing(users, context_tokens=8000):
    """Bytes and FLOP of a step of Llama-3.1-70B in FP8: of the weights, and of the caches."""
    model, fp8 = _llama(), catalog.format("fp8")
    read = (
        law.weight_bytes(model, fp8).dense_read_bytes,
        users * law.kv_read_bytes_per_sequence(model, fp8, context_tokens),
    )
    work = (
        law.matmul_flops(params=model.matmul_params, tokens=users),
        users * law.attention_flops_per_token(model, context_tokens),
    )
    return read, work


def _card(users):
    read, _ = _reading_and_computing(users)
    most, _ = _reading_and_computing(USERS_FEW[-1])
    speed, rate = _h100().bandwidth_bytes_s, _h100().flop_s["fp8"]
    drawing = Drawing(196)
    _draw_card(drawing, read, speed, rate)
    taken = _ms(sum(read) / speed)
    drawing.text(0, 141, f"Reading {quantity(sum(read), 'bytes')} takes {taken}", bold=True)
    at = 0.0
    for size, ink in zip(read, ("weights", "cache"), strict=True):
        width = 100 * size / sum(most)
        drawing.rect(at, 150, width, 30, ink)
        at += width
    one = read[1] / users
    said = (
        f"For the next token of {counted(users, 'users')} the chip reads the weights once, "
        f"{quantity(read[0], 'bytes')}, and {quantity(one, 'bytes')} of cache for each user."
    )
    rows = []
    for n in (1, 4, 16, 64):
        weights, caches = _reading_and_computing(n)[0]
        rows.append((f"{n:,}", weights, caches, (weights + caches) / speed))
    table = show.table(
        ("users", "weights", "caches", "time"),
        rows,
        "Read for one token of each user, Llama-3.1-70B in FP8 with 8,000 tokens, one H100",
        units=("", "bytes", "bytes", "s"),
    )
    return Drawn(drawing, said, table)


def _ms(seconds):
    return f"{digits(1e3 * seconds)} ms"


def _draw_card(drawing, read, speed, rate):
    """Draw the memory, the chip, and the road between them, with their numbers."""
    drawing.text(0, 13, "GPU memory", bold=True)
    drawing.rect(0, 22, 44, 86, "panel", edge="edge")
    for y, name, size, ink in (
        (36, "weights", read[0], "weights"),
        (72, "caches", read[1], "cache"),
    ):
        drawing.rect(2, y, 5, 24, ink)
        drawing.text(9, y + 17, f"{name} {quantity(size, 'bytes')}", anchor="start", small=True)
    road = ((44, 56), (64, 56), (64, 48), (69, 65), (64, 82), (64, 74), (44, 74))
    drawing.path(road, "other", fill=True, dim=0.5)
    drawing.text(55, 46, quantity(speed, "bytes/s"), anchor="middle", small=True)
    drawing.text(69, 13, "chip", bold=True, anchor="start")
    drawing.rect(69, 22, 30.8, 86, "panel", edge="edge")
    for y, words in ((58, f"{rate / 1e12:,.0f} trillion"), (78, "operations/s")):
        drawing.text(84.5, y, words, anchor="middle", small=True)


# ---- the matrices -----------------------------------------------------------------------

DENSE = {
    "Llama-3.1-70B": "llama-3.1-70b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "Qwen3-32B": "qwen3-32b",
}
PLAIN = {
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.o_proj": "output",
    "mlp.gate_proj": "gate",
    "mlp.up_proj": "up",
    "mlp.down_proj": "down",
    "embed_tokens": "embedding table",
    "lm_head": "output head",
}


def _matrices(model):
    one = catalog.model(DENSE[model])
    tensors = {PLAIN[t.name]: t for t in one.tensors if t.name in PLAIN}
    layer = [t for t in tensors.values() if t.copies == one.layers]
    drawing = Drawing(236)
    _draw_layer(drawing, layer, one)
    _draw_model(drawing, tensors, one)
    said = (
        f"{model} is {len(layer)} matrices in each of {one.layers} layers, a table before them and "
        f"a head behind. A token is multiplied with {quantity(one.matmul_params, 'params')} of its "
        f"{quantity(one.params, 'params')} parameters: all but the table, where it looks up a row."
    )
    rows = [
        (name, t.copies, t.elements, t.params, t.params / one.params) for name, t in tensors.items()
    ]
    table = show.table(
        ("matrix", "how many", "of", "in all", "share"),
        rows,
        f"The matrices of {model}, in parameters",
        units=("", "", "params", "params", "%"),
    )
    return Drawn(drawing, said, table)


def _draw_layer(drawing, layer, model):
    """Draw the matrices of one layer: all of one height, so that widths are sizes."""
    drawing.text(0, 13, f"One of {model.layers} layers, matrix by matrix, to scale", bold=True)
    each = sum(t.elements for t in layer)
    at = 0.0
    for t in layer:
        ink, dim, _ = ROLES[t.role]
        width = 100 * t.elements / each
        drawing.rect(at, 22, width, 56, ink, dim=dim, hover=PLAIN[t.name])
        at += width
    for y, role, words in (
        (98, "attention", "attention (query, key, value, output)"),
        (114, "mlp", "MLP (gate, up, down)"),
    ):
        size = sum(t.elements for t in layer if t.role == role)
        drawing.swatch(0, y - 9, ROLES[role][0], dim=ROLES[role][1])
        drawing.words(14, y, f"{words}: {quantity(size, 'params')}")


def _draw_model(drawing, tensors, model):
    """Draw all layers as thin slices, with the table before and the head after."""
    drawing.text(
        0, 146, f"The whole model: {quantity(model.params, 'params')} parameters", bold=True
    )
    scale = 100 / model.params
    at = scale * tensors["embedding table"].params
    drawing.rect(0, 156, at, 40, "other")
    slices = model.params * scale - at - scale * tensors["output head"].params
    width = slices / model.layers
    drawing.cells([(at + i * width, 156, width, 40) for i in range(model.layers)], "weights")
    ink, dim, _ = ROLES["head"]
    drawing.rect(at + slices, 156, 100 - at - slices, 40, ink, dim=dim)
    drawing.text(0, 214, "embedding table", "quiet", small=True)
    drawing.text(50, 214, f"{model.layers} such layers", small=True)
    drawing.text(100, 214, "output head", "quiet", small=True)


# ---- the parts of a step --------------------------------------------------------------


def _step_parts(users, weights, context_tokens):
    """Bytes and FLOP of a step of Llama-3.1-70B by part: its look, bytes, FLOP."""
    model, stored = _llama(), law.weight_bytes(_llama(), catalog.format(weights)).by_role
    params = {role: sum(t.params for t in model.tensors if t.role == role) for role in ROLES}
    rows = [
        (look, stored[role], law.matmul_flops(params=params[role], tokens=users))
        for role, look in ROLES.items()
    ]
    one = law.kv_read_bytes_per_sequence(model, _cache_format(weights), context_tokens)
    scores = law.attention_flops_per_token(model, context_tokens)
    return [*rows, (("cache", 1.0, "cached keys and values"), users * one, users * scores)]


def _step(users, weights, context_tokens):
    parts = _step_parts(users, weights, context_tokens)
    moved, work = (sum(part[i] for part in parts) for i in (1, 2))

    def bar(what, which, unit, total):
        label = f"{what}: {quantity(total, unit)}"
        shown = [
            Part(
                row[0][2],
                row[which] / total,
                row[0][0],
                said=quantity(row[which], unit),
                dim=row[0][1],
            )
            for row in parts
        ]
        return Bar(label, shown)

    rows = [
        bar("Read", 1, "bytes", moved),
        bar("Computed", 2, "FLOP", work),
    ]
    said = (
        f"{quantity(work, 'FLOP')} for {quantity(moved, 'bytes')}: {digits(work / moved)} "
        "operations for each byte read."
    )
    table = show.table(
        ("part", "read", "computed"),
        [(look[2], quantity(b, "bytes"), quantity(f, "FLOP")) for look, b, f in parts],
        f"A step of Llama-3.1-70B, {counted(users, 'users')} with {context_tokens:,} tokens",
    )
    return Drawn(bars(rows, "", thick=46), said, table)


# ---- the roofline, with what a card really did ----------------------------------------

INTENSITY = Axis("FLOP for each byte read", 0.5, 20_000, log=True)
RATE = Axis("FLOP a second", 1e10, 4e15, log=True)


def _beside(drawing, words, ink, x, y):
    """Write words left of a rising line, at one of its points."""
    place = drawing.across(x) - 2, drawing.down(y)
    drawing.text(*place, words, ink, anchor="end", bold=True, small=True)


@cache
def timed():
    """Collect intensity and FLOP/s of the products that were timed on an H100.

    Returns
    -------
    dict
        Pairs by format.
    """
    found: dict[str, list[tuple[float, float]]] = {"bf16": [], "fp8": []}
    for row in benchmarks.rows(TIMED):
        m, n, k = (int(row[key]) for key in "mnk")
        name = row["gemm_dtype"]
        size = {"bf16": 2}.get(name, 1)
        flops = 2.0 * m * n * k
        moved = size * (m * k + n * k) + 2 * m * n
        if name in found:
            found[name].append((flops / moved, flops / float(row["latency_us"]) * 1e6))
    return found


def _roofline(users, weights):
    gpu, model = _h100(), _llama()
    rate = bandwidth.compute_dtype(gpu, catalog.format(weights))[1]
    read = law.weight_bytes(model, catalog.format(weights)).dense_read_bytes
    work = law.matmul_flops(params=model.matmul_params, tokens=users)
    ridge = law.ridge_point(flop_s=rate, bandwidth_bytes_s=gpu.bandwidth_bytes_s)
    at = work / read
    reached = work / law.roofline_s(
        flops=work, bytes_moved=read, flop_s=rate, bandwidth_bytes_s=gpu.bandwidth_bytes_s
    )
    dots = [p for p in timed().get(weights, []) if p[0] >= 0.5]
    roof = [(x, x * gpu.bandwidth_bytes_s) for x in (0.5, ridge)]
    marks: list[Drawable] = [
        Dots(f"dots: {len(dots)} products timed on an H100", dots, "other", dim=0.55),
        Line("", roof, "cache"),
        Line("limit: arithmetic", [(ridge, rate), (20_000, rate)], "weights"),
        Limit(f"ridge {ridge:.0f}", x=ridge, ink="quiet"),
        Mark(f"{counted(users, 'users')}: {digits(at)} FLOP a byte", at, reached, below=True),
    ]
    drawing = chart(
        marks if dots else marks[1:],
        INTENSITY,
        RATE,
        height=340,
    )
    _beside(drawing, "limit: memory", "cache", 20, 20 * gpu.bandwidth_bytes_s)
    one = at / users  # pulling on the point moves the users along their intensity
    ends = {"low": INTENSITY.low / one, "high": INTENSITY.high / one}
    drawing.drag = "users", replace(drawing.across, **ends)
    side = "computing" if at > ridge else "reading"
    said = (
        f"{counted(users, 'users')} in a step: {digits(at)} FLOP for each byte of weights. The "
        f"ridge is at {ridge:.0f}, so the matrices wait for {side}, and at best "
        f"{digits(100 * reached / rate, 2)}% of the arithmetic is busy. Dots far below the roof "
        "are products too small to fill the card."
    )
    table = show.table(
        ("users", "FLOP a byte", "TFLOP/s", "of peak"),
        [_on_the_roof(n, work / users, read, rate, gpu) for n in (1, 4, 16, 64, 256, 1024)],
        f"The matrices of Llama-3.1-70B in {weights} on an H100, at the ceiling",
    )
    return Drawn(drawing, said, table)


def _on_the_roof(users, flops, read, rate, gpu):
    at = users * flops / read
    reached = min(at * gpu.bandwidth_bytes_s, rate)
    return f"{users:,}", digits(at), digits(reached / 1e12), f"{reached / rate:.2%}"


# ---- weights once, caches each --------------------------------------------------------


def _shared(users, context):
    model, fp8 = _llama(), catalog.format("fp8")
    weights = law.weight_bytes(model, fp8).dense_read_bytes
    one = law.kv_read_bytes_per_sequence(model, fp8, context)
    total, most = weights + users * one, USERS_LINED[-1]
    ends = [(n, (weights + n * one) / 1e9) for n in (0, most)]
    level = [weights / 1e9] * 2
    marks: list[Drawable] = [
        Line("", [(0, level[0]), (most, level[0])], "weights", low=[0, 0], high=level),
        Line("", ends, "cache", low=level, high=[y for _, y in ends]),
        Mark(
            f"{counted(users, 'users')}: {quantity(total, 'bytes')}", users, total / 1e9, below=True
        ),
    ]
    drawing = chart(
        marks, Axis("users in the step", 0, most), Axis("GB read in a step", 0), drag="users"
    )
    foot = drawing.height - PLOT_BOTTOM
    drawing.text(98, foot - 10, "weights, once for all", "weights", bold=True, halo=True)
    drawing.text(1.5, PLOT_TOP + 16, "on top, a cache for each user", "cache", bold=True, halo=True)
    said = (
        f"With {context:,} tokens each, caches are {users * one / total:.0%} of what a step with "
        f"{counted(users, 'users')} reads. They outweigh the weights from "
        f"{counted(math.ceil(weights / one), 'users')} on."
    )
    rows = [
        (f"{n:,}", quantity(weights, "bytes"), quantity(n * one, "bytes"))
        for n in (1, 4, 16, 64, 256)
    ]
    caption = f"Llama-3.1-70B in FP8, {context:,} tokens for each user"
    return Drawn(drawing, said, show.table(("users", "weights", "caches"), rows, caption))


# ---- a batch ----------------------------------------------------------------------------


def _matrices_s(users):
    """Time of the matrices of Llama-3.1-70B in FP8 on an H100 [s], without caches."""
    read, work = _reading_and_computing(users)
    return law.roofline_s(
        flops=work[0],
        bytes_moved=read[0],
        flop_s=_h100().flop_s["fp8"],
        bandwidth_bytes_s=_h100().bandwidth_bytes_s,
    )


def _batch(users):
    across = Axis("users in the step", 1, 1024, log=True, at={n: f"{n}" for n in (1, 8, 64, 512)})
    here = _matrices_s(users)

    def one(value, now, label, title, **ends):
        curve = Line("", [(n, value(n)) for n in USERS_FAR], "weights")
        return chart(
            [curve, Mark(label, users, now, below=True)],
            across,
            Axis(title, **ends),
            drag="users",
            height=230,
        )

    drawings = {
        "How long a step takes": one(
            lambda n: 1e3 * _matrices_s(n), 1e3 * here, quantity(here, "s"), "ms", low=0, high=80
        ),
        "What all users get together": one(
            lambda n: n / _matrices_s(n),
            users / here,
            quantity(users / here, "tok/s"),
            "tokens a second",
            low=10,
            high=50_000,
            log=True,
        ),
    }
    longer = here / _matrices_s(1)
    same = (
        "as long as with one" if longer < 1.005 else f"{digits(longer)} times as long as with one"
    )
    said = (
        f"With {counted(users, 'users')} the matrices take {quantity(here, 's')}, {same}, and all "
        f"users together get {quantity(users / here, 'tok/s')}."
    )
    rows = [(f"{n:,}", _matrices_s(n), n / _matrices_s(n)) for n in (1, 16, 64, 256, 512, 1024)]
    caption = "The matrices of Llama-3.1-70B in FP8 on an H100, without caches"
    table = show.table(("users", "step", "all users"), rows, caption, units=("", "s", "tok/s"))
    return Drawn(drawings, said, table)


# ---- how busy a step keeps the arithmetic ------------------------------------------------


def _busy_blocks(users, context):
    """What a step of Llama-3.1-70B in FP8 on an H100 is made of: name, ink, time [s], share."""
    speed, rate = _h100().bandwidth_bytes_s, _h100().flop_s["fp8"]
    found = []
    for name, ink, read, work in zip(
        ("weights", "caches"),
        ("weights", "cache"),
        *_reading_and_computing(users, context),
        strict=True,
    ):
        seconds = law.roofline_s(flops=work, bytes_moved=read, flop_s=rate, bandwidth_bytes_s=speed)
        found.append((name, ink, seconds, work / rate / seconds))
    return found


def _busy(users, context):
    blocks = _busy_blocks(users, context)
    total = sum(seconds for _, _, seconds, _ in blocks)
    busy = sum(seconds * share for _, _, seconds, share in blocks) / total
    drawing, top, foot = Drawing(286), 26, 206
    drawing.text(0, 13, "arithmetic in use", "quiet", small=True)
    drawing.rect(0, top, 100, foot - top, "panel", edge="edge", dashed=True)
    at = 0.0
    for name, ink, seconds, share in blocks:
        width, high = 100 * seconds / total, max(share * (foot - top), 1.0)
        edge = ink if high < 4 else ""
        drawing.rect(at, foot - high, width, high, ink, edge=edge, hover=f"{name}: {share:.2%}")
        at += width
    for share, y in ((1, top + 14), (0.5, (top + foot) / 2)):
        drawing.text(99.5, y, f"{share:.0%}", "quiet", small=True)
    if busy < 0.25:
        drawing.text(98, top + 40, "what the chip could compute meanwhile", "quiet")
    drawing.text(0, foot + 17, "0", "quiet", small=True)
    drawing.text(100, foot + 17, f"time of the step: {_ms(total)}", "quiet", small=True)
    for i, (name, ink, seconds, share) in enumerate(blocks):
        y = foot + 42 + 18 * i
        drawing.swatch(0, y - 9, ink)
        drawing.words(14, y, f"{name}: {_ms(seconds)}, {_percent(share)} of the arithmetic in use")
    said = (
        f"Over the whole step {_percent(busy)} of the arithmetic is in use. More users make the "
        "weights' block taller and the caches' block wider."
    )
    rows = []
    for n in (1, 16, 64, 256, 1024):
        (_, _, w, _), (_, _, c, _) = found = _busy_blocks(n, context)
        rows.append((f"{n:,}", w, c, _percent(sum(s * x for _, _, s, x in found) / (w + c))))
    table = show.table(
        ("users", "weights", "caches", "in use"),
        rows,
        f"A step of Llama-3.1-70B in FP8 on an H100, {context:,} tokens each",
        units=("", "s", "s", ""),
    )
    return Drawn(drawing, said, table)


def _percent(share):
    return f"{digits(100 * share, 2)}%"


# ---- experts ----------------------------------------------------------------------------

MIXTURES = {
    "Mixtral 8x7B": "mixtral-8x7b",
    "gpt-oss-120b": "gpt-oss-120b",
    "DeepSeek-V3": "deepseek-v3",
    "Kimi K2": "kimi-k2",
}


def _touched(model, users):
    return law.experts_touched(
        experts=model.experts, experts_per_token=model.experts_per_token, tokens=users
    )


def _experts(users, model):
    one = catalog.model(MIXTURES[model])
    experts, each = one.experts, one.experts_per_token
    touched = _touched(one, users)
    order = sorted(range(experts), key=lambda i: i * 0.6180339887 % 1)  # spread, at every run alike
    across, cell = (32, 18) if experts > 64 else (experts, 36)
    tall = -(-experts // across) * cell
    drawing = Drawing(tall + 124)
    width = 100 / across

    def boxes(found):
        return [(i % across * width, i // across * cell, width, cell) for i in found]

    whole = max(round(touched), each)
    drawing.cells(boxes(order[whole:]), "panel", "rule")
    drawing.cells(boxes(order[each:whole]), "weights", dim=0.55)
    drawing.cells(boxes(order[:each]), "weights")
    y = tall + 18
    drawing.swatch(0, y - 9, "weights")
    drawing.words(14, y, f"one token's {each}")
    drawing.swatch(120, y - 9, "weights", dim=0.55)
    drawing.words(134, y, f"others' picks, {whole - each}")
    read = _draw_sizes(drawing, one, touched, tall + 40)
    said = (
        f"Each token visits {each} of {experts} experts in a layer. A step with "
        f"{counted(users, 'users')} touches {digits(touched)} of them, {touched / experts:.0%}, "
        f"and so reads {quantity(read, 'params')} of {quantity(one.params, 'params')} parameters. "
        f"Each token is multiplied with {quantity(one.matmul_params, 'params')}."
    )
    rows = []
    for label, name in MIXTURES.items():
        m = catalog.model(name)
        shares = (_touched(m, n) / m.experts for n in (1, 16, 64, 256))
        rows.append((label, f"{m.experts_per_token}/{m.experts}", *(f"{x:.0%}" for x in shares)))
    columns = ("model", "visits", "1 user", "16", "64", "256")
    return Drawn(drawing, said, show.table(columns, rows, "Experts that a step reads"))


def _draw_sizes(drawing, model, touched, top):
    """Draw what is stored, read and multiplied with, to scale; give what is read [parameters]."""
    routed = sum(t.params for t in model.tensors if t.role == "expert")
    alone = model.matmul_params - routed * model.experts_per_token / model.experts
    read = alone + routed * touched / model.experts
    rows = (("stored", model.params), ("read", read), ("one token", model.matmul_params))
    for i, (name, size) in enumerate(rows):
        y = top + 28 * i
        drawing.text(0, y + 13, f"{name} {quantity(size, 'params')}", small=True)
        left = 36
        drawing.rect(
            left, y, (100 - left) * size / model.params, 18, "weights", dim=(0.25, 0.55, 1.0)[i]
        )
    return read


# ---- what a format shrinks ------------------------------------------------------------

STORED = {
    "bf16": "BF16",
    "fp8": "FP8",
    "nvfp4": "NVFP4",
    "int4-awq": "INT4, AWQ",
    "gguf-q4-k-m": "GGUF Q4_K_M",
}


def _formats(model):
    shape = catalog.model(DENSE[model])
    looks = {**ROLES, "embedding": ("other", 1.0, "embedding table")}
    rows, lines = [], []
    whole = law.weight_bytes(shape, catalog.format("bf16")).stored_bytes
    for name, title in STORED.items():
        number_format = catalog.format(name)
        sizes = law.weight_bytes(shape, number_format)
        share = sizes.stored_bytes / whole
        stored = quantity(sizes.stored_bytes, "bytes")
        parts = [
            Part(
                look[2],
                sizes.by_role[role],
                look[0],
                said=quantity(sizes.by_role[role], "bytes"),
                dim=look[1],
            )
            for role, look in looks.items()
        ]
        label = f"{title}: {stored}" + ("" if name == "bf16" else f", {share:.0%} of BF16")
        rows.append(Bar(label, parts, names=name in ("bf16", "nvfp4")))
        read = quantity(sizes.dense_read_bytes, "bytes")
        bits = f"{8 * number_format.bytes_per_element:.1f}"
        lines.append((title, bits, stored, f"{share:.0%}", read))
    said = (
        f"Half the bits are not half the file: FP8 stores {lines[1][3]} of BF16, NVFP4 "
        f"{lines[2][3]}. In both, the embedding table and the head stay in 16 bits, and small "
        "groups of 4-bit numbers share a scale."
    )
    columns = ("format", "bits", "stored", "of BF16", "read")
    return Drawn(bars(rows, "", thick=16), said, show.table(columns, lines, model))


# ---- ridges of cards ----------------------------------------------------------------------

CARDS = {
    "l4": "L4",
    "rtx-4090": "RTX 4090",
    "a100-sxm-80gb": "A100",
    "h100-sxm": "H100",
    "h200-sxm": "H200",
    "b200-sxm": "B200",
}


def _ridge(name, weights):
    """FLOP a byte from which a card's arithmetic is the limit, and the two rates."""
    gpu = catalog.gpu(name)
    rate = bandwidth.compute_dtype(gpu, catalog.format(weights))[1]
    at = law.ridge_point(flop_s=rate, bandwidth_bytes_s=gpu.bandwidth_bytes_s)
    return at, rate, gpu.bandwidth_bytes_s


def _ridges(weights):
    read = law.weight_bytes(_llama(), catalog.format(weights)).dense_read_bytes
    one = law.matmul_flops(params=_llama().matmul_params, tokens=1) / read
    found = {title: _ridge(name, weights) for name, title in CARDS.items()}
    mine = f"what one user brings: {digits(one, 2)} FLOP a byte"
    rows = [Bar(mine, names=False)]
    rows += [
        Bar(f"{title} could do {at:.0f}", [Part("", at, "weights")], names=False)
        for title, (at, _, _) in found.items()
    ]
    drawing = bars(rows, "", thick=12, longest=820.0)
    drawing.rect(0, 24, 100 * one / 820, 12, "prompt", edge="prompt")
    least, most = (end(at for at, _, _ in found.values()) for end in (min, max))
    said = (
        f"One user brings {digits(one, 2)} FLOP for each byte of weights in {weights.upper()}. "
        f"These cards could do {least:.0f} to {most:.0f} in the same time."
    )
    table = show.table(
        ("card", "reads", "computes", "ridge"),
        [(title, speed, rate, f"{at:.0f}") for title, (at, rate, speed) in found.items()],
        f"What a card can do, with weights in {weights.upper()}",
        units=("", "bytes/s", "FLOP/s", ""),
    )
    return Drawn(drawing, said, table)


# ---- the two sums -------------------------------------------------------------------------

CANDIDATES = {
    "Llama-3.1-70B, 2x H100": ("llama-3.1-70b", "h100-sxm", 2),
    "DeepSeek-V3, 8x H200": ("deepseek-v3", "h200-sxm", 8),
}


def _two_sums(deployment, users, context):
    model, gpu, cards = CANDIDATES[deployment]
    one = catalog.deployment(model=model, gpu=gpu, tp=cards, weights="fp8", kv="fp8")
    step = bandwidth.decode_step(one, context_tokens=context, concurrency=users)
    speed = one.gpu.bandwidth_bytes_s
    rate = bandwidth.compute_dtype(one.gpu, one.weights)[1]
    scores = users * law.attention_flops_per_token(one.model, context) / cards
    read = (step.weight_bytes / speed, step.kv_bytes / speed)
    work = (step.flops / rate - scores / rate, scores / rate)

    def row(what, sizes, names):
        parts = [
            Part(name, 1e3 * size, ink)
            for name, size, ink in zip(names, sizes, ("weights", "cache"), strict=True)
        ]
        return Bar(f"{what}: {_ms(sum(sizes))}", parts)

    rows = [
        row("Bytes", read, ("weights touched", "caches")),
        row("FLOP", work, ("2 x active parameters", "attention")),
    ]
    longer = "bytes" if sum(read) > sum(work) else "FLOP"
    said = (
        f"On each card the {longer} take longer: {_ms(max(sum(read), sum(work)))} against "
        f"{_ms(min(sum(read), sum(work)))}. With the cards' own exchange the step takes "
        f"{_ms(step.total_s)}, at best."
    )
    table = show.table(
        ("", "in all", "time"),
        [
            ("weights", step.weight_bytes, read[0]),
            ("caches", step.kv_bytes, read[1]),
        ],
        f"Read on each card, {counted(users, 'users')} with {context:,} tokens",
        units=("", "bytes", "s"),
    )
    return Drawn(bars(rows, "ms", thick=30, axis=True), said, table)


# ---- what was measured --------------------------------------------------------------------

LARGE = 30e6  # parameters of a matrix that fills the card, and does not fit into the chip


@cache
def _measured_shares():
    """Tokens in a timed FP8 product of a large matrix, and the share of an H100's peak [%]."""
    rate = _h100().flop_s["fp8"]
    found = []
    for row in benchmarks.rows(TIMED):
        m, n, k = (int(row[key]) for key in "mnk")
        if row["gemm_dtype"] == "fp8" and n * k >= LARGE:
            found.append((m, 100 * 2 * m * n * k / (float(row["latency_us"]) * 1e-6) / rate))
    return sorted(found)


def _belief():
    ridge = _ridge("h100-sxm", "fp8")[0]
    found = _measured_shares()
    turn = ridge / 2  # tokens from which a matrix in FP8 is computed for longer than it is read
    law_says = [(1, 200 / ridge), (turn, 100.0), (20_000, 100.0)]
    tokens = Axis("tokens multiplied in one product", 1, 20_000, log=True)
    reached = Axis("% of the FP8 peak", 0.1, 200, log=True)
    drawing = chart(
        [
            Dots(f"dots: {len(found)} large products timed", found, "prompt", size=6, dim=0.9),
            Limit("belief: what the spec sheet says", y=100.0, ink="quiet"),
            Line("", law_says, "weights"),
        ],
        tokens,
        reached,
    )
    _beside(drawing, "law: at best", "weights", 20, 4000 / ridge)
    few = [share for m, share in found if m == 1]
    many = max(found, key=lambda point: point[1])
    said = (
        f"With one token a product reached {digits(max(few), 2)}% of the arithmetic, where the law "
        f"allows {digits(200 / ridge, 2)}%. The best of all reached {digits(many[1], 2)}%, with "
        f"{many[0]:,} tokens."
    )
    rows = [
        (f"{low:,} to {high:,}", len(part), f"{min(part):.2g}%", f"{max(part):.2g}%")
        for low, high in ((1, 4), (5, 16), (17, 64), (65, 256), (257, 16_384))
        for part in [[share for m, share in found if low <= m <= high]]
    ]
    columns = ("tokens", "products", "least", "most")
    return Drawn(drawing, said, show.table(columns, rows, "Share of FP8 peak reached, measured"))


PICTURES = {
    "card": Picture(
        "What one H100 reads to write one token",
        _card,
        (Control("users", "Users at once", USERS_FEW, 1, "users"),),
    ),
    "matrices": Picture(
        "A model is a list of matrices",
        _matrices,
        (Control("model", "Model", tuple(DENSE), "Llama-3.1-70B"),),
    ),
    "formats": Picture(
        "What a format shrinks, and what it leaves alone",
        _formats,
        (Control("model", "Model", tuple(DENSE), "Llama-3.1-70B"),),
    ),
    "step": Picture(
        "A decode step of Llama-3.1-70B: bytes beside FLOP",
        _step,
        (
            Control("users", "Users", USERS, 1, "users"),
            Control("weights", "Weights", FORMATS, "fp8"),
            Control("context_tokens", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "roofline": Picture(
        "Where a batch stands under the roof of an H100",
        _roofline,
        (
            Control("users", "Users in the step", USERS_FAR, 1, "users"),
            Control("weights", "Weights", FORMATS[:2], "fp8"),
        ),
    ),
    "ridges": Picture(
        "What each card could do for each byte",
        _ridges,
        (Control("weights", "Weights", FORMATS[:2], "fp8"),),
    ),
    "batch": Picture(
        "One reading for all: the matrices of a step",
        _batch,
        (Control("users", "Users in the step", USERS_FAR, 16, "users"),),
    ),
    "shared-reading": Picture(
        "What a step reads: weights once, a cache for each",
        _shared,
        (
            Control("users", "Users", USERS_LINED, 16, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "busy": Picture(
        "A step on an H100: its time across, its arithmetic upward",
        _busy,
        (
            Control("users", "Users", USERS_FAR, 1, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    **caches.PICTURES,
    "experts": Picture(
        "The experts that a step reads",
        _experts,
        (
            Control("users", "Users in the step", USERS_FINE, 16, "users"),
            Control("model", "Model", tuple(MIXTURES), "DeepSeek-V3"),
        ),
    ),
    "two-sums": Picture(
        "One step as two sums, to scale",
        _two_sums,
        (
            Control("deployment", "Deployment", tuple(CANDIDATES), "Llama-3.1-70B, 2x H100"),
            Control("users", "Users", USERS_FAR, 16, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "belief": Picture("What matrix products reached on an H100", _belief),
}
