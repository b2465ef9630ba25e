"""A launch command pasted where a config.json goes: what it sets, and what it does not."""

import json

from llmcap_kernel import catalog
from llmcap_kernel.evidence import launch, open_loop, startup
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

from . import own_card
from .from_log import of_deployment

# Terms of a deployment that these inputs cannot say.
TERMS = {
    "speculation": "speculation",
    "lora": "adapters",
    "offload_share": "weights on the host",
    "mixed_chunk": "prompts beside decoding",
}
# Inputs of a load, by what a benchmark's command calls them.
LOAD = {
    "in": "input_tokens",
    "out": "output_tokens",
    "users": "concurrency",
    "prefix": "prefix_tokens",
}


def is_launch(text):
    """Say whether a pasted text launches an engine.

    Parameters
    ----------
    text : object
        What was pasted.

    Returns
    -------
    bool
        Whether it is a command or a manifest.

    Examples
    --------
    >>> is_launch("vllm serve Qwen/Qwen3-8B -tp 2"), is_launch('{"model_type": "llama"}')
    (True, False)
    """
    return isinstance(text, str) and launch.recognises(text)


def inputs(text, state, prefix=""):
    """Read the inputs of a deployment from a launch command.

    Parameters
    ----------
    text : str
        The command or the manifest.
    state : dict
        A complete state: the card stays as it is here where the command names none.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        Values by input, and what to say of them, what was understood first.

    Raises
    ------
    BadInput
        When the command means no deployment.
    """
    try:
        one = launch.read(text)
        gpu = one.gpu or own_card.card(state[prefix + "gpu"])
        d, copies, notes = launch.meant(one, gpu=gpu)
    except BadInput as problem:
        said = startup.reason(problem)
        raise BadInput("config", f"The launch command is of no use here: {said}") from None
    remarks = [] if one.gpu else [f"The command does not name the card: {d.gpu.name} is taken"]
    remarks += [f"The command starts {copies} copies: the numbers are of one"] if copies > 1 else []
    remarks += [
        f"Not among these inputs: {what}" for name, what in TERMS.items() if getattr(d, name)
    ]
    remarks += [f"Not among these inputs: DCP {d.dcp}"] if d.dcp > 1 else []
    first = f"The inputs are those of the launch command; {one.summary}"
    values = own_card.with_own_card(of_deployment(d, prefix), state, prefix)
    if one.overrides and _is_changed(d.model):
        config = catalog.changed_config(d.model.name, json.loads(one.overrides))
        values[prefix + "config"] = json.dumps(config)
    load = one.load._asdict() if one.load else {}
    values |= {name: load[of] for name, of in LOAD.items() if load.get(of) and name in state}
    taken, more = _rate(d, copies, load, values, state)
    return values | taken, [first, *remarks, *notes, *more]


def _rate(d, copies, load, values, state):
    """The rate of a benchmark, or the users that stand for it, and what was taken.

    Nothing where it has no rate, or lets no more than some requests in at once.
    """
    rate = load.get("request_rate")
    if "users" in values and "rate" in state:
        return {"rate": None}, []  # which would count before them
    if not rate or load.get("concurrency") or not {"in", "out", "users"} <= state.keys():
        return {}, []
    if "rate" in state:
        each = f"{rate:.4g} requests/s are {rate / copies:.4g} for each copy"
        return {"rate": rate / copies}, [each] if copies > 1 else []
    prompt, answer = (values.get(name) or state[name] for name in ("in", "out"))
    users, said = open_loop.taken(d, Workload(prompt, answer), rate / copies)
    return ({"users": users}, [said]) if users else ({}, [])


def _is_changed(model):
    """Whether a model is counted from another config than the catalogue's."""
    if model.name not in catalog.models():
        return False
    own = catalog.model(model.name)
    counted = ("params", "active_params", "attention", "max_context_tokens")
    return any(getattr(own, name) != getattr(model, name) for name in counted)
