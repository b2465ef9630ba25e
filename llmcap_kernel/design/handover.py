"""Hand-over: the command that runs a deployment, and the one that measures it.

The command sets every limit that the ledger assumes, so that the engine starts with the same ones.
`evidence.launch` reads these commands; a test reads each back and gets the deployment.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import capacity, catalog
from ..explain import GIB, counted
from ..refuse import BadInput
from ..spec import WIDE, Deployment, Engine, Format, Model, Workload
from .space import cannot_load, cannot_run

YOURS = "<your model>"
HUB = "https://huggingface.co/"
PROMPTS_EACH = 10  # requests per user, so that ramp-up and the end are a small share of a run
LEAST_PROMPTS, MOST_PROMPTS = 40, 2000
FEWEST_EACH = 2  # with fewer requests per user, not all users are ever active at once
# Cache formats as each engine spells them; without one the cache has the model's format.
CACHES = {
    "vllm": {
        **{"bf16": "bfloat16", "fp8": "fp8", "nvfp4-kv": "nvfp4"},
        **{"int8": "int8_per_token_head", "int4-kv": "int4_per_token_head"},
    },
    "sglang": {"bf16": "bf16", "fp8": "fp8_e4m3", "nvfp4-kv": "nvfp4", "mxfp8": "mxfp8"},
    "trtllm": {"fp8": "fp8", "nvfp4-kv": "nvfp4"},  # _VALID_KV_CACHE_DTYPES of its PyTorch backend
    "llama.cpp": {
        **{"bf16": "bf16", "fp16": "f16", "fp32": "f32", "gguf-iq4-nl": "iq4_nl"},
        **{
            f"gguf-q{bits}-{kind}": f"q{bits}_{kind}"
            for bits, kind in ("80", "40", "41", "50", "51")
        },
    },
}
# Cache types of llama.cpp without CUDA kernels in an ordinary build, and in any build
# (ggml-cuda/fattn.cu, ggml_cuda_fattn_kv_type_supported). The host then computes attention, and no
# log says so (28456).
ASKED_CACHES, HOST_CACHES = ("q4_1", "q5_0", "q5_1"), ("iq4_nl",)
LOGICAL_BATCH = 2048  # of llama.cpp by default; a larger -ub is cut to it (src/llama-context.cpp)
PORTS = {"vllm": 8000, "sglang": 30000, "trtllm": 8000, "llama.cpp": 8080}
TRT_FILE, CACHE_OF = "engine.yaml", "kv_cache_config:"
HEAD = "HEAD_ADDRESS"  # placeholder for the address of the first of several hosts
OTHERS = "on the other hosts the same with"
HEAD_PORT = 20000
V1_ALONE = (0, 11)  # the release of vLLM without the scheduler before V1
NODES_SINCE = (0, 12)  # the release of vLLM that joins hosts without Ray
# Cards of a host, where a link joins another number of them. A rack of GB200 has hosts of four, as
# have TPUs. A bridge joins two of a host's eight cards, and a cable joins two desktop hosts.
RACK, TRAY, HOST, PAIR = 72, 4, 8, 2
LOADED_BY = {  # the library that loads a format, by the first word of the format's name
    **{"exl2": "ExLlama", "exl3": "ExLlama", "mlx": "MLX"},
    **dict.fromkeys(("aqlm", "higgs", "hqq", "quanto", "spqr", "vptq"), "Transformers"),
}
ITS_FORMAT = re.compile(r"(?:[-_](?:bf16|fp16|fp32|fp8|nvfp4|mxfp4|mxfp8|awq|int4|quark))+$", re.I)


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
    env : mapping of str to str
        Variables that are set for it.
    """

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The script: notes, files, and the command with one option per line."""
        lines = [f"# {note}" for note in self.notes]
        for name, content in self.files.items():
            lines += [f"cat > {name} <<'END'", content, "END"]
        return "\n".join([*lines, *_wrapped(self.words, self.env)])


def _wrapped(words: tuple[str, ...], env: Mapping[str, str]) -> Iterator[str]:
    """Write one option per line, each line but the last with a backslash."""
    lines_of_words: list[list[str]] = [
        [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    ]
    for word in words:
        if word.startswith("-") and not _is_number(word):
            lines_of_words.append([])
        lines_of_words[-1].append(shlex.quote(word))
    joined = [("" if i == 0 else "  ") + " ".join(row) for i, row in enumerate(lines_of_words)]
    yield from (f"{line} \\" for line in joined[:-1])
    yield joined[-1]


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdigit()


def hosts(deployment: Deployment) -> int:
    """Count the hosts that a deployment's cards are in.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    int
        Eight cards are in one, unless the catalogue's card comes otherwise.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> hosts(catalog.deployment(model="llama-3.1-405b", gpu="h100-sxm", tp=8, pp=2))
    2
    """
    link_group = deployment.gpu.max_per_node
    host_cards = (
        TRAY if link_group >= RACK else link_group if link_group == 1 or link_group > HOST else HOST
    )
    if link_group == PAIR and deployment.gpu.place == "desk":
        host_cards = 1
    return -(-deployment.num_gpus // host_cards)


def repository(model: Model) -> str:
    """Name a model as a hub knows it.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    str
        "owner/name" where the catalogue's source is on the hub, and of what is trained to answer
        where the catalogue knows it; else the catalogue's name; of a model that was counted from a
        config.json, which names no checkpoint, `YOURS`.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> repository(catalog.model("llama-3.1-70b"))
    'meta-llama/Llama-3.1-70B-Instruct'
    """
    source = model.source
    if source.startswith(HUB):
        path = source.removeprefix(HUB).split("/")
        if len(path) >= 2 and path[0] not in ("docs", "blog", "papers", "datasets", "spaces"):
            return _chat_checkpoint(model, "/".join(path[:2]))
    return model.name if source else YOURS


TUNED = ("instruct", "it", "chat")  # words that name the chat version of a base checkpoint


def _chat_checkpoint(model: Model, base: str) -> str:
    """Find the publisher's chat checkpoint, if its name differs only by a word of `TUNED`."""
    base_words = _words(base)
    if base_words & set(TUNED):
        return base
    aliases = catalog.table("models")["models"].get(model.name, {}).get("aliases", ())
    plain_words = base_words - {"base"}
    matching = (
        alias
        for alias in aliases
        if "/" in alias and any(_words(alias) == plain_words | {t} for t in TUNED)
    )
    return next(matching, base)


def _words(repository: str) -> set[str]:
    return set(re.split(r"[-/]", repository.lower()))


def launch(
    deployment: Deployment, workload: Workload, *, prefix_cache: bool = True, model: str = ""
) -> Command:
    """Write the command that starts the engine with the settings of the ledger.

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
    vllm serve meta-llama/Llama-3.1-70B-Instruct \\
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
        reason = "vLLM would hold a dense model whole on every card, and takes it with experts"
        raise BadInput("dp_attention", f"dp_attention has no command here: {reason}.")
    if refused := cannot_run(d.engine, d.gpu):
        raise BadInput("engine", f"engine has no command here: {refused}")
    checkpoint, notes = _checkpoint(d, model)
    max_length = max(d.max_model_len or 0, _length(d, workload))
    command = _LAUNCHES[d.engine.family](d, checkpoint, max_length, prefix_cache)
    head = f"{d.engine.name} on {d.num_gpus}x {d.gpu.name}"
    if max_length > (d.max_model_len or 0):
        notes.append(f"a request: {workload.context_tokens:,} tokens at most")
    notes += _formats_in_doubt(d)
    host_count = hosts(d)
    if host_count > 1:
        notes.append(f"{counted(host_count, 'host')}: {HEAD} is the address of the first")
    return Command(command.words, (head, *notes, *command.notes), command.files, _variables(d))


PROMPT_SPARE = 7  # SGLang 0.5.23, managers/tp_worker.py and utils.py: max_req_input_len, refused


def _length(d: Deployment, workload: Workload) -> int:
    """Compute the max_model_len to set: a request and the engine's spare tokens, in the window."""
    needed = workload.context_tokens + d.engine.spare_tokens
    if d.engine.spare_tokens:
        needed = max(needed, workload.input_tokens + PROMPT_SPARE)
    return min(needed, max(d.model.max_context_tokens, workload.context_tokens))


def lacks_cache(engine: Engine, kv: Format) -> str:
    """Explain that an engine has no cache in a format, and name the nearest one it has.

    Parameters
    ----------
    engine : Engine
        The engine. Of llama.cpp alone all formats are known; programs that it stands in for have
        their own.
    kv : Format
        Format of keys and values.

    Returns
    -------
    str
        A sentence; empty where it has one, or where nothing says that it does not.

    References
    ----------
    llama.cpp, common/arg.cpp, kv_cache_types.

    Examples
    --------
    >>> lacks_cache(catalog.engine("llama.cpp"), catalog.format("fp8"))
    'llama.cpp server 2026-11 has no cache in FP8: gguf-q8-0 (q8_0) is the nearest that it has.'
    """
    cache_names = CACHES["llama.cpp"]
    pair = re.fullmatch(r"k-(.+)-v-(.+)", kv.name)
    requested = pair.groups() if pair else (kv.name,)
    if (
        engine.family != "llama.cpp"
        or ", in place of " in engine.title
        or {*requested} <= {*cache_names}
    ):
        return ""

    def distance(name: str) -> tuple[bool, float]:
        slow = cache_names[name] in (*ASKED_CACHES, *HOST_CACHES)
        return slow, abs(catalog.format(name).bytes_per_element - kv.bytes_per_element)

    nearest_name = min(cache_names, key=distance)
    suggestion = f"{nearest_name} ({cache_names[nearest_name]}) is the nearest that it has"
    return f"{engine.title} has no cache in {kv.short_title}: {suggestion}."


def _formats_in_doubt(d: Deployment) -> Iterator[str]:
    """Note formats that an engine may not load, or that its options cannot set."""
    title, loader = d.engine.title, LOADED_BY.get(d.weights.name.split("-")[0])
    if loader:
        yield f"{d.weights.title} is loaded by {loader}: check that {d.engine.name} does"
    elif refused := cannot_load(d.engine, d.weights):
        yield refused.rstrip(".")
    elif d.engine.family == "trtllm" and _dtype(d):
        yield "TensorRT-LLM computes in the type of the checkpoint, not in FP32"
    declared = d.engine.automatic_kv(d.model, d.weights.name)
    if declared and d.kv.name in WIDE and "bf16" not in CACHES[d.engine.family]:
        yield f"{title} takes the cache that the checkpoint declares, {declared}: not {d.kv.title}"
    same_width = (d.kv.name == "fp32") == (d.weights.name == "fp32")
    if not (d.kv.name in WIDE and same_width) and d.kv.name not in CACHES[d.engine.family]:
        yield f"{title} has no cache in {d.kv.title} here: its own is taken"


AITER = {"vllm": "VLLM_ROCM_USE_AITER", "sglang": "SGLANG_USE_AITER"}


def _variables(d: Deployment) -> dict[str, str]:
    """Turn on AMD's AITER kernels for its data-centre cards, which are off by default."""
    uses_aiter = d.gpu.family in ("cdna3", "cdna4", "cdna5") and d.engine.family in AITER
    return {AITER[d.engine.family]: "1"} if uses_aiter else {}


def _checkpoint(d: Deployment, model: str) -> tuple[str, list[str]]:
    """Choose the checkpoint to name, with a note where the reader has to find one."""
    if model:
        return model, []
    base = repository(d.model)
    if base == YOURS:
        return base, []
    if d.engine.family == "llama.cpp":
        name = f"{ITS_FORMAT.sub('', base)}-{_of_file(d)}"
        return name, [f"put a checkpoint of {base} in {d.weights.title} in place of {_file(name)}"]
    # the repository of the config may hold another format than the model's own
    published = catalog.checkpoint_format(base, d.model.native_format)
    is_published = d.weights.name == published or (_is_online(d) and published in WIDE)
    if is_published or (d.weights.name in WIDE and published in WIDE):
        return base, []
    plain_base = ITS_FORMAT.sub("", base)
    is_plain = plain_base != base and {d.weights.name, d.model.native_format} <= set(WIDE)
    name = plain_base if is_plain else f"{plain_base}-{d.weights.name}"
    return name, [f"put a checkpoint of {base} in {d.weights.title} in place of {name}"]


OF_FILES = {"bf16": "BF16", "fp16": "F16", "fp32": "F32", "mxfp4": "MXFP4", "nvfp4": "NVFP4"}


def _of_file(d: Deployment) -> str:
    """Spell the format of the weights as in a GGUF file's name."""
    return d.weights.gguf or OF_FILES.get(d.weights.name, d.weights.name)


def _file(checkpoint: str) -> str:
    return f"{checkpoint.rpartition('/')[2]}.gguf"


def _is_online(d: Deployment) -> bool:
    """Say whether the engine quantises a 16-bit checkpoint to this format while loading."""
    return (
        d.engine.family in ("vllm", "sglang")
        and d.weights.name == "fp8"
        and d.model.native_format in WIDE
    )


DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def _dtype(d: Deployment) -> str | None:
    """Find the dtype that weights are converted to, where its width is not the checkpoint's."""
    stored, published = d.weights.name, d.model.native_format
    converts = stored in WIDE and (published in WIDE or stored == "fp32")
    return DTYPES[stored] if converts and (stored == "fp32") != (published == "fp32") else None


def _options(pairs: dict[str, Any]) -> Iterator[str]:
    """Yield options and values; True is a switch, and None is left out."""
    for flag, value in pairs.items():
        if value is None or value is False:
            continue
        yield flag
        if value is not True:
            yield f"{value:g}" if isinstance(value, float) else str(value)


def _drafter(d: Deployment) -> tuple[str, str, int]:
    """Give the kind of drafting ("draft", "mtp", "ngram"), the checkpoint, and draft tokens."""
    if d.speculation is None:
        return "", "", 0
    draft_model = d.speculation.draft
    if draft_model is not None:
        return "draft", repository(draft_model), d.speculation.tokens
    return "mtp" if d.model.mtp_params else "ngram", "", d.speculation.tokens


def _offload_gib(d: Deployment) -> float | None:
    """Compute the GiB of a card's weights that are kept in host memory."""
    if not d.offload_share:
        return None
    all_on_card = capacity.ledger(replace(d, offload_share=0.0), context_tokens=1)
    return round(d.offload_share * all_on_card.weights_bytes / GIB, 4)


def _vllm(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    replicas = d.attention_replicas
    kind, draft_checkpoint, tokens = _drafter(d)
    draft = {"model": draft_checkpoint} if draft_checkpoint else {"method": kind}
    host_options, notes = _vllm_hosts(d, replicas)
    options = {
        "--quantization": "fp8" if _is_online(d) else None,
        "--dtype": _dtype(d),
        "--tensor-parallel-size": d.tp // replicas,
        "--data-parallel-size": replicas if replicas > 1 else None,
        "--pipeline-parallel-size": d.pp if d.pp > 1 else None,
        "--enable-expert-parallel": d.ep > 1,
        "--decode-context-parallel-size": d.dcp if d.dcp > 1 else None,
        "--gpu-memory-utilization": float(d.fraction),
        "--max-model-len": longest,
        "--max-num-seqs": d.seqs_limit,
        "--max-num-batched-tokens": d.batch_limit_tokens,
        # the scheduler before V1 refuses a shorter step without it (config.py, SchedulerConfig),
        # and until 0.11 takes over where V1 has no such cache or card
        "--enable-chunked-prefill": d.engine.release < V1_ALONE and d.batch_limit_tokens < longest,
        "--kv-cache-dtype": _kv(d),
        "--block-size": d.block_size,
        "--enforce-eager": d.eager,
        "--no-enable-prefix-caching": not prefix_cache,
        "--speculative-config": json.dumps(draft | {"num_speculative_tokens": tokens})
        if kind
        else None,
        "--cpu-offload-gb": _offload_gib(d),
        **_adapters(d, "--max-loras"),
        **host_options,
    }
    return Command(("vllm", "serve", model, *_options(options)), notes)


def _vllm_hosts(d: Deployment, replicas: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """List the options that join several hosts, with a note on how to start the others."""
    host_count = hosts(d)
    if host_count == 1:
        return {}, ()
    if replicas % host_count == 0:
        replicas_per_host = replicas // host_count
        return {
            "--data-parallel-size-local": replicas_per_host,
            "--data-parallel-address": HEAD,
            "--data-parallel-rpc-port": HEAD_PORT,
        }, (f"{OTHERS} --headless --data-parallel-start-rank {replicas_per_host}, ...",)
    if d.engine.release < NODES_SINCE:
        ray = {"--distributed-executor-backend": "ray"}
        return ray, ("join the hosts with ray start before, and run this on the first",)
    nodes = {"--nnodes": host_count, "--node-rank": 0, "--master-addr": HEAD}
    return nodes, (f"{OTHERS} --node-rank 1, ... and --headless",)


SGLANG_DRAFTS = {"draft": "STANDALONE", "mtp": "NEXTN", "ngram": "NGRAM"}


def _sglang(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    kind, draft_checkpoint, tokens = _drafter(d)
    host_count = hosts(d)
    options = {
        "--quantization": "fp8" if _is_online(d) else None,
        "--dtype": _dtype(d),
        "--tp-size": d.tp,
        "--pp-size": d.pp if d.pp > 1 else None,
        "--ep-size": d.ep if d.ep > 1 else None,
        "--attn-dp-size": d.attention_replicas if d.attention_replicas > 1 else None,
        "--dcp-size": d.dcp if d.dcp > 1 else None,
        "--mem-fraction-static": round(float(d.fraction), 4),
        "--context-length": longest,
        # of all groups of attention: each takes its part (parallel_hook.py, pool_configurator.py)
        "--max-running-requests": d.seqs_limit * d.attention_replicas,
        "--chunked-prefill-size": d.batch_limit_tokens,
        "--enable-mixed-chunk": d.mixed_chunk,
        "--kv-cache-dtype": _kv(d),
        "--page-size": d.block_size,
        "--disable-cuda-graph": d.eager,
        "--disable-radix-cache": not prefix_cache,
        "--speculative-algorithm": SGLANG_DRAFTS.get(kind),
        "--speculative-draft-model-path": draft_checkpoint or None,
        "--speculative-num-steps": tokens or None,
        "--speculative-eagle-topk": 1 if kind in ("draft", "mtp") else None,
        "--speculative-num-draft-tokens": tokens + 1 if tokens else None,
        "--cpu-offload-gb": _offload_gib(d),
        **_adapters(d, "--max-loras-per-batch"),
    }
    notes: tuple[str, ...] = ()
    if kind == "draft" and d.attention_replicas > 1:  # speculative_hook.py, _handle_eagle_family
        notes = ("SGLang refuses a draft model beside data-parallel attention",)
    if host_count > 1:
        options |= {
            "--nnodes": host_count,
            "--node-rank": 0,
            "--dist-init-addr": f"{HEAD}:{HEAD_PORT}",
        }
        notes += (f"{OTHERS} --node-rank 1, ...",)
    return Command(("sglang", "serve", "--model-path", model, *_options(options)), notes)


def _trtllm(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    host_count = hosts(d)
    lines = _trt_lines(d, prefix_cache, longest)
    options = {
        "--tp_size": d.tp,
        "--pp_size": d.pp if d.pp > 1 else None,
        "--ep_size": d.ep if d.ep > 1 else None,
        "--gpus_per_node": d.num_gpus // host_count if host_count > 1 else None,
        "--kv_cache_free_gpu_memory_fraction": None if CACHE_OF in lines else float(d.fraction),
        "--max_seq_len": longest,
        "--max_batch_size": d.seqs_limit,
        "--max_num_tokens": d.batch_limit_tokens,
    }
    files = {TRT_FILE: "\n".join(lines)} if lines else {}
    # 1.0 has no --config yet
    config_option = ("--extra_llm_api_options", TRT_FILE) if lines else ()
    notes = []
    if host_count > 1:
        notes.append("put trtllm-llmapi-launch before it, under mpirun or srun, a process a card")
    if d.offload_share:
        notes.append("TensorRT-LLM has no option for weights on the host: they are left out")
    return Command(("trtllm-serve", model, *_options(options), *config_option), tuple(notes), files)


def _trt_lines(d: Deployment, prefix_cache: bool, longest: int) -> list[str]:
    """Write the settings that TensorRT-LLM takes only from a file."""
    lines = ["enable_attention_dp: true"] if d.attention_replicas > 1 else []
    # off by default, and a longer prompt is then refused (llmapi/llm.py, _check_arguments)
    lines += ["enable_chunked_prefill: true"] if longest > d.batch_limit_tokens else []
    kv = _kv(d)
    cache_lines = [f"  dtype: {kv}"] if kv else []
    cache_lines += [f"  tokens_per_block: {d.block_size}"] if d.block_size else []
    cache_lines += [] if prefix_cache else ["  enable_block_reuse: false"]
    # kv_cache_config in the file overrides all cache options of the command line (llmapi/
    # llm_args.py, update_llm_args_with_extra_dict), so the memory fraction has to be in it too
    cache_lines += [f"  free_gpu_memory_fraction: {float(d.fraction):g}"] if cache_lines else []
    lines += [CACHE_OF, *cache_lines] if cache_lines else []
    kind, draft_checkpoint, tokens = _drafter(d)
    drafting = {
        "mtp": ["  decoding_type: MTP", f"  num_nextn_predict_layers: {tokens}"],
        "ngram": ["  decoding_type: NGram", f"  max_draft_len: {tokens}"],
        "draft": [
            "  decoding_type: DraftTarget",
            f"  max_draft_len: {tokens}",
            f"  speculative_model: {draft_checkpoint}",
        ],
    }
    lines += ["speculative_config:", *drafting[kind]] if kind else []
    if d.lora is not None:
        lines += ["enable_lora: true", "lora_config:"]
        lines += [f"  max_loras: {d.lora.adapters}", f"  max_lora_rank: {d.lora.rank}"]
    return [*lines, "cuda_graph_config: null"] if d.eager else lines


def _llamacpp(d: Deployment, model: str, longest: int, prefix_cache: bool) -> Command:
    slots = d.seqs_limit
    split: dict[str, Any] = {}
    if d.num_gpus > 1:
        split = {"-sm": "layer" if d.pp > 1 else "tensor", "-ts": ",".join("1" * d.num_gpus)}
    cache_type = CACHES["llama.cpp"].get(d.kv.name)
    if cache_type == "bf16":  # its 16-bit default is FP16, to which CUDA's kernels convert BF16
        cache_type = "f16"
    kind, draft_checkpoint, tokens = _drafter(d)
    spec_type = {"mtp": "mtp", "ngram": "ngram-simple"}.get(kind)
    options = {
        "-c": slots * longest,
        "-np": slots,
        "-b": d.batch_limit_tokens if d.batch_limit_tokens > LOGICAL_BATCH else None,
        "-ub": d.batch_limit_tokens,
        "-ngl": _layers_on_cards(d),
        **split,
        "-ctk": cache_type if cache_type != "f16" else None,
        "-ctv": cache_type if cache_type != "f16" else None,
        "--no-cache-prompt": not prefix_cache,
        "--model-draft": _file(draft_checkpoint) if draft_checkpoint else None,
        "--spec-type": spec_type,
        "--spec-draft-n-max": tokens or None,
    }
    notes = []
    if d.gpu.vendor in ("nvidia", "amd") and cache_type in (*ASKED_CACHES, *HOST_CACHES):
        build_hint = " unless it is built with -DGGML_CUDA_FA_ALL_QUANTS=ON" * (
            cache_type in ASKED_CACHES
        )
        notes.append(f"the host computes attention over a cache in {cache_type}{build_hint}")
    if split.get("-sm") == "tensor":  # docs/multi-gpu.md
        notes.append("-sm tensor is experimental, and refused for some models: predict --pp then")
    if d.dp_attention or d.ep > 1:
        notes.append("llama.cpp splits experts and attention as it splits the layers: no way else")
    if d.lora is not None:
        notes.append(f"add --lora FILE for each of {counted(d.lora.adapters, 'adapter')}")
    if hosts(d) > 1:
        notes.append("start rpc-server on the other hosts, and name them with --rpc")
    return Command(("llama-server", "-m", _file(model), *_options(options)), tuple(notes))


def _layers_on_cards(d: Deployment) -> str | int:
    """Count the layers whose weights are on the cards, where a share of all is on the host."""
    if not d.offload_share:
        return "all"
    outside = ("embedding", "head", "mtp", "vision")
    layer_params = sum(t.params for t in d.model.tensors if t.role not in outside)
    host_share = min(d.offload_share * d.model.params / layer_params, 1.0)
    return round(d.model.layers * (1 - host_share))


_LAUNCHES = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm, "llama.cpp": _llamacpp}


def _kv(d: Deployment) -> str | None:
    """Spell the cache format as the engine does; None where it is the default."""
    spellings = CACHES[d.engine.family]
    if d.kv.name in WIDE:
        declared = d.engine.automatic_kv(d.model, d.weights.name)
        # by default the cache is as wide as the weights
        needs_16_bits = d.weights.name == "fp32" != d.kv.name
        return spellings.get("bf16") if declared or needs_16_bits else None
    return spellings.get(d.kv.name)


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
    count = min(max(PROMPTS_EACH * users, LEAST_PROMPTS), MOST_PROMPTS)
    return max(count, FEWEST_EACH * users)


def benchmark(
    deployment: Deployment,
    workload: Workload,
    *,
    model: str = "",
    rate_rps: float | None = None,
) -> Command:
    """Write the command that benchmarks the load, into a file that Validate reads.

    Parameters
    ----------
    deployment : Deployment
        What runs.
    workload : Workload
        Its load.
    model : str
        Checkpoint that runs; the catalogue's if omitted.
    rate_rps : float, optional
        Requests that come at random moments, in place of users who wait [requests/s].

    Returns
    -------
    Command
        The engine's own client, with the load's lengths, users or rate, and shared prefix.

    References
    ----------
    docs.vllm.ai/en/v0.11.2/cli/bench/serve; SGLang 0.5.23, benchmark/serving.py.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> print(benchmark(b, Workload(7000, 1000, 16)).text)
    vllm bench serve \\
      --model meta-llama/Llama-3.1-70B-Instruct \\
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
        return _bench_sglang(checkpoint, workload, rate_rps)
    shared = workload.shared_prefix_tokens
    options = {
        "--backend": None if d.engine.family == "vllm" else "openai",
        "--base-url": None
        if d.engine.family == "vllm"
        else f"http://127.0.0.1:{PORTS[d.engine.family]}",
        "--model": checkpoint,
        # the client cannot load a tokenizer from a GGUF file's name
        "--tokenizer": repository(d.model) if d.engine.family == "llama.cpp" else None,
        "--dataset-name": "random",
        "--random-input-len": workload.input_tokens - shared,
        "--random-prefix-len": shared or None,
        "--random-output-len": workload.output_tokens,
        "--ignore-eos": True,
        **_arrivals(workload, rate_rps),
        "--num-prompts": prompts(workload),
        "--percentile-metrics": "ttft,tpot,itl,e2el",
        "--metric-percentiles": "50,90,95,99",  # 99 alone by default
        "--save-result": True,
        "--result-filename": "measured.json",
    }
    return Command(("vllm", "bench", "serve", *_options(options)))


def _arrivals(workload: Workload, rate_rps: float | None) -> dict[str, Any]:
    """Say who sends: users who wait for their answers, or, at a rate, whoever comes (Poisson)."""
    if rate_rps is None:
        return {"--max-concurrency": workload.concurrency}
    return {"--request-rate": f"{rate_rps:.4g}"}


def _bench_sglang(model: str, workload: Workload, rate_rps: float | None) -> Command:
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
        "--tokenize-prompt": True,  # as text, a prompt may have a few more tokens
        **_arrivals(workload, rate_rps),
        "--output-file": "measured.jsonl",
    }
    return Command(("python", "-m", "sglang.bench_serving", *_options(options)))
