"""One's own measurements: they move an estimate, narrow it, and never beat the ceiling."""

import csv
import math

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.evidence import own
from llmcap_kernel.evidence.fit.rows import samples
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation.rates import at_rate
from llmcap_kernel.spec import CEILING, Efficiency, Workload

CARDS = {"h100-sxm": 1, "a100-sxm-80gb": 1, "h200-sxm": 1, "l40s": 1}
LOADS = [(512, 128, 4), (1000, 500, 16), (2000, 200, 32)]
NEXT = catalog.deployment(model="qwen3-8b", gpu="h100-sxm")
LOAD = Workload(1500, 300, 8)


@pytest.fixture(autouse=True)
def strangers_again():
    yield
    calibration.use(None)


def measured(path, times, cards=CARDS):
    """A file of gaps and rates as they are expected of strangers, but so many times slower."""
    with path.open("w", newline="") as file:
        names = (
            "id",
            "model",
            "gpu",
            "tp",
            "engine",
            "weight_dtype",
            "kv_dtype",
            "metric",
            "value",
        )
        table = csv.DictWriter(file, (*names, "input_tokens", "output_tokens", "concurrency"))
        table.writeheader()
        for gpu in cards:
            d = catalog.deployment(model="llama-3.1-8b", gpu=gpu)
            for tokens, answer, users in LOADS:
                made = calibration.estimates(d, Workload(tokens, answer, users)).served
                same = {"model": "llama-3.1-8b", "gpu": gpu, "tp": 1, "engine": "vllm"}
                same |= {"weight_dtype": "bf16", "kv_dtype": "bf16", "concurrency": users}
                same |= {"input_tokens": tokens, "output_tokens": answer}
                gap, rate = made.itl_s * 1e3 * times, made.output_tok_s / times
                for metric, value in (("itl_ms", gap), ("output_tok_s_total", rate)):
                    name = f"{gpu}-{users}-{metric}"
                    table.writerow({**same, "id": name, "metric": metric, "value": value})
    return path


def learnt(tmp_path, times, cards=CARDS):
    found = own.fitted(samples(measured(tmp_path / "mine.csv", times, cards)))
    return own.write(tmp_path / "own.toml", found, "mine.csv"), found


def test_how_far_a_few_deployments_are_believed():
    # between .4, within .3: of one deployment .16 / (.16 + .09), and what is left by hand
    share, width = own.believed({"between": 0.4, "within": 0.3}, 1)
    assert share == pytest.approx(0.64)
    assert width == pytest.approx(math.sqrt((0.16 * 0.36 + 0.09) / 0.25))
    # of very many the source is known, and its rows still differ
    assert own.believed({"between": 0.4, "within": 0.3}, 10**9)[1] == pytest.approx(0.6)
    assert own.believed({"between": 0.0, "within": 0.3}, 5) == (0.0, 1.0)


def test_a_slower_engine_is_expected_to_be_slower_and_surer(tmp_path):
    before = calibration.estimates(NEXT, LOAD).itl_s
    path, found = learnt(tmp_path, 1.4)
    calibration.use(path)
    after = calibration.estimates(NEXT, LOAD).itl_s
    assert before.value < after.value < 1.4 * before.value
    assert after.low < 1.4 * before.value < after.high
    assert after.high / after.low < before.high / before.low
    assert (found["vllm"].rows, found["vllm"].deployments) == (24, 4)
    assert "24 rows of your own, of 4 deployments" in after.reason
    calibration.use(None)
    assert calibration.estimates(NEXT, LOAD).itl_s == before


def test_more_deployments_are_believed_more(tmp_path):
    few, many = (learnt(tmp_path, 1.4, cards)[1]["vllm"] for cards in (("h100-sxm",), tuple(CARDS)))
    assert 1 < few.factor < many.factor
    for kind in ("servers.gap", "servers.answer"):
        (low, high), (lower, higher) = many.intervals[kind], few.intervals[kind]
        assert high / low < higher / lower


def test_a_wait_for_room_in_the_cache_teaches_nothing_of_the_engine(tmp_path):
    """64 users of 30,000 tokens on one L40S: an engine with room for more is not faster."""
    rows = samples(measured(tmp_path / "mine.csv", 1.4))
    waits = {"id": "w", "model": "llama-3.1-8b", "gpu": "l40s", "tp": 1, "engine": "vllm"}
    waits |= {"weight_dtype": "bf16", "kv_dtype": "bf16", "metric": "ttft_ms", "value": 60_000}
    waits |= {"concurrency": 64, "input_tokens": 30_000, "output_tokens": 500}
    with (tmp_path / "waits.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, tuple(waits))
        table.writeheader()
        table.writerow(waits)
    waiting = samples(tmp_path / "waits.csv")
    assert len(waiting) == 1 and own.fitted([*rows, *waiting]) == own.fitted(rows)
    with pytest.raises(BadInput, match="more users than the cache holds"):
        own.fitted(waiting)


def test_what_agrees_with_strangers_moves_nothing(tmp_path):
    assert learnt(tmp_path, 1.0)[1]["vllm"].factor == pytest.approx(1, abs=0.01)


ALONE = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")


def mixed(path, gap, first_token, rate):
    """A run of 16 users on one H100 whose quantities are off by different factors on a time."""
    made = calibration.estimates(ALONE, Workload(1000, 500, 16)).served
    values = {"itl_ms": made.itl_s * 1e3 * gap, "ttft_ms": made.ttft_mean_s * 1e3 * first_token}
    values |= {"output_tok_s_total": made.output_tok_s / rate}
    same = "llama-3.1-8b,h100-sxm,1,vllm,bf16,bf16,1000,500,16"
    lines = ["id,metric,value,model,gpu,tp,engine,weight_dtype,kv_dtype,input_tokens,output_tokens"]
    lines[0] += ",concurrency"
    lines += [f"{name},{name},{value},{same}" for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return samples(path)


def test_what_is_believed_of_each_kind_is_as_by_hand(tmp_path, monkeypatch):
    """Of one deployment: b^2 / (b^2 + w^2) of the log of what was measured."""
    spreads = {
        "servers.gap": {"between": 0.3, "within": 0.5},  # .09 / .34
        "servers.first_token": {"between": 1.2, "within": 0.8},  # 1.44 / 2.08
        "servers.answer": {"between": 0.5, "within": 0.3},  # .25 / .34
    }
    known = calibration.table() | {"spreads": spreads}
    monkeypatch.setattr(calibration, "table", lambda: known)
    rows = mixed(tmp_path / "mixed.csv", 1.18, 3.0, 1.15)
    moved = own.moves(rows, own.fitted(rows))["vllm"]
    gap, first, answer = (moved[f"servers.{x}"] for x in ("gap", "first_token", "answer"))
    assert (gap.measured, first.measured, answer.measured) == pytest.approx((1.18, 3.0, 1.15))
    assert gap.expected == pytest.approx(1.18 ** (0.09 / 0.34))
    assert first.expected == pytest.approx(3.0 ** (1.44 / 2.08))
    assert answer.expected == pytest.approx(1.15 ** (0.25 / 0.34))
    # what is not known after: .09 x .7353 + .25, 1.44 x .3077 + .64, .25 x .2647 + .09
    weights = 1 / 0.316176, 1 / 1.083077, 1 / 0.156176
    left = (math.log(x.expected / x.estimated) for x in (gap, first, answer))
    assert sum(w * x for w, x in zip(weights, left, strict=True)) == pytest.approx(0, abs=2e-3)


def test_late_first_tokens_move_no_gap_beyond_what_was_measured(tmp_path):
    """Sources differ most in first tokens: three times as late says little of a gap."""
    rows = mixed(tmp_path / "mixed.csv", 1.18, 3.0, 1.15)
    found = own.fitted(rows)
    moved = own.moves(rows, found)["vllm"]["servers.gap"]
    assert 1 < moved.expected < moved.estimated < moved.measured
    with calibration.using(found):
        made = calibration.estimates(ALONE, Workload(1000, 500, 16))
        for one in (made.itl_s, made.ttft_s, made.output_tok_s):
            assert one.low <= one.value <= one.high


def test_what_is_learnt_does_not_hang_on_what_was_learnt_before(tmp_path):
    path, found = learnt(tmp_path, 1.4)
    calibration.use(path)
    assert own.fitted(samples(tmp_path / "mine.csv")) == found


def test_a_gap_at_a_rate_is_beside_that_of_requests_at_the_rate(tmp_path):
    """A fifth slower than requests at 8 a second is 1.2, whatever users at once would take."""
    path = tmp_path / "at_rate.csv"
    gap_ms = 1.2e3 * at_rate(NEXT, LOAD, 8.0).itl_s.value
    heads = "id,model,gpu,tp,engine,weight_dtype,kv_dtype,metric,value,input_tokens,output_tokens"
    row = f"a,qwen3-8b,h100-sxm,1,vllm,bf16,bf16,itl_ms,{gap_ms},1500,300,8"
    path.write_text(f"{heads},request_rate\n{row}\n")
    rows = samples(path)
    found = own.fitted(rows)
    assert own.moves(rows, found)["vllm"]["servers.gap"].measured == pytest.approx(1.2)
    with calibration.using(found):
        assert own.fitted(samples(path)) == found


def test_nothing_beats_the_ceiling(tmp_path):
    path, _ = learnt(tmp_path, 0.3)
    calibration.use(path)
    for users in (1, 8, 64):
        gap = calibration.estimates(NEXT, Workload(1500, 300, users)).itl_s
        assert gap.ceiling <= gap.low <= gap.value
    assert calibration.slowed(CEILING, 0.01) == CEILING


def test_other_engines_and_chips_stay_as_they_were(tmp_path):
    here = catalog.deployment(model="qwen3-8b", gpu="h100-sxm", engine="sglang")
    there = catalog.deployment(model="qwen3-8b", gpu="mi300x")
    before = [calibration.estimates(d, LOAD).itl_s for d in (here, there)]
    path, _ = learnt(tmp_path, 1.4)
    calibration.use(path)
    other, chips = (calibration.estimates(d, LOAD).itl_s for d in (here, there))
    assert other == before[0]
    # the engine is slower there, too; how sure that is nobody measured
    assert chips.value > before[1].value
    assert chips.high / chips.low == pytest.approx(before[1].high / before[1].low, rel=0.05)


def test_a_share_is_slowed_in_its_odds_and_a_time_in_itself():
    slower = calibration.slowed(Efficiency(bandwidth=0.75, step_s=0.001, burst_share=0.5), 3)
    assert slower == Efficiency(bandwidth=0.5, step_s=0.003, burst_share=0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[engines.vllm]\nfactor = 2", "no file that llmcap calibrate --with wrote"),
        ("engines = 3", "no file that llmcap calibrate --with wrote"),
        ("[sets]\n", "no file that llmcap calibrate --with wrote"),
        ("=", "is no TOML"),
        (
            "[engines.vllm]\nfactor = 0\nrows = 1\ndeployments = 1\nchips = []\nintervals = {}",
            "0.01",
        ),
        (
            "[engines.vllm]\nfactor = 1\nrows = 1\ndeployments = 1\nchips = []\n"
            'intervals = {"servers.gap" = [2, 1]}',
            "slower",
        ),
    ],
)
def test_other_files_cost_a_sentence(tmp_path, text, said):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        calibration.use(path)
    with pytest.raises(BadInput, match="cannot be read"):
        calibration.use(tmp_path / "absent")


def test_rows_of_nothing_are_refused():
    with pytest.raises(BadInput, match="no row that can be predicted"):
        own.fitted([])


def test_nothing_that_was_estimated_before_outlives_what_is_learnt(tmp_path):
    """A notebook asks, learns, and asks the same again."""

    def asked():
        return at_rate(NEXT, LOAD, 1.0).percentile("itl", 95).value

    before = asked()
    calibration.use(learnt(tmp_path, 2.0)[0])
    assert asked() > 1.2 * before
    calibration.use(None)
    assert asked() == before


def test_rows_too_far_off_for_a_file_are_refused_and_not_written(tmp_path):
    """A first token 2,000 times as late: its interval has no place in a file or a link."""
    path = tmp_path / "far.csv"
    names = "id,model,gpu,engine,metric,value,input_tokens,output_tokens,concurrency"
    rows = (f"{i},llama-3.1-8b,h100-sxm,vllm,ttft_ms,{9e7},1000,100,8" for i in range(3))
    path.write_text("\n".join([names, *rows]) + "\n", "utf-8")
    with pytest.raises(BadInput, match="more than 100 times off"):
        own.fitted(samples(path))


def test_nothing_is_learnt_of_a_deployment_that_does_not_start(tmp_path):
    path = tmp_path / "stuck.csv"
    names = "id,model,gpu,engine,metric,value,input_tokens,output_tokens,concurrency"
    path.write_text(f"{names}\na,llama-3.1-70b,h100-sxm,vllm,ttft_ms,840,7000,500,16\n", "utf-8")
    assert samples(path) == []
