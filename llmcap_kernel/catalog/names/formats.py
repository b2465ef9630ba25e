"""Formats of weights as people, files and engines name them, and the reading of any format.

A spelling's words are read (`reading.py`) and put together to a name: of a record of the catalogue,
or of a format that a method makes of any number of bits (`made.py`). A name is itself a spelling
that means itself.
"""

import re
from functools import lru_cache

from ...refuse import shown
from ..tables import key, known, table
from .caches import read_cache
from .engines import program
from .found import UNKNOWN, Found
from .made import BUILT, GROUPS, SPARSE, built, of_method, record_of
from .reading import Reading, passed_over, read_words
from .text import MOST, cleaned

# Bits of a method whose words state none.
USUAL = {
    **dict.fromkeys(("gptq", "awq", "autoround", "hqq", "mlx", "bnb", "higgs", "spqr"), "4"),
    **{"aqlm": "2", "vptq": "2", "quanto": "8"},
}
# Methods whose number of bits makes a format, by a rule of its own in formats.toml.
RULED = ("mlx", "hqq", "aqlm", "higgs", "spqr", "vptq", "quanto")
WIDE = {"bf16": 16, "fp16": 16, "fp32": 32}
_OPEN = re.compile(r"not (?:stated|said|given)|assumed|unknown")  # what brackets say of a format


# Words that say that a checkpoint's own format is kept.
_SHIPPED = re.compile(
    r"\(?checkpoint.*|auto|native|default|original|none|no|n/?a|unquanti[sz]ed|as-(?:shipped|released)"
    r"|(?:no|not|without)-quanti[sz](?:ation|ed)|full-precision|full|same|same-as-weights"
)


_AND_CACHE = re.compile(
    r"(?i)(?P<weights>\S.*?)(?:\s*[+,;/&]\s*|\s(?:and|with|w/)\s|\s(?=kv\S))"
    r"(?P<kv>\S{1,12}[\s-]kv(?:[\s-]?cache)?|kv[\s=:-]?\S{1,12}(?:\s\S{1,12})?)"
)


NO_BITS = 0.0


def weight_format(text: str, model_text: str, native: str, engine: str = "") -> Found:
    """Find the format of a row's weights.

    Parameters
    ----------
    text : str
        The source's name for it; "" when it is not stated.
    model_text : str
        The model as the source spells it: a checkpoint's name often includes the format.
    native : str
        The format the model ships in.
    engine : str
        The engine as the source spells it: "4bit" is another format of MLX than of vLLM.

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
    >>> weight_format("4bit", "Qwen3-32B", "bf16", "mlx-lm").name
    'mlx-4bit'
    """
    if len(text) > MOST:
        return UNKNOWN
    text, beside = _without_cache(cleaned(text))
    plain, in_name = key(text), _words_of_name(model_text)
    if not plain or _SHIPPED.fullmatch(plain):
        return _unstated(model_text, native, engine)
    own = _said_of_model(plain, key(model_text))
    if own:
        return Found(own)
    words = read_words(text)
    found = _weights(text, words, in_name, engine)
    if beside and found.name and not found.assumed:
        found = found._replace(
            assumed=f"{shown(beside)} beside the weights is passed over", minor=True
        )
    if found.name and not found.assumed and any(_OPEN.search(r) for r in words.remarks):
        found = found._replace(assumed=f"weight format not stated: {found.name} taken")
    return _beside_name(_as_shipped(found, words, native, engine), words, in_name)


def _without_cache(text: str) -> tuple[str, str]:
    """A format of weights, and that of a cache which stands beside it: "NVFP4 + FP8 KV"."""
    match = _AND_CACHE.fullmatch(text)
    return (match["weights"], match["kv"]) if match else (text, "")


def _beside_name(found: Found, words: Reading, in_name: Reading) -> Found:
    """Say where a model's name has another format than the column beside it."""
    named = _checkpoint(in_name, "", "")
    if not found.name or not named.name or named.name in (found.name, *WIDE):
        return found
    if "ud" in in_name.says and words.one("gguf")[:2] == in_name.one("gguf")[:2] != "":
        # llama.cpp prints "Q4_K - Medium" of Unsloth's mixes of it
        return named
    if found.assumed or _bits(found.name) == _bits(named.name):
        return found
    return found._replace(assumed=f"the name says {named.name}: {found.name} taken", minor=True)


def _bits(name: str) -> float:
    return float((record_of(name) or {}).get("element_bits", 0))


OPEN_NVFP4 = "NVFP4 in a name leaves open whether activations have 16 bits: four bits taken"


def _unstated(model_text: str, native: str, engine: str) -> Found:
    if own := table("models")["checkpoints"].get(key(model_text)):
        return Found(own)
    named = _checkpoint(_words_of_name(model_text), native, engine)
    if named.name == "nvfp4" != native:
        return named._replace(assumed=OPEN_NVFP4, minor=True)
    if named.name != native:
        return named
    return Found(native, "weight format not stated: the checkpoint's own taken")


def _said_of_model(plain: str, model: str) -> str:
    """What a word means of some models alone: "fp8" of one whose experts ship in four bits."""
    hits = [
        (len(word), name)
        for name, record in table("formats")["formats"].items()
        for word in record.get("said", {}).get(plain, ())
        if word in model
    ]
    return max(hits, default=(0, ""))[1]


def _as_shipped(found: Found, words: Reading, native: str, engine: str) -> Found:
    """Refine a format by the one that the model ships in."""
    if found.name == "nvfp4" and words.one("kind") == "fp4" and native == "mxfp4":
        return found._replace(name=native)
    shipped = any("checkpoint" in remark for remark in words.remarks)
    if shipped and native.startswith(f"{found.name}-"):
        return found._replace(name=native)
    on_llama = program(engine).family == "llama.cpp"
    if native == "mxfp4" and on_llama and found.name in ("gguf-f16", "fp16", "bf16"):
        return Found("gguf-mxfp4", "experts shipped in MXFP4 stay in it in a file of 16 bits")
    if found.name == "mxfp4" and on_llama:
        return found._replace(name="gguf-mxfp4")
    return found


def read_format(text: str, *, kv: bool = False) -> Found:
    """Find the format that a spelling means.

    Parameters
    ----------
    text : str
        A format as a person writes it, or the name of one.
    kv : bool
        True for a format of the KV cache, false for one of weights.

    Returns
    -------
    Found
        Its name; an empty one when it is unknown.

    Examples
    --------
    >>> read_format("EXL3 5.5 bpw").name, read_format("GPTQ-Int4, group 64").name
    ('exl3-5.5bpw', 'int4-g64-asym')
    >>> read_format("q8_0/f16", kv=True).name
    'k-gguf-q8-0-v-fp16'
    """
    return read_cache(text, "") if kv else _weights(text, read_words(text), Reading({}), "")


@lru_cache(maxsize=4096)
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
        The format in the name, that of Ollama's file where it is a tag of its library, else the
        model's own.

    Examples
    --------
    >>> checkpoint_format("Qwen/Qwen3-235B-A22B-FP8", "bf16"), checkpoint_format("qwen3-8b", "bf16")
    ('fp8', 'bf16')
    >>> checkpoint_format("qwen3:8b", "bf16"), checkpoint_format("qwen3:8b-q8_0", "bf16")
    ('gguf-q4-k-m', 'gguf-q8-0')
    """
    own = table("models")["checkpoints"].get(key(name))
    if own:
        return own
    found = _checkpoint(_words_of_name(name), native, "").name
    silent = found == native and not name.lower().endswith(tuple(WIDE))
    return _of_library(name, native) if silent and is_tag(name) else found


USUAL_QUANT, QAT_QUANT = "Q4_K_M", "Q4_0"  # of ollama.com's library, where a tag names none
_TAG = re.compile(r"(?i)(?:[\w.-]+/)?[\w.-]+:(?:latest|e?\d+(?:\.\d+)?(?:x\d+)?[bm](?:-[\w.-]+)?)")


def is_tag(name: str) -> bool:
    """Say whether a name is spelled as Ollama's library spells a model.

    Parameters
    ----------
    name : str
        A model's name.

    Returns
    -------
    bool
        Whether it is a name and a tag that begins with a size.

    Examples
    --------
    >>> is_tag("qwen3:30b-a3b"), is_tag("llama3:latest"), is_tag("meta-llama/llama-3-8b:free")
    (True, True, False)
    """
    return bool(_TAG.fullmatch(name.strip()))


def _of_library(name: str, native: str) -> str:
    """The format of Ollama's file of a tag that names none."""
    if native == "mxfp4":
        return "gguf-mxfp4"
    if float((record_of(native) or {}).get("element_bits", 16)) < 8:
        return native
    return read_format(QAT_QUANT if "qat" in name.lower() else USUAL_QUANT).name


def _checkpoint(in_name: Reading, native: str, engine: str) -> Found:
    """Find the format that the words of a model's name say, else the model's own."""
    stated = in_name.says.keys() & {"kind", "bits", "gguf", "mx", "v"}
    usual = in_name.one("method") in ("gptq", "awq", "autoround")
    found = _resolved(in_name, engine) if stated or usual else UNKNOWN
    if not found.name or native.startswith(f"{found.name}-"):
        # "FP8" in a name says no more than the model's own, finer format does
        return Found(native)
    if found.name == "nvfp4" and in_name.one("kind") == "fp4" and native == "mxfp4":
        return Found(native)
    return found


@lru_cache(maxsize=4096)
def _words_of_name(text: str) -> Reading:
    """The words of a model's name that say something of its format."""
    words = read_words(re.sub(r"[()]", " ", text))
    says = {f: v for f, v in words.says.items() if f not in ("cache", "mixed")}
    kinds = tuple(k for k in says.get("kind", ()) if k not in ("ternary",))
    if len(set(kinds)) > 1:  # a name may keep the format that it was made from
        kinds = tuple(k for k in kinds if k not in WIDE)[:1]
    return Reading({f: v for f, v in {**says, "kind": kinds}.items() if v})


def _weights(text: str, words: Reading, in_name: Reading, engine: str) -> Found:
    """Find a format of weights, with what a model's name adds where the text leaves it open."""
    averaged = BUILT.fullmatch(text)
    if averaged and averaged["unit"] == "bpw" and float(averaged["bits"]) <= 8 and built(text):
        return Found(text)  # as a config is counted; words lose whether scales are among the bits
    if key(text).endswith(SPARSE) and built(key(text)):
        return Found(key(text))  # as a config is counted; a word alone leaves open how it is stored
    name = known("formats").get(key(text), "")
    if name and words.says.get("method") is None:
        return Found(name) if table("formats")["formats"][name].get("covers") else UNKNOWN
    widths = "mixed" in words.says and all(re.fullmatch("[1-8]", w) for w in words.doubtful)
    if (words.doubtful and not widths) or "cache" in words.says:
        return UNKNOWN
    if not words.says and not _with_remarks(words).says:
        return UNKNOWN
    full = _completed(_with_remarks(words), in_name)
    found = _resolved(full, engine)
    if found.name and "sparse" in full.says:
        found = found._replace(assumed="2:4 sparsity is not counted: all weights taken as stored")
    record = table("formats")["formats"].get(found.name)
    if not found.name or (record and not record.get("covers")):
        return UNKNOWN
    return found if widths else passed_over(found, words, "the format")


def _with_remarks(words: Reading) -> Reading:
    """The words with what brackets add where they leave something open: "W4A16 (AWQ)"."""
    says = dict(words.says)
    for remark in map(read_words, words.remarks):
        if remark.unread or "cache" in remark.says:
            continue
        more = dict(remark.says)
        number = says.keys() & {"gguf", "mx"} or set(says.get("kind", ())) - {"int"}
        for field in ("kind", "gguf", "mx", "bits") if number else ():
            more.pop(field, None)
        if says.get("bits") == ("4",) and says.get("act") and more.get("kind") == ("fp8",):
            says["act"] = more.pop("kind")  # "W4A8 (FP8)"
        says = {**more, **says}
    return words._replace(says=says)


def _completed(words: Reading, in_name: Reading) -> Reading:
    """The words of the text, and those of the model's name on what it leaves open."""
    says = dict(words.says)
    stated = says.keys() & {"kind", "bits", "gguf", "mx"}
    for field in ("kind", "bits", "gguf", "mx", "ud", "act") if not stated else ():
        if field in in_name.says:
            says[field] = in_name.says[field]
    only_bits = not says.keys() & {"kind", "method", "gguf", "mx", "v"}
    if only_bits and in_name.one("bits") in ("", words.one("bits")) and "method" in in_name.says:
        says["method"] = in_name.says["method"]
    if says.get("method") == ("gptq",) and in_name.one("group") and "group" not in says:
        says["group"] = in_name.says["group"]
    return words._replace(says=says)


def _resolved(words: Reading, engine: str) -> Found:
    """Put the words of a format of weights together."""
    says = words.says
    kinds = set(says.get("kind", ())) | {f"mxfp{b}" for b in says.get("mx", ())}
    bits = {float(b.replace("-", ".")) for b in says.get("bits", ())}
    if "gguf" in says:
        whole = len(set(says["gguf"])) == 1 and not kinds
        file_type = says["gguf"][0]
        digit = int(file_type[file_type.index("q") + 1])
        agree = all(digit <= b < digit + 1.5 for b in bits)
        theirs = set(says.get("method", ())) <= {"gguf", "autoround"}
        if not (whole and agree and theirs):
            return UNKNOWN
        return _gguf("ud" in says, file_type, repacked="repacked" in says)
    if 0 in bits:
        return UNKNOWN
    if says.get("act") and 4 in bits and len(kinds) > 1:
        kinds -= {"fp8", "mxfp8"}  # the activations'
    if "mixed" in says and bits and kinds <= {"int"}:
        return _mixed(words, bits)
    if len(kinds) > 1 and kinds <= {"bf16", "fp16"}:
        kinds = {"bf16"}
    if "part" in says and kinds - WIDE.keys():  # "MXFP4 experts, BF16 attention"
        kinds -= WIDE.keys()
        if len(kinds) == 2 and "fp8" in kinds:
            narrow = _resolved(words._replace(says={**says, "kind": (*(kinds - {"fp8"}),)}), engine)
            return narrow._replace(assumed="FP8 of some layers is not counted")
    kind = kinds.pop() if len(kinds) == 1 else ""
    if kinds or len(bits) > 1:
        return UNKNOWN
    width = bits.pop() if bits else NO_BITS
    if kind and kind != "int":
        return _float(kind, width, words)
    return _whole(width, words, engine)


def _mixed(words: Reading, bits: set[float]) -> Found:
    """A mix of widths whose shares are not stated: the middle one."""
    widths = sorted(bits | {float(w) for w in words.unread if re.fullmatch(r"[1-8]", w)})
    middle = widths[(len(widths) - 1) // 2]
    found = _integer(f"{middle:g}", "", "", "", "gptq")
    listed = ", ".join(f"{w:g}" for w in widths)
    return found._replace(assumed=f"a mix of {listed} bits, shares not stated: {middle:g} taken")


def _float(kind: str, width: float, words: Reading) -> Found:
    """A format whose word states its bits."""
    act, method = words.one("act"), words.one("method")
    kind = {"fp4": "nf4" if method == "bnb" else "nvfp4"}.get(kind, kind)
    if kind == "fp8" and (words.one("scales") == "block"):
        kind = "fp8-block"
    elif kind == "fp8" and words.one("group") == "32":
        kind = "mxfp8"
    kind = {"fp16": "gguf-f16", "mxfp4": "gguf-mxfp4"}.get(kind, kind) if method == "gguf" else kind
    if kind in WIDE:
        stated = WIDE[kind]
        return Found(kind) if width in (NO_BITS, stated) else UNKNOWN
    record = table("formats")["formats"].get(kind)
    if record is None or width not in (NO_BITS, record["element_bits"]):
        return UNKNOWN
    computed = record["compute"][0]
    narrower = {"16": "a16", "fp8": "afp8", "8": "afp8"}.get(act, "")
    same = {"a16": "bf16", "afp8": "fp8"}.get(narrower) == computed
    return Found(kind if not narrower or same else f"{kind}-{narrower}")


def _whole(width: float, words: Reading, engine: str) -> Found:
    """Weights of a number of bits, by a method that may be stated."""
    method, assumption, minor = words.one("method"), "", False
    stated = f"{width:g}" if width else ""
    if version := words.one("v"):
        return _averaged(f"exl{version}", stated)
    own = program(engine).packs
    if not method and own and "act" not in words.says:
        method = own
        assumption = f"{stated or 4}-bit weights by a scheme not stated: {own.upper()}'s own taken"
        minor = True
    if not stated and method in USUAL:
        stated = USUAL[method]
        assumption = (
            "" if method in ("gptq", "awq", "autoround") else f"bits of {method} not stated"
        )
        assumption = f"{assumption}: {stated} taken" if assumption else ""
    if method == "gguf":
        return _gguf_of_bits(stated)
    if method in ("modelopt", "quark", "torchao", "compressed-tensors") and not stated:
        return Found("fp8", f"bits of {method} not stated: FP8 taken")
    if not stated:
        return UNKNOWN
    if method == "quanto" and stated == "8":
        return Found("int8-channel", assumption)
    if method in RULED:
        return Found(of_method(method, stated, words.one("group")), assumption, minor)
    if method == "bnb":
        return Found({"4": "nf4", "8": "int8"}.get(stated, ""), assumption)
    if stated in ("16", "32") and not method:
        return Found({"16": "bf16", "32": "fp32"}[stated])
    return _scheme(stated, words, method, Found("", assumption, minor))


def _scheme(bits: str, words: Reading, method: str, told: Found) -> Found:
    act, group = words.one("act"), words.one("group") or words.one("g")
    if "group" in words.says and not group:
        return UNKNOWN
    int_word = "int" in words.says.get("kind", ())
    plain = not (method or act or group or words.says.keys() & {"zero", "scales"})
    if act == "4":
        return Found("nvfp4", "four bits both ways by a scheme not stated: NVFP4 taken")
    if bits == "8" and (act == "8" or (int_word and plain)):
        return told._replace(name="int8")
    if bits == "8" and plain:
        return Found("int8-weight-only", "8 bits by a scheme not stated: weights alone taken")
    if not act and plain and bits == "4":
        # the two are as large, and their kernels as fast
        name, how = ("int4-awq", "AWQ") if int_word else ("int4-gptq", "GPTQ")
        text = f"4 bits by a scheme not stated: {how} taken"
        return Found(name, text, int_word)
    found = _integer(bits, group, words.one("zero"), words.one("scales"), method)
    if not method and not group and bits not in ("4", "8"):
        found = found._replace(assumed=f"{bits} bits by a scheme not stated: groups of 128 taken")
    suffix = {"fp8": "-afp8", "8": "-a8"}.get(act, "") if bits != "8" else ""
    name = f"{found.name}{suffix}" if found.name else ""
    return found._replace(name=name, assumed=found.assumed or told.assumed)


def _integer(bits: str, group: str, zero: str, scales: str, method: str) -> Found:
    """Whole-number weights by group: GPTQ and AWQ keep zero points unless told otherwise."""
    if bits not in ("1", "2", "3", "4", "5", "6", "7", "8") or (group and group not in GROUPS):
        return UNKNOWN
    stored = method in ("gptq", "awq", "autoround", "aqlm")
    if scales == "channel" and not group:
        return Found(f"int{bits}-channel")
    usual = not group or group == "128"
    if bits == "4" and usual and zero != "no" and (stored or zero or not group):
        return Found("int4-awq" if method == "awq" else "int4-gptq")
    if bits == "8" and usual and zero != "yes":
        return Found("int8-weight-only")
    if bits == "4" and group == "32" and zero != "yes":
        return Found("int4-gptq-g32")
    asym = zero == "yes" or (not zero and stored)
    return Found(f"int{bits}-g{group or 128}{'-asym' if asym else ''}")


def _averaged(method: str, bits: str) -> Found:
    if not bits:
        return Found(f"{method}-4bpw", f"bits of {method.upper()} not stated: 4 taken")
    return Found(of_method(method, bits, "")) if 1 <= float(bits) <= 8 else UNKNOWN


SIZES = {"small": "s", "medium": "m", "large": "l"}
# Names that llama-quantize and llama.cpp's logs have for other file types.
TYPES = {"q2-k-m": "q2-k", "q3-k": "q3-k-m", "q4-k": "q4-k-m", "q5-k": "q5-k-m"}
# Users' mixes with a larger head and embedding, and what lies nearest.
LARGER = {"q2-k-l": "q2-k", "q4-k-l": "q4-k-m", "q5-k-l": "q5-k-m", "q6-k-l": "q6-k"}


def _gguf(ud: bool, spelled: str, *, repacked: bool = False) -> Found:
    """Find a file type of llama.cpp, its forks or its users."""
    known_types = known("formats")
    plain = "-".join(SIZES.get(part, part) for part in spelled.split("-"))
    plain = re.sub(r"^(q\d-k)([sml])$", r"\1-\2", plain)
    if repacked and f"gguf-{plain}-r4" in known_types:
        return Found(f"gguf-{plain}-r4")
    if repacked:  # "Q4_K_R4" is "Q4_K_S repacked"
        plain = re.sub(r"^(q[2-5]-k)$", r"\1-s", plain)
    ud = ud or bool(re.fullmatch(r"q\d-k-xl", plain))
    if ud and f"gguf-ud-{plain}" in known_types:
        return Found(f"gguf-ud-{plain}")
    shown = plain.upper().replace("-", "_")
    stand_in = key(table("formats")["unsloth"].get(shown, "") if ud else "")
    name = stand_in or TYPES.get(plain, plain)
    loose = f"GGUF {shown}" if name != TYPES.get(plain, plain) else ""
    if f"gguf-{name}" not in known_types:
        name = LARGER.get(plain, f"i{plain}")
        loose = f"GGUF {shown}"
    if f"gguf-{name}" not in known_types:
        short = re.fullmatch(r"q([1-8])", plain)
        return _gguf_of_bits(short.group(1)) if short else UNKNOWN
    loose = f"Unsloth's dynamic mix {shown}" if ud else loose
    taken = name.upper().replace("-", "_")
    return Found(f"gguf-{name}", f"{loose} taken as {taken}" if loose else "")


def _gguf_of_bits(bits: str) -> Found:
    """The most common file type of a number of bits."""
    usual = {"2": "q2-k", "3": "q3-k-m", "4": "q4-k-m", "5": "q5-k-m", "6": "q6-k", "8": "q8-0"}
    if bits == "16":
        return Found("gguf-f16")
    name = usual.get(bits or "4", "")
    taken = name.upper().replace("-", "_")
    stated = f"GGUF of {bits} bits, type" if bits else "GGUF, type"
    return Found(f"gguf-{name}", f"{stated} not stated: {taken} taken") if name else UNKNOWN
