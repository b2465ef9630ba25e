"""Limits of a deployment: what is required, what there is, and what to be warned of."""

from dataclasses import dataclass

from .. import bandwidth, capacity
from ..explain import Explained, Line, quantity
from ..toolbox import usd_per_mtok


@dataclass(frozen=True)
class Limit(Explained):
    """One constraint: what is required, what there is, and the headroom.

    Attributes
    ----------
    name : str
        "capacity", "latency", "prefill", "budget" or "cost" [-].
    required, available : float
        In the same unit, more available being better; a time is compared as
        its rate [-].
    headroom : float
        How many times over the requirement is met; below 1 it is missed [-].
    sentence : str
        The comparison in words [-].
    unit : str
        Unit of both sides, as `explain.quantity` knows it [-].
    """

    name: str
    required: float
    available: float
    headroom: float
    sentence: str
    unit: str = ""

    @property
    def met(self):
        """Whether the requirement is met [-]."""
        return self.headroom >= 1

    def lines(self):
        return (
            Line(
                f"{self.name} headroom",
                "available / required",
                f"{quantity(self.available, self.unit)} / {quantity(self.required, self.unit)}",
                f"{self.headroom:.2f}x",
            ),
        )


def limits(deployment, workload, slo, *, books=None, serving=None):
    """Compare every limit that was asked for with what there is.

    Latency and cost are read at the users who fit, those wanted at most, and
    not at all where the engine does not start. A prefix that the users share
    is kept once.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        What the users do [-].
    slo : Slo
        What must hold; only its limits that are set are compared, and the
        users always are [-].
    books : Ledger, optional
        The ledger of this load, when it is known already [-].
    serving : Serving, optional
        The serving state at the users that fit, when it is known already [-].

    Returns
    -------
    tuple of Limit
        Least headroom first: the first one binds [-].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> limits(a, WORKED_WORKLOAD, WORKED_SLO)[0].name
    'capacity'
    """
    d, wanted = deployment, workload.concurrency
    users = (books or capacity.workload_ledger(d, workload)).max_concurrent
    serving = serving or bandwidth.serve(d, workload, concurrency=max(min(wanted, users), 1))
    rent = d.gpu_usd_h * d.num_gpus
    rows = [
        Limit(
            "capacity",
            wanted,
            users,
            users / wanted,
            _room(users, wanted),
            "users",
        )
    ]
    if slo.itl_s is not None and users:
        itl = serving.itl_served_s
        rows.append(
            Limit(
                "latency",
                1 / slo.itl_s,
                1 / itl,
                slo.itl_s / itl,
                f"{quantity(itl, 's')} of {quantity(slo.itl_s, 's')} between tokens",
                "tok/s",
            )
        )
    if slo.ttft_s is not None and users:
        ttft = serving.ttft_burst_s
        rows.append(
            Limit(
                "prefill",
                1 / slo.ttft_s,
                1 / ttft,
                slo.ttft_s / ttft,
                f"first token after {quantity(ttft, 's')} when all users arrive at once, "
                f"{quantity(slo.ttft_s, 's')} allowed",
                "1/s",
            )
        )
    if slo.usd_h is not None and rent:
        rows.append(
            Limit(
                "budget",
                rent,
                slo.usd_h,
                slo.usd_h / rent,
                f"{quantity(rent, 'USD/h')} of {quantity(slo.usd_h, 'USD/h')}",
                "USD/h",
            )
        )
    if slo.usd_mtok is not None and rent and users:
        price = usd_per_mtok(usd_h=rent, tok_s=serving.output_tok_s)
        rows.append(
            Limit(
                "cost",
                price,
                slo.usd_mtok,
                slo.usd_mtok / price,
                f"{quantity(price, 'USD/Mtok')} of {quantity(slo.usd_mtok, 'USD/Mtok')}",
                "USD/Mtok",
            )
        )
    return tuple(sorted(rows, key=lambda limit: limit.headroom))


def _room(users, wanted):
    """Compare the users who have room with those wanted, in words."""
    if users <= wanted:
        return f"room for {users:,} of {wanted:,} sequences"
    return f"room for {users:,} sequence{'s' if users > 1 else ''}, {wanted:,} wanted"


def warnings(deployment, workload):
    """Name what a reader should know before trusting the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        What the users do [-].

    Returns
    -------
    tuple of str
        One sentence each; empty when there is nothing to say [-].

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> from llmcap_kernel import catalog
    >>> d = catalog.deployment(model="llama-3-70b", gpu="h100-sxm", tp=4)
    >>> warnings(d, Workload(100_000, 1000))[0][:46]
    'The context of 101,000 tokens is beyond the 8,'
    """
    d, model, out = deployment, deployment.model, []
    if workload.context_tokens > model.max_context_tokens:
        out.append(
            f"The context of {workload.context_tokens:,} tokens is beyond the "
            f"{model.max_context_tokens:,} that {model.name} was configured for."
        )
    if model.kv_heads and d.tp > model.kv_heads and not d.dp_attention:
        latent = any(a.latent_dim for a in model.attention)
        if not latent:
            out.append(
                f"tp is {d.tp} and {model.name} has {model.kv_heads} KV heads: the cache is "
                f"split {model.kv_heads} ways and copied on the rest."
            )
    if d.tp > 1 and not d.dp_attention and any(a.latent_dim for a in model.attention):
        out.append(
            f"{model.name} keeps one latent for all heads: each of the {d.tp} cards holds the "
            "whole cache. Data-parallel attention would split it by user."
        )
    dtype, _ = bandwidth.compute_dtype(d.gpu, d.weights)
    if d.weights.compute and dtype != d.weights.compute[0]:
        out.append(
            f"{d.gpu.title} has no {d.weights.compute[0]} units: {d.weights.name} weights keep "
            f"their bytes and compute in {dtype}."
        )
    if d.weights.covers and not any(t.role in d.weights.covers for t in model.tensors):
        out.append(
            f"{d.weights.name} converts {', '.join(d.weights.covers)} weights only and "
            f"{model.name} has none: all of them stay in 16 bits."
        )
    if d.tp > d.gpu.max_per_node:
        out.append(
            f"tp is {d.tp} and a node joins {d.gpu.max_per_node} {d.gpu.name}: collectives "
            f"cross the network at {quantity(bandwidth.link_bandwidth_bytes_s(d), 'bytes/s')}."
        )
    if not d.gpu_usd_h:
        out.append(f"The catalogue has no rent for {d.gpu.name}: give usd_h for prices.")
    out.extend(model.notes)
    return tuple(out)
