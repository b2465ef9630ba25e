"""A load that a question moves, as "users from 32 to 64": each of its values, and what is said."""

import re

from llmcap_kernel.explain import counted
from llmcap_kernel.refuse import typed_number

from .patterns import AT_ONCE, CROWD, OF_ELSE

NUMBER = r"\d+(?:[.,]\d+)*(?:\s?[kKmM]i?\b)?"
MOVED = rf"(?<![\w.$/-]){NUMBER}"
TO = r"\s*(?:->|→|=>|\b(?:to|vs|versus|or|against|instead of|rather than|than)\b\.?)\s*"
LENGTH = r"(?:\s+(?:tokens?|lengths?|sizes?|windows?))?"
TOKENS = r"(?:tokens?\s*(?:of\s+|in\s+)?)?"
# The words of a load by its input, the longest first: a prompt is a part of a context.
UNITS = {
    "ctx": rf"{TOKENS}(?:contexts?|ctx|(?:context|sequence)[\s-]lengths?){LENGTH}",
    "in": rf"{TOKENS}(?:prompts?|inputs?){LENGTH}",
    "out": rf"{TOKENS}(?:outputs?|answers?|completions?|responses?){LENGTH}",
    "users": rf"(?:{CROWD}|{AT_ONCE}|batch(?:es|[\s-]sizes?)?)",
}
BEHIND = (
    rf"(?:\b(?:from|(?P<both>between|both))\s+)?(?P<first>{MOVED}(?:\s*,\s+{MOVED})*)\s*(?:{{unit}})?"
    rf"(?:,?{TO}|\s*[-–]\s*(?=\d)|(?(both)\s*and\s*|(?!)))(?P<last>{NUMBER})\s*{{unit}}(?!\w)"
)
BEFORE = (
    rf"\b{{unit}}\s+(?:[a-z]+\s+){{{{0,4}}}}?(?:from|between|of|at)?\s*(?P<first>{MOVED})"
    rf"\s*(?:{{unit}}|tokens?)?{TO}(?P<last>{MOVED})(?:\s*(?:{{unit}}|tokens?))?"
    r"(?!\s*(?:[x×]|gpus?\b|cards?\b|ms\b|s\b|tok|%|[a-z]+\d))"
)
# "batch 1, 16, 64", and no "context 8k, 64 users"
LISTED = (
    rf"\b{{unit}}\s*(?:of|at|=|:)?\s*(?P<first>{MOVED}(?:\s*,\s+{MOVED})*)\s*,\s+(?:(?:and|or)\s+)?"
    rf"(?P<last>{NUMBER})(?![\w.])(?!\s*tok){OF_ELSE}"
)
# "32k context than 4k"
AHEAD = (
    rf"(?P<first>{MOVED})\s*{{unit}}{TO}(?P<last>{NUMBER})(?![\w.])(?!\s*(?:[x×%]|gpus?\b|cards?\b"
    r"|repl\w+|cop(?:y|ies)\b|tok|m?s\b|in\b|outs?\b|[a-z]+\d))"
)
LONG = (
    rf"\b(?:from|at|between)\s+(?P<first>{MOVED})(?:{TO}|\s+and\s+)(?P<last>{MOVED})"
    r"(?:\s*tokens?\b)?"
)
# Times what it is now, and how often.
FACTORS = {"doubl": 2, "twice": 2, "tripl": 3, "quadrupl": 4, "halv": 0.5, "half": 0.5}
BY = rf"(?P<by>(?:{'|'.join(FACTORS)})(?:e[sd]?|ing)?|\d+\s?[x×]|\d+ times)"
TIMES = (
    rf"\b{BY}\s+(?:(?:as many|as much|the|our|my|number|of|more)\s+)*{{unit}}(?!\w)",
    rf"\b{{unit}}\s+(?:{BY}|(?:grows?|increases?|goes up)\s+{BY.replace('<by>', '<up>')})(?!\w)",
)
WORDS = {"ctx": "{} tokens of context", "in": "{} tokens of prompt", "out": "{} tokens of answer"}


def two_loads(text):
    """Find a load that a question gives several values.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    tuple of str, list of str and tuple of int
        The load's input, its values as typed, and where they stand; None where there is none.

    Examples
    --------
    >>> two_loads("what happens when users go from 32 to 64?")[:2]
    ('users', ['32', '64'])
    >>> two_loads("qwen3-8b, 8k vs 32k context")[:2], two_loads("32 users on H100")
    (('ctx', ['8k', '32k']), None)
    """
    for shape in (BEHIND, BEFORE, LISTED, AHEAD):
        for name, unit in UNITS.items():
            match = re.search(shape.format(unit=unit), text, re.I)
            values = _values(match) if match else []
            if name == "users" and shape != BEHIND and re.search("[km]", "".join(values), re.I):
                continue  # "how many users at 8k vs 32k"
            if match and values:
                return name, values, match.span()
    match = re.search(LONG, text, re.I)
    values = _values(match) if match else []
    if match and values and all(re.search("[km]", one, re.I) for one in values):
        return "ctx", values, match.span()
    return None


def times_load(text):
    """Find a load that a question takes a number of times, as "if users double".

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    tuple of str, float and tuple of int
        The load's input, how many times, and where it stands; None where there is none.

    Examples
    --------
    >>> times_load("what if I double the users?")[:2], times_load("3x more users on L4")[:2]
    (('users', 2), ('users', 3.0))
    """
    for shape in TIMES:
        for name, unit in UNITS.items():
            if match := re.search(shape.format(unit=unit), text, re.I):
                parts = match.groupdict()
                by = (parts["by"] or parts["up"] or "").lower()
                known = next((n for word, n in FACTORS.items() if by.startswith(word)), None)
                return name, known or float(re.findall(r"\d+", by)[0]), match.span()
    return None


def from_standing(question, state):
    """Take a load that is to be doubled from what a question says of it, or from what stands.

    Parameters
    ----------
    question : Question
        What it says.
    state : dict
        A complete state.

    Returns
    -------
    Question
        With both values of the load; with the words as lost where none stands.
    """
    numbers = dict(question.numbers)
    if "times load" not in numbers:
        return question
    name, factor, words = numbers.pop("times load")
    standing = state.get(name)
    if name == "ctx" and {"in", "out"} <= state.keys():
        standing = state["in"] + state["out"]
    now = typed_number(str(numbers.get(name) or standing or ""))
    if not now:
        return question._replace(numbers=numbers, lost=[*question.lost, words])
    values = [f"{now:,.0f}", f"{max(now * factor, 1):,.0f}"]
    numbers |= {"loads": (name, values), name: values[-1], "sweep": name}
    return question._replace(numbers=numbers)


def _values(match):
    """The values of a load; none where one is no number of anything."""
    values = [one.strip(" .,") for one in (*re.split(r"\s*,\s+", match["first"]), match["last"])]
    return values if all(typed_number(one) for one in values) and len(set(values)) > 1 else []


def load_words(name, value):
    """Name a load by the number that moves.

    Parameters
    ----------
    name : str
        Its input.
    value : float
        The number.

    Returns
    -------
    str
        In words.

    Examples
    --------
    >>> load_words("users", 32), load_words("ctx", 8000)
    ('32 users', '8,000 tokens of context')
    """
    return WORDS[name].format(f"{value:,.0f}") if name in WORDS else counted(round(value), "user")
