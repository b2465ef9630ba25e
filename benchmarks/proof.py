"""The proof: every claim measured again, and written down where the book reads it.

    python benchmarks/proof.py [--only speed peers accuracy timed memory page sessions build]

`make bench` runs it whole. A part that is measured takes the place of what `proof.json` held of
it, with the day, the load of the machine and the versions; the others stay. Then the page *How
good is it?* is written anew. A tool that cannot be installed here, or gives no answer, is listed
with the reason.
"""

import argparse
import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import accuracy, against, memory, speed, timed  # noqa: E402
from llmcap_kernel.evidence import compare, fit  # noqa: E402
from widgets.pages import generated, proof_page  # noqa: E402

HELP = "--help"  # what every command answers, and a shell waits for
REASONS = 6  # of a tool's refusals, the most frequent


def machine():
    """What it was measured on."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }


def help_s(command, env, runs=5):
    """CPU time of a command's help as a whole process: the least [s]; None where there is none."""
    if not Path(command[0]).exists():
        return None
    took = []
    for _ in range(runs + 1):
        before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        done = subprocess.run([*command, HELP], env=env, capture_output=True, timeout=120)
        took.append(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before)
        if done.returncode:
            return None
    return min(took[1:])


def peers():
    """How long ours and every peer take: to import, to answer, and to start as a command."""
    with TemporaryDirectory() as folder:
        env = speed.ordinary(folder)
        found = against.times(env)
        for name, got in found.items():
            home = Path(sys.executable).parent if name == against.OURS else None
            home = home or against.PEERS_DIR / name / "bin"
            got["version"] = "this" if name == against.OURS else against.version(name)
            got["says"] = against.PEERS.get(name, "")
            if "failed" not in got:
                got["cli_s"] = help_s([str(home / name)], env)
    return found


def left_out():
    """Errors of predictions by fits that never saw the row's group, and what intervals hold."""
    rows = [row for row in fit.samples(*accuracy.ROWS) if row.source not in fit.TEST]
    _, found = fit.left_out(rows, fit.EVERY_LABEL)
    shown, widths = ("model", "card", "source"), fit.shipped_widths()
    missed = {by: fit.misses(rows, found.errors[by]) for by in shown}
    misses = [miss for by in shown for miss in missed[by]]
    errors = [found.errors[by][miss.row.id] for by in shown for miss in missed[by]]
    groups, inside = accuracy.grouped(misses, errors, widths)
    table = {}
    for name, some in groups.items():
        off = [abs(math.exp(-e) - 1) for e in some]
        table[name] = against.spread(off) | {"inside": statistics.mean(inside[name])}
    held = {
        by: statistics.mean(fit.coverage(fit.misses(rows, errors), widths, by).values())
        for by, errors in found.errors.items()
    }
    ours = {r.id: [abs(math.exp(-found.errors[by][r.id]) - 1) for by in shown] for r in rows}
    return rows, ours, {"rows": len(rows), "groups": table, "held": held}


def errors():
    """How wrong the estimates are, and peers on the rows that they answer."""
    rows, ours, table = left_out()
    with TemporaryDirectory() as folder:
        found = against.errors(speed.ordinary(folder), rows, ours)
    for got in found.values():
        got["refused"] = dict(Counter(got.get("refused", {})).most_common(REASONS))
    return {"ours": table, "peers": found, "most": against.MOST, "slow": against.SLOW}


def ledger():
    """How right the memory ledger is on start-up logs."""
    logs, reasons = memory.read(memory.ROWS)
    counted = [log for log in logs if not log.lacking]
    parts = {}
    for name, wanted in memory.WANTED.items():
        off = [log.errors[name] for log in counted if name in log.errors]
        parts[name] = against.spread(off) | {"title": memory.TITLES[name], "aim": wanted}
    known = [log for log in counted if log.startup.starts is not None]
    right = sum(log.starts == log.startup.starts for log in known)
    left = sum(map(len, reasons.values()))
    whole = {"logs": len(logs), "counted": len(counted), "without": left}
    return whole | {"parts": parts, "starts": {"logs": len(known), "right": right}}


def page():
    """How heavy the book is, how soon alive, and how soon an input is drawn."""
    from benchmarks import live

    return {"seen": live.measured(), "aims": live.TARGETS}


def sessions():
    """What many readers at once wait for, and what one of them takes of the machine."""
    from benchmarks import load

    seen, sizes = load.measured()
    cuts = {
        "answer": seen.answer_s,
        "chart": seen.chart_s,
        "first": seen.first_s,
    }
    found = {
        name: {"n": len(s), "p50_s": statistics.median(s), "p95_s": compare.quantile(s, 0.95)}
        for name, s in cuts.items()
        if s
    }
    own = [pss for _, pss in sizes]
    kernel = {"median_mib": statistics.median(own), "most_mib": max(own)}
    memory_mib = psutil.virtual_memory().total / 2**20
    return found | {"readers": 30, "faults": len(seen.faults), "kernel": kernel,
                    "seats_by_memory": int(memory_mib / kernel["most_mib"])}  # fmt: skip


def build():
    """How long the book takes to build from nothing, and when nothing has changed [s]."""
    with TemporaryDirectory() as folder:
        names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
        for name in filter(None, names):
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, Path(folder, name))
        os.symlink(ROOT / "node_modules", Path(folder, "node_modules"))
        env = os.environ | {"PYTHONPATH": folder}
        found = {}
        for kind in ("cold_s", "cached_s"):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "widgets.pages.build"],
                cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            found[kind] = time.perf_counter() - start
    return found


PARTS = {
    "speed": speed.measured,
    "peers": peers,
    "accuracy": errors,
    "timed": timed.measured,
    "memory": ledger,
    "page": page,
    "sessions": sessions,
    "build": build,
}


def rounded(value, figures=4):
    """Round what was measured to figures that mean something, and leave counts alone."""
    if isinstance(value, dict):
        return {key: rounded(one, figures) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, figures) for one in value]
    return float(f"{value:.{figures}g}") if isinstance(value, float) else value


def main():
    """Measure the parts, keep them, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    for name in args.only:
        print(f"== {name}", flush=True)
        before = os.getloadavg()[0]
        measured = rounded(PARTS[name]())
        when = {"date": date.today().isoformat(), "load": before, "machine": machine()}
        command = f"python benchmarks/proof.py --only {name}"
        kept = json.loads(proof_page.FILE.read_text("utf-8")) if proof_page.FILE.exists() else {}
        kept[name] = rounded({**when, "command": command}) | {"measured": measured}
        told = json.dumps({key: kept[key] for key in PARTS if key in kept}, indent=1)
        proof_page.FILE.write_text(told + "\n", "utf-8")
    proof_page.proof.held.cache_clear()
    generated.write("proof", proof_page.text())
    missed = [claim.title for claim in proof_page.claims(kept) if claim.met is False]
    print("\n".join(f"{c.title}: {c.text} {c.verdict}" for c in proof_page.claims(kept)))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
