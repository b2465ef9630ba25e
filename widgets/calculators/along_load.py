"""Compare along a load: curves over users or tokens, and where they end and cross."""

import math
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, combinations, pairwise

from llmcap_kernel import capacity, sweep
from llmcap_kernel.explain import capitalised, counted, digits
from llmcap_kernel.simulation.percentiles import users_in_prompts
from llmcap_kernel.sweep import OBSTACLES

from ..figures.curves import curves_with_bands
from ..form.inputs import MOST_TOKENS, MOST_USERS
from .answers import listed
from .question import tables, times_ahead
from .turns import why

SAMPLES = 24  # points of a curve, besides the rows of its table
MOST_FRACTION = 0.95  # of the memory, which engines still start with
COUNTS = ("users", "requests")  # what is no length
FAR = 100  # times ahead: a queue that grows has no end
STAIRS = 8  # users: below, a count is drawn step by step


class Curve:
    """One deployment along the variable; every reading is made once."""

    def __init__(self, question, label):
        self.label, self.question = label, question
        deployment = question.columns[label]
        at_load, at_rate = cache(question.load_at), question.rate_at
        self._obstacle = cache(lambda x: sweep.obstacle(deployment, at_load(x), at_rate(x)))
        self.at = cache(
            lambda x: question.measure(deployment, at_load(x), at_rate(x), self._obstacle(x))
        )
        self._load = at_load

    def value(self, x):
        made = self.at(x)
        return None if made is None else made.value

    def obstacle(self, x):
        """What is in the way at x; room for all is not asked where the users are counted."""
        name = self._obstacle(x)
        return "" if name in ("room", "rate") and not self.question.has_ceiling else name

    def misses(self, x):
        """Whether the limit is missed at x; None where there is nothing to hold against it."""
        value = self.value(x)
        return None if value is None else self.question.misses(value, self._load(x))

    def sure(self, x):
        """Whether the worse end of the interval keeps the limit at x; None without one."""
        level = self.level(x)
        return None if level is None else level == "good"

    def is_far(self, x, start):
        """Whether a queue at x is so long that a picture of it shows little of the rest."""
        first, value = self.value(start), self.value(x)
        return bool(first and value) and value > FAR * first

    def level(self, x):
        """How the cell at x is coloured."""
        return self.question.level(self.at(x), self._load(x))


def parts(question):
    """Make the parts of a view that draw curves.

    Parameters
    ----------
    question : Question
        What is asked, with a number of the load to move.

    Returns
    -------
    dict
        status, figure, tables, sentences and messages.
    """
    low, high, messages = _range(question)
    curves = [Curve(question, label) for label in question.columns]
    now = question.now
    is_inside = now is not None and low <= now <= high
    even = low == 0
    rows = _round_stops(low, high, question.name == "users", even)
    spread = sweep.whole_stops(low, high, SAMPLES, even=even)
    stops = sorted({*spread, *rows} | ({now} if is_inside else set()))
    ends = {curve.label: sweep.turns(curve.obstacle, stops) for curve in curves}
    edges = [turn for found in ends.values() for turn in found]
    if not question.has_ceiling:
        edges += [turn for curve in curves for turn in _stairs(curve, stops)]
    if question.tail:
        edges += [turn for curve in curves for turn in sweep.turns(curve.misses, stops)]
    if question.name == "requests":
        # a queue grows most just before the last number that is answered
        known = sorted({*stops, *(turn.at - 1 for turn in edges)})
        far = (partial(curve.is_far, start=low) for curve in curves)
        edges += [turn for is_far in far for turn in sweep.turns(is_far, known)]
    # Curves are drawn to the very last number that fits, stairs as stairs, and the jump of a
    # percentile over its limit as a jump.
    stops = sorted({*stops, *(x for turn in edges for x in (turn.at - 1, turn.at))})
    if is_inside:
        rows = sorted({*rows, now})
    found = sweep.leads(
        lambda x: {curve.label: curve.at(x) for curve in curves}, stops, less=question.what.less
    )
    status, more = _status(question, curves, found, stops)
    return {
        "status": status,
        "figure": _figure(question, curves, stops, rows, now, even),
        "tables": _tables(question, curves, rows, now),
        "sentences": [
            *more,
            *_crossings(question, curves, stops, found),
            *_limits(question, curves, stops),
            *_ends(question, ends, stops, curves),
            *_better_with_length(question, curves, rows),
            *_jumps(question, curves, stops),
            question.words(),
        ],
        "messages": messages,
    }


def _stairs(curve, stops):
    """Find the steps of a count where it is so small that they show."""
    low = [x for x in stops if (curve.value(x) or 0) <= STAIRS]
    return sweep.turns(curve.value, low)


def _range(question):
    """Choose where the sweep begins and ends, around the inputs unless it is given."""
    columns = question.columns.values()
    low, high = sweep.usual_range(question.load, question.variable.load, columns)
    given_low, given_high = question.state["from"], question.state["to"]
    least = {"prefix": 0, "ctx": 2}.get(question.name, 1)
    most = {"users": MOST_USERS, "prefix": question.load.input_tokens}
    most = most.get(question.name, MOST_TOKENS)
    a = low if given_low is None else min(max(given_low, least), most)
    b = high if given_high is None else min(max(given_high, least), most)
    if given_low is not None and given_high is None:
        b = max(b, min(2 * a, most))
    if given_high is not None and given_low is None:
        a = min(a, max(b // 2, least))
    if a < b:
        return a, b, []
    text = f"From {a:,} to {b:,} is no range: shown from {low:,} to {high:,} instead."
    field = "from" if given_low is not None else "to"
    return low, max(high, low + 1), [{"level": "warning", "field": field, "text": text}]


def _round_stops(low, high, users, even):
    """The rows of the table: powers of two of users, 1-2-5 of tokens, tenths where it is even."""
    if even:
        tenth = (high - low) / 10
        power = 10 ** math.floor(math.log10(tenth))
        step = max(next(s * power for s in (1, 2, 5, 10) if s * power >= tenth), 1)
        inner = list(range(0, high + 1, int(step)))
    elif users:
        inner = [2**n for n in range(18)]
    else:
        inner = [step * 10**n for n in range(8) for step in (1, 2, 5)]
    return sorted({low, *(x for x in inner if low < x < high), high})


MOST_STRETCHES = 3  # of the range, that a verdict names
NARROW = 0.1  # of the axis: two that are level on so little are passing each other


@dataclass(frozen=True)
class Stretch:
    """A part of the range with one answer to who is ahead: the leads that it is made of."""

    leads: tuple

    @property
    def start(self):
        return self.leads[0].start

    @property
    def end(self):
        return self.leads[-1].end

    @property
    def leader(self):
        """Who leads on all of it; "" where that changes."""
        names = {one.leader for one in self.leads}
        return names.pop() if len(names) == 1 else ""

    @property
    def names(self):
        """Between whom the order is not known; else who leads."""
        every = ((*one.leader.split(" and "), *one.rivals) for one in self.leads)
        return frozenset(chain.from_iterable(every))

    @property
    def sometimes(self):
        """Those of them who are close on a part only."""
        return self.names - frozenset.intersection(*(Stretch((one,)).names for one in self.leads))

    def goes_on(self, other):
        """Whether the next part has the same answer."""
        if self.end + 1 != other.start or self.is_close != other.is_close:
            return False
        return self.names == other.names or (bool(self.leader) and self.leader == other.leader)

    @property
    def is_close(self):
        return any(one.rivals for one in self.leads)

    @property
    def is_level(self):
        """Whether nobody is ahead of another, on the same rows."""
        return not self.is_close and " and " in self.leads[0].leader


def _status(question, curves, leads, stops):
    """Say who is ahead, by parts of the range.

    Gives the status, and what is said of each part in a sentence below where they are many.
    """
    every = _stretches(leads)
    if not every:
        why = ", ".join(f"{curve.label}: {OBSTACLES[curve.obstacle(stops[0])]}" for curve in curves)
        text = f"None has a number anywhere on this range ({why})."
        return {"level": "bad", "text": text}, []
    wide = sorted(every, key=lambda one: _width(one, stops), reverse=True)
    named = [one for one in every if one in wide[:MOST_STRETCHES]]
    text = _said(question, curves, named, stops)
    more = []
    if len(named) < len(every):
        rest = len(every) - len(named)
        text += f" The lead changes in {counted(rest, 'shorter part')}, as said below."
        more = [_said(question, curves, every, stops)]
    text = " ".join(filter(None, (text, _held_in_part(question, curves))))
    turned = _turned(question, curves, named)
    met = any(curve.misses(x) is False for curve in curves for x in stops)
    is_known = not any(one.is_close for one in every)
    status = {"level": "good" if met and is_known else "warn", "text": text}
    return status | ({"beside": turned} if turned else {}), more


def _turned(question, curves, stretches):
    """Say what turns the answer where two parts that are named meet."""
    meet = ((a, b) for a, b in pairwise(stretches) if a.end + 1 == b.start)
    reasons = [said for said in (why(question, curves, a, b) for a, b in meet) if said]
    return f"What turns it: {'; '.join(reasons)}." if reasons else ""


def _stretches(leads):
    """Put leads side by side with one answer together; who pass each other are not named level."""
    out: list = []
    for one in leads:
        new = Stretch((one,))
        if out and out[-1].goes_on(new):
            out[-1] = Stretch((*out[-1].leads, one))
        else:
            out.append(new)
    whole = math.log((out[-1].end + 1) / max(out[0].start, 1)) if out else 0
    beside = zip([None, *out], out, [*out[1:], None], strict=False)
    passing = [
        one
        for before, one, after in beside
        if one.is_level and _log_width(one) < NARROW * whole
        if any(side and side.names <= one.names for side in (before, after))
    ]
    return [one for one in out if one not in passing]


def _log_width(one):
    return math.log((one.end + 1) / max(one.start, 1))


def _width(stretch, stops):
    """How much of the axis a part of the range takes, which is even where it begins at zero."""
    return _log_width(stretch) if stops[0] else stretch.end - stretch.start


def _said(question, curves, stretches, stops):
    """Say of each part of the range who is ahead there."""
    word, out, alone = question.variable.word, [], []  # type: str, list[str], list[str]
    for i, one in enumerate(stretches):
        over = _stretch(one.start, one.end, stops[0], stops[-1])
        counted_in = word.removesuffix("s") if one.start == one.end == 1 else word
        over += f" {counted_in}" if i == 0 and not over.endswith("range") else ""
        inside = [x for x in stops if one.start <= x <= one.end]
        out.append(_ahead_words(question, curves, one, inside, over, is_first=not out))
        if not one.is_close:
            alone += _alone(question, curves, inside, one.leads[0].leader)
    return " ".join([f"{'; '.join(out)}.", *alone])


def _ahead_words(question, curves, one, inside, over, *, is_first):
    """Say who is ahead on one part of the range; only the first says of what."""
    noun, leader = question.show.noun, one.leads[0].leader
    if one.is_close:
        favoured = max(one.leads, key=_log_width).leader
        by = _margin(question, curves, inside, favoured).strip(" ()").removesuffix(" of the next")
        lead = f"For the {noun}, " if is_first else ""
        favour = "" if " and " in favoured else f" (the estimates favour {favoured}, {by})"
        return f"{lead}{_level(question, one)} are too close to call {over}{favour}"
    has = f"{_has(leader)} the {noun} " if is_first else ""
    return f"{leader} {has}{over}{_margin(question, curves, inside, leader)}"


def _level(question, one):
    """Who is too close to call, all along and in part."""
    close = [label for label in question.columns if label in one.names]
    if not one.leader or " and " in one.leader:
        return listed(close)
    always = [label for label in close if label not in one.sometimes]
    in_part = listed(label for label in close if label in one.sometimes)
    return f"{listed(always)} and, in part, {in_part}" if in_part else listed(always)


def _has(names):
    return "have" if " and " in names else "has"


def _held_in_part(question, curves):
    """Say of deployments that hold a part of the users how many, and which setting decides."""
    out = []
    for curve in curves:
        d, load = question.columns[curve.label], question.load
        books = capacity.workload_ledger(d, load)
        # of a rate, users follow
        if question.rate_rps or not question.has_ceiling or not books.starts or books.fits:
            continue
        held = f"{curve.label} holds {books.max_concurrent:,} of {load.concurrency:,} users"
        out.append(f"{held}{_decided_by(d, load, books)}.")
    return " ".join(out)


def _decided_by(d, load, books):
    """Name the memory fraction, where a higher one would hold twice as many."""
    if d.fraction >= MOST_FRACTION:
        return ""
    more = capacity.workload_ledger(replace(d, memory_fraction=MOST_FRACTION), load)
    if more.max_concurrent < 2 * books.max_concurrent:
        return ""
    return (
        f" at memory fraction {d.fraction:g}, which decides: at {MOST_FRACTION:g} it would hold "
        f"{more.max_concurrent:,}"
    )


def _stretch(start, end, first, last):
    """Name a part of the range."""
    if start == end != last:
        return f"at {start:,}"
    if start == first:
        return "over the whole range" if end == last else f"up to {end:,}"
    return f"from {start:,} on" if end == last else f"from {start:,} to {end:,}"


def _margin(question, curves, inside, name):
    """How far the leader is ahead of the next at most, or that nobody else fits."""
    known = [times for times in _ahead(question, curves, inside) if times]
    if " and " in name:
        return ", level with each other"
    if not known:
        return f" (the only one that {question.serves})" if len(curves) > 1 else ""
    if max(known) > FAR:
        return f" (at its most over {FAR} times ahead of the next)"
    most, least = digits(max(known)), digits(min(known))
    return f" ({'up to ' if most != least else ''}{most} times ahead of the next)"


def _ahead(question, curves, inside):
    """How many times the best is ahead of the next, at each place; None where it is alone."""
    for x in inside:
        values = [v for v in (curve.value(x) for curve in curves) if v is not None]
        yield times_ahead(values, question.what.less)


def _alone(question, curves, inside, name):
    """Say from where on, or up to where, the leader is the only one that fits."""
    ahead = list(_ahead(question, curves, inside))
    if " and " in name or None not in ahead or not any(ahead):
        return []
    word = question.variable.word
    if ahead[-1] is None:
        start = next(i for i in range(len(ahead)) if not any(ahead[i:]))
        return [f"From {inside[start]:,} {word} on no other {question.serves}."]
    end = next(i for i, times in enumerate(ahead) if times)
    return [f"Up to {inside[end - 1]:,} {word} no other {question.serves}."] if end else []


def _crossings(question, curves, stops, leads):
    """Name every place where two curves change places, and not where that is too close to call."""
    out = []
    word = question.variable.word
    for one, two in combinations(curves, 2):
        found = [
            turn
            for turn in sweep.crossings(one.value, two.value, stops)
            if not _is_close_at(turn.at, {one.label, two.label}, leads)
        ]
        if len(found) > 3:
            out.append(
                f"{one.label} and {two.label} change places {len(found)} times between "
                f"{found[0].at:,} and {found[-1].at:,} {word}: they are close to equal there."
            )
            continue
        for turn in found:
            first_ahead = (turn.after == 1) != question.what.less
            ahead, behind = (one, two) if first_ahead else (two, one)
            out.append(f"{ahead.label} overtakes {behind.label} at {turn.at:,} {word}.")
    return out


def _is_close_at(x, labels, leads):
    """Whether two change places where their order is not known anyway."""
    here = next((one for one in leads if one.start <= x <= one.end), None)
    return here is not None and bool(here.rivals) and labels <= Stretch((here,)).names


def _limits(question, curves, stops):
    """Say from where on each deployment misses the limit, or meets it."""
    if question.limit(question.load) is None:
        return []
    out = []
    for curve in curves:
        known = [x for x in stops if curve.misses(x) is not None]
        if not known:
            continue
        found = [t for t in sweep.turns(curve.misses, stops) if None not in (t.before, t.after)]
        word = question.variable.word
        held = [f"{question.held(turn.after)} from {turn.at:,} {word} on" for turn in found]
        if not found:
            whole = question.held(curve.misses(known[0]))
            held = [f"{whole} wherever it {question.serves} on this range"]
        out.append(f"{curve.label} {', '.join(held)}{_sure(question, curve, stops)}.")
    return out


def _sure(question, curve, stops):
    """Say up to where the whole interval keeps the limit, where that ends on the range."""
    if not question.has_ceiling:
        return ""
    found = [turn for turn in sweep.turns(curve.sure, stops) if turn.before and turn.after is False]
    if not found:
        return ""
    return f"; met, and not only likely, up to {found[0].at - 1:,} {question.variable.word}"


def _better_with_length(question, curves, rows):
    """Say why a longer context is faster, where it is: a wonder to who sees it first."""
    if question.name != "ctx" or question.state["show"] not in ("gap", "rate"):
        return []
    sign = -1 if question.what.less else 1
    for curve in curves:
        known = [(x, curve.value(x)) for x in rows if curve.value(x) is not None]
        if any(sign * (b - a) > 0.005 * a for (_, a), (_, b) in pairwise(known)):
            return [WHY_BETTER]
    return []


def _jumps(question, curves, stops):
    """Say from how many users on a percentile of the gaps is one with a prompt in it."""
    tail = question.tail
    if question.name != "users" or tail is None or tail.quantity != "itl":
        return []
    edges = {}
    for curve in curves:
        longer = 1 - tail.percent / 100
        edge = users_in_prompts(question.columns[curve.label], question.load, longer)
        if stops[0] <= edge < stops[-1] and curve.at(math.floor(edge) + 1) is not None:
            edges[curve.label] = math.floor(edge)
    who = ", ".join(f"{label} with more than {edge:,}" for label, edge in edges.items())
    share = f"{100 - tail.percent:g}% of the gaps have another user's prompt in them"
    return [f"Over {share}, and the percentile jumps: {who} users."] if edges else []


WHY_BETTER = (
    "A longer context can be faster at first: the weights are read for any length, and the pause "
    "for another user's prompt is shared among the tokens of a longer answer."
)


def _ends(question, ends, stops, curves):
    """Say where each curve begins or ends, and why."""
    word = question.variable.word
    out = []
    for curve in curves:
        label, found = curve.label, ends[curve.label]
        if not found:
            obstacle = curve.obstacle(stops[0])
            if obstacle:
                out.append(f"{label} has no curve: {_obstacle_words(question, obstacle)}.")
            elif curve.at(stops[0]) is None:
                out.append(f"{label} has no curve: its card has no rent; enter one.")
            continue
        for turn in found:
            if not turn.before:
                why = _obstacle_words(question, turn.after)
                out.append(f"{label} ends at {turn.at - 1:,} {word}: beyond it, {why}.")
            elif not turn.after:
                out.append(f"{label} begins at {turn.at:,} {word}: below it, "
                           f"{_obstacle_words(question, turn.before)}.")  # fmt: skip
    return out


def _obstacle_words(question, obstacle):
    if obstacle == "length":
        return "engine or model takes no request so long"
    if obstacle == "start":
        return "the cache has no room for one user"
    if obstacle == "rate":
        return "the queue grows without end"
    if question.name == "users":
        return "not all users fit"
    return f"not all {question.load.concurrency:,} users fit"


def _figure(question, curves, stops, rows, now, even):
    drawn = {
        curve.label: [
            question.point(x, curve.at(x), curve.label, x in rows)
            for x in stops
            if curve.at(x) is not None
            if not (question.name == "requests" and curve.is_far(x, stops[0]))
        ]
        for curve in curves
    }
    if not any(drawn.values()):
        return None
    limit = [(x, question.limit(question.load_at(x))) for x in stops]
    limit = [(x, y * question.show.scale) for x, y in limit if y is not None]
    variable, show = question.variable, question.show
    ends = ", ".join(
        f"{label} from {points[0].text.partition(': ')[2]} to {points[-1].text.partition(': ')[2]}"
        for label, points in drawn.items()
        if points
    )
    return curves_with_bands(
        drawn,
        f"{show.label} by {variable.word}, one curve with its interval each: {ends}.",
        x_title=variable.label + ("" if question.name in COUNTS else ", tokens"),
        x_word=variable.word,
        x_log=not even,
        y_title=show.axis,
        now=now,
        limit=limit,
        limit_text=question.limit_text(),
    )


def _tables(question, curves, rows, now):
    word = question.variable.word
    cells = [
        (
            f"{x:,}",
            [(curve.at(x), OBSTACLES[curve.obstacle(x)]) for curve in curves],
            [curve.level(x) for curve in curves],
        )
        for x in rows
    ]
    high = [i for i, x in enumerate(rows) if x == now]
    return tables(question, capitalised(word), [curve.label for curve in curves], cells, high)
