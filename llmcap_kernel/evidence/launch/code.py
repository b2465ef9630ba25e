"""What starts an engine without a shell: a call in Python, and a Dockerfile.

Names: `vllm/entrypoints/llm.py`, `sglang/srt/entrypoints/engine.py`, `tensorrt_llm/llmapi/llm.py`;
the instructions of docs.docker.com/reference/dockerfile.
"""

import ast
import json
import re
from typing import Any, NamedTuple

CALL = re.compile(r"(?<![\w.])(?:(sgl|sglang|vllm)\.)?(LLM|Engine|(?:Async)?EngineArgs)\(")
CONSTANT = r"^[ \t]*%s[ \t]*=[ \t]*([^\n#]{1,400})"
MOST_CHARS = 4_000  # of a call
INSTRUCTION = re.compile(r"^[ \t]*(FROM|ENV|ENTRYPOINT|CMD)[ \t]+(\S[^\n]*)$", re.M | re.I)
CONTINUED = re.compile(r"\\[ \t]*\n")


class Called(NamedTuple):
    """An engine that a program starts.

    Attributes
    ----------
    engine : str
        The engine's family.
    words : tuple of str
        Its arguments, as options.
    offline : bool
        Whether it is the class for a program, whose limits are not a server's.
    """

    engine: str
    words: tuple[str, ...]
    offline: bool = False


def of_python(text: str) -> Called | None:
    """Read the first call in Python that starts an engine.

    Parameters
    ----------
    text : str
        Whatever was pasted.

    Returns
    -------
    Called or None
        None where there is none.

    Examples
    --------
    >>> of_python('llm = LLM("Qwen/Qwen3-8B", tensor_parallel_size=2, enforce_eager=True)').words
    ('--model', 'Qwen/Qwen3-8B', '--tensor-parallel-size=2', '--enforce-eager')
    """
    for found in CALL.finditer(text):
        call = _call(text[found.start() : found.start() + MOST_CHARS])
        if call is None or (found[2] == "Engine" and found[1] not in ("sgl", "sglang")):
            continue
        engine = (
            "sglang" if found[2] == "Engine" else "trtllm" if "tensorrt_llm" in text else "vllm"
        )
        run: list[str] = []
        for one in call.args[:1]:
            run += ["--model", str(_value(one, text))]
        for keyword in call.keywords:
            run += _option(keyword.arg or "", _value(keyword.value, text))
        return Called(engine, tuple(run), found[2] == "LLM")
    return None


def _call(text: str) -> ast.Call | None:
    """The call that a text begins with, up to the bracket that closes it."""
    depth = 0
    for at, mark in enumerate(text):
        depth += (mark == "(") - (mark == ")")
        if mark == ")" and not depth:
            try:
                found = ast.parse(text[: at + 1], mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # a bracket within quotes
            return found if isinstance(found, ast.Call) else None
    return None


def _value(node: ast.expr, text: str) -> Any:
    """A constant, one that has a name, or what says that it is none."""
    if isinstance(node, ast.Name):
        name = node.id
        found = re.search(CONSTANT % re.escape(name), text, re.M)
        try:
            node = ast.parse(found[1].strip(), mode="eval").body if found else node
        except (SyntaxError, ValueError):
            return f"${name}"
    if isinstance(node, ast.Call):  # KvCacheConfig(...)
        return {one.arg: _value(one.value, text) for one in node.keywords if one.arg}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return f"${ast.unparse(node)[:60]}"


def of_list(listed: str, text: str) -> list[str]:
    """Read a list of a program and its arguments, as Python hands one to a process.

    Parameters
    ----------
    listed : str
        The list.
    text : str
        The program around it, with its constants.

    Returns
    -------
    list of str
        The words; a variable without a value as `$NAME`.

    Examples
    --------
    >>> of_list('["vllm", "serve", MODEL, "-tp", str(N)]', 'MODEL = "a/b"\\nN = 2')
    ['vllm', 'serve', 'a/b', '-tp', '2']
    """
    try:
        found = ast.parse(listed, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [word for _, word in re.findall(r"""(["'])(.*?)\1""", listed, re.S)]
    items = found.elts if isinstance(found, ast.List) else []
    written = (
        one.args[0] if isinstance(one, ast.Call) and len(one.args) == 1 else one for one in items
    )
    return [str(_value(one, text)) for one in written if not isinstance(one, ast.Starred)]


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if value is None or not name:
        return []
    if isinstance(value, bool):
        return [option] if value else [f"--no-{name.replace('_', '-')}"]
    text = json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)
    return [f"{option}={text}"]


class Built(NamedTuple):
    """What an image that a Dockerfile builds runs.

    Attributes
    ----------
    image : str
        The image that it stands on.
    words : tuple of str
        What it runs.
    env : dict of str to str
        Variables set in it.
    """

    image: str
    words: tuple[str, ...]
    env: dict[str, str]


def of_dockerfile(text: str) -> Built | None:
    """Read what a Dockerfile runs in the end.

    Parameters
    ----------
    text : str
        Whatever was pasted.

    Returns
    -------
    Built or None
        None where it is no Dockerfile that says so.

    Examples
    --------
    >>> of_dockerfile('FROM vllm/vllm-openai:v0.11.0\\nCMD ["--model", "Qwen/Qwen3-8B"]')[:2]
    ('vllm/vllm-openai:v0.11.0', ('--model', 'Qwen/Qwen3-8B'))
    """
    if not re.match(r"\s*(?:#[^\n]*\n\s*|ARG [^\n]*\n\s*)*FROM\s", text, re.I):
        return None
    image, env = "", dict[str, str]()
    runs: dict[str, tuple[str, ...]] = {"ENTRYPOINT": (), "CMD": ()}
    for word, rest in INSTRUCTION.findall(CONTINUED.sub(" ", text)):
        if word.upper() == "FROM":
            image = rest.split()[0] if not rest.startswith("--") else rest.split()[1]
        elif word.upper() == "ENV":
            name, equals, value = rest.partition("=" if "=" in rest.split()[0] else " ")
            env |= {name: value.strip().strip("\"'")} if equals else {}
        else:
            runs[word.upper()] = _listed(rest)
    run = (*runs["ENTRYPOINT"], *runs["CMD"])
    return Built(image, run, env) if run else None


def _listed(rest: str) -> tuple[str, ...]:
    """The words of an instruction, listed or left to a shell."""
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return ("sh", "-c", rest)
    whole = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return tuple(found) if whole else ()
