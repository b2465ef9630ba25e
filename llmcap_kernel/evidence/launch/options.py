"""The options of a launch command, by the table of its engine in `catalog/flags.toml`."""

import contextlib
import difflib
import json
import re
from functools import cache
from typing import Any, NamedTuple

from ... import catalog
from ...refuse import BadInput, number, shown, ungrouped
from .words import OPTION

ENGINES = ("vllm", "sglang", "trtllm", "llama.cpp")
ABBREVIATE = ("vllm", "sglang")  # their parsers take the beginning of a name
YES = ("true", "1", "yes", "on", "enabled")
NO = ("false", "0", "no", "off", "disabled")
NOTHING = ("", "none", "null")
SCALES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
MOST = 10**13
SAME = {"context": "max_model_len", "slots": "max_num_seqs"}  # fields by what they nearly are


class Given(NamedTuple):
    """An option as it is given.

    Attributes
    ----------
    flag : str
        As it was written, without its value.
    name : str
        Its name in the table.
    value : str or None
        Its value; None where it has none.
    on : bool
        False where it is the form that turns it off.
    """

    flag: str
    name: str
    value: str | None
    on: bool = True


class Parsed(NamedTuple):
    """The words of a command, told apart.

    Attributes
    ----------
    bare : list of str
        Words that are no option's.
    given : list of Given
        Options that the engine has.
    unknown : list of tuple of str
        Options that it has not, each with the nearest that it has, or "".
    """

    bare: list[str]
    given: list[Given]
    unknown: list[tuple[str, str]]


@cache
def table(engine: str) -> dict[str, Any]:
    """Read what is known of an engine's options.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.

    Returns
    -------
    dict
        read, known (category by name), aliases, off, and the sets of those that take no value,
        one or none, and several.

    Examples
    --------
    >>> table("vllm")["known"]["host"], table("vllm")["aliases"]["tp"]
    ('networking', 'tensor-parallel-size')
    """
    raw = catalog.table("flags")[engine]
    return {
        "read": raw["read"],
        "known": {name: kind for kind, names in raw["known"].items() for name in names},
        "aliases": raw["aliases"],
        "off": raw.get("off", {}),
        "env": raw.get("env", {}),
        "switches": frozenset(raw["switches"]),
        "maybe": frozenset(raw.get("maybe", ())),
        "several": frozenset(raw.get("several", ())),
    }


@cache
def why(category: str) -> tuple[bool, str]:
    """Say why the options of a category change nothing.

    Parameters
    ----------
    category : str
        One of the table's.

    Returns
    -------
    tuple of (bool, str)
        Whether they might, if the law had a term for them; and half a sentence.

    Examples
    --------
    >>> why("naming")
    (False, 'what clients call the model')
    """
    of = catalog.table("flags")["categories"]
    beyond = category in of["beyond"]
    return beyond, of["beyond" if beyond else "none"][category]


def named(engine: str, word: str) -> tuple[str, bool]:
    """Find an option by any of its spellings.

    Parameters
    ----------
    engine : str
        The engine's family.
    word : str
        As written, with or without dashes in front.

    Returns
    -------
    tuple of (str, bool)
        Its name, "" when it is unknown; and whether this form turns it on.

    Examples
    --------
    >>> named("vllm", "--tensor_parallel_size"), named("vllm", "--no-enable-prefix-caching")
    (('tensor-parallel-size', True), ('enable-prefix-caching', False))
    >>> named("sglang", "--mem-fraction"), named("llama.cpp", "-nkvo"), named("vllm", "--frob")
    (('mem-fraction-static', True), ('kv-offload', False), ('', True))
    """
    of, bare = table(engine), word.lstrip("-").replace("_", "-")
    known, aliases = of["read"].keys() | of["known"].keys(), of["aliases"]
    if bare in known or bare in aliases:
        return aliases.get(bare, bare), True
    if bare in of["off"]:
        return of["off"][bare], False
    rest = bare.removeprefix("no-")
    rest = aliases.get(rest, rest)
    if rest != bare and rest in of["switches"]:
        return rest, False
    if engine in ABBREVIATE and word.startswith("--") and len(bare) > 3:
        begun = {aliases.get(n, n) for n in (*known, *aliases) if n.startswith(bare)}
        if len(begun) == 1:
            return begun.pop(), True
    return "", True


def parse(words: tuple[str, ...], engine: str) -> Parsed:
    """Tell options, their values and other words apart.

    Parameters
    ----------
    words : tuple of str
        What follows the program.
    engine : str
        The engine's family.

    Returns
    -------
    Parsed
        All of them.

    Examples
    --------
    >>> parsed = parse(("Qwen/Qwen3-8B", "--port=80", "-tp", "2", "--max-mode-len", "9"), "vllm")
    >>> parsed.bare, parsed.given[1], parsed.unknown
    (['Qwen/Qwen3-8B'],
     Given(flag='-tp', name='tensor-parallel-size', value='2', on=True),
     [('--max-mode-len', '--max-model-len')])
    """
    bare, given, unknown, at = [], [], [], 0
    while at < len(words):
        word, at = words[at], at + 1
        if not OPTION.match(word):
            bare.append(word)
            continue
        flag, equals, value = word.partition("=")
        name, on, inner = _named(engine, flag)
        taken = [value] if equals else []
        if not equals:
            taken, at = _values(words, at, engine, name)
        if name == "optimization-level" and flag[2:]:
            taken, flag = taken or [flag[2:].lstrip(".")], flag[:2]
        if not name:
            unknown.append((flag, _nearest(engine, flag)))
            continue
        text = " ".join(taken) if taken else None
        if inner:
            text = json.dumps(_nested(inner, text or ""))
        given.append(Given(flag, name, text, on))
    return Parsed(bare, given, unknown)


def _named(engine: str, flag: str) -> tuple[str, bool, str]:
    """Its name, whether it is on, and the key of `--x.key value` within it."""
    if engine == "vllm" and re.fullmatch(r"-O\.?\w{1,20}", flag):
        return "optimization-level", True, ""
    name, on = named(engine, flag)
    if name or "." not in flag:
        return name, on, ""
    head, _, inner = flag.partition(".")
    name, on = named(engine, head)
    kind = table(engine)["read"].get(name, {}).get("kind", "json")
    return (name, on, inner) if name and kind in ("json", "level") else ("", True, "")


def _nested(path: str, text: str) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    head = head.replace("-", "_")
    if rest:
        return {head: _nested(rest, text)}
    try:
        return {head: json.loads(text)}
    except ValueError:
        return {head: text}


def _values(words: tuple[str, ...], at: int, engine: str, name: str) -> tuple[list[str], int]:
    """The values that follow an option, and where the next word stands."""
    of = table(engine)
    taken: list[str] = []
    most = len(words) if name in of["several"] else 1
    while at < len(words) and len(taken) < most and not OPTION.match(words[at]):
        if name in of["switches"] and words[at].lower() not in ("true", "false"):
            break
        taken.append(words[at])
        at += 1
    return taken, at


def _nearest(engine: str, flag: str) -> str:
    """The option that is meant: what another engine calls so, or else one with a near name."""
    of, bare = table(engine), flag.lstrip("-").replace("_", "-").lower()[:80]
    names = [*of["read"], *of["known"]]
    glued = re.sub(r"\d+$", "", bare)  # -tp2
    near = (
        _same_of_another(engine, bare)
        or next((of["aliases"].get(one, one) for one in (bare, glued) if named(engine, one)[0]), "")
        or next(iter(difflib.get_close_matches(bare, names, n=1)), "")
    )
    dash = "_" if engine == "trtllm" else "-"
    return f"--{near.replace('-', dash)}" if near else ""


def _same_of_another(engine: str, bare: str) -> str:
    """This engine's option for what another engine's option of a name says; "" for none."""

    def field_of(one: dict[str, str]) -> str:
        return SAME.get(one["field"], one["field"])

    own = {field_of(one): name for name, one in reversed(table(engine)["read"].items())}
    for other in ENGINES:
        name = named(other, f"--{bare}")[0] if other != engine else ""
        field = field_of(table(other)["read"].get(name, {"field": ""}))
        if name in (bare, table(other)["aliases"].get(bare)) and field in own:
            return own[field]
    return ""


def known(words: tuple[str, ...], engine: str) -> int:
    """Count the options that an engine has.

    Parameters
    ----------
    words : tuple of str
        The words of a command.
    engine : str
        The engine's family.

    Returns
    -------
    int
        Those known, less those unknown.

    Examples
    --------
    >>> known(("--model-path", "x", "--tp", "2"), "sglang"), known(("--model-path", "x"), "vllm")
    (2, -1)
    """
    parsed = parse(words, engine)
    return len(parsed.given) - len(parsed.unknown)


def whole(field: str, text: str, least: int = 1) -> int:
    """Read a whole number as engines take it: 32k is 32,000, and 32K or 32Ki is 32,768.

    Parameters
    ----------
    field : str
        The option, for the error message.
    text : str
        As written.
    least : int
        The smallest that it takes.

    Returns
    -------
    int
        The number.

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> whole("--max-model-len", "32k"), whole("--max-model-len", "25.6k"), whole("-c", "1Ki")
    (32000, 25600, 1024)
    """
    plain = ungrouped(text.strip()).replace("_", "")
    found = re.fullmatch(r"([+-]?\d{1,15}(?:\.\d{1,9})?)([kKmMgGtT]?)(i?)", plain)
    value: float = float("nan")
    if found and (found.group(2) or not found.group(3)):
        letter = found.group(2)
        scale = SCALES.get(letter.lower(), 1)
        if found.group(3) or letter.isupper():
            scale = 2 ** (10 * ("kmgt".index(letter.lower()) + 1))
        value = round(float(found.group(1)) * scale, 6)
    if not (least <= value <= MOST and value == int(value)):
        raise BadInput(field, f"{field} is {shown(text)}: it takes a whole number from {least}.")
    return int(value)


def share(field: str, text: str) -> float:
    """Read a number above 0.

    Parameters
    ----------
    field : str
        The option, for the error message.
    text : str
        As written.

    Returns
    -------
    float
        The number.

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> share("--gpu-memory-utilization", "0.92")
    0.92
    """
    try:
        return number(field, float(text), 0, 1e6)
    except (ValueError, BadInput):
        raise BadInput(field, f"{field} is {shown(text)}: it takes a number.") from None


def part(field: str, text: str) -> float:
    """Read a share of the whole.

    Parameters
    ----------
    field : str
        The option, for the error message.
    text : str
        As written.

    Returns
    -------
    float
        The share.

    Raises
    ------
    BadInput
        When it is none; of a percentage the message says which share it is.

    Examples
    --------
    >>> part("--mem-fraction-static", "0.85")
    0.85
    """
    with contextlib.suppress(BadInput):
        value = share(field, text)
        if value <= 1:
            return value
    percent = re.fullmatch(r"([1-9]\d(?:\.\d+)?) ?%?|0?,(\d+)", text)
    meant = percent and (float(percent[1]) / 100 if percent[1] else float(f"0.{percent[2]}"))
    hint = f", such as {meant:g}" if meant else ""
    raise BadInput(field, f"{field} is {shown(text)}: it takes a share from 0 to 1{hint}.")


def truth(field: str, given: Given) -> bool:
    """Read whether a switch is on.

    Parameters
    ----------
    field : str
        The option, for the error message.
    given : Given
        As it is given.

    Returns
    -------
    bool
        Whether it is on.

    Raises
    ------
    BadInput
        When it has another value than true or false.

    Examples
    --------
    >>> truth("--enforce-eager", Given("--enforce-eager", "enforce-eager", "False"))
    False
    """
    if given.value is None:
        return given.on
    plain = given.value.strip().lower()
    if plain not in (*YES, *NO):
        raise BadInput(field, f"{field} is {shown(given.value)}: it takes true or false.")
    return (plain in YES) == given.on


def mapping(field: str, text: str) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    field : str
        The option, for the error message.
    text : str
        As written; single quotes are forgiven.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    BadInput
        When it is none.

    Examples
    --------
    >>> mapping("--speculative-config", "{'method': 'ngram'}")
    {'method': 'ngram'}
    """
    for attempt in (text, text.replace("'", '"').replace("None", "null")):
        try:
            found = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    raise BadInput(field, f"{field} is {shown(text)}: it takes a JSON object.")
