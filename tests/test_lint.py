"""Style, types and spelling are clean: what `make lint` runs, held by `make test` as well."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from widgets.pages import build

COMMANDS = ("ruff check .", "ruff format --check .", "mypy", "codespell")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_lint_is_clean(command):
    program, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=build.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"


def test_every_file_of_tests_holds_one():
    """Without any a file passes: a merge once left one empty."""
    for path in (build.ROOT / "tests").rglob("test_*.py"):
        assert re.search(r"^ *(?:async )?def test_", path.read_text("utf-8"), re.M), path


def test_make_lint_runs_the_same():
    recipe = (build.ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    lines = recipe.splitlines()[1:]
    assert lines == [f"\t$(BIN)/{command}" for command in COMMANDS]


def test_a_commit_is_checked_by_the_same_and_from_here_alone():
    hooks = yaml.safe_load((build.ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [one["repo"] for one in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    for program in {command.split()[0] for command in COMMANDS}:
        assert any(entry.startswith(f".venv/bin/{program}") for entry in entries), program
    for hook in hooks[0]["hooks"]:
        assert hook["language"] == "system"
        assert Path(sys.executable).with_name(hook["entry"].split()[0].split("/")[-1]).exists()


@pytest.mark.parametrize("name", ["wrong-number", "card-or-model", "fault"])
def test_an_issue_s_form_asks_for_something(name):
    form = yaml.safe_load((build.ROOT / ".github/ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) >= 3
    assert any(field.get("validations", {}).get("required") for field in form["body"])
    assert all(field["attributes"]["label"] for field in form["body"])
