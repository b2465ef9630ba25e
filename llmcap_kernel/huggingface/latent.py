"""Multi-head latent attention: one compressed vector per token, dense or selected."""

from collections.abc import Callable
from typing import Any

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .assemble import Draft, assemble, layer_count, mtp_layer
from .config import Fields
from .parts import (
    NOTHING,
    Part,
    gqa,
    matrix,
    mla,
    mlp,
    moe,
    norms,
    vector,
)
from .registry import (
    by_layer,
    deepseek_moe,
    family,
    first_dense,
)


@family(
    "deepseek_v2",
    "deepseek_v3",
    "kimi_k2",
    "deepseek_v32",
    "glm_moe_dsa",
    "deepseek_vl_v2",
    "glm4_moe_lite",
    "minicpm3",
    "joyai_llm_flash",
    "mistral4",
    "sarvam_mla",
    "axk1",
)
def deepseek_v3(c: Fields) -> Draft:
    bias = c.flag("attention_bias")
    if c.has("index_topk"):
        mixers: Part | list[Part] = by_indexer(c, lambda kind: mla(c, indexer=kind, bias=bias))
    else:
        mixers = mla(c, bias=bias) if c.has("kv_lora_rank") else gqa(c)
    last = mixers[-1] if isinstance(mixers, list) else mixers
    if c.has("index_topk"):
        last = mla(c, indexer="full", bias=bias)
    return latent_model(c, mixers, last)


def by_indexer(c: Fields, build: Callable[[str], Part]) -> list[Part]:
    """Build layers with an indexer of their own, or the selection of the one before."""
    layers = layer_count(c)
    default = ["full"] * layers
    kinds = c.per_layer("indexer_types", layers, {"full": "full", "shared": "shared"}, default)
    pieces = {kind: build(kind) for kind in set(kinds)}
    return [pieces[kind] for kind in kinds]


def latent_model(
    c: Fields, mixers: Part | list[Part], last: Part = NOTHING, extra: tuple[Tensor, ...] = ()
) -> Draft:
    """Count the feed-forwards of DeepSeek's field names, and the model around them.

    `last` is the mixer of its multi-token-prediction layers, `extra` stands outside layers.
    """
    if not c.tells("num_experts"):
        return assemble(c, mixers, mlp(c), tied=c.family == "minicpm3", extra=extra)
    notes: tuple[str, ...] = ()
    if c.family == "deepseek_v2" and not c.tells("num_experts_per_tok"):
        c = c.under({"num_experts_per_tok": 6})
        notes = ("num_experts_per_tok taken as 6, as in the published checkpoints",)
    correction = c.text("topk_method", "noaux_tc") == "noaux_tc" and c.family != "deepseek_v2"
    hidden = c.width("hidden_size")
    sparse = deepseek_moe(c, correction=correction)
    if c.family == "axk1":
        sparse += norms(hidden, name="post_mlp_layernorm")
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    return assemble(
        c,
        mixers,
        first_dense(c, sparse, lambda: mlp(c)),
        mtp=mtp_layer(hidden, last + sparse, copies),
        extra=extra,
        notes=notes,
    )


@family("axk2")
def axk2(c: Fields) -> Draft:
    """Count A.X K2: selected latent attention, an output gate beside the queries, gated norms."""
    hidden = c.width("hidden_size")
    rank = c.whole("gated_norm_rank", limit="width")
    gates = matrix("layernorm.mlp", "attention", hidden, 2 * rank, "none", copies=2)
    return latent_model(c, by_indexer(c, lambda kind: _axk2_layer(c, kind, gates)))


def _axk2_layer(c: Fields, indexer: str, gates: Tensor) -> Part:
    return mla(
        c,
        indexer=indexer,
        bias=c.flag("attention_bias"),
        gated_query=True,
        extra=(gates,),
    )


@family("hy_v4", "hy_v4_vl_text")
def hy_v4(c: Fields) -> Draft:
    """Count Hunyuan 4: selected latent attention with gates and sinks, in several streams."""
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    value = c.whole("v_head_dim", limit="head")
    streams = c.whole("hc_mult", default=4, limit="head")
    extra = (
        matrix("self_attn.gate_proj", "attention", hidden, heads * value),
        vector("self_attn.sinks", heads, "tp"),
        streams_of(hidden, streams, 2 * streams, 2),
    )
    mixers = by_indexer(
        c, lambda kind: mla(c, indexer=kind, bias=c.flag("attention_bias"), extra=extra)
    )
    return latent_model(c, mixers, extra=(streams_head(hidden, streams),))


def streams_of(hidden: int, streams: int, mixing: int, scales: int) -> Tensor:
    """List what mixes the residual streams of a layer, before its mixer and its feed-forward."""
    return vector("hc", 2 * (mixing * streams * hidden + mixing + scales))


def streams_head(hidden: int, streams: int) -> Tensor:
    """List what makes one stream of several before the head."""
    return vector("hc_head", streams * streams * hidden + streams + 1)


@family("dots3_note_text")
def dots3_note(c: Fields) -> Draft:
    """Count dots3: latent attention, selected in some layers and in a window in the others."""
    layers = layer_count(c)
    kinds = c.per_layer(
        "layer_types", layers, {"indexed_attention": "full", "sliding_attention": "window"}
    )
    window = c.whole("sliding_window", limit="tokens")

    def build(c: Fields, kind: str) -> Part:
        hidden, heads = c.width("hidden_size"), c.whole("num_attention_heads", limit="heads")
        extra = (
            matrix("self_attn.g_proj", "attention", hidden, heads, "none"),
            vector("self_attn.k_rope_only_layernorm", c.whole("qk_rope_head_dim", limit="head")),
        )
        if kind == "window":
            return mla(c, window=window, extra=extra)
        return mla(c, indexer="full", extra=extra)

    return latent_model(c, by_layer(c, kinds, build))


@family("mistral_large4_text")
def mistral_large4(c: Fields) -> Draft:
    """Count Mistral Large 4: selected latent attention, without positions in some layers."""
    layers = layer_count(c)
    if c.wholes("kv_source_layers", range(layers))[:layers] != list(range(layers)):
        raise BadInput(
            c.path("kv_source_layers"),
            f"{c.path('kv_source_layers')} has layers that read the cache of another one, "
            "which the importer cannot count.",
        )
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    nope, rope = (c.whole(f"qk_{n}_head_dim", limit="head") for n in ("nope", "rope"))
    index_heads = c.whole("index_n_heads", limit="heads")
    rotated = c.per_layer("no_rope_layers", layers, {0: 0, 1: 1}, [1] * layers)
    extra = (vector("self_attn.softmax_scaling", 2 * (heads + index_heads) + 2 * hidden),)
    still = Fields({**c.data, "qk_nope_head_dim": nope + rope}, c.where, c.family)
    pieces = {1: mla(c, indexer="full", extra=extra)}
    if 0 in rotated:
        pieces[0] = mla(still, indexer="full", rope=0, extra=extra)
    return latent_model(c, [pieces[r] for r in rotated])


@family("longcat_flash")
def longcat(c: Fields) -> Draft:
    """Count LongCat Flash: two attentions, two dense MLPs and one MoE per layer.

    Zero-computation experts are selected like others and cost nothing, so a token
    uses fewer real experts than the router selects; the mean number is used.
    """
    layers = layer_count(c, "num_layers", "num_hidden_layers")
    if not c.has("num_layers") and c.has("num_hidden_layers"):
        layers = max(1, layers // 2)
    hidden = c.width("hidden_size")
    attention = mla(c)
    dense = mlp(c, c.whole("ffn_hidden_size", "intermediate_size", limit="ffn"))
    real = c.whole("n_routed_experts", limit="experts")
    zero = c.whole("zero_expert_num", default=0, low=0, limit="experts")
    picked = c.whole("moe_topk", "num_experts_per_tok")
    visits = max(1, round(picked * real / (real + zero)))
    size = c.whole("expert_ffn_hidden_size", "moe_intermediate_size", limit="ffn")
    sparse = moe(c, real, visits, size)
    sparse += Part(
        (
            matrix("mlp.router.zero", "router", hidden, zero or 1, "none"),
            vector("mlp.router.e_score_correction_bias", real + zero),
        )
    )
    return assemble(c, attention + attention, dense + dense + sparse, layers=layers, norm=4)


PLAIN = {"least_bits": 16.0}  # vLLM, models/deepseek_v4: linears without a quant_config
SELECTED = 4  # the compression ratio at which an indexer selects vectors


@family("deepseek_v4", "deepseek_ref")
def deepseek_v4(c: Fields) -> Draft:
    """Count DeepSeek V4: one key-value vector per token, compressed along the sequence.

    Every layer stores a window of `sliding_window` uncompressed vectors. A layer of
    compression ratio r also stores one vector per r tokens; at ratio 4 an indexer
    selects `index_topk` of them. Keys serve as values, so a vector is stored once.
    """
    layers, hidden = layer_count(c), c.width("hidden_size")
    streams = c.whole("hc_mult", default=4, limit="head")
    ratios = _ratios(c, layers)
    built = {ratio: _compressed_attention(c, hidden, streams, ratio) for ratio in set(ratios)}
    hashed = _hashed(c, layers)
    plain, steered = deepseek_moe(c), deepseek_moe(c, correction=True)
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    block = built[ratios[layers]] if len(ratios) > layers else built[ratios[-1]]
    return assemble(
        c,
        [built[ratio] for ratio in ratios[:layers]],
        [plain if hashes else steered for hashes in hashed],
        extra=(streams_head(hidden, streams),),
        mtp=mtp_layer(hidden, block + steered, copies),
    )


def _hashed(c: Fields, layers: int) -> list[bool]:
    """Which layers choose their experts by a token's number, and have no bias for it."""
    first = c.whole("num_hash_layers", default=0, low=0, limit="layers")
    named = {"hash_moe": True, "moe": False}
    return c.per_layer("mlp_layer_types", layers, named, [i < first for i in range(layers)])


def _ratios(c: Fields, layers: int) -> list[int]:
    """Read the compression ratio of each layer, and of the layers that predict several tokens."""
    if c.has("layer_types") and not c.has("compress_ratios"):
        return _ratios_of_kinds(c, layers)
    if not c.has("compress_ratios"):
        return [128, 128] + [4 if i % 2 else 128 for i in range(max(layers - 2, 0))]
    return c.wholes_per_layer("compress_ratios", layers, limit="tokens")


# What transformers 5 saves in place of ratios, and the ratio where `compress_rates` does not say.
KINDS = {
    "sliding_attention": 0,
    "compressed_sparse_attention": SELECTED,
    "heavily_compressed_attention": 128,
}


def _ratios_of_kinds(c: Fields, layers: int) -> list[int]:
    """The ratios of layers that are listed by kind: configuration_deepseek_v4.py."""
    rates = c.sub("compress_rates") or Fields({}, c.path("compress_rates"), c.family)
    of = {
        kind: ratio and rates.whole(kind, default=ratio, limit="tokens")
        for kind, ratio in KINDS.items()
    }
    return c.per_layer("layer_types", layers, of)


def _compressed_attention(c: Fields, hidden: int, streams: int, ratio: int) -> Part:
    """List a layer's attention: over near vectors as they are, and over far ones compressed."""
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", limit="head")
    rank, out = c.width("q_lora_rank"), c.width("o_lora_rank")
    groups = c.whole("o_groups", limit="heads")
    rope = c.whole("qk_rope_head_dim", default=64, limit="head")
    rows: tuple[Tensor, ...] = (
        matrix("attn.wq_a", "attention", hidden, rank, "none"),
        matrix("attn.wq_b", "attention", rank, heads * head),
        matrix("attn.wkv", "attention", hidden, head, "none"),
        matrix("attn.wo_a", "attention", heads * head, out),
        matrix("attn.wo_b", "attention", groups * out, hidden),
        vector("attn.norms", rank + head + heads),
    )
    hyper = streams_of(hidden, streams, (streams + 2) * streams, 3)
    shared = {
        "layers": 1,
        "heads": heads,
        "kv_heads": 1,
        "head_dim": head,
        "latent_dim": head - rope,
        "rope_dim": rope,
    }
    window = c.whole("sliding_window", default=128, limit="tokens")
    near = Attention("window", window_tokens=window, **shared)
    if ratio <= 1:
        return Part((*rows, hyper), (near,))
    rows += _compressor(hidden, ratio, head, "compressor")
    if ratio != SELECTED:
        far = Attention("mla", stride_tokens=ratio, **shared)
        return Part((*rows, hyper), (near, far))
    more, selected = _selection(c, hidden, rank, ratio)
    far = Attention("sparse", stride_tokens=ratio, **selected, **shared)
    return Part((*rows, *more, hyper), (near, far))


def _selection(
    c: Fields, hidden: int, rank: int, ratio: int
) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """List what selects among far vectors, and say what it stores and how many it takes."""
    width = c.whole("index_head_dim", limit="head")
    count = c.whole("index_n_heads", limit="heads")
    rows = (
        *_compressor(hidden, ratio, width, "indexer.compressor"),
        matrix("attn.indexer.wq_b", "attention", rank, count * width, "none"),
        matrix("attn.indexer.weights_proj", "attention", hidden, count, "none", **PLAIN),
    )
    return rows, {
        "topk_tokens": c.whole("index_topk", limit="tokens"),
        "index_dim": width,
        "index_heads": count,
        "index_bytes": (width + 4) / width,
    }


def _compressor(hidden: int, ratio: int, width: int, name: str) -> tuple[Tensor, ...]:
    """List what makes one vector of several; where they are selected, groups overlap by one."""
    columns = width * (2 if ratio == SELECTED else 1)
    return (
        matrix(f"attn.{name}.wkv_wgate", "attention", hidden, 2 * columns, "none", **PLAIN),
        vector(f"attn.{name}.ape_norm", ratio * columns + width),
    )
