"""One's own card or laptop, where a question says its memory or its place and no name."""

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.design.held import HELD
from llmcap_kernel.design.space import FOUR_BITS
from llmcap_kernel.refuse import BadInput

from .. import lists

LEAST_GB = 16  # of what people buy to run models at home


def own_machine(models, numbers):
    """Take a card for a desk where only its memory or its place is said, the least that will do.

    Parameters
    ----------
    models : list of str
        The models that it is to hold.
    numbers : dict
        What a question says, by the input's name.

    Returns
    -------
    tuple of str and str
        The card's name, and why it was taken.

    Raises
    ------
    BadInput
        Where no card is known that has the memory, or holds the models.

    Examples
    --------
    >>> own_machine(["qwen3-8b"], {"memory": "24"})[1][:39]
    'Which card of 24 GB is meant is not sai'
    """
    gb, laptop = int(numbers.get("memory", 0)), "laptop" in numbers
    where = "laptop" if laptop else "card"
    cards = [one for one in map(catalog.gpu, catalog.gpus()) if _is_own(one, laptop)]
    fitting = _of_memory(gb, cards, laptop) if gb else _that_hold(models, cards)
    if not fitting:
        what = f"has {gb} GB" if gb else "holds the model in four bits"
        raise BadInput(
            "question", f"No {where} for a desk known here {what} alone: name the cards."
        )
    least = min(fitting, key=lambda one: (one.memory_sold_bytes, one.bandwidth_bytes_s))
    which = f"Which {where}{f' of {gb} GB' * bool(gb)} is meant is not said"
    how = "the slowest of them" if gb else "the least that holds it in four bits"
    title = lists.listed_title(least.name)
    return least.name, f"{which}: {title} is taken, {how}. Name a card for another."


def _of_memory(gb, cards, laptop):
    """The cards that are sold with a memory; Macs where no other is, or in laptops."""
    sized = [one for card in cards for one in _sized(card, gb)]
    return [one for one in sized if laptop or not one.unified_memory] or sized


def _that_hold(models, cards):
    """The cards that hold the weights of the largest model in four bits."""
    four = catalog.format(FOUR_BITS).bytes_per_element
    weights_bytes = four * max(catalog.model(name).params for name in models)
    room = [(one, HELD * one.memory_visible_bytes * one.memory_usable_share) for one in cards]
    return [
        one
        for one, room_bytes in room
        if room_bytes > weights_bytes and one.memory_sold_bytes >= LEAST_GB * 1e9
    ]


def _is_own(card, laptop):
    """Whether people have a card at home, or in a laptop, and run models on it."""
    if card.place != "desk" or card.name.startswith(("jetson", "orin")):
        return False
    portable = card.name.endswith("-laptop") or "-laptop-" in card.name
    if card.vendor == "apple":
        return not laptop or "ultra" not in card.name
    return portable == laptop and not (laptop and card.unified_memory)


def _sized(card, gb):
    """A card where it is sold with a memory, as Macs are with several."""
    if is_sold_with(card.name, gb):
        return [card]
    name = names.card(f"{card.name} {gb}gb").name if card.unified_memory else ""
    one = catalog.gpu(name) if name else card
    return [one] if round(one.memory_sold_bytes / 1e9) == gb else []


def is_sold_with(name, gb):
    """Say whether a card is sold with a memory.

    Parameters
    ----------
    name : str
        The card's.
    gb : int
        The memory [GB].

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> is_sold_with("rtx-4090", 24)
    True
    """
    return round(catalog.gpu(name).memory_sold_bytes / 1e9) == gb
