"""Architectures that engines serve and transformers has not: tensors by the engines' own models.

vLLM 0.33, `model_executor/models` and `models`; SGLang 0.5.23, `srt/models` and `srt/configs`.
"""

from dataclasses import replace

from ..refuse import BadInput, shown
from ..spec import Tensor
from .assemble import Draft, assemble, layer_count, mtp_layer
from .config import Fields
from .parts import (
    Part,
    delta_net,
    gqa,
    kimi_delta,
    linear_state,
    matrix,
    mla,
    mlp,
    moe,
    repeated,
    shape,
    vector,
)
from .registry import (
    FAMILIES,
    deepseek_moe,
    every,
    family,
    first_dense,
    kinds_of,
    qwen_moe,
    window_of,
)


@family("nanbeige")
def nanbeige(c: Fields) -> Draft:
    """Count Nanbeige 4: Llama's layers, passed several times, each with a cache of its own."""
    loops = c.whole("num_loops", default=2, limit="head")
    return assemble(c, repeated(gqa(c), loops), repeated(mlp(c), loops))


@family("iquest_loopcoder", "iquestloopcoder")
def iquest_loopcoder(c: Fields) -> Draft:
    """Count IQuest's looped coder: later passes have a window, and read what the first keeps."""
    _hidden, heads, _kv, head = shape(c)
    loops = c.whole("loop_num", default=2, limit="head")
    gates = (vector("gate_projections", (head + 1) * heads),)
    mixer = repeated(gqa(c, extra=gates), loops)
    near = gqa(c, window=c.whole("loop_window_size", default=64, limit="tokens"))
    (whole,), (window,) = mixer.attention, near.attention
    caches = (replace(whole, layers=1), *([replace(window, layers=loops - 1)] * (loops > 1)))
    note = f"{loops - 1} passes read what the first keeps: that reading is not counted"
    mixer = replace(mixer, attention=caches)
    notes = (note,) if loops > 1 else ()
    return assemble(c, mixer, repeated(mlp(c), loops), notes=notes)


@family("iquest_q1")
def iquest_q1(c: Fields) -> Draft:
    """Count IQuest Q1: a key that is a sink for each KV head, and norms around both parts."""
    layers, (_hidden, _heads, kv, head) = layer_count(c), shape(c)
    sink = (vector("self_attn.sink_k", kv * head),) if c.flag("enable_sink_attention", True) else ()
    window = c.whole("sliding_window", default=4096, limit="tokens")
    pieces = {
        "full": gqa(c, qk_norm="head", extra=sink),
        "window": gqa(c, qk_norm="head", extra=sink, window=window),
    }
    kinds = kinds_of(c, ["full" if i % 4 == 1 or i in (0, layers - 1, layers - 2) else "window"
                         for i in range(layers)])  # fmt: skip
    if not (c.flag("use_hybrid_layers", True) and c.flag("use_sliding_window", True)):
        kinds = ["full"] * layers
    dense = set(c.wholes("mlp_only_layers")) if c.has("mlp_only_layers") else {0}
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("intermediate_size", limit="ffn"),
    )
    feed = mlp(c, c.whole("dense_intermediate_size", "intermediate_size", limit="ffn"))
    mixers = [pieces.get(kind, pieces["full"]) for kind in kinds]
    return assemble(c, mixers, [feed if i in dense else sparse for i in range(layers)], norm=4)


@family("domyn_edge")
def domyn_edge(c: Fields) -> Draft:
    """Count Domyn Edge: keys have a norm with weights, and each layer states its window."""
    layers, (hidden, heads, kv, head) = layer_count(c), shape(c)
    listed = c.items("window_sizes")
    spans = [one[0] if isinstance(one, list) and one else one for one in listed] or [-1] * layers
    if len(spans) < layers or not all(type(span) is int for span in spans):
        where = c.path("window_sizes")
        raise BadInput(where, f"{where} is {shown(listed)}: it takes a pair for each layer.")
    norm = (vector("attention.k_norm", head),)
    built: dict[int, Part] = {}
    for span in set(spans[:layers]):
        wide = span + 1 if span > 0 else 0
        built[span] = gqa(c, sizes=(hidden, heads, kv, head), window=wide, extra=norm)
    return assemble(c, [built[span] for span in spans[:layers]], mlp(c), norm=4)


@family("param2moe")
def param2_moe(c: Fields) -> Draft:
    """Count Param 2: Ling's experts, of which the shared ones may state their width in all."""
    own = c.under({"use_qk_norm": False, "first_k_dense_replace": 1, "num_shared_experts": 1})
    if own.has("moe_shared_expert_intermediate_size"):
        own = Fields({**own.data, "num_shared_experts": 1}, c.where, c.family)
    return FAMILIES["bailing_moe_v2"](own)


@family("minicpm_sala")
def minicpm_sala(c: Fields) -> Draft:
    """Count MiniCPM-SALA: softmax attention in some layers, lightning attention in the others."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    bias = c.flag("attention_bias")
    kinds = c.per_layer(
        "mixer_types",
        layers,
        {"minicpm4": "full", "lightning-attn": "linear", "lightning": "linear"},
    )
    _hidden, heads, _kv, head = shape(c)
    gate = matrix("self_attn.o_gate", "attention", hidden, heads * head)
    full = gqa(
        c,
        qkv_bias=bias,
        o_bias=bias,
        extra=(gate,) if c.flag("attn_use_output_gate") else (),
    )
    pieces = {"full": full, "linear": _lightning(c, bias) if "linear" in kinds else full}
    notes = ["attention to selected blocks is counted as attention to all"]
    notes = notes if c.has("sparse_config") else []
    return assemble(c, [pieces[kind] for kind in kinds], mlp(c), notes=notes)


def _lightning(c: Fields, bias: bool) -> Part:
    """List MiniCPM's lightning attention, whose heads are of a size of their own."""
    hidden = c.width("hidden_size")
    heads, kv = c.whole("lightning_nh", limit="heads"), c.whole("lightning_nkv", limit="heads")
    head = c.whole("lightning_head_dim", limit="head")
    wide = heads * head
    rows = [
        matrix("self_attn.qkv_proj", "attention", hidden, wide + 2 * kv * head),
        matrix("self_attn.o_proj", "attention", wide, hidden),
    ]
    if c.flag("use_output_gate"):
        rows.append(matrix("self_attn.z_proj", "attention", hidden, wide))
    small = wide * c.flag("use_output_norm") + 2 * head * c.flag("qk_norm", True)
    small += (2 * wide + 2 * kv * head + hidden) * bias
    rows += [vector("self_attn.vectors", small)] if small else []
    cells = wide * head
    return Part(tuple(rows), (linear_state(cells, 4, 0, 2, 5 * cells),))


@family("alice_ai")
def alice_ai(c: Fields) -> Draft:
    """Count AliceAI: Kimi's delta attention, Qwen's gated attention, residuals that are chosen."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    sizes = (
        c.whole("linear_num_key_heads", limit="heads"),
        c.whole("linear_key_head_dim", limit="head"),
        c.whole("linear_conv_kernel_dim", default=4, limit="head"),
    )
    pieces = {
        "full": gqa(c, qk_norm="head", gate=True),
        "linear": kimi_delta(hidden, *sizes),
    }
    kinds = kinds_of(c, every(layers, 4, "full", "linear"))
    sparse = qwen_moe(c, shared_gate=True, correction=True)
    # a norm and a column before both parts of a layer but the first mixer, and before the head
    chosen = vector("attention_residual", 2 * layers * 2 * hidden)
    mixers = [pieces.get(kind, pieces["full"]) for kind in kinds]
    return assemble(c, mixers, sparse, extra=(chosen,))


@family("k2_horizon", "xllm")
def k2_horizon(c: Fields) -> Draft:
    """Count K2 Horizon: mixtures of experts, which in its sparse layers give the values too."""
    layers, (hidden, heads, kv, head) = layer_count(c), shape(c)
    bias, wide = c.flag("attention_bias", c.flag("qkv_bias")), heads * head
    gate = (matrix("self_attn.gate_proj", "attention", hidden, wide),) if c.has("gate_func") else ()
    norm = "full" if c.flag("query_key_norm") else ""
    plain = gqa(c, qkv_bias=bias, o_bias=bias, qk_norm=norm, extra=gate)
    values = c.whole("mova_num_experts", default=0, low=0, limit="experts")
    mixed = plain
    if values:
        taken = c.whole("mova_num_experts_per_tok", default=1, limit="experts")
        rows = tuple(t for t in plain.tensors if "v_proj" not in t.name)
        routed = Tensor(
            "self_attn.v_experts", "attention", hidden * kv * head, copies=values,
            active=min(taken / values, 1.0), split="kv", width=hidden,
        )  # fmt: skip
        router = matrix("self_attn.v_router", "router", hidden, values, "none")
        mixed = replace(plain, tensors=(*rows, routed, router))
    step = c.whole("decoder_sparse_step", default=1)
    only = set(c.wholes("mlp_only_layers"))
    at = [i not in only and (i + 1) % step == 0 for i in range(layers)]
    size = c.whole("moe_intermediate_size", limit="ffn")
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        size,
        shared=size * c.whole("num_shared_experts", default=0, low=0, limit="experts"),
        router_bias=c.flag("moe_gate_bias"),
    )
    feed = sparse if all(at) else mlp(c)
    return assemble(
        c, [mixed if one else plain for one in at], [sparse if one else feed for one in at]
    )


@family("PanguProMoEV2", "pangu_pro_moe_v2")
def pangu_pro_v2(c: Fields) -> Draft:
    """Count Pangu Pro 2: keys and values of unlike width, and sinks that are keys and values."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_key_value_heads", default=heads, limit="heads")
    head = c.whole("qk_nope_dim", low=0, limit="head") + c.whole("qk_rope_dim", limit="head")
    value = c.whole("v_channels", limit="head")
    sinks = c.whole("param_sink_number", default=0, low=0, limit="tokens")
    wide = head + value * c.flag("param_sink_with_value")
    extra = [vector("self_attn.k_layernorm", head)]
    extra += [vector("self_attn.param_sink", sinks * kv * wide, "kv")] if sinks else []
    bias = c.flag("attention_bias", c.flag("bias", c.flag("qkv_bias")))
    mixer = gqa(
        c, sizes=(hidden, heads, kv, head), v_head=value, qkv_bias=bias, o_bias=bias, extra=extra
    )
    sparse = deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixer,
        first_dense(c, sparse, lambda: mlp(c)),
        norm=4 if c.flag("sandwich_norm") else 2,
        mtp=mtp_layer(hidden, mixer + sparse, copies),
    )


@family("gigachat3_5", "gigachat35")
def gigachat(c: Fields) -> Draft:
    """Count GigaChat 3.5: delta attention, and DeepSeek's latent attention with a gate."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    wide = c.whole("num_attention_heads", limit="heads") * c.whole("v_head_dim", limit="head")
    gate = (matrix("self_attn.attn_gate", "attention", hidden, wide),)
    at = set(c.wholes("full_attention_layers"))
    default = ["full" if i in at else "linear" for i in range(layers)]
    pieces = {
        "full": mla(c, extra=gate if c.flag("gated_attention", True) else ()),
        "linear": delta_net(c),
    }
    mixers = [pieces.get(kind, pieces["full"]) for kind in kinds_of(c, default)]
    sparse = deepseek_moe(c, correction=True)
    norm = 4 if "post" in c.text("layernorm_type", "pre_post") else 2
    return assemble(c, mixers, first_dense(c, sparse, lambda: mlp(c), 1), norm=norm)


@family("jet_nemotron")
def jet_nemotron(c: Fields) -> Draft:
    """Count Jet-Nemotron: delta attention with a convolution that is made of the input."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    own = c.need("efficient_attention_config")
    jet = own.need("jet")
    heads, key = jet.whole("num_heads", limit="heads"), jet.whole("head_dim", limit="head")
    value = round(key * jet.real("expand_v", 1.0))
    keys, values = heads * key, heads * value
    taps = jet.whole("conv_size", default=4, limit="head")
    inner = max(1, values // jet.whole("dconv_generator_reduction", default=8, limit="width"))
    rows = (
        matrix("self_attn.qkvabz_proj", "attention", hidden, 2 * (keys + values + heads)),
        matrix("self_attn.o_proj", "attention", values, hidden),
        matrix("self_attn.generator.w1", "attention", hidden, inner),
        matrix("self_attn.generator.w2", "attention", inner, values * taps),
        vector("self_attn.vectors", values * taps + 2 * heads + value),
    )
    cells = heads * key * value
    conv = (2 * keys + values) * (taps - 1)
    linear = Part(rows, (linear_state(cells, 4, conv, 2, 7 * cells + 2 * values * taps),))
    local = own.sub("swa")
    window = local.whole("window_size", limit="tokens") if local else 0
    pieces = {
        "full": gqa(c, qkv_bias=True),
        "window": gqa(c, qkv_bias=True, window=window),
        "linear": linear,
    }
    kinds = c.per_layer("layer_types", layers, {"attn": "full", "swa": "window", "jet": "linear"})
    return assemble(c, [pieces[kind] for kind in kinds], mlp(c), tied=True)


@family("step5")
def step5(c: Fields) -> Draft:
    """Count Step 5: windows with heads of their own, and blocks that an indexer selects."""
    layers, hidden = layer_count(c), c.width("hidden_size")
    pieces = {"full": _selected(c, _step5_mixer(c, 0)), "window": _step5_mixer(c, window_of(c))}
    # the list may go on with the layers that guess
    listed = c.data.get("layer_types") or c.data.get("layer_types_with_mtp")
    own = {"layer_types": listed[:layers]} if isinstance(listed, list) else {}
    default = ["full" if i % 2 else "window" for i in range(layers)]
    kinds = kinds_of(Fields({**c.data, **own}, c.where, c.family), default)
    size, per_token = c.whole("moe_intermediate_size", limit="ffn"), c.whole("num_experts_per_tok")
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        per_token,
        size,
        shared=c.whole("share_expert_dim", default=size * per_token, low=0, limit="ffn"),
        correction=c.flag("use_moe_router_bias"),
    )
    named = "moe_layers_enum" if c.has("moe_layers_enum") else "moe_layer_list"
    at = c.listed_layers(named, range(1, layers))
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    dense = mlp(c)
    return assemble(
        c,
        [pieces.get(kind, pieces["full"]) for kind in kinds],
        [sparse if i in at else dense for i in range(layers)],
        mtp=mtp_layer(hidden, pieces["window"] + sparse, copies),
    )


def _step5_mixer(c: Fields, window: int) -> Part:
    """List Step 5's attention, with a column for each head that gates it."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    kv = c.whole("num_attention_groups", "num_key_value_heads", limit="heads")
    head = c.whole("head_dim", default=max(1, hidden // heads), limit="head")
    if window:
        heads = c.whole("swa_num_attention_heads", default=heads, limit="heads")
        other = c.sub("attention_other_setting") or Fields({}, c.where, c.family)
        heads = other.whole("num_attention_heads", default=heads, limit="heads")
        kv = other.whole("num_attention_groups", default=kv, limit="heads")
        head = other.whole("head_dim", default=head, limit="head")
    gate = (matrix("self_attn.g_proj", "attention", hidden, heads),)
    return gqa(
        c,
        sizes=(hidden, heads, kv, head),
        qk_norm="head",
        window=window,
        extra=gate if c.flag("use_head_wise_attn_gate") else (),
    )


def _selected(c: Fields, full: Part) -> Part:
    """Let an indexer of Step 5's select the tokens that a full layer reads."""
    config = c.sub("sparse_config")
    if config is None or config.data.get("enabled") is False:
        return full
    hidden = c.width("hidden_size")
    width = config.whole("proxy_dim", default=256, limit="head")
    many = config.whole("sparse_indexer_num_heads", default=16, limit="heads")
    block = config.whole("region_block_size", default=8, limit="tokens")
    rows = (
        matrix("self_attn.indexer.qk_proj", "attention", hidden, (many + 1) * width, "none"),
        matrix("self_attn.indexer.w", "attention", hidden, many, "none"),
        vector("self_attn.indexer.norms", 3 * width),
    )
    (cache,) = full.attention
    far = replace(
        cache,
        kind="sparse",
        topk_tokens=config.whole("topk", default=512) * block,
        index_heads=many,
        index_dim=width,
        index_bytes=2.0 / block,  # a summary for each block of tokens
    )
    return replace(full, tensors=(*full.tensors, *rows), attention=(far,))


@family("qwen4_exp_text")
def qwen4_exp(c: Fields) -> Draft:
    """Count Qwen 4 Exp: Qwen3-Next's mixers in several streams, and tables of n-grams."""
    hidden, layers = c.width("hidden_size"), layer_count(c)
    streams = c.whole("hc_count", default=4, limit="head")
    rank = c.whole("hc_lowrank", default=320, limit="width")
    wide = streams * hidden
    mixing = (
        matrix("hyper_connection.down", "attention", wide, rank + streams, "none"),
        matrix("hyper_connection.up", "attention", rank, wide, "none"),
        vector("hyper_connection.norm", wide),
    )
    twice = tuple(replace(t, copies=2) for t in mixing)
    full = gqa(c, qk_norm="head", gate=c.flag("attn_output_gate", True))
    pieces = {"full": _qsa(c, full), "linear": delta_net(c)}
    kinds = kinds_of(
        Fields({**c.data, "layer_types": _plain_kinds(c)}, c.where, c.family),
        every(layers, c.whole("full_attention_interval", default=4), "full", "linear"),
    )
    mixers = {kind: replace(part, tensors=(*part.tensors, *twice)) for kind, part in pieces.items()}
    at = sorted(set(c.wholes("ple_layer_ids")))
    last = (
        matrix("hyper_connection.last.down", "attention", wide, rank, "none"),
        matrix("hyper_connection.last.up", "attention", rank, wide, "none"),
        vector("hyper_connection.last.norm", wide),
    )
    return assemble(
        c,
        [mixers[kind] for kind in kinds if kind in mixers],
        qwen_moe(c, shared_gate=True),
        norm=0,
        final_norm=False,
        extra=(*last, *_ngrams(c, len(at), wide)),
        notes=("what guesses is left out",),
    )


def _plain_kinds(c: Fields) -> object:
    """The kinds of layers, a selected one as a full one."""
    listed = c.data.get("layer_types")
    names = {"qwen_sparse_attention": "full_attention"}
    return [names.get(n, n) if isinstance(n, str) else n for n in listed] if isinstance(
        listed, list) else listed  # fmt: skip


def _qsa(c: Fields, full: Part) -> Part:
    """Let Qwen's indexer select the tokens that a full layer reads."""
    if not c.has("indexer_n_heads"):
        return full
    heads, kv = (c.whole(f"indexer_{n}_heads", limit="heads") for n in ("n", "kv"))
    width = c.whole("indexer_head_dim", limit="head")
    ratio = c.whole("indexer_compress_ratio", default=1, limit="tokens")
    rows = (
        matrix(
            "self_attn.indexer.index_qk_proj",
            "attention",
            *(c.width("hidden_size"), (heads + kv) * width, "none"),
        ),
        vector("self_attn.indexer.norms", 2 * width),
    )
    (cache,) = full.attention
    far = replace(
        cache,
        kind="sparse",
        topk_tokens=c.whole("indexer_budget"),
        index_heads=heads,
        index_dim=kv * width,
        index_bytes=2.0 / ratio,
    )
    return replace(full, tensors=(*full.tensors, *rows), attention=(far,))


def _ngrams(c: Fields, copies: int, wide: int) -> tuple[Tensor, ...]:
    """List the tables of n-grams, which are looked up, and what mixes what they hold."""
    if not copies:
        return ()
    hidden = c.width("hidden_size")
    width = c.width("ple_embed_dim", default=hidden)
    rows = c.whole("ngram_vocab_size_base", default=20_000_000, limit="tokens")
    taps = c.whole("ple_conv_kernel_size", default=4, limit="head")
    # a row in each table is as wide as the embedding parted by the tables, which are as long
    return (
        Tensor("ple.ngram_embedding", "norm", rows * width, copies=copies, active=0.0),
        matrix("ple.kv_proj", "mlp", width, wide + hidden, "none", copies=copies),
        vector("ple.vectors", wide * taps + 3 * wide, copies=copies),
    )
