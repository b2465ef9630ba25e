"""The parts of a model's name as repositories, files and people write it.

A repository or a file is a path, a model, and often the format of its weights; `split` takes these
apart.
"""

import re

# A word that means a format of weights wherever it stands in a name.
_HEAD = r"""
    (?:ud-)?(?:i1-)?i?q[1-8](?:_[0-9klmsx]+|_nl|_xxs|_xs|_xl|_small|_medium|_large|_r[48])*
    | (?:ud-)?t?q[12]_0
    | ud
    | mxfp[468](?:_moe)? | nvfp4(?:a16)? | fp(?:4|6|8|16|32) | bf16 | f16 | f32 | e[45]m[23]
    | w\d{1,2}a\d{1,2}(?:fp8)? | w4afp8 | int[248] | [2-8](?:\.\d+)?-?bits?
    | awq | gptq | exl[23] | hqq | aqlm | eetq | auto-?round | smoothquant | quark | bnb | qat | dwq
    | \d(?:\.\d+)?bpw | mlx | gguf | ggml | modelopt | compressed-tensors | quantized | torchao
    | marlin | openvino | bitsandbytes
"""
# A word that belongs to the format beside it, and says nothing of one by itself.
_TAIL = r"""
    dynamic | static | block(?:wise)? | per-?(?:tensor|channel|token) | asym | sym | gs?\d{2,3}
    | \d{2,3}g | actorder | h\d | mul1 | v100 | ct | mobile | mixed | fast | moe | imatrix | i1
    | kv | (?:actorder_)?true | unquantized | weight-only | symmetric | \d{1,2}b-?w | full
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
    text = text.strip()
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
