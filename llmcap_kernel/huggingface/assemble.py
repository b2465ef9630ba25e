"""From the pieces of every layer to one model's tensors and caches."""

from dataclasses import dataclass, replace

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .parts import NOTHING, Part, as_role, norms


@dataclass
class Draft:
    """A model before its checkpoint's quantisation is looked at.

    `pieces` holds a tensor's record beside the layers it stands in, None for
    what stands in no layer; the quantisation lists speak of layers by number.
    """

    hidden: int
    layers: int
    vocab: int
    context: int
    attention: tuple
    pieces: list
    experts: int = 0
    experts_per_token: int = 0
    moe_layers: int = 0
    tied: bool = False
    notes: tuple = ()


def grouped(parts):
    """Give each different piece once, with the layers that have it."""
    groups: dict[int, tuple[Part, list[int]]] = {}
    for i, part in enumerate(parts):
        if part is not NOTHING:
            groups.setdefault(id(part), (part, []))[1].append(i)
    return list(groups.values())


def _merged(caches):
    totals: dict[Attention, int] = {}
    for cache, layers in caches:
        one = replace(cache, layers=1)
        totals[one] = totals.get(one, 0) + layers
    return tuple(replace(one, layers=n) for one, n in totals.items())


def layer_count(c, *names):
    """Read the number of layers."""
    return c.whole(
        *(names or ("num_hidden_layers", "n_layer", "n_layers", "num_layers")), limit="layers"
    )


def max_context(c, default=None):
    """Read the window a model was configured for; a sliding window is no limit to it."""
    names = (
        "max_position_embeddings",
        "n_positions",
        "seq_length",
        "max_seq_len",
        "n_ctx",
        "max_sequence_length",
        "model_max_length",
    )
    more = {} if default is None else {"default": default}
    return c.whole(*names, limit="tokens", **more)


def assemble(
    c,
    mixers,
    ffns=NOTHING,
    *,
    layers=None,
    norm=2,
    norm_bias=False,
    layer_norms=None,
    final_norm=True,
    tied=False,
    tied_key="tie_word_embeddings",
    head=True,
    head_bias=False,
    positions=0,
    extra=(),
    mtp=(),
    vision=(),
    context=None,
    hidden=None,
    vocab=None,
    notes=(),
):
    """Put embeddings, layers, head and side models together.

    Parameters
    ----------
    c : Fields
        The config [-].
    mixers, ffns : Part or list of Part
        What each layer is made of; one part stands for all layers [-].
    norm : int
        Norms of one layer over the residual stream [-].
    norm_bias : bool
        Whether they are LayerNorms with a bias [-].
    layer_norms : list of Part, optional
        Each layer's norms, when they differ [-].
    tied : bool
        What holds when the config does not say whether the head is the
        embedding table [-].
    positions : int
        Rows of a learned table of positions; 0 for none [tokens].
    extra : tuple of Tensor
        Weights outside the layers [-].
    mtp, vision : tuple of Tensor
        Weights of multi-token prediction and of the vision tower [-].

    Returns
    -------
    Draft
        The model [-].
    """
    layers = layers or layer_count(c)
    hidden = hidden or c.width("hidden_size", "n_embd", "d_model", "dim")
    vocab = vocab or c.whole("vocab_size", limit="vocab")
    mixers = mixers if isinstance(mixers, list) else [mixers] * layers
    ffns = ffns if isinstance(ffns, list) else [ffns] * layers
    if layer_norms is None:
        layer_norms = [norms(hidden, norm, norm_bias)] * layers
    if not (len(mixers) == len(ffns) == len(layer_norms) == layers):
        raise BadInput(
            c.path("num_hidden_layers"),
            f"{c.path('num_hidden_layers')} is {layers}, but the lists of layer kinds have "
            f"{len(mixers)} and {len(ffns)}: they must agree.",
        )
    pieces, caches = [], []
    experts = per_token = moe_layers = 0
    for part, where in grouped(mixers) + grouped(ffns) + grouped(layer_norms):
        n = len(where)
        pieces += [(replace(t, copies=t.copies * n), where) for t in part.tensors]
        caches += [(cache, n * cache.layers) for cache in part.attention]
        if part.experts:
            moe_layers += n
            experts = max(experts, part.experts)
            per_token = max(per_token, part.experts_per_token)
    tied = c.flag(tied_key, tied)
    outside = [Tensor("embed_tokens", "embedding", vocab * hidden, active=0.0)]
    if positions:
        outside.append(Tensor("embed_positions", "norm", positions * hidden, split="none"))
    if final_norm:
        outside += norms(hidden, 1, norm_bias, "norm").tensors
    if head and not tied:
        outside.append(Tensor("lm_head", "head", vocab * hidden))
    if head_bias:
        outside.append(Tensor("lm_head.bias", "norm", vocab))
    pieces += [(t, None) for t in (*outside, *extra, *mtp, *vision)]
    return Draft(
        hidden=hidden,
        layers=layers,
        vocab=vocab,
        context=context or max_context(c),
        attention=_merged(caches),
        pieces=pieces,
        experts=experts,
        experts_per_token=per_token,
        moe_layers=moe_layers,
        tied=tied,
        notes=tuple(notes),
    )


def mtp_layer(hidden, block, copies, *, projection=2, extra_norms=3):
    """List multi-token-prediction layers: two norms, a projection, one decoder layer.

    The embedding and the head they use are the main model's, so they are not
    counted again, though some checkpoints store a second copy.
    """
    if not copies:
        return ()
    rows = norms(hidden, extra_norms).tensors
    rows += (Tensor("eh_proj", "attention", projection * hidden * hidden, split="none"),)
    return as_role(Part(rows) + block + norms(hidden, 2), "mtp", copies)
