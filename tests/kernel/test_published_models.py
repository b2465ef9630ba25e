"""Models of which the catalogue holds no file: fields as published, and their published counts."""

import pytest

from llmcap_kernel.huggingface import load
from llmcap_kernel.refuse import BadInput

MAMBA2 = {
    **{"mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2},
    "mamba_conv_bias": True,
}


def granite(hidden, heads, kv, mamba_heads, experts, chosen, size, shared):
    """Granite 4.0 H: four of forty layers have attention."""
    return MAMBA2 | {
        **{"model_type": "granitemoehybrid", "hidden_size": hidden, "num_hidden_layers": 40},
        **{"num_attention_heads": heads, "num_key_value_heads": kv, "num_local_experts": experts},
        **{"num_experts_per_tok": chosen, "intermediate_size": size, "vocab_size": 100352},
        **{"shared_intermediate_size": shared, "tie_word_embeddings": True, "mamba_d_head": 64},
        **{"mamba_n_heads": mamba_heads, "max_position_embeddings": 131072},
        "layer_types": ["attention" if i in (5, 15, 25, 35) else "mamba" for i in range(40)],
    }


def dense(kind, hidden, layers, heads, kv, size, vocab, tied=False, **more):
    return {
        **{"model_type": kind, "hidden_size": hidden, "num_hidden_layers": layers},
        **{"num_attention_heads": heads, "num_key_value_heads": kv, "intermediate_size": size},
        **{"vocab_size": vocab, "tie_word_embeddings": tied, "max_position_embeddings": 32768},
        **more,
    }


def nemotron(hidden, pattern, size, heads, mamba_head):
    return dense("nemotron_h", hidden, len(pattern), heads, 8, size, 131072) | {
        **{"hybrid_override_pattern": pattern, "head_dim": 128, "mamba_num_heads": 128},
        **{"mamba_head_dim": mamba_head, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4},
    }


LING = {"first_k_dense_replace": 1, "num_experts": 256, "num_experts_per_tok": 8}
LING |= {"num_shared_experts": 1, "use_qk_norm": True, "head_dim": 128}
STEP3 = dense("step3_text", 7168, 61, 64, 1, 18432, 128815) | {
    **{"num_attention_groups": 1, "head_dim": 256, "share_q_dim": 2048, "moe_num_experts": 48},
    **{"moe_intermediate_size": 5120, "moe_top_k": 3, "share_expert_dim": 5120},
    "moe_layers_enum": ",".join(map(str, range(4, 60))),
}
STEP3_TOWER = {"hidden_size": 1792, "intermediate_size": 15360, "num_hidden_layers": 63}
STEP3_TOWER |= {"num_attention_heads": 16, "patch_size": 14, "image_size": 728}
SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
SIGLIP |= {"num_attention_heads": 16, "patch_size": 14, "image_size": 980, "model_type": "siglip"}
TIMM = {"model_type": "vision", "model_name": "siglip_so400m_patch14_384", "width": 1152}
TIMM |= {"layers": 27, "mlp_ratio": 3.7362, "patch_size": 14}
VL2 = dense("deepseek_v2", 2560, 30, 32, 32, 12288, 129280, moe_intermediate_size=1536) | {
    **{"n_routed_experts": 72, "n_shared_experts": 2, "num_experts_per_tok": 6},
    **{"first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": None},
    **{"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
}
LFM2_AT = (2, 6, 10, 14, 18, 21)
# Fields by name, the published billions of parameters, in all and active, and the elements of
# keys and values that a token takes in layers without a window: 2 x heads x width x layers.
MODELS = {
    "Granite-4.0-H-Small": (
        *(granite(4096, 32, 8, 128, 72, 10, 768, 1536), 32.2, 9.0, 2 * 8 * 128 * 4),
    ),
    "Granite-4.0-H-Tiny": (granite(1536, 12, 4, 48, 64, 6, 512, 1024), 6.9, None, 2 * 4 * 128 * 4),
    "Granite-4.0-H-Micro": (granite(2048, 32, 8, 64, 0, 0, 8192, 8192), 3.2, 3.2, 2 * 8 * 64 * 4),
    "Falcon-H1-34B": (
        dense("falcon_h1", 5120, 72, 20, 4, 21504, 261120, head_dim=128)
        | MAMBA2
        | {"mamba_d_ssm": 4096, "mamba_n_heads": 32, "mamba_d_head": 128, "mamba_d_state": 256}
        | {"mamba_n_groups": 2},
        *(33.6, 33.6, 2 * 4 * 128 * 72),
    ),
    "Nemotron-H-8B": (
        nemotron(4096, "M-M-M-M*-" + "M-M-M-M-M*-" * 3 + "M-M-M-M-M-", 21504, 32, 64),
        *(8.1, 8.1, 2 * 8 * 128 * 4),
    ),
    "Nemotron-Nano-9B-v2": (
        nemotron(
            *(4480, "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-", 15680, 40, 80)
        ),
        *(8.89, 8.89, 2 * 8 * 128 * 4),
    ),
    "LFM2-1.2B": (
        dense("lfm2", 2048, 16, 32, 8, 12288, 65536, True, conv_L_cache=3)
        | {"full_attn_idxs": [2, 5, 8, 10, 12, 14], "block_auto_adjust_ff_dim": True}
        | {"block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0},
        *(1.17, 1.17, 2 * 8 * 64 * 6),
    ),
    "LFM2-8B-A1B": (
        dense("lfm2_moe", 2048, 24, 32, 8, 7168, 65536, True, conv_L_cache=3)
        | {"moe_intermediate_size": 1792, "num_experts": 32, "num_experts_per_tok": 4}
        | {"num_dense_layers": 2}
        | {"layer_types": ["full_attention" if i in LFM2_AT else "conv" for i in range(24)]},
        *(8.3, 1.5, 2 * 8 * 64 * 6),
    ),
    "Jamba-v0.1": (
        dense("jamba", 4096, 32, 32, 8, 14336, 65536, num_experts=16, num_experts_per_tok=2)
        | {"attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2}
        | {"expert_layer_offset": 1, "mamba_d_state": 16, "mamba_dt_rank": 256},
        *(51.6, 12.0, 2 * 8 * 128 * 4),
    ),
    "ERNIE-4.5-300B-A47B": (
        dense("ernie4_5_moe", 8192, 54, 64, 8, 28672, 103424, moe_intermediate_size=3584)
        | {"moe_num_experts": 64, "moe_k": 8, "moe_layer_start_index": 3}
        | {"moe_num_shared_experts": 0},
        *(300, 47, 2 * 8 * 128 * 54),
    ),
    "Seed-OSS-36B": (
        dense("seed_oss", 5120, 64, 80, 8, 27648, 155136, head_dim=128),
        *(36.15, 36.15, 2 * 8 * 128 * 64),
    ),
    "OLMo-3-32B": (
        dense("olmo3", 5120, 64, 40, 8, 27648, 100278, sliding_window=4096)
        | {"layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 16},
        *(32.2, 32.2, 2 * 8 * 128 * 16),
    ),
    "Apertus-70B": (
        dense("apertus", 8192, 80, 64, 8, 43008, 131072),
        *(70.6, 70.6, 2 * 8 * 128 * 80),
    ),
    "EXAONE-4.0-32B": (
        dense("exaone4", 5120, 64, 40, 8, 27392, 102400, sliding_window=4096)
        | {"sliding_window_pattern": "LLLG"},
        *(32.0, 32.0, 2 * 8 * 128 * 16),
    ),
    "Ling-mini-2.0": (
        dense("bailing_moe_v2", 2048, 20, 16, 4, 5120, 157184, moe_intermediate_size=512) | LING,
        *(16.26, 1.43, 2 * 4 * 128 * 20),
    ),
    "Ling-1T": (
        dense("bailing_moe_v2", 8192, 80, 64, 8, 18432, 157184, moe_intermediate_size=2048)
        | LING
        | {"first_k_dense_replace": 4},
        *(1000, 50, 2 * 8 * 128 * 80),
    ),
    "MiniMax-Text-01": (
        dense("minimax_text_01", 6144, 80, 64, 8, 9216, 200064, head_dim=128)
        | {"num_local_experts": 32, "num_experts_per_tok": 2}
        | {"attn_type_list": ([0] * 7 + [1]) * 10},
        *(456, 45.9, 2 * 8 * 128 * 10),
    ),
    # whose file says that its model_type is "git"
    "Grok-2": (
        dense("git", 8192, 64, 64, 8, 32768, 131072, head_dim=128)
        | {"architectures": ["Grok1ForCausalLM"], "moe_intermediate_size": 16384}
        | {"num_local_experts": 8, "num_experts_per_tok": 2, "residual_moe": True},
        *(270, 115, 2 * 8 * 128 * 64),
    ),
    # 2507.19427: 321B with its tower, 316B and 38B active without; one head of 256
    "Step-3's text model": (STEP3, 316, 38, 2 * 256 * 61),
    "Step-3": (
        {"model_type": "step3_vl", "text_config": STEP3, "vision_config": STEP3_TOWER},
        *(321, 38, 2 * 256 * 61),
    ),
    "Pangu-Pro-MoE": (
        dense("PanguProMoE", 5120, 48, 40, 8, 1344, 153376, moe_intermediate_size=1344)
        | {"num_experts": 64, "num_experts_per_tok": 8, "shared_expert_intermediate_size": 5376},
        *(72, 16.5, 2 * 8 * 128 * 48),
    ),
    "SmallThinker-21BA3B": (
        dense("smallthinker", 2560, 52, 28, 4, 768, 151936, head_dim=128)
        | {"moe_ffn_hidden_size": 768, "moe_num_primary_experts": 64, "sliding_window_size": 4096}
        | {"moe_num_active_primary_experts": 6}
        | {"sliding_window_layout": [0, 1, 1, 1] * 13},
        *(21.5, None, 2 * 4 * 128 * 13),
    ),
    "Solar-Pro": (
        dense("solar", 5120, 64, 40, 10, 17920, 32128, sliding_window=2047),
        *(22.1, 22.1, 2 * 10 * 128 * 64),
    ),
    # 2507.06607: one layer keeps keys and values of every token
    "Phi-4-mini-flash": (
        dense("phi4flash", 2560, 32, 40, 20, 10240, 200064, True, mb_per_layer=2)
        | {"sliding_window": 512, "mamba_d_state": 16, "mamba_dt_rank": 160},
        *(3.85, 3.85, 2 * 20 * 64),
    ),
    "Molmo-7B-D": (
        dense("molmo", 3584, 28, 28, 4, 37888, 152064),
        *(8.02, None, 2 * 4 * 128 * 28),
    ),
    # whose tower has timm's names
    "DeepSeek-VL2": (
        {"model_type": "deepseek_vl_v2", "language_config": VL2, "vision_config": TIMM},
        *(27.5, None, 0),
    ),
    "Phi-3.5-vision": (
        dense("phi3_v", 3072, 32, 32, 32, 8192, 32064)
        | {"img_processor": {"name": "clip_vision_model", "image_dim_out": 1024}},
        *(4.15, None, 2 * 32 * 96 * 32),
    ),
    "PLaMo-2-1B": (
        dense("plamo2", 2048, 16, 16, 1, 8192, 100000, True, hidden_size_per_head=128)
        | {"mamba_step": 2, "mamba_d_state": 64, "mamba_d_conv": 4, "mamba_num_heads": 32},
        *(1.29, 1.29, 2 * 128 * 8),
    ),
    # 2502.12671: two heads of 160 in layers without a window
    "Baichuan-M1-14B": (
        dense("baichuan_m1", 5120, 40, 32, 2, 17408, 133120, conv_window=2, sliding_window=8192)
        | {"num_swa_attention_heads": 20, "num_swa_key_value_heads": 8}
        | {"sliding_window_layers": list(range(1, 40, 2))},
        *(14.5, 14.5, 2 * 2 * 160 * 20),
    ),
    # no keys, no values: a matrix a head
    "RWKV7-Goose-2.9B": (
        {"model_type": "rwkv7", "hidden_size": 2560, "num_hidden_layers": 32, "head_dim": 64}
        | {"vocab_size": 65536, "intermediate_size": 10240, "decay_low_rank_dim": 96}
        | {"a_low_rank_dim": 96, "v_low_rank_dim": 64, "gate_low_rank_dim": 320},
        *(2.948, 2.948, 0),
    ),
    "RWKV-6-1.6B": (
        {"model_type": "rwkv6", "hidden_size": 2048, "attention_hidden_size": 2048}
        | {"num_hidden_layers": 24, "head_size": 64, "vocab_size": 65536},
        *(1.6, 1.6, 0),
    ),
    "Phi-3-small": (
        dense("phi3small", 4096, 32, 32, 8, 14336, 100352, True, ff_intermediate_size=14336),
        *(7.39, 7.39, 2 * 8 * 128 * 32),
    ),
    # 2510.25741: four passes, each with a cache; what is read in all is not published
    "Ouro-1.4B": (
        dense("ouro", 2048, 24, 16, 16, 5632, 49152, total_ut_steps=4),
        *(1.43, None, 2 * 16 * 128 * 24 * 4),
    ),
    "Motif-2.6B": (
        dense("motif", 2048, 32, 16, 16, 8192, 219520, True),
        *(2.6, 2.6, 2 * 16 * 128 * 32),
    ),
    "Skywork-MoE": (
        dense("skywork_moe", 4608, 52, 36, 36, 12288, 65536, num_experts=[16])
        | {"num_experts_per_tok": 2},
        *(146, 22, 2 * 36 * 128 * 52),
    ),
    "Jais-13B": (
        {"model_type": "jais", "n_embd": 5120, "n_layer": 40, "n_head": 40, "n_inner": 13653}
        | {"vocab_size": 84992, "n_positions": 2048, "position_embedding_type": "alibi"},
        *(13.0, 13.0, 2 * 40 * 128 * 40),
    ),
    "openPangu-Ultra-MoE-718B": (
        dense("pangu_ultra_moe", 7680, 61, 128, 128, 18432, 153600, moe_intermediate_size=2048)
        | {"num_routed_experts": 256, "num_shared_experts": 1, "num_experts_per_tok": 8}
        | {"num_dense_layers": 3, "attention_kv_lora_dim": 512, "attention_q_lora_dim": 1536}
        | {"attention_qk_dim": 128, "attention_qk_rope_dim": 64, "attention_v_dim": 128},
        *(718, 39, 0),
    ),
    # 31.4B of them in tables that are looked up
    "LongCat-Flash-Lite": (
        dense("longcat_flash_ngram", 3072, 14, 32, 32, 6144, 131072, num_layers=14)
        | {"ffn_hidden_size": 6144, "expert_ffn_hidden_size": 1024, "n_routed_experts": 256}
        | {"moe_topk": 12, "zero_expert_num": 128, "kv_lora_rank": 512, "q_lora_rank": 1536}
        | {"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
        | {"ngram_vocab_size_ratio": 78, "emb_neighbor_num": 4, "emb_split_num": 4},
        *(68.5, None, 0),
    ),
    # with towers and both adapters
    "Phi-4-multimodal": (
        dense("phi4mm", 3072, 32, 24, 8, 8192, 200064, True)
        | {"vision_lora": {"r": 256}, "speech_lora": {"r": 320}},
        *(5.57, None, 2 * 8 * 128 * 32),
    ),
    # of no kind that is known, around a text model of one
    "InternS1": (
        {"model_type": "interns1", "architectures": ["InternS1ForConditionalGeneration"]}
        | {
            "text_config": dense("qwen3_moe", 4096, 94, 64, 4, 12288, 153216, head_dim=128)
            | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1536}
        }
        | {
            "vision_config": {"hidden_size": 3200, "intermediate_size": 12800, "patch_size": 14}
            | {"num_hidden_layers": 45, "num_attention_heads": 25, "image_size": 448}
        },
        *(241, 22, 2 * 4 * 128 * 94),
    ),
    "Kimi-K2-Instruct": (
        dense("kimi_k2", 7168, 61, 64, 64, 18432, 163840, moe_intermediate_size=2048)
        | {"n_routed_experts": 384, "n_shared_experts": 1, "num_experts_per_tok": 8}
        | {"first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": 1536}
        | {"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
        *(1026, 32.6, 0),
    ),
    "Ring-mini-linear-2.0": (
        dense("bailing_moe_linear", 2048, 20, 16, 4, 5120, 157184, moe_intermediate_size=512)
        | LING
        | {"layer_group_size": 5},
        *(16.4, 1.6, 2 * 4 * 128 * 4),
    ),
    "Hunyuan-Large": (
        dense("hunyuan", 6400, 64, 80, 8, 18304, 129024, True, num_experts=16, moe_topk=1)
        | {"num_shared_expert": 1, "use_cla": True, "cla_share_factor": 2}
        | {"use_mixed_mlp_moe": True},
        *(389, 52, 2 * 8 * 80 * 32),
    ),
    "Mistral-Large-3": (
        {
            "model_type": "mistral3",
            "text_config": dense("deepseek_v3", 7168, 61, 128, 128, 16384, 131072)
            | {"n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 4}
            | {"moe_intermediate_size": 4096, "first_k_dense_replace": 3, "kv_lora_rank": 512}
            | {"q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}
            | {"v_head_dim": 128},
            "vision_config": {"model_type": "pixtral", "hidden_size": 1664, "head_dim": 104}
            | {"num_hidden_layers": 48, "num_attention_heads": 16, "intermediate_size": 8192}
            | {"image_size": 1540, "patch_size": 14},
        },
        *(675, 39, 0),
    ),
    "AFM-4.5B": (
        dense("arcee", 2560, 36, 20, 4, 18432, 128004, head_dim=128),
        *(4.62, 4.62, 2 * 4 * 128 * 36),
    ),
    "InternLM3-8B": (
        dense("internlm3", 4096, 48, 32, 2, 10240, 128512, head_dim=128),
        *(8.80, 8.80, 2 * 2 * 128 * 48),
    ),
    "MiniCPM-V-2.6": (
        dense("minicpmv", 3584, 28, 28, 4, 18944, 151666, version=2.6, query_num=64)
        | {"vision_config": SIGLIP},
        *(8.1, None, 2 * 4 * 128 * 28),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_cache_are_those_that_were_published(name):
    data, total, active, elements = MODELS[name]
    m = load(data, name)
    assert m.params / 1e9 == pytest.approx(total, rel=0.015)
    ends = sum(t.params for t in m.tensors if t.role in ("embedding", "head", "vision"))
    if active:  # some count the tables at the ends, and some do not
        least, most = (m.active_params - ends) / 1e9, m.active_params / 1e9
        assert least <= active * 1.05 and most >= active * 0.95
    whole = sum(
        a.layers * a.kv_heads * (a.head_dim + (a.v_head_dim or a.head_dim))
        for a in m.attention
        if a.kind == "full"
    )
    assert whole == elements


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"_class_name": "FluxTransformer2DModel", "num_layers": 19}, "by diffusion"),
        ({"model_type": "Dream", "hidden_size": 3584}, "writes by diffusion"),
        ({"model_type": "clip", "text_config": {}, "vision_config": {}}, "writes no text"),
        ({"model_type": "new", "architectures": ["NewModel"]}, "is an encoder"),
        ({"model_type": "x", "architectures": ["XForMaskedLM"]}, "is an encoder"),
        ({"model_type": "x", "architectures": ["XForImageClassification"]}, "writes no text"),
        ({"model_type": "x", "architectures": ["XForCTC"]}, "sound"),
        (
            dense("gemma3_text", 768, 24, 3, 1, 1152, 262144)
            | {"use_bidirectional_attention": True},
            "use_bidirectional_attention is True",
        ),
        (
            dense("llama", 4096, 32, 32, 8, 14336, 128256) | {"is_causal": False},
            "is_causal is False",
        ),
        (STEP3 | {"moe_layers_enum": "all"}, "it takes layers, as in 1,2,3"),
        # heads that guess have the model_type of what they guess for
        (
            dense("llama", 4096, 1, 32, 8, 14336, 128256)
            | {"architectures": ["LlamaForCausalLMEagle3"]},
            "'LlamaForCausalLMEagle3' is a draft model",
        ),
        ({"architectures": ["T5ForConditionalGeneration"]}, "is an encoder with a decoder"),
        ({"architectures": ["BertModel"], "hidden_size": 768}, "is an encoder"),
        ({"model_type": "x", "architectures": ["FooDiffusionLM"]}, "writes by diffusion"),
        ({"architectures": ["FooForCausalLM"]}, "architectures 'FooForCausalLM' is of no family"),
        (
            {"peft_type": "LORA", "r": 16, "base_model_name_or_path": "a/b"},
            "peft_type is there: this file is an adapter's; give the model's config.json of 'a/b'.",
        ),
        ({"metadata": {}, "weight_map": {"a": "b"}}, "is the index of a checkpoint's files"),
        ({"tokenizer_class": "LlamaTokenizer"}, "is a tokenizer's"),
        ({"eos_token_id": 2, "temperature": 0.6}, "is of how tokens are chosen"),
        ({"bits": 4, "group_size": 128, "desc_act": True}, "is a quantisation's"),
        ({"producer": {}, "quantization": {"quant_algo": "NVFP4"}}, "is a quantisation's"),
        ({"modelId": "a/b", "siblings": [], "config": {}}, "is a hub's list of a repository"),
        (
            {"model_config": dense("llama", 4096, 32, 32, 8, 14336, 128256)},
            "model_config has one: give the object of model_config alone.",
        ),
        # a score in place of a vocabulary: their model_type is that of what they were made of
        *(
            (
                dense("llama", 4096, 32, 32, 8, 14336, 128256) | {"architectures": [judge]},
                f"'{judge}' gives a text a class or a score",
            )
            for judge in (
                "LlamaForSequenceClassification",
                "Qwen2ForProcessRewardModel",
                "InternLM2ForRewardModel",
                "Qwen3ForTokenClassification",
            )
        ),
        (
            dense("Motif", 4096, 40, 40, 8, 16384, 219520, num_noise_heads=8),
            "num_noise_heads: heads in groups",
        ),
    ],
)
def test_what_writes_no_text_is_refused_in_one_sentence(data, told):
    with pytest.raises(BadInput) as problem:
        load(data)
    said = str(problem.value)
    assert told in said and said.endswith(".") and "\n" not in said


QWEN3_MOE = dense("x", 2048, 48, 32, 4, 6144, 151936, head_dim=128, num_experts=128) | {
    **{"num_experts_per_tok": 8, "moe_intermediate_size": 768},
}


# Engines go by the class; the published billions are those of the family that it is of.
@pytest.mark.parametrize(
    ("data", "family", "total"),
    [
        (dense(None, 3584, 28, 28, 4, 18944, 152064), "Qwen2ForCausalLM", 7.62),
        (dense("own", 4096, 32, 32, 8, 14336, 128256), "LlamaForCausalLM", 8.03),
        (QWEN3_MOE, "Qwen3MoeForCausalLM", 30.5),
        (dense("own", 4096, 32, 32, 32, 11008, 125696), "BaiChuanForCausalLM", 7.51),
    ],
)
def test_a_class_tells_the_family_where_model_type_does_not(data, family, total):
    m = load(data | {"architectures": [family]})
    assert m.params / 1e9 == pytest.approx(total, rel=0.005)


@pytest.mark.parametrize(
    ("tower", "told"),
    [
        ({"vision_config": {"depth": 12}}, "vision_config does not say its sizes"),
        ({"audio_config": {"model_type": "own"}}, "audio_config is left out"),
        ({}, "own_vl is counted as its text model, qwen2"),
    ],
)
def test_a_text_model_in_an_unknown_one_is_counted_and_what_is_left_out_is_said(tower, told):
    text = dense("qwen2", 3584, 28, 28, 4, 18944, 152064)
    m = load({"model_type": "own_vl", "llm_config": text} | tower)
    assert m.params / 1e9 == pytest.approx(7.62, rel=0.005)
    assert any(told in note for note in m.notes)


# TensorRT-LLM's names: tensorrt_llm/models/modeling_utils.py
TENSORRT = dense(None, 4096, 32, 32, 8, 14336, 128256) | {
    **{"architecture": "LlamaForCausalLM", "dtype": "bfloat16", "mapping": {"tp_size": 2}},
}


@pytest.mark.parametrize(
    ("data", "weights"),
    [
        (TENSORRT, "bf16"),
        ({"version": "1.0", "pretrained_config": TENSORRT, "build_config": {}}, "bf16"),
        (TENSORRT | {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}, "fp8"),
        (TENSORRT | {"quantization": {"quant_algo": None}}, "bf16"),
    ],
)
def test_a_checkpoint_of_tensorrt_llm_is_read_as_a_config(data, weights):
    m = load(data)
    assert (round(m.params / 1e9, 2), m.native_format) == (8.03, weights)


PIXTRAL = {"hidden_size": 1024, "num_channels": 3, "image_size": 1024, "patch_size": 16}
PIXTRAL |= {"intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}


# params.json of Meta's and Mistral's own repositories, and the models' published billions.
@pytest.mark.parametrize(
    ("data", "total", "heads"),
    [
        (
            {"dim": 8192, "n_layers": 80, "n_heads": 64, "n_kv_heads": 8, "vocab_size": 128256}
            | {"ffn_dim_multiplier": 1.3, "multiple_of": 4096, "norm_eps": 1e-05},
            *(70.55, 8),
        ),
        (
            {"dim": 4096, "n_layers": 32, "n_heads": 32, "vocab_size": -1, "multiple_of": 256},
            *(6.74, 32),
        ),
        (
            {"dim": 5120, "n_layers": 40, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32}
            | {"n_kv_heads": 8, "vocab_size": 131072, "rope_theta": 1e6},
            *(12.25, 8),
        ),
        (
            {"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32}
            | {"n_kv_heads": 8, "vocab_size": 32000}
            | {"moe": {"num_experts_per_tok": 2, "num_experts": 8}},
            *(46.7, 8),
        ),
        (
            {"dim": 5120, "n_layers": 40, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32}
            | {"n_kv_heads": 8, "vocab_size": 131072, "vision_encoder": PIXTRAL},
            *(12.69, 8),
        ),
    ],
    ids=["Llama-3.1-70B", "Llama-2-7B", "Mistral-Nemo-12B", "Mixtral-8x7B", "Pixtral-12B"],
)
def test_a_params_json_is_read_as_a_config(data, total, heads):
    m = load(data)
    assert m.params / 1e9 == pytest.approx(total, rel=0.005)
    assert {a.kv_heads for a in m.attention} == {heads}


# Mistral Large 3 of 675B, 39B of them active without its tower; its names as vLLM's
# transformers_utils/configs/mistral.py maps them. Mamba's as mamba_ssm/models/config_mamba.py has.
OWN_FILES = {
    "Mistral-Large-3": (
        {"dim": 7168, "n_layers": 61, "head_dim": 128, "hidden_dim": 16384, "n_heads": 128}
        | {"n_kv_heads": 128, "vocab_size": 131072, "max_position_embeddings": 294912}
        | {"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64}
        | {"qk_nope_head_dim": 128, "v_head_dim": 128}
        | {
            "moe": {"num_experts": 128, "num_experts_per_tok": 4, "first_k_dense_replace": 3}
            | {"expert_hidden_dim": 4096, "num_shared_experts": 1, "route_every_n": 1},
            "vision_encoder": PIXTRAL
            | {"hidden_size": 1664, "num_hidden_layers": 48, "intermediate_size": 8192}
            | {"image_size": 1540, "patch_size": 14},
        },
        *(675, 39, "mla"),
    ),
    "mamba-2.8b": (
        {"d_model": 2560, "n_layer": 64, "vocab_size": 50277, "ssm_cfg": {}},
        *(2.77, 2.77, "linear"),
    ),
    "mamba2-2.7b": (
        {"d_model": 2560, "n_layer": 64, "vocab_size": 50277, "ssm_cfg": {"layer": "Mamba2"}}
        | {"attn_layer_idx": [], "pad_vocab_size_multiple": 16, "tie_embeddings": True},
        *(2.70, 2.70, "linear"),
    ),
}


@pytest.mark.parametrize("name", OWN_FILES)
def test_files_of_other_names_are_read_as_a_config(name):
    data, total, active, kind = OWN_FILES[name]
    m = load(data, name)
    assert m.params / 1e9 == pytest.approx(total, rel=0.01)
    assert m.active_params / 1e9 == pytest.approx(active, rel=0.05)
    assert {a.kind for a in m.attention} == {kind}


@pytest.mark.parametrize(
    ("said", "weights"),
    [({"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"}, "fp8"), (None, "bf16")],
)
def test_weights_that_a_params_json_keeps_in_eight_bits(said, weights):
    plain = {"dim": 4096, "n_layers": 32, "n_heads": 32, "vocab_size": 32000, "hidden_dim": 14336}
    assert load(plain | {"quantization": said}).native_format == weights
    with pytest.raises(BadInput, match="quantization is 'x': it takes qformat_weight"):
        load(plain | {"quantization": "x"})


@pytest.mark.parametrize(
    "more",
    [
        {"moe_args": {"num_experts": 16}},
        {"vision_num_cross_attention_layers": 8},
        {"quantization_args": {"group_size": 32}},
    ],
)
def test_a_params_json_of_more_than_a_llama_is_refused(more):
    with pytest.raises(BadInput, match=r"a plain model is read; give the model's config\.json\.$"):
        load({"dim": 4096, "n_layers": 32, "n_heads": 32, "vocab_size": 128256} | more)


# Of Mistral's vLLM's 128,000; of Meta's max_position_embeddings beside it, in config.json.
@pytest.mark.parametrize(
    ("more", "tokens"),
    [
        ({"hidden_dim": 14336}, 128_000),  # Mistral Nemo
        ({"hidden_dim": 14336, "max_seq_len": 65_536}, 65_536),
        ({"multiple_of": 256}, 4_096),  # Llama 2
        ({"multiple_of": 256, "rope_theta": 1e6}, 16_384),  # Code Llama
        ({"multiple_of": 1024, "rope_theta": 500000.0}, 8_192),  # Llama 3
        ({"multiple_of": 1024, "rope_theta": 500000.0, "use_scaled_rope": True}, 131_072),
    ],
)
def test_the_context_of_a_params_json_that_does_not_state_it(more, tokens):
    plain = {"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 131072}
    assert load(plain | more).max_context_tokens == tokens


def test_a_broken_params_json_is_one_sentence():
    with pytest.raises(BadInput, match=r"dim is 'x': it takes a number above zero\."):
        load({"dim": "x", "n_layers": 2, "n_heads": 2})
