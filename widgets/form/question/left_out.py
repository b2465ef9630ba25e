"""What of a question is in no input: what is said of it, and what was not understood."""

import re

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput, either

from .gains import is_of_one_deployment
from .own_machine import is_sold_with
from .patterns import RATE
from .wording import in_words, numbers_taken, titles

# What decides which inputs there are, and is none itself.
ASIDE = frozenset(
    """
    show sweep most power nodes cards open memory longest count home laptop slips uncounted
    everyone need gain onward caching times unhurried pieces hours two whole monthly yearly
    standing bought fleets formats loads ranks rents rates
    """.split()  # noqa: SIM905 - a list has a line a word
) | {"which cards", "one card", "most rps", "per dollar", "of one"}
EACH_COPY = ["What follows is of one copy with all the users: the numbers above share them."]
ONE_COPY = ["The numbers are of one copy: ask it with its share of the load."]
# What no input takes, by what is said of it.
OF_ITS_OWN = {
    "lora": "{} are not counted here: llmcap predict --lora-rank 16 --lora-adapters 4 counts "
    "their weights and work.",
    "starting": "How long it takes to load and start is not predicted.",
    "draft": "Tokens guessed ahead ({}) are not counted here: llmcap predict --draft-tokens 4 "
    "counts them.",
    "offload": "Weights in the host's memory ({}) are not counted here: llmcap predict "
    "--offload-share 0.9 counts them.",
    "apart": "Prefill and decode on cards of their own ({}) are not predicted: ask each alone.",
    "processor": "A processor without a card ({}) is not predicted.",
    "closed": "The weights of {} are not published, so that nobody but its maker runs it.",
    "beaten": "Of two limits on the gap the shorter holds alone: {} is not in the answer.",
    "beside": "{} is no card known here, so nothing is said of it.",
    "no model": "Only language models are predicted, and {} is none.",
    "foreign": "An amount in {} is taken as US dollars: no exchange rate is kept here.",
    "goodput": "Requests that meet the limits ({}) are not counted here: llmcap simulate counts "
    "them.",
    "unpriced": "What {} asks was not said: write it as $0.55 in and $2.19 out, of a million.",
    "purchase": "A price to buy at ({}) is no input: a budget is of rent an hour.",
}


def left_out(question, values, fields):
    """Say what the answer does not take: what no input means, and what was not understood.

    Parameters
    ----------
    question : Question
        What it says.
    values : dict
        What it sets, by input.
    fields : set of str
        The inputs that there are.

    Returns
    -------
    list of str
        Sentences.
    """
    notes, numbers = [], question.numbers
    if unused := _unused(question, values, fields):
        notes.append(f"Not among these inputs, so not in the answer: {', '.join(unused)}.")
    both = _both_sides(question, fields) and "gain" in numbers
    answered = {"draft": both, "unpriced": numbers.keys() & {"api", "api_in"}}
    names = [n for n in OF_ITS_OWN if n in numbers and not answered.get(n)]
    notes += [OF_ITS_OWN[name].format(numbers[name]) for name in names]
    notes += ONE_COPY * ("copies" in numbers and "copies" not in fields)
    is_copied = any(copies > 1 for copies, *_ in numbers.get("fleets", ()))
    notes += EACH_COPY * (is_copied and {"in", "users"} <= fields)
    notes += _two_limits(numbers)
    notes += _two_versions(question)
    gb = int(numbers.get("memory", 0))
    if question.cards and gb and not any(is_sold_with(name, gb) for name, _ in question.cards):
        notes.append(
            f"The host's {gb} GB are not counted here: llmcap predict --offload-share 0.5 counts "
            "weights that are kept there."
        )
    if "one card" in numbers and len(question.models) > 1:
        notes.append(
            "Models that share a card are predicted alone: ask each with its part of the memory, "
            "as in gpu-memory-utilization 0.45. They also share its time, which is in no answer."
        )
    if question.lost:
        notes.append(f"Not understood: {', '.join(question.lost)}.")
    if any("$" in one for one in question.lost):
        notes.append("Say what money is of: $2/h a card, a budget of $20/h, or $0.60/M of answers.")
    if any(re.search(RATE, one, re.I) for one in question.lost):
        notes.append("Say whose a speed is: 25 tok/s per user, or 2,000 tok/s in total.")
    return notes


def _both_sides(question, fields):
    """Whether several deployments are in the answer."""
    return "columns" in fields or is_of_one_deployment(question.numbers, fields)


def _unused(question, values, fields):
    """The models, cards, numbers and further formats that no input takes, in words."""
    both = _both_sides(question, fields)
    names = question.numbers.keys() - ASIDE - OF_ITS_OWN.keys()
    names -= numbers_taken(question, values)
    # these are said beside the view
    names -= {"itlp", "ttftp"} if {"config", "tp", "in"} <= fields else set()
    unused = [*([] if both else titles(question, fields)[1]), *in_words(question, names)]
    unused += [f"rent ${usd}/h" for usd in question.numbers.get("rents", [])[1:] if not both]
    unused += [one for one in question.numbers.get("formats", [])[1:] if not both]
    if both or "gain" in question.numbers:  # the other side of a change is nobody's words
        return unused
    return unused + [one for also in question.also.values() for one in also]


def _two_versions(question):
    """Say what setting two versions of one engine beside each other can tell, and what not."""
    typed = [question.numbers.get("engine", ""), *question.also.get("engine", [])]
    try:
        engines = [catalog.engine(one) for one in typed if one]
    except BadInput:  # the inputs refuse it, and say why
        return
    if len(engines) < 2 or len({one.family for one in engines}) > 1:
        return
    name = engines[0].title.split()[0]
    if len({one.name for one in engines}) == 1:
        yield f"{' and '.join(typed)} are both read as {engines[0].title}, so nothing differs here."
    elif unknown := [one for one in engines if " in place of " in one.title]:
        yield f"{either([one.title for one in unknown])}: the nearest that is known."
    yield (
        f"Versions of {name} differ here in memory and in defaults, and nearly all of their "
        "kernels have the same fitted times: what an upgrade gains by faster kernels is not in "
        "these numbers. The same benchmark on both shows it, and Validate reads its files."
    )


def _two_limits(numbers):
    """Say which of two limits on one latency is in the answer, and whether they contradict."""
    if "two" not in numbers:
        return
    of, ((low, less), (high, more)), wrong = numbers["two"]
    if wrong:
        yield (
            f"Two limits on {of} contradict each other: the {high} of {more} is below the {low} of "
            f"{less}, so the {low} decides nothing. Is one a slip?"
        )
    else:
        yield f"{of.capitalize()} has one limit here: {high} {more} is taken, {low} {less} is not."
