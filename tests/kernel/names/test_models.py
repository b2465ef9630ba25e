"""Names of models: what each spelling of the field means, and that a slip is never another size."""

import csv
import datetime
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, catalog, gguf, law
from llmcap_kernel.catalog import names, typical
from llmcap_kernel.catalog.names.models import read
from llmcap_kernel.catalog.names.spelled import parts, split
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

TABLE = list(csv.DictReader((Path(__file__).parent / "models.csv").open(encoding="utf-8")))
RECORDS = catalog.table("models")["models"]
RESOLVED = [row["spelling"] for row in TABLE if row["name"]]


def said(found):
    if found.choices:
        return "asked"
    if not found.name:
        return "unknown"
    return "yes" if found.assumed else "no"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["spelling"])
def test_every_spelling_means_what_it_was_read_to_mean(row):
    found = read(row["spelling"])
    assert (found.name, found.format, said(found)) == (row["name"], row["format"], row["assumed"])


def test_the_table_is_as_long_as_it_was():
    assert len(TABLE) >= 750


@pytest.mark.parametrize("spelling", RESOLVED)
def test_the_name_of_a_model_leads_back_to_it(spelling):
    name = read(spelling).name
    assert catalog.model(spelling).name == name == catalog.model(name).name


def test_a_name_of_the_catalogue_means_itself():
    for name, record in RECORDS.items():
        for alias in (name, *record["aliases"]):
            assert read(alias).name == name and not read(alias).assumed, alias


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("QuantTrio-Qwen3.6-27B-AWQ", "int4-awq"),
        ("gemma-4-12B-it-FP8-Dynamic", "fp8"),
        # its own config says W4A16_NVFP4 of each feed-forward
        ("nvidia/Qwen3.6-27B-NVFP4", "nvfp4-a16"),
        ("RedHatAI/Qwen3.6-27B-NVFP4", "nvfp4"),
        ("Qwen3.6-27B", "bf16"),
    ],
)
def test_a_deployment_takes_the_format_in_a_model_s_name(name, weights):
    assert catalog.deployment(model=name, gpu="b200-sxm").weights.name == weights


def test_what_is_unclear_is_asked_with_the_choices():
    with pytest.raises(BadInput) as refused:
        catalog.model("Qwen3.6")
    assert str(refused.value) == "model 'Qwen3.6' could be qwen3.6-27b or qwen3.6-35b-a3b."
    with pytest.raises(BadInput, match=r"could be gemma-2b, .* or 5 more"):
        catalog.model("google/gemma")


# ---- slips ----


def size_of(name):
    """Billions of parameters of a name that was read, and those of a token; 0 for not said."""
    asked = parts(split(name)[0])
    return asked.total, asked.active


def silently_another(spelling):
    """Whether a spelling is read without a word as a model of another size than it says."""
    found = read(spelling)
    published = catalog.key(split(spelling)[0]) in catalog.known("models")  # llama-30b has 33
    if not found.name or found.assumed or published:
        return False
    total, active = size_of(spelling)
    model = catalog.model(found.name)
    own = size_of(found.name)

    def differs(asked, named, counted, share):
        return bool(asked) and asked != named and abs(asked * 1e9 / counted - 1) > share

    return differs(total, own[0], model.params, 0.06) or differs(
        active, own[1], model.active_params, 0.1
    )


MUTABLE = [row["spelling"] for row in TABLE if row["assumed"] == "no"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MUTABLE), st.data())
def test_a_slip_never_is_a_model_of_another_size_in_silence(spelling, data):
    at = data.draw(st.integers(0, len(spelling) - 1))
    if data.draw(st.booleans()):
        slip = spelling[:at] + spelling[at + 1 :]
    else:
        slip = re.sub(r"\d", data.draw(st.sampled_from("123456789")), spelling[at:], count=1)
        slip = spelling[:at] + slip
    says_another = size_of(slip) != size_of(spelling)  # "106B.12B" says what "106B.A12B" does
    assert not (says_another and silently_another(slip)), (slip, read(slip))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_model_or_one_sentence(text):
    try:
        assert catalog.model(text).params > 0
    except BadInput as refused:
        assert refused.field == "model" and "\n" not in str(refused)


@pytest.mark.parametrize("word", ["vl", "omni", "embedding", "coder", "next", "math", "flash"])
def test_a_word_that_makes_another_model_is_never_passed_over(word):
    found = read(f"Qwen3-{word}-8B")
    assert found.name == f"qwen3-{word}-8b" and (found.assumed or found.name in RECORDS)


# ---- shapes taken for a size ----


def recent(sparse, day=datetime.date(2024, 6, 1)):
    seen = {}
    for name, record in RECORDS.items():
        model = catalog.model(name)
        if record.get("date", day) >= day and bool(model.experts) == sparse and model.heads:
            seen.setdefault((model.layers, model.hidden_size, model.active_params), model)
    return list(seen.values())


@pytest.mark.parametrize(("growth", "sparse"), [(typical.DENSE, False), (typical.SPARSE, True)])
def test_layers_and_width_grow_as_in_the_catalogue(growth, sparse):
    """The constants against a fit of today's catalogue, over the sizes that people run."""
    models = recent(sparse)
    for billions in (3, 10, 30):
        for field, at_one, power in (
            ("layers", growth.layers, growth.layers_power),
            ("hidden_size", growth.hidden, growth.hidden_power),
        ):
            x = [math.log(m.active_params / 1e9) for m in models]
            y = [math.log(getattr(m, field)) for m in models]
            mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
            slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
                (a - mean_x) ** 2 for a in x
            )
            fit = math.exp(mean_y + slope * (math.log(billions) - mean_x))
            assert at_one * billions**power == pytest.approx(fit, rel=0.15), (field, billions)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_typical_model_has_the_size_asked_and_the_shape_of_its_like(sparse):
    off = []
    for model in recent(sparse):
        active = model.active_params if sparse else 0
        built = typical.typical("x", model.params, active)
        assert built.params == pytest.approx(model.params, rel=0.02)
        if sparse:
            assert built.active_params == pytest.approx(active, rel=0.05)
        assert 0.5 < built.layers / model.layers < 2.3, model.name
        assert 0.6 < built.hidden_size / model.hidden_size < 1.8, model.name
        off.append(abs(math.log(built.layers / model.layers)))
    assert sorted(off)[len(off) // 2] < math.log(1.3)


@pytest.mark.parametrize(("sparse", "within"), [(False, 1.4), (True, 1.6)])
def test_the_cache_of_a_typical_model_lies_in_the_middle(sparse, within):
    """Of 8 000 tokens on a card, against the models that were released from mid-2025 on."""
    kv, ratios = catalog.format("bf16"), []
    for model in recent(sparse, datetime.date(2025, 6, 1)):
        built = typical.typical("x", model.params, model.active_params if sparse else 0)
        tp = 1 if model.params < 60e9 else 4 if model.params < 200e9 else 8
        own, taken = (law.kv_bytes_per_sequence(m, kv, 8000, tp=tp) for m in (model, built))
        ratios.append(own / taken)
    assert 1 / within < sorted(ratios)[len(ratios) // 2] < within


def test_what_a_token_uses_is_usually_as_fitted():
    off = [
        abs(math.log(typical.usual_active(m.params) / m.active_params))
        for m in recent(True, datetime.date(2025, 1, 1))
    ]
    assert sorted(off)[len(off) // 2] < math.log(1.35)
    assert sorted(off)[int(0.8 * len(off))] < math.log(1.6)


def test_every_published_size_has_a_source_and_a_shape():
    for name, said in catalog.table("models")["sizes"].items():
        assert said["source"].startswith("https://huggingface.co/"), name
        assert catalog.model(name).assumed_shape, name
    for usual in catalog.table("models")["usual"].values():
        assert set(usual.values()) <= set(RECORDS)


@pytest.mark.parametrize(
    ("asked", "like"),
    [
        ("gemma-4-12b", "gemma-4-31b"),
        ("Qwen3.5-2B", "qwen3.5-4b"),
        ("Qwen3-100B-A10B", "qwen3-235b-a22b"),
        ("glm-4.5-50b-a6b", "glm-4.5-air"),
    ],
)
def test_a_scaled_sibling_keeps_what_families_keep(asked, like):
    model, sibling = catalog.model(asked), catalog.model(like)
    total, active = size_of(asked)
    assert model.params == pytest.approx(total * 1e9, rel=0.02)
    assert not active or model.active_params == pytest.approx(active * 1e9, rel=0.05)
    assert model.assumed_shape and sibling.name.split("-")[0] in model.source
    assert model.vocab_size == sibling.vocab_size
    assert {a.kind for a in model.attention} == {a.kind for a in sibling.attention}
    assert {(a.head_dim, a.window_tokens) for a in model.attention} == {
        (a.head_dim, a.window_tokens) for a in sibling.attention
    }
    assert model.experts_per_token == sibling.experts_per_token


def test_rows_of_an_assumed_shape_fill_the_blocks_of_a_gguf_file():
    """Q4_K has blocks of 256; llama.cpp keeps a row that fills none in 16 bits. Published models'
    feed-forward widths are multiples of 256: 15,360 in Gemma 3 12B, 28,672 in Llama 3 70B."""
    model = catalog.model("gemma-4-12b")

    def stored(file_type):
        sizes = gguf.element_bytes(model, file_type)
        return sum(t.params * size for t, size in zip(model.tensors, sizes, strict=True))

    q8, q4 = stored("Q8_0"), stored("Q4_K_M")
    text = sum(t.params for t in model.tensors if t.role in ("mlp", "attention", "embedding"))
    assert q8 / text * 8 == pytest.approx(8.5, rel=0.1)
    assert 1.6 < q8 / q4 < 1.8  # llama.cpp's README: 8.50 against 4.89 bits in Llama 3.1 8B
    assert all(t.width % 256 == 0 for t in model.tensors if t.name.endswith("down_proj"))


def test_the_interval_of_an_assumed_shape_is_wider():
    load = Workload(1000, 500, 16)

    def width(name):
        d = catalog.deployment(model=name, gpu="h100-sxm", tp=2)
        gap = calibration.estimates(d, load).of("itl_s", bounded=False)
        return gap.high / gap.low, gap.reason

    own, assumed = width("gemma-3-12b"), width("gemma-4-12b")
    assert assumed[0] == pytest.approx(own[0] * calibration.ASSUMED_SHAPE**2)
    assert assumed[1].startswith("no config of gemma-4-12b here: gemma-4-31b scaled to 12B")


def test_a_shape_taken_for_the_own_one_moves_a_gap_less_than_the_interval_allows():
    """Eight in ten recent models, each replaced by the typical one of its size."""
    off, load = [], Workload(2000, 500, 16)
    for model in [*recent(False), *recent(True)]:
        if model.params < 2e9 or model.heads % 8:
            continue
        active = model.active_params if model.experts else 0
        pair = (model, typical.typical("x", model.params, active))
        gaps = [
            calibration.estimates(
                catalog.deployment(model=m, gpu="h200-sxm", tp=8, weights="fp8"), load
            ).served.itl_s
            for m in pair
        ]
        off.append(abs(math.log(gaps[1] / gaps[0])))
    assert sorted(off)[int(0.8 * len(off))] < math.log(calibration.ASSUMED_SHAPE * 1.05)


def test_names_export_the_reading():
    assert names.read_model("Qwen3-8B-AWQ").format == names.split("Qwen3-8B-AWQ")[1] == "AWQ"


def test_a_name_of_its_own_reads_the_same_once_more():
    """A format behind a sign that no name keeps is none of the name."""
    found = names.model_name("bartowski/Foo-7B-Instruct-#GGUF")
    assert found == names.model_name(found) == "foo-7b"
