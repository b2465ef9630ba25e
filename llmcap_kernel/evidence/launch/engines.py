"""What the options of each engine make of a deployment."""

import fnmatch
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from ... import catalog
from ...catalog import names
from ...huggingface import modules
from ...refuse import BadInput, printable, shown
from . import options
from .options import Given

Values = dict[str, Any]
# Which field of a launch says the same as an engine's own one.
DIRECT = (
    *("model", "weights", "dtype", "kv", "tp", "pp", "ep", "dp", "memory_fraction"),
    *("max_model_len", "max_num_seqs", "max_num_batched_tokens", "eager", "block_size"),
    *("mixed_chunk", "dcp"),
    *("prefix_caching", "draft", "draft_tokens", "offload_gib", "kv_pool_bytes", "kv_pool_tokens"),
)
QUANT = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32))"
    r"(?![A-Za-z0-9])",
    re.I,
)
DEFAULT_QUANT = "Q4_K_M"  # what llama.cpp takes from a repository


def value(engine: str, given: Given) -> Any:
    """Read an option's value.

    Parameters
    ----------
    engine : str
        The engine's family.
    given : Given
        An option that counts.

    Returns
    -------
    object
        Text, number, yes or no, or a mapping; None where it leaves the choice to the engine.

    Raises
    ------
    BadInput
        When it takes something else.

    Examples
    --------
    >>> value("vllm", Given("--max-model-len", "max-model-len", "32k"))
    32000
    """
    kind = options.table(engine)["read"][given.name]["kind"]
    if kind == "switch":
        return options.truth(given.flag, given)
    if kind == "many":
        return given.value or ""
    text = (given.value or "").strip()
    if not text:
        raise BadInput(given.flag, f"{given.flag} has no value: it takes {TAKES[kind]}.")
    return KINDS[kind](given.flag, text)


def _length(flag: str, text: str) -> int | None:
    """A length, or what leaves it to the engine."""
    return None if text.lower() in ("auto", "-1", "0") else options.whole(flag, text)


def _chunk(flag: str, text: str) -> int | None:
    return None if text == "-1" else options.whole(flag, text)


def _text(flag: str, text: str) -> str:
    return "" if text.lower() in options.NOTHING else text


def _level(flag: str, text: str) -> dict[str, Any]:
    """vLLM's compilation settings, or their level alone."""
    return {"mode": int(text)} if text.isdecimal() else options.mapping(flag, text)


def _slots(flag: str, text: str) -> int | None:
    return None if text in ("-1", "auto") else options.whole(flag, text)


MOST_PLACES = 16  # patterns of one option


def _places(flag: str, text: str) -> dict[str, str]:
    """Where llama.cpp puts the tensors whose names match; of equal patterns the first counts."""
    listed = [one for one in text.split(",") if one.strip()][:MOST_PLACES]
    pairs = (one.rpartition("=") for one in listed)
    return {pattern.strip(): place.strip() for pattern, _, place in pairs}


KINDS: dict[str, Callable[[str, str], Any]] = {
    "text": _text,
    "whole": options.whole,
    "whole0": lambda flag, text: options.whole(flag, text, 0),
    "length": _length,
    "chunk": _chunk,
    "slots": _slots,
    "number": options.share,
    "share": options.part,
    "json": options.mapping,
    "level": _level,
    "places": _places,
}
TAKES = {
    "text": "a text",
    **dict.fromkeys(("whole", "whole0", "length", "chunk", "slots"), "a whole number"),
    "number": "a number",
    "share": "a share from 0 to 1",
    "json": "a JSON object",
    "level": "a JSON object",
    "places": "a pattern of names, = and a buffer",
}


def settle(engine: str, given: Values, bare: list[str]) -> tuple[Values, list[str], list[str]]:
    """Turn an engine's own settings into the fields of a launch.

    Parameters
    ----------
    engine : str
        The engine's family.
    given : dict
        Values by the table's field.
    bare : list of str
        Words that are no option's; the first may be the model.

    Returns
    -------
    tuple of (dict, list of str, list of str)
        Fields of a launch, what to say of them, and the words that mean nothing.

    Raises
    ------
    BadInput
        When two of them say different things.

    Examples
    --------
    >>> settle("vllm", {"tp": 4, "expert_parallel": True}, ["Qwen/Qwen3-30B-A3B"])[0]["ep"]
    4
    """
    out = {name: given[name] for name in DIRECT if given.get(name) is not None}
    rest = list(bare)
    if rest and engine in ("vllm", "trtllm") and "model" not in out:
        out["model"] = rest.pop(0)
    notes = SETTLE[engine](given, out)
    changed = given.get("overrides") or {}
    if given.get("rope_scaling"):
        changed = {"rope_scaling": given["rope_scaling"], **changed}
    if changed:
        out["overrides"] = json.dumps(changed)
    return out, notes, rest


def _vllm(given: Values, out: Values) -> list[str]:
    if given.get("expert_parallel"):
        out["ep"] = out.get("tp", 1) * out.get("dp", 1)
    drafts = given.get("speculation", {})
    for name, key in (("speculation", "method"), ("draft", "model")):
        said = drafts.get(key) or (given.get("spec_method") if key == "method" else None)
        out[name] = str(said or out.get(name, ""))
    tokens = drafts.get("num_speculative_tokens")
    if tokens is not None:
        out["draft_tokens"] = options.whole("num_speculative_tokens", str(tokens))
    if out["draft"].strip("[]") == "ngram":
        out |= {"speculation": "ngram", "draft": ""}
    level, settings = given.get("optimization", ""), given.get("compilation")
    if level.startswith("{"):  # of older versions, what is --compilation-config today
        settings = options.mapping("-O", level) | (settings or {})
    if level in ("0", "O0") or _without_graphs(settings):
        out["eager"] = True
    return _lora(given, out, adapters=1)


def _without_graphs(settings: Values | None) -> bool:
    if not settings:
        return False
    mode = str(settings.get("cudagraph_mode", "")).upper()
    level = settings.get("mode", settings.get("level"))
    return mode in ("NONE", "0") or (not mode and level in (0, "NONE"))


def _lora(given: Values, out: Values, adapters: int) -> list[str]:
    """Adapters, where they are turned on: vLLM's own default is one of rank 16."""
    on = given.get("lora") or given.get("lora_paths") is not None
    if not on:
        return []
    out["lora_rank"] = given.get("lora_rank") or 16
    out["lora_adapters"] = given.get("lora_adapters") or adapters
    return [] if given.get("lora_rank") else ["the rank of the adapters is not said: 16 taken"]


def _sglang(given: Values, out: Values) -> list[str]:
    notes = _lora(given, out, adapters=8)
    if given.get("expert_parallel"):
        out["ep"] = out.get("tp", 1)
    if given.get("no_prefix_caching") is not None:
        out["prefix_caching"] = not given["no_prefix_caching"]
    out["speculation"] = given.get("spec_method", "")
    notes += _guessing(out)
    replicas = given.get("attn_dp") or (out.get("dp", 1) if given.get("dp_attention") else 1)
    if replicas > 1:
        out |= {"dp": replicas, "dp_attention": True}
        if out.get("max_num_seqs"):  # of all groups together
            out["max_num_seqs"] = max(out["max_num_seqs"] // replicas, 1)
    if "max_num_batched_tokens" in given and given["max_num_batched_tokens"] is None:
        notes.append("prompts are not cut into chunks: the engine's own chunk is counted")
    return notes


MIXED = ("EAGLE", "EAGLE3", "NEXTN", "DFLASH", "DSPARK")  # NEXTN is another name of EAGLE
GUESSING_SEQS = 48


def _guessing(out: Values) -> list[str]:
    """What SGLang sets anew where it guesses: srt/arg_groups/speculative_hook.py of 0.5.23."""
    method, notes = out["speculation"].upper(), []
    if method in ("", "NONE"):
        return []
    if out.get("mixed_chunk") and method not in MIXED:
        out["mixed_chunk"] = False
        notes.append(f"SGLang turns mixed chunks off beside {printable(method, 20)}")
    elif out.get("mixed_chunk"):
        notes.append("steps that take prompts along guess nothing; older versions have none such")
    if not out.get("max_num_seqs"):
        out["max_num_seqs"] = GUESSING_SEQS
        notes.append(f"SGLang runs at most {GUESSING_SEQS} requests where it guesses, unless told")
    return notes


# Settings of TensorRT-LLM's file, llmapi/llm_args.py: where each stands, the field, and its kind.
OF_FILE = {
    "tensor_parallel_size": ("tp", "whole"),
    "pipeline_parallel_size": ("pp", "whole"),
    "moe_expert_parallel_size": ("ep", "whole"),
    "max_batch_size": ("max_num_seqs", "whole"),
    "max_num_tokens": ("max_num_batched_tokens", "whole"),
    "max_seq_len": ("max_model_len", "length"),
    "kv_cache_config.dtype": ("kv", "text"),
    "kv_cache_config.free_gpu_memory_fraction": ("memory_fraction", "share"),
    "kv_cache_config.tokens_per_block": ("block_size", "whole"),
    "kv_cache_config.max_tokens": ("kv_pool_tokens", "whole"),
    "speculative_config.decoding_type": ("spec_method", "text"),
    "speculative_config.max_draft_len": ("draft_tokens", "whole"),
    "speculative_config.num_nextn_predict_layers": ("draft_tokens", "whole"),
    "speculative_config.speculative_model": ("draft", "text"),
    "speculative_config.speculative_model_dir": ("draft", "text"),
    "lora_config.max_lora_rank": ("lora_rank", "whole"),
    "lora_config.max_loras": ("lora_adapters", "whole"),
}
SWITCHES_OF_FILE = {
    "enable_attention_dp": "dp_attention",
    "kv_cache_config.enable_block_reuse": "prefix_caching",
    "enable_lora": "lora",
}


# What the file says of no number here.
QUIET_IN_FILE = (
    *("model", "backend", "hostname", "host", "port", "tokenizer", "trust_remote_code"),
    *("log_level", "print_iter_log", "enable_iter_perf_stats", "enable_iter_req_stats"),
    *("return_perf_metrics", "perf_metrics_max_requests", "postprocess_tokenizer_dir"),
    *("guided_decoding_backend", "reasoning_parser", "num_postprocess_workers", "revision"),
)


def left_of_file(settings: Values) -> list[str]:
    """List what of TensorRT-LLM's file is not read, and may count.

    Parameters
    ----------
    settings : dict
        Its YAML, every scalar a text.

    Returns
    -------
    list of str
        Settings, dots between names that nest.

    Examples
    --------
    >>> left_of_file({"kv_cache_config": {"dtype": "fp8", "host_cache_size": "1"}, "port": "80"})
    ['kv_cache_config.host_cache_size']
    """
    known = {*OF_FILE, *SWITCHES_OF_FILE, *QUIET_IN_FILE}
    out = []
    for name, value in settings.items():
        inner = [f"{name}.{one}" for one in value] if isinstance(value, dict) else [name]
        out += [path for path in inner if path not in known]
    return [path for path in out if path != "cuda_graph_config"]  # without graphs, which is read


def of_file(settings: Values) -> Values:
    """Read TensorRT-LLM's file of settings.

    Parameters
    ----------
    settings : dict
        Its YAML, every scalar a text.

    Returns
    -------
    dict
        Values by field.

    Raises
    ------
    BadInput
        When a value is none that its setting takes.

    Examples
    --------
    >>> of_file({"kv_cache_config": {"dtype": "fp8"}, "enable_attention_dp": "true"})
    {'kv': 'fp8', 'dp_attention': True}
    """
    out: Values = {}
    for path, (field, kind) in OF_FILE.items():
        text = _at(settings, path)
        if text and text.lower() not in ("null", "auto"):
            out[field] = KINDS[kind](path, text)
    for path, field in SWITCHES_OF_FILE.items():
        if text := _at(settings, path):
            out[field] = options.truth(path, Given(path, path, text))
    if "cuda_graph_config" in settings and _at(settings, "cuda_graph_config") in ("", "null"):
        out["eager"] = settings["cuda_graph_config"] in ("null", "")
    return out


def _at(settings: Values, path: str) -> str:
    value: Any = settings
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _trtllm(given: Values, out: Values) -> list[str]:
    if given.get("dp_attention"):  # as many replicas of attention as cards split a layer
        out |= {"dp": out.get("tp", 1), "dp_attention": True}
    out["speculation"] = given.get("spec_method", "")
    return _lora(given, out, adapters=1)


def _llamacpp(given: Values, out: Values) -> list[str]:
    notes = _llama_file(given, out)
    slots, context = given.get("slots"), given.get("context") or None
    if slots:
        out["max_num_seqs"] = slots
    if context and slots and not given.get("unified"):
        out["max_model_len"] = max(context // slots, 1)
    elif context:
        out |= {"max_model_len": context, "max_num_seqs": 1}
        notes.append(f"one sequence may fill the context of {context:,} tokens: one slot taken")
    keys, values = given.get("kv_keys", ""), given.get("kv_values", "")
    if keys or values:
        out["kv"] = keys if keys == values else f"{keys or 'f16'}/{values or 'f16'}"
    out["speculation"] = given.get("spec_method", "") or ("draft" if out.get("draft") else "")
    if given.get("all_cpu_experts") or given.get("cpu_experts"):
        out["host_experts"] = -1 if given.get("all_cpu_experts") else given["cpu_experts"]
    placed = given.get("placed") or {}
    out["experts_placed"] = host_experts(placed)
    notes += [
        f"{shown(pattern)} on {place} is not counted: only where experts go is"
        for pattern, place in placed.items()
        if not host_experts({pattern: HOST})
    ]
    notes += _llama_step(given, out)
    layers = given.get("layers", "")
    if layers and layers not in ("auto", "all", "-1"):
        out["layers_on_cards"] = options.whole("--gpu-layers", layers, 0)
    return notes + _llama_cards(given, out)


STEP, BATCH = 512, 2048  # tokens of --ubatch-size and --batch-size, unless told


def _llama_step(given: Values, out: Values) -> list[str]:
    """Cut the tokens of a pass as llama.cpp does: src/llama-context.cpp, n_batch and n_ubatch."""
    asked = out.get("max_num_batched_tokens") or STEP
    bounds = {"--batch-size": given.get("batch") or BATCH, "--ctx-size": given.get("context") or 0}
    name, most = min(((n, x) for n, x in bounds.items() if x), key=lambda one: one[1])
    if asked <= most:
        return []
    out["max_num_batched_tokens"] = most
    return [f"a pass takes {most:,} tokens and not {asked:,}: llama.cpp cuts it to {name}"]


HOST, EXPERTS, MOST_LAYERS = "CPU", ("up", "gate", "down"), 256
MOST_GLOBS = 128  # patterns that one regular expression stands for


def host_experts(placed: Values) -> tuple[int, ...]:
    """Say in which layers llama.cpp is told to leave the experts on the host.

    Parameters
    ----------
    placed : dict
        Buffers by a regular expression of tensors' names, as `--override-tensor` takes them.

    Returns
    -------
    tuple of int
        Layers of which at least two of the three matrices of experts stay there, counted as all.

    References
    ----------
    llama.cpp, src/llama-model-loader.cpp: the first pattern that is found in a name counts.

    Examples
    --------
    >>> host_experts({r"blk\\.(2|3)\\.ffn_.*_exps\\.": "CPU", "attn": "CPU"})
    (2, 3)
    """
    patterns = [(_globs(pattern), place) for pattern, place in placed.items()]
    if not any(place == HOST and globs for globs, place in patterns):
        return ()

    def is_there(name: str) -> bool:
        places = (p for globs, p in patterns if any(fnmatch.fnmatchcase(name, g) for g in globs))
        return next(places, "") == HOST

    names_of = ([f"blk.{i}.ffn_{part}_exps.weight" for part in EXPERTS] for i in range(MOST_LAYERS))
    return tuple(i for i, some in enumerate(names_of) if sum(map(is_there, some)) >= 2)


def _globs(pattern: str) -> list[str]:
    """Patterns of names that hold what a regular expression does, wherever it stands in them."""
    return [f"*{glob.strip('*')}*" for glob in modules.globs(pattern)[:MOST_GLOBS]]


# Programs of llama.cpp that run one sequence at a time, and no server.
ALONE = ("llama-cli", "llama-run", "llama-simple", "llama-perplexity", "main")
BENCHES = ("llama-bench", "llama-sweep-bench", "llama-batched-bench")


def of_tool(program: str, words: tuple[str, ...]) -> Values:
    """Say how many sequences, and how long ones, a program of llama.cpp runs that is no server.

    Parameters
    ----------
    program : str
        Its name.
    words : tuple of str
        What follows it.

    Returns
    -------
    dict
        Fields of a launch; empty for a server.

    Examples
    --------
    >>> of_tool("llama-bench", ("-m", "x.gguf", "-p", "512,4096", "-n", "128", "-d", "1024"))
    {'max_num_seqs': 1, 'max_model_len': 5120}
    >>> of_tool("llama-batched-bench", ("-npp", "128", "-ntg", "128", "-npl", "1,2,32"))
    {'max_num_seqs': 32, 'max_model_len': 256}
    """
    if program in ALONE:
        return {"max_num_seqs": 1}
    if program not in BENCHES:
        return {}
    if program == "llama-batched-bench":
        each = _most(words, ("-npp",), 0) + _most(words, ("-ntg",), 0)
        return {"max_num_seqs": _most(words, ("-npl",), 1)} | (
            {"max_model_len": each} if each else {}
        )
    # tools/llama-bench/llama-bench.cpp: prompts, answers and pairs are tests of their own
    prompt, answer = _most(words, ("-p", "--n-prompt"), 512), _most(words, ("-n", "--n-gen"), 128)
    both, depth = _most(words, ("-pg",), 0, together=True), _most(words, ("-d", "--n-depth"), 0)
    return {"max_num_seqs": 1, "max_model_len": max(prompt, answer, both, 1) + depth}


def _most(
    words: tuple[str, ...], flags: tuple[str, ...], usual: int, together: bool = False
) -> int:
    """The largest number of an option's lists, or of their sums."""
    values = [b for a, b in itertools.pairwise(words) if a in flags]
    values += [w.partition("=")[2] for w in words if w.partition("=")[0] in flags and "=" in w]
    found = [[int(n) for n in re.findall(r"\d{1,9}", value)] for value in values]
    return max((sum(one) if together else max(one) for one in found if one), default=usual)


PRESETS = {
    "gpt-oss-20b-default": ("gpt-oss-20b", "MXFP4"),
    "gpt-oss-120b-default": ("gpt-oss-120b", "MXFP4"),
    "fim-qwen-1.5b-default": ("Qwen2.5-Coder-1.5B", "Q8_0"),
    "fim-qwen-3b-default": ("Qwen2.5-Coder-3B", "Q8_0"),
    "fim-qwen-7b-default": ("Qwen2.5-Coder-7B", "Q8_0"),
    "fim-qwen-30b-default": ("Qwen3-Coder-30B-A3B-Instruct", "Q8_0"),
    "vision-gemma-4b-default": ("gemma-3-4b-it", "Q4_0"),
    "vision-gemma-12b-default": ("gemma-3-12b-it", "Q4_0"),
}  # llama.cpp's options that name a model: common/arg.cpp


def _llama_file(given: Values, out: Values) -> list[str]:
    """The model and its format: of a repository's tag, or of a file's name."""
    repo, _, tag = given.get("repo", "").partition(":")
    file = given.get("file", "")
    preset = next((PRESETS[name] for name in PRESETS if given.get(name)), None)
    if preset and not repo and not file:
        out["model"], out["weights"] = preset
        return []
    if not repo and not file:
        return []
    out["model"] = repo or file
    found = QUANT.findall(re.split(r"[/\\]", file)[-1]) if file else []
    out["weights"] = found[-1] if found else tag
    if repo and not file and not tag:
        known = names.model_name(repo)
        shipped = known and catalog.model(known).native_format == "mxfp4"
        out["weights"] = "MXFP4" if shipped else DEFAULT_QUANT
        return [f"the file of {repo} is not said: {out['weights']} taken, as llama.cpp does"]
    return []


def _llama_cards(given: Values, out: Values) -> list[str]:
    """Cards, and how the layers or their rows are shared out over them."""
    shares = [one for one in re.split(r"[,/;]", given.get("shares", "")) if one.strip()]
    used = [one for one in shares if one.strip().strip("0.") != ""]
    devices = [one for one in given.get("devices", "").split(",") if one.strip()]
    split = given.get("split", "") or "layer"
    if split not in ("none", "layer", "row", "tensor"):
        takes = "it takes none, layer, row or tensor"
        raise BadInput("--split-mode", f"--split-mode is {shown(split)}: {takes}.")
    out["cards"] = 1 if split == "none" else len(used) or len(devices)
    out["split"] = split
    if len({one.strip() for one in used}) > 1:
        return [f"the cards are filled {','.join(shares)}: counted as filled evenly"]
    return []


SETTLE: dict[str, Callable[[Values, Values], list[str]]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "trtllm": _trtllm,
    "llama.cpp": _llamacpp,
}
