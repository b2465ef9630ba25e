"""The registry of architectures, and readers of fields that several of them share."""

from collections.abc import Callable, Sequence
from typing import Any

from ..refuse import BadInput
from ..spec import Tensor
from .assemble import Draft, layer_count, max_context
from .config import Fields
from .parts import (
    Part,
    matrix,
    moe,
    vector,
)

Builder = Callable[[Fields], Draft]
FAMILIES: dict[str, Builder] = {}


def family(*names: str) -> Callable[[Builder], Builder]:
    """Register a function as the builder for some values of model_type."""

    def register(build: Builder) -> Builder:
        for name in names:
            FAMILIES[name] = build
        return build

    return register


def window_of(c: Fields) -> int:
    """Read the sliding window; 0 without one or when it covers the context [tokens]."""
    window = c.whole("sliding_window", default=0, low=0, limit="tokens")
    return 0 if window >= max_context(c, default=window + 1) else window


LAYER_KINDS = {
    "full_attention": "full",
    "attention": "full",
    "global": "full",
    "global_attention": "full",
    "sliding_attention": "window",
    "local": "window",
    "sliding": "window",
    "swa": "window",
    "chunked_attention": "window",
    "linear_attention": "linear",
    "mamba": "mamba",
    "conv": "conv",
    "deepseek_sparse_attention": "full",
    "indexed_attention": "full",
    "hybrid": "full",
    "hybrid_sliding": "window",
}


def kinds_of(c: Fields, default: Sequence[str] | None) -> list[str]:
    """Read the kind of each layer from layer_types, or return the default."""
    return c.per_layer("layer_types", layer_count(c), LAYER_KINDS, default)


def every(layers: int, period: int, full: str, local: str = "window") -> list[str]:
    """List layer kinds where every `period`-th layer is `full` and the others `local`."""
    return [full if (i + 1) % period == 0 else local for i in range(layers)]


def alternating(c: Fields, default: Sequence[str], build: Callable[[int], Part]) -> list[Part]:
    """Build full and windowed layers as listed in layer_types, or by default."""
    kinds = kinds_of(c, default)
    window = window_of(c)
    pieces = {"full": build(0), "window": build(window) if window else build(0)}
    bad = next((k for k in kinds if k not in pieces), None)
    if bad:
        raise BadInput(
            c.path("layer_types"),
            f"{c.path('layer_types')} has {bad!r} layers, which {c.family} does not have.",
        )
    return [pieces[k] for k in kinds]


def layer_fields(c: Fields, layers: int) -> list[Fields]:
    """Give each layer's fields: those of the config, with what `per_layer_config` changes."""
    own = c.data.get("per_layer_config")
    own = own if isinstance(own, dict) else {}
    changes = {
        int(name): change
        for name, change in own.items()
        if name.isdecimal() and len(name) < 6 and isinstance(change, dict)
    }
    return [
        Fields({**c.data, **changes[i]}, c.where, c.family) if i in changes else c
        for i in range(layers)
    ]


def by_layer(c: Fields, kinds: Sequence[str], build: Callable[[Fields, str], Part]) -> list[Part]:
    """Build each layer by its kind and its own fields; equal ones once."""
    built: dict[str, Part] = {}
    parts = []
    for own, kind in zip(layer_fields(c, len(kinds)), kinds, strict=True):
        changed = (
            "" if own is c else sorted((k, v) for k, v in own.data.items() if v != c.data.get(k))
        )
        key = f"{kind} {changed}"
        if key not in built:
            built[key] = build(own, kind)
        parts.append(built[key])
    return parts


def qwen_window(c: Fields, build: Callable[[int], Part]) -> Part | list[Part]:
    """Build Qwen's attention, windowed from layer max_window_layers on if enabled."""
    layers = layer_count(c)
    if not c.flag("use_sliding_window"):
        return build(0)
    first = c.whole("max_window_layers", default=layers, low=0, limit="layers")
    return alternating(c, ["full" if i < first else "window" for i in range(layers)], build)


def qwen_sparse(c: Fields, sparse: Part, dense: Callable[[], Part]) -> list[Part]:
    """Choose MoE or dense per layer from mlp_only_layers and decoder_sparse_step."""
    step = c.whole("decoder_sparse_step", default=1)
    only = set(c.wholes("mlp_only_layers"))
    layers = layer_count(c)
    moe_at = [i not in only and (i + 1) % step == 0 for i in range(layers)]
    feed = sparse if all(moe_at) else dense()
    return [sparse if at else feed for at in moe_at]


def qwen_moe(c: Fields, **more: Any) -> Part:
    """Build a mixture of experts from Qwen's field names; `more` goes to `parts.moe`."""
    return moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
        shared=c.whole("shared_expert_intermediate_size", default=0, low=0, limit="ffn"),
        **more,
    )


def first_dense(c: Fields, sparse: Part, dense: Callable[[], Part], default: int = 0) -> list[Part]:
    """Choose MoE or dense per layer from mlp_layer_types, or the first dense layers and a step."""
    layers = layer_count(c)
    if c.has("mlp_layer_types"):
        kinds = c.per_layer("mlp_layer_types", layers, {"dense": 0, "sparse": 1, "moe": 1})
    elif isinstance(c.data.get("moe_layer_freq"), list):
        kinds = c.per_layer("moe_layer_freq", layers, {0: 0, 1: 1})
    else:
        first = c.whole("first_k_dense_replace", default=default, low=0, limit="layers")
        step = c.whole("moe_layer_freq", default=1)
        kinds = [int(i >= first and i % step == 0) for i in range(layers)]
    feed = sparse if all(kinds) else dense()
    return [sparse if k else feed for k in kinds]


def deepseek_moe(c: Fields, **more: Any) -> Part:
    """Build a mixture of experts from DeepSeek's field names; `more` goes to `parts.moe`."""
    size = c.whole("moe_intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts")
    more.setdefault("shared", shared * size)
    return moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        size,
        **more,
    )


def per_layer_embedding(c: Fields, layers: int, hidden: int, per_layer: int) -> tuple[Tensor, ...]:
    """List Gemma's per-layer embedding tables, which are looked up and never multiplied.

    Their role is "norm", because a tied head would count "embedding" as read.
    """
    vocab = c.whole("vocab_size_per_layer_input", default=262_144, limit="vocab")
    return (
        Tensor("embed_tokens_per_layer", "norm", vocab * per_layer, copies=layers, active=0.0),
        matrix("per_layer_model_projection", "mlp", hidden, layers * per_layer, "none"),
        vector("per_layer_projection_norm", per_layer),
    )


def one_or_list(c: Fields, name: str, default: int | None = None, limit: str = "small") -> int:
    """Read a number given once or as a list with one per layer, then the largest of them."""
    if isinstance(c.data.get(name), list):
        values = c.wholes(name, limit=limit)
        if not values:
            raise BadInput(c.path(name), f"{c.path(name)} is empty: it takes a number.")
        return max(values)
    return (
        c.whole(name, limit=limit)
        if default is None
        else c.whole(name, default=default, low=0, limit=limit)
    )
