"""Records refuse nonsense with one sentence: field, what it got, what it takes."""

import pickle
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Attention, Deployment, Efficiency, Slo, Tail, Tensor, Workload

from .strategies import nonsense

B = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
ATTENTION = B.model.attention[0]
RECORDS = [
    (Workload(1000, 100, 4), ()),
    (Slo(0.05, 1.0, 30.0, 5.0), ()),
    (Tail("itl", 95, 0.05), ()),
    (Efficiency(), ()),
    (ATTENTION, ()),
    (Tensor("mlp.up_proj", "mlp", 100), ()),
    (B.model, ("source", "notes", "native_format", "tied_embeddings", "memo", "declared_kv")),
    (B.gpu, ("form", "link", "unified_memory", "vendor")),
    (B.engine, ("release", "limits", "small_cards", "reads_kv_of", "profiled")),
    (B.weights, ("covers", "covers_mixture", "compute", "kv", "timed")),
    (
        B,
        (
            *("memory_fraction", "usd_h", "speculation", "lora", "max_num_seqs"),
            *("max_num_batched_tokens", "max_model_len", "block_size"),
        ),
    ),
]


def optional(record):
    return isinstance(record, Slo)  # None there means: not asked for


@pytest.mark.parametrize(("record", "free"), RECORDS, ids=lambda x: type(x).__name__)
@given(data=st.data())
def test_every_field_refuses_nonsense_by_name(record, free, data):
    checked = [f.name for f in fields(record) if f.name not in free]
    name = data.draw(st.sampled_from(checked))
    value = data.draw(nonsense.filter(lambda x: x is not None) if optional(record) else nonsense)
    try:
        replace(record, **{name: value})
    except BadInput as problem:
        assert len(str(problem)) < 300 and "\n" not in str(problem)
        assert str(problem).endswith((".", "?"))
    except TypeError:
        pytest.fail(f"{type(record).__name__}.{name} = {value!r} gave a TypeError")
    else:
        # what was taken is a name, a truth value or a finite number on the edge of its range
        assert isinstance(value, (str, bool, int, float)) or value in ((), [])
        assert value == value and value not in (float("inf"), float("-inf"))


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e12, "8k", None, True, 1.5])
def test_counts_are_refused_with_field_value_and_range(value):
    with pytest.raises(BadInput, match=r"^input_tokens is .*: it takes a whole number from 1 to"):
        Workload(value, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tp": 3}, "must divide the 64 attention heads"),
        ({"pp": 81}, "has only 80 layers"),
        ({"ep": 2}, "no experts to spread"),
        ({"memory_fraction": 1.2}, "memory_fraction is 1.2"),
        ({"gpu": "h100"}, "takes a Gpu"),
        ({"kv": catalog.format("int4-awq")}, "no engine keeps its cache in it"),
    ],
)
def test_deployments_that_do_not_go_together(change, message):
    with pytest.raises(BadInput, match=message):
        replace(B, **change)


def test_experts_are_spread_over_cards_that_exist():
    with pytest.raises(BadInput, match="must divide tp"):
        catalog.deployment(model="mixtral-8x7b", gpu="h100-sxm", tp=2, ep=4)


def test_dp_attention_needs_a_second_card():
    with pytest.raises(BadInput, match="2 or more"):
        catalog.deployment(model="deepseek-v3", gpu="h200-sxm", dp_attention=True)


def test_each_attention_kind_names_what_it_needs():
    with pytest.raises(BadInput, match="window_tokens is 0: window attention needs it"):
        Attention("window", layers=2, heads=8, kv_heads=8, head_dim=64)
    with pytest.raises(BadInput, match="attention kind 'gqqa' is not known"):
        Attention("gqqa", layers=2)


def test_a_model_counts_its_parameters_by_role():
    model = B.model
    assert model.params == pytest.approx(70.55e9, rel=1e-3)
    assert model.active_params == model.params
    deepseek = catalog.model("deepseek-v3")
    assert deepseek.params == pytest.approx(671e9, rel=0.01)
    assert deepseek.active_params == pytest.approx(37e9, rel=0.03)
    assert deepseek.mtp_params > 1e10
    assert deepseek.matmul_params < deepseek.active_params  # the table is looked up


def test_deployment_titles_say_what_runs():
    assert B.title == "llama-3.1-70b fp8 / 2x h100-sxm TP-2 / fp8 KV"
    assert isinstance(B, Deployment) and B.num_gpus == 2


@pytest.mark.parametrize(
    ("gpu", "direct"),
    [("h100-sxm", True), ("gb10", True), ("h100-pcie", False), ("rtx-4090", False)],
)
def test_a_direct_link_is_one_beyond_pcie(gpu, direct):
    assert catalog.gpu(gpu).direct_link is direct
    assert replace(catalog.gpu(gpu), link="none").direct_link is False


@pytest.mark.parametrize(
    ("tails", "told"),
    [
        ([Tail("itl", 95, 0.05)], "it takes a tuple of Tail"),
        ((Tail("itl", 50, 0.05), Tail("itl", 99, 0.03)), "itl p99 is 0.03 s and itl p50 0.05 s"),
        ((Tail("itl", 99, 0.05), Tail("itl", 99, 0.03)), "itl p99 is given twice"),
    ],
)
def test_tails_that_contradict_each_other_are_refused_in_a_sentence(tails, told):
    with pytest.raises(BadInput, match=told):
        Slo(tails=tails)


def test_tails_of_several_latencies_go_together():
    tails = (Tail("ttft", 99, 5.0), Tail("itl", 99, 0.1), Tail("itl", 50, 0.05))
    assert [t.name for t in Slo(tails=tails).tails] == ["ttft p99", "itl p99", "itl p50"]


def test_a_tail_names_the_nearest_latency():
    with pytest.raises(BadInput, match="Did you mean ttft"):
        Tail("tttf", 99, 5.0)


def test_a_deployment_goes_to_another_process_without_what_it_keeps():
    one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    assert hash(one) == hash(replace(one)) and "_hash" in vars(one)
    assert "_hash" not in one.__getstate__()  # the hash of a text is another there
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one and hash(copy) == hash(one)
