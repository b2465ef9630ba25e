"""What users see of a deployment: one path for the ceiling and the estimate, and its properties."""

from dataclasses import replace

import pytest

from llmcap_kernel import calibration, capacity, catalog, design, serving, simulation
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import closed_loop_wait_s, serve
from llmcap_kernel.spec import CEILING, Efficiency, Workload

from .draws import draws

SEEDS, EACH = range(8), 600  # 24 000 draws over the five properties
ROUNDING = 1e-9


def at_most(low, high):
    return low <= high * (1 + ROUNDING) + 1e-15


def both(deployment, workload):
    """The ceiling and the estimate of a load."""
    fitted = calibration.efficiency_for(deployment)
    return [serve(deployment, workload, e) for e in (CEILING, fitted)]


@pytest.mark.parametrize("seed", SEEDS)
def test_more_users_never_help_one_and_never_hurt_all(seed):
    """But for a queue whose prompts come first: those that come together share a pass, and longer
    decoding keeps users away. Their mean first token may come sooner, the whole answer does not."""
    for deployment, load, dice in draws(seed, EACH):
        more = replace(load, concurrency=load.concurrency + dice.choice((1, 1, 2, 10, 500)))
        for few, many in zip(both(deployment, load), both(deployment, more), strict=True):
            what = (deployment.title, deployment.engine.name, load, more)
            assert at_most(few.itl_s, many.itl_s), what
            assert at_most(few.itl_decode_s, many.itl_decode_s), what
            if deployment.mixes_prompts:
                assert at_most(few.ttft_mean_s, many.ttft_mean_s), what
            assert at_most(few.e2e_s, many.e2e_s), what
            assert at_most(few.ttft_burst_s, many.ttft_burst_s), what
            assert at_most(few.output_tok_s, many.output_tok_s), what
            assert at_most(few.ttft_idle_s, few.ttft_mean_s), what
            assert at_most(few.ttft_mean_s, few.ttft_burst_s), what


@pytest.mark.parametrize("seed", SEEDS)
def test_the_estimate_never_beats_the_ceiling_and_lies_in_its_interval(seed):
    for deployment, load, _ in draws(seed, EACH):
        found = calibration.estimates(deployment, load)
        what = (deployment.title, deployment.engine.name, load)
        for e in (found.itl_s, found.ttft_s):
            assert at_most(e.ceiling, e.low) and e.low <= e.value <= e.high, what
        for e in (found.output_tok_s, found.tok_s_user):
            assert e.low <= e.value <= e.high and at_most(e.high, e.ceiling), what


@pytest.mark.parametrize("seed", SEEDS)
def test_a_longer_prompt_never_helps(seed):
    """But for the queue of users whose longer decoding keeps them away from it: their mean first
    token may come sooner, and then the whole answer still does not."""
    for deployment, load, dice in draws(seed, EACH):
        more = replace(load, input_tokens=load.input_tokens + dice.choice((1, 16, 1000)))
        room = [serving.most_running(deployment, x) for x in (load, more)]
        what = (deployment.title, deployment.engine.name, load, more)
        assert room[1] <= room[0], what
        if load.concurrency > room[1]:
            continue  # fewer are worked on at once, and each of them is faster
        for short, long in zip(both(deployment, load), both(deployment, more), strict=True):
            assert at_most(short.itl_s, long.itl_s), what
            assert at_most(short.ttft_idle_s, long.ttft_idle_s), what
            assert at_most(short.ttft_burst_s, long.ttft_burst_s), what
            assert at_most(short.e2e_s, long.e2e_s), what
            assert at_most(long.output_tok_s, short.output_tok_s), what


FASTER = ("bandwidth_bytes_s", "link_bandwidth_bytes_s", "node_link_bandwidth_bytes_s")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_better_card_never_hurts(seed):
    """Users who are answered sooner ask again sooner, so that more of them meet in the queue: the
    mean first token may come later, and then the whole answer still does not."""
    for deployment, load, dice in draws(seed, EACH):
        gpu, times = deployment.gpu, dice.choice((1.01, 1.5, 3.0))
        # a larger card is given a larger batch unless it is told, and SGLang then keeps more of it
        # free: the same batch and share for both
        batch = {"max_num_seqs": deployment.seqs_limit, "memory_fraction": deployment.fraction}
        batch["max_num_batched_tokens"] = deployment.batch_limit_tokens
        deployment = replace(deployment, **batch)
        better = dice.choice((
            {name: getattr(gpu, name) * times for name in FASTER},
            {"flop_s": {dtype: rate * times for dtype, rate in gpu.flop_s.items()}},
            {"memory_visible_bytes": gpu.memory_visible_bytes * times},
        ))  # fmt: skip
        faster = replace(deployment, gpu=replace(gpu, **better))
        room = [serving.most_running(x, load) for x in (deployment, faster)]
        what = (deployment.title, deployment.engine.name, load, tuple(better))
        assert room[0] <= room[1], what
        for now, then in zip(both(deployment, load), both(faster, load), strict=True):
            assert at_most(now.output_tok_s, then.output_tok_s), what
            assert at_most(then.ttft_idle_s, now.ttft_idle_s), what
            assert at_most(then.e2e_s, now.e2e_s), what
            if load.concurrency <= room[0]:
                assert at_most(then.itl_decode_s, now.itl_decode_s), what


@pytest.mark.parametrize("seed", SEEDS)
def test_twice_the_cards_cost_users_only_with_a_reason_given(seed):
    for deployment, load, _ in draws(seed, EACH):
        try:
            doubled = replace(deployment, tp=2 * deployment.tp)
        except BadInput:
            continue
        most = serving.most_running(doubled, load)
        # with room for none it does not start, and its verdict says why
        if 0 < most < serving.most_running(deployment, load):
            about = {note.about for note in design.warnings(doubled, load)}
            assert about & {"cache", "network"}, (deployment.title, deployment.engine.name, load)


def test_one_user_is_a_load_of_one():
    """From one user to two nothing switches: the second adds its sequence and its prompt."""
    b = design.worked_spec()[1]
    one, two = (both(b, Workload(7000, 1000, n))[1] for n in (1, 2))
    assert one.itl_s == one.itl_decode_s and one.ttft_mean_s == pytest.approx(one.ttft_idle_s)
    assert one.itl_s < two.itl_s < 1.1 * one.itl_s
    assert 1.5 < two.output_tok_s / one.output_tok_s <= 2


def test_a_first_token_waits_for_the_step_that_began_before():
    """A request comes in the middle of one, on average; at the ceiling it waits for none."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    waits = Efficiency(begun_share=1.0)
    crowd = serve(d, Workload(1000, 200, 8), waits)
    assert crowd.begun_s == pytest.approx(0.5 * crowd.decode.total_s)
    plain = serve(d, Workload(1000, 200, 8))
    assert plain.begun_s == 0
    assert crowd.ttft_mean_s - crowd.queue_s == pytest.approx(crowd.begun_s + plain.client_s)
    assert serve(d, Workload(1000, 200, 1), waits).begun_s == 0  # nobody's tokens are computed


def test_users_taking_turns_share_the_time_of_prefill_and_decode():
    """Where decoding waits for all prefill, a round is one prompt of each user and the answer:
    C x O / (C x prefill + O x step), arXiv 2403.02310, section 3."""
    prompt_s, step_s, users, answer = 0.5, 0.010, 16, 1000
    queue_s = closed_loop_wait_s(
        prompt_s=prompt_s,
        others_s=(users - 1) * prompt_s,
        away_s=answer * step_s,
        prefill_share=1.0,
    )
    waits_s = users * prompt_s - queue_s
    round_s = queue_s + answer * step_s + waits_s
    assert users * answer / round_s == pytest.approx(16_000 / (16 * 0.5 + 1000 * 0.010))


def test_a_decode_step_stands_at_the_mean_context_unless_another_is_asked_for():
    b = design.worked_spec()[1]
    mean, last = (
        serve(b, Workload(7000, 1000, 16), context_tokens=n).decode.kv_bytes for n in (None, 8000)
    )
    assert mean / last == pytest.approx(7500 / 8000)


def test_work_does_not_depend_on_efficiencies_and_is_counted_once():
    b = design.worked_spec()[1]
    load = Workload(6999, 1000, 16)
    assert serving.load_work(b, load) is serving.load_work(b, load)
    slow = Efficiency(bandwidth=0.5)
    assert serve(b, load).work is serve(b, load, slow).work


def test_what_does_not_start_is_worked_out_for_one_user():
    a = design.worked_spec()[0]
    assert capacity.max_concurrent(a, 8000) == 0
    assert serve(a, Workload(7000, 1000, 16)).users == 1
    assert catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm").engine.is_server


# llama-server has four slots unless it is told otherwise, and had one before pull request 16736
@pytest.mark.parametrize(("engine", "slots"), [("llama.cpp", 4), ("llama.cpp-b6324", 1)])
def test_llama_cpp_runs_as_many_requests_as_it_has_slots(engine, slots):
    d = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-4090", engine=engine, weights="gguf-q4-k-m"
    )
    load = Workload(1000, 200, 16)
    assert capacity.max_concurrent(d, load.context_tokens) > load.concurrency
    assert serving.most_running(d, load) == slots
    for served in both(d, load):
        assert served.users == slots
        # 16 users take 16 / slots turns of equal length, and all but the last are waited for
        assert served.room_wait_s == pytest.approx((16 / slots - 1) * served.round_s)
    assert serve(replace(d, max_num_seqs=16), load).users == 16


def test_the_closed_form_and_the_loop_have_the_same_slots():
    d = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-4090", engine="llama.cpp", weights="gguf-q4-k-m"
    )
    users = simulation.Arrivals("users", users=16)
    prompt, answer = (simulation.Lengths(n, 0.3, "lognormal") for n in (1000, 200))
    load = simulation.requests(simulation.Load(prompt, answer, users, count=400))
    steps = simulation.Steps(d, calibration.efficiency_for(d))
    run = simulation.simulate(load, steps, simulation.room_of(d, load))
    assert max(group.decoding for group in run.groups) == 4
    closed = both(d, Workload(1000, 200, 16))[1]
    waits = sorted(one.ttft_s for one in run.completed[50:])
    # 12 of 16 wait for others' whole answers, which both count: alike to a tenth
    assert waits[len(waits) // 2] == pytest.approx(closed.ttft_mean_s, rel=0.1)
