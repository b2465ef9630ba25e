"""What the answers of all calculators share: numbers with intervals, notes, verdicts, the frame."""

from llmcap_kernel import catalog, design, serving
from llmcap_kernel.address import SHORT
from llmcap_kernel.design import VERDICTS
from llmcap_kernel.explain import GIB, counted, digits, quantity
from llmcap_kernel.spec import Workload

from ..form import controls as c
from ..form import learnt, lists


def gib(value):
    """Write bytes as GiB, the number alone.

    Parameters
    ----------
    value : float
        The size [bytes].

    Returns
    -------
    str
        The number.

    Examples
    --------
    >>> gib(2**31)
    '2'
    """
    return digits(value / GIB)


def users(number):
    """Name the unit of a number of users.

    Parameters
    ----------
    number : int
        How many.

    Returns
    -------
    str
        "user" of one.

    Examples
    --------
    >>> users(1), users(0)
    ('user', 'users')
    """
    return "user" if number == 1 else "users"


def arithmetic(result, *names):
    """Pick lines of a result's derivation.

    Parameters
    ----------
    result : Explained
        A result of the kernel.
    *names : str
        The lines to pick; all when none is named.

    Returns
    -------
    str
        Formula, numbers and value of each line.
    """
    lines = [line for line in result.lines() if not names or line.name in names]
    return "\n".join(str(line) for line in lines)


def room_words(books):
    """Say how much the room for the cache is: in tokens, where another token takes more of it.

    Parameters
    ----------
    books : Ledger
        The ledger.

    Returns
    -------
    str
        Tokens at a length; users, where full windows and states do not grow with a length.

    Examples
    --------
    >>> from llmcap_kernel import capacity, catalog
    >>> d = catalog.deployment(model="mistral-7b", gpu="h100-sxm")
    >>> [room_words(capacity.ledger(d, context_tokens=n)) for n in (2048, 30_000)]
    ['468,844 tokens, at 2,048 a user', '114 users, however long each is']
    """
    if not books.kv_bytes_per_token:
        return f"{counted(books.max_concurrent, 'user')}, however long each is"
    return f"{books.kv_pool_tokens:,} tokens, at {books.context_tokens:,} a user"


def notes(deployment, context_tokens):
    """Say what a reader should know before trusting the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every user may reach [tokens].

    Returns
    -------
    list of dict
        Messages.
    """
    load = Workload(input_tokens=max(context_tokens - 1, 1), output_tokens=1)
    # The calculators of memory show no price, so nothing about rents is news there.
    shown = [note for note in design.warnings(deployment, load) if note.about != "rent"]
    return [{"level": "info", "field": "", "text": note.text} for note in shown]


def counted_in(deployment):
    """Say beside a verdict that the weights are counted in another format than the model's own.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    dict
        `beside`, a sentence, for a status; empty where the format is the model's own.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> counted_in(catalog.deployment(model="qwen3-8b", gpu="h100-sxm", weights="fp8"))["beside"]
    'Counted in FP8; Qwen3 8B is released in BF16.'
    """
    weights, own = deployment.weights, deployment.model.native_format
    if weights.name == own:
        return {}
    released = f"{lists.model_title(deployment.model)} is released in {catalog.format(own).title}"
    return {"beside": f"Counted in {weights.title}; {released}."}


def by_own_rows(state, deployments):
    """Say after a verdict that it stands on the reader's own rows, where it does.

    Parameters
    ----------
    state : dict
        A complete state of a calculator that estimates.
    deployments : iterable of Deployment
        Those that the verdict is of.

    Returns
    -------
    str
        A space and a sentence; "" where no rows of the reader's count.

    Examples
    --------
    >>> by_own_rows({"own": None}, [catalog.deployment(model="qwen3-8b", gpu="h100-sxm")])
    ''
    """
    said = learnt.factors(state[learnt.NAME], [d.engine.family for d in deployments])
    return f" {said}" if said else ""


# The limits, as a newcomer would say them.
LIMITS = {
    "capacity": "the room for users",
    "latency": "the gap between tokens",
    "prefill": "the first token",
    "budget": "the budget",
}


def limit_name(limit):
    """Name a limit as a newcomer would.

    Parameters
    ----------
    limit : Limit
        The limit.

    Returns
    -------
    str
        As "the first token".

    Examples
    --------
    >>> made = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD, design.WORKED_SLO)
    >>> limit_name(made.limits[0])
    'the 95th percentile gap'
    """
    return LIMITS.get(limit.name) or f"the {limit.title}"


WAIT = "for another user's prompt"
STOPPED = 2.0  # times the mean: a percentile that far above it is a wait, and no step


def noted(text, estimate):
    """Say beside a number what is not known of it, where that is so.

    Parameters
    ----------
    text : str
        What stands beside it anyway.
    estimate : Estimate
        The number.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> noted("the mean", Estimate(20, 15, 30, 10, ""))
    'the mean'
    """
    doubt = f"It is {estimate.doubt}." if estimate.doubt else ""
    return f"{text}. {doubt}" if text and doubt else text or doubt


def listed(names):
    """Join names as a sentence does.

    Parameters
    ----------
    names : iterable of str
        The names.

    Returns
    -------
    str
        With commas, and "and" before the last; empty for none.

    Examples
    --------
    >>> listed(["rent", "price", "gap"]), listed(["rent"]), listed([])
    ('rent, price and gap', 'rent', '')
    """
    names = list(names)
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def how_many(text, most):
    """Say beside the users within the limits how many there are at the ends of the interval.

    Parameters
    ----------
    text : str
        What stands beside them anyway.
    most : Estimate
        How many meet the limits, from `design.users_within`.

    Returns
    -------
    str
        Both; the ends where they lie too far apart to be drawn.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> how_many("53 fit in memory", Estimate(53, 0, 53, 53, ""))
    '53 fit in memory. At the slow end of the interval none meet the limits.'
    """
    if not most.doubt:
        return text
    few, many = (f"{end:,}" if end else "none" for end in (most.low, most.high))
    fast = f", at the fast end {many}" if most.high > most.value else ""
    return f"{text}. At the slow end of the interval {few} meet the limits{fast}."


def beside_mean(tail, mean, percent):
    """Say why a percentile is less than the mean, or far above it.

    Parameters
    ----------
    tail, mean : Estimate
        Of the gaps between tokens, in one unit.
    percent : float
        Percent of the gaps that are no longer than the first.

    Returns
    -------
    str
        The reason; empty where there is nothing to explain.
    """
    if tail.value < mean.value:
        return f"below the mean: a few gaps wait {WAIT}"
    if tail.value > STOPPED * mean.value:
        return f"more than {100 - percent:g}% of the gaps wait {WAIT}"
    return ""


def fitting(card, most):
    """Say how many users fit in memory, and how many of them meet the limits.

    Parameters
    ----------
    card : Card
        One deployment under a load.
    most : Estimate
        How many meet the limits, from `design.users_within`.

    Returns
    -------
    str
        As "52 fit in memory, 14 of them within 50 ms"; likely so, or open, where the verdict at
        so many users is no surer; of memory alone where nothing else is limited.
    """
    slo, room = card.slo, card.max_concurrent
    fit = f"{room:,} {card.ledger.fit_words(room)} in memory"
    at_once = serving.most_running(card.deployment, card.workload)
    if at_once < room:
        room, fit = at_once, f"{fit}, {at_once:,} {'runs' if at_once == 1 else 'run'} at once"
    bounds = [tail.bound_s for tail in slo.tails] + [x for x in (slo.itl_s, slo.ttft_s) if x]
    if not bounds:
        return fit
    within = quantity(bounds[0], "s") if len(bounds) == 1 else "your limits"
    many = min(most.value, room)
    of_them = f"{many:,}" if many else "none"
    if many == room:
        at_all = card.at(int(many)).limits
        verdict = max((x.verdict for x in at_all if x.unit == "s"), key=VERDICTS.index)
        return f"{fit}, {ALL_OF_THEM.get(verdict, ALL_OF_THEM['met']).format(within)}"
    if many and most.doubt:  # the estimate is at the limit there, whatever its interval
        of_them = f"about {of_them}"
    return f"{fit}, {of_them} of them within {within}"


# What is said of users who all meet the limits, by how sure that is.
ALL_OF_THEM = {
    "met": "all of them within {}",
    "likely": "likely all of them within {}",
    "open": "but all at once could go over {}",
}
# How a verdict is coloured.
LEVELS = dict.fromkeys(VERDICTS, "bad") | {"met": "good", "likely": "warn", "open": "warn"}


def span(estimate, limit=None, scale=1.0):
    """Give what the bar under a number shows.

    Parameters
    ----------
    estimate : Estimate
        The number.
    limit : float, optional
        What it is held against, in the same unit.
    scale : float
        From its unit to the one that is shown.

    Returns
    -------
    dict
        The part of a headline; empty where the number is exact, and `rough` where no interval
        is to be relied on.
    """
    if estimate.doubt:
        return {"rough": True}
    if estimate.low == estimate.high:
        return {}
    ends = {name: getattr(estimate, name) * scale for name in ("low", "value", "high", "ceiling")}
    return {"span": ends | ({"limit": limit * scale} if limit else {})}


def timed(estimate):
    """Part a time into its number and its unit, as a headline shows them.

    Parameters
    ----------
    estimate : Estimate
        A time [s].

    Returns
    -------
    tuple of str, str and float
        The number, its unit, and the units in a second.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> timed(Estimate(0.020, 0.015, 0.030, 0.010, ""))
    ('20', 'ms', 1000.0)
    """
    value, unit = quantity(estimate.value, "s").split()
    return value, unit, {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}[unit]


def ends(estimate, unit):
    """Write the ends of an interval, a cell each.

    Parameters
    ----------
    estimate : Estimate
        What is expected.
    unit : str
        Its unit, as `explain.quantity` takes it.

    Returns
    -------
    list of str
        Low and high; the reason, where one is known, and a dash where there is no interval.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> ends(Estimate(0.020, 0.015, 0.030, 0.010, ""), "s")
    ['15 ms', '30 ms']
    """
    if estimate.doubt or estimate.low == estimate.high:
        return [estimate.doubt or "-", "-"]
    return [quantity(estimate.low, unit), quantity(estimate.high, unit)]


def in_sight(table, rest, few=4):
    """Part a long table into the rows that a person needs first and the others, folded.

    Parameters
    ----------
    table : dict
        A table of a view, what matters most first.
    rest : str
        Caption of the others, with `{}` for how many they are.
    few : int
        How many rows stand open.

    Returns
    -------
    list of dict
        The table, and one of the others where there are any.

    Examples
    --------
    >>> long = {"caption": "Sources", "rows": [["a"], ["b"], ["c"]], "highlight": [1]}
    >>> first, rest = in_sight(long, "The other {}", few=1)
    >>> rest["caption"], rest["rows"], rest["highlight"], first["highlight"]
    ('The other 2', [['b'], ['c']], [0], [])
    """
    many = len(table["rows"])
    if many <= few:
        return [table]
    by_row = [key for key in ("rows", "levels", "links", "swatches") if key in table]

    def part(start, end):
        high = [i - start for i in table["highlight"] if start <= i < end]
        return table | {key: table[key][start:end] for key in by_row} | {"highlight": high}

    others = {"caption": rest.format(f"{many - few:,}"), "fold": True}
    return [part(0, few), part(few, many) | others]


def card_notes(card, named=True, enters=True):
    """Say what a reader should know before trusting a card's numbers.

    Parameters
    ----------
    card : Card
        One deployment under a load; its label leads where it has one.
    named : bool
        Whether they are messages that name it, and not sentences alone.
    enters : bool
        Whether a rent can be entered beside it.

    Returns
    -------
    list of dict
        Messages; list of str where they are not named.
    """
    lead = f"{card.label}: " if card.label != card.deployment.title else ""
    d = card.deployment
    end = ": enter the card rent for prices." if enters else ", so nothing here has a price."
    rent = f"The catalogue has no rent for {d.gpu.name}{end}"
    lacks = d.usd_h is None and not d.gpu_usd_h
    texts = [rent if note.about == "rent" and lacks else note.text for note in card.warnings]
    if not named:
        return texts
    return [{"level": "info", "field": "", "text": lead + text} for text in texts]


def frame(form, state, title, lead, controls, **parts):
    """Put a view together; parts left out are empty.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    title, lead : str
        Its name, and one sentence on what it answers.
    controls : list of dict
        Its controls.
    **parts : object
        headline, status, tables, sentences, messages, figure, groups, remedies, texts, behind.

    Returns
    -------
    dict
        The view, which `json.dumps` takes as it is.
    """
    empty: dict = {
        "headline": [],
        "status": {"level": "good", "text": ""},
        "tables": [],
        "sentences": [],
        "messages": [],
        "figure": None,
    }
    if state.get(learnt.NAME):
        controls = [*controls, _learnt(form, state)]
    head = {"name": form.name, "title": title, "lead": lead, "controls": controls}
    view = head | empty | parts | {"query": form.query(state)}
    return view | {"headline": [_placed(item) for item in view["headline"]]}


def _learnt(form, state):
    """Whose measurements the estimates stand on: the reader's, or again strangers' alone."""
    choices = [(state[learnt.NAME], learnt.words(state[learnt.NAME]), ""), ("", "strangers'", "")]
    return c.select(form.by_name[learnt.NAME], state, choices)


def _placed(item):
    """Say a headline's interval in words, and where its marks stand on a bar from zero."""
    span = item.get("span")
    if not span:
        return item
    bound = span.pop("bound", "limit")
    known = {name: value for name, value in span.items() if value is not None}
    longest = max(known.values())
    at = {name: round(100 * value / longest, 2) if longest else 0 for name, value in known.items()}
    money = item["value"].startswith("$")
    shown = {n: f"${value:,.2f}" if money else digits(value, 3) for n, value in known.items()}
    said = f"{shown['low']} to {shown['high']}"
    said += f", ceiling {shown['ceiling']}" if "ceiling" in known else ""
    if bound and "limit" in known:
        said += f", {bound} {shown['limit']}" if bound == "limit" else f", {shown['limit']} {bound}"
    return item | {"span": span | {"at": at, "text": said}}


def refusal(problem, form, prefix=""):
    """Turn what the kernel refuses into the parts of a view.

    Parameters
    ----------
    problem : BadInput
        What it refused.
    form : Form
        The calculator's inputs.
    prefix : str
        What the names of that deployment's inputs begin with.

    Returns
    -------
    dict
        status and messages.
    """
    name, said = prefix + SHORT.get(problem.field, problem.field), str(problem)
    field = form.by_name.get(name)
    if field and said.startswith(problem.field):  # a person knows the input by its label
        said = field.title + said.removeprefix(problem.field)
    for of_kernel, short in SHORT.items():
        if bound := form.by_name.get(prefix + short):
            said = said.replace(f"({of_kernel})", f"({bound.label})")
    return {
        "status": {"level": "bad", "text": "These inputs do not go together."},
        "messages": [{"level": "error", "field": name, "text": said}],
    }
