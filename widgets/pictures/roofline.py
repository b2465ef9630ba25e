"""Pictures of chapter 1: the roofline, and how much of the arithmetic a step keeps busy."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import bandwidth, catalog, law
from llmcap_kernel.explain import counted, digits

from .. import benchmarks
from ..figures import show
from ..figures.drawing import Drawing, Named
from ..figures.plots import (
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
from .record import Control, Drawn, Picture
from .scenario import CARDS

TIMED = "kernels_drawn.csv"  # products timed on an H100
USERS_FEW = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
USERS_FINE = (*USERS_FEW, 96, 128, 192, 256)
USERS_FAR = (*USERS_FINE, 300, 384, 512, 768, 1024)
CONTEXTS = (500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
FORMATS = ("bf16", "fp8", "nvfp4")


def llama():
    return catalog.model("llama-3.1-70b")


def h100():
    return catalog.gpu("h100-sxm")


@cache
def reading_and_computing(users, context_tokens=8000):
    """Bytes and FLOP of a step of Llama-3.1-70B in FP8: of the weights, and of the caches."""
    model, fp8 = llama(), catalog.format("fp8")
    read = (
        law.weight_bytes(model, fp8).dense_read_bytes,
        users * law.kv_read_bytes_per_sequence(model, fp8, context_tokens),
    )
    work = (
        law.matmul_flops(params=model.matmul_params, tokens=users),
        users * law.attention_flops_per_token(model, context_tokens),
    )
    return read, work


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
    gpu, model = h100(), llama()
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
        Mark(f"{counted(users, 'user')}: {digits(at)} FLOP a byte", at, reached, below=True),
    ]
    drawing = chart(marks if dots else marks[1:], INTENSITY, RATE, height=340)
    far = 250 if 20 <= at <= 150 else 20  # from the words below the mark
    _beside(drawing, "limit: memory", "cache", far, far * gpu.bandwidth_bytes_s)
    one = at / users  # pulling on the point moves the users along their intensity
    ends = {"low": INTENSITY.low / one, "high": INTENSITY.high / one}
    drawing.drag = "users", replace(drawing.across, **ends)
    side = "computing" if at > ridge else "reading"
    said = (
        f"{counted(users, 'user')} in a step: {digits(at)} FLOP for each byte of weights. The "
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


RIDGED = ("l4", "rtx-4090", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm")


def _ridge(name, weights):
    """FLOP a byte from which a card's arithmetic is the limit, and the two rates."""
    gpu = catalog.gpu(name)
    rate = bandwidth.compute_dtype(gpu, catalog.format(weights))[1]
    at = law.ridge_point(flop_s=rate, bandwidth_bytes_s=gpu.bandwidth_bytes_s)
    return at, rate, gpu.bandwidth_bytes_s


def _ridges(weights):
    read = law.weight_bytes(llama(), catalog.format(weights)).dense_read_bytes
    one = law.matmul_flops(params=llama().matmul_params, tokens=1) / read
    found = {CARDS[name]: _ridge(name, weights) for name in RIDGED}
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


def _busy_blocks(users, context):
    """What a step of Llama-3.1-70B in FP8 on an H100 is made of: name, ink, time [s], share."""
    speed, rate = h100().bandwidth_bytes_s, h100().flop_s["fp8"]
    found = []
    for name, ink, read, work in zip(
        ("weights", "caches"),
        ("weights", "cache"),
        *reading_and_computing(users, context),
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
    drawing.text(100, foot + 17, f"time of the step: {ms(total)}", "quiet", small=True)
    named = [
        Named(f"{name}: {ms(seconds)}, {_percent(share)} of the arithmetic in use", ink)
        for name, ink, seconds, share in blocks
    ]
    drawing.key(foot + 42, named)
    said = (
        f"Over a step of {counted(users, 'user')} at contexts of {context:,} tokens "
        f"{_percent(busy)} of the arithmetic is in use. More users make the weights' block taller "
        "and the caches' block wider."
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


def ms(seconds):
    return f"{digits(1e3 * seconds)} ms"


LARGE = 30e6  # parameters of a matrix that fills the card, and does not fit into the chip


@cache
def _measured_shares():
    """Tokens in a timed FP8 product of a large matrix, and the share of an H100's peak [%]."""
    rate = h100().flop_s["fp8"]
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
    "busy": Picture(
        "A step on an H100: its time across, its arithmetic upward",
        _busy,
        (
            Control("users", "Users", USERS_FAR, 1, "users"),
            Control("context", "Context", CONTEXTS, 8000, "tokens"),
        ),
    ),
    "belief": Picture("What matrix products reached on an H100", _belief),
}
