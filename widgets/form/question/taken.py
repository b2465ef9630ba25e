"""Sentences that say what was taken beside what a question says: formats, engine, split, load."""

from llmcap_kernel import catalog
from llmcap_kernel.design.held import EIGHT_BITS
from llmcap_kernel.design.space import HOME
from llmcap_kernel.refuse import either

from .. import following
from .deployment import is_home
from .fields import ANY, CARDS, OF_LIMITS
from .wording import load_in_words

ANY_MODEL = (
    "Weights are as released, in FP8, or on a desk in four bits (INT4 AWQ). For a copy in another "
    "format, ask Calculate."
)
ONE_USER = (
    "Nothing was said of the load: one user is taken, with prompts of 2,000 tokens, answers of "
    "500, and at most 100 ms between tokens."
)


def load_assumed(question, values, alone):
    """Say which users are taken where a question does not count them.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    alone : dict
        The load of one person where it was taken, by input.

    Yields
    ------
    str
        A sentence each.
    """
    if alone:
        yield f"A card for a desk, so for one person unless said: {load_in_words(alone)}."
    if "most" in question.numbers and values.get("users", 0) is None:
        yield "The users are as many as meet the limits."


def parted_context(numbers, values):
    """Say how a context is parted into prompt and answer where neither is said.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    values : dict
        What it sets, by input.

    Yields
    ------
    str
        A sentence.
    """
    if "ctx" in numbers and {"in", "out"} <= values.keys() and not numbers.keys() & {"in", "out"}:
        lengths = load_in_words({name: values[name] for name in ("in", "out")})
        yield f"Of a context, an eighth is the answer unless one is said: {lengths}."


def shorter_load(shorter):
    """Say that a load is shorter than usual, and why.

    Parameters
    ----------
    shorter : dict
        The load where it was taken, by input.

    Yields
    ------
    str
        A sentence.
    """
    if shorter:
        yield f"Its window is shorter than the load that stood here, so {load_in_words(shorter)}."


def lifted_limits(lifted):
    """Say which limits were lifted.

    Parameters
    ----------
    lifted : dict
        By input.

    Yields
    ------
    str
        A sentence.
    """
    if lifted:
        yield f"No limit was asked on {either([OF_LIMITS[n] for n in lifted])}, so none holds."


def deployment_assumed(question, values, fields):
    """Say what a deployment was taken to be beside what was read of it.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    list of str
        Sentences.
    """
    notes = [question.numbers["open"]] if "open" in question.numbers else []
    if "columns" in fields and (question.models or question.cards) and "columns" not in values:
        notes.append("That is A; the others stay as they were. Name two to set them side by side.")
    notes += _format(question, values)
    if values.get("tp") and CARDS in fields:
        most = "one card" if values["tp"] == 1 else f"{values['tp']} cards at most"
        notes.append(f"A copy of the model takes {most}.")
    engines = {v for k, v in values.items() if k.rpartition(".")[2] == "engine"}
    if HOME in engines and "engine" not in question.numbers:
        why = "it is what Macs and GGUF files are run with"
        notes.append(f"{catalog.engine(HOME).title} is taken as the engine: {why}.")
    notes += _split_over_cards(question, values)
    any_model = values.get("model") == ANY
    if any_model and any(following.engine_of(name) != HOME for name, _ in question.cards):
        notes.append(ANY_MODEL)
    if any_model and "users" in values and "users" not in question.numbers:
        notes.append(ONE_USER)
    return notes


def _format(question, values):
    """Say in which format the weights are where nobody names one."""
    taken = {v for k, v in values.items() if k.rpartition(".")[2] == "weights"}
    if not question.models or not taken or "weights" in question.numbers:
        return
    released = {catalog.format(catalog.model(m).native_format).name for m in question.models}
    smaller = (taken - released) or taken
    names = " and ".join(sorted(catalog.format(one).short_title for one in smaller))
    if taken <= released:
        what = f"Weights are as released: {names}."
    else:
        desk = ", as on a desk" if smaller != {EIGHT_BITS} else ""
        room = "do not fit" if desk else "leave few users any room, or none"
        what = f"As released the weights {room}: a copy in {names} is taken{desk}."
    yield f"{what} Name a format for another."


def _split_over_cards(question, values):
    """Say how the cards split a model where that is not one layer over all of them."""
    prefixes = dict.fromkeys(name.rpartition("gpu")[0] for name in values if name.endswith("gpu"))
    notes = []
    for prefix in prefixes:
        tp, pp = (values.get(prefix + name) or 1 for name in ("tp", "pp"))
        if values.get(prefix + "dp") and "spread" in question.numbers:
            continue
        if values.get(prefix + "dp"):
            notes.append(
                f"{tp} cards do not divide the heads of its attention: each holds the cache of its "
                "own users (DP attention), and experts are spread over all."
            )
        elif pp > 1 and is_home({"engine": values.get(prefix + "engine", "")}):
            notes.append("It splits a model over cards by layers, as it does unless it is told.")
        elif pp > 1 and tp == 1:
            notes.append(
                f"{pp} cards do not divide the heads of its attention: they split it by layers "
                f"(PP-{pp}), as vLLM advises."
            )
        elif pp > 1:
            notes.append(
                f"Layers are split over {tp} cards and {pp} stages (TP-{tp} x PP-{pp}): by tensors "
                "within a node, by layers beyond, as vLLM advises."
            )
    return list(dict.fromkeys(notes))
