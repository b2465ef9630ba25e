"""The build of the book: one at a time, and only when a page would differ."""

import subprocess
import sys
import threading

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
