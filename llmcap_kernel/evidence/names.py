"""Names as published measurements spell them, and the deployment that each row means.

Sources write "H100-80GB HBM3", "GGUF Q4_K_M" and "RedHatAI/...-quantized.w8a8"; the tables of
`catalog/spellings.toml` map each to a name of the catalogue, with the assumption made where a
source leaves something open. An unknown name is reported, never guessed.
"""

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .. import catalog
from ..catalog import key
from ..refuse import BadInput, shown
from ..spec import Deployment, Gpu, Model

GIB = 2**30
SIZE_TOLERANCE = 0.02  # llama-bench rounds parameters to three figures
MEMORY_TOLERANCE = 0.15  # a "24GB" card reports 22.5 GiB; a 16 GB one is another card
VERSIONED = ("vllm", "trtllm")  # engines that the catalogue has several versions of


class Found(NamedTuple):
    """A name of the catalogue, and the assumption behind the match.

    Attributes
    ----------
    name : str
        As the catalogue spells it; "" when it is unknown.
    assumed : str
        What the source leaves open and what was assumed; "" for nothing.
    minor : bool
        Whether the assumption has little effect on a prediction.
    """

    name: str
    assumed: str = ""
    minor: bool = False


UNKNOWN = Found("")


class Spelled(NamedTuple):
    """The parts of a deployment as a row spells them; "" and 0 where they are not stated.

    Attributes
    ----------
    model, gpu, engine, version, weights, kv : str
        Names in the source's spelling.
    num_gpus, tp, pp, ep : int
        Cards, and how they split the work.
    dp_attention : int
        Size of data-parallel attention; 0 and 1 mean none.
    memory_fraction : float
        The engine's memory setting.
    greatest : bool
        Whether the row is a maximum over all concurrencies.
    copies : int
        Deployments side by side on those cards.
    left_open : tuple of str
        What the row's own column `assumed` says was filled in.
    """

    model: str
    gpu: str
    engine: str = ""
    version: str = ""
    weights: str = ""
    kv: str = ""
    num_gpus: int = 0
    tp: int = 0
    pp: int = 0
    ep: int = 0
    dp_attention: int = 0
    memory_fraction: float = 0.0
    greatest: bool = False
    copies: int = 0
    left_open: tuple[str, ...] = ()


class Meant(NamedTuple):
    """The deployment that a row's spellings mean.

    Attributes
    ----------
    deployment : Deployment or None
        The deployment; None when there is none.
    family : str
        The engine's family.
    assumed : tuple of str
        The assumptions that affect a prediction.
    taken : tuple of str
        The assumptions that have little effect.
    reason : str
        Why there is no deployment; "" when there is.
    copies : int
        Deployments side by side on the row's cards.
    """

    deployment: Deployment | None
    family: str
    assumed: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    reason: str = ""
    copies: int = 1


@cache
def _table(kind: str) -> dict[str, Any]:
    rows = catalog.table("spellings")[kind].items()
    return {name: Found(v) if isinstance(v, str) else v for name, v in rows}


@cache
def _known(kind: str) -> dict[str, str]:
    """Every name and alias of the catalogue, as `key` writes them."""
    records = catalog.table(kind)[kind]
    names = {key(a): n for n, r in records.items() for a in r.get("aliases", ())}
    return names | {key(n): n for n in records}


def _look_up(text: str, own: dict[str, Any], kind: str) -> Found:
    entry = own.get(text)
    if isinstance(entry, dict):
        return Found(entry["name"], entry.get("assumed", ""), entry.get("minor", False))
    return entry or Found(_known(kind).get(text, ""))


def card(text: str) -> Found:
    """Find the card that a spelling means.

    Parameters
    ----------
    text : str
        Such as "NVIDIA H100-SXM-80GB" or "4x RTX 3090".

    Returns
    -------
    Found
        The card; an empty name when it is unknown.

    Examples
    --------
    >>> card("NVIDIA GeForce RTX 4090").name
    'rtx-4090'
    >>> card("H100 (variant not stated)").assumed
    'H100, variant not stated: SXM taken'
    """
    own, plain = _table("gpus"), key(count_of(text)[1])
    noise = set(catalog.table("spellings")["gpu_noise"]["words"])
    bare = "-".join(w for w in plain.split("-") if w not in noise)
    short = key(re.sub(r"\([^)]*\)?", " ", bare))
    short = "-".join(w for w in short.split("-") if w not in noise)
    short = re.sub(r"-\d{2,4}w\b|-\d+-core\b", "", short)
    for attempt in (plain, bare, short):
        found = _look_up(attempt, own, "gpus")
        if found.name:
            return found
    return _without_memory(short, own)


def _without_memory(text: str, own: dict[str, Any]) -> Found:
    """Look a name up without its memory size, unless the size is that of another card."""
    size = re.search(r"-(\d{1,4})g(?:i?b)?\b", text)
    if not size:
        return UNKNOWN
    found = _look_up(text.replace(size.group(), ""), own, "gpus")
    if not found.name:
        return UNKNOWN
    gpu = catalog.gpu(found.name)
    off = abs(float(size.group(1)) * GIB / gpu.memory_visible_bytes - 1)
    return found if gpu.unified_memory or off <= MEMORY_TOLERANCE else UNKNOWN


def count_of(text: str) -> tuple[int, str]:
    """Split the number of cards from their name.

    Parameters
    ----------
    text : str
        Such as "8x H100", "2 x A100" or "L4".

    Returns
    -------
    tuple of (int, str)
        The number, 0 when there is none, and the remaining text.

    Examples
    --------
    >>> count_of("8x H100 SXM")
    (8, 'H100 SXM')
    """
    match = re.match(r"\s*(\d{1,4})\s*[x×*]\s*(?=\D)(.+)", text, re.S | re.I)
    return (int(match.group(1)), match.group(2)) if match else (0, text)


def model_name(text: str) -> str:
    """Find the model that a spelling means.

    Parameters
    ----------
    text : str
        A name, a repository or a file, such as "Qwen/Qwen3-32B-FP8".

    Returns
    -------
    str
        Its name in the catalogue; "" when it is unknown.

    Examples
    --------
    >>> model_name("somebody/Qwen3-32B-FP8")
    'qwen3-32b'
    >>> model_name("models/Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    'qwen2.5-7b'
    """
    known, whole = catalog.table("spellings")["models"] | _known("models"), key(text)
    last = key(re.split(r"[/\\]", text.strip())[-1].removesuffix(".gguf"))
    noise = set(catalog.table("spellings")["model_noise"]["words"])
    for attempt in (whole, last, last.removeprefix("meta-")):
        words = attempt.split("-")
        while words:
            name = known.get("-".join(words)) or _run_together().get("".join(words))
            if name:
                return name
            if words[-1] not in noise and not re.fullmatch(
                r"\d{4,5}|v\d(\.\d)?|iq\d|of", words[-1]
            ):
                break  # the word may tell two models apart
            words.pop()
    return ""


@cache
def _run_together() -> dict[str, str]:
    """Map model names without dashes to the names; "" where two become the same."""
    seen: dict[str, str] = {}
    for spelled, name in _known("models").items():
        short = spelled.replace("-", "")
        seen[short] = name if seen.get(short, name) == name else ""
    return seen


@lru_cache(maxsize=1024)
def model_of_size(kind: str, params: float) -> str:
    """Find the model that llama.cpp names by architecture and size alone.

    Parameters
    ----------
    kind : str
        The type, such as "llama 8B Q4_K - Medium".
    params : float
        Number of parameters.

    Returns
    -------
    str
        The model of that line nearest in size, within 2%; "" when there is none.

    Examples
    --------
    >>> model_of_size("llama 8B Q4_K - Medium", 8.03e9)
    'llama-3.1-8b'
    """
    words = kind.lower().split()
    line = words[0].replace("-", "").removesuffix("moe") if words else ""
    lines = ("llama", "mistral", "mixtral") if line == "llama" else (line,)
    near = {}
    for name in reversed(catalog.models() if line else ()):  # of equals the later generation
        if name.replace("-", "").startswith(lines):
            near[name] = abs(params / catalog.model(name).params - 1)
    best = min(near, key=lambda name: (round(near[name], 4), name.count("-")), default="")
    return best if best and near[best] < SIZE_TOLERANCE else ""


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
    entry = _table("weights").get(plain)
    if isinstance(entry, dict) and "models" in entry:
        hits = (f for word, f in entry["models"].items() if word in model_plain)
        return Found(next(hits, entry["name"]))
    found = _look_up(plain, _table("weights"), "formats")
    if found.name == "native":
        named = catalog.checkpoint_format(model_text, native)
        return Found(named) if named != native else found._replace(name=native)
    return found if found.name in catalog.formats() else UNKNOWN


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
    found = _look_up(key(text) or "(none)", _table("kv"), "formats")
    if found.name == "auto":
        return found._replace(name="fp32" if weights == "fp32" else "bf16")
    return found if found.name in catalog.formats(kv=True) else UNKNOWN


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
    words = catalog.table("spellings")["engines"].items()
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
        A name of the catalogue: for vLLM and TensorRT-LLM the newest recorded version that
        is not newer, or else the oldest.

    Examples
    --------
    >>> engine_record("vllm", "0.11.0 (image in doc)"), engine_record("vllm", "0.18.0")
    ('vllm-0.11', 'vllm-0.19')
    """
    name = catalog.table("spellings")["records"].get(engine_family, "vllm")
    numbers = re.match(r"v?(\d{1,3})\.(\d{1,3})", version.strip())
    if engine_family not in VERSIONED or not numbers:
        return _known("engines")[name]
    release = (int(numbers.group(1)), int(numbers.group(2)))
    return catalog.nearest_version(engine_family, release) or _known("engines")[name]


def _split(spelled: Spelled, model: Model, cards: int) -> tuple[dict[str, Any], Found]:
    """Derive tp, pp, ep and data-parallel attention from what a row states."""
    pp = spelled.pp or 1
    tp = spelled.tp or max(cards // pp, 1)
    ep, dp, note = spelled.ep or 1, spelled.dp_attention > 1, ""
    if dp and tp == 1:
        # one card a replica of attention: the layer is spread over those that share experts
        tp = ep if ep > 1 else spelled.dp_attention
        note = f"tp 1 beside data-parallel attention: {tp} cards taken"
    if not model.experts or tp % ep or ep > model.experts:
        ep = 1
    if model.heads and model.heads % tp:
        dp = True  # heads that do not divide leave no other way, nor do experts
        ep = tp if model.experts >= tp else ep
    shape = {"tp": tp, "pp": pp, "ep": ep, "dp_attention": dp and tp > 1}
    return shape, Found("", note)


SMALLEST = (("fp4", "nvfp4"), ("fp8", "fp8"))  # what a card computes in, and a format for it


def _smallest(weights: Found, gpu: Gpu) -> Found:
    """The format behind a maximum that names none: the smallest the card computes in."""
    name = next((f for dtype, f in SMALLEST if dtype in gpu.flop_s), weights.name)
    width = {n: catalog.format(n).bytes_per_element for n in (name, weights.name)}
    if not weights.assumed or width[name] >= width[weights.name]:
        return weights
    return Found(name, f"weights not stated for the most a card gives: {name} taken")


def _fewest(model: Model, weights: str, gpu: Gpu, cards: int) -> int:
    """Cards a copy behind a maximum that names no split: half of their memory holds it."""
    weight_bytes = model.params * catalog.format(weights).bytes_per_element
    for tp in range(1, cards):
        whole = not cards % tp and not model.heads % tp
        if whole and weight_bytes / tp <= gpu.memory_visible_bytes / 2:
            return tp
    return cards


@lru_cache(maxsize=16_384)
def meaning(spelled: Spelled) -> Meant:
    """Build the deployment that a row's spellings mean.

    A maximum that states neither split nor format is taken to be made with the smallest format
    that the card computes in and with as few cards a copy as hold the weights in half of their
    memory.

    Parameters
    ----------
    spelled : Spelled
        The parts as the row spells them.

    Returns
    -------
    Meant
        The deployment and the assumptions, or the reason why there is none.

    Examples
    --------
    >>> meant = meaning(Spelled("LLaMA-3-8B", "H100 (variant not stated)", "vLLM"))
    >>> meant.deployment.gpu.name, meant.assumed[0]
    ('h100-sxm', 'H100, variant not stated: SXM taken')
    >>> meaning(Spelled("LLaMA-3-8B", "abacus")).reason
    "gpu 'abacus' is not in the catalogue (llmcap list gpus)"
    """
    engine_family = family(spelled.engine)
    try:
        return _meaning(spelled, engine_family)
    except BadInput as problem:
        return Meant(None, engine_family, reason=str(problem).rstrip("."))


def _meaning(spelled: Spelled, engine_family: str) -> Meant:
    name, gpu = model_name(spelled.model), card(spelled.gpu)
    _must(name, "model", spelled.model, "models")
    _must(gpu.name, "gpu", spelled.gpu, "gpus")
    model = catalog.model(name)
    weights = weight_format(spelled.weights, spelled.model, model.native_format)
    _must(weights.name, "weights", spelled.weights, "formats")
    chip, copies = catalog.gpu(gpu.name), spelled.copies or 1
    cards = spelled.num_gpus or count_of(spelled.gpu)[0] or 1
    left_open = spelled.left_open
    if spelled.greatest:
        weights = _smallest(weights, chip)
    stated = (spelled.tp, spelled.pp, spelled.ep, spelled.dp_attention, spelled.copies)
    if spelled.greatest and not any(stated):
        spelled = spelled._replace(tp=_fewest(model, weights.name, chip, cards))
        copies = cards // spelled.tp
        if copies > 1:
            text = f"split of {cards} cards not stated: {copies} copies of {spelled.tp} taken"
            left_open += (text,)
    kv = kv_format(spelled.kv, weights.name)
    _must(kv.name, "kv", spelled.kv, "formats")
    shape, split = _split(spelled, model, max(cards // copies, 1))
    deployment = catalog.deployment(
        model=name,
        gpu=gpu.name,
        engine=engine_record(engine_family, spelled.version),
        weights=weights.name,
        kv=kv.name,
        memory_fraction=spelled.memory_fraction or None,
        **shape,
    )
    assumptions = [f for f in (gpu, weights, kv, split) if f.assumed]
    return Meant(
        deployment,
        engine_family,
        tuple(f.assumed for f in assumptions if not f.minor) + left_open,
        tuple(f.assumed for f in assumptions if f.minor),
        copies=copies,
    )


def _must(found: str, field: str, text: str, kind: str) -> None:
    if not found and not text.strip():
        raise BadInput(field, f"{field} is not stated (give --{field})")
    if not found:
        raise BadInput(field, f"{field} {shown(text)} is not in the catalogue (llmcap list {kind})")
