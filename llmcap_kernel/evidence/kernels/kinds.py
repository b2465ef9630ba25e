"""The kinds of kernels: which columns tell one, its work on a card, its formula and constants."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ... import catalog, law
from ...bandwidth.work import compute_dtype
from ...catalog import names
from ...refuse import BadInput, shown
from ...spec import Format, Gpu
from . import formulas

ACTIVATION_BYTES = 2.0
# of an activation by the dtype it is multiplied in; FP4 with its scales
STORED_BYTES = {"fp8": 1.0, "int8": 1.0, "fp4": 0.5625}
LATENT, ROPE = 512, 64  # of MLA: DeepSeek-V2, arXiv 2405.04434, table 1
MLA_HEAD, MLA_VALUE = 192, 128
MOST = 1e9
# what tests of collectives call the number formats of a message
ELEMENT_BYTES = {"half": 2.0, "float": 4.0, "int8": 1.0, "uint8": 1.0}
Shape = Mapping[str, float]
Work = dict[str, float]


class Kind(NamedTuple):
    """A kind of kernel.

    Attributes
    ----------
    name, title : str
        Its name in `catalog/kernels.toml`, and in words.
    columns : tuple of str
        Columns that tell a file of it; each holds a number.
    optional : dict of str to float
        Further columns with what is taken where one is missing.
    of : str
        What its format is of: "weights", "kv" or "link".
    spelled : str
        Column of the format.
    work : callable
        Takes shape, card and format; returns arguments of the formula.
    time : callable
        The formula.
    start : dict of str to float
        Constants of the formula, and where a fit of them begins: shares, and times ending in "_s".
    by_engine : frozenset of str
        Those that differ by engine.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    optional: dict[str, float]
    of: str
    spelled: str
    work: Callable[[Shape, Gpu, str], Work]
    time: Callable[..., Any]
    start: dict[str, float]
    by_engine: frozenset[str]


@lru_cache(maxsize=1024)
def format_name(of: str, text: str) -> str:
    """Find the catalogue's name of a format.

    Parameters
    ----------
    of : str
        "weights" or "kv".
    text : str
        As an engine spells it.

    Returns
    -------
    str
        The name.

    Raises
    ------
    BadInput
        When it is not known.

    Examples
    --------
    >>> format_name("weights", "fp8_block"), format_name("weights", "int8_wo")
    ('fp8-block', 'int8-weight-only')
    """
    if of == "kv":
        found = names.kv_format(text, "").name
    else:
        plain = text.replace("_wo", "_weight_only") if text.endswith("_wo") else text
        found = names.weight_format(plain, "", "bf16").name
    if not found:
        raise BadInput("format", f"format {shown(text)} is not known.")
    return found


@lru_cache(maxsize=1024)
def _stored(name: str, gpu: Gpu) -> tuple[Format, str, float]:
    """A format, the dtype a card computes it in, and its rate."""
    number_format = catalog.format(name)
    return (number_format, *compute_dtype(gpu, number_format))


def _product(shape: Shape, gpu: Gpu, name: str) -> Work:
    weights, dtype, rate = _stored(name, gpu)
    m, n, k = shape["m"], shape["n"], shape["k"]
    stored = STORED_BYTES.get(dtype, ACTIVATION_BYTES)
    moved = weights.bytes_per_element * n * k + ACTIVATION_BYTES * m * n + stored * m * k
    quantised = (ACTIVATION_BYTES + stored) * m * k if stored < ACTIVATION_BYTES else 0.0
    return {
        "read_s": moved / gpu.bandwidth_bytes_s,
        "quantise_s": quantised / gpu.bandwidth_bytes_s,
        "rows": m if quantised else 0.0,
        "math_s": law.matmul_flops(params=n * k, tokens=m) / rate,
        "depth": k,
    }


def _decode(shape: Shape, gpu: Gpu, name: str) -> Work:
    users, heads, dim = shape["batch_size"], shape["num_heads"], shape["head_dim"]
    window, keys = shape["window_size"], shape["num_key_value_heads"]
    context = min(shape["context"], window) if window else shape["context"]
    cached = users * context * keys * 2 * dim * catalog.format(name).bytes_per_element
    vectors = 2 * users * heads * dim * ACTIVATION_BYTES
    return {
        "read_s": (cached + vectors) / gpu.bandwidth_bytes_s,
        "blocks": users * keys,
        "context": context,
    }


def _prefill(shape: Shape, gpu: Gpu, name: str) -> Work:
    prompts, tokens, cached = shape["batch_size"], shape["isl"], shape["step"]
    heads, dim, window = shape["num_heads"], shape["head_dim"], shape["window_size"]
    _, _, rate = _stored(name, gpu)
    pairs = formulas.tiled_pairs(queries=tokens, cached=cached, window=window)
    span = min(window or MOST, tokens + cached)
    stored = catalog.format(name).bytes_per_element
    vectors = 2 * tokens * heads * dim * ACTIVATION_BYTES
    keys = 2 * shape["num_key_value_heads"] * dim * tokens * ACTIVATION_BYTES
    if stored < ACTIVATION_BYTES:
        keys += 2 * shape["num_key_value_heads"] * dim * tokens * stored
    flops = law.attention_flops(heads=heads, qk_dim=dim, v_dim=dim, tokens_read=pairs)
    return {
        "math_s": prompts * flops / rate,
        "move_s": prompts * (vectors + keys) / gpu.bandwidth_bytes_s,
        "blocks": prompts * heads * -(-tokens // 128),
        "span": span,
    }


def _mla_decode(shape: Shape, gpu: Gpu, name: str) -> Work:
    users, context, heads = shape["batch_size"], shape["context"], shape["num_heads"]
    cached = users * context * (LATENT + ROPE) * catalog.format(name).bytes_per_element
    vectors = users * heads * (2 * LATENT + ROPE) * ACTIVATION_BYTES
    flops = law.attention_flops(
        heads=heads, qk_dim=LATENT + ROPE, v_dim=LATENT, tokens_read=context
    )
    return {
        "read_s": (cached + vectors) / gpu.bandwidth_bytes_s,
        "math_s": users * flops / _stored(name, gpu)[2],
        "blocks": users,
        "context": context,
    }


def _mla_prefill(shape: Shape, gpu: Gpu, name: str) -> Work:
    prompts, tokens, heads = shape["batch_size"], shape["isl"], shape["num_heads"]
    pairs = formulas.tiled_pairs(queries=tokens, tile=128)
    flops = law.attention_flops(heads=heads, qk_dim=MLA_HEAD, v_dim=MLA_VALUE, tokens_read=pairs)
    vectors = 2 * tokens * heads * (MLA_HEAD + MLA_VALUE) * ACTIVATION_BYTES
    return {
        "math_s": prompts * flops / _stored(name, gpu)[2],
        "move_s": prompts * vectors / gpu.bandwidth_bytes_s,
        "blocks": prompts * heads * -(-tokens // 128),
        "span": tokens,
    }


@lru_cache(maxsize=256)
def _first_share(experts: int, power: float) -> float:
    """Share of the best-liked expert where the r-th is liked as `r ** -power`."""
    return 1 / sum((rank + 1) ** -power for rank in range(experts))


def _experts(shape: Shape, gpu: Gpu, name: str) -> Work:
    weights, _, rate = _stored(name, gpu)
    tokens, experts, chosen = shape["num_tokens"], shape["num_experts"], shape["topk"]
    ep, power = shape["moe_ep_size"], shape["power"]
    between = shape["matrices"] * shape["inter_size"] / shape["moe_tp_size"]
    params = between * shape["hidden_size"]
    pair = (2 * shape["hidden_size"] + between) * ACTIVATION_BYTES
    touched = law.experts_touched_at_random(
        experts=experts, experts_per_token=chosen, tokens=tokens
    )
    here = max(experts / ep, 1)
    pairs = max(tokens * chosen / ep, 1)
    if power:  # the card with the best-liked expert takes longest
        most = tokens * min(1, _first_share(int(experts), power) * chosen)
        pairs += max(most - pairs / here, 0)
    return {
        "read_s": max(touched / ep, 1) * params * weights.bytes_per_element / gpu.bandwidth_bytes_s,
        "math_s": law.matmul_flops(params=params, tokens=pairs) / rate,
        "kept_s": (tokens * shape["hidden_size"] * ACTIVATION_BYTES + pairs * pair)
        / gpu.bandwidth_bytes_s,
        "routed_s": tokens * chosen * pair / gpu.bandwidth_bytes_s,
    }


def _link_bytes_s(gpu: Gpu) -> float:
    if not gpu.link_bandwidth_bytes_s:
        raise BadInput("card", f"{gpu.title} has no link in the catalogue.")
    return gpu.link_bandwidth_bytes_s


def _summed(shape: Shape, gpu: Gpu, name: str) -> Work:
    message = shape["message_size"] * shape["element_bytes"]
    return {"wire_s": message / _link_bytes_s(gpu), "cards": shape["num_gpus"]}


# of what NCCL does: vectors sent of each card's share, and rounds of the ring
ROUNDS = {"all_reduce": (2, 2), "all_gather": (1, 1), "reduce_scatter": (1, 1), "alltoall": (1, 0)}


def _collective(shape: Shape, gpu: Gpu, name: str) -> Work:
    operation = list(ROUNDS)[int(shape["operation"])]
    vectors, rounds = ROUNDS[operation]
    cards, message = shape["num_gpus"], shape["message_size"] * shape["element_bytes"]
    return {
        "wire_s": vectors * (cards - 1) / cards * message / _link_bytes_s(gpu),
        "hops": rounds * (cards - 1),
        "message_bytes": message,
    }


ATTENTION = ("num_heads", "num_key_value_heads", "head_dim")
# What differs by engine beside the launch: where a card that was left out shows that it does.
QUANTISING = ("quantise", "row_s")  # constants of formats that quantise activations
BY_ENGINE = {
    "product": ("quantise", "row_s"),
    "prefill_attention": ("compute",),
    "mla_prefill": ("compute",),
    "mla_decode": ("bandwidth",),
}
# Rates over the bandwidth: vectors may stay in a cache, and be moved faster.
RATES = ("kept", "routed", "quantise")
DECODE = {"bandwidth": 0.8, "block_s": 2e-8, "context_s": 2e-6, "launch_s": 8e-6}
PREFILL = {"compute": 0.6, "bandwidth": 0.5, "block_s": 1e-8, "span_s": 3e-5, "launch_s": 1e-5}
START = {
    "experts": {"bandwidth": 0.7, "compute": 0.4, "kept": 0.5, "routed": 1.0, "launch_s": 2e-5},
    "decode_attention": DECODE,
    "prefill_attention": PREFILL,
    "mla_decode": {**DECODE, "compute": 0.5},
    "mla_prefill": PREFILL,
    "product": {
        "bandwidth": 0.8,
        "compute": 0.7,
        "depth_s": 2e-6,
        "launch_s": 4e-6,
        "quantise": 1.0,
        "row_s": 1e-9,
    },
    "collective": {"link": 0.6, "hop_s": 8e-7, "ramp_s": 1e-5, "launch_s": 8e-6},
    "all_reduce": {"link": 0.6, "hop_s": 2e-7, "launch_s": 4e-6},
}
COLUMNS = {
    "experts": ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts"),
    "decode_attention": ("batch_size", "context", *ATTENTION),
    "prefill_attention": ("batch_size", "isl", *ATTENTION),
    "mla_decode": ("batch_size", "context", "num_heads"),
    "mla_prefill": ("batch_size", "isl", "num_heads"),
    "product": ("m", "n", "k"),
    "collective": ("op_name", "num_gpus", "message_size"),
    "all_reduce": ("num_gpus", "message_size"),
}
OPTIONAL = {
    "experts": {"moe_tp_size": 1.0, "moe_ep_size": 1.0},
    "decode_attention": {"window_size": 0.0},
    "prefill_attention": {"window_size": 0.0, "step": 0.0},
}


def _kind(
    name: str,
    title: str,
    spelled: str,
    work: Callable[[Shape, Gpu, str], Work],
    time: Callable[..., Any],
) -> Kind:
    of = {"": "link", "kv_cache_dtype": "kv"}.get(spelled, "weights")
    by_engine = frozenset({"launch_s", *BY_ENGINE.get(name, ())})
    columns, optional, start = COLUMNS[name], OPTIONAL.get(name, {}), START[name]
    return Kind(name, title, columns, optional, of, spelled, work, time, start, by_engine)


KV = "kv_cache_dtype"
# A file is of the first kind that it has the columns of, so what has more columns stands first.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("experts", "experts of a layer", "moe_dtype", _experts, formulas.experts_s),
        _kind("decode_attention", "decode attention", KV, _decode, formulas.decode_attention_s),
        _kind("prefill_attention", "prefill attention", KV, _prefill, formulas.prefill_attention_s),
        _kind("mla_decode", "MLA decode", KV, _mla_decode, formulas.decode_attention_s),
        _kind("mla_prefill", "MLA prefill", KV, _mla_prefill, formulas.prefill_attention_s),
        _kind("product", "matrix product", "gemm_dtype", _product, formulas.product_s),
        _kind("collective", "collective of NCCL", "", _collective, formulas.collective_s),
        _kind("all_reduce", "all-reduce", "", _summed, formulas.summed_s),
    )
}
