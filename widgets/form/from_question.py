"""A question typed in a line, such as "gpt-oss-120b on H100 or H200, 32K context", as inputs.

What a question names begins anew: a model comes in the format it is released in, and the engine
keeps what it keeps unless told. What it does not speak of stays as it is. What was read is said
back, and so is what no input takes: an answer is of what was read alone.
"""

import difflib
import re
from itertools import product
from typing import Any

from llmcap_kernel import catalog
from llmcap_kernel.address import LETTERS, MEAN
from llmcap_kernel.design.space import HOME
from llmcap_kernel.refuse import BadInput, shown, typed_number

from . import asked, following, lists, presets

# How what was read is said back.
SAID = {
    "in": "prompt {}", "out": "answer {}", "ctx": "context {}", "users": "{} users",
    "rate": "{} requests/s", "percentile": "{}", "itlp": "{} of the gap", "itl": "gap {}",
    "ttftp": "{} of the first token", "ttft": "first token {}", "usd": "rent ${}/h a card",
    "budget": "budget ${}/h for all cards", "weights": "{} weights", "kv": "{} cache",
    "engine": "{}", "vendor": "cards of {}",
}  # fmt: skip


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
    tuple of dict, list of str and list of str
        Values by input, what to say of them, and what of the question is not in them.

    Raises
    ------
    BadInput
        Where nothing in it is understood.
    """
    if not isinstance(text, str) or not text.strip():
        raise BadInput("question", "Type a question, such as Qwen3-32B on two H200, 32K context.")
    fields = {field.name for field in form.fields}
    said = _settled(asked.read(text))
    values = _load(said.numbers, state, fields) | _limits(said.numbers, state, fields)
    values |= {k: said.numbers[k] for k in ("sweep", "show") if k in said.numbers and k in fields}
    if "vendor" in said.numbers and "vendor" in fields:
        values["vendor"] = said.numbers["vendor"].lower()
    if "columns" in fields:
        values |= _columns(said, state)
    elif CARDS in fields:
        values |= _candidates(said, text)
    else:
        values |= _deployment(said.models[:1], said.cards[:1], said.numbers, fields)
    if not values:
        raise BadInput("question", _nothing(text))
    if "pick" in fields:
        values["pick"] = None  # another question has other candidates
    return values, _read(said, values, fields), _left(said, values, fields, text)


WHICH_MODEL = re.compile(
    r"\b(?:what|which|best|biggest|largest)\b(?=.*\b(?:run|runs|fit|fits|models?|llms?|host|serve)\b)",
    re.I,
)
CARDS, ANY = "gpus", "any"  # the input of a search that names its cards; and any model
# One person's load, where somebody asks what their own card runs and says no more.
ALONE = {"users": 1, "in": 2000, "out": 500, "prefix": 0, "itl": 100, "ttft": 0, "rate": None}


def _nothing(text):
    """Say of a question that means nothing here what one is made of, and the nearest name."""
    said = f"{shown(text.strip())} names no model, card or number that is known here."
    near = [word for word in re.findall(r"[\w.-]*\d[\w.-]*", text) if len(word) > 1][:1]
    names = [name for word in near for name in _near(word)]
    hint = f" Did you mean {' or '.join(names)}?" if names else ""
    return f"{said}{hint} A question is such as: Qwen3-32B on two H200, 32K context."


def _near(word):
    found = difflib.get_close_matches(word.lower(), [*catalog.models(), *catalog.gpus()], 3, 0.6)
    return list(dict.fromkeys(found))


def _settled(said):
    """Settle what depends on the whole question: whose rent a number is, whose percentile."""
    numbers = dict(said.numbers)
    rented = numbers.pop("rented", None)
    if rented:  # "at $2.50/h" beside cards is what each costs; else it is all there is to spend
        word, amount = rented.split()
        priced = numbers.get("show") == "price"
        each = priced and said.cards if word.lower() == "for" else priced or said.cards
        numbers.setdefault("usd" if each else "budget", amount)
    whole, speed = numbers.pop("rented of all", None), numbers.pop("speed", None)
    if whole and said.cards:
        numbers.setdefault("usd", f"{(typed_number(whole) or 0) / said.cards[0][1]:g}")
    elif whole:
        numbers.setdefault("budget", whole)
    rate = typed_number(speed or "")
    if rate:  # of one user: so long a gap at most
        numbers.setdefault("itl", f"{1e3 / rate:.4g} ms")
        numbers.setdefault("itlp", MEAN)
    which, lost = numbers.pop("percentile", None), list(said.lost)
    if which:
        # of the gap, unless only the first token has a limit, or the gap has its own already
        named = [n for n in ("itl", "ttft") if n in numbers and f"{n}p" not in numbers]
        if named:
            numbers[f"{named[0]}p"] = which
        else:
            lost.append(which)
    return said._replace(numbers=numbers, lost=lost)


def _words(said, names):
    """What was read under these names, as it is said back."""
    numbers = {name: said.numbers[name] for name in SAID if name in names and name in said.numbers}
    for latency in ("itl", "ttft"):
        if latency in numbers and f"{latency}p" in numbers:
            which = numbers.pop(f"{latency}p")
            yield f"{which} {SAID[latency].format(numbers.pop(latency))}"
    for name, value in numbers.items():
        yield _counted(value) if name == "users" else SAID[name].format(value)


def _counted(users):
    return f"{users} user" if typed_number(users) == 1 else f"{users} users"


def _used(said, values):
    """The names of numbers that an input takes."""
    taken = {name.rpartition(".")[2] for name in values}
    return {n for n in said.numbers if n in taken or (n == "ctx" and "in" in taken)}


def _titles(said, fields):
    """Models and cards by their titles: those that the inputs take, and those that they do not."""
    search = CARDS in fields
    models = [lists.model_title(catalog.model(name)) for name in said.models]
    cards = [
        f"{n}x {lists.listed_title(name)}".removeprefix("1x " * search) for name, n in said.cards
    ]
    if "columns" in fields:
        pairs = _pairs(models, cards)
        taken = [one for one in (*models, *cards) if any(one in pair for pair in pairs)]
    else:
        taken = [*models[:1], *(cards if search else cards[:1])]
    return taken, [one for one in (*models, *cards) if one not in taken]


def _read(said, values, fields):
    """Say what was read, and what was assumed beside it."""
    taken, _ = _titles(said, fields)
    words = list(_words(said, _used(said, values)))
    if values.get("model") == ANY:
        taken.insert(0, "any model")
    notes = [f"Read: {', '.join((*taken, *words))}. The rest stays as it was."]
    released = {v for k, v in values.items() if k.rpartition(".")[2] == "weights"}
    if said.models and released and "weights" not in said.numbers:
        titles = " and ".join(sorted(catalog.format(one).short_title for one in released))
        notes.append(f"Weights are as released: {titles}. Name a format for another.")
    if values.get("tp") and CARDS in fields:
        most = "one card" if values["tp"] == 1 else f"{values['tp']} cards at most"
        notes.append(f"A copy of the model takes {most}.")
    engines = {v for k, v in values.items() if k.rpartition(".")[2] == "engine"}
    if HOME in engines and "engine" not in said.numbers:
        notes.append(f"{catalog.engine(HOME).title} is taken as the engine: {HOMELY}.")
    if values.get("model") == ANY and "users" in values and "users" not in said.numbers:
        notes.append(
            "Nothing was said of the load: one user is taken, with prompts of 2,000 tokens, "
            "answers of 500, and at most 100 ms between tokens."
        )
    return notes


HOMELY = "it is what Macs and GGUF files are run with"


def _left(said, values, fields, text):
    """Say what the answer does not take: what no input here means, and what was not understood."""
    notes = []
    _, more = _titles(said, fields)
    unused = [*more, *_words(said, said.numbers.keys() - _used(said, values) - {"show", "sweep"})]
    if unused:
        notes.append(f"Not among these inputs, so not in the answer: {', '.join(unused)}.")
    if said.lost:
        notes.append(f"Not understood: {', '.join(said.lost)}.")
    if CARDS not in fields and not said.models and said.cards and WHICH_MODEL.search(text):
        notes.append("Which models a card runs is a question for Design: type it there.")
    return notes


def _load(numbers, state, fields):
    values = {k: numbers[k] for k in ("in", "out", "users", "rate") if k in numbers and k in fields}
    if "users" in values and "rate" in fields and "rate" not in values:
        values["rate"] = None  # who states users asks for no rate
    if "ctx" in numbers and "ctx" in fields:
        values["ctx"] = numbers["ctx"]
    elif "ctx" in numbers and "in" in fields and "in" not in values:
        whole, answer = (
            typed_number(numbers["ctx"]),
            typed_number(values.get("out", "")) or state["out"],
        )
        values["in"] = max(int(whole or 0) - int(answer), 1)
    return values


def _limits(numbers, state, fields):
    """Limits; which percentile is of no use where the latency has no limit."""
    given = {k: numbers[k] for k in ("itl", "ttft", "budget") if k in numbers and k in fields}
    for one in ("itl", "ttft"):
        if f"{one}p" in numbers and f"{one}p" in fields and (one in given or state[one]):
            given[f"{one}p"] = numbers[f"{one}p"]
    return given


def _deployment(models, cards, numbers, fields, prefix=""):
    """A deployment of what is named; all that is not begins as an engine has it."""
    values: dict[str, Any] = {}
    if models or cards:
        values |= {"pp": 1, "ep": False, "dp": False} | presets.AS_UNTOLD
    if models:
        values |= {"model": models[0], "config": None}
        values["weights"] = catalog.model(models[0]).native_format
    if cards:
        values["gpu"], values["tp"] = cards[0]
    values |= {k: numbers[k] for k in ("weights", "kv", "engine", "usd") if k in numbers}
    if "engine" not in values and _at_home(values):
        values["engine"] = HOME
        values["kv"] = numbers.get("kv", presets.ON_LAPTOP["kv"])
    return {prefix + k: v for k, v in values.items() if prefix + k in fields}


def _at_home(values):
    """Whether a Mac or a GGUF file is named, which llama.cpp runs."""
    try:
        return following.engine_of(values.get("gpu"), values.get("weights")) == HOME
    except BadInput:  # the inputs refuse it, and say why
        return False


def _candidates(said, text):
    """What a search may choose from: one model or any, and only the cards that are named."""
    values: dict[str, Any] = {}
    numbers = said.numbers
    if said.models:
        values["model"] = said.models[0]
    if "engine" in numbers:
        values["engine"] = numbers["engine"]
    if said.cards:
        values[CARDS] = ",".join(dict.fromkeys(name for name, _ in said.cards))
        values.setdefault("vendor", ANY)
        # "two H100" are all there are of them; "H100" is which
        most = max(n for _, n in said.cards)
        values["tp"] = most if most > 1 else None
    if not said.models and said.cards and WHICH_MODEL.search(text):
        values["model"], values["tp"] = ANY, most
        alone = all(catalog.gpu(name).place == "desk" for name, _ in said.cards)
        if alone and not numbers.keys() & {"users", "rate", "in", "out", "ctx", "itl", "ttft"}:
            values |= ALONE
    return values


def _columns(said, state):
    """Deployments side by side: each named model on each named cards, up to four."""
    pairs = _pairs(said.models, said.cards)
    values: dict[str, Any] = {"columns": len(pairs)} if len(pairs) > 1 else {}
    several = len(pairs) > 1
    fields = set(state)
    for i, letter in enumerate(LETTERS[: len(pairs) if several else state["columns"]]):
        model, card = pairs[i] if several else pairs[0]
        if not several and card and i:
            break  # one deployment is the first
        named = ([model] * bool(model), [card] * bool(card))
        values |= _deployment(*named, said.numbers, fields, f"{letter}.")
    return values


def _pairs(models, cards):
    """Each model on each cards, as many as there are columns; None for what is not named."""
    return list(product(models or [None], cards or [None]))[: len(LETTERS)]
