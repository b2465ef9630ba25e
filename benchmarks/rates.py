"""How right the search is at a rate: its answers to drawn questions, in the step loop.

    python benchmarks/rates.py [--questions 40] [--first 200]

A question has a model, a load, a rate and limits on a percentile of gaps and one of first tokens.
The answer is simulated three times, and misses a limit where the middle one of the three does. The
laws of `simulation.open_loop` were looked at beside questions 0 to 109; those from 200 on were not.
"""

import argparse
import random
from concurrent.futures import ProcessPoolExecutor

from llmcap_kernel import calibration, design, simulation
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import tails
from llmcap_kernel.spec import Slo, Tail, Workload

CARDS = (
    *("h100-sxm", "h200-sxm", "l40s", "a100-sxm-80gb", "mi300x", "rtx-4090", "l4"),
    *("rtx-pro-6000", "b200-sxm", "gh200-96gb"),
)
MODELS = (
    *("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b", "gpt-oss-120b", "qwen3-30b-a3b"),
    "gemma-3-27b",
)
REQUESTS, SEEDS = 1500, 3


def question(number):
    """Draw a question: what `design.search` is asked."""
    dice = random.Random(f"C{number}")
    prompt, answer = (round(10 ** dice.uniform(*ends)) for ends in ((2.3, 4.0), (1.7, 3.0)))
    percents = dice.choice([95, 99]), dice.choice([95, 99])
    bounds = 10 ** dice.uniform(-1.8, -1.0), 10 ** dice.uniform(-0.5, 0.8)
    rate, model = 10 ** dice.uniform(-0.5, 1.5), dice.choice(MODELS)
    engine = dice.choice(["vllm", "vllm", "vllm", "sglang"])
    rent = dice.choice([None, 10 ** dice.uniform(1, 2)])
    limits = (Tail(*one) for one in zip(("itl", "ttft"), percents, bounds, strict=True))
    asked = {"models": [model], "gpus": CARDS, "engines": [engine], "rate": rate}
    return Workload(prompt, answer), Slo(usd_h=rent, tails=tuple(limits)), asked


def simulated_s(deployment, load, rate_rps, limits, seed):
    """Percentiles of a run, from the middle eight tenths of its requests [s]."""
    steps = simulation.Steps(deployment, calibration.efficiency_for(deployment))
    lengths = simulation.Lengths(load.input_tokens), simulation.Lengths(load.output_tokens)
    asked = simulation.requests(simulation.Load(*lengths, count=REQUESTS, seed=seed).at(rate_rps))
    run = simulation.simulate(asked, steps, simulation.room_of(deployment, asked))
    some = run.completed[REQUESTS // 10 : -(REQUESTS // 10)]
    groups = [
        g for g in run.groups if g.decoding and some[0].sent_s <= g.start_s <= some[-1].sent_s
    ]
    seen = {
        "itl": [gap for g in groups for gap in g.gaps],
        "ttft": [(one.ttft_s, 1) for one in some],
    }
    return [tails.weighted(seen[tail.quantity], (tail.percent,))[0] for tail in limits]


def missed_by(number):
    """The answer to a question, and the largest of its percentiles over their limits."""
    load, slo, asked = question(number)
    try:
        best = design.search(load, slo, **asked).winner
    except BadInput:
        return None
    if best is None:
        return None
    rate_rps = asked["rate"] / best.copies
    over = sorted(
        max(
            seen_s / tail.bound_s
            for seen_s, tail in zip(
                simulated_s(best.deployment, load, rate_rps, slo.tails, seed),
                slo.tails,
                strict=True,
            )
        )
        for seed in range(SEEDS)
    )
    return best.title, over[SEEDS // 2]


def main():
    """Ask, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--first", type=int, default=200, help="number of the first (default 200)")
    args = parser.parse_args()
    numbers = range(args.first, args.first + args.questions)
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(numbers, pool.map(missed_by, numbers), strict=True))
    answered = {n: one for n, one in found.items() if one is not None}
    late = {n: one for n, one in answered.items() if one[1] > 1}
    print(f"{len(answered)} answers, of which {len(late)} miss a limit in the step loop")
    for number, (title, over) in sorted(late.items(), key=lambda one: -one[1][1]):
        print(f"  {over:.2f} times a limit, question {number}: {title}")


if __name__ == "__main__":
    main()
