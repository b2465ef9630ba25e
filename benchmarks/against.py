"""What other tools answer to the same questions: how long they take, and how wrong they are.

    python benchmarks/against.py [--rows 200] [--only NAME ...] [--json FILE]

Each tool lives in an environment of its own, made from its file in `benchmarks/peers`, which pins
every package by its hash. Only that needs the network: at prediction time it is shut off. A tool
is asked the published rows whose model, card, engine, formats and split it says it covers; ours
beside it are predictions of the same rows by fits that never saw the row's model, card or source.
"""

import argparse
import hashlib
import json
import math
import re
import statistics
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import accuracy
from benchmarks.speed import ordinary
from llmcap_kernel import catalog
from llmcap_kernel.evidence import compare, fit
from llmcap_kernel.spec import CEILING

HERE = Path(__file__).parent
PEERS_DIR = HERE / ".peers"
CONFIGS = Path(catalog.__file__).parent / "configs"
OURS, ROOFLINE = "llmcap", "the spec sheet"
# What each tool's answer leaves out or adds beside ours; what it was given.
PEERS = {
    "mlsysim": "One card, one format for weights and cache; its answer to a served gap is its"
    " decode step, to which it adds 10 µs a layer.",
    "servcalc": "One card; the middle of a range that it calls a prior. Its vLLM profile is of"
    " version 0.6.3; llama.cpp is its Ollama profile, transformers its own.",
    "genz-llm": "At its default efficiency of 1; one format for weights, cache and activations;"
    " its answer to a served gap is its decode step.",
    "llm-analysis": "At its default efficiencies of 1, with integers of as many bits for FP8; its"
    " answer to a served gap is its decode step, and its throughput that of one batch.",
    "aiconfigurator": "The newest kernels it holds of the row's engine; users in progress together"
    " for a served load, one pass alone for a step or a prompt.",
    "aisimulate": "A simulation of four requests a user, asked again at once, with its default"
    " scheduler; a step or a prompt alone is one user's. A pre-release: the releases are"
    " placeholders for files on another host.",
}
# The same work for all: two cards, 16 users. A tool of one card is given one of twice everything.
QUESTION = {
    "model": "llama-3.1-70b", "gpu": "h100-sxm", "weights": "fp8", "kv": "fp8", "tp": 2, "ep": 1,
    "engine": "vllm", "users": 16, "input": 7000, "output": 1000, "kind": "step", "merged": True,
    "experts": 0, "native": False,
}  # fmt: skip
# A simulator has no step alone: it is asked the gap between tokens of the same load.
KINDS_TIMED = {"aisimulate": "itl"}
KINDS = {
    **dict.fromkeys(("decode_tok_s_user", "itl_decode_s", "decode_tok_s"), "step"),
    **dict.fromkeys(("prefill_tok_s", "batch_ttft_s"), "prefill"),
    **{"itl_s": "itl", "ttft_mean_s": "ttft"},
    **dict.fromkeys(("output_tok_s", "output_tok_s_card", "total_tok_s"), "rate"),
}
Answer = dict[str, Any]  # a line of JSON that a tool's process writes
MOST = 200  # rows of a regime
PATIENCE_S = 3600  # for all rows of a tool
SLOW = {"aiconfigurator": 30, "aisimulate": 30}  # of those that take seconds a row
TURNS = 4  # processes of a tool that are timed
FEWEST = 10  # rows, before a median says anything


def version(name):
    """The version that a tool's file pins."""
    lines = (HERE / "peers" / f"{name}.lock").read_text().splitlines()
    return next(x.split("==")[1].split()[0] for x in lines if x.startswith(f"{name}=="))


def environment(name, folder=PEERS_DIR):
    """Make a tool's own environment unless it is there; give its Python."""
    lock = HERE / "peers" / f"{name}.lock"
    home, of = folder / name, hashlib.sha256(lock.read_bytes()).hexdigest()
    python, done = home / "bin" / "python", home / "installed"
    if not done.exists() or done.read_text() != of:
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
            [*uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(lock)],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        done.write_text(of)
    return python


def questions(name, python, job, lines, env, patience_s):
    """Put questions to a tool; its answers as they come."""
    command = [str(python), str(HERE / "peers" / "predict.py"), job, name]
    told = "\n".join(map(json.dumps, lines)) + "\n"
    done = subprocess.run(
        command, input=told, env=env, cwd=HERE.parent, timeout=patience_s,
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def why(problem):
    """The last words of a process that failed, without addresses."""
    told = (getattr(problem, "stderr", None) or str(problem)).strip().splitlines()[-1]
    return re.sub(r"https?://\S+", "the index", told)


def times(env, folder=PEERS_DIR, only=PEERS):
    """Time ours and every peer in fresh processes, after one unmeasured each: the least.

    They take turns, since the clock of a core moves by half within minutes.
    """
    runs: dict[str, list[Answer]] = {name: [] for name in (OURS, *only)}
    for _ in range(1 + TURNS):
        for name, made in runs.items():
            if not made or "failed" not in made[-1]:
                made.append(one_time(name, env, folder))
    return {
        name: made[-1]
        if "failed" in made[-1]
        else {key: min(run[key] for run in made[1:]) for key in made[-1]}
        for name, made in runs.items()
    }


def one_time(name, env, folder):
    """Time a tool in a fresh process, or say why it gave no answer."""
    try:
        python = sys.executable if name == OURS else environment(name, folder)
        asked = QUESTION | {"kind": KINDS_TIMED.get(name, "step")}
        asked["config"] = str(config_of(QUESTION["model"]))
        return questions(name, python, "time", [asked], env, 300)[0]
    except (subprocess.SubprocessError, IndexError) as problem:
        return {"failed": why(problem)}


def config_of(model):
    """The file that a model of the catalogue is counted from."""
    record = catalog.table("models")["models"].get(model, {})
    return CONFIGS / record["config"] if "config" in record else None


def question(row):
    """A published row as a question, or None where no peer could be asked it alike."""
    d, work, kind = row.deployment, row.work, KINDS.get(row.quantity)
    config = config_of(d.model.name)
    odd = d.pp > 1 or d.dp_attention or d.speculation or d.lora or d.offload_share
    whole = work.turns == 1 and work.prefill_tokens == work.input_tokens
    if not kind or not config or odd or not whole or row.trust < 1:
        return None
    users = 1 if row.quantity == "prefill_tok_s" else int(work.users)
    tokens = {"input": int(work.input_tokens), "output": int(work.output_tokens)}
    parts = {"weights": d.weights.name, "kv": d.kv.name, "tp": d.tp, "ep": d.ep}
    names = {"model": d.model.name, "gpu": d.gpu.name, "engine": row.family}
    asked = {"kind": kind, "config": str(config), "experts": d.model.experts, "users": users}
    return {**names, **parts, **tokens, **asked, "native": d.weights.name == d.model.native_format}


def in_its_unit(row, asked, answer):
    """A tool's answer as the quantity that the row has."""
    tokens, users = row.work.input_tokens, asked["users"]
    return {
        "decode_tok_s_user": lambda: 1 / answer,
        "decode_tok_s": lambda: users / answer,
        "prefill_tok_s": lambda: tokens / answer,
        "output_tok_s_card": lambda: answer / row.work.cards,
        "total_tok_s": lambda: answer * (tokens + row.work.output_tokens) / row.work.output_tokens,
    }.get(row.quantity, lambda: answer)()


def drawn(pairs, most):
    """The rows in an order by a hash of their names, with the line of the table they count in."""
    for row, asked in sorted(pairs, key=lambda p: hashlib.md5(p[0].id.encode()).hexdigest()):
        yield row, asked | {"group": accuracy.group_of(row), "most": most}


def covered(name, pairs):
    """The rows that a tool may cover, by its own lists of models, cards, engines and formats."""
    sys.path.insert(0, str(HERE / "peers"))
    import tools

    for row, asked in pairs:
        lists = [(tools.CARDS, "gpu"), (tools.MODELS, "model")]
        if all(asked[what] in table[name] for table, what in lists if name in table):
            yield row, asked


def wrong(predicted, measured):
    """How far off a prediction is, as a share of the measurement."""
    return abs(predicted / measured - 1)


def spread(errors):
    """How many, median and 80th percentile."""
    return {
        "rows": len(errors),
        "median": statistics.median(errors),
        "p80": compare.quantile(errors, 0.8),
    }


def beside(pairs, theirs, ours):
    """Errors by line of the table: theirs, and ours on the same rows."""
    groups: dict[str, list[tuple[float, list[float]]]] = {}
    for (row, _), error in zip(pairs, theirs, strict=True):
        if error is not None:
            groups.setdefault(accuracy.group_of(row), []).append((error, ours[row.id]))
    found = {}
    for group, errors in sorted(groups.items()):
        mine = [one for _, several in errors for one in several]
        found[group] = spread([one for one, _ in errors])
        found[group] |= {f"our_{k}": v for k, v in spread(mine).items() if k != "rows"}
    return found


def rows_left_out():
    """The rows of the fit, and how far off fits without each row's group are: three a row."""
    rows = [row for row in fit.samples(*accuracy.ROWS) if row.source not in fit.TEST]
    _, found = fit.left_out(rows, ("model", "card", "source"))
    missed = [found.errors[by] for by in ("model", "card", "source")]
    return rows, {row.id: [abs(math.exp(-by[row.id]) - 1) for by in missed] for row in rows}


def roofline(rows):
    """Errors of what the spec sheet promises of each row, in the terms of our own law."""
    import numpy

    values = numpy.array([[getattr(CEILING, name) for name in fit.problem.NAMES]] * len(rows))
    return [abs(math.exp(float(e)) - 1) for e in fit.Stack(list(rows)).errors(values)]


def errors(env, rows, ours, most=MOST, folder=PEERS_DIR, only=PEERS):
    """How wrong every peer is on rows that it covers, and ours on the same."""
    pairs = [(row, asked) for row in rows if (asked := question(row))]
    ceiling = roofline([row for row, _ in pairs])
    found = {ROOFLINE: {"groups": beside(pairs, ceiling, ours), "refused": {}}}
    with ThreadPoolExecutor(2) as pool:  # each thread waits for a process
        asked = partial(one_peer, env, pairs, ours, most, folder)
        return found | dict(zip(only, pool.map(asked, only), strict=True))


def one_peer(env, pairs, ours, most, folder, name):
    """How wrong one peer is, and why it gave no answer to the other rows."""
    asked = list(drawn(covered(name, pairs), min(most, SLOW.get(name, most))))
    try:
        python = environment(name, folder)
        told = questions(name, python, "rows", [q for _, q in asked], env, PATIENCE_S)
    except subprocess.SubprocessError as problem:
        return {"failed": why(problem)}
    off, refused = [], Counter(got["refused"] for got in told if "refused" in got)
    for (row, q), got in zip(asked, told, strict=True):
        value = in_its_unit(row, q, got["answer"]) if "answer" in got else None
        off.append(None if value is None else wrong(value, row.value))
    print(f"{name}: {len(off) - off.count(None)} rows", file=sys.stderr, flush=True)
    return {"groups": beside(asked, off, ours), "refused": dict(refused)}


def text(timed, missed):
    """The tables as text."""
    ours = timed.get(OURS, {}).get("each_s")
    for name, got in timed.items():
        if "failed" in got:
            yield f"{name:18} gave no answer: {got['failed']}"
        elif ours:
            yield (
                f"{name:18}import {got['import_s']:7.3f} s  each {1e3 * got['each_s']:10.4f} ms"
                f"  {got['each_s'] / ours:8.1f} x ours"
            )
    for name, got in missed.items():
        for group, n in got.get("groups", {}).items():
            yield (
                f"{name:18}{group:30}{n['rows']:5} rows  median {n['median']:6.3f} "
                f"p80 {n['p80']:6.3f}   ours {n['our_median']:6.3f} {n['our_p80']:6.3f}"
            )
        if "failed" in got:
            yield f"{name:18} gave no answer: {got['failed']}"


def main():
    """Ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=MOST, help="of each regime, at most")
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        env = ordinary(folder)
        timed, (rows, ours) = times(env, only=args.only), rows_left_out()
        missed = errors(env, rows, ours, args.rows, only=args.only)
    print("\n".join(text(timed, missed)))
    if args.json:
        results = {"times": timed, "errors": missed}
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
