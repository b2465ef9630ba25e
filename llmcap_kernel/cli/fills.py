"""Options that fill in what a file of measurements leaves unsaid."""

import argparse
from typing import Any

from ..evidence import measurements
from ..refuse import number
from ..spec import LEAST_FRACTION, MAX_TOKENS
from .options import add_gpu_file, read_number

# options: the column each fills, its type and its help
FILLS: dict[str, tuple[str, type | None, str]] = {
    "model": ("model", None, "model of the catalogue"),
    "gpu": ("gpu", None, "card of the catalogue"),
    "engine": ("engine", None, "what served it"),
    "engine_version": ("engine_version", None, "version of the engine"),
    "weights": ("weight_dtype", None, "format of the weights"),
    "kv": ("kv_dtype", None, "format of the KV cache"),
    "tp": ("tp", int, "cards that split each layer"),
    "pp": ("pp", int, "cards that split the layers"),
    "ep": ("ep", int, "cards that split the experts"),
    "dp_attention": (
        "dp_attention",
        int,
        "replicas of data-parallel attention (all cards if alone)",
    ),
    "memory_fraction": ("memory_fraction", float, "share of a card that it may use"),
    "max_num_seqs": ("max_num_seqs", int, "most sequences at once"),
    "max_num_batched_tokens": ("max_num_batched_tokens", int, "most tokens of a step"),
    "context": ("max_model_len", int, "longest sequence it was started for, in tokens"),
    "input": ("input_tokens", int, "prompt tokens of a request"),
    "output": ("output_tokens", int, "answer tokens of a request"),
    "concurrency": ("concurrency", int, "requests in flight"),
    "shared_prefix": ("cached_tokens", int, "leading prompt tokens that a prefix cache had"),
    "rate_of": ("rate_of", None, "whose tokens a rate counts: user, all, or total with prompts"),
}
ALL = "yes"  # every card of tp, where only the option stands
BOUNDS = {
    **dict.fromkeys(("context", "output"), (1, MAX_TOKENS)),
    **dict.fromkeys(("input", "shared_prefix"), (0, MAX_TOKENS)),
    **dict.fromkeys(("concurrency", "max_num_seqs", "max_num_batched_tokens"), (1, 1e7)),
    "memory_fraction": (LEAST_FRACTION, 1),
}
GROUPS = {
    "model": ("model", "weights", "kv"),
    "cards": ("gpu", "tp", "pp", "ep", "dp_attention"),
    "engine": (
        *("engine", "engine_version", "memory_fraction"),
        *("max_num_seqs", "max_num_batched_tokens", "context"),
    ),
    "load": ("input", "output", "concurrency", "shared_prefix", "rate_of"),
}


def add_fills(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title, "whatever the file says")
        for name in names:
            _, kind, about = FILLS[name]
            flags = [_typed(name), *(["--concurrency"] if name == "concurrency" else [])]
            alone: dict[str, Any] = {"nargs": "?", "const": ALL} if name == "dp_attention" else {}
            metavar = "N" if kind else "NAME"
            group.add_argument(*flags, dest=name, metavar=metavar, help=about, **alone)
        if title == "model":
            about = "a config.json, the model of all rows"
            group.add_argument("--config", metavar="FILE", help=about)
        if title == "cards":
            add_gpu_file(group)


def given_fills(args: argparse.Namespace) -> list[str]:
    """List the options that were given.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    list of str
        As they are typed.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_fills(parser)
    >>> given_fills(parser.parse_args(["--tp", "2", "--concurrency", "4"]))
    ['--tp', '--users']
    """
    named = ("gpu_file", "config", *FILLS)  # the first also names a card
    found = (name for name in named if getattr(args, name) is not None)
    return [_typed(name) for name in found]


def _typed(name: str) -> str:
    return "--users" if name == "concurrency" else f"--{name.replace('_', '-')}"


def read_fills(args: argparse.Namespace) -> dict[str, Any]:
    """Read the options.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    dict
        Values that replace those of a file, by column.

    Raises
    ------
    BadInput
        When a name is not in the catalogue, or a number is none.
    """
    given = {column: _read(name, getattr(args, name)) for name, (column, *_) in FILLS.items()}
    return measurements.options_of(config=args.config, **given)


def _read(name: str, text: str | None) -> Any:
    kind = FILLS[name][1]
    if kind is None or text is None or text == ALL:
        return text
    least, most = BOUNDS.get(name, (1, 4096))
    return number(name, read_number(name, text, kind), least, most, whole=kind is int)
