"""Imports run one way: no two modules of a package need each other, at any depth of a function."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules(package):
    """Path of each module of a package, by its name."""
    paths = (ROOT / package).rglob("*.py")
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imported(path, name, known):
    """The modules of the same package that a module names in an import."""
    inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom):
            up = inside[: len(inside) - node.level + 1] if node.level else []
            base = ".".join([*up, *(node.module or "").split(".")]).strip(".")
            for one in node.names:
                found = f"{base}.{one.name}" if f"{base}.{one.name}" in known else base
                if found in known and found != name:
                    yield found


def cycle(package):
    """The modules of a circle; nothing where there is none."""
    known = modules(package)
    graph = {name: set(imported(path, name, known)) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("package", ["llmcap_kernel", "widgets"])
def test_no_two_modules_need_each_other(package):
    assert cycle(package) == []


def test_a_circle_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text("")
    (tmp_path / "house" / "up.py").write_text("from . import down\n")
    (tmp_path / "house" / "down.py").write_text("def late():\n    from .up import late\n")
    assert set(cycle("house")) == {"house.up", "house.down"}
