"""Number formats of the catalogue, and those that a spelling makes."""

from functools import lru_cache

from ...refuse import one_of
from ...spec import Format
from .. import cards
from ..names.formats import read_format
from ..names.found import Found
from ..names.made import built, offered
from ..tables import MAX_SPELLED, key, known, named, table


def formats(kv: bool = False) -> tuple[str, ...]:
    """List the names of number formats; `format` makes others of any bits and group.

    Parameters
    ----------
    kv : bool
        True for formats of the KV cache, false for formats of weights.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "fp8" in formats(), "fp8" in formats(kv=True)
    (True, True)
    """
    rows = table("formats")["formats"].items()
    named = (n for n, r in rows if (r.get("kv", False) if kv else r.get("covers")))
    return tuple(sorted((*named, *offered(kv))))


@lru_cache(maxsize=4096)
def format(name: str) -> Format:
    """Look up a number format.

    Parameters
    ----------
    name : str
        Name in the catalogue, or any spelling that states a method, bits and group.

    Returns
    -------
    Format
        The format; its title says what a spelling left open.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> format("fp8").bytes_per_element
    1.0
    >>> format("EXL3 5.5bpw").name, format("UD-Q6_K_XL").title
    ('exl3-5.5bpw', "GGUF Q6_K (Unsloth's dynamic mix Q6_K_XL taken as Q6_K)")
    """
    exact = known("formats").get(key(name)) if isinstance(name, str) else None
    found = Found(exact) if exact else _read(name, kv=False) or _read(name, kv=True)
    if not found:
        return format(named("formats", "format", name))
    return _made(found)


def _read(name: object, *, kv: bool) -> Found | None:
    """What a spelling of a sane length means; None for nothing."""
    short = isinstance(name, str) and len(name) <= MAX_SPELLED
    found = read_format(name, kv=kv) if isinstance(name, str) and short else None
    return found if found and found.name else None


def _made(found: Found) -> Format:
    """The format of a name, its title with what was assumed."""
    record = table("formats")["formats"].get(found.name) or built(found.name) or {}
    fields = cards.plain(record)
    keep = (
        *("title", "element_bits", "scale_bits", "group", "covers", "compute", "kv"),
        *("gguf", "covers_mixture", "timed"),
    )
    fields = {k: fields[k] for k in keep if k in fields}
    for listed in ("covers", "covers_mixture", "compute"):
        fields[listed] = tuple(fields.get(listed, ()))
    if found.assumed and not found.minor:
        fields["title"] += f" ({found.assumed})"
    return Format(name=found.name, **fields)


def named_format(field: str, value: str | Format, kv: bool) -> Format:
    """Look up a format of weights or of the cache.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    value : str or Format
        A name or a spelling; a record is given back.
    kv : bool
        True for a format of the KV cache, false for one of weights.

    Returns
    -------
    Format
        The format.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> named_format("kv", "fp8", kv=True).name
    'fp8'
    """
    return _spelled_format(field, value, kv) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _spelled_format(field: str, value: str, kv: bool) -> Format:
    found = Found(value) if value in formats(kv) else _read(value, kv=kv)
    if found:
        return _made(found)
    return format(one_of(field, value, formats(kv=kv), known("formats")))
