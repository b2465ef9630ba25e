"""Answer requests that come at random moments on the card in this machine, and time every token.

    python benchmarks/time_serving.py FOLDER [--card H100] [--only 0 1 ...] [--seconds 60]

It takes PyTorch, one NVIDIA card and `time_card.py` beside it, and nothing of llmcap. In a few
minutes FOLDER holds `serving.csv`: a line for each quantity of each load and rate, with its
percentiles. Weights and prompts are random, since time depends on shapes.

The server is as small as one can be. A prompt that waits is computed first, alone, in one CUDA
graph; where none waits, all requests in progress get their next token, in one CUDA graph of the
next larger batch. Nothing else is between the card and the clock: no text, no network, no engine.
"""

import argparse
import csv
import itertools
import random
import time
from collections import deque
from datetime import date
from pathlib import Path
from typing import NamedTuple

import time_card as card
import torch

BATCHES = (*range(1, 9), *range(10, 17, 2), *range(20, 33, 4), *range(40, 65, 8))
PERCENTS = (50, 90, 95, 99)


class Load(NamedTuple):
    """A model, lengths of prompt and answer [tokens], and rates at which they come [requests/s]."""

    model: str
    form: torch.dtype
    input_tokens: int
    output_tokens: int
    rates_rps: tuple[float, ...]


LOADS = (
    Load("Llama-3.1-8B", card.DTYPE, 1024, 128, (10.0, 16.0, 21.0)),
    Load("Llama-3.1-8B", card.FP8, 512, 256, (11.0, 17.5, 23.0)),
    Load("Qwen3-14B", card.DTYPE, 2048, 128, (3.8, 6.2, 8.0)),
)


def arrivals(rate_rps, seconds, seed=0):
    """Moments at which requests come: a Poisson process [s]."""
    rng, now, found = random.Random(seed), 0.0, []
    while (now := now + rng.expovariate(rate_rps)) < seconds:
        found.append(now)
    return found


class Kept(card.Prompt):
    """Attention of a prompt, whose keys and values go into the cache."""

    def __init__(self, cache):
        self.cache = cache

    def __call__(self, layer, q, k, v):
        for place, new in zip(self.cache[layer], (k, v), strict=True):
            place[0, :, : len(new)] = new.transpose(0, 1)
        return super().__call__(layer, q, k, v)


class Some(card.Decoding):
    """Attention of the first so many sequences of a cache that others share."""

    def __init__(self, cache, users):
        self.cache, self.users = cache, users
        self.last = cache.shape[-2] - 1

    def __call__(self, layer, q, k, v):
        keys, values = self.cache[layer, :, : self.users]
        keys[:, :, self.last], values[:, :, self.last] = k, v
        return card.attend(q.unflatten(1, (keys.shape[1], -1)), keys, values).flatten(1)


class Server:
    """The graphs of a load: of a prompt, and of a step of each batch."""

    def __init__(self, net, load):
        m, users = net.model, max(BATCHES)
        context = load.input_tokens + load.output_tokens
        shape = (m.layers, 2, users, m.kv_heads, context, m.head_dim)
        self.cache = torch.empty(shape, device=card.DEVICE, dtype=card.DTYPE).normal_()
        self.net, self.load = net, load
        self.prompt = self.captured(load.input_tokens, Kept(self.cache))
        torch._dynamo.reset()
        self.steps = {batch: self.captured(batch, Some(self.cache, batch)) for batch in BATCHES}

    def captured(self, tokens, attention):
        """A graph of a pass over so many tokens, where it puts the next ones, and what it reads."""
        ids = torch.zeros(tokens, device=card.DEVICE, dtype=torch.long)
        turn = card.angles(tokens, self.net.model.head_dim)
        out = torch.zeros_like(ids)[attention.asked]

        def run():
            out.copy_(self.net.run(ids, attention, turn))

        return card.graph([run]), out, run  # a graph keeps no tensor alive

    def run(self, pass_):
        """Run a pass until the host has its tokens."""
        graph, out, _ = pass_
        graph.replay()
        out.cpu()

    def serve(self, moments):
        """Answer requests as they come; the moments of each one's tokens [s]."""
        load, waiting = self.load, deque(enumerate(moments))
        tokens: list[list[float]] = [[] for _ in moments]
        running: list[int] = []
        start = time.perf_counter()
        while waiting or running:
            now = time.perf_counter() - start
            if waiting and waiting[0][1] <= now and len(running) < max(BATCHES):
                self.run(self.prompt)
                served = [waiting.popleft()[0]]
                running += served
            elif running:
                self.run(self.steps[next(b for b in BATCHES if b >= len(running))])
                served = running
            else:
                continue
            now = time.perf_counter() - start
            for one in served:
                tokens[one].append(now)
            running = [one for one in running if len(tokens[one]) < load.output_tokens]
        return tokens


def quantities(moments, tokens):
    """Latencies by quantity: of each request, and of each gap [s]."""
    steps = [b - a for ones in tokens for a, b in itertools.pairwise(ones)]
    return {
        "ttft": [ones[0] - at for at, ones in zip(moments, tokens, strict=True)],
        "itl": steps,
        "tpot": [(ones[-1] - ones[0]) / (len(ones) - 1) for ones in tokens],
        "e2e": [ones[-1] - at for at, ones in zip(moments, tokens, strict=True)],
    }


def percentile(ranked, percent):
    return ranked[min(len(ranked) * percent // 100, len(ranked) - 1)]


def rows(load, seconds):
    """What is written of a load: a line for each rate and quantity."""
    model = next(one for one in card.MODELS if one.name == load.model)
    server = Server(card.Net(model, load.form), load)
    server.serve([0.0] * 16)  # once, unseen: what is first is late
    for rate_rps in load.rates_rps:
        moments = arrivals(rate_rps, seconds)
        tokens = server.serve(moments)
        for quantity, times in quantities(moments, tokens).items():
            ranked = sorted(times)
            found = {f"p{p}_s": f"{percentile(ranked, p):.6g}" for p in PERCENTS}
            yield {
                "model": load.model,
                "weight_dtype": card.FORMATS[load.form],
                "input_tokens": load.input_tokens,
                "output_tokens": load.output_tokens,
                "max_num_seqs": max(BATCHES),
                "rate_rps": rate_rps,
                "seconds": seconds,
                "requests": len(moments),
                "quantity": quantity,
                "mean_s": f"{sum(times) / len(times):.6g}",
                **found,
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--card", default="", help="its name in llmcap; the driver's if not given")
    parser.add_argument("--only", type=int, nargs="+", default=range(len(LOADS)))
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    gpu = args.card or torch.cuda.get_device_name().removeprefix("NVIDIA ")
    version = torch.__version__.partition("+")[0]
    about = {"engine": "pytorch", "engine_version": version, "date": date.today().isoformat()}
    with (args.folder / "serving.csv").open("w", newline="") as file, torch.inference_mode():
        table = None
        for at in args.only:
            start = time.perf_counter()
            for line in rows(LOADS[at], args.seconds):
                line = {**about, "gpu": gpu, **line}
                table = table or csv.DictWriter(file, line, lineterminator="\n")
                if file.tell() == 0:
                    table.writeheader()
                table.writerow(line)
                file.flush()
                print(" ".join(map(str, line.values())), flush=True)
            print(f"load {at}: {time.perf_counter() - start:.0f} s", flush=True)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
