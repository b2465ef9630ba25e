"""Sweeps: estimates along a variable, and the whole numbers where an answer changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog, design, sweep
from llmcap_kernel.calibration import Estimate
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.simulation.rates import at_rate
from llmcap_kernel.spec import Slo, Tail, Workload

A, B, C = design.worked_spec()
LOAD = design.WORKED_WORKLOAD
TIMED = [name for name, what in sweep.QUANTITIES.items() if what.estimated]

loads = st.builds(
    Workload,
    input_tokens=st.integers(1, 100_000),
    output_tokens=st.integers(1, 4000),
    concurrency=st.integers(2, 200),
)


@pytest.mark.parametrize("quantity", sweep.QUANTITIES)
@given(load=loads, deployment=st.sampled_from([A, B, C]))
def test_a_value_lies_in_its_interval_and_beats_no_ceiling(quantity, load, deployment):
    made = sweep.measure(deployment, load, quantity)
    if made is None:
        return
    assert made.low <= made.value <= made.high
    if sweep.QUANTITIES[quantity].less:
        assert made.ceiling <= made.low * (1 + 1e-9)
    else:
        assert made.high <= made.ceiling * (1 + 1e-9)


# A first token is left out: users who are answered sooner are back in the queue sooner.
@pytest.mark.parametrize("quantity", [name for name in TIMED if name != "ttft_s"])
@given(load=loads, more=st.floats(1, 4))
def test_more_bandwidth_is_never_worse(quantity, load, more):
    fast = replace(B, gpu=replace(B.gpu, bandwidth_bytes_s=B.gpu.bandwidth_bytes_s * more))
    slow, quick = (sweep.measure(d, load, quantity) for d in (B, fast))
    assert (slow is None) == (quick is None)
    if slow is not None:
        sign = 1 if sweep.QUANTITIES[quantity].less else -1
        assert sign * (slow.value - quick.value) >= -1e-9 * slow.value


@pytest.mark.parametrize("quantity", sweep.QUANTITIES)
def test_a_measure_is_what_a_card_says(quantity):
    card = design.card(B, LOAD)
    made = sweep.measure(B, LOAD, quantity)
    if quantity == "max_concurrent":
        (room,) = card.limits
        assert made == room.estimate and made.value == card.max_concurrent
    else:
        assert made == getattr(card.estimates, quantity)


def test_a_percentile_is_measured_by_its_name():
    made = sweep.measure(B, LOAD, "itl p95")
    assert made == percentile(design.card(B, LOAD).estimates, "itl", 95)
    assert (
        made.value < sweep.measure(B, LOAD, "itl_s").value < sweep.measure(B, LOAD, "itl p99").value
    )
    assert sweep.measure(A, LOAD, "itl p95") is None
    for name in ("itl p", "itl95", "gap p95", "itl p100", "itl p9x"):
        with pytest.raises(BadInput):
            sweep.measure(B, LOAD, name)


def test_what_is_judged_is_the_mean_only_where_no_percentile_stands_for_it():
    p95, p99 = Tail("itl", 95, 0.05), Tail("ttft", 99, 3.0)
    assert sweep.limit_on(Slo(tails=(p99, p95)), "itl_s") == ("itl p95", 0.05)
    assert sweep.limit_on(Slo(tails=(p99,)), "ttft_s") == ("ttft p99", 3.0)
    assert sweep.limit_on(Slo(itl_s=0.04, tails=(p95,)), "itl_s") == ("itl_s", 0.04)
    assert sweep.limit_on(Slo(), "itl_s") == ("itl_s", None)
    assert sweep.limit_on(Slo(usd_mtok=1.0), "usd_mtok") == ("usd_mtok", None)


def test_a_price_turns_the_interval_of_the_rate_around():
    rate, price = (sweep.measure(B, LOAD, name) for name in ("output_tok_s", "usd_mtok"))
    rent = B.gpu_usd_h * B.num_gpus
    assert price.low == pytest.approx(rent / 3600 / rate.high * 1e6)
    assert price.high == pytest.approx(rent / 3600 / rate.low * 1e6)


def test_a_card_without_rent_has_a_rate_and_no_price():
    free = catalog.deployment(model="llama-3.1-8b", gpu="h20")
    assert not free.gpu_usd_h
    assert sweep.measure(free, LOAD, "output_tok_s")
    assert sweep.measure(free, LOAD, "usd_mtok") is None


def test_what_keeps_a_deployment_from_a_load_is_named():
    assert sweep.obstacle(A, LOAD) == "start"
    assert sweep.obstacle(B, LOAD) == ""
    most = capacity.workload_ledger(B, LOAD).max_concurrent
    assert sweep.obstacle(B, replace(LOAD, concurrency=most)) == ""
    assert sweep.obstacle(B, replace(LOAD, concurrency=most + 1)) == "room"
    assert sweep.obstacle(B, Workload(B.model.max_context_tokens, 1)) == "length"
    short = replace(B, max_model_len=LOAD.context_tokens - 1)
    assert sweep.obstacle(short, LOAD) == "length"
    assert sweep.obstacle(replace(B, max_model_len=LOAD.context_tokens), LOAD) == ""


def test_users_that_fit_are_counted_whatever_is_wanted():
    most = capacity.workload_ledger(B, LOAD).max_concurrent
    made = sweep.measure(B, replace(LOAD, concurrency=10 * most), "max_concurrent")
    assert made.value == most
    # whole users in the room that left-out start-ups leave and in what they add
    assert (made.low, made.high) == capacity.workload_ledger(B, LOAD).concurrent_interval
    assert made.low < most < made.high <= made.ceiling


@given(load=loads, context=st.integers(2, 200_000))
def test_a_context_moves_prompt_and_answer_in_proportion(load, context):
    moved = sweep.load_at(load, "context_tokens", context)
    assert moved.context_tokens == context
    wanted = context * load.input_tokens / load.context_tokens
    assert abs(moved.input_tokens - wanted) <= 1
    assert moved.concurrency == load.concurrency


def test_a_short_prompt_cuts_the_shared_prefix():
    load = Workload(7000, 1000, 4, shared_prefix_tokens=5000)
    assert sweep.load_at(load, "input_tokens", 3000).shared_prefix_tokens == 3000
    assert sweep.load_at(load, "input_tokens", 9000).shared_prefix_tokens == 5000


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: sweep.load_at(LOAD, "users", 3), "variable"),
        (lambda: sweep.load_at(LOAD, "context_tokens", 1), "context_tokens"),
        (lambda: sweep.load_at(LOAD, "concurrency", 0), "concurrency"),
        (lambda: sweep.measure(B, LOAD, "gap"), "quantity"),
        (lambda: sweep.whole_stops(0, 10, 5), "low"),
        (lambda: sweep.whole_stops(10, 5, 5), "high"),
    ],
)
def test_nonsense_is_refused_by_name(call, field):
    with pytest.raises(BadInput) as told:
        call()
    assert told.value.field == field and field in str(told.value)


@given(low=st.integers(1, 10**6), span=st.integers(0, 10**6), count=st.integers(2, 60))
def test_stops_are_whole_in_order_and_keep_both_ends(low, span, count):
    for even in (False, True):
        stops = sweep.whole_stops(low, low + span, count, even=even)
        assert stops[0] == low and stops[-1] == low + span
        assert list(stops) == sorted(set(stops)) and len(stops) <= count
        assert all(isinstance(stop, int) for stop in stops)


@given(at=st.integers(2, 10**6))
def test_a_turn_is_exact(at):
    asked = []

    def answer(x):
        asked.append(x)
        return x >= at

    (turn,) = sweep.turns(answer, (1, 10**6))
    assert turn == sweep.Turn(at, False, True)
    assert len(asked) < 60  # bisection, not a walk


def test_turns_between_two_stops_are_all_found_while_the_ends_differ():
    found = sweep.turns(lambda x: "a" if x < 7 else "b" if x < 30 else "c", (1, 100))
    assert [(t.at, t.after) for t in found] == [(7, "b"), (30, "c")]


def test_curves_that_only_touch_do_not_cross():
    level = [5, 4, 3, 3, 4, 5]
    assert sweep.crossings(lambda x: level[x], lambda x: 3, range(6)) == ()


def test_a_gap_in_a_curve_is_no_crossing():
    def broken(x):
        return None if 10 <= x < 20 else x

    assert sweep.crossings(broken, lambda x: 15, (1, 12, 25)) == ()


def test_on_both_sides_of_a_crossing_the_order_differs():
    h200, b200 = (
        catalog.deployment(model="llama-3.1-70b", gpu=gpu, tp=2, weights="fp8", kv="fp8")
        for gpu in ("h200-sxm", "b200-sxm")
    )

    def price(deployment):
        def at(users):
            made = sweep.measure(deployment, sweep.load_at(LOAD, "concurrency", users), "usd_mtok")
            return made and made.value

        return at

    one, two = price(h200), price(b200)
    found = sweep.crossings(one, two, sweep.whole_stops(2, 128, 12))
    assert found
    for turn in found:
        before, after = one(turn.at - 1) - two(turn.at - 1), one(turn.at) - two(turn.at)
        assert before * after <= 0 and after != 0
        assert (after > 0) == (turn.after == 1)


def estimate(value, low, high, rows="vllm on hopper: 579 rows"):
    return Estimate(value, low, high, 0.0, rows)


def test_an_order_that_measurements_may_turn_is_not_called():
    """31 to 75 beside 35 to 84: each estimate lies well inside the other's interval."""
    one, two = estimate(50, 31.1, 74.8), estimate(56, 34.8, 83.5, "vllm on cdna3: 8 rows")
    assert sweep.unsettled(one, two) and sweep.unsettled(two, one)
    assert not sweep.unsettled(one, estimate(80, 60, 110, "vllm on cdna3: 8 rows"))
    assert not sweep.unsettled(one, estimate(56, 34.8, 83.5)), (
        "an error of the same rows moves both"
    )


def test_a_range_is_split_by_leader_and_by_who_may_be_ahead():
    def made(x):
        near = estimate(10.0, 7.0, 14.0)
        far = estimate(10.0 + x, 7.0 + x, 14.0 + x, "vllm on cdna3: 8 rows")
        return {"A": near, "B": far, "C": None}

    found = sweep.leads(made, (1, 10), less=False)
    assert found == (sweep.Lead(1, 3, "B", ("A",)), sweep.Lead(4, 10, "B"))
    assert sweep.too_close(found) == "Too close to call between B and A up to 3"
    assert sweep.leads(lambda x: {"A": None}, (1, 10), less=False) == ()


def test_requests_an_hour_end_where_the_queue_grows_and_are_the_estimates_at_that_rate():
    most_h = sweep.HOUR_S * design.requests_within(B, LOAD).value
    last = int(most_h)
    assert sweep.obstacle(B, LOAD, last / sweep.HOUR_S) == ""
    assert sweep.obstacle(B, LOAD, (last + 1) / sweep.HOUR_S) == "rate"
    assert sweep.measure(B, LOAD, "itl_s", rate_rps=(last + 1) / sweep.HOUR_S) is None
    found = sweep.curve(B, LOAD, "requests_h", (720, 1800), "ttft p95")
    for made, rate_rps in zip(found, (0.2, 0.5), strict=True):
        assert made == at_rate(B, LOAD, rate_rps).percentile("ttft", 95)
    short, long = sweep.curve(B, LOAD, "input_tokens", (1000, 6000), "ttft_s", rate_rps=0.5)
    assert (
        long == at_rate(B, replace(LOAD, input_tokens=6000), 0.5).ttft_s
        and short.value < long.value
    )
    with pytest.raises(BadInput, match=r"rate_rps is 0\.5: users, who move, take none"):
        sweep.curve(B, LOAD, "concurrency", (1, 2), "itl_s", rate_rps=0.5)
    low, high = sweep.usual_range(LOAD, "requests_h", (B,))
    assert 1 <= low < 0.1 * most_h and most_h < high < 1.3 * most_h
