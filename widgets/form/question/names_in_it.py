"""Models and cards that a question names: the longest run of words that means one or the other."""

import re
from typing import Any

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.refuse import BadInput, either

from .. import from_name, lists
from .patterns import MEMORY, MOST_LOST, WINDOW
from .vocabulary import ARTICLES, SILENT, SIZES

SAME_SIZE = 0.2  # of a model's parameters, as its name rounds them
OUTDATED = ("pascal", "volta", "turing")  # what nobody buys anew
ROUND = r"\d+000\b"  # of people, and no RTX 5000
OPEN = "Several cards are "  # begins what is said where a name means several
SEPARATORS = r"[,;?!]|:(?=\s)|\b(?:or|and|vs\.?|versus|instead of|on|for|with)\b"


def models_and_cards(rest, numbers):
    """Find the names in what is left of a question.

    Parameters
    ----------
    rest : str
        The question without its numbers.
    numbers : dict
        What it says already, to which is added what its names say: a vendor, a format, a memory.

    Returns
    -------
    tuple of list, list and list
        Names of models; names of cards, each with how many; and words that mean nothing.

    Examples
    --------
    >>> models_and_cards("qwen3-8b on two H200, frob", {})
    (['qwen3-8b'], [('h200-sxm', 2)], ['frob'])
    """
    names_in_it = _Names(numbers)
    for phrase in re.split(SEPARATORS, rest, flags=re.I):
        names_in_it.read(phrase.split())
    return names_in_it.settled()


class _Names:
    """The models and cards that were found so far, and what the words between them said."""

    def __init__(self, numbers):
        self._numbers = numbers
        self._models: list[str] = []
        self._cards: list[tuple[str, int]] = []
        self._lost: list[str] = []
        self._behind = 0  # a count behind its card, as in "H20 8x"
        self._counts: list[int] = []  # before their card, as in "1, 2 or 4 H100"

    def read(self, words):
        """Take the words of a phrase from its beginning on."""
        if len(words) == 1 and (count := re.fullmatch(r"([1-9]\d?)x?", words[0], re.I)):
            self._counts.append(int(count[1]))
            return
        while words and len(self._lost) < MOST_LOST:
            if words[0].lower() in ARTICLES and len(words) > 1:  # "a 70B" is no fine-tune
                del words[0]
            meant, length = _first_name(words)
            if meant:
                del words[:length]
                self._take(meant)
            else:
                self._take_word(words.pop(0))

    def _take(self, meant):
        """Keep a name: a model with its format, or a card with how many of it there are."""
        numbers = self._numbers
        if meant.field == "gpu" and meant.guessed and meant.said.startswith(OPEN):
            numbers["open"] = meant.said
        if meant.field == "model":
            self._models.append(meant.name)
            self._lost += self._other_format(meant.more.get("weights"))
            numbers |= {k: v for k, v in meant.more.items() if k not in numbers}
            return
        # of nodes whose cards are not said, 0: as many as one has
        many = [*self._counts, meant.more.get("tp", 0 if "nodes" in numbers else 1)]
        numbers["uncounted"] = numbers.get("uncounted", True) and (
            not self._counts and "tp" not in meant.more
        )
        self._cards += [(meant.name, n) for n in many]
        self._counts = []

    def _other_format(self, weights):
        """The format in a model's name where another was read before it."""
        own = self._numbers.get("weights", weights)
        try:
            is_other = weights and catalog.format(own).name != catalog.format(weights).name
        except BadInput:  # the inputs refuse it, and say why
            return []
        return [weights] if is_other else []

    def _take_word(self, word):
        """Keep a word that begins no name: a vendor, or one that was not understood."""
        bare = word.lower().strip(".:'\"()")
        if bare in ("one", "single"):
            self._numbers["uncounted"] = False
        if bare in lists.VENDORS:
            self._numbers["vendor"] = lists.VENDORS[bare]
        elif len(self._cards) == 1 and (count := re.fullmatch(r"([1-9]\d?)x|x([1-9]\d?)", bare)):
            self._behind = int(count[1] or count[2])
        elif bare not in SILENT and any(map(str.isalnum, word)):
            self._lost.append(word)

    def settled(self):
        """Give what was found, with the numbers that are left over as cards, or as lost."""
        numbers, cards, lost = self._numbers, self._cards, self._lost
        if self._behind and len(cards) == 1 and numbers.get("uncounted"):
            cards, numbers["uncounted"] = [(cards[0][0], self._behind)], False
        elif self._behind:
            lost = [*lost, f"{self._behind}x"]
        if self._counts or not numbers.get("uncounted"):
            numbers.pop("uncounted", None)
        models = [*dict.fromkeys(self._models)]
        if cards:  # "2x H100 or 4x"
            return models, cards + [(cards[-1][0], n) for n in self._counts], lost
        lost = _memory_alone([*lost, *map(str, self._counts)], numbers)
        return models, cards, lost


def _memory_alone(lost, numbers):
    """What is lost without a memory that no card was named with, which a number then is."""
    memory = MEMORY.search(" ".join(lost))
    if not memory or "memory" in numbers:
        return lost
    numbers["memory"] = memory[1]
    words = " ".join(lost)
    return (words[: memory.start()] + words[memory.end() :]).split()


def _first_name(words):
    """The longest run of the first words that is a name as it stands, else the best guess.

    Nearly any words after a model's name can be taken for a fine-tune's: those are no part of it.
    """
    guess: tuple[Any, int] = None, 0
    for length in range(min(_before_a_card(words), len(words)), 0, -1):
        meant = _meant(" ".join(words[:length])) or _one_of(words[:length])
        if meant and meant.guessed and words[0].lower() in SILENT:
            continue  # "should I buy 4x3090" is no model
        if meant and meant.said.startswith(OPEN):
            return guess if guess[1] and guess[0].field == "gpu" else (meant, length)
        if meant and meant.field == "model" and (card := _card_before(words[:length], meant)):
            return card
        if meant and meant.guessed and _begins_later(words[:length], meant):
            return None, 0
        if meant and not meant.guessed:
            return guess if _another_size(words[length : guess[1]], meant) else (meant, length)
        less = guess[1] and (meant is None or meant.field != "model" or _says_more(guess[0], meant))
        if meant and not less and not _another_size(words[length : guess[1]], meant):
            guess = meant, length
    return guess


def _before_a_card(words):
    """How many words a name may have: none of a model's is a card's number, as in "8b 4090"."""
    for i, word in enumerate(words[1:WINDOW], 1):
        if word.lower() in ("ascend", "huawei"):  # whose 910B is no size
            return i
        number = re.fullmatch(r"\d{4}", word.strip(".:"))
        if number and not re.match(ROUND, word) and _meant(" ".join(words[:i]), (from_name.model,)):
            card = names.card(number[0])
            if card.name or card.choices:
                return i
    return WINDOW


def _one_of(words):
    """The least of the cards that words leave open: "M3 36GB" is a Pro or a Max."""
    text = " ".join(words)
    card = names.card(text) if re.search(r"\d", text) and not re.match(ROUND, text) else None
    if not card or not card.choices:
        return None
    every = [*map(catalog.gpu, card.choices)]
    newer = [gpu for gpu in every if gpu.family not in OUTDATED] or every
    slowest = min(newer, key=lambda gpu: (gpu.memory_sold_bytes, gpu.bandwidth_bytes_s))
    sized = names.card(f"{slowest.name} {_memory(text)}").name or slowest.name
    others = [one.name for one in (*newer, *every) if one is not slowest]
    others = [names.card(f"{one} {_memory(text)}").name or one for one in dict.fromkeys(others)]
    of_them = "of them" if newer == every else "of the newer ones"
    which = (
        f"{OPEN}{text}: {lists.listed_title(sized)} is taken, the slowest {of_them}. Name "
        f"{either(others, 3)} for another."
    )
    return from_name.Understood("gpu", sized, {"tp": max(card.count, 1)}, which, True)


def _memory(text):
    size = re.search(r"\d+\s?gi?b\b", text, re.I)
    return size[0] if size else ""


def _another_size(more, model):
    """Whether the words of a longer guess say another size than a model has: no "Super" of 49B."""
    sizes = [
        float(one[1]) for word in more if (one := re.fullmatch(r"(\d+(?:\.\d+)?)b", word, re.I))
    ]
    if model.field != "model" or not sizes:
        return False
    params = catalog.model(model.name).params
    return all(abs(1e9 * size / params - 1) > SAME_SIZE for size in sizes)


def _card_before(words, model):
    """The card that words begin with where the rest is the same model: "H200 Llama 3.1 8B"."""
    for length in range(len(words) - 1, 0, -1):
        rest = _meant(" ".join(words[length:]), (from_name.model,))
        card = _meant(" ".join(words[:length]), (from_name.card,)) or _one_of(words[:length])
        own = rest and not rest.guessed and model.name not in catalog.models()
        if card and rest and (own or rest.name == model.name):
            return card, length
    return None


def _says_more(longer, shorter):
    """Whether a longer guess is another model of the catalogue: "mistral small" is no Mistral."""
    return longer.name != shorter.name and longer.name in catalog.models()


def _begins_later(words, model):
    """Whether a fine-tune that was guessed is a model's own name behind other words."""
    of_a_size = len(words) > 1 and re.fullmatch(r"\d+(?:\.\d+)?b", words[-1], re.I)
    if model.field == "model" and of_a_size and any(one.lower() in SILENT for one in words[:-1]):
        return True  # "way to serve 70b" is no name
    later = (_meant(" ".join(words[i:]), (from_name.model,)) for i in range(1, len(words)))
    return model.field == "model" and any(
        one and not one.guessed and one.name == model.name for one in later
    )


def _meant(text, readers=(from_name.card, from_name.model)):
    """The card or the model that words mean; None where they mean neither."""
    if len(text) < 2 or all(word.lower() in SILENT for word in text.split()):
        return None
    if text.lower() in SIZES:  # of a family that was not understood
        return None
    for reads in readers:
        try:
            return reads(text)
        except BadInput:
            continue
    return None
