"""`llmcap validate`: how its report reads."""

from .plain import strict, unwrapped

HEAD = "id,model,gpu,engine,tp,weight_dtype,concurrency,input_tokens,output_tokens,metric,value\n"
ROW = "r{n},llama-3.1-70b,h100-sxm,vllm,2,fp8,{n},1000,200,itl_ms,{n}\n"


def told(run, tmp_path, *more):
    path = tmp_path / "rows.csv"
    path.write_text(HEAD + "".join(ROW.format(n=n) for n in range(1, 60)))
    status, out, err = run("validate", str(path), *more)
    assert (status, err) == (0, "")
    return out


def test_the_summary_comes_first_then_the_worst_rows(run, tmp_path):
    out, data = told(run, tmp_path), strict(told(run, tmp_path, "--json"))
    lines = out.splitlines()
    assert lines[0] == "59 rows, 56 predicted, 3 skipped"  # no card is that fast: 1 to 3 ms
    ids = [line.split()[0] for line in lines if line.startswith("r") and line[1].isdigit()]
    off = {r["id"]: abs(r["predicted"] / r["measured"] - 1) for r in data["rows"] if r["predicted"]}
    assert ids == sorted(off, key=off.__getitem__, reverse=True)[:40]
    assert "and 16 closer rows" in out


def test_where_intervals_come_from_is_said_once(run, tmp_path):
    out = told(run, tmp_path)
    assert unwrapped(out).count("predicted without its source") == out.count("Interval of") == 1
    assert unwrapped(out).endswith(("without its source.", "reasons."))


def test_why_nothing_is_compared_is_said_once(run, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"x": 1}')
    code, out, _ = run("validate", str(path))
    assert code == 1 and unwrapped(out).count("of no kind that is read here: ['x']") == 1


def test_a_file_of_no_kind_is_told_all_that_is_read(run, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("hello\n")
    code, out, err = run("validate", str(path))
    assert code == 2 and not out and len(err.splitlines()) == 1
    for kind in ("vllm bench", "the log of vLLM, SGLang", "timings of kernels"):
        assert kind in err
