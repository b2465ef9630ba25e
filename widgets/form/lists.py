"""What inputs choose from: models, cards, formats and engines, each with how a list names it."""

import re
from collections import Counter
from functools import cache

from llmcap_kernel import catalog
from llmcap_kernel.explain import GIB

# What engines of servers load, and so what most people mean; the rest stands below it.
SERVED = (
    *("bf16", "fp16", "fp8", "fp8-block", "int8", "mxfp8", "int4-awq", "int4-gptq"),
    *("nvfp4", "mxfp4"),
)
VENDORS = {
    "nvidia": "NVIDIA",
    "amd": "AMD",
    "intel": "Intel",
    "google": "Google",
    "aws": "AWS",
    "apple": "Apple",
}


@cache
def model_options():
    """List the models.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    rows = catalog.table("models")["models"]
    return tuple((name, rows[name].get("title", name), "") for name in catalog.models())


def model_title(model):
    """Name a model as a list does.

    Parameters
    ----------
    model : Model
        The model; of one that is not listed, its own name stands.

    Returns
    -------
    str
        Such as "Llama 3.1 70B".
    """
    return catalog.table("models")["models"].get(model.name, {}).get("title", model.name)


@cache
def format_options(own="", kv=False):
    """List formats as they are asked for: the checkpoint's own, of servers, of llama.cpp.

    Parameters
    ----------
    own : str
        The format that the model is released in.
    kv : bool
        Whether they are of a cache.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    groups: dict[str, list] = {
        title: [] for title in ("As released", "vLLM, SGLang", "GGUF", "Others")
    }
    for name in sorted(catalog.formats(kv=kv), key=_by_use):
        one = catalog.format(name)
        served = "vLLM, SGLang" if name in SERVED else "GGUF" if one.gguf else "Others"
        groups["As released" if name == own else served].append((name, one.title))
    return tuple((*option, group) for group, options in groups.items() for option in options)


def _by_use(name):
    at = SERVED.index(name) if name in SERVED else len(SERVED)
    bits = catalog.format(name).element_bits
    # of the file types of a number, first the one that the number alone means: "q4" is Q4_K_M
    numbered = re.search(r"^gguf-\D*(\d)", name)
    number = int(numbered[1]) if numbered else bits
    return at, -number, not re.fullmatch(r"gguf-q\d-k-m", name), -bits


@cache
def engine_options():
    """List the engines.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    return tuple((name, catalog.engine(name).title, "") for name in catalog.engines())


@cache
def gpu_options():
    """List the cards, those rented most first; a chip that is sold with several memories, each.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    # What is offered for rent most often is most often meant: "h200" finds the SXM card first.
    offers = Counter(row["gpu"] for row in catalog.table("prices")["price"])
    names = sorted(catalog.gpus(), key=lambda n: -offers[n])
    listed = [one for name in names for one in (name, *_other_sizes(name))]
    return tuple((name, listed_title(name), _maker(catalog.gpu(name))) for name in listed)


def _other_sizes(name):
    """A chip with each other memory that it is sold with, the largest first."""
    sizes = sorted(catalog.table("gpus")["gpus"][name].get("sizes_gb", ()), reverse=True)
    made = [f"{name}-{gb}gb" for gb in sizes]
    own = catalog.gpu(name).memory_visible_bytes
    return [one for one in made if catalog.gpu(one).memory_visible_bytes != own]


def settings_words(d):
    """Name what is set of an engine, or spread otherwise than by tensors, in a few words each.

    Parameters
    ----------
    d : Deployment
        The deployment.

    Returns
    -------
    list of str
        Nothing for what stays as the engine has it.

    Examples
    --------
    >>> one = catalog.deployment(model="qwen3-30b-a3b", gpu="h100-sxm", tp=2, ep=2)
    >>> settings_words(one)
    ['EP-2']
    """
    stated = (
        (d.ep > 1, f"EP-{d.ep}"),
        (d.dp_attention, "DP attention"),
        (d.max_num_seqs, f"{d.max_num_seqs or 0:,} sequences"),
        (d.max_num_batched_tokens, f"{d.max_num_batched_tokens or 0:,} tokens a step"),
        (d.max_model_len, f"{d.max_model_len or 0:,} tokens a request"),
        (d.memory_fraction, f"memory fraction {d.memory_fraction or 0:g}"),
    )
    return [words for is_set, words in stated if is_set]


def listed_title(name):
    """Name a card as a list does: one that is sold with several memories, with its own.

    Parameters
    ----------
    name : str
        A card of the catalogue.

    Returns
    -------
    str
        Its title without the vendor.

    Examples
    --------
    >>> listed_title("apple-m3-max"), listed_title("apple-m3-max-64gb")
    ('M3 Max, 40-core GPU, 128 GB', 'M3 Max, 40-core GPU, 64 GB')
    """
    card, title = catalog.gpu(name), card_title(catalog.gpu(name))
    several = _other_sizes(name) if name in catalog.gpus() else ()
    if not several or "GB" in title:
        return title
    return f"{title}, {card.memory_visible_bytes / GIB:.0f} GB"


def _maker(card):
    return card.title.removesuffix(card_title(card)).strip()


def card_title(gpu):
    """Name a card without its vendor.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    str
        Its title.

    Examples
    --------
    >>> card_title(catalog.gpu("h100-sxm")).startswith("H100")
    True
    """
    vendor, _, rest = gpu.title.partition(" ")
    return rest if rest and vendor.lower() == gpu.vendor.lower() else gpu.title
