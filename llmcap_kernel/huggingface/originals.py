"""What lies beside weights in place of a config.json, in its fields.

That is `params.json`, as Meta and Mistral publish it, and the config of TensorRT-LLM's checkpoints
and engines, whose names are those of `tensorrt_llm/models/modeling_utils.py`.

Names: `llama/model.py` of Meta's repositories, whose feed-forward's width is a formula there;
`mistral_inference/args.py` of Mistral's.
"""

from typing import Any

from ..refuse import BadInput, shown

NEEDED = {"dim", "n_layers", "n_heads"}
LLAMA_2_ROWS = 32_000  # of its tokenizer, where the file says -1
# Where the file says nothing of its context: of Mistral's what vLLM takes, in
# transformers_utils/configs/mistral.py; of Meta's that of the models with such angles [tokens]
CONTEXT = 128_000
SCALED, BY_THETA, LLAMA_2 = 131_072, {5e5: 8_192, 1e6: 16_384}, 4_096


def translated(data: dict[str, Any]) -> dict[str, Any]:
    """Write a params.json in the fields of a config.json.

    Parameters
    ----------
    data : dict
        The parsed file.

    Returns
    -------
    dict
        A config of a Llama or a Mixtral; the same object where it is another file.

    Raises
    ------
    BadInput
        When a field that the width follows from is no number.

    Examples
    --------
    >>> meta = {"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256,
    ...         "ffn_dim_multiplier": 1.3, "multiple_of": 1024}
    >>> translated(meta)["intermediate_size"]
    14336
    """
    if not isinstance(data, dict) or data.get("model_type") is not None:
        return data
    inside = data.get("pretrained_config")
    inside = inside if isinstance(inside, dict) else data
    if isinstance(inside.get("architecture"), str):
        return _of_tensorrt(inside)
    if "ssm_cfg" in data and "d_model" in data:
        return _of_mamba(data)
    if NEEDED - data.keys():
        return data
    _check_counted(data)
    moe = data.get("moe") if isinstance(data.get("moe"), dict) else None
    rows = data.get("vocab_size")
    longest = data.get("max_position_embeddings") or data.get("max_seq_len")
    out = {
        "model_type": "mixtral" if moe else "mistral",
        "hidden_size": data["dim"],
        "num_hidden_layers": data["n_layers"],
        "num_attention_heads": data["n_heads"],
        "num_key_value_heads": data.get("n_kv_heads") or data["n_heads"],
        "head_dim": data.get("head_dim"),
        "intermediate_size": data["hidden_dim"] if data.get("hidden_dim") else _width(data),
        "vocab_size": LLAMA_2_ROWS if rows in (None, -1) else rows,
        "sliding_window": data.get("sliding_window"),
        "tie_word_embeddings": bool(data.get("tied_embeddings")),
        "max_position_embeddings": longest or _window(data),
    }
    if moe:
        out |= {"num_local_experts": moe.get("num_experts")}
        out |= {"num_experts_per_tok": moe.get("num_experts_per_tok")}
    if moe and moe.get("num_shared_experts"):
        out |= {"model_type": "deepseek_v3"} | {name: data.get(name) for name in LATENT}
        out |= {own: moe.get(name) for name, own in OF_EXPERTS.items()}
    text = {name: value for name, value in out.items() if value is not None}
    kept = _quantized(data.get("quantization"))
    if isinstance(data.get("vision_encoder"), dict):
        seen = {"model_type": "pixtral", **data["vision_encoder"]}
        return {"model_type": "mistral3", "text_config": text, "vision_config": seen, **kept}
    return text | kept


def _quantized(said: object) -> dict[str, Any]:
    """Mistral's words for how weights are kept, in those of a config.json."""
    if not said:
        return {}
    method = said if isinstance(said, dict) else {}
    if str(method.get("qformat_weight", "")).startswith("fp8"):
        return {"quantization_config": {"quant_method": "fp8", "activation_scheme": "static"}}
    if method.get("quant_method"):
        return {"quantization_config": method}
    told = "it takes qformat_weight of fp8, or quant_method"
    raise BadInput("quantization", f"quantization is {shown(said)}: {told}.")


# Of Mistral Large 3: latent attention, and DeepSeek's names of its experts'; vLLM maps them so in
# transformers_utils/configs/mistral.py.
LATENT = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
OF_EXPERTS = {
    "num_experts": "n_routed_experts",
    "num_shared_experts": "n_shared_experts",
    "expert_hidden_dim": "moe_intermediate_size",
    "first_k_dense_replace": "first_k_dense_replace",
    "route_every_n": "moe_layer_freq",
}
# What some of Meta's files hold beside a Llama, which is not written in a config's fields here.
MORE = ("moe_args", "vision_args", "vision_num_cross_attention_layers", "quantization_args")


def _check_counted(data: dict[str, Any]) -> None:
    """Refuse a file of Meta's that describes more than a plain Llama."""
    for name in MORE:
        if data.get(name):
            told = "a params.json of a plain model is read; give the model's config.json"
            raise BadInput(name, f"{name} is {shown(data[name])}: {told}.")


def _of_mamba(data: dict[str, Any]) -> dict[str, Any]:
    """The config of state-spaces' own repositories: mamba_ssm/models/config_mamba.py."""
    ssm = data["ssm_cfg"] if isinstance(data["ssm_cfg"], dict) else {}
    if data.get("attn_layer_idx"):
        told = "layers of attention between are not counted of these files"
        raise BadInput(
            "attn_layer_idx", f"attn_layer_idx is {shown(data['attn_layer_idx'])}: {told}."
        )
    second = ssm.get("layer") == "Mamba2"
    rows, unit = data.get("vocab_size"), data.get("pad_vocab_size_multiple") or 8
    if isinstance(rows, int) and isinstance(unit, int) and unit > 0:
        rows = -(-rows // unit) * unit
    out = {
        "model_type": "mamba2" if second else "mamba",
        "hidden_size": data["d_model"],
        "num_hidden_layers": data.get("n_layer"),
        "vocab_size": rows,
        "state_size": ssm.get("d_state", 128 if second else 16),
        "expand": ssm.get("expand", 2),
        "tie_word_embeddings": bool(data.get("tie_embeddings", True)),
    }
    if second:
        width, inner = ssm.get("headdim", 64), out["expand"]
        whole = all(isinstance(one, int) and one > 0 for one in (width, inner, data["d_model"]))
        heads = inner * data["d_model"] // width if whole else None
        out |= {"head_dim": width, "num_heads": heads, "n_groups": ssm.get("ngroups", 1)}
    return {name: value for name, value in out.items() if value is not None}


def _of_tensorrt(data: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's config of TensorRT-LLM, which names one class and NVIDIA's methods."""
    out = {**data, "architectures": [data["architecture"]]}
    method = out.pop("quantization", None)
    if isinstance(method, dict) and any(value for value in method.values()):
        out["quantization_config"] = {"quant_method": "modelopt", **method}
    mixture = data.get("moe")
    if isinstance(mixture, dict) and mixture.get("num_experts"):
        out |= {"num_local_experts": mixture["num_experts"]}
        out |= {"num_experts_per_tok": mixture.get("top_k")}
    out.setdefault("torch_dtype", data.get("dtype"))
    out.setdefault("tie_word_embeddings", data.get("share_embedding_table"))
    return out


def _window(data: dict[str, Any]) -> int:
    """The context of a file that does not state it: Meta's say how a width is rounded."""
    if "multiple_of" not in data:
        return CONTEXT
    theta = data.get("rope_theta")
    of_theta = BY_THETA.get(theta, LLAMA_2) if isinstance(theta, (int, float)) else LLAMA_2
    return SCALED if data.get("use_scaled_rope") else of_theta


def _width(data: dict[str, Any]) -> int:
    """The width of a feed-forward by Meta's formula: two thirds of four times the model's."""
    numbers = []
    for name, usual in (("dim", 0), ("ffn_dim_multiplier", 1.0), ("multiple_of", 256)):
        value = data.get(name) or usual
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
            raise BadInput(name, f"{name} is {shown(value)}: it takes a number above zero.")
        numbers.append(value)
    dim, factor, step = numbers
    wide, step = int(factor * int(8 * dim / 3)), max(int(step), 1)
    return -(-wide // step) * step
