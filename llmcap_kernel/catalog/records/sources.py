"""Where a figure of the catalogue comes from."""

from collections.abc import Iterator
from typing import Any

from ...refuse import BadInput, one_of
from .. import cards
from ..tables import named, table
from .engines import engine_record
from .gpus import card_name


def provenance(kind: str, name: str, field: str) -> dict[str, Any]:
    """Look up the source of a figure in the catalogue.

    Parameters
    ----------
    kind : str
        "gpus" or "engines".
    name : str
        Name of the record.
    field : str
        Field with the figure; nested fields are joined by a dot, as in "flop_s.fp8".

    Returns
    -------
    dict
        The value, its kind, and the title, url and date of the source.

    Raises
    ------
    BadInput
        When there is no such figure.

    Examples
    --------
    >>> provenance("gpus", "h100-sxm", "bandwidth_bytes_s")["value"]
    3350000000000.0
    """
    kind = one_of("kind", kind, ("gpus", "engines"))
    entry: Any = (
        engine_record(named(kind, "engine", name))
        if kind == "engines"
        else cards.record(card_name(name))
    )
    for part in field.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or "source" not in entry:
        raise BadInput("field", f"{name} has no sourced figure {field!r}.")
    return {**entry, **table(kind)["sources"][entry["source"]]}


def figures(kind: str, name: str) -> dict[str, dict[str, Any]]:
    """List every figure of a record that has a source.

    Parameters
    ----------
    kind : str
        "gpus" or "engines".
    name : str
        Name of the record.

    Returns
    -------
    dict
        By field, nested fields joined by a dot: what `provenance` says of it.

    Examples
    --------
    >>> figures("gpus", "h100-sxm")["flop_s.fp8"]["kind"]
    'datasheet'
    """
    kind = one_of("kind", kind, ("gpus", "engines"))
    name = named(kind, kind.rstrip("s"), name)
    record = engine_record(name) if kind == "engines" else table(kind)[kind][name]
    return {field: provenance(kind, name, field) for field in _sourced(record)}


def _sourced(record: dict[str, Any], above: str = "") -> Iterator[str]:
    for field, entry in record.items():
        if isinstance(entry, dict):
            if "source" in entry:
                yield above + field
            else:
                yield from _sourced(entry, f"{above}{field}.")
