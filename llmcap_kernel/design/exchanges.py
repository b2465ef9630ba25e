"""What a little more would buy, and what would have to give where nothing meets every limit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .. import catalog, toolbox
from ..explain import capitalised, counted, quantity
from ..refuse import BadInput
from ..spec import Slo, Workload
from .cards import Card, card
from .copies import Asked, Choice, could_hold, judged, most_answered_rps, within_rent
from .limits import limit_title
from .rows import Row, RowList, cost, row_of
from .search import Search, search
from .space import Block, Quality, bits
from .step_tokens import with_other_steps
from .users import users_within

DOLLAR = 1.0
NOTICED = 0.02  # part of a gap: less is no shorter one
GAP_S = 0.010
MORE_TOKENS = 1000
NEAREST = 400  # misses that are tried with another load
CHEAPER = 100  # of those that have to give a latency, how many are priced
STEPS = 32  # lengths that are tried
# Formats below those that are tried, by what an engine is served in.
NARROWER = {"llama.cpp": ("gguf-q3-k-m", "gguf-q2-k")}
NARROWER_ELSEWHERE = ("fp8", "int4-awq")
UNITS = {"budget": "USD/h", "cost": "USD/Mtok"}


@dataclass(frozen=True)
class Exchange:
    """What a little more of something buys.

    Attributes
    ----------
    what : str
        "steps", "dollar", "gap", "context", "weights", "cache" or "model": what there is more of,
        or another number of tokens in a step.
    sentence : str
        What it buys, in words.
    choice : Choice or None
        The candidate that it leads to; None where it leads to none.
    usd_h : float or None
        Rent above the answer's; None where it is the same deployment [USD/h].
    """

    what: str
    sentence: str
    choice: Choice | None = None
    usd_h: float | None = None


def exchange_rates(found: Search) -> tuple[Exchange, ...]:
    """Say what one more dollar an hour, 10 ms, 1 000 tokens and a step of quality would buy.

    Parameters
    ----------
    found : Search
        A search with an answer.

    Returns
    -------
    tuple of Exchange
        One for each that the search can tell; empty without an answer.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> found = search(
    ...     WORKED_WORKLOAD, WORKED_SLO, models=["llama-3.1-70b"], gpus=["h100-sxm"], tps=[2, 4]
    ... )
    >>> [one.what for one in exchange_rates(found)]
    ['dollar', 'gap', 'context', 'weights', 'cache']
    """
    best = found.winner
    if best is None:
        return ()
    told = (
        _steps(found, best),
        _dollar(found, best),
        _gap(found, best),
        _context(found, best),
        _step(found, best, "weights", "bits of a weight", lambda b: bits(b.weights)),
        _step(found, best, "cache", "bits of the cache", lambda b: bits(b.kv)),
        _step(found, best, "model", "parameters", lambda b: b.model.params),
    )
    return tuple(one for one in told if one is not None)


def _steps(found: Search, best: Choice) -> Exchange | None:
    """A cheaper candidate, where steps of another size let it meet every limit."""
    one = with_other_steps(found)
    if one is None:
        return None
    less = one.usd_h_all - best.usd_h_all
    price = _rent(less)
    if abs(less) < 0.005 and one.usd_mtok and best.usd_mtok:
        prices = (quantity(x.usd_mtok.value, "USD/Mtok") for x in (one, best) if x.usd_mtok)
        price = " of output in place of ".join(prices)
    change = _steps_of(found, one)
    head = capitalised(change.words)
    meets = "meet" if one.copies > 1 else "meets"
    return Exchange("steps", f"{head}: {one.title} {meets} every limit, at {price}.", one, less)


def _steps_of(found: Search, one: Choice) -> "Change":
    """The tokens of a step that a candidate has in place of the engine's own."""
    own = found.space[one.number].batch_limit_tokens
    return Change("steps", own, one.deployment.batch_limit_tokens)


def _more(row: Row, best: Row) -> float | None:
    more = row.usd_h - best.usd_h
    return more if math.isfinite(more) else None


def _rent(more: float | None) -> str:
    """Rent beside the answer's, in words."""
    if more is None:
        return "a rent that is not known"
    if abs(more) < 0.005:
        return "the same rent"
    return f"{quantity(abs(more), 'USD/h')} {'more' if more > 0 else 'less'}"


def _dollar(found: Search, best: Choice) -> Exchange | None:
    """The least gap within one more dollar, or the next dearer one that is faster."""
    own = found.rows[best.number]
    if not math.isfinite(own.usd_h):
        return None
    least_s = own.itl_s * (1 - NOTICED)
    faster = [i for i in found.order if found.rows[i].itl_s < least_s]
    within = [i for i in faster if found.rows[i].usd_h <= own.usd_h + DOLLAR]
    if within:
        at = min(within, key=lambda i: found.rows[i].itl_s)
    elif faster:
        at = min(faster, key=lambda i: (found.rows[i].usd_h, found.rows[i].itl_s))
    else:
        text = "No candidate within the limits has a shorter gap than the answer, at any rent."
        return Exchange("dollar", text)
    row, more = found.rows[at], _more(found.rows[at], own)
    head = "One more dollar an hour buys"
    choice = found.choice(at)
    buys = (
        f"a mean gap of {quantity(row.itl_s, 's')} in place of {quantity(own.itl_s, 's')}: "
        f"{choice.title}"
    )
    text = f"{head} {buys}, at {_rent(more)}."
    if not within:
        text = f"{head} no other candidate with a shorter gap; {_rent(more)} buys {buys}."
    return Exchange("dollar", text, choice, more)


def _is_gap(name: str) -> bool:
    return name == "latency" or name.startswith(("itl", "tpot"))


def _gap(found: Search, best: Choice) -> Exchange | None:
    """The cheapest candidate where every limit on the gap is 10 ms longer."""
    bounds = [x.bound for x in best.limits if _is_gap(x.name)]
    if not bounds:
        return None
    slo = found.asked.slo
    tails = (replace(t, bound_s=t.bound_s + GAP_S) if _is_gap(t.name) else t for t in slo.tails)
    longer = replace(slo, itl_s=slo.itl_s and slo.itl_s + GAP_S, tails=tuple(tails))
    allowed = quantity(max(bounds) + GAP_S, "s")
    head = f"10 ms more between tokens ({allowed} allowed)"
    choice = _cheaper(found, longer)
    if choice is not None:
        less = _more(row_of(choice), found.rows[best.number])
        saved = f"{head} saves money: {choice.title}, {_saved(found, choice, less)}."
        return Exchange("gap", saved, choice, less)
    now, then = (_served_within(found, best, slo) for slo in (slo, longer))
    consequence = f"the answer serves {then} in place of {now}"
    if then == now:
        consequence = f"and the answer serves no more than {now}"
    cheaper = "price of a token" if found.rank == "usd_mtok" else "rent"
    return Exchange("gap", f"{head} lower no {cheaper}; {consequence}.")


def _cheaper(found: Search, slo: Slo) -> Choice | None:
    """The answer under other limits, where it costs less than under its own.

    Candidates are judged again: the copies that a load takes depend on the limits.
    """
    best = _again(found, found.asked._replace(slo=slo), found.choices).winner
    if best is None:
        return None
    then, now = (cost(row, found.rank)[0] for row in (row_of(best), found.rows[found.order[0]]))
    return best if then < now else None


def _saved(found: Search, choice: Choice, less: float | None) -> str:
    """What a cheaper candidate costs beside the answer, in the price that ranks them."""
    own = found.rows[found.order[0]].usd_mtok
    if found.rank == "usd_h" or choice.usd_mtok is None:
        return _rent(less)
    prices = (quantity(price, "USD/Mtok") for price in (choice.usd_mtok.value, own))
    return " of output in place of ".join(prices)


def _served_within(found: Search, best: Choice, slo: Slo) -> str:
    """Users that one copy of the answer serves within limits, or requests a second."""
    if found.asked.rate is None:
        users = users_within(best.deployment, best.workload, slo).value
        return counted(int(users), "user")
    answered = most_answered_rps(found.space[best.number], found.asked._replace(slo=slo))
    return f"{answered:.3g} requests/s{' a copy' if best.copies > 1 else ''}"


def _context(found: Search, best: Choice) -> Exchange:
    """The answer with prompts 1 000 tokens longer."""
    if found.asked.rate is not None:
        return _context_of_a_rate(found, best)
    load = best.workload
    longer = replace(load, input_tokens=load.input_tokens + MORE_TOKENS)
    then = card(best.deployment, longer, best.slo)
    head = f"1,000 more tokens of prompt leave room for {_room(then)} users"
    gap = ""
    if then.estimates and best.estimates:
        now_s, then_s = (c.expected.itl_s.value for c in (best, then))
        gap = f", and a mean gap of {quantity(then_s, 's')} in place of {quantity(now_s, 's')}"
    ends = "" if then.meets_all else f"; the answer then misses the {then.limits[0].title}"
    return Exchange("context", f"{head} in place of {_room(best)}{gap}{ends}.")


def _context_of_a_rate(found: Search, best: Choice) -> Exchange:
    """The copies of the answer that take prompts 1 000 tokens longer at the same rate."""
    load = found.asked.workload
    longer = replace(load, input_tokens=load.input_tokens + MORE_TOKENS)
    then = judged(found.space[best.number], found.asked._replace(workload=longer), best.number)
    head = "1,000 more tokens of prompt"
    if not then.meets_all:
        return Exchange("context", f"{head}: the answer then misses the {then.limits[0].title}.")
    more = _more(row_of(then), found.rows[best.number])
    copies = f"{then.copies:,} {'copies' if then.copies > 1 else 'copy'}"
    text = f"{head} take {copies} in place of {best.copies:,}, at {_rent(more)}."
    return Exchange("context", text)


def _room(made: Card) -> str:
    return f"{made.max_concurrent:,}"


def _step(
    found: Search, best: Choice, what: str, words: str, of: Callable[[Block], float]
) -> Exchange | None:
    """The cheapest with more of a quality and no less of the others."""
    block = found.space.block(best.number)
    all_of = (lambda b: bits(b.weights), lambda b: bits(b.kv), lambda b: float(b.model.params))

    def better(i: int) -> bool:
        other = found.space.block(i)
        return of(other) > of(block) and all(q(other) >= q(block) for q in all_of)

    if not any(of(other) > of(block) for other in found.space.blocks):
        return None
    good = next((i for i in found.order if better(i)), None)
    if good is None:
        return Exchange(what, f"More {words} meet the limits on none of the candidates.")
    more = _more(found.rows[good], found.rows[best.number])
    choice = found.choice(good)
    value = f"{of(found.space.block(good)):,.4g}"
    if what == "model":
        value = f"{choice.deployment.model.params / 1e9:,.3g} billion"
    return Exchange(what, f"{value} {words}: {choice.title}, at {_rent(more)}.", choice, more)


class Change(NamedTuple):
    """One requirement, less strict.

    Attributes
    ----------
    what : str
        Name of a limit, or "users", "context", "format" or "steps".
    before, after : float
        What is asked, and what would have to be: in the limit's unit, tokens, users or bits.
        Steps of other tokens are no less of anything.
    """

    what: str
    before: float
    after: float

    @property
    def factor(self) -> float:
        """How many times less strict."""
        if self.what == "steps":
            return 1.0
        return max(self.before, self.after) / max(min(self.before, self.after), 1e-12)

    @property
    def words(self) -> str:
        """The change in a few words."""
        if self.what == "users":
            return f"{self.after:,.0f} users in place of {self.before:,.0f}"
        if self.what == "context":
            return f"prompts of {self.after:,.0f} tokens in place of {self.before:,.0f}"
        if self.what == "format":
            return f"weights of {self.after:.3g} bits in place of {self.before:.3g}"
        if self.what == "steps":
            own, other = f"{self.before:,.0f}", f"{self.after:,.0f}"
            return f"steps of {other} tokens in place of {own} (max_num_batched_tokens)"
        unit = UNITS.get(self.what, "s")
        after, before = (quantity(value, unit) for value in (self.after, self.before))
        return f"{limit_title(self.what)} of {after} in place of {before}"


@dataclass(frozen=True)
class Relaxation:
    """The smallest change of a requirement, or of two, with which something meets all.

    Attributes
    ----------
    changes : tuple of Change
        What has to give.
    choice : Choice
        The cheapest deployment that then meets every limit, judged as it was asked.
    """

    changes: tuple[Change, ...]
    choice: Choice

    @property
    def factor(self) -> float:
        """How many times less strict, all changes together."""
        return math.prod(change.factor for change in self.changes)

    @property
    def sentence(self) -> str:
        """The changes, and what they lead to."""
        given = " and ".join(change.words for change in self.changes)
        rent = self.choice.usd_h_all
        price = f", {quantity(rent, 'USD/h')}" if rent else ""
        return f"{given}: {self.choice.title}{price}"


def relaxations(found: Search, most: int = 6) -> tuple[Relaxation, ...]:
    """Find the smallest changes with which something would meet every limit.

    Parameters
    ----------
    found : Search
        A search without an answer.
    most : int
        Most that are told.

    Returns
    -------
    tuple of Relaxation
        Each requirement alone, then pairs, the least change first; empty where there is an
        answer.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> none = search(
    ...     WORKED_WORKLOAD, WORKED_SLO, models=["llama-3.1-70b"], gpus=["h100-sxm"], tps=[1]
    ... )
    >>> [one.changes[0].what for one in relaxations(none)]
    ['format']
    """
    if found.order:
        return ()
    slower = list(_slower(found))
    tuned = with_other_steps(found)
    alone = [
        *([Relaxation((_steps_of(found, tuned),), tuned)] if tuned else ()),
        *(*_limits_alone(found, 1), *_users(found), *_shorter(found), *_narrower(found)),
        *(one for one in slower if len(one.changes) == 1),
    ]
    enough = {one.changes[0].what: one.factor for one in alone}
    pairs = [
        pair
        for pair in (
            *(_limits_alone(found, 2) if len(alone) < most else ()),
            *(one for one in slower if len(one.changes) > 1),
        )
        if all(c.factor < enough.get(c.what, math.inf) for c in pair.changes)
    ]
    if not alone and not pairs:
        pairs = [*_narrower_and_a_limit(found), *_at_half(found)]
    ranked = [sorted(some, key=lambda r: (r.factor, r.choice.usd_h_all)) for some in (alone, pairs)]
    return tuple((ranked[0] + ranked[1])[:most])


def _bound(found: Search, name: str) -> float:
    """What a limit asks, of all copies."""
    slo = found.asked.slo
    known = {"budget": slo.usd_h, "cost": slo.usd_mtok, "latency": slo.itl_s, "prefill": slo.ttft_s}
    known |= {tail.name: tail.bound_s for tail in slo.tails}
    return float(known[name] or 0.0)


def _limits_alone(found: Search, together: int) -> Iterator[Relaxation]:
    """Limits of which so many have to give: for each set of them, the least change."""
    least: dict[tuple[str, ...], int] = {}
    # what misses a latency with one request in flight was not asked for the copies of a rate
    told = set(UNITS) if found.asked.rate is not None else None

    def over(i: int) -> tuple[float, ...]:
        row = found.rows[i]
        factor = math.prod(1 / row.headrooms[name] for name in row.missed())
        return (round(factor, 9), *cost(row, found.rank))

    for i, row in enumerate(found.rows):
        names = tuple(sorted(row.missed()))
        movable = "capacity" not in names and (told is None or told >= set(names))
        movable = movable and all(row.headrooms[n] > 0 for n in names)
        if len(names) != together or not movable:
            continue
        if names not in least or over(i) < over(least[names]):
            least[names] = i
    for names, i in least.items():
        changes = []
        for name in names:
            asked = _bound(found, name)
            needed = asked / found.rows[i].headrooms[name]
            after = math.ceil(100 * needed - 1e-6) / 100 if name in UNITS else _up(needed)
            changes.append(Change(name, asked, after))
        yield Relaxation(tuple(changes), found.choice(i))


def _slower(found: Search) -> Iterator[Relaxation]:
    """Latencies that have to give for a rate, in as many copies as the rent allows.

    For each set of them the least change, and larger ones that take half of its rent: what fewer
    copies have is no shorter, and costs less.
    """
    by_names: dict[tuple[str, ...], list[tuple[float, Choice]]] = {}
    for i in found.misses[:NEAREST] if found.asked.rate is not None else ():
        one = within_rent(found.space[i], found.asked, i)
        missed = [x for x in one.limits if not x.holds] if one else []
        if one is not None and missed and all(x.unit == "s" and x.headroom for x in missed):
            names = tuple(sorted(x.name for x in missed))
            over = math.prod(1 / x.headroom for x in missed)
            by_names.setdefault(names, []).append((over, one))
    for names, known in by_names.items():
        rent = math.inf
        for _, one in sorted(known, key=lambda pair: pair[0])[:CHEAPER]:
            values = {x.name: x.estimate.value for x in one.limits}
            changes = tuple(Change(n, _bound(found, n), _up(values[n])) for n in names)
            eased = found.asked._replace(slo=_eased(found.asked.slo, changes))
            made = judged(found.space[one.number], eased, one.number)
            if made.usd_h_all < rent / 2:
                rent = made.usd_h_all
                yield Relaxation(changes, made)


def _eased(slo: Slo, changes: Sequence[Change]) -> Slo:
    """The limits with those latencies that the changes name as they would have to be."""
    after = {change.what: change.after for change in changes}
    tails = tuple(replace(tail, bound_s=after.get(tail.name, tail.bound_s)) for tail in slo.tails)
    itl_s, ttft_s = after.get("latency", slo.itl_s), after.get("prefill", slo.ttft_s)
    return replace(slo, itl_s=itl_s, ttft_s=ttft_s, tails=tails)


def _up(value: float) -> float:
    """Round up to three figures, so that what is told is enough."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / step - 1e-9) * step


def _users(found: Search) -> Iterator[Relaxation]:
    users = found.asked.workload.concurrency
    if found.asked.rate is None and users > 1:
        counts = _descending(users, 1, 1)
        yield from _other_load(found, "users", users, counts, toolbox.change_batch)


def _shorter(found: Search) -> Iterator[Relaxation]:
    load = found.asked.workload
    lengths = _descending(load.input_tokens, 1, 1000 if load.input_tokens > 2000 else 1)
    yield from _other_load(found, "context", load.input_tokens, lengths, toolbox.shorten_context)


def _descending(top: int, least: int, whole: int) -> list[int]:
    """Some whole numbers below the top, in steps of a multiple, the largest first."""
    step = max(-(-(top - least) // STEPS) // whole * whole, whole)
    below = range((top - 1) // step * step, least - 1, -step)
    return [n for n in below if n >= least] or [least]


def _other_load(
    found: Search,
    what: str,
    before: int,
    values: Sequence[int],
    load_at: Callable[[Workload, int], Workload],
) -> Iterator[Relaxation]:
    """The largest of some values at which something meets every limit, by bisection."""
    fixed = {"budget"}
    tried = [i for i in found.misses if not fixed & set(found.rows[i].missed())][:NEAREST]

    def asked(value: int) -> Asked:
        return found.asked._replace(workload=load_at(found.asked.workload, value))

    def good(value: int) -> list[int]:
        if found.asked.rate is None:
            return [i for i in tried if could_hold(found.space[i], asked(value))]
        return [i for i in tried if judged(found.space[i], asked(value)).meets_all]

    if not tried or not (kept := good(values[-1])):
        return
    low, high, at = -1, len(values) - 1, values[-1]
    while high - low > 1:
        middle = (low + high) // 2
        if some := good(values[middle]):
            # whoever fails here fails at more
            high, at, kept, tried = middle, values[middle], some, some
        else:
            low = middle
    made = (judged(found.space[i], asked(at), i) for i in kept)
    best = min(made, key=lambda one: (one.usd_h_all or math.inf, one.number))
    yield Relaxation((Change(what, before, at),), best)


def _narrower(found: Search) -> Iterator[Relaxation]:
    """The widest formats below those that were tried in which something meets every limit."""
    for change, other in _in_narrower(found):
        if other.winner is not None:
            yield Relaxation((change,), other.winner)
            return


def _narrower_and_a_limit(found: Search) -> Iterator[Relaxation]:
    """The widest formats in which one limit alone has to give beside them."""
    for change, other in _in_narrower(found):
        if some := list(_limits_alone(other, 1)):
            yield from (replace(one, changes=(change, *one.changes)) for one in some)
            return


def _in_narrower(found: Search) -> Iterator[tuple[Change, Search]]:
    """The same search in each narrower format, the widest first."""
    least = min(bits(block.weights) for block in found.space.blocks)
    families = {block.engine.family for block in found.space.blocks}
    names = {n for f in families for n in NARROWER.get(f, NARROWER_ELSEWHERE)}
    below = sorted((f for f in map(catalog.format, names) if bits(f) < least), key=bits)
    given = found.choices
    bar = given.get("quality")
    eased = replace(bar, weight_bits=0.0) if isinstance(bar, Quality) else None
    for narrow in reversed(below):
        choices = {**given, "weights": (narrow.name,), "quality": eased}
        try:
            other = _again(found, found.asked, choices)
        except BadInput:
            continue
        yield Change("format", least, bits(narrow)), other


def _again(found: Search, asked: Asked, choices: Mapping[str, Any]) -> Search:
    """Another search, made as this one was: candidate by candidate, or as arrays."""
    return search(
        asked.workload,
        asked.slo,
        most_copies=asked.most_copies,
        rate=asked.rate,
        desk_cards=asked.desk_cards,
        rank=found.rank,
        arrays=not isinstance(found.rows, RowList),
        **choices,
    )


def _at_half(found: Search) -> Iterator[Relaxation]:
    """One limit beside half the users, or half the prompt."""
    load = found.asked.workload
    halves = (
        ("users", load.concurrency, toolbox.change_batch),
        ("context", load.input_tokens, toolbox.shorten_context),
    )
    for what, before, load_at in halves:
        if before < 2 or (what == "users" and found.asked.rate is not None):
            continue
        half = before // 2
        asked: Asked = found.asked._replace(workload=load_at(load, half))
        other = _again(found, asked, found.choices)
        if other.order:
            yield Relaxation((Change(what, before, half),), other.found[0])
            continue
        for one in _limits_alone(other, 1):
            yield replace(one, changes=(Change(what, before, half), *one.changes))
