"""Latency, throughput and price of a deployment under a load: chapters 2 and 3 combined.

`serve` is the only path from a deployment and a load to its numbers. With
`CEILING` it computes what the spec sheet allows, with fitted efficiencies what can
be expected; nothing else differs. A single user is a load of one, and users that
do not fit in the cache wait for the others.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from . import bandwidth, capacity
from .explain import Explained, Line, quantity
from .numeric import Number, floor, maximum, minimum, somewhere, where
from .once import cached_property
from .refuse import BadInput
from .spec import CEILING, Deployment, Efficiency, Workload

# When a request comes, half of the running step is left on average.
BEGUN_STEPS = 0.5
UNKNOWN = -1.0  # value of `LoadWork.at_once` where it is not known


def closed_loop_wait_s(
    *,
    prompt_s: Number,
    others_s: Number,
    away_s: Number,
    prefill_share: Number = 1.0,
    burst_share: Number = 0.0,
) -> Number:
    """Compute the mean wait for the prefill of a prompt, including that prefill.

    Each user's prompt queues for the cards, its answer is decoded, and the user
    sends the next prompt at once. An arriving prompt finds each other user in the
    queue with the probability that a user is there at any time: Schweitzer's
    approximation in mean-value analysis, which leads to a quadratic equation in the
    time of a whole round.

    Parameters
    ----------
    prompt_s : float or array
        Prefill of one prompt [s].
    others_s : float or array
        Prefill of the prompts of all other users [s].
    away_s : float or array
        Decoding of an answer while no prompt is prefilled, and all other time outside
        the queue [s].
    prefill_share : float or array
        Share of the others' prefill that decoding waits for.
    burst_share : float or array
        Share of the users who send prompts at the same moment; on average half of
        the others are then served first.

    Returns
    -------
    float or array
        Wait: `prompt_s` for a single user, and at saturation all time but `away_s` [s].

    References
    ----------
    Reiser and Lavenberg 1980, doi 10.1145/322186.322195; Schweitzer 1979.

    Examples
    --------
    >>> closed_loop_wait_s(prompt_s=0.5, others_s=0.0, away_s=10.0)
    0.5
    >>> round(closed_loop_wait_s(prompt_s=0.5, others_s=7.5, away_s=10.0), 2)
    0.86
    """
    base_s = away_s + prefill_share * (prompt_s + others_s)
    sum_s = base_s + others_s + (1 - prefill_share) * prompt_s
    root_s = maximum(sum_s * sum_s - 4 * base_s * others_s, 0.0) ** 0.5
    round_s = (sum_s + root_s) / 2
    queued_share = prompt_s / (round_s - others_s)  # of a round, that a user spends in the queue
    queued_share = queued_share + burst_share * maximum(0.5 - queued_share, 0.0)
    return prompt_s + others_s * queued_share


class LoadWork(NamedTuple):
    """Work of a load on the cards of a deployment, before any efficiency.

    Attributes
    ----------
    decode, prompt : Work
        One decode step, and the prefill of one prompt.
    batch : Work or None
        Prefill of all users' prompts at once, as a library's loop runs it; None for
        a server, which receives prompts one by one.
    passes : Work
        Prefill of the other users' prompts that are computed together. It is `prompt`, except where
        prompts have steps of their own: such a step computes all that came since the last one.
    together : float or array
        How many prompts are computed together.
    users : float or array
        Requests in progress.
    turns : float or array
        Requests in flight per request in progress; above 1 some wait for room.
    input_tokens, prefill_tokens, output_tokens : float or array
        Tokens of a prompt, those of them that are computed, and tokens of an
        answer [tokens].
    cards : float or array
        Cards of the deployment.
    server : float or array
        1 where a server sends the tokens to clients, 0 in a library's loop.
    mixed : float or array
        1 where a decode step also prefills chunks of prompts, 0 where prompts have steps of their
        own.
    at_once : float or array
        Share of the users whose prompts come at the same moment, where that is known. Below 0 it
        is not, and the efficiency's `burst_share` holds.
    """

    decode: bandwidth.Work
    prompt: bandwidth.Work
    batch: bandwidth.Work | None
    users: Number
    turns: Number
    input_tokens: Number
    prefill_tokens: Number
    output_tokens: Number
    cards: Number
    server: Number
    passes: bandwidth.Work
    together: Number = 1.0
    mixed: Number = 1.0
    at_once: Number = UNKNOWN


def most_running(deployment: Deployment, workload: Workload) -> int:
    """Count the requests that a deployment processes at once.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.

    Returns
    -------
    int
        Sequences that fit in the cache or, where that is less, the engine's limit on
        concurrent sequences; 0 where the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> most_running(b, Workload(90, 10)) == b.seqs_limit
    True
    """
    sequences = capacity.workload_room(deployment, workload).sequences
    return min(sequences, deployment.seqs_limit * deployment.attention_replicas)


@lru_cache(maxsize=16_384)
def load_work(
    deployment: Deployment,
    workload: Workload,
    *,
    batch: bool = False,
    context_tokens: float | None = None,
    in_step: bool = False,
) -> LoadWork:
    """Compute the work of a load on the cards of a deployment.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    batch : bool
        Whether all users start together and none waits for room, as a benchmark runs
        a library's own loop.
    context_tokens : float, optional
        Tokens of a sequence in a decode step; if omitted, the mean over a request:
        its prompt and half of its answer [tokens].
    in_step : bool
        Whether all answers have one length. Where prompts come first, users who begin together
        then end together and ask again at once; where steps mix both, each begins when a step has
        room for its prompt, and they drift apart.

    Returns
    -------
    LoadWork
        Work that can be timed with any efficiencies.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load_work(two, Workload(7000, 1000, 16)).users
    16
    """
    d, load = deployment, workload
    # where the engine does not start, the numbers are those with room for one sequence
    users = load.concurrency if batch else min(load.concurrency, max(most_running(d, load), 1))
    cached = _cached_tokens(d, load) if load.shared_prefix_tokens else 0.0
    context = load.mean_context_tokens if context_tokens is None else context_tokens
    prompt = _prompt_work(d, load.input_tokens, cached, alone=d.sharing_groups > 1)
    computed = max(load.input_tokens - cached, 1)
    decode = bandwidth.decode_work(d, context_tokens=context, concurrency=users)
    mixes = d.mixes_prompts
    at_once = 1.0 if in_step and not mixes else UNKNOWN
    passes, together = prompt, 1.0
    if not mixes:
        steps = load.output_tokens / decode.tokens_per_step
        arrivals = users if at_once > 0 else prompts_between_steps(users, steps)
        together = prompts_in_a_pass(arrivals, users, d.batch_limit_tokens / computed)
        passes = _prompt_work(d, load.input_tokens, cached, together)
    whole_batch = _prompt_work(d, load.input_tokens, cached, users) if batch else None
    server = 1.0 if d.engine.is_server and not batch else 0.0
    # positional: keywords here would add half a hundredth to the time of a prediction
    return LoadWork(
        decode, prompt, whole_batch, users, load.concurrency / users,
        load.input_tokens, computed, load.output_tokens, d.num_gpus, server,
        passes, together, 1.0 if mixes else 0.0, at_once,
    )  # fmt: skip


def prompts_between_steps(users: Number, steps: Number) -> Number:
    """Compute the mean number of prompts between two decode steps, given that there is one.

    Users ask again as soon as they are answered, and answers end in decode steps only. While all
    users decode one answer, each sends one prompt.

    Parameters
    ----------
    users : float or array
        Users who ask again as soon as they are answered.
    steps : float or array
        Decode steps of an answer.

    Returns
    -------
    float or array
        Mean of a Poisson distribution without its zero.

    Examples
    --------
    >>> round(prompts_between_steps(16, 1000), 3), round(prompts_between_steps(200, 100), 3)
    (1.008, 2.313)
    """
    prompts_per_step = users / steps
    return prompts_per_step / (1 - math.e**-prompts_per_step)


def prompts_in_a_pass(arrivals: Number, users: Number, max_prompts: Number) -> Number:
    """Count the prompts that are computed together, where prompts have steps of their own.

    Parameters
    ----------
    arrivals : float or array
        Prompts that have come since the last decode step.
    users : float or array
        Users in progress.
    max_prompts : float or array
        Prompts for which a step has tokens.

    Returns
    -------
    float or array
        Prompts in the step, at least 1.

    Examples
    --------
    >>> prompts_in_a_pass(2.3, 200, 1.5), prompts_in_a_pass(2.3, 200, 0.2)
    (1.5, 1.0)
    """
    return maximum(minimum(minimum(arrivals, users), max_prompts), 1.0)


def _cached_tokens(deployment: Deployment, workload: Workload) -> float:
    """Count the prompt tokens that the prefix cache holds in whole pages, on average."""
    block = deployment.block_tokens
    return floor(workload.shared_prefix_tokens / block) * block * workload.hit_share


@lru_cache(maxsize=16_384)
def _prompt_work(
    deployment: Deployment,
    input_tokens: int,
    cached_tokens: float,
    prompts: Number = 1,
    alone: bool = False,
) -> bandwidth.Work:
    tokens = {"input_tokens": input_tokens, "cached_tokens": cached_tokens}
    return bandwidth.prefill_work(deployment, **tokens, prompts=prompts, alone=alone)


@dataclass(frozen=True)
class Served(Explained):
    """Latency, throughput and price of a deployment under a load.

    Attributes
    ----------
    work : LoadWork
        Work of the load on the cards.
    efficiency : Efficiency
        Shares and latencies it is timed with.
    deployment : Deployment, optional
        Deployment it runs on; None for a stack of loads.
    workload : Workload, optional
        The load; None for a stack of loads.
    """

    work: LoadWork
    efficiency: Efficiency
    deployment: Deployment | None = None
    workload: Workload | None = None

    @cached_property
    def decode(self) -> bandwidth.Step:
        """One decode step of all requests in progress."""
        return bandwidth.Step(self.work.decode, self.efficiency, self.deployment)

    @cached_property
    def prompt(self) -> bandwidth.Step:
        """Prefill of one prompt."""
        return bandwidth.Step(self.work.prompt, self.efficiency, self.deployment, "prefill")

    @cached_property
    def step_s(self) -> Number:
        """Time of a decode step [s]."""
        return self.work.decode.total_s(self.efficiency)

    @cached_property
    def prefill_s(self) -> Number:
        """Time of the prefill of one prompt [s]."""
        return self.work.prompt.total_s(self.efficiency)

    @property
    def occupied_s(self) -> Number:
        """Time for which the prefill of one prompt occupies the cards [s]."""
        return self.prefill_s * self.work.prompt.share

    @property
    def burst_share(self) -> Number:
        """Share of users whose prompts come at the same moment."""
        at_once = self.work.at_once
        return where(at_once < 0, self.efficiency.burst_share, at_once)

    @cached_property
    def pass_s(self) -> Number:
        """Time for which the prompts that are computed together occupy the cards [s]."""
        if self.work.passes is self.work.prompt:
            return self.occupied_s
        return self.work.passes.total_s(self.efficiency) * self.work.passes.share

    @property
    def other_s(self) -> Number:
        """Time of `pass_s` per prompt [s]."""
        return self.pass_s / self.work.together

    @property
    def others_s(self) -> Number:
        """Time to prefill the other users' prompts that are not in a prompt's own pass [s]."""
        return (self.work.users - self.work.together) * self.other_s

    @cached_property
    def added_s(self) -> Number:
        """Time that a prompt adds to the decode steps that also compute its chunks [s].

        While all users decode one answer, each sends one prompt. Where these prompts have more
        chunks than an answer has steps, several chunks share a step.
        """
        decode, prompt = self.work.decode, self.work.prompt
        steps = self.work.output_tokens / decode.tokens_per_step
        own_chunks = prompt.steps * prompt.share  # a micro-batch of a pipeline computes its part
        chunks = maximum(self.work.users * own_chunks / steps, 1.0)
        both_s = bandwidth.joined(decode, prompt, chunks).total_s(self.efficiency)
        chunk_s = (both_s - self.step_s) / chunks
        drafted_s = self.prompt.draft_s * prompt.share if prompt.draft else 0.0
        return minimum(own_chunks * chunk_s + drafted_s, self.occupied_s)

    @cached_property
    def waited_s(self) -> Number:
        """Time by which another user's prompt delays decoding [s]."""
        share = self.efficiency.prefill_share
        if not somewhere(share > 0):
            return 0.0  # at the ceiling, prefill hides behind decoding
        mixed = self.work.mixed
        if not somewhere(mixed < 1):
            return share * self.added_s
        # a prompt in a step of its own cannot hide behind decoding
        apart_s = where(share > 0, self.other_s, 0.0)
        return where(mixed > 0, share * self.added_s, apart_s)

    @property
    def users(self) -> Number:
        """Number of requests in progress; the others wait for room."""
        return self.work.users

    @property
    def itl_decode_s(self) -> Number:
        """Gap between two tokens of a user while no prompt is prefilled [s]."""
        return self.step_s / self.work.decode.tokens_per_step

    @property
    def decode_tok_s_user(self) -> Number:
        """Tokens of one user per second while no prompt is prefilled [tok/s]."""
        return self.decode.tok_s_user

    @property
    def decode_tok_s(self) -> Number:
        """Output tokens of all users while no prompt is prefilled [tok/s]."""
        return self.work.users * self.decode.tok_s_user

    @property
    def request_s(self) -> Number:
        """Time of a request outside the cards, before its first token [s]."""
        e = self.efficiency
        read_s = self.work.input_tokens * e.prompt_token_s
        return self.work.server * (e.first_token_s + read_s)

    @property
    def begun_s(self) -> Number:
        """Rest of the step that is running when a request comes [s]."""
        steps = self.work.server * self.efficiency.begun_share * BEGUN_STEPS
        return minimum(self.work.users - 1.0, 1.0) * steps * self.step_s

    @cached_property
    def client_s(self) -> Number:
        """Time a request spends outside the queue for its prefill and its decoding [s]."""
        # the cards are free for other prompts while this one is in a pipeline's later stages, or
        # where its attention group computes only a part of a pass
        cards_s = minimum(self.occupied_s, self.pass_s)
        return self.request_s + self.begun_s + self.prefill_s - cards_s

    @property
    def _away_s(self) -> Number:
        """Time of a round outside the prefill queue, if no prompt delayed decoding [s]."""
        return self.work.output_tokens * self.itl_decode_s + self.client_s

    @cached_property
    def waited_queued_s(self) -> Number:
        """Decoding delay from prompts computed while a user waits in the queue itself [s].

        It is the wait in a second queue, in which each prompt takes `waited_s` in place of its
        prefill. These prompts do not delay the user's own tokens, so `itl_s` subtracts them.
        """
        waited_s = self.waited_s
        if not somewhere(waited_s > 0):
            return 0.0
        return closed_loop_wait_s(
            prompt_s=self.work.together * waited_s,
            others_s=(self.work.users - self.work.together) * waited_s,
            away_s=self._away_s,
            burst_share=self.burst_share,
        )

    @cached_property
    def queue_s(self) -> Number:
        """Mean wait for the prefill of an admitted prompt, including that prefill [s]."""
        share = self.waited_s / self.other_s
        wait_s = closed_loop_wait_s(
            prompt_s=self.pass_s,
            others_s=self.others_s,
            away_s=self._away_s,
            prefill_share=share,
            burst_share=self.burst_share,
        )
        return (1 - share) * wait_s + self.waited_queued_s

    @property
    def itl_s(self) -> Number:
        """Mean gap between two tokens of a user, including others' prefill [s]."""
        # prompts computed while a user waits for the first token do not delay the later ones
        waits_s = self.work.users * self.waited_s - self.waited_queued_s
        return self.itl_decode_s + waits_s / self.work.output_tokens

    @property
    def round_s(self) -> Number:
        """Mean time from a request to its last token, without a wait for room [s]."""
        return self.queue_s + self.client_s + self.work.output_tokens * self.itl_s

    @property
    def room_wait_s(self) -> Number:
        """Mean wait for room in the cache; 0 where all users fit [s]."""
        waiting = self.work.turns - 1
        return waiting * self.round_s if somewhere(waiting > 0) else 0.0

    @property
    def ttft_idle_s(self) -> Number:
        """Time to the first token on an idle deployment [s]."""
        return self.prefill_s + self.request_s

    @property
    def ttft_mean_s(self) -> Number:
        """Mean time to the first token where each answer is followed by the next request [s]."""
        return self.room_wait_s + self.queue_s + self.client_s

    @property
    def ttft_burst_s(self) -> Number:
        """Time to the first token of the last user when all ask at the same moment [s]."""
        return self.room_wait_s + self.client_s + self.pass_s + self.others_s

    @property
    def e2e_s(self) -> Number:
        """Mean time from the request to its last token [s]."""
        return self.room_wait_s + self.round_s

    @property
    def batch_ttft_s(self) -> Number:
        """Time to the first tokens of a batch that starts together, in a library's loop [s]."""
        if self.work.batch is None:
            raise BadInput("server", "server is true: prompts come one by one, not as a batch.")
        read_s = self.work.input_tokens * self.work.users * self.efficiency.prompt_token_s
        return self.work.batch.total_s(self.efficiency) + read_s

    @property
    def batch_e2e_s(self) -> Number:
        """Time of a batch that starts together, in a library's loop [s]."""
        round_s = self.batch_ttft_s + self.work.output_tokens * self.itl_decode_s
        return self.work.turns * round_s

    @property
    def output_tok_s(self) -> Number:
        """Output tokens of all users [tok/s]."""
        return self.work.users * self.work.output_tokens / self.round_s

    @property
    def steady_rps(self) -> Number:
        """Requests answered a second where they come on and on [requests/s].

        In benchmarks the first prompts delay nobody, so there decoding waits for a share of what
        prompts add. Here it waits for all of it.
        """
        waited_s, users, mixed = self.waited_s, self.work.users, self.work.mixed > 0
        round_s = self.round_s
        if somewhere(mixed) and somewhere(waited_s > 0):
            delayed_s = round_s + (users - 1) * (self.added_s - waited_s)
            # and prompts take as many steps as their tokens have room in
            steps = self.work.prefill_tokens / self.room_tokens
            steady_s = maximum(delayed_s, users * (steps * self.step_s + self.added_s))
            round_s = where(mixed & (waited_s > 0), steady_s, round_s)
        return users / round_s

    @property
    def room_tokens(self) -> Number:
        """Prompt tokens that a step has room for beside its decoding [tokens].

        No more answers decode than new prompts come for: where the limit is small, the others wait
        for their prompts.
        """
        if self.deployment is None:
            return math.inf
        most, work = self.deployment.batch_limit_tokens, self.work
        decoded = work.decode.tokens / work.users * work.output_tokens / work.decode.tokens_per_step
        least = most * work.prefill_tokens / (work.prefill_tokens + decoded)
        return maximum(most - work.decode.tokens, least)

    @property
    def output_tok_s_card(self) -> Number:
        """Output tokens of all users, per card [tok/s]."""
        return self.output_tok_s / self.work.cards

    @property
    def total_tok_s(self) -> Number:
        """Prompt and output tokens of all users [tok/s]."""
        tokens_per_request = self.work.input_tokens + self.work.output_tokens
        return self.output_tok_s * tokens_per_request / self.work.output_tokens

    @property
    def batch_output_tok_s(self) -> Number:
        """Output tokens of a batch that starts together [tok/s]."""
        tokens = self.work.users * self.work.turns * self.work.output_tokens
        return tokens / self.batch_e2e_s

    @property
    def tok_s_user(self) -> Number:
        """Tokens of one user per second, including others' prefill [tok/s]."""
        return 1 / self.itl_s

    @property
    def prefill_tok_s(self) -> Number:
        """Prompt tokens computed per second, one prompt at a time [tok/s]."""
        return self.work.prefill_tokens / self.prefill_s

    @property
    def usd_mtok(self) -> Number | None:
        """Price of a million output tokens; None where no rent is known [USD/Mtok]."""
        rent = self.deployment.usd_h_all if self.deployment else 0.0
        return usd_per_mtok(usd_h=rent, tok_s=self.output_tok_s)

    @property
    def itl_chunk_s(self) -> Number:
        """Longest gap: a step that also prefills a chunk of another user's prompt [s]."""
        if self.deployment is None or self.workload is None:
            raise BadInput("deployment", "deployment is missing: a stack of loads has no chunk.")
        return bandwidth.mixed_step(
            self.deployment,
            context_tokens=self.workload.mean_context_tokens,
            concurrency=self.users,
            prefill_tokens=self.work.prefill_tokens,
            efficiency=self.efficiency,
        ).total_s

    def lines(self) -> tuple[Line, ...]:
        """List the decode step, the prefill, the waits and the output rate.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        return (
            *self.decode.lines(),
            self.prompt.lines()[-1],
            self._queue_line(),
            self._waited_line(),
            self._itl_line(),
            *self._ttft_lines(),
            self._output_line(),
        )

    def _seconds(self, *names: str) -> tuple[str, ...]:
        """Format properties that are times."""
        return tuple(quantity(getattr(self, name), "s") for name in names)

    def _queue_line(self) -> Line:
        users, per_prompt = f"{self.users:,} users", quantity(self.other_s, "s")
        return Line(
            "queue",
            "closed-loop wait of users who ask again as soon as they are answered",
            f"{users}, {per_prompt} each, back after {self.work.output_tokens:,} tokens",
            quantity(self.queue_s, "s"),
        )

    def _waited_line(self) -> Line:
        own, waited = self._seconds("added_s" if self.work.mixed else "other_s", "waited_s")
        label_and_formula = ("waited", "prefill, in steps of its own", own)
        if self.work.mixed:
            share = f"{self.efficiency.prefill_share:.2f} x {own}"
            label_and_formula = ("waited", "prefill_share x added", share)
        return Line(*label_and_formula, waited, "arXiv 2403.02310, section 4")

    def _itl_line(self) -> Line:
        step, waited, queued, itl = self._seconds(
            "itl_decode_s", "waited_s", "waited_queued_s", "itl_s"
        )
        users, output_tokens = f"{self.users:,}", f"{self.work.output_tokens:,}"
        return Line(
            "itl",
            "step + (users x waited - waited in the queue) / output_tokens",
            f"{step} + ({users} x {waited} - {queued}) / {output_tokens}",
            itl,
        )

    def _ttft_lines(self) -> tuple[Line, ...]:
        """Derive the time to the first token, with the wait for room where there is one."""
        queue, client, round_time, room, ttft = self._seconds(
            "queue_s", "client_s", "round_s", "room_wait_s", "ttft_mean_s"
        )
        if not self.work.turns > 1:
            return (Line("ttft", "queue + client", f"{queue} + {client}", ttft),)
        waits = f"{self.work.turns - 1:.3g} x {round_time}"
        return (
            Line("room_wait", "users waiting for each served x round", waits, room),
            Line("ttft", "queue + client + room_wait", f"{queue} + {client} + {room}", ttft),
        )

    def _output_line(self) -> Line:
        queue, client, itl = self._seconds("queue_s", "client_s", "itl_s")
        users, output_tokens = f"{self.users:,}", f"{self.work.output_tokens:,}"
        return Line(
            "output_rate",
            "users x output_tokens / (queue + client + output_tokens x itl)",
            f"{users} x {output_tokens} / ({queue} + {client} + {output_tokens} x {itl})",
            quantity(self.output_tok_s, "tok/s"),
        )


def usd_per_mtok(*, usd_h: Number, tok_s: Number) -> Number | None:
    """Compute the price of a million tokens.

    Parameters
    ----------
    usd_h : float or array
        Rent of the cards [USD/h].
    tok_s : float or array
        Tokens they generate [tok/s].

    Returns
    -------
    float, array or None
        `usd_h / 3600 / tok_s x 1e6`; None where no rent is known [USD/Mtok].

    Examples
    --------
    >>> round(usd_per_mtok(usd_h=6.0, tok_s=1171), 2)
    1.42
    """
    return usd_h / 3600 / tok_s * 1e6 if usd_h else None


def serve(
    deployment: Deployment,
    workload: Workload,
    efficiency: Efficiency = CEILING,
    *,
    context_tokens: float | None = None,
) -> Served:
    """Compute latency, throughput and price of a deployment under a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    efficiency : Efficiency
        Shares and latencies; the ceiling if omitted.
    context_tokens : float, optional
        Tokens of a sequence in a decode step; if omitted, the mean over a request:
        its prompt and half of its answer. The whole context gives the slowest step
        of an answer [tokens].

    Returns
    -------
    Served
        Gap between tokens, time to the first token, rates and price.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> s = serve(b, Workload(7000, 1000, 16), Efficiency(prefill_share=1.0))
    >>> s.ttft_idle_s < s.ttft_mean_s < s.ttft_burst_s and s.itl_decode_s < s.itl_s
    True
    """
    work = load_work(deployment, workload, context_tokens=context_tokens)
    return Served(work, efficiency, deployment, workload)
