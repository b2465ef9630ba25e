"""Numbers and columns as people type them."""

import re
from dataclasses import replace

import pytest

from llmcap_kernel.cli import parser_of
from llmcap_kernel.cli.fills import read_fills
from llmcap_kernel.cli.options import (
    Parser,
    add_limits,
    rate_of,
    read_column,
    read_limits,
    read_number,
)
from llmcap_kernel.cli.options.deployment import build
from llmcap_kernel.design import WORKED_SLO
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail

from .plain import COLUMN, B


@pytest.mark.parametrize("separator", [" ", ",", "&", " , "])
def test_pairs_of_a_column_may_be_parted_in_several_ways(separator):
    label, d = read_column("X:" + COLUMN.replace(" ", separator))
    assert (label, d) == ("X", read_column(COLUMN)[1])


def test_a_column_is_read_as_the_same_options_are():
    """Two cards by their name; gpt-oss ships its experts in four bits of MXFP4, not NVFP4."""
    _, d = read_column("model=llama-3.1-8b gpu=2xL4")
    assert (d.gpu.name, d.num_gpus) == ("l4", 2)
    _, d = read_column("model=gpt-oss-20b gpu=b200 weights=fp4")
    assert d.weights.name == "mxfp4"


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


NO_COUNTS = ["", "k", "8kk", "eight", "nan", "inf", "1e999", "0x10", "1.5", "22,1", "1,5k"]


@pytest.mark.parametrize("text", NO_COUNTS)
def test_what_is_no_count_is_refused(text):
    with pytest.raises(BadInput, match=r"context is .*: it takes a whole number"):
        read_number("context", text, int)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("90%", "and 90% is 0.9."), ("0,9", "with a point: 0.9."), ("x", "a number.")],
)
def test_a_share_in_percent_says_what_it_is(text, hint):
    with pytest.raises(BadInput) as problem:
        read_number("memory_fraction", text)
    assert str(problem.value).endswith(hint)


NOTHING = Slo()


def limits(*words, usual=NOTHING):
    parser = Parser()
    add_limits(parser, usual)
    return read_limits(parser.parse_args(list(words)))


def test_limits_on_percentiles_come_in_both_units():
    asked = limits("--itl-p95-ms", "50", "--ttft-p99-s", "2", "--e2e-p50-s", "30")
    assert asked.tails == (Tail("itl", 95, 0.05), Tail("ttft", 99, 2.0), Tail("e2e", 50, 30.0))
    assert limits("--tpot-p90-s", "0.05").tails == limits("--tpot-p90-ms", "50").tails


def test_a_limit_on_a_percentile_replaces_the_usual_one_and_leaves_the_others():
    usual = Slo(tails=(Tail("itl", 95, 0.05), Tail("ttft", 99, 2.0)))
    assert limits("--itl-p95-ms", "40", usual=usual).tails == (
        Tail("itl", 95, 0.04),
        Tail("ttft", 99, 2.0),
    )


@pytest.mark.parametrize(
    ("words", "gap"),
    [
        ((), WORKED_SLO),
        (("--itl-ms", "40"), Slo(itl_s=0.040)),
        (("--itl-p95-ms", "20"), Slo(tails=(Tail("itl", 95, 0.020),))),
        (("--itl-p99-ms", "700"), Slo(tails=(Tail("itl", 99, 0.700),))),
        (("--tpot-p95-ms", "60"), Slo(tails=(Tail("tpot", 95, 0.060),))),
        (("--itl-ms", "40", "--itl-p95-ms", "60"), Slo(0.040, tails=(Tail("itl", 95, 0.060),))),
    ],
)
def test_a_limit_on_a_gap_stands_for_the_worked_spec_s(words, gap):
    assert limits(*words, usual=WORKED_SLO) == replace(gap, usd_h=30.0)


def test_a_limit_on_a_first_token_leaves_the_worked_spec_s_gap():
    assert limits("--ttft-ms", "2000", usual=WORKED_SLO) == replace(WORKED_SLO, ttft_s=2.0)
    assert limits("--ttft-ms", "2000", usual=Slo(tails=(Tail("ttft", 99, 1.0),))).tails == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--itl-p95-ms", "soon"), "itl_p95_ms is 'soon'"),
        (("--itl-p95-ms", "0"), "itl_p95_ms is 0.0: it takes a number from 0.001"),
        (("--itl-p95-ms", "50", "--itl-p50-ms", "60"), "a higher percentile takes no smaller"),
        (("--itl-p95-ms", "50", "--itl-p95-s", "0.1"), "itl p95 is given twice"),
        (("--itl-p94-ms", "50"), "Did you mean --itl-p99-ms"),
    ],
)
def test_limits_that_make_no_sense_are_refused_in_a_sentence(words, told):
    with pytest.raises(BadInput, match=told):
        limits(*words)


@pytest.mark.parametrize(
    ("gpu", "model", "words"),
    [
        # vLLM, docs/serving/parallelism_scaling.md; DeepSeek-R1 has 128 heads, Llama 70B 64
        ("16x H100", "deepseek-r1", "16x h100-sxm TP-8 PP-2"),
        ("3x L40S", "llama-3.1-70b", "3x l40s PP-3"),
        ("GB200 NVL72", "deepseek-r1", "72x gb200 TP-72 EP-72 DP attention"),
        ("4x H200", "llama-3.1-70b", "4x h200-sxm TP-4"),
    ],
)
def test_cards_that_a_name_counts_split_a_model_as_vllm_advises(gpu, model, words):
    assert words in build(model, gpu, {}).title
    assert build("llama-3.1-70b", "16x H100", {"tp": 16}).tp == 16


def test_a_mac_runs_llama_cpp_unless_it_is_told():
    assert build("qwen3-8b", "M4 Max 64GB", {}).engine.family == "llama.cpp"
    assert build("qwen3-8b", "M4 Max 64GB", {"engine": "vllm"}).engine.family == "vllm"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("predict", "--usd-h=-2"), "--usd-h is -2: it takes"),
        (("predict", "--usd-h", "-2"), "--usd-h is -2: it takes"),
        (("predict", "--tp", "99k"), "--tp is 99k: it takes"),
        (("simulate", "--rate", "1e9"), "--rate is 1e9: it takes"),
        (("predict", "--", "x.yaml", "--json"), "'--json' stands behind the file"),
    ],
)
def test_a_refusal_has_the_number_and_the_option_as_they_were_typed(run, words, told):
    command, *rest = words
    code, _, err = run(command, *B, *rest)
    assert code == 2 and err.startswith(f"llmcap: {told}")


ONE = ("predict", "--model", "llama-3.1-8b", "--gpu", "h100-sxm")
BENCH = ("validate", "measured.json", "--gpu", "h100-sxm")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*ONE, "--users", "4", "--concurrency", "8"), "--users '4' and --concurrency '8' set"),
        ((*ONE, "--tp", "1", "-tp", "2"), "--tp '1' and -tp '2' set the same"),
        ((*ONE, "--weights", "fp8", "-q", "bf16"), "--weights 'fp8' and -q 'bf16' set the same"),
        ((*ONE, "--context", "8k", "--input", "9k"), "it takes more than the 9,000 of input"),
        ((*ONE, "--context", "8k", "--output", "8k"), "it takes more than the 8,000 of output"),
        (("launch", *ONE[1:], "--copies", "2"), "--copies says how many a manifest has"),
        ((*BENCH, "--tp", "-4"), "--tp is -4: it takes a whole number from 1 to 4,096"),
        ((*BENCH, "--memory-fraction", "92"), "--memory-fraction is 92: it takes a number from"),
        ((*BENCH, "--max-num-seqs", "0"), "--max-num-seqs is 0: it takes a whole number from 1"),
        ((*BENCH, "--users", "-1"), "--users is -1: it takes a whole number from 1"),
    ],
)
def test_what_contradicts_itself_or_is_out_of_range_is_one_sentence(run, words, said):
    """The last of two users won in silence, and a row of a file was blamed for an option."""
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err


def test_the_same_value_twice_is_no_contradiction(run):
    assert run(*ONE, "--users", "4", "--concurrency", "4")[0] == 0


def test_groups_of_attention_may_stand_without_a_number():
    """Of predict it is a switch: of validate it then means all cards of tp."""
    words = ["measured.json", "--tp", "8", "--dp-attention"]
    assert read_fills(parser_of("validate").parse_args(words)) == {"tp": 8, "dp_attention": "yes"}


@pytest.mark.parametrize(
    ("text", "rps"),
    {
        "3": 3,
        "3 rps": 3,
        "3qps": 3,
        "3 req/s": 3,
        "3 requests per second": 3,
        "90/min": 1.5,
        "90 requests / minute": 1.5,
        "36k/h": 10,
        "36k/hour": 10,
        "1.728M/day": 20,
    }.items(),
)
def test_a_rate_is_read_as_people_write_it(text, rps):
    assert rate_of(text) == rps


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "rps": "rate is 'rps': it takes a number",
        "/h": "rate is '/h': it takes a number",
        "3/fortnight": "'fortnight' is not known. It takes s, min, h, day",
        "3/s/h": "rate is '3/s': it takes a number",
        "3 users": "rate is '3 users': it takes a number",
        "0/min": "it takes a number from",
    }.items(),
)
def test_what_is_no_rate_is_refused_as_it_was_typed(text, said):
    with pytest.raises(BadInput, match=re.escape(said)):
        rate_of(text)
