"""Deployments beside each other, one a column: `B: model=... gpu=... tp=2`."""

import argparse
from collections.abc import Callable
from typing import Any

from ...refuse import BadInput, one_of, shown
from ...spec import Deployment
from .deployment import NUMBER_FIELDS, SWITCHES, add_gpu_file, build
from .values import read_number

TEXT_FIELDS = ("model", "gpu", "engine", "weights", "kv")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a deployment beside others.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    known = ", ".join((*TEXT_FIELDS, *NUMBER_FIELDS, *SWITCHES))
    parser.add_argument_group("deployments", f"keys of a column: {known}").add_argument(
        "--column",
        action="append",
        metavar="SPEC",
        help='"B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8"; repeat it '
        "(default: the worked spec, three deployments for a coding agent)",
    )
    add_gpu_file(parser)


def read_column(text: str) -> tuple[str, Deployment]:
    """Read one deployment of a scorecard from `key=value` pairs.

    Parameters
    ----------
    text : str
        Such as "B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8";
        pairs may be separated by spaces, commas or ampersands.

    Returns
    -------
    tuple of (str, Deployment)
        Heading ("" when there is none) and deployment.

    Raises
    ------
    BadInput
        When a key or a value is unknown.

    Examples
    --------
    >>> label, d = read_column("B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8")
    >>> label, d.num_gpus
    ('B', 2)
    """
    label, colon, rest = text.partition(":")
    if not colon or "=" in label:
        label, rest = "", text
    fields: dict[str, Any] = {}
    known = (*TEXT_FIELDS, *NUMBER_FIELDS, *SWITCHES)
    for pair in rest.replace(",", " ").replace("&", " ").split():
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadInput("column", f"column part {shown(pair)} is not key=value.")
        key = one_of("column key", key.replace("-", "_"), known)
        if key in fields:
            raise BadInput(key, f"column {shown(text)} gives {key} twice.")
        if key in NUMBER_FIELDS:
            fields[key] = read_number(key, value, NUMBER_FIELDS[key])
        elif key in SWITCHES:
            fields[key] = one_of(key, value, ("true", "false")) == "true"
        else:
            fields[key] = value
    for key in ("model", "gpu"):
        if key not in fields:
            raise BadInput(key, f"column {shown(text)} has no {key}: it takes {key}=NAME.")
    model, gpu = fields.pop("model"), fields.pop("gpu")
    return label.strip(), build(model, gpu, fields)


def read_columns(texts: list[str] | None, default: Callable[[], tuple[Deployment, ...]]) -> Any:
    """Read the columns; those without a heading get the letters that are left.

    Parameters
    ----------
    texts : list of str or None
        As given.
    default : callable
        Makes the deployments where none is given.

    Returns
    -------
    dict of str to Deployment
        By heading.

    Raises
    ------
    BadInput
        When a heading is given twice, or the letters run out.

    Examples
    --------
    >>> spec = "model=llama-3.1-8b gpu=l4"
    >>> list(read_columns([spec, f"A: {spec}", spec], tuple))
    ['B', 'A', 'C']
    """
    if not texts:
        return dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", default(), strict=False))
    named = [read_column(text) for text in texts]
    taken = [label for label, _ in named if label]
    letters = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in taken]
    if len(set(taken)) < len(taken):
        twice = next(label for label in taken if taken.count(label) > 1)
        raise BadInput("column", f"column heading {shown(twice)} is given twice.")
    if len(named) - len(taken) > len(letters):
        raise BadInput("column", f"{len(named)} columns are given: it takes at most 26.")
    free = iter(letters)
    return {label or next(free): d for label, d in named}
