"""The limits of a question on latencies and rent: those it states, and those that hold anyway."""

from llmcap_kernel.refuse import BadInput

from .. import own_card
from .fields import CARDS, LIMITS


def limits(numbers, state, fields):
    """Make the inputs of limits.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    state : dict
        A complete state.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    dict
        Values by input; no percentile of a latency that has no limit.

    Examples
    --------
    >>> limits({"itlp": "p95"}, {"itl": 0, "ttft": 0}, {"itl", "itlp"})
    {}
    """
    values = {k: numbers[k] for k in LIMITS if k in numbers and k in fields}
    for latency in ("itl", "ttft"):
        which = f"{latency}p"
        if which in numbers and which in fields and (latency in values or state[latency]):
            values[which] = numbers[which]
    return values


def in_force(state):
    """List the limits that hold.

    Parameters
    ----------
    state : dict
        A complete state.

    Returns
    -------
    list of str
        Their inputs; no budget where no card has a rent.
    """
    return [n for n in LIMITS if state.get(n) and (n != "budget" or _rented(state))]


def _rented(state):
    """Whether a card of a state has a rent, or may have one."""
    cards = str(state.get(CARDS) or "").split(",") if CARDS in state else [state.get("gpu")]
    cards = [name for name in cards if name]
    if state.get("usd") or not cards:
        return True
    try:
        return any(own_card.card(name).usd_h for name in cards)
    except BadInput:  # the inputs refuse it, and say why
        return True
