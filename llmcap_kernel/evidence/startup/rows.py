"""A start-up: what an engine was started with and what it said of its memory, from a row."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...catalog import names
from ...explain import GIB
from ...files import read_table
from ...refuse import BadInput, shown
from ...spec import Gpu

# Engines whose cache is as large as the context they are given, not what the card has left.
SIZED_BY_CONTEXT = ("llama.cpp",)
LIMITS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_tokens")
# Why a start-up says less of the ledger than others; names of the column `doubt`.
DOUBTS = {
    "activation-peak": "its activation peak is unlike that of all others",
    "adapters": "adapters are loaded beside the model",
    "cache-pinned": "the size of the cache was set by hand",
    "connector": "a connector holds a part of the cache elsewhere",
    "context-parallel": "the tokens of one sequence are spread over the cards",
    "engine-v0": "vLLM's first engine counts its memory another way",
    "experimental-branch": "it is an experimental branch",
    "fork": "it is a fork for other chips",
    "format-label": "its size contradicts the format it names",
    "host-weights": "a part of the weights is in host memory",
    "one-stage": "it is one stage of a pipeline, and not the fullest",
    "settings-inferred": "what it was started with is not in the log, but follows from its numbers",
    "states-unprinted": "the states of its recurrent layers are not printed",
    "two-logs": "it holds more than one start",
}
PRINTED = (
    *("weights_bytes", "host_weights_bytes", "kv_bytes", "state_bytes", "kv_tokens"),
    *("max_concurrency", "graph_bytes", "graph_estimate_bytes", "activation_bytes"),
    *("non_torch_bytes", "compute_buffer_bytes", "free_before_bytes", "free_after_bytes"),
)


@dataclass(frozen=True)
class StartUp:
    """One start of an engine; "", 0 and None where it is not stated.

    Attributes
    ----------
    id, source : str
        Its name in the file, and where it comes from.
    engine, version, model, gpu, weights, kv : str
        Names as the log spells them.
    gpu_memory_bytes : float or None
        Memory that the driver hands out [bytes].
    num_gpus, tp, pp, ep, dp : int
        Cards, and how they split the work.
    memory_fraction : float or None
        The engine's memory setting.
    max_model_len, max_num_seqs, max_num_batched_tokens, block_tokens : int or None
        The engine's limits: of llama.cpp one slot's context, its slots, its micro-batch [tokens].
    eager : bool or None
        Whether CUDA graphs were turned off.
    speculation : str
        The draft method and the tokens it drafts, such as "mtp 3".
    layers_on_cards : str
        Of llama.cpp, the layers on the cards and all, such as "49/49".
    starts : bool or None
        Whether the engine came up.
    weights_bytes, host_weights_bytes : float or None
        Weights on the card, and in host memory [bytes].
    kv_bytes, state_bytes : float or None
        Cache, and recurrent states where they are printed apart [bytes].
    kv_tokens : int or None
        Tokens that the cache of all cards holds [tokens].
    max_concurrency : float or None
        Sequences of `max_model_len` that it holds.
    graph_bytes, graph_estimate_bytes : float or None
        CUDA graphs as captured, and as estimated before [bytes].
    activation_bytes, non_torch_bytes : float or None
        Activation peak, and what was allocated outside of PyTorch [bytes].
    compute_buffer_bytes : float or None
        The compute buffer of llama.cpp [bytes].
    free_before_bytes, free_after_bytes : float or None
        Free memory around the start [bytes].
    doubts : tuple of str
        Why it says less about the ledger than others; empty for most.
    """

    id: str = ""
    source: str = ""
    engine: str = ""
    version: str = ""
    model: str = ""
    gpu: str | Gpu = ""
    weights: str = ""
    kv: str = ""
    gpu_memory_bytes: float | None = None
    num_gpus: int = 0
    tp: int = 0
    pp: int = 0
    ep: int = 0
    dp: int = 0
    memory_fraction: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    block_tokens: int | None = None
    eager: bool | None = None
    speculation: str = ""
    layers_on_cards: str = ""
    starts: bool | None = None
    weights_bytes: float | None = None
    host_weights_bytes: float | None = None
    kv_bytes: float | None = None
    state_bytes: float | None = None
    kv_tokens: int | None = None
    max_concurrency: float | None = None
    graph_bytes: float | None = None
    graph_estimate_bytes: float | None = None
    activation_bytes: float | None = None
    non_torch_bytes: float | None = None
    compute_buffer_bytes: float | None = None
    free_before_bytes: float | None = None
    free_after_bytes: float | None = None
    doubts: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The engine's family, as `names.family` has it."""
        return names.family(self.engine)


def read(path: str | Path) -> list[StartUp]:
    """Read the start-ups of a table.

    Parameters
    ----------
    path : str or Path
        A CSV in the columns of `benchmarks/memory.csv`.

    Returns
    -------
    list of StartUp
        One for each row.

    Raises
    ------
    BadInput
        When a cell that takes a number holds something else.
    """
    return [row(cells) for cells in read_table(path)]


def row(cells: dict[str, str]) -> StartUp:
    """Read one row of such a table.

    Parameters
    ----------
    cells : dict of str to str
        Texts by column; memory in GiB.

    Returns
    -------
    StartUp
        What they say; a column that is missing states nothing.

    Raises
    ------
    BadInput
        When a cell that takes a number holds something else.

    Examples
    --------
    >>> one = row({"model": "Qwen3-8B", "weights_gib": "15.25", "max_num_seqs": "64"})
    >>> one.weights_bytes / 2**30, one.max_num_seqs, one.kv_tokens
    (15.25, 64, None)
    """
    given = {name: (text or "").strip() for name, text in cells.items() if name}
    given = {name: text for name, text in given.items() if text}
    out: dict[str, Any] = {
        "source": given.get("source_id", ""),
        "version": given.get("engine_version", ""),
        "weights": given.get("weight_dtype", ""),
        "kv": given.get("kv_dtype", ""),
        "speculation": given.get("spec", ""),
        "doubts": tuple(filter(None, given.get("doubt", "").split("; "))),
    }
    for name in ("id", "engine", "model", "gpu", "layers_on_cards"):
        out[name] = given.get(name, "")
    for name in ("eager", "starts"):
        out[name] = {"true": True, "yes": True, "false": False, "no": False}.get(
            given.get(name, "")
        )
    for name in ("num_gpus", "tp", "pp", "ep", "dp"):
        out[name] = int(_cell(given, name) or 0)
    for name in (*LIMITS, "kv_tokens"):
        value = _cell(given, name)
        out[name] = None if value is None else int(value)
    for name in ("memory_fraction", "max_concurrency"):
        out[name] = _cell(given, name)
    for name in ("gpu_memory_bytes", *PRINTED):
        if name.endswith("_bytes"):
            value = _cell(given, name.removesuffix("bytes") + "gib")
            out[name] = None if value is None else value * GIB
    return StartUp(**out)


def _cell(given: dict[str, str], name: str) -> float | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e15:
        raise BadInput(name, f"{name} is {shown(text)}: it takes a number.")
    return value
