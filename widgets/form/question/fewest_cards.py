"""How many of each card stand side by side where a question does not say: the fewest that hold."""

from llmcap_kernel import capacity, catalog
from llmcap_kernel.refuse import BadInput, typed_number

from .. import lists
from .columns import side_by_side
from .deployment import deployment
from .load import context
from .wording import counted_users

COUNTS = (1, 2, 4, 8)  # as people rent them


def fewest_cards(question, state):
    """Take as many of each card as hold what is asked, where nobody says how many.

    Parameters
    ----------
    question : Question
        What it says.
    state : dict
        A complete state, which says how long a request is.

    Returns
    -------
    tuple of Question and list of str
        The question with so many cards, and what was taken.
    """
    counted = question.numbers.keys() & {"tp", "pp", "cards", "nodes"}
    if counted or "uncounted" not in question.numbers or not question.models:
        return question, []
    counts, short = dict.fromkeys((name for name, _ in question.cards), 1), ""
    for model, (name, _), other in side_by_side(question, question.models, question.cards):
        count, all_held = _fewest(model, name, question.numbers | other, state)
        counts[name] = max(counts[name], count)
        short = short if all_held else ", or the most of them,"
    alike = "gain" in question.numbers  # from one card to another, and no other number of them
    counts = dict.fromkeys(counts, max(counts.values())) if alike and counts else counts
    if set(counts.values()) == {1}:
        return question, []
    cards = ", ".join(f"{n}x {lists.listed_title(name)}" for name, n in counts.items())
    users = f"{counted_users(question.numbers.get('users', '1'))}{short}"
    many = "as few of each as" if alike else "the fewest that"
    note = f"How many cards is not said: {many} hold {users} are taken: {cards}."
    return question._replace(cards=[(name, counts[name]) for name, _ in question.cards]), [note]


def _fewest(model, name, numbers, state):
    """The fewest cards of a node that hold the most of the users, and whether that is all."""
    gpu, users = catalog.gpu(name), typed_number(str(numbers.get("users", ""))) or 1
    fewest, most = 1, 0
    for count in COUNTS:
        if gpu.place != "server" or count > gpu.max_per_node or most >= users:
            break
        room = _room(model, (name, count), numbers, state)
        fewest, most = (count, room) if room > most else (fewest, most)
    return fewest, most >= users or gpu.place != "server"


def _room(model, card, numbers, state):
    """How many users of a question's context a model on so many cards has room for."""
    side = "a." * ("columns" in state)
    values = deployment(model, card, numbers, state, side)
    names = ("model", "gpu", "tp", "pp", "weights", "kv", "engine")
    terms = {one: values.get(side + one) or state[side + one] for one in names}
    try:
        whole = catalog.deployment(**terms, memory_fraction=values.get(f"{side}fraction"))
        return capacity.max_concurrent(whole, context(numbers, state))
    except BadInput:  # the inputs refuse it, and say why
        return 0
