"""Start-ups: what an engine was started with and what it said of its memory, beside the ledger.

A start-up comes from a row in the columns of `benchmarks/memory.csv`, or from the text of a log
(`logs.py`). Everything is a card's, of the card that holds the most, and in bytes.
"""

import csv
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import capacity, catalog
from ..capacity import Ledger
from ..explain import quantity
from ..refuse import BadInput, shown
from ..spec import Deployment, Speculation
from . import names

GIB = 2**30
ACCEPT = 0.7  # how many guesses are right moves no memory
# Engines whose cache is as large as the context they are given, not what the card has left.
SIZED_BY_CONTEXT = ("llama.cpp",)
LIMITS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_tokens")
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
    gpu: str = ""
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


class Term(NamedTuple):
    """One term of a start-up, as logged and as computed.

    Attributes
    ----------
    name : str
        The term, in words.
    unit : str
        "bytes", "tokens" or "sequences".
    logged, computed : float
        Both in that unit.
    card_bytes : float
        Memory of the card [bytes].
    """

    name: str
    unit: str
    logged: float
    computed: float
    card_bytes: float

    @property
    def error(self) -> float | None:
        """Computed over logged, less 1; None where nothing was logged."""
        return self.computed / self.logged - 1 if self.logged > 0 else None

    @property
    def share_of_card(self) -> float | None:
        """The difference as a share of the card's memory; None of what is no memory."""
        return (self.computed - self.logged) / self.card_bytes if self.unit == "bytes" else None


# rows


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
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row(cells) for cells in csv.DictReader(file)]


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


# the ledger beside


def deployment(startup: StartUp) -> Deployment:
    """Find the deployment that was started.

    Parameters
    ----------
    startup : StartUp
        What was started.

    Returns
    -------
    Deployment
        In the catalogue's names.

    Raises
    ------
    BadInput
        When a name is unknown, or the ledger has no such start: unlike cards, layers or experts
        in host memory, a draft model that is not named.

    Examples
    --------
    >>> deployment(StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090")).title
    'qwen3-8b bf16 / 1x rtx-4090 / bf16 KV'
    """
    s = startup
    if ";" in s.gpu:
        raise BadInput("gpu", f"gpu is {shown(s.gpu)}: the ledger is of cards of one kind")
    _all_on_cards(s)
    if s.family in SIZED_BY_CONTEXT and not s.weights:
        raise BadInput("weights", "weights is not stated (give --weights)")
    spelled = names.Spelled(
        model=s.model,
        gpu=s.gpu,
        engine=s.engine,
        version=s.version,
        weights=s.weights,
        kv=s.kv,
        num_gpus=s.num_gpus,
        tp=s.tp,
        pp=s.pp,
        ep=s.ep,
        dp_attention=s.dp,
        memory_fraction=s.memory_fraction or 0.0,
    )
    meant = names.meaning(spelled)
    if meant.deployment is None:
        raise BadInput("deployment", meant.reason)
    settings: dict[str, Any] = {name: getattr(s, name) for name in LIMITS}
    settings |= {"eager": bool(s.eager), "speculation": _speculation(s.speculation)}
    taken = {f.name for f in fields(Deployment)}
    return replace(meant.deployment, **{k: v for k, v in settings.items() if k in taken})


def _all_on_cards(s: StartUp) -> None:
    """Refuse a start that keeps more than the embedding table in host memory."""
    here, _, whole = s.layers_on_cards.partition("/")
    if here != whole:
        raise BadInput("layers", f"{here} of {whole} layers are on the cards, the rest on the host")
    name, host = names.model_name(s.model), s.host_weights_bytes or 0.0
    if not name or not host:
        return
    model = catalog.model(name)
    if host > 1.1 * model.vocab_size * model.hidden_size * 2:  # at most 16 bits an element
        raise BadInput("weights", f"{quantity(host, 'GiB')} of the weights are in host memory")


def _speculation(text: str) -> Speculation | None:
    """The draft that is named; the model's own multi-token prediction, or none."""
    method, _, count = text.lower().partition(" ")
    if not method:
        return None
    if not method.endswith("mtp"):
        raise BadInput("speculation", f"speculation is {shown(text)}: its draft model is not known")
    return Speculation(int(count) if count.isdecimal() else 1, ACCEPT)


def context_tokens(startup: StartUp, deployment: Deployment) -> int:
    """Give the longest sequence of a start-up.

    Parameters
    ----------
    startup : StartUp
        What was started.
    deployment : Deployment
        The deployment it means.

    Returns
    -------
    int
        The stated one, or else the model's [tokens].

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090")
    >>> context_tokens(one, deployment(one))
    40960
    """
    return startup.max_model_len or deployment.model.max_context_tokens


def ledger(startup: StartUp, deployment: Deployment) -> Ledger:
    """Compute the ledger of a start-up.

    Parameters
    ----------
    startup : StartUp
        What was started.
    deployment : Deployment
        The deployment it means.

    Returns
    -------
    Ledger
        For sequences of its longest length: one, or of llama.cpp as many as it has slots.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-0.6B", gpu="RTX 4090")
    >>> ledger(one, deployment(one)).starts
    True
    """
    slots = startup.max_num_seqs if startup.family in SIZED_BY_CONTEXT else None
    return capacity.ledger(
        deployment,
        context_tokens=context_tokens(startup, deployment),
        concurrency=slots or 1,
    )


def beside(startup: StartUp, deployment: Deployment, books: Ledger) -> tuple[Term, ...]:
    """Put the ledger beside what was logged, term by term.

    Parameters
    ----------
    startup : StartUp
        What was logged.
    deployment : Deployment
        The deployment it means.
    books : Ledger
        Its ledger, as `ledger` gives it.

    Returns
    -------
    tuple of Term
        The terms that were logged.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090", weights_bytes=15.27 * 2**30)
    >>> d = deployment(one)
    >>> [(t.name, abs(t.error) < 0.01) for t in beside(one, d, ledger(one, d))]
    [('weights', True)]
    """
    s = startup
    sized = s.family in SIZED_BY_CONTEXT
    cache = books.kv_used_bytes if sized else books.kv_pool_bytes
    logged_cache = None if s.kv_bytes is None else s.kv_bytes + (s.state_bytes or 0)
    graphs = s.graph_bytes
    if deployment.engine.graphs_in_fraction and s.graph_estimate_bytes is not None:
        graphs = s.graph_estimate_bytes
    found = (
        ("weights", "bytes", s.weights_bytes, books.weights_bytes + books.extra_bytes),
        ("KV cache", "bytes", logged_cache, cache),
        ("tokens", "tokens", None if sized else s.kv_tokens, books.kv_pool_tokens),
        ("concurrency", "sequences", s.max_concurrency, sequences(books)),
        ("CUDA graphs", "bytes", graphs, books.graph_bytes),
        ("activations", "bytes", s.activation_bytes, books.activation_bytes),
        ("outside PyTorch", "bytes", s.non_torch_bytes, books.runtime_bytes),
        ("compute buffer", "bytes", s.compute_buffer_bytes, books.activation_bytes),
    )
    return tuple(
        Term(name, unit, logged, computed, books.visible_bytes)
        for name, unit, logged, computed in found
        if logged is not None
    )


def sequences(books: Ledger) -> float:
    """Count the sequences that the pool of a ledger holds, as vLLM prints them: not whole.

    Parameters
    ----------
    books : Ledger
        The ledger.

    Returns
    -------
    float
        Pool over sequence, over all replicas of attention; 0 without a pool.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-0.6B", gpu="RTX 4090")
    >>> books = ledger(one, deployment(one))
    >>> int(sequences(books)) == books.max_concurrent
    True
    """
    each = max(books.kv_pool_bytes, 0) / books.kv_bytes_per_sequence
    return each * books.deployment.attention_replicas
