"""A server's scheduler, step by step: who waits, who is computed, who is decoded.

The rules are those of vLLM's V1 scheduler. Requests are served in the order they came. A step
first gives every decoding sequence its token; what is left of `max_num_batched_tokens` goes to
prompts, which may be cut. A request is admitted when the cache has room for its whole prompt.
Where a token finds no block, pieces of prompts that nobody uses leave the prefix cache, and then
the sequence that was admitted last leaves: it is computed anew later.

An engine that does not mix gives prompts steps of their own, as SGLang's scheduler does
(managers/scheduler.py, `get_next_batch_to_run`): whatever prompts have room are computed first, and
decoding pauses.

Nothing but the clock moves between two events, so steps that are alike are taken together. Each
has the mean time of its group; no group is longer than `ALIKE`.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from ..refuse import BadInput
from .arrivals import Request
from .steps import Piece, Room, Times

ALIKE = 32  # steps of a group: the context of a sequence grows by as many tokens
TOLD_EVERY = 256  # groups of steps


class Served(NamedTuple):
    """When a request was where.

    Attributes
    ----------
    sent_s, queued_s, scheduled_s, first_s, last_s : float
        Sent by its user, in the engine's queue, first computed, first token and last [s].
    input_tokens, output_tokens, cached_tokens : int
        Of its prompt, of its answer, and those of the prompt that the cache held [tokens].
    preempted : int
        How many times it lost its cache.
    """

    sent_s: float
    queued_s: float
    scheduled_s: float
    first_s: float
    last_s: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    preempted: int = 0

    @property
    def ttft_s(self) -> float:
        """Time to the first token [s]."""
        return self.first_s - self.sent_s

    @property
    def e2e_s(self) -> float:
        """Time to the last token [s]."""
        return self.last_s - self.sent_s

    @property
    def tpot_s(self) -> float:
        """Mean gap between its tokens; 0 for an answer of one [s]."""
        return (self.last_s - self.first_s) / max(self.output_tokens - 1, 1)


class Group(NamedTuple):
    """Steps that are alike.

    Attributes
    ----------
    start_s, step_s : float
        When the first one begins, and the time of each [s].
    steps : int
        How many follow each other.
    decoding : int
        Sequences that gain a token in each.
    prompt_tokens : int
        Tokens of prompts that are computed [tokens].
    waiting : int
        Requests in the queue.
    held : float
        Share of the room for the cache that is held by requests.
    pauses : tuple of (float, int)
        Time for which prompts were computed since the last token of some of the sequences, and how
        many: their gap before the first of these steps is longer by it [s].
    """

    start_s: float
    step_s: float
    steps: int
    decoding: int
    prompt_tokens: int
    waiting: int
    held: float
    pauses: tuple[tuple[float, int], ...] = ()

    @property
    def gaps(self) -> list[tuple[float, int]]:
        """Gaps between two tokens of a user, and how many there are of each [s]."""
        paused = sum(many for _, many in self.pauses)
        longer = [(self.step_s + pause_s, many) for pause_s, many in self.pauses]
        return [(self.step_s, self.steps * self.decoding - paused), *longer]


@dataclass(frozen=True)
class Run:
    """What a simulation saw.

    Attributes
    ----------
    served : tuple of Served or None
        By index of the request; None for one that was not answered before it was stopped.
    groups : tuple of Group
        The steps, in order.
    late : tuple of (float, int)
        Gaps of sequences that lost their cache between two tokens, one each [s].
    stopped : bool
        Whether it was stopped before the last answer.
    """

    served: tuple[Served | None, ...]
    groups: tuple[Group, ...]
    late: tuple[tuple[float, int], ...] = ()
    stopped: bool = False

    @property
    def completed(self) -> tuple[Served, ...]:
        """Requests that were answered."""
        return tuple(one for one in self.served if one is not None)

    @property
    def gaps(self) -> list[tuple[float, int]]:
        """Gaps between two tokens of a user, and how many there are of each [s]."""
        return [gap for g in self.groups if g.decoding for gap in g.gaps] + [*self.late]


class _Piece:
    """A part of the prefix cache."""

    __slots__ = ("bytes", "ready", "users")

    def __init__(self, size: int, users: int, ready: bool) -> None:
        self.bytes, self.users, self.ready = size, users, ready


class _One:
    """A request on its way."""

    __slots__ = (
        *("request", "sent_s", "queued_s", "scheduled_s", "first_s", "token_s", "made"),
        *("goal", "done", "found", "cached", "pieces", "own_bytes", "block_bytes", "own_from"),
        *("joined", "stamp", "preempted"),
    )

    def __init__(self, request: Request, sent_s: float, queued_s: float) -> None:
        self.request, self.sent_s, self.queued_s = request, sent_s, queued_s
        self.scheduled_s = self.first_s = self.token_s = -1.0
        self.made = 0  # tokens of the answer
        self.goal = self.done = self.found = self.cached = 0  # of the prompt to compute
        self.pieces: list[Hashable] = []
        self.own_bytes = self.block_bytes = self.own_from = 0
        self.joined = self.stamp = self.preempted = 0


class _Loop:
    """The state of a server."""

    def __init__(self, requests: Sequence[Request], times: Times, room: Room) -> None:
        self.requests, self.times, self.room = requests, times, room
        self.served: list[Served | None] = [None] * len(requests)
        self.left = len(requests)
        self.groups: list[Group] = []
        self.late: list[tuple[float, int]] = []
        self.paused: list[tuple[float, int]] = []  # since when, and how many have no token since
        self.now_s = 0.0
        self.coming: list[tuple[float, int, float]] = []  # queued_s, index, sent_s
        self.followers: dict[int, list[int]] = {}
        for at, one in enumerate(requests):
            if one.after < 0:
                queued_s = one.arrival_s + times.request_s(one.input_tokens)
                self.coming.append((queued_s, at, one.arrival_s))
            else:
                self.followers.setdefault(one.after, []).append(at)
        heapify(self.coming)
        self.waiting: deque[tuple[int, _One]] = deque()
        self.running: dict[int, _One] = {}  # in the order of admission
        self.computing: deque[tuple[int, _One]] = deque()  # those whose prompt is not complete
        self.step = self.decoding = self.context = 0
        self.ends: list[tuple[int, int, int]] = []  # step, index, stamp
        self.growth = [0] * room.block_tokens  # bytes that steps need, by step modulo the block
        self.free = room.bytes
        self.cache: dict[Hashable, _Piece] = {}
        self.unused: dict[Hashable, _Piece] = {}  # the least recently used first
        self.spare = 0  # bytes of those

    # the clock

    def turn(self) -> None:
        """One group of steps, or the wait for the next request."""
        self.receive()
        squeezed = self.squeeze()
        prompts_s, tokens, complete = self.compute(admits=not squeezed)
        if not tokens and not self.decoding:
            self.now_s = max(self.now_s, self.coming[0][0])
            return
        if tokens and not self.room.mixes:
            self.prompts_alone(prompts_s, tokens, complete)
            return
        decoding = self.decoding
        decode_s = self.times.decode_s(decoding, self.context) if decoding else 0.0
        steps = 1
        if tokens:
            step_s = self.times.together_s(decode_s, prompts_s)
        else:
            steps = self.alike(decode_s)
            context = self.context + decoding * (steps - 1) / 2
            step_s = self.times.decode_s(decoding, context) if steps > 1 else decode_s
        used_share = 1 - self.free / self.room.bytes
        waiting = len(self.waiting)
        pauses = tuple((self.now_s - since_s, many) for since_s, many in self.paused if many)
        self.paused.clear()
        self.groups.append(
            Group(self.now_s, step_s, steps, decoding, tokens, waiting, used_share, pauses)
        )
        self.now_s += step_s * steps
        self.decode(steps)
        for at, one in complete:
            self.first_token(at, one)

    def prompts_alone(self, step_s: float, tokens: int, complete: list[tuple[int, _One]]) -> None:
        """A step that computes prompts, while those who decode wait for their next token."""
        if not self.paused:
            self.paused.append((self.now_s, self.decoding))
        used_share = 1 - self.free / self.room.bytes
        self.groups.append(Group(self.now_s, step_s, 1, 0, tokens, len(self.waiting), used_share))
        self.now_s += step_s
        before = self.decoding
        for at, one in complete:
            self.first_token(at, one)
        self.paused.append((self.now_s, self.decoding - before))

    def alike(self, decode_s: float) -> int:
        """How many steps pass before anything but a token happens."""
        steps = min(self.ends[0][0] - self.step, ALIKE)
        if self.coming:
            steps = min(steps, int((self.coming[0][0] - self.now_s) / decode_s) + 1)
        if steps > 1 and self.needed(steps) > self.free:
            return 1
        return max(steps, 1)

    def needed(self, steps: int) -> int:
        """Bytes of the blocks that so many steps fill."""
        block = len(self.growth)
        rounds, rest = divmod(steps, block)
        total = rounds * sum(self.growth) if rounds else 0
        for i in range(self.step + 1, self.step + 1 + rest):
            total += self.growth[i % block]
        return total

    def receive(self) -> None:
        """Queue what has arrived."""
        while self.coming and self.coming[0][0] <= self.now_s:
            queued_s, at, sent_s = heappop(self.coming)
            self.waiting.append((at, _One(self.requests[at], sent_s, queued_s)))

    # prompts

    def compute(self, *, admits: bool) -> tuple[float, int, list[tuple[int, _One]]]:
        """Share out what a step has left: its time, its tokens, and the prompts it completes."""
        beside = self.decoding if self.room.mixes else 0
        budget = int(self.room.batched_tokens - beside * self.room.step_tokens)
        budget = max(budget, 0 if beside else 1)
        pieces, total, complete = list[Piece](), 0, list[tuple[int, _One]]()
        # a prompt is done before the next is begun, so another is let in when none is left
        while budget and (self.computing or (admits and self.waiting and self.admit())):
            at, one = self.computing[0]
            taken = self.piece(one, budget, pieces)
            total, budget = total + taken, budget - taken
            if one.done == one.goal:
                complete.append((at, one))
                self.computing.popleft()
        return self.pieces_s(pieces), total, complete

    def piece(self, one: _One, budget: int, pieces: list[Piece]) -> int:
        """Compute what a step has room for of a prompt."""
        stop = min(one.goal, one.done + budget)
        pieces.append((one.done, stop, one.found, one.goal))
        taken, one.done = stop - one.done, stop
        return taken

    def pieces_s(self, pieces: list[Piece]) -> float:
        """Time of the pieces of a step: beside decoding one by one, alone in one pass."""
        if self.room.mixes or not pieces:
            return sum(self.times.prompt_s(*piece) for piece in pieces)
        return self.times.pass_s(pieces)

    def admit(self) -> bool:
        """Let in the request that waits longest, if there is a place and room for its prompt."""
        if len(self.running) >= self.room.sequences:
            return False
        at, one = self.waiting[0]
        tokens = one.request.input_tokens + one.made
        found, known, fresh, size = self.looked_up(one.request, tokens)
        pinned = sum(self.cache[key].bytes for key in known if not self.cache[key].users)
        if size > self.free + self.spare - pinned:
            if self.running or not self.unused:
                return False
            self.evict(self.room.bytes)  # nobody else will make room: begin anew
            return self.admit()
        self.waiting.popleft()
        for key in known:
            self.use(key)
        self.evict(size)
        self.free -= size
        self.start(one, tokens, found, known, fresh, size)
        self.running[at] = one
        self.computing.append((at, one))
        return True

    def looked_up(
        self, request: Request, tokens: int
    ) -> tuple[int, list[Hashable], list[tuple[Hashable, int]], int]:
        """Tokens found in the cache, the pieces found, those to add, and bytes to take."""
        block, held_bytes = self.room.block_tokens, self.room.held_bytes
        known: list[Hashable] = []
        fresh: list[tuple[Hashable, int]] = []
        found = end = 0
        for key, length in request.prefix:
            before, end = end, end + length
            if key in self.cache and not fresh:
                known.append(key)
                found = end
            elif key is not None and key not in self.cache:
                size = held_bytes(end // block) - held_bytes(before // block)
                fresh.append((key, size))
            else:
                break
        start = held_bytes(found // block)
        size = held_bytes(-(-tokens // block)) - start
        return min(found // block * block, tokens - 1), known, fresh, size

    def start(
        self,
        one: _One,
        tokens: int,
        found: int,
        known: list[Hashable],
        fresh: list[tuple[Hashable, int]],
        size: int,
    ) -> None:
        """Note what a request holds, and what it has to compute."""
        block, held_bytes = self.room.block_tokens, self.room.held_bytes
        for key, own in fresh:
            self.cache[key] = _Piece(own, 1, ready=False)
            size -= own
        one.pieces = [*known, *(key for key, _ in fresh)]
        one.own_bytes, one.own_from = size, tokens
        whole = one.request.input_tokens + one.request.output_tokens - 1
        last, now = -(-whole // block), -(-tokens // block)
        grown = held_bytes(last) - held_bytes(now)
        one.block_bytes = -(-grown // (last - now)) if last > now else 0
        one.found = one.done = found
        one.goal = tokens
        if one.scheduled_s < 0:
            one.scheduled_s, one.cached = self.now_s, found

    def first_token(self, at: int, one: _One) -> None:
        """A prompt is complete: its sequence has a token, and is decoded from now on."""
        for key in one.pieces:
            self.cache[key].ready = True
        if one.first_s < 0:
            one.first_s = self.now_s
        else:  # it was computed anew
            self.late.append((self.now_s - one.token_s, 1))
        one.made += 1
        one.joined = self.step
        more = one.request.output_tokens - one.made
        self.decoding += 1
        self.context += one.own_from + 1
        if one.block_bytes:
            self.growth[self.residue(one)] += one.block_bytes
        if more:
            heappush(self.ends, (self.step + more, at, one.stamp))
        else:
            self.finish(at, one)

    def residue(self, one: _One) -> int:
        """The steps in which a sequence begins a block, modulo the block."""
        return (one.joined + 1 - one.own_from) % self.room.block_tokens

    # answers

    def decode(self, steps: int) -> None:
        """Give every decoding sequence its tokens, and end those that are complete."""
        if not self.decoding:
            return
        self.free -= self.needed(steps)
        self.step += steps
        self.context += steps * self.decoding
        while self.ends and self.ends[0][0] <= self.step:
            _, at, stamp = heappop(self.ends)
            one = self.running.get(at)
            if one is not None and one.stamp == stamp:
                self.finish(at, one)

    def finish(self, at: int, one: _One) -> None:
        """Note the times of a request, and let its user send the next one."""
        request = one.request
        self.stop_decoding(one)
        del self.running[at]
        self.keep(one)
        self.release(one)
        self.served[at] = Served(
            *(one.sent_s, one.queued_s, one.scheduled_s, one.first_s, self.now_s),
            *(request.input_tokens, request.output_tokens, one.cached, one.preempted),
        )
        self.left -= 1
        for following in self.followers.pop(at, ()):
            one_more = self.requests[following]
            sent_s = self.now_s + one_more.arrival_s
            queued_s = sent_s + self.times.request_s(one_more.input_tokens)
            heappush(self.coming, (queued_s, following, sent_s))

    def stop_decoding(self, one: _One) -> None:
        """Take a sequence out of the batch; what it has grown by counts as its own."""
        made = self.step - one.joined
        self.decoding -= 1
        self.context -= one.own_from + 1 + made
        if one.block_bytes:
            self.growth[self.residue(one)] -= one.block_bytes
            block = self.room.block_tokens
            blocks = -(-(one.own_from + made) // block) - -(-one.own_from // block)
            one.own_bytes += blocks * one.block_bytes
        one.made += made

    # the cache

    def use(self, key: Hashable) -> None:
        """Take a piece of the cache into use."""
        piece = self.cache[key]
        if not piece.users:
            del self.unused[key]
            self.spare -= piece.bytes
        piece.users += 1

    def rest(self, key: Hashable, piece: _Piece) -> None:
        """Let a piece that nobody uses stay until its room is needed."""
        self.unused[key] = piece
        self.spare += piece.bytes

    def keep(self, one: _One) -> None:
        """Let the whole blocks that only a finished request held stay in the prefix cache."""
        key, block = one.request.keeps, self.room.block_tokens
        if key is None or key in self.cache:
            return
        start = sum(length for _, length in one.request.prefix)
        end = one.request.input_tokens + one.request.output_tokens
        grown_bytes = self.room.held_bytes(end // block) - self.room.held_bytes(start // block)
        size = min(grown_bytes, one.own_bytes)
        one.own_bytes -= size
        self.cache[key] = _Piece(size, 0, ready=True)
        self.rest(key, self.cache[key])

    def release(self, one: _One) -> None:
        """Give back what a request holds; its pieces stay, the last of them the first to go."""
        self.free += one.own_bytes
        for key in reversed(one.pieces):
            piece = self.cache[key]
            piece.users -= 1
            if not piece.users and piece.ready:
                self.rest(key, piece)
            elif not piece.users:
                del self.cache[key]
                self.free += piece.bytes
        one.pieces, one.own_bytes = [], 0

    def evict(self, size: int) -> None:
        """Have so many bytes free, as far as pieces go that nobody uses."""
        while size > self.free and self.unused:
            key = next(iter(self.unused))
            piece = self.unused.pop(key)
            del self.cache[key]
            self.free += piece.bytes
            self.spare -= piece.bytes

    def squeeze(self) -> bool:
        """Have room for the tokens of the next step; whether a sequence had to leave for it."""
        squeezed = False
        while (size := self.needed(1)) > self.free:
            if self.unused:
                self.evict(size)
            elif len(self.running) > 1:
                self.preempt()
                squeezed = True
            else:
                break
        return squeezed

    def last_token_s(self) -> float:
        """When the sequence that leaves had its last token: of those that wait, it came last."""
        while self.paused:
            since_s, many = self.paused.pop()
            if many:
                self.paused.append((since_s, many - 1))
                return since_s
        return self.now_s

    def preempt(self) -> None:
        """Send the sequence that was admitted last back to the queue, without its cache."""
        at, one = self.running.popitem()
        if self.computing and self.computing[-1][1] is one:
            self.computing.pop()
        else:
            self.stop_decoding(one)
            one.token_s = self.last_token_s()
        self.release(one)
        one.stamp += 1
        one.preempted += 1
        self.waiting.appendleft((at, one))


def simulate(
    requests: Sequence[Request],
    times: Times,
    room: Room,
    progress: Callable[[float], bool | None] | None = None,
) -> Run:
    """Serve requests, step by step.

    Parameters
    ----------
    requests : sequence of Request
        As `arrivals` draws them, or a trace.
    times : Times
        Times of steps: `Steps` of a deployment.
    room : Room
        The cache, and the engine's limits.
    progress : callable, optional
        Is told the share of requests that are answered, now and then; False stops the run.

    Returns
    -------
    Run
        When each request was where, and what each step did.

    Raises
    ------
    BadInput
        When a request is longer than the cache.

    References
    ----------
    vLLM, v1/core/sched/scheduler.py, `schedule`; v1/core/kv_cache_manager.py.

    Examples
    --------
    >>> from llmcap_kernel import calibration, catalog
    >>> from llmcap_kernel.simulation.steps import Steps, room_of
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> steps = Steps(d, calibration.efficiency_for(d))
    >>> one = [Request(0.0, 1000, 100)]
    >>> run = simulate(one, steps, room_of(d, one))
    >>> [one.output_tokens for one in run.completed], sum(many for _, many in run.gaps)
    ([100], 99)
    """
    for at, one in enumerate(requests):
        _check(at, one, room)
    loop = _Loop(requests, times, room)
    turns = 0
    while loop.left:
        loop.turn()
        turns += 1
        if progress is None or turns % TOLD_EVERY:
            continue
        if progress(1 - loop.left / len(requests)) is False:
            break
    return Run(tuple(loop.served), tuple(loop.groups), tuple(loop.late), loop.left > 0)


def _check(at: int, one: Request, room: Room) -> None:
    """Reject a request that never has room."""
    whole = one.input_tokens + one.output_tokens
    needed = room.held_bytes(-(-whole // room.block_tokens))
    if needed > room.bytes:
        raise BadInput(
            "requests",
            f"request {at + 1} has {whole:,} tokens of prompt and answer: "
            "the cache has no room for it, however few are served.",
        )
