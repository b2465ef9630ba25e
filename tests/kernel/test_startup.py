"""Start-up logs: what they say, what they mean, and the ledger beside them.

The logs are made in the formats that the engines' sources print, with the numbers of rows of
`benchmarks/memory.csv`.
"""

import csv
import html
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel.cli import main
from llmcap_kernel.evidence import logs, startup
from llmcap_kernel.evidence.startup import StartUp
from llmcap_kernel.explain import GIB
from llmcap_kernel.refuse import BadInput

ROWS = Path(__file__).parents[2] / "benchmarks" / "memory.csv"
STARTUPS = {s.id: s for s in startup.read(ROWS)}

# vLLM 0.12, row K29: one card, the arguments as the server and the engine repeat them
K29 = """\
$ vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 31800 --max-num-seqs 64 \\
    --gpu-memory-utilization 0.95
(APIServer pid=1) INFO 12-05 10:00:01 [api_server.py:1772] vLLM API server version 0.12.0
(APIServer pid=1) INFO 12-05 10:00:01 [utils.py:253] non-default args: {'model_tag': \
'meta-llama/Llama-3.1-8B-Instruct', 'model': 'meta-llama/Llama-3.1-8B-Instruct', \
'max_model_len': 31800, 'gpu_memory_utilization': 0.95, 'max_num_seqs': 64}
(APIServer pid=1) INFO 12-05 10:00:09 [scheduler.py:228] Chunked prefill is enabled with \
max_num_batched_tokens=2048.
(EngineCore_DP0 pid=81) INFO 12-05 10:00:20 [core.py:93] Initializing a V1 LLM engine (v0.12.0) \
with config: model='meta-llama/Llama-3.1-8B-Instruct', speculative_config=None, \
tokenizer='meta-llama/Llama-3.1-8B-Instruct', revision=None, dtype=torch.bfloat16, \
max_seq_len=31800, tensor_parallel_size=1, pipeline_parallel_size=1, data_parallel_size=1, \
quantization=None, enforce_eager=False, kv_cache_dtype=auto, device_config=cuda, seed=0
(EngineCore_DP0 pid=81) INFO 12-05 10:00:50 [gpu_model_runner.py:3549] Model loading took 14.99 \
GiB memory and 24.1 seconds
(EngineCore_DP0 pid=81) INFO 12-05 10:01:20 [gpu_worker.py:359] Available KV cache memory: \
6.95 GiB
(EngineCore_DP0 pid=81) INFO 12-05 10:01:20 [kv_cache_utils.py:1286] GPU KV cache size: \
56,880 tokens
(EngineCore_DP0 pid=81) INFO 12-05 10:01:20 [kv_cache_utils.py:1291] Maximum concurrency for \
31,800 tokens per request: 1.79x
(APIServer pid=1) INFO:     Application startup complete.
"""

# vLLM 0.19 with VLLM_LOGGING_LEVEL=DEBUG, row k00139: two workers
K00139 = """\
INFO 04-22 09:00:00 [api_server.py:1980] vLLM API server version 0.19.0
(EngineCore pid=90) INFO 04-22 09:00:10 [core.py:105] Initializing a V1 LLM engine (v0.19.0) with \
config: model='openai/gpt-oss-20b', speculative_config=None, dtype=torch.bfloat16, \
max_seq_len=8192, tensor_parallel_size=2, pipeline_parallel_size=1, data_parallel_size=1, \
decode_context_parallel_size=1, quantization=mxfp4, enforce_eager=False, kv_cache_dtype=auto
(Worker_TP0 pid=95) WARNING 04-22 09:00:20 [fused_moe.py:886] Using default MoE config. Config \
file not found at /vllm/configs/E=32,N=1440,device_name=NVIDIA_H100_80GB_HBM3.json
(Worker_TP0 pid=95) INFO 04-22 09:00:30 [gpu_model_runner.py:4820] Model loading took 7.01 GiB \
memory and 9.7 seconds
(Worker_TP1 pid=96) INFO 04-22 09:00:30 [gpu_model_runner.py:4820] Model loading took 6.90 GiB \
memory and 9.7 seconds
(Worker_TP0 pid=95) INFO 04-22 09:00:40 [gpu_model_runner.py:5955] Estimated CUDA graph memory: \
1.09 GiB total
(Worker_TP0 pid=95) DEBUG 04-22 09:00:41 [gpu_worker.py:430] Initial free memory: 77.18 GiB; \
Requested memory: 0.900000 (util), 71.27 GiB
(Worker_TP0 pid=95) DEBUG 04-22 09:00:41 [gpu_worker.py:436] Memory profiling takes 9.77 seconds. \
Total non KV cache memory: 11.95GiB; torch peak memory increase: 2.87GiB; non-torch forward \
increase memory: 2.07GiB; weights memory: 7.01GiB.
(Worker_TP0 pid=95) INFO 04-22 09:00:41 [gpu_worker.py:436] Available KV cache memory: 59.32 GiB
(Worker_TP1 pid=96) INFO 04-22 09:00:41 [gpu_worker.py:436] Available KV cache memory: 59.40 GiB
(EngineCore pid=90) INFO 04-22 09:00:42 [kv_cache_utils.py:1319] GPU KV cache size: 2,591,776 tokens
(EngineCore pid=90) INFO 04-22 09:00:42 [kv_cache_utils.py:1324] Maximum concurrency for 8,192 \
tokens per request: 316.07x
(Worker_TP0 pid=95) INFO 04-22 09:00:52 [gpu_model_runner.py:6046] Graph capturing finished in 9 \
secs, took 1.55 GiB
(Worker_TP0 pid=95) DEBUG 04-22 09:00:53 [gpu_worker.py:640] Free memory on device (77.18/79.19 \
GiB) on startup. Desired GPU memory utilization is (0.9, 71.27 GiB). Actual usage is 7.01 GiB for \
weight, 2.87 GiB for peak activation, 2.07 GiB for non-torch memory, and 1.55 GiB for CUDAGraph \
memory. Current kv cache memory in use is 59.32 GiB.
"""

# vLLM 0.33 says tokens and concurrency in one line; the numbers of row k00150
K00150 = """\
vllm-1  | \x1b[0;36m(EngineCore pid=7)\x1b[0m INFO 11-20 08:00:10 [core.py:139] Initializing a V1 \
LLM engine (v0.33.0) with config: model='deepseek-ai/DeepSeek-V4-Flash-0731', \
speculative_config=None, dtype=torch.bfloat16, max_seq_len=262144, tensor_parallel_size=8, \
pipeline_parallel_size=1, data_parallel_size=1, quantization=fp8, enforce_eager=False, \
kv_cache_dtype=fp8_ds_mla
vllm-1  | INFO 11-20 08:00:01 [startup.py:95] non-default args: {'model': \
'deepseek-ai/DeepSeek-V4-Flash-0731', 'gpu_memory_utilization': 0.9, 'max_num_seqs': 64, \
'max_num_batched_tokens': 8192, 'enable_expert_parallel': True}
vllm-1  | (Worker_TP0_EP0 pid=11) INFO 11-20 08:03:00 [model_runner.py:428] Model loading took \
19.79 GiB memory and 100.1 seconds
vllm-1  | (Worker_TP0_EP0 pid=11) INFO 11-20 08:04:00 [gpu_worker.py:772] Available KV cache \
memory: 47.43 GiB
vllm-1  | (EngineCore pid=7) INFO 11-20 08:04:01 [kv_cache_utils.py:1144] GPU KV cache size: \
1,728,531 tokens, Maximum concurrency for 262,144 tokens per request: 6.59x
""".replace("\\\n", "")

# vLLM 0.6, the first engine, row k00164
K00164 = """\
INFO 11-21 07:00:00 llm_engine.py:237] Initializing an LLM engine (v0.6.4) with config: \
model='meta-llama/Llama-3.1-8B-Instruct', speculative_config=None, dtype=torch.bfloat16, \
max_seq_len=20000, tensor_parallel_size=1, quantization=None, enforce_eager=False, \
kv_cache_dtype=auto
INFO 11-21 07:00:10 model_runner.py:1072] Loading model weights took 14.9888 GB
INFO 11-21 07:00:12 worker.py:232] Memory profiling results: total_gpu_memory=23.58GiB \
initial_memory_usage=15.34GiB peak_torch_memory=17.06GiB memory_usage_post_profile=15.40GiB \
non_torch_memory=0.35GiB kv_cache_size=3.81GiB gpu_memory_utilization=0.90
INFO 11-21 07:00:12 gpu_executor.py:113] # GPU blocks: 1952, # CPU blocks: 2048
INFO 11-21 07:00:12 gpu_executor.py:117] Maximum concurrency for 20000 tokens per request: 1.56x
INFO 11-21 07:00:30 model_runner.py:1518] Graph capturing finished in 16 secs, took 0.24 GiB
"""

# SGLang, two ranks, the numbers of row k00149
K00149 = """\
[2026-05-04 10:00:00] server_args=ServerArgs(model_path='Qwen/Qwen3.5-9B', \
tokenizer_path='Qwen/Qwen3.5-9B', dtype='auto', quantization=None, kv_cache_dtype='auto', \
mem_fraction_static=0.8, max_running_requests=62, max_total_tokens=None, \
chunked_prefill_size=2048, page_size=1, tp_size=2, pp_size=1, ep_size=1, dp_size=1, \
enable_dp_attention=False, disable_cuda_graph=False, speculative_algorithm=None)
[2026-05-04 10:00:10 TP0] Load weight begin. avail mem=22.93 GB
[2026-05-04 10:00:10 TP1] Load weight begin. avail mem=22.93 GB
[2026-05-04 10:00:30 TP0] Load weight end. elapsed=19.20 s, type=Qwen3_5ForConditionalGeneration, \
dtype=torch.bfloat16, avail mem=14.08 GB, mem usage=8.85 GB.
[2026-05-04 10:00:30 TP1] Load weight end. elapsed=19.20 s, type=Qwen3_5ForConditionalGeneration, \
dtype=torch.bfloat16, avail mem=14.09 GB, mem usage=8.84 GB.
[2026-05-04 10:00:31 TP0] Mamba Cache is allocated. max_mamba_cache_size: 186, conv_state size: \
0.10GB, ssm_state size: 4.38GB
[2026-05-04 10:00:31 TP0] KV Cache is allocated. #tokens: 327310, K size: 2.50 GB, V size: 2.50 GB
[2026-05-04 10:00:31 TP1] KV Cache is allocated. #tokens: 327310, K size: 2.50 GB, V size: 2.50 GB
[2026-05-04 10:00:31 TP0] Memory pool end. avail mem=4.49 GB
[2026-05-04 10:00:40 TP0] Capture cuda graph end. Time elapsed: 7.91 s. mem usage=0.26 GB. avail \
mem=4.20 GB.
[2026-05-04 10:00:41 TP0] max_total_num_tokens=327310, chunked_prefill_size=2048, \
max_prefill_tokens=16384, max_running_requests=62, context_len=262144, available_gpu_mem=3.79 GB
[2026-05-04 10:00:42] The server is fired up and ready to roll!
"""

# TensorRT-LLM, row k00178
K00178 = """\
$ trtllm-serve meta-llama/Llama-3.1-8B-Instruct --max_seq_len 2048 --max_num_tokens 1024 \
--kv_cache_free_gpu_memory_fraction 0.9
[TensorRT-LLM] TensorRT-LLM version: 0.19.0
[TensorRT-LLM][INFO] Engine version 0.19.0 found in the config file, assuming engine(s) built by \
new builder API.
[TensorRT-LLM][INFO] TRTGptModel maxBatchSize: 2048
[TensorRT-LLM][INFO] Memory usage when calculating max tokens in paged kv cache: total: 31.84 GiB, \
available: 17.83 GiB
[TensorRT-LLM][INFO] Number of blocks in KV cache primary pool: 8219
[TensorRT-LLM][INFO] Number of tokens per block: 32.
[TensorRT-LLM][INFO] [MemUsageChange] Allocated 16.05 GiB for max tokens in paged KV cache (263008).
"""

# llama.cpp, row k00306: sixteen slots on one card
K00306 = """\
build: 9010 (d05fe1d7d) with gcc 14.2 for Linux x86_64
llama_model_loader: loaded meta data with 40 key-value pairs and 579 tensors from \
/models/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf (version GGUF V3 (latest))
print_info: file type   = Q4_K - Medium
print_info: file size   = 16.45 GiB (4.63 BPW)
print_info: arch             = qwen3moe
print_info: model params     = 30.53 B
print_info: general.name     = Qwen3-Coder-30B-A3B-Instruct
load_tensors: offloaded 49/49 layers to GPU
load_tensors:      Vulkan0 model buffer size = 16674.36 MiB
load_tensors:  Vulkan_Host model buffer size =   166.92 MiB
llama_context: n_seq_max     = 16
llama_context: n_ctx         = 65536
llama_context: n_ctx_seq     = 4096
llama_context: n_batch       = 2048
llama_context: n_ubatch      = 512
llama_context: kv_unified    = false
llama_context: Vulkan_Host  output buffer size =     9.27 MiB
llama_kv_cache:    Vulkan0 KV buffer size =  6144.00 MiB
llama_kv_cache: size = 6144.00 MiB (  4096 cells,  48 layers, 16/16 seqs), K (f16): 3072.00 MiB, \
V (f16): 3072.00 MiB
llama_context:    Vulkan0 compute buffer size =   304.75 MiB
llama_context: Vulkan_Host compute buffer size =    16.02 MiB
main: server is listening on http://127.0.0.1:8080 - starting the main loop
"""

# ik_llama.cpp, row k00037: experts of many layers on the host
K00037 = """\
./build/bin/llama-sweep-bench -m /gguf/Qwen3-235B-A22B-mix-IQ6_K-00001-of-00005.gguf -c 16384 -fa
ggml_cuda_init: found 2 CUDA devices:
  Device 0: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
  Device 1: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
llm_load_print_meta: model ftype      = IQ6_K - 6.6 bpw
llm_load_print_meta: general.name     = Models
llm_load_tensors: offloaded 95/95 layers to GPU
llm_load_tensors:        CPU buffer size = 167201.25 MiB
llm_load_tensors:  CUDA_Host buffer size =   630.59 MiB
llm_load_tensors:      CUDA0 buffer size = 17221.25 MiB
llm_load_tensors:      CUDA1 buffer size = 17964.52 MiB
llama_new_context_with_model: n_ctx      = 16384
llama_new_context_with_model: n_ubatch   = 512
llama_new_context_with_model: fused_moe  = 1
llama_kv_cache_init:      CUDA0 KV buffer size =   782.02 MiB
llama_kv_cache_init:      CUDA1 KV buffer size =   816.02 MiB
llama_new_context_with_model: KV self size  = 1598.00 MiB, K (q8_0):  799.00 MiB, \
V (q8_0):  799.00 MiB
llama_new_context_with_model:      CUDA0 compute buffer size =   144.00 MiB
llama_new_context_with_model:      CUDA1 compute buffer size =   312.75 MiB
llama_new_context_with_model:  CUDA_Host compute buffer size =   120.01 MiB
"""

LOGS = {
    "K29": K29,
    "k00139": K00139,
    "k00150": K00150,
    "k00164": K00164,
    "k00149": K00149,
    "k00178": K00178,
    "k00306": K00306,
    "k00037": K00037,
}


@pytest.mark.parametrize("name", LOGS)
def test_what_a_journal_writes_before_a_line_changes_nothing(name):
    text = LOGS[name]
    before = "Nov 20 08:00:10 gpu-1 engine.service[1234]: "
    told = "".join(before + line for line in text.splitlines(keepends=True))
    assert logs.read(told, "x") == logs.read(text, "x")


# What a log leaves out of its row, or says more exactly.
BESIDE_THE_ROW = {
    *("id", "source", "gpu", "model", "weights", "kv", "version", "num_gpus", "tp", "pp", "ep"),
    *("dp", "eager", "doubts", "layers_on_cards", "gpu_memory_bytes", "free_before_bytes"),
}
MORE_IN_THE_LOG = {
    "k00139": {"max_num_batched_tokens"},
    "k00150": {"max_concurrency"},
    "k00164": {"graph_bytes"},
    "k00149": {"block_tokens"},
    "k00178": {"block_tokens"},
    "k00037": {"max_num_seqs"},
}


@pytest.fixture
def told(tmp_path, capsys):
    """Run `llmcap validate` on a text; its status, what it printed and what it complained of."""

    def run(content, *options):
        path = tmp_path / "start.log"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        status = main(["validate", str(path), *options])
        return status, *capsys.readouterr()

    return run


# the table


def test_the_rows_are_all_there_and_clean():
    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = Counter(row["id"] for row in rows)
    assert sum(name.startswith("k") for name in ids) == 222 and max(ids.values()) == 1
    for row in rows:
        for label in ("model", "engine", "gpu", "weight_dtype", "kv_dtype", "memory_fraction"):
            assert not {"(", "\n"} & set(row[label]), row["id"]
        assert row["starts"] in ("yes", "no", "")
        assert set(filter(None, row["doubt"].split("; "))) <= set(startup.DOUBTS)
        for name in row:
            if name.endswith("_gib") and row[name]:
                assert float(row[name]) >= 0 or (row["starts"], name) == ("no", "kv_gib")


def test_a_log_stands_in_one_row():
    """Rows taken from the other table are of other logs than those that were there."""
    printed = Counter(
        (s.model.split("/")[-1].lower(), s.version, s.tp, s.pp, s.max_model_len, s.kv_bytes, s.kv)
        for s in STARTUPS.values()
        if s.kv_bytes and s.source == "llmd_planner" and s.weights_bytes
    )
    # the source itself ran two of its settings twice, and one in two 16-bit formats
    assert sum(n - 1 for n in printed.values()) <= 4


def test_most_rows_have_a_ledger():
    made = Counter()
    for one in STARTUPS.values():
        try:
            startup.beside(one)
            made["ledger"] += 1
        except BadInput as problem:
            made[problem.field] += 1
            assert str(problem).endswith(".")
    assert made["ledger"] >= 160


@pytest.mark.parametrize("cell", ["12 GiB", "nan", "1e400", "inf"])
def test_a_cell_that_is_no_number_is_refused(cell):
    with pytest.raises(BadInput, match="kv_gib"):
        startup.row({"kv_gib": cell})


# logs


@pytest.mark.parametrize("name", LOGS)
def test_a_log_says_what_its_row_says(name):
    read, row = logs.read(LOGS[name]), STARTUPS[name]
    skipped = BESIDE_THE_ROW | MORE_IN_THE_LOG.get(name, set())
    for field in StartUp.__dataclass_fields__:
        if field not in skipped:
            wanted = getattr(row, field)
            wanted = pytest.approx(wanted, rel=1e-4) if isinstance(wanted, float) else wanted
            assert getattr(read, field) == wanted, field


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("K29", {"engine": "vLLM", "version": "0.12.0", "tp": 1, "eager": False}),
        ("k00139", {"tp": 2, "weights": "mxfp4", "gpu": "NVIDIA_H100_80GB_HBM3"}),
        ("k00150", {"tp": 8, "ep": 8, "kv": "fp8_ds_mla", "max_num_seqs": 64}),
        ("k00164", {"version": "0.6.4", "doubts": ("engine-v0",)}),
        ("k00149", {"engine": "SGLang", "tp": 2, "weights": "bfloat16", "max_num_seqs": 62}),
        ("k00178", {"engine": "TensorRT-LLM", "version": "0.19.0", "block_tokens": 32}),
        ("k00306", {"version": "b9010-d05fe1d7d", "weights": "Q4_K - Medium", "pp": 0}),
        ("k00037", {"engine": "ik_llama.cpp", "pp": 2, "gpu": "NVIDIA GeForce RTX 3090"}),
    ],
)
def test_a_log_says_how_it_was_started(name, said):
    read = logs.read(LOGS[name])
    assert {field: getattr(read, field) for field in said} == said


def test_of_several_workers_the_fullest_card_counts():
    read = logs.read(K00139)
    assert read.kv_bytes / GIB == pytest.approx(59.32)
    assert read.weights_bytes / GIB == pytest.approx(7.01)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize(
    "prefix",
    ["engine-1  | ", "2026-05-04T10:00:00.123456789Z ", "\x1b[32m(EngineCore pid=3)\x1b[0m ", "  "],
)
def test_prefixes_of_containers_and_terminals_change_nothing(name, prefix):
    lines = LOGS[name].split("\n")
    # a command is pasted as it was typed
    dressed = "\n".join(x if x.startswith(("$", "./", "    --")) else prefix + x for x in lines)
    plain, read = logs.read(LOGS[name]), logs.read(dressed.replace("\n", "\r\n"))
    assert read == plain


def _cut_at(columns):
    """As a terminal of so many columns shows a log, without the blanks at the ends of lines."""

    def cut(text):
        parts = (
            line[at : at + columns].rstrip()
            for line in text.split("\n")
            for at in range(0, max(len(line), 1), columns)
        )
        return "\n".join(parts)

    return cut


# docs.docker.com/engine/logging/drivers/json-file, and what collectors and pages make of a log
AS = {
    "docker": lambda text: "\n".join(
        json.dumps({"log": line + "\n", "stream": "stderr"}) for line in text.split("\n")
    ),
    "collector": lambda text: "\n".join(
        json.dumps({"level": "info", "message": line}) for line in text.split("\n")
    ),
    "html": lambda text: html.escape(text),
    "quotes": lambda text: text.replace("'", "\u2019"),
    "blanks": lambda text: text.replace(" ", "\u00a0"),
    "terminal of 80": _cut_at(80),
    "terminal of 132": _cut_at(132),
}


@pytest.mark.parametrize("dressed", AS)
def test_what_stands_around_a_log_changes_nothing(dressed):
    log = "\n".join(K29.split("\n")[2:])  # without the command, which is pasted as it was typed
    text = AS[dressed](log)
    assert logs.recognises(text) and logs.read(text) == logs.read(log)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_may_be_cut_off_anywhere(name):
    """Whatever is left says nothing else, or is no log."""
    lines, whole = LOGS[name].splitlines(), logs.read(LOGS[name])
    for at in range(len(lines)):
        for part in (lines[:at], lines[at:]):
            try:
                read = logs.read("\n".join(part))
            except BadInput:
                continue
            for field in ("kv_bytes", "weights_bytes", "kv_tokens", "max_concurrency"):
                assert getattr(read, field) in (None, getattr(whole, field)) or name in (
                    "k00139",  # of two workers one is left
                    "k00149",
                    "k00037",
                )


def test_what_a_log_leaves_out_is_given_beside_it():
    read = logs.read(K29, gpu="RTX 3090", max_num_seqs=None, tp=None)
    assert (read.gpu, read.max_num_seqs, read.tp) == ("RTX 3090", 64, 1)
    assert startup.beside(read).deployment.gpu.name == "rtx-3090"
    with pytest.raises(BadInput, match=r"give --gpu"):
        startup.beside(logs.read(K29))


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("ValueError: No available memory for the cache blocks. Try increasing", None),
        (
            "ValueError: To serve at least one request with the models's max seq len (31800), "
            "(3.88 GiB KV cache is needed, which is larger than the available KV cache memory "
            "(2.79 GiB). Based on the available memory, the estimated maximum model length is "
            "22834.",
            2.79,
        ),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB.", None),
    ],
)
def test_a_refusal_is_read_as_one(line, room):
    until = K29[: K29.index("(EngineCore_DP0 pid=81) INFO 12-05 10:01:20")]
    read = logs.read(until + line)
    assert read.starts is False
    assert read.kv_bytes == (room and pytest.approx(room * GIB))


def test_a_log_that_ends_early_does_not_say_whether_it_started():
    read = logs.read(K29[: K29.index("(EngineCore_DP0 pid=81) INFO 12-05 10:01:20")])
    assert read.starts is None and read.weights_bytes
    both = startup.beside(logs.read(K29[: K29.index("GPU KV cache")], gpu="rtx-3090"))
    assert "is not in the log" in both.verdict


def test_a_negative_room_is_a_refusal_and_no_size():
    text = K29[: K29.index("GPU KV cache size")].replace("6.95 GiB", "-2.14 GiB")
    text += "\nValueError: No available memory for the cache blocks."
    assert logs.read(text).kv_bytes == pytest.approx(-2.14 * GIB)
    odd = K29.replace("56,880", "-56,880").replace("14.99", "-14.99").replace("64 ", "-64 ")
    read = logs.read(odd, gpu="rtx-3090")
    assert (read.weights_bytes, read.kv_tokens) == (None, None)
    startup.beside(read)


def test_of_two_starts_in_one_log_the_later_counts():
    read = logs.read(K29.replace("6.95 GiB", "1.00 GiB") + K29)
    assert read.kv_bytes / GIB == pytest.approx(6.95) and read.doubts == ("two-logs",)
    notes = startup.beside(logs.read(K29 + K29, gpu="l4")).notes
    assert any("more than one start" in note for note in notes)
    assert logs.read(K29).doubts == ()


V0 = """INFO 11-02 [api_server.py:528] vLLM API server version 0.6.3.post1
INFO 11-02 [model_runner.py:1067] Loading model weights took 14.9888 GB
INFO 11-02 [gpu_executor.py:122] # GPU blocks: 3500, # CPU blocks: 2048
INFO 11-02 [gpu_executor.py:126] Maximum concurrency for 8192 tokens per request: 6.84x
INFO 11-02 [model_runner.py:1523] Graph capturing finished in 14 secs, took 0.30 GiB
"""
V1 = """INFO 06-01 [api_server.py:1287] vLLM API server version 0.10.1
INFO 06-01 [utils.py:326] non-default args: {{'model': '{}', 'gpu_memory_utilization': 0.85}}
"""
LATER = """INFO 06-01 [gpu_model_runner.py:2007] Model loading took 27.5185 GiB and 8.1 seconds
INFO 06-01 [gpu_worker.py:276] Available KV cache memory: 4.55 GiB
"""


@pytest.mark.parametrize(
    "before",
    [
        V0,  # whose first engine prints pages and no room
        V1.format("Qwen/Qwen3-8B").replace("0.85", "0.5"),  # was stopped while it loaded
        V1.format("Qwen/Qwen3-8B") + "INFO Model loading took 15.27 GiB and 3.2 seconds\n",
    ],
    ids=["first engine", "banner", "weights"],
)
def test_nothing_of_a_start_stands_among_the_numbers_of_another(before):
    read = logs.read(before + V1.format("Qwen/Qwen3-14B") + LATER)
    assert (read.model, read.version, read.memory_fraction) == ("Qwen/Qwen3-14B", "0.10.1", 0.85)
    assert read.weights_bytes / GIB == pytest.approx(27.5185)
    assert (read.kv_tokens, read.max_concurrency, read.graph_bytes) == (None, None, None)
    assert read.doubts == ("two-logs",)


@pytest.mark.parametrize(
    ("number", "weights"), [(0, "F32"), (1, "F16"), (7, "Q8_0"), (15, "Q4_K_M"), (99, "")]
)
def test_the_header_of_a_file_names_model_and_format(number, weights):
    """As llama.cpp and gguf-dump print it; the numbers are llama.h's llama_ftype."""
    printed = (
        "llama_model_loader: - kv   0:  general.architecture str              = qwen3\n"
        "llama_model_loader: - kv   2:          general.name str              = Qwen3 32B\n"
        f"llama_model_loader: - kv  27:     general.file_type u32              = {number}\n"
    )
    dumped = (
        "      5: STRING     |        1 | general.architecture = 'llama'\n"
        "      6: STRING     |        1 | general.name = 'My own fine tune'\n"
        "      7: STRING     |        1 | general.size_label = '8B'\n"
        f"      8: UINT32     |        1 | general.file_type = {number}\n"
    )
    # of a name that is not known, the model of its architecture and size
    for text, model in ((printed, "Qwen3 32B"), (dumped, "llama-3.1-8b")):
        assert logs.recognises(text)
        read = logs.read(text)
        assert (read.engine, read.model, read.weights) == ("llama.cpp", model, weights)
    unknown = dumped.replace("8B", "30B-A3B")
    assert logs.read(unknown).model == "My own fine tune"


def test_ollama_names_the_card_and_what_it_starts_its_runner_with():
    read = logs.read(
        """time=2025-07-01 level=INFO source=types.go:130 msg="inference compute" id=GPU-a library=\
cuda variant=v12 compute=8.9 driver=12.8 name="NVIDIA GeForce RTX 4090" total="23.5 GiB"
level=INFO msg="starting llama server" cmd="/usr/bin/ollama runner --model /root/sha256-58 \
--ctx-size 8192 --n-gpu-layers 49 --kv-cache-type q8_0 --parallel 2 --port 40000"
llama_model_loader: - kv   2: general.name str              = Qwen3 30B A3B
print_info: file type   = Q4_K - Medium
load_tensors:        CUDA0 model buffer size = 17596.00 MiB
llama_context: n_ctx         = 8192
llama_kv_cache_unified:      CUDA0 KV buffer size =   408.00 MiB
"""
    )
    assert (read.gpu, read.kv) == ("NVIDIA GeForce RTX 4090", "q8_0")
    assert (read.max_num_seqs, read.max_model_len) == (2, 4096)
    # 48 layers x 2 x 4 heads x 128 elements of 34 bytes a 32
    assert read.kv_bytes == 8192 * 48 * 2 * 4 * 128 * 34 // 32


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [("32k", 32_000), ("32K", 32_768), ("1m", 1_000_000), ("8192", 8192), ("25.6k", 25_600)],
)
def test_lengths_are_read_as_vllm_reads_them(typed, tokens):
    text = f"vllm serve Qwen/Qwen3-8B --max-model-len={typed}\nAvailable KV cache memory: 1.5 GiB"
    assert logs.read(text).max_model_len == tokens


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "vllm serve Qwen/Qwen3-8B -tp 2 --enforce-eager --kv-cache-dtype fp8 \\\n"
            "  --gpu-memory-utilization .85 --max_num_seqs 16",
            {"tp": 2, "eager": True, "kv": "fp8", "memory_fraction": None, "max_num_seqs": 16},
        ),
        (
            "python -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B "
            "--kv-cache-memory-bytes 8000000000",
            {"model": "Qwen/Qwen3-8B", "doubts": ("cache-pinned",)},
        ),
        (
            "vllm serve Qwen/Qwen3-8B --speculative-config "
            """'{"method": "mtp", "num_speculative_tokens": 3}'""",
            {"speculation": "mtp 3"},
        ),
        ("vllm serve 'Qwen/Qwen3-8B --max-num-seqs 3", {"max_num_seqs": 3}),
    ],
)
def test_the_command_above_a_log_is_read(command, said):
    read = logs.read(f"{command}\nAvailable KV cache memory: 1.5 GiB")
    assert {field: getattr(read, field) for field in said} == said


def test_a_path_in_the_cache_of_a_hub_is_its_repository():
    path = "/root/.cache/huggingface/hub/models--Qwen--Qwen3-8B-AWQ/snapshots/1f2e3d4c5b6a"
    read = logs.read(f"vllm serve {path}\nAvailable KV cache memory: 1.5 GiB", gpu="l4")
    assert read.model == "Qwen/Qwen3-8B-AWQ"
    assert startup.beside(read).deployment.weights.name == "int4-awq"


# the ledger beside


def test_the_terms_are_those_that_were_logged():
    both = startup.beside(logs.read(K00139))
    names = [term.name for term in both.terms]
    assert names[:4] == ["weights", "KV cache", "tokens", "concurrency"]
    assert {"CUDA graphs", "activations", "outside PyTorch"} < set(names)
    by_name = {term.name: term for term in both.terms}
    assert by_name["weights"].error == pytest.approx(by_name["weights"].computed / (7.01 * GIB) - 1)
    off = by_name["KV cache"].computed - 59.32 * GIB
    assert by_name["KV cache"].share_of_card == pytest.approx(off / by_name["KV cache"].card_bytes)


def test_llama_cpp_takes_the_cache_of_its_context_and_not_what_is_left():
    both = startup.beside(logs.read(K00306, gpu="ryzen-ai-max-395"))
    cache = next(term for term in both.terms if term.name == "KV cache")
    assert cache.logged == cache.computed == 6144 * 2**20


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gpu": "2x NVIDIA GeForce RTX 4090; 1x NVIDIA RTX A6000"}, "one kind"),
        ({"gpu": "abacus"}, "not in the catalogue"),
        ({"model": ""}, "give --model"),
        ({"speculation": "eagle3 2"}, "draft model is not known"),
        ({"engine": "llama.cpp", "weights": ""}, "give --weights"),
        ({"engine": "llama.cpp", "weights": "Q8_0", "layers_on_cards": "20/33"}, "on the host"),
        ({"engine": "llama.cpp", "weights": "Q8_0", "host_weights_bytes": 9e9}, "host memory"),
    ],
)
def test_what_the_ledger_does_not_have_is_said(change, why):
    given = {"engine": "vLLM", "model": "Qwen3-8B", "gpu": "RTX 4090"} | change
    with pytest.raises(BadInput, match=why):
        startup.beside(StartUp(**given))


def test_defaults_that_are_taken_are_said():
    notes = " ".join(startup.beside(logs.read(K00139)).notes)
    assert "max_num_seqs, max_num_batched_tokens not in the log" in notes
    assert "not in the log" not in " ".join(startup.beside(logs.read(K29, gpu="l4")).notes)


# the command


def test_validate_prints_the_ledger_beside_a_log(told):
    status, out, err = told(K29, "--gpu", "rtx-3090")
    assert (status, err) == (0, "")
    assert "weights" in out and "14.99 GiB" in out and "It started" in out
    status, out, _ = told(K29, "--gpu", "rtx-3090", "--json")
    data = json.loads(out)
    assert status == 0 and data["starts"]["logged"] is True
    assert [t["name"] for t in data["terms"]] == ["weights", "KV cache", "tokens", "concurrency"]
    assert data["terms"][0]["logged"] == pytest.approx(14.99 * GIB)


def test_what_is_missing_is_asked_for_in_one_line(told):
    status, out, err = told(K29)
    assert (status, out) == (2, "") and err == "llmcap: gpu is not stated (give --gpu).\n"


@pytest.mark.parametrize(
    "text",
    [
        "metric,value,notes\nitl_ms,9.5,Available KV cache memory: 1 GiB\n",
        '{"note": "Available KV cache memory: 1 GiB"}',
        "load_tensors:      CUDA0 model buffer size = 100.00 MiB\n"
        "| model | test | t/s |\n| --- | --- | --- |\n| llama 8B Q4_0 | tg128 | 100 |\n",
    ],
)
def test_results_of_a_benchmark_are_no_start_up(text):
    assert not logs.recognises(text)


@pytest.mark.parametrize("content", [b"\x7fELF\0\0\1\2" * 600, b"", b"nothing of an engine\n"])
def test_a_file_that_is_no_log_is_refused_in_one_line(told, content):
    status, out, err = told(content)
    assert (status, out) == (2, "") and err.startswith("llmcap: ") and err.count("\n") == 1


def test_ten_megabytes_are_read_in_seconds():
    noise = "(APIServer pid=1) INFO: 127.0.0.1 - 'POST /v1/completions HTTP/1.1' 200 OK\n"
    text = K29 + noise * (10_000_000 // len(noise))
    begin = time.perf_counter()
    assert logs.read(text).kv_tokens == 56_880
    assert time.perf_counter() - begin < 20  # a few, and this machine may be busy


def test_lines_without_an_end_are_read_in_seconds():
    for odd in (
        "(" * 300_000,
        "a" * 300_000,
        "device_name=" * 30_000,
        "Free memory on device " * 9_000,
    ):
        begin = time.perf_counter()
        logs.read(K29 + odd)
        assert time.perf_counter() - begin < 20


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from("".join(LOGS.values()).split("\n")), max_size=30), st.text(max_size=40)
)
def test_lines_in_any_order_never_break_it(lines, odd):
    try:
        read = logs.read("\n".join([odd, *lines, odd]))
        startup.beside(read)
    except BadInput as problem:
        assert "\n" not in str(problem)


def test_sglang_s_last_line_has_the_step_that_its_arguments_leave_open():
    """srt/managers/scheduler.py prints it behind max_total_num_tokens, as it is taken."""
    unsaid = K00149.replace("chunked_prefill_size=2048, page_size", "page_size")
    assert logs.read(unsaid).max_num_batched_tokens == 2048
