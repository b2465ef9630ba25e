"""What an input takes while nobody has chosen it, and how it follows the inputs beside it."""

from llmcap_kernel import catalog
from llmcap_kernel.design.space import HOME, needed_engine

from . import own_card


def engine_of(gpu=None, weights=None):
    """Name the engine that a card and a format are run with unless one is chosen.

    Parameters
    ----------
    gpu : str, optional
        A card, or one of the reader's own as a code.
    weights : str, optional
        A format.

    Returns
    -------
    str
        llama.cpp for GGUF files and for Macs; else vLLM.

    Examples
    --------
    >>> engine_of("apple-m3-max"), engine_of("h100-sxm", "fp8"), engine_of("l4", "gguf-q4-k-m")
    ('llama.cpp', 'vllm-0.33', 'llama.cpp')
    """
    if weights and catalog.format(weights).gguf:
        return HOME
    needed = needed_engine(own_card.card(gpu)) if gpu else catalog.DEFAULT_ENGINE
    return catalog.engine(needed).name
