"""A row of a benchmark, predicted: its speed by `calibration`, its memory by the ledger."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from .. import calibration, capacity
from ..explain import GIB
from ..refuse import BadInput
from ..serving import load_work, most_running
from ..simulation.percentiles import percentile
from ..simulation.rates import at_rate
from ..spec import SERVERS, Deployment, Workload
from . import open_loop, stated
from .measurements import DEFAULT_TOKENS, MEMORY, PERCENTILES, Load, regime_of
from .weak_spots import failure_modes

WEIGHTS_OFF = 0.01  # 80% of the weights that start-ups print lie within this share
# Where a loop's output is timed apart from its prompts.
DECODE_REGIMES = ("batch1_decode", "batched_decode", "moe_small_batch")
# Rates that deployments side by side add up to.
ADDED_UP = ("output_tok_s_total", "total_tok_s")


class Predicted(NamedTuple):
    """The prediction of a row.

    Attributes
    ----------
    value, low, high : float or None
        The prediction and its interval, in the metric's unit; None without one.
    ceiling : float or None
        The limit of the spec sheet; None for memory.
    failure_modes : tuple of str
        The failure modes that apply.
    reason : str
        Why there is no prediction; "" when there is one.
    regime : str or None
        The regime of the row; None when its deployment is unknown.
    assumed : tuple of str
        All assumptions, those of little effect included.
    interval : str
        The reason for the width of the interval.
    model, gpu, engine : str
        The catalogue's names, and the engine's family; "" when unknown.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple[str, ...] = ()
    reason: str = ""
    regime: str | None = None
    assumed: tuple[str, ...] = ()
    interval: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""


def memory_value(deployment: Deployment, metric: str, context_tokens: int) -> float:
    """Compute what an engine's start-up log would print.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    metric : str
        One of `MEMORY`.
    context_tokens : int
        The longest sequence the engine is started for [tokens].

    Returns
    -------
    float
        In the metric's own unit: GiB, tokens or sequences.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> round(memory_value(one, "weights_gib_per_gpu", 8192), 1)
    15.0
    """
    books = capacity.ledger(deployment, context_tokens=context_tokens)
    pool = max(books.kv_pool_bytes, 0.0)
    fits = pool / books.admitted_bytes * deployment.attention_replicas
    return {
        "weights_gib_per_gpu": books.weights_bytes / GIB,
        "non_kv_gib_per_gpu": (books.weights_bytes + books.overhead_bytes) / GIB,
        "kv_cache_gib_available_per_gpu": pool / GIB,
        "kv_cache_tokens": float(books.kv_pool_tokens),
        "max_concurrency_at_max_model_len": fits,
    }[metric]


@partial(calibration.cache_until_reload, size=65_536)
def predicted(spelled: stated.Spelled, load: Load) -> Predicted:
    """Predict one row, or say why not.

    Parameters
    ----------
    spelled : Spelled
        The deployment in the source's spelling.
    load : Load
        What was measured and how.

    Returns
    -------
    Predicted
        Value, interval, ceiling and known weaknesses.
    """
    return estimated(stated.meaning(spelled), load)


def estimated(meant: stated.Meant, load: Load) -> Predicted:
    """Predict a load on the deployment that a row means, or say why not.

    Parameters
    ----------
    meant : Meant
        The deployment, or the reason why there is none.
    load : Load
        What was measured and how.

    Returns
    -------
    Predicted
        Value, interval, ceiling and known weaknesses.

    Examples
    --------
    >>> meant = stated.meaning(stated.Spelled("llama-3.1-8b", "l4", "vllm"))
    >>> estimated(meant, Load("itl_ms", "", 1000, 100, 1, None)).regime
    'batch1_decode'
    """
    if meant.deployment is None:
        return Predicted(reason=meant.reason)
    try:
        load = settled(meant, load)
    except BadInput as problem:
        return Predicted(reason=str(problem))
    load, described = known(meant, load)
    try:
        made = _memory(meant, load) if load.metric in MEMORY else _timed(meant, load)
    except BadInput as problem:
        made = Predicted(reason=str(problem))
    except (ArithmeticError, TypeError, ValueError) as problem:
        made = Predicted(reason=f"the law gives no number here ({type(problem).__name__})")
    return made._replace(**described)


def stuck(meant: stated.Meant, load: Load) -> str:
    """Say that a row's deployment cannot have served it, for by the ledger it does not start.

    A library's own loop knows no memory fraction: there only weights that are larger than the
    cards' memory say so.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.

    Returns
    -------
    str
        What to state; "" where it starts, or where that is in doubt.

    Examples
    --------
    >>> meant = stated.meaning(stated.Spelled("llama-3.1-70b", "h100-sxm", "vllm"))
    >>> stuck(meant, Load("itl_ms", "", 1000, 100, 1, None))[:47]
    'llama-3.1-70b in bf16 does not fit one h100-sxm'
    """
    d = meant.deployment
    if d is None or load.metric in MEMORY:
        return ""
    tokens = sum(
        DEFAULT_TOKENS if x is None else x for x in (load.input_tokens, load.output_tokens)
    )
    books = capacity.ledger(d, context_tokens=max(tokens, 1))
    too_large = books.weights_bytes > d.gpu.memory_visible_bytes
    loop = _in_a_loop(meant, load, load.metric_alike)
    if not too_large and (loop or books.start != capacity.NO):
        return ""
    cards = f"one {d.gpu.name}" if d.num_gpus == 1 else f"{d.num_gpus} x {d.gpu.name}"
    said = f"{d.model.name} in {d.weights.name} does not fit {cards}"
    if books.kv_pool_bytes > 0:
        said = f"{d.model.name} on {cards} has no room for a request of {tokens:,} tokens"
    ways = "--tp, --weights or --memory-fraction"
    return f"{said}: say how many cards, or which weights (give {ways})"


def _deployment(meant: stated.Meant) -> Deployment:
    if meant.deployment is None:
        raise BadInput("row", meant.reason)
    return meant.deployment


def known(meant: stated.Meant, load: Load) -> tuple[Load, dict[str, Any]]:
    """Say what is known of a row before it is predicted.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.

    Returns
    -------
    tuple of (Load, dict)
        The load with its regime, and the fields of `Predicted` that need no prediction.
    """
    d = _deployment(meant)
    load = load._replace(regime=regime_of(load, bool(d.model.experts)))
    sizes = (load.input_tokens, load.output_tokens, load.concurrency, load.regime)
    return load, {
        "failure_modes": failure_modes(
            d, meant.family, *sizes, metric=load.metric_alike, assumed=meant.assumed
        ),
        "regime": load.regime,
        "assumed": meant.assumed + meant.taken,
        "model": d.model.name,
        "gpu": d.gpu.name,
        "engine": meant.family,
    }


def _memory(meant: stated.Meant, load: Load) -> Predicted:
    d = _deployment(meant)
    longest = d.model.max_context_tokens
    context = load.context_tokens or longest
    value = memory_value(d, load.metric, context)
    books = capacity.ledger(d, context_tokens=context)
    if load.metric == "weights_gib_per_gpu":
        half = WEIGHTS_OFF * value
    else:
        doubt, in_gib = books.doubt_bytes, load.metric.endswith("_per_gpu")
        # what is counted in the room is off by the same share as the room
        half = doubt / GIB if in_gib else value * doubt / max(books.kv_pool_bytes, doubt)
    return _finite(value, max(value - half, 0), value + half, None, "")


class Asked(NamedTuple):
    """The quantity of a load that a row of a benchmark is.

    Attributes
    ----------
    workload : Workload
        The load.
    family : str
        The program: an engine's family, or the loop of a library that serves too.
    loop : bool
        Whether a library's own loop was measured, and not a server.
    quantity : str
        Of `serving.Served`.
    scale : float
        How many of the quantity's units the row's value counts.
    """

    workload: Workload
    family: str
    loop: bool
    quantity: str
    scale: float


def _in_a_loop(meant: stated.Meant, load: Load, metric: str) -> bool:
    """Whether a loop was measured; one user of a server is a load of that server."""
    return not load.served and calibration.in_a_loop(meant.family, metric, load.regime)


def asked(meant: stated.Meant, load: Load) -> Asked:
    """Say which quantity of which load a row of a benchmark is.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.

    Returns
    -------
    Asked
        The load, the program and the quantity.

    Raises
    ------
    BadInput
        When as many users as memory allows are none.
    """
    deployment = _deployment(meant)
    metric = calibration.METRICS[load.metric_alike]
    loop = _in_a_loop(meant, load, load.metric)
    prompt = DEFAULT_TOKENS if load.input_tokens is None else max(load.input_tokens, 1)
    answer = DEFAULT_TOKENS if load.output_tokens is None else max(load.output_tokens, 1)
    workload = Workload(prompt, answer, 1, min(load.cached_tokens, prompt - 1))
    users = load.concurrency or _most(deployment, workload)
    scale = metric.scale * (meant.copies if load.metric in ADDED_UP else 1)
    # a library's own loop is another program than the server that is built on it
    family = f"{meant.family} loop" if loop and meant.family in SERVERS else meant.family
    quantity = metric.loop if loop else metric.server
    if quantity == "batch_output_tok_s" and load.regime in DECODE_REGIMES:
        quantity = "decode_tok_s"
    return Asked(replace(workload, concurrency=users), family, loop, quantity, scale)


def _most(deployment: Deployment, workload: Workload) -> int:
    """Requests in flight where a source lets memory, or the engine, set them."""
    users = most_running(deployment, workload)
    if not users:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache")
    return users


def _timed(meant: stated.Meant, load: Load) -> Predicted:
    row, d = asked(meant, load), _deployment(meant)
    open_rate = load.request_rate if load.metric in RATES else None
    if open_rate:  # what the deployment serves at most, whatever it was asked for
        row = row._replace(workload=replace(row.workload, concurrency=_at_most(meant, load)))
    e = None if row.loop else at_random_moments(meant, load, row)
    if e is not None:
        return _finite(e.value, e.low, e.high, e.ceiling, e.reason)
    work = load_work(d, row.workload, batch=row.loop, in_step=load.in_step)
    estimates = calibration.estimates(d, row.workload, family=row.family, work=work)
    if load.percentile is not None:
        e = percentile(estimates, PERCENTILES[load.metric][0], load.percentile).scaled(1e3)
        return _finite(e.value, e.low, e.high, e.ceiling, e.reason)
    e = estimates.of(row.quantity, bounded=False).scaled(row.scale)
    if open_rate:
        asked_for = open_rate * RATES[load.metric](row.workload, d.num_gpus)
        e = open_loop.rate(e, asked_for, load.concurrency or 1, load.requests)
    return _finite(e.value, e.low, e.high, e.ceiling, e.reason)


def at_random_moments(meant: stated.Meant, load: Load, row: Asked) -> calibration.Estimate | None:
    """Estimate a latency of an open loop that nothing limits, as a design at a rate does.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.
    row : Asked
        What is asked of the law.

    Returns
    -------
    Estimate or None
        In the metric's unit; None of all else, and where the rate is not answered.
    """
    if load.request_rate is None or load.limit or load.metric in RATES:
        return None
    d, rate_rps = _deployment(meant), load.request_rate / meant.copies
    made = at_rate(d, row.workload, rate_rps, family=row.family)
    if not made.answered:
        return None
    if load.percentile is not None:
        return made.percentile(PERCENTILES[load.metric][0], load.percentile).scaled(1e3)
    return made.of(row.quantity, bounded=False).scaled(row.scale)


# Tokens of a request that a rate counts, for each request a second.
RATES: dict[str, Callable[[Workload, int], float]] = {
    "output_tok_s_total": lambda load, cards: load.output_tokens,
    "output_tok_s_per_gpu": lambda load, cards: load.output_tokens / cards,
    "total_tok_s": lambda load, cards: load.context_tokens,
}


def _at_most(meant: stated.Meant, load: Load) -> int:
    """The most requests in flight of an open loop: the client's limit, or all it sends."""
    limit = min(filter(None, (load.limit, load.requests)), default=0)
    workload = asked(meant, load._replace(concurrency=1)).workload
    return limit or _most(_deployment(meant), workload)


def settled(meant: stated.Meant, load: Load) -> Load:
    """Give the load of an open loop the requests in flight that its rate leads to.

    Parameters
    ----------
    meant : Meant
        The deployment.
    load : Load
        What was measured and how.

    Returns
    -------
    Load
        The same where users wait for their answers.

    Raises
    ------
    BadInput
        When more is sent than is served, and nothing limits the queue.
    """
    rate = load.request_rate
    if rate is None or load.metric in MEMORY:
        return load
    load = load._replace(limit=load.concurrency, concurrency=1)
    row, most = asked(meant, load), _at_most(meant, load)
    each = rate / meant.copies
    users = open_loop.users(_deployment(meant), row.workload, meant.family, each, most)
    if users > most and not load.limit and not load.requests and load.metric not in RATES:
        problem = f"request_rate is {rate:g}: more than the deployment serves, so"
        raise BadInput("request_rate", f"{problem} that its queue grows as long as the run lasts")
    return load._replace(concurrency=min(users, most))


def _finite(value: Any, low: Any, high: Any, ceiling: Any, reason: str) -> Predicted:
    """Strict JSON has no NaN: without finite numbers a row has no prediction."""
    good = [_plain_number(x) for x in (value, low, high)]
    if any(x is None for x in good):
        return Predicted(reason=reason or "no prediction")
    return Predicted(good[0], good[1], good[2], _plain_number(ceiling), interval=reason)


def _plain_number(value: Any) -> float | None:
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None
