"""The command itself: its words, its exit status, and one line for whatever is wrong."""

import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.cli import COMMANDS, _help, main, parser_of

from .plain import COLUMN, PREDICT

ROWS = catalog.FOLDER.parents[1] / "benchmarks" / "measured.csv"


@pytest.mark.parametrize(
    "argv", [("models",), ("predict", "--help"), ("scorecard", "--json"), ("validate",)]
)
def test_a_closed_pipe_is_no_traceback(argv):
    command = [sys.executable, "-m", "llmcap_kernel", *argv]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == (2 if argv == ("validate",) else 0)
    assert "Traceback" not in said and "Exception" not in said
    assert said.count("\n") == (1 if argv == ("validate",) else 0)


def test_a_name_that_the_terminal_has_no_letters_for_is_no_traceback():
    code = "from llmcap_kernel import cli; cli.until_closed(lambda: print('\u00e9t\u00e9 \u2603'))"
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\\xe9t\\xe9 \\u2603\n", "")


def test_hyphens_that_a_page_made_dashes_are_hyphens(capsys):
    typed = ["predict", "\u2014model", "qwen3-8b", "\u2013gpu", "l4", "--\u2010tp", "1"]
    assert main(typed) == 0, capsys.readouterr().err
    assert main(["predict", "--gpu", "l4", "\u2014", "vllm", "serve", "Qwen/Qwen3-8B"]) == 0


# what is wrong gets one line

BAD = {
    "unknown command": (("score",), "scorecard"),
    "an old command": (("list",), "It takes predict"),
    "an option for a command": (("--bogus",), "'--bogus' is not known"),
    "an option before its command": (("--gpu", "l4", "predict"), "'--gpu' is not known"),
    "unknown option": (("scorecard", "--bogus"), "--bogus"),
    "option without a value": (("scorecard", "--input"), "--input"),
    "no model": (("predict", "--gpu", "h100-sxm"), "--model"),
    "two models": ((*PREDICT, "--config", "config.json"), "given twice"),
    "nearest option": (("predict", "--gpu", "l4", "--modle", "x"), "--model"),
    "a word too many": (("scorecard", "please"), "'please'"),
    "two forms at once": (("scorecard", "--json", "--csv"), "not allowed with"),
    "context beside prompt and answer": (
        (*PREDICT, "--context", "8k", "--input", "1k", "--output", "1k"),
        "context is 8,000 and input and output make 2,000",
    ),
    "empty prefix": ((*PREDICT, "--shared-prefix", ""), "--shared-prefix is ''"),
    "empty engine": ((*PREDICT, "--engine", ""), "engine ''"),
    "acceptance without a draft": ((*PREDICT, "--accept", "0.5"), "--draft-tokens"),
    "adapters without a rank": ((*PREDICT, "--lora-adapters", "3"), "--lora-rank"),
    "nearest draft": ((*PREDICT, "--draft", "qwne3-0.6b"), "draft 'qwne3-0.6b' is not known"),
    "key given twice": (("scorecard", "--column", f"{COLUMN} tp=4"), "gives tp twice"),
    "rows that are not there": (("calibrate", "/no/such"), "/no/such"),
    "nowhere to write a fit": (("calibrate", str(ROWS), "--out", "/no/such/x"), "/no/such/x"),
    "no card": (("predict", "--model", "llama-3.1-70b"), "--gpu"),
    "nearest card": (("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxn"), "h100-sxm"),
    "nearest model": (("predict", "--model", "lama-3.1-70b", "--gpu", "l4"), "llama-3.1-70b"),
    "nearest format": ((*PREDICT, "--weights", "fp9"), "fp8"),
    "nearest KV format": ((*PREDICT, "--kv", "fp88"), "fp8"),
    "nearest engine": ((*PREDICT, "--engine", "vlm"), "vllm"),
    "nearest catalogue": (("gpu",), "gpus"),
    "nothing like it": (("gpus", "h300-sxn-pro"), "have none like"),
    "one deployment to compare": (("compare", "--column", COLUMN), "takes 2 to 4"),
    "nearest variable": (("compare", "--along", "user"), "users"),
    "a range that ends before it begins": (("compare", "--from", "8", "--to", "4"), "to is 4"),
    "no users": (("cliff", *PREDICT[1:], "--users", "0"), "users is 0"),
    "nearest card of a design": (("design", "--model", "qwen3-32b", "--gpu", "h100-sxn"), "h100"),
    "a split that no card takes": (
        ("design", "--model", "llama-3.1-8b", "--gpu", "l4", "--tp", "3"),
        "none of the cards splits",
    ),
    "a design of no model": (("design",), "--model"),
    "nearest shell": (("completion", "bsh"), "bash"),
    "no shell": (("completion",), "SHELL"),
    "an option misspelt where one is missing": (("predict", "--modle", "x"), "--model"),
    "nearest key": (("scorecard", "--column", "modle=llama-3.1-70b gpu=l4"), "model"),
    "no pair": (("scorecard", "--column", "foo"), "key=value"),
    "column without a card": (("scorecard", "--column", "model=llama-3.1-70b"), "gpu=NAME"),
    "empty column": (("scorecard", "--column", ""), "model=NAME"),
    "zero users": (("scorecard", "--concurrency", "0"), "from 1 to"),
    "users that are no number": (("scorecard", "--concurrency", "many"), "whole number"),
    "negative tokens": (("scorecard", "--input=-5"), "from 1 to"),
    "too many tokens": (("scorecard", "--input", "1e30"), "from 1 to"),
    "prefix beyond the prompt": (("scorecard", "--shared-prefix", "9k"), "7,000"),
    "latency of nothing": (("scorecard", "--itl-ms", "0"), "--itl-ms is 0"),
    "latency that is no number": (("scorecard", "--itl-ms", "nan"), "--itl-ms is"),
    "negative budget": (("scorecard", "--budget-usd-h=-1"), "--budget-usd-h"),
    "tp that does not divide": ((*PREDICT, "--tp", "3"), "1, 2, 4, 8"),
    "tp that is no number": ((*PREDICT, "--tp", "two"), "whole number"),
    "memory fraction beyond the card": ((*PREDICT, "--memory-fraction", "1.5"), "0.05 to 1"),
    "context too short": ((*PREDICT, "--context", "1"), "context is 1: it takes a number from 2"),
    "context shorter than the prompt": ((*PREDICT, "--context", "10", "--input", "20"), "20 of"),
    "no such file": (("predict", "--config", "/no/such", "--gpu", "l4"), "/no/such"),
    "DP attention on one card": ((*PREDICT, "--dp-attention"), "tp of 2"),
    "a hostile name": (("predict", "--model", "x\n\x1b[31m" * 99, "--gpu", "l4"), "not known"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_option_gets_one_line_and_status_2(run, name):
    argv, said = BAD[name]
    status, out, err = run(*argv)
    assert status == 2
    assert out == ""
    assert err.startswith("llmcap: ") and err.count("\n") == 1
    assert len(err) < 300 and "Traceback" not in err
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", err)
    assert said in err


# words of its own


def test_the_bare_command_prints_help_with_examples(run):
    status, out, err = run()
    assert (status, err) == (0, "") and out == run("--help")[1] == run("-h")[1]
    assert out.count("\n  llmcap ") == 7
    assert all(re.search(rf"^  {name} ", out, re.M) for name in COMMANDS)
    assert max(map(len, out.splitlines())) < 90


@pytest.mark.parametrize("example", re.findall(r"^  llmcap (.+)$", _help(), re.M))
def test_every_example_of_the_help_is_an_answer(run, example):
    argv = example.split()
    if argv[0] == "validate":
        parser_of("validate").parse_args(argv[1:])
    else:
        assert run(*argv)[0] == 0


def test_the_version_is_the_packages(run):
    assert run("--version") == (0, f"llmcap {metadata.version('llmcap')}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_each_option_once_and_says_what_it_is(command, capsys):
    parser = parser_of(command)
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    for action in parser._actions:
        assert action.help, action
        for flag in action.option_strings:
            assert len(re.findall(rf"(?<![\w-]){flag}(?![\w-])", out)) == 1, flag


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_takes_a_value_says_what_it_is_without_one(command):
    loose = ("model", "config", "gpu", "words", "file", "rows", "shell", "context")
    for action in parser_of(command)._actions:
        filled = command in ("validate", "calibrate")  # by the file, unless an option replaces it
        if not filled and action.nargs != 0 and action.dest not in loose:
            assert "default" in action.help, action.dest


# exit status


@pytest.mark.parametrize(
    ("status", "argv"),
    [
        (0, ("predict", "--model", "llama-3.1-70b", "--gpu", "l4")),  # does not start
        (0, ("design", "--model", "llama-3.1-70b", "--gpu", "l4", "--tp", "1")),  # nothing meets
        (2, ("predict", "--model", "llama-3.1-70b")),
    ],
)
def test_no_is_an_answer_and_bad_input_is_none(run, status, argv):
    assert run(*argv)[0] == status


def test_a_file_of_which_no_row_can_be_predicted_is_status_1(run, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("model,gpu,metric,value\nnobody,nothing,itl_ms,3\n")
    for how in ((), ("--json",), ("--csv",)):
        status, out, err = run("validate", str(path), *how)
        assert status == 1 and out and not err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
def test_an_answer_that_cannot_be_written_is_status_1():
    command = [sys.executable, "-m", "llmcap_kernel", "scorecard"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_what_a_command_does_not_need_is_not_imported():
    code = (
        "import sys; from llmcap_kernel.cli import main; main({argv}); "
        "assert not {{{names}}} & {{*sys.modules}}, sys.modules.keys()"
    )
    kernel = "llmcap_kernel."
    for argv, names in (
        ([], ("catalog", "design", "argparse")),
        (["gpus"], ("design", "capacity", "evidence.compare", "cli.predict")),
        (list(PREDICT), ("evidence.compare", "evidence.logs", "sweep", "cli.validate")),
    ):
        unwanted = [name if name == "argparse" else kernel + name for name in names]
        told = code.format(argv=argv, names=", ".join(map(repr, unwanted)))
        subprocess.run([sys.executable, "-c", told], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("predict llama-3.1-8b h100", "Did you mean --model llama-3.1-8b?"),
        ("predict --model llama-3.1-8b --gpu h100 h200", "Did you mean --gpu h200?"),
        ("compare --model llama-3.1-8b", "See llmcap compare --help."),
        ("gpus --rows 0", "See llmcap gpus --help."),
        ("validate a.json b.json", "'b.json' is one too many: it takes one FILE."),
        ("predict --model llama-3.1-8b --gpu h100 --kv banana", "kv 'banana' is not known"),
        ("predict --model llama-3.1-8b --gpu 4x-m3-ultra", "counts 4 cards (give tp for another"),
        (
            "predict --gpu l4 -- mistralrs run -m llama3.1:8b",
            "--model llama3.1:8b --engine llama.cpp",
        ),
    ],
)
def test_what_a_stranger_types_is_answered_with_what_to_type(capsys, typed, said):
    assert main(typed.split()) == 2
    complaint = capsys.readouterr().err
    assert said in complaint and complaint.count("\n") == 1


def test_a_box_of_unequal_cards_is_a_pipeline_of_as_many(capsys):
    assert main(["predict", "--model", "llama-3.1-8b", "--gpu", "2x4090+1x3090"]) == 0
    assert "2x-rtx-4090+rtx-3090 PP-3" in capsys.readouterr().out


def test_help_fits_eighty_columns(capsys):
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


QWEN = ["predict", "--model", "qwen3-8b", "--gpu", "l4"]


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        (["--users", "0"], "--users is 0: it takes a whole number from 1"),
        (["--concurrency", "0"], "--concurrency is 0: it takes a whole number from 1"),
        (["--input=0"], "--input is 0: it takes a whole number from 1"),
        (["--output", "-1"], "--output is -1: it takes a whole number from 1"),
        (["--draft-tokens", "99"], "--draft-tokens is 99: it takes a whole number from 1 to 64"),
        (["--draft-tokens", "2", "--accept", "3"], "--accept is 3: it takes a number"),
        (["--max-running-requests", "0"], "--max-running-requests is 0: it takes"),
        (["--tp", "0"], "--tp is 0: it takes a whole number"),
        (["--itl-ms", "abc"], "--itl-ms is 'abc': it takes a number."),
        (["--ttft-p99-s", "-1"], "--ttft-p99-s is -1: it takes a number"),
        (["--weights", "foo"], "--weights 'foo' is not known."),
        (["--ttft", "3"], "--ttft could be --ttft-ms, --ttft-p95-ms, --ttft-p95-s or 6 more"),
    ],
)
def test_a_refusal_names_the_option_that_was_typed(capsys, typed, begins):
    assert main([*QWEN, *typed]) == 2
    assert capsys.readouterr().err.startswith(f"llmcap: {begins}")


def test_a_bound_is_named_as_its_option_too(capsys):
    assert main([*QWEN, "--shared-prefix", "9999"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("llmcap: --shared-prefix is 9999") and "(--input)" in said


@pytest.mark.parametrize("path", ["no/such/folder/own.toml", "a\0b.toml", "."])
def test_a_file_that_cannot_be_written_is_one_line(capsys, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    rows = ["model,gpu,tp,precision,input_len,output_len,concurrency,mean_tpot_ms"]
    rows += [f"llama-3.1-8b,h100,1,bf16,1024,256,{users},10.2" for users in (1, 2, 4, 8, 16, 32)]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    assert main(["calibrate", "--with", "mine.csv", "--out", path]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"llmcap: --out {path!r} cannot be written") and "\n" not in said


ODD = [
    *("", "0", "-1", "1e400", "nan", "-inf", "\u0661\u0662", "\u00bd", "0x10", "None", "/", "."),
    *("missing.json", "a\0b", "x" * 5000, "{}", "'", "%s%n", "\n", "1k k", "2..5", "=", "h100,"),
]
NEEDS = {
    **dict.fromkeys(("predict", "launch", "cliff"), QWEN[1:]),
    "simulate": [*QWEN[1:], "--rate", "1", "--requests", "5"],
    "design": [*QWEN[1:3], "--gpus", "l4"],
}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "calibrate"])
def test_no_value_of_any_option_is_a_traceback(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [one for one in parser_of(command)._actions if one.option_strings]
    for at, option in enumerate(one for one in options if one.nargs != 0):
        for value in ODD[at % 2 :: 2]:
            argv = [command, *NEEDS.get(command, []), option.option_strings[-1], value]
            status = main(argv)
            said = capsys.readouterr().err
            assert status in (0, 1, 2), argv
            assert status != 2 or (said.count("\n") == 1 and len(said) < 700), said


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lama3", "llama-3-8b or llama-3-70b"),
        ("lama2", "llama-2-7b, llama-2-13b or llama-2-70b"),
        ("Meta-Lama-3.1-8B", "llama-3.1-8b"),
        ("qwn3-32b", "qwen3-32b"),
    ],
)
def test_a_misspelt_family_keeps_its_version_and_size(run, name, meant):
    code, _, err = run("predict", "--model", name, "--gpu", "h100")
    assert code == 2 and f"model '{name}' is not known. Did you mean {meant}?" in err
