"""The vectorised pass of a search: a block of candidates at once, as arrays of numpy.

A block is one deployment whose card and limits are arrays (`stacks.Stack`), so the formulas of
`bandwidth`, `capacity` and `serving` take it like any other. Values that a formula branches on come
from a real deployment of each kind of card. A candidate so near a limit that rounding may decide is
judged again by its card.
"""

import math
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
from ..simulation.in_flight import knots
from ..simulation.open_loop import NUMBERS, OpenLoop
from ..simulation.spread import spread_at_rate
from ..spec import CEILING, Efficiency, Format, Gpu, Slo, Workload
from .columns import Columns
from .copies import ROUNDED, Requirements, holds_one, judge
from .limits import MEAN_LIMITS, LatencyLimit, latency_limits
from .many_copies import NEAR, Array, Candidates, Tried, for_rate, for_users
from .rows import row_of
from .space import HOME, Block, sequences
from .stacks import Stack

PADDED = "mxfp4"  # the format whose weights kernels pad (law.weight_bytes)
EFFICIENCIES = tuple(f.name for f in fields(Efficiency))


@lru_cache(maxsize=1024)
def _usable(gpus: tuple[Gpu, ...]) -> Array:
    return np.array([capacity.usable_bytes(gpu) for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _memory_kinds(gpus: tuple[Gpu, ...], weights: Format) -> Array:
    """Number the groups of cards whose ledgers differ only by their memory."""
    kinds: dict[tuple[object, ...], int] = {}
    reducing = capacity.REDUCING_LINKS
    keys = ((g.vendor, g.link in reducing, weights.name == PADDED and g.family) for g in gpus)
    return np.array([kinds.setdefault(key, len(kinds)) for key in keys])


@calibration.cache_until_reload
def _efficiencies(
    family: str, gpus: tuple[Gpu, ...], weights: Format, kv: Format
) -> dict[str, Array]:
    per_gpu = [calibration.efficiency_of(family, gpu, weights, kv) for gpu in gpus]
    return {name: np.array([getattr(e, name) for e in per_gpu]) for name in EFFICIENCIES}


def rows(blocks: Sequence[Block], asked: Requirements) -> Columns:
    """Judge the candidates of some blocks.

    Parameters
    ----------
    blocks : sequence of Block
        Candidates.
    asked : Requirements
        The load and the limits.

    Returns
    -------
    Columns
        What `rows.row_of` keeps of each, to the last digits.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, space
    >>> here = space(WORKED_WORKLOAD, models=["llama-3.1-70b"], gpus=["h100-sxm"])
    >>> found = rows(here.blocks, Requirements(WORKED_WORKLOAD, WORKED_SLO))
    >>> sum(row.holds for row in found) > 0
    True
    """
    parts = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for block in blocks:
            parts += [_judge_block(part, asked) for part in alike(block)]
    return Columns.joined(parts)


def alike(block: Block) -> list[Block]:
    """Split a block where padding of weights, or the cards of a node, depend on the card.

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


def _judge_block(block: Block, asked: Requirements) -> Columns:
    users = asked.workload.concurrency
    if asked.rate is None and asked.most_copies == 1:
        trial = Trial(_with_max_num_seqs(block, users), asked)
        return trial.columns(1, users)
    if block.engine.family == HOME and any(x.max_num_seqs is None for x in block.limits):
        return _one_by_one(block, asked)  # its memory depends on the users of a copy
    trial = Trial(block, asked)
    candidates, max_users = Candidates(trial.tried, len(block)), trial.room.users.astype(int)
    gpu_copies = [asked.most_of(gpu.place, trial.stack.num_gpus) for gpu in block.gpus]
    max_copies = np.array(gpu_copies)[trial.stack.card]
    if asked.rate is None:
        copies_found = for_users(candidates, max_users, users, max_copies)
    else:
        keep = trial.keep if latency_limits(asked.slo) else None
        copies_found = for_rate(candidates, max_users, asked.rate, max_copies, keep)
    columns = trial.columns(copies_found.copies, copies_found.users, copies_found.near)
    columns.alone = copies_found.alone
    return columns


def _one_by_one(block: Block, asked: Requirements) -> Columns:
    """Judge each candidate by its card."""
    judged_rows = [row_of(judge(d, asked)) for d in block.deployments()]
    alone = None
    if asked.rate is not None:
        alone = np.array([holds_one(d, asked) for d in block.deployments()])
    return Columns.of_rows(judged_rows, _limit_names(asked.slo), alone)


def _limit_names(slo: Slo) -> tuple[str, ...]:
    """List the names of the limits that are set."""
    money = {"budget": slo.usd_h, "cost": slo.usd_mtok}
    priced = (name for name, bound in money.items() if bound is not None)
    return ("capacity", *priced, *(limit.name for limit in latency_limits(slo)))


class Trial:
    """The candidates of a block under the load that each copy has.

    Parameters
    ----------
    block : Block
        The candidates.
    asked : Requirements
        The load and the limits.
    """

    def __init__(self, block: Block, asked: Requirements) -> None:
        self.block, self.asked, self.stack = block, asked, Stack(block)
        self.room = _room(self.stack, asked.workload)
        self.apart = asked.rate is not None

    def tried(self, users: Array, at: Array) -> Tried:
        """Judge some of the candidates, each with its own number of users.

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
        stack, load, slo = self.stack.only(at), self.asked.workload, self.asked.slo
        running = _in_progress(stack, users, self.room.users[at])
        served = _served(stack, load, users, running, self.apart)
        # fewer copies make no token dearer, so a price never asks for more of them
        slo = replace(slo, usd_mtok=None)
        if self.apart and (users > 1).any():  # see `copies._meets`
            slo = Slo()
        price = _price(stack, served.output_tok_s)
        headrooms = _headrooms(slo, _latencies_s(served, slo), _ceilings_s(served, slo), price)
        meets = self.room.starts[at] & (self.room.users[at] >= users)
        near = np.zeros(len(at), bool)
        for headroom in headrooms.values():
            meets &= ~(headroom < 1)
            near |= np.abs(headroom - 1) < NEAR
        return Tried(meets, served.steady_rps, near)

    @cached_property
    def open_loop(self) -> OpenLoop:
        """All candidates at each number of requests in flight."""
        stack, count = self.stack, len(self.block)
        max_running = maximum(
            minimum(self.room.users, stack.seqs_limit * stack.attention_replicas), 1
        )
        users = knots(max_running)
        flat_users = np.concatenate(users).astype(int)
        stacked = stack.only(np.tile(np.arange(count), len(users)))
        served = _served(stacked, self.asked.workload, flat_users, flat_users, apart=True)
        spread = spread_at_rate(served)
        numbers = {n: getattr(spread, n) for n in NUMBERS}
        return OpenLoop(
            users,
            list(served.steady_rps.reshape(-1, count)),
            {n: list(x.reshape(-1, count)) if np.ndim(x) else float(x) for n, x in numbers.items()},
            spread,
        )

    def keep(self, rate_rps: Array, at: Array) -> tuple[Array, Array]:
        """Say which of some candidates meet the limits on latencies.

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
        within, near = rate_rps < self.open_loop.most_rps[at], np.zeros(len(at), bool)
        candidates = np.flatnonzero(within)
        steady = self.open_loop.only(at[candidates]).at(rate_rps[candidates])
        limits = latency_limits(self.asked.slo) if len(candidates) else ()
        for quantity, percent, bound_s in limits:
            headroom = bound_s / steady.latency_s(quantity, percent)
            near[candidates] |= np.abs(headroom - 1) < NEAR
            within[candidates] &= headroom >= 1
        return within, near

    def _at_rate_s(self, users_at_once_s: dict[str, Array], copies: Array) -> dict[str, Array]:
        """Replace latencies of users at once by those of the rate, where it is answered."""
        rate_rps = self.asked.rate / copies
        at = np.flatnonzero(self.room.starts & (rate_rps < self.open_loop.most_rps))
        if not len(at):
            return users_at_once_s
        steady = self.open_loop.only(at).at(rate_rps[at])
        for one in _latencies(self.asked.slo):
            users_at_once_s[one.name][at] = steady.latency_s(one.quantity, one.percent)
        return users_at_once_s

    def columns(self, copies: Number, users: Number, near: Number = False) -> Columns:
        """Judge all candidates, each in its number of copies.

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
        first, place = _distinct(stack, running, users)
        first_users = users[first] if hasattr(users, "__array__") else users
        load = self.asked.workload
        served = _served(stack.only(first), load, first_users, running[first], self.apart)
        output_tok_s = served.output_tok_s[place]
        if self.asked.rate is not None:  # a token's price counts the output that is asked for
            offered_tok_s = self.asked.rate / copies * load.output_tokens
            output_tok_s = minimum(output_tok_s, offered_tok_s)
        rent, price = _rent(stack), _price(stack, output_tok_s)
        values_s = {name: value[place] for name, value in _latencies_s(served, slo).items()}
        if self.apart:
            values_s = self._at_rate_s(values_s, copies)
        stopped = ~room.starts
        columns = {
            "copies": copies,
            "users": users,
            "usd_h": where(rent > 0, copies * rent, np.inf),
            "usd_mtok": where(stopped | (rent == 0), np.inf, price),
            "itl_s": where(stopped, np.inf, values_s[MEAN_LIMITS["itl"]]),
            "ttft_s": where(stopped, np.inf, values_s[MEAN_LIMITS["ttft"]]),
            "num_gpus": copies * stack.num_gpus,
            "lack": room.lack(users),
        }
        floors_s = {name: floor_s[place] for name, floor_s in _ceilings_s(served, slo).items()}
        headrooms = _headrooms(slo, values_s, floors_s, price)
        headrooms = {name: where(stopped, np.nan, room) for name, room in headrooms.items()}
        headrooms["capacity"] = room.users / users
        if slo.usd_h is not None:
            headrooms["budget"] = where(rent > 0, slo.usd_h / copies * ROUNDED / rent, np.nan)
        block = self.block
        full = (
            {n: _full_column(x, block) for n, x in named.items()} for named in (columns, headrooms)
        )
        return _rejudge_near_limits(block, Columns(*full), room.edge | near, self.asked)


def _rent(stack: Stack) -> Array:
    """Compute the rent of a copy of each candidate; 0 where unknown [USD/h]."""
    return stack.of_card("usd_h") * stack.num_gpus


def _price(stack: Stack, output_tok_s: Array) -> Array:
    """Compute the price of a million output tokens; 0 where no rent is known [USD/Mtok]."""
    return _rent(stack) / 3600 * 1e6 / output_tok_s


def _latencies(slo: Slo) -> tuple[LatencyLimit, ...]:
    """List both means, whether they have a limit or not, and the percentiles that have one."""
    means = (LatencyLimit(quantity, None, math.inf) for quantity in MEAN_LIMITS)
    return (*means, *(limit for limit in latency_limits(slo) if limit.percent is not None))


def _latencies_s(served: Served, slo: Slo) -> dict[str, Array]:
    """Compute `_latencies` by the names of limits."""
    return {
        one.name: getattr(served, percentiles.MEANS[one.quantity])
        if one.percent is None
        else percentiles.expected_s(served, one.quantity, one.percent)
        for one in _latencies(slo)
    }


def _ceilings_s(served: Served, slo: Slo) -> dict[str, Array]:
    """Compute what the spec sheet allows of the percentiles that have a limit."""
    ceiling = replace(served, efficiency=CEILING)
    return {t.name: percentiles.ceiling_s(ceiling, t.quantity, t.percent) for t in slo.tails}


def _headrooms(
    slo: Slo, values_s: dict[str, Array], floors_s: dict[str, Array], price: Array
) -> dict[str, Array]:
    """Compute headrooms of the latencies and of the price, as `limits.headrooms` does."""
    found = {
        limit.name: limit.bound_s / maximum(values_s[limit.name], floors_s.get(limit.name, 0.0))
        for limit in latency_limits(slo)
    }
    if slo.usd_mtok is not None:
        found["cost"] = slo.usd_mtok / where(price > 0, price, np.nan)
    return found


def _with_max_num_seqs(block: Block, users: int) -> Block:
    """Set max_num_seqs of a block as the launch command does."""
    given = (x.max_num_seqs for x in block.limits)
    seqs = [sequences(block.engine, max_num_seqs, users) for max_num_seqs in given]
    limits = (x._replace(max_num_seqs=n) for x, n in zip(block.limits, seqs, strict=True))
    return replace(block, limits=tuple(limits))


def _full_column(column: Number, block: Block) -> Array:
    return np.broadcast_to(np.asarray(column, float), (len(block),)).copy()


class Room(NamedTuple):
    """Users that have room on a copy of each candidate, and the memory they take.

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
        """Divide the memory that users need by the engine's budget.

        Parameters
        ----------
        users : int or array
            Users of a copy of each candidate.

        Returns
        -------
        array
            The first over the second.
        """
        card_users = -(-users // self.replicas)
        return (self.taken_bytes + card_users * self.sequence_bytes) / self.budget_bytes


def _room(stack: Stack, load: Workload) -> Room:
    engine = stack.engine
    kinds = _memory_kinds(stack.block.gpus, stack.weights)[stack.card]
    used_bytes = stack.like(capacity.fixed_bytes, kinds) + capacity.activation_bytes(stack)
    if engine.graphs_in_fraction:
        used_bytes = used_bytes + capacity.graph_bytes(stack)
    visible_bytes = _usable(stack.block.gpus)[stack.card]
    budget_bytes, pool_bytes = (
        visible_bytes * stack.fraction,
        visible_bytes * stack.fraction - used_bytes,
    )
    if engine.fraction_of != "total":
        free_bytes = visible_bytes - used_bytes
        budget_bytes, pool_bytes = (
            visible_bytes,
            where(free_bytes > 0, free_bytes * stack.fraction, free_bytes),
        )
    running_bytes, once_bytes, shared_bytes = _sequence_bytes(stack, load)
    per_sequence_bytes = running_bytes - shared_bytes * load.hit_share
    starts = (pool_bytes >= once_bytes + per_sequence_bytes) & ~_refused(stack, pool_bytes)
    sequences = maximum(pool_bytes - once_bytes, 0) / per_sequence_bytes
    whole_sequences = floor(sequences)
    users = where(starts, whole_sequences * stack.attention_replicas, 0.0)
    whole_users = np.round(sequences)
    near_edge = (whole_users > 0) & (np.abs(sequences - whole_users) < NEAR * whole_users)
    replicas = stack.tp if stack.dp_attention else 1
    return Room(
        users,
        starts,
        used_bytes + once_bytes,
        per_sequence_bytes,
        budget_bytes,
        replicas,
        near_edge,
    )


def _sequence_bytes(stack: Stack, load: Workload) -> tuple[float, Array, float]:
    """Compute the cache of a running sequence, the cache held once, and the shared prefix."""
    d, context = stack.block[0], load.context_tokens
    prefix = capacity.prefix_bytes(d, load.shared_prefix_tokens, context)
    running = float(capacity.kv_sequence_bytes(d, context, running=True))
    if not capacity.is_grouped(d):
        return running, prefix, prefix
    # windows hold the batches in flight once, which depend on max_num_batched_tokens
    once = stack.like(lambda d: capacity.admission_bytes(d, context), stack.tokens)
    return running, once + prefix, prefix


def _refused(stack: Stack, pool: Array) -> Array:
    """Say where max_num_seqs is more than the cache has blocks for states."""
    blocks = capacity.state_block_bytes(stack.block[0])
    if not blocks:
        return np.zeros(len(pool), bool)
    return stack.max_num_seqs > maximum(floor(maximum(pool, 0) / blocks), 1)


def _in_progress(stack: Stack, users: Number, room: Array) -> Array:
    """Count the users in progress; the others wait."""
    max_running = minimum(room, stack.seqs_limit * stack.attention_replicas)
    return minimum(users, maximum(max_running, 1))


def _distinct(stack: Stack, running: Array, users: Number) -> tuple[Array, Array]:
    """Find candidates with distinct predictions, and the index of each candidate among them.

    A limit on sequences affects only the number of users in progress.
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
        arrivals = prompts_between_steps(running, load.output_tokens / decode.tokens_per_step)
        together = prompts_in_a_pass(arrivals, running, stack.batch_limit_tokens / computed)
        passes = bandwidth.prefill_work(stack, **tokens, prompts=together)
    work = LoadWork(
        decode=decode,
        prompt=prompt,
        batch=None,
        passes=passes,
        together=together,
        users=running,
        turns=users / running,
        input_tokens=load.input_tokens,
        prefill_tokens=computed,
        output_tokens=load.output_tokens,
        cards=stack.num_gpus,
        server=1.0 if stack.engine.is_server else 0.0,
        mixed=1.0 if stack.mixes_prompts else 0.0,
    )
    per_gpu = _efficiencies(stack.engine.family, stack.block.gpus, stack.weights, stack.kv)
    efficiency: Any = SimpleNamespace(**{name: x[stack.card] for name, x in per_gpu.items()})
    if apart:
        efficiency.burst_share = 0.0 * efficiency.burst_share
    return Served(work, efficiency, stack, load)


def _rejudge_near_limits(
    block: Block, columns: Columns, near: Array, asked: Requirements
) -> Columns:
    """Judge candidates again that rounding may have put on the wrong side of a limit."""
    for name, headrooms in columns.headrooms.items():
        if name != "capacity":  # users are whole numbers
            near = near | (np.abs(headrooms - 1) < NEAR)
    for i in np.flatnonzero(near).tolist():
        row = row_of(judge(block[i], asked))
        for name, column in columns.columns.items():
            column[i] = getattr(row, name)
        for name, headroom in row.headrooms.items():
            columns.headrooms[name][i] = headroom
    return columns
