"""A name as a stranger wrote it: the record it means, what else it says, and a line to say back."""

from typing import Any, NamedTuple

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.catalog.tables import key, known
from llmcap_kernel.refuse import shown

from . import own_card

KINDS = {"model": "models", "gpu": "gpus", "engine": "engines"}
KINDS |= dict.fromkeys(("weights", "kv"), "formats")


class Understood(NamedTuple):
    """What a name was read as.

    Attributes
    ----------
    field : str
        The input that takes it, without what a group's names begin with.
    name : str
        The record's name, which reads back as itself.
    more : dict
        Other inputs that the name sets, as a copy of a model its format.
    said : str
        One sentence: what was understood, and what was assumed; "" for a mere alias.
    guessed : bool
        Whether something was assumed.
    """

    field: str
    name: str
    more: dict[str, Any]
    said: str
    guessed: bool = False


def model(raw):
    """Read a model's name; a format in it sets the weights.

    Parameters
    ----------
    raw : str
        A repository, a file, or a size such as "dense 12B".

    Returns
    -------
    Understood
        The model.

    Raises
    ------
    BadInput
        When it is unknown, or could be several.

    Examples
    --------
    >>> model("somebody/Qwen3-32B-AWQ").more
    {'weights': 'int4-awq'}
    """
    record, found = catalog.model(raw), names.read_model(raw)
    more = {}
    if found.format or names.is_tag(raw):
        more["weights"] = _file(found.format, record) or catalog.checkpoint_format(
            raw, record.native_format
        )
    parts = [catalog.format(name).title for name in more.values()]
    assumed = record.source if record.assumed_shape else found.assumed
    return _understood("model", raw, record.name, parts, assumed, more)


# Files whose type a name leaves open: what llama.cpp takes of a repository (common/arg.cpp), and
# what Google made the quantisation-aware Gemma for.
FILES = {"gguf": "gguf-q4-k-m", "qat": "gguf-q4-0"}


def _file(said, record):
    """The usual file of a word that names none; "" for a format, or a model of four bits."""
    wide = catalog.format(record.native_format).element_bits >= 8
    return FILES.get(said.lower(), "") if wide else ""


def card(raw):
    """Read a card's name; a number of cards sets how many.

    Parameters
    ----------
    raw : str
        A card as a tool, a shop or a cloud prints it.

    Returns
    -------
    Understood
        The card.

    Raises
    ------
    BadInput
        When it is unknown, or could be several.

    Examples
    --------
    >>> card("8x H100 SXM").more
    {'tp': 8}
    """
    if own_card.is_own(raw):
        own_card.card(raw)
        return Understood("gpu", raw, {}, "")
    record = catalog.gpu(raw)
    found = names.card(raw)
    count = 0 if "+" in found.name else found.count
    more = {"tp": count} if count else {}
    parts = [f"{count} cards" if count > 1 else "one card"] if count else []
    return _understood("gpu", raw, record.name, parts, found.assumed, more)


def weights(raw):
    """Read the name of a format of weights.

    Parameters
    ----------
    raw : str
        As an engine, a file or a person writes it.

    Returns
    -------
    Understood
        The format.

    Raises
    ------
    BadInput
        When it is unknown.

    Examples
    --------
    >>> weights("Q4_K_M").name
    'gguf-q4-k-m'
    """
    record = catalog.format(raw)
    return _understood("weights", raw, record.name, (), names.read_format(raw).assumed, {})


def kv(raw):
    """Read the name of a format of the cache.

    Parameters
    ----------
    raw : str
        As an engine or a person writes it.

    Returns
    -------
    Understood
        The format.

    Raises
    ------
    BadInput
        When it is unknown.

    Examples
    --------
    >>> kv("fp8_e5m2").name
    'fp8'
    """
    record = catalog.format(raw)
    return _understood("kv", raw, record.name, (), names.read_format(raw, kv=True).assumed, {})


def engine(raw):
    """Read an engine and its version.

    Parameters
    ----------
    raw : str
        Such as "vLLM 0.12.1".

    Returns
    -------
    Understood
        The record that describes it.

    Raises
    ------
    BadInput
        When it is unknown.

    Examples
    --------
    >>> engine("vLLM 0.19.1").name
    'vllm-0.19'
    """
    record = catalog.engine(raw)
    return _understood("engine", raw, record.name, (), "", {})


def _understood(field, raw, name, parts, assumed, more):
    alias = known(KINDS[field]).get(key(raw)) == name
    if alias and not (parts or assumed):
        return Understood(field, name, more, "")
    said = f"{shown(raw)} is read as {', '.join((name, *parts))}"
    said += f": {assumed}" if assumed else ""
    return Understood(field, name, more, f"{said}.", bool(assumed))
