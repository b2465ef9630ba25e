"""`llmcap design`: the kernel's search, its reasons and the hand-over."""

import json

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.cli import main

from .plain import strict, unwrapped

LIMITED = (
    *("design", "--model", "llama-3.1-70b", "--gpu", "h100-sxm,h200-sxm"),
    *("--budget-usd-h", "30"),
)


def test_it_is_the_kernels_search(run):
    told = strict(run(*LIMITED, "--itl-p95-ms", "50", "--json")[1])
    made = design.search(
        design.WORKED_WORKLOAD,
        design.WORKED_SLO,
        models=["llama-3.1-70b"],
        gpus=["h100-sxm", "h200-sxm"],
    )
    assert told["winner"]["deployment"] == made.winner.title
    assert [row["deployment"] for row in told["front"]] == [c.title for c in made.front]
    assert [row["sentence"] for row in told["why_not"]] == [r.sentence for r in made.why_not]


def test_the_answer_names_what_to_run_first(run):
    out = unwrapped(run(*LIMITED)[1])
    best = strict(run(*LIMITED, "--json")[1])["winner"]
    assert f"Run {best['deployment']}" in out
    order = ("Run ", "cards weights", "Why not", "What more would buy", "Run it", "Measure it")
    places = [out.index(head) for head in order]
    assert places == sorted(places)


def test_the_commands_are_those_of_the_winner(run):
    told = strict(run(*LIMITED, "--json")[1])
    best = told["winner"]
    assert told["launch"].startswith(f"# {best['engine']} on {best['num_gpus']}x {best['gpu']}")
    assert f"--tensor-parallel-size {best['tp']}" in told["launch"]
    assert f"--max-num-seqs {best['max_num_seqs']}" in told["launch"]
    assert "--random-input-len 7000" in told["benchmark"]


def test_cards_with_a_price_on_demand_are_tried_by_default():
    here = design.space(design.WORKED_WORKLOAD, models=["llama-3.1-8b"])
    tried = {gpu.name for block in here.blocks for gpu in block.gpus}
    prices = map(catalog.reference_price, catalog.gpus())
    rented = {p["gpu"] for p in prices if p and p["term"] == "on-demand"}
    assert rented - tried == {"v100-sxm-16gb"} and tried < rented  # no server is built for it


@pytest.mark.parametrize(
    ("model", "formats"), [("llama-3.1-8b", {"bf16", "fp8"}), ("gpt-oss-20b", {"mxfp4"})]
)
def test_weights_are_tried_as_the_checkpoint_has_them(run, model, formats):
    argv = ("design", "--model", model, "--gpu", "h100-sxm", "--budget-usd-h", "9", "--json")
    assert {r["weights"] for r in strict(run(*argv)[1])["front"]} <= formats


def test_nothing_is_an_answer_with_its_reasons_and_what_would_have_to_give(run):
    status, out, _ = run(*LIMITED, "--itl-ms", "10")
    assert status == 0 and "None of" in out and "The nearest misses" in out
    assert "The least that would have to give" in out
    told = strict(run(*LIMITED, "--itl-ms", "10", "--json")[1])
    assert told["winner"] is told["launch"] is None and not told["front"]
    assert min(one["factor"] for one in told["relaxations"]) > 1


def test_text_fits_a_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*LIMITED, "--api-input", "0.5", "--api-output", "1.5")[1].splitlines()
    assert max(map(len, lines)) <= 80


def test_an_api_that_holds_prompts_is_cheaper(run):
    argv = (*LIMITED, "--shared-prefix", "6000", "--api-input", "0.5", "--api-output", "1.5")
    plain = strict(run(*argv, "--json")[1])["api"]
    cached = strict(run(*argv, "--api-cached", "0.05", "--duty", "0.5", "--json")[1])["api"]
    assert cached["usd_per_mtok_output_api"] == pytest.approx(
        1.5 + (1000 * 0.5 + 6000 * 0.05) / 1e3
    )
    assert plain["usd_per_mtok_output_api"] == pytest.approx(5.0)
    assert cached["usd_per_mtok_output_own"] == pytest.approx(2 * plain["usd_per_mtok_output_own"])


def test_a_percentile_is_asked_in_place_of_the_mean(run):
    told = strict(run(*LIMITED, "--itl-p95-ms", "50", "--json")[1])["winner"]
    assert [x["name"] for x in told["limits"]].count("itl p95") == 1
    assert "latency" not in [x["name"] for x in told["limits"]]
    both = strict(run(*LIMITED, "--itl-p95-ms", "50", "--itl-ms", "40", "--json")[1])["winner"]
    assert {"latency", "itl p95"} <= {x["name"] for x in both["limits"]}


def test_a_rate_is_shared_by_copies(run):
    argv = (*LIMITED, "--weights", "fp8", "--kv", "fp8", "--tp", "2", "--rate", "4")
    told = strict(run(*argv, "--budget-usd-h", "300", "--json")[1])["winner"]
    served = told["copies"] * told["output_tok_s_total"]["value"] / 1000
    assert told["copies"] > 1 and served >= 4
    assert "4 requests/s" in run(*argv, "--budget-usd-h", "300")[1]


BAD = {
    "no budget": (("--budget-usd-h", "0"), "--budget-usd-h is 0"),
    "negative prompt": (("--input=-7000",), "from 1 to"),
    "no rate": (("--rate", "0"), "rate is 0"),
    "a rate beyond one copy": (("--rate", "900", "--copies", "1"), "rate is 900 requests/s"),
    "a rate of users": (("--rate", "2", "--users", "4"), "give one of them"),
    "half an API": (("--api-input", "1"), "--api-output"),
    "no such rank": (("--rank", "prize"), "token"),
    "a context beyond the model": (("--input", "200k"), "131,072 at most"),
    "no such vendor": (("--vendor", "nvida"), "nvidia"),
    "an engine that runs nowhere": (("--gpu", "mi300x", "--engine", "trtllm"), "none of the cards"),
    "a duty beyond all hours": (("--duty", "2"), "duty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_sentence(run, name):
    argv, said = BAD[name]
    status, out, err = run(*LIMITED[:3], "--gpu", "h100-sxm", *argv)
    assert status == 2 and not out
    assert said in err and err.count("\n") == 1 and "Traceback" not in err


def test_parameters_are_counted_in_billions_where_they_are_so_written(run):
    """Sixty parameters are no bar at all: any model is larger."""
    asked = ("design", "--gpu", "b200-sxm", "--users", "2", "--json", "--min-params")
    assert run(*asked, "400B")[1] == run(*asked, "400e9")[1]
    assert catalog.model(strict(run(*asked, "600B")[1])["winner"]["model"]).params >= 600e9
    status, _, err = run(*asked, "60")
    assert status == 2 and "write 60B" in err
    status, _, err = run("design")
    assert status == 2 and "--min-params 30B" in err


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_are_limited_in_text_alone(run, rows):
    argv = ("design", "--model", "llama-3.1-8b", "--rows", str(rows))
    out = run(*argv)[1].split("Why not")[0]
    assert len([x for x in out.splitlines() if x[:1].isdigit() and "x " in x[:4]]) == rows
    assert len(json.loads(run(*argv, "--json")[1])["front"]) > 3


EVERY_LIMIT = (
    *("--input", "7000", "--output", "1000", "--users", "16", "--budget-usd-h", "9"),
    *("--itl-p95-ms", "40", "--ttft-ms", "2500"),
)


def test_each_limit_in_json_has_the_unit_of_its_numbers_in_every_command_alike(run):
    """40 ms is 25 tokens a second, 2.5 s is 0.4 a second; USD an hour and users stay."""
    deployment = ("--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8")
    column = "model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8"
    predicted = strict(run("predict", *deployment, *EVERY_LIMIT, "--json")[1])
    searched = strict(run("design", *deployment, *EVERY_LIMIT, "--json")[1])
    side_by_side = strict(
        run("scorecard", "--column", column, "--column", column, *EVERY_LIMIT, "--json")[1]
    )
    found = [
        *predicted["limits"],
        *searched["winner"]["limits"],
        *(limit for card in side_by_side["cards"] for limit in card["limits"]),
    ]
    asked = {
        "itl p95": ("tok/s", 25, "bound_ms", 40),
        "prefill": ("1/s", 0.4, "bound_ms", 2500),
        "capacity": ("users", 16, "bound_users", 16),
        "budget": ("USD/h", None, "bound_usd_h", 9),
    }
    assert {limit["name"] for limit in found} == set(asked)
    for limit in found:
        unit, required, key, bound = asked[limit["name"]]
        assert (limit["unit"], limit[key]) == (unit, pytest.approx(bound))
        assert required is None or limit["required"] == pytest.approx(required)
        assert limit[key.replace("bound", "estimate")] > 0
        assert {"available", "headroom", "sentence", "verdict"} <= set(limit)


def test_percentiles_that_are_limited_stand_in_the_json_of_a_choice(run):
    winner = strict(
        run("design", "--model", "qwen3-8b", "--gpu", "l40s", *EVERY_LIMIT, "--json")[1]
    )
    assert winner["winner"]["itl_p95_ms"]["value"] == pytest.approx(
        next(x["estimate_ms"] for x in winner["winner"]["limits"] if x["name"] == "itl p95")
    )


BATCH = (
    "design",
    "--model",
    "llama-3.1-8b",
    "--input",
    "3000",
    "--output",
    "200",
    "--rate",
    "2M/day",
)


def test_a_batch_takes_the_usual_pace_off_and_costs_less(run):
    """2,000,000 requests in 86,400 s are 23.1481 a second."""
    usual, batch = (strict(run(*BATCH, *more, "--json")[1]) for more in ((), ("--itl-ms", "none")))
    assert usual["by_default"] == ["--itl-p95-ms 50"] and batch["by_default"] == []
    assert batch["winner"]["usd_h"] < usual["winner"]["usd_h"]
    assert [limit["name"] for limit in batch["winner"]["limits"]] == ["capacity"]
    assert "23.1481 requests/s" in run(*BATCH, "--itl-p95-ms", "none")[1]
    assert strict(run(*BATCH, "--itl-p95-ms", "none", "--json")[1]) == batch


def test_help_says_the_pace_that_is_taken(capsys):
    with pytest.raises(SystemExit):
        main(["design", "--help"])
    told = unwrapped(capsys.readouterr().out)
    assert "(default p95 50 ms, where something meets it)" in told


def test_none_takes_the_limits_of_the_worked_spec_off(run):
    cards = strict(run("scorecard", "--itl-p95-ms", "none", "--budget-usd-h", "none", "--json")[1])
    assert {limit["name"] for card in cards["cards"] for limit in card["limits"]} == {"capacity"}
