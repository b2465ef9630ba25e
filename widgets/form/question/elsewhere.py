"""Where else a question is answered: the calculators that know what this one does not."""

from .candidates import WHICH_MODEL
from .columns import side_by_side
from .fields import CARDS, LIMITS
from .gains import is_of_one_deployment
from .predicted import asks_for_a_percentile, is_of_loads, is_of_one
from .wording import titles


def elsewhere(question, values, fields, text):
    """Say which other calculator answers what this one does not.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    fields : set of str
        The inputs that there are.
    text : str
        The question as it was typed.

    Yields
    ------
    tuple of str and str
        A sentence, and the calculator's name.
    """
    _, more = titles(question, fields)
    search = CARDS in fields
    if not search and not question.models and WHICH_MODEL.search(text):
        yield "Which models a card runs is a question for Design.", "design"
    elif not search and "columns" not in fields and _more_than_answered(question, fields, more):
        yield "Several side by side are a question for Compare.", "compare"
    if asks_for_a_percentile(question.numbers) and not {"config", "tp", "in"} <= fields:
        yield "A percentile without a limit is a question for Calculate.", "calculate"
    if "loads" in question.numbers and not is_of_loads(question.numbers, fields):
        yield "Two loads are set beside each other by Calculate.", "calculate"
    if "per dollar" in question.numbers and (search or "in" not in fields):
        yield "What a dollar buys is a question for Calculate.", "calculate"
    if "of one" in question.numbers and not is_of_one(question.numbers, fields):
        yield "What one user takes of the cache is a question for VRAM and concurrency.", "vram"
    if "count" in question.numbers and not search:
        yield "How many cards it takes is a question for Design.", "design"
    elif ("which cards" in question.numbers and not search) or _of_a_size(question.numbers):
        yield "Which cards to take is a question for Design.", "design"
    if question.numbers.keys() & {"api", "api_in"} and "api" not in fields:
        yield "An API's price beside one's own is a question for Calculate.", "calculate"
    if "bought" in question.numbers and not {"config", "tp", "in"} <= fields:
        yield "What a request costs is a question for Calculate.", "calculate"
    if "longest" in question.numbers and "ctx" not in question.numbers:
        yield "How far a context may grow is a question for The context cliff.", "cliff"
    if "power" in question.numbers and not search:
        yield "What the cards draw is said by Design.", "design"
    if "rate" in question.numbers and "rate" not in fields and "users" not in values:
        yield "Requests a second are a question for Design.", "design"
    if search and question.numbers.keys() & {"weights", "kv"}:
        yield "A format by name is a question for Calculate.", "calculate"
    elif search and "most" in question.numbers:
        yield "How many users there is room for is a question for Calculate.", "calculate"


def _of_a_size(numbers):
    """Whether so many users or requests are asked about, and neither cards nor what they do."""
    if "standing" not in numbers or numbers.keys() & {"need", "times", "whole", "tp", "cards"}:
        return False
    sized = "show" not in numbers and numbers.keys() & {"users", "rate", *LIMITS}
    return "budget" in numbers or bool(sized)


def _more_than_answered(question, fields, more):
    """Whether a question has sides that this calculator does not set beside each other."""
    both = is_of_one_deployment(question.numbers, fields)
    sides = len(side_by_side(question, question.models, question.cards))
    return bool(more or question.also) and not (both and sides > 1)
