"""What to know before relying on the numbers of a deployment, and on its limits."""

from collections.abc import Iterator
from typing import NamedTuple

from .. import bandwidth, capacity, catalog
from ..explain import counted, digits, quantity
from ..spec import Deployment, Slo, Workload
from .handover import lacks_cache
from .limits import tail_label
from .space import cannot_load, cannot_run

# Why a price that is not on demand is nothing to plan with.
PASSING = {"spot": "it may be taken away", "reserved-1y": "it binds for a year"}
SIXTEEN_BITS = ("bf16", "fp16", "fp16-acc16")
ABOVE_MEAN = 75  # percentile from which on a latency is almost certainly above the mean
# The limit on a mean, and its name, which a limit on a high percentile cannot be below.
_MEAN_GAP, _FIRST_TOKEN = ("itl_s", "the mean gap"), ("ttft_s", "the mean first token")
WITHIN = {"itl": _MEAN_GAP, "tpot": _MEAN_GAP, "ttft": _FIRST_TOKEN, "e2e": _FIRST_TOKEN}


class Note(NamedTuple):
    """Something to know before relying on a number.

    Attributes
    ----------
    about : str
        "context", "cache", "compute", "format", "network", "rent", "card", "model" or "limits".
    text : str
        One sentence.
    """

    about: str
    text: str


def warnings(deployment: Deployment, workload: Workload) -> tuple[Note, ...]:
    """List what to know before relying on the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.

    Returns
    -------
    tuple of Note
        Notes; empty when there is nothing to say.

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3-70b", gpu="h100-sxm", tp=4)
    >>> warnings(d, Workload(100_000, 1000))[0].text[:46]
    'The context of 101,000 tokens is beyond the 8,'
    """
    return (
        *_context_notes(deployment, workload),
        *_sequence_notes(deployment, workload),
        *_printed_notes(deployment, workload),
        *_cache_notes(deployment),
        *_format_notes(deployment),
        *_hardware_notes(deployment),
        *(Note("card", text) for text in (catalog.origins.doubt(deployment.gpu),) if text),
        *(Note("model", text) for text in deployment.model.notes),
    )


def limit_notes(slo: Slo) -> tuple[Note, ...]:
    """Name limits that another limit makes redundant.

    Parameters
    ----------
    slo : Slo
        The limits.

    Returns
    -------
    tuple of Note
        One for each percentile that must be shorter than what is below it: a mean, or the first
        token of the same answer.

    Examples
    --------
    >>> from llmcap_kernel.spec import Tail
    >>> limit_notes(Slo(itl_s=0.02, tails=(Tail("itl", 95, 0.01),)))[0].text[:53]
    'The limit on the 95th percentile gap, 10 ms, is below'
    """
    notes = []
    ttft_bounds_s = {tail.percent: tail.bound_s for tail in slo.tails if tail.quantity == "ttft"}
    for tail in slo.tails:
        mean, other_limit = WITHIN[tail.quantity]
        other_bound_s = getattr(slo, mean) if tail.percent >= ABOVE_MEAN else None
        if tail.quantity == "e2e" and tail.percent in ttft_bounds_s:
            other_limit = "the first token at the same percentile"
            other_bound_s = ttft_bounds_s[tail.percent]
        if other_bound_s is None or tail.bound_s >= other_bound_s:
            continue
        opening = f"The limit on the {tail_label(tail)}, {quantity(tail.bound_s, 's')}, is below"
        text = f"{opening} that on {other_limit}, {quantity(other_bound_s, 's')}: it decides alone."
        notes.append(Note("limits", text))
    return tuple(notes)


def _context_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    model = deployment.model
    if workload.context_tokens > model.max_context_tokens:
        text = (
            f"The context of {workload.context_tokens:,} tokens is beyond the "
            f"{model.max_context_tokens:,} that {model.name} was configured for."
        )
        yield Note("context", text)
    longest = deployment.max_model_len
    if longest and workload.context_tokens > longest:
        text = f"The engine refuses requests of more than max_model_len, {longest:,} tokens: "
        yield Note("context", f"{text}these have {workload.context_tokens:,}.")
    overlong = longest and longest > model.max_context_tokens
    if overlong and (refused := capacity.workload_ledger(deployment, workload).overlong):
        yield Note("context", refused)
    limit_tokens, spare_tokens = deployment.request_limit_tokens, deployment.engine.spare_tokens
    if limit_tokens < workload.context_tokens <= limit_tokens + spare_tokens:
        spare = counted(spare_tokens, "token")
        text = f"{deployment.engine.title} ends answers {spare} before its longest:"
        yield Note("context", f"{text} a request has {limit_tokens:,} at most.")


def _printed_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    """Explain why vLLM prints room for fewer requests than fit, where layers have windows."""
    ledger = capacity.workload_ledger(deployment, workload)
    if deployment.engine.family != "vllm" or not ledger.starts or not ledger.admission_bytes:
        return
    printed_users, fitting = ledger.kv_pool_bytes / ledger.admitted_bytes, ledger.max_concurrent
    if fitting > 1 + printed_users:
        text = (
            f"When it starts, vLLM prints room for {digits(printed_users)} of these requests: it "
            "counts the tokens of the batches in flight for each, and running requests share them. "
            f"{fitting:,} fit."
        )
        yield Note("cache", text)


def _sequence_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    """Say what to set where the engine's default max_num_seqs keeps users waiting."""
    d, users = deployment, workload.concurrency
    max_running = d.seqs_limit * d.attention_replicas
    if d.max_num_seqs or users < max_running:
        return
    fitting = capacity.workload_ledger(d, workload).max_concurrent
    if fitting <= max_running:
        return
    flag = capacity.FLAGS.get(d.engine.family, {}).get("max_num_seqs", "")
    waiting = f"{users - max_running:,} of the {users:,} users wait" if users > max_running else ""
    text = (
        f"{d.engine.title} runs {max_running:,} requests at once unless it is told otherwise, "
        f"and {waiting or f'{fitting:,} have room'}: set max_num_seqs"
        + (f" ({flag})" if flag else "")
        + (f" to {-(-min(users, fitting) // d.attention_replicas):,}." if waiting else " for more.")
    )
    yield Note("sequences", text)


def _cache_notes(deployment: Deployment) -> Iterator[Note]:
    d, model = deployment, deployment.model
    splits_tokens = d.dp_attention or d.dcp > 1
    if model.kv_heads and d.tp > model.kv_heads and not splits_tokens and not model.latent:
        text = (
            f"tp is {d.tp} and {model.name} has {model.kv_heads} KV heads: the cache is "
            f"split {model.kv_heads} ways and copied on the rest."
        )
        yield Note("cache", text)
    if d.tp > 1 and not splits_tokens and model.latent:
        text = (
            f"{model.name} keeps one latent for all heads: each of the {d.tp} cards holds the "
            "whole cache. Data-parallel attention would split it by user."
        )
        yield Note("cache", text)
    declared = d.engine.automatic_kv(model, d.weights.name)
    if declared and declared != d.kv.name:
        text = (
            f"The checkpoint of {model.name} declares a cache in {declared}: {d.engine.title} "
            f"takes that unless it is told {d.kv.name}, which is counted here."
        )
        yield Note("cache", text)


def _format_notes(deployment: Deployment) -> Iterator[Note]:
    d, model, weights = deployment, deployment.model, deployment.weights
    if refused := cannot_load(d.engine, weights):
        yield Note("format", refused)
    if lacking := lacks_cache(d.engine, d.kv):
        yield Note("format", lacking)
    dtype, _ = bandwidth.compute_dtype(d.gpu, weights)
    # between two 16-bit dtypes, nothing changes that a reader could act on
    if weights.compute and weights.compute[0] not in (dtype, *SIXTEEN_BITS):
        text = (
            f"{d.gpu.title} has no {weights.compute[0]} units: {weights.name} weights keep "
            f"their bytes and compute in {dtype}."
        )
        yield Note("compute", text)
    if weights.covers and not any(t.role in weights.covers for t in model.tensors):
        text = (
            f"{weights.name} converts {', '.join(weights.covers)} weights only and "
            f"{model.name} has none: all of them stay in 16 bits."
        )
        yield Note("format", text)


def _hardware_notes(deployment: Deployment) -> Iterator[Note]:
    d, gpu = deployment, deployment.gpu
    if refused := cannot_run(d.engine, gpu):
        yield Note("engine", refused)
    if d.tp > gpu.max_per_node:
        text = (
            f"tp is {d.tp} and a node joins {gpu.max_per_node} {gpu.name}: sums "
            f"cross the network, at {quantity(bandwidth.link_bandwidth_bytes_s(d), 'bytes/s')} of "
            "all a node's cards."
        )
        yield Note("network", text)
    if not d.gpu_usd_h:
        text = f"The catalogue has no rent for {gpu.name}: give usd_h for prices."
        zero = "The card rent (usd_h) is 0 as given, so nothing has a price."
        yield Note("rent", zero if d.usd_h == 0 else text)
    price = catalog.passing_price(gpu) if d.usd_h is None else None
    if price:
        term, source = price["term"], f"{price['provider']}, {price['date']}"
        text = f"The rent of {gpu.name} is a {term} price ({source}): {PASSING[term]}."
        yield Note("rent", text)
