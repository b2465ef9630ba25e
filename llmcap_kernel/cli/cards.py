"""What predict, scorecard and design say of a card: as plain data, and in words."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from .. import capacity, catalog, design
from ..calibration import Estimate
from ..design import VERDICTS, Card, Limit
from ..explain import Explained, counted, quantity
from ..spec import Deployment, Workload

# What `estimate` has in JSON: its key, the quantity, and the scale to the key's unit.
ESTIMATED = {
    "itl_ms": ("itl_s", 1e3),
    "ttft_ms": ("ttft_s", 1e3),
    "tok_s_per_user": ("tok_s_user", 1),
    "output_tok_s_total": ("output_tok_s", 1),
    "usd_per_mtok_output": ("usd_mtok", 1),
}
LIMIT_FIELDS = ("name", "verdict", "required", "available", "headroom", "sentence")
# The unit of a limit as it ends a key, and the scale to it.
LIMIT_UNITS = {
    "s": ("ms", 1e3),
    "users": ("users", 1),
    "requests": ("users", 1),
    "tokens": ("tokens", 1),
    "USD/h": ("usd_h", 1),
    "USD/Mtok": ("usd_per_mtok_output", 1),
}
LEVELS = dict.fromkeys(VERDICTS, "bad") | {"met": "good", "likely": "doubtful", "open": "doubtful"}


def as_dict(card: Card) -> dict[str, Any]:
    """Turn one column of a scorecard into plain data.

    Parameters
    ----------
    card : Card
        The column.

    Returns
    -------
    dict
        Values that JSON can store, with units in the keys.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> column = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD)
    >>> as_dict(column)["fits"]
    True
    """
    ledger, load, d = card.ledger, card.workload, card.deployment
    return {
        "label": card.label,
        "deployment": d.title,
        "engine": d.engine.name,
        "model": d.model.name,
        "gpu": d.gpu.name,
        "weights": d.weights.name,
        "kv": d.kv.name,
        "starts": card.starts,
        "start": ledger.start,
        "fits": card.fits,
        "verdict": card.memory_words,
        "memory_fraction": d.fraction,
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
        "concurrency": load.concurrency,
        "users": card.users,
        "max_concurrent": ledger.max_concurrent,
        "users_within_limits": _numbers(design.users_within(d, load, card.slo)),
        "ceiling": _ceilings(card),
        "estimate": estimates(card),
        "usd_h": card.usd_h,
        "memory_bytes_per_gpu": memory(card),
        "kv_pool_interval_bytes": list(ledger.kv_pool_interval_bytes),
        "max_concurrent_interval": list(ledger.concurrent_interval),
        "terms": [asdict(line) for line in capacity.term_lines(ledger)],
        "remedies": [_remedy(one) for one in remedies(card)],
        "engine_lines": [asdict(line) for line in capacity.printed(ledger)],
        "kv_pool_tokens": ledger.kv_pool_tokens,
        "binding_constraint": card.binding,
        "limits": [limit_as_dict(limit) for limit in card.limits],
        "warnings": [note.text for note in card.warnings],
    }


def at_rate(card: Card) -> dict[str, Any]:
    """List what a rate adds to the data of a card that starts.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    dict
        The rate, the rate beyond which requests queue without end, and the most that are answered
        within the limits, by the names of `simulate`; empty for users at once.

    Examples
    --------
    >>> made = design.card_at_rate(
    ...     design.worked_spec()[1], design.WORKED_WORKLOAD, design.WORKED_SLO, 0.5)
    >>> at_rate(made)["rate_rps"], sorted(at_rate(made))[-1]
    (0.5, 'saturates_rps')
    """
    if card.rate_rps is None or not card.starts:
        return {}
    rates = list(card.answered_rps.values())
    within, most = rates[0], rates[-1]
    return {
        "rate_rps": card.rate_rps,
        "saturates_rps": most.value,
        "saturates_interval_rps": [most.low, most.high],
        "rps_within_limits": _numbers(within),
    }


def rate_rows(card: Card) -> list[tuple[str, Estimate, str]]:
    """List the rates that a card answers: at most, and within its limits.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    list of (str, Estimate, str)
        Label, estimate and unit; empty for users at once.

    Examples
    --------
    >>> rate_rows(design.card(design.worked_spec()[1], design.WORKED_WORKLOAD))
    []
    """
    rates = card.answered_rps if card.starts else {}
    return [(label, made, "req/s") for label, made in rates.items()]


def limit_as_dict(limit: Limit) -> dict[str, Any]:
    """Turn a limit into plain data.

    Parameters
    ----------
    limit : Limit
        The limit.

    Returns
    -------
    dict
        `required` and `available` with the unit of both beside them, since more of either is
        better: of a time, its inverse. The bound and the estimate have theirs in the key.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> column = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD, design.WORKED_SLO)
    >>> [(x["unit"], x.get("bound_ms")) for x in map(limit_as_dict, column.limits)]
    [('tok/s', 50.0), ('users', None), ('USD/h', None)]
    """
    key, scale = LIMIT_UNITS[limit.unit]
    return {
        **{name: getattr(limit, name) for name in LIMIT_FIELDS},
        "unit": limit.compared_unit,
        f"bound_{key}": scale * limit.bound,
        f"estimate_{key}": scale * limit.estimate.value,
    }


def remedies(card: Card) -> tuple[capacity.Remedy, ...]:
    """Find the settings that would make a card's engine start.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    tuple of Remedy
        Cheapest first; none where it starts.

    Examples
    --------
    >>> tight = design.card(design.worked_spec()[0], design.WORKED_WORKLOAD)
    >>> remedies(tight)[0].flag
    '--gpu-memory-utilization 0.93'
    """
    load = card.workload
    return capacity.remedies(
        card.deployment,
        load.context_tokens,
        concurrency=load.concurrency,
        shared_prefix_tokens=load.shared_prefix_tokens,
        hit_share=load.hit_share,
    )


def _remedy(one: capacity.Remedy) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("setting", "value", "flag", "cost")},
        **{"start": one.books.start, "kv_pool_bytes": one.books.kv_pool_bytes},
    }


def memory(card: Card) -> dict[str, float]:
    """List the memory of a card by term.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    dict
        Terms of the ledger [bytes].

    Examples
    --------
    >>> made = memory(design.card(design.worked_spec()[1], design.WORKED_WORKLOAD))
    >>> made["weights"] < made["budget"] < made["visible"]
    True
    """
    ledger = card.ledger
    return {
        "visible": ledger.visible_bytes,
        "budget": ledger.budget_bytes,
        "weights": ledger.weights_bytes,
        "activations": ledger.activation_bytes,
        "runtime": ledger.runtime_bytes,
        "graphs": ledger.graph_bytes,
        "kv_pool": ledger.kv_pool_bytes,
        "kv_per_sequence": ledger.kv_bytes_per_sequence,
    }


def _ceilings(card: Card) -> dict[str, float | None]:
    """What the spec sheet allows, by quantity; None where the engine does not start."""
    best = card.estimates.ceiling if card.estimates else None
    quantities = {
        "decode_tok_s_per_user": "decode_tok_s_user",
        "itl_decode_s": "itl_decode_s",
        "itl_served_s": "itl_s",
        "ttft_idle_s": "ttft_idle_s",
        "ttft_burst_s": "ttft_burst_s",
        "output_tok_s": "output_tok_s",
        "usd_per_mtok_output": "usd_mtok",
    }
    return {key: getattr(best, name) if best else None for key, name in quantities.items()}


def estimates(card: Card) -> dict[str, dict[str, Any]] | None:
    """Turn the estimates of a card into plain data.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    dict or None
        Value, interval, ceiling and reason by quantity; None where the engine does not
        start.

    Examples
    --------
    >>> b = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD)
    >>> estimates(b)["itl_ms"]["value"] == 1e3 * b.expected.itl_s.value
    True
    """
    if not card.estimates:
        return None
    found = {
        key: (getattr(card.estimates, name), scale) for key, (name, scale) in ESTIMATED.items()
    }
    keys = (f"{tail.quantity}_p{tail.percent:g}_ms" for tail in card.slo.tails)
    found |= {key: (made, 1e3) for key, (_, made) in zip(keys, card.percentiles(), strict=True)}
    return {key: _numbers(e.scaled(scale)) for key, (e, scale) in found.items() if e is not None}


def _numbers(estimate: Estimate) -> dict[str, Any]:
    return asdict(estimate) | {"doubt": estimate.doubt}


def derivation(args: argparse.Namespace, result: Explained) -> dict[str, str]:
    """Give the arithmetic, where it is asked for.

    Parameters
    ----------
    args : Namespace
        With --explain.
    result : Explained
        What it is of.

    Returns
    -------
    dict
        "explain" and the text, or nothing.
    """
    return {"explain": result.explain()} if args.explain else {}


def engine_notes(asked: str | None, deployment: Deployment) -> list[str]:
    """Say where an engine or a version that is asked for is counted as another.

    Parameters
    ----------
    asked : str or None
        The engine as typed.
    deployment : Deployment
        What it was read as.

    Returns
    -------
    list of str
        A sentence, or nothing.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> engine_notes("tgi", catalog.deployment(model="qwen3-8b", gpu="l4", engine="tgi"))
    ['tgi is counted as vLLM 0.33, the nearest whose ledger is known.']
    """
    title, _, stood_in_for = deployment.engine.title.partition(", in place of ")
    version = asked and any(map(str.isdigit, asked))
    if not stood_in_for and not (version and catalog.key(asked) != deployment.engine.name):
        return []
    return [f"{asked} is counted as {title}, the nearest whose ledger is known."]


def load_words(
    workload: Workload,
    usual: Sequence[str] = (),
    chosen: str = "",
    rate_rps: float | None = None,
) -> str:
    """Say what a load is.

    Parameters
    ----------
    workload : Workload
        Prompt, answer and users.
    usual : sequence of str
        The options that nobody gave, so that the usual load was taken.
    chosen : str
        How the number of users came about.
    rate_rps : float, optional
        Requests that come in place of users [requests/s].

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> load_words(Workload(7000, 1000, 16))
    '7,000 tokens in + 1,000 out, 16 users'
    >>> load_words(Workload(7000, 1000, 1), ["--output"])
    '7,000 tokens in + 1,000 out, 1 user (by default: --output)'
    """
    users = counted(workload.concurrency, "user")
    if rate_rps is not None:
        users = f"{rate_rps:.6g} requests/s"
    said = "; ".join(filter(None, (chosen, defaults(usual))))
    return f"{lengths_words(workload)}, {users}{f' ({said})' if said else ''}"


def lengths_words(workload: Workload, usual: Sequence[str] = ()) -> str:
    """Say how long prompt and answer of a load are.

    Parameters
    ----------
    workload : Workload
        Prompt, answer and shared prefix.
    usual : sequence of str
        The options that nobody gave, so that the usual lengths were taken.

    Returns
    -------
    str
        One phrase.

    Examples
    --------
    >>> lengths_words(Workload(7000, 1000, shared_prefix_tokens=500), ["--output"])
    '7,000 tokens in (500 shared) + 1,000 out (by default: --output)'
    """
    shared, said = workload.shared_prefix_tokens, defaults(usual)
    prompt = f"{workload.input_tokens:,} tokens in{f' ({shared:,} shared)' if shared else ''}"
    return f"{prompt} + {workload.output_tokens:,} out{f' ({said})' if said else ''}"


def as_specified(deployments: Iterable[Deployment]) -> str:
    """Say which memory fraction the worked spec sets where its engine takes another.

    Parameters
    ----------
    deployments : iterable of Deployment
        Those that stand where nobody names any.

    Returns
    -------
    str
        One sentence.

    Examples
    --------
    >>> as_specified(design.worked_spec()).partition(":")[0]
    'These are the worked spec'
    """
    first = next(iter(deployments))
    usual, engine = replace(first, memory_fraction=None).fraction, first.engine.title
    told = f"a memory fraction of {first.fraction:g}, as specified; unless told, {engine} takes"
    return f"These are the worked spec: {told} {usual:g}."


def defaults(usual: Sequence[str]) -> str:
    """Say which options were left to their defaults.

    Parameters
    ----------
    usual : sequence of str
        Options.

    Returns
    -------
    str
        A phrase; "" where there is none.

    Examples
    --------
    >>> defaults(["--input", "--output"])
    'by default: --input, --output'
    """
    return f"by default: {', '.join(usual)}" if usual else ""


def interval(estimate: Estimate | None, unit: str) -> tuple[str, str, str]:
    """Write an estimate.

    Parameters
    ----------
    estimate : Estimate or None
        The estimate.
    unit : str
        Its unit, as `explain.quantity` accepts it.

    Returns
    -------
    tuple of str
        Value, its interval or the doubt of it, and the ceiling; dashes for None.

    Examples
    --------
    >>> interval(Estimate(0.020, 0.015, 0.030, 0.010, ""), "s")
    ('20 ms', '15 ms to 30 ms', '10 ms')
    """
    if estimate is None:
        return "-", "-", "-"
    value, low, high, ceiling = (
        quantity(getattr(estimate, name), unit) for name in ("value", "low", "high", "ceiling")
    )
    return value, estimate.doubt or ("" if low == high else f"{low} to {high}"), ceiling


def provenance(cards: Iterable[Card]) -> str:
    """Say once where the numbers of an answer come from.

    Parameters
    ----------
    cards : iterable of Card
        What is answered.

    Returns
    -------
    str
        One sentence; "" where nothing is estimated.

    Examples
    --------
    >>> provenance([design.card(design.worked_spec()[1], design.WORKED_WORKLOAD)])
    'Estimates, with the range that held four measurements of five (vllm on hopper: ...'
    """
    labelled = [(c.label, c.estimates.itl_s.reason) for c in cards if c.estimates]
    if not labelled:
        return ""
    of = {reason: [name for name, its in labelled if its == reason] for _, reason in labelled}
    reasons = [f"{', '.join(of[reason])}: {reason}" if len(of) > 1 else reason for reason in of]
    return (
        "Estimates, with the range that held four measurements of five "
        f"({'; '.join(reasons)}). Ceilings are what the spec sheet allows."
    )
