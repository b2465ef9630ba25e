"""How many sequences of one length fit in a deployment's cache, and how that falls with length.

Users are counted as whole sequences in the paged cache.
"""

from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from .. import bandwidth
from ..numeric import floor
from ..refuse import BadInput, number
from ..spec import Deployment, Workload
from .cache import (
    admission_bytes,
    is_grouped,
    kept_bytes,
    kv_sequence_bytes,
    layout,
    max_sequences,
    prefix_bytes,
)
from .pool import MOST_KEPT, Memory, memory_of

SHORTER_CACHE = ("sglang", "trtllm")  # these start with less cache than the longest request needs


class Room(NamedTuple):
    """The cache that sequences of one length take, and how many of them fit.

    Attributes
    ----------
    memory : Memory
        A card's memory, which does not depend on the length of sequences.
    prefix_bytes, admission_bytes, sequence_bytes, longest_bytes : float
        As a `Ledger` has them; a sequence's cache is `kv_bytes_per_sequence` there [bytes].
    state_blocks : int
        Blocks of the cache where recurrent states take one each; 0 without states.
    starts : bool
        Whether the engine is expected to start.
    sequences : int
        Sequences that fit; 0 when the engine does not start.
    """

    memory: Memory
    prefix_bytes: float
    admission_bytes: float
    sequence_bytes: float
    longest_bytes: float
    state_blocks: int
    starts: bool
    sequences: int


# a prediction needs it twice: for its ledger and for its users in progress
@lru_cache(maxsize=MOST_KEPT)
def room_for(
    deployment: Deployment, context_tokens: int, shared_prefix_tokens: int, hit_share: float
) -> Room:
    """Count the sequences of one length that have room.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every sequence may reach [tokens].
    shared_prefix_tokens : int
        Leading tokens all sequences share [tokens].
    hit_share : float
        Share of the sequences that find them in the cache.

    Returns
    -------
    Room
        What each takes of the cache, and how many it holds.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> room_for(one, 8000, 0, 1.0).sequences == max_concurrent(one, 8000)
    True
    """
    d, memory = deployment, memory_of(deployment)
    pool_bytes = memory.pool_bytes
    shared = prefix_bytes(d, shared_prefix_tokens, context_tokens) if shared_prefix_tokens else 0.0
    in_flight = float(admission_bytes(d, context_tokens))
    sequence = kv_sequence_bytes(d, context_tokens, running=True) - shared * hit_share
    longest, state_blocks = _longest_bytes(d), _state_blocks(d, pool_bytes)
    once = shared + in_flight
    starts = pool_bytes >= max(once + sequence, longest) and not refuses(d, state_blocks)
    sequences = sequences_in(d, pool_bytes - once, sequence) if starts else 0
    return Room(memory, shared, in_flight, sequence, longest, state_blocks, starts, sequences)


def workload_room(deployment: Deployment, workload: Workload) -> Room:
    """Count the users of a load that have room, without building the ledger.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer and shared prefix; its concurrency is not used.

    Returns
    -------
    Room
        What each takes of the cache, and how many it holds.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> workload_room(b, Workload(7000, 1000, 16)).sequences == max_concurrent(b, 8000)
    True
    """
    load = workload
    return room_for(deployment, load.context_tokens, load.shared_prefix_tokens, load.hit_share)


def max_concurrent(
    deployment: Deployment,
    context_tokens: int,
    *,
    shared_prefix_tokens: int = 0,
    hit_share: float = 1.0,
) -> int:
    """Count the whole sequences of a length that fit in the cache of a deployment.

    In a paged cache all sequences use the same pages for the tokens they share, so
    the pool holds one prefix and the rest of each sequence. Windows and states
    change with each sequence and are not shared, and requests that miss the cache
    store a copy of their own.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every sequence may reach [tokens].
    shared_prefix_tokens : int
        Leading tokens all sequences share [tokens].
    hit_share : float
        Share of the sequences that find them in the cache.

    Returns
    -------
    int
        Sequences at once; 0 when the engine does not start.

    References
    ----------
    Kwon et al. 2023, arXiv 2309.06180, section 4.4, on sharing pages.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> alone = max_concurrent(b, 8000)
    >>> max_concurrent(b, 8000, shared_prefix_tokens=6000) > 3 * alone > 3 * 16
    True
    """
    number("context_tokens", context_tokens, 1, 1e8, "tokens", whole=True)
    return room_for(deployment, context_tokens, shared_prefix_tokens, hit_share).sequences


def cliff(deployment: Deployment, contexts: Iterable[int]) -> tuple[tuple[int, int, float], ...]:
    """Count the sequences that fit at each of several lengths.

    The curve is a hyperbola, `pool / (kv_per_token x context)`, rounded down to
    whole sequences.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    contexts : iterable of int
        Lengths of a sequence [tokens].

    Returns
    -------
    tuple of (int, int, float)
        Length [tokens], whole sequences, and the hyperbola before rounding.

    Raises
    ------
    BadInput
        When there is no length, or one is out of range.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> [n for _, n, _ in cliff(b, (8000, 16000))][0] > 0
    True
    """
    contexts = tuple(contexts)
    if not contexts:
        raise BadInput("contexts", "contexts is empty: it takes at least one length in tokens.")
    rows = []
    for context_tokens in contexts:
        number("context_tokens", context_tokens, 1, 1e8, "tokens", whole=True)
        room = room_for(deployment, context_tokens, 0, 1.0)
        unrounded = max(room.memory.pool_bytes - room.admission_bytes, 0) / room.sequence_bytes
        unrounded *= deployment.attention_replicas
        rows.append((context_tokens, room.sequences, unrounded))
    return tuple(rows)


def longest_context(deployment: Deployment, users: int) -> int:
    """Find the longest context at which a number of users fit.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    users : int
        Sequences at once.

    Returns
    -------
    int
        The length, at most the model's window; 0 when they fit at none [tokens].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> longest = longest_context(b, 16)
    >>> max_concurrent(b, longest) >= 16 > max_concurrent(b, longest + 1)
    True
    """
    lengths = range(1, deployment.model.max_context_tokens + 1)
    return bisect_left(lengths, True, key=lambda length: max_concurrent(deployment, length) < users)


def sequences_in(deployment: Deployment, pool_bytes: float, sequence_bytes: float) -> int:
    """Count the whole sequences in the caches of all replicas of attention.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    pool_bytes : float
        Cache of a replica [bytes].
    sequence_bytes : float
        Cache of a sequence [bytes].

    Returns
    -------
    int
        Sequences.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> sequences_in(catalog.deployment(model="llama-3.1-8b", gpu="l4", tp=2), 10e9, 3e9)
    3
    """
    per_replica = max_sequences(kv_pool_bytes=pool_bytes, kv_bytes_per_sequence=sequence_bytes)
    return per_replica * deployment.attention_replicas


def token_bytes(deployment: Deployment, context_tokens: int) -> float:
    """Compute the cache of one more token, with that of a draft model.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Length of the sequence before it [tokens].

    Returns
    -------
    float
        On a card [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> token_bytes(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), 8000)
    131072.0
    """
    d, total = deployment, 0.0
    if d.speculation and d.speculation.draft is not None:
        total = token_bytes(bandwidth.draft_deployment(d), context_tokens)
    return total + kept_bytes(d, context_tokens + 1) - kept_bytes(d, context_tokens)


def pool_tokens(deployment: Deployment, pool_bytes: float, context_tokens: int) -> int:
    """Compute the number of cache tokens that an engine prints.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    pool_bytes : float
        Memory of the cache on a card [bytes].
    context_tokens : int
        Length of a sequence, where the deployment sets no longest [tokens].

    Returns
    -------
    int
        Over all sequences of one replica of attention [tokens].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> pool_tokens(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), 2**17 * 8000, 800)
    8000
    """
    d, room_bytes = deployment, max(pool_bytes, 0)
    length = d.max_model_len or context_tokens
    if is_grouped(d) and d.engine.release < (0, 21):
        cache_layout = layout(d)
        shortest = min(kind.block_tokens for kind in cache_layout.kinds if kind.name != "state")
        return floor(room_bytes / cache_layout.block_bytes) // cache_layout.groups * shortest
    return floor(room_bytes / kv_sequence_bytes(d, length) * length)


def _longest_bytes(deployment: Deployment) -> float:
    """Compute the cache of the longest requests where an engine must fit them to start, else 0."""
    d = deployment
    if not d.max_model_len or d.engine.family in SHORTER_CACHE:
        return 0.0
    return float(longest_at_once(d) * kv_sequence_bytes(d, d.max_model_len))


def longest_at_once(deployment: Deployment) -> int:
    """Count the requests of the longest length whose cache an engine sets aside when it starts.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    int
        One, or each of llama.cpp's slots.

    References
    ----------
    llama.cpp, src/llama-kv-cache.cpp: the cells of all sequences are allocated at once.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="qwen3-8b", gpu="l4", engine="llama.cpp", max_num_seqs=2)
    >>> longest_at_once(d)
    2
    """
    return deployment.seqs_limit if deployment.engine.family == "llama.cpp" else 1


def refuses(deployment: Deployment, state_blocks: int) -> bool:
    """Say whether max_num_seqs is more than the cache has blocks for states.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    state_blocks : int
        Blocks of the cache where recurrent states take one each; 0 without states.

    Returns
    -------
    bool
        True where the engine does not start for it.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> asked = catalog.deployment(model="qwen3.5-27b", gpu="h100-sxm", max_num_seqs=256)
    >>> refuses(asked, 100), refuses(asked, 0)
    (True, False)
    """
    max_num_seqs = deployment.max_num_seqs or 0
    return bool(state_blocks) and not deployment.eager and max_num_seqs > state_blocks


def _state_blocks(deployment: Deployment, pool_bytes: float) -> int:
    """Count the blocks of a cache where each sequence's states take one; 0 without states."""
    block_bytes = state_block_bytes(deployment)
    return max(floor(max(pool_bytes, 0) / block_bytes), 1) if block_bytes else 0


def state_block_bytes(deployment: Deployment) -> float:
    """Give the size of a block where the states of each sequence take one.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        The size; 0 without such states, or where an engine does not refuse more sequences
        than it has blocks for them [bytes].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> state_block_bytes(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"))
    0.0
    """
    d = deployment
    if not is_grouped(d) or d.engine.release < (0, 20):
        return 0.0  # earlier releases capture fewer graphs instead of refusing to start
    cache_layout = layout(d)
    has_states = any(kind.name == "state" for kind in cache_layout.kinds)
    return cache_layout.block_bytes if has_states else 0.0
