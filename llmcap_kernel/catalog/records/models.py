"""Models of the catalogue, and what a name of none of them stands for."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

from ... import huggingface
from ...refuse import BadInput, either, shown
from ...spec import NO_CONFIG, Model
from .. import typical
from ..names.found import UNKNOWN, Found
from ..names.models import read as read_model
from ..names.models import respelt
from ..names.spelled import parts
from ..tables import FOLDER, named, table

MAX_NAME = 500  # longer names are no names
MOST_MEANT = 8  # records that a misspelt name is told
OR_ELSE = "Or give its config.json, or its size, as in 'dense 12B'."


def models() -> tuple[str, ...]:
    """List the names of all models.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "llama-3.1-70b" in models()
    True
    """
    return tuple(sorted(table("models")["models"]))


@cache
def model(name: str) -> Model:
    """Look up a model.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue, a repository, a file, or a size such as "dense 12B". The
        format in a name, and a fine-tune's own name, do not change which model it is. A size
        of a known family that has no config here takes the shape of the nearest, scaled.

    Returns
    -------
    Model
        The model, with its tensors counted from its `config.json`. Where that is not known,
        `source` says what was taken, and `assumed_shape` is true.

    Raises
    ------
    BadInput
        When the name is unknown, or could be several models: the message has the choices.

    Examples
    --------
    >>> round(model("llama-3.1-70b").params / 1e9, 2)
    70.55
    >>> model("dense 12B").source
    'no config: a typical dense model of 12B taken'
    """
    found = _found_model(name)
    if found.name not in table("models")["models"]:
        loaded = _shaped(found)
    else:
        loaded = _recorded(found.name)
    assumption = loaded.source if loaded.assumed_shape else found.assumed
    return replace(loaded, notes=(*loaded.notes, assumption)) if assumption else loaded


def _found_model(name: object) -> Found:
    found = read_model(name) if isinstance(name, str) and len(name) <= MAX_NAME else UNKNOWN
    if found.choices:
        raise BadInput("model", f"model {shown(name)} could be {either(found.choices)}.")
    if found.name:
        return found
    try:
        return found._replace(name=named("models", "model", name))
    except BadInput as unknown:
        hint = str(unknown)
        meant = respelt(name) if isinstance(name, str) and len(name) <= MAX_NAME else ()
        if 0 < len(meant) <= MOST_MEANT:  # of more, those that are spelled alike say more
            hint = f"model {shown(name)} is not known. Did you mean {either(meant)}?"
        raise BadInput("model", f"{hint} {OR_ELSE}") from None


@cache
def _recorded(name: str) -> Model:
    """The model of a record, counted from its config."""
    record = table("models")["models"][name]
    loaded = huggingface.load(FOLDER / "configs" / record["config"], name)
    native, source = record.get("native", loaded.native_format), record["source"]
    if "assumed" in record:
        source = f"{NO_CONFIG} of {name} here: {record['assumed']}"
    roles = tuple(record["nvfp4"]["roles"]) if "nvfp4" in record else ()
    return replace(loaded, source=source, native_format=native, nvfp4_roles=roles)


@cache
def _shaped(found: Found) -> Model:
    """A model of a size that has no config: a sibling scaled, or a typical shape."""
    asked = parts(found.name)
    total, active = asked.total * 1e9, asked.active * 1e9
    source = (
        found.assumed if found.assumed.startswith(NO_CONFIG) else f"{NO_CONFIG}: {found.assumed}"
    )
    if found.base in table("models")["models"]:
        like = model(found.base)
        if found.assumed.endswith(" taken"):
            return replace(like, name=found.name, source=source)
        if like.experts and not active:
            active = total * like.active_params / like.params
        try:
            return typical.scaled(config(found.base), like, found.name, total, active, source)
        except BadInput:  # a shape of its own, such as a state-space model's
            source += ", which its shape does not allow: a typical one taken"
    return typical.typical(found.name, total, active, source)


def config(name: str) -> dict[str, Any]:
    """Read the `config.json` that a model of the catalogue is counted from.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.

    Returns
    -------
    dict
        The parsed file.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> config("qwen3-8b")["num_hidden_layers"]
    36
    """
    record = table("models")["models"][named("models", "model", name)]
    path = FOLDER / "configs" / record["config"]
    return json.loads(path.read_text(encoding="utf-8"))


def changed(name: str, changes: dict[str, Any]) -> Model:
    """Count a model of the catalogue with another config, as `changed_config` has it.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.
    changes : dict
        Fields that go before those of its config, one within another too.

    Returns
    -------
    Model
        As engines read it with `--hf-overrides`.

    Raises
    ------
    BadInput
        When the name is unknown, or the config means no model any more.

    Examples
    --------
    >>> changed("qwen3-8b", {"num_hidden_layers": 4}).layers
    4
    """
    found = model(name)
    loaded = huggingface.load(changed_config(name, changes), found.name)
    return replace(loaded, source=found.source, native_format=found.native_format)


def changed_config(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into the config of a model of the catalogue.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.
    changes : dict
        Fields that go before those of its config, one within another too.

    Returns
    -------
    dict
        The config. A context that a scaling of the rotary embedding stretches is as long as that
        says, unless the changes state it.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    >>> changed_config("qwen3-8b", {"rope_scaling": yarn})["max_position_embeddings"]
    131072
    """
    found = model(name)
    merged = _merged(config(found.name), changes)
    for rope in (changes.get("rope_scaling"), changes.get("rope_parameters")):
        if isinstance(rope, dict) and "max_position_embeddings" not in changes:
            merged["max_position_embeddings"] = _stretched(rope, found.max_context_tokens)
    return merged


def _stretched(rope: dict[str, Any], known: int) -> int:
    """The context that a scaling of the rotary embedding stretches to, at least the known one."""
    start, factor = rope.get("original_max_position_embeddings"), rope.get("factor")
    if rope.get("rope_type", rope.get("type")) in ("linear", "dynamic"):
        start = known
    if not (isinstance(start, int) and isinstance(factor, int | float)):
        return known
    return int(max(start * factor, known)) if 0 < start * factor < 1e9 else known


def _merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    out = dict(config)
    for field, value in changes.items():
        both = isinstance(value, dict) and isinstance(out.get(field), dict)
        out[field] = _merged(out[field], value) if both else value
    return out
