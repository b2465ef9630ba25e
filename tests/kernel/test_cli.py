"""The `llmcap` command: the kernel's numbers, and one line for whatever is wrong."""

import json
import re
import subprocess
import sys

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.__main__ import as_dict, main, read_column, read_number
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from llmcap_kernel.spec import BadInput, Slo, Workload

ROWS = catalog.FOLDER.parents[1] / "benchmarks" / "measured.csv"
COLUMN = "model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8 memory_fraction=0.9"


@pytest.fixture
def run(capsys):
    """Run the command; its status, what it printed and what it complained of."""

    def run(*argv):
        status = main(list(argv))
        out, err = capsys.readouterr()
        return status, out, err

    return run


def strict(text):
    """Read JSON the way the standard has it, without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# the scorecard


def test_scorecard_without_options_is_the_worked_spec(run):
    status, out, err = run("scorecard")
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert (status, err) == (0, "")
    assert made.text() in out
    assert "ceilings" in out.splitlines()[0]


def test_json_holds_the_kernels_numbers(run):
    status, out, err = run("scorecard", "--json")
    told = strict(out)
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert (status, err) == (0, "")
    assert told["winner"] == made.winner.label and told["verdict"] == made.verdict
    assert told["cards"] == json.loads(json.dumps([as_dict(c) for c in made.cards]))
    for column, card in zip(told["cards"], made.cards, strict=True):
        assert column["binding_constraint"] == card.binding
        assert column["ceiling"]["usd_per_mtok_output"] == card.usd_mtok
        assert column["max_concurrent"] == card.max_concurrent
        assert [x["headroom"] for x in column["limits"]] == [x.headroom for x in card.limits]


def test_what_does_not_start_has_no_speed(run):
    a = strict(run("scorecard", "--json")[1])["cards"][0]
    assert a["starts"] is False and a["fits"] is False
    assert set(a["ceiling"].values()) == {None}


def test_columns_and_load_are_taken(run):
    _, out, _ = run(
        "scorecard",
        "--column",
        f"B: {COLUMN}",
        "--column",
        "one: " + COLUMN.replace("tp=2", "tp=1").replace("h100", "h200"),
        "--input=3500",
        "--output=500",
        "--concurrency=8",
        "--itl-ms=25",
        "--budget-usd-h=12.5",
        "--json",
    )
    told = strict(out)
    load, slo = Workload(3500, 500, 8), Slo(itl_s=0.025, usd_h=12.5)
    made = design.card(read_column(COLUMN)[1], load, slo, label="B")
    assert [c["label"] for c in told["cards"]] == ["B", "one"]
    assert told["cards"][0] == json.loads(json.dumps(as_dict(made)))


def test_explain_adds_the_arithmetic(run):
    plain, more = run("scorecard")[1], run("scorecard", "--explain")[1]
    assert more.startswith(plain.rstrip("\n"))
    assert "kv_pool = budget - weights" in more


def test_unnamed_columns_are_lettered(run):
    _, out, _ = run("scorecard", "--json", *("--column", COLUMN) * 2)
    assert [c["label"] for c in strict(out)["cards"]] == ["A", "B"]


@pytest.mark.parametrize("separator", [" ", ",", "&", " , "])
def test_pairs_of_a_column_may_be_parted_in_several_ways(separator):
    label, d = read_column("X:" + COLUMN.replace(" ", separator))
    assert (label, d) == ("X", read_column(COLUMN)[1])


# one deployment


def test_predict_agrees_with_a_card(run):
    status, out, _ = run(
        "predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2",
        "--weights", "fp8", "--kv", "fp8", "--input", "7k", "--output", "1k",
        "--concurrency", "16", "--itl-ms", "50", "--json",
    )  # fmt: skip
    d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
    made = design.card(d, WORKED_WORKLOAD, Slo(itl_s=0.050))
    assert status == 0
    assert strict(out) == json.loads(json.dumps(as_dict(made)))


def test_context_is_prompt_and_answer_together(run):
    base = ("predict", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--json")
    asked = [
        run(*base, "--context", "8k", "--output", "1k")[1],
        run(*base, "--context", "8k", "--input", "7k")[1],
        run(*base, "--input", "7000", "--output", "1000")[1],
    ]
    assert asked[0] == asked[1] == asked[2]


def test_a_config_file_of_ones_own_gives_the_catalogues_numbers(run):
    path = catalog.FOLDER / "configs" / catalog.table("models")["models"]["llama-3.1-70b"]["config"]
    common = ("--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8", "--json")
    mine, theirs = (
        strict(run("predict", *which, *common)[1])
        for which in (("--config", str(path)), ("--model", "llama-3.1-70b"))
    )
    assert mine["ceiling"] == theirs["ceiling"]
    assert mine["memory_bytes_per_gpu"] == theirs["memory_bytes_per_gpu"]


@pytest.mark.parametrize("gpu", catalog.gpus())
def test_json_is_strict_for_every_card(run, gpu):
    status, out, err = run("predict", "--model", "llama-3.1-8b", "--gpu", gpu, "--json")
    assert (status, err) == (0, "")
    strict(out)


@pytest.mark.parametrize("model", catalog.models())
def test_json_is_strict_for_every_model(run, model):
    status, out, err = run("predict", "--model", model, "--gpu", "h200-sxm", "--json")
    assert (status, err) == (0, "")
    strict(out)


def test_list_alone_names_its_kinds_with_their_counts(run):
    status, out, err = run("list")
    rows = [line.split() for line in out.splitlines()]
    told = strict(run("list", "--json")[1])
    assert (status, err) == (0, "")
    assert [row[0] for row in rows] == list(catalog.KINDS) == list(told)
    assert [int(row[1]) for row in rows] == [len(names) for names in told.values()]
    assert set(catalog.models()) == set(told["models"])


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_list_as_json_holds_the_names(run, kind):
    text, told = run("list", kind)[1], strict(run("list", kind, "--json")[1])
    assert [row["name"] for row in told] == [line.split()[0] for line in text.splitlines()]
    assert all(len(row) > 1 for row in told)


@pytest.mark.parametrize("kind", ["models", "gpus", "formats", "engines"])
def test_list_names_what_there_is(run, kind):
    status, out, _ = run("list", kind)
    names = getattr(catalog, kind)()
    assert status == 0
    assert set(names) <= {line.split()[0] for line in out.splitlines()}


# ceilings are not estimates


@pytest.mark.parametrize("command", ["predict", "scorecard"])
def test_an_estimate_is_printed_with_its_interval_and_its_reason(run, command):
    argv = (*PREDICT, "--tp", "4") if command == "predict" else ("scorecard",)
    text, told = run(*argv)[1], strict(run(*argv, "--json")[1])
    column = told if command == "predict" else told["cards"][1]
    gap, rate = (column["estimate"][metric] for metric in ("itl_ms", "output_tok_s_total"))
    assert gap["ceiling"] <= gap["low"] <= gap["value"] <= gap["high"]
    assert rate["low"] <= rate["value"] <= rate["high"] <= rate["ceiling"]
    ends = f"({gap['low']:.1f} to {gap['high']:.1f})"
    assert f"{gap['value']:.1f} ms between tokens {ends}" in text
    assert "to the first token (" in text and "output tok/s in all (" in text
    assert {line.strip() for line in text.splitlines()} >= {gap["reason"], rate["reason"]}
    assert "Speeds are ceilings" in text


def test_json_takes_the_arithmetic_along(run):
    plain, more = (strict(run("scorecard", "--json", *add)[1]) for add in ((), ("--explain",)))
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert more.pop("explain") == made.explain()
    assert more == plain


# a reader who leaves early, as `head` does


@pytest.mark.parametrize(
    "argv", [("list", "models"), ("predict", "--help"), ("scorecard", "--json"), ("validate",)]
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


# numbers as people type them


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "8000": 8000,
        "8k": 8000,
        "8K": 8000,
        "1.5k": 1500,
        "128_000": 128_000,
        "128,000": 128_000,
        "1M": 1_000_000,
        " 16 ": 16,
        "0.001M": 1000,
    }.items(),
)
def test_counts_as_people_type_them(text, value):
    assert read_number("context", text, int) == value


@pytest.mark.parametrize("text", ["", "k", "8kk", "eight", "nan", "inf", "1e999", "0x10", "1.5"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(BadInput, match=r"context is .*: it takes a whole number"):
        read_number("context", text, int)


# what is wrong gets one line

PREDICT = ("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm")
BAD = {
    "no command": ((), "command"),
    "unknown command": (("score",), "scorecard"),
    "unknown option": (("scorecard", "--bogus"), "--bogus"),
    "option without a value": (("scorecard", "--input"), "--input"),
    "no model": (("predict", "--gpu", "h100-sxm"), "--model"),
    "two models": ((*PREDICT, "--config", "config.json"), "given twice"),
    "nearest option": (("predict", "--gpu", "l4", "--modle", "x"), "--model"),
    "a word too many": (("list", "models", "please"), "'please'"),
    "context beside prompt and answer": (
        (*PREDICT, "--context", "8k", "--input", "1k", "--output", "1k"),
        "context is 8,000 and input and output make 2,000",
    ),
    "empty prefix": ((*PREDICT, "--shared-prefix", ""), "shared_prefix is ''"),
    "empty engine": ((*PREDICT, "--engine", ""), "engine ''"),
    "acceptance without a draft": ((*PREDICT, "--accept", "0.5"), "--draft-tokens"),
    "adapters without a rank": ((*PREDICT, "--lora-adapters", "3"), "--lora-rank"),
    "nearest draft": ((*PREDICT, "--draft", "qwen3-0.7b"), "draft 'qwen3-0.7b' is not known"),
    "key given twice": (("scorecard", "--column", f"{COLUMN} tp=4"), "gives tp twice"),
    "rows that are not there": (("calibrate", "/no/such"), "/no/such"),
    "nowhere to write a fit": (("calibrate", str(ROWS), "--out", "/no/such/x"), "/no/such/x"),
    "no card": (("predict", "--model", "llama-3.1-70b"), "--gpu"),
    "nearest card": (("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxn"), "h100-sxm"),
    "nearest model": (("predict", "--model", "lama-3.1-70b", "--gpu", "l4"), "llama-3.1-70b"),
    "nearest format": ((*PREDICT, "--weights", "fp9"), "fp8"),
    "nearest KV format": ((*PREDICT, "--kv", "fp88"), "fp8"),
    "nearest engine": ((*PREDICT, "--engine", "vlm"), "vllm"),
    "nearest list": (("list", "gpu"), "gpus"),
    "nearest key": (("scorecard", "--column", "modle=llama-3.1-70b gpu=l4"), "model"),
    "no pair": (("scorecard", "--column", "foo"), "key=value"),
    "column without a card": (("scorecard", "--column", "model=llama-3.1-70b"), "gpu=NAME"),
    "empty column": (("scorecard", "--column", ""), "model=NAME"),
    "zero users": (("scorecard", "--concurrency", "0"), "from 1 to"),
    "users that are no number": (("scorecard", "--concurrency", "many"), "whole number"),
    "negative tokens": (("scorecard", "--input=-5"), "from 1 to"),
    "too many tokens": (("scorecard", "--input", "1e30"), "from 1 to"),
    "prefix beyond the prompt": (("scorecard", "--shared-prefix", "9k"), "7,000"),
    "latency of nothing": (("scorecard", "--itl-ms", "0"), "itl_ms is 0.0"),
    "latency that is no number": (("scorecard", "--itl-ms", "nan"), "itl_ms"),
    "negative budget": (("scorecard", "--budget-usd-h=-1"), "usd_h"),
    "tp that does not divide": ((*PREDICT, "--tp", "3"), "1, 2, 4, 8"),
    "tp that is no number": ((*PREDICT, "--tp", "two"), "whole number"),
    "memory fraction beyond the card": ((*PREDICT, "--memory-fraction", "1.5"), "0.05 to 1"),
    "context too short": ((*PREDICT, "--context", "1"), "context is 1: it takes a number from 2"),
    "context shorter than the prompt": ((*PREDICT, "--context", "10", "--input", "20"), "output"),
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


@pytest.mark.parametrize("text", ["{}", "[]", "null", "not json", '{"model_type": "llama"}'])
def test_a_config_that_is_none_gets_one_line(run, tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    status, out, err = run("predict", "--config", str(path), "--gpu", "h100-sxm")
    assert (status, out) == (2, "")
    assert err.startswith("llmcap: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "no column id"),
        ("id,metric,value\na,itl_ms,3\n", "no column source_id"),
        ("source_id,title\na,b\n", "columns metric and value"),
        ("id,source_id,metric,value\n", "holds no measurement"),
        ("\x00", "binary"),
    ],
)
def test_rows_that_cannot_be_fitted_get_one_line(run, tmp_path, text, said):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    status, out, err = run("calibrate", str(path), "--out", str(tmp_path / "fit.toml"))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (tmp_path / "fit.toml").exists()


def test_no_column_is_lost_to_its_heading(run):
    """An unnamed column must not take a heading that another one has, nor lose it."""
    _, out, err = run(
        "scorecard", "--json", "--column", COLUMN, "--column", f"A: {COLUMN}", "--column", COLUMN
    )
    if not err:
        assert len(strict(out)["cards"]) == 3


def test_twenty_seven_columns_are_an_answer_or_one_line(run):
    status, _, err = run("scorecard", *("--column", COLUMN) * 27)
    assert status == 0 or err.count("\n") == 1


def test_json_counts_a_shared_prefix_as_the_limits_do(run):
    _, out, _ = run("scorecard", "--shared-prefix", "6k", "--json")
    load = Workload(7000, 1000, 16, 6000)
    for column, deployment in zip(strict(out)["cards"], worked_spec(), strict=True):
        made = design.card(deployment, load, WORKED_SLO)
        assert column["max_concurrent"] == made.max_concurrent
        assert column["fits"] == made.fits
