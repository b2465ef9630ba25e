"""The context cliff: how many users fit at each length, and the curve they are cut from."""

import math

from llmcap_kernel import capacity, design, toolbox
from llmcap_kernel.refuse import BadInput

from ..figures.cliff import curve_over_bars
from ..form import controls as c
from ..form import inputs, meaning
from ..form import presets as p
from ..form.state import Field, Form
from . import answers
from .answers import gib

TITLE = "The context cliff"
ASKS = "Qwen3-32B on two H200, 32 users"
LEAD = "How many users fit at each context length, and is it a cliff at all?"
ON_ONE, ON_TWO, _ = design.worked_spec()
FORM = Form(
    "cliff",
    (
        *inputs.deployment_fields(ON_TWO, before=toolbox.set_memory_fraction(ON_ONE, 0.98)),
        Field("users", "whole", 16, "Users wanted", 1, inputs.MOST_USERS, unit="users"),
    ),
)
HINT = "Try it: choose four cards, then double the users: the line moves, the shape stays."
PRESETS = p.situations(
    p.AS_SPECIFIED,
    p.ON_LAPTOP | {"users": 1},
    p.ON_ONE_CARD | {"users": 32},
    p.ON_FOUR_CARDS | {"users": 4},
    p.SMALL_ON_ONE | {"users": 256},
)
SHORTEST = 1000
STEPS_A_DOUBLING = 12


def view(state):
    """Show whole users by context length over the hyperbola they are cut from.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The view.
    """
    fields = FORM.by_name
    controls = inputs.deployment_controls(FORM, state)
    controls.insert(0, c.slider(fields["users"], state, c.USER_STOPS))
    try:
        d = meaning.deployment(state)
        lengths = _lengths(d.model.max_context_tokens)
        bars = capacity.cliff(d, lengths)
        longest = capacity.longest_context(d, state["users"])
    except BadInput as problem:
        return answers.frame(FORM, state, TITLE, LEAD, controls, **answers.refusal(problem, FORM))
    return answers.frame(
        FORM,
        state,
        TITLE,
        LEAD,
        controls,
        headline=_headline(d, longest, state["users"]),
        status=_status(d, bars, longest, state["users"]) | answers.counted_in(d),
        figure=_figure(d, bars, state["users"]),
        tables=[_table(d, bars, state["users"])],
        sentences=_sentences(bars),
        messages=answers.notes(d, lengths[-1]),
    )


def _lengths(window):
    """Double from the shortest length up to the model's window."""
    doublings = max(int(math.log2(max(window / SHORTEST, 1))), 1)
    return tuple(min(SHORTEST * 2**n, window) for n in range(doublings + 1))


def _headline(d, longest, users):
    at_8k = capacity.ledger(d, context_tokens=min(8000, d.model.max_context_tokens))
    return [
        {
            "label": f"Longest context for {users:,} user{'s' if users > 1 else ''}",
            "value": f"{longest:,}",
            "unit": "tokens",
            "note": f"the model's window is {d.model.max_context_tokens:,}",
            "explain": "",
        },
        {
            "label": f"Users at {at_8k.context_tokens:,} tokens",
            "value": f"{at_8k.max_concurrent:,}",
            "unit": answers.users(at_8k.max_concurrent),
            "note": "rounded down to whole users",
            "explain": answers.arithmetic(at_8k, "kv_per_sequence", "max_concurrent"),
        },
        {
            "label": "Room for KV cache",
            "value": gib(max(at_8k.kv_pool_bytes, 0)),
            "unit": "GiB",
            "note": answers.room_words(at_8k),
            "explain": answers.arithmetic(at_8k, "budget", "kv_pool"),
        },
    ]


def _status(d, bars, longest, users):
    if not bars[0][1]:
        books = capacity.ledger(d, context_tokens=bars[0][0], concurrency=users)
        return {"level": "bad", "text": books.verdict}
    many = f"{users:,} users fit" if users > 1 else "One user fits"
    taken = d.max_model_len
    if taken and longest > taken:
        text = f"{many} up to {taken:,} tokens each: the engine refuses longer requests."
        return {"level": "warn", "text": f"{text} Memory has room up to {longest:,}."}
    if longest >= bars[-1][0]:
        text = f"{many} at every length the model takes."
        return {"level": "good", "text": text}
    if not longest:
        return {"level": "bad", "text": f"{many} at no length."}
    text = f"{many} up to {longest:,} tokens each, and no further."
    return {"level": "warn", "text": text}


def _short(tokens):
    return f"{tokens // 1000:,}k" if tokens % 1000 == 0 else f"{tokens:,}"


def _position(tokens):
    """Where a length stands: one unit a doubling."""
    return math.log2(tokens / SHORTEST)


def _figure(d, bars, users):
    shown = [(_position(ctx), _short(ctx), whole) for ctx, whole, _ in bars]
    first, last = shown[0][0] - 0.45, shown[-1][0] + 0.45
    count = int((last - first) * STEPS_A_DOUBLING) + 1
    places = [first + (last - first) * i / count for i in range(count + 1)]
    lengths = [max(round(SHORTEST * 2**x), 1) for x in places]
    smooth = capacity.cliff(d, lengths)
    curve = [(x, users_) for x, (_, _, users_) in zip(places, smooth, strict=True)]
    listed = ", ".join(f"{whole:,} at {label}" for _, label, whole in shown)
    alt = f"Bars of whole users by context length under one falling curve: {listed}."
    return curve_over_bars(shown, curve, users, alt)


def _table(d, bars, users):
    rows, levels = [], []
    for ctx, whole, smooth in bars:
        sequence = capacity.kv_sequence_bytes(d, ctx, running=True)
        enough = whole >= users
        rows.append([f"{ctx:,}", gib(sequence), f"{smooth:,.2f}", f"{whole:,}"])
        levels.append([None, None, "good" if enough else "bad"])
    return {
        "caption": f"Users by context length, {users:,} wanted",
        "columns": ["Context, tokens", "GiB a user", "Before the cut", "Whole users"],
        "rows": rows,
        "levels": levels,
        "highlight": [],
    }


def _sentences(bars):
    """Say what the bars hide: the law is exact before the cut to whole users."""
    full = [(ctx, whole, smooth) for ctx, whole, smooth in bars if whole]
    if len(full) < 2:
        return ["No more than one length leaves room for a user: there is nothing to compare."]
    (short, many, before), (long, few, after) = full[0], full[-1]
    return [
        f"From {short:,} to {long:,} tokens the context grows {long / short:,.3g} times, and the "
        f"users before the cut fall {before / after:,.3g} times: room / context, a hyperbola.",
        f"Whole users fall from {many:,} to {few:,}, {many / few:,.3g} times. What looks steeper "
        "is the cut to whole users, not a law that falls faster than the context grows.",
    ]
