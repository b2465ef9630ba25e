"""Zamba: Mamba layers, and transformer blocks whose weights several layers share."""

from dataclasses import replace

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .hybrids import mamba1_of
from .parts import Part, mamba2, matrix, vector
from .registry import family

KINDS = {"linear_attention": 0, "mamba": 0, "hybrid": 1}


def _layers(c: Fields) -> list[int]:
    """Read which layers have a shared block."""
    layers = layer_count(c)
    if c.has("layers_block_type"):
        found = c.per_layer("layers_block_type", layers, KINDS)
    elif c.family == "zamba":
        found = _by_period(c, layers)
    else:
        at = set(c.wholes("hybrid_layer_ids"))
        found = [int(i in at) for i in range(layers)]
    if not any(found):
        raise BadInput(
            c.path("layers_block_type"),
            f"{c.path('layers_block_type')} names no hybrid layer: {c.family} needs one.",
        )
    return found


def _by_period(c: Fields, layers: int) -> list[int]:
    """Zamba's rule where its layers are not listed: configuration_zamba.py, layers_block_type."""
    period = c.whole("attn_layer_period", default=6, limit="layers")
    offset = c.whole("attn_layer_offset", default=4, low=0, limit="layers")
    return ([0, 0, 1] + [int(i % period == offset) for i in range(max(0, layers - 3))])[:layers]


def _block(c: Fields, hidden: int) -> tuple[tuple[Tensor, ...], Attention]:
    """List a shared block, which sees the layer before and the embedding side by side."""
    wide = c.width("attention_hidden_size", default=2 * hidden)
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_key_value_heads", default=heads, limit="heads")
    head = c.whole("attention_head_dim", default=max(1, wide // heads), limit="head")
    size = c.whole("intermediate_size", limit="ffn")
    rows = (
        matrix("shared_transformer.q_proj", "attention", wide, heads * head),
        matrix("shared_transformer.kv_proj", "attention", wide, 2 * kv * head, "kv"),
        matrix("shared_transformer.o_proj", "attention", heads * head, hidden),
        matrix("shared_transformer.gate_up_proj", "mlp", hidden, 2 * size),
        matrix("shared_transformer.down_proj", "mlp", size, hidden),
        vector("shared_transformer.norms", wide + hidden),
    )
    return rows, Attention("full", layers=1, heads=heads, kv_heads=kv, head_dim=head)


def _zamba(c: Fields, mamba: Part, blocks: int = 1, own: tuple[Tensor, ...] = ()) -> Draft:
    """Combine Mamba layers and `blocks` shared blocks; `own` is what each use adds to one."""
    hidden = c.width("hidden_size")
    hybrid = _layers(c)
    rows, cache = _block(c, hidden)
    blocks = min(blocks, sum(hybrid))
    uses = sum(hybrid) / blocks
    extra = tuple(replace(t, copies=t.copies * blocks, active=uses) for t in rows)
    linear = matrix("linear", "attention", hidden, hidden)
    both = mamba + Part((linear, *own), (cache,))
    mixers = [both if h else mamba for h in hybrid]
    return assemble(c, mixers, norm=1, tied=True, extra=extra)


@family("zamba")
def zamba(c: Fields) -> Draft:
    return _zamba(c, mamba1_of(c, c.width("hidden_size")))


@family("zamba2")
def zamba2(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    inner = c.whole("mamba_expand", default=2, limit="head") * hidden
    heads = c.whole("n_mamba_heads", default=8, limit="heads")
    mamba = mamba2(
        c,
        heads=heads,
        head=c.whole("mamba_headdim", default=max(1, inner // heads), limit="head"),
        groups=c.whole("mamba_ngroups", default=1, limit="head"),
        state=c.whole("mamba_d_state", default=64, limit="head"),
        kernel=c.whole("mamba_d_conv", default=4, limit="head"),
        conv_bias=c.flag("use_conv_bias", True),
        bias=c.flag("add_bias_linear"),
        prefix="mamba",
    )
    rank = c.whole("adapter_rank", default=128, limit="width")
    size = c.whole("intermediate_size", limit="ffn")
    own: tuple[Tensor, ...] = (matrix("gate_up_adapter", "mlp", rank, hidden + 2 * size),)
    if c.flag("use_shared_attention_adapter"):
        wide = c.width("attention_hidden_size", default=2 * hidden)
        own += (matrix("attention_adapter", "attention", rank, 2 * wide, copies=3),)
    return _zamba(c, mamba, c.whole("num_mem_blocks", default=1, limit="layers"), own)
