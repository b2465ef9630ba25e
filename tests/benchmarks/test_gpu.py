"""The card's benchmark without a card: its plan, its report, and what it asks of PyTorch."""

import contextlib
import csv
import json
import math
import types

import pytest

from benchmarks.gpu import plan, report, timing
from benchmarks.gpu.__main__ import card_of, fitted_times, main
from llmcap_kernel import bandwidth, calibration, catalog, fit, law, results
from llmcap_kernel.refuse import BadInput

H100, H200 = catalog.gpu("h100-sxm"), catalog.gpu("h200-sxm")
CELLS = plan.cells()
SMALL = plan.cells(["llama-3.1-8b"], ["bf16", "fp8"], [1, 64], [1024, 8192])
RUN = {"source_id": "own-test", "date": "2026-01-01", "torch": "2.9.0"}


def exact(cells, gpu):
    return {cell.key: [cell.roofline_s(gpu)] * 3 for cell in cells}


# the plan


@pytest.mark.parametrize("name", plan.MODELS)
@pytest.mark.parametrize("weights", plan.FORMATS)
def test_the_products_are_all_the_weights_that_a_step_reads(name, weights):
    model = catalog.model(name)
    found = plan.matrices(model, weights)
    sizes = {m["part"]: m["rows"] * m["columns"] * m["copies"] for m in found}
    assert sum(sizes.values()) == model.matmul_params
    read = sum(
        m["rows"] * m["columns"] * m["copies"] * catalog.format(m["weights"]).bytes_per_element
        for m in found
    )
    norms = sum(2 * t.params for t in model.tensors if t.role == "norm")
    assert read + norms == law.weight_bytes(model, catalog.format(weights)).dense_read_bytes


def test_an_output_projection_reads_what_the_heads_wrote():
    shapes = {
        m["part"]: (m["rows"], m["columns"])
        for m in plan.matrices(catalog.model("llama-3.1-70b"), "bf16")
    }
    config = json.loads(
        (
            catalog.FOLDER
            / "configs"
            / catalog.table("models")["models"]["llama-3.1-70b"]["config"]
        ).read_text()
    )
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    assert shapes["down"] == (hidden, wide) and shapes["gate_up"] == (2 * wide, hidden)
    assert shapes["o"] == (hidden, hidden) and shapes["head"] == (config["vocab_size"], hidden)


def test_no_cell_is_measured_twice_and_the_head_stays_in_16_bits():
    assert len({cell.key for cell in CELLS}) == len(CELLS)
    assert {cell.weights for cell in CELLS if cell.part == "head"} == {"bf16"}
    assert {cell.batch for cell in CELLS} == set(plan.BATCHES)
    assert {cell.context for cell in CELLS} == {0, *plan.CONTEXTS}


def test_attention_counts_what_the_law_counts():
    model, layers = catalog.model("llama-3.1-8b"), catalog.model("llama-3.1-8b").layers
    decode = next(c for c in CELLS if c.key == (model.name, "attention", "bf16", 4, 1, 2048))
    prompt = next(c for c in CELLS if c.key == (model.name, "attention", "bf16", 1, 2048, 0))
    cache = law.kv_bytes_per_sequence(model, catalog.format("bf16"), 2048)
    assert layers * decode.bytes_read == 4 * cache
    assert layers * decode.flops == 4 * law.attention_flops_per_token(model, 2048)
    assert layers * prompt.flops == law.prefill_attention_flops(model, 2048)
    assert prompt.bytes_read == 0


def test_buffers_pass_over_the_cache_and_stay_on_the_card():
    cache, memory = 50 * 2**20, 80e9
    for cell in (c for c in CELLS if plan.fits(c, memory)):
        copies = plan.buffers(cell, cache, memory)
        assert copies * cell.buffer_bytes <= plan.MEMORY_SHARE * memory
        if cell.bytes_read and copies < plan.MOST_COPIES:
            assert copies * cell.bytes_read >= plan.CACHE_TIMES * cache
    assert not all(plan.fits(cell, 8e9) for cell in CELLS)


def test_a_model_with_experts_or_a_latent_cache_is_refused():
    for name in ("deepseek-v3", "mixtral-8x7b", "gemma-3-27b"):
        with pytest.raises(BadInput, match="not a plain dense model"):
            plan.cells([name])


# the report


@pytest.mark.parametrize("gpu", [H100, H200], ids=lambda gpu: gpu.name)
def test_cells_at_the_spec_sheet_add_up_to_the_laws_own_passes(gpu):
    made = report.passes(SMALL, exact(SMALL, gpu))
    assert {(row[1], row[2], row[3]) for row in made} >= {("fp8", 64, 1), ("bf16", 1, 8192)}
    for model, weights, batch, tokens, context, total_s in made:
        d = catalog.deployment(model=model, gpu=gpu.name, weights=weights)
        if tokens > 1:
            least_s = bandwidth.prefill(d, input_tokens=tokens).total_s
        else:
            step = bandwidth.decode_step(d, context_tokens=context, concurrency=batch)
            least_s = step.total_s
        # each part waits for the slower of its two rates, the law's pass for that of their sum
        assert least_s * 0.999 < total_s < least_s * 1.06
        if tokens == 1 and batch == 1:
            assert total_s == pytest.approx(least_s, rel=1e-3)


def test_a_share_is_told_under_the_efficiency_it_measures():
    slow = {"bandwidth": 0.8, "kv_bandwidth": 0.5, "compute": 0.6}
    times = {
        cell.key: [cell.roofline_s(H100) / slow[report.efficiency_of(cell, H100)]] for cell in SMALL
    }
    found = report.shares(SMALL, times, H100)
    assert {name for name, _ in found} == set(slow)
    for (name, _), values in found.items():
        assert values == pytest.approx([slow[name]] * len(values))
    for name, told in report.NAMES.items():
        line = next(x for x in report.text(SMALL, times, H100).splitlines() if x.startswith(told))
        assert f"{slow[name]:.2f}" in line.split()


def test_fitted_numbers_stand_beside_the_measured():
    fitted, _ = calibration.efficiency_for(
        catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), "vllm", True
    )
    told = report.text(SMALL, exact(SMALL, H100), H100)
    line = next(x for x in told.splitlines() if x.startswith("cache read"))
    assert line.split()[-1] == f"{fitted.kv_bandwidth:.2f}"


def test_a_cell_that_failed_is_told_and_nothing_is_made_of_it():
    times = exact(SMALL, H100)
    lost = next(cell for cell in SMALL if cell.weights == "fp8" and cell.part == "o")
    times[lost.key] = "no such kernel"
    assert "1 cells could not be measured: no such kernel" in report.text(SMALL, times, H100)
    before, after = (len(report.passes(SMALL, t)) for t in (exact(SMALL, H100), times))
    assert after < before


def test_rows_are_what_measured_csv_holds_and_the_fit_reads_the_passes(tmp_path):
    path = tmp_path / "own.csv"
    times = {key: [2 * s for s in found] for key, found in exact(SMALL, H100).items()}
    made = report.rows(SMALL, times, H100, RUN)
    report.write_csv(path, made)
    with (catalog.FOLDER.parents[1] / "benchmarks" / "measured.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == report.COLUMNS
    assert len(results.read(path)) == len(made) == len({row["id"] for row in made})
    read = fit.samples(path)
    assert {row.load["metric"] for row in read} == {"itl_ms", "prefill_tok_s"}
    loads = {(row.load["concurrency"], row.load["input_tokens"]) for row in read}
    # 64 users of 8,192 tokens have no room beside the weights
    assert loads == {(1, 1023), (1, 8191), (64, 1023), (1, 1024), (1, 8192)}
    for row in read:
        assert row.source == "own-test" and row.deployment.gpu == H100
        assert not row.load["served"]
        ceiling = calibration.predict(row.deployment, **row.load)
        assert abs(math.log(ceiling / row.value)) == pytest.approx(math.log(2), abs=0.06)


def test_no_pass_is_claimed_of_a_model_that_the_card_cannot_hold():
    cells = plan.cells(["llama-3.1-70b"], ["bf16"], [1], [1024])
    metrics = {row["metric"] for row in report.rows(cells, exact(cells, H100), H100, RUN)}
    assert metrics == {"kernel_flop_s", "kernel_bytes_s"}


# the timing, against a stand-in for PyTorch


class Tensor:
    def __init__(self, shape, dtype):
        self.shape, self.dtype = tuple(shape), dtype

    def to(self, dtype):
        return Tensor(self.shape, dtype)

    def t(self):
        return Tensor(self.shape[::-1], self.dtype)


class Card:
    """A PyTorch that runs nothing and counts what it is asked: each call takes a microsecond."""

    def __init__(self, present=True):
        self.asked, self.recorded, self.now_ms = [], 0, 0.0
        self.bfloat16, self.float8_e4m3fn, self.float32 = "bf16", "fp8", "fp32"
        self.__version__ = "stand-in"
        attend = types.SimpleNamespace(scaled_dot_product_attention=self._attend)
        self.nn = types.SimpleNamespace(functional=attend)
        self.cuda = types.SimpleNamespace(
            is_available=lambda: present,
            Stream=lambda: types.SimpleNamespace(wait_stream=lambda other: None),
            current_stream=lambda: types.SimpleNamespace(wait_stream=lambda other: None),
            stream=lambda stream: contextlib.nullcontext(),
            synchronize=lambda: None,
            CUDAGraph=lambda: Graph(self),
            graph=self._recording,
            Event=lambda enable_timing: Event(self),
        )

    def randn(self, *shape, device, dtype):
        return Tensor(shape, dtype)

    def ones(self, shape, device, dtype):
        return Tensor(shape, dtype)

    def mm(self, x, w):
        return self._count(x, w)

    def _scaled_mm(self, x, w, *, scale_a, scale_b, out_dtype, use_fast_accum):
        assert x.dtype == w.dtype == "fp8" and scale_a.dtype == scale_b.dtype == "fp32"
        return self._count(x, w)

    def _attend(self, q, k, v, *, is_causal, enable_gqa):
        assert q.shape[0] == k.shape[0] and q.shape[3] == k.shape[3] and k.shape == v.shape
        assert enable_gqa == (q.shape[1] != k.shape[1]) and is_causal == (q.shape[2] > 1)
        self.asked.append((id(k), k.shape))

    def _count(self, x, w):
        assert x.shape[1] == w.shape[0]
        self.asked.append((id(w), (x.shape[0], *w.shape)))

    @contextlib.contextmanager
    def _recording(self, graph):
        before = len(self.asked)
        yield
        graph.calls = len(self.asked) - before


class Graph:
    def __init__(self, card):
        self.card = card

    def replay(self):
        self.card.now_ms += 1e-3 * self.calls


class Event:
    def __init__(self, card):
        self.card = card

    def record(self):
        self.at = self.card.now_ms

    def synchronize(self):
        pass

    def elapsed_time(self, end):
        return end.at - self.at


BOX = {"cache_bytes": 50 * 2**20, "memory_bytes": 80e9}


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: "-".join(map(str, cell.key)))
def test_every_cell_is_timed_call_by_call(cell):
    card = Card()
    times = timing.measure(card, cell, BOX, 5)
    assert times == pytest.approx([1e-6] * 5)
    shape = card.asked[-1][1]
    if cell.part == "attention":
        a = cell.attention
        assert shape == (cell.batch, a.kv_heads, cell.context or cell.tokens, a.head_dim)
    else:
        assert shape == (cell.batch * cell.tokens, cell.columns, cell.rows)


def test_a_short_call_is_repeated_until_the_clock_can_tell():
    card = Card()
    cell = max(SMALL, key=lambda cell: cell.bytes_read)
    timing.measure(card, cell, BOX, 1)
    assert len(card.asked) * 1e-6 >= timing.LEAST_S


# the command


def test_without_pytorch_or_a_card_it_says_so_in_one_line(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "torch is not installed" in err
    monkeypatch.setitem(__import__("sys").modules, "torch", Card(present=False))
    assert main([]) == 2
    assert "sees no CUDA card" in capsys.readouterr().err


def test_a_dry_run_shows_the_report_and_writes_nothing(capsys, tmp_path):
    argv = ["--dry", "--gpu", "h200-sxm", "--batches", "1,8", "--contexts", "1k,4k"]
    assert main([*argv, "--out", str(tmp_path / "rows")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("DRY: nothing is measured") and err == ""
    assert H200.title in out and "whole passes" in out
    assert not (tmp_path / "rows").exists()


def test_a_run_keeps_its_times_its_machine_and_its_rows(capsys, tmp_path, monkeypatch):
    box = BOX | {"device": "NVIDIA H100 80GB HBM3", "torch": "2.9.0", "driver": {}}
    monkeypatch.setattr(timing, "pytorch", Card)
    monkeypatch.setattr(timing, "machine", lambda torch: dict(box))
    argv = ["--models", "llama-3.1-8b", "--batches", "1", "--contexts", "1024", "--repeats", "4"]
    assert main([*argv, "--source", "own-x", "--out", str(tmp_path)]) == 0
    kept = json.loads((tmp_path / "own-x.json").read_text())
    assert kept["gpu"] == "h100-sxm" and kept["machine"]["device"] == box["device"]
    assert all(len(cell["s"]) == 4 for cell in kept["cells"])
    assert fit.samples(tmp_path / "own-x.csv")
    assert "own-x.csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--gpu", "h10"], "h100"),
        (["--weights", "fp6"], "fp8"),
        (["--batches", "0"], "from 1 to"),
        (["--batches", ""], "whole number"),
        (["--contexts", "many"], "whole number"),
        (["--models", "lama-3.1-8b"], "llama-3.1-8b"),
        (["--models", "deepseek-v3"], "plain dense"),
        (["--repeats", "0"], "from 1 to"),
    ],
)
def test_a_bad_option_gets_one_line(capsys, argv, said):
    assert main(["--dry", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


@pytest.mark.parametrize(
    ("told", "name"),
    [("NVIDIA H100 80GB HBM3", "h100-sxm"), ("NVIDIA H200", "h200-sxm"), ("NVIDIA L4", "l4")],
)
def test_the_drivers_name_is_a_card_of_the_catalogue(told, name):
    assert card_of(told).name == name


def test_made_up_times_are_the_fitted_ones():
    fitted, _ = calibration.efficiency_for(
        catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), "other", False
    )
    made = report.shares(SMALL, fitted_times(SMALL, H100), H100)
    assert made["kv_bandwidth", "bf16"] == pytest.approx([fitted.kv_bandwidth] * 4)
