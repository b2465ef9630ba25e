"""Inkling: windows of many heads, relative positions, and short convolutions everywhere."""

from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .parts import Part, gqa, linear_state, matrix, mlp, moe, repeated, shape, vector
from .registry import every, family, first_dense, kinds_of


def _sizes(c: Fields, kind: str) -> tuple[int, int, int, int]:
    """Read the shape of attention, which windowed layers have of their own."""
    hidden, heads, kv, head = shape(c)
    if kind == "full":
        return hidden, heads, kv, head
    return (
        hidden,
        c.whole("swa_num_attention_heads", default=heads, limit="heads"),
        c.whole("swa_num_key_value_heads", default=kv, limit="heads"),
        c.whole("swa_head_dim", default=head, limit="head"),
    )


def _window(c: Fields, kind: str) -> int:
    return c.whole("sliding_window", limit="tokens") if kind == "window" else 0


def _reach(c: Fields, kind: str) -> int:
    """Read how far back positions are told apart [tokens]."""
    return _window(c, kind) or c.whole("rel_extent", default=1024, limit="tokens")


def _kinds(c: Fields) -> list[str]:
    return kinds_of(c, every(layer_count(c), 6, "full"))


def _conv_state(hidden: int, kv: int, head: int, taps: int) -> Part:
    """Describe what the four short convolutions of a layer look back on."""
    inputs = (2 * kv * head + 2 * hidden) * max(1, taps - 1)
    return Part((), (linear_state(0, 2, inputs, 2, 2 * inputs),))


@family("inkling_text")
def inkling(c: Fields) -> Draft:
    """Count Inkling: experts that share a router with the shared ones, a norm of the embedding."""
    hidden = c.width("hidden_size")
    pieces = {kind: _inkling_mixer(c, kind) for kind in ("full", "window")}
    size = c.whole("moe_intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts")
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        size,
        shared=shared * size,
    )
    if shared:
        sparse += Part((matrix("mlp.gate.shared", "router", hidden, shared, "none"),))
    return assemble(
        c,
        [pieces.get(k, pieces["full"]) for k in _kinds(c)],
        first_dense(c, sparse, lambda: mlp(c)),
        extra=(vector("embed_norm", hidden),),
    )


def _inkling_mixer(c: Fields, kind: str) -> Part:
    hidden, heads, kv, head = sizes = _sizes(c, kind)
    taps = c.whole("conv_kernel_size", "sconv_kernel_size", default=4, limit="head")
    rel = c.whole("d_rel", default=16, limit="head")
    extra = (
        matrix("self_attn.r_proj", "attention", hidden, heads * rel),
        vector("self_attn.rel_logits_proj", rel * _reach(c, kind)),
        vector("sconv", (2 * kv * head + 2 * hidden) * taps),
    )
    window = _window(c, kind)
    mixer = gqa(c, sizes=sizes, qk_norm="head", window=window, extra=extra)
    return mixer + _conv_state(hidden, kv, head, taps)


@family("inkling2_text", "inkling2_loop_text")
def inkling2(c: Fields) -> Draft:
    """Count Inkling 2, and its loop, which passes some layers several times."""
    hidden, layers = c.width("hidden_size"), layer_count(c)
    pieces = {kind: _inkling2_mixer(c, kind) for kind in ("full", "window")}
    mixers = [pieces.get(k, pieces["full"]) for k in _kinds(c)]
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
    )
    ffns = [sparse] * layers
    extra: list[Tensor] = [vector("embed_norm_final_input", 2 * hidden)]
    if c.family == "inkling2_loop_text":
        passes = c.whole("loop_num_passes", default=3, limit="head")
        start = c.whole("loop_layer_index_start", default=0, low=0, limit="layers")
        end = min(c.whole("loop_layer_index_end", default=layers, limit="layers"), layers)
        gates = _message_gates(c, hidden)
        looped = {id(p): repeated(p + gates, passes) for p in pieces.values()}
        again = repeated(sparse, passes)
        for i in range(start, end):
            mixers[i], ffns[i] = looped[id(mixers[i])], again
        extra.append(vector("message_input", 4 * hidden, copies=max(1, end - start)))
    vocab = c.whole("vocab_size", limit="vocab")
    rows = c.whole("unpadded_vocab_size", default=vocab, limit="vocab")
    extra.append(Tensor("lm_head", "head", rows * hidden, width=hidden))
    return assemble(c, mixers, ffns, head=False, extra=extra)


def _message_gates(c: Fields, hidden: int) -> Part:
    """List the gates of what a looped layer takes over from its last pass."""
    rank = c.whole("loop_gate_rank", limit="width")
    return Part((matrix("message_gate", "attention", hidden, 4 * 4 * rank, "none"),))


def _inkling2_mixer(c: Fields, kind: str) -> Part:
    hidden, heads, kv, head = sizes = _sizes(c, kind)
    taps = c.whole("conv_kernel_size", "sconv_kernel_size", default=4, limit="head")
    rel = c.whole("d_rel", default=16, limit="head")
    # Full layers have an input for queries, keys and values each, and convolutions that depend
    # on them; the others have one input and plain convolutions.
    inputs, norms = (3, 2) if kind == "full" else (1, 0)
    extra = [
        matrix("self_attn.o_proj.gate_proj", "attention", hidden, heads * head),
        matrix("self_attn.sink_proj", "attention", hidden, heads, "none"),
        matrix("self_attn.relative_position_bias", "attention", hidden, heads * rel),
        vector("self_attn.relative_position", rel * _reach(c, kind) + heads * (rel + head)),
        vector("sconv", (2 * kv * head + 2 * hidden) * taps),
        vector("input_query", (inputs + 1 + norms) * hidden),
    ]
    if kind == "full":
        extra.append(matrix("self_attn.sconv.weight_proj", "attention", hidden, 2 * taps * kv))
    mixer = gqa(c, sizes=sizes, window=_window(c, kind), extra=extra)
    return mixer + _conv_state(hidden, kv, head, taps)
