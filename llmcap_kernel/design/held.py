"""The weight format to assume on some cards, where the released one does not fit."""

from dataclasses import replace
from math import ceil

from .. import capacity, catalog
from ..spec import Deployment
from .space import FOUR_BITS, HOME, HOME_FORMATS, needed_engine

HELD = 0.9  # share of a card's memory for weights; the rest is the engine's and the cache
EIGHT_BITS = "fp8"
FEW = 8  # room for fewer than one in so many of the users is of no use


def held_format(deployment: Deployment, context_tokens: int, users: int = 1) -> str:
    """Choose the weight format that people run on such cards, where none is given.

    Parameters
    ----------
    deployment : Deployment
        The model as released, on its cards.
    context_tokens : int
        Prompt and answer of a user [tokens].
    users : int
        Users who ask at once.

    Returns
    -------
    str
        The model's own where it fits; four bits on a desk, and FP8 on cards of a data centre that
        compute it, where 16 bits do not start, or leave few users room, and FP8 starts.

    Examples
    --------
    >>> qwen = {"model": "qwen3-32b"}
    >>> [held_format(catalog.deployment(**qwen, gpu=n), 8000) for n in ("h100-sxm", "rtx-4090")]
    ['bf16', 'int4-awq']
    """
    card, native = deployment.gpu, catalog.format(deployment.model.native_format)
    if card.place == "desk":
        room = HELD * deployment.num_gpus * card.memory_visible_bytes * card.memory_usable_share
        too_large = (
            native.element_bits >= 8 and deployment.model.params * native.bytes_per_element > room
        )
        four_bits = HOME_FORMATS[-1] if needed_engine(card) == HOME else FOUR_BITS
        return four_bits if too_large else native.name
    eight_bits = catalog.format(EIGHT_BITS)
    compute = card.computes(eight_bits)
    if native.element_bits != 16 or not compute or compute[0] != eight_bits.name:
        return native.name
    as_released = _holds(replace(deployment, weights=native), context_tokens, ceil(users / FEW))
    fits = not as_released and _holds(replace(deployment, weights=eight_bits), context_tokens, 1)
    return eight_bits.name if fits else native.name


def _holds(deployment: Deployment, context_tokens: int, users: int) -> bool:
    """Say whether the engine starts, or likely starts, and so many users have room."""
    ledger = capacity.ledger(deployment, context_tokens=context_tokens, concurrency=1)
    starts = ledger.start in (capacity.YES, capacity.LIKELY)
    return starts and (users <= 1 or ledger.max_concurrent >= users)
