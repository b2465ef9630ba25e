"""Commands of benchmarks, read as the load that they put on a server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel.evidence import launch
from llmcap_kernel.evidence.launch.bench import TOOLS, Load, of_words
from llmcap_kernel.refuse import BadInput

Q = "Qwen/Qwen3-8B"
# Lengths, users and the rate that each tool's own parser gives: vllm/benchmarks/serve.py,
# latency.py and datasets.py of 0.33; sglang/benchmark/serving.py, one_batch.py and
# datasets/common.py of 0.5.23; TensorRT-LLM bench/benchmark/throughput.py.
LOADS = {
    f"vllm bench serve --model {Q} --random-input-len 2048 --random-output-len 256 "
    "--max-concurrency 32 --num-prompts 320": Load(2048, 256, 32),
    f"vllm bench serve --model {Q} --input-len=500 --output-len=50 --max-concurrency=4": Load(
        *(500, 50, 4)
    ),
    # the defaults of a random dataset, and 1 000 prompts at once
    f"vllm bench serve --model {Q}": Load(1024, 128, 1000),
    # a prefix stands before the random part
    f"vllm bench serve --model {Q} --random-prefix-len 512 --random-input-len 100 "
    "--max-concurrency 2": Load(612, 128, 2, 512),
    f"vllm bench serve --model {Q} --request-rate 3.5": Load(1024, 128, 0, 0, 3.5),
    f"vllm bench serve --model {Q} --dataset-name sharegpt --dataset-path s.json "
    "--max-concurrency 8": Load(0, 0, 8),
    f"vllm bench throughput --model {Q} --input-len 512 --output-len 64 --num-prompts 20": Load(
        *(512, 64, 20)
    ),
    f"vllm bench latency --model {Q}": Load(32, 128, 8),
    f"python benchmarks/benchmark_latency.py --model {Q} --batch-size 1 --input-len 7": Load(
        *(7, 128, 1)
    ),
    # SGLang draws evenly between 1 and what is asked: (1 + 1001) / 2
    f"python -m sglang.bench_serving --model {Q} --dataset-name random --random-input 1001 "
    "--random-output 201 --max-concurrency 16": Load(501, 101, 16),
    f"python -m sglang.bench_serving --model {Q} --dataset-name random --random-input-len 1000 "
    "--random-output-len 100 --random-range-ratio 1.0 --max-concurrency 16": Load(1000, 100, 16),
    f"python3 -m sglang.bench_serving --model {Q} --dataset-name generated-shared-prefix "
    "--max-concurrency 4": Load(2048 + 128, 256, 4, 2048),
    f"python -m sglang.bench_one_batch --model-path {Q} --batch 1 32 --input-len 256 "
    "--output-len 32 --tp 2": Load(256, 32, 32),
    f"trtllm-bench --model {Q} throughput --dataset d.txt --concurrency 64": Load(0, 0, 64),
    f"trtllm-bench -m {Q} latency --dataset d.txt": Load(0, 0, 1),
    f"aiperf profile --model {Q} --isl 550 --osl 150 --concurrency 10": Load(550, 150, 10),
    f"genai-perf profile -m {Q} --synthetic-input-tokens-mean 200 --output-tokens-mean 100 "
    "--request-rate 2": Load(200, 100, 0, 0, 2.0),
    f"guidellm benchmark --model {Q} --target http://x:8000 --rate-type concurrent --rate 16 "
    "--data 'prompt_tokens=256,output_tokens=128'": Load(256, 128, 16),
}


@pytest.mark.parametrize("command", LOADS)
def test_a_benchmark_s_command_is_a_model_and_a_load(command):
    one = launch.read(command)
    assert (one.model, one.load) == (Q, LOADS[command])
    assert one.unknown == ()


def test_what_starts_the_engine_has_its_options_and_a_client_has_none():
    started = launch.read(
        f"vllm bench throughput --model {Q} -tp 2 --input-len 9 --kv-cache-dtype fp8"
    )
    assert (started.tp, started.kv, started.offline) == (2, "fp8", True)
    batch = launch.read(f"python -m sglang.bench_one_batch --model-path {Q} --batch 8 --tp 4")
    assert (batch.engine, batch.tp) == ("sglang", 4)
    trt = launch.read(
        f"trtllm-bench --model {Q} throughput --dataset d --tp 2 --max_batch_size 64 "
        "--kv_cache_free_gpu_mem_fraction 0.8 --streaming"
    )
    assert (trt.tp, trt.max_num_seqs, trt.memory_fraction) == (2, 64, 0.8)
    client = launch.read(f"vllm bench serve --model {Q} --save-result --seed 3 --metadata a=b")
    assert client.read == (launch.Read("--model", Q, f"model {Q}"),)
    assert client.notes[0] == (
        "vllm bench serve measures a server that is launched apart: without that command, the "
        "engine's own settings are taken"
    )


@pytest.mark.parametrize(("card", "tokens"), [("h100-sxm", 16_384), ("l4", 8_192)])
def test_vllm_within_a_program_has_other_limits_than_its_server(card, tokens):
    """vllm/engine/arg_utils.py, get_batch_defaults: those of UsageContext.LLM_CLASS."""
    for text in (f"vllm bench latency --model {Q}", f"from vllm import LLM\nllm = LLM('{Q}')"):
        d, *_ = launch.meant(launch.read(text), gpu=card)
        assert d.max_num_batched_tokens == tokens
    d, *_ = launch.meant(launch.read(f"vllm serve {Q}"), gpu=card)
    assert d.max_num_batched_tokens is None


def test_a_server_and_its_benchmark_are_one_deployment_under_a_load():
    text = (
        f"vllm serve {Q} -tp 2 &\nsleep 60\n"
        f"for c in 1 2; do vllm bench serve --model {Q} --max-concurrency 8; done\n"
        f"vllm bench serve --model {Q} --max-concurrency 64 --input-len 100"
    )
    one = launch.read(text)
    assert (one.tp, one.load) == (2, Load(100, 128, 64))
    assert "of several benchmarks, the one with the most requests at once is taken" in one.notes


@pytest.mark.parametrize(
    ("text", "version", "client"),
    [
        (
            f"docker run --gpus all vllm/vllm-openai:v0.11.0 vllm bench latency --model {Q}",
            True,
            False,
        ),
        (
            f"docker run --entrypoint vllm vllm/vllm-openai:v0.11.0 bench latency --model {Q}",
            *(True, False),
        ),
        (f"kubectl exec -it pod -- vllm bench serve --model {Q}", False, True),
        (f"kubectl exec pod -- aiperf profile --model {Q} --concurrency 4", False, True),
        (f"docker exec c bash -c 'vllm bench serve --model {Q}'", False, True),
        (f"ssh host 'vllm bench serve --model {Q}'", False, True),
    ],
)
def test_a_benchmark_is_read_wherever_it_runs(text, version, client):
    one = launch.read(text)
    assert (one.model, one.version) == (Q, "0.11.0" if version else "")
    assert one.load and one.offline is not client


def test_a_variable_of_a_loop_is_said():
    one = launch.read(f'vllm bench serve --model {Q} --max-concurrency "$c"')
    assert one.load == Load(1024, 128) and "$c is a variable" in " ".join(one.notes)


@pytest.mark.parametrize(("shape", "how"), [("0.25", "burstier"), ("4", "steadier"), ("1", "")])
def test_bursts_are_told_since_random_moments_are_what_is_predicted(shape, how):
    """vLLM draws gaps by a gamma law of this shape: their variation is one over its root."""
    command = f"vllm bench serve --model {Q} --request-rate 5 --burstiness {shape}"
    told = [note for note in launch.read(command).notes if "burstiness" in note]
    assert [note.split()[5] for note in told] == ([how] if how else [])


@pytest.mark.parametrize("value", ["many", "1.5", "-3", "nan", "1e99", "8;9"])
def test_a_number_that_is_none_is_one_sentence(value):
    with pytest.raises(BadInput, match=r"^--max-concurrency is '.*': it takes a whole number\.$"):
        launch.read(f"vllm bench serve --model {Q} '--max-concurrency={value}'")


def test_every_tool_is_known_by_its_words():
    for begins, tool in TOOLS:
        found = of_words(["python3", *begins, "--model", Q])
        assert found and found.name == tool.name


def test_predict_takes_the_load_of_the_command(capsys):
    from llmcap_kernel.cli import main

    words = ["vllm", "bench", "serve", "--model", Q, "--input-len", "300", "--max-concurrency", "3"]
    assert main(["predict", "--gpu", "h100-sxm", "--", *words]) == 0
    assert "300 tokens in + 128 out, 3 users" in capsys.readouterr().out
    assert main(["predict", "--gpu", "h100-sxm", "--input", "50", "--", *words]) == 0
    assert "50 tokens in + 1,000 out, 3 users" in capsys.readouterr().out


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*LOADS]),
    st.integers(0, 200),
    st.sampled_from(
        ["", "NaN", "1e999", "-1", "$N", "“", "\\\n", "^\n", "\ufeff", "=", "'", "{}", "½"]
    ),
    st.booleans(),
)
def test_a_damaged_command_is_a_load_or_one_sentence(command, at, put, cut):
    text = command[:at] + put + ("" if cut else command[at:])
    assert isinstance(launch.recognises(text), bool)
    try:
        one = launch.read(text)
    except BadInput as problem:
        assert str(problem).endswith(".") and "\n" not in str(problem) and len(str(problem)) < 400
        return
    for value in one.load or ():
        assert 0 <= value < 1e12 and (isinstance(value, float) or value == int(value))
