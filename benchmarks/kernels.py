"""How right the formulas of kernels are, on timings whose card was left out of the fit.

    python benchmarks/kernels.py FOLDER [--by card|engine|family] [--write]

FOLDER holds files of timings with the columns that NVIDIA's aiconfigurator writes. Every kind and
format is predicted by three fits: to the card's own rows, to its chip family without the card (all
other families, where it is alone), and to the other families. Rows in doubt are named and not
counted. `--write` keeps the constants in `llmcap_kernel/catalog/kernels.toml`, what the law takes
of them in `reach.toml`, and what the book draws of the timings: products of one card in
`kernels_drawn.csv`, products in two formats in `formats_drawn.csv`, all-reduces in
`reduces_drawn.csv`. It takes half a minute.
"""

import argparse
import collections
import csv
import math
import sys
from pathlib import Path

from llmcap_kernel import catalog
from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence.kernels import DOUBTS, fitting, reach, read_folder
from llmcap_kernel.evidence.kernels.kinds import KINDS
from llmcap_kernel.refuse import BadInput

KEPT = Path(__file__).parents[1] / "llmcap_kernel" / "catalog" / "kernels.toml"
SOURCE = "NVIDIA aiconfigurator-core 0.12.0 (Apache-2.0), a stratified sample"
DRAWN = Path(__file__).with_name("kernels_drawn.csv")
DRAWN_CARD, DRAWN_FORMATS, DRAWN_ROWS = "h100-sxm", ("bf16", "fp8"), 700
DRAWN_HEAD = f"""\
# Matrix products m x k by k x n on one H100, timed by the engines' own kernels: a part of
# {SOURCE}.
# Written by `python benchmarks/kernels.py FOLDER --write`.
"""
PAIRS = Path(__file__).with_name("formats_drawn.csv")
PAIRED, PAIRED_ROWS = (("h100-sxm", "fp8"), ("b200-sxm", "fp8"), ("b200-sxm", "nvfp4")), 250
REDUCES = Path(__file__).with_name("reduces_drawn.csv")
# what we aim for with the card left out: the median of the errors, and their 80th percentile
WANTED = {
    ("product", "bf16"): (0.10, 0.22),
    ("product", "fp8"): (0.18, 0.35),
    ("product", "nvfp4"): (0.20, 0.40),
    ("decode_attention", "bf16"): (0.15, 0.35),
    ("decode_attention", "fp8"): (0.15, 0.35),
    ("all_reduce", "link"): (0.15, 0.30),
}
LABELS = {"card": "cards", "engine": "engines", "family": "families"}


def two(errors):
    """Median and 80th percentile, as text."""
    middle, high = fitting.middle(errors)
    return f"{'-':>8}{'-':>8}" if math.isnan(middle) else f"{middle:>8.1%}{high:>8.1%}"


def table(rows, by=None):
    """The lines of the table, and below each group its parts."""
    head = f"{'own fit':>16}{'card left out':>16}{'family left out':>16}{'aim':>12}"
    yield f"{'':34}{'rows':>7}{head}"
    for key, some in fitting.groups(rows).items():
        out = fitting.left_out(fitting.Stack(some))
        aim = "{:.0%} {:.0%}".format(*WANTED[key]) if key in WANTED else ""
        errors = (out.own, out.card, out.family)
        title = f"{KINDS[key[0]].title}, {key[1]}"
        yield f"{title:34}{len(some):>7,}{''.join(map(two, errors))}{aim:>12}"
        if by:
            labels = getattr(out.stack, LABELS[by])
            for label in sorted(set(labels)):
                mine = labels == label
                parts = "".join(two(e[mine]) for e in errors)
                yield f"  {label:32}{int(mine.sum()):>7,}{parts}"


def draw(rows):
    """Keep some products of one card, evenly spread over engines and what they ask."""
    share = DRAWN_ROWS // len(DRAWN_FORMATS)
    with DRAWN.open("w", encoding="utf-8", newline="") as file:
        file.write(DRAWN_HEAD)
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["card", "engine", "gemm_dtype", "m", "n", "k", "latency_us"])
        for name in DRAWN_FORMATS:
            mine = [r for r in rows if (r.kind, r.format) == ("product", name)]
            mine = [r for r in mine if r.gpu.name == DRAWN_CARD]
            mine.sort(key=lambda r: (r.engine, math.prod(r.shape.values()), *r.shape.values()))
            for i in range(min(share, len(mine))):
                row = mine[i * len(mine) // share]
                shape = [f"{v:.0f}" for v in row.shape.values()]
                out.writerow([DRAWN_CARD, row.engine, name, *shape, f"{row.latency_s * 1e6:.3f}"])
    return DRAWN


def head(what):
    """The first lines of a file, which say what it holds."""
    return f"# {what}: a part of\n# {SOURCE}.\n{DRAWN_HEAD.splitlines()[-1]}\n"


def draw_pairs(rows):
    """Keep products that one engine timed on one card in two formats, evenly spread over sizes."""
    timed = {
        (r.gpu.name, r.engine, r.format, *(r.shape[key] for key in "mnk")): r.latency_s
        for r in rows
        if r.kind == "product" and (r.gpu.name, "fp8") in PAIRED
    }
    with PAIRS.open("w", encoding="utf-8", newline="") as file:
        file.write(head("One product by one engine in a small format and in BF16"))
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["card", "engine", "gemm_dtype", "m", "n", "k", "latency_us", "bf16_us"])
        for card, name in PAIRED:
            mine = [(*key[:2], *key[3:]) for key in timed if key[0] == card and key[2] == name]
            mine = [key for key in mine if (*key[:2], "bf16", *key[2:]) in timed]
            mine.sort(key=lambda key: (key[3] * key[4], key))
            for i in range(min(PAIRED_ROWS, len(mine))):
                key = mine[i * len(mine) // min(PAIRED_ROWS, len(mine))]
                both = [timed[*key[:2], one, *key[2:]] for one in (name, "bf16")]
                shape = [f"{v:.0f}" for v in key[2:]]
                out.writerow([*key[:2], name, *shape, *(f"{s * 1e6:.3f}" for s in both)])
    return PAIRS


def draw_reduces(rows):
    """Keep the all-reduces of one card by the engines' own kernels."""
    mine = [r for r in rows if r.kind == "all_reduce" and r.gpu.name == DRAWN_CARD]
    with REDUCES.open("w", encoding="utf-8", newline="") as file:
        file.write(head("All-reduces of H100s over NVLink by the engines' own kernels"))
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["card", "engine", "num_gpus", "message_bytes", "latency_us"])
        for r in sorted(mine, key=lambda r: (r.engine, *r.shape.values())):
            sent = r.shape["message_size"] * r.shape["element_bytes"]
            cards, latency = f"{r.shape['num_gpus']:.0f}", f"{r.latency_s * 1e6:.3f}"
            out.writerow([DRAWN_CARD, r.engine, cards, f"{sent:.0f}", latency])
    return REDUCES


def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", choices=LABELS, help="below each kind, its parts")
    parser.add_argument("--all", action="store_true", help="count rows in doubt too")
    parser.add_argument("--write", action="store_true", help="keep the constants")
    args = parser.parse_args(argv)
    try:
        found = read_folder(args.folder)
    except BadInput as problem:
        parser.error(str(problem))
    sure = [row for row in found.timings if not row.doubt]
    print("\n".join(table(found.timings if args.all else sure, args.by)), end="\n\n")
    doubts = collections.Counter((row.doubt, KINDS[row.kind].title) for row in found.timings)
    for (doubt, title), n in sorted(doubts.items()):
        if doubt:
            print(f"{n:>7,}  {title}: {DOUBTS[doubt]}")
    for why, n in found.skipped.most_common():
        print(f"{n:>7,}  not read: {why}")
    if args.write:
        lines = fitting.table(sure, lambda line: None)
        print(f"wrote {fitting.write(KEPT, lines, SOURCE, len(sure))}, {lines[0]}")
        catalog.table.cache_clear()
        print(f"wrote {reach.write()}")
        for write in (draw, draw_pairs, draw_reduces):
            print(f"wrote {write(sure)}")
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
