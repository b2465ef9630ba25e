"""The parts of a model's name as repositories, files and people write it.

A repository or a file is a path, a model, and often the format of its weights; `split` takes these
apart. What is left has a family, a version, sizes and a release, which `parts` reads.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from ..tables import table

# A word that means a format of weights wherever it stands in a name.
_HEAD = r"""
    (?:ud-)?(?:i1-)?i?q[1-8](?:_[0-9klmsx]+|_nl|_xxs|_xs|_xl|_small|_medium|_large|_r[48])*
    | (?:ud-)?t?q[12]_0
    | ud
    | mxfp[468](?:_moe)? | nvfp4(?:a16)? | fp(?:4|6|8|16|32) | bf16 | f16 | f32 | e[45]m[23]
    | w\d{1,2}a\d{1,2}(?:fp8)? | w4afp8 | int[248] | [2-8](?:\.\d+)?-?bits?
    | awq | gptq | exl[23] | hqq | aqlm | eetq | auto-?round | smoothquant | quark | bnb | qat | dwq
    | q[03-8]b?f(?:16|32)(?:_[0-2]|_ft|_awq)?
    | \d(?:\.\d+)?bpw | mlx | gguf | ggml | modelopt | compressed-tensors | quantized | torchao
    | marlin | openvino | bitsandbytes
"""
# A word that belongs to the format beside it, and says nothing of one by itself.
_TAIL = r"""
    dynamic | static | block(?:wise)? | per-?(?:tensor|channel|token) | asym | sym | gs?\d{2,3}
    | \d{2,3}g | actorder | h\d | mul1 | v100 | ct | mobile | mixed | fast | moe | imatrix | i1
    | kv | (?:actorder_)?true | unquantized | weight-only | symmetric | \d{1,2}b-?w | full
    | mlc
"""
_SEP = r"[-_.\s]"
_FORMAT = re.compile(
    rf"(?:^|(?<={_SEP})|(?<=[:(]))(?:{_HEAD})(?:{_SEP}+(?:{_HEAD}|{_TAIL}))*(?=$|{_SEP}|[),:])",
    re.VERBOSE | re.IGNORECASE,
)
_PART = re.compile(r"-\d{5}-of-\d{5}", re.IGNORECASE)
_ENDING = re.compile(r"\.(?:gguf|ggml|safetensors|bin|pth?|json)$", re.IGNORECASE)
_CACHE = re.compile(r"(?:^|[/\\])models--([^/\\]+?)--([^/\\]+)")
_HOST = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)

# "Command R+", but not "70B+": a plus right behind a word that is no size.
_PLUS = re.compile(r"(?i)(?<![\d.][bmt])(?<=[a-z])\+(?=$|[-_:(\s])")
# What runs beside the model: a draft, speculation, settings.
_BESIDE = re.compile(r"(?i)\s(?:w/|with\s|using\s).*$")


def last_part(text: str) -> str:
    """Take the model's own name out of a path, an address or a repository.

    Parameters
    ----------
    text : str
        A name, a repository, a path to a file, or a folder of a hub's cache.

    Returns
    -------
    str
        The name without folders, publisher, file ending and the number of a part.

    Examples
    --------
    >>> last_part("/home/me/hub/models--Qwen--Qwen3-8B/snapshots/9c925d64d7")
    'Qwen3-8B'
    >>> last_part("models/Llama-3.3-70B-Instruct-Q4_K_M-00001-of-00002.gguf")
    'Llama-3.3-70B-Instruct-Q4_K_M'
    """
    text = _PLUS.sub("-plus", text.strip())
    text = _BESIDE.sub("", re.sub(r"(?i)(?<=\db)/(?=a\d)", "-", text))  # 120B/A12B
    cached = _CACHE.search(text)
    if cached:
        return cached.group(2)
    address = _HOST.match(text)
    if address:  # owner, name and whatever page of it
        text = text[address.end() :]
        owner_and_name = text.split("/")[:2]
        text = text if _ENDING.search(text) else owner_and_name[-1]
    name = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return _PART.sub("", _ENDING.sub("", name))


def split(text: str) -> tuple[str, str]:
    """Split a model's name from the format of its weights.

    Parameters
    ----------
    text : str
        A name, a repository or a file.

    Returns
    -------
    tuple of (str, str)
        The name without the format, and the format as it was spelled; "" for none.

    Examples
    --------
    >>> split("RedHatAI/Qwen2.5-7B-Instruct-quantized.w8a8")
    ('Qwen2.5-7B-Instruct', 'quantized.w8a8')
    >>> split("gemma-4-26B-A4B-it-UD-Q8_K_XL.gguf")
    ('gemma-4-26B-A4B-it', 'UD-Q8_K_XL')
    >>> split("llama 8B Q4_K - Medium")
    ('llama 8B', 'Q4_K - Medium')
    """
    name = re.sub(r"(?i)(?<=_k) - (?=small|medium|large)", "_", last_part(text))
    found = [m.group() for m in _FORMAT.finditer(name)]
    base = re.sub(r"\s+", " ", re.sub(r"[-_.\s]{2,}", _shortest, _FORMAT.sub("", name)))
    spelled = "-".join(found)
    written = re.sub(r"(?i)(?<=_k)_(?=small|medium|large)", " - ", spelled)
    return base.strip("-_. ").replace("()", "").strip(), written if written in text else spelled


def _shortest(run: re.Match[str]) -> str:
    """One separator where a format was cut out of a name."""
    return " " if " " in run.group() else "-"


class Parts(NamedTuple):
    """What a model's name says, each part apart; 0 and () where it says nothing.

    Attributes
    ----------
    units : tuple of (str, str)
        The words that tell models apart, each with the version after it, or "".
    total, active : float
        Parameters, and those a token uses, in billions.
    effective : float
        Size without tables that stay in slower memory, as in "E4B", in billions.
    experts : tuple of float
        Experts, and the size of one in billions, as in "8x7B"; experts alone, as in "16E".
    released : tuple of str
        Dates and numbers of a release, as in "2507".
    context : tuple of str
        Context in the name, as in "128k".
    sparse : bool
        Whether a word says that it is a mixture of experts.
    """

    units: tuple[tuple[str, str], ...] = ()
    total: float = 0.0
    active: float = 0.0
    effective: float = 0.0
    experts: tuple[float, ...] = ()
    released: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    sparse: bool = False

    @property
    def sized(self) -> bool:
        """Whether the name says how large the model is."""
        return bool(self.total or self.active or self.effective or self.experts)

    @property
    def words(self) -> tuple[str, ...]:
        """The words without their versions."""
        return tuple(word for word, _ in self.units)


_NUMBER = r"\d+(?:\.\d+)?"
_SIZES = {
    "total": re.compile(rf"({_NUMBER})([bmt])"),
    "active": re.compile(rf"a({_NUMBER})([bm])"),
    "effective": re.compile(rf"e({_NUMBER})([bm])"),
    "mix": re.compile(rf"(\d+)x({_NUMBER})b?"),
    "experts": re.compile(r"(\d+)e"),
    "split": re.compile(r"(\d+)b(\d)"),  # BLOOM's 7b1
}
_A_SIZE = re.compile(rf"[ae]?{_NUMBER}[bt]|\d+x{_NUMBER}b?|\d+e")
_IN_BILLIONS = {"m": 1e-3, "b": 1.0, "t": 1e3}
_GLUED = re.compile(r"([a-z]+)(\d+(?:\.\d+)*)([a-z]*)")
_GLUED_SIZE = re.compile(rf"([a-z]+?)({_NUMBER}b)")


@lru_cache(maxsize=8192)
def parts(text: str) -> Parts:
    """Read what a model's name says.

    Parameters
    ----------
    text : str
        A name without the format of its weights, as `split` gives it.

    Returns
    -------
    Parts
        Its words with their versions, its sizes and its release.

    Examples
    --------
    >>> parts("Qwen3-Coder-30B-A3B-Instruct")[:3]
    ((('qwen', '3'), ('coder', '')), 30.0, 3.0)
    >>> parts("llama3_1-405b").units, parts("Mistral-7B-Instruct-v0.3").units
    ((('llama', '3.1'),), (('mistral', '0.3'),))
    """
    plain = _ACTIVE.sub(r" a\1b ", text.lower())
    found = _Reading()
    for token in _tokens(_REMARK.sub(" ", plain)):
        found.take(token)
    if not found.sizes:
        for token in _sizes_alone(plain):
            found.take(token)
    return found.parts()


_REMARK = re.compile(r"\([^)]*\)?|\s\+\s.*")  # brackets, and what runs beside the model
_ACTIVE = re.compile(
    r"[(,\s]*\b(\d+(?:\.\d+)?)\s?b\s(?:params\s|parameters\s)?activ(?:e|ated)\b\)?"
)
_MONTH = re.compile(r"\b(0[1-9]|1[0-2])-(20\d\d)\b")
_OF_SIZES = {"moe", "dense", "total", "params", "parameters", "b"}


def _tokens(text: str) -> list[str]:
    plain = re.sub(r"(?<=\d)_(?=\d(?:[-_\s]|$))", ".", text)  # llama3_1 of MLPerf, 3_3 of NVIDIA
    plain = re.sub(r"\b(\d+)bx(\d+)e\b", r"\1b-\2e", plain)  # 17Bx16E of llama.cpp
    plain = _MONTH.sub(r"\1\2", plain)
    same = table("models")["words"]["same"]
    found = [t for t in re.split(r"(?:[^\w.]|_)+|(?<!\d)\.|\.(?!\d)", plain) if t]
    return [word for token in found for word in same.get(token, token).split()]


def _sizes_alone(text: str) -> list[str]:
    """The sizes in brackets that hold nothing else, as in "GLM-5 (744B-A40B)"."""
    for remark in re.findall(r"\(([^)]*)\)?", text):
        tokens = [t for part in remark.split(",")[:1] for t in _tokens(part)]
        if tokens and all(t in _OF_SIZES or _A_SIZE.fullmatch(t) for t in tokens):
            return [t for t in tokens if t != "b"]
    return []


class _Reading:
    """The parts of a name while its tokens are read from left to right."""

    def __init__(self) -> None:
        words = table("models")["words"]
        self.silent = {*words["variants"], *words["publishers"]}
        self.units: list[list[str]] = []
        self.sizes: dict[str, list[float]] = {}
        self.released: list[str] = []
        self.context: list[str] = []
        self.sparse = False
        self.trillions: set[float] = set()

    def take(self, token: str) -> None:
        if re.fullmatch(r"\d+k|[12]m", token):
            self.context.append(token)
        elif not self._size(token):
            self._word(token)

    def _size(self, token: str) -> bool:
        for kind, pattern in _SIZES.items():
            match = pattern.fullmatch(token)
            if match:
                unit = match.group(2) if kind in ("total", "active", "effective") else "b"
                values = [float(match.group(1)) * _IN_BILLIONS[unit]]
                if unit == "t":
                    self.trillions.update(values)
                if kind == "split":
                    kind, values = "total", [float(".".join(match.groups()))]
                if kind == "mix":
                    values.append(float(match.group(2)))
                self.sizes.setdefault(kind, []).extend(values)
                return True
        return False

    def _word(self, token: str) -> None:
        if re.fullmatch(r"\d{4,8}", token):
            self.released.append(token)
        elif re.fullmatch(r"v?\d+(\.\d+)*", token):
            self._version(token.removeprefix("v"))
        elif token == "moe":
            self.sparse = True
        elif token not in self.silent:
            self._letters(token)

    def _letters(self, token: str) -> None:
        glued, sized = _GLUED.fullmatch(token), _GLUED_SIZE.fullmatch(token)
        if sized and self._size(sized.group(2)):
            self._word(sized.group(1))
        elif glued:
            word, version, rest = glued.groups()
            self._word(word)
            self._version(version)
            if rest:
                self._word(rest)
        elif token.isascii() and re.fullmatch(r"[a-z.]+", token):
            self.units.append([token, ""])
        elif marked := re.fullmatch(r"(\d+(?:\.\d+)*)([a-z])", token):  # 4.5V, 3n
            self._version(marked.group(1))
            self.units.append([marked.group(2), ""])
        else:
            for piece in re.findall(r"[^\W\d]+|\d+(?:\.\d+)*", token):
                if piece[0].isdecimal():
                    self._version(piece)
                else:
                    self.units.append([piece, ""])

    def _version(self, version: str) -> None:
        if version in ("99", "99.9"):
            return  # the share of the reference's accuracy that MLPerf asks for
        version = version.removesuffix(".0")
        if self.units and not self.units[-1][1]:
            self.units[-1][1] = version
        else:
            self.units.append(["", version])

    def parts(self) -> Parts:
        totals = sorted(set(self.sizes.get("total", [])))
        if len(totals) > len(self.trillions):  # "1.1B ... 3T": tokens that it was trained on
            totals = [size for size in totals if size not in self.trillions] or totals
        active = self.sizes.get("active", [0.0])[0]
        experts = tuple(self.sizes.get("mix", self.sizes.get("experts", ())))
        if len(totals) == 1 and experts and "mix" not in self.sizes:
            active, totals = totals[0], []  # 17B-16E: the size is that of a token
        elif len(totals) > 1 and not active:
            active = totals[0]  # 1B-7B
        return Parts(
            units=tuple((word, version) for word, version in self.units),
            total=totals[-1] if totals else 0.0,
            active=active,
            effective=self.sizes.get("effective", [0.0])[0],
            experts=experts,
            released=tuple(self.released),
            context=tuple(self.context),
            sparse=self.sparse,
        )
