"""Exercises of chapter 3."""

from bisect import bisect_left
from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, law
from llmcap_kernel.explain import gib

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
        gib(value)
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
        f"{gib(books.kv_pool_bytes)} / 16 users / {books.kv_bytes_per_token:,.0f} "
        f"bytes a token, cut down to whole pages of {deployment.block_tokens} tokens."
    )


def _sampling_gb(engine="vllm-0.16", max_num_seqs=512):
    """Peak of sampling Llama-3.1-8B on each of two RTX 3090 [GB]."""
    pair = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-3090", tp=2, engine=engine, max_num_seqs=max_num_seqs
    )
    return capacity.sampling_bytes(pair) / 1e9


def _b(**change):
    return replace(design.worked_spec()[1], **change)


def _sharing(tokens):
    """Users of 8,000 tokens on B, when that many are shared."""
    return capacity.max_concurrent(_b(), 8000, shared_prefix_tokens=tokens)


def _pool_and_prefix():
    books = capacity.ledger(_b(), context_tokens=8000, shared_prefix_tokens=6000)
    pool, prefix, each = (
        gib(size) for size in (books.kv_pool_bytes, books.prefix_bytes, books.kv_bytes_per_sequence)
    )
    return f"On a card: ({pool} of pool - {prefix} of shared prompt) / {each} of each user's own."


def _latent_gb(copies=8, elements=576, size=1):
    """Cache of 8,000 tokens of DeepSeek-V3 over eight cards [GB]."""
    return catalog.model("deepseek-v3").layers * elements * size * 8000 * copies / 1e9


def _window_tokens(release="vllm-0.33"):
    """Tokens that a window of Gemma 3 27B reserves with 2,048 tokens a step."""
    d = catalog.deployment(
        model="gemma-3-27b", gpu="h100-sxm", engine=release, max_num_batched_tokens=2048
    )
    cut = capacity.layout(d)
    (window,) = (replace(kind, groups=1) for kind in cut.kinds if kind.name == "window")
    return replace(cut, kinds=(window,)).blocks(32_000) * window.block_tokens


LONGEST = 31_800


def small_card(max_num_seqs, release="vllm-0.16"):
    """Ledger of Llama-3.1-8B on an RTX 3090, for requests of up to 31,800 tokens."""
    d = catalog.deployment(
        model="llama-3.1-8b",
        gpu="rtx-3090",
        engine=release,
        memory_fraction=0.95,
        max_model_len=LONGEST,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=2048,
    )
    return capacity.ledger(d, context_tokens=LONGEST)


def most_seqs(release="vllm-0.16"):
    """The largest max_num_seqs with which that card starts."""
    limits = range(1, 2049)
    return bisect_left(limits, True, key=lambda n: not small_card(n, release).starts)


def _seqs_without_request():
    """The same where no room is kept for a request."""
    limits = range(1, 2049)
    return bisect_left(limits, True, key=lambda n: small_card(n).kv_pool_bytes < 0)


def _a_sequence():
    books = small_card(64)
    room, need, more = (
        gib(size)
        for size in (
            books.kv_pool_bytes,
            books.least_room_bytes,
            books.kv_pool_bytes - books.least_room_bytes,
        )
    )
    return (
        f"With 64 sequences {room} are left and the request needs {need}. {more} remain, at "
        "128,256 x 38 bytes for each further sequence."
    )


def cards_for(users, context):
    """The fewest cards of B's kind that hold so many users."""
    return next(n for n in (1, 2, 4, 8) if capacity.max_concurrent(_b(tp=n), context) >= users)


EXERCISES = {
    "3.1": Exercise(
        expected=lambda: _kv_gb("qwen3-32b", "bf16", 32_000),
        unit="GB",
        hints=(
            "Begin with one token, as section 6 does. Which heads count?",
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
            "Users times context is a constant of A. Section 7 prints it.",
            "Users x context = pool / KV per token. Take the pool from the ledger of A at 0.98.",
            lambda: _pool_by_token(_a98()),
        ),
        mistakes={
            "That is the context of one user with the whole pool.": (lambda: _longest(_a98(), 1)),
            "That is a cache in BF16. A's is in FP8, one byte a number.": (
                lambda: _longest(_a98(kv=catalog.format("bf16")), 16)
            ),
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
            "Section 4 has the formula. Which of the two batch limits is in it?",
            "max_num_seqs x vocabulary x bytes a logit. Section 4 asks for those of 0.16.",
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
    "3.5": Exercise(
        expected=lambda: _sharing(6000),
        unit="users",
        tolerance=0.01,
        hints=(
            "Which part of the cache is stored once, and which part by everybody?",
            "(pool - shared prompt) / what a user has of its own. Then cut to whole users.",
            _pool_and_prefix,
        ),
        mistakes={
            "That stores the prompt anew for each user.": lambda: _sharing(0),
            "That forgets to store the prompt at all: once it must be there.": (
                lambda: capacity.max_concurrent(_b(), 2000)
            ),
            "That divides by the 6,000 tokens that are shared. Divide by the others.": (
                lambda: capacity.max_concurrent(_b(), 6000)
            ),
            "That adds both cards' pools, but a user's cache lies on both cards too.": (
                lambda: 2 * _sharing(6000)
            ),
        },
    ),
    "3.6": Exercise(
        expected=_latent_gb,
        unit="GB",
        hints=(
            "Section 9 says what one token of DeepSeek-V3 leaves in a layer. Who keeps it?",
            "layers x (512 + 64) x bytes x tokens, and a copy on each card.",
            "61 x 576 x 1 byte x 8,000 tokens x 8 cards.",
        ),
        mistakes={
            "That is one copy. Tensor parallelism keeps one on each card.": lambda: _latent_gb(1),
            "That leaves out the 64 numbers of position beside the latent vector.": (
                lambda: _latent_gb(elements=512)
            ),
            "That is a cache in BF16.": lambda: _latent_gb(size=2),
        },
    ),
    "3.7": Exercise(
        expected=_window_tokens,
        unit="tokens",
        hints=(
            "Section 10 has the rule. How many batches are in flight since vLLM 0.26?",
            "window - 1 + two batches, rounded up to blocks of 16, and one block more.",
            "1,023 + 2 x 2,048 tokens.",
        ),
        mistakes={
            "That is the window alone. Tokens that a batch still writes are kept too.": (
                lambda: 1024
            ),
            "That has one batch in flight. Since 0.26 a second one is prepared.": (
                lambda: _window_tokens("vllm-0.19")
            ),
            "That takes the limit of an H100, 8,192 tokens a step. Here it is 2,048.": (
                lambda: 1089 * 16
            ),
            "That is the whole sequence, as a full layer keeps it.": lambda: 32_000,
        },
    ),
    "3.8": Exercise(
        expected=most_seqs,
        unit="users",
        tolerance=0.003,  # hint 3, rounded, is one off; with 1% more the card does not start
        hints=(
            "What must be left when the batch has had its share?",
            "(room with few sequences - one request) / bytes of sampling for a sequence, and add "
            "the few.",
            _a_sequence,
        ),
        mistakes={
            "That leaves no room for the request itself.": _seqs_without_request,
            "That takes 14 bytes a logit, as releases from 0.17 on do.": (
                lambda: most_seqs("vllm-0.17")
            ),
            "That is what the freed memory pays for. Add the 64 that are there already.": (
                lambda: most_seqs() - 64
            ),
        },
    ),
    "3.9": Exercise(
        expected=lambda: cards_for(40, 16_000),
        unit="cards",
        hints=(
            "How many tokens do all users hold together, and how many bytes is that?",
            "pool = cards x (budget - overhead) - weights. Then ask how 64 heads can be split.",
            "640,000 tokens x 163,840 bytes are 97.7 GiB. A card adds about 65 GiB after its "
            "overhead, and the weights take 67.7 GiB once.",
        ),
        mistakes={
            "That holds 40 users of 8,000 tokens. These have twice the context.": (
                lambda: cards_for(40, 8000)
            ),
            "Three have the bytes, but 64 heads are not split in three: tensor parallelism takes "
            "1, 2, 4 or 8 cards.": lambda: 3,
            "That is enough, and twice what is needed.": lambda: 8,
        },
    ),
}
