"""Find the format of a checkpoint, and the tensors excluded from quantisation."""

import fnmatch
import re
from dataclasses import replace
from typing import Any

from ..refuse import BadInput, number, shown
from ..spec import DeclaredKv, Tensor
from .assemble import Piece
from .config import LIMITS, Fields

MAX_ENTRIES = 100_000
MAX_PATTERNS = 400
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)(?=$|[.*])")
_WHOLE_LAYER = re.compile(r"^\.?\*?$")
# Some published copies of a config truncate lists to their first entries: a module
# that such a list names for one layer is taken as excluded in all layers.
STUMP = 3
MXFP4_BITS, NVFP4_BITS = 4.25, 4.5
# Weights that share a scale where a config does not say: the default of GPTQ and AWQ, and of MLX.
USUAL_GROUP, MLX_GROUP = 128, 64
# Values of quant_method with one format; bitnet's own files pack four weights into a byte.
METHODS = {
    "fbgemm_fp8": "fp8",
    "mxfp4": "mxfp4",
    "mxfp8": "mxfp8",
    "nvfp4": "nvfp4",
    "bitnet": "ternary",
    "gguf": "gguf-q8-0",
}
AVERAGED = ("exl2", "exl3")
WITH_ZEROS = ("awq", "gptq", "auto-round")
# Values of modelopt's quant_algo.
ALGORITHMS = {
    "FP8": "fp8",
    "MXFP8": "mxfp8",
    "W4A16_AWQ": "int4-awq",
    "W4A8_AWQ": "int4-awq",
    "FP8_PB_WO": "fp8-block",
    "INT8_SQ": "int8",
}


# Tools whose configs may declare a format of the cache.
MODELOPT = "modelopt"
KV_TOOLS = (MODELOPT, "compressed-tensors")


def _weights(quant: Fields) -> tuple[dict[str, Any], bool]:
    """Find the weight scheme in a compressed-tensors or modelopt object."""
    groups = quant.data.get("config_groups")
    found = []
    if isinstance(groups, dict):
        for group in list(groups.values())[:8]:
            if isinstance(group, dict) and isinstance(group.get("weights"), dict):
                bits = group["weights"].get("num_bits")
                bits = bits if isinstance(bits, int) else 99
                found.append(
                    (bits, group["weights"], isinstance(group.get("input_activations"), dict))
                )
    if not found:
        return {}, False
    # Where groups differ, the one with fewest bits applies to the large matrices.
    _, weights, activations = min(found, key=lambda item: item[0])
    return weights, activations


def _compressed(quant: Fields) -> str:
    weights, activations = _weights(quant)
    bits, group = weights.get("num_bits"), weights.get("group_size")
    if weights.get("type") == "float":
        if bits == 4:
            return "mxfp4" if group == 32 else "nvfp4"
        if group == 32:
            return "mxfp8"
        return "fp8-block" if weights.get("strategy") == "block" else "fp8"
    if bits == 8 and activations:
        return "int8"
    if not isinstance(bits, int) or not 2 <= bits <= 8:
        return ""
    if weights.get("strategy") == "channel" and bits < 8:
        return f"int{bits}-channel"
    zeros = weights.get("symmetric") is False
    return _grouped(bits, group if isinstance(group, int) else USUAL_GROUP, zeros)


def _grouped(bits: int, group: int, zeros: bool) -> str:
    """Name a format of whole numbers with a scale, and maybe a zero point, for each group."""
    if group <= 0:  # one group: the whole input of a channel
        return "int8-weight-only" if bits == 8 else f"int{bits}-channel"
    usual = {
        (8, 128): "int8-weight-only",
        (4, 128): "int4-gptq",
        (4, 32): "int4-gptq-g32",
    }
    return usual.get((bits, group)) or f"int{bits}-g{group}{'-asym' if zeros else ''}"


def _bits_and_group(quant: Fields, group: int) -> tuple[int, int]:
    """Read the bits of a weight, and how many weights share a scale, -1 for a whole channel."""
    bits = number(quant.path("bits"), quant.data.get("bits", 4), 2, 8, whole=True)
    given = quant.data.get("group_size")
    if given is None:
        return bits, group
    return bits, number(quant.path("group_size"), given, -1, LIMITS["small"], whole=True)


def _of_method(quant: Fields) -> str:
    """Name the format of a quant_method; "" for an unknown one."""
    method = quant.text("quant_method").lower()
    if method in METHODS:
        return METHODS[method]
    if method == "fp8":
        return "fp8-block" if quant.has("weight_block_size") else "fp8"
    if method == "bitsandbytes":
        return "int8" if quant.data.get("load_in_8bit") is True else "nf4"
    if method == "quark":
        return "mxfp4" if "fp4" in str(quant.data)[:4000] else "fp8"
    if method in AVERAGED:
        return f"{method}-{number(quant.path('bits'), quant.data.get('bits'), 1, 8):g}bpw"
    if method in WITH_ZEROS:  # their files have room for zero points, symmetric or not
        bits, group = _bits_and_group(quant, USUAL_GROUP)
        named = _grouped(bits, group, zeros=True)
        return "int4-awq" if (method, named) == ("awq", "int4-gptq") else named
    if not method and quant.has("bits"):  # MLX names no method
        if quant.text("mode") in METHODS:
            return METHODS[quant.text("mode")]
        bits, group = _bits_and_group(quant, MLX_GROUP)
        return f"mlx-{bits}bit" + (f"-g{group}" if group != MLX_GROUP else "")
    return _compressed(quant)


def native_format(c: Fields) -> str:
    """Return the format of the weights in a checkpoint.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    str
        A name in the format catalogue.

    Raises
    ------
    BadInput
        When quantization_config names an unknown method.
    """
    quant = quantization(c)
    if quant is None:
        return plain_format(c)
    algo = quant.text("quant_algo").upper()
    if "NVFP4" in (algo, quant.text("moe_quant_algo").upper()):
        return "nvfp4"
    if _fp4_experts(c, quant):
        return "mxfp4"
    if algo == "MIXED_PRECISION" and not _weights(quant)[0]:
        # NVIDIA's mixed checkpoints: experts in NVFP4, the small rest in eight bits.
        return "nvfp4"
    method = quant.text("quant_method")
    if method.lower() == "modelopt" or algo:
        found = ALGORITHMS.get(algo) or _compressed(quant) or _of_method(quant)
    else:
        found = _of_method(quant)
    if not found:
        known = (*METHODS, "fp8", "bitsandbytes", "quark", *AVERAGED, *WITH_ZEROS)
        raise BadInput(
            "quantization_config",
            f"quantization_config.quant_method is {shown(method or algo)}: it takes "
            f"{', '.join(known)}, modelopt or compressed-tensors.",
        )
    return found


def declared_kv(c: Fields) -> DeclaredKv | None:
    """Read the format that a checkpoint declares for the KV cache.

    Engines take no other word of a config for it: FP8 with a scale that does not change while
    they serve, or NVFP4, from NVIDIA's tool; and FP8 from llm-compressor.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    DeclaredKv or None
        The format and the tool that declares it; None where no format is declared.

    References
    ----------
    vLLM 0.33, utils/torch_utils.py: get_kv_cache_quant_algo_string, and
    model_executor/layers/attention/attention.py.
    """
    quant = quantization(c)
    method = quant.text("quant_method").lower() if quant else ""
    kv, tool = "", next((t for t in KV_TOOLS if method.startswith(t)), "")
    if quant and tool == MODELOPT:
        said = quant.data.get("kv_cache_scheme") or quant.data.get("kv_cache_quant_algo")
        kv = _modelopt_kv(said)
    elif quant and tool and isinstance(quant.data.get("kv_cache_scheme"), dict):
        kv = "fp8"
    return DeclaredKv(kv, native_format(c), tool) if kv else None


def _modelopt_kv(said: object) -> str:
    """The format of a cache in modelopt's two spellings; "" for one that engines pass over."""
    if isinstance(said, str):
        return said.lower() if said.lower() in ("fp8", "nvfp4") else ""
    if not isinstance(said, dict) or said.get("type") != "float":
        return ""
    if said.get("num_bits") == 4:
        return "nvfp4"
    return "fp8" if said.get("num_bits") == 8 and said.get("dynamic") is False else ""


def _fp4_experts(c: Fields, quant: Fields) -> bool:
    """Whether experts are in MXFP4 beside weights in FP8, as vLLM takes of DeepSeek V4 by default.

    vLLM 0.33, models/deepseek_v4/quant_config.py.
    """
    if quant.text("quant_method").lower() != "fp8" or quant.has("moe_quant_algo"):
        return False
    dtype = c.text("expert_dtype") or quant.text("expert_dtype")
    return (dtype or {"deepseek_v4": "fp4"}.get(c.text("model_type"))) == "fp4"


def plain_format(c: Fields) -> str:
    """Return the format of weights that are not quantised."""
    inner = c.sub("text_config") if isinstance(c.data.get("text_config"), dict) else None
    for fields in (c, inner or c):
        for name in ("torch_dtype", "dtype"):
            kind = fields.data.get(name)
            if isinstance(kind, str):
                known = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
                return known.get(kind.removeprefix("torch."), "bf16")
    return "bf16"


def quantization(c: Fields) -> Fields | None:
    """Find quantization_config, at the top level or in the config of the text model."""
    for name in ("quantization_config", "compression_config"):
        if c.has(name) and c.data[name] != {}:
            return c.sub(name)
    if c.data.get("quantization") and isinstance(c.data["quantization"], dict):
        return c.sub("quantization")  # of MLX's older files
    for name in ("text_config", "llm_config", "language_config"):
        inner = c.sub(name) if isinstance(c.data.get(name), dict) else None
        if inner is not None and inner.has("quantization_config"):
            return inner.sub("quantization_config")
    return None


LISTS = ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers", "exclude")


def _listed(quant: Fields) -> int:
    """Count the modules that the config excludes from quantisation."""
    return sum(len(quant.items(name, most=MAX_ENTRIES)) for name in LISTS)


def _patterns(quant: Fields) -> dict[str, set[int] | None]:
    """Collect excluded modules: a name pattern, and the layers or None for all layers."""
    found: dict[str, set[int] | None] = {}
    for name in LISTS:
        items = quant.items(name, most=MAX_ENTRIES)
        for item in items:
            if not isinstance(item, str):
                raise BadInput(
                    quant.path(name), f"{quant.path(name)} has {shown(item)}: it takes names."
                )
        _gather(found, items)
    return dict(list(found.items())[:MAX_PATTERNS])


def _gather(found: dict[str, set[int] | None], items: list[str]) -> None:
    """Add the modules of one list."""
    for item in items:
        if len(item) > 200:
            continue
        layer = _LAYER.search(item) if not item.startswith("re:") else None
        if layer is None or _of_tower(item):
            found[item] = None
            continue
        rest = item[layer.end() :]
        if not _WHOLE_LAYER.match(rest) and rest != ".*":
            rest = rest.lstrip(".")
            if len(items) <= STUMP:
                found[rest] = None
            elif (layers := found.setdefault(rest, set())) is not None:
                layers.add(int(layer[1]))
        elif len(items) > STUMP and (layers := found.setdefault("*", set())) is not None:
            layers.add(int(layer[1]))


def _of_tower(pattern: str) -> bool:
    return any(word in pattern for word in ("vision", "visual", "multi_modal_projector"))


EIGHT_BITS = ("FP8", "MXFP8", "FP8_PB_WO", "W8A16", "INT8")


def _eight_bits(quant: Fields) -> dict[str, set[int] | None]:
    """Collect modules that a checkpoint of four bits names for eight."""
    named: list[str] = []
    layers = quant.data.get("quantized_layers")
    if isinstance(layers, dict):
        for name, how in list(layers.items())[:MAX_ENTRIES]:
            if isinstance(how, dict) and how.get("quant_algo") in EIGHT_BITS:
                named.append(name)
    groups = quant.data.get("config_groups")
    for group in list(groups.values())[:8] if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict) and weights.get("num_bits") == 8:
            targets = group.get("targets")
            named += [t for t in targets if "." in str(t)] if isinstance(targets, list) else []
    found: dict[str, set[int] | None] = {}
    named = [name for name in named if isinstance(name, str)][:MAX_ENTRIES]
    if len({layer[1] for layer in map(_LAYER.search, named) if layer}) == 1:
        named = [_LAYER.sub("", name) for name in named]  # cut within the first layer
    _gather(found, named)
    return dict(list(found.items())[:MAX_PATTERNS])


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("re:"):
        # Only the simple alternatives used in published lists are supported: running an
        # arbitrary regular expression may take forever.
        text = pattern[3:].replace("\\.", ".").replace(".*", "*").replace("^", "").replace("$", "")
        parts = re.fullmatch(r"([^()|]*)\(([^()]*)\)([^()|]*)", text)
        choices = [f"{parts[1]}{a}{parts[3]}" for a in parts[2].split("|")] if parts else [text]
        return any(_glob(f"*{choice.lstrip('*')}", name) for choice in choices)
    return _glob(pattern, name)


def _glob(pattern: str, name: str) -> bool:
    pattern = pattern.removeprefix("model.").removeprefix("language_model.").removeprefix("model.")
    pattern = re.sub(r"^layers\.\*\.", "", pattern)
    if pattern.startswith("*.") and "layers" in pattern:
        pattern = pattern.split("layers", 1)[1].lstrip(".0123456789*")
    pattern = pattern.strip(".") or "*"
    if pattern.count("*") > 4:
        return False
    pattern = pattern.lstrip("*.") if pattern.startswith("*.") else pattern
    bare = pattern.rstrip("*").rstrip(".")
    return (
        name == bare
        or name.startswith(bare + ".")
        or f".{bare}." in f".{name}."
        or fnmatch.fnmatchcase(name, pattern)
    )


# Other names a module goes by in lists of modules.
ALIASES = (
    ("lm_head", "head"),
    ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz"),
    ("linear_attn.in_proj_z", "linear_attn.in_proj_qkvz"),
    ("linear_attn", "linear_attention"),
    ("self_attn", "attn"),
    ("self_attn", "attention"),
    ("mlp.shared_experts", "mlp.shared_expert"),
    ("mlp.", "block_sparse_moe."),
    ("mlp.", "ffn."),
    ("mlp.", "feed_forward."),
    ("mlp.gate", "mlp.router"),
)


def _spellings(name: str) -> list[str]:
    names = [name]
    for ours, theirs in ALIASES:
        names += [n.replace(ours, theirs, 1) for n in list(names) if n.startswith(ours)]
    return names


def _listed_in(
    patterns: dict[str, set[int] | None], tensor: Tensor, where: list[int] | None
) -> bool:
    """Whether most layers of a tensor match a list of modules."""
    if tensor.role == "vision":
        return any(_of_tower(p) for p in patterns)
    if tensor.role == "mtp" and any(p.startswith(("mtp", "*mtp")) for p in patterns):
        return True
    names = _spellings(tensor.name)
    for pattern, layers in patterns.items():
        if not any(_matches(pattern, name) for name in names):
            continue
        if layers is None or where is None or 2 * len(layers.intersection(where)) >= len(where):
            return True
    return False


CONVERTED = ("attention", "mlp", "expert", "shared_expert", "mtp")


def _keeps_attention(quant: Fields, pieces: list[Piece]) -> bool:
    """Whether attention is left out without a full list that says so.

    NVIDIA's four-bit checkpoints of latent-attention models and of mixtures of experts convert
    feed-forwards only, and name the others layer by layer in lists that may have been cut.
    """
    if quant.data.get("quant_algo") is None or _weights(quant)[0].get("num_bits") != 4:
        return False
    latent = any(t.name.startswith("self_attn.kv_b") for t, _ in pieces)
    sparse = any(t.role == "expert" for t, _ in pieces)
    return latent or (sparse and 0 < _listed(quant) <= STUMP)


def _beside_experts(c: Fields, quant: Fields) -> float:
    """Fewest bits of what is neither listed nor an expert."""
    method, native = quant.text("quant_method").lower(), native_format(c)
    if _fp4_experts(c, quant):
        return 8.0
    if native == "nvfp4":
        return NVFP4_BITS  # a list that leaves others out says so
    if native == "mxfp4":
        return 16.0 if method == "mxfp4" else MXFP4_BITS
    return 0.0


def _least_bits(c: Fields, quant: Fields, pieces: list[Piece]) -> list[float]:
    """Fewest bits of each tensor, 0 where the format alone decides."""
    patterns, eight = _patterns(quant), _eight_bits(quant)
    keeps_attention, beside = _keeps_attention(quant, pieces), _beside_experts(c, quant)
    # what four bits leave out is as it was: in FP8 where that is the method
    plain = 8.0 if quant.text("quant_method").lower() == "fp8" and beside == NVFP4_BITS else 16.0
    found = []
    for tensor, where in pieces:
        least, converted = 0.0, tensor.role in CONVERTED
        if _listed_in(patterns, tensor, where) or (keeps_attention and tensor.role == "attention"):
            least = plain if converted else 16.0
        elif _listed_in(eight, tensor, where):
            least = 8.0
        elif tensor.role != "expert" and (converted or beside == 16.0):
            least = beside
        found.append(max(least, tensor.least_bits))
    return found


def mark(c: Fields, pieces: list[Piece]) -> tuple[Tensor, ...]:
    """Mark the tensors that a checkpoint excludes from its format, or converts less.

    Parameters
    ----------
    c : Fields
        The top-level config.
    pieces : list of tuple
        Tensors, each with the indices of its layers.

    Returns
    -------
    tuple of Tensor
        The tensors, with `least_bits` set.
    """
    quant = quantization(c)
    if quant is None:
        return tuple(t for t, _ in pieces)
    bits = _least_bits(c, quant, pieces)
    return tuple(replace(t, least_bits=least) for (t, _), least in zip(pieces, bits, strict=True))
