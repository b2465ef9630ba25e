"""GPT-2 and its kin: LayerNorms and biases, learned or no positions, one wide feed-forward."""

from ..spec import Tensor
from .assemble import Draft, assemble, layer_count, max_context
from .config import Fields
from .parts import (
    gqa,
    mlp,
    norms,
    shape,
    vector,
)
from .registry import (
    LAYER_KINDS,
    family,
)


@family("persimmon")
def persimmon(c: Fields) -> Draft:
    norm = "head" if c.flag("qk_layernorm", True) else ""
    mixer = gqa(c, qkv_bias=True, o_bias=True, qk_norm=norm, norm_bias=True)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt2", "gpt_bigcode")
def gpt2(c: Fields) -> Draft:
    hidden, heads, kv, head = shape(c)
    if c.family == "gpt_bigcode":
        kv = 1 if c.flag("multi_query", True) else heads
    size = c.whole("n_inner", "intermediate_size", default=4 * hidden, limit="ffn")
    mixer = gqa(c, sizes=(hidden, heads, kv, head), qkv_bias=True, o_bias=True)
    feed = mlp(c, size, gated=False, bias=True)
    return assemble(c, mixer, feed, norm_bias=True, tied=True, positions=max_context(c))


@family("jais")
def jais(c: Fields) -> Draft:
    """Count Jais: GPT-2 with gated feed-forwards, and no table of positions with alibi."""
    hidden, _heads, _kv, _head = shape(c)
    size = c.whole("n_inner", "intermediate_size", default=4 * hidden, limit="ffn")
    gated = c.text("activation_function", "swiglu") == "swiglu"
    rows = max_context(c) if c.text("position_embedding_type", "alibi") == "learned" else 0
    return assemble(
        c,
        gqa(c, qkv_bias=True, o_bias=True),
        mlp(c, size, gated=gated, bias=True),
        norm_bias=True,
        tied=True,
        positions=rows,
    )


@family("gptj", "codegen")
def gptj(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    size = c.whole("n_inner", default=4 * hidden, limit="ffn")
    return assemble(
        c, gqa(c), mlp(c, size, gated=False, bias=True), norm=1, norm_bias=True, head_bias=True
    )


@family("gpt_neox")
def gpt_neox(c: Fields) -> Draft:
    bias = c.flag("attention_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    return assemble(c, mixer, mlp(c, gated=False, bias=True), norm_bias=True)


@family("gpt_neo")
def gpt_neo(c: Fields) -> Draft:
    hidden, _heads, _kv, _head = shape(c)
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    window = c.whole("window_size", default=256, limit="tokens")
    default = ["window" if i % 2 else "full" for i in range(layers)]
    kinds = c.per_layer("attention_layers", layers, LAYER_KINDS, default)
    pieces = {"full": gqa(c, o_bias=True), "window": gqa(c, o_bias=True, window=window)}
    return assemble(
        c,
        [pieces[k] for k in kinds],
        mlp(c, size, gated=False, bias=True),
        layers=layers,
        norm_bias=True,
        tied=True,
        positions=max_context(c),
    )


@family("opt")
def opt(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    word = c.width("word_embed_proj_dim", default=hidden)
    bias = c.flag("enable_bias", True)
    mixer = gqa(c, qkv_bias=bias, o_bias=bias)
    feed = mlp(c, c.whole("ffn_dim", limit="ffn"), gated=False, bias=bias)
    draft = assemble(
        c,
        mixer,
        feed,
        norm_bias=True,
        tied=True,
        positions=max_context(c) + 2,
        final_norm=c.flag("do_layer_norm_before", True),
    )
    if word != hidden:
        vocab = c.whole("vocab_size", limit="vocab")
        draft.pieces = [
            (Tensor("embed_tokens", "embedding", vocab * word, active=0.0), None)
            if t.name == "embed_tokens"
            else (t, where)
            for t, where in draft.pieces
        ] + [(Tensor("project_in_out", "mlp", word * hidden, copies=2), None)]
    return draft


@family("bloom")
def bloom(c: Fields) -> Draft:
    hidden, _heads, _kv, _head = shape(c)
    mixer = gqa(c, qkv_bias=True, o_bias=True)
    feed = mlp(c, 4 * hidden, gated=False, bias=True, hidden=hidden)
    extra = norms(hidden, 1, True, "word_embeddings_layernorm").tensors
    return assemble(
        c, mixer, feed, norm_bias=True, tied=True, extra=extra, context=max_context(c, 2048)
    )


@family("falcon", "RefinedWeb", "RefinedWebModel")
def falcon(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    new = c.flag("new_decoder_architecture", c.family == "RefinedWeb")
    kv = heads
    if new:
        kv = c.whole("num_key_value_heads", default=heads, limit="heads")
    elif c.flag("multi_query", True):
        kv = 1
    bias = c.flag("bias")
    size = c.whole("ffn_hidden_size", default=4 * hidden, limit="ffn")
    mixer = gqa(c, sizes=(hidden, heads, kv, max(1, hidden // heads)), qkv_bias=bias, o_bias=bias)
    two = c.whole("num_ln_in_parallel_attn", default=2 if new else 1, limit="head")
    count = two if c.flag("parallel_attn", True) else 2
    return assemble(
        c,
        mixer,
        mlp(c, size, gated=False, bias=bias),
        norm=count,
        norm_bias=True,
        tied=True,
        context=max_context(c, 2048),
    )


@family("mpt")
def mpt(c: Fields) -> Draft:
    hidden = c.width("hidden_size")
    heads = c.whole("n_heads", limit="heads")
    attention = c.sub("attn_config")
    kv = heads
    if attention:
        kv = attention.whole("kv_n_heads", default=heads, limit="heads")
        if attention.text("attn_type") == "multiquery_attention":
            kv = 1
    ratio = c.whole("expansion_ratio", default=4, limit="head")
    bias = not c.flag("no_bias", True)
    sizes = (hidden, heads, kv, max(1, hidden // heads))
    mixer = gqa(c, sizes=sizes, qkv_bias=bias, o_bias=bias)
    learned = not (attention and attention.flag("alibi", True)) if attention else False
    return assemble(
        c,
        mixer,
        mlp(c, ratio * hidden, gated=False, bias=bias),
        norm_bias=bias,
        tied=True,
        positions=max_context(c) if learned else 0,
    )


def chatglm1(c: Fields) -> Draft:
    """Count ChatGLM-6B, a GPT with rotary positions and a head of its own."""
    return assemble(
        c,
        gqa(c, qkv_bias=True, o_bias=True),
        mlp(c, gated=False, bias=c.flag("use_bias", True)),
        norm_bias=True,
    )


@family("xglm", "biogpt", "openai-gpt", "ctrl")
def gpt1(c: Fields) -> Draft:
    """Count decoders of GPT's first kind; two of them have sines for positions."""
    hidden = c.width("hidden_size")
    size = c.whole("intermediate_size", default=4 * hidden, limit="ffn")
    learned = {"biogpt": 2, "openai-gpt": 0}
    return assemble(
        c,
        gqa(c, qkv_bias=True, o_bias=True),
        mlp(c, size, gated=False, bias=True),
        norm_bias=True,
        tied=True,
        positions=max_context(c) + learned[c.family] if c.family in learned else 0,
        final_norm=c.family != "openai-gpt",
        head_bias=c.family == "ctrl",
    )


@family("gpt_neox_japanese")
def gpt_neox_japanese(c: Fields) -> Draft:
    """Count GPT-NeoX Japanese, whose last layer alone has a bias after attention."""
    hidden = c.width("hidden_size")
    feed = mlp(c, c.whole("intermediate_multiple_size", default=4) * hidden, gated=False)
    extra = (vector("attention.dense_bias", hidden),)
    return assemble(c, gqa(c), feed, norm_bias=True, tied=True, extra=extra)


@family("cpmant")
def cpmant(c: Fields) -> Draft:
    """Count CPM-Ant, whose positions are buckets of distance between segments."""
    hidden, heads, _kv, _head = shape(c)
    segments = c.whole("segment_types", default=32)
    buckets = c.whole("position_bias_num_buckets", default=512) + segments**2
    prompts = c.whole("prompt_types", default=32) * c.whole("prompt_length", default=32)
    extra = (
        vector("segment_embedding", segments * hidden),
        vector("position_bias", buckets * heads),
        vector("prompt_embedding", prompts * hidden),
    )
    distance = c.whole("position_bias_max_distance", default=2048, limit="tokens")
    # The head is never tied: the table has rows for prompts, which the head has not.
    return assemble(c, gqa(c), mlp(c), tied_key="", extra=extra, context=distance)


@family("chatglm")
def chatglm(c: Fields) -> Draft:
    if c.has("inner_hidden_size"):
        return chatglm1(c)
    hidden = c.width("hidden_size")
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = heads
    if c.flag("multi_query_attention"):
        kv = c.whole("multi_query_group_num", limit="heads")
    head = c.whole("kv_channels", default=max(1, hidden // heads), limit="head")
    bias = c.flag("add_qkv_bias", c.flag("add_bias_linear"))
    mixer = gqa(c, sizes=(hidden, heads, kv, head), qkv_bias=bias)
    feed = mlp(c, c.whole("ffn_hidden_size", limit="ffn"))
    vocab = c.whole("padded_vocab_size", "vocab_size", limit="vocab")
    return assemble(c, mixer, feed, layers=layers, vocab=vocab)
