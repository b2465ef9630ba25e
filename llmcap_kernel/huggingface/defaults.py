"""What a model's class fills in where a config.json does not say, by model_type.

Transformers writes of a config within another only what differs from its class, so that files leave
out what the class fills in again, which is not what the other fields would give.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..refuse import BadInput
from .config import ALIASES

# Transformers 5.24, models/*/configuration_*.py: a field, its value, and the classes that have it,
# where a count without the field would be of another model.
TABLE: dict[str, dict[Any, str]] = {
    "alignment_intermediate_size": {36864: "cohere2_vision"},
    "attention_chunk_size": {8192: "llama4_text"},
    "attention_k_eq_v": {False: "gemma4_text"},
    "conv_L_cache": {7: "lfm3"},
    "d_model": {1024: "qwen3_asr_encoder"},
    "deepstack_visual_indexes": {(8, 16, 24): "qwen3_vl_moe_vision qwen3_vl_vision"},
    "dense_intermediate_size": {12288: "minimax_m3_vl_text"},
    "dff": {8192: "ctrl"},
    "embed_dim": {
        8: "janus_vqgan",
        1280: "qwen2_vl_vision",
    },
    "enable_moe_block": {False: "gemma4_text"},
    "encoder_ffn_dim": {4096: "qwen3_asr_encoder"},
    "encoder_layers": {24: "qwen3_asr_encoder"},
    "first_k_dense_replace": {
        1: """
            axk1 axk2 dots3_note_text exaone_moe glm4_moe_lite hy_v3 hy_v4
            hy_v4_vl_text laguna mistral_large4_text sarvam_mla
            glm4_moe glm4v_moe_text sarvam_moe
            unlimited_ocr_text
        """,
        3: "deepseek_v3 deepseek_v32 glm5_next_text glm_moe_dsa",
    },
    "head_dim": {
        64: "gpt_oss muse_spark_text sarvam_moe",
        128: """
            afmoe bailing_hybrid beam cohere2_moe cosmos3_edge_text cwm ernie4_5 flint
            glm glm4 helium hrm_text hy_v3 inkling2_loop_text inkling2_text
            inkling_text internlm3 iquestcoder kolibri1 laguna lara_mini lfm3
            llama4_text mellum minimax_m2 minimax_m3_vl_text ministral3 molmo2_text
            muse_glimmer_text nemotron_h paddleocr_vl_text qwen3 qwen3_vl_text
            seed_oss solar_open step3p5 zaya
        """,
        192: "mimo_v2_flash",
        256: """
            dory gemma gemma2 gemma3_text gemma3n_text gemma4_text gemma4_unified_text
            qwen3_5_moe_text qwen3_5_text qwen3_next qwen4_exp_text vaultgemma
        """,
    },
    "hidden_size": {
        1536: "ovis2",
        2304: "gemma3_text",
    },
    "hidden_size_per_layer_input": {256: "gemma4_text"},
    "image_size": {512: "granite_docling_vision"},
    "index_topk": {2048: "deepseek_v32 glm_moe_dsa"},
    "interleave_moe_layer_step": {1: "llama4_text"},
    "intermediate_size": {
        2560: "lfm3_vl_vision",
        2816: "ovis2_vision",
        3072: "idefics3_vision siglip_vision_model smolvlm_vision",
        3420: "exaone4_5_vision qwen2_5_omni_vision_encoder qwen2_5_vl_vision",
        4224: "dots3_note_vision_encoder",
        4304: """
            cosmos3_edge_vision molmo2_vision paddleocr_vl_vision
            phi4_multimodal_vision qwen3_5_moe_vision qwen3_5_vision
            qwen3_omni_moe_vision_encoder qwen3_vl_moe_vision qwen3_vl_vision
        """,
        8960: "muse_glimmer_vision muse_spark_vision",
        9216: "gemma3_text",
    },
    "kv_channels": {128: "jetmoe"},
    "kv_lora_rank": {
        256: "minicpm3 mistral4",
        512: """
            axk1 deepseek_v2 deepseek_v3 deepseek_v32 glm4_moe_lite glm_moe_dsa
            kimi_linear longcat_flash sarvam_mla youtu
        """,
    },
    "loop_layer_index_end": {18: "inkling2_loop_text"},
    "loop_layer_index_start": {6: "inkling2_loop_text"},
    "moe_hidden_size": {4096: "muse_spark_text"},
    "moe_intermediate_size": {
        512: "flint",
        2112: "dots3_note_vision_encoder",
        2560: "beam",
        4096: "muse_spark_text",
    },
    "moe_num_experts": {8: "aria_text"},
    "moe_num_shared_experts": {2: "aria_text ernie4_5_moe ernie4_5_vl_moe_text"},
    "moe_shared_expert_intermediate_size": {7688: "nemotron_h"},
    "moe_topk": {1: "hunyuan_v1_moe"},
    "n_recurrent_loops": {2: "dory"},
    "n_routed_experts": {
        64: "deepseek_v2 glm4_moe_lite",
        128: "axk2 mistral4 mistral_large4_text sarvam_mla",
        192: "axk1",
        256: "deepseek_v3 deepseek_v32 dots3_note_text glm_moe_dsa hy_v4 hy_v4_vl_text",
        288: "glm5_next_text",
    },
    "n_shared_experts": {
        1: """
            axk1 axk2 deepseek_v3 deepseek_v32 deepseek_v4 dots3_note_text glm4_moe
            glm4_moe_lite glm4v_moe_text glm5_next_text glm_moe_dsa hy_v4
            hy_v4_vl_text kimi_linear mistral4 mistral_large4_text sarvam_mla
            sarvam_moe solar_open bailing_hybrid
        """,
        2: "deepseek_v2 inkling_text unlimited_ocr_text",
    },
    "num_attention_heads": {
        8: "gemma3_text",
        16: "molmo2_vision pixtral",
    },
    "num_dense_layers": {1: "afmoe"},
    "num_experts": {
        7: "flex_olmo",
        64: "olmoe",
        256: "beam flint",
        512: "qwen3_next",
    },
    "num_heads": {16: "exaone4_5_vision"},
    "num_hidden_layers": {
        24: "janus_vision_model",
        26: "gemma3_text",
    },
    "num_key_value_heads": {
        2: """
            ernie4_5 gemma3n_text glm glm4 glm4v_text internlm3 muse_glimmer_text
            paddleocr_vl_text qwen3_5_moe_text qwen3_next qwen4_exp_text starcoder2
            zaya
        """,
        4: """
            dory ernie4_5_moe ernie4_5_vl_moe_text flint gemma2 gemma3_text
            gemma4_text gemma4_unified_text granite_docling_text granite_swa kolibri1
            lara_mini lfm3 mellum mimo_v2_flash minimax_m3_vl_text qwen2_5_omni_text
            qwen3_5_text qwen3_moe qwen3_omni_moe_text sarvam_moe smollm3 vaultgemma
        """,
        5: "bitnet",
        8: """
            bamba beam cosmos3_edge_text cwm emu3_text_model exaone exaone4_5_vision
            falcon_h1 glm4_moe glm4v_moe_text glm_ocr_text gpt_oss hy_v3
            inkling2_loop_text inkling2_text inkling_text iquestcoder jamba laguna
            lfm2 lfm2_moe lfm3_vl_vision llama4_text minimax minimax_m2 ministral
            ministral3 mistral mixtral mllama_text_model molmo2_text nemotron_h
            phi4_multimodal phimoe qwen2_5_vl_text qwen2_vl_text seed_oss solar_open
            step3p5 voxtral_realtime_text
        """,
        16: "gemma jetmoe muse_spark_text qwen2_moe qwen3_vl_moe_text zamba",
        20: "helium",
        32: "chameleon dots1 exaone4 exaone_moe qwen2 qwen3 qwen3_vl_text stablelm",
    },
    "num_kv_shared_layers": {0: "gemma4_text"},
    "num_local_experts": {
        8: "granitemoehybrid",
        256: "muse_spark_text",
    },
    "num_shared_experts": {
        1: "exaone_moe hy_v3",
        2: "afmoe",
    },
    "out_hidden_size": {
        1536: "glm_ocr_vision",
        3584: """
            exaone4_5_vision qwen2_5_vl_vision qwen3_omni_moe_vision_encoder
            qwen3_vl_moe_vision qwen3_vl_vision
        """,
        4096: "glm4v_moe_vision glm4v_vision",
    },
    "output_dim": {3584: "qwen3_asr_encoder"},
    "patch_size": {16: "radio"},
    "projection_dim": {2048: "janus_vision_model"},
    "projector_hidden_size": {
        4096: "lfm3_vl",
        11520: "cosmos3_edge",
    },
    "q_lora_rank": {
        384: "axk2",
        768: "glm4_moe_lite minicpm3",
        1024: "dots3_note_text mistral4",
        1536: """
            axk1 deepseek_v2 deepseek_v3 deepseek_v32 glm5_next_text hy_v4
            longcat_flash youtu
        """,
        2048: "glm_moe_dsa hy_v4_vl_text",
    },
    "share_expert_dim": {1280: "step3p5"},
    "shared_expert_intermediate_size": {
        512: "kolibri1 laguna lara_mini qwen3_5_moe_text qwen3_next",
        1024: "flint",
        5632: "qwen2_moe",
    },
    "shared_intermediate_size": {
        1024: "granitemoehybrid",
        3072: "minimax_m3_vl_text",
    },
    "sliding_window": {
        128: "gpt_oss granite_swa granitemoe_swa",
        256: "lfm3",
        512: "beam gemma3n_text gemma4_text lara_mini",
        513: "flint kolibri1",
        1024: "afmoe dory gemma4_unified_text",
        2048: "muse_glimmer_text muse_spark_text",
        4096: "cohere2 cohere2_moe gemma2 gemma3_text mistral vaultgemma voxtral_realtime_text",
        8192: "cwm",
    },
    "swa_num_key_value_heads": {16: "inkling_text"},
    "tie_word_embeddings": {
        False: "granite granitemoe granitemoe_swa granitemoehybrid granitemoeshared",
        True: "granite_swa lara_mini vaultgemma youtu",
    },
    "use_double_wide_mlp": {False: "gemma4_text"},
    "v_head_dim": {128: "mimo_v2_flash"},
    "vocab_size": {262208: "gemma3_text"},
    "zero_expert_num": {256: "longcat_flash"},
}
# Fields that files state and classes do not, or not as one number: what is taken without them.
TAKEN: dict[str, tuple[str, str]] = {
    "attn_type_list": ("full attention in every second layer", "minimax_m1"),
    "compress_ratios": ("those of the class", "deepseek_ref deepseek_v4"),
    "first_k_dense_replace": ("none", "deepseek_v2 deepseek_vl_v2 dots1 kimi_k2"),
    "head_dim": (
        "hidden_size / num_attention_heads",
        """
            glm4_moe glm4v_moe_text mimo_v2 minimax_m1 mistral qwen3_moe
            qwen3_omni_moe_text qwen3_vl_moe_text
        """,
    ),
    "layer_types": ("those of the class", "cwm gemma4_text laguna"),
    "mamba_ssm_dtype": ("that of the weights", "qwen3_5_moe_text qwen3_5_text"),
    "moe_latent_size": ("none", "nemotron_h"),
    "multi_query_attention": ("false", "chatglm"),
    "n_shared_experts": ("none", "dots1"),
    "new_decoder_architecture": ("false", "falcon"),
    "num_global_key_value_heads": ("num_key_value_heads", "gemma4_text"),
    "num_key_value_heads": (
        "one for each query head",
        """
            afmoe apertus apertus1p5_text arcee aria_text cohere cohere2 cohere2_moe
            cohere_compass_text diffllama doge flex_olmo granite
            granite4_vision_text granitemoe granitemoe_swa granitemoehybrid
            granitemoeshared grok grok-1 hunyuan_v1_dense hunyuan_v1_moe
            hunyuan_vl_text hyperclovax internlm2 jais2 llama mimo mimo_v2 minicpm
            minicpm4 minimax_m1 nanochat nemotron olmo olmo2 olmo3 olmo_hybrid olmoe
            phi phi3 recurrent_gemma
        """,
    ),
    "num_kv_heads": ("one for each query head", "falcon"),
    "sliding_window": ("none", "laguna phi3 starcoder2 step3p5 step3p7"),
    "sparse_attention_config": ("attention to all", "minimax_m3_vl_text"),
    "swa_num_key_value_heads": ("num_key_value_heads", "mimo_v2"),
    "tie_word_embeddings": (
        "false",
        """
            arcee cwm exaone4 glm4 hunyuan_v1_dense internlm3 llama ministral3
            mistral nemotron olmo2 phi3 qwen2 qwen3 qwen3_5_text qwen3_vl_text
            seed_oss
        """,
    ),
    "v_head_dim": ("head_dim", "mimo_v2"),
}
# Fields without which the model could be any: their names, and the classes that need one of them.
NEEDED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("n_routed_experts", "num_experts"), "deepseek_vl_v2 kimi_k2"),
    (("n_shared_experts",), "deepseek_ref deepseek_vl_v2 kimi_k2"),
    (("kv_lora_rank",), "kimi_k2"),
    (("q_lora_rank",), "kimi_k2"),
    (("moe_layer_freq", "mlp_layer_types"), "mimo_v2 mimo_v2_flash minimax_m3_vl_text"),
)
FIELDS = {
    field: {family: value for value, names in table.items() for family in names.split()}
    for field, table in TABLE.items()
}
USUAL_HEAD = 128
# Fields of a whole model that hold for its text model.
INHERITED = ("tie_word_embeddings",)
CLASSES = {family for values in FIELDS.values() for family in values}
# Fields of a part that a class may lack, each filled in where the file has that part's own field.
BESIDE = {
    "enable_moe_block": "num_experts",
    "kv_lora_rank": "qk_rope_head_dim",
    "moe_latent_size": "num_nextn_predict_layers",
    "moe_shared_expert_intermediate_size": "n_routed_experts",
    "multi_query_attention": "multi_query_group_num",
    "num_global_key_value_heads": "attention_k_eq_v",
    "num_kv_heads": "new_decoder_architecture",
    "q_lora_rank": "qk_rope_head_dim",
}
INSTEAD = {
    "compress_ratios": ("compress_ratios", "layer_types"),
    "first_k_dense_replace": ("first_k_dense_replace", "mlp_layer_types"),
}
SAME = INSTEAD | {
    name: (field, *others) for field, others in ALIASES.items() for name in (field, *others)
}


def filled(
    data: Mapping[str, Any], family: str, inner: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fill in what the classes of a config and of the objects in it have where it is silent.

    Parameters
    ----------
    data : mapping
        The config.
    family : str
        Its class, as a key of `families.FAMILIES`.
    inner : mapping
        The class of each object in it that does not name its own, by its field.

    Returns
    -------
    tuple of dict and tuple of str
        The config with the fields, and a sentence of those that each class filled in.

    Raises
    ------
    BadInput
        When a field is missing that no class has and every model has its own of.

    Examples
    --------
    >>> filled({"hidden_size": 3584, "sliding_window": None}, "gemma2", {})[1]
    ('the file leaves out head_dim 256, num_key_value_heads 4: taken from gemma2 in transformers',)
    """
    _needs(data, family)
    own = {f: v[family] for f, v in FIELDS.items() if family in v and _silent(data, f)}
    changed = {**data, **{f: list(v) if isinstance(v, tuple) else v for f, v in own.items()}}
    notes = tuple(_notes(own, data, family))
    for name, value in data.items():
        if isinstance(value, dict) and name.endswith("_config"):
            tied = {f: data[f] for f in INHERITED if f in data}
            changed[name], said = filled({**tied, **value}, _kind(name, value, inner), {})
            notes += said
    return changed, notes


def _silent(data: Mapping[str, Any], field: str) -> bool:
    """Whether a file has a field by no name, and the part it belongs to; null is no silence."""
    if any(name in data for name in SAME.get(field, (field,))):
        return False
    return field not in BESIDE or bool(data.get(BESIDE[field]))


def _kind(name: str, value: Mapping[str, Any], inner: Mapping[str, str]) -> str:
    """The class of an object in a config; a tower may be called as the whole model is."""
    own = value.get("model_type")
    kind = own if isinstance(own, str) else inner.get(name, "")
    tower = f"{kind}_vision"
    if name == "vision_config" and (tower in CLASSES or kind != own):
        return tower
    return kind


def _notes(own: Mapping[str, Any], data: Mapping[str, Any], family: str) -> Iterator[str]:
    """What is said of the fields of a class that fill a config, and of those that nothing fills."""
    if own:
        listed = ", ".join(f"{name} {str(value).lower()}" for name, value in sorted(own.items()))
        yield f"the file leaves out {listed}: taken from {family} in transformers"
    for field, (what, names) in TAKEN.items() if _is_model(data) else ():
        if family in names.split() and _silent(data, field) and not _usual(field, data):
            yield f"{field} is not stated: {what} is taken"


def _usual(field: str, data: Mapping[str, Any]) -> bool:
    """Whether a width of heads that follows from others is that of most models."""
    if field != "head_dim":
        return False
    hidden, heads = data.get("hidden_size"), data.get("num_attention_heads")
    return isinstance(hidden, int) and isinstance(heads, int) and hidden == USUAL_HEAD * heads


def _is_model(data: Mapping[str, Any]) -> bool:
    return any(name in data for name in SAME["hidden_size"])


def _needs(data: Mapping[str, Any], family: str) -> None:
    for fields, names in NEEDED if _is_model(data) else ():
        if family in names.split() and not any(field in data for field in fields):
            also = f" (or {fields[1]})" if fields[1:] else ""
            message = f"{fields[0]}{also} is missing: {family} cannot be counted without it."
            raise BadInput(fields[0], message)
