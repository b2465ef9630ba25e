"""Metrics of benchmarks as quantities of `Served`, and the kind of interval of each."""

from typing import NamedTuple

from ..catalog.names import timed_as
from ..spec import SERVERS

# Metrics and regimes that are measured in a library's loop, whatever the engine.
LOOP_METRICS = ("e2e_latency_s", "prefill_tok_s", "decode_tok_s_per_user")
LOOP_REGIMES = ("batch1_decode", "batch1_mixed", "prefill")


class Metric(NamedTuple):
    """A metric of benchmarks, as a quantity of `Served`.

    Attributes
    ----------
    server, loop : str
        The quantity where a server was measured, and where a library's loop was.
    scale : float
        Factor from the quantity's SI unit to the metric's own.
    less : bool
        Whether lower values are better.
    """

    server: str
    loop: str
    scale: float = 1.0
    less: bool = False


METRICS = {
    "itl_ms": Metric("itl_s", "itl_decode_s", 1e3, True),
    "ttft_ms": Metric("ttft_mean_s", "batch_ttft_s", 1e3, True),
    "e2e_latency_s": Metric("e2e_s", "batch_e2e_s", 1.0, True),
    "decode_tok_s_per_user": Metric("decode_tok_s_user", "decode_tok_s_user"),
    "prefill_tok_s": Metric("prefill_tok_s", "prefill_tok_s"),
    "output_tok_s_total": Metric("output_tok_s", "batch_output_tok_s"),
    "output_tok_s_per_gpu": Metric("output_tok_s_card", "output_tok_s_card"),
    "total_tok_s": Metric("total_tok_s", "total_tok_s"),
}
# No first token comes before its prompt is computed, however short the queue.
CEILING_OF = {"ttft_mean_s": "ttft_idle_s"}


def in_a_loop(family: str, metric: str, regime: str) -> bool:
    """Say whether a benchmark measured a library's own loop, and not a server.

    Parameters
    ----------
    family : str
        The engine's family.
    metric, regime : str
        What is measured, and in which regime.

    Returns
    -------
    bool
        True for an engine that only runs loops, and for what is measured in one
        whatever engine it is.

    Examples
    --------
    >>> in_a_loop("vllm", "itl_ms", "batched_decode"), in_a_loop("vllm", "itl_ms", "prefill")
    (False, True)
    """
    serves = timed_as(family) in SERVERS
    return not serves or metric in LOOP_METRICS or regime in LOOP_REGIMES


def kind(program: str, quantity: str, *, queued: bool = False) -> str:
    """Name the kind of quantity that an interval holds for.

    Parameters
    ----------
    program : str
        "servers" or "loops".
    quantity : str
        A quantity of `Served`.
    queued : bool
        Whether users wait until the cache has room for them. Then the first token comes after
        answers of others, of which one more or less in the cache is seconds.

    Returns
    -------
    str
        A key of `table()["intervals"]`: of the gap between tokens, of the first token, or of
        whole answers, for a program.

    Examples
    --------
    >>> kind("servers", "ttft_mean_s"), kind("loops", "decode_tok_s_user")
    ('servers.first_token', 'loops.gap')
    >>> kind("servers", "ttft_mean_s", queued=True)
    'servers.first_token_queued'
    """
    if "ttft" in quantity or "prefill" in quantity:
        is_queued = queued and (program, quantity) == ("servers", "ttft_mean_s")
        return f"{program}.first_token_queued" if is_queued else f"{program}.first_token"
    is_gap = "itl" in quantity or "decode" in quantity or quantity == "tok_s_user"
    return f"{program}.gap" if is_gap else f"{program}.answer"
