"""How long a context is where a config.json does not say, by model_type.

Transformers fills in what a file leaves out with the default of the model's class, and engines that
load the file through it do so too.
"""

# max_position_embeddings of the class, or the field in its place: transformers 5.24,
# models/*/configuration_*.py [tokens]
CLASSES = {
    256: "ctrl",
    512: "openai-gpt",
    1_024: "biogpt gpt2 gpt_bigcode rwkv",
    2_048: """
        aria_text bitnet codegen dbrx deepseek_ocr2_text deepseek_v2 diffllama doge dots1
        exaone4 exaone_moe falcon gpt_neo gpt_neox gpt_neox_japanese gptj granite
        granite4_vision_text granitemoe granitemoe_swa granitemoehybrid granitemoeshared
        hrm_text hunyuan_v1_dense hunyuan_v1_moe hunyuan_vl_text hyperclovax llama mpt nanochat
        olmo olmo2 olmo3 opt phi xglm
    """,
    4_096: """
        arcee blt chameleon deepseek_v3 exaone flex_olmo helium jetmoe nemotron nemotron_h olmoe
        phi3 sarvam_mla stablelm starcoder2 zamba zamba2
    """,
    8_192: """
        beam cohere cohere2 cohere2_moe cohere_compass_text dory falcon_h1 gemma gemma2
        granite_swa jais2 modernbert-decoder vaultgemma
    """,
    9_216: "emu3_text_model",
    16_384: "afmoe persimmon",
    32_768: """
        axk1 gemma3n_text glm4v_text granite_docling_text internlm3 minicpm3 qwen2
        qwen2_5_omni_text qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_5_moe_text
        qwen3_5_text qwen3_moe qwen3_next qwen3_omni_moe_text qwen4_exp_text smollm3
        unlimited_ocr_text
    """,
    36_864: "molmo2_text",
    65_536: "apertus apertus1p5_text glm4v_moe_text olmo_hybrid",
    128_000: "lfm2 lfm2_moe lfm3 qwen3_vl_moe_text qwen3_vl_text step3p5",
    131_072: """
        axk2 cosmos3_edge_text cwm ernie4_5 ernie4_5_moe ernie4_5_vl_moe_text gemma3_text
        gemma4_text glm glm4 glm4_moe glm_ocr_text gpt_oss hy_v3 inkling_text iquestcoder laguna
        lara_mini llama4_text longcat_flash mellum mimo_v2_flash minimax ministral mistral
        mixtral mllama_text_model muse_glimmer_text paddleocr_vl_text phi4_multimodal phimoe
        sarvam_moe solar_open voxtral_realtime_text youtu zaya
    """,
    163_840: "deepseek_v32",
    196_608: "minimax_m2",
    202_752: "glm4_moe_lite glm_moe_dsa",
    262_144: """
        bailing_hybrid bamba flint gemma4_unified_text hy_v4 hy_v4_vl_text jamba kolibri1
        ministral3
    """,
    524_288: "dots3_note_text minimax_m3_vl_text seed_oss",
    1_048_576: """
        deepseek_v4 glm5_next_text inkling2_loop_text inkling2_text kimi_linear mistral4
        mistral_large4_text muse_spark_text
    """,
}
WINDOWS = {name: tokens for tokens, names in CLASSES.items() for name in names.split()}
# Where no class has one: vLLM, config/model.py, `_get_and_verify_max_len`.
ASSUMED = 2048
