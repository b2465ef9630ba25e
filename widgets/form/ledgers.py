"""What a question asks of the memory ledger, in a sentence: what is needed, what a log prints."""

from llmcap_kernel.explain import counted, quantity

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
    whole = "Paste the whole log into Validate to see where both differ."
    if not books.starts:
        return f"Here it does not start, so no request has room. {whole}"
    sequence = books.longest_bytes or books.admitted_bytes
    found = books.kv_pool_bytes / sequence
    near = abs(found / logged - 1) <= NEAR if logged else False
    said = (
        "the log agrees"
        if near
        else f"the log's {logged:g} means other formats, lengths or memory fraction than here"
    )
    return (
        f"Here the cache has room for {found:.2f} requests of {books.context_tokens:,} tokens: a "
        f"card is left {quantity(books.kv_pool_bytes, 'GiB')} of "
        f"{quantity(books.budget_bytes, 'GiB')} beside {quantity(books.weights_bytes, 'GiB')} of "
        f"weights, and a request takes {quantity(sequence, 'GiB')} of it; {said}. {whole}"
    )
