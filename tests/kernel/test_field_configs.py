"""Configs as people bring them, each counted by hand from its architecture.

The arithmetic is written out: a layer's matrices, what lies outside the layers, the bytes that a
token adds to the cache in 16 bits, and the bytes of a layer's state.
"""

import json

import pytest

from llmcap_kernel.huggingface import load

BF16 = 2


def config(kind, hidden, layers, heads, kv, wide, rows, **more):
    """A config in the fields that all share."""
    return {
        **{"model_type": kind, "hidden_size": hidden, "num_hidden_layers": layers},
        **{"num_attention_heads": heads, "num_key_value_heads": kv, "intermediate_size": wide},
        **{"vocab_size": rows, "max_position_embeddings": 131072, "tie_word_embeddings": False},
    } | more


def grouped(hidden, heads, kv, head):
    """The four matrices of attention."""
    return 2 * hidden * heads * head + 2 * hidden * kv * head


def mlp(hidden, wide):
    return 3 * hidden * wide


def mamba2(hidden, heads, head, state, groups, taps=4):
    """In and out, a convolution with a bias, A, D and dt's bias, the gated norm."""
    inner, conv = heads * head, heads * head + 2 * groups * state
    return (
        hidden * (inner + conv + heads)
        + inner * hidden
        + conv * (taps + 1)
        + 3 * heads
        + inner
    )  # fmt: skip


def latent(hidden, heads, q_rank, rank=512, nope=128, rope=64, value=128):
    query = hidden * q_rank + q_rank + q_rank * heads * (nope + rope) if q_rank else (
        hidden * heads * (nope + rope))  # fmt: skip
    keys = hidden * (rank + rope) + rank + rank * heads * (nope + value)
    return query + keys + heads * value * hidden


def ends(rows, hidden, tables=2):
    return tables * rows * hidden + hidden


GRANITE = config(
    *("granitemoehybrid", 4096, 40, 32, 8, 768, 100352),
    layer_types=[("attention" if i in (5, 15, 25, 35) else "mamba") for i in range(40)],
    **{"mamba_n_heads": 128, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1},
    **{"mamba_d_conv": 4, "mamba_expand": 2, "num_local_experts": 72, "num_experts_per_tok": 10},
    **{"shared_intermediate_size": 1536, "tie_word_embeddings": True},
    **{"position_embedding_type": "nope", "mamba_conv_bias": True, "mamba_proj_bias": False},
)
NEXT = config(
    *("qwen3_next", 2048, 48, 16, 2, 5120, 151936),
    **{"head_dim": 256, "full_attention_interval": 4, "num_experts": 512},
    **{"num_experts_per_tok": 10, "moe_intermediate_size": 512},
    **{"shared_expert_intermediate_size": 512, "linear_conv_kernel_dim": 4},
    **{"linear_num_key_heads": 16, "linear_key_head_dim": 128},
    **{"linear_num_value_heads": 32, "linear_value_head_dim": 128},
    quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3"},
)
MOONSHOT = config(
    *("kimi_linear", 2304, 27, 32, 32, 9216, 163840),
    **{"kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64},
    **{"v_head_dim": 128, "head_dim": 72, "mla_use_nope": True, "num_experts": 256},
    **{"num_experts_per_token": 8, "num_shared_experts": 1, "moe_intermediate_size": 1024},
    **{"first_k_dense_replace": 1, "moe_layer_freq": 1},
    linear_attn_config={
        "full_attn_layers": [4, 8, 12, 16, 20, 24, 27],
        "kda_layers": [i for i in range(1, 27) if i % 4],
        **{"head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4},
    },
)
KIMI_K2 = config(
    *("kimi_k2", 7168, 61, 64, 64, 18432, 163840),
    **{"architectures": ["DeepseekV3ForCausalLM"], "kv_lora_rank": 512, "q_lora_rank": 1536},
    **{"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "head_dim": None},
    **{"moe_intermediate_size": 2048, "n_routed_experts": 384, "n_shared_experts": 1},
    **{"num_experts_per_tok": 8, "first_k_dense_replace": 1, "rope_scaling": None},
)
LITE = {
    name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    for name, value in config(
        *("deepseek_v2", 2048, 27, 16, 16, 10944, 102400),
        **{"kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128},
        **{"qk_rope_head_dim": 64, "v_head_dim": 128, "moe_intermediate_size": 1408},
        **{"n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6},
        **{"first_k_dense_replace": 1, "moe_layer_freq": 1},
    ).items()
}
QWEN_4B = config("qwen3", 2560, 36, 32, 8, 9728, 151936, head_dim=128, tie_word_embeddings=True)
QWEN_4B_PARAMS = 36 * (grouped(2560, 32, 8, 128) + mlp(2560, 9728) + 2 * 128 + 2 * 2560) + ends(
    151936, 2560, 1
)
# in: qkv and z, b and a; a convolution over 8192 channels; A and dt's bias; the norm of a head
DELTA = 2048 * (8192 + 4096 + 64) + 4096 * 2048 + 8192 * 4 + 2 * 32 + 128
# queries with a gate, norms of heads
GATED = 2048 * (2 * 16 * 256 + 2 * 2 * 256) + 16 * 256 * 2048 + 2 * 256
# q, k, v and o, beta, decay and gate by 128 columns, three convolutions, A, dt's bias, a norm
KDA = 4 * 2304 * 4096 + 2304 * 32 + 2 * (2304 + 4096) * 128 + 3 * 4096 * 4 + 32 + 4096 + 128

# Of each: the config, its parameters, bytes a token adds in BF16, bytes of all states and the
# bytes of one element of a state.
BY_HAND = {
    "granite-4.0-h-small": (
        GRANITE,
        36 * mamba2(4096, 128, 64, 128, 1)
        + 4 * grouped(4096, 32, 8, 128)
        + 40 * (72 * mlp(4096, 768) + 72 * 4096 + mlp(4096, 1536) + 2 * 4096)
        + ends(100352, 4096, 1),
        4 * 2 * 8 * 128 * BF16,
        36 * (128 * 64 * 128 + 3 * (8192 + 2 * 128)) * BF16,
    ),
    "granite-4.0-h-micro, which has no experts": (
        GRANITE
        | {"hidden_size": 2048, "mamba_n_heads": 64, "num_local_experts": 0}
        | {"num_experts_per_tok": 0, "shared_intermediate_size": 8192},
        36 * mamba2(2048, 64, 64, 128, 1)
        + 4 * grouped(2048, 32, 8, 64)
        + 40 * (mlp(2048, 8192) + 2 * 2048)
        + ends(100352, 2048, 1),
        4 * 2 * 8 * 64 * BF16,
        36 * (64 * 64 * 128 + 3 * (4096 + 2 * 128)) * BF16,
    ),
    "qwen3-next in FP8": (
        NEXT,
        36 * DELTA
        + 12 * GATED
        + 48 * (512 * mlp(2048, 512) + 512 * 2048 + mlp(2048, 512) + 2048 + 2 * 2048)
        + ends(151936, 2048),
        12 * 2 * 2 * 256 * BF16,
        36 * (32 * 128 * 128 + 3 * 8192) * BF16,
    ),
    "kimi-linear": (
        MOONSHOT,
        20 * KDA
        + 7 * latent(2304, 32, 0)
        + mlp(2304, 9216)
        + 26 * (256 * mlp(2304, 1024) + 256 * 2304 + mlp(2304, 1024) + 256)
        + 27 * 2 * 2304
        + ends(163840, 2304),
        7 * (512 + 64) * BF16,
        20 * (32 * 128 * 128 * 4 + 3 * 3 * 4096 * BF16),
    ),
    "kimi-k2 with nulls": (
        KIMI_K2,
        61 * (latent(7168, 64, 1536) + 2 * 7168)
        + mlp(7168, 18432)
        + 60 * (385 * mlp(7168, 2048) + 384 * 7168 + 384)
        + ends(163840, 7168),
        61 * (512 + 64) * BF16,
        0,
    ),
    "deepseek-v2-lite with numbers in quotes": (
        LITE,
        27 * (latent(2048, 16, 0) + 2 * 2048)
        + mlp(2048, 10944)
        + 26 * (64 * mlp(2048, 1408) + 64 * 2048 + mlp(2048, 2816))
        + ends(102400, 2048),
        27 * (512 + 64) * BF16,
        0,
    ),
    "a text model under llm_config": (
        {"model_type": "new_vl", "llm_config": QWEN_4B, "vision_config": {"hidden_size": 1024}},
        QWEN_4B_PARAMS,
        36 * 2 * 8 * 128 * BF16,
        0,
    ),
    "a text model under language_config": (
        {"model_type": "foo_vl", "language_config": QWEN_4B},
        QWEN_4B_PARAMS,
        36 * 2 * 8 * 128 * BF16,
        0,
    ),
    "exaone 4 with LLLG": (
        config(
            *("exaone4", 5120, 64, 40, 8, 27392, 102400),
            **{"head_dim": 128, "sliding_window": 4096, "sliding_window_pattern": "LLLG"},
        ),
        64 * (grouped(5120, 40, 8, 128) + mlp(5120, 27392) + 2 * 128 + 2 * 5120)
        + ends(102400, 5120),
        64 * 2 * 8 * 128 * BF16,
        0,
    ),
    "command-a, whose head is its table": (
        {
            name: value
            for name, value in config(
                *("cohere2", 12288, 64, 96, 8, 36864, 256000),
                **{"head_dim": 128, "sliding_window": 4096, "sliding_window_pattern": 4},
            ).items()
            if name != "tie_word_embeddings"
        },
        64 * (grouped(12288, 96, 8, 128) + mlp(12288, 36864) + 12288) + ends(256000, 12288, 1),
        64 * 2 * 8 * 128 * BF16,
        0,
    ),
    "lfm2 by its own names": (
        {
            **{"model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 16},
            **{"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 65536},
            **{"block_ff_dim": 12288, "block_auto_adjust_ff_dim": True, "conv_L_cache": 3},
            **{"block_ffn_dim_multiplier": 1.0, "block_multiple_of": 256, "conv_bias": False},
            **{"full_attn_idxs": [2, 5, 8, 10, 12, 14], "tie_embedding": True},
            "max_position_embeddings": 128000,
        },
        # two thirds of 12288 in steps of 256; in of three parts, out, three taps
        10 * (2048 * 3 * 2048 + 2048 * 2048 + 3 * 2048)
        + 6 * (grouped(2048, 32, 8, 64) + 2 * 64)
        + 16 * (mlp(2048, 8192) + 2 * 2048)
        + ends(65536, 2048, 1),
        6 * 2 * 8 * 64 * BF16,
        10 * 2 * 2048 * BF16,
    ),
    "ernie 4.5, experts from layer 3": (
        config(
            *("ernie4_5_moe", 8192, 54, 64, 8, 28672, 103424),
            **{"moe_num_experts": 64, "moe_num_shared_experts": 0, "moe_k": 8},
            **{"moe_intermediate_size": 3584, "moe_layer_start_index": 3},
            **{"moe_layer_interval": 1, "use_bias": False},
        ),
        54 * (grouped(8192, 64, 8, 128) + 2 * 8192)
        + 3 * mlp(8192, 28672)
        + 51 * (64 * mlp(8192, 3584) + 64 * 8192 + 64)
        + ends(103424, 8192),
        54 * 2 * 8 * 128 * BF16,
        0,
    ),
    "hunyuan with a list for each layer": (
        config(
            *("hunyuan_v1_moe", 4096, 32, 32, 8, 3072, 128167),
            **{"moe_intermediate_size": [3072] * 32, "moe_topk": [8] * 32, "num_experts": 64},
            **{"num_shared_expert": [1] * 32, "use_mixed_mlp_moe": True, "use_qk_norm": True},
            **{"head_dim": 128, "tie_word_embeddings": True},
        ),
        32 * (grouped(4096, 32, 8, 128) + 65 * mlp(4096, 3072) + 64 * 4096)
        + 32 * (2 * 128 + 2 * 4096)
        + ends(128167, 4096, 1),
        32 * 2 * 8 * 128 * BF16,
        0,
    ),
    "arctic, a dense part beside the experts": (
        config(
            *("arctic", 7168, 35, 56, 8, 4864, 32000),
            **{"num_local_experts": 128, "num_experts_per_tok": 2, "moe_layer_frequency": 1},
            **{"parallel_attn_mlp_res": True, "use_residual": True},
        ),
        # the residual part is as wide as the model, and has a norm of its own
        35 * (grouped(7168, 56, 8, 128) + 128 * mlp(7168, 4864) + 128 * 7168)
        + 35 * (mlp(7168, 7168) + 3 * 7168)
        + ends(32000, 7168),
        35 * 2 * 8 * 128 * BF16,
        0,
    ),
    "nemotron nano 2 by its pattern": (
        config(
            *("nemotron_h", 4480, 56, 40, 8, 15680, 131072),
            hybrid_override_pattern="M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
            **{"head_dim": 128, "mamba_num_heads": 128, "mamba_head_dim": 80, "n_groups": 8},
            **{"ssm_state_size": 128, "conv_kernel": 4, "use_conv_bias": True, "expand": 2},
        ),
        27 * mamba2(4480, 128, 80, 128, 8)
        + 4 * grouped(4480, 40, 8, 128)
        + 25 * 2 * 4480 * 15680
        + 56 * 4480
        + ends(131072, 4480),
        4 * 2 * 8 * 128 * BF16,
        27 * (128 * 80 * 128 * 4 + 3 * (10240 + 2 * 8 * 128) * BF16),
    ),
    "dbrx by its own names": (
        {
            **{"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40},
            **{"vocab_size": 100352, "max_seq_len": 32768, "tie_word_embeddings": False},
            "attn_config": {"kv_n_heads": 8, "clip_qkv": 8, "model_type": ""},
            "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
        },
        40 * (grouped(6144, 48, 8, 128) + 16 * mlp(6144, 10752) + 16 * 6144 + 2 * 6144)
        + ends(100352, 6144),
        40 * 2 * 8 * 128 * BF16,
        0,
    ),
}


def bytes_of_a_token(m):
    """What a token adds while no window is full."""
    return sum(
        BF16 * a.layers * (
            a.latent_dim + a.rope_dim
            if a.latent_dim
            else a.kv_heads * (a.head_dim + (a.v_head_dim or a.head_dim))
        )
        for a in m.attention
        if a.kind != "linear"
    )  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_a_config_is_what_its_architecture_adds_up_to(name):
    data, params, token_bytes, state_bytes = BY_HAND[name]
    m = load(json.loads(json.dumps(data)), name)
    assert m.params == params
    assert bytes_of_a_token(m) == token_bytes
    assert sum(a.layers * a.state_bytes for a in m.attention) == state_bytes
