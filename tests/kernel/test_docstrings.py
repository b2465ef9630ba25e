"""Docstrings match signatures, and a name that carries a unit is documented with it."""

import ast
import importlib
import inspect
import pkgutil
import re
from functools import cached_property
from pathlib import Path

import pytest

import llmcap_kernel

MODULES = [m.name for m in pkgutil.walk_packages(llmcap_kernel.__path__, "llmcap_kernel.")]
SECTIONS = ("Parameters", "Attributes", "Returns")

# By the end of a name; where two fit, the longer one holds.
UNITS = {
    "_bytes": "bytes",
    "_bytes_s": "bytes/s",
    "_s": "s",
    "_tokens": "tokens",
    "flop_s": "FLOP/s",
    "tok_s": "tok/s",
    "usd_h": "USD/h",
    "usd_mtok": "USD/Mtok",
}


def docstring(thing):
    return inspect.cleandoc(thing.__doc__ or "")


def public():
    for name in MODULES:
        for label, thing in vars(importlib.import_module(name)).items():
            if label.startswith("_") or getattr(thing, "__module__", None) != name:
                continue
            thing = inspect.unwrap(thing) if callable(thing) else thing  # beneath functools.cache
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield f"{name}.{label}", thing


def members():
    """Public methods and properties of the public classes, by the kind of each."""
    for name, owner in THINGS.items():
        for label, member in vars(owner).items() if inspect.isclass(owner) else ():
            if label.startswith("_"):
                continue
            if isinstance(member, property | cached_property):
                yield "property", f"{name}.{label}", member
            elif inspect.isfunction(member):
                yield "method", f"{name}.{label}", member


THINGS = dict(public())
PROPERTIES = {name: member for kind, name, member in members() if kind == "property"}
METHODS = {name: member for kind, name, member in members() if kind == "method"}
# Builders of the importer all take a config and give a draft; most say so in one line.
SIGNED = [
    name
    for name, thing in THINGS.items()
    if not name.startswith("llmcap_kernel.huggingface.") or "Parameters\n---" in docstring(thing)
]


def section(text, heading):
    """The text under a numpydoc heading."""
    found = re.search(rf"(?:^|\n){heading}\n-+\n(.*?)(?=\n[A-Z][a-z]+\n-+\n|\Z)", text, re.S)
    return found[1] if found else ""


def entries(text, heading):
    """Pairs of a name under a numpydoc heading and all that is written for it."""
    for entry in re.split(r"\n(?=\S)", section(text, heading)):
        names, colon, _ = entry.split("\n")[0].partition(" : ")
        for name in names.split(",") if colon else ():
            yield name.strip().lstrip("*"), entry


def unit_of(name):
    """The unit that the end of a name stands for; None for other names."""
    ends = [end for end in UNITS if name.endswith(end)]
    return UNITS[max(ends, key=len)] if ends else None


def bracketed(text):
    """All units in brackets."""
    return set(re.findall(r"\[([^\[\]]+)\]", text))


def wrong(name, unit, text):
    """What is missing, or one too many; nothing when all is well."""
    found = bracketed(text)
    return [] if found == {unit} else [f"{name}: [{unit}], not {sorted(found) or 'none'}"]


def complaints(name, thing):
    """Every value whose name carries a unit that its docstring lacks."""
    text, label = docstring(thing), name.rsplit(".", 1)[1]
    if name in PROPERTIES:
        unit = unit_of(label)
        return wrong(label, unit, text.split("\n")[0]) if unit else []
    documented = {n: entry for heading in SECTIONS[:2] for n, entry in entries(text, heading)}
    found = []
    for parameter, entry in documented.items():
        if unit := unit_of(parameter):
            found += wrong(parameter, unit, entry)
    if inspect.isclass(thing):
        fields = (*getattr(thing, "__dataclass_fields__", ()), *getattr(thing, "_fields", ()))
        inherited = {n for base in thing.__mro__[1:] for n in getattr(base, "__annotations__", ())}
        for field in sorted({*fields} - inherited - {*documented}):
            if not field.startswith("_") and (unit := unit_of(field)):
                found += wrong(field, unit, "")
    elif unit := unit_of(label):
        found += wrong("return value", unit, section(text, "Returns") or text.split("\n")[0])
    return found


def test_there_is_something_to_check():
    assert len(THINGS) > 60
    assert len(PROPERTIES) > 40
    united = [n for n, t in THINGS.items() for h in SECTIONS for n, _ in entries(docstring(t), h)]
    assert sum(unit_of(name) is not None for name in united) > 100


@pytest.mark.parametrize("name", SIGNED)
def test_docstring_matches_signature(name):
    text = docstring(THINGS[name])
    assert text, f"{name} has no docstring"
    if inspect.isfunction(THINGS[name]):
        signature = inspect.signature(THINGS[name])
        wanted = set(signature.parameters)
        assert wanted == {parameter for parameter, _ in entries(text, "Parameters")}, name
        assert ("Returns" in text) != (signature.return_annotation is None)


@pytest.mark.parametrize("name", [*THINGS, *PROPERTIES, *METHODS])
def test_a_name_that_carries_a_unit_is_documented_with_it(name):
    assert not complaints(name, (THINGS | PROPERTIES | METHODS)[name])


@pytest.mark.parametrize("name", ["llmcap_kernel", *MODULES])
def test_no_docstring_marks_the_absence_of_a_unit(name):
    tree = ast.parse(Path(importlib.import_module(name).__file__).read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    marked = [
        getattr(node, "name", name)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and "[-]" in (ast.get_docstring(node) or "")
    ]
    assert not marked
