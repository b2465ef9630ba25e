"""`llmcap validate`: every client's file, every spelling, and no file that brings it down."""

import csv
import io
import json
import os
import statistics
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, capacity, catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.cli import main
from llmcap_kernel.evidence import compare, measurements, predictions, results, stated
from llmcap_kernel.refuse import BadInput

from .cli.plain import strict
from .measured import ROWS, deployment, rows, start_ups

ROW_KEYS = ["id", "metric", "measured", "predicted", "low", "high", "ceiling"]
ROW_KEYS += ["failure_modes", "skipped", "reason"]
GOOD = {
    "id": "a",
    "model": "LLaMA-3-8B",
    "engine": "vLLM",
    "gpu": "H100 SXM",
    "weight_dtype": "bf16",
    "concurrency": "1",
    "input_tokens": "128",
    "output_tokens": "128",
    "metric": "itl_ms",
    "value": "9.5",
}


REAL = calibration.estimates


def estimates(deployment, workload, *, family, work):
    """A stand-in for the fitted model: a gap of 20 ms, twice what each of these tests measures."""
    ends = (0.020, 0.005, 0.030)
    if deployment.model.name == "gpt2-1.5b":
        ends = (float("nan"), 0.001, 0.002)

    def of(quantity, bounded):
        ceiling = 1e9 if "tok_s" in quantity else 0.0004
        return calibration.Estimate(*ends, ceiling, "a stand-in")

    return SimpleNamespace(of=of)


@pytest.fixture(scope="module", autouse=True)
def stand_in():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "estimates", estimates)
        predictions.predicted.cache_clear()
        yield
    predictions.predicted.cache_clear()


def as_csv(*lines, header=tuple(GOOD)):
    out = io.StringIO()
    writer = csv.DictWriter(out, header)
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@pytest.fixture
def told(tmp_path, capsys):
    """Run `llmcap validate --json` on a text; its report, or its complaint."""

    def run(content, *options):
        path = tmp_path / "results"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        status = main(["validate", str(path), "--json", *options])
        out, err = capsys.readouterr()
        assert bool(out) == (status in (0, 1))  # 1: a report in which nothing is predicted
        return (strict(out), err) if out else (None, err)

    return run


def understood(text, tmp_path, given=None):
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    return [measurements.measurement(line, given) for line in results.read(path)]


def compared(text, **options):
    """The report of a text, whether a row of it can be compared or not."""
    given = measurements.options_of(**options)
    return compare.report(results.parse(text.encode(), "results"), given)


def reasons(text, **options):
    return [row.skipped for row in compared(text, **options).rows]


# spellings


@pytest.mark.parametrize("spelled", sorted({r["gpu"] for r in rows()}))
def test_every_card_of_the_measured_rows_is_known(spelled):
    assert names.card(spelled).name


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA GH200 480GB", "gh200-96gb"),
        ("Tesla V100-SXM2-16GB", "v100-sxm-16gb"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-server"),
        ("8x H200", "h200-sxm"),
        ("Apple M1 7-Core GPU 8GB", "apple-m1-8gb"),
        ("RTX 3060 8GB", "rtx-3060-8gb"),  # another chip than the 12 GB one
        ("A100 64GB", ""),  # a custom part
        ("GTX 980", ""),
        ("", ""),
    ],
)
def test_cards_as_their_drivers_and_people_write_them(spelled, name):
    assert names.card(spelled).name == name


def test_what_a_source_left_open_is_said():
    meant = stated.meaning(stated.Spelled("LLaMA-3-8B", "A100 (variant not stated)"))
    assert meant.deployment.gpu.name == "a100-sxm-80gb"
    assert any("SXM" in text for text in meant.assumed)
    assert any("KV" in text for text in meant.taken)


@pytest.mark.parametrize(
    ("weights", "model", "native", "wanted"),
    [
        ("", "Llama-2-70B", "fp16", "fp16"),
        ("(checkpoint precision of Qwen/Qwen3.5)", "Qwen/Qwen3.5", "bf16", "bf16"),
        ("", "nvidia/DeepSeek-R1-NVFP4", "fp8-block", "nvfp4"),
        ("fp4", "openai/gpt-oss-120b", "mxfp4", "mxfp4"),
        ("fp4", "deepseek-ai/DeepSeek-R1", "fp8-block", "nvfp4"),
        ("compressed-tensors", "Llama-fp8-dynamic", "bf16", "fp8"),
        ("compressed-tensors", "Llama-quantized.w8a8", "bf16", "int8"),
        ("4-bit (engine specific)", "Llama 2 7B Chat", "fp16", "int4-gptq"),
        ("GGUF Q4_K_M", "LLaMA-3-8B", "bf16", "gguf-q4-k-m"),
        ("int4-kv", "LLaMA-3-8B", "bf16", ""),  # no format for weights
        ("seven", "LLaMA-3-8B", "bf16", ""),
    ],
)
def test_formats_behind_what_sources_call_them(weights, model, native, wanted):
    assert names.weight_format(weights, model, native).name == wanted


@pytest.mark.parametrize(
    ("spelled", "wanted"),
    [
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF", "qwen3-30b-a3b-2507"),
        ("gpt-oss-120b-mxfp4-00001-of-00003.gguf", "gpt-oss-120b"),
        ("Llama3.1-8B", "llama-3.1-8b"),
        ("gpt-4o", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_models_as_repositories_and_files_write_them(spelled, wanted):
    assert names.model_name(spelled) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"tp": 8, "dp_attention": 1}, (8, 1, 1, False)),
        ({"tp": 8, "dp_attention": 8, "ep": 8}, (8, 1, 8, True)),
        ({"tp": 1, "dp_attention": 64, "ep": 8}, (8, 1, 8, True)),
        ({"tp": 4, "ep": 8}, (4, 1, 1, False)),
        ({"num_gpus": 8}, (8, 1, 1, False)),
        ({"num_gpus": 8, "pp": 2}, (4, 2, 1, False)),
        ({}, (1, 1, 1, False)),
    ],
)
def test_topology_of_a_row(given, wanted):
    meant = stated.meaning(stated.Spelled("DeepSeek-R1", "H200 SXM", "trtllm", **given))
    d = meant.deployment
    assert (d.tp, d.pp, d.ep, d.dp_attention) == wanted
    said = any("data-parallel" in text for text in meant.assumed)
    assert said == (given.get("dp_attention", 0) > 1 and given["tp"] == 1)


def test_heads_that_do_not_divide_mean_data_parallel_attention():
    meant = stated.meaning(stated.Spelled("qwen2.5-14b", "H100 SXM", tp=16))
    assert meant.deployment.dp_attention and catalog.model("qwen2.5-14b").heads % 16


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"gpu": "H100 SXM", "num_gpus": 8}, ("fp8", 2, 4)),
        ({"gpu": "8x H100 SXM"}, ("fp8", 2, 4)),
        ({"gpu": "H100 SXM"}, ("fp8", 1, 1)),
        ({"gpu": "H200 SXM", "num_gpus": 8}, ("fp8", 1, 8)),
        ({"gpu": "B200 SXM", "num_gpus": 1}, ("nvfp4", 1, 1)),
        ({"gpu": "A100-SXM4-80GB", "num_gpus": 8}, ("fp16", 4, 2)),
        ({"gpu": "H100 SXM", "tp": 8}, ("fp8", 8, 1)),
        ({"gpu": "H100 SXM", "num_gpus": 8, "weights": "fp16"}, ("fp16", 4, 2)),
    ],
)
def test_what_a_record_that_states_neither_split_nor_format_was_made_with(given, wanted):
    spelled = stated.Spelled("llama2-70b-99", engine="TensorRT-LLM", greatest=True, **given)
    made = stated.meaning(spelled)
    assert (made.deployment.weights.name, made.deployment.tp, made.copies) == wanted
    assert made.assumed or given == {"gpu": "H100 SXM", "tp": 8, "weights": "fp8"}
    plain = stated.meaning(spelled._replace(greatest=False))
    assert plain.copies == 1 and plain.deployment.weights.name == "fp16"


def test_a_concurrency_that_is_stated_is_no_record():
    cells = {"model": "Llama-2-70B", "gpu": "H100 SXM", "engine": "vllm", "num_gpus": "8"}
    cells |= {"metric": "output_tok_s_total", "value": "20000"}
    for users, most in (("", True), ("64", False)):
        line = results.Line("row 1", {**cells, "concurrency": users})
        assert measurements.measurement(line).spelled.greatest is most


def test_tokens_in_the_cache_are_read_from_their_column():
    cells = {"model": "gpt-oss-20b", "gpu": "GB10", "engine": "llama.cpp", "input_tokens": "18432"}
    cells |= {"metric": "prefill_tok_s", "value": "2470", "cached_tokens": "16384"}
    made = measurements.measurement(results.Line("row 1", cells))
    assert (made.load.input_tokens, made.load.cached_tokens) == (18432, 16384)


def test_copies_are_read_from_their_column():
    cells = {"model": "Llama-2-70B", "gpu": "H100 SXM", "engine": "vllm", "num_gpus": "8"}
    cells |= {"metric": "output_tok_s_total", "value": "20000", "copies": "2"}
    for split, tp in (({}, 4), ({"tp": "2"}, 2)):
        spelled = measurements.measurement(results.Line("row 1", cells | split)).spelled
        meant = stated.meaning(spelled)
        assert (meant.copies, meant.deployment.tp) == (2, tp)


def test_what_somebody_filled_in_is_underspecified_and_reported(told):
    cell = "tp=8;  weight_dtype=fp8; \x1b[2J" + "x" * 500 + "; a" * 50
    report, _ = told(as_csv(GOOD, GOOD | {"assumed": cell}, header=(*GOOD, "assumed")))
    stated, filled = report["rows"]
    assert "underspecified" not in stated["failure_modes"]
    assert "underspecified" in filled["failure_modes"]
    reported = report["summary"]["assumptions"]
    assert {"tp=8", "weight_dtype=fp8"} < set(reported)
    assert all(text.isprintable() and len(text) <= 80 for text in reported)


def test_notes_are_for_people():
    cells = GOOD | {"model": "DeepSeek-R1", "gpu": "H200 SXM", "tp": "1", "dp_attention": "8"}
    notes = "concurrency=64; gmu 0.5; kvfp8; pp2048 at context depth 16384"
    lines = (results.Line("a", cells), results.Line("a", cells | {"notes": notes}))
    assert measurements.measurement(lines[0]) == measurements.measurement(lines[1])


def test_engines_by_version():
    wanted = {"0.11.0 (image in doc)": "vllm-0.11", "0.19.0": "vllm-0.19", "": "vllm-0.33"}
    wanted |= {"0.6.3": "vllm-0.10", "nightly-dev": "vllm-0.33", "0.13.1": "vllm-0.13"}
    assert {v: names.engine_record("vllm", v) for v in wanted} == wanted
    assert names.engine_record("mlc", "1.0") == "vllm-0.33"


# the measured rows


def test_the_measured_rows_are_read_whole():
    made = compare.run(ROWS)
    assert len(made.rows) == len(rows())
    reasons = made.summary["skipped_reasons"]
    assert made.summary["skipped"] < 20
    assert all("tok_s_at_ubatch" in text or "catalogue" in text for text in reasons)


def test_memory_rows_are_the_ledger():
    made = {r.id: r for r in compare.run(ROWS).rows if r.regime == "capacity"}
    pools = {r["id"] for r in rows() if r["metric"] == "kv_cache_gib_available_per_gpu"}
    for run in start_ups():
        row = run["row"]
        if row["id"] not in pools or row["id"] == "m07899":  # its label cannot be true
            continue
        books = capacity.ledger(deployment(run), context_tokens=int(row["max_model_len"]))
        assert made[row["id"]].predicted == pytest.approx(books.kv_pool_bytes / 2**30)
    assert statistics.median(r.error for r in made.values()) < 0.01


def test_a_regime_left_out_is_found():
    same = compared = 0
    for line in results.read(ROWS):
        if line.fields["metric"] not in measurements.METRICS:
            continue
        made = measurements.measurement(line)
        meant = stated.meaning(made.spelled)
        if meant.deployment is not None:
            silent = made.load._replace(regime="")
            found = measurements.regime_of(silent, bool(meant.deployment.model.experts))
            same, compared = same + (found == made.load.regime), compared + 1
    assert same > 0.9 * compared > 4000


# other clients

SERVE = {
    "backend": "vllm",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "num_prompts": 200,
    "request_rate": "inf",
    "max_concurrency": 16,
    "completed": 200,
    "total_input_tokens": 204_800,
    "total_output_tokens": 25_600,
    "request_throughput": 8.3,
    "output_throughput": 1062.2,
    "total_token_throughput": 9560.1,
    "mean_ttft_ms": 190.0,
    "median_ttft_ms": 170.1,
    "median_tpot_ms": 13.2,
    "median_itl_ms": 9.1,
}
PERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.0},
    "request_latency": {"unit": "ms", "avg": 4000.0},
    "time_to_first_token": {"unit": "s", "avg": 0.2, "p50": 0.175},
    "inter_token_latency": {"unit": "ms", "avg": 35.2, "p50": 34.7},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 52.7},
    "output_sequence_length": {"unit": "tokens", "avg": 64.0},
    "input_sequence_length": {"unit": "tokens", "avg": 256.0},
    "input_config": {"endpoint": {"model_names": ["Qwen/Qwen3-8B"]}},
}
BENCH = {
    "build_number": 5163,
    "gpu_info": "NVIDIA GeForce RTX 4090, NVIDIA GeForce RTX 4090",
    "model_filename": "models/Qwen2.5-7B-Instruct-Q4_K_M.gguf",
    "model_type": "qwen2 7B Q4_K - Medium",
    "model_n_params": 7_615_616_512,
    "type_k": "q8_0",
    "n_gpu_layers": 99,
    "split_mode": "layer",
    "n_prompt": 512,
    "n_gen": 0,
    "n_depth": 0,
    "avg_ts": 7100.0,
}
TABLE = """\
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
| model                  |      size |   params | backend | ngl |          test |            t/s |
| ---------------------- | --------: | -------: | ------- | --: | ------------: | -------------: |
| qwen2 7B Q4_K - Medium |  4.36 GiB |   7.62 B | CUDA    |  99 |         pp512 | 7340.2 ± 23.45 |
| gpt-oss 20B MXFP4 MoE  | 11.27 GiB |  20.91 B | CUDA    |  99 | tg128 @ d4096 |  116.71 ± 0.60 |
| llama 7B mostly Q4_0   |  3.56 GiB |   6.74 B | CUDA    |  99 |        tg 128 |  132.19 ± 0.55 |
| llama 8B Q8_0          |  7.95 GiB |   8.03 B | CUDA    |  99 |   pp512+tg128 |  300.10 ± 0.55 |

build: 8cf427ff (5163)
"""


def test_vllm_bench_serve(tmp_path):
    first, itl, rate = understood(json.dumps(SERVE), tmp_path, {"gpu": "h100"})
    assert (first.load.metric, first.value) == ("ttft_ms", 170.1)
    # between chunks of a stream is not between tokens: the time per output token counts
    assert (itl.load.metric, itl.value) == ("itl_ms", 13.2)
    assert (rate.load.metric, rate.value) == ("output_tok_s_total", 1062.2)
    assert itl.load[2:5] == (1024, 128, 16)
    assert itl.spelled.engine == "vllm" and itl.spelled.gpu == "h100"


def test_a_protocol_is_no_engine(tmp_path):
    text = json.dumps(SERVE | {"backend": "openai-chat"})
    assert understood(text, tmp_path)[0].spelled.engine == "vLLM"
    assert understood(text, tmp_path, {"engine": "trtllm"})[0].spelled.engine == "trtllm"
    text = json.dumps(SERVE | {"backend": "tensorrt-llm"})
    assert names.family(understood(text, tmp_path)[0].spelled.engine) == "trtllm"


def test_a_rate_is_an_open_loop_and_none_is_a_burst(tmp_path):
    open_loop = SERVE | {"request_rate": 8.3, "max_concurrency": None, "mean_e2el_ms": 2000.0}
    made = understood(json.dumps(open_loop), tmp_path)
    # what was measured says nothing of how many are in flight: the estimate does
    assert {(m.load.concurrency, m.load.request_rate, m.load.requests) for m in made} == {
        (None, 8.3, 200)
    }
    burst = SERVE | {"max_concurrency": None}
    made = understood(json.dumps(burst), tmp_path)
    assert {(m.load.concurrency, m.load.request_rate) for m in made} == {(200, None)}
    limited = SERVE | {"request_rate": 8.3}
    assert {m.load.concurrency for m in understood(json.dumps(limited), tmp_path)} == {16}
    (told, *_) = understood(json.dumps(open_loop), tmp_path, {"concurrency": 4})
    assert (told.load.concurrency, told.load.request_rate) == (4, None)


def test_sglang_bench_serving_says_its_server(tmp_path):
    server = {"tp_size": 2, "quantization": "fp8", "kv_cache_dtype": "fp8_e5m2", "version": "0.5.4"}
    server |= {"model_path": "Qwen/Qwen3-32B", "enable_dp_attention": False, "dp_size": 1}
    one = {k: v for k, v in SERVE.items() if k != "model_id"}
    one |= {"backend": "sglang", "server_info": server, "request_rate": float("inf")}
    text = json.dumps(one) + "\n" + json.dumps(one | {"max_concurrency": 64}) + "\n"
    made = understood(text, tmp_path, {"gpu": "H100 SXM"})
    assert [m.load.concurrency for m in made] == [16] * 3 + [64] * 3
    d = stated.meaning(made[0].spelled).deployment
    assert (d.tp, d.weights.name, d.kv.name, d.engine.name) == (2, "fp8", "fp8", "sglang-0.5.9")


def test_aiperf_and_genai_perf(tmp_path):
    first, itl, rate = understood(json.dumps(PERF), tmp_path)
    assert (first.value, itl.value, rate.value) == (pytest.approx(175.0), 34.7, 52.7)
    assert first.spelled.model == "Qwen/Qwen3-8B"
    assert first.load[2:5] == (256, 64, 8)  # 2 requests a second, 4 seconds each
    older = PERF | {"input_config": {"model": ["Qwen/Qwen3-8B"], "concurrency": 4}}
    assert understood(json.dumps(older), tmp_path)[0].load.concurrency == 4


def test_llama_bench_json(tmp_path):
    tests = [BENCH, BENCH | {"n_prompt": 0, "n_gen": 128, "n_depth": 4096, "avg_ts": 118.0}]
    read, write = understood(json.dumps(tests), tmp_path)
    assert (read.load.metric, read.value, read.load.input_tokens) == ("prefill_tok_s", 7100.0, 512)
    assert (write.load.metric, write.load.input_tokens) == ("decode_tok_s_per_user", 4096)
    d = stated.meaning(read.spelled).deployment
    assert (d.model.name, d.gpu.name, d.pp, d.tp) == ("qwen2.5-7b", "rtx-4090", 2, 1)
    assert (d.weights.name, d.kv.name) == ("gguf-q4-k-m", "gguf-q8-0")


def test_llama_bench_as_csv_and_jsonl(tmp_path):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(BENCH))
    writer.writeheader()
    writer.writerow(BENCH)
    for text in (out.getvalue(), json.dumps(BENCH) + "\n" + json.dumps(BENCH)):
        assert {m.value for m in understood(text, tmp_path)} == {7100.0}


def test_llama_bench_markdown(tmp_path):
    made = understood(TABLE, tmp_path)
    meant = [stated.meaning(m.spelled).deployment for m in made]
    assert [d.model.name for d in meant] == [
        "qwen2.5-7b",
        "gpt-oss-20b",
        "llama-2-7b",
        "llama-3.1-8b",
    ]
    assert {d.gpu.name for d in meant} == {"rtx-4090"}
    assert [m.load.metric for m in made] == [
        "prefill_tok_s",
        "decode_tok_s_per_user",
        "decode_tok_s_per_user",
        "total_tok_s",
    ]
    assert made[1].load.input_tokens == 4096 and made[2].value == 132.19


def test_a_type_that_fits_two_models_is_told_by_its_size(tmp_path):
    table = TABLE.replace("  6.74 B", "  7.24 B")
    d = stated.meaning(understood(table, tmp_path)[2].spelled).deployment
    assert d.model.name == "mistral-7b"


def test_what_llama_bench_did_on_the_host_is_not_predicted():
    rows = [{"n_gpu_layers": 10}, {"n_depth": 512, "n_gen": 128}, {"n_cpu_moe": 20}]
    rows += [{"no_kv_offload": True}, {"backends": "CPU"}, {"backends": "CUDA", "n_gpu_layers": 0}]
    told = reasons(json.dumps([BENCH | row for row in rows]))
    assert told[0] == "only 10 of 28 layers are on the card"
    for text, words in zip(
        told[1:],
        ("filled cache", "n_cpu_moe is 20", "no_kv_offload is True", "backend is CPU", "CPU"),
        strict=True,
    ):
        assert words in text


def test_options_replace_what_a_file_says():
    silent = as_csv(GOOD | {"gpu": "", "model": ""})
    assert reasons(silent, gpu="l4", model="qwen3-8b") == [None]
    assert "gpu is not stated" in reasons(silent, model="qwen3-8b")[0]
    stranger = as_csv(GOOD | {"gpu": "abacus", "model": "prod"})
    assert "'prod' is not in the catalogue" in reasons(stranger)[0]
    assert "'abacus' is not in the catalogue" in reasons(stranger, model="qwen3-8b")[0]
    assert reasons(stranger, model="qwen3-8b", gpu="l4") == [None]
    made = compared(as_csv(GOOD), gpu="l4", model="qwen3-8b", engine="sglang").rows[0]
    assert (made.gpu, made.model, made.engine) == ("l4", "qwen3-8b", "sglang")


def test_what_does_not_start_is_told_and_not_scored():
    """70.55e9 parameters of 2 bytes are 141 GB; an H100 has 80 GB, four of them 320 GB."""
    large = GOOD | {"model": "llama-3.1-70b", "input_tokens": 7000, "concurrency": 16}
    told = (
        "llama-3.1-70b in bf16 does not fit one h100-sxm: say how many cards, or which weights "
        "(give --tp, --weights or --memory-fraction)"
    )
    for metric in ("itl_ms", "ttft_ms", "output_tok_s_total"):
        assert reasons(as_csv(large | {"metric": metric, "value": "300"})) == [told]
    assert reasons(as_csv(large), tp=4) == [None]
    assert reasons(as_csv(large | {"weight_dtype": "int4-awq"})) == [None]
    # a row that somebody published stays: the page of evidence shows what is odd
    published = as_csv(large | {"source_id": "somebody"}, header=(*GOOD, "source_id"))
    assert reasons(published) == [None]


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        ("weight_dtype", "fp8", lambda d, load: d.weights.name),
        ("kv_dtype", "fp8", lambda d, load: d.kv.name),
        ("tp", 2, lambda d, load: d.tp),
        ("memory_fraction", 0.5, lambda d, load: d.memory_fraction),
        ("input_tokens", 77, lambda d, load: load.input_tokens),
        ("output_tokens", 78, lambda d, load: load.output_tokens),
        ("concurrency", 79, lambda d, load: load.concurrency),
        ("max_model_len", 9000, lambda d, load: load.context_tokens),
    ],
)
def test_every_option_replaces_its_column(column, value, read):
    said = GOOD | {"kv_dtype": "bf16", "tp": "1", "memory_fraction": "0.8", "max_model_len": "500"}
    for option in ({}, {column: value}):
        made = measurements.measurement(results.Line("a", said), measurements.options_of(**option))
        deployment = stated.meaning(made.spelled).deployment
        assert (read(deployment, made.load) == value) == bool(option)


def test_cards_follow_from_the_split_that_an_option_gives():
    two = json.dumps(BENCH)  # two cards, the layers split over them
    for option, wanted in (({}, (1, 2)), ({"tp": 2}, (2, 1)), ({"pp": 1}, (1, 1))):
        made = measurements.measurement(results.parse(two.encode(), "x")[0], option)
        d = stated.meaning(made.spelled).deployment
        assert (d.tp, d.pp) == wanted


def test_the_catalogues_name_of_a_files_model_keeps_the_files_format():
    quantised = SERVE | {"model_id": "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8"}
    line = results.parse(json.dumps(quantised).encode(), "x")[0]
    for name, wanted in (("llama-3.1-8b", "fp8"), ("phi-4", "bf16")):
        made = measurements.measurement(line, measurements.options_of(model=name, gpu="l4"))
        d = stated.meaning(made.spelled).deployment
        assert (d.model.name, d.weights.name) == (name, wanted)


def test_a_config_is_the_model_of_all_rows(told, tmp_path):
    config = {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 20}
    config |= {"num_attention_heads": 16, "num_key_value_heads": 4, "intermediate_size": 8192}
    config |= {"vocab_size": 32000, "max_position_embeddings": 8192}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    layered = BENCH | {"n_gpu_layers": 10}
    report, _ = told(json.dumps([BENCH, layered]), "--config", str(path))
    assert [row["skipped"] for row in report["rows"]] == [
        None,
        "only 10 of 20 layers are on the card",
    ]
    made = compare.run(tmp_path / "results", measurements.options_of(config=path))
    assert made.rows[0].model not in ("", "qwen2.5-7b")
    report, complaint = told(json.dumps(BENCH), "--config", str(path), "--model", "phi-4")
    assert report is None and "model is given twice" in complaint


def test_a_file_without_a_row_to_compare_says_which_field_is_missing(told):
    refused = told(json.dumps(SERVE))[0]["summary"]["refusal"]
    assert refused == "none of its 3 rows can be compared: gpu is not stated (give --gpu)"
    failed = SERVE | {"completed": 0, "failed": 8}
    refused = told(json.dumps(failed), "--gpu", "h100")[0]["summary"]["refusal"]
    assert "completed is 0: no request came through, 8 failed" in refused
    report, _ = told(json.dumps([failed, SERVE]), "--gpu", "h100")
    assert [row["skipped"] is None for row in report["rows"]] == [False, True, True, True]


def test_what_no_spec_sheet_allows_is_no_error(told):
    ceiling = 0.4  # ms, of the stand-in
    values = [ceiling / factor for factor in (2.9, 3.1)]
    report, _ = told(as_csv(*(GOOD | {"value": str(v)} for v in values)))
    near, beyond = report["rows"]
    assert near["skipped"] is None
    assert beyond["skipped"].startswith("impossible: itl_ms is 0.129, 3.1 times better")
    assert beyond["predicted"] is None and report["summary"]["predicted"] == 1


GUIDE = {
    "args": {"target": "http://localhost:8000", "model": "meta-llama/Llama-3.1-8B-Instruct"},
    "benchmarks": [
        {
            "config": {"strategy": {"type_": "concurrent", "streams": 16}},
            "metrics": {
                "request_concurrency": {"successful": {"mean": 15.7, "median": 16.0}},
                "prompt_token_count": {"successful": {"mean": 1001.2, "median": 1000.0}},
                "output_token_count": {"successful": {"mean": 99.0, "median": 100.0}},
                "time_to_first_token_ms": {"successful": {"mean": 190.0, "median": 170.1}},
                "inter_token_latency_ms": {"successful": {"mean": 13.9, "median": 13.2}},
                "output_tokens_per_second": {
                    "successful": {"mean": 1062.2, "median": 900.0},
                    "errored": {"mean": 1.0},
                },
            },
        },
        {"metrics": None},
    ],
}
THROUGHPUT = {
    "elapsed_time": 20.0,
    "num_requests": 1000,
    "total_num_tokens": 1_128_000,
    "requests_per_second": 50.0,
    "tokens_per_second": 56_400.0,
}


def test_guidellm(tmp_path):
    path = tmp_path / "benchmarks.json"
    path.write_text(json.dumps(GUIDE))
    *lines, without = results.read(path)
    assert without.problem == "a benchmark without metrics"
    first, itl, rate = (measurements.measurement(line) for line in lines)
    assert (first.load.metric, first.value) == ("ttft_ms", 170.1)
    assert (itl.load.metric, itl.value) == ("itl_ms", 13.2)
    # a rate is the whole run's: its mean
    assert (rate.load.metric, rate.value) == ("output_tok_s_total", 1062.2)
    assert first.load[2:5] == (1000, 100, 16)
    assert names.model_name(first.spelled.model) == "llama-3.1-8b"


def test_vllm_bench_throughput_needs_one_length(tmp_path):
    text = json.dumps(THROUGHPUT)
    assert "1,128 tokens a request" in reasons(text, model="llama-3.1-8b", gpu="h100")[0]
    (made,) = understood(text, tmp_path, {"input_tokens": 1000})
    assert (made.load.metric, made.value) == ("total_tok_s", 56_400.0)
    assert made.load[2:5] == (1000, 128, None)
    (made,) = understood(text, tmp_path, {"output_tokens": 128})
    assert made.load.input_tokens == 1000


def test_a_prompt_behind_a_filled_cache_is_slower_and_counts_its_own_tokens(tmp_path):
    rates = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "estimates", REAL)
        for depth in (0, 256, 16_384):
            (made,) = understood(json.dumps(BENCH | {"n_depth": depth}), tmp_path)
            assert (made.load.input_tokens, made.load.cached_tokens) == (512 + depth, depth)
            rates.append(predictions.predicted.__wrapped__(made.spelled, made.load).value)
    near, a_little, deep = rates
    assert near > a_little > deep > near / 10
    assert a_little > 0.9 * near


@pytest.mark.parametrize(
    ("option", "value"),
    [("gpu", "h1000"), ("model", "lama"), ("weights", "fp9"), ("kv", "x"), ("tp", "two")],
)
def test_a_wrong_option_is_refused_at_the_door(told, option, value):
    report, complaint = told(as_csv(GOOD), f"--{option}", value)
    assert report is None and value in complaint and complaint.count("\n") == 1


# the report


def test_json_has_the_promised_keys(told):
    report, err = told(as_csv(GOOD, GOOD | {"id": "b", "value": "40"}, GOOD | {"value": "x"}))
    assert list(report) == ["rows", "summary"] and err == ""
    assert all(list(row) == ROW_KEYS for row in report["rows"])
    first = report["rows"][0]
    assert (first["id"], first["measured"], first["predicted"]) == ("a", 9.5, 20.0)
    assert (first["low"], first["high"], first["ceiling"]) == (5.0, 30.0, 0.4)
    assert first["failure_modes"] == [] and first["skipped"] is None
    assert first["reason"] == "a stand-in"
    summary = report["summary"]
    assert (summary["rows"], summary["predicted"], summary["skipped"]) == (3, 2, 1)
    errors = [abs(20 / 9.5 - 1), 0.5]
    assert summary["median_abs_rel_error"] == pytest.approx(statistics.median(errors))
    assert summary["inside_interval"] == 0.5
    assert summary["by_regime"]["batch1_decode"]["rows"] == 2


def test_nothing_predicted_has_no_error():
    report = compared(as_csv(GOOD | {"value": "x"})).as_dict()
    assert report["summary"]["median_abs_rel_error"] is None
    assert report["rows"][0]["measured"] is None


def test_a_prediction_that_is_no_number_is_a_skipped_row():
    (row,) = compared(as_csv(GOOD | {"model": "gpt2-1.5b"})).rows
    assert row.skipped and row.predicted is None


def test_quantile():
    assert compare.quantile([3.0], 0.8) == 3.0
    assert compare.quantile([1, 2, 3, 4, 5], 0.5) == 3


# hostile rows and files


@pytest.mark.parametrize(
    ("change", "told_of"),
    [
        ({"value": "NaN"}, "value"),
        ({"value": "inf"}, "value"),
        ({"value": "-3"}, "value"),
        ({"value": "0"}, "value"),
        ({"value": "1e30"}, "value"),
        ({"value": ""}, "value is missing"),
        ({"value": "9,5"}, "value"),
        ({"metric": "watts"}, "metric"),
        ({"metric": ""}, "metric"),
        ({"concurrency": "many"}, "concurrency"),
        ({"concurrency": "-1"}, "concurrency"),
        ({"concurrency": "1e12"}, "concurrency"),
        ({"input_tokens": "-5"}, "input_tokens"),
        ({"input_tokens": "1e15"}, "input_tokens"),
        ({"model": ""}, "model is not stated"),
        ({"model": "x" * 100_000}, "model has 100,000 characters"),
        ({"model": "\x1b[31mred"}, "model"),
        ({"weight_dtype": "fp7"}, "weights"),
        ({"gpu": "abacus"}, "gpu"),
    ],
)
def test_a_bad_row_costs_one_message_and_never_the_rest(told, change, told_of):
    report, _ = told(as_csv(GOOD, GOOD | change | {"id": "bad"}, GOOD))
    before, bad, after = report["rows"]
    assert before["skipped"] is None and after["skipped"] is None
    assert told_of in bad["skipped"] and len(bad["skipped"]) < 300
    assert bad["skipped"].isprintable()


@pytest.mark.parametrize(
    "line",
    [
        "a,b",
        ",".join(["x"] * 40),
        'a,"never closed,b',
        'a,"' + "x" * 10_000_000,
        "x" * 10_000_000,
        "\0" * 50,
        "\ufffd" * 50,
        '"""',
    ],
    ids=["short", "long", "quote", "quoted 10 MB", "10 MB", "nul", "replaced", "quotes"],
)
def test_a_broken_line_costs_one_message_and_never_the_rest(told, line):
    good = as_csv(GOOD).splitlines()
    report, _ = told("\n".join([good[0], good[1], line, good[1], good[1]]))
    assert [row["skipped"] is None for row in report["rows"]] == [True, False, True, True]


def test_a_cell_may_hold_lines_and_quotes(told):
    noted = GOOD | {"notes": 'two\nlines, "quoted"'}
    report, _ = told(as_csv(noted, noted, header=tuple(noted)))
    assert [row["skipped"] for row in report["rows"]] == [None, None]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(told, encoding):
    text = as_csv(GOOD | {"id": "größe"}, GOOD).replace("\n", "\r\n")
    report, _ = told(text.encode(encoding))
    assert [row["skipped"] for row in report["rows"]] == [None, None]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(told, delimiter):
    report, _ = told(as_csv(GOOD).replace(",", delimiter))
    assert report["rows"][0]["skipped"] is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\t\n",
        b"\x7fELF\x02\x01\x01\0\0\0\0",
        bytes(range(256)) * 20,
        b"hello",
        b"a,b\n1,2\n",
        b"metric,value\n",
        b"[" * 100_000,
        b"{" * 10,
        b"[]",
        b'{"a": ' * 100_000,
        b"| model | t/s |\n",
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(told, content):
    report, complaint = told(content)
    assert report is None
    assert complaint.startswith("llmcap: file") and complaint.count("\n") == 1


def test_an_interrupt_is_one_line(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "run", stop)
    path = tmp_path / "results.csv"
    path.write_text("metric,value\nitl_ms,9.5\n", encoding="utf-8")
    assert main(["validate", str(path)]) == 130
    assert capsys.readouterr().err.strip() == "llmcap: interrupted"


def test_no_file(tmp_path, capsys):
    for path in (tmp_path / "none", tmp_path, "\0"):
        assert main(["validate", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_json_that_is_no_result_is_a_row_with_a_reason():
    deep: list = []
    for _ in range(300):
        deep = [deep]
    strangers = [5, None, {}, {"avg_ts": {}}, [deep], {"metric": deep, "value": {}, "id": deep}]
    strangers.append(SERVE | {"completed": 0})
    strangers.append({"metric": "itl_ms", "value": 9, "notes": deep, "model": {"a": 1}, "gpu": 5})
    told = reasons(json.dumps(strangers))
    assert len(told) >= len(strangers) and all(told)


def test_a_wrong_line_of_jsonl_costs_itself(told):
    report, _ = told(json.dumps(SERVE) + "\ngarbage\n" + json.dumps(SERVE), "--gpu", "h100")
    assert [row["skipped"] is None for row in report["rows"]] == [True] * 3 + [False] + [True] * 3


def test_a_time_in_another_unit_is_not_taken_for_the_metrics(told):
    rows = [GOOD | {"unit": unit} for unit in ("ms", "s", "")]
    report, _ = told(as_csv(*rows, header=tuple(rows[0])))
    assert [bool(row["skipped"]) for row in report["rows"]] == [False, True, False]


CELLS = st.one_of(
    st.text(max_size=30),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(sorted({v for r in rows()[::250] for v in r.values()})),
)
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def survives(content, path):
    """Any bytes are answered: a report in strict JSON, or one refusal."""
    path.write_bytes(content)
    try:
        made = compare.run(path)
    except BadInput as problem:
        assert "\n" not in str(problem)
        return None
    assert strict(json.dumps(made.as_dict()))
    for one in made.rows:
        assert (one.skipped is None) == (one.predicted is not None)
    return made


@QUICK
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(GOOD, CELLS)), min_size=1, max_size=5))
def test_any_cells(tmp_path, lines):
    made = survives(as_csv(GOOD, *lines).encode("utf-8", "surrogatepass"), tmp_path / "x")
    assert made.rows[0].skipped is None


@QUICK
@given(st.binary(max_size=200), st.integers(0, 300), st.booleans())
def test_any_damage(tmp_path, damage, at, insert):
    clients = json.dumps([SERVE, PERF, BENCH, GUIDE, THROUGHPUT])
    for whole in (as_csv(GOOD, GOOD, GOOD), clients, TABLE):
        raw = whole.encode()
        survives(raw[:at] + damage + raw[at if insert else at + len(damage) :], tmp_path / "x")


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@QUICK
@given(
    st.sampled_from([SERVE, PERF, BENCH, GUIDE, THROUGHPUT, GOOD]),
    st.dictionaries(
        st.sampled_from(sorted({*SERVE, *PERF, *BENCH, *GUIDE, *THROUGHPUT, *GOOD, "server_info"})),
        ANY_JSON,
        max_size=4,
    ),
)
def test_any_value_in_a_clients_file(tmp_path, base, change):
    survives(json.dumps([base | change, base]).encode(), tmp_path / "x")


@QUICK
@given(ANY_JSON)
def test_any_json(tmp_path, made):
    survives(json.dumps(made).encode(), tmp_path / "x")


def test_thousands_of_rows(tmp_path):
    lines = (
        GOOD | {"id": f"r{i}", "input_tokens": str(i % 9000 + 1), "value": str(i % 700 + 1)}
        for i in range(4000)
    )
    path = tmp_path / "many.csv"
    path.write_text(as_csv(*lines))
    made = compare.run(path)
    assert len(made.compared) == 4000


def test_what_is_missing_is_said_at_once_and_so_is_the_number_of_cards(told):
    report, _ = told(json.dumps({name: v for name, v in SERVE.items() if name != "model_id"}))
    assert "model and gpu are not stated (give --model and --gpu)" in str(report)
    report, _ = told(json.dumps(SERVE), "--gpu", "h100")
    assert "cards not stated: 1 taken (give --tp)" in report["summary"]["assumptions"]
    report, _ = told(json.dumps(SERVE), "--gpu", "4x H100")
    assert not any("cards not stated" in text for text in report["summary"]["assumptions"])


def test_a_folder_is_told_from_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="is a folder: give one file of it"):
        results.text(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        results.text(tmp_path / "none.json")


def test_what_is_piped_is_read_though_it_can_be_read_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(json.dumps(SERVE),), daemon=True)
    writer.start()
    assert results.text(pipe) == results.text(pipe) == json.dumps(SERVE)
