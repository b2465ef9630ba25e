"""How many cards are taken where a question does not say: the fewest that hold what is asked."""

from llmcap_kernel import capacity, catalog
from llmcap_kernel.refuse import BadInput, typed_number

from .. import lists, own_card
from .columns import side_by_side
from .deployment import deployment, spread_over
from .load import context
from .wording import counted_users

COUNTS = (1, 2, 4, 8)  # as people rent them
IN_NODES = (16, 32)  # of what no node holds


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
    if (
        counted
        or spread_over(question.numbers)
        or "uncounted" not in question.numbers
        or not question.models
    ):
        return question, []
    counts, short = dict.fromkeys((name for name, _ in question.cards), 1), ""
    for model, (name, _), other in side_by_side(question, question.models, question.cards):
        in_a_node = [n for n in COUNTS if n <= catalog.gpu(name).max_per_node]
        count, all_held = _fewest(model, name, question.numbers | other, state, in_a_node)
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


def standing_cards(question, state, untouched):
    """Take the cards that stand on a page of one deployment where a question names none.

    Parameters
    ----------
    question : Question
        What it says.
    state, untouched : dict
        A complete state, and that of an untouched calculator: cards that a reader chose stay as
        many as they are.

    Returns
    -------
    tuple of Question and list of str
        The question with them as `standing`, and what was taken.
    """
    numbers = question.numbers
    if not question.models or question.cards or own_card.is_own(state["gpu"]):
        return question, []
    model, name, count = question.models[0], state["gpu"], state["tp"] * state["pp"]
    wanted, why = str(numbers.get("users") or state.get("users") or 1), "which stood here"
    said = int(numbers.get("cards", 0)) or int(numbers.get("tp", 0)) * int(numbers.get("pp", 1))
    is_chosen = any(state[one] != untouched[one] for one in ("gpu", "tp", "pp"))
    if said:
        count, why = said, "the kind that stood here"
    elif not is_chosen and not _room(model, (name, count), numbers, state):
        terms = model, name, numbers | {"users": wanted}, state
        fewest, all_held = _fewest(*terms, (*COUNTS, *IN_NODES))
        if _room(model, (name, fewest), numbers, state):
            count = fewest
            why = f"the fewest of them that hold {counted_users(wanted)}"
            why += "" if all_held else ", or the most of them"
    named = "understood" if question.lost else "named"
    note = f"No card is {named}, so this is of {count}x {lists.listed_title(name)}, {why}."
    return question._replace(numbers=numbers | {"standing": (name, count)}), [note]


def _fewest(model, name, numbers, state, at_hand):
    """The fewest of so many cards that hold the most of the users, and whether that is all."""
    gpu, users = catalog.gpu(name), typed_number(str(numbers.get("users", ""))) or 1
    fewest, most = 1, 0
    for count in at_hand:
        if gpu.place != "server" or most >= users:
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
