"""The importer: real configs counted, published numbers met, hostile ones refused."""

import json
import math
import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llmcap_kernel
from llmcap_kernel import calibration, catalog, law
from llmcap_kernel.huggingface import load, modules
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Format, Model, Tensor, Workload

from .measured import rows

CATALOG = Path(llmcap_kernel.__file__).parent / "catalog"
CONFIGS = sorted((CATALOG / "configs").glob("*.json"))
MODELS = tomllib.loads((CATALOG / "models.toml").read_text(encoding="utf-8"))["models"]
FORMATS = tomllib.loads((CATALOG / "formats.toml").read_text(encoding="utf-8"))["formats"]
NAMES = {a.lower(): k for k, v in MODELS.items() for a in (k, *v["aliases"])}
GIB = 2**30


def model(name):
    entry = MODELS[NAMES.get(name.lower(), name)]
    return load(CATALOG / "configs" / entry["config"], name)


def elements_per_token(m, **only):
    """Elements a token adds to all layers' caches, windows and strides not applied."""
    total = 0
    for a in m.attention:
        if a.kind == "linear" or any(getattr(a, k) != v for k, v in only.items()):
            continue
        if a.latent_dim:
            total += a.layers * (a.latent_dim + a.rope_dim)
        else:
            total += a.layers * a.kv_heads * (a.head_dim + (a.v_head_dim or a.head_dim))
    return total


def layers_of(m):
    counts = {}
    for a in m.attention:
        counts[a.kind] = counts.get(a.kind, 0) + a.layers
    return counts


# --- every real config ----------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads(path):
    m = load(path)
    assert m.params > 1e8 and 0 < m.active_params <= m.params
    assert sum(a.layers for a in m.attention) > 0
    assert catalog.format(m.native_format).name == m.native_format


# Left out, these are what the class has where it has no field, or one list of several in an object.
AS_THE_CLASS = {
    *(("indexer_types", "glm_moe_dsa"), ("full_attn_layers", "kimi_linear")),
    *(("sparse_attention_freq", "minimax_m3_vl"), ("tie_word_embeddings", "starcoder2")),
    ("tie_word_embeddings", "falcon_mamba"),
}
ONE_OF_EACH = {
    data.get("model_type"): data for data in map(json.loads, map(Path.read_text, CONFIGS))
}


def without_one(data):
    """Every config that lacks one field of this one, or of an object in it, and the field."""
    for name, value in data.items():
        if name not in ("model_type", "architectures", "quantization_config") and value is not None:
            yield name, {n: v for n, v in data.items() if n != name}
        if isinstance(value, dict) and name.endswith("_config") and name != "quantization_config":
            for inner, fewer in without_one(value):
                yield inner, {**data, name: fewer}


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_field_left_out_moves_no_count_in_silence(kind):
    """Half a percent of parameters or of a token's cache is refused, or said in a note."""
    whole = load(ONE_OF_EACH[kind])
    for name, fewer in without_one(ONE_OF_EACH[kind]):
        try:
            m = load(fewer)
        except BadInput:
            continue
        moved = max(
            abs(m.params / whole.params - 1),
            abs(m.active_params / whole.active_params - 1),
            abs((elements_per_token(m) or 1) / (elements_per_token(whole) or 1) - 1),
        )
        said = len(m.notes) > len(whole.notes)
        assert moved < 0.005 or said or (name, kind) in AS_THE_CLASS, name


def test_the_seventy_three_real_files_are_here():
    assert sum("_source" not in json.loads(p.read_text()) for p in CONFIGS) >= 73


def near(ours, published, share):
    """Within `share`, or equal when rounded to the digits that were published."""
    digits = max(1, len(f"{published:.6e}".split("e")[0].rstrip("0").replace(".", "")))
    rounded = float(f"{ours:.{digits - 1}e}")
    return abs(ours / published - 1) <= share or math.isclose(rounded, published, rel_tol=1e-9)


def with_id(key):
    for name, entry in MODELS.items():
        if key in entry:
            yield pytest.param(name, entry[key], id=f"{name}: {entry[key]['source']}")


@pytest.mark.parametrize("name, published", list(with_id("published_params")))
def test_totals_meet_what_was_published(name, published):
    m = model(name)
    # DeepSeek-V4's card counts its multi-token-prediction layer.
    found = m.params + (m.mtp_params if name == "deepseek-v4-pro" else 0)
    assert near(found, published["value"], 0.01), f"{found:.5g}"


@pytest.mark.parametrize("name, published", list(with_id("published_active")))
def test_actives_meet_what_was_published(name, published):
    m = model(name)
    table = m.vocab_size * m.hidden_size
    tables = {"all": 0, "head": 1, "body": 1 if m.tied_embeddings else 2}
    found = m.active_params - tables[published.get("counts", "all")] * table
    assert near(found, published["value"], 0.03), f"{found:.5g}"


# Counts of the classes in Hugging Face transformers 5.23, built without weights.
EXACT = {
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "qwen3-0.6b": 596_049_920,
    "qwen3-32b": 32_762_123_264,
    "mixtral-8x7b": 46_702_792_704,
    "glm-5": 743_911_199_232,
    "glm-5.2": 743_377_000_704,
    "nemotron-h-56b": 56_324_350_464,
    "nemotron-3-nano-30b-a3b": 31_577_937_344,
    "nemotron-4-340b": 341_029_195_776,
}


@pytest.mark.parametrize("name", EXACT)
def test_counts_are_exact(name):
    # Biases that only steer a router are weights here and buffers there: some thousands.
    assert model(name).params == pytest.approx(EXACT[name], rel=1e-6)


# --- what a token leaves in the cache -------------------------------------

KV_BYTES = [
    ("llama-3-70b", 327_680, "arXiv 2407.21783, table 3: 80 layers, 8 KV heads of 128"),
    ("llama-3.1-8b", 131_072, "arXiv 2407.21783, table 3"),
    ("llama-3.1-405b", 516_096, "arXiv 2407.21783, table 3"),
    ("llama-2-7b", 524_288, "arXiv 2309.06180, section 1 style: 0.5 MB a token"),
    ("deepseek-v3", 70_272, "arXiv 2412.19437: (512 + 64) x 61 layers"),
    ("deepseek-r1", 70_272, "arXiv 2501.12948"),
    ("deepseek-v2", 69_120, "arXiv 2405.04434: (512 + 64) x 60 layers"),
    ("kimi-k2", 70_272, "arXiv 2507.20534"),
    ("qwen2.5-72b", 327_680, "arXiv 2412.15115, table 1"),
    ("qwen3-235b-a22b", 192_512, "arXiv 2505.09388, table 2: 94 layers, 4 KV heads"),
    ("mixtral-8x7b", 131_072, "arXiv 2401.04088, table 1"),
    ("gpt-oss-120b", 73_728, "arXiv 2508.10925: 36 layers, 8 KV heads of 64"),
    ("gemma-2-9b", 344_064, "arXiv 2408.00118, table 1: 42 layers, 8 KV heads of 256"),
    ("gemma-3-27b", 507_904, "arXiv 2503.19786, table 1: 62 layers, 16 KV heads of 128"),
    ("falcon-7b", 8_192, "arXiv 2311.16867: one KV head of 64, 32 layers"),
    ("bloom-176b", 4_014_080, "arXiv 2211.05100, table 3: 70 layers of 14336"),
    ("gemma-2b", 18_432, "arXiv 2403.08295, table 1: one KV head of 256, 18 layers"),
]


@pytest.mark.parametrize("name, expected, source", KV_BYTES, ids=lambda v: str(v))
def test_kv_bytes_of_a_token_in_bf16(name, expected, source):
    assert 2 * elements_per_token(model(name)) == expected


PATTERNS = [
    ("gpt-oss-120b", {"window": 18, "full": 18}, "arXiv 2508.10925"),
    ("gemma-2-27b", {"window": 23, "full": 23}, "arXiv 2408.00118"),
    ("gemma-3-27b", {"window": 52, "full": 10}, "arXiv 2503.19786: five local to one global"),
    ("llama-4-scout", {"window": 36, "full": 12}, "transformers, no_rope_layer_interval 4"),
    ("qwen3-next-80b-a3b", {"linear": 36, "full": 12}, "Qwen3-Next's card: 3 to 1"),
    ("minimax-m1", {"linear": 70, "full": 10}, "arXiv 2506.13585: one softmax in eight"),
    ("deepseek-v3.2", {"sparse": 61}, "arXiv 2512.02556"),
    ("nemotron-h-56b", {"linear": 54, "full": 10}, "arXiv 2504.03624, table 1"),
    ("jamba-1.5-large", {"linear": 63, "full": 9}, "arXiv 2408.12570: one attention in eight"),
    ("mistral-7b", {"window": 32}, "arXiv 2310.06825"),
    ("mimo-v2-flash", {"window": 39, "full": 9}, "its card: five to one"),
]


@pytest.mark.parametrize("name, expected, source", PATTERNS, ids=lambda v: str(v)[:60])
def test_layer_patterns(name, expected, source):
    assert layers_of(model(name)) == expected


def ledger():
    """vLLM's own division of its cache: bytes free over tokens that fit."""
    runs = {}
    for row in rows():
        if row["source_id"] == "llmd" and row["metric"].startswith("kv_cache"):
            key = (row["model"], row["notes"].split(";")[0], row["kv_dtype"], row["weight_dtype"])
            runs.setdefault(key, {"row": row})[row["metric"]] = float(row["value"])
    for (name, log, kv, _), run in runs.items():
        # Gemma 3's groups of windowed layers are padded to the full ones' count.
        if len(run) == 3 and "gemma-3" not in name and run["row"]["pp"] == "1":
            yield pytest.param(name, kv, run, id=f"{name} {run['row']['id']} {log[4:40]}")


@pytest.mark.parametrize("name, kv, run", list(ledger()))
def test_bytes_of_a_token_in_vllm(name, kv, run):
    m, tp = model(name), int(run["row"]["tp"])
    bytes_each = 1 if kv == "fp8" else 4 if run["row"]["weight_dtype"] == "float32" else 2
    latent = any(a.latent_dim for a in m.attention)
    split = 1 if latent else min(tp, m.kv_heads)
    found = run["kv_cache_gib_available_per_gpu"] * GIB / run["kv_cache_tokens"]
    assert elements_per_token(m) * bytes_each / split == pytest.approx(found, rel=0.002)


def test_delta_net_state():
    # 32 value heads of 128 x 128 and a convolution of 4 over 8192 channels.
    m = model("qwen3-next-80b-a3b")
    (linear,) = [a for a in m.attention if a.kind == "linear"]
    assert linear.state_bytes == 2 * 32 * 128 * 128 + 2 * 3 * 8192


def linear_of(name):
    (linear,) = [a for a in model(name).attention if a.kind == "linear"]
    return linear


def test_a_state_in_fp32_takes_four_bytes_where_the_config_asks_for_it():
    """Qwen3.5 says `mamba_ssm_dtype: float32`; the convolution stays in 16 bit.

    vLLM: MambaStateDtypeCalculator.gated_delta_net_state_dtype gives both.
    """
    channels = 2 * 16 * 128 + 64 * 128  # 16 key heads for q and for k, 64 value heads
    held = 4 * 64 * 128 * 128 + 2 * 3 * channels
    assert linear_of("qwen3.5-397b-a17b").state_bytes == held


def test_the_gated_delta_rule_takes_seven_flop_a_cell():
    """Section 3.1 of arXiv 2412.06464: S = a S (I - b k k^T) + b v k^T, then o = S q.

    A cell of a head's state, one of d_k x d_v, meets one multiplication with the
    decay a, a multiply-add in S k, one in the update by b (v - S k) k^T, and one
    in S q: 1 + 2 + 2 + 2. Each of the channels of q, k and v passes a convolution
    of 4, a multiply-add a tap.
    """
    for name, v_heads in (("qwen3-next-80b-a3b", 32), ("qwen3.5-397b-a17b", 64)):
        cells, channels = v_heads * 128 * 128, 2 * 16 * 128 + v_heads * 128
        assert linear_of(name).state_flops == (1 + 2 + 2 + 2) * cells + 2 * 4 * channels


def test_lightning_attention_decays_adds_and_reads():
    """MiniMax-M1: S = a S + k v^T, o = q S, arXiv 2401.04658: 1 + 2 + 2 a cell, 64 heads."""
    assert linear_of("minimax-m1").state_flops == 5 * 64 * 128 * 128


def test_lightning_attention_keeps_its_state_in_16_bit():
    """vLLM, MambaStateDtypeCalculator.linear_attention_state_dtype: the model's own dtype.

    Version 0.11 refuses another: "fp32 state for minimax is not yet supported".
    """
    assert linear_of("minimax-m1").state_bytes == 2 * 64 * 128 * 128


# moonshotai/Kimi-Linear-48B-A3B-Instruct, what matters of its config.json.
KIMI_LINEAR = {
    **{"model_type": "kimi_linear", "hidden_size": 2304, "num_hidden_layers": 27},
    **{"intermediate_size": 9216, "moe_intermediate_size": 1024, "first_k_dense_replace": 1},
    **{"num_experts": 256, "num_experts_per_token": 8, "num_shared_experts": 1},
    **{"num_attention_heads": 32, "kv_lora_rank": 512, "q_lora_rank": None, "v_head_dim": 128},
    **{"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rope_theta": 10000, "mla_use_nope": True},
    **{"vocab_size": 163840, "model_max_length": 1_048_576},
    "linear_attn_config": {
        **{"full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "num_heads": 32, "head_dim": 128},
        "short_conv_kernel_size": 4,
    },
}


def test_kimi_linear_keeps_its_state_in_32_bits_and_has_no_angles():
    """vLLM 0.19, mamba_utils.py, kda_state_dtype: float32; its convolutions in 16 bits."""
    m = load(KIMI_LINEAR)
    assert m.params == pytest.approx(49_133_074_464, rel=0.001)  # as transformers counts it
    (linear,) = [a for a in m.attention if a.kind == "linear"]
    assert linear.layers == 20
    assert linear.state_bytes == 4 * 32 * 128 * 128 + 2 * 3 * 3 * 32 * 128
    assert m.table_bytes == 0


def test_nemotron_h_keeps_its_state_in_32_bits_unless_told():
    """vLLM 0.33, models/config.py, DEFAULT_MAMBA_SSM_CACHE_DTYPE."""
    data = config("nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
    del data["mamba_ssm_cache_dtype"]
    (linear,) = [a for a in load(data).attention if a.kind == "linear"]
    assert linear.state_bytes == 4 * 64 * 64 * 128 + 2 * 3 * (64 * 64 + 2 * 8 * 128)


def test_mamba2_state():
    m = model("nemotron-3-nano-30b-a3b")
    (linear,) = [a for a in m.attention if a.kind == "linear"]
    assert linear.state_bytes == 4 * 64 * 64 * 128 + 2 * 3 * (64 * 64 + 2 * 8 * 128)


def test_the_indexer_of_shared_layers_keeps_nothing():
    kept = {a.index_dim: a.layers for a in model("glm-5.2").attention}
    assert kept == {128: 21, 0: 57}


def test_deepseek_v4_compresses_along_the_sequence():
    strides = {}
    for a in model("deepseek-v4-pro").attention:
        strides[a.kind, a.stride_tokens] = a.layers
        assert a.latent_dim + a.rope_dim == 512
    assert strides == {("window", 1): 61, ("sparse", 4): 30, ("mla", 128): 31}


def test_llama_3_has_a_window_of_8192_and_3_1_of_131072():
    assert model("llama-3-70b").max_context_tokens == 8192
    assert model("llama-3.1-70b").max_context_tokens == 131_072


# --- weights in memory ----------------------------------------------------

SPELLED = {
    "bfloat16": "bf16",
    "float16": "bf16",
    "float32": "fp32",
    "fp8": "fp8",
    "mxfp4": "mxfp4",
    "gptq_marlin": "int4-gptq",
}


def weight_rows():
    seen = set()
    for row in rows():
        key = (row["model"], row["weight_dtype"])
        alone = row["tp"] == row["pp"] == "1"
        if row["metric"] == "weights_gib_per_gpu" and alone and key not in seen:
            seen.add(key)
            yield pytest.param(row, id=f"{row['id']} {row['model']} {row['weight_dtype']}")


@pytest.mark.parametrize("row", list(weight_rows()))
def test_weights_meet_vllm(row):
    name = SPELLED.get(row["weight_dtype"]) or ("fp8" if "fp8" in row["model"] else "int8")
    entry = FORMATS[name]
    bits = entry["element_bits"]
    if entry.get("group"):
        bits += entry.get("scale_bits", 0) / entry["group"]
    m = model(row["model"])
    total = m.table_bytes * 8
    for t in m.tensors:
        covered = t.role in entry["covers"] and not t.least_bits
        total += 0 if t.role == "mtp" else t.params * (bits if covered else 16)
    assert total / 8 / GIB == pytest.approx(float(row["value"]), rel=0.01)


# --- quantised checkpoints ------------------------------------------------

NATIVE = [
    ("deepseek-ai__DeepSeek-V3", "fp8-block"),
    ("Qwen__Qwen3-32B-FP8-Static-PerTensor", "fp8"),
    ("Qwen__Qwen3-32B-FP8", "fp8-block"),
    ("openai__gpt-oss-120b", "mxfp4"),
    ("moonshotai__Kimi-K2.5", "int4-gptq-g32"),
    ("nvidia__Kimi-K2.5-NVFP4", "nvfp4"),
    ("nvidia__MiniMax-M2.5-NVFP4", "nvfp4"),
    ("nvidia__DeepSeek-V4-Pro-NVFP4", "nvfp4"),
    ("meta-llama__Meta-Llama-3.1-70B", "bf16"),
]


@pytest.mark.parametrize("stem, expected", NATIVE)
def test_native_format(stem, expected):
    assert load(CATALOG / "configs" / f"{stem}.json").native_format == expected


def config(stem, **changes):
    return {**json.loads((CATALOG / "configs" / f"{stem}.json").read_text()), **changes}


def bits_of(data):
    """Fewest bits by a tensor's name."""
    return {t.name: t.least_bits for t in load(data).tensors}


def test_deepseek_v4_has_experts_in_four_bits_and_the_rest_in_eight():
    """vLLM 0.33, models/deepseek_v4: quant_config.py, and linears without one in attention.py."""
    for said in ({}, {"expert_dtype": None}):  # vLLM takes FP4 where nothing is said
        data = config("deepseek-ai__DeepSeek-V4-Pro", **said)
        assert load(data).native_format == "mxfp4"
        bits = bits_of(data)
        assert bits["attn.wq_b"] == bits["mlp.shared_experts.up_proj"] == 8
        assert bits["attn.compressor.wkv_wgate"] == bits["attn.indexer.weights_proj"] == 16
        assert bits["mlp.experts.up_proj"] == 0
    data = config("deepseek-ai__DeepSeek-V4-Pro", expert_dtype="fp8")
    assert load(data).native_format == "fp8-block"


# Sizes of the checkpoints in GiB, with the layers that predict several tokens, issue 12.
V4_SIZES = [("deepseek-ai__DeepSeek-V4-Pro", 805), ("deepseek-ai__DeepSeek-V4-Flash-0731", 155)]


@pytest.mark.parametrize("stem, gib", V4_SIZES)
def test_sizes_of_deepseek_v4(stem, gib):
    m = load(CATALOG / "configs" / f"{stem}.json")
    stored = law.weight_bytes(m, catalog.format(m.native_format)).stored_bytes - m.table_bytes
    drafts = len(config(stem)["compress_ratios"]) - m.layers
    assert (stored + drafts * m.mtp_params * 17 / 32) / GIB == pytest.approx(gib, rel=0.01)


def test_meta_keeps_attention_and_two_layers_of_its_405b():
    """Case C5 of the start-up logs: GiB a card of eight. Its KV heads were stored twice, 16."""
    kept = [f"model.layers.{i}.self_attn.{n}_proj" for i in range(126) for n in "qkvo"]
    kept += [f"model.layers.{i}.mlp.{n}_proj" for i in (0, 125) for n in ("gate", "up", "down")]
    quant = {"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head", *kept]}
    data = config("meta-llama__Meta-Llama-3.1-70B", num_hidden_layers=126, hidden_size=16384)
    data |= {"intermediate_size": 53248, "num_attention_heads": 128, "num_key_value_heads": 16}
    books = law.weight_bytes(
        load({**data, "quantization_config": quant}), catalog.format("fp8"), tp=8
    )
    assert books.stored_bytes / GIB == pytest.approx(57.75, rel=0.02)


F8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
FP8 = {"weights": F8, "input_activations": {**F8, "dynamic": True, "strategy": "token"}}


def test_what_the_vision_tower_keeps_says_nothing_of_the_text_model():
    tower = ["vision_model.model.layers.0.self_attn.q_proj"]
    quant = {"quant_method": "compressed-tensors", "config_groups": {"g": FP8}, "ignore": tower}
    data = config("meta-llama__Llama-4-Scout-17B-16E-Instruct", quantization_config=quant)
    bits = bits_of(data)
    assert load(data).native_format == "fp8"
    assert bits["self_attn.q_proj"] == 0 and bits["visual.attn.qkv"] == 16


@pytest.mark.parametrize(
    ("listed", "part"),
    [
        (["lm_head", "model.layers.3.mlp"], 1 / 36),
        (["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"], 2 / 36),
        (["lm_head", "model.layers.7.mlp.down_proj", "model.layers.8.mlp.down_proj"], 2 / 36),
        (["lm_head", "model.layers.0.input_layernorm", "model.layers.0.mlp.down_proj"], 1),
        (["mtp*", "mtp.layers.0*"], 0),
    ],
)
def test_a_list_of_one_layer_is_of_all_where_it_may_have_been_cut(listed, part):
    """Three names that begin with a first layer are what is left of a list in some copies."""
    down = Tensor("mlp.down_proj", "mlp", 1000, copies=36)
    assert modules.share(modules.named(listed), down, range(36)) == pytest.approx(part)


def test_modules_named_for_eight_bits_beside_four():
    """Qwen3.6-27B-NVFP4: groups with targets; MiniMax-M3-NVFP4: quantized_layers."""
    bits = bits_of(config("nvidia__Qwen3.6-27B-NVFP4"))
    assert bits["linear_attn.in_proj_qkv"] == bits["linear_attn.out_proj"] == 8
    assert bits["mlp.up_proj"] == 4.5
    bits = bits_of(config("nvidia__MiniMax-M3-NVFP4"))
    assert bits["self_attn.q_proj"] == 8 + 8 / 32 and bits["mlp.experts.up_proj"] == 0


def test_mxfp8_and_quark():
    data = config("Qwen__Qwen3-32B", quantization_config={"quant_method": "mxfp8"})
    assert load(data).native_format == "mxfp8"
    quant = {
        "quant_method": "quark",
        "exclude": ["lm_head"],
        "global_quant_config": {"dtype": "fp4"},
    }
    data = config("Qwen__Qwen3-32B", quantization_config=quant)
    assert load(data).native_format == "mxfp4"
    bits = bits_of(data)
    assert bits["self_attn.q_proj"] == bits["mlp.up_proj"] == 4.25  # all of a dense model
    assert bits["lm_head"] == 16 and bits["embed_tokens"] == 0


INT = {"type": "int", "strategy": "group", "symmetric": True}


def HQQ(bits, group, **more):
    return {"quant_config": {"weight_quant_params": {"nbits": bits, "group_size": group, **more}}}


def AO(kind, **data):
    """As torchao's config_to_dict writes a config."""
    return {"default": {"_type": kind, "_version": 1, "_data": data}}


SPQR = {
    "model.layers.0.mlp.up_proj.dense_weights.shape": 1_000_000,
    "model.layers.0.mlp.up_proj.col_vals.shape": 160_000,
}
VPTQ = {
    "model.layers.0.self_attn.q_proj": {
        "in_features": 8192,
        "out_features": 8192,
        "num_centroids": [-1, 65536],
        "num_res_centroids": [-1, 256],
        "vector_lens": [-1, 8],
        "outlier_size": 0,
    }
}
# Fields as the guides of transformers and MLX have them; bits of a weight with its share of
# scale and zero point, by hand: 16 bits of scale for a group, and a zero point of a weight's bits.
METHODS = [
    ({"quant_method": "gptq", "bits": 3, "group_size": 128, "sym": True}, 3 + 19 / 128),
    ({"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": True}, 4 + 20 / 64),
    ({"quant_method": "gptq", "bits": 4, "group_size": -1, "desc_act": False}, 4),
    ({"quant_method": "gptq", "bits": 8, "group_size": 128}, 8 + 16 / 128),
    ({"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True}, 4 + 20 / 64),
    ({"quant_method": "auto-round", "bits": 2, "group_size": 32, "sym": True}, 2 + 18 / 32),
    (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"weights": {**INT, "num_bits": 4, "group_size": 64}}},
        },
        4 + 16 / 64,
    ),
    # pack_to_int32 of compressed-tensors: 32 // 3 = 10 whole weights to 32 bits
    (
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {
                "group_0": {"weights": {**INT, "num_bits": 8, "strategy": "channel"}}
            },
        },
        8,
    ),
    ({"quant_method": "gptq_marlin", "bits": 4, "group_size": 128}, 4 + 20 / 128),
    ({"quant_method": "intel/auto-round", "bits": 4, "group_size": 128}, 4 + 20 / 128),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "mx_fp", "group_size": 32}, 4.25),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "nv_fp", "group_size": 16}, 4.5),
    ({"quant_method": "exl2", "bits": 4.65}, 4.65),
    # transformers 5, HqqConfig: 16 bits each of scale and zero point for 64 weights
    ({"quant_method": "hqq", **HQQ(4, 64)}, 4 + 32 / 64),
    ({"quant_method": "hqq", **HQQ(2, 16)}, 2 + 32 / 16),
    # hqq's pack_3bit_32: ten of three bits to 32; along axis 0 a group of 64 is padded to 70
    ({"quant_method": "hqq", **HQQ(3, 64)}, 3.2 + 32 / 64),
    ({"quant_method": "hqq", **HQQ(3, 64, axis=0)}, 4.0),
    ({"quant_method": "hqq", **HQQ(3, 128, axis=0)}, 3.5),
    # Quantizers of the paper on AQLM, by its loader: codes of one or two bytes for a vector of 8
    ({"quant_method": "aqlm", "num_codebooks": 1, "nbits_per_codebook": 16}, 2),
    ({"quant_method": "aqlm", "num_codebooks": 2, "nbits_per_codebook": 8}, 2),
    # optimum-quanto: a scale and a shift of 16 bits for 128; 8 bits with a scale a row
    ({"quant_method": "quanto", "weights": "int4"}, 4 + 32 / 128),
    ({"quant_method": "quanto", "weights": "int2", "activations": None}, 2 + 32 / 128),
    ({"quant_method": "quanto", "weights": "int8"}, 8),
    ({"quant_method": "quanto", "weights": "float8"}, 8),
    ({"quant_method": "eetq", "weights": "int8"}, 8),
    # HIGGS in transformers: 16-bit scales for 256 weights
    ({"quant_method": "higgs", "bits": 4, "p": 2, "group_size": 256}, 4 + 16 / 256),
    ({"quant_method": "higgs", "bits": 3, "group_size": 128}, 3 + 16 / 128),
    # SpQR: 64 bits for 16 weights, 32 an outlier; one in a hundred: 4 + .32 bits
    ({"quant_method": "spqr", "bits": 3, "shapes": SPQR}, 4.32),
    # The guide to VPTQ: v8-k65536-256 is 16/8 + 8/8 bits; books of 8 x 65,792 in 16 bits, and
    # 48 bits a column, of 8,192 x 8,192: .1255 and .0059 more
    ({"quant_method": "vptq", "config_for_layers": VPTQ}, 3.13),
    ({"quant_method": "torchao", "quant_type": "int4_weight_only", "quant_type_kwargs": {}}, 4.25),
    ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, 8),
    ({"quant_method": "torchao", "quant_type": AO("Int4WeightOnlyConfig", group_size=64)}, 4.5),
    ({"quant_method": "torchao", "quant_type": AO("Int8DynamicActivationInt8WeightConfig")}, 8),
    ({"quant_method": "torchao", "quant_type": AO("Float8WeightOnlyConfig")}, 8),
    (
        {
            "quant_method": "torchao",
            "quant_type": AO("Int8DynamicActivationInt4WeightConfig", group_size=32),
        },
        4 + 16 / 32,
    ),
    (
        {
            "quant_method": "torchao",
            "quant_type": AO(
                "AWQConfig", base_config=AO("Int4WeightOnlyConfig", group_size=128)["default"]
            ),
        },
        4 + 32 / 128,
    ),
    ({"quant_method": "fp_quant", "forward_dtype": "mxfp4"}, 4 + 8 / 32),
    ({"quant_method": "fp_quant", "forward_dtype": "nvfp4"}, 4 + 8 / 16),
    ({"quant_method": "fp_quant", "store_master_weights": True}, 16),
    # QLoRA: a scale of 32 bits for 64; quantised once more: 8 bits, and 32 for 256 of them
    ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, 4.5),
    (
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_use_double_quant": True,
        },
        4 + 8 / 64 + 32 / (64 * 256),
    ),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8),
    ({"quant_method": "bitnet", "quantization_mode": "online"}, 16),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8),
    ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, 4 + 20 / 128),
    ({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4"}}, 4.5),
    ({"quant_method": "w8a8_int8"}, 8),
    ({"quant_method": "w4afp8"}, 4 + 16 / 128),
    (
        {
            "quant_method": "quark",
            "global_quant_config": {
                "weight": {"dtype": "int4", "qscheme": "per_group", "group_size": 128}
            },
        },
        4 + 20 / 128,
    ),
    ({"group_size": 64, "bits": 4}, 4 + 32 / 64),
    ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, 4 + 8 / 32),
    ({"quant_method": "bitnet"}, 2),
    ({}, 16),
]


def CT(weights, inputs, **more):
    """A config of compressed-tensors, of one group for all linear layers."""
    group = {"weights": weights, "input_activations": inputs, "targets": ["Linear"]}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, **more}


def QUARK(weights, inputs):
    config = {"weight": {"dtype": weights, "group_size": 32}, "input_tensors": inputs}
    return {"quant_method": "quark", "global_quant_config": config}


def ALGO(name):
    return {"quant_method": "modelopt", "quant_algo": name}


F4 = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
I8 = {"num_bits": 8, "type": "int", "strategy": "channel"}
NV_ALONE = {"mm_config": {"_type": "NVFP4MMConfig", "_data": "WEIGHT_ONLY"}}
# What products run in on a card with every unit. Of the sources that name their schemes:
# compressed-tensors, quant_scheme.py: NVFP4A16, MXFP4A16, W8A16, W4AFP8 and W4A8 have these fields;
# modelopt, quant_utils.py: its QUANTIZATION_* by name; AutoRound, schemes.py: activations have 16
# bits unless act_bits says otherwise; Quark: `input_tensors` is null where only weights are
# converted; QQQ's paper (2406.09904): four-bit weights, eight-bit activations.
ACTIVATIONS = [
    (CT(F4, None), "bf16"),
    (CT(F4, F4), "fp4"),
    (CT(F4, F8), "fp8"),
    (CT(F4 | {"group_size": 32}, None), "bf16"),
    (CT(F8, None), "bf16"),
    (CT(F8, F8), "fp8"),
    (CT(F8 | {"strategy": "block", "block_structure": [128, 128]}, None), "bf16"),
    (CT(I8, None), "bf16"),
    (CT(I8, I8), "int8"),
    (CT({**INT, "num_bits": 4, "group_size": 128}, None), "bf16"),
    (CT({**INT, "num_bits": 4, "group_size": 128}, F8), "fp8"),
    (CT({**INT, "num_bits": 4, "group_size": 128}, I8), "int8"),
    (ALGO("NVFP4"), "fp4"),
    (ALGO("W4A16_NVFP4"), "bf16"),
    (ALGO("W4A8_NVFP4_FP8"), "fp8"),
    (ALGO("W4A16_MXFP4"), "bf16"),
    (ALGO("W4A8_MXFP4_FP8"), "fp8"),
    (ALGO("W4A8_AWQ"), "fp8"),
    (ALGO("W4A8_QSERVE_PER_GROUP"), "int8"),
    (ALGO("W8A16"), "bf16"),
    (ALGO("FP8"), "fp8"),
    (QUARK("fp4", None), "bf16"),
    (QUARK("fp4", {"dtype": "fp4"}), "fp4"),
    (QUARK("fp4", {"dtype": "fp8_e4m3"}), "fp8"),
    (QUARK("fp8_e4m3", None), "bf16"),
    (QUARK("fp8_e4m3", {"dtype": "fp8_e4m3"}), "fp8"),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "nv_fp"}, "bf16"),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "nv_fp", "act_bits": 4}, "fp4"),
    ({"quant_method": "auto-round", "bits": 8, "group_size": -1, "act_bits": 8}, "int8"),
    ({"quant_method": "torchao", "quant_type": AO("NVFP4InferenceConfig", **NV_ALONE)}, "bf16"),
    ({"quant_method": "torchao", "quant_type": AO("Float8WeightOnlyConfig")}, "bf16"),
    (
        {
            "quant_method": "torchao",
            "quant_type": AO("Int8DynamicActivationIntxWeightConfig", weight_dtype="int4"),
        },
        "int8",
    ),
    ({"quant_method": "qqq", "bits": 4, "group_size": 128}, "int8"),
    ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, "fp8"),
    ({"quant_method": "quanto", "weights": "float8", "activations": None}, "bf16"),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
]


@pytest.mark.parametrize(("quant", "dtype"), ACTIVATIONS)
def test_what_activations_are_converted_to(quant, dtype):
    named = load(config("Qwen__Qwen3-32B", quantization_config=quant)).native_format
    assert catalog.format(named).compute[0] == dtype


def test_nvidia_s_mixed_checkpoint_keeps_activations_of_its_four_bit_layers():
    """Its `quantized_layers` name W4A16_NVFP4."""
    named = load(config("nvidia__Qwen3.6-27B-NVFP4")).native_format
    assert "fp4" not in catalog.format(named).compute


SPARSE = {"format": "sparse-24-bitmask", "sparsity_structure": "2:4", "targets": ["Linear"]}
INT4 = {**INT, "num_bits": 4, "group_size": 128}
DOWN = "model.layers.0.mlp.down_proj"


# Half the weights, and one bit a weight that says which they are (compressed-tensors,
# sparse_24_bitmask.py; Marlin's two bits for each that is kept are as many); scales as they were.
@pytest.mark.parametrize(
    ("quant", "bits"),
    [
        (CT(F8, F8, sparsity_config=SPARSE), {"mlp.up_proj": 4 + 1}),
        (CT(F8, F8, sparsity_config=SPARSE | {"format": "dense"}), {"mlp.up_proj": 8}),
        (CT(INT4, None, format="marlin-24"), {"mlp.up_proj": 2 + 1 + 20 / 128}),
        (
            {"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin_24"},
            {"mlp.up_proj": 2 + 1 + 20 / 128},
        ),
        (
            {"quant_method": "compressed-tensors", "sparsity_config": SPARSE},
            {"mlp.up_proj": 8 + 1, "embed_tokens": 16, "lm_head": 16},
        ),
        # one of 32 layers is left dense, or is the only sparse one
        (
            CT(F8, F8, sparsity_config=SPARSE | {"ignore": ["lm_head", DOWN, "x.y", "z.y"]}),
            {"mlp.up_proj": 5, "mlp.down_proj": 5 + 3 / 32},
        ),
        (
            CT(F8, F8, sparsity_config=SPARSE | {"targets": [DOWN, "x.y", "z.y", "v.y"]}),
            {"mlp.up_proj": 8, "mlp.down_proj": 8 - 3 / 32},
        ),
        # a cache's format alone
        ({"quant_method": "compressed-tensors", "config_groups": {}}, {"mlp.up_proj": 16}),
    ],
)
def test_bits_of_two_in_four(quant, bits):
    data = config("meta-llama__Meta-Llama-3.1-8B", quantization_config=quant)
    m = load(data)
    form = catalog.format(m.native_format)
    named = {t.name: t for t in m.tensors}
    for name, right in bits.items():
        tensor = named[name]
        covered = tensor.role in form.covers
        stored = max(form.bytes_per_element * 8, tensor.least_bits) if covered else 16
        assert stored == pytest.approx(right)
    sparse = any("2:4" in note for note in m.notes)
    assert sparse == ("2of4" in m.native_format)


STATIC = {"dynamic": False, "num_bits": 8, "type": "float"}
MODELOPT = {"quant_method": "modelopt", "quant_algo": "FP8"}
SCHEME = {"weights": {"num_bits": 8, "type": "float"}, "input_activations": {"num_bits": 8}}
COMPRESSED = {"quant_method": "compressed-tensors", "config_groups": {"group_0": SCHEME}}


@pytest.mark.parametrize(
    ("quant", "kv"),
    [
        # vLLM 0.33: utils/torch_utils.py, get_kv_cache_quant_algo_string
        (MODELOPT | {"kv_cache_quant_algo": "FP8"}, "fp8"),
        (MODELOPT | {"kv_cache_quant_algo": "NVFP4"}, "nvfp4"),
        (MODELOPT | {"kv_cache_quant_algo": "MIXED_PRECISION"}, None),
        (MODELOPT | {"kv_cache_quant_algo": None}, None),
        (MODELOPT | {"kv_cache_scheme": STATIC}, "fp8"),
        (MODELOPT | {"kv_cache_scheme": STATIC | {"num_bits": 4}}, "nvfp4"),
        (MODELOPT | {"kv_cache_scheme": STATIC | {"dynamic": True}}, None),
        (MODELOPT | {"kv_cache_scheme": STATIC | {"type": "int"}}, None),
        # and layers/attention/attention.py: a scheme of llm-compressor is FP8 whatever it says
        (COMPRESSED | {"kv_cache_scheme": STATIC | {"strategy": "tensor"}}, "fp8"),
        (COMPRESSED | {"kv_cache_scheme": None}, None),
        ({"quant_method": "fp8", "kv_cache_scheme": STATIC}, None),
    ],
)
def test_the_cache_that_a_checkpoint_declares(quant, kv):
    m = load(LLAMA | {"quantization_config": quant}, "tiny")
    assert (m.declared_kv.kv if m.declared_kv else None) == kv
    if kv:
        assert (m.declared_kv.weights, m.declared_kv.tool) == ("fp8", quant["quant_method"])


@pytest.mark.parametrize(
    ("engine", "modelopt", "compressed"),
    [
        ("vllm-0.13", "bf16", "bf16"),
        ("vllm-0.14", "fp8", "bf16"),  # pull request 30785
        ("vllm-0.15", "fp8", "fp8"),  # pull request 30141
        ("vllm-0.33", "fp8", "fp8"),
        ("sglang", "fp8", "bf16"),
        ("trtllm", "fp8", "bf16"),
    ],
)
def test_an_engine_takes_the_declared_cache_since_a_version(engine, modelopt, compressed):
    for quant, kv in ((MODELOPT, modelopt), (COMPRESSED, compressed)):
        m = load(LLAMA | {"quantization_config": quant | {"kv_cache_scheme": STATIC}}, "tiny")
        d = catalog.deployment(model=m, gpu="h100-sxm", engine=engine)
        assert d.kv.name == kv
        assert (
            catalog.deployment(model=m, gpu="h100-sxm", engine=engine, kv="bf16").kv.name == "bf16"
        )
        # another format of weights is another checkpoint
        assert (
            catalog.deployment(model=m, gpu="h100-sxm", engine=engine, weights="bf16").kv.name
            == "bf16"
        )


@pytest.mark.parametrize("quant, bits", METHODS)
def test_bits_and_groups_of_a_method(quant, bits):
    named = load(config("Qwen__Qwen3-32B", quantization_config=quant)).native_format
    found = catalog.format(named)
    assert found.bytes_per_element * 8 == pytest.approx(bits)


def test_older_files_of_mlx_name_their_bits_elsewhere():
    data = config("Qwen__Qwen3-32B", quantization={"group_size": 32, "bits": 8})
    assert load(data).native_format == "mlx-8bit-g32"


@pytest.mark.parametrize(
    "stem, kept, converted",
    [
        ("nvidia__Kimi-K2.5-NVFP4", {"attention", "head"}, {"expert"}),
        ("moonshotai__Kimi-K2.5", {"attention", "shared_expert"}, {"expert"}),
        ("nvidia__DeepSeek-V4-Pro-NVFP4", {"attention", "shared_expert", "mtp"}, {"expert"}),
        ("openai__gpt-oss-120b", {"attention", "router", "head"}, {"expert"}),
        ("nvidia__MiniMax-M2.5-NVFP4", {"attention", "router", "head"}, {"expert"}),
        ("MiniMaxAI__MiniMax-M2.5", {"router", "head"}, {"expert", "attention"}),
        ("nvidia__Qwen3.5-397B-A17B-NVFP4", {"attention", "shared_expert"}, {"expert"}),
        ("nvidia__Gemma-4-26B-A4B-NVFP4", {"attention", "mlp"}, {"expert"}),
        ("nvidia__GLM-5.1-NVFP4", {"attention"}, {"expert", "shared_expert"}),
    ],
)
def test_what_a_checkpoint_leaves_alone(stem, kept, converted):
    large = {}
    for t in load(CATALOG / "configs" / f"{stem}.json").tensors:
        large.setdefault(t.role, [0, 0])[t.least_bits >= 8] += t.params
    for role in kept:
        assert large[role][1] > large[role][0], role
    for role in converted:
        assert large[role][0] > large[role][1], role


AWQ_BITS = 4 + 20 / 128


@pytest.mark.parametrize("layers", [4, 32, 60])
def test_a_list_by_layer_is_read_by_layer(layers):
    """So many of 64 layers keep 16 bits: a tensor has their mean."""
    names = [f"model.layers.{i}.mlp.down_proj" for i in range(layers)]
    quant = {"quant_method": "awq", "modules_to_not_convert": names}
    kept = bits_of(config("Qwen__Qwen3-32B", quantization_config=quant))
    part = layers / 64
    assert kept.pop("mlp.down_proj") == pytest.approx(part * 16 + (1 - part) * AWQ_BITS)
    assert not any(kept.values())


def total_bits(quant, stem="meta-llama__Meta-Llama-3.1-8B"):
    """Bits of the attention and feed-forward matrices of all layers."""
    m = load(config(stem, quantization_config=quant))
    sizes = law.weight_bytes(m, catalog.format(m.native_format)).stored_bytes * 8
    others = sum(t.params for t in m.tensors if t.role not in ("attention", "mlp", "expert"))
    return sizes - m.table_bytes * 8 - others * 16


# Llama 3.1 8B, by hand: in each of 32 layers q and o of 4096 x 4096, k and v of 4096 x 1024,
# three of 4096 x 14336.
Q, K, FFN = 4096 * 4096, 4096 * 1024, 4096 * 14336
LAYER = 2 * Q + 2 * K + 3 * FFN
NV = {"num_bits": 4, "type": "float", "group_size": 16, "strategy": "tensor_group"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
FOUR, EIGHT = 4 + 20 / 128, 8 + 16 / 128

MIXED = {
    # each matrix of AQLM 1x16 keeps a book of 65,536 vectors of 8 in 16 bits
    "aqlm": ({"quant_method": "aqlm"}, 32 * (2 * LAYER + 7 * 65536 * 8 * 16)),
    # GPTQModel: "-:" leaves alone, others are changed; re.match
    "gptq dynamic": (
        {**GPTQ, "dynamic": {r"-:.*\.(?:0|1)\..*": {}, r"+:.*down_proj.*": {"bits": 8}}},
        2 * LAYER * 16 + 30 * (FOUR * (LAYER - FFN) + EIGHT * FFN),
    ),
    "gptq of some": (
        {**GPTQ, "modules_in_block_to_quantize": [["self_attn.q_proj"], ["mlp.down_proj"]]},
        32 * (FOUR * (Q + FFN) + 16 * (LAYER - Q - FFN)),
    ),
    "auto-round": (
        {
            "quant_method": "auto-round",
            "bits": 4,
            "group_size": 128,
            "extra_config": {
                **{f"model.layers.{i}.mlp.up_proj": {"bits": 8} for i in range(8)},
                "model.layers.31.self_attn.q_proj": {"bits": 16, "data_type": "float"},
            },
        },
        32 * FOUR * LAYER + 8 * (EIGHT - FOUR) * FFN + (16 - FOUR) * Q,
    ),
    # groups of compressed-tensors: NVFP4 for feed-forwards, FP8 for attention
    "two groups": (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "a": {"weights": NV, "targets": ["re:.*mlp.(gate|up|down)_proj$"]},
                "b": {**FP8, "targets": ["re:.*self_attn.(q|k|v|o)_proj$"]},
            },
        },
        32 * (4.5 * 3 * FFN + 8 * (LAYER - 3 * FFN)),
    ),
    "one group of some": (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"a": {"weights": NV, "targets": [r"re:.*mlp\..*"]}},
        },
        32 * (4.5 * 3 * FFN + 16 * (LAYER - 3 * FFN)),
    ),
    # pack_to_int32: 32 // 3 = 10 whole weights of three bits to 32
    "packed": (
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"a": {"weights": {**INT, "num_bits": 3, "group_size": 128}}},
        },
        32 * LAYER * (3.2 + 16 / 128),
    ),
    "blocks of 64": (
        {"quant_method": "fp8", "weight_block_size": [64, 64]},
        32 * LAYER * (8 + 32 / 64**2),
    ),
    # MLX: names of modules among the fields
    "mlx": (
        {
            "bits": 4,
            "group_size": 64,
            "model.layers.3.mlp.down_proj": {"bits": 6, "group_size": 64},
            "model.layers.4.mlp.down_proj": {"bits": 2, "group_size": 64},
            "model.layers.5.mlp.down_proj": False,
        },
        32 * 4.5 * LAYER + (2 - 2 + 16 - 4.5) * FFN + 2 * 128256 * 4096 * (4.5 - 16),
    ),
    "hqq by module": (
        {
            "quant_method": "hqq",
            "quant_config": {
                "self_attn.q_proj": HQQ(4, 64)["quant_config"],
                "mlp.up_proj": HQQ(4, 64)["quant_config"],
            },
            "skip_modules": ["lm_head"],
        },
        32 * (4.5 * (Q + FFN) + 16 * (LAYER - Q - FFN)),
    ),
    "torchao by module": (
        {
            "quant_method": "torchao",
            "quant_type": AO(
                "ModuleFqnToConfig",
                module_fqn_to_config={
                    "_default": AO("Int8WeightOnlyConfig")["default"],
                    r"re:model\.layers\..+\.self_attn\.q_proj": None,
                },
            ),
        },
        32 * (8 * (LAYER - Q) + 16 * Q),
    ),
    "aqlm skips": (
        {
            "quant_method": "higgs",
            "bits": 4,
            "modules_to_not_convert": [f"model.layers.{i}.mlp.up_proj" for i in range(16)],
        },
        32 * 4.0625 * LAYER + 16 * (16 - 4.0625) * FFN,
    ),
    "modelopt mixed": (
        {
            "quant_method": "modelopt",
            "quant_algo": "MIXED_PRECISION",
            "quantized_layers": {
                f"model.layers.{i}.mlp.{n}_proj": {"quant_algo": "FP8"}
                for i in range(32)
                for n in ("gate", "up", "down")
            },
        },
        32 * (8 * 3 * FFN + 16 * (LAYER - 3 * FFN)),
    ),
    "quark by layer": (
        {
            "quant_method": "quark",
            "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}},
            "layer_quant_config": {"*self_attn*": {"weight": {"dtype": "fp8_e4m3"}}},
            "exclude": ["lm_head"],
        },
        32 * (4.25 * 3 * FFN + 8 * (LAYER - 3 * FFN)),
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_bits_of_each_module(name):
    """Whatever order a file has them in: addresses carry a config with its names sorted."""
    quant, bits = MIXED[name]
    assert total_bits(quant) == pytest.approx(bits, rel=1e-6)
    in_order = json.loads(json.dumps(quant, sort_keys=True))
    assert total_bits(in_order) == pytest.approx(bits, rel=1e-6)


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        # re.match on "model.layers.3.mlp.up_proj" and its like, 80 layers, by hand
        (rf"-:.*layers\.(?:{'|'.join(map(str, range(70)))})\.mlp\..*", 70 / 80),
        (r"-:model\.layers\.[0-3]\.mlp\.(up|gate)_proj", 4 / 80),
        (r".*\.7[0-9]\..*", 10 / 80),
        (r"re:model\.layers\.\d+\.mlp\.up_proj$", 1.0),
        (r"-:.*up_proj", 1.0),
        (r"-:.*experts\.12\..*", 0.0),
        (r"-:.*self_attn.*", 0.0),
        (r"-:^(?!.*mlp).*", 0.0),  # looks ahead: not read
        ("-:" + "(" * 300, 0.0),
    ],
)
def test_regular_expressions_of_modules(expression, part):
    bare = "re:" + re.sub("^(-:|re:)", "", expression)
    up = Tensor("mlp.up_proj", "mlp", 1000, copies=80)
    assert modules.share(modules.named([bare], stump=0), up, range(80)) == pytest.approx(part)


def test_what_modelopt_writes_beside_a_config_leaves_the_embedding_alone():
    """As hf_quant_config.json has it, without a quant_method; MLX converts both ends."""
    nested = {"quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}
    bits = bits_of(config("Qwen__Qwen3-32B", quantization_config=nested))
    assert bits["embed_tokens"] in (0, 16) and bits["lm_head"] == 16
    tables = law.weight_bytes(
        load(config("Qwen__Qwen3-32B", quantization_config=nested)), catalog.format("nvfp4")
    ).stored_bytes - 0.5625 * (32_762_123_264 - 2 * 151936 * 5120)
    assert tables == pytest.approx(2 * 2 * 151936 * 5120, rel=0.01)


def test_heads_that_are_converted():
    def head(quant):
        return bits_of(config("meta-llama__Meta-Llama-3.1-8B", quantization_config=quant))[
            "lm_head"
        ]

    assert head({"quant_method": "exl3", "bits": 4.0, "head_bits": 6}) == 6
    assert head({**GPTQ, "lm_head": True}) == FOUR
    assert head({**GPTQ, "lm_head": False}) == 0
    assert head({"bits": 4, "group_size": 64, "lm_head": {"bits": 8, "group_size": 64}}) == 8.5


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="quant_method is 'gptqq': it takes gptq, or another"):
        load(config("Qwen__Qwen3-32B", quantization_config={"quant_method": "gptqq"}))
    stated = config("Qwen__Qwen3-32B", quantization_config={"quant_method": "gptqq"})
    assert load(stated, weights="fp8").native_format == "bf16"


@pytest.mark.parametrize(
    "file, said, expected",
    [
        ("hf_quant_config.json", {"quantization": {"quant_algo": "FP8"}}, "fp8"),
        ("quantize_config.json", {"bits": 4, "group_size": 64}, "int4-g64-asym"),
        ("quant_config.json", {"w_bit": 4, "q_group_size": 128, "zero_point": True}, "int4-awq"),
        ("quant_config.json", "nonsense", "bf16"),
    ],
)
def test_quantisation_is_read_beside_the_config(tmp_path, file, said, expected):
    (tmp_path / "config.json").write_text(json.dumps(config("Qwen__Qwen3-32B")))
    (tmp_path / file).write_text(json.dumps(said))
    assert load(tmp_path).native_format == load(tmp_path / "config.json").native_format == expected


@given(data=st.data())
@settings(max_examples=300)
def test_any_quantisation_is_a_model_or_one_sentence(data):
    cases = [quant for quant, _ in METHODS] + [quant for quant, _ in MIXED.values()]
    text = json.dumps(data.draw(st.sampled_from(cases)))
    odd = st.sampled_from(["-1", "null", "[]", "{}", '"x"', "1e400", "true", "[[]]", "0", "99999"])
    places = [m.span() for m in re.finditer(r"(?<=: )[^\s,}]+", text)]
    for start, end in sorted(data.draw(st.lists(st.sampled_from(places or [(0, 0)]), max_size=2)))[
        ::-1
    ]:
        text = text[:start] + data.draw(odd) + text[end:] if end else text
    try:
        quant = json.loads(text)
    except ValueError:
        return
    try:
        found = load(config("meta-llama__Meta-Llama-3.1-8B", quantization_config=quant))
        assert catalog.format(found.native_format).bytes_per_element <= 4
    except BadInput as problem:
        assert str(problem).endswith(".") and len(str(problem)) < 300


def test_a_format_that_nobody_timed_has_a_wider_interval():
    def width(name):
        b = catalog.deployment(model="llama-3.1-8b", gpu="l40s", weights=name)
        at = calibration.estimates(b, Workload(1000, 100, 1)).itl_s
        return at.high / at.value, at.reason

    (known, _), (wider, why) = width("int4-gptq"), width("vptq-3.1bpw")
    assert wider > 1.3 * known and "no kernel of VPTQ 3.1 bpw was timed" in why


# --- formats --------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_formats_build(name):
    entry = {
        k: v for k, v in FORMATS[name].items() if k not in ("aliases", "source", "note", "said")
    }
    for key in ("covers", "compute"):
        entry[key] = tuple(entry[key])
    assert Format(name, **entry).bytes_per_element > 0
    assert FORMATS[name]["source"].startswith("https://") and FORMATS[name]["note"]


@pytest.mark.parametrize(
    "name, bits",
    [
        ("mxfp4", 4.25),
        ("nvfp4", 4.5),
        ("gguf-q8-0", 8.5),
        ("gguf-q4-0", 4.5),
        ("int4-gptq-g32", 4.5),
        ("int4-awq", 4.15625),
        ("fp8-block", 8 + 32 / 16384),
    ],
)
def test_bits_with_scales(name, bits):
    entry = FORMATS[name]
    assert entry["element_bits"] + entry["scale_bits"] / entry["group"] == pytest.approx(bits)


def test_every_measured_model_is_in_the_catalogue():
    assert not {r["model"] for r in rows()} - {
        m for m in {r["model"] for r in rows()} if m.lower() in NAMES
    }


def test_ids_are_sorted_and_aliases_belong_to_one_model():
    assert list(MODELS) == sorted(MODELS) and len(MODELS) >= 80
    seen = {}
    for name, entry in MODELS.items():
        for alias in (name, *entry["aliases"]):
            assert seen.setdefault(alias.lower(), name) == name


# --- refusals -------------------------------------------------------------

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}


@pytest.mark.parametrize(
    "field", [k for k in LLAMA if k not in ("num_key_value_heads", "model_type")]
)
@pytest.mark.parametrize(
    "value",
    ["many", [], {}, -1, 0, 1.5, math.nan, math.inf, True, 10**30],
    ids=lambda v: str(v)[:12],
)
def test_a_wrong_field_is_named(field, value):
    with pytest.raises(BadInput) as caught:
        load({**LLAMA, field: value})
    assert field in str(caught.value) and caught.value.field == field


def test_deepseek_v4_as_transformers_saves_it_is_the_same_model():
    # transformers 5, configuration_deepseek_v4.py: _COMPRESS_RATIO_TO_LAYER_TYPE, mlp_layer_types
    published = config("deepseek-ai__DeepSeek-V4-Flash-0731")
    layers, hashed = published["num_hidden_layers"], published["num_hash_layers"]
    kinds = {0: "sliding", 4: "compressed_sparse", 128: "heavily_compressed"}
    saved = {k: v for k, v in published.items() if k not in ("compress_ratios", "num_hash_layers")}
    saved["layer_types"] = [f"{kinds[r]}_attention" for r in published["compress_ratios"][:layers]]
    saved["mlp_layer_types"] = ["hash_moe"] * hashed + ["moe"] * (layers - hashed)
    assert load(saved).attention == load(published).attention
    rates = {"heavily_compressed_attention": 64}
    fewer = load({**saved, "compress_rates": rates}).attention
    assert {a.stride_tokens for a in fewer} == {1, 4, 64}


WINDOW = "max_position_embeddings"


@pytest.mark.parametrize("field", [k for k in LLAMA if k != "num_key_value_heads"][1:-1])
def test_a_size_that_is_missing_is_named(field):
    with pytest.raises(BadInput, match=f"{field} is missing") as caught:
        load({**LLAMA, field: None})
    assert caught.value.field == field


def test_a_number_in_quotes_is_that_number():
    quoted = {k: str(v) if k != "model_type" else v for k, v in LLAMA.items()}
    assert load(quoted) == load(LLAMA)
    with pytest.raises(BadInput, match="'8k': it takes a whole number"):
        load({**LLAMA, WINDOW: "8k"})


def test_a_window_that_is_not_stated_is_that_of_the_class_or_what_vllm_assumes():
    # transformers, LlamaConfig and Qwen3Config; vLLM of a class without one: 2,048
    for kind, tokens in (("llama", 2048), ("qwen3", 32_768), ("internlm2", 2048)):
        found = load({**LLAMA, "model_type": kind, WINDOW: None})
        assert found.max_context_tokens == tokens
        assert any(f"{WINDOW} is not stated: {tokens:,} tokens" in note for note in found.notes)
        assert found.params == load({**LLAMA, "model_type": kind}).params


def test_no_model_type_falls_back_on_architectures():
    data = {k: v for k, v in LLAMA.items() if k != "model_type"}
    with pytest.raises(BadInput, match="model_type is missing"):
        load(data)
    assert load({**data, "architectures": ["LlamaForCausalLM"]}).family == "llama"


def test_an_unknown_architecture_is_named():
    with pytest.raises(BadInput, match="'deepseek_v9' is not an architecture"):
        load({**LLAMA, "model_type": "deepseek_v9"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        '{"model_type": 3}',
    ],
)
def test_a_broken_file_is_refused(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_large_file_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(" " * 10_000_001)
    with pytest.raises(BadInput, match="at most 10,000,000"):
        load(path)


@pytest.mark.parametrize("path", ["/no/such/file.json", "", "\0", 7, None, b"\xff"])
def test_what_is_no_file_is_refused(path):
    with pytest.raises(BadInput):
        load(path)


def test_a_folder_is_read_by_its_name(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    assert load(folder).name == "my-model"


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"text_config": value}
    return value


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 10**9, 10**18, 10**400, -(10**400)]),
    st.floats(),
    st.text(max_size=60),
    st.sampled_from(["x" * 100_000, "a\nb", "auto", "M*" * 40_000]),
    st.lists(st.one_of(st.integers(-2, 9), st.text(max_size=5), st.none()), max_size=5),
    st.sampled_from([[1] * 1999, ["full_attention"] * 100_000, [[]], [[[]] * 9], [{}] * 50]),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
    st.builds(deep, st.sampled_from([1, 5, 5000])),
)


def spots(data, depth=0):
    """Every place in a config where a value can be changed."""
    for key in list(data):
        yield data, key
        if isinstance(data[key], dict) and depth < 3:
            yield from spots(data[key], depth + 1)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(CONFIGS), draw=st.data())
def test_a_mutated_config_is_a_model_or_one_clear_refusal(path, draw):
    data = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(draw.draw(st.integers(1, 3))):
        places = list(spots(data))
        where, key = places[draw.draw(st.integers(0, len(places) - 1))]
        how = draw.draw(st.sampled_from(["drop", "change", "change", "change", "rename"]))
        if how == "drop":
            del where[key]
        elif how == "rename":
            where[key + "_"] = where.pop(key)
        else:
            where[key] = draw.draw(WRONG)
    start = time.perf_counter()
    try:
        m = load(data)
    except BadInput as refusal:
        text = str(refusal)
        assert 10 < len(text) < 400 and "\n" not in text and text.isprintable()
    else:
        assert isinstance(m, Model) and 0 < m.params < 1e18 and m.active_params >= 0
    assert time.perf_counter() - start < 2.0


def test_a_config_that_a_chat_fenced_is_read(tmp_path):
    path = CATALOG / "configs" / "Qwen__Qwen3-8B.json"
    text = path.read_text()
    (tmp_path / "config.json").write_text(f"\ufeff```json\n{text}\n```\n", encoding="utf-8")
    assert load(tmp_path).params == load(path).params


QWEN2_5_14B = {
    **{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 152_064},
    **{"hidden_size": 5120, "intermediate_size": 13_824, "num_hidden_layers": 48},
    **{"num_attention_heads": 40, "num_key_value_heads": 8, "tie_word_embeddings": False},
}
OF_32K = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}


@pytest.mark.parametrize(
    ("stated", "scaling", "context"),
    [
        (32_768, OF_32K, 131_072),  # the cards of Qwen2.5 and Qwen3: how to extend them four times
        (40_960, OF_32K, 131_072),
        (32_768, {"rope_type": "yarn", "factor": 4.0}, 131_072),
        # DeepSeek-V3 states what 40 times 4,096 are, Llama 3.1 has another kind
        (163_840, OF_32K | {"factor": 40, "original_max_position_embeddings": 4096}, 163_840),
        (131_072, {"rope_type": "llama3", "factor": 8.0}, 131_072),
        (32_768, {"rope_type": "yarn", "factor": "four"}, 32_768),
    ],
)
def test_yarn_extends_the_context_as_vllm_has_it(stated, scaling, context):
    """config/model.py of vLLM: the trained length times the factor, for YaRN alone of these."""
    config = dict(QWEN2_5_14B, max_position_embeddings=stated, rope_scaling=scaling)
    assert load(config).max_context_tokens == context
