"""Launch commands: what the engines' own documents say that each means, and never another model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.cli import main
from llmcap_kernel.design import handover
from llmcap_kernel.evidence import launch
from llmcap_kernel.evidence.launch import manifest, options, words
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

MUTATED = int(os.environ.get("LLMCAP_MUTATED", "400"))  # 10,000 take some minutes
FLAGS = (Path(__file__).parent / "vllm_0.33.0_flags.txt").read_text().split()

# A command, and what it says: every value by hand, from the engine's documentation.
GOLDEN = {
    # docs.vllm.ai/en/stable/cli/serve
    "vllm": (
        "vllm serve Qwen/Qwen3-32B-AWQ --quantization awq_marlin --kv-cache-dtype fp8_e5m2 "
        "--gpu-memory-utilization 0.92 -tp 4 -pp 2 --max-num-seqs 64",
        {"engine": "vllm", "model": "Qwen/Qwen3-32B-AWQ", "weights": "awq_marlin", "tp": 4,
         "kv": "fp8_e5m2", "memory_fraction": 0.92, "pp": 2, "max_num_seqs": 64},
        "qwen3-32b int4-awq / 8x rtx-4090 TP-4 PP-2 / fp8 KV",
    ),
    "vllm module": (
        "python3 -m vllm.entrypoints.openai.api_server \\\n"
        "  --model=meta-llama/Llama-3.1-8B-Instruct "
        "  --tensor_parallel_size 2 \\\n  --max_model_len=32k --max-num-batched-tokens 1K \\\n"
        "  --no-enable-prefix-caching --enforce-eager --block-size 32 --dtype half",
        {"model": "meta-llama/Llama-3.1-8B-Instruct", "tp": 2, "max_model_len": 32_000,
         "max_num_batched_tokens": 1024, "prefix_caching": False, "eager": True,
         "block_size": 32, "dtype": "half"},
        "llama-3.1-8b fp16 / 2x rtx-4090 TP-2 / bf16 KV",
    ),
    "vllm speculation": (
        "vllm serve Qwen/Qwen3-8B --speculative-config "
        "'{\"model\": \"Qwen/Qwen3-0.6B\", \"num_speculative_tokens\": 5}' "
        "--enable-lora --max-loras 4 --max-lora-rank 32",
        {"draft": "Qwen/Qwen3-0.6B", "draft_tokens": 5, "lora_rank": 32, "lora_adapters": 4},
        "qwen3-8b bf16 / 1x rtx-4090 / bf16 KV",
    ),
    "vllm environment": (
        "export MODEL=Qwen/Qwen3-8B\n"
        "CUDA_VISIBLE_DEVICES=0,1 VLLM_LOGGING_LEVEL=DEBUG nohup vllm serve $MODEL "
        "--tensor-parallel-size ${TP:-2} > vllm.log 2>&1 &",
        {"model": "Qwen/Qwen3-8B", "tp": 2, "num_gpus": 2},
        "qwen3-8b bf16 / 2x rtx-4090 TP-2 / bf16 KV",
    ),
    "vllm level 0": (
        "vllm serve Qwen/Qwen3-8B -O0 --max-model-len auto",
        {"eager": True, "max_model_len": None},
        "qwen3-8b bf16 / 1x rtx-4090 / bf16 KV",
    ),
    # docs.sglang.ai/advanced_features/server_arguments
    "sglang": (
        "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --tp 8 --dp 8 "
        "--enable-dp-attention --ep-size 8 --mem-fraction-static 0.85 --trust-remote-code",
        {"engine": "sglang", "tp": 8, "dp": 8, "dp_attention": True, "ep": 8,
         "memory_fraction": 0.85},
        "deepseek-v3 fp8-block / 8x h200-sxm TP-8 EP-8 DP attention / bf16 KV",
    ),
    "sglang serve": (
        "sglang serve --model-path Qwen/Qwen3-8B --tp-size 2 --context-length 16384 "
        "--max-running-requests 32 --chunked-prefill-size 4096 --disable-radix-cache "
        "--disable-cuda-graph --kv-cache-dtype fp8_e4m3 --page-size 64",
        {"max_model_len": 16_384, "max_num_seqs": 32, "max_num_batched_tokens": 4096,
         "prefix_caching": False, "eager": True, "kv": "fp8_e4m3", "block_size": 64},
        "qwen3-8b bf16 / 2x rtx-4090 TP-2 / fp8 KV",
    ),
    # nvidia.github.io/TensorRT-LLM/commands/trtllm-serve
    "trtllm": (
        "trtllm-serve meta-llama/Llama-3.1-70B-Instruct --tp_size 4 --pp_size 2 "
        "--max_batch_size 128 --max_num_tokens 8192 --max_seq_len 4096 "
        "--kv_cache_free_gpu_memory_fraction 0.9 --host 0.0.0.0",
        {"engine": "trtllm", "tp": 4, "pp": 2, "max_num_seqs": 128, "max_model_len": 4096,
         "max_num_batched_tokens": 8192, "memory_fraction": 0.9},
        "llama-3.1-70b bf16 / 8x h100-sxm TP-4 PP-2 / bf16 KV",
    ),
    # llama.cpp, tools/server/README.md
    "llama-server": (
        "./build/bin/llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M -c 32768 -np 4 "
        "-ngl 99 -fa on -ctk q8_0 -ctv q8_0 --jinja",
        {"engine": "llama.cpp", "model": "bartowski/Qwen2.5-7B-Instruct-GGUF",
         "weights": "Q4_K_M", "kv": "q8_0", "max_model_len": 8192, "max_num_seqs": 4},
        "qwen2.5-7b gguf-q4-k-m / 1x rtx-4090 / gguf-q8-0 KV",
    ),
    "llama-server file": (
        r"llama-server.exe -m C:\models\Meta-Llama-3.1-8B-Instruct-Q6_K.gguf -c 8192 -sm row "
        "-ts 1,1 -ub 256",
        {"weights": "Q6_K", "max_model_len": 8192, "max_num_seqs": 1, "tp": 2,
         "max_num_batched_tokens": 256},
        "llama-3.1-8b gguf-q6-k / 2x rtx-4090 TP-2 / bf16 KV",
    ),
    # docs.vllm.ai/en/stable/deployment/docker
    "docker": (
        "docker run --runtime nvidia --gpus '\"device=0,1\"' -v ~/.cache:/root/.cache "
        "--env \"HF_TOKEN=x\" -p 8000:8000 --ipc=host vllm/vllm-openai:v0.12.0 "
        "--model Qwen/Qwen3-8B --tensor-parallel-size 2",
        {"engine": "vllm", "version": "0.12.0", "model": "Qwen/Qwen3-8B", "num_gpus": 2},
        "qwen3-8b bf16 / 2x rtx-4090 TP-2 / bf16 KV",
    ),
    "docker sglang": (
        "docker run -it --rm --gpus all lmsysorg/sglang:v0.5.9-cu129 python3 -m "
        "sglang.launch_server --model-path Qwen/Qwen3-8B --host 0.0.0.0",
        {"engine": "sglang", "version": "0.5.9", "model": "Qwen/Qwen3-8B", "num_gpus": 0},
        "qwen3-8b bf16 / 1x rtx-4090 / bf16 KV",
    ),
    # docs.vllm.ai/en/stable/deployment/k8s
    "kubernetes": (
        """
apiVersion: apps/v1
kind: Deployment
spec:
  replicas: 3
  template:
    spec:
      nodeSelector:
        nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3   # a comment
      containers:
      - name: vllm
        image: "vllm/vllm-openai:v0.19.1"
        command: ["/bin/sh", "-c"]
        args: [
          "vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 --max-model-len 32768"
        ]
        env:
        - name: HF_TOKEN
          valueFrom: {secretKeyRef: {name: hf, key: token}}
        resources:
          limits:
            cpu: "10"
            nvidia.com/gpu: "2"
      - {name: exporter, image: nvidia/dcgm-exporter}
---
apiVersion: v1
kind: Service
metadata: {name: vllm}
""",
        {"version": "0.19.1", "model": "Qwen/Qwen3-32B", "tp": 2, "max_model_len": 32_768,
         "num_gpus": 2, "gpu": "NVIDIA-H100-80GB-HBM3", "copies": 3},
        "qwen3-32b bf16 / 2x h100-sxm TP-2 / bf16 KV",
    ),
    "compose": (
        """
services:
  vllm:
    image: vllm/vllm-openai:latest
    command: >
      --model Qwen/Qwen3-8B
      --gpu-memory-utilization 0.9
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
""",
        {"engine": "vllm", "version": "", "memory_fraction": 0.9, "num_gpus": 1},
        "qwen3-8b bf16 / 1x rtx-4090 / bf16 KV",
    ),
    # llama.cpp, tools/server/README.md
    "compose of variables": (
        """
services:
  llamacpp-server:
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b6100
    environment:
      LLAMA_ARG_MODEL: /models/Qwen3-8B-Q8_0.gguf
      LLAMA_ARG_CTX_SIZE: 4096
      LLAMA_ARG_N_PARALLEL: 2
      LLAMA_ARG_PORT: 8080
""",
        {"engine": "llama.cpp", "version": "b6100", "weights": "Q8_0", "max_model_len": 2048,
         "max_num_seqs": 2},
        "qwen3-8b gguf-q8-0 / 1x rtx-4090 / bf16 KV",
    ),
    "arguments alone": (
        '- --model-path\n- Qwen/Qwen3-8B\n- "--tp=2"',
        {"engine": "sglang", "model": "Qwen/Qwen3-8B", "tp": 2},
        "qwen3-8b bf16 / 2x rtx-4090 TP-2 / bf16 KV",
    ),
}  # fmt: skip
CARDS = {"sglang": "h200-sxm", "trtllm": "h100-sxm", "kubernetes": ""}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_command_says_what_the_engine_s_documents_say(name):
    text, said, title = GOLDEN[name]
    one = launch.read(text)
    assert {field: getattr(one, field) for field in said} == said
    assert not one.unknown
    assert launch.deployment(one, gpu=CARDS.get(name, "rtx-4090")).title == title


def test_limits_and_terms_reach_the_deployment():
    d = launch.deployment(launch.read(GOLDEN["vllm module"][0]), gpu="l4")
    assert (d.max_model_len, d.max_num_batched_tokens, d.block_size) == (32_000, 1024, 32)
    assert d.eager and d.engine.name == "vllm-0.33"
    d = launch.deployment(launch.read(GOLDEN["vllm speculation"][0]), gpu="l4")
    assert (d.lora.rank, d.lora.adapters, d.speculation.tokens) == (32, 4, 5)
    assert d.speculation.draft.name == "qwen3-0.6b"


def test_the_image_s_tag_is_the_engine_s_version():
    text = "docker run vllm/vllm-openai:v{} Qwen/Qwen3-8B"
    for tag, record in (("0.19.1", "vllm-0.19"), ("0.28.0", "vllm-0.28")):
        assert launch.deployment(launch.read(text.format(tag)), gpu="l4").engine.name == record


def test_line_ends_of_windows_and_quotes_of_a_chat_are_read():
    text = (
        "vllm serve Qwen/Qwen3-8B \\\r\n  \u2014tensor-parallel-size \u201c2\u201d ^\r\n --port 1"
    )
    assert launch.read(text).tp == 2


# What a shell makes of a text, by the manuals of bash, cmd.exe and PowerShell; what pages and chats
# make of dashes; a commented line, which no shell goes on behind and people mean to skip.
PASTED = {
    "vllm serve Qwen/Qwen3-8B --api-key $(cat k | head -1) -tp 2": {"tp": 2},
    "vllm serve Qwen/Qwen3-8B --api-key=`cat k | head -1` -tp 2": {"tp": 2},
    "vllm serve Qwen/Qwen3-8B \\\n  # --enforce-eager \\\n  -tp 2": {"tp": 2, "eager": None},
    "vllm serve Qwen/Qwen3-8B -tp 2 \\\n  # --enforce-eager": {"tp": 2, "eager": None},
    "vllm serve Qwen/Qwen3-8B ^\n -tp 2 ^": {"tp": 2},
    "> vllm serve Qwen/Qwen3-8B -tp 2": {"tp": 2},
    "(cd /x && vllm serve Qwen/Qwen3-8B -tp 2) &": {"tp": 2},
    "`vllm serve Qwen/Qwen3-8B -tp 2`": {"tp": 2},
    'vllm serve "${MODEL:-Qwen/Qwen3-8B}" -tp "${TP:=2}"': {"tp": 2},
    'ARGS="-tp 2"\nARGS="$ARGS --max-model-len 4096"\nARGS+=" --max-num-seqs 9"\n'
    "vllm serve Qwen/Qwen3-8B $ARGS": {"tp": 2, "max_model_len": 4096, "max_num_seqs": 9},
    'ARGS=(\n  -tp 2\n  --speculative-config \'{"method": "ngram"}\'\n)\n'
    'ARGS+=(--max-model-len 4096)\nvllm serve Qwen/Qwen3-8B "${ARGS[@]}"': {
        **{"tp": 2, "max_model_len": 4096, "speculation": "ngram"},
    },
    "set M=Qwen/Qwen3-8B\nset TP=2\nvllm serve %M% -tp %TP%": {"tp": 2},
    '$env:M="Qwen/Qwen3-8B"; vllm serve $env:M -tp 2': {"tp": 2},
    "vllm serve Qwen/Qwen3\u20118B \u2013-tensor\u2011parallel\u2011size 2": {"tp": 2},
    "vllm serve Qwen/Qwen3-8B\u200b \u2212\u2212tensor-parallel-size 2": {"tp": 2},
    "vllm serve Qwen/Qwen3-8B -\u2013tp 2 \u2014-max-model-len 9": {"tp": 2, "max_model_len": 9},
    "docker run --device nvidia.com/gpu=0 --device=nvidia.com/gpu=1 vllm/vllm-openai "
    "--model Qwen/Qwen3-8B -tp 2": {"tp": 2, "num_gpus": 2},
    "python -m sglang_router.launch_server --model-path Qwen/Qwen3-8B --tp 2 --dp-size 4": {
        **{"engine": "sglang", "tp": 2, "dp": 4},
    },
    # of older vLLM, -O took what --compilation-config takes
    'vllm serve Qwen/Qwen3-8B -tp 2 -O \'{"cudagraph_mode": "NONE"}\'': {"tp": 2, "eager": True},
}


# Of Python by the names of vllm/entrypoints/llm.py, sglang/srt/entrypoints/engine.py and
# tensorrt_llm/llmapi/llm.py; the file of --config by docs.vllm.ai/en/stable/configuration.
PASTED |= {
    'from vllm import LLM\nM = "Qwen/Qwen3-8B"  # (eight)\nit\'s\n'
    "llm = LLM(\n    model=M,\n    tensor_parallel_size=2,  # cards\n    enforce_eager=True,\n"
    '    speculative_config={"method": "ngram", "num_speculative_tokens": 5},\n)': {
        **{"engine": "vllm", "tp": 2, "eager": True, "draft_tokens": 5},
    },
    'AsyncEngineArgs("Qwen/Qwen3-8B", tensor_parallel_size=2, enable_prefix_caching=False)': {
        **{"tp": 2, "prefix_caching": False},
    },
    'llm = sgl.Engine(model_path="Qwen/Qwen3-8B", tp_size=2, mem_fraction_static=0.8)': {
        **{"engine": "sglang", "tp": 2, "memory_fraction": 0.8},
    },
    'from tensorrt_llm import LLM\nLLM(model="Qwen/Qwen3-8B", tensor_parallel_size=2)': {
        **{"engine": "trtllm", "tp": 2},
    },
    "model: Qwen/Qwen3-8B\ntensor-parallel-size: 2\nmax_model_len: 8192\nenforce_eager: true\n"
    "speculative-config:\n  method: ngram\n  num_speculative_tokens: 5\n": {
        **{"engine": "vllm", "tp": 2, "max_model_len": 8192, "eager": True, "draft_tokens": 5},
    },
    "model-path: Qwen/Qwen3-8B\ntp-size: 2\ncontext-length: 8192": {
        **{"engine": "sglang", "tp": 2, "max_model_len": 8192},
    },
    'ARG X=1\nFROM vllm/vllm-openai:v0.11.0\nENV TP=2\nENTRYPOINT ["vllm", "serve"]\n'
    'CMD ["Qwen/Qwen3-8B", "-tp", "$TP"]': {"version": "0.11.0", "tp": 2},
    "FROM vllm/vllm-openai:v0.11.0\nCMD vllm serve Qwen/Qwen3-8B \\\n  -tp 2": {"tp": 2},
    '{"kind": "Pod", "spec": {"containers": [{"image": "vllm/vllm-openai:v0.11.0", "args": '
    '["--model", "Qwen/Qwen3-8B", "-tp", "2"], '
    '"resources": {"limits": {"nvidia.com/gpu": 2}}}]}}': {
        **{"version": "0.11.0", "tp": 2, "num_gpus": 2},
    },
    "x-common: &c\n  image: vllm/vllm-openai:v0.11.0\nservices:\n  a:\n    <<: *c\n"
    "    command: --model Qwen/Qwen3-8B -tp 2": {"tp": 2},
    # llm-d's chart, whose image has llm-d's number
    "modelArtifacts:\n  uri: hf://Qwen/Qwen3-8B\ndecode:\n  replicas: 3\n  parallelism:\n"
    "    tensor: 2\n  containers:\n  - image: ghcr.io/llm-d/llm-d-cuda:v0.3.0\n"
    "    args: [--max-model-len=8192]": {
        **{"version": "", "tp": 2, "copies": 3, "max_model_len": 8192},
    },
    "kind: DynamoGraphDeployment\nspec:\n  services:\n    Worker:\n      mainContainer:\n"
    "        image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.5.0\n"
    "        command: [python3, -m, dynamo.vllm]\n"
    "        args: [--model, Qwen/Qwen3-8B, --tensor-parallel-size, '2']": {"version": "", "tp": 2},
}


@pytest.mark.parametrize("text", PASTED)
def test_what_a_shell_or_a_page_made_of_a_command_is_read(text):
    one = launch.read(text)
    assert {field: getattr(one, field) for field in PASTED[text]} == PASTED[text]
    assert one.model == "Qwen/Qwen3-8B" and not one.unknown


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("rocm/vllm:rocm7.0.0_vllm_0.10.2_20251006", "0.10.2"),
        ("public.ecr.aws/x/vllm:0.11.0-gpu-py312-cu129-ubuntu22.04", "0.11.0"),
        ("nvcr.io/nvidia/vllm:25.09-py3", ""),  # of the month, and not vLLM's
        ("lmsysorg/sglang:v0.5.3rc0-rocm630-mi30x", "0.5.3rc0"),
    ],
)
def test_numbers_of_a_tag_that_are_no_engine_s(image, version):
    assert words.tagged(image) == version


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("vllm serve Qwen/Qwen3-8B --tp-size 2", "--tensor-parallel-size"),
        ("vllm serve Qwen/Qwen3-8B -tp2", "--tensor-parallel-size"),
        ("vllm serve Qwen/Qwen3-8B --mem-fraction-static 0.8", "--gpu-memory-utilization"),
        ("vllm serve Qwen/Qwen3-8B --ctx-size 8192", "--max-model-len"),
        ("vllm serve Qwen/Qwen3-8B --MAX-MODEL-LEN 8192", "--max-model-len"),
        ("sglang serve --model-path Qwen/Qwen3-8B --max-model-len 9", "--context-length"),
        ("llama-server -m Qwen3-8B-Q8_0.gguf --max-num-seqs 4", "--parallel"),
    ],
)
def test_an_option_of_another_engine_is_told_by_what_it_means(text, nearest):
    assert launch.read(text).unknown[0].nearest == nearest


def test_a_part_of_a_card_is_said_to_be_taken_whole():
    pod = "image: vllm/vllm-openai\nargs: [--model, Qwen/Qwen3-8B]\nresources:\n  limits:\n"
    (note,) = launch.read(pod + "    nvidia.com/mig-3g.40gb: 1").notes
    assert note == "nvidia.com/mig-3g.40gb is a part of a card: the whole card is taken"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("LLM(model=NAME)", "model is '$NAME': write its name, a variable"),
        ("LLM('Qwen/Qwen3-8B', tensor_parallel_size=count())", "tensor-parallel-size is"),
        ("LLM(model='x'", "launches no engine known here"),
        ("model: Qwen/Qwen3-8B\ngpu: H100\nttft_ms: 150", "launches no engine known here"),
    ],
)
def test_code_that_cannot_be_read_is_one_sentence(text, told):
    with pytest.raises(BadInput) as caught:
        launch.meant(launch.read(text), gpu="h100")
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_variable_that_hides_all_cards_is_said():
    (note, *_) = launch.read("CUDA_VISIBLE_DEVICES=-1 llama-server -m Qwen3-8B-Q8_0.gguf").notes
    assert "CUDA_VISIBLE_DEVICES is '-1', which shows no card" in note


# options


@pytest.mark.parametrize("flag", FLAGS)
def test_every_option_of_vllm_is_known(flag):
    assert options.named("vllm", flag)[0]


@pytest.mark.parametrize("engine", options.ENGINES)
def test_an_option_stands_once_and_its_alias_leads_to_one(engine):
    raw = catalog.table("flags")[engine]
    names = [*raw["read"], *(name for kind in raw["known"].values() for name in kind)]
    assert len(names) == len(set(names))
    assert set(raw["aliases"].values()) | set(raw.get("off", {}).values()) <= set(names)
    assert not set(raw["aliases"]) & set(names)
    assert set(raw["known"]) <= {
        k for of in catalog.table("flags")["categories"].values() for k in of
    }
    assert {one for key in ("switches", "maybe", "several") for one in raw.get(key, ())} <= set(
        names
    )


def test_what_changes_nothing_says_why_and_the_unknown_has_its_nearest():
    one = launch.read(
        "vllm serve Qwen/Qwen3-8B --port 80 --served-model-name a b --task embed --tp-sise 2"
    )
    assert [left.flag for left in one.no_effect] == ["--port", "--served-model-name"]
    assert one.no_effect[1].why == "what clients call the model"
    assert [left.flag for left in one.not_counted] == ["--task"]
    assert [flag for flag, _ in one.unknown] == ["--tp-sise"]
    assert one.tp == 1 and "no effect on the prediction: --port, --served-model-name" in one.summary
    assert one.read == ()
    (typo,) = launch.read("vllm serve Qwen/Qwen3-8B --max-model-lenn 3").unknown
    assert typo == ("--max-model-lenn", "--max-model-len")


def test_a_file_is_named_as_not_read():
    (left,) = launch.read("vllm serve Qwen/Qwen3-8B --config run.yaml").not_counted
    assert left == ("--config", "a file is not read here: write its options into the command")


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [("32k", 32_000), ("32K", 32_768), ("1Ki", 1024), ("1M", 1_048_576), ("1m", 10**6),
     ("25.6k", 25_600), ("40,960", 40_960)],
)  # fmt: skip
def test_whole_numbers_as_vllm_takes_them(typed, tokens):
    assert launch.read(f"vllm serve x/y --max-model-len {typed}").max_model_len == tokens


@pytest.mark.parametrize(
    ("typed", "eager"),
    [("--enforce-eager", True), ("--enforce-eager=true", True), ("--enforce-eager False", False),
     ("--no-enforce-eager", False), ("--no-enforce-eager=false", True), ("", None)],
)  # fmt: skip
def test_switches(typed, eager):
    assert launch.read(f"vllm serve x/y {typed}").eager is eager


@pytest.mark.parametrize(
    ("text", "words_of_it"),
    [
        ("vllm serve x/y -tp two", "-tp is 'two': it takes a whole number from 1."),
        ("vllm serve x/y -tp", "-tp has no value: it takes a whole number."),
        ("vllm serve x/y --max-num-seqs --port 3", "--max-num-seqs has no value"),
        (
            "vllm serve x/y --gpu-memory-utilization 90%",
            "is '90%': it takes a share from 0 to 1, such as 0.9.",
        ),
        ("vllm serve x/y --gpu-memory-utilization 0,9", "from 0 to 1, such as 0.9."),
        ("vllm serve x/y --gpu-memory-utilization nan", "it takes a share from 0 to 1."),
        ("FROM a.gguf\nPARAMETER num_ctx 32k", "num_ctx is '32k': it takes a whole number."),
        (
            "text-generation-launcher --model-id x/y --cuda-memory-fraction 90%",
            "--cuda-memory-fraction is '90%': it takes a share from 0 to 1, such as 0.9.",
        ),
        ("vllm serve x/y --enforce-eager=maybe", "is 'maybe': it takes true or false."),
        ("vllm serve x/y --speculative-config mtp", "is 'mtp': it takes a JSON object."),
        ("vllm serve $MODEL", "model is '$MODEL': write its name"),
        ("vllm serve 'x/y --port 3", "a quote that is not closed"),
        ("vllm serve a/b\nvllm serve c/d", "launches 2 engines: give one of them"),
        ("vllm bench sweep plot x", "launches no engine known here: it takes vllm serve"),
        (
            "helm install x ./chart -f prod.yaml",
            "installs a chart, and the values that it is given",
        ),
        ("vllm serve Qwen/Qwen3-8B --hf-overrides 4", "--hf-overrides is '4': it takes a JSON"),
        ("llama-server -m x.gguf -sm all", "--split-mode is 'all': it takes none, layer"),
        ("ls", "launches no engine known here"),
        ("", "launches no engine known here"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, words_of_it):
    with pytest.raises(BadInput) as caught:
        launch.meant(launch.read(text), gpu="h100")
    assert words_of_it in str(caught.value) and "\n" not in str(caught.value)


BATCH = """#!/bin/bash
#SBATCH --job-name=serve -N 2
#SBATCH --gres=gpu:h100:4
srun vllm serve {model} --tensor-parallel-size {tp} --max-model-len ${{LEN:-8192}}
"""


@pytest.mark.parametrize(
    ("tp", "wanted"),
    [
        ("$SLURM_GPUS_ON_NODE", 4), ("$((SLURM_NNODES * 4))", 8), ("${SLURM_GPUS}", 8),
        ("${TP:-2}", 2), ("$((SLURM_GPUS_PER_NODE / 2))", 2),
    ],
)  # fmt: skip
def test_a_batch_script_sets_what_slurm_does(tp, wanted):
    """sbatch's page: SLURM_GPUS_ON_NODE of one node, SLURM_GPUS of all."""
    one = launch.read(BATCH.format(model="Qwen/Qwen3-32B", tp=tp))
    assert (one.tp, one.num_gpus, one.gpu, one.max_model_len) == (wanted, 8, "h100", 8192)


@pytest.mark.parametrize(
    ("text", "tp", "notes"),
    [
        ("vllm serve Qwen/Qwen3-8B -tp $TP --max-num-seqs ${SEQS}", 1, [
            "-tp is '$TP', which has no value here: 1 taken",
            "--max-num-seqs is '${SEQS}', which has no value here: the engine's own is taken"]),
        ("CUDA_VISIBLE_DEVICES=0,1,2,3 vllm serve Qwen/Qwen3-8B -tp $(nvidia-smi -L | wc -l)", 4, [
            "-tp is '$(nvidia-smi -L | wc -l)', which has no value here: 4 taken, for the cards "
            "that are seen"]),
        (BATCH.format(model="Qwen/Qwen3-8B", tp="$N --pipeline-parallel-size 2"), 4, [
            "--tensor-parallel-size is '$N', which has no value here: 4 taken, for the cards that "
            "are seen"]),
    ],
)  # fmt: skip
def test_a_variable_without_a_value_is_named_and_the_rest_is_read(text, tp, notes):
    one = launch.read(text)
    assert one.tp == tp and list(one.notes) == notes


def test_a_model_of_a_variable_may_be_named_apart():
    one = launch.read("vllm serve $MODEL -tp 2")
    assert launch.meant(one, gpu="h100", model="qwen3-8b")[0].tp == 2


def test_a_part_of_a_name_is_taken_where_it_is_one_option_s_alone():
    one = launch.read("vllm serve x/y --gpu-memory 0.8 --max-num 4")
    assert one.memory_fraction == 0.8 and one.unknown[0].flag == "--max-num"


# what it means


def test_replicas_are_copies_and_of_a_mixture_they_share_its_experts():
    dense, copies, _ = launch.meant(launch.read("vllm serve Qwen/Qwen3-8B -dp 4"), gpu="l4")
    assert (dense.num_gpus, dense.dp_attention, copies) == (1, False, 4)
    text = "vllm serve Qwen/Qwen3-30B-A3B -dp 8 --enable-expert-parallel"
    mixture, copies, _ = launch.meant(launch.read(text), gpu="h100-sxm")
    assert (mixture.tp, mixture.ep, mixture.dp_attention, copies) == (8, 8, True, 1)


def test_a_split_that_the_engine_refuses_is_refused():
    with pytest.raises(BadInput, match="must divide the 32 attention heads"):
        launch.deployment(launch.read("vllm serve Qwen/Qwen3-8B -tp 5"), gpu="l4")


def test_the_type_of_the_computation_says_nothing_of_a_quantized_checkpoint():
    one = launch.read("vllm serve Qwen/Qwen3-32B-AWQ --dtype half")
    assert launch.deployment(one, gpu="l4").weights.name == "int4-awq"


@pytest.mark.parametrize(
    ("size", "gib", "users"),
    # a sequence of 8,192 tokens of Qwen3-8B takes 8192 x 36 x 2 x 8 x 128 x 2 bytes, 1.125 GiB
    [
        ("20G", 20, 17),
        ("--kv-cache-memory=21474836480", 20, 17),
        ("10Gi", 10, 8),
        ("9000000000", 8.38, 7),
    ],
)
def test_a_cache_of_a_size_is_taken_in_place_of_a_fraction(size, gib, users):
    """vLLM, v1/worker/gpu_worker.py: `kv_cache_memory_bytes` goes before the utilization."""
    option = size if size.startswith("--") else f"--kv-cache-memory-bytes {size}"
    one = launch.read(f"vllm serve Qwen/Qwen3-8B --gpu-memory-utilization 0.5 {option}")
    d, _, notes = launch.meant(one, gpu="h100-sxm")
    books = capacity.ledger(d, context_tokens=8192)
    assert books.kv_pool_bytes / 2**30 == pytest.approx(gib, abs=0.01)
    assert (books.max_concurrent, one.not_counted) == (users, ())
    assert any(f"what memory fraction {d.memory_fraction:.4g} leaves" in note for note in notes)


def test_a_cache_larger_than_a_card_is_all_that_it_has():
    one = launch.read("vllm serve Qwen/Qwen3-8B --kv-cache-memory-bytes 80G")
    d, _, notes = launch.meant(one, gpu="h100-sxm")
    assert d.memory_fraction == 1
    assert "a cache of 80 GiB is more than a card has left: counted as all of it" in notes


@pytest.mark.parametrize(
    ("tokens", "users"),
    # a sequence of 8,000 tokens, of a pool of 40,000, and of all that a card has room for
    [(40_000, 5), (39_999, 4), (10**9, None)],
)
def test_a_cache_of_so_many_tokens_is_the_fewer_of_those_and_what_fits(tokens, users):
    """SGLang 0.5.23, srt/mem_cache/kv_cache_configurator.py, `_apply_token_constraints`."""
    one = launch.read(f"sglang serve --model-path Qwen/Qwen3-8B --max-total-tokens {tokens}")
    d, _, notes = launch.meant(one, gpu="h100-sxm")
    plain, *_ = launch.meant(launch.read("sglang serve --model-path Qwen/Qwen3-8B"), gpu="h100-sxm")
    most = capacity.ledger(plain, context_tokens=8000).max_concurrent
    assert capacity.ledger(d, context_tokens=8000).max_concurrent == (users or most)
    assert any("tokens is what memory fraction" in note for note in notes) == bool(users)


def test_tensorrt_llm_s_file_limits_the_tokens_of_the_cache():
    text = (
        "cat > x.yaml <<E\nkv_cache_config:\n  max_tokens: 40000\nE\n"
        "trtllm-serve Qwen/Qwen3-8B --config x.yaml"
    )
    assert launch.read(text).kv_pool_tokens == 40_000


@pytest.mark.parametrize(
    ("gpu", "tokens"),
    # ollama/ollama, server/routes.go: from 23 and 47 GiB on; Llama 3.1 has 131,072 positions
    [("rtx-3060-12gb", 4096), ("rtx-4090", 32_768), ("h100-sxm", 131_072)],
)
def test_ollama_s_context_goes_by_the_card(gpu, tokens):
    d, _, notes = launch.meant(launch.read("ollama run llama3.1:8b"), gpu=gpu)
    assert d.max_model_len == tokens
    assert any(f"{tokens:,} tokens of context" in text for text in notes)
    told = launch.read("OLLAMA_CONTEXT_LENGTH=8192 ollama run llama3.1:8b")
    assert launch.deployment(told, gpu=gpu).max_model_len == 8192


YARN = '{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":32768}'


@pytest.mark.parametrize(
    ("command", "layers", "longest"),
    [
        # Qwen3-8B has 36 layers, and positions up to 40,960
        ("vllm serve Qwen/Qwen3-8B --hf-overrides '{\"num_hidden_layers\": 4}'", 4, 40_960),
        ("vllm serve Qwen/Qwen3-8B --hf-overrides.num_hidden_layers 4", 4, 40_960),
        (f"vllm serve Qwen/Qwen3-8B --rope-scaling '{YARN}'", 36, 131_072),
        (f"vllm serve Qwen/Qwen3-8B --hf-overrides '{{\"rope_scaling\": {YARN}}}'", 36, 131_072),
        (
            "sglang serve --model-path Qwen/Qwen3-8B --json-model-override-args "
            "'{\"max_position_embeddings\": 65536}'",
            *(36, 65_536),
        ),
        (
            'vllm serve Qwen/Qwen3-8B --rope-scaling \'{"type": "dynamic", "factor": 2}\'',
            *(36, 81_920),
        ),
        ("vllm serve Qwen/Qwen3-8B --hf-overrides '{\"a\": 1}'", 36, 40_960),
    ],
)
def test_changes_of_the_config_are_those_of_the_model(command, layers, longest):
    d, _, notes = launch.meant(launch.read(command), gpu="h100-sxm")
    assert (d.model.layers, d.model.max_context_tokens) == (layers, longest)
    # a layer of Qwen3-8B: 2 x 4096 x 4096 of q and o, 2 x 4096 x 1024 of k and v, 3 x 4096 x 12288
    # of the feed-forward, two norms of 4096 and two of 128; and two tables of 151936 x 4096
    layer = 2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 12_288 + 2 * 4096 + 2 * 128
    assert d.model.params == layers * layer + 2 * 151_936 * 4096 + 4096
    assert sum(note.startswith("the config is changed by") for note in notes) == 1


def test_a_name_that_leaves_the_activations_open_says_what_is_taken():
    def told(model):
        d, _, notes = launch.meant(launch.read(f"vllm serve {model}"), gpu="b200-sxm")
        return d.weights.name, [note for note in notes if "leaves open whether activations" in note]

    assert told("nvidia/Qwen3.6-27B-NVFP4") == ("nvfp4-a16", [])
    assert told("x/Qwen3-32B-NVFP4A16") == ("nvfp4-a16", [])
    name, (note,) = told("x/Qwen3-32B-NVFP4")
    assert name == "nvfp4" and note.endswith("four bits taken")


def test_changes_of_a_config_that_is_not_here_are_said():
    one = launch.read("vllm serve a/b-12B --hf-overrides '{\"num_hidden_layers\": 4}'")
    *_, notes = launch.meant(one, gpu="h100-sxm", model="dense 12B")
    assert "changes of the config are left out, as it is not here: num_hidden_layers" in notes


def test_a_changed_config_that_means_no_model_is_one_sentence():
    one = launch.read("vllm serve Qwen/Qwen3-8B --hf-overrides '{\"num_hidden_layers\": -4}'")
    with pytest.raises(BadInput, match=r"num_hidden_layers is -4: it takes"):
        launch.meant(one, gpu="h100-sxm")


@pytest.mark.parametrize(
    ("command", "dcp", "token_bytes"),
    [
        # of DeepSeek-V3 61 layers keep 512 + 64 elements of two bytes, the same on each card of TP
        ("vllm serve deepseek-ai/DeepSeek-V3 -tp 8", 1, 61 * 576 * 2),
        ("vllm serve deepseek-ai/DeepSeek-V3 -tp 8 -dcp 4", 4, 61 * 576 * 2 / 4),
        ("sglang serve --model-path deepseek-ai/DeepSeek-V3 --tp 8 --dcp-size 8", 8, 61 * 144),
        # of Qwen3-235B-A22B 94 layers keep 4 heads of 128 twice: 2 cards of 8 hold the same
        ("vllm serve Qwen/Qwen3-235B-A22B -tp 8 -dcp 2", 2, 94 * 2 * 128 * 2 / 2),
    ],
)
def test_tokens_spread_over_the_cards_of_a_layer_take_less_of_each(command, dcp, token_bytes):
    """vLLM 0.33, v1/core/kv_cache_utils.py: a block of a card is `block_size * dcp` tokens."""
    d, _, notes = launch.meant(launch.read(command), gpu="b300-sxm")
    books = capacity.ledger(d, context_tokens=8192)
    assert (d.dcp, books.kv_bytes_per_token) == (dcp, token_bytes)
    assert any("spread over" in note for note in notes) == (dcp > 1)
    again = launch.read(handover.launch(d, Workload(7000, 1192, 8)).text)
    assert again.dcp == dcp


def test_a_spread_beside_replicas_of_attention_is_said_to_be_left_out():
    one = launch.read(
        "vllm serve deepseek-ai/DeepSeek-V3 -tp 4 -dp 2 -dcp 2 --enable-expert-parallel"
    )
    d, _, notes = launch.meant(one, gpu="b300-sxm")
    assert (d.dp_attention, d.dcp) == (True, 1)
    assert "DCP 2 is not counted beside replicas of attention" in notes


@pytest.mark.parametrize(
    ("options", "told"),
    [
        # vllm/config/parallel.py: "must be divisible by dcp_size"; model.py: at most tp // kv heads
        ("deepseek-ai/DeepSeek-V3 -tp 8 -dcp 3", r"dcp is 3: it must divide tp \(8\), and of"),
        ("Qwen/Qwen3-235B-A22B -tp 8 -dcp 4", "of qwen3-235b-a22b at most 2 of those"),
        ("Qwen/Qwen3-8B -tp 8 -dcp 2", "of qwen3-8b at most 1 of those cards"),
    ],
)
def test_a_spread_that_the_engine_refuses_is_refused(options, told):
    with pytest.raises(BadInput, match=told):
        launch.meant(launch.read(f"vllm serve {options}"), gpu="b300-sxm")


@pytest.mark.parametrize(
    ("options", "mixed", "sequences"),
    [
        # srt/arg_groups/speculative_hook.py of 0.5.23, spec_info.py: supports_mixed_chunk
        ("--speculative-algorithm EAGLE --enable-mixed-chunk", True, 48),
        ("--speculative-algorithm NEXTN --enable-mixed-chunk --max-running-requests 9", True, 9),
        ("--speculative-algorithm NGRAM --enable-mixed-chunk", False, 48),
        ("--speculative-algorithm STANDALONE --enable-mixed-chunk", False, 48),
        ("--enable-mixed-chunk", True, None),
    ],
)
def test_sglang_sets_anew_what_does_not_go_with_guessing(options, mixed, sequences):
    one = launch.read(f"sglang serve --model-path Qwen/Qwen3-8B {options}")
    assert (one.mixed_chunk, one.max_num_seqs) == (mixed, sequences)
    assert len(one.notes) == ("spec" in options) + (sequences == 48)


def test_groups_of_split_users_share_the_requests_of_an_engine_that_guesses():
    """48 of all groups together, so 6 of each of eight: srt/arg_groups/speculative_hook.py."""
    command = "sglang serve M/M --tp 8 --dp 8 --enable-dp-attention --speculative-algorithm EAGLE"
    assert launch.read(command).max_num_seqs == 6


def test_weights_on_the_host_are_a_share():
    # 10 GiB of 8.19e9 parameters of 2 bytes, 15.26 GiB
    one = launch.read("vllm serve Qwen/Qwen3-8B --cpu-offload-gb 10")
    assert launch.deployment(one, gpu="l4").offload_share == pytest.approx(10 / 15.26, rel=1e-2)
    # half of the 36 layers of gpt-oss-120b, whose experts are 114.7 of 116.8e9 parameters
    half = launch.read("llama-server -m gpt-oss-120b-MXFP4.gguf -ncmoe 18")
    assert launch.deployment(half, gpu="l4").offload_share == pytest.approx(0.491, abs=2e-3)
    all_of_them = launch.read("llama-server -m Qwen3-8B-Q8_0.gguf -ngl 0")
    assert 0.8 < launch.deployment(all_of_them, gpu="l4").offload_share < 0.9


def test_experts_of_layers_that_are_on_the_host_are_counted_once():
    """Layers 0 to 17 of 36 stand there whole: naming their experts as well moves nothing more."""
    file = "llama-server -m gpt-oss-120b-MXFP4.gguf -ngl 18"
    layers, both = (launch.read(text) for text in (file, f"{file} -ncmoe 18"))
    assert "experts of the first 18 layers on the host, at most 18 layers" in both.summary
    shares = [launch.deployment(one, gpu="l4").offload_share for one in (layers, both)]
    assert shares[0] == pytest.approx(shares[1]) == pytest.approx(0.495, abs=0.005)


def test_one_is_counted_in_the_singular():
    one = launch.read("llama-server -m Qwen3-8B-Q8_0.gguf -c 8192")
    assert "1 sequence," in f"{one.understood}," and "1 sequences" not in one.understood


def test_what_drafts_and_is_not_known_is_left_out_and_said():
    text = "vllm serve Qwen/Qwen3-8B --spec-method eagle3 --spec-model a/eagle --spec-tokens 3"
    d, _, notes = launch.meant(launch.read(text), gpu="l4")
    assert d.speculation is None
    assert "speculation by eagle3 a/eagle is left out" in " ".join(notes)


def test_a_model_in_a_file_of_options_is_said_to_be_there():
    with pytest.raises(BadInput, match=r"the file of --config is not read \(give --model\)"):
        launch.deployment(launch.read("vllm serve --config config.yaml"), gpu="l4")


def test_what_is_given_beside_goes_before_the_command():
    one = launch.read("vllm serve nobody/Private -tp 2 --max-num-seqs 9 --dtype half")
    d = launch.deployment(one, gpu="l4", model="qwen3-8b", tp=1, weights="fp8", engine="vllm-0.19")
    assert (d.title, d.max_num_seqs) == ("qwen3-8b fp8 / 1x l4 / bf16 KV", 9)
    assert d.engine.name == "vllm-0.19"
    own = launch.deployment(one, gpu="l4", model=catalog.model("qwen3-8b"))
    assert own.title == "qwen3-8b fp16 / 2x l4 TP-2 / bf16 KV"
    with pytest.raises(BadInput, match="model 'nobody/Private' is not in the catalogue"):
        launch.deployment(one, gpu="l4")


# the command line

FOUND = {  # as guides, units, charts and chats have them
    "uv run": (
        "uv run vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 --max-model-len 32768",
        {"tp": 2, "max_model_len": 32768},
    ),
    "nohup": ("nohup vllm serve Qwen/Qwen3-8B -tp 2 > vllm.log 2>&1 &", {"tp": 2}),
    "powershell": (
        """docker run --gpus all `
  -p 8000:8000 `
  vllm/vllm-openai:latest `
  --model Qwen/Qwen3-8B `
  --max-model-len 16384""",
        {"max_model_len": 16384},
    ),
    "powershell env": (
        '$env:CUDA_VISIBLE_DEVICES="0"; .\\llama-server.exe -m .\\Qwen3-8B-Q6_K.gguf -ngl 99',
        {"weights": "Q6_K"},
    ),
    "systemd": (
        """[Unit]
Description=vLLM
After=network.target

[Service]
Environment="CUDA_VISIBLE_DEVICES=0,1"
ExecStart=/opt/vllm/bin/vllm serve Qwen/Qwen3-32B-FP8 -tp 2 --gpu-memory-utilization 0.92
Restart=always

[Install]
WantedBy=multi-user.target""",
        {"tp": 2, "num_gpus": 2, "memory_fraction": 0.92},
    ),
    "systemd docker": (
        """[Service]
ExecStartPre=-/usr/bin/docker rm -f vllm
ExecStart=/usr/bin/docker run --rm --gpus all vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B""",
        {"engine": "vllm"},
    ),
    "kserve model": (
        '''apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: huggingface-llama3
spec:
  predictor:
    model:
      modelFormat:
        name: huggingface
      args:
        - --model_name=llama3
        - --model_id=meta-llama/Meta-Llama-3-8B-Instruct
        - --tensor-parallel-size=2
      resources:
        limits:
          nvidia.com/gpu: "2"''',
        {"tp": 2, "num_gpus": 2, "model": "meta-llama/Meta-Llama-3-8B-Instruct"},
    ),
    "kserve llmis": (
        '''apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceService
metadata:
  name: qwen
spec:
  model:
    uri: hf://Qwen/Qwen3-32B
    name: Qwen/Qwen3-32B
  replicas: 2
  parallelism:
    tensor: 2
  template:
    containers:
      - name: main
        image: vllm/vllm-openai:v0.11.0
        env:
          - name: VLLM_ADDITIONAL_ARGS
            value: "--max-model-len 32768"
        resources:
          limits:
            nvidia.com/gpu: "2"''',
        {"model": "Qwen/Qwen3-32B", "max_model_len": 32768},
    ),
    "helm production-stack": (
        """servingEngineSpec:
  modelSpec:
  - name: "llama3"
    repository: "vllm/vllm-openai"
    tag: "latest"
    modelURL: "meta-llama/Llama-3.1-8B-Instruct"
    replicaCount: 2
    requestGPU: 1
    vllmConfig:
      maxModelLen: 32768
      dtype: "bfloat16"
      tensorParallelSize: 1
      extraArgs: ["--gpu-memory-utilization", "0.8"]""",
        {
            "model": "meta-llama/Llama-3.1-8B-Instruct",
            "max_model_len": 32768,
            "memory_fraction": 0.8,
            "copies": 2,
        },
    ),
    "helm chart vllm": (
        """image:
  repository: vllm/vllm-openai
  tag: v0.10.0
extraArgs:
  - --model=Qwen/Qwen3-8B
  - --max-model-len=16384
resources:
  limits:
    nvidia.com/gpu: 1""",
        {"model": "Qwen/Qwen3-8B", "max_model_len": 16384},
    ),
    "ray serve llm": (
        """applications:
- args:
    llm_configs:
      - model_loading_config:
          model_id: qwen-0.5b
          model_source: Qwen/Qwen2.5-0.5B-Instruct
        accelerator_type: A10G
        engine_kwargs:
          tensor_parallel_size: 2
          max_model_len: 8192
  import_path: ray.serve.llm:build_openai_app
  name: llm_app
  route_prefix: "/""",
        {"tp": 2, "max_model_len": 8192, "model": "Qwen/Qwen2.5-0.5B-Instruct"},
    ),
    "trtllm cat yaml": (
        """cat > extra.yml <<EOF
enable_attention_dp: true
kv_cache_config:
  dtype: fp8
EOF
trtllm-serve serve nvidia/Llama-3.3-70B-Instruct-FP8 --tp_size 4 --config extra.yml""",
        {"tp": 4, "model": "nvidia/Llama-3.3-70B-Instruct-FP8"},
    ),
    "trtllm mpirun": (
        "mpirun -n 1 --allow-run-as-root trtllm-serve meta-llama/Llama-3.1-8B-Instruct --port 8000",
        {"engine": "trtllm"},
    ),
    "llama preset": (
        "llama-server --gpt-oss-20b-default",
        {"engine": "llama.cpp", "model": "gpt-oss-20b"},
    ),
    "llama ctk!=ctv": (
        "llama-server -m Qwen3-8B-Q4_K_M.gguf -ctk q8_0 -ctv f16 -fa on",
        {"kv": "q8_0/f16"},
    ),
    "llama ctk only": ("llama-server -m Qwen3-8B-Q4_K_M.gguf -ctk q8_0", {"kv": "q8_0/f16"}),
    "tmux": (
        'tmux new -d -s vllm "vllm serve Qwen/Qwen3-8B --max-model-len 8192"',
        {"max_model_len": 8192},
    ),
    "ssh": ('ssh gpu01 "vllm serve Qwen/Qwen3-8B -tp 2"', {"tp": 2}),
    "markdown fence": (
        """```bash
vllm serve Qwen/Qwen3-8B \\
  --tensor-parallel-size 2
```""",
        {"tp": 2},
    ),
    "jupyter !": ("!vllm serve Qwen/Qwen3-8B --max-model-len 4096", {"max_model_len": 4096}),
    "modal": ('cmd = ["vllm", "serve", "Qwen/Qwen3-8B", "--tensor-parallel-size", "2"]', {"tp": 2}),
    "skypilot": (
        """resources:
  accelerators: H100:8
run: |
  vllm serve Qwen/Qwen3-235B-A22B-FP8 --tensor-parallel-size 8 --enable-expert-parallel""",
        {"tp": 8, "gpu": "H100"},
    ),
    "skypilot's variables": (
        """resources:
  accelerators: H100:8
envs:
  MODEL: Qwen/Qwen3-32B
run: |
  vllm serve $MODEL --tensor-parallel-size $SKYPILOT_NUM_GPUS_PER_NODE""",
        {"tp": 8, "gpu": "H100", "num_gpus": 8, "model": "Qwen/Qwen3-32B"},
    ),
    "quadlet": (
        """[Container]
Image=docker.io/vllm/vllm-openai:v0.11.0
AddDevice=nvidia.com/gpu=all
Environment=CUDA_VISIBLE_DEVICES=0,1
Exec=--model Qwen/Qwen3-8B \\
  --max-model-len 16384""",
        {"model": "Qwen/Qwen3-8B", "version": "0.11.0", "max_model_len": 16384, "num_gpus": 2},
    ),
    "powershell's variables": (
        '$env:CUDA_VISIBLE_DEVICES = "0,1"\n$Model = "Qwen/Qwen3-8B"\nvllm serve $Model -tp 2',
        {"model": "Qwen/Qwen3-8B", "tp": 2, "num_gpus": 2},
    ),
    "a makefile": (
        "MODEL ?= Qwen/Qwen3-4B\nTP := 2\nserve:\n\tvllm serve $(MODEL) -tp $(TP)",
        {"model": "Qwen/Qwen3-4B", "tp": 2},
    ),
    "a list with names": (
        'N = 2\nM = "Qwen/Qwen3-8B"\nsubprocess.Popen(["vllm", "serve", M, "-tp", str(N)])',
        {"model": "Qwen/Qwen3-8B", "tp": 2},
    ),
    "kserve's storage": (
        """kind: InferenceService
spec:
  predictor:
    model:
      args: ["--model_name=l", "--tensor-parallel-size=2"]
      storageUri: hf://Qwen/Qwen3-8B""",
        {"model": "Qwen/Qwen3-8B", "tp": 2},
    ),
    "nomad": (
        'config {\n  image = "vllm/vllm-openai:v0.11.0"\n  args = ["--model", "Qwen/Qwen3-8B",\n'
        '    "--tensor-parallel-size", "2"]\n}',
        {"model": "Qwen/Qwen3-8B", "tp": 2, "version": "0.11.0"},
    ),
    "ecs": (
        '{"containerDefinitions": [{"image": "vllm/vllm-openai:v0.9.0", "command": ["--model", '
        '"Qwen/Qwen3-8B"], "resourceRequirements": [{"type": "GPU", "value": "4"}]}]}',
        {"model": "Qwen/Qwen3-8B", "num_gpus": 4},
    ),
    "a case": (
        'case "$GPU" in\n  h100) TP=4;;\n  a100) TP=8;;\nesac\nvllm serve Qwen/Qwen3-8B -tp $TP',
        {"tp": 8, "notes": ("TP is 4 or 8: 8 is taken",)},
    ),
    "cards that a shell lists": (
        "CUDA_VISIBLE_DEVICES=$(seq -s, 0 3) vllm serve Qwen/Qwen3-8B -tp 4",
        {"tp": 4, "num_gpus": 0},
    ),
    "a loop in a loop": (
        "for bs in 1 8; do for tp in 1 2; do vllm serve Qwen/Qwen3-8B -tp $tp; done; done",
        {"tp": 2, "notes": ("tp is 1 or 2: 2 is taken",)},
    ),
    "a loop": (
        "for TP in 1 2 4; do vllm serve Qwen/Qwen3-8B -tp $TP; done",
        {"tp": 4, "notes": ("TP is 1, 2 or 4: 4 is taken",)},
    ),
    "a condition": (
        "if [ $N = 8 ]; then TP=8; else TP=4; fi\nvllm serve Qwen/Qwen3-8B -tp $TP",
        {"tp": 4, "notes": ("TP is 8 or 4: 4 is taken",)},
    ),
    "runai": (
        "runai submit a --image vllm/vllm-openai:v0.9.0 -g 2 -- --model Qwen/Qwen3-32B -tp 2",
        {"tp": 2},
    ),
    "kubectl run": (
        "kubectl run vllm --image=vllm/vllm-openai:v0.9.0 -- --model Qwen/Qwen3-8B",
        {"engine": "vllm"},
    ),
}
OTHERS = {
    "lms": (
        "lms load qwen/qwen3-8b --gpu max --context-length 32768",
        "LM Studio",
        "--model qwen/qwen3-8b",
    ),
    "mlx": (
        "python -m mlx_lm.server --model mlx-community/Llama-3.2-3B-Instruct-4bit",
        "MLX",
        "--model mlx-community/Llama-3.2-3B-Instruct-4bit in",
    ),
    "mistral.rs": (
        "mistralrs serve -m Qwen/Qwen3-8B --isq 4",
        "mistral.rs",
        "--model Qwen/Qwen3-8B",
    ),
    "ramalama": ("ramalama serve granite3.3:8b", "RamaLama", "--model granite3.3:8b"),
    "docker model": (
        "docker model run ai/qwen3:8B-Q4_K_M",
        "Docker Model Runner",
        "--model ai/qwen3:8B-Q4_K_M --engine llama.cpp",
    ),
    "nim": (
        "docker run --gpus all -e NGC_API_KEY nvcr.io/nim/meta/llama-3.1-8b-instruct:latest",
        "NVIDIA NIM",
        "--model meta/llama-3.1-8b-instruct",
    ),
    "mlc": (
        "mlc_llm serve HF://mlc-ai/Llama-3-8B-Instruct-q4f16_1-MLC",
        "MLC",
        "--model mlc-ai/Llama-3-8B-Instruct-q4f16_1-MLC",
    ),
    "llama-cpp-python": (
        "python -m llama_cpp.server --model llama-2-7b.Q4_K_M.gguf",
        "llama-cpp-python",
        "--model llama-2-7b.Q4_K_M.gguf",
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_command_is_read_wherever_it_stands(name):
    text, told = FOUND[name]
    one = launch.read(text)
    assert launch.recognises(text)
    assert {field: getattr(one, field) for field in told} == told
    assert not one.unknown


FENCED = ("```bash\n{}\n```", "~~~\n{}\n~~~\n", "\ufeff{}", "\n\n{}\n\n")


@pytest.mark.parametrize("name", [*GOLDEN, *FOUND])
def test_what_a_page_puts_around_a_text_changes_nothing(name):
    text = (GOLDEN | FOUND)[name][0]
    meant = launch.read(text)
    for around in FENCED:
        assert launch.read(around.format(text)) == meant
    assert launch.read(text.replace("\n", "\r\n")) == meant


@pytest.mark.parametrize("name", OTHERS)
def test_another_program_is_named_with_what_to_give_in_its_place(name):
    text, program, told = OTHERS[name]
    with pytest.raises(BadInput) as problem:
        launch.read(text)
    said = str(problem.value)
    assert f"starts {program}," in said and f"give {told}" in said and "\n" not in said
    assert "vLLM, SGLang, TensorRT-LLM and llama.cpp" in said and launch.recognises(text)


def test_words_of_other_programs_within_another_text_are_no_command():
    assert not launch.recognises("Qwen/Qwen3-8B") and not launch.recognises("my-ollama/run")
    one = launch.read("vllm serve Qwen/Qwen3-8B --served-model-name ollama # lms load x")
    assert one.model == "Qwen/Qwen3-8B"


def test_n_grams_on_a_model_whose_layers_guess_are_said_to_be_left_out():
    config = json.dumps({"method": "ngram", "num_speculative_tokens": 4})
    words = ["vllm", "serve", "deepseek-ai/DeepSeek-V3", "-tp", "8", "--speculative-config", config]
    found, _, notes = launch.meant(launch.read(words), gpu="h200-sxm")
    assert found.speculation is None
    assert any("ngram is left out: of deepseek-v3" in note for note in notes)


def test_keys_and_values_may_have_formats_of_their_own():
    one = launch.read("llama-server -m Qwen3-8B-Q4_K_M.gguf -ctk q8_0 -ctv q4_0")
    assert launch.deployment(one, gpu="rtx-4090").kv.name == "k-gguf-q8-0-v-gguf-q4-0"


PREDICT = ["predict", "--gpu", "rtx-4090"]


def run(capsys, *argv):
    status = main([*PREDICT, *argv])
    out, error = capsys.readouterr()
    return status, out or error


def test_predict_reads_the_command_behind_two_dashes(capsys):
    status, out = run(capsys, "--", *GOLDEN["vllm"][0].split(), "--port", "80", "--foo", "1")
    first, title = (" ".join(part.split()) for part in out.split("\n\n")[:2])
    assert status == 0 and title.startswith(GOLDEN["vllm"][2])
    assert first.startswith("read: vLLM, model Qwen/Qwen3-32B-AWQ, weights awq_marlin")
    assert "TP 4" in first and "no effect on the prediction: --port" in first
    assert first.endswith("unknown to vLLM: --foo")
    status, out = run(capsys, "--tp", "2", "--json", "--", "vllm serve Qwen/Qwen3-8B -tp 1")
    found = json.loads(out)
    assert found["deployment"] == "qwen3-8b bf16 / 2x rtx-4090 TP-2 / bf16 KV"
    assert found["launch"]["read"] == [{"flag": "-tp", "value": "1", "became": "tp 1"}]


def test_predict_reads_the_file_of_a_manifest(capsys, tmp_path):
    file = tmp_path / "deploy.yaml"
    file.write_text(GOLDEN["kubernetes"][0])
    status, out = run(capsys, "--", str(file))
    assert status == 0 and "qwen3-32b bf16 / 2x rtx-4090 TP-2" in out
    assert "The command starts 3 copies: the numbers are of one." in out


@pytest.mark.parametrize(
    "own",
    [
        ("-tp", "2", "--gpu-memory-utilization", "0.8", "--kv-cache-dtype", "fp8_e5m2"),
        ("--tp-size", "2", "--mem-fraction-static", "0.8", "--kv-cache-dtype", "fp8_e4m3"),
    ],
)
def test_predict_takes_the_engines_own_names(capsys, own):
    usual = run(
        capsys, "--model", "qwen3-8b", "--tp", "2", "--memory-fraction", "0.8", "--kv", "fp8"
    )
    assert run(capsys, "--model", "qwen3-8b", *own) == usual and usual[0] == 0


def test_a_quantization_as_engines_name_it(capsys):
    _, out = run(capsys, "--model", "qwen3-8b", "--quantization", "awq_marlin")
    assert out.startswith("qwen3-8b int4-awq")


def test_a_command_whose_length_the_engine_refuses(capsys):
    """Llama 3.1 has 131,072 positions; vLLM takes more only with VLLM_ALLOW_LONG_MAX_MODEL_LEN."""
    served = ["vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--max-model-len", "300k"]
    assert main(["predict", "--gpu", "h100", "--", *served]) == 0
    out = " ".join(capsys.readouterr().out.split())
    refused = "vLLM 0.33 refuses to start: max_model_len is 300,000, llama-3.1-8b takes 131,072"
    assert out.count(refused) == 1 and "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1" in out
    assert out.index(refused) < out.index("Binding constraint")


def test_only_predict_takes_a_command(capsys):
    assert main(["gpus", "--", "vllm", "serve", "x"]) == 2
    assert "read by predict alone: ask llmcap predict." in capsys.readouterr().err


def test_another_command_says_where_a_command_is_read(capsys):
    words = ["launch", "--gpu", "h200-sxm", "--", "vllm", "serve", "Qwen/Qwen3-32B"]
    assert main(words) == 2
    told = "read by predict alone: ask llmcap predict, or give launch its --model and --gpu."
    assert told in capsys.readouterr().err


def test_the_shell_s_own_words_arrive():
    command = [sys.executable, "-m", "llmcap_kernel", *PREDICT, "--", "CUDA_VISIBLE_DEVICES=0"]
    command += ["vllm", "serve", "Qwen/Qwen3-8B", "--speculative-config", '{"method": "ngram"}']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "speculation ngram" in done.stdout


# whatever is pasted

SCRAPS = st.sampled_from(
    [*" \n\t'\"\\$&|;<>#={}[]:,-_/.*!@%^`~()", "--", " -- ", "\\\n", "${X}", "é", "\x00", "--tp",
     " -tp ", "0", "-1", "999999999999999999999", "nan", "1e400", "k", "Ki", "auto", "null", "- ",
     "vllm serve ", "docker run ", "bash -c '", "args:\n", "---\n", "|\n", "\u2014", "\u201c"]
)  # fmt: skip


@st.composite
def mutated(draw):
    text = draw(st.sampled_from([text for text, *_ in GOLDEN.values()]))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        end = draw(st.integers(at, min(at + draw(st.sampled_from([0, 1, 3, 12, 60])), len(text))))
        text = text[:at] + draw(SCRAPS | st.just(text[at:end] * 2)) + text[end:]
    return text


def _bare(text):
    """Without quotes, escapes, blanks and dashes, of which a chat makes long ones."""
    return re.sub(r"[\s'\"\\–—-]", "", text)


def of_one_model(text):
    """A launch of a model that the text names, or one sentence."""
    try:
        one = launch.read(text)
        assert "$" in text or _bare(one.model) in _bare(words.straight(text))
        d, copies, notes = launch.meant(one, gpu=one.gpu or "rtx-4090")
        assert copies >= 1 and all("\n" not in note for note in notes)
        assert d.model.name == catalog.model(names.model_name(one.model)).name
        assert one.summary and json.dumps(one.as_dict())
    except BadInput as problem:
        assert str(problem).endswith(".") and "\n" not in str(problem)


QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@given(mutated())
@settings(max_examples=MUTATED, **QUIET)
def test_a_mutated_command_is_a_launch_or_one_sentence(text):
    of_one_model(text)
    launch.recognises(text)


@given(st.text(max_size=400) | st.lists(SCRAPS, max_size=60).map("".join))
@settings(max_examples=300, **QUIET)
def test_any_text_is_read_or_refused(text):
    of_one_model(text)
    assert launch.arguments(f"vllm serve {text}") is not None
    assert isinstance(launch.recognises(text), bool)


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "a: 1\nb:\n - x\n - y: 2\n   z: 'it''s'",
            {"a": "1", "b": ["x", {"y": "2", "z": "it's"}]},
        ),
        ("a:\n- b\n- - c\n  - d\ne: f", {"a": ["b", ["c", "d"]], "e": "f"}),
        ("a: |\n  one\n  two\nb: >-\n  one\n  two", {"a": "one\ntwo", "b": "one two"}),
        ('a: ["x, y", {b: 1, "c": [2]}]\nd: {}', {"a": ["x, y", {"b": "1", "c": ["2"]}], "d": {}}),
        ("a: &base\n  b: http://c:80/d # e\nf: g#h", {"a": {"b": "http://c:80/d"}, "f": "g#h"}),
        ("- --model=a:b\n- '{\"c\": 1}'", ["--model=a:b", '{"c": 1}']),
    ],
)  # fmt: skip
def test_the_part_of_yaml_that_manifests_use(text, value):
    assert manifest.documents(text) == [value]


def test_a_manifest_is_read_as_a_yaml_library_reads_it():
    yaml = pytest.importorskip("yaml")

    def texts(value):
        if isinstance(value, dict):
            return {k: texts(v) for k, v in value.items()}
        return [texts(v) for v in value] if isinstance(value, list) else str(value).strip()

    parts = (
        "a: &a {x: '1', y: 'z'}\nb:\n  <<: *a\n  y: w\nc: &c\n  - d\n  - &e f\ng: *c\nh: *e",
        "a: &a {x: p}\nb: &b {x: q, y: r}\nc:\n  <<: [*a, *b]\n  z: [*a, '*']",
        "l: &l\n- &i\n  k: v\nm: *i\nn: &n |\n  *l\n  o\np: *n",
    )
    named = ("kubernetes", "compose", "compose of variables", "arguments alone")
    for text in (*parts, *(GOLDEN[name][0] for name in named)):
        assert manifest.documents(text) == [texts(one) for one in yaml.safe_load_all(text)]


def test_names_that_multiply_a_document_are_one_sentence():
    laughs = "".join(f"a{i + 1}: &a{i + 1} [{','.join([f'*a{i}'] * 9)}]\n" for i in range(11))
    with pytest.raises(BadInput, match="has too many values, with its anchors"):
        manifest.documents("a0: &a0 [x]\n" + laughs)
    with pytest.raises(BadInput, match="nests too deeply"):
        manifest.documents("a: &a\n  b: *a")


COMPOSE = """
x-common: &common
  image: vllm/vllm-openai:v0.11.0
  command: ["--model", "other/model"]
  deploy: &cards
    resources: {reservations: {devices: [{driver: nvidia, count: 2}]}}
services:
  first:
    <<: *common
    command: --model ${MODEL:-Qwen/Qwen3-8B} --tensor-parallel-size ${TP:-2}
"""
STACK = "servingEngineSpec.modelSpec[0]"


@pytest.mark.parametrize(
    ("text", "model", "version", "tp", "cards", "copies"),
    [
        (COMPOSE, "Qwen/Qwen3-8B", "0.11.0", 2, 2, 1),
        # docs.docker.com/reference/compose-file/fragments; helm.sh/docs/intro/using_helm
        (
            f"helm install x vllm/vllm-stack --set {STACK}.modelURL=Qwen/Qwen3-8B,{STACK}.tag="
            f"v0.12.0 --set {STACK}.replicaCount=3 --set {STACK}.requestGPU=2 --set "
            f"{STACK}.vllmConfig.extraArgs='{{--tensor-parallel-size=2,--port=9}}'",
            *("Qwen/Qwen3-8B", "0.12.0", 2, 2, 3),
        ),
        (
            "sudo helm upgrade --install x ./chart --set image.repository=vllm/vllm-openai "
            '--set image.tag=v0.12.0 --set "resources.limits.nvidia\\.com/gpu=4" '
            """--set-json 'args=["--model","Qwen/Qwen3-8B","-tp","4"]'""",
            *("Qwen/Qwen3-8B", "0.12.0", 4, 4, 1),
        ),
        (
            "kubectl run x --image=vllm/vllm-openai:v0.12.0 --overrides='"
            + json.dumps(
                {
                    "spec": {
                        "containers": [
                            {
                                "image": "vllm/vllm-openai:v0.12.0",
                                "args": ["--model", "Qwen/Qwen3-8B", "-tp", "2"],
                                "resources": {"limits": {"nvidia.com/gpu": "2"}},
                            }
                        ]
                    }
                }
            )
            + "'",
            *("Qwen/Qwen3-8B", "0.12.0", 2, 2, 1),
        ),
        (
            "kubectl run x --image=vllm/vllm-openai:v0.12.0 --overrides='"
            + json.dumps(
                {
                    "spec": {
                        "containers": [
                            {"name": "x", "resources": {"limits": {"nvidia.com/gpu": 2}}}
                        ]
                    }
                }
            )
            + "' -- --model Qwen/Qwen3-8B -tp 2",
            *("Qwen/Qwen3-8B", "0.12.0", 2, 2, 1),
        ),
        (
            "singularity run --nv docker://vllm/vllm-openai:v0.12.0 --model Qwen/Qwen3-8B -tp 2",
            *("Qwen/Qwen3-8B", "0.12.0", 2, 0, 1),
        ),
        (
            "cat > v.yaml <<E\nservingEngineSpec:\n  modelSpec:\n  - modelURL: a/b\n"
            "    requestGPU: 1\nE\nhelm install x vllm/vllm-stack -f v.yaml "
            f"--set {STACK}.modelURL=Qwen/Qwen3-8B",
            *("Qwen/Qwen3-8B", "", 1, 1, 1),
        ),
    ],
)
def test_values_of_helm_and_fragments_of_compose(text, model, version, tp, cards, copies):
    one = launch.read(text)
    assert (one.model, one.version, one.tp, one.num_gpus, one.copies) == (
        *(model, version, tp, cards, copies),
    )


def test_a_file_of_values_that_is_not_here_is_said():
    one = launch.read(f"helm install x vllm/vllm-stack -f prod.yaml --set {STACK}.modelURL=a/b-8B")
    assert one.notes == ("the values of prod.yaml are not read",)


@pytest.mark.parametrize(
    ("command", "sequences", "tokens"),
    [
        # tools/llama-bench/README.md: prompts of 512 and answers of 128 where nothing is said,
        # each a test of its own, behind a cache of -d tokens; -pg is one after the other
        ("llama-bench -m m.gguf", 1, 512),
        ("llama-bench -m m.gguf -p 0 -n 128,256", 1, 256),
        ("./build/bin/llama-bench -m m.gguf -p 512 -n 128 -d 0,4096 -ngl 99 -fa 1 -r 3", 1, 4608),
        ("llama-bench -m m.gguf --n-prompt=2048 -pg 4096,256", 1, 4352),
        ("llama-cli -m m.gguf -p hello", 1, None),
        # tools/batched-bench/README.md: -npl sequences side by side
        ("llama-batched-bench -m m.gguf -c 16384 -npp 128 -ntg 64 -npl 1,2,32", 32, 192),
        ("llama-server -m m.gguf -c 16384 -np 4", 4, 4096),
    ],
)
def test_a_benchmark_of_llama_cpp_is_no_server_of_four_slots(command, sequences, tokens):
    name = command.replace("m.gguf", "Meta-Llama-3.1-8B-Q4_K_M.gguf")
    one = launch.read(name)
    assert (one.max_num_seqs, one.max_model_len, one.unknown) == (sequences, tokens, ())
    assert launch.deployment(one, gpu="rtx-4090").seqs_limit == sequences


def test_a_file_that_the_text_writes_is_read_with_the_command():
    """Keys of vLLM's file are its options; TensorRT-LLM's are those of llm_args.py."""
    own = "cat > /tmp/c.yaml <<EOF\nmodel: a/b\nmax-model-len: 8192\ntensor_parallel_size: 2\nEOF\n"
    one = launch.read(own + "vllm serve --config /tmp/c.yaml --max-model-len 4096")
    assert (one.model, one.tp, one.max_model_len) == ("a/b", 2, 4096)  # an option goes before it
    assert not one.unknown and not one.not_counted
    left = launch.read("vllm serve a/b --config other.yaml")
    assert [one.flag for one in left.not_counted] == ["--config"]
    trt = launch.read(
        "tee engine.yml <<'END' >/dev/null\n"
        "kv_cache_config:\n  dtype: fp8\n  free_gpu_memory_fraction: 0.8\n"
        "  enable_block_reuse: false\n"
        "enable_attention_dp: true\n"
        "speculative_config:\n  decoding_type: MTP\n  num_nextn_predict_layers: 3\nEND\n"
        "trtllm-serve a/b --tp_size 8 --ep_size 8 --extra_llm_api_options ./engine.yml"
    )
    assert (trt.kv, trt.memory_fraction, trt.prefix_caching) == ("fp8", 0.8, False)
    assert (trt.dp, trt.dp_attention, trt.speculation, trt.draft_tokens) == (8, True, "MTP", 3)


def test_a_file_of_tensorrt_llm_alone_is_its_engine():
    """Keys of llmapi/llm_args.py; the model stands in the command, or is given."""
    file = (
        "kv_cache_config:\n  dtype: fp8\n  free_gpu_memory_fraction: 0.85\n"
        "moe_config: {backend: CUTLASS}\nmax_num_tokens: 4096\nprint_iter_log: true\n"
    )
    assert launch.recognises(file)
    one = launch.read(file)
    said = (one.engine, one.model, one.kv, one.memory_fraction, one.max_num_batched_tokens)
    assert said == ("trtllm", "", "fp8", 0.85, 4096)
    assert [left.flag for left in one.not_counted] == ["moe_config.backend"]
    assert launch.read(f"model: a/b\ntensor_parallel_size: 4\n{file}").tp == 4
    with pytest.raises(BadInput, match="model is not stated"):
        launch.deployment(one, gpu="b200")
    beside = launch.read("trtllm-serve a/b --config /etc/x.yaml", {"x.yaml": file})
    assert (beside.model, beside.kv) == ("a/b", "fp8")


def test_a_chart_s_tag_is_the_version_and_gpt_oss_ships_one_file():
    chart = "modelSpec:\n- tag: v0.11.0\n  modelURL: a/b\n  vllmConfig: {maxModelLen: 8192}"
    assert launch.read(chart).version == "0.11.0"
    assert launch.read("llama-server -hf ggml-org/gpt-oss-20b-GGUF").weights == "MXFP4"
    assert launch.read("llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF").weights == "Q4_K_M"


# llama.cpp names them blk.N.ffn_{up,gate,down}_exps.weight, and the first pattern found counts; of
# gpt-oss-120b's 36 layers the experts are 98.1% of the weights.
@pytest.mark.parametrize(
    ("option", "layers"),
    [
        ('-ot ".ffn_.*_exps.=CPU"', 36),
        ("-ot exps=CPU", 36),
        (r'--override-tensor "blk\.(?:[2-3][0-9])\.ffn_.*_exps\.=CPU"', 16),
        (r'-ot "blk\.(0|1|2)\.ffn.*=CUDA0" -ot "exps=CPU"', 33),
        (r'-ot "blk\.(0|1|2)\.ffn.*=CUDA0,exps=CPU"', 33),
        ("-ot token_embd=CPU", 0),
        ("-ot exps=CUDA1", 0),
    ],
)
def test_experts_that_a_pattern_leaves_on_the_host(option, layers):
    one = launch.read(f"llama-server -hf ggml-org/gpt-oss-120b-GGUF -ngl 99 -c 8192 {option}")
    d, _, notes = launch.meant(one, gpu="rtx-4090")
    experts = sum(t.params for t in d.model.tensors if t.role == "expert") / d.model.params
    assert experts == pytest.approx(0.981, abs=0.001)
    assert d.offload_share == pytest.approx(experts * layers / 36)
    assert any("is not counted" in note for note in notes) == ("token_embd" in option)


@pytest.mark.parametrize("text", ["-ot", "-ot x", "-ot =CPU", "-ot ((((=CPU", "-ot (a+)+$=CPU"])
def test_any_pattern_is_read_or_refused_in_one_sentence(text):
    try:
        launch.read(f"llama-server -hf ggml-org/gpt-oss-120b-GGUF '{text}'".replace("'", ""))
    except BadInput as problem:
        assert str(problem).endswith(".")


TGI = "ghcr.io/huggingface/text-generation-inference:3.3"
MODELFILE = """FROM llama3.1:8b-instruct-q8_0
PARAMETER num_ctx 16384
PARAMETER num_gpu 20
PARAMETER temperature 0.7
SYSTEM You are brief."""
# Ollama's tags name a size and a file type, Q4_K_M where they name none; its context is of each
# slot (envconfig/config.go); TGI's and LMDeploy's options by the names of their own launchers.
READ_AS_ANOTHER = {
    "ollama run llama3.3:70b": ("llama-3.3-70b", "gguf-q4-k-m", 1, None, 1),
    "docker exec -it ollama ollama run gpt-oss:20b": ("gpt-oss-20b", "gguf-mxfp4", 1, None, 1),
    "ollama run gemma3:27b-it-qat": ("gemma-3-27b", "gguf-q4-0", 1, None, 1),
    "ollama run hf.co/unsloth/Qwen3-8B-GGUF:Q5_K_M": ("qwen3-8b", "gguf-q5-k-m", 1, None, 1),
    "OLLAMA_NUM_PARALLEL=4 OLLAMA_CONTEXT_LENGTH=8192 ollama serve &\nollama run qwen3:8b": (
        *("qwen3-8b", "gguf-q4-k-m", 1, 8192, 4),
    ),
    "docker run -d --gpus=all -e OLLAMA_CONTEXT_LENGTH=8192 --name ollama ollama/ollama && "
    "docker exec -it ollama ollama run llama3.1:8b": (
        *("llama-3.1-8b", "gguf-q4-k-m", 1, 8192, 1),
    ),
    MODELFILE: ("llama-3.1-8b", "gguf-q8-0", 1, 16384, 1),
    "FROM ./Qwen3-14B-Q5_K_M.gguf": ("qwen3-14b", "gguf-q5-k-m", 1, None, 1),
    "text-generation-launcher --model-id meta-llama/Llama-3.1-8B --num-shard 2 --quantize fp8 "
    "--max-total-tokens 9000": ("llama-3.1-8b", "fp8", 2, 9000, None),
    f"docker run --gpus all -e MODEL_ID=tiiuae/falcon-40b -e NUM_SHARD=4 {TGI}": (
        *("falcon-40b", "bf16", 4, None, None),
    ),
    "lmdeploy serve api_server Qwen/Qwen2.5-72B-Instruct-AWQ --tp 4 --session-len 32768 "
    "--max-batch-size 128": ("qwen2.5-72b", "int4-awq", 4, 32768, 128),
}


@pytest.mark.parametrize("text", READ_AS_ANOTHER)
def test_a_program_that_runs_as_another_is_read_as_it(text):
    model, weights, cards, context, slots = READ_AS_ANOTHER[text]
    assert launch.recognises(text)
    one = launch.read(text)
    d, _, notes = launch.meant(one, gpu="h100-sxm")
    assert (d.model.name, d.weights.name, d.num_gpus) == (model, weights, cards)
    assert (one.max_model_len, one.max_num_seqs) == (context, slots)
    assert any("read as" in note for note in notes) and not one.unknown


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "text-generation-launcher --model-id a/llama-3.1-8b --speculate 3 --max-input-tokens 9 "
            "--port 80",
            "not counted of TGI: --speculate, --max-input-tokens",
        ),
        (
            "lmdeploy serve api_server Qwen/Qwen3-32B --cache-max-entry-count 0.5 --server-port 1",
            "not counted of LMDeploy: --cache-max-entry-count",
        ),
        (
            "FROM qwen3:8b\nPARAMETER num_thread 8\nPARAMETER top_p 0.9",
            "not counted of Ollama: num_thread",
        ),
    ],
)
def test_what_has_no_option_of_the_other_engine_is_named(text, left):
    assert left in launch.read(text).notes


@pytest.mark.parametrize("quant, kv", [("8", "int8"), ("4", "int4-kv"), ("0", "bf16")])
def test_lmdeploy_s_cache(quant, kv):
    one = launch.read(f"lmdeploy serve api_server Qwen/Qwen3-32B --quant-policy {quant}")
    assert launch.deployment(one, gpu="h100-sxm").kv.name == kv


def test_a_file_of_docker_or_of_a_table_is_no_modelfile():
    for text in ("FROM python:3.12\nRUN pip install vllm\nPARAMETER x 1", "SELECT a\nFROM b"):
        assert not launch.recognises(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("VLLM_USE_V1=0 VLLM_LOGGING_LEVEL=DEBUG vllm serve Qwen/Qwen3-8B", ["VLLM_USE_V1"]),
        (
            "docker run -e VLLM_USE_FLASHINFER_MOE_FP4=1 -e HF_TOKEN=x -e VLLM_API_KEY=y "
            "vllm/vllm-openai --model Qwen/Qwen3-8B",
            ["VLLM_USE_FLASHINFER_MOE_FP4"],
        ),
        (
            "SGLANG_ENABLE_SPEC_V2=1 python -m sglang.launch_server --model-path Qwen/Qwen3-8B",
            ["SGLANG_ENABLE_SPEC_V2"],
        ),
        ("LLAMA_ARG_N_PARALLEL=2 CUDA_VISIBLE_DEVICES=0 llama-server -m Qwen3-8B-Q8_0.gguf", []),
    ],
)
def test_variables_of_an_engine_that_are_not_read_are_named(text, named):
    assert [one.flag for one in launch.read(text).not_counted] == named


@pytest.mark.parametrize(
    ("asked", "gpu", "cards"),
    [
        ("--gres=gpu:h100:8", "h100", 8), ("--gpus-per-node=4", "", 4), ("--nodes=1", "", 0),
        ("--gres=gpu:a100", "a100", 1), ("--gres=gpu:big_ones:2", "", 2),
    ],
)  # fmt: skip
def test_the_cards_that_slurm_is_asked_for(asked, gpu, cards):
    one = launch.read(f"srun -N 1 {asked} vllm serve Qwen/Qwen3-32B -tp 2")
    assert (one.gpu, one.num_gpus) == (gpu, cards)


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        ("-ub 4096", 2048),  # n_batch is 2,048 unless told
        ("-b 4096 -ub 4096", 4096),
        ("-b 256", 256),  # and n_ubatch 512
        ("-b 4096", None),
        ("-b 8192 -ub 4096 -c 1024", 1024),
    ],
)
def test_a_pass_of_llama_cpp_is_cut_to_its_batch_and_context(words, tokens):
    """src/llama-context.cpp: n_batch = min(n_ctx, n_batch), n_ubatch = min(n_batch, n_ubatch)."""
    one = launch.read(f"llama-server -m Qwen3-8B-Q8_0.gguf {words}")
    assert one.max_num_batched_tokens == tokens
    assert any("llama.cpp cuts it" in note for note in one.notes) == (tokens not in (None, 4096))


def test_a_command_in_a_program_s_text_is_read():
    """docs.python.org/3/library/subprocess: a text with shell=True is handed to a shell."""
    text = "subprocess.Popen('vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2', shell=True)"
    one = launch.read(f"@app.function(gpu='H100:2')\ndef serve():\n    {text}")
    assert (one.model, one.tp) == ("Qwen/Qwen3-32B", 2)
    assert not launch.recognises("subprocess.run('ls -l', shell=True)")


def test_of_two_values_of_an_option_the_last_is_taken_and_said():
    """docs.python.org/3/library/argparse: the last one wins; equal ones leave nothing to say."""
    one = launch.read("vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 -tp 4 --max-num-seqs 8")
    told = "--tensor-parallel-size 2 and -tp 4 are given: the last is taken, as vLLM takes it"
    assert one.tp == 4 and told in one.notes
    alike = launch.read("vllm serve Qwen/Qwen3-32B -tp 2 --tensor-parallel-size=2")
    assert not any("are given" in note for note in alike.notes)
