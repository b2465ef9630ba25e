"""Design: a load, limits and a budget in; what to run out, and why not the next one."""

from functools import partial
from statistics import median
from textwrap import wrap
from typing import NamedTuple

from llmcap_kernel import calibration, catalog, design
from llmcap_kernel.address import MEAN, asked
from llmcap_kernel.design.copies import DESK_CARDS, MOST_COPIES, MOST_DESK
from llmcap_kernel.design.space import CARDS
from llmcap_kernel.explain import counted, quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import PERCENTS

from .. import constants
from ..figures.choices import Candidate, Spread, cost_and_gap
from ..form import card_list, from_name, inputs, learnt, lists, meaning
from ..form import controls as c
from ..form import presets as p
from ..form.state import Field, Form
from . import answers, calculate, running, vram, which_models
from .columns import run_title, short_cards

TITLE = "Design"
ASKS = "llama-3.1-70b, 7000 in, 1000 out, 16 users, p95 gap 50 ms, $30/h"
LEAD = "What should I run for this load, these limits and this budget, and why not the next one?"
HINT = "Try it: set the budget to $2 an hour, or click another mark and read why it is not first."
ANY = which_models.ANY
ALL_PRICED = "all that have a price"
VENDORS = {ANY: "any vendor"} | lists.VENDORS
BITS = (0, 4, 8, 16)
RANKS = {"usd_h": "Rent", "usd_mtok": "$/M output"}
LATENCIES = {
    "itl": "Gap between tokens (ITL)",
    "ttft": "First token (TTFT)",
    "e2e": "Whole answer",
}
USUAL_WINDOW = 128_000  # tokens
MOST_DRAWN = 120  # candidates, the best and the nearest misses first


FORM = Form(
    "design",
    (
        Field("model", "name", design.worked_spec()[0].model.name, "Model",
              names=lambda: (ANY, *catalog.models()), reads=from_name.model, beyond=True),
        *inputs.load_fields(design.WORKED_WORKLOAD),
        inputs.rate_field(),
        *inputs.limit_fields(design.WORKED_SLO),
        Field("vendor", "name", ANY, "Cards of", names=lambda: VENDORS),
        Field("gpus", "name", None, "Cards", names=catalog.gpus, reads=card_list.read, beyond=True,
              optional=True, help="Only these, with commas between. Empty: all that have a price."),
        Field("tp", "whole", None, "Cards of a copy, at most", 1, inputs.MOST_CARDS, optional=True,
              help="Empty: as many as a node has."),
        Field("nodes", "whole", 1, "Nodes, at most", 1, 8),
        Field("copies", "whole", None, "Copies, at most", 1, MOST_COPIES, optional=True,
              help="They share the load. Empty: one, and for a rate as many as it takes."),
        Field("desk", "whole", DESK_CARDS, "Workstation cards, at most", 1, MOST_DESK,
              help="In all copies. A fleet of desks is no service that anybody runs."),
        Field("engine", "name", ANY, "Engine", names=lambda: (ANY, *catalog.engines())),
        Field("bits", "whole", 0, "Bits of a weight, at least", 0, 16),
        Field("batched", "tokens", None, "Tokens a step", 1, inputs.MOST_TOKENS, unit="tokens",
              optional=True, help="Most tokens of a step (max_num_batched_tokens). Empty: the"
              " engine's own, and what another number would change is said."),
        Field("rank", "name", "usd_h", "Cheapest by", names=lambda: RANKS),
        # a click on a mark sets it; it has no box of its own
        Field("pick", "whole", None, "Candidate looked at", 0, 10_000_000, optional=True),
        learnt.field(),
    ),
)  # fmt: skip
PRESETS = p.situations(
    {},
    {"model": "llama-3.1-8b", "vendor": "apple", "in": 2000, "out": 500, "users": 1, "itl": 100,
     "budget": 0},
    {"model": "qwen3-32b", "in": 1500, "out": 400, "prefix": 500, "users": 32, "itlp": MEAN,
     "ttft": 3},
    {"in": 127_000, "out": 1000, "users": 4, "itl": 100, "ttft": 60, "budget": 40},
    {"model": "llama-3.1-8b", "in": 1000, "out": 300, "users": 256, "itl": 0, "budget": 0,
     "rank": "usd_mtok"},
)  # fmt: skip


def view(state):
    """Search for what to run, and show one candidate of the search.

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
        load, slo = _load(state), meaning.limits(state)
        parts = _parts(_search(load, slo, Chosen.of(state)), state)
    except BadInput as problem:
        parts = answers.refusal(problem, FORM)
    return answers.frame(FORM, state, TITLE, LEAD, controls, **parts)


class Chosen(NamedTuple):
    """What a state asks of a search beside the load and the limits, by the names of inputs."""

    model: str
    gpus: str | None
    tp: int | None
    vendor: str
    nodes: int
    copies: int | None
    desk: int
    engine: str
    bits: int
    rate: float | None
    batched: int | None
    rank: str

    @classmethod
    def of(cls, state):
        """Those of a complete state."""
        return cls(*(state[name] for name in cls._fields))


def _load(state):
    """The load; where a rate is asked, users are no question, whatever stood there."""
    users = state["users"] if state["rate"] is None else design.WORKED_WORKLOAD.concurrency
    return meaning.load(state | {"users": users})


@partial(calibration.cache_until_reload, size=8)
def _search(load, slo, chosen):
    """One search, whichever of its candidates is looked at."""
    whichever = chosen.model == ANY
    if whichever and not chosen.gpus:
        raise BadInput("gpus", "gpus is empty: name one card or more to see which models it runs.")
    bits, vendor, batched = chosen.bits, chosen.vendor, chosen.batched
    return design.search(
        load,
        slo,
        models=[] if whichever else [chosen.model],
        quality=which_models.quality(bits) if whichever else design.Quality(weight_bits=bits),
        vendors=() if vendor == ANY else (vendor,),
        engines=() if chosen.engine == ANY else (chosen.engine,),
        # an owner of a desk pays no rent: cards without a price are asked for by their vendor
        gpus=card_list.cards(chosen.gpus) or (() if vendor != "apple" else _of_vendor(vendor)),
        tps=[n for n in CARDS if chosen.tp is None or n <= chosen.tp],
        nodes=chosen.nodes,
        most_copies=chosen.copies,
        desk_cards=chosen.desk,
        rate=chosen.rate,
        rank=chosen.rank,
        four_bits=whichever and card_list.on_a_desk(chosen.gpus),
        max_num_batched_tokens=(batched,) if batched else None,
    )


def _of_vendor(vendor):
    return tuple(name for name in catalog.gpus() if catalog.gpu(name).vendor == vendor)


def _controls(state):
    fields, rate = FORM.by_name, state["rate"]
    limits = {one["name"]: one for one in inputs.limit_controls(fields, state)}
    made = [
        c.search(fields["model"], state, (ANY_MODEL, *lists.model_options())),
        c.slider(fields["in"], state, _stops(state)) | c.HALF,
        *([] if rate else [c.slider(fields["users"], state, c.USER_STOPS) | c.HALF]),
        inputs.rate_control(fields["rate"], state),
        *(limits[name] | {"help": ""} for name in ("itl", "budget")),
        c.entry(fields["out"], state) | c.HALF,
        c.entry(fields["prefix"], state) | c.HALF,
        *(limits[name] for name in ("itlp", "ttft", "ttftp")),
        _cards_control(fields["gpus"], state),
        *_choice_controls(fields, state),
    ]
    for one in made:  # another question has other candidates
        one["clears"] = ["pick"]
    # what most people change stands open, so that on a phone the reasons follow
    open_ = ("rate",) if rate else ("gpus",) if state["model"] == ANY else ()
    folds = {title: [n for n in names if n not in open_] for title, names in FOLDS.items()}
    return c.fold(made, folds)


FOLDS = {
    "More of the load": ("rate", "out", "prefix"),
    "More limits": ("itlp", "ttft", "ttftp"),
    "What may be chosen": (
        *("gpus", "vendor", "engine", "bits", "batched"),
        *("tp", "nodes", "copies", "desk", "rank"),
    ),
}


def _choice_controls(fields, state):
    """What of the catalogue may be chosen, and how it ranks."""
    copies = "any" if state["rate"] else "1"
    desk = f"{state['desk']} cards of workstations"
    return [
        c.select(fields["vendor"], state, [(v, word, "") for v, word in VENDORS.items()]),
        c.select(
            fields["engine"], state, [(ANY, "vLLM, or what runs", ""), *lists.engine_options()]
        ),
        c.select(fields["bits"], state, [(b, str(b) if b else "any", "") for b in BITS]) | c.HALF,
        c.entry(fields["batched"], state) | {"placeholder": "engine's"} | c.HALF,
        c.entry(fields["tp"], state) | {"placeholder": "any"} | c.HALF,
        c.entry(fields["nodes"], state) | c.HALF,
        c.entry(fields["copies"], state) | {"placeholder": copies} | c.HALF,
        c.entry(fields["desk"], state) | {"text": desk} | c.HALF,
        c.select(fields["rank"], state, [(r, word, "") for r, word in RANKS.items()])
        | {"text": f"cheapest by {RANKS[state['rank']].lower()}"}
        | c.HALF,
    ]


def _stops(state):
    """Prompts up to the model's window; of any model, as long as most have one."""
    model = meaning.known_model(state["model"])
    return c.token_stops(model, state["in"] if model else max(state["in"], USUAL_WINDOW))


ANY_MODEL = (ANY, "Any model that the cards below run", "")


def _cards_control(field, state):
    """The cards to choose from, in the words of the list; typed, there may be several."""
    value = state[field.name]
    options = [("", ALL_PRICED, ""), *lists.gpu_options()]
    if value is not None and len(card_list.names(value)) > 1:
        options.insert(0, (value, card_list.title(value), ""))
    control = c.search(field, state, options)
    return control | {"text": card_list.title(value) or ALL_PRICED}


def _parts(found, state):
    if state["model"] == ANY:
        return _which_model(found, state)
    here = _looked_at(found, state["pick"])
    rates, eased = design.trade_offs(found), design.relaxations(found)
    why = _why_not(found, here, state)
    status = _status(found, here, eased)
    status["text"] += answers.by_own_rows(state, [here.deployment])
    shared = {
        "status": status,
        "figure": _figure(found, here),
        "remedies": why,
        "messages": answers.card_notes(here, enters=False),
        "texts": running.commands(here),
        "links": _links(here, state),
    }
    if not here.starts:
        return shared | {"tables": [_shrinking(found), *_front(found)]}
    return shared | {
        "headline": _headline(here, found),
        "tables": [_percentiles(found, here), _shrinking(found), *_front(found)],
        "behind": constants.behind([here]),
        "sentences": _sentences(found, here, rates, eased),
    }


def _which_model(found, state):
    chosen = which_models.fitting(found)
    picked = state["pick"]
    here = chosen[0] if picked is None and chosen else _looked_at(found, picked)
    parts = which_models.answer(found, here, chosen, FORM, state)
    parts["links"] = _links(here, state)
    if not here.starts:
        return parts
    more = [_percentiles(found, here), _shrinking(found)]
    return parts | {
        "headline": _headline(here, found),
        "tables": [*parts["tables"], *more],
        "behind": constants.behind([here]),
    }


def _looked_at(found, pick):
    """The candidate that was picked; else the answer, in copies if need be, or the nearest miss."""
    if pick is not None and pick < len(found.rows):
        return found.choice(int(pick))
    return found.winner or found.in_copies or found.passed_over[0]


def _status(found, here, eased):
    best = found.winner
    tried = f"{len(found.order):,} of {len(found.rows):,} candidates meet every limit."
    if best is None:
        give = (
            f" The least that would have to give: {_in_words(eased[0].sentence, eased[0].choice)}."
            if eased
            else ""
        )
        shown = f" The numbers below are of {_run(here)}, the nearest miss."
        if here.number != found.misses[0]:
            shown = f" The numbers below are of {_run(here)}."
        if many := found.in_copies:
            told = f"Run {_run(many)}: in one copy nothing meets every limit."
            if here is many:
                text = f"{told} In {many.copies:,}: {many.binding}.{many.pace}"
                return {"level": answers.LEVELS[many.verdict], "text": text}
            return {"level": "warn", "text": f"{told}{shown}"}
        return {"level": "bad", "text": f"Nothing meets every limit.{give}{shown}"}
    if here.number != best.number:
        reason = found.reason(here).sentence
        level = "warn" if here.meets_all else "bad"
        return {"level": level, "text": f"{_title(here)}: {reason}. The answer: {_run(best)}."}
    return {
        "level": answers.LEVELS[best.verdict],
        "text": f"Run {_run(best)}: {best.binding}. {tried}{best.pace}",
        "beside": found.why_other_steps,
    }


def _run(choice):
    rent = f" at {quantity(choice.usd_h_all, 'USD/h')}" if choice.usd_h_all else ""
    return f"{_title(choice)}{rent}"


def _title(choice):
    """What a candidate is called, as a reader says it."""
    title = f"{run_title(choice.deployment)}{choice.chosen_steps}"
    return f"{choice.copies:,} x ({title})" if choice.copies > 1 else title


def _in_words(sentence, choice):
    """A sentence of the search with the name of its candidate as a reader says it."""
    return sentence.replace(choice.title, _title(choice)) if choice else sentence


def _headline(here, found):
    items = _numbers(here)
    if found.winner is not None or here is found.in_copies:
        return items
    # no number of a miss is taken for the answer's
    return [item | {"label": f"{item['label']} (a miss)"} for item in items]


def _numbers(here):
    e, slo = here.estimates, here.slo
    (gap_s, which_gap), (wait_s, which_wait) = asked(slo, "itl"), asked(slo, "ttft")
    busy, paid = here.usd_mtok_busy, "cards always busy"
    if busy:
        paid = f"at this rate; {quantity(busy, 'USD/Mtok')} were its cards always busy"
    items = [
        _rent(here),
        _estimate("$/M output", e.usd_mtok, "USD/Mtok", paid),
        _estimate(_label("itl", which_gap), _of(here, "itl", which_gap), "s",
                  f"{quantity(e.tok_s_user.value, 'tok/s')} a user; {_measured(here)}", gap_s),
        _estimate(_label("ttft", which_wait), _of(here, "ttft", which_wait), "s",
                  "under this load", wait_s),
    ]  # fmt: skip
    return [item for item in items if item]


MEANS = {"itl": "Gap between tokens, mean", "ttft": "First token, mean"}


def _label(latency, which):
    return (
        MEANS[latency] if which == MEAN else design.limit_title(f"{latency} {which}").capitalize()
    )


def _of(choice, latency, which):
    """The mean of a latency, or one of its percentiles."""
    if which == MEAN:
        return getattr(choice.estimates, f"{latency}_s")
    return choice.percentile(latency, float(which.removeprefix("p")))


def _measured(here):
    """How many measurements stand behind a candidate: few on some of the chips that win."""
    d = here.deployment
    both, chips = (f"{n:,}" if n else "no" for n in calibration.rows_behind(d))
    return f"{both} measured rows of {d.engine.family} on {d.gpu.family}, {chips} of any engine"


def _rent(here):
    title = f"{here.copies:,} x {short_cards(here.deployment)}"
    rent = quantity(here.usd_h_all, "USD/h").removesuffix("/h") if here.usd_h_all else ""
    return {
        "label": "Rent",
        "value": rent or "no rent known",
        "unit": "/h" if rent else "",
        "note": title if here.copies > 1 else short_cards(here.deployment),
        "explain": here.explain(),
    }


def _estimate(label, made, unit, note, limit=None):
    if made is None:
        return None
    if unit == "s":
        text, said, scale = answers.timed(made)
    else:
        text, said, scale = quantity(made.value, unit).removesuffix("/M"), "", 1.0
    note = f"{note}; {made.doubt}" if made.doubt else note
    item = {"label": label, "value": text, "unit": said, "note": note, "explain": ""}
    return item | answers.span(made, limit, scale)


def _figure(found, here):
    drawn = {choice.number: choice for choice in (*found.front, *found.by_hardware[:MOST_DRAWN])}
    drawn[here.number] = here
    slo = found.asked.slo
    which = asked(slo, "itl")[1]
    rented = any(choice.usd_h_all for choice in drawn.values())
    front = {choice.number for choice in found.front}
    points = [
        _candidate(found, choice, front, which, rented)
        for choice in drawn.values()
        if choice.starts and (choice.usd_h_all or not rented)
    ]
    if not points:
        return None
    typical = median(point.gap_ms for point in points)
    alt = (
        f"{len(points)} deployments by rent and gap between tokens, around {typical:.0f} ms. "
        "Filled marks are those that nothing beats in everything; crosses miss a limit. "
        f"Ringed: {_run(here)}; its gaps by percentile below. The tables say the same."
    )
    gap_s, _ = asked(slo, "itl")
    title = f"{_label('itl', which)}, ms"
    title = "mean gap, ms" if which == MEAN else title
    return cost_and_gap(
        points,
        here.number,
        alt,
        gap_ms=1e3 * gap_s or None,
        usd_h=slo.usd_h if rented else None,
        gap_title=title,
        cost_title="rent, USD an hour" if rented else "cards, whose rent is not known",
        spread=_spread(here, which) if here.starts else None,
    )


def _candidate(found, choice, front, which, rented):
    kind = "front" if choice.number in front else "meets" if choice.meets_all else "misses"
    return Candidate(
        choice.number,
        short_cards(choice.deployment),
        choice.usd_h_all if rented else choice.copies * choice.deployment.num_gpus,
        1e3 * _of(choice, "itl", which).value,
        kind,
        "<br>".join((_title(choice), *wrap(found.reason(choice).sentence, LINE))),
    )


def _spread(here, which):
    """The gaps of the candidate that is looked at, for the panel below."""
    made = [here.percentile("itl", percent) for percent in PERCENTS]
    bands = tuple((1e3 * one.low, 1e3 * one.value, 1e3 * one.high) for one in made)
    limited = None if which == MEAN else float(which.removeprefix("p"))
    return Spread(PERCENTS, bands, limited)


LINE = 60  # characters of a line beside the pointer
OWN_STEPS = ", the engine's own tokens a step"


def _why_not(found, here, state):
    """The neighbours of the answer, each a button that opens it."""
    best = found.winner
    reasons, own_steps = list(found.why_not), found.own_steps.values()
    if best is not None and here.number != best.number:
        reasons.insert(0, found.reason(best))
    items = [
        {
            "label": _title(reason.choice) + OWN_STEPS * (reason.choice.number in own_steps),
            "query": FORM.query(state | {"pick": reason.choice.number}),
            "note": reason.sentence,
        }
        for reason in reasons
        if reason.choice.number != here.number
    ]
    text = "Why not the next one?" if best else "The nearest misses:"
    return {"text": text, "items": items, "later": True}


def _percentiles(found, here):
    """Every latency from its middle to its tail, and what held four measurements of five."""
    rows = []
    for name, label in LATENCIES.items():
        made = [here.percentile(name, percent) for percent in PERCENTS]
        rows.append([label, *(quantity(one.value, "s") for one in made)])
        low, high = zip(*(answers.ends(one, "s") for one in made), strict=True)
        rows += [[f"{label}, from", *low], [f"{label}, to", *high]]
    return {
        "caption": f"Percentiles at {_load_of(found, here)}",
        "columns": ["Latency", *(f"p{percent:g}" for percent in PERCENTS)],
        "rows": rows,
        "highlight": [],
        "stack": True,
    }


def _load_of(found, here):
    """What a copy has to do: where a rate is answered that, and the requests in flight if not."""
    users = here.workload.concurrency
    who = counted(users, "user")
    if found.asked.rate is not None:
        who = f"{counted(users, 'request')} in flight"
    if here.at_rate is not None:
        who = f"{here.rate_rps:.3g} requests/s"
    return f"{who} of each copy" if here.copies > 1 else who


def _shrinking(found):
    """How many candidates are left as one limit after the other is asked for."""
    names = dict.fromkeys(name for row in found.rows for name in row.headrooms)
    left, rows = list(found.rows), [["The catalogue", f"{len(found.rows):,}", "-"]]
    for name in sorted(names, key=lambda name: (name != "capacity", name == "budget")):
        kept = [row for row in left if row.headrooms.get(name, 0) >= 1]
        label = (
            ("hold the users" if found.asked.rate is None else "start")
            if name == "capacity"
            else f"keep the limit on the {design.limit_title(name)}"
        )
        rows.append([label, f"{len(kept):,}", f"{len(left) - len(kept):,}"])
        left = kept
    return {
        "caption": "How the choice shrinks, limit by limit",
        "columns": ["Candidates that", "Left", "Lost"],
        "rows": rows,
        "highlight": [len(rows) - 1],
    }


IN_SIGHT = 6  # rows of the front that are not folded


def _front(found):
    rows = [
        [
            _title(choice),
            quantity(choice.usd_h_all, "USD/h") if choice.usd_h_all else "-",
            quantity(choice.usd_mtok.value, "USD/Mtok") if choice.usd_mtok else "-",
            quantity(choice.estimates.itl_s.value, "s"),
            quantity(choice.estimates.ttft_s.value, "s"),
            f"{choice.limits[0].headroom:.2f}x",
        ]
        for choice in found.front
    ]
    front = {
        "caption": "Nothing beats these in rent, price, gap, first token and headroom",
        "columns": ["Deployment", "Rent", "$/M", "Mean gap", "Mean first token", "Headroom"],
        "rows": rows or [["none", "-", "-", "-", "-", "-"]],
        "highlight": [0] if rows else [],
        "stack": True,
    }
    return answers.in_sight(front, "The other {} that nothing beats", IN_SIGHT)


def _sentences(found, here, rates, eased):
    said = [_in_words(one.sentence, one.choice) for one in rates]
    said += [f"{_in_words(one.sentence, one.choice)}." for one in eased]
    if found.asked.rate is not None and here.meets_all:
        said.insert(0, _served(found, here))
    if found.asked.rate is None:
        said += _bursts(here)
        most = design.users_within(here.deployment, here.workload, here.slo)
        why = design.why_no_more(here.deployment, here.workload, here.slo, most)
    else:
        why = design.why_no_faster(here)
    said += [why] if why else []
    if found.asked.desk_cards is not None:
        said.append(
            f"Cards of workstations: four at most in a deployment, {found.asked.desk_cards:,} in "
            "all copies."
        )
    sure = found.surest
    if sure is not None and sure.number != found.order[0]:
        said.append(f"The cheapest whose whole interval lies within the limits: {_run(sure)}.")
    if here.deployment.gpu.power_w:
        said.append(design.energy(here).sentence(here.copies))
    return said


def _bursts(here):
    """Why the slowest first tokens of users come so late, where they do."""
    p90, p95 = (here.percentile("ttft", p).value for p in (90, 95))
    share = here.estimates.served.burst_share
    if here.workload.concurrency < 2 or p95 < 2 * p90:
        return []
    return [
        f"First tokens at p95 are late since users who ask again at once meet: measured waits are "
        f"those of {share:.0%} who ask at the same moment, each behind the prompts of the others. "
        "Requests of a rate come one by one."
    ]


def _served(found, here):
    """How a rate is answered: by so many copies, each with so many requests in flight."""
    most_rps = here.copies * here.open_loop.most_rps
    who = f"{here.copies:,} copies answer" if here.copies > 1 else "One copy answers"
    each = " in each" if here.copies > 1 else ""
    return (
        f"{who} up to {most_rps:.3g} requests/s; the {found.asked.rate:g} that are asked keep "
        f"about {here.workload.concurrency:,} in flight{each}."
    )


def _links(here, state):
    """The candidate that is looked at, in the calculators that take one deployment."""
    d = here.deployment
    values = {name: getattr(d, name).name for name in ("model", "gpu", "weights", "kv", "engine")}
    values |= {"tp": d.tp, "pp": d.pp, "ep": d.ep > 1, "dp": d.dp_attention}
    values |= {"fraction": d.memory_fraction, "ctx": here.workload.context_tokens}
    values |= {"batched": d.max_num_batched_tokens, "rate": here.rate_rps}
    if here.rate_rps is None:
        values["users"] = here.workload.concurrency
    values |= {name: state[name] for name in ("in", "out", "prefix", *inputs.LIMITED)}
    found = []
    for other in (calculate, vram):
        own = {name: value for name, value in values.items() if name in other.FORM.by_name}
        query = other.FORM.query(other.FORM.defaults() | own)
        found.append({"name": other.FORM.name, "title": other.TITLE, "query": query})
    return found
