"""The load of a question: lengths, users and requests a second, as a form's inputs have them."""

from llmcap_kernel.refuse import typed_number
from llmcap_kernel.spec import lengths_of

from . import amounts
from .fields import LENGTHS

ONE_CONTEXT = 2500  # tokens of a request, where nothing says how long one is
USUAL_LENGTHS = {"in": 7000, "out": 1000}


def load(numbers, state, fields):
    """Make the inputs of a load.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    state : dict
        A complete state.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    dict
        Values by input. A context is a prompt's and an answer's where no input takes it, parted
        as `--context` of the commands is.

    Examples
    --------
    >>> load({"ctx": "32k", "users": "4"}, {"out": 1000}, {"in", "out", "users"})
    {'users': '4', 'in': 28000, 'out': 4000}
    >>> load({"ctx": "32k", "out": "500"}, {"out": 1000}, {"in", "out", "users"})
    {'out': '500', 'in': 31500}
    """
    names = ("in", "out", "prefix", "users", "rate")
    values = {k: numbers[k] for k in names if k in numbers and k in fields}
    if "users" in values and "rate" in fields and "rate" not in values:
        values["rate"] = None  # who states users asks for no rate
    if "ctx" in numbers and "ctx" in fields:
        values["ctx"] = numbers["ctx"]
    elif "ctx" in numbers and "in" in fields and "in" not in values:
        whole = max(int(typed_number(numbers["ctx"]) or 0), 2)
        if answer := typed_number(values.get("out", "")):
            values["in"] = max(whole - int(answer), 1)
        else:
            values["in"], values["out"] = lengths_of(whole)
    return values


def context(numbers, state):
    """Count the tokens of a request, prompt and answer, that a question is of.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    state : dict
        A complete state, which says the rest.

    Returns
    -------
    int
        Their number [tokens].

    Examples
    --------
    >>> context({"in": "3k"}, {"in": 7000, "out": 1000})
    4000
    """
    values = load(numbers, state, state.keys())
    lengths = {k: typed_number(str(v)) or 0 for k, v in values.items() if k in LENGTHS}
    lengths = state | lengths
    return int(lengths.get("ctx") or lengths.get("in", 0) + lengths.get("out", 0)) or ONE_CONTEXT


def in_requests_a_second(question, state):
    """Turn work in time into requests a second, users and lengths.

    Parameters
    ----------
    question : Question
        What it says, such as tokens a day, a burst, or documents overnight.
    state : dict
        A complete state, which says lengths that the question does not.

    Returns
    -------
    tuple of Question and list of str
        The question with such numbers, and how each was read.
    """
    numbers = dict(question.numbers)
    lengths = [state.get(name) or usual for name, usual in USUAL_LENGTHS.items()]
    notes = amounts.settle(numbers, *lengths)
    volume = numbers.pop("volume", None)
    if volume is None:
        return question._replace(numbers=numbers), notes
    if "rate" in numbers or "users" in numbers or not {"in", "out"} <= state.keys():
        return question._replace(numbers=numbers, lost=[*question.lost, volume]), notes
    values = load(numbers, state, state.keys())
    prompt, answer = (
        int(typed_number(str(values.get(name, ""))) or state[name]) for name in ("in", "out")
    )
    rate, note = amounts.rate(volume, prompt, answer)
    numbers["rate"] = f"{rate:.4g}"
    return question._replace(numbers=numbers), [*notes, note]
