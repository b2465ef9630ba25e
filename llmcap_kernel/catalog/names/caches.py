"""Formats of the KV cache as people, files and engines name them."""

import difflib
import re

from ...refuse import shown
from ..tables import key, known, table
from .engines import program
from .found import UNKNOWN, Found
from .made import of_method
from .reading import Reading, passed_over, read_words
from .text import MOST, cleaned

NEAR = 0.75  # of a cache's name: closer, and a word is a slip, not a remark on something else


# llama.cpp's two options, as it and its forks spell them.
_KEYS_VALUES = re.compile(
    r"(?i)-{0,2}(?:ctk|cache-type-k)[ =]+([\w.]+)[ ,]+-{0,2}(?:ctv|cache-type-v)[ =]+([\w.]+)"
)

# The same of two of its types with a blank between.
_TYPE = r"(q\d[ _.-]?\d|iq4[ _-]?nl|b?f16|f32)"
_BESIDE = re.compile(rf"(?i)^{_TYPE}[\s_.+-]+{_TYPE}$")


def kv_format(text: str, weights: str, engine: str = "", own: str = "") -> Found:
    """Find the format of a row's KV cache.

    Words that name no number format are remarks on something else, such as speculation: the
    format is not stated then, and the remark is kept.

    Parameters
    ----------
    text : str
        The source's name for it; "" when it is not stated.
    weights : str
        The format of the weights: an automatic cache is 32-bit beside 32-bit weights, but of
        llama.cpp, whose `--cache-type-k` is f16.
    engine : str
        The engine as the source spells it: "q8" is another format of ExLlama than of llama.cpp.
    own : str
        The format that the engine takes from the checkpoint where it is not told one, as
        `Engine.automatic_kv` has it; "" for the weights' own width.

    Returns
    -------
    Found
        The format; an empty name when it is unknown.

    Examples
    --------
    >>> kv_format("auto", "nvfp4", own="fp8").name
    'fp8'
    >>> kv_format("fp8_e5m2", "bf16").name, kv_format("auto", "fp32").name
    ('fp8', 'fp32')
    >>> kv_format("think", "bf16").assumed
    "kv 'think' is not a cache format: 16 bits taken"
    """
    if len(text) > MOST:
        return UNKNOWN
    text = cleaned(text)
    as_weights = weights == "fp32" and program(engine).record != "llama.cpp"
    plain, wide = key(text), own or ("fp32" if as_weights else "bf16")
    taken = f"{wide}, as the checkpoint declares" if own else "16 bits"
    if not plain:
        return Found(wide, f"KV format not stated: {taken} taken", True)
    words = read_words(text)
    if plain == "auto" or (not words.says and words.unread == ("auto",)):
        readings = [read_cache(remark, engine) for remark in words.remarks]
        return next((f for f in readings if f.name), Found(wide))
    found = read_cache(text, engine)
    if found.name or not _is_remark(words):
        return found
    return Found(wide, f"kv {shown(text)} is not a cache format: {taken} taken")


def _is_remark(words: Reading) -> bool:
    """Whether a text is about something else than a number format, and no slip of one's name."""
    if words.says or words.doubtful:
        return False
    rules, records = (table("formats")[part].items() for part in ("methods", "formats"))
    known_names = [name for name, record in (*rules, *records) if record.get("kv")]
    return not any(difflib.get_close_matches(w, known_names, 1, NEAR) for w in words.unread)


def read_cache(text: str, engine: str) -> Found:
    """Find a format of the KV cache.

    Parameters
    ----------
    text : str
        A format as a person writes it, or the name of one.
    engine : str
        The engine as the source spells it; "" for any.

    Returns
    -------
    Found
        Its name; an empty one when it is unknown.

    Examples
    --------
    >>> read_cache("q8_0/f16", "").name, read_cache("8", "exllama").name
    ('k-gguf-q8-0-v-fp16', 'kv-8bit')
    """
    spelled = _BESIDE.sub(r"k-\1-v-\2", cleaned(text).strip())
    plain = key(_KEYS_VALUES.sub(r"k-\1-v-\2", spelled))
    pair = re.fullmatch(r"k-(.+)-v-(.+)", plain) or re.fullmatch(r"([^/]+)/+([^/]+)", plain)
    pair = pair or _listed(plain, engine)
    if pair:
        keys, values = read_cache(pair.group(1), engine), read_cache(pair.group(2), engine)
        if not keys.name or not values.name:
            return UNKNOWN
        return keys if keys == values else Found(f"k-{keys.name}-v-{values.name}")
    record = table("formats")["formats"].get(known("formats").get(plain, ""))
    if record and record.get("kv"):
        return Found(known("formats")[plain])
    turbo = re.fullmatch(r"tq([2-8])", plain)
    if turbo:
        return Found(of_method("turboquant", turbo.group(1), ""))
    if program(engine).family == "exllama" and re.fullmatch("[2-8]", plain):
        return Found(of_method("kv", plain, ""))
    words = read_words(text)
    if not words.says or words.doubtful:
        return UNKNOWN
    return passed_over(_cache_of(words, engine), words, "the cache's format")


def _listed(plain: str, engine: str) -> re.Match[str] | None:
    """Keys and values that a comma parts; ExLlama's are bare numbers of bits."""
    bare = program(engine).family == "exllama"
    pair = re.fullmatch(r"([^,:;]+)[,:;]-?([^,:;]+)", plain)
    if bare and pair and all(re.fullmatch("[2-8]", one) for one in pair.groups()):
        return re.fullmatch(r"(\d)(\d)", "".join(pair.groups()))
    both = pair and all(read_cache(one, engine).name for one in pair.groups())
    return pair if both else None


def _cache_of(words: Reading, engine: str) -> Found:
    says, bits = words.says, words.one("bits")
    if says.keys() & {"act", "v"} or set(says.get("method", ())) - {"gguf"}:
        return UNKNOWN  # words of weights
    if "gguf" in says:
        return _gguf_cache(words.one("gguf"), engine)
    kind = words.one("kind") or (f"mxfp{words.one('mx')}" if "mx" in says else "")
    if "turboquant" in says.get("cache", ()):
        # its paper finds no loss at 3.5
        assumption = "" if bits else "bits of TurboQuant not stated: 3.5 taken"
        return Found(of_method("turboquant", bits or "3.5", ""), assumption)
    if len(set(says.get("kind", ()))) > 1 or len(set(says.get("bits", ()))) > 1:
        return UNKNOWN
    if kind == "int":
        kind = {"8": "int8", "4": "int4-kv"}.get(bits, "")
        if not kind and bits:
            return Found(of_method("kv", bits, words.one("group")))
    elif kind in ("fp4", "nvfp4"):
        kind = "nvfp4-kv"
    if kind:
        return Found(kind) if table("formats")["formats"].get(kind, {}).get("kv") else UNKNOWN
    if bits in ("16", "32"):
        return Found({"16": "bf16", "32": "fp32"}[bits])
    return Found(of_method("kv", bits, words.one("group"))) if bits else UNKNOWN


def _gguf_cache(spelled: str, engine: str) -> Found:
    name = f"gguf-{spelled}"
    if table("formats")["formats"].get(name, {}).get("kv"):
        return Found(name)
    short = re.fullmatch(r"q([2-8])", spelled)
    if not short:
        return UNKNOWN
    bits = short.group(1)
    if program(engine).family != "exllama" and bits in ("4", "5", "8"):
        return Found(f"gguf-q{bits}-0", f"cache {spelled.upper()} taken as Q{bits}_0", True)
    return Found(of_method("kv", bits, ""))
