"""The deployment that a start-up means."""

import re
from dataclasses import replace
from typing import Any

from ... import catalog
from ...catalog import names
from ...explain import gib
from ...refuse import BadInput, shown
from ...spec import Deployment, Gpu, Model, Speculation
from .. import stated
from .rows import SIZED_BY_CONTEXT, StartUp

ACCEPT = 0.7  # how many guesses are right moves no memory


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
        "kv": names.kv_format(s.kv, weights, s.engine, own).name,
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
