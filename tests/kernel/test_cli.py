"""The `llmcap` command: the kernel's numbers, and one line for whatever is wrong."""

import json
import re
import subprocess
import sys

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.__main__ import as_dict, main, read_column, read_number
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from llmcap_kernel.explain import quantity
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
        price = card.usd_mtok
        assert column["ceiling"]["usd_per_mtok_output"] == (price and pytest.approx(price.ceiling))
        assert column["max_concurrent"] == card.max_concurrent
        for told_limit, limit in zip(column["limits"], card.limits, strict=True):
            for key in ("name", "verdict", "required", "available", "headroom", "sentence"):
                assert told_limit[key] == getattr(limit, key)


def test_what_does_not_start_has_no_speed(run):
    a = strict(run("scorecard", "--json")[1])["cards"][0]
    assert a["starts"] is False and a["fits"] is False
    assert set(a["ceiling"].values()) == {None} and a["estimate"] is None
    (capacity,) = [x for x in a["limits"] if x["name"] == "capacity"]
    assert (capacity["required"], capacity["available"]) == (16, 0)


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


WORKED_B = (
    "predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2",
    "--weights", "fp8", "--kv", "fp8", "--input", "7k", "--output", "1k",
)  # fmt: skip


def test_users_is_another_word_for_concurrency(run):
    assert run(*WORKED_B, "--users", "16") == run(*WORKED_B, "--concurrency", "16")
    assert strict(run(*WORKED_B, "--users", "16", "--json")[1])["concurrency"] == 16


# the log of row K29: 14.99 GiB of weights, 6.95 GiB of cache, 56,880 tokens, 1.79x
K29 = (
    *("predict", "--model", "llama-3.1-8b", "--gpu", "rtx-3090", "--engine", "vllm-0.12"),
    *("--memory-fraction", "0.95", "--max-model-len", "31800", "--max-num-seqs", "64"),
)


def test_predict_prints_the_lines_that_the_engine_printed(run):
    status, out, _ = run(*K29)
    said = {line["text"]: line["within"] for line in strict(run(*K29, "--json")[1])["engine_lines"]}
    assert status == 0 and all(text in out for text in said)
    assert "Model loading took 14.99 GiB" in said
    room = next(re.search(r"memory: ([\d.]+) GiB", text) for text in said if "Available" in text)
    assert float(room[1]) == pytest.approx(6.95, abs=0.9)
    times = next(text for text in said if text.startswith("Maximum concurrency for 31,800 tokens"))
    assert float(times.split()[-1].rstrip("x")) == pytest.approx(1.79, abs=0.23)
    assert "vllm-0.12 is counted as vLLM 0.16" in out


def test_predict_has_each_term_with_its_formula_and_the_interval_of_the_room(run):
    told, out = strict(run(*K29, "--json")[1]), run(*K29)[1]
    low, high = told["kv_pool_interval_bytes"]
    assert low < told["memory_bytes_per_gpu"]["kv_pool"] < high
    assert told["start"] == "yes" and "Memory of a card: it starts" in out
    for term in told["terms"]:
        assert term["formula"] in out and term["numbers"] in out
    assert "64 x 128,256 x" in out  # sampling follows --max-num-seqs


def test_what_would_make_it_start_does(run):
    tight = ("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--weights", "fp8",
             "--kv", "fp8", "--context", "8000")  # fmt: skip
    no = (*tight, "--memory-fraction", "0.9")
    told, out = strict(run(*no, "--json")[1]), run(*no)[1]
    assert not told["starts"] and len(told["remedies"]) > 2
    for one in told["remedies"]:
        assert one["flag"] in out
        option = f"--{one['setting'].replace('_', '-')}"
        asked = tight if option == "--memory-fraction" else no
        then = strict(run(*asked, option, str(one["value"]), "--json")[1])
        assert then["starts"] and then["remedies"] == [] and then["start"] == one["start"]
        assert then["memory_bytes_per_gpu"]["kv_pool"] == pytest.approx(one["kv_pool_bytes"])


def test_eager_takes_the_graphs_away(run):
    lazy, eager = (strict(run(*K29, *add, "--json")[1]) for add in ((), ("--eager",)))
    assert lazy["memory_bytes_per_gpu"]["graphs"] > eager["memory_bytes_per_gpu"]["graphs"] == 0
    assert "off: eager" in run(*K29, "--eager")[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--max-num-seqs", "0"), "max_num_seqs is 0: it takes a whole number from 1"),
        (("--max-model-len", "many"), "max_model_len is 'many': it takes a whole number"),
        (("--block-size", "5000"), "block_size is 5000: it takes a whole number from 1 to 4,096"),
        (
            ("--max-num-seqs", "512", "--max-num-batched-tokens", "100"),
            "max_num_batched_tokens is 100: it takes a whole number from 512",
        ),
    ],
)
def test_a_limit_that_is_none_is_refused_in_a_sentence(run, given, words):
    status, out, err = run("predict", "--model", "llama-3.1-8b", "--gpu", "rtx-3090", *given)
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1


def test_a_request_longer_than_the_engine_takes_is_noted(run):
    out = run(*K29, "--context", "40000")[1]
    assert "refuses requests of more than max_model_len, 31,800 tokens" in out


@pytest.mark.parametrize("limits", [(), ("--itl-ms", "40"), ("--ttft-ms", "1000")])
def test_predict_without_users_is_predict_for_the_most_that_meet_the_limits(run, limits):
    told = strict(run(*WORKED_B, *limits, "--json")[1])
    most = told["concurrency"]
    assert strict(run(*WORKED_B, *limits, "--users", str(most), "--json")[1]) == told
    assert most == told["users_within_limits"]["value"]
    assert all(x["verdict"] in ("met", "likely") for x in told["limits"])
    more = strict(run(*WORKED_B, *limits, "--users", str(most + 1), "--json")[1])
    assert more["limits"][0]["verdict"] in ("missed", "impossible")
    said = "the most that meet the limits" if limits else "the most that have room"
    assert f"{most} users ({said})" in run(*WORKED_B, *limits)[1]
    assert said not in run(*WORKED_B, *limits, "--users", str(most))[1]


def test_the_keys_of_the_json_hold_what_their_names_say(run):
    told = strict(run(*WORKED_B, "--users", "16", "--itl-ms", "50", "--json")[1])
    d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
    found = design.card(d, WORKED_WORKLOAD).estimates
    for key, estimate, scale in (
        ("itl_ms", found.itl_s, 1e3),
        ("ttft_ms", found.ttft_s, 1e3),
        ("tok_s_per_user", found.tok_s_user, 1),
        ("output_tok_s_total", found.output_tok_s, 1),
        ("usd_per_mtok_output", found.usd_mtok, 1),
    ):
        row = told["estimate"][key]
        for end in ("value", "low", "high", "ceiling"):
            assert row[end] == pytest.approx(scale * getattr(estimate, end))
        assert row["reason"] == estimate.reason and row["doubt"] == estimate.doubt
    gap = told["estimate"]["itl_ms"]
    latency = next(x for x in told["limits"] if x["name"] == "latency")
    # 50 ms a token are 20 tokens a second
    assert latency["required"] == pytest.approx(20)
    assert latency["available"] == pytest.approx(1000 / gap["value"])
    assert latency["headroom"] == pytest.approx(50 / gap["value"])


CHECKPOINTS = {  # as each model's authors publish it
    "gpt-oss-120b": ("mxfp4", "MXFP4"),
    "deepseek-v3": ("fp8-block", "FP8"),
    "llama-3.1-8b": ("bf16", "BF16"),
}


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_weights_are_in_the_checkpoints_own_format_by_default(run, model):
    cards = ("--gpu", "h200-sxm", "--tp", "8") if model == "deepseek-v3" else ("--gpu", "h100-sxm")
    name, title = CHECKPOINTS[model]
    asked = ("predict", "--model", model, *cards)
    told, text = strict(run(*asked, "--json")[1]), run(*asked)[1]
    assert told["weights"] == name and told["starts"] and told["estimate"]
    assert f"Weights are in the checkpoint's own format, {title}" in text
    stated = run(*asked, "--weights", name)
    assert strict(run(*asked, "--weights", name, "--json")[1]) == told
    assert "checkpoint's own format" not in stated[1]


def test_a_model_of_117_billion_weights_in_4_bits_starts_on_one_card(run):
    """In 16 bits they are 234 GB, and one H100 has 80."""
    asked = ("predict", "--model", "gpt-oss-120b", "--gpu", "h100-sxm", "--json")
    wide = strict(run(*asked, "--weights", "bf16")[1])
    assert strict(run(*asked)[1])["starts"] and not wide["starts"]


def test_what_binds_without_limits_is_what_runs_out_first(run):
    told = strict(run(*WORKED_B, "--users", "16", "--json")[1])
    room = f"the cache runs out first, at {told['max_concurrent']} users"
    assert told["binding_constraint"] == f"no limit set; {room}"
    assert room in run(*WORKED_B, "--users", "16")[1]
    crowd = strict(run(*WORKED_B, "--users", "500", "--json")[1])
    assert f"room for {told['max_concurrent']} of 500 users" in crowd["binding_constraint"]


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
    assert mine["ceiling"] == theirs["ceiling"] and mine["estimate"] == theirs["estimate"]
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
def test_an_estimate_is_told_with_its_interval_its_ceiling_and_its_reason(run, command):
    argv = (*PREDICT, "--tp", "4") if command == "predict" else ("scorecard",)
    told = strict(run(*argv, "--json")[1])
    column = told if command == "predict" else told["cards"][1]
    gap, rate = (column["estimate"][metric] for metric in ("itl_ms", "output_tok_s_total"))
    assert gap["ceiling"] <= gap["low"] < gap["value"] < gap["high"]
    assert rate["low"] < rate["value"] < rate["high"] <= rate["ceiling"]
    assert gap["reason"] and rate["reason"]


def test_each_line_of_an_answer_has_its_interval_or_its_doubt_and_its_ceiling(run):
    argv = (*PREDICT, "--tp", "4", "--users", "16")
    text, told = run(*argv)[1], strict(run(*argv, "--json")[1])
    for row, key, unit, scale in (
        ("Gap between tokens", "itl_ms", "s", 1e-3),
        ("Speed of one user", "tok_s_per_user", "tok/s", 1),
        ("First token, mean", "ttft_ms", "s", 1e-3),
        ("Output of all users", "output_tok_s_total", "tok/s", 1),
        ("$/M output", "usd_per_mtok_output", "USD/Mtok", 1),
    ):
        e = told["estimate"][key]
        ends = [quantity(e[end] * scale, unit) for end in ("value", "low", "high", "ceiling")]
        beside = e["doubt"] or f"{ends[1]} to {ends[2]}"
        line = next(line for line in text.splitlines() if line.startswith(row))
        assert line.split(maxsplit=len(row.split()))[-1] == (
            f"{ends[0]} ({beside}); ceiling {ends[3]}"
        )
    assert f"intervals: {told['estimate']['itl_ms']['reason']}" in text
    assert "four measurements of five" in text


def test_the_table_of_a_scorecard_holds_the_estimates(run):
    text, told = run("scorecard")[1], strict(run("scorecard", "--json")[1])
    line = next(line for line in text.splitlines() if line.startswith("Gap between tokens"))
    gaps = [c["estimate"] and c["estimate"]["itl_ms"]["value"] for c in told["cards"]]
    cells = ["-" if gap is None else quantity(gap / 1e3, "s") for gap in gaps]
    assert line.split(maxsplit=3)[-1].split() == " ".join(cells).split()


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
