"""Commands of benchmarks: the load that they put on a server, or on the engine that they start.

Names and defaults: vLLM 0.33, `vllm/benchmarks`; SGLang 0.5.23, `sglang/benchmark`; TensorRT-LLM,
`bench/benchmark/throughput.py`; the command lines of AIPerf, GenAI-Perf and GuideLLM.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...explain import counted
from ...refuse import BadInput, printable, typed_number
from ..results.line import evenness

MOST = 10**9
OPTION = re.compile(r"--?[A-Za-z]")


class Load(NamedTuple):
    """What a benchmark asks of a server; 0 where it does not say.

    Attributes
    ----------
    input_tokens, output_tokens : int
        Mean length of a prompt and of an answer [tokens].
    concurrency : int
        Requests at once.
    prefix_tokens : int
        Of a prompt, those that all requests share [tokens].
    request_rate : float
        Requests that are sent each second, whether others are answered or not [requests/s].
    """

    input_tokens: int = 0
    output_tokens: int = 0
    concurrency: int = 0
    prefix_tokens: int = 0
    request_rate: float = 0.0


class Bench(NamedTuple):
    """A benchmark's command, read.

    Attributes
    ----------
    name : str
        How the tool is called.
    engine : str
        The engine's family; "" where it does not say.
    starts : bool
        Whether it starts the engine itself.
    words : tuple of str
        The engine's own options, and the model.
    load : Load
        What it asks.
    said : tuple of str
        What was taken, and what it leaves open.
    """

    name: str
    engine: str
    starts: bool
    words: tuple[str, ...]
    load: Load
    said: tuple[str, ...]


@dataclass(frozen=True)
class Tool:
    """How a tool spells a load.

    Parameters
    ----------
    name : str
        How people call it.
    engine : str
        Whose it is; "" for any.
    fields : mapping of str to str
        The part of a load by the option that states it.
    starts : bool
        Whether it starts the engine itself.
    usual : mapping of str to int
        What stands for a part that is not stated.
    data : str
        Where no dataset is named, the one that is taken.
    own : tuple of str
        Its own options that take a value and state no load; `switches` take none.
    renamed : mapping of str to str
        Options of the engine that it spells in a way of its own.
    """

    name: str
    engine: str
    fields: Mapping[str, str]
    starts: bool = False
    usual: Mapping[str, int] = field(default_factory=dict)
    data: str = "random"
    own: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


# Parts of a load, by the option.
VLLM = {
    **{"random-input-len": "prompt", "input-len": "prompt"},
    **{"random-output-len": "answer", "output-len": "answer"},
    **{"random-prefix-len": "prefix", "prefix-len": "prefix"},
    **{"max-concurrency": "users", "request-rate": "rate", "num-prompts": "requests"},
    **{"dataset-name": "data", "random-range-ratio": "range", "burstiness": "bursts"},
    **{"sharegpt-output-len": "answer", "custom-output-len": "answer", "hf-output-len": "answer"},
}
SGLANG = {
    **{"random-input-len": "prompt", "random-output-len": "answer"},
    **{"max-concurrency": "users", "request-rate": "rate", "num-prompts": "requests"},
    **{"dataset-name": "data", "random-range-ratio": "range", "sharegpt-output-len": "answer"},
    **{"gsp-system-prompt-len": "prefix", "gsp-question-len": "question"},
    "gsp-output-len": "shared_answer",
}
BATCH = {"batch-size": "users", "input-len": "prompt", "output-len": "answer"}
AIPERF = {
    **{"synthetic-input-tokens-mean": "prompt", "isl": "prompt", "input-tokens-mean": "prompt"},
    **{"output-tokens-mean": "answer", "osl": "answer", "prompt-input-tokens-mean": "prompt"},
    **{"concurrency": "users", "request-rate": "rate", "shared-system-prompt-length": "prefix"},
}
GUIDELLM = {"data": "data", "rate-type": "kind", "profile": "kind", "rate": "rates"}
THOUSAND, RANDOM = {"requests": 1000}, {"prompt": 1024, "answer": 128}
OFFLINE_OWN = (
    *("backend", "dataset-path", "n", "hf-max-batch-size", "output-json", "lora-path"),
    *("lora-assignment", "hf-subset", "hf-split", "hf-name", "num-warmups", "random-batch-size"),
    *("num-iters", "num-iters-warmup", "prequeue-requests", "result-filename", "run-name"),
    *("prompt-filename", "cut-len", "log-decode-step", "profile-activities", "profile-stage"),
    *("profile-prefix", "profile-start-step", "profile-steps", "extra-request-body"),
    *("sharegpt-context-len", "gsp-num-groups", "gsp-prompts-per-group", "prompt-suffix"),
    *("prefix-repetition-num-prefixes", "logprob-start-len", "client-stream-interval"),
    *("base-url", "input-len-list", "cache-hit-rate", "local-tokenizer-path", "profile-output-dir"),
)
OFFLINE_SWITCHES = (
    *("profile", "disable-detokenize", "async-engine", "use-beam-search", "no-oversample"),
    *("hf-enable-torch-compile", "enable-multimodal-chat", "correctness-test", "skip-warmup"),
    *("profile-record-shapes", "do-not-exit", "return-logprob", "apply-chat-template"),
    *("disable-ignore-eos", "show-report", "profile-by-stage", "parallel-batch"),
    *("skip-token-capacity-check", "no-append-to-github-summary"),
)
TRTLLM = {
    **{"target-input-len": "prompt", "target-output-len": "answer", "concurrency": "users"},
    **{"num-requests": "requests"},
}
TRTLLM_OWN = (
    *("dataset", "eos-id", "modality", "max-input-len", "warmup", "report-json", "iteration-log"),
    *("output-json", "request-json", "scheduler-policy", "workspace", "engine-dir", "beam-width"),
    *("medusa-choices", "sampler-options", "data-random-seed", "log-level"),
)
TRTLLM_RENAMED = {
    **{"tp": "tp_size", "pp": "pp_size", "ep": "ep_size", "m": "model"},
    "kv-cache-free-gpu-mem-fraction": "kv_cache_free_gpu_memory_fraction",
}

VLLM_SERVE = Tool("vllm bench serve", "vllm", VLLM, usual=RANDOM | THOUSAND)
VLLM_OLD = Tool("benchmark_serving.py", "", VLLM, usual=RANDOM | THOUSAND, data="sharegpt")
SGLANG_SERVE = Tool(
    *("sglang.bench_serving", "sglang", SGLANG),
    usual=THOUSAND | {"prompt": 1024, "answer": 1024},
    data="sharegpt",
)


def _starting(name: str, engine: str, fields: Mapping[str, str], **more: Any) -> Tool:
    return Tool(name, engine, fields, True, own=OFFLINE_OWN, switches=OFFLINE_SWITCHES, **more)


VLLM_THROUGHPUT = _starting("vllm bench throughput", "vllm", VLLM, usual=THOUSAND, data="sharegpt")
VLLM_LATENCY = _starting(
    "vllm bench latency", "vllm", BATCH, usual={"prompt": 32, "answer": 128, "users": 8}
)
SGLANG_OFFLINE = _starting(
    *("sglang.bench_offline_throughput", "sglang", SGLANG),
    usual=THOUSAND | {"prompt": 1024, "answer": 1024},
    data="sharegpt",
)
SGLANG_BATCH = _starting(
    *("sglang.bench_one_batch", "sglang", BATCH), usual={"prompt": 1024, "answer": 16, "users": 1}
)
TRTLLM_BENCH = Tool(
    *("trtllm-bench", "trtllm", TRTLLM, True),
    data="a file",
    own=TRTLLM_OWN,
    switches=("streaming", "enable-chunked-context", "no-weights-loading", "help"),
    renamed=TRTLLM_RENAMED,
)
TRTLLM_SERVE = Tool("benchmark_serving", "trtllm", VLLM, usual=RANDOM | THOUSAND, data="sharegpt")
# What a tool's words begin with; the first that fits is it.
TOOLS: tuple[tuple[tuple[str, ...], Tool], ...] = (
    (("vllm", "bench", "serve"), VLLM_SERVE),
    (("vllm", "bench", "throughput"), VLLM_THROUGHPUT),
    (("vllm", "bench", "latency"), VLLM_LATENCY),
    (("benchmark_throughput.py",), VLLM_THROUGHPUT),
    (("benchmark_latency.py",), VLLM_LATENCY),
    (("benchmark_serving.py",), VLLM_OLD),
    (("-m", "sglang.bench_serving"), SGLANG_SERVE),
    (("-m", "sglang.benchmark.serving"), SGLANG_SERVE),
    (("bench_serving.py",), SGLANG_SERVE),
    (("-m", "sglang.bench_offline_throughput"), SGLANG_OFFLINE),
    (("-m", "sglang.benchmark.offline_throughput"), SGLANG_OFFLINE),
    (("-m", "sglang.bench_one_batch_server"), SGLANG_BATCH),
    (("-m", "sglang.benchmark.one_batch_server"), SGLANG_BATCH),
    (("-m", "sglang.bench_one_batch"), SGLANG_BATCH),
    (("-m", "sglang.benchmark.one_batch"), SGLANG_BATCH),
    (("-m", "sglang.bench_latency"), SGLANG_BATCH),
    (("-m", "tensorrt_llm.serve.scripts.benchmark_serving"), TRTLLM_SERVE),
    (("trtllm-bench",), TRTLLM_BENCH),
    (("aiperf", "profile"), Tool("aiperf", "", AIPERF, data="")),
    (("genai-perf", "profile"), Tool("genai-perf", "", AIPERF, data="")),
    (("guidellm", "benchmark"), Tool("guidellm", "", GUIDELLM, data="")),
)
# A backend of a client, and the engine that it speaks of.
BACKENDS = {"vllm": "vllm", "sglang": "sglang", "trt": "trtllm", "tensorrt-llm": "trtllm"}
MODELS = ("model", "model-path", "m", "model-names", "model-name")
RANDOM_DATA = ("random", "random-ids", "random-mm", "random-image", "synthetic")


def of_words(words: list[str]) -> Bench | None:
    """Read the words of a command as a benchmark's.

    Parameters
    ----------
    words : list of str
        As a shell hands them over.

    Returns
    -------
    Bench or None
        None where it is none.

    Raises
    ------
    BadInput
        When a length or a number of requests is none.

    Examples
    --------
    >>> one = of_words("vllm bench serve --model Qwen/Qwen3-8B --max-concurrency 32".split())
    >>> one.words, one.load.input_tokens, one.load.concurrency
    (('--model', 'Qwen/Qwen3-8B'), 1024, 32)
    """
    for at in range(min(len(words), 40)):
        for begins, tool in TOOLS:
            some = [re.split(r"[/\\]", words[at])[-1], *words[at + 1 : at + len(begins)]]
            if tuple(some) == begins:
                return _read(tool, words[at + len(begins) :])
    return None


def _read(tool: Tool, words: list[str]) -> Bench:
    stated, rest = _parted(tool, words)
    said, engine = list[str](), tool.engine
    backend = stated.pop("backend", "")
    if not tool.starts:
        named = BACKENDS.get(re.sub(r"-(?:chat|native|oai.*)$", "", backend))
        engine = named or engine
        open_ = f"{tool.name} measures a server that is launched apart"
        said.append(f"{open_}: without that command, the engine's own settings are taken")
    load = _load(tool, stated, said)
    return Bench(tool.name, engine, tool.starts, tuple(rest), load, tuple(said))


def _parted(tool: Tool, words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The parts of the load that are stated, and the words that are the engine's."""
    stated, rest, at = dict[str, str](), list[str](), 0
    while at < len(words):
        word, at = words[at], at + 1
        if not OPTION.match(word):
            if word == "latency":  # of trtllm-bench, which sends one request after another
                stated.setdefault("users", "1")
            elif tool.starts and not tool.renamed:
                rest.append(word)
            continue
        flag, equals, value = word.partition("=")
        name = flag.lstrip("-").replace("_", "-")
        values = [value] if equals else []
        while not equals and at < len(words) and not OPTION.match(words[at]):
            if name in tool.switches or (values and tool.starts and not _numbers(words[at])):
                break
            values.append(words[at])
            at += 1
        part = _part(tool, name)
        if part:
            stated[part] = " ".join(values)
        elif name in MODELS and values:
            rest += ["--model", values[0]]
        elif name == "backend" and values and not tool.starts:
            stated["backend"] = values[0]
        elif tool.starts and name not in (*tool.own, *tool.switches):
            rest += [f"--{tool.renamed[name]}" if name in tool.renamed else flag, *values]
    return stated, rest


def _numbers(word: str) -> bool:
    return bool(re.fullmatch(r"[\d.,]+", word))


def _part(tool: Tool, name: str) -> str:
    """The part of a load that an option states, by its name or the beginning of one."""
    if name in tool.fields:
        return tool.fields[name]
    begun = {part for one, part in tool.fields.items() if len(name) > 4 and one.startswith(name)}
    return begun.pop() if len(begun) == 1 else ""


def _load(tool: Tool, stated: dict[str, str], said: list[str]) -> Load:
    data = stated.get("data", tool.data)
    if tool.fields is GUIDELLM:
        stated, data = _of_guidellm(stated, said), "random"
    if data.startswith("generated-shared-prefix"):
        return _shared(tool, stated, said)
    lengths = {name: _whole(tool, name, stated, said) for name in ("prompt", "answer", "prefix")}
    usual = dict(tool.usual)
    drawn = data in RANDOM_DATA or (tool.starts and lengths["prompt"] > 0)
    if not drawn:
        usual = {k: v for k, v in usual.items() if k not in ("prompt", "answer")}
    if not drawn and data:
        lengths["prompt"] = 0 if tool is not TRTLLM_BENCH else lengths["prompt"]
        if not lengths["prompt"]:
            said.append(f"the lengths are those of {printable(data, 40)}, which are not read here")
    prompt = lengths["prompt"] or usual.get("prompt", 0)
    answer = lengths["answer"] or usual.get("answer", 0)
    if tool.fields is SGLANG and drawn:
        prompt, answer = _drawn(prompt, answer, stated, said)
    users, rate = _users(tool, stated, said)
    prefix = lengths["prefix"]
    return Load(prompt + prefix if prompt else 0, answer, users, prefix, rate)


def _drawn(prompt: int, answer: int, stated: dict[str, str], said: list[str]) -> tuple[int, int]:
    """Mean lengths, which SGLang draws between a share of what is asked and all of it.

    sglang/benchmark/datasets/common.py, `compute_random_lens`: evenly, the share is 0 by default.
    """
    share = typed_number(stated.get("range", "0"))
    if share is None or not 0 <= share <= 1:
        return prompt, answer
    means = [round((max(int(most * share), 1) + most) / 2) for most in (prompt, answer)]
    if share < 1:
        why = f"lengths are drawn between {share:g} of what is asked and all of it"
        said.append(f"{why}: their means are taken, {means[0]:,} and {means[1]:,} tokens")
    return means[0], means[1]


def _shared(tool: Tool, stated: dict[str, str], said: list[str]) -> Load:
    """SGLang's prompts with a start that a group shares, of which one is read as all of them."""
    usual = {"prefix": 2048, "question": 128, "shared_answer": 256}
    parts = {name: _whole(tool, name, stated, said) or most for name, most in usual.items()}
    users, rate = _users(tool, stated, said)
    said.append("the prompts share their start by groups: read as shared by all")
    return Load(
        parts["prefix"] + parts["question"], parts["shared_answer"], users, parts["prefix"], rate
    )


def _users(tool: Tool, stated: dict[str, str], said: list[str]) -> tuple[int, float]:
    """Requests at once, or those that are sent each second."""
    users = _whole(tool, "users", stated, said) or tool.usual.get("users", 0)
    text = stated.get("rate", "inf")
    rate = typed_number(text) or 0.0
    if users:
        if rate:
            said.append(f"at most {users:,} requests are at once: so many are taken")
        return users, 0.0
    if rate > 0:
        said.append(f"{rate:g} requests are sent each second: how many are at once follows")
        if told := evenness(typed_number(stated.get("bursts", "1"))):
            said.append(told)
        return 0, float(rate)
    if text.strip().lower() not in ("inf", "infinity", ""):
        said.append(f"the rate is {printable(text, 20)}, which is not known here")
        return 0, 0.0
    requests = _whole(tool, "requests", stated, said) or tool.usual.get("requests", 0)
    if requests and "users" not in stated:
        sent = counted(requests, "request")
        said.append(f"{sent} are sent at once, as nothing limits them: so many users are taken")
        return requests, 0.0
    return 0, 0.0


def _whole(tool: Tool, name: str, stated: dict[str, str], said: list[str]) -> int:
    """A number of the load; of several the largest, and 0 of what a shell fills in."""
    text = stated.get(name, "").strip()
    if not text or text == "-1":
        return 0
    if "$" in text or "%" in text:
        said.append(f"{printable(text, 20)} is a variable, which is not known here")
        return 0
    several = [typed_number(one) for one in re.split(r"[,\s]+", text) if one]
    flag = next((f"--{option}" for option, part in tool.fields.items() if part == name), "--rate")
    good = [one for one in several if one is not None and one == int(one) and 0 <= one <= MOST]
    if len(good) < len(several) or not good:
        raise BadInput(flag, f"{flag} is {printable(text, 40)!r}: it takes a whole number.")
    if len(good) > 1:
        said.append(f"{flag} is {len(good)} values: the largest is taken")
    return int(max(good))


def _of_guidellm(stated: dict[str, str], said: list[str]) -> dict[str, str]:
    """GuideLLM's own words: `--data prompt_tokens=256,output_tokens=128`, and a kind of rate."""
    found = dict[str, str]()
    pairs = re.findall(r"(\w+)[\"']?\s*[=:]\s*[\"']?(\d+)", stated.get("data", ""))
    for option, value in pairs:
        part = {"prompt_tokens": "prompt", "output_tokens": "answer"}.get(option, "")
        found |= {part: value} if part else {}
    kind, rates = stated.get("kind", ""), stated.get("rates", "")
    if kind in ("concurrent", "throughput") and rates:
        found["users"] = rates
    elif kind in ("constant", "poisson", "async") and rates:
        found["rate"] = re.split(r"[,\s]", rates)[0]
    elif kind == "synchronous":
        found["users"] = "1"
    elif kind:
        said.append(f"GuideLLM looks for the load itself ({printable(kind, 20)})")
    return found
