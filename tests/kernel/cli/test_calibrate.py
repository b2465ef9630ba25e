"""`llmcap calibrate`: rows that cannot be fitted get one line."""

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
