"""The part that needs a card: one cell, timed.

Kernels are recorded in a CUDA graph, so that no launch from Python is in the time. The graph
runs over several copies of the weights or the cache, so that the card's own cache does not hold
them. CUDA events time each replay. PyTorch is imported here alone, and only when asked for.
"""

import subprocess

from llmcap_kernel.refuse import BadInput

from .plan import buffers

WARM_UP = 3
LEAST_S = 2e-4  # a graph shorter than this would be timed by the clock's own steps
MOST_CALLS = 512
ASKED = (
    *("name", "driver_version", "power.limit", "temperature.gpu"),
    *("clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem"),
)


def pytorch():
    """Import PyTorch and find a card.

    Returns
    -------
    module
        PyTorch.

    Raises
    ------
    BadInput
        When there is no PyTorch, or no card that it can use.
    """
    try:
        import torch
    except ImportError:
        raise BadInput(
            "torch", "torch is not installed: this measures with PyTorch, which llmcap itself "
            "never needs, so install it beside llmcap on the machine with the card."
        ) from None  # fmt: skip
    if not torch.cuda.is_available():
        raise BadInput("torch", f"torch {torch.__version__} sees no CUDA card on this machine.")
    return torch


def machine(torch):
    """Say what is measured on, as a run's record keeps it.

    Parameters
    ----------
    torch : module
        PyTorch.

    Returns
    -------
    dict
        Device, its memory and cache, versions, and what the driver says of clocks and power.
    """
    card = torch.cuda.get_device_properties(0)
    return {
        "device": card.name,
        "memory_bytes": card.total_memory,
        "cache_bytes": getattr(card, "L2_cache_size", 0) or 64 * 2**20,
        "capability": list(torch.cuda.get_device_capability(0)),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "driver": driver(),
    }


def driver():
    """Ask the driver for clocks, power limit and temperature.

    Returns
    -------
    dict
        By the driver's own names; empty where it cannot be asked.
    """
    command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(ASKED, (x.strip() for x in told.stdout.split(",")), strict=False))


def measure(torch, cell, box, repeats):
    """Time one cell.

    Parameters
    ----------
    torch : module
        PyTorch.
    cell : Cell
        What to time.
    box : dict
        What `machine` said.
    repeats : int
        Replays that are timed.

    Returns
    -------
    list of float
        Time of one call in each replay [s].

    Raises
    ------
    RuntimeError
        When the card cannot run it: no such kernel, or no memory.
    """
    copies = buffers(cell, box["cache_bytes"], box["memory_bytes"])
    calls = _calls(torch, cell, copies)
    _warm(torch, calls)
    once_s = _replayed(torch, _recorded(torch, calls), 1)[0]
    rounds = min(int(LEAST_S / once_s) + 1, max(MOST_CALLS // copies, 1))
    graph = _recorded(torch, calls * rounds)
    return [s / len(calls) / rounds for s in _replayed(torch, graph, repeats)]


def _calls(torch, cell, copies):
    """Make a function for each copy of the buffers, of random numbers."""
    made = _attention if cell.part == "attention" else _product
    return made(torch, cell, copies)


def _random(torch, *shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def _product(torch, cell, copies):
    x = _random(torch, cell.batch * cell.tokens, cell.columns)
    stored = torch.bfloat16 if cell.weights == "bf16" else torch.float8_e4m3fn
    held = [_random(torch, cell.rows, cell.columns).to(stored) for _ in range(copies)]
    if cell.weights == "bf16":
        return [lambda w=w: torch.mm(x, w.t()) for w in held]
    x = x.to(stored)
    one = torch.ones((), device="cuda", dtype=torch.float32)
    scaled = {"scale_a": one, "scale_b": one, "out_dtype": torch.bfloat16, "use_fast_accum": True}
    return [lambda w=w: torch._scaled_mm(x, w.t(), **scaled) for w in held]


def _attention(torch, cell, copies):
    a, attend = cell.attention, torch.nn.functional.scaled_dot_product_attention
    length = cell.context or cell.tokens
    q = _random(torch, cell.batch, a.heads, cell.tokens, a.head_dim)
    held = [
        [_random(torch, cell.batch, a.kv_heads, length, a.head_dim) for _ in "kv"]
        for _ in range(copies)
    ]
    causal = {"is_causal": cell.prompt, "enable_gqa": a.heads != a.kv_heads}
    return [lambda k=k, v=v: attend(q, k, v, **causal) for k, v in held]


def _warm(torch, calls):
    """Let libraries choose their kernels outside the recording, on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            calls[0]()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()


def _recorded(torch, calls):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    graph.replay()  # the first one uploads the graph
    torch.cuda.synchronize()
    return graph


def _replayed(torch, graph, repeats):
    """Time each replay by two events on the card [s]."""
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return times
