"""How numbers, models and cards of a question are said back, in a few words each."""

from llmcap_kernel import catalog
from llmcap_kernel.refuse import typed_number

from .. import lists
from .columns import side_by_side
from .fields import CARDS

WORDS = {
    "in": "prompt {}", "out": "answer {}", "prefix": "shared prefix {}",
    "ctx": "context {}", "users": "{} users",
    "rate": "{} requests/s", "percentile": "{}", "itlp": "{} of the gap", "itl": "gap {}",
    "ttftp": "{} of the first token", "ttft": "first token {}", "usd": "rent ${}/h a card",
    "budget": "budget ${}/h for all cards", "weights": "{} weights", "kv": "{} cache",
    "engine": "{}", "copies": "{} copies", "vendor": "cards of {}", "api": "API ${}/M of answers",
    "api_in": "API ${}/M of prompts", "tp": "TP-{}", "pp": "PP-{}",
    "maxlen": "max_model_len {}", "fraction": "memory fraction {}", "seqs": "{} sequences",
    "batched": "{} tokens a step", "spread": "{}",
}  # fmt: skip
# A load that nobody stated, with its numbers in full.
FULL_WORDS = {one: WORDS[one].replace("{}", "{:,}") + " tokens" for one in ("in", "out", "ctx")}
FULL_WORDS |= {"itl": "at most {} ms between tokens"}
UNITS = {"itl": " ms", "ttft": " s", "budget": ""}


def in_words(question, names):
    """Say some of a question's numbers back.

    Parameters
    ----------
    question : Question
        What it says.
    names : set of str
        Which of its numbers.

    Yields
    ------
    str
        A few words for each; a percentile beside its limit.
    """
    numbers = {n: question.numbers[n] for n in WORDS if n in names & question.numbers.keys()}
    for latency in ("itl", "ttft"):
        if latency in numbers and f"{latency}p" in numbers:
            which = numbers.pop(f"{latency}p")
            yield f"{which} {WORDS[latency].format(numbers.pop(latency))}"
    for name, value in numbers.items():
        yield counted_users(value) if name == "users" else WORDS[name].format(value)


def counted_users(users):
    """Say how many users there are.

    Parameters
    ----------
    users : str
        Their number as it was typed.

    Returns
    -------
    str
        In words.

    Examples
    --------
    >>> counted_users("1"), counted_users("1,000")
    ('1 user', '1,000 users')
    """
    return f"{users} user" if typed_number(users) == 1 else f"{users} users"


def load_in_words(load):
    """Say a load or a limit that nobody stated.

    Parameters
    ----------
    load : dict
        Numbers by input.

    Returns
    -------
    str
        With its numbers in full.

    Examples
    --------
    >>> load_in_words({"users": 1, "in": 2000})
    '1 user, prompt 2,000 tokens'
    """
    return ", ".join(
        counted_users(f"{value:,}") if name == "users" else FULL_WORDS[name].format(value)
        for name, value in load.items()
    )


def limits_in_words(named, state):
    """Say the limits that hold though nobody spoke of them.

    Parameters
    ----------
    named : set of str
        Inputs of limits that somebody spoke of.
    state : dict
        A complete state.

    Yields
    ------
    str
        A few words for each other limit.
    """
    for name, unit in UNITS.items():
        if state.get(name) and name not in named:
            which = f"{state[f'{name}p']} " if f"{name}p" in state else ""
            yield which + WORDS[name].format(f"{state[name]:,g}{unit}")


def titles(question, fields):
    """Say the models and cards of a question by their titles.

    Parameters
    ----------
    question : Question
        What it says.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    tuple of list of str and list of str
        Those that the inputs take, and those that they do not.
    """
    search = CARDS in fields
    models = [lists.model_title(catalog.model(name)) for name in question.models]
    cards = [f"{n}x {lists.listed_title(name)}" for name, n in question.cards]
    cards = [one.removeprefix("1x " * search) for one in cards]
    if "columns" in fields:
        pairs = [pair for *pair, _ in side_by_side(question, models, cards)]
        taken = [one for one in (*models, *cards) if any(one in pair for pair in pairs)]
    else:
        taken = [*models[:1], *(cards if search else cards[:1])]
    return taken, [one for one in (*models, *cards) if one not in taken]


def numbers_taken(question, values):
    """Find the numbers of a question that an input takes.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.

    Returns
    -------
    set of str
        Their names.
    """
    numbers = question.numbers
    inputs = {name.rpartition(".")[2] for name in values}
    as_others = {
        "ctx": "in" in inputs and "in" not in numbers,  # a context is of prompt and answer
        "spread": "ep" in inputs,
    }
    return {n for n in numbers if n in inputs or as_others.get(n)}
