"""What a search of Design may choose from where a question names it."""

import re
from math import ceil
from typing import Any

from llmcap_kernel import catalog

from .defaults import ALONE
from .fields import ANY, CARDS

NO_CARDS = "Which model is answered for cards that are named, as in: which models run on one H100."
WHICH_MODEL = re.compile(
    r"\b(?:what|which|best|biggest|largest)\b(?=.*\b(?:run|runs|fit|fits|models?|llms?|host|serve)\b)",
    re.I,
)
OF_A_LOAD = {"users", "rate", "in", "out", "ctx", "itl", "ttft"}


def candidates(question, text):
    """Make the inputs of a search: one model or any, and only the cards that are named.

    Parameters
    ----------
    question : Question
        What it says.
    text : str
        As it was typed.

    Returns
    -------
    dict
        Values by input.
    """
    values: dict[str, Any] = {}
    numbers, cards = question.numbers, question.cards
    if question.models:
        values["model"] = question.models[0]
    if "engine" in numbers:
        values["engine"] = numbers["engine"]
    if not cards:
        return values | ({CARDS: None} if "which cards" in numbers else {})
    values[CARDS] = ",".join(dict.fromkeys(name for name, _ in cards))
    values["vendor"] = ANY
    # "two H100" are all there are of them; "H100" is which
    split = int(numbers.get("tp", 1)) * int(numbers.get("pp", 1))
    most = max(split, *(n for _, n in cards))
    values["tp"] = most if most > 1 else None
    nodes = max(ceil(n / catalog.gpu(name).max_per_node) for name, n in cards)
    values |= {"nodes": nodes} if nodes > 1 else {}
    if not question.models and WHICH_MODEL.search(text):
        values["model"], values["tp"] = ANY, most
        at_a_desk = all(catalog.gpu(name).place == "desk" for name, _ in cards)
        values |= ALONE if at_a_desk and not numbers.keys() & OF_A_LOAD else {}
    return values
