"""A pasted config.json: what of it counts, and the code an address carries it in."""

import ast
import json
import re
from functools import lru_cache

from llmcap_kernel import huggingface
from llmcap_kernel.catalog import names
from llmcap_kernel.refuse import BadInput

from . import from_name
from .packed import MAX_TEXT, canonical, pack, unpack

MAX_CODE = 8_000
REMEMBERED = 64


@lru_cache(maxsize=REMEMBERED)
def read(text):
    """Keep of a config.json what the count of its weights and caches rests on.

    Parameters
    ----------
    text : str
        The file as it was pasted, or the code of an address.

    Returns
    -------
    str
        The same model in the fewest fields, as JSON in a fixed order.

    Raises
    ------
    BadInput
        When it is neither, or no model that can be counted.

    Examples
    --------
    >>> text = '''{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    ... "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
    ... "vocab_size": 128256, "max_position_embeddings": 131072, "bos_token_id": 1}'''
    >>> "bos_token_id" in read(text), read(unpack(pack(read(text)))) == read(text)
    (False, True)
    """
    if len(text) > MAX_TEXT:
        size = f"{len(text):,} characters, and at most {MAX_TEXT:,} are read"
        raise BadInput("config", f"config has {size}: paste the config.json alone.")
    stripped = _object(text.replace("\u00a0", " ").strip().lstrip("\ufeff"))
    stripped = stripped if stripped.startswith("{") else unpack(stripped)
    try:
        data = _parsed(stripped)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadInput("config", f"config is not JSON at {where}: {error.msg}.") from None
    except (ValueError, RecursionError):
        raise BadInput("config", "config is not JSON that can be read.") from None
    try:
        shortest = canonical(_fewest(data, _counted(data)))
    except RecursionError:
        raise BadInput("config", "config nests its objects too deeply to be read.") from None
    if len(pack(shortest)) > MAX_CODE:
        raise BadInput("config", "config lists more than an address can carry.")
    return shortest


@lru_cache(maxsize=REMEMBERED)
def model(text):
    """Count the model of a config.json.

    Parameters
    ----------
    text : str
        What `read` gave.

    Returns
    -------
    Model
        The model.
    """
    return huggingface.load(json.loads(text))


def _parsed(text):
    """The object as JSON, or as Python prints it: `print(model.config.to_dict())`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        if not re.match(r"\{\s*'", text):
            raise
        try:
            return json.loads(json.dumps(ast.literal_eval(text)))
        except (ValueError, SyntaxError, TypeError, MemoryError):
            pass
        raise


def _object(text):
    """The object in a text that has words, or the fence of a code block, around it."""
    first, last = text.find("{"), text.rfind("}")
    is_inside = first >= 0 and last > first and re.search("[\"']", text[first:last])
    return text[first : last + 1] if is_inside else text


def is_name(text):
    """Say whether a pasted text is one word, such as the name of a repository, and no code.

    Parameters
    ----------
    text : object
        What was pasted.

    Returns
    -------
    bool
        Whether it may name a model.

    Examples
    --------
    >>> is_name(" Qwen/Qwen3-8B "), is_name("{}"), is_name(pack("{}")), is_name("two words")
    (True, False, False, False)
    """
    if not isinstance(text, str) or not re.fullmatch(r"\s*[\w./:?=&%-]{3,300}\s*", text):
        return False
    try:
        unpack(text.strip())
    except BadInput:
        plain = repository(text)
        parts = "/" in plain or re.fullmatch(r"[\w.-]+:[\w.-]+", plain)  # of Ollama: "qwen3:8b"
        return bool(parts) and "//" not in plain and not plain.endswith(".json")
    return False


# Where models are kept, and what stands behind a repository's name in an address there
HOSTS = r"(?:huggingface\.co|hf\.co|hf-mirror\.com|(?:www\.)?modelscope\.cn|ollama\.com)"
WITHIN = r"/(?:tree|blob|raw|resolve|commit|discussions|summary|files)(?:/[\w.-]+)?"


def repository(text):
    """Take the name of a repository, or of a GGUF file in it, out of an address.

    Parameters
    ----------
    text : str
        An address, or a name.

    Returns
    -------
    str
        The name.

    Examples
    --------
    >>> repository("https://huggingface.co/Qwen/Qwen3-8B/raw/main/config.json")
    'Qwen/Qwen3-8B'
    >>> repository("https://ollama.com/library/qwen3:30b-a3b-q4_K_M"), repository("qwen3:8b")
    ('qwen3:30b-a3b-q4_K_M', 'qwen3:8b')
    """
    plain = re.sub(rf"^(?:https?://)?{HOSTS}/(?:models/|library/)?", "", text.strip(), flags=re.I)
    plain = re.split(r"[?#]", plain)[0].strip("/")
    if plain.lower().endswith(".gguf"):
        return re.sub(WITHIN, "", plain)
    return re.sub(rf"{WITHIN}(?:/.*)?$", "", plain)


def from_model_name(text, state, prefix=""):
    """Take the name of a model for the model.

    Parameters
    ----------
    text : str
        The name.
    state : dict
        A complete state, of which nothing is needed.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        Values by input, and what to say of them.

    Raises
    ------
    BadInput
        When no such model is known.
    """
    try:
        read = from_name.model(repository(text))
    except BadInput as problem:
        raise BadInput("config", f"config is a name: {problem}") from None
    values = {"model": read.name, "config": None} | read.more
    said = f"The name of a model was pasted. {read.said or f'It is {read.name}.'}"
    return {prefix + name: value for name, value in values.items()}, [said]


def is_machine(text):
    """Say whether a pasted text lists the cards of a machine.

    Parameters
    ----------
    text : object
        What was pasted.

    Returns
    -------
    bool
        Whether a tool such as `nvidia-smi` printed it.

    Examples
    --------
    >>> is_machine("GPU 0: NVIDIA L4 (UUID: GPU-1a)\\n"), is_machine("Qwen/Qwen3-8B")
    (True, False)
    """
    return isinstance(text, str) and len(text) <= MAX_TEXT and bool(names.listed(text))


def from_machine(text, state, prefix=""):
    """Take the cards that a tool lists.

    Parameters
    ----------
    text : str
        What it printed.
    state : dict
        A complete state, of which nothing is needed.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        Values by input, and what to say of them.

    Raises
    ------
    BadInput
        When one of the cards is not known.
    """
    try:
        read = from_name.card(text)
    except BadInput:
        unknown = ", ".join(names.listed(text))
        said = f"config lists cards, and of these one is not known: {unknown:.200}."
        raise BadInput("config", said) from None
    values = {"gpu": read.name} | ({} if "+" in read.name else read.more)
    said = f"The cards of a machine were pasted: {', '.join(names.listed(text))}."
    return {prefix + name: value for name, value in values.items()}, [said]


def _counted(data):
    try:
        return huggingface.load(data)
    except BadInput as problem:
        raise BadInput("config", f"config is not understood: {problem}") from None


def _fewest(data, wanted):
    """Drop every field without which the model is still the same one."""
    while True:
        before = canonical(data)
        for path in _objects(data):
            data = _without(data, path, list(_at(data, path)), wanted)
        if canonical(data) == before:
            return data


def _objects(data, path=()):
    """List where objects stand, the outermost first."""
    inner = [k for k, v in data.items() if isinstance(v, dict)]
    return [path, *(p for k in inner for p in _objects(data[k], (*path, k)))]


def _at(data, path):
    for key in path:
        data = data.get(key, {}) if isinstance(data, dict) else {}
    return data


def _without(data, path, keys, wanted):
    """Halve the fields until those that may go are gone: junk of any length goes at once."""
    if not keys:
        return data
    fewer = json.loads(json.dumps(data))
    for key in keys:
        _at(fewer, path).pop(key, None)
    if _same(fewer, wanted):
        return fewer
    if len(keys) == 1:
        return data
    half = len(keys) // 2
    data = _without(data, path, keys[:half], wanted)
    return _without(data, path, keys[half:], wanted)


def _same(data, wanted):
    try:
        return huggingface.load(data) == wanted
    except BadInput:
        return False
