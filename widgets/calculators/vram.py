"""The VRAM calculator: where a card's memory goes, and how many users it leaves room for."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import capacity, catalog, design, toolbox
from llmcap_kernel.explain import GIB, capitalised, counted
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import USUAL_LOAD

from ..figures.memory import memory_bars, memory_table, term_table, usable_bytes
from ..form import controls as c
from ..form import inputs, lists, meaning
from ..form import presets as p
from ..form.state import Field, Form
from . import answers, running
from .answers import gib

TITLE = "VRAM and concurrency"
ASKS = "Qwen3-32B on two H200, 32K context"
LEAD = "Does it start, does it hold all its users, and if not, which term is in the way?"
FORM = Form(
    "vram",
    (
        *inputs.deployment_fields(design.worked_spec()[0]),
        inputs.length_field("ctx", USUAL_LOAD.context_tokens, "Context of each user",
                            help="Prompt and answer together. 8k is 8,000."),
        Field("users", "whole", USUAL_LOAD.concurrency, "Users at once", 1, inputs.MOST_USERS,
              unit="users"),
    ),
)  # fmt: skip
PRESETS = p.situations(
    p.AS_SPECIFIED,
    p.ON_LAPTOP | {"users": 1, "ctx": 2500},
    p.ON_ONE_CARD | {"users": 32, "ctx": 1900},
    p.ON_FOUR_CARDS | {"users": 4, "ctx": 128_000},
    p.SMALL_ON_ONE | {"users": 256, "ctx": 1300},
)
BIGGER = 1.3  # a card is worth naming as a way out when it has this many times the memory


def view(state):
    """Show the memory ledger of one deployment.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The view.
    """
    controls = _controls(state)
    try:
        d = meaning.deployment(state)
        books = capacity.ledger(d, context_tokens=state["ctx"], concurrency=state["users"])
    except BadInput as problem:
        return answers.frame(FORM, state, TITLE, LEAD, controls, **answers.refusal(problem, FORM))
    return answers.frame(
        FORM,
        state,
        TITLE,
        LEAD,
        controls,
        headline=_headline(books),
        status=_status(books) | answers.counted_in(d),
        figure=memory_bars(books),
        tables=[memory_table(books), _ways_out(books), term_table(books)],
        sentences=_sentences(books),
        messages=answers.notes(d, state["ctx"]),
        remedies=running.remedies(FORM, state, books),
        texts=[running.engine_lines(books)],
    )


@cache
def HINT():
    """Name the fewest cards that turn the verdict of the start."""
    state = FORM.defaults()
    for cards in (2, 4, 8):
        d = meaning.deployment(state | {"tp": cards})
        if capacity.ledger(d, context_tokens=state["ctx"], concurrency=state["users"]).fits:
            return f"Try it: set Cards to {cards}, and watch the verdict."
    return ""


def _controls(state):
    fields = FORM.by_name
    stops = c.token_stops(meaning.chosen_model(state), state["ctx"])
    return [
        c.slider(fields["users"], state, c.USER_STOPS),
        c.slider(fields["ctx"], state, stops),
        *inputs.deployment_controls(FORM, state),
    ]


def _status(books):
    level = running.START_LEVELS[books.start]
    level = "warn" if level == "good" and not books.fits else level
    waiting = _waiting(books)
    level = "warn" if level == "good" and waiting else level
    level = "bad" if books.beyond or books.overlong else level
    text = f"{books.verdict} {waiting}".strip()
    if books.starts and not books.fits:
        text += f" {capitalised(books.largest)}."
    return {"level": level, "text": text}


def _waiting(books):
    """Who waits though memory has room: the engine was told to run fewer at once."""
    d = books.deployment
    at_once = d.seqs_limit * d.attention_replicas
    waiting = min(books.concurrency, books.max_concurrent) - at_once
    if not books.starts or waiting <= 0:
        return ""
    others = "the other one waits" if waiting == 1 else f"the other {waiting:,} wait"
    return f"But the engine runs {at_once:,} at once (max_num_seqs): {others}."


def _headline(books):
    usable = usable_bytes(books)
    return [
        {
            "label": f"Users that fit at {books.context_tokens:,} tokens",
            "value": f"{books.max_concurrent:,}",
            "unit": answers.users(books.max_concurrent),
            "note": f"{books.concurrency:,} wanted",
            "explain": answers.arithmetic(books, "max_concurrent"),
        }
        | _between(books.max_concurrent, books.concurrent_interval, books.concurrency),
        {
            "label": "Total needed on a card",
            "value": gib(books.needed_bytes),
            "unit": "GiB",
            "note": f"the engine may use {gib(usable)} of {gib(books.visible_bytes)} GiB",
            "explain": "\n".join([_total(books), "", *map(str, capacity.term_lines(books))]),
        },
        {
            "label": "Room for KV cache",
            "value": gib(max(books.kv_pool_bytes, 0)),
            "unit": "GiB",
            "note": _shortfall(books),
            "explain": answers.arithmetic(books, "budget", "kv_pool"),
        }
        | _between(
            *(books.kv_pool_bytes / GIB, [end / GIB for end in books.kv_pool_interval_bytes]),
            books.least_room_bytes / GIB,
            "needed to start",
        ),
        {
            "label": "One user takes",
            "value": gib(books.kv_bytes_per_sequence),
            "unit": "GiB",
            "note": _growth(books),
            "explain": answers.arithmetic(books, "kv_per_sequence"),
        },
    ]


def _total(books):
    return (
        f"needed = weights + overhead + KV of {counted(books.concurrency, 'user')}\n"
        f"       = {gib(books.weights_bytes)} GiB + {gib(books.overhead_bytes)} GiB"
        f" + {gib(books.kv_used_bytes)} GiB\n"
        f"       = {gib(books.needed_bytes)} GiB"
    )


def _between(value, interval, least, bound=""):
    """The bar under a number: its interval four times in five, and what is needed at least.

    Nothing where both ends are the same, or there is no room at all.
    """
    low, high = (max(end, 0) for end in interval)
    if low == high:
        return {}
    ends = {"low": low, "value": max(value, 0), "high": high, "limit": least}
    return {"span": ends | {"bound": bound}}


def _shortfall(books):
    if books.kv_pool_bytes < 0:
        return f"weights and overhead are {gib(-books.kv_pool_bytes)} GiB over"
    return answers.room_words(books)


def _growth(books):
    """What another token takes, where one takes anything."""
    if not books.kv_bytes_per_token:
        return "on each card, and no more with a longer context"
    return f"{books.kv_bytes_per_token / 1024:,.4g} KiB a token, on each card"


def _ways_out(books):
    """Name single changes and what each one does: the law, run once more for each."""
    rows, levels = [], []
    d, ctx = books.deployment, books.context_tokens
    tried = [(name, lever, ctx) for name, lever in _levers(books)]
    tried.append((f"Half the context, {max(ctx // 2, 1):,} tokens", lambda: d, max(ctx // 2, 1)))
    for name, lever, length in tried:
        try:
            after = capacity.ledger(lever(), context_tokens=length, concurrency=books.concurrency)
        except BadInput:
            continue  # a change that this model or card cannot have is no way out
        held = "holds all" if after.fits else f"holds {after.max_concurrent:,}"
        rows.append([name, f"{after.max_concurrent:,}", held if after.starts else "does not start"])
        levels.append([None, "good" if after.fits else "warn" if after.starts else "bad"])
    return {
        "caption": "One change away",
        "columns": ["Change", "Users that fit", f"Of {counted(books.concurrency, 'user')}"],
        "rows": rows,
        "levels": levels,
        "highlight": [],
    }


def _sentences(books):
    """Say what a second card does: the weights are split, so the room more than doubles."""
    d = books.deployment
    try:
        double = toolbox.split_tensors(d, 2 * d.tp)
        after = capacity.ledger(double, context_tokens=books.context_tokens)
    except BadInput:
        return []
    if after.kv_pool_bytes <= 0 or d.dp_attention:
        return []
    before = max(books.kv_pool_bytes, 0) * d.tp
    return [
        f"From {d.tp} to {2 * d.tp} cards the memory doubles and the weights stay the same: room "
        f"for the cache goes from {gib(before)} to {gib(after.kv_pool_bytes * 2 * d.tp)} GiB "
        "over all cards."
    ]


def _levers(books):
    """List the levers that this deployment has not pulled yet: what to call it, and how."""
    d = books.deployment
    latent = any(a.latent_dim for a in d.model.attention)
    wide, four = catalog.format("fp8").bytes_per_element, capacity.four_bits(d)
    larger, top = _next_card(books), design.MAX_FRACTION
    if d.gpu.unified_memory:  # a system keeps its own part of a memory that it shares
        top = min(top, d.gpu.memory_usable_share)
    levers = (
        (
            f"{four.short_title} weights",
            lambda: toolbox.quantise_weights(d, four.name),
            d.weights.bytes_per_element > capacity.EIGHT_BITS_BYTES,
        ),
        (
            "FP8 weights",
            lambda: toolbox.quantise_weights(d, "fp8"),
            d.weights.bytes_per_element > wide,
        ),
        (f"Memory fraction {top}", lambda: toolbox.set_memory_fraction(d, top), d.fraction < top),
        (f"{2 * d.tp} cards, TP-{2 * d.tp}", lambda: toolbox.split_tensors(d, 2 * d.tp), True),
        (
            f"{d.tp} x {lists.card_title(larger)}" if larger else "",
            lambda: replace(d, gpu=larger),
            larger is not None,
        ),
        ("FP8 KV cache", lambda: toolbox.quantise_kv(d, "fp8"), d.kv.bytes_per_element > wide),
        (
            "Attention split by user",
            lambda: toolbox.split_sequences(d),
            latent and d.tp > 1 and not d.dp_attention,
        ),
    )
    return [(name, lever) for name, lever, useful in levers if useful]


def _next_card(books):
    """The smallest larger card of its vendor that holds all users, else the one that holds most."""
    d = books.deployment
    cards = [catalog.gpu(name) for name in catalog.gpus()]
    bigger = [
        g
        for g in cards
        if g.vendor == d.gpu.vendor
        and g.max_per_node >= d.num_gpus
        and (g.link_bandwidth_bytes_s or d.num_gpus == 1)
        and g.memory_visible_bytes > BIGGER * d.gpu.memory_visible_bytes
    ]
    bigger.sort(key=lambda g: g.memory_visible_bytes)
    held = {g: capacity.max_concurrent(replace(d, gpu=g), books.context_tokens) for g in bigger}
    enough = (g for g in bigger if held[g] >= books.concurrency)
    return next(enough, max(bigger, key=lambda g: held[g], default=None))
