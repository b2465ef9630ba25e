"""Find the format of a checkpoint, and the tensors that it converts less or not at all."""

import difflib
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from ..refuse import BadInput, either, shown
from ..spec import DeclaredKv, Tensor
from . import sparsity
from .assemble import Piece
from .config import Fields
from .modules import STUMP, Named, named, of_one_layer, share, without_layers
from .schemes import (
    ALGORITHMS,
    ALIKE,
    AS_IT_WAS,
    FIXED,
    METHODS,
    Scheme,
    fixed,
    inputs_of,
    is_mlx,
    method_of,
    of_method,
    of_quark,
    of_torchao,
    of_weights,
    torchao_modules,
    weights_of,
)

MAX_ENTRIES = 100_000
QUANTIZED = ("quantization_config", "compression_config", "quantization")
# Tools whose configs may declare a format of the cache.
MODELOPT = "modelopt"
KV_TOOLS = (MODELOPT, "compressed-tensors")


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
    scheme = _fewest(c, quant) if quant is not None else AS_IT_WAS
    return plain_format(c) if scheme is AS_IT_WAS else scheme.name


def _fewest(c: Fields, quant: Fields) -> Scheme:
    """The format of fewest bits: others are said tensor by tensor."""
    schemes = [_scheme(c, quant), *(scheme for _, scheme in _by_module(c, quant))]
    return min(schemes, key=lambda scheme: scheme.bits)


def _scheme(c: Fields, quant: Fields) -> Scheme:
    """The format of weights that a config says nothing else of, and their bits."""
    return sparsity.applied(quant, _of_all(c, quant))


def _of_all(c: Fields, quant: Fields) -> Scheme:
    """The same before sparsity."""
    algo = quant.text("quant_algo").upper()
    if "NVFP4" in (algo, quant.text("moe_quant_algo").upper()):
        return fixed("nvfp4")
    if _fp4_experts(c, quant):
        return fixed("mxfp4")
    if algo == "NO_QUANT":
        return AS_IT_WAS
    if algo == "MIXED_PRECISION" and not weights_of(quant)[0]:
        # NVIDIA's mixed checkpoints: experts in NVFP4, the small rest in eight bits.
        return fixed("nvfp4") if _cut(quant) else AS_IT_WAS
    own = fixed(ALGORITHMS[algo]) if algo in ALGORITHMS else None
    found = own or of_method(quant)
    if found is None:
        if quant.has("quant_method") or not algo:
            raise _unknown(quant, "quant_method", (*METHODS, *ALIKE))
        raise _unknown(quant, "quant_algo", tuple(ALGORITHMS))
    return found


def _unknown(quant: Fields, field: str, names: tuple[str, ...]) -> BadInput:
    said, where = quant.text(field), quant.path(field)
    near = difflib.get_close_matches(said.lower(), names, 1) or names[:4]
    taken = f"it takes {either(near)}, or another of the {len(names)} names that are known"
    return BadInput(where, f"{where} is {shown(said)}: {taken}; or state the weights' format.")


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
    for name in QUANTIZED[:2]:
        if c.has(name) and c.data[name] != {}:
            found = c.sub(name)
            inner = found.sub("quantization") if found and not found.has("quant_method") else None
            return inner or found  # modelopt nests its own beside its producer
    if c.data.get("quantization") and isinstance(c.data["quantization"], dict):
        return c.sub("quantization")  # of MLX's older files
    for name in ("text_config", "llm_config", "language_config"):
        inner = c.sub(name) if isinstance(c.data.get(name), dict) else None
        if inner is not None and inner.has("quantization_config"):
            return inner.sub("quantization_config")
    return None


# --- what is left as it was --------------------------------------------------------------------

LISTS = (
    *("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers", "exclude"),
    *("skip_modules", "llm_int8_skip_modules", "linear_weights_not_to_quantize"),
)


def _excluded(quant: Fields) -> Named:
    """Collect the modules that the config excludes from quantisation."""
    found: Named = {}
    for name in LISTS:
        items = quant.items(name, most=MAX_ENTRIES)
        for item in items:
            if not isinstance(item, str):
                raise BadInput(
                    quant.path(name), f"{quant.path(name)} has {shown(item)}: it takes names."
                )
        found |= named(items)
    return found


def _keeps_attention(quant: Fields, pieces: list[Piece]) -> bool:
    """Whether attention is left out without a full list that says so.

    NVIDIA's four-bit checkpoints of latent-attention models and of mixtures of experts convert
    feed-forwards only, and name the others layer by layer in lists that may have been cut.
    """
    if quant.data.get("quant_algo") is None or weights_of(quant)[0].get("num_bits") != 4:
        return False
    latent = any(t.name.startswith("self_attn.kv_b") for t, _ in pieces)
    sparse = any(t.role == "expert" for t, _ in pieces)
    listed = sum(len(quant.items(name, most=MAX_ENTRIES)) for name in LISTS)
    return latent or (sparse and 0 < listed <= STUMP)


# --- what is converted otherwise ---------------------------------------------------------------

Pairs = Iterator[tuple[str, Scheme]]  # of a module's name and the format that it has


def _otherwise(c: Fields, quant: Fields) -> dict[float, Named]:
    """Collect modules that have a format of their own, by its bits."""
    found: dict[float, list[str]] = {}
    for name, scheme in _by_module(c, quant):
        found.setdefault(scheme.bits, []).append(name)
    cut = _cut(quant)
    return {
        bits: named(without_layers(names) if cut else names, stump=0)
        for bits, names in found.items()
    }


def _cut(quant: Fields) -> bool:
    """Whether a published copy names modules of the first layer alone, as far as it was kept."""
    layers = [name for name, _ in _entries(quant, "quantized_layers")]
    return of_one_layer(layers or [name for name, _ in _of_groups(quant)])


def _by_module(c: Fields, quant: Fields) -> Pairs:
    if quant.has("sparsity_config"):
        yield from islice(sparsity.by_module(quant, _of_all(c, quant)), MAX_ENTRIES)
    for source in (_of_layers, _of_groups, _of_gptq, _of_round, _of_mlx, _of_quark, _of_torchao):
        yield from islice(source(quant), MAX_ENTRIES)


def _entries(quant: Fields, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    given = quant.data.get(name)
    for key, value in given.items() if isinstance(given, dict) else ():
        if isinstance(value, dict):
            yield key, value


def _of_layers(quant: Fields) -> Pairs:
    for name, how in _entries(quant, "quantized_layers"):
        algo = how.get("quant_algo")
        if isinstance(algo, str) and algo in ALGORITHMS:
            yield name, fixed(ALGORITHMS[algo])


def _of_groups(quant: Fields) -> Pairs:
    """Groups of compressed-tensors that name modules, not a class of them."""
    for _, group in _entries(quant, "config_groups"):
        weights, targets = group.get("weights"), group.get("targets")
        if isinstance(weights, dict) and isinstance(targets, list):
            packing = str(group.get("format") or quant.text("format"))
            scheme = of_weights(weights, inputs_of(group), packing)
            yield from ((t, scheme) for t in targets if scheme and _of_module(t))


def _of_module(target: object) -> bool:
    return isinstance(target, str) and ("." in target or target.startswith("re:"))


def _of_gptq(quant: Fields) -> Pairs:
    """GPTQModel's `dynamic`: "-:" before what is left alone, "+:" before what is otherwise."""
    for pattern, how in _entries(quant, "dynamic"):
        bare = pattern.removeprefix("+:").removeprefix("-:").removeprefix("re:")
        left = pattern.startswith("-:")
        yield f"re:{bare}", AS_IT_WAS if left else _changed(quant, how)


def _of_round(quant: Fields) -> Pairs:
    """auto-round's `extra_config`."""
    for name, how in _entries(quant, "extra_config"):
        regex = any(sign in name for sign in "*\\|[(")
        yield f"re:{name}" if regex else name, _changed(quant, how)


def _of_mlx(quant: Fields) -> Pairs:
    """Names of modules among the fields: false for one that is left alone."""
    if quant.text("quant_method"):
        return
    for name, how in quant.data.items():
        if "." in name or name in ("lm_head", "embed_tokens"):
            yield name, AS_IT_WAS if how is False else _changed(quant, how)


def _of_quark(quant: Fields) -> Pairs:
    for name, how in _entries(quant, "layer_quant_config"):
        yield name, of_quark(how) or AS_IT_WAS


def _of_torchao(quant: Fields) -> Pairs:
    where = quant.path("quant_type")
    for name, how in torchao_modules(quant).items():
        if name != "_default":
            yield name, of_torchao(Fields(how, where)) if isinstance(how, dict) else AS_IT_WAS


def _changed(quant: Fields, how: object) -> Scheme:
    """The same method with some fields changed; 16 bits and more are no conversion."""
    changed = how if isinstance(how, dict) else {}
    bits = changed.get("bits")
    if isinstance(bits, (int, float)) and bits >= 16:
        return AS_IT_WAS
    return of_method(Fields({**quant.data, **changed}, quant.where, quant.family)) or AS_IT_WAS


def _leaves_others(quant: Fields) -> bool:
    """Whether only modules that are named are converted."""
    listed = [group.get("targets") for _, group in _entries(quant, "config_groups")]
    targets = [t for some in listed if isinstance(some, list) for t in some if isinstance(t, str)]
    if targets and all(map(_of_module, targets)) and not quant.has("quant_algo"):
        return True
    by_module = torchao_modules(quant)
    return bool(by_module) and by_module.get("_default") is None


def _converted_alone(quant: Fields) -> Named:
    """The modules that GPTQ or HQQ convert where a config lists those, and no others."""
    listed = quant.data.get("modules_in_block_to_quantize")
    items: list[Any] = listed if isinstance(listed, list) else []
    flat = [name for item in items for name in (item if isinstance(item, list) else [item])]
    by_tag = quant.data.get("quant_config") if method_of(quant) == "hqq" else None
    if isinstance(by_tag, dict) and "weight_quant_params" not in by_tag:
        flat += [name for name, how in by_tag.items() if isinstance(how, dict)]
    return named((name for name in flat if isinstance(name, str)), stump=0)


def _of_ends(quant: Fields, scheme: Scheme) -> dict[str, float]:
    """Bits of the head and the embedding where a config converts them, by role."""
    found = {}
    head = quant.data.get("head_bits")
    if isinstance(head, (int, float)) and 1 <= head < 16:
        found["head"] = float(head)  # of ExLlama
    if quant.data.get("lm_head") is True:
        found["head"] = scheme.bits  # of GPTQ
    if quant.data.get("include_input_output_embeddings") is True:
        found |= {"head": scheme.bits, "embedding": scheme.bits}  # of torchao
    return found


# --- bits of each tensor -----------------------------------------------------------------------

CONVERTED = ("attention", "mlp", "expert", "shared_expert", "mtp")
ENDS = ("head", "embedding")


def _beside_experts(scheme: Scheme, c: Fields, quant: Fields) -> float:
    """Fewest bits of what is neither listed nor an expert."""
    if _fp4_experts(c, quant):
        return 8.0
    if scheme.name.startswith("nvfp4"):
        return FIXED["nvfp4"]  # a list that leaves others out says so
    if scheme.name.startswith("mxfp4"):
        return 16.0 if quant.text("quant_method").lower() == "mxfp4" else FIXED["mxfp4"]
    return 0.0


class _Rules:
    """What a config says of its modules, read once."""

    def __init__(self, c: Fields, quant: Fields, pieces: list[Piece]) -> None:
        self.scheme, self.fewest = _scheme(c, quant), _fewest(c, quant).bits
        self.excluded, self.otherwise = _excluded(quant), _otherwise(c, quant)
        self.keeps_attention = _keeps_attention(quant, pieces)
        self.beside = _beside_experts(self.scheme, c, quant)
        self.others_left, self.alone = _leaves_others(quant), _converted_alone(quant)
        self.ends = _of_ends(quant, self.scheme)
        self.converted = (*CONVERTED, *ENDS) if is_mlx(quant) else CONVERTED
        # what four bits leave out is as it was: in FP8 where that is the method
        of_fp8 = quant.text("quant_method").lower() == "fp8"
        self.plain = 8.0 if of_fp8 and self.beside == FIXED["nvfp4"] else 16.0

    def least_bits(self, tensor: Tensor, where: list[int] | None) -> float:
        """Fewest bits of a tensor, the mean over its layers; 0 where the format alone decides."""
        converted = tensor.role in self.converted
        kept = share(self.excluded, tensor, where)
        if self.keeps_attention and tensor.role == "attention":
            kept = 1.0
        others = {
            bits: part
            for bits, listed in self.otherwise.items()
            if converted or tensor.role in ENDS
            if (part := share(listed, tensor, where)) > 0
        }
        if kept == 1.0:
            return self.plain if converted else 16.0
        own = self._own(tensor, where)
        if not kept and not others:
            return own
        rest, bits = 1.0 - kept, kept * (self.plain if converted else 16.0)
        for size, part in sorted(others.items(), reverse=True):  # of two lists the wider counts
            taken = min(part, rest)
            bits, rest = bits + taken * size, rest - taken
        bits += rest * (own or (self.scheme.bits if converted else 16.0))
        return own if not own and converted and math.isclose(bits, self.fewest) else bits

    def _own(self, tensor: Tensor, where: list[int] | None) -> float:
        """Bits of a tensor of which no list says anything."""
        converted = tensor.role in self.converted
        if tensor.role in self.ends:
            return self.ends[tensor.role]
        if converted and (
            self.others_left or (self.alone and not share(self.alone, tensor, where))
        ):
            return 16.0
        pinned = self.scheme.pinned or self.scheme.codebook_bits or self.scheme.bits > self.fewest
        if converted and pinned:
            return self.scheme.bits + self.scheme.codebook_bits / tensor.elements
        if tensor.role != "expert" and (converted or self.beside == 16.0):
            return self.beside
        return 0.0


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
    if quant is None or _fewest(c, quant) is AS_IT_WAS:
        return tuple(t for t, _ in pieces)
    rules = _Rules(c, quant, pieces)
    return tuple(
        replace(t, least_bits=max(rules.least_bits(t, where), t.least_bits)) for t, where in pieces
    )
