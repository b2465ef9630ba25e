"""Efficiencies, fitted; intervals, earned.

The law is the same as at the ceiling. What is added are a dozen physical shares
and latencies, fitted to published measurements and kept in
`catalog/calibration.toml`: one set for servers, where other users' prompts
share the cards, and one for offline loops. Beside each stands what an engine, a
chip family, and the two together change of it, as factors. An engine or a chip
family that was never measured changes nothing, and widens the interval.

The interval of an estimate is where four of five measurements fell when the
model, card or source they came from had been left out of the fit.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from . import bandwidth, capacity
from .spec import CEILING, BadInput, Efficiency

FILE = Path(__file__).parent / "catalog" / "calibration.toml"
CAPACITY_SHARE = {
    "weights_gib_per_gpu": 0.01,
    "non_kv_gib_per_gpu": 0.05,
    "kv_cache_gib_available_per_gpu": 0.03,
    "kv_cache_tokens": 0.03,
    "max_concurrency_at_max_model_len": 0.03,
}
SERVERS = ("vllm", "sglang", "trtllm")
OFFLINE_REGIMES = ("batch1_decode", "batch1_mixed", "prefill")
OFFLINE_METRICS = ("e2e_latency_s", "prefill_tok_s", "decode_tok_s_per_user")
DEFAULT_TOKENS = 128  # a source that names no lengths ran a short benchmark
PER_SECOND = (
    "decode_tok_s_per_user",
    "prefill_tok_s",
    "output_tok_s_total",
    "output_tok_s_per_gpu",
    "total_tok_s",
)
METRICS = (*PER_SECOND, "itl_ms", "ttft_ms", "e2e_latency_s")


@dataclass(frozen=True)
class Estimate:
    """A prediction with the interval it earned.

    Attributes
    ----------
    value, low, high : float
        The estimate, and the bounds that held four measurements of five, in
        the metric's own unit [-].
    ceiling : float
        What the spec sheet allows, in the same unit [-].
    reason : str
        Why the interval is as wide as it is [-].
    """

    value: float
    low: float
    high: float
    ceiling: float
    reason: str


@cache
def table():
    """Read the fitted numbers.

    Returns
    -------
    dict
        "fits" (one set a mode), "shifts" (factors by key), "rows" (how many were
        measured by key), "intervals" by kind, and "provenance" [-].

    Examples
    --------
    >>> sorted(table()["fits"])
    ['offline', 'served']
    """
    import tomllib

    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _forget():
    """Read the file anew the next time: it was written."""
    table.cache_clear()
    _efficiency.cache_clear()


def is_served(family, metric, regime, concurrency):
    """Say whether a number is a server's, with other users' prompts in it.

    Parameters
    ----------
    family : str
        The engine's family [-].
    metric, regime : str
        What is measured, and in which regime ("" when unknown) [-].
    concurrency : int or None
        Requests in flight; None for as many as memory allows [-].

    Returns
    -------
    bool
        True for a server under load [-].

    Examples
    --------
    >>> is_served("vllm", "itl_ms", "", 16), is_served("llama.cpp", "itl_ms", "", 16)
    (True, False)
    """
    if family not in SERVERS or metric in OFFLINE_METRICS or regime in OFFLINE_REGIMES:
        return False
    return concurrency is None or concurrency > 1 or regime == "prefill_serving"


def keys(served, family, chips):
    """Name the sets that make an efficiency, from the widest to the most specific.

    Parameters
    ----------
    served : bool
        Whether it serves users or runs one loop [-].
    family, chips : str
        The engine's family and the card's [-].

    Returns
    -------
    tuple of str
        The mode, and what the engine, the chips and the two together change [-].

    Examples
    --------
    >>> keys(True, "vllm", "hopper")
    ('served', 'served vllm', 'served on hopper', 'served vllm on hopper')
    """
    mode = "served" if served else "offline"
    return (mode, f"{mode} {family}", f"{mode} on {chips}", f"{mode} {family} on {chips}")


def efficiency_for(deployment, family, served):
    """Put the efficiencies of an engine on a card together.

    Parameters
    ----------
    deployment : Deployment
        The deployment; its card's family counts [-].
    family : str
        The engine's family [-].
    served : bool
        Whether it serves users or runs one loop [-].

    Returns
    -------
    tuple of (Efficiency, tuple of str)
        The efficiencies, and the keys of the sets they come from [-].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> efficiency_for(b, "vllm", True)[1][-1]
    'served vllm on hopper'
    """
    named = keys(served, family, deployment.gpu.family)
    known = tuple(key for key in named if key in table()["rows"])
    return _efficiency(known), known


@cache
def _efficiency(known):
    return composed(table()["fits"], table()["shifts"], known)


def composed(fits, shifts, path):
    """Put the efficiencies of a path of sets together; sets that lack change nothing.

    Parameters
    ----------
    fits, shifts : dict
        Efficiencies by mode, and factors on them by key [-].
    path : tuple of str
        As `keys` names them [-].

    Returns
    -------
    Efficiency
        The efficiencies [-].

    Examples
    --------
    >>> composed({"served": {"step_s": 0.001}}, {"served vllm": {"step_s": 2}}, keys(
    ...     True, "vllm", "hopper")).step_s
    0.002
    """
    values = dict(fits[path[0]])
    for key in path[1:]:
        for name, factor in shifts.get(key, {}).items():
            values[name] = shifted(name, values[name], factor)
    return Efficiency(**values)


def shifted(name, value, factor):
    """Apply a factor to an efficiency: to a time itself, to the odds of a share.

    Parameters
    ----------
    name : str
        A field of `Efficiency` [-].
    value, factor : float
        What it was, and how many times it becomes [-].

    Returns
    -------
    float
        A share stays between 0 and 1 [-].

    Examples
    --------
    >>> shifted("step_s", 0.001, 2.0), shifted("bandwidth", 0.5, 3.0)
    (0.002, 0.75)
    """
    if name.endswith("_s"):
        return value * factor
    return value * factor / (1 - value + value * factor)


def predict(deployment, *, efficiency=CEILING, **load):
    """Predict one quantity a benchmark reports.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out [-].
    **load : dict
        What is measured and how, as `demand` takes it [-].

    Returns
    -------
    float
        In the metric's own unit [-].

    Raises
    ------
    BadInput
        When the metric is unknown or the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 1}
    >>> 70 < predict(b, metric="decode_tok_s_per_user", served=False, **load) < 100
    True
    """
    return time(demand(deployment, **load), efficiency)


class Demand(NamedTuple):
    """What a benchmark asks of a deployment, before any efficiency.

    Attributes
    ----------
    metric : str
        One of `METRICS` [-].
    way : str
        "alone" (nobody else's prompt is in the number), "served" (users come
        back as they are answered) or "full" (as many as memory allows) [-].
    step, prompt : Work or None
        One decode step, and the prompts computed before a first token [s].
    users, input_tokens, output_tokens, cards : float or array
        Requests being worked on, tokens of one, cards of one deployment [-].
    turns : float or array
        Requests in flight for each being worked on; the others wait [-].
    copies : float or array
        Deployments side by side whose rates add up [-].
    """

    metric: str
    way: str
    step: Any
    prompt: Any
    users: float
    input_tokens: float
    output_tokens: float
    cards: float
    turns: float
    copies: float


def demand(
    deployment,
    *,
    metric,
    input_tokens,
    output_tokens,
    concurrency,
    served,
    regime="",
    cached_tokens=0,
    copies=1,
):
    """Count what one quantity of a benchmark asks of the cards.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    metric : str
        One of `METRICS` [-].
    input_tokens, output_tokens : int or None
        Tokens of a request; a short benchmark's when left open [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows [-].
    served : bool
        Whether other users' prompts are in the number [-].
    regime : str
        "prefill" where prompts are computed at once [-].
    cached_tokens : int
        Leading tokens of each prompt that a prefix cache holds [tokens].
    copies : int
        Deployments side by side, whose rates add up [-].

    Returns
    -------
    Demand
        It can be timed with any efficiency [-].

    Raises
    ------
    BadInput
        When the metric is unknown or the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 16}
    >>> demand(b, metric="itl_ms", served=True, **load).way
    'served'
    """
    if metric not in METRICS:
        raise BadInput("metric", f"metric {metric!r} is not predicted: {', '.join(METRICS)} are.")
    prompt = DEFAULT_TOKENS if input_tokens is None else max(input_tokens, 1)
    answer = DEFAULT_TOKENS if output_tokens is None else max(output_tokens, 1)
    users = concurrency or _most_users(deployment, prompt + answer)
    cached = min(cached_tokens, prompt - 1)
    at_once = metric == "ttft_ms" and (regime == "prefill" or users == 1)
    asked = users
    if served and not at_once:
        # who finds no room in the cache waits; half of an answer is there on average
        users = min(users, capacity.room(deployment, prompt + answer // 2) or users)
    both = {"input_tokens": prompt, "cached_tokens": cached}
    step: Any = None
    fill: Any = None
    if metric != "prefill_tok_s" and not at_once:
        context = prompt + answer / 2
        step = bandwidth.decode_work(deployment, context_tokens=context, concurrency=users)
    if step is None or served or metric not in ("itl_ms", "decode_tok_s_per_user"):
        fill = bandwidth.prefill_work(deployment, **both)
    if at_once and users > 1:
        batch = bandwidth.prefill_work(deployment, input_tokens=(prompt - cached) * users)
        # attention is quadratic in each prompt, not in the batch of them
        fill = replace(batch, prompt_math_s=users * fill.prompt_math_s)
    way = "served" if served and not at_once else "alone"
    if way == "served" and not concurrency:
        way = "full"
    if metric == "prefill_tok_s":
        prompt -= cached  # the rate counts tokens that are read, not those in the cache already
    cards, turns = deployment.num_gpus, asked / users
    return Demand(metric, way, step, fill, users, prompt, answer, cards, turns, copies)


def time(asked, efficiency):
    """Time a demand, or a stack of demands of one metric and way.

    Parameters
    ----------
    asked : Demand
        What `demand` gave [-].
    efficiency : Efficiency
        Shares and latencies in force [-].

    Returns
    -------
    float or array
        In the metric's own unit [-].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 1}
    >>> asked = demand(b, metric="decode_tok_s_per_user", served=False, **load)
    >>> 70 < time(asked, CEILING) < 100
    True
    """
    metric, users, answer = asked.metric, asked.users, asked.output_tokens
    step = asked.step and bandwidth.Step.of(asked.step, efficiency)
    prompt = asked.prompt and bandwidth.Step.of(asked.prompt, efficiency)
    if metric == "prefill_tok_s":
        return asked.input_tokens / prompt.total_s
    if step is None:
        return (prompt.total_s + efficiency.first_token_s) * 1e3
    if metric == "decode_tok_s_per_user":
        return step.tok_s_user
    if prompt is None:
        return step.itl_s * 1e3
    serving = bandwidth.Serving(step, prompt, prompt, users, answer)
    if metric == "itl_ms":
        return serving.itl_served_s * 1e3
    busy_s = serving.ttft_mean_s + answer * serving.itl_served_s
    if metric == "ttft_ms":
        return (serving.ttft_mean_s + (asked.turns - 1) * busy_s) * 1e3
    if asked.way != "served":
        busy_s = users * answer / serving.output_tok_s
    if metric == "e2e_latency_s":
        return busy_s + efficiency.first_token_s
    rate = asked.copies * users * answer / busy_s
    if metric == "total_tok_s":
        return rate * (asked.input_tokens + answer) / answer
    return rate / asked.copies / asked.cards if metric == "output_tok_s_per_gpu" else rate


def _most_users(deployment, context_tokens):
    """Requests in flight where memory alone sets them."""
    room = capacity.room(deployment, context_tokens)
    if not room:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache")
    return room


def estimate(
    deployment,
    *,
    metric,
    family,
    input_tokens,
    output_tokens,
    concurrency,
    regime=None,
    cached_tokens=0,
    copies=1,
):
    """Predict one quantity with its interval.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    metric : str
        One of `METRICS` [-].
    family : str
        The engine's family: "vllm", "sglang", "trtllm", "llama.cpp" ... [-].
    input_tokens, output_tokens : int or None
        Tokens of a request [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows [-].
    regime : str, optional
        How it is measured, where that is known [-].
    cached_tokens : int
        Leading tokens of each prompt that a prefix cache holds [tokens].
    copies : int
        Deployments side by side, whose rates add up [-].

    Returns
    -------
    Estimate
        Value, interval and ceiling, in the metric's unit [-].

    Raises
    ------
    BadInput
        When the metric is unknown or the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> load = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 16}
    >>> e = estimate(b, metric="itl_ms", family="vllm", **load)
    >>> e.low < e.value < e.high and e.ceiling < e.value
    True
    """
    served = is_served(family, metric, regime or "", concurrency)
    efficiency, known = efficiency_for(deployment, family, served)
    load = {
        "metric": metric,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "concurrency": concurrency,
        "served": served,
        "regime": regime or "",
        "cached_tokens": cached_tokens,
        "copies": copies,
    }
    asked = demand(deployment, **load)
    value = time(asked, efficiency)
    ceiling = time(asked, ceiling_beside(efficiency))
    low, high, reason = _interval(metric, regime, known, family, deployment)
    return Estimate(value, value * low, value * high, ceiling, reason)


@cache
def ceiling_beside(efficiency):
    """Give the ceiling that stands beside an estimate.

    How far prefill and decode overlap is no property of the spec sheet, so both
    take the same.

    Parameters
    ----------
    efficiency : Efficiency
        The estimate's [-].

    Returns
    -------
    Efficiency
        The ceiling with its overlap [-].

    Examples
    --------
    >>> ceiling_beside(Efficiency(bandwidth=0.8, prefill_share=0.5)) == Efficiency(
    ...     prefill_share=0.5)
    True
    """
    return replace(CEILING, prefill_share=efficiency.prefill_share)


def within_ceiling(made, metric):
    """End an interval at the ceiling, where the deployment is known in full.

    A measurement whose source leaves its format or its cards open can lie
    beyond the ceiling of what was taken for them; one of a deployment that is
    stated cannot.

    Parameters
    ----------
    made : Estimate
        An estimate [-].
    metric : str
        What it is of [-].

    Returns
    -------
    Estimate
        The same value, its interval cut at the ceiling [-].

    Examples
    --------
    >>> within_ceiling(Estimate(20.0, 8.0, 40.0, 10.0, ""), "itl_ms").low
    10.0
    """
    if metric in PER_SECOND:
        return replace(made, high=max(min(made.high, made.ceiling), made.value))
    return replace(made, low=min(max(made.low, made.ceiling), made.value))


def kinds(mode, regime, metric, sparse):
    """Name the kinds of measurement an interval may be shared with.

    Parameters
    ----------
    mode : str
        "served" or "offline" [-].
    regime : str or None
        How it is measured, where that is known [-].
    metric : str
        One of `METRICS` [-].
    sparse : bool
        Whether the model has experts [-].

    Returns
    -------
    tuple of str
        From the most alike to the widest [-].

    Examples
    --------
    >>> kinds("served", None, "itl_ms", False)
    ('served.itl_ms.dense', 'served.itl_ms', 'served')
    """
    model = "moe" if sparse else "dense"
    stems = [f"{mode}.{regime}.{metric}"] * bool(regime) + [f"{mode}.{metric}"]
    return (*(f"{stem}{more}" for stem in stems for more in (f".{model}", "")), mode)


def _interval(metric, regime, known, family, deployment):
    """Factors around an estimate, and the words for their width."""
    mode = known[0]
    intervals = table()["intervals"]
    names = kinds(mode, regime, metric, bool(deployment.model.experts))
    row = intervals[next(name for name in names if name in intervals)]
    engine, chips, both = keys(mode == "served", family, deployment.gpu.family)[1:]
    measured = f"{row['rows']:,} measurements like it, each predicted with its own group left out"
    if both in known:
        return row["low"], row["high"], f"{both}: {table()['rows'][both]} rows; {measured}"
    missing = [f"engine {family}"] * (engine not in known)
    missing += [f"{deployment.gpu.family} chips"] * (chips not in known)
    if not missing:
        return row["low"], row["high"], f"{engine}, {chips}, never both together; {measured}"
    wider = row["unknown"]
    why = f"no {mode} measurement of {' nor '.join(missing)}: interval widened; {measured}"
    return row["low"] / wider, row["high"] * wider, why
