"""Efficiencies, fitted; intervals, earned.

The law is the same as at the ceiling. What is added are a dozen physical shares
and latencies, fitted to published measurements and kept in
`catalog/calibration.toml`: one set for servers, where other users' prompts
share the cards, one for offline loops, and beside each what an engine and a
chip family change of it. An engine or a card that was never measured falls back
to the set above it, with a wider interval.

The interval of an estimate is where four of five measurements fell when the
model, card, engine or source they came from had been left out of the fit.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

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
        "fits" by key, "intervals" by key, and "provenance" [-].

    Examples
    --------
    >>> "offline" in table()["fits"]
    True
    """
    import tomllib

    return tomllib.loads(FILE.read_text(encoding="utf-8"))


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


def efficiency_for(deployment, family, served):
    """Pick the efficiencies of an engine on a card.

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
    tuple of (Efficiency, str)
        The most specific set that was fitted, and its key [-].

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> efficiency_for(b, "vllm", True)[1]
    'served.vllm'
    """
    key = "served" if served else "offline"
    for longer in (f"{key}.{family}", f"{key}.{family}.{deployment.gpu.family}"):
        if longer in table()["fits"]:
            key = longer
    return _efficiency(key), key


@cache
def _efficiency(key):
    known = Efficiency.__dataclass_fields__
    return Efficiency(**{k: v for k, v in table()["fits"][key].items() if k in known})


def predict(
    deployment,
    *,
    metric,
    input_tokens,
    output_tokens,
    concurrency,
    served,
    regime="",
    cached_tokens=0,
    efficiency=CEILING,
):
    """Predict one quantity a benchmark reports.

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
        "prefill" reads a first token as a batch of prompts computed at once,
        any other as a wait in a server's queue [-].
    cached_tokens : int
        Leading tokens of each prompt that a prefix cache holds [tokens].
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out [-].

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
    if metric not in METRICS:
        raise BadInput("metric", f"metric {metric!r} is not predicted: {', '.join(METRICS)} are.")
    prompt = DEFAULT_TOKENS if input_tokens is None else max(input_tokens, 1)
    answer = DEFAULT_TOKENS if output_tokens is None else max(output_tokens, 1)
    users = concurrency or _most_users(deployment, prompt + answer)
    cached = min(cached_tokens, prompt - 1)
    if metric in ("prefill_tok_s", "ttft_ms"):
        return _first_token(deployment, metric, prompt, answer, users, regime, cached, efficiency)
    step = bandwidth.decode_step(
        deployment,
        context_tokens=prompt + answer / 2,
        concurrency=users,
        efficiency=efficiency,
    )
    itl_s = step.itl_s
    if metric == "decode_tok_s_per_user":
        return 1 / itl_s
    if metric == "itl_ms" and not served:
        return itl_s * 1e3
    fill = bandwidth.prefill(
        deployment, input_tokens=prompt, cached_tokens=cached, efficiency=efficiency
    )
    fill_s = fill.share_s * efficiency.prefill_share
    served_itl_s = itl_s + (users - 1) * fill_s / answer
    if metric == "itl_ms":
        return served_itl_s * 1e3
    busy_s = users * fill_s + answer * itl_s
    if served and concurrency:
        # users who come back at once: each is waiting for its first token or decoding
        wait_ms = _first_token(
            deployment, "ttft_ms", prompt, answer, users, regime, cached, efficiency
        )
        busy_s = wait_ms / 1e3 + answer * served_itl_s
    if metric == "e2e_latency_s":
        return busy_s + efficiency.first_token_s
    rate = users * answer / busy_s
    if metric == "total_tok_s":
        return rate * (prompt + answer) / answer
    return rate / deployment.num_gpus if metric == "output_tok_s_per_gpu" else rate


def _first_token(deployment, metric, prompt, answer, users, regime, cached, efficiency):
    """Predict a first token's wait, or the rate at which a prompt is read."""
    at_once = metric == "prefill_tok_s" or regime == "prefill"
    fill = bandwidth.prefill(
        deployment, input_tokens=prompt, cached_tokens=cached, efficiency=efficiency
    )
    if metric == "prefill_tok_s":
        return prompt / fill.total_s
    if at_once or users == 1:
        together = (prompt - cached) * users
        batch = bandwidth.prefill(deployment, input_tokens=together, efficiency=efficiency)
        # attention is quadratic in each prompt, not in the batch of them
        apart_s = batch.total_s - batch.attention_s + users * fill.attention_s
        return (apart_s + efficiency.first_token_s) * 1e3
    step = bandwidth.decode_step(
        deployment, context_tokens=prompt + answer / 2, concurrency=users, efficiency=efficiency
    )
    service_s = fill.share_s
    held_up_s = (users - 1) * service_s * efficiency.prefill_share
    wait_s = bandwidth.closed_loop_wait_s(
        users=users,
        service_s=service_s,
        away_s=answer * step.itl_s + held_up_s,
        burst_share=efficiency.burst_share,
    )
    return (wait_s + step.total_s + efficiency.first_token_s) * 1e3


def _most_users(deployment, context_tokens):
    """Requests in flight where memory alone sets them."""
    fits = capacity.max_concurrent(deployment, context_tokens)
    if not fits:
        raise BadInput("gpu", "the deployment does not start: no sequence has room in the cache")
    return min(fits, deployment.engine.max_seqs)


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
    efficiency, key = efficiency_for(deployment, family, served)
    load = {
        "metric": metric,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "concurrency": concurrency,
        "served": served,
        "regime": regime or "",
        "cached_tokens": cached_tokens,
    }
    value = predict(deployment, **load, efficiency=efficiency)
    # how far prefill and decode overlap is no property of the spec sheet: both take the same
    overlap = replace(CEILING, prefill_share=efficiency.prefill_share)
    ceiling = predict(deployment, **load, efficiency=overlap)
    low, high, reason = _interval(metric, regime, served, key, deployment)
    return Estimate(value, value * low, value * high, ceiling, reason)


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


def _interval(metric, regime, served, key, deployment):
    """Factors around an estimate, and the words for their width."""
    mode = "served" if served else "offline"
    intervals = table()["intervals"]
    names = (f"{mode}.{regime}.{metric}", f"{mode}.{metric}", mode)
    row = intervals[next(name for name in names if name in intervals)]
    measured = f"{row['rows']} measurements like it, each predicted with its own group left out"
    if "." not in key:
        wider = row["unknown"]
        return (
            row["low"] / wider,
            row["high"] * wider,
            f"no measurement of this engine: {mode} fallback, widened",
        )
    return row["low"], row["high"], f"{key}, {deployment.gpu.family}: {measured}"
