"""Limits of a deployment: what is required, what can be expected, and warnings."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import NamedTuple

from .. import bandwidth, capacity, catalog
from ..calibration import Estimate, Estimates
from ..capacity import Ledger
from ..explain import Explained, Line, counted, gib, ordinal, quantity
from ..simulation.percentiles import ceiling_s, expected_s, percentile
from ..spec import Deployment, Slo, Tail, Workload
from .handover import lacks_cache
from .space import cannot_load, cannot_run

# From sure to sure not: how likely a limit is met.
MET, LIKELY, OPEN, UNLIKELY, MISSED, IMPOSSIBLE = VERDICTS = (
    *("met", "likely", "open", "unlikely", "missed", "impossible"),
)
WORDS = {
    MET: "met",
    LIKELY: "likely met",
    OPEN: "could go either way",
    UNLIKELY: "likely missed",
    MISSED: "missed",
    IMPOSSIBLE: "impossible",
}
# What a deployment does with a limit that it does not hold.
MISSES = {
    OPEN: "may miss",
    UNLIKELY: "likely misses",
    MISSED: "misses",
    IMPOSSIBLE: "cannot meet",
}
SURE = 0.75  # three chances in four: from there a limit is likely met, or likely missed
TENTH = NormalDist().inv_cdf(0.9)  # deviations from the middle to an end that a tenth lies beyond
AT_LEAST = ("capacity", "length")  # limits of which more is better; of the others, less
SENTENCES = {
    "latency": "{} between tokens, {} allowed",
    "prefill": "first token after {} on average, {} allowed",
    "budget": "rent of {}, {} allowed",
    "cost": "{} output, {} allowed",
}
# Of a percentile: what so many percent of them are within.
TAIL_SENTENCES = {
    "itl": "{}% of the gaps between tokens within {}, {} allowed",
    "tpot": "{}% of the users' mean gaps within {}, {} allowed",
    "ttft": "{}% of the first tokens within {}, {} allowed",
    "e2e": "{}% of the answers within {}, {} allowed",
}

# The same as the name of a row, or of a limit; so many percent are within it.
TAIL_LABELS = {
    "itl": "{} percentile gap",
    "tpot": "{} percentile mean gap of a user",
    "ttft": "{} percentile first token",
    "e2e": "{} percentile whole answer",
}

# What a name does not say by itself.
TITLES = {"latency": "mean gap", "prefill": "mean first token", "cost": "price of a token"}

# Why a price that is not on demand is no plan.
PASSING = {"spot": "it may be taken away", "reserved-1y": "it binds for a year"}
SIXTEEN_BITS = ("bf16", "fp16", "fp16-acc16")


@dataclass(frozen=True)
class Limit(Explained):
    """One constraint: what is required, and the estimate with its interval.

    Attributes
    ----------
    name : str
        "capacity", "length", "latency", "prefill", "budget", "cost", or the name of a `Tail`:
        "itl p95".
    bound : float
        Users that must have room, tokens that a request has, or the largest value of everything
        else.
    estimate : Estimate
        What can be expected, in the same unit.
    unit : str
        Unit of both, as `explain.quantity` accepts it.
    """

    name: str
    bound: float
    estimate: Estimate
    unit: str

    def of_copies(self, copies: int) -> "Limit":
        """Say of all copies what it says of one.

        Parameters
        ----------
        copies : int
            How many there are.

        Returns
        -------
        Limit
            With both sides as many times as large.

        Examples
        --------
        >>> Limit("budget", 10.0, _exact(4.0), "USD/h").of_copies(3).sentence
        'rent of $12.00/h, $30.00/h allowed'
        """
        return replace(
            self, bound=copies * self.bound, estimate=_exact(copies * self.estimate.value)
        )

    @property
    def title(self) -> str:
        """What it limits, in words."""
        return limit_title(self.name)

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        if self.name == "capacity":
            return _room_words(self.estimate.value, self.bound)
        if self.name == "length":
            return f"requests have {self.bound:,} tokens, {self.estimate.value:,} are taken"
        words = (expected(self.estimate, self.unit), quantity(self.bound, self.unit))
        if self.name in SENTENCES:
            return SENTENCES[self.name].format(*words)
        latency, _, percent = self.name.partition(" p")
        return TAIL_SENTENCES[latency].format(percent, *words)

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`.

        "met" when the unfavourable end of the interval meets it, "missed" when not even the
        favourable one does, and "impossible" when not even the ceiling does. Between the ends it
        goes by the `chance`: "likely" from three in four, "unlikely" up to one in four, and "open"
        between. A rent has no ceiling: above the budget it is missed.
        """
        e = self.estimate
        bad, good = (e.low, e.high) if self.name in AT_LEAST else (e.high, e.low)
        if self._headroom(bad) >= 1:
            return MET
        if self.name != "budget" and max(self.headroom, self._headroom(e.ceiling)) < 1:
            return IMPOSSIBLE
        if self._headroom(good) < 1:
            return MISSED
        if self.chance >= SURE:
            return LIKELY
        return OPEN if self.chance > 1 - SURE else UNLIKELY

    @property
    def chance(self) -> float:
        """Chance that it is met, of 1.

        The interval holds four measurements of five: a tenth lies beyond either end, and the
        estimate in the middle. To each side of it the logarithm is taken as normal; users, whose
        interval is one of memory, themselves.
        """
        e, more = self.estimate, self.name in AT_LEAST
        scale = float if more else math.log
        end = e.low if (self.headroom >= 1) == more else e.high
        width = abs(scale(end) - scale(e.value)) / TENTH if end > 0 or more else math.inf
        off = abs(scale(self.bound) - scale(e.value))
        above = NormalDist().cdf(off / width) if width else 1.0
        return above if self.headroom >= 1 else 1 - above

    @property
    def holds(self) -> bool:
        """Whether the estimate meets it, however sure that is."""
        return self.headroom >= 1

    @property
    def misses(self) -> str:
        """What a deployment does with it that does not hold it, as a verb."""
        return MISSES[self.verdict]

    @property
    def words(self) -> str:
        """The verdict in words."""
        return WORDS[self.verdict]

    def _headroom(self, value: float) -> float:
        if self.name in AT_LEAST:
            return value / self.bound
        return self.bound / value if value else float("inf")

    @property
    def headroom(self) -> float:
        """Factor by which the estimate meets it; below 1 it is missed."""
        return self._headroom(self.estimate.value)

    @property
    def required(self) -> float:
        """What is required; a time is converted to a rate, so that more is always better."""
        return self._sides()[0]

    @property
    def available(self) -> float:
        """The estimate, in the unit of `required`."""
        return self._sides()[1]

    def _sides(self) -> tuple[float, float]:
        if self.unit == "s":
            return 1 / self.bound, 1 / self.estimate.value
        if self.name in AT_LEAST:
            return self.bound, self.estimate.value
        return self.estimate.value, self.bound

    def lines(self) -> tuple[Line, ...]:
        """List the headroom.

        Returns
        -------
        tuple of Line
            The step of the derivation.
        """
        gap = self.name == "latency" or self.name.startswith(("itl", "tpot"))
        unit = self.unit if self.unit != "s" else "tok/s" if gap else "1/s"
        return (
            Line(
                f"{self.name} headroom",
                "available / required",
                f"{quantity(self.available, unit)} / {quantity(self.required, unit)}",
                f"{self.headroom:.2f}x, {self.words}",
            ),
        )


def expected(estimate: Estimate, unit: str) -> str:
    """Format an estimate with its interval, or with the reason why there is none.

    Parameters
    ----------
    estimate : Estimate
        The estimate.
    unit : str
        Its unit, as `explain.quantity` accepts it.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> expected(Estimate(0.020, 0.015, 0.030, 0.010, ""), "s")
    '20 ms (15 ms to 30 ms)'
    """
    value = quantity(estimate.value, unit)
    if estimate.doubt:
        return f"{value} ({estimate.doubt})"
    if estimate.low == estimate.high:
        return value
    return f"{value} ({quantity(estimate.low, unit)} to {quantity(estimate.high, unit)})"


def room(ledger: Ledger) -> Estimate:
    """Estimate the users that have room in the cache.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.

    Returns
    -------
    Estimate
        The ledger's count, with the interval of measured engines; the ceiling is a
        cache in all memory but the weights.
    """
    most, ceiling = ledger.max_concurrent, ledger.ceiling_concurrent
    low, high = ledger.concurrent_interval
    off = gib(ledger.doubt_bytes)
    reason = f"the ledger, which 80% of start-ups follow within {off} a card"
    return Estimate(most, low, min(high, max(ceiling, most)), ceiling, reason)


def limits(
    ledger: Ledger,
    estimates: Estimates | None,
    slo: Slo,
    percentile_of: Callable[[str, float], Estimate] | None = None,
) -> tuple[Limit, ...]:
    """Compare every limit that is set with what can be expected.

    Speed and cost are compared where the engine starts.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.
    estimates : Estimates or None
        Estimates under the load; None where the engine does not start.
    slo : Slo
        Limits to meet. Those that are set are compared, room for the users always is, and
        the length of a request where it is more than engine or model takes.
    percentile_of : callable, optional
        As `estimated` takes it.

    Returns
    -------
    tuple of Limit
        Least headroom first: the first one binds.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> a, b, c = worked_spec()
    >>> card(a, WORKED_WORKLOAD, WORKED_SLO).limits[0].verdict
    'impossible'
    """
    rows = [Limit("capacity", ledger.concurrency, room(ledger), "users")]
    if ledger.beyond:
        rows.append(_length(ledger))
    rent = ledger.deployment.usd_h_all
    if slo.usd_h is not None and rent:
        rows.append(Limit("budget", slo.usd_h, _exact(rent), "USD/h"))
    if estimates is not None:
        rows += estimated(estimates, slo, percentile_of)
    return tuple(sorted(rows, key=lambda limit: limit.headroom))


def _length(ledger: Ledger) -> Limit:
    """Compare the tokens of a request with those that the engine takes, and the model at most."""
    taken = ledger.deployment.request_limit_tokens
    window = ledger.deployment.model.max_context_tokens  # max_model_len may be set anew
    found = Estimate(taken, taken, taken, window, "known")
    return Limit("length", ledger.context_tokens, found, "tokens")


def estimated(
    estimates: Estimates,
    slo: Slo,
    percentile_of: Callable[[str, float], Estimate] | None = None,
) -> Iterator[Limit]:
    """Compare the limits on latencies and on the price of a token.

    Parameters
    ----------
    estimates : Estimates
        Estimates under the load.
    slo : Slo
        Limits to meet.
    percentile_of : callable, optional
        Gives a percentile of a latency, by both; of users at once if omitted.

    Returns
    -------
    iterator of Limit
        Of each that is set, in the order of the fields of `Slo`.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> made = card(worked_spec()[1], WORKED_WORKLOAD).expected
    >>> [limit.name for limit in estimated(made, WORKED_SLO)]
    ['itl p95']
    """
    for name, bound, estimate, unit in (
        ("latency", slo.itl_s, "itl_s", "s"),
        ("prefill", slo.ttft_s, "ttft_s", "s"),
        ("cost", slo.usd_mtok, "usd_mtok", "USD/Mtok"),
    ):
        found = None if bound is None else getattr(estimates, estimate)
        if bound is not None and found is not None:
            yield Limit(name, bound, found, unit)
    for tail in slo.tails:
        of = percentile_of or partial(percentile, estimates)
        found = of(tail.quantity, tail.percent)
        yield Limit(tail.name, tail.bound_s, found, "s")


def meets(ledger: Ledger, estimates: Estimates | None, slo: Slo) -> bool:
    """Say whether every limit but the rent is met on the estimate, without intervals.

    Parameters
    ----------
    ledger : Ledger
        Memory of a card under the load.
    estimates : Estimates or None
        Estimates under the load; None where the engine does not start.
    slo : Slo
        Limits to meet.

    Returns
    -------
    bool
        Whether `limits` holds, the rent aside, at a part of its work.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, card, worked_spec
    >>> made = (card(d, WORKED_WORKLOAD, WORKED_SLO) for d in worked_spec())
    >>> [meets(one.ledger, one.estimates, one.slo) for one in made]
    [False, True, True]
    """
    if not ledger.fits or ledger.beyond or estimates is None:
        return False
    return all(not value or bound / value >= 1 for bound, value in _bounded(estimates, slo))


def _bounded(estimates: Estimates, slo: Slo) -> Iterator[tuple[float, float]]:
    """Each limit that is set and what it is held against, computed when it is asked for."""
    if slo.itl_s is not None:
        yield slo.itl_s, estimates.served.itl_s
    if slo.ttft_s is not None:
        yield slo.ttft_s, estimates.served.ttft_mean_s
    if slo.usd_mtok is not None:
        yield slo.usd_mtok, estimates.usd_mtok.value if estimates.usd_mtok else 0.0
    for tail in slo.tails:
        yield tail.bound_s, expected_s(estimates.served, tail.quantity, tail.percent)
        yield tail.bound_s, ceiling_s(estimates.ceiling, tail.quantity, tail.percent)


def tail_label(tail: Tail) -> str:
    """Name a percentile as the row of a table has it.

    Parameters
    ----------
    tail : Tail
        The limit on it.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> tail_label(Tail("itl", 95, 0.050))
    '95th percentile gap'
    """
    return limit_title(tail.name)


def limit_title(name: str) -> str:
    """Say what a limit is of, in words.

    Parameters
    ----------
    name : str
        The name of a `Limit`.

    Returns
    -------
    str
        The name; of a percentile, which of what.

    Examples
    --------
    >>> limit_title("budget"), limit_title("itl p95")
    ('budget', '95th percentile gap')
    """
    latency, _, percent = name.partition(" p")
    if not percent:
        return TITLES.get(name, name)
    return TAIL_LABELS[latency].format(ordinal(float(percent)))


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, value, "known")


def _room_words(users: float, wanted: float) -> str:
    """Compare the users that have room with those wanted, in words."""
    if users <= wanted:
        return f"room for {users:,.0f} of {counted(int(wanted), 'user')}"
    return f"room for {counted(int(users), 'user')}, {wanted:,.0f} wanted"


class Note(NamedTuple):
    """Something to know before relying on a number.

    Attributes
    ----------
    about : str
        "context", "cache", "compute", "format", "network", "rent", "card", "model" or "limits".
    text : str
        One sentence.
    """

    about: str
    text: str


def warnings(deployment: Deployment, workload: Workload) -> tuple[Note, ...]:
    """List what to know before relying on the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.

    Returns
    -------
    tuple of Note
        Notes; empty when there is nothing to say.

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3-70b", gpu="h100-sxm", tp=4)
    >>> warnings(d, Workload(100_000, 1000))[0].text[:46]
    'The context of 101,000 tokens is beyond the 8,'
    """
    return (
        *_context_notes(deployment, workload),
        *_sequence_notes(deployment, workload),
        *_printed_notes(deployment, workload),
        *_cache_notes(deployment),
        *_format_notes(deployment),
        *_hardware_notes(deployment),
        *(Note("card", text) for text in (catalog.origins.doubt(deployment.gpu),) if text),
        *(Note("model", text) for text in deployment.model.notes),
    )


FEW = 75  # from this percentile on, a latency is all but sure to be above the mean
WITHIN = {"itl": "itl_s", "tpot": "itl_s", "ttft": "ttft_s", "e2e": "ttft_s"}


def limit_notes(slo: Slo) -> tuple[Note, ...]:
    """Name limits that others leave nothing to do.

    Parameters
    ----------
    slo : Slo
        The limits.

    Returns
    -------
    tuple of Note
        One for each percentile that must be shorter than what is below it: a mean, or the first
        token of the same answer.

    Examples
    --------
    >>> limit_notes(Slo(itl_s=0.02, tails=(Tail("itl", 95, 0.01),)))[0].text[:53]
    'The limit on the 95th percentile gap, 10 ms, is below'
    """
    found = []
    first = {tail.percent: tail.bound_s for tail in slo.tails if tail.quantity == "ttft"}
    for tail in slo.tails:
        mean = getattr(slo, WITHIN[tail.quantity]) if tail.percent >= FEW else None
        below = "the mean first token" if WITHIN[tail.quantity] == "ttft_s" else "the mean gap"
        if tail.quantity == "e2e" and tail.percent in first:
            below, mean = "the first token at the same percentile", first[tail.percent]
        if mean is None or tail.bound_s >= mean:
            continue
        said = f"The limit on the {tail_label(tail)}, {quantity(tail.bound_s, 's')}, is below"
        text = f"{said} that on {below}, {quantity(mean, 's')}: it decides alone."
        found.append(Note("limits", text))
    return tuple(found)


def _context_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    model = deployment.model
    if workload.context_tokens > model.max_context_tokens:
        text = (
            f"The context of {workload.context_tokens:,} tokens is beyond the "
            f"{model.max_context_tokens:,} that {model.name} was configured for."
        )
        yield Note("context", text)
    longest = deployment.max_model_len
    if longest and workload.context_tokens > longest:
        text = f"The engine refuses requests of more than max_model_len, {longest:,} tokens: "
        yield Note("context", f"{text}these have {workload.context_tokens:,}.")
    overlong = longest and longest > model.max_context_tokens
    if overlong and (refused := capacity.workload_ledger(deployment, workload).overlong):
        yield Note("context", refused)
    most, spare = deployment.request_limit_tokens, deployment.engine.spare_tokens
    if most < workload.context_tokens <= most + spare:
        text = (
            f"{deployment.engine.title} ends answers {counted(spare, 'token')} before its longest:"
        )
        yield Note("context", f"{text} a request has {most:,} at most.")


def _printed_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    """Why vLLM prints room for fewer requests than fit, where layers have windows."""
    books = capacity.workload_ledger(deployment, workload)
    if deployment.engine.family != "vllm" or not books.starts or not books.admission_bytes:
        return
    printed, fit = books.kv_pool_bytes / books.admitted_bytes, books.max_concurrent
    if fit > 1 + printed:
        text = (
            f"When it starts, vLLM prints room for {printed:.3g} of these requests: it counts the "
            "tokens of the batches in flight for each, and running requests share them. "
            f"{fit:,} fit."
        )
        yield Note("cache", text)


def _sequence_notes(deployment: Deployment, workload: Workload) -> Iterator[Note]:
    """What to set where the engine's own limit on sequences keeps users waiting."""
    d, users = deployment, workload.concurrency
    at_once = d.seqs_limit * d.attention_replicas
    if d.max_num_seqs or users < at_once:
        return
    most = capacity.workload_ledger(d, workload).max_concurrent
    if most <= at_once:
        return
    flag = capacity.FLAGS.get(d.engine.family, {}).get("max_num_seqs", "")
    waits = f"{users - at_once:,} of the {users:,} users wait" if users > at_once else ""
    text = (
        f"{d.engine.title} runs {at_once:,} requests at once unless it is told otherwise, "
        f"and {waits or f'{most:,} have room'}: set max_num_seqs"
        + (f" ({flag})" if flag else "")
        + (f" to {-(-min(users, most) // d.attention_replicas):,}." if waits else " for more.")
    )
    yield Note("sequences", text)


def _cache_notes(deployment: Deployment) -> Iterator[Note]:
    d, model = deployment, deployment.model
    spread = d.dp_attention or d.dcp > 1
    if model.kv_heads and d.tp > model.kv_heads and not spread and not model.latent:
        text = (
            f"tp is {d.tp} and {model.name} has {model.kv_heads} KV heads: the cache is "
            f"split {model.kv_heads} ways and copied on the rest."
        )
        yield Note("cache", text)
    if d.tp > 1 and not spread and model.latent:
        text = (
            f"{model.name} keeps one latent for all heads: each of the {d.tp} cards holds the "
            "whole cache. Data-parallel attention would split it by user."
        )
        yield Note("cache", text)
    own = d.engine.automatic_kv(model, d.weights.name)
    if own and own != d.kv.name:
        text = (
            f"The checkpoint of {model.name} declares a cache in {own}: {d.engine.title} takes "
            f"that unless it is told {d.kv.name}, which is counted here."
        )
        yield Note("cache", text)


def _format_notes(deployment: Deployment) -> Iterator[Note]:
    d, model, weights = deployment, deployment.model, deployment.weights
    if refused := cannot_load(d.engine, weights):
        yield Note("format", refused)
    if lacking := lacks_cache(d.engine, d.kv):
        yield Note("format", lacking)
    dtype, _ = bandwidth.compute_dtype(d.gpu, weights)
    # from one 16 bits to another nothing changes that a reader could act on
    if weights.compute and weights.compute[0] not in (dtype, *SIXTEEN_BITS):
        text = (
            f"{d.gpu.title} has no {weights.compute[0]} units: {weights.name} weights keep "
            f"their bytes and compute in {dtype}."
        )
        yield Note("compute", text)
    if weights.covers and not any(t.role in weights.covers for t in model.tensors):
        text = (
            f"{weights.name} converts {', '.join(weights.covers)} weights only and "
            f"{model.name} has none: all of them stay in 16 bits."
        )
        yield Note("format", text)


def _hardware_notes(deployment: Deployment) -> Iterator[Note]:
    d, gpu = deployment, deployment.gpu
    if refused := cannot_run(d.engine, gpu):
        yield Note("engine", refused)
    if d.tp > gpu.max_per_node:
        text = (
            f"tp is {d.tp} and a node joins {gpu.max_per_node} {gpu.name}: sums "
            f"cross the network, at {quantity(bandwidth.link_bandwidth_bytes_s(d), 'bytes/s')} of "
            "all a node's cards."
        )
        yield Note("network", text)
    if not d.gpu_usd_h:
        text = f"The catalogue has no rent for {gpu.name}: give usd_h for prices."
        zero = "The card rent (usd_h) is 0 as given, so nothing has a price."
        yield Note("rent", zero if d.usd_h == 0 else text)
    price = catalog.passing_price(gpu) if d.usd_h is None else None
    if price:
        term, source = price["term"], f"{price['provider']}, {price['date']}"
        text = f"The rent of {gpu.name} is a {term} price ({source}): {PASSING[term]}."
        yield Note("rent", text)
