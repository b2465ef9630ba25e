"""Multi-head latent attention: one compressed vector per token, dense or selected."""

from ..refuse import BadInput
from ..spec import Attention, Tensor
from .assemble import Draft, assemble, layer_count, mtp_layer
from .config import Fields
from .parts import (
    Part,
    gqa,
    matrix,
    mla,
    mlp,
    moe,
    vector,
)
from .registry import (
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
)
def deepseek_v3(c: Fields) -> Draft:
    layers = layer_count(c)
    bias = c.flag("attention_bias")
    if c.has("index_topk"):
        kinds = c.per_layer(
            "indexer_types", layers, {"full": "full", "shared": "shared"}, ["full"] * layers
        )
        pieces = {k: mla(c, indexer=k, bias=bias) for k in set(kinds)}
        mixers: Part | list[Part] = [pieces[k] for k in kinds]
    else:
        mixers = mla(c, bias=bias) if c.has("kv_lora_rank") else gqa(c)
    tied = c.family == "minicpm3"
    if not c.has("n_routed_experts"):
        return assemble(c, mixers, mlp(c), tied=tied)
    correction = c.text("topk_method", "noaux_tc") == "noaux_tc" and c.family != "deepseek_v2"
    sparse = deepseek_moe(c, correction=correction)
    ffns = first_dense(c, sparse, lambda: mlp(c))
    last = mixers[-1] if isinstance(mixers, list) else mixers
    if c.has("index_topk"):
        last = mla(c, indexer="full", bias=bias)
    extra_layers = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    hidden = c.width("hidden_size")
    return assemble(c, mixers, ffns, mtp=mtp_layer(hidden, last + sparse, extra_layers))


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


@family("deepseek_v4", "deepseek_ref")
def deepseek_v4(c: Fields) -> Draft:
    """Count DeepSeek V4: one key-value vector per token, compressed along the sequence.

    Every layer stores a window of `sliding_window` uncompressed vectors. A layer of
    compression ratio r also stores one vector per r tokens; at ratio 4 an indexer
    selects `index_topk` of them. Keys serve as values, so a vector is stored once.
    """
    layers = layer_count(c)
    hidden = c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    head = c.whole("head_dim", limit="head")
    rank = c.width("q_lora_rank")
    rope = c.whole("qk_rope_head_dim", default=64, limit="head")
    groups = c.whole("o_groups", limit="heads")
    out = c.width("o_lora_rank")
    window = c.whole("sliding_window", default=128, limit="tokens")
    streams = c.whole("hc_mult", default=4, limit="head")
    rows = (
        matrix("attn.wq_a", "attention", hidden, rank, "none"),
        matrix("attn.wq_b", "attention", rank, heads * head),
        matrix("attn.wkv", "attention", hidden, head, "none"),
        matrix("attn.wo_a", "attention", heads * head, out),
        matrix("attn.wo_b", "attention", groups * out, hidden),
        vector("attn.norms", rank + head + heads),
    )
    mixing = (streams + 2) * streams
    hyper = vector("hc", 2 * (mixing * streams * hidden + mixing + 3))
    near = Attention(
        "window",
        layers=1,
        heads=heads,
        kv_heads=1,
        head_dim=head,
        window_tokens=window,
        latent_dim=head - rope,
        rope_dim=rope,
    )

    def compressor(ratio: int, width: int, twice: bool, name: str) -> tuple[Tensor, ...]:
        columns = width * (2 if twice else 1)
        return (
            matrix(f"attn.{name}.wkv_wgate", "attention", hidden, 2 * columns, "none", **PLAIN),
            vector(f"attn.{name}.ape_norm", ratio * columns + width),
        )

    def build(ratio: int) -> Part:
        if ratio <= 1:
            return Part((*rows, hyper), (near,))
        extra = compressor(ratio, head, ratio == 4, "compressor")
        shared = {
            "layers": 1,
            "heads": heads,
            "kv_heads": 1,
            "head_dim": head,
            "latent_dim": head - rope,
            "rope_dim": rope,
            "stride_tokens": ratio,
        }
        if ratio != 4:
            far = Attention("mla", **shared)
        else:
            width = c.whole("index_head_dim", limit="head")
            count = c.whole("index_n_heads", limit="heads")
            extra += compressor(ratio, width, True, "indexer.compressor")
            extra += (
                matrix("attn.indexer.wq_b", "attention", rank, count * width, "none"),
                matrix("attn.indexer.weights_proj", "attention", hidden, count, "none", **PLAIN),
            )
            far = Attention(
                "sparse",
                topk_tokens=c.whole("index_topk", limit="tokens"),
                index_dim=width,
                index_heads=count,
                index_bytes=(width + 4) / width,
                **shared,
            )
        return Part(rows + extra + (hyper,), (near, far))

    if c.has("compress_ratios"):
        ratios = c.wholes("compress_ratios", limit="tokens")
    else:
        ratios = [128, 128] + [4 if i % 2 else 128 for i in range(max(layers - 2, 0))]
    if len(ratios) < layers:
        raise BadInput(
            "compress_ratios",
            f"compress_ratios has {len(ratios)} items: it takes one "
            f"for each of the {layers} layers.",
        )
    built = {r: build(r) for r in set(ratios)}
    hashed = c.whole("num_hash_layers", default=0, low=0, limit="layers")
    plain, steered = deepseek_moe(c), deepseek_moe(c, correction=True)
    ffns = [plain if i < hashed else steered for i in range(layers)]
    copies = c.whole("num_nextn_predict_layers", default=0, low=0, limit="layers")
    extra = (vector("hc_head", streams * streams * hidden + streams + 1),)
    block = built[ratios[layers]] if len(ratios) > layers else built[ratios[-1]]
    return assemble(
        c,
        [built[r] for r in ratios[:layers]],
        ffns,
        extra=extra,
        mtp=mtp_layer(hidden, block + steered, copies),
    )
