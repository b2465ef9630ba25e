"""A question typed in a line, such as "gpt-oss-120b on H100, 32K context", read word by word.

Numbers are known by the words beside them, names by the catalogue.
"""

import re
from contextlib import suppress
from typing import Any, NamedTuple

from llmcap_kernel import catalog
from llmcap_kernel.address import MEAN
from llmcap_kernel.refuse import BadInput, typed_number

from .fleets import fleets
from .names_in_it import models_and_cards
from .patterns import (
    A_DOLLAR_BUYS,
    BOUGHT,
    CHANGING,
    DEADLINE,
    DRAFTS,
    EACH_OF,
    FLAGS,
    FORMAT,
    JOIN,
    MANY,
    MAX_TEXT,
    MOST_LOST,
    NUMBER,
    NUMBERS,
    OF_SETTINGS,
    OF_STARTING,
    ONE_OF,
    OVER,
    OVERNIGHT,
    PAIR,
    PER,
    PRICE_ASKED,
    PRICED,
    RATE,
    RENTED,
    SETTINGS,
    SHOWS,
    STRAY,
    SWEEPS,
    TOKENS,
    VERSION,
    WAY,
    WHICH_ONE,
)
from .spelling import FOREIGN, rewritten, without_slips
from .two_loads import times_load, two_loads
from .two_times import at_two_times
from .unknown import unknown_card, unknown_model
from .vocabulary import QUANTS

OF_TWO_TIMES = {
    "rate": lambda values: {"rate": values[-1], "rates": values},
    "users": lambda values: {"users": values[-1], "loads": ("users", values), "sweep": "users"},
    "active": lambda values: {"users": values[0], "active": values[1]},
}
SIDES = r"\b(?:or|vs\.?|versus|against|than)\b"
SIDED = {"weights", "kv", "tp", "engine", "draft", "caching", "prefix"}  # may change by a question
TAKEN = " , "  # stands where words were taken out, so that those around them are no phrase


class Question(NamedTuple):
    """What a question says.

    Attributes
    ----------
    models, cards : list
        Names of models; names of cards, each with how many.
    numbers : dict
        What else it says, by the input's name.
    lost : list of str
        What was not understood.
    also : dict
        Further engines and formats beside the first, as in "vLLM vs SGLang", by the input's name.
    """

    models: list[str]
    cards: list[tuple[str, int]]
    numbers: dict[str, Any]
    lost: list[str]
    also: dict[str, list[str]]


def read(text):
    """Read a question.

    Parameters
    ----------
    text : str
        As it was typed.

    Returns
    -------
    Question
        What it says.

    Examples
    --------
    >>> read("Qwen3-32B on two H200, 32K context").numbers
    {'ctx': '32K'}
    """
    text, slips = without_slips(text.strip()[:MAX_TEXT])
    several, text = _several(text)
    numbers, rest = _subjects(spelled := rewritten(text))
    numbers |= several
    numbers |= {"slips": slips} if slips else {}
    numbers |= {"foreign": money[0]} if (money := re.search(FOREIGN, text, re.I)) else {}
    if "of one" in numbers:
        rest = re.sub(rf"\bgi?b\s+(?={ONE_OF})", " ", rest, flags=re.I)
    rest = _requests_bought(numbers, _rents(numbers, rest))
    stated, also, rest = _stated(PRICED.sub(" ", rest))
    numbers |= {name: value for name, value in stated.items() if name not in numbers}
    rest = re.sub(DRAFTS, TAKEN, rest, flags=re.I)
    if "gain" in numbers and numbers.keys() & SIDED:
        rest = re.sub(rf"\b(?:{CHANGING})\b", " ", rest, flags=re.I)
    if "batch" in numbers:
        rest = _until(numbers, rest)
    rest = _lengths_in_a_pair(numbers, rest)
    stray = _stray_numbers(numbers, rest)
    rest = re.sub(rf"{STRAY}|\b{RATE}", TAKEN, rest, flags=re.I)
    models, cards, lost = models_and_cards(rest, numbers)
    lost = _formats_of_sides(numbers, also, spelled, (cards, lost))
    machine, beside = unknown_card(spelled, lost, cards)
    if machine:
        numbers["beside" if beside else "unknown card"] = machine
        lost = [word for word in lost if word.strip(".,:;?!'\"()") not in machine.split()]
    if name := unknown_model(lost, models):
        numbers.setdefault("unknown model", name)
    return Question(models, cards, numbers, [*lost, *stray][:MOST_LOST], also)


def _several(text):
    """What a question has several values of: copies of cards, a load; and what a dollar buys."""
    sides, text = fleets(text)
    numbers: dict[str, Any] = {"fleets": sides, "gain": True, "onward": True} if sides else {}
    if moved := two_loads(text):
        name, values, span = moved
        numbers |= {"loads": (name, values), name: values[-1], "sweep": name}
        text = _without(text, *span)
    elif moved := times_load(text):
        name, factor, span = moved
        numbers["times load"] = name, factor, text[slice(*span)]
        text = _without(text, *span)
    elif twice := at_two_times(text):
        name, values, spans = twice
        numbers |= OF_TWO_TIMES[name](values)
        for span in reversed(spans):
            text = _without(text, *span)
    for shape in A_DOLLAR_BUYS:
        if bought := shape.search(text):
            numbers |= {"per dollar": _per_dollar(bought.groupdict()), "show": "price"}
            text = _without(text, *bought.span())
    return numbers, text


def _per_dollar(bought):
    """How many dollars, and what is bought with them."""
    many = typed_number(bought["many"] or bought["dollars"] or "1") or 1
    return many, (bought.get("what") or "tokens").lower()


def _subjects(rest):
    """What a question is about, as far as a word says it, and what is left of it."""
    numbers: dict[str, Any] = {name: True for name, words in FLAGS.items() if words.search(rest)}
    if "starting" in numbers:
        rest = OF_STARTING.sub(" ", rest)
    for name, pattern in SHOWS.items():
        if re.search(pattern, rest, re.I):
            numbers.setdefault("show", name)
    for name, word in SWEEPS.items():
        if match := re.search(rf"{OVER}{word}\b", rest, re.I):
            numbers.setdefault("sweep", name)
            rest = _without(rest, *match.span())
    return numbers, rest


def _rents(numbers, rest):
    """Read the rents of several cards, and give what is left of a question."""
    rents = [next(filter(None, one.groups())) for one in re.finditer(RENTED, rest, re.I)]
    if len(rents) < 2:
        return rest
    numbers |= {"rents": rents, "usd": rents[0]}
    return re.sub(RENTED, " ", rest, flags=re.I)


def _requests_bought(numbers, rest):
    """Read of how many requests a price is asked, and give what is left of a question."""
    bought = BOUGHT.search(rest)
    if not bought or not PRICE_ASKED.search(rest):
        return rest
    many = (bought["many"] or "1").lower()
    count = {"thousand": 1e3, "million": 1e6}.get(many) or typed_number(many)
    numbers["bought"] = count or 1, bought["what"].lower()
    numbers.setdefault("show", "price")
    return _without(rest, *bought.span())


def _stated(rest):
    """The numbers that words name, further ones of the same kind, and what is left."""
    numbers: dict[str, Any] = {}
    also: dict[str, list[str]] = {}
    for name, pattern in NUMBERS:
        match = re.search(pattern, rest, re.I)
        if match and name not in numbers:
            numbers[name], *more = _values(name, match)
            also |= {name: more} if more else {}
            if name in WHICH_ONE:  # what a percentile is of has its number still to come
                rest = _without(rest, *match.span(1), " ")
            else:
                rest = _without(rest, *match.span())
    return numbers, also, rest


def _without(rest, start, end, between=TAKEN):
    return rest[:start] + between + rest[end:]


def _until(numbers, rest):
    """Read until when the work of a batch is to be done, and give what is left of a question."""
    if match := DEADLINE.search(rest):
        many = typed_number(match[1]) or 1
        numbers["hours"] = f"{many * PER[match[2].lower()] / 3600:g}"
        rest = _without(rest, *match.span())
    if OVERNIGHT.search(rest):
        numbers.setdefault("hours", "overnight")
        rest = OVERNIGHT.sub(TAKEN, rest)
    return rest


def _lengths_in_a_pair(numbers, rest):
    """Read a prompt and an answer written as "8k/1k", and give what is left of a question."""
    pair = re.search(PAIR, rest)
    if not pair or numbers.keys() & {"in", "out"}:
        return rest
    numbers["in"], numbers["out"] = (one.strip(",.") for one in pair.groups())
    return _without(rest, *pair.span())


def _formats_of_sides(numbers, also, text, found):
    """Read the format of each of two sides, "awq on 2 L40S or fp8 on H100"; give what is lost."""
    cards, lost = found
    sides = [re.findall(FORMAT, side, re.I) for side in re.split(SIDES, text, flags=re.I)]
    alone = [{one.lower() for one in side} for side in sides]
    if also or "kv" in numbers or len({*cards}) != 2 or [len(one) for one in alone] != [1, 1]:
        return lost
    formats = [QUANTS.get(one, one) for side in alone for one in side]
    if alone[0] != alone[1]:
        numbers |= {"formats": formats, "weights": formats[0]}
    return [one for one in lost if one.lower().strip(".,:;?!") not in (*alone[1], *_named(formats))]


def _named(formats):
    """Formats by their names in the catalogue, as a model's name gives them."""
    for one in formats:
        with suppress(BadInput):  # the inputs refuse it, and say why
            yield catalog.format(one).name


def _stray_numbers(numbers, rest):
    """Speeds and times that no word says the meaning of; the speed of a single user has one."""
    stray = [match[0].strip() for match in re.finditer(STRAY, rest, re.I)]
    speeds = [one for one in stray if re.search(RATE, one, re.I)]
    if speeds and numbers.get("users") == "1":  # what all get is what the only one gets
        numbers.setdefault("speed", re.findall(NUMBER, speeds[0])[0])
        stray.remove(speeds[0])
    return stray


def _values(name, match):
    """What is stated for an input; more than one where several are set side by side."""
    words = " ".join(part.strip(" .,") for part in match.groups() if part)  # a time keeps its unit
    if name in SETTINGS:
        found = re.findall(OF_SETTINGS.get(name, TOKENS), words, re.I)
        return list(dict.fromkeys(map(_share, found) if name == "fraction" else found))
    if name == "spread":
        return list(dict.fromkeys(map(_ways, re.split(JOIN, words))))
    if name == "engine":
        return list(dict.fromkeys(_versions(re.split(JOIN, words))))
    if name in EACH_OF:
        names = [QUANTS.get(one.lower(), one) for one in re.split(JOIN, words)]
        return list(dict.fromkeys(names))
    if name in ("rate", "each") and match.re.groups > 1:
        number, *units = match.groups()
        return [_a_second(number, next(filter(None, units)), 4 if name == "rate" else 10)]
    if name == "together":
        return [_together(match)]
    if name == "whole":
        which = next((one for one in (match[1], match[2], match[4]) if one), "95")
        return [(_percentile(which), match[3])]
    if name == "copies":
        return [str(MANY.get(match[1].lower(), match[1]))]
    if name == "volume":
        return [" ".join(match[0].split())]
    if name == "nodes":
        many = match[1].lower()
        return [(MANY.get(many) or int(many), bool(match.re.groups == 1 or match[2]))]
    return [_percentile(words) if name in WHICH_ONE else words]


def _share(words):
    """A share as the inputs have it, of "90%"."""
    return f"{float(words.rstrip(' %')) / 100:g}" if "%" in words else words


def _ways(words):
    """How one side spreads a model, such as "EP-8 + DP attention"."""
    found = []
    for way in re.finditer(WAY, words, re.I):
        many = (re.findall(r"\d+", way[0]) or [""])[0]
        if "att" in way[0].lower():
            found.append("DP attention")
        else:
            found.append(f"{way[0][0].upper()}P{many and f'-{many}'}")
    return " + ".join(found)


def _versions(engines):
    """Engines by their names, of which a version alone is the one before."""
    program = ""
    for one in engines:
        named = re.match(r"[a-z_. -]*[a-z](?=[\sv]*\d|$)", one, re.I)
        is_version = re.fullmatch(VERSION, one, re.I)
        program = program if is_version or not named else named[0]
        yield f"{program} {one}" if is_version else one


def _a_second(number, unit, figures):
    """Requests a minute, an hour or a day as requests a second."""
    return f"{(typed_number(number) or 0) / PER[unit.lower()]:.{figures}g}"


def _together(match):
    """How many requests come in one moment, and the seconds between two such moments."""
    unit_s = {"s": 1, "m": PER["min"], "h": PER["h"], "d": PER["day"]}[match["unit"][0].lower()]
    return match["many"], (typed_number(match["every"] or "1") or 1) * unit_s


def _percentile(words):
    """The name of a percentile, or of the mean, as the inputs spell it."""
    digits = re.search(r"\d+", words)
    if digits:
        return f"p{digits[0]}"
    return "p50" if words.lower() == "median" else MEAN
