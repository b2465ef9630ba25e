"""Style, types and spelling are clean: what `make lint` runs, held by `make test` as well."""

import subprocess
import sys
from pathlib import Path

import pytest

from widgets.pages import build

COMMANDS = ("ruff check .", "ruff format --check .", "mypy", "codespell")


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


def test_make_lint_runs_the_same():
    recipe = (build.ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    lines = recipe.splitlines()[1:]
    assert lines == [f"\t$(BIN)/{command}" for command in COMMANDS]
