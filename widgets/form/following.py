"""What an input takes while nobody has chosen it, and how it follows the inputs beside it."""

from llmcap_kernel import catalog
from llmcap_kernel.design.handover import CACHES, WIDE
from llmcap_kernel.design.space import usual_engine
from llmcap_kernel.spec import usual_load

from . import own_card

LENGTHS = {"in": "input_tokens", "out": "output_tokens", "ctx": "context_tokens"}


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
    card = own_card.card(gpu) if gpu else None
    return catalog.engine(usual_engine(card, catalog.format(weights) if weights else None)).name


def format_of(model, former=None, weights=None):
    """Name the format that another model's weights come in.

    Parameters
    ----------
    model : Model
        The model.
    former : Model, optional
        The one before it.
    weights : str, optional
        The format of the one before.

    Returns
    -------
    str
        The format that was chosen for the one before, where this one's own is wider; else the
        format this one is released in.

    Examples
    --------
    >>> llama, qwen = catalog.model("llama-3.1-70b"), catalog.model("qwen3-32b")
    >>> format_of(qwen, llama, "fp8"), format_of(qwen, llama, "bf16")
    ('fp8', 'bf16')
    >>> format_of(catalog.model("gpt-oss-20b"), llama, "fp8")
    'mxfp4'
    """
    own = catalog.format(model.native_format)
    if former is None or weights is None or weights == former.native_format:
        return own.name
    chosen = catalog.format(weights)
    return chosen.name if chosen.element_bits < own.element_bits else own.name


def cache_of(engine, former, kv, model, weights):
    """Name the format of the cache behind another engine.

    Parameters
    ----------
    engine, former : Engine
        The engine, and the one before it.
    kv : str
        The format of the cache before.
    model : Model or None
        The model.
    weights : str
        The format of its weights.

    Returns
    -------
    str
        What the engine takes by itself, where the one before had that, or the engine has no such
        cache; else the format as it was chosen.

    Examples
    --------
    >>> vllm, llama = catalog.engine("vllm-0.33"), catalog.engine("llama.cpp")
    >>> qwen = catalog.model("qwen3-8b")
    >>> cache_of(llama, vllm, "fp8", qwen, "bf16"), cache_of(llama, vllm, "bf16", qwen, "bf16")
    ('bf16', 'bf16')
    >>> cache_of(catalog.engine("sglang-0.5"), vllm, "fp8", qwen, "bf16")
    'fp8'
    """
    own, was = (
        (one.automatic_kv(model, weights) if model else "") or "bf16" for one in (engine, former)
    )
    kept = kv in WIDE or kv in CACHES.get(engine.family, ())
    return own if kv == was or not kept else kv


def length_of(name, before, former, windows):
    """Give a length of the load beside another model, until somebody sets the load themself.

    Parameters
    ----------
    name : str
        One of `LENGTHS`.
    before : dict
        The state before.
    former, windows : list of int
        What each of the models takes before, and now [tokens].

    Returns
    -------
    int
        That of the usual load in the windows, where the load before was the usual one in its own;
        else as it was [tokens].

    Examples
    --------
    >>> length_of("in", {"in": 7000, "out": 1000}, [131_072], [2048])
    1792
    >>> length_of("in", {"in": 1792, "out": 256}, [2048], [131_072])
    7000
    >>> length_of("in", {"in": 3000, "out": 1000}, [131_072], [2048])
    3000
    """
    usual = usual_load(*former)
    untouched = all(
        before.get(one, getattr(usual, attribute)) == getattr(usual, attribute)
        for one, attribute in LENGTHS.items()
    )
    if not untouched or before.get("prefix"):
        return before[name]
    return getattr(usual_load(*windows), LENGTHS[name])
