"""Stage 4, the toolbox: levers, the effect of each, and which to try first.

A lever takes a deployment (or a workload) and returns a changed one. The law stays
the same, so the effect of a lever is the difference of two predictions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from . import calibration, capacity, catalog
from .explain import Explained, Line, quantity
from .refuse import BadInput, one_of
from .serving import serve
from .spec import Deployment, Efficiency, Model, Speculation, Workload


def set_memory_fraction(deployment: Deployment, memory_fraction: float) -> Deployment:
    """Change the share of the card's memory that the engine uses.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    memory_fraction : float
        Share of the memory.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> set_memory_fraction(catalog.deployment(model="llama-3.1-8b", gpu="l4"), 0.95).fraction
    0.95
    """
    return replace(deployment, memory_fraction=memory_fraction)


def cache_prefix(workload: Workload, shared_prefix_tokens: int) -> Workload:
    """Store the leading tokens of prompts in a prefix cache.

    Parameters
    ----------
    workload : Workload
        Before the change.
    shared_prefix_tokens : int
        Tokens all requests share [tokens].

    Returns
    -------
    Workload
        After the change.

    Examples
    --------
    >>> cache_prefix(Workload(7000, 1000, 16), 6000).shared_prefix_tokens
    6000
    """
    return replace(workload, shared_prefix_tokens=shared_prefix_tokens)


def change_batch(workload: Workload, concurrency: int) -> Workload:
    """Change the number of concurrent requests.

    Parameters
    ----------
    workload : Workload
        Before the change.
    concurrency : int
        Requests in flight.

    Returns
    -------
    Workload
        After the change.

    Examples
    --------
    >>> change_batch(Workload(7000, 1000, 16), 32).concurrency
    32
    """
    return replace(workload, concurrency=concurrency)


def shorten_context(workload: Workload, input_tokens: int) -> Workload:
    """Shorten the prompts, whose shared prefix stays at their beginning.

    Parameters
    ----------
    workload : Workload
        Before the change.
    input_tokens : int
        Prompt length of a request [tokens].

    Returns
    -------
    Workload
        After the change.

    Examples
    --------
    >>> shorten_context(Workload(7000, 1000, 16), 3000).context_tokens
    4000
    """
    shared = min(workload.shared_prefix_tokens, input_tokens)
    return replace(workload, input_tokens=input_tokens, shared_prefix_tokens=shared)


def split_sequences(deployment: Deployment) -> Deployment:
    """Make attention data-parallel: split users, not heads, over the cards.

    Parameters
    ----------
    deployment : Deployment
        Before the change, with `tp` of 2 or more.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> d = catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8, weights="fp8")
    >>> split_sequences(d).dp_attention
    True
    """
    return replace(deployment, dp_attention=True)


def quantise_weights(deployment: Deployment, weights: str) -> Deployment:
    """Store the weights in another format.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    weights : str
        Format of the weights.

    Returns
    -------
    Deployment
        After the change.

    Raises
    ------
    BadInput
        When the format is unknown, or not one for weights.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="l4")
    >>> quantise_weights(d, "fp8").weights.name
    'fp8'
    """
    stored = catalog.format(weights)
    if not stored.covers:
        raise BadInput("weights", f"weights is {stored.name!r}: no checkpoint is stored in it.")
    return replace(deployment, weights=stored)


def quantise_kv(deployment: Deployment, kv: str) -> Deployment:
    """Store keys and values in another format.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    kv : str
        Format of the cache.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="l4")
    >>> quantise_kv(d, "fp8").kv.name
    'fp8'
    """
    return replace(deployment, kv=catalog.format(kv))


def speculate(
    deployment: Deployment, *, tokens: int, accept: float, draft: str | Model | None = None
) -> Deployment:
    """Draft tokens and verify them in one pass.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    tokens : int
        Tokens drafted per verification pass [tokens].
    accept : float
        Probability that a drafted token is accepted, to be measured on your prompts.
    draft : str or Model, optional
        The draft model; if omitted, the model's own multi-token-prediction layers or
        an n-gram table.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> speculate(d, tokens=3, accept=0.7, draft="llama-3.1-8b").speculation.tokens
    3
    """
    model = catalog.model(draft) if isinstance(draft, str) else draft
    return replace(deployment, speculation=Speculation(tokens, accept, model))


def change_engine(deployment: Deployment, engine: str) -> Deployment:
    """Serve with another engine, or another version of it, at its default memory fraction.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    engine : str
        Name of the engine.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", memory_fraction=0.8)
    >>> change_engine(d, "vllm-0.11").memory_fraction is None
    True
    """
    return replace(deployment, engine=catalog.engine(engine), memory_fraction=None)


def split_tensors(deployment: Deployment, tp: int) -> Deployment:
    """Split every layer over more cards.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    tp : int
        Number of cards.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> split_tensors(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), 2).num_gpus
    2
    """
    return replace(deployment, tp=tp)


def change_gpu(deployment: Deployment, gpu: str) -> Deployment:
    """Move to another card.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    gpu : str
        Name of the card.

    Returns
    -------
    Deployment
        After the change, at the reference price of that card.

    Examples
    --------
    >>> change_gpu(catalog.deployment(model="llama-3.1-8b", gpu="l4"), "h200-sxm").gpu.name
    'h200-sxm'
    """
    return replace(deployment, gpu=catalog.gpu(gpu), usd_h=None)


def change_model(deployment: Deployment, model: str | Model) -> Deployment:
    """Serve another model on the same cards, in the same formats.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    model : str or Model
        Name of the model, or a record of your own.

    Returns
    -------
    Deployment
        After the change.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> change_model(d, "qwen3-32b").model.name
    'qwen3-32b'
    """
    return replace(deployment, model=catalog.model(model) if isinstance(model, str) else model)


@dataclass(frozen=True)
class Lever:
    """A change to a deployment or a load, and its purpose.

    Attributes
    ----------
    name : str
        Name of the lever.
    relieves : tuple of str
        Constraints it relieves: "capacity", "latency", "prefill", "budget".
    costs : str
        What it costs.
    pull : callable, optional
        The function that applies it to a deployment or a load.
    """

    name: str
    relieves: tuple[str, ...]
    costs: str
    pull: Callable[..., Deployment] | Callable[..., Workload] | None = field(
        default=None, repr=False, compare=False
    )


CONSTRAINTS = ("capacity", "latency", "prefill", "budget")
# Cheapest first: settings, then formats, then another engine, then rent, then the product.
LEVERS = (
    Lever(
        "memory fraction",
        ("capacity",),
        "a thinner margin against running out of memory",
        set_memory_fraction,
    ),
    Lever(
        "prefix caching",
        ("capacity", "latency", "prefill", "budget"),
        "prompts that must begin alike",
        cache_prefix,
    ),
    Lever("larger batch", ("budget",), "latency of each user", change_batch),
    Lever(
        "data-parallel attention",
        ("capacity",),
        "attention weights on every card",
        split_sequences,
    ),
    Lever(
        "weight quantisation",
        ("capacity", "latency", "budget"),
        "quality, to be measured",
        quantise_weights,
    ),
    Lever(
        "KV quantisation",
        ("capacity", "latency", "budget"),
        "quality at long context",
        quantise_kv,
    ),
    Lever(
        "speculative decoding",
        ("latency",),
        "memory for a draft; little gain at large batch",
        speculate,
    ),
    Lever("another engine", ("latency", "prefill"), "operations", change_engine),
    Lever(
        "tensor parallelism",
        ("capacity", "latency", "prefill"),
        "rent and collectives",
        split_tensors,
    ),
    Lever("bigger card", ("capacity", "latency"), "rent", change_gpu),
    Lever(
        "shorter context",
        ("capacity", "prefill"),
        "what the product can see",
        shorten_context,
    ),
    Lever(
        "mixture of experts",
        ("latency", "prefill"),
        "memory for experts that idle",
        change_model,
    ),
)


def levers_for(constraint: str) -> tuple[Lever, ...]:
    """List the levers for a binding constraint, cheapest first.

    Settings come first, then formats, then another engine, then more rent, then
    limits on the product.

    Parameters
    ----------
    constraint : str
        "capacity", "latency", "prefill" or "budget".

    Returns
    -------
    tuple of Lever
        In the order to try them.

    Raises
    ------
    BadInput
        When the constraint is unknown.

    Examples
    --------
    >>> [lever.name for lever in levers_for("budget")]
    ['prefix caching', 'larger batch', 'weight quantisation', 'KV quantisation']
    """
    constraint = one_of("constraint", constraint, CONSTRAINTS)
    return tuple(lever for lever in LEVERS if constraint in lever.relieves)


class Reading(NamedTuple):
    """Prediction for a deployment under a load, constraint by constraint.

    Speed and price are None where the engine does not start.

    Attributes
    ----------
    max_concurrent : int
        Users that have room.
    itl_s : float, optional
        Mean gap between tokens, including others' prefill [s].
    ttft_s : float, optional
        Mean time to the first token [s].
    output_tok_s_card : float, optional
        Output tokens of all users, per card [tok/s].
    usd_mtok : float, optional
        Price of a million output tokens; None where no rent is known [USD/Mtok].
    decode_tok_s_user : float, optional
        Tokens of one user per second while no prompt is prefilled [tok/s].
    """

    max_concurrent: int
    itl_s: float | None = None
    ttft_s: float | None = None
    output_tok_s_card: float | None = None
    usd_mtok: float | None = None
    decode_tok_s_user: float | None = None


def reading(
    deployment: Deployment, workload: Workload, *, efficiency: Efficiency | None = None
) -> Reading:
    """Predict the four constraints of a deployment under a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    efficiency : Efficiency, optional
        Shares and latencies; if omitted, those fitted to measurements.
        `CEILING` gives what the spec sheet allows.

    Returns
    -------
    Reading
        Latency, capacity, prefill and price.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> reading(d, Workload(2000, 500, 8)).max_concurrent > 8
    True
    """
    room = capacity.workload_ledger(deployment, workload).max_concurrent
    if not room:
        return Reading(0)
    efficiency_used = efficiency or calibration.efficiency_for(deployment)
    served = serve(deployment, workload, efficiency_used)
    return Reading(
        room,
        served.itl_s,
        served.ttft_mean_s,
        served.output_tok_s_card,
        served.usd_mtok,
        served.decode_tok_s_user,
    )


@dataclass(frozen=True)
class Effect(Explained):
    """Effect of one lever: the predictions before and after it.

    Attributes
    ----------
    name : str
        Name of the lever.
    before, after : Reading
        Predictions without and with it.
    """

    name: str
    before: Reading
    after: Reading

    def lines(self) -> tuple[Line, ...]:
        """List every quantity after the lever and before it.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        reading_before, reading_after = self.before, self.after
        derivation = []
        for label, unit, get in COLUMNS:
            value_before, value_after = get(reading_before), get(reading_after)
            if value_before is None and value_after is None:
                continue
            cells = [
                quantity(v, unit) if v is not None else "none" for v in (value_after, value_before)
            ]
            derivation.append(
                Line(label, "after / before", " / ".join(cells), _times(value_before, value_after))
            )
        return tuple(derivation)


COLUMNS: tuple[tuple[str, str, Callable[[Reading], float | None]], ...] = (
    ("users that fit", "", lambda r: r.max_concurrent),
    ("gap between tokens", "s", lambda r: r.itl_s),
    ("first token", "s", lambda r: r.ttft_s),
    ("output per card", "tok/s", lambda r: r.output_tok_s_card),
    ("price of output", "USD/Mtok", lambda r: r.usd_mtok),
)


def _times(before: float | None, after: float | None) -> str:
    if not before or after is None:
        return "from none" if after else "none"
    return f"{after / before:.2f}x"


def effect(
    name: str,
    deployment: Deployment,
    workload: Workload,
    *,
    deployment_after: Deployment | None = None,
    workload_after: Workload | None = None,
    efficiency: Efficiency | None = None,
) -> Effect:
    """Compute the effect of a lever from predictions without and with it.

    Parameters
    ----------
    name : str
        Name of the lever.
    deployment : Deployment
        Before the change.
    workload : Workload
        Before the change.
    deployment_after : Deployment, optional
        After the change, where the lever changes the deployment.
    workload_after : Workload, optional
        After the change, where it changes the load.
    efficiency : Efficiency, optional
        Shares and latencies, before and after; if omitted, those fitted to
        measurements, which depend on the deployment.

    Returns
    -------
    Effect
        Predictions before and after.

    Raises
    ------
    BadInput
        When nothing was changed.

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> e = effect("FP8", d, Workload(2000, 500, 8), deployment_after=quantise_weights(d, "fp8"))
    >>> e.after.itl_s < e.before.itl_s / 1.2
    True
    """
    if deployment_after is None and workload_after is None:
        raise BadInput("after", "nothing was changed: give deployment_after or workload_after.")
    after = (deployment_after or deployment, workload_after or workload)
    return Effect(
        name,
        reading(deployment, workload, efficiency=efficiency),
        reading(*after, efficiency=efficiency),
    )


def effects(
    deployment: Deployment,
    workload: Workload,
    changes: Mapping[str, Deployment | Workload],
    *,
    efficiency: Efficiency | None = None,
) -> tuple[Effect, ...]:
    """Compute the effects of several levers, each applied alone.

    Parameters
    ----------
    deployment : Deployment
        Before the change.
    workload : Workload
        Before the change.
    changes : mapping of str to Deployment or Workload
        Name of each lever, and the deployment or the load after it.
    efficiency : Efficiency, optional
        Shares and latencies; those fitted to measurements if omitted.

    Returns
    -------
    tuple of Effect
        Effects in the order of `changes`.

    Raises
    ------
    BadInput
        When a change is neither a deployment nor a workload.

    Examples
    --------
    >>> d, load = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), Workload(2000, 500, 8)
    >>> tried = effects(d, load, {"FP8": quantise_weights(d, "fp8"), "16": change_batch(load, 16)})
    >>> [e.name for e in tried]
    ['FP8', '16']
    """
    computed = []
    for name, after in changes.items():
        if isinstance(after, Deployment):
            changed: dict[str, Any] = {"deployment_after": after}
        elif isinstance(after, Workload):
            changed = {"workload_after": after}
        else:
            raise BadInput(
                "changes", f"{name} is {after!r:.60}: it takes a Deployment or a Workload."
            )
        computed.append(effect(name, deployment, workload, efficiency=efficiency, **changed))
    return tuple(computed)
