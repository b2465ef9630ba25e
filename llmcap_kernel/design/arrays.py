"""The vectorised pass of a search: a block of candidates at once, as arrays of numpy.

A block is one deployment whose card and limits are arrays, so it goes through the formulas of
`bandwidth`, `capacity` and `serving` as any other. What a formula branches on is taken from a real
deployment for each kind of card. A candidate so near a limit that rounding may decide is judged
again by its card.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cached_property, lru_cache
from itertools import groupby
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import bandwidth, calibration, capacity
from ..numeric import Number, floor, maximum, minimum, where
from ..serving import LoadWork, Served, met_in_a_step, prompts_in_a_pass
from ..simulation import percentiles
from ..spec import CEILING, Deployment, Efficiency, Format, Gpu, Slo, Workload
from .many_copies import NEAR, Candidates, Tried, for_rate, for_users
from .search import Asked, Row, coarse, judged, row_of
from .space import HOME, Block, sequences

PADDED = "mxfp4"  # the format whose weights kernels pad (law.weight_bytes)
EFFICIENCIES = tuple(f.name for f in fields(Efficiency))
RATED = (
    "bandwidth_bytes_s",
    "link_bandwidth_bytes_s",
    "node_link_bandwidth_bytes_s",
    "direct_link",
    "peer_access",
)
Array = Any  # of numpy


@lru_cache(maxsize=1024)
def _field(gpus: tuple[Gpu, ...], name: str) -> Array:
    return np.array([getattr(gpu, name) for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _rates(gpus: tuple[Gpu, ...], number_format: Format) -> Array:
    return np.array([bandwidth.compute_dtype(gpu, number_format)[1] for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _unpacks(gpus: tuple[Gpu, ...], number_format: Format) -> Array:
    return np.array([gpu.unpacks(number_format) for gpu in gpus], float)


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


class Cards(Gpu):
    """Cards as one, whose numbers are arrays with a place for each candidate."""

    gpus: tuple[Gpu, ...]
    each: Array
    formats: dict[Any, Array]

    def __init__(self, gpus: tuple[Gpu, ...], each: Array) -> None:
        rated = {name: _field(gpus, name)[each] for name in RATED}
        self.__dict__.update(gpus[0].__dict__, gpus=gpus, each=each, formats={}, **rated)

    def __hash__(self) -> int:
        return id(self)

    def computes(self, number_format: Format) -> Any:
        """Find the rates at which the cards compute a format.

        Parameters
        ----------
        number_format : Format
            The stored format.

        Returns
        -------
        tuple
            No dtype, for they differ, and the rates [FLOP/s].
        """
        return "", self._by_format(_rates, number_format)

    def unpacks(self, number_format: Format) -> Any:
        """Say where weights are unpacked before they are multiplied.

        Parameters
        ----------
        number_format : Format
            Their format.

        Returns
        -------
        array
            1 where they are, 0 elsewhere.
        """
        return self._by_format(_unpacks, number_format)

    def _by_format(self, each_card: Callable[..., Array], number_format: Format) -> Array:
        key = each_card, number_format  # to look a tuple of cards up is to hash them all
        if key not in self.formats:
            self.formats[key] = each_card(self.gpus, number_format)[self.each]
        return self.formats[key]


class Stack(Deployment):
    """The candidates of a block as one deployment."""

    block: Block
    card: Array
    tokens: Array
    seqs: Array
    graphs: Array

    def __init__(self, block: Block) -> None:
        gpus, limits = block.gpus, block.limits
        card = np.repeat(np.arange(len(gpus)), len(limits))
        asked_seqs, asked_tokens = (
            np.tile(np.array([x[i] or 0 for x in limits], float), len(gpus)) for i in range(2)
        )
        own = [block.engine.limits_on(gpu) for gpu in gpus]
        graphs = [x.graph_seqs_tp4 if block.tp >= 4 else x.graph_seqs for x in own]
        own_tokens, own_seqs, most = (
            np.array(x, float)[card]
            for x in ([x.batched_tokens for x in own], [x.seqs for x in own], graphs)
        )
        tokens = where(asked_tokens > 0, asked_tokens, own_tokens)
        seqs = where(asked_seqs > 0, asked_seqs, minimum(own_seqs, tokens))
        self.__dict__.update(
            block[0].__dict__,
            gpu=Cards(gpus, card),
            max_num_seqs=asked_seqs,
            block=block,
            card=card,
            tokens=tokens,
            seqs=seqs,
            graphs=minimum(minimum(most, 2 * seqs), tokens),
        )

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def only(self, at: Array) -> "Stack":
        """Keep some of the candidates.

        Parameters
        ----------
        at : array of int
            Their places.

        Returns
        -------
        Stack
            As one deployment, too.
        """
        some = object.__new__(Stack)
        names = ("card", "tokens", "seqs", "graphs", "max_num_seqs")
        kept = {name: getattr(self, name)[at] for name in names}
        some.__dict__.update(self.__dict__ | kept, gpu=Cards(self.block.gpus, kept["card"]))
        return some

    @property
    def batch_limit_tokens(self) -> Array:
        """Most tokens of a step in effect [tokens]."""
        return self.tokens

    @property
    def seqs_limit(self) -> Array:
        """Most sequences at once in effect."""
        return self.seqs

    @property
    def graph_seqs_limit(self) -> Array:
        """Largest batch that is captured in a graph."""
        return self.graphs

    @property
    def fraction(self) -> Array:
        """Memory fraction in effect."""
        if not self.engine.memory_fraction:  # the engine sets it from the card and its limits
            return self.like(lambda d: d.fraction, self.card, self.tokens)
        usable = _field(self.block.gpus, "memory_usable_share")
        return minimum(self.engine.memory_fraction, usable)[self.card]

    def like(self, number: Callable[[Deployment], Number], *kinds: Array) -> Array:
        """Take a number from a real deployment of each kind of candidate.

        Parameters
        ----------
        number : callable
            Gives the number of a deployment.
        *kinds : array
            What the number depends on.

        Returns
        -------
        array
            One for each candidate.
        """
        key = kinds[0] if len(kinds) == 1 else np.stack(kinds, axis=1)
        along = None if len(kinds) == 1 else 0
        _, first, place = np.unique(key, axis=along, return_index=True, return_inverse=True)
        made = np.array([number(self.block[i]) for i in first.tolist()], float)
        return made[place.reshape(-1)]


class Columns(Sequence[Row]):
    """Rows of candidates, kept as an array for each number.

    Parameters
    ----------
    columns : dict of str to array
        By the names of `Row`, without the headrooms.
    headrooms : dict of str to array
        By the name of the limit; nan where it is not judged.
    """

    def __init__(self, columns: dict[str, Array], headrooms: dict[str, Array]) -> None:
        self.columns, self.headrooms = columns, headrooms

    def __len__(self) -> int:
        return len(self.columns["usd_h"])

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        whole = {"copies": int, "users": int, "num_gpus": int}
        numbers: dict[str, Any] = {
            n: whole.get(n, float)(column[at]) for n, column in self.columns.items()
        }
        known = ((n, float(column[at])) for n, column in self.headrooms.items())
        return Row(**numbers, headrooms={n: x for n, x in known if x == x})

    @cached_property
    def least(self) -> Array:
        """Least headroom of each."""
        return np.fmin.reduce(list(self.headrooms.values()))

    def order(self, rank: str) -> tuple[int, ...]:
        """Number those that meet every limit, cheapest first.

        Parameters
        ----------
        rank : str
            "usd_h" or "usd_mtok".

        Returns
        -------
        tuple of int
            As `search.cost` orders them.
        """
        c = self.columns
        first, second = ("usd_mtok", "usd_h") if rank == "usd_mtok" else ("usd_h", "usd_mtok")
        good = np.flatnonzero(self.least >= 1)
        keys = [coarse(c[n][good]) for n in ("itl_s", "num_gpus", second, first)]
        return tuple(good[np.lexsort(keys)].tolist())

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first.

        Returns
        -------
        tuple of int
            As a search orders them.
        """
        bad = np.flatnonzero(~(self.least >= 1))
        keys = coarse(self.columns["lack"][bad]), -coarse(self.least[bad])
        return tuple(bad[np.lexsort(keys)].tolist())

    def front(self, order: tuple[int, ...]) -> list[int]:
        """Number those of an order that no other beats in everything.

        Parameters
        ----------
        order : tuple of int
            Candidates that meet every limit.

        Returns
        -------
        list of int
            As `search.undominated` finds them.
        """
        at = np.array(order, int)
        values = [self.columns[n][at] for n in ("usd_h", "usd_mtok", "itl_s", "ttft_s")]
        points = coarse(np.stack([*values, -self.least[at]], axis=1))
        left, front = np.lexsort([np.arange(len(at)), *points.T[::-1]]), []
        while len(left):
            front.append(int(left[0]))
            left = left[~(points[left] >= points[left[0]]).all(axis=1)]
        return [order[i] for i in sorted(front)]

    @classmethod
    def joined(cls, parts: "Sequence[Columns]") -> "Columns":
        """Put columns behind each other.

        Parameters
        ----------
        parts : sequence of Columns
            With the same columns.

        Returns
        -------
        Columns
            All rows.
        """
        columns, rooms = (
            {n: np.concatenate([getattr(p, kind)[n] for p in parts]) for n in first}
            for kind, first in (("columns", parts[0].columns), ("headrooms", parts[0].headrooms))
        )
        return cls(columns, rooms)


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
        What `search.row_of` keeps of each, to the last digits.

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
        found = for_rate(tried, room, asked.rate, most)
    return trial.columns(found.copies, found.users, found.near)


def _one_by_one(block: Block, asked: Asked) -> Columns:
    """Judge each candidate by its card."""
    each = [row_of(judged(d, asked)) for d in block.deployments()]
    numbers = (n for n in Row._fields if n != "headrooms")
    return Columns(
        {n: np.array([getattr(row, n) for row in each], float) for n in numbers},
        {n: np.array([row.headrooms.get(n, np.nan) for row in each]) for n in _limited(asked.slo)},
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
        rooms = _headrooms(served, replace(slo, usd_mtok=None), slice(None), _price(some, served))
        good = self.room.starts[at] & (self.room.users[at] >= users)
        near = np.zeros(len(at), bool)
        for room in rooms.values():
            good &= ~(room < 1)
            near |= np.abs(room - 1) < NEAR
        return Tried(good, served.output_tok_s / load.output_tokens, near)

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
        rent, price = _rent(stack), _price(stack, served, place)
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
        rooms = _headrooms(served, slo, place, price)
        rooms = {name: where(never, np.nan, room) for name, room in rooms.items()}
        rooms["capacity"] = room.users / users
        if slo.usd_h is not None:
            rooms["budget"] = where(rent > 0, slo.usd_h / copies / rent, np.nan)
        block = self.block
        kept = ({n: _full(x, block) for n, x in some.items()} for some in (columns, rooms))
        return _checked(block, Columns(*kept), room.edge | near, self.asked)


def _rent(stack: Stack) -> Array:
    """Rent of a copy of each candidate; 0 where unknown [USD/h]."""
    return _field(stack.block.gpus, "usd_h")[stack.card] * stack.num_gpus


def _price(stack: Stack, served: Served, place: Any = slice(None)) -> Array:
    """Price of a million output tokens of each candidate; 0 where no rent is known [USD/Mtok]."""
    return _rent(stack) / 3600 * 1e6 / served.output_tok_s[place]


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
    whole, prefix = _sequence_bytes(stack, load)
    sequence = whole - prefix * load.hit_share
    starts = (pool >= prefix + sequence) & ~_refused(stack, pool)
    sequences = maximum(pool - prefix, 0) / sequence
    each = floor(sequences)
    room = where(starts, each * stack.attention_replicas, 0.0)
    whole_users = np.round(sequences)
    edge = (whole_users > 0) & (np.abs(sequences - whole_users) < NEAR * whole_users)
    replicas = stack.tp if stack.dp_attention else 1
    return Room(room, starts, taken + prefix, sequence, budget, replicas, edge)


def _sequence_bytes(stack: Stack, load: Workload) -> tuple[Array, float]:
    """Cache of a sequence, and of the prefix that all share."""
    d = stack.block[0]
    prefix = capacity.prefix_bytes(d, load.shared_prefix_tokens, load.context_tokens)
    if not capacity.is_grouped(d):
        return float(capacity.kv_sequence_bytes(d, load.context_tokens)), prefix
    # windows reserve a batch in flight, so a sequence depends on the limit of a step
    whole = stack.like(lambda d: capacity.kv_sequence_bytes(d, load.context_tokens), stack.tokens)
    return whole, prefix


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
    prompt = passes = bandwidth.prefill_work(stack, **tokens)
    together: Number = 1.0
    if not stack.mixes_prompts:
        met = met_in_a_step(running, load.output_tokens / decode.tokens_per_step)
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
