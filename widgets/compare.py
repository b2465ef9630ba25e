"""Compare, the laboratory: one quantity along one variable, for two to four deployments."""

from llmcap_kernel import design, sweep
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo, Workload

from . import along_choices, along_load, scorecard
from . import controls as c
from .question import KEPT, SHOWS, VARIABLES, Question
from .scorecard import LETTERS
from .state import Field, Form

TITLE = "Compare"
LEAD = "Move one thing, keep the rest: which deployment is ahead, and from where on?"
HINT = "Try it: look at the price, or move the cards and see whose gap falls."
SHARED = (
    Field("sweep", "name", "users", "Move", names=lambda: VARIABLES),
    Field("show", "name", "gap", "Look at", names=lambda: SHOWS),
    Field("from", "tokens", None, "From", 0, c.MOST_TOKENS),
    Field("to", "tokens", None, "To", 0, c.MOST_TOKENS),
    *scorecard.SHARED[:3],
    Field("prefix", "tokens", 0, "Shared prefix", 0, c.MOST_TOKENS, unit="tokens",
          help="Leading tokens that all prompts share."),
    *scorecard.SHARED[3:4],
    Field("ttft", "number", None, "First token within", 0.001, 86_400, unit="s"),
    *scorecard.SHARED[4:],
)  # fmt: skip
FORM = Form("compare", SHARED + scorecard.FORM.fields[len(scorecard.SHARED) :])


def _column(letter, **values):
    return {f"{letter}.{name}": value for name, value in values.items()}


def _columns(*columns, **shared):
    made = {"columns": len(columns)} | shared
    for letter, values in zip(LETTERS, columns, strict=False):
        made |= _column(letter, **values)
    return made


_LLAMA = {"model": "llama-3.1-70b", "weights": "fp8", "kv": "fp8"}
PRESETS = (
    {
        "label": "Worked spec",
        "note": "Three deployments for a coding agent, from a few users to many.",
        "values": {},
    },
    {
        "label": "Card shoot-out",
        "note": "Llama 3.1 70B on two cards each: the price of a million tokens by users.",
        "values": _columns(
            *(
                {**_LLAMA, "gpu": gpu, "tp": 2}
                for gpu in ("h100-sxm", "h200-sxm", "b200-sxm", "mi300x")
            ),
            show="price",
        ),
    },
    {
        "label": "Does an FP8 cache pay?",
        "note": "The same two cards with a 16-bit and an 8-bit cache: users that fit by context.",
        "values": _columns(
            {**_LLAMA, "gpu": "h100-sxm", "tp": 2, "kv": "bf16"},
            {**_LLAMA, "gpu": "h100-sxm", "tp": 2},
            show="fit",
            sweep="ctx",
        ),
    },
    {
        "label": "More cards for one model",
        "note": "Llama 3.1 70B split over 1 to 8 cards, in 8 and in 16 bits.",
        "values": _columns(
            {**_LLAMA, "gpu": "h100-sxm", "tp": 2},
            {**_LLAMA, "gpu": "h100-sxm", "tp": 4, "weights": "bf16", "kv": "bf16"},
            sweep="tp",
        ),
    },
    {
        "label": "Long documents, shared",
        "note": "Prompts of 120,000 tokens: how long the first token waits as more of it is "
        "the same for all.",
        "values": _columns(
            {**_LLAMA, "gpu": "h100-sxm", "tp": 4},
            {**_LLAMA, "gpu": "h100-sxm", "tp": 8},
            **{"sweep": "prefix", "show": "ttft", "in": 120_000, "out": 500, "users": 4,
               "budget": 40},
        ),
    },
    {
        "label": "A laptop or a server",
        "note": "Qwen3 8B for one user, on a laptop's memory and on a server's card.",
        "values": _columns(
            {"model": "qwen3-8b", "gpu": "apple-m4-max", "weights": "gguf-q4-k-m", "kv": "fp16",
             "engine": "llama.cpp"},
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
        load = Workload(state["in"], state["out"], state["users"], state["prefix"])
        slo = Slo(
            itl_s=state["itl"] / 1000,
            ttft_s=state["ttft"],
            usd_h=state["budget"],
        )
    except c.BadInput as problem:
        parts = c.refusal(problem)
        if problem.field == "shared_prefix_tokens":
            parts["messages"][0]["field"] = "prefix"
        return c.frame(FORM, state, TITLE, LEAD, controls, **parts)
    columns, refused = scorecard._deployments(state, letters)
    groups = [scorecard._group(letter, columns) for letter in letters]
    if not columns:
        return c.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **refused)
    cards = {name: design.card(d, load, slo, label=name) for name, d in columns.items()}
    question = Question(state, load, slo, columns)
    if question.variable.load:
        parts = along_load.parts(question)
        parts["status"]["text"] += _over_budget(question, cards)
    else:
        parts = along_choices.parts(question)
    parts["headline"] = [_headline(question, card) for card in cards.values()]
    notes = [note for card in cards.values() for note in scorecard._notes(card)]
    parts["messages"] = refused.get("messages", []) + parts["messages"] + notes
    return c.frame(FORM, state, TITLE, LEAD, controls, groups=groups, **parts)


def _shared_controls(state):
    fields = {field.name: field for field in SHARED}
    whole = VARIABLES[state["sweep"]].load
    boxes = [
        c.select(fields["sweep"], state, [(n, v.label, "") for n, v in VARIABLES.items()]),
        c.select(fields["show"], state, [(n, s.label, "") for n, s in SHOWS.items()]),
    ]
    if whole:
        boxes += [_optional(fields[name], state, "chosen") for name in ("from", "to")]
    boxes += [c.entry(fields[name], state) for name in ("in", "out", "users", "prefix", "itl")]
    boxes += [c.entry(fields[name], state) for name in ("ttft", "budget")]
    return [*boxes, c.select(fields["columns"], state, [(n, str(n), "") for n in (2, 3, 4)])]


def _optional(field, state, unset):
    control = c.entry(field, state)
    return control | ({"text": unset} if state[field.name] is None else {})


def _headline(question, card):
    made = question.measure(card.deployment, card.workload)
    label = f"{card.label}: {card.deployment.num_gpus} x {c.card_title(card.deployment.gpu)}"
    item = {"label": label, "explain": card.explain()}
    if made is None:
        kept = sweep.obstacle(card.deployment, card.workload)
        users = f"{card.max_concurrent:,} of {card.workload.concurrency:,} users fit"
        note = users if kept in ("room", "start") else ""
        return item | {"value": KEPT[kept], "unit": "", "note": note}
    scale = question.show.scale
    span = {name: getattr(made, name) * scale for name in ("low", "value", "high")}
    if question.has_ceiling:
        span["ceiling"] = made.ceiling * scale
    limit = question.limit(card.workload)
    if limit is not None:
        span["limit"] = limit * scale
    missed = question.misses(made.value, card.workload)
    value = question.said(made.value).partition(" ")[0]
    note = f"misses {question.said(limit)}" if missed else ""
    return item | {"value": value, "unit": question.show.unit, "note": note, "span": span}


def _over_budget(question, cards):
    """Name the deployments that cost more than the budget as they stand."""
    over = [card for card in cards.values() if question.over_budget(card.usd_h)]
    rents = ", ".join(f"{card.label} rents at {quantity(card.usd_h, 'USD/h')}" for card in over)
    return f" {rents}: over the budget of {question.budget()}." if over else ""
