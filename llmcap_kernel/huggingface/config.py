"""Read a config.json and validate every field before it is used."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from ..files import decoded, unfenced
from ..refuse import BadInput, number, shown

MAX_FILE_BYTES = 10_000_000
MAX_LAYERS = 2_000
MAX_EXPERTS = 4_096

# Upper limits, so that no product of fields exceeds the range a Tensor accepts.
LIMITS = {
    "layers": MAX_LAYERS,
    "experts": MAX_EXPERTS,
    "width": 262_144,
    "ffn": 4_194_304,
    "heads": 4_096,
    "head": 8_192,
    "vocab": 16_000_000,
    "tokens": 100_000_000,
    "small": 65_536,
}
# The same field by its other names, tried in this order where the first is missing.
ALIASES = {
    "hidden_size": ("n_embd", "d_model", "dim", "embedding_dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers", "num_blocks"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads", "attention_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "num_attention_groups"),
    "head_dim": ("attention_head_dim", "dim_head", "kv_channels", "hidden_size_per_head"),
    "intermediate_size": ("n_inner", "ffn_dim", "dim_ff", "dff", "inner_hidden_size"),
    "num_experts": ("num_local_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": (
        *("num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts"),
        *("experts_per_token", "num_selected_experts"),
    ),
    "num_shared_experts": ("n_shared_experts", "moe_num_shared_experts"),
    "sliding_window": ("sliding_window_size", "attention_window_size", "window_size"),
    "max_position_embeddings": (
        *("n_positions", "seq_length", "max_seq_len", "n_ctx", "max_sequence_length"),
        *("model_max_length", "context_length", "max_seq_length", "seq_len"),
    ),
}
_REQUIRED: Any = object()
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
T = TypeVar("T")


class Fields:
    """A JSON object whose fields are read by name and checked for type and range.

    Parameters
    ----------
    data : dict
        The parsed object.
    where : str
        Path of the object in the file, for error messages.
    family : str
        Name of the architecture, for error messages.

    Examples
    --------
    >>> Fields({"hidden_size": 4096}).width("hidden_size")
    4096
    """

    def __init__(self, data: dict[str, Any], where: str = "", family: str = "this config") -> None:
        if not isinstance(data, dict):
            raise BadInput(
                where or "config",
                f"{where or 'config'} is {shown(data)}: it takes a JSON object of fields.",
            )
        self.data, self.where, self.family = data, where, family

    def path(self, name: str) -> str:
        """Return the full path of a field in the file."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Return whether the field is present and not null, by this name."""
        return self.data.get(name) is not None

    def tells(self, name: str) -> bool:
        """Return whether the field is present and not null, by this name or another."""
        return any(self.has(n) for n in (name, *ALIASES.get(name, ())))

    def _first(self, names: Sequence[str], default: Any) -> tuple[str | None, Any]:
        others = (other for name in names for other in ALIASES.get(name, ()))
        for name in (*names, *others):
            if self.data.get(name) is not None:
                return name, self.data[name]
        if default is _REQUIRED:
            also = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise BadInput(
                self.path(names[0]),
                f"{self.path(names[0])}{also} is missing: {self.family} cannot be counted"
                " without it.",
            )
        return None, default

    @overload
    def whole(self, *names: str, default: int = ..., low: int = ..., limit: str = ...) -> int: ...

    @overload
    def whole(self, *names: str, default: None, low: int = ..., limit: str = ...) -> int | None: ...

    def whole(
        self,
        *names: str,
        default: int | None = _REQUIRED,
        low: int = 1,
        limit: str = "small",
    ) -> int | None:
        """Read a whole number from the first of `names`, or of their aliases, that is present."""
        name, value = self._first(names, default)
        if name is None:
            return value
        return number(self.path(name), _unquoted(value), low, LIMITS[limit], whole=True)

    def width(self, *names: str, default: int = _REQUIRED) -> int:
        """Read a width of the model [elements]."""
        return self.whole(*names, default=default, limit="width")

    def real(self, name: str, default: float) -> float:
        """Read a number that may have a fraction."""
        found, value = self._first((name,), default)
        return value if found is None else number(self.path(name), _unquoted(value), -1e9, 1e9)

    def flag(self, name: str, default: bool = False) -> bool:
        """Read a boolean."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadInput(
                self.path(name), f"{self.path(name)} is {shown(value)}: it takes true or false."
            )
        return value

    def text(self, name: str, default: str = "") -> str:
        """Read a string."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise BadInput(self.path(name), f"{self.path(name)} is {shown(value)}: it takes text.")
        return value

    def items(self, name: str, default: Sequence[Any] = (), most: int = MAX_LAYERS) -> list[Any]:
        """Read a list of at most `most` items."""
        value = self.data.get(name)
        if value is None:
            return list(default)
        if not isinstance(value, list):
            raise BadInput(
                self.path(name), f"{self.path(name)} is {shown(value)}: it takes a list."
            )
        if len(value) > most:
            raise BadInput(
                self.path(name),
                f"{self.path(name)} has {len(value):,} items: it takes at most {most:,}.",
            )
        return value

    def wholes(
        self, name: str, default: Sequence[int] = (), low: int = 0, limit: str = "small"
    ) -> list[int]:
        """Read a list of whole numbers."""
        return [
            number(f"{self.path(name)}[{i}]", _unquoted(v), low, LIMITS[limit], whole=True)
            for i, v in enumerate(self.items(name, default))
        ]

    def wholes_per_layer(
        self,
        name: str,
        layers: int,
        default: Sequence[int] = (),
        low: int = 0,
        limit: str = "small",
    ) -> list[int]:
        """Read a list of whole numbers, one or more for each layer."""
        found = self.wholes(name, default, low, limit)
        self._one_each(name, found, layers)
        return found

    def _one_each(self, name: str, items: Sequence[Any], layers: int) -> None:
        if len(items) < layers:
            many = f"{self.path(name)} has {len(items)} items"
            message = f"{many}: it takes one for each of the {layers} layers."
            raise BadInput(self.path(name), message)

    def listed_layers(self, name: str, default: Iterable[int]) -> set[int]:
        """Read the layers that a list names, or one text with commas."""
        given = self.data.get(name)
        if given is None:
            return set(default)
        listed = given.split(",") if isinstance(given, str) else given
        try:
            return {int(one) for one in listed if str(one).strip()}
        except (TypeError, ValueError):
            where = self.path(name)
            message = f"{where} is {shown(given)}: it takes layers, as in 1,2,3."
            raise BadInput(where, message) from None

    def per_layer(
        self,
        name: str,
        layers: int,
        choices: Mapping[Any, T],
        default: Sequence[T] | None = None,
    ) -> list[T]:
        """Read a list with one item per layer, and translate the items.

        Parameters
        ----------
        name : str
            Name of the field.
        layers : int
            Number of layers.
        choices : mapping
            Accepted items, and what each is translated to.
        default : list, optional
            Result when the field is missing; None makes it required.

        Returns
        -------
        list
            The translated item of each layer.
        """
        if not self.has(name):
            if default is None:
                self._first((name,), _REQUIRED)
            return list(default or ())
        value = self.data[name]
        items = list(value) if isinstance(value, str) else self.items(name)
        self._one_each(name, items, layers)
        found = []
        for i, item in enumerate(items[:layers]):
            item = item if isinstance(item, str) and item in choices else _unquoted(item)
            known = isinstance(item, (str, int, bool)) and item in choices
            if not known:
                some = ", ".join(dict.fromkeys(str(c) for c in choices))
                raise BadInput(
                    self.path(name),
                    f"{self.path(name)}[{i}] is {shown(item)}: it takes one of {some:.150}.",
                )
            found.append(choices[item])
        return found

    def sub(self, name: str) -> "Fields | None":
        """Read a nested object, or None when it is missing."""
        if not self.has(name):
            return None
        return Fields(self.data[name], self.path(name), self.family)

    def need(self, name: str) -> "Fields":
        """Read a nested object that is required."""
        _, value = self._first((name,), _REQUIRED)
        return Fields(value, self.path(name), self.family)

    def under(self, defaults: Mapping[str, Any]) -> "Fields":
        """Return the same fields, with `defaults` for those that are missing.

        For families whose published files omit fields that equal the defaults in
        transformers.
        """
        merged = {**defaults, **{k: v for k, v in self.data.items() if v is not None}}
        return Fields(merged, self.where, self.family)


def _unquoted(value: Any) -> Any:
    """A number that a file has in quotes, as one; anything else as it is."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return value
    return float(value) if "." in value else int(value)


def read_json(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Read a config.json, given its path or that of its folder.

    Parameters
    ----------
    path : str or Path
        The file, or the folder that contains config.json.

    Returns
    -------
    tuple of dict and str
        The parsed object, and a name for the model taken from the path.

    Raises
    ------
    BadInput
        When the file cannot be read, is too large or is not JSON.
    """
    try:
        path = Path(path)
        if path.is_dir():
            path = path / "config.json"
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadInput(
                "config",
                f"config {shown(path.name)} has {size:,} bytes: it takes a JSON file of at "
                f"most {MAX_FILE_BYTES:,}.",
            )
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        reason = getattr(error, "strerror", None) or "the path is not usable"
        raise BadInput("config", f"config {shown(str(path))} cannot be read: {reason}.") from None
    try:
        data = json.loads(unfenced(decoded(raw)))
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadInput(
            "config", f"config {shown(path.name)} is not JSON{place}: it takes a config.json."
        ) from None
    if path.name != "config.json":
        return data, path.stem.split("__")[-1] or "model"
    if isinstance(data, dict) and not data.get("quantization_config"):
        data |= _beside(path.parent)
    return data, path.resolve().parent.name.split("__")[-1] or "model"


# Files beside a config in which older tools say how weights are quantised, and their method.
QUANTIZED_BY = {
    "hf_quant_config.json": "modelopt",
    "quantize_config.json": "gptq",
    "quant_config.json": "awq",
}


def _beside(folder: Path) -> dict[str, Any]:
    """What a folder says of quantisation outside its config; empty for nothing."""
    for name, method in QUANTIZED_BY.items():
        try:
            found = json.loads(decoded((folder / name).read_bytes()[:MAX_FILE_BYTES]))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            found = found.get("quantization") or found
            return {"quantization_config": {"quant_method": method, **found}}
    return {}
