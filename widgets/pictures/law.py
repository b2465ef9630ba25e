"""Pictures of chapter 1."""

import csv
import math
from functools import cache
from pathlib import Path

import llmcap_kernel
from llmcap_kernel import bandwidth, catalog, law
from llmcap_kernel.explain import digits, quantity

from ..figures import show
from ..figures.drawing import Drawing, Scale
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
    grid,
)
from .record import Control, Drawn, Picture, counted

TIMED = Path(llmcap_kernel.__file__).parents[1] / "benchmarks" / "kernels_drawn.csv"
CONTEXTS = (500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
USERS_LINED = tuple(range(1, 65))
USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
FORMATS = ("bf16", "fp8", "nvfp4")
# What stands in a step of a decoder, in the order in which a token passes it.
ROLES = {"attention": "prompt", "mlp": "weights", "head": "activations"}
NAMES = {"attention": "attention matrices", "mlp": "MLP matrices", "head": "output head"}


def _llama():
    return catalog.model("llama-3.1-70b")


def _h100():
    return catalog.gpu("h100-sxm")


# ---- the parts of a step --------------------------------------------------------------


def _step_parts(users, weights, context_tokens):
    """Bytes and FLOP of a step of Llama-3.1-70B by part: label, ink, bytes, FLOP."""
    model, stored = _llama(), law.weight_bytes(_llama(), catalog.format(weights)).by_role
    params = {role: sum(t.params for t in model.tensors if t.role == role) for role in ROLES}
    rows = [
        (
            NAMES[role],
            ink,
            stored[role],
            law.matmul_flops(params=params[role], tokens=users),
        )
        for role, ink in ROLES.items()
    ]
    kept = catalog.format("fp8" if weights != "bf16" else "bf16")
    one = law.kv_read_bytes_per_sequence(model, kept, context_tokens)
    scores = law.attention_flops_per_token(model, context_tokens)
    return [*rows, ("cached keys and values", "cache", users * one, users * scores)]


def _step(users, weights, context_tokens):
    parts = _step_parts(users, weights, context_tokens)
    moved, work = (sum(part[i] for part in parts) for i in (2, 3))
    rate = bandwidth.compute_dtype(_h100(), catalog.format(weights))[1]
    seconds = moved / _h100().bandwidth_bytes_s, work / rate

    def bar(what, which, unit, total, time):
        label = f"{what}: {quantity(total, unit)}, {quantity(time, 's')} on an H100"
        shown = [
            Part(name, row[which] / total, ink, said=quantity(row[which], unit))
            for row in parts
            for name, ink in [row[:2]]
        ]
        return Bar(label, shown)

    rows = [
        bar("Read", 2, "bytes", moved, seconds[0]),
        bar("Computed", 3, "FLOP", work, seconds[1]),
    ]
    longer, shorter = max(seconds), min(seconds)
    what = "Reading" if seconds[0] >= seconds[1] else "Computing"
    said = (
        f"{what} takes {digits(longer / shorter, 2)} times as long: "
        f"{quantity(longer, 's')} against {quantity(shorter, 's')}."
    )
    table = show.table(
        ("part", "read", "computed"),
        [(name, quantity(b, "bytes"), quantity(f, "FLOP")) for name, _, b, f in parts],
        f"A step of Llama-3.1-70B, {counted(users, 'users')} with {context_tokens:,} tokens",
    )
    return Drawn(bars(rows, "", thick=46), said, table)


# ---- the roofline, with what a card really did ----------------------------------------


@cache
def _timed():
    """Intensity and FLOP/s of products timed on an H100, by format."""
    found: dict[str, list[tuple[float, float]]] = {"bf16": [], "fp8": []}
    with TIMED.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
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
    dots = [p for p in _timed().get(weights, []) if p[0] >= 0.5]
    roof = [(0.5, 0.5 * gpu.bandwidth_bytes_s), (ridge, rate), (20_000, rate)]
    marks: list[Drawable] = [
        Dots(f"dots: {len(dots)} products timed on an H100", dots, "other", dim=0.55),
        Line("memory", roof[:2], "cache", where=ridge),
        Line("arithmetic", roof[1:], "weights"),
        Limit(f"ridge {ridge:.0f}", x=ridge, ink="quiet"),
        Mark(f"{counted(users, 'users')}: {digits(at)} FLOP a byte", at, reached, below=True),
    ]
    drawing = chart(
        marks if dots else marks[1:],
        Axis("FLOP for each byte read", 0.5, 20_000, log=True),
        Axis("FLOP/s", 1e10, 4e15, log=True),
        height=340,
    )
    one = at / users  # pulling on the point moves the users along their intensity
    drawing.drag = "users", Scale(0.5 / one, 20_000 / one, 1.5, 98.5, log=True)
    side = "computing" if at > ridge else "reading"
    said = (
        f"{counted(users, 'users')} in a step: {digits(at)} FLOP for each byte of weights; "
        f"the ridge is at {ridge:.0f}. The step waits for {side}, and {reached / rate:.2%} of the "
        "arithmetic is busy, at best."
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


# ---- what a token leaves --------------------------------------------------------------

# What a layer of the kind looks like, with a model that has it and which of its layers do.
KINDS = {
    "MHA": ("llama-1-65b", 0, "a key and a value for every query head"),
    "GQA": ("llama-3.1-70b", 0, "a group of query heads shares one key and value"),
    "MQA": ("falcon-7b", 0, "all query heads share one key and value"),
    "MLA": ("deepseek-v3", 0, "one compressed vector for all heads"),
    "window": ("gemma-3-27b", 0, "keys and values of the last tokens only"),
    "state": ("qwen3.5-397b-a17b", 0, "a state of fixed size, and no tokens"),
}
TOKENS = 24  # of a sequence, as cells
HEADS = 16  # query heads, as boxes


def _layer_bytes(kind, tokens):
    name, which, _ = KINDS[kind]
    mixer = catalog.model(name).attention[which]
    kept = law.tokens_stored(mixer, tokens)
    stored = law.kv_record_bytes(mixer, catalog.format("bf16")) * kept
    return stored + (law.state_bytes(mixer) if mixer.kind == "linear" else 0)


def _kinds(kind):
    name, which, words = KINDS[kind]
    mixer = catalog.model(name).attention[which]
    drawing = Drawing(232)
    _draw_heads(drawing, kind, mixer)
    _draw_tokens(drawing, kind, mixer)
    sizes = {one: _layer_bytes(one, 8000) for one in KINDS}
    most = sizes["MHA"]
    drawing.text(0, 196, f"one layer at 8,000 tokens: {quantity(sizes[kind], 'bytes')}", bold=True)
    drawing.rect(0, 204, 100, 18, "", edge="edge", dashed=True)
    drawing.rect(0, 204, 100 * sizes[kind] / most, 18, "cache")
    said = (
        f"{kind}: {words}. A layer of {name} keeps {quantity(sizes[kind], 'bytes')} of BF16 for "
        f"8,000 tokens, {sizes[kind] / most:.1%} of the outline, a layer of {KINDS['MHA'][0]}."
    )
    table = show.table(
        ("kind", "model", "8K tokens", "128K tokens"),
        [
            (
                one,
                KINDS[one][0],
                *(quantity(_layer_bytes(one, n), "bytes") for n in (8000, 128_000)),
            )
            for one in KINDS
        ],
        "What one layer keeps for one user, BF16",
    )
    return Drawn(drawing, said, table)


def _draw_heads(drawing, kind, mixer):
    """Query heads above, what they share of keys and values below, joined."""
    groups = {"MHA": HEADS, "GQA": 2, "window": 8}.get(kind, 1)
    heads = f"{mixer.heads} query heads" if mixer.heads else "query heads"
    drawing.text(0, 13, heads, "quiet", small=True)
    cell = 100 / HEADS
    for i in range(HEADS):
        drawing.rect(i * cell + 0.6, 20, cell - 1.2, 16, "prompt")
    width = 100 / groups
    for i in range(groups):
        middle = (i + 0.5) * width
        for j in range(HEADS // groups):
            drawing.line((i * HEADS // groups + j + 0.5) * cell, 36, middle, 64, "edge")
    if kind == "state":
        drawing.rect(35, 64, 30, 22, "activations")
        drawing.text(50, 102, "one state, rewritten at each token", anchor="middle", small=True)
        return
    thin = 6 if kind == "MLA" else min(width * 0.55, 6)
    for i in range(groups):
        drawing.rect((i + 0.5) * width - thin / 2, 64, thin, 22, "cache")
    shared = "1 vector" if kind == "MLA" else f"{mixer.kv_heads} KV heads"
    shared = shared.replace("1 KV heads", "1 KV head")
    drawing.text(0, 102, f"{shared}: {law.kv_elements(mixer):,} numbers a token", small=True)


def _draw_tokens(drawing, kind, mixer):
    """The tokens of a sequence, and of which of them something is kept."""
    last = {"window": 6, "state": 0}.get(kind, TOKENS)
    kept = {"window": f"the last {mixer.window_tokens:,}", "state": "none of them"}
    words = f"tokens of the sequence; kept: {kept.get(kind, 'all')}"
    drawing.text(0, 130, words, "quiet", small=True)
    cell = 100 / TOKENS
    for i in range(TOKENS):
        held = i >= TOKENS - last
        look = {} if held else {"edge": "rule"}
        drawing.rect(i * cell, 138, cell, 20, "cache" if held else "panel", **look)
    drawing.text(100, 174, "newest", "quiet", small=True, anchor="end")
    drawing.text(0, 174, "oldest", "quiet", small=True)


GROWING = {
    "llama-3.1-70b": ("Llama-3.1-70B, all full", "weights"),
    "gemma-3-27b": ("Gemma 3 27B, windows", "link"),
    "deepseek-v3": ("DeepSeek-V3, MLA", "cache"),
    "nemotron-3-ultra-550b-a55b": ("Nemotron hybrid, states", "activations"),
}


def _growth(context):
    bf16 = catalog.format("bf16")
    lengths = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)

    def held(name, tokens):
        return law.kv_bytes_per_sequence(catalog.model(name), bf16, tokens)

    lines = [
        Line(label, [(n, held(name, n) / 1e9) for n in lengths], ink)
        for name, (label, ink) in GROWING.items()
    ]
    marks = [
        Mark("", context, held(name, context) / 1e9, ink) for name, (_, ink) in GROWING.items()
    ]
    drawing = chart(
        [*lines, *marks],
        Axis("tokens of context", log=True),
        Axis("GB of cache for one user", 0.05, 60, log=True),
        drag="context",
        height=320,
    )
    big, small = (held(name, context) for name in ("llama-3.1-70b", "nemotron-3-ultra-550b-a55b"))
    said = (
        f"At {context:,} tokens Llama-3.1-70B keeps {quantity(big, 'bytes')} for a user and the "
        f"Nemotron hybrid {quantity(small, 'bytes')}, {digits(big / small, 2)} times less, with "
        "eight times the parameters."
    )
    rows = [
        (name, *(quantity(held(name, n), "bytes") for n in (8000, 128_000)), _times(held, name))
        for name in (*GROWING, "gpt-oss-120b", "qwen3.5-397b-a17b")
    ]
    columns = ("model", "at 8K", "at 128K", "grows")
    return Drawn(drawing, said, show.table(columns, rows, "Cache of one user, BF16"))


def _times(held, name):
    return f"{held(name, 128_000) / held(name, 8000):.1f}x"


# ---- experts --------------------------------------------------------------------------

MIXTURES = {
    "Mixtral 8x7B": "mixtral-8x7b",
    "gpt-oss-120b": "gpt-oss-120b",
    "DeepSeek-V3": "deepseek-v3",
    "Kimi K2": "kimi-k2",
}


def _experts(users, model):
    one = catalog.model(MIXTURES[model])
    experts, each = one.experts, one.experts_per_token
    touched = law.experts_touched(experts=experts, experts_per_token=each, tokens=users)
    whole = round(touched)
    order = sorted(range(experts), key=lambda i: i * 0.6180339887 % 1)  # spread, at every run alike
    chosen = set(order[:whole])
    cells = [("weights" if i in chosen else "", 1) for i in range(experts)]
    drawing = grid(cells, 32 if experts > 64 else 8, cell=18 if experts > 64 else 60)
    said = (
        f"Each token visits {each} of {experts} experts. A step with {counted(users, 'users')} "
        f"reads {digits(touched)} of them, {touched / experts:.0%}, and multiplies each token "
        f"with {each}."
    )
    rows = []
    for label, name in MIXTURES.items():
        m = catalog.model(name)
        shares = (
            law.experts_touched(experts=m.experts, experts_per_token=m.experts_per_token, tokens=n)
            / m.experts
            for n in (1, 16, 64, 256)
        )
        rows.append((label, f"{m.experts_per_token}/{m.experts}", *(f"{x:.0%}" for x in shares)))
    columns = ("model", "visits", "1 user", "16", "64", "256")
    return Drawn(drawing, said, show.table(columns, rows, "Experts that a step reads"))


# ---- what a format shrinks ------------------------------------------------------------

STORED = ("bf16", "fp8", "nvfp4", "int4-awq", "gguf-q4-k-m")


def _formats(model):
    names = {"Llama-3.1-70B": "llama-3.1-70b", "Llama-3.1-8B": "llama-3.1-8b"}
    shape = catalog.model(names[model])
    inks = {"mlp": "weights", "attention": "prompt", "head": "activations", "embedding": "other"}
    rows, lines = [], []
    whole = law.weight_bytes(shape, catalog.format("bf16")).stored_bytes
    for name in STORED:
        number_format = catalog.format(name)
        sizes = law.weight_bytes(shape, number_format)
        share = sizes.stored_bytes / whole
        bits = 8 * number_format.bytes_per_element
        label = f"{name}: {quantity(sizes.stored_bytes, 'bytes')}, {share:.0%}"
        parts = [Part(role, sizes.by_role[role] / 1e9, ink) for role, ink in inks.items()]
        rows.append(Bar(label, parts, names=name in ("bf16", STORED[-1])))
        read = quantity(sizes.dense_read_bytes, "bytes")
        stored = quantity(sizes.stored_bytes, "bytes")
        lines.append((name, f"{bits:.1f}", stored, f"{share:.0%}", read))
    four = lines[2]
    said = (
        f"Half the bits are not half the file: FP8 stores {lines[1][3]} of BF16, NVFP4 {four[3]}, "
        "for the embedding table and the head stay in 16 bits, and small groups of numbers share "
        "a scale."
    )
    columns = ("format", "bits", "stored", "of BF16", "read")
    return Drawn(bars(rows, "GB", thick=16), said, show.table(columns, lines, model))


CARDS = ("l4", "rtx-4090", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm")


def _ridges():
    rows, parts = [], []
    for name in CARDS:
        gpu = catalog.gpu(name)
        rate, fast = gpu.flop_s["bf16"], gpu.flop_s.get("fp8")
        at = law.ridge_point(flop_s=rate, bandwidth_bytes_s=gpu.bandwidth_bytes_s)
        read = digits(gpu.bandwidth_bytes_s / 1e12)
        parts.append(
            Bar(
                f"{name}: {at:.0f} FLOP a byte in BF16",
                [Part("", 2.0, "prompt"), Part("", at - 2.0, "weights")],
                names=False,
            )
        )
        rows.append(
            (
                name,
                read,
                f"{rate / 1e12:,.0f}",
                f"{at:.0f}",
                f"{at * fast / rate:.0f}" if fast else "-",
            )
        )
    said = (
        "One user brings 1 to 2 FLOP a byte, the thin left end of each bar. Every card wants "
        "hundreds before its arithmetic is the limit."
    )
    columns = ("card", "TB/s", "TFLOP/s", "ridge", "in FP8")
    drawing = bars(parts, "", thick=12)
    return Drawn(drawing, said, show.table(columns, rows, "What a card needs to be busy"))


PICTURES = {
    "step": Picture(
        "A decode step of Llama-3.1-70B, to scale",
        _step,
        (
            Control("users", "Users", USERS, 1, "users"),
            Control("weights", "Weights", FORMATS, "fp8"),
            Control("context_tokens", "Context of each", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "roofline": Picture(
        "Where a batch stands under the roof of an H100",
        _roofline,
        (
            Control("users", "Users in the step", USERS, 1, "users"),
            Control("weights", "Weights", FORMATS[:2], "fp8"),
        ),
    ),
    "shared-reading": Picture(
        "What a step reads: weights once, a cache for each",
        _shared,
        (
            Control("users", "Users", USERS_LINED, 16, "users"),
            Control("context", "Context of each", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "attention-kinds": Picture(
        "What a token leaves behind in a layer",
        _kinds,
        (Control("kind", "Attention", tuple(KINDS), "GQA"),),
    ),
    "cache-growth": Picture(
        "One user's cache as the context grows",
        _growth,
        (Control("context", "Context", CONTEXTS[1:], 8000, "tokens"),),
    ),
    "experts": Picture(
        "The experts that a step reads",
        _experts,
        (
            Control("users", "Users in the step", USERS[:9], 16, "users"),
            Control("model", "Model", tuple(MIXTURES), "DeepSeek-V3"),
        ),
    ),
    "formats": Picture(
        "What a format shrinks, and what it leaves alone",
        _formats,
        (Control("model", "Model", ("Llama-3.1-70B", "Llama-3.1-8B"), "Llama-3.1-70B"),),
    ),
    "ridges": Picture("What each card needs before its arithmetic is the limit", _ridges),
}
