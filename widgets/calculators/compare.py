"""Compare, the laboratory: one quantity along one variable, for two to four deployments."""

from llmcap_kernel import design, sweep
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.refuse import BadInput

from .. import constants
from ..form import controls as c
from ..form import inputs, meaning
from ..form import presets as p
from ..form.state import Field, Form
from . import along_choices, along_load, answers, columns
from .question import SHOWS, VARIABLES, Question

TITLE = "Compare"
ASKS = "gpt-oss-120b on H100, H200 or MI300X, over context"
LEAD = "Move one thing, keep the rest: which deployment is ahead, and from where on?"
HINT = "Try it: look at the price, or move the cards and see whose gap falls."
ASKED = (
    Field("sweep", "name", "users", "Along", names=lambda: VARIABLES),
    Field("show", "name", "gap", "Look at", names=lambda: SHOWS),
    Field("from", "tokens", None, "From", 0, inputs.MOST_TOKENS),
    Field("to", "tokens", None, "To", 0, inputs.MOST_TOKENS),
)
ITS_CARD = "\0"  # in a note, where the card's name stood
FORM = Form("compare", (*ASKED, *columns.FIELDS, inputs.rate_field()))
LLAMA = {"model": "llama-3.1-70b", "weights": "fp8", "kv": "fp8"}
PRESETS = (
    {
        "label": "Worked spec",
        "note": "Three deployments for a coding agent, from a few users to many.",
        "values": columns.AS_SPECIFIED,
    },
    {
        "label": "Card shoot-out",
        "note": "Llama 3.1 70B on two cards each: the price of a million tokens by users.",
        "values": columns.preset(
            *(
                {**LLAMA, "gpu": gpu, "tp": 2}
                for gpu in ("h100-sxm", "h200-sxm", "b200-sxm", "mi300x")
            ),
            show="price",
        ),
    },
    {
        "label": "Does an FP8 cache pay?",
        "note": "The same two cards with a 16-bit and an 8-bit cache: users that fit by context.",
        "values": columns.preset(
            {**LLAMA, "gpu": "h100-sxm", "tp": 2, "kv": "bf16"},
            {**LLAMA, "gpu": "h100-sxm", "tp": 2},
            show="fit",
            sweep="ctx",
        ),
    },
    {
        "label": "More cards for one model",
        "note": "Llama 3.1 70B split over 1 to 8 cards, in 8 and in 16 bits.",
        "values": columns.preset(
            {**LLAMA, "gpu": "h100-sxm", "tp": 2},
            {**LLAMA, "gpu": "h100-sxm", "tp": 4, "weights": "bf16", "kv": "bf16"},
            sweep="tp",
        ),
    },
    {
        "label": "Long documents, shared",
        "note": "Prompts of 120,000 tokens: how long the first token waits as more of it is "
        "the same for all.",
        "values": columns.preset(
            {**LLAMA, "gpu": "h100-sxm", "tp": 4},
            {**LLAMA, "gpu": "h100-sxm", "tp": 8},
            **{"sweep": "prefix", "show": "ttft", "in": 120_000, "out": 500, "users": 4,
               "budget": 40},
        ),
    },
    {
        "label": "A laptop or a server",
        "note": "Qwen3 8B for one user, on a laptop's memory and on a server's card.",
        "values": columns.preset(
            p.ON_LAPTOP | {"model": "qwen3-8b"},
            {"model": "qwen3-8b", "gpu": "h100-sxm", "tp": 1, "weights": "bf16", "kv": "bf16"},
            **{"sweep": "ctx", "show": "rate", "users": 1},
        ),
    },
)  # fmt: skip


def view(state):
    """Show one quantity along one variable.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The view.
    """
    # a rate would decide the users
    asked = state | {"rate": None} if state["sweep"] == "users" else state
    controls = [*_asked(state), *columns.shown(FORM, asked)]
    # what would count for nothing
    idle = {"users": "rate", "requests": "users"}.get(state["sweep"])
    controls = [one for one in controls if one["name"] != idle]
    try:
        load, slo = meaning.load(asked), meaning.limits(state)
    except BadInput as problem:
        return answers.frame(FORM, state, TITLE, LEAD, controls, **answers.refusal(problem, FORM))
    along = VARIABLES[state["sweep"]].load
    deployments, groups, refused = columns.deployments(FORM, state, named=bool(along))
    if not deployments:
        return answers.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **refused)
    labels = deployments if along else columns.names(deployments)
    told = ""
    if state["sweep"] == "requests" and not state["rate"]:
        asked, told = _usual_rate(state, load, deployments)
    cards = {
        name: design.scorecard({label: d}, load, slo, rate_rps=asked["rate"]).cards[0]
        for (name, d), label in zip(deployments.items(), labels, strict=True)
    }
    question = Question(asked, load, slo, deployments)
    _name_as_drawn(controls, question)
    if question.variable.load:
        parts = along_load.parts(question)
        dear = _over_budget(question, cards)
        parts["status"]["text"] += dear
        if dear and parts["status"]["level"] == "good":
            parts["status"]["level"] = "warn"
    else:
        parts = along_choices.parts(question)
    parts["status"]["text"] += answers.by_own_rows(state, deployments.values())
    parts["behind"] = constants.behind(cards.values())
    parts["headline"] = [_headline(question, card) for card in cards.values()]
    parts["sentences"] = _notes(cards.values()) + parts["sentences"]
    parts["messages"] = refused.get("messages", []) + parts["messages"]
    if told:
        parts["messages"].append({"level": "info", "field": "rate", "text": told})
    return answers.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **parts)


def _name_as_drawn(controls, question):
    """Call what is looked at by its percentile, where that is drawn in place of the mean."""
    show = next(one for one in controls if one["name"] == "show")
    chosen = next(one for one in show["options"] if one["value"] == show["value"])
    show["text"] = chosen["label"] = question.show.label


def _usual_rate(state, load, deployments):
    """Take half of what the slowest that starts answers, where nobody says a rate; and say so."""
    most = [design.requests_within(d, load).value for d in deployments.values()]
    rate_rps = float(f"{min(filter(None, most), default=1.0) / 2:.2g}")
    hourly = f"{digits(3600 * rate_rps)} requests an hour, {rate_rps:g} a second"
    told = f"No rate was given: the numbers are of {hourly}."
    return state | {"rate": rate_rps}, told


def _notes(cards):
    """What a reader should know of several deployments at once, each thing once."""
    whose: dict = {}
    for card in cards:
        for text in answers.card_notes(card, named=False):
            whose.setdefault(text.replace(card.deployment.gpu.title, ITS_CARD), []).append(card)
    return [
        f"{', '.join(card.label for card in some)}: "
        + text.replace(ITS_CARD, "each" if len(some) > 1 else some[0].deployment.gpu.title)
        for text, some in whose.items()
    ]


def _asked(state):
    sweep_, show, *ends = ASKED
    boxes = [
        c.select(sweep_, state, [(name, v.label, "") for name, v in VARIABLES.items()]) | c.TWICE,
        c.select(show, state, [(name, s.label, "") for name, s in SHOWS.items()]) | c.TWICE,
    ]
    if not VARIABLES[state["sweep"]].load:
        return boxes
    word = {"users": "users", "requests": "requests/h"}.get(state["sweep"], "tokens")
    unit = {"unit": word, "placeholder": "any"}
    boxes += [c.entry(end, state) | {"text": _end(state[end.name])} | unit for end in ends]
    return c.fold(boxes, {"Range": ("from", "to")})


def _end(value):
    return "chosen" if value is None else c.plain(value)


def _headline(question, card):
    rate_rps = question.rate_rps
    made = question.measure(card.deployment, card.workload, rate_rps)
    item = {"label": columns.title(card), "explain": card.explain()}
    if made is None:
        obstacle = sweep.obstacle(card.deployment, card.workload, rate_rps)
        users = f"{card.max_concurrent:,} of {counted(card.workload.concurrency, 'user')} fit"
        note = users if obstacle in ("room", "start") else ""
        return item | {"value": sweep.OBSTACLES[obstacle], "unit": "", "note": note}
    scale = question.show.scale
    span = {name: getattr(made, name) * scale for name in ("low", "value", "high")}
    if question.has_ceiling:
        span["ceiling"] = made.ceiling * scale
    limit = question.limit(card.workload)
    if limit is not None:
        span["limit"] = limit * scale
    missed = question.misses(made.value, card.workload)
    value = question.with_unit(made.value).partition(" ")[0]
    note = f"misses {question.with_unit(limit)}" if missed else ""
    note = "; ".join(filter(None, (note, _price(question, card))))
    item |= {"value": value, "unit": question.show.unit, "note": note}
    return item | ({"rough": True} if made.doubt and question.has_ceiling else {"span": span})


def _price(question, card):
    """What it costs, beside whatever else is looked at."""
    made = card.expected.usd_mtok
    if made is None or question.state["show"] == "price":
        return ""
    return f"{quantity(card.usd_h, 'USD/h')}, ${made.value:,.2f}/M output"


def _over_budget(question, cards):
    """Name the deployments that cost more than the budget as they stand."""
    over = [card for card in cards.values() if question.over_budget(card.usd_h)]
    rents = ", ".join(f"{card.label} rents at {quantity(card.usd_h, 'USD/h')}" for card in over)
    return f" {rents}: over the budget of {question.budget()}." if over else ""
