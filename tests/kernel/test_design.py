"""The design loop: limits, scorecard, search, fleets and their prices."""

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, capacity, catalog, design, serving
from llmcap_kernel.calibration import Estimate
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, expected, worked_spec
from llmcap_kernel.design.limits import meets
from llmcap_kernel.design.notes import limit_notes
from llmcap_kernel.explain import quantity as written
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.simulation.spread import spread_of
from llmcap_kernel.spec import Slo, Tail, Workload

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


def limits_of(deployment, load, slo):
    return design.card(deployment, load, slo).limits


def limit_of(deployment, load, slo, name):
    return next(x for x in limits_of(deployment, load, slo) if x.name == name)


# limits


@given(deployments, loads, slos)
@settings(max_examples=60, deadline=None)
def test_limits_come_least_headroom_first_and_only_those_asked_for(deployment, load, slo):
    made = design.card(deployment, load, slo)
    found = made.limits
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
    if not made.starts:  # an engine that does not start has no latency and no price
        asked &= {"capacity", "budget"}
    assert {limit.name for limit in found} == asked


@given(deployments, loads, slos)
@settings(max_examples=60, deadline=None)
def test_a_limit_holds_exactly_when_headroom_reaches_one(deployment, load, slo):
    for limit in limits_of(deployment, load, slo):
        assert limit.headroom >= 0
        assert limit.holds == (limit.headroom >= 1)
        assert limit.holds or limit.verdict not in ("met", "likely")
        assert not limit.holds or limit.verdict in ("met", "likely", "open")
        assert limit.headroom == pytest.approx(limit.available / limit.required)


def test_a_tighter_limit_has_less_headroom():
    loose, tight = (
        {x.name: x.headroom for x in limits_of(B, WORKED_WORKLOAD, slo)}
        for slo in (EVERY_LIMIT, Slo(itl_s=0.025, ttft_s=2.5, usd_h=15.0, usd_mtok=1.5))
    )
    for name in ("latency", "prefill", "budget", "cost"):
        assert tight[name] == pytest.approx(loose[name] / 2)
    assert tight["capacity"] == loose["capacity"]


def test_more_users_leave_less_capacity():
    rooms = [
        limit_of(B, replace(WORKED_WORKLOAD, concurrency=n), WORKED_SLO, "capacity").headroom
        for n in (8, 16, 32, 64)
    ]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[0] == 2 * rooms[1]


def test_budget_is_not_a_limit_without_a_rent():
    free = replace(B, usd_h=0.0)
    assert {x.name for x in limits_of(free, WORKED_WORKLOAD, EVERY_LIMIT)} == {
        "capacity",
        "latency",
        "prefill",
    }
    assert design.card(free, WORKED_WORKLOAD).usd_mtok is None
    (note,) = design.warnings(free, WORKED_WORKLOAD)
    assert note.about == "rent" and "(usd_h) is 0 as given" in note.text


def test_weights_that_an_engine_does_not_load_are_told():
    """llama.cpp has no FP8 type (ggml.h), and TensorRT-LLM reads no GGUF file."""
    pairs = (("llama.cpp", "fp8"), ("trtllm", "gguf-q4-k-m"), ("llama.cpp", "gguf-q8-0"))
    told = []
    for engine, weights in pairs:
        d = catalog.deployment(model="llama-3.1-8b", gpu="l40s", engine=engine, weights=weights)
        notes = [note.text for note in design.warnings(d, WORKED_WORKLOAD)]
        told.append([text for text in notes if "GGUF" in text])
    assert told == [
        ["llama.cpp loads GGUF files alone, and none is in FP8."],
        ["TensorRT-LLM loads no GGUF file."],
        [],
    ]


def test_a_rent_that_is_a_spot_price_is_told_unless_it_is_one_s_own():
    here = catalog.deployment(model="llama-3.1-70b", gpu="mi355x", weights="fp8")
    (note,) = design.warnings(here, WORKED_WORKLOAD)
    assert note.about == "rent"
    told = "The rent of mi355x is a spot price (Vultr, 2026-08-22): it may be taken away."
    assert note.text == told
    dearer = replace(here.gpu, usd_h=5.0)
    for own in (replace(here, usd_h=2.59), replace(here, gpu=dearer), replace(B, usd_h=None)):
        assert not design.warnings(own, WORKED_WORKLOAD)


def test_a_limit_explains_itself_in_its_unit():
    latency = limit_of(B, WORKED_WORKLOAD, Slo(itl_s=0.050), "latency")
    assert "tok/s / 20 tok/s" in latency.explain()
    assert latency.explain().endswith(f"{latency.headroom:.2f}x, {latency.words}")


def test_requests_that_engine_or_model_refuse_are_a_limit_missed():
    """Memory alone says yes: 8,000 tokens, where 4,000 or 131,072 are taken."""
    short = replace(B, max_model_len=4000)
    limit = limit_of(short, WORKED_WORKLOAD, WORKED_SLO, "length")
    assert (limit.verdict, limit.headroom) == ("missed", 0.5)
    assert limit.sentence == "requests have 8,000 tokens, 4,000 are taken"
    long = Workload(150_000, 500)
    assert limit_of(B, long, WORKED_SLO, "length").verdict == "impossible"
    made = design.card(short, WORKED_WORKLOAD, WORKED_SLO)
    assert made.fits
    assert not made.meets_all
    assert not meets(made.ledger, made.estimates, WORKED_SLO)
    card = design.scorecard({"short": short, "B": B}, WORKED_WORKLOAD, WORKED_SLO)
    assert card.winner.label == "B"


def test_a_first_token_is_judged_on_its_mean_under_load():
    """Idle it would come in time: others' prompts ahead of it are what misses the limit."""
    found = design.card(B, WORKED_WORKLOAD).estimates
    idle_s, mean_s = found.served.ttft_idle_s, found.ttft_s.value
    assert idle_s < mean_s == found.served.ttft_mean_s
    slo = Slo(ttft_s=(idle_s + mean_s) / 2)
    crowded = limit_of(B, WORKED_WORKLOAD, slo, "prefill")
    assert crowded.estimate == found.ttft_s and not crowded.holds
    # nor is it judged on the last of a burst, whose wait is longer than the mean
    assert found.served.ttft_burst_s > mean_s
    assert limit_of(B, WORKED_WORKLOAD, Slo(ttft_s=mean_s), "prefill").holds
    alone = limit_of(B, replace(WORKED_WORKLOAD, concurrency=1), slo, "prefill")
    assert alone.estimate.value == pytest.approx(idle_s) and alone.holds


def test_a_gap_is_judged_with_others_prompts_in_it():
    found = design.card(B, WORKED_WORKLOAD).estimates
    decode_s, gap_s = found.served.itl_decode_s, found.itl_s.value
    assert decode_s < gap_s == found.served.itl_s
    between = limit_of(B, WORKED_WORKLOAD, Slo(itl_s=(decode_s + gap_s) / 2), "latency")
    assert between.estimate == found.itl_s and not between.holds


# verdicts, on intervals made by hand


SECONDS = Estimate(value=0.040, low=0.030, high=0.060, ceiling=0.020, reason="")
USERS = Estimate(value=40, low=30, high=60, ceiling=80, reason="")
UNITS = {"capacity": "users", "budget": "USD/h", "cost": "USD/Mtok"}
RENT = Estimate(value=8.0, low=8.0, high=8.0, ceiling=8.0, reason="")


@pytest.mark.parametrize(
    ("name", "estimate", "bound", "verdict"),
    [
        ("latency", SECONDS, 0.061, "met"),
        ("latency", SECONDS, 0.060, "met"),
        ("latency", SECONDS, 0.059, "likely"),
        # 3 in 4 is 0.6745 deviations, of which an end has 1.2816: 40 ms x 1.5 ** 0.526 is 49.5 ms
        ("latency", SECONDS, 0.0496, "likely"),
        ("latency", SECONDS, 0.0494, "open"),
        ("latency", SECONDS, 0.040, "open"),
        ("latency", SECONDS, 0.039, "open"),
        ("latency", SECONDS, 0.0345, "open"),  # 40 ms x 0.75 ** 0.526 is 34.4 ms
        ("latency", SECONDS, 0.0343, "unlikely"),
        ("latency", SECONDS, 0.0301, "unlikely"),
        ("latency", SECONDS, 0.025, "missed"),  # beyond the interval, and not beyond physics
        ("latency", SECONDS, 0.020, "missed"),
        ("latency", SECONDS, 0.019, "impossible"),
        ("prefill", SECONDS, 0.060, "met"),
        ("prefill", SECONDS, 0.019, "impossible"),
        ("cost", SECONDS, 0.050, "likely"),
        ("cost", SECONDS, 0.019, "impossible"),
        ("capacity", USERS, 30, "met"),
        ("capacity", USERS, 31, "likely"),
        ("capacity", USERS, 34, "likely"),  # 40 - 0.526 x 10 is 34.7
        ("capacity", USERS, 35, "open"),
        ("capacity", USERS, 40, "open"),
        ("capacity", USERS, 50, "open"),  # 40 + 0.526 x 20 is 50.5
        ("capacity", USERS, 51, "unlikely"),
        ("capacity", USERS, 61, "missed"),
        ("capacity", USERS, 80, "missed"),
        ("capacity", USERS, 81, "impossible"),
        ("budget", RENT, 8.0, "met"),
        ("budget", RENT, 7.9, "missed"),
        ("budget", RENT, 0.01, "missed"),  # money can be found
    ],
)
def test_a_verdict_is_read_off_the_interval(name, estimate, bound, verdict):
    limit = design.Limit(name, bound, estimate, UNITS.get(name, "s"))
    assert limit.verdict == verdict
    assert limit.holds == (
        bound >= 0.040
        if name in ("latency", "prefill", "cost")
        else bound <= estimate.value
        if name == "capacity"
        else bound >= 8
    )


def test_every_verdict_has_its_words():
    """From sure to sure not."""
    bounds = (0.07, 0.05, 0.04, 0.032, 0.025, 0.01)
    made = [design.Limit("latency", bound, SECONDS, "s") for bound in bounds]
    assert [one.verdict for one in made] == list(design.VERDICTS)
    words = ["met", "likely met", "could go either way", "likely missed", "missed", "impossible"]
    assert [one.words for one in made] == words


def test_the_chance_of_a_limit_is_that_of_its_interval():
    """A tenth lies beyond either end, and half on either side of the estimate."""
    at = {0.060: 0.9, 0.040: 0.5, 0.030: 0.1}
    for bound, chance in at.items():
        assert design.Limit("latency", bound, SECONDS, "s").chance == pytest.approx(chance)
    for users, chance in {30: 0.9, 40: 0.5, 60: 0.1}.items():
        assert design.Limit("capacity", users, USERS, "users").chance == pytest.approx(chance)
    assert design.Limit("budget", 8.0, RENT, "USD/h").chance == 1.0


@given(st.floats(0.01, 1), st.floats(0, 0.95), st.floats(0, 30), st.floats(0.001, 10))
def test_a_wider_limit_is_never_less_likely_met(value, less, more, bound):
    e = Estimate(value, value * (1 - less), value * (1 + more), value * (1 - less) / 2, "")
    told = [design.Limit("latency", b, e, "s").verdict for b in (bound, bound * 1.1)]
    first, then = map(design.VERDICTS.index, told)
    assert then <= first


def test_a_time_is_compared_as_its_rate():
    limit = design.Limit("latency", 0.050, SECONDS, "s")
    assert (limit.required, limit.available) == (pytest.approx(20), pytest.approx(25))
    assert limit.headroom == pytest.approx(1.25)


def test_a_card_that_cannot_hold_the_users_at_any_setting_says_impossible():
    """A: 79.2 GiB less 67.7 GiB of weights are 12.3 GB, 9 users of 1.31 GB each at best."""
    for users, verdict in ((9, "missed"), (10, "impossible"), (16, "impossible")):
        load = replace(WORKED_WORKLOAD, concurrency=users)
        assert limit_of(A, load, Slo(), "capacity").verdict == verdict


# cards and scorecards


def test_the_worked_spec_is_won_by_b():
    made = design.scorecard(WORKED, WORKED_WORKLOAD, WORKED_SLO)
    assert made.winner.label == "B"
    assert made.verdict.startswith("Run B, at $")
    assert (
        "A cannot meet the capacity: " in made.verdict and "C misses the budget: " in made.verdict
    )
    assert made.cards[0].limits[0].name == "capacity"
    assert not made.cards[0].starts and made.cards[0].estimates is None


def test_the_winner_is_the_cheapest_that_meets_all():
    columns = {"two": B, "four": replace(B, tp=4), "A": A}
    made = design.scorecard(columns, WORKED_WORKLOAD, WORKED_SLO)
    good = [c for c in made.cards if c.meets_all]
    assert len(good) == 2
    assert made.winner.usd_mtok.value == min(c.usd_mtok.value for c in good)
    other = next(c for c in good if c is not made.winner)
    times = other.usd_mtok.value / made.winner.usd_mtok.value
    assert f"{other.label} meets the limits at {times:.2f}x the price" in made.verdict


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
    # the weights of one card alone take longer: 35 GB at 3.35 TB/s are 10 ms
    assert {c.limits[0].verdict for c in made.cards} == {"impossible"}
    assert "impossible" in made.text()


def test_unpriced_deployments_can_win_and_say_so():
    made = design.scorecard([replace(B, usd_h=0.0)], WORKED_WORKLOAD, WORKED_SLO)
    least = made.winner.limits[0]
    room = f"{least.title} {least.words} with {least.headroom:.2f}x headroom"
    assert made.verdict == f"Run A, at unpriced output, {room}."


def test_headroom_of_what_could_go_either_way_is_the_estimates():
    """At a third of the limit the gap is within it; at the limit its interval is astride."""
    gap = design.card(B, WORKED_WORKLOAD, WORKED_SLO).limits[0].estimate.value
    sure, open_one = (
        design.scorecard([B], WORKED_WORKLOAD, Slo(tails=(Tail("itl", 95, bound),))).verdict
        for bound in (3 * gap, 1.01 * gap)
    )
    assert "met with" in sure
    assert "could go either way, though the estimate has 1.01x headroom" in open_one


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
    assert made.users == made.max_concurrent < 16
    assert made.estimates.served.users == made.estimates.ceiling.users == made.users


def test_what_binds_without_limits_is_what_runs_out_first():
    """B has room for all 16 and more, A at 0.98 has not, and A as it is does not start."""
    enough, few, none = (design.card(d, WORKED_WORKLOAD) for d in (B, A98, A))
    assert enough.fits and "no limit set" in enough.binding
    assert enough.binding.endswith(f"the cache runs out first, at {enough.max_concurrent:,} users")
    assert not few.fits and few.limits[0].name == "capacity"
    assert f"room for {few.max_concurrent} of 16 users" in few.binding
    assert "room for 0 of 16 users" in none.binding


def test_what_binds_with_limits_is_the_one_with_the_least_headroom():
    gap = design.card(B, WORKED_WORKLOAD).estimates.itl_s
    for bound_s, words in ((gap.high * 0.99, ": likely met"), (gap.low * 0.9, ": missed")):
        made = design.card(B, WORKED_WORKLOAD, Slo(itl_s=bound_s, usd_h=30.0))
        assert made.limits[0].name == "latency" and made.binding.endswith(words)
        assert made.limits[0].sentence in made.binding


def test_a_card_at_other_users_is_the_card_of_that_load():
    made = design.card(B, WORKED_WORKLOAD, WORKED_SLO)
    moved = made.at(40)
    assert moved == design.card(B, replace(WORKED_WORKLOAD, concurrency=40), WORKED_SLO)
    assert made.at(16) is made


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
    assert made.max_concurrent == capacity.max_concurrent(
        deployment, load.context_tokens, shared_prefix_tokens=shared
    )
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
    assert design.users_within(B, load).value == design.card(B, load).max_concurrent
    own, shared = (
        design.fleet(B, x, Slo(usd_h=30.0), users=200).copies for x in (WORKED_WORKLOAD, load)
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
    one, many = (
        design.card(replace(B, usd_h=rent), WORKED_WORKLOAD).usd_mtok
        for rent in (usd_h, usd_h * times)
    )
    for end in ("value", "low", "high", "ceiling"):
        assert getattr(many, end) == pytest.approx(getattr(one, end) * times)


@given(st.floats(0.1, 1000.0), st.floats(0.1, 1e6))
def test_a_million_tokens_at_the_rate_cost_the_rent_of_their_time(usd_h, tok_s):
    price = serving.usd_per_mtok(usd_h=usd_h, tok_s=tok_s)
    assert price == pytest.approx(1e6 / tok_s / 3600 * usd_h)


# users and fleets


def in_time(card, end="value"):
    """Whether one end of the interval of every latency meets its limit."""
    asked = ((card.slo.itl_s, "itl_s"), (card.slo.ttft_s, "ttft_s"))
    return all(s is None or getattr(getattr(card.estimates, name), end) <= s for s, name in asked)


@given(st.sampled_from([A98, B, C]), loads, slos)
@settings(max_examples=25, deadline=None)
def test_users_within_are_the_last_at_whom_the_limits_hold(deployment, load, slo):
    within = design.users_within(deployment, load, slo)
    top = serving.most_running(deployment, load)
    assert 0 <= within.low <= within.value <= within.high <= within.ceiling <= top

    for count, end in (
        (within.value, "value"),
        (within.low, "high"),
        (within.high, "low"),
        (within.ceiling, "ceiling"),
    ):
        at = design.card(deployment, load, slo).at
        assert count == 0 or in_time(at(count), end), end
        if within.low != top:  # else memory alone caps them
            assert count == top or not in_time(at(count + 1), end), end


@pytest.mark.parametrize(  # with few users the interval of a first token ends at the ceiling
    ("limit", "users"), [("itl_s", 3), ("itl_s", 20), ("ttft_s", 25), ("ttft_s", 30)]
)
def test_users_within_a_limit_set_at_their_own_estimate_are_those_users(limit, users):
    """The estimate at some users as the limit gives these users back, and so does each end."""
    found = getattr(design.card(B, WORKED_WORKLOAD).at(users).estimates, limit)
    for end, count in (("value", "value"), ("high", "low"), ("low", "high")):
        bound = getattr(found, end)
        within = design.users_within(B, WORKED_WORKLOAD, Slo(**{limit: bound * (1 + 1e-9)}))
        assert getattr(within, count) == users
    assert design.users_within(B, WORKED_WORKLOAD, Slo(**{limit: found.value * (1 - 1e-9)})).value


def test_one_user_more_than_the_limit_allows_is_a_limit_missed():
    gap_s = design.card(B, WORKED_WORKLOAD).at(20).estimates.itl_s.value
    slo = Slo(itl_s=gap_s * (1 + 1e-9))
    within = design.users_within(B, WORKED_WORKLOAD, slo)
    last, next_one = (design.card(B, WORKED_WORKLOAD, slo).at(n) for n in (20, 21))
    assert within.value == 20 and last.meets_all and not next_one.meets_all
    # the slow end of the gap is the one that few users meet
    assert within.low < 20 < within.high
    sure = design.card(B, WORKED_WORKLOAD, slo).at(within.low)
    verdicts = [x.verdict for x in sure.limits if x.name == "latency"]
    assert verdicts == ["met"]


def test_users_within_a_percentile_are_those_of_whom_few_enough_gaps_carry_a_prompt():
    """One chunk a prompt: of 1,000 steps of an answer, each other user in progress stops one."""
    slo = Slo(tails=(Tail("itl", 95, 0.050),))
    within = design.users_within(C, WORKED_WORKLOAD, slo)
    last, next_one = (design.card(C, WORKED_WORKLOAD, slo).at(within.value + n) for n in (0, 1))
    assert last.meets_all and not next_one.meets_all
    shares = [spread_of(card.estimates.served).stalled for card in (last, next_one)]
    assert shares[0] <= 0.05 < shares[1]
    # 5 of 100 gaps of 1,000 are 50 prompts; a tenth of them come in the burst before
    assert 50 < within.value - 1 < 50 / 0.9


@settings(max_examples=15, deadline=None)
@given(
    load=st.builds(Workload, st.integers(100, 20_000), st.integers(50, 2000)),
    tail=st.builds(Tail, st.sampled_from(("itl", "tpot", "ttft")), st.sampled_from((50, 95, 99)),
                   st.floats(0.01, 3.0)),
)  # fmt: skip
def test_users_within_a_percentile_are_found_as_by_asking_for_each_number(load, tail):
    slo = Slo(tails=(tail,))

    def holds(users):
        found = design.card(B, replace(load, concurrency=users), slo).limits
        return all(x.headroom >= 1 for x in found if x.name == tail.name)

    top = min(serving.most_running(B, load), 120)
    counted = next((n - 1 for n in range(1, top + 1) if not holds(n)), top)
    assert min(design.users_within(B, load, slo).value, top) == counted


def test_a_row_names_the_percentile_that_is_judged_beside_the_mean():
    made = design.card(B, WORKED_WORKLOAD, WORKED_SLO)
    names = [name for name, _ in made.rows()]
    at = names.index("Gap between tokens")
    assert names[at + 1] == "95th percentile gap"
    p95 = percentile(made.estimates, "itl", 95)
    assert dict(made.rows())["95th percentile gap"].startswith(expected(p95, "s"))
    assert dict(made.brief())["95th percentile gap"] == written(p95.value, "s")
    assert dict(design.card(A, WORKED_WORKLOAD, WORKED_SLO).rows())["95th percentile gap"] == "-"
    asked = Slo(tails=(Tail("ttft", 99, 5.0), Tail("e2e", 50, 60.0)))
    rows = [name for name, _ in design.card(B, WORKED_WORKLOAD, asked).rows()]
    at = rows.index("First token, mean")
    assert rows[at + 1 : at + 3] == ["99th percentile first token", "50th percentile whole answer"]


def test_the_load_people_ask_about_has_the_most_users_within_the_limits():
    slo = Slo(itl_s=0.05)
    load = design.most_users_load(B, WORKED_WORKLOAD, slo)
    assert load.concurrency == design.users_within(B, WORKED_WORKLOAD, slo).value
    assert replace(load, concurrency=16) == WORKED_WORKLOAD
    everyone = design.most_users_load(B, WORKED_WORKLOAD)
    assert everyone.concurrency == capacity.max_concurrent(B, WORKED_WORKLOAD.context_tokens)
    # where none is served the answer is about one
    assert design.most_users_load(A, WORKED_WORKLOAD, slo).concurrency == 1
    assert design.most_users_load(B, WORKED_WORKLOAD, Slo(itl_s=1e-4)).concurrency == 1


def test_an_engine_runs_no_more_sequences_at_once_than_it_was_started_for():
    few = replace(B, max_num_seqs=10)
    within = design.users_within(few, WORKED_WORKLOAD)
    assert within.value == within.ceiling == 10 < design.card(few, WORKED_WORKLOAD).max_concurrent


@given(deployments, st.integers(1, 2000))
@settings(max_examples=40, deadline=None)
def test_a_fleet_has_as_many_copies_as_its_users_need(deployment, users):
    fleet = design.fleet(deployment, WORKED_WORKLOAD, WORKED_SLO, users=users)
    each = design.users_within(deployment, WORKED_WORKLOAD, WORKED_SLO).value
    if not each:
        assert fleet.copies == 0 and fleet.usd_mtok is None
        assert "none" in fleet.explain()
        return
    assert (fleet.copies - 1) * each < users <= fleet.copies * each
    assert fleet.usd_h == pytest.approx(fleet.copies * deployment.num_gpus * deployment.gpu_usd_h)
    assert fleet.usd_mtok == pytest.approx(
        serving.usd_per_mtok(usd_h=fleet.usd_h, tok_s=fleet.output_tok_s)
    )


def test_one_copy_costs_what_its_card_says():
    fleet = design.fleet(B, WORKED_WORKLOAD, WORKED_SLO)
    card = design.card(B, WORKED_WORKLOAD, WORKED_SLO)
    assert fleet.copies == 1
    assert fleet.usd_mtok == pytest.approx(card.usd_mtok.value)


def test_a_cheap_hour_is_not_a_cheap_token():
    a, b = (design.fleet(d, WORKED_WORKLOAD, WORKED_SLO) for d in (A98, B))
    assert A98.gpu_usd_h * A98.num_gpus < B.gpu_usd_h * B.num_gpus
    assert a.usd_mtok > 2 * b.usd_mtok


@pytest.mark.parametrize("users", [0, -1, 1.5, float("nan"), "16", 10**9])
def test_a_fleet_refuses_users_that_are_no_count(users):
    with pytest.raises(BadInput, match="users"):
        design.fleet(B, WORKED_WORKLOAD, users=users)


# search


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"gpus": ["h100-sxn"]}, "h100-sxm"),
        ({"weights": ["fp9"]}, "fp8"),
        ({"models": ["lama-3.1-70b"]}, "llama-3.1-70b"),
    ],
)
def test_search_refuses_an_unknown_name_with_the_nearest(changed, named):
    asked = {"models": ["llama-3.1-70b"], "gpus": ["h100-sxm"], **changed}
    with pytest.raises(BadInput, match=named):
        design.search(WORKED_WORKLOAD, WORKED_SLO, **asked)


def test_a_format_that_converts_nothing_says_so():
    dense = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="gguf-mxfp4")
    moe = catalog.deployment(model="gpt-oss-120b", gpu="h100-sxm", weights="mxfp4")
    said = "stay in 16 bits"
    told, silent = (design.warnings(d, WORKED_WORKLOAD) for d in (dense, moe))
    assert [n.about for n in told if said in n.text] == ["format"]
    assert not any(said in n.text for n in silent)


# estimates


def test_room_to_spare_is_not_a_share_of_what_was_asked():
    most = capacity.max_concurrent(B, WORKED_WORKLOAD.context_tokens)

    def capacity_of(users):
        (limit,) = limits_of(B, replace(WORKED_WORKLOAD, concurrency=users), Slo())
        return limit.sentence

    assert capacity_of(1) == f"room for {most} users, 1 wanted"
    assert capacity_of(most) == f"room for {most} of {most} users"
    assert capacity_of(2 * most) == f"room for {most} of {2 * most} users"


@given(deployments, loads)
@settings(max_examples=60, deadline=None)
def test_an_estimate_holds_its_value_and_stays_behind_its_ceiling(deployment, load):
    made = design.card(deployment, load)
    found = made.estimates
    if not made.starts:
        assert found is None and made.usd_mtok is None
        assert dict(made.rows())["Gap between tokens"] == "-"
        return
    for e in (found.tok_s_user, found.output_tok_s):
        assert e.low <= e.value <= e.high <= e.ceiling * 1.0001
    for e in (found.itl_s, found.ttft_s, made.usd_mtok):
        assert e.ceiling * 0.9999 <= e.low <= e.value <= e.high


@given(deployments, loads)
@settings(max_examples=30, deadline=None)
def test_a_rate_turns_the_interval_of_its_time_around(deployment, load):
    made = design.card(deployment, load)
    if not made.starts:
        return
    gap, speed = made.estimates.itl_s, made.estimates.tok_s_user
    rate, price = made.estimates.output_tok_s, made.usd_mtok
    for end, other in (("value", "value"), ("low", "high"), ("high", "low")):
        assert getattr(speed, end) == pytest.approx(1 / getattr(gap, other))
        million_h = 1e6 / getattr(rate, other) / 3600
        assert getattr(price, end) == pytest.approx(made.usd_h * million_h)


@given(deployments, loads)
@settings(max_examples=60, deadline=None)
def test_the_estimate_and_the_ceiling_are_one_law_with_other_efficiencies(deployment, load):
    found = design.card(deployment, load).estimates
    if found is None:
        return
    fitted = serving.serve(deployment, load, calibration.efficiency_for(deployment))
    ceiling = serving.serve(deployment, load)
    for name in ("itl_s", "output_tok_s"):
        assert getattr(found, name).value == getattr(fitted, name)
        assert getattr(found, name).ceiling == getattr(ceiling, name)
    assert found.ttft_s.value == fitted.ttft_mean_s
    # whatever the queue, no first token comes before its own prompt is computed
    assert found.ttft_s.ceiling == ceiling.ttft_idle_s


@pytest.mark.parametrize("users", [1, 16])
def test_the_lines_of_an_estimate_add_up(users):
    seen = design.card(B, replace(WORKED_WORKLOAD, concurrency=users)).estimates.served
    out, waits_s = seen.work.output_tokens, users * seen.waited_s - seen.waited_queued_s
    assert seen.itl_s == pytest.approx(seen.decode.itl_s + waits_s / out)
    # the fitted numbers have all prompts in decode steps
    assert seen.waited_s == pytest.approx(seen.efficiency.prefill_share * seen.added_s)
    assert seen.ttft_mean_s == pytest.approx(seen.queue_s + seen.client_s)
    rate = users * out / (seen.ttft_mean_s + out * seen.itl_s)
    assert seen.output_tok_s == pytest.approx(rate)


def test_a_card_explains_its_estimates_and_their_width():
    made = design.card(B, WORKED_WORKLOAD)
    text = made.explain()
    assert "efficiencies = timed kernels, and measurements of servers, vllm, hopper" in text
    assert "itl = step + (users x waited - " in text and "waited = prefill_share x added" in text
    assert f"itl_s interval = {made.estimates.itl_s.reason}" in text
    assert text.count("four times in five") == 3
    assert text.index("ceiling = what the spec sheet allows") < text.index("efficiencies = ")
    assert "efficiencies" not in design.card(A, WORKED_WORKLOAD).explain()


def test_a_limit_goes_from_met_to_impossible_as_it_tightens():
    gap = design.card(B, WORKED_WORKLOAD).estimates.itl_s
    for itl_s, verdict in (
        (gap.high * 1.01, "met"),
        (gap.high * 0.99, "likely"),
        (gap.value * 1.01, "open"),
        (gap.value * 0.99, "open"),
        (gap.low * 1.01, "unlikely"),
        (gap.low * 0.99, "missed"),
        (gap.ceiling * 1.01, "missed"),
        (gap.ceiling * 0.99, "impossible"),
    ):
        assert limit_of(B, WORKED_WORKLOAD, Slo(itl_s=itl_s), "latency").verdict == verdict
    # an engine that does not start has no latency to compare
    assert [x.name for x in limits_of(A, WORKED_WORKLOAD, EVERY_LIMIT)] == ["capacity", "budget"]


@pytest.mark.parametrize(
    ("quantity", "measured"),
    [
        ("itl_s", "vllm"),
        ("output_tok_s", "vllm"),
        ("itl_s", "llama.cpp"),
        ("ttft_mean_s", "llama.cpp"),
        ("ttft_mean_s", "vllm"),
        ("output_tok_s", "llama.cpp"),
    ],
)
def test_an_engine_nobody_measured_has_a_wider_interval(quantity, measured):
    family = "an-engine-of-next-year"
    known, unknown = (
        calibration.estimates(B, WORKED_WORKLOAD, family=f).of(quantity, bounded=False)
        for f in (measured, family)
    )
    assert unknown.high / unknown.low > known.high / known.low
    assert f"no measurement of engine {family}" in unknown.reason
    assert "no measurement" not in known.reason


def test_a_card_nobody_measured_has_a_wider_interval():
    later = replace(B, gpu=replace(B.gpu, family="chips-of-next-year"))
    known, unknown = (calibration.estimates(d, WORKED_WORKLOAD).itl_s for d in (B, later))
    assert unknown.high / unknown.low > known.high / known.low
    assert "no measurement of chips-of-next-year chips" in unknown.reason


@pytest.mark.parametrize(
    ("low", "value", "high", "doubt"),
    [
        (10.0, 20.0, 59.9, ""),
        (10.0, 20.0, 60.0, ""),
        (10.0, 20.0, 60.1, "uncertain by more than 6x"),
        (0.0, 20.0, 30.0, "uncertain by more than 6x"),
        (10.0, 20.0, 20.9, "bounded on one side only"),
        (10.0, 20.0, 21.1, ""),
        (19.1, 20.0, 40.0, "bounded on one side only"),
        (18.9, 20.0, 40.0, ""),
        (20.0, 20.0, 20.0, ""),
    ],
)
def test_an_interval_nobody_can_rely_on_says_so(low, value, high, doubt):
    """Ends six times apart are the most that is told, and each end lies 5% away at least."""
    e = Estimate(value, low, high, 1.0, "")
    assert e.doubt.startswith(doubt) and bool(e.doubt) == bool(doubt)
    said = design.expected(e, "s")
    assert (" to " in said) == (not doubt and low != high)
    assert said.startswith("20 s") and (doubt in said)


def test_memory_alone_caps_the_users_without_an_interval():
    within = design.users_within(B, WORKED_WORKLOAD)
    most = capacity.max_concurrent(B, WORKED_WORKLOAD.context_tokens)
    assert within.low == within.value == within.high == within.ceiling == most
    assert "memory" in within.reason and not within.doubt
    none = design.users_within(A, WORKED_WORKLOAD, WORKED_SLO)
    assert none.value == none.ceiling == 0 and "does not start" in none.reason


# what an API asks


def test_an_api_bills_prompts_beside_answers():
    asked = design.api_usd_mtok(WORKED_WORKLOAD, usd_mtok_input=0.5, usd_mtok_output=1.5)
    assert asked == 1.5 + 7 * 0.5


@given(st.floats(0.1, 1e3), st.floats(1, 1e5), st.floats(0.01, 1e3))
def test_at_break_even_the_rent_is_the_bill(usd_h, tok_s, api):
    even = design.break_even(usd_h=usd_h, output_tok_s=tok_s, api_usd_mtok=api)
    assert serving.usd_per_mtok(usd_h=usd_h, tok_s=tok_s * even.duty) == pytest.approx(api)
    bill = even.tokens_month / 1e6 * api
    assert bill == pytest.approx(usd_h * design.HOURS_MONTH)
    made = tok_s * 3600 * design.HOURS_MONTH * even.duty
    assert made == pytest.approx(even.tokens_month)


def test_break_even_explains_itself_and_refuses_what_is_free():
    even = design.break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=5.0)
    assert "break-even duty = own price, always busy / API price" in even.explain()
    assert "million output tokens a month" in even.explain()
    asked = {"usd_h": 7.98, "output_tok_s": 863, "api_usd_mtok": 5.0, "busy": 0.4}
    for name in asked:
        for none in (0, -0.5):
            with pytest.raises(BadInput, match=f"{name} is {none}"):
                design.break_even(**asked | {name: none})


# percentiles


TAILS = Slo(tails=(Tail("itl", 95, 0.05), Tail("ttft", 99, 20.0)))


def test_limits_on_percentiles_are_judged_on_the_percentile():
    found = {x.name: x for x in limits_of(B, WORKED_WORKLOAD, TAILS)}
    estimates = design.card(B, WORKED_WORKLOAD, TAILS).expected
    for name, quantity, percent in (("itl p95", "itl", 95), ("ttft p99", "ttft", 99)):
        assert found[name].estimate == percentile(estimates, quantity, percent)
        assert found[name].headroom == found[name].bound / found[name].estimate.value
    assert found["itl p95"].sentence.startswith("95th percentile gap ")
    assert found["itl p95"].sentence.endswith(", limit 50 ms")
    assert found["ttft p99"].sentence.startswith("99th percentile first token ")


@pytest.mark.parametrize("quantity", ["itl", "tpot", "ttft", "e2e"])
def test_verdicts_on_a_percentile_follow_its_interval(quantity):
    e = percentile(design.card(B, WORKED_WORKLOAD).expected, quantity, 95)
    bounds = {e.high * 1.01: "met", e.high * 0.99: "likely", e.value * 1.01: "open"}
    for bound_s, verdict in (bounds | {e.ceiling * 0.99: "impossible"}).items():
        slo = Slo(tails=(Tail(quantity, 95, bound_s),))
        limit = limit_of(B, WORKED_WORKLOAD, slo, f"{quantity} p95")
        assert limit.verdict == verdict
        assert f"{quantity} p95 headroom" in limit.explain()


def test_users_within_a_percentile_are_the_last_that_keep_it():
    slo = Slo(tails=(Tail("ttft", 95, 5.0),))
    most = design.users_within(B, WORKED_WORKLOAD, slo)
    assert 1 < most.value < 100 and most.low <= most.value <= most.high

    def within(users):
        load = replace(WORKED_WORKLOAD, concurrency=int(users))
        return limit_of(B, load, slo, "ttft p95").holds

    assert within(most.value) and not within(most.value + 1)


def test_a_card_s_verdict_is_the_worst_of_its_limits_and_names_each_that_is_in_doubt():
    wide = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="bf16")
    made = design.card(wide, WORKED_WORKLOAD, WORKED_SLO)
    assert [x.name for x in made.limits[:2]] == ["capacity", "itl p95"]  # 26 of 16 users: 1.6x
    assert [x.verdict for x in made.limits[:2]] == ["met", "likely"]
    assert made.verdict == "likely"
    assert made.binding.endswith("16 wanted: met; 95th percentile gap likely met")
    missed = design.card(wide, WORKED_WORKLOAD, replace(WORKED_SLO, usd_h=1.0))
    assert (missed.verdict, missed.doubted) == ("missed", ())


def test_a_rate_that_leaves_cards_idle_says_what_a_token_costs_there():
    """5M tokens a day at 7 to 1 are 0.625M of output, for a day's rent of $7.98/h: $306/M."""
    rate = 5e6 / 8000 / 86_400
    d = catalog.deployment(model="llama-3.3-70b", gpu="h100-sxm", tp=2, weights="fp8")
    idle = design.card(d, Workload(7000, 1000, 1), rate_rps=rate)
    paid = idle.usd_mtok
    assert paid.low == paid.value == paid.high == pytest.approx(24 * 7.98 / 0.625, rel=1e-3)
    assert idle.estimates.output_tok_s.value == pytest.approx(0.625e6 / 86_400, rel=1e-3)
    assert idle.usd_mtok_busy < 60
    # slower steps may saturate before 0.5 a second: then the same rent is for fewer tokens
    price = design.card_at_rate(d, Workload(7000, 1000), Slo(), 0.5).usd_mtok
    assert price.low == price.value == pytest.approx(7.98 / (0.5 * 3600 * 1000) * 1e6, rel=1e-6)
    said = re.fullmatch(
        r"\$4\.43/M \(\$4\.43/M to \$([\d.]+)/M\)", design.expected(price, "USD/Mtok")
    )
    assert float(said[1]) == pytest.approx(price.high, abs=0.005) and price.high > price.value
    dear = design.card(d, Workload(7000, 1000, 1), Slo(usd_mtok=100), rate_rps=rate)
    assert dear.limits[0].verdict == "impossible"
    busy = design.card(d, Workload(7000, 1000, 8), rate_rps=0.6)
    assert busy.usd_mtok_busy is None
    assert design.card(d, Workload(7000, 1000, 1)).usd_mtok_busy is None


def test_windows_share_what_vllm_counts_for_each_when_it_starts():
    """vLLM 0.33: kv_cache_utils.get_max_concurrency_for_kv_cache_config beside allocate_slots."""
    load = Workload(1000, 1000, 8)
    told = design.warnings(catalog.deployment(model="gpt-oss-120b", gpu="h100-sxm"), load)
    (text,) = [note.text for note in told if "running requests share" in note.text]
    assert "vLLM prints room for 22.9 of these requests" in text and text.endswith("42 fit.")
    full = design.warnings(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), load)
    assert not any("running requests share" in note.text for note in full)


@pytest.mark.parametrize(
    ("slo", "said"),
    [
        (
            Slo(itl_s=0.02, tails=(Tail("itl", 95, 0.01),)),
            "gap, 10 ms, is below that on the mean gap, 20 ms",
        ),
        (
            Slo(ttft_s=1, tails=(Tail("ttft", 99, 0.2),)),
            "200 ms, is below that on the mean first token, 1 s",
        ),
        # an answer has its first token, so it can be no earlier
        (
            Slo(tails=(Tail("e2e", 95, 2), Tail("ttft", 95, 3))),
            "2 s, is below that on the first token at",
        ),
        (
            Slo(ttft_s=3, tails=(Tail("e2e", 95, 2),)),
            "2 s, is below that on the mean first token, 3 s",
        ),
        (Slo(itl_s=0.02, tails=(Tail("itl", 95, 0.03), Tail("e2e", 95, 9))), ""),
        (Slo(itl_s=0.02, tails=(Tail("itl", 50, 0.01),)), ""),  # a median may be below its mean
    ],
)
def test_a_percentile_below_its_mean_is_named(slo, said):
    notes = [note.text for note in limit_notes(slo)]
    assert len(notes) == bool(said) and said in "".join(notes)
