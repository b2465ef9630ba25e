"""Exercises of chapter 3."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, law
from llmcap_kernel.explain import quantity

from .record import Exercise


def _a98(**change):
    return replace(design.worked_spec()[0], memory_fraction=0.98, **change)


def _kv_gb(model, fmt, tokens):
    kv = law.kv_bytes_per_sequence(catalog.model(model), catalog.format(fmt), tokens)
    return kv / 1e9


def _longest(deployment, users):
    """Whole pages a user may fill when that many share the pool."""
    books = capacity.ledger(deployment, context_tokens=8000)
    tokens = books.kv_pool_bytes / users / books.kv_bytes_per_token
    page = deployment.block_tokens
    return int(tokens // page) * page


def _card_by_card(pair):
    books = capacity.ledger(pair, context_tokens=8000)
    budget, pool, weights, user = (
        quantity(value, "GiB")
        for value in (
            books.budget_bytes,
            books.kv_pool_bytes,
            books.weights_bytes,
            books.kv_bytes_per_sequence,
        )
    )
    return (
        f"A card of two has a budget of {budget}: {weights} of weights, {pool} of pool, the rest "
        f"overhead. A user takes {user} of it. On four, weights and a user's share are half."
    )


def _pool_by_token(deployment):
    books = capacity.ledger(deployment, context_tokens=8000)
    return (
        f"{quantity(books.kv_pool_bytes, 'GiB')} / 16 users / {books.kv_bytes_per_token:,.0f} "
        f"bytes a token, cut down to whole pages of {deployment.block_tokens} tokens."
    )


def _sampling_gb(engine="vllm-0.16", max_num_seqs=512):
    """Peak of sampling Llama-3.1-8B on each of two RTX 3090 [GB]."""
    pair = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-3090", tp=2, engine=engine, max_num_seqs=max_num_seqs
    )
    return capacity.sampling_bytes(pair) / 1e9


EXERCISES = {
    "3.1": Exercise(
        expected=lambda: _kv_gb("qwen3-32b", "bf16", 32_000),
        unit="GB",
        hints=(
            "Begin with one token, as beat 6 does. Which heads count?",
            "2 x layers x KV heads x head width x bytes x tokens, and 1 GB is 1e9 bytes.",
            "2 x 64 x 8 x 128 x 2 bytes x 32,000 tokens.",
        ),
        mistakes={
            "That is half: a layer keeps a key and a value, and BF16 takes two bytes.": (
                lambda: _kv_gb("qwen3-32b", "fp8", 32_000)
            ),
            "That counts the 64 query heads. Only the 8 KV heads are kept.": (
                lambda: _kv_gb("qwen3-32b", "bf16", 32_000) * 64 / 8
            ),
            "That is the value in GiB.": (
                lambda: _kv_gb("qwen3-32b", "bf16", 32_000) * 1e9 / 2**30
            ),
        },
    ),
    "3.2": Exercise(
        expected=lambda: capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=4), 8000),
        unit="users",
        tolerance=0.04,
        hints=(
            "What do the third and the fourth card have to hold, when two hold the weights?",
            "Two more cards add two whole budgets to the pool, less the overhead of each; the "
            "weights are not stored again.",
            lambda: _card_by_card(_a98(weights=catalog.format("bf16"), tp=2)),
        ),
        mistakes={
            "That is twice the number of two cards. The weights are paid for only once.": (
                lambda: (
                    2 * capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=2), 8000)
                )
            ),
            "That is the number for two cards.": (
                lambda: capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=2), 8000)
            ),
            "That is the number with FP8 weights.": (
                lambda: capacity.max_concurrent(_a98(tp=4), 8000)
            ),
        },
    ),
    "3.3": Exercise(
        expected=lambda: _longest(_a98(), 16),
        unit="tokens",
        hints=(
            "Users times context is a constant of A. Beat 7 prints it.",
            "Users x context = pool / KV per token. Take the pool from the ledger of A at 0.98.",
            lambda: _pool_by_token(_a98()),
        ),
        mistakes={
            "That is the context of one user with the whole pool.": (lambda: _longest(_a98(), 1)),
            "That starts from the label of 80 GB and forgets the engine's overhead.": (
                lambda: (
                    (80e9 - capacity.ledger(_a98(), context_tokens=8000).weights_bytes)
                    / 16
                    / _kv_gb("llama-3.1-70b", "fp8", 1)
                    / 1e9
                )
            ),
        },
    ),
    "3.4": Exercise(
        expected=_sampling_gb,
        unit="GB",
        hints=(
            "Beat 4 has the formula. Which of the two batch limits is in it?",
            "max_num_seqs x vocabulary x bytes a logit; the table of beat 4 has the bytes of 0.16.",
            "512 x 128,256 x 38 bytes.",
        ),
        mistakes={
            "That is divided by two. Every card gathers all logits, so tensor parallelism does "
            "not help.": lambda: _sampling_gb() / 2,
            "That takes the bytes a logit from 0.17 on, which no longer sorts.": (
                lambda: _sampling_gb(engine="vllm-0.17")
            ),
            "That takes the tokens of a step. Only the last token of each sequence is sampled.": (
                lambda: _sampling_gb(max_num_seqs=2048)
            ),
        },
    ),
}
