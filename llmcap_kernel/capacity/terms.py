"""Each term of the ledger as a line of arithmetic: what it is made of, and what it grows with."""

from collections.abc import Iterable

from ..bandwidth import ACTIVATION_BYTES
from ..explain import Line, digits, gib
from . import overhead
from .ledger import Ledger

ROLES = {
    "attention": "attention",
    "mlp": "dense layers",
    "expert": "experts",
    "shared_expert": "shared experts",
    "router": "routers",
    "embedding": "embedding table",
    "head": "output head",
    "vision": "vision tower",
    "rounding": "rounded up to 2 MiB",
}
MOST_ROLES = 4


def term_lines(ledger: Ledger) -> tuple[Line, ...]:
    """Write how each term outside the cache comes about.

    Parameters
    ----------
    ledger : Ledger
        The ledger of a card.

    Returns
    -------
    tuple of Line
        weights, activations and what they are the largest of, runtime, graphs; a term that
        is 0 by the engine's design says why.

    References
    ----------
    The formulas are those of `overhead`, each with its source.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from .ledger import ledger
    >>> d = catalog.deployment(model="llama-3.1-8b", gpu="rtx-3090")
    >>> [line.name for line in term_lines(ledger(d, context_tokens=8000))]
    ['weights', 'activations', 'sampling', 'one pass', 'runtime', 'graphs']
    """
    lines = [_weights(ledger)]
    lines += _activations(ledger) if ledger.deployment.engine.profiled else [_not_profiled(ledger)]
    lines += [_runtime(ledger), _graphs(ledger)]
    return tuple(lines)


def _weights(ledger: Ledger) -> Line:
    card_share = 1 - ledger.deployment.offload_share
    roles = [
        (ROLES.get(name, name), size * card_share) for name, size in ledger.by_role.items() if size
    ]
    roles.sort(key=lambda role: -role[1])
    largest, other_bytes = roles[:MOST_ROLES], sum(size for _, size in roles[MOST_ROLES:])
    if other_bytes:
        largest.append(("the rest", other_bytes))
    return _sum("weights", largest, ledger.weights_bytes)


def _activations(ledger: Ledger) -> list[Line]:
    d = ledger.deployment
    sampled, passed = overhead.sampling_bytes(d), overhead.forward_bytes(d)
    parts = {name: size for name, size in overhead.activation_parts(d).items() if size > 2**20}
    larger = f"the larger of {gib(sampled)} and {gib(passed)}"
    activations = Line(
        "activations",
        " + ".join((*parts, "the larger of sampling and one pass")),
        " + ".join((*map(gib, parts.values()), larger)),
        gib(ledger.activation_bytes),
    )
    return [activations, _sampling(ledger), *_passes(ledger, passed)]


def _sampling(ledger: Ledger) -> Line:
    d, model = ledger.deployment, ledger.deployment.model
    logit = digits(d.engine.sampling_bytes_per_logit)
    rows = d.batch_limit_tokens + d.seqs_limit
    return Line(
        "sampling",
        "sequences x vocabulary x bytes of a logit in all its copies + states of the batch",
        f"{d.seqs_limit:,} x {model.vocab_size:,} x {logit} B + "
        f"{rows:,} x {model.hidden_size:,} x {ACTIVATION_BYTES:g} B",
        gib(overhead.sampling_bytes(d)),
    )


def _passes(ledger: Ledger, forward_bytes: float) -> list[Line]:
    """List what grows with the tokens of a step: a layer's states, and the experts' workspace."""
    d, experts = ledger.deployment, overhead.expert_bytes(ledger.deployment)
    tokens = d.batch_limit_tokens
    lines = [
        _per_token(
            "one pass", "tokens of a step x states of the widest layer", tokens, forward_bytes
        )
    ]
    if experts:
        formula = "tokens of a step x workspace of their experts"
        lines.append(_per_token("experts", formula, tokens, experts))
    return lines


def _per_token(name: str, formula: str, tokens: int, size: float) -> Line:
    each = f"{digits(size / tokens / 1024)} KiB"
    return Line(name, formula, f"{tokens:,} x {each}", gib(size))


def _not_profiled(ledger: Ledger) -> Line:
    reason = f"not counted: {ledger.deployment.engine.title} leaves them outside its share"
    return Line("activations", reason, "", gib(ledger.activation_bytes))


def _runtime(ledger: Ledger) -> Line:
    d = ledger.deployment
    if not ledger.runtime_bytes:
        return Line("runtime", f"not counted for {d.engine.title}", "", gib(0.0))
    return _sum("runtime", overhead.runtime_parts(d).items(), ledger.runtime_bytes)


def _graphs(ledger: Ledger) -> Line:
    d = ledger.deployment
    if not ledger.graph_bytes:
        reason = "off: eager" if d.eager else f"none for {d.engine.title}"
        return Line("graphs", reason, "", gib(0.0))
    layers = -(-d.model.layers // d.pp)
    full_bytes = d.engine.graph_bytes + d.engine.graph_bytes_per_layer * layers
    per_layer = f"{digits(d.engine.graph_bytes_per_layer / 2**20)} MiB"
    return Line(
        "graphs",
        "(fixed + layers x each) x share of the batch sizes captured"
        + ("" if d.engine.graphs_in_fraction else "; outside the engine's share"),
        f"({gib(d.engine.graph_bytes)} + {layers} x {per_layer}) x "
        f"{ledger.graph_bytes / full_bytes:.0%}, up to {d.graph_seqs_limit:,}",
        gib(ledger.graph_bytes),
    )


def _sum(name: str, parts: Iterable[tuple[str, float]], total_bytes: float) -> Line:
    parts = list(parts)
    names = " + ".join(part for part, _ in parts)
    return Line(name, names, " + ".join(gib(size) for _, size in parts), gib(total_bytes))
