"""The page of the Python interface: every public name, written from the kernel's own docstrings.

A build of the book writes `book/api.md`, which is not kept. It holds nothing that a docstring or a
signature does not say. Sphinx's autodoc would ask for a target of every word that stands where a
type does.
"""

import importlib
import inspect
import re
from functools import cached_property

from widgets.pages import generated
from widgets.pages.notation import section

# By what a reader does with them, in this order.
PARTS = {
    "Say what runs": ("catalog", "spec", "huggingface"),
    "Predict it": ("serving", "calibration", "capacity", "simulation", "sweep", "many"),
    "Decide": ("design", "toolbox"),
    "Compare with what was measured": (
        *("evidence.results", "evidence.measurements", "evidence.predictions", "evidence.compare"),
        *("evidence.own", "evidence.startup", "evidence.launch", "evidence.traces"),
        *("evidence.levers", "evidence.weak_spots", "evidence.kernels"),
    ),
    "The arithmetic beneath": ("law", "bandwidth", "explain", "numeric", "refuse"),
}
MODULES = tuple(module for modules in PARTS.values() for module in modules)
LONG = 24  # characters of a default; a longer one is left out
# The contents beside the page end with the modules: lists that unfold would move while one reads.
HEAD = """---
tocdepth: 3
---

# Python

This page is generated from the docstrings of `llmcap_kernel`, version {version}. Names carry their
unit at the end, and all values are SI: [Notation](notation.md) lists them. Formulas take floats or
numpy arrays. What is wrong with an input is said by one exception, `BadInput`.

A first answer takes three names: `catalog.deployment` says what runs, `spec.Workload` what is asked
of it, and `design.card` gives every number with its interval.
"""
FIELDS = {"Attributes": "Has", "Parameters": "Takes"}
ENDS = {"Returns": "Gives", "Yields": "Gives, one after another", "Raises": "Raises"}


def public(module):
    """List what a module offers.

    Parameters
    ----------
    module : str
        Its name within `llmcap_kernel`.

    Returns
    -------
    dict of str to object
        Functions and classes: those it names in `__all__`, or those of its own and of its parts.

    Examples
    --------
    >>> "serve" in public("serving"), "BadInput" in public("serving")
    (True, False)
    """
    loaded = importlib.import_module(f"llmcap_kernel.{module}")
    found = {}
    for name, thing in vars(loaded).items():
        home = getattr(inspect.unwrap(thing) if callable(thing) else thing, "__module__", "")
        ours = home == loaded.__name__ or home.startswith(f"{loaded.__name__}.")
        if callable(thing) and ours and not name.startswith("_"):
            found[name] = thing
    return {name: found[name] for name in getattr(loaded, "__all__", found) if name in found}


def text():
    """Write the page.

    Returns
    -------
    str
        MyST Markdown.

    Examples
    --------
    >>> "#### serving.serve" in text()
    True
    """
    package = importlib.import_module("llmcap_kernel")
    out = [HEAD.format(version=package.__version__)]
    for part, modules in PARTS.items():
        out.append(f"## {part}\n")
        for module in modules:
            loaded = importlib.import_module(f"llmcap_kernel.{module}")
            said = _prose(_first(inspect.getdoc(loaded)))
            out.append(f"### {module}\n\n`llmcap_kernel.{module}`: {said}\n")
            out += [_entry(module, name, thing) for name, thing in public(module).items()]
    return "\n".join(out)


def _entry(module, name, thing):
    """One function or class: what it is, how it is called, and its sections."""
    said = inspect.getdoc(thing) or ""
    out = [f"#### {module}.{name}\n", f"`{name}{_signature(thing)}`\n"]
    out.append(_prose(re.split(r"^\w+\n-+\n", said, maxsplit=1, flags=re.M)[0]) + "\n")
    for heading, word in FIELDS.items():
        out += _list(word, section(said, heading))
    if inspect.isclass(thing):
        out += _members(thing)
    for heading, word in ENDS.items():
        out += _list(word, section(said, heading))
    if source := section(said, "References"):
        out.append(f"**Source**: {_prose(source)}\n")
    if example := section(said, "Examples").strip():
        out.append(f"```python\n{example}\n```\n")
    return "\n".join(out)


def _signature(thing):
    """How it is called; without types, which the list below has."""
    try:
        asked = inspect.signature(thing).parameters.values()
    except ValueError:  # a class that Python itself makes
        return ""
    plain = [
        one.replace(
            annotation=one.empty,
            default=one.default if len(repr(one.default)) <= LONG else ...,
        )
        if one.default is not one.empty
        else one.replace(annotation=one.empty)
        for one in asked
    ]
    return str(inspect.Signature(plain)).replace("Ellipsis", "...")


def _list(word, fields):
    """The entries of a section as a list."""
    entries = [entry for entry in re.split(r"\n(?=\S)", fields.strip()) if entry]
    if not entries:
        return []
    rows = []
    for entry in entries:
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        kind = f" ({_prose(kind)})" if kind else ""
        rows.append(f"- `{names}`{kind}: {_prose(body)}")
    return [f"**{word}**\n", *rows, ""]


def _members(owner):
    """Methods and computed values of a class, each with its first sentence."""
    rows = []
    for name, member in vars(owner).items():
        said = _first(inspect.getdoc(member)) if not name.startswith("_") else ""
        if isinstance(member, property | cached_property):
            rows.append(f"- `{name}`: {_prose(said)}")
        elif inspect.isfunction(inspect.unwrap(getattr(member, "__func__", member))) and said:
            rows.append(f"- `{name}()`: {_prose(said)}")
    return ["**Computes**\n", *rows, ""] if rows else []


def _first(said):
    return (said or "").partition("\n\n")[0]


def _prose(said):
    """Text of a docstring on one line, in which only code is marked."""
    parts = re.split(r"(`[^`]*`)", " ".join((said or "").split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_$<\[\]|{}~])", r"\\\1", part)
        for part in parts
    )


if __name__ == "__main__":
    generated.write("api", text())
