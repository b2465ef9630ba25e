"""Build the book into ``_build/html``, if anything that goes into it has changed.

The build is keyed on a hash of every file a page can depend on: Jupyter Book's own cache looks at
the cells only, so a change in the kernel would leave the old numbers on the page.

The new book is built beside the old one and takes its place when it is whole. A server that runs
meanwhile has the files of the book it began with, `kept`.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from widgets.pages import (
    api,
    catalogue_page,
    constants_page,
    generated,
    light,
    notation,
    pack,
    proof_page,
)

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
SITE = BUILD / "html"
NEXT = BUILD / "next"  # Jupyter Book puts ``_build/html`` into it
OLD = BUILD / "old"
LOG = BUILD / "build.log"
KEY = BUILD / "key"

GENERATED = {
    **{"notation": notation, "catalogue": catalogue_page, "constants": constants_page},
    **{"api": api, "proof": proof_page},
}
PACKAGES = ("requirements.lock", "package-lock.json")
INPUTS = ("_config.yml", "_toc.yml", "serve.toml", *PACKAGES, "book", "llmcap_kernel", "widgets")
DATA = ("benchmarks/*.csv", "benchmarks/*.json")
COLOURS = re.compile(r"\x1b\[[\d;]*m")
# What tools leave beside the chapters, `make lint` among them: no reason to build again.
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".ruff_cache"}


def inputs() -> list[Path]:
    """The files that the built pages depend on, in a fixed order."""
    found = [p for name in INPUTS for p in (ROOT / name, *(ROOT / name).rglob("*"))]
    found += [p for pattern in DATA for p in ROOT.glob(pattern)]
    return sorted(p for p in found if p.is_file() and not LEFT_OUT.intersection(p.parts))


def key() -> str:
    """One hash over the names and contents of `inputs` and the Python that will run the cells."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for path in inputs():
        digest.update(f"\0{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_fresh() -> bool:
    """Whether ``_build/html`` was built from the files as they are now."""
    return KEY.exists() and KEY.read_text() == key()


@contextmanager
def alone(say) -> Iterator[None]:
    """Let one process build at a time: `make serve` beside `make test` would take files away."""
    with (ROOT / "_toc.yml").open() as held:  # the kernel lets go of it when the process ends
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that builds the book")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def ensure(say=print) -> None:
    """Build the book unless it is fresh.

    Parameters
    ----------
    say : callable
        Takes each line of progress.

    Raises
    ------
    SystemExit
        When a page has a fault; what was wrong has been said by then. When there is no book and
        none can be written here, or nothing to make one of.
    """
    if not (ROOT / "_toc.yml").exists():
        raise SystemExit(f"llmcap: no book; {ROOT} is no checkout of it, whose text a wheel lacks")
    try:
        with alone(say):
            for name, page in GENERATED.items():
                generated.write(name, page.text())
            if is_fresh():
                say("the book is up to date")
            else:
                _build(say)
    except OSError as problem:
        if not isinstance(problem, PermissionError) and problem.errno != errno.EROFS:
            raise
        why = f"{problem.filename} cannot be written"
        if not (SITE / "index.html").exists():
            raise SystemExit(f"llmcap: no book; {why}") from None
        say(f"the book is not up to date, and {why}: this is the one of before")


def _build(say) -> None:
    began, wanted = time.monotonic(), key()
    BUILD.mkdir(exist_ok=True)
    shutil.rmtree(NEXT, ignore_errors=True)
    say("building the book: each notebook is executed, once")
    faults = _run_jupyter_book(say)
    if faults is not None:
        say("the book has faults:")
        for line in faults:
            say(f"  {line}")
        raise SystemExit(f"llmcap: no book; the whole build log is {LOG.relative_to(ROOT)}")
    say("  making the pages light")
    made = NEXT / "_build" / "html"
    try:
        light.write(made)
        pack.write(made)
    except (ValueError, RuntimeError) as problem:
        raise SystemExit(f"llmcap: no book; {problem}") from None
    _take_the_place_of(SITE, made)
    KEY.write_text(wanted)
    say(f"built in {time.monotonic() - began:.0f} s")


def _take_the_place_of(site: Path, made: Path) -> None:
    """Put a folder where another is; there is none for no longer than two renames take."""
    shutil.rmtree(OLD, ignore_errors=True)
    if site.exists():
        site.rename(OLD)
    made.rename(site)
    for left in (OLD, NEXT):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def served_copy() -> Iterator[Path]:
    """The book as it is now, however often it is built anew: its files under other names.

    Yields
    ------
    Path
        A folder of it; the book's own where there can be no other.
    """
    for left in BUILD.glob("served-*"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    mine = BUILD / f"served-{os.getpid()}"
    try:
        shutil.copytree(SITE, mine, copy_function=os.link)
    except (OSError, shutil.Error):  # no hard links here, or a folder that only others may change
        shutil.rmtree(mine, ignore_errors=True)
    try:
        yield mine if mine.exists() else SITE
    finally:
        shutil.rmtree(mine, ignore_errors=True)


def _run_jupyter_book(say) -> list[str] | None:
    """Run the build; None when it is clean, else the lines that say what is wrong."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", ".", "--all", "-n", "-W", "--keep-going", "--path-output", str(NEXT)]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert child.stdout is not None
    lines = []
    try:
        with LOG.open("w") as log:
            for line in child.stdout:
                line = COLOURS.sub("", line)
                log.write(line)
                lines.append(line.rstrip())
                for told in _progress(line):
                    say(told)
        return _faults(lines) if child.wait() else None
    finally:
        child.terminate()
        child.wait()


def _progress(line: str) -> Iterator[str]:
    """What one line of the build's output is worth telling the reader."""
    if match := re.search(r"([\w-]+)\.ipynb: Executing notebook", line):
        yield f"  running {match[1]}"
    elif match := re.search(r"([\w-]+)\.ipynb: Executed notebook in ([\d.]+) seconds", line):
        yield f"  ran     {match[1]} in {float(match[2]):.1f} s"
    elif line.startswith("preparing documents"):
        yield "  writing the pages"


def _faults(lines: list[str]) -> list[str]:
    """The warnings and errors of a failed build, or its last lines when there are none."""
    return [x for x in lines if re.search(r"(WARNING|ERROR|CRITICAL): ", x)] or lines[-15:]


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        ensure(lambda line: print(f"llmcap: {line}", flush=True))
    except KeyboardInterrupt:
        sys.exit(130)
