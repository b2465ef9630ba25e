"""The format of a model's copy that cards hold, where they do not hold it as released."""

from dataclasses import replace

from .. import capacity, catalog
from ..spec import Deployment
from .space import FOUR_BITS, HOME, HOME_FORMATS, needed_engine

HELD = 0.9  # of a card: the weights, beside what an engine keeps and a cache
EIGHT_BITS = "fp8"


def held_format(deployment: Deployment, context_tokens: int) -> str:
    """Name the format of a copy that people run on cards, where nobody says one.

    Parameters
    ----------
    deployment : Deployment
        The model as released, on its cards.
    context_tokens : int
        Prompt and answer of a user [tokens].

    Returns
    -------
    str
        The model's own where it fits; four bits on a desk, and FP8 on cards of a data centre that
        compute it, where 16 bits do not start and FP8 does.

    Examples
    --------
    >>> qwen = {"model": "qwen3-32b"}
    >>> [held_format(catalog.deployment(**qwen, gpu=n), 8000) for n in ("h100-sxm", "rtx-4090")]
    ['bf16', 'int4-awq']
    """
    card, own = deployment.gpu, catalog.format(deployment.model.native_format)
    if card.place == "desk":
        room = HELD * deployment.num_gpus * card.memory_visible_bytes * card.memory_usable_share
        wide = own.element_bits >= 8 and deployment.model.params * own.bytes_per_element > room
        four = HOME_FORMATS[-1] if needed_engine(card) == HOME else FOUR_BITS
        return four if wide else own.name
    eight = catalog.format(EIGHT_BITS)
    computed = card.computes(eight)
    if own.element_bits != 16 or not computed or computed[0] != eight.name:
        return own.name
    as_released = _starts(replace(deployment, weights=own), context_tokens)
    fits = not as_released and _starts(replace(deployment, weights=eight), context_tokens)
    return eight.name if fits else own.name


def _starts(deployment: Deployment, context_tokens: int) -> bool:
    """Whether one user starts, as far as is known."""
    books = capacity.ledger(deployment, context_tokens=context_tokens, concurrency=1)
    return books.start in (capacity.YES, capacity.LIKELY)
