"""Pictures of chapter 1."""

import math

from llmcap_kernel import bandwidth, catalog, law
from llmcap_kernel.explain import counted, digits, quantity

from ..figures import show
from ..figures.drawing import Drawing, Named
from ..figures.plots import (
    HEIGHTS,
    PLOT_BOTTOM,
    PLOT_TOP,
    Axis,
    Bar,
    Drawable,
    Line,
    Mark,
    Part,
    bars,
    chart,
)
from . import caches, roofline
from .record import Control, Drawn, Picture
from .roofline import (
    CONTEXTS,
    FORMATS,
    USERS_FAR,
    USERS_FEW,
    USERS_FINE,
    h100,
    llama,
    ms,
    reading_and_computing,
)

USERS_LINED = tuple(range(1, 65))
USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# What stands in a step of a decoder, in the order in which a token passes it: its colour, how
# strong, and its name. Matrices are shades of the weights' blue.
ROLES = {
    "attention": ("weights", 0.65, "attention matrices"),
    "mlp": ("weights", 1.0, "MLP matrices"),
    "head": ("weights", 0.35, "output head"),
}


def _cache_format(weights):
    """The format in which the cache is kept beside weights of a format."""
    return catalog.format("bf16" if weights == "bf16" else "fp8")


# ---- one card ---------------------------------------------------------------------------


def _card(users):
    read, _ = reading_and_computing(users)
    most, _ = reading_and_computing(USERS_FEW[-1])
    speed, rate = h100().bandwidth_bytes_s, h100().flop_s["fp8"]
    drawing = Drawing(196)
    _draw_card(drawing, read, speed, rate)
    taken = ms(sum(read) / speed)
    drawing.text(0, 141, f"Reading {quantity(sum(read), 'bytes')} takes {taken}", bold=True)
    at = 0.0
    for size, ink in zip(read, ("weights", "cache"), strict=True):
        width = 100 * size / sum(most)
        drawing.rect(at, 150, width, 30, ink)
        at += width
    one = read[1] / users
    said = (
        f"For the next token of {counted(users, 'user')} the chip reads the weights once, "
        f"{quantity(read[0], 'bytes')}, and {quantity(one, 'bytes')} of cache for each user."
    )
    rows = []
    for n in (1, 4, 16, 64):
        weights, caches = reading_and_computing(n)[0]
        rows.append((f"{n:,}", weights, caches, (weights + caches) / speed))
    table = show.table(
        ("users", "weights", "caches", "time"),
        rows,
        "Read for one token of each user, Llama-3.1-70B in FP8 with 8,000 tokens, one H100",
        units=("", "bytes", "bytes", "s"),
    )
    return Drawn(drawing, said, table)


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
    named = []
    for role, words in (
        ("attention", "attention (query, key, value, output)"),
        ("mlp", "MLP (gate, up, down)"),
    ):
        size = quantity(sum(t.elements for t in layer if t.role == role), "params")
        named.append(Named(f"{words}: {size}", ROLES[role][0], dim=ROLES[role][1]))
    drawing.key(98, named)


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
    model, stored = llama(), law.weight_bytes(llama(), catalog.format(weights)).by_role
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
        f"Weights in {weights}: {quantity(work, 'FLOP')} for {quantity(moved, 'bytes')}, "
        f"{digits(work / moved)} operations for each byte read."
    )
    table = show.table(
        ("part", "read", "computed"),
        [(look[2], quantity(b, "bytes"), quantity(f, "FLOP")) for look, b, f in parts],
        f"A step of Llama-3.1-70B, {counted(users, 'user')} with {context_tokens:,} tokens",
    )
    return Drawn(bars(rows, "", thick=46), said, table)


# ---- weights once, caches each --------------------------------------------------------


def _shared(users, context):
    model, fp8 = llama(), catalog.format("fp8")
    weights = law.weight_bytes(model, fp8).dense_read_bytes
    one = law.kv_read_bytes_per_sequence(model, fp8, context)
    total, most = weights + users * one, USERS_LINED[-1]
    ends = [(n, (weights + n * one) / 1e9) for n in (0, most)]
    level = [weights / 1e9] * 2
    marks: list[Drawable] = [
        Line("", [(0, level[0]), (most, level[0])], "weights", low=[0, 0], high=level),
        Line("", ends, "cache", low=level, high=[y for _, y in ends]),
        Mark(
            f"{counted(users, 'user')}: {quantity(total, 'bytes')}", users, total / 1e9, below=True
        ),
    ]
    drawing = chart(
        marks, Axis("users in the step", 0, most), Axis("GB read in a step", 0), drag="users"
    )
    foot = drawing.height - PLOT_BOTTOM
    drawing.text(98, foot - 10, "weights, once for all", "weights", bold=True, halo=True)
    drawing.text(HEIGHTS, PLOT_TOP + 16, "on top, each user's cache", "cache", bold=True, halo=True)
    said = (
        f"With {context:,} tokens each, caches are {users * one / total:.0%} of what a step with "
        f"{counted(users, 'user')} reads. They outweigh the weights from "
        f"{counted(math.ceil(weights / one), 'user')} on."
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
    read, work = reading_and_computing(users)
    return law.roofline_s(
        flops=work[0],
        bytes_moved=read[0],
        flop_s=h100().flop_s["fp8"],
        bandwidth_bytes_s=h100().bandwidth_bytes_s,
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
        f"With {counted(users, 'user')} the matrices take {quantity(here, 's')}, {same}, and all "
        f"users together get {quantity(users / here, 'tok/s')}."
    )
    rows = [(f"{n:,}", _matrices_s(n), n / _matrices_s(n)) for n in (1, 16, 64, 256, 512, 1024)]
    caption = "The matrices of Llama-3.1-70B in FP8 on an H100, without caches"
    table = show.table(("users", "step", "all users"), rows, caption, units=("", "s", "tok/s"))
    return Drawn(drawings, said, table)


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


EXPERTS_HIGH = 144  # pixels of all experts of a layer: the page stays where another model is chosen


def _experts(users, model):
    one = catalog.model(MIXTURES[model])
    experts, each = one.experts, one.experts_per_token
    touched = _touched(one, users)
    order = sorted(range(experts), key=lambda i: i * 0.6180339887 % 1)  # spread, at every run alike
    across, tall = 32 if experts > 64 else 4, EXPERTS_HIGH
    cell = tall / -(-experts // across)
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
        f"{counted(users, 'user')} touches {digits(touched)} of them, {touched / experts:.0%}, "
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
        return Bar(f"{what}: {ms(sum(sizes))}", parts)

    rows = [
        row("Bytes", read, ("weights touched", "caches")),
        row("FLOP", work, ("2 x active parameters", "attention")),
    ]
    longer = "bytes" if sum(read) > sum(work) else "FLOP"
    said = (
        f"On each card the {longer} take longer: {ms(max(sum(read), sum(work)))} against "
        f"{ms(min(sum(read), sum(work)))}. With the cards' own exchange the step takes "
        f"{ms(step.total_s)}, at best."
    )
    table = show.table(
        ("", "in all", "time"),
        [
            ("weights", step.weight_bytes, read[0]),
            ("caches", step.kv_bytes, read[1]),
        ],
        f"Read on each card, {counted(users, 'user')} with {context:,} tokens",
        units=("", "bytes", "s"),
    )
    return Drawn(bars(rows, "ms", thick=30, axis=True), said, table)


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
    **roofline.PICTURES,
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
}
