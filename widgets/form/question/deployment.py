"""The deployment of a question: model, cards, split, formats and engine."""

import re
from math import ceil
from typing import Any

from llmcap_kernel import catalog, design
from llmcap_kernel.design import split
from llmcap_kernel.design.space import HOME, HOME_FORMATS
from llmcap_kernel.refuse import BadInput, typed_number

from .. import following, meaning, presets
from .load import context
from .patterns import SETTINGS

STATED = ("weights", "kv", "engine", "usd", *SETTINGS)
NOTHING_SPREAD = {"ep": False, "dp": False}  # neither experts nor users over cards


def deployment(model, card, numbers, state, prefix=""):
    """Make the inputs of a deployment; what is not named begins as an engine has it.

    Parameters
    ----------
    model : str or None
        Its name; None for the one that stands there.
    card : tuple of str and int, or None
        Its name, and how many; None for those that stand there.
    numbers : dict
        What else a question says, by the input's name.
    state : dict
        A complete state.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    dict
        Values by input.
    """
    values = _begun(model, card, state, prefix)
    named = _split_as_named(numbers, values) | _format_of_bits(numbers, values)
    named |= _spread(numbers, values | named)
    values |= {k: numbers[k] for k in STATED if k in numbers} | named
    if model and "weights" not in numbers:
        values["weights"] = _format_that_fits(values, numbers, state, prefix)
    if "engine" not in values and _at_home(values):
        values["engine"] = HOME
        values["kv"] = numbers.get("kv", presets.ON_LAPTOP["kv"])
    split_named = numbers.keys() & {"tp", "pp"}
    if prefix + "pp" in state and values.get("tp") and is_home(values) and not split_named:
        whole = values["tp"] * values["pp"]  # by layers, unless it is told to split each
        values |= {"pp": whole, "tp": 1} | NOTHING_SPREAD
    return {prefix + k: v for k, v in values.items() if prefix + k in state}


def _begun(model, card, state, prefix):
    """A model in the format it is released in, split over so many cards as engines advise."""
    values: dict[str, Any] = {}
    if model or card:
        values |= {"pp": 1} | NOTHING_SPREAD | presets.AS_UNTOLD
    if model:
        values |= {"model": model, "config": None, "weights": catalog.model(model).native_format}
    if card:
        values["gpu"], values["tp"] = card
        chosen = catalog.model(model) if model else meaning.chosen_model(state, prefix)
        values |= _split(card[1], chosen, catalog.gpu(card[0])) if chosen else {}
    return values


def _split(count, model, gpu):
    """How so many cards split a model, as the inputs spell it."""
    over = split.split(count, model, gpu)
    whole = {"ep": "ep" in over, "dp": over.get("dp_attention", False)}
    return {"tp": over["tp"], "pp": over["pp"]} | whole


def _split_as_named(numbers, values):
    """The split that a question names, the cards that are left over in stages."""
    if not numbers.keys() & {"tp", "pp"}:
        return {}
    cards = values.get("tp", 1) * values.get("pp", 1)
    tp, pp = (int(numbers.get(name, 0)) for name in ("tp", "pp"))
    tp = tp or max(cards // pp, 1)
    return {"tp": tp, "pp": pp or max(cards // tp, 1)} | NOTHING_SPREAD


def spread_over(numbers):
    """Say over how many cards a question spreads experts, or users.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.

    Returns
    -------
    int
        Their number; 0 where it is not said.

    Examples
    --------
    >>> spread_over({"spread": "EP-8 + DP attention"}), spread_over({"spread": "EP"})
    (8, 0)
    """
    return max(map(int, re.findall(r"\d+", numbers.get("spread", ""))), default=0)


def _spread(numbers, values):
    """Whether experts stay whole and users have a card each; over as many cards as are said."""
    words, tp = numbers.get("spread"), spread_over(numbers)
    if not words:
        return {}
    cards = values.get("tp", 1) * values.get("pp", 1)
    ways = {"ep": "EP" in words, "dp": "DP" in words}
    return ways | ({"tp": tp, "pp": max(cards // tp, 1)} if tp else {})


def _format_of_bits(numbers, values):
    """The format of a GGUF file where a question says a number of bits on a Mac."""
    bits = re.fullmatch(r"([48])[\s-]?bits?", numbers.get("weights", ""))
    if not bits or not _at_home(values):
        return {}
    return {"weights": dict(zip("84", HOME_FORMATS, strict=True))[bits[1]]}


def _format_that_fits(values, numbers, state, prefix):
    """The format that is taken of a model where nobody names one."""
    weights = _held(values, state, numbers, prefix)
    if "engine" not in numbers or not is_home(values):
        return weights
    released = catalog.format(catalog.model(values["model"]).native_format)
    return HOME_FORMATS[-1] if released.element_bits >= 8 else weights


def _held(values, state, numbers, prefix):
    """The format that the cards hold a model in; its own where the inputs refuse the rest."""
    # a cache of fewer bytes takes no weights that leave most users without room
    names = ("model", "gpu", "tp", "pp", "weights", "engine")
    terms = {name: values.get(name) or state[prefix + name] for name in names}
    users = typed_number(str(numbers.get("users") or state.get("users") or 1)) or 1
    try:
        return design.held_format(catalog.deployment(**terms), context(numbers, state), ceil(users))
    except BadInput:  # the inputs refuse it, and say why
        return values["weights"]


def is_home(values):
    """Say whether the engine is llama.cpp, however it is spelled.

    Parameters
    ----------
    values : dict
        Values by input.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> is_home({"engine": "llamacpp"}), is_home({"engine": "vllm"}), is_home({})
    (True, False, False)
    """
    try:
        return catalog.engine(values.get("engine", "")).name == HOME
    except BadInput:
        return False


def _at_home(values):
    """Whether a Mac or a GGUF file is named, which llama.cpp runs."""
    try:
        return following.engine_of(values.get("gpu"), values.get("weights")) == HOME
    except BadInput:  # the inputs refuse it, and say why
        return False
