"""Pictures of chapter 1 about what a token leaves behind."""

from llmcap_kernel import catalog, law
from llmcap_kernel.explain import digits, quantity

from ..figures import show
from ..figures.drawing import Drawing
from ..figures.plots import Axis, Line, Mark, chart
from .record import Control, Drawn, Picture

CONTEXTS = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)

# ---- kinds of attention -----------------------------------------------------------------

# A model whose layers are of the kind, which of its kinds of layers, its title, and what it does.
KINDS = {
    "MHA": ("llama-1-65b", 0, "Llama 1 65B", "every query head has a key and a value of its own"),
    "GQA": ("llama-3.1-70b", 0, "Llama-3.1-70B", "8 query heads share one key and one value"),
    "MQA": ("falcon-7b", 0, "Falcon 7B", "all query heads share one key and one value"),
    "MLA": ("deepseek-v3", 0, "DeepSeek-V3", "one compressed vector serves all heads"),
    "window": ("gemma-3-27b", 0, "Gemma 3 27B", "only the last tokens are kept"),
    "state": ("qwen3.5-397b-a17b", 0, "Qwen3.5 397B", "one state is rewritten at each token"),
}
TOKENS = 24  # of a sequence, as cells
HEADS = 16  # query heads, as boxes


def _mixer(kind):
    name, which, *_ = KINDS[kind]
    return catalog.model(name).attention[which]


def _layer_bytes(kind, tokens):
    mixer = _mixer(kind)
    kept = law.tokens_stored(mixer, tokens)
    stored = law.kv_record_bytes(mixer, catalog.format("bf16")) * kept
    return stored + (law.state_bytes(mixer) if mixer.kind == "linear" else 0)


def _kinds(kind):
    _, _, title, words = KINDS[kind]
    sizes = {one: _layer_bytes(one, 8000) for one in KINDS}
    drawing = Drawing(332)
    _draw_heads(drawing, kind, _mixer(kind))
    _draw_tokens(drawing, kind, _mixer(kind))
    _draw_sizes(drawing, kind, sizes)
    said = (
        f"{kind}: {words}. A layer of {title} keeps {quantity(sizes[kind], 'bytes')} for 8,000 "
        f"tokens in BF16, {digits(100 * sizes[kind] / sizes['MHA'], 2)}% of a layer of "
        f"{KINDS['MHA'][2]}."
    )
    rows = [
        (one, KINDS[one][2], _layer_bytes(one, 8000), _layer_bytes(one, 128_000)) for one in KINDS
    ]
    columns, units = ("kind", "model", "8K tokens", "128K tokens"), ("", "", "bytes", "bytes")
    caption = "What one layer keeps for one user, BF16"
    return Drawn(drawing, said, show.table(columns, rows, caption, units=units))


def _draw_heads(drawing, kind, mixer):
    """Draw query heads above, what they share of keys and values below, joined."""
    if kind == "state":
        drawing.text(0, 13, "each token changes the state, and is gone", "quiet", small=True)
        drawing.rect(35, 44, 30, 34, "activations")
        for x in (15, 25):
            drawing.rect(x, 53, 4, 16, "panel", edge="edge")
        drawing.line(29.5, 61, 34.5, 61, "edge")
        drawing.text(0, 102, f"one state: {quantity(law.state_bytes(mixer), 'bytes')}", small=True)
        return
    groups = {"MHA": HEADS, "GQA": 2, "window": 8}.get(kind, 1)
    drawing.text(0, 13, f"{HEADS} of its {mixer.heads} query heads", "quiet", small=True)
    cell, width = 100 / HEADS, 100 / groups
    for i in range(HEADS):
        middle = (i // (HEADS // groups) + 0.5) * width
        drawing.line((i + 0.5) * cell, 36, middle, 64, "edge")
    for i in range(HEADS):
        drawing.rect(i * cell + 0.6, 20, cell - 1.2, 16, "other")
    half = 3.0 if kind == "MLA" else min(width * 0.4, 3.0)
    for i in range(groups):
        middle = (i + 0.5) * width
        drawing.rect(middle - half, 64, half if kind != "MLA" else 2 * half, 22, "cache")
        if kind != "MLA":
            drawing.rect(middle, 64, half, 22, "cache", dim=0.55)
    heads = mixer.kv_heads
    shared = (
        "one vector" if kind == "MLA" else f"{heads} KV head{'s' if heads > 1 else ''} (key, value)"
    )
    drawing.text(0, 102, f"{shared}: {law.kv_elements(mixer):,} numbers a token", small=True)


def _draw_tokens(drawing, kind, mixer):
    """Draw the tokens of a sequence, and of which of them something is kept."""
    last = {"window": 6, "state": 0}.get(kind, TOKENS)
    kept = {"window": f"the last {mixer.window_tokens:,}", "state": "none of them"}
    words = f"tokens so far, oldest first; kept: {kept.get(kind, 'all')}"
    drawing.text(0, 132, words, "quiet", small=True)
    cell = 100 / TOKENS
    for i in range(TOKENS):
        held = i >= TOKENS - last
        look = {} if held else {"edge": "rule"}
        drawing.rect(i * cell, 140, cell, 18, "cache" if held else "panel", **look)


def _draw_sizes(drawing, kind, sizes):
    """Draw what a layer of each kind keeps, to scale, the chosen one in full colour."""
    drawing.text(0, 186, "One layer with 8,000 tokens keeps", bold=True)
    for i, (one, size) in enumerate(sizes.items()):
        y = 196 + 22 * i
        chosen = one == kind
        drawing.text(
            0,
            y + 13,
            f"{one} {quantity(size, 'bytes')}",
            small=True,
            bold=chosen,
            ink="text" if chosen else "quiet",
        )
        ink = "activations" if one == "state" else "cache"
        width = 64 * size / sizes["MHA"]
        drawing.rect(36, y, width, 17, ink, dim=1.0 if chosen else 0.35)


# ---- layers -----------------------------------------------------------------------------

STACKS = {
    "Llama-3.1-70B": "llama-3.1-70b",
    "DeepSeek-V3": "deepseek-v3",
    "Gemma 3 27B": "gemma-3-27b",
    "gpt-oss-120b": "gpt-oss-120b",
    "Qwen3.5 397B": "qwen3.5-397b-a17b",
    "Nemotron 3 Ultra": "nemotron-3-ultra-550b-a55b",
}
KIND_WORDS = {"full": "full", "mla": "full, MLA", "window": "window", "linear": "state"}
TALL = 30  # pixels of a layer that keeps all tokens


def _layers(context):
    drawing = Drawing(len(STACKS) * 62 + 12)
    rows = []
    for i, (title, name) in enumerate(STACKS.items()):
        mixers = sorted(catalog.model(name).attention, key=lambda m: m.kind not in ("full", "mla"))
        _draw_stack(drawing, title, mixers, context, i * 62)
        whole = sum(m.layers for m in mixers)
        kept = sum(m.layers * law.tokens_stored(m, context) for m in mixers if m.kind != "linear")
        rows.append((title, _counted_kinds(mixers), f"{kept / whole / context:.0%}"))
    least = min(rows, key=lambda row: float(row[2].rstrip("%")))
    said = (
        f"At {context:,} tokens the average layer of {rows[0][0]} keeps {rows[0][2]} of them, and "
        f"of {least[0]} {least[2]}. A column is a layer, filled by the share of tokens it keeps; "
        "a violet one keeps a state and no tokens."
    )
    columns = ("model", "layers", "kept")
    table = show.table(columns, rows, f"Share of {context:,} tokens that the average layer keeps")
    return Drawn(drawing, said, table)


def _counted_kinds(mixers):
    return ", ".join(f"{m.layers} {KIND_WORDS[m.kind]}" for m in mixers)


def _draw_stack(drawing, title, mixers, context, top):
    """Draw a model's layers side by side, sorted by kind."""
    drawing.text(0, top + 14, f"{title}: {_counted_kinds(mixers)}", small=True, bold=True)
    width = 100 / sum(m.layers for m in mixers)
    foot, at = top + 22 + TALL, 0
    for m in mixers:
        columns = [(at + i) * width for i in range(m.layers)]
        drawing.cells([(x, foot - TALL, width, TALL) for x in columns], "panel", "rule")
        share = 0.12 if m.kind == "linear" else law.tokens_stored(m, context) / context
        high = max(share * TALL, 2.5)
        ink = "activations" if m.kind == "linear" else "cache"
        drawing.cells([(x, foot - high, width, high) for x in columns], ink)
        at += m.layers


# ---- growth -----------------------------------------------------------------------------

GROWING = {
    "llama-3.1-70b": ("Llama-3.1-70B: full", "weights"),
    "gemma-3-27b": ("Gemma 3: windows", "link"),
    "deepseek-v3": ("DeepSeek-V3: MLA", "cache"),
    "nemotron-3-ultra-550b-a55b": ("Nemotron: states", "activations"),
}


def _held(name, tokens):
    return law.kv_bytes_per_sequence(catalog.model(name), catalog.format("bf16"), tokens)


def _growth(context):
    lines = [
        Line(label, [(n, _held(name, n) / 1e9) for n in CONTEXTS], ink)
        for name, (label, ink) in GROWING.items()
    ]
    marks = [
        Mark("", context, _held(name, context) / 1e9, ink) for name, (_, ink) in GROWING.items()
    ]
    drawing = chart(
        [*lines, *marks],
        Axis("tokens of context", log=True),
        Axis("GB of cache for one user", 0.05, 60, log=True),
        drag="context",
        height=350,
    )
    big, small = (_held(name, context) for name in ("llama-3.1-70b", "nemotron-3-ultra-550b-a55b"))
    said = (
        f"At {context:,} tokens Llama-3.1-70B keeps {quantity(big, 'bytes')} for a user, and "
        f"Nemotron 3 Ultra, with eight times the parameters, {quantity(small, 'bytes')}."
    )
    rows = [
        (title, _held(name, 8000), _held(name, 128_000), _held(name, 128_000) / _held(name, 8000))
        for title, name in STACKS.items()
    ]
    columns, units = ("model", "at 8K", "at 128K", "grows"), ("", "bytes", "bytes", "x")
    return Drawn(drawing, said, show.table(columns, rows, "Cache of one user, BF16", units=units))


PICTURES = {
    "attention-kinds": Picture(
        "What a token leaves behind in a layer",
        _kinds,
        (Control("kind", "Attention", tuple(KINDS), "GQA"),),
    ),
    "layers": Picture(
        "How many of the tokens each layer keeps",
        _layers,
        (Control("context", "Context", CONTEXTS, 8000, "tokens"),),
    ),
    "cache-growth": Picture(
        "One user's cache as the context grows",
        _growth,
        (Control("context", "Context", CONTEXTS, 8000, "tokens"),),
    ),
}
