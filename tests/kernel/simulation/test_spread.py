"""What spreads around means: what an engine does in a round, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from llmcap_kernel import calibration, catalog, law
from llmcap_kernel.serving import Served, load_work, serve
from llmcap_kernel.simulation.percentiles import MEANS
from llmcap_kernel.simulation.spread import Spread, chunks_of, quantile_s, spread_of
from llmcap_kernel.spec import TAILED, Efficiency, Speculation, Workload

ONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(3000, 400, 32)
RANKS = np.linspace(0.1, 99.9, 500)


def mean_of(spread, quantity):
    return np.mean([quantile_s(spread, quantity, p) for p in RANKS])


def plain(served):
    """Without what steps and requests vary by themselves."""
    return spread_of(served)._replace(step_spread=0.0, request_spread=0.0)


@pytest.mark.parametrize("quantity", TAILED)
@pytest.mark.parametrize("load", [Workload(3000, 400, 32), Workload(200, 900, 4)], ids=str)
def test_percentiles_add_up_to_the_mean(quantity, load):
    here = calibration.estimates(ONE, load).served
    mean = getattr(here, MEANS[quantity])
    # of gaps the steps are counted; of first tokens two waits are put together
    close = {"itl": 0.25, "ttft": 0.2}.get(quantity, 0.03)
    assert mean_of(spread_of(here), quantity) == pytest.approx(mean, rel=close)


def test_as_many_gaps_are_long_as_carry_a_chunk():
    """Of 400 gaps with 31 others' prompts of a chunk each, 31 are long; weights are read once."""
    d = replace(ONE, max_num_batched_tokens=4096)
    here = serve(d, LOAD, Efficiency(prefill_share=1.0))
    spread = plain(here)
    gaps = np.array([spread.gap_s(p) for p in RANKS])
    long = np.mean(gaps > 2 * here.itl_decode_s)
    assert long == pytest.approx(31 / 400, abs=0.005)
    read_s = law.weights_of(d).dense_read_bytes / d.gpu.bandwidth_bytes_s
    added_s = here.prompt.share_s - read_s
    assert spread.gap_s(99) == pytest.approx(here.itl_decode_s + added_s, rel=0.05)


def test_smaller_chunks_make_more_gaps_long_and_each_shorter():
    large, small = (
        plain(serve(replace(ONE, max_num_batched_tokens=n), LOAD, Efficiency(prefill_share=1)))
        for n in (4096, 512)
    )
    assert small.full + small.last > 4 * (large.full + large.last)
    assert small.gap_s(99.5) < large.gap_s(99.5) / 3


def test_prompts_that_come_in_one_step_are_computed_in_it_up_to_a_chunk():
    """Of 16 users with 40 tokens each, a step carries a third of a prompt: sometimes two."""
    load = Workload(500, 40, 16)
    spread = plain(serve(ONE, load, Efficiency(prefill_share=1.0)))
    one = chunks_of(serve(ONE, load))
    added_s = spread.added_share * one.last_s
    longest = [(spread.gap_s(p) - spread.gap_s(50)) / added_s for p in (80, 97)]
    assert [round(x) for x in longest] == [1, 2]
    crowd = plain(serve(ONE, Workload(500, 40, 500), Efficiency(prefill_share=1.0)))
    full_s = crowd.added_share * one.full_s
    assert crowd.gap_s(99) - crowd.step_s == pytest.approx(full_s, rel=0.1)


def test_an_engine_that_computes_prompts_first_stops_decoding_for_a_whole_one():
    load = Workload(30_000, 1000, 16)
    chunked = chunks_of(serve(ONE, load))
    whole = chunks_of(
        serve(catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang"), load)
    )
    assert chunked.full == 3 and chunked.last == 1
    assert 3 * chunked.full_s + chunked.last_s == pytest.approx(serve(ONE, load).prompt.share_s)
    assert whole == (0, 1, np.inf, serve(ONE, load).prompt.share_s)


def test_an_answer_of_one_user_slows_down_as_its_context_grows():
    here = serve(ONE, Workload(1000, 60_000))
    spread = plain(here)
    first, last = (serve(ONE, Workload(1000, 60_000), context_tokens=n) for n in (1000, 61_000))
    assert spread.gap_s(0.1) == pytest.approx(first.itl_decode_s, rel=0.01)
    assert spread.gap_s(99.9) == pytest.approx(last.itl_decode_s, rel=0.01)


def test_tokens_that_are_drafted_come_together_or_alone():
    """With two in three steps of four accepted, gaps are a step, or a half, a third, ... of it."""
    d = replace(ONE, speculation=Speculation(tokens=3, accept=0.7))
    here = serve(d, Workload(1000, 400))
    spread = plain(here)
    step_s = here.itl_decode_s * sum(0.7**n for n in range(4))
    assert spread.gap_s(99) == pytest.approx(step_s, rel=0.01)
    assert spread.gap_s(1) == pytest.approx(step_s / 4, rel=0.01)
    assert mean_of(spread, "itl") == pytest.approx(here.itl_s, rel=0.01)


def test_users_who_ask_at_once_are_served_one_after_another():
    here = serve(ONE, LOAD, Efficiency(burst_share=1.0))
    spread = plain(here)
    assert spread.wait_s(0.1) == pytest.approx(here.prompt.share_s, rel=0.05)
    assert spread.wait_s(99.9) == pytest.approx(here.prompt.share_s + here.others_s, rel=0.05)


def test_a_late_first_token_is_followed_by_a_fast_answer():
    apart = replace(ONE, engine=replace(ONE.engine, mixes_prompts=False))
    spread = plain(serve(apart, LOAD, Efficiency(prefill_share=1.0, burst_share=0.5)))
    assert spread.first_s(99) > 2 * spread.first_s(10)
    # decoding waits for all the rest of the prompts, so whoever waits loses nothing in the end
    assert spread.whole_s(99) == pytest.approx(spread.whole_s(10), rel=0.01)


def test_a_stack_of_loads_has_the_percentiles_of_each():
    loads = [Workload(2000, 400, n) for n in (4, 32)]
    works = [load_work(ONE, load) for load in loads]
    efficiency = calibration.efficiency_for(ONE)
    each = [Served(w, efficiency, ONE, load) for w, load in zip(works, loads, strict=True)]
    spreads = [plain(one) for one in each]
    stack = Spread(
        *(
            x[0] if isinstance(x[0], tuple | str) else np.array(x)
            for x in map(list, zip(*spreads, strict=True))
        )
    )
    for quantity in TAILED:
        for p in (50, 95, 99):
            together = quantile_s(stack, quantity, p)
            assert list(together) == pytest.approx([quantile_s(s, quantity, p) for s in spreads])
