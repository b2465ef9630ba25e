"""How right predictions were that were made first: what `time_card.py` timed afterwards.

    python benchmarks/timed.py

The rows of `timed_*.csv` are in no fit, and no constant was changed for them. Those of
`time_serving.py` are compared with the step loop, which was as it is, and with the closed form,
whose wait for prompts in steps of their own they corrected.
"""

import random
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import against  # noqa: E402
from llmcap_kernel import simulation  # noqa: E402
from llmcap_kernel.evidence import kernels  # noqa: E402
from llmcap_kernel.evidence.kernels.kinds import KINDS  # noqa: E402
from llmcap_kernel.simulation import tails  # noqa: E402
from widgets.benchmarks import rows  # noqa: E402
from widgets.pictures import timed, timed_serving  # noqa: E402

LONG = 2048  # tokens of a prompt from which on the card is slower than the host
KERNELS = ("products", "decode_attention", "prefill_attention", "experts")


def group(fields):
    """Name the kind of question of a row."""
    if fields["metric"] == timed.READ:
        some = int(fields["input_tokens"]) >= LONG
        return f"prompts of {LONG:,} tokens and more" if some else "shorter prompts"
    return "one user" if fields["concurrency"] == "1" else "8 to 128 users"


def models():
    """Errors of whole models by kind of question."""
    found = defaultdict(list)
    for fields, row in timed.scored():
        found[group(fields)].append(row)
    return {
        name: against.spread([row.error for row in some])
        | {"inside": sum(row.inside for row in some) / len(some)}
        for name, some in found.items()
    }


def alone():
    """Errors of kernels by kind and format."""
    found = {}
    for name in KERNELS:
        report = kernels.report((ROOT / "benchmarks" / f"timed_{name}.csv").read_text("utf-8"))
        for one in report.by(lambda row: (row.kind, row.format)):
            kind, form = one.name
            title = f"{KINDS[kind].title}, {form}"
            found[title] = {"rows": one.rows, "median": one.median, "p80": one.p80}
    return found


def simulated(load, rate_rps, seconds):
    """A run of the same requests, at the moments that `time_serving.py` drew."""
    rng, now, requests = random.Random(0), 0.0, []
    while (now := now + rng.expovariate(rate_rps)) < seconds:
        requests.append(simulation.Request(now, load.input_tokens, load.output_tokens))
    deployment, efficiency = timed_serving.server(load)
    room = simulation.room_of(deployment, requests)
    return simulation.simulate(requests, simulation.Steps(deployment, efficiency), room)


def serving():
    """Errors of percentiles by latency: of the step loop, and of the closed form."""
    found, runs = defaultdict(list), {}
    titles = {quantity: title for title, quantity in timed_serving.QUANTITIES.items()}
    for fields in rows(timed_serving.FILE):
        load, rate, quantity = (
            timed_serving.asked(fields), float(fields["rate_rps"]), fields["quantity"],
        )  # fmt: skip
        if (load, rate) not in runs:
            runs[load, rate] = simulated(load, rate, float(fields["seconds"]))
        percents = timed_serving.PERCENTS
        looped = tails.weighted(tails.values(runs[load, rate], quantity), percents)
        there = timed_serving.open_loop_of(load).at(rate)
        for percent, loop_s in zip(percents, looped, strict=True):
            seen_s = float(fields[f"p{percent}_s"])
            law_s = there.percentile_s(quantity, percent)
            found[quantity, "step loop"].append(against.wrong(loop_s, seen_s))
            found[quantity, "closed form"].append(against.wrong(law_s, seen_s))
    return {f"{titles[name]}, {by}": against.spread(x) for (name, by), x in found.items()}


def measured():
    """Both, for the page of proof, and what was timed when."""
    fields = [fields for fields, _ in timed.scored()]
    return {
        "models": models(),
        "kernels": alone(),
        "serving": serving(),
        "cards": sorted({(row["gpu"], row["date"]) for row in fields}),
        "pytorch": ", ".join(sorted({row["engine_version"] for row in fields})),
    }


if __name__ == "__main__":
    for name, n in (*models().items(), *alone().items(), *serving().items()):
        print(f"{name:36} {n['rows']:4} {n['median']:7.1%} {n['p80']:8.1%}")
