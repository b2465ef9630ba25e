"""Running the command as its tests do."""

import pytest

from llmcap_kernel.cli import main


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command; its status, what it printed and what it complained of."""

    def run(*argv, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        status = main(list(argv))
        out, err = capsys.readouterr()
        return status, out, err

    return run
