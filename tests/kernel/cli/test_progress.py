import re
import sys

import pytest

from llmcap_kernel.cli import progress


@pytest.fixture
def terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    return lambda: capsys.readouterr().err


def test_it_says_how_many_of_how_many_and_is_erased(terminal):
    with progress.Bar("searching") as bar:
        for done in range(1, 5001):
            assert bar.count(done, 5000)
        drawn = terminal()
    half = r"searching \[############............\]  50%, 2,4\d\d of 5,000 in \d\.\d s"
    assert re.search(half, drawn)
    assert drawn.count("\r") <= 101 + progress.WIDTH, (
        "drawn for each percent, not for each candidate"
    )
    assert terminal() == "\r" + " " * len(drawn.rpartition("\r")[2]) + "\r"


def test_nothing_is_drawn_of_what_is_quick(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 60.0)
    with progress.Bar("searching") as bar:
        bar.share(0.5)
    assert terminal() == ""


def test_nothing_is_drawn_where_nobody_looks(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    with progress.Bar("searching") as bar:
        bar.share(0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--rate", "1"),
        ("design", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--users", "4"),
    ],
)
def test_commands_that_take_seconds_draw_it(run, terminal, words):
    assert "[" in run(*words)[2]
