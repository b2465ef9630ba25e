"""Search: what it finds, in which order, why not the others, and what would have to give."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from unittest import mock

import pytest

from llmcap_kernel import calibration, capacity, catalog, design, simulation
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, Quality, handover, worked_spec
from llmcap_kernel.design.copies import Requirements, judge, most_answered_rps
from llmcap_kernel.design.rows import Row, undominated
from llmcap_kernel.design.space import bits
from llmcap_kernel.design.step_tokens import STEPS
from llmcap_kernel.explain import quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.simulation.rates import at_rate, open_loop_of
from llmcap_kernel.spec import Slo, Tail, Workload

GPUS = ["a100-sxm-80gb", "h100-sxm", "h200-sxm", "l40s"]
B = worked_spec()[1]
ONE_MODEL = {"models": ["llama-3.1-70b"]}
OWN_STEPS = {"max_num_batched_tokens": (None,)}


def find(slo=WORKED_SLO, load=WORKED_WORKLOAD, **choices):
    return design.search(load, slo, **{**ONE_MODEL, "gpus": GPUS, **choices})


@pytest.fixture(scope="module")
def answer():
    return find()


@pytest.fixture(scope="module")
def hopeless():
    return find(Slo(itl_s=0.016, usd_h=20.0), **OWN_STEPS)


def test_it_finds_only_what_holds_lowest_rent_first(answer):
    rents = [c.usd_h_all for c in answer.found]
    assert rents and all(c.meets_all for c in answer.found)
    assert rents == sorted(rents)
    assert answer.winner.usd_h_all == min(rents)


def test_ranked_by_the_token_the_cheapest_token_comes_first():
    prices = [c.usd_mtok.value for c in find(rank="usd_mtok").found]
    assert prices == sorted(prices)


def test_it_keeps_a_reason_for_each_it_passed_over(answer):
    rooms = [c.limits[0].headroom for c in answer.passed_over]
    assert rooms == sorted(rooms, reverse=True)
    for c in answer.passed_over:
        least = c.limits[0]
        assert not least.holds
        assert c.binding == f"{least.sentence}: {least.words}" and least.sentence


def test_it_loses_no_candidate(answer):
    tried = {
        (c.deployment.gpu.name, c.deployment.tp, c.deployment.weights.name, c.deployment.kv.name)
        for c in (*answer.found, *answer.passed_over)
    }
    assert len(tried) == len(answer.found) + len(answer.passed_over) == len(answer.space)
    linked = [n for n in GPUS if catalog.gpu(n).link_bandwidth_bytes_s]
    assert len(tried) == 4 * (len(GPUS) + 3 * len(linked))


def test_it_agrees_with_a_card_made_by_hand(answer):
    for c in (*answer.found[:3], *answer.passed_over[:3]):
        made = design.card(c.deployment, WORKED_WORKLOAD, WORKED_SLO)
        assert made.limits == c.limits and made.usd_mtok == c.usd_mtok


@pytest.mark.parametrize("rate", [None, 2.0])
def test_what_ranks_a_candidate_is_what_its_card_shows(rate):
    """A search compares values alone; a card has an interval to each, and the same value."""
    tails = (Tail("itl", 50, 0.02), Tail("itl", 95, 0.05), Tail("ttft", 95, 2.0))
    slo = Slo(itl_s=0.03, ttft_s=1.0, usd_mtok=4.0, usd_h=30.0, tails=tails)
    on = {"models": ["llama-3.1-70b"], "gpus": ["l40s", "h100-sxm"], "rate": rate}
    result = design.search(Workload(2000, 200, 16), slo, **on, most_copies=8)
    for i, row in enumerate(result.rows):
        limits = result.choice(i).limits
        assert row.headrooms == pytest.approx({limit.name: limit.headroom for limit in limits})
        assert row.missed() == tuple(limit.name for limit in limits if not limit.holds)


def test_the_front_is_beaten_by_none_and_everything_else_by_one(answer):
    def point(c):
        e = c.expected
        return c.usd_h_all, c.usd_mtok.value, e.itl_s.value, e.ttft_s.value, -c.limits[0].headroom

    def beats(a, b):
        return all(x <= y for x, y in zip(point(a), point(b), strict=True))

    front = answer.front
    assert answer.winner in front
    for c in answer.found:
        if c in front:
            assert not any(beats(other, c) for other in front if other is not c)
        else:
            assert any(beats(other, c) for other in front)


def test_of_equal_candidates_the_front_keeps_the_first():
    one = Row(1, 1, 8.0, 1.0, 0.02, 1.0, 1, 0.5, {"latency": 2.0})
    assert undominated([one, one]) == [0]


def test_the_surest_meets_every_limit_at_the_unfavourable_end(answer):
    assert all(x.verdict == "met" for x in answer.surest.limits)
    cheaper = [c for c in answer.found if c.usd_h_all < answer.surest.usd_h_all]
    assert all(any(x.verdict != "met" for x in c.limits) for c in cheaper)


# why not the next one


def test_cheaper_ones_miss_a_limit_and_dearer_ones_say_how_much(answer):
    best = answer.winner
    for reason in answer.why_not:
        if reason.misses:
            assert reason.choice.usd_h_all < best.usd_h_all
            assert all(x.sentence in reason.sentence for x in reason.misses)
        else:
            assert reason.dearer_usd_h == pytest.approx(reason.choice.usd_h_all - best.usd_h_all)


@pytest.mark.parametrize(
    ("more", "words"), [(0.0, "at the same rent"), (0.5, "$0.50/h or "), (-0.5, "% less")]
)
def test_half_a_dollar_is_not_the_same_rent(answer, more, words):
    best = answer.winner.deployment
    rent = best.gpu_usd_h + more / best.num_gpus
    assert words in answer.reason(judge(replace(best, usd_h=rent), answer.asked)).sentence


def test_the_answer_has_a_reason_too(answer):
    assert answer.reason(answer.winner).sentence.startswith("the answer; ")


def test_a_miss_says_by_how_much():
    found = find(Slo(itl_s=0.050), gpus=["rtx-pro-6000"], tps=[1], weights=["fp8"], kv=["fp8"])
    (reason,) = found.why_not
    gap = reason.choice.expected.itl_s.value
    assert f"missed by {gap / 0.050 - 1:.0%}: mean gap {quantity(gap, 's')}" in reason.sentence


# what more would buy


def test_a_dollar_leads_to_the_fastest_within_it_or_to_the_next(answer):
    dollar = next(one for one in design.trade_offs(answer) if one.what == "dollar")
    best = answer.winner
    assert dollar.choice.expected.itl_s.value < best.expected.itl_s.value
    between = [
        c
        for c in answer.found
        if c.expected.itl_s.value < best.expected.itl_s.value
        and c.usd_h_all < dollar.choice.usd_h_all
    ]
    assert dollar.usd_h <= 1.0 or not between


def test_ten_milliseconds_more_are_what_a_search_with_them_finds():
    tight = find(Slo(itl_s=0.022))
    gap = next(one for one in design.trade_offs(tight) if one.what == "gap")
    looser = find(Slo(itl_s=0.032)).winner
    if looser.usd_h_all < tight.winner.usd_h_all:
        assert gap.choice.title == looser.title
    else:
        assert gap.choice is None


def test_a_step_of_quality_has_more_bits(answer):
    told = {one.what: one for one in design.trade_offs(answer)}
    best = answer.winner.deployment
    assert bits(told["weights"].choice.deployment.weights) > bits(best.weights)
    assert bits(told["cache"].choice.deployment.kv) > bits(best.kv)


# nothing fits


def test_nothing_found_has_its_reasons(hopeless):
    assert hopeless.winner is None and not hopeless.front
    assert not design.trade_offs(hopeless)
    assert all(reason.misses for reason in hopeless.why_not)


def test_each_relaxation_alone_is_enough(hopeless):
    found = design.relaxations(hopeless)
    assert {c.what for one in found for c in one.changes} >= {"latency", "users"}
    for one in found:
        slo, load = hopeless.asked.slo, hopeless.asked.workload
        for change in one.changes:
            if change.what == "users":
                load = replace(load, concurrency=int(change.after))
            elif change.what == "context":
                load = replace(load, input_tokens=int(change.after))
            elif change.what != "format":
                name = {"latency": "itl_s", "budget": "usd_h", "prefill": "ttft_s"}[change.what]
                slo = replace(slo, **{name: change.after})
        assert design.card(one.choice.deployment, load, slo).meets_all, one.sentence


def test_relaxations_come_the_least_first(hopeless):
    alone = [one for one in design.relaxations(hopeless) if len(one.changes) == 1]
    factors = [one.factor for one in alone]
    assert factors == sorted(factors)


@pytest.mark.parametrize(
    "slo",
    [
        Slo(itl_s=0.050),
        Slo(itl_s=0.020, ttft_s=3.0),
        Slo(ttft_s=2.0, tails=(Tail("itl", 95, 0.040),)),
    ],
    ids=["gap", "both", "tail"],
)
@pytest.mark.parametrize("load", [WORKED_WORKLOAD, Workload(4000, 500, 60)], ids=["16", "60"])
def test_the_answer_has_the_steps_that_a_search_of_all_steps_finds(slo, load):
    asked = {"models": ["llama-3.1-8b"], "gpus": ["a100-sxm-80gb", "h100-sxm", "l40s", "mi300x"]}
    found = design.search(load, slo, **asked)
    own = design.search(load, slo, max_num_batched_tokens=(None,), **asked).winner
    # a percentile of the gaps is no reason for steps with which most gaps are longer
    strict = replace(slo, itl_s=slo.itl_s or slo.tails[0].bound_s)
    whole = design.search(load, strict, max_num_batched_tokens=STEPS, **asked).winner
    own_usd_h, other_usd_h = (c.usd_h_all if c else math.inf for c in (own, whole))
    if other_usd_h < own_usd_h:
        assert found.winner.deployment.max_num_batched_tokens in STEPS
        assert found.winner.usd_h_all == other_usd_h
    else:
        assert found.winner.deployment == own.deployment


def test_no_answer_meets_a_percentile_by_steps_that_make_most_gaps_longer_than_it():
    """On two A100, 4,096 tokens a step cut a prompt of 7,000 in two pieces in place of four, so
    fewer than 5 steps in 100 carry one: the p95 is within 50 ms and the mean is not."""
    asked = {"models": ["llama-3.1-70b"], "gpus": ["a100-sxm-80gb"], "weights": ["fp8"], "tps": [2]}
    tail = Slo(tails=(Tail("itl", 95, 0.050),))
    named = design.search(WORKED_WORKLOAD, tail, max_num_batched_tokens=(4096,), **asked).winner
    assert named.expected.itl_s.value > 0.050
    assert design.search(WORKED_WORKLOAD, tail, **asked).winner is None


def test_shorter_steps_spare_copies_where_a_percentile_of_the_gaps_jumps():
    """In eight copies 62 others send a prompt while an answer has 1,000 gaps: a prompt is in over a
    twentieth of them. In nine copies of 56 users it is in fewer, since some meet in one step."""
    slo, load = Slo(tails=(Tail("itl", 95, 0.050),)), Workload(7000, 1000, 500)
    asked = {"models": ["deepseek-v3.1"], "gpus": ["b200-sxm"], "most_copies": 100}
    found = design.search(load, slo, **asked)
    own = design.search(load, slo, max_num_batched_tokens=(None,), **asked).winner
    strict = replace(slo, itl_s=0.050)
    whole = design.search(load, strict, max_num_batched_tokens=(None, *STEPS), **asked).winner
    assert 1 < found.winner.copies < own.copies / 2
    assert found.winner.usd_h_all == whole.usd_h_all
    assert f"own {own.deployment.batch_limit_tokens:,} tokens a step" in found.why_other_steps
    assert f"at ${own.usd_h_all:.2f}/h" in found.why_other_steps
    assert found.why_not[0].choice.deployment == own.deployment


@pytest.mark.parametrize("rate", [None, 20.0])
def test_one_by_one_or_with_arrays_the_same_steps_are_chosen(rate):
    slo, load = Slo(itl_s=0.020, ttft_s=1.0), Workload(4000, 500, 30)
    asked = {"models": ["llama-3.1-8b", "qwen3-32b"], "gpus": ["a100-sxm-80gb", "l40s"]}
    asked |= {"rate": rate, "most_copies": 40}
    one, many = (design.search(load, slo, arrays=arrays, **asked) for arrays in (False, True))
    assert one.own_steps == many.own_steps
    assert list(one.order) == list(many.order)
    assert one.space[-1] == many.space[-1]


def test_the_least_gap_that_would_do_is_the_least_of_what_the_budget_buys(hopeless):
    (gap,) = (
        one
        for one in design.relaxations(hopeless)
        if [change.what for change in one.changes] == ["latency"]
    )
    affordable = find(Slo(usd_h=20.0), **OWN_STEPS).found
    least = min(c.expected.itl_s.value for c in affordable)
    assert gap.changes[0].after == pytest.approx(least, rel=0.01)


def test_fewer_bits_are_a_relaxation():
    found = find(Slo(usd_h=4.0), gpus=["h100-sxm"], tps=[1])
    (narrow,) = (
        one for one in design.relaxations(found) if one.changes[0].what == "format"
    )  # fmt: skip
    assert narrow.choice.deployment.weights.name == "int4-awq" and narrow.choice.meets_all


# the space


def test_search_can_split_attention_by_user():
    found = design.search(
        replace(WORKED_WORKLOAD, concurrency=200),
        Slo(usd_h=40.0),  # one cache on each card holds 155 of them, a share on each all
        models=["deepseek-v3"],
        gpus=["h200-sxm"],
        weights=["fp8"],
        kv=["fp8"],
        tps=[8],
        expert_parallel=False,
    )
    assert [c.deployment.dp_attention for c in found.found] == [True]


def test_attention_by_user_of_a_dense_model_is_not_vllms():
    """Without experts to share, vLLM's data-parallel ranks are servers of their own."""
    asked = {"models": ["llama-3.1-8b"], "gpus": ["h100-sxm"], "tps": [2]}
    here = design.space(WORKED_WORKLOAD, **asked, engines=["vllm", "sglang"], dp_attention=[True])
    assert {b.engine.family for b in here.blocks} == {"sglang"}


def test_quality_bars_models_and_formats():
    bar = Quality(weight_bits=9, kv_bits=9, params=60e9)
    here = design.space(WORKED_WORKLOAD, quality=bar, gpus=["h200-sxm"], tps=[8])
    assert all(b.model.params >= 60e9 and bits(b.weights) >= 9 <= bits(b.kv) for b in here.blocks)
    assert not any(b.model.assumed_shape for b in here.blocks)


def test_a_model_whose_window_is_too_short_is_no_candidate():
    long = Workload(120_000, 1000)
    here = design.space(long, models=["llama-3-70b", "llama-3.1-70b"])
    assert {b.model.name for b in here.blocks} == {"llama-3.1-70b"}
    with pytest.raises(BadInput, match="8,192 at most"):
        design.space(long, models=["llama-3-70b"])


def test_an_engine_is_tried_where_it_runs():
    here = design.space(
        WORKED_WORKLOAD, **ONE_MODEL, gpus=["mi300x", "h100-sxm"], engines=["trtllm", "vllm"]
    )
    on = {(b.engine.family, g.vendor) for b in here.blocks for g in b.gpus}
    assert on == {("trtllm", "nvidia"), ("vllm", "nvidia"), ("vllm", "amd")}


def test_a_laptop_gets_llama_cpp_and_its_formats():
    here = design.space(WORKED_WORKLOAD, models=["llama-3.1-8b"], gpus=["apple-m4-max"])
    assert {b.engine.family for b in here.blocks} == {"llama.cpp"}
    assert {b.weights.name for b in here.blocks} == {"gguf-q8-0", "gguf-q4-k-m"}


def test_llama_cpp_is_told_how_many_users_a_copy_has():
    """Its own four slots would keep others waiting; what runs is what was priced."""
    load = Workload(1000, 200, 60)
    here = {"models": ["llama-3.1-8b"], "gpus": ["rtx-4090"], "engines": ["llama.cpp"], "tps": [1]}
    best = design.search(load, Slo(itl_s=0.1, ttft_s=20), most_copies=20, **here).winner
    assert best.deployment.seqs_limit == best.workload.concurrency == best.users > 4
    assert best.copies * best.users >= 60
    words = handover.launch(best.deployment, best.workload).words
    assert words[words.index("-np") + 1] == str(best.users)
    assert words[words.index("-c") + 1] == str(best.users * 1200)
    told = design.search(load, max_num_seqs=[8], **here).winner
    assert (told.deployment.seqs_limit, told.users) == (8, 8)


def test_a_card_on_a_spot_price_is_taken_where_it_is_named():
    spot = catalog.gpu("mi355x")
    assert catalog.reference_price(spot.name)["term"] == "spot"

    def cards(**asked):
        space = design.space(WORKED_WORKLOAD, **ONE_MODEL, tps=[1], **asked)
        return {space.hardware(at)[1] for at in range(len(space))}

    by_default = cards()
    assert spot.name not in by_default and "mi300x" in by_default
    terms = [catalog.reference_price(name)["term"] for name in by_default]
    assert set(terms) == {"on-demand"}
    assert cards(gpus=[spot.name]) == cards(gpus=[spot]) == {spot.name}


def test_nodes_are_stages_of_layers():
    here = design.space(WORKED_WORKLOAD, **ONE_MODEL, gpus=["h100-sxm"], nodes=2)
    assert {(b.tp, b.pp) for b in here.blocks} == {(1, 1), (2, 1), (4, 1), (8, 1), (8, 2)}


def test_a_deployment_has_the_number_it_is_found_by(answer):
    here = answer.space
    assert here[answer.winner.number] == answer.winner.deployment
    assert here.hardware(0) == (here[0].model.name, here[0].gpu.name, here[0].num_gpus)
    assert [d.title for d in here] == [here[i].title for i in range(len(here))]


# copies and rates


def test_copies_share_the_users():
    load = replace(WORKED_WORKLOAD, concurrency=150)
    slo = Slo(itl_s=0.050, usd_h=100.0)
    kept = {"gpus": ["h100-sxm"], "weights": ["fp8"], "kv": ["fp8"], "tps": [2], **OWN_STEPS}
    (one,) = find(slo, load, **kept).passed_over
    (many,) = find(slo, load, most_copies=16, **kept).found
    assert not one.meets_all and many.meets_all and many.copies > 1
    assert many.copies * many.workload.concurrency >= 150
    fewer = replace(load, concurrency=-(-150 // (many.copies - 1)))
    assert not design.card(many.deployment, fewer, Slo(itl_s=0.050)).meets_all
    assert many.usd_h_all == many.copies * many.deployment.usd_h_all


CARD = "llmcap_kernel.design.copies.card"


def _fewest_copies(d, load, slo, most):
    """The fewest copies that meet every limit but the rent, tried one after the other."""
    limits = replace(slo, usd_h=None)
    for copies in range(1, most + 1):
        users = -(-load.concurrency // copies)
        if design.card(d, replace(load, concurrency=users), limits).meets_all:
            return copies, -(-load.concurrency // copies)
    return 1, load.concurrency


@pytest.mark.parametrize("users", [1, 7, 40, 150])
@pytest.mark.parametrize("most", [2, 9])
def test_copies_are_the_fewest_that_one_by_one_would_find(users, most):
    load = replace(WORKED_WORKLOAD, concurrency=users)
    slo = Slo(itl_s=0.040, ttft_s=3, tails=(Tail("itl", 95, 0.045),), usd_h=20.0)
    found = find(slo, load, most_copies=most, gpus=["h100-sxm", "mi300x"])
    for d, row in zip(found.space, found.rows, strict=True):
        assert (row.copies, row.users) == _fewest_copies(d, load, slo, most), d.title


def test_what_would_have_to_give_is_what_every_candidate_judged_would_find():
    """The most users and the longest prompt at which some candidate meets every limit."""
    load = replace(WORKED_WORKLOAD, concurrency=64)
    slo = Slo(itl_s=0.030, usd_h=9.0)
    found = find(slo, load, most_copies=3, gpus=["h100-sxm"], weights=["fp8"])
    assert not found.order
    told = {one.changes[0].what: one.changes[0].after for one in design.relaxations(found)}
    assert {"users", "context"} <= set(told)

    def any_meets(load):
        asked = found.asked._replace(workload=load)
        return any(judge(d, asked).meets_all for d in found.space)

    assert any_meets(replace(load, concurrency=int(told["users"])))
    assert not any_meets(replace(load, concurrency=int(told["users"]) + 2))
    assert any_meets(replace(load, input_tokens=int(told["context"])))
    assert not any_meets(replace(load, input_tokens=int(told["context"]) + 1000))


def test_a_hundred_thousand_users_ask_few_cards_of_a_candidate():
    """What a search asks grows with the room of a copy, and not with the users of all."""
    asked = Requirements(replace(WORKED_WORKLOAD, concurrency=100_000), WORKED_SLO, 10_000)
    with mock.patch(CARD, wraps=design.card) as counted:
        one = judge(B, asked)
    room = one.max_concurrent
    assert one.copies * one.users >= 100_000 and 1 < one.users <= room < 64
    assert counted.call_count <= 4 + room.bit_length()
    with mock.patch(CARD, wraps=design.card) as counted:
        assert judge(B, asked._replace(most_copies=100)).copies == 1
    assert counted.call_count <= 2


def test_a_rate_takes_as_many_copies_as_answer_it():
    kept = {"gpus": ["h100-sxm"], "weights": ["fp8"], "kv": ["fp8"], "tps": [2], **OWN_STEPS}
    (one,) = find(Slo(itl_s=0.050), rate=4.0, **kept).found
    served = one.copies * one.expected.served.steady_rps
    assert one.meets_all and served >= 4.0
    with pytest.raises(BadInput, match="one copy of any of them answers no more than"):
        find(Slo(itl_s=0.050), rate=400.0, most_copies=1, **kept)


CHAT = Workload(1500, 400)
SMALL = {"models": ["llama-3.1-8b"], "weights": ["bf16"], "tps": [1]}


def test_an_l4_alone_cannot_answer_what_its_prompts_alone_would_fill():
    """5/s of 1,500 tokens and 16 GFLOP each are 120 TFLOP/s, and 121 are an L4's BF16 peak."""
    slo = Slo(tails=(Tail("itl", 95, 10.0),))
    found = design.search(CHAT, slo, gpus=["l4"], rate=5.0, **SMALL)
    assert found.winner.copies > 1
    with pytest.raises(BadInput, match="one copy of any of them answers no more than"):
        design.search(CHAT, slo, gpus=["l4"], rate=5.0, most_copies=1, **SMALL)


def test_why_not_is_said_of_the_requests_that_come_of_a_rate():
    """An L4 reads 16 GB of weights at 300 GB/s: 53 ms a token, however few are in flight."""
    slo, here = Slo(itl_s=0.050), {"gpus": ["l4", "rtx-a4000", "h100-sxm"], "kv": ["bf16"]}
    found = design.search(CHAT, slo, rate=2.0, **here, **SMALL)
    why = {found.space[r.choice.number].gpu.name: r for r in found.why_not}
    late = why["l4"]
    answered = late.choice.copies * late.choice.expected.served.steady_rps
    assert answered >= 2.0 and late.choice.workload.concurrency > 10
    assert "of the 2 asked; " in late.sentence or "answers 2 requests/s with" in late.sentence
    assert f"{late.choice.workload.concurrency} in flight" in late.sentence
    # 16.06 GB of weights are more than its 16 GB
    assert why["rtx-a4000"].sentence == "does not start: no request has room"
    alone = design.search(CHAT, slo, rate=200.0, most_copies=1, gpus=["l4"], **SMALL)
    assert "saturates at" in alone.why_not[0].sentence
    assert "requests/s of the 200 asked: " in alone.why_not[0].sentence


def test_requests_of_a_rate_do_not_come_together():
    """Poisson arrivals: prompts of 0.18 of the time meet one another as in an M/D/1 queue.

    With a service of S the chance to wait at all is the share r, and to wait beyond t within one
    service about r (1 - t / S); so of r = 0.18, 95 of 100 wait no longer than 0.72 S. A burst of
    users who ask together, as they do who ask again at once, would wait for all of the others.
    """
    found = design.search(CHAT, Slo(itl_s=0.05), gpus=["rtx-pro-6000"], rate=4.0, **SMALL)
    made = found.winner.estimates
    prompt_s, away_s = made.served.pass_s, made.served.request_s
    share = 4.0 * prompt_s / found.winner.copies
    wait_s = (1 - 0.05 / share) * prompt_s
    p90, p95 = (percentile(made, "ttft", p).value for p in (90, 95))
    assert p95 < 1.5 * p90
    # beside the prompt: its wait, a step begun before, and a start outside the cards up to 3x late
    assert prompt_s + wait_s < p95 < prompt_s + wait_s + made.served.itl_s + 3.2 * away_s


# requests of a rate are more and fewer in flight


def _simulated_s(one, rate, tail, seed):
    """A percentile of the step loop, from the middle eight tenths of its requests."""
    d, load = one.deployment, one.workload
    steps = simulation.Steps(d, calibration.efficiency_for(d))
    lengths = simulation.Lengths(load.input_tokens), simulation.Lengths(load.output_tokens)
    asked = simulation.requests(simulation.Load(*lengths, count=1500, seed=seed).at(rate))
    run = simulation.simulate(asked, steps, simulation.room_of(d, asked))
    some = run.served[150:1350]
    from_s, to_s = some[0].sent_s, some[-1].sent_s
    if tail.quantity == "itl":
        groups = (g for g in run.groups if g.decoding and from_s <= g.start_s <= to_s)
        seen = [gap for g in groups for gap in g.gaps]
    else:
        seen = [(one.ttft_s, 1) for one in some]
    return simulation.weighted(seen, (tail.percent,))[0]


@pytest.mark.parametrize(
    ("model", "tokens", "rate", "tails"),
    [
        # one in flight on average met no other's prompt: 99% of gaps within 21 ms, and 300 ms are
        ("llama-3.1-70b", (1770, 83), 2.26, (Tail("itl", 99, 0.093), Tail("ttft", 95, 0.66))),
        ("llama-3.1-8b", (8863, 330), 1.33, (Tail("itl", 99, 0.043), Tail("ttft", 99, 0.82))),
        # 23 in flight on average had room, and more wait for half a minute
        ("gemma-3-27b", (7013, 874), 2.1, (Tail("itl", 95, 0.048), Tail("ttft", 95, 3.3))),
    ],
    ids=["one in flight", "a few", "room"],
)
def test_the_answer_to_a_rate_keeps_its_limits_in_the_step_loop(model, tokens, rate, tails):
    cards = ["h100-sxm", "h200-sxm", "mi300x", "gh200-96gb", "b200-sxm", "rtx-pro-6000"]
    best = design.search(
        Workload(*tokens), Slo(tails=tails), models=[model], gpus=cards, rate=rate
    ).winner
    for tail in tails:
        seen_s = sorted(_simulated_s(best, rate / best.copies, tail, seed) for seed in range(3))
        assert seen_s[1] <= 1.02 * tail.bound_s, (best.title, tail.name)


def test_copies_at_a_rate_are_the_fewest_that_one_by_one_would_find():
    slo = Slo(tails=(Tail("itl", 95, 0.030), Tail("ttft", 99, 4.0)))
    here = {"models": ["llama-3.1-8b"], "gpus": ["l40s", "h100-sxm"], "kv": ["fp8"], "tps": [1]}
    found = design.search(CHAT, slo, rate=20.0, most_copies=30, **here)
    for d, row in zip(found.space, found.rows, strict=True):
        table = open_loop_of(d, CHAT)
        keep = (
            copies
            for copies in range(1, 31)
            if 20.0 / copies < table.most_rps
            and all(
                table.at(20.0 / copies).percentile_s(t.quantity, t.percent) <= t.bound_s
                for t in slo.tails
            )
        )
        assert row.copies == next(keep, 30), d.title
    assert 1 < found.winner.copies < 30


def test_a_percentile_of_a_candidate_is_that_of_its_rate():
    slo = Slo(tails=(Tail("itl", 95, 0.050),))
    best = find(slo, rate=2.0).winner
    (limit,) = (x for x in best.limits if x.name == "itl p95")
    made = at_rate(best.deployment, best.workload, 2.0 / best.copies).percentile("itl", 95)
    assert limit.estimate.value == pytest.approx(made.value)
    assert limit.estimate.low < limit.estimate.value < limit.estimate.high
    assert any(line.name == "in flight" for line in best.lines())


def test_a_rate_out_of_reach_is_told_with_the_most_that_any_candidate_would_answer():
    """The most is what each would answer, asked one after the other."""
    slo = Slo(tails=(Tail("itl", 95, 0.030),))
    here = {"models": ["llama-3.1-8b"], "gpus": ["l40s", "h100-sxm", "l4"], "tps": [1]}
    asked = Requirements(CHAT, slo, 7, 1e5)
    each = [7 * most_answered_rps(d, asked) for d in design.space(CHAT, **here)]
    for arrays in (False, True):
        with pytest.raises(BadInput, match=f"no more than {max(each):.3g}[.]"):
            design.search(CHAT, slo, rate=1e5, most_copies=7, arrays=arrays, **here)


def test_llama_cpp_is_told_to_run_more_than_are_usually_in_flight():
    here = {"models": ["llama-3.1-8b"], "gpus": ["l40s"], "engines": ["llama.cpp"]}
    found = design.search(CHAT, Slo(itl_s=0.1), rate=0.5, **here)
    users = found.winner.workload.concurrency
    assert found.winner.deployment.max_num_seqs == users + math.ceil(3 * users**0.5)


def test_where_a_percentile_jumps_under_a_rate_is_where_the_step_loop_has_it():
    """Below the rate that is told fewer than 5% of the gaps carry a prompt, above it more."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="fp8")
    load, slo = Workload(2000, 300, 8), Slo(tails=(Tail("itl", 95, 0.020),))
    said = design.why_no_faster(design.card(d, load, slo, rate_rps=1.0))
    edge = float(re.match(r"Beyond ([\d.]+) requests/s of a copy, over 5% of the gaps", said)[1])
    one = design.card(d, load, slo)
    below_s, above_s = (_simulated_s(one, share * edge, slo.tails[0], 0) for share in (0.9, 1.1))
    assert below_s < 0.020 < above_s
    assert design.why_no_faster(design.card(d, load, slo)) == ""
    assert design.why_no_faster(design.card(d, load, Slo(itl_s=0.02), rate_rps=1.0)) == ""
    beyond = Slo(tails=(Tail("itl", 95, 1e-4),))  # 8 GB are not read in 0.1 ms
    assert design.why_no_faster(design.card(d, load, beyond, rate_rps=1.0)) == ""
    # a first token that is late at half that rate ends it first: the jump is no reason
    late = Tail("ttft", 95, design.card(d, load, rate_rps=edge / 2).percentile_s("ttft", 95))
    first = design.card(d, load, Slo(tails=(*slo.tails, late)), rate_rps=1.0)
    assert design.why_no_faster(first) == ""


def test_no_fleet_of_workstations_is_offered_unless_it_is_asked_for():
    """A thousand requests a second are not served from desks, whatever their rent."""
    here = {"models": ["llama-3.1-8b"], "weights": ["fp8"], "kv": ["fp8"], "rate": 40.0}
    few, more = (
        design.search(CHAT, Slo(itl_s=0.05), **here, **some) for some in ({}, {"desk_cards": 400})
    )
    for c in few.found:
        if c.deployment.gpu.place == "desk":
            assert c.copies * c.deployment.num_gpus <= 8 and c.deployment.num_gpus <= 4
    fleet = next(c for c in more.found if c.deployment.gpu.place == "desk" and c.copies > 8)
    # whoever names the card takes as many as it needs
    named = design.search(CHAT, Slo(itl_s=0.05), gpus=[fleet.deployment.gpu.name], **here)
    assert fleet.copies in {c.copies for c in named.found}
    with pytest.raises(BadInput, match="desk_cards"):
        design.search(CHAT, Slo(), **here, desk_cards=0)


# however it is computed


def test_it_is_the_same_on_an_executor(answer):
    with ThreadPoolExecutor(2) as pool:
        shared = find(executor=pool)
    assert (shared.order, shared.misses) == (answer.order, answer.misses)
    assert shared.winner == answer.winner and list(shared.rows) == list(answer.rows)


def test_progress_is_told_and_may_stop_it():
    told = []
    whole = find(gpus=[], progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (len(whole.space),) * 2 and whole.complete and len(told) > 1
    part = find(gpus=[], progress=lambda done, of: False)
    assert not part.complete and len(part.rows) == told[0][0]


# beside the answer: energy, engines, an API


def test_energy_lies_between_half_and_all_of_the_board_power(answer):
    for c in answer.found[:5]:
        made = design.energy(c)
        low, high = made.j_token_interval
        assert made.board_w == c.deployment.gpu.power_w * c.deployment.num_gpus
        assert 0 <= made.computing <= 1 and low <= made.j_token <= high == 2 * low
        assert made.j_token == pytest.approx(made.power_w / c.expected.output_tok_s.value)


def test_prompts_compute_more_than_answers():
    def computing(tokens_in, out):
        return design.energy(design.card(B, Workload(tokens_in, out, 16))).computing

    assert computing(50, 2000) < computing(7000, 1000) < computing(16_000, 10) <= 1


def test_a_card_of_unknown_power_has_no_energy():
    d = catalog.deployment(model="llama-3.1-8b", gpu="trainium2")
    made = design.card(d, Workload(100, 100))
    if made.starts:
        with pytest.raises(BadInput, match="power_w"):
            design.energy(made)


def test_every_engine_has_its_best_candidate_and_its_evidence():
    found = find(
        engines=["vllm", "sglang"], load=replace(WORKED_WORKLOAD, shared_prefix_tokens=6000)
    )
    told = [design.evidence(c) for c in design.by_engine(found)]
    assert {one.engine for one in told} == {"vllm-0.33", "sglang-0.5"}
    assert all("rows" in one.speed and one.date > "2025" for one in told)
    assert all(one.prefix.startswith("1,000 of 7,000") for one in told)


def test_a_duty_cycle_makes_rented_tokens_dearer():
    asked = {"usd_h": 7.98, "output_tok_s": 863, "api_usd_mtok": 5.0}
    always, half = (design.break_even(**asked, busy=share) for share in (1.0, 0.5))
    assert half.busy_usd_mtok == 2 * always.busy_usd_mtok and half.duty == always.duty
    at = design.break_even(**asked, busy=always.duty)
    assert at.busy_usd_mtok == pytest.approx(5.0)
    for busy in (0, -1, 1.5):
        with pytest.raises(BadInput, match="busy"):
            design.break_even(**asked, busy=busy)


@pytest.mark.parametrize(("gap_s", "usd_h"), [(0.009, 30), (0.050, 30), (0.0001, 30)])
def test_what_has_to_give_for_a_rate_then_answers_it(gap_s, usd_h):
    rate, slo = 40.0, Slo(itl_s=gap_s, usd_h=usd_h)
    found = design.search(
        WORKED_WORKLOAD, slo, models=["llama-3.1-70b"], gpus=["h100-sxm"], rate=rate
    )
    assert not found.order
    for one in design.relaxations(found):
        made = one.choice.expected.served.steady_rps
        assert one.choice.copies * made >= rate, one.sentence


def _least_gap_s(space, rate, usd_h):
    """The shortest gap of any candidate that answers a rate within a rent, one by one."""
    found = []
    for d in space:
        copies = int(usd_h // d.usd_h_all)
        if copies and capacity.max_concurrent(d, WORKED_WORKLOAD.context_tokens):
            made = at_rate(d, WORKED_WORKLOAD, rate / copies)
            found += [(made.itl_s.value, d.title)] * made.answered
    return min(found)


def test_a_rate_that_nothing_answers_within_a_gap_names_the_least_that_something_would():
    """As many copies as the rent allows have the fewest requests in flight, so the least gap."""
    here = {"models": ["llama-3.1-70b"], "gpus": ["h100-sxm", "h200-sxm"], "weights": ["fp8"]}
    slo, rate = Slo(itl_s=0.005, usd_h=40.0), 2.0
    found = design.search(WORKED_WORKLOAD, slo, rate=rate, **here)
    assert not found.order
    told = [one for one in design.relaxations(found) if one.changes[0].what == "latency"]
    (change,) = told[0].changes
    least_s, title = _least_gap_s(found.space, rate, 40.0)
    assert change.before == 0.005 and change.after == pytest.approx(least_s, rel=0.01)
    assert told[0].choice.deployment.title == title
    # with it the search has an answer, and with a hundredth less none of the engine's own steps
    enough, less = (
        design.search(
            WORKED_WORKLOAD,
            replace(slo, itl_s=s),
            rate=rate,
            max_num_batched_tokens=(None,),
            **here,
        )
        for s in (change.after, 0.985 * change.after)
    )
    assert enough.winner is not None and less.winner is None
    for one in told:
        made = one.choice.expected.served.steady_rps
        assert one.choice.meets_all and one.choice.usd_h_all <= 40.0
        assert one.choice.copies * made >= rate


def test_larger_limits_are_told_where_they_take_half_of_the_rent():
    found = design.search(
        WORKED_WORKLOAD, Slo(itl_s=0.005), models=["llama-3.1-70b"], rate=10.0, weights=["fp8"]
    )
    told = [one for one in design.relaxations(found) if one.changes[0].what == "latency"]
    assert len(told) > 1
    for first, then in pairwise(told):
        assert then.changes[0].after > first.changes[0].after
        assert then.choice.usd_h_all < first.choice.usd_h_all / 2


def test_old_cards_of_nvidia_are_searched_with_the_engine_that_is_built_for_them():
    """vLLM's CMakeLists.txt: from compute capability 7.5 on with CUDA 12.8; V100 is 7.0."""
    cards = ["v100-sxm-32gb", "t4"]
    found = design.search(Workload(1000, 200, 2), Slo(), models=["llama-3.1-8b"], gpus=cards)
    engines = {(d.gpu.name, d.engine.family) for d in found.space}
    assert engines == {("v100-sxm-32gb", "llama.cpp"), ("t4", "vllm")}
    old = catalog.deployment(model="llama-3.1-8b", gpu=cards[0], engine="vllm", weights="fp8")
    told = " ".join(note.text for note in design.warnings(old, Workload(1000, 200, 2)))
    assert "vLLM 0.33 does not run on NVIDIA V100 SXM2 32GB" in told
    before = catalog.deployment(model="llama-3.1-8b", gpu=cards[0], engine="vllm-0.13")
    assert "does not run" not in str(design.warnings(before, Workload(1000, 200, 2)))


def test_the_answers_own_rent_as_budget_leaves_the_answer():
    """With the engine's own steps the card takes more copies than that rent allows."""
    load, tails = Workload(12_000, 300), (Tail("itl", 95, 0.2), Tail("ttft", 95, 5.0))
    on = {"models": ["llama-3.1-8b"], "gpus": ["l4", "h200-sxm"], "rate": 3.0}
    free = design.search(load, Slo(tails=tails), **on).winner
    assert free.deployment.max_num_batched_tokens
    for more in (1.0, 1.3):
        held = design.search(load, Slo(tails=tails, usd_h=more * free.usd_h_all), **on)
        assert held.winner.title == free.title
