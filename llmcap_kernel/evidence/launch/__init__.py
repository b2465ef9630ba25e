"""The command that launches an engine, read as a deployment.

It comes from a shell, from `docker run`, or from a manifest of Kubernetes or Compose, of vLLM,
SGLang, TensorRT-LLM or llama.cpp; those of Ollama, TGI and LMDeploy are read as theirs. Every
option of it is read, or known to change nothing, or named as unknown: `catalog/flags.toml` lists
them.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from ... import capacity, catalog
from ...catalog import names
from ...explain import GIB, counted, gib
from ...files import unfenced
from ...refuse import BadInput, printable
from ...spec import Deployment, Gpu, Lora, Model, Speculation
from .. import startup
from ..startup import ACCEPT, StartUp
from . import engines, manifest, options, words
from .bench import Load
from .words import Command

TITLES = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM", "llama.cpp": "llama.cpp"}
KNOWN = (
    "vllm serve, python -m vllm.entrypoints.openai.api_server, sglang serve, python -m "
    "sglang.launch_server, trtllm-serve, llama-server, ollama run, text-generation-launcher, "
    "lmdeploy serve, a benchmark of theirs, docker run of their images, a Modelfile, or a manifest"
)
# Where the last command of a log begins.
PROGRAM = re.compile(
    r"(?:vllm serve|vllm\.entrypoints\.\S{1,80}|sglang\.launch_server|sglang serve|trtllm-serve|"
    r"llama-(?:server|cli|bench|batched-bench|sweep-bench|perplexity)(?:\.exe)?)(?=\s)"
)
HELM = re.compile(r"(?:^|\n|;|&&)\s*(?:sudo\s+)?helm\s+(?:install|upgrade|template)\s")
LONGEST = 20_000  # characters of a command within a log
DRAFTED = {"vllm": 1, "sglang": 3, "llama.cpp": 3, "trtllm": 1}  # tokens, where none are said
HEADS = ("eagle", "medusa", "mlp", "dflash", "dspark", "hydra")
# Tokens of a step by those of a server, where vLLM runs within a program: engine/arg_utils.py,
# `get_batch_defaults`, UsageContext.LLM_CLASS.
OFFLINE_TOKENS = {2048: 8192}
WITHOUT_DRAFT = ("gram", "suffix", "lookup")
SHOWN = 8  # options that a line names
# Variables of an engine by how they begin, and those of them that no number here rests on.
VARIABLES = {
    "vllm": ("VLLM_",),
    "sglang": ("SGLANG_", "SGL_"),
    "trtllm": ("TRTLLM_", "TLLM_"),
    "llama.cpp": ("LLAMA_ARG_", "GGML_"),
}
QUIET = re.compile(
    r"\w*?_(?:LOG\w*|HOST\w*|PORT|API_KEY|CACHE_ROOT|CACHE_DIR|\w*USAGE\w*|\w*DEBUG\w*|\w*TIMEOUT\w*|"
    r"\w*TRACE\w*|\w*TRACING\w*|\w*VERSION|USE_MODELSCOPE|WORKER_MULTIPROC_METHOD|\w*PLUGINS|"
    r"CONFIG_ROOT|DO_NOT_TRACK|CONFIGURE_LOGGING|\w*MEDIA\w*|\w*ALIAS|\w*ENDPOINT\w*|THREADS\w*)"
)


class Read(NamedTuple):
    """An option that counts.

    Attributes
    ----------
    flag : str
        As it was written.
    value : str
        Its value, "" for a switch.
    became : str
        What it became.
    """

    flag: str
    value: str
    became: str


class Left(NamedTuple):
    """An option that changes nothing.

    Attributes
    ----------
    flag : str
        As it was written.
    why : str
        Half a sentence.
    """

    flag: str
    why: str


class Unknown(NamedTuple):
    """An option that the engine has not.

    Attributes
    ----------
    flag : str
        As it was written.
    nearest : str
        The nearest that it has; "" where none is near.
    """

    flag: str
    nearest: str


@dataclass(frozen=True)
class Launch:
    """What a command launches; "", 0 and None where it does not say.

    Attributes
    ----------
    engine, version : str
        The engine's family, and its version.
    model, weights, dtype, kv : str
        Names as the command spells them: the model, the format of its weights where it is named,
        the type it computes in, the format of the cache.
    tp, pp, ep, dp : int
        Cards that split a layer, stages, cards that share experts, replicas.
    dp_attention : bool
        Whether the replicas are of attention alone.
    memory_fraction : float or None
        The engine's memory setting.
    max_model_len, max_num_seqs, max_num_batched_tokens, block_size : int or None
        The engine's limits [tokens], and its sequences at once.
    eager : bool or None
        Whether CUDA graphs are turned off.
    mixed_chunk : bool or None
        Of SGLang, whether steps that decode take pieces of prompts along.
    prefix_caching : bool or None
        Whether the starts of prompts are kept.
    speculation, draft : str
        How tokens are guessed, and the model that guesses.
    draft_tokens : int
        Tokens guessed ahead [tokens].
    lora_rank, lora_adapters : int
        Rank and number of adapters.
    offload_gib : float or None
        Weights of a card that are kept in the host's memory [GiB].
    kv_pool_bytes : int or None
        Cache of a card, in place of what the memory setting leaves [bytes].
    kv_pool_tokens : int or None
        The most tokens that the cache of a copy may hold [tokens].
    dcp : int
        Cards over which the tokens of a sequence's cache are spread while decoding.
    overrides : str
        Changes of the model's config, as JSON.
    host_experts : int
        Of llama.cpp, layers whose experts are in the host's memory; -1 for all.
    experts_placed : tuple of int
        The same by the index of the layer, as `--override-tensor` says it; beyond a model's too.
    layers_on_cards : int or None
        Of llama.cpp, the layers that are on the cards.
    num_gpus : int
        Cards that it may see.
    gpu : str
        Their name, where a manifest selects it.
    copies : int
        Replicas of all that, as a manifest asks for.
    offline : bool
        Whether a program starts the engine, and no server.
    load : Load or None
        What a benchmark beside it asks.
    read : tuple of Read
        Options that count.
    no_effect : tuple of Left
        Options that nothing predicted rests on.
    not_counted : tuple of Left
        Options that may matter, and for which the law has no term.
    unknown : tuple of Unknown
        Options that the engine has not.
    notes : tuple of str
        What was taken where the command leaves something open.
    """

    engine: str
    version: str = ""
    model: str = ""
    weights: str = ""
    dtype: str = ""
    kv: str = ""
    tp: int = 1
    pp: int = 1
    ep: int = 0
    dp: int = 1
    dp_attention: bool = False
    memory_fraction: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    eager: bool | None = None
    mixed_chunk: bool | None = None
    prefix_caching: bool | None = None
    speculation: str = ""
    draft: str = ""
    draft_tokens: int = 0
    lora_rank: int = 0
    lora_adapters: int = 0
    offload_gib: float | None = None
    kv_pool_bytes: int | None = None
    kv_pool_tokens: int | None = None
    dcp: int = 1
    overrides: str = ""
    host_experts: int = 0
    experts_placed: tuple[int, ...] = ()
    layers_on_cards: int | None = None
    num_gpus: int = 0
    gpu: str | Gpu = ""
    copies: int = 1
    offline: bool = False
    load: Load | None = None
    read: tuple[Read, ...] = ()
    no_effect: tuple[Left, ...] = ()
    not_counted: tuple[Left, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def understood(self) -> str:
        """What it launches, in one line."""
        usual = {"tp": 1, "pp": 1, "dp": 1, "dcp": 1, "copies": 1}
        values = {name: getattr(self, name) for name in PHRASES}
        parts = [
            PHRASES[name].format(_plain(value), s="" if value == 1 else "s")
            for name, value in values.items()
            if value not in ("", 0, None) and value != usual.get(name)
        ]
        parts += self._on_the_host()
        parts += [text for name, text in SWITCHED.items() if getattr(self, name) is True]
        parts += ["no prefix cache"] if self.prefix_caching is False else []
        changed = ", ".join(json.loads(self.overrides)) if self.overrides else ""
        parts += [f"config changed: {printable(changed, 80)}"] if changed else []
        parts += self._asked()
        named = f"{TITLES[self.engine]} {self.version}".strip()
        return ", ".join([named, *parts])

    def _asked(self) -> list[str]:
        """What a benchmark asks."""
        load = self.load or Load()
        said = (
            (load.input_tokens, f"prompts of {load.input_tokens:,} tokens"),
            (load.prefix_tokens, f"{load.prefix_tokens:,} of them shared"),
            (load.output_tokens, f"answers of {load.output_tokens:,}"),
            (load.concurrency, counted(load.concurrency, "user")),
            (load.request_rate, f"{load.request_rate:g} requests a second"),
        )
        return [text for value, text in said if value]

    def _on_the_host(self) -> list[str]:
        """What llama.cpp leaves in the host's memory."""
        parts = []
        if self.host_experts:
            which = "all" if self.host_experts < 0 else f"the first {self.host_experts:,}"
            parts.append(f"experts of {which} layers on the host")
        if self.experts_placed:
            many = len(self.experts_placed)
            which = "all" if many == engines.MOST_LAYERS else "some"
            parts.append(f"experts of {which} layers placed on the host")
        if self.layers_on_cards is not None:
            parts.append(f"at most {counted(self.layers_on_cards, 'layer')} on the cards")
        return parts

    @property
    def summary(self) -> str:
        """All of it in one line: what was read, what changes nothing, what is unknown."""
        left = (("no effect on the prediction", self.no_effect), ("not counted", self.not_counted))
        parts = [f"read: {self.understood}"]
        parts += [f"{head}: {_few([one.flag for one in which])}" for head, which in left if which]
        if self.unknown:
            named = [f"{flag} (nearest {near})" if near else flag for flag, near in self.unknown]
            parts.append(f"unknown to {TITLES[self.engine]}: {_few(named)}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Turn it into plain data.

        Returns
        -------
        dict
            Values that JSON can store; what is not said is left out.
        """
        lists = ("read", "no_effect", "not_counted", "unknown")
        found = {k: v for k, v in asdict(self).items() if v not in ("", 0, None, (), False)}
        found |= {"load": self.load._asdict()} if self.load else {}
        return found | {name: [one._asdict() for one in getattr(self, name)] for name in lists}


PHRASES = {
    "model": "model {}",
    "weights": "weights {}",
    "dtype": "dtype {}",
    "kv": "KV {}",
    "tp": "TP {}",
    "pp": "PP {}",
    "ep": "EP {}",
    "dp": "DP {}",
    "memory_fraction": "memory fraction {}",
    "max_model_len": "{} token{s} a sequence",
    "max_num_seqs": "{} sequence{s}",
    "max_num_batched_tokens": "{} token{s} a step",
    "block_size": "blocks of {}",
    "speculation": "speculation {}",
    "draft": "draft {}",
    "draft_tokens": "{} token{s} ahead",
    "lora_rank": "LoRA rank {}",
    "lora_adapters": "{} adapter{s}",
    "offload_gib": "{} GiB a card on the host",
    "kv_pool_bytes": "{} bytes of cache a card",
    "kv_pool_tokens": "at most {} token{s} of cache",
    "dcp": "DCP {}",
    "num_gpus": "{} card{s} seen",
    "gpu": "card {}",
    "copies": "{} copies",
}
SWITCHED = {
    "eager": "no CUDA graphs",
    "mixed_chunk": "prompts beside decoding",
    "dp_attention": "data-parallel attention",
}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if type(value) is int else str(value)


def _few(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def recognises(text: str) -> bool:
    """Say whether a text launches an engine.

    Parameters
    ----------
    text : str
        Whatever was pasted.

    Returns
    -------
    bool
        Whether it is a command or a manifest that does.

    Examples
    --------
    >>> recognises("docker run --gpus all vllm/vllm-openai --model Qwen/Qwen3-8B")
    True
    >>> recognises('{"model_type": "llama"}'), recognises("Qwen/Qwen3-8B")
    (False, False)
    """
    if len(text) > words.MAX_CHARS:
        return False
    text = _plain_text(text)
    if text.lstrip().startswith("{") and not manifest.recognises(text):
        return False
    try:
        return bool(_commands(text) or words.other(text)[0])
    except BadInput:
        return bool(PROGRAM.search(text))


def _plain_text(text: str) -> str:
    """A pasted text in plain marks, without the fences of a page around what stands in it."""
    return unfenced(words.straight(text)) if len(text) <= words.MAX_CHARS else text


def _commands(text: str) -> list[Command]:
    """Of Helm's values, of a pod's overrides, of a manifest, or else of a shell."""
    if found := manifest.of_helm(text) or manifest.of_overrides(text):
        return found
    try:
        found = manifest.find(text) if manifest.recognises(text) else []
        return found or words.find(text)
    except BadInput:
        found = words.find(text)
        if not found:
            raise
        return found


def read(given: str | Sequence[str]) -> Launch:
    """Read the command that launches an engine.

    Parameters
    ----------
    given : str or list of str
        The command or the manifest as a text, or its words.

    Returns
    -------
    Launch
        What it says.

    Raises
    ------
    BadInput
        When it launches none, or several, or a value cannot be read.

    Examples
    --------
    >>> one = read("vllm serve Qwen/Qwen3-32B-AWQ -tp 4 --max-model-len 32k --port 80 --frob 1")
    >>> one.model, one.tp, one.max_model_len, one.unknown
    ('Qwen/Qwen3-32B-AWQ', 4, 32000, (Unknown(flag='--frob', nearest=''),))
    >>> one.no_effect[0].why
    'where the server listens and how its processes find each other'
    """
    if isinstance(given, str) or len(given) == 1:
        text = given if isinstance(given, str) else given[0]
        found = _commands(_plain_text(text))
    else:
        found = words.of_words(list(given))
    found = words.joined(found)
    if not found:
        raise BadInput("command", _not_read(given if isinstance(given, str) else " ".join(given)))
    if len({_of_any_host(one.words) for one in found}) > 1:
        raise BadInput("command", f"command launches {len(found)} engines: give one of them.")
    try:
        return _launch(found[0])
    except BadInput as problem:
        own = found[0].spelled.get(problem.field, "")
        raise BadInput(own, str(problem).replace(problem.field, own)) if own else problem from None


RANKS = ("--node-rank", "--node_rank", "--data-parallel-start-rank", "--data-parallel-rank")


def _of_any_host(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without those that tell the hosts of one engine apart."""
    pairs = zip(("", *words), words, strict=False)
    return tuple(
        word
        for before, word in pairs
        if before not in RANKS and word.partition("=")[0] not in (*RANKS, "--headless")
    )


def _not_read(text: str) -> str:
    """Why a command is not read, and what to give in its place."""
    name, model, engine = words.other(text)
    if not name and HELM.search(text):
        of_it = "the values that it is given name no engine and model"
        return f"command installs a chart, and {of_it}: give its values.yaml instead."
    if not name:
        return f"command launches no engine known here: it takes {KNOWN}."
    options = f"--model {model or 'NAME'}" + (f" --engine {engine}" if engine in TITLES else "")
    those = "those of vLLM, SGLang, TensorRT-LLM and llama.cpp are"
    return f"command starts {name}, whose options are not read ({those}): give {options} instead."


def _launch(command: Command) -> Launch:
    engine, notes = command.engine, [*command.said, *words.hidden(command.env)]
    if not engine:
        engine = max(options.ENGINES, key=lambda name: options.known(command.words, name))
        notes.append(f"the engine is not named: {TITLES[engine]} taken, whose options these are")
    parsed = options.parse(_with_its_options(command, engine), engine)
    values, read_ones, left = _values(engine, command.env, parsed.given)
    if engine == "trtllm" and command.files:
        values, left = _with_its_file(values, left, command.files, parsed.given)
    found, said, loose = engines.settle(engine, values, parsed.bare)
    tool = engines.of_tool(command.program, command.words)
    if tool:
        found |= tool if command.program in engines.BENCHES else {**tool, **found}
        said = [
            *said,
            f"{command.program} is no server: {counted(found['max_num_seqs'], 'sequence')}",
        ]
    cards, split = found.pop("cards", 0), found.pop("split", "")
    cards = cards or command.num_gpus
    if split:
        found |= {"tp": max(cards, 1)} if split in ("row", "tensor") else {"pp": max(cards, 1)}
    known = {f.name for f in fields(Launch)}
    beyond = [one for one, counts in left if counts]
    launch = Launch(
        engine=engine,
        version=command.version,
        num_gpus=cards,
        gpu=command.gpu,
        copies=command.copies,
        offline=command.offline,
        load=command.load,
        read=tuple(read_ones),
        no_effect=tuple(one for one, counts in left if not counts),
        not_counted=tuple(beyond),
        unknown=tuple(Unknown(*one) for one in [*parsed.unknown, *((w, "") for w in loose)]),
        **{name: value for name, value in found.items() if name in known},
    )
    return replace(launch, notes=(*notes, *said, *_cards_note(launch, bool(split))))


def _values(
    engine: str, env: dict[str, str], given: list[options.Given]
) -> tuple[dict[str, Any], list[Read], list[tuple[Left, bool]]]:
    """Values by field, and the options that gave them or change nothing."""
    of = options.table(engine)
    values: dict[str, Any] = {}
    read_ones: dict[str, Read] = {}
    left: dict[str, tuple[Left, bool]] = {}
    set_ones = [options.Given(var, of["env"][var], env[var]) for var in of["env"] if var in env]
    for one in [*set_ones, *given]:  # an option goes before a variable
        if one.name in of["known"]:
            counts, reason = options.why(of["known"][one.name])
            left[one.name] = (Left(one.flag, reason), counts)
            continue
        field, found = of["read"][one.name]["field"], engines.value(engine, one)
        if isinstance(found, dict) and isinstance(values.get(field), dict):
            found = values[field] | found
        values[field] = found
        became = "left to the engine" if found in (None, "") else f"{field} {_plain(found)}"
        read_ones[one.name] = Read(one.flag, one.value or "", became)
    left |= _variables(engine, env)
    return values, list(read_ones.values()), list(left.values())


def _variables(engine: str, env: dict[str, str]) -> dict[str, tuple[Left, bool]]:
    """The engine's own variables that are set and not read."""
    counts, reason = options.why("variables")
    known = options.table(engine)["env"]
    return {
        name: (Left(name, reason), counts)
        for name in env
        if name.startswith(VARIABLES[engine]) and name not in known and not QUIET.fullmatch(name)
    }


def _with_its_options(command: Command, engine: str) -> tuple[str, ...]:
    """The words with the options of a file of vLLM's or SGLang's that the text writes."""
    said = list(command.words)
    for at, word in enumerate(said):
        flag, equals, value = word.partition("=")
        value = value if equals else "".join(said[at + 1 : at + 2])
        name = value.rpartition("/")[2]
        if flag == "--config" and name in command.files and engine in options.ABBREVIATE:
            (settings,) = manifest.documents(command.files[name])[:1] or ({},)
            own = manifest.options_of(settings) if isinstance(settings, dict) else []
            return (*own, *said[:at], *said[at + (1 if equals else 2) :])  # options go before it
    return command.words


def _with_its_file(
    values: dict[str, Any],
    left: list[tuple[Left, bool]],
    files: dict[str, str],
    given: list[options.Given],
) -> tuple[dict[str, Any], list[tuple[Left, bool]]]:
    """The settings of TensorRT-LLM's file too, where the text writes it; they go before options."""
    for one in given:
        name = (one.value or "").rpartition("/")[2]
        if one.name in ("config", "extra-llm-api-options") and name in files:
            (settings,) = manifest.documents(files[name])[:1] or ({},)
            values = values | engines.of_file(settings if isinstance(settings, dict) else {})
            left = [pair for pair in left if pair[0].flag != one.flag]
    return values, left


def _cards_note(launch: Launch, split: bool) -> list[str]:
    """Where the cards seen are not those used."""
    used = launch.tp * launch.pp * (1 if launch.dp_attention else launch.dp)
    seen = launch.num_gpus
    if split and not seen:
        return ["the cards are not said: 1 taken, and llama.cpp takes all it sees"]
    if not seen or used == seen:
        return []
    if used < seen:
        return [f"{seen} cards are seen and {used} used, as the command splits the model"]
    return [f"the command splits the model over {used} cards, and {seen} are seen"]


def arguments(text: str) -> dict[str, str]:
    """Read the options of the last command in a log, by their names in the table.

    Parameters
    ----------
    text : str
        The log.

    Returns
    -------
    dict of str to str
        Values; "True" and "False" of switches; "model" for the word behind `serve`.

    Examples
    --------
    >>> arguments("$ vllm serve Qwen/Qwen3-8B -tp 2 --no-enable-prefix-caching\\nINFO starts")
    {'model': 'Qwen/Qwen3-8B', 'tensor-parallel-size': '2', 'enable-prefix-caching': 'False'}
    """
    begins = list(PROGRAM.finditer(text))
    if not begins:
        return {}
    begin = begins[-1]
    engine = next(e for e in ("vllm", "sglang", "trtllm", "llama") if e in begin.group())
    engine = "llama.cpp" if engine == "llama" else engine
    rest = text[begin.end() : begin.end() + LONGEST]
    try:
        found = words.split(rest.lstrip(" \t"))
    except BadInput:  # a quote that is not closed
        found = [rest.partition("\n")[0].replace("'", "").replace('"', "").split()]
    parsed = options.parse(tuple(found[0] if found else ()), engine)
    out = {"model": parsed.bare[0]} if parsed.bare and engine in ("vllm", "trtllm") else {}
    for one in parsed.given:
        out[one.name] = one.value if one.value is not None else str(one.on)
    return out


# what it means


def deployment(
    launch: Launch, *, gpu: str | Gpu = "", model: str | Model | None = None, **overrides: Any
) -> Deployment:
    """Build the deployment that a command launches.

    Parameters
    ----------
    launch : Launch
        What the command says.
    gpu : str
        The card, which few commands name.
    model : str or Model, optional
        Another model, or the record of one that the catalogue has not.
    **overrides : object
        Fields of a launch or of a deployment that go before the command's.

    Returns
    -------
    Deployment
        One copy, in the catalogue's names.

    Raises
    ------
    BadInput
        When a name is unknown or the parts do not go together.

    Examples
    --------
    >>> one = read("vllm serve Qwen/Qwen3-32B-AWQ --quantization awq_marlin -tp 2")
    >>> deployment(one, gpu="RTX 4090", max_num_seqs=64).title
    'qwen3-32b int4-awq / 2x rtx-4090 TP-2 / bf16 KV'
    """
    return meant(launch, gpu=gpu, model=model, **overrides)[0]


def meant(
    launch: Launch, *, gpu: str | Gpu = "", model: str | Model | None = None, **overrides: Any
) -> tuple[Deployment, int, tuple[str, ...]]:
    """Build the deployment, count its copies, and say what was taken.

    Parameters
    ----------
    launch : Launch
        What the command says.
    gpu : str
        The card.
    model : str or Model, optional
        Another model.
    **overrides : object
        Fields that go before the command's.

    Returns
    -------
    tuple of (Deployment, int, tuple of str)
        One copy, how many there are, and the assumptions.

    Raises
    ------
    BadInput
        When it means no deployment.

    Examples
    --------
    >>> one = read("vllm serve Qwen/Qwen3-8B -dp 2")
    >>> d, copies, notes = meant(one, gpu="rtx-4090")
    >>> d.num_gpus, copies
    (1, 2)
    """
    own = {f.name for f in fields(Launch)}
    given = {name: value for name, value in overrides.items() if value is not None}
    launch = replace(launch, **{k: v for k, v in given.items() if k in own and k != "engine"})
    launch = replace(launch, gpu=gpu or launch.gpu)
    record = model if isinstance(model, Model) else None
    launch = replace(launch, model=model) if isinstance(model, str) else launch
    record = record or _record(launch.model)
    started, copies, notes = _started(launch, record)
    taken: tuple[str, ...] = ()
    if isinstance(model, Model):
        found = startup.built(started, model)
    else:
        found, taken = startup.meant(started)
        # a command that names no format has the checkpoint's
        taken = tuple(text for text in taken if not text.startswith("weight format not stated"))
    found, changes = _changed(launch, found, bool(record) and isinstance(model, Model))
    guesses, said = _speculation(launch, found.model)
    terms: dict[str, Any] = {
        name: getattr(launch, name)
        for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size")
    }
    if launch.offline and launch.engine == "vllm" and not launch.max_num_batched_tokens:
        terms["max_num_batched_tokens"] = OFFLINE_TOKENS.get(found.limits.batched_tokens, 16_384)
    terms |= {"eager": bool(launch.eager), "mixed_chunk": bool(launch.mixed_chunk)}
    terms |= {"speculation": guesses} | _split_as_asked(started, found)
    by_user = terms.get("dp_attention", found.dp_attention)
    terms["dcp"] = 1 if by_user else launch.dcp
    if launch.lora_rank:
        terms["lora"] = Lora(launch.lora_rank, launch.lora_adapters or 1)
    terms |= {k: v for k, v in given.items() if k not in own}
    if "engine" in given:
        terms["engine"] = catalog.engine(given["engine"])
    found = replace(found, **terms)
    share, on_host = _host_share(launch, found)
    if share and "offload_share" not in given:
        found = replace(found, offload_share=share)
    pinned: list[str] = []
    if launch.kv_pool_bytes and "memory_fraction" not in given:
        fraction, pinned = _pinned_fraction(launch.kv_pool_bytes, found)
        found = replace(found, memory_fraction=fraction)
    elif launch.kv_pool_tokens and "memory_fraction" not in given:
        limit, pinned = _limited_fraction(launch.kv_pool_tokens, found)
        found = replace(found, memory_fraction=limit)
    said = [*changes, *said, *_spread(launch, found)]
    return found, copies, (*launch.notes, *notes, *taken, *said, *on_host, *pinned)


def _changed(launch: Launch, d: Deployment, own: bool) -> tuple[Deployment, list[str]]:
    """The deployment of a model whose config the command changes, as engines merge it."""
    if not launch.overrides:
        return d, []
    changes = json.loads(launch.overrides)
    fields_of_it = printable(", ".join(changes), 80)
    if own or d.model.name not in catalog.models() or d.model.assumed_shape:
        return d, [f"changes of the config are left out, as it is not here: {fields_of_it}"]
    model = catalog.changed(d.model.name, changes)
    model = replace(model, name=d.model.name, notes=d.model.notes)
    if (model.params, model.active_params, model.attention) == (
        *(d.model.params, d.model.active_params, d.model.attention),
    ):
        longer = model.max_context_tokens - d.model.max_context_tokens
        longest = f"up to {counted(model.max_context_tokens, 'token')}"
        became = longest if longer else "nothing that is counted"
    else:
        became = f"{model.params / 1e9:,.3g}B parameters"
    return replace(d, model=model), [f"the config is changed by {fields_of_it}: {became}"]


def _limited_fraction(tokens: int, d: Deployment) -> tuple[float | None, list[str]]:
    """The memory fraction that leaves a cache of so many tokens, where there is room for more.

    SGLang, srt/mem_cache/kv_cache_configurator.py, `_apply_token_constraints`: the fewer of those
    asked for and those that memory has room for, of each replica of attention.
    """
    books = capacity.ledger(d, context_tokens=min(tokens, d.model.max_context_tokens))
    room = books.kv_pool_tokens // d.attention_replicas
    if tokens >= room:
        return d.memory_fraction, [f"a cache of {counted(tokens, 'token')} is not the limit here"]
    taken = books.kv_pool_bytes * (1 - tokens / room) / books.visible_bytes
    fraction = max(d.fraction - taken, 0.05)
    size = counted(tokens, "token")
    return fraction, [f"a cache of {size} is what memory fraction {fraction:.4g} leaves"]


def _spread(launch: Launch, d: Deployment) -> list[str]:
    """What is taken of a cache whose tokens are spread over the cards of a layer."""
    if launch.dcp < 2:
        return []
    if d.dp_attention:
        return [f"DCP {launch.dcp} is not counted beside replicas of attention"]
    spread = f"the tokens of a sequence are spread over {launch.dcp} cards (DCP)"
    return [f"{spread}: what the cards exchange for that is not counted"]


def _pinned_fraction(pool_bytes: int, d: Deployment) -> tuple[float, list[str]]:
    """The memory fraction that leaves a cache of this size, which an engine was told instead.

    vLLM, v1/worker/gpu_worker.py, `determine_available_memory`: the size is taken as it is, and
    the fraction is not looked at.
    """
    books = capacity.ledger(d, context_tokens=1)
    fraction = d.fraction + (pool_bytes - books.kv_pool_bytes) / books.visible_bytes
    size = gib(pool_bytes)
    if fraction > 1:
        return 1.0, [f"a cache of {size} is more than a card has left: counted as all of it"]
    fraction = max(fraction, 0.05)  # the least that a deployment takes
    return fraction, [f"a cache of {size} a card is what memory fraction {fraction:.4g} leaves"]


def _split_as_asked(started: StartUp, d: Deployment) -> dict[str, Any]:
    """The split that the command asks for, where a row of a benchmark would be read kindly."""
    split: dict[str, Any] = {}
    if d.dp_attention and started.dp < 2:
        split["dp_attention"] = False
    if d.model.experts and started.ep > 1 and d.ep != started.ep:
        split["ep"] = started.ep
    return split


def _record(text: str) -> Model | None:
    name = names.model_name(text)
    return catalog.model(name) if name else None


def _started(launch: Launch, model: Model | None) -> tuple[StartUp, int, list[str]]:
    """The same as a start-up, the copies, and what was taken."""
    shape, copies, notes = _shape(launch, model)
    if not launch.model and model is None:
        in_a_file = any(one.flag == "--config" for one in launch.not_counted)
        why = ": the file of --config is not read" if in_a_file else ""
        raise BadInput("model", f"model is not stated{why} (give --model).")
    return (
        StartUp(
            engine=TITLES[launch.engine],
            version=launch.version,
            model=launch.model,
            gpu=launch.gpu,
            weights=launch.weights or _computed_in(launch, model),
            kv=launch.kv or "auto",
            num_gpus=shape["tp"] * shape["pp"],
            memory_fraction=launch.memory_fraction,
            **shape,
        ),
        copies * launch.copies,
        notes,
    )


def _computed_in(launch: Launch, model: Model | None) -> str:
    """The type of `--dtype`, which says nothing of weights that are kept in fewer bits."""
    if launch.dtype in ("", "auto"):
        return ""
    if model is None:
        return launch.dtype
    own = catalog.format(catalog.checkpoint_format(launch.model, model.native_format))
    return launch.dtype if own.bytes_per_element >= 2 else ""


def _shape(launch: Launch, model: Model | None) -> tuple[dict[str, Any], int, list[str]]:
    """Cards of one copy and how they split it; of vLLM experts are spread over the replicas too."""
    shape: dict[str, Any] = {"tp": launch.tp, "pp": launch.pp, "ep": launch.ep, "dp": 0}
    together = launch.engine == "vllm" and model is not None and model.experts > 0
    if launch.dp < 2:
        return shape, 1, []
    if not launch.dp_attention and not together:
        return shape | {"ep": min(launch.ep, launch.tp)}, launch.dp, []
    tp = launch.tp * launch.dp if together else launch.tp
    shape |= {"tp": tp, "dp": launch.dp}
    if tp == launch.dp:
        return shape, 1, []
    note = f"attention is split over {tp // launch.dp} cards: counted as whole on each card"
    return shape, 1, [note]


def _speculation(launch: Launch, model: Model) -> tuple[Speculation | None, list[str]]:
    """What guesses, where the catalogue has it."""
    method, draft = launch.speculation.lower(), launch.draft
    if method in ("", "none") and not draft:
        return None, []
    tokens = launch.draft_tokens or DRAFTED[launch.engine]
    taken = f"of guessed tokens {ACCEPT:g} are taken to be accepted"
    mtp = method.endswith(("mtp", "nextn")) or (method == "eagle" and not draft)
    if mtp and model.mtp_params:
        return Speculation(tokens, ACCEPT), [taken]
    if any(word in method for word in WITHOUT_DRAFT) and not model.mtp_params:
        return Speculation(tokens, ACCEPT), [taken]
    name = "" if mtp or any(word in method for word in HEADS) else names.model_name(draft)
    if name:
        return Speculation(tokens, ACCEPT, catalog.model(name)), [taken]
    if any(word in method for word in WITHOUT_DRAFT):
        why = f"of {model.name}, which has layers that guess, those alone are counted"
        return None, [f"speculation by {launch.speculation} is left out: {why}"]
    what = f"{launch.speculation or 'a draft'} {draft}".strip()
    return None, [f"speculation by {what} is left out: what drafts is not in the catalogue"]


def _host_share(launch: Launch, d: Deployment) -> tuple[float, list[str]]:
    """The share of the weights that the host keeps, as streamed to the card for each pass."""
    if launch.offload_gib:
        books = capacity.ledger(d, context_tokens=1)
        share = min(launch.offload_gib * GIB / books.weights_bytes, 1.0)
        return share, [f"{launch.offload_gib:g} GiB a card on the host: {share:.0%} of the weights"]
    moved = _host_layers(launch, d.model) + _host_experts(launch, d.model)
    share = min(moved / d.model.params, 1.0)
    if not share:
        return 0.0, []
    how = "counted as streamed to the card, while llama.cpp computes them on the processor"
    return share, [f"{share:.0%} of the weights are on the host: {how}"]


def _host_layers(launch: Launch, model: Model) -> float:
    """Parameters of the layers that llama.cpp leaves on the host, which are the first ones."""
    if launch.layers_on_cards is None or launch.layers_on_cards >= model.layers:
        return 0.0
    roles = ("embedding", "head", "mtp", "vision")
    inside = sum(t.params for t in model.tensors if t.role not in roles)
    return inside * (1 - launch.layers_on_cards / model.layers)


def _host_experts(launch: Launch, model: Model) -> float:
    """Parameters of the experts of the first layers, which llama.cpp is told to leave there.

    Those of layers that are on the host as a whole are counted with them.
    """
    on_cards = model.layers if launch.layers_on_cards is None else launch.layers_on_cards
    first = max(model.layers - on_cards, 0)
    beyond = model.layers if launch.host_experts < 0 else launch.host_experts
    moved, placed = 0.0, {index for index in launch.experts_placed if index >= first}
    for t in model.tensors:
        if t.role == "expert":
            among = t.layers or range(model.layers)
            on_host = [first <= index < beyond or index in placed for index in among]
            moved += t.params * sum(on_host) / len(on_host)
    return moved


__all__ = ["Launch", "arguments", "deployment", "meant", "read", "recognises"]
