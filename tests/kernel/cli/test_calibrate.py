"""`llmcap calibrate`: rows that cannot be fitted get one line."""

import json

import pytest


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


RESULT = {
    **{"backend": "vllm", "model_id": "meta-llama/Llama-3.1-8B-Instruct", "num_prompts": 200},
    **{"max_concurrency": 16, "completed": 200, "request_rate": "inf"},
    **{"total_input_tokens": 204_800, "total_output_tokens": 25_600},
    **{"output_throughput": 700.0, "mean_ttft_ms": 260.0, "mean_tpot_ms": 19.0},
}
B = ("--model", "qwen3-8b", "--gpu", "h100-sxm", "--users", "16")


def test_predict_run_compare_and_learn(run, tmp_path):
    mine, out = tmp_path / "mine.json", tmp_path / "own.toml"
    mine.write_text(json.dumps(RESULT))
    words = ("--with", str(mine), "--gpu", "h100-sxm", "--tp", "1", "--out", str(out))
    status, said, err = run("calibrate", *words)
    assert (status, err) == (0, "")
    assert "vllm" in said and f"--own {out}" in said
    assert "library's own loop" not in said
    kinds = json.loads(run("calibrate", *words, "--json")[1])["engines"][0]["intervals"]
    for kind in kinds.values():
        share = kind["believed_share"]
        expected = kind["measured_over_predicted"] ** share
        assert kind["expected_over_predicted"] == pytest.approx(expected)
    before, after = (
        json.loads(run("predict", *B, "--json", *more)[1])["estimate"]["itl_ms"]
        for more in ((), ("--own", str(out)))
    )
    assert after["high"] / after["low"] < before["high"] / before["low"]
    assert "of your own" in after["reason"]
    assert json.loads(run("predict", *B, "--json")[1])["estimate"]["itl_ms"] == before


def test_what_a_library_s_own_loop_teaches_moves_no_server(run, tmp_path):
    mine = tmp_path / "loop.csv"
    row = "llama-3.1-8b,h100-sxm,vllm,prefill_tok_s,20000,1000,100,1"
    names = "model,gpu,engine,metric,value,input_tokens,output_tokens,concurrency"
    mine.write_text(f"{names}\n{row}\n")
    words = ("--with", str(mine), "--tp", "1", "--out", str(tmp_path / "own.toml"))
    status, said, _ = run("calibrate", *words)
    assert status == 0 and "vllm loop is a library's own loop" in " ".join(said.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "qwen3-8b"), "--model fills in"),
        (("--memory-fraction", "0.9"), "--memory-fraction fills in"),
        (("--users", "4"), "--users fills in"),
        (("--config", "config.json"), "--config fills in"),
    ],
)
def test_what_fills_in_a_file_of_ones_own_is_no_option_of_a_fit(run, tmp_path, words, said):
    path, out = tmp_path / "rows.csv", tmp_path / "fit.toml"
    path.write_text("id,source_id,metric,value\na,b,itl_ms,3\n")
    status, printed, err = run("calibrate", str(path), *words, "--out", str(out))
    assert (status, printed, err.count("\n")) == (2, "", 1)
    assert said in err and "--with" in err and not out.exists()


def test_own_rows_stand_alone(run, tmp_path):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(RESULT))
    status, _, err = run("calibrate", "rows.csv", "--with", str(mine))
    assert status == 2 and "given twice" in err
    status, _, err = run("calibrate")
    assert status == 2 and "--with FILE" in err
    status, _, err = run("calibrate", "--with", str(mine), "--out", str(tmp_path / "own.toml"))
    assert status == 2 and "llmcap validate says why" in err
