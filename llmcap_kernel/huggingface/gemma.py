"""Gemma, whose layers alternate windows, share caches and take embeddings of their own."""

from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .parts import (
    Part,
    gqa,
    matrix,
    mlp,
    moe,
    norms,
    shape,
    vector,
)
from .registry import (
    alternating,
    by_layer,
    every,
    family,
    kinds_of,
    per_layer_embedding,
    window_of,
)


@family("gemma", "gemma2")
def gemma(c: Fields) -> Draft:
    four = c.family == "gemma2"
    layers = layer_count(c)
    if not four:
        return assemble(c, gqa(c), mlp(c), tied=True)
    default = every(layers, 2, "full")
    return assemble(
        c, alternating(c, default, lambda w: gqa(c, window=w)), mlp(c), norm=4, tied=True
    )


@family("gemma3_text")
def gemma3(c: Fields) -> Draft:
    period = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    default = every(layer_count(c), period, "full")
    mixers = alternating(c, default, lambda w: gqa(c, qk_norm="head", window=w))
    return assemble(c, mixers, mlp(c), norm=4, tied=True)


@family("gemma4_text", "gemma4_unified_text")
def gemma4(c: Fields) -> Draft:
    """Count Gemma 4, whose global layers have wider heads and may use keys as values."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    shared = c.whole("num_kv_shared_layers", default=0, low=0, limit="layers")
    per_layer = c.whole("hidden_size_per_layer_input", default=0, low=0, limit="width")
    return assemble(
        c,
        _gemma4_attention(c, layers - shared, _side_inputs(hidden, per_layer)),
        _gemma4_ffns(c, layers - shared),
        norm=4 + (1 if per_layer else 0),
        tied=True,
        extra=per_layer_embedding(c, layers, hidden, per_layer) if per_layer else (),
    )


def _side_inputs(hidden: int, per_layer: int) -> tuple[Tensor, ...]:
    """List what mixes a layer's own embedding of the token into it."""
    if not per_layer:
        return ()
    return (
        matrix("per_layer_input_gate", "mlp", hidden, per_layer),
        matrix("per_layer_projection", "mlp", per_layer, hidden),
    )


def _gemma4_attention(c: Fields, with_cache: int, side: tuple[Tensor, ...]) -> list[Part]:
    """List the attention of each layer; those behind `with_cache` read an earlier one's cache."""
    hidden, heads, kv, _head = shape(c)
    wide = c.whole("global_head_dim", default=512, limit="head")
    same = c.flag("attention_k_eq_v")
    wide_kv = kv
    if same:
        wide_kv = c.whole("num_global_key_value_heads", default=kv, limit="heads")
    window = window_of(c)

    def build(own: Fields, kind: str) -> Part:
        local, cached = kind.startswith("window"), not kind.endswith("shared")
        # Files saved anew list the global layers' shape layer by layer.
        sizes = shape(own) if local or own is not c else (hidden, heads, wide_kv, wide)
        return gqa(
            c,
            sizes=sizes,
            qk_norm="head",
            window=window if local else 0,
            has_v=local or not same,
            extra=side,
            cached=cached,
        )

    kinds = kinds_of(c, every(layer_count(c), 6, "full"))
    named = [
        ("window" if kind == "window" else "full") + ("" if i < with_cache else " shared")
        for i, kind in enumerate(kinds)
    ]
    return by_layer(c, named, build)


def _gemma4_ffns(c: Fields, single: int) -> list[Part]:
    """List the feed-forward of each layer, which those behind `single` may have twice as wide."""
    layers, size = layer_count(c), c.whole("intermediate_size", limit="ffn")
    dense = mlp(c, size)
    if c.flag("enable_moe_block"):
        sparse = moe(
            c,
            c.whole("num_experts", limit="experts"),
            c.whole("num_experts_per_tok"),
            c.whole("moe_intermediate_size", "expert_intermediate_size", limit="ffn"),
            prefix="moe",
            router="router.proj",
        )
        dense = dense + sparse + norms(c.width("hidden_size"), 4, name="moe_layernorm")
    if not c.flag("use_double_wide_mlp") or single == layers:
        return [dense] * layers
    double = mlp(c, 2 * size)
    return [dense if i < single else double for i in range(layers)]


@family("gemma3n_text")
def gemma3n(c: Fields) -> Draft:
    layers = layer_count(c)
    hidden, _heads, _kv, _head = shape(c)
    sizes = c.data.get("intermediate_size")
    sizes = (
        c.wholes("intermediate_size", limit="ffn")
        if isinstance(sizes, list)
        else [c.whole("intermediate_size", limit="ffn")] * layers
    )
    per_layer = c.whole("hidden_size_per_layer_input", default=256, limit="width")
    inputs = c.whole("altup_num_inputs", default=4, limit="head")
    rank = c.whole("laurel_rank", default=64, limit="width")
    shared = c.whole("num_kv_shared_layers", default=15, low=0, limit="layers")
    window = window_of(c)
    side = (
        *_side_inputs(hidden, per_layer),
        matrix("laurel.linear_left", "mlp", hidden, rank),
        matrix("laurel.linear_right", "mlp", rank, hidden),
        vector("altup", 2 * hidden + inputs * (inputs + inputs**2 + hidden)),
    )
    kinds = kinds_of(c, every(layers, 5, "full"))
    pieces, mixers = {}, []
    for i, kind in enumerate(kinds):
        key = (kind, i < layers - shared)
        if key not in pieces:
            pieces[key] = gqa(
                c,
                qk_norm="head",
                window=window if kind == "window" else 0,
                extra=side,
                cached=key[1],
            )
        mixers.append(pieces[key])
    built = {s: mlp(c, s) for s in set(sizes[:layers])}
    extra = (
        *per_layer_embedding(c, layers, hidden, per_layer),
        Tensor("altup_projections", "mlp", hidden * hidden, copies=2 * max(1, inputs - 1)),
    )
    return assemble(c, mixers, [built[s] for s in sizes[:layers]], norm=6, tied=True, extra=extra)
