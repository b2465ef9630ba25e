"""Architectures of one published model each, from the code beside its weights and the engines'."""

from dataclasses import replace

from ..refuse import BadInput
from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .hybrids import mamba1_of
from .parts import Part, gqa, linear_state, matrix, mlp, moe, repeated, shape, vector
from .recurrent import share_of
from .registry import FAMILIES, family, one_or_list, qwen_moe
from .towers import tower


@family("solar")
def solar(c: Fields) -> Draft:
    """Count Solar Pro: Llama's layers, some of which read what earlier ones wrote."""
    return assemble(c, gqa(c), mlp(c))


@family("PanguProMoE", "pangu_pro_moe")
def pangu(c: Fields) -> Draft:
    """Count Pangu Pro: experts in groups, one of each for a token, and one for all tokens."""
    return assemble(c, gqa(c, qkv_bias=True, o_bias=True), qwen_moe(c))


@family("smallthinker")
def smallthinker(c: Fields) -> Draft:
    """Count SmallThinker: three layers of four have a window, and the router comes first."""
    layers = layer_count(c)
    window = c.whole("sliding_window", default=0, low=0, limit="tokens")
    listed = c.per_layer("sliding_window_layout", layers, {0: 0, 1: 1}, [0] * layers)
    mixers = [gqa(c, window=window if local else 0) for local in listed]
    sparse = moe(
        c,
        c.whole("moe_num_primary_experts", limit="experts"),
        c.whole("moe_num_active_primary_experts"),
        c.whole("moe_ffn_hidden_size", limit="ffn"),
    )
    return assemble(c, mixers, sparse)


@family("step3_text")
def step3(c: Fields) -> Draft:
    """Count Step-3: queries through a narrow matrix, and one head of keys for all of them.

    Tensors: vLLM's models/step3_text.py; the paper on it, 2507.19427, calls it multi-matrix
    factorization attention.
    """
    layers, hidden = layer_count(c), c.width("hidden_size")
    heads = c.whole("num_attention_heads", limit="heads")
    groups = c.whole("num_attention_groups", "num_key_value_heads", default=1, limit="heads")
    head, narrow = c.whole("head_dim", limit="head"), c.width("share_q_dim")
    plain = gqa(c, sizes=(hidden, heads, groups, head))
    rows = tuple(t for t in plain.tensors if t.name != "self_attn.q_proj")
    factors = (
        matrix("self_attn.q_proj", "attention", hidden, narrow, "none"),
        vector("self_attn.inter_norm", narrow),
        matrix("self_attn.wq", "attention", narrow, heads * head),
    )
    sparse = moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        c.whole("moe_intermediate_size", limit="ffn"),
        shared=c.whole("share_expert_dim", default=0, low=0, limit="ffn"),
    )
    at = c.listed_layers("moe_layers_enum", range(1, layers))
    dense = mlp(c)
    ffns = [sparse if i in at else dense for i in range(layers)]
    context = c.whole("max_position_embedding", default=65_536, limit="tokens")
    mixer = Part(factors + rows, plain.attention)
    return assemble(c, mixer, ffns, context=context)


@family("ouro")
def ouro(c: Fields) -> Draft:
    """Count Ouro, whose layers a token passes several times, each with a cache of its own.

    Tensors: vLLM's models/ouro.py; 2510.25741.
    """
    hidden, loops = c.width("hidden_size"), c.whole("total_ut_steps", default=4, limit="head")
    layer = repeated(gqa(c) + mlp(c), loops)
    gate = (matrix("early_exit_gate", "mlp", hidden, 1, "none"),)
    return assemble(c, layer, norm=4, extra=gate)


@family("motif", "Motif")
def motif(c: Fields) -> Draft:
    """Count Motif 2.6B: differential attention, as wide as an ordinary one."""
    if c.has("num_noise_heads"):
        where = c.path("num_noise_heads")
        raise BadInput(where, f"{where}: heads in groups of unlike size are not counted of Motif.")
    _hidden, _heads, _kv, head = shape(c)
    extra = (vector("self_attn.lambda_norm", 4 * head),)
    return assemble(c, gqa(c, extra=extra), mlp(c))


@family("skywork_moe")
def skywork_moe(c: Fields) -> Draft:
    """Count Skywork-MoE, whose config lists its number of experts."""
    sparse = moe(
        c,
        one_or_list(c, "num_experts", limit="experts"),
        c.whole("num_experts_per_tok", default=2),
        c.whole("intermediate_size", limit="ffn"),
    )
    return assemble(c, gqa(c), sparse)


@family("phi3small")
def phi3_small(c: Fields) -> Draft:
    """Count Phi-3-small, half of whose layers read blocks of the cache that all of them keep."""
    size = c.whole("ff_intermediate_size", "intermediate_size", limit="ffn")
    mixer = gqa(c, qkv_bias=True, o_bias=True)
    return assemble(c, mixer, mlp(c, size, bias=True), norm_bias=True, tied=True)


@family("baichuan_m1")
def baichuan_m1(c: Fields) -> Draft:
    """Count Baichuan-M1: layers with a window have heads of their own, and short convolutions.

    Tensors: vLLM's models/baichuan_m1.py of its first version; 2502.12671.
    """
    layers, hidden = layer_count(c), c.width("hidden_size")
    window = c.whole("sliding_window", limit="tokens")
    taps = c.whole("conv_window", default=2, limit="head")
    local = set(c.wholes("sliding_window_layers", limit="layers"))

    def attention(prefix: str, span: int) -> Part:
        heads = c.whole(f"num_{prefix}attention_heads", "num_attention_heads", limit="heads")
        kv = c.whole(f"num_{prefix}key_value_heads", "num_key_value_heads", limit="heads")
        sizes = (hidden, heads, kv, max(1, hidden // heads))
        extra = (vector("self_attn.conv_kv", 2 * kv * taps, "kv"),)
        return gqa(c, sizes=sizes, window=span, extra=extra)

    pieces = {True: attention("swa_", window), False: attention("", 0)}
    return assemble(c, [pieces[i in local] for i in range(layers)], mlp(c))


# Names of Pangu Ultra's first config, and those of DeepSeek's that mean the same.
PANGU = {
    "attention_kv_lora_dim": "kv_lora_rank",
    "attention_q_lora_dim": "q_lora_rank",
    "attention_qk_dim": "qk_nope_head_dim",
    "attention_qk_rope_dim": "qk_rope_head_dim",
    "attention_v_dim": "v_head_dim",
    "num_routed_experts": "n_routed_experts",
    "num_dense_layers": "first_k_dense_replace",
    "num_mtp_layers": "num_nextn_predict_layers",
}


@family("pangu_ultra_moe")
def pangu_ultra(c: Fields) -> Draft:
    """Count Pangu Ultra: DeepSeek's latent attention and experts, with norms around both."""
    renamed = {PANGU.get(name, name): value for name, value in c.data.items()}
    draft = FAMILIES["deepseek_v3"](Fields(renamed, c.where, c.family))
    more = vector("sandwich_norms", 2 * draft.hidden, copies=draft.layers)
    return replace(draft, pieces=[*draft.pieces, (more, None)])


@family("longcat_flash_ngram")
def longcat_ngram(c: Fields) -> Draft:
    """Count LongCat-Flash-Lite: LongCat Flash, and tables of the last few tokens together.

    A table for each number of tokens and each part of its width; rows: the factor times the
    vocabulary. They are looked up, and never multiplied. Source: 2601.21204.
    """
    draft = FAMILIES["longcat_flash"](Fields(c.data, c.where, "longcat_flash"))
    parts = c.whole("emb_split_num", default=4, limit="head")
    tables = parts * (c.whole("emb_neighbor_num", default=4, low=2, limit="head") - 1)
    rows = int(share_of(c, "ngram_vocab_size_ratio", 78.0, draft.vocab, most=1000))
    width = max(1, draft.hidden // tables)
    more = (
        Tensor("ngram_embeddings", "norm", rows * width, copies=tables, active=0.0),
        matrix("ngram_projections", "mlp", width, draft.hidden, "none", copies=tables),
    )
    return replace(draft, pieces=[*draft.pieces, *((t, None) for t in more)])


@family("plamo2")
def plamo2(c: Fields) -> Draft:
    """Count PLaMo 2: a state as Mamba-2's with one group, and attention in every second layer.

    Tensors: vLLM's models/plamo2.py, which gives its attention no window.
    """
    layers, hidden = layer_count(c), c.width("hidden_size")
    step = c.whole("mamba_step", default=2, low=2, limit="layers")
    heads = c.whole("mamba_num_heads", limit="heads")
    head = c.whole("hidden_size_per_head", "head_dim", limit="head")
    state = c.whole("mamba_d_state", default=64, limit="head")
    kernel = c.whole("mamba_d_conv", default=4, limit="head")
    inner, rank = heads * head, max(64, hidden // 16)
    rows = (
        matrix("mixer.in_proj", "attention", hidden, 2 * inner),
        matrix("mixer.bcdt_proj", "attention", inner, rank + 2 * state),
        matrix("mixer.dt_proj", "attention", rank, heads),
        matrix("mixer.out_proj", "attention", inner, hidden),
        vector("mixer.conv1d", inner * kernel, "tp"),
        vector("mixer.vectors", 3 * heads + rank + 2 * state),
    )
    cells = inner * state
    cache = linear_state(cells, 2, inner * (kernel - 1), 2, 5 * cells + 2 * inner * kernel)
    mamba, full = Part(rows, (cache,)), gqa(c, qk_norm="heads")
    at = step // 2
    mixers = [full if i % step == at else mamba for i in range(layers)]
    return assemble(c, mixers, mlp(c), norm=4, tied=True)


# Ranks of the adapters that Phi-4-multimodal turns on for pictures and for sound.
PHI4_RANKS = {"vision_lora": 256, "speech_lora": 320}
PHI4_TOWERS = {
    "vision_config": {
        **{"model_type": "phi4_multimodal_vision", "hidden_size": 1152, "image_size": 448},
        **{"intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16},
        **{"patch_size": 14, "num_channels": 3},
    },
    "audio_config": {
        **{"model_type": "phi4_multimodal_audio", "hidden_size": 1024, "num_blocks": 24},
        **{"intermediate_size": 1536, "num_attention_heads": 16, "input_size": 80},
        **{"ext_pw_out_channel": 1024, "kernel_size": 3, "nemo_conv_channels": 1024},
        **{"depthwise_separable_out_channel": 1024, "depthwise_multiplier": 1},
        **{"nemo_final_size": 10, "time_reduction": 8, "bias_max_distance": 1000},
        "bias_symmetric": False,
    },
}


@family("phi4mm")
def phi4mm(c: Fields) -> Draft:
    """Count Phi-4-multimodal by the file beside its weights, which names no sizes of its towers.

    Its towers are those of the class in transformers; two adapters stand in its weights as well.
    """
    own = Fields({**c.data, **PHI4_TOWERS}, c.where, "phi4_multimodal")
    draft = FAMILIES["phi4_multimodal"](own)
    hidden, heads, kv, head = shape(c)
    size = c.whole("intermediate_size", limit="ffn")
    wide = (hidden + (heads + 2 * kv) * head) + (heads * head + hidden)
    wide += (hidden + 2 * size) + (size + hidden)
    rank = sum((c.sub(n) or c).whole("r", default=usual) for n, usual in PHI4_RANKS.items())
    adapters = matrix("lora", "vision", rank, wide, "none", copies=draft.layers)
    return replace(draft, pieces=[*draft.pieces, (adapters, None)])


# CLIP's tower of Phi-3-vision, whose size its config leaves to its name.
CLIP_WIDTH = 1024
CLIP_LARGE = {
    "model_type": "clip_vision_model",
    "hidden_size": CLIP_WIDTH,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 336,
}


@family("phi3_v")
def phi3_vision(c: Fields) -> Draft:
    """Count Phi-3 and Phi-3.5 Vision: four patches side by side are one token."""
    text = FAMILIES["phi3"](Fields(c.data, c.where, "phi3"))
    seen = Fields({**c.data, "vision_config": CLIP_LARGE}, c.where, "llava")
    rows, _ = tower(seen, text.hidden)
    rows = tuple(t for t in rows if "projector" not in t.name)
    wide = 4 * CLIP_WIDTH
    project = (
        matrix("visual.projector.0", "vision", wide, text.hidden),
        matrix("visual.projector.1", "vision", text.hidden, text.hidden),
        matrix("visual.separators", "vision", 1, 2 * wide, "none"),
    )
    return replace(text, pieces=[*text.pieces, *((t, None) for t in (*rows, *project))])


# The text model of each version of MiniCPM-V, by the code beside its weights.
MINICPM_TEXT = {"2.5": "llama", "2.6": "qwen2", "4.0": "llama", "4.5": "qwen3"}
SIGLIP_400M = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 980,
}


@family("minicpmv", "minicpmo")
def minicpm_v(c: Fields) -> Draft:
    """Count MiniCPM-V to 4.5: SigLIP, and queries that read its patches."""
    version = str(c.data.get("version") or "2.6")
    kind = MINICPM_TEXT.get(version, "qwen2")
    text = FAMILIES[kind](Fields(c.data, c.where, kind))
    own = c.sub("vision_config")
    sizes = SIGLIP_400M | {k: v for k, v in (own.data if own else {}).items() if k in SIGLIP_400M}
    sizes |= {"model_type": SIGLIP_400M["model_type"], "vision_use_head": False}
    seen = Fields({**c.data, "vision_config": sizes}, c.where, "llava")
    rows, _ = tower(seen, text.hidden)
    rows = tuple(t for t in rows if "projector" not in t.name)
    wide = seen.need("vision_config").width("hidden_size")
    hidden, queries = text.hidden, c.whole("query_num", default=64, limit="tokens")
    resampler = (
        matrix("visual.resampler.kv_proj", "vision", wide, hidden),
        matrix("visual.resampler.attn", "vision", hidden, 4 * hidden),
        matrix("visual.resampler.proj", "vision", hidden, hidden),
        matrix("visual.resampler.query", "vision", queries, hidden, "none"),
    )
    notes = ("what hears and speaks is left out",) if c.family == "minicpmo" else ()
    pieces = [*text.pieces, *((t, None) for t in (*rows, *resampler))]
    return replace(text, pieces=pieces, notes=(*text.notes, *notes))


@family("phi4flash")
def phi4_flash(c: Fields) -> Draft:
    """Count Phi-4-mini-flash: SambaY, whose later half reads what one layer keeps.

    Mamba and attention take turns. In the first half attention has a window; one layer past the
    middle keeps all keys and values, and later ones have queries alone. Later Mamba layers gate
    what an earlier one gave. Tensors: vLLM's models/phi4flash.py; 2507.06607.
    """
    layers, (hidden, _heads, _kv, head) = layer_count(c), shape(c)
    every, half = c.whole("mb_per_layer", default=2), layers // 2
    inner = c.whole("mamba_expand", default=2, limit="head") * hidden
    state = mamba1_of(c, hidden, prefix="mixer")
    gates = Part(
        (
            matrix("mixer.in_proj", "attention", hidden, inner),
            matrix("mixer.out_proj", "attention", inner, hidden),
        )
    )
    # differential attention: four vectors as wide as half a head, and a norm as wide as a head
    extra = (vector("self_attn.lambda", 2 * head + 2 * head),)
    window = c.whole("sliding_window", default=512, limit="tokens")

    def attention(span: int, cached: bool = True) -> Part:
        return gqa(c, qkv_bias=True, o_bias=True, window=span, extra=extra, cached=cached)

    local, whole, crossed = attention(window), attention(0), attention(0, cached=False)
    mixers = []
    for i in range(layers):
        late = i >= half + 2
        if i % every == 0:
            mixers.append(gates if late else state)
        else:
            mixers.append(crossed if late else local if i < half else whole)
    read = sum(mixer is crossed for mixer in mixers)
    note = f"{read} layers read the keys and values of another one: that reading is not counted"
    return assemble(c, mixers, mlp(c), norm_bias=True, tied=True, notes=(note,))


@family("telechat")
def telechat(c: Fields) -> Draft:
    """Count TeleChat 2: Llama's layers, with a bias where they write."""
    size = c.whole("ffn_hidden_size", "intermediate_size", limit="ffn")
    return assemble(c, gqa(c, o_bias=True), mlp(c, size))


@family("molmo")
def molmo(c: Fields) -> Draft:
    """Count Molmo: `intermediate_size` is gate and up together, and CLIP without its last layer."""
    size = max(1, c.whole("intermediate_size", limit="ffn") // 2)
    norm = "full" if c.flag("attention_layer_norm") else ""
    mixer = gqa(c, qkv_bias=c.flag("qkv_bias", True), qk_norm=norm)
    rows, _ = tower(
        Fields({**c.data, "vision_config": CLIP_LARGE | {"num_hidden_layers": 23}}, "", "llava"),
        c.width("hidden_size"),
    )
    seen = [t for t in rows if "projector" not in t.name]
    hidden, wide = c.width("hidden_size"), 2 * CLIP_WIDTH
    seen += [
        matrix("visual.pooling.qkv", "vision", wide, 3 * CLIP_WIDTH),
        matrix("visual.pooling.o", "vision", CLIP_WIDTH, CLIP_WIDTH),
        matrix("visual.projector.in", "vision", CLIP_WIDTH, 2 * size),
        matrix("visual.projector.out", "vision", size, hidden),
    ]
    # 128 rows of the embedding stand for parts of pictures, and have none in the head
    extra = (vector("embed_tokens.special", 128 * hidden),)
    draft = assemble(c, mixer, mlp(c, size), extra=extra)
    return replace(draft, pieces=[*draft.pieces, *((t, None) for t in seen)])
