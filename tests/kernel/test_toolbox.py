"""The toolbox: a lever moves what it says and nothing else, and the order is by what is paid."""

from dataclasses import fields, replace

import pytest

from llmcap_kernel import bandwidth, capacity, catalog, design, law, serving, toolbox
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import CEILING, Efficiency, Workload

A, B, C = design.worked_spec()
LOAD = design.WORKED_WORKLOAD
SHARED = replace(LOAD, shared_prefix_tokens=6000)
IN_TURN = Efficiency(prefill_share=1.0)  # the spec sheet, and decoding waits for every prefill


def room(deployment, load):
    return capacity.max_concurrent(
        deployment,
        load.context_tokens,
        shared_prefix_tokens=load.shared_prefix_tokens,
        hit_share=load.hit_share,
    )


def changed(before, after):
    """The names of the fields in which two records differ."""
    return {
        f.name
        for f in fields(before)
        if getattr(before, f.name) is not getattr(after, f.name)
        and getattr(before, f.name) != getattr(after, f.name)
    }


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (toolbox.set_memory_fraction(B, 0.98), {"memory_fraction"}),
        (toolbox.split_sequences(C), {"dp_attention"}),
        (toolbox.quantise_weights(B, "int4-awq"), {"weights"}),
        (toolbox.quantise_kv(B, "bf16"), {"kv"}),
        (toolbox.change_engine(B, "vllm-0.11"), {"engine", "memory_fraction"}),
        (toolbox.speculate(B, tokens=3, accept=0.7), {"speculation"}),
        (toolbox.split_tensors(B, 4), {"tp"}),
        (toolbox.change_gpu(B, "h200-sxm"), {"gpu"}),
        (toolbox.change_model(B, "qwen3-32b"), {"model"}),
        (toolbox.cache_prefix(LOAD, 6000), {"shared_prefix_tokens"}),
        (toolbox.change_batch(LOAD, 32), {"concurrency"}),
        (toolbox.shorten_context(LOAD, 3000), {"input_tokens"}),
    ],
)
def test_a_lever_changes_one_field(after, moved):
    start = {id(C.model): C}.get(id(getattr(after, "model", None)), B)
    assert changed(LOAD if isinstance(after, Workload) else start, after) == moved


def test_a_lever_leaves_the_start_as_it_was():
    toolbox.quantise_kv(toolbox.split_tensors(B, 4), "bf16")
    assert (B.tp, B.kv.name) == (2, "fp8")


def test_a_card_with_another_rent_forgets_the_old_one():
    rented = replace(B, usd_h=1.0)
    assert toolbox.change_gpu(rented, "h200-sxm").gpu_usd_h == catalog.gpu("h200-sxm").usd_h


def test_an_engine_brings_its_own_default_fraction():
    raised = toolbox.set_memory_fraction(B, 0.98)
    moved = toolbox.change_engine(raised, "vllm-0.11")
    assert moved.fraction == catalog.engine("vllm-0.11").memory_fraction


def test_a_shorter_prompt_cannot_share_more_than_it_has():
    assert toolbox.shorten_context(SHARED, 3000).shared_prefix_tokens == 3000
    assert toolbox.shorten_context(SHARED, 6500).shared_prefix_tokens == 6000


def test_the_memory_fraction_moves_the_pool_alone():
    low, high = (
        capacity.ledger(toolbox.set_memory_fraction(B, f), context_tokens=8000)
        for f in (0.90, 0.98)
    )
    gained = high.kv_pool_bytes - low.kv_pool_bytes
    assert gained == pytest.approx(0.08 * low.visible_bytes)
    assert high.weights_bytes == low.weights_bytes
    before, after = (toolbox.reading(d, LOAD) for d in (B, toolbox.set_memory_fraction(B, 0.98)))
    assert after.max_concurrent > before.max_concurrent
    assert after._replace(max_concurrent=0) == before._replace(max_concurrent=0)


def test_kv_quantisation_halves_the_cache_and_leaves_the_weights():
    wide = toolbox.quantise_kv(B, "bf16")
    assert capacity.kv_sequence_bytes(wide, 8000) == 2 * capacity.kv_sequence_bytes(B, 8000)
    steps = [bandwidth.decode_step(d, context_tokens=8000, concurrency=16) for d in (wide, B)]
    assert steps[0].dense_s == steps[1].dense_s
    assert steps[0].attention_s == pytest.approx(2 * steps[1].attention_s)


def test_weight_quantisation_leaves_the_cache():
    four = toolbox.quantise_weights(B, "int4-awq")
    steps = [bandwidth.decode_step(d, context_tokens=8000, concurrency=16) for d in (B, four)]
    assert steps[0].attention_s == steps[1].attention_s
    assert steps[1].dense_s < 0.6 * steps[0].dense_s


def test_splitting_users_leaves_the_cache_of_each_and_copies_attention():
    split = toolbox.split_sequences(C)
    stored = [
        law.weight_bytes(d.model, d.weights, tp=8, dp_attention=d.dp_attention).stored_bytes
        for d in (C, split)
    ]
    assert stored[1] > stored[0]
    before, after = (toolbox.reading(d, LOAD) for d in (C, split))
    assert 4 < after.max_concurrent / before.max_concurrent < 8.5


def test_a_prefix_cache_leaves_the_decode_step():
    """A seventh of the prompt is left to compute; where prompts delay decoding, it gains."""
    before, after = (toolbox.reading(B, load, efficiency=IN_TURN) for load in (LOAD, SHARED))
    assert after.decode_tok_s_user == before.decode_tok_s_user
    assert after.ttft_s < 0.2 * before.ttft_s
    assert after.itl_s < before.itl_s and after.output_tok_s_card > before.output_tok_s_card


def test_a_shared_prefix_is_kept_once():
    books = capacity.ledger(B, context_tokens=8000)
    prefix = capacity.prefix_bytes(B, 6000, 8000)
    assert prefix == 6000 * 163_840 / 2
    own = books.kv_bytes_per_sequence - prefix
    fits = room(B, SHARED)
    assert prefix + fits * own <= books.kv_pool_bytes < prefix + (fits + 1) * own


def test_only_whole_pages_are_shared():
    assert capacity.prefix_bytes(B, 6015, 8000) == capacity.prefix_bytes(B, 6000, 8000)
    assert capacity.prefix_bytes(B, 15, 8000) == 0


def test_without_a_shared_prefix_nothing_is_shared():
    assert room(B, LOAD) == capacity.max_concurrent(B, 8000)


def test_requests_that_miss_the_cache_keep_their_own_copy():
    always, half, never = (room(B, replace(SHARED, hit_share=share)) for share in (1.0, 0.5, 0.0))
    assert always > half > never
    assert 0 <= room(B, LOAD) - never <= 2  # the one shared copy, unused


def test_a_shared_prefix_starts_no_engine_that_does_not_start():
    assert not capacity.ledger(A, context_tokens=8000).starts
    assert room(A, SHARED) == 0


def test_a_shared_prefix_is_kept_on_every_card_that_splits_users():
    split = toolbox.split_sequences(C)
    books = capacity.ledger(split, context_tokens=8000)
    prefix = capacity.prefix_bytes(split, 6000, 8000)
    own = books.kv_bytes_per_sequence - prefix
    assert room(split, SHARED) == 8 * int((books.kv_pool_bytes - prefix) / own)


@pytest.mark.parametrize("constraint", toolbox.CONSTRAINTS)
def test_levers_come_in_the_order_of_the_toolbox(constraint):
    found = toolbox.levers_for(constraint)
    assert found and all(constraint in lever.relieves for lever in found)
    places = [toolbox.LEVERS.index(lever) for lever in found]
    assert places == sorted(places)


def test_settings_come_before_rent_and_rent_before_the_product():
    names = [lever.name for lever in toolbox.levers_for("capacity")]
    order = ["memory fraction", "KV quantisation", "tensor parallelism", "shorter context"]
    assert [n for n in names if n in order] == order


def test_every_lever_says_what_it_costs_and_how_it_is_pulled():
    for lever in toolbox.LEVERS:
        assert set(lever.relieves) <= set(toolbox.CONSTRAINTS)
        assert lever.costs and callable(lever.pull)
        assert getattr(toolbox, lever.pull.__name__) is lever.pull
    assert len({lever.name for lever in toolbox.LEVERS}) == len(toolbox.LEVERS)
    assert "0x" not in repr(toolbox.LEVERS)


def relieved(constraint, before, after):
    """Whether a reading got better on one constraint."""
    key, sign = {
        "capacity": ("max_concurrent", 1),
        "latency": ("itl_s", -1),
        "prefill": ("ttft_s", -1),
        "budget": ("output_tok_s_card", 1),
    }[constraint]
    return sign * (getattr(after, key) - getattr(before, key)) > 0


# One fair trial a lever: where it starts, and what it is pulled to.
WIDE = catalog.deployment(model="llama-3.1-70b", gpu="h200-sxm", tp=4)
TRIALS = {
    "memory fraction": (WIDE, 0.98),
    "prefix caching": (WIDE, 6000),
    "larger batch": (WIDE, 32),
    "data-parallel attention": (C,),
    "weight quantisation": (WIDE, "fp8"),
    "KV quantisation": (WIDE, "fp8"),
    "speculative decoding": (WIDE, {"tokens": 3, "accept": 0.7, "draft": "llama-3.1-8b"}),
    "tensor parallelism": (WIDE, 8),
    "bigger card": (WIDE, "b200-sxm"),
    "shorter context": (WIDE, 3000),
    "mixture of experts": (WIDE, "mixtral-8x7b"),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_lever_relieves_what_it_says(name):
    lever = next(x for x in toolbox.LEVERS if x.name == name)
    start, *to = TRIALS[lever.name]
    named = to.pop() if to and isinstance(to[-1], dict) else {}
    on_load = lever.name in ("prefix caching", "larger batch", "shorter context")
    after = lever.pull(LOAD if on_load else start, *to, **named)
    change = {"workload_after" if on_load else "deployment_after": after}
    seen = toolbox.effect(lever.name, start, LOAD, **change)
    for constraint in lever.relieves:
        assert relieved(constraint, seen.before, seen.after), constraint


def test_every_lever_is_tried_but_the_engine():
    assert set(TRIALS) == {x.name for x in toolbox.LEVERS} - {"another engine"}


def test_an_engines_speed_is_measured_and_not_in_the_law():
    """The spec sheet knows an engine's memory habits only; its speed is fitted."""
    other = toolbox.change_engine(B, "sglang")
    assert other.engine.family != B.engine.family
    at_the_ceiling, fitted = (
        toolbox.effect("other", B, LOAD, deployment_after=other, efficiency=e)
        for e in (CEILING, None)
    )
    assert at_the_ceiling.after.itl_s == at_the_ceiling.before.itl_s
    assert fitted.after.itl_s != fitted.before.itl_s


def test_several_levers_start_from_the_same_place():
    tried = toolbox.effects(
        B, LOAD, {"cache": toolbox.cache_prefix(LOAD, 6000), "four": toolbox.split_tensors(B, 4)}
    )
    assert [e.name for e in tried] == ["cache", "four"]
    assert tried[0].before == tried[1].before == toolbox.reading(B, LOAD)


def test_effects_of_an_estimate_differ_from_those_of_the_ceiling():
    slow = Efficiency(compute=0.4, prefill_share=1.0)
    gain = [
        toolbox.effect("p", B, LOAD, workload_after=SHARED, efficiency=e) for e in (CEILING, slow)
    ]
    factors = [e.after.output_tok_s_card / e.before.output_tok_s_card for e in gain]
    assert factors[1] > factors[0] > 1


def test_a_reading_is_the_estimate_unless_an_efficiency_is_given():
    """Each side has its own engine's and card's: a card's numbers, read twice."""
    other = toolbox.change_engine(toolbox.change_gpu(B, "a100-sxm-80gb"), "sglang")
    (seen,) = toolbox.effects(B, LOAD, {"other": other})
    for read, deployment in ((seen.before, B), (seen.after, other)):
        card = design.card(deployment, LOAD)
        assert read.max_concurrent == card.max_concurrent
        assert read.itl_s == card.estimates.itl_s.value
        assert read.ttft_s == card.estimates.ttft_s.value
        rate = card.estimates.output_tok_s.value
        assert read.output_tok_s_card == pytest.approx(rate / deployment.num_gpus)
        assert read.usd_mtok == pytest.approx(card.usd_mtok.value)
    ceiling = toolbox.reading(B, LOAD, efficiency=CEILING)
    assert ceiling.itl_s == design.card(B, LOAD).estimates.itl_s.ceiling < seen.before.itl_s


def test_what_does_not_start_has_no_latency_and_no_price():
    assert toolbox.reading(A, LOAD) == (0, None, None, None, None, None)
    raised = toolbox.set_memory_fraction(A, 0.98)
    moved = toolbox.effect("0.98", A, LOAD, deployment_after=raised)
    assert "from none" in moved.explain()


def test_an_effect_is_what_there_is_after_over_what_there_was():
    was, now = toolbox.Reading(4, ttft_s=1.0), toolbox.Reading(12, itl_s=0.02, ttft_s=0.5)
    told = {line.name: (line.numbers, line.value) for line in toolbox.Effect("x", was, now).lines()}
    assert told == {
        "users that fit": ("12 / 4", "3.00x"),
        "gap between tokens": ("20 ms / none", "from none"),
        "first token": ("500 ms / 1 s", "0.50x"),
    }


def test_a_card_without_rent_has_no_price():
    free = replace(B, usd_h=0.0)
    assert toolbox.reading(free, LOAD).usd_mtok is None
    assert "price" not in toolbox.effect("x", free, LOAD, workload_after=SHARED).explain()


def test_the_price_of_a_token_is_rent_over_rate():
    """A thousand tokens a second are 3.6 million an hour."""
    assert serving.usd_per_mtok(usd_h=3.6, tok_s=1000) == pytest.approx(1.0)
    read = toolbox.reading(B, LOAD)
    million_s = 1e6 / (read.output_tok_s_card * B.num_gpus)
    assert read.usd_mtok == pytest.approx(B.num_gpus * B.gpu_usd_h * million_s / 3600)


@pytest.mark.parametrize(
    ("pull", "field"),
    [
        (lambda: toolbox.levers_for("speed"), "constraint"),
        (lambda: toolbox.quantise_weights(B, "fp9"), "format"),
        (lambda: toolbox.quantise_weights(B, "int4-kv"), "weights"),
        (lambda: toolbox.quantise_kv(B, "int4-awq"), "kv"),
        (lambda: toolbox.split_tensors(B, 3), "tp"),
        (lambda: toolbox.split_sequences(A), "dp_attention"),
        (lambda: toolbox.change_gpu(B, "h300"), "gpu"),
        (lambda: toolbox.change_model(B, "llama-9"), "model"),
        (lambda: toolbox.change_engine(B, "vlm"), "engine"),
        (lambda: toolbox.set_memory_fraction(B, 1.2), "memory_fraction"),
        (lambda: toolbox.set_memory_fraction(B, "0.9"), "memory_fraction"),
        (lambda: toolbox.cache_prefix(LOAD, 7001), "shared_prefix_tokens"),
        (lambda: toolbox.change_batch(LOAD, 0), "concurrency"),
        (lambda: toolbox.speculate(B, tokens=0, accept=0.7), "speculation tokens"),
        (lambda: toolbox.speculate(B, tokens=3, accept=0.7, draft="llama-9"), "model"),
        (lambda: toolbox.shorten_context(LOAD, 0), "input_tokens"),
        (lambda: toolbox.effect("x", B, LOAD), "after"),
        (lambda: toolbox.effects(B, LOAD, {"x": None}), "changes"),
    ],
)
def test_bad_input_is_met_at_the_door(pull, field):
    with pytest.raises(BadInput) as caught:
        pull()
    assert caught.value.field == field
    assert str(caught.value)
