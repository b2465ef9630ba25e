"""The design loop: limits, scorecard, search, fleets and their prices."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, capacity, catalog, design, toolbox
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from llmcap_kernel.spec import BadInput, Efficiency, Slo, Workload

A, B, C = worked_spec()
A98 = replace(A, memory_fraction=0.98)
WORKED = {"A": A, "B": B, "C": C}
EVERY_LIMIT = Slo(itl_s=0.05, ttft_s=5.0, usd_h=30.0, usd_mtok=3.0)

loads = st.builds(
    Workload,
    input_tokens=st.integers(1, 50_000),
    output_tokens=st.integers(1, 10_000),
    concurrency=st.integers(1, 300),
)
slos = st.builds(
    Slo,
    itl_s=st.none() | st.floats(1e-3, 1.0),
    ttft_s=st.none() | st.floats(1e-2, 100.0),
    usd_h=st.none() | st.floats(0.1, 1000.0),
    usd_mtok=st.none() | st.floats(0.01, 1000.0),
)
deployments = st.sampled_from([A, A98, B, C, replace(C, dp_attention=True)])


# limits


@given(deployments, loads, slos)
@settings(max_examples=60, deadline=None)
def test_limits_come_least_headroom_first_and_only_those_asked_for(deployment, load, slo):
    found = design.limits(deployment, load, slo)
    rooms = [limit.headroom for limit in found]
    assert rooms == sorted(rooms)
    asked = {"capacity"}
    for field, name in (
        ("itl_s", "latency"),
        ("ttft_s", "prefill"),
        ("usd_h", "budget"),
        ("usd_mtok", "cost"),
    ):
        asked |= {name} if getattr(slo, field) is not None else set()
    if not found[0].available:  # an engine that does not start has no latency and no price
        asked &= {"capacity", "budget"}
    assert {limit.name for limit in found} == asked


@given(deployments, loads, slos)
@settings(max_examples=60, deadline=None)
def test_a_limit_is_met_exactly_when_headroom_reaches_one(deployment, load, slo):
    for limit in design.limits(deployment, load, slo):
        assert limit.headroom >= 0
        assert limit.met == (limit.headroom >= 1)
        if limit.name in ("capacity", "latency", "prefill", "budget", "cost"):
            assert limit.headroom == pytest.approx(limit.available / limit.required)


def test_a_tighter_limit_has_less_headroom():
    loose, tight = (
        {x.name: x.headroom for x in design.limits(B, WORKED_WORKLOAD, slo)}
        for slo in (EVERY_LIMIT, Slo(itl_s=0.025, ttft_s=2.5, usd_h=15.0, usd_mtok=1.5))
    )
    for name in ("latency", "prefill", "budget", "cost"):
        assert tight[name] == pytest.approx(loose[name] / 2)
    assert tight["capacity"] == loose["capacity"]


def test_more_users_leave_less_capacity():
    rooms = [
        next(
            x
            for x in design.limits(B, replace(WORKED_WORKLOAD, concurrency=n), WORKED_SLO)
            if x.name == "capacity"
        ).headroom
        for n in (8, 16, 32, 64)
    ]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[0] == 2 * rooms[1]


def test_budget_is_not_a_limit_without_a_rent():
    free = replace(B, usd_h=0.0)
    assert {x.name for x in design.limits(free, WORKED_WORKLOAD, EVERY_LIMIT)} == {
        "capacity",
        "latency",
        "prefill",
    }
    assert design.card(free, WORKED_WORKLOAD).usd_mtok is None
    assert any("no rent" in w for w in design.warnings(free, WORKED_WORKLOAD))


def test_a_limit_explains_itself_in_its_unit():
    latency = next(x for x in design.limits(B, WORKED_WORKLOAD, WORKED_SLO) if x.name == "latency")
    assert "tok/s / 20 tok/s" in latency.explain()
    assert latency.explain().endswith(f"{latency.headroom:.2f}x")


# cards and scorecards


def test_the_worked_spec_is_won_by_b():
    made = design.scorecard(WORKED, WORKED_WORKLOAD, WORKED_SLO)
    assert made.winner.label == "B"
    assert made.verdict.startswith("Run B, at $")
    assert "A misses capacity" in made.verdict
    assert made.cards[0].limits[0].name == "capacity"
    assert not made.cards[0].starts and made.cards[0].tok_s_user is None


def test_the_winner_is_the_cheapest_that_meets_all():
    columns = {"two": B, "four": replace(B, tp=4), "A": A}
    made = design.scorecard(columns, WORKED_WORKLOAD, WORKED_SLO)
    good = [c for c in made.cards if c.meets_all]
    assert len(good) == 2
    assert made.winner.usd_mtok == min(c.usd_mtok for c in good)
    other = next(c for c in good if c is not made.winner)
    assert f"{other.label} meets the limits at" in made.verdict


def test_the_order_of_columns_does_not_choose_the_winner():
    winners = set()
    for order in itertools.permutations(WORKED):
        columns = {name: WORKED[name] for name in order}
        winners.add(design.scorecard(columns, WORKED_WORKLOAD, WORKED_SLO).winner.label)
    assert winners == {"B"}


def test_no_winner_is_an_answer_with_a_reason_for_each():
    made = design.scorecard(WORKED, WORKED_WORKLOAD, Slo(itl_s=1e-4))
    assert made.winner is None
    assert made.verdict.startswith("None meets every limit.")
    for label in WORKED:
        assert f"{label}: " in made.verdict
    assert "missed" in made.text()


def test_unpriced_deployments_can_win_and_say_so():
    made = design.scorecard([replace(B, usd_h=0.0)], WORKED_WORKLOAD, WORKED_SLO)
    least = made.winner.limits[0]
    assert made.verdict == (
        f"Run A, at unpriced output and {least.headroom:.2f}x headroom on {least.name}."
    )


def test_a_single_column_has_a_whole_sentence():
    made = design.scorecard([B], WORKED_WORKLOAD, WORKED_SLO)
    assert made.verdict.count(".") == made.verdict.rstrip(".").count(".") + 1
    assert ". ." not in made.verdict


def test_the_table_fits_a_narrow_page():
    for columns in (WORKED, {"A": A98, "B": B, "C": replace(C, dp_attention=True)}):
        text = design.scorecard(columns, WORKED_WORKLOAD, WORKED_SLO).text()
        assert max(map(len, text.splitlines())) <= 72
        assert "What binds" in text


def test_columns_of_the_table_line_up():
    text = design.scorecard(WORKED, WORKED_WORKLOAD, WORKED_SLO).text()
    head, *rest = text.split("\n\n")[1].splitlines()
    assert head.split() == ["A", "B", "C"]
    assert {len(row) for row in rest} == {len(head)}


def test_the_card_says_what_a_memory_fraction_would_do():
    made = design.card(A, WORKED_WORKLOAD, WORKED_SLO)
    least = design.least_fraction(A, WORKED_WORKLOAD.context_tokens)
    assert made.fits_text == f"does not start at 0.9; would at {least:.2f}"
    never = replace(C, gpu=catalog.gpu("h100-sxm"))
    assert design.card(never, WORKED_WORKLOAD).fits_text == "does not start at any memory fraction"


def test_speed_and_price_are_those_of_the_users_who_fit():
    made = design.card(A98, WORKED_WORKLOAD, WORKED_SLO)
    assert made.users == made.books.max_concurrent < 16
    assert made.serving.concurrency == made.users


def test_an_estimate_never_beats_its_ceiling():
    ceiling = design.card(B, WORKED_WORKLOAD, WORKED_SLO)
    real = design.card(
        B, WORKED_WORKLOAD, WORKED_SLO, efficiency=Efficiency(bandwidth=0.7, compute=0.5)
    )
    assert real.usd_mtok > ceiling.usd_mtok
    assert real.books.max_concurrent == ceiling.books.max_concurrent


@pytest.mark.parametrize("columns", [{}, [], [B] * 27])
def test_too_few_or_too_many_columns_are_refused(columns):
    with pytest.raises(BadInput, match="columns"):
        design.scorecard(columns, WORKED_WORKLOAD)


def test_unnamed_columns_are_lettered():
    made = design.scorecard([B] * 26, WORKED_WORKLOAD)
    assert [made.cards[0].label, made.cards[-1].label] == ["A", "Z"]


# a shared prefix


@given(deployments, st.integers(0, 7000))
@settings(max_examples=30, deadline=None)
def test_a_shared_prefix_never_costs_room(deployment, shared):
    load = replace(WORKED_WORKLOAD, shared_prefix_tokens=shared)
    alone = design.card(deployment, WORKED_WORKLOAD, WORKED_SLO)
    made = design.card(deployment, load, WORKED_SLO)
    # one prefix kept apart can cost a user where it is not yet shared by any two
    assert made.max_concurrent >= alone.max_concurrent - 1
    assert made.limits == design.limits(deployment, load, WORKED_SLO)
    room = next(x for x in made.limits if x.name == "capacity")
    assert room.available == made.max_concurrent
    assert made.fits == (made.max_concurrent >= 16)


def test_a_shared_prefix_shows_its_line_of_arithmetic():
    load = replace(WORKED_WORKLOAD, shared_prefix_tokens=6000)
    made = design.card(B, load, WORKED_SLO)
    assert made.max_concurrent > 3 * capacity.max_concurrent(B, 8000)
    assert "floor((kv_pool - shared prefix) / kv_per_sequence)" in made.explain()
    assert "shared prefix" not in design.card(B, WORKED_WORKLOAD, WORKED_SLO).explain()


def test_a_shared_prefix_moves_every_answer_about_users():
    load = replace(WORKED_WORKLOAD, shared_prefix_tokens=6000)
    assert design.most_users(B, load) == design.card(B, load).max_concurrent
    own, shared = (
        design.fleet(B, x, WORKED_SLO, users=200).copies for x in (WORKED_WORKLOAD, load)
    )
    assert shared < own


# least_fraction


@pytest.mark.parametrize("context", [1000, 8000, 20_000])
def test_least_fraction_starts_and_a_hundredth_less_does_not(context):
    least = design.least_fraction(A, context)
    assert capacity.max_concurrent(replace(A, memory_fraction=least), context) >= 1
    below = replace(A, memory_fraction=least - 0.01)
    assert capacity.max_concurrent(below, context) == 0


def test_least_fraction_is_none_when_nothing_helps():
    assert design.least_fraction(A, 130_000) is None


def test_least_fraction_grows_with_context():
    found = [design.least_fraction(A, n) for n in (1000, 10_000, 25_000)]
    assert found == sorted(found) and found[0] < found[-1]


# prices


@given(st.floats(0.01, 100.0), st.floats(1.5, 10.0))
@settings(max_examples=30, deadline=None)
def test_price_is_linear_in_rent(usd_h, times):
    one = design.card(replace(B, usd_h=usd_h), WORKED_WORKLOAD).usd_mtok
    many = design.card(replace(B, usd_h=usd_h * times), WORKED_WORKLOAD).usd_mtok
    assert many == pytest.approx(one * times)


@given(st.floats(0.1, 1000.0), st.floats(0.1, 1e6))
def test_a_million_tokens_at_the_rate_cost_the_rent_of_their_time(usd_h, tok_s):
    price = toolbox.usd_per_mtok(usd_h=usd_h, tok_s=tok_s)
    assert price == pytest.approx(1e6 / tok_s / 3600 * usd_h)


# users and fleets


@given(deployments, loads, slos)
@settings(max_examples=40, deadline=None)
def test_most_users_hold_and_one_more_does_not(deployment, load, slo):
    most = design.most_users(deployment, load, slo)
    fit = capacity.max_concurrent(deployment, load.context_tokens)
    assert 0 <= most <= fit

    def in_time(users):
        busy = bandwidth.serve(deployment, load, concurrency=users)
        return (slo.itl_s is None or busy.itl_served_s <= slo.itl_s) and (
            slo.ttft_s is None or busy.ttft_burst_s <= slo.ttft_s
        )

    assert not most or in_time(most)
    assert most == fit or not in_time(most + 1)


@given(deployments, st.integers(1, 2000))
@settings(max_examples=40, deadline=None)
def test_a_fleet_has_as_many_copies_as_its_users_need(deployment, users):
    fleet = design.fleet(deployment, WORKED_WORKLOAD, WORKED_SLO, users=users)
    each = design.most_users(deployment, WORKED_WORKLOAD, WORKED_SLO)
    if not each:
        assert fleet.copies == 0 and fleet.usd_mtok is None
        assert "none" in fleet.explain()
        return
    assert (fleet.copies - 1) * each < users <= fleet.copies * each
    assert fleet.usd_h == pytest.approx(fleet.copies * deployment.num_gpus * deployment.gpu_usd_h)
    assert fleet.usd_mtok == pytest.approx(
        toolbox.usd_per_mtok(usd_h=fleet.usd_h, tok_s=fleet.output_tok_s)
    )


def test_one_copy_costs_what_its_card_says():
    fleet = design.fleet(B, WORKED_WORKLOAD, WORKED_SLO)
    card = design.card(B, WORKED_WORKLOAD, WORKED_SLO)
    assert fleet.copies == 1
    assert fleet.usd_mtok == pytest.approx(card.usd_mtok)


def test_a_cheap_hour_is_not_a_cheap_token():
    a, b = (design.fleet(d, WORKED_WORKLOAD, WORKED_SLO) for d in (A98, B))
    assert A98.gpu_usd_h * A98.num_gpus < B.gpu_usd_h * B.num_gpus
    assert a.usd_mtok > 2 * b.usd_mtok


@pytest.mark.parametrize("users", [0, -1, 1.5, float("nan"), "16", 10**9])
def test_a_fleet_refuses_users_that_are_no_count(users):
    with pytest.raises(BadInput, match="users"):
        design.fleet(B, WORKED_WORKLOAD, users=users)


# search


GPUS = ["a100-sxm-80gb", "h100-sxm", "h200-sxm", "l40s"]


@pytest.fixture(scope="module")
def answer():
    return design.search("llama-3.1-70b", WORKED_WORKLOAD, WORKED_SLO, gpus=GPUS)


def test_search_finds_only_what_holds_cheapest_first(answer):
    prices = [c.usd_mtok for c in answer.found if c.usd_mtok is not None]
    assert answer.found and all(c.meets_all for c in answer.found)
    assert prices == sorted(prices)


def test_search_keeps_a_reason_for_each_it_passed_over(answer):
    rooms = [c.limits[0].headroom for c in answer.passed_over]
    assert rooms == sorted(rooms, reverse=True)
    for c in answer.passed_over:
        assert not c.limits[0].met
        assert "missed: " in c.binding and c.binding.split("missed: ")[1]


def test_search_loses_no_candidate(answer):
    tried = {
        (c.deployment.gpu.name, c.deployment.tp, c.deployment.weights.name, c.deployment.kv.name)
        for c in (*answer.found, *answer.passed_over)
    }
    assert len(tried) == len(answer.found) + len(answer.passed_over)
    linked = [n for n in GPUS if catalog.gpu(n).link_bandwidth_bytes_s]
    assert len(tried) == 4 * (len(GPUS) + 3 * len(linked))


def test_search_agrees_with_a_card_made_by_hand(answer):
    b = next(
        c
        for c in answer.found
        if (c.deployment.gpu.name, c.deployment.tp) == ("h100-sxm", 2)
        and (c.deployment.weights.name, c.deployment.kv.name) == ("fp8", "fp8")
    )
    assert b.usd_mtok == design.card(B, WORKED_WORKLOAD, WORKED_SLO).usd_mtok


def test_search_prints_one_block_for_each_hardware(answer):
    text = answer.text(rows=50)
    kinds = {(c.deployment.gpu.name, c.deployment.num_gpus) for c in answer.by_hardware}
    assert len(kinds) == len(answer.by_hardware) == text.count(" weights, ")
    assert "why not:" in text
    assert max(map(len, text.splitlines())) <= 72


def test_search_with_nothing_found_says_so():
    hopeless = design.search("llama-3.1-70b", WORKED_WORKLOAD, Slo(itl_s=1e-4), gpus=["h100-sxm"])
    assert not hopeless.found
    assert hopeless.text().startswith("nothing meets every limit")


def test_search_can_split_attention_by_user():
    found = design.search(
        "deepseek-v3",
        replace(WORKED_WORKLOAD, concurrency=200),
        Slo(itl_s=0.05),
        gpus=["h200-sxm"],
        weights=["fp8"],
        kv=["fp8"],
        tps=[8],
        dp_attention=(False, True),
    )
    assert [c.deployment.dp_attention for c in found.found] == [True]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"gpus": ["h100-sxn"]}, "h100-sxm"),
        ({"weights": ["fp9"]}, "fp8"),
        ({"model": "lama-3.1-70b"}, "llama-3.1-70b"),
    ],
)
def test_search_refuses_an_unknown_name_with_the_nearest(changed, named):
    asked = {"model": "llama-3.1-70b", "gpus": ["h100-sxm"], **changed}
    with pytest.raises(BadInput, match=named):
        design.search(workload=WORKED_WORKLOAD, slo=WORKED_SLO, **asked)


def test_a_format_that_converts_nothing_says_so():
    dense = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="mxfp4")
    moe = catalog.deployment(model="gpt-oss-120b", gpu="h100-sxm", weights="mxfp4")
    said = "stay in 16 bits"
    assert any(said in w for w in design.warnings(dense, WORKED_WORKLOAD))
    assert not any(said in w for w in design.warnings(moe, WORKED_WORKLOAD))


# estimates


def test_room_to_spare_is_not_a_share_of_what_was_asked():
    def capacity_of(users):
        (limit,) = design.limits(B, replace(WORKED_WORKLOAD, concurrency=users), Slo())
        return limit.sentence

    assert capacity_of(1) == "room for 51 sequences, 1 wanted"
    assert capacity_of(51) == "room for 51 of 51 sequences"
    assert capacity_of(100) == "room for 51 of 100 sequences"


@given(deployments, loads)
@settings(max_examples=60, deadline=None)
def test_an_estimate_holds_its_value_and_stays_behind_its_ceiling(deployment, load):
    made = design.card(deployment, load)
    rate, price = made.estimated_tok_s_user, made.estimated_usd_mtok
    if not made.starts:
        assert rate is None and price is None and made.observed() is None
        return
    assert rate.low <= rate.value <= rate.high <= rate.ceiling * 1.0001
    assert price.ceiling * 0.9999 <= price.low <= price.value <= price.high
    assert rate.value == pytest.approx(1e3 / made.estimate("itl_ms").value)
    assert price.value == pytest.approx(
        made.usd_h / 3600 / made.estimate("output_tok_s_total").value * 1e6
    )


@given(deployments, loads)
@settings(max_examples=60, deadline=None)
def test_what_is_observed_is_what_is_estimated(deployment, load):
    made = design.card(deployment, load)
    if not made.starts:
        return
    for ceiling, end in ((False, "value"), (True, "ceiling")):
        seen = made.observed(ceiling=ceiling)
        for metric, value in (
            ("itl_ms", seen.itl_s * 1e3),
            ("ttft_ms", seen.ttft_s * 1e3),
            ("output_tok_s_total", seen.output_tok_s),
        ):
            assert value == pytest.approx(getattr(made.estimate(metric), end))


@pytest.mark.parametrize("users", [1, 16])
def test_the_lines_of_an_estimate_add_up(users):
    made = design.card(B, replace(WORKED_WORKLOAD, concurrency=users))
    seen = made.observed()
    share, out = seen.decode.efficiency.prefill_share, seen.output_tokens
    fill_s = share * seen.prompt.share_s
    if seen.served:
        others_s = users * seen.prompt.share_s - seen.queue_s
        gap_s = seen.decode.itl_s + share * others_s / out
        rate = users * out / (seen.ttft_s + out * seen.itl_s)
    else:
        gap_s, rate = seen.decode.itl_s, users * out / (users * fill_s + out * seen.decode.itl_s)
    assert seen.itl_s == pytest.approx(gap_s)
    assert seen.output_tok_s == pytest.approx(rate)


def test_a_card_explains_its_estimates_and_their_width():
    text = design.card(B, WORKED_WORKLOAD).explain()
    assert "efficiencies = fitted to measurements: served, served vllm" in text
    assert "itl = step + overlap x (users x prefill - queue) / output_tokens" in text
    assert "estimated output_rate = served vllm on hopper" in text and "four times in five" in text
    assert "efficiencies" not in design.card(A, WORKED_WORKLOAD).explain()
    laptop = catalog.deployment(model="llama-3.1-8b", gpu="apple-m3-max", engine="llama.cpp")
    assert "itl = step\n" in design.card(laptop, Workload(500, 200)).explain()


def test_a_check_is_met_by_the_value_and_sure_by_the_slow_end():
    made = design.card(B, WORKED_WORKLOAD)
    gap = made.estimate("itl_ms")
    for itl_ms, met, sure in (
        (gap.value * 0.99, False, False),
        (gap.value * 1.01, True, False),
        (gap.high * 1.01, True, True),
    ):
        (check,) = made.checks(Slo(itl_s=itl_ms / 1e3))
        assert (check.met, check.sure) == (met, sure)
        assert check.met == (check.headroom >= 1)
    names = [check.name for check in made.checks(EVERY_LIMIT)]
    assert sorted(names) == ["cost", "latency", "prefill"]
    assert design.card(A, WORKED_WORKLOAD).checks(EVERY_LIMIT) == ()


@given(st.sampled_from([A98, B, C]), loads, slos)
@settings(max_examples=25, deadline=None)
def test_estimated_users_are_the_last_at_whom_the_limits_hold(deployment, load, slo):
    made = design.estimated_users(deployment, load, slo)
    top = capacity.workload_ledger(deployment, load).max_concurrent
    assert 0 <= made.low <= made.value <= made.high <= made.ceiling <= top

    def holds(users):
        trial = design.card(deployment, replace(load, concurrency=users))
        return all(check.met for check in trial.checks(replace(slo, usd_mtok=None)))

    if made.value > 1:
        assert holds(made.value)
    if 1 < made.value < top:
        assert not holds(made.value + 1)


def test_memory_alone_caps_the_users_without_an_interval():
    made = design.estimated_users(B, WORKED_WORKLOAD)
    assert made.low == made.high == made.ceiling == 51 and "memory" in made.reason
    assert design.estimated_users(A, WORKED_WORKLOAD, WORKED_SLO).value == 0


# what an API asks


def test_an_api_bills_prompts_beside_answers():
    asked = design.api_usd_mtok(WORKED_WORKLOAD, usd_mtok_input=0.5, usd_mtok_output=1.5)
    assert asked == 1.5 + 7 * 0.5


@given(st.floats(0.1, 1e3), st.floats(1, 1e5), st.floats(0.01, 1e3))
def test_at_break_even_the_rent_is_the_bill(usd_h, tok_s, api):
    even = design.break_even(usd_h=usd_h, output_tok_s=tok_s, api_usd_mtok=api)
    assert toolbox.usd_per_mtok(usd_h=usd_h, tok_s=tok_s * even.duty) == pytest.approx(api)
    bill = even.tokens_month / 1e6 * api
    assert bill == pytest.approx(usd_h * design.HOURS_MONTH)
    made = tok_s * 3600 * design.HOURS_MONTH * even.duty
    assert made == pytest.approx(even.tokens_month)


def test_break_even_explains_itself_and_refuses_what_is_free():
    even = design.break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=5.0)
    assert "break-even duty = own price, always busy / API price" in even.explain()
    assert "million output tokens a month" in even.explain()
    with pytest.raises(BadInput, match="api_usd_mtok is 0"):
        design.break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=0)
