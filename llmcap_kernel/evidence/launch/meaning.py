"""The deployment that a command means: its names looked up, its limits counted."""

import json
from dataclasses import fields, replace
from typing import Any

from ... import capacity, catalog
from ...catalog import names
from ...explain import GIB, counted, gib
from ...refuse import BadInput, printable, shown
from ...spec import LEAST_FRACTION, Deployment, Gpu, Lora, Model, Speculation
from .. import startup
from ..startup import ACCEPT, StartUp
from .record import TITLES, Launch
from .relatives import CONTEXT_BY_CARD
from .words import unset

DRAFTED = {"vllm": 1, "sglang": 3, "llama.cpp": 3, "trtllm": 1}  # tokens, where none are said
HEADS = ("eagle", "medusa", "mlp", "dflash", "dspark", "hydra")
# Tokens of a step by those of a server, where vLLM runs within a program: engine/arg_utils.py,
# `get_batch_defaults`, UsageContext.LLM_CLASS.
OFFLINE_TOKENS = {2048: 8192}
OLLAMA_TOKENS = ((47, 262_144), (23, 32_768))  # by the memory of all cards [GiB]
WITHOUT_DRAFT = ("gram", "suffix", "lookup")


def deployment(
    launch: Launch, *, gpu: str | Gpu = "", model: str | Model | None = None, **overrides: Any
) -> Deployment:
    """Build the deployment that a command launches.

    Parameters
    ----------
    launch : Launch
        What the command says.
    gpu : str
        The card, which few commands name.
    model : str or Model, optional
        Another model, or the record of one that the catalogue has not.
    **overrides : object
        Fields of a launch or of a deployment that go before the command's.

    Returns
    -------
    Deployment
        One copy, in the catalogue's names.

    Raises
    ------
    BadInput
        When a name is unknown or the parts do not go together.

    Examples
    --------
    >>> from llmcap_kernel.evidence.launch import read
    >>> one = read("vllm serve Qwen/Qwen3-32B-AWQ --quantization awq_marlin -tp 2")
    >>> deployment(one, gpu="RTX 4090", max_num_seqs=64).title
    'qwen3-32b int4-awq / 2x rtx-4090 TP-2 / bf16 KV'
    """
    return meant(launch, gpu=gpu, model=model, **overrides)[0]


def meant(
    launch: Launch, *, gpu: str | Gpu = "", model: str | Model | None = None, **overrides: Any
) -> tuple[Deployment, int, tuple[str, ...]]:
    """Build the deployment, count its copies, and say what was taken.

    Parameters
    ----------
    launch : Launch
        What the command says.
    gpu : str
        The card.
    model : str or Model, optional
        Another model.
    **overrides : object
        Fields that go before the command's.

    Returns
    -------
    tuple of (Deployment, int, tuple of str)
        One copy, how many there are, and the assumptions.

    Raises
    ------
    BadInput
        When it means no deployment.

    Examples
    --------
    >>> from llmcap_kernel.evidence.launch import read
    >>> one = read("vllm serve Qwen/Qwen3-8B -dp 2")
    >>> d, copies, notes = meant(one, gpu="rtx-4090")
    >>> d.num_gpus, copies
    (1, 2)
    """
    own = {f.name for f in fields(Launch)}
    given = {name: value for name, value in overrides.items() if value is not None}
    launch = replace(launch, **{k: v for k, v in given.items() if k in own and k != "engine"})
    launch = replace(launch, gpu=gpu or launch.gpu)
    record = model if isinstance(model, Model) else None
    launch = replace(launch, model=model) if isinstance(model, str) else launch
    record = record or _record(launch.model)
    started, copies, notes = _started(launch, record)
    taken: tuple[str, ...] = ()
    if isinstance(model, Model):
        found = startup.built(started, model)
    else:
        found, taken = startup.meant(started)
        # a command that names no format has the checkpoint's
        taken = tuple(text for text in taken if not text.startswith("weight format not stated"))
    found, changes = _changed(launch, found, bool(record) and isinstance(model, Model))
    guesses, said = _speculation(launch, found.model)
    terms = _terms(launch, started, found) | {"speculation": guesses}
    terms |= {k: v for k, v in given.items() if k not in own}
    if "engine" in given:
        terms["engine"] = catalog.engine(given["engine"])
    found = replace(found, **terms)
    share, on_host = _host_share(launch, found)
    if share and "offload_share" not in given:
        found = replace(found, offload_share=share)
    pinned: list[str] = []
    if "memory_fraction" not in given:
        found, pinned = _with_pool(launch, found)
    said = [*changes, *said, *_context(launch, found), *_spread(launch, found)]
    return found, copies, (*launch.notes, *notes, *taken, *said, *on_host, *pinned)


def _terms(launch: Launch, started: StartUp, d: Deployment) -> dict[str, Any]:
    """What the command sets of the engine and of the split, as fields of a deployment."""
    terms: dict[str, Any] = {
        name: getattr(launch, name)
        for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size")
    }
    if CONTEXT_BY_CARD in launch.notes and not launch.max_model_len:
        terms["max_model_len"] = _ollama_tokens(d)
    if launch.offline and launch.engine == "vllm" and not launch.max_num_batched_tokens:
        terms["max_num_batched_tokens"] = OFFLINE_TOKENS.get(d.limits.batched_tokens, 16_384)
    terms |= {"eager": bool(launch.eager), "mixed_chunk": bool(launch.mixed_chunk)}
    terms |= _split_as_asked(started, d)
    by_user = terms.get("dp_attention", d.dp_attention)
    terms["dcp"] = 1 if by_user else launch.dcp
    if launch.lora_rank:
        terms["lora"] = Lora(launch.lora_rank, launch.lora_adapters or 1)
    return terms


def _context(launch: Launch, d: Deployment) -> list[str]:
    """What is taken of a context that the command leaves to the cards."""
    if CONTEXT_BY_CARD not in launch.notes or not d.max_model_len:
        return []
    return [f"{d.max_model_len:,} tokens of context are Ollama's on these cards"]


def _ollama_tokens(d: Deployment) -> int:
    """The context that Ollama takes unless told: server/routes.go, `defaultNumCtx`."""
    visible_gib = d.num_gpus * d.gpu.memory_visible_bytes / GIB
    tokens = next((n for least_gib, n in OLLAMA_TOKENS if visible_gib >= least_gib), 4096)
    return min(tokens, d.model.max_context_tokens)


def _with_pool(launch: Launch, d: Deployment) -> tuple[Deployment, list[str]]:
    """The deployment with the cache that the command names in bytes or tokens, where it does."""
    if launch.kv_pool_bytes:
        fraction, said = _pinned_fraction(launch.kv_pool_bytes, d)
    elif launch.kv_pool_tokens:
        fraction, said = _limited_fraction(launch.kv_pool_tokens, d)
    else:
        return d, []
    return replace(d, memory_fraction=fraction), said


def _changed(launch: Launch, d: Deployment, own: bool) -> tuple[Deployment, list[str]]:
    """The deployment of a model whose config the command changes, as engines merge it."""
    if not launch.overrides:
        return d, []
    changes = json.loads(launch.overrides)
    fields_of_it = printable(", ".join(changes), 80)
    if own or d.model.name not in catalog.models() or d.model.assumed_shape:
        return d, [f"changes of the config are left out, as it is not here: {fields_of_it}"]
    model = catalog.changed(d.model.name, changes)
    model = replace(model, name=d.model.name, notes=d.model.notes)
    if (model.params, model.active_params, model.attention) == (
        *(d.model.params, d.model.active_params, d.model.attention),
    ):
        longer = model.max_context_tokens - d.model.max_context_tokens
        longest = f"up to {counted(model.max_context_tokens, 'token')}"
        became = longest if longer else "nothing that is counted"
    else:
        became = f"{model.params / 1e9:,.3g}B parameters"
    return replace(d, model=model), [f"the config is changed by {fields_of_it}: {became}"]


def _limited_fraction(tokens: int, d: Deployment) -> tuple[float | None, list[str]]:
    """The memory fraction that leaves a cache of so many tokens, where there is room for more.

    SGLang, srt/mem_cache/kv_cache_configurator.py, `_apply_token_constraints`: the fewer of those
    asked for and those that memory has room for, of each replica of attention.
    """
    books = capacity.ledger(d, context_tokens=min(tokens, d.model.max_context_tokens))
    room = books.kv_pool_tokens // d.attention_replicas
    if tokens >= room:
        return d.memory_fraction, [f"a cache of {counted(tokens, 'token')} is not the limit here"]
    taken = books.kv_pool_bytes * (1 - tokens / room) / books.visible_bytes
    fraction = max(d.fraction - taken, LEAST_FRACTION)
    size = counted(tokens, "token")
    return fraction, [f"a cache of {size} is what memory fraction {fraction:.4g} leaves"]


def _spread(launch: Launch, d: Deployment) -> list[str]:
    """What is taken of a cache whose tokens are spread over the cards of a layer."""
    if launch.dcp < 2:
        return []
    if d.dp_attention:
        return [f"DCP {launch.dcp} is not counted beside replicas of attention"]
    spread = f"the tokens of a sequence are spread over {launch.dcp} cards (DCP)"
    return [f"{spread}: what they exchange for that is counted where tokens are decoded"]


def _pinned_fraction(pool_bytes: int, d: Deployment) -> tuple[float | None, list[str]]:
    """The memory fraction that leaves a cache of this size, which an engine was told instead.

    vLLM, v1/worker/gpu_worker.py, `determine_available_memory`: the size is taken as it is, and
    the fraction is not looked at.
    """
    books = capacity.ledger(d, context_tokens=1)
    fraction = d.fraction + (pool_bytes - books.kv_pool_bytes) / books.visible_bytes
    size = gib(pool_bytes)
    if fraction > 1:
        return 1.0, [f"a cache of {size} is more than a card has left: counted as all of it"]
    fraction = max(fraction, LEAST_FRACTION)
    return fraction, [f"a cache of {size} a card is what memory fraction {fraction:.4g} leaves"]


def _split_as_asked(started: StartUp, d: Deployment) -> dict[str, Any]:
    """The split that the command asks for, where a row of a benchmark would be read kindly."""
    split: dict[str, Any] = {}
    if d.dp_attention and started.dp < 2:
        split["dp_attention"] = False
    if d.model.experts and started.ep > 1 and d.ep != started.ep:
        split["ep"] = started.ep
    return split


def _record(text: str) -> Model | None:
    name = names.model_name(text)
    return catalog.model(name) if name else None


def _started(launch: Launch, model: Model | None) -> tuple[StartUp, int, list[str]]:
    """The same as a start-up, the copies, and what was taken."""
    shape, copies, notes = _shape(launch, model)
    if model is None and unset(launch.model):
        told = f"model is {shown(launch.model)}: write its name, a variable is not known here"
        raise BadInput("model", f"{told} (or give --model).")
    if not launch.model and model is None:
        in_a_file = any(one.flag == "--config" for one in launch.not_counted)
        why = ": the file of --config is not read" if in_a_file else ""
        raise BadInput("model", f"model is not stated{why} (give --model).")
    return (
        StartUp(
            engine=TITLES[launch.engine],
            version=launch.version,
            model=launch.model,
            gpu=launch.gpu,
            weights=launch.weights or _computed_in(launch, model),
            kv=launch.kv or "auto",
            num_gpus=shape["tp"] * shape["pp"],
            memory_fraction=launch.memory_fraction,
            **shape,
        ),
        copies * launch.copies,
        notes,
    )


def _computed_in(launch: Launch, model: Model | None) -> str:
    """The type of `--dtype`, which says nothing of weights that are kept in fewer bits."""
    if launch.dtype in ("", "auto"):
        return ""
    if model is None:
        return launch.dtype
    own = catalog.format(catalog.checkpoint_format(launch.model, model.native_format))
    return launch.dtype if own.bytes_per_element >= 2 else ""


def _shape(launch: Launch, model: Model | None) -> tuple[dict[str, Any], int, list[str]]:
    """Cards of one copy and how they split it; of vLLM experts are spread over the replicas too."""
    shape: dict[str, Any] = {"tp": launch.tp, "pp": launch.pp, "ep": launch.ep, "dp": 0}
    together = launch.engine == "vllm" and model is not None and model.experts > 0
    if launch.dp < 2:
        return shape, 1, []
    if not launch.dp_attention and not together:
        return shape | {"ep": min(launch.ep, launch.tp)}, launch.dp, []
    tp = launch.tp * launch.dp if together else launch.tp
    shape |= {"tp": tp, "dp": launch.dp}
    if tp == launch.dp:
        return shape, 1, []
    note = f"attention is split over {tp // launch.dp} cards: counted as whole on each card"
    return shape, 1, [note]


def _speculation(launch: Launch, model: Model) -> tuple[Speculation | None, list[str]]:
    """What guesses, where the catalogue has it."""
    method, draft = launch.speculation.lower(), launch.draft
    if method in ("", "none") and not draft:
        return None, []
    tokens = launch.draft_tokens or DRAFTED[launch.engine]
    taken = f"of guessed tokens {ACCEPT:g} are taken to be accepted"
    mtp = method.endswith(("mtp", "nextn")) or (method == "eagle" and not draft)
    if mtp and model.mtp_params:
        return Speculation(tokens, ACCEPT), [taken]
    if any(word in method for word in WITHOUT_DRAFT) and not model.mtp_params:
        return Speculation(tokens, ACCEPT), [taken]
    name = "" if mtp or any(word in method for word in HEADS) else names.model_name(draft)
    if name:
        return Speculation(tokens, ACCEPT, catalog.model(name)), [taken]
    if any(word in method for word in WITHOUT_DRAFT):
        why = f"of {model.name}, which has layers that guess, those alone are counted"
        return None, [f"speculation by {launch.speculation} is left out: {why}"]
    what = f"{launch.speculation or 'a draft'} {draft}".strip()
    return None, [f"speculation by {what} is left out: what drafts is not in the catalogue"]


def _host_share(launch: Launch, d: Deployment) -> tuple[float, list[str]]:
    """The share of the weights that the host keeps, as streamed to the card for each pass."""
    if launch.offload_gib:
        books = capacity.ledger(d, context_tokens=1)
        share = min(launch.offload_gib * GIB / books.weights_bytes, 1.0)
        return share, [f"{launch.offload_gib:g} GiB a card on the host: {share:.0%} of the weights"]
    moved = _host_layers(launch, d.model) + _host_experts(launch, d.model)
    share = min(moved / d.model.params, 1.0)
    if not share:
        return 0.0, []
    how = "counted as streamed to the card, while llama.cpp computes them on the processor"
    return share, [f"{share:.0%} of the weights are on the host: {how}"]


def _host_layers(launch: Launch, model: Model) -> float:
    """Parameters of the layers that llama.cpp leaves on the host, which are the first ones."""
    if launch.layers_on_cards is None or launch.layers_on_cards >= model.layers:
        return 0.0
    roles = ("embedding", "head", "mtp", "vision")
    inside = sum(t.params for t in model.tensors if t.role not in roles)
    return inside * (1 - launch.layers_on_cards / model.layers)


def _host_experts(launch: Launch, model: Model) -> float:
    """Parameters of the experts of the first layers, which llama.cpp is told to leave there.

    Those of layers that are on the host as a whole are counted with them.
    """
    on_cards = model.layers if launch.layers_on_cards is None else launch.layers_on_cards
    first = max(model.layers - on_cards, 0)
    beyond = model.layers if launch.host_experts < 0 else launch.host_experts
    moved, placed = 0.0, {index for index in launch.experts_placed if index >= first}
    for t in model.tensors:
        if t.role == "expert":
            among = t.layers or range(model.layers)
            on_host = [first <= index < beyond or index in placed for index in among]
            moved += t.params * sum(on_host) / len(on_host)
    return moved
