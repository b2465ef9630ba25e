"""Hand-over: what a command says is what was predicted, in flags that the engine has."""

import itertools
import json
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from llmcap_kernel import capacity, catalog, design
from llmcap_kernel.catalog import names
from llmcap_kernel.design import handover
from llmcap_kernel.design.space import cannot_run
from llmcap_kernel.evidence import launch
from llmcap_kernel.evidence.launch import options
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Lora, Speculation, Workload
from tests.kernel.draws import draws

FLAGS = set((Path(__file__).parent / "vllm_0.33.0_flags.txt").read_text().split())
# Of `vllm bench serve`, docs.vllm.ai/en/v0.11.2/cli/bench/serve; of SGLang's client,
# benchmark/serving.py of 0.5.23.
BENCH = {
    "vllm": (
        "--backend --base-url --model --tokenizer --dataset-name --random-input-len "
        "--random-prefix-len --random-output-len --ignore-eos --max-concurrency --num-prompts "
        "--percentile-metrics --metric-percentiles --save-result --result-filename"
    ),
    "sglang": (
        "--backend --model --dataset-name --random-input-len --random-output-len "
        "--random-range-ratio --num-prompts --max-concurrency --output-file --gsp-num-groups "
        "--tokenize-prompt "
        "--gsp-prompts-per-group --gsp-system-prompt-len --gsp-question-len --gsp-output-len"
    ),
}
LOAD = Workload(7000, 1000, 16)
SAME = ("tp", "pp", "ep", "dp_attention", "eager", "block_size", "lora")


def one(engine, **more):
    given = {"model": "llama-3.1-70b", "gpu": "h100-sxm", "tp": 2, "weights": "fp8", "kv": "fp8"}
    return catalog.deployment(engine=engine, **(given | more))


def again(d, load):
    """The deployment that the command launches, as a stranger reads it."""
    command = handover.launch(d, load)
    found = launch.read(command.text)
    assert not found.unknown, found.unknown
    return found, launch.deployment(found, gpu=d.gpu, model=d.model, engine=d.engine.name)


@pytest.mark.parametrize("engine", ["vllm-0.33", "sglang-0.5.9", "trtllm-1.0", "llama.cpp"])
def test_a_command_starts_what_was_predicted(engine):
    """The ledger of what is read back is the ledger that was shown."""
    more = {"model": "llama-3.1-8b", "weights": "gguf-q4-k-m", "kv": "bf16", "tp": 1}
    d = one(engine, **(more if engine == "llama.cpp" else {}))
    d = replace(d, max_num_seqs=32) if engine == "llama.cpp" else d
    _, read = again(d, LOAD)
    if engine.startswith("trtllm"):
        assert "dtype: fp8" in handover.launch(d, LOAD).files["engine.yaml"]
    assert read.title == d.title
    assert (read.seqs_limit, read.batch_limit_tokens) == (d.seqs_limit, d.batch_limit_tokens)
    longest = replace(d, max_model_len=LOAD.context_tokens)
    books, theirs = (capacity.ledger(x, context_tokens=8000) for x in (longest, read))
    assert theirs.kv_pool_bytes == pytest.approx(books.kv_pool_bytes, rel=1e-3)


def has_options(d):
    """Whether the engine has options for all that was predicted."""
    if list(handover._formats_in_doubt(d)) or d.weights.name == "ternary":
        return False
    if d.weights.name == "int4-gptq" and d.model.native_format.startswith("int4-gptq-"):
        return False  # the group is no part of a checkpoint's name: its own is taken
    if d.engine.family == "llama.cpp":
        layers = d.num_gpus <= d.model.layers and not d.model.heads % d.num_gpus
        return layers and not (d.dp_attention or d.ep > 1 or (d.tp > 1 and d.pp > 1))
    return not (d.offload_share and (d.engine.family == "trtllm" or d.weights.gguf))


def says(d, longest=0):
    """What a command has to say, to be compared; a cache of 16 bits is one of the model.

    llama.cpp cuts a pass to the context of all slots: src/llama-context.cpp, n_ubatch.
    """
    step = d.batch_limit_tokens
    if d.engine.family == "llama.cpp":
        step = min(step, d.seqs_limit * (d.max_model_len or longest))
    guesses = d.speculation and (d.speculation.tokens, d.speculation.draft)
    kv = "16 bits" if d.kv.name in ("bf16", "fp16") else d.kv.name
    share = round(d.offload_share, 1)
    return {n: getattr(d, n) for n in SAME} | {
        **{
            "weights": round(d.weights.bytes_per_element, 2),
            "kv": kv,
            "guesses": guesses,
            "share": share,
        },
        **{"seqs": d.seqs_limit, "step": step},
    }


@pytest.mark.parametrize(("engine", "word"), [("vllm-0.33", "bfloat16"), ("sglang", "bf16")])
def test_sixteen_bits_are_asked_for_where_the_checkpoint_declares_fewer(engine, word):
    """Of NVIDIA's checkpoint of Qwen3.6-27B, whose config declares an FP8 cache."""
    nvfp4 = {"model": "qwen3.6-27b", "weights": "nvfp4", "gpu": "b200-sxm", "tp": 1}
    wide, own = one(engine, **nvfp4, kv="bf16"), one(engine, **nvfp4, kv="auto")
    assert own.kv.name == "fp8"
    assert f"--kv-cache-dtype {word}" in " ".join(handover.launch(wide, LOAD).words)
    for d in (wide, own):
        _, read = again(d, LOAD)
        assert read.kv.name == d.kv.name
    found = launch.read(
        f"vllm serve nvidia/Qwen3.6-27B-NVFP4 --max-model-len {LOAD.context_tokens}"
    )
    assert launch.deployment(found, gpu=own.gpu, model=own.model).kv.name == "fp8"
    notes = [note.text for note in design.warnings(wide, LOAD) if note.about == "cache"]
    assert any("declares a cache in fp8" in text for text in notes)
    assert not any("declares" in note.text for note in design.warnings(own, LOAD))


def test_tensorrt_llm_is_asked_for_no_cache_that_it_refuses():
    """Its PyTorch backend takes fp8, nvfp4 and auto (_torch/pyexecutor, _VALID_KV_CACHE_DTYPES)."""
    nvfp4 = {"model": "qwen3.6-27b", "weights": "nvfp4", "gpu": "b200-sxm", "tp": 1}
    declared = "takes the cache that the checkpoint declares, fp8"
    for kv, said in (("bf16", declared), ("int8", "has no cache in")):
        command = handover.launch(one("trtllm", **nvfp4, kv=kv), LOAD)
        assert "dtype" not in "".join(command.files.values())
        assert any(said in note for note in command.notes)


def test_random_deployments_come_back_from_their_commands():
    """Of all engines, with speculation, adapters and weights on the host."""
    read_back = Counter()
    for at, (d, load, _) in enumerate(draws(seed=3, count=7000)):
        if d.engine.family == "vllm" and d.dp_attention and not d.model.experts:
            continue  # refused, see below
        if cannot_run(d.engine, d.gpu):
            continue  # refused, see below
        if d.engine.family != "llama.cpp":  # whose adapters are files of the reader's own
            d = replace(d, lora=Lora(32, 4) if at % 5 == 0 else None, eager=at % 7 == 0)
        if d.engine.family == "trtllm" and d.kv.name == "int8":  # see above
            d = replace(d, kv=catalog.format("fp8"))
        if not has_options(d):
            continue
        found, read = again(d, load)
        assert says(read) == says(d, load.context_tokens), handover.launch(d, load).text
        # managers/tp_worker.py and scheduler.py of SGLang 0.5.23: an answer ends two tokens before
        # the context length, and a prompt has seven fewer than it
        free = 2 if d.engine.family == "sglang" else 0
        asked = max(load.context_tokens + free, load.input_tokens + 7 if free else 0)
        window = max(d.model.max_context_tokens, load.context_tokens)
        assert found.max_model_len == min(asked, window)
        if d.engine.family != "llama.cpp":  # which has no such setting
            assert read.fraction == pytest.approx(d.fraction, abs=1e-4)
        read_back[d.engine.family] += 1
    assert min(read_back[name] for name in ("vllm", "sglang", "trtllm", "llama.cpp")) >= 20


def test_no_flag_is_unknown_to_vllm_0_33():
    """281 names read from the source of the engine's version."""
    seen = set()
    for d, load, _ in draws(seed=4, count=400):
        whole = d.dp_attention and not d.model.experts
        if d.engine.family == "vllm" and not (whole or cannot_run(d.engine, d.gpu)):
            seen |= {w for w in handover.launch(d, load).words if w.startswith("--")}
    assert len(seen) >= 8
    assert {flag.replace("--no-", "--") for flag in seen} <= FLAGS


def test_an_engine_that_does_not_run_on_a_card_has_no_command():
    """vLLM's installation pages list no Apple chip that its kernels run on."""
    d = replace(one("vllm-0.33"), gpu=catalog.gpu("apple-m3-max"), tp=1)
    with pytest.raises(BadInput, match=r"does not run on Apple M3 Max.*: choose llama\.cpp"):
        handover.launch(d, LOAD)
    notes = [note.text for note in design.warnings(d, LOAD) if note.about == "engine"]
    assert len(notes) == 1 and notes[0].startswith("vLLM 0.33 does not run on Apple M3 Max")
    home = replace(one("llama.cpp"), gpu=catalog.gpu("apple-m3-max"), tp=1)
    assert handover.launch(home, LOAD).words[0] == "llama-server"


@pytest.mark.parametrize("engine", ["sglang-0.5.9", "trtllm-1.0", "llama.cpp"])
def test_no_flag_is_unknown_to_the_other_engines(engine):
    d = one(engine)
    words = handover.launch(d, LOAD, prefix_cache=False).words
    parsed = options.parse(list(words[2:]), d.engine.family)
    assert not parsed.unknown


@pytest.mark.parametrize("shared", [0, 6000])
@pytest.mark.parametrize("engine", ["vllm-0.33", "sglang-0.5.9", "trtllm-1.0", "llama.cpp"])
def test_the_benchmark_sends_the_load_that_was_predicted(engine, shared):
    load = replace(LOAD, shared_prefix_tokens=shared)
    words = handover.benchmark(one(engine), load).words
    given = dict(itertools.pairwise(words))
    known = BENCH["sglang" if engine.startswith("sglang") else "vllm"].split()
    assert {w for w in words if w.startswith("--")} <= set(known)
    prompt = sum(
        int(given.get(flag, 0))
        for flag in (
            *("--random-input-len", "--random-prefix-len"),
            *("--gsp-system-prompt-len", "--gsp-question-len"),
        )
    )
    answer = given.get("--random-output-len") or given["--gsp-output-len"]
    assert (prompt, int(answer), int(given["--max-concurrency"])) == (7000, 1000, 16)


def test_attention_in_replicas_is_said_as_each_engine_says_it():
    """vLLM's guide to DeepSeek: data parallel attention with expert parallel, --tp 1 each."""
    c = replace(design.worked_spec()[2], dp_attention=True, ep=8)
    text = handover.launch(c, LOAD).text
    assert "--data-parallel-size 8" in text and "--tensor-parallel-size 1 " in text
    assert "--enable-expert-parallel" in text
    trt = replace(c, engine=catalog.engine("trtllm-1.0"))
    made = handover.launch(trt, LOAD)
    assert made.files["engine.yaml"].startswith("enable_attention_dp: true")
    # nvidia.github.io/TensorRT-LLM/1.0.0, run-benchmark-with-trtllm-serve: --config came later
    assert "--extra_llm_api_options engine.yaml" in made.text


def test_a_checkpoint_that_nobody_named_is_asked_for():
    awq = one("vllm-0.33", weights="int4-awq", kv="bf16")
    command = handover.launch(awq, LOAD)
    assert "--quantization" not in command.words  # a quantised checkpoint says so itself
    assert "put a checkpoint of meta-llama/Llama-3.1-70B-Instruct in" in command.text
    mine = handover.launch(awq, LOAD, model="me/mine-awq")
    assert "me/mine-awq" in mine.words and "put a checkpoint" not in mine.text


def test_words_are_safe_in_a_shell():
    command = handover.launch(one("vllm-0.33"), LOAD, model="a b; rm -rf $HOME")
    words = shlex.split(command.text, comments=True)
    assert words[2] == "a b; rm -rf $HOME"
    lora = replace(one("vllm-0.33"), lora=Lora(16, 4))
    assert "--max-lora-rank 16" in handover.launch(lora, LOAD).text


def test_a_draft_model_is_one_json_word():
    d = replace(one("vllm-0.33"), speculation=Speculation(3, 0.7, catalog.model("llama-3.1-8b")))
    words = shlex.split(handover.launch(d, LOAD).text, comments=True)
    said = json.loads(words[words.index("--speculative-config") + 1])
    assert said == {"model": "meta-llama/Llama-3.1-8B-Instruct", "num_speculative_tokens": 3}


def test_what_an_engine_cannot_be_told_is_refused_in_a_sentence():
    dense = replace(one("vllm-0.33"), dp_attention=True)
    with pytest.raises(BadInput, match="vLLM would hold a dense model whole on every card"):
        handover.launch(dense, LOAD)


@pytest.mark.parametrize("kv", ["gguf-q8-0", "gguf-q4-0", "gguf-q5-1", "fp32"])
def test_llama_cpp_is_told_the_format_of_its_cache(kv):
    laptop = {"gpu": "apple-m4-max", "engine": "llama.cpp", "weights": "gguf-q4-k-m"}
    d = catalog.deployment(model="llama-3.1-8b", kv=kv, **laptop)
    words = handover.launch(d, Workload(4000, 500, 1)).words
    assert words[words.index("-ctk") + 1] == words[words.index("-ctv") + 1]
    assert names.read_format(words[words.index("-ctk") + 1], kv=True).name == kv


@pytest.mark.parametrize("kv", ["bf16", "fp16"])
def test_llama_cpp_keeps_sixteen_bits_as_it_does_by_default(kv):
    """-ctk f16 by default (tools/server/README.md); CUDA's kernels turn BF16 into it (fattn.cu)."""
    d = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-4090", engine="llama.cpp", weights="gguf-q4-k-m", kv=kv
    )
    assert not {"-ctk", "-ctv"} & set(handover.launch(d, LOAD).words)


@pytest.mark.parametrize(
    ("gpu", "kv", "said"),
    [
        ("rtx-4090", "gguf-q5-1", "unless it is built with -DGGML_CUDA_FA_ALL_QUANTS=ON"),
        ("rtx-4090", "gguf-iq4-nl", "the host computes attention over a cache in iq4_nl"),
        ("rtx-4090", "gguf-q8-0", ""),
        ("rtx-4090", "gguf-q4-0", ""),
        ("apple-m4-max", "gguf-q5-1", ""),
    ],
)
def test_a_cache_without_kernels_on_the_card_is_said_so(gpu, kv, said):
    """ggml-cuda/fattn.cu, ggml_cuda_fattn_kv_type_supported: the host takes over, and is silent."""
    same = {"model": "llama-3.1-8b", "engine": "llama.cpp", "weights": "gguf-q4-k-m"}
    notes = handover.launch(catalog.deployment(gpu=gpu, kv=kv, **same), LOAD).notes
    found = [note for note in notes if note.startswith("the host computes")]
    assert len(found) == bool(said) and said in "".join(found)


def test_tensorrt_llm_is_told_to_cut_a_prompt_that_no_step_holds():
    """Else it refuses it: "should not exceed max_num_tokens" (llmapi/llm.py, _check_arguments)."""
    d = one("trtllm-1.0")
    short, long = (handover.launch(d, replace(LOAD, input_tokens=n)).text for n in (7000, 32_000))
    assert "enable_chunked_prefill" not in short
    assert "enable_chunked_prefill: true" in long


def test_the_share_of_a_card_stands_where_tensorrt_llm_looks_for_it():
    """llm_args | file (llm_args.py, update_llm_args_with_extra_dict): a file's cache is all."""
    d = replace(one("trtllm-1.0"), memory_fraction=0.8)  # whose cache is in FP8
    made = handover.launch(d, LOAD)
    assert "--kv_cache_free_gpu_memory_fraction" not in made.words
    assert made.files["engine.yaml"].endswith("\n  dtype: fp8\n  free_gpu_memory_fraction: 0.8")
    plain = handover.launch(replace(one("trtllm-1.0", kv="bf16"), memory_fraction=0.8), LOAD)
    assert "--kv_cache_free_gpu_memory_fraction 0.8" in " ".join(plain.words) and not plain.files
    found, _ = again(d, LOAD)
    assert found.memory_fraction == 0.8
    beside = made.text.replace("  free_gpu_memory_fraction: 0.8\n", "")
    lost = launch.read(beside.replace("--tp_size", "--free_gpu_memory_fraction 0.8 --tp_size"))
    assert (lost.kv, lost.memory_fraction) == ("fp8", None)


def test_sglang_shares_its_limits_out_over_groups_of_attention():
    """srt/arg_groups/parallel_hook.py: chunked_prefill_size // attn_dp_size; so requests."""
    more = {"model": "deepseek-v3", "gpu": "h200-sxm", "tp": 8}
    d = one("sglang", **more, dp_attention=True, max_num_seqs=64, max_num_batched_tokens=4096)
    text = handover.launch(d, LOAD).text
    assert "--max-running-requests 512" in text and "--chunked-prefill-size 4096" in text
    read = again(d, LOAD)[1]
    assert (read.seqs_limit, read.batch_limit_tokens) == (64, 4096)
    drafts = replace(d, speculation=Speculation(3, 0.7, catalog.model("llama-3.2-1b")))
    assert "SGLang refuses a draft model beside" in handover.launch(drafts, LOAD).text


def test_llama_cpp_is_told_what_else_its_options_need():
    """src/llama-context.cpp: n_ubatch is cut to n_batch, 2,048; docs/multi-gpu.md on -sm tensor."""
    d = one("llama.cpp", model="llama-3.1-8b", gpu="rtx-4090", tp=1, weights="gguf-q4-k-m")
    words = handover.launch(replace(d, max_num_batched_tokens=4096), LOAD).words
    wide = dict(itertools.pairwise(words))
    assert wide["-b"] == wide["-ub"] == "4096" and "-b" not in handover.launch(d, LOAD).words
    for split, said in ((replace(d, tp=2), True), (replace(d, pp=2), False)):
        assert any("experimental" in note for note in handover.launch(split, LOAD).notes) is said


@pytest.mark.parametrize(
    ("weights", "file"),
    [("bf16", "Llama-3.1-8B-Instruct-BF16.gguf"), ("mxfp4", "Llama-3.1-8B-Instruct-MXFP4.gguf")],
)
def test_a_gguf_file_of_a_common_format_is_one_that_llama_cpp_loads(weights, file):
    """ggml.h has types for 16 and 32 bits, MXFP4 and NVFP4."""
    d = one("llama.cpp", model="llama-3.1-8b", gpu="rtx-4090", tp=1, weights=weights, kv="fp16")
    command = handover.launch(d, LOAD)
    assert command.words[2] == file
    assert not any("loads GGUF files alone" in note for note in command.notes)


def test_the_client_of_a_gguf_file_has_a_tokenizer_to_load():
    d = one("llama.cpp", model="llama-3.1-8b", gpu="rtx-4090", tp=1, weights="gguf-q4-k-m")
    words = handover.benchmark(d, LOAD).words
    assert dict(itertools.pairwise(words))["--tokenizer"] == "meta-llama/Llama-3.1-8B-Instruct"


def test_prompts_beside_decoding_are_told_to_the_engine_that_has_them_first():
    """SGLang's switch, written and read back; vLLM mixes both anyway and has none."""
    apart = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm", engine="sglang")
    mixed = replace(apart, mixed_chunk=True)
    assert (apart.mixes_prompts, mixed.mixes_prompts) == (False, True)
    for d in (apart, mixed):
        assert ("--enable-mixed-chunk" in handover.launch(d, LOAD).text) is d.mixed_chunk
        assert again(d, LOAD)[1].mixed_chunk is d.mixed_chunk


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("llama-3.1-70b", "meta-llama/Llama-3.1-70B-Instruct"),
        ("mixtral-8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("dbrx", "databricks/dbrx-instruct"),
        ("deepseek-v2", "deepseek-ai/DeepSeek-V2-Chat"),  # and not its Coder
        ("llama-3.3-70b", "meta-llama/Llama-3.3-70B-Instruct"),
        ("qwen3-32b", "Qwen/Qwen3-32B"),  # which answers, and has no other name
    ],
)
def test_a_chat_is_served_by_the_checkpoint_that_is_trained_for_it(name, repository):
    assert handover.repository(catalog.model(name)) == repository


def test_what_comes_at_a_rate_is_measured_at_that_rate():
    for engine in ("vllm", "sglang"):
        d = catalog.deployment(model="qwen3-8b", gpu="h100-sxm", engine=engine)
        words = handover.benchmark(d, Workload(1000, 200, 16), rate_rps=5 / 3).words
        assert words[words.index("--request-rate") + 1] == "1.667"
        assert "--max-concurrency" not in words


@pytest.mark.parametrize(("engine", "said"), [("vllm-0.8.5", True), ("vllm", False)])
def test_the_old_scheduler_is_told_that_prompts_come_in_pieces(engine, said):
    """vLLM 0.8.5, config.py: max_num_batched_tokens below max_model_len is refused without it."""
    d = catalog.deployment(
        model="qwen3-8b", gpu="a100-sxm-80gb", engine=engine, max_num_batched_tokens=512
    )
    load = Workload(3000, 300, 8)
    assert ("--enable-chunked-prefill" in handover.launch(d, load).words) == said
    whole = handover.launch(replace(d, max_num_batched_tokens=4096), load)
    assert "--enable-chunked-prefill" not in whole.words
