"""The build of the book: one at a time, and only when a page would differ."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from widgets.pages import build


def test_a_second_build_waits_for_the_first():
    said, done = [], []

    def second():
        with build.alone(said.append):
            done.append(True)

    with build.alone(lambda line: None):  # another test may be building the book just now
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert not done
    thread.join(60)
    assert done
    assert said == ["waiting for another process that builds the book"]


def test_lint_makes_no_book_stale():
    """Its cache lies in ``book/``, and a build in the middle of the tests takes pages away."""
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "-q", "book"], cwd=build.ROOT, check=True
    )
    assert (build.ROOT / "book" / ".ruff_cache").is_dir()
    assert not [path for path in build.inputs() if ".ruff_cache" in path.parts]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A built book of one page, and nothing to build it from."""
    for name in ("SITE", "NEXT", "OLD", "KEY"):
        monkeypatch.setattr(build, name, tmp_path / getattr(build, name).name)
    monkeypatch.setattr(build, "LOG", build.ROOT / "_build" / "build.log")  # is told, not written
    monkeypatch.setattr(build, "BUILD", tmp_path)
    for module in (build.generated, build.light, build.pack):
        monkeypatch.setattr(module, "write", lambda *_: None)
    build.SITE.mkdir()
    (build.SITE / "index.html").write_text("old")
    return tmp_path


def test_the_old_book_stands_until_the_new_one_is_whole(folder, monkeypatch):
    seen = []

    def run(say):
        seen.append((build.SITE / "index.html").read_text())
        made = build.NEXT / "_build" / "html"
        made.mkdir(parents=True)
        (made / "index.html").write_text("new")

    monkeypatch.setattr(build, "_run_jupyter_book", run)
    with build.served_copy() as mine:
        build.ensure(lambda line: None)
        assert seen == ["old"]
        assert (build.SITE / "index.html").read_text() == "new"
        assert (mine / "index.html").read_text() == "old", "who serves it keeps the old one"
    assert {path.name for path in folder.iterdir()} == {"html", "key"}


def test_a_build_with_faults_leaves_the_old_book(folder, monkeypatch):
    monkeypatch.setattr(build, "_run_jupyter_book", lambda say: ["a fault"])
    with pytest.raises(SystemExit, match="no book"):
        build.ensure(lambda line: None)
    assert (build.SITE / "index.html").read_text() == "old"


def test_what_a_killed_server_kept_is_taken_away(folder):
    left, other = folder / "served-4194305", folder / f"served-{os.getppid()}"
    left.mkdir()
    other.mkdir()
    with build.served_copy():
        assert not left.exists() and other.exists()


def test_where_nothing_can_be_written_the_book_of_before_is_served(folder, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system", "book/notation.md")

    monkeypatch.setattr(build.generated, "write", read_only)
    monkeypatch.setattr(build.os, "link", lambda *_: read_only(0))
    said = []
    build.ensure(said.append)
    assert said[-1] == (  # another test may build at the moment, which is said first
        "the book is not up to date, and book/notation.md cannot be written: "
        "this is the one of before"
    )
    with build.served_copy() as book:
        assert book == build.SITE
    (build.SITE / "index.html").unlink()
    with pytest.raises(SystemExit, match=r"no book; book/notation\.md cannot be written"):
        build.ensure(said.append)
