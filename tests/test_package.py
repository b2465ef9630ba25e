"""What `pip install llmcap` gives: built and installed with no network, and used elsewhere."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import llmcap_kernel
from llmcap_kernel.cli import COMMANDS
from tests.kernel.plain import BY_THE_THOUSAND
from widgets.benchmarks import FILES
from widgets.pages import build

UV = Path(sys.executable).with_name("uv")
# What a build or a tool leaves in a checkout, and what a checkout alone has.
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv*", ".*_cache", ".hypothesis", ".peers", ".ipynb_checkpoints", "__pycache__"),
    *("_build", "build", "dist", "*.egg-info", "node_modules"),
)
OF_GIT = {".gitignore", ".gitattributes", ".dockerignore", ".pre-commit-config.yaml"}
TYPED = "import llmcap_kernel.serving as s; reveal_type(s.serve)"
IMPORTED = """
import importlib, json, pkgutil, llmcap_kernel
lacks = {}
for module in pkgutil.walk_packages(llmcap_kernel.__path__, "llmcap_kernel."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:
        lacks[module.name] = missing.name
print(json.dumps([llmcap_kernel.__file__, lacks]))
"""
VIEWS = """
from widgets.session import CALCULATORS, Calculator
for name in CALCULATORS:
    assert "<" in Calculator(name)._repr_mimebundle_()["text/html"], name
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy, so that nothing is left behind here by a build."""
    copy = tmp_path_factory.mktemp("package") / "llmcap"
    return Path(shutil.copytree(build.ROOT, copy, ignore=LEFT_OUT))


@pytest.fixture(scope="module")
def built(checkout):
    """The folder with the wheel, which is made of the source distribution, and that."""
    command = [UV, "build", "--quiet", "--offline", "--no-build-isolation", "--out-dir", "dist"]
    command += ["--python", sys.executable, "."]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return checkout / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A Python with that wheel and the standard library, and nothing else."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    there = home / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--offline", "--no-index", "--python", there]
    subprocess.run([*install, wheel], check=True)
    return there


@pytest.fixture
def elsewhere(python, tmp_path):
    """A function that runs a program of that Python in an empty folder."""

    def run(program, *arguments):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run(
            [python.with_name(program), *arguments],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def files(root, *folders):
    """What a checkout holds, as paths in it; of some folders, or of all."""
    found = (p.relative_to(root) for f in folders or [""] for p in (root / f).rglob("*"))
    kept = (p for p in found if (root / p).is_file() and not LEFT_OUT("", p.parts))
    return {path.as_posix() for path in kept}


def test_the_wheel_has_both_packages_whole(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    rows = {f"widgets/measured/{name}" for name in FILES}
    assert inside == files(build.ROOT, "llmcap_kernel", "widgets") | rows
    assert "llmcap_kernel/py.typed" in inside


def test_the_source_distribution_is_a_checkout(built, checkout):
    (found,) = built.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    assert files(checkout) - names <= OF_GIT


def test_what_it_asks_for(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (said,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        told = message_from_bytes(archive.read(said))
    needs = [Requirement(line) for line in told.get_all("Requires-Dist")]
    assert {"array", "widgets", "apps", "book", "dev"} <= set(told.get_all("Provides-Extra"))
    assert not [one for one in needs if one.marker is None]
    assert told["Version"] == llmcap_kernel.__version__


@pytest.mark.parametrize(
    "command",
    [
        "predict --model qwen3-32b --gpu h200-sxm --tp 2 --weights fp8 --context 32k",
        "design --model llama-3.1-70b --users 32 --itl-ms 50",
        "simulate --model llama-3.1-70b --gpu h100-sxm --tp 2 --weights fp8 --rate 2.5",
        "gpus h200",
    ],
)
def test_a_command_answers_with_the_standard_library_alone(elsewhere, command):
    done = elsewhere("llmcap", *command.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_command_is_there(elsewhere):
    code = "import sys; from llmcap_kernel.cli import *; [parser_of(c) for c in COMMANDS]"
    done = elsewhere("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z]+) ", elsewhere("llmcap").stdout, re.M))


def test_what_needs_more_says_so_at_once(elsewhere):
    done = elsewhere("llmcap", "calibrate", "rows.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "llmcap: calibrate needs scipy: install llmcap[fit].\n"
    done = elsewhere("python", "-m", "widgets.server")
    assert done.returncode == 1
    assert re.search(r"llmcap: the server needs \w+: install llmcap\[apps\]\.$", done.stderr)


def test_every_module_imports_with_the_standard_library_alone(elsewhere):
    done = elsewhere("python", "-c", IMPORTED)
    assert done.returncode == 0, done.stderr
    where, lacks = json.loads(done.stdout)
    assert not Path(where).is_relative_to(build.ROOT)
    # Those that search by the thousand, and that a search with numpy takes.
    assert lacks == dict.fromkeys(BY_THE_THOUSAND, "numpy")


def test_every_calculator_gives_its_view_with_its_rows(elsewhere):
    done = elsewhere("python", "-c", VIEWS)
    assert done.returncode == 0, done.stderr


def test_a_type_checker_sees_the_types(python, tmp_path):
    checker = [sys.executable, "-m", "mypy", "--python-executable", python, "--no-incremental"]
    done = subprocess.run(
        [*checker, "--follow-imports=silent", "-c", TYPED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "(deployment: llmcap_kernel.spec.deployments.Deployment" in done.stdout


def third_party(*files):
    """The packages that files import, by the name of the import."""
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.partition(".")[0])
    return found - {*sys.stdlib_module_names, "llmcap_kernel", "widgets"}


def asked_for(extra):
    """The imports that an extra asks for, and those of the extras that it names."""
    extras = PROJECT["project"]["optional-dependencies"]
    for one in map(Requirement, extras[extra]):
        if one.name == "llmcap":
            for inner in one.extras:
                yield from asked_for(inner)
        else:
            yield IMPORT_OF.get(one.name, one.name)


IMPORT_OF = {"pillow": "PIL"}  # by another name than it is installed
PROJECT = tomllib.loads((build.ROOT / "pyproject.toml").read_text())


def test_an_extra_brings_what_its_part_imports():
    """What comes with another by its nature: traitlets with ipywidgets, tornado with Voila."""
    inside = sorted((build.ROOT / "widgets").rglob("*.py"))
    notebook = [p for p in inside if not {"pages", "server"}.intersection(p.parts)]
    server = [p for p in inside if "server" in p.parts]
    kernel = (build.ROOT / "llmcap_kernel").rglob("*.py")
    assert third_party(*kernel) <= {*asked_for("fit")}
    by_nature = {"traitlets", "IPython"}
    assert third_party(*notebook) <= {*asked_for("widgets"), *by_nature, "pyodide", "js"}
    by_nature |= {"tornado", "jupyter_server", "jupyter_client", "nbformat", "nbclient", "zmq"}
    assert third_party(*server) <= {*asked_for("apps"), *by_nature}
    assert "plotly" in asked_for("widgets")  # its script is read from its folder, not imported
    assert set(asked_for("book")) <= set(asked_for("dev"))


def test_the_version_is_said_alike():
    version = llmcap_kernel.__version__
    assert f"version: {version}\n" in (build.ROOT / "CITATION.cff").read_text()
    released = re.findall(r"^## \[(\S+)\]", (build.ROOT / "CHANGELOG.md").read_text(), re.M)
    assert next(one for one in released if one != "Unreleased") == version
