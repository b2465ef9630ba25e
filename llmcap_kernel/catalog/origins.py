"""How the figures of a card were checked: against their document, against another, or not yet.

A source of `gpus.toml` says so in its `check`, in words; these functions read them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..spec import Gpu
from .cards import record
from .tables import table

READ, COMPARED, UNREAD = "read", "compared", "not opened"
WORDS = {
    READ: "read in its document",
    COMPARED: "compared with others who quote it",
    UNREAD: "not yet checked against its document",
}
# What a prediction stands on, in words; `power_w` counts in energy alone.
PREDICTED = {
    **{"memory_visible_bytes": "memory", "memory_sold_bytes": "memory"},
    **{"memory_usable_share": "memory", "bandwidth_bytes_s": "bandwidth"},
    **{"link_bandwidth_bytes_s": "link", "flop_s": "FLOP/s"},
}


def way(source: Mapping[str, Any], field: str) -> str:
    """Say how one figure was checked.

    Parameters
    ----------
    source : dict
        Its source, a record of `[sources]` in `gpus.toml`.
    field : str
        Name of the figure; one of a table has a dot, such as "flop_s.bf16".

    Returns
    -------
    str
        "read", "compared" or "not opened".

    Examples
    --------
    >>> way({"check": "read; 900 GB/s"}, "bandwidth_bytes_s")
    'read'
    >>> way({"check": "a table; its power not opened", "unread": ["power_w"]}, "flop_s.bf16")
    'compared'
    """
    check, whole = source["check"], field.partition(".")[0]
    if UNREAD in check and whole in source.get("unread", [whole]):
        return UNREAD
    return READ if check.startswith(READ) else COMPARED


def checked(raw: Mapping[str, Any]) -> dict[str, str]:
    """Say of every figure of a card how it was checked.

    Parameters
    ----------
    raw : dict
        The card's record, as `cards.record` has it.

    Returns
    -------
    dict
        "read", "compared" or "not opened", by the figure's name.

    Examples
    --------
    >>> checked(record("apple-m4"))["bandwidth_bytes_s"]
    'read'
    """
    sources = table("gpus")["sources"]
    return {field: way(sources[figure["source"]], field) for field, figure in _figures(raw)}


def _figures(raw: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for field, figure in raw.items():
        if isinstance(figure, dict) and isinstance(figure.get("source"), str):
            yield above + field, figure
        elif isinstance(figure, dict):
            yield from _figures(figure, f"{above}{field}.")


def doubt(gpu: Gpu) -> str:
    """Say which figures under a prediction nobody has checked against their document.

    Parameters
    ----------
    gpu : Gpu
        A card of the catalogue, cards together, or one of the reader's own.

    Returns
    -------
    str
        One sentence; "" where there is nothing to say.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> doubt(catalog.gpu("rtx-pro-6000-server"))
    'Not yet checked against its document: rtx-pro-6000-server, its bandwidth and FLOP/s.'
    >>> doubt(catalog.gpu("h100-sxm"))
    ''
    """
    phrases = []
    for name in dict.fromkeys(one.name for one in gpu.parts or (gpu,)):
        unread = (field for field, how in checked(record(name)).items() if how == UNREAD)
        fields = (field.partition(".")[0] for field in unread)
        words = dict.fromkeys(PREDICTED[field] for field in fields if field in PREDICTED)
        if words:
            phrases.append(f"{name}, its {' and '.join(words)}")
    return f"Not yet checked against its document: {'; '.join(phrases)}." if phrases else ""
