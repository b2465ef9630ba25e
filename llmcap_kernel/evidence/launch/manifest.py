"""Manifests of Kubernetes and of Docker Compose: the containers in them that launch an engine.

The part of YAML that such files use is read here: nested mappings and lists, quoted, folded and
flow values. Every scalar stays a text.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ...refuse import BadInput, printable
from . import options, words
from .words import Command

KEYS = re.compile(
    r"^[ \t]*(?:- )?(?:image|command|args|extraArgs|entrypoint|containers|services|apiVersion|"
    r"modelSpec|llm_configs|resources):",
    re.M,
)
IN_JSON = re.compile(r'"container(?:s|Definitions)"\s*:\s*\[')
# The file of an engine's own settings: a model, and its options by their names.
SETTINGS = re.compile(r"^model(?:[-_]path|[-_]tag)?:[ \t]+\S", re.M)
# The file of TensorRT-LLM's settings, which goes beside a command that has the model.
TRT_SETTINGS = re.compile(
    r"^(?:kv_cache_config|cuda_graph_config|moe_config|enable_attention_dp|attention_dp_config|"
    r"cache_transceiver_config|max_num_tokens|disable_overlap_scheduler):",
    re.M,
)
KEY = re.compile(r"""("[^"\n]*"|'[^'\n]*'|[^\s\[{"'#&*!|>%@`-][^\n]*?|-[^\s:][^\n]*?):(?:\s+|$)""")
CARDS = (
    *("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/xe", "gpu.intel.com/i915", "habana.ai/gaudi"),
    *("google.com/tpu", "aws.amazon.com/neuron", "huawei.com/Ascend910"),
)
PRODUCTS = (
    *("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator"),
    *("amd.com/gpu.product-name", "accelerator_type", "accelerators"),
)
ACCELERATORS = re.compile(r"([A-Za-z][\w.-]{0,40}):(\d{1,3})")  # a card and how many
RUNS = ("entrypoint", "command", "args", "extraArgs", "run")
# Charts and Ray Serve state a model and the engine's settings by name: where the model stands, and
# the settings.
STATED = (
    ("modelURL", "vllmConfig"),
    ("model_source", "engine_kwargs"),
    ("model_id", "engine_kwargs"),
)
MOST_LINES = 5_000
MOST_NODES = 50_000  # values of a document, with what stands for others written out
ANCHOR = re.compile(r"&([^\s,\[\]{}]+)(?:\s+|$)")
ALIAS = re.compile(r"\*([^\s,\[\]{}]+)")


class Lines(list[tuple[int, str]]):
    """Lines that are left, the next one last, each with its indent; and values that have a name."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        super().__init__(reversed(lines))
        self.anchors: dict[str, Any] = {}


def recognises(text: str) -> bool:
    """Say whether a text is such a manifest, or the arguments of one.

    Parameters
    ----------
    text : str
        What was pasted.

    Returns
    -------
    bool
        Whether it is YAML or a list.

    Examples
    --------
    >>> recognises("args:\\n  - --model"), recognises("- --model"), recognises("vllm serve x")
    (True, True, False)
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    listed = bool(lines) and all(line.startswith(("- ", "#")) for line in lines)
    if text.lstrip().startswith("{"):
        return bool(IN_JSON.search(text))
    held = KEYS.search(text) or SETTINGS.search(text) or TRT_SETTINGS.search(text)
    return listed or bool(held) or text.lstrip().startswith('["')


def find(text: str) -> list[Command]:
    """Find the engines that a manifest launches.

    Parameters
    ----------
    text : str
        The manifest, or a part of it.

    Returns
    -------
    list of Command
        One for each container that launches an engine.

    Raises
    ------
    BadInput
        When its lines are no YAML.

    Examples
    --------
    >>> found = find('''image: vllm/vllm-openai:v0.12.0
    ... args: ["--model", "Qwen/Qwen3-8B"]
    ... resources: {limits: {nvidia.com/gpu: "2"}}''')
    >>> found[0].engine, found[0].words, found[0].num_gpus
    ('vllm', ('--model', 'Qwen/Qwen3-8B'), 2)
    """
    read = documents(text)
    found = [one for document in read for one in _of_document(document)]
    return found or [one for document in read for one in _settings(document)]


def _of_document(document: Any) -> list[Command]:
    """The engines of one document."""
    if isinstance(document, list) and all(isinstance(one, str) for one in document):
        document = {"args": document}
    services = document.get("services") if isinstance(document, dict) else None
    if isinstance(services, dict):  # Compose's own, not the parts that they are made of
        document = {"services": services}
    products = (_first(document, name) for name in PRODUCTS)
    gpu = next(filter(None, products), "")
    gpu = several[1] if (several := ACCELERATORS.fullmatch(gpu)) else gpu
    copies = _first(document, "replicas") or _first(document, "replicaCount")
    replicas = int(copies) if copies.isdecimal() and 0 < int(copies) < 10_000 else 1
    launched = [one for container in _containers(document) for one in _launched(container)]
    pods = _first(_first(document, "leaderWorkerTemplate", dict), "size")
    hosts = int(pods) if pods.isdecimal() and 0 < int(pods) < 1_000 else 1
    out = []
    for one in _stated(document) or launched:
        seen = one.num_gpus * hosts
        out.append(_served(document, one)._replace(gpu=gpu, copies=replicas, num_gpus=seen))
    return out


# A step of the path to one of Helm's values: its name, in which a dot is escaped, and indices.
STEP = re.compile(r"((?:\\.|[^.\[\]\\=])+)((?:\[\d{1,3}\])*)\.?")
SET, FILED = ("--set", "--set-string", "--set-json", "--set-literal"), ("-f", "--values")
MOST_ITEMS = 100


def of_helm(text: str) -> list[Command]:
    """Find the engine that Helm installs by what `--set` says of the chart's values.

    Parameters
    ----------
    text : str
        Whatever was pasted; a file of values that it writes itself is read too.

    Returns
    -------
    list of Command
        None where it sets no values that launch an engine.

    References
    ----------
    helm.sh/docs/intro/using_helm, "The Format and Limitations of --set".

    Examples
    --------
    >>> of_helm("helm install x vllm/vllm-stack --set a[0].modelURL=Qwen/Qwen3-8B")[0].words
    ('--model', 'Qwen/Qwen3-8B')
    """
    if not re.search(r"(?<![\w./-])helm(?:\s|$)", text) or len(text) > words.MAX_CHARS:
        return []
    try:
        rest, files = words.without_files(text)
        commands = [one for one in words.split(rest) if "helm" in one[:3]]
    except BadInput:
        return []
    out = []
    for command in commands:
        values, unread = _helm_values(command, files)
        said = tuple(f"the values of {printable(name, 40)} are not read" for name in unread)
        out += [one._replace(said=(*one.said, *said)) for one in _of_document(values)]
    return out


def of_overrides(text: str) -> list[Command]:
    """Find the engine in what `kubectl run --overrides` puts in the place of a pod's settings.

    Parameters
    ----------
    text : str
        Whatever was pasted.

    Returns
    -------
    list of Command
        None where there is no such option, or it launches no engine.

    Examples
    --------
    >>> of_overrides("kubectl run x --overrides='{}'")
    []
    """
    if "kubectl" not in text or "--overrides" not in text or len(text) > words.MAX_CHARS:
        return []
    try:
        run = [word for command in words.split(text) for word in command]
    except BadInput:
        return []
    pairs = zip(run, [*run[1:], ""], strict=True)
    over = [
        b if a == "--overrides" else a.partition("=")[2]
        for a, b in pairs
        if a[:11] == "--overrides"
    ]
    read = [document for one in over if one.startswith("{") for document in documents(one)]
    return [one for document in read for one in _of_document(document) if one.words]


def _helm_values(command: list[str], files: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Values of a command, those of later options before those of files, and files not here."""
    values: dict[str, Any] = {}
    unread, changes = [], []
    pairs = [(one.partition("=") if one.startswith("--") else (one, "", "")) for one in command]
    for (flag, equals, value), following in zip(pairs, [*command[1:], ""], strict=True):
        given = value if equals else following
        if flag in SET:
            changes += [(flag, one) for one in _helm_parts(flag, given)]
        elif flag in FILED and (name := given.rpartition("/")[2]) in files:
            (read,) = documents(files[name])[:1] or ({},)
            values |= read if isinstance(read, dict) else {}
        elif flag in FILED:
            unread.append(given)
    for flag, one in changes:
        path, _, text = one.partition("=")
        steps = list[str | int]()
        for name, indices in STEP.findall(path):
            steps += [re.sub(r"\\(.)", r"\1", name), *map(int, re.findall(r"\d+", indices))]
        if steps and not _put(values, steps, _helm_value(flag, text)):
            unread.append(path)
    return values, unread


def _helm_parts(flag: str, text: str) -> list[str]:
    """The values of one option, which a comma parts unless it is escaped or within braces."""
    if flag in ("--set-json", "--set-literal"):
        return [text]
    return re.findall(r"(?:\\.|\{[^{}]*\}|[^,\\])+", text)


def _helm_value(flag: str, text: str) -> Any:
    if flag == "--set-json":
        try:
            return _texts(json.loads(text))
        except (ValueError, RecursionError):
            return text
    if text.startswith("{") and text.endswith("}"):
        return [one.strip() for one in text[1:-1].split(",") if one.strip()]
    return re.sub(r"\\(.)", r"\1", text)


def _put(values: Any, steps: list[str | int], value: Any) -> bool:
    """Put a value where its path leads; False where something else stands there."""
    at = values
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        fresh: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int) and isinstance(at, list) and step < MOST_ITEMS:
            at += [{} for _ in range(step + 1 - len(at))]
        elif isinstance(step, int) or not isinstance(at, dict):
            return False
        held = at[step] if isinstance(step, int) else at.get(step)  # type: ignore[index]
        if following is None or not isinstance(held, type(fresh)):
            at[step] = held = fresh  # type: ignore[index]
        at = held
    return True


def _settings(document: Any) -> list[Command]:
    """The engine of a file of settings, most of which are options of it."""
    if isinstance(document, dict) and any(TRT_SETTINGS.match(f"{name}:") for name in document):
        model = document.get("model")
        run = (model,) if isinstance(model, str) and model else ()
        file = {"settings": json.dumps(document)}
        return [Command((*run, "--extra_llm_api_options", "settings"), "trtllm", files=file)]
    if not isinstance(document, dict) or len(document) < 2:
        return []
    known = {
        engine: sum(bool(options.named(engine, f"--{name}")[0]) for name in document)
        for engine in options.ABBREVIATE
    }
    best = max(known, key=lambda engine: known[engine])
    of_it = 2 * known[best] > len(document) and known[best] > 1
    return [Command(tuple(options_of(document)), best)] if of_it else []


def documents(text: str) -> list[Any]:
    """Read the documents of a YAML text.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    list
        Mappings, lists and texts.

    Raises
    ------
    BadInput
        When a line fits nowhere.

    Examples
    --------
    >>> documents("a:\\n- b: 1\\n  c: [x, 'y z']\\n- d")
    [{'a': [{'b': '1', 'c': ['x', 'y z']}, 'd']}]
    """
    if text.lstrip().startswith(("{", "[")):
        try:
            return [_texts(json.loads(text))]
        except (ValueError, RecursionError):
            pass
    parts = re.split(r"^---.*$", words.straight(text).expandtabs(8), flags=re.M)
    try:
        return [_document(part) for part in parts if part.strip()]
    except RecursionError:
        raise BadInput("command", "command nests too deeply to be read as YAML.") from None


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _texts(v) for k, v in value.items()}
    return [_texts(v) for v in value] if isinstance(value, list) else str(value)


def _document(text: str) -> Any:
    lines = Lines([(len(line) - len(line.lstrip()), line.strip()) for line in text.split("\n")])
    if len(lines) > MOST_LINES:
        raise BadInput("command", f"command has {len(lines):,} lines: it takes {MOST_LINES:,}.")
    value = _block(lines, 0)
    _skip(lines)
    if lines:
        raise BadInput("command", f"command is no YAML at {lines[-1][1][:40]!r}.")
    return _written_out(value, lines.anchors, [MOST_NODES]) if lines.anchors else value


def _written_out(value: Any, anchors: dict[str, Any], left: list[int]) -> Any:
    """A value with those that its aliases stand for, and what its merge keys (<<) take in."""
    left[0] -= 1
    if left[0] < 0:
        most = f"it takes {MOST_NODES:,}"
        raise BadInput("command", f"command has too many values, with its anchors: {most}.")
    if isinstance(value, str):
        found = ALIAS.fullmatch(value)
        known = found and found[1] in anchors
        return _written_out(anchors[found[1]], anchors, left) if found and known else value
    if isinstance(value, list):
        return [_written_out(one, anchors, left) for one in value]
    own = {name: _written_out(one, anchors, left) for name, one in value.items()}
    taken, merged = own.pop("<<", {}), dict[str, Any]()
    for one in reversed(taken if isinstance(taken, list) else [taken]):
        merged |= one if isinstance(one, dict) else {}
    return merged | own


def _skip(lines: Lines) -> None:
    while lines and (not lines[-1][1] or lines[-1][1].startswith("#")):
        lines.pop()


def _block(lines: Lines, least: int) -> Any:
    """What stands at the next line's indent: a list, a mapping or a text."""
    _skip(lines)
    if not lines or lines[-1][0] < least:
        return ""
    indent, text = lines[-1]
    if text == "-" or text.startswith("- "):
        return _list(lines, indent)
    return _mapping(lines, indent) if KEY.match(text) else _scalar(lines, lines.pop()[1], indent)


def _list(lines: Lines, indent: int) -> list[Any]:
    out: list[Any] = []
    while True:
        _skip(lines)
        if not lines or lines[-1][0] != indent or not re.match(r"-(?:\s|$)", lines[-1][1]):
            return out
        text = lines.pop()[1][1:]
        anchor = ANCHOR.match(text.lstrip())
        inner = text.lstrip()[anchor.end() if anchor else 0 :]
        if not inner or inner.startswith("#"):
            out.append(_block(lines, indent + 1))
        elif KEY.match(inner) or re.match(r"-(?:\s|$)", inner):
            lines.append((indent + 1 + len(text) - len(inner), inner))
            out.append(_block(lines, indent + 1))
        else:
            out.append(_scalar(lines, inner, indent + 1))
        if anchor:
            lines.anchors[anchor[1]] = out[-1]


def _mapping(lines: Lines, indent: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    while True:
        _skip(lines)
        found = KEY.match(lines[-1][1]) if lines and lines[-1][0] == indent else None
        if not found:
            return out
        rest = lines.pop()[1][found.end() :].strip()
        rest = re.sub(r"^!\S+\s*", "", rest)
        anchor = ANCHOR.match(rest)
        rest = rest[anchor.end() if anchor else 0 :]
        name = found.group(1).strip("\"'")
        out[name] = _valued(lines, rest, indent)
        if anchor:
            lines.anchors[anchor[1]] = out[name]


def _valued(lines: Lines, rest: str, indent: int) -> Any:
    """The value of a name, on its own line or below."""
    if rest and not rest.startswith("#"):
        return _scalar(lines, rest, indent + 1)
    _skip(lines)
    listed = lines and lines[-1][0] == indent and re.match(r"-(?:\s|$)", lines[-1][1])
    return _block(lines, indent if listed else indent + 1)


def _scalar(lines: Lines, text: str, least: int) -> Any:
    """A value that begins here and may go on below."""
    if re.fullmatch(r"[|>][+-]?\d?\s*(?:#.*)?", text):
        joint, kept = ("\n" if text[0] == "|" else " "), []
        while lines and (not lines[-1][1] or lines[-1][0] >= least):
            kept.append(lines.pop()[1])
        return joint.join(kept).strip()
    quote = text[0] if text[0] in "\"'" else ""
    while lines and (lines[-1][0] >= least or _open(text)) and not _closed(text, quote):
        if not lines[-1][1].startswith("#"):
            text += " " + lines[-1][1]
        lines.pop()
    return _value(text)


def _closed(text: str, quote: str) -> bool:
    if quote:
        return bool(re.match(rf"{quote}(?:\\.|[^{quote}\\])*{quote}\s*(?:#.*)?$", text))
    return text[0] in "[{" and not _open(text)


def _open(text: str) -> bool:
    """Whether a flow value has brackets left to close."""
    if text[0] not in "[{":
        return False
    bare = re.sub(r""""(?:\\.|[^"\\])*"|'[^']*'""", "", text)
    return sum(map(bare.count, "[{")) > sum(map(bare.count, "]}"))


def _value(text: str) -> Any:
    """A value on one line: quoted, a list, a mapping, or plain."""
    if text.startswith(("[", "{")):
        return _flow(text)[0]
    quoted = re.match(r"""("(?:\\.|[^"\\])*"|'(?:''|[^'])*')\s*(?:#.*)?$""", text, re.S)
    if quoted:
        inner = quoted.group(1)
        if inner[0] == "'":
            return inner[1:-1].replace("''", "'")
        try:
            return str(json.loads(inner))  # whose escapes are YAML's
        except ValueError:
            return re.sub(r'\\(["\\/])', r"\1", inner[1:-1])
    return re.sub(r"\s#.*$", "", text).strip()


OPTIONS = "VLLM_ADDITIONAL_ARGS"  # a variable of KServe's: options of vLLM beside its own
NAME = re.compile(r"""\s*(?:("[^"]*"|'[^']*')\s*:\s*|([^,:{}\[\]"']+):(?:\s+|(?=["'\[{])|$))""")
INSIDE = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^,\[\]{}]+)""", re.S)


def _flow(text: str, at: int = 0) -> tuple[Any, int]:
    """[a, "b c"], {a: 1} or a text within, and where it ends; what is not closed ends with all."""
    if text[at] == "[":
        items: list[Any] = []
        while (at := _next(text, at + 1)) < len(text) and text[at] != "]":
            item, at = _flow(text, at)
            items.append(item)
            at -= 1
        return items, at + 1
    if text[at] == "{":
        found: dict[str, Any] = {}
        while (at := _next(text, at + 1)) < len(text) and text[at] != "}":
            name = NAME.match(text, at)
            if not name or name.end() >= len(text):
                continue
            value, at = _flow(text, name.end())
            found[(name.group(1) or name.group(2)).strip().strip("\"'")] = value
            at -= 1
        return found, at + 1
    scalar = INSIDE.match(text, at)
    return (_value(scalar.group(1).strip()), scalar.end()) if scalar else ("", at + 1)


def _next(text: str, at: int) -> int:
    """Where the next thing of a flow value stands."""
    while at < len(text) and text[at] in " ,\n\t":
        at += 1
    return at


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping that says what a container runs."""
    if isinstance(value, dict):
        runs = any(isinstance(value.get(key), (str, list)) for key in RUNS)
        if runs or isinstance(value.get("image"), str) or OPTIONS in _variables(value.get("env")):
            yield value
        for inner in value.values():
            yield from _containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner)


def _stated(document: Any) -> list[Command]:
    """The engine of a chart's or of Ray Serve's settings, which all are vLLM's."""
    for name, settings in STATED:
        model, own = _first(document, name), _first(document, settings, dict)
        if model and (own or name == "modelURL"):
            run = ["--model", model, *options_of(own), *_words(own.get("extraArgs"))]
            cards = _first(document, "requestGPU")
            seen = int(cards) if cards.isdecimal() and int(cards) < 10_000 else 0
            version = words.tagged(f"vllm:{_first(document, 'tag')}")
            return [Command(tuple(run), "vllm", version, num_gpus=seen)]
    return []


def options_of(settings: dict[str, Any]) -> list[str]:
    """Write settings as options.

    Parameters
    ----------
    settings : dict
        Of a chart or of a file of an engine's.

    Returns
    -------
    list of str
        An option each, those that are off left out.

    Examples
    --------
    >>> options_of({"maxModelLen": "4096", "enforce_eager": "true", "enable-lora": "false"})
    ['--max-model-len=4096', '--enforce-eager']
    """
    out = []
    for name, value in settings.items():
        option = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-")
        if isinstance(value, dict) and value:
            out.append(f"--{option}={json.dumps(value)}")
        if isinstance(value, str) and name != "extraArgs" and value.lower() not in ("false", ""):
            out.append(f"--{option}" + ("" if value.lower() == "true" else f"={value}"))
    return out


def _served(document: Any, command: Command) -> Command:
    """A command with what KServe states beside it: the model's address, and how it is split."""
    kind = document.get("kind", "") if isinstance(document, dict) else ""
    run = list(command.words)
    if kind == "InferenceService":  # the options of KServe's own server, which hands others on
        run = [re.sub(r"^--model_id(?==|$)", "--model", w) for w in run]
        run = [w for w in run if not w.startswith("--model_name=")]
        stored = _first(document, "storageUri")
        if stored.startswith("hf://") and not any(w.startswith("--model") for w in run):
            run += ["--model", stored.removeprefix("hf://")]
    artifacts = _first(document, "modelArtifacts", dict)  # of llm-d's chart
    stated = kind == "LLMInferenceService" or artifacts
    uri = re.sub(r"^\w*\+?hf://", "", _first(artifacts or document, "uri")) if stated else ""
    if uri and not any(re.match(r"--model(?:=|$)", word) for word in run):
        of = _first(document, "decode", dict) if artifacts else document
        split, ways = _first(of, "parallelism", dict), ("tensor", "pipeline", "data")
        run += ["--model", uri]
        run += [f"--{way}-parallel-size={split[way]}" for way in ways if split.get(way)]
        run += ["--enable-expert-parallel"] if split.get("expert") == "true" else []
    return command._replace(words=tuple(run))


def _launched(container: dict[str, Any]) -> list[Command]:
    image = container.get("image", "")
    commands = [_words(container.get(key)) for key in RUNS]
    env: dict[str, str] = {}
    for name in ("env", "environment", "envs"):
        env |= _variables(container.get(name))
    if cards := ACCELERATORS.fullmatch(_first(container, "accelerators")):  # of SkyPilot
        env["SKYPILOT_NUM_GPUS_PER_NODE"] = cards[2]
    named = (_first(image, "repository"), _first(image, "tag"))
    name = image if isinstance(image, str) else ":".join(filter(None, named))
    run = [re.sub(r"\$\((\w+)\)", r"${\1}", word) for part in commands for word in part]
    more = env.get(OPTIONS, "")
    name = name or ("vllm" if more else "")  # KServe fills the image in
    run += words.split(more)[0] if more.strip() else []
    found = words.contained(name, run, env, _cards(container))
    part = _part_of_a_card(container)
    said = (f"{part} is a part of a card: the whole card is taken",) if part else ()
    return [one._replace(said=(*one.said, *said)) for one in found]


def _part_of_a_card(container: dict[str, Any]) -> str:
    """The resource that is a part of a card, as NVIDIA's plug-in names it; "" for none."""
    kinds = (_first(container, kind, dict) for kind in ("limits", "requests"))
    return next((name for of in kinds for name in of if name.startswith("nvidia.com/mig-")), "")


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        lines = words.split(value)
        return lines[0] if len(lines) == 1 else ["sh", "-c", value] if lines else []
    return [str(one) for one in value] if isinstance(value, list) else []


def _variables(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {name: str(text) for name, text in value.items()}
    out: dict[str, str] = {}
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and isinstance(one.get("value"), str):
            out[str(one.get("name", ""))] = one["value"]
        elif isinstance(one, str):
            name, _, text = one.partition("=")
            out[name] = text
    return out


def _cards(container: dict[str, Any]) -> int:
    """Cards that it is given: of Kubernetes' limits, of Compose's devices."""
    counts = [_first(container, name) for name in CARDS]
    devices = _first(container, "device_ids", list)
    counts += [str(len(devices))] if devices else []
    reserved = _first(container, "devices", list) or []
    counts += [str(one.get("count", "")) for one in reserved if isinstance(one, dict)]
    gpus = container.get("gpus")
    counts += [gpus] if isinstance(gpus, str) else []
    for one in _first(container, "resourceRequirements", list):  # of Amazon ECS
        is_gpu = isinstance(one, dict) and one.get("type") == "GPU"
        counts += [str(one.get("value", ""))] if is_gpu else []
    several = ACCELERATORS.fullmatch(_first(container, "accelerators"))
    counts += [several[2]] if several else []
    return next((int(one) for one in counts if one.isdecimal() and int(one) < 10_000), 0)


def _first(value: Any, name: str, kind: type = str) -> Any:
    """The first value of this name, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get(name), kind):
            return value[name]
        inner = (_first(one, name, kind) for one in value.values())
        return next(filter(None, inner), kind())
    if isinstance(value, list):
        inner = (_first(one, name, kind) for one in value)
        return next(filter(None, inner), kind())
    return kind()
