"""The memory of a card: what is in use, and what is left for the cache.

An engine takes a fraction of the memory the driver reports, allocates weights, activations and
communication buffers in it, and leaves the rest to the paged KV cache.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from .. import bandwidth, catalog, law
from ..spec import Deployment
from . import overhead

MOST_KEPT = 4096  # deployments in a cache of ledger parts
SHARE_AND_RENT = ("memory_fraction", "usd_h")


class Memory(NamedTuple):
    """A card's memory, which does not depend on the length of sequences.

    Attributes
    ----------
    visible_bytes, budget_bytes : float
        As a `Ledger` has them [bytes].
    pool_bytes : float
        Left for the cache; negative when the other terms exceed the budget [bytes].
    terms : mapping of str to float
        Fields of a `Ledger`, for everything but the cache [bytes].
    """

    visible_bytes: float
    budget_bytes: float
    pool_bytes: float
    terms: Mapping[str, float]


@lru_cache(maxsize=MOST_KEPT)  # a curve over context lengths asks for it at every point
def memory_of(deployment: Deployment) -> Memory:
    """Split the memory of a card into what is used and what is left for the cache.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    Memory
        Of the card that holds the most.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = memory_of(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"))
    >>> round(sum(one.terms.values()) + one.pool_bytes - one.budget_bytes)
    0
    """
    d, visible_bytes, terms = deployment, overhead.usable_bytes(deployment.gpu), _terms(deployment)
    used_bytes = sum(terms.values())
    used_bytes -= 0.0 if d.engine.graphs_in_fraction else terms["graph_bytes"]
    if d.engine.fraction_of == "total":
        budget_bytes = visible_bytes * d.fraction
        return Memory(visible_bytes, budget_bytes, budget_bytes - used_bytes, terms)
    free_bytes = visible_bytes - used_bytes
    pool_bytes = free_bytes * d.fraction if free_bytes > 0 else free_bytes
    return Memory(visible_bytes, visible_bytes, pool_bytes, terms)


# The fields of a deployment that decide the terms: all but the memory fraction and the rent.
_DECIDING = attrgetter(*(f.name for f in fields(Deployment) if f.name not in SHARE_AND_RENT))
_kept_terms: dict[tuple[Any, ...], dict[str, float]] = {}


def _terms(deployment: Deployment) -> dict[str, float]:
    """Compute the fields of a ledger for everything in memory but the cache.

    They are cached by the fields that decide them, so that another memory fraction reuses them.
    """
    d, key = deployment, _DECIDING(deployment)
    terms = _kept_terms.get(key)
    if terms is None:
        if len(_kept_terms) >= MOST_KEPT:
            _kept_terms.clear()
        terms = _kept_terms[key] = {
            "weights_bytes": sum(weights_by_role(d).values()) * (1 - d.offload_share),
            "activation_bytes": overhead.activation_bytes(d),
            "runtime_bytes": overhead.runtime_bytes(d),
            "extra_bytes": extra_bytes(d),
            "graph_bytes": overhead.graph_bytes(d),
        }
    return terms


def weights_by_role(d: Deployment) -> Mapping[str, float]:
    """Give the weights by role, and what the allocator adds where engines measure free memory.

    Parameters
    ----------
    d : Deployment
        The deployment.

    Returns
    -------
    mapping of str to float
        On the card that holds the most [bytes].

    References
    ----------
    SGLang, model_runner.py; vLLM, platforms/rocm.py, get_current_memory_usage, until 0.21.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang")
    >>> "rounding" in weights_by_role(one)
    True
    """
    by_role, engine = law.weights_of(d).by_role, d.engine
    measures_free = engine.family == "vllm" and d.gpu.vendor == "amd" and engine.release < (0, 22)
    if engine.family != "sglang" and not measures_free:
        return by_role
    return by_role | {"rounding": law.rounding_bytes(d)}


def extra_bytes(deployment: Deployment) -> float:
    """Add up the memory of speculation and adapters on a card.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        A draft model's weights, or the model's own multi-token-prediction
        layers, and all adapters in 16 bits [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> extra_bytes(catalog.deployment(model="llama-3.1-8b", gpu="l4"))
    0.0
    """
    d, total = deployment, 0.0
    if d.speculation and d.speculation.draft is not None:
        total += law.weights_of(bandwidth.draft_deployment(d)).stored_bytes
    elif d.speculation:
        total += d.model.mtp_params * d.weights.bytes_per_element / d.tp
    if d.lora:
        params = law.lora_params(d.model, d.lora.rank)
        total += d.lora.adapters * params * bandwidth.ACTIVATION_BYTES / d.tp
    return total


def fixed_bytes(deployment: Deployment) -> float:
    """Add up the memory that no engine limit changes: weights, runtime, a draft and adapters.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        On the card that holds the most [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> round(fixed_bytes(one) / 1e9)
    16
    """
    d = deployment
    weights = sum(weights_by_role(d).values()) * (1 - d.offload_share)
    return weights + overhead.runtime_bytes(d) + extra_bytes(d)


def room_doubt_bytes(deployment: Deployment, weights_bytes: float) -> float:
    """Compute by how much the room for the cache may be off.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    weights_bytes : float
        Weights on a card [bytes].

    Returns
    -------
    float
        Half of the interval that holds 80% of start-ups, averaged over sources of logs
        that were left out; wider for engines and cards that no log is of [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> known, unknown = (catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine=name)
    ...     for name in ("vllm", "trtllm"))
    >>> room_doubt_bytes(known, 16e9) < room_doubt_bytes(unknown, 16e9)
    True
    """
    spread = catalog.table("memory")["room"][kind_of_card(deployment)]
    card_bytes = overhead.usable_bytes(deployment.gpu)
    proportional_bytes = spread["of_card"] * card_bytes + spread["of_weights"] * weights_bytes
    return float(spread["bytes"] + proportional_bytes)


def kind_of_card(deployment: Deployment) -> str:
    """Name the group of start-up logs that the doubt about the room comes from.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    str
        "unified" where card and host share the memory, a vendor for vLLM on its cards, and
        "other" for what few logs are of.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> kind_of_card(catalog.deployment(model="llama-3.1-8b", gpu="mi300x"))
    'amd'
    """
    gpu = deployment.gpu
    if gpu.unified_memory:
        return "unified"
    has_start_ups = deployment.engine.family == "vllm" and gpu.vendor in ("nvidia", "amd")
    return gpu.vendor if has_start_ups else "other"
