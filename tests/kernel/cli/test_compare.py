"""`llmcap compare`: the kernel's sweep as a table, and what changes on the way."""

import pytest

from llmcap_kernel import design, sweep
from llmcap_kernel.cli.compare import ALONG, SHOW
from llmcap_kernel.cli.options import read_column
from llmcap_kernel.spec import Workload

from .plain import COLUMN, strict, unwrapped

TWO = ("--column", f"B: {COLUMN}", "--column", f"H: {COLUMN.replace('h100', 'h200')}")


@pytest.mark.parametrize("show", SHOW)
def test_a_row_holds_the_kernels_estimates(run, show):
    told = strict(run("compare", "--show", show, "--json")[1])
    columns = dict(zip("ABC", design.worked_spec(), strict=True))
    for row in told["rows"]:
        load = sweep.load_at(design.WORKED_WORKLOAD, "concurrency", row["users"])
        for label, deployment in columns.items():
            asked, _ = sweep.limit_on(design.WORKED_SLO, SHOW[show][0])
            made = sweep.measure(deployment, load, asked)
            seen = row["estimates"][label]
            assert (seen and seen["value"]) == (made and made.value)


@pytest.mark.parametrize("along", ALONG)
def test_every_number_of_a_load_can_move(run, along):
    status, out, err = run("compare", *TWO, "--along", along, "--json")
    rows = strict(out)["rows"]
    places = [row[along] for row in rows]
    assert (status, err) == (0, "") and places == sorted(set(places)) and len(rows) > 4


def test_ends_and_crossings_are_to_the_user(run):
    told = strict(run("compare", *TWO, "--to", "512", "--itl-ms", "50", "--json")[1])
    b = dict(zip("ABC", design.worked_spec(), strict=True))["B"]
    room = design.card(b, design.WORKED_WORKLOAD).max_concurrent
    assert {"at": room + 1, "deployment": "B", "why": "room", "first": False} in told["ends"]
    leader = told["leads"][0]
    assert (leader["leader"], leader["from"]) == ("H", 1)
    miss = next(one for one in told["misses"] if one["deployment"] == "B")
    gaps = [sweep.measure(b, sweep.load_at(design.WORKED_WORKLOAD, "concurrency", n), "itl_s")
            for n in (miss["at"] - 1, miss["at"])]  # fmt: skip
    assert gaps[0].value <= 0.050 < gaps[1].value


def test_the_text_says_who_leads_before_the_table(run):
    out = unwrapped(run("compare", *TWO)[1])
    assert out.index("H has the shortest gap from 1 to") < out.index("users B H")
    assert out.count("Estimates") == 1


def test_a_range_is_kept(run):
    rows = strict(run("compare", *TWO, "--from", "3", "--to", "20", "--json")[1])["rows"]
    assert [row["users"] for row in rows] == [3, 4, 8, 16, 20]


@pytest.mark.parametrize("show", ["gap", "rate"])
def test_who_overtakes_is_ahead_from_there_on(run, show):
    specs = ("T: model=gpt-oss-120b gpu=h100-sxm kv=fp8", "U: model=llama-3.1-8b gpu=h100-sxm")
    asked = [word for spec in specs for word in ("--column", spec)]
    asked += ["--input", "500", "--output", "100", "--show", show, "--json"]
    crossings = strict(run("compare", *asked)[1])["crossings"]
    columns = dict(read_column(spec) for spec in specs)
    assert crossings
    for one in crossings:
        for users, is_ahead in ((one["at"] - 1, False), (one["at"], True)):
            load = Workload(500, 100, users)
            ahead, behind = (
                sweep.measure(columns[one[who]], load, "tok_s_user").value
                for who in ("overtakes", "overtaken")
            )
            assert (ahead > behind) == is_ahead


def test_what_is_too_close_to_call_is_said_first(run):
    asked = [w for gpu in ("h200-sxm", "mi300x") for w in
             ("--column", f"{gpu}: model=gpt-oss-120b gpu={gpu} weights=mxfp4 kv=fp8")]  # fmt: skip
    asked += ["--along", "context", "--show", "rate", "--from", "4k", "--to", "16k"]
    assert {one["rivals"][0] for one in strict(run("compare", *asked, "--json")[1])["leads"]}
    out = unwrapped(run("compare", *asked)[1])
    assert "Too close to call between " in out
    assert out.index("Too close") < out.index("The estimates favour mi300x from ")
    assert " has the fastest" not in out  # nobody is said to have what is too close to call


def test_along_requests_a_deployment_ends_where_it_no_longer_answers_all(run):
    told = strict(run("compare", *TWO, "--along", "requests", "--json")[1])
    for label, text in (("B", COLUMN), ("H", COLUMN.replace("h100", "h200"))):
        d = read_column(f"{label}: {text}")[1]
        most_h = sweep.HOUR_S * design.requests_within(d, design.WORKED_WORKLOAD).value
        ends = [one["at"] for one in told["ends"] if one["deployment"] == label]
        assert ends == [int(most_h) + 1]
    shown = unwrapped(run("compare", *TWO, "--along", "requests")[1])
    assert "otherwise 7,000 tokens in + 1,000 out (by default: --input, --output)." in shown
    assert "does not answer all requests from" in shown


def test_a_rate_stays_while_a_length_moves_and_users_follow_from_it(run):
    told = strict(run("compare", *TWO, "--along", "context", "--rate", "0.2", "--json")[1])
    b = read_column(f"B: {COLUMN}")[1]
    row = next(one for one in told["rows"] if one["context"] == 8000)
    made = sweep.measure(b, design.WORKED_WORKLOAD, told["quantity"], rate_rps=0.2)
    assert row["estimates"]["B"]["value"] == made.value
    status, _, err = run("compare", *TWO, "--rate", "0.2")
    assert (status, "along takes context, input" in err) == (2, True)


def test_users_beside_requests_that_move_are_refused(run):
    code, _, err = run("compare", "--along", "requests", "--users", "4")
    assert code == 2 and "--users is '4': along requests they follow from the rate" in err
