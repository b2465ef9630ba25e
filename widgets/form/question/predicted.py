"""What the kernel says of a question at once, beside the calculator's view: users, time, memory."""

from dataclasses import replace

from llmcap_kernel import capacity, design
from llmcap_kernel.address import LETTERS, MEAN
from llmcap_kernel.design.limits import MET, WORDS, expected
from llmcap_kernel.refuse import BadInput, typed_number
from llmcap_kernel.spec import Slo, Tail

from .. import meaning
from . import amounts, gains, memory, two_loads
from .columns import before_and_after
from .fields import CARDS
from .load import context
from .load import load as loaded
from .patterns import PER
from .settled import milliseconds

OF_LATENCIES = {"itl": "gaps between tokens", "ttft": "first tokens"}
NO_PREFIX = (
    "A prefix cache saves what prompts share, and how much that is was not said: name it, as in a "
    "2k system prompt, or 60% prefix hits."
)

NO_INPUT = (
    "The time of a whole answer ({} {}) has no limit among these inputs: llmcap design {} takes "
    "one."
)


def is_beyond(form, values, state):
    """Say whether more requests a second are asked for than one deployment answers.

    Parameters
    ----------
    form : Form
        The inputs.
    values : dict
        What a question sets, by input.
    state : dict
        The complete state before.

    Returns
    -------
    bool
        Whether they are; not where the form is of several deployments, or of none.
    """
    if not values.get("rate") or state.keys() & {"columns", CARDS}:
        return False
    try:
        whole = form.check(values, state)[0]
        most = design.requests_within(meaning.deployment(whole), meaning.load(whole)).value
    except BadInput:  # the view says what does not go together
        return False
    return 0 < most < whole["rate"]


def predicted(form, question, values, state):
    """Say how long a batch takes, which memory is needed, and what a change buys, where asked.

    Parameters
    ----------
    form : Form
        The inputs.
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    state : dict
        The complete state before.

    Returns
    -------
    list of str
        Sentences; none where the inputs do not go together, which the view says.
    """
    notes = []
    for is_asked, answer in ANSWERS:
        if is_asked(question.numbers, state.keys()):
            try:
                notes += answer(form, question, values, state)
            except BadInput:  # the view says what does not go together
                continue
    return notes


def _served(state):
    """The deployment and the load of a state; the most users within limits where none is said."""
    deployment, load = meaning.deployment(state), meaning.load(state)
    if state["users"] is None and not state.get("rate"):
        load = design.most_users_load(deployment, load, meaning.limits(state))
    return deployment, load


def _card(state):
    """One deployment under its rate, or else under its users, without limits."""
    deployment, load = _served(state)
    if state.get("rate"):
        return design.card_at_rate(deployment, load, Slo(), state["rate"])
    return design.card(deployment, load, Slo())


def _answered_rps(card, state):
    """The requests a second that a deployment answers: at most, or with its users."""
    if state.get("rate"):
        return design.requests_within(card.deployment, card.workload).value
    return card.expected.output_tok_s.value / card.workload.output_tokens


def _asks_for_a_time(numbers, fields):
    return "pieces" in numbers and {"in", "out", "model", "tp"} <= fields


def _asks_for_memory(numbers, fields):
    return bool(numbers.keys() & {"need", "times"}) and {"model", "tp", "users"} <= fields


def _time(form, question, values, state):
    """Say how long a batch takes that has no time, of one deployment."""
    whole = form.check(values, state)[0]
    if CARDS in state:
        return ["Say how long it may take, as in 8 hours, for the fewest cards."]
    deployment = meaning.deployment(whole)
    usd_h = design.card(deployment, meaning.load(whole), Slo()).usd_h
    pieces = question.numbers["pieces"]
    said = amounts.takes(deployment, whole["in"], whole["out"], pieces, usd_h)
    return [said] if said else []


def _memory(form, question, values, state):
    """Say how much memory is asked for, and what vLLM prints of the room that is left."""
    numbers, whole = question.numbers, form.check(values, state)[0]
    deployment, length = meaning.deployment(whole), context(numbers, whole)
    if "times" in numbers:
        deployment = replace(deployment, max_model_len=length)
    books = capacity.ledger(deployment, context_tokens=length, concurrency=whole["users"] or 1)
    notes = [memory.times(books, float(numbers["times"]))] if "times" in numbers else []
    return notes + [memory.needed(books)] * ("need" in numbers)


def is_of_one(numbers, fields):
    """Say whether a calculator tells what one user takes of the cache.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    bool
        Whether it does, and is asked to.

    Examples
    --------
    >>> is_of_one({"of one": True}, {"model", "tp", "ctx"})
    True
    """
    return "of one" in numbers and bool({"ctx", "in"} & fields) and CARDS not in fields


def _of_one(form, question, values, state):
    """Say what one user takes of the cache, of each deployment that is named."""
    whole = form.check(values, state)[0]
    deployments = _deployments(whole)[: values.get("columns", 1)]
    length = context(question.numbers, whole)
    users = round(typed_number(str(question.numbers.get("users", ""))) or 1)
    return [
        f"{one.model.name}: " * (len(deployments) > 1) + memory.of_one(one, length, users)
        for one in deployments
    ]


def _asks_for_a_gain(numbers, fields):
    return gains.is_of_one_deployment(numbers, fields) or (
        "fleets" in numbers and {"columns", "in"} <= fields
    )


def _gain(form, question, values, state):
    """Say what one deployment does without and with the change that is asked about."""
    numbers, whole = question.numbers, form.check(values, state)[0]
    if "columns" in state:
        deployments = _deployments(whole)[: len(numbers["fleets"])]
        deployment, load = deployments[0], meaning.load(whole)
    else:
        sides = [form.check(values | side, state)[0] for side in before_and_after(question, state)]
        deployments = [meaning.deployment(side) for side in sides]
        deployment, load = _served(whole)
    if len(deployments) > 1:
        copies = [many for many, *_ in numbers.get("fleets", [(1,)] * len(deployments))]
        words = gains.words(deployments)
        if set(copies) != {1}:
            many = ["1 copy" if n == 1 else f"{n} copies" for n in copies]
            words = [f"{n} of {one}" if one else n for n, one in zip(many, words, strict=False)]
        if not any(words):  # two names of one engine
            return []
        loads = [load] * len(words)
        titled = [*map(gains.Side, words, deployments, loads, copies)]
        return [gains.sentence(*(titled if "onward" in numbers else titled[::-1]))]
    if "draft" in numbers:
        before, after, taken = gains.drafting(deployment, load)
        return [f"{gains.sentence(before, after)} {taken}"]
    if load.shared_prefix_tokens:
        return [gains.sentence(*gains.sharing(deployment, load))]
    return [NO_PREFIX] * ("caching" in numbers)


def whole_answer(form, question, values, state):
    """Set a limit on the whole answer, which no input takes, beside what is predicted of it.

    Parameters
    ----------
    form : Form
        The inputs.
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    state : dict
        The complete state before.

    Returns
    -------
    tuple of list of str and list of str
        What is said where it is met, and what where it is not or nobody here predicts it.
    """
    if "whole" not in question.numbers:
        return [], []
    which, limit = question.numbers["whole"]
    seconds = milliseconds(limit) / 1e3
    option = f"--e2e-{which}-s {seconds:g}"
    if which == MEAN or not {"config", "tp", "in", "itl"} <= state.keys():
        return [], [NO_INPUT.format(which, limit, option if which != MEAN else "--e2e-p95-s")]
    try:
        slo = Slo(tails=(Tail("e2e", float(which[1:]), seconds),))
        deployment, load = _served(form.check(values, state)[0])
        card = design.card(deployment, load, slo)
    except BadInput:  # the view says what does not go together
        return [], []
    for limit in card.limits:
        if limit.name.startswith("e2e"):
            said = f"{limit.sentence}: {WORDS[limit.verdict]}. No input takes this limit."
            return ([said], []) if limit.verdict == MET else ([], [said])
    return [], []


def _asks_for_a_month(numbers, fields):
    if "power" in numbers:  # a bill of electricity is no rent
        return False
    return bool(numbers.keys() & {"monthly", "yearly"}) and {"config", "tp", "in"} <= fields


def _month(form, question, values, state):
    """Say what the cards of one deployment cost in a month."""
    whole = form.check(values, state)[0]
    usd_h = design.card(meaning.deployment(whole), meaning.load(whole), Slo()).usd_h
    if not usd_h:
        return []
    each = typed_number(str(question.numbers.get("users", ""))) or 0
    said = []
    for time in ("month", "year") if "yearly" in question.numbers else ("month",):
        hours = PER[time] / 3600
        usd = usd_h * hours
        shared = f", ${usd / each:,.2f} for each of {each:,.0f} users" if each > 1 else ""
        said.append(
            f"${usd_h:,.2f} an hour are ${usd:,.0f} a {time} of {hours:,.0f} hours{shared}."
        )
    return said


def asks_for_a_percentile(numbers):
    """Say whether a percentile of a latency is asked without a limit.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> asks_for_a_percentile({"itlp": "p99"}), asks_for_a_percentile({"itlp": "p99", "itl": "9"})
    (True, False)
    """
    return bool(_unlimited(numbers))


def _asks_for_a_percentile(numbers, fields):
    return asks_for_a_percentile(numbers) and {"config", "tp", "in"} <= fields


def _unlimited(numbers):
    """The latencies of which a percentile is asked and no limit is named."""
    return [name for name in ("itl", "ttft") if f"{name}p" in numbers and name not in numbers]


def _percentiles(form, question, values, state):
    """Say the percentile of a latency that is asked for without a limit."""
    card = _card(form.check(values, state)[0])
    if not card.starts or card.saturated:
        return []
    said = []
    asked = [(name, question.numbers[f"{name}p"]) for name in _unlimited(question.numbers)]
    for name, which in sorted({*asked, *[question.numbers.get("ranks", asked[0])]}):
        what = OF_LATENCIES[name]
        if which == MEAN:
            value = card.expected.itl_s if name == "itl" else card.expected.ttft_s
            said.append(f"The {what} are {expected(value, 's')} on average.")
        else:
            value = card.percentile(name, float(which[1:]))
            said.append(f"{which[1:]}% of the {what} are within {expected(value, 's')}.")
    return said


def _asks_for_the_most(numbers, fields):
    return "most rps" in numbers and {"config", "tp", "in"} <= fields


def _most(form, question, values, state):
    """Say how many requests a second one deployment answers."""
    whole = form.check(values, state)[0]
    return [amounts.most(meaning.deployment(whole), meaning.load(whole), meaning.limits(whole))]


def _asks_for_requests(numbers, fields):
    return "bought" in numbers and {"config", "tp", "in"} <= fields


def _requests(form, question, values, state):
    """Say what so many requests cost: the rent over the requests that are answered in its time."""
    whole = form.check(values, state)[0]
    card = _card(whole)
    if not card.starts:
        return []
    if not card.usd_h:
        return ["No rent of these cards is known: name one, as in $2 an hour each."]
    rate_rps, asked_rps = _answered_rps(card, whole), whole.get("rate")
    bought = question.numbers["bought"]
    return [amounts.bought(bought, card.workload, card.usd_h, rate_rps, asked_rps)]


def is_of_loads(numbers, fields):
    """Say whether a calculator sets two values of a load beside each other.

    Parameters
    ----------
    numbers : dict
        What a question says, by the input's name.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    bool
        Whether it does, and is asked to.

    Examples
    --------
    >>> is_of_loads({"loads": ("users", ["32", "64"])}, {"in", "out", "users", "config"})
    True
    """
    of_many = CARDS in fields
    return "loads" in numbers and {"in", "out", "users"} <= fields and not of_many


def _loads(form, question, values, state):
    """Say what each deployment does under each value of a load."""
    name, typed = question.numbers["loads"]
    wholes = []
    for value in typed:
        moved = loaded(question.numbers | {name: value}, state, state.keys())
        wholes.append(form.check(values | moved, state)[0])
    words = [two_loads.load_words(name, typed_number(value)) for value in typed]
    loads = [meaning.load(whole) for whole in wholes]
    deployments = _deployments(wholes[-1])[: values.get("columns", 1)]
    titles = gains.words(deployments) if len(deployments) > 1 else [""]
    said = []
    for title, one in zip(titles, deployments, strict=True):
        sides = [gains.Side(word, one, load) for word, load in zip(words, loads, strict=True)]
        said.append(f"{title}: " * bool(title) + gains.sentence(*sides))
    return said


def _asks_for_a_dollar(numbers, fields):
    return (
        "per dollar" in numbers
        and {"in", "out", "users", "budget"} <= fields
        and CARDS not in fields
    )


def _a_dollar(form, question, values, state):
    """Say what so many dollars buy, of each deployment."""
    whole = form.check(values, state)[0]
    load = _served(whole)[1] if "columns" not in state else meaning.load(whole)
    deployments = _deployments(whole)[: values.get("columns", 1)]
    titles = gains.words(deployments) if len(deployments) > 1 else [""]
    said, dollars = [], question.numbers["per dollar"]
    for title, one in zip(titles, deployments, strict=True):
        card = design.card(one, load, Slo())
        if card.starts and card.usd_h:
            rate_rps = _answered_rps(card, whole)
            asked_rps = whole.get("rate")
            said.append(amounts.worth(dollars, load, card.usd_h, rate_rps, title, asked_rps))
    return said or ["No rent of these cards is known: name one, as in $2 an hour each."]


def _deployments(state):
    """The deployments of a state."""
    letters = LETTERS[: state["columns"]] if "columns" in state else ()
    return [meaning.deployment(state, p) for p in [f"{one}." for one in letters] or [""]]


ANSWERS = (
    (_asks_for_the_most, _most),
    (_asks_for_requests, _requests),
    (_asks_for_a_percentile, _percentiles),
    (_asks_for_a_month, _month),
    (_asks_for_a_time, _time),
    (_asks_for_memory, _memory),
    (is_of_one, _of_one),
    (_asks_for_a_gain, _gain),
    (is_of_loads, _loads),
    (_asks_for_a_dollar, _a_dollar),
)
