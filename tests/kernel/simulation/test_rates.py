"""Requests at a rate: Little's law, the step loop beside it, and what more of them do."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from llmcap_kernel import catalog, simulation
from llmcap_kernel.calibration import efficiency_for
from llmcap_kernel.evidence import open_loop
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import serve
from llmcap_kernel.simulation import rates, tails
from llmcap_kernel.simulation.open_loop import NUMBERS, OpenLoop, prompt_each_s
from llmcap_kernel.simulation.rates import at_rate, open_loop_of
from llmcap_kernel.simulation.spread import spread_of
from llmcap_kernel.spec import TAILED, Workload

from .exact import Batch

ONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(1000, 200)
BATCH = catalog.deployment(
    model="llama-3.1-8b", gpu="h100-sxm", max_num_seqs=256, max_num_batched_tokens=8192
)


def at(rate, deployment=ONE, load=LOAD):
    return at_rate(deployment, load, rate)


# the numbers in flight


@pytest.mark.parametrize("rate", [0.5, 4.0, 12.0])
def test_requests_in_flight_are_the_rate_times_their_time(rate):
    """Little's law: as many users of a closed loop ask for as much, and take as long."""
    made = at(rate)
    loop = serve(ONE, replace(LOAD, concurrency=max(round(made.in_flight), 1)), efficiency_for(ONE))
    assert made.in_flight == pytest.approx(rate * loop.e2e_s, rel=0.1, abs=0.2)


@pytest.mark.parametrize("rate", [1.0, 6.0, 12.0])
def test_users_of_a_closed_loop_that_asks_for_as_much_are_as_many(rate):
    users = open_loop.users(ONE, LOAD, "vllm", rate, 1024)
    assert at(rate).in_flight == pytest.approx(users, rel=0.2, abs=1)


# percentiles


@pytest.mark.parametrize("rate", [5.0, 20.0])
@pytest.mark.parametrize("percent", [20, 50, 80])
def test_short_prompts_leave_the_exact_batch(rate, percent):
    """A step is a + b n; of a prompt of one token nine gaps in ten know nothing."""
    load = Workload(1, 200)
    one_s, many_s = (
        serve(BATCH, replace(load, concurrency=n), efficiency_for(BATCH)).itl_decode_s
        for n in (1, 129)
    )
    sequence_s = (many_s - one_s) / 128
    exact = Batch(rate, 200, one_s - sequence_s, sequence_s)
    assert at(rate, BATCH, load).percentile("itl", percent).value == pytest.approx(
        exact.gap_s(percent), rel=0.05
    )


def _simulated(deployment, load, rate, seeds=2):
    """Runs of the step loop at a rate."""
    steps = simulation.Steps(deployment, efficiency_for(deployment))
    lengths = simulation.Lengths(load.input_tokens), simulation.Lengths(load.output_tokens)
    for seed in range(seeds):
        asked = simulation.requests(simulation.Load(*lengths, count=1500, seed=seed).at(rate))
        yield simulation.simulate(asked, steps, simulation.room_of(deployment, asked))


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_means_are_those_of_the_step_loop(engine, share):
    """Little's law; a closed loop with as many users has gaps up to a tenth shorter at 0.7."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine=engine)
    load = Workload(2000, 400)
    rate = share * open_loop_of(d, load).most_rps
    some = [one for run in _simulated(d, load, rate) for one in run.served[150:-150]]
    made = at_rate(d, load, rate)
    assert made.itl_s.value == pytest.approx(statistics.mean(x.tpot_s for x in some), rel=0.03)
    assert made.ttft_s.value == pytest.approx(statistics.mean(x.ttft_s for x in some), rel=0.12)
    whole_s = made.ttft_s.value + load.output_tokens * made.itl_s.value
    assert made.of("e2e_s").value == pytest.approx(whole_s) == pytest.approx(made.in_flight / rate)
    assert made.of("tok_s_user").value == pytest.approx(1 / made.itl_s.value)
    for name in ("itl_s", "ttft_mean_s", "e2e_s", "tok_s_user"):
        one = made.of(name)
        assert one.low < one.value < one.high


def test_a_mean_first_token_includes_the_wait_for_room():
    """Two 80 GB cards hold 21 requests of 8,000 tokens: near the most, arrivals wait seconds."""
    d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    load = Workload(7000, 1000)
    rate = 0.9 * open_loop_of(d, load).most_rps
    some = [one for run in _simulated(d, load, rate) for one in run.served[150:-150]]
    waited_s = statistics.mean(x.ttft_s for x in some)
    made = at_rate(d, load, rate)
    full = replace(load, concurrency=round(made.steady.in_flight.most))
    with_room = serve(d, full, efficiency_for(d).one_by_one)
    # longer than simulated: as of answers of any length
    assert made.ttft_s.value > waited_s > 2 * with_room.ttft_mean_s


CASES = {
    "a few in flight": ("llama-3.1-70b", "h200-sxm", 2, Workload(2400, 200), 1.0),
    "many": ("llama-3.1-8b", "h100-sxm", 1, Workload(1000, 400), 10.0),
    "short answers": ("qwen3-32b", "h100-sxm", 1, Workload(1500, 60), 1.5),
}


@pytest.mark.parametrize("name", CASES)
def test_the_share_of_gaps_with_a_prompt_is_that_of_the_step_loop(name):
    """Where a percentile jumps hangs on it: users at once would have up to three times as many."""
    model, gpu, tp, load, rate = CASES[name]
    d = catalog.deployment(model=model, gpu=gpu, tp=tp, weights="fp8", engine="vllm")
    carried = gaps = 0
    for run in _simulated(d, load, rate):
        gaps += sum(g.steps * g.decoding for g in run.groups)
        carried += sum(g.decoding for g in run.groups if g.prompt_tokens)
    there = open_loop_of(d, load).at(rate)
    assert there.spread(1 + there.in_flight.mean).stalled == pytest.approx(carried / gaps, rel=0.05)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_decoding_pauses_as_often_and_for_as_many_prompts_as_in_the_step_loop(name, share):
    """A negative binomial law of the same mean and variance has a third fewer pauses at 0.8."""
    model, gpu, tp, load, _ = CASES[name]
    d = catalog.deployment(model=model, gpu=gpu, tp=tp, weights="fp8", engine="sglang")
    table = open_loop_of(d, load)
    rate = share * table.most_rps
    gaps = [gap for run in _simulated(d, load, rate) for g in run.groups for gap in g.gaps]
    there = table.at(rate)
    typical = there.spread(1 + there.in_flight.mean)
    paused = sum(n for gap_s, n in gaps if gap_s > typical.step_s + 0.7 * typical.last_s)
    assert paused / sum(n for _, n in gaps) == pytest.approx(typical.stalled, rel=0.15)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("name", CASES)
def test_percentiles_are_near_those_of_the_step_loop(name, engine):
    """The loop has no spread of steps and starts of its own; a first token waits as in M/D/1."""
    model, gpu, tp, load, rate = CASES[name]
    d = catalog.deployment(model=model, gpu=gpu, tp=tp, weights="fp8", engine=engine)
    runs = list(_simulated(d, load, rate))
    there = _quiet(open_loop_of(d, load)).at(rate)
    assert_near(there, runs, ("itl", 50, 0.1), ("ttft", 50, 0.15), ("ttft", 95, 0.2),
                ("tpot", 95, 0.2), ("e2e", 95, 0.2))  # fmt: skip


def assert_near(there, runs, *wanted):
    """Each percentile of a latency is that of the runs, but for such a share of it."""
    for quantity, percent, off in wanted:
        seen = [one for run in runs for one in tails.values(run, quantity)]
        (wanted_s,) = tails.weighted(seen, (percent,))
        assert there.percentile_s(quantity, percent) == pytest.approx(wanted_s, rel=off), quantity


def passes(rate_rps, prompt_s, step_s, least_s, count=40_000):
    """Prompts of a pass, and what each takes of it, counted one pass after another."""
    came, dice = 0, np.random.default_rng(1)
    prompts, taken_s, seen = 0, 0.0, 0
    while seen < count:
        if came:
            pass_s = max(prompt_s, came * least_s)
            prompts, taken_s, seen = prompts + came, taken_s + pass_s, seen + 1
            came = dice.poisson(rate_rps * pass_s)
        else:
            came = dice.poisson(rate_rps * step_s)
    return prompts / count, taken_s / prompts


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("least", [0.2, 0.5, 0.8, 1.0])
def test_prompts_in_steps_of_their_own_take_what_a_count_of_passes_says(least, busy):
    rate = busy / (0.1 * least)
    _, each_s = passes(rate, 0.1, 0.012, 0.1 * least)
    assert prompt_each_s(rate, 0.1, 0.012, 0.1 * least) == pytest.approx(each_s, rel=0.04)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [0.65, 0.8, 0.9])
def test_where_decoding_pauses_for_prompts_the_law_holds_to_nine_tenths_of_the_most(name, share):
    """Users who ask again would meet fewer prompts in a pass than come while one is computed."""
    model, gpu, tp, load, _ = CASES[name]
    d = catalog.deployment(model=model, gpu=gpu, tp=tp, weights="fp8", engine="sglang")
    table = open_loop_of(d, load)
    runs = list(_simulated(d, load, share * table.most_rps))
    there = _quiet(table).at(share * table.most_rps)
    # a first token also waits for those behind it in its pass, of whom the law knows nothing
    late = 0.25 if share < 0.9 else 0.35
    assert_near(there, runs, ("itl", 50, 0.08), ("ttft", 50, 0.08), ("ttft", 95, late),
                ("tpot", 50, 0.12), ("tpot", 95, 0.12), ("e2e", 95, 0.12))  # fmt: skip


def _quiet(table):
    """Without the spread of steps and starts, which the loop does not have."""
    quiet = {**table.fields, "step_spread": 0.0, "request_spread": 0.0}
    answered = [n / s for n, s in zip(table.users, table.loops_s, strict=True)]
    return OpenLoop(table.users, answered, quiet, table.like)


@pytest.mark.parametrize("quantity", TAILED)
def test_more_requests_never_help_and_intervals_hold_their_value(quantity):
    last = 0.0
    for rate in (0.1, 1.0, 5.0, 10.0, 15.0):
        median, rare = (at(rate).percentile(quantity, p) for p in (50, 99))
        assert last <= median.value * 1.02 and median.value <= rare.value
        for e in (median, rare):
            assert e.ceiling <= e.low <= e.value <= e.high
        last = median.value


def test_a_quiet_deployment_answers_as_one_user_is_answered():
    made, alone = at(0.01), spread_of(rates._loop_estimates(ONE, LOAD, 1, "vllm").served)
    assert made.percentile("ttft", 50).value == pytest.approx(alone.first_s(50), rel=0.01)
    assert made.percentile("itl", 50).value == pytest.approx(alone.step_s, rel=0.01)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_stacked_deployments_are_those_one_by_one(engine):
    many = [
        catalog.deployment(model="llama-3.1-8b", gpu=gpu, engine=engine)
        for gpu in ("h100-sxm", "l40s", "mi300x")
    ]
    alone = [open_loop_of(d, LOAD) for d in many]
    users = [np.array(n, float) for n in zip(*(one.users for one in alone), strict=True)]
    rounds_s = zip(*(one.loops_s for one in alone), strict=True)
    stack = OpenLoop(
        users,
        [n / np.array(s) for n, s in zip(users, rounds_s, strict=True)],
        {name: _stacked([_column(one, name) for one in alone]) for name in NUMBERS},
        alone[0].like,
    )
    for share in (0.02, 0.5, 0.97):
        rates_rps = [share * one.most_rps for one in alone]
        there = stack.at(np.array(rates_rps))
        for quantity in TAILED:
            for percent in (10, 50, 99):
                wanted = [
                    one.at(rate).percentile_s(quantity, percent)
                    for one, rate in zip(alone, rates_rps, strict=True)
                ]
                found = there.percentile_s(quantity, percent)
                np.testing.assert_allclose(found, wanted, rtol=1e-9)


def _stacked(columns):
    alike = {x for column in columns for x in column}
    if len(alike) == 1:
        return alike.pop()
    return [np.array(x, float) for x in zip(*columns, strict=True)]


def _column(table, name):
    held = table.fields[name]
    return [held] * len(table.users) if isinstance(held, float) else held


# where it breaks


def test_a_rate_beyond_saturation_is_refused_in_a_sentence():
    most = open_loop_of(ONE, LOAD).most_rps
    assert math.isfinite(at(most * 0.99).percentile("ttft", 99).high)
    assert at(most * 1.01).in_flight == math.inf
    with pytest.raises(BadInput, match="its queue would grow without end") as refused:
        at(most * 1.01).percentile("itl", 50)
    assert refused.value.field == "rate_rps"


def test_near_saturation_requests_wait_for_room():
    few = replace(ONE, max_num_seqs=8)
    most = open_loop_of(few, LOAD).most_rps
    calm, busy = (at(most * share, few).percentile("ttft", 95).value for share in (0.3, 0.97))
    assert busy > 20 * calm


@pytest.mark.parametrize("limit", [("itl", 95, 0.02), ("ttft", 99, 1.0)])
def test_the_rate_within_limits_is_the_last_that_keeps_them(limit):
    quantity, percent, bound_s = limit
    table = open_loop_of(ONE, LOAD)
    within = table.within_rps([limit])
    assert 0 < within < table.most_rps
    for share, kept in ((0.98, True), (1.02, False)):
        found = at(within * share).percentile(quantity, percent).value
        assert (found <= bound_s) == kept


def test_limits_that_no_rate_keeps_leave_nothing():
    assert open_loop_of(ONE, LOAD).within_rps([("itl", 50, 1e-4)]) == 0.0


@pytest.mark.parametrize("rate", [0, -1, math.nan, "2", None])
def test_a_rate_is_a_number_above_nothing(rate):
    with pytest.raises(BadInput, match="rate_rps is"):
        at(rate)


def test_the_output_at_a_rate_is_what_is_asked_until_slower_steps_saturate():
    """Slower steps keep more in flight; they answer less only where they saturate."""
    most_rps = at(1.0).open_loop.most_rps
    calm, busy = (at(share * most_rps).output_tok_s for share in (0.3, 0.95))
    assert calm.low == calm.value == calm.high == pytest.approx(0.3 * most_rps * 200)
    slower = at(1.0).interval_factors("output_tok_s")[1]
    assert busy.value == busy.high == pytest.approx(0.95 * most_rps * 200)
    assert busy.low == pytest.approx(most_rps * 200 / slower)
    assert busy.low < busy.value
