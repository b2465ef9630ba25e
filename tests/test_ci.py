"""What continuous integration runs: scripts stand in for the machine's programs, and say so."""

import os
import shutil
import subprocess

import pytest

from widgets.pages import build

SAYS = '#!/bin/sh\necho "$(basename "$0") $*" >> "$LOG"\n'
NEEDED = ("basename", "bash", "dirname", "env", "id", "sh")


@pytest.fixture
def ci(tmp_path):
    """A function that runs `.ci/run` where there is no Caddy, and gives what was asked."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name))
    for path, text in {
        **{programs / name: SAYS for name in ("chromium", "make", "python3", "python3.12")},
        programs / "sudo": '#!/bin/sh\nexec "$@"\n',
        tmp_path / ".venv" / "bin" / "python": "#!/bin/sh\necho 3.11\n",
        tmp_path / ".venv-3.12" / "bin" / "python": SAYS,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    shutil.copytree(build.ROOT / ".ci", tmp_path / ".ci")

    def run(mirror_has_it):
        (programs / "apt-get").write_text(f"{SAYS}exit {int(not mirror_has_it)}\n")
        (programs / "apt-get").chmod(0o755)
        env = {"PATH": str(programs), "LOG": str(log)}
        done = subprocess.run(
            [tmp_path / ".ci" / "run"], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return log.read_text(), done.stderr

    return run


def test_it_brings_the_servers_that_the_tests_of_hosting_use(ci):
    asked, _ = ci(True)
    installed = [line for line in asked.splitlines() if "apt-get install" in line]
    assert any(line.endswith(" caddy") for line in installed)
    if not os.path.exists("/usr/sbin/nginx"):  # where it looks as well
        assert any(line.endswith(" nginx") for line in installed)
    assert "make test" in asked


def test_a_mirror_that_lacks_one_fails_no_change(ci):
    asked, said = ci(False)
    assert "no caddy; its cases are skipped" in said
    assert "make test" in asked


def test_every_other_python_of_the_machine_runs_the_numbers(ci):
    asked, _ = ci(True)
    assert "make setup VENV=.venv-3.12 PYTHON=python3.12" in asked
    assert "python -m pytest -q tests/kernel tests/test_environment.py" in asked
