"""What a question is told that names nothing here, or asks for what nobody can serve."""

import difflib
import re

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput, shown

from .. import lists
from .left_out import OF_ITS_OWN
from .unknown import refusal

EMPTY = "Type a question, such as Qwen3-32B on two H200, 32K context."


def possible(question):
    """Refuse a question with a number or a model that nothing serves.

    Parameters
    ----------
    question : Question
        What it says.

    Returns
    -------
    Question
        The same.

    Raises
    ------
    BadInput
        Where there is one.
    """
    numbers = question.numbers
    for kind in ("card", "model"):
        if name := numbers.get(f"unknown {kind}"):
            raise BadInput("question", refusal(name, kind))
    for name in ("processor",) * (not question.cards) + ("closed",) * (not question.models):
        if name in numbers:  # what stands on the page is no answer of it
            raise BadInput("question", OF_ITS_OWN[name].format(numbers[name]))
    if "no model" in numbers and not question.models:
        raise BadInput("question", OF_ITS_OWN["no model"].format(numbers["no model"]))
    if "absurd" in numbers:
        raise BadInput(
            "question",
            f"{shown(numbers['absurd'])} is nothing that is served or met: write a number above "
            "zero, or leave it out.",
        )
    return question


def nothing_known(text):
    """Say of a question that means nothing here what one is made of, and the nearest name.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> nothing_known("quen3-8b")[62:90]
    'Did you mean qwen3-8b or qwe'
    """
    unknown = f"{shown(text.strip())} names no model, card or number that is known here."
    memory = re.search(r"(\d+)\s*(?:gb|gigs?)\b", text, re.I)
    if memory and (cards := " or ".join(_desk_cards(int(memory[1])))):
        return f"{unknown} Several cards have {memory[1]} GB: name one, such as {cards}."
    numbered = [word for word in re.findall(r"[\w.-]*\d[\w.-]*", text) if len(word) > 1][:1]
    names = [name for word in numbered for name in _near(word)]
    hint = f" Did you mean {' or '.join(names)}?" if names else ""
    return f"{unknown}{hint} A question is such as: Qwen3-32B on two H200, 32K context."


def _desk_cards(gb):
    """Titles of a few cards for a desk that are sold with a memory, the most bandwidth first."""
    every = (catalog.gpu(name) for name in catalog.gpus())
    cards = [gpu for gpu in every if gpu.place == "desk" and not gpu.unified_memory]
    cards = [gpu for gpu in cards if round(gpu.memory_sold_bytes / 1e9) == gb]
    cards.sort(key=lambda gpu: -gpu.bandwidth_bytes_s)
    return [lists.listed_title(gpu.name) for gpu in cards[:2]]


def _near(word):
    """Names of the catalogue that are spelled nearly so."""
    every = [*catalog.models(), *catalog.gpus()]
    return list(dict.fromkeys(difflib.get_close_matches(word.lower(), every, 3, 0.6)))
