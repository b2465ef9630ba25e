"""Two to four deployments under one load: what the calculators that compare them share."""

import re
from dataclasses import replace

from llmcap_kernel import design, toolbox
from llmcap_kernel.address import MEAN
from llmcap_kernel.refuse import BadInput

from ..form import controls as c
from ..form import inputs, learnt, lists, meaning, presets
from ..form.state import Field
from . import answers

LETTERS = ("a", "b", "c", "d")
WORKED = design.worked_spec()


def _on(gpu, tp=1):
    """The worked spec's model on a card, or on several."""
    return replace(toolbox.change_gpu(WORKED[0], gpu), tp=tp)


# One model on cards that all hold it and its users, within the worked spec's budget.
START = dict(
    zip(LETTERS, (_on("h200-sxm"), WORKED[1], _on("mi300x"), _on("a100-sxm-80gb", 2)), strict=True)
)
# The worked spec's three, and the other card that would hold it: where addresses of the first
# versions began.
SPECIFIED = dict(zip(LETTERS, (*WORKED, _on("h200-sxm")), strict=True))
SHARED = (
    *inputs.load_fields(design.WORKED_WORKLOAD),
    *inputs.limit_fields(design.WORKED_SLO, formerly=MEAN),
    Field("columns", "whole", 3, "Deployments", 2, 4),
)
FIELDS = (
    SHARED
    + tuple(
        field
        for letter, start in START.items()
        for field in inputs.deployment_fields(
            start, prefix=f"{letter}.", group=letter, before=SPECIFIED[letter]
        )
    )
    + (learnt.field(),)
)

AS_SPECIFIED = {
    f"{letter}.{name}": value
    for letter, d in SPECIFIED.items()
    for name, value in (
        {"model": d.model.name, "gpu": d.gpu.name, "tp": d.tp, "weights": d.weights.name}
        | presets.AS_SPECIFIED
    ).items()
}


def preset(*columns, **shared):
    """Write where to start from.

    Parameters
    ----------
    *columns : dict
        What differs from the defaults in each deployment.
    **shared : object
        What differs in the other inputs.

    Returns
    -------
    dict
        The same by the names of the inputs.

    Examples
    --------
    >>> preset({"tp": 2}, {"tp": 4}, users=8)
    {'columns': 2, 'users': 8, 'a.tp': 2, 'b.tp': 4}
    """
    named = zip(LETTERS, columns, strict=False)
    own = {f"{letter}.{name}": v for letter, values in named for name, v in values.items()}
    return {"columns": len(columns)} | shared | own


def shown(form, state):
    """Show the inputs that all deployments share, and each one's own.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.

    Returns
    -------
    list of dict
        Controls.
    """
    fields, rate = form.by_name, state.get("rate")
    columns = fields["columns"]
    counts = [(n, str(n), "") for n in range(int(columns.low), int(columns.high) + 1)]
    load = ("in", "out", "prefix") if rate else ("in", "out", "users", "prefix")
    out = [c.entry(fields[name], state) for name in load]
    if "rate" in fields:
        out.append(inputs.rate_control(fields["rate"], state))
    out += [c.select(columns, state, counts), *inputs.limit_controls(fields, state)]
    more = ("prefix",) if rate else ("prefix", "rate")
    c.fold(out, {"More of the load": more, "Limits": inputs.LIMITED})
    for letter in _letters(state):
        out += inputs.deployment_controls(form, state, prefix=f"{letter}.")
    return out


def deployments(form, state, *, named=True):
    """Build the deployments that go together.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    named : bool
        Whether they are known by what tells them apart, and not by their letters.

    Returns
    -------
    dict, list and dict
        Deployments by the names that tell them apart; the headings of all of them; and the
        parts of a view that say which do not go together, empty where all do.
    """
    built: dict = {}
    refused: dict = {}
    for letter in _letters(state):
        try:
            built[letter] = meaning.deployment(state, prefix=f"{letter}.")
        except BadInput as problem:
            parts = answers.refusal(problem, form, prefix=f"{letter}.")
            refused = parts | {"messages": refused.get("messages", []) + parts["messages"]}
    headings = [_heading(letter, built) for letter in _letters(state)]
    labels = names(built) if named else [letter.upper() for letter in built]
    return dict(zip(labels, built.values(), strict=True)), headings, refused


def names(built, moved=""):
    """Name deployments by what tells them apart, the shortest way that does.

    Parameters
    ----------
    built : dict
        Deployments by letter.
    moved : str
        The input that is exchanged in all of them, which so is no part of a name: one of
        `tp`, `gpu`, `weights`, `kv` and `model`; "" for none.

    Returns
    -------
    list of str
        A name for each, such as "2x MI300X".

    Examples
    --------
    >>> names(dict(enumerate(WORKED)))
    ['1x H100', '2x H100', '8x H200']
    >>> names(dict(enumerate(WORKED[1:])), moved="tp")
    ['H100', 'H200']
    """
    for way in _without(moved) if moved else WAYS:
        found = [way(d) for d in built.values()]
        if len(set(found)) == len(found):
            return found
    return [f"{name} ({letter.upper()})" for name, letter in zip(found, built, strict=True)]


def short_cards(d):
    """Name the cards of a deployment in a few letters.

    Parameters
    ----------
    d : Deployment
        The deployment.

    Returns
    -------
    str
        Such as "2x MI300X".
    """
    # The form and the size of a card are said only where two cards differ in nothing else.
    title = re.sub(r",? \d+ GB$", "", lists.card_title(d.gpu))
    words = (w for w in title.split() if not w.startswith(SAID_BY_THE_REST))
    return f"{d.num_gpus}x {' '.join(w for w in words if not w.endswith('GB'))}"


def run_title(d):
    """Name what a deployment runs on and in which formats, as a reader says it.

    Parameters
    ----------
    d : Deployment
        The deployment.

    Returns
    -------
    str
        Such as "2x H100 SXM5 80GB TP-2, FP8 weights, BF16 cache"; the engine where it is not vLLM.
    """
    cards = d.title.split(" / ")[1]
    split = cards.removeprefix(f"{d.num_gpus}x ").removeprefix(d.gpu.name)
    engine = "" if d.engine.family == "vllm" else f", {d.engine.title}"
    on = f"{d.num_gpus}x {lists.card_title(d.gpu)}{split}"
    return f"{on}, {d.weights.title} weights, {d.kv.title} cache{engine}"


SAID_BY_THE_REST = ("SXM", "PCIe", "OAM", "Instinct")


def _layout(d):
    split = f" TP-{d.tp}" + f" PP-{d.pp}" * (d.pp > 1) + " DP" * d.dp_attention
    return f"{short_cards(d)}{split}, {d.kv.title} KV"


WAYS = (
    short_cards,
    lambda d: f"{d.num_gpus}x {lists.card_title(d.gpu)}",
    lambda d: f"{short_cards(d)}, {d.weights.title}",
    lambda d: f"{short_cards(d)}, {d.model.name}",
    _layout,
    lambda d: f"{short_cards(d)}, {d.engine.title}",
    lambda d: ", ".join((f"{short_cards(d)} TP-{d.tp}", *lists.settings_words(d))),
)


# What the cards are called where a part of their name is exchanged.
LEFT_OF_CARDS = {
    "tp": lambda d: short_cards(d).partition(" ")[2],
    "gpu": lambda d: f"TP-{d.tp}" + f" PP-{d.pp}" * (d.pp > 1),
}
PARTS = {
    "weights": lambda d: d.weights.title,
    "kv": lambda d: f"{d.kv.title} KV",
    "engine": lambda d: d.engine.title,
    "model": lambda d: d.model.name,
}


def _without(moved):
    """Ways to name a deployment that leave out what is exchanged in it."""
    cards = LEFT_OF_CARDS.get(moved, short_cards)
    yield cards
    for name, part in PARTS.items():
        if name != moved:
            yield lambda d, part=part: f"{cards(d)}, {part(d)}"


def _letters(state):
    return LETTERS[: state["columns"]]


def _heading(letter, built):
    title = "these inputs do not go together"
    if letter in built:
        title = f"{lists.model_title(built[letter].model)}, {run_title(built[letter])}"
    return {"name": letter, "label": letter.upper(), "title": title}


def title(card):
    """Name a column: its cards, and what runs on them.

    Parameters
    ----------
    card : Card
        The column.

    Returns
    -------
    str
        The name.
    """
    d = card.deployment
    return f"{card.label}: {lists.model_title(d.model)} {d.weights.title}"
