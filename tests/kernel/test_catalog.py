"""The catalogue hands out records, forgives spelling and knows its sources."""

import pytest

from llmcap_kernel import catalog, huggingface, law
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Gpu, Model


def test_there_is_enough_to_choose_from():
    assert len(catalog.models()) >= 25 and len(catalog.gpus()) >= 25


@pytest.mark.parametrize("name", catalog.models())
def test_every_model_loads_and_weighs_what_it_should(name):
    model = catalog.model(name)
    assert isinstance(model, Model) and (model.source.startswith("http") or model.assumed_shape)
    assert 0 < model.active_params <= model.params
    # of TensorRT-LLM, which does not pad the rows of the vocabulary
    weights = law.weight_bytes(model, catalog.format("bf16"), engine="trtllm")
    assert weights.stored_bytes == pytest.approx(2 * model.params + model.table_bytes, rel=1e-9)
    assert law.kv_bytes_per_sequence(model, catalog.format("bf16"), 1000) > 0


@pytest.mark.parametrize("name", catalog.gpus())
def test_every_card_loads_within_physical_bounds(name):
    card = catalog.gpu(name)
    assert isinstance(card, Gpu)
    rate = card.flop_s.get("bf16") or card.flop_s.get("fp16") or card.flop_s["fp32"]
    assert 1 < law.ridge_point(flop_s=rate, bandwidth_bytes_s=card.bandwidth_bytes_s) < 2000


@pytest.mark.parametrize("name", catalog.engines())
def test_every_engine_loads(name):
    assert catalog.engine(name).title


def test_a_family_is_its_newest_version():
    assert catalog.engine("vllm") == catalog.engine(catalog.engine("vllm").name)


@pytest.mark.parametrize(
    ("kind", "typo", "meant"),
    [
        ("model", "llama-3.1-70", "llama-3.1-70b"),
        ("gpu", "h100-smx", "h100-sxm"),
        ("format", "fp88", "fp8"),
        ("engine", "vlm", "vllm"),
    ],
)
def test_typos_are_offered_the_nearest(kind, typo, meant):
    with pytest.raises(BadInput, match=f"{kind} '{typo}' is not known.*{meant}"):
        getattr(catalog, kind)(typo)


@pytest.mark.parametrize("field", ["model", "gpu", "weights", "kv", "engine"])
@pytest.mark.parametrize("value", [None, 3, float("nan"), ["h100"], True])
def test_a_deployment_refuses_what_is_no_name(field, value):
    names = {"model": "llama-3.1-8b", "gpu": "l4", "weights": "fp8", "kv": "fp8"}
    if (field, value) == ("weights", None):
        return  # the checkpoint's own
    with pytest.raises(BadInput) as caught:
        catalog.deployment(**{**names, field: value})
    assert caught.value.field == field


def test_weight_formats_and_cache_formats_are_told_apart():
    with pytest.raises(BadInput, match="kv"):
        catalog.deployment(model="llama-3.1-8b", gpu="l4", kv="int4-awq")


def test_figures_know_their_source():
    row = catalog.provenance("gpus", "h100-sxm", "bandwidth_bytes_s")
    assert row["url"].startswith("http") and row["date"] and row["kind"] == "datasheet"
    with pytest.raises(BadInput, match="no sourced figure 'weight'"):
        catalog.provenance("gpus", "h100-sxm", "weight")


def test_prices_reach_the_card():
    price = catalog.reference_price("h100-sxm")
    assert catalog.gpu("h100-sxm").usd_h == price["usd_h"]
    assert price["provider"] and price["date"] and price["source"]


def test_formats_of_llama_cpp_are_marked():
    for name in catalog.formats() + catalog.formats(kv=True):
        assert bool(catalog.format(name).gguf) == name.startswith("gguf-")


def test_doubted_rates_are_those_that_no_data_sheet_prints():
    doubted = [name for name in catalog.gpus() if catalog.gpu(name).rates_doubted]
    kinds = {catalog.provenance("gpus", name, "flop_s.bf16")["kind"] for name in doubted}
    assert doubted == ["gb10", "jetson-thor", "mi455x"] and kinds == {"derived"}


def test_an_engine_has_no_field_that_nobody_reads():
    apart = {"name", "version", "aliases", "like", "since"}  # its title, how it is looked up
    for name, record in catalog.table("engines")["engines"].items():
        assert set(record) - apart <= set(vars(catalog.engine(name)))


@pytest.mark.parametrize(
    ("asked", "record", "title"),
    [
        ("vllm-0.19", "vllm-0.19", "vLLM 0.19"),
        ("vllm-0.19.1", "vllm-0.19", "vLLM 0.19"),
        ("vLLM 0.40.2", "vllm-0.33", "vLLM 0.33, in place of vLLM 0.40.2"),
        ("vllm-0.5", "vllm-0.10", "vLLM 0.10, in place of vllm-0.5"),
        ("sglang-0.6.1", "sglang-0.5", "SGLang 0.5.23, in place of sglang-0.6.1"),
    ],
)
def test_an_unknown_version_takes_the_nearest_and_says_so(asked, record, title):
    engine = catalog.engine(asked)
    assert (engine.name, engine.title) == (record, title)


def test_a_checkpoint_s_format_is_the_one_of_its_own_config():
    files = (catalog.FOLDER / "configs").glob("*.json")
    by_name = {path.stem.replace("__", "/").lower(): path for path in files}
    for name, weights in catalog.table("models")["checkpoints"].items():
        assert huggingface.load(by_name[name]).native_format == weights
