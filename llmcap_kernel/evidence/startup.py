"""Start-ups: what an engine was started with and what it said of its memory, beside the ledger.

A start-up comes from a row in the columns of `benchmarks/memory.csv`, or from the text of a log
(`logs`). Everything is a card's, of the card that holds the most, and in bytes.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import capacity, catalog
from ..capacity import Ledger
from ..catalog import names
from ..explain import GIB, gib
from ..files import read_table
from ..refuse import BadInput, shown
from ..spec import Deployment, Gpu, Model, Speculation
from . import stated

ACCEPT = 0.7  # how many guesses are right moves no memory
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

    def cells(self) -> tuple[str, str, str, str]:
        """Write the term for people.

        Returns
        -------
        tuple of str
            Logged, computed, their difference, and its share of the card or of what was logged.

        Examples
        --------
        >>> Term("weights", "bytes", 2**30, 3 * 2**29, 8 * 2**30).cells()
        ('1.00 GiB', '1.50 GiB', '+0.50 GiB', '+6.2%')
        """
        change = self.computed - self.logged
        if self.unit == "bytes":
            off = f"{round(self.share_of_card or 0.0, 3) + 0.0:+.1%}"
            less = round(change / GIB, 2) + 0.0  # no -0.00
            return (_gib(self.logged), _gib(self.computed), f"{less:+.2f} GiB", off)
        off = "" if self.error is None else f"{self.error:+.1%} of it"
        places = 0 if self.unit == "tokens" else 2
        return (
            f"{self.logged:,.{places}f}",
            f"{self.computed:,.{places}f}",
            f"{change:+,.{places}f}",
            off,
        )


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f} GiB"


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


# the ledger beside


def reason(problem: BadInput) -> str:
    """Say to a person at a page why a start-up has no ledger.

    Parameters
    ----------
    problem : BadInput
        What was refused.

    Returns
    -------
    str
        The same sentence, without the options of the command line.

    Examples
    --------
    >>> reason(BadInput("gpu", "gpu is not stated (give --gpu)."))
    'gpu is not stated.'
    """
    return re.sub(r" \((?:give --[\w-]+|llmcap \w+)\)", "", str(problem))


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
    found, _ = meant(startup)
    # not the block: a hybrid's log has the one that the engine padded
    started = replace(
        found,
        max_model_len=startup.max_model_len,
        max_num_seqs=startup.max_num_seqs,
        max_num_batched_tokens=startup.max_num_batched_tokens,
        eager=bool(startup.eager),
        speculation=_speculation(startup.speculation),
    )
    if started.engine.family != "vllm":
        return started
    # a log without the argument had the default, which an engine may refuse
    return replace(started, max_num_seqs=started.seqs_limit)


def meant(startup: StartUp) -> tuple[Deployment, tuple[str, ...]]:
    """Find what the names of a start-up mean, without the engine's limits.

    Parameters
    ----------
    startup : StartUp
        What was started.

    Returns
    -------
    tuple of (Deployment, tuple of str)
        In the catalogue's names, and what was assumed.

    Raises
    ------
    BadInput
        When a name is unknown, or the ledger has no such start.

    Examples
    --------
    >>> meant(StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090"))[0].title
    'qwen3-8b bf16 / 1x rtx-4090 / bf16 KV'
    """
    _one_kind(startup)
    found = stated.meaning(_spelled(startup))
    if found.deployment is None:
        raise BadInput("deployment", f"{found.reason}.")
    return found.deployment, (*found.assumed, *found.taken)


def built(startup: StartUp, model: Model) -> Deployment:
    """Build the deployment of a start-up whose model the catalogue has not.

    Parameters
    ----------
    startup : StartUp
        What was started.
    model : Model
        Its model.

    Returns
    -------
    Deployment
        In the catalogue's names, but for the model.

    Raises
    ------
    BadInput
        When a name is unknown or the parts do not go together.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="mine", gpu="RTX 4090", tp=2)
    >>> built(one, catalog.model("qwen3-8b")).num_gpus
    2
    """
    _one_kind(startup)
    s, tp = startup, startup.tp or 1
    weights = names.weight_format(s.weights, s.model, model.native_format).name
    engine = catalog.engine(names.engine_record(s.family, s.version))
    own = engine.automatic_kv(model, weights)
    parts: dict[str, Any] = {
        "gpu": s.gpu if isinstance(s.gpu, Gpu) else names.card(s.gpu).name,
        "weights": weights,
        "kv": names.kv_format(s.kv, weights, own=own).name,
    }
    for field, found in parts.items():
        if not found:
            text = getattr(s, field)
            problem = f"{shown(text)} is not in the catalogue" if text else "is not stated"
            raise BadInput(field, f"{field} {problem} (give --{field}).")
    return catalog.deployment(
        model=model,
        engine=engine,
        tp=max(tp, s.dp) if tp == 1 else tp,
        pp=s.pp or 1,
        ep=s.ep or 1,
        dp_attention=s.dp > 1,
        memory_fraction=s.memory_fraction or None,
        **parts,
    )


def _one_kind(s: StartUp) -> None:
    """Refuse cards of several kinds, layers in host memory, and weights of no format."""
    if isinstance(s.gpu, str) and ";" in s.gpu:
        raise BadInput("gpu", f"gpu is {shown(s.gpu)}: the ledger is of cards of one kind.")
    _all_on_cards(s)
    if s.family in SIZED_BY_CONTEXT and not s.weights:
        raise BadInput("weights", "weights is not stated (give --weights).")


def _spelled(s: StartUp) -> stated.Spelled:
    weights, known = s.weights, names.model_name(s.model)
    if known:
        native = catalog.model(known).native_format
        # engines print "fp8" of a checkpoint in a finer format of that kind
        weights = native if native.startswith(f"{catalog.key(weights)}-") else weights
    return stated.Spelled(
        model=s.model,
        gpu=s.gpu,
        engine=s.engine,
        version=s.version,
        weights=weights,
        kv=s.kv,
        num_gpus=s.num_gpus,
        tp=s.tp,
        pp=s.pp,
        ep=s.ep,
        dp_attention=s.dp,
        memory_fraction=s.memory_fraction or 0.0,
    )


def _all_on_cards(s: StartUp) -> None:
    """Refuse a start that keeps more than the embedding table in host memory."""
    here, _, whole = s.layers_on_cards.partition("/")
    if here != whole:
        raise BadInput(
            "layers", f"{here} of {whole} layers are on the cards, the rest on the host."
        )
    name, host = names.model_name(s.model), s.host_weights_bytes or 0.0
    if not name or not host:
        return
    model = catalog.model(name)
    if host > 1.1 * model.vocab_size * model.hidden_size * 2:  # at most 16 bits an element
        raise BadInput("weights", f"{gib(host)} of the weights are in host memory.")


def _speculation(text: str) -> Speculation | None:
    """The draft that is named; the model's own multi-token prediction, or none."""
    method, _, count = text.lower().partition(" ")
    if not method:
        return None
    if not method.endswith("mtp"):
        raise BadInput(
            "speculation", f"speculation is {shown(text)}: its draft model is not known."
        )
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


@dataclass(frozen=True)
class Beside:
    """A start-up and the ledger of what it means, side by side.

    Attributes
    ----------
    startup : StartUp
        What was logged.
    deployment : Deployment
        The deployment it means.
    books : Ledger
        Its ledger.
    terms : tuple of Term
        The terms that were logged.
    """

    startup: StartUp
    deployment: Deployment
    books: Ledger
    terms: tuple[Term, ...]

    @property
    def starts(self) -> bool:
        """Whether the ledger says that it starts."""
        # SGLang and TensorRT-LLM start with a cache shorter than their longest sequence
        if self.startup.family in ("sglang", "trtllm"):
            return self.books.kv_pool_bytes > 0
        return self.books.starts

    @property
    def notes(self) -> tuple[str, ...]:
        """What is taken for granted, and why the log may say less than others."""
        s = self.startup
        left = [name for name in LIMITS[:3] if getattr(s, name) is None]
        left += [] if s.memory_fraction or s.family in SIZED_BY_CONTEXT else ["memory_fraction"]
        left += [] if s.version or s.family != "vllm" else ["version"]
        notes = [f"{', '.join(left)} not in the log: defaults are taken"] if left else []
        doubts = (DOUBTS.get(name, name) for name in s.doubts)
        return (*notes, *meant(s)[1], *doubts)

    @property
    def verdict(self) -> str:
        """One sentence: whether it started, and whether the ledger says so."""
        logged = {
            True: "It started",
            False: "It did not start",
            None: "Whether it started is not in the log",
        }[self.startup.starts]
        if self.startup.starts == self.starts:
            return f"{logged}, and the ledger says so."
        return f"{logged}; the ledger says that it {'starts' if self.starts else 'does not start'}."

    def as_dict(self) -> dict[str, Any]:
        """Turn it into plain data.

        Returns
        -------
        dict
            Values that JSON can store: memory in bytes, shares of the card.
        """
        terms = [
            {
                "name": t.name,
                "unit": t.unit,
                "logged": t.logged,
                "computed": t.computed,
                "difference": t.computed - t.logged,
                "share_of_card": t.share_of_card,
            }
            for t in self.terms
        ]
        return {
            "start_up": {
                k: v for k, v in asdict(self.startup).items() if v not in ("", 0, None, ())
            },
            "deployment": self.deployment.title,
            "engine": self.deployment.engine.name,
            "memory_fraction": self.deployment.fraction,
            "context_tokens": self.books.context_tokens,
            "starts": {"logged": self.startup.starts, "computed": self.starts},
            "terms": terms,
            "verdict": self.verdict,
            "notes": list(self.notes),
        }


def beside(startup: StartUp) -> Beside:
    """Put the ledger beside a start-up, term by term.

    Parameters
    ----------
    startup : StartUp
        What was logged.

    Returns
    -------
    Beside
        Both, and the terms that were logged.

    Raises
    ------
    BadInput
        When it means no deployment that the ledger has.

    Examples
    --------
    >>> one = StartUp(engine="vLLM", model="Qwen3-8B", gpu="RTX 4090", weights_bytes=15.27 * 2**30)
    >>> [(t.name, abs(t.error) < 0.01) for t in beside(one).terms]
    [('weights', True)]
    """
    d = deployment(startup)
    books = ledger(startup, d)
    return Beside(startup, d, books, _terms(startup, books))


def _terms(s: StartUp, books: Ledger) -> tuple[Term, ...]:
    sized = s.family in SIZED_BY_CONTEXT
    cache = books.kv_used_bytes if sized else books.kv_pool_bytes
    logged_cache = None if s.kv_bytes is None else s.kv_bytes + (s.state_bytes or 0)
    graphs = s.graph_bytes
    if books.deployment.engine.graphs_in_fraction and s.graph_estimate_bytes is not None:
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
    each = max(books.kv_pool_bytes, 0) / books.admitted_bytes
    return each * books.deployment.attention_replicas
