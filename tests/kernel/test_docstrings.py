"""Every public function says what it takes and gives, with its unit where it has one."""

import importlib
import inspect
import pkgutil
import re

import pytest

import llmcap_kernel

MODULES = [
    f"llmcap_kernel.{m.name}"
    for m in pkgutil.iter_modules(llmcap_kernel.__path__)
    if m.name != "huggingface"
]


def public():
    for name in MODULES:
        module = importlib.import_module(name)
        for label, thing in vars(module).items():
            home = f"{getattr(thing, '__module__', None)}."  # a package's own parts lie under it
            if label.startswith("_") or not home.startswith(f"{name}."):
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield f"{name}.{label}", thing


THINGS = dict(public())


def documented(text, heading):
    """The names under a numpydoc heading."""
    section = re.search(rf"\n{heading}\n-+\n(.*?)(?=\n[A-Z][a-z]+\n-+\n|\Z)", text, re.S)
    names = re.findall(r"^([\w*][\w, *]*?) : ", section.group(1), re.M) if section else []
    return {n.strip().lstrip("*") for group in names for n in group.split(",")}


def test_there_is_something_to_check():
    assert len(THINGS) > 60


@pytest.mark.parametrize("name", THINGS)
def test_docstring_matches_signature(name):
    thing = THINGS[name]
    text = inspect.cleandoc(thing.__doc__ or "")
    assert text, f"{name} has no docstring"
    if inspect.isfunction(thing):
        wanted = set(inspect.signature(thing).parameters)
        assert wanted == documented(text, "Parameters"), name
        assert "Returns" in text or name.endswith("check")


SUFFIXES = {
    "_bytes": "bytes",
    "_bytes_s": "bytes/s",
    "_s": "s",
    "_tokens": "tokens",
    "flop_s": "FLOP/s",
    "tok_s": "tok/s",
    "_usd_h": "USD/h",
}


@pytest.mark.parametrize("name", [n for n, t in THINGS.items() if inspect.isfunction(t)])
def test_a_name_that_carries_a_unit_is_documented_with_it(name):
    text = inspect.cleandoc(THINGS[name].__doc__)
    for parameter in inspect.signature(THINGS[name]).parameters:
        suffix = max((s for s in SUFFIXES if parameter.endswith(s)), key=len, default=None)
        if suffix is None:
            continue
        entry = re.search(rf"\n{parameter}\b.*? : .*?\n((?:    .*\n?)+)", text)
        if entry:
            assert f"[{SUFFIXES[suffix]}]" in entry.group(1), f"{name}: {parameter}"
