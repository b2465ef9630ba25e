"""Open loops: as many answers as are asked for, until the deployment cannot."""

import json

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.evidence import compare, measurements, open_loop, results
from llmcap_kernel.evidence.fit.rows import samples_of
from llmcap_kernel.simulation.rates import at_rate
from llmcap_kernel.spec import Workload

DEPLOYMENT = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm")
LOAD = Workload(1000, 200, 1)
SENT = 400


def served(users):
    load = Workload(LOAD.input_tokens, LOAD.output_tokens, users)
    return calibration.estimates(DEPLOYMENT, load, family="vllm")


def rows(rate, **more):
    """What is predicted of a run of 400 requests at a rate."""
    run = {"model_id": "llama-3.1-8b", "backend": "vllm", "request_rate": rate, "num_prompts": SENT}
    run |= {"completed": SENT, "total_input_tokens": 1000 * SENT, "total_output_tokens": 200 * SENT}
    run |= {"median_ttft_ms": 90.0, "median_tpot_ms": 9.0, "output_throughput": 200 * min(rate, 9)}
    lines = results.parse(json.dumps(run | more).encode(), "x")
    made = compare.report(lines, measurements.options_of(gpu="h100-sxm", weight_dtype="bf16"))
    return {row.metric: row for row in made.rows}


@pytest.mark.parametrize("rate", [0.5, 2.0, 8.0])
def test_below_saturation_the_output_rate_is_what_was_asked_for(rate):
    row = rows(rate)["output_tok_s_total"]
    assert row.predicted == pytest.approx(rate * 200)
    assert row.low < row.predicted < row.high < 1.2 * row.predicted


def test_beyond_saturation_it_is_what_the_deployment_serves():
    most = served(SENT).output_tok_s.value
    row = rows(1000.0)["output_tok_s_total"]
    assert row.predicted == pytest.approx(most) and most < 1000 * 200
    assert row.low <= row.predicted <= row.high


def test_requests_in_flight_are_the_rate_times_the_time_of_a_request():
    """Little's law on the estimate, whatever the client measured."""
    for rate in (1.0, 4.0, 12.0):
        users = open_loop.users(DEPLOYMENT, LOAD, "vllm", rate, SENT)
        here, fewer = served(users).served, served(max(users - 1, 1)).served
        assert rate * here.e2e_s <= users + 1e-9
        assert users == 1 or rate * fewer.e2e_s > users - 1


def test_latencies_are_those_of_a_design_at_the_rate():
    """One number for one load, whether it is designed for or scored."""
    quantiles = {"p95_ttft_ms": 120.0, "p99_itl_ms": 20.0}
    slow, fast = rows(1.0), rows(12.0, **quantiles)
    assert slow["itl_ms"].predicted < fast["itl_ms"].predicted
    made = at_rate(DEPLOYMENT, LOAD, 12.0)
    wanted = {
        "itl_ms": made.itl_s,
        "ttft_ms": made.ttft_s,
        "ttft_percentile_ms": made.percentile("ttft", 95),
        "itl_percentile_ms": made.percentile("itl", 99),
    }
    for metric, estimate in wanted.items():
        assert fast[metric].predicted == pytest.approx(1e3 * estimate.value)


def test_of_a_rate_only_the_gaps_teach_the_speed_of_an_engine():
    """Below saturation as many tokens come as were asked for, however fast the engine is."""
    cells = {"model": "llama-3.1-8b", "gpu": "h100-sxm", "engine": "vllm", "weight_dtype": "bf16"}
    cells |= {"input_tokens": 1000, "output_tokens": 200, "request_rate": 4.0, "requests": SENT}
    values = {"itl_ms": 9.0, "ttft_ms": 90.0, "output_tok_s_total": 800.0}
    lines = [results.Line(name, cells | {"metric": name, "value": x}) for name, x in values.items()]
    (gap,) = samples_of(lines)
    users = open_loop.users(DEPLOYMENT, LOAD, "vllm", 4.0, SENT)
    assert gap.metric == "itl_ms" and gap.work.users == users < 30


def test_a_limit_keeps_a_rate_from_asking_for_more():
    row = rows(1000.0, max_concurrency=4)["output_tok_s_total"]
    assert row.predicted == pytest.approx(served(4).output_tok_s.value)


def test_a_queue_without_an_end_is_no_first_token():
    cells = {"model": "llama-3.1-8b", "gpu": "h100-sxm", "engine": "vllm", "weight_dtype": "bf16"}
    cells |= {"input_tokens": 1000, "output_tokens": 200, "request_rate": 1e4}
    told = compare.row(results.Line("a", cells | {"metric": "ttft_ms", "value": 900}))
    assert "request_rate is 10000: more than the deployment serves" in told.skipped
    rate = compare.row(results.Line("a", cells | {"metric": "output_tok_s_total", "value": 9000}))
    assert rate.skipped is None and rate.predicted < 1e4 * 200


def test_a_total_counts_the_prompts_too():
    cells = {"model": "llama-3.1-8b", "gpu": "h100-sxm", "engine": "vllm", "request_rate": 2.0}
    cells |= {"input_tokens": 1000, "output_tokens": 200, "requests": SENT}
    row = compare.row(results.Line("a", cells | {"metric": "total_tok_s", "value": 2000}))
    assert row.predicted == pytest.approx(2 * 1200)
    two = cells | {"tp": 2, "metric": "output_tok_s_per_gpu", "value": 200}
    assert compare.row(results.Line("a", two)).predicted == pytest.approx(2 * 200 / 2)
