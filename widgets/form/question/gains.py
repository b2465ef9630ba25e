"""What one change buys, as a question asks it: both sides of it, and their numbers."""

from dataclasses import replace
from math import ceil
from typing import NamedTuple

from llmcap_kernel import catalog, design
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import Deployment, Slo, Speculation, Workload

from .. import lists, own_card

DRAFTED, ACCEPTED = 4, 0.7  # tokens a pass, where a question says no number
NO_RATIO = "Both have to start for a ratio: name more cards for one."
WIDE, NARROW = "bf16", "fp8"


class Side(NamedTuple):
    """One side of a change.

    Attributes
    ----------
    words : str
        What it is called.
    deployment : Deployment
        One copy of it.
    load : Workload
        The load of all copies.
    copies : int
        How many share it.
    """

    words: str
    deployment: Deployment
    load: Workload
    copies: int = 1

    def card(self, users=None):
        """Predict one copy with its share of the users, or with so many in all."""
        each = ceil((users or self.load.concurrency) / self.copies)
        return design.card(self.deployment, replace(self.load, concurrency=each), Slo())


def is_of_one_deployment(numbers, fields):
    """Say whether a calculator of one deployment is asked what a change buys.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> is_of_one_deployment({"gain": True}, {"gpu", "in", "prefix"})
    True
    """
    return "gain" in numbers and {"gpu", "in", "prefix"} <= fields


def with_other_side(question, state):
    """Put the side that a question leaves out beside the one that it names.

    Parameters
    ----------
    question : Question
        What a question says, such as "what would FP8 KV buy me".
    state : dict
        A complete state, whose model and card are meant where none is named.

    Returns
    -------
    Question
        With what is without the change as a second format, or a second number of cards; as it
        was where no change is asked about.

    Examples
    --------
    >>> from widgets.form.question.reading import read
    >>> with_other_side(read("what would fp8 KV buy me on 2x H100"), {}).also
    {'kv': ['bf16']}
    >>> with_other_side(read("does TP 4 pay off over TP 2 on H100"), {}).cards
    [('h100-sxm', 4), ('h100-sxm', 2)]
    """
    if "fleets" in question.numbers:
        return _of_fleets(question, state)
    numbers, also, cards = dict(question.numbers), dict(question.also), list(question.cards)
    former = int(numbers.pop("other tp", 0))
    if "gain" not in numbers and not former:
        return question
    named = [name for name in ("kv", "weights") if name in numbers and name not in also]
    if "gain" in numbers and "kv" in named:
        also["kv"] = [NARROW if "16" in numbers["kv"] else WIDE]
    if "gain" in numbers and "weights" in named:
        also |= _other_weights(question, state)
    if "gain" in numbers and "spread" in numbers and "spread" not in also:
        also["spread"] = ["TP"]
    if "tp" in numbers and len(cards) == 1:
        (name, count), many = cards[0], int(numbers.pop("tp"))
        former = former or (count if count not in (1, many) else max(many // 2, 1))
        cards = [(name, many), (name, former)]
        numbers.pop("uncounted", None)
        former = 0
    lost = [*question.lost, *[f"TP {former}"] * bool(former)]
    return question._replace(numbers=numbers, also=also, cards=cards, lost=lost)


def _other_weights(question, state):
    """The format beside one that is named: the released one, or BF16 where that is it."""
    model = question.models[0] if question.models else _standing("model", state)
    own, named = catalog.format(catalog.model(model).native_format), question.numbers["weights"]
    is_own = own.short_title == catalog.format(named).short_title
    return {"weights": [WIDE if is_own else own.name]} if not is_own or own.name != WIDE else {}


def _standing(name, state):
    """What stands on a page, of one deployment or of the first of several."""
    return state.get(name) or state[f"a.{name}"]


def _of_fleets(question, state):
    """A question with the cards of each side of "2 replicas TP 2 vs one TP 4"."""
    sides, numbers = question.numbers["fleets"], dict(question.numbers)
    names = [name for name, _ in question.cards] or [_standing("gpu", state)]
    if own_card.is_own(names[0]) or "gpus" in state:
        words = [f"{copies}x {tp * max(pp, 1)} cards" for copies, tp, pp in sides]
        return question._replace(lost=[*question.lost, *words])
    names = names if len(names) == len(sides) else names[:1] * len(sides)
    for name in ("uncounted", "copies", "tp", "pp", "other tp", "cards"):
        numbers.pop(name, None)
    cards = [(name, tp * max(pp, 1)) for name, (_, tp, pp) in zip(names, sides, strict=True)]
    return question._replace(numbers=numbers, cards=cards)


def sentence(*sides):
    """Say what a deployment does before and after a change.

    Parameters
    ----------
    *sides : Side
        Each side: its words, and what is predicted; the last is compared with the first.

    Returns
    -------
    str
        Users, tokens a second and the price of both.

    Examples
    --------
    >>> one, load = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), Workload(7000, 1000)
    >>> two = replace(one, kv=catalog.format("fp8"))
    >>> sentence(Side("One", one, load), Side("Two", two, load))[:25]
    'One: room for 55 users, 1'
    """
    pairs = [(side, side.card()) for side in sides]
    is_moved = sides[0].load != sides[-1].load
    said = " ".join(f"{side.words}: {_numbers(side, card, is_moved)}." for side, card in pairs)
    gained = _gained(pairs[0], pairs[-1])
    which = "second" if len(sides) == 2 else "last"
    return f"{said} {f'The {which} has {gained}' if gained else NO_RATIO}"


def _gained(*sides):
    """How many times as many users, and as fast and dear a token, the other side has."""
    (before, old), (after, new) = sides
    if old.estimates is None or new.estimates is None or not old.max_concurrent:
        return ""
    room = after.copies * new.max_concurrent / (before.copies * old.max_concurrent)
    gained = f"{digits(room)}x the room and {_faster(*sides)}"
    if before.load != after.load:
        wait = new.expected.ttft_s.value / old.expected.ttft_s.value
        gained += f", and waits {digits(wait)}x as long for a first token"
    usd, usd_now = old.estimates.usd_mtok, new.estimates.usd_mtok
    if not (usd and usd_now):
        return f"{gained}."
    return f"{gained}, at {digits(usd_now.value / usd.value)}x the price of a token."


def _faster(*sides):
    """How many times as fast one user is on the second side, with as many users on both."""
    (before, old), (after, new) = sides
    both = min(side.copies * card.max_concurrent for side, card in sides)
    alike, with_both = before.load == after.load, ""
    if alike and 0 < both < before.load.concurrency:  # else one is slower for having more of them
        old, new = before.card(both), after.card(both)
        with_both = f" with {counted(both, 'user')} on each"
    speed = new.estimates.tok_s_user.value / old.estimates.tok_s_user.value
    return f"{digits(speed)}x the speed{with_both}"


def _numbers(side, card, is_moved):
    if card.estimates is None:
        return "does not start"
    usd_mtok, tok_s = card.estimates.usd_mtok, card.estimates.tok_s_user.value
    price = f", {quantity(usd_mtok.value, 'USD/Mtok')} of output" if usd_mtok else ""
    room, users = side.copies * card.max_concurrent, side.load.concurrency
    at_once = f"{users:,}" if room >= users else f"{room:,} at a time"
    first = f", first token {digits(card.expected.ttft_s.value)} s" * is_moved
    speed = f"{digits(tok_s)} tok/s for one of {at_once}"
    return f"room for {counted(room, 'user')}, {speed}{price}{first}"


def drafting(deployment, load):
    """Make the two sides of tokens guessed ahead, and say what was taken.

    Parameters
    ----------
    deployment : Deployment
        Without them.
    load : Workload
        Its load.

    Returns
    -------
    tuple of Side, Side and str
        Before, after, and the assumption.
    """
    guess = replace(deployment, speculation=Speculation(DRAFTED, ACCEPTED))
    taken = (
        f"{DRAFTED} tokens guessed ahead, each accepted {ACCEPTED:.0%} of the time, are taken: "
        "llmcap predict --draft-tokens takes others."
    )
    return Side("Without drafts", deployment, load), Side("With drafts", guess, load), taken


def sharing(deployment, load):
    """Make the two sides of a prefix cache: the same requests, without what they share and with it.

    Parameters
    ----------
    deployment : Deployment
        What answers them.
    load : Workload
        With the prefix that all share.

    Returns
    -------
    tuple of Side and Side
        Before and after.
    """
    alone = replace(load, shared_prefix_tokens=0)
    return Side("Without a prefix cache", deployment, alone), Side("With it", deployment, load)


def words(deployments):
    """Name deployments by what differs between them.

    Parameters
    ----------
    deployments : list of Deployment
        The sides.

    Returns
    -------
    list of str
        A few words each.

    Examples
    --------
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> words([one, replace(one, kv=catalog.format("fp8"))])
    ['BF16 cache', 'FP8 cache']
    """
    is_set = any(map(lists.settings_words, deployments))
    is_staged = any(d.pp > 1 for d in deployments)
    parts = [
        (
            d.model.name,
            f"{d.num_gpus}x {lists.listed_title(d.gpu.name)}",
            f"TP-{d.tp} x PP-{d.pp}" * is_staged,
            f"{d.weights.short_title} weights",
            f"{d.kv.short_title} cache",
            d.engine.title,
            ", ".join(lists.settings_words(d)) or f"TP-{d.tp}" * is_set,
        )
        for d in deployments
    ]
    apart = [i for i, same in enumerate(zip(*parts, strict=True)) if len(set(same)) > 1]
    return [", ".join(one[i] for i in apart) for one in parts]
