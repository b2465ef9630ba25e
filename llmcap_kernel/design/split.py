"""The default split of a model over cards."""

from math import ceil
from typing import Any

from ..spec import Gpu, Model

IN_A_BOX = 8  # most cards of a server; more are linked only in a rack


def split(count: int, model: Model, gpu: Gpu) -> dict[str, Any]:
    """Split a model over cards as engines advise: by tensors in a node, by layers across them.

    Parameters
    ----------
    count : int
        Cards.
    model : Model
        The model.
    gpu : Gpu
        The card.

    Returns
    -------
    dict
        tp and pp; dp_attention and ep where the cards of one node share experts and not heads.

    References
    ----------
    vLLM, docs/serving/parallelism_scaling.md: tensor parallel size is the cards of a node,
    pipeline parallel size the nodes; where the cards do not divide the model, pipeline alone.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> h100, r1 = catalog.gpu("h100-sxm"), catalog.model("deepseek-r1")
    >>> split(16, r1, h100), split(72, r1, catalog.gpu("gb200"))
    ({'tp': 8, 'pp': 2}, {'tp': 72, 'pp': 1, 'ep': 72, 'dp_attention': True})
    >>> split(3, catalog.model("llama-3.1-70b"), catalog.gpu("rtx-3090"))
    {'tp': 1, 'pp': 3}
    """
    in_a_node = min(count, gpu.max_per_node)
    heads = model.heads or count
    is_rack = IN_A_BOX < count == in_a_node  # a rack, whose cards all see each other
    if is_rack and heads % count and count <= model.experts:
        return {"tp": count, "pp": 1, "ep": count, "dp_attention": True}
    nodes = ceil(count / in_a_node)
    degrees = [n for n in range(in_a_node, 0, -1) if count % n == 0 and heads % n == 0]
    fitting = [n for n in degrees if count // n <= model.layers and count // n >= nodes]
    return {"tp": fitting[0], "pp": count // fitting[0]} if fitting else {"tp": count, "pp": 1}
