"""The sentence that says a question back: what was read of it, and what stays as it was."""

from llmcap_kernel import catalog
from llmcap_kernel.refuse import typed_number

from .. import lists, own_card
from .fields import ANY, CARDS
from .limits import in_force
from .wording import (
    WORDS,
    counted_users,
    in_words,
    limits_in_words,
    load_in_words,
    numbers_taken,
    titles,
)


def read_back(question, values, state):
    """Say what was read, and of which load the answer is where nothing was said of it.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    state : dict
        The complete state before.

    Returns
    -------
    list of str
        Sentences.
    """
    fields = state.keys()
    taken, _ = titles(question, fields)
    words = [*in_words(question, numbers_taken(question, values)), *_set_beside(question, fields)]
    if values.get("model") == ANY:
        taken.insert(0, "any model")
    notes = [f"Read: {', '.join((*taken, *words))}. {_rest(values, state)}"]
    notes += question.numbers.get("slips", [])
    if "everyone" in question.numbers and "users" in values:
        notes.append(_people(question.numbers["users"]))
    if values.get("rate") and values.get("users"):
        many = counted_users(str(values["users"]))
        notes.append(f"How many users are at once follows from the rate: {many} count for nothing.")
    return notes


def _set_beside(question, fields):
    """The further engines and formats that columns take, in words."""
    if "columns" not in fields:
        return []
    numbers = question.numbers
    also = {"usd": numbers.get("rents", [])[1:], "weights": numbers.get("formats", [])[1:]}
    also |= question.also
    return [WORDS[name].format(one) for name, more in also.items() for one in more]


def _people(many):
    """Say that people are taken as asking at once, and how to say how many do."""
    count = int(typed_number(str(many)) or 1)
    users, tenth = (counted_users(f"{many:,}") for many in (count, max(count // 10, 1)))
    return (
        f"All {count:,} people are taken as {users} asking at once. Where fewer do, say how many "
        f"({tenth}), what part (10% at once), or what each sends (20 requests a day each)."
    )


def _rest(values, state):
    """Say that the rest stays: which model, cards, load and limits the answer is of therefore."""
    named = {name.rpartition(".")[2] for name in values}
    load = [n for n in ("users", "in", "out", "ctx") if n in state and n not in named]
    if values.get("rate") or ("rate" not in named and state.get("rate")):
        load = [n for n in load if n != "users"]  # they follow from it
    stays = [*_what_runs(values, state), load_in_words({n: state[n] for n in load if state[n]})]
    unpriced = {"budget"} - set(in_force(state | values))
    stays += limits_in_words(named | unpriced, state | values)
    words = ", ".join(filter(None, stays))
    return "The rest stays as it was" + (f": {words}." if words else ".")


def _what_runs(values, state):
    """The model and the cards that stay where a question names the other, or neither."""
    if "model" in state and "model" not in values and not state.get("config"):
        model = state["model"]
        yield "any model" if model == ANY else lists.model_title(catalog.model(model))
    if CARDS in state and state[CARDS] and CARDS not in values:
        yield "only " + ", ".join(map(lists.listed_title, state[CARDS].split(",")))
    if "gpu" in state and "gpu" not in values and not own_card.is_own(state["gpu"]):
        yield f"{state['tp']}x {lists.listed_title(state['gpu'])}"
