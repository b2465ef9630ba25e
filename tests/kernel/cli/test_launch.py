"""`llmcap launch`: the command, what its log will say, the benchmark, and the score."""

import itertools
import json
import re
import shlex

import pytest
import yaml

from llmcap_kernel.cli import parser_of
from llmcap_kernel.cli.fills import read_fills
from llmcap_kernel.cli.options import read_deployment
from llmcap_kernel.evidence import launch, measurements, stated
from llmcap_kernel.evidence.results.line import Line
from llmcap_kernel.explain import quantity

B = ["--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8"]
LOAD = ["--input", "7k", "--output", "1k", "--users", "16"]


def test_the_json_has_every_step(run):
    code, out, _ = run("launch", *B, *LOAD, "--json")
    data = json.loads(out)
    assert code == 0 and set(data) == {"launch", "log", "benchmark", "validate", "warnings"}
    assert launch.read(data["launch"]).max_model_len == 8000
    assert any("GPU KV cache size" in one["line"] for one in data["log"])
    assert "--max-concurrency 16" in data["benchmark"]
    words = shlex.split(data["validate"])
    assert words[:3] == ["llmcap", "validate", "measured.json"]


SPLITS = [
    "--model llama-3.1-70b --gpu h100-sxm --tp 2 --pp 2 --engine vllm-0.19",
    "--model deepseek-r1 --gpu h200-sxm --tp 8 --ep 8 --dp-attention --engine sglang",
    "--model qwen3-8b --gpu l4 --memory-fraction 0.8 --kv fp8",
    "--model llama-3.1-70b --gpu h100-sxm --tp 2 --weights fp8 --engine trtllm",
    "--model llama-3.1-8b --gpu rtx-4090 --weights q4_k_m --engine llama.cpp",
    "--model llama-3.1-8b --gpu h100-sxm --max-num-seqs 16 --max-num-batched-tokens 512",
]


@pytest.mark.parametrize("words", SPLITS)
def test_the_score_is_of_the_same_deployment(run, words):
    parser = parser_of("predict")
    asked = read_deployment(parser.parse_args(words.split()))
    score = json.loads(run("launch", *words.split(), "--json")[1])["validate"]
    options = read_fills(parser_of("validate").parse_args(shlex.split(score)[2:]))
    # the client of vLLM measures the others too, and its file does not name them
    client = {"vllm": "vLLM", "sglang": "SGLang"}.get(asked.engine.family, "")
    fields = {"metric": "itl_ms", "value": 20.0, "model": asked.model.name, "engine": client}
    row = measurements.measurement(Line("file", fields), options)
    meant = stated.meaning(row.spelled).deployment
    same = ("title", "ep", "dp_attention", "fraction", "engine", "seqs_limit", "batch_limit_tokens")
    assert [getattr(meant, name) for name in same] == [getattr(asked, name) for name in same]


MEASURED = {"itl_ms": "mean_tpot_ms", "ttft_ms": "mean_ttft_ms"}
MEASURED |= {"output_tok_s_total": "output_throughput"}
WALKS = [
    "--model llama-3.1-70b --gpu h100-sxm --tp 4 --weights fp8 --max-num-batched-tokens 512",
    "--model llama-3.1-8b --gpu h100-sxm --max-num-seqs 16",
    "--model llama-3.1-8b --gpu h100-sxm --users 1",
    "--model qwen3-14b --gpu apple-m4-max --weights q4_k_m --engine llama.cpp --users 1",
    "--model qwen3-14b --gpu rtx-4090 --weights q4_k_m --engine llama.cpp --users 4",
    "--model llama-3.3-70b --gpu b200-sxm --tp 2 --weights nvfp4 --kv fp8 --engine trtllm",
    "--model qwen3-235b-a22b --gpu mi300x --tp 4 --ep 4 --weights fp8 --shared-prefix 500",
]


def benchmark_of(estimate, load, off=1.2):
    """What vLLM's client writes where all is slower than predicted."""
    requests, prompt, answer, users = load
    rate = estimate["output_tok_s_total"]["value"] / off
    return {
        **{"backend": "openai", "request_rate": "inf", "num_prompts": requests, "failed": 0},
        **{"completed": requests, "max_concurrency": users, "output_throughput": rate},
        **{"total_input_tokens": requests * prompt, "total_output_tokens": requests * answer},
        **{"request_throughput": rate / answer, "duration": requests * answer / rate},
        **{MEASURED[name]: off * estimate[name]["value"] for name in ("itl_ms", "ttft_ms")},
    }


@pytest.mark.parametrize("words", WALKS)
def test_validate_scores_the_very_prediction_that_was_made(run, tmp_path, monkeypatch, words):
    """A server's file with one user is of that server, and of no library's loop."""
    monkeypatch.chdir(tmp_path)
    asked = ["--input", "2000", "--output", "500", "--users", "32", *words.split()]
    predicted = json.loads(run("predict", *asked, "--json")[1])
    steps = json.loads(run("launch", *asked, "--json")[1])
    bench = shlex.split(steps["benchmark"].replace("\\\n", ""))
    of_bench = dict(itertools.pairwise(bench))
    load = (int(of_bench["--num-prompts"]), 2000, 500, predicted["concurrency"])
    found = benchmark_of(predicted["estimate"], load) | {"model_id": of_bench["--model"]}
    (tmp_path / of_bench["--result-filename"]).write_text(json.dumps(found))
    code, out, _ = run(*shlex.split(steps["validate"])[1:], "--json")
    rows = {row["metric"]: row for row in json.loads(out)["rows"]}
    assert code == 0 and set(rows) == set(MEASURED)
    for metric, row in rows.items():
        estimate = predicted["estimate"][metric]
        assert row["predicted"] == pytest.approx(estimate["value"], rel=1e-9)
        off = 1 / 1.2 if metric == "output_tok_s_total" else 1.2
        assert row["measured"] == pytest.approx(off * row["predicted"])


def test_what_a_benchmark_does_not_say_is_said(run):
    words = ["--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--draft-tokens", "3", "--eager"]
    told = json.loads(run("launch", *words, *LOAD, "--json")[1])["warnings"]
    assert any("does not say drafted tokens and no CUDA graphs" in text for text in told)


def test_a_benchmark_of_one_length_says_what_it_will_be_scored_by(run, tmp_path, monkeypatch):
    """SGLang computes prompts first, and its client's answers end together."""
    monkeypatch.chdir(tmp_path)
    words = ["--model", "qwen3-8b", "--gpu", "h100-sxm", "--engine", "sglang", *LOAD]
    steps = json.loads(run("launch", *words, "--json")[1])
    (told,) = [text for text in steps["warnings"] if "in step" in text]
    found = {
        **{"backend": "sglang", "model_id": "Qwen/Qwen3-8B", "dataset_name": "random"},
        **{"random_input_len": 7000, "random_output_len": 1000, "random_range_ratio": 1.0},
        **{"server_info": {}, "completed": 160, "max_concurrency": 16, "mean_ttft_ms": 900.0},
        **{"total_input_tokens": 1_120_000, "total_output_tokens": 160_000},
    }
    (tmp_path / "measured.jsonl").write_text(json.dumps(found))
    (row,) = json.loads(run(*shlex.split(steps["validate"])[1:], "--json")[1])["rows"]
    assert f"mean first token of {quantity(row['predicted'] / 1e3, 's')}," in told


def test_the_score_names_the_files_that_a_model_and_a_card_came_from(run, tmp_path):
    card = tmp_path / "my card.toml"
    card.write_text(run("gpus", "l4", "--toml")[1].replace('name = "l4"', 'name = "mine"'))
    words = ["--model", "qwen3-8b", "--gpu-file", str(card), "--checkpoint", "me/tuned", *LOAD]
    score = shlex.split(json.loads(run("launch", *words, "--json")[1])["validate"])
    options = read_fills(parser_of("validate").parse_args(score[2:]))
    assert options["model"] == "qwen3-8b" and str(card) in score


def test_the_score_says_which_tokens_were_cached(run):
    """A prompt of 7,000 tokens of which 6,000 are shared waits for the prefill of 1,000."""
    shared = [*B, "--input", "7k", "--output", "1k", "--users", "16", "--shared-prefix", "6k"]
    score = json.loads(run("launch", *shared, "--json")[1])["validate"]
    options = read_fills(parser_of("validate").parse_args(shlex.split(score)[2:]))
    fields = {"metric": "ttft_ms", "value": 200.0, "model": "llama-3.1-70b", "input_tokens": 7000}
    assert measurements.measurement(Line("file", fields), options).load.cached_tokens == 6000


def test_the_text_is_a_script(run):
    """What is no command is a comment, so that all of it can be pasted."""
    _, out, _ = run("launch", *B, *LOAD)
    plain = [line for line in out.splitlines() if line.strip() and not line.startswith("#")]
    starts = [line.split()[0] for line in plain if not line.startswith(" ")]
    assert starts == ["vllm", "vllm", "llmcap"]


def test_without_users_it_is_as_many_as_have_room(run):
    _, out, _ = run("launch", *B, "--input", "7k", "--output", "1k", "--json")
    bench = json.loads(out)["benchmark"].replace("\\", "").split()
    assert 20 < int(bench[bench.index("--max-concurrency") + 1]) < 100


def test_llama_cpp_has_the_same_slots_in_every_command(run):
    """Four by default: 16 users take turns, which each command says with what to set."""
    home = ["--model", "llama-3.1-8b", "--gpu", "rtx-4090", "--engine", "llama.cpp"]
    home += ["--weights", "q4_k_m", "--input", "1000", "--output", "200", "--users", "16", "--json"]
    told = "and 12 of the 16 users wait: set max_num_seqs (--parallel) to 16."
    launched = json.loads(run("launch", *home)[1])
    words = launched["launch"].split()
    assert (words[words.index("-np") + 1], words[words.index("-c") + 1]) == ("4", "4800")
    assert any(told in text for text in launched["warnings"])
    predicted = json.loads(run("predict", *home)[1])
    assert any(told in text for text in predicted["warnings"])
    simulated = json.loads(run("simulate", *home, "--requests", "200")[1])
    assert any("runs 4 requests at once" in text for text in simulated["warnings"])
    # both count whole answers that are waited for
    mean = predicted["estimate"]["ttft_ms"]["value"]
    assert simulated["ttft_ms"]["p50"]["value"] == pytest.approx(mean, rel=0.15)
    more = json.loads(run("predict", *home, "--max-num-seqs", "16")[1])
    assert not any("max_num_seqs" in text for text in more["warnings"])
    assert more["estimate"]["ttft_ms"]["value"] < mean / 5


@pytest.mark.parametrize("form", ["kubernetes", "kserve", "production-stack"])
def test_a_manifest_is_all_that_is_printed(run, form):
    _, out, _ = run("launch", *B, *LOAD, "--as", form, "--copies", "2")
    assert list(yaml.safe_load_all(out))
    assert "2" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--as", "helm"], "as 'helm' is not known. It takes command, kubernetes, kserve"),
        (["--copies", "0"], "copies"),
        (["--as", "kserve", "--engine", "sglang"], "kind kserve runs vLLM"),
        (["--dp-attention"], "vLLM would hold a dense model whole on every card"),
    ],
)
def test_bad_input_is_one_sentence(run, more, said):
    code, out, err = run("launch", *B, *LOAD, *more)
    assert code == 2 and not out
    assert said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("engine", "version"),
    [
        ("vllm 0.8.5", "0.8.5"),
        ("lmsysorg/sglang:v0.5.9-cu129", "0.5.9"),
        ("trtllm-0.21", "0.21"),
        ("vllm", None),
    ],
)
def test_the_score_is_of_the_version_that_was_asked_for(run, engine, version):
    words = ["--model", "qwen3-8b", "--gpu", "l4", "--engine", engine, "--users", "4"]
    score = shlex.split(json.loads(run("launch", *words, "--json")[1])["validate"])
    said = score[score.index("--engine-version") + 1] if "--engine-version" in score else None
    assert said == version


@pytest.mark.parametrize("command", ["launch", "predict"])
def test_an_engine_that_another_stands_in_for_is_said_so(run, command):
    """TGI has no command and no ledger of its own here, and no log of vLLM's lines."""
    words = ["--model", "qwen3-8b", "--gpu", "l4", "--engine", "tgi", "--users", "4"]
    out = run(command, *words)[1]
    assert "tgi is counted as vLLM 0.33" in out and "in place of tgi will print" not in out


LLAMA = ["--gpu", "h100", "--model", "llama-3.1-8b"]
VARIABLE = {
    "vllm": "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
    "sglang": "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN",
}


@pytest.mark.parametrize("engine", VARIABLE)
@pytest.mark.parametrize(
    ("more", "asked"), [(["--max-model-len", "300k"], 300_000), (["--input", "200000"], 201_000)]
)
def test_a_length_that_the_engine_refuses_is_said_first(run, engine, more, asked):
    """The window is that of the model's config.json, 131,072 positions."""
    words = [*LLAMA, *more, "--engine", engine]
    code, out, _ = run("launch", *words)
    first = out.splitlines()[0]
    assert code == 0 and first.startswith("# ") and "refuses to start" in first
    assert f"{asked:,}" in first and "131,072" in first and VARIABLE[engine] in first
    assert json.loads(run("launch", *words, "--json")[1])["warnings"][0] == first[2:]


def test_a_length_that_an_engine_starts_with_is_one_that_the_model_does_not_take(run):
    """llama.cpp warns of such a -c, and starts."""
    _, out, _ = run("launch", *LLAMA, "--input", "200000", "--engine", "llama.cpp")
    assert out.startswith("# The window of llama-3.1-8b is exceeded")


def test_the_window_itself_is_no_warning(run):
    for words in (["--max-model-len", "131072"], ["--input", "130072"]):
        assert run("launch", *LLAMA, *words)[1].startswith("# vllm-")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--model llama-3.3-70b --gpu h100", "# This does not start: the weights alone take 131"),
        (
            "--model qwen3-32b --gpu h200-sxm --input 4000 --users 3200",
            "# The cache holds 51 of 3,200 users at 5,000 tokens: the others wait.",
        ),
    ],
)
def test_what_is_in_the_way_is_said_before_the_command(run, words, said):
    """70.6e9 weights of 2 bytes are 131 GiB; 61 GiB beside them leave Qwen3-32B 51 users."""
    assert run("launch", *words.split())[1].startswith(said)
    manifest = run("launch", *words.split(), "--as", "kubernetes")[1]
    assert manifest.startswith(said) and list(yaml.safe_load_all(manifest))


def test_at_a_rate_the_load_is_that_rate_and_one_that_is_not_answered_is_said_first(run):
    one = ["launch", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--json"]
    calm = json.loads(run(*one, "--rate", "1")[1])
    assert "7,000 tokens in + 1,000 out, 1 requests/s" in " ".join(calm["warnings"])
    assert "user" not in " ".join(calm["warnings"])
    # 3.35e12 B/s read 55 users' caches and the weights at most 65 times a second
    for more, opening in (([], "It"), (["--as", "kubernetes", "--copies", "4"], "Each copy")):
        told = json.loads(run(*one, "--rate", "120", *more)[1])["warnings"][0]
        assert re.match(rf"{opening} answers at most [\d.]+ of (120|30) requests/s, and", told)
