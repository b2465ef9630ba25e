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


def term_lines(books: Ledger) -> tuple[Line, ...]:
    """Write how each term outside the cache comes about.

    Parameters
    ----------
    books : Ledger
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
    lines = [_weights(books)]
    lines += _activations(books) if books.deployment.engine.profiled else [_not_profiled(books)]
    lines += [_runtime(books), _graphs(books)]
    return tuple(lines)


def _weights(books: Ledger) -> Line:
    held = 1 - books.deployment.offload_share
    roles = [(ROLES.get(name, name), size * held) for name, size in books.by_role.items() if size]
    roles.sort(key=lambda role: -role[1])
    first, rest = roles[:MOST_ROLES], sum(size for _, size in roles[MOST_ROLES:])
    if rest:
        first.append(("the rest", rest))
    return _sum("weights", first, books.weights_bytes)


def _activations(books: Ledger) -> list[Line]:
    d = books.deployment
    sampled, passed = overhead.sampling_bytes(d), overhead.forward_bytes(d)
    parts = {name: size for name, size in overhead.activation_parts(d).items() if size > 2**20}
    top = f"the larger of {gib(sampled)} and {gib(passed)}"
    whole = Line(
        "activations",
        " + ".join((*parts, "the larger of sampling and one pass")),
        " + ".join((*map(gib, parts.values()), top)),
        gib(books.activation_bytes),
    )
    return [whole, _sampling(books), *_passes(books, passed)]


def _sampling(books: Ledger) -> Line:
    d, model = books.deployment, books.deployment.model
    logit = digits(d.engine.sampling_bytes_per_logit)
    rows = d.batch_limit_tokens + d.seqs_limit
    return Line(
        "sampling",
        "sequences x vocabulary x bytes of a logit in all its copies + states of the batch",
        f"{d.seqs_limit:,} x {model.vocab_size:,} x {logit} B + "
        f"{rows:,} x {model.hidden_size:,} x {ACTIVATION_BYTES:g} B",
        gib(overhead.sampling_bytes(d)),
    )


def _passes(books: Ledger, passed: float) -> list[Line]:
    """What grows with the tokens of a step: a layer's states, and the workspace of experts."""
    d, experts = books.deployment, overhead.expert_bytes(books.deployment)
    tokens = d.batch_limit_tokens
    lines = [
        _per_token("one pass", "tokens of a step x states of the widest layer", tokens, passed)
    ]
    if experts:
        formula = "tokens of a step x workspace of their experts"
        lines.append(_per_token("experts", formula, tokens, experts))
    return lines


def _per_token(name: str, formula: str, tokens: int, size: float) -> Line:
    each = f"{digits(size / tokens / 1024)} KiB"
    return Line(name, formula, f"{tokens:,} x {each}", gib(size))


def _not_profiled(books: Ledger) -> Line:
    said = f"not counted: {books.deployment.engine.title} leaves them outside its share"
    return Line("activations", said, "", gib(books.activation_bytes))


def _runtime(books: Ledger) -> Line:
    d = books.deployment
    if not books.runtime_bytes:
        return Line("runtime", f"not counted for {d.engine.title}", "", gib(0.0))
    return _sum("runtime", overhead.runtime_parts(d).items(), books.runtime_bytes)


def _graphs(books: Ledger) -> Line:
    d = books.deployment
    if not books.graph_bytes:
        why = "off: eager" if d.eager else f"none for {d.engine.title}"
        return Line("graphs", why, "", gib(0.0))
    layers = -(-d.model.layers // d.pp)
    whole = d.engine.graph_bytes + d.engine.graph_bytes_per_layer * layers
    each = f"{digits(d.engine.graph_bytes_per_layer / 2**20)} MiB"
    return Line(
        "graphs",
        "(fixed + layers x each) x share of the batch sizes captured"
        + ("" if d.engine.graphs_in_fraction else "; outside the engine's share"),
        f"({gib(d.engine.graph_bytes)} + {layers} x {each}) x {books.graph_bytes / whole:.0%}, "
        f"up to {d.graph_seqs_limit:,}",
        gib(books.graph_bytes),
    )


def _sum(name: str, parts: Iterable[tuple[str, float]], whole: float) -> Line:
    parts = list(parts)
    names = " + ".join(part for part, _ in parts)
    return Line(name, names, " + ".join(gib(size) for _, size in parts), gib(whole))
