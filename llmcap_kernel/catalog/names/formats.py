"""Formats of weights and caches as people and engines name them."""

from ..tables import key, table
from .found import UNKNOWN, Found, look_up, spellings


def weight_format(text: str, model_text: str, native: str) -> Found:
    """Find the format of a row's weights.

    Parameters
    ----------
    text : str
        The source's name for it; "" when it is not stated.
    model_text : str
        The model as the source spells it: a checkpoint's name often includes the format.
    native : str
        The format the model ships in.

    Returns
    -------
    Found
        The format; an empty name when it is unknown.

    Examples
    --------
    >>> weight_format("", "Qwen/Qwen3-32B-FP8", "bf16").name
    'fp8'
    >>> weight_format("compressed-tensors", "x-quantized.w8a8", "bf16").name
    'int8'
    """
    plain, model_plain = key(text) or "(none)", key(model_text)
    plain = "(checkpoint" if plain.startswith("(checkpoint") else plain
    entry = spellings("weights").get(plain)
    if isinstance(entry, dict) and "models" in entry:
        hits = (f for word, f in entry["models"].items() if word in model_plain)
        return Found(next(hits, entry["name"]))
    found = look_up(plain, spellings("weights"), "formats")
    if found.name == "native":
        named = checkpoint_format(model_text, native)
        return Found(named) if named != native else found._replace(name=native)
    return found if table("formats")["formats"].get(found.name, {}).get("covers") else UNKNOWN


def kv_format(text: str, weights: str) -> Found:
    """Find the format of a row's KV cache.

    Parameters
    ----------
    text : str
        The source's name for it; "" when it is not stated.
    weights : str
        The format of the weights: an automatic cache is 32-bit beside 32-bit weights.

    Returns
    -------
    Found
        The format; an empty name when it is unknown.

    Examples
    --------
    >>> kv_format("fp8_e5m2", "bf16").name, kv_format("auto", "fp32").name
    ('fp8', 'fp32')
    """
    found = look_up(key(text) or "(none)", spellings("kv"), "formats")
    if found.name == "auto":
        return found._replace(name="fp32" if weights == "fp32" else "bf16")
    return found if table("formats")["formats"].get(found.name, {}).get("kv") else UNKNOWN


def checkpoint_format(name: str, native: str) -> str:
    """Say which format the checkpoint has that a name means.

    Parameters
    ----------
    name : str
        A model's name or a checkpoint's repository, which often ends in its format.
    native : str
        The format the model is released in.

    Returns
    -------
    str
        The format in the name, else the model's own.

    Examples
    --------
    >>> checkpoint_format("Qwen/Qwen3-235B-A22B-FP8", "bf16"), checkpoint_format("qwen3-8b", "bf16")
    ('fp8', 'bf16')
    """
    plain = key(name)
    words = table("spellings")["weights_in_model_name"].items()
    named = next((found for word, found in words if word in plain), native)
    # "FP8" in a name says no more than the model's own, finer format does
    return native if native.startswith(f"{named}-") else named
