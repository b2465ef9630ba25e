"""Engines, their forks and versions, as people name them."""

import re
from functools import lru_cache
from typing import NamedTuple

from ..tables import key, known, table
from .text import cleaned

# What setuptools-scm writes of a checkout without tags: no release at all.
_NO_RELEASE = re.compile(r"0\.(?:0|1)(?:\.0)?\.dev\d")

# A version behind the name of its own program, and not of a product around it: "NIM 1.8".
_IN_NAME = re.compile(
    r"(?:vllm|(?:tensorrt|trt)-?llm|sglang)"
    r"(?:[-/](?:openai|rocm|cpu|xpu|tpu|ascend|release|repo|version))*[-:=@(]*v?(\d+(?:\.\d+)+)"
)

# llama.cpp counts its builds: "b5863", "2f68ce7cf (6918)". Some name a year alone.
_BUILD, _YEAR = re.compile(r"(?:\bb|\()(\d{4,5})\b"), re.compile(r"\b(20\d\d)\b")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SWITCHED_ON = re.compile(r"(?:-fa|--flash-attn)[ =](?:1|on|auto)\b")
FUSED = (6325, 2025)  # from this build on, and this year, attention is fused by itself
UNFUSED = "llama.cpp-b6324"

VERSIONED = ("vllm", "trtllm", "sglang")  # engines that the catalogue has several versions of


class Program(NamedTuple):
    """What a text calls an engine.

    Attributes
    ----------
    name : str
        Name among the catalogue's programs; "other" for none of them.
    family : str
        Whose efficiencies are fitted.
    timed_as : str
        Family whose efficiencies stand in where nothing was measured of its own; "" for none.
    record : str
        The engine of the catalogue that stands for its memory.
    packs : str
        Method of its weights where only bits are stated; "" where there is none.
    launches : int
        Kernels of a layer where the host launches them one by one; 0 where graphs or compiled
        code do.
    """

    name: str
    family: str
    timed_as: str = ""
    record: str = "vllm"
    packs: str = ""
    launches: int = 0


@lru_cache(maxsize=1024)
def program(text: str) -> Program:
    """Find the program that a text names.

    Parameters
    ----------
    text : str
        As the source spells it, with forks, back ends and versions.

    Returns
    -------
    Program
        The program by the longest of its words that the text has.

    Examples
    --------
    >>> program("SGLang (MLX backend, patched)").name, program("vLLM (V0 engine)").name
    ('mlx', 'vllm')
    """
    plain = key(cleaned(text))
    found = [
        (len(word), name)
        for name, record in table("engines")["programs"].items()
        for word in (name, *record.get("words", ()))
        if word in plain
    ]
    if not found:
        return Program("other", "other")
    name = max(found)[1]
    record = table("engines")["programs"][name]
    return Program(name, **{f: v for f, v in record.items() if f != "words"})


def family(engine: str) -> str:
    """Find the family that an engine belongs to.

    Parameters
    ----------
    engine : str
        As the source spells it.

    Returns
    -------
    str
        One of the families of the catalogue's programs, or "other".

    Examples
    --------
    >>> family("NVIDIA NIM (TensorRT-LLM profile not stated)"), family("Ollama / llama.cpp")
    ('trtllm', 'llama.cpp')
    """
    return program(engine).family


@lru_cache(maxsize=1024)
def timed_as(engine_family: str) -> str:
    """Find the family whose efficiencies a family without measurements takes.

    Parameters
    ----------
    engine_family : str
        A family of `family`, or the loop of one that serves, "vllm loop".

    Returns
    -------
    str
        Another family, or the same one.

    Examples
    --------
    >>> timed_as("mlx"), timed_as("vllm")
    ('llama.cpp', 'vllm')
    """
    own, loop, _ = engine_family.partition(" loop")
    programs = table("engines")["programs"].values()
    stands_in = (p["timed_as"] for p in programs if p["family"] == own and "timed_as" in p)
    return next(stands_in, own) + loop


@lru_cache(maxsize=1024)
def launches(engine_family: str) -> int:
    """Count the kernels of a layer that an engine's host launches one by one.

    Parameters
    ----------
    engine_family : str
        A family of `family`.

    Returns
    -------
    int
        Launches of a layer of Llama; 0 of an engine whose graphs or compiled code launch them.

    References
    ----------
    Counted in transformers 4.46, models/llama/modeling_llama.py, and vLLM 0.2,
    model_executor/models/llama.py.

    Examples
    --------
    >>> launches("transformers"), launches("vllm")
    (40, 0)
    """
    programs = table("engines")["programs"].values()
    own = (p["launches"] for p in programs if p["family"] == engine_family and "launches" in p)
    return next(own, 0)


def release(version: str) -> tuple[int, ...]:
    """Read the numbers of a version.

    Parameters
    ----------
    version : str
        As a source or a log spells it, such as "v0.20.1rc1.dev16+g7a1eb8ac2".

    Returns
    -------
    tuple of int
        Major, minor and, where it is stated, patch; empty where no release is named.

    Examples
    --------
    >>> release("v0.20.1rc1.dev16+g7a1eb8ac2"), release("b9010-d05fe1d7d"), release("0.1.dev19754")
    ((0, 20, 1), (), ())
    """
    text = version.strip()
    found = re.match(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", text)
    if not found or _NO_RELEASE.match(text):
        return ()
    return tuple(int(n) for n in found.groups() if n)


def engine_record(engine: str, version: str) -> str:
    """Find the catalogue's record that describes the memory use of an engine's version.

    Parameters
    ----------
    engine : str
        As the source spells it; vLLM's record stands in for one that the catalogue lacks.
    version : str
        As the source spells it, or an image with it; that in the engine's name, or the newest,
        when it is not stated.

    Returns
    -------
    str
        A name of the catalogue: for vLLM, TensorRT-LLM and SGLang the newest recorded version that
        is not newer, or else the oldest; of llama.cpp the one before attention was fused,
        where a build or a year says so.

    Examples
    --------
    >>> engine_record("vllm", "0.11.0 (image in doc)"), engine_record("vllm", "0.18.0")
    ('vllm-0.11', 'vllm-0.19')
    >>> engine_record("vllm-openai:v0.11.0", "")
    'vllm-0.11'
    >>> engine_record("llama-bench", "b5863 (a4575513)")  # before attention was fused by itself
    'llama.cpp-b6324'
    """
    found, said = program(engine), version or engine
    name = known("engines")[found.record]
    if name == found.family == "llama.cpp" and not _fused(said):
        return UNFUSED
    numbers = release(version) or release(version_in(said))
    if found.family not in VERSIONED or not numbers:
        return name
    return nearest_version(found.family, numbers) or name


def version_in(name: str) -> str:
    """Find the version that stands behind a program's name, as in the tag of its image.

    Parameters
    ----------
    name : str
        As somebody spells it.

    Returns
    -------
    str
        Its numbers; "" where none is named, and for that of a product around the program.

    Examples
    --------
    >>> version_in("vLLM 0.8.5"), version_in("lmsysorg/sglang:v0.5.9-cu129"), version_in("NIM 1.8")
    ('0.8.5', '0.5.9', '')
    """
    found = _IN_NAME.search(key(cleaned(name)))
    return found.group(1) if found else ""


def version_on(engine: str, version: str, day: str) -> str:
    """Find the release of an engine that was out on a day, where a source names none.

    Parameters
    ----------
    engine, version : str
        As the source spells them.
    day : str
        The day of the source, as 2026-04-11.

    Returns
    -------
    str
        The version as it is, or that of the newest record with `since` that is not younger.

    Examples
    --------
    >>> version_on("SGLang", "main branch", "2026-03-11"), version_on("SGLang", "", "2026")
    ('0.5.9', '')
    >>> version_on("vllm/vllm-openai:v0.14.0", "", "2026-03-11")
    ''
    """
    stated = release(version) or version_in(version or engine)
    if stated or not _DAY.fullmatch(day):
        return version
    records = table("engines")["engines"]
    own = (r for name, r in records.items() if name.startswith(f"{program(engine).record}-"))
    out = {str(r["since"]): r["version"] for r in own if str(r.get("since", "9")) <= day}
    return out[max(out)] if out else version


def _fused(version: str) -> bool:
    """Whether llama.cpp computes attention in one kernel, as its newer builds do by themselves."""
    for said, first in zip((_BUILD, _YEAR), FUSED, strict=True):
        found = said.search(version)
        if found:
            return int(found.group(1)) >= first or bool(_SWITCHED_ON.search(version))
    return True


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
    ('vllm-0.19', 'vllm-0.14')
    """
    versions = {}
    for spelled, record in known("engines").items():
        match = re.fullmatch(re.escape(family) + r"-(\d+(?:\.\d+)+)", spelled)
        if match:
            versions[tuple(map(int, match.group(1).split(".")))] = record
    older = [version for version in versions if version <= release]
    return versions[max(older) if older else min(versions)] if versions else None
