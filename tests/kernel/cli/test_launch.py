"""`llmcap launch`: the command, what its log will say, the benchmark, and the score."""

import json
import shlex

import pytest
import yaml

from llmcap_kernel.evidence import launch

B = ["--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8"]
LOAD = ["--input", "7k", "--output", "1k", "--users", "16"]


def test_the_json_has_every_step(run):
    code, out, _ = run("launch", *B, *LOAD, "--json")
    data = json.loads(out)
    assert code == 0 and set(data) == {"launch", "log", "benchmark", "validate"}
    assert launch.read(data["launch"]).max_model_len == 8000
    assert any("GPU KV cache size" in one["line"] for one in data["log"])
    assert "--max-concurrency 16" in data["benchmark"]
    words = shlex.split(data["validate"])
    assert words[:3] == ["llmcap", "validate", "measured.json"]


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
