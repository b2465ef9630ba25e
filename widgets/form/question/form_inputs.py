"""A question typed in a line, such as "gpt-oss-120b on H100 or H200, 32K context", as inputs.

What a question names begins anew: a model comes in the format it is released in, and the engine
keeps what it keeps unless told. What it does not speak of stays as it is. What was read is said
back, and so is what no input takes: an answer is of what was read alone.
"""

import re
from typing import Any, NamedTuple

from llmcap_kernel.design.copies import MOST_COPIES
from llmcap_kernel.refuse import BadInput

from . import gains, predicted, taken
from .candidates import NO_CARDS, WHICH_MODEL, candidates
from .columns import before_and_after, columns
from .defaults import ALONE, lifted, one_person, within_window
from .deployment import deployment
from .elsewhere import elsewhere
from .fewest_cards import fewest_cards, standing_cards
from .fields import CARDS, LIMITS
from .left_out import left_out
from .limits import in_force, limits
from .load import in_requests_a_second, load
from .patterns import A_RATE
from .read_back import read_back
from .refused import EMPTY, nothing_known, possible
from .settled import understood
from .two_loads import from_standing
from .wording import limits_in_words

# Of a file that is pasted in the place of a question.
SETTINGS = re.compile(r"\b[a-z]+_[a-z_]+\s*:.*\b[a-z]+_[a-z_]+\s*:", re.S)
AS_STATED = ("api", "api_in", "sweep", "show", "copies")
RATE_OF_ONE = re.compile(
    rf"{A_RATE}\s*(?:per|a|an|each|for each|/)\s*(?:card|gpu|copy|replica|instance|node|box)", re.I
)
OF_ALL = "A rate is of all cards together: {} requests/s are taken for them all."
TOO_MANY = "How many cards answer them all is a question for Design.", "design"


def inputs(form, text, state):
    """Read a question as the inputs of a calculator.

    Parameters
    ----------
    form : Form
        Its inputs.
    text : str
        The question.
    state : dict
        A complete state, which stays where the question says nothing.

    Returns
    -------
    tuple of dict, list of str, list of str and list of tuple
        Values by input, what to say of them, what of the question is not in them, and where else
        it is answered: a sentence and a calculator's name each.

    Raises
    ------
    BadInput
        Where nothing in it is understood.
    """
    if file := _settings(text, state):
        return file
    question, worked, counted = _whole(form, text, state)
    stated = _stated(question, text, state)
    assumed = _assumed(form, question, stated, state)
    values = stated | assumed.values
    notes = [
        *_read_and_assumed(question, values, state, assumed),
        *(*worked, *counted, *taken.lifted_limits(assumed.lifted)),
        *predicted.predicted(form, question, values, state),
        *taken.deployment_assumed(question, values, state.keys()),
    ]
    whole, missed = predicted.whole_answer(form, question, values, state)
    notes += whole
    left = [*left_out(question, values, state.keys()), *missed]
    if CARDS in state and WHICH_MODEL.search(text) and not (question.models or question.cards):
        left.append(NO_CARDS)
    if values.get("rate") and values.get("tp") != 1 and RATE_OF_ONE.search(text):
        left.append(OF_ALL.format(values["rate"]))
    too_many = predicted.is_beyond(form, values, state) or (worked and "rate" in question.numbers)
    return values, notes, left, _links(question, values, state, text, too_many)


def _is_text(text):
    return isinstance(text, str) and bool(text.strip())


def _settings(text, state):
    """Read TensorRT-LLM's file of settings, and ask for what it does not say."""
    if not _is_text(text) or not SETTINGS.search(text):
        return ()
    from .. import from_settings  # a page opens without the readers of files

    if not from_settings.is_settings(text):
        return ()
    if CARDS in state:
        text = "Settings of one deployment are a question for Calculate."
        return {}, [], [], [(text, "calculate")]
    values, (*notes, missing) = from_settings.inputs(text, state, "a." * ("columns" in state))
    return values, notes, [missing], []


def _whole(form, text, state):
    """A question with its work in requests a second and its cards counted; what was worked out."""
    if not _is_text(text):
        raise BadInput("question", EMPTY)
    question, worked = in_requests_a_second(possible(understood(text)), state)
    question = gains.with_other_side(from_standing(question, state), state)
    fields, counted = state.keys(), []
    if "columns" in state or gains.is_of_one_deployment(question.numbers, fields):
        question, counted = fewest_cards(question, state)
    elif {"gpu", "tp", "pp"} <= fields:
        question, counted = standing_cards(question, state, form.defaults())
    return question, worked, counted


def _stated(question, text, state):
    """What a question itself sets, by input; refused where that is nothing."""
    values = _of_words(question, text, state)
    if not values:
        raise BadInput("question", nothing_known(text))
    return values


def _of_words(question, text, state):
    """What the words of a question set, by input."""
    numbers, fields = question.numbers, state.keys()
    values = load(numbers, state, fields) | limits(numbers, state, fields)
    if "unhurried" in numbers:  # of a batch, which nobody waits for
        values |= {n: 0 for n in ("itl", "ttft") if n in fields - values.keys()}
    values |= {k: numbers[k] for k in AS_STATED if k in numbers and k in fields}
    if "vendor" in numbers and "vendor" in fields:
        values["vendor"] = numbers["vendor"].lower()
    if "rate" in numbers and "sweep" in fields - values.keys():
        values["sweep"] = "requests"
    if "columns" in fields:
        return values | columns(question, state)
    if CARDS in fields:
        return values | candidates(question, text)
    model, card = (next(iter(names), None) for names in (question.models, question.cards))
    card = card or numbers.get("standing")
    values |= deployment(model, card, numbers, state)
    if gains.is_of_one_deployment(numbers, fields):
        values |= before_and_after(question, state)[0]
    return values


class _Assumed(NamedTuple):
    """What is set though a question does not say it, by input; and the parts that are told."""

    values: dict[str, Any]
    alone: dict[str, Any]
    shorter: dict[str, Any]
    lifted: dict[str, Any]


def _assumed(form, question, stated, state):
    """What is set though a question does not say it."""
    numbers, defaults, search = question.numbers, form.defaults(), CARDS in state
    alone = one_person(question, state, defaults)
    shorter = within_window(stated | alone, state)
    values = alone | shorter
    if "users" in state and "users" not in stated | values:
        if numbers.keys() & {"most", "pieces"} and form.by_name["users"].read_empty:
            values["users"] = None  # how many is the question, and the kernel's answer
        elif "need" in numbers:
            values["users"] = 1
    free = lifted(question, state, stated | values, defaults) if search else {}
    values |= free
    if "count" in numbers and search:
        values["copies"] = MOST_COPIES  # how many cards is the question
    if "pick" in state:
        values["pick"] = None  # another question has other candidates
    return _Assumed(values, alone, shorter, free)


def _read_and_assumed(question, values, state, assumed):
    """Say what was read, and whose load was taken."""
    yield from read_back(question, values, state)
    yield from taken.parted_context(question.numbers, values)
    yield from taken.load_assumed(question, values, assumed.alone)
    yield from taken.shorter_load(assumed.shorter)


def _links(question, values, state, text, too_many):
    """The other calculators that answer a question; Design where one deployment may not do."""
    links = list(elsewhere(question, values, state.keys(), text))
    missing = too_many and CARDS not in state and "design" not in dict(links).values()
    return [*links, TOO_MANY] if missing else links


def unasked(text, state, defaults):
    """List the limits of an answer that its question does not speak of.

    Parameters
    ----------
    text : object
        The question.
    state : dict
        The state that it became.
    defaults : dict
        That of an untouched calculator.

    Returns
    -------
    dict
        The words of each limit by its input.
    """
    if not _is_text(text):
        return {}
    named = understood(text).numbers
    usual = {n: (defaults.get(n), ALONE.get(n)) for n in LIMITS}
    names = [n for n in in_force(state) if n not in named and state[n] in usual[n]]
    others = set(LIMITS) - set(names)
    return dict(zip(names, limits_in_words(others, state), strict=True))


def limited(text):
    """Say whether a question names a limit.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    bool
        Whether it does.

    Examples
    --------
    >>> limited("qwen3-8b on H100 under 50 ms"), limited("qwen3-8b on H100")
    (True, False)
    """
    return bool(understood(text).numbers.keys() & set(LIMITS))
