"""What the pictures of several chapters draw: the model of the scenario, and names of cards."""

from functools import cache

from llmcap_kernel import catalog

# Cards as a picture has room to name them.
CARDS = {
    **{"gb10": "GB10", "l4": "L4", "rtx-4090": "RTX 4090", "l40s": "L40S"},
    **{"a100-sxm-80gb": "A100", "h100-pcie": "H100 PCIe", "h100-sxm": "H100"},
    **{"h200-sxm": "H200", "mi300x": "MI300X", "b200-sxm": "B200"},
}


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
