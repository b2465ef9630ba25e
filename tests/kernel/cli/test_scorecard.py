"""`llmcap scorecard`: the worked spec, columns of one's own, and the kernel's numbers."""

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from llmcap_kernel import address, design
from llmcap_kernel.cli import sheet
from llmcap_kernel.cli.cards import as_dict
from llmcap_kernel.cli.options import read_column
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo, Workload

from .plain import COLUMN, strict, unwrapped


def test_scorecard_without_options_is_the_worked_spec(run):
    status, out, err = run("scorecard")
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert (status, err) == (0, "")
    told = unwrapped(out)
    assert made.verdict in told and all(c.deployment.title in told for c in made.cards)
    assert all(c.binding in told for c in made.cards)
    assert out.index("Run B") < out.index("A =") < out.index("What binds")


def test_where_the_numbers_come_from_is_said_once(run):
    out = run("scorecard")[1]
    assert out.count("Estimates") == 1 and "eilings" in out[out.index("Estimates") :]


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


def _words(html):
    found = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(html)
    return " ".join(" ".join(found).split())


@pytest.mark.parametrize("ending", ["md", "html"])
def test_a_card_in_a_file_says_all_that_the_answer_rests_on(run, tmp_path, ending):
    path = tmp_path / f"card.{ending}"
    status, out, err = run("scorecard", "--out", str(path))
    assert (status, out, err) == (0, f"Wrote {path}.\n", "")
    text = path.read_text("utf-8")
    text = _words(text) if ending == "html" else text
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO)
    assert made.verdict in text and "vllm serve" in text and "four measurements of five" in text
    assert address.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO) in text
    for c in made.cards:
        assert c.deployment.title in text
        assert all(limit.words in text and limit.sentence in text for limit in c.limits)
        for made_of, unit in ((c.estimates and c.estimates.itl_s, "s"), (c.usd_mtok, "USD/Mtok")):
            if made_of:
                ends = f"{quantity(made_of.low, unit)} to {quantity(made_of.high, unit)}"
                assert quantity(made_of.value, unit) in text and ends in text


def test_the_command_in_a_file_gives_the_same_file(run, tmp_path):
    first, again = tmp_path / "a.md", tmp_path / "b.md"
    asked = ("--column", f"one's own: {COLUMN}", "--column", COLUMN, "--users", "4")
    run("scorecard", *asked, "--out", str(first))
    command = re.search(r"^llmcap (scorecard .*)$", first.read_text("utf-8"), re.M)[1]
    assert "--out" not in command
    run(*shlex.split(command), f"--out={again}")
    assert again.read_text("utf-8") == first.read_text("utf-8")


def test_a_page_is_one_file_and_holds_what_a_heading_holds(run, tmp_path):
    path = tmp_path / "card.html"
    run("scorecard", "--column", f"<script>alert(1)</script>: {COLUMN}", "--out", str(path))
    text = path.read_text("utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text
    assert not re.search(r'(src|href)="(?!http://127\.0\.0\.1)', text) and "@import" not in text
    assert "takes 2 to 4" in _words(text)  # one column has no link, and it says so


@pytest.mark.parametrize(
    ("name", "said"),
    [("card.gif", "ends in .md, .html, .png"), ("card", "ends in"), ("no/card.md", "written")],
)
def test_a_file_that_cannot_be_written_gets_one_line(run, tmp_path, name, said):
    status, out, err = run("scorecard", "--out", str(tmp_path / name))
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err


def test_a_picture_takes_a_chromium_and_says_so(run, tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(sheet.shutil, "which", lambda name: None)
    status, out, err = run("scorecard", "--out", str(tmp_path / "card.png"))
    assert (status, out, err.count("\n")) == (2, "", 1) and "takes a Chromium" in err
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    status, out, err = run("scorecard", "--out", str(tmp_path / "card.png"))
    assert (status, out, err.count("\n")) == (2, "", 1) and "drew no picture" in err


@pytest.mark.browser
def test_a_picture_is_as_high_as_its_page(run, tmp_path, browser):
    path = tmp_path / "card.png"
    assert run("scorecard", "--out", str(path))[0] == 0
    drawn = path.read_bytes()
    width, height = (int.from_bytes(drawn[at : at + 4], "big") for at in (16, 20))
    run("scorecard", "--out", str(tmp_path / "card.html"))
    page = browser.new_page(viewport={"width": sheet.WIDTH, "height": 600})
    page.goto(Path(tmp_path / "card.html").as_uri())
    high = page.evaluate("document.documentElement.scrollHeight")
    page.close()
    assert drawn.startswith(b"\x89PNG") and (width, height) == (2 * sheet.WIDTH, 2 * high)


def test_a_scorecard_at_a_rate_links_to_its_own_page_and_counts_what_is_answered(run):
    status, out, _ = run("scorecard", "--rate", "90/min", "--json")
    told = strict(out)
    made = design.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO, rate_rps=1.5)
    assert (status, told["winner"], told["verdict"]) == (0, None, made.verdict)
    small, b, c = told["cards"]
    assert "rate_rps" not in small and b["rate_rps"] == 1.5
    assert b["saturates_interval_rps"][0] < b["saturates_rps"] < 1.5 < c["saturates_rps"]
    assert c["rps_within_limits"]["value"] <= c["saturates_rps"]
    link = address.scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO, rate_rps=1.5)
    assert "&rate=1.5&" in link and "users=" not in link
    shown = unwrapped(run("scorecard", "--rate", "1.5")[1])
    assert "1.5 requests/s (by default: --input, --output)." in shown
    # the two rates of predict, which knows nothing of a scorecard
    spec = ["--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--memory-fraction"]
    spec += ["0.9", "--weights", "fp8", "--kv", "fp8", "--rate", "1.5", "--itl-p95-ms", "50"]
    alone = unwrapped(run("predict", *spec)[1])
    for row in ("Most within limits", "Most it answers"):
        value = re.search(rf"{row} +([\d.]+ req/s)", alone)[1]
        assert re.search(rf"{row} +- +{re.escape(value)} ", shown), row


def test_a_scorecard_takes_a_rate_or_users(run):
    status, _, err = run("scorecard", "--rate", "1", "--users", "4")
    assert (status, "give one of them" in err) == (2, True)
