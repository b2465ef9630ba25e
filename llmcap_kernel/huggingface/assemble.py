"""Combine the parts of every layer into one model's tensors and caches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .config import Fields
from .parts import NOTHING, Part, as_role, norms
from .windows import ASSUMED, WINDOWS

MOST_EXTENDED = 1024.0
# A tensor and the indices of the layers that contain it; None for one outside the layers.
Piece = tuple[Tensor, list[int] | None]


@dataclass
class Draft:
    """A model before the quantisation settings of its checkpoint are applied.

    `pieces` pairs each tensor with the indices of the layers that contain it, or
    with None when it is outside the layers, because quantisation configs name
    modules by layer index.
    """

    hidden: int
    layers: int
    vocab: int
    context: int
    attention: tuple[Attention, ...]
    pieces: list[Piece]
    experts: int = 0
    experts_per_token: int = 0
    moe_layers: int = 0
    tied: bool = False
    notes: tuple[str, ...] = ()


def grouped(parts: Iterable[Part]) -> list[tuple[Part, list[int]]]:
    """Group identical parts, each with the indices of the layers that have it."""
    groups: dict[int, tuple[Part, list[int]]] = {}
    for i, part in enumerate(parts):
        if part is not NOTHING:
            groups.setdefault(id(part), (part, []))[1].append(i)
    return list(groups.values())


def _merged(caches: Iterable[tuple[Attention, int]]) -> tuple[Attention, ...]:
    totals: dict[Attention, int] = {}
    for cache, layers in caches:
        one = replace(cache, layers=1)
        totals[one] = totals.get(one, 0) + layers
    return tuple(replace(one, layers=n) for one, n in totals.items())


def layer_count(c: Fields, *names: str) -> int:
    """Read the number of decoder layers."""
    return c.whole(*names, "num_hidden_layers", limit="layers")


def max_context(c: Fields, default: int | None = None) -> int:
    """Read the longest context a model was configured for [tokens].

    A sliding window does not limit it. Where the file does not say it is `default`, else that of
    the architecture's class. YaRN extends it, as vLLM has it (0.33, config/model.py).
    """
    default = default or WINDOWS.get(c.family)
    told = {} if default is None else {"default": default}
    stated = c.whole("max_position_embeddings", limit="tokens", **told)
    return max(stated, _extended(c.data, stated))


def rope_scaling(data: dict[str, Any]) -> dict[str, Any]:
    """Read how a config scales its rotary angles, with the kind; empty where it does not."""
    scaling = data.get("rope_scaling") or data.get("rope_parameters")
    if not isinstance(scaling, dict):
        return {}
    return {**scaling, "kind": scaling.get("rope_type") or scaling.get("type")}


def _extended(data: dict[str, Any], stated: int) -> int:
    """Compute the context to which YaRN extends that of the training; 0 without it."""
    scaling = rope_scaling(data)
    factor, trained = scaling.get("factor"), scaling.get("original_max_position_embeddings")
    if (
        scaling.get("kind") != "yarn"
        or not isinstance(factor, (int, float))
        or not 1 < factor < MOST_EXTENDED
    ):
        return 0
    return round(factor * (trained if isinstance(trained, int) else stated))


def _of_the_class(c: Fields) -> tuple[str, ...]:
    """What is said where a file does not state its context."""
    if c.tells("max_position_embeddings"):
        return ()
    tokens, whose = ASSUMED, "as vLLM does"
    if c.family in WINDOWS:
        tokens, whose = WINDOWS[c.family], f"the default of {c.family} in transformers"
    return (f"max_position_embeddings is not stated: {tokens:,} tokens taken, {whose}",)


def assemble(
    c: Fields,
    mixers: Part | list[Part],
    ffns: Part | list[Part] = NOTHING,
    *,
    layers: int | None = None,
    norm: int = 2,
    norm_bias: bool = False,
    layer_norms: list[Part] | None = None,
    final_norm: bool = True,
    tied: bool = False,
    tied_key: str = "tie_word_embeddings",
    head: bool = True,
    head_bias: bool = False,
    positions: int = 0,
    extra: Sequence[Tensor] = (),
    mtp: Sequence[Tensor] = (),
    context: int | None = None,
    hidden: int | None = None,
    vocab: int | None = None,
    notes: Sequence[str] = (),
) -> Draft:
    """Combine embeddings, layers, head and multi-token prediction.

    Parameters
    ----------
    c : Fields
        The config.
    mixers, ffns : Part or list of Part
        The token mixer and the feed-forward of each layer; a single part means all
        layers have the same.
    layers : int, optional
        Number of decoder layers; read from the config by default.
    norm : int
        Norms over the residual stream in each layer.
    norm_bias : bool
        Whether those norms are LayerNorms with a bias.
    layer_norms : list of Part, optional
        The norms of each layer, when layers differ.
    final_norm : bool
        Whether a norm stands before the head.
    tied : bool
        Whether the head shares the embedding table when the config does not say.
    tied_key : str
        The config field that says whether they are shared.
    head : bool
        Whether the model has an output head.
    head_bias : bool
        Whether the head has a bias.
    positions : int
        Rows of a learned position table; 0 for none [tokens].
    extra : tuple of Tensor
        Weights outside the layers.
    mtp : tuple of Tensor
        Weights of the multi-token-prediction layers.
    context : int, optional
        Longest context; read from the config by default [tokens].
    hidden : int, optional
        Width of the residual stream; read from the config by default [elements].
    vocab : int, optional
        Rows of the embedding table; read from the config by default [tokens].
    notes : tuple of str
        Assumptions made, for `Model.notes`.

    Returns
    -------
    Draft
        The assembled model.
    """
    layers = layers or layer_count(c)
    hidden = hidden or c.width("hidden_size")
    vocab = vocab or c.whole("vocab_size", limit="vocab")
    if layer_norms is None:
        layer_norms = [norms(hidden, norm, norm_bias)] * layers
    parts = _parts(c, layers, mixers, ffns, layer_norms)
    mixtures = [(part, where) for part, where in parts if part.experts]
    caches = [(own, len(where) * own.layers) for part, where in parts for own in part.attention]
    tied = c.flag(tied_key, tied)
    last = norms(hidden, 1 if final_norm else 0, norm_bias, "norm")
    outside = _ends(hidden, vocab, positions, last, head and not tied, head_bias)
    return Draft(
        hidden=hidden,
        layers=layers,
        vocab=vocab,
        context=context or max_context(c, WINDOWS.get(c.family, ASSUMED)),
        attention=_merged(caches),
        pieces=[*_pieces(parts), *((t, None) for t in (*outside, *extra, *mtp))],
        experts=max((part.experts for part, _ in mixtures), default=0),
        experts_per_token=max((part.experts_per_token for part, _ in mixtures), default=0),
        moe_layers=sum(len(where) for _, where in mixtures),
        tied=tied,
        notes=(*notes, *(() if context else _of_the_class(c))),
    )


def _ends(
    hidden: int, vocab: int, positions: int, last: Part, head: bool, bias: bool
) -> list[Tensor]:
    """The tables before the layers; the last norm and the head after them."""
    tensors = [Tensor("embed_tokens", "embedding", vocab * hidden, active=0.0, width=hidden)]
    if positions:
        tensors.append(Tensor("embed_positions", "norm", positions * hidden, split="none"))
    tensors += last.tensors
    if head:
        tensors.append(Tensor("lm_head", "head", vocab * hidden, width=hidden))
    if bias:
        tensors.append(Tensor("lm_head.bias", "norm", vocab))
    return tensors


def _parts(
    c: Fields,
    layers: int,
    mixers: Part | list[Part],
    ffns: Part | list[Part],
    layer_norms: list[Part],
) -> list[tuple[Part, list[int]]]:
    """The different parts of the layers, each with the indices of its layers."""
    mixers = mixers if isinstance(mixers, list) else [mixers] * layers
    ffns = ffns if isinstance(ffns, list) else [ffns] * layers
    if not (len(mixers) == len(ffns) == len(layer_norms) == layers):
        raise BadInput(
            c.path("num_hidden_layers"),
            f"{c.path('num_hidden_layers')} is {layers}, but the lists of layer kinds have "
            f"{len(mixers)} and {len(ffns)}: they must agree.",
        )
    return grouped(mixers) + grouped(ffns) + grouped(layer_norms)


def _pieces(parts: list[tuple[Part, list[int]]]) -> Iterator[Piece]:
    """Tensors with the layers that they stand in."""
    for part, where in parts:
        for t in part.tensors:
            yield replace(t, copies=t.copies * len(where), layers=tuple(where)), where


def mtp_layer(hidden: int, block: Part, copies: int) -> tuple[Tensor, ...]:
    """List multi-token-prediction layers: norms, a projection and one decoder layer each.

    They use the embedding and the head of the main model, so these are not
    counted again, although some checkpoints store a second copy.
    """
    if not copies:
        return ()
    rows = norms(hidden, 3).tensors
    rows += (Tensor("eh_proj", "attention", 2 * hidden * hidden, split="none"),)
    return as_role(Part(rows) + block + norms(hidden, 2), "mtp", copies)
