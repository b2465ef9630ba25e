"""Cards of the catalogue, those of one's own, and the rent of each."""

from functools import cache
from typing import Any

from ...refuse import BadInput, shown
from ...spec import Gpu
from .. import cards, names
from ..tables import OWN_CARDS, key, known, named, table


def gpus() -> tuple[str, ...]:
    """List the names of all cards.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "h200-sxm" in gpus()
    True
    """
    return tuple(sorted(table("gpus")["gpus"]))


def gpu(name: str) -> Gpu:
    """Look up a card.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue, a card as tools, shops and clouds print it
        (`names.card`), a chip with a memory ("apple-m3-max-64gb"), or unequal cards in one box
        ("rtx-5090+rtx-4090", `cards.together`).

    Returns
    -------
    Gpu
        The card, with the catalogue's reference price as its rent.

    Raises
    ------
    BadInput
        When the name is unknown, or leaves several cards open.

    Examples
    --------
    >>> gpu("h100-sxm").memory_visible_bytes / 2**20
    81559.0
    >>> gpu("NVIDIA H100 80GB HBM3").name
    'h100-sxm'
    """
    if isinstance(name, str) and key(name) in OWN_CARDS:
        return OWN_CARDS[key(name)]
    return _gpu(card_name(name))


@cache
def _gpu(name: str) -> Gpu:
    if "+" in name:
        parts = (one for found in names.cards(name) for one in [found.name] * max(found.count, 1))
        return cards.together(name, tuple(gpu(part) for part in parts))
    price = reference_price(name)
    return cards.of_record(name, cards.record(name), price["usd_h"] if price else 0.0)


def card_name(name: object) -> str:
    """Give the catalogue's name of a card.

    Parameters
    ----------
    name : str
        A card as people write it.

    Returns
    -------
    str
        The name of its record, or several joined by "+".

    Raises
    ------
    BadInput
        When no card has that name, or several do: the message says what to choose.

    Examples
    --------
    >>> card_name("NVIDIA H100 80GB HBM3")
    'h100-sxm'
    """
    if not isinstance(name, str):
        return named("gpus", "gpu", name)
    if key(name) in known("gpus"):
        return known("gpus")[key(name)]
    found = names.card(name)
    if found.name:
        return found.name
    if found.choices:
        choices = f"{', '.join(found.choices[:-1])} or {found.choices[-1]}"
        raise BadInput("gpu", f"gpu {shown(name)} leaves the card open: it takes {choices}.")
    memory = names.memory_of(name)
    if memory:
        raise BadInput("gpu", f"gpu {shown(name)} is not known: {memory}.")
    near = names.nearest(name)
    if not near:
        return named("gpus", "gpu", name)
    raise BadInput("gpu", f"gpu {shown(name)} is not known. Did you mean {' or '.join(near)}?")


def read_gpu(text: str) -> Gpu:
    """Read a card of one's own from a file in TOML or JSON; `cards.read_gpu` has an example.

    Parameters
    ----------
    text : str
        The file's content: the fields of a `Gpu`, in SI units.

    Returns
    -------
    Gpu
        The card.

    Raises
    ------
    BadInput
        When it is no such file, a field is missing, unknown or out of range.

    Examples
    --------
    >>> read_gpu(gpu_file("l4")).name
    'l4'
    """
    return cards.read_gpu(text)


def gpu_file(name: str) -> str:
    """Write a card as a file to start one's own from.

    Parameters
    ----------
    name : str
        The card, as `gpu` takes it.

    Returns
    -------
    str
        TOML that `read_gpu` reads.

    Raises
    ------
    BadInput
        When the name is unknown, or is of several cards.

    Examples
    --------
    >>> print(gpu_file("l4").splitlines()[0])
    name = "l4"
    """
    card = gpu(name)
    if card.parts:
        raise BadInput("gpu", f"gpu {shown(name)} is {len(card.parts)} cards: a file takes one.")
    return cards.as_file(card)


def add_gpu(gpu: Gpu) -> None:
    """Let a card of one's own be found by its name, as long as this process runs.

    Parameters
    ----------
    gpu : Gpu
        The card, as `read_gpu` has it.

    Examples
    --------
    >>> add_gpu(read_gpu(gpu_file("l4").replace('"l4"', '"my-l4"', 1)))
    >>> gpu("my-l4").power_w
    72
    """
    cards.add(gpu)


def reference_price(name: str) -> dict[str, Any] | None:
    """Look up the rent assumed for a card when none is given.

    Parameters
    ----------
    name : str
        The card's name.

    Returns
    -------
    dict or None
        Price record with provider, term, usd_h [USD/h], date and source; None when the
        catalogue has no reference price.

    Examples
    --------
    >>> reference_price("h100-sxm")["usd_h"] > 0
    True
    """
    for row in table("prices")["price"]:
        if row["gpu"] == name and row.get("reference"):
            return row
    return None


def passing_price(gpu: Gpu) -> dict[str, Any] | None:
    """Look up the price behind a card's rent where nobody sells it on demand.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    dict or None
        Price record, as `reference_price` has it; None for a rent on demand, for one of the
        reader's own, and where there is none.

    Examples
    --------
    >>> passing_price(gpu("mi355x"))["term"], passing_price(gpu("mi300x"))
    ('spot', None)
    """
    price = reference_price(gpu.name)
    kept = price is None or price["term"] == "on-demand" or price["usd_h"] != gpu.usd_h
    return None if kept else price
