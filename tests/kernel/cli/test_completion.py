"""`llmcap completion`: scripts that need nothing when they run."""

import shutil
import subprocess

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.cli import COMMANDS, parser_of


def completed(script, *words):
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in ("llmcap", *words))
    code = (
        f'{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n_llmcap\necho "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), [*COMMANDS, "--help", "--version"]),
        (("sc",), ["scorecard"]),
        (("predict", "--model", "llama-3.1-8"), ["llama-3.1-8b"]),
        (("predict", "--gpu", "h200"), ["h200-nvl", "h200-sxm"]),
        (("cliff", "--eng"), ["--engine"]),
        (("gpus", "rtx-3090-ti"), ["rtx-3090-ti"]),
        (("compare", "--along", "c"), ["context"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("scorecard", "--tpu"), []),
        (("scorecard", "--tpot-p95-"), ["--tpot-p95-ms", "--tpot-p95-s"]),
    ],
)
def test_bash_offers_what_may_come_next(run, words, offered):
    got = completed(run("completion", "bash")[1], *words)
    own = [word for word in got if word not in ("-h", "--help") or word in offered]
    assert [word for word in own if words[0] != "completion" or word[0] != "-"] == offered


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_offers_files_where_a_file_is_taken(run, tmp_path, monkeypatch):
    (tmp_path / "results.json").touch()
    monkeypatch.chdir(tmp_path)
    script = run("completion", "bash")[1]
    for words in (("validate", "res"), ("predict", "--config", "res"), ("calibrate", "res")):
        assert completed(script, *words) == ["results.json"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_option_and_name_is_in_the_script(run, shell):
    status, out, err = run("completion", shell)
    assert (status, err) == (0, "")
    for command in COMMANDS:
        assert command in out
        for action in parser_of(command)._actions:
            for flag in action.option_strings:
                assert (flag if shell != "fish" else flag.lstrip("-")) in out
    for name in (*catalog.models(), *catalog.gpus(), *catalog.formats(), *catalog.engines()):
        assert name in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_it(run, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    script = run("completion", shell)[1]
    subprocess.run([shell, "-n"], input=script, text=True, check=True)
