"""A question typed in a line, such as "gpt-oss-120b on H100 or H200, 32K context", read as inputs.

Numbers are known by the words beside them, names by the catalogue. What a question names begins
anew: a model comes in the format it is released in, and the engine keeps what it keeps unless told.
What it does not speak of stays as it is.
"""

import re
from itertools import product
from typing import Any, NamedTuple

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput, shown, typed_number

from . import from_name, lists, presets

MAX_TEXT = 300
WINDOW = 5  # words of a name
MOST_LOST = 8  # words not understood; whoever types more asks something else
NUMBER = r"(?<![\w.])(\d[\d.,]*\s?(?:[kKmM]i?\b)?)"
HOUR = r"(?:/|\ban?\b|\bper\b)\s*(?:h\b|hr\b|hour\b)"
TIME = NUMBER + r"\s*(ms|milliseconds?|s|sec|seconds?)\b"
WAIT, GAP = r"\b(?:ttft|first token)\b", r"\b(?:itl|tpot|gaps?|between tokens)\b"
NEAR = r"[^\d$]{0,24}?"  # words that may stand between a name and its number
FORMATS = r"(fp32|bf16|fp16|fp8|int8|int4|nvfp4|mxfp4|mxfp8|awq|gptq|q\d[\w]*|[w]\d+a\d+)"
AT_ONCE = r"requests? (?:at once|in flight)"
NO_FORMAT = r"(?!\s+(?:fp|bf|int|nv|mx))"  # "in FP8" is no prompt
# What is read, in this order: each takes its words out of the question.
NUMBERS = (
    ("budget", rf"\$\s*{NUMBER}\s*{HOUR}"),
    ("budget", rf"{NUMBER}\s*(?:\$|usd|dollars?)\s*{HOUR}"),
    ("percentile", r"\bp(50|90|95|99)\b"),
    ("percentile", r"\b(mean)\b"),
    ("percentile", r"\b(50|90|95|99)(?:th|%| (?:of|in) 100)\s*(?:percentile)?"),
    ("ttft", rf"{WAIT}{NEAR}{TIME}"),
    ("ttft", rf"{TIME}\s*(?:to (?:the )?)?{WAIT}"),
    ("itl", rf"{GAP}{NEAR}{TIME}"),
    ("itl", rf"{TIME}\s*(?:{GAP}|(?:a|per) token|)"),
    ("rate", rf"{NUMBER}\s*(?:(?:requests?|req|r)\s*(?:/|a|per)\s*s(?:ec|econd)?|[rq]ps)\b"),
    ("users", rf"{NUMBER}\s*(?:(?:concurrent|users?|sessions?|streams?)\b|{AT_ONCE})"),
    ("users", rf"\b(?:concurrency|users)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("in", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:\bin\b{NO_FORMAT}|inputs?\b|prompts?\b)"),
    ("in", rf"\b(?:prompts?|inputs?)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("out", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:out\b|outputs?\b|answers?\b)"),
    ("out", rf"\b(?:answers?|outputs?)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:context|ctx)\b"),
    ("ctx", rf"\b(?:context|ctx)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", r"\bat\s+(\d[\d.,]*\s?[kKmM]i?)\b"),
    ("kv", rf"\b(?:kv|cache)(?:\s+cache)?\s*(?:in|=|:)?\s*{FORMATS}\b"),
    ("kv", rf"\b{FORMATS}\s+(?:kv|cache)\b(?:\s+cache\b)?"),
    ("weights", rf"\b{FORMATS}\b"),
    ("engine", r"\b(vllm|sglang|tensorrt-llm|trt-llm|llama\.?cpp)\b(?:\s*v?[\d.]+)?"),
)  # fmt: skip
# How what was read is said back.
SAID = {
    "in": "prompt {}", "out": "answer {}", "ctx": "context {}", "users": "{} users",
    "rate": "{} requests/s", "percentile": "{}", "itl": "gap {}", "ttft": "first token {}",
    "budget": "${}/h", "weights": "{} weights", "kv": "{} cache", "engine": "{}",
    "vendor": "cards of {}",
}  # fmt: skip
# A size of Llama without its number is the newest of it, in a question of today.
BARE = re.compile(r"\bllama[ -](8|70|405)b\b", re.I)
NEWEST = {"8": "llama-3.1-8b", "70": "llama-3.3-70b", "405": "llama-3.1-405b"}
OVER = r"\b(?:over|by|along|with|as|against)\s+(?:the\s+)?(?:growing\s+|number of\s+)?"
SWEEPS = {"ctx": "context", "users": "users", "in": "prompts?", "out": "answers?"}
SHOWS = {
    "price": r"\b(?:price|cost|costs|cheap\w*|per million|\$/m)\b",
    "ttft": WAIT,
    "rate": r"\b(?:speed|fast\w*|tok/s|tokens a second)\b",
    "gap": GAP,
    "fit": r"\b(?:fits?|room|how many users)\b",
}
# Words that ask and join, and tell nothing.
SILENT = frozenset(
    """
    a an and are as at average be best better between budget by can card cards cheap cheaper
    cheapest compare context cost costs do does each fast faster first fit fits for from gap
    gaps gpu gpus grow growing grows how i in is it itl latency limit limits load many max me
    mean million more most much my need of on one or out over p95 per please price run running
    serve should show speed than that the their them then to token tokens ttft under up us usd
    use user users versus vs want what when where which will with within would
    """.split()  # noqa: SIM905 - a list has a line a word
)


class Read(NamedTuple):
    """What a question says.

    Attributes
    ----------
    models, cards : list
        Names of models; names of cards, each with how many.
    numbers : dict
        What else it says, by the input's name.
    lost : list of str
        What was not understood.
    """

    models: list[str]
    cards: list[tuple[str, int]]
    numbers: dict[str, Any]
    lost: list[str]


def read(text):
    """Read a question.

    Parameters
    ----------
    text : str
        As it was typed.

    Returns
    -------
    Read
        What it says.

    Examples
    --------
    >>> read("Qwen3-32B on two H200, 32K context")
    Read(models=['qwen3-32b'], cards=[('h200-sxm', 2)], numbers={'ctx': '32K'}, lost=[])
    """
    rest = BARE.sub(lambda found: NEWEST[found[1]], f" {text.strip()[:MAX_TEXT]} ")
    numbers: dict[str, Any] = {}
    for name, pattern in SHOWS.items():
        if re.search(pattern, rest, re.I):
            numbers.setdefault("show", name)
    for name, word in SWEEPS.items():
        if found := re.search(rf"{OVER}{word}\b", rest, re.I):
            numbers.setdefault("sweep", name)
            rest = rest[: found.start()] + " , " + rest[found.end() :]
    for name, pattern in NUMBERS:
        found = re.search(pattern, rest, re.I)
        if found and name not in numbers:
            # a time keeps its unit
            said = " ".join(part.strip(" .,") for part in found.groups())
            numbers[name] = f"p{said}" if name == "percentile" and said.isdigit() else said
            rest = rest[: found.start()] + " , " + rest[found.end() :]
    return _named(rest, numbers)


def _named(rest, numbers):
    """Find the names in what is left: the longest run of words that means a card, or a model."""
    models: list[str] = []
    cards: list[tuple[str, int]] = []
    lost: list[str] = []
    for phrase in re.split(r"[,;?!]|\b(?:or|and|vs\.?|versus|on|for|with)\b", rest, flags=re.I):
        words = phrase.split()
        while words and len(lost) < MOST_LOST:
            found, length = _first_name(words)
            if not found:
                word = words.pop(0)
                bare = word.lower().strip(".:'\"()")
                if bare in lists.VENDORS:
                    numbers["vendor"] = lists.VENDORS[bare]
                elif bare not in SILENT and any(map(str.isalnum, word)):
                    lost.append(word)
                continue
            del words[:length]
            if found.field == "model":
                models.append(found.name)
                numbers |= {k: v for k, v in found.more.items() if k not in numbers}
            else:
                cards.append((found.name, found.more.get("tp", 1)))
    return Read(models, cards, numbers, lost)


def _first_name(words):
    """The longest run of the first words that is a name as it stands, else the best guess.

    Nearly any words after a model's name can be taken for a fine-tune's: those are no part of it.
    """
    guess = None, 0
    for length in range(min(WINDOW, len(words)), 0, -1):
        found = _meant(" ".join(words[:length]))
        if found and not found.guessed:
            return found, length
        if found and (found.field == "model" or not guess[1]):
            guess = found, length
    return guess


def _meant(text):
    """The card or the model that words mean; None where they mean neither."""
    if all(word.lower() in SILENT for word in text.split()):
        return None
    for reads in (from_name.card, from_name.model):
        try:
            return reads(text)
        except BadInput:
            continue
    return None


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
    tuple of dict and list of str
        Values by input, and what to say of them.

    Raises
    ------
    BadInput
        Where nothing in it is understood.
    """
    if not isinstance(text, str) or not text.strip():
        raise BadInput("question", "Type a question, such as Qwen3-32B on two H200, 32K context.")
    said = read(text)
    fields = {field.name for field in form.fields}
    if "vendor" in said.numbers and "vendor" not in fields:
        said.lost.append(said.numbers.pop("vendor"))
    values = _load(said.numbers, state, fields) | _limits(said.numbers, fields)
    values |= {k: said.numbers[k] for k in ("sweep", "show") if k in said.numbers and k in fields}
    if "vendor" in said.numbers:
        values["vendor"] = said.numbers["vendor"].lower()
    if "columns" in fields:
        values |= _columns(said, state)
    else:
        values |= _deployment(said.models[:1], said.cards[:1], said.numbers, fields)
    if not values:
        unknown = f"{shown(text.strip())} names no model, card or number that is known here."
        raise BadInput("question", unknown)
    if "pick" in fields:
        values["pick"] = None  # another question has other candidates
    return values, _notes(said, fields)


def _notes(said, fields):
    """Say what was read, what is not asked for here, and what was not understood."""
    models = [lists.model_title(catalog.model(name)) for name in said.models]
    cards = [f"{count}x {lists.card_title(catalog.gpu(name))}" for name, count in said.cards]
    words = [text.format(said.numbers[name]) for name, text in SAID.items() if name in said.numbers]
    notes = [f"Read: {', '.join((*models, *cards, *words))}. The rest stays as it was."]
    if cards and not fields & {"gpu", "a.gpu"}:
        notes.append("Which cards to take is what is searched for here: those named are left out.")
    if said.lost:
        notes.append(f"Not understood: {', '.join(said.lost)}.")
    return notes


def _load(numbers, state, fields):
    values = {k: numbers[k] for k in ("in", "out", "users", "rate") if k in numbers and k in fields}
    if "ctx" in numbers and "ctx" in fields:
        values["ctx"] = numbers["ctx"]
    elif "ctx" in numbers and "in" in fields and "in" not in values:
        whole, answer = (
            typed_number(numbers["ctx"]),
            typed_number(values.get("out", "")) or state["out"],
        )
        values["in"] = max(int(whole or 0) - int(answer), 1)
    return values


def _limits(numbers, fields):
    """Limits: a percentile is of the gap, unless the first token alone has a limit."""
    values = {k: numbers[k] for k in ("itl", "ttft", "budget") if k in numbers and k in fields}
    limited = "itl" if "itl" in values or "ttft" not in values else "ttft"
    if "percentile" in numbers and f"{limited}p" in fields:
        values[f"{limited}p"] = numbers["percentile"]
    return values


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
    values |= {k: numbers[k] for k in ("weights", "kv", "engine") if k in numbers}
    return {prefix + k: v for k, v in values.items() if prefix + k in fields}


def _columns(said, state):
    """Deployments side by side: each named model on each named cards, up to four."""
    letters = "abcd"
    pairs = list(product(said.models or [None], said.cards or [None]))[: len(letters)]
    values: dict[str, Any] = {"columns": len(pairs)} if len(pairs) > 1 else {}
    several = len(pairs) > 1
    fields = set(state)
    for i, letter in enumerate(letters[: len(pairs) if several else state["columns"]]):
        model, card = pairs[i] if several else pairs[0]
        if not several and card and i:
            break  # one deployment is the first
        named = ([model] * bool(model), [card] * bool(card))
        values |= _deployment(*named, said.numbers, fields, f"{letter}.")
    return values
