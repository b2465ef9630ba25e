"""Style and types are clean: what `make lint` runs, held by `make test` as well."""

import subprocess
import sys

import pytest

from widgets.pages import build

COMMANDS = ("ruff check .", "ruff format --check .", "mypy")


@pytest.mark.parametrize("command", COMMANDS)
def test_lint_is_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
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
