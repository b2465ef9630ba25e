"""The build of the book: one at a time."""

import threading

from widgets.pages import build


def test_a_second_build_waits_for_the_first():
    said, done = [], []

    def second():
        with build.alone(said.append):
            done.append(True)

    with build.alone(said.append):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert not done
    thread.join(60)
    assert done
    assert said == ["waiting for another process that builds the book"]
