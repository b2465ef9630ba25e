"""Running a deployment: what would make it start, the commands, and what its engine will print."""

from llmcap_kernel import capacity
from llmcap_kernel.design import handover
from llmcap_kernel.refuse import BadInput

# How the verdict on a start is coloured; the words tell the two in the middle apart.
START_LEVELS = {
    capacity.YES: "good",
    capacity.LIKELY: "warn",
    capacity.DOUBTFUL: "warn",
    capacity.NO: "bad",
}
# The input that a remedy moves; the longest request is said by those of `_shorter`.
MOVED = {
    "memory_fraction": "fraction",
    "max_num_seqs": "seqs",
    "max_num_batched_tokens": "batched",
    "eager": "eager",
    "kv": "kv",
    "weights": "weights",
    "tp": "tp",
    "pp": "pp",
    "gpu": "gpu",
}


def remedies(form, state, books):
    """Name the settings that would make an engine start, each with the state that has it.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    books : Ledger
        Its ledger.

    Returns
    -------
    dict
        text and items; nothing where the engine starts.
    """
    if books.starts:
        return {"text": "", "items": []}
    found = capacity.remedies(
        books.deployment,
        books.context_tokens,
        concurrency=books.concurrency,
        shared_prefix_tokens=state.get("prefix", 0),
    )
    moved = ((one, _moved(one, state)) for one in found)
    items = [
        {
            "label": one.flag,
            "query": form.query(state | values),
            "note": one.text.removeprefix(f"{one.flag}: ").removesuffix("."),
        }
        for one, values in moved
        if values
    ]
    return {"text": heading(items), "items": items}


def heading(items):
    """Say what a list of ways out is.

    Parameters
    ----------
    items : list
        The ways out.

    Returns
    -------
    str
        Its heading, for none, one or several.
    """
    if not items:
        return (
            "No single change makes it start: it takes several, a smaller model or a larger card."
        )
    one = len(items) == 1
    several = "Each of these makes it start. Those that keep your cards come first:"
    return "This makes it start:" if one else several


def _moved(remedy, state):
    """The inputs that a remedy changes; none where these inputs cannot say it."""
    if remedy.setting in MOVED:
        return {MOVED[remedy.setting]: remedy.value}
    if "ctx" in state:
        return {"maxlen": None, "ctx": remedy.value}
    shorter = remedy.value - state["out"]
    if shorter <= state["prefix"]:
        return {}
    return {"maxlen": None, "in": shorter}


def engine_lines(books):
    """Write the lines that the engine will print, each with how far off it may be.

    Parameters
    ----------
    books : Ledger
        The ledger.

    Returns
    -------
    dict
        title and text.
    """
    printed = capacity.printed(books)
    width = max(len(line.text) for line in printed)
    rows = [
        f"{line.text:{width}}  within {line.within}" if line.within else line.text
        for line in printed
    ]
    end = "when it starts, four times in five" if books.starts else "before it stops"
    title = f"What {books.deployment.engine.title} will print {end}"
    return {"title": title, "text": "\n".join(rows)}


def commands(card):
    """Write how to start a deployment, what it will print, and how to measure what is predicted.

    Parameters
    ----------
    card : Card
        One deployment under a load.

    Returns
    -------
    list of dict
        Each a title and a text; the lines alone for a layout that the engine has no options for.
    """
    d, load, lines = card.deployment, card.workload, engine_lines(card.ledger)
    if not card.starts:
        return [lines]
    try:
        start = {"title": "Start it with", "text": handover.launch(d, load).text}
    except BadInput:
        return [lines]
    asked = handover.benchmark(d, load, rate_rps=card.rate_rps)
    measure = {"title": "Measure it with", "text": asked.text}
    return [start, lines | {"fold": True}, measure | {"fold": True}]
