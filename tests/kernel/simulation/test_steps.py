"""Times of steps: `serve`'s own where they meet, and how far the loop is from `serve`."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest

from llmcap_kernel import bandwidth, calibration, capacity, catalog
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.serving import serve
from llmcap_kernel.simulation import Arrivals, Lengths, Request, Steps, room_of, simulate
from llmcap_kernel.spec import CEILING, Efficiency, Speculation, Workload

from .synthetic import drawn

NAMES = (
    {"model": "llama-3.1-70b", "gpu": "h100-sxm", "tp": 2, "weights": "fp8", "kv": "fp8"},
    {"model": "llama-3.1-8b", "gpu": "h100-sxm"},
    {"model": "gpt-oss-120b", "gpu": "h200-sxm"},
    {"model": "gemma-3-27b", "gpu": "h200-sxm"},
    {"model": "deepseek-v3", "gpu": "h200-sxm", "tp": 8, "dp_attention": True, "engine": "sglang"},
    {"model": "llama-3.1-70b", "gpu": "h100-sxm", "pp": 4},
    {"model": "qwen3-32b", "gpu": "h200-sxm", "engine": "trtllm"},
)
DEPLOYMENTS = [catalog.deployment(**names) for names in NAMES]
IDS = [" ".join(map(str, names.values())) for names in NAMES]


@pytest.mark.parametrize("d", DEPLOYMENTS, ids=IDS)
def test_a_step_takes_what_serve_says(d):
    e = calibration.efficiency_for(d)
    steps = Steps(d, e)
    for n, each in ((1, 100), (7, 3333), (23, 900), (250, 8000), (900, 333)):
        own = bandwidth.decode_step(d, context_tokens=each, concurrency=n, efficiency=e)
        assert steps.decode_s(n, n * each) == pytest.approx(own.itl_s, rel=0.005), (n, each)
    for tokens in (1, 17, 1000, 8192, 50_000):
        own = bandwidth.prefill(d, input_tokens=tokens, efficiency=e)
        assert steps.prompt_s(0, tokens, 0, tokens) == pytest.approx(own.share_s, rel=0.01), tokens
    cached = bandwidth.prefill(d, input_tokens=9000, cached_tokens=5008, efficiency=e).share_s
    assert steps.prompt_s(5008, 9000, 5008, 9000) == pytest.approx(cached, rel=0.01)


@pytest.mark.parametrize("d", DEPLOYMENTS, ids=IDS)
def test_the_pieces_of_a_prompt_add_up(d):
    steps = Steps(d, calibration.efficiency_for(d))
    whole = steps.prompt_s(512, 9000, 512, 9000)
    cuts = (512, 2000, 2001, 6000, 9000)
    pieces = [steps.prompt_s(a, b, 512, 9000) for a, b in pairwise(cuts)]
    assert sum(pieces) == pytest.approx(whole)
    assert min(pieces) > 0


def test_the_time_outside_the_cards_is_serves():
    for d in DEPLOYMENTS:
        served = serve(d, Workload(4000, 100, 1), calibration.efficiency_for(d))
        outside_s = Steps(d, served.efficiency).request_s(4000)
        assert outside_s == pytest.approx(served.client_s, rel=0.03), d.title


def test_guesses_make_the_gap_shorter():
    d = DEPLOYMENTS[1]
    guessing = replace(d, speculation=Speculation(3, 0.8))
    assert Steps(guessing, CEILING).decode_s(4, 4000) < 0.5 * Steps(d, CEILING).decode_s(4, 4000)
    assert room_of(guessing, ()).step_tokens == 4


@pytest.mark.parametrize("d", DEPLOYMENTS, ids=IDS)
def test_as_many_whole_sequences_have_room_as_the_ledger_says(d):
    for tokens in (1024, 16_384):
        room = room_of(d, [Request(0.0, tokens - 1, 1)])
        held = room.held_bytes(tokens // d.block_tokens)
        most = capacity.max_concurrent(d, tokens)
        assert room.bytes // held == pytest.approx(most, abs=d.attention_replicas)


def test_what_does_not_start_is_not_simulated():
    with pytest.raises(BadInput, match="Does not start"):
        room_of(catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm"), ())


def closed_loop(d, prompt, answer, users, spread):
    """Mean gap and mean first token of users who ask again at once."""
    load = drawn(
        count=25 * users,
        arrivals=Arrivals("users", users=users),
        prompt=Lengths(prompt, spread, "uniform"),
        answer=Lengths(answer, spread, "uniform"),
    )
    run = simulate(load, Steps(d, calibration.efficiency_for(d)), room_of(d, load))
    steady = run.completed[5 * users : -users] if users > 1 else run.completed
    return fmean(one.tpot_s for one in steady), fmean(one.ttft_s for one in steady)


@pytest.mark.parametrize("d", DEPLOYMENTS[:4], ids=IDS[:4])
def test_one_user_waits_as_long_as_serve_says(d):
    served = serve(d, Workload(1000, 500, 1), calibration.efficiency_for(d))
    itl_s, ttft_s = closed_loop(d, 1000, 500, 1, 0)
    assert itl_s == pytest.approx(served.itl_s, rel=0.005)
    assert ttft_s == pytest.approx(served.ttft_mean_s, rel=0.005)


# Gaps are the same where decoding waits for all that a prompt adds; in `serve` a share of it is
# fitted to benchmarks. First tokens differ for two reasons: `serve` does not count the step in
# progress that a prompt waits for, which is a tenth of a short prompt's first token, and it takes a
# prompt in progress for a whole one, which makes it later by a fifth where prompts are most of the
# work.
@pytest.mark.parametrize("d", DEPLOYMENTS[:2], ids=IDS[:2])
@pytest.mark.parametrize(
    ("prompt", "answer", "users", "gap", "first"),
    [
        (1000, 500, 4, 0.004, 0.06),
        (1000, 500, 16, 0.004, 0.08),
        (4000, 1000, 8, 0.004, 0.06),
        (500, 500, 64, 0.004, 0.12),
        (2000, 100, 8, 0.025, 0.21),
    ],
)
def test_many_users_wait_about_as_long_as_serve_says(d, prompt, answer, users, gap, first):
    # nobody's request comes at the same moment as another's by design: lengths differ
    e = replace(calibration.efficiency_for(d), burst_share=0.0, prefill_share=1.0)
    served = serve(d, Workload(prompt, answer, users), e)
    itl_s, ttft_s = closed_loop(d, prompt, answer, users, 0.3)
    assert itl_s == pytest.approx(served.itl_s, rel=gap)
    assert ttft_s == pytest.approx(served.ttft_mean_s, rel=first)


def test_users_with_answers_of_one_length_fall_into_step():
    """All ask again in the step that ends all answers, and then wait for each other's prompts."""
    d = DEPLOYMENTS[1]
    together, apart = (closed_loop(d, 1000, 500, 16, spread)[1] for spread in (0, 0.3))
    assert together > 2 * apart


def test_prompts_of_one_step_share_its_pass():
    """SGLang: two prompts of 100 tokens read the weights once, and the host launches them once."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang-0.5.9")
    slow, quick = (Steps(d, Efficiency(prompt_layer_s=layer_s)) for layer_s in (1e-3, 0.0))
    one, two = (0, 100, 0, 100), [(0, 100, 0, 100)] * 2
    assert slow.prompt_s(*one) == slow.pass_s(two) == pytest.approx(32e-3)  # 32 layers
    both = bandwidth.prefill_work(d, input_tokens=100, prompts=2).total_s(CEILING)
    assert quick.pass_s(two) == pytest.approx(both, rel=0.02) and both < 2 * quick.prompt_s(*one)
