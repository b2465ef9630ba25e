"""The scorecard: two to four deployments side by side, under the same users and limits."""

from llmcap_kernel import design, toolbox
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo, Workload

from . import controls as c
from . import presets as p
from .figures import FARTHEST, limits_used
from .state import Field, Form

TITLE = "Scorecard"
LEAD = "Which of these deployments meets every limit, what does it cost, and what binds the others?"
LETTERS = ("a", "b", "c", "d")
SHARED = (
    Field("in", "tokens", 7000, "Prompt", 1, c.MOST_TOKENS, unit="tokens"),
    Field("out", "tokens", 1000, "Answer", 1, c.MOST_TOKENS, unit="tokens"),
    Field("users", "whole", 16, "Users at once", 1, c.MOST_USERS),
    Field("itl", "number", 50, "Gap between tokens", 0.01, 100_000, unit="ms"),
    Field("budget", "number", 30, "Budget", 0.01, 1_000_000, unit="USD/h"),
    Field("columns", "whole", 3, "Deployments", 2, 4),
)
# The worked spec, and the other card that would hold it.
WORKED = design.worked_spec()
COLUMNS = dict(zip(LETTERS, (*WORKED, toolbox.change_gpu(WORKED[0], "h200-sxm")), strict=True))
FORM = Form(
    "scorecard",
    SHARED
    + tuple(
        field
        for letter, start in COLUMNS.items()
        for field in c.deployment_fields(start, prefix=f"{letter}.", group=letter)
    ),
)
HINT = "Try it: open Change A and give it two cards, or set the gap to 15 ms."
PRESETS = p.told(
    {},
    {"in": 2000, "out": 500, "users": 1, "itl": 100, "columns": 2}
    | p.column("a", p.ON_LAPTOP)
    | p.column("b", p.ON_LAPTOP | {"gpu": "rtx-4090"}),
    {"in": 1500, "out": 400, "users": 32, "columns": 2}
    | p.column("a", p.ON_ONE_CARD)
    | p.column("b", p.ON_ONE_CARD | {"gpu": "l40s", "tp": 2}),
    {"in": 127_000, "out": 1000, "users": 4, "itl": 100, "columns": 2}
    | p.column("a", p.ON_FOUR_CARDS)
    | p.column("b", {"gpu": "h100-sxm", "tp": 8}),
    {"in": 1000, "out": 300, "users": 256, "itl": 100_000, "columns": 2}
    | p.column("a", p.SMALL_ON_ONE)
    | p.column("b", p.SMALL_ON_ONE | {"gpu": "l4"}),
)


def view(state):
    """Show the deployments' scorecard.

    Parameters
    ----------
    state : dict
        A complete state of `FORM` [-].

    Returns
    -------
    dict
        The view [-].
    """
    letters = LETTERS[: state["columns"]]
    controls = _shared_controls(state)
    for letter in letters:
        controls += c.deployment_controls(FORM, state, prefix=f"{letter}.")
    try:
        load = Workload(state["in"], state["out"], state["users"])
        slo = Slo(itl_s=state["itl"] / 1000, usd_h=state["budget"])
    except c.BadInput as problem:
        return c.frame(FORM, state, TITLE, LEAD, controls, **c.refusal(problem))
    columns, refused = _deployments(state, letters)
    groups = [_group(letter, columns) for letter in letters]
    if not columns:
        return c.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **refused)
    card = design.scorecard(columns, load, slo)
    parts = _parts(card)
    parts["messages"] = refused.get("messages", []) + parts["messages"]
    return c.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **parts)


def _shared_controls(state):
    fields = {field.name: field for field in SHARED}
    counts = [(n, str(n), "") for n in (2, 3, 4)]
    boxes = [c.entry(fields[name], state) for name in ("in", "out", "users", "itl", "budget")]
    return [*boxes, c.select(fields["columns"], state, counts)]


def _deployments(state, letters):
    """Build the columns that go together, and messages on those that do not."""
    columns: dict = {}
    refused: dict = {}
    for letter in letters:
        try:
            columns[letter.upper()] = c.deployment(state, prefix=f"{letter}.")
        except c.BadInput as problem:
            parts = c.refusal(problem, prefix=f"{letter}.")
            parts["messages"][0]["text"] = f"{letter.upper()}: {problem}"
            refused = parts | {"messages": refused.get("messages", []) + parts["messages"]}
    return columns, refused


def _group(letter, columns):
    d = columns.get(letter.upper())
    title = d.title if d else "these inputs do not go together"
    return {"name": letter, "label": letter.upper(), "title": title}


def _parts(card):
    load = card.cards[0].workload
    level = "good" if card.winner else "bad"
    return {
        "headline": [_headline(one) for one in card.cards],
        "status": {"level": level, "text": card.verdict},
        "figure": _figure(card),
        "tables": [_table(card)],
        "sentences": [
            f"All columns serve the same {load.concurrency:,} users of {load.input_tokens:,} + "
            f"{load.output_tokens:,} tokens. Where fewer fit, speed and price are those of the "
            "users who do.",
            "Speeds and prices are ceilings, what the spec sheets allow, except in the rows that "
            "say estimated.",
        ],
        "messages": [m for one in card.cards for m in _notes(one)],
    }


def _notes(card):
    # The kernel names its own argument; here that is the input "Card rent".
    texts = [
        f"{card.label}: {t}".replace("give usd_h", "enter the card rent") for t in card.warnings
    ]
    return [{"level": "info", "field": "", "text": text} for text in texts]


def _headline(card):
    limit = card.limits[0]
    if not card.starts:
        value, unit = "does not start", ""
    elif card.usd_mtok is None:
        value, unit = "no price", ""
    else:
        value, unit = quantity(card.usd_mtok, "USD/Mtok").removesuffix("/M"), "/M output"
    verdict = "meets every limit" if card.meets_all else f"misses {limit.name}"
    return {
        "label": f"{card.label}: {card.deployment.num_gpus} x {c.card_title(card.deployment.gpu)}",
        "value": value,
        "unit": unit,
        "note": f"{verdict}; {limit.sentence}",
        "explain": card.explain(),
    }


def _figure(card):
    rows = []
    for one in card.cards:
        # What does not start has no speed to compare.
        known = [x for x in one.limits if one.starts or x.name in ("capacity", "budget")]
        rows.append((one.label, [(limit.name, _share(limit)) for limit in known]))
    listed = ". ".join(f"{one.label}: {one.binding}" for one in card.cards)
    alt = f"Share of each limit that every deployment uses; beyond 100% it is missed. {listed}."
    return limits_used(rows, alt)


def _share(limit):
    """Share of a limit that is used; no headroom at all is drawn as far out as can be."""
    return 1 / limit.headroom if limit.headroom > 0 else FARTHEST


def _table(card):
    columns = [one.rows() for one in card.cards]
    rows = [["Deployment", *(one.deployment.title for one in card.cards)]]
    levels = [[None] * len(card.cards)]
    for cells in zip(*columns, strict=True):
        name = cells[0][0]
        rows.append([name, *(text for _, text in cells)])
        levels.append([_level(name, one) for one in card.cards])
    return {
        "caption": "Side by side",
        "columns": ["Measure", *(one.label for one in card.cards)],
        "rows": rows,
        "levels": levels,
        "highlight": [len(rows) - 1],
        "stack": True,
    }


def _level(name, card):
    if name == "Fits":
        return "good" if card.books.fits else "bad"
    if name == "Binding constraint":
        return "good" if card.limits[0].met else "bad"
    return None
