"""What is taken where a question says nothing: the load of one person, or of a short window."""

from llmcap_kernel import catalog
from llmcap_kernel.refuse import typed_number
from llmcap_kernel.spec import usual_load

from .fields import ANY, LENGTHS, LIMITS
from .load import ONE_CONTEXT

# One person's load, where somebody asks what their own card runs and says no more.
ALONE = {"users": 1, "in": 2000, "out": 500, "prefix": 0, "itl": 100, "ttft": 0, "rate": None}


def one_person(question, state, defaults):
    """Take one person's load on a card for a desk, where nobody says another.

    Parameters
    ----------
    question : Question
        What it says.
    state, defaults : dict
        A complete state, and that of an untouched calculator: what a reader chose stays.

    Returns
    -------
    dict
        Values by input; none where a card is a server's, or the question is of a service.
    """
    cards, numbers = question.cards, question.numbers
    if not cards or not all(catalog.gpu(name).place == "desk" for name, _ in cards):
        return {}
    if "rate" in numbers or typed_number(numbers.get("users", "1")) != 1:
        return {}  # a service
    unsaid = set() if "most" in numbers else {"users"} - numbers.keys()
    unsaid |= set() if numbers.keys() & LENGTHS else LENGTHS
    unsaid |= set() if numbers.keys() & {"itl", "ttft"} else {"itl"}
    usual = ALONE | {"ctx": ONE_CONTEXT}
    names = [name for name in usual if name in unsaid & state.keys()]
    return {name: usual[name] for name in names if state[name] == defaults[name]}


def within_window(values, state):
    """Take the usual load where a model takes no request as long as that which stood there.

    Parameters
    ----------
    values : dict
        What a question sets, by input.
    state : dict
        A complete state.

    Returns
    -------
    dict
        Values by input; none where the load has room, or the question says how long it is.
    """
    models = [v for k, v in values.items() if k.rpartition(".")[2] == "model" and v != ANY]
    if not models or values.keys() & LENGTHS:
        return {}
    window = min(catalog.model(name).max_context_tokens for name in models)
    if (state.get("ctx") or state.get("in", 0) + state.get("out", 0)) <= window:
        return {}
    usual = usual_load(window)
    if "ctx" in state:
        return {"ctx": window}
    return {"in": usual.input_tokens, "out": usual.output_tokens}


def lifted(question, state, values, defaults):
    """Lift the limits of an untouched page that a question does not name: they decide nothing.

    Parameters
    ----------
    question : Question
        What it says.
    state, defaults : dict
        A complete state, and that of an untouched calculator.
    values : dict
        What the question sets, by input.

    Returns
    -------
    dict
        No limit, by input. The pace stays, as `design.paced` has it where a command names none.
    """
    named = question.numbers.keys() | values.keys() | {"itl"}
    return {n: 0 for n in LIMITS if n not in named and state[n] == defaults[n]}
