"""What a question asks of the memory ledger, in a sentence: what is needed, what a log prints."""

from llmcap_kernel import capacity, catalog
from llmcap_kernel.explain import counted, quantity
from llmcap_kernel.law import kv_bytes_per_sequence

WHOLE_LOG = "Paste the whole log into Validate to see where both differ."
NEAR = 0.1  # of a number of times: no two versions of an engine are nearer


def needed(books):
    """Say how much memory a deployment asks of a card.

    Parameters
    ----------
    books : Ledger
        Its ledger.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> from llmcap_kernel import capacity, catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> needed(capacity.ledger(one, context_tokens=8000))[:37]
    '1 user at 8,000 tokens needs 19.5 GiB'
    """
    cache = books.needed_bytes - books.weights_bytes
    many = counted(books.concurrency, "user")
    verb = "needs" if books.concurrency == 1 else "need"
    each = " each" * (books.concurrency > 1)
    return (
        f"{many} at {books.context_tokens:,} tokens{each} {verb} "
        f"{quantity(books.needed_bytes, 'GiB')} a card: {quantity(books.weights_bytes, 'GiB')} of "
        f"weights and {quantity(cache, 'GiB')} of cache and the rest."
    )


def of_one(deployment, context_tokens, users=1):
    """Say what one user takes of the cache.

    Parameters
    ----------
    deployment : Deployment
        What serves it.
    context_tokens : int
        Tokens of the user's prompt and answer [tokens].
    users : int
        How many there are, where a question says so.

    Returns
    -------
    str
        Bytes of the user and of a token, and of each card where several share them.

    Examples
    --------
    >>> of_one(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), 8000)[25:]
    'takes 0.977 GiB of KV cache in BF16 (0.488 GiB in FP8), 131,072 B a token.'
    """
    d = deployment
    taken = kv_bytes_per_sequence(d.model, d.kv, context_tokens, engine=d.engine.family)
    said = (
        f"One user at {context_tokens:,} tokens takes {quantity(taken, 'GiB')} of KV cache in "
        f"{d.kv.short_title}"
    )
    if d.kv.element_bits == 16:
        eight = kv_bytes_per_sequence(
            d.model, catalog.format("fp8"), context_tokens, engine=d.engine.family
        )
        said += f" ({quantity(eight, 'GiB')} in FP8)"
    said += f", {taken / context_tokens:,.0f} B a token"
    if d.num_gpus > 1:
        each = capacity.kv_sequence_bytes(d, context_tokens, running=True)
        said += f": {quantity(each, 'GiB')} on each of {d.num_gpus} cards"
    return (
        f"{said}. All {users:,} take {quantity(users * taken, 'GiB')}." if users > 1 else f"{said}."
    )


def times(books, logged):
    """Say how often a request of full length has room, as vLLM prints it, beside what a log says.

    Parameters
    ----------
    books : Ledger
        The ledger of the deployment, at the length that the log names.
    logged : float
        The number of times in the log.

    Returns
    -------
    str
        Sentences: the kernel's number, what it is made of, and where the whole log is read.

    References
    ----------
    vLLM, v1/core/kv_cache_utils.py.

    Examples
    --------
    >>> from llmcap_kernel import capacity, catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> times(capacity.ledger(one, context_tokens=8000), 5.3)[:26]
    'Here the cache has room fo'
    """
    if not books.starts:
        return f"Here it does not start, so no request has room. {WHOLE_LOG}"
    sequence = books.longest_bytes or books.admitted_bytes
    room = books.kv_pool_bytes / sequence
    log = f"the log's {logged:g} means other formats, lengths or memory fraction than here"
    if logged and abs(room / logged - 1) <= NEAR:
        log = "the log agrees"
    return (
        f"Here the cache has room for {room:.2f} requests of {books.context_tokens:,} tokens: a "
        f"card is left {quantity(books.kv_pool_bytes, 'GiB')} of "
        f"{quantity(books.budget_bytes, 'GiB')} beside {quantity(books.weights_bytes, 'GiB')} of "
        f"weights, and a request takes {quantity(sequence, 'GiB')} of it; {log}. {WHOLE_LOG}"
    )
