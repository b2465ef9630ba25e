"""What `make` does with an environment that was cut off, lost its Python or lacks a package.

No package is installed here: a script stands in for Python, and says what it was asked.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import time

import pytest

from widgets.pages import build

SPEC = importlib.util.spec_from_file_location("whole", build.ROOT / ".make" / "whole.py")
whole = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(whole)
LOCK = (build.ROOT / "requirements.lock").read_text()

PYTHON = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
  "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/uv ;;
  *.make/whole.py*) test -e .venv/whole ;;
  "pip sync "*) touch .venv/whole ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """A function that runs `make setup` and gives what Python was asked."""
    for name in ("Makefile", ".make", "requirements.lock", "pyproject.toml", "package-lock.json"):
        copy = shutil.copytree if (build.ROOT / name).is_dir() else shutil.copy
        copy(build.ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    log = tmp_path / "log"

    def run():
        log.write_text("")
        command = ["make", "setup", f"PYTHON={tmp_path}/python"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"LOG": str(log)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / ".venv" / ".ready").exists()
        assert not (tmp_path / ".venv" / ".making").exists()
        return log.read_text()

    run.venv = tmp_path / ".venv"
    return run


def test_it_is_made_once(make):
    assert "-m venv" in make()
    assert make().splitlines() == [".make/whole.py"]


def without_bin(venv):
    shutil.rmtree(venv / "bin")


def without_python(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")


def cut_off(venv):
    (venv / ".ready").unlink()
    (venv / ".making").touch()


@pytest.mark.parametrize("broken", [without_bin, without_python, cut_off])
def test_what_cannot_be_mended_is_made_anew(make, broken):
    make()
    broken(make.venv)
    asked = make()
    assert "-m venv" in asked and "pip sync" in asked


def test_a_missing_package_is_installed(make):
    make()
    (make.venv / "whole").unlink()
    asked = make()
    assert "-m venv" not in asked and "pip sync" in asked


def test_a_lock_that_was_touched_needs_no_network(make):
    make()
    later = time.time() + 60  # whatever the steps of this disk's clock
    os.utime(make.venv.parent / "requirements.lock", (later, later))
    asked = make()
    assert "pip sync" not in asked and "npm" not in asked
    assert "pip install --quiet --offline" in asked


def test_a_pin_that_is_not_installed_is_missed():
    assert whole.packages(LOCK) == []
    assert whole.packages("tornado==0.1 \\\n    --hash=sha256:00\n") == ["tornado==0.1"]
    assert whole.packages("nobodys-package==1.0\n") == ["nobodys-package==1.0"]
    assert whole.packages("nobodys-package==1.0 ; sys_platform == 'none'\n") == []


def test_a_script_that_is_not_installed_is_missed(tmp_path):
    lock = (build.ROOT / "package-lock.json").read_text()
    installed = tmp_path / "installed.json"
    assert whole.scripts(lock, installed)
    installed.write_text(lock)
    assert whole.scripts(lock, installed) == []
    less = json.loads(lock)
    del less["packages"]["node_modules/katex"]
    less["packages"]["node_modules/codemirror"]["version"] = "0"
    installed.write_text(json.dumps(less))
    assert sorted(whole.scripts(lock, installed)) == [
        "node_modules/codemirror",
        "node_modules/katex",
    ]
