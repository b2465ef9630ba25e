"""The cockpit: any deployment and load, to the four numbers a planner asks for."""

from llmcap_kernel import catalog, design
from llmcap_kernel.address import MEAN
from llmcap_kernel.design.limits import IMPOSSIBLE, LIKELY, MISSED, OPEN, UNLIKELY
from llmcap_kernel.evidence import weak_spots
from llmcap_kernel.explain import Line, capitalised, counted, digits, ordinal, quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo

from .. import constants
from ..figures.memory import memory_bars, memory_table, term_table
from ..form import controls as c
from ..form import inputs, learnt, lists, meaning, own_card
from ..form import presets as p
from ..form.state import Field, Form
from . import answers, running
from .asked import RequestsAtRate, UsersAtOnce, waiting, why_wide

TITLE = "Calculate"
ASKS = "Llama-3.3-70B in FP8 on two H100, 16 users, 8K context"
LEAD = (
    "How fast, for how many users, how soon and at what price? Estimates with their 80% "
    "intervals, beside what the spec sheet allows."
)
FORM = Form(
    "calculate",
    (
        *inputs.deployment_fields(design.worked_spec()[1]),
        *inputs.load_fields(design.WORKED_WORKLOAD, optional_users=True),
        inputs.rate_field(),
        *inputs.limit_fields(design.WORKED_SLO, formerly=MEAN),
        Field("usd", "number", None, "Card rent", 0, 1000, unit="USD/h"),
        Field("duty", "number", 50, "Cards busy", 1, 100, unit="% of hours",
              help="Share of the rented hours in which the users are there."),
        Field("api", "number", None, "API, answers", 0, 10_000, unit="USD/M",
              help="What an API asks, to compare with."),
        Field("api_in", "number", None, "API, prompts", 0, 10_000, unit="USD/M"),
        learnt.field(),
    ),
)  # fmt: skip
# The order in which a newcomer asks: what, on what, for whom; the rest has a sensible start.
FIRST = (
    *("model", "config", "gpu", "tp", "weights", "in", "users", "rate", "out", "prefix", "kv"),
    *(*inputs.LIMITED, "pp", "engine", "fraction"),
)
FOLDS = {"Limits": inputs.LIMITED, "Prices": ("usd", "duty", "api", "api_in")}
PAIRED = ("out", "prefix", "usd", "api", "api_in")
NO_INTERVAL = (
    "A dash: no benchmark reports this number, so it has no interval. The arithmetic says why the "
    "other intervals are as wide as they are."
)
LAST_PERCENT = 99  # of the gaps: those beyond are the longest pauses
DUTY_STOPS = (1, 2, 5, *range(10, 101, 5))
HINT = "Set model, GPU, cards, weights and prompt: the numbers follow."
PRESETS = p.situations(
    p.AS_SPECIFIED,
    p.ON_LAPTOP | {"in": 2000, "out": 500, "users": 1, "itl": 100, "budget": 0},
    p.ON_ONE_CARD | {"in": 1500, "out": 400, "prefix": 500, "users": 32, "itlp": MEAN, "ttft": 3},
    p.ON_FOUR_CARDS | {"in": 127_000, "users": 4, "itl": 100, "ttft": 60, "budget": 40},
    p.SMALL_ON_ONE | {"in": 1000, "out": 300, "users": 256, "itl": 0, "budget": 0, "duty": 100},
)


def view(state):
    """Show the four numbers of one deployment under one load.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    dict
        The view.
    """
    users = None
    try:
        card = _card(state, meaning.limits(state))
        users = card.workload.concurrency
        parts = _parts(card, state)
    except BadInput as problem:
        parts = answers.refusal(problem, FORM)
    return answers.frame(FORM, state, TITLE, LEAD, _controls(state, users), **parts)


def _card(state, slo):
    """The deployment under requests at a rate, under users, or under the most within the limits."""
    deployment, load = meaning.deployment(state), meaning.load(state)
    if state["rate"]:
        return design.card_at_rate(deployment, load, slo, state["rate"])
    if state["users"] is None:
        load = design.most_users_load(deployment, load, meaning.limits(state))
    return design.card(deployment, load, slo)


def in_numbers(state):
    """Say the speed of one user and the rent in a sentence.

    Parameters
    ----------
    state : dict
        A complete state of `FORM`.

    Returns
    -------
    str
        The sentence; "" where the deployment does not start.
    """
    card = _card(state, Slo())
    if card.estimates is None:
        return ""
    rent = f", at {quantity(card.usd_h, 'USD/h')} for all cards" if card.usd_h else ""
    of = f" of {card.users:,}" if card.users > 1 else ""
    if card.at_rate:
        of = f" at {state['rate']:.4g} requests/s"
    return f"{digits(card.estimates.tok_s_user.value)} tok/s for one user{of}{rent}."


def _controls(state, users):
    fields = FORM.by_name
    both = (*inputs.deployment_controls(FORM, state), *inputs.limit_controls(fields, state))
    made = {one["name"]: one for one in both}
    stops = c.token_stops(meaning.chosen_model(state), state["in"])
    made |= {
        "in": c.slider(fields["in"], state, stops),
        "rate": inputs.rate_control(fields["rate"], state),
        "duty": c.slider(fields["duty"], state, DUTY_STOPS),
    }
    if not state["rate"]:
        made["users"] = c.slider(fields["users"], state, c.USER_STOPS, shown=users or 1)
    for name in PAIRED:
        shown = _rent(state) if name == "usd" else state[name]
        made[name] = c.entry(fields[name], state, shown=shown) | c.HALF
    rest = [name for name in fields if name not in FIRST]
    return c.fold([made[name] for name in (*FIRST, *rest) if name in made], FOLDS)


def _rent(state):
    return own_card.card(state["gpu"]).usd_h if state["usd"] is None else state["usd"]


def _parts(card, state):
    # of a rate that comes to a deployment which starts; else of users at once
    at_rate = card.rate_rps and card.starts
    load = RequestsAtRate(card) if at_rate else UsersAtOnce(card)
    modes = _weak_spots(card)
    memory = [memory_table(card.ledger), term_table(card.ledger)]
    shared = {
        "status": _status(card, state, load) | answers.counted_in(card.deployment),
        "figure": memory_bars(card.ledger),
        "messages": [*_warned(modes), *_notes(card, state)],
        "remedies": running.remedies(FORM, state, card.ledger),
        "texts": running.commands(card),
    }
    if not card.starts:
        return shared | {"headline": [load.headline()], "tables": memory}
    money, trail = _Money(card, state), _trail(card)
    return shared | {
        "headline": [
            _speed(card, trail),
            *_percentiles(card),
            load.headline(),
            _first_token(card, trail),
            money.number(trail),
        ],
        "tables": [_numbers(card, money), load.table(), *memory],
        "behind": constants.behind([card]),
        "sentences": [
            *_gaps_said(card),
            *load.sentences(),
            *money.sentences(),
            NO_INTERVAL,
            *(f"{mode.title}. {mode.wrong}" for mode in modes),
        ],
    }


def _status(card, state, load):
    """Does it fit, does it meet the limits, what binds: one answer."""
    if not card.starts:
        return {"level": running.START_LEVELS[card.ledger.start], "text": card.ledger.verdict}
    room = next(limit for limit in card.limits if limit.name == "capacity").sentence
    if card.ledger.beyond:
        return {"level": "bad", "text": f"{card.ledger.beyond} Memory alone has {room}."}
    likely, waits = card.ledger.likely, waiting(card) if card.fits else ""
    text = load.status(likely, _limits_said(card)) + answers.by_own_rows(state, [card.deployment])
    level = answers.LEVELS[card.verdict]
    doubtful = bool(waits or likely)
    return {"level": "warn" if doubtful and level == "good" else level, "text": text}


def _limits_said(card):
    """What is missed, else what may still be, and by how much the tightest: each once."""
    tightest = card.limits[0]
    if card.slo == Slo() and tightest.holds:
        return f"{capitalised(card.binding)}."
    # whether all users have room was just said
    others = [x for x in card.limits if x.name != "capacity"]
    missed = [x for x in others if x.verdict in (UNLIKELY, MISSED, IMPOSSIBLE)]
    likely, even = ([x for x in others if x.verdict == one] for one in (LIKELY, OPEN))
    how = ", impossible on these cards" * (tightest.verdict == IMPOSSIBLE)
    if missed:
        sure = "misses" if any(x.verdict != UNLIKELY for x in missed) else "likely misses"
        return f"It {sure} {_names(missed)}{how}{_compared(missed, tightest)}."
    if even:
        return f"{capitalised(_names(even))} could go either way{_compared(even, even[0])}."
    if likely:
        # what binds may be met, with room for all: what is compared may be missed
        met = "It likely meets every limit" if card.fits else "The other limits are likely met"
        return f"{met}; {_names(likely)} may still miss{_compared(likely, likely[0])}."
    by_how_much = "" if tightest.name == "capacity" else f"; the tightest: {tightest.sentence}"
    return f"It meets every limit{by_how_much}." * card.fits


def _names(limits):
    return answers.listed([answers.limit_name(x) for x in limits])


def _compared(named, shown):
    """The values of one limit: with its name again only where others were named beside it."""
    if shown.name == "capacity":
        return ""
    return f": {shown.compared if named == [shown] else shown.sentence}"


def _notes(card, state):
    texts, load = [], card.workload
    if state["users"] is None and card.starts and not card.rate_rps:
        asked = design.most_words(card)
        texts.append(
            f"No number of users was given: {load.concurrency:,} are the most that {asked}."
        )
    if card.starts and card.users < load.concurrency:
        texts.append(
            f"The engine serves {card.users:,} of the {load.concurrency:,} users at once; the "
            "others wait, and the first token counts that wait."
        )
    return answers.card_notes(card) + [
        {"level": "info", "field": "", "text": text} for text in texts
    ]


def _weak_spots(card):
    """Find where predictions like this one are known to go wrong."""
    d, load = card.deployment, card.workload
    tokens = (load.input_tokens, load.output_tokens, max(card.users, 1))
    found: dict = {}
    for metric in ("itl_ms", "ttft_ms", "output_tok_s_total"):
        names = weak_spots.failure_modes(d, d.engine.family, *tokens, "", metric=metric)
        found |= {name: weak_spots.mode(name) for name in names}
    return found.values()


def _warned(modes):
    """Say what to do about each; why stands below the numbers."""
    texts = [f"Known weak spot: {mode.title}. {mode.advice}" for mode in modes]
    return [{"level": "warning", "field": "", "text": text} for text in texts]


def _trail(card):
    """Write how ceilings came about, and what took the estimates from there.

    Gives back a function: the lines named, and the interval of one estimate.
    """
    at_rate = card.at_rate.derived_means() if card.at_rate else ()
    ceiling = {line.name: line for line in card.ceiling_lines()}
    fitted = {line.name: line for line in card.estimate_lines()}

    def written(estimate, unit, *names):
        steps = ("decode step", "prefill", *names)
        rows = (
            "CEILING: what the spec sheet allows",
            *(ceiling[step] for step in steps),
            "",
            "ESTIMATE: the same law with efficiencies of timed kernels and fitted programs",
            *card.constant_lines(),
            *(at_rate or [fitted[step] for step in steps]),
            "",
            f"INTERVAL: {design.expected(estimate, unit)}, four times in five",
            why_wide(estimate),
        )
        return "\n".join(map(str, rows))

    return written


def _speed(card, trail):
    rate, gap = card.estimates.tok_s_user, card.estimates.itl_s
    text = quantity(gap.value, "s")
    turned = Line("tok/s per user", "1 / itl", f"1 / {text}", quantity(rate.value, "tok/s"))
    bound = 1 / card.slo.itl_s if card.slo.itl_s else None
    return {
        "label": "Speed of one user",
        "value": digits(rate.value),
        "unit": "tok/s",
        "note": _short(f"{text} between tokens", rate),
        "explain": f"{trail(gap, 's', 'queue', 'itl')}\n\n{turned}",
    } | answers.span(rate, bound)


def _percentiles(card):
    """Each percentile that is limited, beside its limit."""
    items = []
    for tail, (label, made) in zip(card.slo.tails, card.percentiles(), strict=True):
        value, unit, scale = answers.timed(made)
        rows = [
            *map(str, card.derived(tail.quantity, tail.percent)),
            "",
            f"INTERVAL: {design.expected(made, 's')}, four times in five",
            why_wide(made),
        ]
        drawn = answers.span(made, tail.bound_s, scale)
        # the words under a bar have the limit already
        limit = "" if "span" in drawn else f"limit {quantity(tail.bound_s, 's')}"
        item = {
            "label": label,
            "value": value,
            "unit": unit,
            "note": _short(limit, made),
            "explain": "\n".join(rows),
        }
        items.append(item | drawn)
    return items


def _short(said, estimate):
    """A tile's one line: what the number is of, and why it is not known closely, where so."""
    return "; ".join(filter(None, (said, estimate.doubt)))


def _gaps_said(card):
    """Say why a percentile of the gaps is far from their mean, which stands beside it."""
    mean = card.estimates.itl_s
    for tail, (_, made) in zip(card.slo.tails, card.percentiles(), strict=True):
        if tail.quantity != "itl":
            continue
        if made.value < mean.value:
            last = card.percentile("itl", LAST_PERCENT)
            longest = f" The {LAST_PERCENT}th percentile is {quantity(last.value, 's')}."
            yield (
                f"{tail.percent:g}% of the gaps are at most {quantity(made.value, 's')}, less than "
                f"the mean of {quantity(mean.value, 's')}: prompts of other users pause a few gaps "
                f"for long.{longest if tail.percent < LAST_PERCENT else ''}"
            )
        elif why := answers.beside_mean(made, mean, tail.percent):
            yield f"{capitalised(why)}, so the {ordinal(tail.percent)} percentile is long."


def _first_token(card, trail):
    estimate = card.estimates.ttft_s
    value, unit, scale = answers.timed(estimate)
    return {
        "label": "First token, mean",
        "value": value,
        "unit": unit,
        "note": _short("under this load", estimate),
        "explain": trail(estimate, "s", "queue", "ttft"),
    } | answers.span(estimate, card.slo.ttft_s, scale)


class _Money:
    """Prices: rented cards busy always and part of the time, and an API beside them."""

    def __init__(self, card, state):
        self.card, self.duty = card, state["duty"] / 100
        self.hours = "at this rate at all hours" if card.at_rate else "always busy"
        self.busy = card.usd_mtok
        self.part = self.busy and self.busy.scaled(1 / self.duty)
        answer, prompt = state["api"] or 0, state["api_in"] or 0
        self.api = design.api_usd_mtok(card.workload, usd_mtok_input=prompt, usd_mtok_output=answer)
        self.asked = f"${answer:,.2f} for answers and ${prompt:,.2f} for prompts"

    def number(self, trail):
        """The headline: cards busy always, and part of the time in the note."""
        if not self.busy:
            return {
                "label": "$/M output",
                "value": "no price",
                "unit": "",
                "note": "no card rent",
                "explain": "",
            }
        at_duty = Line(
            "usd_mtok at duty",
            "usd_mtok / duty",
            f"{quantity(self.busy.value, 'USD/Mtok')} / {self.duty:.0%}",
            quantity(self.part.value, "USD/Mtok"),
        )
        even = self.break_even()
        lines = [
            trail(self.card.estimates.output_tok_s, "tok/s", "queue", "itl", "ttft", "output_rate"),
            f"{self.card.price_line()}\n{at_duty}",
            *([even.explain()] if even else []),
        ]
        return {
            "label": "$/M output",
            "value": f"${self.busy.value:,.2f}",
            "unit": "",
            "note": _short(f"prompts included, {self.hours}", self.busy),
            "explain": "\n\n".join(lines),
        } | answers.span(self.busy)

    def of_all(self):
        """What a million tokens costs, those of prompts counted with those of answers."""
        load = self.card.workload
        return self.busy.value * load.output_tokens / load.context_tokens

    def rent(self):
        """The rent behind the price, who asks it and since when."""
        d = self.card.deployment
        price = catalog.reference_price(d.gpu.name)
        whose = "as entered"
        if price and price["usd_h"] == d.gpu_usd_h:
            whose = f"{price['provider']}, {price['date']}"
        return f"{quantity(d.gpu_usd_h, 'USD/h')} a card ({whose})"

    def break_even(self):
        if not self.busy or not self.api:
            return None
        return design.break_even(
            usd_h=self.card.usd_h,
            output_tok_s=self.card.estimates.output_tok_s.value,
            api_usd_mtok=self.api,
        )

    def sentences(self):
        """Say in words when renting is the cheaper way."""
        if not self.busy:
            return []
        return [self._stands_on(), self._against_api(), *self._rents()]

    def _stands_on(self):
        """Whose rent the price is of, and what it is over all tokens."""
        return (
            f"The price is of a rent of {self.rent()}. Over prompts and answers together it is "
            f"${self.of_all():,.2f}/M."
        )

    def _against_api(self):
        even, duty = self.break_even(), f"{self.duty:.0%}"
        part, busy = (quantity(made.value, "USD/Mtok") for made in (self.part, self.busy))
        if not even:
            return (
                f"Busy {duty} of the hours, these cards cost {part} output, prompts included. An "
                "API is the cheaper way when it asks less than that for the same prompts and "
                "answers; enter its prices for the break-even."
            )
        api = quantity(self.api, "USD/Mtok")
        asks = f"An API at {self.asked} asks {api} output here, prompts included."
        if even.duty > 1:
            return f"{asks} These cards cost {busy} even when always busy: the API is cheaper."
        month = digits(even.tokens_month / 1e6)
        cheaper = "these cards are" if self.duty > even.duty else "the API is"
        return (
            f"{asks} These cards cost the same when they are busy {even.duty:.0%} of the hours "
            f"({self._hours(self.busy.low)} to {self._hours(self.busy.high)}): {month} million "
            f"output tokens a month. At {duty}, {cheaper} cheaper by estimate."
        )

    def _hours(self, usd_mtok):
        """Share of the hours at which a price breaks even, in words."""
        share = usd_mtok / self.api
        return f"{share:.0%}" if share <= 1 else "never"

    def _rents(self):
        """Say what this card costs elsewhere, at the estimated speed."""
        d = self.card.deployment
        listed = [row for row in catalog.table("prices")["price"] if row["gpu"] == d.gpu.name]
        if len(listed) < 2:
            return []
        # the price of a token is in proportion to the rent
        ends = [min(listed, key=_usd_h), max(listed, key=_usd_h)]
        low, high = (
            f"{quantity(row['usd_h'], 'USD/h')} ({row['provider']}, {row['term']}), which makes "
            f"{quantity(self.busy.value * row['usd_h'] / d.gpu_usd_h, 'USD/Mtok')}"
            for row in ends
        )
        title = lists.card_title(d.gpu)
        return [f"The catalogue has {len(listed)} rents of {title}: from {low}, to {high}."]


def _usd_h(row):
    return row["usd_h"]


def _numbers(card, money):
    """Every number at the users served: ceiling, estimate, interval."""
    best, served, e = card.estimates.ceiling, card.estimates.served, card.estimates

    def estimated(name, estimate, unit):
        numbers = [quantity(x, unit) for x in (estimate.ceiling, estimate.value)]
        return [name, *numbers, *answers.ends(estimate, unit)]

    def derived(name, attribute, unit):
        numbers = (quantity(getattr(x, attribute), unit) for x in (best, served))
        return [name, *numbers, "-", "-"]

    rows = [
        derived("Gap between tokens, nobody prefilling", "itl_decode_s", "s"),
        estimated("Gap between tokens", e.itl_s, "s"),
        *(estimated(label, made, "s") for label, made in card.percentiles("itl")),
        estimated("Speed of one user", e.tok_s_user, "tok/s"),
        derived("First token, cards idle", "ttft_idle_s", "s"),
        estimated("First token, mean", e.ttft_s, "s"),
        *(estimated(label, made, "s") for label, made in card.percentiles("ttft")),
        *(
            []
            if card.at_rate
            else [derived("First token, last of all at once", "ttft_burst_s", "s")]
        ),
        estimated("Output of all users", e.output_tok_s, "tok/s"),
    ]
    if money.busy:
        rows.append(estimated(f"$/M output, {money.hours}", money.busy, "USD/Mtok"))
        rows.append(estimated(f"$/M output, busy {money.duty:.0%}", money.part, "USD/Mtok"))
    load = counted(card.workload.concurrency, "user")
    if card.at_rate:
        load = f"{card.rate_rps:.4g} requests/s"
    return {
        "caption": f"All numbers at {load}",
        "columns": ["Measure", "Ceiling", "Estimate", "Four in five: from", "to"],
        "rows": rows,
        "highlight": [],
    }
