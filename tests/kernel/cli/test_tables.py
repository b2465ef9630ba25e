"""Tables that fit, and the same values in every form."""

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.cli import main
from llmcap_kernel.cli.tables import Column, Screen, Table, flat, written

from .plain import COLUMN, strict, unwrapped

ROWS = catalog.FOLDER.parents[1] / "benchmarks" / "measured.csv"
B = ("--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8")
LONG = f"the card of the other team which has a long name: {COLUMN}"
# every command that prints a table, and where its JSON has the rows
TABLES = {
    "predict": (("predict", *B, "--itl-ms", "50"), lambda data: [data]),
    "predict, no start": (("predict", *B[:4]), lambda data: [data]),
    "scorecard": (("scorecard",), lambda data: data["cards"]),
    "scorecard of many": (
        ("scorecard", *("--column", COLUMN) * 6, "--column", LONG),
        lambda data: data["cards"],
    ),
    "design": (("design", *B[:2], "--gpu", "h100-sxm,l4"), lambda data: data["front"]),
    "compare": (("compare",), lambda data: data["rows"]),
    "compare, counted": (
        ("compare", "--along", "context", "--show", "fit", "--to", "200k"),
        lambda data: data["rows"],
    ),
    "cliff": (("cliff", *B, "--users", "16"), lambda data: data["rows"]),
    "models": (("models", "llama"), lambda data: data),
    "one model": (("models", "deepseek-v3"), lambda data: data[0]["figures"]),
    "gpus": (("gpus",), lambda data: data),
    "one gpu": (("gpus", "h200-sxm"), lambda data: data[0]["figures"]),
    "formats": (("formats",), lambda data: data),
    "one format": (("formats", "nvfp4"), lambda data: data[0]["figures"]),
    "engines": (("engines",), lambda data: data),
    "one engine": (("engines", "vllm-0.33"), lambda data: data[0]["figures"]),
    "prices": (("prices",), lambda data: data),
    "one price": (("prices", "runpod", "h100-nvl"), lambda data: data[0]["figures"]),
    "validate": (("validate", "FILE"), lambda data: data["rows"]),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Forty measured rows and one that nobody can read."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    with ROWS.open(encoding="utf-8") as rows:
        lines = [line for _, line in zip(range(400), rows, strict=False)]
    path.write_text("".join([lines[0], *lines[1::10], "odd,,\n"]), encoding="utf-8")
    return str(path)


@pytest.fixture
def asked(run, file):
    """Run one of `TABLES`; what it prints."""

    def asked(name, *more, **how):
        argv, _ = TABLES[name]
        status, out, err = run(*(file if word == "FILE" else word for word in argv), *more, **how)
        assert (status, err) == (0, "")
        return out

    return asked


def is_address(line):
    """Whether a line holds an address or an option to copy, which are never broken."""
    option = line.startswith("  --") or line.endswith(" \\")
    return ("https://" in line and len(line.split()) <= 2) or option


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("columns", [40, 57, 80, 120, 200])
def test_every_line_fits_the_width(asked, name, columns):
    lines = asked(name, columns=columns).splitlines()
    assert [line for line in lines if len(line) > columns and not is_address(line)] == []
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("name", ["predict", "scorecard"])
def test_the_arithmetic_fits_the_width(asked, name):
    assert max(map(len, asked(name, "--explain", columns=50).splitlines())) <= 50


WORDS = st.text(st.sampled_from("abc deW0/.-"), max_size=30).map(lambda t: " ".join(t.split()))
HEADS = st.builds(Column, WORDS, st.integers(0, 4), st.booleans())


@st.composite
def tables(draw):
    heads = draw(st.lists(HEADS, min_size=1, max_size=7))
    cells = st.tuples(*[WORDS] * len(heads))
    return Table(tuple(heads), tuple(draw(st.lists(cells, min_size=1, max_size=5))))


@given(tables(), st.integers(40, 200))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_fits_any_width(table, width):
    lines = table.text(Screen(width)).splitlines()
    assert all(len(line) <= width for line in lines)


@given(tables())
@settings(deadline=None)
def test_nothing_that_stays_is_lost_in_a_wide_table(table):
    text = "".join(table.text(Screen(400)).split())
    for row in table.rows:
        assert all("".join(cell.split()) in text for cell in row)


def test_columns_leave_by_rank_and_are_named():
    heads = (Column("name", left=True), Column("first", 2), Column("second", 1), Column("third", 3))
    table = Table(heads, (("x", *("0123456789",) * 3),))
    assert "Not shown" not in table.text(Screen(40))
    assert "Not shown at this width: third." in table.text(Screen(35))
    assert "Not shown at this width: first, third." in unwrapped(table.text(Screen(25)))
    assert "third" in table.markdown()


def test_numbers_follow_below_before_they_are_broken():
    heads = (Column("name", left=True), *(Column(letter) for letter in "ABCDE"))
    numbers = [f"1,234,56{n}.89 tok/s" for n in range(5)]
    out = Table(heads, (("the one", *numbers),)).text(Screen(50))
    assert all(number in out for number in numbers) and out.count("the one") == 3


def read_back(text):
    return list(csv.DictReader(io.StringIO(text)))


def same(value, cell):
    """Whether a cell of a CSV holds a value of JSON."""
    if value is None:
        return cell == ""
    if isinstance(value, bool):
        return cell == json.dumps(value)
    if isinstance(value, int | float):
        return float(cell) == value
    text = json.dumps(value) if isinstance(value, list) else value
    return cell in (text, f"'{text}")  # an option begins as a formula does


@pytest.mark.parametrize("name", TABLES)
def test_csv_parses_back_to_the_values_of_json(asked, name):
    rows = TABLES[name][1](strict(asked(name, "--json")))
    cells = read_back(asked(name, "--csv"))
    assert len(rows) == len(cells) > 0
    for row, cell in zip(rows, cells, strict=True):
        values = flat(row)
        assert {key for key, value in values.items() if value is not None} <= set(cell)
        for key, text in cell.items():
            assert same(values.get(key), text), key


@pytest.mark.parametrize("told", ["=1+2", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "--1"])
def test_a_text_of_a_file_is_no_formula_in_a_spreadsheet(told):
    (cells,) = read_back(written([{"row": told, "ok": f"a{told}", "number": -1.5, told: 1}]))
    said = told.replace("\r", "\n")
    assert cells == {"row": f"'{said}", "ok": f"a{said}", "number": "-1.5", f"'{said}": "1"}


@pytest.mark.parametrize("number", ["-2", "+1e3", "-0.5", "1", "-"])
def test_a_number_that_was_read_as_text_stays_one(number):
    assert read_back(written([{"row": number}])) == [{"row": number}]


def test_the_name_of_a_row_in_a_stranger_s_file_cannot_run(run, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,model,gpu,engine,weight_dtype,concurrency,input_tokens,output_tokens,metric,value\n"
        '"=HYPERLINK(""http://a.test"")",llama-3.1-8b,H100 SXM,vLLM,bf16,1,1000,100,itl_ms,7.5\n'
    )
    _, text, _ = run("validate", str(path), "--csv")
    assert "'=HYPERLINK" in text and '"=' not in text and "\n=" not in text


@pytest.mark.parametrize("name", TABLES)
def test_markdown_is_one_table_with_every_column(asked, name):
    lines = asked(name, "--markdown").splitlines()
    bars = {line.replace("\\|", "").count("|") for line in lines}
    assert len(lines) > 2 and len(bars) == 1 and set(lines[1]) <= set("|-:")


@pytest.mark.parametrize("name", TABLES)
def test_what_is_piped_has_no_escape_codes_and_no_bars(asked, name):
    out = asked(name)
    assert "\x1b" not in out and "█" not in out


def on_terminal(*argv, **env):
    """What the command writes to a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "llmcap_kernel", *argv]
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    env = {**kept, "COLUMNS": "80", "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **env}
    with subprocess.Popen(command, stdout=follower, env=env) as process:
        os.close(follower)
        out = b""
        try:
            while part := os.read(leader, 65536):
                out += part
        except OSError:  # the other end is closed
            pass
        os.close(leader)
        process.wait()
    return out.decode()


def test_a_terminal_gets_colour_and_bars_unless_it_asks_for_none():
    argv = ("predict", *B)
    coloured, plain = on_terminal(*argv), on_terminal(*argv, NO_COLOR="1")
    assert "\x1b[" in coloured and "█" in coloured
    assert "\x1b[" not in plain and "█" in plain
    assert "\x1b[" not in on_terminal(*argv, TERM="dumb")
    assert "\x1b[" in on_terminal(*argv, NO_COLOR="")  # as no-color.org has it


def test_a_bar_is_to_scale():
    screen = Screen(bars=True)
    for eighths in range(81):
        bar = screen.bar(eighths / 80, 10)
        whole = bar.count("█")
        assert 8 * whole <= eighths and len(bar) == -(-eighths // 8)


def test_a_number_and_its_unit_stay_together():
    out = Screen(20).prose("the weights are 33.9 GiB a card and 74.5 GiB in all")
    assert not any(line.rstrip()[-1].isdigit() for line in out.splitlines()[:-1])


def test_main_gives_the_width_of_the_terminal_to_its_help(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60
