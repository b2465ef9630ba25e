"""Design where no model is named: which ones the named cards run, the largest first."""

from llmcap_kernel import design
from llmcap_kernel.explain import counted, quantity

from ..form import card_list, lists
from . import answers, running

ANY = "any"  # in place of a model
MOST_OFFERED = 8  # models, each a button
MOST_SHOWN = 12  # rows of the table; a phone writes each on seven lines


def fitting(found):
    """Choose a candidate for every model that one meets the limits with.

    Parameters
    ----------
    found : Search
        A search among several models.

    Returns
    -------
    list of Choice
        The largest model first; each as its files are least shortened, then on the fewest cards.
    """
    best: dict = {}
    for number in found.order:
        block, row = found.space.block(number), found.rows[number]
        name = block.model.name
        width = (-block.weights.bytes_per_element, row.num_gpus, -block.kv.bytes_per_element)
        if name not in best or width < best[name][0]:
            best[name] = (width, number, block.model.params)
    ranked = sorted(best.items(), key=lambda one: (-one[1][2], one[0]))
    return [found.choice(number) for _, (_, number, _) in ranked]


def answer(found, here, chosen, form, state):
    """Make the parts of a view that differ where the model is what is asked for.

    Parameters
    ----------
    found : Search
        A search among several models.
    here : Choice
        The candidate that is looked at.
    chosen : list of Choice
        From `fitting`.
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.

    Returns
    -------
    dict
        status, remedies, tables, messages and texts.
    """
    return {
        "status": _status(found, here, chosen, state),
        "remedies": _others(here, chosen, form, state),
        "tables": _tables(chosen),
        "messages": answers.card_notes(here, enters=False),
        "texts": running.commands(here),
    }


def _status(found, here, chosen, state):
    cards = card_list.title(state["gpus"])
    tried = len({block.model.name for block in found.space.blocks})
    if not chosen:
        text = f"None of {tried} models meets every limit on {cards}."
        return {"level": "bad", "text": f"{text} The numbers below are of {_run(here)}."}
    text = f"{len(chosen):,} of {tried:,} models meet every limit on {cards}"
    which = "the largest" if here.number == chosen[0].number else "looked at"
    return {"level": answers.LEVELS[here.verdict], "text": f"{text}; {which}: {_run(here)}."}


def _run(choice):
    d = choice.deployment
    cards = "" if d.num_gpus == 1 else f" on {d.num_gpus} cards"
    return f"{lists.model_title(d.model)} with {d.weights.title} weights{cards}"


def _others(here, chosen, form, state):
    """The next models, each a button that opens it."""
    items = [
        {
            "label": lists.model_title(one.deployment.model),
            "query": form.query(state | {"pick": one.number}),
            "note": f"{one.deployment.weights.title} weights, "
            f"{quantity(one.estimates.tok_s_user.value, 'tok/s')} a user",
        }
        for one in chosen
        if one.number != here.number
    ]
    text = "Other models that run on it, the largest first:" if items else ""
    return {"text": text, "items": items[:MOST_OFFERED], "later": True}


def _tables(chosen):
    """The largest, and the others in one line until somebody asks: a card runs a hundred."""
    if not chosen:
        return []
    large, small = chosen[:MOST_SHOWN], chosen[MOST_SHOWN:]
    first = _table(large, "Models that meet every limit, the largest first")
    rest = f"Also within every limit: {counted(len(small), 'smaller model')}"
    return [first, _table(small, rest) | {"fold": True}] if small else [first]


def _table(chosen, caption):
    rows = [
        [
            lists.model_title(one.deployment.model),
            quantity(one.deployment.model.params, "params"),
            one.deployment.weights.title,
            f"{one.deployment.num_gpus:,}",
            f"{one.max_concurrent:,}",
            quantity(one.estimates.tok_s_user.value, "tok/s"),
            quantity(one.estimates.ttft_s.value, "s"),
        ]
        for one in chosen
    ]
    users = "Users that fit"
    return {
        "caption": caption,
        "columns": ["Model", "Size", "Weights", "Cards", users, "Speed of one", "First token"],
        "rows": rows,
        "highlight": [],
        "stack": True,
    }


def quality(bits):
    """Ask of the models what a search among all of them needs.

    Parameters
    ----------
    bits : float
        Fewest bits of a weight [bits].

    Returns
    -------
    Quality
        All models that have a config of their own.
    """
    return design.Quality(weight_bits=bits, params=1)
