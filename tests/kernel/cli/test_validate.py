"""`llmcap validate`: how its report reads."""

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.spec import Workload

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


@pytest.mark.parametrize(
    ("off", "within", "status"),
    [(1.2, "0.25", 0), (1.2, "0.1", 3), (0.8, "0.1", 3), (9.0, None, 0)],
)
def test_a_pipeline_may_ask_how_far_off_is_too_far(run, tmp_path, off, within, status):
    """Off by a fifth is off by .17 or .25 of what was measured, whichever side is the longer."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    gap_ms = 1e3 * calibration.estimates(d, Workload(1000, 200, 8)).itl_s.value
    mine = tmp_path / "mine.csv"
    mine.write_text(
        "model,gpu,engine,weights,itl_ms,input_tokens,output_tokens,concurrency\n"
        f"llama-3.1-8b,h100-sxm,vllm,bf16,{off * gap_ms},1000,200,8\n"
    )
    asked = () if within is None else ("--within", within)
    assert run("validate", str(mine), *asked)[0] == status


def test_how_far_is_a_share_and_of_results(run, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("model,gpu,itl_ms\nqwen3-8b,l4,60\n")
    for wrong in ("-1", "close"):
        status, out, err = run("validate", str(mine), "--within", wrong)
        assert (status, out) == (2, "") and err.startswith("llmcap: --within is ")
