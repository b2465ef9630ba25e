"""Which tensors a list of modules in a config names, and in how many of their layers."""

import fnmatch
import re
from collections.abc import Iterable, Sequence

from ..spec import Tensor

MAX_PATTERNS = 1_000
MAX_NAME, MAX_EXPRESSION, MAX_GROUPS = 200, 2_000, 50
MOST_GLOBS = 512
MOST_STARS = 4
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)(?=$|[.*])")
# Of a pattern: the layer that it is about, by its number or as any.
_NUMBERED = re.compile(r"^.*?(?:\b(?:layers|h|blocks)\.|^|\*\.?)(\d{1,4})(?=$|[.*?])")
_ANY_LAYER = re.compile(r"^.*\b(?:layers|h|blocks)\.[*?]\.")
_WHOLE_LAYER = re.compile(r"^\.?\*?$")
# Some published copies of a config truncate lists to their first three entries: a module that such
# a list names for one of the first layers is taken as excluded in all layers.
STUMP, FIRST_LAYERS = 3, ("0", "1")
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
        Length of a list that may have been cut to its first entries, so that a module of one of
        the first layers stands for that of all; 0 for none.

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
    items = list(items)
    stub, found = len(items) == stump, Named()
    for item in items:
        if item.startswith(REGEX) and not of_tower(item):
            for rest, index in _expanded(item.removeprefix(REGEX)):
                _add(found, rest, index)
            continue
        layer = _LAYER.search(item)
        apart = of_tower(item) or item.startswith("mtp")  # with layers of their own
        if len(item) > MAX_NAME or layer is None or apart:
            _add(found, item[:MAX_NAME], None)
            continue
        rest, cut = item[layer.end() :].removesuffix(".weight"), stub and layer[1] in FIRST_LAYERS
        whole = _WHOLE_LAYER.match(rest) or rest == ".*"
        if not whole and cut:
            _add(found, rest.lstrip("."), None)
        elif not (whole and cut):
            _add(found, "*" if whole else rest.lstrip("."), int(layer[1]))
    return dict(list(found.items())[:MAX_PATTERNS])


def _add(found: Named, pattern: str, layer: int | None) -> None:
    layers = found.setdefault(pattern, set())
    if layer is None:
        found[pattern] = None
    elif layers is not None:
        layers.add(layer)


def _expanded(expression: str) -> list[tuple[str, int | None]]:
    """The patterns of a regular expression behind their layer, and the layer; None for any."""
    out: list[tuple[str, int | None]] = []
    for glob in globs(expression):
        numbered = _NUMBERED.match(glob)
        rest = glob[numbered.end() :] if numbered else _ANY_LAYER.sub("", glob)
        out.append((f"*{rest.lstrip('*.')}", int(numbered[1]) if numbered else None))
    return out


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
    >>> share(named([r"re:.*layers\\.(0|1|2)\\.mlp.*"]), down, range(4))
    0.75
    """
    if tensor.role == "vision":
        return float(any(of_tower(pattern) for pattern in listed))
    if tensor.role == "mtp" and any(p.startswith(("mtp", "*mtp")) for p in listed):
        return 1.0
    names, hit = _spellings(tensor.name), set[int]()
    for pattern, layers in listed.items():
        if any(_glob(pattern, name) for name in names):
            if layers is None or where is None:
                return 1.0
            hit |= layers.intersection(where)
    return len(hit) / len(where) if where else 0.0


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
    looks = re.search(r"\(\?[^:]", expression)  # ahead or behind: not read
    if looks or len(expression) > MAX_EXPRESSION or expression.count("(") > MAX_GROUPS:
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
