"""Predictions of chapter 3."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog, design

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
        "Tokens of cache that a layer with a window of 1,024 tokens reserves",
        window_reserve,
        "The window, a batch that is in flight and one that is prepared: what they write is kept "
        "until the window has moved past it.",
        unit="tokens",
    ),
}
