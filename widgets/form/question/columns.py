"""Deployments of a question that stand side by side, as columns or as before and after."""

from itertools import product
from typing import Any

from llmcap_kernel import catalog
from llmcap_kernel.address import LETTERS
from llmcap_kernel.design.held import EIGHT_BITS

from .deployment import deployment


def side_by_side(question, models, cards):
    """List what stands side by side: each model on each cards, with each engine and format.

    Parameters
    ----------
    question : Question
        What it says.
    models, cards : list
        Its models and cards, as names or as titles.

    Returns
    -------
    list of tuple
        A model, cards, and what else a side has by input; None for what is not named. As many as
        there are columns.
    """
    if sides := _fleets(question.numbers, models, cards):
        return sides[: len(LETTERS)]
    others = {name: (question.numbers[name], *more) for name, more in question.also.items()}
    of_cards = {
        name: dict(zip(cards, question.numbers.get(each, ()), strict=True))
        for name, each in (("usd", "rents"), ("weights", "formats"))
        if len(question.numbers.get(each, ())) == len(cards)
    }
    every = product(models or [None], cards or [None], *others.values())
    sides = [
        (
            model,
            card,
            dict(zip(others, rest, strict=True))
            | {name: each[card] for name, each in of_cards.items() if card in each},
        )
        for model, card, *rest in every
    ]
    return sides[: len(LETTERS)]


def _fleets(numbers, models, cards):
    """The sides of "2 replicas TP 2 vs one TP 4", each with its split."""
    sides = numbers.get("fleets", ())
    splits = [{"tp": str(tp), "pp": str(pp)} if pp else {} for _, tp, pp in sides]
    if len(splits) != len(cards):
        return []
    model = models[0] if models else None
    return [(model, card, split) for card, split in zip(cards, splits, strict=True)]


def columns(question, state):
    """Make the inputs of columns: each named model on each named cards, up to four.

    Parameters
    ----------
    question : Question
        What it says.
    state : dict
        A complete state.

    Returns
    -------
    dict
        Values by input. One deployment is the first column; a model or cards alone are of all.
    """
    sides = side_by_side(question, question.models, question.cards)
    values: dict[str, Any] = {"columns": len(sides)} if len(sides) > 1 else {}
    if len(sides) == 1 and not sides[0][1]:
        sides *= state["columns"]
    for letter, (model, card, other) in zip(LETTERS, sides, strict=False):
        values |= deployment(model, card, question.numbers | other, state, f"{letter}.")
    return values if "weights" in question.numbers else values | _alike(values)


def before_and_after(question, state):
    """Make the inputs of deployments side by side, in one format.

    Parameters
    ----------
    question : Question
        What it says.
    state : dict
        A complete state of one deployment.

    Returns
    -------
    list of dict
        Values by input, of each.
    """
    every = side_by_side(question, question.models, question.cards)
    sides = dict(zip(LETTERS, every, strict=False))
    values: dict[str, Any] = {}
    for letter, (model, card, other) in sides.items():
        side = deployment(model, card, question.numbers | other, state)
        values |= {f"{letter}.{name}": value for name, value in side.items()}
    values |= {} if "weights" in question.numbers else _alike(values)
    return [{k[2:]: v for k, v in values.items() if k[0] == letter} for letter in sides]


def _alike(values):
    """FP8 in every column of a model that one of them takes so for want of room."""
    models = {k[:2]: v for k, v in values.items() if k.endswith(".model")}
    eight = catalog.format(EIGHT_BITS)
    released = {side: catalog.model(model).native_format for side, model in models.items()}
    taken = {side: values[f"{side}weights"] for side in models}
    small = {models[x] for x in models if taken[x] == eight.name != released[x]}
    larger = [x for x in models if models[x] in small and taken[x] == released[x]]
    gpus = {x: values.get(f"{x}gpu") for x in larger}
    computed = {x: catalog.gpu(gpu).computes(eight) for x, gpu in gpus.items() if gpu}
    return {
        f"{x}weights": eight.name for x, how in computed.items() if how and how[0] == EIGHT_BITS
    }
