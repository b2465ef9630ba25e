"""The cockpit: any deployment and load, to the four numbers a planner asks for."""

import textwrap
from dataclasses import replace

from llmcap_kernel import catalog, design, failures
from llmcap_kernel.explain import Line, digits, quantity

from . import controls as c
from . import presets as p
from .figures import memory_bars, memory_table
from .state import Field, Form

TITLE = "Calculate"
LEAD = (
    "How fast, for how many users, how soon and at what price? Estimates with their 80% "
    "intervals, beside what the spec sheet allows."
)
FORM = Form(
    "calculate",
    (
        *c.deployment_fields(design.worked_spec()[1]),
        *c.load_fields(design.WORKED_WORKLOAD),
        *c.limit_fields(design.WORKED_SLO),
        Field("usd", "number", None, "Card rent", 0, 1000, unit="USD/h"),
        Field("duty", "number", 50, "Cards busy", 1, 100, unit="% of hours",
              help="Share of the rented hours in which the users are there."),
        Field("api", "number", None, "API, answers", 0, 10_000, unit="USD/M",
              help="What an API asks, to compare with."),
        Field("api_in", "number", None, "API, prompts", 0, 10_000, unit="USD/M"),
    ),
)  # fmt: skip
# The order in which a newcomer asks: what, on what, for whom; the rest has a sensible start.
FIRST = (
    *("model", "config", "gpu", "tp", "weights", "in", "users", "out", "prefix", "itl", "ttft"),
    *("pp", "kv", "engine", "fraction"),
)
PAIRED = ("out", "prefix", "itl", "ttft", "usd", "budget", "api", "api_in")
# The limits beside memory, as a newcomer would say them.
WORDS = {
    "latency": "the gap between tokens",
    "prefill": "the first token",
    "budget": "the budget",
}
NO_INTERVAL = (
    "A dash stands where benchmarks report nothing, so that no interval was earned. Why the others "
    "are as wide as they are stands with the arithmetic."
)
LINE = 72  # characters of a line of arithmetic
DUTY_STOPS = (1, 2, 5, *range(10, 101, 5))
HINT = "Set model, GPU, cards, weights and prompt: the four numbers follow."
PRESETS = p.told(
    {},
    p.ON_LAPTOP | {"in": 2000, "out": 500, "users": 1, "itl": 100, "budget": 0},
    p.ON_ONE_CARD | {"in": 1500, "out": 400, "prefix": 500, "users": 32, "ttft": 3},
    p.ON_FOUR_CARDS | {"in": 127_000, "users": 4, "itl": 100, "ttft": 60},
    p.SMALL_ON_ONE | {"in": 1000, "out": 300, "users": 256, "itl": 0, "budget": 0, "duty": 100},
)


def view(state):
    """Show the four numbers of one deployment under one load.

    Parameters
    ----------
    state : dict
        A complete state of `FORM` [-].

    Returns
    -------
    dict
        The view [-].
    """
    controls = _controls(state)
    try:
        slo = c.limits(state)
        card = design.card(c.deployment(state), c.load(state), slo)
        parts = _parts(card, slo, state)
    except c.BadInput as problem:
        parts = c.refusal(problem, FORM)
    return c.frame(FORM, state, TITLE, LEAD, controls, **parts)


def _controls(state):
    fields = {field.name: field for field in FORM.fields}
    made = {one["name"]: one for one in c.deployment_controls(FORM, state)}
    stops = c.token_stops(c.chosen_model(state), state["in"])
    made |= {
        "in": c.slider(fields["in"], state, stops),
        "users": c.slider(fields["users"], state, c.USER_STOPS),
        "duty": c.slider(fields["duty"], state, DUTY_STOPS),
    }
    for name in PAIRED:
        shown = _rent(state) if name == "usd" else state[name]
        made[name] = c.entry(fields[name], state, shown=shown) | c.HALF
    rest = [field.name for field in FORM.fields if field.name not in FIRST]
    return [made[name] for name in (*FIRST, *rest) if name in made]


def _rent(state):
    return catalog.gpu(state["gpu"]).usd_h if state["usd"] is None else state["usd"]


def _parts(card, slo, state):
    most = design.estimated_users(card.deployment, card.workload, slo)
    crowds = {n: _crowd(card, n) for n in {1, card.users, most.value, card.max_concurrent} if n}
    users = _users(card, slo, most, crowds)
    modes = _weak_spots(card)
    shared = {
        "status": _status(card, slo),
        "figure": memory_bars(card.books),
        "messages": [*_warned(modes), *_notes(card)],
    }
    if not card.starts:
        return shared | {"headline": [users], "tables": [memory_table(card.books)]}
    money, trail = _Money(card, state), _trail(card)
    return shared | {
        "headline": [
            _speed(card, slo, trail),
            users,
            _first_token(card, slo, trail),
            money.number(trail),
        ],
        "tables": [
            _numbers(card, money),
            _more_or_fewer(card, slo, crowds),
            memory_table(card.books),
        ],
        "sentences": [
            *money.sentences(),
            NO_INTERVAL,
            *(f"{mode.title}. {mode.wrong}" for mode in modes),
        ],
    }


def _crowd(card, users):
    """The same deployment under another number of users."""
    if users == card.workload.concurrency:
        return card
    return replace(card, workload=replace(card.workload, concurrency=users))


def _status(card, slo):
    """Does it fit, does it meet the limits, what binds: one answer."""
    if not card.starts:
        return {"level": "bad", "text": f"{card.books.verdict} {_way_in(card)}".strip()}
    checks = card.checks(slo)
    exact = [limit for limit in card.limits if limit.name in ("capacity", "budget")]
    limits = [*exact, *checks]
    room = next(limit for limit in exact if limit.name == "capacity").sentence
    binding = min(limits, key=lambda one: one.headroom)
    missed = [WORDS[one.name] for one in limits if not one.met and one.name in WORDS]
    unsure = [WORDS[one.name] for one in checks if one.met and not one.sure]
    fits = "It fits" if card.fits else "It does not fit"
    level = "good" if card.fits else "bad"
    if missed:
        how = "It" if all(check.met for check in checks) else "By estimate it"
        level, verdict = "bad", f" {how} misses {_listed(missed)}."
    elif unsure:
        level = "warn" if card.fits else "bad"
        verdict = f" By estimate it keeps every limit; {_listed(unsure)} may still miss."
    else:
        verdict = " It keeps every limit." if card.fits else ""
    binds = f"{binding.name.capitalize()} binds"
    binds += "" if binding.name == "capacity" else f": {binding.sentence}"
    return {"level": level, "text": f"{fits}: {room}.{verdict} {binds}."}


def _listed(words):
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _way_in(card):
    least = design.least_fraction(card.deployment, card.workload.context_tokens)
    return f"It would at a memory fraction of {least:.2f}." if least else ""


def _notes(card):
    texts = []
    if card.starts and not card.fits:
        texts.append(
            f"Speed, first token and price are those of the {card.users:,} who find room, not of "
            f"the {card.workload.concurrency:,} wanted."
        )
    most = card.deployment.engine.max_seqs
    if card.users > most:
        texts.append(
            f"{card.deployment.engine.title} runs {most:,} sequences at once unless it is told "
            f"otherwise; {card.users:,} are counted here."
        )
    told = [{"level": "info", "field": "", "text": text} for text in texts]
    return c.card_notes(card) + told


def _weak_spots(card):
    """Find where predictions like this one are known to go wrong."""
    d, load = card.deployment, card.workload
    tokens = (load.input_tokens, load.output_tokens, max(card.users, 1))
    found: dict = {}
    for metric in design.ESTIMATED:
        names = failures.failure_modes(d, d.engine.family, *tokens, "", metric=metric)
        found |= {name: failures.mode(name) for name in names}
    return found.values()


def _warned(modes):
    """Say what to do about each; why stands below the numbers."""
    texts = [f"Known weak spot: {mode.title}. {mode.advice}" for mode in modes]
    return [{"level": "warning", "field": "", "text": text} for text in texts]


def _span(made, limit=None):
    """What the bar under a number shows; nothing where no interval was earned."""
    if made.low == made.high:
        return {}
    span = {name: getattr(made, name) for name in ("low", "value", "high", "ceiling")}
    return {"span": span | ({"limit": limit} if limit else {})}


def _between(made, unit):
    low, high = quantity(made.low, unit), quantity(made.high, unit)
    return f"{low} to {high}"


def _trail(card):
    """Write how ceilings came about, and what took the estimates from there.

    Gives back a function: the lines named, and the interval of one metric.
    """
    ceiling = {line.name: line for line in card.observed(ceiling=True).lines()}
    fitted = {line.name: line for line in card.estimate_lines()}

    def written(metric, *names):
        name, unit, scale = design.ESTIMATED[metric]
        steps = ("decode step", "prefill", *names, name)
        made = card.estimate(metric)
        rows = (
            "CEILING: what the spec sheet allows",
            *(ceiling[step] for step in steps),
            "",
            "ESTIMATE: the same law with efficiencies fitted to measurements",
            *(fitted[step] for step in ("efficiencies", *steps)),
            "",
            f"INTERVAL: four times in five within {_between(design.scaled(made, scale), unit)}",
            _why(made),
        )
        return "\n".join(map(str, rows))

    return written


def _why(made):
    return textwrap.fill(f"Why this wide: {made.reason}.", LINE)


def _speed(card, slo, trail):
    rate = card.estimated_tok_s_user
    best = card.observed(ceiling=True).decode.itl_s
    gap = quantity(1 / rate.value, "s")
    turned = Line("tok/s per user", "1 / itl", f"1 / {gap}", quantity(rate.value, "tok/s"))
    return {
        "label": "Speed of one user",
        "value": digits(rate.value),
        "unit": "tok/s",
        "note": f"with other users' prompts in it; decoding alone at most {digits(1 / best)}",
        "explain": f"{trail('itl_ms')}\n\n{turned}",
    } | _span(rate, 1 / slo.itl_s if slo.itl_s else None)


def _users(card, slo, most, crowds):
    books, limited = card.books, card.starts and (slo.itl_s or slo.ttft_s)
    room, wanted = f"{books.max_concurrent:,} have room", f"{card.workload.concurrency:,} wanted"
    parts = [f"MEMORY: a ledger, no estimate\n{c.arithmetic(books)}"]
    if limited:
        rows = ["LIMITS: the most users whose estimates keep them"]
        for users, trial in sorted(crowds.items()):
            rows.append(f"at {users:,} user{'s' if users > 1 else ''}")
            rows += [f"    {check.sentence}" for check in trial.checks(slo)]
        parts += ["\n".join(rows), _why(most)]
    return {
        "label": "Max concurrent users",
        "value": f"{most.value:,}",
        "unit": "users",
        "note": f"within your limits; {room}, {wanted}" if limited else f"{room}, {wanted}",
        "explain": "\n\n".join(parts),
    } | _span(most)


def _first_token(card, slo, trail):
    made = design.scaled(card.estimate("ttft_ms"), 1e-3)
    value, unit = quantity(made.value, "s").split()
    scale = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    return {
        "label": "Time to first token",
        "value": value,
        "unit": unit,
        "note": "the mean, when users ask again as soon as they are answered",
        "explain": trail("ttft_ms", "itl"),
    } | _span(design.scaled(made, scale), slo.ttft_s and slo.ttft_s * scale)


class _Money:
    """Prices: rented cards busy always and part of the time, and an API beside them."""

    def __init__(self, card, state):
        self.card, self.duty = card, state["duty"] / 100
        self.busy = card.estimated_usd_mtok
        self.part = self.busy and design.scaled(self.busy, 1 / self.duty)
        answer, prompt = state["api"] or 0, state["api_in"] or 0
        self.api = design.api_usd_mtok(card.workload, usd_mtok_input=prompt, usd_mtok_output=answer)
        self.asked = f"${answer:,.2f} for answers and ${prompt:,.2f} for prompts"

    def number(self, trail):
        """The headline: cards busy always, and part of the time in the note."""
        if not self.busy:
            note = f"{c.card_title(self.card.deployment.gpu)} has no rent here: enter one"
            return {
                "label": "$/M output",
                "value": "no price",
                "unit": "",
                "note": note,
                "explain": "",
            }
        seen = quantity(self.card.estimate("output_tok_s_total").value, "tok/s")
        price = Line(
            "usd_mtok",
            "rent / 3600 / output_rate x 1e6",
            f"{quantity(self.card.usd_h, 'USD/h')} / 3600 / {seen} x 1e6",
            quantity(self.busy.value, "USD/Mtok"),
        )
        at_duty = Line(
            "usd_mtok at duty",
            "usd_mtok / duty",
            f"{quantity(self.busy.value, 'USD/Mtok')} / {self.duty:.0%}",
            quantity(self.part.value, "USD/Mtok"),
        )
        even = self.break_even()
        lines = [
            trail("output_tok_s_total", "itl", "ttft"),
            f"{price}\n{at_duty}",
            *([even.explain()] if even else []),
        ]
        return {
            "label": "$/M output",
            "value": f"${self.busy.value:,.2f}",
            "unit": "",
            "note": f"cards always busy; busy {self.duty:.0%} of the hours ${self.part.value:,.2f}",
            "explain": "\n\n".join(lines),
        } | _span(self.busy)

    def break_even(self):
        if not self.busy or not self.api:
            return None
        return design.break_even(
            usd_h=self.card.usd_h,
            output_tok_s=self.card.estimate("output_tok_s_total").value,
            api_usd_mtok=self.api,
        )

    def sentences(self):
        """Say in words when renting is the cheaper way."""
        if not self.busy:
            return []
        return [self._against_api(), *self._rents()]

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
        title = c.card_title(d.gpu)
        return [f"The catalogue has {len(listed)} rents of {title}: from {low}, to {high}."]


def _usd_h(row):
    return row["usd_h"]


def _numbers(card, money):
    """Every number at the users served: ceiling, estimate, interval."""
    up, seen = card.observed(ceiling=True), card.observed()
    gap, wait = (design.scaled(card.estimate(m), 1e-3) for m in ("itl_ms", "ttft_ms"))
    first_s = seen.decode.efficiency.first_token_s

    def estimated(name, made, unit):
        return [
            name,
            quantity(made.ceiling, unit),
            quantity(made.value, unit),
            _between(made, unit),
        ]

    def derived(name, ceiling, value, unit):
        return [name, quantity(ceiling, unit), quantity(value, unit), "-"]

    others = (card.users - 1) if seen.served else 0
    rows = [
        derived("Gap between tokens, nobody prefilling", up.decode.itl_s, seen.decode.itl_s, "s"),
        estimated("Gap between tokens, served", gap, "s"),
        derived(
            "Speed of one user, nobody prefilling", 1 / up.decode.itl_s, 1 / seen.decode.itl_s,
            "tok/s",
        ),
        estimated("Speed of one user, served", card.estimated_tok_s_user, "tok/s"),
        derived("First token, cards idle", up.prompt.total_s, seen.prompt.total_s + first_s, "s"),
        estimated("First token, mean under load", wait, "s"),
        derived(
            "First token, last of all at once",
            up.prompt.total_s + others * up.prompt.share_s,
            seen.prompt.total_s + first_s + others * seen.prompt.share_s,
            "s",
        ),
        estimated("Output of all users", card.estimate("output_tok_s_total"), "tok/s"),
    ]  # fmt: skip
    if money.busy:
        rows.append(estimated("$/M output, always busy", money.busy, "USD/Mtok"))
        rows.append(estimated(f"$/M output, busy {money.duty:.0%}", money.part, "USD/Mtok"))
    return {
        "caption": f"All numbers at {card.users:,} users",
        "columns": ["Measure", "Ceiling", "Estimate", "Four times in five"],
        "rows": rows,
        "highlight": [],
    }


def _more_or_fewer(card, slo, crowds):
    """Show what more and fewer users do to the same deployment, by estimate."""
    rows, levels = [], []
    for users, trial in sorted(crowds.items()):
        price, held = trial.estimated_usd_mtok, all(check.met for check in trial.checks(slo))
        rows.append(
            [
                f"{users:,}",
                quantity(trial.estimated_tok_s_user.value, "tok/s"),
                quantity(trial.estimate("ttft_ms").value / 1e3, "s"),
                quantity(price.value, "USD/Mtok") if price else "-",
                "kept" if held else "missed",
            ]
        )
        levels.append([None, None, None, "good" if held else "bad"])
    return {
        "caption": "More or fewer users, by estimate",
        "columns": ["Users", "Speed of one", "First token", "$/M output", "Latency limits"],
        "rows": rows,
        "levels": levels,
        "highlight": [sorted(crowds).index(card.users)],
    }
