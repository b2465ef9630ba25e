"""Models that let a token pass the same weights several times, and byte patches."""

from dataclasses import replace

from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .parts import Part, gqa, matrix, mlp, norms, repeated, shape, vector
from .registry import family, window_of


@family("hrm_text")
def hrm_text(c: Fields) -> Draft:
    """Count HRM: a slow and a fast stack of layers, passed in cycles, a cache for each pass."""
    hidden, heads, _kv, head = shape(c)
    layers = c.whole("num_layers_per_stack", limit="layers")
    slow = c.whole("H_cycles", default=2, limit="head")
    fast = c.whole("L_cycles", default=3, limit="head") * slow
    bias = c.flag("attention_bias")
    gate = (matrix("self_attn.gate_proj", "attention", hidden, heads * head),)
    layer = gqa(c, qkv_bias=bias, o_bias=bias, extra=gate) + mlp(c, bias=c.flag("mlp_bias"))
    stacks = [repeated(layer, fast)] * layers + [repeated(layer, slow)] * layers
    extra = (vector("z_L_init", hidden),)
    return assemble(c, stacks, layers=2 * layers, norm=0, final_norm=False, extra=extra)


@family("dory")
def dory(c: Fields) -> Draft:
    """Count Dory: attention and feed-forward in layers of their own, the middle ones looped."""
    hidden, heads, _kv, head = shape(c)
    layers = layer_count(c)
    names = {"sliding_attention": "window", "full_attention": "full", "mlp": "mlp"}
    kinds = c.per_layer("layer_types", layers, names)
    bias, scale = c.flag("attention_bias"), vector("lambda", hidden)
    size = c.whole("intermediate_size", limit="ffn")
    extra = (
        matrix("self_attn.gate_proj", "attention", hidden, heads * head),
        vector("self_attn.scales", 2 * heads * head, "tp"),
        scale,
    )
    window = window_of(c)
    once = {
        "full": gqa(c, qkv_bias=bias, o_bias=bias, extra=extra),
        "window": gqa(c, qkv_bias=bias, o_bias=bias, extra=extra, window=window),
        "mlp": mlp(c, bias=c.flag("mlp_bias")) + Part((scale, vector("mlp.scales", 2 * size))),
    }
    loops = c.whole("n_recurrent_loops", default=1, limit="head")
    start = c.whole("n_input_layers", default=0, low=0, limit="layers")
    end = start + c.whole("n_recurrent_layers", default=0, low=0, limit="layers")
    own = c.text("recurrent_kv_cache_mode", "per_loop") != "last_loop"
    again = {}
    for kind, part in once.items():
        looped = repeated(part, loops)
        again[kind] = looped if own else Part(looped.tensors, part.attention)
    mixers = [(again if start <= i < end else once)[k] for i, k in enumerate(kinds)]
    vocab = c.whole("vocab_size", limit="vocab")
    extra_head = (vector("lm_head.logit_scale", vocab),)
    return assemble(c, mixers, norm=0, final_norm=False, extra=extra_head)


@family("blt")
def blt(c: Fields) -> Draft:
    """Count BLT: bytes in a small encoder and decoder, patches of them in a large one."""
    outer, inner = c.need("global_config"), c.need("decoder_config")
    encoder, patcher = c.need("encoder_config"), c.sub("patcher_config")
    stride = c.whole("patch_size", default=4, limit="head")
    wide, narrow = outer.width("hidden_size"), inner.width("hidden_size")
    parts = [_stack(outer, stride), _stack(encoder), _stack(inner)]
    times = c.whole("cross_attn_k", default=2, limit="head")
    every = layer_count(encoder) if encoder.flag("cross_attn_all_layers") else 1
    crossed = every + (layer_count(inner) if inner.flag("cross_attn_all_layers", True) else 1)
    tables = len(c.items("encoder_hash_byte_group_size", most=64)) * c.whole(
        "encoder_hash_byte_group_nb_functions", default=1, limit="head"
    )
    rows = c.whole("encoder_hash_byte_group_vocab", default=500_002, limit="vocab") * tables
    extra: list[Tensor] = [
        matrix("cross_attn", "attention", narrow, 4 * narrow, copies=crossed),
        vector("cross_attn.norms", 2 * narrow, copies=crossed),
        matrix("local_encoder.patch_embedding_projection", "mlp", narrow, times * narrow),
        matrix("local_decoder.patch_embedding_projection", "mlp", wide, times * narrow),
    ]
    if rows:
        extra.append(Tensor("encoder_hash_tok_embedding", "norm", rows * narrow, active=0.0))
    if patcher is not None and c.flag("patch_in_forward", True):
        extra += _patcher(patcher)
    mixers = [p for stack in parts for p in stack]
    return assemble(
        c,
        mixers,
        layers=len(mixers),
        norm=0,
        extra=extra,
        hidden=narrow,
        notes=(
            f"a token is a byte, a patch taken as {stride} bytes as configured; the caches of "
            "cross-attention and of the patcher are left out",
        ),
    )


def _stack(c: Fields, stride: int = 1) -> list[Part]:
    """List the layers of one of BLT's transformers, which sees one in `stride` bytes."""
    layer = gqa(c, window=window_of(c)) + mlp(c) + norms(c.width("hidden_size"), 2)
    if stride > 1:
        layer = Part(
            tuple(replace(t, active=t.active / stride) for t in layer.tensors),
            tuple(replace(a, stride_tokens=stride) for a in layer.attention),
        )
    return [layer] * layer_count(c)


def _patcher(c: Fields) -> list[Tensor]:
    """List the weights of the small model that says where a patch ends."""
    hidden, vocab = c.width("hidden_size"), c.whole("vocab_size", limit="vocab")
    layer = gqa(c) + mlp(c) + norms(hidden, 2)
    rows = [replace(t, copies=t.copies * layer_count(c)) for t in layer.tensors]
    tables = vector("patcher.embed_tokens_lm_head", 2 * vocab * hidden)
    return [*rows, tables, vector("patcher.norm", hidden)]
