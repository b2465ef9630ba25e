"""How wrong the estimates are, measured on rows whose group was left out of the fit.

    python benchmarks/accuracy.py [--seen | --newer] [--by model|card|engine|source]

Every row is predicted by fits that never saw its model, then its card, then its source; the table
gives the errors of all three together. `--seen` prints the shipped numbers on the rows they were
fitted to instead, which takes seconds; `--newer` on the rows of `newer.csv`, of sources that no fit
has seen. Memory rows are the ledger's and are held by the tests.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

from llmcap_kernel import calibration
from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence import compare, fit
from llmcap_kernel.spec import Workload

ROWS, NEWER = (Path(__file__).with_name(f"{name}.csv") for name in ("measured", "newer"))
WANTED = {  # regime, metrics: what we aim for, median and 80th percentile
    "batch1_decode": (None, 0.12, 0.30),
    "served ITL": ("itl_ms", 0.12, 0.30),
    "prefill": (None, 0.15, 0.40),
    "prefill_serving": ("ttft_ms", 0.30, 0.65),
    "throughput_max": (None, 0.18, 0.40),
}

UNDOUBTED = ", undoubted"


def group_of(row):
    """The line of the table a row belongs to."""
    if row.quantity == "itl_s":
        return "served ITL"
    if row.regime == "prefill_serving" and row.work.turns > 1:
        return "prefill_serving, cache full"
    return row.regime


def lines_of(row, by):
    """The lines of the table a row counts in; what is in no doubt stands apart."""
    if by:
        return (fit.label(row, by),)
    group = group_of(row)
    return ("all", group, group + UNDOUBTED) if row.trust == 1 else ("all", group)


def line(name, errors, inside):
    """One line: how many, median, 80th percentile, and the share inside the interval."""
    wrong = [abs(math.exp(-e) - 1) for e in errors]
    wanted = WANTED.get(name)
    aim = f"{wanted[1]:>9.2f} {wanted[2]:>6.2f}" if wanted else ""
    held = f"{statistics.mean(inside):8.0%}" if inside else ""
    p80 = compare.quantile(wrong, 0.8)
    return f"{name:34}{len(wrong):>6}{statistics.median(wrong):>8.3f}{p80:>8.3f}{held}{aim}"


def holds(row, error):
    """Whether the shipped interval, moved to this prediction, holds the measurement."""
    load = Workload(1, 1, 1)  # the work is known; only the interval is asked for
    estimates = calibration.estimates(row.deployment, load, family=row.family, work=row.work)
    e = estimates.of(row.quantity, row.regime, bounded=False)
    return math.log(e.low / e.value) <= error <= math.log(e.high / e.value)


def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seen", action="store_true", help="errors on the fitted rows, at once")
    parser.add_argument("--newer", action="store_true", help="errors on rows that no fit has seen")
    parser.add_argument("--by", choices=("model", "card", "engine", "source"))
    args = parser.parse_args(argv)
    rows = fit.samples(NEWER if args.newer else ROWS)
    if args.seen or args.newer:
        pairs = list(zip(rows, fit.errors(rows, fit.shipped()), strict=True))
    else:
        print(f"leaving groups out of {len(rows):,} rows: some minutes", file=sys.stderr)
        missed = fit.left_out(rows, fit.solve(rows))
        by_id = {row.id: row for row in rows}
        pairs = [(by_id[n], e) for some in missed.values() for n, e in some.items()]
    groups, inside = {}, {}
    for row, error in pairs:
        for name in lines_of(row, args.by):
            groups.setdefault(name, []).append(error)
            inside.setdefault(name, []).append(holds(row, error))
    print(f"{'rows':34}{'n':>6}{'median':>8}{'p80':>8}{'inside':>8}{'aim: med':>10}{'p80':>6}")
    for name in sorted(groups, key=lambda n: (n != "all", n)):
        whole = name.removesuffix(UNDOUBTED)
        if whole != name and len(groups[whole]) == len(groups[name]):
            continue
        print(line(name, groups[name], inside[name]))
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
