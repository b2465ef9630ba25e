"""A card of the reader's own: a file pasted where a config.json goes, kept in the address."""

import re
from functools import lru_cache

from llmcap_kernel import catalog
from llmcap_kernel.catalog.cards import FIELDS
from llmcap_kernel.refuse import BadInput

from . import packed

PREFIX = "own:"  # what the value of an input begins with whose card is no name
MAX_CODE = 4_000
FIELD = re.compile(r'"?(memory_visible_bytes|bandwidth_bytes_s|flop_s)"?\s*[\]=:]')


def is_card(text):
    """Say whether a pasted text is a card's file.

    Parameters
    ----------
    text : object
        What was pasted.

    Returns
    -------
    bool
        Whether it has fields that only cards have.

    Examples
    --------
    >>> is_card(catalog.gpu_file("l4")), is_card('{"model_type": "llama"}')
    (True, False)
    """
    return isinstance(text, str) and len(set(FIELD.findall(text))) > 1


def is_own(value):
    """Say whether the value of an input is a card of the reader's own.

    Parameters
    ----------
    value : object
        Of a state, or from an address.

    Returns
    -------
    bool
        Whether it is a code, not a name.

    Examples
    --------
    >>> is_own("h100-sxm")
    False
    """
    return isinstance(value, str) and value.startswith(PREFIX)


@lru_cache(maxsize=64)
def card(value):
    """Look up the card that an input holds.

    Parameters
    ----------
    value : str
        A name of the catalogue, or the code of a card's file.

    Returns
    -------
    Gpu
        The card.

    Raises
    ------
    BadInput
        When it is neither.

    Examples
    --------
    >>> card("l4").name, card(code(catalog.gpu_file("l4"))).bandwidth_bytes_s
    ('l4', 300000000000.0)
    """
    if not is_own(value):
        return catalog.gpu(value)
    try:
        text = packed.unpack(value.removeprefix(PREFIX)[:MAX_CODE])
    except BadInput:
        raise BadInput("gpu", "gpu is a code that was cut: it takes the whole link.") from None
    return catalog.read_gpu(text)


def code(text):
    """Write a card's file as the value of an input.

    Parameters
    ----------
    text : str
        TOML or JSON with the fields of a card.

    Returns
    -------
    str
        What `card` reads, and an address carries.

    Raises
    ------
    BadInput
        When it is no card.
    """
    one = catalog.read_gpu(text)
    fields = {name: getattr(one, name) for name in FIELDS} | {"flop_s": dict(one.flop_s)}
    return PREFIX + packed.pack(packed.canonical(fields))


def inputs(text, state, prefix=""):
    """Read the card of a pasted file.

    Parameters
    ----------
    text : str
        The file.
    state : dict
        A complete state, of which nothing is needed.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        The card by its input, and what to say of it.

    Raises
    ------
    BadInput
        When it is no card.
    """
    try:
        value = code(text)
    except BadInput as problem:
        raise BadInput("config", f"The card file is of no use here: {problem}") from None
    one = card(value)
    return {f"{prefix}gpu": value}, [f"The card is {one.title}, of the file"]


def with_own_card(values, state, prefix=""):
    """Keep the reader's card where inputs were read that name it.

    Parameters
    ----------
    values : dict
        Inputs as read.
    state : dict
        The state before.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    dict
        The same, with the card's code for its name.
    """
    before = state[f"{prefix}gpu"]
    if is_own(before) and values[f"{prefix}gpu"] == card(before).name:
        return values | {f"{prefix}gpu": before}
    return values
