"""What depends on the whole question: whose rent a number is, whose percentile, how many cards."""

import re
from functools import lru_cache

from llmcap_kernel import catalog
from llmcap_kernel.address import MEAN
from llmcap_kernel.refuse import typed_number

from . import amounts
from .deployment import spread_over
from .fields import OF_LIMITS
from .own_machine import own_machine
from .patterns import TIME
from .reading import read

REMEMBERED = 64  # questions; a page asks several things of the one that it shows
RANKS = (MEAN, "p50", "p90", "p95", "p99")


@lru_cache(maxsize=REMEMBERED)
def understood(text):
    """Read a question and settle what depends on the whole of it.

    Parameters
    ----------
    text : str
        As it was typed.

    Returns
    -------
    Question
        As `settled` gives it; a page asks several things of the one that it shows.

    Examples
    --------
    >>> understood("qwen3-8b on H100 at $2.50/h").numbers["usd"]
    '2.50'
    """
    return settled(read(text))


def settled(question):
    """Settle what depends on the whole question.

    Parameters
    ----------
    question : Question
        As its words were read.

    Returns
    -------
    Question
        Whose numbers are those of inputs, and whose cards are all counted.

    Raises
    ------
    BadInput
        Where no card is known that has the memory it names, or holds its model.

    Examples
    --------
    >>> from widgets.form.question.reading import read
    >>> settled(read("qwen3-8b on H100 at $2.50/h")).numbers["usd"]
    '2.50'
    >>> settled(read("qwen3-8b under 2 s p99 first token, 20 tok/s per user")).numbers["itl"]
    '50 ms'
    """
    question = _counted_cards(question)
    numbers, lost = dict(question.numbers), list(question.lost)
    _money(numbers, question.cards)
    _speed(numbers)
    _another_percentile(numbers, lost)
    which, percent = numbers.pop("percentile", None), numbers.pop("percent", None)
    _second_percentile(numbers, lost)
    _percentile_alone(numbers, lost, which, percent)
    return question._replace(numbers=numbers, lost=lost)


def _money(numbers, cards):
    """Read money an hour as the rent of each card, or as all there is to spend."""
    rented, whole = numbers.pop("rented", None), numbers.pop("rented of all", None)
    if rented:  # "at $2.50/h" beside cards is what each costs; else it is all there is to spend
        word, amount = rented.split()
        priced = numbers.get("show") == "price"
        each = priced and cards if word.lower() == "for" else priced or cards
        numbers.setdefault("usd" if each else "budget", amount)
    if whole and cards:
        numbers.setdefault("usd", f"{(typed_number(whole) or 0) / cards[0][1]:g}")
    elif whole:
        numbers.setdefault("budget", whole)


def _percentile_alone(numbers, lost, which, percent):
    """Settle whose a percentile is that stands by itself: of the latency with a limit, or of both.

    A part of a hundred without a limit is of something else.
    """
    # of the gap, unless only the first token has a limit, or the gap has its own already
    free = [n for n in ("itl", "ttft") if f"{n}p" not in numbers]
    of = [n for n in free if n in numbers][:1]
    is_limited = numbers.keys() & {"itl", "ttft", "whole"}
    if not of and not is_limited and not any(re.search(TIME, one, re.I) for one in lost):
        of = free if which else []
    if one := which or (percent and f"p{percent[:-1]}"):
        numbers |= dict.fromkeys([f"{name}p" for name in of], one)
        lost += [] if of else [which or percent]
    if which and percent:
        lost.append(percent)


def _another_percentile(numbers, lost):
    """Keep of "p50 and p99 TTFT" both where none has a limit: one answer tells them."""
    which = numbers.pop("another", None)
    of = [n for n in ("itl", "ttft") if f"{n}p" in numbers and n not in numbers]
    if which and len(of) == 1:
        numbers["ranks"] = of[0], which
    elif which:
        lost.append(which)


def _second_percentile(numbers, lost):
    """Read a percentile with its own limit: the first of the gap, or one beside another."""
    unsaid = "ttft" if "ttft" in numbers and "itl" not in numbers else "itl"
    for of, name in (("other itl", "itl"), ("other ttft", "ttft"), ("second", unsaid)):
        match = re.match(r"\D*(\d\d).*?(\d[\d.,]*\s*[a-z]+)$", numbers.pop(of, ""), re.I)
        if not match:
            continue
        which, limit = f"p{match[1]}", match[2]
        if name in numbers:
            _beside_another(numbers, name, which, limit)
        elif of != "second" or "m" in limit.lower():
            numbers |= {name: limit, f"{name}p": which}
        else:
            lost.append(f"{which} {limit}")


def _beside_another(numbers, name, which, limit):
    """Keep of two limits on one latency that of the higher percentile, and both to be told."""
    both = [(numbers.get(f"{name}p", MEAN), numbers[name]), (which, limit)]
    low, high = sorted(both, key=lambda one: RANKS.index(one[0]))
    numbers |= {name: high[1], f"{name}p": high[0]}
    wrong = milliseconds(high[1]) < milliseconds(low[1])
    numbers["two"] = OF_LIMITS[name], [low, high], wrong


def milliseconds(limit):
    """Read a limit as it was typed.

    Parameters
    ----------
    limit : str
        A number and its unit.

    Returns
    -------
    float
        In milliseconds [ms].

    Examples
    --------
    >>> milliseconds("2 s"), milliseconds("40ms")
    (2000.0, 40.0)
    """
    number, unit = re.split(r"(?<=[\d.,])\s*(?=[a-z]|$)", limit.strip(), maxsplit=1, flags=re.I)
    return (typed_number(number) or 0) * (1 if unit.startswith("m") else 1e3)


def _speed(numbers):
    """Read the speed of one user as so long a gap at most; of two limits the shorter holds."""
    rate = typed_number(numbers.pop("speed", None) or "")
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


def _counted_cards(question):
    """The cards of a question and how many of each; one where their memory alone is said."""
    numbers, cards = dict(question.numbers), list(question.cards)
    nameless = numbers.keys() & {"memory", "home", "laptop"} and "unknown card" not in numbers
    if question.models and not cards and nameless:
        name, numbers["open"] = own_machine(question.models, numbers)
        cards = [(name, 1)]
    if each := int(
        numbers.get("cards", 0) or spread_over(numbers)
    ):  # "MI300X or H100, 8 cards each"
        cards = [(name, each if n < 2 else n) for name, n in cards]
    if nodes := numbers.get("nodes"):
        usual = {name: _in_a_node(catalog.gpu(name)) for name, _ in cards}
        cards = [(name, amounts.cards_of(n, nodes[0], nodes[1], usual[name])) for name, n in cards]
    return question._replace(numbers=numbers, cards=cards)


def _in_a_node(gpu):
    return gpu.max_per_node if gpu.place == "server" else 1
