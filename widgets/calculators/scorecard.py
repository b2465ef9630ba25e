"""The scorecard: two to four deployments side by side, under the same users and limits."""

import math

from llmcap_kernel import design
from llmcap_kernel.address import MEAN
from llmcap_kernel.explain import counted, quantity
from llmcap_kernel.refuse import BadInput

from .. import constants
from ..figures.limits import limits_used
from ..form import inputs, lists, meaning
from ..form import presets as p
from ..form.state import Form
from . import answers, columns

TITLE = "Scorecard"
ASKS = "Qwen3-32B in FP8 on H100, H200 or L40S, 16 users, gap 50 ms, $10/h"
LEAD = "Which of these deployments meets every limit, what does it cost, and what binds the others?"
FORM = Form("scorecard", (*columns.FIELDS, inputs.rate_field()))
HINT = "Try it: give A two cards, or set the gap to 30 ms."
PRESETS = p.situations(
    columns.AS_SPECIFIED,
    columns.preset(
        p.ON_LAPTOP,
        p.ON_LAPTOP | {"gpu": "rtx-4090"},
        **{"in": 2000, "out": 500, "users": 1, "itl": 100, "budget": 0},
    ),
    columns.preset(
        p.ON_ONE_CARD,
        p.ON_ONE_CARD | {"gpu": "l40s", "tp": 2},
        **{"in": 1500, "out": 400, "prefix": 500, "users": 32, "itlp": MEAN, "ttft": 3},
    ),
    columns.preset(
        p.ON_FOUR_CARDS,
        {"gpu": "h100-sxm", "tp": 8},
        **{"in": 127_000, "out": 1000, "users": 4, "itl": 100, "ttft": 60, "budget": 40},
    ),
    columns.preset(
        p.SMALL_ON_ONE,
        p.SMALL_ON_ONE | {"gpu": "l4"},
        **{"in": 1000, "out": 300, "users": 256, "itl": 0, "budget": 0},
    ),
)


def view(state):
    """Show the deployments' scorecard.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The view.
    """
    controls = columns.shown(FORM, state)
    try:
        load, slo = meaning.load(state), meaning.limits(state)
    except BadInput as problem:
        return answers.frame(FORM, state, TITLE, LEAD, controls, **answers.refusal(problem, FORM))
    deployments, groups, refused = columns.deployments(FORM, state)
    if not deployments:
        return answers.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **refused)
    parts = _parts(design.scorecard(deployments, load, slo, rate_rps=state["rate"]))
    parts["status"]["text"] += answers.by_own_rows(state, deployments.values())
    parts["messages"] = refused.get("messages", []) + parts["messages"]
    return answers.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **parts)


def _parts(card):
    level = answers.LEVELS[card.winner.verdict] if card.winner else "bad"
    return {
        "headline": [_headline(one) | {"first": one is card.winner} for one in card.cards],
        "status": {"level": level, "text": card.verdict},
        "figure": _figure(card),
        "tables": [_table(card), _ends(card)],
        "sentences": [
            _same(card.cards[0]),
            "Numbers are estimates, with the range that held four measurements of five; a "
            "ceiling is what the spec sheet allows.",
            *_below_the_mean(card.cards),
        ],
        "messages": [m for one in card.cards for m in answers.card_notes(one)],
        "behind": constants.behind(card.cards),
    }


def _same(card):
    """Say what all columns are asked alike."""
    load, rate_rps = card.workload, card.rate_rps
    lengths = f"of {load.input_tokens:,} + {load.output_tokens:,} tokens"
    if rate_rps is None:
        users = counted(load.concurrency, "user")
        return (
            f"All columns serve the same {users} {lengths}. Where fewer have room, the others wait "
            "for it."
        )
    return (
        f"To each column come {rate_rps:.4g} requests a second {lengths}, at random moments. How "
        "many are in flight follows from how fast it answers them."
    )


def _below_the_mean(cards):
    """Say once why a percentile of the gaps stands below their mean, where it does."""
    pairs = (
        (made, card.estimates.itl_s)
        for card in cards
        if card.starts
        for _, made in card.percentiles("itl")
    )
    if not any(tail.value < mean.value for tail, mean in pairs):
        return []
    return [
        "A percentile of the gaps may be below their mean: prompts of other users pause a few gaps "
        "for long, and all of these are beyond it."
    ]


def _headline(card):
    limit = card.limits[0]
    if not card.starts:
        value, unit = "does not start", ""
    elif card.usd_mtok is None:
        value, unit = "no price", ""
    else:
        price = quantity(card.usd_mtok.value, "USD/Mtok")
        value, unit = price.removesuffix("/M"), "/M output"
    return {
        "label": columns.title(card),
        "value": value,
        "unit": unit,
        "note": card.saturated or f"{limit.words}: {limit.sentence}",
        "explain": card.explain(),
    } | (answers.span(card.usd_mtok) if card.starts and card.usd_mtok else {})


def _figure(card):
    rows = []
    for one in card.cards:
        # What does not start has no speed to compare.
        known = [x for x in one.limits if one.starts or x.name in ("capacity", "budget")]
        shares = [(limit.title, _share(limit)) for limit in known]
        if one.rate_rps and one.starts:
            shares.append(("most requests/s", one.rate_rps / one.open_loop.most_rps))
        rows.append((one.label, shares))
    listed = ". ".join(f"{one.label}: {one.binding}" for one in card.cards)
    alt = f"Share of each limit that every deployment uses; beyond 100% it is missed. {listed}."
    return limits_used(rows, alt)


def _named(d):
    return f"{lists.model_title(d.model)}, {columns.run_title(d)}"


def _share(limit):
    """Share of a limit that is used; without end where there is no headroom at all."""
    return 1 / limit.headroom if limit.headroom > 0 else math.inf


# What is expected of a deployment: the name in the rows of a card, its attribute and unit.
EXPECTED = {
    "Gap between tokens": ("itl_s", "s"),
    "Speed of one user": ("tok_s_user", "tok/s"),
    "First token, mean": ("ttft_s", "s"),
    "Output of all users": ("output_tok_s", "tok/s"),
    "$/M output": ("usd_mtok", "USD/Mtok"),
}


def _measures(card):
    """The rows of what is expected, with their units: the means, and the percentiles limited."""
    known = _estimates(card)
    return {name: _unit(name) for name, _ in card.rows() if name in known}


def _unit(name):
    return EXPECTED.get(name, ("", "s"))[1]  # a percentile is a time


def _estimates(card):
    """The estimate of each row; None where the deployment does not start, or has no rent."""
    known = {name: getattr(card.estimates, of, None) for name, (of, _) in EXPECTED.items()}
    return known | dict(card.percentiles())


def _table(card):
    rows = [["Deployment", *(_named(one.deployment) for one in card.cards)]]
    levels = [[None] * len(card.cards)]
    for cells in zip(*(one.rows() for one in card.cards), strict=True):
        name = cells[0][0]
        rows.append(
            [
                name,
                *(_cell(one, name, text) for one, (_, text) in zip(card.cards, cells, strict=True)),
            ]
        )
        levels.append([_level(name, one) for one in card.cards])
    return {
        "caption": "Side by side",
        "columns": ["Measure", *(one.label for one in card.cards)],
        "rows": rows,
        "levels": levels,
        "highlight": [len(rows) - 1],
        "stack": True,
    }


def _cell(card, name, text):
    """A cell holds one number: an interval and a ceiling stand in the table below."""
    made = _estimates(card).get(name)
    return text if made is None else quantity(made.value, _unit(name))


def _ends(card):
    rows = []
    for name, unit in _measures(card.cards[0]).items():
        made = [_estimates(one)[name] for one in card.cards]
        low, high = zip(
            *(answers.ends(one, unit) if one else ("-", "-") for one in made), strict=True
        )
        ceiling = (quantity(one.ceiling, unit) if one else "-" for one in made)
        rows += [[f"{name}, from", *low], [f"{name}, to", *high], [f"{name}, ceiling", *ceiling]]
    return {
        "caption": "What held four measurements of five, and what the spec sheet allows",
        "columns": ["Measure", *(one.label for one in card.cards)],
        "rows": rows,
        "highlight": [],
        "stack": True,
        "fold": True,
    }


def _level(name, card):
    if name == "Fits":
        return "good" if card.fits else "bad"
    if name == "Binding constraint":
        return answers.LEVELS[card.verdict]
    return None
