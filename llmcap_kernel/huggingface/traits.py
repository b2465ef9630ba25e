"""Decoders that differ from Llama by a handful of traits, as a table."""

from dataclasses import dataclass

from ..spec import Tensor
from .assemble import Draft, assemble, layer_count
from .config import Fields
from .parts import Part, gqa, matrix, mlp, moe, norms, shape, vector
from .registry import FAMILIES, alternating, every, family, first_dense, qwen_sparse


@dataclass(frozen=True)
class Traits:
    """How a decoder differs from Llama.

    Parameters
    ----------
    gated : bool
        Whether feed-forwards have a gate projection.
    biased : bool
        Whether query, key and value have a bias where the config does not say.
    o_biased : bool
        Whether the output projection follows them where the config does not say.
    o_bias_field : str
        The field that says so, where it is not the usual one.
    qk_norm : str
        The norm over queries and keys, as `parts.gqa` takes it.
    gate : str
        An output gate: "wide" for one as wide as the values, "head" for one a head.
    sinks : bool
        Whether each head has a learned attention sink.
    sub_norms : bool
        Whether the output projection and the down projection have a norm before them.
    norm : int
        Norms over the residual stream in each layer.
    norm_bias : bool
        Whether those norms are LayerNorms with a bias.
    final_norm : bool
        Whether a norm stands before the head.
    period : int
        Where the config lists no kinds of layers, every `period`-th is full and the others
        have a window; 0 for layers all alike.
    tied : bool
        Whether the head shares the embedding table where the config does not say.
    correction : bool
        Whether a bias steers the choice of experts alone.
    extra : tuple of str
        Further vectors of a layer: each as wide as the residual stream.
    """

    gated: bool = True
    biased: bool = False
    o_biased: bool = True
    o_bias_field: str = "attention_out_bias"
    qk_norm: str = ""
    gate: str = ""
    sinks: bool = False
    sub_norms: bool = False
    norm: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    period: int = 0
    tied: bool = False
    correction: bool = False
    extra: tuple[str, ...] = ()


LIKE_LLAMA = """
    llama aquila yi xverse open_llama helium code_llama youtu iquestcoder hyperclovax
    ministral ministral3 mistral baichuan minicpm4 emu3_text_model diffllama
    granite4_vision_text skywork teleflm fairseq2_llama step1 PanguEmbedded pangu_embedded
"""

TABLE = {
    **dict.fromkeys(LIKE_LLAMA.split(), Traits()),
    **dict.fromkeys(
        ("smollm3", "granite", "minicpm", "ernie4_5", "paddleocr_vl_text", "granite_docling_text"),
        Traits(tied=True),
    ),
    "cwm": Traits(period=4),
    "granite_swa": Traits(period=4),
    "vaultgemma": Traits(period=2),
    "cosmos3_edge_text": Traits(gated=False),
    "spark2_5": Traits(gate="head", period=4),
    "xverse_moe": Traits(),
    "plamo3": Traits(qk_norm="head", norm=4, tied=True),
    "molmo2_text": Traits(qk_norm="head"),
    "arcee": Traits(gated=False),
    "nanochat": Traits(gated=False),
    "jais2": Traits(gated=False),
    "apertus": Traits(gated=False, qk_norm="head"),
    "apertus1p5_text": Traits(gated=False, qk_norm="head"),
    "hunyuan_v1_dense": Traits(qk_norm="head"),
    "hunyuan_vl_text": Traits(qk_norm="head", tied=True),
    "internlm": Traits(biased=True),
    "internlm3": Traits(o_bias_field="bias"),
    "seed_oss": Traits(biased=True, o_biased=False),
    "orion": Traits(norm_bias=True),
    "bitnet": Traits(sub_norms=True),
    "aria_text": Traits(),
    "chameleon_text": Traits(qk_norm="heads"),
    "muse_glimmer_text": Traits(gate="wide", norm=4, period=4),
    "muse_spark_text": Traits(gate="wide", norm=3, extra=("residual_gate", "residual_gate")),
    "kolibri1": Traits(qk_norm="head", norm=4, period=5, correction=True),
    "flint": Traits(qk_norm="head", sinks=True, period=4),
    "beam": Traits(qk_norm="head", gate="wide", norm=4, period=6, correction=True),
}


def decoder(c: Fields, traits: Traits) -> Draft:
    """Count a decoder of grouped-query attention, dense or with experts."""
    if c.has("kv_lora_rank"):
        return FAMILIES["deepseek_v3"](c)
    hidden = c.width("hidden_size")
    layers = layer_count(c)
    mixers = alternating(c, _default_kinds(c, traits, layers), lambda w: _mixer(c, traits, w))
    return assemble(
        c,
        mixers,
        _feed_forwards(c, traits, hidden),
        norm=4 if c.flag("use_post_norm") else traits.norm,
        norm_bias=traits.norm_bias,
        final_norm=traits.final_norm,
        tied=traits.tied,
    )


def _default_kinds(c: Fields, traits: Traits, layers: int) -> list[str]:
    if traits.period:
        return every(layers, traits.period, "full")
    if c.family == "plamo3":
        return every(layers, c.whole("sliding_window_pattern", default=8, limit="layers"), "full")
    window = c.has("sliding_window") and c.flag("use_sliding_window", True)
    return ["window" if window else "full"] * layers


def _mixer(c: Fields, traits: Traits, window: int) -> Part:
    hidden, heads, _kv, head = shape(c)
    extra: list[Tensor] = [vector(name, hidden) for name in traits.extra]
    if traits.gate:
        columns = heads * head if traits.gate == "wide" else heads
        extra.append(matrix("self_attn.gate_proj", "attention", hidden, columns))
    if traits.sub_norms:
        extra.append(vector("self_attn.attn_sub_norm", hidden))
    qkv = c.flag("qkv_bias", c.flag("bias", c.flag("use_bias", traits.biased)))
    qkv = c.flag("attention_bias", qkv)
    return gqa(
        c,
        window=window,
        qkv_bias=qkv,
        o_bias=c.flag(traits.o_bias_field, traits.o_biased and qkv),
        qk_norm=traits.qk_norm,
        sinks=traits.sinks,
        extra=extra,
    )


def _feed_forwards(c: Fields, traits: Traits, hidden: int) -> Part | list[Part]:
    bias = c.flag("mlp_bias", c.flag("use_bias"))

    def dense() -> Part:
        part = mlp(c, gated=traits.gated, bias=bias)
        if traits.sub_norms:
            part += norms(c.whole("intermediate_size", limit="ffn"), name="mlp.ffn_sub_norm")
        return part

    if not c.tells("num_experts"):
        return dense()
    sparse = experts(c, traits.correction)
    if c.has("mlp_only_layers") or c.has("decoder_sparse_step"):
        return qwen_sparse(c, sparse, dense)
    return first_dense(c, sparse, dense)


def experts(c: Fields, correction: bool = False) -> Part:
    """Build a mixture of experts, whatever its fields are called."""
    size = c.whole("moe_intermediate_size", "intermediate_size", limit="ffn")
    shared = c.whole("num_shared_experts", default=0, low=0, limit="experts") * size
    shared = c.whole("shared_expert_intermediate_size", default=shared, low=0, limit="ffn")
    return moe(
        c,
        c.whole("num_experts", limit="experts"),
        c.whole("num_experts_per_tok"),
        size,
        shared=shared,
        correction=correction,
        latent=c.whole("moe_hidden_size", default=0, low=0, limit="width"),
    )


def _register() -> None:
    for name, traits in TABLE.items():

        def build(c: Fields, traits: Traits = traits) -> Draft:
            return decoder(c, traits)

        family(name)(build)


_register()
