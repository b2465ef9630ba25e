"""What one change buys, as a question asks it: both sides of it, and their numbers."""

from dataclasses import replace

from llmcap_kernel import catalog, design
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.spec import Slo, Speculation

from .. import lists

DRAFTED, ACCEPTED = 4, 0.7  # tokens a pass, where a question says no number
WIDE, NARROW = "bf16", "fp8"


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


def with_other_side(question):
    """Put the side that a question leaves out beside the one that it names.

    Parameters
    ----------
    question : Question
        What a question says, such as "what would FP8 KV buy me".

    Returns
    -------
    Question
        With what is without the change as a second format, or a second number of cards; as it
        was where no change is asked about.

    Examples
    --------
    >>> from widgets.form.question.reading import read
    >>> with_other_side(read("what would fp8 KV buy me on 2x H100")).also
    {'kv': ['bf16']}
    >>> with_other_side(read("does TP 4 pay off over TP 2 on H100")).cards
    [('h100-sxm', 4), ('h100-sxm', 2)]
    """
    numbers, also, cards = dict(question.numbers), dict(question.also), list(question.cards)
    former = int(numbers.pop("other tp", 0))
    if "gain" not in numbers and not former:
        return question
    named = [name for name in ("kv", "weights") if name in numbers and name not in also]
    if "gain" in numbers and "kv" in named:
        also["kv"] = [NARROW if "16" in numbers["kv"] else WIDE]
    if "gain" in numbers and "weights" in named and question.models:
        own = catalog.model(question.models[0]).native_format
        also |= {"weights": [own]} if numbers["weights"].lower() != own else {}
    if "tp" in numbers and len(cards) == 1:
        (name, count), many = cards[0], int(numbers.pop("tp"))
        former = former or (count if count not in (1, many) else max(many // 2, 1))
        cards = [(name, many), (name, former)]
        numbers.pop("uncounted", None)
        former = 0
    lost = [*question.lost, *[f"TP {former}"] * bool(former)]
    return question._replace(numbers=numbers, also=also, cards=cards, lost=lost)


def sentence(before, after):
    """Say what a deployment does before and after a change.

    Parameters
    ----------
    before, after : tuple of str, Deployment and Workload
        Each side: its words, and what is predicted.

    Returns
    -------
    str
        Users, tokens a second and the price of both.

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> one, load = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), Workload(7000, 1000)
    >>> sentence(("One", one, load), ("Two", replace(one, kv=catalog.format("fp8")), load))[:25]
    'One: room for 55 users, 1'
    """
    cards = [design.card(one, load, Slo()) for _, one, load in (before, after)]
    sides = zip((before, after), cards, strict=True)
    said = " ".join(f"{words}: {_numbers(card, load)}." for (words, _, load), card in sides)
    return f"{said} {_gained(*cards)}".strip()


def _gained(before, after):
    """How many times as many users, and as fast and dear a token, the second side has."""
    if before.estimates is None or after.estimates is None or not before.max_concurrent:
        return ""
    room = after.max_concurrent / before.max_concurrent
    speed = after.estimates.tok_s_user.value / before.estimates.tok_s_user.value
    gained = f"The second has {digits(room)}x the room and {digits(speed)}x the speed"
    old, new = before.estimates.usd_mtok, after.estimates.usd_mtok
    if not (old and new):
        return f"{gained}."
    return f"{gained}, at {digits(new.value / old.value)}x the price of a token."


def _numbers(card, load):
    if card.estimates is None:
        return "does not start"
    usd_mtok, tok_s = card.estimates.usd_mtok, card.estimates.tok_s_user.value
    price = f", {quantity(usd_mtok.value, 'USD/Mtok')} of output" if usd_mtok else ""
    return (
        f"room for {counted(card.max_concurrent, 'user')}, {digits(tok_s)} tok/s "
        f"for one of {load.concurrency:,}{price}"
    )


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
    tuple of tuple, tuple and str
        Before, after, and the assumption.
    """
    guess = replace(deployment, speculation=Speculation(DRAFTED, ACCEPTED))
    taken = (
        f"{DRAFTED} tokens guessed ahead, each accepted {ACCEPTED:.0%} of the time, are taken: "
        "llmcap predict --draft-tokens takes others."
    )
    return ("Without drafts", deployment, load), ("With drafts", guess, load), taken


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
    tuple of tuple and tuple
        Before and after.
    """
    alone = replace(load, shared_prefix_tokens=0)
    return ("Without a prefix cache", deployment, alone), ("With it", deployment, load)


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
    parts = [
        (
            d.model.name,
            f"{d.num_gpus}x {lists.listed_title(d.gpu.name)}",
            f"{d.weights.short_title} weights",
            f"{d.kv.short_title} cache",
            d.engine.title,
        )
        for d in deployments
    ]
    apart = [i for i, same in enumerate(zip(*parts, strict=True)) if len(set(same)) > 1]
    return [", ".join(one[i] for i in apart) for one in parts]
