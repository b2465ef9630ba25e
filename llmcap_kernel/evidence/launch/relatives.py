"""Commands of programs that run as another engine does: Ollama, TGI and LMDeploy.

Ollama runs llama.cpp. TGI and LMDeploy serve as vLLM does, and their own times are not known here.
Each command is written in the options of the engine that it is read as; what has no such option is
named.
Names: Ollama's `envconfig/config.go` and `docs/modelfile.mdx`; TGI's `launcher/src/main.rs`;
LMDeploy's `cli/serve.py`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...catalog.names import QAT_QUANT, USUAL_QUANT
from ...refuse import BadInput, printable, shown

# An option, and the one of the engine that means the same; "" for one that changes no prediction.
TGI = {
    **{"--model-id": "--model", "--num-shard": "--tensor-parallel-size"},
    **{
        "--quantize": "--quantization",
        "--dtype": "--dtype",
        "--kv-cache-dtype": "--kv-cache-dtype",
    },
    **{"--max-total-tokens": "--max-model-len", "--max-batch-size": "--max-num-seqs"},
    **{"--max-batch-prefill-tokens": "--max-num-batched-tokens"},
    **{"--cuda-memory-fraction": "--gpu-memory-utilization"},
    **dict.fromkeys(("--revision", "--port", "--hostname", "--shard-uds-path"), ""),
    **dict.fromkeys(("--master-addr", "--master-port", "--trust-remote-code", "--json-output"), ""),
    **dict.fromkeys(("--huggingface-hub-cache", "--weights-cache-override", "--env"), ""),
    **dict.fromkeys(("--otlp-endpoint", "--cors-allow-origin", "--api-key", "--usage-stats"), ""),
    **dict.fromkeys(("--tokenizer-config-path", "--disable-grammar-support"), ""),
}
LMDEPLOY = {
    **{"--tp": "--tensor-parallel-size", "--dp": "--data-parallel-size"},
    **{"--session-len": "--max-model-len", "--max-batch-size": "--max-num-seqs"},
    **{"--model-format": "--quantization", "--dtype": "--dtype"},
    **{"--max-prefill-token-num": "--max-num-batched-tokens"},
    **{"--cache-block-seq-len": "--block-size", "--quant-policy": "--kv-cache-dtype"},
    **dict.fromkeys(("--server-name", "--server-port", "--model-name", "--api-keys", "--ssl"), ""),
    **dict.fromkeys(("--chat-template", "--log-level", "--revision", "--download-dir"), ""),
    **dict.fromkeys(("--tool-call-parser", "--reasoning-parser", "--allow-origins"), ""),
}
VALUES = {
    "--quantize": {
        "bitsandbytes": "bnb-8bit",
        "bitsandbytes-nf4": "nf4",
        "bitsandbytes-fp4": "nf4",
    },
    "--model-format": {"hf": ""},
    "--quant-policy": {"0": "", "4": "int4", "8": "int8"},
}
SWITCHES = ("--trust-remote-code", "--json-output", "--env", "--ssl", "--disable-grammar-support")
TGI_ENV = {
    **{"MODEL_ID": "--model-id", "NUM_SHARD": "--num-shard", "QUANTIZE": "--quantize"},
    **{"DTYPE": "--dtype", "MAX_TOTAL_TOKENS": "--max-total-tokens"},
    **{"KV_CACHE_DTYPE": "--kv-cache-dtype", "MAX_BATCH_SIZE": "--max-batch-size"},
    **{"MAX_BATCH_PREFILL_TOKENS": "--max-batch-prefill-tokens"},
    **{"CUDA_MEMORY_FRACTION": "--cuda-memory-fraction"},
}
# Ollama's parameters of a model, and variables of its server.
OLLAMA = {"num_ctx": "context", "num_gpu": "--gpu-layers", "num_batch": "--ubatch-size"}
CONTEXT_BY_CARD = "the context is not said: Ollama goes by the memory of the cards"
OLLAMA_ENV = {"OLLAMA_CONTEXT_LENGTH": "context", "OLLAMA_NUM_PARALLEL": "--parallel"}
# What no number here rests on: sampling, and how the server is reached and told of.
OLLAMA_QUIET = re.compile(
    r"temperature|top_[kp]|min_p|seed|stop|repeat_\w+|num_predict|num_keep|mirostat\w*|typical_p|"
    r"(?:presence|frequency)_penalty|OLLAMA_(?:HOST|ORIGINS|MODELS|DEBUG|KEEP_ALIVE|MAX_QUEUE|"
    r"NOPRUNE|NOHISTORY|LOAD_TIMEOUT|MAX_LOADED_MODELS|FLASH_ATTENTION|REMOTES|AUTH)"
)
QUANT = re.compile(r"(?<![a-z0-9])((?:i?q|tq)\d\w*|mxfp4|fp16|bf16)$", re.I)
MODELFILE = re.compile(r"^\s*FROM\s+(\S+)", re.I | re.M)
PARAMETER = re.compile(r"^\s*PARAMETER\s+(\w{1,40})\s+(\S{1,40})", re.I | re.M)
OF_A_MODELFILE = re.compile(r"^\s*(?:PARAMETER|TEMPLATE|SYSTEM|ADAPTER|MESSAGE|LICENSE)\s", re.M)
OF_A_DOCKERFILE = re.compile(r"^\s*(?:RUN|CMD|COPY|ENTRYPOINT|ENV|ARG|WORKDIR|EXPOSE)\s", re.M)


class Translated(NamedTuple):
    """A command in the options of the engine that it is read as.

    Attributes
    ----------
    engine : str
        The engine's family.
    words : tuple of str
        Its options.
    said : tuple of str
        What was taken, and what has no such option.
    spelled : tuple of tuple of str
        An option of the engine, and how the command spells it.
    """

    engine: str
    words: tuple[str, ...]
    said: tuple[str, ...]
    spelled: tuple[tuple[str, str], ...] = ()


def of_words(words: list[str], env: Mapping[str, str]) -> Translated | None:
    """Translate the words of a command.

    Parameters
    ----------
    words : list of str
        As a shell hands them over.
    env : mapping
        Variables set for it.

    Returns
    -------
    Translated or None
        None where it starts no such program.

    Examples
    --------
    >>> of_words(["ollama", "run", "llama3.3:70b"], {"OLLAMA_NUM_PARALLEL": "2"}).words
    ('--hf-repo', 'llama3.3-70b:Q4_K_M', '--parallel', '2')
    >>> of_words(["text-generation-launcher", "--model-id", "a/b", "--num-shard=2"], {}).words
    ('--model', 'a/b', '--tensor-parallel-size', '2')
    """
    for at, word in enumerate(words):
        base, rest = re.split(r"[/\\]", word)[-1].removesuffix(".exe"), words[at + 1 :]
        if base == "ollama" and rest[:1] and rest[0] in ("run", "pull", "serve", "start"):
            bare = [one for one in rest[1:] if not one.startswith("-")]
            return _ollama(bare[0] if rest[0] in ("run", "pull") and bare else "", {}, env)
        if base == "text-generation-launcher":
            return _tgi(rest, env)
        if base == "lmdeploy" and rest[:2] == ["serve", "api_server"]:
            return _served("LMDeploy", LMDEPLOY, rest[2:])
    return None


def names_a_model(words: tuple[str, ...]) -> bool:
    """Say whether a translated command names the model; a server of Ollama's does not.

    Parameters
    ----------
    words : tuple of str
        Its options.

    Returns
    -------
    bool
        Whether it does.
    """
    return any(word in ("--model", "--hf-repo") for word in words)


def of_image(image: str, words: list[str], env: Mapping[str, str]) -> Translated | None:
    """Translate what a container of TGI or Ollama is handed.

    Parameters
    ----------
    image : str
        Its image, with its tag.
    words : list of str
        What it is handed.
    env : mapping
        Variables set in it.

    Returns
    -------
    Translated or None
        None for another image.
    """
    name = image.lower()
    if "text-generation-inference" in name:
        return _tgi(words, env)
    return _ollama("", {}, env) if name.split(":")[0].endswith("ollama/ollama") else None


def of_modelfile(text: str) -> Translated | None:
    """Translate a Modelfile of Ollama.

    Parameters
    ----------
    text : str
        Whatever was pasted.

    Returns
    -------
    Translated or None
        None where it is none.

    Examples
    --------
    >>> of_modelfile("FROM qwen3:8b-q8_0\\nPARAMETER num_ctx 8192").words
    ('--hf-repo', 'qwen3-8b:q8_0', '--parallel', '1', '--ctx-size', '8192')
    """
    begins = MODELFILE.search(text)
    plain = begins and (OF_A_MODELFILE.search(text) or begins[1].endswith(".gguf"))
    if not begins or not plain or OF_A_DOCKERFILE.search(text):
        return None
    return _ollama(begins[1], dict(PARAMETER.findall(text)), {})


def _ollama(model: str, parameters: Mapping[str, str], env: Mapping[str, str]) -> Translated:
    words, said = _file(model), ["Ollama runs llama.cpp, and is read as it"]
    if model and words[0] == "--hf-repo" and not QUANT.search(model):
        said.append(f"the file of {model} is not said: {words[1].rpartition(':')[2]} taken")
    named = [(OLLAMA_ENV.get(k, ""), k, v) for k, v in env.items() if k.startswith("OLLAMA_")]
    named += [(OLLAMA.get(k.lower(), ""), k, v) for k, v in parameters.items()]
    values = {option: value for option, _, value in named if option and value}
    slots = values.get("--parallel", "1")
    words += ["--parallel", slots]
    if "context" in values:
        # of each slot; llama.cpp's own option is of all slots
        context = _whole(named, values, "context")
        words += ["--ctx-size", str(context * max(_whole(named, values, "--parallel"), 1))]
    else:
        said.append(CONTEXT_BY_CARD)
    for option in ("--gpu-layers", "--ubatch-size"):
        words += [option, values[option]] if option in values else []
    if "--ubatch-size" in values:  # num_batch is both
        words += ["--batch-size", values["--ubatch-size"]]
    if kv := env.get("OLLAMA_KV_CACHE_TYPE"):
        words += ["--cache-type-k", kv, "--cache-type-v", kv]
    left = [k for option, k, _ in named if not option and not OLLAMA_QUIET.fullmatch(k)]
    left = [k for k in left if k != "OLLAMA_KV_CACHE_TYPE"]
    return Translated("llama.cpp", tuple(words), (*said, *_not_counted("Ollama", left)))


def _whole(named: list[tuple[str, str, str]], values: Mapping[str, str], option: str) -> int:
    """A number of Ollama's, which takes no letter behind it."""
    text = values.get(option, "1")
    if not text.isdecimal() or len(text) > 12:
        name = next(name for one, name, _ in reversed(named) if one == option)
        raise BadInput(name, f"{name} is {shown(text)}: it takes a whole number.")
    return int(text)


def _file(model: str) -> list[str]:
    """A model of Ollama's library, of a repository or in a file."""
    if not model or model.endswith(".gguf"):
        return ["--model", model] if model else []
    if model.startswith(("hf.co/", "huggingface.co/")):
        return ["--hf-repo", model.partition("/")[2]]
    name, _, tag = model.rpartition("/")[2].partition(":")
    found = QUANT.search(tag)
    rest = (tag[: found.start()] if found else tag).strip("-").replace("latest", "")
    usual = QAT_QUANT if "qat" in tag else "MXFP4" if name == "gpt-oss" else USUAL_QUANT
    named = "-".join(filter(None, (name, rest.removesuffix("-qat"))))
    return ["--hf-repo", f"{named}:{found[0] if found else usual}"]


def _tgi(words: list[str], env: Mapping[str, str]) -> Translated:
    set_ones = [w for k, option in TGI_ENV.items() if k in env for w in (option, env[k])]
    return _served("TGI", TGI, [*set_ones, *words])


def _served(program: str, options: Mapping[str, str], words: list[str]) -> Translated:
    """The words in vLLM's options."""
    out: list[str] = []
    left: list[str] = []
    spelled: list[tuple[str, str]] = []
    for flag, value in _pairs(words):
        if not flag:
            out += ["--model", value]
        elif flag not in options:
            left.append(flag)
        elif options[flag] and (meant := VALUES.get(flag, {}).get(value, value)):
            out += [options[flag], meant]
            spelled.append((options[flag], flag))
    said = f"{program} is read as vLLM: its own times are not known"
    notes = (said, *_not_counted(program, left))
    return Translated("vllm", tuple(out), notes, tuple(spelled))


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values; "" before a word that is none of an option's."""
    at = 0
    while at < len(words):
        flag, equals, value = words[at].partition("=")
        at += 1
        if not flag.startswith("-"):
            yield "", words[at - 1]
            continue
        flag = flag.replace("_", "-")
        if not equals and flag not in SWITCHES and at < len(words) and words[at][:1] != "-":
            value, at = words[at], at + 1
        yield flag, value


def _not_counted(program: str, flags: list[str]) -> tuple[str, ...]:
    listed = ", ".join(dict.fromkeys(flags))
    return (f"not counted of {program}: {printable(listed, 200)}",) if flags else ()
