"""How right the memory ledger is, on the start-up logs of real engines.

    python benchmarks/memory.py [--engine vllm] [--by engine|card|source|model] [--rows] [--write]

Every row of `memory.csv` becomes the deployment it was started as, and its ledger is put beside
what the engine printed. The targets are held to the logs that state enough: model, card,
memory fraction and, of vLLM, the version, and nothing that the ledger does not know of (the column
`doubt`). Limits that a log leaves out, such as `max_num_seqs`, are the engine's defaults.

Nothing of a ledger is fitted to these logs but how far off it is: the interval of the room. Its
level is the least that holds 80% of what sources that it has not seen logged, each counting alike.
A source is judged with a level and an interval that are the others' alone, and `--write` keeps
those of all sources in `llmcap_kernel/catalog/memory.toml`.
"""

import argparse
import collections
import math
import statistics
import sys
from bisect import bisect_left
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from llmcap_kernel import capacity
from llmcap_kernel.cli import until_closed
from llmcap_kernel.evidence import compare, startup
from llmcap_kernel.explain import GIB
from llmcap_kernel.refuse import BadInput

ROWS = Path(__file__).with_name("memory.csv")
KEPT = Path(__file__).parents[1] / "llmcap_kernel" / "catalog" / "memory.toml"
WORST = 15
SHARE = 0.8  # of the start-ups of a new source that the interval is to hold
LEVELS = tuple(n / 100 for n in range(50, 101))
FEW = 3  # logs of a kind of card; fewer say too little of what the next will show
UNKNOWN = 2  # times NVIDIA's interval, for what few logs are of
OF_WEIGHTS = 0.01  # what the weights are off by is a share of them
STEP_BYTES, STEP_SHARE = 1e7, 1e-3  # to which what is kept is rounded up
TOML = """\
# How far off the room for the cache is: 80% of the start-ups of a source that was left out lie
# within `bytes`, `of_card` of the card's memory and `of_weights` of the weights. What is off are
# buffers, kernels and graphs, which a larger card does not enlarge; how much of a memory that is
# shared with the host an engine is given depends on settings, so there a share comes on top: all
# that the few logs show. "other" is what few logs are of: twice NVIDIA's.
# Written by `benchmarks/memory.py --write`.
"""
# what we aim for: the median of the errors, and their 80th percentile
WANTED = {"weights": (0.01, 0.03), "room": (0.015, 0.04), "dense": (0.01, 0.01)}
WANTED["hybrid"] = (0.03, 0.03)
TITLES = {
    "weights": "weights",
    "room": "room for the cache, of the card",
    "dense": "users in a GiB of it, dense",
    "hybrid": "users in a GiB of it, windows",
}
KINDS = {
    "engine": lambda log: log.startup.family,
    "card": lambda log: log.deployment.gpu.name,
    "source": lambda log: log.startup.source,
    "model": lambda log: log.deployment.model.name,
}


class Log:
    """A start-up beside its ledger, and how far off each is."""

    def __init__(self, one):
        self.startup, self.deployment, self.books = one.startup, one.deployment, one.books
        self.terms, self.starts = {t.name: t for t in one.terms}, one.starts

    @property
    def lacking(self):
        """What keeps it from counting toward the targets; "" for nothing."""
        s = self.startup
        # neither moves what llama.cpp takes, and of the others one version is known
        wanted = {} if s.family in startup.SIZED_BY_CONTEXT else {"fraction": s.memory_fraction}
        if s.family == "vllm":
            wanted["version"] = s.version
        missing = [f"no {name}" for name, value in wanted.items() if not value]
        return ", ".join([*s.doubts, *missing])

    @property
    def hybrid(self):
        """Whether layers keep windows, states or compressed entries."""
        return any(
            a.kind in ("window", "linear") or a.stride_tokens > 1
            for a in self.deployment.model.attention
        )

    @property
    def errors(self):
        """Errors by the name of the measure; those that the log allows."""
        out, terms = {}, self.terms
        if "weights" in terms:
            out["weights"] = abs(terms["weights"].error)
        sized = self.startup.family in startup.SIZED_BY_CONTEXT
        if "KV cache" in terms and not sized:
            out["room"] = abs(terms["KV cache"].share_of_card)
        density = self.density
        if density:
            out["hybrid" if self.hybrid else "dense"] = abs(density[1] / density[0] - 1)
        return out

    @property
    def density(self):
        """Users in a GiB of cache, as logged and as computed; None where it is not logged."""
        s, books = self.startup, self.books
        cache = self.terms.get("KV cache")
        if cache is None or cache.logged <= 0:
            return None
        if s.family in startup.SIZED_BY_CONTEXT:
            users = s.max_num_seqs or 1
        elif s.max_concurrency and s.max_model_len:
            users = s.max_concurrency
        elif s.kv_tokens:
            users = s.kv_tokens / startup.context_tokens(s, self.deployment)
        else:
            return None
        replicas = self.deployment.attention_replicas
        return users / cache.logged * GIB, replicas / books.kv_bytes_per_sequence * GIB

    @property
    def off_bytes(self):
        """How far off the room is from the nearest that a version's builds leave; None for none."""
        if "room" not in self.errors:
            return None
        more = self.terms["KV cache"].logged - self.terms["KV cache"].computed
        return max(-more, more - self.books.spared_bytes, 0.0)

    @cached_property
    def beyond_bytes(self):
        """The same less what the weights may be off by."""
        return max(self.off_bytes - OF_WEIGHTS * self.books.weights_bytes, 0.0)

    @property
    def card(self):
        """The kind of card, as the interval knows it."""
        return capacity.kind_of_card(self.deployment)

    @property
    def says_start(self):
        """Whether it started, where the log says so and for how long a sequence."""
        return self.startup.starts if self.startup.max_model_len else None


def read(path):
    """The logs that have a deployment, and why the others have none."""
    logs: list[Log] = []
    reasons: dict[str, list[str]] = {}
    for one in startup.read(path):
        try:
            logs.append(Log(startup.beside(one)))
        except BadInput as problem:
            reasons.setdefault(str(problem).rstrip("."), []).append(one.id)
    return logs, reasons


def spread(values):
    """How many, their median and their 80th percentile, as text."""
    if not values:
        return f"{0:>5}{'-':>9}{'-':>9}"
    p80 = compare.quantile(values, 0.8)
    return f"{len(values):>5}{statistics.median(values):>9.2%}{p80:>9.2%}"


def table(logs):
    """The lines of the table of targets."""
    yield f"{'':34}{'n':>5}{'median':>9}{'p80':>9}{'aim':>15}"
    for name, (middle, high) in WANTED.items():
        values = [log.errors[name] for log in logs if name in log.errors]
        aim = f"{middle:.1%} {high:.0%}"
        yield f"{TITLES[name]:34}{spread(values)}{aim:>15}"
    known = [log for log in logs if log.says_start is not None]
    right = [log.starts == log.says_start for log in known]
    denied = [log.startup.id for log in known if log.says_start and log.books.start == "no"]
    share = f"{statistics.mean(right):.1%}" if right else "-"
    yield f"{'starts or not':34}{len(known):>5}{share:>9}{'':9}{'95%':>15}"
    names = f": {' '.join(denied)}" if denied else ""
    yield f"  said not to start without a doubt, and ran: {len(denied)}{names}"
    yield from coverage(logs)


class Doubt(NamedTuple):
    """How far off the room may be, beside what the weights may be off by."""

    bytes: float
    of_card: float = 0.0

    def holds(self, log):
        """Whether a log's room lies within."""
        return log.beyond_bytes <= self.bytes + self.of_card * log.books.visible_bytes


def doubts(logs, level):
    """How far off the room is by kind of card, at a level of the logs."""
    rows = {kind: [log for log in logs if log.card == kind] for kind in ("nvidia", "amd")}
    known = {kind: quantile(some, level) for kind, some in rows.items() if len(some) >= FEW}
    other = UNKNOWN * known.get("nvidia", math.nan)
    shared = [log for log in logs if log.card == "unified"]
    beyond = [(log.beyond_bytes - other) / log.books.visible_bytes for log in shared]
    return {
        "nvidia": Doubt(known.get("nvidia", other)),
        "amd": Doubt(known.get("amd", other)),
        "unified": Doubt(other, max(beyond, default=0.0)),
        "other": Doubt(other),
    }


def quantile(logs, level):
    """A quantile of how far off logs are [bytes]; between two of them, every source alike."""
    sizes = collections.Counter(log.startup.source for log in logs)
    sources, passed = len(sizes), 0.0
    below: tuple[float, float] | None = None
    for off, source in sorted((log.beyond_bytes, log.startup.source) for log in logs):
        weight = 1 / sizes[source] / sources
        middle, passed = passed + weight / 2, passed + weight
        if middle >= level:
            if below is None:
                return off
            share = (level - below[0]) / (middle - below[0])
            return below[1] + share * (off - below[1])
        below = middle, off
    if below is None:
        raise ValueError("there is no quantile of no logs")
    return below[1]


def by_source(logs):
    """The logs of each source, and those of all others."""
    for source in sorted({log.startup.source for log in logs}):
        mine = [log for log in logs if log.startup.source == source]
        yield source, mine, [log for log in logs if log.startup.source != source]


def held(logs, off):
    """The share of logs that intervals hold."""
    return statistics.mean(off[log.card].holds(log) for log in logs)


def earned(logs):
    """The least level at which the others' intervals hold `SHARE` of a source, on average."""

    def enough(level):
        shares = [held(mine, doubts(others, level)) for _, mine, others in by_source(logs)]
        return bool(shares) and statistics.mean(shares) >= SHARE

    return LEVELS[min(bisect_left(LEVELS, True, key=enough), len(LEVELS) - 1)]


def coverage(logs):
    """How often the interval of the other sources holds the room of each source's logs."""
    logs = [log for log in logs if log.off_bytes is not None]
    inside = {
        source: (len(mine), held(mine, doubts(others, earned(others))))
        for source, mine, others in by_source(logs)
    }
    mean = statistics.mean(share for _, share in inside.values()) if inside else math.nan
    title = "80% interval of the room, left out"
    yield f"{title:34}{len(logs):>5}{mean:>9.0%}{'':9}{'76% to 88%':>15}"
    for source, (count, share) in inside.items():
        yield f"  {source:32}{count:>5}{share:>9.0%}"


def write(logs):
    """Keep the intervals for the ledger."""
    logs = [log for log in logs if log.off_bytes is not None]
    lines = [TOML]
    for kind, off in doubts(logs, earned(logs)).items():
        size = math.ceil(off.bytes / STEP_BYTES) * int(STEP_BYTES)
        share = round(math.ceil(off.of_card / STEP_SHARE) * STEP_SHARE, 3)
        lines.append(
            f"[room.{kind}]\nbytes = {size:_}\nof_card = {share}\nof_weights = {OF_WEIGHTS}\n"
        )
    KEPT.write_text("\n".join(lines), encoding="utf-8")


def groups(logs, by):
    """A line for each engine, card, source or model."""
    yield f"{'by ' + by:24}" + "".join(f"{name:>23}" for name in WANTED)
    yield f"{'':24}" + f"{'n':>5}{'median':>9}{'p80':>9}" * len(WANTED)
    parts: dict[str, list[Log]] = {}
    for log in logs:
        parts.setdefault(KINDS[by](log), []).append(log)
    for name in sorted(parts):
        cells = (spread([log.errors[m] for log in parts[name] if m in log.errors]) for m in WANTED)
        yield f"{name[:23]:24}" + "".join(cells)


def detail(log):
    """A log in one line: every term as logged and as computed."""
    parts = []
    for term in log.terms.values():
        scale, digits = (GIB, 2) if term.unit == "bytes" else (1, 0)
        if term.unit == "sequences":
            digits = 2
        logged, computed = term.logged / scale, term.computed / scale
        parts.append(f"{term.name} {logged:,.{digits}f} -> {computed:,.{digits}f}")
    if log.startup.starts is not None and log.starts != log.startup.starts:
        parts.append("does not start -> starts" if log.starts else "starts -> does not start")
    s, d = log.startup, log.deployment
    head = f"{s.id:8}{d.engine.name}, {d.title}, {d.fraction:g}"
    head += f", {startup.context_tokens(s, d):,} tokens"
    head += f" [{log.lacking}]" if log.lacking else ""
    return f"{head}\n        {'; '.join(parts)}"


def badness(log):
    """How far off a log is, in what we aim for."""
    return max((e / WANTED[name][1] for name, e in log.errors.items()), default=0.0)


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=ROWS)
    parser.add_argument("--engine", help="only this family: vllm, sglang, trtllm, llama.cpp")
    parser.add_argument("--by", choices=KINDS, action="append", help="default: engine and card")
    parser.add_argument("--rows", action="store_true", help="every log, not the worst alone")
    parser.add_argument("--write", action="store_true", help="keep the interval for the ledger")
    args = parser.parse_args(argv)
    logs, reasons = read(args.file)
    if args.engine:
        logs = [log for log in logs if log.startup.family == args.engine]
    counted = [log for log in logs if not log.lacking]
    if args.write:
        write(counted)
    left = sum(map(len, reasons.values()))
    print(f"{len(logs)} logs with a ledger, {len(counted)} count; {left} without one\n")
    print("\n".join(table(counted)), end="\n\n")
    for by in args.by or ("engine", "card"):
        print("\n".join(groups(counted, by)), end="\n\n")
    worst = sorted(counted, key=badness, reverse=True)[:WORST]
    print("all logs" if args.rows else f"the {len(worst)} worst: logged -> computed, GiB a card")
    print("\n".join(detail(log) for log in (logs if args.rows else worst)), end="\n\n")
    print("logs that do not count")
    for log in logs:
        if log.lacking and not args.rows:
            print(f"  {log.startup.id:8}{log.lacking}")
    print("\nwithout a ledger")
    for reason, ids in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"{len(ids):>4}  {reason}: {' '.join(ids)}")
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
