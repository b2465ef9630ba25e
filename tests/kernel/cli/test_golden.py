"""What a few commands print; `python -m tests.kernel.cli.test_golden` keeps it anew."""

import io
import os
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from llmcap_kernel.cli import main

FOLDER = Path(__file__).parent / "golden"
B = "--model llama-3.1-70b --gpu h100-sxm --tp 2 --weights fp8 --kv fp8"
COMMANDS = {
    "predict": f"predict {B} --context 8k --users 16 --itl-ms 50",
    "does-not-start": "predict --model llama-3.1-70b --gpu h100-sxm --weights fp8 --context 8k",
    "scorecard": "scorecard",
    "design": "design --model llama-3.1-70b --gpu h100-sxm,h200-sxm --itl-p95-ms 50 --users 16",
    "launch": f"launch {B} --input 7k --output 1k --users 16",
    "simulate": f"simulate {B} --rate 2 --requests 300 --input 1k --output 500 --spread 0.5 "
    "--ttft-ms 300 --itl-ms 50",
    "cliff": f"cliff {B} --users 16",
    "gpus": "gpus h200",
    "one-gpu": "gpus h200-sxm",
    "help": "",
}


def printed(command):
    """The command as typed, and what it prints 80 characters wide."""
    os.environ["COLUMNS"] = "80"
    with redirect_stdout(io.StringIO()) as out:
        assert main(shlex.split(command)) == 0
    return f"$ llmcap {command}".rstrip() + f"\n{out.getvalue()}"


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_printed_as_it_was(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    kept = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert printed(COMMANDS[name]) == kept


if __name__ == "__main__":
    for name, command in COMMANDS.items():
        (FOLDER / f"{name}.txt").write_text(printed(command), encoding="utf-8")
