"""Hand-over: the command that runs a deployment, the one that measures it, and a manifest.

Every limit that the ledger counted with stands in the command, so that the engine starts with the
same ones. `evidence.launch` reads these commands; a test reads each back and gets the deployment.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..refuse import BadInput
from ..spec import Deployment, Model, Workload

YOURS = "<your model>"
HUB = "https://huggingface.co/"
PROMPTS_EACH = 10  # requests of a run for each user: the first and the last of them are few
LEAST_PROMPTS, MOST_PROMPTS = 40, 2000
FEWEST_EACH = 2  # below that not all users are ever there at once
FULL_WIDTH = ("bf16", "fp16", "fp32")
GGUF_CACHE = {"bf16": "bf16", "fp16": "f16", "fp32": "f32", "gguf-iq4-nl": "iq4_nl"}
GGUF_CACHE |= {
    f"gguf-q{bits}-{kind}": f"q{bits}_{kind}" for bits, kind in ("80", "40", "41", "50", "51")
}
PORTS = {"vllm": 8000, "sglang": 30000, "trtllm": 8000, "llama.cpp": 8080}
TRT_FILE = "engine.yaml"


@dataclass(frozen=True)
class Command:
    """A command for a shell.

    Attributes
    ----------
    words : tuple of str
        The program and its arguments; an option and its value are one each.
    notes : tuple of str
        What to know before it is run, a sentence each.
    files : mapping of str to str
        Files that it reads, by name.
    """

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The command, an option a line, under its notes; files first."""
        lines = [f"# {note}" for note in self.notes]
        for name, content in self.files.items():
            lines += [f"cat > {name} <<'END'", content, "END"]
        return "\n".join([*lines, *_wrapped(self.words)])


def _wrapped(words: tuple[str, ...]) -> Iterator[str]:
    """One option a line, each line but the last with a backslash."""
    rows: list[list[str]] = [[]]
    for word in words:
        if word.startswith("-") and not _is_number(word):
            rows.append([])
        rows[-1].append(shlex.quote(word))
    joined = [("" if i == 0 else "  ") + " ".join(row) for i, row in enumerate(rows)]
    yield from (f"{line} \\" for line in joined[:-1])
    yield joined[-1]


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdigit()


def repository(model: Model) -> str:
    """Name a model as a hub knows it.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    str
        "owner/name" where the catalogue's source is on the hub, else the catalogue's name; of a
        model that was counted from a config.json, which names no checkpoint, `YOURS`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> repository(catalog.model("llama-3.1-70b"))
    'meta-llama/Llama-3.1-70B'
    """
    source = model.source
    if source.startswith(HUB):
        parts = source.removeprefix(HUB).split("/")
        if len(parts) >= 2 and parts[0] not in ("docs", "blog", "papers", "datasets", "spaces"):
            return "/".join(parts[:2])
    return model.name if source else YOURS


def launch(
    deployment: Deployment, workload: Workload, *, prefix_cache: bool = True, model: str = ""
) -> Command:
    """Write the command that starts the engine as the ledger counts it.

    Parameters
    ----------
    deployment : Deployment
        What to run.
    workload : Workload
        Its load: the longest sequence is its prompt and answer.
    prefix_cache : bool
        Whether prompts that begin alike share their cache.
    model : str
        Checkpoint to run; the catalogue's if omitted.

    Returns
    -------
    Command
        With every limit that decides memory written out.

    Raises
    ------
    BadInput
        When the engine has no command for what was predicted.

    References
    ----------
    vLLM 0.33, engine/arg_utils.py; SGLang 0.5.23, srt/server_args.py; TensorRT-LLM,
    commands/serve.py at 00209af; llama.cpp, tools/server/README.md at 00dc805.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(
    ...     model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8"
    ... )
    >>> print(launch(b, Workload(7000, 1000, 16)).text)
    # vllm-0.33 on 2x h100-sxm
    # a request: 8,000 tokens at most
    vllm serve meta-llama/Llama-3.1-70B \\
      --quantization fp8 \\
      --tensor-parallel-size 2 \\
      --gpu-memory-utilization 0.92 \\
      --max-model-len 8000 \\
      --max-num-seqs 1024 \\
      --max-num-batched-tokens 8192 \\
      --kv-cache-dtype fp8
    """
    d = deployment
    if d.engine.family == "vllm" and d.dp_attention and not d.model.experts:
        whole = "vLLM would hold a dense model whole on every card, and takes it with experts"
        raise BadInput("dp_attention", f"dp_attention has no command here: {whole}.")
    checkpoint, notes = _checkpoint(d, model)
    longest = max(d.max_model_len or 0, workload.context_tokens)
    command = _LAUNCHES[d.engine.family](d, checkpoint, longest, prefix_cache)
    head = f"{d.engine.name} on {d.num_gpus}x {d.gpu.name}"
    if longest > (d.max_model_len or 0):
        notes.append(f"a request: {longest:,} tokens at most")
    return Command(command.words, (head, *notes, *command.notes), command.files)


def _checkpoint(d: Deployment, model: str) -> tuple[str, list[str]]:
    """The checkpoint to name, and what to say where it is one that the reader has to find."""
    if model:
        return model, []
    base = repository(d.model)
    if base == YOURS:
        return base, []
    own = d.weights.name == d.model.native_format or _is_online(d)
    if own or (d.weights.name in FULL_WIDTH and d.model.native_format in FULL_WIDTH):
        return base, []
    kind = d.weights.title
    return f"{base}-{d.weights.name}", [
        f"put a checkpoint of {base} in {kind} in place of {base}-{d.weights.name}"
    ]


def _is_online(d: Deployment) -> bool:
    """Whether the engine itself turns a 16-bit checkpoint into this format when it loads."""
    return (
        d.engine.family in ("vllm", "sglang")
        and d.weights.name == "fp8"
        and d.model.native_format in FULL_WIDTH
    )


def _options(pairs: dict[str, Any]) -> Iterator[str]:
    """Options and values; True is a switch, and None is left out."""
    for flag, value in pairs.items():
        if value is None or value is False:
            continue
        yield flag
        if value is not True:
            yield f"{value:g}" if isinstance(value, float) else str(value)


def _vllm(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    replicas = d.attention_replicas
    draft = None
    if d.speculation is not None:
        own = (
            {"model": repository(d.speculation.draft)} if d.speculation.draft else {"method": "mtp"}
        )
        draft = json.dumps(own | {"num_speculative_tokens": d.speculation.tokens})
    options = {
        "--quantization": "fp8" if _is_online(d) else None,
        "--tensor-parallel-size": d.tp // replicas,
        "--data-parallel-size": replicas if replicas > 1 else None,
        "--pipeline-parallel-size": d.pp if d.pp > 1 else None,
        "--enable-expert-parallel": d.ep > 1,
        "--gpu-memory-utilization": float(d.fraction),
        "--max-model-len": longest,
        "--max-num-seqs": d.seqs_limit,
        "--max-num-batched-tokens": d.batch_limit_tokens,
        "--kv-cache-dtype": _kv(d, {"fp8": "fp8", "bf16": "bfloat16"}),
        "--block-size": d.block_size,
        "--enforce-eager": d.eager,
        "--no-enable-prefix-caching": not prefix_cache,
        "--speculative-config": draft,
        **_adapters(d, "--max-loras"),
    }
    return Command(("vllm", "serve", model, *_options(options)))


def _sglang(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    options = {
        "--quantization": "fp8" if _is_online(d) else None,
        "--tp-size": d.tp,
        "--pp-size": d.pp if d.pp > 1 else None,
        "--ep-size": d.ep if d.ep > 1 else None,
        "--attn-dp-size": d.attention_replicas if d.attention_replicas > 1 else None,
        "--mem-fraction-static": round(float(d.fraction), 4),
        "--context-length": longest,
        "--max-running-requests": d.seqs_limit,
        "--chunked-prefill-size": d.batch_limit_tokens,
        "--kv-cache-dtype": _kv(d, {"fp8": "fp8_e4m3", "bf16": "bf16"}),
        "--page-size": d.block_size,
        "--disable-cuda-graph": d.eager,
        "--disable-radix-cache": not prefix_cache,
        **_adapters(d, "--max-loras-per-batch"),
    }
    return Command(("sglang", "serve", "--model-path", model, *_options(options)))


def _trtllm(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    options = {
        "--tp_size": d.tp,
        "--pp_size": d.pp if d.pp > 1 else None,
        "--ep_size": d.ep if d.ep > 1 else None,
        "--kv_cache_free_gpu_memory_fraction": float(d.fraction),
        "--max_seq_len": longest,
        "--max_batch_size": d.seqs_limit,
        "--max_num_tokens": d.batch_limit_tokens,
    }
    lines = []
    if d.attention_replicas > 1:
        lines.append("enable_attention_dp: true")
    kind = _kv(d, {"fp8": "fp8", "bf16": "bfloat16"})
    cache = [f"  dtype: {kind}"] if kind else []
    cache += [] if prefix_cache else ["  enable_block_reuse: false"]
    if cache:
        lines += ["kv_cache_config:", *cache]
    files = {TRT_FILE: "\n".join(lines)} if lines else {}
    more = ("--config", TRT_FILE) if lines else ()
    return Command(("trtllm-serve", model, *_options(options), *more), files=files)


def _llamacpp(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    slots = d.seqs_limit
    split = {"-sm": "layer"} if d.pp > 1 else {"-sm": "tensor"} if d.tp > 1 else {}
    cache_type = GGUF_CACHE.get(d.kv.name)
    options = {
        "-c": slots * longest,
        "-np": slots,
        "-ub": d.batch_limit_tokens,
        "-ngl": "all",
        **split,
        "-ctk": cache_type if cache_type != "f16" else None,
        "-ctv": cache_type if cache_type != "f16" else None,
        "--no-cache-prompt": not prefix_cache,
    }
    return Command(("llama-server", "-m", f"{model}.gguf", *_options(options)))


_LAUNCHES = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm, "llama.cpp": _llamacpp}


def _kv(d: Deployment, names: dict[str, str]) -> str | None:
    """The cache's format as an engine spells it; None where it takes that without being told."""
    if d.kv.name in FULL_WIDTH:
        return names["bf16"] if d.engine.automatic_kv(d.model, d.weights.name) else None
    return names.get(d.kv.name, d.kv.name.replace("-", "_"))


def _adapters(d: Deployment, number: str) -> dict[str, Any]:
    if d.lora is None:
        return {}
    return {"--enable-lora": True, number: d.lora.adapters, "--max-lora-rank": d.lora.rank}


def prompts(workload: Workload) -> int:
    """Choose how many requests a benchmark sends.

    Parameters
    ----------
    workload : Workload
        The load.

    Returns
    -------
    int
        Ten for each user, so that the ramp at both ends weighs little, and two at least where
        that is more than an hour's patience.

    Examples
    --------
    >>> [prompts(Workload(7000, 1000, users)) for users in (16, 1, 25_000)]
    [160, 40, 50000]
    """
    users = workload.concurrency
    each = min(max(PROMPTS_EACH * users, LEAST_PROMPTS), MOST_PROMPTS)
    return max(each, FEWEST_EACH * users)


def benchmark(deployment: Deployment, workload: Workload, *, model: str = "") -> Command:
    """Write the command that measures what was predicted, into a file that Validate reads.

    Parameters
    ----------
    deployment : Deployment
        What runs.
    workload : Workload
        Its load.
    model : str
        Checkpoint that runs; the catalogue's if omitted.

    Returns
    -------
    Command
        The engine's own client, with the load's lengths, users and shared prefix.

    References
    ----------
    docs.vllm.ai/en/v0.11.2/cli/bench/serve; docs.sglang.io/docs/developer_guide/bench_serving.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> print(benchmark(b, Workload(7000, 1000, 16)).text)
    vllm bench serve \\
      --model meta-llama/Llama-3.1-70B \\
      --dataset-name random \\
      --random-input-len 7000 \\
      --random-output-len 1000 \\
      --ignore-eos \\
      --max-concurrency 16 \\
      --num-prompts 160 \\
      --percentile-metrics ttft,tpot,itl,e2el \\
      --metric-percentiles 50,90,95,99 \\
      --save-result \\
      --result-filename measured.json
    """
    d = deployment
    checkpoint = _checkpoint(d, model)[0]
    if d.engine.family == "sglang":
        return _bench_sglang(checkpoint, workload)
    shared = workload.shared_prefix_tokens
    options = {
        "--backend": None if d.engine.family == "vllm" else "openai",
        "--base-url": None
        if d.engine.family == "vllm"
        else f"http://127.0.0.1:{PORTS[d.engine.family]}",
        "--model": checkpoint,
        "--dataset-name": "random",
        "--random-input-len": workload.input_tokens - shared,
        "--random-prefix-len": shared or None,
        "--random-output-len": workload.output_tokens,
        "--ignore-eos": True,
        "--max-concurrency": workload.concurrency,
        "--num-prompts": prompts(workload),
        "--percentile-metrics": "ttft,tpot,itl,e2el",
        "--metric-percentiles": "50,90,95,99",  # 99 alone by default
        "--save-result": True,
        "--result-filename": "measured.json",
    }
    return Command(("vllm", "bench", "serve", *_options(options)))


def _bench_sglang(model: str, workload: Workload) -> Command:
    shared = workload.shared_prefix_tokens
    lengths: dict[str, Any] = {
        "--dataset-name": "random",
        "--random-input-len": workload.input_tokens,
        "--random-output-len": workload.output_tokens,
        "--random-range-ratio": 1,
        "--num-prompts": prompts(workload),
    }
    if shared:
        lengths = {
            "--dataset-name": "generated-shared-prefix",
            "--gsp-num-groups": 1,
            "--gsp-prompts-per-group": prompts(workload),
            "--gsp-system-prompt-len": shared,
            "--gsp-question-len": workload.input_tokens - shared,
            "--gsp-output-len": workload.output_tokens,
        }
    options = {
        "--backend": "sglang",
        "--model": model,
        **lengths,
        "--max-concurrency": workload.concurrency,
        "--output-file": "measured.jsonl",
    }
    return Command(("python", "-m", "sglang.bench_serving", *_options(options)))
