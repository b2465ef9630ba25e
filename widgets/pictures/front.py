"""The question of the book's first page: a deployment in a sentence, and what it would do.

It asks what Calculate asks, with fewer inputs, and gives what Calculate gives.
"""

from dataclasses import dataclass, replace
from functools import cache

from llmcap_kernel import catalog, design
from llmcap_kernel.capacity import Ledger
from llmcap_kernel.explain import GIB, counted, digits, quantity
from llmcap_kernel.refuse import BadInput

from ..calculators import answers, calculate, running
from ..figures import show
from ..figures.drawing import Drawing, Scale
from ..figures.memory import overhead_parts
from ..form import inputs, lists, meaning
from ..form.state import Field
from ..page import APPS, h, words
from .record import Control, Drawn, Picture

ASKS = (
    "How fast is {model} in {weights}, cache in {kv}, on {cards} × {gpu} for {users} with "
    "{context} of context? Wanted: 95% of the gaps within {gap}, for {budget}."
)
OWN = "its own format"
FORMATS = {OWN: None, "BF16": "bf16", "FP8": "fp8", "INT8": "int8", "INT4": "int4-awq",
           "NVFP4": "nvfp4"}  # fmt: skip
CONTEXTS = {"2K": 2000, "4K": 4000, "8K": 8000, "16K": 16_000, "32K": 32_000, "64K": 64_000,
            "128K": 128_000}  # fmt: skip
CACHES = {"BF16": "bf16", "FP8": "fp8"}
ANY_GAP, ANY_RENT = "any time", "any budget"
GAPS = {ANY_GAP: 0, "20 ms": 20, "30 ms": 30, "50 ms": 50, "100 ms": 100}
BUDGETS = {ANY_RENT: 0} | {f"${n} an hour": n for n in (2, 5, 10, 20, 30, 50, 100)}
USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ANSWER = 1000  # tokens; the rest of the context is the prompt
# What stands first in the long lists.
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "llama-3.3-70b", "qwen3-8b", "qwen3-32b",
          "qwen3-30b-a3b", "qwen3-235b-a22b", "gpt-oss-20b", "gpt-oss-120b", "gemma-3-27b",
          "mistral-small-3.2-24b", "glm-4.5-air", "deepseek-v3", "kimi-k2")  # fmt: skip
CARDS = ("h100-sxm", "h200-sxm", "b200-sxm", "a100-sxm-80gb", "l40s", "l4", "mi300x", "rtx-4090",
         "rtx-5090")  # fmt: skip
OFTEN = "Asked for most"
TIGHTEST = {
    "capacity": "memory",
    design.WORKED_SLO.tails[0].name: "the gap between tokens",
    "budget": "the budget",
}


@cache
def _models():
    """Name by title, those asked for most first."""
    rows = catalog.table("models")["models"]
    titles = {name: rows[name].get("title", name) for name in catalog.models()}
    rest = sorted(set(titles) - set(MODELS), key=lambda name: titles[name].lower())
    return {titles[name]: name for name in (*MODELS, *rest)}


@cache
def _gpus():
    """Name by title, those asked for most first."""
    cards = {name: catalog.gpu(name) for name in catalog.gpus()}
    rest = sorted(set(cards) - set(CARDS), key=lambda name: (cards[name].vendor, name))
    return {lists.card_title(cards[name]): name for name in (*CARDS, *rest)}


def _model_group(title):
    name = _models()[title]
    return OFTEN if name in MODELS else "All others"


def _gpu_group(title):
    card = catalog.gpu(_gpus()[title])
    return OFTEN if card.name in CARDS else card.title.removesuffix(title).strip() or "Others"


# ---- the words of the sentence -------------------------------------------------------------

CONTEXT = Field("context", "tokens", 0, "Context", ANSWER + 1, inputs.MOST_TOKENS, unit="tokens")
FIELDS = calculate.FORM.by_name | {"context": CONTEXT}


def _read(name, text):
    """Read typed words as Calculate does, and refuse them with its words."""
    field = FIELDS[name]
    try:
        return field.read(text)
    except BadInput as problem:
        raise BadInput(name, field.title + str(problem).removeprefix(problem.field)) from None


def _more(name, text):
    """What typed words say beside the name: a format of a checkpoint, a number of cards."""
    found = FIELDS[name].understood(text)
    return found.more if found else {}


def _titled(titles, name):
    """The words of the sentence for a name; the name where the sentence's list has none."""
    return next((title for title, one in titles.items() if one == name), name)


def _format_title(name, listed=FORMATS):
    title = _titled(listed, name)
    if title in listed:
        return title
    title = catalog.format(name).title
    return title if catalog.format(title).name == name else name


def _typed_model(text):
    name, more = _read("model", text), _more("model", text)
    weights = {"weights": _format_title(more["weights"])} if "weights" in more else {}
    return {"model": _titled(_models(), name)} | weights


def _typed_weights(text):
    return {"weights": text if text in FORMATS else _format_title(_read("weights", text))}


def _typed_kv(text):
    return {"kv": text if text in CACHES else _format_title(_read("kv", text), CACHES)}


def _typed_gap(text):
    return {"gap": _gap(_read("itl", _number_of(text)))}


def _typed_budget(text):
    return {"budget": _budget(_read("budget", _number_of(text.lower().partition("an hour")[0])))}


def _number_of(text):
    return (
        "0" if text.strip().lower() in ("any", ANY_GAP, ANY_RENT) else text.replace("$", "").strip()
    )


def _gap(milliseconds):
    return _titled(GAPS, milliseconds) if milliseconds in GAPS.values() else f"{milliseconds:g} ms"


def _budget(usd_h):
    return _titled(BUDGETS, usd_h) if usd_h in BUDGETS.values() else f"${usd_h:,.2f} an hour"


def _typed_gpu(text):
    name, more = _read("gpu", text), _more("gpu", text)
    cards = {"cards": more["tp"]} if "tp" in more else {}
    return {"gpu": _titled(_gpus(), name)} | cards


def _typed_number(name, field):
    unit = FIELDS[field].unit

    def reads(text):
        return {name: _read(field, text.lower().removesuffix(unit).removesuffix(unit[:-1]))}

    return reads


def _typed_context(text):
    return {"context": _context(_read("context", text.lower().removesuffix("tokens")))}


def _context(tokens):
    return next((title for title, one in CONTEXTS.items() if one == tokens), f"{tokens:,} tokens")


def _tokens(context):
    return CONTEXTS.get(context) or int(context.removesuffix(" tokens").replace(",", ""))


def to_query(values):
    """Spell the sentence as the address of Calculate does.

    Parameters
    ----------
    values : dict
        The words of the sentence by name.

    Returns
    -------
    str
        The query.
    """
    return calculate.FORM.query(to_state(**values))


def from_query(query):
    """Read the sentence from an address of Calculate; what it has no word for is left out.

    Parameters
    ----------
    query : str
        As `to_query` spells it; a stranger's may hold anything.

    Returns
    -------
    tuple of dict and str
        The words of the sentence by name, and what could not be read.
    """
    state, messages = calculate.FORM.parse(query)
    tokens = max(state["in"] + state["out"], ANSWER + 1)
    said = " ".join(one["text"] for one in messages if one["level"] == "error")
    words = {
        "model": _titled(_models(), state["model"]),
        "weights": _format_title(state["weights"]),
        "kv": _format_title(state["kv"], CACHES),
        "cards": state["tp"],
        "gpu": _titled(_gpus(), state["gpu"]),
        "users": state["users"] or design.WORKED_WORKLOAD.concurrency,
        "context": _context(tokens),
        "gap": _gap(state["itl"]),
        "budget": _budget(state["budget"]),
    }
    return words, said


def to_state(model, weights, kv, cards, gpu, users, context, gap, budget):
    """Say as inputs of Calculate what the sentence asks.

    Parameters
    ----------
    model, weights, kv, gpu, context, gap, budget : str
        As the sentence has them.
    cards, users : int
        How many.

    Returns
    -------
    dict
        A complete state of Calculate.
    """
    name = _models().get(model, model)
    own = meaning.known_model(name)
    format_ = FORMATS[weights] if weights in FORMATS else catalog.format(weights).name
    format_ = format_ or (own.native_format if own else "bf16")
    return calculate.FORM.defaults() | {
        "model": name,
        "weights": format_,
        "kv": CACHES.get(kv) or catalog.format(kv).name,
        "gpu": _gpus().get(gpu, gpu),
        "tp": cards,
        "users": users,
        "in": _tokens(context) - ANSWER,
        "out": ANSWER,
        "itl": _typed_limit("itl", gap, GAPS),
        "budget": _typed_limit("budget", budget, BUDGETS),
    }


def _typed_limit(field, words, listed):
    """A limit as the sentence has it: one of its list, or a number that was typed."""
    if words in listed:
        return listed[words]
    return _read(field, _number_of(words.partition(" an hour")[0].replace(",", "")))


def card_of(state):
    """Predict a state of Calculate.

    Parameters
    ----------
    state : dict
        From `to_state`.

    Returns
    -------
    Card
        All predictions, with limits and verdicts.

    Raises
    ------
    BadInput
        When the kernel refuses the deployment.
    """
    return design.card(meaning.deployment(state), meaning.load(state), meaning.limits(state))


def _draw(**asked):
    state = to_state(**asked)
    href = f"{APPS}calculate?{calculate.FORM.query(state)}"
    try:
        card = card_of(state)
    except BadInput as problem:
        return _refused(answers.refusal(problem, calculate.FORM)["messages"][0]["text"], href)
    level, said = _verdict(card, asked["context"])
    numbers = []
    if card.starts:
        most = design.users_within(card.deployment, card.workload, card.slo)
        said += f" {answers.fitting(card, most)}."
        numbers = _numbers(card, most)
    parts = [
        h("dl", {"class": "lf-numbers"}, [_number(one) for one in numbers]) if numbers else None,
        _memory(card.ledger),
        _foot(card, state, href, asked["context"]),
    ]
    table = show.table(
        ("", "estimate", "four times in five", "ceiling", "limit"),
        [one.row() for one in numbers] or [("the engine does not start", "-", "-", "-", "-")],
        f"{card.deployment.title}, {counted(asked['users'], 'user')}",
    )
    return Drawn(h("div", {"class": "lf-answer", "data-level": level}, parts), said, table)


def _refused(problem, href):
    foot = h("p", {"class": "lf-foot"}, h("a", {"href": href}, "Open in Calculate"))
    table = show.table(("", "answer"), [("this deployment", "none")], "Not possible as asked")
    return Drawn(h("div", {"class": "lf-answer", "data-level": "bad"}, foot), problem, table)


def _verdict(card, context):
    """One sentence: does it start, are the limits met, and which is the tightest."""
    users, books = card.workload.concurrency, card.ledger
    who = f"{counted(users, 'user')} at {context}"
    if not card.starts:
        usable = books.weights_bytes + books.overhead_bytes + books.kv_pool_bytes
        needed = usable - books.kv_pool_bytes + books.least_room_bytes
        text = (
            f"It does not start: one user at {context} needs {digits(needed / GIB, 3)} GiB of each "
            f"card, and the engine may fill {digits(usable / GIB, 3)}."
        )
        return running.START_LEVELS[books.start], text
    if books.beyond:
        return "bad", f"{who}: {books.beyond[0].lower()}{books.beyond[1:]}"
    first = f"The tightest limit is {TIGHTEST[card.limits[0].name]}."
    doubted = [one for one in card.limits if one.verdict == "open"]
    missed = [_missed(one, card) for one in card.limits if not one.holds and one not in doubted]
    if missed:
        return "bad", f"{who}: {'; '.join(missed)}."
    if doubted:
        return "warn", f"{who}: it could go either way: {doubted[0].sentence}."
    if any(one.verdict != "met" for one in card.limits):
        return "warn", f"{who}: every limit is likely met. {first}"
    return "good", f"{who}: every limit is met. {first}"


def _missed(limit, card):
    """What a limit asks, and what comes of it."""
    value, bound = (quantity(x, limit.unit) for x in (limit.estimate.value, limit.bound))
    if limit.name == "capacity":
        return f"only {card.max_concurrent:,} {'has' if card.max_concurrent == 1 else 'have'} room"
    if limit.name == "budget":
        return f"the rent is {_rent(limit.estimate.value)}, over the budget of {_rent(limit.bound)}"
    _, _, percent = limit.name.partition(" p")
    return f"{percent}% of the gaps are within {value}, over the limit of {bound}"


def _rent(usd_h):
    return f"${usd_h:,.2f}".removesuffix(".00") + " an hour"


# ---- the numbers ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A number with what stands beside it on one line.

    Parameters
    ----------
    label, unit, note : str
        What it is, in what, and one thing to know of it.
    value : float
        The estimate; `low` to `high` holds it four times in five.
    low, high : float or None
        The interval; None where none was earned.
    ceiling : float
        What the spec sheet allows.
    limit : float or None
        What is asked for.
    money : bool
        Whether a dollar stands before it.
    rough : bool
        Whether it is known too roughly for an interval.
    """

    label: str
    value: float
    unit: str
    low: float | None
    high: float | None
    ceiling: float
    limit: float | None = None
    note: str = ""
    money: bool = False
    rough: bool = False

    def written(self, value):
        """Write a value as a reader sees it."""
        if self.money:
            return f"${value:,.2f}"
        return f"{value:,.0f}" if self.unit == "users" else digits(value)

    @property
    def interval(self):
        """The interval in words; empty where none was earned."""
        if self.low is None:
            return ""
        return f"{self.written(self.low)} to {self.written(self.high)}"

    @property
    def mark(self):
        """What the spec sheet allows, in words."""
        in_s = {"s": 1.0, "ms": 1e-3}.get(self.unit)
        least = quantity(self.ceiling * in_s, "s") if in_s else self.written(self.ceiling)
        return f"ceiling {least}"

    @property
    def asked(self):
        """What is asked for, in words; empty where nothing is."""
        return f"you need {self.written(self.limit)}" if self.limit else ""

    def row(self):
        """The same as a row of a table."""
        limit = self.written(self.limit) if self.limit else "-"
        about = "about " * self.rough
        value = f"{about}{self.written(self.value)} {self.unit}".strip()
        return (self.label, value, self.interval or "-", self.written(self.ceiling), limit)


def _numbers(card, most):
    """Users, speed, gap, first token and price of a deployment that starts."""
    e, slo = card.estimates, card.slo
    _, unit, scale = answers.timed(e.ttft_s)  # in milliseconds where Calculate says it so
    room = f"{card.max_concurrent:,} fit in memory"
    out = [
        replace(
            _estimated("Users within the limits", most, "users"),
            note=answers.how_many(room, most),
        ),
        _estimated("Speed of one user", e.tok_s_user, "tok/s", note="on average"),
        *(
            _estimated(
                label,
                made.scaled(1e3),
                "ms",
                limit=1e3 * tail.bound_s,
                note=answers.beside_mean(made, e.itl_s, tail.percent),
            )
            for tail, (label, made) in zip(slo.tails, card.percentiles("itl"), strict=True)
        ),
        _estimated("First token, mean", e.ttft_s.scaled(scale), unit, note="other prompts in line"),
    ]
    if card.usd_mtok:
        rent = f"{_rent(card.usd_h)}, cards always busy"
        out.append(_estimated("$/M output", card.usd_mtok, "", note=rent, money=True))
    return out


def _estimated(label, estimate, unit, note="", limit=None, money=False):
    known = not estimate.doubt and estimate.low != estimate.high
    low, high = (estimate.low, estimate.high) if known else (None, None)
    return Number(
        label=label,
        value=estimate.value,
        unit=unit,
        low=low,
        high=high,
        ceiling=estimate.ceiling,
        limit=limit,
        note=answers.noted(note, estimate),
        money=money,
        rough=bool(estimate.doubt),
    )


def _number(one):
    value = [h("i", {}, words("about"))] if one.rough else []
    value.append(h("strong", {}, words(one.written(one.value))))
    unit = answers.users(one.value) if one.unit == "users" else one.unit
    value.append(words(f" {unit}") if unit else "")
    value.append(h("span", {}, words(one.interval)) if one.interval else "")
    marks = [
        h("span", {"class": "lf-need"}, words(one.asked)) if one.asked else None,
        h("span", {"class": "lf-spec"}, words(one.mark)),
        h("span", {}, words(one.note)) if one.note else None,
    ]
    return h(
        "div",
        {"class": "lf-rough"} if one.rough else {},
        h("dt", {}, words(one.label)),
        h("dd", {"class": "lf-value"}, value),
        h("dd", {"class": "lf-line", "aria-hidden": "true"}, _line(one)),
        h("dd", {"class": "lf-marks"}, marks),
    )


def _line(one):
    """Interval, estimate, ceiling and limit on one line from zero."""
    known = (one.value, one.high, one.ceiling, one.limit)
    most = max(filter(None, known), default=1.0)  # all are zero where nobody is within the limits
    across = Scale(0, 1.04 * most, 0, 100)
    drawing = Drawing(20)
    drawing.line(0, 10, 100, 10, "rule", width=2)
    if one.low is not None:
        drawing.rect(across(one.low), 6, across(one.high) - across(one.low), 8, "interval")
    if one.limit:
        drawing.line(across(one.limit), 1, across(one.limit), 19, "bad", width=2)
    drawing.line(across(one.value), 1, across(one.value), 19, "text", width=3)
    drawing.dot(across(one.ceiling), 10, "text", radius=4, hollow=True)
    return drawing.svg(f"{one.label}: {one.interval}")


# ---- one card's memory ---------------------------------------------------------------------


def memory(books: Ledger) -> list[tuple[str, str, float]]:
    """Say where one card's memory goes, and what is asked for beyond it.

    Parameters
    ----------
    books : Ledger
        The ledger of one card.

    Returns
    -------
    list of tuple
        Kind, words and bytes of each part, in the order of the bar.
    """
    pool = max(books.kv_pool_bytes, 0.0)
    held = min(books.kv_used_bytes, pool)
    taken = books.weights_bytes + books.overhead_bytes + pool
    users, more = books.concurrency, books.max_concurrent - books.concurrency
    cache = counted(users, "user") if more >= 0 else "users who fit"
    room = f"room for {more:,} more" if more > 0 else "too little for one more"
    parts = [
        ("weights", "weights", books.weights_bytes),
        *((ink, name, size) for name, size, ink in overhead_parts(books)),
        ("cache", cache, held),
        ("room", room, pool - held if more >= 0 else 0.0),
        ("kept", "kept free", books.visible_bytes - taken),
        ("missing", "users without room", books.kv_used_bytes - held),
    ]
    return [part for part in parts if part[2] > 0]


def _memory(books):
    parts = memory(books)
    total = sum(size for _, _, size in parts)
    bar = [
        h(
            "span",
            {"class": f"lf-{kind}", "style": f"flex-basis:{100 * size / total:.2f}%"},
            h("b", {}, words(_sized(kind, name, size))),
        )
        for kind, name, size in parts
    ]
    key = [
        h("li", {"class": f"lf-{kind}"}, words(f"{name} {digits(size / GIB, 3)} GiB"))
        for kind, name, size in parts
    ]
    beyond = total - books.visible_bytes
    end = None
    if beyond > 0.001 * total:
        at = 100 * books.visible_bytes / total
        end = h("i", {"class": "lf-end", "style": f"left:{at:.2f}%"})
    return h(
        "div",
        {"class": "lf-memory"},
        h("div", {"class": "lf-bar", "aria-hidden": "true"}, bar, end),
        h("ul", {"class": "lf-key"}, key),
    )


def _sized(kind, name, size):
    return name if kind in ("room", "kept", "missing") else f"{name} {digits(size / GIB, 3)}"


def _foot(card, state, href, context):
    d = card.deployment
    tokens = f"{state['in'] + state['out']:,} tokens"
    length = f"{context} is {tokens}" if context in CONTEXTS else tokens
    rows = (
        f"One card's {digits(card.ledger.visible_bytes / GIB, 3)} GiB, to scale",
        f"{d.engine.title}, which may fill {d.fraction:.4g} of a card",
        f"{length}, {state['out']:,} of them the answer",
        "a ceiling is what the spec sheet allows",
    )
    return h(
        "p",
        {"class": "lf-foot"},
        h("span", {}, words("; ".join(rows) + ".")),
        h("a", {"href": href}, "Open in Calculate"),
    )


def _start():
    """The worked spec in the sentence's words."""
    spec, load = design.worked_spec()[1], design.WORKED_WORKLOAD
    titles = {name: title for title, name in (_models() | _gpus()).items()}
    formats = {name: title for title, name in FORMATS.items()}
    contexts = {tokens: title for title, tokens in CONTEXTS.items()}
    return {
        "model": titles[spec.model.name],
        "weights": formats[spec.weights.name],
        "kv": _titled(CACHES, spec.kv.name),
        "cards": spec.tp,
        "gpu": titles[spec.gpu.name],
        "users": load.concurrency,
        "context": contexts[load.input_tokens + load.output_tokens],
        "gap": _gap(1e3 * design.WORKED_SLO.tails[0].bound_s),
        "budget": _budget(design.WORKED_SLO.usd_h),
    }


def _picture():
    start = _start()
    controls = (
        Control("model", "Model", tuple(_models()), start["model"], group=_model_group,
                reads=_typed_model, address="model"),
        Control("weights", "Format of the weights", tuple(FORMATS), start["weights"],
                reads=_typed_weights, address="weights"),
        Control("kv", "Format of the cache", tuple(CACHES), start["kv"],
                reads=_typed_kv, address="kv"),
        Control("cards", "Cards", (1, 2, 4, 8), start["cards"],
                reads=_typed_number("cards", "tp"), address="tp"),
        Control("gpu", "Card", tuple(_gpus()), start["gpu"], group=_gpu_group,
                reads=_typed_gpu, address="gpu"),
        Control("users", "Users at once", USERS, start["users"], "users",
                reads=_typed_number("users", "users"), address="users"),
        Control("context", "Context of each", tuple(CONTEXTS), start["context"],
                reads=_typed_context, address="in"),
        Control("gap", "Longest gap between tokens", tuple(GAPS), start["gap"],
                reads=_typed_gap, address="itl"),
        Control("budget", "Budget", tuple(BUDGETS), start["budget"],
                reads=_typed_budget, address="budget"),
    )  # fmt: skip
    title = "A deployment before it is rented"
    return Picture(title, _draw, controls, ASKS, to_query=to_query, from_query=from_query)


PICTURES = {"front": _picture()}
