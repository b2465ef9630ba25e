"""A start-up log pasted where a config.json goes: what it sets, and how near the ledger is."""

from dataclasses import replace
from typing import Any

from llmcap_kernel.address import LIMITS, NAMED
from llmcap_kernel.evidence import logs, startup
from llmcap_kernel.refuse import BadInput

MOST_CHARS = 2_000_000
# Inputs of a deployment that a log settles, by their names without a prefix.
SPLIT = {"tp": "tp", "pp": "pp", "dp": "dp_attention"}


def is_log(text):
    """Say whether a pasted text is a start-up log and no config.json.

    Parameters
    ----------
    text : object
        What was pasted.

    Returns
    -------
    bool
        Whether an engine's lines are in it.

    Examples
    --------
    >>> is_log("INFO Available KV cache memory: 6.95 GiB"), is_log('{"model_type": "llama"}')
    (True, False)
    """
    return isinstance(text, str) and logs.recognises(text[:MOST_CHARS])


def inputs(text, state, prefix=""):
    """Read the inputs of a deployment from a start-up log.

    Parameters
    ----------
    text : str
        The log.
    state : dict
        A complete state: what the log leaves out stays as it is here.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        Values by input, and what to say of them, the comparison of log and ledger first.

    Raises
    ------
    BadInput
        When the log means no deployment that the ledger has.
    """
    if len(text) > MOST_CHARS:
        size = f"{len(text):,} characters, and at most {MOST_CHARS:,} are read"
        raise BadInput("config", f"The start-up log has {size}: paste its start alone.")
    try:
        one = logs.read(text, "the log")
        one, assumed = _completed(one, state, prefix)
        both = startup.beside(one)
    except BadInput as problem:
        said = startup.reason(problem)
        raise BadInput("config", f"The start-up log is of no use here: {said}") from None
    return of_deployment(both.deployment, prefix), [_compared(both), *assumed, *both.notes]


def of_deployment(d, prefix=""):
    """Write a deployment as the inputs that make it.

    Parameters
    ----------
    d : Deployment
        The deployment.
    prefix : str
        What the names of the inputs begin with.

    Returns
    -------
    dict
        Values by input.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> of_deployment(catalog.deployment(model="qwen3-8b", gpu="l4", tp=2))["tp"]
    2
    """
    values: dict[str, Any] = {name: getattr(d, name).name for name in NAMED}
    values |= {name: getattr(d, attribute) for name, attribute in (SPLIT | LIMITS).items()}
    values |= {"config": None, "ep": d.ep > 1, "fraction": round(d.fraction, 4)}
    return {prefix + name: value for name, value in values.items()}


def _completed(one, state, prefix):
    """Take what a log of this kind may leave out from the inputs, and say so."""
    assumed = []
    if not one.model:
        if state[prefix + "config"]:
            raise BadInput("model", "it does not name its model: choose one, then paste it again.")
        one = replace(one, model=state[prefix + "model"])
        assumed.append(f"The log does not name the model: {one.model} is taken, as it was chosen")
        if not one.weights:
            one = replace(one, weights=state[prefix + "weights"])
    if not one.gpu:
        one = replace(one, gpu=state[prefix + "gpu"])
        assumed.append(f"The log does not name the card: {one.gpu} is taken, as it was chosen")
    if not one.weights and one.family in startup.SIZED_BY_CONTEXT:
        one = replace(one, weights=state[prefix + "weights"])
        assumed.append(f"The log does not name the format of the weights: {one.weights} is taken")
    return one, assumed


def _compared(both):
    """One sentence: what the log says beside what the ledger says, and whether it started."""
    s = both.startup
    shown = [_pair(term) for term in both.terms]
    named = f"{s.engine} {s.version}".strip()
    terms = f"logged and computed: {'; '.join(shown)}. " if shown else ""
    return f"The inputs are those of the start-up log of {named}; {terms}{both.verdict}"


def _pair(term):
    logged, computed, *_ = term.cells()
    return f"{term.name} {logged} and {computed}"


def sentence(text):
    """Make a note a sentence; a field's name keeps its letters.

    Parameters
    ----------
    text : str
        The note.

    Returns
    -------
    str
        The same with a capital and a full stop.

    Examples
    --------
    >>> sentence("defaults are taken"), sentence("max_num_seqs is not in the log.")
    ('Defaults are taken.', 'max_num_seqs is not in the log.')
    """
    first = text.partition(" ")[0]
    head = text[0] if "_" in first else text[0].upper()
    return f"{head}{text[1:]}{'' if text.endswith('.') else '.'}"
