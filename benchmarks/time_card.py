"""Time the card in this machine: kernels and whole models, as files that `llmcap validate` scores.

    python benchmarks/time_card.py FOLDER [--card H100] [--only products models ...]

It takes PyTorch and one NVIDIA card, and nothing of llmcap: copy this file to the machine and run
it there. In a few minutes FOLDER holds a file for each kind of kernel, in the columns of NVIDIA's
aiconfigurator, and `models.csv` in the columns of `benchmarks/measured.csv`. Weights and data are
random, since time depends on shapes; nothing is downloaded.

Kernels are PyTorch's own: cuBLAS, FlashAttention 2, cuDNN, grouped products. Each is launched from
a CUDA graph, in turn on as many copies of its data as do not fit in the card's cache. A model is
layers of compiled PyTorch; a step of decoding is one CUDA graph, a prompt is launched by the host.
"""

import argparse
import csv
import itertools
import statistics
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

CACHE_BYTES = 200e6  # above the cache of any card
MOST_COPIES = 64
MOST_BYTES = 24e9  # of one kernel's data
RUN_S, RUNS = 0.02, 5
DEVICE, DTYPE, FP8 = "cuda", torch.bfloat16, torch.float8_e4m3fn
torch._dynamo.config.recompile_limit = (
    64  # a layer is compiled once for each model and for one user
)
# the quicker first: FlashAttention splits a long cache over the chip, cuDNN knows newer chips
ATTENTION = {
    "decode": [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION],
    "prefill": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION],
}


class Model(NamedTuple):
    """Shape of a dense model, from its config.json; `normed` where queries and keys are."""

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    normed: bool = False


MODELS = (
    Model("Llama-3.2-1B", 16, 2048, 8192, 32, 8, 64, 128256),
    Model("Llama-3.1-8B", 32, 4096, 14336, 32, 8, 128, 128256),
    Model("Qwen3-14B", 40, 5120, 17408, 40, 8, 128, 151936, True),
    Model("Qwen3-32B", 64, 5120, 25600, 64, 8, 128, 151936, True),
)
# layers' products: n and k of the models above, some halved or quartered as over more cards
PRODUCTS = (
    (6144, 4096),
    (28672, 4096),
    (4096, 14336),
    (10240, 5120),
    (51200, 5120),
    (5120, 25600),
    (2560, 5120),
    (1280, 8192),
    (8192, 3584),
    (128256, 4096),
)
ROWS = (1, 4, 16, 64, 256, 1024, 4096)
HEADS = ((32, 8, 128), (64, 8, 128), (16, 2, 128), (8, 1, 128), (32, 8, 64))
EXPERTS = ((2048, 768, 8, 128), (4096, 14336, 2, 8), (4096, 1536, 8, 128), (2048, 1408, 6, 64))


NAMES = {DTYPE: "bfloat16", FP8: "fp8"}

# timing


def events_s(run):
    """Median time of a call that only puts work on the card [s]."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times, calls = [], 1
    for _ in range(RUNS + 2):
        start.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e-3 / calls)
        calls = max(1, min(1000, int(RUN_S / times[-1])))
    return statistics.median(times[2:])


def graph(runs):
    """A CUDA graph of some calls."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for run in runs[:3] * 2:
            run()
    torch.cuda.current_stream().wait_stream(side)
    held = torch.cuda.CUDAGraph()
    with torch.cuda.graph(held):
        for run in runs:
            run()
    return held


def kernel_s(make, size_bytes):
    """Time of a kernel whose data is not in the cache [s]; `make` returns a call on new data."""
    copies = int(min(MOST_COPIES, max(2, CACHE_BYTES / size_bytes)))
    runs = [make() for _ in range(copies)]
    return events_s(graph(runs).replay) / copies


def random(*shape):
    return torch.randn(*shape, device=DEVICE, dtype=DTYPE)


def linear(x, weights):
    """A product; with weights of eight bits its input is rounded to eight on the way."""
    if weights.dtype == DTYPE:
        return F.linear(x, weights)
    one = torch.ones((), device=x.device)
    return torch._scaled_mm(x.to(FP8), weights.t(), one, one, out_dtype=DTYPE, use_fast_accum=True)


# kernels


def products():
    for form, (n, k), m in itertools.product((DTYPE, FP8), PRODUCTS, ROWS):

        def make(m=m, n=n, k=k, form=form):
            x, weights = random(m, k), random(n, k).to(form)
            return lambda: linear(x, weights)

        size = n * k * form.itemsize + 2 * m * (n + k)
        yield {"gemm_dtype": NAMES[form], "m": m, "n": n, "k": k}, kernel_s(make, size)


def attend(q, k, v, causal=False):
    with sdpa_kernel(ATTENTION["prefill" if causal else "decode"], set_priority=True):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=causal)


def decode_attention():
    users, contexts = (1, 4, 16, 64, 256), (512, 2048, 8192, 32768, 131072)
    for (heads, keys, dim), batch, context in itertools.product(HEADS, users, contexts):
        size = batch * context * keys * dim * 4
        if size > MOST_BYTES / 2:
            continue

        def make(b=batch, c=context, h=heads, g=keys, d=dim):
            # the query heads of a key head are rows, so that keys are read once
            q, k, v = random(b, g, h // g, d), random(b, g, c, d), random(b, g, c, d)
            return lambda: attend(q, k, v)

        shape = {"batch_size": batch, "context": context}
        yield {**of_heads(heads, keys, dim), **shape}, kernel_s(make, size)


def prefill_attention():
    for (heads, keys, dim), batch, tokens in itertools.product(
        HEADS, (1, 4), (512, 2048, 8192, 32768)
    ):

        def make(b=batch, t=tokens, h=heads, g=keys, d=dim):
            q, k, v = random(b, h, t, d), random(b, g, t, d), random(b, g, t, d)
            return lambda: attend(q, k, v, causal=True)

        size = batch * tokens * (heads + keys) * dim * 4
        shape = {"batch_size": batch, "isl": tokens, "step": 0}
        yield {**of_heads(heads, keys, dim), **shape}, kernel_s(make, size)


def of_heads(heads, keys, dim):
    return {
        "kv_cache_dtype": "bfloat16",
        "num_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": dim,
    }


def experts():
    for (hidden, inter, chosen, count), tokens in itertools.product(
        EXPERTS, (1, 4, 16, 64, 256, 1024, 4096)
    ):
        up, down = random(count, hidden, 2 * inter), random(count, inter, hidden)

        def make(t=tokens, n=count, c=chosen, h=hidden, up=up, down=down):
            x = random(t, h)
            ids = torch.rand(t, n, device=DEVICE).topk(c).indices.flatten()
            ids, order = ids.sort()
            ends = torch.searchsorted(ids, torch.arange(n, device=DEVICE), right=True).int()
            source, out = order // c, torch.zeros_like(x)

            def run():
                gate, value = torch._grouped_mm(x[source], up, offs=ends).chunk(2, -1)
                y = torch._grouped_mm(F.silu(gate) * value, down, offs=ends)
                out.index_add_(0, source, y)

            return run

        shape = {"moe_dtype": "bfloat16", "distribution": "balanced", "num_tokens": tokens}
        of = {"hidden_size": hidden, "inter_size": inter, "topk": chosen, "num_experts": count}
        touched = min(count, tokens * chosen) * 6 * hidden * inter
        yield {**shape, **of, "moe_tp_size": 1, "moe_ep_size": 1}, kernel_s(make, touched)


# whole models


def rms(x, weight):
    return F.rms_norm(x, x.shape[-1:], weight)


@torch.compile(dynamic=True)
def enter(x, norm, weights, head_norms, heads, keys, dim, turn):
    """Queries, keys and values of a layer, turned by their positions."""
    qkv = linear(rms(x, norm), weights).unflatten(-1, (heads + 2 * keys, dim))
    q, k, v = qkv.split((heads, keys, keys), -2)
    if head_norms is not None:
        q, k = rms(q, head_norms[0]), rms(k, head_norms[1])

    def turned(y):
        first, second = y.chunk(2, -1)
        return y * turn[0] + torch.cat((-second, first), -1) * turn[1]

    return turned(q), turned(k), v


@torch.compile(dynamic=True)
def leave(x, attended, out, norm, up, down):
    """What follows the attention in a layer."""
    x = x + linear(attended, out)
    gate, value = linear(rms(x, norm), up).chunk(2, -1)
    return x + linear(F.silu(gate) * value, down)


class Net:
    """A model of random weights; its layers' products are in `form`."""

    def __init__(self, model, form):
        self.model = m = model

        def weights(*shape, form=DTYPE):
            return torch.empty(*shape, device=DEVICE, dtype=DTYPE).normal_(0, 0.02).to(form)

        wide = (m.heads + 2 * m.kv_heads) * m.head_dim
        self.embed, self.head = weights(m.vocab, m.hidden), weights(m.vocab, m.hidden)
        self.norm = torch.ones(m.hidden, device=DEVICE, dtype=DTYPE)
        norms = torch.ones(2, m.head_dim, device=DEVICE, dtype=DTYPE) if m.normed else None
        self.head_norms = norms
        self.layers = [
            (
                weights(wide, m.hidden, form=form),
                weights(m.hidden, m.heads * m.head_dim, form=form),
                weights(2 * m.intermediate, m.hidden, form=form),
                weights(m.hidden, m.intermediate, form=form),
            )
            for _ in range(m.layers)
        ]

    def run(self, tokens, attention, turn):
        """Next tokens; `attention` takes the number of a layer, queries, keys and values."""
        m = self.model
        x = self.embed[tokens]
        for i, (qkv, out, up, down) in enumerate(self.layers):
            q, k, v = enter(
                x, self.norm, qkv, self.head_norms, m.heads, m.kv_heads, m.head_dim, turn
            )
            x = leave(x, attention(i, q, k, v), out, self.norm, up, down)
        return F.linear(rms(x[attention.asked], self.norm), self.head).argmax(-1)


class Decoding:
    """Attention of one new token of each user over a full cache, which the token is written to."""

    asked = slice(None)

    def __init__(self, model, users, context):
        shape = (model.layers, 2, users, model.kv_heads, context, model.head_dim)
        self.cache = torch.empty(shape, device=DEVICE, dtype=DTYPE).normal_()
        self.model, self.last = model, context - 1

    def __call__(self, layer, q, k, v):
        keys, values = self.cache[layer]
        keys[:, :, self.last], values[:, :, self.last] = k, v
        grouped = q.unflatten(1, (self.model.kv_heads, -1))
        return attend(grouped, keys, values).flatten(1)


class Prompt:
    """Attention of a prompt's tokens among themselves."""

    asked = slice(-1, None)

    def __call__(self, layer, q, k, v):
        q, k, v = (y.transpose(0, 1)[None] for y in (q, k, v))
        return attend(q, k, v, causal=True)[0].transpose(0, 1).flatten(1)


def angles(tokens, dim):
    turned = torch.rand(2, tokens, 1, dim, device=DEVICE) * 2 - 1
    return turned.to(DTYPE)


def decode_s(net, users, context):
    """Time of a step of decoding [s]."""
    attention, turn = Decoding(net.model, users, context), angles(users, net.model.head_dim)
    tokens = torch.zeros(users, device=DEVICE, dtype=torch.long)

    def step():
        tokens.copy_(net.run(tokens, attention, turn))

    return events_s(graph([step]).replay)


def prompt_s(net, tokens):
    """Time until a prompt's next token is known, as the host sees it [s]."""
    ids, turn = (
        torch.zeros(tokens, device=DEVICE, dtype=torch.long),
        angles(tokens, net.model.head_dim),
    )
    attention, times = Prompt(), []
    for _ in range(RUNS + 2):
        start = time.perf_counter()
        net.run(ids, attention, turn).item()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


ANSWER = 16  # tokens of an answer around whose middle a step is timed
DECODED = (
    *((1, context) for context in (256, 2048, 8192, 32768, 131072)),
    *((8, context) for context in (512, 8192, 32768)),
    *((32, context) for context in (512, 8192)),
    *((128, context) for context in (512, 2048)),
)
EIGHT_BITS = ("Llama-3.1-8B", "Qwen3-32B")
FORMATS = {DTYPE: "bf16", FP8: "fp8"}
PROMPTS = (128, 512, 2048, 8192, 32768)


@torch.inference_mode()
def models(form):
    for model in MODELS if form == DTYPE else [m for m in MODELS if m.name in EIGHT_BITS]:
        net = Net(model, form)
        for fields, rate in itertools.chain(decoded(net), prompts(net)):
            about = {"model": model.name, "num_gpus": 1, "tp": 1, "weight_dtype": FORMATS[form]}
            yield {**about, **fields}, rate
        del net
        torch.cuda.empty_cache()


def decoded(net):
    m = net.model
    for users, context in DECODED:
        cache = 2 * DTYPE.itemsize * m.layers * users * m.kv_heads * context * m.head_dim
        if cache < 0.9 * torch.cuda.mem_get_info()[0]:
            load = {"concurrency": users, "input_tokens": context, "output_tokens": ANSWER}
            taken = decode_s(net, users, context + ANSWER // 2)
            yield {**load, "metric": "decode_tok_s_per_user"}, 1 / taken
            torch.cuda.empty_cache()


def prompts(net):
    torch._dynamo.reset()  # what was compiled for decoding is looked through at every call
    for tokens in PROMPTS:
        load = {"concurrency": 1, "input_tokens": tokens, "output_tokens": 1}
        yield {**load, "metric": "prefill_tok_s"}, tokens / prompt_s(net, tokens)


# files

KERNELS = {
    "products": products,
    "decode_attention": decode_attention,
    "prefill_attention": prefill_attention,
    "experts": experts,
}
MODELS_OF = {"models": DTYPE, "models_fp8": FP8}
PARTS = [*KERNELS, *MODELS_OF]


def written(path, rows, about, value):
    """Write rows as they come, so that what is cut off keeps what it has; how many."""
    count = 0
    with path.open("w", newline="") as file:
        table = None
        for fields, measured in rows:
            line = {**about, **fields, value: f"{measured:.6g}"}
            if table is None:
                table = csv.DictWriter(file, line, lineterminator="\n")
                table.writeheader()
            table.writerow(line)
            file.flush()
            count += 1
    return count


def kernels(name):
    with torch.inference_mode():
        for fields, taken in KERNELS[name]():
            yield fields, taken * 1e6
            torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--card", default="", help="its name in llmcap; the driver's if not given")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    card = args.card or torch.cuda.get_device_name().removeprefix("NVIDIA ")
    torch.manual_seed(0)
    version = torch.__version__.partition("+")[0]
    when = {"engine_version": version, "date": date.today().isoformat()}
    for name in args.only or PARTS:
        start, path = time.perf_counter(), args.folder / f"{name}.csv"
        if name in MODELS_OF:
            about = {"engine": "gpt-fast", **when, "gpu": card}
            count = written(path, models(MODELS_OF[name]), about, "value")
        else:
            about = {"card": card, "engine": "pytorch", **when}
            count = written(path, kernels(name), about, "latency_us")
        print(f"{path}: {count} rows in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
