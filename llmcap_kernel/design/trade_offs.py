"""What looser limits would buy, and the least to relax where nothing meets every limit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .. import catalog, toolbox
from ..explain import counted, quantity
from ..refuse import BadInput
from ..spec import Slo, Workload
from .cards import Card, card
from .copies import Choice, Requirements, could_hold, judge, most_answered_rps, within_rent
from .limits import MEAN_LIMITS, is_gap, latency_limits, limit_title
from .rows import Row, RowList, cost, row_of
from .search import Search, search, searched
from .space import Block, Quality, bits
from .users import users_within

DOLLAR = 1.0
NOTICED = 0.02  # share of a gap: a smaller difference does not count as faster
GAP_S = 0.010
MORE_TOKENS = 1000
NEAREST = 400  # nearest misses that are tried with another load
CHEAPER = 100  # candidates with relaxed latencies that are priced
STEPS = 32  # values of a load that are tried
# Narrower formats to try where no candidate meets every limit, by engine.
NARROWER = {"llama.cpp": ("gguf-q3-k-m", "gguf-q2-k")}
NARROWER_ELSEWHERE = ("fp8", "int4-awq")
UNITS = {"budget": "USD/h", "cost": "USD/Mtok"}


@dataclass(frozen=True)
class TradeOff:
    """What a looser limit or a stricter demand would change.

    Attributes
    ----------
    what : str
        "dollar", "gap", "context", "weights", "cache" or "model": what there is more of,
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


def trade_offs(result: Search) -> tuple[TradeOff, ...]:
    """Say what one more dollar an hour, 10 ms, 1 000 tokens and a step of quality would buy.

    Parameters
    ----------
    result : Search
        A search with an answer.

    Returns
    -------
    tuple of TradeOff
        One for each that the search can tell; empty without an answer.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> found = search(
    ...     WORKED_WORKLOAD, WORKED_SLO, models=["llama-3.1-70b"], gpus=["h100-sxm"], tps=[2, 4]
    ... )
    >>> [one.what for one in trade_offs(found)]
    ['dollar', 'gap', 'context', 'weights', 'cache']
    """
    best = result.winner
    if best is None:
        return ()
    listed = (
        _dollar(result, best),
        _gap(result, best),
        _context(result, best),
        _step(result, best, "weights", "bits of a weight", lambda b: bits(b.weights)),
        _step(result, best, "cache", "bits of the cache", lambda b: bits(b.kv)),
        _step(result, best, "model", "parameters", lambda b: b.model.params),
    )
    return tuple(one for one in listed if one is not None)


def _more(row: Row, best: Row) -> float | None:
    extra_usd_h = row.usd_h - best.usd_h
    return extra_usd_h if math.isfinite(extra_usd_h) else None


def _rent(extra_usd_h: float | None) -> str:
    """Write the difference to the answer's rent in words."""
    if extra_usd_h is None:
        return "a rent that is not known"
    if abs(extra_usd_h) < 0.005:
        return "the same rent"
    return f"{quantity(abs(extra_usd_h), 'USD/h')} {'more' if extra_usd_h > 0 else 'less'}"


def _dollar(result: Search, best: Choice) -> TradeOff | None:
    """Find the shortest gap for one more dollar an hour, or the cheapest one that is faster."""
    answer = result.rows[best.number]
    if not math.isfinite(answer.usd_h):
        return None
    noticed_s = answer.itl_s * (1 - NOTICED)
    faster = [i for i in result.order if result.rows[i].itl_s < noticed_s]
    affordable = [i for i in faster if result.rows[i].usd_h <= answer.usd_h + DOLLAR]
    if affordable:
        number = min(affordable, key=lambda i: result.rows[i].itl_s)
    elif faster:
        number = min(faster, key=lambda i: (result.rows[i].usd_h, result.rows[i].itl_s))
    else:
        text = "No candidate within the limits has a shorter gap than the answer, at any rent."
        return TradeOff("dollar", text)
    row, extra_usd_h = result.rows[number], _more(result.rows[number], answer)
    head = "One more dollar an hour buys"
    choice = result.choice(number)
    gain = (
        f"a mean gap of {quantity(row.itl_s, 's')} in place of {quantity(answer.itl_s, 's')}: "
        f"{choice.title}"
    )
    text = f"{head} {gain}, at {_rent(extra_usd_h)}."
    if not affordable:
        text = f"{head} no other candidate with a shorter gap; {_rent(extra_usd_h)} buys {gain}."
    return TradeOff("dollar", text, choice, extra_usd_h)


def _gap(result: Search, best: Choice) -> TradeOff | None:
    """Find the cheapest candidate where every limit on the gap is 10 ms longer."""
    bounds = [x.bound for x in best.limits if is_gap(x.name)]
    if not bounds:
        return None
    slo = result.asked.slo
    tails = (replace(t, bound_s=t.bound_s + GAP_S) if is_gap(t.name) else t for t in slo.tails)
    longer = replace(slo, itl_s=slo.itl_s and slo.itl_s + GAP_S, tails=tuple(tails))
    allowed = quantity(max(bounds) + GAP_S, "s")
    head = f"10 ms more between tokens ({allowed} allowed)"
    choice = _cheaper(result, longer)
    if choice is not None:
        extra_usd_h = _more(row_of(choice), result.rows[best.number])
        sentence = f"{head} saves money: {choice.title}, {_saved(result, choice, extra_usd_h)}."
        return TradeOff("gap", sentence, choice, extra_usd_h)
    current_users, longer_users = (_served_within(result, best, slo) for slo in (slo, longer))
    consequence = f"the answer serves {longer_users} in place of {current_users}"
    if longer_users == current_users:
        consequence = f"and the answer serves no more than {current_users}"
    cheaper = "price of a token" if result.rank == "usd_mtok" else "rent"
    return TradeOff("gap", f"{head} lower no {cheaper}; {consequence}.")


def _cheaper(result: Search, slo: Slo) -> Choice | None:
    """Search again under other limits, and give the answer where it costs less.

    A new search is needed since the number of copies depends on the limits.
    """
    answer, candidates = result.rows[result.order[0]], result.space
    if result.rank == "usd_h" or result.asked.rate is not None:  # a price follows from the rent
        candidates = candidates.below(answer.usd_h)
    if not candidates:
        return None
    asked, arrays = result.asked._replace(slo=slo), _with_arrays(result)
    best = searched(candidates, asked, result.rank, result.choices, arrays=arrays).winner
    if best is None or cost(row_of(best), result.rank)[0] >= cost(answer, result.rank)[0]:
        return None
    return best


def _saved(result: Search, choice: Choice, extra_usd_h: float | None) -> str:
    """Write what a cheaper candidate costs compared with the answer, in the price ranked by."""
    answer_price = result.rows[result.order[0]].usd_mtok
    if result.rank == "usd_h" or choice.usd_mtok is None:
        return _rent(extra_usd_h)
    prices = (quantity(price, "USD/Mtok") for price in (choice.usd_mtok.value, answer_price))
    return " of output in place of ".join(prices)


def _served_within(result: Search, best: Choice, slo: Slo) -> str:
    """Count the users, or requests a second, that one copy of the answer serves within limits."""
    if result.asked.rate is None:
        users = users_within(best.deployment, best.workload, slo).value
        return counted(int(users), "user")
    answered = most_answered_rps(result.space[best.number], result.asked._replace(slo=slo))
    return f"{answered:.3g} requests/s{' a copy' if best.copies > 1 else ''}"


def _context(result: Search, best: Choice) -> TradeOff:
    """Predict the answer with prompts 1 000 tokens longer."""
    if result.asked.rate is not None:
        return _context_of_a_rate(result, best)
    load = best.workload
    longer = replace(load, input_tokens=load.input_tokens + MORE_TOKENS)
    longer_card = card(best.deployment, longer, best.slo)
    head = f"1,000 more tokens of prompt leave room for {_room(longer_card)} users"
    gap = ""
    if longer_card.estimates and best.estimates:
        now_s, then_s = (c.expected.itl_s.value for c in (best, longer_card))
        gap = f", and a mean gap of {quantity(then_s, 's')} in place of {quantity(now_s, 's')}"
    miss = (
        ""
        if longer_card.meets_all
        else f"; the answer then misses the {longer_card.limits[0].title}"
    )
    return TradeOff("context", f"{head} in place of {_room(best)}{gap}{miss}.")


def _context_of_a_rate(result: Search, best: Choice) -> TradeOff:
    """Count the copies of the answer for prompts 1 000 tokens longer at the same rate."""
    load = result.asked.workload
    longer = replace(load, input_tokens=load.input_tokens + MORE_TOKENS)
    longer_choice = judge(
        result.space[best.number], result.asked._replace(workload=longer), best.number
    )
    head = "1,000 more tokens of prompt"
    if not longer_choice.meets_all:
        return TradeOff(
            "context", f"{head}: the answer then misses the {longer_choice.limits[0].title}."
        )
    if longer_choice.copies == best.copies:
        return TradeOff("context", f"{head} take no more copies.")
    extra_usd_h = _more(row_of(longer_choice), result.rows[best.number])
    copies = f"{longer_choice.copies:,} {'copies' if longer_choice.copies > 1 else 'copy'}"
    text = f"{head} take {copies} in place of {best.copies:,}, at {_rent(extra_usd_h)}."
    return TradeOff("context", text)


def _room(card: Card) -> str:
    return f"{card.max_concurrent:,}"


def _step(
    result: Search, best: Choice, what: str, words: str, quality: Callable[[Block], float]
) -> TradeOff | None:
    """Find the cheapest candidate with more of one quality and no less of the others."""
    block = result.space.block(best.number)
    qualities = (lambda b: bits(b.weights), lambda b: bits(b.kv), lambda b: float(b.model.params))

    def better(i: int) -> bool:
        block_i = result.space.block(i)
        return quality(block_i) > quality(block) and all(q(block_i) >= q(block) for q in qualities)

    if not any(quality(block_i) > quality(block) for block_i in result.space.blocks):
        return None
    number = next((i for i in result.order if better(i)), None)
    if number is None:
        return TradeOff(what, f"More {words} meet the limits on none of the candidates.")
    extra_usd_h = _more(result.rows[number], result.rows[best.number])
    choice = result.choice(number)
    value = f"{quality(result.space.block(number)):,.4g}"
    if what == "model":
        value = f"{choice.deployment.model.params / 1e9:,.3g} billion"
    return TradeOff(
        what, f"{value} {words}: {choice.title}, at {_rent(extra_usd_h)}.", choice, extra_usd_h
    )


class Change(NamedTuple):
    """One requirement, less strict.

    Attributes
    ----------
    what : str
        Name of a limit, or "users", "context" or "format".
    before, after : float
        What is asked, and what would have to be: in the limit's unit, tokens, users or bits.
    """

    what: str
    before: float
    after: float

    @property
    def factor(self) -> float:
        """How many times less strict."""
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
        unit = UNITS.get(self.what, "s")
        after, before = (quantity(value, unit) for value in (self.after, self.before))
        return f"{limit_title(self.what)} of {after} in place of {before}"


@dataclass(frozen=True)
class Relaxation:
    """The smallest change of one or two requirements with which a candidate meets all.

    Attributes
    ----------
    changes : tuple of Change
        What has to give.
    choice : Choice
        The cheapest deployment that then meets every limit, judge as it was asked.
    """

    changes: tuple[Change, ...]
    choice: Choice

    @property
    def factor(self) -> float:
        """How many times less strict, all changes together."""
        return math.prod(change.factor for change in self.changes)

    @property
    def sentence(self) -> str:
        """The changes and the candidate they allow, as a sentence."""
        changes = " and ".join(change.words for change in self.changes)
        rent = self.choice.usd_h_all
        price = f", {quantity(rent, 'USD/h')}" if rent else ""
        return f"{changes}: {self.choice.title}{price}"


def relaxations(result: Search, most: int = 6) -> tuple[Relaxation, ...]:
    """Find the smallest changes with which something would meet every limit.

    Parameters
    ----------
    result : Search
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
    if result.order:
        return ()
    slower = list(_slower(result))
    single = [
        *(*_limits_alone(result, 1), *_users(result), *_shorter(result), *_narrower(result)),
        *(relaxation for relaxation in slower if len(relaxation.changes) == 1),
    ]
    single_factors = {relaxation.changes[0].what: relaxation.factor for relaxation in single}
    pairs = [
        pair
        for pair in (
            *(_limits_alone(result, 2) if len(single) < most else ()),
            *(relaxation for relaxation in slower if len(relaxation.changes) > 1),
        )
        if all(c.factor < single_factors.get(c.what, math.inf) for c in pair.changes)
    ]
    if not single and not pairs:
        pairs = [*_narrower_and_a_limit(result), *_at_half(result)]
    ranked = [
        sorted(group, key=lambda r: (r.factor, r.choice.usd_h_all)) for group in (single, pairs)
    ]
    return tuple((ranked[0] + ranked[1])[:most])


def _bound(result: Search, name: str) -> float:
    """Look up the bound of a limit, for all copies."""
    slo = result.asked.slo
    bounds = {"budget": slo.usd_h, "cost": slo.usd_mtok}
    bounds |= {limit.name: limit.bound_s for limit in latency_limits(slo)}
    return float(bounds[name] or 0.0)


def _limits_alone(result: Search, together: int) -> Iterator[Relaxation]:
    """Find the least change of each set of `together` limits that are missed together."""
    easiest: dict[tuple[str, ...], int] = {}
    # a candidate that misses a latency with one request in flight has no number of copies for a
    # rate, so only limits on money can be relaxed alone
    priced_limits = set(UNITS) if result.asked.rate is not None else None

    def strictness(i: int) -> tuple[float, ...]:
        row = result.rows[i]
        factor = math.prod(1 / row.headrooms[name] for name in row.missed())
        return (round(factor, 9), *cost(row, result.rank))

    for i, row in enumerate(result.rows):
        names = tuple(sorted(row.missed()))
        movable = "capacity" not in names and (priced_limits is None or priced_limits >= set(names))
        movable = movable and all(row.headrooms[n] > 0 for n in names)
        if len(names) != together or not movable:
            continue
        if names not in easiest or strictness(i) < strictness(easiest[names]):
            easiest[names] = i
    for names, i in easiest.items():
        changes = []
        for name in names:
            bound = _bound(result, name)
            required = bound / result.rows[i].headrooms[name]
            eased = math.ceil(100 * required - 1e-6) / 100 if name in UNITS else _up(required)
            changes.append(Change(name, bound, eased))
        yield Relaxation(tuple(changes), result.choice(i))


def _slower(result: Search) -> Iterator[Relaxation]:
    """Relax latencies for a rate, in as many copies as the rent allows.

    Give the least change of each set of latencies, and larger changes that halve its rent: fewer
    copies have longer latencies, and cost less.
    """
    by_names: dict[tuple[str, ...], list[tuple[float, Choice]]] = {}
    for i in result.misses[:NEAREST] if result.asked.rate is not None else ():
        choice = within_rent(result.space[i], result.asked, i)
        missed = [x for x in choice.limits if not x.holds] if choice else []
        if choice is not None and missed and all(x.unit == "s" and x.headroom for x in missed):
            names = tuple(sorted(x.name for x in missed))
            strictness = math.prod(1 / x.headroom for x in missed)
            by_names.setdefault(names, []).append((strictness, choice))
    for names, options in by_names.items():
        rent = math.inf
        for _, choice in sorted(options, key=lambda pair: pair[0])[:CHEAPER]:
            values = {x.name: x.estimate.value for x in choice.limits}
            changes = tuple(Change(n, _bound(result, n), _up(values[n])) for n in names)
            eased = result.asked._replace(slo=_eased(result.asked.slo, changes))
            eased_choice = judge(result.space[choice.number], eased, choice.number)
            if eased_choice.usd_h_all < rent / 2:
                rent = eased_choice.usd_h_all
                yield Relaxation(changes, eased_choice)


def _eased(slo: Slo, changes: Sequence[Change]) -> Slo:
    """Apply the changed latencies to the limits."""
    eased = {change.what: change.after for change in changes}
    tails = tuple(replace(tail, bound_s=eased.get(tail.name, tail.bound_s)) for tail in slo.tails)
    means_s = {f"{of}_s": eased[name] for of, name in MEAN_LIMITS.items() if name in eased}
    return replace(slo, **means_s, tails=tails)


def _up(value: float) -> float:
    """Round up to three figures, so that the printed value suffices."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / step - 1e-9) * step


def _users(result: Search) -> Iterator[Relaxation]:
    users = result.asked.workload.concurrency
    if result.asked.rate is None and users > 1:
        counts = _descending(users, 1, 1)
        yield from _largest_load(result, "users", users, counts, toolbox.change_batch)


def _shorter(result: Search) -> Iterator[Relaxation]:
    load = result.asked.workload
    lengths = _descending(load.input_tokens, 1, 1000 if load.input_tokens > 2000 else 1)
    yield from _largest_load(result, "context", load.input_tokens, lengths, toolbox.shorten_context)


def _descending(maximum: int, minimum: int, multiple: int) -> list[int]:
    """List whole numbers below the maximum in steps of a multiple, the largest first."""
    step = max(-(-(maximum - minimum) // STEPS) // multiple * multiple, multiple)
    numbers = range((maximum - 1) // step * step, minimum - 1, -step)
    return [n for n in numbers if n >= minimum] or [minimum]


def _largest_load(
    result: Search,
    what: str,
    before: int,
    values: Sequence[int],
    load_at: Callable[[Workload, int], Workload],
) -> Iterator[Relaxation]:
    """Find the largest of some values at which a candidate meets every limit, by bisection."""
    fixed = {"budget"}
    candidates = [i for i in result.misses if not fixed & set(result.rows[i].missed())][:NEAREST]

    def asked(value: int) -> Requirements:
        return result.asked._replace(workload=load_at(result.asked.workload, value))

    def good(value: int) -> list[int]:
        if result.asked.rate is None:
            return [i for i in candidates if could_hold(result.space[i], asked(value))]
        return [i for i in candidates if judge(result.space[i], asked(value)).meets_all]

    if not candidates or not (feasible := good(values[-1])):
        return
    low, high, at = -1, len(values) - 1, values[-1]
    while high - low > 1:
        middle = (low + high) // 2
        if passing := good(values[middle]):
            # a candidate that fails here also fails at larger values
            high, at, feasible, candidates = middle, values[middle], passing, passing
        else:
            low = middle
    choices = (judge(result.space[i], asked(at), i) for i in feasible)
    best = min(choices, key=lambda choice: (choice.usd_h_all or math.inf, choice.number))
    yield Relaxation((Change(what, before, at),), best)


def _narrower(result: Search) -> Iterator[Relaxation]:
    """Find the widest format below those tried in which a candidate meets every limit."""
    for change, narrower in _narrower_searches(result):
        if narrower.winner is not None:
            yield Relaxation((change,), narrower.winner)
            return


def _narrower_and_a_limit(result: Search) -> Iterator[Relaxation]:
    """Find the widest format in which relaxing one limit suffices."""
    for change, narrower in _narrower_searches(result):
        if relaxations := list(_limits_alone(narrower, 1)):
            yield from (
                replace(relaxation, changes=(change, *relaxation.changes))
                for relaxation in relaxations
            )
            return


def _narrower_searches(result: Search) -> Iterator[tuple[Change, Search]]:
    """Repeat the search in each narrower format, the widest first."""
    min_bits = min(bits(block.weights) for block in result.space.blocks)
    families = {block.engine.family for block in result.space.blocks}
    names = {n for f in families for n in NARROWER.get(f, NARROWER_ELSEWHERE)}
    narrower = sorted((f for f in map(catalog.format, names) if bits(f) < min_bits), key=bits)
    choices_given = result.choices
    quality = choices_given.get("quality")
    eased = replace(quality, weight_bits=0.0) if isinstance(quality, Quality) else None
    for narrow in reversed(narrower):
        choices = {**choices_given, "weights": (narrow.name,), "quality": eased}
        try:
            other = _search_again(result, result.asked, choices)
        except BadInput:
            continue
        yield Change("format", min_bits, bits(narrow)), other


def _search_again(result: Search, asked: Requirements, choices: Mapping[str, Any]) -> Search:
    """Search with other requirements or choices."""
    return search(
        asked.workload,
        asked.slo,
        most_copies=asked.most_copies,
        rate=asked.rate,
        desk_cards=asked.desk_cards,
        rank=result.rank,
        arrays=_with_arrays(result),
        **choices,
    )


def _with_arrays(result: Search) -> bool:
    return not isinstance(result.rows, RowList)


def _at_half(result: Search) -> Iterator[Relaxation]:
    """Halve the users or the prompt, and relax one limit where that is still needed."""
    load = result.asked.workload
    halves = (
        ("users", load.concurrency, toolbox.change_batch),
        ("context", load.input_tokens, toolbox.shorten_context),
    )
    for what, before, load_at in halves:
        if before < 2 or (what == "users" and result.asked.rate is not None):
            continue
        half = before // 2
        asked: Requirements = result.asked._replace(workload=load_at(load, half))
        other = _search_again(result, asked, result.choices)
        if other.order:
            yield Relaxation((Change(what, before, half),), other.found[0])
            continue
        for relaxation in _limits_alone(other, 1):
            yield replace(relaxation, changes=(Change(what, before, half), *relaxation.changes))
