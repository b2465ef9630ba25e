"""What users see of a deployment under a load: chapters 2 and 3 put together.

`serve` is the one path from a deployment and a load to its numbers. Handed
`CEILING` it says what the spec sheet allows, handed fitted efficiencies what can
be expected; nothing else differs. One user is a load of one, and users who find
no room in the cache wait for those who have it.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from . import bandwidth, capacity
from .explain import Explained, Line, quantity
from .numeric import floor, maximum
from .spec import CEILING, BadInput, Deployment, Efficiency, Workload


def closed_loop_wait_s(*, prompt_s, others_s, away_s, prefill_share=1.0, burst_share=0.0):
    """Expect the wait for a prompt's prefill, that prefill included.

    Each user's prompt queues for the cards, its answer is decoded, and the user
    asks again at once. A newcomer finds each other user's prompt ahead of it as
    often as a user is in the queue at all: Schweitzer's closure of mean-value
    analysis, which leaves a quadratic in the time of a whole round.

    Parameters
    ----------
    prompt_s : float or array
        Prefill of one prompt [s].
    others_s : float or array
        Prefill of the prompts of all other users [s].
    away_s : float or array
        Decoding of an answer while nobody prefills, and what else passes outside
        the queue [s].
    prefill_share : float or array
        Share of the others' prefill that decoding waits for.
    burst_share : float or array
        Share of the users who ask at the same moment; half of the others are
        then served before one, on average.

    Returns
    -------
    float or array
        `prompt_s` for a single user; at saturation all but the time away [s].

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
    both_s = base_s + others_s + (1 - prefill_share) * prompt_s
    root_s = maximum(both_s * both_s - 4 * base_s * others_s, 0.0) ** 0.5
    round_s = (both_s + root_s) / 2
    ahead = prompt_s / (round_s - others_s)  # share of a round that a user spends in the queue
    ahead = ahead + burst_share * maximum(0.5 - ahead, 0.0)
    return prompt_s + others_s * ahead


class LoadWork(NamedTuple):
    """What a load asks of a deployment's cards, before any efficiency.

    Attributes
    ----------
    decode, prompt : Work
        One decode step, and the prefill of one prompt.
    batch : Work or None
        The prefill of all users' prompts at once, as a library's loop runs it; None
        of a server, to whom prompts come one by one.
    users : float or array
        Requests being worked on.
    turns : float or array
        Requests in flight for each being worked on; above 1 the others wait.
    input_tokens, prefill_tokens, output_tokens : float or array
        Tokens of a prompt, those of them that are computed, and tokens of an
        answer [tokens].
    cards : float or array
        Cards of the deployment.
    server : float or array
        1 where a server hands the tokens to clients, 0 in a library's loop.
    """

    decode: bandwidth.Work
    prompt: bandwidth.Work
    batch: bandwidth.Work | None
    users: Any
    turns: Any
    input_tokens: Any
    prefill_tokens: Any
    output_tokens: Any
    cards: Any
    server: Any


def most_running(deployment, workload) -> int:
    """Count the requests that a deployment works on at once.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt and answer of each user; its concurrency is not used.

    Returns
    -------
    int
        What the cache holds or, of a server, the number of sequences it runs at
        once where that is less; 0 where the engine does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> most_running(b, Workload(90, 10)) == b.engine.max_seqs
    True
    """
    held = capacity.max_concurrent(
        deployment,
        workload.context_tokens,
        shared_prefix_tokens=workload.shared_prefix_tokens,
        hit_share=workload.hit_share,
    )
    most = deployment.engine.max_seqs * deployment.attention_replicas
    return min(held, most) if deployment.engine.is_server else held


@lru_cache(maxsize=16_384)
def load_work(deployment, workload, *, server=None, context_tokens=None) -> LoadWork:
    """Count what a load asks of a deployment's cards.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    server : bool, optional
        Whether a server hands the tokens to clients; as the engine is measured
        when left out.
    context_tokens : float, optional
        What a sequence holds in a decode step; the prompt and half of the answer,
        a request's mean, when left out [tokens].

    Returns
    -------
    LoadWork
        It can be timed with any efficiencies.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load_work(two, Workload(7000, 1000, 16)).users
    16
    """
    d, load = deployment, workload
    # where the engine does not start, the numbers are those it would have with room for one
    users = min(load.concurrency, max(most_running(d, load), 1))
    block = d.engine.block_tokens
    cached = floor(load.shared_prefix_tokens / block) * block * load.hit_share
    server = d.engine.is_server if server is None else server
    context = load.mean_context_tokens if context_tokens is None else context_tokens
    return LoadWork(
        bandwidth.decode_work(d, context_tokens=context, concurrency=users),
        _prompt_work(d, load.input_tokens, cached),
        None if server else _prompt_work(d, load.input_tokens, cached, users),
        users,
        load.concurrency / users,
        load.input_tokens,
        max(load.input_tokens - cached, 1),
        load.output_tokens,
        d.num_gpus,
        1.0 if server else 0.0,
    )


@lru_cache(maxsize=16_384)
def _prompt_work(deployment, input_tokens, cached_tokens, prompts=1):
    return bandwidth.prefill_work(
        deployment, input_tokens=input_tokens, cached_tokens=cached_tokens, prompts=prompts
    )


@dataclass(frozen=True)
class Served(Explained):
    """What users see of a deployment under a load, timed with one set of efficiencies.

    Attributes
    ----------
    work : LoadWork
        What the load asks of the cards.
    efficiency : Efficiency
        What it is timed with.
    deployment : Deployment, optional
        What it runs on; None for a stack of loads.
    workload : Workload, optional
        The load; None for a stack of loads.
    """

    work: LoadWork
    efficiency: Efficiency
    deployment: Deployment | None = None
    workload: Workload | None = None

    def _timed(self, work, what):
        return bandwidth.Step.of(work, self.efficiency, self.deployment, what)

    @cached_property
    def decode(self):
        """One decode step of all users being worked on, with its parts in seconds."""
        return self._timed(self.work.decode, "decode step")

    @cached_property
    def prompt(self):
        """Prefill of one prompt, with its parts in seconds."""
        return self._timed(self.work.prompt, "prefill")

    @property
    def others_s(self):
        """Prefill of all other users' prompts, which come one by one [s]."""
        return (self.work.users - 1) * self.prompt.share_s

    @property
    def users(self):
        """Requests being worked on; the others wait for room."""
        return self.work.users

    @property
    def itl_decode_s(self):
        """Gap between two tokens of a user while nobody prefills [s]."""
        return self.decode.itl_s

    @property
    def decode_tok_s_user(self):
        """Tokens a user gets in a second while nobody prefills [tok/s]."""
        return self.decode.tok_s_user

    @property
    def client_s(self):
        """Time a request spends outside the queue for its prefill and its decoding [s]."""
        first_s = self.work.server * self.efficiency.first_token_s
        # the cards are free for others while a prompt passes a pipeline's later stages
        return first_s + self.prompt.total_s - self.prompt.share_s

    @cached_property
    def queue_s(self):
        """Mean wait for the prefill of a prompt that has room, the prefill included [s]."""
        return closed_loop_wait_s(
            prompt_s=self.prompt.share_s,
            others_s=self.others_s,
            away_s=self.work.output_tokens * self.decode.itl_s + self.client_s,
            prefill_share=self.efficiency.prefill_share,
            burst_share=self.efficiency.burst_share,
        )

    @property
    def itl_s(self):
        """Mean gap between two tokens of a user, others' prompts in it [s]."""
        # prompts computed while a user waits for the first token do not delay the later ones
        meanwhile_s = self.prompt.share_s + self.others_s - self.queue_s
        waits_s = self.efficiency.prefill_share * meanwhile_s
        return self.decode.itl_s + waits_s / self.work.output_tokens

    @property
    def round_s(self):
        """Time from asking to the last token of a request that has room [s]."""
        return self.queue_s + self.client_s + self.work.output_tokens * self.itl_s

    @property
    def room_wait_s(self):
        """Mean wait for room in the cache; 0 where all users have it [s]."""
        return (self.work.turns - 1) * self.round_s

    @property
    def ttft_idle_s(self):
        """First token of a request that finds the deployment idle [s]."""
        return self.prompt.total_s + self.work.server * self.efficiency.first_token_s

    @property
    def ttft_mean_s(self):
        """Mean wait for a first token of users who ask again as soon as they are answered [s]."""
        return self.room_wait_s + self.queue_s + self.client_s

    @property
    def ttft_burst_s(self):
        """First token of the last user when all ask at the same moment [s]."""
        return self.room_wait_s + self.ttft_idle_s + self.others_s

    @property
    def e2e_s(self):
        """Mean time from asking to the last token [s]."""
        return self.room_wait_s + self.round_s

    @property
    def batch_ttft_s(self):
        """First tokens of a batch that starts together, as a library's loop runs it [s]."""
        return self._timed(self.work.batch, "prefill").total_s

    @property
    def batch_e2e_s(self):
        """Time of a batch that starts together, as a library's loop runs it [s]."""
        round_s = self.batch_ttft_s + self.work.output_tokens * self.decode.itl_s
        return self.work.turns * round_s

    @property
    def output_tok_s(self):
        """Output tokens of all users [tok/s]."""
        return self.work.users * self.work.output_tokens / self.round_s

    @property
    def output_tok_s_card(self):
        """Output tokens of all users, a card [tok/s]."""
        return self.output_tok_s / self.work.cards

    @property
    def total_tok_s(self):
        """Prompt and output tokens of all users [tok/s]."""
        both = self.work.input_tokens + self.work.output_tokens
        return self.output_tok_s * both / self.work.output_tokens

    @property
    def batch_output_tok_s(self):
        """Output tokens of a batch that starts together [tok/s]."""
        tokens = self.work.users * self.work.turns * self.work.output_tokens
        return tokens / self.batch_e2e_s

    @property
    def tok_s_user(self):
        """Tokens a user gets in a second, others' prompts in between [tok/s]."""
        return 1 / self.itl_s

    @property
    def prefill_tok_s(self):
        """Prompt tokens computed in a second, one prompt at a time [tok/s]."""
        return self.work.prefill_tokens / self.prompt.total_s

    @property
    def usd_mtok(self):
        """Price of a million output tokens; None where no rent is known [USD/Mtok]."""
        rent = self.deployment.usd_h_all if self.deployment else 0.0
        return usd_per_mtok(usd_h=rent, tok_s=self.output_tok_s)

    @property
    def itl_chunk_s(self):
        """Gap in which a chunk of another user's prompt rides along: the longest [s]."""
        if self.deployment is None or self.workload is None:
            raise BadInput("deployment", "deployment is missing: a stack of loads has no chunk.")
        return bandwidth.mixed_step(
            self.deployment,
            context_tokens=self.workload.mean_context_tokens,
            concurrency=self.users,
            prefill_tokens=self.work.prefill_tokens,
            efficiency=self.efficiency,
        ).total_s

    def lines(self):
        e, users, out = self.efficiency, f"{self.users:,}", f"{self.work.output_tokens:,}"
        s = {name: quantity(getattr(self, name), "s") for name in (
            "itl_decode_s", "itl_s", "queue_s", "client_s", "round_s", "ttft_mean_s",
            "room_wait_s")}  # fmt: skip
        own = quantity(self.prompt.share_s, "s")
        turns = f"{self.work.turns - 1:.3g} x {s['round_s']}"
        waits = Line("room_wait", "users waiting for each served x round", turns, s["room_wait_s"])
        wait = (waits,) if self.work.turns > 1 else ()
        return (
            *self.decode.lines(),
            self.prompt.lines()[-1],
            Line(
                "queue",
                "closed-loop wait of users who ask again as soon as they are answered",
                f"{users} users, {own} each, back after {out} tokens",
                s["queue_s"],
            ),
            Line(
                "itl",
                "step + prefill_share x (users x prefill - queue) / output_tokens",
                f"{s['itl_decode_s']} + {e.prefill_share:.2f} x ({users} x {own} - "
                f"{s['queue_s']}) / {out}",
                s["itl_s"],
            ),
            *wait,
            Line(
                "ttft",
                "queue + client" + (" + room_wait" if wait else ""),
                f"{s['queue_s']} + {s['client_s']}" + (f" + {s['room_wait_s']}" if wait else ""),
                s["ttft_mean_s"],
            ),
            Line(
                "output_rate",
                "users x output_tokens / (queue + client + output_tokens x itl)",
                f"{users} x {out} / ({s['queue_s']} + {s['client_s']} + {out} x {s['itl_s']})",
                quantity(self.output_tok_s, "tok/s"),
            ),
        )


def usd_per_mtok(*, usd_h, tok_s):
    """Price a million tokens.

    Parameters
    ----------
    usd_h : float or array
        Rent of the cards that make them [USD/h].
    tok_s : float or array
        Tokens they give in a second [tok/s].

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


def serve(deployment, workload, efficiency=CEILING, *, context_tokens=None) -> Served:
    """Say what users see of a deployment under a load.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out.
    context_tokens : float, optional
        What a sequence holds in a decode step; the prompt and half of the answer,
        a request's mean, when left out. The whole context gives the slowest step
        of an answer [tokens].

    Returns
    -------
    Served
        Gap, first token, rates and price.

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
