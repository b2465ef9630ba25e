"""Engines of the catalogue, and the version that stands for another."""

import re
from functools import cache
from typing import Any

from ...refuse import BadInput
from ...spec import BatchLimits, Engine
from .. import cards
from ..names import engines as names
from ..tables import MAX_SPELLED, key, known, named, table

DEFAULT_ENGINE = "vllm"
PROMPTS_OF = ("launches_prompts_of", "graphs_prompts_of")


def engines() -> tuple[str, ...]:
    """List the names of all engine versions.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "vllm-0.19" in engines()
    True
    """
    return tuple(sorted(table("engines")["engines"]))


@cache
def engine(name: str = DEFAULT_ENGINE) -> Engine:
    """Look up an engine.

    Parameters
    ----------
    name : str
        Name or alias; the name of an engine without a version means its newest. A version
        that the catalogue lacks is answered by the newest that is not newer.

    Returns
    -------
    Engine
        The engine, with its memory settings and overheads; its title says where it stands in
        for another version.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> engine("vllm-0.19").block_tokens
    16
    """
    asked, name = name, _engine_name(name)
    fields = cards.plain(engine_record(name))
    version = fields.pop("version")
    fields["title"] = f"{fields.pop('name')} {version}"
    if isinstance(asked, str) and key(asked) not in {*known("engines"), name}:
        same = re.match(re.escape(name) + r"\b", key(asked))  # a patch release of it
        fields["title"] += "" if same else f", in place of {asked}"
    fields["release"] = tuple(map(int, re.findall(r"\d+", version)))
    fields["limits"] = tuple(_batch_limits(one) for one in fields["limits"])
    fields.pop("since", None)
    for names_of in ("small_cards", "wide_graphs", "reads_kv_of", *PROMPTS_OF):
        fields[names_of] = tuple(fields.get(names_of, ()))
    return Engine(name=name, **fields)


def _engine_name(name: object) -> str:
    try:
        return named("engines", "engine", name)
    except BadInput:
        meant = names.program(name) if isinstance(name, str) and len(name) <= MAX_SPELLED else None
        if not meant or meant.name == "other":
            raise
    return names.engine_record(str(name), "")


def engine_record(name: str) -> dict[str, Any]:
    """Look up an engine's raw record.

    Parameters
    ----------
    name : str
        A name of the catalogue.

    Returns
    -------
    dict
        Each figure with its source, those of the engine that it is like among them.

    Examples
    --------
    >>> engine_record("vllm-0.19")["block_tokens"]["value"]
    16
    """
    record = dict(table("engines")["engines"][name])
    record.pop("aliases", None)
    like = record.pop("like", None)
    return (engine_record(like) if like else {}) | record


def _batch_limits(given: dict[str, Any]) -> BatchLimits:
    below = given.get("below_gib")
    rest = {k: v for k, v in given.items() if k != "below_gib"}
    return BatchLimits(**rest) if below is None else BatchLimits(below * 2**30, **rest)
