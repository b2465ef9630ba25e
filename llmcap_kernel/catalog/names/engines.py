"""Engines, their forks and versions, as people name them."""

import re
from functools import lru_cache

from ..tables import key, known, table


@lru_cache(maxsize=1024)
def family(engine: str) -> str:
    """Find the family that an engine belongs to.

    Parameters
    ----------
    engine : str
        As the source spells it.

    Returns
    -------
    str
        One of vllm, sglang, trtllm, llama.cpp, transformers, exllama, gpt-fast, mlc,
        lmdeploy, vllm-static, pytorch-kernels and other.

    Examples
    --------
    >>> family("NVIDIA NIM (TensorRT-LLM profile not stated)"), family("Ollama / llama.cpp")
    ('trtllm', 'llama.cpp')
    """
    plain = key(engine)
    words = table("spellings")["engines"].items()
    return next((f for word, f in words if word in plain), "other")


def engine_record(engine_family: str, version: str) -> str:
    """Find the catalogue's record that describes the memory use of an engine's version.

    Parameters
    ----------
    engine_family : str
        Its family; vLLM's record stands in for one that the catalogue lacks.
    version : str
        As the source spells it; the newest when it is not stated.

    Returns
    -------
    str
        A name of the catalogue: for vLLM the newest recorded version that is not
        newer, or else the oldest.

    Examples
    --------
    >>> engine_record("vllm", "0.11.0 (image in doc)"), engine_record("vllm", "0.18.0")
    ('vllm-0.11', 'vllm-0.19')
    """
    name = table("spellings")["records"].get(engine_family, "vllm")
    numbers = re.match(r"v?(\d{1,3})\.(\d{1,3})", version.strip())
    if engine_family != "vllm" or not numbers:
        return known("engines")[name]
    release = (int(numbers.group(1)), int(numbers.group(2)))
    return nearest_version(engine_family, release) or known("engines")[name]


def nearest_version(family: str, release: tuple[int, ...]) -> str | None:
    """Find the record that describes a version of an engine.

    Parameters
    ----------
    family : str
        Name without the version.
    release : tuple of int
        Its version as numbers.

    Returns
    -------
    str or None
        The newest record or alias of one that is not newer, or else the oldest; None for an
        engine without versions here.

    Examples
    --------
    >>> nearest_version("vllm", (0, 19, 1)), nearest_version("vllm", (0, 14))
    ('vllm-0.19', 'vllm-0.16')
    """
    versions = {}
    for spelled, record in known("engines").items():
        match = re.fullmatch(re.escape(family) + r"-(\d+(?:\.\d+)+)", spelled)
        if match:
            versions[tuple(map(int, match.group(1).split(".")))] = record
    older = [version for version in versions if version <= release]
    return versions[max(older) if older else min(versions)] if versions else None
