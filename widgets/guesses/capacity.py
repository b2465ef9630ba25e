"""Predictions of chapter 3."""

from dataclasses import replace

from llmcap_kernel import capacity, design

from .record import Guess


def room_of_two():
    """Room for cache on B's two cards over that on A's one, both at a fraction of 0.98."""
    one, two = (
        n * capacity.ledger(replace(d, memory_fraction=0.98), context_tokens=8000).kv_pool_bytes
        for n, d in zip((1, 2), design.worked_spec(), strict=False)
    )
    return two / one


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
}
