"""Two to four deployments under one load: what the calculators that compare them share."""

from llmcap_kernel import design, toolbox

from ..form import controls as c
from ..form.state import Field

LETTERS = ("a", "b", "c", "d")
# The worked spec, and the other card that would hold it.
WORKED = design.worked_spec()
START = dict(zip(LETTERS, (*WORKED, toolbox.change_gpu(WORKED[0], "h200-sxm")), strict=True))
SHARED = (
    *c.load_fields(design.WORKED_WORKLOAD),
    *c.limit_fields(design.WORKED_SLO),
    Field("columns", "whole", 3, "Deployments", 2, 4),
)
FIELDS = SHARED + tuple(
    field
    for letter, start in START.items()
    for field in c.deployment_fields(start, prefix=f"{letter}.", group=letter)
)


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
    *boxes, columns = SHARED
    counts = [(n, str(n), "") for n in range(int(columns.low), int(columns.high) + 1)]
    out = [c.entry(field, state) for field in boxes] + [c.select(columns, state, counts)]
    for letter in _letters(state):
        out += c.deployment_controls(form, state, prefix=f"{letter}.")
    return out


def deployments(form, state):
    """Build the deployments that go together.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.

    Returns
    -------
    dict, list and dict
        Deployments by label; the headings of all of them; and the parts of a view
        that say which do not go together, empty where all do.
    """
    built: dict = {}
    refused: dict = {}
    for letter in _letters(state):
        try:
            built[letter.upper()] = c.deployment(state, prefix=f"{letter}.")
        except c.BadInput as problem:
            parts = c.refusal(problem, form, prefix=f"{letter}.")
            refused = parts | {"messages": refused.get("messages", []) + parts["messages"]}
    return built, [_heading(letter, built) for letter in _letters(state)], refused


def _letters(state):
    return LETTERS[: state["columns"]]


def _heading(letter, built):
    label = letter.upper()
    title = built[label].title if label in built else "these inputs do not go together"
    return {"name": letter, "label": label, "title": title}


def title(card):
    """Name a column: its letter, and its cards.

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
    return f"{card.label}: {d.num_gpus} x {c.card_title(d.gpu)}"
