"""Pictures of chapter 3: users in the cache, how many there are and what each reserves."""

import math
from dataclasses import replace
from functools import cache

from llmcap_kernel import capacity, catalog, design, law
from llmcap_kernel.explain import GIB, counted, digits, gib, quantity

from ..benchmarks import measured
from ..figures import show
from ..figures.drawing import LINE, Drawing, Scale, steps
from ..figures.plots import (
    PLOT_BOTTOM,
    PLOT_TOP,
    Axis,
    Bar,
    Drawable,
    Limit,
    Line,
    Mark,
    Part,
    bars,
    chart,
    thickness,
)
from .card_memory import ON, candidate, key, ledger, taken
from .record import Control, Drawn, Picture

# ---- one token, one user --------------------------------------------------------------

DENSE = {
    "Llama-3.1-8B": "llama-3.1-8b",
    "Qwen3-32B": "qwen3-32b",
    "Llama-3.1-70B": "llama-3.1-70b",
}
WIDEST = 80  # layers, of the widest of them


def _one_user(model, kv, context):
    layers = catalog.model(DENSE[model]).attention[0]
    fmt = catalog.format(kv)
    token, user = (
        law.kv_bytes_per_sequence(catalog.model(DENSE[model]), fmt, n) for n in (1, context)
    )
    drawing = Drawing(76 + 18 * layers.kv_heads)
    _draw_token(drawing, layers)
    top = drawing.height + 30
    drawing.text(0, top - 8, f"{context:,} tokens of one user: {gib(user)}", bold=True)
    drawing.rect(0, top, 100, 20, "panel", edge="edge", dashed=True)
    drawing.rect(0, top, 100 * user / (ALL_GIB * GIB), 20, "cache")
    drawing.text(100, top + 36, f"the outline is {ALL_GIB} GiB", "quiet", small=True)
    drawing.height = top + 42
    said = (
        f"2 x {layers.layers} layers x {layers.kv_heads} KV heads x {layers.head_dim} numbers x "
        f"{digits(fmt.bytes_per_element)} B: a token of {model} leaves {quantity(token, 'bytes')}, "
        f"a user of {context:,} tokens {gib(user)}. The {layers.heads} query heads leave nothing."
    )
    rows = [_user_line(label, name, fmt, context) for label, name in DENSE.items()]
    columns = ("model", "layers", "KV heads", "a token", "a user")
    caption = f"Cache in {kv}, a user of {context:,} tokens"
    return Drawn(drawing, said, show.table(columns, rows, caption))


ALL_GIB = 20


def _user_line(label, name, fmt, context):
    model = catalog.model(name)
    token, user = (law.kv_bytes_per_sequence(model, fmt, n) for n in (1, context))
    one = model.attention[0]
    return label, one.layers, one.kv_heads, quantity(token, "bytes"), gib(user)


def _draw_token(drawing, layers):
    """What one token leaves: a column a layer, a row a head, keys above values."""
    width, row = 100 / WIDEST, 9
    across = width * layers.layers
    drawing.text(0, 13, "one token: a column for each layer", bold=True)
    y = 34
    for name, ink in (("keys", "cache"), ("values", "free")):
        words = f"{name}: {layers.kv_heads} heads of {layers.head_dim} numbers"
        drawing.text(0, y, words, "quiet", small=True)
        tall = row * layers.kv_heads
        drawing.cells([(i * width, y + 6, width, tall) for i in range(layers.layers)], ink)
        for i in range(1, layers.kv_heads):
            drawing.line(0, y + 6 + i * row, across, y + 6 + i * row, "ground")
        y += tall + 26


# ---- pages of a cache -----------------------------------------------------------------

ROWS, ROW = 12, 19  # of the drawn memory, and how high each is [px]
PREFIX = 6000  # tokens of the system prompt
SHARING = {
    "each alone": 0,
    "prompt shared": PREFIX,
    "windows": 0,
}
COMING = (1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 96, 128, 192, 256)


@cache
def _gemma(tokens=None):
    d = catalog.deployment(model="gemma-3-27b", gpu="h100-sxm")
    return replace(d, max_num_batched_tokens=tokens)


def _pages(users, kind, context):
    d = _gemma() if kind == "windows" else candidate(0.90, 2)
    prefix = SHARING[kind]
    books = capacity.ledger(d, context_tokens=context, shared_prefix_tokens=prefix)
    inside = min(users, books.max_concurrent)
    one = books.kv_bytes_per_sequence
    once = [("prompt", books.prefix_bytes), ("activations", books.admission_bytes)]
    drawing = Drawing(24 + ROWS * ROW)
    free = 1 - (books.once_bytes + inside * one) / books.kv_pool_bytes
    title = f"the cache: {gib(books.kv_pool_bytes)} a card, {free:.0%} empty"
    drawing.text(0, 14, title, bold=True)
    drawing.rect(0, 24, 100, ROWS * ROW, "panel", edge="edge")
    users_inside = [("cache", one)] * inside
    _fill(drawing, [*(run for run in once if run[1]), *users_inside], books.kv_pool_bytes)
    _waiting(drawing, users - inside, one / books.kv_pool_bytes)
    pages = f"{math.ceil((context - prefix) / d.block_tokens):,} pages of {d.block_tokens} tokens"
    key(drawing, _kinds_of(kind, pages))
    are = "is" if inside == 1 else "are"
    said = (
        f"{inside} of {users} users of {context:,} tokens {are} inside: the others find no room."
        if users > inside
        else f"{counted(inside, 'user')} of {context:,} tokens {are} inside; there is room for "
        f"{counted(books.max_concurrent, 'user')}."
    )
    if prefix:
        alone = capacity.max_concurrent(d, context)
        said += f" Without sharing it is {alone:,}."
    if books.admission_bytes:
        more = books.admitted_bytes / one
        said += f" To be taken in, each needs {digits(more, 2)} times what it holds as it runs."
    rows = [_page_line(context, name) for name in SHARING]
    columns = ("cache", "tokens", "one user", "room for")
    return Drawn(drawing, said, show.table(columns, rows, "Users at once, GiB a card"))


def _page_line(context, kind):
    d = _gemma() if kind == "windows" else candidate(0.90, 2)
    books = capacity.ledger(d, context_tokens=context, shared_prefix_tokens=SHARING[kind])
    return kind, f"{context:,}", gib(books.kv_bytes_per_sequence), books.max_concurrent


def _kinds_of(kind, pages):
    if kind == "windows":
        return (
            ("cache", "one user of Gemma 3 27B, as it runs"),
            ("activations", "room for the batches in flight, of all users"),
        )
    named = [("cache", f"one user of Llama-3.1-70B: {pages}")]
    return [*named, ("prompt", "the shared prompt, stored once")] if SHARING[kind] else named


def _fill(drawing, runs, whole):
    """Lay runs into the rows of a memory, one after the other, as text fills lines."""
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    at = 0.0
    for ink, size in runs:
        end = at + size / whole * ROWS
        while at < end - 1e-9:
            row = math.floor(at + 1e-9)
            stop = min(end, row + 1)
            box = (100 * (at - row), 24 + row * ROW, 100 * (stop - at), ROW)
            boxes.setdefault(ink, []).append(box)
            at = stop
    for ink, found in boxes.items():
        drawing.cells(found, ink)


def _waiting(drawing, users, share):
    """Draw users that found no room as outlines of their size."""
    if not users:
        return
    rows = share * ROWS
    tall, width = ROW * max(rows, 1.0), 100 * min(rows, 1.0)
    top = drawing.height + 28
    drawing.text(
        0, top - 6, f"{counted(users, 'user')} outside, each of this size", "bad", bold=True
    )
    for i in range(min(users, int(100 / width))):
        drawing.rect(i * width, top, width, tall - 2, "", edge="bad", dashed=True)
    drawing.height = top + tall + 4


# ---- what one sequence needs in each group of layers -------------------------------

MIXED = {
    "Gemma 3 27B": "gemma-3-27b",
    "gpt-oss-120b": "gpt-oss-120b",
    "Qwen3.5-27B": "qwen3.5-27b",
}
PLURAL = {"all": "full layers", "window": "windows", "state": "states"}
LENGTHS = (2000, 8000, 16_000, 32_000, 64_000, 128_000)
BATCHES = (2048, 4096, 8192, 16_384)


@cache
def _mixed(model, tokens):
    d = catalog.deployment(model=MIXED[model], gpu="h100-sxm")
    return replace(d, max_num_batched_tokens=tokens)


GROUPS_HIGH = 322  # pixels of all groups: the page stays where another model is chosen


def _groups(model, context, tokens):
    d = _mixed(model, tokens)
    cut = capacity.layout(d)
    length = max(kind.layers for kind in cut.kinds if kind.groups == 1)
    rows, lines = [], []
    for kind in cut.kinds:
        parts = _blocks(cut, kind, context)
        blocks = sum(int(p.size) for p in parts)
        lines.append((PLURAL[kind.name], kind.layers, kind.groups, f"{blocks:,}"))
        for first in range(0, kind.layers, length):
            last = min(first + length, kind.layers)
            empty = first + length - last
            padded = f", {empty} empty" if empty else ""
            label = f"{PLURAL[kind.name]} {first + 1} to {last}{padded}: {blocks:,} blocks"
            rows.append(Bar(label, parts, names=False))
    drawing = bars(rows, "blocks", thick=thickness(len(rows), GROUPS_HIGH))
    key(drawing, (("cache", "what is kept"), ("activations", "for batches in flight")))
    drawing.height = max(drawing.height, GROUPS_HIGH + LINE + 4)
    kept = law.kv_bytes_per_sequence(d.model, d.kv, context)
    taken = capacity.kv_sequence_bytes(d, context)
    said = (
        f"The layers keep {gib(kept)} of {context:,} tokens. To be taken in, the sequence needs "
        f"{gib(taken)}, {digits(taken / kept, 2)} times as much, in blocks of "
        f"{quantity(cut.block_bytes, 'bytes')}. {_steps_words(cut, context, tokens)}"
    )
    columns = ("kind", "layers", "groups", "blocks of each")
    caption = f"{model}, one sequence of {context:,} tokens"
    return Drawn(drawing, said, show.table(columns, lines, caption))


def _steps_words(cut, context, tokens):
    """What a step's tokens have to do with it, where they have."""
    windows = [kind.window_tokens for kind in cut.kinds if kind.name == "window"]
    if not windows:
        return "There is no window, so max_num_batched_tokens moves nothing here."
    if min(windows) - 1 + tokens >= context:
        return f"Steps of {tokens:,} tokens take the whole sequence in: larger ones move nothing."
    return f"Part of that is room in its windows for a step of {tokens:,} tokens in flight."


def _blocks(cut, kind, context):
    """Blocks that a group of a kind takes: what is kept, and what batches in flight need."""
    blocks = replace(cut, kinds=(replace(kind, groups=1),)).blocks(context)
    kept = blocks
    if kind.name == "window":
        kept = min(math.ceil(kind.window_tokens / kind.block_tokens), blocks)
    return [Part("kept", kept, "cache"), Part("in flight", blocks - kept, "activations")]


# ---- the cliff ------------------------------------------------------------------------

ALONG = (1000, 1500, 2000, 3000, 4000, 6000, 8000, 12_000, 16_000, 24_000, 32_000)
AXES = ("plain axes", "logarithmic axes")
HIGH = 320  # of the chart [px]


@cache
def _curve(cards):
    """Context, whole users and users before the cut, with the corners of the last steps."""
    d, low, high = candidate(0.98, cards), ALONG[0], ALONG[-1]
    at = {int(low * (high / low) ** (n / 90)) // 16 * 16 for n in range(91)} | {low, high}
    for users in range(1, 13):
        longest = capacity.longest_context(d, users) // 16 * 16
        at |= {longest, longest + 16}
    return capacity.cliff(d, sorted(x for x in at if low <= x <= high))


def _cliff(context, cards, axes):
    found, log = _curve(ON[cards]), axes == AXES[1]
    ((_, whole, smooth),) = capacity.cliff(candidate(0.98, ON[cards]), (context,))
    stairs = steps([(x, float(n)) for x, n, _ in found if n or not log])
    low, top = (0.7, 2 * found[0][2]) if log else (0.0, 1.08 * found[0][2])
    marks: list[Drawable] = [
        Line("", [(x, y) for x, _, y in found], "other", width=1.5),
        Line("", stairs, "cache"),
        Mark(counted(whole, "user"), context, max(float(whole), low), below=context == ALONG[0]),
    ]
    drawing = chart(
        marks,
        Axis("context of each user [tokens]", ALONG[0] if log else 0, ALONG[-1], log=log),
        Axis("users", low, top, log=log),
        height=HIGH,
        drag="context",
    )
    if whole and not log:
        _area(drawing, context, whole, top)
    key(drawing, (("cache", "whole users"), ("other", "before the cut to whole users")))
    least = ledger(candidate(0.98, ON[cards]), context)
    tokens = least.kv_pool_bytes / least.kv_bytes_per_token
    said = (
        f"{counted(whole, 'user')} of {context:,} tokens, {smooth:.2f} before the cut. The pool "
        f"of {gib(ON[cards] * least.kv_pool_bytes)} holds {int(tokens):,} tokens, however they "
        "are shared out."
    )
    rows = [
        (f"{x:,}", n, round(y, 2), f"{int(x * y):,}")
        for x, n, y in capacity.cliff(candidate(0.98, ON[cards]), ALONG[::2])
    ]
    columns = ("context", "users", "before the cut", "x context")
    return Drawn(drawing, said, show.table(columns, rows, f"Llama-3.1-70B, {cards}, 0.98"))


def _area(drawing, context, users, top):
    """Shade context times users under the point: its size is the tokens that are held."""
    across = Scale(0, ALONG[-1], 0, 97)
    down = Scale(0, top, HIGH - PLOT_BOTTOM, PLOT_TOP)
    y = down(users)
    drawing.rect(1.5, y, across(context), HIGH - PLOT_BOTTOM - y, "cache", dim=0.14)


# ---- a second card --------------------------------------------------------------------


SECOND_HIGH = 184  # pixels of two to four rows: the page stays where cards are added


def _second(cards, fraction):
    numbers = [n for n in (1, 2, 4, 8) if n <= cards]
    found = [ledger(candidate(fraction, n)) for n in numbers]
    rooms = [max(n * one.kv_pool_bytes, 0.0) for n, one in zip(numbers, found, strict=True)]
    rows, lines = [], []
    for n, one, room in zip(numbers, found, rooms, strict=True):
        named, users = counted(n, "card"), one.max_concurrent
        parts = [*taken(one, n), Part("room for users", room / GIB, "cache")]
        label = f"{named}: {gib(room)} of room, {counted(users, 'user')}"
        rows.append(Bar(label, parts, names=n == cards))
        lines.append((named, room / GIB, f"{room / rooms[0]:.1f}x" if rooms[0] else "-", users))
    said = (
        f"{lines[-1][0]} hold {counted(lines[-1][-1], 'user')} of 8,000 tokens where one holds "
        f"{lines[0][-1]}: the weights are stored once."
    )
    columns = ("cards", "room", "factor", "users")
    caption = f"Llama-3.1-70B in FP8 at {fraction:g}, GiB of all cards"
    drawing = bars(rows, "GiB", thick=thickness(len(rows), SECOND_HIGH, most=SECOND_HIGH))
    return Drawn(drawing, said, show.table(columns, lines, caption))


# ---- the wall, measured ---------------------------------------------------------------

# The first of three rows for each number of clients: first token, gap, output rate.
LOADED = (7978, 7981, 7984, 7987, 7990, 7993)


@cache
def _inside():
    """Clients, users inside, and the first token [s] of NVIDIA's load test."""
    rows, out = measured(), []
    for first in LOADED:
        ttft, itl, rate = (rows[f"m0{first + n}"] for n in range(3))
        users = float(rate["value"]) * float(itl["value"]) / 1e3
        out.append((int(ttft["concurrency"]), users, float(ttft["value"]) / 1e3))
    return out


def _held(kv):
    d = replace(
        candidate(0.90, 2),
        engine=catalog.engine("trtllm-1.0"),
        kv=catalog.format(kv),
        memory_fraction=None,
    )
    return ledger(d, 5500).max_concurrent


def _wall():
    found = _inside()
    marks: list[Drawable] = [
        Line("", [(0, 0), (150, 150)], "edge", dash="5 4", width=1.5),
        Limit(f"ledger, FP8 cache: {_held('fp8')}", y=_held("fp8"), ink="cache"),
        Limit(f"ledger, BF16 cache: {_held('bf16')}", y=_held("bf16"), ink="other"),
        *(Mark("", x, y, "prompt", hollow=True) for x, y, _ in found),
    ]
    drawing = chart(marks, Axis("clients", 0, 260), Axis("users being answered", 0, 160))
    drawing.text(54, PLOT_TOP + 22, "if all were inside", "quiet", small=True, anchor="end")
    last = found[-1]
    said = (
        f"Rings are measured. However many of {last[0]} clients knock, {last[1]:.0f} are answered "
        f"at once, and the others wait: the first token comes after {quantity(last[2], 's')}."
    )
    rows = [(f"{x}", y, quantity(t, "s")) for x, y, t in found]
    columns = ("clients", "inside", "first token")
    return Drawn(drawing, said, show.table(columns, rows, "Two H100, NVIDIA's load test"))


# ---- how the cache is split -----------------------------------------------------------

CUT = {
    "Llama-3.1-70B": ("llama-3.1-70b", False),
    "DeepSeek-V3": ("deepseek-v3", False),
    "DeepSeek-V3, users split": ("deepseek-v3", True),
}
CARDS = (1, 2, 4, 8, 16)
HEADS = 8
TIMES = {1: "once", 2: "twice"}


def _split(cards, model):
    name, by_user = CUT[model]
    fp8 = catalog.format("fp8")
    each = law.kv_bytes_per_sequence(catalog.model(name), fp8, 1, tp=cards, dp_attention=by_user)
    drawing = Drawing(196)
    words = {
        "Llama-3.1-70B": "a row for each of 8 KV heads",
        "DeepSeek-V3": "one vector for all heads",
        "DeepSeek-V3, users split": "each card has users of its own",
    }
    drawing.text(0, 13, f"{counted(cards, 'card')}: {words[model]}", bold=True)
    _draw_cards(drawing, cards, name, by_user)
    copies = 1 if by_user else max(cards // HEADS, 1) if "llama" in name else cards
    said = (
        f"A token of {model} takes {quantity(each, 'bytes')} on each card that keeps it. Every "
        f"part of it is stored {TIMES.get(copies) or f'{copies} times'}, so "
        f"{counted(cards, 'card')} {'keeps' if cards == 1 else 'keep'} "
        f"{'as many' if cards == copies else f'{digits(cards / copies, 2)} times the'} tokens"
        f"{' as one' if cards == copies else ' of one'}."
    )
    rows = []
    for n in CARDS:
        sizes = [
            law.kv_bytes_per_sequence(catalog.model(m), fp8, 1, tp=n, dp_attention=u)
            for m, u in CUT.values()
        ]
        rows.append((counted(n, "card"), *(quantity(size, "bytes") for size in sizes)))
    columns = ("cards", "Llama-3.1-70B", "DeepSeek-V3", "users split")
    caption = "Cache of a token on a card that keeps it, FP8"
    return Drawn(drawing, said, show.table(columns, rows, caption))


def _draw_cards(drawing, cards, name, by_user):
    width, top, row = 100 / cards, 24, 16
    gap = min(width * 0.14, 3)
    for card in range(cards):
        left, wide = card * width + gap / 2, width - gap
        drawing.rect(left, top, wide, HEADS * row + 4, "panel", edge="edge")
        if "llama" not in name:
            first = by_user or card == 0
            drawing.rect(left, top + 2, wide, HEADS * row, "cache" if first else "other")
            continue
        held = max(HEADS // cards, 1)
        start = card * held if cards <= HEADS else card * HEADS // cards
        copied = cards > HEADS and card % (cards // HEADS) > 0
        for head in range(start, start + held):
            drawing.rect(left, top + 2 + head * row, wide, row, "other" if copied else "cache")
    drawing.height = top + HEADS * row + 14
    key(drawing, (("cache", "stored for the first time"), ("other", "a copy")))


# ---- two ways to cut candidate C ------------------------------------------------------

WAYS = {"split by tensor": False, "split by user": True}


def _topology(context):
    rows, lines = [], []
    for name, by_user in WAYS.items():
        d = replace(design.worked_spec()[2], dp_attention=by_user)
        books = ledger(d, context)
        parts = [*taken(books), Part("room", max(books.kv_pool_bytes, 0.0) / GIB, "cache")]
        users = counted(books.max_concurrent, "user")
        rows.append(Bar(f"{name}: {users}", parts))
        sizes = (books.weights_bytes, books.overhead_bytes, books.kv_pool_bytes)
        lines.append((name, *(x / GIB for x in sizes), books.max_concurrent))
    one, other = (line[-1] for line in lines)
    said = (
        f"Split by user, each card has less room and the eight hold {digits(other / one, 2)} times "
        f"the users of {context:,} tokens: no cache is stored eight times."
    )
    columns = ("attention", "weights", "overhead", "room", "users")
    caption = "DeepSeek-V3 on eight H200, GiB on a card"
    return Drawn(bars(rows, "GiB", thick=24), said, show.table(columns, lines, caption))


PICTURES = {
    "one-user": Picture(
        "What one token leaves, and one user",
        _one_user,
        (
            Control("model", "Model", tuple(DENSE), "Llama-3.1-70B"),
            Control("kv", "Cache", ("bf16", "fp8"), "fp8"),
            Control(
                "context",
                "Context",
                (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000),
                8000,
                "tokens",
            ),
        ),
    ),
    "pages": Picture(
        "The cache fills as users come",
        _pages,
        (
            Control("users", "Users that come", COMING, 16, "users"),
            Control("kind", "Cache", tuple(SHARING), "each alone"),
            Control("context", "Context of each", (7000, 8000, 16_000, 32_000), 8000, "tokens"),
        ),
    ),
    "cliff": Picture(
        "Users against context: a hyperbola, and a staircase on it",
        _cliff,
        (
            Control("context", "Context of each", ALONG, 8000, "tokens"),
            Control("cards", "H100", tuple(ON), "one card"),
            Control("axes", "Axes", AXES, AXES[0]),
        ),
    ),
    "second-card": Picture(
        "What further cards add: weights stay as long as they were",
        _second,
        (
            Control("cards", "Cards", (2, 4, 8), 2, "cards"),
            Control("fraction", "Memory fraction", (0.92, 0.94, 0.96, 0.97, 0.98), 0.98),
        ),
    ),
    "wall": Picture("How many users were really inside", _wall),
    "cache-split": Picture(
        "Who keeps which part of a token",
        _split,
        (
            Control("cards", "Cards", CARDS, 8, "cards"),
            Control("model", "Model", tuple(CUT), "Llama-3.1-70B"),
        ),
    ),
    "topology": Picture(
        "The same eight cards, cut in two ways",
        _topology,
        (Control("context", "Context of a user", (2000, 8000, 32_000, 128_000), 8000, "tokens"),),
    ),
    "cache-groups": Picture(
        "What one sequence needs in each group of layers to be taken in",
        _groups,
        (
            Control("model", "Model", tuple(MIXED), "Gemma 3 27B"),
            Control("context", "Context", LENGTHS, 32_000, "tokens"),
            Control("tokens", "max_num_batched_tokens", BATCHES, 8192, "tokens"),
        ),
    ),
}
