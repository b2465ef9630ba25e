"""The address of a calculator: how it spells deployments, a load and limits.

A link has to mean the same wherever it is made, so the names stand here, under the command and
the calculators. Its stamps say what its numbers rest on; none is typed: a stamp is the latest date
that the files name, or the package's version, and four letters of a hash over their content.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from . import __version__
from .catalog.tables import FOLDER, OWN_CARDS, key
from .refuse import BadInput
from .spec import Deployment, Slo, Workload

FORM = "5"  # how an address spells a state
SITE = "http://127.0.0.1:8866"  # where `make serve` puts the calculators; LLMCAP_SITE names another
LETTERS = "abcd"  # of the deployments that one calculator takes
FEWEST = 2
# The kernel's names for inputs that an address spells shorter.
SHORT = {
    "memory_fraction": "fraction",
    "context_tokens": "ctx",
    "concurrency": "users",
    "input_tokens": "in",
    "output_tokens": "out",
    "dp_attention": "dp",
    "usd_h": "usd",
    "shared_prefix_tokens": "prefix",
    "max_num_seqs": "seqs",
    "max_num_batched_tokens": "batched",
    "max_model_len": "maxlen",
    "block_size": "block",
}
# The engine's own limits; empty leaves each to the engine.
LIMITS = {
    "seqs": "max_num_seqs",
    "batched": "max_num_batched_tokens",
    "maxlen": "max_model_len",
    "block": "block_size",
    "eager": "eager",
}
WHICH = (MEAN := "mean", "p50", "p90", "p95", "p99")
NAMED = ("model", "gpu", "weights", "kv", "engine")
TITLES = {"k": "formulas", "d": "catalogue", "p": "prices"}  # what its stamps are of
DATE = re.compile(rb"\b20\d\d-[01]\d-[0-3]\d\b")


def scorecard(
    columns: Iterable[Deployment],
    workload: Workload,
    slo: Slo,
    *,
    rate_rps: float | None = None,
) -> str:
    """Write the address at which the Scorecard calculator shows the same cards.

    Parameters
    ----------
    columns : iterable of Deployment
        Two to four, as the calculator takes them.
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo
        Limits to meet.
    rate_rps : float, optional
        Requests that come every second, in place of users [requests/s].

    Returns
    -------
    str
        On the site that LLMCAP_SITE names, or on this machine.

    Raises
    ------
    BadInput
        When no inputs of the calculator say the same.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> link = scorecard(design.worked_spec(), design.WORKED_WORKLOAD, design.WORKED_SLO)
    >>> "/apps/scorecard?v=5&columns=3&in=7000&out=1000&users=16" in link
    True
    """
    columns = tuple(columns)
    if not FEWEST <= len(columns) <= len(LETTERS):
        many = f"columns are {len(columns)}: the calculator takes {FEWEST} to {len(LETTERS)}."
        raise BadInput("columns", many)
    values: dict[str, object] = {"v": FORM, "columns": len(columns)}
    values |= _load(workload) | _limits(slo)
    if rate_rps is not None:
        values |= {"users": None, "rate": rate_rps}
    for letter, one in zip(LETTERS, columns, strict=False):
        values |= {f"{letter}.{name}": value for name, value in _deployment(one).items()}
    given = {name: value for name, value in (values | stamps()).items() if value is not None}
    parts = (f"{name}={_spelled(value)}" for name, value in given.items())
    return f"{site()}/apps/scorecard?{'&'.join(parts)}"


def site() -> str:
    """Say where the calculators are.

    Returns
    -------
    str
        What LLMCAP_SITE names, without a slash at its end; else this machine.
    """
    return (os.environ.get("LLMCAP_SITE") or SITE).rstrip("/")


def asked(slo: Slo, quantity: str) -> tuple[float, str]:
    """Find what is asked of a latency: its mean, or a percentile.

    Parameters
    ----------
    slo : Slo
        Limits.
    quantity : str
        "itl" or "ttft".

    Returns
    -------
    tuple of float and str
        The limit, 0 where there is none [s], and one of `WHICH`.

    Examples
    --------
    >>> from llmcap_kernel.spec import Tail
    >>> asked(Slo(itl_s=0.05), "itl"), asked(Slo(tails=(Tail("itl", 95, 0.05),)), "itl")
    ((0.05, 'mean'), (0.05, 'p95'))
    """
    if tail := slo.tail(quantity):
        return tail.bound_s, f"p{tail.percent:g}"
    return {"itl": slo.itl_s, "ttft": slo.ttft_s}[quantity] or 0, MEAN


@cache
def stamps() -> dict[str, str]:
    """Give the stamps of today's link.

    Returns
    -------
    dict of str to str
        k, d and p: formulas, catalogue and prices.

    Examples
    --------
    >>> sorted(stamps())
    ['d', 'k', 'p']
    """
    kernel = Path(__file__).parent
    formulas = [*sorted(kernel.rglob("*.py")), FOLDER / "calibration.toml"]
    names = ("models", "gpus", "formats", "engines")
    tables = [FOLDER / f"{name}.toml" for name in names]
    catalogue = [*tables, *sorted((FOLDER / "configs").glob("*.json"))]
    prices = [FOLDER / "prices.toml"]
    return {
        "k": f"{__version__}-{_hash(formulas)}",
        "d": f"{_latest(tables)}-{_hash(catalogue)}",
        "p": f"{_latest(prices)}-{_hash(prices)}",
    }


def _hash(paths: Iterable[Path]) -> str:
    return sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:4]


def _latest(paths: Iterable[Path]) -> str:
    """The last day that the files name; it tells people how old they are."""
    return max(day for path in paths for day in DATE.findall(path.read_bytes())).decode()


def _load(workload: Workload) -> dict[str, object]:
    if workload.hit_share != 1.0:
        raise BadInput("hit_share", "a prefix that some requests miss has no field there.")
    names = ("input_tokens", "output_tokens", "concurrency", "shared_prefix_tokens")
    return {SHORT[name]: getattr(workload, name) for name in names}


def _limits(slo: Slo) -> dict[str, object]:
    """The limits by the calculator's fields, which are one for each latency."""
    values: dict[str, object] = {"budget": slo.usd_h or 0}
    limited = 0
    for quantity, scale in (("itl", 1e3), ("ttft", 1.0)):
        bound_s, which = asked(slo, quantity)
        limited += bool(bound_s)
        values |= {quantity: bound_s * scale, f"{quantity}p": which}
        if which not in WHICH:
            raise BadInput("slo", f"a limit on {which} has no field there.")
    if limited < len(slo.tails) + bool(slo.itl_s) + bool(slo.ttft_s) or slo.usd_mtok:
        raise BadInput("slo", "it has one limit for the gap, one for the first token and a budget.")
    return values


def _deployment(d: Deployment) -> dict[str, object]:
    """A deployment by the calculator's fields; what it leaves open keeps the calculator's own."""
    for reason in _unspelled(d):
        raise BadInput("column", reason)
    values: dict[str, object] = {name: getattr(d, name).name for name in NAMED}
    values |= {"tp": d.tp, "pp": d.pp, "ep": d.ep > 1, "dp": d.dp_attention}
    values |= {"fraction": d.fraction, "usd": d.usd_h}
    return values | {name: getattr(d, attribute) for name, attribute in LIMITS.items()}


def _unspelled(d: Deployment) -> Iterator[str]:
    if key(d.gpu.name) in OWN_CARDS:
        yield f"{d.gpu.name} is a card of your own, which the catalogue lacks."
    if d.ep not in (1, d.tp):
        yield f"ep is {d.ep}: there the experts are split over all {d.tp} cards or none."
    if d.speculation or d.lora or d.offload_share:
        yield "drafts, adapters and offloading have no field there."


def _spelled(value: object) -> str:
    """A value as the calculator reads it back."""
    if isinstance(value, bool):
        return str(int(value))
    text = f"{value:.12g}" if isinstance(value, int | float) else str(value)
    return quote(text, safe="/.,:-")
