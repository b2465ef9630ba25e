"""How wrong the estimates are, measured on rows whose group was left out of the fit.

    python benchmarks/accuracy.py [--seen] [--by model|card|engine|source|chips|vendor]

Every row is predicted by fits that never saw its model, then its card, then its source; the table
gives the errors of all three together, and how many measurements the shipped intervals contain.
Below it is the same of the sources that no choice has seen: they stand in no fit, and no form of
the law and no width was chosen by them. The last lines are what peers publish of themselves.
`--seen` prints the shipped numbers on the rows they were fitted to instead, which takes seconds.
Memory rows are the ledger's and are held by the tests.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence import compare, fit, own

ROWS = [Path(__file__).with_name(f"{name}.csv") for name in ("measured", "newer")]
ALL, UNDOUBTED = "all", ", undoubted"
WANTED = {  # what we aim for: median and 80th percentile
    "one user": (0.12, 0.30),
    "gap between tokens, served" + UNDOUBTED: (0.13, 0.30),
    "first token, single prompt": (0.18, 0.40),
    "first token, served": (0.35, 0.70),
    "most throughput": (0.15, 0.32),
}
TITLES = {
    "batch1_decode": "one user",
    "prefill": "first token, single prompt",
    "throughput_max": "most throughput",
    "batch1_mixed": "one user, whole answers",
    "batched_decode": "several users",
    "moe_small_batch": "several users, experts",
    "long_context": "long contexts",
    "serving_slo": "throughput within limits",
}
# What others say of their own predictions, and when we read it.
PEERS = (
    ("NVIDIA AISimulate, its nightly run: mean error of TPOT and of TTFT", "28% and 77%"),
    ("KernelSight-LM, arXiv 2606.28565, cards without a profile: TPOT and TTFT", "12.8% and 15.4%"),
    ("BLIS, coefficients fitted to Llama-70B on Hopper: served TPOT", "16%"),
)


def group_of(row):
    """The line of the table a row belongs to."""
    if row.quantity == "itl_s":
        return "gap between tokens, served"
    if row.regime == "prefill_serving":
        return "first token, cache full" if row.work.turns > 1 else "first token, served"
    return TITLES.get(row.regime, row.regime)


def lines_of(row, by):
    """The lines of the table a row counts in; what is in no doubt stands apart."""
    if by:
        return (fit.label(row, by),)
    group = group_of(row)
    return (ALL, group, ALL + UNDOUBTED, group + UNDOUBTED) if row.trust == 1 else (ALL, group)


def line(name, errors, inside):
    """One line: how many, median, 80th percentile, and the share inside the interval."""
    wrong = [abs(math.exp(-e) - 1) for e in errors]
    wanted = WANTED.get(name)
    aim = f"{wanted[0]:>10.2f} {wanted[1]:>6.2f}" if wanted else ""
    held = f"{statistics.mean(inside):8.0%}"
    p80 = compare.quantile(wrong, 0.8)
    return f"{name:40}{len(wrong):>6}{statistics.median(wrong):>8.3f}{p80:>8.3f}{held}{aim}"


def grouped(misses, errors, widths, by=None):
    """Errors of rows, and whether intervals hold them, by line of the table."""
    groups: dict[str, list[float]] = {}
    inside: dict[str, list[bool]] = {}
    for miss, error in zip(misses, errors, strict=True):
        for name in lines_of(miss.row, by):
            groups.setdefault(name, []).append(error)
            inside.setdefault(name, []).append(widths.holds(miss))
    return groups, inside


def table(misses, errors, widths, by):
    """The lines of a table over rows with their errors."""
    groups, inside = grouped(misses, errors, widths, by)
    yield f"{'rows':40}{'n':>6}{'median':>8}{'p80':>8}{'inside':>8}{'aim: med':>10}{'p80':>7}"
    for name in sorted(groups, key=lambda n: (not n.startswith(ALL), n)):
        whole = name.removesuffix(UNDOUBTED)
        if whole == name or name in WANTED or len(groups[whole]) != len(groups[name]):
            yield line(name, groups[name], inside[name])


def covered(rows, missed, widths):
    """How the intervals hold, averaged over groups of several kinds."""
    for by, errors in missed.items():
        held = fit.coverage(fit.misses(rows, errors), widths, by).values()
        yield f"{by} left out, mean over {len(held)}: {statistics.mean(held):.1%} inside"


def with_own(missed, widths):
    """How intervals hold for a deployment once the others of its source and engine are known."""
    groups: dict[tuple[str, str, str], dict[tuple[object, ...], list[fit.Miss]]] = {}
    for miss in missed:
        if not miss.known and miss.row.trust == 1 and miss.row.kind in widths.intervals:
            key = (miss.row.source, miss.row.family, miss.row.kind)
            groups.setdefault(key, {}).setdefault(own.deployment_key(miss.row), []).append(miss)
    held: dict[str, list[bool]] = {}
    width: dict[str, list[float]] = {}
    for (source, _, kind), some in groups.items():
        ends = [math.log(widths.intervals[kind][x]) for x in ("faster", "slower")]
        for name, mine in some.items():
            others = [statistics.mean(m.slower for m in x) for n, x in some.items() if n != name]
            if not others:
                continue
            share, narrow = own.believed(widths.spreads[kind], len(others))
            moved = share * statistics.mean(others)
            for miss in mine:
                inside = ends[0] * narrow <= miss.slower - moved <= ends[1] * narrow
                held.setdefault(source, []).append(inside)
                width.setdefault(source, []).append(narrow)
    each = [statistics.mean(x) for x in held.values()]
    alike = statistics.mean(map(statistics.mean, width.values()))
    yield (
        f"own rows of the other deployments known, mean over {len(held)} sources: "
        f"{statistics.mean(each):.1%} inside, intervals {alike:.2f}x as wide (in the log)"
    )


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seen", action="store_true", help="errors on the fitted rows, at once")
    parser.add_argument("--by", choices=(*fit.EVERY_LABEL,))
    args = parser.parse_args(argv)
    rows = fit.samples(*ROWS)
    test = [row for row in rows if row.source in fit.TEST]
    rows = [row for row in rows if row.source not in fit.TEST]
    if args.seen:
        sets = fit.shipped()
        missed = {"nothing": dict(zip([r.id for r in rows], fit.errors(rows, sets), strict=True))}
    else:
        print(f"leaving groups out of {len(rows):,} rows: two minutes", file=sys.stderr)
        sets, found = fit.left_out(rows, fit.EVERY_LABEL)
        missed = found.errors
    widths = fit.shipped_widths()
    shown = [by for by in missed if by in ("nothing", "model", "card", "source")]
    misses = [miss for by in shown for miss in fit.misses(rows, missed[by])]
    errors = [missed[by][miss.row.id] for by in shown for miss in fit.misses(rows, missed[by])]
    print("\n".join(table(misses, errors, widths, args.by)), end="\n\n")
    if not args.seen:
        print("\n".join(covered(rows, missed, widths)))
        print("\n".join(with_own(fit.misses(rows, missed["source"]), widths)), end="\n\n")
    print(f"sources that no choice has seen: {', '.join(fit.TEST)}")
    unseen = dict(zip([row.id for row in test], fit.errors(test, sets), strict=True))
    misses = [miss for miss in fit.misses([*rows, *test], unseen) if miss.row.id in unseen]
    print("\n".join(table(misses, [unseen[m.row.id] for m in misses], widths, args.by)), end="\n\n")
    for name, wrong in PEERS:
        print(f"{name}: {wrong}, read in October 2026")
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
