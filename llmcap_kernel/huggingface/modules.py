"""Which tensors a list of modules in a config names, and in how many of their layers."""

import fnmatch
import re
from collections.abc import Iterable, Sequence

from ..spec import Tensor

MAX_PATTERNS = 400
MAX_NAME = 200
MOST_GLOBS = 64
MOST_STARS = 4
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)(?=$|[.*])")
_ANY_LAYER = re.compile(r"^.*\b(?:layers|h|blocks)\.[*?]\.")  # of a pattern
_WHOLE_LAYER = re.compile(r"^\.?\*?$")
# Some published copies of a config truncate lists to their first entries: a module
# that such a list names for one layer is taken as excluded in all layers.
STUMP = 3
REGEX = "re:"

# A pattern of names, and the layers it is about; None for all of them.
Named = dict[str, set[int] | None]


def named(items: Iterable[str], stump: int = STUMP) -> Named:
    """Collect the modules of a list.

    Parameters
    ----------
    items : iterable of str
        Names of modules, with the index of a layer or without; a regular expression follows
        "re:".
    stump : int
        Length up to which a list may have been cut to its first entries, so that a module of
        one layer stands for that of all.

    Returns
    -------
    dict
        The layers by pattern, None for all layers.

    Examples
    --------
    >>> names = [f"model.layers.{i}.mlp.down_proj" for i in range(4)]
    >>> named(["lm_head", *names])
    {'lm_head': None, 'mlp.down_proj': {0, 1, 2, 3}}
    """
    items = [item for item in items if len(item) <= MAX_NAME]
    cut, found = len(items) <= stump, Named()
    for item in items:
        layer = _LAYER.search(item) if not item.startswith(REGEX) else None
        if layer is None or of_tower(item):
            found[item] = None
            continue
        rest = item[layer.end() :].removesuffix(".weight")
        whole = _WHOLE_LAYER.match(rest) or rest == ".*"
        if not whole and cut:
            found[rest.lstrip(".")] = None
        elif not (whole and cut):
            layers = found.setdefault("*" if whole else rest.lstrip("."), set())
            if layers is not None:
                layers.add(int(layer[1]))
    return dict(list(found.items())[:MAX_PATTERNS])


def of_one_layer(items: Sequence[str]) -> bool:
    """Whether a list names modules of one layer alone, as one does that was cut there."""
    return len({layer[1] for layer in map(_LAYER.search, items) if layer}) == 1


def without_layers(items: Iterable[str]) -> list[str]:
    """Take the indices of layers out of names."""
    return [_LAYER.sub("", item) for item in items]


def of_tower(pattern: str) -> bool:
    """Whether a name is of a tower beside the text model."""
    return any(word in pattern for word in ("vision", "visual", "multi_modal_projector"))


def share(listed: Named, tensor: Tensor, where: Sequence[int] | None) -> float:
    """Say in what share of its layers a tensor is named.

    Parameters
    ----------
    listed : dict
        Layers by pattern, as `named` collects them.
    tensor : Tensor
        The tensor.
    where : sequence of int or None
        The layers that have it; None where they are not known.

    Returns
    -------
    float
        From 0 to 1; 1 too of a tensor whose layers are not known.

    Examples
    --------
    >>> down = Tensor("mlp.down_proj", "mlp", 1000, copies=4)
    >>> share(named([f"model.layers.{i}.mlp.down_proj" for i in range(4)]), down, range(8))
    0.5
    >>> share({r"re:.*layers\\.(0|1|2)\\.mlp.*": None}, down, range(4))
    0.75
    """
    if tensor.role == "vision":
        return float(any(of_tower(pattern) for pattern in listed))
    if tensor.role == "mtp" and any(p.startswith(("mtp", "*mtp")) for p in listed):
        return 1.0
    names, hit = _spellings(tensor.name), set[int]()
    for pattern, layers in listed.items():
        some = _layers_in(pattern, names, where)
        if some is None and any(_matches(pattern, name) for name in names):
            some = set(where) if where is not None and layers is None else layers
            if some is None or where is None:
                return 1.0
        hit |= (some or set()).intersection(where or ())
    return len(hit) / len(where) if where else 0.0


def _layers_in(pattern: str, names: list[str], where: Sequence[int] | None) -> set[int] | None:
    """The layers that a regular expression with indices of layers matches; None for another."""
    if not pattern.startswith(REGEX) or where is None:
        return None
    choices = [glob for glob in globs(pattern.removeprefix(REGEX)) if re.search(r"\d", glob)]
    if not choices:
        return None
    full = {i: [f"model.layers.{i}.{name}" for name in names] for i in where}
    return {
        i
        for i, spelled in full.items()
        if any(_fits(f"*{glob}*", name) for glob in choices for name in spelled)
    }


def _fits(glob: str, name: str) -> bool:
    return glob.count("*") <= MOST_STARS + 2 and fnmatch.fnmatchcase(name, glob)


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith(REGEX):
        within = [_ANY_LAYER.sub("", g) for g in globs(pattern.removeprefix(REGEX))]
        return any(_glob(f"*{g.lstrip('*')}", name) for g in within)
    return _glob(pattern, name)


def _glob(pattern: str, name: str) -> bool:
    pattern = pattern.removeprefix("model.").removeprefix("language_model.").removeprefix("model.")
    pattern = re.sub(r"^layers\.\*\.", "", pattern)
    if pattern.startswith("*.") and "layers" in pattern:
        pattern = pattern.split("layers", 1)[1].lstrip(".0123456789*")
    pattern = pattern.strip(".") or "*"
    if pattern.count("*") > MOST_STARS:
        return False
    pattern = pattern.lstrip("*.") if pattern.startswith("*.") else pattern
    bare = pattern.rstrip("*").rstrip(".")
    return (
        name == bare
        or name.startswith(bare + ".")
        or f".{bare}." in f".{name}."
        or fnmatch.fnmatchcase(name, pattern)
    )


# Other names a module goes by in lists of modules.
ALIASES = (
    ("lm_head", "head"),
    ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz"),
    ("linear_attn.in_proj_z", "linear_attn.in_proj_qkvz"),
    ("linear_attn", "linear_attention"),
    ("self_attn", "attn"),
    ("self_attn", "attention"),
    ("mlp.shared_experts", "mlp.shared_expert"),
    ("mlp.experts.", "mlp.experts.0."),
    ("mlp.", "block_sparse_moe."),
    ("mlp.", "ffn."),
    ("mlp.", "feed_forward."),
    ("mlp.gate", "mlp.router"),
)


def _spellings(name: str) -> list[str]:
    names = [name]
    for ours, theirs in ALIASES:
        names += [n.replace(ours, theirs, 1) for n in list(names) if n.startswith(ours)]
    return names


def globs(expression: str) -> list[str]:
    """Write a regular expression of module names as patterns with "*" and "?".

    A regular expression of a stranger may take forever to match, a pattern does not. Groups,
    alternatives, classes and repeats are read, as published lists have them.

    Parameters
    ----------
    expression : str
        The regular expression.

    Returns
    -------
    list of str
        Patterns that match what it does, at most `MOST_GLOBS`; a repeat of anything is "*".

    Examples
    --------
    >>> globs(r".*\\.(?:0|1)\\.mlp\\.(gate|up)_proj$")
    ['*.0.mlp.gate_proj', '*.0.mlp.up_proj', '*.1.mlp.gate_proj', '*.1.mlp.up_proj']
    """
    if re.search(r"\(\?[^:]", expression):  # looks ahead or behind: not read
        return []
    tokens = re.findall(r"\\.|\(\?:|\[[^\]]*\]|[*+?]\??|.", expression)
    found, _ = _alternatives(tokens, 0)
    return [re.sub(r"\*+", "*", glob) for glob in dict.fromkeys(found)][:MOST_GLOBS]


def _alternatives(tokens: list[str], at: int) -> tuple[list[str], int]:
    """What stands up to the end of a group, and where that is."""
    done: list[str] = []
    now = [""]
    while at < len(tokens) and tokens[at] != ")":
        token, at = tokens[at], at + 1
        if token == "|":
            done, now = done + now, [""]
            continue
        if token in ("(", "(?:"):
            choices, at = _alternatives(tokens, at)
            at += 1
        else:
            choices = _one(token)
        if at < len(tokens) and tokens[at][0] in "*+?":
            choices, at = (["", *choices] if tokens[at] == "?" else ["*"]), at + 1
        now = [a + b for a in now for b in choices][:MOST_GLOBS]
    return done + now, at


def _one(token: str) -> list[str]:
    """What one token of a regular expression stands for."""
    if token in ("^", "$", "\\b", "\\A", "\\Z"):
        return [""]
    if digits := re.fullmatch(r"\[(\d)-(\d)\]", token):
        return [str(i) for i in range(int(digits[1]), int(digits[2]) + 1)]
    if token.startswith("["):
        return list(token[1:-1]) if re.fullmatch(r"\[\w+\]", token) else ["?"]
    if token[0] == "\\" and token[-1].isalpha():
        return ["?"]
    return [token[-1]]  # a dot that is not escaped means a name's dot, as lists are written
