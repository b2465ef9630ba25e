"""The vectorised pass of a search: a block of candidates at once, as arrays of numpy.

A block is one deployment whose card and limits are arrays (`stacks.Stack`), so it goes through the
formulas of `bandwidth`, `capacity` and `serving` as any other. What a formula branches on is taken
from a real deployment for each kind of card. A candidate so near a limit that rounding may decide
is judged again by its card.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property, lru_cache
from itertools import groupby
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import bandwidth, calibration, capacity
from ..numeric import Number, floor, maximum, minimum, where
from ..serving import LoadWork, Served, prompts_between_steps, prompts_in_a_pass
from ..simulation import percentiles
from ..simulation.rates import NUMBERS, Flights, knots
from ..simulation.spread import spread_at_rate
from ..spec import CEILING, Efficiency, Format, Gpu, Slo, Workload
from .columns import Columns
from .copies import Asked, holds_one, judged
from .many_copies import NEAR, Array, Candidates, Tried, for_rate, for_users
from .rows import Row, row_of
from .space import HOME, Block, sequences
from .stacks import Stack

PADDED = "mxfp4"  # the format whose weights kernels pad (law.weight_bytes)
EFFICIENCIES = tuple(f.name for f in fields(Efficiency))


@lru_cache(maxsize=1024)
def _usable(gpus: tuple[Gpu, ...]) -> Array:
    return np.array([capacity.usable_bytes(gpu) for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _memory_kinds(gpus: tuple[Gpu, ...], weights: Format) -> Array:
    """Cards alike in what a ledger knows of them beside their size, by number."""
    kinds: dict[tuple[object, ...], int] = {}
    reducing = capacity.REDUCING_LINKS
    keys = ((g.vendor, g.link in reducing, weights.name == PADDED and g.family) for g in gpus)
    return np.array([kinds.setdefault(key, len(kinds)) for key in keys])


@calibration.cache_until_reload
def _efficiencies(
    family: str, gpus: tuple[Gpu, ...], weights: Format, kv: Format
) -> dict[str, Array]:
    each = [calibration.efficiency_of(family, gpu, weights, kv) for gpu in gpus]
    return {name: np.array([getattr(e, name) for e in each]) for name in EFFICIENCIES}


def rows(blocks: Sequence[Block], asked: Asked) -> Columns:
    """Judge the candidates of some blocks.

    Parameters
    ----------
    blocks : sequence of Block
        Candidates.
    asked : Asked
        The load and the limits.

    Returns
    -------
    Columns
        What `rows.row_of` keeps of each, to the last digits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, space
    >>> here = space(WORKED_WORKLOAD, models=["llama-3.1-70b"], gpus=["h100-sxm"])
    >>> found = rows(here.blocks, Asked(WORKED_WORKLOAD, WORKED_SLO))
    >>> sum(row.holds for row in found) > 0
    True
    """
    made = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for block in blocks:
            made += [_judged(part, asked) for part in alike(block)]
    return Columns.joined(made)


def alike(block: Block) -> list[Block]:
    """Part a block where kernels pad weights by the card, or nodes differ in their cards.

    Parameters
    ----------
    block : Block
        Candidates.

    Returns
    -------
    list of Block
        The same candidates in the same order.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, space
    >>> here = space(WORKED_WORKLOAD, models=["gpt-oss-20b"], gpus=["h100-sxm", "mi300x", "l4"])
    >>> [[gpu.name for gpu in part.gpus] for part in alike(here.blocks[0])]
    [['h100-sxm'], ['mi300x'], ['l4']]
    """
    if block.weights.name != PADDED and block.pp == 1:
        return [block]
    kinds = groupby(block.gpus, lambda g: (g.vendor, g.family, g.max_per_node))
    return [replace(block, gpus=tuple(gpus)) for _, gpus in kinds]


def _judged(block: Block, asked: Asked) -> Columns:
    users = asked.workload.concurrency
    if asked.rate is None and asked.most_copies == 1:
        trial = Trial(_told(block, users), asked)
        return trial.columns(1, users)
    if block.engine.family == HOME and any(x.max_num_seqs is None for x in block.limits):
        return _one_by_one(block, asked)  # its memory changes with the users of a copy
    trial = Trial(block, asked)
    tried, room = Candidates(trial.tried, len(block)), trial.room.users.astype(int)
    each = [asked.most_of(gpu.place, trial.stack.num_gpus) for gpu in block.gpus]
    most = np.array(each)[trial.stack.card]
    if asked.rate is None:
        found = for_users(tried, room, users, most)
    else:
        keep = trial.keep if asked.slo.tails else None
        found = for_rate(tried, room, asked.rate, most, keep)
    columns = trial.columns(found.copies, found.users, found.near)
    columns.alone = found.alone
    return columns


def _one_by_one(block: Block, asked: Asked) -> Columns:
    """Judge each candidate by its card."""
    each = [row_of(judged(d, asked)) for d in block.deployments()]
    numbers = (n for n in Row._fields if n != "headrooms")
    alone = np.array([asked.rate is not None and holds_one(d, asked) for d in block.deployments()])
    return Columns(
        {n: np.array([getattr(row, n) for row in each], float) for n in numbers},
        {n: np.array([row.headrooms.get(n, np.nan) for row in each]) for n in _limited(asked.slo)},
        None if asked.rate is None else alone,
    )


def _limited(slo: Slo) -> tuple[str, ...]:
    """Names of the limits that are set."""
    means = {"budget": slo.usd_h, "latency": slo.itl_s, "prefill": slo.ttft_s, "cost": slo.usd_mtok}
    tails = (tail.name for tail in slo.tails)
    return ("capacity", *(name for name, bound in means.items() if bound is not None), *tails)


class Trial:
    """The candidates of a block under the load that each copy has.

    Parameters
    ----------
    block : Block
        The candidates.
    asked : Asked
        The load and the limits.
    """

    def __init__(self, block: Block, asked: Asked) -> None:
        self.block, self.asked, self.stack = block, asked, Stack(block)
        self.room = _room(self.stack, asked.workload)
        self.apart = asked.rate is not None

    def tried(self, users: Array, at: Array) -> Tried:
        """Try some of the candidates with users of their own.

        Parameters
        ----------
        users : array of int
            Users of a copy of each.
        at : array of int
            Their places.

        Returns
        -------
        Tried
            What each does, in the order of `at`.
        """
        some, load, slo = self.stack.only(at), self.asked.workload, self.asked.slo
        running = _in_progress(some, users, self.room.users[at])
        served = _served(some, load, users, running, self.apart)
        # fewer copies make no token dearer, so a price never asks for more of them
        slo = replace(slo, usd_mtok=None)
        if self.apart and (users > 1).any():  # of a rate percentiles are asked of one, then of all
            slo = replace(slo, tails=())
        rooms = _headrooms(served, slo, slice(None), _price(some, served.output_tok_s))
        good = self.room.starts[at] & (self.room.users[at] >= users)
        near = np.zeros(len(at), bool)
        for room in rooms.values():
            good &= ~(room < 1)
            near |= np.abs(room - 1) < NEAR
        return Tried(good, served.output_tok_s / load.output_tokens, near)

    @cached_property
    def flights(self) -> Flights:
        """All candidates by the requests in flight."""
        stack, count = self.stack, len(self.block)
        most = maximum(minimum(self.room.users, stack.seqs_limit * stack.attention_replicas), 1)
        users = knots(most)
        whole = np.concatenate(users).astype(int)
        many = stack.only(np.tile(np.arange(count), len(users)))
        served = _served(many, self.asked.workload, whole, whole, apart=True)
        spread = spread_at_rate(served)
        numbers = {n: getattr(spread, n) for n in NUMBERS}
        return Flights(
            users,
            list((served.output_tok_s / self.asked.workload.output_tokens).reshape(-1, count)),
            {n: list(x.reshape(-1, count)) if np.ndim(x) else float(x) for n, x in numbers.items()},
            spread,
        )

    def keep(self, rate_rps: Array, at: Array) -> tuple[Array, Array]:
        """Say which of some candidates keep the limits on percentiles.

        Parameters
        ----------
        rate_rps : array
            Requests that come to a copy of each, each second [requests/s].
        at : array of int
            Their places.

        Returns
        -------
        tuple of array of bool
            Which do, and where rounding may decide that.
        """
        good, near = rate_rps < self.flights.most_rps[at], np.zeros(len(at), bool)
        some = np.flatnonzero(good)
        there = self.flights.only(at[some]).at(rate_rps[some])
        for tail in self.asked.slo.tails if len(some) else ():
            room = tail.bound_s / there.percentile_s(tail.quantity, tail.percent)
            near[some] |= np.abs(room - 1) < NEAR
            good[some] &= room >= 1
        return good, near

    def _tails(self, served: Served, place: Array, copies: Array) -> dict[str, Array]:
        """Headrooms of percentiles of the rate, and of users at once where it is not answered."""
        rate_rps, rooms = self.asked.rate / copies, {}
        answered = self.room.starts & (rate_rps < self.flights.most_rps)
        others, at = (self.room.starts & ~answered).any(), np.flatnonzero(answered)
        there = self.flights.only(at).at(rate_rps[at])
        best = replace(served, efficiency=CEILING)
        for tail in self.asked.slo.tails:
            what = (tail.quantity, tail.percent)
            value_s = np.zeros(len(self.block))
            if others:
                value_s += percentiles.expected_s(served, *what)[place]
            if len(at):
                value_s[at] = there.percentile_s(*what)
            least_s = percentiles.ceiling_s(best, *what)[place]
            rooms[tail.name] = tail.bound_s / maximum(value_s, least_s)
        return rooms

    def columns(self, copies: Number, users: Number, near: Number = False) -> Columns:
        """Judge all candidates in so many copies.

        Parameters
        ----------
        copies, users : int or array
            Copies of each candidate, and the users of one.
        near : bool or array
            Where rounding may have decided these.

        Returns
        -------
        Columns
            What a search keeps of each.
        """
        stack, room, slo = self.stack, self.room, self.asked.slo
        running = _in_progress(stack, users, room.users)
        first, place = _unlike(stack, running, users)
        of_first = users[first] if hasattr(users, "__array__") else users
        load = self.asked.workload
        served = _served(stack.only(first), load, of_first, running[first], self.apart)
        made_tok_s = served.output_tok_s[place]
        if self.asked.rate is not None:  # no more is paid for than is asked
            offered_tok_s = self.asked.rate / copies * load.output_tokens
            made_tok_s = minimum(made_tok_s, offered_tok_s)
        rent, price = _rent(stack), _price(stack, made_tok_s)
        never = ~room.starts
        columns = {
            "copies": copies,
            "users": users,
            "usd_h": where(rent > 0, copies * rent, np.inf),
            "usd_mtok": where(never | (rent == 0), np.inf, price),
            "itl_s": where(never, np.inf, served.itl_s[place]),
            "ttft_s": where(never, np.inf, served.ttft_mean_s[place]),
            "num_gpus": copies * stack.num_gpus,
            "lack": room.lack(users),
        }
        rooms = _headrooms(served, replace(slo, tails=()) if self.apart else slo, place, price)
        rooms |= self._tails(served, place, copies) if self.apart and slo.tails else {}
        rooms = {name: where(never, np.nan, room) for name, room in rooms.items()}
        rooms["capacity"] = room.users / users
        if slo.usd_h is not None:
            rooms["budget"] = where(rent > 0, slo.usd_h / copies / rent, np.nan)
        block = self.block
        kept = ({n: _full(x, block) for n, x in some.items()} for some in (columns, rooms))
        return _checked(block, Columns(*kept), room.edge | near, self.asked)


def _rent(stack: Stack) -> Array:
    """Rent of a copy of each candidate; 0 where unknown [USD/h]."""
    return stack.of_card("usd_h") * stack.num_gpus


def _price(stack: Stack, output_tok_s: Array) -> Array:
    """Price of a million output tokens of each candidate; 0 where no rent is known [USD/Mtok]."""
    return _rent(stack) / 3600 * 1e6 / output_tok_s


def _headrooms(served: Served, slo: Slo, place: Any, price: Array) -> dict[str, Array]:
    """Headrooms of the latencies and of the price, as `limits.Limit` has them."""
    means = (("latency", slo.itl_s, served.itl_s), ("prefill", slo.ttft_s, served.ttft_mean_s))
    rooms = {name: bound / value[place] for name, bound, value in means if bound is not None}
    if slo.usd_mtok is not None:
        rooms["cost"] = slo.usd_mtok / where(price > 0, price, np.nan)
    best = replace(served, efficiency=CEILING) if slo.tails else served
    for tail in slo.tails:
        what = (tail.quantity, tail.percent)
        value_s = percentiles.expected_s(served, *what), percentiles.ceiling_s(best, *what)
        rooms[tail.name] = tail.bound_s / maximum(*value_s)[place]
    return rooms


def _told(block: Block, users: int) -> Block:
    """The block with the sequences that its engine is told to run at once."""
    asked = (x.max_num_seqs for x in block.limits)
    seqs = [sequences(block.engine, one, users) for one in asked]
    limits = (x._replace(max_num_seqs=n) for x, n in zip(block.limits, seqs, strict=True))
    return replace(block, limits=tuple(limits))


def _full(column: Number, block: Block) -> Array:
    return np.broadcast_to(np.asarray(column, float), (len(block),)).copy()


class Room(NamedTuple):
    """Users that have room on a copy of each candidate, and what the memory holds.

    Attributes
    ----------
    users : array
        Users that have room.
    starts : array of bool
        Whether the engine starts.
    taken_bytes, sequence_bytes, budget_bytes : array
        Memory of a card that all but the users take, that one takes, and of the engine [bytes].
    replicas : int
        Replicas of the attention, which share the users.
    edge : array of bool
        Where a whole user more or less hangs on rounding.
    """

    users: Array
    starts: Array
    taken_bytes: Array
    sequence_bytes: Array
    budget_bytes: Array
    replicas: Number
    edge: Array

    def lack(self, users: Number) -> Array:
        """Compare the memory that users need with what the engine has.

        Parameters
        ----------
        users : int or array
            Users of a copy of each candidate.

        Returns
        -------
        array
            The first over the second.
        """
        on_card = -(-users // self.replicas)
        return (self.taken_bytes + on_card * self.sequence_bytes) / self.budget_bytes


def _room(stack: Stack, load: Workload) -> Room:
    engine = stack.engine
    kinds = _memory_kinds(stack.block.gpus, stack.weights)[stack.card]
    taken = stack.like(capacity.fixed_bytes, kinds) + capacity.activation_bytes(stack)
    if engine.graphs_in_fraction:
        taken = taken + capacity.graph_bytes(stack)
    visible = _usable(stack.block.gpus)[stack.card]
    budget, pool = visible * stack.fraction, visible * stack.fraction - taken
    if engine.fraction_of != "total":
        left = visible - taken
        budget, pool = visible, where(left > 0, left * stack.fraction, left)
    running, once, prefix = _sequence_bytes(stack, load)
    sequence = running - prefix * load.hit_share
    starts = (pool >= once + sequence) & ~_refused(stack, pool)
    sequences = maximum(pool - once, 0) / sequence
    each = floor(sequences)
    room = where(starts, each * stack.attention_replicas, 0.0)
    whole_users = np.round(sequences)
    edge = (whole_users > 0) & (np.abs(sequences - whole_users) < NEAR * whole_users)
    replicas = stack.tp if stack.dp_attention else 1
    return Room(room, starts, taken + once, sequence, budget, replicas, edge)


def _sequence_bytes(stack: Stack, load: Workload) -> tuple[float, Array, float]:
    """Cache of a sequence that runs, what is held once, and the prefix in it that all share."""
    d, context = stack.block[0], load.context_tokens
    prefix = capacity.prefix_bytes(d, load.shared_prefix_tokens, context)
    running = float(capacity.kv_sequence_bytes(d, context, running=True))
    if not capacity.is_grouped(d):
        return running, prefix, prefix
    # of windows a batch in flight is held once, so it depends on the limit of a step
    once = stack.like(lambda d: capacity.admission_bytes(d, context), stack.tokens)
    return running, once + prefix, prefix


def _refused(stack: Stack, pool: Array) -> Array:
    """Where more sequences are asked for than the cache has blocks for their states."""
    blocks = capacity.state_block_bytes(stack.block[0])
    if not blocks:
        return np.zeros(len(pool), bool)
    return stack.max_num_seqs > maximum(floor(maximum(pool, 0) / blocks), 1)


def _in_progress(stack: Stack, users: Number, room: Array) -> Array:
    """Users in progress; the others wait."""
    most = minimum(room, stack.seqs_limit * stack.attention_replicas)
    return minimum(users, maximum(most, 1))


def _unlike(stack: Stack, running: Array, users: Number) -> tuple[Array, Array]:
    """First of the candidates that are served alike, and the place of each among those.

    A limit on sequences acts on the users in progress alone.
    """
    key = (stack.card * (stack.tokens.max() + 1) + stack.tokens) * (running.max() + 1) + running
    if hasattr(users, "__array__"):
        key = np.unique(key, return_inverse=True)[1] * (users.max() + 1) + users
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return first, place


def _served(
    stack: Stack, load: Workload, users: Number, running: Array, apart: bool = False
) -> Served:
    cached = floor(load.shared_prefix_tokens / stack.block_tokens) * stack.block_tokens
    cached = cached * load.hit_share
    tokens = {"input_tokens": load.input_tokens, "cached_tokens": cached}
    computed = max(load.input_tokens - cached, 1)
    decode = bandwidth.decode_work(
        stack, context_tokens=load.mean_context_tokens, concurrency=running
    )
    prompt = passes = bandwidth.prefill_work(stack, **tokens, alone=stack.sharing_groups > 1)
    together: Number = 1.0
    if not stack.mixes_prompts:
        met = prompts_between_steps(running, load.output_tokens / decode.tokens_per_step)
        together = prompts_in_a_pass(met, running, stack.batch_limit_tokens / computed)
        passes = bandwidth.prefill_work(stack, **tokens, prompts=together)
    work = LoadWork(
        decode,
        prompt,
        None,
        running,
        users / running,
        load.input_tokens,
        computed,
        load.output_tokens,
        stack.num_gpus,
        1.0 if stack.engine.is_server else 0.0,
        passes,
        together,
        1.0 if stack.mixes_prompts else 0.0,
    )
    each = _efficiencies(stack.engine.family, stack.block.gpus, stack.weights, stack.kv)
    efficiency: Any = SimpleNamespace(**{name: x[stack.card] for name, x in each.items()})
    if apart:
        efficiency.burst_share = 0.0 * efficiency.burst_share
    return Served(work, efficiency, stack, load)


def _checked(block: Block, found: Columns, near: Array, asked: Asked) -> Columns:
    """Judge those again that rounding may have put on the wrong side of a limit."""
    for name, rooms in found.headrooms.items():
        if name != "capacity":  # users are whole
            near = near | (np.abs(rooms - 1) < NEAR)
    for i in np.flatnonzero(near).tolist():
        row = row_of(judged(block[i], asked))
        for name, column in found.columns.items():
            column[i] = getattr(row, name)
        for name, room in row.headrooms.items():
            found.headrooms[name][i] = room
    return found
