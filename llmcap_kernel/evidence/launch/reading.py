"""A command, a manifest or a program, read option by option."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ...explain import counted
from ...files import unfenced
from ...refuse import BadInput, shown
from . import engines, manifest, options, words
from .record import TITLES, Launch, Left, Read, Unknown, plain
from .words import Command

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


def read(given: str | Sequence[str], files: Mapping[str, str] | None = None) -> Launch:
    """Read the command that launches an engine.

    Parameters
    ----------
    given : str or list of str
        The command or the manifest as a text, or its words.
    files : mapping of str to str
        Files that it may name, by name; those that the text writes itself go before them.

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
    found = [one._replace(files={**(files or {}), **one.files}) for one in words.joined(found)]
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
    engine, notes = command.engine, [*command.said, *command.doubts, *words.hidden(command.env)]
    if not engine:
        engine = max(options.ENGINES, key=lambda name: options.known(command.words, name))
        notes.append(f"the engine is not named: {TITLES[engine]} taken, whose options these are")
    parsed = options.parse(_with_its_options(command, engine), engine)
    given, unset = _with_values(engine, parsed.given)
    values, read_ones, left = _values(engine, command.env, given)
    if engine == "trtllm" and command.files:
        values, left = _with_its_file(values, left, command.files, parsed.given)
    notes += [*_of_the_shell(unset, values, command.num_gpus), *_given_twice(engine, given)]
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


def _with_values(
    engine: str, given: list[options.Given]
) -> tuple[list[options.Given], list[tuple[options.Given, str]]]:
    """The options that have a value, and those whose value a shell would fill in, by field."""
    told, unset = [], []
    for one in given:
        of = options.table(engine)["read"].get(one.name, {})
        named = of.get("kind", "json") in ("json", "switch") or of["field"] == "model"
        if named or not words.unset(one.value or ""):
            told.append(one)
        else:
            unset.append((one, of["field"]))
    return told, unset


def _of_the_shell(
    unset: list[tuple[options.Given, str]], values: dict[str, Any], cards: int
) -> list[str]:
    """Say what stands for them; a split is over the cards that are seen."""
    said = []
    for one, field in unset:
        taken = "the engine's own is taken"
        if field == "tp":
            values["tp"] = max(cards // (values.get("pp") or 1), 1)
            taken = f"{values['tp']} taken" + (", for the cards that are seen" if cards else "")
        said.append(f"{one.flag} is {shown(one.value)}, which has no value here: {taken}")
    return said


JOINED = ("json", "level", "many", "places")  # kinds of values that may come in several options


def _given_twice(engine: str, given: list[options.Given]) -> Iterator[str]:
    """Say which of an option's different values is taken."""
    by_name: dict[str, list[options.Given]] = {}
    for one in given:
        if options.table(engine)["read"].get(one.name, {}).get("kind", "json") not in JOINED:
            by_name.setdefault(one.name, []).append(one)
    for ones in by_name.values():
        if len({(one.value, one.on) for one in ones}) > 1:
            told = " and ".join(" ".join(filter(None, (one.flag, one.value))) for one in ones)
            yield f"{told} are given: the last is taken, as {TITLES[engine]} takes it"


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
        became = "left to the engine" if found in (None, "") else f"{field} {plain(found)}"
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


LEFT_IN_FILE = "a setting of TensorRT-LLM's file for which the law has no term"


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
            settings = settings if isinstance(settings, dict) else {}
            if "kv_cache_config" in settings:  # the whole of it takes an option's place
                values = {k: v for k, v in values.items() if k != "memory_fraction"}
            values = values | engines.of_file(settings)
            left = [pair for pair in left if pair[0].flag != one.flag]
            left += [(Left(path, LEFT_IN_FILE), True) for path in engines.left_of_file(settings)]
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
