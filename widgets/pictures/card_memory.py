"""Pictures of chapter 3: where the memory of a card goes, and how sure that is."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import capacity, catalog, design, law
from llmcap_kernel.evidence import startup
from llmcap_kernel.explain import GIB, counted, digits, gib, quantity
from llmcap_kernel.refuse import BadInput

from ..benchmarks import BENCHMARKS, by_id
from ..figures import show
from ..figures.drawing import LINE, Drawing, Named, Scale
from ..figures.plots import (
    Axis,
    Bar,
    Dots,
    Drawable,
    Line,
    Mark,
    Part,
    bars,
    chart,
    thickness,
)
from .record import Control, Drawn, Picture

FRACTIONS = (0.88, 0.89, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98)
CONTEXTS = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000)
SEQS = (16, 32, 64, 128, 256, 512, 1024)
BATCHES = (512, 1024, 2048, 4096, 8192, 16_384)


@cache
def candidate(fraction, cards=1):
    """Llama-3.1-70B in FP8 on H100: candidate A, and B with two cards."""
    return replace(design.worked_spec()[0], memory_fraction=fraction, tp=cards)


def ledger(deployment, context=8000):
    return capacity.ledger(deployment, context_tokens=context)


# ---- three sizes of a card ------------------------------------------------------------


def _sizes(card, fraction):
    gpu = catalog.gpu(card)
    handed = capacity.usable_bytes(gpu)
    share = handed * fraction
    named = f"{quantity(gpu.memory_sold_bytes, 'bytes')} on the label"
    label = gpu.memory_sold_bytes
    found = (
        (f"{named}: {gib(label)}", label, "other"),
        (f"the driver reports {gib(gpu.memory_visible_bytes)}", gpu.memory_visible_bytes, "other"),
        (f"it hands over {gib(handed)}", handed, "other"),
        (f"the engine takes {fraction:g} of that: {gib(share)}", share, "text"),
    )
    rows = [Bar(words, [Part("", size / GIB, ink)], names=False) for words, size, ink in found]
    lost = Part("", (handed - share) / GIB, "edge", missing=True)
    rows[-1] = replace(rows[-1], parts=(*rows[-1].parts, lost))
    said = (
        f"The label of {card} says {quantity(label, 'bytes')}, which is {gib(label)}. "
        f"The engine may use {gib(share)}: what the driver hands over, times {fraction:g}."
    )
    lines = [_sizes_line(name, fraction) for name in SIZED]
    columns = ("card", "label", "reported", "handed over", f"x {fraction:g}")
    table = show.table(columns, lines, "Sizes of a card")
    return Drawn(bars(rows, "GiB", thick=16), said, table)


SIZED = ("rtx-3090", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm")


def _sizes_line(name, fraction):
    gpu = catalog.gpu(name)
    handed = capacity.usable_bytes(gpu)
    sizes = (gpu.memory_visible_bytes, handed, handed * fraction)
    return name, quantity(gpu.memory_sold_bytes, "bytes"), *map(gib, sizes)


# ---- what a format leaves alone -------------------------------------------------------

NAMED = ("llama-3.1-8b", "gemma-3-12b", "qwen3-32b", "llama-3.1-70b")
LEFT = 0.45  # opacity of what is left alone: a shade of weights
BYTES = {"fp8": 1.0, "nvfp4": 0.5, "int4-awq": 0.5}


def _left_alone(weights):
    each, rows, lines = BYTES[weights], [], []
    for name in NAMED:
        model = catalog.model(name)
        believed = model.params * each
        stored = law.weight_bytes(model, catalog.format(weights)).stored_bytes
        more = stored - believed
        label = f"{name}: {quantity(stored, 'bytes')}, {more / believed:.0%} more than its name"
        parts = [
            Part("parameters x bytes", 100.0, "weights", said=quantity(believed, "bytes")),
            Part("left alone, and scales", 100 * more / believed, "weights", said="", dim=LEFT),
        ]
        rows.append(Bar(label, parts, names=False))
        lines.append((name, *(quantity(x, "bytes") for x in (believed, stored, more))))
    drawing = bars(rows, "%", thick=18, longest=160.0)
    named = (
        ("weights", "parameters times bytes"),
        ("weights", "left in 16 bits, and scales", LEFT),
    )
    key(drawing, named)
    small, large = lines[0], lines[-1]
    said = (
        f"In {weights} an embedding table, an output head and scales add {small[3]} to the 8B "
        f"model and {large[3]} to the 70B one: small models feel it most."
    )
    columns = ("model", "believed", "stored", "more")
    return Drawn(drawing, said, show.table(columns, lines, f"Weights in {weights}"))


def key(drawing, named):
    """Name colours below a drawing, in as few lines as there is room for."""
    named = [Named(words, ink, dim=(*dim, 1.0)[0]) for ink, words, *dim in named]
    drawing.height += LINE * drawing.key(drawing.height + 14, named) + 4


# ---- the ledger of candidate A --------------------------------------------------------

TERMS = (
    ("weights", "weights", "weights_bytes"),
    ("largest batch", "activations", "activation_bytes"),
    ("runtime", "host", "runtime_bytes"),
    ("CUDA graphs", "link", "graph_bytes"),
)


def taken(books, cards=1):
    """What comes out of an engine's share before the cache does, of so many cards."""
    inside = books.deployment.engine.graphs_in_fraction
    fields = TERMS if inside else TERMS[:-1]
    return [Part(name, cards * getattr(books, key) / GIB, ink) for name, ink, key in fields]


def _held(books):
    """The room as the users in it and what is left over; where none fits, a user's outline."""
    if not books.max_concurrent:
        return [Part("one user", _user(books), "bad", missing=True)]
    each, left = _user(books), books.kv_pool_bytes / GIB - books.max_concurrent * _user(books)
    return [Part("one user", each, "cache")] * books.max_concurrent + [Part("rest", left, "free")]


def _user(books):
    return books.kv_bytes_per_sequence / GIB


def _card(fraction, context):
    books = ledger(candidate(fraction), context)
    parts, held = taken(books), _held(books)
    over = sum(p.size for p in parts) * GIB - books.budget_bytes
    said = (
        f"Weights and overhead take {gib(over)} more than the engine's share, so no user of "
        f"{context:,} tokens fits, {gib(books.kv_bytes_per_sequence)} each."
        if over > 0
        else f"{gib(books.kv_pool_bytes)} are left: {counted(books.max_concurrent, 'user')} of "
        f"{context:,} tokens, {gib(books.kv_bytes_per_sequence)} each."
    )
    rows = [_card_line(one, context) for one in FRACTIONS]
    columns = ("fraction", "share", "weights", "overhead", "room", "users")
    caption = f"Candidate A, GiB, users of {context:,} tokens"
    drawing = _enlarged(books, parts, held)
    return Drawn(drawing, said, show.table(columns, rows, caption, decimals=2))


def _enlarged(books, fixed, held):
    """Draw a card, and below it once more all of it but the weights, larger."""
    whole, budget = books.visible_bytes / GIB, books.budget_bytes / GIB
    weights = books.weights_bytes / GIB
    card = Scale(0, whole)
    part = Scale(weights, whole)
    drawing = Drawing(176)
    drawing.text(0, 14, f"one H100: {digits(whole)} GiB", bold=True)
    _row(drawing, [*fixed, *held], card, 22, 24)
    for start, end in ((card(weights), 0), (100, 100)):
        drawing.line(start, 46, end, 82, "edge", dash="2 3")
    times = digits(whole / (whole - weights), 2)
    drawing.text(2, 76, f"without the weights, {times} times as large", bold=True, halo=True)
    _row(drawing, [*fixed, *held], part, 84, 40)
    for scale, top, foot in ((card, 18, 50), (part, 80, 130)):
        drawing.line(scale(budget), top, scale(budget), foot, "bad", width=1.5)
    words = f"the engine's share ends, {digits(budget)} GiB"
    drawing.text(part(budget), 145, words, "bad", small=True)
    drawing.height = 154
    named = [(p.ink, p.label) for p in fixed]
    fits = [("cache", "users"), ("free", "left over")]
    key(drawing, named + (fits if books.max_concurrent else [("bad", "a user")]))
    return drawing


def _row(drawing, parts, scale, top, tall):
    """Lay parts beside each other on a scale; the rest up to its end is outlined."""
    drawing.rect(0, top, 100, tall, "panel", edge="edge", dashed=True)
    at = 0.0
    for one in parts:
        left, right = scale(at), scale(at + one.size)
        look = {"edge": one.ink, "dashed": True} if one.missing else {}
        fill = "" if one.missing else one.ink
        if right > left:
            drawing.rect(left, top, right - left, tall, fill, hover=one.label, **look)
        at += one.size


def _card_line(fraction, context):
    books = ledger(candidate(fraction), context)
    sizes = (books.budget_bytes, books.weights_bytes, books.overhead_bytes, books.kv_pool_bytes)
    return f"{fraction:.2f}", *(size / GIB for size in sizes), books.max_concurrent


# ---- the largest batch ----------------------------------------------------------------

ENGINES = {"vLLM 0.16": "vllm-0.16", "vLLM 0.33": "vllm-0.33"}
LONGEST = 31_800


def _started(max_num_seqs, max_num_batched_tokens, engine):
    """Llama-3.1-8B on an RTX 3090, for requests of up to 31,800 tokens."""
    d = catalog.deployment(
        model="llama-3.1-8b",
        gpu="rtx-3090",
        engine=ENGINES[engine],
        memory_fraction=0.95,
        max_model_len=LONGEST,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max(max_num_batched_tokens, max_num_seqs),
    )
    return ledger(d, LONGEST)


def _batch(max_num_seqs, max_num_batched_tokens, engine):
    books = _started(max_num_seqs, max_num_batched_tokens, engine)
    d = books.deployment
    moments = {
        "sampling": (capacity.sampling_bytes(d), f"{counted(d.seqs_limit, 'sequence')}"),
        "one layer": (capacity.forward_bytes(d), f"{counted(d.batch_limit_tokens, 'token')}"),
    }
    larger = max(moments, key=lambda name: moments[name][0])
    inks = {name: "activations" if name == larger else "other" for name in moments}
    shown = [
        Bar(f"{name}, {words}: {gib(size)}", [Part("", size / GIB, inks[name])], names=False)
        for name, (size, words) in moments.items()
    ]
    need, room = books.least_room_bytes, max(books.kv_pool_bytes, 0.0)
    rest = [
        Part("one request", min(need, room) / GIB, "cache"),
        Part("room for it is missing", max(need - room, 0.0) / GIB, "bad", missing=True),
        Part("room for more", max(room - need, 0.0) / GIB, "free"),
    ]
    budget = books.budget_bytes / GIB
    drawings = {
        "Two moments: the larger counts": bars(shown, "GiB", longest=5.0),
        "The card": bars(
            [Bar("RTX 3090, the engine's share", [*taken(books), *rest])],
            "GiB",
            thick=30,
            longest=25.0,
            limit=(budget, "the share ends"),
        ),
    }
    starts = "The card starts" if books.starts else "The card does not start"
    smaller = min(moments, key=lambda name: moments[name][0])
    said = (
        f"{larger.capitalize()} is the larger moment, {gib(moments[larger][0])}, and {smaller} "
        f"takes {gib(moments[smaller][0])}. {starts}: {gib(room)} are left, and one request of "
        f"{LONGEST:,} tokens takes {gib(need)}."
    )
    if max_num_batched_tokens < max_num_seqs:
        said += (
            f" The engine takes no step of {max_num_batched_tokens:,} tokens for "
            f"{max_num_seqs:,} sequences: drawn is one of {max_num_seqs:,}."
        )
    rows = [_batch_line(n, max_num_batched_tokens, engine) for n in SEQS]
    columns = ("max_num_seqs", "sampling", "layer", "room", "starts")
    caption = f"{engine}, {max_num_batched_tokens:,} tokens a step, GiB"
    return Drawn(drawings, said, show.table(columns, rows, caption, decimals=2))


def _batch_line(seqs, tokens, engine):
    books = _started(seqs, tokens, engine)
    d = books.deployment
    sizes = (capacity.sampling_bytes(d), capacity.forward_bytes(d), books.kv_pool_bytes)
    return f"{seqs:,}", *(size / GIB for size in sizes), books.start


# ---- releases -------------------------------------------------------------------------

RELEASES = ("vllm-0.16", "vllm-0.17", "vllm-0.19", "vllm-0.20", "vllm-0.33")
# Rows of benchmarks/memory.csv: one model, one card, one setting, four releases.
SAME = ("k00130", "k00131", "k00132", "k00133")


@cache
def _logs():
    """The start-ups that the pictures name, by row."""
    found = by_id("memory.csv")
    return {name: startup.beside(startup.row(found[name])) for name in {*SAME, *LOGS.values()}}


def _logged_releases():
    rows, lines = [], []
    for name in SAME:
        one = _logs()[name]
        s, books = one.startup, one.books
        sizes = (s.weights_bytes, s.activation_bytes, s.non_torch_bytes, s.kv_bytes)
        inks = ("weights", "activations", "host", "cache")
        names = ("weights", "largest batch", "runtime", "room for the cache")
        parts = [Part(*x) for x in zip(names, (b / GIB for b in sizes), inks, strict=True)]
        before = sum(sizes[:3]) / GIB
        low, high = (before + x / GIB for x in books.kv_pool_interval_bytes)
        label = f"vLLM {s.version}: batch {sizes[1] / GIB:.2f}, room {sizes[3] / GIB:.2f} GiB"
        rows.append(Bar(label, parts, low, high, names=name == SAME[-1]))
        lines.append((s.version, *(b / GIB for b in (*sizes[1:2], sizes[3], books.kv_pool_bytes))))
    said = (
        f"From 0.16 to 0.17 the batch shrank from {lines[1][1]:.2f} to {lines[2][1]:.2f} GiB, and "
        "the room grew by as much. Whiskers are the ledger's interval for the room."
    )
    columns = ("vLLM", "batch, log", "room, log", "room, ledger")
    caption = "Qwen3-14B on an H100 at 0.95, GiB"
    table = show.table(columns, lines, caption, decimals=2)
    return Drawn(bars(rows, "GiB", thick=18), said, table)


def _releases(fraction):
    rows, lines = [], []
    for name in RELEASES:
        d = replace(candidate(fraction), engine=catalog.engine(name))
        books = ledger(d)
        fixed = taken(books)[1:]
        room = books.kv_pool_bytes / GIB
        users = counted(books.max_concurrent, "user")
        what = f"room {digits(room)} GiB, {users}" if room > 0 else "no room"
        parts = [*fixed, Part("room", max(room, 0.0), "cache")]
        rows.append(Bar(f"{d.engine.title}: {what}", parts, names=False))
        own = replace(d, memory_fraction=None).fraction
        lines.append((d.engine.title, *_sized(books), books.max_concurrent, f"{own:.2f}"))
    left = (books.budget_bytes - books.weights_bytes) / GIB
    drawing = bars(rows, "GiB", thick=16, longest=10.5)
    ends(drawing, left / 10.5 * 100, len(rows), 16)
    named = [(ink, name) for name, ink, _ in TERMS[1:]]
    named += [("cache", "room for the cache"), ("bad", "the share ends")]
    key(drawing, named)
    said = (
        f"At {fraction:g} the engine's share has {digits(left)} GiB beside the weights. What a "
        "release takes of them decides whether a user fits."
    )
    columns = ("engine", "batch", "runtime", "graphs", "room", "users", "its default")
    caption = f"Candidate A at {fraction:g}, GiB"
    return Drawn(drawing, said, show.table(columns, lines, caption, decimals=2))


def ends(drawing, at, rows, thick):
    """Draw a line across each of some bars without names, and none through their labels."""
    for i in range(rows):
        top = i * (34 + thick) + 24
        drawing.line(at, top - 4, at, top + thick + 4, "bad", width=2)


def _sized(books):
    inside = books.deployment.engine.graphs_in_fraction
    graphs = books.graph_bytes if inside else 0.0
    sizes = (books.activation_bytes, books.runtime_bytes, graphs, books.kv_pool_bytes)
    return [size / GIB for size in sizes]


# ---- the ledger beside a log ----------------------------------------------------------

# What a reader chooses, and the row of benchmarks/memory.csv that it is.
LOGS = {
    "70B on two H100": "k00140",
    "72B on two H100": "m07766",
    "8B on RTX 3090": "K29",
    "7B on V100": "k00146",
    "120B on four A100": "k00003",
}
LOGGED = {
    "weights": ("weights", "weights_bytes", "weights_bytes"),
    "largest batch": ("activations", "activation_bytes", "activation_bytes"),
    "runtime": ("host", "runtime_bytes", "non_torch_bytes"),
    "room": ("cache", "kv_pool_bytes", "kv_bytes"),
}


def _beside(log):
    one = _logs()[LOGS[log]]
    s, books = one.startup, one.books
    ledger, logged = [], []
    for name, (ink, computed, found) in LOGGED.items():
        ledger.append(Part(name, max(getattr(books, computed), 0) / GIB, ink))
        size = getattr(s, found)
        if size is None:  # the log leaves it out: what lies between its neighbours
            continue
        if name == "room" and s.activation_bytes is None:
            gap = sum(p.size for p in ledger[1:-1])
            logged.append(Part("not in this log", gap, "edge", missing=True, said="?"))
        logged.append(Part(name, size / GIB, ink))
    low, high = (sum(p.size for p in ledger[:-1]) + x / GIB for x in books.kv_pool_interval_bytes)
    whole = books.visible_bytes / GIB
    rows = [Bar("the ledger, before the start", ledger, low, high), Bar("the log", logged)]
    drawing = bars(rows, "GiB", thick=24, longest=whole)
    lines = _log_lines(one)
    top = drawing.height + 8
    drawing.height = top + 42 * len(lines) + 4
    for ink, words, computed, off in lines:
        drawing.swatch(0, top + 3, ink)
        drawing.words(14, top + 12, words)
        drawing.words(14, top + 29, f"ledger: {computed}, off by {off}", "quiet")
        top += 42
    room = next(t for t in one.terms if t.name == "KV cache")
    said = (
        f"{s.model.split('/')[-1]} on {counted(one.deployment.num_gpus, 'card')} of "
        f"{one.deployment.gpu.name}, vLLM {s.version}: the room is off by "
        f"{abs(room.computed - room.logged) / GIB:.2f} GiB, {abs(room.share_of_card):.1%} of the "
        "card."
    )
    table = show.table(
        ("log", "weights", "log", "room", "log"),
        [(label, *_pair(_logs()[row])) for label, row in LOGS.items()],
        "Ledger beside log, GiB on a card",
        decimals=2,
    )
    return Drawn(drawing, said, table)


def _pair(one):
    found = {term.name: term for term in one.terms}
    both = (found["weights"], found["KV cache"])
    return [size / GIB for term in both for size in (term.computed, term.logged)]


def _log_lines(one):
    """Lines of the log in vLLM's words: colour, words, the ledger's number, the difference."""
    s = one.startup
    length = f"{startup.context_tokens(s, one.deployment):,}"
    words = {
        "weights": ("weights", "Model loading took {} GiB"),
        "activations": ("activations", "torch peak memory increase: {}GiB"),
        "outside PyTorch": ("host", "non-torch forward increase memory: {}GiB"),
        "KV cache": ("cache", "Available KV cache memory: {} GiB"),
        "tokens": ("cache", "GPU KV cache size: {} tokens"),
        "concurrency": ("cache", f"Maximum concurrency for {length} tokens: {{}}x"),
    }
    out = []
    found = {term.name: term for term in one.terms}
    for name, (ink, text) in words.items():
        term = found.get(name)
        if term is None:
            continue
        scale, places = {"bytes": (GIB, 2), "tokens": (1, 0)}.get(term.unit, (1, 2))
        logged, computed = (f"{x / scale:,.{places}f}" for x in (term.logged, term.computed))
        off = f"{abs(term.error or 0.0):.1%}"
        out.append((ink, text.format(logged), computed, off))
    return out


# ---- how much of it is a guess --------------------------------------------------------


@cache
def _differences():
    """Logged room, ledger less log, and half the interval, of vLLM on NVIDIA's cards [GiB]."""
    out = []
    for log in startup.read(BENCHMARKS / "memory.csv"):
        if log.doubts or log.family != "vllm" or not log.version or not log.memory_fraction:
            continue
        try:
            one = startup.beside(log)
        except BadInput:
            continue
        room = next((t for t in one.terms if t.name == "KV cache"), None)
        if room is None or room.logged <= 0 or capacity.kind_of_card(one.deployment) != "nvidia":
            continue
        sizes = (room.logged, room.computed - room.logged, one.books.doubt_bytes)
        out.append(tuple(size / GIB for size in sizes))
    return out


def _guessed():
    found = _differences()
    inside = [(x, y) for x, y, doubt in found if abs(y) <= doubt]
    beyond = [(x, min(max(y, -2.0), 2.0)) for x, y, doubt in found if abs(y) > doubt]
    marks: list[Drawable] = [
        Line("", [(2, 0.0), (100, 0.0)], "edge", width=1),
        Dots("", inside, "cache", size=6, dim=0.6),
        Dots("", beyond, "bad", size=7, dim=0.9),
    ]
    drawing = chart(
        marks,
        Axis("room that the log prints [GiB]", 2, 100, log=True),
        Axis("ledger less log [GiB]", -2, 2),
        height=280,
    )
    drawing.text(100, 13, "inside its interval", "cache", small=True, anchor="end")
    drawing.text(62, 13, "outside", "bad", small=True, anchor="end")
    share = len(inside) / len(found)
    halves = sorted(
        ((name, [y for x, y, _ in found if low <= x < high]) for name, low, high in ROOMS),
    )
    said = (
        f"{len(found)} start-ups of vLLM on NVIDIA cards: the ledger is off by as many GiB where "
        f"little room is left as where there is much. {share:.0%} lie inside their interval."
    )
    rows = [(name, len(ys), _middle(ys), max(map(abs, ys))) for name, ys in halves if ys]
    columns = ("room", "logs", "median off", "most")
    return Drawn(drawing, said, show.table(columns, rows, "Ledger less log, GiB", decimals=2))


ROOMS = (("below 10 GiB", 0, 10), ("from 10 to 40", 10, 40), ("over 40 GiB", 40, 1e9))


def _middle(values):
    return sorted(map(abs, values))[len(values) // 2]


FULL = tuple(round(0.86 + 0.005 * n, 3) for n in range(25))
ON = {"one card": 1, "two cards": 2}


def _edge(fraction, cards, context):
    found = [ledger(candidate(f, ON[cards]), context) for f in FULL]
    books = ledger(candidate(fraction, ON[cards]), context)
    rooms = [(f, one.kv_pool_bytes / GIB) for f, one in zip(FULL, found, strict=True)]
    ends = [[x / GIB for x in one.kv_pool_interval_bytes] for one in found]
    one = books.least_room_bytes / GIB
    room, need = books.kv_pool_bytes / GIB, [(FULL[0], one), (FULL[-1], one)]
    marks: list[Drawable] = [
        Line("", rooms, "cache", low=[low for low, _ in ends], high=[high for _, high in ends]),
        Line("one user", need, "bad", "3 3", where=FULL[0], width=1.5),
        Mark(f"{fraction:g}: {books.start}", fraction, room, below=True),
    ]
    drawing = chart(
        marks,
        Axis("memory fraction", FULL[0], FULL[-1], at={f: f"{f:g}" for f in EDGES}),
        Axis("room for the cache [GiB]"),
        drag="fraction",
    )
    low, high = (x / GIB for x in books.kv_pool_interval_bytes)
    said = (
        f"At {fraction:g} the room is {room:.1f} GiB, give or take {(high - low) / 2:.1f}, and one "
        f"user needs {one:.1f}: {capacity.START_WORDS[books.start]}."
    )
    rows = [_edge_line(f, ON[cards], context) for f in EDGES]
    columns = ("fraction", "room", "low", "high", "starts", "users")
    caption = f"Llama-3.1-70B on {cards}, GiB a card, {context:,} tokens"
    return Drawn(drawing, said, show.table(columns, rows, caption, decimals=2))


EDGES = (0.86, 0.88, 0.90, 0.92, 0.94, 0.96, 0.98)


def _edge_line(fraction, cards, context):
    books = ledger(candidate(fraction, cards), context)
    sizes = (books.kv_pool_bytes, *books.kv_pool_interval_bytes)
    low, high = books.concurrent_interval
    return f"{fraction:.2f}", *(x / GIB for x in sizes), books.start, f"{low} to {high}"


# ---- what would make it start ---------------------------------------------------------

SHOWN_GIB = 8.0  # a room beyond that goes on to the right
REMEDIES_HIGH = 364  # pixels of all settings: the page stays where their number changes


def _remedies(fraction, context):
    d = candidate(fraction)
    # of A's own cards: the chapter has no others yet
    found = [one for one in capacity.remedies(d, context) if one.setting != "gpu"]
    settings = {"as it is": ledger(d, context)} | {one.flag: one.books for one in found}
    rows, lines = [], []
    for name, books in settings.items():
        room, need = (max(x, 0.0) / GIB for x in (books.kv_pool_bytes, books.least_room_bytes))
        low, high = (max(x, 0.0) / GIB for x in books.kv_pool_interval_bytes)
        parts = [
            Part("", min(room, need), "cache"),
            Part("", max(need - room, 0.0), "bad", missing=True),
            Part("", max(room - need, 0.0), "free"),
        ]
        beyond = low > SHOWN_GIB
        words = f"{name}: {books.start}" + (f", {room:.0f} GiB" if beyond else "")
        whisker = {} if beyond else {"low": low, "high": high}
        rows.append(Bar(words, parts, names=False, **whisker))
        users = "{} to {}".format(*books.concurrent_interval)
        lines.append((name, books.kv_pool_bytes / GIB, need, books.start, users))
    thick = thickness(len(rows), REMEDIES_HIGH, most=40)
    drawing = bars(rows, "GiB", thick=thick, longest=SHOWN_GIB)
    key(
        drawing,
        (
            ("cache", "room for the first user"),
            ("bad", "what is missing of it"),
            ("free", f"room for more; the width is {SHOWN_GIB:g} GiB"),
        ),
    )
    is_up = settings["as it is"].starts
    if not is_up:
        drawing.height = max(drawing.height, REMEDIES_HIGH + 3 * LINE + 4)
    asked = f"At {fraction:g}, with users of {context:,} tokens"
    said = (
        f"{asked}, A needs no help."
        if is_up
        else f"{asked}, {counted(len(found), 'setting')} would do, without the others. Whiskers "
        "are the interval: where one reaches below the first user, A may still fail to start."
    )
    columns = ("setting", "room", "one user", "starts", "users")
    caption = f"Candidate A at {fraction:g}, GiB, users of {context:,} tokens"
    return Drawn(drawing, said, show.table(columns, lines, caption, decimals=2))


PICTURES = {
    "card-sizes": Picture(
        "Three sizes of one card",
        _sizes,
        (
            Control("card", "Card", SIZED, "h100-sxm"),
            Control("fraction", "Memory fraction", FRACTIONS, 0.90),
        ),
    ),
    "left-alone": Picture(
        "What a model weighs beyond its name",
        _left_alone,
        (Control("weights", "Weights", tuple(BYTES), "fp8"),),
    ),
    "ledger-of-a": Picture(
        "Where the memory of candidate A goes",
        _card,
        (
            Control("fraction", "Memory fraction", FRACTIONS, 0.90),
            Control("context", "Context of a user", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "largest-batch": Picture(
        "What an engine sets aside for its largest batch",
        _batch,
        (
            Control("max_num_seqs", "max_num_seqs", SEQS, 256, "sequences"),
            Control("max_num_batched_tokens", "max_num_batched_tokens", BATCHES, 2048, "tokens"),
            Control("engine", "Engine", tuple(ENGINES), "vLLM 0.16"),
        ),
    ),
    "logged-releases": Picture(
        "The same model and card under four releases, as logged", _logged_releases
    ),
    "releases": Picture(
        "What each release takes of candidate A's share",
        _releases,
        (Control("fraction", "Memory fraction", FRACTIONS, 0.90),),
    ),
    "ledger-and-log": Picture(
        "The ledger of a card beside the log of its start",
        _beside,
        (Control("log", "Start-up", tuple(LOGS), "70B on two H100"),),
    ),
    "room-off": Picture("How far off the room is, start-up by start-up", _guessed),
    "start-edge": Picture(
        "Whether it starts: the room and its interval",
        _edge,
        (
            Control("fraction", "Memory fraction", FULL, 0.92),
            Control("cards", "H100", tuple(ON), "one card"),
            Control("context", "Context of a user", CONTEXTS[:-1], 8000, "tokens"),
        ),
    ),
    "remedies": Picture(
        "What would make candidate A start",
        _remedies,
        (
            Control("fraction", "Memory fraction", FRACTIONS[:6], 0.90),
            Control("context", "Context of a user", CONTEXTS[:-1], 8000, "tokens"),
        ),
    ),
}
