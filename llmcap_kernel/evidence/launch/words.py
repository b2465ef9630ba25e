"""Texts to words: a shell's command, with its variables, its prefixes and its container."""

import bisect
import itertools
import operator
import re
from collections.abc import Mapping
from typing import NamedTuple

from ...catalog import names
from ...refuse import BadInput, printable, shown
from . import bench, code, relatives, slurm

MAX_CHARS = 200_000
MOST_WORDS = 2_000
MOST_OTHER = 4_000  # characters of a command of a program that is not read
# How word processors and chats spell a shell's marks.
PLAIN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " ", "\r": "\n"}
    | dict.fromkeys("\u2010\u2011\u2212", "-")
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", "")  # of no width
)
DASH = re.compile(r"(?<!\S)(?:-?[–—]+-?)(?=\w)")
# A line goes on after \ of a shell, ^ of Windows, ` of PowerShell, or where the next is an option;
# lines between that are commented out are none, and a mark with nothing behind it says nothing.
GOES_ON = re.compile(
    r"(?:\\|(?<=\s)\^|(?<=\s)`)[ \t]*(?:#[^\n]*)?"
    r"(?:\n(?:[ \t]*#[^\n]*(?:\n|\Z))*(?:[ \t]*[>$][ \t]+)?|\s*\Z)"
)
OPTION_NEXT = re.compile(r"\n(?=[ \t]*--?[A-Za-z])")
# A word's parts: quoted, escaped, or plain, in which what a shell works out may have blanks and
# pipes: $((RANK * 8)), $(nvidia-smi -L | wc -l).
PIECE = re.compile(
    r"""'([^']*)'|"((?:\\.|[^"\\])*)"|(\\[^\n]?)|"""
    r"""((?:\$\(\([^()\n]{1,80}\)\)|\$\([^()\n]{1,300}\)|`[^`\n]{1,300}`|[^\s'"\\;&|<>$`]+|[$`])+)""",
    re.S,
)
REDIRECT = re.compile(r"[<>]+&?[ \t]*[^\s;|]*")
OPTION = re.compile(r"--?[A-Za-z]")
ASSIGNED = re.compile(r"(?:\$env:)?([A-Za-z_]\w{0,80})(\+?)=(.*)", re.S | re.I)
# $NAME, ${NAME}, ${NAME:-usual}, ${NAME[@]}, of PowerShell $env:NAME, of Windows %NAME%, of make
# $(NAME).
VARIABLE = re.compile(
    r"\$(?:(?:env:)?(\w+)|\{(?:env:)?(\w+)(?:\[[@*]\])?(?::?[-=]([^}]*))?\})|%([A-Za-z_]\w*)%|"
    r"\$\(([A-Z_]\w*)\)",
    re.I,
)
# $((A * 8))
SUM = re.compile(r"\$\(\(([\w\s$*/+-]{1,80})\)\)")
WORKED_OUT = {
    "*": operator.mul,
    "+": operator.add,
    "-": operator.sub,
    "/": operator.floordiv,
}
# A list of words in bash: ARGS=(--a 1 --b "c d").
ARRAY = re.compile(
    r"^([ \t]*(?:declare -a |local )?\w{1,80}\+?)=\(((?:[^()\n#]|\n(?!\)))*)\n?[ \t]*\)", re.M
)
# HCL: Nomad's and Terraform's, a name, = and a text or a list of them.
HCL_IMAGE = re.compile(r'^[ \t]*image[ \t]*=[ \t]*"([^"\n]{1,300})"', re.M)
HCL_WORDS = re.compile(r"^[ \t]*(?:args|command|entrypoint)[ \t]*=[ \t]*\[([^\]]{1,4000})\]", re.M)
QUADLET = re.compile(r"^\[Container\](?:[^\[]*\n)??Image=(\S{1,300})", re.M)
VISIBLE = (
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    *("ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"),
)
SHELLS = ("bash", "sh", "zsh", "dash")
SLURM = re.compile(
    r"--(?:gres=gpu:|gpus=|gpus-per-(?:node|task)=)(?:([A-Za-z][\w.-]{1,40})(?::|$))?(\d{1,3})?"
)
RUNNERS = ("docker", "podman", "nerdctl", "apptainer", "singularity")
# Options of `docker run` that take no value.
BARE = (
    *("detach", "rm", "interactive", "tty", "init", "privileged", "read-only", "publish-all"),
    *("no-healthcheck", "oom-kill-disable", "quiet", "sig-proxy", "help", "replace", "tls-verify"),
    *("nv", "rocm", "cleanenv", "contain", "containall", "no-home", "fakeroot", "writable-tmpfs"),
)
BARE_LETTERS = set("ditPq")
# What an image is called, and the engine inside.
IMAGES = {
    "sglang": "sglang",
    "tensorrt-llm": "trtllm",
    "tensorrtllm": "trtllm",
    "trtllm": "trtllm",
    "llama.cpp": "llama.cpp",
    "llama-cpp": "llama.cpp",
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "llm-d-cuda": "vllm",
}
# Numbers in a tag that are no engine's: of what it stands on, and of NVIDIA's monthly images.
OTHER_VERSION = re.compile(
    r"(?:rocm|cuda|cu|ubuntu|python|py|torch|pytorch|xpu|cann)[-_]?\d[\d.]*|(?<![\d.])2\d\.\d\d(?=-)"
)
OF_ANOTHER = r"llm-d|dynamo"  # images whose number is not that of the engine inside
# Other programs that serve models, whose commands are not read: the name, how a line begins with
# them, and the engine that is timed as theirs.
OTHERS = (
    ("LM Studio", r"lms\s+(?:load|server|chat|get)\b", "llama.cpp"),
    ("llama-cpp-python", r"-m\s+llama_cpp\.server\b", "llama.cpp"),
    ("llama-swap", r"llama-swap\b", "llama.cpp"),
    ("KoboldCpp", r"koboldcpp\b", "llama.cpp"),
    ("llamafile", r"\S+\.llamafile\b", "llama.cpp"),
    ("MLX", r"mlx_(?:lm|vlm)\b", "mlx"),
    ("LMDeploy", r"lmdeploy\s+chat\b", "lmdeploy"),
    ("mistral.rs", r"mistralrs(?:-server)?\b", "llama.cpp"),
    ("RamaLama", r"ramalama\s+(?:run|serve)\b", "llama.cpp"),
    ("Docker Model Runner", r"docker\s+model\s+(?:run|pull)\b", "llama.cpp"),
    ("TabbyAPI", r"tabbyapi\b", ""),
    ("NVIDIA NIM", r"nvcr\.io/nim/", ""),
    ("MLC", r"mlc_llm\s+(?:serve|chat)\b", ""),
    ("Aphrodite", r"aphrodite\s+(?:run|serve)\b|aphrodite\.endpoints\b", ""),
    ("KTransformers", r"ktransformers\b", ""),
)
AHEAD = r"(?:^|\n|;|&&|\|)[^\n;|#]{0,400}?(?<![\w.-])(?:%s)"  # within a command, in no other word
OTHER_MODEL = re.compile(
    r"(?:--?model(?:[_-](?:id|name|path))?[=\s]+|\s-m\s+(?!llama_cpp|mlc_llm|mlx))([\w./:-]+)|"
    r"(?:ramalama\s+(?:run|serve)|docker\s+model\s+(?:run|pull)|lms\s+(?:load|get)|aphrodite\s+run|lmdeploy\s+chat)\s+"
    r"([\w./:][\w./:-]*)|nim/([\w.-]+/[\w.-]+)|serve\s+((?:HF://)?[\w.-]+/[\w./-]+)"
)
# Programs that are handed a command as one word, and those that start a container of an image.
QUOTED = re.compile(r"\s(?:serve|-m)\s|llama-server\s|trtllm-serve\s")
SUBMITS = ("kubectl", "runai")
# Of `kubectl run --overrides`.
GPUS_ASKED = re.compile(r'"(?:nvidia|amd)\.com/gpu"\s*:\s*"?(\d{1,4})')
SHELLED = re.compile(
    r"""\b(?:system|run|popen|call|check_call|check_output)\(\s*f?(\"{3}|'{3}|"|')(.{1,4000}?)\1""",
    re.S | re.I,
)
LISTED = re.compile(
    r"""\[\s*(["'])(?:vllm|sglang|trtllm-serve|llama-server|python3?)\1\s*,[^\[\]]*\]"""
)
# A unit of systemd, a line of PowerShell, of make and of a notebook.
UNIT = (
    (
        re.compile(
            r"^[ \t]{0,40}\$(?:env:)?([a-z_]\w{0,80})[ \t]{1,9}=[ \t]{0,9}(?=\S)", re.M | re.I
        ),
        r"\1=",
    ),
    (
        re.compile(r"^([A-Z_]\w{0,80})[ \t]{0,9}[?:]:?=[ \t]{0,9}([^\s\"'][^\n\"']{0,400})$", re.M),
        r'\1="\2"',
    ),
    (re.compile(r"^Environment=", re.M), "export "),
    (re.compile(r"^Exec(?:Start|StartPre|StartPost|Stop|Reload)=[-@:+!]*", re.M), ""),
    (re.compile(r"^[ \t]*!(?=\w)", re.M), ""),
    (re.compile(r"^[ \t]*>+[ \t]+", re.M), ""),  # a prompt, or a quotation
    (re.compile(r"^[ \t]*`([^`\n]+)`[ \t]*$", re.M), r"\1"),
)
LLAMA = (
    *("llama-server", "llama-cli", "llama-bench", "llama-sweep-bench", "llama-perplexity"),
    *("llama-batched-bench", "llama-run", "llama-simple"),
)
MODULES = {
    "vllm.entrypoints": "vllm",
    "sglang.launch_server": "sglang",
    "sglang_router.launch_server": "sglang",  # a router, and the servers behind it
    **{"dynamo.vllm": "vllm", "dynamo.sglang": "sglang", "dynamo.trtllm": "trtllm"},
}


class Command(NamedTuple):
    """What launches an engine.

    Attributes
    ----------
    words : tuple of str
        What follows the program.
    engine : str
        The engine's family; "" where the options alone are given.
    version : str
        From the tag of its image; "" when it is not said.
    env : dict of str to str
        Variables set for it.
    num_gpus : int
        Cards that it may see; 0 when it is not said.
    gpu : str
        Their name, where a manifest selects it.
    copies : int
        Replicas that a manifest asks for.
    program : str
        The program's own name, without where it lies.
    files : dict of str to str
        Files that the text itself writes before, by name.
    said : tuple of str
        What was taken where another program's command was read as the engine's.
    spelled : dict of str to str
        The engine's options by what the other program calls each.
    load : Load or None
        What a benchmark beside it asks.
    offline : bool
        Whether a benchmark or a program starts the engine, and no server.
    client : bool
        Whether it is a benchmark alone, of a server that is launched apart.
    doubts : tuple of str
        Variables of it that a loop or a condition sets to several values.
    """

    words: tuple[str, ...]
    engine: str = ""
    version: str = ""
    env: dict[str, str] = {}  # noqa: RUF012 - a tuple's default is never written
    num_gpus: int = 0
    gpu: str = ""
    copies: int = 1
    program: str = ""
    files: dict[str, str] = {}  # noqa: RUF012
    said: tuple[str, ...] = ()
    spelled: dict[str, str] = {}  # noqa: RUF012
    load: bench.Load | None = None
    offline: bool = False
    client: bool = False
    doubts: tuple[str, ...] = ()


def straight(text: str) -> str:
    """Write quotes, blanks and ends of lines as a shell has them.

    Parameters
    ----------
    text : str
        As a word processor or a chat may have changed it.

    Returns
    -------
    str
        The same in plain marks.

    Examples
    --------
    >>> straight("\u201ca\u201d\\r\\n")
    '"a"\\n'
    """
    return text.replace("\r\n", "\n").translate(PLAIN)


def split(text: str) -> list[list[str]]:
    """Split a text into commands and these into words, as a shell does.

    Parameters
    ----------
    text : str
        As it was typed or pasted.

    Returns
    -------
    list of list of str
        The words of each command; comments and redirections are gone.

    Raises
    ------
    BadInput
        When a quote is not closed, or it is too long.

    Examples
    --------
    >>> split("export A=1; vllm serve x \\\\\\n  --a '{\\"b\\": 1}' > log 2>&1")
    [['export', 'A=1'], ['vllm', 'serve', 'x', '--a', '{"b": 1}']]
    """
    if len(text) > MAX_CHARS:
        raise BadInput(
            "command",
            f"command has {len(text):,} characters: it takes at most {MAX_CHARS:,}.",
        )
    plain = DASH.sub("--", straight(text))
    for pattern, written in UNIT:
        plain = pattern.sub(written, plain)
    plain = ARRAY.sub(_quoted, plain)
    plain = OPTION_NEXT.sub(" ", GOES_ON.sub(" ", plain))
    out: list[list[str]] = [[]]
    word: str | None = None
    at = 0
    while at < len(plain):
        mark = plain[at]
        if not mark.isspace() and mark not in ";&|<>" and not (mark == "#" and word is None):
            piece, at = _piece(plain, at)
            word = (word or "") + piece
            continue
        if word is not None and not (mark in "<>" and word.isdigit()):
            out[-1].append(word)
        word = None
        if mark == "#":
            at = (plain.find("\n", at) + 1 or len(plain) + 1) - 1
            continue
        redirect = REDIRECT.match(plain, at)
        at = redirect.end() if redirect else at + 1
        if mark in "\n;&|" and out[-1]:
            out.append([])
    if word is not None:
        out[-1].append(word)
    return [words for words in out if words]


def _quoted(found: re.Match[str]) -> str:
    """A list of words as one word, which is split again where it is used."""
    listed = re.sub(r'(["\\$`])', r"\\\1", " ".join(found[2].split()))
    return f'{found[1]}=" {listed}"' if found[1].endswith("+") else f'{found[1]}="{listed}"'


def _piece(text: str, at: int) -> tuple[str, int]:
    """A part of a word from here on, without its quotes, and where it ends."""
    found = PIECE.match(text, at)
    if not found:
        raise BadInput("command", f"command has a quote that is not closed: {shown(text[at:])}.")
    single, double, escaped, bare = found.groups()
    if double is not None:
        return re.sub(r"\\([\"\\$`])", r"\1", double), found.end()
    if escaped is not None:  # no shell escapes a letter, and a path of Windows has them
        keeps = len(escaped) < 2 or escaped[1].isalnum()
        return escaped if keeps else escaped[1], found.end()
    return single if single is not None else bare, found.end()


# A file that a script writes: `cat > name <<'END'`, its lines, and END.
WRITES = re.compile(
    r"[ \t]*(?:sudo )?(?:cat|tee)\b([^\n]{0,300}?)<<-?[ \t]*(['\"]?)(\w{1,40})\2([^\n]{0,300})$"
)


def without_files(text: str) -> tuple[str, dict[str, str]]:
    """Take the files out that a script writes before it runs something.

    Parameters
    ----------
    text : str
        The script.

    Returns
    -------
    tuple of (str, dict of str to str)
        The rest of it, and the files by name.

    Examples
    --------
    >>> without_files("cat > a.yaml <<'END'\\nb: 1\\nEND\\nrun a.yaml")
    ('run a.yaml', {'a.yaml': 'b: 1'})
    """
    lines, kept, files = straight(text).split("\n"), [], {}
    ends: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        ends.setdefault(line.strip(), []).append(at)
    at = 0
    while at < len(lines):
        found, at = WRITES.match(lines[at]), at + 1
        name = re.search(r"[^\s>|]+", f"{found[1]} {found[4]}") if found else None
        closes = ends.get(found[3], []) if found and name else []
        end = next(iter(closes[bisect.bisect_left(closes, at) :]), None)
        if found is None or name is None or end is None:
            kept.append(lines[at - 1])
            continue
        files[_base(name[0].strip("\"'"))] = "\n".join(lines[at:end])
        at = end + 1
    return "\n".join(kept), files


def find(text: str) -> list[Command]:
    """Find the commands of a text that launch an engine.

    Parameters
    ----------
    text : str
        One or several commands, as typed.

    Returns
    -------
    list of Command
        Each with the variables set before it.

    Raises
    ------
    BadInput
        When the text is no sequence of commands.

    Examples
    --------
    >>> (one,) = find("CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-8B -tp 2")
    >>> one.engine, one.words, one.num_gpus
    ('vllm', ('Qwen/Qwen3-8B', '-tp', '2'), 2)
    """
    modelfile = relatives.of_modelfile(text)
    if modelfile:
        return [_read_as(modelfile, {})]
    if called := code.of_python(text):
        return [Command(called.words, called.engine, offline=called.offline)]
    image, run, env = _of_an_image(text)
    if image:
        return contained(image, run, env)
    found = _of_script(text, {}, 0)
    listed = LISTED.search(text) if not found else None
    if listed:  # a list of a program: subprocess.Popen(["vllm", "serve", ...])
        return of_words(code.of_list(listed.group(), text))
    # a text for a shell: os.system("vllm serve ...")
    shelled = SHELLED.search(text) if not found else None
    return _of_script(shelled[2], {}, 0) if shelled else found


def _of_an_image(text: str) -> tuple[str, list[str], dict[str, str]]:
    """The image that a unit of Podman, HCL or a Dockerfile runs, its words and its variables."""
    if quadlet := QUADLET.search(text):
        lines = GOES_ON.sub(" ", text).split("\n")
        own: dict[str, list[str]] = {"Exec": [], "Environment": []}
        for name, equals, rest in (line.partition("=") for line in lines):
            if equals and name in own:
                own[name] += itertools.chain(*split(rest))
        return quadlet[1], own["Exec"], dict(_assigned(own["Environment"]))
    if (image := HCL_IMAGE.search(text)) and (listed := HCL_WORDS.search(text)):
        return image[1], re.findall(r'"([^"\n]*)"', listed[1]), {}
    if built := code.of_dockerfile(text):
        return built.image, list(built.words), built.env
    return "", [], {}


def _of_script(text: str, env: dict[str, str], deep: int) -> list[Command]:
    rest, files = without_files(text)
    job = slurm.job(rest)
    found = _launches(split(rest), env | job.env if job else env, deep)
    if job:
        cards = job.nodes * job.cards
        found = [
            one._replace(num_gpus=one.num_gpus or cards, gpu=one.gpu or job.gpu) for one in found
        ]
    return [one._replace(files=files | one.files) if files else one for one in found]


def other(text: str) -> tuple[str, str, str]:
    """Find another program that serves models, whose commands are not read.

    Parameters
    ----------
    text : str
        What was pasted.

    Returns
    -------
    tuple of (str, str, str)
        Its name, the model that it is given and the engine that is timed as it; "" where none is.

    Examples
    --------
    >>> other("docker model run ai/qwen3:8B-Q4_K_M")
    ('Docker Model Runner', 'ai/qwen3:8B-Q4_K_M', 'llama.cpp')
    """
    if len(text) > MOST_OTHER:
        return "", "", ""
    for name, pattern, engine in OTHERS:
        found = re.search(AHEAD % pattern, text)
        if found:
            model_option = OTHER_MODEL.search(text, found.start())
            model = next(filter(None, model_option.groups()), "") if model_option else ""
            return name, model.removeprefix("HF://"), engine
    return "", "", ""


def of_words(words: list[str]) -> list[Command]:
    """Find what launches an engine in the words of one command.

    Parameters
    ----------
    words : list of str
        As a shell hands them over.

    Returns
    -------
    list of Command
        One, or none.

    Examples
    --------
    >>> of_words(["python", "-m", "sglang.launch_server", "--model-path", "x"])[0].engine
    'sglang'
    """
    return _launches([words], {}, 0)


BEFORE = ("do", "then", "else")  # of a command in a loop or a condition


class Several:
    """Variables that loops and conditions of a script set, and their values."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}
        self.deep = 0

    def of_a_loop(self, words: list[str], env: dict[str, str]) -> dict[str, str]:
        """Take the largest value of a loop's variable, or the last where they are no numbers."""
        words = words[1:] if words[:1] and words[0] in BEFORE else words
        if words[:1] != ["for"] or words[2:3] != ["in"]:
            return {}
        listed = _all_filled(words[3:], env)
        if not listed or any("$" in one for one in listed):
            return {}
        self.values[words[1]] = listed
        numbers = all(one.isdecimal() for one in listed)
        return {words[1]: max(listed, key=int) if numbers else listed[-1]}

    def of_a_condition(self, words: list[str], given: dict[str, str], env: dict[str, str]) -> None:
        """Keep the values that the branches of a condition set; the last one counts."""
        first = words[0] if words else ""
        self.deep += (first in ("if", "case")) - (first in ("fi", "esac"))
        for name, value in given.items() if self.deep > 0 else ():
            self.values.setdefault(name, [env[name]] if name in env else []).append(value)

    def used(self, words: list[str], env: dict[str, str]) -> list[str]:
        """Say which of them a command uses."""
        said = []
        for name in dict.fromkeys(_name(v) for word in words for v in VARIABLE.finditer(word)):
            listed = list(dict.fromkeys(self.values.get(name, ())))
            if len(listed) > 1:
                several = f"{', '.join(listed[:-1])} or {listed[-1]}"
                said.append(printable(f"{name} is {several}: {env[name]} is taken", 200))
        return said


def _launches(commands: list[list[str]], env: dict[str, str], deep: int) -> list[Command]:
    env = dict(env)
    out: list[Command] = []
    several = Several()
    for words in commands:
        env |= several.of_a_loop(words, env)
        begun = len(out)
        filled = _all_filled(_of_a_subshell(words), env)
        at, engine = _program(filled)
        given = dict(_assigned(filled[:at], env))
        env |= given if at == len(filled) or filled[0] in ("export", "set") else {}
        several.of_a_condition(words, given, env)
        own = env | given
        head = _base(filled[at]) if at < len(filled) else ""
        if engine:
            inside, (card, many) = tuple(filled[_behind(filled, at) :]), _of_slurm(filled[:at])
            seen = _visible(own) or many
            out.append(Command(inside, engine, "", own, seen, card, program=head))
        elif found := relatives.of_words(filled, own):
            out.append(_read_as(found, own))
            env = own  # a server's settings are those of the model that it runs later
        elif head in RUNNERS:
            inside_it = _container(filled[at + 1 :], own, deep)
            out += inside_it
            for one in inside_it:  # Ollama's server, and the model that it runs later
                env = one.env if one.said and not relatives.names_a_model(one.words) else env
        elif head in SHELLS and deep < 3:
            script = _script(filled[at + 1 :])
            out += _of_script(script, own, deep + 1) if script else []
        elif head in SUBMITS and "--" in filled:
            out += _submitted(filled, own, deep)
        elif measured := bench.of_words(filled):
            out.append(_measured(measured, own))
        elif deep < 3 and any(QUOTED.search(word) for word in filled[1:]):
            for word in filter(QUOTED.search, filled[1:]):  # tmux, ssh, su -c
                out += _launches(split(word), own, deep + 1)
        elif filled and OPTION.match(filled[0]) and len(commands) == 1:
            out.append(Command(tuple(filled), "", "", own, _visible(own)))
        doubts = several.used(words, own)
        out[begun:] = [one._replace(doubts=(*one.doubts, *doubts)) for one in out[begun:]]
    return _with_models(out)


def _with_models(out: list[Command]) -> list[Command]:
    """Those that name a model, where some do."""
    models = [
        one for one in out if not one.said or one.client or relatives.names_a_model(one.words)
    ]
    return models or out


def _measured(one: bench.Bench, env: dict[str, str]) -> Command:
    """The engine that a benchmark starts, or the server that it measures."""
    own = env if one.starts else {}
    command = Command(one.words, one.engine, "", own, _visible(own), said=one.said, load=one.load)
    return command._replace(offline=one.starts, client=not one.starts)


def joined(commands: list[Command]) -> list[Command]:
    """Put benchmarks beside the servers that they measure.

    Parameters
    ----------
    commands : list of Command
        Those of one text.

    Returns
    -------
    list of Command
        The servers, with the load of the benchmark that asks the most at once; the benchmarks
        where there is no server, of several of one model that one.

    Examples
    --------
    >>> text = "vllm serve a/b -tp 2 & vllm bench serve --max-concurrency 8"
    >>> [(one.words, one.load.concurrency) for one in joined(find(text))]
    [(('a/b', '-tp', '2'), 8)]
    """
    clients = [one for one in commands if one.client and one.load]
    if not clients:
        return commands
    most = max(clients, key=lambda one: (one.load or bench.Load()).concurrency)
    several = len({one.load for one in clients}) > 1
    said = ("of several benchmarks, the one with the most requests at once is taken",)
    told = (*most.said[1:], *most.doubts, *(said if several else ()))
    servers = [one for one in commands if not one.client]
    if servers:
        return [one._replace(load=most.load, said=(*one.said, *told)) for one in servers]
    if len({one.words for one in clients}) > 1:
        return clients
    return [most._replace(said=(*most.said[:1], *told))]


def _of_a_subshell(words: list[str]) -> list[str]:
    """The words without the brackets around a command that a shell runs apart."""
    first, last = words[:1], words[-1:]
    if first and first[0].startswith("(") and ")" not in first[0]:
        words = [first[0].lstrip("("), *words[1:]]
    if last and last[0].endswith(")") and "(" not in last[0]:
        words = [*words[:-1], last[0].rstrip(")")]
    return [word for word in words if word]


def _read_as(found: relatives.Translated, env: dict[str, str], cards: int = 0) -> Command:
    seen = _visible(env) or cards
    spelled = dict(found.spelled)
    return Command(found.words, found.engine, "", env, seen, said=found.said, spelled=spelled)


def _filled(word: str, env: dict[str, str]) -> str:
    """The word with the variables that the text sets, or gives a default for."""

    def value(found: re.Match[str]) -> str:
        return env.get(_name(found), found[0] if found[3] is None else found[3])

    return SUM.sub(lambda found: _worked_out(found, env), VARIABLE.sub(value, word))


def _name(found: re.Match[str]) -> str:
    return found[1] or found[2] or found[4] or found[5]


def _worked_out(found: re.Match[str], env: dict[str, str]) -> str:
    """A product or a sum of numbers and variables that are known; the text of any other."""
    filled = re.sub(r"[A-Za-z_]\w*", lambda name: env.get(name[0], name[0]), found[1])
    parts = re.fullmatch(r"\s*(\d{1,6})\s*([-+*/])\s*(\d{1,6})\s*", filled)
    if not parts or (parts[2] == "/" and not int(parts[3])):
        return filled.strip() if filled.strip().isdecimal() else found[0]
    return str(WORKED_OUT[parts[2]](int(parts[1]), int(parts[3])))


def unset(text: str) -> str:
    """Name what a shell would fill in here and the text does not say.

    Parameters
    ----------
    text : str
        The value of an option.

    Returns
    -------
    str
        The variable, or what the shell would run; "" where there is neither.

    Examples
    --------
    >>> unset("$TP"), unset("$(nvidia-smi -L | wc -l)"), unset("4")
    ('TP', '$(nvidia-smi -L | wc -l)', '')
    """
    if found := VARIABLE.search(text):
        return _name(found)
    return text if "$" in text or text.startswith("`") else ""


def _all_filled(words: list[str], env: dict[str, str]) -> list[str]:
    """The words with their variables; one that holds options is as many words as they are."""
    out: list[str] = []
    for word in words[:MOST_WORDS]:
        filled = _filled(word, env)
        several = OPTION.match(filled) and re.search(r"\s", filled) and VARIABLE.fullmatch(word)
        out += itertools.chain(*split(filled)) if several else [filled]
    return out


def _assigned(words: list[str], env: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Variables that words set, by themselves or behind what they hold before."""
    before, out = dict(env or {}), []
    for one in filter(None, map(ASSIGNED.fullmatch, words)):
        before[one[1]] = (before.get(one[1], "") if one[2] else "") + one[3]
        out.append((one[1], before[one[1]]))
    return out


def _base(word: str) -> str:
    """The name of a program, without where it lies."""
    return re.split(r"[/\\]", word)[-1].removesuffix(".exe")


def _program(words: list[str]) -> tuple[int, str]:
    """Where the program stands, and the engine that it is; "" for a container or a shell."""
    for at, word in enumerate(words):
        base, after = _base(word), words[at + 1] if at + 1 < len(words) else ""
        if base in ("vllm", "sglang") and after == "serve":
            return at, base
        if word == "-m":
            module = next((e for m, e in MODULES.items() if after.startswith(m)), "")
            if module:
                return at, module
        if base == "trtllm-serve":
            return at, "trtllm"
        old = base in ("server", "main") and any(w.endswith(".gguf") for w in words)
        if base in LLAMA or (old and at == 0):
            return at, "llama.cpp"
        if base in RUNNERS and after in ("run", "container"):
            return at, ""
        if (base in SHELLS and at + 1 < len(words)) or (base in SUBMITS and "--" in words):
            return at, ""
    return len(words), ""


def _behind(words: list[str], at: int) -> int:
    """Where the options begin, behind a program of one or two words."""
    two = words[at] == "-m" or words[at + 1 : at + 2] == ["serve"]
    return at + (2 if two else 1)


def _script(words: list[str]) -> str:
    """What a shell is told to run."""
    for at, word in enumerate(words):
        if re.fullmatch(r"-[a-z]*c", word) and at + 1 < len(words):
            return words[at + 1]
    return ""


def _visible(env: dict[str, str]) -> int:
    """How many cards the variables show; 0 when they do not say."""
    for name in VISIBLE:
        listed = "" if unset(env.get(name, "")) else env.get(name, "")
        shown_cards = [one for one in listed.split(",") if one.strip()]
        if shown_cards and shown_cards[0].strip() not in ("all", "void", "none", "-1"):
            return len(shown_cards)
    return 0


def hidden(env: dict[str, str]) -> list[str]:
    """Say which variables show no card at all, where a prediction takes some.

    Parameters
    ----------
    env : dict of str to str
        Variables of a command.

    Returns
    -------
    list of str
        A note for each.

    Examples
    --------
    >>> hidden({"CUDA_VISIBLE_DEVICES": "-1"})
    ["CUDA_VISIBLE_DEVICES is '-1', which shows no card: cards are taken all the same"]
    """
    return [
        f"{name} is {shown(env[name])}, which shows no card: cards are taken all the same"
        for name in VISIBLE
        if env.get(name, "all").strip().lower() in ("", "-1", "none", "void")
    ]


def _of_slurm(ahead: list[str]) -> tuple[str, int]:
    """The card that `srun` asks for, and how many on each node; "" and 0 where it does not."""
    if not any(_base(word) == "srun" for word in ahead):
        return "", 0
    found = next(filter(None, map(SLURM.fullmatch, ahead)), None)
    if not found:
        return "", 0
    known = found[1] and names.card(found[1]).name  # a cluster may call its cards as it likes
    return found[1] if known else "", int(found[2] or 1)


def _submitted(words: list[str], env: dict[str, str], deep: int) -> list[Command]:
    """The engine that a job of a cluster starts, behind its `--`."""
    pairs = list(itertools.pairwise(words))
    images = [word for before, word in pairs if before == "--image"]
    images += [word.removeprefix("--image=") for word in words if word.startswith("--image=")]
    cards = [int(word) for before, word in pairs if before == "-g" and word.isdecimal()]
    over = [word for before, word in pairs if before == "--overrides"]
    over += [word.removeprefix("--overrides=") for word in words if word.startswith("--overrides=")]
    cards += [int(many) for text in over for many in GPUS_ASKED.findall(text)]
    inside = words[words.index("--") + 1 :]
    return contained(next(iter(images), ""), inside, env, sum(cards[:1]), deep)


def _container(words: list[str], env: dict[str, str], deep: int) -> list[Command]:
    """The engine that `docker run` starts."""
    words = [w for w in words[:1] if w not in ("run", "container")] + words[1:]
    given, cards, entry, at = dict(env), 0, "", 0
    while at < len(words) and words[at].startswith("-"):
        name, value, at = _docker_option(words, at)
        if name in ("e", "env"):
            given |= dict(_assigned([value]))
        elif name == "gpus":
            cards = _gpus(value)
        elif name == "device" and value.startswith("nvidia.com/gpu="):
            cards += not value.endswith("=all")
        elif name == "entrypoint":
            entry = value
    if at >= len(words):
        return []
    inside = ([entry] if entry else []) + words[at + 1 :]
    return contained(words[at].removeprefix("docker://"), inside, given, cards, deep)


def _docker_option(words: list[str], at: int) -> tuple[str, str, int]:
    """An option of `docker run`, its value, and where the next begins."""
    word = words[at]
    name, equals, value = word.lstrip("-").partition("=")
    if not word.startswith("--") and len(name) > 1:
        if set(name) <= BARE_LETTERS:
            return name, "", at + 1
        return name[0], word[2:], at + 1
    if equals or name in BARE or name in BARE_LETTERS:
        return name, value, at + 1
    return name, words[at + 1] if at + 1 < len(words) else "", at + 2


def _gpus(value: str) -> int:
    """Cards of `--gpus`: 2, all, device=0,1; 0 for all."""
    plain = value.strip("\"'")
    listed = re.search(r"device=([^\"]+)", plain)
    if listed:
        return len([one for one in listed.group(1).split(",") if one])
    count = re.fullmatch(r"(?:count=)?(\d{1,4})", plain)
    return int(count.group(1)) if count else 0


def contained(
    image: str, words: list[str], env: dict[str, str], num_gpus: int = 0, deep: int = 0
) -> list[Command]:
    """Find what a container launches.

    Parameters
    ----------
    image : str
        Its image, with its tag.
    words : list of str
        What it runs: a command, or what its own program is handed.
    env : dict of str to str
        Variables set in it.
    num_gpus : int
        Cards it may see; 0 when it is not said.
    deep : int
        How many shells stand around it.

    Returns
    -------
    list of Command
        One, or none when it is no engine's.

    Examples
    --------
    >>> one = contained("vllm/vllm-openai:v0.12.0", ["--model", "Qwen/Qwen3-8B"], {})[0]
    >>> one.engine, one.version, one.words
    ('vllm', '0.12.0', ('--model', 'Qwen/Qwen3-8B'))
    """
    name = image.lower()
    engine = next((e for word, e in IMAGES.items() if word in name), "")
    version = "" if re.search(OF_ANOTHER, name) else tagged(name)
    found = _launches([words], env, deep)
    if found and (found[0].engine or found[0].client):
        inner = found[0]
        return [
            inner._replace(
                version=version if inner.engine == engine else "",
                num_gpus=inner.num_gpus or num_gpus,
            )
        ]
    if other := relatives.of_image(image, [_filled(word, env) for word in words], env):
        return [_read_as(other, env, num_gpus)]
    own = tuple(_filled(word, env) for word in words)
    own = own[1:] if own[:1] == ("serve",) else own
    if image and not (engine and _handed_over(engine, own)):
        return []
    if not image and not any(word.startswith("-") for word in own):
        return []
    return [Command(own, engine, version, env, _visible(env) or num_gpus)]


def _handed_over(engine: str, words: tuple[str, ...]) -> bool:
    """Whether these are for an image's own program: options, or a model in front of them."""
    if engine == "trtllm":
        return False  # its image has no program of its own
    model = engine == "vllm" and re.match(r"[\w.-]+/[\w.-]+$", words[0] if words else "")
    return not words or words[0].startswith("-") or bool(model)


def tagged(image: str) -> str:
    """Find the version that an image's tag names.

    Parameters
    ----------
    image : str
        The image with its tag.

    Returns
    -------
    str
        The version; "" for none.

    Examples
    --------
    >>> tagged("vllm/vllm-openai:v0.12.0-cu129"), tagged("vllm/vllm-openai:latest")
    ('0.12.0', '')
    >>> tagged("rocm/vllm:rocm7.0.0_vllm_0.10.2"), tagged("nvcr.io/nvidia/vllm:25.09-py3")
    ('0.10.2', '')
    """
    tag = re.sub(r"@.*", "", image).rpartition("/")[2].partition(":")[2]
    tag = OTHER_VERSION.sub("", tag)
    found = re.search(r"(?<![\d.a-z])v?(\d+\.\d+(?:\.\d+)?(?:[.-]?(?:rc|post|a|b)\d+)?)", tag)
    build = re.search(r"(?<![a-z0-9])b\d{3,6}(?![a-z0-9])", tag)
    return build.group() if build else found.group(1) if found else ""
