"""Models as repositories, files and people name them.

A name is read (`spelled.parts`), not looked up: a copy in another format and a fine-tune are their
base model, while another size, version or family word is another model. What a name leaves open is
asked, with the choices; what was taken for it is said.
"""

import difflib
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from .. import typical
from ..tables import key, known, table
from .found import UNKNOWN, Found
from .spelled import Parts, last_part, parts, split
from .text import brief, cleaned

SAME_SIZE = 0.03  # 31B of llama.cpp is 30B of a name: 31.6 billion
SAME_ACTIVE = 0.08  # with the head or without it
A_SLIP = 0.75  # the same where all else of the name is the same
LONG_WORD = 3  # letters; shorter words are alike by chance
A_TYPO = 0.85  # likeness from which a word is a slip of another
SURELY_SPARSE_B = 150.0  # billions from which a size alone does not say what kind of model it is
GENERIC = {"dense"}
TYPICAL = "typical"


def model_name(text: str) -> str:
    """Find the model that a spelling means.

    Parameters
    ----------
    text : str
        A name, a repository or a file, such as "Qwen/Qwen3-32B-FP8".

    Returns
    -------
    str
        Its name in the catalogue; "" when it is unknown or could be several.

    Examples
    --------
    >>> model_name("somebody/Qwen3-32B-FP8")
    'qwen3-32b'
    >>> model_name("models/Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    'qwen2.5-7b'
    """
    return read(text).name


@lru_cache(maxsize=8192)
def read(text: str) -> Found:
    """Read a model's name.

    Parameters
    ----------
    text : str
        A name, a repository, a file, or a size such as "dense 12B".

    Returns
    -------
    Found
        The model, the assumption behind it, the format in the name, and the choices where it
        could be several; an empty name when it is unknown.

    Examples
    --------
    >>> read("QuantTrio-Qwen3.6-27B-AWQ")[:4]
    ('qwen3.6-27b', '', False, 'AWQ')
    >>> read("shisa-v2-llama3.1-8b.i1-Q4_K_M").assumed
    'shisa-v2-llama3.1-8b taken for a fine-tune of llama-3.1-8b'
    >>> read("Qwen3-Next").name, read("Gemma 3").choices
    ('qwen3-next-80b-a3b', ('gemma-3-1b', 'gemma-3-4b', 'gemma-3-12b', 'gemma-3-27b'))
    >>> read("Phi-4-mini-instruct").assumed
    'phi-4-mini-3.8b is no model of the catalogue: a typical dense model of 3.8B taken'
    """
    text = _ASIDE.sub(_one_more_word, cleaned(text))
    names, (base, form) = known("models"), split(text)
    if _several(text) or _NOTHING.search(base):
        return UNKNOWN._replace(format=form)
    for exact in (text, last_part(text), base):
        if key(exact) in names:
            return Found(names[key(exact)], format=form)
    asked, glued = parts(base), _glued(base)
    usual = _usual(asked, base, "latest" if re.search(r"(?i)\blatest$", base) else "alone")
    steps = _KNOWN if _slips(asked) else (*_KNOWN, *_SHAPED)
    found = usual or next((f for step in steps if (f := step(asked, base))), UNKNOWN)
    found = glued if glued and glued.name != found.name else found
    return found._replace(format=form)


def respelt(text: str) -> tuple[str, ...]:
    """Read a name whose family is misspelt as the one that is meant.

    Parameters
    ----------
    text : str
        A name that is none of a record.

    Returns
    -------
    tuple of str
        The records that it would be, the family mended; none where no word is a slip of one.

    Examples
    --------
    >>> respelt("lama3"), respelt("mistal-7b"), respelt("banana")
    (('llama-3-8b', 'llama-3-70b'), ('mistral-7b',), ())
    """
    plain, heads = cleaned(text).lower(), _heads()
    for word in parts(split(plain)[0]).words:
        if not _slip(word, heads):
            continue
        meant = max(heads, key=lambda head: difflib.SequenceMatcher(None, word, head).ratio())
        found = read(plain.replace(word, meant, 1))
        names = found.choices or (found.name,)
        return tuple(name for name in names if name in table("models")["models"])
    return ()


_ASIDE = re.compile(r"\s[/|]\s(\S+)$")
# A family, its version and a size with nothing between: qwen38b is 8B of Qwen3, and no 38B.
_GLUED = re.compile(r"(?i)[a-z]{3,}\d[\d.]*b(?:a\d+b)?")


def _glued(base: str) -> Found | None:
    """The records whose names are these letters and digits, without what parts them."""
    if not _GLUED.fullmatch(base):
        return None
    choices = _squashed().get(base.lower().replace(".", ""), ())
    if not choices:
        return None
    if len(choices) > 1:
        return UNKNOWN._replace(choices=choices)
    return Found(choices[0], f"{brief(base)} taken for {choices[0]}")


@cache
def _squashed() -> dict[str, tuple[str, ...]]:
    """Records by the letters and digits of their names."""
    out: dict[str, tuple[str, ...]] = {}
    for spelling, name in known("models").items():
        plain = re.sub(r"[^a-z0-9]", "", spelling.lower())
        out[plain] = tuple(dict.fromkeys((*out.get(plain, ()), name)))
    return out


def _one_more_word(match: re.Match[str]) -> str:
    """The format or the active size behind a stroke: "Qwen3-8B / BF16", "120B / A12B"."""
    base = split(match.group(1))[0]
    return match.group() if base and not parts(base).active else f" {match.group(1)}"


_APART = re.compile(r"(?i)\s[/|]\s|\||[,;]\s|\b(?:or|vs|and)\b")


def _several(text: str) -> bool:
    """Whether a text names more than one model."""
    if re.search(r"\bor\b", text):
        return True
    apart = [split(piece)[0] for piece in _APART.split(text)]
    named = [base for base in apart if parts(base).total or key(base) in known("models")]
    if len(named) > 1:
        return True
    strokes = [] if re.match(r"[/~.]|\w+:", text) else re.split(r"[/\\]", text)
    sizes = [parts(split(piece)[0]).total for piece in strokes[-2:]]  # Llama-3.1-8B/Llama-3.1-70B
    return all(sizes) and len(sizes) == 2 and not _near(sizes[0], sizes[1], SAME_SIZE)


# "0B": no size of a model, and not the same as none.
_NOTHING = re.compile(r"(?i)(?<![\d.])0+(?:\.0+)?[bmt]\b")


def _usual(asked: Parts, base: str, said: str) -> Found | None:
    """The model that a family's name alone stands for, or with Ollama's tag "latest"."""
    if asked.sized or asked.released:
        return None
    units = _units(asked)
    for spelled, name in table("models")["usual"][said].items():
        if _units(parts(spelled)) == units:
            return Found(name, f"{brief(base)} does not say which: {name} taken")
    return None


class _Spelling(NamedTuple):
    """A name or an alias of a record, read."""

    parts: Parts
    name: str


@cache
def _spellings() -> tuple[_Spelling, ...]:
    records = table("models")["models"].items()
    return tuple(
        _Spelling(parts(base), name)
        for name, record in records
        for base in dict.fromkeys(split(s)[0] for s in (name, *record.get("aliases", ())))
    )


def _units(asked: Parts) -> Counter[tuple[str, str]]:
    """Words with versions; llama.cpp writes 35 for 3.5."""
    return Counter((word, version.replace(".", "")) for word, version in asked.units)


def _billions(name: str, field: str) -> float:
    entry = table("models")["models"][name].get(f"published_{field}")
    return entry["value"] / 1e9 if entry else 0.0


def _near(one: float, other: float, share: float) -> bool:
    return bool(other) and abs(one / other - 1) <= share


def _agree(asked: Parts, spelling: _Spelling) -> bool:
    """Whether every size that is asked for is that of a record."""
    own, name = spelling.parts, spelling.name
    if asked.sparse and not (_is_sparse(spelling) or own.sparse):
        return False
    if asked.effective or own.effective:
        return not asked.sized or asked.effective == own.effective
    total = asked.total in (0.0, own.total) or _near(
        asked.total, _billions(name, "params"), SAME_SIZE
    )
    active = asked.active in (0.0, own.active) or _near(
        asked.active, _billions(name, "active"), SAME_ACTIVE
    )
    return total and active and _same_experts(asked.experts, own)


def _same_experts(asked: tuple[float, ...], own: Parts) -> bool:
    """Whether experts are a record's: Ollama's 16x17b is the 17B-16E of its publisher."""
    return asked in ((), own.experts) or asked == (*own.experts, own.active)


def _one_of(asked: Parts, hits: Iterable[_Spelling]) -> Found | None:
    """The record that spellings mean: of the same release and context, or of none."""
    hits = list(hits)
    tests = (
        lambda s: asked.sized or not s.parts.sized,
        lambda s: s.parts.released == asked.released,
        lambda s: not asked.context or s.parts.context == asked.context,
    )
    for test in tests:
        hits = [s for s in hits if test(s)] or hits
    found = sorted({s.name for s in hits}, key=lambda name: _order(asked, name))
    if len(found) == 1:
        return Found(found[0])
    return Found("", choices=tuple(found)) if found else None


def _order(asked: Parts, name: str) -> tuple[bool, str, float, str]:
    """Choices of the asked family before others, then by line and size."""
    line = re.split(r"-\d+(?:\.\d+)?b", name)[0]
    return not name.startswith(asked.words[:1]), line, _billions(name, "params"), name


def _itself(asked: Parts, base: str) -> Found | None:
    """The record of these very words, versions and sizes."""
    own = _units(asked)
    same = (s for s in _spellings() if _units(s.parts) == own and _agree(asked, s))
    if not (asked.sized or any(version for _, version in asked.units)):
        same = (s for s in same if not s.parts.sized)  # "gemma" is a family, "DBRX" a model
    found = _one_of(asked, same) if own else None
    other = parts(found.name).context if found else ()
    if not found or not other or not asked.context or other == asked.context:
        return found
    what = f"{found.name} taken, whose context is not {asked.context[0]}"
    return found._replace(assumed=what, minor=True)


def _run_together(asked: Parts, base: str) -> Found | None:
    """The record whose words are these, joined or taken apart: "gptoss", "Code-Llama"."""
    own = _joined(asked)
    same = (s for s in _spellings() if _joined(s.parts) == own and _agree(asked, s))
    return _one_of(asked, (s for s in same if own and s.parts.sized <= asked.sized))


def _joined(asked: Parts) -> str:
    return "".join(word + version for word, version in asked.units).replace(".", "")


class _Published(NamedTuple):
    """What a publisher says of a model that has no config here."""

    parts: Parts
    size: Parts
    like: str


@cache
def _published() -> tuple[_Published, ...]:
    return tuple(
        _Published(parts(spelled), parts(said.get("size", "")), said.get("like", ""))
        for spelled, said in table("models")["sizes"].items()
    )


def _of_a_release(asked: Parts, base: str) -> Found | None:
    """A later release that differs in shape from the record of its name: Command R 08-2024."""
    return _size_known(asked, base, [one for one in _published() if one.parts.released])


def _size_known(
    asked: Parts, base: str, among: Collection[_Published] | None = None
) -> Found | None:
    """A model without a config whose size, or what it is built like, its publisher says."""
    hits = [one for one in (_published() if among is None else among) if _means(asked, one)]
    best = max(hits, key=lambda one: (len(one.parts.units), len(one.parts.released)), default=None)
    if best is None:
        return None
    whole = asked._replace(
        total=asked.total or best.size.total or best.parts.total,
        active=asked.active or best.size.active,
    )
    if best.like == TYPICAL:
        return _size_alone(whole, base)
    if not best.like:
        return _sibling(whole, base) or _size_alone(whole, base)
    name, like = _canonical(whole, base), next(s for s in _spellings() if s.name == best.like)
    same = _near(whole.total, _billions(best.like, "params"), SAME_SIZE)
    what = "taken" if same or _agree(whole, like) else f"scaled to {base_size(whole)}"
    return Found(name, f"no config of {name} here: {best.like} {what}", base=best.like)


def _means(asked: Parts, one: _Published) -> bool:
    """Whether a name has an entry's words and sizes, and no word of another model."""
    rest = list(asked.units)
    for word, version in one.parts.units:
        unit = next((u for u in rest if u[0] == word and version in ("", u[1])), None)
        if unit is None:
            return False
        rest.remove(unit)
    total = one.size.total or one.parts.total
    return (
        set(one.parts.released) <= set(asked.released)
        and (asked.total == one.parts.total if one.parts.total else asked.total in (0.0, total))
        and asked.active in (0.0, one.size.active)
        and not (asked.effective or asked.experts)
        and not _another(asked, one.parts)
    )


def _fine_tune(asked: Parts, base: str) -> Found | None:
    """The base that a longer name has inside, unless a word beside it makes another model."""
    own, hits = _units(asked), []
    for s in _spellings():
        units, known_size = _units(s.parts), asked.sized or not s.parts.sized
        inside = units and units < own and known_size and _agree(asked, s)
        if inside and not _another(asked, s.parts):
            hits.append((units.total(), s))
    most = max((n for n, _ in hits), default=0)
    found = _one_of(asked, (s for n, s in hits if n == most))
    if not found or not found.name:
        return found
    return found._replace(assumed=f"{brief(base)} taken for a fine-tune of {found.name}")


def _another(asked: Parts, base: Parts) -> bool:
    """Whether a word after a base's first one tells of another model."""
    first = asked.words.index(base.words[0])
    left = Counter(asked.words[first:]) - Counter(base.words)
    apart = {*table("models")["words"]["kinds"], *_heads()}
    return any(word in apart or _slip(word, apart) for word in left)


@cache
def _heads() -> dict[str, None]:
    """The first word of every record: its family."""
    return dict.fromkeys(s.parts.words[0] for s in _spellings() if s.parts.words)


def _slip(word: str, of: Collection[str]) -> bool:
    """Whether a word looks like a slip of a known one."""
    if len(word) < 3 or word in of:
        return False
    near = difflib.get_close_matches(word, of, cutoff=A_TYPO)
    swapped = (one for one in of if sorted(one) == sorted(word))
    return any(one[0] == word[0] for one in (*near, *swapped))


def _version_open(asked: Parts, base: str) -> Found | None:
    """The records that a name without a version, or without a word, could mean."""
    hits = []
    for s in _spellings():
        rest = list(s.parts.units)
        if all(_taken(unit, rest) for unit in asked.units) and _agree(asked, s):
            hits.append((len(rest), s))
    if not asked.units or not hits:
        return None
    fewest = min(n for n, _ in hits) if asked.sized else math.inf
    found = _one_of(asked._replace(total=1.0), (s for n, s in hits if n <= fewest))
    if found and found.choices and (asked.total or _as_large(found.choices)):
        found = Found(max(_of_a_kind(asked, found.choices), key=_age))
    if not found or not found.name:
        return found
    return found._replace(assumed=f"{brief(base)} does not say which: {found.name} taken")


def _as_large(choices: Collection[str]) -> bool:
    """Whether models are of one size, as the generations of Mistral Small are."""
    sizes = [_billions(name, "params") for name in choices]
    return all(_near(size, sizes[0], SAME_SIZE) for size in sizes)


def _of_a_kind(asked: Parts, choices: Collection[str]) -> Collection[str]:
    """The dense ones among models of a size, unless a name says that it is a mixture."""
    dense = [name for name in choices if not _billions(name, "active")]
    return choices if asked.sparse or asked.active or not dense else dense


def _age(name: str) -> tuple[float, str, str]:
    """Order of models of a family by version, then by release."""
    versions = [version for _, version in parts(name).units if version]
    day = table("models")["models"][name].get("date", "")
    return _number(versions[0]) if versions else 0.0, str(day), name


def _taken(unit: tuple[str, str], rest: list[tuple[str, str]]) -> bool:
    """Take a word off a list, if it stands there with the version that is asked, or with any."""
    word, version = unit
    one = next((u for u in rest if u[0] == word and version in ("", u[1])), None)
    if one:
        rest.remove(one)
    return one is not None


def _sibling(asked: Parts, base: str) -> Found | None:
    """The record of the same family whose shape is scaled to the size in a name."""
    heads = [word for word in asked.words if word in _heads()]
    if not asked.sized or not heads:
        return None
    family = [s for s in _spellings() if s.parts.words[:1] and s.parts.words[0] in heads]
    if asked.effective:
        return _of_effective_size(asked, base, family)
    if not asked.total:
        return None
    family = [s for s in family if _total(s) and not s.parts.effective]
    sparse = bool(asked.active or asked.experts or asked.sparse)
    best = min(family, key=lambda s: _distance(asked, s, sparse), default=None)
    if best is None or (_is_sparse(best) != sparse and not _units(asked) <= _units(best.parts)):
        return None  # a mixture says little of a dense model
    if _is_sparse(best) < sparse or (
        asked.total >= max(SURELY_SPARSE_B, 2 * _total(best)) and not _is_sparse(best)
    ):
        return None  # nor does a dense one of a mixture, or of what today would be one
    if _is_sparse(best) and not sparse and asked.total <= 2 * _active(best):
        return None  # nor of one that is hardly larger than what its token uses
    name, same = _canonical(asked, base), _agree(asked, best)
    what = "taken" if same else f"scaled to {base_size(asked)}"
    return Found(name, f"no config of {name} here: {best.name} {what}", base=best.name)


def _of_effective_size(asked: Parts, base: str, family: Iterable[_Spelling]) -> Found | None:
    """The relative of the same size without its tables: E4B of another generation."""
    best = next((s for s in family if s.parts.effective == asked.effective), None)
    if best is None:
        return None
    name = _canonical(asked, base)
    return Found(name, f"no config of {name} here: {best.name} taken", base=best.name)


def _distance(asked: Parts, s: _Spelling, sparse: bool) -> tuple[float, ...]:
    """How far a record is from a name: in words, kind, version and size."""
    own, units = set(asked.units), set(s.parts.units)
    words, others = set(asked.words), set(s.parts.words)
    versions = {word: version for word, version in asked.units if word in others}
    apart = sum(
        abs(_number(version) - _number(versions[word]))
        for word, version in s.parts.units
        if word in versions
    )
    return (
        -len(words & others),
        len(others - words),
        _is_sparse(s) != sparse,
        -len(own & units),
        apart,
        abs(math.log(_total(s) / asked.total)),
    )


def _total(s: _Spelling) -> float:
    return _billions(s.name, "params") or s.parts.total


def _is_sparse(s: _Spelling) -> bool:
    return bool(_billions(s.name, "active") or s.parts.active)


def _active(s: _Spelling) -> float:
    return _billions(s.name, "active") or s.parts.active


def _number(version: str) -> float:
    major, _, minor = version.partition(".")
    return float(f"{major or 0}.{minor.replace('.', '') or 0}")


def _slips(asked: Parts) -> bool:
    apart = {*_heads(), *table("models")["words"]["kinds"]}
    return any(_slip(word, apart) for word in asked.words)


def _mix(asked: Parts, base: str) -> Found | None:
    """A mixture of whole models, as in "4x7B": Mixtral's shape with as many experts."""
    if len(asked.experts) != 2:
        return None
    same = next((s for s in _spellings() if s.parts.experts == asked.experts), None)
    if same:
        return Found(same.name, f"{brief(base)} is no model of the catalogue: {same.name} taken")
    experts, size = asked.experts
    whole = asked._replace(total=_of_mix(size, experts), active=_of_mix(size, 2), experts=())
    name = _canonical(whole, base)
    what = f"no config of {name} here: mixtral-8x7b scaled to {base_size(whole)}"
    return Found(name, what, base="mixtral-8x7b")


def _of_mix(size: float, experts: float) -> float:
    """Billions of so many experts: 22% of a Mistral 7B is attention and embedding, kept once."""
    return float(f"{size * (0.22 + 0.78 * experts):.3g}")


def _size_alone(asked: Parts, base: str) -> Found | None:
    """A model of typical shape, where a name says its size and its family is not known."""
    if not asked.total or asked.effective or asked.experts:
        return None
    meant = _misspelt(asked)
    if meant:
        return UNKNOWN._replace(choices=meant)
    twin = _same_number(asked)
    if twin:
        return Found(twin, f"{brief(base)} is no model of the catalogue: {twin}, as large, taken")
    note = ""
    plainly = asked.active or "dense" in asked.words
    if not plainly and (asked.sparse or asked.total >= SURELY_SPARSE_B):
        asked = asked._replace(active=_usual_active(asked.total))
        note = ", as what a token uses is not stated"
    kind = "mixture of experts" if asked.active else "dense model"
    size, words = base_size(asked), [word for word in asked.words if word not in GENERIC]
    what = f"a typical {kind} of {size} taken{note}"
    if not words:
        return Found(f"{'moe' if asked.active else 'dense'}-{size.lower()}", what, base=TYPICAL)
    name = _canonical(asked, base)
    return Found(name, f"{name} is no model of the catalogue: {what}", base=TYPICAL)


def _misspelt(asked: Parts) -> tuple[str, ...]:
    """Records that differ from a name in a slip of one word, with the same versions and sizes."""
    found = []
    for s in _spellings():
        own = s.parts
        if (own.total, own.active, len(own.units)) != (asked.total, asked.active, len(asked.units)):
            continue
        off = [(a, b) for a, b in zip(asked.units, own.units, strict=True) if a != b]
        if len(off) == 1 and _alike(*off[0]):
            found.append(s.name)
    return tuple(dict.fromkeys(found))


def _alike(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two words of one version are the same letters but for a slip."""
    (word, version), (known, its) = one, other
    letters = len(word) > LONG_WORD and abs(len(word) - len(known)) <= 1 and word[0] == known[0]
    like = difflib.SequenceMatcher(None, word, known).ratio()
    return version == its and letters and A_SLIP <= like < 1


def _same_number(asked: Parts) -> str:
    """The record that a large fine-tune is made from: few models have 405 or 671 billion."""
    if asked.total < SURELY_SPARSE_B or not asked.words or "dense" in asked.words:
        return ""
    near = [
        s.name
        for s in _spellings()
        if s.parts.total == asked.total and asked.active in (0.0, s.parts.active)
    ]
    return min(near, key=lambda n: str(table("models")["models"][n].get("date", "9")), default="")


def _usual_active(total: float) -> float:
    """Billions that a token uses of a mixture of experts that does not say."""
    return float(f"{typical.usual_active(total * 1e9) / 1e9:.2g}")


def _canonical(asked: Parts, base: str) -> str:
    """A name's own words as the catalogue would spell them; reads the same as the name."""
    plain = key(re.sub(r"\([^)]*\)?|\s*\+.*", " ", re.sub("[/:]", "-", base)))
    plain = re.sub(r"-?\d+(?:\.\d+)?b-activ(?:e|ated)\b", "", re.sub(r"[^\w.-]", "", plain))
    words = table("models")["words"]
    silent = {*words["variants"], *words["publishers"]}
    plain = split(plain)[0]  # a format behind a sign that is gone: "7B-#GGUF"
    name = "-".join(word for word in plain.split("-") if word not in silent)[:60].strip("-.")
    own = parts(name)
    size = "" if own.total == asked.total or asked.effective else f"-{asked.total:g}b"
    size += "" if own.active == asked.active else f"-a{asked.active:g}b"
    return name + size


def base_size(asked: Parts) -> str:
    """Write the sizes of a name as people do.

    Parameters
    ----------
    asked : Parts
        A name that was read.

    Returns
    -------
    str
        Such as "12B" or "30B-A3B".

    Examples
    --------
    >>> base_size(parts("Qwen3-30B-A3B"))
    '30B-A3B'
    """
    total = f"{asked.total:g}B"
    return f"{total}-A{asked.active:g}B" if asked.active else total


_KNOWN = (_of_a_release, _itself, _run_together, _size_known, _version_open, _fine_tune)
_SHAPED = (_sibling, _mix, _size_alone)
