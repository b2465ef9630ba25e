"""A server's scheduler, step by step: which requests wait, prefill and decode.

The rules are those of vLLM's V1 scheduler. Requests are served in the order they came. A step
first gives every decoding sequence its token; what is left of `max_num_batched_tokens` goes to
prompts, which may be cut. A request is admitted when the cache has room for its whole prompt.
If a token needs a block and none is free, unused pieces of prompts leave the prefix cache. If that
is not enough, the sequence that was admitted last is preempted, and computed again later.

An engine that does not mix gives prompts steps of their own, as SGLang's scheduler does
(managers/scheduler.py, `get_next_batch_to_run`): all prompts that have room are computed first,
while decoding pauses.

Between two events all steps are alike, so they are simulated as a group, at their mean time. No
group is longer than `ALIKE` steps.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from ..refuse import BadInput
from .arrivals import Request
from .steps import Piece, Room, Times

ALIKE = 32  # most steps of a group, in which contexts grow by as many tokens
PROGRESS_EVERY = 256  # groups of steps


class Completed(NamedTuple):
    """A request that was answered, and when.

    Attributes
    ----------
    sent_s, queued_s, scheduled_s, first_s, last_s : float
        Sent by its user, in the engine's queue, first computed, first token and last [s].
    input_tokens, output_tokens, cached_tokens : int
        Tokens of its prompt, of its answer, and of the prompt that were cached [tokens].
    preempted : int
        Number of times it was preempted.
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
        """Mean gap between its tokens; 0 for an answer of one token [s]."""
        return (self.last_s - self.first_s) / max(self.output_tokens - 1, 1)


class Group(NamedTuple):
    """A group of steps that are alike.

    Attributes
    ----------
    start_s, step_s : float
        Start of the first step, and time of each [s].
    steps : int
        Number of steps.
    decoding : int
        Sequences that gain a token in each.
    prompt_tokens : int
        Tokens of prompts that are computed [tokens].
    waiting : int
        Requests in the queue.
    held : float
        Share of the cache that requests use.
    pauses : tuple of (float, int)
        Time for which prompts were computed since the last token of some sequences, and the number
        of these sequences. It lengthens their gap before the first of these steps [s].
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
        """Gaps between two tokens of a user, with their counts [s]."""
        paused_count = sum(count for _, count in self.pauses)
        longer = [(self.step_s + pause_s, count) for pause_s, count in self.pauses]
        return [(self.step_s, self.steps * self.decoding - paused_count), *longer]


@dataclass(frozen=True)
class Run:
    """The results of a simulation.

    Attributes
    ----------
    served : tuple of Completed or None
        By index of the request; None for one that was not answered before it was stopped.
    groups : tuple of Group
        The steps, in order.
    late : tuple of (float, int)
        Gaps of sequences that were preempted between two tokens, each with a count of 1 [s].
    stopped : bool
        Whether it was stopped before the last answer.
    """

    served: tuple[Completed | None, ...]
    groups: tuple[Group, ...]
    late: tuple[tuple[float, int], ...] = ()
    stopped: bool = False

    @property
    def completed(self) -> tuple[Completed, ...]:
        """Requests that were answered."""
        return tuple(request for request in self.served if request is not None)

    @property
    def gaps(self) -> list[tuple[float, int]]:
        """Gaps between two tokens of a user, with their counts [s]."""
        return [gap for g in self.groups if g.decoding for gap in g.gaps] + [*self.late]


class _Piece:
    """A part of the prefix cache."""

    __slots__ = ("bytes", "ready", "users")

    def __init__(self, size: int, users: int, ready: bool) -> None:
        self.bytes, self.users, self.ready = size, users, ready


class _Entry:
    """The state of a request in the server."""

    __slots__ = (
        *("request", "sent_s", "queued_s", "scheduled_s", "first_s", "token_s", "answer_tokens"),
        *("prompt_tokens", "prompt_done", "prompt_start", "cached_tokens", "pieces", "own_bytes"),
        *("block_bytes", "own_start", "joined_step", "admission", "preempted"),
    )

    def __init__(self, request: Request, sent_s: float, queued_s: float) -> None:
        self.request, self.sent_s, self.queued_s = request, sent_s, queued_s
        self.scheduled_s = self.first_s = self.token_s = -1.0
        self.answer_tokens = 0  # tokens decoded so far
        # a prompt is computed from `prompt_start`, after its cached tokens, to `prompt_tokens`
        self.prompt_tokens = self.prompt_done = self.prompt_start = self.cached_tokens = 0
        self.pieces: list[Hashable] = []
        self.own_bytes = self.block_bytes = self.own_start = 0
        self.joined_step = self.admission = self.preempted = 0


class _Loop:
    """The state of a server."""

    def __init__(self, requests: Sequence[Request], times: Times, room: Room) -> None:
        self.requests, self.times, self.room = requests, times, room
        self.served: list[Completed | None] = [None] * len(requests)
        self.left = len(requests)
        self.groups: list[Group] = []
        self.late: list[tuple[float, int]] = []
        self.paused: list[
            tuple[float, int]
        ] = []  # since when, and how many sequences had their last token then
        self.now_s = 0.0
        self.coming: list[tuple[float, int, float]] = []  # queued_s, index, sent_s
        self.followers: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            if request.after < 0:
                queued_s = request.arrival_s + times.request_s(request.input_tokens)
                self.coming.append((queued_s, index, request.arrival_s))
            else:
                self.followers.setdefault(request.after, []).append(index)
        heapify(self.coming)
        self.waiting: deque[tuple[int, _Entry]] = deque()
        self.running: dict[int, _Entry] = {}  # in the order of admission
        self.computing: deque[tuple[int, _Entry]] = deque()  # requests whose prompt is not complete
        self.step = self.decoding = self.context = 0
        self.ends: list[tuple[int, int, int]] = []  # last step, index, admission
        self.growth = [0] * room.block_tokens  # bytes of new blocks, by step modulo the block
        self.free = room.bytes
        self.cache: dict[Hashable, _Piece] = {}
        self.unused: dict[Hashable, _Piece] = {}  # the least recently used first
        self.spare = 0  # bytes of the unused pieces

    # the clock

    def run_group(self) -> None:
        """Run one group of steps, or wait for the next request."""
        self.receive()
        squeezed = self.make_room()
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
            step_s = self.times.together_s(decode_s, prompts_s, decoding, tokens)
        else:
            steps = self.steps_until_event(decode_s)
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
        for index, entry in complete:
            self.first_token(index, entry)

    def prompts_alone(self, step_s: float, tokens: int, complete: list[tuple[int, _Entry]]) -> None:
        """Run a step that computes prompts while decoding pauses."""
        if not self.paused:
            self.paused.append((self.now_s, self.decoding))
        used_share = 1 - self.free / self.room.bytes
        self.groups.append(Group(self.now_s, step_s, 1, 0, tokens, len(self.waiting), used_share))
        self.now_s += step_s
        decoding_before = self.decoding
        for index, entry in complete:
            self.first_token(index, entry)
        self.paused.append((self.now_s, self.decoding - decoding_before))

    def steps_until_event(self, decode_s: float) -> int:
        """Count the steps before anything but decoding happens."""
        steps = min(self.ends[0][0] - self.step, ALIKE)
        if self.coming:
            steps = min(steps, int((self.coming[0][0] - self.now_s) / decode_s) + 1)
        if steps > 1 and self.needed_bytes(steps) > self.free:
            return 1
        return max(steps, 1)

    def needed_bytes(self, steps: int) -> int:
        """Compute the bytes of new blocks that some steps need."""
        block = len(self.growth)
        rounds, remainder = divmod(steps, block)
        total = rounds * sum(self.growth) if rounds else 0
        for i in range(self.step + 1, self.step + 1 + remainder):
            total += self.growth[i % block]
        return total

    def receive(self) -> None:
        """Queue the requests that have arrived."""
        while self.coming and self.coming[0][0] <= self.now_s:
            queued_s, index, sent_s = heappop(self.coming)
            self.waiting.append((index, _Entry(self.requests[index], sent_s, queued_s)))

    # prompts

    def compute(self, *, admits: bool) -> tuple[float, int, list[tuple[int, _Entry]]]:
        """Fill a step with prompts: return their time, tokens, and the prompts it completes."""
        decoding = self.decoding if self.room.mixes else 0
        budget = int(self.room.batched_tokens - decoding * self.room.step_tokens)
        budget = max(budget, 0 if decoding else 1)
        pieces, total, complete = list[Piece](), 0, list[tuple[int, _Entry]]()
        # prompts are computed one after another, so the next is admitted when none is left
        while budget and (self.computing or (admits and self.waiting and self.admit())):
            index, entry = self.computing[0]
            computed = self.piece(entry, budget, pieces)
            total, budget = total + computed, budget - computed
            if entry.prompt_done == entry.prompt_tokens:
                complete.append((index, entry))
                self.computing.popleft()
        return self.prompts_s(pieces), total, complete

    def piece(self, entry: _Entry, budget: int, pieces: list[Piece]) -> int:
        """Compute as much of a prompt as a step has room for."""
        stop = min(entry.prompt_tokens, entry.prompt_done + budget)
        pieces.append((entry.prompt_done, stop, entry.prompt_start, entry.prompt_tokens))
        computed, entry.prompt_done = stop - entry.prompt_done, stop
        return computed

    def prompts_s(self, pieces: list[Piece]) -> float:
        """Time the pieces of a step: one by one where they mix with decoding, else in one pass."""
        if self.room.mixes or not pieces:
            return sum(self.times.prompt_s(*piece) for piece in pieces)
        return self.times.pass_s(pieces)

    def admit(self) -> bool:
        """Admit the first waiting request, if there is a slot and room for its prompt."""
        if len(self.running) >= self.room.sequences:
            return False
        index, entry = self.waiting[0]
        tokens = entry.request.input_tokens + entry.answer_tokens
        found_tokens, cached_keys, new_pieces, size = self.look_up(entry.request, tokens)
        pinned_bytes = sum(
            self.cache[key].bytes for key in cached_keys if not self.cache[key].users
        )
        if size > self.free + self.spare - pinned_bytes:
            if self.running or not self.unused:
                return False
            self.evict(self.room.bytes)  # no running request will free room, so empty the cache
            return self.admit()
        self.waiting.popleft()
        for key in cached_keys:
            self.use(key)
        self.evict(size)
        self.free -= size
        self.start(entry, tokens, found_tokens, cached_keys, new_pieces, size)
        self.running[index] = entry
        self.computing.append((index, entry))
        return True

    def look_up(
        self, request: Request, tokens: int
    ) -> tuple[int, list[Hashable], list[tuple[Hashable, int]], int]:
        """Look up a prompt: cached tokens, cached pieces, pieces to add, and bytes to allocate."""
        block, held_bytes = self.room.block_tokens, self.room.held_bytes
        cached_keys: list[Hashable] = []
        new_pieces: list[tuple[Hashable, int]] = []
        found_tokens = end = 0
        for key, length in request.prefix:
            start_tokens, end = end, end + length
            if key in self.cache and not new_pieces:
                cached_keys.append(key)
                found_tokens = end
            elif key is not None and key not in self.cache:
                size = held_bytes(end // block) - held_bytes(start_tokens // block)
                new_pieces.append((key, size))
            else:
                break
        start = held_bytes(found_tokens // block)
        size = held_bytes(-(-tokens // block)) - start
        return min(found_tokens // block * block, tokens - 1), cached_keys, new_pieces, size

    def start(
        self,
        entry: _Entry,
        tokens: int,
        found_tokens: int,
        cached_keys: list[Hashable],
        new_pieces: list[tuple[Hashable, int]],
        size: int,
    ) -> None:
        """Record what a request holds and what it has to compute."""
        block, held_bytes = self.room.block_tokens, self.room.held_bytes
        for key, piece_bytes in new_pieces:
            self.cache[key] = _Piece(piece_bytes, 1, ready=False)
            size -= piece_bytes
        entry.pieces = [*cached_keys, *(key for key, _ in new_pieces)]
        entry.own_bytes, entry.own_start = size, tokens
        final_tokens = entry.request.input_tokens + entry.request.output_tokens - 1
        last_block, current_block = -(-final_tokens // block), -(-tokens // block)
        growth_bytes = held_bytes(last_block) - held_bytes(current_block)
        entry.block_bytes = (
            -(-growth_bytes // (last_block - current_block)) if last_block > current_block else 0
        )
        entry.prompt_start = entry.prompt_done = found_tokens
        entry.prompt_tokens = tokens
        if entry.scheduled_s < 0:
            entry.scheduled_s, entry.cached_tokens = self.now_s, found_tokens

    def first_token(self, index: int, entry: _Entry) -> None:
        """Start decoding a request whose prompt is complete, with its first token."""
        for key in entry.pieces:
            self.cache[key].ready = True
        if entry.first_s < 0:
            entry.first_s = self.now_s
        else:  # it was preempted before
            self.late.append((self.now_s - entry.token_s, 1))
        entry.answer_tokens += 1
        entry.joined_step = self.step
        remaining = entry.request.output_tokens - entry.answer_tokens
        self.decoding += 1
        self.context += entry.own_start + 1
        if entry.block_bytes:
            self.growth[self.block_phase(entry)] += entry.block_bytes
        if remaining:
            heappush(self.ends, (self.step + remaining, index, entry.admission))
        else:
            self.finish(index, entry)

    def block_phase(self, entry: _Entry) -> int:
        """Compute the steps in which a sequence begins a block, modulo the block."""
        return (entry.joined_step + 1 - entry.own_start) % self.room.block_tokens

    # answers

    def decode(self, steps: int) -> None:
        """Give every decoding sequence its tokens, and finish those that are complete."""
        if not self.decoding:
            return
        self.free -= self.needed_bytes(steps)
        self.step += steps
        self.context += steps * self.decoding
        while self.ends and self.ends[0][0] <= self.step:
            _, index, stamp = heappop(self.ends)
            entry = self.running.get(index)
            if entry is not None and entry.admission == stamp:
                self.finish(index, entry)

    def finish(self, index: int, entry: _Entry) -> None:
        """Record the times of a request, and let its user send the next one."""
        request = entry.request
        self.stop_decoding(entry)
        del self.running[index]
        self.keep(entry)
        self.release(entry)
        self.served[index] = Completed(
            *(entry.sent_s, entry.queued_s, entry.scheduled_s, entry.first_s, self.now_s),
            *(request.input_tokens, request.output_tokens, entry.cached_tokens, entry.preempted),
        )
        self.left -= 1
        for follower in self.followers.pop(index, ()):
            next_request = self.requests[follower]
            sent_s = self.now_s + next_request.arrival_s
            queued_s = sent_s + self.times.request_s(next_request.input_tokens)
            heappush(self.coming, (queued_s, follower, sent_s))

    def stop_decoding(self, entry: _Entry) -> None:
        """Remove a sequence from the batch, and add its new blocks to its own bytes."""
        decoded = self.step - entry.joined_step
        self.decoding -= 1
        self.context -= entry.own_start + 1 + decoded
        if entry.block_bytes:
            self.growth[self.block_phase(entry)] -= entry.block_bytes
            block = self.room.block_tokens
            blocks = -(-(entry.own_start + decoded) // block) - -(-entry.own_start // block)
            entry.own_bytes += blocks * entry.block_bytes
        entry.answer_tokens += decoded

    # the cache

    def use(self, key: Hashable) -> None:
        """Mark a piece of the prefix cache as used by one more request."""
        piece = self.cache[key]
        if not piece.users:
            del self.unused[key]
            self.spare -= piece.bytes
        piece.users += 1

    def cache_unused(self, key: Hashable, piece: _Piece) -> None:
        """Keep an unused piece until its room is needed."""
        self.unused[key] = piece
        self.spare += piece.bytes

    def keep(self, entry: _Entry) -> None:
        """Keep the whole blocks of a finished request in the prefix cache."""
        key, block = entry.request.keeps, self.room.block_tokens
        if key is None or key in self.cache:
            return
        start = sum(length for _, length in entry.request.prefix)
        end = entry.request.input_tokens + entry.request.output_tokens
        grown_bytes = self.room.held_bytes(end // block) - self.room.held_bytes(start // block)
        size = min(grown_bytes, entry.own_bytes)
        entry.own_bytes -= size
        self.cache[key] = _Piece(size, 0, ready=True)
        self.cache_unused(key, self.cache[key])

    def release(self, entry: _Entry) -> None:
        """Free what a request holds; its pieces stay cached, and the last is evicted first."""
        self.free += entry.own_bytes
        for key in reversed(entry.pieces):
            piece = self.cache[key]
            piece.users -= 1
            if not piece.users and piece.ready:
                self.cache_unused(key, piece)
            elif not piece.users:
                del self.cache[key]
                self.free += piece.bytes
        entry.pieces, entry.own_bytes = [], 0

    def evict(self, size: int) -> None:
        """Evict unused pieces until some bytes are free, or none is left."""
        while size > self.free and self.unused:
            key = next(iter(self.unused))
            piece = self.unused.pop(key)
            del self.cache[key]
            self.free += piece.bytes
            self.spare -= piece.bytes

    def make_room(self) -> bool:
        """Make room for the tokens of the next step; return whether a sequence was preempted."""
        squeezed = False
        while (size := self.needed_bytes(1)) > self.free:
            if self.unused:
                self.evict(size)
            elif len(self.running) > 1:
                self.preempt()
                squeezed = True
            else:
                break
        return squeezed

    def last_token_s(self) -> float:
        """Find when the preempted sequence, the last admitted, had its last token."""
        while self.paused:
            since_s, count = self.paused.pop()
            if count:
                self.paused.append((since_s, count - 1))
                return since_s
        return self.now_s

    def preempt(self) -> None:
        """Return the sequence that was admitted last to the queue, and free its cache."""
        index, entry = self.running.popitem()
        if self.computing and self.computing[-1][1] is entry:
            self.computing.pop()
        else:
            self.stop_decoding(entry)
            entry.token_s = self.last_token_s()
        self.release(entry)
        entry.admission += 1
        entry.preempted += 1
        self.waiting.appendleft((index, entry))


def simulate(
    requests: Sequence[Request],
    times: Times,
    room: Room,
    progress: Callable[[float], bool | None] | None = None,
) -> Run:
    """Simulate a server step by step.

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
        The times of each request, and the steps.

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
    for index, request in enumerate(requests):
        _check(index, request, room)
    loop = _Loop(requests, times, room)
    turns = 0
    while loop.left:
        loop.run_group()
        turns += 1
        if progress is None or turns % PROGRESS_EVERY:
            continue
        if progress(1 - loop.left / len(requests)) is False:
            break
    return Run(tuple(loop.served), tuple(loop.groups), tuple(loop.late), loop.left > 0)


def _check(index: int, request: Request, room: Room) -> None:
    """Reject a request that is larger than the whole cache."""
    total_tokens = request.input_tokens + request.output_tokens
    needed = room.held_bytes(-(-total_tokens // room.block_tokens))
    if needed > room.bytes:
        raise BadInput(
            "requests",
            f"request {index + 1} has {total_tokens:,} tokens of prompt and answer: "
            "the cache has no room for it, however few are served.",
        )
