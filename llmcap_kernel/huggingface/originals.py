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
CONTEXT = 32_768  # where the file says nothing of it


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
    if NEEDED - data.keys():
        return data
    moe = data.get("moe") if isinstance(data.get("moe"), dict) else None
    rows = data.get("vocab_size")
    longest = data.get("max_position_embeddings") or data.get("max_seq_len")
    out = {
        "model_type": "mixtral" if moe else "mistral",
        "hidden_size": data["dim"],
        "num_hidden_layers": data["n_layers"],
        "num_attention_heads": data["n_heads"],
        "num_key_value_heads": data.get("n_kv_heads"),
        "head_dim": data.get("head_dim"),
        "intermediate_size": data["hidden_dim"] if data.get("hidden_dim") else _width(data),
        "vocab_size": LLAMA_2_ROWS if rows in (None, -1) else rows,
        "sliding_window": data.get("sliding_window"),
        "tie_word_embeddings": bool(data.get("tied_embeddings")),
        "max_position_embeddings": longest or CONTEXT,
    }
    if moe:
        out |= {"num_local_experts": moe.get("num_experts")}
        out |= {"num_experts_per_tok": moe.get("num_experts_per_tok")}
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
