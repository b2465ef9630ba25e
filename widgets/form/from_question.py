"""A question typed in a line, such as "gpt-oss-120b on H100 or H200, 32K context", as inputs.

What a question names begins anew: a model comes in the format it is released in, and the engine
keeps what it keeps unless told. What it does not speak of stays as it is. What was read is said
back, and so is what no input takes: an answer is of what was read alone.
"""

import difflib
import re
from dataclasses import replace
from itertools import product
from math import ceil
from typing import Any

from llmcap_kernel import capacity, catalog, design
from llmcap_kernel.address import LETTERS, MEAN
from llmcap_kernel.catalog import names
from llmcap_kernel.design import split
from llmcap_kernel.design.copies import MOST_COPIES
from llmcap_kernel.design.held import EIGHT_BITS, HELD
from llmcap_kernel.design.space import FOUR_BITS, HOME, HOME_FORMATS
from llmcap_kernel.refuse import BadInput, either, shown, typed_number
from llmcap_kernel.spec import usual_load

from . import amounts, asked, following, gains, ledgers, lists, meaning, own_card, presets

# How what was read is said back.
SAID = {
    "in": "prompt {}", "out": "answer {}", "prefix": "shared prefix {}",
    "ctx": "context {}", "users": "{} users",
    "rate": "{} requests/s", "percentile": "{}", "itlp": "{} of the gap", "itl": "gap {}",
    "ttftp": "{} of the first token", "ttft": "first token {}", "usd": "rent ${}/h a card",
    "budget": "budget ${}/h for all cards", "weights": "{} weights", "kv": "{} cache",
    "engine": "{}", "vendor": "cards of {}", "api": "API ${}/M of answers",
    "api_in": "API ${}/M of prompts", "tp": "TP-{}", "pp": "PP-{}",
    "maxlen": "max_model_len {}", "fraction": "memory fraction {}", "seqs": "{} sequences",
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
    tuple of dict, list of str, list of str and list of tuple
        Values by input, what to say of them, what of the question is not in them, and a sentence
        and a name for each other calculator that answers it.

    Raises
    ------
    BadInput
        Where nothing in it is understood.
    """
    if not isinstance(text, str) or not text.strip():
        raise BadInput("question", "Type a question, such as Qwen3-32B on two H200, 32K context.")
    if SETTINGS.search(text) and (read := _settings(text, state)):
        return read
    fields = set(form.by_name)
    said, amount = _a_second(_settled(_possible(asked.read(text))), state)
    said = gains.both(said)
    beside = "columns" in fields or _gains(said, fields)
    said, fewest = _fewest_cards(said, state) if beside else (said, [])
    values = _load(said.numbers, state, fields) | _limits(said.numbers, state, fields)
    if "unhurried" in said.numbers:  # of a batch, which nobody waits for
        values |= {n: 0 for n in ("itl", "ttft") if n in fields - values.keys()}
    values |= {k: said.numbers[k] for k in ("api", "api_in") if k in said.numbers and k in fields}
    values |= {k: said.numbers[k] for k in ("sweep", "show") if k in said.numbers and k in fields}
    if "vendor" in said.numbers and "vendor" in fields:
        values["vendor"] = said.numbers["vendor"].lower()
    if "columns" in fields:
        values |= _columns(said, state)
    elif CARDS in fields:
        values |= _candidates(said, text)
    else:
        values |= _deployment(said.models[:1], said.cards[:1], said.numbers, state)
        values |= _two(said, state)[0] if _gains(said, fields) else {}
    if not values:
        raise BadInput("question", _nothing(text))
    alone = {} if CARDS in fields else _alone(said, state, form.defaults())
    values |= alone
    shorter = _in_window(values, state)
    values |= shorter
    if said.numbers.get("most") and "users" in fields and form.by_name["users"].read_empty:
        values.setdefault("users", None)  # how many is the question, and the kernel's answer
    if "need" in said.numbers and "users" in fields and "users" not in said.numbers:
        values.setdefault("users", 1)
    free = _unlimited(said, state, values, form.defaults()) if CARDS in fields else {}
    values |= free
    if "count" in said.numbers and CARDS in fields:
        values["copies"] = MOST_COPIES  # how many cards is the question
    if "pick" in fields:
        values["pick"] = None  # another question has other candidates
    flying = _in_flight(form, said, values, state)
    values |= {"users": flying[0]} if flying else {}
    notes = [
        *_read(said, values, state, alone),
        *_window_said(shorter),
        *amount,
        *flying[1:2],
        *fewest,
    ]
    notes += _free_said(free)
    notes += _taking(form, said, values, state)
    notes += _memory_said(form, said, values, state)
    notes += _gained(form, said, values, state)
    notes += _beside(said, values, fields)
    elsewhere = list(_elsewhere(said, values, fields, text))
    many = (amount and "rate" in said.numbers and CARDS not in fields) or (flying and flying[2])
    if many and "design" not in dict(elsewhere).values():
        elsewhere.append(("How many cards answer them all is a question for Design.", "design"))
    return values, notes, _left(said, values, fields), elsewhere


WHICH_MODEL = re.compile(
    r"\b(?:what|which|best|biggest|largest)\b(?=.*\b(?:run|runs|fit|fits|models?|llms?|host|serve)\b)",
    re.I,
)
# Of a file that is pasted in the place of a question.
SETTINGS = re.compile(r"\b[a-z]+_[a-z_]+\s*:.*\b[a-z]+_[a-z_]+\s*:", re.S)
CARDS, ANY = "gpus", "any"  # the input of a search that names its cards; and any model
# One person's load, where somebody asks what their own card runs and says no more.
ALONE = {"users": 1, "in": 2000, "out": 500, "prefix": 0, "itl": 100, "ttft": 0, "rate": None}
ALONE_CTX = 2500  # where a tool asks for prompt and answer together
LENGTHS = {"in", "out", "ctx"}


def unasked(text, state, defaults):
    """List the limits of an answer that its question does not speak of.

    Parameters
    ----------
    text : str
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
    if not isinstance(text, str) or not text.strip():
        return {}
    told = _settled(asked.read(text)).numbers
    usual = {n: (defaults.get(n), ALONE.get(n)) for n in LIMITS}
    names = [n for n in _in_force(state) if n not in told and state[n] in usual[n]]
    others = set(LIMITS) - set(names)
    return dict(zip(names, _limit_words(others, state), strict=True))


def _settings(text, state):
    """Read TensorRT-LLM's file of settings, and ask for what it does not say."""
    from . import from_settings  # a page opens without the readers of files

    if not from_settings.is_settings(text):
        return ()
    if CARDS in state:
        text = "Settings of one deployment are a question for Calculate."
        return {}, [], [], [(text, "calculate")]
    values, (*notes, missing) = from_settings.inputs(text, state, "a." * ("columns" in state))
    return values, notes, [missing], []


LIMITS = ("itl", "ttft", "budget")


OF_LIMITS = {"itl": "the gap", "ttft": "first tokens", "budget": "the rent"}


def _unlimited(said, state, values, defaults):
    """The limits of an untouched page, lifted where a question names none: they decide nothing.

    The pace stays, as `design.paced` has it where a command names none.
    """
    named = said.numbers.keys() | values.keys() | {"itl"}
    return {n: 0 for n in LIMITS if n not in named and state[n] == defaults[n]}


def _free_said(free):
    """Say which limits were lifted."""
    if free:
        yield f"No limit was asked on {either([OF_LIMITS[n] for n in free])}, so none holds."


def _in_force(state):
    """The limits that hold: no budget where no card has a rent."""
    return [n for n in LIMITS if state.get(n) and (n != "budget" or _rented(state))]


def _rented(state):
    named = str(state.get(CARDS) or "").split(",") if CARDS in state else [state.get("gpu")]
    named = [name for name in named if name]
    if state.get("usd") or not named:
        return True
    try:
        return any(own_card.card(name).usd_h for name in named)
    except BadInput:  # the inputs refuse it, and say why
        return True


def limited(text):
    """Whether a question names a limit.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    bool
        Whether it does.
    """
    return bool(_settled(asked.read(text)).numbers.keys() & set(LIMITS))


def too_few(text, state):
    """Say how many of the requests a second that a question asks for are answered, if not all.

    Parameters
    ----------
    text : str
        The question.
    state : dict
        The state that it became.

    Returns
    -------
    str
        A sentence; "" where all are, or the question asks for no rate of one deployment.
    """
    if not isinstance(text, str) or not text.strip():
        return ""
    said = _a_second(_settled(asked.read(text)), state)[0]
    rate = _rate_of_users(said, state)
    try:
        deployment = meaning.deployment(state) if rate else None
        return amounts.too_few(deployment, state["in"], state["out"], rate) if deployment else ""
    except BadInput:  # the view says what does not go together
        return ""


def _possible(said):
    """What was read, unless a number or a model in it is none that can be served."""
    if "no model" in said.numbers and not said.models:
        raise BadInput("question", OF_ITS_OWN["no model"].format(said.numbers["no model"]))
    if "absurd" in said.numbers:
        raise BadInput(
            "question",
            f"{shown(said.numbers['absurd'])} is nothing that is served or met: write a number "
            "above zero, or leave it out.",
        )
    return said


def _a_second(said, state):
    """A load in requests a second, users and lengths of a question, and how it was read."""
    numbers = dict(said.numbers)
    usual = ((state.get("in"), 7000), (state.get("out"), 1000))
    worked = amounts.settle(numbers, *(there or least for there, least in usual))
    volume = numbers.pop("volume", None)
    if volume is None:
        return said._replace(numbers=numbers), worked
    if "rate" in numbers or "users" in numbers or not {"in", "out"} <= state.keys():
        return said._replace(numbers=numbers, lost=[*said.lost, volume]), worked
    lengths = _load(numbers, state, state.keys())
    prompt, answer = (
        int(typed_number(str(lengths.get(name, ""))) or state[name]) for name in ("in", "out")
    )
    rate, note = amounts.rate(volume, prompt, answer)
    numbers["rate"] = f"{rate:.4g}"
    return said._replace(numbers=numbers), [*worked, note]


def _rate_of_users(said, state):
    """The requests a second of a question, where an input takes users alone; else None."""
    rate = typed_number(str(said.numbers.get("rate", "")))
    if not rate or "users" in said.numbers or state.keys() & {"rate", "columns"}:
        return None
    return rate if {"in", "out", "users"} <= state.keys() else None


def _in_flight(form, said, values, state):
    """The users that stand for a rate, what was taken, and whether they are too few for it."""
    rate = _rate_of_users(said, state)
    if not rate:
        return ()
    try:
        whole = form.check(values, state)[0]
        asked_of = meaning.deployment(whole), whole["in"], whole["out"], rate
        users, note = amounts.users(*asked_of)
        few = amounts.too_few(*asked_of)
    except BadInput:  # the view says what does not go together
        return ()
    return (users, f"{note}.", few) if users else ()


def _taking(form, said, values, state):
    """Say how long a batch takes that has no time, of one deployment."""
    if "pieces" not in said.numbers or not {"in", "out", "model", "tp"} <= state.keys():
        return []
    try:
        whole = form.check(values, state)[0]
        if CARDS in state:
            return ["Say how long it may take, as in 8 hours, for the fewest cards."]
        one = meaning.deployment(whole)
        return [amounts.takes(one, whole["in"], whole["out"], said.numbers["pieces"])]
    except BadInput:  # the view says what does not go together
        return []


def _memory_said(form, said, values, state):
    """Say how much memory is asked for, and what vLLM prints of the room that is left."""
    if not said.numbers.keys() & {"need", "times"} or not {"model", "tp", "users"} <= state.keys():
        return []
    try:
        whole = form.check(values, state)[0]
        one, length = meaning.deployment(whole), _context(said.numbers, whole)
        one = replace(one, max_model_len=length) if "times" in said.numbers else one
        books = capacity.ledger(one, context_tokens=length, concurrency=whole["users"] or 1)
    except BadInput:  # the view says what does not go together
        return []
    notes = [ledgers.times(books, float(said.numbers["times"]))] if "times" in said.numbers else []
    return notes + [ledgers.needed(books)] * ("need" in said.numbers)


def _gains(said, fields):
    """Whether a calculator of one deployment is asked what a change buys."""
    return "gain" in said.numbers and {"gpu", "in", "prefix"} <= fields


def _gained(form, said, values, state):
    """Say what one deployment does without and with the change that is asked about."""
    if not _gains(said, state.keys()):
        return []
    try:
        whole = form.check(values, state)[0]
        one, load = meaning.deployment(whole), meaning.load(whole)
        sides = [form.check(values | side, state)[0] for side in _two(said, state)]
        if len(sides) > 1:
            made = [meaning.deployment(side) for side in sides]
            named = [*zip(gains.words(made), made, (load, load), strict=True)]
            return [gains.sentence(*(named if "onward" in said.numbers else named[::-1]))]
        if "draft" in said.numbers:
            before, after, taken = gains.drafting(one, load)
            return [f"{gains.sentence(before, after)} {taken}"]
        if load.shared_prefix_tokens:
            return [gains.sentence(*gains.sharing(one, load))]
        return [NO_PREFIX] * ("caching" in said.numbers)
    except BadInput:  # the view says what does not go together
        return []


NO_PREFIX = (
    "A prefix cache saves what prompts share, and how much that is was not said: name it, as in a "
    "2k system prompt, or 60% prefix hits."
)


def _two(said, state):
    """The inputs of the first two deployments that stand side by side, in one format."""
    made: dict[str, Any] = {}
    sides = _sides(said, said.models, said.cards)[:2]
    for letter, (model, card, each) in zip("ab", sides, strict=False):
        named = ([model] * bool(model), [card] * bool(card))
        side = _deployment(*named, said.numbers | each, state)
        made |= {f"{letter}.{name}": value for name, value in side.items()}
    made |= {} if "weights" in said.numbers else _alike(made)
    return [{k[2:]: v for k, v in made.items() if k[0] == x} for x in "ab"[: len(sides)]]


def _alone(said, state, before):
    """One person's load on a card for a desk, where neither the question nor a reader says it."""
    if not said.cards or not all(catalog.gpu(name).place == "desk" for name, _ in said.cards):
        return {}
    told = set(said.numbers)
    if "rate" in told or typed_number(said.numbers.get("users", "1")) != 1:
        return {}  # a service
    names = {"users"} - told if "most" not in told else set()
    names |= {"in", "out", "ctx"} if not told & LENGTHS else set()
    names |= {"itl"} if not told & {"itl", "ttft"} else set()
    usual = ALONE | {"ctx": ALONE_CTX}
    return {k: usual[k] for k in usual if k in names & state.keys() and state[k] == before[k]}


def _in_window(values, state):
    """The usual load where a model takes no request as long as that which stood there."""
    names = [v for k, v in values.items() if k.rpartition(".")[2] == "model" and v != ANY]
    if not names or values.keys() & LENGTHS:
        return {}
    window = min(catalog.model(name).max_context_tokens for name in names)
    if (state.get("ctx") or state.get("in", 0) + state.get("out", 0)) <= window:
        return {}
    load = usual_load(window)
    return (
        {"ctx": window} if "ctx" in state else {"in": load.input_tokens, "out": load.output_tokens}
    )


def _window_said(shorter):
    """Say that the load is shorter than usual, and why."""
    if shorter:
        yield f"Its window is shorter than the load that stood here, so {_load_words(shorter)}."


def _nothing(text):
    """Say of a question that means nothing here what one is made of, and the nearest name."""
    said = f"{shown(text.strip())} names no model, card or number that is known here."
    memory = re.search(r"(\d+)\s*gb\b", text, re.I)
    if memory and (cards := _desk_cards(int(memory[1]))):
        titles = " or ".join(title for title, _ in cards)
        return f"{said} Several cards have {memory[1]} GB: name one, such as {titles}."
    near = [word for word in re.findall(r"[\w.-]*\d[\w.-]*", text) if len(word) > 1][:1]
    names = [name for word in near for name in _near(word)]
    hint = f" Did you mean {' or '.join(names)}?" if names else ""
    return f"{said}{hint} A question is such as: Qwen3-32B on two H200, 32K context."


def _desk_cards(gb):
    """A few cards for a desk that are sold with a memory, the most bandwidth first."""
    every = (catalog.gpu(name) for name in catalog.gpus())
    found = [g for g in every if g.place == "desk" and not g.unified_memory]
    found = [g for g in found if round(g.memory_sold_bytes / 1e9) == gb]
    found.sort(key=lambda g: -g.bandwidth_bytes_s)
    return [(lists.listed_title(g.name), g.name) for g in found[:2]]


def _near(word):
    found = difflib.get_close_matches(word.lower(), [*catalog.models(), *catalog.gpus()], 3, 0.6)
    return list(dict.fromkeys(found))


def _settled(said):
    """Settle what depends on the whole question: whose rent a number is, whose percentile."""
    said = _counted_cards(said)
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
    _by_speed(numbers, speed)
    which, lost = numbers.pop("percentile", None), list(said.lost)
    _of_two(numbers, lost)
    if which:
        # of the gap, unless only the first token has a limit, or the gap has its own already
        named = [n for n in ("itl", "ttft") if n in numbers and f"{n}p" not in numbers]
        if named:
            numbers[f"{named[0]}p"] = which
        else:
            lost.append(which)
    return said._replace(numbers=numbers, lost=lost)


RANKS = (MEAN, "p50", "p90", "p95", "p99")


def _of_two(numbers, lost):
    """Settle a percentile with its own limit: the first of the gap, or one beside another."""
    which, _, limit = numbers.pop("second", "").partition(" ")
    if not which:
        return
    which = f"p{which.strip('pP')[:2]}"
    name = "ttft" if "ttft" in numbers and "itl" not in numbers else "itl"
    if name not in numbers and re.search(r"m", limit):
        numbers |= {name: limit, f"{name}p": which}
    elif name not in numbers:
        lost.append(f"{which} {limit}")
    else:
        first, usual = numbers.get(f"{name}p", MEAN), numbers[name]
        both = sorted([(first, usual), (which, limit)], key=lambda one: RANKS.index(one[0]))
        numbers |= {name: both[1][1], f"{name}p": both[1][0]}
        numbers["two"] = OF_LIMITS[name], both, _ms(both[1][1]) < _ms(both[0][1])


def _ms(limit):
    """Milliseconds of a limit as it was typed."""
    number, unit = re.split(r"(?<=[\d.,])\s*(?=[a-z]|$)", limit.strip(), maxsplit=1, flags=re.I)
    return (typed_number(number) or 0) * (1 if unit.startswith("m") else 1e3)


def _by_speed(numbers, speed):
    """Read the speed of one user as so long a gap at most; of two limits the shorter holds."""
    rate = typed_number(speed or "")
    if not rate:
        return
    gap_ms, beside = 1e3 / rate, re.match(r"(\S+)\s+(m?)", numbers.get("itl", ""))
    other_ms = (typed_number(beside[1]) or 0) * (1 if beside[2] else 1e3) if beside else 0
    if 0 < other_ms < gap_ms:
        numbers["beaten"] = f"{rate:g} tok/s"
        return
    if other_ms > gap_ms or (other_ms and numbers.get("itlp", MEAN) != MEAN):
        numbers["beaten"] = numbers["itl"]
    if other_ms > gap_ms or not other_ms:
        numbers["itl"] = f"{gap_ms:.4g} ms"
    numbers["itlp"] = MEAN


def _counted_cards(said):
    """The cards of a question and how many of each; one where their memory alone is said."""
    numbers, cards = dict(said.numbers), list(said.cards)
    if said.models and not cards and numbers.keys() & {"memory", "home", "laptop"}:
        name, numbers["open"] = _own_machine(said.models, numbers)
        cards = [(name, 1)]
    if each := int(numbers.get("cards", 0)):  # "MI300X or H100, 8 cards each"
        cards = [(name, each if n < 2 else n) for name, n in cards]
    if nodes := numbers.get("nodes"):
        usual = {name: _in_a_node(catalog.gpu(name)) for name, _ in cards}
        cards = [(name, amounts.cards_of(n, nodes[0], nodes[1], usual[name])) for name, n in cards]
    return said._replace(numbers=numbers, cards=cards)


LEAST_GB = 16  # of what people buy to run models at home


def _own_machine(models, numbers):
    """The card for a desk that is taken where only its memory or its place is said, and why.

    The slowest with that memory, and a Mac where no card has it; without a memory, the least that
    holds the model in four bits.
    """
    gb, laptop = int(numbers.get("memory", 0)), "laptop" in numbers
    where = "laptop" if laptop else "card"
    cards = [one for one in map(catalog.gpu, catalog.gpus()) if _is_own(one, laptop)]
    if gb:
        found = [one for card in cards for one in _sized(card, gb)]
        found = [one for one in found if laptop or not one.unified_memory] or found
        which, how = f"Which {where} of {gb} GB is meant is not said", "the slowest of them"
    else:
        four = catalog.format(FOUR_BITS).bytes_per_element
        asked_of = four * max(catalog.model(name).params for name in models)
        held = [(one, HELD * one.memory_visible_bytes * one.memory_usable_share) for one in cards]
        found = [one for one, room in held if room > asked_of]
        found = [one for one in found if one.memory_sold_bytes >= LEAST_GB * 1e9]
        which, how = f"Which {where} is meant is not said", "the least that holds it in four bits"
    if not found:
        what = f"has {gb} GB" if gb else "holds the model in four bits"
        raise BadInput(
            "question", f"No {where} for a desk known here {what} alone: name the cards."
        )
    least = min(found, key=lambda one: (one.memory_sold_bytes, one.bandwidth_bytes_s))
    said = f"{which}: {lists.listed_title(least.name)} is taken, {how}."
    return least.name, f"{said} Name a card for another."


def _is_own(card, laptop):
    """Whether people have a card at home, or in a laptop, and run models on it."""
    if card.place != "desk" or card.name.startswith(("jetson", "orin")):
        return False
    portable = card.name.endswith("-laptop") or "-laptop-" in card.name
    if card.vendor == "apple":
        return not laptop or "ultra" not in card.name
    return portable == laptop and not (laptop and card.unified_memory)


def _sized(card, gb):
    """A card where it is sold with a memory, as Macs are with several."""
    if round(card.memory_sold_bytes / 1e9) == gb:
        return [card]
    name = names.card(f"{card.name} {gb}gb").name if card.unified_memory else ""
    one = catalog.gpu(name) if name else card
    return [one] if round(one.memory_sold_bytes / 1e9) == gb else []


def _has(name, gb):
    return round(catalog.gpu(name).memory_sold_bytes / 1e9) == gb


def _in_a_node(gpu):
    return gpu.max_per_node if gpu.place == "server" else 1


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
    sums = "in" in taken and "in" not in said.numbers  # a context is of prompt and answer
    flying = "users" in taken and "rate" in said.numbers and "users" not in said.numbers
    also = {"ctx": sums, "rate": flying}
    return {n for n in said.numbers if n in taken or also.get(n)}


def _titles(said, fields):
    """Models and cards by their titles: those that the inputs take, and those that they do not."""
    search = CARDS in fields
    models = [lists.model_title(catalog.model(name)) for name in said.models]
    cards = [
        f"{n}x {lists.listed_title(name)}".removeprefix("1x " * search) for name, n in said.cards
    ]
    if "columns" in fields:
        sides = [pair for *pair, _ in _sides(said, models, cards)]
        taken = [one for one in (*models, *cards) if any(one in pair for pair in sides)]
    else:
        taken = [*models[:1], *(cards if search else cards[:1])]
    return taken, [one for one in (*models, *cards) if one not in taken]


def _read(said, values, state, alone):
    """Say what was read, and of which load the answer is where nothing was said of it."""
    fields = state.keys()
    taken, _ = _titles(said, fields)
    words = [*_words(said, _used(said, values)), *_set_beside(said, fields)]
    if values.get("model") == ANY:
        taken.insert(0, "any model")
    notes = [f"Read: {', '.join((*taken, *words))}. {_rest(values, state)}"]
    notes += said.numbers.get("slips", [])
    if "everyone" in said.numbers and "users" in values:
        notes.append(_people(said.numbers["users"]))
    if alone:
        notes.append(f"A card for a desk, so for one person unless said: {_load_words(alone)}.")
    if "most" in said.numbers and values.get("users", 0) is None:
        notes.append("The users are as many as meet the limits.")
    return notes


def _people(many):
    """Say that people are taken as asking at once, and how to say how many do."""
    count = int(typed_number(str(many)) or 1)
    tenth = max(count // 10, 1)
    return (
        f"All {count:,} people are taken as {_counted(f'{count:,}')} asking at once. Where fewer "
        f"do, say how many ({tenth:,} users), what part (10% at once), or what each sends (20 "
        "requests a day each)."
    )


def _rest(values, state):
    """Say that the rest stays: which model, cards, load and limits the answer is of therefore."""
    used = {name.rpartition(".")[2] for name in values}
    names = [n for n in ("users", "in", "out", "ctx") if n in state and n not in used]
    if values.get("rate") or ("rate" not in used and state.get("rate")):
        names = [n for n in names if n != "users"]  # they follow from it
    told = [*_run_words(values, state), _load_words({n: state[n] for n in names if state[n]})]
    unpriced = {"budget"} - set(_in_force(state | values))
    told += _limit_words(used | unpriced, state)
    words = ", ".join(filter(None, told))
    return "The rest stays as it was" + (f": {words}." if words else ".")


def _run_words(values, state):
    """The model and the cards that stay where a question names the other, or neither."""
    if "model" in state and "model" not in values and not state.get("config"):
        yield _model_words(state["model"])
    if CARDS in state and state[CARDS] and CARDS not in values:
        yield "only " + ", ".join(map(lists.listed_title, state[CARDS].split(",")))
    if "gpu" in state and "gpu" not in values and not own_card.is_own(state["gpu"]):
        yield f"{state['tp']}x {lists.listed_title(state['gpu'])}"


def _model_words(name):
    return "any model" if name == ANY else lists.model_title(catalog.model(name))


def _limit_words(used, state):
    """The limits that hold though nobody spoke of them."""
    for name, unit in (("itl", " ms"), ("ttft", " s"), ("budget", "")):
        if state.get(name) and name not in used:
            which = f"{state[f'{name}p']} " if f"{name}p" in state else ""
            yield which + SAID[name].format(f"{state[name]:,g}{unit}")


def _load_words(load):
    """A load or a limit as it is said back, with its numbers in full."""
    said = {"itl": "at most {} ms between tokens"}
    return ", ".join(
        _counted(f"{value:,}") if name == "users" else (said | SAID_LENGTHS)[name].format(value)
        for name, value in load.items()
    )


SAID_LENGTHS = {one: SAID[one].replace("{}", "{:,}") + " tokens" for one in ("in", "out", "ctx")}


def _beside(said, values, fields):
    """Say what was assumed beside what was read."""
    notes = [said.numbers["open"]] if "open" in said.numbers else []
    if "columns" in fields and (said.models or said.cards) and "columns" not in values:
        notes.append("That is A; the others stay as they were. Name two to set them side by side.")
    released = {v for k, v in values.items() if k.rpartition(".")[2] == "weights"}
    if said.models and released and "weights" not in said.numbers:
        own = {catalog.format(catalog.model(name).native_format).name for name in said.models}
        taken = (released - own) or released
        titles = " and ".join(sorted(catalog.format(one).short_title for one in taken))
        as_they_are = f"Weights are as released: {titles}."
        desk = ", as on a desk" if taken != {EIGHT_BITS} else ""
        smaller = f"As released the weights do not fit: a copy in {titles} is taken{desk}."
        notes.append(f"{as_they_are if released <= own else smaller} Name a format for another.")
    if values.get("tp") and CARDS in fields:
        most = "one card" if values["tp"] == 1 else f"{values['tp']} cards at most"
        notes.append(f"A copy of the model takes {most}.")
    engines = {v for k, v in values.items() if k.rpartition(".")[2] == "engine"}
    if HOME in engines and "engine" not in said.numbers:
        notes.append(f"{catalog.engine(HOME).title} is taken as the engine: {HOMELY}.")
    notes += _split_said(values)
    if values.get("model") == ANY and any(following.engine_of(n) != HOME for n, _ in said.cards):
        notes.append(
            "Weights are as released, in FP8, or on a desk in four bits (INT4 AWQ). For a copy in "
            "another format, ask Calculate."
        )
    if values.get("model") == ANY and "users" in values and "users" not in said.numbers:
        notes.append(
            "Nothing was said of the load: one user is taken, with prompts of 2,000 tokens, "
            "answers of 500, and at most 100 ms between tokens."
        )
    return notes


def _split_said(values):
    """Say how the cards split a model where that is not one layer over all of them."""
    prefixes = dict.fromkeys(name.rpartition("gpu")[0] for name in values if name.endswith("gpu"))
    said = []
    for prefix in prefixes:
        tp, pp = (values.get(prefix + name) or 1 for name in ("tp", "pp"))
        if values.get(prefix + "dp"):
            said.append(
                f"{tp} cards do not divide the heads of its attention: each holds the cache of its "
                "own users (DP attention), and experts are spread over all."
            )
        elif pp > 1 and _is_home({"engine": values.get(prefix + "engine", "")}):
            said.append("It splits a model over cards by layers, as it does unless it is told.")
        elif pp > 1 and tp == 1:
            said.append(
                f"{pp} cards do not divide the heads of its attention: they split it by layers "
                f"(PP-{pp}), as vLLM advises."
            )
        elif pp > 1:
            said.append(
                f"Layers are split over {tp} cards and {pp} stages (TP-{tp} x PP-{pp}): by tensors "
                "within a node, by layers beyond, as vLLM advises."
            )
    return list(dict.fromkeys(said))


HOMELY = "it is what Macs and GGUF files are run with"


# What decides which inputs there are, and is none itself.
ASIDE = {
    "show",
    "sweep",
    "most",
    "power",
    "nodes",
    "cards",
    "open",
    "memory",
    "longest",
    "count",
    "home",
    "laptop",
    "slips",
    "uncounted",
    "everyone",
    "need",
    "gain",
    "onward",
    "caching",
    "times",
    "unhurried",
    "pieces",
    "hours",
    "two",
}
# What no input takes, by what is said of it.
OF_ITS_OWN = {
    "lora": "{} are not counted here: `llmcap predict --lora-rank 16 --lora-adapters 4` counts "
    "their weights and work.",
    "starting": "How long it takes to load and start is not predicted.",
    "draft": "Tokens guessed ahead ({}) are not counted here: `llmcap predict --draft-tokens 4` "
    "counts them.",
    "offload": "Weights in the host's memory ({}) are not counted here: `llmcap predict "
    "--offload-share 0.9` counts them.",
    "processor": "A processor without a card ({}) is not predicted.",
    "closed": "The weights of {} are not published, so that nobody but its maker runs it.",
    "beaten": "Of two limits on the gap the shorter holds alone: {} is not in the answer.",
    "no model": "Only language models are predicted, and {} is none.",
    "foreign": "An amount in {} is taken as US dollars: no exchange rate is kept here.",
    "purchase": "A price to buy at ({}) is no input: a budget is of rent an hour.",
}


def _left(said, values, fields):
    """Say what the answer does not take: what no input here means, and what was not understood."""
    notes = []
    both = "columns" in fields or _gains(said, fields)
    told = said.numbers.keys() - ASIDE - OF_ITS_OWN.keys()
    unused = [
        *([] if both else _titles(said, fields)[1]),
        *_words(said, told - _used(said, values)),
    ]
    whole = both or "gain" in said.numbers  # the other side of a change is nobody's words
    unused += [] if whole else [one for also in said.also.values() for one in also]
    if unused:
        notes.append(f"Not among these inputs, so not in the answer: {', '.join(unused)}.")
    own = OF_ITS_OWN.keys() - ({"draft"} if both and "gain" in said.numbers else set())
    notes += [
        OF_ITS_OWN[n].format(said.numbers[n]) for n in OF_ITS_OWN if n in own & set(said.numbers)
    ]
    notes += _two_said(said.numbers)
    gb = int(said.numbers.get("memory", 0))
    if said.cards and gb and not any(_has(name, gb) for name, _ in said.cards):
        notes.append(
            f"The host's {gb} GB are not counted here: `llmcap predict --offload-share 0.5` counts "
            "weights that are kept there."
        )
    if said.lost:
        notes.append(f"Not understood: {', '.join(said.lost)}.")
    return notes


def _two_said(numbers):
    """Say which of two limits on one latency is in the answer, and whether they contradict."""
    if "two" not in numbers:
        return
    of, ((low, less), (high, more)), wrong = numbers["two"]
    if wrong:
        yield (
            f"Two limits on {of} contradict each other: the {high} of {more} is below the {low} of "
            f"{less}, so the {low} decides nothing. Is one a slip?"
        )
    else:
        yield f"{of.capitalize()} has one limit here: {high} {more} is taken, {low} {less} is not."


def _elsewhere(said, values, fields, text):
    """Say which other calculator answers what this one does not: a sentence, and its name."""
    _, more = _titles(said, fields)
    search = CARDS in fields
    if not search and not said.models and said.cards and WHICH_MODEL.search(text):
        yield "Which models a card runs is a question for Design.", "design"
    elif not search and "columns" not in fields and (more or said.also):
        yield "Several side by side are a question for Compare.", "compare"
    if "count" in said.numbers and not search:
        yield "How many cards it takes is a question for Design.", "design"
    if "longest" in said.numbers and "ctx" not in said.numbers:
        yield "How far a context may grow is a question for The context cliff.", "cliff"
    if "power" in said.numbers and not search:
        yield "What the cards draw is said by Design.", "design"
    if "rate" in said.numbers and "rate" not in fields and "users" not in values:
        yield "Requests a second are a question for Design.", "design"
    if search and said.numbers.keys() & {"weights", "kv"}:
        yield "A format by name is a question for Calculate.", "calculate"
    elif search and "most" in said.numbers:
        yield "How many users there is room for is a question for Calculate.", "calculate"


def _load(numbers, state, fields):
    names = ("in", "out", "prefix", "users", "rate")
    values = {k: numbers[k] for k in names if k in numbers and k in fields}
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


def _split(count, model, gpu):
    """How so many cards split a model, as the inputs spell it."""
    found = split.split(count, model, gpu)
    own = {"ep": "ep" in found, "dp": found.get("dp_attention", False)}
    return {"tp": found["tp"], "pp": found["pp"]} | own


def _held(values, state, numbers, prefix):
    """The format that the cards hold a model in; its own where the inputs refuse the rest."""
    engine = values.get("engine") or state[prefix + "engine"]
    asked_of = {name: values[name] for name in ("model", "gpu", "tp", "pp", "weights", "kv")}
    try:
        whole = catalog.deployment(**asked_of, engine=engine)
        return design.held_format(whole, _context(numbers, state))
    except BadInput:  # the inputs refuse it, and say why
        return values["weights"]


def _context(numbers, state):
    """Tokens of a request, prompt and answer, that a question is of."""
    lengths = state | {k: typed_number(str(v)) or 0 for k, v in _lengths(numbers, state).items()}
    return int(lengths.get("ctx") or lengths.get("in", 0) + lengths.get("out", 0)) or ALONE_CTX


CARDS_OF_ONE = (1, 2, 4, 8)  # as people rent them


def _fewest_cards(said, state):
    """As many of each card as hold what is asked, where nobody says how many stand side by side."""
    told = said.numbers.keys() & {"tp", "pp", "cards", "nodes"}
    if told or "uncounted" not in said.numbers or not said.models:
        return said, []
    most, short = dict.fromkeys((name for name, _ in said.cards), 1), ""
    for model, (name, _), each in _sides(said, said.models, said.cards):
        count, held = _fewest(model, name, said.numbers | each, state)
        most[name] = max(most[name], count)
        short = short if held else ", or the most of them,"
    alike = "gain" in said.numbers  # from one card to another, and no other number of them
    most = dict.fromkeys(most, max(most.values())) if alike and most else most
    if set(most.values()) == {1}:
        return said, []
    users = said.numbers.get("users", "1")
    taken = ", ".join(f"{n}x {lists.listed_title(name)}" for name, n in most.items())
    held = f"{_counted(users)}{short}"
    many = "as few of each as" if alike else "the fewest that"
    note = f"How many cards is not said: {many} hold {held} are taken: {taken}."
    return said._replace(cards=[(name, most[name]) for name, _ in said.cards]), [note]


def _fewest(model, name, numbers, state):
    """The fewest cards of a node that hold the most of the users, and whether that is all."""
    gpu, users = catalog.gpu(name), typed_number(str(numbers.get("users", ""))) or 1
    found, most = 1, 0
    for count in CARDS_OF_ONE:
        if gpu.place != "server" or count > gpu.max_per_node or most >= users:
            break
        room = _room(model, (name, count), numbers, state)
        found, most = (count, room) if room > most else (found, most)
    return found, most >= users or gpu.place != "server"


def _room(model, card, numbers, state):
    """How many users of a question's context a model on so many cards has room for."""
    side = "a." * ("columns" in state)
    made = _deployment([model], [card], numbers, state, side)
    names = ("model", "gpu", "tp", "pp", "weights", "kv", "engine")
    asked_of = {one: made.get(side + one) or state[side + one] for one in names}
    try:
        whole = catalog.deployment(**asked_of, memory_fraction=made.get(f"{side}fraction"))
        return capacity.max_concurrent(whole, _context(numbers, state))
    except BadInput:  # the inputs refuse it, and say why
        return 0


def _lengths(numbers, state):
    return {k: v for k, v in _load(numbers, state, state.keys()).items() if k in LENGTHS}


def _deployment(models, cards, numbers, state, prefix=""):
    """A deployment of what is named; all that is not begins as an engine has it."""
    fields, values = state.keys(), dict[str, Any]()
    if models or cards:
        values |= {"pp": 1, "ep": False, "dp": False} | presets.AS_UNTOLD
    if models:
        values |= {"model": models[0], "config": None}
        values["weights"] = catalog.model(models[0]).native_format
    if cards:
        values["gpu"], values["tp"] = cards[0]
        model = catalog.model(models[0]) if models else meaning.chosen_model(state, prefix)
        values |= _split(cards[0][1], model, catalog.gpu(cards[0][0])) if model else {}
    told = ("weights", "kv", "engine", "usd", "maxlen", "fraction", "seqs")
    values |= {k: numbers[k] for k in told if k in numbers} | _as_told(numbers, values)
    if models and cards and "weights" not in numbers:
        values["weights"] = _held(values, state, numbers, prefix)
    if models and "weights" not in numbers and "engine" in numbers and _is_home(values):
        wide = catalog.format(catalog.model(models[0]).native_format).element_bits >= 8
        values["weights"] = HOME_FORMATS[-1] if wide else values["weights"]
    if "engine" not in values and _at_home(values):
        values["engine"] = HOME
        values["kv"] = numbers.get("kv", presets.ON_LAPTOP["kv"])
    split = numbers.keys() & {"tp", "pp"}
    if prefix + "pp" in fields and values.get("tp") and _is_home(values) and not split:
        whole = values["tp"] * values["pp"]  # by layers, unless it is told to split each
        values |= {"pp": whole, "tp": 1, "ep": False, "dp": False}
    return {prefix + k: v for k, v in values.items() if prefix + k in fields}


def _as_told(numbers, values):
    """The split that a question names, other cards in stages; and a number of bits as a format."""
    out: dict[str, Any] = {}
    if numbers.keys() & {"tp", "pp"}:
        cards = values.get("tp", 1) * values.get("pp", 1)
        tp, pp = (int(numbers.get(name, 0)) for name in ("tp", "pp"))
        tp = tp or max(cards // pp, 1)
        out = {"tp": tp, "pp": pp or max(cards // tp, 1), "ep": False, "dp": False}
    bits = re.fullmatch(r"([48])[\s-]?bits?", numbers.get("weights", ""))
    if bits and _at_home(values):
        out["weights"] = dict(zip("84", HOME_FORMATS, strict=True))[bits[1]]
    return out


def _is_home(values):
    """Whether the engine is llama.cpp, however it is spelled."""
    try:
        return catalog.engine(values.get("engine", "")).name == HOME
    except BadInput:
        return False


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
        told = int(numbers.get("tp", 1)) * int(numbers.get("pp", 1))
        most = max(told, *(n for _, n in said.cards))
        values["tp"] = most if most > 1 else None
        nodes = max(ceil(n / catalog.gpu(name).max_per_node) for name, n in said.cards)
        values |= {"nodes": nodes} if nodes > 1 else {}
    if not said.models and said.cards and WHICH_MODEL.search(text):
        values["model"], values["tp"] = ANY, most
        alone = all(catalog.gpu(name).place == "desk" for name, _ in said.cards)
        if alone and not numbers.keys() & {"users", "rate", "in", "out", "ctx", "itl", "ttft"}:
            values |= ALONE
    return values


def _columns(said, state):
    """Deployments side by side: each named model on each named cards, up to four."""
    sides = _sides(said, said.models, said.cards)
    values: dict[str, Any] = {"columns": len(sides)} if len(sides) > 1 else {}
    several = len(sides) > 1
    for i, letter in enumerate(LETTERS[: len(sides) if several else state["columns"]]):
        model, card, each = sides[i] if several else sides[0]
        if not several and card and i:
            break  # one deployment is the first
        named = ([model] * bool(model), [card] * bool(card))
        values |= _deployment(*named, said.numbers | each, state, f"{letter}.")
    return values if "weights" in said.numbers else values | _alike(values)


def _alike(values):
    """FP8 in every column of a model that one of them takes so for want of room."""
    sides = {k[:2]: v for k, v in values.items() if k.endswith(".model")}
    eight = catalog.format(EIGHT_BITS)
    own = {side: catalog.model(model).native_format for side, model in sides.items()}
    small = {sides[x] for x in sides if values[f"{x}weights"] == eight.name != own[x]}
    alike = [x for x in sides if sides[x] in small and values[f"{x}weights"] == own[x]]
    gpus = {x: values.get(f"{x}gpu") for x in alike}
    computed = {x: catalog.gpu(gpu).computes(eight) for x, gpu in gpus.items() if gpu}
    return {
        f"{x}weights": eight.name for x, how in computed.items() if how and how[0] == EIGHT_BITS
    }


def _sides(said, models, cards):
    """What stands side by side: each model on each cards, with each engine and format named.

    As many as there are columns; None for what is not named.
    """
    each = {name: (said.numbers[name], *more) for name, more in said.also.items()}
    every = product(models or [None], cards or [None], *each.values())
    sides = [(model, card, dict(zip(each, rest, strict=True))) for model, card, *rest in every]
    return sides[: len(LETTERS)]


def _set_beside(said, fields):
    """The further engines and formats that columns take, as they are said back."""
    if "columns" not in fields:
        return []
    return [SAID[name].format(one) for name, more in said.also.items() for one in more]
