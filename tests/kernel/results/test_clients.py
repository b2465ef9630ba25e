"""Every client's files: what is read of each, and what is refused.

The files hold round numbers under the names that the clients' sources write: a first token of
300 ms, a gap of 20 ms, 400 tok/s, prompts of 1,000 tokens and answers of 200.
"""

import json
import re
from pathlib import Path

import pytest

from llmcap_kernel.evidence import compare, logs, measurements, results, stated
from llmcap_kernel.evidence.results import guidellm, wide
from llmcap_kernel.refuse import BadInput

FILES = Path(__file__).parent / "files"
EVERY = sorted(path.name for path in FILES.iterdir())
SERVED = {"ttft_ms": 300.0, "itl_ms": 20.0, "output_tok_s_total": 400.0}
# What is read of a run at a rate: the means that stand in the files beside the medians above.
AT_RATE = SERVED | {"ttft_ms": 310.0, "itl_ms": 21.0}
MODEL = {"model": "qwen3-8b", "gpu": "h100"}


def measured(name, **options):
    """What is read of a file: the measurements, and the problems of its other parts."""
    good, bad = [], []
    for line in results.read(FILES / name):
        try:
            good.append(measurements.measurement(line, measurements.options_of(**options)))
        except BadInput as problem:
            bad.append(str(problem))
    return good, bad


def loads(made):
    return {(m.load.concurrency, m.load.request_rate, m.load.requests) for m in made}


@pytest.mark.parametrize("name", EVERY)
def test_a_result_is_no_start_up_log(name):
    assert not logs.recognises((FILES / name).read_text(encoding="utf-8"))


USERS, RATE = (20, None, None), (None, 2.0, 100)


@pytest.mark.parametrize(
    ("name", "runs", "wanted"),
    [
        ("vllm_serve.json", 1, {USERS}),
        ("vllm_serve.txt", 2, {USERS, RATE}),
        ("vllm_sweep.json", 2, {USERS}),
        ("vllm_sweep.csv", 2, {USERS}),
        ("sglang_bench_serving.jsonl", 2, {(8, None, None), (16, None, None)}),
        ("sglang_bench_serving.txt", 1, {(100, None, None)}),
        ("aiperf.json", 1, {RATE}),
        ("aiperf.csv", 1, {(10, None, None)}),  # 2 requests a second, 5 s each
        ("genai_perf.json", 1, {USERS}),
        ("llmperf_summary.json", 1, {USERS}),
        ("inference_perf_summary.json", 1, {(10, None, None)}),
        ("inference_perf_stage.json", 1, {RATE}),
        ("inference_perf_stage_users.json", 1, {USERS}),
        ("genai_perf.txt", 1, {(9, None, None)}),  # 2 requests/s of 4.28 s: 8.56 in flight
        ("trtllm_bench.json", 1, {USERS}),
        ("trtllm_bench.txt", 1, {USERS}),
        ("genai_bench.json", 1, {USERS}),
        ("evalscope_summary.json", 1, {USERS}),
        ("evalscope_summary_old.json", 1, {USERS}),
        ("guidellm.csv", 1, {USERS}),
        ("guidellm_0.3.csv", 1, {USERS}),
        ("guidellm.yaml", 1, {USERS}),
        ("guidellm.txt", 1, {USERS}),
        ("guidellm_0.3.txt", 1, {USERS}),
    ],
)
def test_a_server_under_load(name, runs, wanted):
    made, bad = measured(name, **MODEL)
    made = [m for m in made if m.load.percentile is None]
    assert not bad and len(made) == 3 * runs
    for at_rate, read in ((False, SERVED), (True, AT_RATE)):
        some = [m for m in made if bool(m.load.request_rate) == at_rate]
        assert not some or {(m.load.metric, m.value) for m in some} == set(read.items())
    assert {m.load[2:4] for m in made} == {(1000, 200)}
    assert loads(made) == wanted
    families = {stated.meaning(m.spelled).family for m in made}
    server = {"sg": "sglang", "tr": "trtllm"}.get(name[:2], "vllm")
    server = "sglang" if name.startswith("genai_bench") else server  # of the same project
    assert families == {server}, "a client measures a server, and no library's loop"


def test_the_commas_of_thousands_are_no_new_cells():
    made, _ = measured("genai_perf.csv", **MODEL)
    assert [m.value for m in made[:3]] == [1300.0, 20.0, 400.0]
    assert made[0].load[2:5] == (1000, 200, 10)


def test_what_a_client_says_of_its_server():
    for name in ("sglang_bench_serving.jsonl", "trtllm_bench.json", "trtllm_bench.txt"):
        made, _ = measured(name, gpu="h100")
        d = stated.meaning(made[0].spelled).deployment
        wanted = ("qwen3-8b", 2, "fp8")
        assert (d.model.name, d.tp, d.weights.name) == wanted, name
    assert d.kv.name == "fp8" and d.memory_fraction == 0.9
    assert (d.max_num_seqs, d.max_num_batched_tokens) == (512, 2048)
    made, _ = measured("trtllm_bench.txt")  # the only one that names its card
    assert stated.meaning(made[0].spelled).deployment.gpu.name == "h100-sxm"
    made, _ = measured("vllm_sweep.json", gpu="h100")
    d = stated.meaning(made[0].spelled).deployment
    assert (d.tp, d.max_num_seqs, d.memory_fraction) == (2, 4, 0.8)


def test_the_arguments_above_a_block_name_the_model():
    made, _ = measured("vllm_serve.txt")
    # three middles and three percentiles of each
    assert [m.spelled.model for m in made] == ["Qwen/Qwen3-8B"] * 6 + [""] * 6


@pytest.mark.parametrize("name", ["vllm_serve.txt", "sglang_bench_serving.txt"])
def test_the_percentiles_of_a_block_are_rows(name):
    made, _ = measured(name, **MODEL)
    tails = {(m.load.metric, m.load.percentile, m.value) for m in made if m.load.percentile}
    assert tails == {
        ("ttft_percentile_ms", 99.0, 900.0),
        ("tpot_percentile_ms", 99.0, 30.0),
        ("itl_percentile_ms", 99.0, 90.0),
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("genai_perf.txt", {("ttft", 99.0, 850.0), ("tpot", 99.0, 29.0), ("e2e", 99.0, 5900.0)}),
        ("genai_perf.csv", {("ttft", 75.0, 2000.0), ("tpot", 99.0, 99.0), ("e2e", 95.0, 9999.0)}),
        ("aiperf.csv", {("ttft", 90.0, 9999.0)}),
        ("trtllm_bench.json", {("ttft", 95.0, 99.0), ("tpot", 99.0, 99.0)}),
        ("inference_perf_summary.json", {("ttft", 99.0, 9000.0), ("e2e", 99.0, 9000.0)}),
        ("genai_bench.json", {("ttft", 90.0, 600.0), ("tpot", 99.0, 60.0)}),
        ("guidellm.csv", {("ttft", 99.0, 900.0), ("tpot", 75.0, 40.0)}),
        ("guidellm_0.3.csv", {("ttft", 99.0, 900.0), ("tpot", 75.0, 40.0)}),
        ("guidellm.yaml", {("ttft", 99.0, 900.0), ("tpot", 95.0, 60.0)}),
        ("guidellm.txt", {("ttft", 95.0, 900.0), ("tpot", 95.0, 60.0)}),
        ("guidellm_0.3.txt", {("ttft", 99.0, 900.0), ("tpot", 99.0, 40.0)}),
    ],
)
def test_the_percentiles_of_other_clients_are_rows(name, wanted):
    made, _ = measured(name, **MODEL)
    tails = {(m.load.metric.split("_")[0], m.load.percentile, m.value) for m in made[3:]}
    assert wanted <= tails and {percent for _, percent, _ in tails} <= {75.0, 90.0, 95.0, 99.0}


def test_the_percentiles_of_guidellm_are_rows(tmp_path):
    """Its p999 is 99.9 of 100, and is left out."""
    data = json.loads((FILES / "guidellm.json").read_text("utf-8"))
    one = data["benchmarks"][1]
    ends = {"p001": 1.0, "p50": 300.0, "p95": 900.0, "p999": 9000.0}
    one["metrics"]["time_to_first_token_ms"]["successful"]["percentiles"] = ends
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data | {"benchmarks": [one]}), "utf-8")
    tails = [row for row in compare.run(path, MODEL).rows if "percentile" in row.metric]
    assert [(row.metric, row.measured) for row in tails] == [("ttft_percentile_ms", 900.0)]


def test_the_percentiles_of_a_result_are_rows_but_for_the_median(tmp_path):
    data = json.loads((FILES / "vllm_serve.json").read_text("utf-8"))
    data |= {"p50_ttft_ms": 1300.0, "p95_ttft_ms": 1890.0, "p99.9_itl_ms": 160.0}
    data |= {"p90_e2el_ms": 9000.0, "std_ttft_ms": 12.0, "p99_tpot_ms": 0.0, "ttfts": [0.1]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data), "utf-8")
    report = compare.run(path, MODEL)
    tails = {
        row.id: (row.metric, row.measured) for row in report.rows if "percentile" in row.metric
    }
    assert {name.split()[-1]: of for name, of in tails.items()} == {
        "p95_ttft_ms": ("ttft_percentile_ms", 1890.0),
        "p99.9_itl_ms": ("itl_percentile_ms", 160.0),
        "p90_e2el_ms": ("e2e_percentile_ms", 9000.0),
    }
    assert all(row.predicted for row in report.rows)


def test_guesses_ahead_are_said():
    made, _ = measured("sglang_bench_serving.txt", **MODEL)
    assert made[0].spelled.left_open == ("tokens were guessed ahead: predicted without",)


def test_guidellm_by_strategy():
    made, bad = measured("guidellm.json", gpu="h100")
    assert bad == ["request_totals.successful is 0: no request came through, 100 failed"]
    by_strategy = [made[at].load[4:9:3] for at in range(0, 12, 3)]
    assert [m.load.concurrency for m in made[::3]] == [1, 20, None, 9], by_strategy
    assert [m.load.request_rate for m in made[::3]] == [None, None, 2.0, None]
    assert {(m.load.metric, m.value) for m in made} == set(SERVED.items())
    assert {m.spelled.model for m in made} == {"Qwen/Qwen3-8B"}


def test_guidellm_looks_for_the_model_once_and_not_for_every_benchmark():
    class Counted(dict):
        asked = 0

        def get(self, *key):
            Counted.asked += 1
            return super().get(*key)

    def asked(many):
        Counted.asked = 0
        one = {"metrics": {"time_to_first_token_ms": {"successful": {"median": 300.0}}}}
        data = {"args": Counted(deep=Counted()), "benchmarks": [one] * many}
        assert len(guidellm.READERS[0].lines(data, "file")) == many
        return Counted.asked

    assert asked(1000) == asked(10)


def test_llmperf_counts_the_first_token_among_the_gaps_and_says_so():
    lines = results.read(FILES / "llmperf_summary.json")
    told = {line.fields["metric"]: line.fields.get("assumed") for line in lines}
    assert "first token" in told["itl_ms"] and told["ttft_ms"] is None


@pytest.mark.parametrize("name", ["vllm_latency.json", "vllm_latency.txt"])
def test_vllm_bench_latency_is_one_batch(name):
    lens = {} if name.endswith("txt") else {"input_tokens": 32, "output_tokens": 128}
    batch = lens and {"concurrency": 8}
    (made,), _ = measured(name, **lens, **batch)
    assert (made.load.metric, made.load[2:5]) == ("e2e_latency_s", (32, 128, 8))
    assert made.value == (1.25 if name.endswith("txt") else 1.2)
    made, bad = measured(name, **lens)
    assert not lens or bad == ["concurrency is not stated (give --concurrency)"]


def test_vllm_bench_throughput_as_it_is_printed():
    (made,), _ = measured("vllm_throughput.txt", **MODEL)
    assert (made.load.metric, made.value, made.load[2:5]) == (
        "total_tok_s",
        12_000.0,
        (1000, 200, None),
    )


def test_a_run_is_no_record():
    """A client's run has the checkpoint's own format, not the smallest that the card computes."""
    (made,), _ = measured("vllm_throughput.txt", **MODEL)
    assert stated.meaning(made.spelled).deployment.weights.name == "bf16"


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "sql", "md"])
def test_llama_bench_in_a_log(ending):
    made, bad = measured(f"llama_bench.{ending}")
    assert [(m.load.metric, m.value) for m in made] == [
        ("prefill_tok_s", 6000.0),
        ("decode_tok_s_per_user", 130.0),
    ]
    d = stated.meaning(made[0].spelled).deployment
    assert (d.model.name, d.gpu.name) == ("qwen3-8b", "rtx-4090")
    assert d.weights.name == "gguf-q4-k-m"
    assert bad == (
        ["backend is CPU: no card computed this (give --gpu with a CPU of the catalogue)"]
        if ending == "md"
        else []
    )


def test_what_a_cpu_computed_is_predicted_on_a_cpu_alone():
    made, bad = measured("llama_bench.md", gpu="epyc-9755-2s")
    assert [m.value for m in made] == [60.0]
    assert bad == ["backend is a card's: no CPU computed this"] * 2
    made, bad = measured("llama_bench.md", gpu="rtx-4090")
    assert [m.value for m in made] == [6000.0, 130.0] and len(bad) == 1


BENCH = {"backends": "CUDA", "model_filename": "Qwen3-8B-Q4_K_M.gguf", "n_gpu_layers": 99}
BENCH |= {"n_prompt": 512, "n_gen": 0, "avg_ts": 6000.0}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"gpu_info": "L4, L4", "split_mode": "layer"}, ("L4", 1, 2)),
        ({"gpu_info": "L4, L4", "split_mode": "row"}, ("L4", 2, 1)),
        ({"gpu_info": "L4, L40S", "split_mode": "none"}, ("L4", 1, 1)),
        ({"gpu_info": "L4, L40S", "split_mode": "none", "main_gpu": 1}, ("L40S", 1, 1)),
        ({"gpu_info": "L4, L40S", "devices": "CUDA1"}, ("L40S", 1, 1)),
        ({"gpu_info": "L4, L40S"}, ("L4 and L40S", None, None)),
    ],
)
def test_which_cards_llama_bench_ran_on(change, wanted):
    (line,) = results.parse(json.dumps(BENCH | change).encode(), "x")
    spelled = measurements.measurement(line).spelled
    d = stated.meaning(spelled).deployment
    assert (spelled.gpu, d and d.tp, d and d.pp) == wanted


@pytest.mark.parametrize("ending", ["md", "jsonl"])
def test_llama_batched_bench(ending):
    made, bad = measured(f"batched_bench.{ending}")
    assert not bad
    assert [(m.load.metric, m.value, m.load.concurrency) for m in made] == [
        ("prefill_tok_s", 6000.0, 1),
        ("decode_tok_s_per_user", 130.0, 1),
        ("prefill_tok_s", 6000.0, 1),
        ("decode_tok_s_per_user", 100.0, 8),  # 800 tok/s for eight
    ]
    d = stated.meaning(made[0].spelled).deployment
    assert (d.model.name, d.gpu.name, d.weights.name) == ("qwen3-8b", "rtx-4090", "gguf-q4-k-m")


# what cannot be true


SERVE = json.loads((FILES / "vllm_serve.json").read_text())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"input_len": 4096}, "input_len is 4,096, and total_input_tokens / completed is 1,000"),
        ({"random_input_len": 128}, "random_input_len is 128"),
        ({"output_len": 50}, "output_len is 50, and total_output_tokens / completed is 200"),
        ({"output_throughput": 4000.0}, "output_throughput is 4,000"),
    ],
)
def test_a_file_that_contradicts_itself_is_impossible(change, told):
    (line,) = results.parse(json.dumps(SERVE | change).encode(), "x")
    assert line.problem.startswith("impossible: ") and told in line.problem


@pytest.mark.parametrize(
    "change",
    [
        {"input_len": 1024},  # a template adds a few, a tokeniser drops some
        {"output_len": 2048},  # answers may end before their limit
        {"dataset_name": "sharegpt", "random_input_len": 4096},  # the client's unused default
        {"random_input_len": 2000, "random_range_ratio": 0.0, "server_info": {}},
    ],
)
def test_lengths_that_may_be_true_are_read(change):
    assert len(results.parse(json.dumps(SERVE | change).encode(), "x")) == 3


NONE_ANSWERED = {
    "vllm_serve.json": ('"completed": 100', '"completed": 0'),
    "vllm_serve.txt": ("Successful requests:                     100", "Successful requests: 0"),
    "sglang_bench_serving.txt": (
        "Successful requests:                     100",
        "Successful requests: 0",
    ),
    "aiperf.csv": ("Request Count,100", "Request Count,0"),
    "genai_perf.csv": ("(count),100.00", "(count),0.00"),
    "llmperf_summary.json": ('_completed_requests": 100', '_completed_requests": 0'),
    "inference_perf_summary.json": ('"successes": {"count": 100', '"successes": {"count": 0'),
    "trtllm_bench.json": ('"num_requests": 100', '"num_requests": 0'),
}


@pytest.mark.parametrize("name", NONE_ANSWERED)
def test_a_run_of_which_nothing_was_answered_says_so(name):
    before, after = NONE_ANSWERED[name]
    text = (FILES / name).read_text(encoding="utf-8")
    assert before in text
    lines = results.parse(text.replace(before, after).encode(), name)
    assert lines and all("no request came through" in line.problem for line in lines)


@pytest.mark.parametrize("name", ["vllm_rates.txt", "sglang_rates.txt"])
def test_the_rates_of_a_server_s_own_log_are_of_the_requests_that_ran_all_the_time(name):
    """The first line's time began with none running; the mean of the next two is 400."""
    made, bad = measured(name, **MODEL, input_tokens=1000, output_tokens=200)
    assert not bad and loads(made) == {USERS}
    assert [(m.load.metric, m.value) for m in made] == [("output_tok_s_total", 400.0)]
    assert {stated.meaning(m.spelled).family for m in made} == {name.partition("_")[0]}
    assert measured(name, **MODEL)[1] == ["input_tokens is not stated (give --input)"]


RATE_OF = (
    "Engine {engine:03d}: Avg prompt throughput: {prompt} tokens/s, Avg generation throughput: "
    "{rate} tokens/s, Running: {users} reqs, Waiting: {waiting} reqs, GPU KV cache usage: 1.0%"
)


def rates(*lines):
    usual = {"engine": 0, "prompt": 0.0, "rate": 500.0, "users": 10, "waiting": 0}
    text = "\n".join(RATE_OF.format(**usual | line) for line in lines)
    return results.parse(text.encode(), "server.log")


def test_without_a_prompt_a_rate_is_that_of_decoding():
    (line,) = rates({}, {}, {})
    assert (line.fields["metric"], line.fields["value"]) == ("decode_tok_s_per_user", 50.0)


def test_what_made_a_server_faster_than_predicted_is_said():
    text = "\n".join(RATE_OF.format(engine=0, prompt=9.0, rate=500.0, users=10, waiting=0)
                     for _ in range(2))  # fmt: skip
    more = (
        f"{text}, Prefix cache hit rate: 80.0%\nSpecDecoding metrics: Mean acceptance length: 2.6"
    )
    (line,) = results.parse(more.encode(), "server.log")
    guessed = "tokens were guessed ahead: predicted without"
    cached = "80% of prompts' tokens were in the prefix cache: predicted without"
    assert line.fields["assumed"] == f"{guessed}; {cached}"
    wrapped = "\n".join(
        json.dumps({"log": one + "\n", "stream": "stderr"}) for one in more.split("\n")
    )
    (same,) = results.parse(wrapped.encode(), "container.log")
    assert same.fields == line.fields


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (({}, {"users": 20}), "no two lines in a row"),
        (({"waiting": 5}, {"waiting": 5}), "none waiting"),
        (({}, {"engine": 1}, {}), "lines of 2 replicas, 000 to 001"),
    ],
)
def test_a_rate_of_no_number_of_users_is_refused(lines, says):
    (line,) = rates(*lines)
    assert says in line.problem


# By hand, as loadgen/results.cc writes them: 2,000 tokens a second are 10 answers of 200.
MLPERF = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : {scenario}
Mode     : PerformanceOnly
{rates}
Result is : {result}
  Min duration satisfied : Yes

================================================
Additional Stats
================================================
Scheduled samples per second : 10.00
50.00 percentile latency (ns)   : 4100000000
50.00 percentile first token latency (ns)   : 300000000
99.00 percentile first token latency (ns)   : 900000000
99.90 percentile first token latency (ns)   : 950000000
50.00 percentile time to output token (ns)   : 20000000
99.00 percentile time to output token (ns)   : 25000000
"""
COMPLETED = "Completed samples per second    : 10\nCompleted tokens per second: 2000"
OFFLINE = "Samples per second: 10\nTokens per second: 2000"


def mlperf(**said):
    return results.parse(MLPERF.format(**said).encode(), "mlperf_log_summary.txt")


def test_mlperf_server():
    lines = mlperf(scenario="Server", rates=COMPLETED, result="VALID")
    made = [measurements.measurement(one, MODEL | {"input_tokens": 1000}) for one in lines]
    assert [(m.load.metric, m.value, m.load.percentile) for m in made] == [
        ("ttft_ms", 300, None), ("itl_ms", 20, None), ("output_tok_s_total", 2000, None),
        ("ttft_percentile_ms", 900, 99), ("ttft_percentile_ms", 950, 99.9),
        ("tpot_percentile_ms", 25, 99),
    ]  # fmt: skip
    assert {(m.load.output_tokens, m.load.request_rate) for m in made} == {(200, 10.0)}
    with pytest.raises(BadInput, match="input_tokens is not stated"):
        measurements.measurement(lines[0], MODEL)


SUBMITTED = (
    "Organization,SystemName,Model,MlperfModel,Scenario,Result,number_of_nodes,"
    "accelerator_model_name,accelerators_per_node,framework,Units,weight_data_types\n"
    "Acme,X8,llama2-70b-99.9,llama2-70b-99.9,{scenario},24000,2,NVIDIA H100-SXM-80GB,8,"
    "TensorRT 10.8,{units},fp8\n"
)


def test_the_table_of_an_mlperf_submission_has_the_rate_of_a_card():
    """24,000 tokens a second of two nodes of eight."""
    text = SUBMITTED.format(scenario="Offline", units="Tokens/s").encode()
    (line,) = results.parse(text, "summary.csv")
    said = {"input_tokens": 294, "output_tokens": 294, "concurrency": 512, "tp": 2}
    m = measurements.measurement(line, said)
    assert (m.load.metric, m.value) == ("output_tok_s_per_gpu", 1500.0)
    d = stated.meaning(m.spelled).deployment
    assert (d.model.name, d.gpu.name, d.weights.name) == ("llama-2-70b", "h100-sxm", "fp8")
    for name in said:
        with pytest.raises(BadInput, match=f"{name} is not stated"):
            measurements.measurement(line, {n: v for n, v in said.items() if n != name})
    (latency,) = results.parse(text.replace(b"Tokens/s", b"Samples/s"), "summary.csv")
    assert latency.problem == "Offline in Samples/s is not read: Offline and Server in Tokens/s are"


def test_mlperf_offline_and_what_is_not_read():
    (rate,) = (
        one
        for one in mlperf(scenario="Offline", rates=OFFLINE, result="INVALID")
        if one.fields["metric"] == "output_tok_s_total"
    )
    assert rate.fields["value"] == 2000 and rate.fields["output_tokens"] == 200
    assert rate.fields["assumed"] == "the run calls itself INVALID"
    (single,) = mlperf(scenario="SingleStream", rates="", result="VALID")
    assert single.problem.startswith("scenario SingleStream in mode PerformanceOnly is not read")


def test_llmperf_s_percentiles():
    made, _ = measured("llmperf_summary.json", **MODEL)
    ends = {(m.load.metric, m.load.percentile) for m in made if m.load.percentile}
    file = json.loads((FILES / "llmperf_summary.json").read_text(encoding="utf-8"))
    kinds = {"ttft_s": "ttft", "inter_token_latency_s": "tpot", "end_to_end_latency_s": "e2e"}
    wanted = {
        (f"{kind}_percentile_ms", percent)
        for name, kind in kinds.items()
        for percent in (75.0, 90.0, 95.0, 99.0)
        if f"results_{name}_quantiles_p{percent:g}" in file
    }
    assert ends == wanted and len(ends) == 3
    p99 = file["results_ttft_s_quantiles_p99"]
    assert ("ttft_percentile_ms", p99 * 1e3) in {
        (m.load.metric, m.value) for m in made if m.load.percentile == 99
    }


LENGTHS = {"input_tokens": 1000, "output_tokens": 200}


@pytest.mark.parametrize(
    "name", ["k6_summary_export.json", "k6_handle_summary.json", "k6_machine_readable.json"]
)
def test_k6_knows_whole_answers_and_what_a_script_named(name):
    """1,000 answers of 4.28 s in 214 s are 20 in flight."""
    made, bad = measured(name, **MODEL, **LENGTHS)
    assert not bad and {m.load.concurrency for m in made} == {20}
    found = {(m.load.metric, m.load.percentile, round(m.value, 6)) for m in made}
    assert found == {
        ("e2e_latency_s", None, 4.28), ("ttft_ms", None, 300.0),
        *(("e2e_percentile_ms", p, v) for p, v in ((90.0, 5000.0), (95.0, 6000.0))),
        *(("ttft_percentile_ms", p, v) for p, v in ((90.0, 500.0), (95.0, 600.0))),
    }  # fmt: skip
    made, bad = measured(name, **MODEL)
    assert not made and set(bad) == {"input_tokens is not stated (give --input)"}


def test_locust_knows_whole_answers():
    made, bad = measured("locust_stats.csv", **MODEL, **LENGTHS)
    assert bad == ["'GET /v1/models' is no request to a model"]
    assert {m.load.concurrency for m in made} == {20}
    found = {m.load.percentile: round(m.value, 6) for m in made}
    assert found[None] == 4.28 and found[99.0] == 8000.0
    assert max(p for p in found if p) == 99.9, "of 1,000 requests"


@pytest.mark.parametrize(("completed", "said"), [(200, ()), (120, ("80 of 200 requests failed",))])
def test_requests_without_an_answer_are_said(completed, said):
    """num_prompts and completed, as vllm bench serve and SGLang's bench_serving write them."""
    data = {
        "backend": "vllm",
        **{"model_id": "Qwen/Qwen3-8B", "num_prompts": 200, "completed": completed},
        **{"max_concurrency": 16, "request_rate": "inf", "duration": 100.0},
        **{"total_input_tokens": 1000 * completed, "total_output_tokens": 200 * completed},
        **{"output_throughput": 2 * completed, "median_ttft_ms": 300, "median_tpot_ms": 20},
    }
    for line in results.parse(json.dumps(data).encode(), "measured.json"):
        made = measurements.measurement(line, measurements.options_of(gpu="h100"))
        found = [text for text in made.spelled.taken if "requests failed" in text]
        assert tuple(text.partition(":")[0] for text in found) == said


def _guidellm(data):
    made = data["benchmarks"][0]
    return made["metrics"].get("request_totals") or made["request_totals"]


# Where each client writes how many requests were answered, and how many failed: the files named
# at the top of each reader.
FAILURES = {
    "guidellm.json": lambda data, done, failed: _guidellm(data).update(
        successful=done, errored=failed
    ),
    "aiperf.json": lambda data, done, failed: data.update(
        request_count={"unit": "requests", "avg": done},
        error_request_count={"unit": "requests", "avg": failed},
    ),
    "evalscope_summary.json": lambda data, done, failed: data.update(
        {"Success Requests": done, "Failed Requests": failed}
    ),
    "inference_perf_stage.json": lambda data, done, failed: (
        data["successes"].update(count=done),
        data["failures"].update(count=failed),
    ),
    "genai_bench.json": lambda data, done, failed: data["aggregated_metrics"].update(
        num_completed_requests=done, num_error_requests=failed
    ),
    "llmperf_summary.json": lambda data, done, failed: data.update(
        results_num_completed_requests=done, results_number_errors=failed
    ),
    "k6_summary_export.json": lambda data, done, failed: (
        data["metrics"]["http_reqs"].update(count=done + failed),
        data["metrics"]["http_req_failed"].update(value=failed / (done + failed)),
    ),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize(("failed", "said"), [(0, ""), (80, "80 of 200 requests failed")])
def test_every_client_s_failures_are_said(name, failed, said):
    data = json.loads((FILES / name).read_text("utf-8"))
    FAILURES[name](data, 200 - failed, failed)
    line = results.parse(json.dumps(data).encode(), name)[0]
    given = {"model": "qwen3-8b", "gpu": "h100", "input_tokens": 1000, "output_tokens": 200}
    made = measurements.measurement(line, measurements.options_of(**given))
    told = [text for text in (*made.spelled.taken, *made.spelled.left_open) if "failed" in text]
    assert [text[: len(said)] for text in told] == ([said] if said else [])


def test_a_block_on_the_screen_says_its_failures():
    text = (FILES / "vllm_serve.txt").read_text("utf-8")
    text = re.sub(r"(Failed requests: +)0", r"\g<1>7", text)
    assert results.parse(text.encode(), "log.txt")[0].fields["lost"] == "7 of 107"


def test_locust_times_what_failed_too():
    head, *rows = (FILES / "locust_stats.csv").read_text("utf-8").splitlines()
    at, of = head.split(",").index("Failure Count"), head.split(",").index("Request Count")
    cells = rows[1].split(",")
    cells[at] = "7"
    line = results.parse("\n".join([head, ",".join(cells)]).encode(), "a_stats.csv")[0]
    assert line.fields["assumed"].startswith(f"7 of {int(cells[of]):,} requests failed")


def test_nothing_answered_is_said_of_a_load_tester_too():
    data = json.loads((FILES / "k6_handle_summary.json").read_text("utf-8"))
    data["metrics"]["http_req_failed"]["values"]["rate"] = 1
    (line,) = results.parse(json.dumps(data).encode(), "k6.json")
    assert line.problem == "http_req_failed is 1: no request came through"


def test_locust_s_history_is_told_from_its_results():
    head = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,Total Request Count"
    (line,) = results.parse(f"{head}\n1,20,,Aggregated,5,0,4280,10".encode(), "history.csv")
    assert "_stats.csv" in line.problem


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("mean_time_to_first_token_ms", "ttft_ms"), ("Time per output token (ms)", "itl_ms"),
        ("p99 inter-token latency (ms)", "itl_percentile_ms"),
        ("p95_end_to_end_latency_s", "e2e_percentile_ms"),
    ],
)  # fmt: skip
def test_latencies_in_full_words(column, name):
    assert wide.quantity(column).name == name


def test_a_batch_of_sglang_is_read_by_its_times():
    """199 steps of 20 ms after prompts of .8 s: 4.78 s. Two versions, two output_throughputs."""
    for name in ("sglang_one_batch.jsonl", "sglang_one_batch_server.jsonl"):
        made, bad = measured(name, **MODEL)
        assert not bad and {m.load[2:4] for m in made} == {(1000, 200)}
        found = {(m.load.metric, m.load.concurrency, round(m.value, 6)) for m in made}
        assert {("decode_tok_s_per_user", 8, 50.0), ("e2e_latency_s", 8, 4.78)} <= found
        rates = found - {("prefill_tok_s", 1, 10000.0)}
        assert {metric for metric, _, _ in rates} == {"decode_tok_s_per_user", "e2e_latency_s"}


def test_sglang_s_offline_throughput_counts_prompts_too():
    made, bad = measured("sglang_offline.jsonl", **MODEL)
    assert not bad
    assert [(m.load.metric, m.value, *m.load[2:5]) for m in made] == [
        ("total_tok_s", 2400.0, 1000, 200, None)
    ]


@pytest.mark.parametrize(
    "name",
    [
        "llama_timings.txt",
        "ollama_verbose.txt",
        "ollama_generate.json",
        "llama_server_timings.json",
    ],
)
def test_what_is_said_of_one_answer(name):
    """1,000 tokens in 250 ms, then 200 in 2 s."""
    made, bad = measured(name, **MODEL)
    assert not bad and {m.load[2:5] for m in made} == {(1000, 200, 1)}
    assert {(m.load.metric, round(m.value, 6)) for m in made} == {
        ("prefill_tok_s", 4000.0),
        ("decode_tok_s_per_user", 100.0),
    }
    assert {stated.meaning(m.spelled).family for m in made} == {"llama.cpp"}
    if name != "ollama_verbose.txt":  # which names no model
        made, _ = measured(name, gpu="h100")
        d = stated.meaning(made[0].spelled).deployment
        assert (d.model.name, d.weights.name) == ("qwen3-8b", "gguf-q4-k-m")


def test_a_prompt_that_was_in_the_cache_is_counted_as_such():
    data = json.loads((FILES / "llama_server_timings.json").read_text("utf-8"))
    data["timings"] |= {"cache_n": 700, "prompt_n": 300}
    rows = results.parse(json.dumps(data).encode(), "a.json")
    assert {(r.fields["input_tokens"], r.fields["cached_tokens"]) for r in rows} == {(1000, 700)}


ONE_LENGTH = {"random_range_ratio": 1.0, "random_output_len": 200, "random_input_len": 1000}


@pytest.mark.parametrize(
    ("more", "alike"),
    [
        ({"random_range_ratio": 0.0}, False),  # from nothing to the whole
        (ONE_LENGTH, True),
        (ONE_LENGTH | {"request_rate": 2.0}, False),  # who comes at a rate is in step with nobody
        ({"output_lens": [200] * 100}, True),
        (ONE_LENGTH | {"output_lens": [100, 300]}, False),
    ],
)
def test_answers_of_one_length_are_predicted_in_step(tmp_path, more, alike):
    """SGLang's client draws each length from `random_range_ratio` of what is asked to the whole."""
    whole = json.loads((FILES / "sglang_bench_serving.jsonl").read_text().splitlines()[0])
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(whole | more))
    made, _ = measured(path, gpu="h100")
    assert {m.load.in_step for m in made} == {alike}


@pytest.mark.parametrize(("least", "alike"), [(199, True), (100, False)])
def test_aiperf_says_how_long_answers_were(tmp_path, least, alike):
    whole = json.loads((FILES / "aiperf.json").read_text())
    whole["output_sequence_length"] |= {"min": least, "max": 200}
    whole["input_config"] = {"loadgen": {"concurrency": 20}}
    path = tmp_path / "profile_export_aiperf.json"
    path.write_text(json.dumps(whole))
    made, _ = measured(path, **MODEL)
    assert made and {m.load.in_step for m in made} == {alike}


@pytest.mark.parametrize(
    ("shape", "rate", "told"), [(0.2, 2.0, True), (1.0, 2.0, False), (0.2, "inf", False)]
)
def test_a_run_in_bursts_says_what_it_is_scored_by(shape, rate, told):
    """At a rate alone does vLLM's client draw the moments at which it sends."""
    data = json.loads((FILES / "vllm_serve.json").read_text(encoding="utf-8"))
    data |= {"burstiness": shape, "request_rate": rate, "max_concurrency": None}
    for line in results.parse(json.dumps(data).encode(), "mine.json"):
        assert ("burstier than at random" in str(line.fields.get("assumed"))) is told
