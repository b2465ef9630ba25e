"""Architectures that engines serve and transformers has not: counted module by module, by hand.

Each number is the sum of the parameters that the engine's own classes allocate: vLLM 0.33,
model_executor/models and models; SGLang 0.5.23, srt/models and srt/configs.
"""

import pytest

from llmcap_kernel.huggingface import load
from llmcap_kernel.refuse import BadInput

H, F, V, L = 1024, 2816, 32_000, 8  # width, feed-forward, vocabulary, layers
BASE = {
    **{"hidden_size": H, "intermediate_size": F, "vocab_size": V, "num_hidden_layers": L},
    **{"num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 64},
    "max_position_embeddings": 8192,
}
GQA = 2 * H * 16 * 64 + 2 * H * 4 * 64  # q and o, k and v
ENDS = 2 * V * H + H  # two tables, and the last norm
MLP = 3 * H * F


def kda(heads, head, low=True, taps=4):
    """Kimi's delta attention: q, k, v and o, beta, decay and gate, convolutions, small ones."""
    wide = heads * head
    gates = 2 * (H * head + head * wide) if low else H * head + head * wide + H * wide
    return 4 * H * wide + H * heads + gates + 3 * wide * taps + heads + wide + head


def mla(heads=16, q_rank=0, latent=128, nope=64, rope=32, value=64):
    query = H * q_rank + q_rank + q_rank * heads * (nope + rope) if q_rank else (
        H * heads * (nope + rope))  # fmt: skip
    keys = H * (latent + rope) + latent + latent * heads * (nope + value)
    return query + keys + heads * value * H


MLA = {"kv_lora_rank": 128, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64}
# Gated delta net of Qwen3-Next: qkv, z, b and a, out, convolution, A_log and dt_bias, norm.
GDN_FIELDS = {
    **{"linear_num_key_heads": 4, "linear_num_value_heads": 8, "linear_key_head_dim": 32},
    **{"linear_value_head_dim": 32, "linear_conv_kernel_dim": 4},
}
GDN = H * (2 * 128 + 256) + H * 256 + H * 16 + 256 * H + (2 * 128 + 256) * 4 + 16 + 32
K = 512  # width of an expert
EXPERTS = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": K}
MOE = 8 * 3 * H * K + H * 8
HALF = [i % 2 for i in range(L)]
KINDS = ["full_attention" if odd else "linear_attention" for odd in HALF]
WINDOWS = ["full_attention" if odd else "sliding_attention" for odd in HALF]

MODELS = {
    # num_loops passes of the same layers, RadixAttention for each
    "nanbeige": (BASE | {"num_loops": 2}, L * (GQA + MLP + 2 * H) + ENDS, {("full", 0): 2 * L}),
    # a gate of head_dim -> heads with a bias, a window of 64 for the second pass
    "iquest_loopcoder": (
        BASE | {"loop_num": 2, "loop_window_size": 64},
        L * (GQA + MLP + 2 * H + 65 * 16) + ENDS,
        {("full", 0): L, ("window", 64): L},
    ),
    "iquest_q1": (
        BASE
        | {"layer_types": WINDOWS, "sliding_window": 512, "dense_intermediate_size": 4096}
        | {"num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": K},
        L * (GQA + 2 * 64 + 4 * 64 + 4 * H) + (L - 1) * MOE + 3 * H * 4096 + ENDS,
        {("full", 0): 4, ("window", 512): 4},
    ),
    # keys alone have a norm with weights; a window of w attends to w + 1
    "domyn_edge": (
        BASE | {"window_sizes": [[255, 0] if odd else [-1, -1] for odd in HALF]},
        L * (GQA + MLP + 64 + 4 * H) + ENDS,
        {("full", 0): 4, ("window", 256): 4},
    ),
    "param2moe": (
        BASE | EXPERTS | {"moe_shared_expert_intermediate_size": 768, "num_shared_experts": 2},
        L * (GQA + 2 * H) + MLP + (L - 1) * (MOE + 8 + 3 * H * 768) + ENDS,
        {("full", 0): L},
    ),
    # a column for each head; three layers of four have a window
    "spark2_5": (
        BASE | {"sliding_window": 512},
        L * (GQA + H * 16 + MLP + 2 * H) + ENDS,
        {("full", 0): 2, ("window", 512): 6},
    ),
    "xverse_moe": (
        BASE
        | {"num_experts": 8, "moe_top_k": 2, "num_shared_experts": 2, "intermediate_size": K},
        L * (GQA + MOE + 3 * H * 2 * K + 2 * H) + ENDS,
        {("full", 0): L},
    ),
    "minicpm_sala": (
        BASE
        | {"mixer_types": ["minicpm4" if odd else "lightning-attn" for odd in HALF]}
        | {"lightning_nh": 8, "lightning_nkv": 8, "lightning_head_dim": 64, "qk_norm": True}
        | {"use_output_gate": True, "use_output_norm": True, "attn_use_output_gate": True},
        4 * (GQA + H * 1024) + 4 * (5 * H * 512 + 512 + 2 * 64) + L * (MLP + 2 * H) + ENDS,
        {("full", 0): 4, ("linear", 0): 4},
    ),
    # the first layer has one choice among earlier sums, the others two, the head one
    "alice_ai": (
        BASE | EXPERTS | GDN_FIELDS
        | {"linear_num_key_heads": 8, "linear_num_value_heads": 8, "layer_types": KINDS}
        | {"shared_expert_intermediate_size": K},
        4 * kda(8, 32) + 4 * (GQA + H * 1024 + 2 * 64) + 2 * L * 2 * H
        + L * (MOE + 8 + 3 * H * K + H + 2 * H) + ENDS,
        {("full", 0): 4, ("linear", 0): 4},
    ),
    "kimi_k3": (
        {
            "text_config": BASE | MLA
            | {"model_type": "kimi_linear", "num_experts": 8, "num_experts_per_token": 2}
            | {"moe_intermediate_size": K, "num_shared_experts": 1, "first_k_dense_replace": 1}
            | {"mla_use_output_gate": True, "attn_res_block_size": 4, "q_lora_rank": 96}
            | {"routed_expert_hidden_size": 256, "latent_moe_use_norm": False}
            | {"linear_attn_config": {
                "full_attn_layers": [4, 8], "kda_layers": [1, 2, 3, 5, 6, 7], "num_heads": 8,
                "head_dim": 32, "short_conv_kernel_size": 4, "use_full_rank_gate": True,
            }},
        },
        6 * kda(8, 32, low=False) + 2 * (mla(q_rank=96) + H * 16 * 64) + MLP
        + 7 * (8 * 3 * 256 * K + H * 8 + 8 + 2 * H * 256 + 3 * H * K)
        + L * 2 * H + (2 * L + 1) * 2 * H + ENDS,
        {("linear", 0): 6, ("mla", 0): 2},
    ),
    # the values of its sparse layers are those of 2 experts of 4
    "k2_horizon": (
        BASE | EXPERTS
        | {"mova_num_experts": 4, "mova_num_experts_per_tok": 2, "gate_func": "sigmoid"}
        | {"num_shared_experts": 1, "decoder_sparse_step": 2, "query_key_norm": True},
        L * (GQA + H * 1024 + 1024 + 256 + 2 * H) + 4 * (3 * H * 256 + 4 * H)
        + 4 * (MOE + 3 * H * K) + 4 * MLP + ENDS,
        {("full", 0): L},
    ),
    "PanguProMoEV2": (
        BASE
        | {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": K}
        | {"n_shared_experts": 1, "first_k_dense_replace": 2, "sandwich_norm": True}
        | {"qk_nope_dim": 64, "qk_rope_dim": 32, "v_channels": 48, "param_sink_number": 16}
        | {"param_sink_with_value": True},
        L * (H * 16 * 96 + H * 4 * 96 + H * 4 * 48 + 16 * 48 * H + 96 + 16 * 4 * 144 + 4 * H)
        + 2 * MLP + 6 * (MOE + 8 + 3 * H * K) + ENDS,
        {("full", 0): L},
    ),
    "gigachat3_5": (
        BASE | MLA | GDN_FIELDS
        | {"layer_types": KINDS, "q_lora_rank": 96, "n_routed_experts": 8, "n_shared_experts": 2}
        | {"num_experts_per_tok": 2, "moe_intermediate_size": K},
        4 * GDN + 4 * (mla(q_rank=96) + H * 16 * 64) + MLP
        + 7 * (MOE + 8 + 3 * H * 2 * K) + L * 4 * H + ENDS,
        {("linear", 0): 4, ("mla", 0): 4},
    ),
    # w1 and w2 with a bias make the convolution of the values
    "jet_nemotron": (
        BASE
        | {"layer_types": ["jet", "jet", "jet", "swa", "jet", "jet", "jet", "attn"]}
        | {"efficient_attention_config": {
            "swa": {"window_size": 1152},
            "jet": {"num_heads": 8, "head_dim": 48, "expand_v": 2.0, "conv_size": 4,
                    "dconv_generator_reduction": 8},
        }},
        2 * (GQA + 1024 + 2 * 256) + L * (MLP + 2 * H) + V * H + H
        + 6 * (H * (2 * 384 + 2 * 768 + 2 * 8) + 768 * H + H * 96 + 96 * 3072 + 3072 + 16 + 96),
        {("full", 0): 1, ("window", 1152): 1, ("linear", 0): 6},
    ),
    "step5": (
        BASE | {"num_key_value_heads": None, "num_attention_groups": 4, "layer_types": WINDOWS}
        | {"moe_num_experts": 8, "moe_top_k": 2, "moe_intermediate_size": K}
        | {"moe_layers_enum": "2,3,4,5,6,7"}
        | {"share_expert_dim": K, "use_head_wise_attn_gate": True, "sliding_window": 512}
        | {"swa_num_attention_heads": 24, "sparse_config": {"proxy_dim": 256, "topk": 512}},
        4 * (GQA + H * 16 + 128 + H * 17 * 256 + H * 16 + 3 * 256)
        + 4 * (2 * H * 24 * 64 + 2 * H * 256 + H * 24 + 128)
        + 2 * MLP + 6 * (MOE + 3 * H * K) + L * 2 * H + ENDS,
        {("sparse", 0): 4, ("window", 512): 4},
    ),
    # each layer mixes four streams twice, through 16 columns and four more; two tables of n-grams
    "qwen4_exp_text": (
        BASE | EXPERTS | GDN_FIELDS
        | {"shared_expert_intermediate_size": K, "hc_count": 4, "hc_lowrank": 16}
        | {"layer_types": [k.replace("full", "qwen_sparse") for k in KINDS]}
        | {"ple_layer_ids": [1, 5]}
        | {"indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 128}
        | {"indexer_budget": 2048, "indexer_compress_ratio": 4, "ngram_vocab_size_base": 10_000},
        4 * GDN + 4 * (GQA + H * 1024 + 2 * 64 + H * 5 * 128 + 2 * 128)
        + L * (MOE + 3 * H * K + H) + (2 * L) * (4 * H * 20 + 16 * 4 * H + 4 * H)
        + 4 * H * 16 + 16 * 4 * H + 4 * H + 2 * V * H
        + 2 * (10_000 * H + H * 5 * H + 4 * H * 4 + 3 * 4 * H),
        {("sparse", 0): 4, ("linear", 0): 4},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_an_architecture_is_the_sum_of_its_modules(name):
    data, params, kept = MODELS[name]
    m = load({"model_type": name} | data)
    # vectors beside matrices, such as a convolution's, may be counted once more or less
    assert m.params == pytest.approx(params, rel=2e-4)
    found = {}
    for a in m.attention:
        key = (a.kind, a.window_tokens)
        found[key] = found.get(key, 0) + a.layers
    assert found == kept
    assert 0 < m.active_params <= m.params * 2


def test_a_puzzle_s_layers_are_of_the_sizes_that_each_states():
    """SGLang 0.5.23, configs/nemotron_h.py: `get_nemotron_h_config_for_layer`."""
    small, large = ({"block_type": "moe", "n_routed_experts": n, "num_experts_per_tok": 2}
                    for n in (4, 8))  # fmt: skip
    puzzle = BASE | {
        "model_type": "nemotron_h_puzzle",
        "architectures": ["NemotronHPuzzleForCausalLM"],
        **{"moe_intermediate_size": K, "n_shared_experts": 1},
        "moe_shared_expert_intermediate_size": 256,
        "block_configs": [
            {"block_type": "attention", "num_key_value_heads": 2},
            small,
            large,
            large,
        ],
    }
    m = load(puzzle)
    attention = 2 * H * 1024 + 2 * H * 2 * 64
    # an expert has no gate: up and down; a router with a bias that steers, and one shared expert
    experts = [n * 2 * H * K + H * n + n + 2 * H * 256 for n in (4, 8, 8)]
    assert m.params == attention + sum(experts) + 4 * H + ENDS
    assert [(a.kv_heads, a.layers) for a in m.attention] == [(2, 1)]
    with pytest.raises(BadInput, match="block_configs has 'moe': it takes a block_type for each"):
        load(puzzle | {"block_configs": ["moe"]})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deepseek_v41", "has layers that read the caches of others"),
        ("hymba", "is of a kind that no engine known here serves"),
    ],
)
def test_what_is_not_counted_yet_is_refused_by_name(name, told):
    """A text model of DeepSeek V4 within V4.1 would be counted without what its layers share."""
    held = {"text_config": {"model_type": "deepseek_v4"} | BASE}
    with pytest.raises(BadInput, match=told):
        load({"model_type": name} | BASE | held)


def test_a_class_tells_what_its_model_type_does_not():
    for cls in ("TeleChat3ForCausalLM", "StableLMEpochForCausalLM", "Rnj1ForCausalLM"):
        assert load(BASE | {"architectures": [cls], "model_type": "of its own"}).layers == L


@pytest.mark.parametrize(
    "name",
    # of vLLM 0.33's registry, _SPECULATIVE_DECODING_MODELS, and of SGLang's
    [
        *("DeepSeekMTPModel", "Qwen3NextMTP", "DFlashLagunaForCausalLM", "Qwen3DSparkModel"),
        *("PeagleQwen3ForCausalLM", "Qwen3XPressModel", "MuseGlimmerAssistantModel"),
        *("Eagle3Qwen3vlForCausalLM", "EagleDeepSeekMTPModel", "LongcatFlashForCausalLMNextN"),
    ],
)
def test_what_guesses_is_refused_whatever_model_it_names(name):
    with pytest.raises(BadInput, match="is a draft model that reads the cache of another one"):
        load(BASE | {"model_type": "qwen3", "architectures": [name]})


def test_a_class_of_pictures_that_is_called_as_its_text_model_is_read_by_what_it_holds():
    text = BASE | {"model_type": "qwen3", "tie_word_embeddings": False}
    m = load(
        {"architectures": ["Qwen3ForConditionalGeneration"], "model_type": "mine"}
        | {"text_config": text}
    )
    assert m.params == load(text).params
    assert m.notes == ("mine is counted as its text model, qwen3",)


def test_ling_2_5_names_the_model_type_of_ling_3():
    """SGLang 0.5.23, configs/bailing_hybrid.py: without a short convolution it is the older one."""
    ling = (
        {"model_type": "bailing_hybrid", "architectures": ["BailingMoeV2_5ForCausalLM"]}
        | BASE | MLA | EXPERTS
        | {"num_shared_experts": 1, "first_k_dense_replace": 1, "layer_group_size": 4}
        | {"q_lora_rank": 96, "num_attention_heads": 16, "head_dim": 64}
    )  # fmt: skip
    m = load(ling)
    # lightning attention: q, k, v, gate and out, a norm of the output and of queries and keys
    linear = 5 * H * 1024 + 1024 + 2 * 64
    rest = MLP + 7 * (MOE + 8 + 3 * H * K) + L * 2 * H + ENDS
    assert m.params == 6 * linear + 2 * mla(q_rank=96) + rest
    listed = load(ling | {"layer_group_size": [1, 1, 1, 0, 1, 1, 1, 0]})
    assert (listed.params, listed.attention) == (m.params, m.attention)
    # with one it is delta attention
    assert load(ling | {"short_conv_kernel_size": 4}).params != m.params


def test_the_tower_of_dots_ocr_and_its_text_model_are_those_published():
    """1.2B of vision and 1.7B of language: github.com/rednote-hilab/dots.ocr."""
    m = load(
        {"model_type": "dots_ocr", "hidden_size": 1536, "num_hidden_layers": 28}
        | {"num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960}
        | {"vocab_size": 151_936, "max_position_embeddings": 131_072, "vision_config": {}}
    )
    seen = sum(t.params for t in m.tensors if t.role == "vision")
    assert seen / 1e9 == pytest.approx(1.26, abs=0.02)
    assert (m.params - seen) / 1e9 == pytest.approx(1.78, abs=0.01)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("domyn_edge", {"window_sizes": [1, 2]}, "window_sizes is [1, 2]: it takes a pair for"),
        ("step5", {"moe_layers_enum": "a,b"}, "moe_layers_enum is 'a,b': it takes layers"),
        ("jet_nemotron", {"efficient_attention_config": None}, "efficient_attention_config is"),
        ("minicpm_sala", {"mixer_types": None}, "mixer_types"),
    ],
)
def test_what_it_does_not_say_is_asked_for(name, change, told):
    with pytest.raises(BadInput) as caught:
        load({"model_type": name} | MODELS[name][0] | change)
    assert told in str(caught.value)
