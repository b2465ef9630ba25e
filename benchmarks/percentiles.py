"""How right the predicted percentiles are, source left out.

    python benchmarks/percentiles.py [--by source|percent] [--rows] [--write]

Every row of `percentiles.csv` that states its inputs is predicted; the others are counted, with
what they lack. Two numbers and the widths of `catalog/tails.toml` are chosen on these rows, and
here each source is predicted with what the others choose. Beside it stands the error of the mean,
where a row has one: what the law of the mean is off, no law of its spread can mend. `--write`
writes `catalog/tails.toml` with what all sources choose.
"""

import argparse
import statistics
import sys
from collections import Counter
from pathlib import Path

from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence import compare, tails

ROWS = Path(__file__).with_name("percentiles.csv")
TABLE = Path(tails.__file__).parents[1] / "catalog" / "tails.toml"
WORST = 30
WANTED = {"itl p50": 0.20, "itl tail": 0.25, "ttft p50": 0.40, "ttft tail": 0.50}
HEAD = """\
# How latencies vary around their means, and how much wider than a mean's interval theirs is.
# step_spread and request_spread are standard deviations of the logarithm: of the time of a step,
# and of a request's time outside the cards. A width is [faster, slower]: factors by which the ends
# of the mean's interval move apart, below 1 together; p50 holds up to the 75th percentile, tail
# above.
# Written by `python benchmarks/percentiles.py --write` from benchmarks/percentiles.csv.

"""


def line(name, some):
    """How many, median, 80th percentile, bias, and the share inside the interval."""
    errors = [one.error for one in some]
    logs = statistics.median(one.predicted / one.point.measured for one in some)
    held = statistics.mean(one.inside for one in some)
    aim = f"{WANTED[name]:>8.0%}" if name in WANTED else ""
    p80 = compare.quantile(errors, 0.8)
    return (
        f"{name:34}{len(some):>6}{statistics.median(errors):>8.1%}{p80:>8.0%}"
        f"{logs:>8.2f}{held:>8.0%}{aim}"
    )


def grouped(scores, key):
    """Scores by a key, in order."""
    out: dict[str, list[tails.Score]] = {}
    for one in scores:
        out.setdefault(key(one), []).append(one)
    return dict(sorted(out.items()))


def coverage(scores):
    """The share inside, averaged over sources."""
    by = grouped(scores, lambda one: one.point.run.source)
    return statistics.mean(statistics.mean(s.inside for s in some) for some in by.values())


def write(points):
    """Write what all sources choose."""
    step, request = tails.spreads(points)
    wide = tails.widths(points, step, request)
    rows = [f"step_spread = {step:g}", f"request_spread = {request:g}", "", "[widths]"]
    rows += [f'"{name}" = [{low:.3g}, {high:.3g}]' for name, (low, high) in sorted(wide.items())]
    TABLE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=ROWS)
    parser.add_argument("--by", choices=("source", "percent"))
    parser.add_argument("--rows", action="store_true", help="the ones that are farthest off")
    parser.add_argument("--write", action="store_true", help="write catalog/tails.toml")
    args = parser.parse_args(argv)
    runs = tails.read(args.file)
    points = tails.points(runs)
    if args.write:
        write(points)
    scores = tails.scores(points)
    head = f"{'latency':34}{'n':>6}{'median':>8}{'p80':>8}{'bias':>8}{'inside':>8}{'aim':>8}"
    print(head)
    for name, some in grouped(scores, lambda one: one.point.kind).items():
        print(line(name, some))
        if args.by == "source":
            for source, part in grouped(some, lambda one: one.point.run.source).items():
                print(line(f"  {source}", part))
        if args.by == "percent":
            for percent, part in grouped(some, lambda one: one.point.percent).items():
                print(line(f"  p{percent:g}", part))
    print(f"inside, mean over sources: {coverage(scores):.0%}, 70% to 90% wanted\n")
    reasons = Counter((run.source, run.reason) for run in runs if run.reason)
    print(f"{sum(reasons.values()):,} of {len(runs):,} rows are not predicted:")
    for (source, reason), many in sorted(reasons.items(), key=lambda item: -item[1]):
        print(f"{many:>6}  {source}: {reason[:90]}")
    if args.rows:
        print("\nthe farthest off: measured, predicted [ms]")
        for one in sorted(scores, key=lambda s: -s.error)[:WORST]:
            run = one.point.run
            told = f"{1e3 * one.point.measured:>10.1f}{1e3 * one.predicted:>10.1f}"
            print(f"{run.id:8}{told}  {run.quantity} p{one.point.percent:g}, {run.source}")
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
