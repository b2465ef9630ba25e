"""`llmcap simulate`: percentiles with intervals, and what it refuses."""

from statistics import fmean

import pytest

from llmcap_kernel import simulation
from llmcap_kernel.simulation import Arrivals, Lengths

from ..simulation.synthetic import drawn
from .plain import B, D, strict, unwrapped

FEW = ("--requests", "100")


def test_json_has_the_simulations_percentiles(run):
    told = strict(run("simulate", *B, "--rate", "2", *FEW, "--json")[1])
    load = drawn(
        count=100,
        arrivals=Arrivals("poisson", 2),
        prompt=Lengths(1000, 0.3, "lognormal"),
        answer=Lengths(500, 0.3, "lognormal"),
    )
    found = simulation.estimated(D, load)
    for name in ("ttft", "itl", "tpot", "e2e"):
        assert {*told[f"{name}_ms"]} == {"mean", "p50", "p90", "p95", "p99"}
        for at, band in told[f"{name}_ms"].items():
            made = found.mean(name) if at == "mean" else found.percentile(name, float(at[1:]))
            value = made.value
            assert band["value"] == pytest.approx(value * 1e3)
            assert band["low"] <= band["value"] <= band["high"]
    assert 0 < told["goodput_rps"] < told["saturates_rps"]
    waits = [one.ttft_s for one in found.run.completed]
    assert found.mean("ttft").value == pytest.approx(fmean(waits))
    decoded_s = sum(one.e2e_s - one.ttft_s for one in found.run.completed)
    gaps = sum(one.output_tokens - 1 for one in found.run.completed)
    assert found.mean("itl").value == pytest.approx(decoded_s / gaps)


def test_a_limit_lowers_the_goodput(run):
    free, held = (
        strict(run("simulate", *B, "--rate", "2", *FEW, *limit, "--json")[1])["goodput_rps"]
        for limit in ((), ("--ttft-ms", "150"))
    )
    assert 0 < held < free


def test_a_trace_has_arrivals_and_lengths_of_its_own(run, tmp_path):
    path = tmp_path / "trace.jsonl"
    line = (
        '{"timestamp": %d, "input_length": 2048, "output_length": 50, "hash_ids": [1, 2, 3, %d]}\n'
    )
    path.write_text("".join(line % (at * 1000, at) for at in range(10, 30)))
    told = strict(run("simulate", *B, "--trace", str(path), "--json")[1])
    assert (told["requests"], told["prompt_tokens"]) == (20, 20 * 2048)
    assert told["cached_tokens"] == 19 * 3 * 512
    assert told["offered_rps"] == pytest.approx(1.0)
    assert told["lengths"].startswith(
        "Prompts of 2,048 tokens and answers of 50 on average, as the"
    )
    faster = strict(run("simulate", *B, "--trace", str(path), "--rate", "4", "--json")[1])
    assert faster["offered_rps"] == pytest.approx(4.0)


def test_rows_of_a_trace_that_are_left_out_are_counted(run, tmp_path):
    path = tmp_path / "burst.csv"
    rows = "".join(f"{at},GPT-4,400,{50 * (at % 4 > 0)},450,API log\n" for at in range(40))
    path.write_text(f"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n{rows}")
    told = strict(run("simulate", *B, "--trace", str(path), "--json")[1])
    assert told["requests"] == 30
    assert told["left_out"] == "Left out of 40 requests of the trace: 10 without an answer."
    assert told["left_out"] in unwrapped(run("simulate", *B, "--trace", str(path))[1])


def test_a_trace_that_asks_too_much_says_so(run, tmp_path):
    path = tmp_path / "trace.csv"
    rows = "".join(f"2026-01-01 10:00:00.{i:03},4000,100\n" for i in range(100))
    path.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    assert "More comes than it can serve" in run("simulate", *B, "--trace", str(path))[1]


def test_sessions_find_their_prefix(run):
    out = run("simulate", *B, "--rate", "1", "--turns", "4", "--think-s", "5", *FEW)[1]
    assert "The prefix cache held" in unwrapped(out)


def test_users_ask_again(run):
    told = strict(run("simulate", *B, "--users", "8", *FEW, "--json")[1])
    assert told["offered_rps"] == 0 < told["goodput_rps"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rate", "0"), "rate is 0: it takes a number from 1e-06"),
        (("--rate", "-2"), "rate is -2: it takes a number from 1e-06"),
        (("--rate", "many"), "rate is 'many': it takes a number."),
        ((), "rate is missing: it takes requests a second, or give --trace FILE."),
        (("--rate", "1", "--input", "-5"), "input is -5: it takes a number from 1 to"),
        (("--rate", "1", "--output", "0"), "output is 0: it takes a number from 1 to"),
        (("--rate", "1", "--requests", "0"), "requests is 0: it takes a whole number from 1"),
        (("--rate", "1", "--spread", "-1"), "spread is -1: it takes a number from 0 to"),
        (("--rate", "1", "--arrivals", "posson"), "Did you mean poisson?"),
        (("--rate", "1", "--input", "200k"), "llama-3.1-70b takes 131,072."),
        (("--rate", "1", "--users", "3"), "rate is '1': arrivals users take none."),
        (("--arrivals", "users"), "users is missing: arrivals users take --users N."),
        (("--trace", "none.csv"), "trace 'none.csv' cannot be read: No such file or directory."),
        (("--trace", "a.csv", "--users", "2"), "trace has arrivals and lengths of its own: leave"),
        (("--trace", "a.csv", "--input", "2k"), "leave out --input."),
        (("--rate", "1", "--arrivals", "poisson", "--burstiness", "2"), "burstiness is given"),
    ],
)
def test_bad_input_costs_one_sentence(run, words, told):
    status, out, err = run("simulate", *B, *words)
    assert (status, out) == (2, "") and told in err and err.count("\n") == 1


def test_a_rate_that_cannot_last_is_refused_with_the_one_that_can(run):
    most = strict(run("simulate", *B, "--rate", "2", *FEW, "--json")[1])["saturates_rps"]
    status, _, err = run("simulate", *B, "--rate", str(most * 1.01), *FEW)
    assert status == 2 and f"saturates at {most:.3g} requests/s (saturates_rps)" in err
    assert run("simulate", *B, "--rate", str(most * 0.99), *FEW)[0] == 0


def test_the_lengths_that_nobody_asked_for_are_said(run):
    words = ["simulate", "--model", "qwen3-32b", "--gpu", "h200-sxm", "--rate", "2.5", *FEW]
    told = "Prompts of 1,000 tokens and answers of 500 on average, with a spread of 0.3"
    assert f"{told} (by default: --input, --output, --spread)." in unwrapped(run(*words)[1])
    asked = [*words, "--input", "2k", "--output", "300", "--spread", "0"]
    told = "Prompts of 2,000 tokens and answers of 300 on average, with a spread of 0."
    assert told in unwrapped(run(*asked)[1]) and strict(run(*asked, "--json")[1])["lengths"] == told
    turns = unwrapped(run(*words, "--turns", "2")[1])
    assert "Turns that add 1,000 tokens and answers of 500" in turns
    beyond = run(*words, "--rate", "30")[2]  # of which load it is refused is said, too
    assert "saturates at" in beyond and "Prompts of 1,000 tokens" in beyond


@pytest.mark.parametrize(
    ("cv", "said"),
    [
        # vllm/benchmarks/serve.py: gamma(shape=burstiness), whose CV is shape ** -0.5
        ("0.5", "CV of 0.5, steadier than at random, --burstiness 4 of vllm bench"),
        ("2", "CV of 2, burstier than at random, --burstiness 0.25 of vllm bench"),
        ("0", "CV of 0, steadier than at random."),
    ],
)
def test_a_cv_is_told_from_the_burstiness_of_vllm_s_client(run, cv, said):
    load = ("simulate", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--requests", "20")
    status, out, err = run(*load, "--rate", "2", "--burstiness", cv)
    assert (status, err) == (0, "") and said in " ".join(out.split())
