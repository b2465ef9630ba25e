"""What the pictures of several chapters draw: the model of the scenario."""

from functools import cache

from llmcap_kernel import catalog


@cache
def llama_on(gpu="h100-sxm", tp=1, weights="fp8", kv="fp8", model="llama-3.1-70b", **more):
    """Build a deployment of the scenario's model; of candidates A and B with one card and two.

    Parameters
    ----------
    gpu : str
        The card.
    tp : int
        How many.
    weights, kv : str
        Formats.
    model : str
        Another model.
    **more : object
        Further fields of a deployment.

    Returns
    -------
    Deployment
        The same one for the same arguments.
    """
    return catalog.deployment(model=model, gpu=gpu, tp=tp, weights=weights, kv=kv, **more)
