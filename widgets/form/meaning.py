"""What a state of the inputs means: a model, a deployment, a load and limits of the kernel."""

from llmcap_kernel import catalog
from llmcap_kernel.address import LETTERS, LIMITS, MEAN
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail, Workload

from . import own_card, pasted

PREFIXES = ("", *(f"{one}." for one in LETTERS))  # of one deployment's inputs, and of several's


def known_model(name):
    """Look a model up whose record the kernel may refuse; a view says so elsewhere.

    Parameters
    ----------
    name : str
        A name of the catalogue.

    Returns
    -------
    Model or None
        The model.
    """
    try:
        return catalog.model(name)
    except BadInput:
        return None


def chosen_model(state, prefix=""):
    """Look up the model of a state: the pasted one, else the catalogue's.

    Parameters
    ----------
    state : dict
        A complete state.
    prefix : str
        What the names of its inputs begin with.

    Returns
    -------
    Model or None
        The model; None where the kernel refuses its record.
    """
    config = state.get(prefix + "config")
    return pasted.model(config) if config else known_model(state[prefix + "model"])


def windows(state):
    """List the windows of the models of a state.

    Parameters
    ----------
    state : dict
        A complete state, of one deployment or of several.

    Returns
    -------
    list of int
        The most tokens of a request of each model [tokens]; none where any model may be chosen.
    """
    count = state.get("columns", 0)
    models = [chosen_model(state, p) for p in (PREFIXES[1 : count + 1] if count else ("",))]
    return [model.max_context_tokens for model in models if model]


def deployment(state, prefix=""):
    """Build the deployment that a state describes.

    Parameters
    ----------
    state : dict
        A complete state.
    prefix : str
        What the names of its inputs begin with.

    Returns
    -------
    Deployment
        The deployment.

    Raises
    ------
    BadInput
        When the parts do not go together.
    """
    names = ("tp", "pp", "weights", "kv", "engine")
    config = state[prefix + "config"]
    return catalog.deployment(
        model=pasted.model(config) if config else state[prefix + "model"],
        gpu=own_card.card(state[prefix + "gpu"]),
        **{name: state[prefix + name] for name in names},
        ep=state[prefix + "tp"] if state[prefix + "ep"] else 1,
        memory_fraction=state[prefix + "fraction"],
        dp_attention=state[prefix + "dp"],
        usd_h=state.get(prefix + "usd"),
        **{attribute: state[prefix + name] for name, attribute in LIMITS.items()},
    )


def load(state):
    """Build the load that a state describes.

    Parameters
    ----------
    state : dict
        A complete state.

    Returns
    -------
    Workload
        The load; of one user where a rate is asked, from which their number follows.

    Raises
    ------
    BadInput
        When the prefix is longer than the prompt.
    """
    users = 1 if state.get("rate") else state["users"] or 1
    return Workload(state["in"], state["out"], users, state["prefix"])


def limits(state):
    """Build the limits that a state asks for.

    Parameters
    ----------
    state : dict
        A complete state.

    Returns
    -------
    Slo
        The limits; None where the state has 0.
    """
    bounds = {"itl": state["itl"] / 1e3, "ttft": state["ttft"]}
    means = {f"{n}_s": x for n, x in bounds.items() if x and state[n + "p"] == MEAN}
    tails = tuple(
        Tail(n, float(state[n + "p"].removeprefix("p")), x)
        for n, x in bounds.items()
        if x and state[n + "p"] != MEAN
    )
    return Slo(**means, usd_h=state["budget"] or None, tails=tails)
