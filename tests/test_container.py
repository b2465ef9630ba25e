"""The recipe of the container: what it copies is there, and what it starts runs with no rights."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load import Reader
from widgets.pages import build
from widgets.server.settings import Settings

RECIPE = re.sub(r"\\\n\s*", "", (build.ROOT / "Containerfile").read_text("utf-8"))
LINES = [line.partition(" ") for line in RECIPE.splitlines() if line and line[0] != "#"]
IGNORED = [
    line for line in (build.ROOT / ".dockerignore").read_text().splitlines() if line[0] != "#"
]
MADE = ("_build/html", "_build/key")  # by the first stage
# A root that nothing can be written to, but for one folder, and no right that root has.
NO_RIGHTS = (
    'mount -o remount,bind,ro / && mount -t tmpfs -o size=64m tmpfs "$HOME" && '
    'exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"'
)


def instructions(word):
    return [rest for name, _, rest in LINES if name == word]


def copied():
    """What the second stage takes of the checkout's copy, as paths in it."""
    for line in instructions("COPY"):
        *sources, _ = shlex.split(line)
        for source in sources:
            if source.startswith("/llmcap/"):
                yield source.removeprefix("/llmcap/")


def ignored(path):
    parts = Path(path).parts
    names = (pattern.removeprefix("**/") for pattern in IGNORED)
    return any(fnmatch.fnmatch(part, name) for name in names for part in (*parts, path))


def test_what_is_copied_is_there_and_is_all_that_a_page_depends_on():
    sources = [path for path in copied() if path not in MADE]
    assert len(list(copied())) == len(sources) + len(MADE)
    for path in sources:
        assert (build.ROOT / path).exists() and not ignored(path), path
    for path in build.inputs():
        name = path.relative_to(build.ROOT).as_posix()
        assert not ignored(name), name
        assert any(name == one or name.startswith(f"{one}/") for one in sources), name


def test_nothing_heavy_or_private_is_sent_to_the_builder():
    for name in (".git", ".venv", ".venv-3.12", "node_modules", "_build", "tests", "dist"):
        assert ignored(name), name


def test_it_runs_as_nobody_in_particular_and_says_how_it_is():
    assert instructions("FROM") == ["python:3.12-slim AS made", "python:3.12-slim"]
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)
    assert instructions("EXPOSE") == [str(Settings().port)]
    assert f":{Settings().port}/healthz" in instructions("HEALTHCHECK")[0]


@pytest.fixture(scope="module")
def contained(server, tmp_path_factory):
    """The server of the recipe on a read-only root without any right, where Linux lets us."""
    home = tmp_path_factory.mktemp("home")
    here = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(build.ROOT)}
    under = ("unshare", "--mount", "sh", "-c", NO_RIGHTS, "sh")
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("no unshare and setpriv on this machine")
    if subprocess.run([*under, "true"], env=here, capture_output=True).returncode:
        pytest.skip("no mounts of one's own on this machine")
    (entry,) = instructions("ENTRYPOINT")
    _, *program = json.loads(entry)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "TMPDIR", "PYTHONPATH"):
            patch.setenv(name, here[name])
        with server("--ready", "1", program=tuple(program[:2]), under=under) as (site, process):
            yield site, process, (*under, sys.executable)


def test_a_calculator_answers_on_a_read_only_root_without_rights(contained):
    site, process, _ = contained
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert re.search(r"^CapBnd:\s0+$", status, re.M)
    mounts = Path(f"/proc/{process.pid}/mounts").read_text()
    assert re.search(r"^\S+ / \S+ ro,", mounts, re.M)
    reader = Reader(site, "vram", "users=3")
    reader.attach()
    assert "users=4" in reader.move({"users": 4})["query"]
    reader.leave()


def test_its_health_check_answers_and_fails_where_nobody_listens(contained):
    site, _, _ = contained
    told = instructions("HEALTHCHECK")[0].partition("CMD ")[2]
    _, *arguments = json.loads(told)
    for port, status in ((site.rpartition(":")[2], 0), ("9", 1)):
        command = [one.replace(str(Settings().port), port) for one in arguments]
        done = subprocess.run([sys.executable, *command], capture_output=True, timeout=30)
        assert done.returncode == status
