"""The importer beside transformers: every class that writes text, counted or refused by name."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcap_kernel.huggingface import defaults, load
from llmcap_kernel.huggingface.config import Fields
from llmcap_kernel.huggingface.refused import ELSE, REFUSED
from llmcap_kernel.huggingface.windows import WINDOWS
from llmcap_kernel.refuse import BadInput

from .test_huggingface import WRONG, spots

ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("golden_architectures.jsonl").read_text().splitlines()
]
COUNTED = [row for row in ROWS if row["model_type"] not in REFUSED]
MOST_REFUSED = 94


def name_of(row):
    return f"{row['model_type']}: {row['class']}"


def expected(row):
    """What a deployment holds, where that is not what the class holds."""
    config = row["config"]
    if row["model_type"] == "longcat_flash":
        # The class allocates gates and ups of experts that compute nothing; the published
        # checkpoint, of 560B, has none.
        size = config["hidden_size"] * 2 * config["expert_ffn_hidden_size"]
        return row["params"] - config["num_layers"] * config["zero_expert_num"] * size
    if row["model_type"] == "qwen2_5_omni":
        # Engines serve the thinker alone.
        return next(r["params"] for r in ROWS if r["model_type"] == "qwen2_5_omni_thinker")
    return row["params"]


def test_the_table_holds_what_transformers_has():
    assert len(ROWS) >= 315 and len(COUNTED) >= len(ROWS) - MOST_REFUSED
    assert all(row["params"] > 1e6 for row in ROWS)


@pytest.mark.parametrize("row", COUNTED, ids=name_of)
def test_a_class_is_counted(row):
    m = load(row["config"])
    # Biases that only steer a router are weights here and buffers there: some thousands.
    assert m.params == pytest.approx(expected(row), rel=1e-4)
    assert m.active_params > 0 and m.attention


def test_a_class_s_window_is_its_default_where_a_file_is_silent():
    silent = {name: row["config"] for row in COUNTED if (name := row["model_type"]) in WINDOWS}
    stated = {name: Fields(config) for name, config in silent.items()}
    said = {n: c.whole("max_position_embeddings", default=0, low=0, limit="tokens")
            for n, c in stated.items()}  # fmt: skip
    assert len(silent) > 100
    assert {n: WINDOWS[n] for n in said if said[n]} == {n: x for n, x in said.items() if x}


@pytest.mark.parametrize("row", [r for r in ROWS if r["model_type"] in REFUSED], ids=name_of)
def test_a_class_is_refused_by_its_name(row):
    with pytest.raises(BadInput) as caught:
        load(row["config"])
    text = str(caught.value)
    assert repr(row["model_type"]) in text and text.endswith(f"{ELSE}.")
    assert len(text) < 300 and text.count(". ") == 0


# What a sequence keeps, by kind: layers, and of one of them the tokens of its window. Read from
# the modelling source of each: `cache.update`, sliding_window, and states.
KEPT = {
    "axk2": {("sparse", 0): 48},
    "bailing_hybrid": {("linear", 0): 35, ("mla", 0): 7},
    "beam": {("window", 512): 43, ("full", 0): 9},
    "blt": {("full", 0): 34, ("window", 512): 1},
    "dory": {("window", 1024): 42, ("full", 0): 14},
    "dots3_note_text": {("sparse", 0): 13, ("window", 512): 33},
    "glm5_next": {("linear", 0): 34, ("sparse", 0): 11},
    "hrm_text": {("full", 0): 128},
    "hy_v4": {("sparse", 0): 34},
    "inkling2_loop_text": {("window", 1024): 40, ("linear", 0): 48, ("full", 0): 8},
    "inkling_text": {("window", 512): 55, ("linear", 0): 66, ("full", 0): 11},
    "jetmoe": {("full", 0): 12},
    "kimi_linear": {("linear", 0): 21, ("mla", 0): 6},
    "lara_mini": {("linear", 0): 14, ("window", 512): 13, ("full", 0): 7},
    "lfm3": {("linear", 0): 13, ("full", 0): 6, ("window", 256): 5},
    "mistral4": {("mla", 0): 36},
    "mistral_large4": {("sparse", 0): 72},
    "modernbert-decoder": {("full", 0): 8, ("window", 64): 14},
    "muse_spark": {("window", 2048): 46, ("full", 0): 16},
    "olmo_hybrid": {("linear", 0): 24, ("full", 0): 8},
    "recurrent_gemma": {("linear", 0): 18, ("window", 2048): 8},
    "rwkv": {("linear", 0): 32},
    "xlstm": {("linear", 0): 32},
    "zamba": {("linear", 0): 76, ("full", 0): 13},
    "zamba2": {("linear", 0): 54, ("full", 0): 9},
    "zaya": {("full", 0): 40, ("linear", 0): 40},
}


def only(model_type):
    return load(next(r["config"] for r in ROWS if r["model_type"] == model_type))


@pytest.mark.parametrize("model_type", KEPT)
def test_what_a_sequence_keeps(model_type):
    kept = {}
    for a in only(model_type).attention:
        kept[a.kind, a.window_tokens] = kept.get((a.kind, a.window_tokens), 0) + a.layers
    assert kept == KEPT[model_type]


@pytest.mark.parametrize(
    "model_type, state",
    [
        ("rwkv", 3 * 4096 * 4 + 2 * 4096 * 2),  # three sums in 32 bits, two inputs in 16
        ("xlstm", 8 * (256 * 512 + 256 + 1) * 4),  # RWKV's and xLSTM's own state tuples
        ("kimi_linear", 32 * 128 * 128 * 4 + 3 * 4096 * 3 * 2),
        ("recurrent_gemma", 2560 * 4 + 2560 * 3 * 2),
    ],
)
def test_a_state_is_as_large_as_its_class_makes_it(model_type, state):
    assert {a.state_bytes for a in only(model_type).attention if a.kind == "linear"} == {state}


def test_layers_passed_again_are_active_again():
    """HRM's fast stack is passed six times, its slow one twice: `HrmTextModel.forward`."""
    config = next(r["config"] for r in ROWS if r["model_type"] == "hrm_text")
    tables = 2 * config["vocab_size"] * config["hidden_size"]
    m = load(config)
    assert m.active_params - tables == pytest.approx(4 * (m.params - tables), rel=1e-4)


def test_zamba_passes_one_block_thirteen_times():
    m = only("zamba")
    shared = [t for t in m.tensors if t.name.startswith("shared_transformer")]
    assert {t.active for t in shared} == {13.0} and {t.copies for t in shared} == {1}


def test_a_layer_of_its_own_shape_is_read_as_such():
    """Gemma 4 as transformers saves it anew: the global layers' shape in per_layer_config."""
    config = copy.deepcopy(next(r["config"] for r in ROWS if r["model_type"] == "gemma4"))
    text = config["text_config"]
    for change in text["per_layer_config"].values():
        change |= {"head_dim": 128, "num_key_value_heads": 2}
    (full,) = (a for a in load(config).attention if a.kind == "full")
    assert (full.kv_heads, full.head_dim, full.layers) == (2, 128, len(text["per_layer_config"]))


def test_ring_has_linear_layers_but_the_last_of_a_group():
    """vLLM, bailing_moe_linear: `is_linear_layer`; layers after the last whole group are full."""
    config = {
        "model_type": "bailing_moe_linear",
        "hidden_size": 2048,
        "num_hidden_layers": 22,
        "layer_group_size": 5,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "intermediate_size": 5120,
        "moe_intermediate_size": 512,
        "num_experts": 256,
        "num_experts_per_tok": 8,
        "num_shared_experts": 1,
        "first_k_dense_replace": 1,
        "vocab_size": 157184,
        "max_position_embeddings": 131072,
    }
    kept = {a.kind: a.layers for a in load(config).attention}
    assert kept == {"linear": 16, "full": 6}


def test_a_field_is_read_by_its_other_names():
    llama = next(r["config"] for r in ROWS if r["model_type"] == "llama")
    renamed = {"num_layers" if k == "num_hidden_layers" else k: v for k, v in llama.items()}
    assert load(renamed).params == load(llama).params


def with_towers(model_type, **towers):
    config = next(r["config"] for r in ROWS if r["model_type"] == model_type)
    towers["text_config"] = config.get("text_config", config)
    return (
        load({"model_type": model_type.removesuffix("_text"), **towers}).params
        - only(model_type).params
    )


def test_towers_that_no_default_has():
    """Gemma4AudioModel, Gemma4VisionModel and their embedders, built from their own defaults."""
    sound = {"model_type": "gemma4_audio", "hidden_size": 1024, "num_hidden_layers": 12}
    assert with_towers("gemma4", audio_config=sound) == 304_824_608 + 3_538_944
    sight = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 16,
        "num_attention_heads": 12,
        "head_dim": 64,
        "patch_size": 16,
    }
    assert with_towers("gemma4", vision_config=sight) == 167_364_608 + 1_769_472


def test_gemma_3n_with_its_towers():
    """Gemma3nAudioEncoder, both Gemma3nMultimodalEmbedder, and timm's encoder without a head."""
    sound = {"model_type": "gemma3n_audio", "hidden_size": 1536, "conf_num_hidden_layers": 12}
    assert with_towers("gemma3n_text", audio_config=sound) == 681_348_640 + 3_345_408
    sight = {"architecture": "mobilenetv5_300m_enc", "hidden_size": 2048}
    assert with_towers("gemma3n_text", vision_config=sight) == 294_126_912 + 4_460_544
    with pytest.raises(BadInput, match="mobilenetv5_300m_enc"):
        with_towers("gemma3n_text", vision_config={"architecture": "resnet50"})


def test_deepseek_ocr_is_unlimited_ocr_under_other_names():
    row = next(r for r in ROWS if r["model_type"] == "unlimited_ocr")
    text = row["config"]["text_config"]
    old = {k: v for k, v in text.items() if k not in ("mlp_layer_types", "model_type")}
    towers = {
        "clip-l-14-224": {
            "width": 1024,
            "layers": 24,
            "heads": 16,
            "image_size": 224,
            "patch_size": 14,
            "mlp_ratio": 4.0,
        },
        "sam_vit_b": {"width": 768, "layers": 12, "heads": 12},
    }
    config = {
        "model_type": "deepseek_vl_v2",
        "language_config": {**old, "first_k_dense_replace": 1},
        "vision_config": {"width": towers},
    }
    assert load(config).params == row["params"]


def test_the_first_chatglm():
    """ChatGLM-6B, `modeling_chatglm.py`: four square matrices, a wide pair, biases, a head."""
    wide, vocab, layers = 4096, 130_528, 28
    config = {
        "model_type": "chatglm",
        "hidden_size": wide,
        "inner_hidden_size": 4 * wide,
        "num_layers": layers,
        "num_attention_heads": 32,
        "max_sequence_length": 2048,
        "vocab_size": vocab,
    }
    layer = 12 * wide**2 + (3 + 1 + 4 + 1) * wide + 4 * wide
    assert load(config).params == 2 * vocab * wide + layers * layer + 2 * wide
    assert load(config).max_context_tokens == 2048


def test_what_cannot_be_known_is_refused():
    large = next(r["config"] for r in ROWS if r["model_type"] == "mistral_large4")
    text = {**large["text_config"], "kv_source_layers": [0] * 72}
    with pytest.raises(BadInput, match="kv_source_layers"):
        load({**large, "text_config": text})
    with pytest.raises(BadInput, match=r"119B-A6B MoE'\.$"):
        load({"model_type": "nothing_of_the_kind"})
    with pytest.raises(BadInput, match="encoder with a decoder"):
        load({"model_type": "new_t5", "is_encoder_decoder": True})


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(row=st.sampled_from(COUNTED), draw=st.data())
def test_a_mutated_class_is_a_model_or_one_clear_refusal(row, draw):
    data = copy.deepcopy(row["config"])
    for _ in range(draw.draw(st.integers(1, 3))):
        places = list(spots(data))
        where, key = places[draw.draw(st.integers(0, len(places) - 1))]
        if draw.draw(st.booleans()):
            where[key] = draw.draw(WRONG)
        else:
            del where[key]
    try:
        m = load(data)
    except BadInput as refusal:
        text = str(refusal)
        assert 10 < len(text) < 400 and "\n" not in text and text.isprintable()
    else:
        assert 0 < m.params < 1e18 and m.active_params >= 0


DROPPED = [
    (row, field)
    for row in COUNTED
    for field in defaults.FIELDS
    if row["model_type"] in defaults.FIELDS[field] and field in row["config"]
]


@pytest.mark.parametrize(
    ("row", "field"), DROPPED, ids=lambda one: one if isinstance(one, str) else name_of(one)
)
def test_a_field_that_the_class_fills_in_may_be_missing(row, field):
    """The rows are what a class is without any argument, so that a field left out is the same."""
    fewer = {name: value for name, value in row["config"].items() if name != field}
    whole, without = load(row["config"]), load(fewer)
    assert without.params == whole.params and without.attention == whole.attention


def test_zamba_s_layers_follow_its_period_where_they_are_not_listed():
    row = next(row for row in COUNTED if row["model_type"] == "zamba")
    fewer = {name: value for name, value in row["config"].items() if name != "layers_block_type"}
    assert load(fewer).params == load(row["config"]).params
    assert set(load(fewer).attention) == set(load(row["config"]).attention)


@pytest.mark.parametrize("kind", ["cwm", "granite_swa", "granitemoe_swa", "mellum", "vaultgemma"])
def test_layers_that_a_file_does_not_list_are_those_of_the_class(kind):
    row = next(row for row in COUNTED if row["model_type"] == kind)
    fewer = {name: value for name, value in row["config"].items() if name != "layer_types"}
    assert set(load(fewer).attention) == set(load(row["config"]).attention)
