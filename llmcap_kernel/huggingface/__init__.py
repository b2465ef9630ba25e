"""Import a Hugging Face config.json as a Model, counted tensor by tensor.

Architectures are in `families` and the modules it imports, their building blocks in
`parts`, and the tensors a checkpoint excludes from quantisation in `quantization`.
"""

import os
from typing import Any

from ..refuse import BadInput, shown
from ..spec import Model
from . import originals, sparsity
from .config import Fields, read_json
from .defaults import filled
from .families import FAMILIES, family_of
from .multimodal import classes_in
from .quantization import QUANTIZED, declared_kv, mark, native_format, quantization
from .rotary import table_bytes

MAX_NAME = 120


def load(
    path_or_dict: str | os.PathLike[str] | dict[str, Any],
    name: str | None = None,
    *,
    weights: str | None = None,
) -> Model:
    """Read a Hugging Face config.json into a Model.

    Weights are counted from the architecture, and agree with published checkpoints
    to well within a percent; caches are derived from the same fields.

    Parameters
    ----------
    path_or_dict : str, Path or dict
        The file, the folder that contains it, or its parsed content.
    name : str, optional
        Name of the model; taken from the path or the content by default.
    weights : str, optional
        A format that a person states: what the config says of its own is passed over then where
        it is not understood.

    Returns
    -------
    Model
        Tensors, caches, longest context and the format of the checkpoint.

    Raises
    ------
    BadInput
        When the file is not a config, a field is missing or invalid, or the
        architecture is unknown; the message says which.

    Examples
    --------
    >>> config = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    ...           "num_attention_heads": 32, "num_key_value_heads": 8,
    ...           "intermediate_size": 14336, "vocab_size": 128256,
    ...           "max_position_embeddings": 131072}
    >>> load(config, "llama-3.1-8b").params
    8030261248
    """
    if isinstance(path_or_dict, dict):
        data = path_or_dict
    else:
        if not isinstance(path_or_dict, (str, os.PathLike)):
            raise BadInput(
                "config",
                f"config is {shown(path_or_dict)}: it takes a path or the parsed object.",
            )
        data, found = read_json(path_or_dict)
        name = name or found
    data = originals.translated(_without_unread(data) if weights else data)
    c = Fields(data)
    source = data.get("_source")
    source = source if isinstance(source, str) else ""
    try:
        kind = family_of(c)
        whole, left_out = filled(data, *classes_in(c, kind))
        draft = FAMILIES[kind](Fields(whole, family=kind))
        return Model(
            name=_name(name, data, kind),
            family=kind,
            hidden_size=draft.hidden,
            layers=draft.layers,
            vocab_size=draft.vocab,
            max_context_tokens=draft.context,
            attention=draft.attention,
            tensors=mark(c, draft.pieces),
            experts=draft.experts,
            experts_per_token=draft.experts_per_token,
            moe_layers=draft.moe_layers,
            native_format=native_format(c),
            declared_kv=declared_kv(c),
            tied_embeddings=draft.tied,
            table_bytes=table_bytes(data, draft),
            source=source[:300],
            notes=(*draft.notes, *left_out, *_said(c)),
        )
    except RecursionError:
        raise BadInput("config", "config nests its objects too deeply to be read.") from None


def _said(c: Fields) -> tuple[str, ...]:
    """What is assumed of the format."""
    note = sparsity.note(quantization(c))
    return (note,) if note else ()


def _without_unread(data: dict[str, Any]) -> dict[str, Any]:
    """The config without a quantisation that is not understood."""
    try:
        native_format(Fields(data))
    except BadInput:
        return {k: v for k, v in data.items() if k not in QUANTIZED}
    return data


def _name(name: str | None, data: dict[str, Any], kind: str) -> str:
    for candidate in (name, data.get("_name_or_path"), kind):
        if isinstance(candidate, str) and candidate.strip():
            return candidate.strip().rstrip("/").split("/")[-1][:MAX_NAME] or kind
    return kind


__all__ = ["load"]
