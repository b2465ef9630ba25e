"""Predictions of chapter 3."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, law

from .record import Guess


def room_of_two():
    """Room for cache on B's two cards over that on A's one, both at a fraction of 0.98."""
    one, two = (
        n * capacity.ledger(replace(d, memory_fraction=0.98), context_tokens=8000).kv_pool_bytes
        for n, d in zip((1, 2), design.worked_spec(), strict=False)
    )
    return two / one


def window_reserve():
    """Tokens that a window's layer of Gemma 3 27B reserves in a sequence of 32,000 on one H100."""
    cut = capacity.layout(catalog.deployment(model="gemma-3-27b", gpu="h100-sxm"))
    windows = replace(cut, kinds=tuple(kind for kind in cut.kinds if kind.name == "window"))
    return windows.blocks(32_000) / windows.groups * windows.kinds[0].block_tokens


def sampling_gb():
    """What sampling takes of Llama-3.1-8B with 1,024 sequences under vLLM 0.16 [GB]."""
    d = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-3090", engine="vllm-0.16", max_num_seqs=1024
    )
    return capacity.sampling_bytes(d) / 1e9


def token_on_eight(name):
    """Cache of a token on each of eight cards, in FP8 [bytes]."""
    return law.kv_bytes_per_sequence(catalog.model(name), catalog.format("fp8"), 1, tp=8)


EIGHT = {"Llama-3.1-70B": "llama-3.1-70b", "DeepSeek-V3": "deepseek-v3"}

GUESSES = {
    "3.1": Guess(
        "Users of 8,000 tokens that A holds at 0.90",
        lambda: capacity.max_concurrent(design.worked_spec()[0], 8000),
        "Weights and overhead are larger than what the engine may take, so it does not start.",
        unit="users",
    ),
    "3.2": Guess(
        "Room for cache on B, as a multiple of A's",
        room_of_two,
        "At 0.98, where A has any room: the first card pays for the weights, the second for users.",
        unit="times",
    ),
    "3.3": Guess(
        "Tokens of cache for which a layer with a window of 1,024 tokens needs room",
        window_reserve,
        "The window, a batch that is in flight and one that is prepared: what they write is kept "
        "until the window has moved past it.",
        unit="tokens",
    ),
    "3.4": Guess(
        "Memory to pick the next token of 1,024 sequences at once",
        sampling_gb,
        "Each sequence has a score for each of 128,256 tokens, and 0.16 sorts them in copies.",
        unit="GB",
    ),
    "3.5": Guess(
        "The context doubles. What part of the users still fits, before rounding down?",
        lambda: "half",
        "Users times context is the size of the cache, and the cache has not changed.",
        unit="users",
        options=("half", "a third", "a quarter"),
        drawn=lambda: {
            f"{x:,} tokens": smooth
            for x, _, smooth in capacity.cliff(
                replace(design.worked_spec()[0], memory_fraction=0.98), (4000, 8000)
            )
        },
    ),
    "3.6": Guess(
        "Split over eight cards, whose token takes more cache on each?",
        lambda: max(EIGHT, key=lambda label: token_on_eight(EIGHT[label])),
        "Llama's eight heads are split over the cards. DeepSeek's one vector is copied to each.",
        unit="bytes",
        options=tuple(EIGHT),
        drawn=lambda: {label: token_on_eight(name) for label, name in EIGHT.items()},
    ),
}
