"""What a question asks of the memory ledger, in a sentence: what is needed, what a log prints."""

from llmcap_kernel.explain import counted, quantity

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
