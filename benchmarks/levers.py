"""How right the law is about levers, on pairs of runs that differ in one.

    python benchmarks/levers.py [--by lever|source|metric|engine|model] [--lever NAME] [--rows]

Every row of `pairs.csv` becomes two deployments and two loads, and the predicted ratio is put
beside the measured one. Nothing is fitted to these pairs but what a card draws while it
multiplies (`catalog/cards.py`), from those of a power cap. A change is noticed where it is beyond
5%: of these it counts how many are predicted to move the other way, or not at all. `--rows` prints
the pairs that are farthest off.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from llmcap_kernel.catalog import names
from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence import levers

ROWS = Path(__file__).with_name("pairs.csv")
WORST = 30
AIM = "what we aim for: median 10%, p80 25%, the other way in under 5% of those noticed"
GROUPS = {
    "lever": lambda pair: pair.lever,
    "source": lambda pair: pair.source,
    "metric": lambda pair: pair.runs[0]["metric"],
    "engine": lambda pair: names.family(pair.runs[0].get("engine", "")),
    "model": lambda pair: pair.runs[0].get("model", ""),
}


def share(value):
    """A share in percent; "-" where there is none."""
    return "-" if value is None else f"{value:.0%}"


def line(one):
    """One group: how many, how far off, and how often the wrong way."""
    return (
        f"{one.name[:29]:30}{one.pairs:>6}{one.predicted:>10}{share(one.median):>8}"
        f"{share(one.p80):>7}{one.noticed:>9}{one.wrong_way:>10}{one.unmoved:>9}"
    )


def left(ratios):
    """What is not predicted: how many, which lever and why."""
    reasons = Counter((r.kind, r.pair.lever, r.reason) for r in ratios if r.kind)
    order = [levers.NO_TERM, levers.TWO, levers.UNSTATED, levers.UNKNOWN]
    for kind in order:
        some = {key: n for key, n in reasons.items() if key[0] == kind}
        yield f"{kind}: {sum(some.values())}"
        for (_, lever, reason), n in sorted(some.items(), key=lambda item: -item[1]):
            yield f"{n:>6}  {lever}: {reason[:80]}"


def detail(ratio):
    """A pair in one line: what changed, and both ratios."""
    pair = ratio.pair
    first, second = pair.runs
    change = ", ".join(f"{n} {first.get(n) or '-'} to {second.get(n) or '-'}" for n in pair.changed)
    load = f"{first.get('concurrency', '?')} users, {first.get('input_tokens', '?')} in"
    return (
        f"{pair.id:8}{pair.measured:>8.3f}{ratio.predicted:>8.3f}  {first['metric']}, "
        f"{first.get('model', '')}, {first.get('engine', '')} on {first['gpu']}, {load}: {change}"
    )


def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=ROWS)
    parser.add_argument("--by", choices=GROUPS, default="lever")
    parser.add_argument("--lever", help="only this one, by its name in the table")
    parser.add_argument("--rows", action="store_true", help="the pairs that are farthest off")
    args = parser.parse_args(argv)
    ratios = levers.ratios(args.file)
    if args.lever:
        ratios = tuple(r for r in ratios if r.pair.lever == args.lever)
    print(f"{args.by:30}{'pairs':>6}{'predicted':>10}{'median':>8}{'p80':>7}", end="")
    print(f"{'noticed':>9}{'other way':>10}{'unmoved':>9}")
    undoubted = levers.summary("all, undoubted", [r for r in ratios if not r.pair.doubt])
    groups = levers.by(ratios, GROUPS[args.by])
    for one in (levers.summary("all", ratios), undoubted, *groups):
        print(line(one))
    print(f"{AIM}\n")
    print("\n".join(left(ratios)))
    if args.rows:
        errors = [(r.error, r) for r in ratios if r.error is not None]
        print("\nthe farthest off: measured, predicted")
        for _, ratio in sorted(errors, key=lambda one: -one[0])[:WORST]:
            print(detail(ratio))
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
