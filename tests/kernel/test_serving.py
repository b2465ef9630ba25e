"""What users see of a deployment: one path for the ceiling and the estimate, and its properties."""

from dataclasses import replace

import pytest

from llmcap_kernel import calibration, serving
from llmcap_kernel.serving import serve
from llmcap_kernel.spec import CEILING

from .draws import draws

SEEDS, EACH = range(8), 2_500  # 20 000 draws
ROUNDING = 1e-9


def at_most(low, high):
    return low <= high * (1 + ROUNDING) + 1e-15


def both(deployment, workload):
    """The ceiling and the estimate of a load."""
    fitted = calibration.efficiency_for(deployment)
    return [serve(deployment, workload, e) for e in (CEILING, fitted)]


@pytest.mark.parametrize("seed", SEEDS)
def test_more_users_never_help_one_and_never_hurt_all(seed):
    for deployment, load, dice in draws(seed, EACH):
        more = replace(load, concurrency=load.concurrency + dice.choice((1, 1, 2, 10, 500)))
        for few, many in zip(both(deployment, load), both(deployment, more), strict=True):
            what = (deployment.title, deployment.engine.name, load, more)
            assert at_most(few.itl_s, many.itl_s), what
            assert at_most(few.itl_decode_s, many.itl_decode_s), what
            assert at_most(few.ttft_mean_s, many.ttft_mean_s), what
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
            assert at_most(short.ttft_mean_s, long.ttft_mean_s), what
            assert at_most(long.output_tok_s, short.output_tok_s), what


FASTER = ("bandwidth_bytes_s", "link_bandwidth_bytes_s", "node_link_bandwidth_bytes_s")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_better_card_never_hurts(seed):
    """Users who are answered sooner ask again sooner, so that more of them meet in the queue: the
    mean first token may come later, and then the whole answer still does not."""
    for deployment, load, dice in draws(seed, EACH):
        gpu, times = deployment.gpu, dice.choice((1.01, 1.5, 3.0))
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
