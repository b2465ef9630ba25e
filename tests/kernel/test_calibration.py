"""Estimates stay below the ceiling, say why they are as wide as they are, and keep their word."""

import math
import statistics
from collections import Counter
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, calibration, capacity, catalog, design, fit, validate
from llmcap_kernel.spec import BadInput, Efficiency

from .measured import ROWS
from .strategies import deployments

A, B, C = design.worked_spec()
LOAD = {"input_tokens": 7000, "output_tokens": 1000, "concurrency": 16}
FASTER_IS_MORE = calibration.PER_SECOND


@settings(max_examples=60)
@given(
    deployments(),
    st.sampled_from(calibration.METRICS),
    st.sampled_from(["vllm", "sglang", "trtllm", "llama.cpp", "transformers", "nobody"]),
    st.integers(1, 20_000),
    st.integers(1, 2000),
    st.integers(1, 256),
)
def test_an_estimate_never_beats_the_ceiling(d, metric, family, tokens_in, out, users):
    e = calibration.estimate(
        d,
        metric=metric,
        family=family,
        input_tokens=tokens_in,
        output_tokens=out,
        concurrency=users,
    )
    assert 0 < e.low < e.value < e.high and math.isfinite(e.high)
    cut = calibration.within_ceiling(e, metric)
    assert e.low <= cut.low <= cut.value == e.value <= cut.high <= e.high
    if metric in FASTER_IS_MORE:
        assert cut.high <= e.ceiling * (1 + 1e-9)
    else:
        assert cut.low >= e.ceiling * (1 - 1e-9)
    assert e.reason


def test_an_engine_nobody_measured_falls_back_and_widens():
    known, unknown = (
        calibration.estimate(B, metric="itl_ms", family=f, **{**LOAD, "concurrency": 1})
        for f in ("vllm", "an-engine-of-next-year")
    )
    assert unknown.high / unknown.low > known.high / known.low
    assert "no offline measurement of engine an-engine-of-next-year" in unknown.reason
    assert "left out" in known.reason


def test_a_server_is_slower_than_a_loop_at_the_same_load():
    gap = {
        served: calibration.predict(B, metric="itl_ms", served=served, **LOAD)
        for served in (True, False)
    }
    assert gap[True] > gap[False]
    step = bandwidth.decode_step(B, context_tokens=7500, concurrency=16)
    assert gap[False] == pytest.approx(step.total_s * 1e3)


def test_what_cannot_be_predicted_is_refused_by_name():
    with pytest.raises(BadInput, match="metric 'happiness' is not predicted"):
        calibration.predict(B, metric="happiness", served=True, **LOAD)
    with pytest.raises(BadInput, match="does not start"):
        calibration.predict(
            A, metric="output_tok_s_total", served=True, **{**LOAD, "concurrency": None}
        )


def test_who_finds_no_room_in_the_cache_waits():
    load = {"metric": "ttft_ms", "input_tokens": 8000, "output_tokens": 500, "served": True}
    room = capacity.max_concurrent(B, 8250)
    full, twice, thrice = (calibration.predict(B, **load, concurrency=n * room) for n in (1, 2, 3))
    # each further roomful waits for one that is there already
    assert twice > 3 * full and thrice - twice == pytest.approx(twice - full)
    gaps = {
        calibration.predict(B, **{**load, "metric": "itl_ms"}, concurrency=n * room)
        for n in (1, 2, 3)
    }
    assert len(gaps) == 1


def test_a_rate_of_reading_counts_no_token_that_was_in_the_cache():
    load = {**LOAD, "metric": "prefill_tok_s", "concurrency": 1, "served": False}
    cached, new = 6000, 1000
    rate = calibration.predict(B, **{**load, "input_tokens": cached + new}, cached_tokens=cached)
    step = bandwidth.prefill(B, input_tokens=cached + new, cached_tokens=cached)
    assert rate == pytest.approx(new / step.total_s)
    assert rate < calibration.predict(B, **{**load, "input_tokens": new})


def test_copies_add_their_rates():
    load = {**LOAD, "concurrency": None, "served": True}
    one, four = (
        calibration.predict(B, metric="output_tok_s_total", copies=n, **load) for n in (1, 4)
    )
    assert four == pytest.approx(4 * one)
    each = {
        round(calibration.predict(B, metric="output_tok_s_per_gpu", copies=n, **load), 6)
        for n in (1, 4)
    }
    assert each == {round(one / B.num_gpus, 6)}


@pytest.mark.parametrize("by", ["model", "card", "source", "engine"])
def test_every_group_is_left_out_once_and_the_largest_alone(by):
    rows = fit.samples(ROWS)
    count = Counter(fit.label(row, by) for row in rows)
    dealt = fit.folds(rows, by)
    assert sorted(name for names in dealt for name in names) == sorted(count)
    assert len(dealt) <= fit.FOLDS
    largest = max(count, key=count.get)
    assert {largest} in dealt


def test_every_fitted_set_is_physical():
    sets = fit.shipped()
    for mode in sets.fits:
        for key in sets.rows:
            if key.startswith(mode):
                engine, _, chips = key.removeprefix(mode).strip().partition("on ")
                path = calibration.keys(mode == "served", engine.strip(), chips)
                made = fit.efficiency(sets, path)
                assert 0.05 < made.bandwidth < 1 and made.layer_s < 1e-3
    for row in calibration.table()["intervals"].values():
        assert 0 < row["low"] < 1 < row["high"] and row["rows"] >= 1 and row["unknown"] > 1


@lru_cache(maxsize=1)
def judged():
    """Every row with its error and whether its interval holds it."""
    out = []
    for row in fit.samples(ROWS):
        e = calibration.estimate(
            row.deployment,
            family=row.family,
            **{k: v for k, v in row.load.items() if k != "served"},
        )
        out.append((row, abs(e.value / row.value - 1), e.low <= row.value <= e.high))
    return out


@pytest.mark.parametrize(
    ("regime", "metric", "median"),
    [
        ("batch1_decode", None, 0.12),
        ("prefill", "ttft_ms", 0.15),
        ("throughput_max", None, 0.18),
        ("batched_decode", "e2e_latency_s", 0.15),
        ("batched_decode", "itl_ms", 0.18),
    ],
)
def test_the_fit_keeps_what_it_reached(regime, metric, median):
    """Drift is a failure: these are the medians on the rows the fit has seen."""
    errors = [
        error
        for row, error, _ in judged()
        if row.regime == regime and metric in (None, row.load["metric"])
    ]
    assert len(errors) > 80 and statistics.median(errors) <= median


def test_intervals_hold_about_four_of_five():
    held = [inside for _, _, inside in judged()]
    assert len(held) > 4600
    assert 0.76 <= statistics.mean(held) <= 0.95  # they were earned on rows left out


def test_a_fit_finds_the_efficiencies_that_made_its_rows():
    true = Efficiency(bandwidth=0.7, kv_bandwidth=0.5, compute=0.5, layer_s=6e-5, step_s=5e-4)
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", weights="fp8")
    rows = []
    for n, (tokens, users) in enumerate((t, u) for t in (100, 2000, 16_000) for u in (1, 8, 64)):
        for metric in ("itl_ms", "e2e_latency_s"):
            load = {
                "metric": metric,
                "input_tokens": tokens,
                "output_tokens": 200,
                "concurrency": users,
                "served": False,
                "regime": "batched_decode",
            }
            value = calibration.predict(d, **load, efficiency=true)
            asked = calibration.demand(d, **load)
            row = fit.Sample(f"{metric}{n}", "made", "batched_decode", d, "x", load, value, asked)
            rows.append(row)
    wrong = [abs(e) for e in fit.errors(rows, fit.solve(rows))]
    assert max(wrong) < 0.1 and statistics.median(wrong) < 0.03


def test_rows_stacked_are_timed_as_one_by_one():
    rows = fit.samples(ROWS)[::97]
    sets = fit.shipped()
    for row, error in zip(rows, fit.errors(rows, sets), strict=True):
        alone = calibration.predict(
            row.deployment, **row.load, efficiency=fit.efficiency(sets, row.path)
        )
        assert error == pytest.approx(math.log(row.value / alone), abs=1e-9)


def test_the_kept_predictions_are_those_of_the_shipped_numbers():
    """`benchmarks/predicted.csv` is written with the table; one without the other is a lie."""
    kept = {row.id: row for row in validate.read_predictions(ROWS, ROWS.with_name("predicted.csv"))}
    now = [row for row in validate.run(ROWS).compared if row.id in kept]
    assert len(now) == len(kept) > 5000
    for row in now[::13]:
        assert kept[row.id].predicted == pytest.approx(row.predicted, rel=1e-3)
        assert kept[row.id].low == pytest.approx(row.low, rel=1e-3)
